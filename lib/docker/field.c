/* SPDX-License-Identifier: ISC */
#include "field.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 16          /* Docker's deepest, a port map, is 4 */
#define DOCUMENT_DEPTH_MAX 32 /* of Docker's own files and answers: the mounts of a container are about 8 */

/* Is there a zero character, raw or as the escape \u0000? json-c would cut a key at it without a word. */
static bool has_zero(const char *s, size_t len)
{
	if (memchr(s, '\0', len))
		return true;
	for (const char *end = s + len, *p = s; (p = memchr(p, '\\', (size_t)(end - p))); p += 2) {
		if (end - p >= 6 && !memcmp(p, "\\u0000", 6))
			return true;
		if (end - p < 2)
			return false;
	}
	return false;
}

static struct json_object *parse(const char *body, size_t len, int depth, enum json_tokener_error *error)
{
	struct json_tokener *t = json_tokener_new_ex(depth);
	if (!t) {
		*error = json_tokener_success;
		errno = ENOMEM;
		return NULL;
	}
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* with the zero at the end, so that a body that ends too early is an error and not the wish for more */
	struct json_object *o = json_tokener_parse_ex(t, body, (int)(len + 1));
	*error = json_tokener_get_error(t);
	json_tokener_free(t);
	errno = EBADMSG;
	return o;
}

struct json_object *fields_parse(const char *body, size_t len, struct why *why)
{
	enum json_tokener_error error;
	errno = EBADMSG;
	if (strspn(body, " \t\r\n") >= len) {
		why_set(why, "the request has no body: Docker drops it when it sends a call again; please try again");
		return NULL;
	}
	if (len >= INT32_MAX || has_zero(body, len)) {
		why_set(why, "the body is refused: it holds a zero character");
		return NULL;
	}
	struct json_object *o = parse(body, len, DEPTH_MAX, &error);
	if (error != json_tokener_success) {
		why_set(why, "the body is no JSON: %s", json_tokener_error_desc(error));
	} else if (!json_object_is_type(o, json_type_object)) {
		why_set(why, "the body is no JSON object");
	} else {
		return o;
	}
	json_object_put(o);
	return NULL;
}

/* Overwrites every escape \u0000 by \ufffd. */
static void replace_zeros(char *s, size_t len)
{
	for (char *end = s + len, *p = s; (p = memchr(p, '\\', (size_t)(end - p))); p += 2) {
		if (end - p < 2)
			return;
		if (end - p >= 6 && !memcmp(p, "\\u0000", 6))
			memcpy(p, "\\ufffd", 6);
	}
}

int document_parse(char *text, size_t len, enum json_type type, struct json_object **out, struct why *why)
{
	enum json_tokener_error error;
	*out = NULL;
	errno = EBADMSG;
	if (strspn(text, " \t\r\n") >= len)
		return why_set(why, "it is empty");
	if (len >= INT32_MAX || memchr(text, '\0', len))
		return why_set(why, "it holds a zero character");
	replace_zeros(text, len);
	struct json_object *o = parse(text, len, DOCUMENT_DEPTH_MAX, &error);
	if (!o && errno == ENOMEM)
		return why_sys(why, "it cannot be parsed");
	if (error != json_tokener_success) {
		json_object_put(o);
		return why_set(why, "it is no JSON: %s", json_tokener_error_desc(error));
	}
	if (o && !json_object_is_type(o, type)) {
		json_object_put(o);
		errno = EBADMSG;
		return why_set(why, "it is no JSON %s", json_type_to_name(type));
	}
	*out = o;
	return 0;
}

static int wrong_type(const struct fields *f, const char *name, enum json_type wanted, struct json_object *is,
                      struct why *why)
{
	errno = EINVAL;
	return why_set(why, "field %s%s: type %s expected, but it is %s", f->prefix, name, json_type_to_name(wanted),
	               json_type_to_name(json_object_get_type(is)));
}

/* Two spellings of one name are two answers to one question; Docker never sends that. */
static int find(const struct fields *f, const char *name, struct json_object **value, struct why *why)
{
	bool seen = false;
	*value = NULL;
	if (!f->object)
		return 0;
	json_object_object_foreach (f->object, key, val) {
		if (strcasecmp(key, name))
			continue;
		if (seen) {
			errno = EINVAL;
			return why_set(why, "field %s%s is given twice", f->prefix, name);
		}
		seen = true;
		*value = val;
	}
	return 0;
}

int field_get(const struct fields *f, const char *name, enum json_type type, enum presence presence,
              struct json_object **value, struct why *why)
{
	if (find(f, name, value, why) < 0)
		return -1;
	if (!*value && presence == REQUIRED) {
		errno = EINVAL;
		return why_set(why, "field %s%s is missing", f->prefix, name);
	}
	if (*value && !json_object_is_type(*value, type))
		return wrong_type(f, name, type, *value, why);
	return 0;
}

int field_text(const struct fields *f, const char *name, char *buf, size_t size, enum presence presence,
               struct why *why)
{
	struct json_object *value;
	if (field_get(f, name, json_type_string, presence, &value, why) < 0)
		return -1;
	size_t len = value ? (size_t)json_object_get_string_len(value) : 0;
	if (len >= size) {
		errno = EINVAL;
		return why_set(why, "field %s%s is longer than %zu bytes", f->prefix, name, size - 1);
	}
	if (len)
		memcpy(buf, json_object_get_string(value), len);
	buf[len] = '\0';
	return 0;
}

int field_entry(const struct fields *f, const char *key, enum json_type type, struct json_object **value,
                struct why *why)
{
	*value = NULL;
	if (!f->object || !json_object_object_get_ex(f->object, key, value) || !*value)
		return 0;
	return json_object_is_type(*value, type) ? 0 : wrong_type(f, key, type, *value, why);
}

int field_entry_bool(const struct fields *f, const char *key, bool *out, struct why *why)
{
	struct json_object *value;
	if (field_entry(f, key, json_type_boolean, &value, why) < 0)
		return -1;
	if (value)
		*out = json_object_get_boolean(value);
	return 0;
}
