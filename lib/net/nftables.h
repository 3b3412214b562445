/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_NET_NFTABLES_H
#define TSLINK_NET_NFTABLES_H

/* What nftables holds, asked by netlink directly: some microseconds, no process. In the namespace of the process. */

#include <stdint.h>

/*
 * Is there this table, and in it this chain (NULL: not asked), of the family NFPROTO_INET, _IPV4 or _IPV6? 1 or 0, or
 * -1.
 */
int nftables_has(uint8_t family, const char *table, const char *chain);

/* Is there this base chain, with the policy to drop? 1 or 0, or -1. */
int nftables_drops(uint8_t family, const char *table, const char *chain);

#endif
