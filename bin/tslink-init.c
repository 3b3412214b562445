/* SPDX-License-Identifier: ISC */
/*
 * usage: tslink-init [-c ENVDIR]
 *        tslink-init -w [-c ENVDIR]
 *
 * Starts a tree: merges the configuration (the files of ENVDIR, overruled by environment variables of the same names) into
 * /run/<TSLINK_NAME>/env, raises the limits, lays out the run directory, applies the firewall table, and becomes s6-svscan, with an empty
 * environment. It is the only program that reads the environment, and never runs twice for one tree.
 *
 * With -w it only waits, half a minute at most, until the tree of this configuration takes Docker's calls: for a unit that Docker's is
 * ordered after.
 *
 * What an earlier tree of the same name left is taken over: endpoints stay where they are; supervisors that outlived their s6-svscan are
 * told to go, since no other s6-svscan can adopt them.
 */
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/base/wait.h"
#include "lib/docker/options.h"
#include "lib/endpoint/key.h"
#include "lib/endpoint/service.h"
#include "lib/endpoint/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <s6/supervise.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN_PARENT "/run"
#ifndef EXECLINE_DIR
#define EXECLINE_DIR "/usr/bin"
#endif
#define ENV_DIR SYSCONFDIR "/env"
#define FILES_WANTED 65536	 /* s6-svscan holds two for each service */
#define SERVICES_MAX "17000" /* a /16 has 16,380 endpoints, and the tree has services of its own */
#define OLD_TREE_MS 10000
#define WAIT_MS 30000

/* All that can be configured. The value is the default; NULL: not set. */
static const struct setting {
	const char *name, *value;
} settings[] = {
	{ "TSLINK_NAME", "tslink" },
	{ "TSLINK_IFPREFIX", NULL }, /* follows from the name */
	{ "TSLINK_SUBNET", "10.200.0.0/16" },
	{ "TSLINK_SOCKET", NULL }, /* follows from the name */
	{ "TSLINK_DNS", NULL },
	{ "TS_AUTHKEY", NULL },
	{ "TS_LOGIN_SERVER", "https://controlplane.tailscale.com" },
	{ "TS_DATA_DIR", NULL }, /* follows from the name */
	{ "TS_PATH", NULL },
	{ "TS_VERSION", NULL },
	{ "TS_RELEASE_URL", NULL },
	{ "TS_LOGS", NULL },
	{ "DOCKER_HOST", NULL },
	/* the way of tslink-fetch to the release server */
	{ "http_proxy", NULL },
	{ "https_proxy", NULL },
	{ "all_proxy", NULL },
	{ "ALL_PROXY", NULL },
	{ "no_proxy", NULL },
	/* of tailscaled itself: see tslink-tailscaled(8) */
	{ "GOGC", NULL },
	{ "GOMAXPROCS", NULL },
	{ "GOMEMLIMIT", NULL },
	{ "GODEBUG", NULL },
	{ "TS_PORTLIST", NULL },
	{ "TS_DISABLE_PORTMAPPER", NULL },
	{ "TS_DEBUG_FIREWALL_MODE", NULL },
	{ "TS_DEBUG_MTU", NULL },
	{ "TS_DEBUG_USE_DERP_HTTP", NULL },
	{ "TS_DEBUG_ALWAYS_USE_DERP", NULL },
	{ "SSL_CERT_FILE", NULL },
	{ "HTTP_PROXY", NULL },
	{ "HTTPS_PROXY", NULL },
	{ "NO_PROXY", NULL },
};
#define SETTINGS (sizeof settings / sizeof settings[0])

struct config {
	char value[SETTINGS][FACT_MAX];
};

static const char *known[SETTINGS + 1];

static char *value_of(struct config *config, const char *name)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (!strcmp(settings[i].name, name))
			return config->value[i];
	die(EXIT_PERMANENT, "no setting %s", name);
}

/* ---- the configuration */

/* A file with another name than a setting's is a mistake that would go unnoticed. */
static void check_names(const char *envdir)
{
	autofree char **names = dir_list(AT_FDCWD, envdir);

	if (!names && errno != ENOENT)
		die_sys(EXIT_PERMANENT, "cannot read %s", envdir);
	for (size_t i = 0; i < SETTINGS; i++)
		known[i] = settings[i].name;
	for (size_t i = 0; names && names[i]; i++) {
		bool found = false;
		for (size_t k = 0; k < SETTINGS; k++)
			found = found || !strcmp(names[i], known[k]);
		const char *near = text_nearest(names[i], known);
		if (!found)
			die(EXIT_PERMANENT, "%s/%s is no setting of tslink%s%s%s", envdir, names[i], near ? ": is " : "", near ? near : "",
			    near ? " meant?" : "");
	}
}

static void read_setting(const char *envdir, const struct setting *setting, char value[FACT_MAX])
{
	char path[PATH_MAX];
	const char *from_environment = getenv(setting->name);
	int r = from_environment ? text_format(value, FACT_MAX, "%s", from_environment)
				 : text_format(path, sizeof path, "%s/%s", envdir, setting->name);

	if (r == 0 && !from_environment && file_read(AT_FDCWD, path, value, FACT_MAX) < 0) {
		r = errno == ENOENT ? 0 : -1;
		text_format(value, FACT_MAX, "%s", setting->value ? setting->value : "");
	}
	if (r < 0)
		die_sys(EXIT_PERMANENT, "cannot read the setting %s", setting->name);
	if (strchr(value, '\n'))
		die(EXIT_PERMANENT, "the setting %s has more than one line", setting->name);
}

static void default_to(struct config *config, const char *name, const char *fmt, const char *word)
{
	char *value = value_of(config, name);

	if (*value)
		return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (text_format(value, FACT_MAX, fmt, word) < 0)
		die_sys(EXIT_PERMANENT, "setting %s", name);
#pragma GCC diagnostic pop
}

static void check(struct config *config)
{
	struct why why;
	struct subnet subnet;
	char server[LOGIN_SERVER_MAX + 1], *prefix = value_of(config, "TSLINK_IFPREFIX"), *key = value_of(config, "TS_AUTHKEY");
	const char *name = value_of(config, "TSLINK_NAME");

	if (!tree_name_ok(name))
		die(EXIT_PERMANENT, "TSLINK_NAME is %s: a letter, then letters, digits, - and _, at most %d, not all hexadecimal", name,
		    TREE_NAME_MAX);
	if (!*prefix)
		tree_prefix(name, prefix);
	if (!link_prefix_ok(prefix))
		die(EXIT_PERMANENT, "TSLINK_IFPREFIX is %s: one to five of a-z and 0-9, a letter first, not br", prefix);
	if (subnet_parse(value_of(config, "TSLINK_SUBNET"), &subnet, &why) < 0)
		die(EXIT_PERMANENT, "TSLINK_SUBNET: %s", why.text);
	if (*key && authkey_check("TS_AUTHKEY", key, &why) < 0)
		die(EXIT_PERMANENT, "%s", why.text);
	if (login_server_parse("TS_LOGIN_SERVER", value_of(config, "TS_LOGIN_SERVER"), server, &why) < 0)
		die(EXIT_PERMANENT, "%s", why.text);
	strcpy(value_of(config, "TS_LOGIN_SERVER"), server);
	default_to(config, "TS_DATA_DIR", "/var/lib/%s", name);
	default_to(config, "TSLINK_SOCKET", "/run/docker/plugins/%s.sock", name);
	if (value_of(config, "TS_DATA_DIR")[0] != '/' || value_of(config, "TSLINK_SOCKET")[0] != '/')
		die(EXIT_PERMANENT, "TS_DATA_DIR and TSLINK_SOCKET are absolute paths");
}

/* ---- the run directory */

static void make_dir(int dir, const char *name, mode_t mode)
{
	if (dir_make(dir, name, mode) < 0)
		die_sys(EXIT_TEMPORARY, "cannot make %s in the run directory", name);
}

static int lay_out(const char *rundir)
{
	static const char *const dirs[] = { "env", "service", "endpoint", "sandbox", "subnet", "lock", "svc", "docker", "gate" };
	static const char *const services[] = { "socket", "driver", "watch", "fetch" };
	struct why why;

	if (dir_make_all(rundir, 0711) < 0)
		die_sys(EXIT_TEMPORARY, "cannot make %s", rundir);
	int dir = open(rundir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		die_sys(EXIT_TEMPORARY, "cannot open %s", rundir);
	for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
		make_dir(dir, dirs[i], 0700);
	for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
		char path[64];
		text_format(path, sizeof path, "svc/%s", services[i]);
		if (service_lay(dir, path, services[i], &why) < 0)
			die(EXIT_TEMPORARY, "%s", why.text);
	}
	if (service_lay(dir, TREE_SCAN "/" S6_SVSCAN_CTLDIR, "scan", &why) < 0)
		die(EXIT_TEMPORARY, "%s", why.text);
	return dir;
}

static void write_settings(int dir, const struct config *config)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (fact_set(dir, settings[i].name, config->value[i]) < 0)
			die_sys(EXIT_TEMPORARY, "cannot write env/%s", settings[i].name);
}

/* s6-svscan reads from a FIFO as long as it lives. */
static bool running(const char *rundir)
{
	char fifo[PATH_MAX];

	if (text_format(fifo, sizeof fifo, "%s/" TREE_SCAN "/" S6_SVSCAN_CTLDIR "/control", rundir) < 0)
		die_sys(EXIT_PERMANENT, "%s", rundir);
	autofd int fd = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno != ENXIO && errno != ENOENT)
		die_sys(EXIT_TEMPORARY, "cannot open %s", fifo);
	return fd >= 0;
}

/* Docker looks for sockets in a directory that may not be there before its own first start. */
static void make_socket_dir(const char *path)
{
	char dir[PATH_MAX];

	if (text_format(dir, sizeof dir, "%s", path) < 0)
		die_sys(EXIT_PERMANENT, "TSLINK_SOCKET");
	*strrchr(dir, '/') = 0;
	if (*dir && dir_make_all(dir, 0755) < 0)
		die_sys(EXIT_TEMPORARY, "cannot make %s", dir);
}

/*
 * The scan directory begins with the tree's own services alone: the watch starts the endpoints that Docker still has. A supervisor that an
 * s6-svscan left behind holds its lock, and would keep a new one from its service.
 */
static void clear_scan(const struct tree *tree)
{
	struct why why;
	autofree char **names = dir_list(tree->dir, TREE_SCAN);

	for (size_t i = 0; names && names[i]; i++) {
		char link[PATH_MAX], target[PATH_MAX], path[PATH_MAX];
		text_format(link, sizeof link, TREE_SCAN "/%s", names[i]);
		ssize_t n = readlinkat(tree->dir, link, target, sizeof target - 1);
		if (n < 0)
			die_sys(EXIT_TEMPORARY, "%s/%s is no link", tree->path, link);
		target[n] = 0;
		text_format(path, sizeof path, "%s", strncmp(target, "../", 3) ? target : target + 3);
		if (service_unlink(tree, names[i], path, deadline_in(OLD_TREE_MS), &why) < 0)
			die(EXIT_TEMPORARY, "a service of an earlier tree is in the way: %s", why.text);
	}
	if (unlinkat(tree->dir, "docker/serving", 0) < 0 && errno != ENOENT)
		die_sys(EXIT_TEMPORARY, "cannot remove %s/docker/serving", tree->path);
}

static void link_services(const struct tree *tree)
{
	autofree char **names = dir_list(tree->dir, "svc");

	if (!names)
		die_sys(EXIT_TEMPORARY, "cannot read %s/svc", tree->path);
	for (size_t i = 0; names[i]; i++) {
		char link[PATH_MAX], target[PATH_MAX];
		text_format(link, sizeof link, TREE_SCAN "/%s", names[i]);
		text_format(target, sizeof target, "../svc/%s", names[i]);
		if (symlinkat(target, tree->dir, link) < 0 && errno != EEXIST)
			die_sys(EXIT_TEMPORARY, "cannot link %s/%s", tree->path, link);
	}
}

static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		die_sys(EXIT_TEMPORARY, "cannot read the limit of open files");
	struct rlimit wanted = { .rlim_cur = FILES_WANTED, .rlim_max = files.rlim_max < FILES_WANTED ? FILES_WANTED : files.rlim_max };
	if (setrlimit(RLIMIT_NOFILE, &wanted) == 0)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		die_sys(EXIT_TEMPORARY, "cannot raise the limit of open files");
	warning("only %llu open files are allowed: that is enough for %llu endpoints", (unsigned long long)files.rlim_max,
		(unsigned long long)files.rlim_max / 4);
}

/* The programs of tslink, then those of the system. */
static void own_path(char *path, size_t size)
{
	char own[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);

	if (n < 0)
		die_sys(EXIT_TEMPORARY, "cannot read /proc/self/exe");
	own[n] = 0;
	*strrchr(own, '/') = 0;
	if (text_format(path, size, "PATH=%s:" EXECLINE_DIR ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", own) < 0)
		die_sys(EXIT_PERMANENT, "the path of tslink-init is too long");
}

static int exists(void *path)
{
	if (access(path, F_OK) == 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

/* Each directory on the way comes into being, then s6-supervise of the driver, and that knows when the driver listens. */
static _Noreturn void wait_for_tree(const char *name)
{
	static const char *const parts[] = { "", "/svc", "/svc/driver", "/svc/driver/event" };
	char dir[PATH_MAX] = RUN_PARENT, path[PATH_MAX], left[16];
	int64_t deadline = deadline_in(WAIT_MS);

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		if (text_format(path, sizeof path, RUN_PARENT "/%s%s", name, parts[i]) < 0)
			die_sys(EXIT_PERMANENT, "TSLINK_NAME");
		if (wait_for_change(dir, exists, path, deadline) < 0)
			die_sys(errno == ETIMEDOUT ? EXIT_TIMEOUT : EXIT_TEMPORARY, "%s does not come up: no %s", name, path);
		strcpy(dir, path);
	}
	*strrchr(dir, '/') = 0;
	text_format(left, sizeof left, "%d", deadline_left(deadline));
	execlp("s6-svwait", "s6-svwait", "-U", "-t", left, dir, NULL);
	die_exec("s6-svwait");
}

int main(int argc, char **argv)
{
	static struct config config;
	const char *envdir = ENV_DIR;
	char rundir[PATH_MAX], path[PATH_MAX + 128];
	struct tree tree;
	struct why why;
	bool wait = false;

	for (int c; (c = getopt(argc, argv, "c:w")) != -1;)
		switch (c) {
		case 'c': envdir = optarg; break;
		case 'w': wait = true; break;
		default: die(EXIT_PERMANENT, "usage: tslink-init [-w] [-c envdir]");
		}
	umask(077);
	check_names(envdir);
	for (size_t i = 0; i < SETTINGS; i++)
		read_setting(envdir, &settings[i], config.value[i]);
	check(&config);
	if (wait)
		wait_for_tree(value_of(&config, "TSLINK_NAME"));
	if (text_format(rundir, sizeof rundir, RUN_PARENT "/%s", value_of(&config, "TSLINK_NAME")) < 0)
		die_sys(EXIT_PERMANENT, "TSLINK_NAME");
	if (running(rundir))
		die(EXIT_PERMANENT, "%s is running already: s6-svscanctl -t %s/" TREE_SCAN " ends it", rundir, rundir);
	if (dir_make_all(value_of(&config, "TS_DATA_DIR"), 0700) < 0)
		die_sys(EXIT_TEMPORARY, "cannot make TS_DATA_DIR %s", value_of(&config, "TS_DATA_DIR"));
	make_socket_dir(value_of(&config, "TSLINK_SOCKET"));
	autofd int dir = lay_out(rundir);
	write_settings(dir, &config);
	explicit_bzero(&config, sizeof config);
	tree_need(&tree, rundir);
	clear_scan(&tree);
	link_services(&tree);
	raise_limits();
	/* Without a firewall there is no leak guard: nothing starts then, and the reason is said. */
	if (tree_ruleset_apply(&tree, &why) < 0)
		die(EXIT_TEMPORARY, "%s", why.text);
	own_path(path, sizeof path);
	if (chdir(rundir) < 0)
		die_sys(EXIT_TEMPORARY, "cannot go to %s", rundir);
	const char *scan[] = { "s6-svscan", "-c", SERVICES_MAX, TREE_SCAN, NULL };
	char *environment[] = { path, NULL };
	execvpe(scan[0], (char *const *)(uintptr_t)scan, environment);
	die_exec(scan[0]);
}
