/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_TAILSCALE_STATUS_H
#define TSLINK_TAILSCALE_STATUS_H

/*
 * What tailscaled tells of its node: the answer of `status` (tailscale: ipn/ipnstate) and the messages of its bus (ipn.Notify). The daemon
 * runs apart and is not trusted: every text is cut to size and made one printable line, names and addresses are
 * checked to be such and are empty otherwise.
 */

#include "lib/base/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/* ipn.State, with its numbers on the bus; the status has its names. */
enum backend {
	BACKEND_UNKNOWN = -1, /* absent, or a state that is not known here */
	BACKEND_NO_STATE = 0, /* not yet begun, or it has a node key and no answer from the control server */
	BACKEND_IN_USE = 1,
	BACKEND_NEEDS_LOGIN = 2,
	BACKEND_NEEDS_APPROVAL = 3, /* NeedsMachineAuth */
	BACKEND_STOPPED = 4,
	BACKEND_STARTING = 5,
	BACKEND_RUNNING = 6, /* maybe only by a network map that it kept: see online */
};

#define STATUS_ADDRESSES 8

struct status {
	enum backend backend;
	bool have_node_key;                               /* it was logged in once */
	bool online;                                      /* Self.Online: in touch with the control server now */
	char address[STATUS_ADDRESSES][INET6_ADDRSTRLEN]; /* of the node on the tailnet, IPv4 first */
	size_t address_count;
	char name[256];        /* DNS name without the dot at its end; "" while there is none */
	char auth_url[512];    /* where a person can log the node in; "" where none is offered */
	char login_error[384]; /* the last login error, from Health; may be of an attempt long past */
};

/* Parses an answer of `status`. 0, or -1 with EBADMSG. */
int status_parse(const char *json, size_t len, struct status *status, struct why *why);

/* The name of a state, as Tailscale writes it. */
const char *backend_name(enum backend backend);

/* A message of the bus: what of it matters here. Any message is a reason to ask for the status again. */
struct notify {
	enum backend backend; /* BACKEND_UNKNOWN where the message does not tell of it */
	char error[384];      /* ErrMessage: what the control server says against this node; "" where there is none */
	char auth_url[512];   /* BrowseToURL, likewise */
};

/* Parses one message. 0, or -1 with EBADMSG. */
int notify_parse(const char *json, size_t len, struct notify *notify, struct why *why);

/*
 * Is the text of a login error about reaching the control server (and not the control server's own word)? It is made in tailscale's
 * control/controlclient/direct.go: "fetch control key: ...", "register request: ...", or an error of the transport.
 */
bool login_error_is_transport(const char *text);

#endif
