/* SPDX-License-Identifier: ISC */
/*
 * usage: tslink-enter PROGRAM [ARGUMENT...]
 *
 * Executes PROGRAM, a path on the host, inside the container's network namespace, in a private root
 * (lib/endpoint/root.h), under the identity's own uid, with two capabilities. It is the last but one link of an
 * endpoint's `run`; PROGRAM is tailscaled, and its environment is ours but for SSL_CERT_FILE, which names a file of
 * the host that is taken along.
 *
 * The current directory is the service directory. Facts: NETNS, UID, HOSTNAME. It makes etc/ anew, with the host's
 * name servers or those of TSLINK_DNS; removes the socket that a killed tailscaled left; and writes data/launched
 * (the process ID) before it gives up the right to: deaths without that file are not the program's. The lock on
 * state/lock is held by s6-setlock before us and stays with the program.
 *
 * Exit 100: it makes no sense to try again. 111: something is missing; data/error says what, and the back-off tries
 * again.
 */
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/endpoint/facts.h"
#include "lib/endpoint/resolv.h"
#include "lib/endpoint/root.h"
#include "lib/endpoint/tally.h"
#include "lib/net/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK "state/lock"
#define STATE "state/node"

static int service = -1; /* the service directory: reachable when / is another */

static _Noreturn void fail(int code, const struct why *why)
{
	if (state_set(service, code == EXIT_PERMANENT ? STATE_FAILED : STATE_WAITING, why->text) < 0)
		warning_sys("cannot write data/state");
	die(code, "%s", why->text);
}

static _Noreturn void fail_sys(const char *what)
{
	struct why why;

	why_sys(&why, "%s", what);
	fail(EXIT_TEMPORARY, &why);
}

/* The container's network namespace; never the one we are in, where tailscaled would be the host's. */
static void enter_netns(void)
{
	char path[FACT_MAX];
	struct why why;

	fact_need(service, "NETNS", path);
	int fd = netns_open(path);
	if (fd < 0) {
		if (errno == ENOENT)
			why_set(&why, "the container's network namespace %s is gone", path);
		else
			why_sys(&why, "the container's network namespace %s", path);
		fail(EXIT_TEMPORARY, &why);
	}
	if (netns_is_own(fd)) {
		why_set(&why, "%s is the host's own network namespace, not a container's", path);
		fail(EXIT_PERMANENT, &why);
	}
	if (setns(fd, CLONE_NEWNET) < 0) {
		why_sys(&why, "cannot enter the network namespace %s", path);
		fail(EXIT_TEMPORARY, &why);
	}
	close(fd);
}

static void find_lock(void)
{
	struct why why;

	int kept = root_seal_fds(LOCK, &why);
	if (kept < 0)
		fail(EXIT_TEMPORARY, &why);
	if (kept == 0) {
		why_set(&why, "nothing holds " LOCK
		              ": two nodes with one identity would ruin it; run this by s6-setlock " LOCK);
		fail(EXIT_PERMANENT, &why);
	}
}

static void make_etc(const char *hostname, uid_t uid)
{
	char value[FACT_MAX];
	struct resolv resolv;
	const char *source;
	struct why why;

	int rundir = open("../..", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	    root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rundir < 0 || root < 0)
		fail_sys("cannot open the run directory or /");
	if (fact_get(rundir, "TSLINK_DNS", value) < 0 && errno != ENOENT)
		fail_sys("cannot read the setting TSLINK_DNS");
	if (*value) {
		if (resolv_setting(&resolv, value, &why) < 0)
			fail(EXIT_PERMANENT, &why);
	} else {
		if (resolv_host(&resolv, root, &source, &why) < 0)
			fail(EXIT_TEMPORARY, &why);
		if (!source)
			warning("the host asks only its own Tailscale for names: set TSLINK_DNS to another server");
	}
	if (resolv_etc(&resolv, hostname, uid, &why) < 0)
		fail(EXIT_TEMPORARY, &why);
	close(rundir);
	close(root);
}

int main(int argc, char *argv[])
{
	pid_t parent = getppid();
	char value[FACT_MAX], hostname[FACT_MAX], program[NAME_MAX + 2];
	struct why why;
	long uid;

	if (argc < 2)
		die(EXIT_PERMANENT, "usage: tslink-enter PROGRAM [ARGUMENT...]");
	const char *slash = strrchr(argv[1], '/');
	if (text_format(program, sizeof program, "/%s", slash ? slash + 1 : argv[1]) < 0)
		die_sys(EXIT_PERMANENT, "%s", argv[1]);
	service = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (service < 0)
		die_sys(EXIT_TEMPORARY, "the service directory");
	fact_need(service, "UID", value);
	if (text_number(value, 1, INT32_MAX, &uid) < 0) {
		why_set(&why, "env/UID of this endpoint is no uid that a node may have: %s", value);
		fail(EXIT_PERMANENT, &why);
	}
	if (fact_get(service, "HOSTNAME", hostname) < 0 && errno != ENOENT)
		fail_sys("cannot read env/HOSTNAME of this endpoint");

	find_lock();
	struct root root = {
		.program = argv[1],
		.ca = getenv("SSL_CERT_FILE"),
		.hostname = hostname,
		.state = STATE,
		.etc = "etc",
		.uid = (uid_t)uid,
	};
	if (root_tun(&root.tun, &why) < 0)
		fail(EXIT_TEMPORARY, &why);
	make_etc(hostname, root.uid);
	if (tree_remove(service, STATE "/tailscaled.sock") < 0)
		fail_sys("cannot remove the old socket " STATE "/tailscaled.sock");
	enter_netns();
	if (root_enter(&root, &why) < 0)
		fail(EXIT_TEMPORARY, &why);
	if (root.ca && setenv("SSL_CERT_FILE", ROOT_CA, 1) < 0)
		fail_sys("out of memory");

	/* What was waited for is there. */
	if (state_get(service) == STATE_WAITING && state_set(service, STATE_STARTING, NULL) < 0)
		die_sys(EXIT_TEMPORARY, "cannot write data/state");
	if (launched_now(service) < 0)
		fail_sys("cannot write data/launched");
	umask(077);
	if (root_drop(root.uid, &why) < 0)
		die(EXIT_TEMPORARY, "%s", why.text);

	/*
	 * If s6-supervise dies, nobody is left to see to it that tailscaled ends in time: on SIGTERM alone it may
	 * take from 30 ms to 45 s (its control client waits under a lock), and its successor waits for the lock all
	 * the while. Hence SIGKILL; the state file is written whole, and the next start cleans up rules and routes as
	 * it does after any crash. A change of uid clears it, so it is set last, and a parent that died before is
	 * noticed here.
	 */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		die_sys(EXIT_TEMPORARY, "cannot ask for the parent's death signal");
	if (getppid() != parent)
		die(EXIT_TEMPORARY, "the supervisor of this endpoint is gone");
	execv(program, argv + 1);
	die_exec(program);
}
