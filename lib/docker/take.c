/* SPDX-License-Identifier: ISC */
#include "take.h"

#include <errno.h>
#include <string.h>

int take_text(const struct fields *f, const char *key, char **out, struct why *why)
{
	struct json_object *value;
	if (field_entry(f, key, json_type_string, &value, why) < 0)
		return -1;
	*out = strdup(value ? json_object_get_string(value) : "");
	return *out ? 0 : why_sys(why, "field %s%s", f->prefix, key);
}

int take_buffer(const struct fields *f, const char *key, char *buf, size_t size, struct why *why)
{
	struct json_object *value;
	if (field_entry(f, key, json_type_string, &value, why) < 0)
		return -1;
	size_t len = value ? (size_t)json_object_get_string_len(value) : 0;
	if (len >= size) {
		errno = EBADMSG;
		return why_set(why, "field %s%s is longer than %zu bytes", f->prefix, key, size - 1);
	}
	if (len)
		memcpy(buf, json_object_get_string(value), len);
	buf[len] = '\0';
	return 0;
}

static int take_entry(const char *key, struct json_object *value, const char *name, struct pairs *out, struct why *why)
{
	if (value && !json_object_is_type(value, json_type_string)) {
		errno = EBADMSG;
		return why_set(why, "field %s: every entry must be a string, but %.64s is none", name, key);
	}
	if (pairs_add(out, key, value ? json_object_get_string(value) : "") < 0)
		return why_sys(why, "field %s", name);
	return 0;
}

int take_map(struct json_object *map, const char *name, struct pairs *out, struct why *why)
{
	if (!map)
		return 0;
	json_object_object_foreach(map, key, value)
	{
		if (take_entry(key, value, name, out, why) < 0) {
			int saved = errno;
			pairs_free(out);
			errno = saved;
			return -1;
		}
	}
	return 0;
}

int take_pairs(const struct fields *f, const char *key, struct pairs *out, struct why *why)
{
	struct json_object *map;
	if (field_entry(f, key, json_type_object, &map, why) < 0)
		return -1;
	return take_map(map, key, out, why);
}
