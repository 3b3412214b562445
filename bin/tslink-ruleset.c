/* SPDX-License-Identifier: ISC */
/*
 * usage: tslink-ruleset [-r RUNDIR] [-p | -d]
 *
 * Applies the tree's firewall table in one transaction, and sees to our accepts in DOCKER-USER. -p prints the table as it would be
 * applied now; -d removes both.
 */
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/lock.h"
#include "lib/endpoint/tree.h"
#include "lib/net/ruleset.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_MS 10000

static void apply(const struct ruleset *ruleset)
{
	char warnings[2048], *save = NULL;
	struct why why;

	if (ruleset_apply(ruleset, warnings, sizeof warnings, &why) < 0)
		die(EXIT_TEMPORARY, "%s", why.text);
	for (char *line = strtok_r(warnings, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		warning("%s", line);
}

int main(int argc, char **argv)
{
	const char *rundir = TREE_DEFAULT;
	enum { APPLY, PRINT, REMOVE } what = APPLY;
	struct tree tree;
	struct why why;

	for (int c; (c = getopt(argc, argv, "r:pd")) != -1;)
		switch (c) {
		case 'r': rundir = optarg; break;
		case 'p': what = PRINT; break;
		case 'd': what = REMOVE; break;
		default: die(EXIT_PERMANENT, "usage: tslink-ruleset [-r rundir] [-p | -d]");
		}
	umask(077);
	tree_need(&tree, rundir);
	const struct ruleset ruleset = { .table = tree.name, .prefix = tree.prefix };
	if (what == PRINT) {
		autofree char *text = ruleset_text(&ruleset, &why);
		if (!text)
			die(EXIT_TEMPORARY, "%s", why.text);
		return printf("%s", text) < 0 || fflush(stdout) ? EXIT_TEMPORARY : 0;
	}
	autofd int lock = lock_take(tree.dir, "lock/ruleset", deadline_in(LOCK_MS));
	if (lock < 0)
		die_sys(EXIT_TEMPORARY, "cannot lock %s/lock/ruleset", tree.path);
	if (what == APPLY)
		apply(&ruleset);
	else if (ruleset_remove(&ruleset, &why) < 0)
		die(EXIT_TEMPORARY, "%s", why.text);
	return 0;
}
