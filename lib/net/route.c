/* SPDX-License-Identifier: ISC */
#include "route.h"

#include "netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>
#include <sys/socket.h>

static int address_size(int family)
{
	return family == AF_INET6 ? 16 : 4;
}

static void on_route(struct nlmsghdr *h, void *arg)
{
	struct route_match *match = arg;
	const struct rtmsg *rtm = nlmsg_data(h);
	const struct nlattr *oif = nlmsg_find_attr(h, sizeof *rtm, RTA_OIF);
	if (h->nlmsg_type != RTM_NEWROUTE)
		return;
	match->bits = rtm->rtm_dst_len;
	match->index = oif ? nla_get_u32(oif) : 0;
}

int route_lookup(struct nl_sock *nl, int family, const void *address, struct route_match *match)
{
	int size = address_size(family);
	struct rtmsg rtm = {.rtm_family = (unsigned char)family,
	                    .rtm_dst_len = (unsigned char)(size * 8),
	                    .rtm_flags = RTM_F_FIB_MATCH};
	struct nl_msg *msg = netlink_request(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_ACK, &rtm, sizeof rtm);
	*match = (struct route_match){0};
	if (msg)
		nla_put(msg, RTA_DST, size, address);
	return netlink_ask(nl, msg, on_route, match);
}

static struct nl_msg *route_request(int type, int flags, const struct route *r)
{
	int size = address_size(r->family);
	struct rtmsg rtm = {.rtm_family = (unsigned char)r->family,
	                    .rtm_dst_len = r->to ? (unsigned char)r->bits : 0,
	                    .rtm_table = r->table < 256 ? (unsigned char)r->table : RT_TABLE_UNSPEC,
	                    .rtm_protocol = RTPROT_STATIC,
	                    .rtm_scope = r->index && !r->gateway ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
	                    .rtm_type = r->index ? RTN_UNICAST : RTN_UNREACHABLE,
	                    .rtm_flags = r->gateway ? RTNH_F_ONLINK : 0};
	struct nl_msg *msg = netlink_request(type, NLM_F_REQUEST | NLM_F_ACK | flags, &rtm, sizeof rtm);
	if (!msg)
		return NULL;
	nla_put_u32(msg, RTA_TABLE, r->table);
	if (r->to)
		nla_put(msg, RTA_DST, size, r->to);
	if (r->gateway)
		nla_put(msg, RTA_GATEWAY, size, r->gateway);
	if (r->source)
		nla_put(msg, RTA_PREFSRC, size, r->source);
	if (r->index)
		nla_put_u32(msg, RTA_OIF, r->index);
	return msg;
}

int route_set(struct nl_sock *nl, const struct route *route)
{
	return netlink_ask(nl, route_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route), NULL, NULL);
}

int route_unset(struct nl_sock *nl, const struct route *route)
{
	int r = netlink_ask(nl, route_request(RTM_DELROUTE, 0, route), NULL, NULL);
	return r < 0 && errno == ESRCH ? 0 : r;
}

static struct nl_msg *rule_request(int type, int flags, const struct rule *rule)
{
	struct fib_rule_hdr header = {
		.family = AF_INET, .src_len = rule->source ? 32 : 0, .table = RT_TABLE_UNSPEC, .action = FR_ACT_TO_TBL};
	struct nl_msg *msg = netlink_request(type, NLM_F_REQUEST | NLM_F_ACK | flags, &header, sizeof header);
	if (!msg)
		return NULL;
	nla_put_u32(msg, FRA_PRIORITY, rule->pref);
	nla_put_u32(msg, FRA_TABLE, rule->table);
	if (rule->source)
		nla_put(msg, FRA_SRC, sizeof rule->source, &rule->source);
	if (rule->mask) {
		nla_put_u32(msg, FRA_FWMARK, rule->mark);
		nla_put_u32(msg, FRA_FWMASK, rule->mask);
	}
	return msg;
}

/*
 * The rules that share preference and table with a wanted one. More than these fit is a flood of somebody's own
 * making.
 */
struct rules {
	const struct rule *want;
	struct rule found[32];
	int count;
};

static uint32_t number(struct nlmsghdr *h, int attribute)
{
	const struct nlattr *a = nlmsg_find_attr(h, sizeof(struct fib_rule_hdr), attribute);
	return a && nla_len(a) >= 4 ? nla_get_u32(a) : 0;
}

static void on_rule(struct nlmsghdr *h, void *arg)
{
	struct rules *rules = arg;
	if (h->nlmsg_type != RTM_NEWRULE || rules->count == sizeof rules->found / sizeof *rules->found ||
	    number(h, FRA_PRIORITY) != rules->want->pref || number(h, FRA_TABLE) != rules->want->table)
		return;
	rules->found[rules->count++] = (struct rule){.pref = rules->want->pref,
	                                             .table = rules->want->table,
	                                             .mark = number(h, FRA_FWMARK),
	                                             .mask = number(h, FRA_FWMASK),
	                                             .source = number(h, FRA_SRC)};
}

static int rules_like(struct nl_sock *nl, struct rules *rules)
{
	struct fib_rule_hdr header = {.family = AF_INET};
	for (int i = 0; i < 5; i++) {
		rules->count = 0;
		if (netlink_ask(nl, netlink_request(RTM_GETRULE, NLM_F_REQUEST | NLM_F_DUMP, &header, sizeof header),
		                on_rule, rules) == 0)
			return 0;
		if (errno != EINTR)
			break;
	}
	return -1;
}

static bool same_rule(const struct rule *a, const struct rule *b)
{
	return a->mark == b->mark && a->mask == b->mask && a->source == b->source;
}

static int rule_delete(struct nl_sock *nl, const struct rule *rule)
{
	int r = netlink_ask(nl, rule_request(RTM_DELRULE, 0, rule), NULL, NULL);
	return r < 0 && errno == ENOENT ? 0 : r;
}

int rule_set(struct nl_sock *nl, const struct rule *rule)
{
	struct rules rules = {.want = rule};
	bool there = false;
	if (rules_like(nl, &rules) < 0)
		return -1;
	for (int i = 0; i < rules.count; i++) {
		bool same = same_rule(&rules.found[i], rule);
		if ((!same || there) && rule_delete(nl, &rules.found[i]) < 0)
			return -1;
		there |= same;
	}
	if (there)
		return 0;
	int r = netlink_ask(nl, rule_request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule), NULL, NULL);
	return r < 0 && errno == EEXIST ? 0 : r;
}

int rule_unset(struct nl_sock *nl, const struct rule *rule)
{
	struct rules rules = {.want = rule};
	if (rules_like(nl, &rules) < 0)
		return -1;
	for (int i = 0; i < rules.count; i++)
		if (same_rule(&rules.found[i], rule) && rule_delete(nl, &rules.found[i]) < 0)
			return -1;
	return 0;
}
