/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_DOCKER_ENGINE_H
#define TSLINK_DOCKER_ENGINE_H

/*
 * The client of Docker's Engine API, over libcurl. Paths have no version, so every engine from 20.10 on takes them.
 *
 * Only what never waits for a container is asked. GET /containers/{id}/json is not among it: it blocks while that
 * container starts or stops, and so for ever, where the start waits for us. While Docker boots nothing at all is
 * answered, though connections are taken; so every call has a deadline (milliseconds of the monotonic clock, or
 * NEVER).
 *
 * Every call returns 0, or -1 with the reason in *why (it names the call) and errno:
 *   ENOENT        Docker says that there is no such object; never that Docker itself is missing
 *   ECONNREFUSED  nobody listens there, or there is no socket
 *   EACCES        the socket is not ours to use
 *   ETIMEDOUT     no whole answer until the deadline
 *   ECONNRESET    the connection ended within the answer
 *   EFBIG         an answer above ENGINE_ANSWER_MAX
 *   EBADMSG       the answer is not what the API promises
 *   EPROTO        another error of Docker's (the reason holds its words), or no HTTP
 *   EINVAL        an argument is not what it should be
 *   ENOMEM
 * On failure there is nothing to release.
 */

#include "events.h"
#include "lib/base/error.h"
#include "objects.h"
#include "pairs.h"

#include <stddef.h>
#include <stdint.h>

#define ENGINE_ANSWER_MAX ((size_t)64 * 1024 * 1024) /* bytes of one answer */

struct engine;

/*
 * docker_host is DOCKER_HOST: "unix:///path", "tcp://host:port" (no TLS), or NULL or "" for /var/run/docker.sock (and
 * /run/docker.sock where that is not there). Nothing is connected yet. NULL with EINVAL or ENOMEM. One thread at
 * a time.
 */
struct engine *engine_open(const char *docker_host, struct why *why);
void engine_close(struct engine *e);

/* GET /_ping: does it answer? */
int engine_ping(struct engine *e, int64_t deadline, struct why *why);

/* GET /info */
int engine_info(struct engine *e, struct docker_info *info, int64_t deadline, struct why *why);

/* GET /networks: those of a driver. docker_networks_free them; their endpoints are not told. */
int engine_networks(struct engine *e, const char *driver, struct docker_networks *all, int64_t deadline,
                    struct why *why);

/* GET /networks/{id}: with every endpoint, also of a container that starts just now. docker_network_free it. */
int engine_network(struct engine *e, const char *network, struct docker_network *n, int64_t deadline, struct why *why);

/*
 * GET /containers/json, running or not: those of the given IDs that exist (so none for no IDs; an ID that is not
 * there is no error), or all where ids is NULL. docker_containers_free them.
 */
int engine_containers(struct engine *e, const char *const *ids, size_t count, struct docker_containers *all,
                      int64_t deadline, struct why *why);

/* GET /images/{id}/json: the labels that the image was built with. For pairs_free. */
int engine_image_labels(struct engine *e, const char *image_id, struct pairs *labels, int64_t deadline,
                        struct why *why);

/*
 * The container of an endpoint, in at most two calls, also while its Join waits: /networks/{id}
 * tells its name or ID, /containers/json the rest. ENOENT where the network, the endpoint in it or the container
 * is not there; in CreateEndpoint it is not there yet. docker_container_free it.
 */
int engine_find_container(struct engine *e, const char *network, const char *endpoint, struct docker_container *c,
                          int64_t deadline, struct why *why);

/*
 * Docker's event stream, for a program that waits for other things, too: it polls engine_events_fd for POLLIN, at
 * most until engine_events_due, and then calls engine_events_work, which never waits.
 *
 * The stream is asked for what happened since the moment it was opened: Docker sends the head of its answer just
 * before it subscribes, and so nothing falls between the two. Events are hints, all the same: those from before a
 * Docker that boots answers are lost, and those that its queue had no room for.
 */
struct engine_events;

struct engine_events_calls {
	void (*connected)(void *arg); /* the stream stands: the moment to read the whole state. Or NULL */
	docker_event_fn event;
	void *arg;
};

/*
 * Begins to connect. filters: a JSON object as the API wants it, {"type":["network"],"event":["connect"]}, or
 * NULL for all. *calls is copied. The stream must stand until the deadline: NEVER waits for a Docker that boots,
 * however long. The handle may be used for other calls meanwhile, also within the callbacks, and must live longer
 * than the stream. NULL with EINVAL or ENOMEM.
 */
struct engine_events *engine_events_open(struct engine *e, const char *filters, const struct engine_events_calls *calls,
                                         int64_t deadline, struct why *why);

/* The descriptor to poll for POLLIN: the same one for all of the stream's life. */
int engine_events_fd(const struct engine_events *s);

/* When to call engine_events_work even if nothing comes: milliseconds of the monotonic clock, or NEVER. */
int64_t engine_events_due(const struct engine_events *s);

/*
 * Does what is to do and makes the callbacks, which must not close or work the stream. Returns 0 while it goes
 * on, or -1 with the reason and errno as above when it has ended, by Docker's end (ECONNRESET) or otherwise:
 * close it, open another one in a while. No event is delivered after that.
 */
int engine_events_work(struct engine_events *s, struct why *why);

void engine_events_close(struct engine_events *s);

#endif
