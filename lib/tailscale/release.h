/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_TAILSCALE_RELEASE_H
#define TSLINK_TAILSCALE_RELEASE_H

/*
 * Releases of Tailscale: which is the newest, getting one, and the directory ("cache") that keeps them:
 *
 *   <cache>/<version>/tailscaled, tailscale   one release, complete or not there at all
 *   <cache>/current                           symlink to the version in use
 *
 * Where releases come from has the layout of https://pkgs.tailscale.com/stable (as Tailscale's own updater knows it,
 * clientupdate/clientupdate.go):
 *
 *   ?mode=json&os=linux                       the index: JSON with TarballsVersion, and Tarballs, a file name by architecture
 *   tailscale_<version>_<arch>.tgz            holds tailscale_<version>_<arch>/tailscaled, .../tailscale and more
 *   tailscale_<version>_<arch>.tgz.sha256     its SHA-256 in hexadecimal
 *
 * Nothing that comes from there is trusted before it is checked: neither texts nor sizes, and no path at all. A tarball is
 * opened only after its SHA-256 is right. Functions that change a cache want one caller at a time: the lock is theirs.
 */

#include "lib/base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define RELEASE_URL "https://pkgs.tailscale.com/stable"
#define RELEASE_OLDEST "1.80.0" /* what tslink can drive; also the oldest that headscale 0.29 lets in */
#define RELEASE_VERSION_SIZE 24
#define RELEASE_DIGEST_SIZE 32
#define RELEASE_URL_MAX 200
#define RELEASE_INDEX_MAX (1024 * 1024)
#define RELEASE_TARBALL_MAX (256L * 1024 * 1024)
#define RELEASE_PROGRAM_MAX (256L * 1024 * 1024)

/* Where releases come from, and what for. */
struct release_source {
	const char *url;  /* as release_url_check wants it */
	const char *arch; /* as release_arch says it */
	long connect_ms;  /* to make a connection */
	long stall_s;     /* that no byte comes */
};

#define RELEASE_CONNECT_MS 10000
#define RELEASE_STALL_S 30

/* Is text a version that tslink can use: three numbers with dots between, at least RELEASE_OLDEST?
 * 0, or -1: EINVAL where it is no version, ERANGE where it is too old. */
int release_version_check(const char *text, struct why *why);

/* Negative, 0 or positive as version a is older than, the same as, or newer than b. Both passed release_version_check. */
int release_version_compare(const char *a, const char *b);

/* Tailscale's name of an architecture (amd64, arm64, arm, 386, riscv64), as uname(2) calls it; NULL for others. */
const char *release_arch(const char *machine);

/* Is url the root of a release directory: http or https, a host, no user name or password (it is shown in messages), no
 * query, no fragment, no slash at its end, at most RELEASE_URL_MAX bytes? 0, or -1 with EINVAL. */
int release_url_check(const char *url, struct why *why);

/* What the index says is the newest version for this architecture. The text need not be terminated.
 * 0, or -1: EPROTO where it is no such index, ENOENT where it has nothing for the architecture; as release_version_check. */
int release_index_read(const char *json, size_t len, const char *arch, char version[RELEASE_VERSION_SIZE],
                       struct why *why);

/* The 64 hexadecimal digits of a .sha256 file; a name may follow as sha256sum(1) writes it. 0, or -1 with EPROTO. */
int release_digest_read(const char *text, size_t len, unsigned char digest[RELEASE_DIGEST_SIZE]);

/*
 * Takes tailscaled and tailscale out of a gzipped tarball, into a directory (both made anew, mode 0755, synced). The members
 * <top>/tailscaled and <top>/tailscale are wanted, regular files once each of 1 to RELEASE_PROGRAM_MAX bytes; no other member
 * is ever written, whatever its name. 0, or -1: EPROTO where the tarball is not like that, or errno of writing.
 */
int release_unpack(int tarball, const char *top, int dir, struct why *why);

/*
 * Asks the source for its newest version. 0, or -1: ETIMEDOUT, EIO (the network, or the server's answer; the reason says which),
 * ENOENT (404), EFBIG, or as release_index_read.
 */
int release_newest(const struct release_source *from, char version[RELEASE_VERSION_SIZE], struct why *why);

/*
 * Gets a release into the cache: download, SHA-256, tarball, then a rename puts it there whole, in place of a damaged one.
 * 0, or -1: as release_newest and release_unpack; EBADMSG where the SHA-256 is not the announced one.
 */
int release_get(const struct release_source *from, const char *version, int cache, struct why *why);

/* Does the directory hold tailscaled, as a regular file that everybody may execute (behind symlinks, too), and, if cli is
 * asked for, tailscale? 0, or -1: ENOENT, EACCES where the mode is the fault. */
int release_check(int dir, const char *path, bool cli, struct why *why);

/*
 * The version to use when no other can be had: `current`, else the newest in the cache that is complete.
 * 0, or -1 with ENOENT and "" in version.
 */
int release_cached(int cache, char version[RELEASE_VERSION_SIZE]);

/* Makes a version of the cache `current`, and removes all but it and the one that was `current` before.
 * Does nothing where it is current already. 0 or -1 with errno. */
int release_switch(int cache, const char *version, struct why *why);

/*
 * The directory that tailscaled really is in, where TS_PATH says `path`: a directory with tailscaled in it, or tailscaled itself.
 * A symlink to a tailscaled elsewhere is followed, so that the directory alone (as in a node's private root) is enough.
 * 0, or -1: EINVAL where path is not absolute, or as release_check.
 */
int release_operators(const char *path, char dir[PATH_MAX], struct why *why);

#endif
