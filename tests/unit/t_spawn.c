/* SPDX-License-Identifier: ISC */
#include "crowd.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/spawn.h"
#include "tap.h"
#include "treelab.h"

#include <signal.h>

#define SOON deadline_in(20000)

static char out[256];

static int shell(const char *command, int64_t deadline)
{
	const char *argv[] = {"sh", "-c", command, NULL};
	return spawn_wait(argv, out, sizeof out, deadline);
}

static int descriptors(void)
{
	int n = 0;
	autodir DIR *d = opendir("/proc/self/fd");
	while (d && readdir(d))
		n++;
	return n;
}

static void endings(void)
{
	is_number(shell("exit 0", SOON), 0, "a program ends well");
	is_number(shell("exit 3", SOON), 3, "its exit code is ours");
	is_number(shell("exit 255", SOON), 255, "also the largest");
	is_number(shell("kill -TERM $$", SOON), 128 + SIGTERM, "a signal kills it");
	is_number(shell("kill -KILL $$", NEVER), 128 + SIGKILL, "and another");
	is_number(spawn_wait((const char *[]){"true", NULL}, NULL, 0, SOON), 0, "nobody wants its output");
	int64_t begin = now_ms();
	ok(shell("echo begun; exec sleep 60", deadline_in(1000)) < 0 && errno == ETIMEDOUT,
	   "the deadline passes: ETIMEDOUT");
	ok(now_ms() - begin >= 1000 && now_ms() - begin < 20000, "in time");
	is(out, "begun\n", "what it wrote until then is kept");
	begin = now_ms();
	ok(spawn_wait((const char *[]){"sleep", "60", NULL}, NULL, 0, deadline_in(100)) < 0 && errno == ETIMEDOUT &&
	           now_ms() - begin < 20000,
	   "without output, too");
	ok(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "it was killed and is no child of ours any more");
	is_number(shell("sleep 2 & exit 4", deadline_in(1000)), 4,
	          "a child of it that keeps the output open does not change its end");
}

static void outputs(void)
{
	char small[4] = "???";
	is_number(shell("printf abc", SOON), 0, "a program writes");
	is(out, "abc", "and its output is kept");
	is_number(shell(":", SOON), 0, "one writes nothing");
	is(out, "", "and nothing is kept");
	is_number(spawn_wait((const char *[]){"sh", "-c", "printf abcdefgh; exit 5", NULL}, small, sizeof small, SOON),
	          5, "one writes more than fits");
	is(small, "abc", "its output is cut");
	is_number(spawn_wait((const char *[]){"head", "-c", "3000000", "/dev/zero", NULL}, small, sizeof small, SOON),
	          0, "one that writes 3 MB is not held up");
	is_number(shell("printf a; exec >&-; exit 6", SOON), 6, "one closes its output first");
	is_number(spawn_wait((const char *[]){"sh", "-c", "printf abc", NULL}, small, 1, SOON), 0, "no room at all");
	is(small, "", "is room for the end");
}

static void failures(void)
{
	strcpy(out, "old");
	ok(spawn_wait((const char *[]){"tslink-no-such-program", NULL}, out, sizeof out, SOON) < 0 && errno == ENOENT,
	   "no such program: ENOENT");
	is(out, "", "its output is empty");
	ok(spawn_wait((const char *[]){"/nowhere/program", NULL}, out, sizeof out, SOON) < 0 && errno == ENOENT,
	   "none at its path, either");
	treelab_put("bin/plain", "x");
	ok(spawn_wait((const char *[]){treelab_at("bin/plain"), NULL}, out, sizeof out, SOON) < 0 && errno == EACCES,
	   "a file that cannot be executed: EACCES");
}

static int say_on_stderr(void *arg)
{
	int *ends = arg;
	dup2(ends[1], 2);
	return shell("echo complaint >&2; echo other", SOON);
}

static void surroundings(void)
{
	char text[32] = "", readable[512];
	int ends[2];
	sigset_t term, before;
	setenv("TS_AUTHKEY", "secret", 1);
	is_number(spawn_wait((const char *[]){"env", NULL}, out, sizeof out, SOON), 0, "its environment");
	is(out, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n", "is only PATH");

	/* one end is close-on-exec, as all of ours; the other as a supervisor hands them down */
	if (pipe(ends) < 0 || dup2(ends[0], 77) < 0 || fcntl(ends[1], F_SETFD, FD_CLOEXEC) < 0)
		ok(0, "a pipe");
	/* no pipeline: the shell would have its ends for a moment */
	shell("ls /proc/$$/fd; readlink /proc/$$/fd/0", SOON);
	is(out, "0\n1\n2\n/dev/null\n", "it has three descriptors, input from nowhere");
	spawn_wait((const char *[]){"readlink", "/proc/self/fd/1", NULL}, readable, sizeof readable, SOON);
	ok(!strncmp(readable, "pipe:", 5), "output to us");
	is_number(spawn_wait((const char *[]){"sh", "-c", "[ /dev/null -ef /proc/self/fd/1 ]", NULL}, NULL, 0, SOON), 0,
	          "or to nowhere, where nobody wants it");
	close(77);
	is_number(aside_end(aside(say_on_stderr, ends)), 0, "it writes to standard error");
	ok(read(ends[0], text, sizeof text - 1) == 10 && !strcmp(text, "complaint\n"), "which is ours");
	close(ends[0]);
	close(ends[1]);

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	signal(SIGPIPE, SIG_IGN);
	shell("grep -E 'SigBlk|SigIgn' /proc/$$/status | cut -f 2 | tr '\\n' ' '", SOON);
	unsigned long long blocked = 1, ignored = 1, libc = 3ull << 31; /* 32 and 33 are the C library's own */
	ok(sscanf(out, "%llx %llx", &blocked, &ignored) == 2 && !blocked && !(ignored & ~libc),
	   "signals that we block or ignore are as for a new program");
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void places(void)
{
	const char *argv[] = {"tslink-beside", NULL};
	treelab_write("bin/tslink-beside", "#!/bin/sh\necho beside\n", 22, 0700);
	is_number(spawn_wait(argv, out, sizeof out, SOON), 0, "a program beside the running one is found");
	is(out, "beside\n", "and run");
	treelab_write("bin/true", "#!/bin/sh\nexit 9\n", 17, 0700);
	is_number(spawn_wait((const char *[]){"true", NULL}, NULL, 0, SOON), 9, "before one of the system");
	treelab_write("bin/true", "#!/bin/sh\nexit 9\n", 17, 0600);
	is_number(spawn_wait((const char *[]){"true", NULL}, NULL, 0, SOON), 0, "unless it cannot be executed");
	is_number(spawn_wait((const char *[]){"/bin/true", NULL}, NULL, 0, SOON), 0, "a path is taken as it is");
}

int main(int argc, char **argv)
{
	treelab_beside(argc, argv);
	int before = descriptors();
	endings();
	outputs();
	failures();
	surroundings();
	places();
	is_number(descriptors(), before, "no descriptor is left open");
	treelab_remove();
	return tap_done();
}
