/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_DOCKER_OBJECTS_H
#define TSLINK_DOCKER_OBJECTS_H

/*
 * Docker's objects, as far as tslink looks at them, from what the Engine API answers (moby: api/types; the fields
 * are the same from 20.10 to 29). Every text is checked to be UTF-8 without zeros, but names and labels are what
 * other people chose.
 *
 * Every ..._parse takes a whole answer, terminated behind its len bytes, and may change it in place. It returns
 * 0, or -1 with the reason in *why and errno EBADMSG (it is not what the API promises) or ENOMEM; then there is
 * nothing to release. What it fills needs no preparation. Texts are never NULL unless said so: what is absent is "".
 */

#include "lib/base/error.h"
#include "pairs.h"
#include "protocol.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* A container's place on one network. */
struct docker_attachment {
	char network[ID_SIZE];  /* "" while it has never been started */
	char endpoint[ID_SIZE]; /* "" until its start is over (moby writes it just before the event `start`) */
};

struct docker_container {
	char id[ID_SIZE];
	char *name;           /* without the slash; "" while it is being removed */
	char *image_id;       /* "sha256:..." */
	char *image;          /* as the user named it */
	struct pairs labels;  /* the image's own are among them */
	char *network_mode;   /* "tailnet", "host", "container:<id>" ... */
	int auto_remove;      /* `--rm`: 0 or 1; -1 where the API was asked: its list does not tell */
	char *restart_policy; /* "no", "always", "on-failure", "unless-stopped"; NULL where the API was asked */
	char *resolv_conf;    /* the host's path of its /etc/resolv.conf, "" before its first start; NULL likewise */
	char *state;          /* "created", "running", "paused", "exited" ...; NULL where the files were asked */
	struct docker_attachment *networks; /* none where the files were asked */
	size_t network_count;
};

void docker_container_free(struct docker_container *c);

struct docker_containers {
	struct docker_container *list;
	size_t count;
};

/* GET /containers/json: appended to *all, which begins as {0}; on failure it is as it was. */
int docker_containers_parse(struct docker_containers *all, char *text, size_t len, struct why *why);
void docker_containers_free(struct docker_containers *all);

/* An endpoint of a network. */
struct docker_endpoint {
	char container[ID_SIZE]; /* "" while its container starts: Docker calls it "ep-<endpoint ID>" then */
	char endpoint[ID_SIZE];
	char *name; /* of the container */
};

struct docker_network {
	char id[ID_SIZE];
	char *name;
	char *driver; /* of a managed plugin with its tag: "name:latest" */
	bool internal;
	struct pairs options;              /* `--opt`: may hold a secret; pairs_free wipes it */
	struct docker_endpoint *endpoints; /* of /networks/{id} only: the list of networks does not tell */
	size_t endpoint_count;
};

/* GET /networks/{id} */
int docker_network_parse(struct docker_network *n, char *text, size_t len, struct why *why);
void docker_network_free(struct docker_network *n);

struct docker_networks {
	struct docker_network *list;
	size_t count;
};

/* GET /networks */
int docker_networks_parse(struct docker_networks *all, char *text, size_t len, struct why *why);
void docker_networks_free(struct docker_networks *all);

struct docker_info {
	char root_dir[PATH_MAX]; /* DockerRootDir: absolute */
	char version[64];        /* ServerVersion */
	bool live_restore;
};

/* GET /info; nothing to release. */
int docker_info_parse(struct docker_info *info, char *text, size_t len, struct why *why);

/* GET /images/{id}/json: the labels that the image's author set. For pairs_free. */
int docker_image_parse(struct pairs *labels, char *text, size_t len, struct why *why);

/* The message of an answer that is an error, {"message": "..."}; a copy for free(3), or NULL where it is none. */
char *docker_message_parse(char *text, size_t len);

#endif
