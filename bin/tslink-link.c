/* SPDX-License-Identifier: ISC */
/*
 * usage: tslink-link PROGRAM [ARGUMENT...]
 *
 * In an endpoint's service directory: waits for the container's network namespace, makes the uplink into it, with its routes and the
 * second line of the leak guard, then executes the rest. The first line of the guard, the firewall table on the host, stands before any
 * interface does.
 */
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/endpoint/tree.h"
#include "lib/net/netlink.h"
#include "lib/net/netns.h"
#include "lib/net/uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_MS 5000 /* a namespace that comes later than that is worth a word */

static void fail(const struct why *why)
{
	if (state_set(AT_FDCWD, STATE_WAITING, why->text) < 0)
		warning_sys("cannot write data/state");
	die(EXIT_TEMPORARY, "%s", why->text);
}

static int wait_for_netns(const char *path)
{
	struct why why;
	int netns = netns_wait(path, deadline_in(PATIENCE_MS));

	if (netns < 0 && errno == ETIMEDOUT) {
		why_set(&why, "the container's network namespace %s is not there yet", path);
		if (state_set(AT_FDCWD, STATE_WAITING, why.text) < 0)
			warning_sys("cannot write data/state");
		netns = netns_wait(path, NEVER);
	}
	if (netns < 0) {
		why_sys(&why, "cannot open the network namespace %s", path);
		fail(&why);
	}
	return netns;
}

static long number(const char *name)
{
	char text[FACT_MAX];
	long n;

	fact_need(AT_FDCWD, name, text);
	if (text_number(text, 0, INT32_MAX, &n) < 0)
		die(EXIT_PERMANENT, "env/%s is no number", name);
	return n;
}

int main(int argc, char **argv)
{
	struct tree tree;
	struct why why;
	char path[FACT_MAX];

	if (argc < 2)
		die(EXIT_PERMANENT, "usage: tslink-link program [argument...]");
	umask(077);
	tree_need(&tree, "../..");
	fact_need(AT_FDCWD, "NETNS", path);
	struct uplink uplink = { .prefix = tree.prefix, .range = &tree.uplinks, .slot = (uint32_t)number("SLOT"),
				 .mtu = (unsigned)number("MTU") };
	autofd int netns = wait_for_netns(path);
	if (state_set(AT_FDCWD, STATE_STARTING, NULL) < 0)
		die_sys(EXIT_TEMPORARY, "cannot write data/state");
	if (tree_ruleset_need(&tree, &why) < 0)
		fail(&why);
	autonetlink struct nl_sock *nl = netlink_open();
	if (!nl) {
		why_sys(&why, "cannot open a netlink socket");
		fail(&why);
	}
	if (uplink_make(nl, netns, &uplink, &why) < 0)
		fail(&why);
	execvp(argv[1], argv + 1);
	die_exec(argv[1]);
}
