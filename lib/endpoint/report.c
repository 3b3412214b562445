/* SPDX-License-Identifier: ISC */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct report *find(struct reports *reports, const char *subject)
{
	for (size_t i = 0; i < reports->count; i++)
		if (!strcmp(reports->list[i].subject, subject))
			return &reports->list[i];
	return NULL;
}

/* NULL where there is no memory for one. */
static struct report *add(struct reports *reports, const char *subject)
{
	struct report *bigger = reallocarray(reports->list, reports->count + 1, sizeof *bigger);

	if (!bigger)
		return NULL;
	reports->list = bigger;
	struct report *r = &bigger[reports->count++];
	*r = (struct report){ .found = false };
	snprintf(r->subject, sizeof r->subject, "%s", subject);
	return r;
}

void report(struct reports *reports, const char *subject, const char *fmt, ...)
{
	char cut[REPORT_SUBJECT], text[sizeof(struct why)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	snprintf(cut, sizeof cut, "%s", subject);
	struct report *r = find(reports, cut);
	if (!r || strcmp(r->text.text, text) != 0)
		warning("%s", text);
	if (!r)
		r = add(reports, cut);
	if (!r)
		return;
	memcpy(r->text.text, text, sizeof text);
	r->found = true;
}

void reports_forget(struct reports *reports)
{
	size_t kept = 0;

	for (size_t i = 0; i < reports->count; i++) {
		if (!reports->list[i].found)
			continue;
		reports->list[i].found = false;
		if (kept != i)
			reports->list[kept] = reports->list[i];
		kept++;
	}
	reports->count = kept;
}

void reports_free(struct reports *reports)
{
	free(reports->list);
	*reports = (struct reports){ .list = NULL };
}
