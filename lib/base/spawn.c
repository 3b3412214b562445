/* SPDX-License-Identifier: ISC */
#include "spawn.h"

#include "cleanup.h"
#include "clock.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char search_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/*
 * A supervised process has no PATH of use, and the C library's default one lacks the sbin directories. Programs of tslink are beside
 * the one that runs, wherever that was installed.
 */
static int find_program(const char *name, char *path, size_t size)
{
	char own[PATH_MAX];

	if (strchr(name, '/'))
		return text_format(path, size, "%s", name);
	ssize_t n = readlink("/proc/self/exe", own, sizeof own);
	if (n > 0 && (size_t)n < sizeof own) {
		while (n > 1 && own[n - 1] != '/')
			n--;
		if (text_format(path, size, "%.*s%s", (int)n, own, name) == 0 && access(path, X_OK) == 0)
			return 0;
	}
	for (const char *dir = search_path; dir; dir = strchr(dir, ':')) {
		dir += *dir == ':';
		if (text_format(path, size, "%.*s/%s", (int)strcspn(dir, ":"), dir, name) == 0 && access(path, X_OK) == 0)
			return 0;
	}
	errno = ENOENT;
	return -1;
}

static int start(const char *const argv[], int output, pid_t *pid)
{
	char program[PATH_MAX];
	if (find_program(argv[0], program, sizeof program) < 0)
		return -1;
	char env_path[sizeof search_path + 5];
	snprintf(env_path, sizeof env_path, "PATH=%s", search_path);
	char *environment[] = {env_path, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	if (output >= 0)
		posix_spawn_file_actions_adddup2(&files, output, 1);
	else
		posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	/* What a supervisor handed down is not close-on-exec: a lock, the way to say that a service is ready. */
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	int r = posix_spawn(pid, program, &files, &attr, (char *const *)(uintptr_t)argv, environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	errno = r;
	return r ? -1 : 0;
}

/* Keeps what comes from fd until it ends or the deadline passes. */
static void collect(int fd, char *out, size_t size, int64_t deadline)
{
	size_t used = 0;
	for (;;) {
		char rest[512];
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int r = poll(&p, 1, deadline_left(deadline));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		ssize_t n = used < size - 1 ? read(fd, out + used, size - 1 - used) : read(fd, rest, sizeof rest);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (used < size - 1)
			used += (size_t)n;
	}
	out[used] = '\0';
}

int spawn_wait(const char *const argv[], char *out, size_t size, int64_t deadline)
{
	autofd int from = -1;
	autofd int to = -1;
	pid_t pid;
	if (out) {
		int ends[2];
		*out = '\0';
		if (pipe2(ends, O_CLOEXEC) < 0)
			return -1;
		from = ends[0];
		to = ends[1];
	}
	if (start(argv, to, &pid) < 0)
		return -1;
	if (out) {
		close(to);
		to = -1;
		collect(from, out, size, deadline);
	}
	autofd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int r;
	do
		r = pidfd < 0 ? -1 : poll(&p, 1, deadline_left(deadline));
	while (r < 0 && errno == EINTR && pidfd >= 0);
	if (r == 0)
		kill(pid, SIGKILL);
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	if (r == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
