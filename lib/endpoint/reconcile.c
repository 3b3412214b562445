/* SPDX-License-Identifier: ISC */
#include "reconcile.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/lock.h"
#include "lib/base/text.h"
#include "lib/net/netlink.h"
#include "lib/net/netns.h"
#include "lib/net/ruleset.h"
#include "network.h"
#include "service.h"
#include "tally.h"

#include <errno.h>
#include <string.h>

enum {
	ENDPOINT_YOUNG_MS = 10000, /* Docker tells of an endpoint only after CreateEndpoint */
	NETWORK_YOUNG_MS = 60000,  /* and of a network after CreateNetwork */
	FAILED_MS = 5 * 60 * 1000,
	AGAIN_MS = 2000,       /* somebody had a lock, or one thing has to go before another */
	UNANSWERED_MS = 10000,
};

struct pass {
	struct reconcile *r;
	const struct tree *tree;
	struct inquiry *inquiry;
	struct roster roster;
	bool whole; /* everything was looked at */
	int64_t due;
};

static void due_in(struct pass *p, int64_t ms)
{
	if (ms < p->due)
		p->due = ms;
}

/* ---- endpoints */

struct held {
	int lock;
	char lock_name[ENDPOINT_KEY + 8];
	struct endpoint endpoint;
};

static void release(struct held *held)
{
	endpoint_close(&held->endpoint);
	cleanup_fd(&held->lock);
}

#define autoheld __attribute__((cleanup(release)))
#define HELD_NONE { .lock = -1, .endpoint = { .dir = -1 } }

/* Takes an endpoint of the roster, if nobody has it and it is still the same. */
static bool take(struct pass *p, const struct roster_endpoint *e, struct held *held)
{
	struct why why;

	if (text_format(held->lock_name, sizeof held->lock_name, "lock/%s", e->key) < 0)
		return false;
	held->lock = lock_take(p->tree->dir, held->lock_name, now_ms());
	if (held->lock < 0) {
		p->whole = false;
		due_in(p, AGAIN_MS);
		if (errno != ETIMEDOUT)
			report(&p->r->reports, e->key, "cannot lock %s/%s: %s", p->tree->path, held->lock_name, strerror(errno));
		return false;
	}
	if (endpoint_open(p->tree, e->id, &held->endpoint, &why) < 0) {
		report(&p->r->reports, e->key, "%s", why.text);
		return false;
	}
	if (held->endpoint.dir < 0 && lock_discard(p->tree->dir, held->lock_name, held->lock) < 0)
		warning_sys("cannot remove %s/%s", p->tree->path, held->lock_name);
	return roster_unchanged(e, &held->endpoint);
}

/* An engine that has no network of ours may be a wrong one (DOCKER_HOST): what only it says is not enough where more could be lost. */
static bool is_stranger(struct pass *p)
{
	if (p->inquiry->acquainted)
		return false;
	report(&p->r->reports, "stranger", "Docker has none of tslink's networks. Their records in %s/network stay, and nodes whose sandboxes "
		"exist, until it has one: is DOCKER_HOST right?", p->tree->data);
	return true;
}

static bool has_netns(const struct roster_endpoint *e)
{
	autofd int netns = *e->netns ? netns_open(e->netns) : -1;

	return netns >= 0;
}

static void remove_gone(struct pass *p, const struct roster_endpoint *e)
{
	struct why why;
	autoheld struct held held = HELD_NONE;

	if (e->age < ENDPOINT_YOUNG_MS) {
		due_in(p, ENDPOINT_YOUNG_MS - e->age);
		return;
	}
	if ((has_netns(e) && is_stranger(p)) || inquiry_endpoint_again(p->inquiry, e->network, e->id) != WORD_GONE || !take(p, e, &held))
		return;
	due_in(p, AGAIN_MS);
	if (endpoint_remove(p->tree, &held.endpoint, &why) < 0) {
		report(&p->r->reports, e->key, "cannot remove endpoint %s, which Docker does not have: %s", e->key, why.text);
		return;
	}
	info("endpoint %s: removed, Docker does not have it", e->key);
	if (lock_discard(p->tree->dir, held.lock_name, held.lock) < 0)
		warning_sys("cannot remove %s/%s", p->tree->path, held.lock_name);
}

static void start_missed(struct pass *p, const struct roster_endpoint *e)
{
	char stopped[FACT_MAX];
	struct why why;
	autoheld struct held held = HELD_NONE;

	if (!has_netns(e) || !take(p, e, &held) || note_get(held.endpoint.dir, "stopped", stopped) == 0)
		return;
	bool linked = roster_linked(p->tree, e->key);
	if (!linked && state_set(held.endpoint.dir, STATE_STARTING, NULL) < 0)
		report(&p->r->reports, e->key, "cannot write data/state of endpoint %s: %s", e->key, strerror(errno));
	else if (endpoint_start(p->tree, &held.endpoint, &why) < 0)
		report(&p->r->reports, e->key, "cannot start endpoint %s: %s", e->key, why.text);
	else if (!linked)
		info("endpoint %s: started, its container runs", e->key);
}

static void try_again(struct pass *p, const struct roster_endpoint *e)
{
	char name[FACT_MAX] = "", reason[FACT_MAX] = "";
	struct why why;
	autoheld struct held held = HELD_NONE;

	if (!take(p, e, &held) || state_get(held.endpoint.dir) != STATE_FAILED)
		return;
	if ((note_get(held.endpoint.dir, "hostname", name) < 0 || note_get(held.endpoint.dir, "error", reason) < 0) && errno != ENOENT)
		report(&p->r->reports, e->key, "cannot read data/ of endpoint %s: %s", e->key, strerror(errno));
	else
		report(&p->r->reports, e->key, "endpoint %s (%.64s) has failed, and is tried again every five minutes: %s", e->key,
		       *name ? name : "no name yet", *reason ? reason : "see its log");
	if (e->state_age < FAILED_MS) {
		due_in(p, FAILED_MS - e->state_age);
		return;
	}
	info("endpoint %s: tried again", e->key);
	if (tally_clear(held.endpoint.dir) < 0)
		warning_sys("cannot remove data/tally of endpoint %s", e->key);
	if (service_control(p->tree, e->key, "u", &why) < 0)
		warning("endpoint %s: %s", e->key, why.text);
}

static void judge_endpoint(struct pass *p, const struct roster_endpoint *e)
{
	if (inquiry_endpoint(p->inquiry, e->network, e->id) == WORD_GONE)
		remove_gone(p, e);
	else if (e->stopped)
		return;
	else if (!e->linked || !service_supervised(p->tree, e->key))
		start_missed(p, e);
	else if (e->state == STATE_FAILED)
		try_again(p, e);
}

/* ---- networks */

/*
 * A bridge that is there is looked after, too: its addresses, its MTU, and that it is up. What was read of the network is read again under
 * its lock: DeleteNetwork may have come since. Who has the lock sees to the bridge himself.
 */
static void mend_bridge(struct pass *p, const char *id)
{
	char bridge[LINK_NAME];
	struct network network;
	struct why why;
	autofd int lock = network_lock(p->tree, id, now_ms(), &why);

	if (lock < 0 || network_read(p->tree, id, &network, &why) < 0 || network.null_ipam) {
		if (lock < 0 ? errno != ETIMEDOUT : errno != ENOENT && !network.null_ipam)
			report(&p->r->reports, id, "%s", why.text);
		return;
	}
	autonetlink struct nl_sock *nl = netlink_open();
	network_bridge(p->tree, &network, bridge);
	bool missing = nl && link_index(nl, bridge) == 0;
	if (!nl)
		why_sys(&why, "cannot open a netlink socket");
	if (!nl || network_bridge_ensure(p->tree, &network, nl, &why) < 0)
		report(&p->r->reports, id, "cannot mend bridge %s of network %.12s: %s", bridge, id, why.text);
	else if (missing)
		info("network %.12s: bridge %s was missing, and was made", id, bridge);
}

static int remove_network(struct pass *p, const struct network *network, struct why *why)
{
	char bridge[LINK_NAME];
	autonetlink struct nl_sock *nl = netlink_open();

	if (!nl)
		return why_sys(why, "cannot open a netlink socket");
	network_bridge(p->tree, network, bridge);
	if (!network->null_ipam && link_delete(nl, bridge, why) < 0)
		return -1;
	return network_remove(p->tree, network->id, why);
}

static void forget_network(struct pass *p, const struct roster_network *n, const struct network *network)
{
	struct why why;

	if (n->endpoints)
		return;
	if (n->age < NETWORK_YOUNG_MS) {
		due_in(p, NETWORK_YOUNG_MS - n->age);
		return;
	}
	if (is_stranger(p) || inquiry_network_again(p->inquiry, n->id) != WORD_GONE)
		return;
	int lock = network_lock(p->tree, n->id, now_ms(), &why);
	if (lock < 0)
		return;
	if (remove_network(p, network, &why) < 0)
		report(&p->r->reports, n->id, "cannot remove network %.12s, which Docker does not know: %s", n->id, why.text);
	else
		info("network %.12s: removed, Docker does not know it", n->id);
	network_unlock_gone(p->tree, n->id, lock);
}

static void judge_network(struct pass *p, const struct roster_network *n, enum word word)
{
	struct network network;
	struct why why;

	if (!n->recorded || word == WORD_NONE)
		return;
	if (network_read(p->tree, n->id, &network, &why) < 0) {
		if (errno != ENOENT)
			report(&p->r->reports, n->id, "%s", why.text);
	} else if (word == WORD_HAS) {
		mend_bridge(p, n->id);
	} else {
		forget_network(p, n, &network);
	}
}

/* Networks of which only Docker knows. Their records were made before Docker had them, so these are missing. */
static void judge_unrecorded(struct pass *p)
{
	const struct docker_networks *ours = &p->inquiry->ours;
	struct network network;
	struct why why;

	for (size_t i = 0; i < ours->count; i++)
		if (network_read(p->tree, ours->list[i].id, &network, &why) < 0 && errno == ENOENT)
			report(&p->r->reports, ours->list[i].id, "Docker's network %.100s: %s", ours->list[i].name, why.text);
}

/* ---- all */

static void judge_all(struct pass *p)
{
	for (size_t i = 0; i < p->roster.endpoint_count && !p->r->ending(); i++)
		judge_endpoint(p, &p->roster.endpoint[i]);
	for (size_t i = 0; i < p->roster.network_count && !p->r->ending(); i++)
		judge_network(p, &p->roster.network[i], p->inquiry->answer[i].word);
	judge_unrecorded(p);
}

/* The table, and our accepts in Docker's chain, which a reload of somebody's firewall takes away. */
static void judge_firewall(struct reconcile *r)
{
	const struct ruleset ruleset = { .table = r->tree->name, .prefix = r->tree->prefix };
	struct why why;

	if (ruleset_present(ruleset.table) == 1 && ruleset_docker_missing(&ruleset) != 1)
		return;
	if (tree_ruleset_apply(r->tree, &why) < 0)
		report(&r->reports, "ruleset", "%s", why.text);
	else
		info("the firewall was not whole, and is");
}

int64_t reconcile_pass(struct reconcile *r, bool serves)
{
	struct pass p = { .r = r, .tree = r->tree, .inquiry = &r->inquiry, .whole = true, .due = INT64_MAX };
	struct why why;

	r->inquiry.tree = r->tree;
	r->inquiry.reports = &r->reports;
	judge_firewall(r);
	if (roster_read(r->tree, &p.roster, &why) < 0) {
		report(&r->reports, "roster", "%s", why.text);
		return UNANSWERED_MS;
	}
	if (p.roster.odd)
		report(&r->reports, "odd", "%s/endpoint holds what is no endpoint or cannot be read: %s", r->tree->path, p.roster.odd);
	if (inquiry_begin(&r->inquiry, &p.roster, serves, &why) < 0)
		report(&r->reports, "roster", "%s", why.text);
	else
		judge_all(&p);
	if (serves && !r->inquiry.complete)
		due_in(&p, UNANSWERED_MS);
	else if (p.whole)
		reports_forget(&r->reports);
	inquiry_end(&r->inquiry);
	roster_free(&p.roster);
	return p.due;
}
