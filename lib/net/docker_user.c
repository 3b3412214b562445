/* SPDX-License-Identifier: ISC */
#include "docker_user.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/spawn.h"
#include "lib/base/file.h"
#include "nftables.h"
#include "ruleset.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h> /* before the kernel's header, that defines the same otherwise */

#include <linux/netfilter.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define CHAIN "DOCKER-USER"
#define LISTING (256 * 1024)
#define TIME_OUT 10000 /* ms, for one iptables that may have to wait for another's lock */

/*
 * iptables by backend and family of addresses. A host may hold rules of both backends, left by a change of its
 * alternatives or by two programs of different opinion, and the kernel heeds them all. Where only plain "iptables" is
 * installed, it is the one in use.
 */
struct backend {
	uint8_t nfproto;
	const char *programs[3];
	const char *tables; /* of the older backend, in this namespace: absent or empty if not in use. NULL: nftables */
};
static const struct backend backends[] = {
	{NFPROTO_IPV4, {"iptables-nft", "iptables"}, NULL},
	{NFPROTO_IPV4, {"iptables-legacy", "iptables"}, "/proc/net/ip_tables_names"},
	{NFPROTO_IPV6, {"ip6tables-nft", "ip6tables"}, NULL},
	{NFPROTO_IPV6, {"ip6tables-legacy", "ip6tables"}, "/proc/net/ip6_tables_names"},
};
enum { BACKENDS = sizeof backends / sizeof *backends };
static const char *const sides[2] = {"-i", "-o"};

/* What DOCKER-USER holds, as far as it is our business. Positions count from 1 as in `iptables -I`. */
struct chain {
	int end;          /* where to insert: before the first RETURN of everything, or behind the last rule */
	int reachable[2]; /* how many rules of ours there are per side that packets can reach */
	int useless;      /* position of one that they cannot reach, or of a second one; 0: none */
};

static int run(const char *program, const char *const *arguments, char *out, size_t size)
{
	const char *argv[20] = {program, "-w", "5"};
	size_t n = 3;
	while (*arguments && n < sizeof argv / sizeof *argv - 1)
		argv[n++] = *arguments++;
	return spawn_wait(argv, out, size, deadline_in(TIME_OUT));
}

/* Runs the first of the programs that is installed, and says which in *program. */
static int run_first(const char *const *names, const char *const *arguments, const char **program, char *out)
{
	int code = -1;
	for (*program = NULL; *names && !*program; names++) {
		code = run(*names, arguments, out, LISTING);
		if (code >= 0 || errno != ENOENT)
			*program = *names;
	}
	return code;
}

/* Is there a chain DOCKER-USER (nftables), or a table that may hold it? The kernel says so, without any program. */
static bool may_have_chain(const struct backend *b)
{
	char tables[256];
	if (!b->tables)
		return nftables_has(b->nfproto, "filter", CHAIN) == 1;
	return file_read(AT_FDCWD, b->tables, tables, sizeof tables) > 0 && strstr(tables, "filter");
}

/*
 * The chain's rules and the program that knows it: 1; 0 where there is no such chain; -1 where the program is missing
 * or failed, and *program says which one. The kernel is asked first, since iptables complains of a chain that is
 * missing, and iptables-legacy loads modules by being asked.
 */
static int find_chain(const struct backend *b, const char **program, char *listing)
{
	static const char *const chain[] = {"-S", CHAIN, NULL}, *const all[] = {"-S", NULL};
	listing[0] = '\0';
	if (!may_have_chain(b))
		return 0;
	int code = run_first(b->programs, b->tables ? all : chain, program, listing);
	if (!*program)
		*program = b->programs[0];
	return code != 0 ? -1 : strstr(listing, "-N " CHAIN "\n") != NULL;
}

static void rule_text(const struct ruleset *r, int side, char *text, size_t size)
{
	snprintf(text, size, "-A " CHAIN " %s %s-+ -m comment --comment %s -j ACCEPT", sides[side], r->prefix,
	         r->table);
}

/* Is the line this rule? iptables-legacy and older ones put the comment in quotes. */
static bool is_rule(const char *line, size_t n, const char *want)
{
	for (size_t i = 0; i < n; i++) {
		if (line[i] == '"')
			continue;
		if (*want++ != line[i])
			return false;
	}
	return *want == '\0';
}

static void chain_parse(const struct ruleset *r, const char *listing, struct chain *chain)
{
	static const char start[] = "-A " CHAIN " ", back[] = "-A " CHAIN " -j RETURN";
	char ours[2][160];
	int position = 0;
	bool returned = false;
	*chain = (struct chain){0};
	rule_text(r, 0, ours[0], sizeof ours[0]);
	rule_text(r, 1, ours[1], sizeof ours[1]);
	for (const char *line = listing; *line; line += *line == '\n') {
		size_t n = strcspn(line, "\n");
		if (strncmp(line, start, sizeof start - 1) == 0) {
			position++;
			if (!returned && is_rule(line, n, back)) {
				returned = true;
				chain->end = position;
			}
			for (int side = 0; side < 2; side++)
				if (is_rule(line, n, ours[side])) {
					if (returned || chain->reachable[side])
						chain->useless = position;
					else
						chain->reachable[side] = 1;
				}
		}
		line += n;
	}
	if (!returned)
		chain->end = position + 1;
}

static int insert(const char *program, const struct ruleset *r, int side, int position)
{
	char interface[16], number[16];
	snprintf(interface, sizeof interface, "%s-+", r->prefix);
	snprintf(number, sizeof number, "%d", position);
	const char *const arguments[] = {"-I",      CHAIN,       number,   sides[side], interface, "-m",
	                                 "comment", "--comment", r->table, "-j",        "ACCEPT",  NULL};
	return run(program, arguments, NULL, 0);
}

static int delete_at(const char *program, int position)
{
	char number[16];
	snprintf(number, sizeof number, "%d", position);
	const char *const arguments[] = {"-D", CHAIN, number, NULL};
	return run(program, arguments, NULL, 0);
}

static int delete_rule(const char *program, const struct ruleset *r, int side)
{
	char interface[16];
	snprintf(interface, sizeof interface, "%s-+", r->prefix);
	const char *const arguments[] = {"-D",        CHAIN,    sides[side], interface, "-m", "comment",
	                                 "--comment", r->table, "-j",        "ACCEPT",  NULL};
	return run(program, arguments, NULL, 0);
}

void warning_add(char *warnings, size_t size, const char *line)
{
	size_t used = warnings ? strlen(warnings) : 0;
	if (warnings && used + 1 < size)
		snprintf(warnings + used, size - used, "%s\n", line);
}

static int repair(const char *program, const struct ruleset *r, const struct chain *chain)
{
	if (chain->useless && delete_at(program, chain->useless) != 0)
		return -1;
	int end = chain->end - (chain->useless && chain->useless < chain->end);
	for (int side = 0; side < 2; side++)
		if (!chain->reachable[side] && insert(program, r, side, end++) != 0)
			return -1;
	return 0;
}

/* No DOCKER-USER: nothing to do, unless forwarding is dropped by default, when our traffic does not pass. */
static void warn_policy(const struct ruleset *r, char *warnings, size_t size)
{
	char line[256];
	snprintf(line, sizeof line,
	         "the FORWARD policy of iptables is DROP and there is no chain " CHAIN
	         ": nodes may have no way out; accept -i %s-+ and -o %s-+ in FORWARD",
	         r->prefix, r->prefix);
	warning_add(warnings, size, line);
}

static bool complete(const struct chain *chain)
{
	return chain->reachable[0] && chain->reachable[1];
}

/*
 * One useless rule goes each round; after a few rounds it is not ours to fight with whoever puts them there. 1 where
 * the chain exists (or nobody can tell), else 0, and then *drops tells whether this backend drops forwarding by
 * default.
 */
static int ensure(const struct backend *b, const struct ruleset *r, char *listing, bool *drops, char *warnings,
                  size_t size)
{
	const char *program;
	struct chain chain;
	char line[128];
	for (int round = 0; round < 8; round++) {
		int found = find_chain(b, &program, listing);
		if (found < 0) {
			snprintf(line, sizeof line,
			         "%s is not there or could not look into " CHAIN ": nodes may have no way out",
			         program);
			warning_add(warnings, size, line);
			return 1;
		}
		if (!found) {
			*drops = b->tables ? strstr(listing, "-P FORWARD DROP\n") != NULL
			                   : nftables_drops(b->nfproto, "filter", "FORWARD") == 1;
			return 0;
		}
		chain_parse(r, listing, &chain);
		if (complete(&chain) && !chain.useless)
			return 1;
		if (repair(program, r, &chain) < 0) {
			snprintf(line, sizeof line, "%s could not put our rules into " CHAIN, program);
			warning_add(warnings, size, line);
			return 1;
		}
	}
	return 1;
}

void docker_user_ensure(const struct ruleset *r, char *warnings, size_t size)
{
	autofree char *listing = malloc(LISTING);
	bool drop = false;
	if (!listing) {
		warning_add(warnings, size, "no memory for the listing of " CHAIN);
		return;
	}
	for (int i = 0; i < BACKENDS; i++) {
		bool drops = false;
		if (!ensure(&backends[i], r, listing, &drops, warnings, size) && backends[i].nfproto == NFPROTO_IPV4)
			drop |= drops;
	}
	if (drop)
		warn_policy(r, warnings, size);
}

int docker_user_missing(const struct ruleset *r)
{
	autofree char *listing = malloc(LISTING);
	if (!listing)
		return -1;
	for (int i = 0; i < BACKENDS; i++) {
		struct chain chain;
		const char *program;
		int found = find_chain(&backends[i], &program, listing);
		if (found < 0)
			return -1;
		if (!found)
			continue;
		chain_parse(r, listing, &chain);
		if (!complete(&chain))
			return 1;
	}
	return 0;
}

/*
 * Removes what of ours the listing shows. 1 where there was something, 0 where nothing is left, -1 where iptables
 * failed.
 */
static int remove_some(const char *program, const struct ruleset *r, const char *listing)
{
	struct chain chain;
	chain_parse(r, listing, &chain);
	if (chain.useless)
		return delete_at(program, chain.useless) == 0 ? 1 : -1;
	int found = 0;
	for (int side = 0; side < 2; side++) {
		if (!chain.reachable[side])
			continue;
		if (delete_rule(program, r, side) != 0)
			return -1;
		found = 1;
	}
	return found;
}

int docker_user_remove(const struct ruleset *r, struct why *why)
{
	autofree char *listing = malloc(LISTING);
	if (!listing)
		return why_sys(why, "no memory for the listing of " CHAIN);
	for (int i = 0; i < BACKENDS; i++) {
		const char *program;
		int some = 1;
		for (int round = 0; round < 32 && some > 0; round++) {
			some = find_chain(&backends[i], &program, listing);
			if (some > 0)
				some = remove_some(program, r, listing);
		}
		if (some < 0) {
			errno = EIO;
			return why_set(why, "%s could not remove our rules from " CHAIN, program);
		}
	}
	return 0;
}
