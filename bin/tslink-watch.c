/* SPDX-License-Identifier: ISC */
/*
 * usage: tslink-watch [-s] [-t SECONDS] [-r RUNDIR]
 *
 * Follows Docker's events, and makes disk and tree agree with what Docker has (lib/endpoint/reconcile.h): when it starts, when Docker
 * answers, soon after events, and every minute (-t: every so many seconds), since events are hints and get lost. SIGHUP and SIGALRM ask
 * for it now; SIGTERM ends the program, and no node notices. -s: as a service, which is ready (notification-fd 3) after its first look.
 *
 * While the event stream stands there is the file docker/serving in the run directory: Docker is past its boot, and the gate may hold
 * starts back as long as networks say. The engine takes connections as soon as its socket is there, and answers none before its boot is
 * over; so the stream is asked for without a deadline, and nothing else is asked before it stands. When it ends it is asked for anew
 * after 100 ms, then with pauses that double up to 5 s; a socket that appears in its directory is tried at once.
 *
 * One thread, one loop. Docker's answers are waited for within a pass (2 s at most, one unanswered question a pass); locks never are.
 */
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/endpoint/reconcile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define USAGE "usage: tslink-watch [-s] [-t seconds] [-r rundir]"
#define READY_FD 3 /* svc/watch/notification-fd */
#define ROUND_S 60
#define GATHER_MS 200 /* events come in swarms: one pass for all of them */
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000
#define SERVING "docker/serving"
#define DEFAULT_HOST "unix:///var/run/docker.sock"
#define EVENTS "{\"type\":[\"network\",\"container\"],\"event\":[\"create\",\"connect\",\"disconnect\",\"destroy\",\"start\",\"die\"]}"

struct watch {
	struct tree tree;
	struct reconcile reconcile;
	int64_t round;   /* ms between two passes where nothing happens */
	int64_t pass_at; /* deadline of the next one */
	int signals;     /* read end of the pipe that the signal handler writes to */
	/* the stream */
	struct engine *engine;
	struct engine_events *stream; /* NULL while there is none */
	bool stands;
	int64_t stood_at;
	int64_t connect_at; /* while there is none */
	int64_t pause;
	struct why said; /* why there is none */
	/* the directory of Docker's socket; no directory for tcp:// */
	int inotify;
	int socket_watch; /* -1: the directory was not there */
	char socket_dir[FACT_MAX];
	char socket_name[FACT_MAX];
	char driver[FACT_MAX];
};

/* ---- signals: not blocked, since lock_take waits with one; so no signalfd */

static int signal_pipe = -1;
static volatile sig_atomic_t signalled_end;

static void on_signal(int sig)
{
	int saved = errno;
	char c = 'p';

	if (sig == SIGTERM || sig == SIGINT)
		signalled_end = 1;
	/* A full pipe says enough. */
	if (write(signal_pipe, &c, 1) < 0)
		errno = saved;
	errno = saved;
}

static bool ending(void)
{
	return signalled_end;
}

static void catch_signals(struct watch *w)
{
	static const int caught[] = { SIGTERM, SIGINT, SIGHUP, SIGALRM };
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		die_sys(EXIT_TEMPORARY, "cannot make a pipe");
	w->signals = ends[0];
	signal_pipe = ends[1];
	for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
		if (sigaction(caught[i], &act, NULL) < 0)
			die_sys(EXIT_TEMPORARY, "cannot catch signal %d", caught[i]);
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		die_sys(EXIT_TEMPORARY, "cannot ignore SIGPIPE");
}

/* ---- passes */

static void pass_within(struct watch *w, int64_t ms)
{
	int64_t at = deadline_in(ms);

	if (at < w->pass_at)
		w->pass_at = at;
}

static void pass(struct watch *w)
{
	int64_t due = reconcile_pass(&w->reconcile, w->stands);

	w->pass_at = deadline_in(w->round);
	/* What waits for its time is not to keep the processor busy. */
	if (due < w->round)
		pass_within(w, due < GATHER_MS ? GATHER_MS : due);
}

/* ---- the event stream */

static void set_serving(struct watch *w, bool serving)
{
	w->stands = serving;
	if (serving ? file_publish(w->tree.dir, SERVING, "", 0, 0644, VOLATILE) < 0
		    : unlinkat(w->tree.dir, SERVING, 0) < 0 && errno != ENOENT)
		warning_sys("cannot %s %s/" SERVING, serving ? "write" : "remove", w->tree.path);
}

static void on_connected(void *arg)
{
	struct watch *w = arg;

	set_serving(w, true);
	w->stood_at = now_ms();
	w->said.text[0] = 0;
	info("following Docker's events");
	pass_within(w, 0);
}

static bool is_our_network(const struct watch *w, const struct docker_event *e)
{
	char path[PATH_MAX];

	if (!strcmp(e->driver, w->driver))
		return true;
	return *e->id && strspn(e->id, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(e->id) &&
	       text_format(path, sizeof path, "network/%s", e->id) == 0 && faccessat(w->tree.data_dir, path, F_OK, 0) == 0;
}

static void on_event(void *arg, const struct docker_event *e)
{
	struct watch *w = arg;

	if (w->pass_at <= deadline_in(GATHER_MS))
		return;
	if (e->lost || (!strcmp(e->type, "network") && is_our_network(w, e)) ||
	    (!strcmp(e->type, "container") && *e->container && roster_has_container(&w->tree, e->container)))
		pass_within(w, GATHER_MS);
}

/* One that a Docker in its boot has not answered yet, or one that has ended. */
static void drop_stream(struct watch *w)
{
	engine_events_close(w->stream);
	w->stream = NULL;
	if (w->stands && now_ms() - w->stood_at >= PAUSE_MAX_MS)
		w->pause = PAUSE_MIN_MS;
	set_serving(w, false);
	inquiry_part(&w->reconcile.inquiry);
	w->connect_at = deadline_in(w->pause);
	w->pause = w->pause * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : w->pause * 2;
}

static void no_stream(struct watch *w, const struct why *why)
{
	if (strcmp(w->said.text, why->text) != 0)
		warning("%s; trying again", why->text);
	w->said = *why;
	drop_stream(w);
}

static void watch_socket(struct watch *w)
{
	if (w->inotify >= 0 && *w->socket_dir && w->socket_watch < 0)
		w->socket_watch = inotify_add_watch(w->inotify, w->socket_dir, IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR);
}

static void connect_stream(struct watch *w)
{
	const struct engine_events_calls calls = { .connected = on_connected, .event = on_event, .arg = w };
	struct why why;

	/* First, so that no socket appears unseen between the try and the watch. */
	watch_socket(w);
	w->stream = engine_events_open(w->engine, EVENTS, &calls, NEVER, &why);
	if (!w->stream)
		no_stream(w, &why);
}

static void work_stream(struct watch *w)
{
	struct why why;

	if (engine_events_work(w->stream, &why) < 0)
		no_stream(w, &why);
}

/* Another process is at the other end of a new socket than of a stream that nobody has answered. */
static void socket_appeared(struct watch *w)
{
	if (w->stands)
		return;
	w->pause = PAUSE_MIN_MS;
	if (w->stream)
		drop_stream(w);
	w->connect_at = now_ms();
}

static void read_inotify(struct watch *w)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool appeared = false;
	ssize_t n;

	while (w->inotify >= 0 && (n = read(w->inotify, events, sizeof events)) > 0)
		for (char *at = events; at < events + n;) {
			const struct inotify_event *e = (const void *)at;
			if (e->mask & IN_IGNORED)
				w->socket_watch = -1;
			appeared = appeared || (e->len && !strcmp(e->name, w->socket_name));
			at += sizeof *e + e->len;
		}
	if (appeared)
		socket_appeared(w);
}

static void read_signals(struct watch *w)
{
	char buf[64];

	while (read(w->signals, buf, sizeof buf) > 0)
		;
	pass_within(w, 0);
}

/* ---- beginning and loop */

/* The plugin's name is that of its socket. */
static void find_driver(struct watch *w)
{
	char path[FACT_MAX];

	if (tree_setting(&w->tree, "TSLINK_SOCKET", path) < 0)
		text_format(path, sizeof path, "%s.sock", w->tree.name);
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = strlen(name);
	if (len > 5 && !strcmp(name + len - 5, ".sock"))
		len -= 5;
	text_format(w->driver, sizeof w->driver, "%.*s", (int)len, name);
}

static void find_docker(struct watch *w)
{
	char host[FACT_MAX], path[FACT_MAX];
	struct why why;

	if (tree_setting(&w->tree, "DOCKER_HOST", host) < 0 && errno != ENOENT)
		die_sys(EXIT_TEMPORARY, "cannot read %s/env/DOCKER_HOST", w->tree.path);
	w->engine = engine_open(host, &why);
	if (!w->engine)
		die(errno == EINVAL ? EXIT_PERMANENT : EXIT_TEMPORARY, "%s", why.text);
	text_format(path, sizeof path, "%s", *host ? host : DEFAULT_HOST);
	if (strncmp(path, "unix://", 7) != 0)
		return;
	char *slash = strrchr(path, '/');
	text_format(w->socket_name, sizeof w->socket_name, "%s", slash + 1);
	*slash = 0;
	text_format(w->socket_dir, sizeof w->socket_dir, "%s/", path + 7);
}

static void begin(struct watch *w, const char *rundir)
{
	tree_need(&w->tree, rundir);
	if (dir_make(w->tree.dir, "docker", 0700) < 0)
		die_sys(EXIT_TEMPORARY, "cannot make %s/docker", w->tree.path);
	catch_signals(w);
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->inotify < 0)
		warning_sys("a Docker socket that appears is noticed some seconds later: no inotify instance to be had");
	find_driver(w);
	find_docker(w);
	w->reconcile.tree = &w->tree;
	w->reconcile.ending = ending;
	w->reconcile.inquiry.engine = w->engine;
	w->reconcile.inquiry.driver = w->driver;
	set_serving(w, false); /* left by one that was killed */
}

static int64_t next_due(const struct watch *w)
{
	int64_t due = w->stream ? engine_events_due(w->stream) : w->connect_at;

	return due < w->pass_at ? due : w->pass_at;
}

static void loop(struct watch *w)
{
	while (!ending()) {
		struct pollfd p[] = {
			{ .fd = w->signals, .events = POLLIN },
			{ .fd = w->inotify, .events = POLLIN },
			{ .fd = w->stream ? engine_events_fd(w->stream) : -1, .events = POLLIN },
		};
		if (poll(p, sizeof p / sizeof *p, deadline_left(next_due(w))) < 0 && errno != EINTR)
			die_sys(EXIT_TEMPORARY, "poll");
		read_inotify(w);
		if (p[0].revents)
			read_signals(w);
		if (w->stream && (p[2].revents || engine_events_due(w->stream) <= now_ms()))
			work_stream(w);
		if (!w->stream && w->connect_at <= now_ms())
			connect_stream(w);
		if (!ending() && w->pass_at <= now_ms())
			pass(w);
	}
}

static void notify(void)
{
	if (write(READY_FD, "\n", 1) != 1)
		die_sys(EXIT_PERMANENT, "descriptor %d: -s is for s6-supervise with a notification-fd", READY_FD);
	close(READY_FD);
}

int main(int argc, char **argv)
{
	static struct watch w = { .socket_watch = -1, .pause = PAUSE_MIN_MS };
	const char *rundir = TREE_DEFAULT;
	bool service = false;
	long seconds = ROUND_S;

	for (int c; (c = getopt(argc, argv, "r:st:")) != -1;)
		switch (c) {
		case 'r': rundir = optarg; break;
		case 's': service = true; break;
		case 't':
			if (text_number(optarg, 1, 86400, &seconds) < 0)
				die(EXIT_PERMANENT, USAGE);
			break;
		default: die(EXIT_PERMANENT, USAGE);
		}
	if (argc != optind)
		die(EXIT_PERMANENT, USAGE);
	/* Before any descriptor of our own can take that number. */
	if (service && fcntl(READY_FD, F_SETFD, FD_CLOEXEC) < 0)
		die_sys(EXIT_PERMANENT, "descriptor %d: -s is for s6-supervise with a notification-fd", READY_FD);
	umask(077);
	w.round = seconds * 1000;
	begin(&w, rundir);
	pass(&w);
	if (service)
		notify();
	loop(&w);
	if (w.stream)
		drop_stream(&w);
	engine_close(w.engine);
	reports_free(&w.reconcile.reports);
	return 0;
}
