/* SPDX-License-Identifier: ISC */
/* Plumbing against the real kernel. Needs root. */
#include "lib/base/file.h"
#include "lib/net/bridge.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/net/port.h"
#include "lib/net/uplink.h"
#include "netlab.h"
#include "tap.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/wait.h>

static const struct subnet range = {.base = 0x0ac80000, .bits = 16};

static void names(struct nl_sock *nl)
{
	char name[LINK_NAME], mac[LINK_MAC];
	ok(link_prefix_ok("tsl") && link_prefix_ok("a") && link_prefix_ok("ab3de"), "good prefixes");
	ok(!link_prefix_ok("") && !link_prefix_ok("tslink") && !link_prefix_ok("ts-") && !link_prefix_ok("3a") &&
	           !link_prefix_ok("Ts") && !link_prefix_ok("br") && !link_prefix_ok("a/b") && !link_prefix_ok("a+"),
	   "bad prefixes");
	link_bridge_name(name, "tsl", false, "0123456789abcdef");
	is(name, "tsl-b01234567", "bridge");
	link_bridge_name(name, "abcde", true, "0123456789abcdef");
	is(name, "abcde-i01234567", "internal bridge with the longest prefix");
	ok(link_bridge_name(name, "tsl", false, "0123") < 0 && link_bridge_name(name, "tsl", false, "../../etc") < 0,
	   "no network ID");
	link_slot_name(name, "tsl", LINK_UPLINK, 0x1f);
	is(name, "tsl-u001f", "uplink");
	link_slot_name(name, "abcde", LINK_PEER, (1 << 22) - 1);
	is(name, "abcde-c3fffff", "the last slot of a /8");
	is(link_mac(0x0ac80102, mac), "02:42:0a:c8:01:02", "MAC of an address");
	is_number(link_index(nl, "lo"), 1, "lo is the first interface");
	ok(link_index(nl, "nosuch") == 0 && errno == ENODEV, "an interface that is not there");
}

static void links(struct nl_sock *nl)
{
	struct why why = {0};
	const struct link_pair pair = {
		.name = "tsl-e0001", .peer = "tsl-c0001", .mtu = 1380, .mac = "02:42:0a:00:00:05", .peer_netns = -1};
	is_number(link_make_pair(nl, &pair, &why), 0, "a pair");
	unsigned first = link_index(nl, "tsl-e0001");
	is(lab_line(-1, "cat /sys/class/net/tsl-c0001/address"), "02:42:0a:00:00:05", "the peer has its MAC");
	is(lab_line(-1, "cat /sys/class/net/tsl-c0001/mtu"), "1380", "and the MTU");
	lab_do(-1, "ip link set tsl-c0001 up");
	is(lab_line(-1, "ip -6 addr show dev tsl-e0001"), "", "no IPv6 address on the host's end");
	is_number(link_make_pair(nl, &pair, &why), 0, "a pair of the same names replaces it");
	ok(link_index(nl, "tsl-e0001") != first, "by a new one");
	lab_do(-1, "ip link set tsl-c0001 name eth7");
	is_number(link_make_pair(nl, &pair, &why), 0, "also where one end has another name now");
	ok(link_index(nl, "eth7") == 0, "and that is gone");
	autofree char **list = link_list(nl, "tsl-");
	ok(list && list[0] && list[1] && !list[2] && !strcmp(list[0], "tsl-c0001") && !strcmp(list[1], "tsl-e0001"),
	   "the list of links");
	ok(link_delete(nl, "tsl-e0001", &why) == 0 && link_index(nl, "tsl-c0001") == 0, "deleted with its peer");
	is_number(link_delete(nl, "tsl-e0001", &why), 0, "deleting nothing is success");
	const struct link_pair orphan = {
		.name = "tsl-e0001", .peer = "tsl-c0001", .bridge = "tsl-bnosuch0", .peer_netns = -1};
	ok(link_make_pair(nl, &orphan, &why) < 0 && errno == ENODEV, "no bridge, no port");
	is(why.text, "tsl-e0001: cannot find its bridge tsl-bnosuch0: No such device", "and it is named");
	const struct link_pair bad = {.name = "tsl-e0001", .peer = "tsl-c0001", .mac = "02:42", .peer_netns = -1};
	ok(link_make_pair(nl, &bad, &why) < 0 && errno == EINVAL, "a MAC address that is none");
}

static void default_mtu(struct nl_sock *nl)
{
	is_number(link_default_mtu(nl), 1500, "MTU without any default route");
	lab_do(-1,
	       "ip link add wan0 type veth peer name wan1 && ip link set wan0 mtu 1412 up && ip addr add 192.0.2.2/24 dev wan0 && "
	       "ip route add default via 192.0.2.1");
	is_number(link_default_mtu(nl), 1412, "MTU of the default route");
	lab_do(-1, "ip link del wan0");
}

static int port_of(struct nl_sock *nl, const char *bridge)
{
	const struct link_pair port = {
		.name = "tsl-e0002", .peer = "tsl-c0002", .mtu = 1400, .bridge = bridge, .peer_netns = -1};
	return link_make_pair(nl, &port, NULL);
}

/* Is the bridge port in state forwarding (3) within ms? Each change of a port's state is told of by netlink. */
static bool forwards_within(const char *port, int ms)
{
	int64_t deadline = deadline_in(ms);
	char path[64], state[8];
	autofd int events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl group = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	snprintf(path, sizeof path, "/sys/class/net/%s/brport/state", port);
	if (bind(events, (void *)&group, sizeof group) < 0)
		return false;
	while (file_read(AT_FDCWD, path, state, sizeof state) > 0 && strcmp(state, "3") != 0)
		if (!lab_receive(events, deadline_left(deadline), NULL))
			return false;
	return !strcmp(state, "3");
}

static void bridges(struct nl_sock *nl)
{
	struct why why = {0};
	const char *const addresses[] = {"172.30.0.1/16", "fd00:30::1/64", NULL};
	struct bridge bridge = {.name = "tsl-b0000abcd", .mtu = 1400, .addresses = addresses, .uplinks = &range};
	is_number(bridge_ensure(nl, &bridge, &why), 0, "a bridge");
	is(lab_line(-1, "ip -o -4 addr show dev tsl-b0000abcd | tr -s ' ' | cut -d' ' -f4"), "172.30.0.1/16",
	   "with its address");
	is(lab_line(-1, "ip -o -6 addr show dev tsl-b0000abcd scope global | grep -c 'fd00:30::1/64.*nodad'"), "1",
	   "and that of IPv6");
	is(lab_line(-1, "ip -o -6 addr show dev tsl-b0000abcd tentative"), "", "that is usable at once");
	is(lab_line(-1, "cat /sys/class/net/tsl-b0000abcd/address"), "02:42:ac:1e:00:01", "a MAC by its address");
	is(lab_line(-1, "cat /sys/class/net/tsl-b0000abcd/mtu"), "1400", "its MTU without ports");
	ok(port_of(nl, bridge.name) == 0, "a port");
	lab_do(-1, "ip link set tsl-c0002 up");
	ok(forwards_within("tsl-e0002", 2000), "forwards as soon as its peer is up");
	is(lab_line(-1, "cat /sys/class/net/tsl-b0000abcd/address"), "02:42:ac:1e:00:01", "the MAC stays with a port");
	link_delete(nl, "tsl-e0002", NULL);
	is(lab_line(-1, "cat /sys/class/net/tsl-b0000abcd/mtu"), "1400", "the MTU stays without");
	unsigned index = link_index(nl, bridge.name);
	lab_do(-1, "ip addr del 172.30.0.1/16 dev tsl-b0000abcd && ip link set tsl-b0000abcd down mtu 1300");
	is_number(bridge_ensure(nl, &bridge, &why), 0, "again");
	ok(link_index(nl, bridge.name) == index, "it is the same one");
	is(lab_line(-1, "ip -o -4 addr show dev tsl-b0000abcd | tr -s ' ' | cut -d' ' -f4"), "172.30.0.1/16",
	   "the address is repaired");
	is(lab_line(-1, "ip -o -6 addr show dev tsl-b0000abcd | grep -c fd00:30::1"), "1", "that of IPv6, too");
	is(lab_line(-1, "cat /sys/class/net/tsl-b0000abcd/flags /sys/class/net/tsl-b0000abcd/mtu | tr '\\n' ' '"),
	   "0x1003 1400 ", "up, with its MTU");
	const char *const overlapping[] = {"10.200.7.1/24", NULL}, *const bad[] = {"172.30.0.1", NULL};
	bridge.addresses = overlapping;
	ok(bridge_ensure(nl, &bridge, &why) < 0 && errno == EINVAL, "an address among the uplinks is refused");
	is(why.text,
	   "the network's 10.200.7.1/24 overlaps 10.200.0.0/16, where the uplinks of the nodes are: choose another --subnet, or another "
	   "TSLINK_SUBNET",
	   "with the way out");
	bridge.addresses = bad;
	ok(bridge_ensure(nl, &bridge, &why) < 0 && errno == EINVAL, "an address without prefix length");
	lab_do(-1, "ip link add tsl-bffffffff type veth peer name veth9");
	bridge.name = "tsl-bffffffff";
	bridge.addresses = addresses;
	ok(bridge_ensure(nl, &bridge, &why) < 0 && errno == EEXIST, "no bridge, though of that name");
	lab_do(-1,
	       "ip link del veth9 && ip link del tsl-b0000abcd && echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
	bridge.name = "tsl-b0000beef";
	is_number(bridge_ensure(nl, &bridge, &why), 0, "where the host has IPv6 off by default");
	lab_do(-1, "ip link del tsl-b0000beef && echo 0 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
}

/* Waits until the parent process sleeps, as it does in poll(2). */
static bool parent_sleeps(int64_t deadline)
{
	char path[32], stat[512] = "";
	snprintf(path, sizeof path, "/proc/%d/stat", getppid());
	while (now_ms() < deadline) {
		autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = read(fd, stat, sizeof stat - 1);
		const char *name_end = n > 0 ? memrchr(stat, ')', (size_t)n) : NULL;
		if (name_end && name_end[2] == 'S')
			return true;
		sched_yield();
	}
	return false;
}

/* What stands at a path before a namespace does. A child mounts it there later. */
static void namespaces(void)
{
	char dir[] = "/tmp/t_net.XXXXXX", path[64];
	if (!mkdtemp(dir))
		return;
	snprintf(path, sizeof path, "%s/netns", dir);
	ok(netns_open(path) < 0 && errno == ENOENT, "nothing there");
	int64_t start = now_ms();
	ok(netns_wait(path, deadline_in(50)) < 0 && errno == ETIMEDOUT && now_ms() - start >= 50,
	   "the wait has an end");
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	ok(netns_open(path) < 0 && errno == ENOENT, "an empty file is no namespace");
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		/* the order is what is tested: the other one is to wait already */
		_exit(!parent_sleeps(deadline_in(5000)) || mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) != 0);
	}
	autofd int fd = netns_wait(path, deadline_in(5000));
	ok(fd >= 0 && netns_is_own(fd), "it is seen when it is mounted");
	waitpid(pid, NULL, 0);
	umount2(path, MNT_DETACH);
	lab_do(-1, "mount --bind /proc/self/ns/uts %s", path);
	ok(netns_open(path) < 0 && errno == EINVAL, "a namespace of another type");
	umount2(path, MNT_DETACH);
	autofd int other = lab_new_netns();
	ok(!netns_is_own(other), "another namespace");
	autonetlink struct nl_sock *inside = netlink_open_in(other);
	ok(inside && link_index(inside, "lo") == 1 && !link_index(inside, "tsl-here"), "a socket inside");
	tree_remove(AT_FDCWD, dir);
}

static int make(struct nl_sock *nl, int netns, uint32_t slot, struct why *why)
{
	const struct uplink uplink = {.prefix = "tsl", .range = &range, .slot = slot, .mtu = 1400};
	return uplink_make(nl, netns, &uplink, why);
}

static int take_away(struct nl_sock *nl, int netns, uint32_t slot)
{
	const struct uplink uplink = {.prefix = "tsl", .range = &range, .slot = slot};
	return uplink_remove(nl, netns, &uplink, NULL);
}

/* Does a datagram of this socket get its answer from the host? */
static bool talks(int from, int host, bool expected)
{
	return lab_arrives(from, "192.0.2.1", 5000, host, expected, NULL);
}

static void uplink_traffic(int inside)
{
	autofd int host = lab_udp(-1, (struct lab_socket){.address = "192.0.2.1", .port = 5000});
	autofd int marked = lab_udp(inside, (struct lab_socket){.mark = UPLINK_MARK});
	autofd int plain = lab_udp(inside, (struct lab_socket){.address = "0.0.0.0"});
	autofd int bound = lab_udp(inside, (struct lab_socket){.address = "10.200.0.30"});
	autofd int device = lab_udp(inside, (struct lab_socket){.device = "tslink0"});
	char from[64] = "";
	ok(lab_arrives(marked, "192.0.2.1", 5000, host, true, from), "marked packets leave by the uplink");
	ok(!strncmp(from, "10.200.0.30 ", 12), "with its address");
	ok(lab_send(marked, "192.0.2.1", 5000) == 0 && lab_answer(host) && lab_receive(marked, ARRIVES, NULL),
	   "and are answered, with a strict reverse path filter and no other route");
	is_number(lab_send(plain, "192.0.2.1", 5000), ENETUNREACH, "an application has no route by it");
	ok(!talks(bound, host, false), "nor by binding to its address");
	ok(!talks(device, host, false), "nor by binding to it");
	int tailnet = lab_send(plain, "100.64.0.9", 9);
	ok(tailnet == EHOSTUNREACH || tailnet == ENETUNREACH, "tailnet addresses are unreachable");
	lab_do(inside, "ip rule del pref 5101");
	ok(lab_send(marked, "192.0.2.1", 5000) == 0 && lab_answer(host) && !lab_receive(marked, STAYS_AWAY, NULL),
	   "(without rule 5101 the filter would drop the answer)");
}

static void uplinks(struct nl_sock *nl)
{
	struct why why = {0};
	autofd int inside = lab_new_netns();
	lab_do(-1, "ip addr add 192.0.2.1/32 dev lo");
	lab_do(inside,
	       "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter; echo 1 > /proc/sys/net/ipv4/conf/default/rp_filter");
	is_number(make(nl, inside, 7, &why), 0, "an uplink");
	is(lab_line(
		   inside,
		   "cat /proc/sys/net/ipv4/conf/tslink0/rp_filter /proc/sys/net/ipv4/conf/all/rp_filter | tr '\\n' ' '"),
	   "1 1 ", "no sysctl is touched");
	is(lab_line(inside, "ip -o -4 addr show dev tslink0 | tr -s ' ' | cut -d' ' -f4"), "10.200.0.30/30",
	   "the container's address");
	is(lab_line(inside, "ip route show table main"), "unreachable 100.64.0.0/10 proto static ",
	   "in table main there is only the guard");
	is(lab_line(inside, "ip -6 route show table main | grep -o 'unreachable fd7a:115c:a1e0::/48'"),
	   "unreachable fd7a:115c:a1e0::/48", "for IPv6, too");
	is(lab_line(inside, "ip link show tslink0 | grep -o 'mtu 1400'"), "mtu 1400", "the MTU");
	is(lab_line(inside, "ip -6 addr show dev tslink0; ip -6 addr show dev tsl-u0007 2>/dev/null"), "",
	   "no IPv6 on it");
	unsigned index = link_index(nl, "tsl-u0007");
	is_number(make(nl, inside, 7, &why), 0, "again");
	ok(link_index(nl, "tsl-u0007") == index, "leaves what is right");
	uplink_traffic(inside);
	lab_do(-1, "ip addr flush dev tsl-u0007 && ip link set tsl-u0007 down");
	lab_do(inside, "ip rule add pref 5101 from 10.200.9.2 lookup 7201 && ip rule del pref 5100");
	lab_do(inside,
	       "ip route flush table 7200 && ip route flush table 7201 && ip route del unreachable 100.64.0.0/10");
	is_number(make(nl, inside, 7, &why), 0, "a damaged one is repaired");
	is(lab_line(inside, "ip rule | grep -c '^510[01]:'"), "2", "with each rule once");
	uplink_traffic(inside);
	is_number(make(nl, inside, 7, &why), 0, "again");
	is_number(make(nl, inside, 300, &why), 0, "another slot in the same container");
	ok(!link_index(nl, "tsl-u0007") && link_index(nl, "tsl-u012c"), "replaces the first");
	is(lab_line(inside, "ip rule | grep -c '^510[01]:'"), "2", "with each rule once");
	is_number(take_away(nl, inside, 7), 0, "the first one is removed late");
	is(lab_line(inside, "ip rule | grep -c '^510[01]:'"), "2", "which leaves the second alone");
	autofd int second = lab_new_netns();
	is_number(make(nl, second, 300, &why), 0, "a leftover of the slot in another container");
	ok(link_index(nl, "tsl-u012c") && lab_run(inside, "ip link show tslink0 > /dev/null 2>&1") != 0, "is replaced");
	struct uplink foreign = {.prefix = "ts", .range = &range, .slot = 9};
	ok(uplink_make(nl, second, &foreign, &why) < 0 && errno == EEXIST,
	   "another tree's uplink in the container is respected");
	is(why.text,
	   "the container has an uplink of another tree of tslink (tslink0 tsl-u012c): take it off that tree's network first",
	   "and named");
	is_number(take_away(nl, second, 300), 0, "removed from a running container");
	is(lab_line(second,
	            "ip rule | grep '^510'; ip route show table all | grep -E '720|100.64'; ip -o link | grep tslink0"),
	   "", "without a trace");
	is_number(take_away(nl, second, 300), 0, "twice");
	lab_do(second, "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
	is_number(make(nl, second, 301, &why), 0, "in a container without IPv6");
	is_number(take_away(nl, -1, 301), 0, "from the host's side");
	ok(!link_index(nl, "tsl-u012d"), "it is gone");
	is_number(make(nl, second, 301, NULL), 0, "and comes back");
	int64_t start = now_ms();
	for (uint32_t i = 400; i < 440; i++)
		make(nl, second, i, NULL);
	printf("# uplink_make, replacing another: %.2f ms\n", (double)(now_ms() - start) / 40);
}

/*
 * The answer to a marked packet passes the container's reverse path filter, whatever it is set to, with every kind of
 * default route that the container may have. src_valid_mark is what tailscaled itself may turn on.
 */
static void reverse_path(struct nl_sock *nl)
{
	static const char *const routes[] = {"no default route", "a default route by eth0",
	                                     "an unreachable default route"};
	autofd int inside = lab_new_netns();
	autofd int host = lab_udp(-1, (struct lab_socket){.address = "192.0.2.1", .port = 5000});
	lab_do(inside,
	       "ip link add eth0 type veth peer name nobody && ip link set eth0 up && ip link set nobody up && ip addr add 172.29.0.2/16 dev eth0");
	for (int route = 0; route < 3; route++)
		for (int filter = 0; filter < 3; filter++)
			for (int valid_mark = 0; valid_mark < 2; valid_mark++) {
				lab_do(inside,
				       "ip route flush exact default; ip link del tslink0 2> /dev/null; cd /proc/sys/net/ipv4/conf && echo %d > "
				       "all/rp_filter && echo %d > default/rp_filter && echo %d > all/src_valid_mark",
				       filter, filter, valid_mark);
				if (route)
					lab_do(inside, route == 1 ? "ip route add default via 172.29.0.1"
					                          : "ip route add unreachable default");
				make(nl, inside, 11, NULL);
				autofd int marked = lab_udp(inside, (struct lab_socket){.mark = UPLINK_MARK});
				char from[64] = "";
				bool there = lab_arrives(marked, "192.0.2.1", 5000, host, true, from);
				ok(there && !strncmp(from, "10.200.0.46 ", 12) &&
				           lab_send(marked, "192.0.2.1", 5000) == 0 && lab_answer(host) &&
				           lab_receive(marked, ARRIVES, NULL),
				   "there and back with rp_filter %d, src_valid_mark %d and %s", filter, valid_mark,
				   routes[route]);
			}
	take_away(nl, inside, 11);
}

/* eth0 as Docker gets it. */
static void ports(struct nl_sock *nl)
{
	struct why why = {0};
	char peer[LINK_NAME] = "";
	const char *const addresses[] = {"172.30.0.1/16", NULL};
	const struct bridge bridge = {.name = "tsl-b0000abcd", .addresses = addresses};
	const struct port port = {.prefix = "tsl", .slot = 20, .mtu = 1380, .mac = "02:42:ac:1e:00:05"};
	const struct port random = {.prefix = "tsl", .slot = 21};
	autofd int inside = lab_new_netns();
	ok(port_make(nl, &port, bridge.name, peer, &why) < 0 && errno == ENODEV, "no port without its bridge");
	ok(bridge_ensure(nl, &bridge, &why) == 0 && port_make(nl, &port, bridge.name, peer, &why) == 0,
	   "a port of a bridge");
	is(peer, "tsl-c0014", "its peer");
	is(lab_line(-1, "ip -o link show master tsl-b0000abcd | grep -o 'tsl-e0014@.*mtu 1380'"),
	   "tsl-e0014@tsl-c0014: <NO-CARRIER,BROADCAST,MULTICAST,UP,M-DOWN> mtu 1380",
	   "the host's end, up, with the MTU");
	is(lab_line(-1, "cat /sys/class/net/tsl-c0014/address"), "02:42:ac:1e:00:05", "the MAC address asked for");
	is_number(port_make(nl, &port, bridge.name, peer, &why), 0, "again");
	ok(port_make(nl, &random, bridge.name, peer, &why) == 0 && link_index(nl, "tsl-e0015"), "one without wishes");
	lab_do(-1, "ip link set tsl-c0014 netns /proc/%d/fd/%d", getpid(), inside);
	lab_do(inside,
	       "ip link set tsl-c0014 name eth0 up && ip addr add 172.30.0.5/16 dev eth0 && ip route add default via 172.30.0.1");
	autofd int host = lab_udp(-1, (struct lab_socket){.address = "172.30.0.1", .port = 5000});
	autofd int in = lab_udp(inside, (struct lab_socket){.port = 5001});
	ok(forwards_within("tsl-e0014", 2000) && lab_arrives(in, "172.30.0.1", 5000, host, true, NULL),
	   "its gateway answers where Docker put it");
	ok(port_remove(nl, "tsl", 20, &why) == 0 && !link_index(nl, "tsl-e0014") &&
	           lab_run(inside, "ip link show eth0 > /dev/null 2>&1") != 0,
	   "removed with the end in the container");
	ok(port_remove(nl, "tsl", 20, &why) == 0 && link_index(nl, "tsl-e0015"), "twice, and no other");
	is_number(port_make_point(nl, &random, &range, true, peer, &why), 0, "a point-to-point link in its place");
	ok(!link_index(nl, "tsl-e0015") && link_index(nl, "tsl-q0015"), "of an internal network");
	ok(port_make_point(nl, &random, &range, false, peer, &why) == 0 && !link_index(nl, "tsl-q0015") &&
	           !strcmp(peer, "tsl-c0015"),
	   "and of one that is not");
	is(lab_line(-1, "ip -o -4 addr show dev tsl-p0015 | tr -s ' ' | cut -d' ' -f4"), "10.200.0.85/30",
	   "the gateway's address");
	lab_do(-1, "ip link set tsl-c0015 netns /proc/%d/fd/%d", getpid(), inside);
	lab_do(inside,
	       "ip link set tsl-c0015 name eth0 up && ip addr add 10.200.0.86/30 dev eth0 && ip route add default via 10.200.0.85");
	ok(lab_arrives(in, "172.30.0.1", 5000, host, true, NULL), "leads to the host");
	ok(port_remove(nl, "tsl", 21, &why) == 0 && !link_index(nl, "tsl-p0015"), "removed");
	ok(port_make(nl, &(struct port){.prefix = "too-long", .slot = 1}, bridge.name, peer, &why) < 0 &&
	           errno == EINVAL,
	   "a prefix that is none");
	int64_t start = now_ms();
	for (uint32_t i = 100; i < 150; i++)
		port_make(nl, &(struct port){.prefix = "tsl", .slot = i, .mtu = 1380, .mac = port.mac}, bridge.name,
		          peer, NULL);
	printf("# port_make: %.2f ms\n", (double)(now_ms() - start) / 50);
	for (uint32_t i = 100; i < 150; i++)
		port_remove(nl, "tsl", i, NULL);
	start = now_ms();
	for (uint32_t i = 100; i < 110; i++) {
		autofd int fresh = lab_new_netns();
		make(nl, fresh, i, NULL);
	}
	printf("# uplink_make with a new namespace and a shell in it: %.2f ms\n", (double)(now_ms() - start) / 10);
	link_delete(nl, bridge.name, NULL);
}

static int claims_dir(char *path)
{
	strcpy(path, "/tmp/t_net.XXXXXX");
	return mkdtemp(path) ? open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC) : -1;
}

static void routes_in_the_way(struct nl_sock *nl)
{
	struct why why = {0};
	struct subnet small = {.base = 0x0a800000, .bits = 26}; /* 10.128.0.0/26: 12 slots */
	char path[32];
	autofd int dir = claims_dir(path);
	lab_do(-1,
	       "ip link add lan0 type veth peer name lan1 && ip link set lan0 up && ip link set lan1 up && ip addr add 198.18.0.1/24 dev lan0");
	lab_do(-1,
	       "ip route add 10.128.0.0/29 dev lan0 && ip route add 10.128.0.18/32 dev lan0 && ip route add 10.0.0.0/8 dev lan0");
	lab_do(-1,
	       "ip link add tsl-u0003 type veth peer name x && ip link set tsl-u0003 up && ip addr add 10.128.0.13/30 dev tsl-u0003");
	bool seen[12] = {false};
	int count = 0;
	int64_t slot;
	for (int i = 0; i < 20; i++) {
		char target[16];
		snprintf(target, sizeof target, "e%d", i);
		slot = subnet_claim(dir, &small, target, target, nl, "tsl", &why);
		if (slot < 0)
			break;
		seen[slot] = true;
		count++;
	}
	ok(slot < 0 && errno == ENOSPC && count == 9, "9 of 12 slots are free of the host's routes");
	ok(!seen[0] && !seen[1] && !seen[4], "not those that a network or a single address is in");
	ok(seen[3], "a leftover of our own is no obstacle, nor is a wider route");
	ok(strstr(why.text, "take 3; set TSLINK_SUBNET") != NULL, "the refusal tells of the routes");
	lab_do(-1, "ip route add 10.128.0.0/26 dev lan0 metric 5");
	tree_remove(AT_FDCWD, path);
	autofd int dir2 = claims_dir(path);
	slot = subnet_claim(dir2, &small, "a", "a", nl, "tsl", &why);
	ok(slot == 3 || slot < 0, "a route to the whole range takes it all");
	printf("# %s\n", why.text);
	struct subnet big = {.base = 0x0ac80000, .bits = 16};
	lab_do(-1, "ip route add 10.200.0.0/16 dev lan0");
	int64_t start = now_ms();
	ok(subnet_claim(dir2, &big, "a", "a", nl, "tsl", &why) < 0 && errno == ENOSPC, "a /16, too");
	is(why.text,
	   "no free /30 in 10.200.0.0/16: nodes hold 0 of its 16380, and this host's routes (such as 10.200.0.0/16 by lan0) take 16380; "
	   "set TSLINK_SUBNET to a larger or another range",
	   "and is named");
	printf("# in %lld ms\n", (long long)(now_ms() - start));
	tree_remove(AT_FDCWD, path);
}

int main(void)
{
	lab_enter();
	autonetlink struct nl_sock *nl = netlink_open();
	names(nl);
	links(nl);
	default_mtu(nl);
	bridges(nl);
	namespaces();
	uplinks(nl);
	reverse_path(nl);
	ports(nl);
	routes_in_the_way(nl);
	return tap_done();
}
