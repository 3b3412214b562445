/* SPDX-License-Identifier: ISC */
#include "pairs.h"

#include <stdlib.h>
#include <string.h>

/* Room doubles whenever the count is a power of two, so that no capacity need be kept. */
static int make_room(struct pairs *pairs)
{
	if (pairs->count & (pairs->count - 1))
		return 0;
	size_t room = pairs->count ? pairs->count * 2 : 1;
	struct pair *bigger = reallocarray(pairs->list, room, sizeof *bigger);
	if (!bigger)
		return -1;
	pairs->list = bigger;
	return 0;
}

int pairs_add(struct pairs *pairs, const char *name, const char *value)
{
	if (make_room(pairs) < 0)
		return -1;
	struct pair p = {.name = strdup(name), .value = strdup(value)};
	if (!p.name || !p.value) {
		free(p.name);
		free(p.value);
		return -1;
	}
	pairs->list[pairs->count++] = p;
	return 0;
}

const char *pairs_get(const struct pairs *pairs, const char *name)
{
	for (size_t i = pairs->count; i-- > 0;)
		if (!strcmp(pairs->list[i].name, name))
			return pairs->list[i].value;
	return NULL;
}

void pairs_free(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		explicit_bzero(pairs->list[i].value, strlen(pairs->list[i].value));
		free(pairs->list[i].name);
		free(pairs->list[i].value);
	}
	free(pairs->list);
	*pairs = (struct pairs){0};
}
