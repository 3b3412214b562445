/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_NET_ROUTE_H
#define TSLINK_NET_ROUTE_H

/* Routes and rules of policy routing, in the namespace of the socket. For this room's own use. */

#include <stdbool.h>
#include <stdint.h>

struct nl_sock;

/* What the kernel would do with a packet to an address. */
struct route_match {
	unsigned index; /* interface that it leaves by */
	int bits; /* prefix length of the route (0: a default route), of the tables that the host's rules choose */
};

/*
 * Looks a destination up (family AF_INET or AF_INET6, address in network order). 0, or -1: ENETUNREACH and such where
 * none leads there.
 */
int route_lookup(struct nl_sock *nl, int family, const void *address, struct route_match *match);

struct route {
	int family;          /* AF_INET, AF_INET6 */
	const void *to;      /* network order; NULL for a default route */
	int bits;            /* its prefix length */
	const void *gateway; /* network order, on the link by definition; NULL: none */
	const void *source;  /* preferred source address, or NULL */
	unsigned index;      /* of the interface; 0 makes it an unreachable route */
	uint32_t table;      /* RT_TABLE_MAIN or another */
};

/* Adds it, in the place of one to the same destination in that table. 0, or -1 with the kernel's errno. */
int route_set(struct nl_sock *nl, const struct route *route);

/* Removes it; none such is success. */
int route_unset(struct nl_sock *nl, const struct route *route);

/* A rule of IPv4: "pref N [from A] [fwmark M/K] lookup T". */
struct rule {
	uint32_t pref, table;
	uint32_t mark, mask;
	uint32_t source; /* network order; 0: any */
};

/* Sees to it that of the rules with this preference and table there is exactly this one. */
int rule_set(struct nl_sock *nl, const struct rule *rule);

/* Removes this rule, however often it is there. None is success. */
int rule_unset(struct nl_sock *nl, const struct rule *rule);

#endif
