/* SPDX-License-Identifier: ISC */
#include "netns.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

int netns_open(const char *path)
{
	/* O_NONBLOCK: whatever stands there, opening it must not wait. */
	autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct statfs fs;
	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return -1;
	if (fs.f_type != NSFS_MAGIC) {
		errno = ENOENT;
		return -1;
	}
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
		errno = EINVAL;
		return -1;
	}
	int found = fd;
	fd = -1;
	return found;
}

int netns_wait(const char *path, int64_t deadline)
{
	/* Opened first, looked at then: the kernel tells of changes since the opening. */
	autofd int mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (mounts < 0)
		return -1;
	for (;;) {
		int fd = netns_open(path);
		if (fd >= 0 || errno != ENOENT)
			return fd;
		struct pollfd p = {.fd = mounts, .events = POLLPRI};
		int r = poll(&p, 1, deadline_left(deadline));
		if (r < 0 && errno != EINTR)
			return -1;
		if (r == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
}

bool netns_is_own(int netns)
{
	struct stat own, other;
	return stat("/proc/self/ns/net", &own) == 0 && fstat(netns, &other) == 0 && own.st_ino == other.st_ino &&
	       own.st_dev == other.st_dev;
}

int netns_run(int netns, int (*fn)(void *arg), void *arg)
{
	autofd int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0 || setns(netns, CLONE_NEWNET) < 0)
		return -1;
	int r = fn(arg);
	int saved = errno;
	if (setns(home, CLONE_NEWNET) < 0)
		die_sys(EXIT_TEMPORARY, "cannot come back from a network namespace");
	errno = saved;
	return r;
}
