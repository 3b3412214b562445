/* SPDX-License-Identifier: ISC */
#include "tree.h"

#include "key.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/spawn.h"
#include "lib/base/text.h"
#include "lib/net/ruleset.h"
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RULESET_TIMEOUT_MS 15000

bool tree_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len < 1 || len > TREE_NAME_MAX || text_is_hex(name, len))
		return false;
	for (size_t i = 0; i < len; i++) {
		bool letter = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z');
		bool other = (name[i] >= '0' && name[i] <= '9') || name[i] == '_' || name[i] == '-';
		if (!letter && (i == 0 || !other))
			return false;
	}
	return true;
}

void tree_prefix(const char *name, char prefix[6])
{
	if (!strcmp(name, "tslink"))
		memcpy(prefix, "tsl", 4);
	else
		snprintf(prefix, 6, "t%04x", text_hash(name) & 0xffff);
}

int tree_setting(const struct tree *tree, const char *name, char buf[FACT_MAX])
{
	return fact_get(tree->dir, name, buf);
}

static int need_setting(const struct tree *tree, const char *name, char *buf, size_t size, struct why *why)
{
	char value[FACT_MAX];

	if (tree_setting(tree, name, value) < 0)
		return why_sys(why, "cannot read %s/env/%s", tree->path, name);
	if (text_format(buf, size, "%s", value) < 0)
		return why_sys(why, "%s/env/%s is too long", tree->path, name);
	return 0;
}

int tree_open(struct tree *tree, const char *rundir, struct why *why)
{
	char subnet[64];

	*tree = (struct tree){ .dir = -1, .data_dir = -1, .skeleton = SVCDIR "/endpoint", .keys = KEY_DIR };
	if (!realpath(rundir, tree->path) || (tree->dir = open(tree->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return why_sys(why, "no tree at %s: has tslink-init run?", rundir);
	if (need_setting(tree, "TSLINK_NAME", tree->name, sizeof tree->name, why) < 0 ||
	    need_setting(tree, "TSLINK_IFPREFIX", tree->prefix, sizeof tree->prefix, why) < 0 ||
	    need_setting(tree, "TS_DATA_DIR", tree->data, sizeof tree->data, why) < 0 ||
	    need_setting(tree, "TSLINK_SUBNET", subnet, sizeof subnet, why) < 0 ||
	    subnet_parse(subnet, &tree->uplinks, why) < 0)
		return -1;
	tree->data_dir = open(tree->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree->data_dir < 0)
		return why_sys(why, "cannot open the data directory %s (TS_DATA_DIR)", tree->data);
	return 0;
}

void tree_need(struct tree *tree, const char *rundir)
{
	struct why why;

	if (tree_open(tree, rundir, &why) < 0)
		die(EXIT_TEMPORARY, "%s", why.text);
}

int tree_ruleset_apply(const struct tree *tree, struct why *why)
{
	const char *argv[] = { "tslink-ruleset", "-r", tree->path, NULL };
	int code = spawn_wait(argv, NULL, 0, deadline_in(RULESET_TIMEOUT_MS));

	if (code < 0)
		return why_sys(why, "cannot run tslink-ruleset");
	if (code > 0) {
		errno = EIO;
		return why_set(why, "the firewall table %s could not be applied: see the log, or run tslink-ruleset", tree->name);
	}
	return 0;
}

int tree_ruleset_need(const struct tree *tree, struct why *why)
{
	int present = ruleset_present(tree->name);

	if (present < 0)
		return why_sys(why, "cannot ask for the firewall table %s", tree->name);
	return present ? 0 : tree_ruleset_apply(tree, why);
}

int tree_docker_root(const struct tree *tree, char buf[PATH_MAX])
{
	return file_read(tree->dir, "docker/root", buf, PATH_MAX) < 0 ? -1 : 0;
}

int tree_docker_root_set(const struct tree *tree, const char *path)
{
	char old[PATH_MAX];

	if (tree_docker_root(tree, old) == 0 && !strcmp(old, path))
		return 0;
	return file_publish_line(tree->dir, "docker/root", path, 0644, VOLATILE);
}

bool tree_docker_serves(const struct tree *tree)
{
	return faccessat(tree->dir, "docker/serving", F_OK, 0) == 0;
}
