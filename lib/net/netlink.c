/* SPDX-License-Identifier: ISC */
#include "netlink.h"

#include "netns.h"

#include <errno.h>
#include <stdbool.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

struct conversation {
	void (*answer)(struct nlmsghdr *, void *);
	void *arg;
	int error; /* errno of the kernel */
	bool over;
};

struct nl_sock *netlink_open(void)
{
	struct nl_sock *nl = nl_socket_alloc();
	if (!nl) {
		errno = ENOMEM;
		return NULL;
	}
	if (nl_connect(nl, NETLINK_ROUTE) < 0) {
		int saved = errno;
		nl_socket_free(nl);
		errno = saved ? saved : EPROTO;
		return NULL;
	}
	return nl;
}

static int open_here(void *arg)
{
	struct nl_sock **nl = arg;
	*nl = netlink_open();
	return *nl ? 0 : -1;
}

struct nl_sock *netlink_open_in(int netns)
{
	struct nl_sock *nl = NULL;
	return netns_run(netns, open_here, &nl) == 0 ? nl : NULL;
}

void netlink_close(struct nl_sock *nl)
{
	int saved = errno;
	nl_socket_free(nl);
	errno = saved;
}

struct nl_msg *netlink_request(int type, int flags, const void *header, size_t len)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);
	if (msg && nlmsg_append(msg, (void *)(uintptr_t)header, len, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	if (!msg)
		errno = ENOMEM;
	return msg;
}

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct conversation *c = arg;
	if (c->answer)
		c->answer(nlmsg_hdr(msg), c->arg);
	return NL_OK;
}

static int on_end(struct nl_msg *msg, void *arg)
{
	(void)msg;
	struct conversation *c = arg;
	c->over = true;
	return NL_STOP;
}

static int on_interrupt(struct nl_msg *msg, void *arg)
{
	(void)msg;
	struct conversation *c = arg;
	c->error = EINTR; /* told by each message of the dump: hear it to its end */
	return NL_OK;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *arg)
{
	(void)from;
	struct conversation *c = arg;
	c->error = -error->error;
	c->over = true;
	return NL_STOP;
}

int netlink_ask(struct nl_sock *nl, struct nl_msg *msg, void (*answer)(struct nlmsghdr *, void *), void *arg)
{
	struct conversation c = {.answer = answer, .arg = arg};
	struct nl_cb *cb = msg ? nl_cb_alloc(NL_CB_DEFAULT) : NULL;
	int r = cb ? nl_send_auto(nl, msg) : -NLE_NOMEM;
	nlmsg_free(msg);
	if (!cb) {
		errno = ENOMEM;
		return -1;
	}
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, &c);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_end, &c);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_end, &c);
	nl_cb_set(cb, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupt, &c);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, &c);
	while (r >= 0 && !c.over)
		r = nl_recvmsgs(nl, cb);
	nl_cb_put(cb);
	if (c.error == 0 && !c.over)
		c.error = r == -NLE_NOMEM ? ENOMEM : EPROTO;
	errno = c.error;
	return c.error ? -1 : 0;
}
