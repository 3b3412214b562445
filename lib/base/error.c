/* SPDX-License-Identifier: ISC */
#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Appends to the line in buf, which stays terminated whatever comes. */
static void append(char *buf, size_t size, const char *text)
{
	size_t used = strlen(buf);
	snprintf(buf + used, size - used, "%s", text);
}

/* A reason is one line for a log and for Docker's answer; what came from outside may hold control characters. */
static void one_line(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = ' ';
}

static void format(char *buf, size_t size, const char *head, const char *fmt, va_list ap, const char *tail)
{
	snprintf(buf, size, "%s", head);
	size_t used = strlen(buf);
	vsnprintf(buf + used, size - used, fmt, ap);
	if (tail) {
		append(buf, size, ": ");
		append(buf, size, tail);
	}
	one_line(buf);
}

int why_set(struct why *why, const char *fmt, ...)
{
	int saved = errno;
	if (why) {
		va_list ap;
		va_start(ap, fmt);
		format(why->text, sizeof why->text, "", fmt, ap, NULL);
		va_end(ap);
	}
	errno = saved;
	return -1;
}

int why_sys(struct why *why, const char *fmt, ...)
{
	int saved = errno;
	if (why) {
		va_list ap;
		va_start(ap, fmt);
		format(why->text, sizeof why->text, "", fmt, ap, strerror(saved));
		va_end(ap);
	}
	errno = saved;
	return -1;
}

/* One write(2) per line, so that lines of several processes on one pipe do not mix. */
static void say(const char *kind, const char *fmt, va_list ap, const char *tail)
{
	char line[1024];
	char head[128];
	snprintf(head, sizeof head, "%s: %s", program_invocation_short_name, kind);
	format(line, sizeof line - 1, head, fmt, ap, tail);
	append(line, sizeof line, "\n");
	ssize_t r = write(2, line, strlen(line));
	(void)r; /* there is nowhere left to complain */
}

#define SAY(kind, tail)                        \
	do {                                   \
		int saved = errno;             \
		va_list ap;                    \
		va_start(ap, fmt);             \
		say((kind), fmt, ap, (tail));  \
		va_end(ap);                    \
		errno = saved;                 \
	} while (0)

void die(int code, const char *fmt, ...)
{
	SAY("fatal: ", NULL);
	exit(code);
}

void die_sys(int code, const char *fmt, ...)
{
	SAY("fatal: ", strerror(errno));
	exit(code);
}

void die_exec(const char *program)
{
	die_sys(errno == ENOENT ? EXIT_NO_PROGRAM : EXIT_CANNOT_EXEC, "unable to run %s", program);
}

void info(const char *fmt, ...)
{
	SAY("", NULL);
}

void warning(const char *fmt, ...)
{
	SAY("warning: ", NULL);
}

void warning_sys(const char *fmt, ...)
{
	SAY("warning: ", strerror(errno));
}
