/* SPDX-License-Identifier: ISC */
#include "lookup.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/spawn.h"
#include "lib/base/text.h"

#include <errno.h>
#include <string.h>

#define ANSWER_MAX ((size_t)1024 * 1024)

/* What tslink-lookup prints: an answer of the Engine API as it came. For free(3). */
static char *ask(const char *rundir, const char *what, const char *first, const char *second, size_t *len, struct why *why)
{
	const char *argv[] = { "tslink-lookup", "-r", rundir, what, first, second, NULL };
	char *answer = malloc(ANSWER_MAX);

	if (!answer) {
		why_sys(why, "tslink-lookup");
		return NULL;
	}
	int code = spawn_wait(argv, answer, ANSWER_MAX, deadline_in(LOOKUP_MS));
	*len = strlen(answer);
	if (code == 0 && *len < ANSWER_MAX - 1)
		return answer;
	free(answer);
	if (code < 0)
		why_sys(why, "the Engine API was not asked for %s %.12s", what, first);
	else
		why_set(why, "the Engine API tells nothing of %s %.12s", what, first);
	if (code >= 0)
		errno = EIO;
	return NULL;
}

int lookup_container(const char *rundir, const char *network, const char *endpoint, struct docker_container *container, struct why *why)
{
	struct docker_containers all = { 0 };
	size_t len;
	autofree char *answer = ask(rundir, "container", network, endpoint, &len, why);

	if (!answer || docker_containers_parse(&all, answer, len, why) < 0)
		return -1;
	if (all.count != 1) {
		docker_containers_free(&all);
		errno = ENOENT;
		return why_set(why, "the Engine API knows no container of endpoint %.12s", endpoint);
	}
	*container = all.list[0];
	free(all.list);
	return 0;
}

int lookup_image_labels(const char *rundir, const char *image_id, struct pairs *labels, struct why *why)
{
	size_t len;
	autofree char *answer = ask(rundir, "image", image_id, NULL, &len, why);

	return answer ? docker_image_parse(labels, answer, len, why) : -1;
}

int lookup_network_name(const char *rundir, const char *network, char name[NETWORK_NAME_MAX + 1], struct why *why)
{
	struct docker_network found;
	size_t len;
	autofree char *answer = ask(rundir, "network", network, NULL, &len, why);

	if (!answer || docker_network_parse(&found, answer, len, why) < 0)
		return -1;
	int r = text_format(name, NETWORK_NAME_MAX + 1, "%s", found.name);
	docker_network_free(&found);
	return r;
}
