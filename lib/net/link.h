/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_NET_LINK_H
#define TSLINK_NET_LINK_H

/*
 * Network interfaces: the names of a tree's own ones, veth pairs, and what is asked of any. All functions with a
 * socket work on the namespace of the socket.
 *
 * A tree's interfaces are "<prefix>-<kind letter><hex digits>". No prefix holds a hyphen, so "<prefix>-*" is this
 * tree's and nobody else's, even if one tree is called "ts" and another "tsl", and a ruleset can name a kind as
 * "<prefix>-u*".
 */

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct nl_sock;

#define LINK_NAME 16 /* IFNAMSIZ: fifteen characters and the zero byte */
#define LINK_MAC 18  /* "02:42:0a:c8:00:02" */

enum link_kind {
	LINK_BRIDGE = 'b',          /* bridge of a network: 8 digits of the network's ID */
	LINK_BRIDGE_INTERNAL = 'i', /* bridge of an --internal network */
	LINK_UPLINK = 'u',          /* host end of an uplink: the slot, 4 digits or more */
	LINK_PORT = 'e',            /* bridge port, host end of a container's eth<n> */
	LINK_PEER = 'c',            /* what Docker moves into the container and renames, of LINK_PORT or LINK_POINT */
	LINK_POINT = 'p',           /* host end of a point-to-point link (--ipam-driver null) */
	LINK_POINT_INTERNAL = 'q',  /* the same of an --internal network */
};

/* One to five of a-z and 0-9, a letter first, and not "br", which is Docker's. */
bool link_prefix_ok(const char *prefix);

/* The name of a network's bridge (network: its ID, at least 8 hex digits). 0, or -1 with EINVAL. */
int link_bridge_name(char name[LINK_NAME], const char *prefix, bool internal, const char *network);

/* The name of an interface that belongs to a slot. 0, or -1 with EINVAL or ENAMETOOLONG. */
int link_slot_name(char name[LINK_NAME], const char *prefix, enum link_kind kind, uint32_t slot);

/* The MAC address that Docker derives of an IPv4 address (host byte order): 02:42 and its four bytes. Returns mac. */
char *link_mac(uint32_t address, char mac[LINK_MAC]);

/* The index of an interface; 0 with ENODEV where there is none, 0 with another errno on failure. */
unsigned link_index(struct nl_sock *nl, const char *name);

/* A veth pair. */
struct link_pair {
	const char *name;   /* this end: set up, without an IPv6 address of its own making */
	const char *peer;   /* the other end: left down where nothing is said to be done with it */
	unsigned mtu;       /* of both; 0 for the kernel's default */
	const char *bridge; /* bridge that this end becomes a port of, or NULL */
	const char *mac;    /* the peer's, or NULL for a random one */
	int peer_netns;     /* namespace that the peer is made in, or -1 */
};

/*
 * Makes a veth pair; interfaces of these names are leftovers and are replaced (in peer_netns the caller must see to
 * it). 0, or -1 with the kernel's errno: ENODEV where the bridge is missing.
 */
int link_make_pair(struct nl_sock *nl, const struct link_pair *pair, struct why *why);

/*
 * Gives an interface an address ("10.1.2.3/24", "fd00::1/64"); one that it has is success. IPv6 without duplicate
 * detection.
 */
int link_add_address(struct nl_sock *nl, const char *name, const char *cidr, struct why *why);

/* Deletes an interface. None of that name is success. */
int link_delete(struct nl_sock *nl, const char *name, struct why *why);

/* The MTU of the interface that the IPv4 default route leaves by (else that of IPv6), or 1500 where there is none. */
unsigned link_default_mtu(struct nl_sock *nl);

/*
 * The names of all interfaces that begin with start ("tsl-u"; "" for all), sorted, NULL-terminated, one block for
 * free(3). NULL with errno.
 */
char **link_list(struct nl_sock *nl, const char *start);

#endif
