/* SPDX-License-Identifier: ISC */
/* What comes from a release server: every input is read as index, digest, version, URL and tarball (gzipped or not). A tarball
 * leaves nothing but the two programs in the directory it is given. */
#include "lib/base/file.h"
#include "lib/tailscale/release.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOP "tailscale_1.102.3_amd64"

static char scratch[] = "/tmp/fuzz_release.XXXXXX";

static void want(bool condition)
{
	if (!condition)
		abort();
}

static void clean(void)
{
	tree_remove(AT_FDCWD, scratch);
}

/* A few bytes of input can stand for a program of 256 MB: those that grow beyond 1 MB fail here as on a full disk. */
static int prepare(void)
{
	struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
	signal(SIGXFSZ, SIG_IGN);
	want(setrlimit(RLIMIT_FSIZE, &limit) == 0 && mkdtemp(scratch));
	atexit(clean);
	return open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void read_texts(const char *data, size_t size, const char *text)
{
	char version[RELEASE_VERSION_SIZE];
	unsigned char digest[RELEASE_DIGEST_SIZE];
	struct why why = {0};

	if (release_index_read(data, size, "amd64", version, &why) == 0)
		want(release_version_check(version, &why) == 0);
	else
		want(*why.text && !*version);
	if (release_digest_read(data, size, digest) == 0)
		want(size >= 64);
	if (release_version_check(text, &why) == 0)
		want(strlen(text) < RELEASE_VERSION_SIZE && strspn(text, "0123456789.") == strlen(text));
	if (release_url_check(text, &why) == 0)
		want(strlen(text) <= RELEASE_URL_MAX && !strncasecmp(text, "http", 4));
}

static void unpack(const char *data, size_t size, int dir)
{
	struct why why = {0};
	int tarball = memfd_create("tarball", MFD_CLOEXEC);

	if (size > 1 << 20)
		size = 1 << 20;
	want(tarball >= 0 && (size == 0 || write(tarball, data, size) == (ssize_t)size) &&
	     lseek(tarball, 0, SEEK_SET) == 0);
	int result = release_unpack(tarball, TOP, dir, &why);
	close(tarball);
	want(result == 0 || *why.text);
	char **names = dir_list(dir, ".");
	size_t count = 0;
	want(names);
	for (; names[count]; count++) {
		struct stat st;
		want(!strcmp(names[count], "tailscaled") || !strcmp(names[count], "tailscale"));
		want(fstatat(dir, names[count], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode));
		want(result < 0 || ((st.st_mode & 07777) == 0755 && st.st_size > 0));
		want(unlinkat(dir, names[count], 0) == 0);
	}
	want(result < 0 || count == 2);
	free(names);
}

int LLVMFuzzerTestOneInput(const unsigned char *input, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *input, size_t size)
{
	static int dir = -1;

	if (dir < 0)
		dir = prepare();
	const char *data = size ? (const char *)input : "";
	char *text = malloc(size + 1);
	want(text);
	memcpy(text, data, size);
	text[size] = '\0';
	read_texts(data, size, text);
	unpack(data, size, dir);
	free(text);
	return 0;
}
