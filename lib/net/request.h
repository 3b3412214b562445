/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_NET_REQUEST_H
#define TSLINK_NET_REQUEST_H

/* What the files of this room share about interfaces and addresses. Not for others. Functions: link.c. */

#include "link.h"

#include <stdbool.h>
#include <stdint.h>

struct link_state {
	unsigned index, mtu;
	unsigned other; /* index of a veth's other end, in its own namespace */
	bool up;
	char name[LINK_NAME], kind[16], alias[LINK_NAME];
};

/* An interface by name, or, with name NULL, by index. 0, or -1: ENODEV. */
int link_state(struct nl_sock *nl, const char *name, unsigned index, struct link_state *state);

/* A request about an interface (RTM_NEWLINK ...), to which attributes are appended. up: set up. */
struct nl_msg *link_request(int type, int flags, unsigned index, bool up);

/* No link-local address and thus no duplicate detection and no router solicitation there. No IPv6 is success. */
int link_no_own_ipv6(struct nl_sock *nl, unsigned index);

struct address {
	int family, bits;
	unsigned char bytes[16];
};

/* Parses "10.1.2.3/24" or "fd00::1/64". 0, or -1 with EINVAL. */
int address_parse(const char *cidr, struct address *address);

/* Adds it, with IFA_F_ flags; one that is there is success. */
int address_add(struct nl_sock *nl, unsigned index, const struct address *address, unsigned flags);

#endif
