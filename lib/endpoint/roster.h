/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_ROSTER_H
#define TSLINK_ENDPOINT_ROSTER_H

/*
 * What the disk tells of all endpoints and networks at one moment, read without locks: the first half of a comparison with what Docker has.
 * An entry is no more than a reason to look closer; who acts on one takes its lock and asks roster_unchanged first.
 */

#include "endpoint.h"

#include <stdint.h>
#include <sys/types.h>

struct roster_endpoint {
	char id[ID_SIZE];
	char key[ENDPOINT_KEY + 1];
	char network[ID_SIZE];
	char *netns;       /* SandboxKey; "" before Join */
	ino_t inode;       /* of the service directory: another one is another endpoint */
	int64_t age;       /* ms since it was made */
	enum state state;
	int64_t state_age; /* ms that it has been in this state */
	bool linked;       /* in the scan directory */
	bool stopped;      /* because somebody asked for that (data/stopped) */
};

struct roster_network {
	char id[ID_SIZE];
	bool recorded;    /* there is a record; else only endpoints of it are there */
	int64_t age;      /* of the record, ms */
	size_t endpoints; /* on disk */
};

struct roster {
	struct roster_endpoint *endpoint;
	size_t endpoint_count;
	struct roster_network *network;
	size_t network_count;
	char *odd; /* names of what is no endpoint or cannot be read, for people; NULL where there is none */
};

/* Reads all. 0, or -1 with the reason. roster_free releases it. */
int roster_read(const struct tree *tree, struct roster *roster, struct why *why);
void roster_free(struct roster *roster);

/* Under its lock: is the endpoint that was opened the one of the entry, in the same sandbox? */
bool roster_unchanged(const struct roster_endpoint *entry, const struct endpoint *endpoint);

/* Is it linked into the scan directory? */
bool roster_linked(const struct tree *tree, const char *key);

/* Has an endpoint on disk this container? For events, which come often: only the one fact is read of each. */
bool roster_has_container(const struct tree *tree, const char *container);

#endif
