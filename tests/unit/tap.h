/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_TESTS_TAP_H
#define TSLINK_TESTS_TAP_H

/* Unit tests speak TAP: ok() and is() for each case, tap_done() at the end of main. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 2, 3), unused)) static int ok(int good, const char *fmt, ...)
{
	va_list ap;
	printf("%sok %d - ", good ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	tap_failed += !good;
	return good;
}

__attribute__((unused)) static int is(const char *got, const char *want, const char *name)
{
	int good = got && want ? !strcmp(got, want) : got == want;
	if (!ok(good, "%s", name))
		printf("#  got: %s\n# want: %s\n", got ? got : "(null)", want ? want : "(null)");
	return good;
}

__attribute__((unused)) static int is_number(long long got, long long want, const char *name)
{
	if (!ok(got == want, "%s", name))
		printf("#  got: %lld\n# want: %lld\n", got, want);
	return got == want;
}

__attribute__((unused)) static int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}

#endif
