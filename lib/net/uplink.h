/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_NET_UPLINK_H
#define TSLINK_NET_UPLINK_H

/*
 * The uplink: the tunnel's own way out of a container's network namespace, that the application has no route by.
 *
 *   host      <prefix>-u<slot>  .1/30
 *   container tslink0           .2/30, in no table but these:
 *     table 7200  .0/30 dev tslink0, default via .1    by rule 5100: fwmark 0x80000/0xff0000 (tailscaled's)
 *     table 7201  default dev tslink0                  by rule 5101: from .2
 *     table main  unreachable 100.64.0.0/10, fd7a:115c:a1e0::/48: with the node down, tailnet addresses lead nowhere
 *
 * Table 7201 is there for the reverse path filter alone. It looks up the way back to a sender without any mark, and
 * would drop the replies to tailscaled where the container has no default route or one by another interface. Without a
 * gateway it is of no use to an application that binds to .2: it can reach nobody but by ARP on the link, where only
 * the host end answers, for .1 only (arp_ignore), which binding to the device gives it anyway. So no sysctl of the
 * container is touched.
 *
 * It is no prison wall: an application with CAP_NET_RAW, which Docker grants root by default, may mark its packets
 * (since Linux 5.17) or write frames, and so use the uplink on purpose, also on an --internal network. What then holds
 * is the host's ruleset.
 */

#include "lib/base/error.h"
#include "subnet.h"

#define UPLINK_DEVICE "tslink0"
enum {
	UPLINK_TABLE = 7200,
	UPLINK_BACK_TABLE = 7201,
	UPLINK_RULE = 5100,
	UPLINK_BACK_RULE = 5101,
	UPLINK_MARK = 0x80000,
	UPLINK_MARK_MASK = 0xff0000,
};

struct nl_sock;

struct uplink {
	const char *prefix;         /* of the tree's interface names */
	const struct subnet *range; /* TSLINK_SUBNET */
	uint32_t slot;
	unsigned mtu; /* 0 for the kernel's default */
};

/*
 * Makes the uplink between the namespace of nl (the host's) and that of the descriptor netns, or repairs what is
 * missing of it. Idempotent. Where a namespace has no IPv6, its part is left out. 0, or -1 with errno: EEXIST where
 * the container has an uplink of another tree.
 */
int uplink_make(struct nl_sock *nl, int netns, const struct uplink *uplink, struct why *why);

/*
 * Takes it away. With netns -1 only the veth, and with it all routes by it (the namespace is about to go); else rules
 * and unreachable routes in the namespace too. What is not there is success.
 */
int uplink_remove(struct nl_sock *nl, int netns, const struct uplink *uplink, struct why *why);

#endif
