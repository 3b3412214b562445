/* SPDX-License-Identifier: ISC */
#include "port.h"

#include <stdio.h>

static int make(struct nl_sock *nl, const struct port *port, enum link_kind kind, const char *bridge,
                char name[LINK_NAME], char peer[LINK_NAME], struct why *why)
{
	if (link_slot_name(name, port->prefix, kind, port->slot) < 0 ||
	    link_slot_name(peer, port->prefix, LINK_PEER, port->slot) < 0)
		return why_sys(why, "no interface name for slot %u of %s", port->slot, port->prefix);
	const struct link_pair pair = {
		.name = name, .peer = peer, .mtu = port->mtu, .bridge = bridge, .mac = port->mac, .peer_netns = -1};
	return link_make_pair(nl, &pair, why);
}

int port_make(struct nl_sock *nl, const struct port *port, const char *bridge, char peer[LINK_NAME], struct why *why)
{
	char name[LINK_NAME];
	return make(nl, port, LINK_PORT, bridge, name, peer, why);
}

int port_make_point(struct nl_sock *nl, const struct port *port, const struct subnet *range, bool internal,
                    char peer[LINK_NAME], struct why *why)
{
	char name[LINK_NAME], host[SUBNET_TEXT], cidr[SUBNET_TEXT + 3];
	if (make(nl, port, internal ? LINK_POINT_INTERNAL : LINK_POINT, NULL, name, peer, why) < 0)
		return -1;
	snprintf(cidr, sizeof cidr, "%s/30", subnet_text(subnet_host(range, port->slot), host));
	return link_add_address(nl, name, cidr, why);
}

int port_remove(struct nl_sock *nl, const char *prefix, uint32_t slot, struct why *why)
{
	static const enum link_kind kinds[] = {LINK_PORT, LINK_POINT, LINK_POINT_INTERNAL};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		char name[LINK_NAME];
		if (link_slot_name(name, prefix, kinds[i], slot) < 0)
			return why_sys(why, "no interface name for slot %u of %s", slot, prefix);
		if (link_delete(nl, name, why) < 0)
			return -1;
	}
	return 0;
}
