/* SPDX-License-Identifier: ISC */
/* libnetwork's store: the name of a network in it. */
#include "lib/docker/network_name.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void want(bool condition)
{
	if (!condition)
		abort();
}

/* The ID of the seeds: text, since a swarm's is no hexadecimal one. */
#define NETWORK "13cddfa7aef848f1d333d88e596ef5a77704e924ebf679addb70cedbe7473574"

int LLVMFuzzerTestOneInput(const unsigned char *input, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *input, size_t size)
{
	char name[NETWORK_NAME_MAX + 1], again[NETWORK_NAME_MAX + 1];
	/* A copy in memory of exactly that size: nothing terminates a store. */
	char *store = malloc(size ? size : 1);
	if (size)
		memcpy(store, input, size);
	memset(name, 'x', sizeof name);
	errno = 0;
	int r = docker_network_name_in(store, size, NETWORK, name);
	if (r == 0) {
		want(memchr(name, '\0', sizeof name) != NULL);
		want(memmem(store, size, "\"id\":\"" NETWORK "\"", strlen(NETWORK) + 7) != NULL);
		want(docker_network_name_in(store, size, NETWORK, again) == 0 && !strcmp(name, again));
	} else {
		want(r == -1 && (errno == ENOENT || errno == ENAMETOOLONG || errno == EBADMSG || errno == ENOMEM));
	}
	free(store);
	return 0;
}
