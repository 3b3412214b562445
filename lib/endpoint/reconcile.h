/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_RECONCILE_H
#define TSLINK_ENDPOINT_RECONCILE_H

/*
 * Makes what is on disk and under supervision agree with what Docker has. For tslink-watch; it is all level-triggered: a pass needs to
 * know nothing of the one before.
 *
 * A pass reads the disk first and asks Docker then, so that whatever comes into being meanwhile is on Docker's side of the comparison and never taken for a
 * leftover. Only an answer is evidence: an endpoint goes where its network was answered without it, or Docker says that there is no such
 * network, twice, the second time right before. An unanswered question removes nothing. No lock is held while
 * Docker is waited for; under the lock it is looked whether the endpoint is still the one that was read. A lock that somebody has is left to
 * him: whoever has it sees to the endpoint himself.
 *
 * Of the API only /info, /networks and /networks/{id} are asked, the last once for each network that has endpoints here: they never wait
 * for a container, and the last one tells of endpoints whose containers start right now, too.
 */

#include "lib/docker/engine.h"
#include "report.h"
#include "tree.h"

struct reconcile {
	const struct tree *tree;
	struct engine *engine;
	const char *driver;     /* as Docker knows it */
	bool (*ending)(void);   /* asked between two steps: true ends the pass */
	struct reports reports;
	bool met;               /* has the engine said who it is? reconcile_part forgets it */
	bool foreign;           /* it is not the one that uses this driver */
	char version[64];       /* what was last said about its version */
};

/*
 * One pass. serves: Docker is past its boot, so that asking is of use; without it only what the disk alone tells is done. Each question
 * waits at most 2 s, and the first that goes unanswered is the last of the pass. What is done is logged, and what cannot be
 * done is, once for each reason.
 * Returns in how many milliseconds a further pass is due, where something waits for its time; else INT64_MAX.
 */
int64_t reconcile_pass(struct reconcile *r, bool serves);

/* The connection to Docker has ended: the next engine may be another one. */
void reconcile_part(struct reconcile *r);

/* Releases what is remembered. */
void reconcile_free(struct reconcile *r);

#endif
