/* SPDX-License-Identifier: ISC */
#include "subnet.h"

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "link.h"
#include "request.h"
#include "route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOT_SIZE 4u
#define LEFT_OUT 4u

static uint32_t mask_of(int bits)
{
	return bits ? UINT32_MAX << (32 - bits) : 0;
}

/* "a.b.c.d/n" or "a.b.c.d" */
static int cidr_parse(const char *cidr, uint32_t *address, int *bits)
{
	char text[SUBNET_TEXT];
	struct in_addr in;
	size_t n = strcspn(cidr, "/");
	long number = 32;
	errno = EINVAL;
	if (n >= sizeof text)
		return -1;
	memcpy(text, cidr, n);
	text[n] = '\0';
	if (inet_pton(AF_INET, text, &in) != 1 || (cidr[n] && text_number(cidr + n + 1, 0, 32, &number) < 0)) {
		errno = EINVAL;
		return -1;
	}
	*address = ntohl(in.s_addr);
	*bits = (int)number;
	return 0;
}

static bool overlap(uint32_t a, int a_bits, uint32_t b, int b_bits)
{
	uint32_t mask = mask_of(a_bits < b_bits ? a_bits : b_bits);
	return (a & mask) == (b & mask);
}

int subnet_parse(const char *cidr, struct subnet *range, struct why *why)
{
	static const struct {
		uint32_t base;
		int bits;
		const char *text;
	} special[] = {{0x00000000, 8, "0.0.0.0/8 (this host)"},
	               {0x64400000, 10, "100.64.0.0/10 (Tailscale's own)"},
	               {0x7f000000, 8, "127.0.0.0/8 (loopback)"},
	               {0xe0000000, 3, "224.0.0.0/3 (multicast and reserved)"}};
	uint32_t base;
	int bits;
	char text[SUBNET_TEXT];
	if (!strchr(cidr, '/') || cidr_parse(cidr, &base, &bits) < 0) {
		errno = EINVAL;
		return why_set(why, "\"%s\" is no range of IPv4 addresses; write it as in 10.200.0.0/16", cidr);
	}
	errno = EINVAL;
	if (bits < 8 || bits > 28)
		return why_set(why, "%s: a range from /8 to /28 is wanted", cidr);
	if (base & ~mask_of(bits))
		return why_set(why, "%s is no network address; do you mean %s/%d?", cidr,
		               subnet_text(base & mask_of(bits), text), bits);
	for (size_t i = 0; i < sizeof special / sizeof *special; i++)
		if (overlap(base, bits, special[i].base, special[i].bits))
			return why_set(why, "%s overlaps %s; choose another range", cidr, special[i].text);
	*range = (struct subnet){.base = base, .bits = bits};
	return 0;
}

uint32_t subnet_count(const struct subnet *range)
{
	uint32_t all = 1u << (30 - range->bits);
	return all > 2 * LEFT_OUT ? all - LEFT_OUT : all;
}

uint32_t subnet_network(const struct subnet *range, uint32_t slot)
{
	return range->base + slot * SLOT_SIZE;
}

uint32_t subnet_host(const struct subnet *range, uint32_t slot)
{
	return subnet_network(range, slot) + 1;
}

uint32_t subnet_container(const struct subnet *range, uint32_t slot)
{
	return subnet_network(range, slot) + 2;
}

char *subnet_text(uint32_t address, char text[SUBNET_TEXT])
{
	struct in_addr in = {.s_addr = htonl(address)};
	inet_ntop(AF_INET, &in, text, SUBNET_TEXT);
	return text;
}

int64_t subnet_slot(const struct subnet *range, const char *text)
{
	uint32_t address;
	int bits;
	if (strchr(text, '/') || cidr_parse(text, &address, &bits) < 0 || address % SLOT_SIZE ||
	    !overlap(address, 32, range->base, range->bits) ||
	    (address - range->base) / SLOT_SIZE >= subnet_count(range)) {
		errno = EINVAL;
		return -1;
	}
	return (address - range->base) / SLOT_SIZE;
}

bool subnet_overlaps(const struct subnet *range, const char *cidr)
{
	uint32_t address;
	int bits;
	return cidr_parse(cidr, &address, &bits) == 0 && overlap(address, bits, range->base, range->bits);
}

/* A route of the host that is in the way. */
struct obstacle {
	uint32_t network;
	int bits;
	char link[LINK_NAME];
};

/*
 * Is this route somebody's network inside our range? What is ours, is wider than the range, or leads nowhere, is not.
 */
static bool in_the_way(struct nl_sock *nl, const struct subnet *range, const char *prefix, uint32_t address,
                       struct obstacle *found)
{
	uint32_t network_order = htonl(address);
	struct route_match match;
	struct link_state state;
	size_t n = strlen(prefix);
	if (route_lookup(nl, AF_INET, &network_order, &match) < 0 || match.bits < range->bits || !match.index)
		return false;
	if (link_state(nl, NULL, match.index, &state) < 0 ||
	    (strncmp(state.name, prefix, n) == 0 && state.name[n] == '-'))
		return false;
	found->network = address & mask_of(match.bits);
	found->bits = match.bits;
	memcpy(found->link, state.name, sizeof found->link);
	return true;
}

/* Looks up all four addresses of a slot, since a route to one of them alone is found by no other. */
static bool blocked(struct nl_sock *nl, const struct subnet *range, const char *prefix, uint32_t slot,
                    struct obstacle *found)
{
	for (uint32_t i = 0; i < SLOT_SIZE; i++)
		if (in_the_way(nl, range, prefix, subnet_network(range, slot) + i, found))
			return true;
	return false;
}

/* The first slot behind the obstacle. */
static uint32_t behind(const struct subnet *range, const struct obstacle *found)
{
	return ((found->network | ~mask_of(found->bits)) - range->base) / SLOT_SIZE + 1;
}

enum holder { NOBODY, TARGET, ANOTHER };

static enum holder holder_of(int dirfd, const char *name, const char *target)
{
	char holder[256];
	ssize_t n = readlinkat(dirfd, name, holder, sizeof holder);
	if (n < 0)
		return errno == ENOENT ? NOBODY : ANOTHER;
	return (size_t)n == strlen(target) && memcmp(holder, target, (size_t)n) == 0 ? TARGET : ANOTHER;
}

bool subnet_claimed(int dirfd, const struct subnet *range, uint32_t slot, const char *target)
{
	char name[SUBNET_TEXT];
	return holder_of(dirfd, subnet_text(subnet_network(range, slot), name), target) == TARGET;
}

static int full(const struct subnet *range, uint32_t blocked_slots, const struct obstacle *found, struct why *why)
{
	char base[SUBNET_TEXT], network[SUBNET_TEXT], obstacle[96] = "";
	if (blocked_slots)
		snprintf(obstacle, sizeof obstacle, ", and this host's routes (such as %s/%d by %s) take %u",
		         subnet_text(found->network, network), found->bits, found->link, blocked_slots);
	errno = ENOSPC;
	return why_set(
		why, "no free /30 in %s/%d: nodes hold %u of its %u%s; set TSLINK_SUBNET to a larger or another range",
		subnet_text(range->base, base), range->bits, subnet_count(range) - blocked_slots, subnet_count(range),
		obstacle);
}

int64_t subnet_claim(int dirfd, const struct subnet *range, const char *key, const char *target, struct nl_sock *nl,
                     const char *prefix, struct why *why)
{
	struct obstacle found = {0};
	uint32_t count = subnet_count(range), start = text_hash(key) % count;
	uint32_t blocked_slots = 0, open_again = 0; /* slots before open_again are in the way of what was found last */
	for (uint32_t tried = 0; tried < count; tried++) {
		uint32_t slot = (start + tried) % count;
		char name[SUBNET_TEXT];
		subnet_text(subnet_network(range, slot), name);
		enum holder holder = holder_of(dirfd, name, target);
		if (holder == TARGET)
			return slot;
		if (slot == 0)
			open_again = 0;
		if (holder == ANOTHER)
			continue;
		if (slot < open_again || (nl && blocked(nl, range, prefix, slot, &found))) {
			if (slot >= open_again)
				open_again = behind(range, &found);
			blocked_slots++;
			continue;
		}
		if (symlinkat(target, dirfd, name) == 0)
			return slot;
		if (errno != EEXIST)
			return why_sys(why, "cannot claim the /30 %s", name);
		tried--; /* taken this moment, maybe for this very target: look again */
	}
	return full(range, blocked_slots, &found, why);
}

int subnet_release(int dirfd, const struct subnet *range, uint32_t slot, const char *target)
{
	char name[SUBNET_TEXT];
	if (!subnet_claimed(dirfd, range, slot, target))
		return 0;
	return unlinkat(dirfd, subnet_text(subnet_network(range, slot), name), 0) < 0 && errno != ENOENT ? -1 : 0;
}

int subnet_release_all(int dirfd, const struct subnet *range, const char *target)
{
	autofree char **names = dir_list(dirfd, ".");
	if (!names)
		return -1;
	for (char **name = names; *name; name++) {
		int64_t slot = subnet_slot(range, *name);
		if (slot >= 0 && subnet_release(dirfd, range, (uint32_t)slot, target) < 0)
			return -1;
	}
	return 0;
}
