/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_NET_DOCKER_USER_H
#define TSLINK_NET_DOCKER_USER_H

/*
 * Our accepts in DOCKER-USER, the chain that Docker keeps for the operator's rules and calls first in FORWARD. Where
 * Docker (or a firewall) drops forwarding by default, traffic of interfaces that Docker does not know needs them. For
 * ruleset.c.
 */

#include "lib/base/error.h"

#include <stddef.h>

struct ruleset;

/*
 * Sees to it that DOCKER-USER, of IPv4 and of IPv6, each where it exists, accepts what comes from and goes to
 * "<prefix>-+", with the table's name as a comment: before a final RETURN, behind the operator's own rules, each once.
 * What is amiss is a line behind those in warnings; nothing of it is fatal.
 */
void docker_user_ensure(const struct ruleset *ruleset, char *warnings, size_t size);

/* Appends a line to warnings, cut at its size. */
void warning_add(char *warnings, size_t size, const char *line);

/*
 * 1 where DOCKER-USER exists (of either family) without both of our rules, else 0; -1 where iptables is missing or
 * failed.
 */
int docker_user_missing(const struct ruleset *ruleset);

/* Removes our rules. 0, or -1 where iptables failed. */
int docker_user_remove(const struct ruleset *ruleset, struct why *why);

#endif
