/* SPDX-License-Identifier: ISC */
/*
 * usage: tslink-identify PROGRAM [ARGUMENT...]
 *        tslink-identify -w SERVICE PROGRAM [ARGUMENT...]
 *
 * In an endpoint's service directory: finds out which container this is (from Docker's files, else from the Engine API), what its labels
 * and its network ask for, and which identity it holds; publishes that as facts, and executes the rest.
 *
 * A label counts only where it is the container's own: one that the image has with the same value was written by the image's author. As
 * long as it is not known what the image has, no label counts. What the network sets is a bound.
 *
 * With -w it only waits until the endpoint has its identity: the logger writes into it. Where the endpoint ends before that, it copies
 * standard input to standard error.
 */
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/spawn.h"
#include "lib/base/text.h"
#include "lib/docker/files.h"
#include "lib/docker/lookup.h"
#include "lib/docker/network_name.h"
#include "lib/endpoint/endpoint.h"
#include "lib/endpoint/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUNDIR "../.."
#define STOP_MS 12000
#define LOOK_MS 50
#define ROOM_MS 10000
#define PIPE_HALF 32768
#define OWN_LABELS "tslink."

struct subject {
	struct tree tree;
	struct network network;
	char docker_root[PATH_MAX]; /* "" where not known */
	char endpoint[FACT_MAX], network_id[FACT_MAX], netns[FACT_MAX];
	struct docker_container container;
	struct label_options wish; /* labels, then driver-opts */
	char warnings[FACT_MAX];
};

/* Something is missing: said in data/error, and tried again after the back-off. */
static _Noreturn void wait_for(const struct why *why)
{
	if (state_set(AT_FDCWD, STATE_WAITING, why->text) < 0)
		warning_sys("cannot write data/state");
	die(EXIT_TEMPORARY, "%s", why->text);
}

static void set(const char *name, const char *value)
{
	if (fact_set(AT_FDCWD, name, value) < 0)
		die_sys(EXIT_TEMPORARY, "cannot write env/%s", name);
}

static void set_number(const char *name, unsigned value)
{
	char text[16];

	text_format(text, sizeof text, "%u", value);
	set(name, text);
}

static void warn(struct subject *s, const char *text)
{
	size_t used = strlen(s->warnings);

	warning("%s", text);
	text_format(s->warnings + used, sizeof s->warnings - used, "%s%s", used ? "; " : "", text);
}

/* ---- which container? */

static void find_container(struct subject *s)
{
	char id[ID_SIZE];
	struct why by_files, by_api;

	if (!s->docker_root[0])
		why_set(&by_files, "Docker's data root is not known");
	else if (docker_sandbox_container(s->docker_root, s->netns, id, &by_files) == 0 &&
		 docker_container_read(s->docker_root, id, &s->container, &by_files) == 0)
		return;
	if (lookup_container(s->tree.path, s->network_id, s->endpoint, &s->container, &by_api) == 0)
		return;
	warning("%s", by_api.text);
	wait_for(&by_files);
}

static int image_labels(struct subject *s, struct pairs *labels)
{
	struct why why;

	if (s->docker_root[0] && docker_image_labels(s->docker_root, s->container.image_id, labels, &why) == 0)
		return 0;
	return lookup_image_labels(s->tree.path, s->container.image_id, labels, &why);
}

/* ---- what does it ask for? */

static void read_label(struct subject *s, const struct pair *label, bool known, const struct pairs *of_image)
{
	struct why why;
	const char *by_image = known ? pairs_get(of_image, label->name) : NULL;

	if (!known)
		why_set(&why, "label %s does not count while the labels of image %s are not known", label->name, s->container.image);
	else if (by_image && !strcmp(by_image, label->value))
		why_set(&why, "label %s does not count: it is the image's own", label->name);
	else if (label_option_set(&s->wish, "label", label->name, label->value, &why) == 0)
		return;
	warn(s, why.text);
}

static void read_labels(struct subject *s)
{
	struct pairs of_image = { 0 };
	int known = -2; /* not asked yet: most containers have no label of ours */

	for (size_t i = 0; i < s->container.labels.count; i++) {
		const struct pair *label = &s->container.labels.list[i];
		if (strncmp(label->name, OWN_LABELS, sizeof OWN_LABELS - 1) != 0)
			continue;
		if (known == -2)
			known = image_labels(s, &of_image);
		read_label(s, label, known == 0, &of_image);
	}
	pairs_free(&of_image);
}

static int asked_number(const char *name)
{
	char text[FACT_MAX];
	long n;

	return fact_get(AT_FDCWD, name, text) < 0 || text_number(text, 0, INT32_MAX, &n) < 0 ? -1 : (int)n;
}

static void read_driver_opts(struct subject *s)
{
	struct label_options asked;
	char hostname[FACT_MAX];

	label_options_init(&asked);
	if (fact_get(AT_FDCWD, "ASKED_HOSTNAME", hostname) == 0 && text_format(asked.hostname, sizeof asked.hostname, "%s", hostname) < 0)
		die_sys(EXIT_PERMANENT, "env/ASKED_HOSTNAME");
	asked.wait = asked_number("ASKED_WAIT");
	asked.require = asked_number("ASKED_REQUIRE");
	label_options_merge(&s->wish, &asked);
}

/* The terms of the gate: what the network says is the most that a container can have of the wait, and the least of the requirement. */
static void publish_terms(const struct subject *s)
{
	const struct network_options *bound = &s->network.options;
	int wait = s->wish.wait >= 0 ? s->wish.wait : bound->wait;
	bool require = s->wish.require == 1 && !(bound->require_given && !bound->require);

	if (bound->wait_given && wait > bound->wait)
		wait = bound->wait;
	set_number("WAIT", (unsigned)wait);
	set_number("REQUIRE", require || bound->require);
}

/* ---- who is it? */

static void wanted_hostname(const struct subject *s, char hostname[DNS_LABEL_MAX + 1])
{
	struct why why;

	if (s->wish.hostname[0])
		strcpy(hostname, s->wish.hostname);
	else if (text_dns_label(s->container.name, hostname) < 0 && text_dns_label(s->container.id, hostname) < 0) {
		why_set(&why, "the container has neither a name nor an ID");
		wait_for(&why);
	}
}

static void take_identity(const struct subject *s, struct identity *identity)
{
	char hostname[DNS_LABEL_MAX + 1], name[NETWORK_NAME_MAX + 1], server[LOGIN_SERVER_MAX + 1];
	char owner[sizeof name + sizeof server];
	struct why why;

	wanted_hostname(s, hostname);
	network_login_server(&s->tree, &s->network, server);
	/* By its name a network made anew is the same one; where Docker does not show it, it is not. */
	if (!s->docker_root[0] || docker_network_name(s->docker_root, s->network.id, name) < 0)
		if (lookup_network_name(s->tree.path, s->network.id, name, &why) < 0)
			wait_for(&why);
	text_format(owner, sizeof owner, "%s %s", name, server);
	const struct identity_claim claim = { .hostname = hostname, .owner = owner, .container = s->container.id };
	if (identity_take(&s->tree, &claim, identity, &why) < 0)
		wait_for(&why);
	if (strcmp(identity->hostname, hostname) != 0)
		info("%s is taken: this container is %s", hostname, identity->hostname);
	set("LOGIN_SERVER", server);
}

/* A container that Docker attached again evicts its own predecessor, whose end no call announced. */
static void evict_predecessor(const struct subject *s, const struct identity *identity)
{
	char own[ENDPOINT_KEY + 1];

	if (identity_alive(identity->path) == 0)
		return;
	text_format(own, sizeof own, "%.*s", ENDPOINT_KEY, s->endpoint);
	autofree char **keys = dir_list(s->tree.dir, "endpoint");
	for (size_t i = 0; keys && keys[i]; i++) {
		char path[PATH_MAX], of[FACT_MAX];
		if (!strcmp(keys[i], own) || text_format(path, sizeof path, "endpoint/%s/env/CONTAINER", keys[i]) < 0 ||
		    file_read(s->tree.dir, path, of, sizeof of) < 0 || strcmp(of, s->container.id) != 0)
			continue;
		info("stopping endpoint %s, an earlier one of this container", keys[i]);
		const char *argv[] = { "tslink-stop", "-r", s->tree.path, keys[i], NULL };
		int code = spawn_wait(argv, NULL, 0, deadline_in(STOP_MS));
		if (code != 0)
			warning("tslink-stop of endpoint %s failed: %d", keys[i], code);
	}
}

static void publish(const struct subject *s, const struct identity *identity)
{
	char key[PATH_MAX];
	struct why why;

	set("CONTAINER", s->container.id);
	set("NAME", s->container.name);
	set("HOSTNAME", identity->hostname);
	set_number("PORT", identity->port);
	set_number("UID", identity->uid);
	/* A node that is logged in needs no key; tslink-login says so where one does. */
	if (network_key_path(&s->tree, &s->network, key, &why) < 0) {
		warning("%s", why.text);
		key[0] = 0;
	}
	set("KEYFILE", key);
	publish_terms(s);
	if (file_publish_link(AT_FDCWD, "state", identity->path, VOLATILE) < 0)
		die_sys(EXIT_TEMPORARY, "cannot link state to %s", identity->path);
	/* The gate waits for data/hostname, and reads the terms then. */
	if (note_set(AT_FDCWD, "warning", s->warnings) < 0 || note_set(AT_FDCWD, "hostname", identity->hostname) < 0)
		die_sys(EXIT_TEMPORARY, "cannot write data/hostname");
}

static int has_identity(void)
{
	if (access("state", F_OK) == 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

static _Noreturn void execute(char **argv)
{
	execvp(argv[0], argv);
	die_exec(argv[0]);
}

/* What was said while no identity was there goes where the tree's own words go: so many bytes of it, or all until its end. */
static void pass_on(size_t bytes)
{
	char buf[4096];

	while (bytes) {
		ssize_t n = read(STDIN_FILENO, buf, bytes < sizeof buf ? bytes : sizeof buf);
		if (n == 0)
			return;
		if (n < 0 || write(STDERR_FILENO, buf, (size_t)n) < 0)
			die_sys(EXIT_TEMPORARY, "cannot pass on what was logged");
		bytes -= (size_t)n;
	}
}

/* A setup stage that is tried for hours is not to be held up by a pipe that nobody reads. */
static void make_room(void)
{
	int waiting;

	if (ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 && waiting > PIPE_HALF)
		pass_on((size_t)waiting);
}

/* The pipe is not read, but its end is heard of: the endpoint may go before it was anybody. */
static _Noreturn void wait_for_identity(const char *service, char **argv)
{
	autofd int back = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autofd int changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	/* Root has 128 inotify instances by default: who gets none looks again and again. */
	if (back < 0 || (changes < 0 && errno != EMFILE) || chdir(service) < 0 ||
	    (changes >= 0 && inotify_add_watch(changes, ".", IN_CREATE | IN_MOVED_TO) < 0))
		die_sys(EXIT_TEMPORARY, "cannot wait for the identity of %s", service);
	for (int r; (r = has_identity()) != 1;) {
		struct pollfd on[] = { { .fd = changes, .events = POLLIN }, { .fd = STDIN_FILENO } };
		char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
		if (r < 0 || (poll(on, 2, changes < 0 ? LOOK_MS : ROOM_MS) < 0 && errno != EINTR))
			die_sys(EXIT_TEMPORARY, "cannot wait for the identity of %s", service);
		/* Nobody writes any more, and no identity ever was. */
		if (on[1].revents) {
			pass_on(SIZE_MAX);
			exit(0);
		}
		make_room();
		while (changes >= 0 && read(changes, events, sizeof events) > 0)
			;
	}
	if (fchdir(back) < 0)
		die_sys(EXIT_TEMPORARY, "cannot go back from %s", service);
	execute(argv);
}

int main(int argc, char **argv)
{
	struct subject s = { .warnings = "" };
	struct identity identity;
	struct why why;

	umask(077);
	if (argc > 3 && !strcmp(argv[1], "-w"))
		wait_for_identity(argv[2], argv + 3);
	if (argc < 2 || argv[1][0] == '-')
		die(EXIT_PERMANENT, "usage: tslink-identify [-w service] program [argument...]");
	tree_need(&s.tree, RUNDIR);
	fact_need(AT_FDCWD, "ENDPOINT", s.endpoint);
	fact_need(AT_FDCWD, "NETWORK", s.network_id);
	fact_need(AT_FDCWD, "NETNS", s.netns);
	if (tree_docker_root(&s.tree, s.docker_root) < 0)
		s.docker_root[0] = 0;
	if (network_read(&s.tree, s.network_id, &s.network, &why) < 0)
		wait_for(&why);
	label_options_init(&s.wish);
	find_container(&s);
	read_labels(&s);
	read_driver_opts(&s);
	take_identity(&s, &identity);
	evict_predecessor(&s, &identity);
	publish(&s, &identity);
	docker_container_free(&s.container);
	execute(argv + 1);
}
