/* SPDX-License-Identifier: ISC */
#include "http.h"

#include "lib/base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* A piece of the request. */
struct span {
	const char *at;
	size_t len;
};

__attribute__((format(printf, 3, 4))) static enum http_outcome refuse(struct http_request *r, int status,
                                                                      const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(r->why.text, sizeof r->why.text, fmt, ap);
	va_end(ap);
	r->status = status;
	return HTTP_REFUSED;
}

/* ---- the head ---- */

/* The length of the head with its empty line, or 0 where it is not whole. A bare LF ends a line: people type those. */
static size_t head_length(const char *data, size_t len)
{
	const char *end = data + len;
	for (const char *p = data; len && (p = memchr(p, '\n', (size_t)(end - p)));) {
		p++;
		if (end - p >= 1 && *p == '\n')
			return (size_t)(p + 1 - data);
		if (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
			return (size_t)(p + 2 - data);
	}
	return 0;
}

/* Takes the first line, without its end, off a head (of which every line has one). */
static struct span take_line(struct span *head)
{
	const char *lf = memchr(head->at, '\n', head->len);
	struct span line = {head->at, (size_t)(lf - head->at)};
	head->at = lf + 1;
	head->len -= line.len + 1;
	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* Takes what stands before the first `separator` off a line; all of it where there is none. */
static struct span take_word(struct span *line, char separator)
{
	const char *s = memchr(line->at, separator, line->len);
	struct span word = {line->at, s ? (size_t)(s - line->at) : line->len};
	size_t taken = word.len + (s != NULL);
	line->at += taken;
	line->len -= taken;
	return word;
}

static bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && !memcmp(s.at, text, s.len);
}

static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isascii((unsigned char)s.at[i]) ||
		    (!isalnum((unsigned char)s.at[i]) && !memchr("!#$%&'*+-.^_`|~", s.at[i], 15)))
			return false;
	return s.len > 0;
}

static bool is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] <= ' ' || s.at[i] > '~')
			return false;
	return true;
}

static enum http_outcome take_request_line(struct span line, struct http_request *r)
{
	struct span method = take_word(&line, ' ');
	struct span path = take_word(&line, ' ');
	if (!is_token(method) || !path.len || path.at[0] != '/' || !is_printable(path) || line.len != 8 ||
	    memcmp(line.at, "HTTP/", 5) || !isdigit((unsigned char)line.at[5]) || line.at[6] != '.' ||
	    !isdigit((unsigned char)line.at[7]))
		return refuse(r, 400, "the request does not begin with a request line of HTTP");
	if (!span_is(line, "HTTP/1.1") && !span_is(line, "HTTP/1.0"))
		return refuse(r, 505, "HTTP 1.0 and 1.1 are spoken here, not %.8s", line.at);
	if (!span_is(method, "GET") && !span_is(method, "POST"))
		return refuse(r, 405, "the methods GET and POST are known here, not %.*s",
		              (int)(method.len < 32 ? method.len : 32), method.at);
	if (path.len > HTTP_PATH_MAX)
		return refuse(r, 414, "the path of the request is longer than %d bytes", HTTP_PATH_MAX);
	memcpy(r->method, method.at, method.len);
	memcpy(r->path, path.at, path.len);
	return HTTP_REQUEST;
}

static struct span trim(struct span s)
{
	while (s.len && (*s.at == ' ' || *s.at == '\t')) {
		s.at++;
		s.len--;
	}
	while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static enum http_outcome take_content_length(struct span value, bool *seen, struct http_request *r)
{
	size_t n = 0;
	/* several lengths, even equal ones, are the stuff of request smuggling */
	if (*seen || !value.len)
		return refuse(r, 400, "the request must say one Content-Length");
	*seen = true;
	for (size_t i = 0; i < value.len; i++) {
		if (!isdigit((unsigned char)value.at[i]))
			return refuse(r, 400, "the request's Content-Length is no number");
		if (n <= HTTP_BODY_MAX)
			n = n * 10 + (size_t)(value.at[i] - '0');
	}
	if (n > HTTP_BODY_MAX)
		return refuse(r, 413, "the request's body is larger than %zu MiB", HTTP_BODY_MAX >> 20);
	r->body_len = n;
	return HTTP_REQUEST;
}

static enum http_outcome take_header(struct span line, bool *length_seen, struct http_request *r)
{
	for (size_t i = 0; i < line.len; i++)
		if (((unsigned char)line.at[i] < ' ' && line.at[i] != '\t') || line.at[i] == 0x7f)
			return refuse(r, 400, "a header of the request holds a control character");
	if (!memchr(line.at, ':', line.len))
		return refuse(r, 400, "a header of the request has no colon");
	struct span name = take_word(&line, ':');
	if (!is_token(name))
		return refuse(r, 400, "a header of the request has no proper name");
	if (name.len == 17 && !strncasecmp(name.at, "Transfer-Encoding", 17))
		return refuse(r, 411, "a Transfer-Encoding is not understood here: send a Content-Length");
	if (name.len == 14 && !strncasecmp(name.at, "Content-Length", 14))
		return take_content_length(trim(line), length_seen, r);
	return HTTP_REQUEST;
}

static enum http_outcome parse_head(struct span head, struct http_request *r)
{
	bool length_seen = false;
	enum http_outcome outcome = take_request_line(take_line(&head), r);
	while (outcome == HTTP_REQUEST) {
		struct span line = take_line(&head);
		if (!line.len)
			break;
		outcome = take_header(line, &length_seen, r);
	}
	return outcome;
}

enum http_outcome http_parse(const char *data, size_t len, bool ended, struct http_request *request)
{
	*request = (struct http_request){0};
	size_t head = head_length(data, len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX);
	if (!head) {
		if (len >= HTTP_HEAD_MAX)
			return refuse(request, 431, "the request's headers are larger than %zu KiB",
			              HTTP_HEAD_MAX >> 10);
		if (ended)
			return len ? refuse(request, 400, "the request ended within its headers") : HTTP_CLOSED;
		return HTTP_MORE;
	}
	enum http_outcome outcome = parse_head((struct span){data, head}, request);
	if (outcome != HTTP_REQUEST)
		return outcome;
	request->head_len = head;
	if (len - head >= request->body_len)
		return HTTP_REQUEST;
	if (ended)
		return refuse(request, 400, "the request ended within its body, after %zu of %zu bytes", len - head,
		              request->body_len);
	return HTTP_MORE;
}

/* ---- the descriptor ---- */

/* Waits for fd. Returns 0, or -1 with ETIMEDOUT. */
static int wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};
	for (;;) {
		int n = poll(&p, 1, deadline_left(deadline));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
		if (n == 0 && deadline_left(deadline) == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
}

/* read(2) with a deadline. A peer that is gone for whatever reason has ended its request: 0. */
static ssize_t read_some(int fd, char *buf, size_t size, int64_t deadline)
{
	for (;;) {
		if (wait_for(fd, POLLIN, deadline) < 0)
			return -1;
		ssize_t n = read(fd, buf, size);
		if (n >= 0)
			return n;
		if (errno == ECONNRESET)
			return 0;
		if (errno != EINTR && errno != EAGAIN)
			return -1;
	}
}

/* Room for `size` bytes and a zero. */
static int grow(struct http_request *r, char **buf, size_t *room, size_t size)
{
	if (size <= *room)
		return 0;
	char *bigger = realloc(*buf, size + 1);
	if (!bigger) {
		refuse(r, 500, "out of memory");
		return -1;
	}
	*buf = bigger;
	*room = size;
	return 0;
}

static void keep(struct http_request *r, char *buf)
{
	r->buffer = buf;
	r->body = buf + r->head_len;
	r->body[r->body_len] = '\0';
}

enum http_outcome http_read(int fd, int64_t deadline, struct http_request *request)
{
	char *buf = NULL;
	size_t room = 0, used = 0;
	enum http_outcome outcome = HTTP_MORE;
	*request = (struct http_request){0};
	while (outcome == HTTP_MORE) {
		/* what is still to come is known as soon as the head is there: no body is judged byte by byte */
		size_t whole = request->head_len ? request->head_len + request->body_len : HTTP_HEAD_MAX;
		if (grow(request, &buf, &room, whole) < 0) {
			outcome = HTTP_REFUSED;
			break;
		}
		ssize_t n = read_some(fd, buf + used, room - used, deadline);
		if (n < 0) {
			outcome = refuse(request, errno == ETIMEDOUT ? 408 : 400,
			                 "the request did not come to its end: %s", strerror(errno));
			break;
		}
		used += (size_t)n;
		if (n == 0 || !request->head_len || used >= whole)
			outcome = http_parse(buf, used, n == 0, request);
	}
	if (outcome == HTTP_REQUEST && buf)
		keep(request, buf);
	else
		free(buf);
	return outcome;
}

void http_request_free(struct http_request *request)
{
	if (request->buffer)
		explicit_bzero(request->buffer, request->head_len + request->body_len);
	free(request->buffer);
	*request = (struct http_request){0};
}

static const char *reason_phrase(int status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 411: return "Length Required";
	case 413: return "Content Too Large";
	case 414: return "URI Too Long";
	case 431: return "Request Header Fields Too Large";
	case 500: return "Internal Server Error";
	case 503: return "Service Unavailable";
	case 505: return "HTTP Version Not Supported";
	default: return "Unknown";
	}
}

/* A part of what is left to write, to a socket without blocking and without SIGPIPE, or to something else. */
static ssize_t write_some(int fd, const char *p, size_t len)
{
	ssize_t n = send(fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	return n < 0 && errno == ENOTSOCK ? write(fd, p, len) : n;
}

static int write_all(int fd, const char *p, size_t len, int64_t deadline)
{
	while (len) {
		if (wait_for(fd, POLLOUT, deadline) < 0)
			return -1;
		ssize_t n = write_some(fd, p, len);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -1;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int http_respond(int fd, int status, const char *body, int64_t deadline)
{
	char *text = NULL;
	int len = asprintf(&text,
	                   "HTTP/1.1 %d %s\r\n"
	                   "Content-Type: application/vnd.docker.plugins.v1.2+json\r\n"
	                   "Content-Length: %zu\r\n"
	                   "%s"
	                   "Connection: close\r\n"
	                   "\r\n%s",
	                   status, reason_phrase(status), strlen(body), status == 405 ? "Allow: GET, POST\r\n" : "",
	                   body);
	if (len < 0)
		return -1;
	int result = write_all(fd, text, (size_t)len, deadline);
	int saved = errno;
	free(text);
	errno = saved;
	return result;
}

void http_linger(int fd, int64_t deadline)
{
	char rest[16 * 1024];
	shutdown(fd, SHUT_WR);
	/* a peer that sends without end is always readable: the deadline must be looked at, too */
	while (deadline_left(deadline) != 0 && read_some(fd, rest, sizeof rest, deadline) > 0)
		;
}
