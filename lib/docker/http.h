/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_DOCKER_HTTP_H
#define TSLINK_DOCKER_HTTP_H

/*
 * The server's half of HTTP/1, as far as Docker's plugin client speaks it (pkg/plugins/client.go: POST, a body by
 * Content-Length, never chunked, any Host or an empty one): one request of one connection is read and answered, and
 * the answer says `Connection: close`.
 */

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX ((size_t)16 * 1024)        /* request line and headers, with the empty line */
#define HTTP_BODY_MAX ((size_t)16 * 1024 * 1024) /* `docker run -p 1-65535:1-65535` sends 8 MB */
#define HTTP_PATH_MAX 255

enum http_outcome {
	HTTP_REQUEST, /* a whole request is there */
	HTTP_MORE,    /* what is there is the beginning of a request (http_parse only) */
	HTTP_CLOSED,  /* the peer left before its first byte, as Docker does when it probes: no error, and no answer */
	HTTP_REFUSED, /* answer with status and why */
};

struct http_request {
	char method[8];               /* "GET" or "POST" */
	char path[HTTP_PATH_MAX + 1]; /* begins with a slash; printable ASCII */
	size_t head_len;              /* bytes before the body; 0 until all of them are there */
	size_t body_len;              /* bytes */
	char *body;                   /* http_read only: terminated behind body_len bytes, which may hold zeros */
	int status;                   /* HTTP_REFUSED: 400, 405, 408, 411, 413, 414, 431, 500 or 505 */
	struct why why;               /* HTTP_REFUSED: one line for the answer */
	char *buffer;                 /* http_read only: owns what body points into */
};

/*
 * Judges the first len bytes of a connection; `ended` says that no more will come. Fills *request, which needs no
 * preparation and holds nothing to release. On HTTP_REQUEST the body are the body_len bytes at data + head_len; what
 * follows them is another request, which is nobody's concern. On HTTP_MORE, head_len + body_len is the number of bytes
 * that make it whole, where head_len is known.
 *
 * Refused are: what is no HTTP/1 request, or ended too early (400); another method than GET and POST (405); any
 * Transfer-Encoding (411); a body above HTTP_BODY_MAX (413); a path above HTTP_PATH_MAX (414); a head above
 * HTTP_HEAD_MAX (431); another version than 1.0 and 1.1 (505).
 */
enum http_outcome http_parse(const char *data, size_t len, bool ended, struct http_request *request);

/*
 * Reads one request from fd until the deadline (milliseconds of the monotonic clock, or NEVER). Never HTTP_MORE: a
 * peer that does not go on is refused with 408. Call http_request_free afterwards, whatever came.
 */
enum http_outcome http_read(int fd, int64_t deadline, struct http_request *request);

/* Wipes (a body may hold an auth key) and releases what http_read left in *request. */
void http_request_free(struct http_request *request);

/*
 * Writes a whole response with a JSON body to fd, a socket or a pipe. Returns 0, or -1 with errno: ETIMEDOUT when the
 * peer did not take it until the deadline, EPIPE or ECONNRESET when it has left (a program that answers on a pipe
 * ignores SIGPIPE itself; on a socket none is raised).
 */
int http_respond(int fd, int status, const char *body, int64_t deadline);

/*
 * To be called after the answer to HTTP_REFUSED, before the connection is closed: closing on bytes that nobody has read
 * resets it, and the peer would never see the answer. Ends our half of the connection, then reads and forgets until the
 * peer ends its own, or the deadline.
 */
void http_linger(int fd, int64_t deadline);

#endif
