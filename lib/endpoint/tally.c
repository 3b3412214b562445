/* SPDX-License-Identifier: ISC */
#include "tally.h"

#include "facts.h"
#include "lib/base/file.h"
#include "lib/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	DELAY_FIRST = 100,
	DELAY_MAX = 30000,
	LIFE_LONG = 30000, /* who lived that long starts afresh */
	HOPELESS_COUNT = 5,
	HOPELESS_WITHIN = 30000,
};

#define PATH "data/tally"

int64_t boot_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int launched_now(int service)
{
	char text[24];

	text_format(text, sizeof text, "%" PRId64, boot_ms());
	return note_set(service, "launched", text);
}

int64_t launched_since(void)
{
	char text[FACT_MAX];
	long at;

	return note_get(AT_FDCWD, "launched", text) < 0 || text_number(text, 0, INT64_MAX, &at) < 0 ? -1 : at;
}

void tally_read(struct tally *tally)
{
	char text[FACT_MAX], kind[16], *save = NULL;

	tally->count = 0;
	if (file_read(AT_FDCWD, PATH, text, sizeof text) < 0)
		return;
	for (char *line = strtok_r(text, "\n", &save); line && tally->count < TALLY_MAX; line = strtok_r(NULL, "\n", &save)) {
		struct death d;
		if (sscanf(line, "%" SCNd64 " %15s %" SCNd64 " %d", &d.at, kind, &d.life, &d.code) != 4)
			continue;
		d.setup = !strcmp(kind, "setup");
		tally->death[tally->count++] = d;
	}
}

int tally_add(struct tally *tally, const struct death *death)
{
	char text[TALLY_MAX * 80] = "";
	size_t used = 0;

	if (tally->count == TALLY_MAX)
		memmove(tally->death, tally->death + 1, --tally->count * sizeof *tally->death);
	tally->death[tally->count++] = *death;
	for (unsigned i = 0; i < tally->count; i++) {
		const struct death *d = &tally->death[i];
		int n = snprintf(text + used, sizeof text - used, "%" PRId64 " %s %" PRId64 " %d\n", d->at, d->setup ? "setup" : "tailscaled",
				 d->life, d->code);
		used += n > 0 ? (size_t)n : 0;
	}
	return file_publish(AT_FDCWD, PATH, text, strlen(text), 0644, VOLATILE);
}

int tally_clear(int service)
{
	return unlinkat(service, PATH, 0) < 0 && errno != ENOENT ? -1 : 0;
}

int64_t tally_delay(const struct tally *tally, int64_t now)
{
	unsigned count = 0;
	int64_t delay = DELAY_FIRST;

	while (count < tally->count && tally->death[tally->count - 1 - count].life < LIFE_LONG)
		count++;
	if (!count)
		return 0;
	for (unsigned i = 1; i < count && delay < DELAY_MAX; i++)
		delay *= 2;
	if (delay > DELAY_MAX)
		delay = DELAY_MAX;
	int64_t passed = now - tally->death[tally->count - 1].at;
	return passed >= delay ? 0 : delay - (passed > 0 ? passed : 0);
}

bool tally_hopeless(const struct tally *tally, int64_t now)
{
	unsigned count = 0;

	for (unsigned i = 0; i < tally->count; i++) {
		const struct death *d = &tally->death[i];
		count += !d->setup && d->code != 0 && d->code != 128 + SIGTERM && now - d->at <= HOPELESS_WITHIN;
	}
	return count >= HOPELESS_COUNT;
}
