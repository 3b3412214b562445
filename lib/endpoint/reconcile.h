/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_RECONCILE_H
#define TSLINK_ENDPOINT_RECONCILE_H

/*
 * Makes what is on disk and under supervision agree with what Docker has. For tslink-watch; all of it is level-triggered: a pass needs to
 * know nothing of the one before, but what was said already.
 *
 * A pass reads the disk first and asks Docker then, so that what comes into being meanwhile is on Docker's side of the comparison and never
 * taken for a leftover. Only an answer is evidence: an endpoint goes where its network was answered without it, or Docker says that there
 * is no such network, twice, the second time right before. An unanswered question removes nothing. No lock is held while Docker is waited
 * for; under the lock it is looked whether the endpoint is still the one that was read. A lock that somebody has is left to him: he sees to
 * the endpoint himself.
 *
 * What is done, in this order:
 *   the firewall is applied where its table is missing, or our accepts in DOCKER-USER
 *   an endpoint that Docker does not have, older than 10 s, is removed
 *   one that is in a sandbox that exists, and in no scan directory, is started (after a restart of the tree), unless somebody stopped it
 *   one that has failed is tried again five minutes after
 *   a network's bridge is made or mended
 *   a network's record that Docker does not know, older than a minute, is removed
 *
 * An engine that has no network of this driver at all may be a wrong one. A record holds what Docker never says again, so none is removed
 * on the word of such an engine; nor is an endpoint whose sandbox exists.
 */

#include "inquiry.h"

struct reconcile {
	const struct tree *tree;
	bool (*ending)(void); /* asked between two steps: true ends the pass */
	struct reports reports;
	struct inquiry inquiry;
};

/*
 * One pass. serves: is Docker past its boot, so that asking is of use? Without it, what the disk alone tells is done. What is done is
 * logged, and what cannot be done is, once for each reason.
 * Returns in how many milliseconds a further pass is due, where something waits for its time, else INT64_MAX.
 */
int64_t reconcile_pass(struct reconcile *r, bool serves);

#endif
