/* SPDX-License-Identifier: ISC */
#include "uplink.h"

#include "link.h"
#include "netlink.h"
#include "netns.h"
#include "request.h"
#include "route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>
#include <sys/socket.h>

#define UPLINK_BITS 30

/* Where a namespace has no IPv6, or has it turned off, the kernel refuses its routes with one of these. */
static bool lacks_ipv6(int error)
{
	return error == EAFNOSUPPORT || error == EOPNOTSUPP || error == EACCES || error == ENODEV || error == EPERM;
}

/* The tailnet's ranges (facts of Tailscale: net/tsaddr), which lead nowhere while no node is up. */
static int guard(struct nl_sock *inside, int (*change)(struct nl_sock *, const struct route *))
{
	static const unsigned char v4[4] = {100, 64}, v6[16] = {0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0};
	const struct route tailnet4 = {.family = AF_INET, .to = v4, .bits = 10, .table = RT_TABLE_MAIN};
	const struct route tailnet6 = {.family = AF_INET6, .to = v6, .bits = 48, .table = RT_TABLE_MAIN};
	if (change(inside, &tailnet4) < 0)
		return -1;
	return change(inside, &tailnet6) < 0 && !lacks_ipv6(errno) ? -1 : 0;
}

static struct address uplink_address(uint32_t address)
{
	struct address a = {.family = AF_INET, .bits = UPLINK_BITS};
	uint32_t network_order = htonl(address);
	memcpy(a.bytes, &network_order, sizeof network_order);
	return a;
}

static struct rule mark_rule(void)
{
	return (struct rule){.pref = UPLINK_RULE, .table = UPLINK_TABLE, .mark = UPLINK_MARK, .mask = UPLINK_MARK_MASK};
}

static struct rule back_rule(const struct uplink *u)
{
	return (struct rule){.pref = UPLINK_BACK_RULE,
	                     .table = UPLINK_BACK_TABLE,
	                     .source = htonl(subnet_container(u->range, u->slot))};
}

static int set_routes(struct nl_sock *inside, unsigned index, const struct uplink *u)
{
	uint32_t network = htonl(subnet_network(u->range, u->slot));
	uint32_t host = htonl(subnet_host(u->range, u->slot));
	uint32_t own = htonl(subnet_container(u->range, u->slot));
	const struct route routes[] = {
		{.family = AF_INET,
	         .to = &network,
	         .bits = UPLINK_BITS,
	         .source = &own,
	         .index = index,
	         .table = UPLINK_TABLE},
		{.family = AF_INET, .gateway = &host, .source = &own, .index = index, .table = UPLINK_TABLE},
		{.family = AF_INET, .index = index, .table = UPLINK_BACK_TABLE},
	};
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		if (route_set(inside, &routes[i]) < 0)
			return -1;
	struct rule mark = mark_rule(), back = back_rule(u);
	return rule_set(inside, &mark) < 0 || rule_set(inside, &back) < 0 ? -1 : 0;
}

/* One end: MTU and up, the container's with an alias that says whose it is. */
static int set_link(struct nl_sock *nl, unsigned index, unsigned mtu, const char *alias)
{
	struct nl_msg *msg = link_request(RTM_NEWLINK, 0, index, true);
	if (msg && mtu)
		nla_put_u32(msg, IFLA_MTU, mtu);
	if (msg && alias)
		nla_put(msg, IFLA_IFALIAS, (int)strlen(alias), alias);
	return netlink_ask(nl, msg, NULL, NULL);
}

/*
 * The host end answers ARP for its own address only: not for the host's others, which binding to tslink0 could ask
 * for.
 */
static int set_arp_ignore(struct nl_sock *nl, unsigned index)
{
	struct nl_msg *msg = link_request(RTM_NEWLINK, 0, index, false);
	if (!msg)
		return -1;
	struct nlattr *families = nla_nest_start(msg, IFLA_AF_SPEC);
	struct nlattr *inet = nla_nest_start(msg, AF_INET);
	struct nlattr *conf = nla_nest_start(msg, IFLA_INET_CONF);
	nla_put_u32(msg, IPV4_DEVCONF_ARP_IGNORE, 1);
	nla_nest_end(msg, conf);
	nla_nest_end(msg, inet);
	nla_nest_end(msg, families);
	return netlink_ask(nl, msg, NULL, NULL);
}

static int set_host_end(struct nl_sock *nl, unsigned index, const struct uplink *u)
{
	struct address address = uplink_address(subnet_host(u->range, u->slot));
	if (link_no_own_ipv6(nl, index) < 0 || set_arp_ignore(nl, index) < 0 || set_link(nl, index, u->mtu, NULL) < 0)
		return -1;
	return address_add(nl, index, &address, 0);
}

static int set_container_end(struct nl_sock *inside, unsigned index, const struct uplink *u, const char *host_end)
{
	struct address address = uplink_address(subnet_container(u->range, u->slot));
	if (link_no_own_ipv6(inside, index) < 0 || set_link(inside, index, u->mtu, host_end) < 0)
		return -1;
	return address_add(inside, index, &address, IFA_F_NOPREFIXROUTE);
}

/* An uplink of this tree, or one left half made. */
static bool is_ours(const struct link_state *end, const struct uplink *u)
{
	size_t n = strlen(u->prefix);
	return !end->alias[0] || (strncmp(end->alias, u->prefix, n) == 0 && end->alias[n] == '-');
}

/* Finds the two ends; what is there but is not this pair is a leftover and goes. */
static int find_or_make(struct nl_sock *nl, struct nl_sock *inside, int netns, const struct uplink *u,
                        const char *host_end, struct link_state *host, struct link_state *container, struct why *why)
{
	bool has_host = link_state(nl, host_end, 0, host) == 0;
	bool has_container = link_state(inside, UPLINK_DEVICE, 0, container) == 0;
	if (has_host && has_container && host->other == container->index && container->other == host->index)
		return 0;
	if (has_container && !is_ours(container, u)) {
		errno = EEXIST;
		return why_set(
			why,
			"the container has an uplink of another tree of tslink (%s %s): take it off that tree's network first",
			UPLINK_DEVICE, container->alias);
	}
	if (has_container && link_delete(inside, UPLINK_DEVICE, why) < 0)
		return -1;
	struct link_pair pair = {.name = host_end, .peer = UPLINK_DEVICE, .mtu = u->mtu, .peer_netns = netns};
	if (link_make_pair(nl, &pair, why) < 0)
		return -1;
	if (link_state(nl, host_end, 0, host) < 0 || link_state(inside, UPLINK_DEVICE, 0, container) < 0)
		return why_sys(why, "the uplink %s vanished while it was made", host_end);
	return 0;
}

int uplink_make(struct nl_sock *nl, int netns, const struct uplink *u, struct why *why)
{
	char host_end[LINK_NAME];
	struct link_state host, container;
	if (link_slot_name(host_end, u->prefix, LINK_UPLINK, u->slot) < 0)
		return why_sys(why, "no name for the uplink %u of %s", u->slot, u->prefix);
	autonetlink struct nl_sock *inside = netlink_open_in(netns);
	if (!inside)
		return why_sys(why, "uplink %s: cannot enter the container's network namespace", host_end);
	if (guard(inside, route_set) < 0)
		return why_sys(why, "uplink %s: cannot close the tailnet's ranges in the container", host_end);
	if (find_or_make(nl, inside, netns, u, host_end, &host, &container, why) < 0)
		return -1;
	if (set_host_end(nl, host.index, u) < 0)
		return why_sys(why, "cannot set up the uplink %s", host_end);
	if (set_container_end(inside, container.index, u, host_end) < 0)
		return why_sys(why, "cannot set up " UPLINK_DEVICE ", the container's end of the uplink %s", host_end);
	if (set_routes(inside, container.index, u) < 0)
		return why_sys(why, "cannot set the routes of the uplink %s in the container", host_end);
	return 0;
}

int uplink_remove(struct nl_sock *nl, int netns, const struct uplink *u, struct why *why)
{
	char host_end[LINK_NAME];
	struct rule mark = mark_rule(), back = back_rule(u);
	if (link_slot_name(host_end, u->prefix, LINK_UPLINK, u->slot) < 0)
		return why_sys(why, "no name for the uplink %u of %s", u->slot, u->prefix);
	if (link_delete(nl, host_end, why) < 0)
		return -1;
	if (netns < 0)
		return 0;
	autonetlink struct nl_sock *inside = netlink_open_in(netns);
	if (!inside)
		return why_sys(why, "uplink %s: cannot enter the container's network namespace", host_end);
	if (rule_unset(inside, &back) < 0)
		return why_sys(why, "cannot remove the routes of the uplink %s in the container", host_end);
	if (link_index(inside, UPLINK_DEVICE))
		return 0; /* the next uplink is there already: the rest is its own */
	if (rule_unset(inside, &mark) < 0 || guard(inside, route_unset) < 0)
		return why_sys(why, "cannot remove the routes of the uplink %s in the container", host_end);
	return 0;
}
