/* SPDX-License-Identifier: ISC */
/* Every parser of a request body, and the options behind it. What comes out keeps its promises. */
#include "lib/base/text.h"
#include "lib/docker/options.h"
#include "lib/docker/protocol.h"
#include "lib/docker/reply.h"

#include <stdlib.h>
#include <string.h>

static void want(bool condition)
{
	if (!condition)
		abort();
}

static bool is_network_id(const char *id)
{
	return text_is_hex(id, ID_LEN) || strlen(id) == 25;
}

static void answer(int result, const struct why *why)
{
	if (result == 0)
		return;
	want(*why->text && !strpbrk(why->text, "\r\n"));
	char *text = reply_error(why->text);
	want(text && body_check(text, strlen(text), NULL) == 0);
	free(text);
}

static void networks(const char *body, size_t len)
{
	struct why why = {0};
	struct create_network r;
	int result = create_network_parse(&r, body, len, &why);
	answer(result, &why);
	if (result < 0)
		return;
	want(is_network_id(r.network));
	struct network_options o;
	why = (struct why){0};
	answer(network_options_parse(&o, &r.options, &why), &why);
	want(o.wait >= 0 && o.wait <= WAIT_MAX && !strchr(o.authkey_file, '/') && o.authkey_file[0] != '.');
	want(!strpbrk(o.login_server, "@?# \r\n"));
	char *text = reply_oper_info(&r.options);
	want(text && body_check(text, strlen(text), NULL) == 0);
	free(text);
	create_network_free(&r);
}

static void endpoints(const char *body, size_t len)
{
	struct why why = {0};
	struct create_endpoint r;
	int result = create_endpoint_parse(&r, body, len, &why);
	answer(result, &why);
	if (result < 0)
		return;
	want(is_network_id(r.network) && text_is_hex(r.endpoint, ID_LEN));
	struct label_options o;
	label_options_init(&o);
	for (size_t i = 0; i < r.driver_opts.count; i++) {
		why = (struct why){0};
		answer(label_option_set(&o, "driver-opt", r.driver_opts.list[i].name, r.driver_opts.list[i].value,
		                        &why),
		       &why);
	}
	want(!strpbrk(o.hostname, "/._ ") && o.wait <= WAIT_MAX);
	create_endpoint_free(&r);
}

static void calls(const char *body, size_t len)
{
	struct why why = {0};
	struct join j;
	struct endpoint_call e;
	struct network_call n;
	int result = join_parse(&j, body, len, &why);
	answer(result, &why);
	if (result == 0)
		want(j.sandbox_key[0] == '/' && !strstr(j.sandbox_key, "/../"));
	answer(endpoint_call_parse(&e, body, len, &why), &why);
	answer(network_call_parse(&n, body, len, &why), &why);
}

int LLVMFuzzerTestOneInput(const unsigned char *input, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *input, size_t size)
{
	char *body = malloc(size + 1);
	if (size)
		memcpy(body, input, size);
	body[size] = '\0';
	networks(body, size);
	endpoints(body, size);
	calls(body, size);
	free(body);
	return 0;
}
