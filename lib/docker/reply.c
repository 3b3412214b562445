/* SPDX-License-Identifier: ISC */
#include "reply.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Takes the value over, also when it fails. */
static int add(struct json_object *o, const char *name, struct json_object *value)
{
	if (o && value && json_object_object_add(o, name, value) == 0)
		return 0;
	json_object_put(value);
	return -1;
}

/* The length of the UTF-8 character at p (RFC 3629: no surrogates, nothing too long or too large), or 0. */
static size_t utf8_length(const unsigned char *p)
{
	if (*p < 0x80)
		return 1;
	size_t n = *p >= 0xc2 && *p <= 0xdf ? 2 : (*p & 0xf0) == 0xe0 ? 3 : *p >= 0xf0 && *p <= 0xf4 ? 4 : 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	bool wrong = (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
	             (*p == 0xf4 && p[1] > 0x8f);
	return wrong ? 0 : n;
}

/* A JSON text is UTF-8; a reason may have been cut within a character, or quote something that never was. */
static struct json_object *new_text(const char *text)
{
	char *copy = strdup(text);
	if (!copy)
		return NULL;
	for (unsigned char *p = (unsigned char *)copy; *p;) {
		size_t n = utf8_length(p);
		if (!n)
			*p = '?';
		p += n ? n : 1;
	}
	struct json_object *o = json_object_new_string(copy);
	free(copy);
	return o;
}

static int add_text(struct json_object *o, const char *name, const char *text)
{
	return !text || !*text ? 0 : add(o, name, new_text(text));
}

/* The text of an object, which is released, if everything that was put into it came out well. */
static char *finish(struct json_object *o, int good)
{
	const int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	const char *text = o && good ? json_object_to_json_string_ext(o, flags) : NULL;
	char *copy = text ? strdup(text) : NULL;
	json_object_put(o);
	if (!copy)
		errno = ENOMEM;
	return copy;
}

char *reply_activate(void)
{
	return strdup("{\"Implements\":[\"NetworkDriver\"]}");
}

char *reply_capabilities(void)
{
	return strdup("{\"Scope\":\"local\",\"ConnectivityScope\":\"local\"}");
}

char *reply_empty(void)
{
	return strdup("{}");
}

char *reply_error(const char *text)
{
	struct json_object *o = json_object_new_object();
	return finish(o, add(o, "Err", new_text(text)) == 0);
}

char *reply_create_endpoint(const struct endpoint_reply *reply)
{
	struct json_object *o = json_object_new_object();
	struct json_object *i = json_object_new_object();
	int good = i && add_text(i, "Address", reply->address) == 0 &&
	           add_text(i, "AddressIPv6", reply->address6) == 0 && add_text(i, "MacAddress", reply->mac) == 0;
	if (good && json_object_object_length(i) == 0)
		json_object_put(i);
	else
		good = add(o, "Interface", i) == 0 && good;
	return finish(o, good);
}

char *reply_join(const struct join_reply *reply)
{
	struct json_object *o = json_object_new_object();
	int good = o != NULL;
	if (reply->src_name && *reply->src_name) {
		struct json_object *name = json_object_new_object();
		good = name && add_text(name, "SrcName", reply->src_name) == 0 &&
		       add_text(name, "DstPrefix", "eth") == 0;
		good = add(o, "InterfaceName", name) == 0 && good;
	}
	good = good && add_text(o, "Gateway", reply->gateway) == 0 && add_text(o, "GatewayIPv6", reply->gateway6) == 0;
	return finish(o, good);
}

char *reply_oper_info(const struct pairs *info)
{
	struct json_object *o = json_object_new_object();
	struct json_object *value = json_object_new_object();
	int good = value != NULL;
	for (size_t i = 0; i < info->count && good; i++)
		good = add(value, info->list[i].name, new_text(info->list[i].value)) == 0;
	good = add(o, "Value", value) == 0 && good;
	return finish(o, good);
}
