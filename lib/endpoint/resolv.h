/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_RESOLV_H
#define TSLINK_ENDPOINT_RESOLV_H

/*
 * The name servers of a node's tailscaled, and the /etc it sees. tailscaled asks from the container's network
 * namespace and out of its uplink: a stub on the host's loopback is not there, the container's own 127.0.0.11 would
 * turn in a circle where Docker asks the tailnet's resolver, and 100.100.100.100 is the node itself. So the host's
 * real servers are looked for behind the stub.
 */

#include "lib/base/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define RESOLV_SERVERS 4

struct resolv {
	char server[RESOLV_SERVERS][INET6_ADDRSTRLEN]; /* IPv4 first: an uplink is IPv4 */
	size_t count;
	bool quad100; /* 100.100.100.100 (or its IPv6 sister) was among those passed over */
};

/*
 * Adds the servers that a text in the format of resolv.conf(5) names and that are of use from within a container: no
 * loopback, no link-local IPv6, no Tailscale resolver, nothing that is not an address, none twice, no more than
 * RESOLV_SERVERS.
 */
void resolv_parse(struct resolv *resolv, const char *text);

/*
 * The host's servers: from etc/resolv.conf beneath the directory root (the host's /), and where that names none of
 * use, from where a host's Tailscale, systemd-resolved and NetworkManager keep the real ones. Nothing at all:
 * 127.0.0.11, Docker's resolver in the container, unless the host asks only its own Tailscale: then none, since old
 * engines would make a circle of it. Which file they are from is in *source ("Docker" for 127.0.0.11), NULL where
 * there are none. Returns 0, or -1 with errno where a file is there and cannot be read.
 */
int resolv_host(struct resolv *resolv, int root, const char **source, struct why *why);

/* The setting TSLINK_DNS: addresses between blanks, 127.0.0.11 too. 0, or -1 with EINVAL and what is wrong. */
int resolv_setting(struct resolv *resolv, const char *value, struct why *why);

/*
 * Makes the endpoint's etc/ (in the current directory) anew, for tailscaled of that uid alone: resolv.conf, hosts,
 * nsswitch.conf. What an earlier daemon left there is removed: its backup of resolv.conf, and whatever a hole in it
 * may have written. The directory is tailscaled's own, since it replaces resolv.conf by renaming. 0, or -1 with
 * errno.
 */
int resolv_etc(const struct resolv *resolv, const char *hostname, uid_t uid, struct why *why);

#endif
