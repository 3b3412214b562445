/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_TESTS_TREELAB_H
#define TSLINK_TESTS_TREELAB_H

/*
 * A tree without tslink-init and without anything installed, in a directory of its own, for the tests of lib/endpoint:
 *
 *   run/  as tslink-init lays it out, with nobody behind the control FIFO of its scan directory
 *   data/  TS_DATA_DIR      docker/  Docker's data root      keys/  auth keys      skeleton/  of an endpoint
 *   bin/  beside the test program, where it is run from there (treelab_beside)
 */

#include "lib/base/file.h"
#include "lib/endpoint/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char treelab[32]; /* its path */

static inline void treelab_bail(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The path of something in it. Good for three further calls. */
__attribute__((format(printf, 1, 2), unused)) static char *treelab_at(const char *fmt, ...)
{
	static char place[4][PATH_MAX];
	static unsigned turn;
	char *p = place[turn++ % 4];
	va_list ap;
	int n = snprintf(p, PATH_MAX, "%s/", treelab);
	va_start(ap, fmt);
	vsnprintf(p + n, PATH_MAX - (size_t)n, fmt, ap);
	va_end(ap);
	return p;
}

static inline bool treelab_has(const char *where)
{
	struct stat st;
	return lstat(treelab_at("%s", where), &st) == 0;
}

/* Makes a file (and the directories to it) of exactly that mode. */
static inline void treelab_write(const char *where, const char *what, size_t len, mode_t mode)
{
	char dir[PATH_MAX];
	snprintf(dir, sizeof dir, "%s", treelab_at("%s", where));
	*strrchr(dir, '/') = '\0';
	if (dir_make_all(dir, 0700) < 0 ||
	    file_publish(AT_FDCWD, treelab_at("%s", where), what, len, mode, VOLATILE) < 0)
		treelab_bail(where);
}

static inline void treelab_put(const char *where, const char *what)
{
	treelab_write(where, what, strlen(what), 0600);
}

static inline void treelab_dir(const char *where)
{
	if (dir_make_all(treelab_at("%s", where), 0700) < 0)
		treelab_bail(where);
}

/* What a file holds, or NULL. Good until the next call. */
static inline const char *treelab_get(const char *where)
{
	static char content[65536];
	return file_read(AT_FDCWD, treelab_at("%s", where), content, sizeof content) < 0 ? NULL : content;
}

/* How many names (other than dot names) are in a directory; -1 where there is none. */
static inline int treelab_count(const char *where)
{
	char **names = dir_list(AT_FDCWD, treelab_at("%s", where));
	int n = 0;
	if (!names)
		return -1;
	while (names[n])
		n++;
	free(names);
	return n;
}

static inline void treelab_remove(void)
{
	if (*treelab && tree_remove(AT_FDCWD, treelab) < 0)
		printf("# cannot remove %s: %s\n", treelab, strerror(errno));
}

static inline void treelab_begin(void)
{
	if (*treelab)
		return;
	strcpy(treelab, "/tmp/tslink-unit.XXXXXX");
	if (!mkdtemp(treelab)) {
		*treelab = '\0';
		treelab_bail("/tmp/tslink-unit.XXXXXX");
	}
}

/*
 * Runs the test program again as treelab's bin/test, so that programs which are looked for beside the running one are found in bin/.
 * To be called first in main.
 */
static inline void treelab_beside(int argc, char **argv)
{
	size_t len;
	if (argc == 2) {
		snprintf(treelab, sizeof treelab, "%s", argv[1]);
		return;
	}
	treelab_begin();
	char *self = file_slurp(AT_FDCWD, "/proc/self/exe", (size_t)1 << 30, &len);
	if (!self)
		treelab_bail("/proc/self/exe");
	treelab_write("bin/test", self, len, 0700);
	free(self);
	execv(treelab_at("bin/test"), (char *[]){argv[0], treelab, NULL});
	treelab_bail("bin/test");
}

/* Lays it all out, with a subnet of uplinks. */
static inline void treelab_lay(const char *subnet)
{
	static const char *const dirs[] = {"run/service/.s6-svscan",
	                                   "run/endpoint",
	                                   "run/sandbox",
	                                   "run/subnet",
	                                   "run/lock",
	                                   "run/svc",
	                                   "run/docker",
	                                   "run/gate",
	                                   "data",
	                                   "keys",
	                                   "skeleton/log"};
	treelab_begin();
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
		treelab_dir(dirs[i]);
	if (mkfifo(treelab_at("run/service/.s6-svscan/control"), 0600) < 0)
		treelab_bail("control");
	treelab_put("run/env/TSLINK_NAME", "unit\n");
	treelab_put("run/env/TSLINK_IFPREFIX", "tunit\n");
	treelab_put("run/env/TSLINK_SUBNET", subnet);
	treelab_put("run/env/TS_DATA_DIR", treelab_at("data"));
	treelab_put("run/docker/serving", "");
	treelab_write("skeleton/run", "#!/bin/sh\n", 10, 0755);
	treelab_put("skeleton/notification-fd", "3\n");
	treelab_write("skeleton/log/run", "#!/bin/sh\n", 10, 0755);
}

static inline void treelab_open(struct tree *tree)
{
	static char skeleton[PATH_MAX], keys[PATH_MAX];
	struct why reason;
	if (tree_open(tree, treelab_at("run"), &reason) < 0) {
		printf("Bail out! %s\n", reason.text);
		exit(1);
	}
	strcpy(skeleton, treelab_at("skeleton"));
	strcpy(keys, treelab_at("keys"));
	tree->skeleton = skeleton;
	tree->keys = keys;
}

#endif
