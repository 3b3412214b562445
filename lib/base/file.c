/* SPDX-License-Identifier: ISC */
#include "file.h"

#include "cleanup.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

/* A name beside path that nobody else has: a dot name, so that no directory scan takes it for a record. */
static int beside(const char *path, char *buf, size_t size)
{
	uint64_t salt;
	if (getrandom(&salt, sizeof salt, 0) != sizeof salt)
		return -1;
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash + 1 - path) : 0;
	return text_format(buf, size, "%.*s.%s.%016llx", dir, path, path + dir, (unsigned long long)salt);
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t w = write(fd, p, len);
		if (w < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += w;
		len -= (size_t)w;
	}
	return 0;
}

static int sync_parent(int dirfd, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	if (!slash)
		return dir_sync(dirfd, ".");
	if (text_format(dir, sizeof dir, "%.*s", (int)(slash > path ? slash - path : 1), path) < 0)
		return -1;
	return dir_sync(dirfd, dir);
}

/* Puts what was made aside into its place, or takes it away again. */
static int settle(int dirfd, const char *aside, const char *path, enum durability how)
{
	if (renameat(dirfd, aside, dirfd, path) < 0) {
		int saved = errno;
		unlinkat(dirfd, aside, 0);
		errno = saved;
		return -1;
	}
	return how == DURABLE ? sync_parent(dirfd, path) : 0;
}

int file_publish(int dirfd, const char *path, const void *data, size_t len, mode_t mode, enum durability how)
{
	char aside[PATH_MAX];
	if (beside(path, aside, sizeof aside) < 0)
		return -1;
	autofd int fd = openat(dirfd, aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (fchmod(fd, mode) < 0 || write_all(fd, data, len) < 0 || (how == DURABLE && fsync(fd) < 0)) {
		int saved = errno;
		unlinkat(dirfd, aside, 0);
		errno = saved;
		return -1;
	}
	return settle(dirfd, aside, path, how);
}

int file_publish_line(int dirfd, const char *path, const char *line, mode_t mode, enum durability how)
{
	autofree char *text = NULL;
	int n = asprintf(&text, "%s\n", line);
	if (n < 0)
		return -1;
	return file_publish(dirfd, path, text, (size_t)n, mode, how);
}

int file_publish_link(int dirfd, const char *path, const char *target, enum durability how)
{
	char aside[PATH_MAX];
	if (beside(path, aside, sizeof aside) < 0 || symlinkat(target, dirfd, aside) < 0)
		return -1;
	return settle(dirfd, aside, path, how);
}

static int open_regular(int dirfd, const char *path)
{
	struct stat st;
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

/* Reads to the end of fd, at most max bytes; EFBIG where there is more. */
static ssize_t read_to_end(int fd, char *buf, size_t max)
{
	size_t used = 0;
	char more;
	for (;;) {
		ssize_t r = used < max ? read(fd, buf + used, max - used) : read(fd, &more, 1);
		if (r < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (r == 0)
			return (ssize_t)used;
		if (used == max) {
			errno = EFBIG;
			return -1;
		}
		used += (size_t)r;
	}
}

ssize_t file_read(int dirfd, const char *path, char *buf, size_t size)
{
	autofd int fd = open_regular(dirfd, path);
	if (fd < 0)
		return -1;
	ssize_t n = read_to_end(fd, buf, size - 1);
	if (n < 0)
		return -1;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	if (strlen(buf) != (size_t)n) {
		errno = EINVAL;
		return -1;
	}
	return n;
}

char *file_slurp(int dirfd, const char *path, size_t max, size_t *len)
{
	struct stat st;
	autofd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	/* what is still being written may have grown; /proc says zero */
	size_t room = st.st_size > 0 && (size_t)st.st_size < max ? (size_t)st.st_size + 4096 : max;
	if (room > max)
		room = max;
	autofree char *buf = malloc(room + 1);
	if (!buf)
		return NULL;
	ssize_t n = read_to_end(fd, buf, room);
	if (n < 0)
		return NULL;
	buf[n] = '\0';
	if (len)
		*len = (size_t)n;
	char *result = buf;
	buf = NULL;
	return result;
}

int dir_make(int dirfd, const char *path, mode_t mode)
{
	if (mkdirat(dirfd, path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -1;
	struct stat st;
	if (fstatat(dirfd, path, &st, 0) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return -1;
	}
	return 0;
}

int dir_make_all(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	if (text_format(part, sizeof part, "%s", path) < 0)
		return -1;
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (dir_make(AT_FDCWD, part, 0755) < 0)
			return -1;
		*p = '/';
	}
	return dir_make(AT_FDCWD, part, mode);
}

int dir_sync(int dirfd, const char *path)
{
	autofd int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : fsync(fd);
}

/* Empties the directory behind fd (which it takes over) as long as it stays on the device. */
static int remove_inside(int fd, dev_t dev)
{
	autodir DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -1;
	}
	struct dirent *e;
	while (errno = 0, (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		struct stat st;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				continue;
			return -1;
		}
		if (!S_ISDIR(st.st_mode)) {
			if (unlinkat(fd, e->d_name, 0) < 0 && errno != ENOENT)
				return -1;
			continue;
		}
		if (st.st_dev != dev) {
			errno = EXDEV;
			return -1;
		}
		int sub = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0 || remove_inside(sub, dev) < 0)
			return -1;
		if (unlinkat(fd, e->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			return -1;
	}
	return errno ? -1 : 0;
}

int tree_remove(int dirfd, const char *path)
{
	struct stat st;
	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISDIR(st.st_mode))
		return unlinkat(dirfd, path, 0) < 0 && errno != ENOENT ? -1 : 0;
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || remove_inside(fd, st.st_dev) < 0)
		return -1;
	return unlinkat(dirfd, path, AT_REMOVEDIR) < 0 && errno != ENOENT ? -1 : 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **dir_list(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	autodir DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return NULL;
	}
	/* first the names one after the other, then the vector and the names as one block */
	autofree char *names = NULL;
	size_t bytes = 0, count = 0, room = 0;
	struct dirent *e;
	while (errno = 0, (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		size_t n = strlen(e->d_name) + 1;
		if (bytes + n > room) {
			room = (bytes + n) * 2;
			char *bigger = realloc(names, room);
			if (!bigger)
				return NULL;
			names = bigger;
		}
		memcpy(names + bytes, e->d_name, n);
		bytes += n;
		count++;
	}
	if (errno)
		return NULL;
	char **list = malloc((count + 1) * sizeof *list + bytes);
	if (!list)
		return NULL;
	char *text = (char *)(list + count + 1);
	if (bytes)
		memcpy(text, names, bytes);
	for (size_t i = 0; i < count; i++, text += strlen(text) + 1)
		list[i] = text;
	list[count] = NULL;
	qsort(list, count, sizeof *list, by_name);
	return list;
}
