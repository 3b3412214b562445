/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_DOCKER_LOOKUP_H
#define TSLINK_DOCKER_LOOKUP_H

/*
 * The Engine API for programs that rarely need it: tslink-lookup is run and asks, so that the program itself does without libcurl (whose
 * loading takes longer than all that tslink-identify does). Each waits at most LOOKUP_MS, since Docker does not answer while it boots.
 * 0, or -1 with the reason.
 */

#include "lib/base/error.h"
#include "network_name.h"
#include "objects.h"

#define LOOKUP_MS 3000

/* The container behind an endpoint. docker_container_free it afterwards. */
int lookup_container(const char *rundir, const char *network, const char *endpoint, struct docker_container *container, struct why *why);

/* The labels that an image's author set. For pairs_free. */
int lookup_image_labels(const char *rundir, const char *image_id, struct pairs *labels, struct why *why);

int lookup_network_name(const char *rundir, const char *network, char name[NETWORK_NAME_MAX + 1], struct why *why);

#endif
