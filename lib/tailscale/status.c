/* SPDX-License-Identifier: ISC */
#include "status.h"

#include "lib/base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#define DEPTH_MAX 32 /* a status has 6, a message with preferences 8 */

static const char *const names[] = {
	[BACKEND_NO_STATE] = "NoState",       [BACKEND_IN_USE] = "InUseOtherUser",
	[BACKEND_NEEDS_LOGIN] = "NeedsLogin", [BACKEND_NEEDS_APPROVAL] = "NeedsMachineAuth",
	[BACKEND_STOPPED] = "Stopped",        [BACKEND_STARTING] = "Starting",
	[BACKEND_RUNNING] = "Running",
};
#define NAMES ((int)(sizeof names / sizeof names[0]))

const char *backend_name(enum backend backend)
{
	return (int)backend >= 0 && (int)backend < NAMES ? names[backend] : "unknown";
}

static struct json_object *parse(const char *json, size_t len, struct why *why)
{
	struct json_object *o = NULL;
	enum json_tokener_error error = json_tokener_error_size;
	struct json_tokener *t = len < INT32_MAX ? json_tokener_new_ex(DEPTH_MAX) : NULL;
	if (t) {
		json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
		o = json_tokener_parse_ex(t, json, (int)len);
		error = json_tokener_get_error(t);
		json_tokener_free(t);
	}
	if (error == json_tokener_success && json_object_is_type(o, json_type_object))
		return o;
	json_object_put(o);
	errno = EBADMSG;
	why_set(why, "its answer is no JSON object (%s)",
	        error == json_tokener_success ? "another value" : json_tokener_error_desc(error));
	return NULL;
}

static struct json_object *member(struct json_object *o, const char *name, enum json_type type)
{
	struct json_object *value;
	if (!o || !json_object_object_get_ex(o, name, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

/* A text for people: one line of printable characters (bytes from 0x80 on are UTF-8, which the parser has checked). */
static void copy_text(char *to, size_t size, const char *from, size_t len)
{
	size_t n = len < size - 1 ? len : size - 1;
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)from[i] < ' ' || from[i] == 0x7f ? ' ' : from[i];
	/* no half character at the cut */
	while (n < len && n > 0 && ((unsigned char)from[n] & 0xc0) == 0x80)
		n--;
	to[n] = '\0';
}

static void get_text(struct json_object *o, const char *name, char *to, size_t size)
{
	struct json_object *value = member(o, name, json_type_string);
	to[0] = '\0';
	if (value)
		copy_text(to, size, json_object_get_string(value), (size_t)json_object_get_string_len(value));
}

static void get_url(struct json_object *o, const char *name, char *to, size_t size)
{
	struct json_object *value = member(o, name, json_type_string);
	const char *url = value ? json_object_get_string(value) : "";
	to[0] = '\0';
	if (strncmp(url, "https://", 8) && strncmp(url, "http://", 7))
		return;
	for (const char *c = url; *c; c++)
		if (*c <= ' ' || *c > '~')
			return;
	if (text_format(to, size, "%s", url) < 0)
		to[0] = '\0';
}

static bool get_bool(struct json_object *o, const char *name)
{
	return json_object_get_boolean(member(o, name, json_type_boolean));
}

static void get_name(struct json_object *self, struct status *status)
{
	struct json_object *value = member(self, "DNSName", json_type_string);
	const char *name = value ? json_object_get_string(value) : "";
	size_t len = strlen(name);
	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len >= sizeof status->name)
		return;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '.')
			return;
	memcpy(status->name, name, len);
	status->name[len] = '\0';
}

static void get_addresses(struct json_object *o, struct status *status)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct json_object *list = member(o, "TailscaleIPs", json_type_array);
	size_t count = list ? json_object_array_length(list) : 0;
	for (size_t f = 0; f < 2; f++)
		for (size_t i = 0; i < count && status->address_count < STATUS_ADDRESSES; i++) {
			struct json_object *item = json_object_array_get_idx(list, i);
			unsigned char binary[sizeof(struct in6_addr)];
			if (!json_object_is_type(item, json_type_string) ||
			    inet_pton(families[f], json_object_get_string(item), binary) != 1)
				continue;
			char *to = status->address[status->address_count];
			if (inet_ntop(families[f], binary, to, INET6_ADDRSTRLEN))
				status->address_count++;
		}
}

/* Health is a list of texts; that of the code login-state is tailscale's health/warnings.go LoginStateWarnable. */
static void get_login_error(struct json_object *o, struct status *status)
{
	static const char mark[] = "The last login error was: ";
	struct json_object *list = member(o, "Health", json_type_array);
	size_t count = list ? json_object_array_length(list) : 0;
	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		const char *text = json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
		const char *found = strstr(text, mark);
		if (!found)
			continue;
		found += sizeof mark - 1;
		copy_text(status->login_error, sizeof status->login_error, found, strlen(found));
		return;
	}
}

int status_parse(const char *json, size_t len, struct status *status, struct why *why)
{
	memset(status, 0, sizeof *status);
	status->backend = BACKEND_UNKNOWN;
	struct json_object *o = parse(json, len, why);
	if (!o)
		return -1;
	struct json_object *backend = member(o, "BackendState", json_type_string);
	if (!backend) {
		json_object_put(o);
		errno = EBADMSG;
		return why_set(why, "its answer is no status: it has no BackendState");
	}
	for (int i = 0; i < NAMES; i++)
		if (!strcmp(json_object_get_string(backend), names[i]))
			status->backend = (enum backend)i;
	struct json_object *self = member(o, "Self", json_type_object);
	status->have_node_key = get_bool(o, "HaveNodeKey");
	status->online = get_bool(self, "Online");
	get_addresses(o, status);
	get_name(self, status);
	get_url(o, "AuthURL", status->auth_url, sizeof status->auth_url);
	get_login_error(o, status);
	json_object_put(o);
	return 0;
}

int notify_parse(const char *json, size_t len, struct notify *notify, struct why *why)
{
	memset(notify, 0, sizeof *notify);
	notify->backend = BACKEND_UNKNOWN;
	struct json_object *o = parse(json, len, why);
	if (!o)
		return -1;
	struct json_object *state = member(o, "State", json_type_int);
	int number = state ? json_object_get_int(state) : -1;
	if (number >= 0 && number < NAMES)
		notify->backend = (enum backend)number;
	get_text(o, "ErrMessage", notify->error, sizeof notify->error);
	get_url(o, "BrowseToURL", notify->auth_url, sizeof notify->auth_url);
	json_object_put(o);
	return 0;
}

bool login_error_is_transport(const char *text)
{
	static const char *const marks[] = {
		"fetch control key",
		"register request",
		"rate limited",
		"dial ",
		"connection re",
		"no such host",
		"no route to host",
		"unreachable",
		"timeout",
		"timed out",
		"deadline ",
		"tls: ",
		"x509: ",
		"EOF",
	};
	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
		if (strstr(text, marks[i]))
			return true;
	return false;
}
