/* SPDX-License-Identifier: ISC */
#include "lock.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static void wake(int sig)
{
	(void)sig;
}

/* fcntl(2) has no time-out of its own: SIGALRM interrupts it. The timer repeats, for one that came before the wait. */
static int wait_until(int fd, struct flock *want, int64_t deadline)
{
	if (deadline == NEVER)
		return fcntl(fd, F_OFD_SETLKW, want);
	struct sigaction mine = {.sa_handler = wake}, before;
	struct itimerval off = {0};
	sigaction(SIGALRM, &mine, &before);
	int r = -1;
	for (;;) {
		int left = deadline_left(deadline);
		if (left == 0) {
			errno = ETIMEDOUT;
			break;
		}
		struct itimerval on = {.it_value = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 + 1},
				       .it_interval = {.tv_usec = 10000}};
		setitimer(ITIMER_REAL, &on, NULL);
		r = fcntl(fd, F_OFD_SETLKW, want);
		if (r == 0 || errno != EINTR)
			break;
	}
	int saved = errno;
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &before, NULL);
	errno = saved;
	return r;
}

int lock_take(int dirfd, const char *name, int64_t deadline)
{
	for (;;) {
		struct flock want = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		struct stat held = {0}, named;
		int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -1;
		int r = fcntl(fd, F_OFD_SETLK, &want);
		if (r < 0 && (errno == EAGAIN || errno == EACCES))
			r = wait_until(fd, &want, deadline);
		if (r == 0)
			r = fstat(fd, &held);
		if (r < 0) {
			int saved = errno;
			close(fd);
			errno = saved;
			return -1;
		}
		if (fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_ino == held.st_ino &&
		    named.st_dev == held.st_dev)
			return fd;
		close(fd); /* somebody discarded it between our open and our lock */
	}
}

int lock_discard(int dirfd, const char *name, int fd)
{
	(void)fd; /* asked for so that only a holder can call */
	return unlinkat(dirfd, name, 0);
}
