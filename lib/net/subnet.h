/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_NET_SUBNET_H
#define TSLINK_NET_SUBNET_H

/*
 * The range of TSLINK_SUBNET, cut into /30s. A /30 is a slot, numbered from 0. Its first host address is the host's,
 * the second the container's. Who holds a slot is said by a symbolic link in one directory, named after the /30's
 * network address; symlink(2) makes the claim atomic among any number of processes.
 *
 * IPv4 addresses are in host byte order.
 */

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct nl_sock;

#define SUBNET_TEXT 16 /* "255.255.255.255" and its zero byte */

struct subnet {
	uint32_t base; /* network address */
	int bits;      /* prefix length, 8 to 28 */
};

/* Parses "10.200.0.0/16". 0, or -1 with EINVAL: not a CIDR, host bits set, not from /8 to /28, or no unicast range. */
int subnet_parse(const char *cidr, struct subnet *range, struct why *why);

/* How many slots the range has; the last four of it are left out, except in one that has no more than eight. */
uint32_t subnet_count(const struct subnet *range);

/* The addresses of a slot: network, host's, container's. */
uint32_t subnet_network(const struct subnet *range, uint32_t slot);
uint32_t subnet_host(const struct subnet *range, uint32_t slot);
uint32_t subnet_container(const struct subnet *range, uint32_t slot);

/* "a.b.c.d". Returns text. */
char *subnet_text(uint32_t address, char text[SUBNET_TEXT]);

/* The slot whose network address is the text (a claim's name), or -1 with EINVAL. */
int64_t subnet_slot(const struct subnet *range, const char *text);

/* Does an IPv4 CIDR or address ("172.18.0.1/16") overlap the range? One of IPv6, and what is none at all, does not. */
bool subnet_overlaps(const struct subnet *range, const char *cidr);

/*
 * Claims a free slot beneath dirfd: from text_hash(key) on, the next one that is free. `target` is what the link
 * holds, and is the identity of the claim: a slot met on the way that already has it is returned again, so a claim may
 * be repeated. (Where a slot before it was given back meanwhile, that one is claimed in addition; subnet_release_all
 * gives back both.) One endpoint that needs two slots claims with two targets.
 *
 * If nl is not NULL, a slot is skipped where the host (the namespace of nl) has a route inside the range to any of its
 * four addresses, found by asking the kernel for each (RTM_GETROUTE with RTM_F_FIB_MATCH), so the price does not grow
 * with the number of routes. Routes by the tree's own interfaces ("<prefix>-*") do not count: they are leftovers. Nor
 * do routes wider than the whole range, as of a VPN to 10.0.0.0/8: a /30 is the more specific one, and honouring them
 * would leave no slot at all.
 *
 * Returns the slot, or -1: ENOSPC with the range, its size and what blocks it.
 */
int64_t subnet_claim(int dirfd, const struct subnet *range, const char *key, const char *target, struct nl_sock *nl,
                     const char *prefix, struct why *why);

/* Is this slot claimed by target? */
bool subnet_claimed(int dirfd, const struct subnet *range, uint32_t slot, const char *target);

/*
 * Gives a slot back; only where target holds it (nobody or another holding it is success). To be called under the lock
 * of what target stands for, since two releases of one claim at once could take away the next holder's.
 */
int subnet_release(int dirfd, const struct subnet *range, uint32_t slot, const char *target);

/*
 * Gives back all that target holds in the range: for the end of an endpoint whose slot was never written down. Its
 * price grows with the number of claims. 0, or -1 with errno.
 */
int subnet_release_all(int dirfd, const struct subnet *range, const char *target);

#endif
