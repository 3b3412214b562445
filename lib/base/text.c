/* SPDX-License-Identifier: ISC */
#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool text_is_hex(const char *s, size_t n)
{
	return strspn(s, "0123456789abcdef") == n && s[n] == '\0';
}

int text_dns_label(const char *name, char label[DNS_LABEL_MAX + 1])
{
	size_t n = 0;
	for (const char *p = name; *p && n < DNS_LABEL_MAX; p++) {
		char c = *p;
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
			c = '-';
		if (c == '-' && (n == 0 || label[n - 1] == '-'))
			continue;
		label[n++] = c;
	}
	while (n > 0 && label[n - 1] == '-')
		n--;
	label[n] = '\0';
	if (n == 0) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

#define WORD_MAX 63

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;
	return m < c ? m : c;
}

static size_t edits(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	size_t row[WORD_MAX + 1];
	if (la > WORD_MAX || lb > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t above = row[j];
			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[lb];
}

const char *text_nearest(const char *word, const char *const *list)
{
	const char *best = NULL;
	/* a third of the word wrong is a typing error; more is another word */
	size_t limit = strlen(word) / 3 + 1;
	for (; *list; list++) {
		size_t d = edits(word, *list);
		if (d <= limit) {
			best = *list;
			limit = d - (d > 0);
			if (d == 0)
				break;
		}
	}
	return best;
}

int text_number(const char *s, long min, long max, long *out)
{
	if (!*s || strspn(s, "0123456789") != strlen(s)) {
		errno = EINVAL;
		return -1;
	}
	errno = 0;
	long v = strtol(s, NULL, 10);
	if (errno || v < min || v > max) {
		errno = ERANGE;
		return -1;
	}
	*out = v;
	return 0;
}

int text_bool(const char *s, bool *out)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!strcasecmp(s, words[i])) {
			*out = i & 1;
			return 0;
		}
	errno = EINVAL;
	return -1;
}

uint32_t text_hash(const char *s)
{
	uint32_t h = 2166136261U;
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619U;
	return h;
}

int text_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}
