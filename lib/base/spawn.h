/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_BASE_SPAWN_H
#define TSLINK_BASE_SPAWN_H

#include <stddef.h>
#include <stdint.h>

/*
 * Runs a program (argv[0] is looked up beside the running one, then in a PATH of system directories) with an environment of just that PATH, standard
 * input and output on /dev/null, standard error ours and no other descriptor, and waits for it until the deadline, when it is killed.
 * If out is not NULL, what it writes to standard output is kept there, cut at size - 1 and terminated, also on failure.
 * Returns its exit code (128 + the signal's number if one killed it), or -1 with errno: ETIMEDOUT, ENOENT.
 */
int spawn_wait(const char *const argv[], char *out, size_t size, int64_t deadline);

#endif
