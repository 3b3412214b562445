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
 * Checks the file `name` in the directory `keys` (KEY_DIR, but for tests) and gives its path. Opened beneath it without following any
 * link, it must be regular, owned by root, 0600 or stricter, and hold one line with an auth key. 0, or -1: EINVAL, or why it cannot be
 * opened (ENOENT; openat2(2): ELOOP for a link, EXDEV for a way out of the directory).
 */
int key_file_check(const char *keys, const char *name, char path[PATH_MAX], struct why *why);

#endif
