/* SPDX-License-Identifier: ISC */
#include "ruleset.h"

#include "docker_user.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "link.h"
#include "netlink.h"
#include "nftables.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h> /* before the kernel's header, that defines the same otherwise */

#include <linux/netfilter.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define TABLE_LONGEST 31

/*
 * The table, in two families. $TABLE$ and $P$ stand for its name and the interface prefix, $WITHIN$ and $PLAIN$ for
 * the elements of the sets, $EARLY$ and $LATE$ for the place of the source check.
 *
 * What is dropped, chain by chain:
 * prerouting  packets to tailnet addresses, before conntrack and anybody's DNAT, whether the packet is routed or for the host
 *             itself. The bridge table does the same to frames from one container to another, which else could reach
 *             its neighbour's tailnet address behind the back of the tailnet's access rules.
 * source      sources that the interface has no route to (fib: the uplink has its /30, the bridge its subnet). Called
 *             in forward and input, not in prerouting, since with br_netfilter frames from one port of a bridge to
 *             another pass prerouting, too, and are to pass untouched: a container may be its neighbours' router.
 * from_ours   anything into the host's own tailnet; anything out of an internal network; new connections to Docker's
 *             bridges but to published ports, as Docker keeps its own networks apart; what conntrack cannot follow,
 *             since it could not be masqueraded.
 * between     from one of ours to another: all but WireGuard between the uplinks of two nodes, that meet directly so,
 *             on the ports that tslink gives them.
 * to_ours     all but replies, and what somebody's DNAT sent; and what says that it comes from the tailnet: that comes by the tunnel
 *             alone. (tailscaled's own chains in the container would say the same; see lib/tailscale/prefs.c.)
 * unasked     WireGuard from outside to a port of a node that has not sent there yet. Accepted (and answered with an ICMP error),
 *             it would leave a connection of the host's own in conntrack; the node's packet to that peer then meets it, and
 *             masquerade gives it another port: two nodes behind two such hosts would never meet but by DERP.
 * input       router advertisements and redirects: no container makes routes on the host.
 */
static const char template[] =
	"add table inet $TABLE$\n"
	"delete table inet $TABLE$\n"
	"add table bridge $TABLE$\n"
	"delete table bridge $TABLE$\n"
	"table inet $TABLE$ {\n"
	"	set within {\n"
	"		typeof iifname . oifname\n"
	"$WITHIN$"
	"	}\n"
	"	set plain_bridges {\n"
	"		type ifname\n"
	"$PLAIN$"
	"	}\n"
	"	chain source {\n"
	"		ip saddr != 0.0.0.0 fib saddr . iif oif missing drop\n"
	"		ip6 saddr != { ::, fe80::/10 } fib saddr . iif oif missing drop\n"
	"	}\n"
	"	chain tailnet {\n"
	"		ip saddr 100.64.0.0/10 drop\n"
	"		ip6 saddr fd7a:115c:a1e0::/48 drop\n"
	"	}\n"
	"	chain between {\n"
	"		oifname { \"$P$-i*\", \"$P$-q*\" } drop\n"
	"		iifname \"$P$-u*\" oifname \"$P$-u*\" udp sport 16384-32767 udp dport 16384-32767 accept\n"
	"		ct state established,related accept\n"
	"		drop\n"
	"	}\n"
	"	chain from_ours {\n"
	"$LATE$"
	"		oifname \"tailscale*\" drop\n"
	"		iifname { \"$P$-i*\", \"$P$-q*\" } drop\n"
	"		oifname \"$P$-*\" goto between\n"
	"		ct state established,related accept\n"
	"		ct state invalid drop\n"
	"		ct status dnat accept\n"
	"		oifname { \"docker0\", \"docker_gwbridge\" } drop\n"
	"		oifname \"br-*\" oifname != @plain_bridges drop\n"
	"		accept\n"
	"	}\n"
	"	chain to_ours {\n"
	"		jump tailnet\n"
	"		oifname { \"$P$-i*\", \"$P$-q*\" } drop\n"
	"		ct state established,related accept\n"
	"		ct status dnat accept\n"
	"		drop\n"
	"	}\n"
	"	chain prerouting {\n"
	"		type filter hook prerouting priority raw; policy accept;\n"
	"		iifname != \"$P$-*\" accept\n"
	"		ip daddr 100.64.0.0/10 drop\n"
	"		ip6 daddr fd7a:115c:a1e0::/48 drop\n"
	"$EARLY$"
	"	}\n"
	"	chain forward {\n"
	"		type filter hook forward priority filter; policy accept;\n"
	"		iifname . oifname @within accept\n"
	"		iifname \"$P$-*\" goto from_ours\n"
	"		oifname \"$P$-*\" goto to_ours\n"
	"	}\n"
	"	chain unasked {\n"
	"		socket transparent { 0, 1 } accept\n"
	"		drop\n"
	"	}\n"
	"	chain input {\n"
	"		type filter hook input priority filter; policy accept;\n"
	"		iifname != \"$P$-*\" ct state new udp dport 16384-32767 goto unasked\n"
	"		iifname != \"$P$-*\" accept\n"
	"$LATE$"
	"		icmpv6 type { nd-router-advert, nd-redirect } drop\n"
	"	}\n"
	"	chain postrouting {\n"
	"		type nat hook postrouting priority srcnat; policy accept;\n"
	"		iifname { \"$P$-b*\", \"$P$-u*\", \"$P$-p*\" } oifname != \"$P$-*\" masquerade\n"
	"	}\n"
	"}\n"
	"table bridge $TABLE$ {\n"
	"	chain prerouting {\n"
	"		type filter hook prerouting priority filter; policy accept;\n"
	"		iifname != \"$P$-e*\" accept\n"
	"		ip daddr 100.64.0.0/10 drop\n"
	"		ip6 daddr fd7a:115c:a1e0::/48 drop\n"
	"		ip saddr 100.64.0.0/10 drop\n"
	"		ip6 saddr fd7a:115c:a1e0::/48 drop\n"
	"	}\n"
	"}\n";

/*
 * Linux 5.19 allows "fib saddr . iif" in forward and input; before that it is for prerouting only. (Commit
 * be8be04e5ddb, "netfilter: nft_fib: reverse path filter for policy-based routing on iif".) There, a container that
 * routes for its neighbours is cut off where br_netfilter is on.
 */
static bool source_check_is_early(void)
{
	struct utsname u;
	unsigned major, minor;
	return uname(&u) == 0 && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	       (major < 5 || (major == 5 && minor < 19));
}

static bool table_ok(const char *table)
{
	static const char rest[] = "0123456789_-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *letters = rest + 12;
	size_t n = strlen(table);
	return n >= 1 && n <= TABLE_LONGEST && strchr(letters, table[0]) && strspn(table + 1, rest) == n - 1;
}

static int check(const struct ruleset *r, struct why *why)
{
	errno = EINVAL;
	if (!table_ok(r->table))
		return why_set(
			why, "\"%s\" cannot name a firewall table: a letter, then at most 30 letters, digits, _ and -",
			r->table);
	if (!link_prefix_ok(r->prefix))
		return why_set(
			why, "\"%s\" cannot begin interface names: one to five of a-z and 0-9, a letter first, not br",
			r->prefix);
	return 0;
}

/* "br-" and twelve digits of the network ID: a bridge of Docker's. */
static bool is_dockers(const char *link)
{
	return text_is_hex(link + 3, 12);
}

/* An interface's name may hold nearly anything; here, what needs no quoting inside of quotes. */
static bool is_printable(const char *link)
{
	for (; *link; link++)
		if (*link <= ' ' || *link > '~' || strchr("\"\\*", *link))
			return false;
	return true;
}

static void put_within(FILE *f, char **links, const char *prefix)
{
	const char *before = "		elements = { ";
	size_t n = strlen(prefix);
	for (char **l = links; *l; l++) {
		char kind = (*l)[n + 1];
		if ((kind != LINK_BRIDGE && kind != LINK_BRIDGE_INTERNAL) || !is_printable(*l))
			continue;
		fprintf(f, "%s\"%s\" . \"%s\"", before, *l, *l);
		before = ", ";
	}
	if (*before == ',')
		fputs(" }\n", f);
}

static void put_plain(FILE *f, char **links)
{
	const char *before = "		elements = { ";
	for (char **l = links; *l; l++)
		if (!is_dockers(*l) && is_printable(*l)) {
			fprintf(f, "%s\"%s\"", before, *l);
			before = ", ";
		}
	if (*before == ',')
		fputs(" }\n", f);
}

struct values {
	const struct ruleset *ruleset;
	char **ours, **bridges;
	bool early;
};

static void put_value(FILE *f, const char *key, size_t n, const struct values *v)
{
	if (strncmp(key, "TABLE", n) == 0)
		fputs(v->ruleset->table, f);
	else if (strncmp(key, "P", n) == 0)
		fputs(v->ruleset->prefix, f);
	else if (strncmp(key, "WITHIN", n) == 0)
		put_within(f, v->ours, v->ruleset->prefix);
	else if (strncmp(key, "PLAIN", n) == 0)
		put_plain(f, v->bridges);
	else if (v->early == (strncmp(key, "EARLY", n) == 0))
		fputs("		jump source\n", f);
}

char *ruleset_text(const struct ruleset *r, struct why *why)
{
	char start[LINK_NAME], *text = NULL;
	size_t size;
	if (check(r, why) < 0)
		return NULL;
	snprintf(start, sizeof start, "%s-", r->prefix);
	autonetlink struct nl_sock *nl = netlink_open();
	autofree char **ours = nl ? link_list(nl, start) : NULL;
	autofree char **bridges = ours ? link_list(nl, "br-") : NULL;
	FILE *f = bridges ? open_memstream(&text, &size) : NULL;
	if (!f) {
		why_sys(why, "cannot list the network interfaces");
		return NULL;
	}
	const struct values values = {.ruleset = r, .ours = ours, .bridges = bridges, .early = source_check_is_early()};
	const char *at = template;
	for (bool is_key = false;; is_key = !is_key) {
		size_t n = strcspn(at, "$");
		if (is_key)
			put_value(f, at, n, &values);
		else
			fwrite(at, 1, n, f);
		if (!at[n])
			break;
		at += n + 1;
	}
	if (fclose(f) != 0) {
		free(text);
		why_sys(why, "cannot write the text of the ruleset");
		return NULL;
	}
	return text;
}

static int run(const char *commands, const char *table, struct why *why)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!nft) {
		errno = ENOMEM;
		return why_sys(why, "firewall table %s", table);
	}
	nft_ctx_buffer_error(nft);
	nft_ctx_buffer_output(nft);
	int r = nft_run_cmd_from_buffer(nft, commands);
	if (r != 0) {
		const char *said = nft_ctx_get_error_buffer(nft);
		errno = EIO;
		why_set(why, "nftables refused the table %s: %.*s", table, (int)strcspn(said, "\n"), said);
	}
	nft_ctx_free(nft);
	return r ? -1 : 0;
}

static void check_forwarding(char *warnings, size_t size)
{
	char value[16];
	if (file_read(AT_FDCWD, "/proc/sys/net/ipv4/ip_forward", value, sizeof value) >= 0 && strcmp(value, "0") == 0)
		warning_add(warnings, size,
		            "this host forwards no IPv4 (net.ipv4.ip_forward is 0): nodes have no way out");
}

int ruleset_apply(const struct ruleset *r, char *warnings, size_t size, struct why *why)
{
	if (warnings && size)
		warnings[0] = '\0';
	autofree char *text = ruleset_text(r, why);
	if (!text || run(text, r->table, why) < 0)
		return -1;
	docker_user_ensure(r, warnings, size);
	check_forwarding(warnings, size);
	return 0;
}

int ruleset_docker_missing(const struct ruleset *r)
{
	return check(r, NULL) < 0 ? -1 : docker_user_missing(r);
}

int ruleset_remove(const struct ruleset *r, struct why *why)
{
	char commands[4 * TABLE_LONGEST + 128];
	if (check(r, why) < 0)
		return -1;
	snprintf(commands, sizeof commands,
	         "add table inet %s\ndelete table inet %s\nadd table bridge %s\ndelete table bridge %s\n", r->table,
	         r->table, r->table, r->table);
	int removed = run(commands, r->table, why);
	return docker_user_remove(r, removed < 0 ? NULL : why) < 0 ? -1 : removed;
}
