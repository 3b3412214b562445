/* SPDX-License-Identifier: ISC */
/*
 * Each call is a connection of its own: connecting to a unix socket costs less than keeping one, and a daemon that died and came back is no
 * case apart. The bus is one more, driven by libcurl's multi interface, so that its reader can wait with a deadline or in its own poll(2).
 */
#include "localapi.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/base/wait.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define HOST "local-tailscaled.sock" /* the only name that LocalAPI answers to */
#define HEAD_MAX (64u << 10)
#define BUS_MASK "134" /* 2 InitialState, 4 InitialPrefs, 128 InitialHealthState */

/* --- the socket --- */

/* Where the socket is: the path itself, or what a link of ours says. */
static int resolve(const char *path, char out[PATH_MAX])
{
	char target[PATH_MAX];
	struct stat st;
	const char *slash = strrchr(path, '/');
	if (lstat(path, &st) < 0)
		return -1;
	if (!S_ISLNK(st.st_mode))
		return text_format(out, PATH_MAX, "%s", path);
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		errno = ELOOP;
		return -1;
	}
	ssize_t n = readlink(path, target, sizeof target - 1);
	if (n < 0)
		return -1;
	target[n] = '\0';
	if (*target == '/' || !slash)
		return text_format(out, PATH_MAX, "%s", target);
	return text_format(out, PATH_MAX, "%.*s/%s", (int)(slash - path), path, target);
}

/* A descriptor of the socket file itself, which nobody can exchange any more, and its path by /proc, which always fits. */
static int open_socket(const char *path, char proc[32])
{
	char place[PATH_MAX];
	struct stat st;
	if (resolve(path, place) < 0)
		return -1;
	autofd int fd = open(place, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = S_ISLNK(st.st_mode) ? ELOOP : ENOTSOCK;
		return -1;
	}
	int kept = fd;
	fd = -1;
	snprintf(proc, 32, "/proc/self/fd/%d", kept);
	return kept;
}

/* 1: somebody accepts; 0: not yet; -1: cannot come true by waiting */
static int accepts(void *arg)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char proc[32];
	autofd int file = open_socket(arg, proc);
	if (file < 0)
		return errno == ENOENT ? 0 : -1;
	autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	snprintf(address.sun_path, sizeof address.sun_path, "%s", proc);
	/* EAGAIN: so many wait there that there must be a daemon */
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == EAGAIN)
		return 1;
	return errno == ECONNREFUSED || errno == ENOENT ? 0 : -1;
}

int localapi_wait(const char *socket, int64_t deadline, struct why *why)
{
	char place[PATH_MAX], path[PATH_MAX];
	if (text_format(path, sizeof path, "%s", socket) < 0)
		return why_sys(why, "cannot wait for tailscaled");
	/* The link is there before the daemon is, or never. */
	if (resolve(path, place) < 0 && (errno != ENOENT || text_format(place, sizeof place, "%s", path) < 0))
		return why_sys(why, "cannot use the socket %s", path);
	char *slash = strrchr(place, '/');
	if (slash)
		slash[slash == place] = '\0';
	if (wait_for_change(slash ? place : ".", accepts, path, deadline) > 0)
		return 0;
	if (errno == ETIMEDOUT)
		return why_set(why, "tailscaled does not accept connections on %s", path);
	return why_sys(why, "cannot wait for tailscaled to accept connections on %s", path);
}

/* --- one transfer --- */

struct transfer {
	CURL *curl;
	struct curl_slist *header;
	int file; /* of the socket, until the end: curl connects by it */
	int fd;   /* of the connection; curl's */
	char error[CURL_ERROR_SIZE];
	size_t head_len;
	bool head_complete;
	bool too_large;
	bool no_memory;
	char *data; /* what has come of the body and is not used yet; always with room for a zero behind it */
	size_t len, size;
	size_t searched; /* so far no newline in it */
};

static size_t take_head(char *line, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;
	(void)one;
	t->head_len += len;
	if (t->head_len > HEAD_MAX) {
		t->too_large = true;
		return 0;
	}
	if (len <= 2 && (line[0] == '\r' || line[0] == '\n'))
		t->head_complete = true;
	return len;
}

static size_t take_body(char *data, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;
	(void)one;
	if (len > LOCALAPI_ANSWER_MAX - t->len) {
		t->too_large = true;
		return 0;
	}
	if (t->len + len + 1 > t->size) {
		size_t size = t->size ? t->size : 16384;
		while (size < t->len + len + 1)
			size *= 2;
		char *grown = realloc(t->data, size);
		if (!grown) {
			t->no_memory = true;
			return 0;
		}
		t->data = grown;
		t->size = size;
	}
	memcpy(t->data + t->len, data, len);
	t->len += len;
	t->data[t->len] = '\0';
	return len;
}

/* curl's own would be inherited by programs. */
static curl_socket_t make_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *t = arg;
	(void)purpose;
	t->fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	return t->fd < 0 ? CURL_SOCKET_BAD : t->fd;
}

static void transfer_end(struct transfer *t)
{
	curl_easy_cleanup(t->curl);
	curl_slist_free_all(t->header);
	free(t->data);
	if (t->file >= 0)
		close(t->file);
}

static bool set_request(struct transfer *t, const char *method, const char *url, const char *body, size_t len)
{
	CURL *c = t->curl;
	bool good = curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
	            curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK;
	if (!body)
		return good;
	struct curl_slist *header = curl_slist_append(NULL, "Content-Type: application/json");
	t->header = header;
	header = header ? curl_slist_append(header, "Expect:") : NULL;
	return good && header && curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->header) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_POSTFIELDS, body) == CURLE_OK;
}

/* Nothing of the environment (a proxy) or of the answer (a redirection) leads elsewhere. */
static bool set_rest(struct transfer *t, const char *proc)
{
	CURL *c = t->curl;
	return curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, proc) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, make_socket) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, t) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_head) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HEADERDATA, t) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEDATA, t) == CURLE_OK;
}

static int transfer_begin(struct transfer *t, const char *socket, const char *method, const char *path,
                          const char *body, size_t len, struct why *why)
{
	char url[512], proc[32];
	memset(t, 0, sizeof *t);
	t->fd = -1;
	t->file = open_socket(socket, proc);
	if (t->file < 0)
		return why_sys(why, "cannot reach tailscaled on %s", socket);
	if (text_format(url, sizeof url, "http://" HOST "/localapi/v0/%s", path) < 0)
		return why_sys(why, "cannot ask tailscaled for %.64s", path);
	t->curl = curl_easy_init();
	if (!t->curl || !set_request(t, method, url, body, len) || !set_rest(t, proc)) {
		errno = ENOMEM;
		return why_sys(why, "cannot ask tailscaled for %s", path);
	}
	return 0;
}

/* What went wrong, in errno and words. */
static int transfer_failed(const struct transfer *t, CURLcode code, const char *socket, const char *path,
                           struct why *why)
{
	long os_error = 0;
	curl_easy_getinfo(t->curl, CURLINFO_OS_ERRNO, &os_error);
	if (t->too_large) {
		errno = EMSGSIZE;
		return why_set(why, "tailscaled's answer to %s is larger than %u bytes", path, LOCALAPI_ANSWER_MAX);
	}
	switch (t->no_memory ? CURLE_OUT_OF_MEMORY : code) {
	case CURLE_OPERATION_TIMEDOUT:
		errno = ETIMEDOUT;
		return why_set(why, "tailscaled does not answer %s in time", path);
	case CURLE_OUT_OF_MEMORY: errno = ENOMEM; return why_sys(why, "cannot ask tailscaled for %s", path);
	case CURLE_COULDNT_CONNECT:
		errno = os_error ? (int)os_error : ECONNREFUSED;
		return why_sys(why, "cannot connect to tailscaled on %s", socket);
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		errno = ECONNRESET;
		return why_set(why, "tailscaled went away before it had answered %s", path);
	default:
		errno = EBADMSG;
		return why_set(why, "tailscaled's answer to %s cannot be understood: %s", path,
		               *t->error ? t->error : curl_easy_strerror(code));
	}
}

/* The daemon's own words: {"error": "..."} or {"Error": "..."}, or plain text. */
static void error_text(const struct transfer *t, char *buf, size_t size)
{
	static const char *const names[] = {"error", "Error"};
	struct json_object *o = t->len && t->len < 65536 ? json_tokener_parse(t->data) : NULL;
	struct json_object *value;
	const char *text = t->len ? t->data : "";
	for (size_t i = 0; i < 2; i++)
		if (json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, names[i], &value) &&
		    json_object_is_type(value, json_type_string))
			text = json_object_get_string(value);
	snprintf(buf, size, "%.*s", (int)strcspn(text, "\r\n"), text);
	json_object_put(o);
}

/* A status that is no success is an error. */
static int transfer_verdict(const struct transfer *t, const char *path, struct why *why)
{
	char text[384];
	long code = 0;
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
	if (code >= 200 && code < 300)
		return 0;
	error_text(t, text, sizeof text);
	errno = EREMOTEIO;
	return why_set(why, "tailscaled answers %s with %ld%s%s", path, code, *text ? ": " : "", text);
}

int localapi_call(const char *socket, const char *method, const char *path, const char *body, size_t len, char **answer,
                  size_t *answer_len, int64_t deadline, struct why *why)
{
	struct transfer t;
	int result = transfer_begin(&t, socket, method, path, body, len, why);
	int left = deadline_left(deadline);
	/* (To libcurl 0 means no limit.) */
	if (result == 0 && left >= 0 &&
	    curl_easy_setopt(t.curl, CURLOPT_TIMEOUT_MS, left ? (long)left : 1L) != CURLE_OK) {
		errno = ENOMEM;
		result = why_sys(why, "cannot ask tailscaled for %s", path);
	}
	if (result == 0) {
		CURLcode code = curl_easy_perform(t.curl);
		result = code == CURLE_OK ? transfer_verdict(&t, path, why)
		                          : transfer_failed(&t, code, socket, path, why);
	}
	if (result == 0 && answer) {
		*answer = t.data ? t.data : strdup("");
		if (answer_len)
			*answer_len = t.len;
		t.data = NULL;
		if (!*answer)
			result = why_sys(why, "cannot keep tailscaled's answer to %s", path);
	}
	int saved = errno;
	transfer_end(&t);
	errno = saved;
	return result;
}

/* --- the calls --- */

int localapi_status(const char *socket, struct status *status, int64_t deadline, struct why *why)
{
	autofree char *answer = NULL;
	struct why detail;
	size_t len = 0;
	if (localapi_call(socket, "GET", "status?peers=false", NULL, 0, &answer, &len, deadline, why) < 0)
		return -1;
	if (status_parse(answer, len, status, &detail) < 0)
		return why_set(why, "tailscaled on %s: %s", socket, detail.text);
	return 0;
}

int localapi_edit_prefs(const char *socket, const struct prefs *prefs, int64_t deadline, struct why *why)
{
	struct json_object *edit = prefs_edit(prefs);
	if (!edit)
		return why_sys(why, "cannot set the preferences of tailscaled");
	size_t len;
	const char *body = json_object_to_json_string_length(edit, JSON_C_TO_STRING_PLAIN, &len);
	if (!body)
		errno = ENOMEM;
	int result = body ? localapi_call(socket, "PATCH", "prefs", body, len, NULL, NULL, deadline, why)
	                  : why_sys(why, "cannot set the preferences of tailscaled");
	int saved = errno;
	json_object_put(edit);
	errno = saved;
	return result;
}

/* {"AuthKey":"...","UpdatePrefs":{...}} in one buffer that can be wiped; json-c would keep copies of the key. */
static char *start_body(const char *prefs, const char *authkey, size_t *size)
{
	size_t key_len = authkey ? strlen(authkey) : 0;
	*size = 2 * key_len + strlen(prefs) + 64;
	char *body = calloc(1, *size), *to = body;
	if (!body)
		return NULL;
	*to++ = '{';
	if (authkey) {
		to = stpcpy(to, "\"AuthKey\":\"");
		for (const char *c = authkey; *c; c++) {
			if (*c == '"' || *c == '\\')
				*to++ = '\\';
			*to++ = *c;
		}
		to = stpcpy(to, "\",");
	}
	to = stpcpy(to, "\"UpdatePrefs\":");
	to = stpcpy(to, prefs);
	*to = '}';
	return body;
}

int localapi_start(const char *socket, const struct prefs *prefs, const char *authkey, int64_t deadline,
                   struct why *why)
{
	for (const char *c = authkey; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			errno = EINVAL;
			return why_set(why, "the auth key holds a control character");
		}
	struct json_object *whole = prefs_whole(prefs);
	const char *text = whole ? json_object_to_json_string_ext(whole, JSON_C_TO_STRING_PLAIN) : NULL;
	size_t size = 0;
	char *body = text ? start_body(text, authkey, &size) : NULL;
	if (!body)
		errno = ENOMEM;
	int result = body ? localapi_call(socket, "POST", "start", body, strlen(body), NULL, NULL, deadline, why)
	                  : why_sys(why, "cannot start the node of tailscaled");
	int saved = errno;
	if (body)
		explicit_bzero(body, size);
	free(body);
	json_object_put(whole);
	errno = saved;
	return result;
}

static int post(const char *socket, const char *path, int64_t deadline, struct why *why)
{
	return localapi_call(socket, "POST", path, "", 0, NULL, NULL, deadline, why);
}

int localapi_login(const char *socket, int64_t deadline, struct why *why)
{
	return post(socket, "login-interactive", deadline, why);
}

int localapi_logout(const char *socket, int64_t deadline, struct why *why)
{
	return post(socket, "logout", deadline, why);
}

/* --- the bus --- */

#define BUS_PATH "watch-ipn-bus"

struct localapi_bus {
	CURLM *multi;
	struct transfer transfer;
	bool added, over;
	CURLcode code; /* how it was over */
	char socket[];
};

/* Lets curl do what can be done without waiting. */
static int bus_read(struct localapi_bus *bus)
{
	int running = 0, left_over;
	if (bus->over)
		return 0;
	if (curl_multi_perform(bus->multi, &running) != CURLM_OK) {
		errno = ENOMEM;
		return -1;
	}
	if (running)
		return 0;
	const CURLMsg *m = curl_multi_info_read(bus->multi, &left_over);
	bus->over = true;
	bus->code = m && m->msg == CURLMSG_DONE ? m->data.result : CURLE_RECV_ERROR;
	return 0;
}

/* Waits until there is something to do. Only after bus_read has left nothing of use. */
static int bus_wait(struct localapi_bus *bus, int64_t deadline)
{
	int left = deadline_left(deadline);
	if (left == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	if (curl_multi_poll(bus->multi, NULL, 0, left < 0 ? INT_MAX : left, NULL) != CURLM_OK) {
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

/* Has the daemon agreed, or has it said all against it? */
static bool bus_answered(const struct localapi_bus *bus)
{
	long code = 0;
	curl_easy_getinfo(bus->transfer.curl, CURLINFO_RESPONSE_CODE, &code);
	return bus->over || (bus->transfer.head_complete && code == 200);
}

static int bus_start(struct localapi_bus *bus, int64_t deadline, struct why *why)
{
	struct transfer *t = &bus->transfer;
	if (transfer_begin(t, bus->socket, "GET", BUS_PATH "?mask=" BUS_MASK, NULL, 0, why) < 0)
		return -1;
	bus->multi = curl_multi_init();
	bus->added = bus->multi && curl_multi_add_handle(bus->multi, t->curl) == CURLM_OK;
	if (!bus->added) {
		errno = ENOMEM;
		return why_sys(why, "cannot watch tailscaled on %s", bus->socket);
	}
	for (;;) {
		if (bus_read(bus) < 0)
			return why_sys(why, "cannot watch tailscaled on %s", bus->socket);
		if (bus_answered(bus))
			break;
		if (bus_wait(bus, deadline) < 0)
			return why_sys(why, "cannot watch tailscaled on %s", bus->socket);
	}
	if (bus->over && bus->code != CURLE_OK)
		return transfer_failed(t, bus->code, bus->socket, BUS_PATH, why);
	return transfer_verdict(t, BUS_PATH, why);
}

struct localapi_bus *localapi_bus_open(const char *socket, int64_t deadline, struct why *why)
{
	size_t len = strlen(socket) + 1;
	struct localapi_bus *bus = calloc(1, sizeof *bus + len);
	if (!bus) {
		why_sys(why, "cannot watch tailscaled");
		return NULL;
	}
	memcpy(bus->socket, socket, len);
	bus->transfer.file = -1;
	if (bus_start(bus, deadline, why) < 0) {
		int saved = errno;
		localapi_bus_close(bus);
		errno = saved;
		return NULL;
	}
	return bus;
}

/* A line from what has come. 1, 0 where there is no whole one, or -1 where it is no message. */
static int bus_line(struct transfer *t, struct notify *notify, struct why *why)
{
	for (;;) {
		char *end = t->len > t->searched ? memchr(t->data + t->searched, '\n', t->len - t->searched) : NULL;
		if (!end) {
			t->searched = t->len;
			return 0;
		}
		size_t line = (size_t)(end - t->data);
		int result = line == 0 ? 0 : notify_parse(t->data, line, notify, why) < 0 ? -1 : 1;
		t->len -= line + 1;
		t->searched = 0;
		memmove(t->data, end + 1, t->len + 1);
		if (result)
			return result;
	}
}

int localapi_bus_next(struct localapi_bus *bus, struct notify *notify, int64_t deadline, struct why *why)
{
	struct transfer *t = &bus->transfer;
	for (;;) {
		int result = bus_read(bus);
		int line = bus_line(t, notify, why);
		if (line)
			return line > 0 ? 0 : -1;
		if (bus->over)
			break;
		if (result < 0 || bus_wait(bus, deadline) < 0)
			return why_sys(why, "no message from tailscaled on %s", bus->socket);
	}
	if (bus->code != CURLE_OK)
		return transfer_failed(t, bus->code, bus->socket, BUS_PATH, why);
	errno = ECONNRESET;
	return why_set(why, "tailscaled on %s has closed its bus", bus->socket);
}

int localapi_bus_fd(const struct localapi_bus *bus)
{
	return bus->transfer.fd;
}

void localapi_bus_close(struct localapi_bus *bus)
{
	if (!bus)
		return;
	if (bus->added)
		curl_multi_remove_handle(bus->multi, bus->transfer.curl);
	transfer_end(&bus->transfer);
	curl_multi_cleanup(bus->multi);
	free(bus);
}
