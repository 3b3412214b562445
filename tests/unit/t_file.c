/* SPDX-License-Identifier: ISC */
#include "crowd.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

static char base[32] = "/tmp/t_file.XXXXXX";
static int dir;

static bool here(const char *path)
{
	struct stat st;
	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static mode_t mode_of(const char *path)
{
	struct stat st;
	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mode & 07777 : 0;
}

static void put(const char *path, const char *text)
{
	if (file_publish(dir, path, text, strlen(text), 0600, VOLATILE) < 0)
		ok(0, "cannot write %s", path);
}

static bool fails(long r, int error)
{
	return r < 0 && errno == error;
}

/* Names in a directory, the dot names too. */
static int names_in(const char *path)
{
	int n = -2;
	autodir DIR *d = fdopendir(openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	while (d && readdir(d))
		n++;
	return n;
}

static int descriptors(void)
{
	int n = 0;
	autodir DIR *d = opendir("/proc/self/fd");
	while (d && readdir(d))
		n++;
	return n;
}

static void publishing(void)
{
	char buf[64], target[64];
	mode_t old = umask(077);
	is_number(file_publish(dir, "a", "one\ntwo\n", 8, 0644, VOLATILE), 0, "a file is published");
	umask(old);
	ok(mode_of("a") == 0644, "its mode is as said, whatever the umask");
	ok(file_read(dir, "a", buf, sizeof buf) == 7 && !strcmp(buf, "one\ntwo"), "one newline at its end is dropped");
	is_number(file_publish_line(dir, "a", "three", 0600, DURABLE), 0, "and published anew, durably");
	ok(mode_of("a") == 0600 && file_read(dir, "a", buf, sizeof buf) == 5 && !strcmp(buf, "three"),
	   "with the new mode and content");
	is_number(file_publish_line(dir, "a", "", 0600, VOLATILE), 0, "an empty line");
	ok(file_read(dir, "a", buf, sizeof buf) == 0 && !*buf, "is an empty text");
	ok(dir_make(dir, "sub", 0700) == 0 && file_publish_line(dir, "sub/x", "y", 0600, DURABLE) == 0 &&
	           names_in("sub") == 1,
	   "in a directory below");
	char absolute[64];
	snprintf(absolute, sizeof absolute, "%s/b", base);
	ok(file_publish_line(AT_FDCWD, absolute, "y", 0600, DURABLE) == 0 && here("b"), "by its absolute path");
	ok(fails(file_publish_line(dir, "none/x", "y", 0600, VOLATILE), ENOENT),
	   "not in a directory that is not there");
	ok(file_publish_line(dir, "sub", "y", 0600, VOLATILE) < 0 && names_in("sub") == 1, "not over a directory");
	put("elsewhere", "kept\n");
	if (symlinkat("elsewhere", dir, "link") < 0)
		ok(0, "a link");
	ok(file_publish_line(dir, "link", "new", 0600, VOLATILE) == 0 &&
	           file_read(dir, "elsewhere", buf, sizeof buf) > 0 && !strcmp(buf, "kept") &&
	           file_read(dir, "link", buf, sizeof buf) == 3,
	   "a link in its place is replaced and not followed");
	ok(file_publish_link(dir, "link", "one", VOLATILE) == 0 && file_publish_link(dir, "link", "two", DURABLE) == 0,
	   "a link is published, and again");
	ssize_t n = readlinkat(dir, "link", target, sizeof target - 1);
	ok(n == 3 && !strncmp(target, "two", 3), "with the new target");
	ok(file_publish_link(dir, "sub", "one", VOLATILE) < 0 && here("sub/x"), "not over a directory");
	is_number(names_in("."), 5, "nothing is left aside");
}

enum { LONG = 30000, ROUNDS = 1000 };

static int write_often(void *arg)
{
	static char text[LONG];
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		size_t len = i % 2 ? LONG : LONG / 3;
		memset(text, i % 2 ? 'x' : 'y', len);
		if (file_publish(dir, "often", text, len, 0600, VOLATILE) < 0)
			return 1;
	}
	return 0;
}

static void a_reader_meanwhile(void)
{
	static char text[LONG + 1];
	int torn = 0, missing = 0, read = 0, seen_aside = 0, status;
	put("often", "");
	pid_t pid = aside(write_often, NULL);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		ssize_t n = file_read(dir, "often", text, sizeof text);
		if (n < 0)
			missing++;
		else if (n > 0)
			torn += !((n == LONG && strspn(text, "x") == LONG) ||
			          (n == LONG / 3 && strspn(text, "y") == LONG / 3));
		read++;
		autofree char **names = dir_list(dir, ".");
		for (char **name = names; name && *name; name++)
			seen_aside += strstr(*name, "often") && strcmp(*name, "often") != 0;
	}
	is_number(status, 0, "a file is published 1,000 times");
	ok(read > 10, "and read meanwhile");
	is_number(missing, 0, "it was always there");
	is_number(torn, 0, "and always whole");
	is_number(seen_aside, 0, "and what is made aside is in no list");
	unlinkat(dir, "often", 0);
}

static void reading(void)
{
	char buf[8];
	size_t len = 77;
	put("seven", "sevenn\n");
	put("full", "sevenne");
	put("more", "sevennes");
	put("two", "x\n\n");
	if (file_publish(dir, "zero", "a\0b", 3, 0600, VOLATILE) < 0 || symlinkat("full", dir, "to-full") < 0 ||
	    mkfifoat(dir, "fifo", 0600) < 0)
		ok(0, "what is to be read");
	ok(file_read(dir, "seven", buf, sizeof buf) == 6 && file_read(dir, "full", buf, sizeof buf) == 7,
	   "seven bytes fit eight");
	ok(fails(file_read(dir, "more", buf, sizeof buf), EFBIG), "eight do not: EFBIG");
	ok(file_read(dir, "two", buf, sizeof buf) == 2 && !strcmp(buf, "x\n"), "one newline is dropped, not two");
	ok(fails(file_read(dir, "none", buf, sizeof buf), ENOENT), "no file: ENOENT");
	ok(fails(file_read(dir, "zero", buf, sizeof buf), EINVAL), "a zero byte in it: EINVAL");
	ok(fails(file_read(dir, "sub", buf, sizeof buf), EINVAL), "a directory: EINVAL");
	ok(fails(file_read(dir, "fifo", buf, sizeof buf), EINVAL), "a FIFO: EINVAL, at once");
	ok(fails(file_read(dir, "to-full", buf, sizeof buf), ELOOP), "a link is not followed");

	char *all = file_slurp(dir, "zero", 3, &len);
	ok(all && len == 3 && !memcmp(all, "a\0b", 4), "a whole file of any bytes, terminated");
	free(all);
	ok(!file_slurp(dir, "zero", 2, &len) && errno == EFBIG, "at most as long as said");
	ok(!file_slurp(dir, "none", 2, &len) && errno == ENOENT, "no file: ENOENT");
	ok(!file_slurp(dir, "sub", 100, &len) && errno == EISDIR, "a directory: EISDIR");
	all = file_slurp(AT_FDCWD, "/proc/self/status", 65536, NULL);
	ok(all && strstr(all, "Name:"), "a file of /proc, which tells no size");
	free(all);
	put("empty", "");
	all = file_slurp(dir, "empty", 10, &len);
	ok(all && len == 0 && !*all, "an empty one");
	free(all);
}

static void directories(void)
{
	char path[64];
	mode_t old = umask(022);
	ok(dir_make(dir, "d", 0700) == 0 && mode_of("d") == 0700, "a directory");
	ok(dir_make(dir, "d", 0755) == 0 && mode_of("d") == 0700, "one that is there stays as it is");
	ok(fails(dir_make(dir, "none/d", 0700), ENOENT), "not without its parent");
	ok(fails(dir_make(dir, "full", 0700), ENOTDIR), "not where a file is");
	snprintf(path, sizeof path, "%s/p/q/r", base);
	ok(dir_make_all(path, 0700) == 0 && mode_of("p") == 0755 && mode_of("p/q") == 0755 && mode_of("p/q/r") == 0700,
	   "a directory and its parents");
	ok(dir_make_all(path, 0700) == 0, "again");
	snprintf(path, sizeof path, "%s/full/r", base);
	ok(fails(dir_make_all(path, 0700), ENOTDIR), "not below a file");
	umask(old);
	ok(dir_sync(dir, "d") == 0 && dir_sync(dir, ".") == 0, "what is in a directory is made durable");
	ok(fails(dir_sync(dir, "none"), ENOENT) && fails(dir_sync(dir, "full"), ENOTDIR),
	   "of a directory that is there");

	autofree char **none = dir_list(dir, "d");
	ok(none && !none[0], "an empty directory has no names");
	put("d/b", "");
	put("d/a", "");
	put("d/.hidden", "");
	put("d/B", "");
	autofree char **names = dir_list(dir, "d");
	ok(names && names[0] && !strcmp(names[0], "B") && !strcmp(names[1], "a") && !strcmp(names[2], "b") && !names[3],
	   "the names are sorted, and dot names are none");
	ok(!dir_list(dir, "none") && errno == ENOENT, "no directory: ENOENT");
	ok(!dir_list(dir, "full") && errno == ENOTDIR, "a file: ENOTDIR");
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof path, "p/%060d", i);
		put(path, "");
	}
	autofree char **many = dir_list(dir, "p");
	int count = 0, unsorted = 0;
	for (; many && many[count]; count++)
		unsorted += count && strcmp(many[count - 1], many[count]) >= 0;
	ok(count == 1001 && !unsorted, "a thousand names");
}

static void removal(void)
{
	char path[64];
	put("victim", "alive\n");
	if (dir_make(dir, "outside", 0700) < 0 || dir_make(dir, "tree", 0700) < 0 ||
	    dir_make(dir, "tree/deep", 0700) < 0 || dir_make(dir, "tree/deep/er", 0700) < 0 ||
	    symlinkat("../outside", dir, "tree/link") < 0 ||
	    symlinkat("../../victim", dir, "tree/deep/file-link") < 0 ||
	    symlinkat("outside", dir, "link-to-outside") < 0 || symlinkat("nowhere", dir, "tree/dangling") < 0)
		ok(0, "what is to be removed");
	put("outside/kept", "");
	put("tree/.hidden", "");
	put("tree/file", "");
	is_number(tree_remove(dir, "tree"), 0, "a tree is removed");
	ok(!here("tree"), "all of it");
	ok(here("outside/kept") && here("victim"), "and nothing that links in it point to");
	ok(tree_remove(dir, "link-to-outside") == 0 && !here("link-to-outside") && here("outside/kept"),
	   "a link itself is not followed");
	ok(tree_remove(dir, "victim") == 0 && !here("victim"), "a file is removed");
	ok(tree_remove(dir, "victim") == 0 && tree_remove(dir, "none/at/all") == 0, "nothing there is success");
	ok(tree_remove(dir, "p") == 0 && !here("p"), "a thousand files");
	ok(fails(tree_remove(dir, "full/x"), ENOTDIR), "below a file: ENOTDIR");

	/* A descriptor sees the mounts of the namespace that it was opened in. */
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || close(dir) < 0 ||
	    (dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 || dir_make(dir, "tree", 0700) < 0 ||
	    dir_make(dir, "tree/mount", 0700) < 0) {
		ok(1, "another file system's mount # SKIP needs root");
		return;
	}
	snprintf(path, sizeof path, "%s/tree/mount", base);
	if (mount("tmpfs", path, "tmpfs", 0, NULL) < 0)
		ok(0, "a mount: %s", strerror(errno));
	put("tree/mount/kept", "");
	ok(fails(tree_remove(dir, "tree"), EXDEV) && here("tree/mount/kept"),
	   "another file system's mount is not entered");
	umount2(path, MNT_DETACH);
	is_number(tree_remove(dir, "tree"), 0, "without it the tree is removed");
}

int main(void)
{
	if (!mkdtemp(base) || (dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		perror(base);
		return 1;
	}
	int before = descriptors();
	publishing();
	a_reader_meanwhile();
	reading();
	directories();
	removal();
	is_number(descriptors(), before, "no descriptor is left open");
	is_number(tree_remove(AT_FDCWD, base), 0, "the end");
	return tap_done();
}
