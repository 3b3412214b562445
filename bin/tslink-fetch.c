/* SPDX-License-Identifier: ISC */
/*
 * tslink-fetch [-s] [-r rundir]: makes sure that there is a Tailscale to run, and publishes its directory as the symlink
 * <rundir>/tailscale, which is what nodes are started from. -s: as the service `fetch`.
 *
 * Settings, one line each, in <rundir>/env/:
 *
 *   TS_PATH         where the operator keeps tailscaled: that is used, and nothing is downloaded
 *   TS_VERSION      else this version, as 1.102.3; or `stable` (also `latest`, and where nothing is set): the newest
 *   TS_RELEASE_URL  where releases come from; https://pkgs.tailscale.com/stable where it is not set
 *   TS_DATA_DIR     releases are kept in tailscale/ there
 *   https_proxy, no_proxy ... as libcurl knows them (curl(1), ENVIRONMENT)
 *
 * A version that is in the cache needs no network. Asking which is the newest does, and a host must not wait with its nodes
 * for that when it boots: so with `stable` the cached release is published first, and a newer one when it is there, for nodes
 * that start from then on. Where the wanted one cannot be had, a cached one is used, with a warning.
 *
 * As a service it is ready (notification-fd 3) when the release is there, and then rests; any signal makes it end, and s6 start
 * it again: `s6-svc -r` asks for a newer release. After a failure it waits before it ends, in state up, so that a signal cuts the wait
 * short: 1 s, doubling to 5 minutes, kept in data/backoff; data/error is the reason for people.
 *
 * Exit: 0; 100 where a setting is wrong; 111 where something is missing, or cannot be had now.
 */
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/lock.h"
#include "lib/base/text.h"
#include "lib/tailscale/release.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define RUNDIR "/run/tslink"
#define SETTING_SIZE 4096
#define READY_FD 3 /* svc/fetch/notification-fd */
#define BACKOFF_MAX_S 300
#define WAY_OUT "to do without a download, set TS_PATH to a directory that holds tailscaled"

struct fetch {
	int rundir;
	int cache;
	char rundir_path[PATH_MAX];
	char cache_path[PATH_MAX];
};

static void setting(int rundir, const char *name, char value[SETTING_SIZE])
{
	char path[64];

	*value = '\0';
	if (text_format(path, sizeof path, "env/%s", name) < 0 ||
	    (file_read(rundir, path, value, SETTING_SIZE) < 0 && errno != ENOENT))
		die_sys(EXIT_TEMPORARY, "cannot read the setting %s", name);
}

/* A supervised process has an empty environment; libcurl looks for its proxies there. setenv(3) shows to nobody else. */
static void proxies_from_settings(int rundir)
{
	static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
	                                    "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
	char value[SETTING_SIZE];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		setting(rundir, names[i], value);
		if (*value && setenv(names[i], value, 1) < 0)
			die_sys(EXIT_TEMPORARY, "cannot set %s", names[i]);
	}
}

static int publish(const struct fetch *f, const char *dir, struct why *why)
{
	if (file_publish_link(f->rundir, "tailscale", dir, VOLATILE) < 0)
		return why_sys(why, "cannot make the symlink %s/tailscale", f->rundir_path);
	return 0;
}

static int publish_version(const struct fetch *f, const char *version, struct why *why)
{
	char dir[PATH_MAX];

	if (text_format(dir, sizeof dir, "%s/%s", f->cache_path, version) < 0)
		return why_sys(why, "%s", f->cache_path);
	return publish(f, dir, why);
}

/* Like the other functions beneath fetch() that end in success or not: 0, or the exit code, with the reason in why. */
static int use_operators(const struct fetch *f, const char *path, struct why *why)
{
	char dir[PATH_MAX];
	struct why inner;

	if (release_operators(path, dir, &inner) < 0) {
		int code = errno == EINVAL ? EXIT_PERMANENT : EXIT_TEMPORARY;
		why_set(why, "TS_PATH: %s; it must be a directory that holds tailscaled, or unset", inner.text);
		return code;
	}
	if (publish(f, dir, why) < 0)
		return EXIT_TEMPORARY;
	info("%s/tailscaled is used (TS_PATH)", dir);
	return 0;
}

/* Everything down to the programs must be open to the nodes' own uids. */
static int open_cache(struct fetch *f, const char *data, struct why *why)
{
	struct stat st;

	if (!*data) {
		why_set(why, "TS_DATA_DIR is not set in %.300s/env: has tslink-init run?", f->rundir_path);
		return EXIT_TEMPORARY;
	}
	if (*data != '/' || text_format(f->cache_path, sizeof f->cache_path, "%s/tailscale", data) < 0) {
		why_set(why, "TS_DATA_DIR: \"%.200s\" is not an absolute path", data);
		return EXIT_PERMANENT;
	}
	if (dir_make_all(f->cache_path, 0755) < 0 ||
	    (f->cache = open(f->cache_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 || fstat(f->cache, &st) < 0 ||
	    ((st.st_mode & 07777) != 0755 && fchmod(f->cache, 0755) < 0)) {
		why_sys(why, "cannot make the directory %.300s (TS_DATA_DIR)", f->cache_path);
		return EXIT_TEMPORARY;
	}
	return 0;
}

/* One at a time: two would get the same release twice, and clean up after each other. */
static int lock_cache(const struct fetch *f, struct why *why)
{
	int fd = lock_take(f->cache, ".lock", now_ms());

	if (fd < 0 && errno == ETIMEDOUT) {
		info("waiting for another tslink-fetch");
		fd = lock_take(f->cache, ".lock", NEVER);
	}
	if (fd < 0)
		why_sys(why, "cannot lock %.300s/.lock", f->cache_path);
	return fd;
}

/* Has the wanted version in the cache when it returns 0, by whatever that takes. */
static int obtain(const struct fetch *f, const struct release_source *from, bool newest,
                  char version[RELEASE_VERSION_SIZE], struct why *why)
{
	if (newest && release_newest(from, version, why) < 0)
		return -1;
	if (release_check(f->cache, version, true, NULL) == 0)
		return 0;
	info("getting Tailscale %s for %s from %s", version, from->arch, from->url);
	return release_get(from, version, f->cache, why);
}

/* The wanted release could not be had, for this reason: a cached one will do. */
static int use_cached(const struct fetch *f, const char *reason, struct why *why)
{
	char version[RELEASE_VERSION_SIZE];

	if (release_cached(f->cache, version) < 0) {
		why_set(why, "%s; " WAY_OUT, reason);
		return EXIT_TEMPORARY;
	}
	if (publish_version(f, version, why) < 0)
		return EXIT_TEMPORARY;
	warning("%s; Tailscale %s of the cache is used", reason, version);
	return 0;
}

static int use_release(const struct fetch *f, const struct release_source *from,
                       const char wanted[RELEASE_VERSION_SIZE], struct why *why)
{
	char version[RELEASE_VERSION_SIZE];
	struct why inner;
	bool newest = !*wanted;

	if (newest && release_cached(f->cache, version) == 0 && publish_version(f, version, why) < 0)
		return EXIT_TEMPORARY;
	autofd int lock = lock_cache(f, why);
	if (lock < 0)
		return EXIT_TEMPORARY;
	if (!newest)
		memcpy(version, wanted, sizeof version);
	if (obtain(f, from, newest, version, &inner) < 0)
		return use_cached(f, inner.text, why);
	if (publish_version(f, version, why) < 0)
		return EXIT_TEMPORARY;
	/* the release is in use already; what is left to do may fail without harm to anybody */
	if (release_switch(f->cache, version, &inner) < 0)
		warning("%s", inner.text);
	info("Tailscale %s is used: %s/%s", version, f->cache_path, version);
	return 0;
}

/* Fills in where releases come from, and which is wanted: "" for the newest. */
static int read_source(const struct fetch *f, struct release_source *from, char url[SETTING_SIZE],
                       char wanted[RELEASE_VERSION_SIZE], struct why *why)
{
	char version[SETTING_SIZE];
	struct why inner;
	struct utsname host;

	setting(f->rundir, "TS_VERSION", version);
	if (!strcmp(version, "stable") || !strcmp(version, "latest"))
		*version = '\0';
	memset(wanted, 0, RELEASE_VERSION_SIZE);
	if (*version && (release_version_check(version, &inner) < 0 ||
	                 text_format(wanted, RELEASE_VERSION_SIZE, "%s", version) < 0)) {
		why_set(why, "TS_VERSION: %s; or `stable`", inner.text);
		return EXIT_PERMANENT;
	}
	setting(f->rundir, "TS_RELEASE_URL", url);
	*from = (struct release_source){
		.url = *url ? url : RELEASE_URL, .connect_ms = RELEASE_CONNECT_MS, .stall_s = RELEASE_STALL_S};
	if (release_url_check(from->url, &inner) < 0) {
		why_set(why, "TS_RELEASE_URL: %s", inner.text);
		return EXIT_PERMANENT;
	}
	if (uname(&host) < 0) {
		why_sys(why, "cannot tell this machine's architecture");
		return EXIT_TEMPORARY;
	}
	from->arch = release_arch(host.machine);
	if (!from->arch) {
		why_set(why, "there is no Tailscale release for %s; " WAY_OUT, host.machine);
		return EXIT_PERMANENT;
	}
	return 0;
}

static int fetch(struct fetch *f, struct why *why)
{
	char path[SETTING_SIZE], url[SETTING_SIZE], data[SETTING_SIZE], wanted[RELEASE_VERSION_SIZE];
	struct release_source from;

	setting(f->rundir, "TS_PATH", path);
	if (*path)
		return use_operators(f, path, why);
	int code = read_source(f, &from, url, wanted, why);
	if (code)
		return code;
	setting(f->rundir, "TS_DATA_DIR", data);
	code = open_cache(f, data, why);
	if (code)
		return code;
	proxies_from_settings(f->rundir);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		why_set(why, "cannot start libcurl");
		return EXIT_TEMPORARY;
	}
	code = use_release(f, &from, wanted, why);
	curl_global_cleanup();
	close(f->cache); /* a service that rests holds no file system busy */
	return code;
}

static void remove_note(const char *path)
{
	if (unlink(path) < 0 && errno != ENOENT)
		warning_sys("cannot remove %s", path);
}

/* Which service is ready where nobody asked is a mistake: descriptor 3 would be some file of ours. */
static void need_ready_fd(void)
{
	if (fcntl(READY_FD, F_SETFD, FD_CLOEXEC) < 0)
		die_sys(EXIT_PERMANENT, "descriptor %d: -s is for s6-supervise with a notification-fd", READY_FD);
}

_Noreturn static void rest(void)
{
	remove_note("data/error");
	remove_note("data/backoff");
	if (write(READY_FD, "\n", 1) != 1)
		die_sys(EXIT_TEMPORARY, "cannot tell s6-supervise of readiness");
	close(READY_FD);
	for (;;)
		pause(); /* a signal that is not ignored ends the process */
}

static long next_wait(void)
{
	char text[32];
	long last = 0;

	if (file_read(AT_FDCWD, "data/backoff", text, sizeof text) < 0 ||
	    text_number(text, 1, BACKOFF_MAX_S, &last) < 0)
		return 1;
	return last * 2 < BACKOFF_MAX_S ? last * 2 : BACKOFF_MAX_S;
}

static void note_error(const char *reason)
{
	if (dir_make(AT_FDCWD, "data", 0755) < 0 ||
	    file_publish_line(AT_FDCWD, "data/error", reason, 0644, VOLATILE) < 0)
		warning_sys("cannot write data/error");
}

static void back_off(const char *reason)
{
	char text[32];
	long wait = next_wait();

	snprintf(text, sizeof text, "%ld", wait);
	if (file_publish_line(AT_FDCWD, "data/backoff", text, 0644, VOLATILE) < 0)
		warning_sys("cannot write data/backoff");
	warning("%s; next try in %ld s", reason, wait);
	poll(NULL, 0, (int)wait * 1000);
}

int main(int argc, char **argv)
{
	struct fetch f = {.rundir = -1, .cache = -1};
	const char *rundir = RUNDIR;
	bool supervised = false;
	struct why why;
	int option;

	while ((option = getopt(argc, argv, "sr:")) != -1) {
		if (option == 's')
			supervised = true;
		else if (option == 'r')
			rundir = optarg;
		else
			die(EXIT_PERMANENT, "usage: tslink-fetch [-s] [-r rundir]");
	}
	if (optind != argc)
		die(EXIT_PERMANENT, "usage: tslink-fetch [-s] [-r rundir]");
	if (supervised)
		need_ready_fd();
	umask(022); /* all that this program writes is for everybody to read */
	if (!realpath(rundir, f.rundir_path) ||
	    (f.rundir = open(f.rundir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		die_sys(EXIT_TEMPORARY, "no run directory %s (has tslink-init run?)", rundir);
	int code = fetch(&f, &why);
	if (supervised && code == 0)
		rest();
	if (supervised)
		note_error(why.text);
	if (supervised && code == EXIT_TEMPORARY)
		back_off(why.text);
	else if (code)
		die(code, "%s", why.text);
	return code;
}
