/* SPDX-License-Identifier: ISC */
#include "prefs.h"

#include "lib/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/*
 * preftype.NetfilterMode. Off: tailscaled's own chains in the container would cost a start 40 ms and a stop 180, since it takes them down in
 * fifteen transactions. What they are for, tslink does on the host: nothing with a source address of the tailnet's reaches a container
 * but through its tunnel (lib/net/ruleset.c). A subnet router would need them.
 */
#define NETFILTER_OFF 0

int prefs_init(struct prefs *prefs, const char *control_url, const char *hostname, struct why *why)
{
	memset(prefs, 0, sizeof *prefs);
	prefs->accept_dns = true;
	errno = EINVAL;
	if (!*control_url || text_format(prefs->control_url, sizeof prefs->control_url, "%s", control_url) < 0) {
		errno = EINVAL;
		return why_set(why, "the control server's URL is empty or longer than %d characters", PREFS_URL_MAX);
	}
	if (!*hostname || text_format(prefs->hostname, sizeof prefs->hostname, "%s", hostname) < 0) {
		errno = EINVAL;
		return why_set(why, "the hostname is empty or longer than %d characters", PREFS_HOSTNAME_MAX);
	}
	return 0;
}

/* tailcfg.CheckTag */
static bool is_tag(const char *s, size_t len)
{
	if (len < 5 || len > PREFS_TAG_MAX || memcmp(s, "tag:", 4) || !isalpha((unsigned char)s[4]))
		return false;
	for (size_t i = 5; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-')
			return false;
	return true;
}

static int add_tag(struct prefs *prefs, const char *s, size_t len, struct why *why)
{
	if (!is_tag(s, len)) {
		errno = EINVAL;
		return why_set(
			why,
			"\"%.*s\" is no tag: it takes \"tag:\", a letter, then letters, digits and hyphens, %d in all",
			(int)(len > 80 ? 80 : len), s, PREFS_TAG_MAX);
	}
	for (size_t i = 0; i < prefs->tag_count; i++)
		if (strlen(prefs->tag[i]) == len && !memcmp(prefs->tag[i], s, len))
			return 0;
	if (prefs->tag_count == PREFS_TAGS) {
		errno = E2BIG;
		return why_set(why, "more than %d tags", PREFS_TAGS);
	}
	memcpy(prefs->tag[prefs->tag_count++], s, len);
	return 0;
}

int prefs_add_tags(struct prefs *prefs, const char *list, struct why *why)
{
	for (const char *s = list; *s;) {
		s += strspn(s, " ,");
		size_t part = strcspn(s, ",");
		size_t len = part;
		while (len > 0 && s[len - 1] == ' ')
			len--;
		if (len > 0 && add_tag(prefs, s, len, why) < 0)
			return -1;
		s += part;
	}
	return 0;
}

/* An object that is being built: json-c tells of every failure, and the first one counts. */
struct build {
	struct json_object *object;
	bool edit; /* with <Field>Set */
	bool failed;
};

static void put(struct build *b, const char *name, struct json_object *value, bool null)
{
	char set[64];
	if ((!value && !null) || json_object_object_add(b->object, name, value) < 0) {
		json_object_put(value);
		b->failed = true;
		return;
	}
	if (!b->edit)
		return;
	struct json_object *yes = json_object_new_boolean(1);
	if (text_format(set, sizeof set, "%sSet", name) < 0 || !yes ||
	    json_object_object_add(b->object, set, yes) < 0) {
		json_object_put(yes);
		b->failed = true;
	}
}

static void put_text(struct build *b, const char *name, const char *value)
{
	put(b, name, json_object_new_string(value), false);
}

static void put_bool(struct build *b, const char *name, bool value)
{
	put(b, name, json_object_new_boolean(value), false);
}

static void put_tags(struct build *b, const struct prefs *prefs)
{
	struct json_object *tags = prefs->tag_count ? json_object_new_array() : NULL;
	for (size_t i = 0; tags && i < prefs->tag_count; i++) {
		struct json_object *tag = json_object_new_string(prefs->tag[i]);
		if (!tag || json_object_array_add(tags, tag) < 0) {
			json_object_put(tag);
			b->failed = true;
		}
	}
	put(b, "AdvertiseTags", tags, prefs->tag_count == 0);
}

/* The release is tslink's to choose, so the node neither asks for new ones nor installs them. The mask of this one is an object, too. */
static void put_auto_update(struct build *b)
{
	static const char *const names[] = {"Check", "Apply", "CheckSet", "ApplySet"};
	struct json_object *both[2] = {json_object_new_object(), json_object_new_object()};
	for (size_t i = 0; i < 4; i++) {
		struct json_object *value = json_object_new_boolean(i >= 2);
		if (!value || !both[i / 2] || json_object_object_add(both[i / 2], names[i], value) < 0) {
			json_object_put(value);
			b->failed = true;
		}
	}
	for (size_t i = 0; i < 2; i++)
		if ((i == 1 && !b->edit) || !both[i] ||
		    json_object_object_add(b->object, i ? "AutoUpdateSet" : "AutoUpdate", both[i]) < 0) {
			json_object_put(both[i]);
			b->failed |= i == 0 || b->edit;
		}
}

static struct json_object *build(const struct prefs *prefs, bool edit)
{
	struct build b = {.object = json_object_new_object(), .edit = edit};
	if (!b.object) {
		errno = ENOMEM;
		return NULL;
	}
	put_text(&b, "ControlURL", prefs->control_url);
	put_text(&b, "Hostname", prefs->hostname);
	put_tags(&b, prefs);
	put_bool(&b, "RouteAll", prefs->accept_routes);
	put_bool(&b, "CorpDNS", prefs->accept_dns);
	put_bool(&b, "WantRunning", true);
	put(&b, "NetfilterMode", json_object_new_int(NETFILTER_OFF), false);
	/* As `tailscale up` does on Linux: its stateful filter would drop what comes back through a subnet router. */
	put_bool(&b, "NoStatefulFiltering", true);
	put_auto_update(&b);
	/* An edit logs nobody in: a node that is logged out needs `start`. */
	if (!edit)
		put_bool(&b, "LoggedOut", false);
	if (b.failed) {
		json_object_put(b.object);
		errno = ENOMEM;
		return NULL;
	}
	return b.object;
}

struct json_object *prefs_whole(const struct prefs *prefs)
{
	return build(prefs, false);
}

struct json_object *prefs_edit(const struct prefs *prefs)
{
	return build(prefs, true);
}
