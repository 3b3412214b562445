/* SPDX-License-Identifier: ISC */
#include "crowd.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/lock.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>

static char base[32] = "/tmp/t_lock.XXXXXX";
static int dir;

/* Tries for so many ms; 0 taken, else the errno. */
static int attempt(void *ms)
{
	int fd = lock_take(dir, "l", deadline_in(*(int *)ms));
	return fd < 0 ? errno : 0;
}

static int attempt_of_another(int ms)
{
	return aside_end(aside(attempt, &ms));
}

static void exclusion(void)
{
	struct stat st;
	autofd int fd = lock_take(dir, "l", NEVER);
	ok(fd >= 0, "a lock is taken");
	ok(fstatat(dir, "l", &st, 0) == 0 && (st.st_mode & 07777) == 0600 && (fcntl(fd, F_GETFD) & FD_CLOEXEC),
	   "its file is ours alone, its descriptor close-on-exec");
	is_number(attempt_of_another(0), ETIMEDOUT, "another process does not get it");
	int64_t begin = now_ms();
	is_number(attempt_of_another(150), ETIMEDOUT, "nor by waiting");
	ok(now_ms() - begin >= 150, "for as long as it was told");
	ok(lock_take(dir, "l", deadline_in(20)) < 0 && errno == ETIMEDOUT, "nor does this one once more");
	close(openat(dir, "l", O_RDWR | O_CLOEXEC));
	is_number(attempt_of_another(0), ETIMEDOUT, "another close(2) of the file in this process does not drop it");
	close(fd);
	fd = -1;
	is_number(attempt_of_another(0), 0, "after its end it is free, also for one who cannot wait");
	ok(lock_take(dir, "none/l", NEVER) < 0 && errno == ENOENT, "no directory: ENOENT");
	if (symlinkat("l", dir, "link") < 0)
		ok(0, "a link");
	ok(lock_take(dir, "link", NEVER) < 0 && errno == ELOOP, "a link is not followed");
}

static int told;

static void tell(int sig)
{
	(void)sig;
	told++;
}

/* Who waits with a deadline leaves no alarm and no handler behind. */
static void alarms(void)
{
	struct sigaction mine = {.sa_handler = tell}, now;
	struct itimerval timer;
	autofd int fd = lock_take(dir, "l", NEVER);
	sigaction(SIGALRM, &mine, NULL);
	ok(fd >= 0 && lock_take(dir, "l", deadline_in(30)) < 0, "a wait runs out");
	sigaction(SIGALRM, NULL, &now);
	getitimer(ITIMER_REAL, &timer);
	ok(now.sa_handler == tell && !told && !timer.it_value.tv_sec && !timer.it_value.tv_usec,
	   "SIGALRM is as before");
	signal(SIGALRM, SIG_DFL);
}

struct waiter {
	int out, held; /* the latter is a copy of the holder's descriptor, which would keep the lock */
};

static int say_and_take(void *arg)
{
	const struct waiter *w = arg;
	int to = w->out;
	close(w->held);
	if (write(to, "w", 1) != 1 || lock_take(dir, "l", NEVER) < 0 || write(to, "t", 1) != 1)
		return 1;
	pause();
	return 0;
}

static void waiting(void)
{
	int ends[2];
	char c = 0;
	autofd int fd = lock_take(dir, "l", NEVER);
	if (pipe(ends) < 0)
		return;
	pid_t pid = aside(say_and_take, &(struct waiter){ends[1], fd});
	struct pollfd p = {.fd = ends[0], .events = POLLIN};
	ok(read(ends[0], &c, 1) == 1 && c == 'w' && poll(&p, 1, 50) == 0, "a process waits for the lock");
	close(fd);
	fd = -1;
	ok(poll(&p, 1, 5000) == 1 && read(ends[0], &c, 1) == 1 && c == 't', "and gets it when it is given back");
	is_number(attempt_of_another(0), ETIMEDOUT, "it has it");
	kill(pid, SIGKILL);
	is_number(aside_end(pid), 128 + SIGKILL, "it is killed");
	is_number(attempt_of_another(1000), 0, "and its lock is free");
	close(ends[0]);
	close(ends[1]);
}

static void discard(void)
{
	struct stat st;
	int fd = lock_take(dir, "l", NEVER);
	is_number(lock_discard(dir, "l", fd), 0, "a lock's file is removed");
	ok(fstatat(dir, "l", &st, 0) < 0 && errno == ENOENT && fcntl(fd, F_GETFD) >= 0, "its descriptor stays");
	is_number(attempt_of_another(0), 0, "the name is free for a new one");
	close(fd);
	fd = lock_take(dir, "l", NEVER);
	unlinkat(dir, "l", 0);
	ok(lock_discard(dir, "l", fd) < 0 && errno == ENOENT, "one that is gone: ENOENT");
	close(fd);
}

enum { PROCESSES = 12, EACH = 150 };
static struct shared {
	int inside, most;
	long sum;
} * shared;

/* Without the lock the sum would miss some. Every third time the lock's file is removed in the end. */
static int add(unsigned number, int out)
{
	(void)out;
	for (unsigned i = 0; i < EACH; i++) {
		autofd int fd = lock_take(dir, "many", i % 2 ? NEVER : deadline_in(20000));
		if (fd < 0)
			return 1;
		int inside = __atomic_add_fetch(&shared->inside, 1, __ATOMIC_SEQ_CST);
		if (inside > shared->most)
			shared->most = inside;
		long sum = *(volatile long *)&shared->sum;
		sched_yield();
		*(volatile long *)&shared->sum = sum + 1;
		__atomic_sub_fetch(&shared->inside, 1, __ATOMIC_SEQ_CST);
		if ((i + number) % 3 == 0 && lock_discard(dir, "many", fd) < 0)
			return 2;
	}
	return 0;
}

static void many(void)
{
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return;
	is_number(crowd_end(crowd_start(PROCESSES, add)), 0,
	          "12 processes take a lock 150 times each, and remove its file now and then");
	is_number(shared->most, 1, "never two at once");
	is_number(shared->sum, PROCESSES * EACH, "and nothing is lost");
}

int main(void)
{
	if (!mkdtemp(base) || (dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		perror(base);
		return 1;
	}
	exclusion();
	alarms();
	waiting();
	discard();
	many();
	is_number(tree_remove(AT_FDCWD, base), 0, "the end");
	return tap_done();
}
