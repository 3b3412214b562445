/* SPDX-License-Identifier: ISC */
#include "crowd.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/wait.h"
#include "lib/endpoint/facts.h"
#include "tap.h"
#include "treelab.h"

#include <time.h>

static int service;
static char text[FACT_MAX];

static mode_t mode_of(const char *path)
{
	struct stat st;
	return lstat(treelab_at("%s", path), &st) == 0 ? st.st_mode & 07777 : 0;
}

static int need(void *name)
{
	if (chdir(treelab) < 0)
		return 1;
	close(2); /* its complaint is t_error.c's matter */
	fact_need(AT_FDCWD, name, text);
	return strcmp(text, "10.0.0.1/30") != 0;
}

static void facts(void)
{
	char longest[FACT_MAX + 1], name[80];
	ok(fact_get(service, "ADDRESS", text) < 0 && errno == ENOENT && !*text,
	   "a fact that is not known: ENOENT and \"\"");
	ok(fact_set(service, "ADDRESS", "10.0.0.1/30") == 0 && fact_get(service, "ADDRESS", text) == 0,
	   "a fact is told and known");
	is(text, "10.0.0.1/30", "as it was told");
	is(treelab_get("env/ADDRESS"), "10.0.0.1/30", "it is the file env/ADDRESS");
	ok(mode_of("env/ADDRESS") == 0600, "for root alone");
	ok(note_get(service, "ADDRESS", text) < 0 && errno == ENOENT, "a note of that name is another matter");
	is_number(aside_end(aside(need, (void *)(size_t) "ADDRESS")), 0, "who needs it has it");
	is_number(aside_end(aside(need, (void *)(size_t) "NETNS")), 111, "who needs one that is not there ends: 111");
	ok(fact_set(service, "ADDRESS", "") == 0 && !treelab_has("env/ADDRESS"), "an empty value removes it");
	ok(fact_set(service, "ADDRESS", "x") == 0 && fact_set(service, "ADDRESS", NULL) == 0 &&
	           !treelab_has("env/ADDRESS"),
	   "and NULL");
	ok(fact_set(service, "ADDRESS", NULL) == 0, "what is not there is removed already");

	ok(note_set(service, "ip", "100.64.0.1") == 0 && note_get(service, "ip", text) == 0 &&
	           !strcmp(text, "100.64.0.1"),
	   "a note is told and known");
	is(treelab_get("data/ip"), "100.64.0.1", "it is the file data/ip");
	ok(mode_of("data/ip") == 0644, "for all to read");

	memset(longest, 'x', sizeof longest);
	longest[FACT_MAX - 2] = '\0';
	ok(fact_set(service, "LONG", longest) == 0 && fact_get(service, "LONG", text) == 0 && !strcmp(text, longest),
	   "the longest fact");
	longest[FACT_MAX - 2] = 'x';
	longest[FACT_MAX - 1] = '\0';
	ok(fact_set(service, "LONG", longest) < 0 && errno == EFBIG && fact_get(service, "LONG", text) == 0,
	   "a longer one is refused: EFBIG");
	treelab_put("env/LONGER", longest);
	longest[FACT_MAX - 1] = 'x';
	longest[FACT_MAX] = '\0';
	ok(fact_get(service, "LONGER", text) == 0, "one that somebody wrote without a newline");
	treelab_put("env/LONGER", longest);
	ok(fact_get(service, "LONGER", text) < 0 && errno == EFBIG && !*text,
	   "and one that is too long: EFBIG and \"\"");
	treelab_write("env/ZERO", "a\0b", 3, 0600);
	ok(fact_get(service, "ZERO", text) < 0 && errno == EINVAL && !*text, "one with a zero byte: EINVAL and \"\"");
	if (symlinkat("LONG", service, "env/LINK") < 0)
		ok(0, "a link");
	ok(fact_get(service, "LINK", text) < 0 && errno == ELOOP, "a link is not followed");
	memset(name, 'N', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	ok(fact_get(service, name, text) < 0 && errno == ENAMETOOLONG && fact_set(service, name, "x") < 0 &&
	           errno == ENAMETOOLONG,
	   "a name of 79 letters is none");
	if (chdir(treelab) < 0)
		ok(0, "there");
	ok(fact_set(AT_FDCWD, "HERE", "x") == 0 && fact_get(service, "HERE", text) == 0,
	   "in the current directory, as in `run`");
}

static bool is_now(const char *since)
{
	struct tm tm = {0};
	const char *end = strptime(since, "%Y-%m-%dT%H:%M:%SZ", &tm);
	time_t at = end && !*end && strlen(since) == 20 ? timegm(&tm) : 0;
	return llabs((long long)time(NULL) - at) < 20;
}

static void states(void)
{
	static const enum state all[] = {STATE_STARTING, STATE_WAITING, STATE_RUNNING, STATE_FAILED, STATE_STOPPED};
	static const char *const words[] = {"starting", "waiting", "running", "failed", "stopped"};
	ok(state_get(service) == STATE_UNKNOWN, "no state is told yet");
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		ok(state_set(service, all[i], NULL) == 0 && state_get(service) == all[i], "%s", words[i]);
		is(treelab_get("data/state"), words[i], "is the word that people read");
		is(state_word(all[i]), words[i], "and the one for them");
	}
	is(state_word((enum state)99), "unknown", "a number that is no state");
	is(state_word((enum state) - 1), "unknown", "nor this one");
	treelab_put("data/state", "rejoicing\n");
	ok(state_get(service) == STATE_UNKNOWN, "a word that is not ours is unknown");
	treelab_put("data/state", "");
	ok(state_get(service) == STATE_UNKNOWN, "so is none");

	ok(state_set(service, STATE_WAITING, "no /dev/net/tun") == 0, "it waits, for a reason");
	is(treelab_get("data/error"), "no /dev/net/tun", "which is the error");
	ok(is_now(treelab_get("data/since")), "since now, in UTC");
	treelab_put("data/since", "2001-01-01T00:00:00Z\n");
	ok(state_set(service, STATE_WAITING, "no release") == 0, "it waits for another");
	is(treelab_get("data/error"), "no release", "which is the new error");
	is(treelab_get("data/since"), "2001-01-01T00:00:00Z", "since it began to wait");
	ok(state_set(service, STATE_RUNNING, NULL) == 0 && !treelab_has("data/error"), "it runs: there is no error");
	ok(is_now(treelab_get("data/since")), "since now");
	if (unlinkat(service, "data/state", 0) < 0 || dir_make(service, "data/state", 0700) < 0)
		ok(0, "a directory in the way");
	ok(state_set(service, STATE_FAILED, "x") < 0, "a state that cannot be told is a failure");
	unlinkat(service, "data/state", AT_REMOVEDIR);
}

/* Who sees `failed` finds the reason that goes with it. */
static int seen_without_reason;

static int failed_yet(void *arg)
{
	char reason[FACT_MAX];
	(void)arg;
	if (state_get(service) != STATE_FAILED)
		return 0;
	seen_without_reason += note_get(service, "error", reason) < 0 || strcmp(reason, "the key is refused") != 0;
	return 1;
}

static int fail_now(void *arg)
{
	(void)arg;
	return state_set(service, STATE_FAILED, "the key is refused") != 0;
}

static void order(void)
{
	int seen = 0;
	for (int i = 0; i < 30; i++) {
		state_set(service, STATE_STARTING, NULL);
		pid_t pid = aside(fail_now, NULL);
		seen += wait_for_change(treelab_at("data"), failed_yet, NULL, deadline_in(10000)) == 1;
		aside_end(pid);
	}
	ok(seen == 30 && !seen_without_reason, "the reason is there before the state");
}

int main(void)
{
	treelab_begin();
	treelab_dir("env");
	treelab_dir("data");
	service = open(treelab, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	facts();
	states();
	order();
	treelab_remove();
	return tap_done();
}
