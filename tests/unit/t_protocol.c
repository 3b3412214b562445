/* SPDX-License-Identifier: ISC */
#include "lib/docker/protocol.h"
#include "lib/docker/reply.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

#define NET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define EP "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define IDS "\"NetworkID\":\"" NET "\",\"EndpointID\":\"" EP "\""
#define PORTS                                                                                                          \
	"\"com.docker.network.endpoint.exposedports\":[{\"Proto\":6,\"Port\":80}],"                                    \
	"\"com.docker.network.portmap\":[{\"Proto\":6,\"IP\":\"\",\"Port\":80,\"HostIP\":\"\",\"HostPort\":8080,"      \
	"\"HostPortEnd\":8080}]"
#define NO_PORTS "\"com.docker.network.endpoint.exposedports\":[],\"com.docker.network.portmap\":[]"

static struct why why;

/* Parses from a copy of exactly the body's size, for the sanitizer. */
#define PARSE(type, r, text, len)                                                                                      \
	__extension__({                                                                                                \
		char *copy_ = malloc((len) + 1);                                                                       \
		memcpy(copy_, text, len);                                                                              \
		copy_[len] = '\0';                                                                                     \
		errno = 0;                                                                                             \
		why = (struct why){0};                                                                                 \
		int result_ = type##_parse(r, copy_, len, &why);                                                       \
		int saved_ = errno;                                                                                    \
		free(copy_);                                                                                           \
		errno = saved_;                                                                                        \
		result_;                                                                                               \
	})
#define TEXT(type, r, text) PARSE(type, r, text, strlen(text))

static void methods(void)
{
	static const char *const all[] = {"GetCapabilities",
	                                  "GwAllocCheck",
	                                  "CreateNetwork",
	                                  "DeleteNetwork",
	                                  "AllocateNetwork",
	                                  "FreeNetwork",
	                                  "CreateEndpoint",
	                                  "DeleteEndpoint",
	                                  "EndpointOperInfo",
	                                  "Join",
	                                  "Leave",
	                                  "ProgramExternalConnectivity",
	                                  "RevokeExternalConnectivity",
	                                  "DiscoverNew",
	                                  "DiscoverDelete"};
	const struct method_info *m = method_find("/Plugin.Activate");
	ok(m && m->method == METHOD_ACTIVATE && m->get && !m->body, "Activate: on GET, too; without body");
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		char path[100];
		snprintf(path, sizeof path, "/NetworkDriver.%s", all[i]);
		m = method_find(path);
		ok(m && (int)m->method == (int)i + 1 && m->get == (i == 0) && m->body == (i != 0), "%s", all[i]);
	}
	ok(!method_find("/NetworkDriver.join") && !method_find("/NetworkDriver.Join/") && !method_find(""), "no other");
}

static void create_network(void)
{
	struct create_network r;
	is_number(TEXT(create_network, &r,
	               "{\"NetworkID\":\"" NET "\",\"Options\":{\"com.docker.network.enable_ipv6\":false,"
	               "\"com.docker.network.generic\":{\"k\":\"v\",\"tslink.authkey\":"
	               "\"a\\u0026b\\u003cc\\u003e\xc3\xa9\"}},"
	               "\"IPv4Data\":[{\"AddressSpace\":\"LocalDefault\",\"Gateway\":\"10.77.0.1/"
	               "24\",\"Pool\":\"10.77.0.0/24\"}],"
	               "\"IPv6Data\":[]}\n"),
	          0, "CreateNetwork of 20.10");
	is(r.network, NET, "its ID");
	is(pairs_get(&r.options, "tslink.authkey"), "a&b<c>\xc3\xa9", "escapes are resolved");
	is(pairs_get(&r.options, "k"), "v", "other options are kept");
	ok(r.options.count == 2 && r.enable_ipv4 && !r.enable_ipv6 && !r.internal, "flags");
	ok(r.ipv4_count == 1 && r.ipv6_count == 0, "one pool");
	is(r.ipv4[0].pool, "10.77.0.0/24", "the pool");
	is(r.ipv4[0].gateway, "10.77.0.1/24", "the gateway");
	is(r.ipv4[0].address_space, "LocalDefault", "the address space");
	create_network_free(&r);
	create_network_free(&r);

	is_number(TEXT(create_network, &r,
	               "{\"NetworkID\":\"" NET "\",\"Options\":{\"com.docker.network.enable_ipv4\":false,"
	               "\"com.docker.network.enable_ipv6\":true,\"com.docker.network.internal\":true,"
	               "\"com.docker.network.generic\":{}},\"IPv4Data\":[{\"AddressSpace\":\"null\",\"Pool\":\"0.0.0.0/"
	               "0\"}],"
	               "\"IPv6Data\":[{\"AddressSpace\":\"null\",\"Pool\":\"::/0\"}]}\n"),
	          0, "CreateNetwork of 28 with null IPAM");
	ok(!r.enable_ipv4 && r.enable_ipv6 && r.internal && r.options.count == 0, "flags");
	ok(r.ipv6_count == 1 && !strcmp(r.ipv6[0].pool, "::/0") && !*r.ipv4[0].gateway, "pools without gateways");
	create_network_free(&r);

	is_number(TEXT(create_network, &r,
	               "{\"networkid\":\"abcdefghijklmnopqrstuvwxy\",\"Options\":{\"com.docker.network.generic\":null},"
	               "\"IPV4DATA\":null,\"IPv6Data\":null,\"New\":[1,{}]}"),
	          0, "a swarm's ID, names in any case, null for an array, unknown fields");
	ok(r.enable_ipv4 && r.ipv4_count == 0 && r.ipv6_count == 0, "and nothing in it");
	create_network_free(&r);
	is_number(TEXT(create_network, &r, "{\"NetworkID\":\"" NET "\"}"), 0, "nothing but the ID");
	create_network_free(&r);
}

static void refused_network(const char *text, const char *word)
{
	struct create_network r;
	int result = TEXT(create_network, &r, text);
	ok(result == -1 && errno == EINVAL && strstr(why.text, word), "%s", why.text);
}

static void bad_networks(void)
{
	refused_network("{}", "NetworkID is missing");
	refused_network("{\"NetworkID\":null}", "NetworkID is missing");
	refused_network("{\"NetworkID\":1}", "NetworkID");
	refused_network("{\"NetworkID\":\"\"}", "NetworkID");
	refused_network("{\"NetworkID\":\"../../../../etc/passwd\"}", "NetworkID");
	refused_network("{\"NetworkID\":\"../..67890123456789012345\"}", "NetworkID");
	refused_network("{\"NetworkID\":\"" NET "0\"}", "NetworkID");
	refused_network("{\"NetworkID\":\"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\"}",
	                "NetworkID");
	refused_network("{\"NetworkID\":\"" NET "\",\"networkId\":\"" EP "\"}", "NetworkID is given twice");
	refused_network("{\"NetworkID\":\"" NET "\",\"Options\":[]}", "Options");
	refused_network("{\"NetworkID\":\"" NET "\",\"Options\":{\"com.docker.network.generic\":\"x\"}}", "generic");
	refused_network("{\"NetworkID\":\"" NET "\",\"Options\":{\"com.docker.network.generic\":{\"tslink.wait\":3}}}",
	                "Options.com.docker.network.generic.tslink.wait");
	refused_network("{\"NetworkID\":\"" NET "\",\"Options\":{\"com.docker.network.enable_ipv6\":\"true\"}}",
	                "enable_ipv6");
	refused_network("{\"NetworkID\":\"" NET "\",\"IPv4Data\":{}}", "IPv4Data");
	refused_network("{\"NetworkID\":\"" NET "\",\"IPv4Data\":[null]}", "IPv4Data");
	refused_network("{\"NetworkID\":\"" NET "\",\"IPv4Data\":[{\"Pool\":\"10.0.0.0\"}]}", "IPv4Data.Pool");
	refused_network("{\"NetworkID\":\"" NET "\",\"IPv4Data\":[{\"Pool\":\"10.0.0.0/33\"}]}", "IPv4Data.Pool");
	refused_network("{\"NetworkID\":\"" NET "\",\"IPv4Data\":[{\"Pool\":\"10.0.0.0/0008\"}]}", "IPv4Data.Pool");
	refused_network("{\"NetworkID\":\"" NET "\",\"IPv4Data\":[{\"Pool\":\"::/0\"}]}", "IPv4Data.Pool");
	refused_network("{\"NetworkID\":\"" NET "\",\"IPv4Data\":[{\"Gateway\":\"10.0.0.1; rm -rf /\"}]}",
	                "IPv4Data.Gateway");
	refused_network("{\"NetworkID\":\"" NET "\",\"IPv6Data\":[{\"Pool\":\"10.0.0.0/8\"}]}", "IPv6Data.Pool");
	refused_network("{\"NetworkID\":\"" NET
	                "\",\"IPv4Data\":[{\"AddressSpace\":\"0123456789012345678901234567890123456789"
	                "0123456789012345678901234567890123456789\"}]}",
	                "AddressSpace is longer");
}

static void create_endpoint(void)
{
	struct create_endpoint r;
	is_number(TEXT(create_endpoint, &r,
	               "{" IDS ",\"Interface\":{\"Address\":\"10.78.0.2/24\",\"AddressIPv6\":\"\",\"MacAddress\":\"\"},"
	               "\"Options\":{" PORTS ",\"tslink.host\":\"foobar\",\"TSLINK.Hostname\":\"Web\"}}\n"),
	          0, "CreateEndpoint");
	is(r.network, NET, "its network");
	is(r.endpoint, EP, "its ID");
	is(r.address, "10.78.0.2/24", "its address");
	ok(!*r.address6 && !*r.mac && r.has_portmap && r.driver_opts.count == 2, "its ports and driver-opts");
	is(pairs_get(&r.driver_opts, "tslink.host"), "foobar", "a driver-opt");
	is(pairs_get(&r.driver_opts, "tslink.hostname"), "Web", "another: name in lower case, value as it is");
	create_endpoint_free(&r);

	is_number(TEXT(create_endpoint, &r,
	               "{" IDS ",\"Interface\":{\"Address\":\"\",\"AddressIPv6\":\"fd00::2/"
	               "64\",\"MacAddress\":\"02:42:AC:11:00:02\"},"
	               "\"Options\":{" NO_PORTS ",\"com.docker.network.endpoint.macaddress\":\"AkKsEQAC\",\"x\":[1]}}"),
	          0, "CreateEndpoint with null IPAM, IPv6 and a MAC");
	is(r.mac, "02:42:ac:11:00:02", "the MAC in lower case");
	is(r.address6, "fd00::2/64", "the IPv6 address");
	ok(!*r.address && !r.has_portmap && r.driver_opts.count == 0, "no ports, no driver-opts");
	create_endpoint_free(&r);

	is_number(TEXT(create_endpoint, &r, "{" IDS ",\"Interface\":null,\"Options\":null}"), 0,
	          "no Interface, no Options");
	create_endpoint_free(&r);
	is_number(TEXT(create_endpoint, &r, "{" IDS ",\"Options\":{\"com.docker.network.portmap\":null}}"), 0,
	          "ports of null");
	ok(!r.has_portmap, "are none");
	create_endpoint_free(&r);
}

static void refused_endpoint(const char *text, const char *word)
{
	struct create_endpoint r;
	int result = TEXT(create_endpoint, &r, text);
	ok(result == -1 && errno == EINVAL && strstr(why.text, word), "%s", why.text);
}

static void bad_endpoints(void)
{
	refused_endpoint("{\"NetworkID\":\"" NET "\"}", "EndpointID is missing");
	refused_endpoint("{\"EndpointID\":\"" EP "\"}", "NetworkID is missing");
	refused_endpoint("{\"NetworkID\":\"" NET "\",\"EndpointID\":\"abcdefghijklmnopqrstuvwxy\"}", "EndpointID");
	refused_endpoint("{\"NetworkID\":\"" NET "\",\"EndpointID\":\"../0123456789\"}", "EndpointID");
	refused_endpoint("{" IDS ",\"Interface\":\"\"}", "Interface");
	refused_endpoint("{" IDS ",\"Interface\":{\"Address\":\"10.0.0.1\"}}", "Interface.Address");
	refused_endpoint("{" IDS ",\"Interface\":{\"Address\":\"/\"}}", "Interface.Address");
	refused_endpoint("{" IDS ",\"Interface\":{\"AddressIPv6\":\"10.0.0.1/8\"}}", "Interface.AddressIPv6");
	refused_endpoint("{" IDS ",\"Interface\":{\"MacAddress\":\"02:42:ac:11:00\"}}", "Interface.MacAddress");
	refused_endpoint("{" IDS ",\"Interface\":{\"MacAddress\":\"02-42-ac-11-00-02\"}}", "Interface.MacAddress");
	refused_endpoint("{" IDS ",\"Interface\":{\"MacAddress\":\"02:42:ac:11:00:02:03\"}}", "Interface.MacAddress");
	refused_endpoint("{" IDS ",\"Options\":{\"com.docker.network.portmap\":{}}}", "portmap");
	refused_endpoint("{" IDS ",\"Options\":{\"Tslink.wait\":3}}", "Options.Tslink.wait");
	refused_endpoint("{" IDS ",\"Options\":{\"tslink.wait\":null}}", "Options.tslink.wait");
}

static void join(void)
{
	struct join r;
	is_number(TEXT(join, &r,
	               "{" IDS ",\"SandboxKey\":\"/var/run/docker/netns/4627e228e146\",\"Options\":{" PORTS "}}\n"),
	          0, "Join");
	is(r.sandbox_key, "/var/run/docker/netns/4627e228e146", "its sandbox");
	ok(r.has_portmap && !strcmp(r.network, NET) && !strcmp(r.endpoint, EP), "its IDs, its ports");
	ok(TEXT(join, &r, "{" IDS ",\"SandboxKey\":\"/x/..y/z..\",\"Options\":{" NO_PORTS "}}") == 0 && !r.has_portmap,
	   "a name with dots, no ports");
	static const char *const keys[] = {"",      "x",       "../x",        "/..",    "/../x",
	                                   "/a/..", "/a/../b", "/a/x../../b", "/a\\nb", "/a\\u007f"};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		char text[400];
		snprintf(text, sizeof text, "{" IDS ",\"SandboxKey\":\"%s\"}", keys[i]);
		int result = TEXT(join, &r, text);
		ok(result == -1 && errno == EINVAL && strstr(why.text, "SandboxKey"), "SandboxKey \"%s\"", keys[i]);
	}
	ok(TEXT(join, &r, "{" IDS "}") < 0 && strstr(why.text, "SandboxKey is missing"), "%s", why.text);
	char *text = malloc(PATH_MAX + 1000);
	int head = sprintf(text, "{" IDS ",\"SandboxKey\":\"/");
	memset(text + head, 'x', PATH_MAX);
	strcpy(text + head + PATH_MAX, "\"}");
	ok(TEXT(join, &r, text) < 0 && strstr(why.text, "longer"), "%s", why.text);
	free(text);
}

static void others(void)
{
	struct endpoint_call e;
	struct network_call n;
	ok(TEXT(endpoint_call, &e, "{" IDS "}\n") == 0 && !strcmp(e.network, NET) && !strcmp(e.endpoint, EP),
	   "Leave and its like");
	is_number(TEXT(endpoint_call, &e,
	               "{" IDS ",\"Options\":{" PORTS ",\"com.docker.network.driver.private.no_proxy_6to4\":false}}"),
	          0, "ProgramExternalConnectivity");
	ok(TEXT(network_call, &n, "{\"NetworkID\":\"" NET "\"}\n") == 0 && !strcmp(n.network, NET), "DeleteNetwork");
	is_number(TEXT(network_call, &n,
	               "{\"NetworkID\":\"abcdefghijklmnopqrstuvwxy\",\"Options\":{\"a\":\"b\"},\"IPv4Data\":[]}"),
	          0, "AllocateNetwork");
	static const char discover[] = "{\"DiscoveryType\":1,\"DiscoveryData\":{\"Address\":\"x\",\"Self\":true}}";
	static const char check[] = "{\"Options\":{\"com.docker.network.generic\":{}}}";
	is_number(body_check(discover, sizeof discover - 1, &why), 0, "DiscoverNew");
	is_number(body_check(check, sizeof check - 1, &why), 0, "GwAllocCheck");
}

static void no_json(const char *text, size_t len, const char *name)
{
	struct endpoint_call r;
	int result = PARSE(endpoint_call, &r, text, len);
	ok(result == -1 && errno == EBADMSG && *why.text, "%s: %s", name, why.text);
}

static void bodies(void)
{
	no_json("", 0, "an empty body");
	ok(strstr(why.text, "try again") != NULL, "which Docker's retry makes");
	no_json("\n", 1, "a line of nothing");
	no_json("{", 1, "an open brace");
	no_json("null", 4, "null");
	no_json("[]", 2, "an array");
	no_json("\"x\"", 3, "a string");
	no_json("1", 1, "a number");
	no_json("{\"a\":1}{}", 9, "two objects");
	no_json("{\"a\":1}x", 8, "something behind");
	no_json("{\"a\":1,}", 8, "a comma too many");
	no_json("{\"a\":'x'}", 9, "single quotes");
	no_json("{\"a\":--1}", 9, "no number");
	no_json("{\"a\":\"\xff\"}", 9, "no UTF-8");
	no_json("{\"a\":\"\\x\"}", 10, "an unknown escape");
	no_json("{\"a\":\"\0\"}", 9, "a zero");
	no_json("{\"a\":\"\\u0000\"}", 14, "an escaped zero");
	no_json("{\"NetworkID\\u0000\":\"\"}", 22, "one in a name");
	no_json("{\"a\":\"\\\\\\u0000\"}", 16, "one behind an escaped backslash");
	static const char harmless[] = "{" IDS ",\"a\":\"\\\\u0000\"}";
	struct endpoint_call r;
	is_number(TEXT(endpoint_call, &r, harmless), 0, "an escaped backslash before u0000 is none");
	char deep[200] = "{\"a\":";
	memset(deep + 5, '[', 100);
	no_json(deep, strlen(deep), "a hundred brackets");
	ok(strstr(why.text, "nest") != NULL, "are too deep");
}

static void strings(void)
{
	struct create_network r;
	is_number(TEXT(create_network, &r,
	               "{\"NetworkID\":\"" NET "\",\"Options\":{\"com.docker.network.generic\":{"
	               "\"a\":\"\\ud83d\\ude00\",\"b\":\"\\ud83d\",\"c\":\"\\ude00x\",\"d\":\"\\u2028\\\"\\\\\\/"
	               "\\t\",\"\\u0065\":\"e\","
	               "\"f\":\"1\",\"f\":\"2\"}}}"),
	          0, "escapes");
	is(pairs_get(&r.options, "a"), "\xf0\x9f\x98\x80", "a pair of surrogates");
	is(pairs_get(&r.options, "b"), "\xef\xbf\xbd", "half a pair, as Go reads it");
	is(pairs_get(&r.options, "c"), "\xef\xbf\xbdx", "the other half");
	is(pairs_get(&r.options, "d"), "\xe2\x80\xa8\"\\/\t", "others");
	is(pairs_get(&r.options, "e"), "e", "in a name");
	is(pairs_get(&r.options, "f"), "2", "of a key that is there twice the last counts, as in Go");
	is(pairs_get(&r.options, "g"), NULL, "what is not there");
	create_network_free(&r);
}

/* Every beginning of a body is an error of JSON, not of memory. */
static void truncated(void)
{
	static const char text[] =
		"{" IDS ",\"Interface\":{\"Address\":\"10.78.0.2/24\",\"AddressIPv6\":\"\",\"MacAddress\":\"\"},"
		"\"Options\":{" PORTS ",\"tslink.host\":\"a\\u0026\\ud83d\\ude00\xc3\xa9\"}}";
	struct create_endpoint r;
	size_t refused = 0;
	for (size_t i = 0; i < sizeof text - 1; i++)
		refused += PARSE(create_endpoint, &r, text, i) == -1 && errno == EBADMSG;
	is_number((long long)refused, sizeof text - 1, "cut at any byte");
}

/* `-p 1-65535:1-65535`, as large as Docker makes it. */
static void large(void)
{
	struct join r;
	size_t room = 65535 * 120 + 1000;
	char *text = malloc(room), *p = text;
	p += sprintf(p, "{" IDS ",\"SandboxKey\":\"/x\",\"Options\":{\"com.docker.network.portmap\":[");
	for (int i = 1; i <= 65535; i++)
		p += sprintf(
			p, "%s{\"Proto\":6,\"IP\":\"\",\"Port\":%d,\"HostIP\":\"\",\"HostPort\":%d,\"HostPortEnd\":%d}",
			i > 1 ? "," : "", i, i, i);
	p += sprintf(p, "]}}");
	ok(TEXT(join, &r, text) == 0 && r.has_portmap, "a Join of %zu bytes", (size_t)(p - text));
	free(text);
}

static void reply_is(char *got, const char *want, const char *name)
{
	is(got, want, name);
	free(got);
}

static void replies(void)
{
	reply_is(reply_activate(), "{\"Implements\":[\"NetworkDriver\"]}", "Activate");
	reply_is(reply_capabilities(), "{\"Scope\":\"local\",\"ConnectivityScope\":\"local\"}", "GetCapabilities");
	reply_is(reply_empty(), "{}", "nothing to tell");
	reply_is(reply_error("no \"x\"\n\x01 /\xc3\xa9"), "{\"Err\":\"no \\\"x\\\"\\n\\u0001 /\xc3\xa9\"}",
	         "an error, escaped");
	reply_is(reply_error("\xc3(\xed\xa0\x80\xf0\x9f\x98\x80\xc0\xaf\xf4\x90\x80\x80\xe2\x82"),
	         "{\"Err\":\"?(???\xf0\x9f\x98\x80????????\"}", "what is no UTF-8");
	reply_is(reply_create_endpoint(&(struct endpoint_reply){.address = ""}), "{}",
	         "CreateEndpoint with nothing of ours");
	reply_is(reply_create_endpoint(&(struct endpoint_reply){"10.200.0.2/30", "fd00::2/64", "02:00:00:00:00:01"}),
	         "{\"Interface\":{\"Address\":\"10.200.0.2/30\",\"AddressIPv6\":\"fd00::2/"
	         "64\",\"MacAddress\":\"02:00:00:00:00:01\"}}",
	         "CreateEndpoint with all");
	reply_is(reply_join(&(struct join_reply){0}), "{}", "Join with nothing");
	reply_is(reply_join(&(struct join_reply){.src_name = "tsl0123"}),
	         "{\"InterfaceName\":{\"SrcName\":\"tsl0123\",\"DstPrefix\":\"eth\"}}", "Join without gateway");
	reply_is(reply_join(&(struct join_reply){"tsl0123", "10.78.0.1", "fd00::1"}),
	         "{\"InterfaceName\":{\"SrcName\":\"tsl0123\",\"DstPrefix\":\"eth\"},\"Gateway\":\"10.78.0.1\","
	         "\"GatewayIPv6\":\"fd00::1\"}",
	         "Join with all");
	struct pairs p = {0};
	reply_is(reply_oper_info(&p), "{\"Value\":{}}", "EndpointOperInfo with nothing");
	pairs_add(&p, "hostname", "web\"");
	pairs_add(&p, "tailscale_ip", "");
	reply_is(reply_oper_info(&p), "{\"Value\":{\"hostname\":\"web\\\"\",\"tailscale_ip\":\"\"}}",
	         "EndpointOperInfo");
	pairs_free(&p);
}

int main(void)
{
	methods();
	create_network();
	bad_networks();
	create_endpoint();
	bad_endpoints();
	join();
	others();
	bodies();
	strings();
	truncated();
	large();
	replies();
	return tap_done();
}
