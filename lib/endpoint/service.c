/* SPDX-License-Identifier: ISC */
#include "service.h"

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/lock.h"
#include "lib/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <s6/supervise.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int service_lay_from(int dirfd, const char *name, const char *from, struct why *why)
{
	if (dir_make(dirfd, name, 0700) < 0)
		return why_sys(why, "cannot make the service directory %s", name);
	autofree char **entries = dir_list(AT_FDCWD, from);
	if (!entries)
		return why_sys(why, "cannot read %s: is tslink installed?", from);
	for (size_t i = 0; entries[i]; i++) {
		char source[PATH_MAX], made[PATH_MAX];
		struct stat st;

		if (text_format(source, sizeof source, "%s/%s", from, entries[i]) < 0 ||
		    text_format(made, sizeof made, "%s/%s", name, entries[i]) < 0 || stat(source, &st) < 0)
			return why_sys(why, "cannot look at %s/%s", from, entries[i]);
		if (S_ISDIR(st.st_mode) ? service_lay_from(dirfd, made, source, why) < 0 : symlinkat(source, dirfd, made) < 0 && errno != EEXIST)
			return S_ISDIR(st.st_mode) ? -1 : why_sys(why, "cannot link %s", made);
	}
	return 0;
}

int service_lay(int dirfd, const char *name, const char *skeleton, struct why *why)
{
	char from[PATH_MAX];

	if (text_format(from, sizeof from, "%s/%s", SVCDIR, skeleton) < 0)
		return why_sys(why, "%s", skeleton);
	return service_lay_from(dirfd, name, from, why);
}

/* Writes to the control FIFO of the tree's s6-svscan. */
static int scan_control(const struct tree *tree, const char *commands, struct why *why)
{
	char scan[PATH_MAX];

	if (text_format(scan, sizeof scan, "%s/" TREE_SCAN, tree->path) < 0)
		return why_sys(why, "%s", tree->path);
	int r = s6_svc_writectl(scan, S6_SVSCAN_CTLDIR, commands, strlen(commands));
	if (r > 0)
		return 0;
	if (r == 0 || r == -2 || errno == ENOENT)
		errno = ENXIO;
	return why_sys(why, "cannot reach the s6-svscan of %s: is the tree running?", scan);
}

int service_link(const struct tree *tree, const char *name, const char *target, struct why *why)
{
	char link[PATH_MAX];

	if (text_format(link, sizeof link, TREE_SCAN "/%s", name) < 0)
		return why_sys(why, "%s", name);
	if (symlinkat(target, tree->dir, link) < 0 && errno != EEXIST)
		return why_sys(why, "cannot link %s/%s", tree->path, link);
	return scan_control(tree, "a", why);
}

/* s6-supervise holds a lock on supervise/lock for as long as it lives. */
static int wait_gone(const struct tree *tree, const char *target, const char *part, int64_t deadline, struct why *why)
{
	char lock[PATH_MAX], dir[PATH_MAX];
	autofd int fd = -1;

	if (text_format(dir, sizeof dir, "%s%s/supervise", target, part) < 0 || text_format(lock, sizeof lock, "%s/lock", dir) < 0)
		return why_sys(why, "%s", target);
	if (faccessat(tree->dir, dir, F_OK, 0) < 0)
		return errno == ENOENT ? 0 : why_sys(why, "cannot look at %s/%s", tree->path, dir);
	fd = lock_take(tree->dir, lock, deadline);
	if (fd < 0 && errno != ENOENT)
		return why_sys(why, "%s/%s%s does not go down", tree->path, target, part);
	return 0;
}

/* Supervisors that outlived their s6-svscan are told to stop by themselves. */
static int tell_orphan(const struct tree *tree, const char *target, const char *part, struct why *why)
{
	char dir[PATH_MAX];

	if (text_format(dir, sizeof dir, "%s/%s%s", tree->path, target, part) < 0)
		return why_sys(why, "%s", target);
	/* 0 and -2: nobody is there to be told. */
	return s6_svc_writectl(dir, S6_SUPERVISE_CTLDIR, "dx", 2) == -1 && errno != ENOENT ? why_sys(why, "cannot stop %s", dir) : 0;
}

int service_unlink(const struct tree *tree, const char *name, const char *target, int64_t deadline, struct why *why)
{
	char link[PATH_MAX];

	if (text_format(link, sizeof link, TREE_SCAN "/%s", name) < 0)
		return why_sys(why, "%s", name);
	if (unlinkat(tree->dir, link, 0) < 0 && errno != ENOENT)
		return why_sys(why, "cannot unlink %s/%s", tree->path, link);
	bool orphan = scan_control(tree, "an", why) < 0;
	if (orphan && (errno != ENXIO || tell_orphan(tree, target, "", why) < 0))
		return -1;
	if (wait_gone(tree, target, "", deadline, why) < 0 || (orphan && tell_orphan(tree, target, "/log", why) < 0))
		return -1;
	return wait_gone(tree, target, "/log", deadline, why);
}

int service_control(const struct tree *tree, const char *name, const char *commands, struct why *why)
{
	char dir[PATH_MAX];

	if (text_format(dir, sizeof dir, "%s/" TREE_SCAN "/%s", tree->path, name) < 0)
		return why_sys(why, "%s", name);
	int r = s6_svc_writectl(dir, S6_SUPERVISE_CTLDIR, commands, strlen(commands));
	if (r > 0)
		return 0;
	if (r == 0 || r == -2 || errno == ENOENT)
		errno = ENXIO;
	return why_sys(why, "%s is not supervised", dir);
}

bool service_supervised(const struct tree *tree, const char *name)
{
	char dir[PATH_MAX];

	return text_format(dir, sizeof dir, "%s/" TREE_SCAN "/%s", tree->path, name) == 0 && s6_svc_ok(dir) == 1;
}
