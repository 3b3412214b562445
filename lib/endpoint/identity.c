/* SPDX-License-Identifier: ISC */
#include "identity.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/lock.h"
#include "lib/docker/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT "1"
#define DIR_NAME "by-hostname"
#define LOCK_MS 20000
#define SUFFIX_MAX 9999
#define OWNER_MAX 1024

/* What the search for an identity knows. */
struct search {
	const struct tree *tree;
	const struct identity_claim *claim;
	char docker_root[PATH_MAX]; /* "" where no call of Docker came yet */
};

static int identity_path(char path[PATH_MAX], const char *hostname, const char *file)
{
	return text_format(path, PATH_MAX, DIR_NAME "/%s%s%s", hostname, file ? "/" : "", file ? file : "");
}

static int identity_file(const struct tree *tree, const char *hostname, const char *file, char *buf, size_t size)
{
	char path[PATH_MAX];

	buf[0] = 0;
	if (identity_path(path, hostname, file) < 0)
		return -1;
	return file_read(tree->data_dir, path, buf, size) < 0 ? -1 : 0;
}

int identity_alive(const char *path)
{
	char lock[PATH_MAX];
	struct flock held = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (text_format(lock, sizeof lock, "%s/lock", path) < 0)
		return -1;
	autofd int fd = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	/* An open-file-description query: s6-setlock's lock is seen as anybody's, and closing this descriptor drops none of ours. */
	if (fcntl(fd, F_OFD_GETLK, &held) < 0)
		return -1;
	return held.l_type != F_UNLCK;
}

/* ---- whose is it? */

enum verdict { MINE, VACANT, TAKEN, NEW };

/* Does an endpoint of this tree say that it is of the container? Asked where Docker's files cannot be. */
static bool container_has_endpoint(const struct tree *tree, const char *container)
{
	autofree char **endpoints = dir_list(tree->dir, "endpoint");

	for (size_t i = 0; endpoints && endpoints[i]; i++) {
		char path[PATH_MAX], of[FACT_MAX];
		if (text_format(path, sizeof path, "endpoint/%s/env/CONTAINER", endpoints[i]) == 0 &&
		    file_read(tree->dir, path, of, sizeof of) >= 0 && !strcmp(of, container))
			return true;
	}
	return false;
}

static bool holder_exists(const struct search *s, const char *hostname, const char *holder)
{
	char path[PATH_MAX];

	/* What cannot be read counts as alive: an identity is never given away by mistake. */
	if (text_format(path, sizeof path, "%s/" DIR_NAME "/%s", s->tree->data, hostname) < 0 || identity_alive(path) != 0)
		return true;
	if (!s->docker_root[0])
		return container_has_endpoint(s->tree, holder);
	return docker_container_exists(s->docker_root, holder, NULL) != 0;
}

static enum verdict judge(const struct search *s, const char *hostname)
{
	char owner[OWNER_MAX], holder[FACT_MAX];

	if (identity_file(s->tree, hostname, "owner", owner, sizeof owner) < 0) {
		char path[PATH_MAX];
		/* Without an owner it is one that was never finished: nothing of a node is in it. */
		if (errno != ENOENT || identity_path(path, hostname, "node/tailscaled.state") < 0 ||
		    faccessat(s->tree->data_dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return TAKEN;
		return NEW;
	}
	if (strcmp(owner, s->claim->owner) != 0)
		return TAKEN;
	if (identity_file(s->tree, hostname, "holder", holder, sizeof holder) < 0)
		return errno == ENOENT ? VACANT : TAKEN;
	if (!strcmp(holder, s->claim->container))
		return MINE;
	return holder_exists(s, hostname, holder) ? TAKEN : VACANT;
}

/*
 * <hostname> or <hostname>-<number>, cut so that it stays a DNS label: before all numbers at the same place, so that those of one hostname
 * are found again.
 */
static void candidate(const char *hostname, unsigned number, char name[DNS_LABEL_MAX + 1])
{
	size_t len = strnlen(hostname, DNS_LABEL_MAX - strlen("-9999"));

	if (number <= 1) {
		text_format(name, DNS_LABEL_MAX + 1, "%s", hostname);
		return;
	}
	while (len > 1 && hostname[len - 1] == '-')
		len--;
	text_format(name, DNS_LABEL_MAX + 1, "%.*s-%u", (int)len, hostname, number);
}

/* How many numbers are worth looking at: one more than there are identities that begin alike. */
static unsigned candidates(const struct tree *tree, const char *hostname)
{
	char stem[DNS_LABEL_MAX + 1];
	autofree char **names = dir_list(tree->data_dir, DIR_NAME);
	unsigned highest = 1;

	candidate(hostname, SUFFIX_MAX, stem);
	char *dash = strrchr(stem, '-');
	size_t len = (size_t)(dash - stem) + 1;
	for (size_t i = 0; names && names[i]; i++) {
		long n;
		if (!strncmp(names[i], stem, len) && text_number(names[i] + len, 2, SUFFIX_MAX, &n) == 0 && (unsigned)n > highest)
			highest = (unsigned)n;
	}
	return highest + 1;
}

/* Chooses the name. 0, or -1 where all numbers are taken. */
static int choose(const struct search *s, char name[DNS_LABEL_MAX + 1], enum verdict *verdict)
{
	unsigned last = candidates(s->tree, s->claim->hostname);
	bool found = false;

	for (unsigned number = 1; number <= last && number <= SUFFIX_MAX; number++) {
		char next[DNS_LABEL_MAX + 1];
		candidate(s->claim->hostname, number, next);
		enum verdict v = judge(s, next);
		if (v == MINE || (v != TAKEN && !found)) {
			strcpy(name, next);
			*verdict = v;
			found = true;
		}
		if (v == MINE)
			break;
	}
	return found ? 0 : -1;
}

/* ---- making it */

/* A UDP port for the identity: claimed by a link <data>/port/<port> -> ../by-hostname/<hostname>. */
static int claim_port(const struct tree *tree, const char *hostname, unsigned *port)
{
	char target[PATH_MAX], path[PATH_MAX], holder[PATH_MAX];
	const unsigned count = PORT_LAST - PORT_FIRST + 1;
	unsigned first = text_hash(hostname) % count;

	if (dir_make(tree->data_dir, "port", 0700) < 0 || text_format(target, sizeof target, "../" DIR_NAME "/%s", hostname) < 0)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		*port = PORT_FIRST + (first + i) % count;
		if (text_format(path, sizeof path, "port/%u", *port) < 0)
			return -1;
		if (symlinkat(target, tree->data_dir, path) == 0)
			return dir_sync(tree->data_dir, "port");
		if (errno != EEXIST)
			return -1;
		ssize_t n = readlinkat(tree->data_dir, path, holder, sizeof holder - 1);
		if (n >= 0 && (holder[n] = 0, !strcmp(holder, target)))
			return 0;
	}
	errno = ENOSPC;
	return -1;
}

static int put(int dir, const char *name, const char *value)
{
	return file_publish_line(dir, name, value, 0600, DURABLE);
}

static int put_number(int dir, const char *name, unsigned value)
{
	char text[16];

	text_format(text, sizeof text, "%u", value);
	return put(dir, name, text);
}

static int link_once(int dir, const char *target, const char *name)
{
	return symlinkat(target, dir, name) < 0 && errno != EEXIST ? -1 : 0;
}

static int make(const struct search *s, int dir, const char *name, struct why *why)
{
	unsigned port;

	if (claim_port(s->tree, name, &port) < 0)
		return why_sys(why, "no UDP port from %d to %d can be claimed in %s/port", PORT_FIRST, PORT_LAST, s->tree->data);
	if (dir_make(dir, "node", 0700) < 0 || fchownat(dir, "node", UID_BASE + port, UID_BASE + port, AT_SYMLINK_NOFOLLOW) < 0 ||
	    dir_make(dir, "log", 0700) < 0 || link_once(dir, "node/tailscaled.state", "tailscaled.state") < 0 ||
	    link_once(dir, "node/tailscaled.sock", "tailscaled.sock") < 0 || link_once(dir, "log/current", "debug.log") < 0 ||
	    put(dir, "format", FORMAT) < 0 || put_number(dir, "port", port) < 0 || put_number(dir, "uid", UID_BASE + port) < 0 ||
	    put(dir, "owner", s->claim->owner) < 0)
		return why_sys(why, "cannot make the identity %s/" DIR_NAME "/%s", s->tree->data, name);
	return 0;
}

static int read_number(int dir, const char *name, long min, long max, unsigned *value)
{
	char text[32];
	long n;

	if (file_read(dir, name, text, sizeof text) < 0 || text_number(text, min, max, &n) < 0)
		return -1;
	*value = (unsigned)n;
	return 0;
}

static int load(int dir, struct identity *identity, struct why *why)
{
	if (read_number(dir, "port", PORT_FIRST, PORT_LAST, &identity->port) < 0)
		return why_sys(why, "%s/port is no port", identity->path);
	if (read_number(dir, "uid", UID_BASE, UID_BASE + PORT_LAST, &identity->uid) < 0)
		return why_sys(why, "%s/uid is no user ID of tslink", identity->path);
	return 0;
}

int identity_take(const struct tree *tree, const struct identity_claim *claim, struct identity *identity, struct why *why)
{
	struct search search = { .tree = tree, .claim = claim };
	enum verdict verdict = NEW;
	char path[PATH_MAX], label[DNS_LABEL_MAX + 1];

	/* It becomes a path. */
	if (text_dns_label(claim->hostname, label) < 0 || strcmp(label, claim->hostname) != 0) {
		errno = EINVAL;
		return why_set(why, "%.80s is no hostname", claim->hostname);
	}
	if (tree_docker_root(tree, search.docker_root) < 0)
		search.docker_root[0] = 0;
	autofd int lock = lock_take(tree->dir, "lock/names", deadline_in(LOCK_MS));
	if (lock < 0)
		return why_sys(why, "cannot lock %s/lock/names", tree->path);
	if (dir_make(tree->data_dir, DIR_NAME, 0700) < 0)
		return why_sys(why, "cannot make %s/" DIR_NAME, tree->data);
	if (choose(&search, identity->hostname, &verdict) < 0)
		return why_set(why, "all of %s, %s-2 ... %s-%d are taken", claim->hostname, claim->hostname, claim->hostname, SUFFIX_MAX);
	if (identity_path(path, identity->hostname, NULL) < 0 ||
	    text_format(identity->path, sizeof identity->path, "%s/%s", tree->data, path) < 0 ||
	    dir_make(tree->data_dir, path, 0700) < 0)
		return why_sys(why, "cannot make %s/" DIR_NAME "/%s", tree->data, identity->hostname);
	autofd int dir = openat(tree->data_dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return why_sys(why, "cannot open %s", identity->path);
	if (verdict == NEW && make(&search, dir, identity->hostname, why) < 0)
		return -1;
	if (verdict != MINE && put(dir, "holder", claim->container) < 0)
		return why_sys(why, "cannot write %s/holder", identity->path);
	return load(dir, identity, why);
}
