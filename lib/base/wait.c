/* SPDX-License-Identifier: ISC */
#include "wait.h"

#include "cleanup.h"
#include "clock.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS 50

/*
 * A user has 128 inotify instances by default, and a thousand waits at once are not unheard of: who gets none looks again and again.
 */
static int wait_by_looking(const char *dir, int (*ready)(void *arg), void *arg, int64_t deadline)
{
	struct stat first, now;

	if (stat(dir, &first) < 0)
		return -1;
	if (!S_ISDIR(first.st_mode)) {
		errno = ENOTDIR;
		return -1;
	}
	for (;;) {
		int r = ready(arg);
		if (r)
			return r > 0 ? r : -1;
		if (stat(dir, &now) < 0)
			return -1;
		int left = deadline_left(deadline);
		bool gone = now.st_ino != first.st_ino || now.st_dev != first.st_dev;
		if (gone || left == 0) {
			errno = gone ? ENOENT : ETIMEDOUT;
			return -1;
		}
		if (poll(NULL, 0, left < 0 || left > LOOK_MS ? LOOK_MS : left) < 0 && errno != EINTR)
			return -1;
	}
}

int wait_for_change(const char *dir, int (*ready)(void *arg), void *arg, int64_t deadline)
{
	/* Watch first, then look: what happens in between is not missed. */
	autofd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0 && errno == EMFILE)
		return wait_by_looking(dir, ready, arg, deadline);
	if (fd < 0)
		return -1;
	if (inotify_add_watch(fd, dir,
			      IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_CLOSE_WRITE |
				      IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR) < 0)
		return -1;
	for (;;) {
		int r = ready(arg);
		if (r)
			return r > 0 ? r : -1;
		struct pollfd p = {.fd = fd, .events = POLLIN};
		r = poll(&p, 1, deadline_left(deadline));
		if (r < 0 && errno != EINTR)
			return -1;
		if (r == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
		ssize_t n;
		while ((n = read(fd, events, sizeof events)) > 0)
			for (char *p_ev = events; p_ev < events + n;) {
				const struct inotify_event *e = (const void *)p_ev;
				if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) {
					errno = ENOENT;
					return -1;
				}
				p_ev += sizeof *e + e->len;
			}
	}
}
