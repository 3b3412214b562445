/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_BASE_WAIT_H
#define TSLINK_BASE_WAIT_H

/* Waiting for an event of the file system, with a deadline: no polling, no sleeping. */

#include <stdint.h>

/*
 * Calls ready(arg) at once and again whenever something in directory dir is created, removed, renamed or its mode changed,
 * until it returns non-zero. Returns that value if it is positive, -1 with errno as ready left it if it is negative,
 * and -1 with ETIMEDOUT when the deadline (milliseconds of the monotonic clock, or NEVER) has passed, or with ENOENT when
 * the directory is gone.
 */
int wait_for_change(const char *dir, int (*ready)(void *arg), void *arg, int64_t deadline);

#endif
