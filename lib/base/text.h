/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_BASE_TEXT_H
#define TSLINK_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_LABEL_MAX 63

/* Is s exactly n lower-case hexadecimal digits? */
bool text_is_hex(const char *s, size_t n);

/*
 * Makes a DNS label (RFC 1123) of any name: ASCII letters in lower case, digits kept, every other byte a hyphen, runs of
 * hyphens and those at either end dropped, cut at 63. A container's name, a label of an image's author: what comes out is
 * never a path and never longer than the buffer.
 * Returns 0, or -1 with EINVAL where nothing is left.
 */
int text_dns_label(const char *name, char label[DNS_LABEL_MAX + 1]);

/* The word of the NULL-terminated list that is nearest to word in edits (Levenshtein), or NULL if none is near. */
const char *text_nearest(const char *word, const char *const *list);

/* A decimal number from min to max and nothing else. Returns 0, or -1 with EINVAL or ERANGE. */
int text_number(const char *s, long min, long max, long *out);

/* true/false, yes/no, on/off, 1/0 (any case). Returns 0, or -1 with EINVAL. */
int text_bool(const char *s, bool *out);

/* FNV-1a: spreads names and identifiers over slots. Not for anything that must resist an adversary. */
uint32_t text_hash(const char *s);

/* snprintf that treats a cut as an error: 0, or -1 with ENAMETOOLONG. */
int text_format(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
