/* SPDX-License-Identifier: ISC */
#include "gate.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/base/wait.h"
#include "lib/net/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define BOOT_WAIT 5 /* seconds, while Docker boots */

struct gate {
	const struct endpoint *endpoint;
	int wait;     /* seconds; what the container says is known only after tslink-identify */
	bool require;
	bool booting;
	bool known; /* has tslink-identify said what the container wants? */
	bool idle;  /* only that is waited for: an earlier wait on this network was in vain */
};

enum { OPEN = 1, SHUT, TERMS };

/* What network and container want, as tslink-identify published it: before data/hostname. */
static bool read_terms(struct gate *gate)
{
	char text[FACT_MAX];
	long n;

	if (note_get(gate->endpoint->dir, "hostname", text) < 0 || fact_get(gate->endpoint->dir, "WAIT", text) < 0 ||
	    text_number(text, 0, WAIT_MAX, &n) < 0)
		return false;
	gate->wait = (int)n;
	gate->require = fact_get(gate->endpoint->dir, "REQUIRE", text) == 0 && text[0] == '1';
	return true;
}

static int look(void *arg)
{
	struct gate *gate = arg;

	enum state state = state_get(gate->endpoint->dir);

	switch (state) {
	case STATE_RUNNING:
		return OPEN;
	case STATE_FAILED:
	case STATE_STOPPED:
		gate->known = gate->known || read_terms(gate);
		return SHUT;
	default:
		if (gate->known)
			return 0;
		gate->known = read_terms(gate);
		/* Before that, tslink-identify alone waits for something. */
		return gate->known ? TERMS : gate->idle && state == STATE_WAITING ? OPEN : 0;
	}
}

static int limit(const struct gate *gate)
{
	return gate->booting && gate->wait > BOOT_WAIT ? BOOT_WAIT : gate->wait;
}

static int refuse(const struct gate *gate, const char *what, struct why *why)
{
	char reason[FACT_MAX], name[FACT_MAX];

	if (note_get(gate->endpoint->dir, "hostname", name) < 0)
		text_format(name, sizeof name, "endpoint %s", gate->endpoint->key);
	if (note_get(gate->endpoint->dir, "error", reason) < 0)
		text_format(reason, sizeof reason, "no reason is known yet");
	errno = ETIMEDOUT;
	return why_set(why, "tslink.require is set, and %s %s: %s", name, what, reason);
}

int gate_wait(const struct tree *tree, const struct network *network, const struct endpoint *endpoint, struct why *why)
{
	struct gate gate = { .endpoint = endpoint, .wait = network->options.wait, .require = network->options.require,
			     .booting = !tree_docker_serves(tree) };
	char path[PATH_MAX], netns_path[FACT_MAX];
	int64_t begin = now_ms();
	int r;

	if (fact_get(endpoint->dir, "NETNS", netns_path) < 0 || text_format(path, sizeof path, "%s/%s/data", tree->path, endpoint->path) < 0)
		return why_sys(why, "endpoint %s", endpoint->key);
	autofd int netns = netns_open(netns_path);
	if (netns < 0)
		return 0;
	do {
		/* An expired wait of another node says that waiting is idle; but who requires its node, as a label may, gives it its chance. */
		gate.idle = !gate.require && network_gate_expired(tree, network->id);
		if (!gate.require && (limit(&gate) == 0 || (gate.idle && gate.known)))
			return 0;
		r = wait_for_change(path, look, &gate, begin + (int64_t)limit(&gate) * 1000);
	} while (r == TERMS);
	if (r == OPEN)
		return 0;
	if (r < 0 && errno != ETIMEDOUT)
		return errno == ENOENT ? why_set(why, "endpoint %s was removed meanwhile", endpoint->key)
				       : why_sys(why, "cannot wait for %s", path);
	if (gate.require && !gate.booting)
		return refuse(&gate, r == SHUT ? "cannot come up" : "is not on its tailnet in time", why);
	if (r < 0) {
		info("endpoint %s: not on its tailnet after %d s, its container starts without", endpoint->key, limit(&gate));
		if (network_gate_expire(tree, network->id) < 0)
			warning_sys("cannot write %s/gate/%s", tree->path, network->id);
	}
	return 0;
}
