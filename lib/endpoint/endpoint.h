/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_ENDPOINT_H
#define TSLINK_ENDPOINT_ENDPOINT_H

/*
 * An endpoint: one container's place on one network, from CreateEndpoint to DeleteEndpoint. It is its service directory,
 * endpoint/<first twelve digits of its ID>/ beneath the run directory, with the facts of facts.h:
 *
 *   env/ENDPOINT NETWORK               IDs
 *   env/SLOT UPLINK                    its /30: the slot, and the address of the container's end
 *   env/ADDRESS ADDRESS6 MAC GATEWAY   of eth<n>
 *   env/POINT                          slot of the second /30 (--ipam-driver null)
 *   env/MTU
 *   env/ASKED_HOSTNAME ASKED_WAIT ASKED_REQUIRE   driver-opts of the endpoint
 *   env/NETNS                          SandboxKey, from Join on
 *   env/CONTAINER NAME HOSTNAME WAIT REQUIRE LOGIN_SERVER KEYFILE PORT UID   by tslink-identify
 *   state -> <identity>                by tslink-identify
 *   data/stopped                       between endpoint_stop and endpoint_start: it is down because somebody (Leave, an operator) asked for
 *                                      that, and the watch leaves it down. data/state does not tell: a tree that ends stops its nodes, too
 *
 * All changes are made under the endpoint's lock (endpoint_lock), which no function here takes itself.
 */

#include "network.h"
#include "tree.h"

#define ENDPOINT_KEY 12

struct endpoint {
	char id[ID_SIZE];            /* all digits; "" where it was opened by its key and is not there */
	char key[ENDPOINT_KEY + 1];  /* its name: the first digits of the ID */
	char path[PATH_MAX];         /* "endpoint/<key>", beneath the run directory */
	int dir;                     /* open service directory, or -1 where there is none */
};

/* Locks an endpoint against all others that change it. `id` is its ID or its key. A descriptor to close, or -1: ETIMEDOUT. */
int endpoint_lock(const struct tree *tree, const char *id, struct why *why);

/*
 * Opens an endpoint by ID or key. 0, also where it is not there (dir is -1); -1: EINVAL for no ID, EEXIST where the key belongs to an
 * endpoint of another ID. endpoint_close releases it.
 */
int endpoint_open(const struct tree *tree, const char *id, struct endpoint *endpoint, struct why *why);
void endpoint_close(struct endpoint *endpoint);

/* Makes the service directory with all that CreateEndpoint says, and claims its /30s. The address of a null-IPAM one goes to env/ADDRESS. */
int endpoint_create(const struct tree *tree, const struct network *network, const struct create_endpoint *request,
		    struct endpoint *endpoint, struct why *why);

/* The interface that Docker will move into the container; its host end is a port of the bridge, or has the other address. */
int endpoint_plug(const struct tree *tree, const struct network *network, const struct endpoint *endpoint, struct nl_sock *nl,
		  char peer[LINK_NAME], struct why *why);

/*
 * Notes that the endpoint is in this sandbox. A container takes one tslink network: -1 with EBUSY where another endpoint that is
 * alive has the sandbox; the reason names both.
 */
int endpoint_sandbox_claim(const struct tree *tree, const struct endpoint *endpoint, const char *sandbox_key, struct why *why);

/* Its facts about slots: the uplink's, or -1; the second one's, or -1. */
int64_t endpoint_slot(const struct endpoint *endpoint);
int64_t endpoint_point(const struct endpoint *endpoint);

/* Starts it (links its service directory). Idempotent. */
int endpoint_start(const struct tree *tree, const struct endpoint *endpoint, struct why *why);

/* Stops it in bounded time, takes the uplink out of the netns and gives the sandbox back. Idempotent. -1: ETIMEDOUT. */
int endpoint_stop(const struct tree *tree, const struct endpoint *endpoint, struct why *why);

/* endpoint_stop, then removes interfaces, claims and the service directory. Nothing there is success. */
int endpoint_remove(const struct tree *tree, struct endpoint *endpoint, struct why *why);

#endif
