/* SPDX-License-Identifier: ISC */
#include "network_name.h"

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <string.h>

#define STORE_MAX ((size_t)256 * 1024 * 1024)
#define RECORD_MAX ((size_t)1024 * 1024) /* a record holds the network's options and labels */
#define BEGIN "{\"addrSpace\":"
#define DEPTH 16

/* The last BEGIN before `before`, at most RECORD_MAX away. Inside of a JSON string its quotes would be escaped. */
static const char *record_begin(const char *store, const char *before)
{
	const size_t len = sizeof BEGIN - 1;

	for (const char *p = before; p >= store && (size_t)(before - p) <= RECORD_MAX; p--)
		if (*p == '{' && (size_t)(before - p) >= len && !memcmp(p, BEGIN, len))
			return p;
	return NULL;
}

static int name_of(const char *record, size_t len, const char *network, char name[NETWORK_NAME_MAX + 1])
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH);
	struct json_object *object, *id, *text;
	int r = -1;

	if (!tokener)
		return -1;
	object = json_tokener_parse_ex(tokener, record, (int)len);
	errno = ENOENT;
	if (object && json_object_is_type(object, json_type_object) && json_object_object_get_ex(object, "id", &id) &&
	    json_object_is_type(id, json_type_string) && !strcmp(json_object_get_string(id), network) &&
	    json_object_object_get_ex(object, "name", &text) && json_object_is_type(text, json_type_string)) {
		/* A zero character would end the name before its end. */
		if (strlen(json_object_get_string(text)) != (size_t)json_object_get_string_len(text))
			errno = EBADMSG;
		else
			r = text_format(name, NETWORK_NAME_MAX + 1, "%s", json_object_get_string(text));
	}
	int saved = errno;
	json_object_put(object);
	json_tokener_free(tokener);
	errno = saved;
	return r;
}

int docker_network_name_in(const char *store, unsigned long len, const char *network, char name[NETWORK_NAME_MAX + 1])
{
	char key[128];
	const char *end = store + len;

	if (text_format(key, sizeof key, "\"id\":\"%s\"", network) < 0)
		return -1;
	for (const char *at = store; (at = memmem(at, (size_t)(end - at), key, strlen(key))); at++) {
		const char *begin = record_begin(store, at);
		size_t left = begin ? (size_t)(end - begin) : 0;
		if (begin && name_of(begin, left < RECORD_MAX ? left : RECORD_MAX, network, name) == 0)
			return 0;
		if (begin && errno != ENOENT)
			return -1;
	}
	errno = ENOENT;
	return -1;
}

int docker_network_name(const char *data_root, const char *network, char name[NETWORK_NAME_MAX + 1])
{
	char path[PATH_MAX];
	size_t len;

	if (text_format(path, sizeof path, "%s/network/files/local-kv.db", data_root) < 0)
		return -1;
	autofree char *store = file_slurp(AT_FDCWD, path, STORE_MAX, &len);
	return store ? docker_network_name_in(store, len, network, name) : -1;
}
