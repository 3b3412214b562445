/* SPDX-License-Identifier: ISC */
#include "bridge.h"

#include "lib/base/cleanup.h"
#include "lib/base/text.h"
#include "link.h"
#include "netlink.h"
#include "request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_MTU 1500 /* of a bridge as the kernel makes it */

/* A MAC address set from outside stays; else a bridge takes the lowest one of its ports, over and over. */
static void own_mac(const struct bridge *bridge, unsigned char mac[6])
{
	struct address address;
	uint32_t id = text_hash(bridge->name);
	for (const char *const *a = bridge->addresses; *a; a++)
		if (address_parse(*a, &address) == 0 && address.family == AF_INET) {
			memcpy(&id, address.bytes, sizeof id);
			break;
		}
	mac[0] = 0x02;
	mac[1] = 0x42;
	memcpy(mac + 2, &id, sizeof id);
}

static int make(struct nl_sock *nl, const struct bridge *bridge)
{
	unsigned char mac[6];
	own_mac(bridge, mac);
	struct nl_msg *msg = link_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, false);
	if (!msg)
		return -1;
	nla_put_string(msg, IFLA_IFNAME, bridge->name);
	nla_put(msg, IFLA_ADDRESS, sizeof mac, mac);
	struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);
	nla_put_string(msg, IFLA_INFO_KIND, "bridge");
	struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA);
	nla_put_u32(msg, IFLA_BR_STP_STATE, 0);
	nla_put_u32(msg, IFLA_BR_FORWARD_DELAY, 0);
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	int r = netlink_ask(nl, msg, NULL, NULL);
	return r < 0 && errno == EEXIST ? 0 : r;
}

/*
 * Up, and the MTU set afterwards: only one that differs and is set on a bridge that exists is kept, else the bridge
 * follows its ports.
 */
static int adjust(struct nl_sock *nl, const struct bridge *bridge, const struct link_state *state)
{
	bool resize = bridge->mtu && bridge->mtu != state->mtu;
	if (state->up && !resize)
		return 0;
	struct nl_msg *msg = link_request(RTM_NEWLINK, 0, state->index, true);
	if (msg && resize)
		nla_put_u32(msg, IFLA_MTU, bridge->mtu);
	return netlink_ask(nl, msg, NULL, NULL);
}

/* A host that turns IPv6 off by default means its own interfaces: Docker turns it on for its bridges, too. */
static int enable_ipv6(const char *name)
{
	char path[80];
	if (text_format(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name) < 0)
		return -1;
	autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, "0", 1) == 1 ? 0 : -1;
}

static int add_address(struct nl_sock *nl, const struct bridge *bridge, unsigned index, const char *cidr,
                       struct why *why)
{
	struct address address;
	if (address_parse(cidr, &address) < 0)
		return why_set(why, "%s: \"%s\" is no address with a prefix length", bridge->name, cidr);
	int r = address_add(nl, index, &address, 0);
	if (r < 0 && address.family == AF_INET6 && (errno == EACCES || errno == EPERM) &&
	    enable_ipv6(bridge->name) == 0)
		r = address_add(nl, index, &address, 0);
	return r < 0 ? why_sys(why, "cannot give the address %s to the bridge %s", cidr, bridge->name) : 0;
}

static int check(const struct bridge *bridge, bool *ipv6, struct why *why)
{
	struct address address;
	char range[SUBNET_TEXT];
	for (const char *const *a = bridge->addresses; *a; a++) {
		if (address_parse(*a, &address) < 0)
			return why_set(why, "%s: \"%s\" is no address with a prefix length", bridge->name, *a);
		*ipv6 |= address.family == AF_INET6;
		if (bridge->uplinks && subnet_overlaps(bridge->uplinks, *a)) {
			errno = EINVAL;
			return why_set(
				why,
				"the network's %s overlaps %s/%d, where the uplinks of the nodes are: choose another --subnet, or "
				"another TSLINK_SUBNET",
				*a, subnet_text(bridge->uplinks->base, range), bridge->uplinks->bits);
		}
	}
	return 0;
}

int bridge_ensure(struct nl_sock *nl, const struct bridge *bridge, struct why *why)
{
	struct link_state state;
	bool ipv6 = false;
	if (check(bridge, &ipv6, why) < 0)
		return -1;
	int r = link_state(nl, bridge->name, 0, &state);
	if (r < 0 && errno == ENODEV) {
		r = make(nl, bridge);
		if (r == 0)
			r = link_state(nl, bridge->name, 0, &state);
	}
	if (r < 0)
		return why_sys(why, "cannot make the bridge %s", bridge->name);
	if (strcmp(state.kind, "bridge") != 0) {
		errno = EEXIST;
		return why_set(why, "there is an interface %s that is no bridge: remove it (ip link del %s)",
		               bridge->name, bridge->name);
	}
	if ((!ipv6 && !state.up && link_no_own_ipv6(nl, state.index) < 0) || adjust(nl, bridge, &state) < 0)
		return why_sys(why, "cannot set up the bridge %s", bridge->name);
	for (const char *const *a = bridge->addresses; *a; a++)
		if (add_address(nl, bridge, state.index, *a, why) < 0)
			return -1;
	return 0;
}
