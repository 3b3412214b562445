/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_TALLY_H
#define TSLINK_ENDPOINT_TALLY_H

/*
 * What ended lately, in the current service directory: data/tally, one line each, "<ms> <kind> <life> <code>", where <ms> is the clock since boot,
 * <kind> is `tailscaled`, or `setup` where the run ended before tailscaled was executed, <life> its milliseconds and <code> its exit code
 * (128 + signal). s6's own death_tally does not tell the two apart. Deaths that somebody wanted are not in it.
 */

#include <stdbool.h>
#include <stdint.h>

#define TALLY_MAX 12

struct death {
	int64_t at;   /* milliseconds since boot */
	int64_t life; /* milliseconds */
	bool setup;
	int code;
};

struct tally {
	struct death death[TALLY_MAX];
	unsigned count; /* the oldest first */
};

/* Reads it; what is not there or no tally is an empty one. */
void tally_read(struct tally *tally);

/* Adds one, forgetting the oldest, and publishes it. 0 or -1. */
int tally_add(struct tally *tally, const struct death *death);

/* Forgets all. 0 or -1. `service` is the service directory. */
int tally_clear(int service);

/* How long to wait now before the next try, milliseconds: 100 after the first short life, doubled by each further one, at most 30 s. */
int64_t tally_delay(const struct tally *tally, int64_t now);

/* Is it enough: five deaths of tailscaled by itself (not of SIGTERM, nor with exit code 0) in 30 s? */
bool tally_hopeless(const struct tally *tally, int64_t now);

/* Milliseconds since boot. */
int64_t boot_ms(void);

/* data/launched says since when tailscaled runs (in boot_ms): written before it is executed, read by `finish`. -1: it is not there. */
int launched_now(int service);
int64_t launched_since(void);

#endif
