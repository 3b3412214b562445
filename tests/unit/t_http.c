/* SPDX-License-Identifier: ISC */
#include "lib/base/clock.h"
#include "lib/docker/http.h"
#include "tap.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define JOIN                                                                                                           \
	"POST /NetworkDriver.Join HTTP/1.1\r\n"                                                                        \
	"Host: plugin.moby.localhost\r\n"                                                                              \
	"User-Agent: Go-http-client/1.1\r\n"                                                                           \
	"Content-Length: 12\r\n"                                                                                       \
	"Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n{\"a\": \"b\"}\r\n"

#define SOON 20000 /* milliseconds; a hang is a failure, the event is waited for */

static void refused(const char *head, int status, const char *name)
{
	struct http_request r;
	enum http_outcome o = http_parse(head, strlen(head), true, &r);
	ok(o == HTTP_REFUSED && r.status == status && *r.why.text, "%s: %d (%s)", name, r.status, r.why.text);
}

static void accepted(const char *text, const char *method, const char *path, const char *body, const char *name)
{
	struct http_request r;
	enum http_outcome o = http_parse(text, strlen(text), false, &r);
	ok(o == HTTP_REQUEST && !strcmp(r.method, method) && !strcmp(r.path, path) && r.body_len == strlen(body) &&
	           !memcmp(text + r.head_len, body, r.body_len),
	   "%s", name);
}

static void good_requests(void)
{
	accepted(JOIN, "POST", "/NetworkDriver.Join", "{\"a\": \"b\"}\r\n", "as Docker 28 sends it");
	accepted("POST /a HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n\r\n", "POST", "/a", "",
	         "empty Host, as 20.10 sends it");
	accepted("POST /a HTTP/1.1\r\nHost:\r\n\r\n", "POST", "/a", "", "no Content-Length is no body");
	accepted("POST /a HTTP/1.0\r\n\r\n", "POST", "/a", "", "HTTP/1.0 without a header");
	accepted("GET /Plugin.Activate HTTP/1.1\r\nHost: x\r\n\r\n", "GET", "/Plugin.Activate", "", "GET");
	accepted("POST /a HTTP/1.1\ncontent-LENGTH:\t2 \n\n{}", "POST", "/a", "{}",
	         "bare line feeds, any case, any white space");
	accepted("POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}POST /b HTTP/1.1\r\n", "POST", "/a", "{}",
	         "what follows the request is left alone");
	accepted("POST /a HTTP/1.1\r\nX: \xc3\xa9\r\nContent-Length: 0002\r\n\r\n{}", "POST", "/a", "{}",
	         "UTF-8 in a header, zeros before a length");
}

static void bad_requests(void)
{
	refused("\r\n\r\n", 400, "an empty request line");
	refused("hello\r\n\r\n", 400, "no request line");
	refused("POST /a\r\n\r\n", 400, "HTTP/0.9");
	refused("POST a HTTP/1.1\r\n\r\n", 400, "a path without slash");
	refused("POST  /a HTTP/1.1\r\n\r\n", 400, "two spaces");
	refused("POST /a\tb HTTP/1.1\r\n\r\n", 400, "a tab in the path");
	refused("POST /\xc3\xa9 HTTP/1.1\r\n\r\n", 400, "UTF-8 in the path");
	refused("POST /a HTTP/1.1 \r\n\r\n", 400, "something behind the version");
	refused("POST /a HTTP/2.0\r\n\r\n", 505, "HTTP/2");
	refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "the preface of HTTP/2");
	refused("DELETE /a HTTP/1.1\r\n\r\n", 405, "DELETE");
	refused("post /a HTTP/1.1\r\n\r\n", 405, "a method in lower case");
	refused("POST /a HTTP/1.1\r\nno colon\r\n\r\n", 400, "a header without colon");
	refused("POST /a HTTP/1.1\r\nA : b\r\n\r\n", 400, "a space before the colon");
	refused("POST /a HTTP/1.1\r\nA: b\r\n c: d\r\n\r\n", 400, "a folded header");
	refused("POST /a HTTP/1.1\r\nA: b\rc\r\n\r\n", 400, "a carriage return within a header");
	refused("POST /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n1", 400, "two lengths");
	refused("POST /a HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n1", 400, "a list of lengths");
	refused("POST /a HTTP/1.1\r\nContent-Length: -1\r\n\r\n1", 400, "a negative length");
	refused("POST /a HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n1", 400, "a hexadecimal length");
	refused("POST /a HTTP/1.1\r\nContent-Length:\r\n\r\n", 400, "a length of nothing");
	refused("POST /a HTTP/1.1\r\nContent-Length: 16777217\r\n\r\n", 413, "a byte above 16 MiB");
	refused("POST /a HTTP/1.1\r\nContent-Length: 99999999999999999999999999\r\n\r\n", 413,
	        "a length that overflows");
	refused("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, "chunked");
	refused("POST /a HTTP/1.1\r\ntransfer-encoding: identity\r\nContent-Length: 0\r\n\r\n", 411,
	        "any Transfer-Encoding");
	struct http_request r;
	static const char zero[] = "POST /a HTTP/1.1\r\nA: b\0c\r\n\r\n";
	ok(http_parse(zero, sizeof zero - 1, true, &r) == HTTP_REFUSED && r.status == 400, "a zero in a header");
}

static void oversized(void)
{
	struct http_request r;
	size_t size = HTTP_HEAD_MAX + 100;
	char *text = malloc(size);
	memset(text, 'a', size);
	memcpy(text, "POST /", 6);
	is_number(http_parse(text, HTTP_HEAD_MAX - 1, false, &r), HTTP_MORE, "a head may still end before 16 KiB");
	ok(http_parse(text, HTTP_HEAD_MAX, false, &r) == HTTP_REFUSED && r.status == 431, "a head without end: 431");
	memcpy(text + HTTP_PATH_MAX + 5, " HTTP/1.1\r\n\r\n", 13);
	ok(http_parse(text, size, false, &r) == HTTP_REQUEST && strlen(r.path) == HTTP_PATH_MAX, "the longest path");
	memset(text + 6, 'a', size - 6);
	memcpy(text + HTTP_PATH_MAX + 6, " HTTP/1.1\r\n\r\n", 13);
	ok(http_parse(text, size, false, &r) == HTTP_REFUSED && r.status == 414, "one byte more: 414");
	memset(text, 'a', size);
	memcpy(text, "GET / HTTP/1.1\r\nA: ", 19);
	memcpy(text + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
	is_number(http_parse(text, size, false, &r), HTTP_REQUEST, "a head of exactly 16 KiB");
	memcpy(text + HTTP_HEAD_MAX - 4, "a\r\n\r\n", 5);
	ok(http_parse(text, size, false, &r) == HTTP_REFUSED && r.status == 431, "one byte more: 431");
	free(text);
}

/* Every beginning of a request is more to come, and 400 where it stays at that. */
static void truncated(void)
{
	struct http_request r;
	int more = 0, bad = 0;
	size_t len = strlen(JOIN);
	for (size_t i = 1; i < len; i++) {
		char *copy = malloc(i); /* of exactly that size, for the sanitizer */
		memcpy(copy, JOIN, i);
		more += http_parse(copy, i, false, &r) == HTTP_MORE;
		bad += http_parse(copy, i, true, &r) == HTTP_REFUSED && r.status == 400;
		free(copy);
	}
	is_number(more, (long long)len - 1, "cut at any byte, with more to come");
	is_number(bad, (long long)len - 1, "cut at any byte for good: 400");
	is_number(http_parse("", 0, true, &r), HTTP_CLOSED, "closed before the first byte");
	is_number(http_parse("", 0, false, &r), HTTP_MORE, "nothing yet");
	http_parse(JOIN, len - 5, false, &r);
	is_number((long long)(r.head_len + r.body_len), (long long)len,
	          "how much is wanted is known once the head is there");
}

/* ---- over a socket ---- */

struct sender {
	int fd;
	const char *data;
	size_t len, step;
	pthread_t thread;
};

static void *send_all(void *arg)
{
	struct sender *s = arg;
	for (size_t done = 0; done < s->len;) {
		size_t n = s->len - done < s->step ? s->len - done : s->step;
		ssize_t w = send(s->fd, s->data + done, n, MSG_NOSIGNAL);
		if (w <= 0)
			break;
		done += (size_t)w;
	}
	shutdown(s->fd, SHUT_WR);
	return NULL;
}

static void start_sender(struct sender *s, int pair[2], const char *data, size_t len, size_t step)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		exit(111);
	*s = (struct sender){.fd = pair[1], .data = data, .len = len, .step = step};
	pthread_create(&s->thread, NULL, send_all, s);
}

static void end_sender(struct sender *s, int pair[2])
{
	pthread_join(s->thread, NULL);
	close(pair[0]);
	close(pair[1]);
}

static void reads(void)
{
	int pair[2];
	struct sender s;
	struct http_request r;
	start_sender(&s, pair, JOIN, strlen(JOIN), 1);
	is_number(http_read(pair[0], deadline_in(SOON), &r), HTTP_REQUEST, "a request that comes byte by byte");
	is(r.body, "{\"a\": \"b\"}\r\n", "its body is terminated");
	is(r.path, "/NetworkDriver.Join", "its path");
	http_request_free(&r);
	http_request_free(&r);
	end_sender(&s, pair);

	start_sender(&s, pair, JOIN, 0, 1);
	is_number(http_read(pair[0], deadline_in(SOON), &r), HTTP_CLOSED, "a peer that leaves at once");
	http_request_free(&r);
	end_sender(&s, pair);

	start_sender(&s, pair, JOIN, 60, 7);
	ok(http_read(pair[0], deadline_in(SOON), &r) == HTTP_REFUSED && r.status == 400,
	   "one that leaves in the middle");
	http_request_free(&r);
	end_sender(&s, pair);
}

static void reads_large(void)
{
	int pair[2];
	struct sender s;
	struct http_request r;
	static const char head[] = "POST /NetworkDriver.Join HTTP/1.1\r\nContent-Length: 16777216\r\n\r\n";
	size_t len = sizeof head - 1 + HTTP_BODY_MAX;
	char *text = malloc(len + 1);
	memcpy(text, head, sizeof head - 1);
	memset(text + sizeof head - 1, 'x', HTTP_BODY_MAX);
	text[len] = '\0';
	start_sender(&s, pair, text, len, 100000);
	ok(http_read(pair[0], deadline_in(SOON), &r) == HTTP_REQUEST && r.body_len == HTTP_BODY_MAX &&
	           !strcmp(r.body, text + sizeof head - 1),
	   "a body of 16 MiB");
	http_request_free(&r);
	end_sender(&s, pair);
	free(text);
}

static void silent_peer(void)
{
	int pair[2];
	struct http_request r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		exit(111);
	int64_t start = now_ms();
	ok(http_read(pair[0], deadline_in(50), &r) == HTTP_REFUSED && r.status == 408, "a peer that says nothing: 408");
	http_request_free(&r);
	ok(now_ms() - start >= 50, "not before the deadline");
	if (write(pair[1], "POST /", 6) != 6)
		exit(111);
	ok(http_read(pair[0], deadline_in(50), &r) == HTTP_REFUSED && r.status == 408, "one that stops: 408");
	http_request_free(&r);
	char *large = malloc(HTTP_BODY_MAX);
	memset(large, 'x', HTTP_BODY_MAX);
	large[HTTP_BODY_MAX - 1] = '\0';
	ok(http_respond(pair[0], 200, large, deadline_in(50)) < 0 && errno == ETIMEDOUT,
	   "one that does not take the answer");
	free(large);
	close(pair[1]);
	ok(http_respond(pair[0], 200, "{}", deadline_in(SOON)) < 0, "one that has left: an error and no signal");
	close(pair[0]);
}

static void answers(void)
{
	int pair[2];
	char buf[512] = "";
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		exit(111);
	is_number(http_respond(pair[0], 404, "{\"Err\":\"x\"}", deadline_in(SOON)), 0, "an answer is written");
	ssize_t n = read(pair[1], buf, sizeof buf - 1);
	ok(n > 0, "and comes at once");
	is(buf,
	   "HTTP/1.1 404 Not Found\r\nContent-Type: application/vnd.docker.plugins.v1.2+json\r\n"
	   "Content-Length: 11\r\nConnection: close\r\n\r\n{\"Err\":\"x\"}",
	   "in whole");
	http_respond(pair[0], 405, "{}", deadline_in(SOON));
	memset(buf, 0, sizeof buf);
	ok(read(pair[1], buf, sizeof buf - 1) > 0 && strstr(buf, "\r\nAllow: GET, POST\r\n"),
	   "405 says what is allowed");
	close(pair[0]);
	close(pair[1]);
	int pipes[2];
	if (pipe(pipes) < 0)
		exit(111);
	is_number(http_respond(pipes[1], 200, "{}", deadline_in(SOON)), 0, "an answer into a pipe");
	close(pipes[0]);
	close(pipes[1]);
}

/* A peer that is still sending when it is refused must see the answer all the same. */
static void linger(void)
{
	int pair[2];
	struct sender s;
	struct http_request r;
	char buf[512] = "";
	size_t len = 4 * 1024 * 1024;
	char *text = malloc(len);
	memset(text, 'x', len);
	memcpy(text, "POST /a HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 47);
	start_sender(&s, pair, text, len, 100000);
	ok(http_read(pair[0], deadline_in(SOON), &r) == HTTP_REFUSED && r.status == 413, "too large a body");
	http_request_free(&r);
	http_respond(pair[0], 413, "{\"Err\":\"large\"}", deadline_in(SOON));
	http_linger(pair[0], deadline_in(SOON));
	close(pair[0]);
	pthread_join(s.thread, NULL);
	ok(read(pair[1], buf, sizeof buf - 1) > 0 && strstr(buf, "large"), "is answered although it goes on");
	close(pair[1]);
	free(text);
}

int main(void)
{
	good_requests();
	bad_requests();
	oversized();
	truncated();
	reads();
	reads_large();
	silent_peer();
	answers();
	linger();
	return tap_done();
}
