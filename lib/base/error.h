/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_BASE_ERROR_H
#define TSLINK_BASE_ERROR_H

/*
 * The one error convention of tslink.
 *
 * A function that can fail returns 0 or -1 (or a pointer or NULL) and sets errno. Where a person is going to read the
 * reason, its last argument is a `struct why *` (which may be NULL), and on failure it holds one line that names the
 * object, the reason, and the way out where there is one. It never holds a secret.
 *
 * A program ends through die() or die_sys() with one of the exit codes of s6.
 */

#include <stdarg.h>

enum {
	EXIT_TIMEOUT = 99,    /* something did not happen in time: temporary */
	EXIT_PERMANENT = 100, /* wrong use, wrong configuration: trying again does not help */
	EXIT_TEMPORARY = 111, /* a system call failed, something is missing: trying again may help */
	EXIT_CANNOT_EXEC = 126,
	EXIT_NO_PROGRAM = 127,
};

struct why {
	char text[512];
};

/* Writes the reason (cut at the size of why->text, without line breaks). Returns -1, so that `return why_set(...)` does;
 * errno stays as it was. */
int why_set(struct why *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same with ": " and the text of errno behind it. */
int why_sys(struct why *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One line "program: fatal: ..." on standard error, then exit with code. The _sys form appends the text of errno. */
_Noreturn void die(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void die_sys(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* exec failed: 127 where the program does not exist, 126 otherwise. */
_Noreturn void die_exec(const char *program);

/* One line "program: ..." or "program: warning: ..." on standard error. */
void info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void warning_sys(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
