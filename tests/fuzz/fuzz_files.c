/* SPDX-License-Identifier: ISC */
/* Docker's files: the store of sandboxes, a container's two (with a zero between them), an image's. */
#include "lib/base/text.h"
#include "lib/docker/files.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void want(bool condition)
{
	if (!condition)
		abort();
}

static void answer(int result, const struct why *why)
{
	if (result < 0)
		want((errno == EBADMSG || errno == ENOMEM) && *why->text && !strpbrk(why->text, "\r\n"));
}

/* A copy in memory of exactly that size, with a zero behind it. */
static char *copy(const char *data, size_t len)
{
	char *text = malloc(len + 1);
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	return text;
}

static void try_store(const char *data, size_t len)
{
	char container[ID_SIZE];
	char *exact = malloc(len ? len : 1);
	if (len)
		memcpy(exact, data, len);
	if (docker_sandbox_search(exact, len, "9924ce1f464a", container) == 0)
		want(text_is_hex(container, ID_LEN) && memmem(exact, len, container, ID_LEN));
	else
		want(errno == ENOENT);
	free(exact);
}

static void try_container(const char *data, size_t len)
{
	struct docker_container c;
	struct why why = {0};
	const char *zero = memchr(data, '\0', len);
	size_t first = zero ? (size_t)(zero - data) : len;
	size_t second = zero ? len - first - 1 : 0;
	char *config = copy(data, first), *host_config = copy(zero ? zero + 1 : data, second);
	int result = docker_container_parse(&c, config, first, host_config, second, &why);
	answer(result, &why);
	if (result == 0) {
		want(c.name && c.image_id && c.image && c.network_mode && c.restart_policy && c.resolv_conf);
		want(c.auto_remove == 0 || c.auto_remove == 1);
		for (size_t i = 0; i < c.labels.count; i++)
			want(c.labels.list[i].name && c.labels.list[i].value);
	}
	docker_container_free(&c);
	free(config);
	free(host_config);
}

static void try_image(const char *data, size_t len)
{
	struct pairs labels;
	struct why why = {0};
	char *text = copy(data, len);
	int result = docker_image_config_parse(&labels, text, len, &why);
	answer(result, &why);
	want(result == 0 || labels.count == 0);
	pairs_free(&labels);
	free(text);
}

int LLVMFuzzerTestOneInput(const unsigned char *input, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *input, size_t size)
{
	if (!size)
		return 0;
	const char *data = (const char *)input + 1;
	if (*input == 's')
		try_store(data, size - 1);
	else if (*input == 'c')
		try_container(data, size - 1);
	else
		try_image(data, size - 1);
	return 0;
}
