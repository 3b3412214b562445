/* SPDX-License-Identifier: ISC */
#include "objects.h"

#include "field.h"
#include "lib/base/text.h"
#include "take.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int bad(struct why *why, const char *prefix, const char *key, const char *wanted)
{
	errno = EBADMSG;
	return why_set(why, "field %s%s: %s expected", prefix, key, wanted);
}

/* An ID of a network, endpoint or container: 64 hexadecimal digits, or a swarm's 25 of a-z0-9. */
static bool is_id(const char *s)
{
	size_t len = strlen(s);
	return len > 0 && len <= ID_LEN && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789") == len;
}

static int take_id(const struct fields *f, const char *key, char id[ID_SIZE], enum presence presence, struct why *why)
{
	if (take_buffer(f, key, id, ID_SIZE, why) < 0)
		return -1;
	if (is_id(id) || (!*id && presence == OPTIONAL))
		return 0;
	return bad(why, f->prefix, key, "an ID");
}

static int take_container_id(const struct fields *f, const char *key, char id[ID_SIZE], struct why *why)
{
	if (take_buffer(f, key, id, ID_SIZE, why) < 0)
		return -1;
	return text_is_hex(id, ID_LEN) ? 0 : bad(why, f->prefix, key, "64 hexadecimal digits");
}

void docker_container_free(struct docker_container *c)
{
	free(c->name);
	free(c->image_id);
	free(c->image);
	pairs_free(&c->labels);
	free(c->network_mode);
	free(c->restart_policy);
	free(c->resolv_conf);
	free(c->state);
	free(c->networks);
	*c = (struct docker_container){.auto_remove = -1};
}

/* Of several names the one without a slash in it: the others are `--link` aliases, "/consumer/alias". None while
 * it is being removed. */
static int take_container_name(const struct fields *f, char **name, struct why *why)
{
	struct json_object *names;
	if (field_entry(f, "Names", json_type_array, &names, why) < 0)
		return -1;
	const char *own = "";
	for (size_t i = 0; names && !*own && i < json_object_array_length(names); i++) {
		struct json_object *one = json_object_array_get_idx(names, i);
		const char *s = json_object_is_type(one, json_type_string) ? json_object_get_string(one) : "";
		if (*s == '/' && !strchr(s + 1, '/'))
			own = s + 1;
	}
	*name = strdup(own);
	return *name ? 0 : why_sys(why, "field Names");
}

static int take_attachments(const struct fields *f, struct docker_container *c, struct why *why)
{
	struct fields settings = {NULL, "NetworkSettings."};
	struct json_object *networks;
	if (field_entry(f, "NetworkSettings", json_type_object, &settings.object, why) < 0 ||
	    field_entry(&settings, "Networks", json_type_object, &networks, why) < 0)
		return -1;
	if (!networks)
		return 0;
	c->networks = calloc((size_t)json_object_object_length(networks) + 1, sizeof *c->networks);
	if (!c->networks)
		return why_sys(why, "field NetworkSettings.Networks");
	json_object_object_foreach(networks, name, value)
	{
		(void)name;
		struct fields one = {value, "NetworkSettings.Networks."};
		struct docker_attachment *a = &c->networks[c->network_count];
		if (value && !json_object_is_type(value, json_type_object))
			return bad(why, settings.prefix, "Networks", "objects");
		if (take_id(&one, "NetworkID", a->network, OPTIONAL, why) < 0 ||
		    take_id(&one, "EndpointID", a->endpoint, OPTIONAL, why) < 0)
			return -1;
		c->network_count++;
	}
	return 0;
}

static int take_container(const struct fields *f, struct docker_container *c, struct why *why)
{
	struct fields host = {NULL, "HostConfig."};
	if (take_container_id(f, "Id", c->id, why) < 0 || take_container_name(f, &c->name, why) < 0 ||
	    take_text(f, "ImageID", &c->image_id, why) < 0 || take_text(f, "Image", &c->image, why) < 0 ||
	    take_pairs(f, "Labels", &c->labels, why) < 0 || take_text(f, "State", &c->state, why) < 0 ||
	    field_entry(f, "HostConfig", json_type_object, &host.object, why) < 0 ||
	    take_text(&host, "NetworkMode", &c->network_mode, why) < 0)
		return -1;
	return take_attachments(f, c, why);
}

/* What a parser of one object does: fills *object from the fields. */
typedef int (*taker)(const struct fields *f, void *object, struct why *why);

static int container_taker(const struct fields *f, void *object, struct why *why)
{
	return take_container(f, object, why);
}

/*
 * Appends the objects of a JSON array to *list, each of `size` bytes. release() is for those that were made
 * before the one that failed, and for the half-made one.
 */
static int take_list(struct json_object *array, void **list, size_t *count, size_t size, taker take,
                     void (*release)(void *), struct why *why)
{
	size_t more = array ? json_object_array_length(array) : 0, old = *count;
	char *bigger = reallocarray(*list, old + more + 1, size);
	if (!bigger)
		return why_sys(why, "%zu objects", more);
	*list = bigger;
	memset(bigger + old * size, 0, (more + 1) * size);
	for (size_t i = 0; i < more; i++) {
		struct fields f = {json_object_array_get_idx(array, i), ""};
		int result = json_object_is_type(f.object, json_type_object) ? take(&f, bigger + *count * size, why)
		                                                             : bad(why, "", "[]", "an object");
		++*count;
		if (result == 0)
			continue;
		int saved = errno;
		while (*count > old)
			release(bigger + --*count * size);
		errno = saved;
		return -1;
	}
	return 0;
}

static int done(struct json_object *o, int result)
{
	int saved = errno;
	json_object_put(o);
	errno = result < 0 && saved != ENOMEM ? EBADMSG : saved;
	return result;
}

static void container_release(void *c)
{
	docker_container_free(c);
}

int docker_containers_parse(struct docker_containers *all, char *text, size_t len, struct why *why)
{
	struct json_object *o;
	if (document_parse(text, len, json_type_array, &o, why) < 0)
		return -1;
	void *list = all->list;
	size_t old = all->count;
	int result = take_list(o, &list, &all->count, sizeof *all->list, container_taker, container_release, why);
	all->list = list;
	for (size_t i = old; i < all->count; i++)
		all->list[i].auto_remove = -1;
	return done(o, result);
}

void docker_containers_free(struct docker_containers *all)
{
	for (size_t i = 0; i < all->count; i++)
		docker_container_free(&all->list[i]);
	free(all->list);
	*all = (struct docker_containers){0};
}

void docker_network_free(struct docker_network *n)
{
	free(n->name);
	free(n->driver);
	pairs_free(&n->options);
	for (size_t i = 0; i < n->endpoint_count; i++)
		free(n->endpoints[i].name);
	free(n->endpoints);
	*n = (struct docker_network){0};
}

/* One entry of Containers. Its key is the container's ID, or "ep-<endpoint ID>" while that container starts. */
static int take_endpoint(const char *key, const struct fields *f, struct docker_endpoint *e, struct why *why)
{
	if (take_id(f, "EndpointID", e->endpoint, OPTIONAL, why) < 0)
		return -1;
	if (text_is_hex(key, ID_LEN))
		memcpy(e->container, key, ID_SIZE);
	else if (!*e->endpoint && !strncmp(key, "ep-", 3) && text_is_hex(key + 3, ID_LEN))
		memcpy(e->endpoint, key + 3, ID_SIZE);
	return take_text(f, "Name", &e->name, why);
}

static int take_endpoints(const struct fields *f, struct docker_network *n, struct why *why)
{
	struct json_object *map;
	if (field_entry(f, "Containers", json_type_object, &map, why) < 0)
		return -1;
	if (!map)
		return 0;
	n->endpoints = calloc((size_t)json_object_object_length(map) + 1, sizeof *n->endpoints);
	if (!n->endpoints)
		return why_sys(why, "field Containers");
	json_object_object_foreach(map, key, value)
	{
		struct fields one = {value, "Containers."};
		if (!json_object_is_type(value, json_type_object))
			return bad(why, "", "Containers", "objects");
		if (take_endpoint(key, &one, &n->endpoints[n->endpoint_count++], why) < 0)
			return -1;
	}
	return 0;
}

static int take_network(const struct fields *f, void *object, struct why *why)
{
	struct docker_network *n = object;
	if (take_id(f, "Id", n->id, REQUIRED, why) < 0 || take_text(f, "Name", &n->name, why) < 0 ||
	    take_text(f, "Driver", &n->driver, why) < 0 || field_entry_bool(f, "Internal", &n->internal, why) < 0 ||
	    take_pairs(f, "Options", &n->options, why) < 0)
		return -1;
	return take_endpoints(f, n, why);
}

int docker_network_parse(struct docker_network *n, char *text, size_t len, struct why *why)
{
	struct fields f = {NULL, ""};
	*n = (struct docker_network){0};
	if (document_parse(text, len, json_type_object, &f.object, why) < 0)
		return -1;
	int result = done(f.object, take_network(&f, n, why));
	if (result < 0) {
		int saved = errno;
		docker_network_free(n);
		errno = saved;
	}
	return result;
}

static void network_release(void *n)
{
	docker_network_free(n);
}

int docker_networks_parse(struct docker_networks *all, char *text, size_t len, struct why *why)
{
	struct json_object *o;
	*all = (struct docker_networks){0};
	if (document_parse(text, len, json_type_array, &o, why) < 0)
		return -1;
	void *list = NULL;
	int result = take_list(o, &list, &all->count, sizeof *all->list, take_network, network_release, why);
	all->list = list;
	if (result < 0) { /* take_list has released what was in it */
		int saved = errno;
		free(all->list);
		*all = (struct docker_networks){0};
		errno = saved;
	}
	return done(o, result);
}

void docker_networks_free(struct docker_networks *all)
{
	for (size_t i = 0; i < all->count; i++)
		docker_network_free(&all->list[i]);
	free(all->list);
	*all = (struct docker_networks){0};
}

static int take_info(const struct fields *f, struct docker_info *info, struct why *why)
{
	if (take_buffer(f, "DockerRootDir", info->root_dir, sizeof info->root_dir, why) < 0 ||
	    take_buffer(f, "ServerVersion", info->version, sizeof info->version, why) < 0 ||
	    field_entry_bool(f, "LiveRestoreEnabled", &info->live_restore, why) < 0)
		return -1;
	return *info->root_dir == '/' ? 0 : bad(why, "", "DockerRootDir", "an absolute path");
}

int docker_info_parse(struct docker_info *info, char *text, size_t len, struct why *why)
{
	struct fields f = {NULL, ""};
	*info = (struct docker_info){0};
	if (document_parse(text, len, json_type_object, &f.object, why) < 0)
		return -1;
	return done(f.object, take_info(&f, info, why));
}

static int take_image(const struct fields *f, struct pairs *labels, struct why *why)
{
	struct fields config = {NULL, "Config."};
	struct json_object *id;
	if (field_entry(f, "Id", json_type_string, &id, why) < 0)
		return -1;
	if (!id) /* an answer of something else must not pass for an image without labels */
		return bad(why, "", "Id", "an image's ID");
	if (field_entry(f, "Config", json_type_object, &config.object, why) < 0)
		return -1;
	return take_pairs(&config, "Labels", labels, why);
}

int docker_image_parse(struct pairs *labels, char *text, size_t len, struct why *why)
{
	struct fields f = {NULL, ""};
	*labels = (struct pairs){0};
	if (document_parse(text, len, json_type_object, &f.object, why) < 0)
		return -1;
	return done(f.object, take_image(&f, labels, why));
}

char *docker_message_parse(char *text, size_t len)
{
	struct fields f = {NULL, ""};
	struct json_object *message = NULL;
	char *copy = NULL;
	if (document_parse(text, len, json_type_object, &f.object, NULL) == 0 &&
	    field_entry(&f, "message", json_type_string, &message, NULL) == 0 && message)
		copy = strdup(json_object_get_string(message));
	json_object_put(f.object);
	return copy;
}
