/* SPDX-License-Identifier: ISC */
#include "crowd.h"
#include "lib/base/wait.h"
#include "lib/endpoint/endpoint.h"
#include "lib/endpoint/service.h"
#include "lib/net/netlink.h"
#include "netlab.h"
#include "tap.h"
#include "treelab.h"

#include <signal.h>
#include <sys/prctl.h>

#define NETWORK "13cddfa7aef848f1d333d88e596ef5a77704e924ebf679addb70cedbe7473574"
#define SOON 10000 /* ms: longest wait for what is to happen */

static struct tree tree;
static struct why why;
static const struct network plain = {.id = NETWORK, .gateway = {"172.18.0.1/16", "fd00:1::1/64"}, .gateway_count = 2};
static const struct network null_ipam = {.id = NETWORK, .null_ipam = true};

/* An endpoint's ID of a number; different ones differ in their first digits. */
static const char *id_of(unsigned n)
{
	static char id[4][ID_SIZE];
	static unsigned turn;
	char *p = id[turn++ % 4];
	snprintf(p, ID_SIZE, "%08x%056x", n * 2654435761u, n);
	return p;
}

static struct create_endpoint request_of(unsigned n)
{
	struct create_endpoint r = {.has_portmap = false};
	strcpy(r.network, NETWORK);
	strcpy(r.endpoint, id_of(n));
	return r;
}

static int open_it(unsigned n, struct endpoint *e)
{
	return endpoint_open(&tree, id_of(n), e, &why);
}

static int create(unsigned n, const struct network *network, const struct create_endpoint *request, struct endpoint *e)
{
	why.text[0] = '\0';
	return open_it(n, e) < 0 ? -1 : endpoint_create(&tree, network, request, e, &why);
}

static int fails_with(int r, int error)
{
	return r < 0 && errno == error && *why.text;
}

static const char *fact(const struct endpoint *e, const char *name)
{
	static char text[FACT_MAX];
	return fact_get(e->dir, name, text) < 0 ? NULL : text;
}

/* What there is of all endpoints. */
static int leftovers(void)
{
	autonetlink struct nl_sock *nl = netlink_open();
	autofree char **links = link_list(nl, "tunit-");
	int n = treelab_count("run/endpoint") + treelab_count("run/subnet") + treelab_count("run/sandbox") +
	        treelab_count("run/service");
	for (char **link = links; link && *link; link++)
		n += strncmp(*link, "tunit-b", 7) != 0;
	return n;
}

static int remove_it(unsigned n)
{
	struct endpoint e;
	why.text[0] = '\0';
	int r = open_it(n, &e) < 0 ? -1 : endpoint_remove(&tree, &e, &why);
	if (r < 0)
		printf("# %s\n", why.text);
	return r;
}

static void identifiers(void)
{
	static const char *const bad[] = {"",
	                                  "../../etc/pas",
	                                  "0123456789a",
	                                  "0123456789abc",
	                                  "0123456789aB",
	                                  "0123456789ab/",
	                                  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde",
	                                  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0"};
	struct endpoint e;
	char key[ENDPOINT_KEY + 1];
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ok(fails_with(endpoint_open(&tree, bad[i], &e, &why), EINVAL) && e.dir < 0,
		   "\"%.20s\" is no endpoint: EINVAL", bad[i]);
		ok(fails_with(endpoint_lock(&tree, bad[i], &why), EINVAL), "nor can it be locked");
	}
	ok(open_it(1, &e) == 0 && e.dir < 0 && !strcmp(e.id, id_of(1)) && !strncmp(e.key, id_of(1), 12) &&
	           strlen(e.key) == 12,
	   "one that is not there is opened, and is not there");
	snprintf(key, sizeof key, "%s", e.key);
	ok(endpoint_open(&tree, key, &e, &why) == 0 && e.dir < 0 && !*e.id,
	   "by its key, too: then its ID is not known");
	ok(endpoint_stop(&tree, &e, &why) == 0 && endpoint_remove(&tree, &e, &why) == 0,
	   "it is stopped and removed already");
	ok(fails_with(endpoint_start(&tree, &e, &why), ENOENT), "it cannot be started: ENOENT");
	ok(endpoint_slot(&e) < 0 && endpoint_point(&e) < 0, "and has no slots");
}

static void creating(void)
{
	struct endpoint e, again;
	struct create_endpoint r = request_of(1);
	char text[SUBNET_TEXT], path[PATH_MAX], target[PATH_MAX];
	strcpy(r.address, "172.18.0.2/16");
	strcpy(r.address6, "fd00:1::2/64");
	if (pairs_add(&r.driver_opts, "tslink.hostname", "Web_1") < 0 ||
	    pairs_add(&r.driver_opts, "tslink.wait", "7") < 0 ||
	    pairs_add(&r.driver_opts, "com.example.other", "x") < 0)
		return;
	if (!ok(create(1, &plain, &r, &e) == 0 && e.dir >= 0, "an endpoint is made"))
		printf("# %s\n", why.text);
	is(fact(&e, "ENDPOINT"), id_of(1), "its ID");
	is(fact(&e, "NETWORK"), NETWORK, "its network");
	is(fact(&e, "ADDRESS"), "172.18.0.2/16", "its address");
	is(fact(&e, "ADDRESS6"), "fd00:1::2/64", "that of IPv6");
	is(fact(&e, "GATEWAY"), "172.18.0.1", "its gateway");
	is(fact(&e, "GATEWAY6"), "fd00:1::1", "that of IPv6");
	is(fact(&e, "MAC"), "02:42:ac:12:00:02", "its MAC address is Docker's own of the address");
	is(fact(&e, "MTU"), "1500", "MTU");
	is(fact(&e, "ASKED_HOSTNAME"), "web-1", "what its driver-opts ask");
	is(fact(&e, "ASKED_WAIT"), "7", "also the wait");
	is(fact(&e, "ASKED_REQUIRE"), NULL, "what they do not ask is no fact");
	is(fact(&e, "POINT"), NULL, "it needs one /30 only");
	int64_t slot = endpoint_slot(&e);
	ok(slot >= 0 && endpoint_point(&e) < 0, "which is its slot");
	is(fact(&e, "UPLINK"), subnet_text(subnet_container(&tree.uplinks, (uint32_t)slot), text),
	   "the container's end of it");
	ssize_t n =
		readlink(treelab_at("run/subnet/%s", subnet_text(subnet_network(&tree.uplinks, (uint32_t)slot), text)),
	                 target, PATH_MAX - 1);
	target[n > 0 ? n : 0] = '\0';
	snprintf(path, sizeof path, "../endpoint/%s/env/UPLINK", e.key);
	is(target, path, "its claim leads to the fact");
	n = readlinkat(e.dir, "run", target, PATH_MAX - 1);
	target[n > 0 ? n : 0] = '\0';
	is(target, treelab_at("skeleton/run"), "its run is the installed one");
	struct stat st;
	ok(fstatat(e.dir, "log", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
	           readlinkat(e.dir, "log/run", target, PATH_MAX - 1) > 0,
	   "its logger's directory is its own");
	ok(fstatat(e.dir, "env", &st, 0) == 0 && (st.st_mode & 07777) == 0700 && fstatat(e.dir, "etc", &st, 0) == 0 &&
	           S_ISDIR(st.st_mode) && fstatat(e.dir, "data", &st, 0) == 0,
	   "env/, etc/ and data/");
	ok(!treelab_has("service") && treelab_count("run/service") == 0, "it is not started");
	pairs_free(&r.driver_opts);

	ok(open_it(1, &again) == 0 && again.dir >= 0 && !strcmp(again.id, e.id), "it is opened by its ID");
	endpoint_close(&again);
	ok(again.dir == -1, "closed");
	ok(endpoint_open(&tree, e.key, &again, &why) == 0 && again.dir >= 0 && !strcmp(again.id, e.id),
	   "and opened by its key, which tells the ID");
	endpoint_close(&again);
	char sibling[ID_SIZE];
	strcpy(sibling, e.id);
	sibling[40] = sibling[40] == '0' ? '1' : '0';
	ok(fails_with(endpoint_open(&tree, sibling, &again, &why), EEXIST) && again.dir < 0,
	   "another ID with the same first digits: EEXIST");
	ok(strstr(why.text, sibling) && strstr(why.text, e.id), "with both");
	if (fact_set(e.dir, "ENDPOINT", "nonsense") < 0)
		return;
	ok(fails_with(endpoint_open(&tree, e.key, &again, &why), EINVAL) && again.dir < 0,
	   "one whose ID is none: EINVAL");
	fact_set(e.dir, "ENDPOINT", NULL);
	ok(fails_with(endpoint_open(&tree, e.key, &again, &why), ENOENT) && again.dir < 0, "one without an ID: ENOENT");
	fact_set(e.dir, "ENDPOINT", id_of(1));
	endpoint_close(&e);
	is_number(remove_it(1), 0, "it is removed");
	is_number(leftovers(), 0, "nothing is left of it");
	is_number(remove_it(1), 0, "again is success");
}

static void kinds(void)
{
	struct endpoint e;
	struct create_endpoint r = request_of(2);
	char want[SUBNET_TEXT + 4], text[SUBNET_TEXT];
	ok(create(2, &null_ipam, &r, &e) == 0, "with --ipam-driver null");
	int64_t slot = endpoint_slot(&e), point = endpoint_point(&e);
	ok(slot >= 0 && point >= 0 && slot != point && treelab_count("run/subnet") == 2, "an endpoint has two /30s");
	snprintf(want, sizeof want, "%s/30", subnet_text(subnet_container(&tree.uplinks, (uint32_t)point), text));
	is(fact(&e, "ADDRESS"), want, "its address is of the second");
	is(fact(&e, "GATEWAY"), subnet_text(subnet_host(&tree.uplinks, (uint32_t)point), text), "so is its gateway");
	endpoint_close(&e);
	ok(remove_it(2) == 0 && leftovers() == 0, "it leaves none of them");
	struct network internal = plain;
	internal.internal = true;
	strcpy(r.address, "172.18.0.9/16");
	strcpy(r.mac, "02:00:00:00:00:07");
	ok(create(2, &internal, &r, &e) == 0 && !fact(&e, "GATEWAY") && !fact(&e, "GATEWAY6"),
	   "one on an internal network has no gateway");
	is(fact(&e, "MAC"), "02:00:00:00:00:07", "a MAC address that was asked for is taken");
	endpoint_close(&e);
	ok(remove_it(2) == 0 && leftovers() == 0, "and nothing is left");
	r = request_of(2);
	struct network small = plain;
	small.options.mtu = 1280;
	ok(create(2, &small, &r, &e) == 0, "a network with an MTU");
	is(fact(&e, "MTU"), "1280", "gives it to the endpoint");
	is(fact(&e, "MAC"), NULL, "without an address Docker makes the MAC address");
	endpoint_close(&e);
	remove_it(2);
}

static void refusals(void)
{
	struct endpoint e;
	struct create_endpoint r = request_of(3);
	static const char *const bad[][2] = {
		{"tslink.wait", "99"}, {"tslink.hostnam", "x"}, {"tslink.hostname", "_"}, {"tslink.authkey", "x"}};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (pairs_add(&r.driver_opts, bad[i][0], bad[i][1]) < 0)
			return;
		ok(create(3, &plain, &r, &e) < 0 && strstr(why.text, bad[i][0]),
		   "the driver-opt %s=%s is refused by name", bad[i][0], bad[i][1]);
		pairs_free(&r.driver_opts);
		ok(e.dir < 0 && leftovers() == 0, "nothing is left");
	}
	const char *skeleton = tree.skeleton;
	tree.skeleton = "/nowhere/endpoint";
	ok(fails_with(create(3, &plain, &r, &e), ENOENT) && strstr(why.text, "is tslink installed?"),
	   "no skeleton: ENOENT");
	tree.skeleton = skeleton;
	ok(leftovers() == 0, "nothing is left");
	/* the aside directory of both stays, and a crash would leave it just so */
	char path[PATH_MAX];
	snprintf(path, sizeof path, "run/endpoint/.%.12s", id_of(3));
	treelab_dir(path);
	snprintf(path, sizeof path, "run/endpoint/.%.12s/env/ASKED_WAIT", id_of(3));
	treelab_put(path, "25\n");
	ok(create(3, &plain, &r, &e) == 0 && !fact(&e, "ASKED_WAIT"),
	   "what a crash left aside is no part of the endpoint");
	endpoint_close(&e);
	snprintf(path, sizeof path, "run/endpoint/.%.12s", id_of(3));
	ok(!treelab_has(path), "and is gone");

	/* a range of four /30s, which is full with three and a half endpoints */
	struct subnet before = tree.uplinks;
	remove_it(3);
	subnet_parse("10.200.0.0/28", &tree.uplinks, NULL);
	for (unsigned i = 0; i < 3; i++) {
		r = request_of(10 + i);
		if (create(10 + i, &plain, &r, &e) < 0)
			ok(0, "endpoint %u of four: %s", i, why.text);
		endpoint_close(&e);
	}
	r = request_of(13);
	ok(fails_with(create(13, &null_ipam, &r, &e), ENOSPC) && treelab_count("run/subnet") == 3,
	   "who needs two /30s and gets one gives it back: ENOSPC");
	ok(create(13, &plain, &r, &e) == 0, "for another who needs one");
	endpoint_close(&e);
	r = request_of(14);
	ok(fails_with(create(14, &plain, &r, &e), ENOSPC) && strstr(why.text, "TSLINK_SUBNET"),
	   "the next finds none: ENOSPC, and the way out is said");
	for (unsigned i = 10; i < 14; i++)
		remove_it(i);
	tree.uplinks = before;
	is_number(leftovers(), 0, "nothing is left");
}

enum { PROCESSES = 20, EACH = 15 };

struct answer {
	unsigned number;
	int64_t slot;
};

static int create_some(unsigned process, int out)
{
	for (unsigned i = 0; i < EACH; i++) {
		unsigned n = 1000 + process * EACH + i;
		struct endpoint e;
		struct create_endpoint r = request_of(n);
		autofd int lock = endpoint_lock(&tree, id_of(n), &why);
		if (lock < 0 || create(n, &plain, &r, &e) < 0)
			return 1;
		struct answer answer = {.number = n, .slot = endpoint_slot(&e)};
		endpoint_close(&e);
		if (write(out, &answer, sizeof answer) != sizeof answer)
			return 1;
	}
	return 0;
}

static int remove_some(unsigned process, int out)
{
	int bad = 0;
	(void)out;
	for (unsigned i = 0; i < EACH; i++) {
		autofd int lock = endpoint_lock(&tree, id_of(1000 + process * EACH + i), &why);
		bad |= lock < 0 || remove_it(1000 + process * EACH + i) < 0;
	}
	return bad;
}

static void many(void)
{
	static bool used[16384];
	struct answer answer;
	int count = 0, clashes = 0;
	int from = crowd_start(PROCESSES, create_some);
	for (; read(from, &answer, sizeof answer) == sizeof answer; count++) {
		clashes += answer.slot < 0 || used[answer.slot];
		if (answer.slot >= 0)
			used[answer.slot] = true;
	}
	is_number(crowd_end(from), 0, "20 processes at once make 15 endpoints each");
	is_number(count, PROCESSES * EACH, "all are made");
	is_number(clashes, 0, "and no two have the same /30");
	is_number(treelab_count("run/endpoint"), PROCESSES * EACH, "each has its directory");
	is_number(crowd_end(crowd_start(PROCESSES, remove_some)), 0, "and they are removed by as many");
	is_number(leftovers(), 0, "nothing is left");
}

static int create_the_one(unsigned process, int out)
{
	struct endpoint e;
	struct create_endpoint r = request_of(5);
	char made = 'o';
	(void)process;
	autofd int lock = endpoint_lock(&tree, id_of(5), &why);
	if (lock < 0 || open_it(5, &e) < 0)
		return 1;
	if (e.dir < 0) {
		if (endpoint_create(&tree, &plain, &r, &e, &why) < 0)
			return 1;
		made = 'm';
	}
	endpoint_close(&e);
	return write(out, &made, 1) != 1;
}

static void the_lock(void)
{
	char c;
	int made = 0;
	int from = crowd_start(PROCESSES, create_the_one);
	while (read(from, &c, 1) == 1)
		made += c == 'm';
	is_number(crowd_end(from), 0, "20 processes want one endpoint");
	is_number(made, 1, "under its lock one of them makes it");
	is_number(treelab_count("run/subnet"), 1, "with one /30");
	char key[ENDPOINT_KEY + 1];
	snprintf(key, sizeof key, "%s", id_of(5));
	autofd int lock = endpoint_lock(&tree, key, &why);
	struct stat held, named;
	ok(lock >= 0 && fstat(lock, &held) == 0 && stat(treelab_at("run/lock/%s", key), &named) == 0 &&
	           held.st_ino == named.st_ino,
	   "its lock is lock/<key>, also by its key");
	ok(remove_it(5) == 0 && leftovers() == 0, "it is removed");
}

#define SANDBOX "/var/run/docker/netns/9924ce1f464a"

static void sandboxes(void)
{
	struct endpoint one, two;
	struct create_endpoint r = request_of(6);
	create(6, &plain, &r, &one);
	r = request_of(7);
	create(7, &plain, &r, &two);
	ok(endpoint_sandbox_claim(&tree, &one, SANDBOX, &why) == 0 && treelab_has("run/sandbox/9924ce1f464a"),
	   "an endpoint has a sandbox");
	ok(endpoint_sandbox_claim(&tree, &one, SANDBOX, &why) == 0, "and may say so again");
	ok(fails_with(endpoint_sandbox_claim(&tree, &two, SANDBOX, &why), EBUSY),
	   "a second tslink network in it is refused: EBUSY");
	ok(strstr(why.text, one.key) && strstr(why.text, two.key), "with both names");
	ok(endpoint_sandbox_claim(&tree, &two, "/run/docker/netns/000000000001", &why) == 0, "another sandbox is free");
	fact_set(one.dir, "NETNS", SANDBOX);
	fact_set(two.dir, "NETNS", SANDBOX);
	ok(endpoint_stop(&tree, &two, &why) == 0 && treelab_has("run/sandbox/9924ce1f464a"),
	   "who does not have it cannot give it back");
	ok(endpoint_stop(&tree, &one, &why) == 0 && !treelab_has("run/sandbox/9924ce1f464a"),
	   "whose it is gives it back when it stops");
	ok(state_get(one.dir) == STATE_STOPPED && note_get(one.dir, "stopped", (char[FACT_MAX]){0}) == 0,
	   "and is stopped, because that was asked");
	ok(endpoint_stop(&tree, &one, &why) == 0, "twice");
	ok(endpoint_sandbox_claim(&tree, &two, SANDBOX, &why) == 0, "now the second may have it");
	/* the second is gone without giving it back */
	fact_set(two.dir, "NETNS", NULL);
	ok(endpoint_remove(&tree, &two, &why) == 0 && treelab_has("run/sandbox/9924ce1f464a"),
	   "it vanishes without giving it back");
	ok(endpoint_sandbox_claim(&tree, &one, SANDBOX, &why) == 0, "a leftover is replaced");
	char target[PATH_MAX], want[PATH_MAX];
	ssize_t n = readlink(treelab_at("run/sandbox/9924ce1f464a"), target, sizeof target - 1);
	target[n > 0 ? n : 0] = '\0';
	snprintf(want, sizeof want, "../endpoint/%s", one.key);
	is(target, want, "by a link to who has it");
	ok(endpoint_sandbox_claim(&tree, &one, "/x/..", &why) < 0 &&
	           endpoint_sandbox_claim(&tree, &one, "/x/.", &why) < 0 &&
	           endpoint_sandbox_claim(&tree, &one, "/x/", &why) < 0,
	   "what is no sandbox is none");
	ok(endpoint_remove(&tree, &one, &why) == 0, "the end");
	unlink(treelab_at("run/sandbox/000000000001"));
	is_number(leftovers(), 0, "nothing is left");
}

static bool has_link(const char *kind)
{
	autonetlink struct nl_sock *nl = netlink_open();
	char start[LINK_NAME];
	snprintf(start, sizeof start, "tunit-%s", kind);
	autofree char **links = link_list(nl, start);
	return links && links[0];
}

static void plugs(void)
{
	struct endpoint e;
	struct create_endpoint r = request_of(8);
	char peer[LINK_NAME], mac[256];
	autonetlink struct nl_sock *nl = netlink_open();
	static const char ruleset[] = "#!/bin/sh\nexit 0\n"; /* t_ruleset.c tests the real one's part */
	treelab_write("bin/tslink-ruleset", ruleset, sizeof ruleset - 1, 0700);
	strcpy(r.address, "172.18.0.2/16");
	if (create(8, &plain, &r, &e) < 0 ||
	    !ok(endpoint_plug(&tree, &plain, &e, nl, peer, &why) == 0, "an endpoint is plugged in")) {
		printf("# %s\n", why.text);
		return;
	}
	ok(has_link("b") && has_link("e") && !strncmp(peer, "tunit-c", 7), "bridge, port, and a peer for Docker: %s",
	   peer);
	snprintf(mac, sizeof mac, "cat /sys/class/net/%s/address", peer);
	is(lab_line(-1, mac), "02:42:ac:12:00:02", "which has the endpoint's MAC address");
	ok(endpoint_plug(&tree, &plain, &e, nl, peer, &why) == 0, "again: leftovers are replaced");
	/* as Docker does it */
	autofd int netns = lab_new_netns();
	lab_do(-1, "ip link set %s netns /proc/%d/fd/%d", peer, getpid(), netns);
	ok(endpoint_remove(&tree, &e, &why) == 0 && !has_link("e") && !has_link("c"),
	   "it is removed, with its interfaces");
	snprintf(mac, sizeof mac, "ip link show %s 2>/dev/null", peer);
	ok(lab_run(netns, "%s", mac) != 0, "also that in the container");
	is_number(leftovers(), 0, "nothing is left but the network's bridge");
	if (link_delete(nl, "tunit-b13cddfa7", &why) < 0)
		ok(0, "%s", why.text);
	r = request_of(9);
	if (create(9, &null_ipam, &r, &e) < 0 ||
	    !ok(endpoint_plug(&tree, &null_ipam, &e, nl, peer, &why) == 0, "with --ipam-driver null")) {
		printf("# %s\n", why.text);
		return;
	}
	ok(has_link("p") && !has_link("b"), "there is no bridge, but a link of two ends");
	ok(endpoint_remove(&tree, &e, &why) == 0 && leftovers() == 0, "of which nothing is left");
}

static int is_up(void *arg)
{
	struct endpoint *e = arg;
	return state_get(e->dir) == STATE_RUNNING;
}

/* A real s6-svscan, and a service that says it is running. */
static void supervised(void)
{
	struct endpoint e;
	struct create_endpoint r = request_of(20);
	static const char run[] =
		"#!/bin/sh\nmkdir -p data\necho running >data/.s\nmv data/.s data/state\nexec sleep 1000\n";
	static const char log[] = "#!/bin/sh\nexec cat >/dev/null\n";
	treelab_write("skeleton/run", run, sizeof run - 1, 0755);
	treelab_write("skeleton/log/run", log, sizeof log - 1, 0755);
	unlink(treelab_at("skeleton/notification-fd"));
	create(20, &plain, &r, &e);
	why.text[0] = '\0';
	ok(fails_with(endpoint_start(&tree, &e, &why), ENXIO) && treelab_count("run/service") == 1,
	   "without an s6-svscan an endpoint is linked but not started: ENXIO");
	if (system("command -v s6-svscan >/dev/null") != 0) {
		ok(1, "with one # SKIP no s6-svscan");
		endpoint_remove(&tree, &e, &why);
		return;
	}
	fflush(stdout);
	pid_t scan = fork();
	if (scan == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		dup2(null, 2);
		execlp("s6-svscan", "s6-svscan", treelab_at("run/service"), NULL);
		_exit(127);
	}
	ok(wait_for_change(treelab_at("run/%s/data", e.path), is_up, &e, deadline_in(SOON)) == 1,
	   "an s6-svscan starts what is linked");
	ok(service_supervised(&tree, e.key), "it is supervised");
	is_number(endpoint_start(&tree, &e, &why), 0, "to start it again is success");
	is_number(service_control(&tree, e.key, "t", &why), 0, "it can be told something");
	int64_t begin = now_ms();
	is_number(endpoint_stop(&tree, &e, &why), 0, "it is stopped");
	ok(now_ms() - begin < SOON && !service_supervised(&tree, e.key) && treelab_count("run/service") == 0,
	   "its supervisors are gone");
	ok(fails_with(service_control(&tree, e.key, "u", &why), ENXIO), "and it can be told nothing: ENXIO");
	is_number(endpoint_start(&tree, &e, &why), 0, "it is started again");
	ok(note_get(e.dir, "stopped", (char[FACT_MAX]){0}) < 0, "and not stopped any more");
	ok(wait_for_change(treelab_at("run/%s/data", e.path), is_up, &e, deadline_in(SOON)) == 1, "it runs");

	/* the s6-svscan dies, and its supervisors go on */
	kill(scan, SIGKILL);
	is_number(aside_end(scan), 128 + SIGKILL, "the s6-svscan is killed");
	ok(service_supervised(&tree, e.key), "the endpoint is supervised nevertheless");
	is_number(endpoint_remove(&tree, &e, &why), 0, "and is removed nevertheless");
	is_number(leftovers(), 0, "nothing is left");
	while (wait(NULL) > 0)
		;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		lab_enter();
	treelab_beside(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Supervisors whose s6-svscan was killed are ours then, and not left to whoever is process 1. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		treelab_bail("prctl");
	treelab_lay("10.200.0.0/16\n");
	treelab_open(&tree);
	identifiers();
	creating();
	kinds();
	refusals();
	many();
	the_lock();
	sandboxes();
	plugs();
	supervised();
	treelab_remove();
	return tap_done();
}
