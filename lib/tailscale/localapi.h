/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_TAILSCALE_LOCALAPI_H
#define TSLINK_TAILSCALE_LOCALAPI_H

/*
 * LocalAPI, by which tailscaled is told what to do: HTTP/1.1 over its unix socket (tailscale: ipn/localapi, client/local). Root may do everything
 * there. It is called unstable by its makers; what is used here is the same from 1.60 to 1.102.
 *
 * Every function takes the path of the socket, of any length, and a deadline (milliseconds of the monotonic clock, or NEVER). The
 * last part of the path may be a symbolic link of ours to the place where tailscaled makes its socket; a link, or anything
 * but a socket, in that place is refused, since tailscaled could lead us to another daemon by it. All return 0, or -1 with the
 * reason and errno:
 *
 *   ENOENT, ECONNREFUSED   no tailscaled is there
 *   ENOTSOCK, ELOOP        what is there is no socket, or more than one link
 *   ETIMEDOUT              no answer in time
 *   ECONNRESET             it went away in the middle
 *   EREMOTEIO              it answered with an error; the reason has its text
 *   EBADMSG, EMSGSIZE      its answer is not what was due, or larger than LOCALAPI_ANSWER_MAX
 *
 * The program calls curl_global_init(CURL_GLOBAL_NOTHING) first: no TLS is needed here, and its setup takes milliseconds.
 */

#include "prefs.h"
#include "status.h"

#include <stdint.h>

#define LOCALAPI_ANSWER_MAX (8u << 20)

/*
 * Waits until a tailscaled accepts connections on the socket, by an event of the file system (it makes the socket, listens, and
 * then changes its mode). The directories must exist.
 */
int localapi_wait(const char *socket, int64_t deadline, struct why *why);

/* One request. body is NULL or JSON of len bytes; answer is NULL or takes a terminated buffer for free(3). path is that behind /localapi/v0/. */
int localapi_call(const char *socket, const char *method, const char *path, const char *body, size_t len, char **answer,
                  size_t *answer_len, int64_t deadline, struct why *why);

/* The node's status, without its peers. */
int localapi_status(const char *socket, struct status *status, int64_t deadline, struct why *why);

/* Edits the preferences of a node that is logged in. Takes no time where nothing changes. */
int localapi_edit_prefs(const char *socket, const struct prefs *prefs, int64_t deadline, struct why *why);

/*
 * Sets all preferences and starts the node anew, with an auth key for its next login, or NULL. A node that has a valid node key
 * does not use the auth key. The key stands in no reason, and the copies made of it here are wiped.
 */
int localapi_start(const char *socket, const struct prefs *prefs, const char *authkey, int64_t deadline,
                   struct why *why);

/* Logs in: with the auth key of the last localapi_start, else by a URL that the status shows. Does not wait for the outcome. */
int localapi_login(const char *socket, int64_t deadline, struct why *why);

/*
 * Logs the node out: its node key is void, and an ephemeral node is gone from the tailnet when this returns (10 ms to 0.4 s). A second
 * one does nothing. On a node that the control server has deleted it takes seconds.
 */
int localapi_logout(const char *socket, int64_t deadline, struct why *why);

/* The bus: an endless answer with a message for each change of the node. */
struct localapi_bus;

/*
 * Opens it. What follows is the present state in a first message or some, then every change; nothing that happens after the return is missed.
 * NULL with errno and the reason. (The mask is InitialState, InitialPrefs and InitialHealthState; EngineUpdates
 * must never be asked for, since the daemon then wakes up every two seconds.)
 */
struct localapi_bus *localapi_bus_open(const char *socket, int64_t deadline, struct why *why);

/*
 * The next message. A deadline of 0 asks for what has come already. -1 with ETIMEDOUT where there is none, and then
 * the bus may be asked again; any other error is its end (ECONNRESET: the daemon has closed it).
 */
int localapi_bus_next(struct localapi_bus *bus, struct notify *notify, int64_t deadline, struct why *why);

/*
 * Its descriptor, for poll(2) with POLLIN. When it is readable, call localapi_bus_next with deadline 0 until it fails. It belongs to the bus.
 */
int localapi_bus_fd(const struct localapi_bus *bus);

/* NULL is fine. */
void localapi_bus_close(struct localapi_bus *bus);

static inline void cleanup_localapi_bus(struct localapi_bus **bus)
{
	localapi_bus_close(*bus);
}

#define autobus __attribute__((cleanup(cleanup_localapi_bus)))

#endif
