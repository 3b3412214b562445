/* SPDX-License-Identifier: ISC */
#include "roster.h"

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 * Milliseconds since a file was written. Times of files are the wall clock's, which jumps: what lies in the future was written before a
 * jump, and is as old as it is ahead.
 */
static int64_t age_of(const struct stat *st)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	int64_t age = (int64_t)(now.tv_sec - st->st_mtim.tv_sec) * 1000 + (now.tv_nsec - st->st_mtim.tv_nsec) / 1000000;
	return age < 0 ? -age : age;
}

/* A network's ID: digits of a hash, or a swarm's letters and digits. */
static bool is_network(const char *id)
{
	size_t len = strlen(id);

	return len > 0 && len < ID_SIZE && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789") == len;
}

bool roster_linked(const struct tree *tree, const char *key)
{
	char link[PATH_MAX];
	struct stat st;

	return text_format(link, sizeof link, TREE_SCAN "/%s", key) == 0 && fstatat(tree->dir, link, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int read_endpoint(const struct tree *tree, const char *key, struct roster_endpoint *e, struct why *why)
{
	char network[FACT_MAX], netns[FACT_MAX], stopped[FACT_MAX];
	struct endpoint endpoint;
	struct stat dir, made, state;

	*e = (struct roster_endpoint){ .netns = NULL };
	if (endpoint_open(tree, key, &endpoint, why) < 0)
		return -1;
	autofd int fd = endpoint.dir;
	if (fd < 0) {
		errno = ENOENT;
		return -1;
	}
	strcpy(e->id, endpoint.id);
	strcpy(e->key, endpoint.key);
	if (fact_get(fd, "NETWORK", network) < 0 || !is_network(network) || fstat(fd, &dir) < 0 || fstatat(fd, "env/ENDPOINT", &made, 0) < 0)
		return why_sys(why, "cannot read %s/%s/env/NETWORK", tree->path, endpoint.path);
	memcpy(e->network, network, strlen(network) + 1);
	if (fact_get(fd, "NETNS", netns) < 0 && errno != ENOENT)
		return why_sys(why, "cannot read %s/%s/env/NETNS", tree->path, endpoint.path);
	e->netns = strdup(netns);
	if (!e->netns)
		return why_sys(why, "endpoint %s", key);
	e->inode = dir.st_ino;
	e->age = age_of(&made);
	e->state = state_get(fd);
	e->state_age = fstatat(fd, "data/state", &state, 0) < 0 ? 0 : age_of(&state);
	e->linked = roster_linked(tree, key);
	e->stopped = note_get(fd, "stopped", stopped) == 0;
	return 0;
}

static int no_memory(struct why *why)
{
	errno = ENOMEM;
	return why_sys(why, "the list of endpoints");
}

static struct roster_network *network_of(struct roster *r, const char *id)
{
	for (size_t i = 0; i < r->network_count; i++)
		if (!strcmp(r->network[i].id, id))
			return &r->network[i];
	struct roster_network *bigger = reallocarray(r->network, r->network_count + 1, sizeof *bigger);
	if (!bigger)
		return NULL;
	r->network = bigger;
	struct roster_network *n = &bigger[r->network_count++];
	*n = (struct roster_network){ .recorded = false };
	memcpy(n->id, id, strlen(id) + 1);
	return n;
}

static int add_odd(struct roster *r, const char *name, struct why *why)
{
	char *more = NULL;

	if (asprintf(&more, "%s%s%s", r->odd ? r->odd : "", r->odd ? ", " : "", name) < 0)
		return no_memory(why);
	free(r->odd);
	r->odd = more;
	return 0;
}

static int read_endpoints(const struct tree *tree, struct roster *r, struct why *why)
{
	autofree char **keys = dir_list(tree->dir, "endpoint");
	size_t count = 0;

	if (!keys)
		return errno == ENOENT ? 0 : why_sys(why, "cannot read %s/endpoint", tree->path);
	while (keys[count])
		count++;
	r->endpoint = calloc(count + 1, sizeof *r->endpoint);
	if (!r->endpoint)
		return no_memory(why);
	for (size_t i = 0; i < count; i++) {
		struct roster_endpoint *e = &r->endpoint[r->endpoint_count];
		if (!text_is_hex(keys[i], ENDPOINT_KEY) || read_endpoint(tree, keys[i], e, why) < 0) {
			/* One that was removed meanwhile is nobody's concern. */
			struct stat st;
			char path[PATH_MAX];
			free(e->netns);
			*e = (struct roster_endpoint){ .netns = NULL };
			if (text_format(path, sizeof path, "endpoint/%s", keys[i]) == 0 &&
			    fstatat(tree->dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
				continue;
			if (add_odd(r, keys[i], why) < 0)
				return -1;
			continue;
		}
		struct roster_network *n = network_of(r, e->network);
		r->endpoint_count++;
		if (!n)
			return no_memory(why);
		n->endpoints++;
	}
	return 0;
}

static int read_networks(const struct tree *tree, struct roster *r, struct why *why)
{
	autofree char **ids = dir_list(tree->data_dir, "network");

	if (!ids)
		return errno == ENOENT ? 0 : why_sys(why, "cannot read %s/network", tree->data);
	for (size_t i = 0; ids[i]; i++) {
		char path[PATH_MAX];
		struct stat st;
		/* The record's last file; one without it is no record. */
		if (!is_network(ids[i]) || text_format(path, sizeof path, "network/%s/format", ids[i]) < 0 ||
		    fstatat(tree->data_dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		struct roster_network *n = network_of(r, ids[i]);
		if (!n)
			return no_memory(why);
		n->recorded = true;
		n->age = age_of(&st);
	}
	return 0;
}

int roster_read(const struct tree *tree, struct roster *roster, struct why *why)
{
	*roster = (struct roster){ .endpoint = NULL };
	if (read_endpoints(tree, roster, why) == 0 && read_networks(tree, roster, why) == 0)
		return 0;
	int saved = errno;
	roster_free(roster);
	errno = saved;
	return -1;
}

void roster_free(struct roster *roster)
{
	for (size_t i = 0; i < roster->endpoint_count; i++)
		free(roster->endpoint[i].netns);
	free(roster->endpoint);
	free(roster->network);
	free(roster->odd);
	*roster = (struct roster){ .endpoint = NULL };
}

bool roster_unchanged(const struct roster_endpoint *entry, const struct endpoint *endpoint)
{
	char netns[FACT_MAX];
	struct stat st;

	if (endpoint->dir < 0 || fstat(endpoint->dir, &st) < 0 || st.st_ino != entry->inode)
		return false;
	return (fact_get(endpoint->dir, "NETNS", netns) == 0 || errno == ENOENT) && !strcmp(netns, entry->netns);
}

bool roster_has_container(const struct tree *tree, const char *container)
{
	autofree char **keys = dir_list(tree->dir, "endpoint");

	for (size_t i = 0; keys && keys[i]; i++) {
		char path[PATH_MAX], of[FACT_MAX];
		if (text_format(path, sizeof path, "endpoint/%s/env/CONTAINER", keys[i]) == 0 &&
		    file_read(tree->dir, path, of, sizeof of) >= 0 && !strcmp(of, container))
			return true;
	}
	return false;
}
