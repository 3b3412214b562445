/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_TREE_H
#define TSLINK_ENDPOINT_TREE_H

/*
 * A tree: one running tslink, found by its run directory (/run/<TSLINK_NAME>). Its configuration is the directory env/ that
 * tslink-init wrote, where every setting that has a default is present.
 */

#include "facts.h"
#include "lib/base/error.h"
#include "lib/net/link.h"
#include "lib/net/subnet.h"

#include <limits.h>
#include <stdbool.h>

#define TREE_DEFAULT "/run/tslink"
#define TREE_NAME_MAX 31
#define TREE_SCAN "service" /* the scan directory beneath the run directory */

struct tree {
	int dir;                      /* the run directory; open for the life of the program */
	char path[PATH_MAX];          /* its absolute path */
	char name[TREE_NAME_MAX + 1]; /* TSLINK_NAME */
	char prefix[6];               /* TSLINK_IFPREFIX: of its interface names */
	char data[PATH_MAX];          /* TS_DATA_DIR: what outlives a reboot */
	int data_dir;                 /* the same, open */
	struct subnet uplinks;        /* TSLINK_SUBNET */
	const char *skeleton;         /* what an endpoint's service directory is laid out after: where it is installed */
	const char *keys;             /* directory of the operator's auth keys: KEY_DIR */
};

/* Opens the tree of a run directory. 0, or -1: ENOENT where no tree was ever laid out there. */
int tree_open(struct tree *tree, const char *rundir, struct why *why);

/* tree_open, and the end of the program (111) where that fails. */
void tree_need(struct tree *tree, const char *rundir);

/* A setting from env/. 0, or -1 with errno, and "" in buf: ENOENT where it is not set. */
int tree_setting(const struct tree *tree, const char *name, char buf[FACT_MAX]);

/* The firewall table of this tree, and applying it by tslink-ruleset: at once where it is missing, or in any case. 0 or -1. */
int tree_ruleset_need(const struct tree *tree, struct why *why);
int tree_ruleset_apply(const struct tree *tree, struct why *why);

/* Is a word a tree's name: a letter, then letters, digits, "_" and "-", at most TREE_NAME_MAX in all, and not all hexadecimal
 * (Docker looks for managed plugins by ID prefix first)? */
bool tree_name_ok(const char *name);

/* The prefix of a tree's interface names where no setting says it: "tsl" for "tslink", else "t" and four digits of a hash. */
void tree_prefix(const char *name, char prefix[6]);

/*
 * Docker's data root (as /var/lib/docker), as the driver saw it at its last call; kept in docker/root.
 * tree_docker_root: 0, or -1 with ENOENT while no call has come.
 */
int tree_docker_root(const struct tree *tree, char buf[PATH_MAX]);
int tree_docker_root_set(const struct tree *tree, const char *path);

/* Is Docker past its boot: has the watch its event stream? */
bool tree_docker_serves(const struct tree *tree);

#endif
