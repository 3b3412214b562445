/* SPDX-License-Identifier: ISC */
#include "crowd.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/wait.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sched.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOON 10000 /* ms: longest wait for what is to happen */

static char base[32] = "/tmp/t_wait.XXXXXX";
static int dir;

/* What is to be done by another process while we wait, and how often ready was asked. */
struct scene {
	const char *name;
	void (*act)(void);
	bool (*done)(void); /* is it what is waited for? NULL: never */
	int asked;
	int start[2]; /* closed once ready has been asked: from then on it happens */
};

static void act_write(void)
{
	autofd int fd = openat(dir, "w/file", O_WRONLY | O_CLOEXEC);
	if (write(fd, "more", 4) != 4)
		_exit(1);
}

static void act_create(void)
{
	close(openat(dir, "w/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void act_mkdir(void)
{
	mkdirat(dir, "w/new", 0700);
}

static void act_remove(void)
{
	unlinkat(dir, "w/file", 0);
}

static void act_rename_in(void)
{
	renameat(dir, "outside", dir, "w/new");
}

static void act_rename_out(void)
{
	renameat(dir, "w/file", dir, "outside");
}

static void act_publish(void)
{
	if (file_publish_line(dir, "w/file", "other", 0600, VOLATILE) < 0)
		_exit(1);
}

static void act_mode(void)
{
	if (fchmodat(dir, "w/file", 0640, 0) < 0)
		_exit(1);
}

static void act_in_two_steps(void)
{
	for (int i = 0; i < 20; i++) {
		char name[32];
		snprintf(name, sizeof name, "w/other%d", i);
		close(openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	}
	act_create();
}

static void act_end(void)
{
	if (tree_remove(dir, "w") < 0)
		_exit(1);
}

static void act_move(void)
{
	renameat(dir, "w", dir, "moved");
}

static struct stat file;

static bool there(const char *path)
{
	return fstatat(dir, path, &file, 0) == 0;
}

static bool done_new(void)
{
	return there("w/new");
}

static bool done_removed(void)
{
	return !there("w/file");
}

static bool done_longer(void)
{
	return there("w/file") && file.st_size == 6;
}

static bool done_written(void)
{
	return there("w/file") && file.st_size == 4;
}

static bool done_mode(void)
{
	return there("w/file") && (file.st_mode & 0777) == 0640;
}

static int ready(void *arg)
{
	struct scene *s = arg;
	s->asked++;
	if (s->start[1] >= 0) {
		close(s->start[1]);
		s->start[1] = -1;
		return 0;
	}
	return s->done && s->done() ? 42 : 0;
}

static int act(void *arg)
{
	struct scene *s = arg;
	char c;
	close(s->start[1]);
	if (read(s->start[0], &c, 1) != 0)
		return 1;
	s->act();
	return 0;
}

/* What wait_for_change returns when it happens while it waits; errno is its own. */
static int play(struct scene *s)
{
	char path[64];
	snprintf(path, sizeof path, "%s/w", base);
	tree_remove(dir, "w");
	tree_remove(dir, "moved");
	if (dir_make(dir, "w", 0700) < 0 || file_publish(dir, "w/file", "", 0, 0600, VOLATILE) < 0 ||
	    file_publish(dir, "outside", "", 0, 0600, VOLATILE) < 0 || pipe(s->start) < 0)
		return -2;
	pid_t pid = aside(act, s);
	close(s->start[0]);
	int r = wait_for_change(path, ready, s, deadline_in(SOON));
	int saved = errno;
	if (aside_end(pid) != 0)
		ok(0, "%s: it happens", s->name);
	errno = saved;
	return r;
}

static void events(void)
{
	static struct scene scenes[] = {
		{.name = "a file is made", .act = act_create, .done = done_new},
		{.name = "a directory is made", .act = act_mkdir, .done = done_new},
		{.name = "a file is removed", .act = act_remove, .done = done_removed},
		{.name = "one is renamed into it", .act = act_rename_in, .done = done_new},
		{.name = "one is renamed out of it", .act = act_rename_out, .done = done_removed},
		{.name = "one is published anew", .act = act_publish, .done = done_longer},
		{.name = "one is written and closed", .act = act_write, .done = done_written},
		{.name = "its mode changes", .act = act_mode, .done = done_mode},
		{.name = "much else happens first", .act = act_in_two_steps, .done = done_new},
	};
	for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
		int r = play(&scenes[i]);
		ok(r == 42 && scenes[i].asked >= 2, "%s: ready is asked again, and its answer is ours", scenes[i].name);
	}
	struct scene end = {.name = "it is removed", .act = act_end};
	ok(play(&end) == -1 && errno == ENOENT, "the directory is removed: ENOENT");
	struct scene move = {.name = "it is moved", .act = act_move};
	ok(play(&move) == -1 && errno == ENOENT, "the directory is moved away: ENOENT");
}

static int asked;

static int never(void *arg)
{
	(void)arg;
	asked++;
	return 0;
}

static int at_once(void *arg)
{
	errno = EDOM;
	return *(int *)arg;
}

static void without_events(void)
{
	int yes = 7, no = -5;
	char path[64];
	ok(wait_for_change(base, at_once, &yes, NEVER) == 7, "what is ready is not waited for");
	ok(wait_for_change(base, at_once, &yes, now_ms() - 1000) == 7, "also when the deadline has passed");
	errno = 0;
	ok(wait_for_change(base, at_once, &no, NEVER) == -1 && errno == EDOM, "what fails ends it with its errno");
	int64_t begin = now_ms();
	asked = 0;
	ok(wait_for_change(base, never, NULL, deadline_in(150)) == -1 && errno == ETIMEDOUT,
	   "the deadline passes: ETIMEDOUT");
	ok(now_ms() - begin >= 150 && asked == 1, "and not before; nothing happened, so it was asked once");
	ok(wait_for_change(base, never, NULL, deadline_in(-5)) == -1 && errno == ETIMEDOUT && asked == 2,
	   "a deadline in the past: it is asked once");
	snprintf(path, sizeof path, "%s/none", base);
	ok(wait_for_change(path, never, NULL, NEVER) == -1 && errno == ENOENT, "no directory: ENOENT");
	snprintf(path, sizeof path, "%s/outside", base);
	ok(wait_for_change(path, never, NULL, NEVER) == -1 && errno == ENOTDIR, "a file: ENOTDIR");
}

static bool put(const char *path, const char *text)
{
	autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* From now on this process gets no inotify instance: in a user namespace of its own, so that nobody else is concerned. */
static bool without_inotify(void)
{
	char map[32];
	snprintf(map, sizeof map, "0 %u 1\n", geteuid());
	if (unshare(CLONE_NEWUSER) < 0 || !put("/proc/self/uid_map", map) || !put("/proc/sys/user/max_inotify_instances", "0"))
		return false;
	autofd int fd = inotify_init1(IN_CLOEXEC);
	return fd < 0 && errno == EMFILE;
}

int main(void)
{
	if (!mkdtemp(base) || (dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		perror(base);
		return 1;
	}
	events();
	without_events();
	if (without_inotify())
		events();
	else
		ok(1, "without inotify # SKIP no user namespaces here");
	is_number(tree_remove(AT_FDCWD, base), 0, "the end");
	return tap_done();
}
