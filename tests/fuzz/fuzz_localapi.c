/* SPDX-License-Identifier: ISC */
/* What a tailscaled says, in a status or on its bus: whatever it is, what comes out is safe to show, to log and to put into a path. */
#include "lib/tailscale/status.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void want(bool condition)
{
	if (!condition)
		abort();
}

static void shown(const char *text, size_t size)
{
	size_t len = strnlen(text, size);
	want(len < size);
	for (size_t i = 0; i < len; i++)
		want((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

static void url(const char *text, size_t size)
{
	shown(text, size);
	want(!*text || !strncmp(text, "http://", 7) || !strncmp(text, "https://", 8));
	want(!strpbrk(text, " \t"));
}

static void check_status(const struct status *s)
{
	unsigned char binary[16];
	want(s->address_count <= STATUS_ADDRESSES);
	for (size_t i = 0; i < s->address_count; i++)
		want(inet_pton(strchr(s->address[i], ':') ? AF_INET6 : AF_INET, s->address[i], binary) == 1);
	shown(s->name, sizeof s->name);
	for (const char *c = s->name; *c; c++)
		want(isalnum((unsigned char)*c) || *c == '-' || *c == '.');
	shown(s->login_error, sizeof s->login_error);
	url(s->auth_url, sizeof s->auth_url);
	want(*backend_name(s->backend));
	login_error_is_transport(s->login_error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct why why = {""};
	struct status status;
	struct notify notify;
	if (status_parse((const char *)data, size, &status, &why) == 0)
		check_status(&status);
	else
		shown(why.text, sizeof why.text);
	if (notify_parse((const char *)data, size, &notify, &why) == 0) {
		shown(notify.error, sizeof notify.error);
		url(notify.auth_url, sizeof notify.auth_url);
	} else {
		shown(why.text, sizeof why.text);
	}
	return 0;
}
