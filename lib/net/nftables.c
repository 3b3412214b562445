/* SPDX-License-Identifier: ISC */
#include "nftables.h"

#include "ruleset.h"

#include "netlink.h"

#include <errno.h>
#include <netinet/in.h> /* before the kernel's headers, that define the same otherwise */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

static void on_chain(struct nlmsghdr *h, void *arg)
{
	uint32_t *policy = arg;
	const struct nlattr *a = nlmsg_find_attr(h, sizeof(struct nfgenmsg), NFTA_CHAIN_POLICY);
	if (a && nla_len(a) >= 4)
		*policy = ntohl(nla_get_u32(a));
}

static int ask(uint8_t family, const char *table, const char *chain, uint32_t *policy)
{
	struct nfgenmsg header = {.nfgen_family = family, .version = NFNETLINK_V0};
	int type = NFNL_SUBSYS_NFTABLES << 8 | (chain ? NFT_MSG_GETCHAIN : NFT_MSG_GETTABLE);
	autonetlink struct nl_sock *nl = nl_socket_alloc();
	if (!nl || nl_connect(nl, NETLINK_NETFILTER) < 0)
		return -1;
	struct nl_msg *msg = netlink_request(type, NLM_F_REQUEST | NLM_F_ACK, &header, sizeof header);
	if (msg) {
		nla_put_string(msg, chain ? NFTA_CHAIN_TABLE : NFTA_TABLE_NAME, table);
		if (chain)
			nla_put_string(msg, NFTA_CHAIN_NAME, chain);
	}
	if (netlink_ask(nl, msg, chain ? on_chain : NULL, policy) == 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

int nftables_has(uint8_t family, const char *table, const char *chain)
{
	uint32_t policy;
	return ask(family, table, chain, &policy);
}

int nftables_drops(uint8_t family, const char *table, const char *chain)
{
	uint32_t policy = NF_ACCEPT;
	int r = ask(family, table, chain, &policy);
	return r == 1 ? policy == NF_DROP : r;
}

/* Declared with the ruleset, and here, so that who only asks this does without libnftables. */
int ruleset_present(const char *table)
{
	int inet = nftables_has(NFPROTO_INET, table, NULL);
	return inet == 1 ? nftables_has(NFPROTO_BRIDGE, table, NULL) : inet;
}
