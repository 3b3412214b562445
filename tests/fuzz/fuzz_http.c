/* SPDX-License-Identifier: ISC */
/* The request reader's judgement of a connection's bytes: no byte beyond them is touched, and more bytes never turn a
 * refusal into a request. */
#include "lib/docker/http.h"

#include <stdlib.h>
#include <string.h>

static void want(bool condition)
{
	if (!condition)
		abort();
}

static void check(size_t len, const struct http_request *r, enum http_outcome outcome)
{
	if (outcome == HTTP_REFUSED)
		want(r->status >= 400 && r->status <= 505 && *r->why.text);
	if (outcome != HTTP_REQUEST)
		return;
	want(r->head_len > 0 && r->head_len <= HTTP_HEAD_MAX && r->body_len <= HTTP_BODY_MAX);
	want(r->head_len + r->body_len <= len);
	want(r->path[0] == '/' && (!strcmp(r->method, "GET") || !strcmp(r->method, "POST")));
}

int LLVMFuzzerTestOneInput(const unsigned char *input, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *input, size_t size)
{
	struct http_request all, part;
	const char *data = size ? (const char *)input : "";
	enum http_outcome outcome = http_parse(data, size, false, &all);
	check(size, &all, outcome);
	enum http_outcome ended = http_parse(data, size, true, &part);
	check(size, &part, ended);
	want(ended != HTTP_MORE && (outcome == HTTP_MORE || ended == outcome));

	/* the same bytes in two pieces; the first in memory of its own, so that a read beyond it is seen */
	size_t half = size / 2;
	char *exact = malloc(half ? half : 1);
	if (half)
		memcpy(exact, data, half);
	enum http_outcome before = http_parse(exact, half, false, &part);
	check(half, &part, before);
	if (before != HTTP_MORE)
		want(outcome == before && all.status == part.status && all.body_len == part.body_len);
	free(exact);
	return 0;
}
