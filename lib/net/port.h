/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_NET_PORT_H
#define TSLINK_NET_PORT_H

/*
 * The veth that becomes eth<n> of a container. Docker itself takes the peer (Join's SrcName), moves, renames and
 * addresses it; the host end is either a port of the network's bridge, or, with --ipam-driver null, one end of a
 * point-to-point link with a /30 of its own.
 *
 * A slot is the endpoint's (subnet.h), so the names are nobody else's: of the uplink for a port, of the second /30 for
 * a point-to-point link.
 */

#include "lib/base/error.h"
#include "link.h"
#include "subnet.h"

struct nl_sock;

struct port {
	const char *prefix; /* of the tree's interface names */
	uint32_t slot;
	unsigned mtu;    /* of both ends; 0 for the kernel's default */
	const char *mac; /* the container's, or NULL for a random one */
};

/*
 * <prefix>-e<slot>, a port of the bridge, and its peer, whose name is put into peer (Join's SrcName). Leftovers of
 * these names are replaced. The peer is in the host's namespace and down. 0, or -1: ENODEV where the bridge is
 * missing, EINVAL for a MAC address, or the kernel's errno.
 */
int port_make(struct nl_sock *nl, const struct port *port, const char *bridge, char peer[LINK_NAME], struct why *why);

/*
 * The same for --ipam-driver null: <prefix>-p<slot> (q for an --internal network) with the host's address of the slot.
 * The container's is to be subnet_container() with 30 bits, its gateway subnet_host().
 */
int port_make_point(struct nl_sock *nl, const struct port *port, const struct subnet *range, bool internal,
                    char peer[LINK_NAME], struct why *why);

/* Removes either of a slot, with the peer wherever Docker put it. What is not there is success. */
int port_remove(struct nl_sock *nl, const char *prefix, uint32_t slot, struct why *why);

#endif
