/* SPDX-License-Identifier: ISC */
#include "files.h"

#include "field.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "take.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STORE "network/files/local-kv.db"
#define STORE_MAX ((size_t)256 * 1024 * 1024) /* 64 to 128 KiB with some dozens of containers; it never shrinks */
#define STORE_READS 3                         /* two commits within one read could hide a record from it */
#define CONFIG_MAX ((size_t)16 * 1024 * 1024)
#define SANDBOX_DIGITS 12

static int root_check(const char *data_root, struct why *why)
{
	if (*data_root == '/')
		return 0;
	errno = EINVAL;
	return why_set(why, "Docker's data root %.200s: an absolute path expected", data_root);
}

static int container_check(const char *container, struct why *why)
{
	if (text_is_hex(container, ID_LEN))
		return 0;
	errno = EINVAL;
	return why_set(why, "container ID %.80s: 64 hexadecimal digits in lower case expected", container);
}

static size_t hex_run(const char *p, const char *end)
{
	const char *start = p;
	while (p < end && (isdigit((unsigned char)*p) || (*p >= 'a' && *p <= 'f')))
		p++;
	return (size_t)(p - start);
}

/* Is a record of a sandbox at p, where `{"ID":"` was found? Returns the container's 64 digits, or NULL. */
static const char *record_container(const char *p, const char *end)
{
	static const char between[] = "\",\"Cid\":\"";
	if (hex_run(p, end) != ID_LEN)
		return NULL;
	p += ID_LEN;
	if ((size_t)(end - p) < sizeof between - 1 || memcmp(p, between, sizeof between - 1))
		return NULL;
	p += sizeof between - 1;
	if (hex_run(p, end) != ID_LEN || p + ID_LEN == end || p[ID_LEN] != '"')
		return NULL;
	return p;
}

int docker_sandbox_search(const char *store, size_t len, const char *digits, char container[ID_SIZE])
{
	char wanted[32];
	const char *end = store + len, *found = NULL;
	if (!text_is_hex(digits, SANDBOX_DIGITS)) {
		errno = EINVAL;
		return -1;
	}
	if (text_format(wanted, sizeof wanted, "{\"ID\":\"%s", digits) < 0)
		return -1;
	size_t n = strlen(wanted);
	for (const char *p = store; (p = memmem(p, (size_t)(end - p), wanted, n)); p += n) {
		const char *c = record_container(p + n - SANDBOX_DIGITS, end);
		if (c && found && memcmp(c, found, ID_LEN) != 0) {
			found = NULL;
			break;
		}
		if (c)
			found = c;
	}
	if (!found) {
		errno = ENOENT;
		return -1;
	}
	memcpy(container, found, ID_LEN);
	container[ID_LEN] = '\0';
	return 0;
}

int docker_sandbox_container(const char *data_root, const char *sandbox_key, char container[ID_SIZE], struct why *why)
{
	char path[PATH_MAX];
	const char *slash = strrchr(sandbox_key, '/');
	if (root_check(data_root, why) < 0)
		return -1;
	if (*sandbox_key != '/' || !text_is_hex(slash + 1, SANDBOX_DIGITS)) {
		errno = EINVAL;
		return why_set(why, "SandboxKey %.200s: a path that ends in 12 hexadecimal digits expected",
		               sandbox_key);
	}
	if (text_format(path, sizeof path, "%s/" STORE, data_root) < 0)
		return why_sys(why, "Docker's data root %.200s", data_root);
	for (int i = 0; i < STORE_READS; i++) {
		size_t len;
		autofree char *store = file_slurp(AT_FDCWD, path, STORE_MAX, &len);
		if (!store)
			return why_sys(why, "%s", path);
		if (docker_sandbox_search(store, len, slash + 1, container) == 0)
			return 0;
	}
	errno = ENOENT;
	return why_set(why, "%s has no container of sandbox %s", path, slash + 1);
}

/* Says of which file the reason is, and makes one errno of all that is wrong with its content. */
static int blame(struct why *why, const char *file, const struct why *reason)
{
	if (errno != ENOMEM)
		errno = EBADMSG;
	return why_set(why, "%s: %s", file, reason->text);
}

static int take_config(const struct fields *f, struct docker_container *c, struct why *why)
{
	struct fields config = {NULL, "Config."};
	autofree char *name = NULL;
	if (take_text(f, "Name", &name, why) < 0 || take_text(f, "Image", &c->image_id, why) < 0 ||
	    take_text(f, "ResolvConfPath", &c->resolv_conf, why) < 0 ||
	    field_entry(f, "Config", json_type_object, &config.object, why) < 0 ||
	    take_text(&config, "Image", &c->image, why) < 0 || take_pairs(&config, "Labels", &c->labels, why) < 0)
		return -1;
	if (!config.object || !*name) {
		errno = EBADMSG;
		return why_set(why, "field Name or Config is missing");
	}
	c->name = strdup(*name == '/' ? name + 1 : name);
	return c->name ? 0 : why_sys(why, "field Name");
}

static int take_host_config(const struct fields *f, struct docker_container *c, struct why *why)
{
	struct fields restart = {NULL, "RestartPolicy."};
	bool remove = false;
	if (take_text(f, "NetworkMode", &c->network_mode, why) < 0 ||
	    field_entry_bool(f, "AutoRemove", &remove, why) < 0 ||
	    field_entry(f, "RestartPolicy", json_type_object, &restart.object, why) < 0 ||
	    take_text(&restart, "Name", &c->restart_policy, why) < 0)
		return -1;
	c->auto_remove = remove;
	return 0;
}

static int take_document(char *text, size_t len, const char *file,
                         int (*take)(const struct fields *f, struct docker_container *c, struct why *why),
                         struct docker_container *c, struct why *why)
{
	struct fields f = {NULL, ""};
	struct why reason;
	int result = document_parse(text, len, json_type_object, &f.object, &reason);
	if (result == 0)
		result = take(&f, c, &reason);
	if (result < 0)
		blame(why, file, &reason);
	int saved = errno;
	json_object_put(f.object);
	errno = saved;
	return result;
}

int docker_container_parse(struct docker_container *c, char *config, size_t config_len, char *host_config,
                           size_t host_config_len, struct why *why)
{
	*c = (struct docker_container){.auto_remove = -1};
	if (take_document(config, config_len, "config.v2.json", take_config, c, why) == 0 &&
	    take_document(host_config, host_config_len, "hostconfig.json", take_host_config, c, why) == 0)
		return 0;
	int saved = errno;
	docker_container_free(c);
	errno = saved;
	return -1;
}

static char *slurp(const char *data_root, const char *container, const char *name, size_t *len, struct why *why)
{
	char path[PATH_MAX];
	char *text = NULL;
	if (text_format(path, sizeof path, "%s/containers/%s/%s", data_root, container, name) < 0)
		why_sys(why, "Docker's data root %.200s", data_root);
	else if (!(text = file_slurp(AT_FDCWD, path, CONFIG_MAX, len)))
		why_sys(why, "%s", path);
	return text;
}

int docker_container_read(const char *data_root, const char *container, struct docker_container *c, struct why *why)
{
	size_t config_len, host_config_len;
	struct why reason;
	*c = (struct docker_container){.auto_remove = -1};
	if (root_check(data_root, why) < 0 || container_check(container, why) < 0)
		return -1;
	autofree char *config = slurp(data_root, container, "config.v2.json", &config_len, why);
	if (!config)
		return -1;
	autofree char *host_config = slurp(data_root, container, "hostconfig.json", &host_config_len, why);
	if (!host_config)
		return -1;
	if (docker_container_parse(c, config, config_len, host_config, host_config_len, &reason) < 0)
		return why_set(why, "%s/containers/%s/%s", data_root, container, reason.text);
	memcpy(c->id, container, ID_SIZE);
	return 0;
}

int docker_container_exists(const char *data_root, const char *container, struct why *why)
{
	char path[PATH_MAX];
	struct stat st;
	if (root_check(data_root, why) < 0 || container_check(container, why) < 0)
		return -1;
	if (text_format(path, sizeof path, "%s/containers", data_root) < 0)
		return why_sys(why, "Docker's data root %.200s", data_root);
	autofd int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return why_sys(why, "%s", path);
	if (text_format(path, sizeof path, "%s/config.v2.json", container) < 0)
		return -1;
	if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : why_sys(why, "%s/containers/%s", data_root, path);
}

/* Members of all objects within. */
static size_t member_count(struct json_object *o)
{
	size_t n = 0;
	if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(o); i++)
			n += member_count(json_object_array_get_idx(o, i));
	} else if (json_object_is_type(o, json_type_object)) {
		json_object_object_foreach(o, key, value)
		{
			(void)key;
			n += 1 + member_count(value);
		}
	}
	return n;
}

/* Colons outside strings: one for each member. */
static size_t colon_count(const char *text, size_t len)
{
	size_t n = 0;
	bool quoted = false;
	for (size_t i = 0; i < len; i++) {
		if (quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && text[i] == ':')
			n++;
	}
	return n;
}

static bool has_foreign_key(struct json_object *o)
{
	json_object_object_foreach(o, key, value)
	{
		(void)value;
		for (const char *p = key; *p; p++)
			if (!isascii((unsigned char)*p))
				return true;
	}
	return false;
}

static bool has_replacement(const struct pairs *labels)
{
	for (size_t i = 0; i < labels->count; i++)
		if (strstr(labels->list[i].name, "\xef\xbf\xbd") || strstr(labels->list[i].value, "\xef\xbf\xbd"))
			return true;
	return false;
}

static int ambiguous(const char *what, struct why *why)
{
	errno = EBADMSG;
	return why_set(why, "%s: only Docker knows how it reads that", what);
}

/*
 * The author of an image could write a label so that Docker reads it and we do not, and it would pass for the user's
 * own. So all that Go and json-c read differently is refused: a name given twice (json-c keeps the last and tells
 * nobody, Go merges), names that differ by case (field_get tells), by letters that Go folds into ASCII ones (the long
 * s, the Kelvin sign), and replaced characters.
 */
static int take_image_config(const struct fields *f, size_t colons, struct pairs *labels, struct why *why)
{
	struct fields config = {NULL, "config."};
	struct json_object *map;
	if (colons != member_count(f->object))
		return ambiguous("a field is given twice", why);
	if (f->object && has_foreign_key(f->object))
		return ambiguous("a field's name is not in ASCII", why);
	if (field_get(f, "config", json_type_object, OPTIONAL, &config.object, why) < 0)
		return -1;
	if (config.object && has_foreign_key(config.object))
		return ambiguous("a field's name is not in ASCII", why);
	if (field_get(&config, "Labels", json_type_object, OPTIONAL, &map, why) < 0 ||
	    take_map(map, "config.Labels", labels, why) < 0)
		return -1;
	if (!has_replacement(labels))
		return 0;
	pairs_free(labels);
	return ambiguous("a label holds a replaced character", why);
}

int docker_image_config_parse(struct pairs *labels, char *text, size_t len, struct why *why)
{
	struct fields f = {NULL, ""};
	*labels = (struct pairs){0};
	size_t colons = colon_count(text, len);
	if (document_parse(text, len, json_type_object, &f.object, why) < 0)
		return -1;
	int result = f.object ? take_image_config(&f, colons, labels, why) : ambiguous("it is null", why);
	int saved = errno;
	json_object_put(f.object);
	errno = result < 0 && saved != ENOMEM ? EBADMSG : saved;
	return result;
}

int docker_image_labels(const char *data_root, const char *image_id, struct pairs *labels, struct why *why)
{
	char path[PATH_MAX];
	struct why reason;
	static const char prefix[] = "sha256:";
	*labels = (struct pairs){0};
	if (root_check(data_root, why) < 0)
		return -1;
	if (strncmp(image_id, prefix, sizeof prefix - 1) || !text_is_hex(image_id + sizeof prefix - 1, ID_LEN)) {
		errno = EINVAL;
		return why_set(why, "image ID %.80s: sha256: and 64 hexadecimal digits expected", image_id);
	}
	if (text_format(path, sizeof path, "%s/image", data_root) < 0)
		return why_sys(why, "Docker's data root %.200s", data_root);
	autofree char **drivers = dir_list(AT_FDCWD, path);
	if (!drivers)
		return why_sys(why, "%s", path);
	for (char **d = drivers; *d; d++) {
		size_t len;
		if (text_format(path, sizeof path, "%s/image/%s/imagedb/content/sha256/%s", data_root, *d,
		                image_id + sizeof prefix - 1) < 0)
			return why_sys(why, "Docker's data root %.200s", data_root);
		autofree char *text = file_slurp(AT_FDCWD, path, CONFIG_MAX, &len);
		if (!text && (errno == ENOENT || errno == ENOTDIR))
			continue;
		if (!text)
			return why_sys(why, "%s", path);
		return docker_image_config_parse(labels, text, len, &reason) == 0
		               ? 0
		               : why_set(why, "%s: %s", path, reason.text);
	}
	errno = ENOENT;
	return why_set(why, "%s/image has no file of image %s", data_root, image_id);
}

int docker_data_root_of_pid(pid_t pid, char data_root[PATH_MAX], struct why *why)
{
	static const char tail[] = "/volumes/metadata.db";
	char path[64], target[PATH_MAX];
	if (pid <= 0) {
		errno = EINVAL;
		return why_set(why, "process ID %ld: a positive one expected", (long)pid);
	}
	snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
	autodir DIR *dir = opendir(path);
	if (!dir)
		return why_sys(why, "%s", path);
	errno = 0;
	for (struct dirent *d; (d = readdir(dir)); errno = 0) {
		ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof target - 1);
		if (n < (ssize_t)sizeof tail || n == (ssize_t)sizeof target - 1)
			continue;
		target[n] = '\0';
		char *end = target + n - (sizeof tail - 1);
		if (*target != '/' || strcmp(end, tail) != 0)
			continue;
		*end = '\0';
		memcpy(data_root, target, (size_t)(end - target) + 1);
		return 0;
	}
	if (errno)
		return why_sys(why, "%s", path);
	errno = ENOENT;
	return why_set(why, "process %ld has no file ...%s open: is it dockerd?", (long)pid, tail);
}
