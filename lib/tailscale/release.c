/* SPDX-License-Identifier: ISC */
/*
 * A release comes into the cache in one step: the tarball is downloaded into a file without a name while its SHA-256 is
 * computed, compared, unpacked into .new, synced, and .new renamed to the version. Whatever dies on the way leaves nothing
 * but .new or .old, which the next one removes. So a version's directory that is there is complete, unless somebody broke
 * it; release_check sees that, and it is fetched again.
 */
#include "release.h"

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/text.h"

#include <archive.h>
#include <archive_entry.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <skalibs/sha256.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 64 /* tailscale_<version>_<arch>.tgz.sha256 */
#define DIGEST_TEXT_MAX 1024
#define MEMBERS_MAX 1000 /* a release has about ten */
#define REDIRECTS_MAX 5
#define SMALL_TIMEOUT_S 60L
#define TARBALL_TIMEOUT_S (2L * 60 * 60) /* 6 kB/s */
#define UNPACKED_MAX (2 * (int64_t)RELEASE_PROGRAM_MAX)

static const char *const programs[] = {"tailscaled", "tailscale"};
#define PROGRAMS (sizeof programs / sizeof *programs)

/* --- versions and architectures ----------------------------------------------------------------------------------------- */

/* Returns false unless text is exactly three numbers of at most five digits, as they are written without leading zeros. */
static bool parse_version(const char *text, unsigned part[3])
{
	for (int i = 0; i < 3; i++) {
		size_t digits = strspn(text, "0123456789");
		if (digits < 1 || digits > 5 || (digits > 1 && *text == '0'))
			return false;
		part[i] = 0;
		for (; digits; digits--)
			part[i] = part[i] * 10 + (unsigned)(*text++ - '0');
		if (*text != (i < 2 ? '.' : '\0'))
			return false;
		text += i < 2;
	}
	return true;
}

int release_version_compare(const char *a, const char *b)
{
	unsigned x[3] = {0}, y[3] = {0};

	parse_version(a, x);
	parse_version(b, y);
	for (int i = 0; i < 3; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

int release_version_check(const char *text, struct why *why)
{
	unsigned part[3];

	if (!parse_version(text, part)) {
		errno = EINVAL;
		return why_set(why, "\"%.40s\" is no version of Tailscale: three numbers as in 1.102.3", text);
	}
	if (release_version_compare(text, RELEASE_OLDEST) < 0) {
		errno = ERANGE;
		return why_set(why, "Tailscale %s is too old: the oldest that tslink can use is %s", text,
		               RELEASE_OLDEST);
	}
	return 0;
}

const char *release_arch(const char *machine)
{
	if (!strcmp(machine, "x86_64"))
		return "amd64";
	if (!strcmp(machine, "aarch64"))
		return "arm64";
	if (!strncmp(machine, "armv", 4) && !strchr(machine, 'b')) /* armv6l, armv7l, armv8l; not armv7b */
		return "arm";
	if (strlen(machine) == 4 && machine[0] == 'i' && strchr("3456", machine[1]) && !strcmp(machine + 2, "86"))
		return "386";
	if (!strcmp(machine, "riscv64"))
		return "riscv64";
	return NULL;
}

/* --- texts from outside --------------------------------------------------------------------------------------------------- */

int release_url_check(const char *url, struct why *why)
{
	CURLU *parsed = curl_url();
	char *scheme = NULL, *part = NULL;
	const char *fault = NULL;
	size_t len = strlen(url);

	if (!parsed)
		return why_sys(why, "cannot read a URL");
	if (len > RELEASE_URL_MAX)
		fault = "it is longer than 200 bytes";
	for (const char *p = url; *p && !fault; p++)
		if (*p <= ' ' || *p >= 0x7f)
			fault = "it holds a character that no URL has";
	if (!fault && (curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK ||
	               curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	               (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)))
		fault = "it is no URL that begins with https:// or http://";
	static const struct {
		CURLUPart part;
		const char *fault;
	} unwanted[] = {
		{CURLUPART_USER, "it holds a user name, which would show in logs"},
		{CURLUPART_PASSWORD, "it holds a password, which would show in logs"},
		{CURLUPART_QUERY, "it holds a query"},
		{CURLUPART_FRAGMENT, "it holds a fragment"},
	};
	for (size_t i = 0; i < sizeof unwanted / sizeof *unwanted && !fault; i++) {
		if (curl_url_get(parsed, unwanted[i].part, &part, 0) == CURLUE_OK)
			fault = unwanted[i].fault;
		curl_free(part);
		part = NULL;
	}
	if (!fault && url[len - 1] == '/')
		fault = "it ends in a slash";
	curl_free(scheme);
	curl_url_cleanup(parsed);
	if (!fault)
		return 0;
	errno = EINVAL;
	return why_set(why, "not the URL of a directory of releases: %s", fault);
}

static const char *string_member(struct json_object *object, const char *name)
{
	struct json_object *member;

	return json_object_object_get_ex(object, name, &member) && json_object_is_type(member, json_type_string)
	               ? json_object_get_string(member)
	               : NULL;
}

static int tarball_name(char name[NAME_SIZE], const char *version, const char *arch)
{
	return text_format(name, NAME_SIZE, "tailscale_%s_%s.tgz", version, arch);
}

static int read_index(struct json_object *root, const char *arch, char version[RELEASE_VERSION_SIZE], struct why *why)
{
	struct json_object *tarballs;
	char wanted[NAME_SIZE];

	const char *newest = root ? string_member(root, "TarballsVersion") : NULL;
	if (!newest || !json_object_object_get_ex(root, "Tarballs", &tarballs) ||
	    !json_object_is_type(tarballs, json_type_object)) {
		errno = EPROTO;
		return why_set(why, "not an index of Tailscale releases (JSON with TarballsVersion and Tarballs)");
	}
	if (release_version_check(newest, why) < 0)
		return -1;
	const char *name = string_member(tarballs, arch);
	if (!name || tarball_name(wanted, newest, arch) < 0 || strcmp(name, wanted) != 0) {
		errno = ENOENT;
		return why_set(why, "the index of Tailscale releases has no %s for %s", newest, arch);
	}
	return text_format(version, RELEASE_VERSION_SIZE, "%s", newest);
}

int release_index_read(const char *json, size_t len, const char *arch, char version[RELEASE_VERSION_SIZE],
                       struct why *why)
{
	struct json_object *root = NULL;

	*version = '\0';
	struct json_tokener *tokener = json_tokener_new_ex(16);
	if (!tokener) {
		errno = ENOMEM;
		return why_sys(why, "cannot read the index of Tailscale releases");
	}
	if (len <= RELEASE_INDEX_MAX)
		root = json_tokener_parse_ex(tokener, json, (int)len);
	if (root && !json_object_is_type(root, json_type_object)) {
		json_object_put(root);
		root = NULL;
	}
	int result = read_index(root, arch, version, why);
	int saved = errno;
	json_object_put(root);
	json_tokener_free(tokener);
	errno = saved;
	return result;
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

int release_digest_read(const char *text, size_t len, unsigned char digest[RELEASE_DIGEST_SIZE])
{
	const size_t digits = 2 * RELEASE_DIGEST_SIZE;

	errno = EPROTO;
	if (len < digits || (len > digits && !strchr(" \t\r\n", text[digits])))
		return -1;
	for (size_t i = 0; i < RELEASE_DIGEST_SIZE; i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return -1;
		digest[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

/* --- tarballs ------------------------------------------------------------------------------------------------------------- */

static int write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t w = write(fd, p, len);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		p += w;
		len -= (size_t)w;
	}
	return 0;
}

static int unpack_fault(struct why *why, const char *fault)
{
	errno = EPROTO;
	return why_set(why, "the tarball is not one of Tailscale: %s", fault);
}

static int archive_fault(struct archive *in, struct why *why)
{
	const char *text = archive_error_string(in);
	return unpack_fault(why, text ? text : "unreadable");
}

static int unpack_program(struct archive *in, const char *name, int64_t size, int dir, struct why *why)
{
	char buf[65536];
	la_ssize_t n;
	int64_t written = 0;

	autofd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700);
	if (fd < 0)
		return why_sys(why, "cannot make %s", name);
	while ((n = archive_read_data(in, buf, sizeof buf)) > 0) {
		written += n;
		if (written > size)
			break;
		if (write_all(fd, buf, (size_t)n) < 0)
			return why_sys(why, "cannot write %s", name);
	}
	if (n < 0)
		return archive_fault(in, why);
	if (written != size)
		return unpack_fault(why, "a member has another size than it says");
	if (fchmod(fd, 0755) < 0 || fsync(fd) < 0)
		return why_sys(why, "cannot write %s", name);
	return 0;
}

/* Which of our programs a member is: its index, or -1. */
static int which_program(struct archive_entry *entry, const char *top)
{
	const char *path = archive_entry_pathname(entry);
	size_t len = strlen(top);

	if (!path || strncmp(path, top, len) != 0 || path[len] != '/')
		return -1;
	for (size_t i = 0; i < PROGRAMS; i++)
		if (!strcmp(path + len + 1, programs[i]))
			return (int)i;
	return -1;
}

static int unpack_members(struct archive *in, const char *top, int dir, struct why *why)
{
	struct archive_entry *entry;
	bool found[PROGRAMS] = {false};
	int64_t total = 0;
	int status;

	for (int members = 0; (status = archive_read_next_header(in, &entry)) != ARCHIVE_EOF; members++) {
		if (status < ARCHIVE_WARN)
			return archive_fault(in, why);
		int64_t size = archive_entry_size(entry);
		if (members >= MEMBERS_MAX || size < 0 || size > UNPACKED_MAX - total)
			return unpack_fault(why, "too many or too large members");
		total += size;
		int which = which_program(entry, top);
		if (which < 0)
			continue;
		if (found[which])
			return unpack_fault(why, "the same member twice");
		if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) || size < 1 ||
		    size > RELEASE_PROGRAM_MAX)
			return unpack_fault(why, "a program in it is no regular file of a likely size");
		if (unpack_program(in, programs[which], size, dir, why) < 0)
			return -1;
		found[which] = true;
	}
	for (size_t i = 0; i < PROGRAMS; i++)
		if (!found[i])
			return unpack_fault(why, "tailscaled or tailscale is missing in it");
	return 0;
}

int release_unpack(int tarball, const char *top, int dir, struct why *why)
{
	struct archive *in = archive_read_new();

	if (!in) {
		errno = ENOMEM;
		return why_sys(why, "cannot unpack");
	}
	int result = -1;
	if (archive_read_support_filter_gzip(in) < ARCHIVE_WARN || archive_read_support_format_tar(in) != ARCHIVE_OK ||
	    archive_read_open_fd(in, tarball, 65536) != ARCHIVE_OK)
		archive_fault(in, why);
	else
		result = unpack_members(in, top, dir, why);
	int saved = errno;
	archive_read_free(in);
	errno = saved;
	if (result == 0 && fsync(dir) < 0)
		return why_sys(why, "cannot write the unpacked release");
	return result;
}

/* --- downloads ------------------------------------------------------------------------------------------------------------ */

/* Where a download goes: into a file, or into memory where fd is -1; hashed on the way where hash is not NULL. */
struct sink {
	int fd;
	char *buf;
	size_t max, used;
	SHA256Schedule *hash;
	int error; /* errno that ended the download from our side */
};

static size_t take(char *data, size_t one, size_t len, void *arg)
{
	struct sink *sink = arg;

	(void)one; /* always 1 */
	if (len > sink->max - sink->used) {
		sink->error = EFBIG;
		return 0;
	}
	if (sink->fd < 0) {
		memcpy(sink->buf + sink->used, data, len);
	} else if (write_all(sink->fd, data, len) < 0) {
		sink->error = errno;
		return 0;
	}
	if (sink->hash)
		sha256_update(sink->hash, data, len);
	sink->used += len;
	return len;
}

/* No option here fails but for want of memory or a libcurl that was built without http; both are told of once. */
static CURLcode set_up(CURL *curl, const struct release_source *from, const char *url, struct sink *sink,
                       long timeout_s, char *reason)
{
	CURLcode code;
	bool plain = !strncmp(from->url, "http://", 7);

#define SET(option, value)                                                  \
	if ((code = curl_easy_setopt(curl, (option), (value))) != CURLE_OK) \
	return code
	SET(CURLOPT_ERRORBUFFER, reason);
	SET(CURLOPT_URL, url);
	SET(CURLOPT_PROTOCOLS_STR, plain ? "http,https" : "https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, plain ? "http,https" : "https");
	SET(CURLOPT_FOLLOWLOCATION, 1L);
	SET(CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
	SET(CURLOPT_FAILONERROR, 1L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_USERAGENT, "tslink");
	SET(CURLOPT_CONNECTTIMEOUT_MS, from->connect_ms);
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, from->stall_s);
	SET(CURLOPT_TIMEOUT, timeout_s);
	SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)sink->max);
	SET(CURLOPT_WRITEFUNCTION, take);
	SET(CURLOPT_WRITEDATA, sink);
#undef SET
	return CURLE_OK;
}

static int error_number(CURL *curl, CURLcode code, const struct sink *sink)
{
	long status = 0;

	if (sink->error)
		return sink->error;
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT: return ETIMEDOUT;
	case CURLE_FILESIZE_EXCEEDED: return EFBIG;
	case CURLE_HTTP_RETURNED_ERROR:
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		return status == 404 || status == 410 ? ENOENT : EIO;
	default: return EIO;
	}
}

static int download(const struct release_source *from, const char *url, struct sink *sink, long timeout_s,
                    struct why *why)
{
	char reason[CURL_ERROR_SIZE] = "";

	CURL *curl = curl_easy_init();
	if (!curl) {
		errno = ENOMEM;
		return why_sys(why, "cannot get %s", url);
	}
	CURLcode code = set_up(curl, from, url, sink, timeout_s, reason);
	if (code == CURLE_OK)
		code = curl_easy_perform(curl);
	if (code == CURLE_OK) {
		curl_easy_cleanup(curl);
		return 0;
	}
	errno = error_number(curl, code, sink);
	if (errno == EFBIG)
		why_set(why, "cannot get %s: it is larger than %zu bytes", url, sink->max);
	else if (sink->error)
		why_sys(why, "cannot keep %s", url);
	else
		why_set(why, "cannot get %s: %.160s", url, *reason ? reason : curl_easy_strerror(code));
	int saved = errno;
	curl_easy_cleanup(curl);
	errno = saved;
	return -1;
}

int release_newest(const struct release_source *from, char version[RELEASE_VERSION_SIZE], struct why *why)
{
	char url[RELEASE_URL_MAX + 64];
	struct why inner;

	*version = '\0';
	if (text_format(url, sizeof url, "%s/?mode=json&os=linux", from->url) < 0)
		return why_sys(why, "cannot ask for the newest Tailscale release");
	autofree char *json = malloc(RELEASE_INDEX_MAX);
	if (!json)
		return why_sys(why, "cannot get %s", url);
	struct sink sink = {.fd = -1, .buf = json, .max = RELEASE_INDEX_MAX};
	if (download(from, url, &sink, SMALL_TIMEOUT_S, why) < 0)
		return -1;
	if (release_index_read(json, sink.used, from->arch, version, &inner) < 0)
		return why_set(why, "%s: %s", url, inner.text);
	return 0;
}

/* A file without a name: it is gone when the descriptor is closed, whoever dies. */
static int nameless_file(int cache)
{
	int fd = openat(cache, ".download", O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0 && unlinkat(cache, ".download", 0) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Downloads a tarball whose SHA-256 is the announced one; a descriptor at its beginning, or -1. */
static int get_tarball(const struct release_source *from, const char *name, int cache, struct why *why)
{
	char url[RELEASE_URL_MAX + NAME_SIZE + 16], text[DIGEST_TEXT_MAX];
	unsigned char wanted[RELEASE_DIGEST_SIZE];
	char got[RELEASE_DIGEST_SIZE];
	SHA256Schedule hash;

	if (text_format(url, sizeof url, "%s/%s.sha256", from->url, name) < 0)
		return why_sys(why, "cannot get %s", name);
	struct sink small = {.fd = -1, .buf = text, .max = sizeof text};
	if (download(from, url, &small, SMALL_TIMEOUT_S, why) < 0)
		return -1;
	if (release_digest_read(text, small.used, wanted) < 0)
		return why_set(why, "%s is no SHA-256 in hexadecimal", url);

	url[strlen(url) - strlen(".sha256")] = '\0';
	int fd = nameless_file(cache);
	if (fd < 0)
		return why_sys(why, "cannot make a file for %s", url);
	sha256_init(&hash);
	struct sink sink = {.fd = fd, .max = RELEASE_TARBALL_MAX, .hash = &hash};
	int result = download(from, url, &sink, TARBALL_TIMEOUT_S, why);
	if (result == 0) {
		sha256_final(&hash, got);
		if (memcmp(got, wanted, sizeof got) != 0) {
			errno = EBADMSG;
			result = why_set(why,
			                 "%s does not have the SHA-256 that %s.sha256 announces: nothing of it is used",
			                 url, name);
		} else if (lseek(fd, 0, SEEK_SET) < 0) {
			result = why_sys(why, "cannot read %s again", name);
		}
	}
	if (result == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* --- the cache ------------------------------------------------------------------------------------------------------------ */

static int unpack_aside(int tarball, const char *name, int cache, struct why *why)
{
	struct why inner;
	char top[NAME_SIZE];

	if (text_format(top, sizeof top, "%.*s", (int)(strlen(name) - strlen(".tgz")), name) < 0 ||
	    mkdirat(cache, ".new", 0700) < 0)
		return why_sys(why, "cannot make a directory in the cache of releases");
	autofd int dir = openat(cache, ".new", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fchmod(dir, 0755) < 0)
		return why_sys(why, "cannot make a directory in the cache of releases");
	if (release_unpack(tarball, top, dir, &inner) < 0)
		return why_set(why, "%s: %s", name, inner.text);
	return 0;
}

/* .new becomes the version. A damaged one of that name makes way first: rename(2) replaces no directory that is not empty. */
static int place(int cache, const char *version, struct why *why)
{
	if ((renameat(cache, version, cache, ".old") < 0 && errno != ENOENT) ||
	    renameat(cache, ".new", cache, version) < 0 || dir_sync(cache, ".") < 0 || tree_remove(cache, ".old") < 0)
		return why_sys(why, "cannot put Tailscale %s into the cache of releases", version);
	return 0;
}

int release_get(const struct release_source *from, const char *version, int cache, struct why *why)
{
	char name[NAME_SIZE];

	if (tree_remove(cache, ".new") < 0 || tree_remove(cache, ".old") < 0)
		return why_sys(why, "cannot clean the cache of releases");
	if (tarball_name(name, version, from->arch) < 0)
		return why_sys(why, "cannot get Tailscale %s for %s", version, from->arch);
	autofd int tarball = get_tarball(from, name, cache, why);
	if (tarball < 0)
		return -1;
	if (unpack_aside(tarball, name, cache, why) == 0 && place(cache, version, why) == 0)
		return 0;
	int saved = errno;
	tree_remove(cache, ".new"); /* what it leaves, the next call removes or reports */
	errno = saved;
	return -1;
}

int release_check(int dir, const char *path, bool cli, struct why *why)
{
	char name[PATH_MAX];
	struct stat st;

	for (size_t i = 0; i < (cli ? PROGRAMS : 1); i++) {
		if (text_format(name, sizeof name, "%s/%s", path, programs[i]) < 0 || fstatat(dir, name, &st, 0) < 0)
			return why_sys(why, "%s in %s", programs[i], path);
		if (S_ISREG(st.st_mode) && st.st_size > 0 && (st.st_mode & S_IXOTH))
			continue;
		errno = S_ISREG(st.st_mode) && st.st_size > 0 ? EACCES : ENOENT;
		return why_set(why, "%s is not a program that everybody may execute (mode %04o)", name,
		               (unsigned)st.st_mode & 07777);
	}
	return 0;
}

/* What `current` says, or "" where it says nothing that is a version. */
static void read_current(int cache, char version[RELEASE_VERSION_SIZE])
{
	ssize_t n = readlinkat(cache, "current", version, RELEASE_VERSION_SIZE);

	version[n > 0 && n < RELEASE_VERSION_SIZE ? n : 0] = '\0';
	if (*version && release_version_check(version, NULL) < 0)
		*version = '\0';
}

int release_cached(int cache, char version[RELEASE_VERSION_SIZE])
{
	const char *best = NULL;

	read_current(cache, version);
	if (*version && release_check(cache, version, true, NULL) == 0)
		return 0;
	*version = '\0';
	autofree char **names = dir_list(cache, ".");
	if (!names)
		return -1;
	for (char **name = names; *name; name++)
		if (release_version_check(*name, NULL) == 0 && release_check(cache, *name, true, NULL) == 0 &&
		    (!best || release_version_compare(*name, best) > 0))
			best = *name;
	if (best)
		return text_format(version, RELEASE_VERSION_SIZE, "%s", best);
	errno = ENOENT;
	return -1;
}

int release_switch(int cache, const char *version, struct why *why)
{
	char before[RELEASE_VERSION_SIZE];
	unsigned part[3];

	read_current(cache, before);
	if (!strcmp(before, version))
		return 0;
	if (file_publish_link(cache, "current", version, DURABLE) < 0)
		return why_sys(why, "cannot make Tailscale %s the current one of the cache of releases", version);
	autofree char **names = dir_list(cache, ".");
	if (!names)
		return why_sys(why, "cannot list the cache of releases");
	for (char **name = names; *name; name++)
		if (parse_version(*name, part) && strcmp(*name, version) != 0 && strcmp(*name, before) != 0 &&
		    tree_remove(cache, *name) < 0)
			return why_sys(why, "cannot remove Tailscale %s from the cache of releases", *name);
	return 0;
}

int release_operators(const char *path, char dir[PATH_MAX], struct why *why)
{
	char file[PATH_MAX], real[PATH_MAX];
	struct stat st;

	if (*path != '/') {
		errno = EINVAL;
		return why_set(why, "\"%.200s\" is not an absolute path", path);
	}
	if (stat(path, &st) < 0)
		return why_sys(why, "%.300s", path);
	const char *name = strrchr(path, '/') + 1;
	if (!S_ISDIR(st.st_mode) && strcmp(name, programs[0]) != 0) {
		errno = EINVAL;
		return why_set(why, "%.300s is neither a directory nor tailscaled", path);
	}
	int fits = S_ISDIR(st.st_mode) ? text_format(file, sizeof file, "%s/%s", path, programs[0])
	                               : text_format(file, sizeof file, "%s", path);
	if (fits < 0 || !realpath(file, real))
		return why_sys(why, "tailscaled in %.300s", path);
	if (strcmp(strrchr(real, '/') + 1, programs[0]) != 0) {
		/* a symlink to a program of another name: only its own directory has it as tailscaled */
		*strrchr(file, '/') = '\0';
		if (!realpath(*file ? file : "/", dir))
			return why_sys(why, "%.300s", path);
	} else {
		*strrchr(real, '/') = '\0';
		snprintf(dir, PATH_MAX, "%s", *real ? real : "/");
	}
	return release_check(AT_FDCWD, dir, false, why);
}
