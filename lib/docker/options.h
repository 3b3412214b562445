/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_DOCKER_OPTIONS_H
#define TSLINK_DOCKER_OPTIONS_H

/*
 * What a user may say: options of a network (`docker network create --opt name=value`), and of a container (labels, and
 * endpoint driver-opts, which are the same words). One table each in options.c says which there are.
 * No error text holds an auth key.
 */

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "pairs.h"

#include <limits.h>
#include <stdbool.h>

#define WAIT_DEFAULT 10 /* seconds that Join waits for the node */
#define WAIT_MAX 25     /* Docker gives a managed plugin 30 for the whole call */
#define AUTHKEY_MAX 512
#define LOGIN_SERVER_MAX 255
#define MTU_MIN 68
#define MTU_MAX 65535

struct network_options {
	char authkey[AUTHKEY_MAX + 1];           /* tslink.authkey: a secret; "" where not given */
	char authkey_file[NAME_MAX + 1];         /* tslink.authkey-file: one name, no path; "" where not given */
	char login_server[LOGIN_SERVER_MAX + 1]; /* tslink.login-server: as login_server_parse makes it */
	int wait;                                /* tslink.wait: seconds, WAIT_DEFAULT where not given */
	bool wait_given;
	bool require; /* tslink.require: false where not given */
	bool require_given;
	int mtu; /* com.docker.network.driver.mtu: 0 where not given */
};

/* Nothing given. */
void network_options_init(struct network_options *o);

/*
 * One option. Returns 0, also for one that is not ours (no "tslink." before it); or -1 with the reason and errno EINVAL
 * (a bad value) or ENOENT (a tslink option that nobody knows; the reason names the nearest known one).
 */
int network_option_set(struct network_options *o, const char *name, const char *value, struct why *why);

/* init, set for all, and the check that they agree with each other (EINVAL: authkey together with authkey-file, require without a wait). */
int network_options_parse(struct network_options *o, const struct pairs *given, struct why *why);

/*
 * Is this an auth key: 1 to AUTHKEY_MAX printable ASCII characters, no space? For a key from a file. Returns 0, or -1
 * with EINVAL; `what` names the key's place in the reason, which never holds the key.
 */
int authkey_check(const char *what, const char *key, struct why *why);

/*
 * The canonical form of an http(s) URL without user, query and fragment: scheme and host in lower case, no slash at the
 * end (tailscaled drops it, too). For a login server from anywhere; `what` names its place in the reason. Returns 0, or
 * -1 with EINVAL.
 */
int login_server_parse(const char *what, const char *url, char out[LOGIN_SERVER_MAX + 1], struct why *why);

struct label_options {
	char hostname[DNS_LABEL_MAX + 1]; /* tslink.hostname, made a DNS label; "" where not said */
	int wait;                         /* tslink.wait: seconds; -1 where not said */
	int require;                      /* tslink.require: 0 or 1; -1 where not said */
};

/* Nothing said. */
void label_options_init(struct label_options *o);

/*
 * One label, or one endpoint driver-opt (its name in lower case, as create_endpoint_parse gives it). Returns 0, also
 * for one that is not ours; or -1 with the reason, which names it, and errno as in network_option_set: *o is as it was,
 * and the caller reports it and goes on. The reason says "label" or whatever else `kind` is. Which labels count, and
 * that an image's do not, is the caller's matter.
 */
int label_option_set(struct label_options *o, const char *kind, const char *name, const char *value, struct why *why);

/* What over says wins: labels first, then the driver-opts. */
void label_options_merge(struct label_options *into, const struct label_options *over);

#endif
