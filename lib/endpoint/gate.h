/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_GATE_H
#define TSLINK_ENDPOINT_GATE_H

#include "endpoint.h"

/*
 * The gate in Join: waits until the endpoint's node is on the tailnet, at most as long as network and container say. No lock may be held
 * meanwhile. It opens at once where the container's netns does not exist yet (Docker up to 27), where the wait is 0, where the node
 * has failed for good, and where a wait on this network ran out before and none of its nodes has come up since.
 *
 * Returns 0, or -1 with the reason where tslink.require is set and the node is not up; never while Docker boots, since Docker gives
 * such a container up for good.
 */
int gate_wait(const struct tree *tree, const struct network *network, const struct endpoint *endpoint, struct why *why);

#endif
