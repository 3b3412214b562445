/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_NET_NETLINK_H
#define TSLINK_NET_NETLINK_H

/*
 * Route netlink sockets. A socket belongs for good to the network namespace it was opened in, so the functions of this
 * room that take one work on that namespace, wherever the process itself is. `autonetlink struct nl_sock *nl =
 * netlink_open();`
 */

#include <stddef.h>

struct nl_sock;
struct nl_msg;
struct nlmsghdr;

/* A socket in the namespace of the process. NULL with errno. */
struct nl_sock *netlink_open(void);

/* A socket in the namespace of the descriptor (netns_open). NULL with errno. */
struct nl_sock *netlink_open_in(int netns);

/* Closes it; NULL is fine. */
void netlink_close(struct nl_sock *nl);

/* A request of this type with its fixed header behind it; attributes follow with nla_put. NULL with ENOMEM. */
struct nl_msg *netlink_request(int type, int flags, const void *header, size_t len);

/*
 * Sends a request and waits for its acknowledgement, or, with NLM_F_DUMP, for its end; frees it. `answer` (may be
 * NULL) is called with each message that comes before that. Unlike libnl's own functions it loses nothing: errno is
 * the kernel's; EINTR is a dump that was interrupted by a change, to be asked again. 0 or -1.
 */
int netlink_ask(struct nl_sock *nl, struct nl_msg *msg, void (*answer)(struct nlmsghdr *, void *), void *arg);

static inline void cleanup_netlink(struct nl_sock **nl)
{
	netlink_close(*nl);
}

#define autonetlink __attribute__((cleanup(cleanup_netlink)))

#endif
