/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_IDENTITY_H
#define TSLINK_ENDPOINT_IDENTITY_H

/*
 * An identity: who a container is on a tailnet. It is the directory <data>/by-hostname/<hostname>/ and outlives containers:
 *
 *   owner              network name and login server whose tailnet it is of; another one's container never gets it
 *   holder             ID of the container that has it
 *   port               UDP port, unique on this host, so that MASQUERADE keeps it and peers find the node again at once
 *   uid                that its tailscaled runs as
 *   format             1
 *   lock               held by the living tailscaled (s6-setlock)
 *   node/              what tailscaled may write: its state and socket; belongs to the uid
 *   tailscaled.state tailscaled.sock debug.log   links into node/ and log/
 *   log/               of s6-log
 *
 * Several live containers that ask for one hostname get <hostname>, <hostname>-2 ..., and each keeps what it first got.
 */

#include "lib/base/text.h"
#include "tree.h"

enum {
	PORT_FIRST = 16384,
	PORT_LAST = 32767,
	UID_BASE = 0x70000000, /* plus the port: a range that neither systemd nor subordinate users have */
};

struct identity_claim {
	const char *hostname;  /* a DNS label */
	const char *owner;     /* "<network name> <login server>" */
	const char *container; /* ID */
};

struct identity {
	char hostname[DNS_LABEL_MAX + 1]; /* as the claim asked, or with a suffix */
	char path[PATH_MAX];              /* absolute */
	unsigned port;
	unsigned uid;
};

/*
 * Finds the identity of a container, or makes it. The one that the container holds already; else the first in the order of suffixes that
 * is new, or of the same owner with a holder that is no more: neither alive (its lock is free) nor a container that Docker knows.
 * 0, or -1 with the reason. Takes the lock "names".
 */
int identity_take(const struct tree *tree, const struct identity_claim *claim, struct identity *identity, struct why *why);

/* Is its tailscaled alive: is the lock held? 1 or 0, or -1 with errno. */
int identity_alive(const char *path);

#endif
