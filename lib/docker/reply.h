/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_DOCKER_REPLY_H
#define TSLINK_DOCKER_REPLY_H

/*
 * The answers of Docker's remote-driver protocol. Every function returns a JSON text for free(3), or NULL with ENOMEM.
 * An empty text or NULL in a struct means that the field is left out. What is no UTF-8 in a value comes out as "?".
 */

#include "pairs.h"

/* Plugin.Activate. */
char *reply_activate(void);

/* GetCapabilities: scope and connectivity scope "local", so that no swarm discovery is sent. */
char *reply_capabilities(void);

/* {}: done, nothing to tell. */
char *reply_empty(void);

/* {"Err": text}: people read it behind "Error response from daemon: ...", whatever the HTTP status. No secret in it. */
char *reply_error(const char *text);

/* CreateEndpoint. Docker refuses an address or MAC, even the same one, where its request held one. */
struct endpoint_reply {
	const char *address;  /* "a.b.c.d/n" */
	const char *address6; /* "x::y/n" */
	const char *mac;
};
char *reply_create_endpoint(const struct endpoint_reply *reply);

/* Join. Docker moves src_name into the container and calls it eth<lowest free number>. */
struct join_reply {
	const char *src_name; /* left out: Docker configures no interface, and then no gateway may be given either */
	const char *gateway;  /* plain address; left out (both): Docker publishes ports on docker_gwbridge */
	const char *gateway6;
};
char *reply_join(const struct join_reply *reply);

/* EndpointOperInfo: the pairs as Value; empty ones, too. */
char *reply_oper_info(const struct pairs *info);

#endif
