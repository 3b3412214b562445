/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_TAILSCALE_PREFS_H
#define TSLINK_TAILSCALE_PREFS_H

/*
 * The preferences of a node that tslink knows, as LocalAPI takes them (tailscale: ipn/prefs.go). They are always sent all together, so that
 * what is no longer asked for goes back to its default; those that tslink does not know stay as an operator set them on a node
 * that is logged in.
 */

#include "lib/base/error.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#define PREFS_URL_MAX 255
#define PREFS_HOSTNAME_MAX 63
#define PREFS_TAG_MAX 63 /* with its "tag:" */
#define PREFS_TAGS 16

struct prefs {
	char control_url[PREFS_URL_MAX + 1];
	char hostname[PREFS_HOSTNAME_MAX + 1];
	char tag[PREFS_TAGS][PREFS_TAG_MAX + 1]; /* "tag:web" */
	size_t tag_count;
	bool accept_dns;    /* default true: MagicDNS, in the node's own resolv.conf */
	bool accept_routes; /* default false: peers' subnet routes */
};

/* The defaults. 0, or -1 with EINVAL where the URL or the hostname is empty or too long. */
int prefs_init(struct prefs *prefs, const char *control_url, const char *hostname, struct why *why);

/*
 * Adds tags: "tag:a,tag:b", where spaces around the commas and the absence of the list do not matter. One that is named twice counts once.
 * 0, or -1 with EINVAL (no tag as Tailscale has them: "tag:", a letter, then letters, digits and hyphens) or E2BIG.
 */
int prefs_add_tags(struct prefs *prefs, const char *list, struct why *why);

/*
 * All of a node's preferences, the UpdatePrefs of `start`: what is not in it becomes zero (ipn.Options). NULL with ENOMEM.
 * For json_object_put.
 */
struct json_object *prefs_whole(const struct prefs *prefs);

/* The same as an edit of the preferences there are (ipn.MaskedPrefs: every field with its <Field>Set). NULL with ENOMEM. */
struct json_object *prefs_edit(const struct prefs *prefs);

#endif
