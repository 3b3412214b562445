/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_KEY_H
#define TSLINK_ENDPOINT_KEY_H

/* Auth keys in files of the operator: $(sysconfdir)/tslink/keys/<name>, named by the option tslink.authkey-file. */

#include "lib/base/error.h"

#include <limits.h>

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc/tslink"
#endif
#define KEY_DIR SYSCONFDIR "/keys"

/*
 * Checks the file and gives its path. Opened beneath KEY_DIR without following any link, it must be regular, owned by root, 0600 or
 * stricter, and hold an auth key. 0, or -1: EINVAL, or ENOENT.
 */
int key_file_check(const char *name, char path[PATH_MAX], struct why *why);

#endif
