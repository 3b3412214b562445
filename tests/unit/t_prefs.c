/* SPDX-License-Identifier: ISC */
#include "lib/tailscale/prefs.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

static const char *text(struct json_object *o, const char *name)
{
	struct json_object *value;
	return json_object_object_get_ex(o, name, &value)
	               ? json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
	               : "absent";
}

static void tags(void)
{
	struct prefs p;
	struct why why;
	char list[4096] = "";
	prefs_init(&p, "https://c.test", "h", NULL);
	is_number(prefs_add_tags(&p, "", &why), 0, "no tags are fine");
	is_number(prefs_add_tags(&p, "tag:web, tag:db-1 ,,tag:web", &why), 0,
	          "a list with spaces, an empty part and a double");
	is_number((long long)p.tag_count, 2, "two tags are left");
	is(p.tag[1], "tag:db-1", "the second is without its spaces");
	static const char *const bad[] = {"web", "tag:", "tag:1x", "tag:a b", "tag:a\"b", "tag:\xc3\xa4", "TAG:a"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		errno = 0;
		ok(prefs_add_tags(&p, bad[i], &why) < 0 && errno == EINVAL && strstr(why.text, "no tag"),
		   "\"%s\" is refused", bad[i]);
	}
	for (int i = 0; i < PREFS_TAGS + 1; i++)
		sprintf(list + strlen(list), "tag:t%d,", i);
	prefs_init(&p, "https://c.test", "h", NULL);
	ok(prefs_add_tags(&p, list, &why) < 0 && errno == E2BIG, "too many are refused");
	memset(list, 'a', 200);
	memcpy(list, "tag:", 4);
	list[200] = 0;
	prefs_init(&p, "https://c.test", "h", NULL);
	ok(prefs_add_tags(&p, list, &why) < 0 && errno == EINVAL, "a long one is refused");
}

static void whole(void)
{
	struct prefs p;
	prefs_init(&p, "https://c.test", "web-1", NULL);
	struct json_object *o = prefs_whole(&p);
	is(text(o, "ControlURL"), "\"https://c.test\"", "the control server");
	is(text(o, "Hostname"), "\"web-1\"", "the hostname");
	is(text(o, "AdvertiseTags"), "null", "no tags are null");
	is(text(o, "RouteAll"), "false", "no routes of others");
	is(text(o, "CorpDNS"), "true", "MagicDNS");
	is(text(o, "WantRunning"), "true", "it is to run");
	is(text(o, "LoggedOut"), "false", "and be logged in");
	is(text(o, "NetfilterMode"), "0", "without firewall rules of its own");
	is(text(o, "NoStatefulFiltering"), "true", "that are not stateful");
	is(text(o, "AutoUpdate"), "{\"Check\":false,\"Apply\":false}", "and never updates itself");
	is(text(o, "AutoUpdateSet"), "absent", "no masks");
	is(text(o, "HostnameSet"), "absent", "at all");
	is(text(o, "AuthKey"), "absent", "no key");
	json_object_put(o);
}

static void edit(void)
{
	struct prefs p;
	prefs_init(&p, "https://c.test", "web-1", NULL);
	prefs_add_tags(&p, "tag:a,tag:b", NULL);
	p.accept_routes = true;
	p.accept_dns = false;
	struct json_object *o = prefs_edit(&p);
	is(text(o, "AdvertiseTags"), "[\"tag:a\",\"tag:b\"]", "tags are a list");
	is(text(o, "RouteAll"), "true", "routes of others");
	is(text(o, "CorpDNS"), "false", "no MagicDNS");
	is(text(o, "AutoUpdateSet"), "{\"CheckSet\":true,\"ApplySet\":true}", "the mask of updates is an object");
	is(text(o, "LoggedOut"), "absent", "an edit logs nobody in");
	int fields = 0, masks = 0;
	json_object_object_foreach(o, name, value)
	{
		size_t len = strlen(name);
		if (len > 3 && !strcmp(name + len - 3, "Set"))
			masks++;
		else
			fields++;
		(void)value;
	}
	is_number(masks, fields, "every field has its mask");
	json_object_put(o);
}

static void init(void)
{
	struct prefs p;
	struct why why;
	char url[400] = "https://";
	memset(url + 8, 'a', 300);
	url[308] = 0;
	ok(prefs_init(&p, url, "h", &why) < 0 && errno == EINVAL, "a long URL is refused");
	ok(prefs_init(&p, "", "h", &why) < 0 && errno == EINVAL, "an empty URL is refused");
	ok(prefs_init(&p, "https://c.test", "", &why) < 0 && errno == EINVAL, "an empty hostname is refused");
	ok(prefs_init(&p, "https://c.test", url, &why) < 0 && errno == EINVAL, "a long hostname is refused");
}

int main(void)
{
	init();
	tags();
	whole();
	edit();
	return tap_done();
}
