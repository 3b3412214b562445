/* SPDX-License-Identifier: ISC */
/*
 * usage: tslink-start [-r RUNDIR] ENDPOINT
 *
 * Starts the node of an endpoint (its first twelve hexadecimal digits, or all) that has a service directory: links it into the scan
 * directory, forgets its deaths, and has it tried at once. One that runs goes on running.
 */
#include "lib/base/cleanup.h"
#include "lib/endpoint/endpoint.h"
#include "lib/endpoint/service.h"
#include "lib/endpoint/tally.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *rundir = TREE_DEFAULT;
	struct tree tree;
	struct endpoint endpoint;
	struct why why;

	for (int c; (c = getopt(argc, argv, "r:")) != -1;) {
		if (c != 'r')
			die(EXIT_PERMANENT, "usage: tslink-start [-r rundir] endpoint");
		rundir = optarg;
	}
	if (argc - optind != 1)
		die(EXIT_PERMANENT, "usage: tslink-start [-r rundir] endpoint");
	umask(077);
	tree_need(&tree, rundir);
	autofd int lock = endpoint_lock(&tree, argv[optind], &why);
	if (lock < 0 || endpoint_open(&tree, argv[optind], &endpoint, &why) < 0)
		die(EXIT_PERMANENT, "%s", why.text);
	if (endpoint.dir < 0)
		die(EXIT_PERMANENT, "no endpoint %s: those that are there stand in %s/endpoint", endpoint.key, tree.path);
	if (tally_clear(endpoint.dir) < 0)
		die_sys(EXIT_TEMPORARY, "cannot remove data/tally of endpoint %s", endpoint.key);
	if (endpoint_start(&tree, &endpoint, &why) < 0)
		die(EXIT_TEMPORARY, "%s", why.text);
	/* One that s6 gave up, or that waits to be tried again. A service that s6-svscan starts just now has no ears yet, and needs none. */
	if (service_control(&tree, endpoint.key, "ua", &why) < 0 && errno != ENXIO)
		die(EXIT_TEMPORARY, "%s", why.text);
	endpoint_close(&endpoint);
	return 0;
}
