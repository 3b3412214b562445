/* SPDX-License-Identifier: ISC */
#include "wait.h"

#include "cleanup.h"
#include "clock.h"

#include <errno.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

int wait_for_change(const char *dir, int (*ready)(void *arg), void *arg, int64_t deadline)
{
	/* Watch first, then look: what happens in between is not missed. */
	autofd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
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
