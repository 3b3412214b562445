/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_NETWORK_H
#define TSLINK_ENDPOINT_NETWORK_H

/*
 * The record of a network: <data>/network/<network ID>/, one option a file. It is durable, since Docker sends CreateNetwork
 * once in a network's life and never again. It is built aside and renamed into place whole.
 *
 *   format          1
 *   authkey         0600: the key, where tslink.authkey gave one
 *   authkey-file    name beneath $(sysconfdir)/tslink/keys
 *   login-server wait require mtu     as given, absent where not
 *   internal        present for --internal
 *   ipam            "null" for --ipam-driver null
 *   gateways        addresses of the bridge, "a.b.c.d/n", one a line
 */

#include "lib/docker/options.h"
#include "lib/docker/protocol.h"
#include "tree.h"

#include <stdint.h>

#define NETWORK_GATEWAYS 16

struct network {
	char id[ID_SIZE];
	bool internal;
	bool null_ipam;
	struct network_options options; /* without the key itself */
	bool own_key;                   /* authkey is there */
	char gateway[NETWORK_GATEWAYS][CIDR_SIZE];
	size_t gateway_count;
};

/* Checks a request for a new network against the tree's configuration, and makes its record. 0, or -1: EINVAL with the reason for the user. */
int network_create(const struct tree *tree, const struct create_network *request, struct network *network, struct why *why);

/* Reads a record. 0, or -1: ENOENT for a network that nobody knows. */
int network_read(const struct tree *tree, const char *id, struct network *network, struct why *why);

/*
 * Locks a network against all others that make, mend or remove its record and bridge. The deadline is in milliseconds of the
 * monotonic clock. A descriptor to close, or -1: ETIMEDOUT. network_unlock_gone also removes the file of a network that is no more.
 */
int network_lock(const struct tree *tree, const char *id, int64_t deadline, struct why *why);
void network_unlock_gone(const struct tree *tree, const char *id, int lock);

/* Removes a record; none is success. */
int network_remove(const struct tree *tree, const char *id, struct why *why);

/* The name of its bridge. */
void network_bridge(const struct tree *tree, const struct network *network, char name[LINK_NAME]);

/* Makes sure that the bridge is there (none for --ipam-driver null), and the firewall knows it. 0 or -1. */
int network_bridge_ensure(const struct tree *tree, const struct network *network, struct nl_sock *nl, struct why *why);

/* The MTU of its interfaces: as the option says, else that of the host's default route. */
unsigned network_mtu(const struct network *network, struct nl_sock *nl);

/* Is it so small that the packets of a tunnel of 1280 bytes do not fit in one of it? */
bool network_mtu_small(unsigned mtu);

/* The gateway (plain address) for an address "a.b.c.d/n" of the network; "" where there is none. */
void network_gateway(const struct network *network, const char *address, char gateway[CIDR_SIZE]);

/*
 * The path of the file that holds its auth key: its own, the one in the key directory, or the tree's TS_AUTHKEY. What is found in
 * the key directory is checked. 0, or -1 with errno: ENOENT where there is no key at all.
 */
int network_key_path(const struct tree *tree, const struct network *network, char path[PATH_MAX], struct why *why);

/* Its login server, or the tree's, or Tailscale's own. */
void network_login_server(const struct tree *tree, const struct network *network, char url[LOGIN_SERVER_MAX + 1]);

/*
 * The marker that a wait on this network ran out, and no node of it came up since (gate/<network ID>); tslink-login removes it.
 */
bool network_gate_expired(const struct tree *tree, const char *id);
int network_gate_expire(const struct tree *tree, const char *id);

#endif
