/* SPDX-License-Identifier: ISC */
#include "crowd.h"
#include "lib/base/error.h"
#include "tap.h"

#include <errno.h>

static void reasons(void)
{
	struct why why;
	char many[2000];
	errno = EXDEV;
	is_number(why_set(&why, "the %s is %d", "answer", 42), -1, "why_set returns -1");
	ok(errno == EXDEV, "and leaves errno");
	is(why.text, "the answer is 42", "with the reason");
	errno = ENOENT;
	is_number(why_sys(&why, "cannot open %s", "x"), -1, "why_sys returns -1");
	ok(errno == ENOENT, "and leaves errno");
	is(why.text, "cannot open x: No such file or directory", "with the reason and errno's text");
	ok(why_set(NULL, "%s", "x") == -1 && why_sys(NULL, "%s", "x") == -1, "nobody wants to know");
	why_set(&why, "%s", "one\ntwo\r\n\tthree\x01\x7f.");
	is(why.text, "one two   three  .", "a reason is one line without control characters");
	why_set(&why, "%s", "caf\xc3\xa9");
	is(why.text, "caf\xc3\xa9", "other letters stay");
	memset(many, 'x', sizeof many - 1);
	many[sizeof many - 1] = '\0';
	why_set(&why, "%s", many);
	is_number((long long)strlen(why.text), sizeof why.text - 1, "a long reason is cut");
	why_sys(&why, "%s", many);
	is_number((long long)strlen(why.text), sizeof why.text - 1, "with errno's text, too");
}

/* What fn writes to standard error, and how it ends. */
static char said[4096];

static int run(int (*fn)(void *), const char *arg)
{
	int ends[2];
	size_t used = 0;
	if (pipe(ends) < 0)
		return -1;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], 2);
		close(ends[0]);
		_exit(fn((void *)(size_t)arg));
	}
	close(ends[1]);
	for (ssize_t n; (n = read(ends[0], said + used, sizeof said - 1 - used)) > 0;)
		used += (size_t)n;
	said[used] = '\0';
	close(ends[0]);
	return aside_end(pid);
}

/* stdio may be flushed twice by exit(3) in a child: nothing is in it. */
static int call_die(void *arg)
{
	die(EXIT_PERMANENT, "wrong: %s", (char *)arg);
}

static int call_die_sys(void *arg)
{
	errno = EACCES;
	die_sys(EXIT_TEMPORARY, "cannot read %s", (char *)arg);
}

static int call_die_exec(void *arg)
{
	errno = arg ? ENOENT : EACCES;
	die_exec("/x/program");
}

static int call_others(void *arg)
{
	errno = EPERM;
	info("it is %s", (char *)arg);
	warning("beware of %s", (char *)arg);
	warning_sys("cannot use %s", (char *)arg);
	return errno == EPERM ? 0 : 1;
}

static int call_long(void *arg)
{
	char many[3000];
	memset(many, 'y', sizeof many - 1);
	many[sizeof many - 1] = '\0';
	(void)arg;
	info("%s", many);
	return 0;
}

int main(void)
{
	program_invocation_short_name = (char *)(size_t) "tslink-test";
	reasons();
	is_number(run(call_die, "a\nb"), 100, "die ends with the code");
	is(said, "tslink-test: fatal: wrong: a b\n", "and one line");
	is_number(run(call_die_sys, "x"), 111, "die_sys, too");
	is(said, "tslink-test: fatal: cannot read x: Permission denied\n", "with errno's text");
	is_number(run(call_die_exec, "x"), 127, "no such program: 127");
	is(said, "tslink-test: fatal: unable to run /x/program: No such file or directory\n", "and its name");
	is_number(run(call_die_exec, NULL), 126, "a program that cannot be run: 126");
	is_number(run(call_others, "x"), 0, "the others leave errno as it was");
	is(said,
	   "tslink-test: it is x\ntslink-test: warning: beware of x\n"
	   "tslink-test: warning: cannot use x: Operation not permitted\n",
	   "and write one line each");
	run(call_long, NULL);
	ok(strlen(said) == 1023 && said[1022] == '\n' && strchr(said, '\n') == said + 1022,
	   "a long line is cut and ends");
	return tap_done();
}
