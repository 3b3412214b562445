/* SPDX-License-Identifier: ISC */
#include "options.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define PREFIX "tslink."

/* A setter takes the value over or says what would have been good; `what` names the option. */
struct network_option {
	const char *name;
	int (*set)(struct network_options *o, const char *what, const char *value, struct why *why);
};

struct label_option {
	const char *name;
	int (*set)(struct label_options *o, const char *what, const char *value, struct why *why);
};

/* What a person typed, short and harmless enough for an error text. */
struct quoted {
	char text[64];
};

/* Tailscale's and headscale's keys begin so: one that was put in the wrong place is not shown there either. */
static bool is_like_a_key(const char *value)
{
	return strlen(value) >= 32 &&
	       (strstr(value, "tskey-auth-") || strstr(value, "tskey-client-") || strstr(value, "hskey-auth-"));
}

static struct quoted quote(const char *value)
{
	struct quoted q = {"(a key)"};
	size_t n = 0;
	if (is_like_a_key(value))
		return q;
	for (; value[n] && n < sizeof q.text - 4; n++)
		q.text[n] = value[n] >= ' ' && value[n] <= '~' ? value[n] : '?';
	memcpy(q.text + n, value[n] ? "..." : "", value[n] ? 4 : 1);
	return q;
}

static int bad(const char *what, const char *wanted, const char *value, struct why *why)
{
	errno = EINVAL;
	return why_set(why, "%s must be %s, not \"%s\"", what, wanted, quote(value).text);
}

/* Only characters that can be seen: no space, no control character, nothing beyond ASCII. */
static bool is_visible(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

/* ---- values ---- */

int authkey_check(const char *what, const char *key, struct why *why)
{
	if (*key && strlen(key) <= AUTHKEY_MAX && is_visible(key))
		return 0;
	errno = EINVAL;
	return why_set(why, "%s must be 1 to %d printable characters without a space (it is not shown here)", what,
	               AUTHKEY_MAX);
}

/* host, host:port, [v6] or [v6]:port; neither user nor password. */
static bool is_authority(const char *s)
{
	char host[LOGIN_SERVER_MAX + 1];
	struct in6_addr address;
	bool bracket = *s == '[';
	size_t n = strcspn(s + bracket, bracket ? "]" : ":");
	long port;
	if (n == 0 || text_format(host, sizeof host, "%.*s", (int)n, s + bracket) < 0)
		return false;
	if (bracket ? inet_pton(AF_INET6, host, &address) != 1 || s[n + 1] != ']'
	            : strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-") != n)
		return false;
	s += n + (bracket ? 2 : 0);
	return !*s || (*s == ':' && text_number(s + 1, 1, 65535, &port) == 0);
}

int login_server_parse(const char *what, const char *url, char out[LOGIN_SERVER_MAX + 1], struct why *why)
{
	static const char wanted[] = "an http:// or https:// URL without user, query and fragment";
	char copy[LOGIN_SERVER_MAX + 1], authority[LOGIN_SERVER_MAX + 1];
	if (!is_visible(url) || strpbrk(url, "?#@\\\"<>") || text_format(copy, sizeof copy, "%s", url) < 0)
		return bad(what, wanted, strchr(url, '@') ? "one with a user or password" : url, why);
	char *host = strstr(copy, "://");
	if (!host)
		return bad(what, wanted, url, why);
	host += 3;
	char *path = host + strcspn(host, "/");
	for (char *p = copy; p < path; p++)
		*p = (char)tolower((unsigned char)*p);
	text_format(authority, sizeof authority, "%.*s", (int)(path - host), host);
	if ((strncmp(copy, "http://", 7) && strncmp(copy, "https://", 8)) || !is_authority(authority))
		return bad(what, wanted, url, why);
	for (char *end = path + strlen(path); end > path && end[-1] == '/';)
		*--end = '\0';
	memcpy(out, copy, sizeof copy);
	return 0;
}

static int parse_wait(const char *what, const char *value, int *out, struct why *why)
{
	long seconds;
	if (text_number(value, 0, WAIT_MAX, &seconds) < 0)
		return bad(what, "a number of seconds from 0 to 25", value, why);
	*out = (int)seconds;
	return 0;
}

static int parse_bool(const char *what, const char *value, bool *out, struct why *why)
{
	return text_bool(value, out) < 0 ? bad(what, "true or false", value, why) : 0;
}

/* ---- of a network ---- */

static int set_authkey(struct network_options *o, const char *what, const char *value, struct why *why)
{
	if (authkey_check(what, value, why) < 0)
		return -1;
	return text_format(o->authkey, sizeof o->authkey, "%s", value);
}

static int set_authkey_file(struct network_options *o, const char *what, const char *value, struct why *why)
{
	if (!*value || *value == '.' || strchr(value, '/') || !is_visible(value) || strlen(value) > NAME_MAX ||
	    is_like_a_key(value))
		return bad(what, "the name of a file in the directory of keys, without a slash or a dot before it",
		           value, why);
	return text_format(o->authkey_file, sizeof o->authkey_file, "%s", value);
}

static int set_login_server(struct network_options *o, const char *what, const char *value, struct why *why)
{
	return login_server_parse(what, value, o->login_server, why);
}

static int set_network_wait(struct network_options *o, const char *what, const char *value, struct why *why)
{
	if (parse_wait(what, value, &o->wait, why) < 0)
		return -1;
	o->wait_given = true;
	return 0;
}

static int set_network_require(struct network_options *o, const char *what, const char *value, struct why *why)
{
	if (parse_bool(what, value, &o->require, why) < 0)
		return -1;
	o->require_given = true;
	return 0;
}

static int set_mtu(struct network_options *o, const char *what, const char *value, struct why *why)
{
	long mtu;
	if (text_number(value, MTU_MIN, MTU_MAX, &mtu) < 0)
		return bad(what, "a number of bytes from 68 to 65535", value, why);
	o->mtu = (int)mtu;
	return 0;
}

static const struct network_option network_table[] = {
	/* clang-format off */
	{PREFIX "authkey", set_authkey},
	{PREFIX "authkey-file", set_authkey_file},
	{PREFIX "login-server", set_login_server},
	{PREFIX "require", set_network_require},
	{PREFIX "wait", set_network_wait},
	{"com.docker.network.driver.mtu", set_mtu},
	/* clang-format on */
};
#define NETWORK_OPTIONS (sizeof network_table / sizeof *network_table)

/* ---- of a container ---- */

static int set_hostname(struct label_options *o, const char *what, const char *value, struct why *why)
{
	char label[DNS_LABEL_MAX + 1];
	if (text_dns_label(value, label) < 0)
		return bad(what, "a name with at least one letter or digit", value, why);
	memcpy(o->hostname, label, sizeof label);
	return 0;
}

static int set_label_wait(struct label_options *o, const char *what, const char *value, struct why *why)
{
	return parse_wait(what, value, &o->wait, why);
}

static int set_label_require(struct label_options *o, const char *what, const char *value, struct why *why)
{
	bool require;
	if (parse_bool(what, value, &require, why) < 0)
		return -1;
	o->require = require;
	return 0;
}

static const struct label_option label_table[] = {
	{PREFIX "hostname", set_hostname},
	{PREFIX "require", set_label_require},
	{PREFIX "wait", set_label_wait},
};
#define LABEL_OPTIONS (sizeof label_table / sizeof *label_table)

/* ---- names ---- */

static const struct network_option *find_network_option(const char *name)
{
	for (size_t i = 0; i < NETWORK_OPTIONS; i++)
		if (!strcmp(name, network_table[i].name))
			return &network_table[i];
	return NULL;
}

static const struct label_option *find_label_option(const char *name)
{
	for (size_t i = 0; i < LABEL_OPTIONS; i++)
		if (!strcmp(name, label_table[i].name))
			return &label_table[i];
	return NULL;
}

/* Ours by its prefix; in any case, so that TSLINK.authkey is a typing error that is told, not passed over. */
static bool is_ours(const char *name)
{
	return !strncasecmp(name, PREFIX, strlen(PREFIX));
}

static int unknown(const char *kind, const char *name, const char *const *known, struct why *why)
{
	char lower[64];
	size_t n = 0;
	for (; name[n] && n < sizeof lower - 1; n++)
		lower[n] = (char)tolower((unsigned char)name[n]);
	lower[n] = '\0';
	const char *nearest = text_nearest(lower, known);
	errno = ENOENT;
	if (nearest)
		return why_set(why, "unknown %s \"%s\": did you mean \"%s\"?", kind, quote(name).text, nearest);
	char all[256] = "";
	for (; *known; known++) {
		strncat(all, *all ? ", " : "", sizeof all - strlen(all) - 1);
		strncat(all, *known, sizeof all - strlen(all) - 1);
	}
	return why_set(why, "unknown %s \"%s\": there are %s", kind, quote(name).text, all);
}

/* ---- all of it ---- */

void network_options_init(struct network_options *o)
{
	*o = (struct network_options){.wait = WAIT_DEFAULT};
}

int network_option_set(struct network_options *o, const char *name, const char *value, struct why *why)
{
	const struct network_option *option = find_network_option(name);
	if (option)
		return option->set(o, name, value, why);
	if (!is_ours(name))
		return 0;
	if (find_label_option(name)) {
		errno = ENOENT;
		return why_set(why, "%s is not an option of a network: give it to a container, as a label", name);
	}
	const char *known[NETWORK_OPTIONS + 1] = {NULL};
	for (size_t i = 0; i < NETWORK_OPTIONS; i++)
		known[i] = network_table[i].name;
	return unknown("option", name, known, why);
}

int network_options_parse(struct network_options *o, const struct pairs *given, struct why *why)
{
	network_options_init(o);
	for (size_t i = 0; i < given->count; i++)
		if (network_option_set(o, given->list[i].name, given->list[i].value, why) < 0)
			return -1;
	if (*o->authkey && *o->authkey_file) {
		errno = EINVAL;
		return why_set(why,
		               "tslink.authkey and tslink.authkey-file are two keys for one network: give one of them");
	}
	if (o->require && o->wait_given && o->wait == 0) {
		errno = EINVAL;
		return why_set(why, "tslink.require needs a wait, and tslink.wait=0 gives none: every start would be refused");
	}
	return 0;
}

void label_options_init(struct label_options *o)
{
	*o = (struct label_options){.wait = -1, .require = -1};
}

int label_option_set(struct label_options *o, const char *kind, const char *name, const char *value, struct why *why)
{
	char what[128];
	const struct label_option *option = find_label_option(name);
	if (option) {
		text_format(what, sizeof what, "%s %s", kind, name);
		return option->set(o, what, value, why);
	}
	if (!is_ours(name))
		return 0;
	if (find_network_option(name)) {
		errno = ENOENT;
		return why_set(why, "%s is an option of the network: a %s cannot set it", name, kind);
	}
	const char *known[LABEL_OPTIONS + 1] = {NULL};
	for (size_t i = 0; i < LABEL_OPTIONS; i++)
		known[i] = label_table[i].name;
	return unknown(kind, name, known, why);
}

void label_options_merge(struct label_options *into, const struct label_options *over)
{
	if (*over->hostname)
		memcpy(into->hostname, over->hostname, sizeof into->hostname);
	if (over->wait >= 0)
		into->wait = over->wait;
	if (over->require >= 0)
		into->require = over->require;
}
