/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_REPORT_H
#define TSLINK_ENDPOINT_REPORT_H

/*
 * Warnings of a program that looks at the same things again and again: each is logged when it is new or its text has changed, and not each
 * time it is found. What was not found again is forgotten, so that it is told once more when it comes back.
 */

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define REPORT_SUBJECT 96

struct report {
	char subject[REPORT_SUBJECT];
	struct why text;
	bool found; /* since the last reports_forget */
};

/* Begins as {0}. */
struct reports {
	struct report *list;
	size_t count;
};

/* A warning about a subject: one word for what it is about (at most one text at a time is remembered of each). */
void report(struct reports *reports, const char *subject, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The end of a look at everything: forgets the reports that were not made in it. */
void reports_forget(struct reports *reports);

void reports_free(struct reports *reports);

#endif
