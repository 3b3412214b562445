/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_TESTS_CROWD_H
#define TSLINK_TESTS_CROWD_H

/* Many processes that do the same at the same moment. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Runs fn(number, out) in `count` processes that begin together, and each ends with what fn returns. The answer is a descriptor to
 * read what they wrote to `out` (each record by one write(2) of at most PIPE_BUF bytes) until all have ended.
 */
static inline int crowd_start(unsigned count, int (*fn)(unsigned number, int out))
{
	int gate[2], result[2];
	fflush(stdout);
	if (pipe(gate) < 0 || pipe(result) < 0) {
		printf("Bail out! no pipe\n");
		exit(1);
	}
	for (unsigned number = 0; number < count; number++) {
		pid_t pid = fork();
		if (pid < 0) {
			printf("Bail out! no process\n");
			exit(1);
		}
		if (pid == 0) {
			char c;
			close(gate[1]);
			close(result[0]);
			_exit(read(gate[0], &c, 1) == 0 ? fn(number, result[1]) : 1);
		}
	}
	close(gate[0]);
	close(gate[1]); /* now */
	close(result[1]);
	return result[0];
}

/* Waits for all children; the number of those that did not end with 0. */
static inline unsigned crowd_end(int from)
{
	unsigned bad = 0;
	close(from);
	for (int status; wait(&status) > 0;)
		bad += status != 0;
	return bad;
}

/* fn(arg) in a process of its own: its process ID. */
static inline pid_t aside(int (*fn)(void *arg), void *arg)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		_exit(fn(arg));
	return pid;
}

/* Its exit code, 128 + the signal that killed it, or -1. */
static inline int aside_end(pid_t pid)
{
	int status;
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
