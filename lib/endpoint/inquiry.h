/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_INQUIRY_H
#define TSLINK_ENDPOINT_INQUIRY_H

/*
 * What Docker has, as far as it answers, of what a roster tells of: the second half of a comparison with the disk.
 *
 * Of the API only /info, /networks and /networks/{id} are asked, the last once for each network that has endpoints here. They never wait for a
 * container, and /networks/{id} tells also of endpoints whose containers start right now. Each question waits at most 2 s, and the first
 * that nobody answers is the last one: while Docker is stuck, a pass costs no more than that.
 */

#include "lib/docker/engine.h"
#include "report.h"
#include "roster.h"

enum word {
	WORD_NONE, /* not asked, not answered, or no engine of ours: it says nothing */
	WORD_GONE, /* there is no such network */
	WORD_HAS,
};

/* About one network. */
struct answer {
	enum word word;
	struct docker_network docker; /* with WORD_HAS; its endpoints, where there are any on disk */
	int64_t again_at;             /* when it was asked for the second time; 0: it was not */
};

struct inquiry {
	/* given */
	const struct tree *tree;
	struct engine *engine;
	const char *driver; /* as Docker knows it */
	struct reports *reports;
	/* remembered as long as the connection stands (inquiry_part) */
	bool met;            /* the engine has said who it is */
	char root[PATH_MAX]; /* its data root */
	/* remembered always */
	char version[64]; /* that was spoken of last */
	/* of one pass */
	const struct roster *roster;
	struct answer *answer;       /* of roster->network[i] */
	struct docker_networks ours; /* those of our driver */
	bool asking;                 /* it answers */
	bool complete;               /* and has answered all */
	bool acquainted;             /* it has a network of ours, so it cannot be a wrong one */
};

/*
 * Begins a pass: asks all there is to ask, where serves says that Docker is past its boot. The roster was read before and must live as
 * long as the pass. 0, or -1 with ENOMEM; inquiry_end in any case.
 */
int inquiry_begin(struct inquiry *q, const struct roster *roster, bool serves, struct why *why);
void inquiry_end(struct inquiry *q);

/* Does Docker have that endpoint of that network? WORD_GONE where the network is gone, too. */
enum word inquiry_endpoint(const struct inquiry *q, const char *network, const char *endpoint);

/*
 * Asks for the network anew, unless that was done within the last second. What is going to be undone rests on two answers, the second one
 * new. WORD_NONE where it was not answered.
 */
enum word inquiry_endpoint_again(struct inquiry *q, const char *network, const char *endpoint);
enum word inquiry_network_again(struct inquiry *q, const char *network);

/* The connection has ended: the next engine may be another one. */
void inquiry_part(struct inquiry *q);

#endif
