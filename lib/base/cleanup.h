/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_BASE_CLEANUP_H
#define TSLINK_BASE_CLEANUP_H

/* Scope-bound release of what a function owns: `autofd int fd = open(...)`, `autofree char *s = strdup(...)`. */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;
		close(*fd);
		errno = saved;
	}
}

static inline void cleanup_free(void *p)
{
	int saved = errno;
	free(*(void **)p);
	errno = saved;
}

static inline void cleanup_dir(DIR **d)
{
	if (*d) {
		int saved = errno;
		closedir(*d);
		errno = saved;
	}
}

static inline void cleanup_file(FILE **f)
{
	if (*f) {
		int saved = errno;
		fclose(*f);
		errno = saved;
	}
}

#define autofd __attribute__((cleanup(cleanup_fd)))
#define autofree __attribute__((cleanup(cleanup_free)))
#define autodir __attribute__((cleanup(cleanup_dir)))
#define autofile __attribute__((cleanup(cleanup_file)))

#endif
