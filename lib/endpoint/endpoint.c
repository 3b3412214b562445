/* SPDX-License-Identifier: ISC */
#include "endpoint.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/lock.h"
#include "lib/base/text.h"
#include "lib/net/netlink.h"
#include "lib/net/netns.h"
#include "lib/net/port.h"
#include "lib/net/uplink.h"
#include "service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_MS 30000
#define STOP_MS 7000 /* timeout-kill and timeout-finish of the skeleton, and a margin; all of Leave stays under 8 s */

static int check_id(const char *id, struct why *why)
{
	if (text_is_hex(id, ID_LEN) || text_is_hex(id, ENDPOINT_KEY))
		return 0;
	errno = EINVAL;
	return why_set(why, "%.80s is no endpoint: its first %d hexadecimal digits are due, or all %d", id, ENDPOINT_KEY, ID_LEN);
}

int endpoint_lock(const struct tree *tree, const char *id, struct why *why)
{
	char path[PATH_MAX];

	if (check_id(id, why) < 0)
		return -1;
	if (text_format(path, sizeof path, "lock/%.*s", ENDPOINT_KEY, id) < 0)
		return why_sys(why, "endpoint %s", id);
	int fd = lock_take(tree->dir, path, deadline_in(LOCK_MS));
	if (fd < 0)
		why_sys(why, "cannot lock %s/%s", tree->path, path);
	return fd;
}

int endpoint_open(const struct tree *tree, const char *id, struct endpoint *endpoint, struct why *why)
{
	char full[FACT_MAX];

	*endpoint = (struct endpoint){ .dir = -1 };
	if (check_id(id, why) < 0)
		return -1;
	memcpy(endpoint->key, id, ENDPOINT_KEY);
	if (strlen(id) == ID_LEN)
		strcpy(endpoint->id, id);
	if (text_format(endpoint->path, sizeof endpoint->path, "endpoint/%s", endpoint->key) < 0)
		return why_sys(why, "endpoint %s", id);
	endpoint->dir = openat(tree->dir, endpoint->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (endpoint->dir < 0)
		return errno == ENOENT ? 0 : why_sys(why, "cannot open %s/%s", tree->path, endpoint->path);
	if (fact_get(endpoint->dir, "ENDPOINT", full) < 0) {
		why_sys(why, "cannot read %s/%s/env/ENDPOINT", tree->path, endpoint->path);
		endpoint_close(endpoint);
		return -1;
	}
	if (!text_is_hex(full, ID_LEN) || strncmp(full, endpoint->key, ENDPOINT_KEY) != 0) {
		endpoint_close(endpoint);
		errno = EINVAL;
		return why_set(why, "%s/%s/env/ENDPOINT is no ID that begins with %s", tree->path, endpoint->path, endpoint->key);
	}
	if (endpoint->id[0] && strcmp(endpoint->id, full) != 0) {
		endpoint_close(endpoint);
		errno = EEXIST;
		return why_set(why, "endpoint %s begins like %.64s, which is there", id, full);
	}
	memcpy(endpoint->id, full, ID_SIZE);
	return 0;
}

void endpoint_close(struct endpoint *endpoint)
{
	cleanup_fd(&endpoint->dir);
	endpoint->dir = -1;
}

/* ---- claims of /30s: what a claim's link holds is a file of the endpoint, so that it tells something when it is read */

static int claim_target(char target[PATH_MAX], const struct endpoint *endpoint, const char *fact)
{
	return text_format(target, PATH_MAX, "../endpoint/%s/env/%s", endpoint->key, fact);
}

static int subnet_dir(const struct tree *tree, struct why *why)
{
	int dir = openat(tree->dir, "subnet", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		why_sys(why, "cannot open %s/subnet", tree->path);
	return dir;
}

/* The search for a free one begins where `key` says. */
static int64_t claim(const struct tree *tree, const struct endpoint *endpoint, const char *fact, const char *key, struct nl_sock *nl,
		     struct why *why)
{
	char target[PATH_MAX];
	autofd int dir = subnet_dir(tree, why);

	if (dir < 0 || claim_target(target, endpoint, fact) < 0)
		return -1;
	return subnet_claim(dir, &tree->uplinks, key, target, nl, tree->prefix, why);
}

static int release(const struct tree *tree, const struct endpoint *endpoint, const char *fact, int64_t slot, struct why *why)
{
	char target[PATH_MAX];

	if (slot < 0)
		return 0;
	autofd int dir = subnet_dir(tree, why);
	if (dir < 0 || claim_target(target, endpoint, fact) < 0)
		return -1;
	if (subnet_release(dir, &tree->uplinks, (uint32_t)slot, target) < 0)
		return why_sys(why, "cannot give a /30 of endpoint %s back", endpoint->key);
	return 0;
}

static int64_t slot_fact(const struct endpoint *endpoint, const char *name)
{
	char text[FACT_MAX];
	long slot;

	if (endpoint->dir < 0 || fact_get(endpoint->dir, name, text) < 0 || text_number(text, 0, INT32_MAX, &slot) < 0)
		return -1;
	return slot;
}

int64_t endpoint_slot(const struct endpoint *endpoint)
{
	return slot_fact(endpoint, "SLOT");
}

int64_t endpoint_point(const struct endpoint *endpoint)
{
	return slot_fact(endpoint, "POINT");
}

/* ---- making one */

struct builder {
	const struct tree *tree;
	const struct network *network;
	const struct create_endpoint *request;
	struct endpoint *endpoint;
	int64_t slot, point;
	int dir; /* the service directory while it is nobody's yet */
	struct why *why;
};

static int fact(const struct builder *b, const char *name, const char *value)
{
	if (fact_set(b->dir, name, value) == 0)
		return 0;
	return why_sys(b->why, "cannot write env/%s of endpoint %s", name, b->endpoint->key);
}

static int fact_number(const struct builder *b, const char *name, int64_t value)
{
	char text[24];

	text_format(text, sizeof text, "%lld", (long long)value);
	return fact(b, name, text);
}

/* The MAC address of eth<n>: as asked, or Docker's own way to make one of the IPv4 address. */
static void mac_of(const char *address, char mac[MAC_SIZE])
{
	char plain[CIDR_SIZE];
	struct in_addr in;

	strcpy(plain, address);
	plain[strcspn(plain, "/")] = 0;
	if (inet_pton(AF_INET, plain, &in) == 1)
		link_mac(ntohl(in.s_addr), mac);
	else
		mac[0] = 0;
}

/* With null IPAM the address is ours to give: the container's of a second /30, whose host end is its gateway. */
static int address_facts(const struct builder *b)
{
	const struct subnet *range = &b->tree->uplinks;
	char address[CIDR_SIZE], gateway[CIDR_SIZE], plain[SUBNET_TEXT], mac[MAC_SIZE];

	strcpy(address, b->request->address);
	network_gateway(b->network, address, gateway);
	if (b->point >= 0) {
		text_format(address, sizeof address, "%s/30", subnet_text(subnet_container(range, (uint32_t)b->point), plain));
		strcpy(gateway, subnet_text(subnet_host(range, (uint32_t)b->point), plain));
	}
	if (b->request->mac[0])
		strcpy(mac, b->request->mac);
	else
		mac_of(address, mac);
	if (b->network->internal)
		gateway[0] = 0;
	if (fact(b, "ADDRESS", address) < 0 || fact(b, "ADDRESS6", b->request->address6) < 0 || fact(b, "GATEWAY", gateway) < 0 ||
	    fact(b, "MAC", mac) < 0)
		return -1;
	network_gateway(b->network, b->request->address6, gateway);
	return fact(b, "GATEWAY6", b->network->internal ? "" : gateway);
}

/* The driver-opts of the endpoint: a bad one is the user's own, and an error here. */
static int asked_facts(const struct builder *b)
{
	struct label_options asked;

	label_options_init(&asked);
	for (size_t i = 0; i < b->request->driver_opts.count; i++) {
		const struct pair *opt = &b->request->driver_opts.list[i];
		if (label_option_set(&asked, "driver-opt", opt->name, opt->value, b->why) < 0)
			return -1;
	}
	if (fact(b, "ASKED_HOSTNAME", asked.hostname) < 0 || (asked.wait >= 0 && fact_number(b, "ASKED_WAIT", asked.wait) < 0) ||
	    (asked.require >= 0 && fact_number(b, "ASKED_REQUIRE", asked.require) < 0))
		return -1;
	return 0;
}

static int all_facts(const struct builder *b, unsigned mtu)
{
	char uplink[SUBNET_TEXT];

	if (fact(b, "ENDPOINT", b->endpoint->id) < 0 || fact(b, "NETWORK", b->network->id) < 0 || fact_number(b, "SLOT", b->slot) < 0 ||
	    fact(b, "UPLINK", subnet_text(subnet_container(&b->tree->uplinks, (uint32_t)b->slot), uplink)) < 0 ||
	    (b->point >= 0 && fact_number(b, "POINT", b->point) < 0) || fact_number(b, "MTU", mtu) < 0)
		return -1;
	return address_facts(b) < 0 ? -1 : asked_facts(b);
}

static int build(struct builder *b, unsigned mtu)
{
	char aside[PATH_MAX];
	const struct tree *tree = b->tree;

	if (text_format(aside, sizeof aside, "endpoint/.%s", b->endpoint->key) < 0)
		return why_sys(b->why, "endpoint %s", b->endpoint->key);
	if (tree_remove(tree->dir, aside) < 0)
		return why_sys(b->why, "cannot remove the leftover %s/%s", tree->path, aside);
	if (service_lay_from(tree->dir, aside, tree->skeleton, b->why) < 0)
		return -1;
	autofd int dir = openat(tree->dir, aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || dir_make(dir, "env", 0700) < 0 || dir_make(dir, "data", 0755) < 0 || dir_make(dir, "etc", 0755) < 0)
		return why_sys(b->why, "cannot make %s/%s", tree->path, aside);
	b->dir = dir;
	if (all_facts(b, mtu) < 0)
		return -1;
	if (renameat(tree->dir, aside, tree->dir, b->endpoint->path) < 0)
		return why_sys(b->why, "cannot place %s/%s", tree->path, b->endpoint->path);
	b->endpoint->dir = dir;
	dir = -1;
	return 0;
}

int endpoint_create(const struct tree *tree, const struct network *network, const struct create_endpoint *request,
		    struct endpoint *endpoint, struct why *why)
{
	struct builder b = { .tree = tree, .network = network, .request = request, .endpoint = endpoint, .slot = -1, .point = -1,
			     .dir = -1, .why = why };
	autonetlink struct nl_sock *nl = netlink_open();

	if (!nl)
		return why_sys(why, "cannot open a netlink socket");
	/*
	 * A container that comes back mostly gets its address from Docker again, and so its uplink has the same one, too: to another, the
	 * nodes of this host that it had just talked to would answer into the void for five seconds. The network's ID keeps hosts apart:
	 * nodes tell each other these addresses.
	 */
	char key[2 * ID_SIZE + CIDR_SIZE];
	text_format(key, sizeof key, "%s %s", network->id, *request->address ? request->address : endpoint->id);
	b.slot = claim(tree, endpoint, "UPLINK", key, nl, why);
	if (b.slot >= 0 && network->null_ipam)
		b.point = claim(tree, endpoint, "ADDRESS", endpoint->id, nl, why);
	if (b.slot >= 0 && (!network->null_ipam || b.point >= 0) && build(&b, network_mtu(network, nl)) == 0)
		return 0;
	int saved = errno;
	struct why more;
	char aside[PATH_MAX];
	if (text_format(aside, sizeof aside, "endpoint/.%s", endpoint->key) < 0 || tree_remove(tree->dir, aside) < 0)
		warning_sys("cannot remove the half-made endpoint %s", endpoint->key);
	if (release(tree, endpoint, "UPLINK", b.slot, &more) < 0 || release(tree, endpoint, "ADDRESS", b.point, &more) < 0)
		warning("%s", more.text);
	errno = saved;
	return -1;
}

/* ---- interfaces */

int endpoint_plug(const struct tree *tree, const struct network *network, const struct endpoint *endpoint, struct nl_sock *nl,
		  char peer[LINK_NAME], struct why *why)
{
	char bridge[LINK_NAME], mac[FACT_MAX];
	int64_t slot = endpoint_slot(endpoint), point = endpoint_point(endpoint);

	if (slot < 0)
		return why_sys(why, "cannot read env/SLOT of endpoint %s", endpoint->key);
	if (fact_get(endpoint->dir, "MAC", mac) < 0 && errno != ENOENT)
		return why_sys(why, "cannot read env/MAC of endpoint %s", endpoint->key);
	if (network_bridge_ensure(tree, network, nl, why) < 0)
		return -1;
	struct port port = { .prefix = tree->prefix, .slot = (uint32_t)(point < 0 ? slot : point), .mtu = network_mtu(network, nl),
			     .mac = *mac ? mac : NULL };
	if (point >= 0)
		return port_make_point(nl, &port, &tree->uplinks, network->internal, peer, why);
	network_bridge(tree, network, bridge);
	return port_make(nl, &port, bridge, peer, why);
}

static int unplug(const struct tree *tree, int64_t slot, int64_t point, struct nl_sock *nl, struct why *why)
{
	if (slot >= 0 && port_remove(nl, tree->prefix, (uint32_t)slot, why) < 0)
		return -1;
	return point >= 0 ? port_remove(nl, tree->prefix, (uint32_t)point, why) : 0;
}

/* ---- the sandbox: sandbox/<its twelve digits> -> ../endpoint/<key> */

static int sandbox_path(char path[PATH_MAX], const char *sandbox_key)
{
	const char *slash = strrchr(sandbox_key, '/');

	return text_format(path, PATH_MAX, "sandbox/%s", slash ? slash + 1 : sandbox_key);
}

int endpoint_sandbox_claim(const struct tree *tree, const struct endpoint *endpoint, const char *sandbox_key, struct why *why)
{
	char path[PATH_MAX], target[PATH_MAX], holder[PATH_MAX], held[PATH_MAX];

	if (sandbox_path(path, sandbox_key) < 0 || text_format(target, sizeof target, "../%s", endpoint->path) < 0)
		return why_sys(why, "sandbox %s", sandbox_key);
	while (symlinkat(target, tree->dir, path) < 0) {
		if (errno != EEXIST)
			return why_sys(why, "cannot claim %s/%s", tree->path, path);
		ssize_t n = readlinkat(tree->dir, path, holder, sizeof holder - 1);
		if (n < 0 && errno == ENOENT)
			continue;
		if (n < 0)
			return why_sys(why, "cannot read %s/%s", tree->path, path);
		holder[n] = 0;
		if (!strcmp(holder, target))
			return 0;
		/* A claim whose endpoint is gone is a leftover. */
		const char *base = strrchr(holder, '/');
		if (base && text_format(held, sizeof held, "endpoint%s", base) == 0 && faccessat(tree->dir, held, F_OK, 0) == 0) {
			errno = EBUSY;
			return why_set(why, "a container can be on one tslink network only: endpoint %s of this container is there already, and "
				       "%s would be a second one. Disconnect it from the other network first", base + 1, endpoint->key);
		}
		if (unlinkat(tree->dir, path, 0) < 0 && errno != ENOENT)
			return why_sys(why, "cannot remove the leftover %s/%s", tree->path, path);
	}
	return 0;
}

static int sandbox_release(const struct tree *tree, const struct endpoint *endpoint, const char *sandbox_key, struct why *why)
{
	char path[PATH_MAX], target[PATH_MAX], holder[PATH_MAX];

	if (sandbox_path(path, sandbox_key) < 0 || text_format(target, sizeof target, "../%s", endpoint->path) < 0)
		return why_sys(why, "sandbox %s", sandbox_key);
	ssize_t n = readlinkat(tree->dir, path, holder, sizeof holder - 1);
	if (n < 0)
		return errno == ENOENT ? 0 : why_sys(why, "cannot read %s/%s", tree->path, path);
	holder[n] = 0;
	if (strcmp(holder, target) != 0)
		return 0;
	if (unlinkat(tree->dir, path, 0) < 0 && errno != ENOENT)
		return why_sys(why, "cannot remove %s/%s", tree->path, path);
	return 0;
}

/* ---- up and down */

int endpoint_start(const struct tree *tree, const struct endpoint *endpoint, struct why *why)
{
	char target[PATH_MAX];

	if (endpoint->dir < 0) {
		errno = ENOENT;
		return why_set(why, "endpoint %s is not there: %s/%s", endpoint->key, tree->path, endpoint->path);
	}
	if (text_format(target, sizeof target, "../%s", endpoint->path) < 0)
		return why_sys(why, "endpoint %s", endpoint->key);
	if (note_set(endpoint->dir, "stopped", NULL) < 0)
		return why_sys(why, "cannot remove data/stopped of endpoint %s", endpoint->key);
	return service_link(tree, endpoint->key, target, why);
}

/* The uplink, out of the netns where that is still there (after `docker network disconnect`), and its host end in any case. */
static int cut_uplink(const struct tree *tree, const struct endpoint *endpoint, struct why *why)
{
	char netns_path[FACT_MAX];
	int64_t slot = endpoint_slot(endpoint);
	autonetlink struct nl_sock *nl = netlink_open();
	autofd int netns = -1;

	if (slot < 0)
		return 0;
	if (!nl)
		return why_sys(why, "cannot open a netlink socket");
	if (fact_get(endpoint->dir, "NETNS", netns_path) == 0)
		netns = netns_open(netns_path);
	struct uplink uplink = { .prefix = tree->prefix, .range = &tree->uplinks, .slot = (uint32_t)slot };
	return uplink_remove(nl, netns, &uplink, why);
}

int endpoint_stop(const struct tree *tree, const struct endpoint *endpoint, struct why *why)
{
	char sandbox_key[FACT_MAX];

	if (endpoint->dir < 0)
		return 0;
	/* First of all: from now on the watch takes it for stopped, and not for one that was missed. */
	if (note_set(endpoint->dir, "stopped", "asked for; tslink-start starts it again") < 0)
		return why_sys(why, "cannot write data/stopped of endpoint %s", endpoint->key);
	if (service_unlink(tree, endpoint->key, endpoint->path, deadline_in(STOP_MS), why) < 0 || cut_uplink(tree, endpoint, why) < 0)
		return -1;
	if (fact_get(endpoint->dir, "NETNS", sandbox_key) == 0 && sandbox_release(tree, endpoint, sandbox_key, why) < 0)
		return -1;
	if (state_set(endpoint->dir, STATE_STOPPED, NULL) < 0)
		return why_sys(why, "cannot write the state of endpoint %s", endpoint->key);
	return 0;
}

int endpoint_remove(const struct tree *tree, struct endpoint *endpoint, struct why *why)
{
	autonetlink struct nl_sock *nl = netlink_open();

	if (endpoint->dir < 0)
		return 0;
	if (!nl)
		return why_sys(why, "cannot open a netlink socket");
	int64_t slot = endpoint_slot(endpoint), point = endpoint_point(endpoint);
	if (endpoint_stop(tree, endpoint, why) < 0 || unplug(tree, slot, point, nl, why) < 0)
		return -1;
	/* Claims go last but the directory: while one stands its interfaces may be there. */
	if (release(tree, endpoint, "UPLINK", slot, why) < 0 || release(tree, endpoint, "ADDRESS", point, why) < 0)
		return -1;
	endpoint_close(endpoint);
	if (tree_remove(tree->dir, endpoint->path) < 0)
		return why_sys(why, "cannot remove %s/%s", tree->path, endpoint->path);
	return 0;
}
