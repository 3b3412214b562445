/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_FACTS_H
#define TSLINK_ENDPOINT_FACTS_H

/*
 * What is known of an endpoint, one fact a file, beneath its service directory:
 *
 *   env/NAME   what the node is made of; the programs of its `run` read and write it
 *   data/name  what people read: state, since, error, ip, name ...
 *
 * All functions take a descriptor of the service directory, or AT_FDCWD where it is the current one (as in `run`).
 * A fact is one line of at most FACT_MAX - 1 bytes, its newline among them.
 */

#include "lib/base/error.h"

#include <stdbool.h>

#define FACT_MAX 4096

/* Reads env/<name>. Returns 0, or -1: ENOENT where it is not known (buf is "" then). */
int fact_get(int service, const char *name, char buf[FACT_MAX]);

/* The same, but its absence is the end of the program (exit 111, temporary: the stage before writes it). */
void fact_need(int service, const char *name, char buf[FACT_MAX]);

/* Publishes env/<name>; an empty value or NULL removes it. 0, or -1 with errno: EFBIG for a value of more than FACT_MAX - 2 bytes. */
int fact_set(int service, const char *name, const char *value);

/* The same three of data/<name>. */
int note_get(int service, const char *name, char buf[FACT_MAX]);
int note_set(int service, const char *name, const char *value);

/*
 * data/state in the words that people and the gate read. Setting one also publishes data/since (UTC, RFC 3339) where the
 * state changed, and data/error: the reason, or nothing where reason is NULL.
 */
enum state {
	STATE_UNKNOWN,  /* not written, or not a word of ours */
	STATE_STARTING, /* "starting": between the link of the service directory and the tailnet */
	STATE_WAITING,  /* "waiting": something is missing, data/error names it; tried again */
	STATE_RUNNING,  /* "running": on the tailnet, in touch with the control server */
	STATE_FAILED,   /* "failed": given up until the watch or an operator tries again */
	STATE_STOPPED,  /* "stopped": down because somebody wanted it */
};
enum state state_get(int service);
const char *state_word(enum state state);
int state_set(int service, enum state state, const char *reason);

#endif
