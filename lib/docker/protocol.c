/* SPDX-License-Identifier: ISC */
#include "protocol.h"

#include "field.h"
#include "lib/base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GENERIC "com.docker.network.generic"
#define PORTMAP "com.docker.network.portmap"

static const struct method_info methods[] = {
	{"/Plugin.Activate", METHOD_ACTIVATE, .get = true},
	{"/NetworkDriver.GetCapabilities", METHOD_GET_CAPABILITIES, .get = true},
	{"/NetworkDriver.GwAllocCheck", METHOD_GW_ALLOC_CHECK, .body = true},
	{"/NetworkDriver.CreateNetwork", METHOD_CREATE_NETWORK, .body = true},
	{"/NetworkDriver.DeleteNetwork", METHOD_DELETE_NETWORK, .body = true},
	{"/NetworkDriver.AllocateNetwork", METHOD_ALLOCATE_NETWORK, .body = true},
	{"/NetworkDriver.FreeNetwork", METHOD_FREE_NETWORK, .body = true},
	{"/NetworkDriver.CreateEndpoint", METHOD_CREATE_ENDPOINT, .body = true},
	{"/NetworkDriver.DeleteEndpoint", METHOD_DELETE_ENDPOINT, .body = true},
	{"/NetworkDriver.EndpointOperInfo", METHOD_ENDPOINT_OPER_INFO, .body = true},
	{"/NetworkDriver.Join", METHOD_JOIN, .body = true},
	{"/NetworkDriver.Leave", METHOD_LEAVE, .body = true},
	{"/NetworkDriver.ProgramExternalConnectivity", METHOD_PROGRAM_EXTERNAL_CONNECTIVITY, .body = true},
	{"/NetworkDriver.RevokeExternalConnectivity", METHOD_REVOKE_EXTERNAL_CONNECTIVITY, .body = true},
	{"/NetworkDriver.DiscoverNew", METHOD_DISCOVER_NEW, .body = true},
	{"/NetworkDriver.DiscoverDelete", METHOD_DISCOVER_DELETE, .body = true},
};

const struct method_info *method_find(const char *path)
{
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		if (!strcmp(path, methods[i].path))
			return &methods[i];
	return NULL;
}

static int invalid(const struct fields *f, const char *name, const char *wanted, struct why *why)
{
	errno = EINVAL;
	return why_set(why, "field %s%.80s: %s expected", f->prefix, name, wanted);
}

/* Parses the body and has its fields taken over into *request. */
static int parse_with(int (*get)(void *request, const struct fields *f, struct why *why), void *request,
                      const char *body, size_t len, struct why *why)
{
	struct fields f = {fields_parse(body, len, why), ""};
	if (!f.object)
		return -1;
	int result = get(request, &f, why);
	int saved = errno;
	json_object_put(f.object);
	errno = saved;
	return result;
}

static int get_endpoint_id(const struct fields *f, char id[ID_SIZE], struct why *why)
{
	if (field_text(f, "EndpointID", id, ID_SIZE, REQUIRED, why) < 0)
		return -1;
	return text_is_hex(id, ID_LEN) ? 0 : invalid(f, "EndpointID", "64 hexadecimal digits in lower case", why);
}

static bool is_swarm_id(const char *s)
{
	return strlen(s) == 25 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789") == 25;
}

static int get_network_id(const struct fields *f, char id[ID_SIZE], struct why *why)
{
	if (field_text(f, "NetworkID", id, ID_SIZE, REQUIRED, why) < 0)
		return -1;
	if (!text_is_hex(id, ID_LEN) && !is_swarm_id(id))
		return invalid(f, "NetworkID", "64 hexadecimal digits in lower case, or a swarm's 25 characters,", why);
	return 0;
}

static int get_ids(const struct fields *f, char network[ID_SIZE], char endpoint[ID_SIZE], struct why *why)
{
	return get_network_id(f, network, why) < 0 || get_endpoint_id(f, endpoint, why) < 0 ? -1 : 0;
}

static bool is_cidr(int family, const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];
	char copy[CIDR_SIZE];
	long bits;
	const char *slash = strchr(text, '/');
	if (!slash || text_format(copy, sizeof copy, "%.*s", (int)(slash - text), text) < 0)
		return false;
	return inet_pton(family, copy, address) == 1 && strlen(slash + 1) <= 3 &&
	       text_number(slash + 1, 0, family == AF_INET ? 32 : 128, &bits) == 0;
}

/* An "address/prefix" of that family, or "". */
static int get_cidr(const struct fields *f, const char *name, int family, char buf[CIDR_SIZE], struct why *why)
{
	if (field_text(f, name, buf, CIDR_SIZE, OPTIONAL, why) < 0)
		return -1;
	if (*buf && !is_cidr(family, buf))
		return invalid(f, name, family == AF_INET ? "an IPv4 address/prefix" : "an IPv6 address/prefix", why);
	return 0;
}

/* Six pairs of digits with colons, made lower case; or "". */
static int get_mac(const struct fields *f, char buf[MAC_SIZE], struct why *why)
{
	if (field_text(f, "MacAddress", buf, MAC_SIZE, OPTIONAL, why) < 0)
		return -1;
	for (size_t i = 0; *buf && i < MAC_SIZE - 1; i++) {
		bool good = i % 3 == 2 ? buf[i] == ':' : isxdigit((unsigned char)buf[i]);
		if (!good)
			return invalid(f, "MacAddress", "six pairs of hexadecimal digits", why);
		buf[i] = (char)tolower((unsigned char)buf[i]);
	}
	return 0;
}

/* The request's Options, which may be absent. */
static int get_options(const struct fields *f, struct fields *options, struct why *why)
{
	options->prefix = "Options.";
	return field_get(f, "Options", json_type_object, OPTIONAL, &options->object, why);
}

static int get_portmap(const struct fields *options, bool *has_portmap, struct why *why)
{
	struct json_object *map;
	if (field_entry(options, PORTMAP, json_type_array, &map, why) < 0)
		return -1;
	*has_portmap = map && json_object_array_length(map) > 0;
	return 0;
}

static int get_ipam_entry(struct json_object *entry, const char *prefix, int family, struct ipam_data *data,
                          struct why *why)
{
	struct fields f = {entry, prefix};
	if (!json_object_is_type(entry, json_type_object))
		return invalid(&f, "*", "an object", why);
	if (field_text(&f, "AddressSpace", data->address_space, sizeof data->address_space, OPTIONAL, why) < 0)
		return -1;
	if (get_cidr(&f, "Pool", family, data->pool, why) < 0)
		return -1;
	return get_cidr(&f, "Gateway", family, data->gateway, why);
}

static int get_ipam(const struct fields *f, const char *name, const char *prefix, int family, struct ipam_data **list,
                    size_t *count, struct why *why)
{
	struct json_object *array;
	if (field_get(f, name, json_type_array, OPTIONAL, &array, why) < 0)
		return -1;
	size_t n = array ? json_object_array_length(array) : 0;
	if (n == 0)
		return 0;
	*list = calloc(n, sizeof **list);
	if (!*list)
		return why_set(why, "out of memory");
	*count = n;
	for (size_t i = 0; i < n; i++)
		if (get_ipam_entry(json_object_array_get_idx(array, i), prefix, family, *list + i, why) < 0)
			return -1;
	return 0;
}

static int add_pair(struct pairs *pairs, const char *name, const char *value, struct why *why)
{
	return pairs_add(pairs, name, value) < 0 ? why_set(why, "out of memory") : 0;
}

/* Everything that `docker network create --opt` said. */
static int get_generic(const struct fields *options, struct pairs *pairs, struct why *why)
{
	struct json_object *map;
	if (field_entry(options, GENERIC, json_type_object, &map, why) < 0)
		return -1;
	if (!map)
		return 0;
	json_object_object_foreach (map, key, value) {
		struct fields f = {map, "Options." GENERIC "."};
		if (!json_object_is_type(value, json_type_string))
			return invalid(&f, key, "a string", why);
		if (add_pair(pairs, key, json_object_get_string(value), why) < 0)
			return -1;
	}
	return 0;
}

static int get_create_network(void *request, const struct fields *f, struct why *why)
{
	struct create_network *r = request;
	struct fields options;
	if (get_network_id(f, r->network, why) < 0 || get_options(f, &options, why) < 0 ||
	    get_generic(&options, &r->options, why) < 0)
		return -1;
	if (field_entry_bool(&options, "com.docker.network.enable_ipv4", &r->enable_ipv4, why) < 0 ||
	    field_entry_bool(&options, "com.docker.network.enable_ipv6", &r->enable_ipv6, why) < 0 ||
	    field_entry_bool(&options, "com.docker.network.internal", &r->internal, why) < 0)
		return -1;
	if (get_ipam(f, "IPv4Data", "IPv4Data.", AF_INET, &r->ipv4, &r->ipv4_count, why) < 0)
		return -1;
	return get_ipam(f, "IPv6Data", "IPv6Data.", AF_INET6, &r->ipv6, &r->ipv6_count, why);
}

int create_network_parse(struct create_network *r, const char *body, size_t len, struct why *why)
{
	*r = (struct create_network){.enable_ipv4 = true};
	int result = parse_with(get_create_network, r, body, len, why);
	if (result < 0)
		create_network_free(r);
	return result;
}

void create_network_free(struct create_network *r)
{
	pairs_free(&r->options);
	free(r->ipv4);
	free(r->ipv6);
	*r = (struct create_network){0};
}

/*
 * Endpoint driver-opts lie flat among Docker's own options, and the CLI writes their names in lower case while compose
 * does not: so do we. A value of ours that is no string is an error; what else is there is nobody's.
 */
static int get_driver_opt(const struct fields *options, const char *key, struct json_object *value, struct pairs *pairs,
                          struct why *why)
{
	char name[128];
	if (!strncasecmp(key, "com.docker.", 11) || text_format(name, sizeof name, "%s", key) < 0)
		return 0;
	for (char *p = name; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
	if (json_object_is_type(value, json_type_string))
		return add_pair(pairs, name, json_object_get_string(value), why);
	return strncmp(name, "tslink.", 7) ? 0 : invalid(options, key, "a string", why);
}

static int get_driver_opts(const struct fields *options, struct pairs *pairs, struct why *why)
{
	if (!options->object)
		return 0;
	json_object_object_foreach (options->object, key, value)
		if (get_driver_opt(options, key, value, pairs, why) < 0)
			return -1;
	return 0;
}

static int get_create_endpoint(void *request, const struct fields *f, struct why *why)
{
	struct create_endpoint *r = request;
	struct fields options, interface = {.prefix = "Interface."};
	if (get_ids(f, r->network, r->endpoint, why) < 0 ||
	    field_get(f, "Interface", json_type_object, OPTIONAL, &interface.object, why) < 0)
		return -1;
	if (get_cidr(&interface, "Address", AF_INET, r->address, why) < 0 ||
	    get_cidr(&interface, "AddressIPv6", AF_INET6, r->address6, why) < 0 || get_mac(&interface, r->mac, why) < 0)
		return -1;
	if (get_options(f, &options, why) < 0 || get_portmap(&options, &r->has_portmap, why) < 0)
		return -1;
	return get_driver_opts(&options, &r->driver_opts, why);
}

int create_endpoint_parse(struct create_endpoint *r, const char *body, size_t len, struct why *why)
{
	*r = (struct create_endpoint){0};
	int result = parse_with(get_create_endpoint, r, body, len, why);
	if (result < 0)
		create_endpoint_free(r);
	return result;
}

void create_endpoint_free(struct create_endpoint *r)
{
	pairs_free(&r->driver_opts);
	*r = (struct create_endpoint){0};
}

/* A path that is taken at its word: absolute, no step upwards, nothing that would garble a log. */
static bool is_plain_path(const char *path)
{
	for (const unsigned char *p = (const unsigned char *)path; *p; p++)
		if (*p < ' ' || *p == 0x7f)
			return false;
	for (const char *p = path; (p = strstr(p, "/..")); p += 3)
		if (p[3] == '/' || p[3] == '\0')
			return false;
	return *path == '/';
}

static int get_join(void *request, const struct fields *f, struct why *why)
{
	struct join *r = request;
	struct fields options;
	if (get_ids(f, r->network, r->endpoint, why) < 0 ||
	    field_text(f, "SandboxKey", r->sandbox_key, sizeof r->sandbox_key, REQUIRED, why) < 0)
		return -1;
	if (!is_plain_path(r->sandbox_key))
		return invalid(f, "SandboxKey", "an absolute path without \"..\"", why);
	return get_options(f, &options, why) < 0 ? -1 : get_portmap(&options, &r->has_portmap, why);
}

int join_parse(struct join *r, const char *body, size_t len, struct why *why)
{
	*r = (struct join){0};
	return parse_with(get_join, r, body, len, why);
}

static int get_endpoint_call(void *request, const struct fields *f, struct why *why)
{
	struct endpoint_call *r = request;
	return get_ids(f, r->network, r->endpoint, why);
}

int endpoint_call_parse(struct endpoint_call *r, const char *body, size_t len, struct why *why)
{
	*r = (struct endpoint_call){0};
	return parse_with(get_endpoint_call, r, body, len, why);
}

static int get_network_call(void *request, const struct fields *f, struct why *why)
{
	struct network_call *r = request;
	return get_network_id(f, r->network, why);
}

int network_call_parse(struct network_call *r, const char *body, size_t len, struct why *why)
{
	*r = (struct network_call){0};
	return parse_with(get_network_call, r, body, len, why);
}

static int get_nothing(void *request, const struct fields *f, struct why *why)
{
	(void)request;
	(void)f;
	(void)why;
	return 0;
}

int body_check(const char *body, size_t len, struct why *why)
{
	return parse_with(get_nothing, NULL, body, len, why);
}
