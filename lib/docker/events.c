/* SPDX-License-Identifier: ISC */
#include "events.h"

#include "field.h"
#include "lib/base/text.h"
#include "protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Between records: a line feed; json-seq puts a record separator before each, too. Neither occurs raw within JSON as
 * Docker writes it. */
#define LINE_FEED '\n'
#define RECORD_SEPARATOR '\x1e'

/* The text of a field, which lives as long as the object. */
static int peek(const struct fields *f, const char *key, const char **out, struct why *why)
{
	struct json_object *value;
	if (field_entry(f, key, json_type_string, &value, why) < 0)
		return -1;
	*out = value ? json_object_get_string(value) : "";
	return 0;
}

/* A container's events have its labels among the attributes, so these are nobody's word there; a network's have
 * not. */
static int peek_attributes(const struct fields *actor, struct docker_event *e, struct why *why)
{
	struct fields attributes = {NULL, "Actor.Attributes."};
	e->container = e->driver = "";
	if (!strcmp(e->type, "container")) {
		e->container = e->id;
	} else if (!strcmp(e->type, "network")) {
		if (field_entry(actor, "Attributes", json_type_object, &attributes.object, why) < 0 ||
		    peek(&attributes, "container", &e->container, why) < 0 ||
		    peek(&attributes, "type", &e->driver, why) < 0)
			return -1;
	}
	if (!text_is_hex(e->container, ID_LEN))
		e->container = "";
	return 0;
}

static int peek_event(const struct fields *f, struct docker_event *e, struct why *why)
{
	struct fields actor = {NULL, "Actor."};
	struct json_object *time;
	if (peek(f, "Type", &e->type, why) < 0 || peek(f, "Action", &e->action, why) < 0 ||
	    field_entry(f, "Actor", json_type_object, &actor.object, why) < 0 || peek(&actor, "ID", &e->id, why) < 0 ||
	    field_entry(f, "timeNano", json_type_int, &time, why) < 0)
		return -1;
	e->time_ns = time ? json_object_get_int64(time) : 0;
	if (!*e->type) {
		errno = EBADMSG;
		return why_set(why, "field Type is missing");
	}
	return peek_attributes(&actor, e, why);
}

static int deliver(char *record, size_t len, docker_event_fn event, void *arg, struct why *why)
{
	struct fields f = {NULL, ""};
	struct docker_event e = {0};
	struct why reason;
	int result = document_parse(record, len, json_type_object, &f.object, &reason);
	if (result == 0)
		result = peek_event(&f, &e, &reason);
	if (result == 0) {
		event(arg, &e);
	} else {
		errno = errno == ENOMEM ? ENOMEM : EBADMSG;
		why_set(why, "a record is no event of Docker's: %s", reason.text);
	}
	int saved = errno;
	json_object_put(f.object);
	errno = saved;
	return result;
}

static int finish_record(struct event_reader *r, docker_event_fn event, void *arg, struct why *why)
{
	size_t len = r->used;
	r->used = 0;
	if (r->skipping) {
		static const struct docker_event lost = {"", "", "", "", "", 0, true};
		r->skipping = false;
		event(arg, &lost);
		return 0;
	}
	if (!len)
		return 0;
	r->record[len] = '\0';
	if (strspn(r->record, " \t\r") == len)
		return 0;
	return deliver(r->record, len, event, arg, why);
}

static int keep(struct event_reader *r, const char *data, size_t len, struct why *why)
{
	if (r->skipping)
		return 0;
	if (len > EVENT_MAX - r->used) {
		r->skipping = true;
		r->used = 0;
		return 0;
	}
	if (r->used + len + 1 > r->room) {
		size_t room = r->room ? r->room : 4096;
		while (room < r->used + len + 1)
			room *= 2;
		char *bigger = realloc(r->record, room);
		if (!bigger)
			return why_sys(why, "a record of %zu bytes", r->used + len);
		r->record = bigger;
		r->room = room;
	}
	memcpy(r->record + r->used, data, len);
	r->used += len;
	return 0;
}

int event_reader_feed(struct event_reader *r, const char *data, size_t len, docker_event_fn event, void *arg,
                      struct why *why)
{
	const char *end = data + len;
	while (data < end) {
		const char *stop = data;
		while (stop < end && *stop != LINE_FEED && *stop != RECORD_SEPARATOR)
			stop++;
		if (keep(r, data, (size_t)(stop - data), why) < 0)
			return -1;
		if (stop < end && finish_record(r, event, arg, why) < 0)
			return -1;
		data = stop + 1;
	}
	return 0;
}

void event_reader_free(struct event_reader *r)
{
	free(r->record);
	*r = (struct event_reader){0};
}
