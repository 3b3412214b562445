/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_DOCKER_FIELD_H
#define TSLINK_DOCKER_FIELD_H

/*
 * Fields of a JSON object that somebody else wrote, over json-c. Everything returns 0, or -1 with the reason (which
 * names the field) and errno: EBADMSG no JSON, EINVAL wrong or missing field, ENOMEM.
 */

#include "lib/base/error.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

/* An object, and what stands before its fields' names in a reason: "" or "Interface." */
struct fields {
	struct json_object *object; /* NULL is an object without fields */
	const char *prefix;
};

/*
 * Parses a whole body (terminated behind its len bytes), which must be one JSON object in UTF-8, nested at most 16
 * deep. A zero character anywhere in it, also as \u0000, is refused, so that no text is cut short later. Returns an
 * object for json_object_put.
 */
struct json_object *fields_parse(const char *body, size_t len, struct why *why);

/*
 * Parses what Docker itself wrote: a file of its own or an answer of its API, whole, terminated behind its len
 * bytes, of that type (object or array). null is accepted: *out is NULL then. Docker passes on labels and names
 * that other people chose, so an escape \u0000 in one of them is no reason to refuse all the rest: it is
 * overwritten in place by \ufffd, and no text is cut short at it. -1 with EBADMSG; *out, where it is not NULL, is
 * for json_object_put.
 */
int document_parse(char *text, size_t len, enum json_type type, struct json_object **out, struct why *why);

enum presence { OPTIONAL, REQUIRED };

/* The value of the field `name` in any case, of that type; *value is NULL where it is absent or null, and OPTIONAL. */
int field_get(const struct fields *f, const char *name, enum json_type type, enum presence presence,
              struct json_object **value, struct why *why);

/* Copies a string field. Absent and OPTIONAL: "". */
int field_text(const struct fields *f, const char *name, char *buf, size_t size, enum presence presence,
               struct why *why);

/* An entry of a map, whose keys (unlike field names) are matched exactly. *value is NULL where it is absent or null. */
int field_entry(const struct fields *f, const char *key, enum json_type type, struct json_object **value,
                struct why *why);

/* A boolean entry of a map; *out stays as it is where there is none. */
int field_entry_bool(const struct fields *f, const char *key, bool *out, struct why *why);

#endif
