/* SPDX-License-Identifier: ISC */
#include "network.h"

#include "key.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/lock.h"
#include "lib/base/text.h"
#include "lib/net/bridge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT "1"
#define DEFAULT_LOGIN_SERVER "https://controlplane.tailscale.com"
#define MTU_SMALL 1360 /* WireGuard's 80 bytes around a tunnel of 1280 */

static int record_path(char path[PATH_MAX], const char *id, const char *name)
{
	return text_format(path, PATH_MAX, "network/%s%s%s", id, name ? "/" : "", name ? name : "");
}

/* ---- checking a new one */

static bool null_ipam(const struct create_network *request)
{
	return request->ipv4_count > 0 && !strcmp(request->ipv4[0].address_space, "null");
}

static int add_gateways(const struct tree *tree, struct network *network, const struct ipam_data *data, size_t count,
			struct why *why)
{
	for (size_t i = 0; i < count; i++) {
		if (subnet_overlaps(&tree->uplinks, data[i].pool)) {
			char base[SUBNET_TEXT];
			errno = EINVAL;
			return why_set(why, "the subnet %s overlaps %s/%d, which tslink takes its uplinks from: choose another --subnet, or "
				       "set TSLINK_SUBNET", data[i].pool, subnet_text(tree->uplinks.base, base), tree->uplinks.bits);
		}
		if (!data[i].gateway[0])
			continue;
		if (network->gateway_count == NETWORK_GATEWAYS) {
			errno = EINVAL;
			return why_set(why, "more than %d subnets on one network", NETWORK_GATEWAYS);
		}
		strcpy(network->gateway[network->gateway_count++], data[i].gateway);
	}
	return 0;
}

static int check_key(const struct tree *tree, const struct network *network, struct why *why)
{
	char path[PATH_MAX];

	if (network->options.authkey[0] || network_key_path(tree, network, path, why) == 0)
		return 0;
	if (errno != ENOENT || network->options.authkey_file[0])
		return -1;
	errno = EINVAL;
	return why_set(why, "no auth key: give one by --opt tslink.authkey=<key>, by --opt tslink.authkey-file=<name of a file in %s>, or "
		       "for all networks by TS_AUTHKEY in tslink's configuration", tree->keys);
}

/* ---- writing and reading */

struct writer {
	int dir;
	struct why *why;
};

static int put(const struct writer *w, const char *name, const char *value)
{
	if (!*value || file_publish_line(w->dir, name, value, 0600, DURABLE) == 0)
		return 0;
	return why_sys(w->why, "cannot write %s of the network's record", name);
}

static int put_number(const struct writer *w, const char *name, bool given, int value)
{
	char text[16];

	if (!given)
		return 0;
	text_format(text, sizeof text, "%d", value);
	return put(w, name, text);
}

static int write_record(const struct writer *w, const struct network *network)
{
	const struct network_options *o = &network->options;
	char gateways[NETWORK_GATEWAYS * CIDR_SIZE] = "";

	for (size_t i = 0; i < network->gateway_count; i++) {
		strcat(gateways, i ? "\n" : "");
		strcat(gateways, network->gateway[i]);
	}
	if (put(w, "authkey", o->authkey) < 0 || put(w, "authkey-file", o->authkey_file) < 0 ||
	    put(w, "login-server", o->login_server) < 0 || put_number(w, "wait", o->wait_given, o->wait) < 0 ||
	    put_number(w, "require", o->require_given, o->require) < 0 || put_number(w, "mtu", o->mtu, o->mtu) < 0 ||
	    put(w, "internal", network->internal ? "true" : "") < 0 || put(w, "ipam", network->null_ipam ? "null" : "") < 0 ||
	    put(w, "gateways", gateways) < 0)
		return -1;
	return put(w, "format", FORMAT);
}

/* The record is built in .<id>, which is nobody's while the engine creates each network once, and takes the place of an older one. */
static int place_record(const struct tree *tree, const struct network *network, struct why *why)
{
	char aside[PATH_MAX], path[PATH_MAX];
	autofd int dir = -1;

	if (text_format(aside, sizeof aside, "network/.%s", network->id) < 0 || record_path(path, network->id, NULL) < 0)
		return why_sys(why, "network %s", network->id);
	if (dir_make(tree->data_dir, "network", 0700) < 0 || tree_remove(tree->data_dir, aside) < 0 ||
	    dir_make(tree->data_dir, aside, 0700) < 0 ||
	    (dir = openat(tree->data_dir, aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return why_sys(why, "cannot make %s/%s", tree->data, aside);
	if (write_record(&(struct writer){ dir, why }, network) < 0)
		return -1;
	if (tree_remove(tree->data_dir, path) < 0 || renameat(tree->data_dir, aside, tree->data_dir, path) < 0 ||
	    dir_sync(tree->data_dir, "network") < 0)
		return why_sys(why, "cannot place %s/%s", tree->data, path);
	return 0;
}

int network_create(const struct tree *tree, const struct create_network *request, struct network *network, struct why *why)
{
	*network = (struct network){ .internal = request->internal, .null_ipam = null_ipam(request) };
	strcpy(network->id, request->network);
	if (network_options_parse(&network->options, &request->options, why) < 0)
		return -1;
	network->own_key = network->options.authkey[0];
	if (!network->null_ipam &&
	    (add_gateways(tree, network, request->ipv4, request->ipv4_count, why) < 0 ||
	     add_gateways(tree, network, request->ipv6, request->ipv6_count, why) < 0))
		return -1;
	if (check_key(tree, network, why) < 0)
		return -1;
	int r = place_record(tree, network, why);
	explicit_bzero(network->options.authkey, sizeof network->options.authkey);
	return r;
}

static int get(const struct tree *tree, const char *id, const char *name, char *buf, size_t size)
{
	char path[PATH_MAX];

	buf[0] = 0;
	if (record_path(path, id, name) < 0)
		return -1;
	if (file_read(tree->data_dir, path, buf, size) >= 0)
		return 0;
	buf[0] = 0;
	return errno == ENOENT ? 0 : -1;
}

/* An absent number stays as it is. */
static int get_number(const struct tree *tree, const char *id, const char *name, int *value, bool *given)
{
	char text[32];
	long n;

	if (get(tree, id, name, text, sizeof text) < 0)
		return -1;
	if (!*text)
		return 0;
	if (text_number(text, 0, MTU_MAX, &n) < 0)
		return -1;
	*value = (int)n;
	*given = true;
	return 0;
}

static int read_fields(const struct tree *tree, struct network *n)
{
	struct network_options *o = &n->options;
	char text[NETWORK_GATEWAYS * CIDR_SIZE], path[PATH_MAX];
	bool mtu_given = false;
	int require = 0;

	if (get(tree, n->id, "authkey-file", o->authkey_file, sizeof o->authkey_file) < 0 ||
	    get(tree, n->id, "login-server", o->login_server, sizeof o->login_server) < 0 ||
	    get_number(tree, n->id, "wait", &o->wait, &o->wait_given) < 0 ||
	    get_number(tree, n->id, "require", &require, &o->require_given) < 0 ||
	    get_number(tree, n->id, "mtu", &o->mtu, &mtu_given) < 0 || get(tree, n->id, "internal", text, sizeof text) < 0)
		return -1;
	o->require = require;
	n->internal = *text;
	if (get(tree, n->id, "ipam", text, sizeof text) < 0)
		return -1;
	n->null_ipam = !strcmp(text, "null");
	if (get(tree, n->id, "gateways", text, sizeof text) < 0)
		return -1;
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line && n->gateway_count < NETWORK_GATEWAYS;
	     line = strtok_r(NULL, "\n", &save))
		if (text_format(n->gateway[n->gateway_count++], CIDR_SIZE, "%s", line) < 0)
			return -1;
	if (record_path(path, n->id, "authkey") < 0)
		return -1;
	n->own_key = faccessat(tree->data_dir, path, F_OK, 0) == 0;
	return 0;
}

int network_read(const struct tree *tree, const char *id, struct network *network, struct why *why)
{
	char format[16];

	*network = (struct network){ .own_key = false };
	network_options_init(&network->options);
	if (text_format(network->id, sizeof network->id, "%s", id) < 0)
		return why_sys(why, "network %.80s", id);
	if (get(tree, id, "format", format, sizeof format) < 0)
		return why_sys(why, "cannot read %s/network/%s", tree->data, id);
	if (!*format) {
		errno = ENOENT;
		return why_set(why, "network %.12s is not known here: %s/network holds no record of it. Remove and create it again", id,
			       tree->data);
	}
	if (strcmp(format, FORMAT) != 0) {
		errno = EINVAL;
		return why_set(why, "%s/network/%s has format %s, and this program knows " FORMAT, tree->data, id, format);
	}
	if (read_fields(tree, network) < 0)
		return why_sys(why, "cannot read %s/network/%s", tree->data, id);
	return 0;
}

static int lock_path(char path[PATH_MAX], const char *id)
{
	return text_format(path, PATH_MAX, "lock/network-%s", id);
}

int network_lock(const struct tree *tree, const char *id, int64_t deadline, struct why *why)
{
	char path[PATH_MAX];

	if (lock_path(path, id) < 0)
		return why_sys(why, "network %s", id);
	int fd = lock_take(tree->dir, path, deadline);
	if (fd < 0)
		why_sys(why, "cannot lock %s/%s", tree->path, path);
	return fd;
}

void network_unlock_gone(const struct tree *tree, const char *id, int lock)
{
	char path[PATH_MAX];

	if (lock_path(path, id) < 0 || (lock_discard(tree->dir, path, lock) < 0 && errno != ENOENT))
		warning_sys("cannot remove the lock of network %.12s", id);
	close(lock);
}

int network_remove(const struct tree *tree, const char *id, struct why *why)
{
	char path[PATH_MAX];

	if (text_format(path, sizeof path, "gate/%s", id) < 0)
		return why_sys(why, "network %s", id);
	if (unlinkat(tree->dir, path, 0) < 0 && errno != ENOENT)
		return why_sys(why, "cannot remove %s/%s", tree->path, path);
	if (record_path(path, id, NULL) < 0 || tree_remove(tree->data_dir, path) < 0)
		return why_sys(why, "cannot remove %s/network/%s", tree->data, id);
	return 0;
}

/* ---- what follows from it */

void network_bridge(const struct tree *tree, const struct network *network, char name[LINK_NAME])
{
	/* A swarm's ID is not hexadecimal: it is hashed into digits. */
	char digits[16];

	text_format(digits, sizeof digits, "%08x", text_hash(network->id));
	if (link_bridge_name(name, tree->prefix, network->internal, network->id) < 0 &&
	    link_bridge_name(name, tree->prefix, network->internal, digits) < 0)
		name[0] = 0;
}

unsigned network_mtu(const struct network *network, struct nl_sock *nl)
{
	return network->options.mtu ? (unsigned)network->options.mtu : link_default_mtu(nl);
}

bool network_mtu_small(unsigned mtu)
{
	return mtu < MTU_SMALL;
}

int network_bridge_ensure(const struct tree *tree, const struct network *network, struct nl_sock *nl, struct why *why)
{
	char name[LINK_NAME];
	const char *addresses[NETWORK_GATEWAYS + 1] = { NULL };

	if (network->null_ipam)
		return tree_ruleset_need(tree, why);
	network_bridge(tree, network, name);
	bool is_new = link_index(nl, name) == 0;
	for (size_t i = 0; i < network->gateway_count; i++)
		addresses[i] = network->gateway[i];
	/* The table stands before the first interface; and again after a new bridge, which it enumerates. */
	if (tree_ruleset_need(tree, why) < 0)
		return -1;
	struct bridge bridge = { .name = name, .mtu = network_mtu(network, nl), .addresses = addresses, .uplinks = &tree->uplinks };
	if (bridge_ensure(nl, &bridge, why) < 0)
		return -1;
	return is_new ? tree_ruleset_apply(tree, why) : 0;
}

static bool same_subnet(const char *gateway, const char *address)
{
	char g[CIDR_SIZE], a[CIDR_SIZE];
	unsigned char gb[16], ab[16];
	int family = strchr(address, ':') ? AF_INET6 : AF_INET;
	long bits;

	strcpy(g, gateway);
	strcpy(a, address);
	char *slash = strchr(g, '/');
	a[strcspn(a, "/")] = 0;
	if (!slash || text_number(slash + 1, 0, 128, &bits) < 0)
		return false;
	*slash = 0;
	if (inet_pton(family, g, gb) != 1 || inet_pton(family, a, ab) != 1)
		return false;
	for (long bit = 0; bit < bits; bit++)
		if ((gb[bit / 8] ^ ab[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}

void network_gateway(const struct network *network, const char *address, char gateway[CIDR_SIZE])
{
	gateway[0] = 0;
	for (size_t i = 0; *address && i < network->gateway_count; i++)
		if (same_subnet(network->gateway[i], address)) {
			strcpy(gateway, network->gateway[i]);
			gateway[strcspn(gateway, "/")] = 0;
			return;
		}
}

int network_key_path(const struct tree *tree, const struct network *network, char path[PATH_MAX], struct why *why)
{
	if (network->own_key)
		return text_format(path, PATH_MAX, "%s/network/%s/authkey", tree->data, network->id);
	if (network->options.authkey_file[0])
		return key_file_check(tree->keys, network->options.authkey_file, path, why);
	if (text_format(path, PATH_MAX, "%s/env/TS_AUTHKEY", tree->path) < 0)
		return -1;
	if (access(path, F_OK) < 0)
		return why_sys(why, "no auth key: neither the network nor TS_AUTHKEY gives one");
	return 0;
}

void network_login_server(const struct tree *tree, const struct network *network, char url[LOGIN_SERVER_MAX + 1])
{
	char setting[FACT_MAX];

	if (network->options.login_server[0])
		strcpy(url, network->options.login_server);
	else if (tree_setting(tree, "TS_LOGIN_SERVER", setting) < 0 || text_format(url, LOGIN_SERVER_MAX + 1, "%s", setting) < 0)
		strcpy(url, DEFAULT_LOGIN_SERVER);
}

static int gate_path(char path[PATH_MAX], const char *id)
{
	return text_format(path, PATH_MAX, "gate/%s", id);
}

bool network_gate_expired(const struct tree *tree, const char *id)
{
	char path[PATH_MAX];

	return gate_path(path, id) == 0 && faccessat(tree->dir, path, F_OK, 0) == 0;
}

int network_gate_expire(const struct tree *tree, const char *id)
{
	char path[PATH_MAX];

	return gate_path(path, id) < 0 ? -1 : file_publish(tree->dir, path, "", 0, 0644, VOLATILE);
}
