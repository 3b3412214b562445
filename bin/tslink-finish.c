/* SPDX-License-Identifier: ISC */
/*
 * usage: tslink-finish EXITCODE SIGNAL [NAME...]
 *
 * The `finish` of an endpoint, in its service directory: the verdict on the death of its `run`. EXITCODE is 256 where a signal killed
 * it. Somebody wanted it down: that is all. Else the death goes into the tally, and exit code 125 tells s6 that trying again is of no
 * use: `run` said so (100), or tailscaled died five times in 30 s. It never waits: tslink-backoff does, where s6 can interrupt it.
 */
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/endpoint/facts.h"
#include "lib/endpoint/tally.h"

#include <fcntl.h>
#include <s6/supervise.h>
#include <string.h>
#include <sys/stat.h>

#define GIVE_UP 125 /* s6-supervise: do not start it again */

static bool wanted_down(void)
{
	s6_svstatus_t status;

	if (!s6_svstatus_read(".", &status))
		die_sys(EXIT_TEMPORARY, "cannot read supervise/status");
	return !status.flagwantup;
}

static int number(const char *text)
{
	long n;

	if (text_number(text, 0, 256, &n) < 0)
		die(EXIT_PERMANENT, "usage: tslink-finish exitcode signal [name...]");
	return (int)n;
}

static void set(enum state state, const char *reason)
{
	if (state_set(AT_FDCWD, state, reason) < 0)
		warning_sys("cannot write data/state");
}

static int judge(int code, int sig)
{
	struct tally tally;
	struct why why;
	char reason[FACT_MAX];
	int64_t now = boot_ms(), since = launched_since();
	struct death death = { .at = now, .setup = since < 0, .life = since < 0 ? 0 : now - since, .code = sig ? 128 + sig : code };

	tally_read(&tally);
	if (tally_add(&tally, &death) < 0)
		warning_sys("cannot write data/tally");
	if (death.setup && death.code == EXIT_PERMANENT) {
		if (note_get(AT_FDCWD, "error", reason) < 0)
			text_format(reason, sizeof reason, "the setup failed for good: see state/debug.log");
		set(STATE_FAILED, reason);
		return GIVE_UP;
	}
	if (death.setup)
		return 0; /* the stage that ended has said why */
	if (sig)
		why_set(&why, "tailscaled was killed by signal %d (%s) after %lld ms", sig, strsignal(sig), (long long)death.life);
	else
		why_set(&why, "tailscaled ended with exit code %d after %lld ms", code, (long long)death.life);
	warning("%s", why.text);
	if (tally_hopeless(&tally, now)) {
		text_format(reason, sizeof reason, "%s, five times in 30 s: see state/debug.log", why.text);
		set(STATE_FAILED, reason);
		return GIVE_UP;
	}
	set(STATE_STARTING, why.text);
	return 0;
}

int main(int argc, char **argv)
{
	int code = 0;

	umask(077);
	if (argc < 3)
		die(EXIT_PERMANENT, "usage: tslink-finish exitcode signal [name...]");
	if (wanted_down())
		set(STATE_STOPPED, NULL);
	else
		code = judge(number(argv[1]), number(argv[2]));
	if (note_set(AT_FDCWD, "launched", NULL) < 0)
		warning_sys("cannot remove data/launched");
	return code;
}
