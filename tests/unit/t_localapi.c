/* SPDX-License-Identifier: ISC */
/* LocalAPI against a peer that answers what the test says, byte by byte, and keeps what it was asked. */
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/tailscale/localapi.h"
#include "tap.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static char dir[] = "/tmp/t_localapi.XXXXXX";

/* --- the peer --- */

struct peer {
	pid_t pid;
	int said; /* what the peer was asked */
	int go;   /* a byte into it lets the peer go on after its first answer */
};

enum after { CLOSE, HOLD, REPEAT };

static int listen_at(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 5) < 0)
		perror("listen"), exit(1);
	chmod(path, 0666);
	return fd;
}

static void put(int fd, const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, s, len, MSG_NOSIGNAL);
		if (n <= 0)
			_exit(0);
		s += n;
		len -= (size_t)n;
	}
}

/* The request, until its body is whole. */
static void hear(int fd, int said)
{
	char buf[65536];
	size_t len = 0, want = 0;
	while (!want || len < want) {
		ssize_t n = recv(fd, buf + len, sizeof buf - 1 - len, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
		buf[len] = 0;
		const char *end = strstr(buf, "\r\n\r\n"), *length = strstr(buf, "Content-Length: ");
		if (end)
			want = (size_t)(end + 4 - buf) + (length ? strtoul(length + 16, NULL, 10) : 0);
	}
	if (write(said, buf, len) != (ssize_t)len)
		_exit(1);
}

/* `first` is answered at once, `second` after a byte in go (where it is not NULL); then as `after` says. */
static struct peer peer_at(const char *path, const char *first, const char *second, enum after after)
{
	int said[2], go[2];
	if (pipe(said) < 0 || pipe(go) < 0)
		exit(1);
	fcntl(said[1], F_SETPIPE_SZ, 1 << 17);
	unlink(path);
	int listener = listen_at(path);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		char c;
		close(said[0]);
		close(go[1]);
		int fd = accept(listener, NULL, NULL);
		hear(fd, said[1]);
		close(said[1]);
		put(fd, first, strlen(first));
		if (after == REPEAT)
			for (;;)
				put(fd, second, strlen(second)); /* ends the peer when nobody listens any more */
		if (second && read(go[0], &c, 1) == 1)
			put(fd, second, strlen(second));
		while (after == HOLD && read(fd, &c, 1) > 0)
			;
		_exit(0);
	}
	close(listener);
	close(said[1]);
	close(go[0]);
	return (struct peer){pid, said[0], go[1]};
}

static struct peer peer(const char *first, const char *second, enum after after)
{
	return peer_at("s", first, second, after);
}

static void peer_said(struct peer *p, char *buf, size_t size)
{
	size_t len = 0;
	for (ssize_t n; len < size - 1 && (n = read(p->said, buf + len, size - 1 - len)) > 0;)
		len += (size_t)n;
	buf[len] = 0;
}

static int starts(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static void peer_end(struct peer *p)
{
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	close(p->said);
	close(p->go);
}

#define JSON(body) "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" body
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"

/* --- what a status says --- */

static const char running[] =
	"{\"Version\":\"1.102.3\",\"TUN\":true,\"BackendState\":\"Running\",\"HaveNodeKey\":true,\"AuthURL\":\"\","
	"\"TailscaleIPs\":[\"fd7a:115c:a1e0::1\",\"100.64.0.1\"],\"Self\":{\"HostName\":\"a\",\"DNSName\":\"a.tail1.ts.net.\",\"Online\":true},"
	"\"Health\":[\"x\",\"You are logged out. The last login error was: invalid\\u001b[31m key\\n\"],\"Peer\":null}\n";

static void parse(const char *json, struct status *status, int result, const char *name)
{
	struct why why;
	errno = 0;
	int got = status_parse(json, strlen(json), status, &why);
	ok(got == result && (got == 0 || errno == EBADMSG), "status: %s", name);
}

static void statuses(void)
{
	struct status s;
	parse(running, &s, 0, "a running node");
	is_number(s.backend, BACKEND_RUNNING, "its state");
	is_number(s.have_node_key && s.online, 1, "its key, and that it is in touch");
	is_number((long long)s.address_count, 2, "two addresses");
	is(s.address[0], "100.64.0.1", "IPv4 comes first");
	is(s.name, "a.tail1.ts.net", "the name is without its dot");
	is(s.login_error, "invalid [31m key ", "the login error is one line without control characters");
	parse("{\"BackendState\":\"NeedsLogin\",\"AuthURL\":\"https://l.test/a/1\"}", &s, 0, "a fresh node");
	is_number(s.have_node_key || s.online || s.address_count || s.name[0], 0, "it has nothing");
	is(s.auth_url, "https://l.test/a/1", "but a login URL");
	parse("{\"BackendState\":\"Sleeping\"}", &s, 0, "a state that nobody knows");
	is_number(s.backend, BACKEND_UNKNOWN, "is unknown");
	is(backend_name(s.backend), "unknown", "and has that name");
	is(backend_name(BACKEND_NEEDS_APPROVAL), "NeedsMachineAuth", "the others have Tailscale's");
	parse("{\"BackendState\":\"Running\",\"Self\":{\"DNSName\":\"a/../b\"},\"TailscaleIPs\":[\"1.2.3\",7,\"100.64.0.1; rm\"],"
	      "\"AuthURL\":\"javascript:x\",\"HaveNodeKey\":\"yes\"}",
	      &s, 0, "hostile values");
	is_number(s.name[0] || s.address_count || s.auth_url[0] || s.have_node_key, 0, "are not taken");
	parse("{\"BackendState\":\"Running\",\"AuthURL\":\"https://l.test/a b\"}", &s, 0, "a URL with a space");
	is(s.auth_url, "", "is not taken");
	parse("", &s, -1, "nothing");
	parse("[]", &s, -1, "a list");
	parse("{}", &s, -1, "no state");
	parse("{\"BackendState\":\"Running\"", &s, -1, "a cut one");
	parse("{\"BackendState\":\"Running\"}x", &s, -1, "more behind it");
	parse("{\"BackendState\":\"Run\xff\"}", &s, -1, "no UTF-8");
	char deep[600];
	memset(deep, '[', sizeof deep);
	deep[sizeof deep - 1] = 0;
	parse(deep, &s, -1, "a deep one");
}

static void notifies(void)
{
	struct notify n;
	struct why why;
	static const char refused[] = "{\"Version\":\"1\",\"ErrMessage\":\"invalid key\",\"State\":2,\"Prefs\":null}";
	is_number(notify_parse(refused, strlen(refused), &n, &why), 0, "message: an error");
	is(n.error, "invalid key", "its text");
	is_number(n.backend, BACKEND_NEEDS_LOGIN, "its state");
	static const char other[] =
		"{\"Version\":\"1\",\"ErrMessage\":null,\"State\":99,\"BrowseToURL\":\"https://l.test/a/1\"}";
	is_number(notify_parse(other, strlen(other), &n, &why), 0, "message: a URL");
	is(n.auth_url, "https://l.test/a/1", "it is there");
	ok(!n.error[0] && n.backend == BACKEND_UNKNOWN, "and nothing else");
	errno = 0;
	ok(notify_parse("{", 1, &n, &why) < 0 && errno == EBADMSG, "message: no JSON");
	ok(login_error_is_transport("fetch control key: Get \"https://x/key\": dial tcp: connection refused"),
	   "the transport");
	ok(!login_error_is_transport("invalid key: API key does not exist"), "the control server's word");
	ok(!login_error_is_transport("requested tags [tag:web] are invalid or not permitted"), "another one");
}

/* --- calls --- */

static void calls(void)
{
	struct status s;
	struct why why;
	char said[65536];
	struct peer p = peer(JSON("{\"BackendState\":\"Starting\"}\n"), NULL, CLOSE);
	is_number(localapi_status("s", &s, deadline_in(5000), &why), 0, "status over the socket");
	is_number(s.backend, BACKEND_STARTING, "what it says");
	peer_said(&p, said, sizeof said);
	ok(starts(said, "GET /localapi/v0/status?peers=false HTTP/1.1\r\nHost: local-tailscaled.sock\r\n"),
	   "the request");
	ok(!strstr(said, "Origin") && !strstr(said, "Referer"), "it has no header that LocalAPI refuses");
	peer_end(&p);

	setenv("http_proxy", "http://127.0.0.1:1/", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1/", 1);
	p = peer(NO_CONTENT, NULL, CLOSE);
	is_number(localapi_logout("s", deadline_in(5000), &why), 0, "logout, with a proxy in the environment");
	peer_said(&p, said, sizeof said);
	ok(starts(said, "POST /localapi/v0/logout HTTP/1.1\r\n"), "is a POST to the socket");
	peer_end(&p);
}

static void start(void)
{
	struct prefs prefs;
	struct why why;
	struct json_object *key;
	char said[65536];
	prefs_init(&prefs, "https://c.test", "web", NULL);
	struct peer p = peer(NO_CONTENT, NULL, CLOSE);
	is_number(localapi_start("s", &prefs, "tskey-\"q\\", deadline_in(5000), &why), 0, "start");
	peer_said(&p, said, sizeof said);
	peer_end(&p);
	const char *body = strstr(said, "\r\n\r\n");
	struct json_object *o = body ? json_tokener_parse(body + 4) : NULL;
	json_object_object_get_ex(o, "AuthKey", &key);
	is(json_object_get_string(key), "tskey-\"q\\", "the key arrives as it is");
	ok(json_object_object_get_ex(o, "UpdatePrefs", &key), "the preferences, too");
	ok(!strstr(said, "Expect"), "without asking first");
	json_object_put(o);
	p = peer(NO_CONTENT, NULL, CLOSE);
	is_number(localapi_start("s", &prefs, NULL, deadline_in(5000), &why), 0, "start without a key");
	peer_said(&p, said, sizeof said);
	peer_end(&p);
	ok(!strstr(said, "AuthKey"), "sends none");
	ok(localapi_start("s", &prefs, "a\nb", deadline_in(5000), &why) < 0 && errno == EINVAL,
	   "a key of two lines is refused");
	p = peer("HTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\nbad prefs", NULL, HOLD);
	ok(localapi_start("s", &prefs, "tskey-secret", deadline_in(5000), &why) < 0 && errno == EREMOTEIO,
	   "start that fails");
	ok(strstr(why.text, "bad prefs") && !strstr(why.text, "secret"),
	   "the reason has the daemon's text and not the key");
	peer_end(&p);
	p = peer(JSON("{}"), NULL, CLOSE);
	is_number(localapi_edit_prefs("s", &prefs, deadline_in(5000), &why), 0, "an edit of the preferences");
	peer_said(&p, said, sizeof said);
	peer_end(&p);
	ok(starts(said, "PATCH /localapi/v0/prefs HTTP/1.1\r\n") && strstr(said, "\"HostnameSet\":true"),
	   "is a PATCH with masks");
}

static void fails(const char *first, const char *second, enum after after, int error, const char *text,
                  const char *name)
{
	struct status s;
	struct why why = {""};
	struct peer p = peer(first, second, after);
	int64_t began = now_ms();
	errno = 0;
	int result = localapi_status("s", &s, deadline_in(error == ETIMEDOUT ? 200 : 20000), &why);
	int got = errno;
	ok(result < 0 && got == error && (!text || strstr(why.text, text)), "%s", name);
	if (result == 0 || got != error)
		printf("# got %s: %s\n", strerrorname_np(got), why.text);
	if (error == ETIMEDOUT)
		ok(now_ms() - began >= 190, "not before its time");
	peer_end(&p);
}

static void failures(void)
{
	static char big[65537];
	memset(big, 'x', sizeof big - 1);
	fails("", NULL, HOLD, ETIMEDOUT, "in time", "a daemon that never answers");
	fails(JSON("{\"Back"), NULL, HOLD, ETIMEDOUT, NULL, "one that stops in the middle");
	fails("", NULL, CLOSE, ECONNRESET, "went away", "one that goes away at once");
	fails("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", NULL, CLOSE, ECONNRESET, "went away",
	      "one that goes away in the middle");
	fails("HTTP/1.1 200 OK\r\n\r\n", big, REPEAT, EMSGSIZE, "larger", "an endless answer");
	fails("HTTP/1.1 200 OK\r\n", "X-Y: z\r\n", REPEAT, EMSGSIZE, "larger", "endless headers");
	fails("SSH-2.0-x\r\n\r\n", NULL, CLOSE, EBADMSG, NULL, "another protocol");
	fails("HTTP/1.1 403 Forbidden\r\nContent-Length: 13\r\n\r\naccess denied", NULL, CLOSE, EREMOTEIO,
	      "403: access denied", "an error in plain text");
	fails("HTTP/1.1 500 X\r\n\r\n{\"error\":\"no nodekey to log out\"}", NULL, CLOSE, EREMOTEIO, "500: no nodekey",
	      "an error in JSON");
	fails("HTTP/1.1 500 X\r\n\r\na\x1b[31mb\ntwo", NULL, CLOSE, EREMOTEIO, "a [31mb",
	      "an error with control characters");
	fails("HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", NULL, CLOSE, EREMOTEIO,
	      "302", "a redirection is not followed");
	fails(JSON("{\"BackendState\":"), NULL, CLOSE, EBADMSG, "JSON", "cut JSON");
	fails(JSON(""), NULL, CLOSE, EBADMSG, "JSON", "no JSON");
}

/* --- where the socket is --- */

static void reach(const char *path, int error, const char *name)
{
	struct status s;
	struct why why;
	errno = 0;
	int result = localapi_status(path, &s, deadline_in(5000), &why);
	int got = result < 0 ? errno : 0;
	if (!ok(got == error, "%s", name))
		printf("# got %s: %s\n", got ? strerrorname_np(got) : "success", why.text);
}

static void sockets(void)
{
	char deep[1024] = "", path[1100];
	reach("nothing", ENOENT, "no socket");
	close(listen_at("dead"));
	reach("dead", ECONNREFUSED, "a dead socket");
	file_publish(AT_FDCWD, "file", "x", 1, 0600, VOLATILE);
	reach("file", ENOTSOCK, "a file");
	mkdir("node", 0700);
	if (symlink("node/sock", "link") < 0 || symlink("link", "link2") < 0 || symlink("../s", "node/trap") < 0 ||
	    symlink("node/trap", "link3") < 0)
		perror("symlink");
	reach("link", ENOENT, "a link to nothing");
	struct peer p = peer_at("node/sock", JSON("{\"BackendState\":\"Running\"}"), NULL, CLOSE);
	reach("link", 0, "a link of ours is followed");
	peer_end(&p);
	p = peer(JSON("{\"BackendState\":\"Running\"}"), NULL, CLOSE);
	reach("link3", ELOOP, "a link in the daemon's place is not");
	reach("link2", ELOOP, "nor a link to a link");
	peer_end(&p);
	if (lchown("link", 12345, 12345) == 0 && geteuid() == 0)
		reach("link", ELOOP, "nor one that is not ours");
	for (int i = 0; i < 6; i++) {
		strcat(deep,
		       i ? "/ddddddddddddddddddddddddddddddddddddddddd" : "ddddddddddddddddddddddddddddddddddddddddd");
		mkdir(deep, 0700);
	}
	snprintf(path, sizeof path, "%s/sock", deep);
	p = peer_at("s2", JSON("{\"BackendState\":\"Running\"}"), NULL, CLOSE);
	if (rename("s2", path) < 0)
		perror("rename");
	reach(path, 0, "a path of more than 107 bytes");
	peer_end(&p);
}

static void waits(void)
{
	struct why why;
	int go[2];
	char c;
	ok(localapi_wait("node/later", deadline_in(100), &why) < 0 && errno == ETIMEDOUT,
	   "a wait for a socket that never comes ends in time");
	unlink("link");
	unlink("node/sock");
	close(listen_at("node/sock")); /* stale */
	if (symlink("node/sock", "link") < 0 || pipe(go) < 0)
		exit(1);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		close(go[1]);
		if (read(go[0], &c, 1) < 0)
			_exit(1);
		unlink("node/sock");
		listen_at("node/sock");
		pause();
	}
	close(go[0]);
	close(go[1]);
	is_number(localapi_wait("link", deadline_in(10000), &why), 0,
	          "a wait sees the daemon that takes the place of a dead one");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(localapi_wait("nowhere/sock", deadline_in(10000), &why) < 0 && errno == ENOENT, "no directory to wait in");
	ok(localapi_wait("file", deadline_in(10000), &why) < 0 && errno == ENOTSOCK, "a file never becomes a socket");
}

/* --- the bus --- */

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static void bus(void)
{
	struct notify n;
	struct why why;
	char said[65536];
	struct peer p = peer(CHUNKED "1e\r\n{\"State\":2}\n\n{\"ErrMessage\":\"a\"\r\n2\r\n}\n\r\n5\r\n{\"Sta\r\n",
	                     "7\r\nte\":6}\n\r\n0\r\n\r\n", CLOSE);
	struct localapi_bus *b = localapi_bus_open("s", deadline_in(5000), &why);
	if (!ok(b != NULL, "the bus opens")) {
		printf("# %s\n", why.text);
		return;
	}
	peer_said(&p, said, sizeof said);
	ok(starts(said, "GET /localapi/v0/watch-ipn-bus?mask=134 HTTP/1.1\r\n"), "the request");
	is_number(localapi_bus_next(b, &n, deadline_in(5000), &why), 0, "a message");
	is_number(n.backend, BACKEND_NEEDS_LOGIN, "the first");
	is_number(localapi_bus_next(b, &n, deadline_in(5000), &why), 0, "another one");
	is(n.error, "a", "in two chunks");
	ok(localapi_bus_next(b, &n, 0, &why) < 0 && errno == ETIMEDOUT, "half a message is none");
	struct pollfd fd = {.fd = localapi_bus_fd(b), .events = POLLIN};
	is_number(poll(&fd, 1, 0), 0, "its descriptor has nothing");
	if (write(p.go, "x", 1) != 1)
		perror("write");
	is_number(poll(&fd, 1, 5000), 1, "and then it has");
	is_number(localapi_bus_next(b, &n, 0, &why), 0, "the rest comes");
	is_number(n.backend, BACKEND_RUNNING, "and is the third");
	ok(localapi_bus_next(b, &n, deadline_in(5000), &why) < 0 && errno == ECONNRESET, "the end is the end");
	ok(localapi_bus_next(b, &n, deadline_in(5000), &why) < 0 && errno == ECONNRESET, "and stays so");
	localapi_bus_close(b);
	peer_end(&p);
}

static void bus_fails(const char *first, const char *second, enum after after, int error, const char *name)
{
	struct notify n;
	struct why why = {""};
	struct peer p = peer(first, second, after);
	errno = 0;
	struct localapi_bus *b = localapi_bus_open("s", deadline_in(error == ETIMEDOUT ? 100 : 20000), &why);
	int result = b ? localapi_bus_next(b, &n, deadline_in(20000), &why) : -1;
	int got = errno;
	if (!ok(result < 0 && got == error && *why.text, "%s", name))
		printf("# got %s: %s\n", strerrorname_np(got), why.text);
	localapi_bus_close(b);
	peer_end(&p);
}

static void bus_failures(void)
{
	static char big[65537];
	memset(big, 'x', sizeof big - 1);
	bus_fails("", NULL, HOLD, ETIMEDOUT, "a bus that does not open");
	bus_fails("HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\ndenied", NULL, HOLD, EREMOTEIO,
	          "a bus that is denied");
	bus_fails("HTTP/1.1 200 OK\r\n\r\n", big, REPEAT, EMSGSIZE, "an endless message");
	bus_fails("HTTP/1.1 200 OK\r\n\r\nhello\n", NULL, HOLD, EBADMSG, "a message that is no JSON");
	bus_fails("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", NULL, CLOSE, ECONNRESET, "a bus that breaks");
	bus_fails("", NULL, CLOSE, ECONNRESET, "a bus that is closed at once");
	struct why why;
	ok(!localapi_bus_open("nothing", deadline_in(100), &why) && errno == ENOENT, "no socket");
	localapi_bus_close(NULL);
}

int main(void)
{
	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	curl_global_init(CURL_GLOBAL_NOTHING);
	statuses();
	notifies();
	calls();
	start();
	failures();
	sockets();
	waits();
	bus();
	bus_failures();
	curl_global_cleanup();
	tree_remove(AT_FDCWD, dir);
	return tap_done();
}
