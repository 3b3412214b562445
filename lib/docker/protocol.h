/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_DOCKER_PROTOCOL_H
#define TSLINK_DOCKER_PROTOCOL_H

/*
 * The requests of Docker's remote-driver protocol (moby: libnetwork/drivers/remote/api/api.go; identical from 20.10 to
 * 27, GwAllocCheck added in 28), from a JSON body into plain structs whose texts are checked. Answers are in reply.h.
 *
 * Every ..._parse returns 0, or -1 with the reason in *why and errno EBADMSG (the body is empty or no JSON), EINVAL (a
 * field is missing, of a wrong type, or says what cannot be; the reason names it) or ENOMEM. After a failure there is
 * nothing to release. Field names are matched in any case, as Go does; unknown fields are ignored; null is as good as
 * absent.
 */

#include "lib/base/error.h"
#include "pairs.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

enum method {
	METHOD_ACTIVATE,
	METHOD_GET_CAPABILITIES,
	METHOD_GW_ALLOC_CHECK,
	METHOD_CREATE_NETWORK,
	METHOD_DELETE_NETWORK,
	METHOD_ALLOCATE_NETWORK,
	METHOD_FREE_NETWORK,
	METHOD_CREATE_ENDPOINT,
	METHOD_DELETE_ENDPOINT,
	METHOD_ENDPOINT_OPER_INFO,
	METHOD_JOIN,
	METHOD_LEAVE,
	METHOD_PROGRAM_EXTERNAL_CONNECTIVITY,
	METHOD_REVOKE_EXTERNAL_CONNECTIVITY,
	METHOD_DISCOVER_NEW,
	METHOD_DISCOVER_DELETE,
};

struct method_info {
	const char *path; /* "/NetworkDriver.Join" */
	enum method method;
	bool body; /* Docker sends one; an empty one is an error (body_check) */
	bool get;  /* answered on GET as well as on POST, as docker/go-plugins-helpers does */
};

/* The row of a request path (exact comparison), or NULL for a method that nobody knows: 404. */
const struct method_info *method_find(const char *path);

#define ID_LEN 64 /* of a network or endpoint: hexadecimal digits in lower case */
#define ID_SIZE (ID_LEN + 1)
#define CIDR_SIZE (INET6_ADDRSTRLEN + 4) /* "address/prefix" */
#define MAC_SIZE 18                      /* "02:42:0a:4d:00:02", lower case */

/* One entry of IPv4Data or IPv6Data. Every text may be empty; pool and gateway are "address/prefix" of its family. */
struct ipam_data {
	char address_space[64]; /* "null" with --ipam-driver null, whose pool is 0.0.0.0/0 or ::/0 */
	char pool[CIDR_SIZE];
	char gateway[CIDR_SIZE];
};

struct create_network {
	char network[ID_SIZE];
	struct pairs options; /* com.docker.network.generic: every `--opt name=value`, names as the user wrote them */
	bool enable_ipv4;     /* true where an engine before 28 does not say */
	bool enable_ipv6;
	bool internal;
	struct ipam_data *ipv4, *ipv6;
	size_t ipv4_count, ipv6_count;
};

/* *r needs no preparation. create_network_free wipes and releases it (and may be called twice). */
int create_network_parse(struct create_network *r, const char *body, size_t len, struct why *why);
void create_network_free(struct create_network *r);

struct create_endpoint {
	char network[ID_SIZE];
	char endpoint[ID_SIZE];
	char address[CIDR_SIZE];  /* "" with --ipam-driver null; when set, the answer must hold none */
	char address6[CIDR_SIZE]; /* "" without IPv6 */
	char mac[MAC_SIZE];       /* "" unless the user asked for one; when set, the answer must hold none */
	bool has_portmap;         /* ports are published: com.docker.network.portmap is not empty */
	struct pairs driver_opts; /* of the endpoint; names in lower case, as the CLI makes them and compose does not */
};

int create_endpoint_parse(struct create_endpoint *r, const char *body, size_t len, struct why *why);
void create_endpoint_free(struct create_endpoint *r);

struct join {
	char network[ID_SIZE];
	char endpoint[ID_SIZE];
	char sandbox_key[PATH_MAX]; /* <exec-root>/netns/<12 digits>: absolute, no ".."; nothing there before 28 */
	bool has_portmap;
};

int join_parse(struct join *r, const char *body, size_t len, struct why *why);

/* DeleteEndpoint, EndpointOperInfo, Leave, ProgramExternalConnectivity, RevokeExternalConnectivity. */
struct endpoint_call {
	char network[ID_SIZE];
	char endpoint[ID_SIZE];
};

int endpoint_call_parse(struct endpoint_call *r, const char *body, size_t len, struct why *why);

/* DeleteNetwork, AllocateNetwork, FreeNetwork. A swarm's network ID (25 of a-z0-9) is one, too, here and above. */
struct network_call {
	char network[ID_SIZE];
};

int network_call_parse(struct network_call *r, const char *body, size_t len, struct why *why);

/* For a request of which nothing is used (GwAllocCheck, Discover...): is the body a JSON object? Same returns. */
int body_check(const char *body, size_t len, struct why *why);

#endif
