/* SPDX-License-Identifier: ISC */
/*
 * Every answer of the Engine API that is parsed, and the event stream. The first byte says which it is; what comes out
 * keeps its promises, and a stream says the same however it was cut.
 */
#include "lib/base/text.h"
#include "lib/docker/events.h"
#include "lib/docker/objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void want(bool condition)
{
	if (!condition)
		abort();
}

/* A failure has its reason, in one line, and an errno that is documented. */
static void answer(int result, const struct why *why)
{
	if (result < 0)
		want((errno == EBADMSG || errno == ENOMEM) && *why->text && !strpbrk(why->text, "\r\n"));
}

static void is_id(const char *id)
{
	want(strlen(id) <= ID_LEN && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(id));
}

static void check_pairs(const struct pairs *p)
{
	for (size_t i = 0; i < p->count; i++)
		want(p->list[i].name && p->list[i].value);
}

static void check_network(const struct docker_network *n)
{
	is_id(n->id);
	want(*n->id && n->name && n->driver);
	check_pairs(&n->options);
	for (size_t i = 0; i < n->endpoint_count; i++) {
		is_id(n->endpoints[i].container);
		is_id(n->endpoints[i].endpoint);
		want(n->endpoints[i].name != NULL);
	}
}

static void try_info(char *text, size_t len)
{
	struct docker_info info;
	struct why why = {0};
	int result = docker_info_parse(&info, text, len, &why);
	answer(result, &why);
	if (result == 0)
		want(*info.root_dir == '/');
}

static void try_network(char *text, size_t len)
{
	struct docker_network n;
	struct why why = {0};
	int result = docker_network_parse(&n, text, len, &why);
	answer(result, &why);
	if (result == 0)
		check_network(&n);
	docker_network_free(&n);
}

static void try_networks(char *text, size_t len)
{
	struct docker_networks all;
	struct why why = {0};
	answer(docker_networks_parse(&all, text, len, &why), &why);
	for (size_t i = 0; i < all.count; i++)
		check_network(&all.list[i]);
	docker_networks_free(&all);
}

static void try_containers(char *text, size_t len)
{
	struct docker_containers all = {0};
	struct why why = {0};
	answer(docker_containers_parse(&all, text, len, &why), &why);
	for (size_t i = 0; i < all.count; i++) {
		const struct docker_container *c = &all.list[i];
		want(text_is_hex(c->id, ID_LEN) && c->name && !strchr(c->name, '/') && c->image_id && c->image);
		want(c->network_mode && c->state && c->auto_remove == -1 && !c->resolv_conf && !c->restart_policy);
		check_pairs(&c->labels);
		for (size_t k = 0; k < c->network_count; k++) {
			is_id(c->networks[k].network);
			is_id(c->networks[k].endpoint);
		}
	}
	docker_containers_free(&all);
}

static void try_image(char *text, size_t len)
{
	struct pairs labels;
	struct why why = {0};
	answer(docker_image_parse(&labels, text, len, &why), &why);
	check_pairs(&labels);
	pairs_free(&labels);
}

struct tally {
	size_t count;
	uint32_t hash;
};

static void note_event(void *arg, const struct docker_event *e)
{
	struct tally *t = arg;
	want(e->type && e->action && e->id && e->container && e->driver);
	want(!*e->container || text_is_hex(e->container, ID_LEN));
	want(e->lost ? !*e->type : *e->type != '\0');
	t->count++;
	t->hash = t->hash * 31 + (text_hash(e->type) ^ text_hash(e->action) * 3 ^ text_hash(e->id) * 5);
}

static int feed(const char *text, size_t len, size_t step, struct tally *t)
{
	struct event_reader r = {0};
	struct why why = {0};
	int result = 0;
	for (size_t i = 0; result == 0 && i < len; i += step)
		result = event_reader_feed(&r, text + i, len - i < step ? len - i : step, note_event, t, &why);
	answer(result, &why);
	event_reader_free(&r);
	return result;
}

static void try_events(char *text, size_t len)
{
	static const size_t steps[] = {1, 3, 64};
	struct tally whole = {0};
	int result = feed(text, len, len ? len : 1, &whole);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct tally t = {0};
		want(feed(text, len, steps[i], &t) == result && t.count == whole.count && t.hash == whole.hash);
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *input, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *input, size_t size)
{
	if (!size)
		return 0;
	size_t len = size - 1;
	char *text = malloc(len + 1);
	memcpy(text, input + 1, len);
	text[len] = '\0';
	switch (*input) {
	case 'i': try_info(text, len); break;
	case 'n': try_network(text, len); break;
	case 'N': try_networks(text, len); break;
	case 'c': try_containers(text, len); break;
	case 'l': try_image(text, len); break;
	case 'm': free(docker_message_parse(text, len)); break;
	default: try_events(text, len); break;
	}
	free(text);
	return 0;
}
