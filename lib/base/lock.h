/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_BASE_LOCK_H
#define TSLINK_BASE_LOCK_H

/*
 * Write locks between processes, on files of their own (never on what they protect). They are open-file-description locks
 * (fcntl(2), F_OFD_SETLKW): the lock lives as long as the descriptor, and no other close(2) in the process drops it.
 */

#include <stdint.h>

/*
 * Takes the lock `name` beneath dirfd, making the file where there is none, and waiting for it until the deadline
 * (milliseconds of the monotonic clock, or NEVER). A lock file that was removed and made anew meanwhile is noticed.
 * A deadline needs SIGALRM, which must not be blocked. Returns a descriptor to close(2), or -1: ETIMEDOUT.
 */
int lock_take(int dirfd, const char *name, int64_t deadline);

/* Removes the lock file of something that is no more. Only its holder may call it; fd stays open and locked. */
int lock_discard(int dirfd, const char *name, int fd);

#endif
