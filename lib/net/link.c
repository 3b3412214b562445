/* SPDX-License-Identifier: ISC */
#include "link.h"

#include "lib/base/text.h"
#include "netlink.h"
#include "request.h"
#include "route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MTU_DEFAULT 1500
#define PREFIX_LONGEST 5

bool link_prefix_ok(const char *prefix)
{
	size_t n = strlen(prefix);
	return n >= 1 && n <= PREFIX_LONGEST && strspn(prefix, "abcdefghijklmnopqrstuvwxyz0123456789") == n &&
	       !(prefix[0] >= '0' && prefix[0] <= '9') && strcmp(prefix, "br") != 0;
}

int link_bridge_name(char name[LINK_NAME], const char *prefix, bool internal, const char *network)
{
	char digits[9];
	snprintf(digits, sizeof digits, "%s", network);
	if (!link_prefix_ok(prefix) || !text_is_hex(digits, 8)) {
		errno = EINVAL;
		return -1;
	}
	return text_format(name, LINK_NAME, "%s-%c%s", prefix, internal ? LINK_BRIDGE_INTERNAL : LINK_BRIDGE, digits);
}

int link_slot_name(char name[LINK_NAME], const char *prefix, enum link_kind kind, uint32_t slot)
{
	if (!link_prefix_ok(prefix) || kind == LINK_BRIDGE || kind == LINK_BRIDGE_INTERNAL) {
		errno = EINVAL;
		return -1;
	}
	return text_format(name, LINK_NAME, "%s-%c%04x", prefix, kind, slot);
}

char *link_mac(uint32_t address, char mac[LINK_MAC])
{
	snprintf(mac, LINK_MAC, "02:42:%02x:%02x:%02x:%02x", address >> 24, address >> 16 & 0xff, address >> 8 & 0xff,
	         address & 0xff);
	return mac;
}

static int mac_parse(const char *text, unsigned char mac[6])
{
	char rest;
	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5,
	           &rest) == 6)
		return 0;
	errno = EINVAL;
	return -1;
}

static void on_link(struct nlmsghdr *h, void *arg)
{
	struct link_state *state = arg;
	const struct ifinfomsg *ifi = nlmsg_data(h);
	struct nlattr *a[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
	if (h->nlmsg_type != RTM_NEWLINK || nlmsg_parse(h, sizeof *ifi, a, IFLA_MAX, NULL) < 0)
		return;
	state->index = (unsigned)ifi->ifi_index;
	state->up = ifi->ifi_flags & IFF_UP;
	state->mtu = a[IFLA_MTU] ? nla_get_u32(a[IFLA_MTU]) : 0;
	state->other = a[IFLA_LINK] ? nla_get_u32(a[IFLA_LINK]) : 0;
	if (a[IFLA_IFNAME])
		nla_strlcpy(state->name, a[IFLA_IFNAME], sizeof state->name);
	if (a[IFLA_IFALIAS])
		nla_strlcpy(state->alias, a[IFLA_IFALIAS], sizeof state->alias);
	if (a[IFLA_LINKINFO] && nla_parse_nested(info, IFLA_INFO_MAX, a[IFLA_LINKINFO], NULL) == 0 &&
	    info[IFLA_INFO_KIND])
		nla_strlcpy(state->kind, info[IFLA_INFO_KIND], sizeof state->kind);
}

int link_state(struct nl_sock *nl, const char *name, unsigned index, struct link_state *state)
{
	*state = (struct link_state){0};
	struct ifinfomsg ifi = {.ifi_index = (int)index};
	struct nl_msg *msg = netlink_request(RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, &ifi, sizeof ifi);
	if (msg && name)
		nla_put_string(msg, IFLA_IFNAME, name);
	return netlink_ask(nl, msg, on_link, state);
}

unsigned link_index(struct nl_sock *nl, const char *name)
{
	struct link_state state;
	return link_state(nl, name, 0, &state) == 0 ? state.index : 0;
}

struct nl_msg *link_request(int type, int flags, unsigned index, bool up)
{
	struct ifinfomsg ifi = {.ifi_index = (int)index, .ifi_flags = up ? IFF_UP : 0, .ifi_change = up ? IFF_UP : 0};
	return netlink_request(type, NLM_F_REQUEST | NLM_F_ACK | flags, &ifi, sizeof ifi);
}

int link_no_own_ipv6(struct nl_sock *nl, unsigned index)
{
	struct nl_msg *msg = link_request(RTM_NEWLINK, 0, index, false);
	struct nlattr *families = msg ? nla_nest_start(msg, IFLA_AF_SPEC) : NULL;
	if (families) {
		struct nlattr *inet6 = nla_nest_start(msg, AF_INET6);
		nla_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
		nla_nest_end(msg, inet6);
		nla_nest_end(msg, families);
	}
	int r = netlink_ask(nl, msg, NULL, NULL);
	return r < 0 && (errno == EAFNOSUPPORT || errno == EOPNOTSUPP) ? 0 : r;
}

static int make_pair(struct nl_sock *nl, const struct link_pair *pair, unsigned bridge, const unsigned char *mac)
{
	struct ifinfomsg peer = {0};
	struct nl_msg *msg = link_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, true);
	if (!msg)
		return -1;
	nla_put_string(msg, IFLA_IFNAME, pair->name);
	if (pair->mtu)
		nla_put_u32(msg, IFLA_MTU, pair->mtu);
	if (bridge)
		nla_put_u32(msg, IFLA_MASTER, bridge);
	struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);
	nla_put_string(msg, IFLA_INFO_KIND, "veth");
	struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA);
	struct nlattr *other = nla_nest_start(msg, VETH_INFO_PEER);
	nlmsg_append(msg, &peer, sizeof peer, NLMSG_ALIGNTO);
	nla_put_string(msg, IFLA_IFNAME, pair->peer);
	if (pair->mtu)
		nla_put_u32(msg, IFLA_MTU, pair->mtu);
	if (mac)
		nla_put(msg, IFLA_ADDRESS, 6, mac);
	if (pair->peer_netns >= 0)
		nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)pair->peer_netns);
	nla_nest_end(msg, other);
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return netlink_ask(nl, msg, NULL, NULL);
}

int link_make_pair(struct nl_sock *nl, const struct link_pair *pair, struct why *why)
{
	unsigned bridge = 0;
	unsigned char mac[6];
	if (pair->mac && mac_parse(pair->mac, mac) < 0)
		return why_set(why, "%s: \"%s\" is no MAC address", pair->peer, pair->mac);
	if (pair->bridge && !(bridge = link_index(nl, pair->bridge)))
		return why_sys(why, "%s: cannot find its bridge %s", pair->name, pair->bridge);
	int r = make_pair(nl, pair, bridge, pair->mac ? mac : NULL);
	if (r < 0 && errno == EEXIST) {
		if (link_delete(nl, pair->name, why) < 0 ||
		    (pair->peer_netns < 0 && link_delete(nl, pair->peer, why) < 0))
			return -1;
		r = make_pair(nl, pair, bridge, pair->mac ? mac : NULL);
	}
	if (r < 0)
		return why_sys(why, "cannot make the interfaces %s and %s", pair->name, pair->peer);
	unsigned index = link_index(nl, pair->name);
	if (!index || link_no_own_ipv6(nl, index) < 0)
		return why_sys(why, "cannot set up the interface %s", pair->name);
	return 0;
}

int address_parse(const char *cidr, struct address *address)
{
	char text[INET6_ADDRSTRLEN];
	const char *slash = strchr(cidr, '/');
	long bits;
	errno = EINVAL;
	if (!slash || (size_t)(slash - cidr) >= sizeof text)
		return -1;
	memcpy(text, cidr, (size_t)(slash - cidr));
	text[slash - cidr] = '\0';
	address->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(address->family, text, address->bytes) != 1 ||
	    text_number(slash + 1, 0, address->family == AF_INET6 ? 128 : 32, &bits) < 0) {
		errno = EINVAL;
		return -1;
	}
	address->bits = (int)bits;
	return 0;
}

int address_add(struct nl_sock *nl, unsigned index, const struct address *address, unsigned flags)
{
	int size = address->family == AF_INET6 ? 16 : 4;
	struct ifaddrmsg ifa = {.ifa_family = (unsigned char)address->family,
	                        .ifa_prefixlen = (unsigned char)address->bits,
	                        .ifa_index = index};
	struct nl_msg *msg =
		netlink_request(RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &ifa, sizeof ifa);
	if (!msg)
		return -1;
	nla_put(msg, IFA_LOCAL, size, address->bytes);
	nla_put(msg, IFA_ADDRESS, size, address->bytes);
	if (address->family == AF_INET6)
		flags |= IFA_F_NODAD;
	else if (address->bits < 31) {
		uint32_t broadcast;
		memcpy(&broadcast, address->bytes, sizeof broadcast);
		broadcast |= htonl(UINT32_MAX >> address->bits);
		nla_put(msg, IFA_BROADCAST, sizeof broadcast, &broadcast);
	}
	nla_put_u32(msg, IFA_FLAGS, flags);
	int r = netlink_ask(nl, msg, NULL, NULL);
	return r < 0 && errno == EEXIST ? 0 : r;
}

int link_add_address(struct nl_sock *nl, const char *name, const char *cidr, struct why *why)
{
	struct address address;
	if (address_parse(cidr, &address) < 0)
		return why_set(why, "%s: \"%s\" is no address with a prefix length", name, cidr);
	unsigned index = link_index(nl, name);
	if (!index || address_add(nl, index, &address, 0) < 0)
		return why_sys(why, "cannot give the address %s to the interface %s", cidr, name);
	return 0;
}

int link_delete(struct nl_sock *nl, const char *name, struct why *why)
{
	struct nl_msg *msg = link_request(RTM_DELLINK, 0, 0, false);
	if (msg)
		nla_put_string(msg, IFLA_IFNAME, name);
	if (netlink_ask(nl, msg, NULL, NULL) < 0 && errno != ENODEV)
		return why_sys(why, "cannot delete the interface %s", name);
	return 0;
}

unsigned link_default_mtu(struct nl_sock *nl)
{
	/* Addresses for documentation (RFC 5737, RFC 3849): only a default route leads there. No packet is sent. */
	static const struct {
		int family;
		const char *text;
	} far[] = {{AF_INET, "198.51.100.1"}, {AF_INET, "203.0.113.1"}, {AF_INET6, "2001:db8::1"}};
	for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
		unsigned char address[16];
		struct route_match match;
		struct link_state state;
		if (inet_pton(far[i].family, far[i].text, address) == 1 &&
		    route_lookup(nl, far[i].family, address, &match) == 0 && match.index &&
		    link_state(nl, NULL, match.index, &state) == 0 && state.mtu)
			return state.mtu;
	}
	return MTU_DEFAULT;
}

struct names {
	const char *start;
	char (*name)[LINK_NAME];
	size_t count, room;
	int error;
};

static void on_name(struct nlmsghdr *h, void *arg)
{
	struct names *names = arg;
	const struct nlattr *a = nlmsg_find_attr(h, sizeof(struct ifinfomsg), IFLA_IFNAME);
	char name[LINK_NAME];
	if (h->nlmsg_type != RTM_NEWLINK || !a)
		return;
	nla_strlcpy(name, a, sizeof name);
	if (strncmp(name, names->start, strlen(names->start)) != 0)
		return;
	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 64;
		void *more = realloc(names->name, room * sizeof *names->name);
		if (!more) {
			names->error = ENOMEM;
			return;
		}
		names->name = more;
		names->room = room;
	}
	memcpy(names->name[names->count++], name, sizeof name);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* One block: the pointers, then what they point to. */
static char **names_pack(const struct names *names)
{
	char **list = malloc((names->count + 1) * sizeof *list + names->count * LINK_NAME);
	if (!list)
		return NULL;
	char(*texts)[LINK_NAME] = (void *)(list + names->count + 1);
	if (names->count) {
		memcpy(texts, names->name, names->count * LINK_NAME);
		qsort(texts, names->count, LINK_NAME, compare_names);
	}
	for (size_t i = 0; i < names->count; i++)
		list[i] = texts[i];
	list[names->count] = NULL;
	return list;
}

char **link_list(struct nl_sock *nl, const char *start)
{
	struct names names = {.start = start};
	struct ifinfomsg ifi = {0};
	for (int i = 0; i < 10; i++) {
		names.count = 0;
		if (netlink_ask(nl, netlink_request(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, &ifi, sizeof ifi), on_name,
		                &names) == 0)
			break;
		names.error = errno;
		if (errno != EINTR)
			break;
		names.error = i < 9 ? 0 : EAGAIN;
	}
	char **list = names.error ? NULL : names_pack(&names);
	free(names.name);
	if (names.error)
		errno = names.error;
	return list;
}
