/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_DOCKER_PAIRS_H
#define TSLINK_DOCKER_PAIRS_H

/* A list of names with a text each: options, labels, facts. In the order in which they came. */

#include <stddef.h>

struct pair {
	char *name;
	char *value;
};

struct pairs {
	struct pair *list;
	size_t count;
};

/* Appends copies of both texts. Returns 0, or -1 with ENOMEM. `struct pairs p = {0}` is the empty list. */
int pairs_add(struct pairs *pairs, const char *name, const char *value);

/* The value of the last pair of that name (exact comparison), or NULL. */
const char *pairs_get(const struct pairs *pairs, const char *name);

/* Wipes the values (they may be secrets), releases all, and leaves the empty list. */
void pairs_free(struct pairs *pairs);

#endif
