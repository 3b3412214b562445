/* SPDX-License-Identifier: ISC */
/*
 * usage: tslink-backoff PROGRAM [ARGUMENT...]
 *
 * Begins the life of an endpoint, in its service directory: waits as long as the tally of recent deaths says, then executes the rest.
 * The wait is here and not in `finish`, so that s6 can end it at any moment; SIGALRM (s6-svc -a) ends it and goes on at once.
 */
#include "lib/base/error.h"
#include "lib/endpoint/facts.h"
#include "lib/endpoint/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static void wait_ms(int64_t ms)
{
	sigset_t alarm;
	struct timespec left = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	if (sigprocmask(SIG_BLOCK, &alarm, NULL) < 0)
		die_sys(EXIT_TEMPORARY, "cannot block SIGALRM");
	/* Another signal that is caught by nobody ends the program, as it should. */
	if (sigtimedwait(&alarm, NULL, &left) < 0 && errno != EAGAIN && errno != EINTR)
		die_sys(EXIT_TEMPORARY, "cannot wait");
	if (sigprocmask(SIG_UNBLOCK, &alarm, NULL) < 0)
		die_sys(EXIT_TEMPORARY, "cannot unblock SIGALRM");
}

int main(int argc, char **argv)
{
	struct tally tally;

	if (argc < 2)
		die(EXIT_PERMANENT, "usage: tslink-backoff program [argument...]");
	/*
	 * The whole line goes with its supervisor: one that outlived it would hold the identity's lock, and could start a node that nobody
	 * supervises. The setting survives execve; tslink-enter renews it after the change of user.
	 */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		die_sys(EXIT_TEMPORARY, "cannot ask for a signal at the supervisor's death");
	/* Left by a life whose `finish` never ran, since its s6-supervise was killed. */
	if (note_set(AT_FDCWD, "launched", NULL) < 0)
		die_sys(EXIT_TEMPORARY, "cannot remove data/launched");
	tally_read(&tally);
	int64_t delay = tally_delay(&tally, boot_ms());
	if (delay > 0) {
		info("waiting %lld ms before the next try", (long long)delay);
		wait_ms(delay);
	}
	if (state_get(AT_FDCWD) != STATE_WAITING && state_set(AT_FDCWD, STATE_STARTING, NULL) < 0)
		die_sys(EXIT_TEMPORARY, "cannot write data/state");
	execvp(argv[1], argv + 1);
	die_exec(argv[1]);
}
