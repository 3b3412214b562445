/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_TESTS_NETLAB_H
#define TSLINK_TESTS_NETLAB_H

/*
 * Network namespaces, sockets in them, and packets between them, for the tests of lib/net. All vanish with the
 * process.
 */

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/net/netns.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>

#define ARRIVES 2000   /* ms: longest wait for a packet that is to arrive */
#define STAYS_AWAY 100 /* ms: how long a packet that is not to arrive is given */

/*
 * Into a network namespace and a mount namespace of our own. A test program that may not says so in TAP and is
 * skipped.
 */
static inline void lab_enter(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0); /* a line stays one, whatever the commands that the test runs write */
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) < 0) {
		printf("1..0 # SKIP needs root\n");
		exit(0);
	}
	if (system("ip link set lo up") != 0)
		exit(1);
}

static inline int lab_new_netns_inner(void *arg)
{
	int *fd = arg;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	*fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return system("ip link set lo up");
}

/* A new network namespace with lo up. */
static inline int lab_new_netns(void)
{
	int fd = -1;
	autofd int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (netns_run(own, lab_new_netns_inner, &fd) != 0 || fd < 0) {
		fprintf(stderr, "cannot make a network namespace\n");
		exit(1);
	}
	return fd;
}

static inline int lab_system(void *command)
{
	return system(command);
}

/* Runs a shell command in a namespace (-1: our own). Returns its status, 0 for success. */
__attribute__((format(printf, 2, 3), unused)) static int lab_run(int netns, const char *fmt, ...)
{
	char command[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(command, sizeof command, fmt, ap);
	va_end(ap);
	return netns < 0 ? system(command) : netns_run(netns, lab_system, command);
}

/* The same for what must work. */
#define lab_do(...)                                                                \
	do {                                                                       \
		if (lab_run(__VA_ARGS__) != 0) {                                   \
			printf("Bail out! line %d: a command failed\n", __LINE__); \
			exit(1);                                                   \
		}                                                                  \
	} while (0)

/* What a command writes, its first line. */
__attribute__((unused)) static const char *lab_line(int netns, const char *command)
{
	static char line[512];
	char all[1024];
	line[0] = '\0';
	snprintf(all, sizeof all, "{ %s; } > /tmp/netlab.%d", command, getpid());
	lab_run(netns, "%s", all);
	snprintf(all, sizeof all, "/tmp/netlab.%d", getpid());
	FILE *f = fopen(all, "r");
	if (f) {
		if (!fgets(line, sizeof line, f))
			line[0] = '\0';
		fclose(f);
		unlink(all);
	}
	line[strcspn(line, "\n")] = '\0';
	return line;
}

struct lab_socket {
	const char *address; /* to bind to, or NULL */
	int port;            /* to bind to, or 0 */
	const char *device;  /* to bind to, or NULL */
	uint32_t mark;
	int family; /* 0: that of the address */
	int fd;
};

static inline socklen_t lab_address(const char *address, int port, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *v6 = (void *)out;
	struct sockaddr_in *v4 = (void *)out;
	memset(out, 0, sizeof *out);
	if (strchr(address, ':')) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		inet_pton(AF_INET6, address, &v6->sin6_addr);
		return sizeof *v6;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	inet_pton(AF_INET, address, &v4->sin_addr);
	return sizeof *v4;
}

static inline int lab_socket_inner(void *arg)
{
	struct lab_socket *s = arg;
	struct sockaddr_storage to;
	int one = 1;
	const char *any = s->family == AF_INET6 ? "::" : "0.0.0.0";
	socklen_t len = lab_address(s->address ? s->address : any, s->port, &to);
	s->fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || setsockopt(s->fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof one) < 0 ||
	    (to.ss_family == AF_INET6 && setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0) ||
	    (s->mark && setsockopt(s->fd, SOL_SOCKET, SO_MARK, &s->mark, sizeof s->mark) < 0) ||
	    (s->device && setsockopt(s->fd, SOL_SOCKET, SO_BINDTODEVICE, s->device, (socklen_t)strlen(s->device)) < 0))
		return -1;
	return bind(s->fd, (void *)&to, len);
}

/* A UDP socket in a namespace. */
__attribute__((unused)) static int lab_udp(int netns, struct lab_socket s)
{
	int r = netns < 0 ? lab_socket_inner(&s) : netns_run(netns, lab_socket_inner, &s);
	if (r != 0) {
		printf("Bail out! no socket on %s:%d: %s\n", s.address ? s.address : "*", s.port, strerror(errno));
		exit(1);
	}
	return s.fd;
}

/* Sends one datagram. 0, or the errno. */
static inline int lab_send(int fd, const char *address, int port)
{
	struct sockaddr_storage to;
	socklen_t len = lab_address(address, port, &to);
	return sendto(fd, "ping", 4, 0, (void *)&to, len) == 4 ? 0 : errno;
}

/* Receives one within ms; from ("address port", 64 bytes, or NULL). */
static inline bool lab_receive(int fd, int ms, char *from)
{
	char data[64], host[INET6_ADDRSTRLEN], port[8];
	struct sockaddr_storage peer;
	socklen_t len = sizeof peer;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (poll(&p, 1, ms) != 1 || recvfrom(fd, data, sizeof data, 0, (void *)&peer, &len) < 0)
		return false;
	if (from && getnameinfo((void *)&peer, len, host, sizeof host, port, sizeof port,
	                        NI_NUMERICHOST | NI_NUMERICSERV | NI_DGRAM) == 0)
		snprintf(from, 64, "%s %s", host, port);
	return true;
}

static inline void lab_drain(int fd)
{
	char data[64];
	while (recv(fd, data, sizeof data, MSG_DONTWAIT) >= 0)
		;
}

/* Does a datagram sent from fd to the address arrive at the socket `at`? expected tells how long to wait for it. */
__attribute__((unused)) static bool lab_arrives(int fd, const char *address, int port, int at, bool expected,
                                                char *from)
{
	lab_drain(at);
	if (lab_send(fd, address, port) != 0)
		return false;
	return lab_receive(at, expected ? ARRIVES : STAYS_AWAY, from);
}

/* Answers the next datagram of a socket to its sender. */
__attribute__((unused)) static bool lab_answer(int at)
{
	char data[64];
	struct sockaddr_storage peer;
	socklen_t len = sizeof peer;
	struct pollfd p = {.fd = at, .events = POLLIN};
	if (poll(&p, 1, ARRIVES) != 1 || recvfrom(at, data, sizeof data, 0, (void *)&peer, &len) < 0)
		return false;
	return sendto(at, "pong", 4, 0, (void *)&peer, len) == 4;
}

/* A UDP datagram as a raw frame: what an application with CAP_NET_RAW can put on the wire, with any addresses. */
struct lab_frame {
	const char *device;      /* that it leaves by */
	const char *mac;         /* of the receiver, "02:42:..." */
	const char *source, *to; /* IPv4 or IPv6 */
	int port;                /* to; from port 4000 */
};

static inline uint16_t lab_checksum(const void *data, size_t len, uint32_t sum)
{
	const unsigned char *p = data;
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline size_t lab_build_frame(const struct lab_frame *f, unsigned char *frame)
{
	struct ether_header ether = {.ether_type = htons(strchr(f->to, ':') ? ETHERTYPE_IPV6 : ETHERTYPE_IP),
	                             .ether_shost = {2, 0, 0, 0, 0, 9}};
	struct udphdr udp = {.source = htons(4000), .dest = htons((uint16_t)f->port), .len = htons(12)};
	unsigned char *at = frame + sizeof ether, *body;
	size_t header;
	uint32_t sum = 12 + IPPROTO_UDP;
	sscanf(f->mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", ether.ether_dhost, ether.ether_dhost + 1,
	       ether.ether_dhost + 2, ether.ether_dhost + 3, ether.ether_dhost + 4, ether.ether_dhost + 5);
	memcpy(frame, &ether, sizeof ether);
	if (strchr(f->to, ':')) {
		struct ip6_hdr ip = {.ip6_plen = htons(12), .ip6_nxt = IPPROTO_UDP, .ip6_hlim = 64};
		header = sizeof ip;
		ip.ip6_vfc = 0x60;
		inet_pton(AF_INET6, f->source, &ip.ip6_src);
		inet_pton(AF_INET6, f->to, &ip.ip6_dst);
		sum += lab_checksum(&ip.ip6_src, 32, 0);
		memcpy(at, &ip, sizeof ip);
	} else {
		struct iphdr ip = {.version = 4, .ihl = 5, .tot_len = htons(32), .ttl = 64, .protocol = IPPROTO_UDP};
		header = sizeof ip;
		inet_pton(AF_INET, f->source, &ip.saddr);
		inet_pton(AF_INET, f->to, &ip.daddr);
		sum += lab_checksum(&ip.saddr, 8, 0);
		ip.check = htons((uint16_t)~lab_checksum(&ip, sizeof ip, 0));
		memcpy(at, &ip, sizeof ip);
	}
	body = at + header;
	memcpy(body, &udp, sizeof udp);
	memcpy(body + sizeof udp, "fake", 4);
	udp.check = htons((uint16_t)~lab_checksum(body, 12, sum));
	memcpy(body, &udp, sizeof udp);
	return sizeof ether + header + 12;
}

static inline int lab_frame_inner(void *arg)
{
	const struct lab_frame *f = arg;
	unsigned char frame[128];
	size_t len = lab_build_frame(f, frame);
	autofd int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(f->device), .sll_halen = 6};
	return fd >= 0 && sendto(fd, frame, len, 0, (void *)&to, sizeof to) == (ssize_t)len ? 0 : -1;
}

/* Does a raw frame sent in a namespace end at the socket `at`? */
__attribute__((unused)) static bool lab_frame_arrives(int netns, struct lab_frame frame, int at, bool expected)
{
	lab_drain(at);
	if (netns_run(netns, lab_frame_inner, &frame) != 0) {
		printf("Bail out! cannot send a raw frame by %s: %s\n", frame.device, strerror(errno));
		exit(1);
	}
	return lab_receive(at, expected ? ARRIVES : STAYS_AWAY, NULL);
}

#endif
