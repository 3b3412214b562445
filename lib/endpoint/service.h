/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_SERVICE_H
#define TSLINK_ENDPOINT_SERVICE_H

/* Service directories under s6-svscan: laying one out, linking it into the scan directory, taking it down. */

#include "tree.h"

#include <stdint.h>

#ifndef SVCDIR
#define SVCDIR "/usr/share/tslink/svc"
#endif

/*
 * Lays out the directory `name` beneath dirfd after the skeleton SVCDIR/<skeleton>: its directories are made (0700), its files become
 * symbolic links to the installed ones, so that `cat run` shows what runs and an upgrade reaches it. What is there stays.
 */
int service_lay(int dirfd, const char *name, const char *skeleton, struct why *why);

/* The same after a skeleton anywhere; `from` is its absolute path. */
int service_lay_from(int dirfd, const char *name, const char *from, struct why *why);

/* Links service/<name> to `target` and tells s6-svscan. 0 also where it is linked already; -1: ENXIO no s6-svscan is running. */
int service_link(const struct tree *tree, const char *name, const char *target, struct why *why);

/*
 * Takes the service down and away: unlinks service/<name>, tells s6-svscan, and waits until s6-supervise and that of the logger are
 * gone. `target` is the service directory, relative to the run directory. 0, or -1: ETIMEDOUT. Not linked is success.
 */
int service_unlink(const struct tree *tree, const char *name, const char *target, int64_t deadline, struct why *why);

/* Sends commands of s6-svc ("d", "u", "r" ...) to a service; -1 with ENXIO where it is not supervised. */
int service_control(const struct tree *tree, const char *name, const char *commands, struct why *why);

/* Is it supervised? */
bool service_supervised(const struct tree *tree, const char *name);

#endif
