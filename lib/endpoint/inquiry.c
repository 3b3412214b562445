/* SPDX-License-Identifier: ISC */
#include "inquiry.h"

#include "lib/base/clock.h"
#include "lib/base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	QUESTION_MS = 2000,
	FRESH_MS = 1000,
	GATE_SINCE = 28, /* from this engine on the netns is there in Join (docker.md 0) */
};

/* ---- who is it? */

static void see_version(struct inquiry *q, const struct docker_info *engine)
{
	char major[sizeof engine->version];
	long number;

	if (!strcmp(q->version, engine->version))
		return;
	memcpy(q->version, engine->version, sizeof q->version);
	memcpy(major, engine->version, sizeof major);
	major[strcspn(major, ".")] = 0;
	if (text_number(major, 0, 10000, &number) == 0 && number < GATE_SINCE)
		warning("Docker %s starts a container before its node can be up: tslink.wait and tslink.require have no effect with it. Docker "
			"%d and later wait", engine->version, GATE_SINCE);
	else
		info("this is Docker %s", engine->version);
}

static bool same_directory(const char *a, const char *b)
{
	struct stat x, y;

	return !strcmp(a, b) || (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/*
 * Is it the engine that uses this driver? The driver notes the data root of who calls it. As long as nobody has, this is how the
 * endpoints' programs find Docker's files. What another engine (a wrong DOCKER_HOST) does not have is no leftover of ours.
 */
static bool is_caller(const struct inquiry *q)
{
	char known[PATH_MAX], containers[PATH_MAX];
	struct stat st;

	if (tree_docker_root(q->tree, known) == 0) {
		if (same_directory(known, q->root))
			return true;
		report(q->reports, "engine", "the Docker at DOCKER_HOST keeps its data in %s, and the one that uses this driver in %s: nothing "
			"is done on its word. Set DOCKER_HOST right", q->root, known);
		return false;
	}
	if (text_format(containers, sizeof containers, "%s/containers", q->root) == 0 && stat(containers, &st) == 0 &&
	    S_ISDIR(st.st_mode) && tree_docker_root_set(q->tree, q->root) < 0)
		report(q->reports, "root", "cannot write %s/docker/root: %s", q->tree->path, strerror(errno));
	return true;
}

/* ---- asking */

/* What was not answered. A Docker that is stuck or gone is not asked any further. */
static void unanswered(struct inquiry *q, const char *subject, const struct why *why)
{
	q->complete = false;
	if (errno == ETIMEDOUT || errno == ECONNREFUSED || errno == ECONNRESET || errno == EACCES)
		q->asking = false;
	report(q->reports, subject, "%s", why->text);
}

static void meet(struct inquiry *q)
{
	struct docker_info engine;
	struct why why;

	if (q->met)
		return;
	if (engine_info(q->engine, &engine, deadline_in(QUESTION_MS), &why) < 0) {
		unanswered(q, "docker", &why);
		q->asking = false;
		return;
	}
	q->met = true;
	memcpy(q->root, engine.root_dir, sizeof q->root);
	see_version(q, &engine);
}

static void ask(struct inquiry *q, const char *network, struct answer *a)
{
	struct why why;

	docker_network_free(&a->docker);
	a->word = WORD_NONE;
	if (engine_network(q->engine, network, &a->docker, deadline_in(QUESTION_MS), &why) == 0)
		a->word = WORD_HAS;
	else if (errno == ENOENT)
		a->word = WORD_GONE;
	else
		unanswered(q, network, &why);
	q->acquainted = q->acquainted || a->word == WORD_HAS;
}

static bool is_listed(const struct inquiry *q, const char *network)
{
	for (size_t i = 0; i < q->ours.count; i++)
		if (!strcmp(q->ours.list[i].id, network))
			return true;
	return false;
}

static void ask_all(struct inquiry *q)
{
	struct why why;

	if (engine_networks(q->engine, q->driver, &q->ours, deadline_in(QUESTION_MS), &why) < 0) {
		unanswered(q, "docker", &why);
		q->asking = false;
		return;
	}
	q->acquainted = q->ours.count > 0;
	for (size_t i = 0; i < q->roster->network_count && q->asking; i++) {
		const struct roster_network *n = &q->roster->network[i];
		/* Of a managed plugin's networks none is listed: its name for Docker is not known here. */
		if (!n->endpoints && is_listed(q, n->id))
			q->answer[i].word = WORD_HAS;
		else
			ask(q, n->id, &q->answer[i]);
	}
}

int inquiry_begin(struct inquiry *q, const struct roster *roster, bool serves, struct why *why)
{
	q->roster = roster;
	q->ours = (struct docker_networks){ .list = NULL };
	q->acquainted = false;
	q->asking = q->complete = serves;
	q->answer = calloc(roster->network_count + 1, sizeof *q->answer);
	if (!q->answer)
		return why_sys(why, "the list of networks");
	if (q->asking)
		meet(q);
	if (q->asking)
		q->asking = is_caller(q);
	if (q->asking)
		ask_all(q);
	return 0;
}

void inquiry_end(struct inquiry *q)
{
	for (size_t i = 0; q->answer && i < q->roster->network_count; i++)
		docker_network_free(&q->answer[i].docker);
	free(q->answer);
	q->answer = NULL;
	docker_networks_free(&q->ours);
}

/* ---- what it said */

static struct answer *about(const struct inquiry *q, const char *network)
{
	for (size_t i = 0; i < q->roster->network_count; i++)
		if (!strcmp(q->roster->network[i].id, network))
			return &q->answer[i];
	return NULL;
}

enum word inquiry_endpoint(const struct inquiry *q, const char *network, const char *endpoint)
{
	const struct answer *a = about(q, network);

	if (!a || a->word != WORD_HAS)
		return a ? a->word : WORD_NONE;
	for (size_t i = 0; i < a->docker.endpoint_count; i++)
		if (!strcmp(a->docker.endpoints[i].endpoint, endpoint))
			return WORD_HAS;
	return WORD_GONE;
}

enum word inquiry_network_again(struct inquiry *q, const char *network)
{
	struct answer *a = about(q, network);

	if (!a || !q->asking)
		return WORD_NONE;
	if (!a->again_at || now_ms() - a->again_at > FRESH_MS) {
		ask(q, network, a);
		a->again_at = now_ms();
	}
	return a->word;
}

enum word inquiry_endpoint_again(struct inquiry *q, const char *network, const char *endpoint)
{
	if (inquiry_network_again(q, network) == WORD_NONE)
		return WORD_NONE;
	return inquiry_endpoint(q, network, endpoint);
}

void inquiry_part(struct inquiry *q)
{
	q->met = false;
}
