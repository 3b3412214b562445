/* SPDX-License-Identifier: ISC */
#include "resolv.h"

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESOLV_CONF_MAX 65536
#define BLANK " \t\r\n\v\f"

enum kind { USABLE, LOCAL, DOCKER, QUAD100, NO_ADDRESS };

static enum kind kind4(struct in_addr in)
{
	uint32_t a = ntohl(in.s_addr);

	if (a == 0x64646464)
		return QUAD100;
	if (a == 0x7f00000b)
		return DOCKER;
	if (a >> 24 == 127 || a >> 24 == 0)
		return LOCAL;
	return a >= 0xe0000000 ? NO_ADDRESS : USABLE; /* multicast, reserved, broadcast: no server has them */
}

/* What an address is good for, and its canonical text. A scope (fe80::1%eth0) names an interface of the host. */
static enum kind kind_of(const char *word, char text[INET6_ADDRSTRLEN], bool *v6)
{
	static const struct in6_addr quad100 = {.s6_addr = {0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, [15] = 0x53}};
	struct in_addr a4;
	struct in6_addr a6;

	*v6 = false;
	if (inet_pton(AF_INET, word, &a4) != 1) {
		if (inet_pton(AF_INET6, word, &a6) != 1)
			return NO_ADDRESS;
		if (!IN6_IS_ADDR_V4MAPPED(&a6)) {
			*v6 = true;
			inet_ntop(AF_INET6, &a6, text, INET6_ADDRSTRLEN);
			if (IN6_ARE_ADDR_EQUAL(&a6, &quad100))
				return QUAD100;
			if (IN6_IS_ADDR_LOOPBACK(&a6) || IN6_IS_ADDR_UNSPECIFIED(&a6) || IN6_IS_ADDR_LINKLOCAL(&a6))
				return LOCAL;
			return IN6_IS_ADDR_MULTICAST(&a6) ? NO_ADDRESS : USABLE;
		}
		memcpy(&a4, a6.s6_addr + 12, sizeof a4);
	}
	inet_ntop(AF_INET, &a4, text, INET6_ADDRSTRLEN);
	return kind4(a4);
}

static void add(struct resolv *resolv, const char *text, bool v6)
{
	size_t at = resolv->count;

	for (size_t i = 0; i < resolv->count; i++)
		if (!strcmp(resolv->server[i], text))
			return;
	if (!v6)
		for (at = 0; at < resolv->count && !strchr(resolv->server[at], ':');)
			at++;
	if (at == RESOLV_SERVERS)
		return;
	if (resolv->count == RESOLV_SERVERS)
		resolv->count--; /* an IPv6 server makes room for an IPv4 one */
	memmove(resolv->server[at + 1], resolv->server[at], (resolv->count - at) * sizeof resolv->server[0]);
	snprintf(resolv->server[at], sizeof resolv->server[at], "%s", text);
	resolv->count++;
}

/* The next word of *p in word, cut at its size (no address is that long). False where there is none. */
static bool next_word(const char **p, const char *blank, char *word, size_t size)
{
	*p += strspn(*p, blank);
	size_t len = strcspn(*p, BLANK);
	if (len == 0)
		return false;
	snprintf(word, size, "%.*s", (int)(len < size ? len : size - 1), *p);
	*p += len;
	return true;
}

void resolv_parse(struct resolv *resolv, const char *text)
{
	char word[64], address[INET6_ADDRSTRLEN];
	bool v6;

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *p = line;
		/* the keyword stands at the very beginning; blanks before it are tolerated as Go's resolver does */
		if (!next_word(&p, " \t\r", word, sizeof word) || strcmp(word, "nameserver"))
			continue;
		if (!next_word(&p, " \t\r", word, sizeof word))
			continue;
		enum kind kind = kind_of(word, address, &v6);
		if (kind == QUAD100)
			resolv->quad100 = true;
		if (kind == USABLE)
			add(resolv, address, v6);
	}
}

int resolv_host(struct resolv *resolv, int root, const char **source, struct why *why)
{
	static const char *const files[] = {
		"etc/resolv.conf",
		"etc/resolv.pre-tailscale-backup.conf",   /* where the host's own tailscaled wrote resolv.conf itself */
		"run/systemd/resolve/resolv.conf",        /* behind 127.0.0.53 (systemd-resolved.service(8)) */
		"run/NetworkManager/no-stub-resolv.conf", /* behind NetworkManager's dnsmasq or its systemd-resolved */
		"run/NetworkManager/resolv.conf",
	};

	*resolv = (struct resolv){0};
	*source = NULL;
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		autofree char *text = file_slurp(root, files[i], RESOLV_CONF_MAX, NULL);
		if (!text && errno != ENOENT && errno != ENOTDIR)
			return why_sys(why, "cannot read the host's /%s", files[i]);
		if (text)
			resolv_parse(resolv, text);
		if (resolv->count > 0) {
			*source = files[i];
			return 0;
		}
	}
	if (!resolv->quad100) {
		add(resolv, "127.0.0.11", false);
		*source = "Docker";
	}
	return 0;
}

int resolv_setting(struct resolv *resolv, const char *value, struct why *why)
{
	char word[64], address[INET6_ADDRSTRLEN];
	bool v6;

	*resolv = (struct resolv){0};
	errno = EINVAL;
	while (next_word(&value, BLANK, word, sizeof word)) {
		switch (kind_of(word, address, &v6)) {
		case USABLE:
		case DOCKER: break;
		case QUAD100:
			return why_set(why, "TSLINK_DNS: %s is the node itself; name a server outside of the tailnet",
			               word);
		case LOCAL:
			return why_set(why,
			               "TSLINK_DNS: %s cannot be reached from a container; name the server behind it",
			               word);
		case NO_ADDRESS:
			return why_set(why,
			               "TSLINK_DNS: '%s' is no address; it takes those of name servers, blanks between",
			               word);
		}
		if (resolv->count == RESOLV_SERVERS)
			return why_set(why, "TSLINK_DNS: more than %d name servers", RESOLV_SERVERS);
		add(resolv, address, v6);
	}
	if (resolv->count == 0)
		return why_set(why, "TSLINK_DNS names no name server; remove it to use the host's");
	return 0;
}

int resolv_etc(const struct resolv *resolv, const char *hostname, uid_t uid, struct why *why)
{
	/*
	 * tailscaled looks in the comments for who manages the file ("systemd-resolved", "NetworkManager",
	 * "resolvconf", "generated by tailscale": net/dns/resolvconffile and manager_linux.go), so ours names none of
	 * them.
	 */
	char text[RESOLV_SERVERS * (INET6_ADDRSTRLEN + 12) + 128] =
		"# of this endpoint's node alone, made by tslink at each start\n";
	size_t used = strlen(text);
	for (size_t i = 0; i < resolv->count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "nameserver %s\n", resolv->server[i]);

	char hosts[256] = "127.0.0.1\tlocalhost\n::1\tlocalhost\n";
	if (*hostname && text_format(hosts, sizeof hosts, "127.0.0.1\tlocalhost %s\n::1\tlocalhost\n", hostname) < 0)
		return why_sys(why, "the hostname %.64s", hostname);

	if (tree_remove(AT_FDCWD, "etc") < 0 || mkdir("etc", 0700) < 0)
		return why_sys(why, "cannot make this endpoint's etc/ anew");
	autofd int etc = open("etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (etc < 0)
		return why_sys(why, "cannot open this endpoint's etc/");
	static const char nsswitch[] = "hosts: files dns\n";
	if (file_publish(etc, "resolv.conf", text, used, 0644, VOLATILE) < 0 ||
	    file_publish(etc, "hosts", hosts, strlen(hosts), 0644, VOLATILE) < 0 ||
	    file_publish(etc, "nsswitch.conf", nsswitch, strlen(nsswitch), 0644, VOLATILE) < 0)
		return why_sys(why, "cannot write into this endpoint's etc/");
	/* last, so that nobody else writes beside us */
	if (fchown(etc, uid, uid) < 0 || fchmod(etc, 0755) < 0)
		return why_sys(why, "cannot give this endpoint's etc/ to uid %u", (unsigned)uid);
	return 0;
}
