/* SPDX-License-Identifier: ISC */
/*
 * usage: tslink-lookup [-r RUNDIR] container NETWORK ENDPOINT
 *        tslink-lookup [-r RUNDIR] image ID
 *        tslink-lookup [-r RUNDIR] network ID
 *
 * Asks Docker's Engine API, and prints what tslink looks at of the answer, in the API's own shape: an array of the one container behind
 * the endpoint (GET /containers/json), the image (GET /images/{id}/json), or the network without its options, which may hold a key, and
 * without its endpoints (GET /networks/{id}). It is for programs that do without libcurl (lib/docker/lookup.h), and for people.
 *
 * Docker answers nothing while it boots: after 2 s that is the end of it. Exit: 0; 111 where there is no answer, or nothing of that ID;
 * 100 on wrong use.
 */
#include "lib/base/clock.h"
#include "lib/docker/engine.h"
#include "lib/endpoint/tree.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 2000
#define USAGE "usage: tslink-lookup [-r rundir] container network endpoint | image id | network id"

static _Noreturn void no_memory(void)
{
	die(EXIT_TEMPORARY, "out of memory");
}

static struct json_object *object(void)
{
	struct json_object *o = json_object_new_object();

	if (!o)
		no_memory();
	return o;
}

/* Takes over the value. */
static void put(struct json_object *o, const char *key, struct json_object *value)
{
	if (!value || json_object_object_add(o, key, value) < 0)
		no_memory();
}

static void put_text(struct json_object *o, const char *key, const char *text)
{
	put(o, key, json_object_new_string(text));
}

static struct json_object *map(const struct pairs *pairs)
{
	struct json_object *o = object();

	for (size_t i = 0; i < pairs->count; i++)
		put_text(o, pairs->list[i].name, pairs->list[i].value);
	return o;
}

/* What takes over an object says so, and frees nothing of it: the program ends after this. */
static void print(struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!text)
		no_memory();
	if (puts(text) < 0 || fflush(stdout) != 0)
		die_sys(EXIT_TEMPORARY, "cannot write the answer");
	json_object_put(o);
}

static _Noreturn void refuse(const struct why *why)
{
	die(errno == EINVAL ? EXIT_PERMANENT : EXIT_TEMPORARY, "%s", why->text);
}

static struct json_object *container_settings(const struct docker_container *c)
{
	struct json_object *settings = object(), *networks = object();

	/* The names of the networks are not kept: their IDs stand for them, or a number before the first start. */
	for (size_t i = 0; i < c->network_count; i++) {
		const struct docker_attachment *a = &c->networks[i];
		struct json_object *o = object();
		char number[24];
		snprintf(number, sizeof number, "%zu", i);
		put_text(o, "NetworkID", a->network);
		put_text(o, "EndpointID", a->endpoint);
		put(networks, *a->network ? a->network : number, o);
	}
	put(settings, "Networks", networks);
	return settings;
}

static void look_up_container(struct engine *e, const char *network, const char *endpoint)
{
	struct docker_container c;
	struct why why;
	char slashed[512];

	if (engine_find_container(e, network, endpoint, &c, deadline_in(ANSWER_MS), &why) < 0)
		refuse(&why);
	struct json_object *o = object(), *names = json_object_new_array(), *host = object(), *all = json_object_new_array();
	snprintf(slashed, sizeof slashed, "/%s", c.name);
	if (!names || json_object_array_add(names, json_object_new_string(slashed)) < 0)
		no_memory();
	put_text(o, "Id", c.id);
	put(o, "Names", names);
	put_text(o, "Image", c.image);
	put_text(o, "ImageID", c.image_id);
	put(o, "Labels", map(&c.labels));
	put_text(o, "State", c.state ? c.state : "");
	put_text(host, "NetworkMode", c.network_mode);
	put(o, "HostConfig", host);
	put(o, "NetworkSettings", container_settings(&c));
	docker_container_free(&c);
	if (!all || json_object_array_add(all, o) < 0)
		no_memory();
	print(all);
}

static void look_up_image(struct engine *e, const char *id)
{
	struct pairs labels;
	struct why why;

	if (engine_image_labels(e, id, &labels, deadline_in(ANSWER_MS), &why) < 0)
		refuse(&why);
	struct json_object *o = object(), *config = object();
	put(config, "Labels", map(&labels));
	pairs_free(&labels);
	put_text(o, "Id", id);
	put(o, "Config", config);
	print(o);
}

static void look_up_network(struct engine *e, const char *id)
{
	struct docker_network n;
	struct why why;

	if (engine_network(e, id, &n, deadline_in(ANSWER_MS), &why) < 0)
		refuse(&why);
	struct json_object *o = object();
	put_text(o, "Id", n.id);
	put_text(o, "Name", n.name);
	put_text(o, "Driver", n.driver);
	put(o, "Internal", json_object_new_boolean(n.internal));
	docker_network_free(&n);
	print(o);
}

int main(int argc, char **argv)
{
	const char *rundir = TREE_DEFAULT;
	char host[FACT_MAX];
	struct tree tree;
	struct why why;

	for (int c; (c = getopt(argc, argv, "r:")) != -1;) {
		if (c != 'r')
			die(EXIT_PERMANENT, USAGE);
		rundir = optarg;
	}
	argc -= optind;
	argv += optind;
	bool container = argc == 3 && !strcmp(argv[0], "container"), image = argc == 2 && !strcmp(argv[0], "image");
	if (!container && !image && !(argc == 2 && !strcmp(argv[0], "network")))
		die(EXIT_PERMANENT, USAGE);
	tree_need(&tree, rundir);
	if (tree_setting(&tree, "DOCKER_HOST", host) < 0 && errno != ENOENT)
		die_sys(EXIT_TEMPORARY, "cannot read %s/env/DOCKER_HOST", tree.path);
	struct engine *e = engine_open(host, &why);
	if (!e)
		refuse(&why);
	if (container)
		look_up_container(e, argv[1], argv[2]);
	else if (image)
		look_up_image(e, argv[1]);
	else
		look_up_network(e, argv[1]);
	engine_close(e);
	return 0;
}
