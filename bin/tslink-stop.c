/* SPDX-License-Identifier: ISC */
/*
 * usage: tslink-stop [-r RUNDIR] [-d] ENDPOINT
 *
 * Stops the node of an endpoint (its first twelve hexadecimal digits, or all) in bounded time and takes it out of the scan directory;
 * tslink-start brings it back. With -d the endpoint itself goes too: its interfaces, its /30 and its service directory.
 */
#include "lib/base/cleanup.h"
#include "lib/base/lock.h"
#include "lib/base/text.h"
#include "lib/endpoint/endpoint.h"

#include <sys/stat.h>
#include <unistd.h>

#define USAGE "usage: tslink-stop [-r rundir] [-d] endpoint"

int main(int argc, char **argv)
{
	const char *rundir = TREE_DEFAULT;
	bool away = false;
	struct tree tree;
	struct endpoint endpoint;
	struct why why;
	char name[64];

	for (int c; (c = getopt(argc, argv, "r:d")) != -1;)
		switch (c) {
		case 'r': rundir = optarg; break;
		case 'd': away = true; break;
		default: die(EXIT_PERMANENT, USAGE);
		}
	if (argc - optind != 1)
		die(EXIT_PERMANENT, USAGE);
	umask(077);
	tree_need(&tree, rundir);
	autofd int lock = endpoint_lock(&tree, argv[optind], &why);
	if (lock < 0 || endpoint_open(&tree, argv[optind], &endpoint, &why) < 0)
		die(EXIT_PERMANENT, "%s", why.text);
	if ((away ? endpoint_remove(&tree, &endpoint, &why) : endpoint_stop(&tree, &endpoint, &why)) < 0)
		die(EXIT_TEMPORARY, "%s", why.text);
	if (away && (text_format(name, sizeof name, "lock/%s", endpoint.key) < 0 || lock_discard(tree.dir, name, lock) < 0))
		warning_sys("cannot remove the lock of endpoint %s", endpoint.key);
	endpoint_close(&endpoint);
	return 0;
}
