/* SPDX-License-Identifier: ISC */
#include "key.h"

#include "lib/base/cleanup.h"
#include "lib/base/text.h"
#include "lib/docker/options.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int open_beneath(const char *keys, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	autofd int dir = open(keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? -1 : (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
}

/* One line with a key and nothing else, wiped from memory afterwards. */
static int check_content(int fd, const char *path, struct why *why)
{
	char text[AUTHKEY_MAX + 2];
	ssize_t n = read(fd, text, sizeof text);
	int r = -1;

	if (n < 0) {
		why_sys(why, "cannot read %s", path);
	} else if ((size_t)n == sizeof text) {
		errno = EINVAL;
		why_set(why, "%s is longer than the %d bytes of an auth key", path, AUTHKEY_MAX);
	} else {
		/* A second line, or what stands behind a zero byte, would be found only when the first node logs in. */
		n -= n > 0 && text[n - 1] == '\n';
		text[n] = 0;
		r = authkey_check(path, strlen(text) == (size_t)n ? text : "", why);
	}
	explicit_bzero(text, sizeof text);
	return r;
}

int key_file_check(const char *keys, const char *name, char path[PATH_MAX], struct why *why)
{
	struct stat st;

	if (text_format(path, PATH_MAX, "%s/%s", keys, name) < 0)
		return why_sys(why, "tslink.authkey-file");
	autofd int fd = open_beneath(keys, name);
	if (fd < 0)
		return why_sys(why, "cannot open the auth key %s (tslink.authkey-file)", path);
	if (fstat(fd, &st) < 0)
		return why_sys(why, "cannot look at %s", path);
	errno = EINVAL;
	if (!S_ISREG(st.st_mode))
		return why_set(why, "%s is no regular file", path);
	if (st.st_uid != 0)
		return why_set(why, "%s belongs to user %u, and must belong to root: chown root %s", path, st.st_uid, path);
	if (st.st_mode & 077)
		return why_set(why, "%s can be read by others than root: chmod 600 %s", path, path);
	return check_content(fd, path, why);
}
