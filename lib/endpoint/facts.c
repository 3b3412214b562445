/* SPDX-License-Identifier: ISC */
#include "facts.h"

#include "lib/base/file.h"
#include "lib/base/text.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int get(int service, const char *dir, const char *name, char buf[FACT_MAX])
{
	char path[64];

	buf[0] = 0;
	if (text_format(path, sizeof path, "%s/%s", dir, name) < 0)
		return -1;
	if (file_read(service, path, buf, FACT_MAX) < 0) {
		buf[0] = 0;
		return -1;
	}
	return 0;
}

static int set(int service, const char *dir, const char *name, const char *value, mode_t mode)
{
	char path[64];

	if (text_format(path, sizeof path, "%s/%s", dir, name) < 0)
		return -1;
	if (value && strlen(value) > FACT_MAX - 2) {
		errno = EFBIG; /* nobody could read it */
		return -1;
	}
	if (value && *value)
		return file_publish_line(service, path, value, mode, VOLATILE);
	if (unlinkat(service, path, 0) < 0 && errno != ENOENT)
		return -1;
	return 0;
}

int fact_get(int service, const char *name, char buf[FACT_MAX])
{
	return get(service, "env", name, buf);
}

void fact_need(int service, const char *name, char buf[FACT_MAX])
{
	if (fact_get(service, name, buf) < 0)
		die_sys(EXIT_TEMPORARY, "cannot read env/%s of this endpoint", name);
}

int fact_set(int service, const char *name, const char *value)
{
	return set(service, "env", name, value, 0600);
}

int note_get(int service, const char *name, char buf[FACT_MAX])
{
	return get(service, "data", name, buf);
}

int note_set(int service, const char *name, const char *value)
{
	return set(service, "data", name, value, 0644);
}

static const char *const words[] = {
	[STATE_UNKNOWN] = "unknown", [STATE_STARTING] = "starting", [STATE_WAITING] = "waiting",
	[STATE_RUNNING] = "running", [STATE_FAILED] = "failed",	    [STATE_STOPPED] = "stopped",
};
#define WORDS (sizeof words / sizeof words[0])

const char *state_word(enum state state)
{
	return (size_t)state < WORDS ? words[state] : words[STATE_UNKNOWN];
}

enum state state_get(int service)
{
	char word[FACT_MAX];

	if (note_get(service, "state", word) < 0)
		return STATE_UNKNOWN;
	for (size_t i = 0; i < WORDS; i++)
		if (!strcmp(word, words[i]))
			return (enum state)i;
	return STATE_UNKNOWN;
}

int state_set(int service, enum state state, const char *reason)
{
	char since[32];
	struct tm tm;
	time_t now = time(NULL);

	/* The reason first: who sees the state changed finds the reason that goes with it. */
	if (note_set(service, "error", reason) < 0)
		return -1;
	if (state_get(service) == state)
		return 0;
	gmtime_r(&now, &tm);
	strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (note_set(service, "since", since) < 0)
		return -1;
	return note_set(service, "state", state_word(state));
}
