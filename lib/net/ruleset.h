/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_NET_RULESET_H
#define TSLINK_NET_RULESET_H

/*
 * The firewall: one nftables table of the tree's own (in the families inet and bridge), replaced whole in one
 * transaction, and the accepts in Docker's chain DOCKER-USER. It is for the namespace of the process. Linux 5.7 or
 * later (iifname in postrouting).
 *
 * The table names kinds of interfaces ("tsl-u*"), not single ones, so that an endpoint costs nothing here. What it
 * enumerates when applied: the tree's bridges (for frames within one bridge, that br_netfilter shows to the firewall)
 * and interfaces called br-* that are not Docker's. So it is to be applied at start and after a bridge was made,
 * before its first port.
 *
 * An ACCEPT anywhere ends only its own base chain, a drop is final: no rule of an operator or of Docker opens what this
 * table drops, and this table's silence opens nothing that they drop.
 */

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct ruleset {
	const char *table;  /* TSLINK_NAME: a letter, then letters, digits, "_", "-", at most 31 in all */
	const char *prefix; /* of the tree's interface names (link_prefix_ok) */
};

/*
 * Applies the table, then sees to DOCKER-USER. Idempotent. Callers serialise (a lock of theirs): two at once could
 * leave a rule in DOCKER-USER twice, which does no harm. 0, or -1: EINVAL for a name, or what nftables or iptables
 * said. Whenever the table was applied and only something else is amiss it is 0, with one line for each in the buffer
 * `warnings` (cut at its size, "" if none; may be NULL): forwarding is off, or the FORWARD policy is DROP and there is
 * no DOCKER-USER, or iptables failed.
 */
int ruleset_apply(const struct ruleset *ruleset, char *warnings, size_t size, struct why *why);

/* The text of the table as it would be applied now, for free(3). NULL with errno. */
char *ruleset_text(const struct ruleset *ruleset, struct why *why);

/*
 * Is the table there, in both families? 1 or 0 (netlink, some microseconds), or -1 with errno. Its content is not
 * looked at.
 */
int ruleset_present(const char *table);

/*
 * Is one of our accepts in DOCKER-USER missing although that chain exists? 1 or 0, or -1 where iptables is missing or
 * failed. Runs iptables: some milliseconds.
 */
int ruleset_docker_missing(const struct ruleset *ruleset);

/* Removes the table and the rules in DOCKER-USER. What is not there is success. */
int ruleset_remove(const struct ruleset *ruleset, struct why *why);

#endif
