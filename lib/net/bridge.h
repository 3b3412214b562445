/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_NET_BRIDGE_H
#define TSLINK_NET_BRIDGE_H

/*
 * The bridge of a network, as Docker's own driver has one: it holds the gateway's addresses. Deleting one is
 * link_delete.
 */

#include "lib/base/error.h"
#include "subnet.h"

struct nl_sock;

struct bridge {
	const char *name;
	unsigned mtu;                 /* 0 for the kernel's default */
	const char *const *addresses; /* "172.18.0.1/16", "fd00::1/64" ..., NULL-terminated */
	const struct subnet *uplinks; /* TSLINK_SUBNET: no address may overlap it. NULL: not checked */
};

/*
 * Makes sure that the bridge is there, up, with the MTU and at least these addresses; what is missing is repaired and
 * what is right is not touched. No spanning tree, no forwarding delay, IPv6 addresses usable at once. Its MAC address
 * follows from its first IPv4 address and does not change as ports come and go, so that no container's neighbour entry
 * of the gateway goes stale. 0, or -1: EINVAL an address that is none, or that overlaps the uplinks' range; EEXIST an
 * interface of that name that is no bridge; else the kernel's errno.
 */
int bridge_ensure(struct nl_sock *nl, const struct bridge *bridge, struct why *why);

#endif
