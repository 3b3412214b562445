/* SPDX-License-Identifier: ISC */
#include "lib/tailscale/release.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "tap.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct why why;
static char scratch[] = "/tmp/t_release.XXXXXX";
static int top; /* the scratch directory */

/* --- versions, architectures, URLs ---------------------------------------------------------------------------------------- */

static void version_is(const char *text, int error)
{
	errno = 0;
	int result = release_version_check(text, &why);
	ok(result == (error ? -1 : 0) && (!error || errno == error), "version \"%s\": %s", text,
	   error ? why.text : "good");
}

static void versions(void)
{
	version_is("1.102.3", 0);
	version_is("1.80.0", 0);
	version_is("1.103.12", 0);
	version_is("2.0.0", 0);
	version_is("1.79.99", ERANGE);
	version_is("0.99.0", ERANGE);
	static const char *const none[] = {
		"",         "1.102",      "1.102.",       "1.102.3.4",  "v1.102.3",
		"1.102.3 ", " 1.102.3",   "1.0102.3",     "1.102.-3",   "1.102.3-pre",
		"1..3",     "../1.102.3", "1.102.3/../x", "100000.1.1", "1.102.999999999999"};
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		version_is(none[i], EINVAL);
	ok(release_version_compare("1.102.3", "1.102.10") < 0, "3 before 10");
	ok(release_version_compare("2.0.0", "1.999.9") > 0, "2 after 1");
	is_number(release_version_compare("1.102.3", "1.102.3"), 0, "the same");
}

static void architectures(void)
{
	static const char *const known[][2] = {
		{"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"},    {"armv6l", "arm"},
		{"armv8l", "arm"},   {"i386", "386"},      {"i686", "386"},      {"riscv64", "riscv64"},
		{"armv7b", NULL},    {"mips", NULL},       {"aarch64_be", NULL}, {"i86", NULL},
		{"ia64", NULL},      {"", NULL},
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		is(release_arch(known[i][0]), known[i][1], *known[i][0] ? known[i][0] : "no machine");
}

static void urls(void)
{
	char long_one[300] = "https://h/";
	memset(long_one + strlen(long_one), 'a', sizeof long_one - strlen(long_one) - 1);
	long_one[sizeof long_one - 1] = '\0';
	static const char *const good[] = {RELEASE_URL, "http://127.0.0.1:8080", "http://[::1]:80/a/b",
	                                   "https://mirror"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		ok(release_url_check(good[i], &why) == 0, "URL %s", good[i]);
	const char *bad[] = {"",
	                     "pkgs.tailscale.com/stable",
	                     "ftp://h/x",
	                     "file:///etc",
	                     "https://",
	                     "https://h/x/",
	                     "https://h/x?y",
	                     "https://h/x#y",
	                     "https://h/a b",
	                     "https://h/a\nb",
	                     "https://user@h/x",
	                     "https://user:secret@h/x",
	                     long_one};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		errno = 0;
		int result = release_url_check(bad[i], &why);
		ok(result < 0 && errno == EINVAL && !strstr(why.text, "secret"), "no URL: %s", why.text);
	}
}

/* --- index and digest ------------------------------------------------------------------------------------------------------ */

static int index_says(const char *json, char version[RELEASE_VERSION_SIZE])
{
	errno = 0;
	return release_index_read(json, strlen(json), "amd64", version, &why);
}

static void index_is_bad(const char *json, int error)
{
	char version[RELEASE_VERSION_SIZE];
	int result = index_says(json, version);
	ok(result < 0 && errno == error && !*version, "%.60s: %s", json, why.text);
}

static void indexes(void)
{
	char version[RELEASE_VERSION_SIZE];
	int result = index_says("{\"Version\":\"1.104.1\",\"TarballsVersion\":\"1.102.5\",\"Tarballs\":{"
	                        "\"386\":\"tailscale_1.102.5_386.tgz\",\"amd64\":\"tailscale_1.102.5_amd64.tgz\"}}",
	                        version);
	ok(result == 0 && !strcmp(version, "1.102.5"), "the index names the newest tarballs");
	index_is_bad("", EPROTO);
	index_is_bad("{", EPROTO);
	index_is_bad("[]", EPROTO);
	index_is_bad("null", EPROTO);
	index_is_bad("<html>", EPROTO);
	index_is_bad("{\"Version\":\"1.102.5\"}", EPROTO);
	index_is_bad("{\"TarballsVersion\":1,\"Tarballs\":{}}", EPROTO);
	index_is_bad("{\"TarballsVersion\":\"1.102.5\",\"Tarballs\":[]}", EPROTO);
	index_is_bad("{\"TarballsVersion\":\"1.102.5\",\"Tarballs\":{\"arm\":\"tailscale_1.102.5_arm.tgz\"}}", ENOENT);
	index_is_bad("{\"TarballsVersion\":\"1.102.5\",\"Tarballs\":{\"amd64\":\"../../etc/passwd\"}}", ENOENT);
	index_is_bad("{\"TarballsVersion\":\"../../x\",\"Tarballs\":{\"amd64\":\"x\"}}", EINVAL);
	index_is_bad("{\"TarballsVersion\":\"1.60.0\",\"Tarballs\":{\"amd64\":\"tailscale_1.60.0_amd64.tgz\"}}",
	             ERANGE);
	char deep[200];
	memset(deep, '[', sizeof deep);
	deep[sizeof deep - 1] = '\0';
	index_is_bad(deep, EPROTO);
}

static void digests(void)
{
	unsigned char digest[RELEASE_DIGEST_SIZE];
	char text[] = "50748df1045e60b5b695f19f4c56b0da36c019948b440fb456b6584a50f0d8b9\n";
	ok(release_digest_read(text, 64, digest) == 0 && digest[0] == 0x50 && digest[31] == 0xb9, "64 digits");
	is_number(release_digest_read(text, 65, digest), 0, "and a line feed");
	static const char named[] = "50748DF1045E60B5B695F19F4C56B0DA36C019948B440FB456B6584A50F0D8B9  x.tgz\n";
	is_number(release_digest_read(named, sizeof named - 1, digest), 0, "as sha256sum writes it");
	is_number(release_digest_read(text, 63, digest), -1, "one too few");
	is_number(release_digest_read("", 0, digest), -1, "nothing");
	text[64] = 'a';
	is_number(release_digest_read(text, 65, digest), -1, "one too many");
	text[5] = 'g';
	is_number(release_digest_read(text, 64, digest), -1, "not hexadecimal");
}

/* --- tarballs --------------------------------------------------------------------------------------------------------------- */

struct member {
	const char *path;
	const char *content; /* NULL: claims size bytes */
	int64_t size;
	mode_t type; /* AE_IFREG where 0 */
	const char *link;
};

static int tarball(const struct member *members, size_t count)
{
	int fd = memfd_create("tarball", MFD_CLOEXEC);
	struct archive *out = archive_write_new();
	struct archive_entry *entry = archive_entry_new();

	archive_write_add_filter_gzip(out);
	archive_write_set_format_pax_restricted(out);
	archive_write_open_fd(out, fd);
	for (size_t i = 0; i < count; i++) {
		const struct member *m = &members[i];
		archive_entry_clear(entry);
		archive_entry_set_pathname(entry, m->path);
		archive_entry_set_filetype(entry, m->type ? m->type : AE_IFREG);
		archive_entry_set_perm(entry, 04777);
		archive_entry_set_size(entry, m->content ? (int64_t)strlen(m->content) : m->size);
		if (m->link && m->type == AE_IFLNK)
			archive_entry_set_symlink(entry, m->link);
		else if (m->link)
			archive_entry_set_hardlink(entry, m->link);
		if (archive_write_header(out, entry) < ARCHIVE_WARN)
			printf("Bail out! %s\n", archive_error_string(out));
		if (m->content)
			archive_write_data(out, m->content, strlen(m->content));
	}
	archive_entry_free(entry);
	archive_write_close(out);
	archive_write_free(out);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Unpacks into a directory "out" of its own, and closes the tarball. */
static int unpack(int fd)
{
	tree_remove(top, "out");
	mkdirat(top, "out", 0755);
	int dir = openat(top, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = release_unpack(fd, "tailscale_1.102.3_amd64", dir, &why);
	int saved = errno;
	close(dir);
	close(fd);
	errno = saved;
	return result;
}

static int files_in(const char *path)
{
	char **names = dir_list(top, path);
	int count = 0;
	while (names && names[count])
		count++;
	free(names);
	return count;
}

static void tarball_is_bad(const char *name, const struct member *members, size_t count)
{
	errno = 0;
	int result = unpack(tarball(members, count));
	ok(result < 0 && errno == EPROTO, "%s: %s", name, why.text);
	struct stat st;
	ok(fstatat(top, "tailscaled", &st, 0) < 0 && fstatat(top, "evil", &st, 0) < 0 && files_in("out") <= 2,
	   "%s: nothing written beside it", name);
}

#define DAEMON                                                                      \
	{                                                                           \
		.path = "tailscale_1.102.3_amd64/tailscaled", .content = "#!daemon" \
	}
#define CLI                                                                     \
	{                                                                       \
		.path = "tailscale_1.102.3_amd64/tailscale", .content = "#!cli" \
	}
#define BAD(name, ...)                                             \
	tarball_is_bad(name, (const struct member[]){__VA_ARGS__}, \
	               sizeof((const struct member[]){__VA_ARGS__}) / sizeof(struct member))

static void tarballs(void)
{
	struct stat st;
	char text[32];
	const struct member good[] = {
		{.path = "tailscale_1.102.3_amd64/", .type = AE_IFDIR},
		CLI,
		DAEMON,
		{.path = "tailscale_1.102.3_amd64/systemd/tailscaled.service", .content = "[Unit]"},
		{.path = "../evil", .content = "x"},
		{.path = "/etc/evil", .content = "x"},
		{.path = "tailscale_1.102.3_amd64/../tailscaled", .content = "x"}};
	mode_t mask = umask(077);
	is_number(unpack(tarball(good, sizeof good / sizeof *good)), 0, "a good tarball with strange neighbours");
	umask(mask);
	is_number(files_in("out"), 2, "just the two programs come out");
	ok(fstatat(top, "evil", &st, 0) < 0, "nothing else");
	ok(fstatat(top, "out/tailscaled", &st, 0) == 0 && (st.st_mode & 07777) == 0755, "with mode 0755");
	ok(file_read(top, "out/tailscale", text, sizeof text) == 5 && !strcmp(text, "#!cli"), "with their content");

	BAD("no tailscaled", CLI);
	BAD("no tailscale", DAEMON);
	BAD("a program twice", DAEMON, DAEMON, CLI);
	BAD("another version", {.path = "tailscale_1.102.4_amd64/tailscaled", .content = "x"}, CLI);
	BAD("a path out of it", {.path = "tailscale_1.102.3_amd64/../tailscaled", .content = "x"}, CLI);
	BAD("an absolute path", {.path = "/tailscale_1.102.3_amd64/tailscaled", .content = "x"}, CLI);
	BAD("a symlink", {.path = "tailscale_1.102.3_amd64/tailscaled", .type = AE_IFLNK, .link = "/bin/sh"}, CLI);
	BAD("a hard link", {.path = "tailscale_1.102.3_amd64/tailscaled", .link = "/bin/sh"}, CLI);
	BAD("a directory", {.path = "tailscale_1.102.3_amd64/tailscaled", .type = AE_IFDIR}, CLI);
	BAD("a device", {.path = "tailscale_1.102.3_amd64/tailscaled", .type = AE_IFCHR}, CLI);
	BAD("an empty program", {.path = "tailscale_1.102.3_amd64/tailscaled", .content = ""}, CLI);
	BAD("a huge program", {.path = "tailscale_1.102.3_amd64/tailscaled", .size = RELEASE_PROGRAM_MAX + 1}, CLI);
	BAD("a huge other member", {.path = "x", .size = 2 * (int64_t)RELEASE_PROGRAM_MAX + 1}, DAEMON, CLI);

	static struct member many[1002];
	for (size_t i = 0; i < 1000; i++)
		many[i] = (struct member){.path = "x", .content = "x"};
	many[1000] = (struct member)DAEMON;
	many[1001] = (struct member)CLI;
	tarball_is_bad("too many members", many, 1002);

	int cut = tarball(good, sizeof good / sizeof *good);
	fstat(cut, &st);
	is_number(ftruncate(cut, st.st_size / 2), 0, "a tarball is cut");
	ok(unpack(cut) < 0 && errno == EPROTO, "cut: %s", why.text);
	int text_file = memfd_create("text", MFD_CLOEXEC);
	ok(write(text_file, "<html>no</html>", 15) == 15 && lseek(text_file, 0, SEEK_SET) == 0, "a text");
	ok(unpack(text_file) < 0 && errno == EPROTO, "a text: %s", why.text);
	ok(unpack(memfd_create("empty", MFD_CLOEXEC)) < 0 && errno == EPROTO, "nothing: %s", why.text);
}

/* --- the cache -------------------------------------------------------------------------------------------------------------- */

static void program(const char *dir, const char *name, mode_t mode)
{
	char path[200];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (dir_make(top, dir, 0755) < 0 || file_publish(top, path, "x", 1, mode, VOLATILE) < 0)
		printf("Bail out! %s\n", path);
}

static void release(const char *version)
{
	char dir[100];
	snprintf(dir, sizeof dir, "cache/%s", version);
	program(dir, "tailscaled", 0755);
	program(dir, "tailscale", 0755);
}

static void cache(void)
{
	char version[RELEASE_VERSION_SIZE];
	dir_make(top, "cache", 0755);
	int dir = openat(top, "cache", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok(release_cached(dir, version) < 0 && errno == ENOENT && !*version, "an empty cache");
	release("1.98.10");
	release("1.100.0");
	release("1.98.9");
	release("1.60.0");
	program("cache/1.104.0", "tailscaled", 0755);
	program("cache/notes", "tailscaled", 0755);
	ok(release_cached(dir, version) == 0 && !strcmp(version, "1.100.0"),
	   "the newest that is complete and not too old");
	ok(release_check(dir, "1.104.0", true, &why) < 0 && errno == ENOENT, "half a release: %s", why.text);
	ok(release_check(dir, "1.104.0", false, &why) == 0, "enough for who needs no command line");

	is_number(release_switch(dir, "1.98.9", &why), 0, "switch");
	ok(release_cached(dir, version) == 0 && !strcmp(version, "1.98.9"), "what is current is used");
	ok(faccessat(dir, "1.100.0", F_OK, 0) < 0 && faccessat(dir, "1.60.0", F_OK, 0) < 0, "others are removed");
	ok(faccessat(dir, "notes", F_OK, 0) == 0, "what is no version is not touched");
	release("1.100.0");
	is_number(release_switch(dir, "1.100.0", &why), 0, "switch again");
	ok(faccessat(dir, "1.98.9", F_OK, 0) == 0, "the one before is kept");
	is_number(release_switch(dir, "1.100.0", &why), 0, "switch to what is current");
	ok(faccessat(dir, "1.98.9", F_OK, 0) == 0, "the one before is still kept");
	release("1.102.0");
	is_number(release_switch(dir, "1.102.0", &why), 0, "switch once more");
	ok(faccessat(dir, "1.98.9", F_OK, 0) < 0 && faccessat(dir, "1.100.0", F_OK, 0) == 0,
	   "the one before that goes");

	program("cache/1.102.0", "tailscaled", 0700);
	ok(release_check(dir, "1.102.0", true, &why) < 0 && errno == EACCES, "not for everybody: %s", why.text);
	ok(release_cached(dir, version) == 0 && !strcmp(version, "1.100.0"), "a damaged current one is passed over");
	is_number(file_publish_link(dir, "current", "../../../../../../tmp", VOLATILE), 0,
	          "current points out of the cache");
	ok(release_cached(dir, version) == 0 && !strcmp(version, "1.100.0"), "which is not followed");
	close(dir);
}

static void operators(void)
{
	char path[PATH_MAX], want[PATH_MAX], dir[PATH_MAX];
	program("own", "tailscaled", 0755);
	program("other", "tailscale.combined", 0755);
	dir_make(top, "linked", 0755);
	ok(symlinkat("../own/tailscaled", top, "linked/tailscaled") == 0 &&
	           symlinkat("tailscale.combined", top, "other/tailscaled") == 0,
	   "two links to programs");
	program("private", "tailscaled", 0700);
	dir_make(top, "empty", 0755);

#define OPERATORS(part) (snprintf(path, sizeof path, "%s/%s", scratch, part), release_operators(path, dir, &why))
	snprintf(want, sizeof want, "%s/own", scratch);
	ok(OPERATORS("own") == 0 && !strcmp(dir, want), "a directory");
	ok(OPERATORS("own/") == 0 && !strcmp(dir, want), "with a slash");
	ok(OPERATORS("own/tailscaled") == 0 && !strcmp(dir, want), "tailscaled itself");
	ok(OPERATORS("linked") == 0 && !strcmp(dir, want), "a symlink to a tailscaled elsewhere");
	snprintf(want, sizeof want, "%s/other", scratch);
	ok(OPERATORS("other") == 0 && !strcmp(dir, want), "a symlink to a program of another name");
	ok(OPERATORS("other/tailscale.combined") < 0 && errno == EINVAL, "%s", why.text);
	ok(OPERATORS("private") < 0 && errno == EACCES, "%s", why.text);
	ok(OPERATORS("empty") < 0 && errno == ENOENT, "%s", why.text);
	ok(OPERATORS("nowhere") < 0 && errno == ENOENT, "%s", why.text);
	ok(release_operators("usr/bin", dir, &why) < 0 && errno == EINVAL, "%s", why.text);
}

/* --- deadlines --------------------------------------------------------------------------------------------------------------- */

/* A server that never answers: the kernel makes the connection, nobody accepts it. */
static void silence(void)
{
	char url[64], version[RELEASE_VERSION_SIZE];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		printf("Bail out! no socket\n");
	snprintf(url, sizeof url, "http://127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
	struct release_source from = {.url = url, .arch = "amd64", .connect_ms = 5000, .stall_s = 1};
	int64_t began = now_ms();
	errno = 0;
	int result = release_newest(&from, version, &why);
	int error = errno;
	int64_t took = now_ms() - began;
	ok(result < 0 && error == ETIMEDOUT && strstr(why.text, url), "%s", why.text);
	ok(took >= 900 && took < 10000, "after about the second it was given");
	printf("# %lld ms\n", (long long)took);
	close(fd);
	errno = 0;
	ok(release_newest(&from, version, &why) < 0 && errno == EIO, "%s", why.text);
}

int main(void)
{
	if (!mkdtemp(scratch) || (top = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return 1;
	/* the host's proxies have no part in this */
	setenv("no_proxy", "*", 1);
	versions();
	architectures();
	urls();
	indexes();
	digests();
	tarballs();
	cache();
	operators();
	silence();
	ok(tree_remove(AT_FDCWD, scratch) == 0, "clean");
	return tap_done();
}
