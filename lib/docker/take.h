/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_DOCKER_TAKE_H
#define TSLINK_DOCKER_TAKE_H

/*
 * Takes over values of what Docker itself wrote (document_parse). Keys are matched exactly, as Docker writes each
 * in one way. Everything returns 0, or -1 with the reason and errno EBADMSG, EINVAL (a wrong type) or ENOMEM.
 */

#include "field.h"
#include "pairs.h"

/* A copy of a string for free(3); "" where it is absent or null. */
int take_text(const struct fields *f, const char *key, char **out, struct why *why);

/* A string into a buffer; "" where it is absent or null. One that does not fit is EBADMSG. */
int take_buffer(const struct fields *f, const char *key, char *buf, size_t size, struct why *why);

/* Appends a map of strings, whose null is "" (so it is in Go). On failure what was appended is released: all of
 * *out. */
int take_pairs(const struct fields *f, const char *key, struct pairs *out, struct why *why);

/* The same of a map that is at hand; NULL is an empty one. `name` stands for it in the reason. */
int take_map(struct json_object *map, const char *name, struct pairs *out, struct why *why);

#endif
