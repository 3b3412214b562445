/* SPDX-License-Identifier: ISC */
/*
 * tslink-driver: reads one request of Docker's remote-driver protocol on standard input, does it, answers on standard output.
 *
 * There is one process per connection (s6-ipcserverd), and nothing is remembered but files. Every call may come twice, late, or for
 * an endpoint nobody knows, so each is written to be repeated; calls for one endpoint are serialised by its lock. Nothing here asks
 * Docker anything: inside a call Docker holds locks of its own.
 */

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/lock.h"
#include "lib/base/text.h"
#include "lib/docker/files.h"
#include "lib/docker/http.h"
#include "lib/docker/protocol.h"
#include "lib/docker/reply.h"
#include "lib/endpoint/endpoint.h"
#include "lib/endpoint/gate.h"
#include "lib/endpoint/network.h"
#include "lib/net/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_MS 30000
#define WRITE_MS 10000
#define LINGER_MS 2000
#define NETWORK_LOCK_MS 10000

/* One request on its way. A handler returns the answer's JSON, or NULL with errno and the reason in why. */
struct call {
	const struct tree *tree;
	const char *body;
	size_t len;
	struct why why;
};

/* ---- the plugin itself */

/* Remembers where Docker keeps its files, from the process at the other end of the socket. */
static void note_docker_root(const struct tree *tree)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	char root[PATH_MAX];

	/* By hand, from a pipe or a file, there is nobody to ask. */
	if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.pid <= 0)
		return;
	/* Nor is the peer always a dockerd whose files this process may see: the containers are looked up by the API then. */
	if (docker_data_root_of_pid(peer.pid, root, NULL) < 0)
		return;
	if (tree_docker_root_set(tree, root) < 0)
		warning_sys("cannot write %s/docker/root", tree->path);
}

/* Comes once in a dockerd's life, and DOCKER-USER with it: our accepts go in there now, whenever the tree was started. */
static char *activate(struct call *call)
{
	note_docker_root(call->tree);
	return tree_ruleset_apply(call->tree, &call->why) < 0 ? NULL : reply_activate();
}

static char *get_capabilities(struct call *call)
{
	note_docker_root(call->tree);
	return tree_ruleset_need(call->tree, &call->why) < 0 ? NULL : reply_capabilities();
}

static char *nothing(struct call *call)
{
	return call->len && body_check(call->body, call->len, &call->why) < 0 ? NULL : reply_empty();
}

/* ---- networks */

static int make_network(struct call *call, const struct create_network *request)
{
	struct network network;
	autonetlink struct nl_sock *nl = netlink_open();

	if (!nl)
		return why_sys(&call->why, "cannot open a netlink socket");
	if (network_create(call->tree, request, &network, &call->why) < 0)
		return -1;
	if (network_bridge_ensure(call->tree, &network, nl, &call->why) < 0) {
		struct why more;
		int saved = errno;
		if (network_remove(call->tree, network.id, &more) < 0)
			warning("%s", more.text);
		errno = saved;
		return -1;
	}
	if (network_mtu_small(network_mtu(&network, nl)))
		warning("network %.12s has an MTU of %u: the tunnel's packets are fragmented", network.id, network_mtu(&network, nl));
	info("network %.12s: made%s%s", network.id, network.internal ? ", internal" : "", network.null_ipam ? ", null IPAM" : "");
	return 0;
}

static char *create_network(struct call *call)
{
	struct create_network request;
	int r = -1;

	if (create_network_parse(&request, call->body, call->len, &call->why) < 0)
		return NULL;
	int lock = network_lock(call->tree, request.network, deadline_in(NETWORK_LOCK_MS), &call->why);
	if (lock >= 0) {
		r = make_network(call, &request);
		int saved = errno;
		if (r < 0)
			network_unlock_gone(call->tree, request.network, lock);
		else
			close(lock);
		errno = saved;
	}
	create_network_free(&request);
	return r < 0 ? NULL : reply_empty();
}

static int remove_bridge(struct call *call, const struct network *network)
{
	char bridge[LINK_NAME];
	autonetlink struct nl_sock *nl = netlink_open();

	network_bridge(call->tree, network, bridge);
	if (!nl)
		return why_sys(&call->why, "cannot open a netlink socket");
	return network->null_ipam ? 0 : link_delete(nl, bridge, &call->why);
}

static char *delete_network(struct call *call)
{
	struct network_call request;
	struct network network;

	if (network_call_parse(&request, call->body, call->len, &call->why) < 0)
		return NULL;
	autofd int lock = network_lock(call->tree, request.network, deadline_in(NETWORK_LOCK_MS), &call->why);
	if (lock < 0)
		return NULL;
	if (network_read(call->tree, request.network, &network, &call->why) < 0 && errno != ENOENT)
		warning("%s", call->why.text);
	if (remove_bridge(call, &network) < 0 || network_remove(call->tree, request.network, &call->why) < 0)
		return NULL;
	network_unlock_gone(call->tree, request.network, lock);
	lock = -1;
	info("network %.12s: removed", request.network);
	return reply_empty();
}

/* ---- endpoints */

/* What every handler of an endpoint begins with. */
struct held {
	const struct tree *tree;
	int lock;
	struct endpoint endpoint;
};

/* An endpoint that is not there (any more, or never was) leaves no lock file. */
static void release(struct held *held)
{
	char name[LINK_NAME + 8];
	int saved = errno;

	if (held->lock >= 0 && held->endpoint.dir < 0 && held->endpoint.key[0] &&
	    (text_format(name, sizeof name, "lock/%s", held->endpoint.key) < 0 || lock_discard(held->tree->dir, name, held->lock) < 0))
		warning_sys("cannot remove the lock of endpoint %s", held->endpoint.key);
	endpoint_close(&held->endpoint);
	cleanup_fd(&held->lock);
	errno = saved;
}

#define autoheld __attribute__((cleanup(release)))

static int hold(struct call *call, const char *id, struct held *held)
{
	held->tree = call->tree;
	held->lock = endpoint_lock(call->tree, id, &call->why);
	if (held->lock < 0)
		return -1;
	return endpoint_open(call->tree, id, &held->endpoint, &call->why);
}

#define HELD_NONE { .lock = -1, .endpoint = { .dir = -1 } }

static char *endpoint_answer(const struct create_endpoint *request, const struct endpoint *endpoint)
{
	char address[FACT_MAX] = "", mac[FACT_MAX] = "";

	/* Docker refuses in the answer what its request held. */
	if ((!request->address[0] && fact_get(endpoint->dir, "ADDRESS", address) < 0 && errno != ENOENT) ||
	    (!request->mac[0] && fact_get(endpoint->dir, "MAC", mac) < 0 && errno != ENOENT))
		return NULL;
	return reply_create_endpoint(&(struct endpoint_reply){ .address = address, .mac = mac });
}

static char *create_endpoint_of(struct call *call, const struct create_endpoint *request)
{
	struct network network;
	autoheld struct held held = HELD_NONE;

	if (hold(call, request->endpoint, &held) < 0)
		return NULL;
	if (held.endpoint.dir < 0 && (network_read(call->tree, request->network, &network, &call->why) < 0 ||
				      endpoint_create(call->tree, &network, request, &held.endpoint, &call->why) < 0))
		return NULL;
	return endpoint_answer(request, &held.endpoint);
}

static char *create_endpoint(struct call *call)
{
	struct create_endpoint request;

	if (create_endpoint_parse(&request, call->body, call->len, &call->why) < 0)
		return NULL;
	char *answer = create_endpoint_of(call, &request);
	create_endpoint_free(&request);
	return answer;
}

static char *delete_endpoint(struct call *call)
{
	struct endpoint_call request;
	autoheld struct held held = HELD_NONE;

	if (endpoint_call_parse(&request, call->body, call->len, &call->why) < 0 || hold(call, request.endpoint, &held) < 0 ||
	    endpoint_remove(call->tree, &held.endpoint, &call->why) < 0)
		return NULL;
	return reply_empty();
}

static char *leave(struct call *call)
{
	struct endpoint_call request;
	autoheld struct held held = HELD_NONE;

	if (endpoint_call_parse(&request, call->body, call->len, &call->why) < 0 || hold(call, request.endpoint, &held) < 0 ||
	    endpoint_stop(call->tree, &held.endpoint, &call->why) < 0)
		return NULL;
	return reply_empty();
}

/* The part of Join that changes something, under the lock. */
static int join_up(struct call *call, const struct join *request, const struct network *network, struct endpoint *endpoint,
		   char peer[LINK_NAME])
{
	autonetlink struct nl_sock *nl = netlink_open();

	if (!nl)
		return why_sys(&call->why, "cannot open a netlink socket");
	if (endpoint->dir < 0) {
		errno = ENOENT;
		return why_set(&call->why, "endpoint %.12s is not known: no CreateEndpoint came for it", request->endpoint);
	}
	if (endpoint_sandbox_claim(call->tree, endpoint, request->sandbox_key, &call->why) < 0 ||
	    endpoint_plug(call->tree, network, endpoint, nl, peer, &call->why) < 0)
		return -1;
	if (fact_set(endpoint->dir, "NETNS", request->sandbox_key) < 0 || state_set(endpoint->dir, STATE_STARTING, NULL) < 0)
		return why_sys(&call->why, "cannot write the facts of endpoint %s", endpoint->key);
	return endpoint_start(call->tree, endpoint, &call->why);
}

/*
 * A port map makes Docker attach docker_gwbridge, with the default route, and publish the ports there itself: it does so for a
 * container none of whose networks has a gateway.
 */
static char *join_answer(const struct join *request, const struct endpoint *endpoint, const char *peer)
{
	char gateway[FACT_MAX], gateway6[FACT_MAX];
	struct join_reply reply = { .src_name = peer };

	if ((fact_get(endpoint->dir, "GATEWAY", gateway) < 0 || fact_get(endpoint->dir, "GATEWAY6", gateway6) < 0) && errno != ENOENT)
		return NULL;
	if (!request->has_portmap) {
		reply.gateway = gateway;
		reply.gateway6 = gateway6;
	}
	return reply_join(&reply);
}

static char *join(struct call *call)
{
	struct join request;
	struct network network;
	char peer[LINK_NAME], *answer;
	autoheld struct held held = HELD_NONE;

	note_docker_root(call->tree);
	if (join_parse(&request, call->body, call->len, &call->why) < 0 || hold(call, request.endpoint, &held) < 0 ||
	    network_read(call->tree, request.network, &network, &call->why) < 0 ||
	    join_up(call, &request, &network, &held.endpoint, peer) < 0)
		return NULL;
	answer = join_answer(&request, &held.endpoint, peer);
	cleanup_fd(&held.lock);
	held.lock = -1;
	if (answer && gate_wait(call->tree, &network, &held.endpoint, &call->why) < 0) {
		free(answer);
		return NULL;
	}
	return answer;
}

static char *oper_info(struct call *call)
{
	static const char *const shown[][2] = { { "state", "state" }, { "tailscale_ip", "ip" }, { "hostname", "hostname" } };
	struct endpoint_call request;
	struct endpoint endpoint;
	struct pairs info = { 0 };
	char text[FACT_MAX];

	if (endpoint_call_parse(&request, call->body, call->len, &call->why) < 0 ||
	    endpoint_open(call->tree, request.endpoint, &endpoint, &call->why) < 0)
		return NULL;
	for (size_t i = 0; endpoint.dir >= 0 && i < sizeof shown / sizeof shown[0]; i++)
		if (note_get(endpoint.dir, shown[i][1], text) == 0 && pairs_add(&info, shown[i][0], text) < 0)
			break;
	endpoint_close(&endpoint);
	char *answer = reply_oper_info(&info);
	pairs_free(&info);
	return answer;
}

/* Program- and RevokeExternalConnectivity: ports are Docker's own here. */
static char *external_connectivity(struct call *call)
{
	struct endpoint_call request;

	return endpoint_call_parse(&request, call->body, call->len, &call->why) < 0 ? NULL : reply_empty();
}

static char *(*const handlers[])(struct call *) = {
	[METHOD_ACTIVATE] = activate,
	[METHOD_GET_CAPABILITIES] = get_capabilities,
	[METHOD_GW_ALLOC_CHECK] = nothing,
	[METHOD_CREATE_NETWORK] = create_network,
	[METHOD_DELETE_NETWORK] = delete_network,
	[METHOD_ALLOCATE_NETWORK] = nothing,
	[METHOD_FREE_NETWORK] = nothing,
	[METHOD_CREATE_ENDPOINT] = create_endpoint,
	[METHOD_DELETE_ENDPOINT] = delete_endpoint,
	[METHOD_ENDPOINT_OPER_INFO] = oper_info,
	[METHOD_JOIN] = join,
	[METHOD_LEAVE] = leave,
	[METHOD_PROGRAM_EXTERNAL_CONNECTIVITY] = external_connectivity,
	[METHOD_REVOKE_EXTERNAL_CONNECTIVITY] = external_connectivity,
	[METHOD_DISCOVER_NEW] = nothing,
	[METHOD_DISCOVER_DELETE] = nothing,
};

/* ---- one request */

static void answer(int status, char *text)
{
	autofree char *body = text;

	if (!body)
		die_sys(EXIT_TEMPORARY, "cannot make an answer");
	if (http_respond(STDOUT_FILENO, status, body, deadline_in(WRITE_MS)) < 0)
		die_sys(EXIT_TEMPORARY, "cannot write the answer");
}

/* A driver's error comes with 200, and Docker shows its text; one of the request itself with the status that fits. */
static void dispatch(const struct tree *tree, const struct http_request *request)
{
	const struct method_info *method = method_find(request->path);
	struct call call = { .tree = tree, .body = request->body, .len = request->body_len };

	if (!method) {
		why_set(&call.why, "%s is no method of a network driver", request->path);
		answer(404, reply_error(call.why.text));
		return;
	}
	if (!strcmp(request->method, "GET") && !method->get) {
		why_set(&call.why, "%s is to be called by POST", request->path);
		answer(405, reply_error(call.why.text));
		return;
	}
	if (method->body && !request->body_len) {
		why_set(&call.why, "%s came without a body", request->path);
		answer(400, reply_error(call.why.text));
		return;
	}
	int64_t begin = now_ms();
	char *text = handlers[method->method](&call);
	int64_t took = now_ms() - begin;
	if (text) {
		answer(200, text);
		return;
	}
	int status = errno == EBADMSG ? 400 : errno == ENOMEM ? 500 : 200;
	if (!call.why.text[0])
		why_sys(&call.why, "%s failed", request->path);
	warning("%s: %s (after %lld ms)", request->path, call.why.text, (long long)took);
	answer(status, reply_error(call.why.text));
}

int main(int argc, char **argv)
{
	const char *rundir = TREE_DEFAULT;
	struct http_request request;
	struct tree tree;

	for (int c; (c = getopt(argc, argv, "r:")) != -1;) {
		if (c != 'r')
			die(EXIT_PERMANENT, "usage: tslink-driver [-r rundir]");
		rundir = optarg;
	}
	umask(077);
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		die_sys(EXIT_TEMPORARY, "cannot ignore SIGPIPE");
	switch (http_read(STDIN_FILENO, deadline_in(READ_MS), &request)) {
	case HTTP_CLOSED:
		break;
	case HTTP_REFUSED:
		warning("refused a request: %s", request.why.text);
		answer(request.status, reply_error(request.why.text));
		http_linger(STDIN_FILENO, deadline_in(LINGER_MS));
		break;
	default:
		tree_need(&tree, rundir);
		dispatch(&tree, &request);
	}
	http_request_free(&request);
	return 0;
}
