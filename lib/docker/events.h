/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_DOCKER_EVENTS_H
#define TSLINK_DOCKER_EVENTS_H

/*
 * The records of Docker's event stream (GET /events), out of bytes that come in any pieces. One JSON object per line
 * (every engine's default), or RFC 7464 (application/json-seq, offered from API 1.52 on).
 */

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENT_MAX ((size_t)1024 * 1024) /* bytes of one record: a container's events hold all of its labels */

/* The texts live until the callback returns; none is NULL. */
struct docker_event {
	const char *type;      /* "network", "container" ... */
	const char *action;    /* "connect", "start", "die", "destroy"; "exec_create: sh -c ..." */
	const char *id;        /* Actor.ID: of the network, the container ... */
	const char *container; /* 64 hexadecimal digits: whom it is about; "" where it is about none */
	const char *driver;    /* of a network's events, else "" */
	int64_t time_ns;       /* of the engine's wall clock, since 1970 */
	bool lost;             /* a record above EVENT_MAX was skipped and all else is empty: time to reconcile */
};

typedef void (*docker_event_fn)(void *arg, const struct docker_event *event);

/* Begins as {0}. */
struct event_reader {
	char *record; /* the beginning of one */
	size_t used, room;
	bool skipping; /* one that is too long, until its end */
};

/*
 * Takes the next bytes and calls event(arg, ...) for each record that they complete. Returns 0, or -1 with the reason
 * and errno EBADMSG (what came is no event; the stream is worth nothing from there on) or ENOMEM.
 */
int event_reader_feed(struct event_reader *r, const char *data, size_t len, docker_event_fn event, void *arg,
                      struct why *why);

void event_reader_free(struct event_reader *r);

#endif
