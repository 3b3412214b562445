/* SPDX-License-Identifier: ISC */
#include "lib/endpoint/tally.h"
#include "tap.h"
#include "treelab.h"

#include <signal.h>

static struct death tailscaled(int64_t at, int64_t life, int code)
{
	return (struct death){.at = at, .life = life, .code = code};
}

static void keeping(void)
{
	struct tally t = {.count = 5};
	tally_read(&t);
	is_number(t.count, 0, "no file is an empty tally");
	for (int i = 0; i < 15; i++) {
		struct death d = {.at = 1000 + i, .life = i, .setup = i % 2, .code = i};
		if (tally_add(&t, &d) < 0)
			ok(0, "death %d is not added", i);
	}
	is_number(t.count, TALLY_MAX, "of fifteen the last twelve are kept");
	struct tally again;
	tally_read(&again);
	int same = again.count == t.count;
	for (unsigned i = 0; same && i < t.count; i++) {
		const struct death *a = &again.death[i];
		same = a->at == 1003 + i && a->life == 3 + i && a->code == (int)(3 + i) && a->setup == (3 + i) % 2;
	}
	ok(same, "as they were, the oldest first");
	ok(!strncmp(treelab_get("data/tally"), "1003 setup 3 3\n1004 tailscaled 4 4\n", 35), "in lines for people");
	treelab_put("data/tally", "1 tailscaled 2 137\nrubbish\n\n4 setup 5\n7 setup 8 111\n9 tailscaled 10 1");
	tally_read(&again);
	ok(again.count == 3 && again.death[0].code == 137 && again.death[1].setup && again.death[2].life == 10,
	   "what is no death is passed over");
	treelab_put("data/tally", "\x01\x02\xff");
	tally_read(&again);
	is_number(again.count, 0, "what is no tally is an empty one");
	treelab_write("data/tally", "1 tailscaled 2 3\0x", 18, 0644);
	tally_read(&again);
	is_number(again.count, 0, "likewise");
	char many[3000] = "";
	for (int i = 0; i < 100; i++)
		strcat(many, "1 tailscaled 2 3\n");
	treelab_put("data/tally", many);
	tally_read(&again);
	is_number(again.count, TALLY_MAX, "no more than twelve are read");
	int service = open(treelab, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok(tally_clear(service) == 0 && !treelab_has("data/tally"), "it is forgotten");
	ok(tally_clear(service) == 0, "twice");
	close(service);
}

/* Tallies of `count` short lives that ended one second apart, the last one at 100 s. */
static struct tally shorts(unsigned count)
{
	struct tally t = {.count = count};
	for (unsigned i = 0; i < count; i++)
		t.death[i] = tailscaled(100000 - 1000 * (int64_t)(count - 1 - i), 500, 1);
	return t;
}

static void delays(void)
{
	static const int64_t want[TALLY_MAX + 1] = {0,    100,   200,   400,   800,   1600, 3200,
	                                            6400, 12800, 25600, 30000, 30000, 30000};
	const int64_t now = 100000;
	for (unsigned i = 0; i <= TALLY_MAX; i++) {
		struct tally t = shorts(i);
		char name[48];
		snprintf(name, sizeof name, "after %u short lives", i);
		is_number(tally_delay(&t, now), want[i], name);
	}
	struct tally t = shorts(5);
	is_number(tally_delay(&t, now + 600), 1000, "what has passed already counts");
	is_number(tally_delay(&t, now + 1600), 0, "all of it");
	is_number(tally_delay(&t, now + 86400000), 0, "a day");
	is_number(tally_delay(&t, now - 5000), 1600, "a death in the future is waited for no longer than any");
	t.death[4].life = 29999;
	is_number(tally_delay(&t, now), 1600, "a life of 29.999 s is short");
	t.death[4].life = 30000;
	is_number(tally_delay(&t, now), 0, "after one of 30 s there is no delay");
	t = shorts(5);
	t.death[2].life = 3600000;
	is_number(tally_delay(&t, now), 200, "only the short ones after the last long one count");
	t = shorts(3);
	t.death[0].setup = t.death[1].setup = t.death[2].setup = true;
	is_number(tally_delay(&t, now), 400, "ends of the setup count, too");
}

static void verdicts(void)
{
	const int64_t now = 100000;
	struct tally t = {0};
	ok(!tally_hopeless(&t, now), "nothing died");
	t = shorts(4);
	ok(!tally_hopeless(&t, now), "four deaths are not enough");
	t = shorts(5);
	ok(tally_hopeless(&t, now), "five are");
	ok(tally_hopeless(&t, now + 26000), "30 s after the first of them");
	ok(!tally_hopeless(&t, now + 26001), "not later");
	t.death[3].setup = true;
	ok(!tally_hopeless(&t, now), "an end of the setup is none of tailscaled");
	t = shorts(5);
	t.death[0].code = 128 + SIGTERM;
	ok(!tally_hopeless(&t, now), "nor is one of SIGTERM by itself");
	t.death[0].code = 0;
	ok(!tally_hopeless(&t, now), "nor a good end");
	t.death[0].code = 128 + SIGKILL;
	ok(tally_hopeless(&t, now), "SIGKILL, as of the OOM killer, is");
	t = shorts(12);
	for (int i = 0; i < 12; i += 2)
		t.death[i].setup = true;
	ok(tally_hopeless(&t, now), "six among six ends of the setup");
}

static void launching(void)
{
	int service = open(treelab, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_number(launched_since(), -1, "nothing was launched");
	int64_t before = boot_ms();
	ok(launched_now(service) == 0 && launched_since() >= before && launched_since() <= boot_ms(), "now it was");
	treelab_put("data/launched", "soon\n");
	is_number(launched_since(), -1, "what is no number is none");
	treelab_put("data/launched", "-5\n");
	is_number(launched_since(), -1, "nor is this");
	close(service);
}

int main(void)
{
	treelab_begin();
	treelab_dir("data");
	if (chdir(treelab) < 0)
		treelab_bail(treelab);
	keeping();
	delays();
	verdicts();
	launching();
	treelab_remove();
	return tap_done();
}
