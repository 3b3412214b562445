/* SPDX-License-Identifier: ISC */
/*
 * A stand-in for tailscaled, for tests: it takes tailscaled's flags and speaks the part of LocalAPI that tslink uses, makes no tunnel, and fails in
 * the ways that a test asks for. Nothing that passes with it says anything of Tailscale itself; the end-to-end tests do.
 *
 * Linked statically it needs no file but its own, its state directory and /dev/urandom, so that it runs in a node's private root and as its uid.
 * It keeps its node key and address in the state file, and writes every call to standard error ("call POST start key=yes"), never a key.
 *
 * What it does wrong stands in standin.conf beside the state file, one order a line, or in TSLINK_STANDIN with ";" between them; the file
 * is read again whenever it changes:
 *
 *   key TEXT           only this auth key is good (else every one is)
 *   refuse TEXT        every login is refused with this message
 *   unreachable        the control server does not answer: NoState with a node key, else a login error of the transport
 *   offline            never in touch with the control server: Running without Self.Online
 *   online-after MS    in touch only that long after Running, and the bus does not tell of it
 *   approval           new nodes must be approved (NeedsMachineAuth)
 *   expired            the node key is not valid any more (NeedsLogin)
 *   delay MS           from the login to Running (0)
 *   socket-after MS    the socket is made that late
 *   hang CALL          no answer to this call: status, prefs, start, login-interactive, logout, watch-ipn-bus
 *   error CALL TEXT    this call is answered with 500 and the text
 *   bad-json CALL, huge CALL, close CALL    its answer is no JSON, endless, or cut
 *   ignore-term        SIGTERM does nothing
 *   die-after MS       SIGKILL for itself, that long after its start
 *   exit CODE          it ends at once with this code
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { NO_STATE = 0, NEEDS_LOGIN = 2, NEEDS_APPROVAL = 3, STOPPED = 4, STARTING = 5, RUNNING = 6 };
static const char *const states[] = {"NoState", "InUseOtherUser", "NeedsLogin", "NeedsMachineAuth",
                                     "Stopped", "Starting",       "Running"};

#define CLIENTS 64
#define REQUEST_MAX 65536

struct client {
	int fd;
	char *in;
	size_t len;
	bool watching; /* the bus */
	bool hanging;
	bool flooding;
};

static struct {
	char state_file[4096], dir[4096], socket[4096];
	char conf[8192]; /* lines */
	int64_t began;
	int listener, signals, changes;
	struct client client[CLIENTS];
	/* the node */
	char node_key[33]; /* "" while there is none */
	char hostname[64];
	char control_url[256];
	bool want_running, authkey_given, login_pending;
	char authkey[600];
	int state;
	int64_t running_at, online_at; /* 0: not under way */
	char login_error[512], auth_url[128];
} d;

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

_Noreturn static void fatal(const char *what)
{
	fprintf(stderr, "standin: fatal: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- orders --- */

static void conf_read(void)
{
	char path[4200];
	const char *env = getenv("TSLINK_STANDIN");
	size_t len = 0;
	if (env) {
		len = (size_t)snprintf(d.conf, sizeof d.conf / 2, "%s\n", env);
		for (char *c = d.conf; *c; c++)
			if (*c == ';')
				*c = '\n';
	}
	snprintf(path, sizeof path, "%s/standin.conf", d.dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = read(fd, d.conf + len, sizeof d.conf - len - 1);
		len += n > 0 ? (size_t)n : 0;
		close(fd);
	} else if (errno != ENOENT) {
		fatal(path);
	}
	d.conf[len] = '\0';
}

/* What stands behind an order, up to the end of its line: NULL where it is not given. The buffer is good until the next call. */
static const char *order(const char *name)
{
	static char value[1024];
	size_t len = strlen(name);
	for (const char *line = d.conf; *line;) {
		while (*line == ' ')
			line++;
		size_t n = strcspn(line, "\n");
		if (n >= len && !memcmp(line, name, len) && (n == len || line[len] == ' ')) {
			const char *rest = line + len + strspn(line + len, " ");
			snprintf(value, sizeof value, "%.*s", (int)strcspn(rest, "\n"), rest);
			return value;
		}
		line += n + (line[n] == '\n');
	}
	return NULL;
}

/* The same of an order that names a call. */
static const char *order_of(const char *name, const char *call)
{
	char both[256];
	snprintf(both, sizeof both, "%.32s %.200s", name, call);
	return order(both);
}

static int64_t order_ms(const char *name)
{
	const char *value = order(name);
	return value ? strtoll(value, NULL, 10) : 0;
}

/* --- the node --- */

static void node_load(void)
{
	FILE *f = fopen(d.state_file, "re");
	if (!f)
		return;
	if (fscanf(f, "standin %32s %63s %255s", d.node_key, d.hostname, d.control_url) < 1)
		d.node_key[0] = '\0';
	d.want_running = true;
	fclose(f);
}

static void node_save(void)
{
	char aside[4200];
	snprintf(aside, sizeof aside, "%s.new", d.state_file);
	FILE *f = fopen(aside, "we");
	if (!f || fprintf(f, "standin %s %s %s\n", d.node_key, d.hostname, d.control_url) < 0 || fclose(f) != 0 ||
	    rename(aside, d.state_file) < 0)
		fatal(aside);
}

static void node_key_make(void)
{
	unsigned char bytes[16];
	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		fatal("getrandom");
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(d.node_key + 2 * i, 3, "%02x", bytes[i]);
	node_save();
}

/* An address that stays with the node key: 100.64.0.0/10. */
static void node_address(char *v4, char *v6)
{
	unsigned n = (unsigned)strtoul(
		(char[]){d.node_key[0], d.node_key[1], d.node_key[2], d.node_key[3], d.node_key[4], 0}, NULL, 16);
	snprintf(v4, 16, "100.%u.%u.%u", 64 + (n >> 16) % 64, (n >> 8) & 255, n & 255);
	snprintf(v6, 40, "fd7a:115c:a1e0::%x:%x", n >> 16, n & 0xffff);
}

static bool online(void)
{
	return d.state == RUNNING && d.online_at && now_ms() >= d.online_at && !order("offline") &&
	       !order("unreachable");
}

static void status_add(struct json_object *o, const char *name, struct json_object *value)
{
	if (!value || json_object_object_add(o, name, value) < 0)
		fatal("out of memory");
}

static struct json_object *addresses(void)
{
	char v4[16], v6[40];
	struct json_object *list = json_object_new_array();
	if (d.node_key[0] && d.state != NO_STATE) {
		node_address(v4, v6);
		json_object_array_add(list, json_object_new_string(v4));
		json_object_array_add(list, json_object_new_string(v6));
	}
	return list;
}

static struct json_object *status(void)
{
	char text[1024];
	struct json_object *o = json_object_new_object(), *self = json_object_new_object(),
			   *health = json_object_new_array();
	if (!o || !self || !health)
		fatal("out of memory");
	status_add(o, "Version", json_object_new_string("0-standin"));
	status_add(o, "TUN", json_object_new_boolean(1));
	status_add(o, "BackendState", json_object_new_string(states[d.state]));
	if (d.node_key[0])
		status_add(o, "HaveNodeKey", json_object_new_boolean(1));
	status_add(o, "AuthURL", json_object_new_string(d.auth_url));
	status_add(o, "TailscaleIPs", addresses());
	status_add(self, "HostName", json_object_new_string(d.hostname));
	snprintf(text, sizeof text, "%s.standin.internal.", d.hostname);
	status_add(self, "DNSName", json_object_new_string(d.node_key[0] ? text : ""));
	status_add(self, "TailscaleIPs", addresses());
	status_add(self, "Online", json_object_new_boolean(online()));
	status_add(o, "Self", self);
	if (d.login_error[0]) {
		snprintf(text, sizeof text, "You are logged out. The last login error was: %s", d.login_error);
		json_object_array_add(health, json_object_new_string(text));
	}
	status_add(o, "Health", health);
	return o;
}

/* --- clients --- */

static void client_end(struct client *c)
{
	close(c->fd);
	free(c->in);
	*c = (struct client){.fd = -1};
}

static bool send_all(struct client *c, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
		if (n < 0) {
			client_end(c);
			return false;
		}
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static void answer(struct client *c, int code, const char *body)
{
	char head[256];
	snprintf(
		head, sizeof head,
		"HTTP/1.1 %d Standin\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
		code, strlen(body));
	if (code == 204)
		snprintf(head, sizeof head, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
	if (send_all(c, head, strlen(head)) && send_all(c, body, strlen(body)))
		client_end(c);
}

static void answer_json(struct client *c, struct json_object *o)
{
	answer(c, 200, json_object_to_json_string(o));
	json_object_put(o);
}

static void bus_send(struct client *c, const char *message)
{
	char head[32];
	snprintf(head, sizeof head, "%zx\r\n", strlen(message) + 1);
	if (send_all(c, head, strlen(head)) && send_all(c, message, strlen(message)))
		send_all(c, "\n\r\n", 3);
}

static void bus_tell(const char *name, struct json_object *value)
{
	struct json_object *o = json_object_new_object();
	status_add(o, "Version", json_object_new_string("0-standin"));
	status_add(o, name, value);
	for (struct client *c = d.client; c < d.client + CLIENTS; c++)
		if (c->fd >= 0 && c->watching)
			bus_send(c, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

/* --- states --- */

static void go(int state)
{
	if (d.state == state)
		return;
	fprintf(stderr, "standin: %s -> %s\n", states[d.state], states[state]);
	d.state = state;
	d.online_at = state == RUNNING ? now_ms() + order_ms("online-after") : 0;
	bus_tell("State", json_object_new_int(state));
}

static void login_failed(const char *text, bool of_control)
{
	snprintf(d.login_error, sizeof d.login_error, "%s", text);
	bus_tell("Health", json_object_new_object());
	if (of_control)
		bus_tell("ErrMessage", json_object_new_string(text));
}

#define TRANSPORT "fetch control key: Get \"http://standin/key\": dial tcp: connect: connection refused"

/* Where a node with a key goes from here. */
static void resume(void)
{
	d.running_at = 0;
	if (!d.node_key[0] || order("expired"))
		go(NEEDS_LOGIN);
	else if (!d.want_running)
		go(STOPPED);
	else if (order("unreachable") && d.state != RUNNING) {
		go(NO_STATE);
		login_failed(TRANSPORT, false);
	} else if (order("approval"))
		go(NEEDS_APPROVAL);
	else if (d.state != RUNNING) {
		d.login_error[0] = '\0';
		go(STARTING);
		d.running_at = now_ms() + order_ms("delay");
	}
}

static void log_in(void)
{
	const char *refusal = order("refuse");
	d.login_pending = order("unreachable") != NULL;
	if (d.login_pending) {
		login_failed(TRANSPORT, false);
		return;
	}
	if (refusal) {
		login_failed(refusal, true);
		return;
	}
	if (!d.authkey_given) {
		snprintf(d.auth_url, sizeof d.auth_url, "https://standin.test/a/%s", d.hostname);
		bus_tell("BrowseToURL", json_object_new_string(d.auth_url));
		return;
	}
	const char *good = order("key");
	if (good && strcmp(good, d.authkey)) {
		login_failed("invalid key: API key does not exist", true);
		return;
	}
	d.auth_url[0] = '\0';
	if (!d.node_key[0])
		node_key_make();
	if (order("expired"))
		go(STARTING), d.running_at = now_ms() + order_ms("delay");
	else
		resume();
}

static void tick(void)
{
	if (d.running_at && now_ms() >= d.running_at && d.state == STARTING) {
		d.running_at = 0;
		go(RUNNING);
	}
}

/* --- calls --- */

static void prefs_take(struct json_object *o, bool edit)
{
	struct json_object *value;
	if (json_object_object_get_ex(o, "Hostname", &value))
		snprintf(d.hostname, sizeof d.hostname, "%s", json_object_get_string(value));
	if (json_object_object_get_ex(o, "ControlURL", &value))
		snprintf(d.control_url, sizeof d.control_url, "%s", json_object_get_string(value));
	if (json_object_object_get_ex(o, "WantRunning", &value))
		d.want_running = json_object_get_boolean(value);
	fprintf(stderr, "standin: prefs %s %s\n", edit ? "edited" : "set",
	        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	if (d.node_key[0])
		node_save();
}

static void call_start(struct client *c, struct json_object *o)
{
	struct json_object *value;
	d.authkey_given = json_object_object_get_ex(o, "AuthKey", &value) && json_object_get_string_len(value) > 0;
	snprintf(d.authkey, sizeof d.authkey, "%s", d.authkey_given ? json_object_get_string(value) : "");
	if (json_object_object_get_ex(o, "UpdatePrefs", &value))
		prefs_take(value, false);
	d.login_error[0] = '\0';
	resume();
	answer(c, 204, "");
}

static void call_bus(struct client *c)
{
	static const char head[] =
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
	char first[256];
	c->watching = true;
	snprintf(
		first, sizeof first,
		"{\"Version\":\"0-standin\",\"SessionID\":\"0\",\"ErrMessage\":null,\"State\":%d,\"Prefs\":{},\"Health\":{}}",
		d.state);
	if (send_all(c, head, sizeof head - 1))
		bus_send(c, first);
}

static void call_logout(struct client *c)
{
	d.node_key[0] = '\0';
	if (unlink(d.state_file) < 0 && errno != ENOENT)
		fatal(d.state_file);
	go(NEEDS_LOGIN);
	answer(c, 204, "");
}

/* The ways in which any call fails. true where one was ordered. */
static bool call_fails(struct client *c, const char *call)
{
	char body[1200];
	const char *text = order_of("error", call);
	if (text) {
		snprintf(body, sizeof body, "{\"error\":\"%s\"}", text);
		answer(c, 500, body);
	} else if (order_of("bad-json", call)) {
		answer(c, 200, "{\"BackendState\":\"Running\",");
	} else if (order_of("close", call)) {
		if (send_all(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", 41))
			client_end(c);
	} else if (order_of("huge", call)) {
		if (send_all(c, "HTTP/1.1 200 OK\r\n\r\n{\"a\":\"", 25))
			c->flooding = true;
	} else if (order_of("hang", call)) {
		c->hanging = true;
	} else {
		return false;
	}
	return true;
}

static void call(struct client *c, const char *method, const char *name, struct json_object *o)
{
	struct json_object *value;
	bool key = json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, "AuthKey", &value) &&
	           json_object_get_string_len(value) > 0;
	fprintf(stderr, "standin: call %s %s key=%s\n", method, name, key ? "yes" : "no");
	if (call_fails(c, name))
		return;
	if (!strcmp(name, "status")) {
		answer_json(c, status());
	} else if (!strcmp(name, "watch-ipn-bus")) {
		call_bus(c);
	} else if (!strcmp(name, "prefs") && !strcmp(method, "PATCH") && json_object_is_type(o, json_type_object)) {
		prefs_take(o, true);
		resume();
		answer(c, 200, "{}");
	} else if (!strcmp(name, "start") && json_object_is_type(o, json_type_object)) {
		call_start(c, o);
	} else if (!strcmp(name, "login-interactive")) {
		answer(c, 204, "");
		log_in();
	} else if (!strcmp(name, "logout")) {
		call_logout(c);
	} else {
		answer(c, 404, "{\"error\":\"the stand-in does not know this call\"}");
	}
}

/* A whole request, if there is one. */
static void client_request(struct client *c)
{
	char method[16], path[256], *end = strstr(c->in, "\r\n\r\n");
	static const char prefix[] = "/localapi/v0/";
	if (!end)
		return;
	const char *length = strcasestr(c->in, "\r\nContent-Length:");
	size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
	size_t head = (size_t)(end + 4 - c->in);
	if (c->len < head + body)
		return;
	if (sscanf(c->in, "%15s %255s", method, path) != 2 || strncmp(path, prefix, sizeof prefix - 1) ||
	    !strcasestr(c->in, "\r\nHost: local-tailscaled.sock\r\n")) {
		answer(c, 403, "invalid localapi request");
		return;
	}
	path[strcspn(path, "?")] = '\0';
	struct json_object *o = body ? json_tokener_parse(c->in + head) : NULL;
	free(c->in);
	c->in = NULL;
	c->len = 0;
	call(c, method, path + sizeof prefix - 1, o);
	json_object_put(o);
}

static void client_read(struct client *c)
{
	if (!c->in)
		c->in = calloc(1, REQUEST_MAX + 1);
	if (!c->in)
		fatal("out of memory");
	ssize_t n = recv(c->fd, c->in + c->len, REQUEST_MAX - c->len, 0);
	if (n <= 0) {
		client_end(c);
		return;
	}
	c->len += (size_t)n;
	c->in[c->len] = '\0';
	if (!c->watching && !c->hanging && !c->flooding)
		client_request(c);
}

static void client_flood(struct client *c)
{
	static char spaces[65536];
	memset(spaces, 'x', sizeof spaces);
	send_all(c, spaces, sizeof spaces);
}

static void client_accept(void)
{
	int fd = accept4(d.listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	for (struct client *c = d.client; c < d.client + CLIENTS; c++)
		if (c->fd < 0) {
			c->fd = fd;
			return;
		}
	close(fd);
}

/* --- the rest --- */

/* As tailscale's safesocket: what is stale goes, and the mode is changed when it listens. */
static void listen_on_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(d.socket) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		fatal(d.socket);
	}
	memcpy(address.sun_path, d.socket, strlen(d.socket) + 1);
	unlink(d.socket);
	d.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (d.listener < 0 || bind(d.listener, (struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(d.listener, 64) < 0 || chmod(d.socket, 0666) < 0)
		fatal(d.socket);
	fprintf(stderr, "standin: listening on %s\n", d.socket);
}

static void flags(int argc, char **argv)
{
	static const char *const known[] = {"state",
	                                    "statedir",
	                                    "socket",
	                                    "tun",
	                                    "port",
	                                    "verbose",
	                                    "debug",
	                                    "config",
	                                    "no-logs-no-support",
	                                    "encrypt-state",
	                                    "hardware-attestation",
	                                    "socks5-server",
	                                    "outbound-http-proxy-listen"};
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i] + strspn(argv[i], "-");
		size_t len = strcspn(name, "="), k = 0;
		while (k < sizeof known / sizeof known[0] && (strlen(known[k]) != len || memcmp(name, known[k], len)))
			k++;
		if (argv[i][0] != '-' || k == sizeof known / sizeof known[0]) {
			fprintf(stderr, "standin: flag provided but not defined: %s\n", argv[i]);
			exit(2);
		}
		const char *value = name[len] ? name + len + 1 : k >= 8 ? "true" : i + 1 < argc ? argv[++i] : "";
		if (k == 0)
			snprintf(d.state_file, sizeof d.state_file, "%s", value);
		else if (k == 1)
			snprintf(d.dir, sizeof d.dir, "%s", value);
		else if (k == 2)
			snprintf(d.socket, sizeof d.socket, "%s", value);
	}
	if (!d.state_file[0] && d.dir[0])
		snprintf(d.state_file, sizeof d.state_file, "%.4000s/tailscaled.state", d.dir);
	if (!d.state_file[0] || !d.socket[0]) {
		fprintf(stderr, "standin: --state or --statedir, and --socket are needed\n");
		exit(2);
	}
	/* The orders are beside the state file. */
	char *slash = strrchr(d.state_file, '/');
	snprintf(d.dir, sizeof d.dir, "%.*s", slash ? (int)(slash - d.state_file) : 1, slash ? d.state_file : ".");
}

static void signals_block(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	d.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d.signals < 0)
		fatal("signalfd");
}

static void signal_take(void)
{
	struct signalfd_siginfo si;
	while (read(d.signals, &si, sizeof si) == sizeof si) {
		if (order("ignore-term")) {
			fprintf(stderr, "standin: signal %u ignored\n", si.ssi_signo);
			continue;
		}
		fprintf(stderr, "standin: signal %u\n", si.ssi_signo);
		unlink(d.socket);
		exit(0);
	}
}

static void changes_take(void)
{
	char events[4096] __attribute__((aligned(8)));
	bool ours = false;
	for (ssize_t n; (n = read(d.changes, events, sizeof events)) > 0;)
		for (char *p = events; p < events + n;) {
			const struct inotify_event *e = (const void *)p;
			ours |= e->len && !strcmp(e->name, "standin.conf");
			p += sizeof *e + e->len;
		}
	if (!ours)
		return;
	conf_read();
	fprintf(stderr, "standin: new orders\n");
	if (d.login_pending)
		log_in();
	else if (d.state == NEEDS_APPROVAL || d.state == NO_STATE || order("approval") || order("expired"))
		resume();
}

/* Milliseconds to the next thing that happens by itself. */
static int next_event(void)
{
	int64_t at = INT64_MAX, listen_at = d.listener < 0 ? d.began + order_ms("socket-after") : INT64_MAX;
	int64_t die_at = order("die-after") ? d.began + order_ms("die-after") : INT64_MAX;
	at = listen_at < at ? listen_at : at;
	at = die_at < at ? die_at : at;
	at = d.running_at && d.running_at < at ? d.running_at : at;
	if (now_ms() >= die_at)
		raise(SIGKILL);
	if (now_ms() >= listen_at)
		listen_on_socket();
	if (at == INT64_MAX)
		return -1;
	return at > now_ms() ? (int)(at - now_ms()) : 0;
}

static void loop(void)
{
	for (;;) {
		struct pollfd p[CLIENTS + 3] = {{.fd = d.signals, .events = POLLIN},
		                                {.fd = d.changes, .events = POLLIN}};
		int timeout = next_event();
		p[2] = (struct pollfd){.fd = d.listener, .events = POLLIN};
		for (size_t i = 0; i < CLIENTS; i++)
			p[i + 3] = (struct pollfd){.fd = d.client[i].fd,
			                           .events = d.client[i].flooding ? POLLOUT : POLLIN};
		if (poll(p, CLIENTS + 3, timeout) < 0 && errno != EINTR)
			fatal("poll");
		if (p[0].revents)
			signal_take();
		if (p[1].revents)
			changes_take();
		tick();
		for (size_t i = 0; i < CLIENTS; i++) {
			struct client *c = &d.client[i];
			if (c->fd < 0 || c->fd != p[i + 3].fd || !p[i + 3].revents)
				continue;
			if (c->flooding)
				client_flood(c);
			else
				client_read(c);
		}
		if (p[2].revents)
			client_accept();
	}
}

int main(int argc, char **argv)
{
	setvbuf(stderr, NULL, _IOLBF, 0);
	d.began = now_ms();
	d.listener = -1;
	for (size_t i = 0; i < CLIENTS; i++)
		d.client[i].fd = -1;
	flags(argc, argv);
	conf_read();
	const char *code = order("exit");
	if (code)
		exit(atoi(code));
	signals_block();
	d.changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (d.changes < 0 || inotify_add_watch(d.changes, d.dir, IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE) < 0)
		fatal(d.dir);
	node_load();
	d.state = NO_STATE;
	resume();
	loop();
}
