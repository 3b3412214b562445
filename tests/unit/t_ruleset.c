/* SPDX-License-Identifier: ISC */
/*
 * The firewall against the real kernel: this process is the host, network namespaces are containers, the world behind
 * wan0, the tailnet behind the host's own tailscale0, and Docker's containers. Needs root.
 *
 * What the table is to drop is also sent without the table, and arrives then: so each of these tests can fail.
 */
#include "lib/base/file.h"
#include "lib/net/bridge.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/net/port.h"
#include "lib/net/ruleset.h"
#include "lib/net/uplink.h"
#include "netlab.h"
#include "tap.h"

#include <sys/personality.h>

#define PORT 5000 /* where everybody listens */

static const struct subnet range = {.base = 0x0ac80000, .bits = 16};
static const struct ruleset ruleset = {.table = "tslink-test", .prefix = "tsl"};

/* Everybody's namespace and a socket in it that takes what comes. */
static struct node {
	int netns, at, at6;
} world, tailnet, lan, docker0, docker_net, gateway_net, a, b, c, internal1, internal2, point, internal_point;

static struct node node(void)
{
	int netns = lab_new_netns();
	return (struct node){.netns = netns,
	                     .at = lab_udp(netns, (struct lab_socket){.address = "0.0.0.0", .port = PORT}),
	                     .at6 = lab_udp(netns, (struct lab_socket){.address = "::", .port = PORT})};
}

/* A neighbour of the host's, by a veth whose host end has this name. */
static struct node neighbour(const char *link, const char *host, const char *own)
{
	struct node n = node();
	lab_do(-1, "ip link add %s type veth peer name eth0 netns /proc/%d/fd/%d && ip link set %s up", link, getpid(),
	       n.netns, link);
	lab_do(n.netns, "ip link set eth0 up && ip addr add %s dev eth0", own);
	if (host)
		lab_do(-1, "ip addr add %s dev %s", host, link);
	return n;
}

/* A container on a bridge that is not ours. */
static struct node on_bridge(const char *bridge, const char *host, const char *own, const char *gateway)
{
	char port[16];
	static int count;
	snprintf(port, sizeof port, "veth%d", count++);
	struct node n = neighbour(port, NULL, own);
	lab_do(-1,
	       "ip link add %s type bridge && ip addr add %s dev %s && ip link set %s up && ip link set %s master %s",
	       bridge, host, bridge, bridge, port, bridge);
	lab_do(n.netns, "ip route add default via %s", gateway);
	return n;
}

static void bridge(struct nl_sock *nl, const char *name, const char *address, const char *address6)
{
	const char *const addresses[] = {address, address6, NULL};
	bridge_ensure(nl, &(struct bridge){.name = name, .addresses = addresses}, NULL);
}

/* A container of ours. Docker's part of the work is done here by hand. */
static struct node container(struct nl_sock *nl, uint32_t slot, const char *bridge, const char *own,
                             const char *gateway)
{
	struct why why = {0};
	struct node n = node();
	char peer[LINK_NAME];
	const struct port port = {.prefix = "tsl", .slot = slot};
	if ((bridge[1] ? port_make(nl, &port, bridge, peer, &why)
	               : port_make_point(nl, &port, &range, *bridge == 'q', peer, &why)) < 0) {
		printf("Bail out! %s\n", why.text);
		exit(1);
	}
	lab_do(-1, "ip link set %s netns /proc/%d/fd/%d", peer, getpid(), n.netns);
	lab_do(n.netns, "ip link set %s name eth0 up && ip addr add %s dev eth0 && ip route add default via %s", peer,
	       own, gateway);
	return n;
}

static void uplink(struct nl_sock *nl, const struct node *n, uint32_t slot)
{
	struct why why = {0};
	if (uplink_make(nl, n->netns, &(struct uplink){.prefix = "tsl", .range = &range, .slot = slot}, &why) < 0) {
		printf("Bail out! %s\n", why.text);
		exit(1);
	}
}

static void build(struct nl_sock *nl)
{
	lab_do(-1, "echo 1 > /proc/sys/net/ipv4/ip_forward && echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
	world = neighbour("wan0", "203.0.113.1/24", "203.0.113.2/24");
	lab_do(-1, "ip addr add 2001:db8:1::1/64 dev wan0 nodad && ip route add default via 203.0.113.2");
	lab_do(world.netns,
	       "ip addr add 2001:db8:1::2/64 dev eth0 nodad && ip route add default via 203.0.113.1 && ip route add default via 2001:db8:1::1");
	tailnet = neighbour("tailscale0", "100.64.0.1/10", "100.64.0.9/10");
	lab_do(-1,
	       "ip addr add fd7a:115c:a1e0::1/48 dev tailscale0 nodad && ip route add 198.18.0.0/16 dev tailscale0 via 100.64.0.9");
	lab_do(tailnet.netns,
	       "ip addr add fd7a:115c:a1e0::9/48 dev eth0 nodad && ip addr add 198.18.0.9/32 dev lo && ip route add default via "
	       "100.64.0.1 && ip route add default via fd7a:115c:a1e0::1");
	lan = on_bridge("br-lan", "192.168.50.1/24", "192.168.50.2/24", "192.168.50.1");
	docker0 = on_bridge("docker0", "172.17.0.1/16", "172.17.0.2/16", "172.17.0.1");
	docker_net = on_bridge("br-0123456789ab", "172.18.0.1/16", "172.18.0.2/16", "172.18.0.1");
	gateway_net = on_bridge("docker_gwbridge", "172.19.0.1/16", "172.19.0.2/16", "172.19.0.1");
	bridge(nl, "tsl-b00000001", "10.91.0.1/24", "fd00:91::1/64");
	bridge(nl, "tsl-b00000002", "10.92.0.1/24", NULL);
	bridge(nl, "tsl-i00000003", "10.93.0.1/24", NULL);
	a = container(nl, 1, "tsl-b00000001", "10.91.0.2/24", "10.91.0.1");
	b = container(nl, 2, "tsl-b00000001", "10.91.0.3/24", "10.91.0.1");
	c = container(nl, 3, "tsl-b00000002", "10.92.0.2/24", "10.92.0.1");
	internal1 = container(nl, 4, "tsl-i00000003", "10.93.0.2/24", "10.93.0.1");
	internal2 = container(nl, 5, "tsl-i00000003", "10.93.0.3/24", "10.93.0.1");
	point = container(nl, 6, "p", "10.200.0.26/30", "10.200.0.25");
	internal_point = container(nl, 7, "q", "10.200.0.30/30", "10.200.0.29");
	lab_do(a.netns, "ip addr add fd00:91::2/64 dev eth0 nodad && ip route add default via fd00:91::1");
	lab_do(b.netns, "ip addr add fd00:91::3/64 dev eth0 nodad && ip addr add 100.64.0.77/32 dev lo");
	uplink(nl, &a, 11);
	uplink(nl, &c, 13);
	uplink(nl, &internal1, 14);
	/* Somebody's DNAT: published ports, of a container of Docker's and of ours; and one for a tailnet address. */
	lab_do(-1,
	       "nft 'table ip published { chain prerouting { type nat hook prerouting priority dstnat; udp dport 8080 dnat to 172.19.0.2:5000; "
	       "udp dport 8081 dnat to 10.91.0.2:5000; ip daddr 100.64.0.50 dnat to 203.0.113.2; }; }'");
}

/* A packet from a socket of its own, so that conntrack knows nothing of it. */
static bool passes_from(const struct node *from, uint32_t mark, int own_port, const char *to, int port, int at,
                        bool expected, char *sender)
{
	bool six = strchr(to, ':');
	autofd int fd = lab_udp(
		from->netns, (struct lab_socket){.mark = mark, .port = own_port, .family = six ? AF_INET6 : AF_INET});
	return lab_arrives(fd, to, port, at, expected, sender);
}

static bool app(const struct node *from, const char *to, const struct node *at, bool expected)
{
	return passes_from(from, 0, 0, to, PORT, strchr(to, ':') ? at->at6 : at->at, expected, NULL);
}

static bool tunnel(const struct node *from, const char *to, const struct node *at, bool expected)
{
	return passes_from(from, UPLINK_MARK, 20000, to, PORT, at->at, expected, NULL);
}

/* Sends, answers, and takes the answer. */
static bool talks(const struct node *from, uint32_t mark, const char *to, const struct node *at)
{
	autofd int fd = lab_udp(from->netns, (struct lab_socket){.mark = mark, .family = AF_INET});
	return lab_send(fd, to, PORT) == 0 && lab_answer(at->at) && lab_receive(fd, ARRIVES, NULL);
}

static void to_the_world(void)
{
	char from[64] = "";
	ok(passes_from(&a, 0, 21000, "203.0.113.2", PORT, world.at, true, from), "a container reaches the world");
	is(from, "203.0.113.1 21000", "masqueraded, by the port it has");
	ok(passes_from(&a, UPLINK_MARK, 22000, "203.0.113.2", PORT, world.at, true, from),
	   "a tunnel reaches the world");
	is(from, "203.0.113.1 22000", "masqueraded, and keeps its port");
	ok(passes_from(&point, 0, 23000, "203.0.113.2", PORT, world.at, true, from),
	   "a container on a point-to-point link, too");
	is(from, "203.0.113.1 23000", "masqueraded, too");
	ok(passes_from(&a, 0, 24000, "2001:db8:1::2", PORT, world.at6, true, from), "by IPv6");
	is(from, "2001:db8:1::1 24000", "masqueraded, too");
	ok(talks(&a, 0, "203.0.113.2", &world) && talks(&a, UPLINK_MARK, "203.0.113.2", &world), "answers come back");
	ok(app(&a, "192.168.50.2", &lan, true), "a bridge that is not Docker's is the world as well");
	ok(passes_from(&a, 0, 0, "203.0.113.1", 8080, gateway_net.at, true, NULL),
	   "a published port of another container");
	ok(passes_from(&a, UPLINK_MARK, 0, "203.0.113.1", 8080, gateway_net.at, true, NULL),
	   "also for the tunnel (a control server may be there)");
	ok(tunnel(&internal1, "203.0.113.2", &world, true),
	   "the tunnel of a container on an internal network reaches the world");
	ok(passes_from(&world, 0, 0, "203.0.113.1", 8081, a.at, true, NULL), "somebody's DNAT to a container of ours");
	ok(passes_from(&docker0, 0, 0, "203.0.113.1", 8081, a.at, true, NULL), "also from Docker's bridge");
}

/* What arrives only without the table. */
static void isolation(bool open)
{
	const char *how = open ? "(without the table) " : "isolation: ";
	ok(app(&a, "10.92.0.2", &c, open) == open, "%sanother network", how);
	ok(app(&a, "10.93.0.2", &internal1, open) == open, "%san internal network", how);
	ok(app(&a, "10.200.0.26", &point, open) == open, "%sa point-to-point link", how);
	ok(app(&point, "10.200.0.30", &internal_point, open) == open, "%sone such from another", how);
	ok(app(&a, "10.200.0.54", &c, open) == open, "%sanother's uplink, from an application", how);
	ok(passes_from(&a, 0, 20001, "10.200.0.54", 20002, c.at, false, NULL) == false, "%sby whatever port", how);
	ok(tunnel(&a, "10.92.0.2", &c, open) == open, "%sanother network, from a tunnel", how);
	ok(tunnel(&a, "10.200.0.54", &c, open) == open,
	   "%sanother's uplink, from a tunnel to a port that is none of WireGuard", how);
	ok(app(&internal1, "10.91.0.2", &a, open) == open, "%sout of an internal network into another of ours", how);
	ok(app(&a, "172.17.0.2", &docker0, open) == open, "%sDocker's default bridge", how);
	ok(app(&a, "172.18.0.2", &docker_net, open) == open, "%sa network of Docker's", how);
	ok(tunnel(&a, "172.18.0.2", &docker_net, open) == open, "%sthe same from a tunnel", how);
	ok(app(&a, "172.19.0.2", &gateway_net, open) == open, "%sdocker_gwbridge", how);
	ok(app(&docker0, "10.91.0.2", &a, open) == open, "%sfrom Docker's bridge", how);
	ok(app(&gateway_net, "10.91.0.2", &a, open) == open, "%sfrom docker_gwbridge", how);
	ok(app(&docker0, "10.200.0.46", &a, open) == open, "%sfrom Docker's bridge to an uplink", how);
	ok(app(&world, "10.91.0.2", &a, open) == open, "%sfrom the world", how);
	ok(app(&world, "fd00:91::2", &a, open) == open, "%sfrom the world by IPv6", how);
	ok(app(&tailnet, "10.91.0.2", &a, open) == open, "%sfrom the host's tailnet", how);
	ok(app(&internal1, "203.0.113.2", &world, open) == open, "%sout of an internal network to the world", how);
	ok(app(&internal_point, "203.0.113.2", &world, open) == open, "%sout of an internal point-to-point link", how);
	ok(passes_from(&internal1, 0, 0, "203.0.113.1", 8080, gateway_net.at, open, NULL) == open,
	   "%sout of an internal network to a published port", how);
}

static void within(void)
{
	autofd int port = lab_udp(c.netns, (struct lab_socket){.address = "10.200.0.54", .port = 20002});
	char from[64] = "";
	ok(passes_from(&a, UPLINK_MARK, 20001, "10.200.0.54", 20002, port, true, from),
	   "WireGuard from uplink to uplink");
	is(from, "10.200.0.46 20001", "as it is");
	ok(!passes_from(&a, UPLINK_MARK, 5999, "10.200.0.54", 20002, port, false, NULL), "from no other port");
	ok(app(&a, "10.91.0.3", &b, true) && app(&b, "10.91.0.2", &a, true), "containers of one network");
	ok(app(&b, "fd00:91::2", &a, true), "by IPv6");
	ok(app(&internal1, "10.93.0.3", &internal2, true), "containers of one internal network");
}

/*
 * What is for the tailnet must neither leave by the host nor reach it. B has no uplink yet, as before its node is up.
 */
static void guard(int host, int host6, bool open)
{
	const char *how = open ? "(without the table) " : "guard: ";
	const char *mac = "02:42:0a:5b:00:01";
	char b_mac[32];
	snprintf(b_mac, sizeof b_mac, "%s",
	         lab_line(b.netns, "ip -o link show eth0 | grep -o 'ether [0-9a-f:]*' | cut -d' ' -f2"));
	ok(app(&b, "100.64.0.9", &tailnet, open) == open, "%sa tailnet address", how);
	ok(app(&a, "fd7a:115c:a1e0::9", &tailnet, false) == false, "%sby IPv6, with the routes in the container", how);
	ok(tunnel(&a, "100.64.0.9", &tailnet, open) == open, "%sfrom a tunnel", how);
	ok(app(&b, "198.18.0.9", &tailnet, open) == open, "%sanother network that the host has by its tailnet", how);
	ok(passes_from(&b, 0, 0, "100.64.0.1", PORT, host, open, NULL) == open, "%sthe host's own tailnet address",
	   how);
	ok(passes_from(&b, 0, 0, "100.64.0.50", PORT, world.at, open, NULL) == open,
	   "%sa tailnet address that somebody's DNAT takes", how);
	ok(lab_frame_arrives(b.netns, (struct lab_frame){"eth0", mac, "fd00:91::3", "fd7a:115c:a1e0::9", PORT},
	                     tailnet.at6, open) == open,
	   "%sby IPv6", how);
	ok(lab_frame_arrives(b.netns, (struct lab_frame){"eth0", mac, "fd00:91::3", "fd7a:115c:a1e0::1", PORT}, host6,
	                     open) == open,
	   "%sthe host's own, by IPv6", how);
	ok(lab_frame_arrives(a.netns, (struct lab_frame){"eth0", b_mac, "10.91.0.2", "100.64.0.77", PORT}, b.at,
	                     open) == open,
	   "%sa neighbour's tailnet address, past its node", how);
	ok(lab_frame_arrives(a.netns, (struct lab_frame){"eth0", b_mac, "100.64.0.9", "10.91.0.3", PORT}, b.at, open) ==
	           open,
	   "%sa neighbour that says it is of the tailnet", how);
	ok(passes_from(&tailnet, 0, 0, "100.64.0.1", 8081, a.at, open, NULL) == open,
	   "%sthe tailnet past the tunnel, by somebody's DNAT", how);
}

/* Raw frames with foreign sources, to the world and to the host. */
static void spoofing(int host, int host6, bool open)
{
	static const char *const sources[] = {"198.51.100.7", "203.0.113.9", "10.92.0.2", "10.93.0.2",
	                                      "10.200.0.46",  "100.64.0.9",  "172.17.0.2"};
	const char *how = open ? "(without the table) " : "source: ";
	const char *mac = "02:42:0a:5b:00:01";
	char uplink_mac[32];
	snprintf(uplink_mac, sizeof uplink_mac, "%s", lab_line(-1, "cat /sys/class/net/tsl-u000b/address"));
	ok(lab_frame_arrives(a.netns, (struct lab_frame){"eth0", mac, "10.91.0.2", "203.0.113.2", PORT}, world.at,
	                     true),
	   "%sits own passes", how);
	ok(lab_frame_arrives(a.netns, (struct lab_frame){"tslink0", uplink_mac, "10.200.0.46", "203.0.113.2", PORT},
	                     world.at, true),
	   "%sits own of the uplink passes", how);
	ok(lab_frame_arrives(a.netns, (struct lab_frame){"eth0", mac, "10.91.0.2", "10.91.0.1", PORT}, host, true),
	   "%sits own reaches the host", how);
	ok(passes_from(&a, UPLINK_MARK, 0, "203.0.113.1", PORT, host, true, NULL), "%sso does the tunnel", how);
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
		ok(lab_frame_arrives(a.netns, (struct lab_frame){"eth0", mac, sources[i], "203.0.113.2", PORT},
		                     world.at, open) == open,
		   "%s%s by eth0 to the world", how, sources[i]);
		ok(lab_frame_arrives(a.netns, (struct lab_frame){"eth0", mac, sources[i], "10.91.0.1", PORT}, host,
		                     open) == open,
		   "%s%s by eth0 to the host", how, sources[i]);
	}
	ok(lab_frame_arrives(a.netns, (struct lab_frame){"tslink0", uplink_mac, "10.91.0.2", "203.0.113.2", PORT},
	                     world.at, open) == open,
	   "%sthat of eth0 by the uplink", how);
	ok(lab_frame_arrives(a.netns, (struct lab_frame){"tslink0", uplink_mac, "10.200.0.54", "203.0.113.2", PORT},
	                     world.at, open) == open,
	   "%sanother's uplink", how);
	ok(lab_frame_arrives(a.netns,
	                     (struct lab_frame){"eth0", "ff:ff:ff:ff:ff:ff", "198.51.100.7", "10.91.0.1", PORT}, host,
	                     open) == open,
	   "%sa foreign one, to all on the link", how);
	ok(lab_frame_arrives(a.netns, (struct lab_frame){"eth0", mac, "fd00:91::2", "2001:db8:1::2", PORT}, world.at6,
	                     true),
	   "%sits own by IPv6", how);
	ok(lab_frame_arrives(a.netns, (struct lab_frame){"eth0", mac, "2001:db8:7::7", "2001:db8:1::2", PORT},
	                     world.at6, open) == open,
	   "%sa foreign one by IPv6", how);
	ok(lab_frame_arrives(a.netns, (struct lab_frame){"eth0", mac, "2001:db8:7::7", "fd00:91::1", PORT}, host6,
	                     open) == open,
	   "%sa foreign one by IPv6 to the host", how);
}

static bool works(const char *command, const char *what)
{
	if (lab_run(-1, "%s > /dev/null 2>&1", command) == 0)
		return true;
	ok(1, "%s # SKIP not on this machine", what);
	return false;
}

/* With br_netfilter, frames within a bridge pass the firewall as if they were routed. */
static void bridged(bool router)
{
	char b_mac[32];
	if (!works("test -e /proc/sys/net/bridge || modprobe br_netfilter", "br_netfilter"))
		return;
	snprintf(b_mac, sizeof b_mac, "%s",
	         lab_line(b.netns, "ip -o link show eth0 | grep -o 'ether [0-9a-f:]*' | cut -d' ' -f2"));
	lab_do(-1,
	       "echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables && echo 1 > /proc/sys/net/bridge/bridge-nf-call-ip6tables");
	ok(app(&a, "10.91.0.3", &b, true) && app(&b, "10.91.0.2", &a, true), "br_netfilter: containers of one network");
	ok(app(&b, "fd00:91::2", &a, true), "br_netfilter: by IPv6");
	ok(app(&internal1, "10.93.0.3", &internal2, true), "br_netfilter: of one internal network");
	ok(lab_frame_arrives(a.netns, (struct lab_frame){"eth0", b_mac, "198.51.100.8", "10.91.0.3", PORT}, b.at,
	                     router) == router,
	   "br_netfilter: a container that is its neighbours' router %s",
	   router ? "works" : "does not work before Linux 5.19");
	ok(!lab_frame_arrives(a.netns, (struct lab_frame){"eth0", b_mac, "10.91.0.2", "100.64.0.77", PORT}, b.at,
	                      false),
	   "br_netfilter: a neighbour's tailnet address");
	lab_do(-1,
	       "echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables && echo 0 > /proc/sys/net/bridge/bridge-nf-call-ip6tables");
}

static const char *applied(void)
{
	return lab_line(-1,
	                "{ nft -s list table inet tslink-test; nft -s list table bridge tslink-test; } 2>&1 | cksum");
}

static void apply(const char *name)
{
	struct why why = {0};
	char warnings[512];
	ok(ruleset_apply(&ruleset, warnings, sizeof warnings, &why) == 0, "%s", name);
	if (why.text[0] || warnings[0])
		printf("# %s %s\n", why.text, warnings);
}

static void life(void)
{
	struct why why = {0};
	char before[64];
	is_number(ruleset_present("tslink-test"), 0, "no table yet");
	is_number(ruleset_remove(&ruleset, &why), 0, "nothing to remove");
	apply("applied");
	is_number(ruleset_present("tslink-test"), 1, "it is there");
	snprintf(before, sizeof before, "%s", applied());
	apply("applied again");
	is(applied(), before, "changes nothing");
	lab_do(-1, "nft delete table bridge tslink-test");
	is_number(ruleset_present("tslink-test"), 0, "a part that is missing is noticed");
	autofd int fd = lab_udp(a.netns, (struct lab_socket){.mark = UPLINK_MARK, .family = AF_INET});
	lab_drain(world.at);
	lab_send(fd, "203.0.113.2", PORT);
	apply("applied to what is left");
	ok(lab_answer(world.at) && lab_receive(fd, ARRIVES, NULL), "under way a tunnel notices nothing");
	is(applied(), before, "is as before");
	ok(ruleset_present("tslink-tes") == 0 && ruleset_present("tslink-test2") == 0,
	   "no other table is taken for it");
	int64_t start = now_ms();
	for (int i = 0; i < 20; i++)
		ruleset_apply(&ruleset, NULL, 0, NULL);
	printf("# ruleset_apply: %.2f ms\n", (double)(now_ms() - start) / 20);
	const struct ruleset bad[] = {{"", "tsl"},
	                              {"1a", "tsl"},
	                              {"a b", "tsl"},
	                              {"a;b", "tsl"},
	                              {"a", "t-"},
	                              {"a", ""},
	                              {"abcdefghijklmnopqrstuvwxyzabcdef", "tsl"}};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(ruleset_apply(&bad[i], NULL, 0, &why) < 0 && errno == EINVAL, "refused: table \"%s\", prefix \"%s\"",
		   bad[i].table, bad[i].prefix);
	lab_do(-1, "echo 0 > /proc/sys/net/ipv4/ip_forward");
	char warnings[512] = "";
	ruleset_apply(&ruleset, warnings, sizeof warnings, &why);
	is(warnings, "this host forwards no IPv4 (net.ipv4.ip_forward is 0): nodes have no way out\n",
	   "a host that does not forward is told of");
	lab_do(-1, "echo 1 > /proc/sys/net/ipv4/ip_forward");
	const struct ruleset second = {.table = "tslink2", .prefix = "ts"};
	ok(ruleset_apply(&second, NULL, 0, &why) == 0 && ruleset_present("tslink2") == 1 &&
	           ruleset_present("tslink-test") == 1,
	   "two trees side by side");
	ok(ruleset_remove(&second, &why) == 0 && ruleset_present("tslink2") == 0 && ruleset_present("tslink-test") == 1,
	   "removed one by one");
}

static const char *chain(const char *iptables)
{
	char command[160];
	snprintf(command, sizeof command, "%s -S DOCKER-USER | tail -n +2 | tr -d '\"' | tr '\\n' ';'", iptables);
	return lab_line(-1, command);
}

#define OURS \
	"-A DOCKER-USER -i tsl-+ -m comment --comment tslink-test -j ACCEPT;-A DOCKER-USER -o tsl-+ -m comment --comment tslink-test -j ACCEPT;"

/* Docker's chain, of one backend of iptables. */
static void docker_user(const char *iptables, const char *ip6tables)
{
	struct why why = {0};
	char warnings[512];
	char probe[32];
	snprintf(probe, sizeof probe, "%s -S", iptables);
	if (!works(probe, iptables))
		return;
	is_number(ruleset_docker_missing(&ruleset), 0, "without DOCKER-USER nothing is missing in it");
	lab_do(-1, "%s -P FORWARD DROP", iptables);
	ok(ruleset_apply(&ruleset, warnings, sizeof warnings, &why) == 0 &&
	           strstr(warnings, "the FORWARD policy of iptables is DROP"),
	   "%s: a policy that drops is told of", iptables);
	ok(!app(&a, "203.0.113.2", &world, false), "%s: and it does drop", iptables);
	lab_do(-1,
	       "for i in %s %s; do $i -N DOCKER-USER && $i -I FORWARD -j DOCKER-USER && $i -A DOCKER-USER -s 192.0.2.99 -j DROP 2> /dev/null || "
	       "$i -A DOCKER-USER -s 2001:db8::99 -j DROP; $i -A DOCKER-USER -j RETURN; done",
	       iptables, ip6tables);
	is_number(ruleset_docker_missing(&ruleset), 1, "our rules are missing");
	lab_do(-1, "mount -t tmpfs tmpfs /usr/sbin");
	ok(ruleset_apply(&ruleset, warnings, sizeof warnings, &why) == 0 &&
	           strstr(warnings, " is not there or could not look into DOCKER-USER"),
	   "%s: a host without it is told of", iptables);
	is_number(ruleset_docker_missing(&ruleset), -1, "whether something is missing is not known then");
	ok(ruleset_remove(&ruleset, &why) < 0, "nor can it be removed");
	printf("# %s# %s\n", warnings, why.text);
	lab_do(-1, "umount /usr/sbin");
	ok(ruleset_apply(&ruleset, warnings, sizeof warnings, &why) == 0 && !warnings[0], "%s: put in", iptables);
	is(chain(iptables), "-A DOCKER-USER -s 192.0.2.99/32 -j DROP;" OURS "-A DOCKER-USER -j RETURN;",
	   "behind the operator's, before the end");
	is(chain(ip6tables), "-A DOCKER-USER -s 2001:db8::99/128 -j DROP;" OURS "-A DOCKER-USER -j RETURN;",
	   "and for IPv6");
	is_number(ruleset_docker_missing(&ruleset), 0, "nothing is missing");
	ok(talks(&a, 0, "203.0.113.2", &world) && talks(&a, UPLINK_MARK, "203.0.113.2", &world), "%s: both ways pass",
	   iptables);
	ok(!app(&docker0, "10.91.0.2", &a, false), "and open nothing that the table drops");
	bridged(true);
	apply("again");
	is(chain(iptables), "-A DOCKER-USER -s 192.0.2.99/32 -j DROP;" OURS "-A DOCKER-USER -j RETURN;",
	   "changes nothing");
	lab_do(-1, "%s -D DOCKER-USER -i tsl-+ -m comment --comment tslink-test -j ACCEPT", iptables);
	is_number(ruleset_docker_missing(&ruleset), 1, "one of the two is missed");
	lab_do(-1, "%s -A DOCKER-USER -i tsl-+ -m comment --comment tslink-test -j ACCEPT", iptables);
	is_number(ruleset_docker_missing(&ruleset), 1, "also where it is, but behind the end");
	lab_do(-1, "%s -I DOCKER-USER 1 -o tsl-+ -m comment --comment tslink-test -j ACCEPT", iptables);
	apply("repaired");
	is(chain(iptables),
	   "-A DOCKER-USER -o tsl-+ -m comment --comment tslink-test -j ACCEPT;-A DOCKER-USER -s 192.0.2.99/32 -j DROP;"
	   "-A DOCKER-USER -i tsl-+ -m comment --comment tslink-test -j ACCEPT;-A DOCKER-USER -j RETURN;",
	   "each once, where packets come by");
	is_number(ruleset_docker_missing(&ruleset), 0, "nothing is missing any more");
	const struct ruleset second = {.table = "tslink2", .prefix = "ts"};
	ok(ruleset_apply(&second, NULL, 0, &why) == 0 && ruleset_remove(&second, &why) == 0 &&
	           ruleset_docker_missing(&ruleset) == 0,
	   "another tree's rules are its own");
	is_number(ruleset_remove(&ruleset, &why), 0, "removed");
	is(chain(iptables), "-A DOCKER-USER -s 192.0.2.99/32 -j DROP;-A DOCKER-USER -j RETURN;",
	   "only the operator's rules are left");
	is(chain(ip6tables), "-A DOCKER-USER -s 2001:db8::99/128 -j DROP;-A DOCKER-USER -j RETURN;", "also of IPv6");
	apply("put back");
	lab_do(-1,
	       "%s -P FORWARD ACCEPT; for i in %s %s; do $i -F FORWARD && $i -F DOCKER-USER && $i -X DOCKER-USER; done",
	       iptables, iptables, ip6tables);
}

int main(void)
{
	lab_enter();
	autonetlink struct nl_sock *nl = netlink_open();
	build(nl);
	autofd int host = lab_udp(-1, (struct lab_socket){.address = "0.0.0.0", .port = PORT});
	autofd int host6 = lab_udp(-1, (struct lab_socket){.address = "::", .port = PORT});
	life();
	to_the_world();
	isolation(false);
	within();
	guard(host, host6, false);
	spoofing(host, host6, false);
	bridged(true);
	docker_user("iptables-nft", "ip6tables-nft");
	docker_user("iptables-legacy", "ip6tables-legacy");
	printf("# as for a kernel before 5.19\n");
	int persona = personality(0xffffffff);
	personality((unsigned long)persona | UNAME26);
	apply("the source check in prerouting");
	personality((unsigned long)persona);
	ok(!strcmp(lab_line(-1, "nft list chain inet tslink-test prerouting | grep -c 'jump source'"), "1"),
	   "is there");
	to_the_world();
	within();
	guard(host, host6, false);
	spoofing(host, host6, false);
	bridged(false);
	struct why why = {0};
	is_number(ruleset_remove(&ruleset, &why), 0, "removed");
	is(lab_line(-1, "nft list ruleset | grep -c tslink; iptables-nft -S | grep tsl; iptables-legacy -S | grep tsl"),
	   "0", "without a trace");
	lab_do(-1,
	       "nft 'table ip nat_only { chain p { type nat hook postrouting priority srcnat; iifname \"tsl-*\" oifname wan0 masquerade; }; }'");
	isolation(true);
	guard(host, host6, true);
	spoofing(host, host6, true);
	return tap_done();
}
