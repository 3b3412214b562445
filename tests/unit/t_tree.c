/* SPDX-License-Identifier: ISC */
#include "crowd.h"
#include "lib/base/cleanup.h"
#include "lib/net/link.h"
#include "tap.h"
#include "treelab.h"

static struct why why;

static void names(void)
{
	static const char *const good[] = {"tslink",  "t", "Z",   "ts-link_2",
	                                   "a1b2c3x", "g", "ABC", "x23456789012345678901234567890a"};
	static const char *const bad[] = {"",           "1tslink",   "-t",  "_t",  "abc",
	                                  "deadbeef01", "t.x",       "t/x", "t x", "..",
	                                  "t\n",        "t\xc3\xa9", "0",   "a",   "x234567890123456789012345678901ab"};
	char prefix[6], other[6];
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		ok(tree_name_ok(good[i]), "%s is a name", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(!tree_name_ok(bad[i]), "bad name %zu is none", i);
	tree_prefix("tslink", prefix);
	is(prefix, "tsl", "the prefix of the tree that is called tslink");
	tree_prefix("other", prefix);
	tree_prefix("another", other);
	ok(strlen(prefix) == 5 && *prefix == 't' && strcmp(prefix, other) != 0, "others have one of a hash");
	int bad_prefixes = 0;
	for (int i = 0; i < 1000; i++) {
		char name[32];
		snprintf(name, sizeof name, "tree-%d", i);
		tree_prefix(name, prefix);
		bad_prefixes += !link_prefix_ok(prefix);
	}
	is_number(bad_prefixes, 0, "which is always one of interface names");
}

static void opening(void)
{
	struct tree tree;
	char text[FACT_MAX];
	ok(tree_open(&tree, treelab_at("run"), &why) == 0, "a tree is opened");
	is(tree.name, "unit", "its name");
	is(tree.prefix, "tunit", "its prefix");
	is(tree.data, treelab_at("data"), "its data directory");
	ok(tree.uplinks.base == 0x0ac80000 && tree.uplinks.bits == 16, "its range of uplinks");
	ok(fcntl(tree.dir, F_GETFD) & fcntl(tree.data_dir, F_GETFD) & FD_CLOEXEC, "its descriptors are close-on-exec");
	ok(tree.skeleton && *tree.skeleton == '/' && tree.keys && *tree.keys == '/', "where the installed things are");
	if (symlink("run", treelab_at("link")) < 0 || chdir(treelab) < 0)
		ok(0, "a link");
	struct tree again;
	ok(tree_open(&again, "link/../run/.", &why) == 0 && !strcmp(again.path, tree.path) &&
	           !strcmp(tree.path, treelab_at("run")),
	   "its path is absolute and without links, however it was named");
	ok(tree_setting(&tree, "TSLINK_NAME", text) == 0 && !strcmp(text, "unit"), "a setting");
	ok(tree_setting(&tree, "TS_LOGS", text) < 0 && errno == ENOENT && !*text,
	   "one that is not set: ENOENT and \"\"");
	ok(tree_open(&again, treelab_at("none"), &why) < 0 && errno == ENOENT && strstr(why.text, "tslink-init"),
	   "no tree: ENOENT, and the reason says what makes one");
	treelab_dir("empty");
	ok(tree_open(&again, treelab_at("empty"), &why) < 0 && errno == ENOENT && strstr(why.text, "env/TSLINK_NAME"),
	   "a directory that is no tree: ENOENT, and what is missing");
}

/* A setting that is wrong, and the word for it in the reason. */
static void refused(const char *setting, const char *value, const char *word)
{
	struct tree tree;
	char name[64];
	snprintf(name, sizeof name, "run/env/%s", setting);
	autofree char *old = strdup(treelab_get(name));
	treelab_put(name, value);
	ok(tree_open(&tree, treelab_at("run"), &why) < 0 && strstr(why.text, word), "%.20s as %s is refused", value,
	   setting);
	printf("# %s\n", why.text);
	treelab_put(name, old);
}

static int need(void *path)
{
	struct tree tree;
	close(2);
	tree_need(&tree, path);
	return 0;
}

static void refusals(void)
{
	refused("TSLINK_SUBNET", "nonsense", "nonsense");
	refused("TSLINK_SUBNET", "10.200.0.1/16", "10.200.0.0/16");
	refused("TSLINK_IFPREFIX", "toolong", "TSLINK_IFPREFIX is too long");
	refused("TSLINK_NAME", "x2345678901234567890123456789012", "TSLINK_NAME is too long");
	refused("TS_DATA_DIR", "/nowhere/at/all", "/nowhere/at/all");
	is_number(aside_end(aside(need, treelab_at("run"))), 0, "a program that needs a tree has it");
	is_number(aside_end(aside(need, treelab_at("none"))), 111, "or ends: 111");
}

static void docker(struct tree *tree)
{
	char root[PATH_MAX];
	struct stat before, after;
	ok(tree_docker_root(tree, root) < 0 && errno == ENOENT,
	   "where Docker's files are is not known before its first call");
	ok(tree_docker_root_set(tree, "/var/lib/docker") == 0 && tree_docker_root(tree, root) == 0, "then it is");
	is(root, "/var/lib/docker", "as it was told");
	stat(treelab_at("run/docker/root"), &before);
	ok(tree_docker_root_set(tree, "/var/lib/docker") == 0 && stat(treelab_at("run/docker/root"), &after) == 0 &&
	           before.st_ino == after.st_ino,
	   "told again, nothing is written");
	ok(tree_docker_root_set(tree, "/srv/docker") == 0 && tree_docker_root(tree, root) == 0 &&
	           !strcmp(root, "/srv/docker"),
	   "it may move");
	ok(tree_docker_serves(tree), "Docker serves");
	unlink(treelab_at("run/docker/serving"));
	ok(!tree_docker_serves(tree), "and does not");
}

static void ruleset(const struct tree *tree)
{
	ok(tree_ruleset_apply(tree, &why) < 0 && errno == ENOENT && strstr(why.text, "tslink-ruleset"),
	   "without tslink-ruleset there are no rules: ENOENT");
	char script[PATH_MAX + 64];
	int n = snprintf(script, sizeof script, "#!/bin/sh\necho \"$@\" >%s\n", treelab_at("called"));
	treelab_write("bin/tslink-ruleset", script, (size_t)n, 0700);
	ok(tree_ruleset_apply(tree, &why) == 0, "it is run");
	n = snprintf(script, sizeof script, "-r %s", tree->path);
	is(treelab_get("called"), script, "for this tree");
	treelab_write("bin/tslink-ruleset", "#!/bin/sh\nexit 111\n", 19, 0700);
	ok(tree_ruleset_apply(tree, &why) < 0 && errno == EIO && strstr(why.text, "unit"),
	   "its failure is one: EIO, with the table's name");
}

int main(int argc, char **argv)
{
	struct tree tree;
	treelab_beside(argc, argv);
	treelab_lay("10.200.0.0/16\n");
	names();
	opening();
	refusals();
	treelab_open(&tree);
	docker(&tree);
	ruleset(&tree);
	treelab_remove();
	return tap_done();
}
