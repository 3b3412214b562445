/* SPDX-License-Identifier: ISC */
#include "engine.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/var/run/docker.sock"
#define OTHER_SOCKET "/run/docker.sock" /* where /var/run is no link to /run */
#define MESSAGE_MAX ((size_t)16 * 1024) /* bytes kept of an answer that is an error */
#define IDS_PER_CALL 100                /* a URL of 8 KB: proxies before Docker's socket take no more than 16 */
#define KEEPALIVE 60L                   /* seconds until the first probe of a silent TCP peer */

struct engine {
	CURL *curl;       /* of the calls; a stream has its own */
	const char *path; /* of the socket, NULL for the default one; behind `where` */
	bool tcp;
	char *base;  /* of the URLs */
	char *where; /* DOCKER_HOST as people know it */
};

static int invalid(struct why *why, const char *what, const char *value, const char *wanted)
{
	errno = EINVAL;
	return why_set(why, "%s %.200s: %s expected", what, value, wanted);
}

static bool is_plain(const char *s)
{
	for (; *s; s++)
		if (!isgraph((unsigned char)*s) || strchr("@?#\"<>\\^`{|}", *s))
			return false;
	return true;
}

/* Takes DOCKER_HOST apart. */
static int set_host(struct engine *e, const char *docker_host, struct why *why)
{
	static const char wanted[] = "unix:///path or tcp://host:port (DOCKER_HOST)";
	const struct sockaddr_un limit = {0};
	bool given = docker_host && *docker_host;
	e->where = strdup(given ? docker_host : "unix://" DEFAULT_SOCKET);
	if (!e->where)
		return why_sys(why, "Docker's API");
	if (strchr(e->where, '@'))
		return invalid(why, "Docker's API at", "an address with a user in it", wanted);
	if (!strncmp(e->where, "tcp://", 6)) {
		e->tcp = true;
		if (!e->where[6] || e->where[6] == '/' || !is_plain(e->where + 6))
			return invalid(why, "Docker's API at", e->where, wanted);
	} else if (strncmp(e->where, "unix:///", 8)) {
		return invalid(why, "Docker's API at", e->where, wanted);
	} else if (strlen(e->where + 7) >= sizeof limit.sun_path) {
		return invalid(why, "Docker's API at", e->where, "a path of at most 107 bytes");
	} else if (given) {
		e->path = e->where + 7;
	}
	size_t len = strlen(e->where);
	while (e->tcp && e->where[len - 1] == '/')
		len--;
	if (asprintf(&e->base, "http://%.*s", e->tcp ? (int)len - 6 : 6, e->tcp ? e->where + 6 : "docker") < 0) {
		e->base = NULL;
		return why_sys(why, "Docker's API");
	}
	return 0;
}

struct engine *engine_open(const char *docker_host, struct why *why)
{
	struct engine *e = calloc(1, sizeof *e);
	if (!e || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(e);
		errno = ENOMEM;
		why_sys(why, "libcurl");
		return NULL;
	}
	if (set_host(e, docker_host, why) == 0) {
		e->curl = curl_easy_init();
		if (e->curl)
			return e;
		errno = ENOMEM;
		why_sys(why, "libcurl");
	}
	int saved = errno;
	engine_close(e);
	errno = saved;
	return NULL;
}

void engine_close(struct engine *e)
{
	if (!e)
		return;
	curl_easy_cleanup(e->curl);
	free(e->base);
	free(e->where);
	free(e);
	curl_global_cleanup();
}

/* What all requests have in common. Every connection is new: on a socket of this machine that costs nothing, and a
 * Docker that was started anew meanwhile makes no difference. */
static int set_request(const struct engine *e, CURL *curl, const char *url)
{
	bool done = curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK;
	done &= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK;
	done &= curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK;
	done &= curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK;
	done &= curl_easy_setopt(curl, CURLOPT_USERAGENT, "tslink") == CURLE_OK;
	done &= curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK;
	done &= curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK;
	done &= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
	if (!e->tcp) {
		const char *path = e->path                             ? e->path
		                   : access(DEFAULT_SOCKET, F_OK) == 0 ? DEFAULT_SOCKET
		                                                       : OTHER_SOCKET;
		done &= curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path) == CURLE_OK;
	}
	return done ? 0 : -1;
}

/* errno for what libcurl says of a transfer. */
static int curl_errno(CURL *curl, CURLcode code)
{
	long os = 0;
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT: return ETIMEDOUT;
	case CURLE_COULDNT_RESOLVE_HOST: return ECONNREFUSED;
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os);
		return os == EACCES || os == EPERM ? EACCES : ECONNREFUSED;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR: return ECONNRESET;
	case CURLE_OUT_OF_MEMORY: return ENOMEM;
	default: return EPROTO;
	}
}

/* The reason of a call without an answer; sets errno. What to do about it, where that is known. */
static int no_answer(const struct engine *e, const char *call, CURL *curl, CURLcode code, struct why *why)
{
	int error = curl_errno(curl, code);
	const char *reason = curl_easy_strerror(code);
	switch (error) {
	case ETIMEDOUT: reason = "no answer in time; Docker gives none while it boots"; break;
	case ECONNREFUSED: reason = "nobody listens there; is Docker running, and DOCKER_HOST right?"; break;
	case EACCES: reason = "permission denied"; break;
	case ECONNRESET: reason = "the connection ended before the answer did"; break;
	default: break;
	}
	why_set(why, "Docker's API at %s: %s: %s", e->where, call, reason);
	errno = error;
	return -1;
}

/* The reason of an answer that is an error: Docker's own words. A 404 is only that of an object: one of a proxy,
 * or of a path that an engine does not know, is no proof that anything is gone. */
static int refused(const struct engine *e, const char *call, long status, char *body, size_t len, struct why *why)
{
	autofree char *message = docker_message_parse(body, len);
	bool object = status == 404 && message && strcasecmp(message, "page not found") != 0;
	why_set(why, "Docker's API at %s: %s: status %ld: %.300s", e->where, call, status,
	        message ? message : "no message");
	errno = object ? ENOENT : EPROTO;
	return -1;
}

struct answer {
	char *data;
	size_t len, room;
	int error; /* why the rest was not taken: EFBIG or ENOMEM */
};

static void answer_free(struct answer *a)
{
	free(a->data);
}

#define autoanswer __attribute__((cleanup(answer_free)))

static int answer_add(struct answer *a, const char *data, size_t len)
{
	if (len > ENGINE_ANSWER_MAX - a->len) {
		a->error = EFBIG;
		return -1;
	}
	if (a->len + len + 1 > a->room) {
		size_t room = a->room ? a->room : 4096;
		while (room < a->len + len + 1)
			room *= 2;
		char *bigger = realloc(a->data, room);
		if (!bigger) {
			a->error = ENOMEM;
			return -1;
		}
		a->data = bigger;
		a->room = room;
	}
	if (len)
		memcpy(a->data + a->len, data, len);
	a->len += len;
	a->data[a->len] = '\0';
	return 0;
}

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
	return answer_add(arg, data, size * count) == 0 ? size * count : CURL_WRITEFUNC_ERROR;
}

/* "GET /networks": a call's name in reasons, without the query. */
static void name_call(char call[128], const char *path)
{
	snprintf(call, 128, "GET %.*s", (int)strcspn(path, "?"), path);
}

static CURLcode perform(struct engine *e, const char *url, struct answer *a, int64_t deadline, long *status)
{
	int left = deadline_left(deadline);
	CURL *curl = e->curl;
	if (left == 0)
		return CURLE_OPERATION_TIMEDOUT;
	curl_easy_reset(curl);
	if (set_request(e, curl, url) < 0 || curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a) != CURLE_OK ||
	    (left > 0 && curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)left) != CURLE_OK))
		return CURLE_OUT_OF_MEMORY;
	CURLcode code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		code = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
	return code;
}

/* One call. *a, {0} before, is the whole answer to a GET that went well. */
static int get(struct engine *e, const char *path, struct answer *a, int64_t deadline, struct why *why)
{
	char call[128];
	long status = 0;
	autofree char *url = NULL;
	name_call(call, path);
	if (asprintf(&url, "%s%s", e->base, path) < 0 || answer_add(a, "", 0) < 0) {
		errno = ENOMEM;
		return why_sys(why, "Docker's API at %s: %s", e->where, call);
	}
	CURLcode code = perform(e, url, a, deadline, &status);
	if (a->error) {
		errno = a->error;
		return why_sys(why, "Docker's API at %s: %s", e->where, call);
	}
	if (code != CURLE_OK)
		return no_answer(e, call, e->curl, code, why);
	if (status != 200)
		return refused(e, call, status, a->data, a->len, why);
	return 0;
}

/* The reason of a parser, with the call's name before it. */
static int unexpected(const struct engine *e, const char *path, const struct why *reason, struct why *why)
{
	char call[128];
	name_call(call, path);
	return why_set(why, "Docker's API at %s: %s: the answer is not what it should be: %s", e->where, call,
	               reason->text);
}

/* A path with a query of filters, a JSON object, for free(3). NULL with ENOMEM. */
static char *path_with(struct engine *e, const char *path, const char *filters)
{
	char *result = NULL;
	char *escaped = curl_easy_escape(e->curl, filters, 0);
	if (escaped && asprintf(&result, "%sfilters=%s", path, escaped) < 0)
		result = NULL;
	curl_free(escaped);
	if (!result)
		errno = ENOMEM;
	return result;
}

/* {"key":[values...]} as a path's query, for free(3). NULL with ENOMEM. */
static char *path_filter(struct engine *e, const char *path, const char *key, const char *const *values, size_t count)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	char *result = NULL;
	bool done = o && list;
	for (size_t i = 0; done && i < count; i++)
		done = json_object_array_add(list, json_object_new_string(values[i])) == 0;
	if (done && json_object_object_add(o, key, list) == 0)
		result = path_with(e, path, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	else
		json_object_put(list);
	json_object_put(o);
	if (!result)
		errno = ENOMEM;
	return result;
}

int engine_ping(struct engine *e, int64_t deadline, struct why *why)
{
	autoanswer struct answer a = {0};
	return get(e, "/_ping", &a, deadline, why);
}

int engine_info(struct engine *e, struct docker_info *info, int64_t deadline, struct why *why)
{
	autoanswer struct answer a = {0};
	struct why reason;
	if (get(e, "/info", &a, deadline, why) < 0)
		return -1;
	return docker_info_parse(info, a.data, a.len, &reason) == 0 ? 0 : unexpected(e, "/info", &reason, why);
}

int engine_networks(struct engine *e, const char *driver, struct docker_networks *all, int64_t deadline,
                    struct why *why)
{
	autoanswer struct answer a = {0};
	struct why reason;
	*all = (struct docker_networks){0};
	autofree char *path = path_filter(e, "/networks?", "driver", &driver, 1);
	if (!path)
		return why_sys(why, "GET /networks");
	if (get(e, path, &a, deadline, why) < 0)
		return -1;
	return docker_networks_parse(all, a.data, a.len, &reason) == 0 ? 0 : unexpected(e, path, &reason, why);
}

int engine_network(struct engine *e, const char *network, struct docker_network *n, int64_t deadline, struct why *why)
{
	autoanswer struct answer a = {0};
	struct why reason;
	char path[128];
	*n = (struct docker_network){0};
	if (!*network || strlen(network) > ID_LEN ||
	    strspn(network, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(network))
		return invalid(why, "network", network, "an ID");
	if (text_format(path, sizeof path, "/networks/%s", network) < 0)
		return -1;
	if (get(e, path, &a, deadline, why) < 0)
		return -1;
	return docker_network_parse(n, a.data, a.len, &reason) == 0 ? 0 : unexpected(e, path, &reason, why);
}

/* One call's worth of containers, appended. */
static int add_containers(struct engine *e, const char *key, const char *const *values, size_t count,
                          struct docker_containers *all, int64_t deadline, struct why *why)
{
	autoanswer struct answer a = {0};
	struct why reason;
	autofree char *path = count ? path_filter(e, "/containers/json?all=1&", key, values, count)
	                            : strdup("/containers/json?all=1");
	if (!path)
		return why_sys(why, "GET /containers/json");
	if (get(e, path, &a, deadline, why) < 0)
		return -1;
	return docker_containers_parse(all, a.data, a.len, &reason) == 0 ? 0 : unexpected(e, path, &reason, why);
}

int engine_containers(struct engine *e, const char *const *ids, size_t count, struct docker_containers *all,
                      int64_t deadline, struct why *why)
{
	int result = 0;
	*all = (struct docker_containers){0};
	if (!ids)
		return add_containers(e, NULL, NULL, 0, all, deadline, why);
	for (size_t i = 0; i < count; i++)
		if (!text_is_hex(ids[i], ID_LEN))
			return invalid(why, "container", ids[i], "an ID of 64 hexadecimal digits");
	for (size_t i = 0; result == 0 && i < count; i += IDS_PER_CALL) {
		size_t some = count - i < IDS_PER_CALL ? count - i : IDS_PER_CALL;
		result = add_containers(e, "id", ids + i, some, all, deadline, why);
	}
	if (result < 0) {
		int saved = errno;
		docker_containers_free(all);
		errno = saved;
	}
	return result;
}

int engine_image_labels(struct engine *e, const char *image_id, struct pairs *labels, int64_t deadline, struct why *why)
{
	autoanswer struct answer a = {0};
	struct why reason;
	char path[128];
	*labels = (struct pairs){0};
	if (strncmp(image_id, "sha256:", 7) || !text_is_hex(image_id + 7, ID_LEN))
		return invalid(why, "image", image_id, "sha256: and 64 hexadecimal digits");
	if (text_format(path, sizeof path, "/images/%s/json", image_id) < 0)
		return -1;
	if (get(e, path, &a, deadline, why) < 0)
		return -1;
	return docker_image_parse(labels, a.data, a.len, &reason) == 0 ? 0 : unexpected(e, path, &reason, why);
}

/* Moves the container that suits out of the list, and releases the others. */
static int pick(struct docker_containers *all, const struct docker_endpoint *wanted, struct docker_container *c,
                struct why *why)
{
	bool found = false;
	for (size_t i = 0; i < all->count && !found; i++) {
		found = *wanted->container ? !strcmp(all->list[i].id, wanted->container)
		                           : !strcmp(all->list[i].name, wanted->name);
		if (found) {
			*c = all->list[i];
			all->list[i] = all->list[--all->count];
		}
	}
	docker_containers_free(all);
	if (found)
		return 0;
	errno = ENOENT;
	return why_set(why, "Docker has no container %.200s", *wanted->container ? wanted->container : wanted->name);
}

/* By name, for which the API has only a regular expression. Names have just one character that means something
 * there. */
static int list_by_name(struct engine *e, const char *name, struct docker_containers *all, int64_t deadline,
                        struct why *why)
{
	size_t len = strlen(name), n = 0;
	if (!len || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != len) {
		errno = EBADMSG;
		return why_set(why, "Docker names a container %.200s: that is no container's name", name);
	}
	autofree char *expression = malloc(2 * len + 4);
	if (!expression)
		return why_sys(why, "GET /containers/json");
	expression[n++] = '^';
	expression[n++] = '/';
	for (const char *p = name; *p; p++) {
		if (*p == '.')
			expression[n++] = '\\';
		expression[n++] = *p;
	}
	expression[n++] = '$';
	expression[n] = '\0';
	const char *values[] = {expression};
	return add_containers(e, "name", values, 1, all, deadline, why);
}

static int find_in(struct engine *e, const struct docker_network *n, const char *endpoint, struct docker_container *c,
                   int64_t deadline, struct why *why)
{
	struct docker_containers all = {0};
	const struct docker_endpoint *wanted = NULL;
	for (size_t i = 0; i < n->endpoint_count; i++)
		if (!strcmp(n->endpoints[i].endpoint, endpoint))
			wanted = &n->endpoints[i];
	if (!wanted) {
		errno = ENOENT;
		return why_set(why, "network %.200s has no endpoint %.12s", n->name, endpoint);
	}
	const char *ids[] = {wanted->container};
	int result = *wanted->container ? engine_containers(e, ids, 1, &all, deadline, why)
	                                : list_by_name(e, wanted->name, &all, deadline, why);
	return result == 0 ? pick(&all, wanted, c, why) : -1;
}

int engine_find_container(struct engine *e, const char *network, const char *endpoint, struct docker_container *c,
                          int64_t deadline, struct why *why)
{
	struct docker_network n;
	*c = (struct docker_container){.auto_remove = -1};
	if (!text_is_hex(endpoint, ID_LEN))
		return invalid(why, "endpoint", endpoint, "an ID of 64 hexadecimal digits");
	if (engine_network(e, network, &n, deadline, why) < 0)
		return -1;
	int result = find_in(e, &n, endpoint, c, deadline, why);
	int saved = errno;
	docker_network_free(&n);
	errno = saved;
	return result;
}

/*
 * The stream. libcurl tells which descriptors it waits for (at most one or two: the socket, and while a name is
 * looked up another) and when it wants to be called; the descriptors are gathered in an epoll, so that the caller
 * has one for all of the stream's life, and needs to know nothing of libcurl.
 */
struct engine_events {
	struct engine *engine;
	struct engine_events_calls calls;
	CURLM *multi;
	CURL *curl;
	int epoll;
	int64_t curl_due; /* libcurl's own timer */
	int64_t deadline; /* of the answer's head; NEVER once it is there */
	struct event_reader reader;
	bool answered; /* with status 200 */
	bool ended;
	int error; /* what the reader or the epoll found, with its reason */
	struct why reason;
	char message[MESSAGE_MAX + 1]; /* the body of an answer that is an error */
	size_t message_len;
};

#define EVENTS_CALL "GET /events"

static int on_socket(CURL *curl, curl_socket_t fd, int what, void *arg, void *known)
{
	struct engine_events *s = arg;
	struct epoll_event ev = {.data.fd = fd};
	(void)curl;
	if (what == CURL_POLL_REMOVE) {
		/* this fails where libcurl has closed it already, but then it is out, too */
		epoll_ctl(s->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	ev.events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
	if (epoll_ctl(s->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) < 0) {
		s->error = errno;
		why_sys(&s->reason, "epoll");
	} else if (curl_multi_assign(s->multi, fd, s) != CURLM_OK) {
		s->error = ENOMEM;
		why_set(&s->reason, "libcurl does not know its own socket");
	}
	return 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	struct engine_events *s = arg;
	(void)multi;
	s->curl_due = ms < 0 ? NEVER : deadline_in(ms);
	return 0;
}

/* Called for each line of the head; the last is empty. Those of a 1xx answer come before the head proper. */
static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
	struct engine_events *s = arg;
	long status = 0;
	size_t len = size * count;
	if (len > 2 || (*data != '\r' && *data != '\n') || s->answered)
		return len;
	if (curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status == 200) {
		s->answered = true;
		s->deadline = NEVER;
		if (s->calls.connected)
			s->calls.connected(s->calls.arg);
	}
	return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct engine_events *s = arg;
	size_t len = size * count;
	if (s->answered) {
		if (event_reader_feed(&s->reader, data, len, s->calls.event, s->calls.arg, &s->reason) == 0)
			return len;
		s->error = errno;
		return CURL_WRITEFUNC_ERROR;
	}
	size_t some = len < MESSAGE_MAX - s->message_len ? len : MESSAGE_MAX - s->message_len;
	memcpy(s->message + s->message_len, data, some);
	s->message_len += some;
	return len;
}

static int set_stream(struct engine_events *s, const char *url)
{
	CURL *c = s->curl;
	bool done = set_request(s->engine, c, url) == 0;
	done &= curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
	done &= curl_easy_setopt(c, CURLOPT_HEADERDATA, s) == CURLE_OK;
	done &= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
	done &= curl_easy_setopt(c, CURLOPT_WRITEDATA, s) == CURLE_OK;
	done &= curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, s->engine->tcp ? 1L : 0L) == CURLE_OK;
	done &= curl_easy_setopt(c, CURLOPT_TCP_KEEPIDLE, KEEPALIVE) == CURLE_OK;
	done &= curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK;
	done &= curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s) == CURLM_OK;
	done &= curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK;
	done &= curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s) == CURLM_OK;
	return done && curl_multi_add_handle(s->multi, c) == CURLM_OK ? 0 : -1;
}

/* The URL of the stream, for free(3): events since now, by the wall clock, as Docker stamps them. */
static char *events_url(struct engine *e, const char *filters)
{
	struct timespec now;
	char since[128];
	char *url = NULL;
	if (clock_gettime(CLOCK_REALTIME, &now) < 0 ||
	    text_format(since, sizeof since, "/events?since=%lld.%09ld&", (long long)now.tv_sec, now.tv_nsec) < 0)
		return NULL;
	autofree char *path = path_with(e, since, filters ? filters : "{}");
	if (path && asprintf(&url, "%s%s", e->base, path) < 0)
		url = NULL;
	return url;
}

struct engine_events *engine_events_open(struct engine *e, const char *filters, const struct engine_events_calls *calls,
                                         int64_t deadline, struct why *why)
{
	struct engine_events *s = calloc(1, sizeof *s);
	if (!s) {
		why_sys(why, EVENTS_CALL);
		return NULL;
	}
	s->engine = e;
	s->calls = *calls;
	s->curl_due = 0;
	s->deadline = deadline;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->multi = curl_multi_init();
	s->curl = curl_easy_init();
	autofree char *url = events_url(e, filters);
	errno = s->epoll < 0 ? errno : ENOMEM;
	if (s->epoll >= 0 && s->multi && s->curl && url && set_stream(s, url) == 0)
		return s;
	why_sys(why, "Docker's API at %s: " EVENTS_CALL, e->where);
	int saved = errno;
	engine_events_close(s);
	errno = saved;
	return NULL;
}

int engine_events_fd(const struct engine_events *s)
{
	return s->epoll;
}

int64_t engine_events_due(const struct engine_events *s)
{
	if (s->ended)
		return 0;
	return s->curl_due < s->deadline ? s->curl_due : s->deadline;
}

/* Lets libcurl see to its descriptors and its timer. */
static CURLMcode drive(struct engine_events *s)
{
	struct epoll_event ready[4];
	int running;
	CURLMcode code = CURLM_OK;
	int n = epoll_wait(s->epoll, ready, sizeof ready / sizeof *ready, 0);
	for (int i = 0; i < n && code == CURLM_OK; i++) {
		int what = (ready[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		           (ready[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		           (ready[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
		code = curl_multi_socket_action(s->multi, ready[i].data.fd, what, &running);
	}
	if (code == CURLM_OK && s->curl_due <= now_ms()) {
		s->curl_due = NEVER; /* before the call, which may set it anew */
		code = curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	return code;
}

/* The transfer is over: why? */
static int finish(struct engine_events *s, CURLcode code, struct why *why)
{
	long status = 0;
	if (code != CURLE_OK)
		return no_answer(s->engine, EVENTS_CALL, s->curl, code, why);
	if (!s->answered && curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK)
		return refused(s->engine, EVENTS_CALL, status, s->message, s->message_len, why);
	errno = ECONNRESET;
	return why_set(why, "Docker's API at %s: " EVENTS_CALL ": Docker has ended the stream", s->engine->where);
}

static int work(struct engine_events *s, struct why *why)
{
	int left;
	CURLMcode code = drive(s);
	if (s->error) {
		errno = s->error;
		return why_set(why, "Docker's API at %s: " EVENTS_CALL ": %s", s->engine->where, s->reason.text);
	}
	if (code != CURLM_OK) {
		errno = code == CURLM_OUT_OF_MEMORY ? ENOMEM : EPROTO;
		return why_set(why, "Docker's API at %s: " EVENTS_CALL ": %s", s->engine->where,
		               curl_multi_strerror(code));
	}
	const CURLMsg *m = curl_multi_info_read(s->multi, &left);
	if (m && m->msg == CURLMSG_DONE)
		return finish(s, m->data.result, why);
	if (s->deadline <= now_ms())
		return no_answer(s->engine, EVENTS_CALL, s->curl, CURLE_OPERATION_TIMEDOUT, why);
	return 0;
}

int engine_events_work(struct engine_events *s, struct why *why)
{
	if (s->ended) {
		errno = ECONNRESET;
		return why_set(why, "Docker's API at %s: " EVENTS_CALL ": the stream has ended", s->engine->where);
	}
	int result = work(s, why);
	s->ended = result < 0;
	return result;
}

void engine_events_close(struct engine_events *s)
{
	if (!s)
		return;
	if (s->multi && s->curl) /* fails only where it was never added */
		curl_multi_remove_handle(s->multi, s->curl);
	curl_easy_cleanup(s->curl);
	curl_multi_cleanup(s->multi);
	if (s->epoll >= 0)
		close(s->epoll);
	event_reader_free(&s->reader);
	free(s);
}
