/* SPDX-License-Identifier: ISC */
#include "crowd.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/endpoint/gate.h"
#include "tap.h"
#include "treelab.h"

#include <poll.h>
#include <sys/inotify.h>

#define NETNS "/proc/self/ns/net" /* one that exists */
#define LONG 20000                /* ms: who takes longer has waited to the end, 25 s */

static struct tree tree;

/* A gate in a process of its own, since some wait long: its endpoint and network, and what came of it. */
static struct network network;
static struct endpoint endpoint;
static struct why why;
static int64_t took;

static void begin(const char *digit, int wait, bool require)
{
	char key[ENDPOINT_KEY + 1], id[ID_SIZE];
	memset(key, *digit, ENDPOINT_KEY);
	key[ENDPOINT_KEY] = '\0';
	memset(id, *digit, ID_LEN);
	id[ID_LEN] = '\0';
	network = (struct network){.options = {.wait = wait, .require = require}};
	strcpy(network.id, id);
	endpoint = (struct endpoint){.dir = -1};
	strcpy(endpoint.id, id);
	strcpy(endpoint.key, key);
	snprintf(endpoint.path, sizeof endpoint.path, "endpoint/%s", key);
	char path[64];
	snprintf(path, sizeof path, "run/endpoint/%s/env", key);
	treelab_dir(path);
	snprintf(path, sizeof path, "run/endpoint/%s/data", key);
	treelab_dir(path);
	endpoint.dir = openat(tree.dir, endpoint.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (endpoint.dir < 0 || fact_set(endpoint.dir, "NETNS", NETNS) < 0 ||
	    state_set(endpoint.dir, STATE_STARTING, NULL) < 0)
		treelab_bail(path);
}

/* As tslink-identify publishes them. */
static int terms(const char *wait, const char *require)
{
	return fact_set(endpoint.dir, "WAIT", wait) < 0 || fact_set(endpoint.dir, "REQUIRE", require) < 0 ||
	       note_set(endpoint.dir, "hostname", "web") < 0;
}

static bool expired(void)
{
	return network_gate_expired(&tree, network.id);
}

static int pass(void)
{
	int64_t start = now_ms();
	why.text[0] = '\0';
	int r = gate_wait(&tree, &network, &endpoint, &why);
	int saved = errno;
	took = now_ms() - start;
	errno = saved;
	return r;
}

static bool at_once(void)
{
	return took < LONG;
}

/* What happens, in another process, once the gate waits: it watches first, and reads data/state then. */
struct event {
	int (*happens)(void);
	int reads; /* inotify: data/state, or another file of data/, was read */
};

static int then(void *arg)
{
	const struct event *event = arg;
	struct pollfd p = {.fd = event->reads, .events = POLLIN};
	return poll(&p, 1, 60000) != 1 || event->happens() != 0;
}

static int pass_while(int (*happens)(void))
{
	struct event event = {.happens = happens, .reads = inotify_init1(IN_CLOEXEC)};
	if (event.reads < 0 ||
	    inotify_add_watch(event.reads, treelab_at("run/%s/data", endpoint.path), IN_CLOSE_NOWRITE) < 0)
		treelab_bail("inotify");
	pid_t pid = aside(then, &event);
	close(event.reads);
	int r = pass();
	int saved = errno;
	if (aside_end(pid) != 0)
		printf("# the other process failed\n");
	errno = saved;
	return r;
}

static int comes_up(void)
{
	return state_set(endpoint.dir, STATE_RUNNING, NULL);
}

static int gives_up(void)
{
	return terms("25", "0") || state_set(endpoint.dir, STATE_FAILED, "the key is refused");
}

static int is_stopped(void)
{
	return state_set(endpoint.dir, STATE_STOPPED, NULL);
}

static int waits_for_something(void)
{
	return state_set(endpoint.dir, STATE_WAITING, "no release yet") ||
	       state_set(endpoint.dir, STATE_STARTING, NULL) || state_set(endpoint.dir, STATE_RUNNING, NULL);
}

static int wants_no_wait(void)
{
	return terms("0", "0");
}

static int requires(void)
{
	return terms("25", "1") || state_set(endpoint.dir, STATE_FAILED, "the key is refused");
}

static int is_waited_for_in_vain(void)
{
	return state_set(endpoint.dir, STATE_WAITING, "Docker does not say which container this is");
}

static int is_removed(void)
{
	return tree_remove(tree.dir, endpoint.path);
}

/* ---- each returns whether all was as it should be */

static bool up_already(void)
{
	begin("0", WAIT_MAX, true);
	comes_up();
	return pass() == 0 && at_once();
}

static bool comes_up_meanwhile(void)
{
	begin("1", WAIT_MAX, true);
	return pass_while(comes_up) == 0 && took < LONG && !expired();
}

static bool comes_up_in_steps(void)
{
	begin("2", WAIT_MAX, true);
	return terms("25", "1") == 0 && pass_while(waits_for_something) == 0 && took < LONG;
}

static bool fails_meanwhile(void)
{
	begin("3", WAIT_MAX, false);
	return pass_while(gives_up) == 0 && took < LONG && !expired();
}

static bool is_stopped_meanwhile(void)
{
	begin("4", WAIT_MAX, false);
	return pass_while(is_stopped) == 0 && took < LONG && !expired();
}

static bool no_wait(void)
{
	begin("5", 0, false);
	return pass() == 0 && at_once() && !expired();
}

static bool no_netns(void)
{
	begin("6", WAIT_MAX, true);
	treelab_put("no-netns", "");
	if (fact_set(endpoint.dir, "NETNS", treelab_at("none")) < 0 || pass() != 0 || !at_once())
		return false;
	/* before 28 a plain file stands there */
	return fact_set(endpoint.dir, "NETNS", treelab_at("no-netns")) == 0 && pass() == 0 && at_once() &&
	       fact_set(endpoint.dir, "NETNS", NULL) == 0 && pass() == -1 && errno == ENOENT;
}

static bool runs_out(void)
{
	begin("7", 1, false);
	if (pass() != 0 || took < 1000 || took > LONG || !expired())
		return false;
	/* the next one waits no more, once it is clear that its container wants nothing else */
	return terms("20", "0") == 0 && pass() == 0 && at_once();
}

static bool idle_before_terms(void)
{
	begin("8", WAIT_MAX, false);
	return network_gate_expire(&tree, network.id) == 0 && pass_while(wants_no_wait) == 0 && took < LONG &&
	       fact_set(endpoint.dir, "WAIT", NULL) == 0 && pass_while(is_waited_for_in_vain) == 0 && took < LONG;
}

static bool idle_but_required(void)
{
	begin("9", WAIT_MAX, true);
	return network_gate_expire(&tree, network.id) == 0 && terms("25", "1") == 0 && pass_while(comes_up) == 0 &&
	       took < LONG;
}

static bool required_and_failed(void)
{
	begin("a", WAIT_MAX, false);
	if (pass_while(requires) != -1 || took > LONG)
		return false;
	return strstr(why.text, "tslink.require") && strstr(why.text, "web cannot come up") &&
	       strstr(why.text, "the key is refused");
}

static bool required_and_late(void)
{
	begin("b", 1, true);
	if (terms("1", "1") != 0 || note_set(endpoint.dir, "error", "the control server is silent") < 0 ||
	    pass() != -1 || errno != ETIMEDOUT || took < 1000 || took > LONG)
		return false;
	return strstr(why.text, "tslink.require") && strstr(why.text, "web is not on its tailnet in time") &&
	       strstr(why.text, "the control server is silent");
}

static bool required_and_unidentified(void)
{
	begin("c", 1, true);
	return pass() == -1 && errno == ETIMEDOUT && strstr(why.text, endpoint.key) &&
	       strstr(why.text, "no reason is known");
}

static bool late_terms(void)
{
	begin("d", WAIT_MAX, false);
	return pass_while(wants_no_wait) == 0 && took < LONG && !expired();
}

static bool removed(void)
{
	begin("e", WAIT_MAX, false);
	return pass_while(is_removed) == -1 && took < LONG && strstr(why.text, "was removed meanwhile") && pass() == -1;
}

static const struct {
	const char *name;
	bool (*is_right)(void);
} cases[] = {
	{"a node that is up is not waited for", up_already},
	{"one that comes up opens the gate", comes_up_meanwhile},
	{"after whatever it had to wait for", comes_up_in_steps},
	{"one that fails for good opens it, and leaves no marker", fails_meanwhile},
	{"so does one that is stopped", is_stopped_meanwhile},
	{"a wait of 0 opens it at once", no_wait},
	{"and a netns that does not exist yet; without a SandboxKey there is no gate", no_netns},
	{"a wait that runs out opens it, and leaves a marker, by which the next opens at once", runs_out},
	{"with the marker only the container's terms are waited for, while nothing holds them up", idle_before_terms},
	{"but a node that is required gets its chance", idle_but_required},
	{"one that is required, as is known late, and fails refuses with the reason", required_and_failed},
	{"one that is required and late refuses with the reason", required_and_late},
	{"also where nothing is known of it", required_and_unidentified},
	{"a container that wants no wait, as is known late, opens it", late_terms},
	{"an endpoint that is removed meanwhile is an error", removed},
};
#define CASES (sizeof cases / sizeof *cases)

static bool booting_required(void)
{
	begin("0", 1, true);
	return terms("1", "1") == 0 && pass() == 0 && took >= 1000 && took < LONG;
}

static bool booting_failed(void)
{
	begin("1", WAIT_MAX, true);
	return pass_while(requires) == 0 && !expired();
}

static bool booting_long(void)
{
	begin("2", WAIT_MAX, false);
	return pass() == 0 && took >= 5000 && took < LONG;
}

static const struct {
	const char *name;
	bool (*is_right)(void);
} boot_cases[] = {
	{"while Docker boots a node that is required and late refuses nothing", booting_required},
	{"nor one that fails", booting_failed},
	{"and a wait is 5 s at most", booting_long},
};
#define BOOT_CASES (sizeof boot_cases / sizeof *boot_cases)

static int play(void *arg)
{
	bool (*is_right)(void) = *(bool (*const *)(void))arg;
	bool good = is_right();
	if (!good)
		printf("# %lld ms, %s\n", (long long)took, why.text);
	fflush(stdout);
	return !good;
}

int main(void)
{
	pid_t pid[CASES], boot_pid[BOOT_CASES];
	treelab_lay("10.200.0.0/16\n");
	treelab_open(&tree);
	unlink(treelab_at("run/docker/serving"));
	for (size_t i = 0; i < BOOT_CASES; i++)
		boot_pid[i] = aside(play, (void *)&boot_cases[i].is_right);
	for (size_t i = 0; i < BOOT_CASES; i++)
		ok(aside_end(boot_pid[i]) == 0, "%s", boot_cases[i].name);
	/* these have the same digits */
	if (tree_remove(tree.dir, "endpoint") < 0 || tree_remove(tree.dir, "gate") < 0)
		treelab_bail("endpoint");
	treelab_dir("run/endpoint");
	treelab_dir("run/gate");
	treelab_put("run/docker/serving", "");
	for (size_t i = 0; i < CASES; i++)
		pid[i] = aside(play, (void *)&cases[i].is_right);
	for (size_t i = 0; i < CASES; i++)
		ok(aside_end(pid[i]) == 0, "%s", cases[i].name);
	treelab_remove();
	return tap_done();
}
