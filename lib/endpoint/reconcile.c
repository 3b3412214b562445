/* SPDX-License-Identifier: ISC */
#include "reconcile.h"

#include "endpoint.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/lock.h"
#include "lib/base/text.h"
#include "lib/net/netlink.h"
#include "lib/net/netns.h"
#include "network.h"
#include "roster.h"
#include "service.h"
#include "tally.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	QUESTION_MS = 2000,
	FRESH_MS = 1000,               /* a second answer is good for that long */
	ENDPOINT_YOUNG_MS = 10000,     /* Docker stores an endpoint only after CreateEndpoint */
	NETWORK_YOUNG_MS = 60000,      /* and a network after CreateNetwork */
	FAILED_MS = 5 * 60 * 1000,     /* a node that was given up is tried again then */
	BUSY_MS = 2000,                /* somebody has the lock */
	UNANSWERED_MS = 10000,
	GATE_SINCE = 28,               /* the engine that makes the netns before Join */
};

enum word {
	WORD_NONE, /* not asked, or not answered */
	WORD_GONE, /* there is no such network */
	WORD_HAS,  /* `docker` is what there is */
};

/* What Docker says about one network; beside the entry of the roster. */
struct answer {
	enum word word;
	struct docker_network docker;
	int64_t again_at; /* when it was asked for the second time; 0: it was not */
};

struct pass {
	struct reconcile *r;
	const struct tree *tree;
	struct roster roster;
	struct answer *answer; /* of roster.network[i] */
	struct docker_networks ours;
	bool asking;           /* Docker answers */
	bool complete;         /* and has answered all there was to ask */
	bool acquainted;       /* it has a network of ours */
	int64_t due;
};

static void due_in(struct pass *p, int64_t ms)
{
	if (ms < p->due)
		p->due = ms < 0 ? 0 : ms;
}

static void say(struct pass *p, const char *about, const char *id, const struct why *why)
{
	char subject[REPORT_SUBJECT];

	text_format(subject, sizeof subject, "%s %s", about, id);
	report(&p->r->reports, subject, "%s", why->text);
}

/* ---- asking */

/* Docker does not answer, or not what it should: it is not asked any more in this pass. */
static void unanswered(struct pass *p, const struct why *why)
{
	p->asking = p->complete = false;
	report(&p->r->reports, "docker", "%s", why->text);
	due_in(p, UNANSWERED_MS);
}

static struct answer *answer_about(struct pass *p, const char *network)
{
	for (size_t i = 0; i < p->roster.network_count; i++)
		if (!strcmp(p->roster.network[i].id, network))
			return &p->answer[i];
	return NULL;
}

static void ask(struct pass *p, const char *network, struct answer *a)
{
	struct why why;

	docker_network_free(&a->docker);
	a->word = WORD_NONE;
	if (engine_network(p->r->engine, network, &a->docker, deadline_in(QUESTION_MS), &why) == 0)
		a->word = WORD_HAS;
	else if (errno == ENOENT)
		a->word = WORD_GONE;
	else
		unanswered(p, &why);
	p->acquainted = p->acquainted || a->word == WORD_HAS;
}

/* What is going to be undone rests on two answers, the second one new. */
static enum word ask_again(struct pass *p, const char *network, struct answer *a)
{
	if (!p->asking)
		return WORD_NONE;
	if (!a->again_at || now_ms() - a->again_at > FRESH_MS) {
		ask(p, network, a);
		a->again_at = now_ms();
	}
	return a->word;
}

static bool has_endpoint(const struct answer *a, const char *endpoint)
{
	for (size_t i = 0; a->word == WORD_HAS && i < a->docker.endpoint_count; i++)
		if (!strcmp(a->docker.endpoints[i].endpoint, endpoint))
			return true;
	return false;
}

static bool is_ours(const struct pass *p, const char *network)
{
	for (size_t i = 0; i < p->ours.count; i++)
		if (!strcmp(p->ours.list[i].id, network))
			return true;
	return false;
}

/* ---- the engine */

static bool same_directory(const char *a, const char *b)
{
	struct stat x, y;

	return !strcmp(a, b) || (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* The driver sees by itself who calls it; until it is called this is how the endpoints' programs find Docker's files. */
static void see_root(struct pass *p, const struct docker_info *info)
{
	char known[PATH_MAX], containers[PATH_MAX];
	struct stat st;

	if (tree_docker_root(p->tree, known) == 0) {
		p->r->foreign = !same_directory(known, info->root_dir);
		return;
	}
	p->r->foreign = false;
	if (text_format(containers, sizeof containers, "%s/containers", info->root_dir) < 0 || stat(containers, &st) < 0 ||
	    !S_ISDIR(st.st_mode))
		return;
	if (tree_docker_root_set(p->tree, info->root_dir) < 0)
		warning_sys("cannot write %s/docker/root", p->tree->path);
}

static void see_version(struct reconcile *r, const struct docker_info *info)
{
	char major[sizeof info->version];
	long number;

	if (!strcmp(r->version, info->version))
		return;
	memcpy(r->version, info->version, sizeof r->version);
	memcpy(major, info->version, sizeof major);
	major[strcspn(major, ".")] = 0;
	if (text_number(major, 0, 10000, &number) == 0 && number < GATE_SINCE)
		warning("Docker %s starts containers before their nodes can be up: tslink.wait and tslink.require have no effect. Docker %d and "
			"later wait", info->version, GATE_SINCE);
	else
		info_version(info->version);
}

/* Who is it? Once for each connection; until it has said so, nothing that it says counts. */
static void meet(struct pass *p)
{
	struct reconcile *r = p->r;
	struct docker_info info;
	struct why why;

	if (!r->met) {
		if (engine_info(r->engine, &info, deadline_in(QUESTION_MS), &why) < 0) {
			unanswered(p, &why);
			return;
		}
		r->met = true;
		see_version(r, &info);
		see_root(p, &info);
	}
}
