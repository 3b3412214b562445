/* SPDX-License-Identifier: ISC */
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/endpoint/resolv.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char joined[512];

/* The servers of resolv with commas between them. */
static const char *list(const struct resolv *resolv)
{
	joined[0] = 0;
	for (size_t i = 0; i < resolv->count; i++) {
		if (i)
			strcat(joined, ",");
		strcat(joined, resolv->server[i]);
	}
	return joined;
}

static void parses(const char *text, const char *want, const char *name)
{
	struct resolv resolv = {0};
	resolv_parse(&resolv, text);
	is(list(&resolv), want, name);
}

static void parsing(void)
{
	char big[70000];

	parses("nameserver 192.0.2.1\n", "192.0.2.1", "one server");
	parses("nameserver 192.0.2.1", "192.0.2.1", "no newline at the end");
	parses("", "", "an empty file");
	parses("# nameserver 192.0.2.1\n; nameserver 192.0.2.2\n", "", "comments");
	parses("nameserver\t192.0.2.1 # the router\r\nsearch a.test\noptions edns0\n", "192.0.2.1",
	       "blanks and comments behind it");
	parses("nameservers 192.0.2.1\nnameserver192.0.2.1\nnameserver\nnameserver \nsearch nameserver 192.0.2.3\n", "",
	       "other words");
	parses("nameserver 127.0.0.53\nnameserver 127.0.0.11\nnameserver ::1\nnameserver 0.0.0.0\nnameserver ::\n", "",
	       "loopback");
	parses("nameserver ::ffff:127.0.0.53\nnameserver ::ffff:192.0.2.9\n", "192.0.2.9", "IPv4 in IPv6");
	parses("nameserver 100.100.100.100\nnameserver fd7a:115c:a1e0::53\nnameserver 100.100.100.101\n",
	       "100.100.100.101", "Tailscale's resolver");
	parses("nameserver fe80::1%eth0\nnameserver fe80::1\nnameserver ff02::1\n"
	       "nameserver 224.0.0.1\nnameserver 255.255.255.255\n",
	       "", "what no container reaches");
	parses("nameserver 2001:DB8:0::1\nnameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.1\n",
	       "192.0.2.1,192.0.2.2,2001:db8::1", "IPv4 first, none twice");
	parses("nameserver 2001:db8::1\nnameserver 2001:db8::2\nnameserver 2001:db8::3\n"
	       "nameserver 2001:db8::4\nnameserver 2001:db8::5\n"
	       "nameserver 192.0.2.1\n",
	       "192.0.2.1,2001:db8::1,2001:db8::2,2001:db8::3", "IPv4 finds room among too many");
	parses("nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
	       "nameserver 192.0.2.4\nnameserver 192.0.2.5\n",
	       "192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4", "too many");
	parses("nameserver 192.0.2.256\nnameserver example.com\nnameserver 192.0.2.1x\n"
	       "nameserver -\nnameserver 192.0.2.7\n",
	       "192.0.2.7", "no addresses");
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = 0;
	memcpy(big, "nameserver ", 11);
	parses(big, "", "a word without end");
	parses("\xff\xfe\nnameserver \xc3\xa9\n", "", "bytes");
}

static int root;

static void put(const char *path, const char *text)
{
	if (file_publish(root, path, text, strlen(text), 0644, VOLATILE) < 0)
		abort();
}

static void finds(const char *want, const char *want_source, const char *name)
{
	struct resolv resolv;
	const char *source;
	struct why why = {""};
	if (!ok(resolv_host(&resolv, root, &source, &why) == 0, "%s: found", name))
		printf("# %s\n", why.text);
	is(list(&resolv), want, name);
	is(source, want_source, name);
}

static void host(void)
{
	char dir[] = "/tmp/tslink-resolv.XXXXXX";
	if (!mkdtemp(dir) || (root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	finds("127.0.0.11", "Docker", "no resolv.conf at all");
	mkdirat(root, "etc", 0755);
	mkdirat(root, "run", 0755);
	mkdirat(root, "run/systemd", 0755);
	mkdirat(root, "run/systemd/resolve", 0755);
	mkdirat(root, "run/NetworkManager", 0755);
	put("etc/resolv.conf", "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n");
	finds("127.0.0.11", "Docker", "a stub and nothing behind it");
	put("run/NetworkManager/resolv.conf", "nameserver 192.0.2.30\n");
	finds("192.0.2.30", "run/NetworkManager/resolv.conf", "NetworkManager's");
	put("run/NetworkManager/no-stub-resolv.conf", "nameserver 192.0.2.31\n");
	finds("192.0.2.31", "run/NetworkManager/no-stub-resolv.conf", "NetworkManager's behind a stub");
	put("run/systemd/resolve/resolv.conf", "nameserver 192.0.2.20\nnameserver 192.0.2.21\n");
	finds("192.0.2.20,192.0.2.21", "run/systemd/resolve/resolv.conf", "systemd-resolved's");
	put("etc/resolv.conf", "nameserver 100.100.100.100\nsearch x.ts.net\n");
	put("etc/resolv.pre-tailscale-backup.conf", "nameserver 192.0.2.10\n");
	finds("192.0.2.10", "etc/resolv.pre-tailscale-backup.conf", "behind the host's Tailscale");
	put("etc/resolv.conf", "nameserver 192.0.2.1\nnameserver 127.0.0.1\n");
	finds("192.0.2.1", "etc/resolv.conf", "a plain resolv.conf");
	put("etc/resolv.conf", "nameserver 100.100.100.100\n");
	tree_remove(root, "etc/resolv.pre-tailscale-backup.conf");
	tree_remove(root, "run");
	finds("", NULL, "the host's Tailscale alone: none rather than a circle");
	tree_remove(root, "etc/resolv.conf");
	mkdirat(root, "etc/resolv.conf", 0755);
	struct resolv resolv;
	const char *source;
	struct why why;
	ok(resolv_host(&resolv, root, &source, &why) < 0 && strstr(why.text, "etc/resolv.conf"),
	   "a directory is an error: %s", why.text);
	close(root);
	tree_remove(AT_FDCWD, dir);
}

static void set(const char *value, const char *want, const char *name)
{
	struct resolv resolv;
	struct why why = {""};
	int r = resolv_setting(&resolv, value, &why);
	if (want)
		is(r == 0 ? list(&resolv) : why.text, want, name);
	else
		ok(r < 0 && errno == EINVAL && strstr(why.text, "TSLINK_DNS"), "%s: %s", name, why.text);
}

static void setting(void)
{
	set("192.0.2.1", "192.0.2.1", "TSLINK_DNS, one");
	set("  192.0.2.1\t2001:db8::1 \n192.0.2.2 ", "192.0.2.1,192.0.2.2,2001:db8::1", "TSLINK_DNS, several");
	set("127.0.0.11", "127.0.0.11", "TSLINK_DNS, Docker's");
	set("", NULL, "TSLINK_DNS, empty");
	set("100.100.100.100", NULL, "TSLINK_DNS, the node itself");
	set("127.0.0.53", NULL, "TSLINK_DNS, a stub");
	set("192.0.2.1,192.0.2.2", NULL, "TSLINK_DNS, commas");
	set("192.0.2.1\nsearch evil", NULL, "TSLINK_DNS, words");
	set("1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5", NULL, "TSLINK_DNS, too many");
}

static void etc(void)
{
	char dir[] = "/tmp/tslink-etc.XXXXXX", text[4096];
	struct resolv resolv = {.server = {"192.0.2.1", "2001:db8::1"}, .count = 2};
	struct why why = {""};
	struct stat st;
	uid_t uid = geteuid() ? geteuid() : 4242;

	if (!mkdtemp(dir) || chdir(dir) < 0)
		abort();
	ok(resolv_etc(&resolv, "web", uid, &why) == 0, "etc/ is made %s", why.text);
	ok(file_read(AT_FDCWD, "etc/resolv.conf", text, sizeof text) > 0 &&
	           strstr(text, "\nnameserver 192.0.2.1\nnameserver 2001:db8::1"),
	   "resolv.conf");
	ok(!strstr(text, "resolvconf") && !strstr(text, "systemd") && !strstr(text, "NetworkManager") &&
	           !strstr(text, "tailscale"),
	   "its comment names nobody whom tailscaled would talk to");
	ok(file_read(AT_FDCWD, "etc/hosts", text, sizeof text) > 0 && strstr(text, "localhost web\n"), "hosts");
	ok(stat("etc", &st) == 0 && st.st_uid == uid && st.st_gid == uid && (st.st_mode & 07777) == 0755,
	   "it is the uid's");

	/* what a hole in tailscaled could have left */
	if (symlink("/etc/passwd", "etc/x") < 0 || mkdir("etc/tailscale", 0777) < 0 || unlink("etc/resolv.conf") < 0 ||
	    symlink("/nonexistent/victim", "etc/resolv.conf") < 0 ||
	    symlink("x", "etc/resolv.pre-tailscale-backup.conf") < 0)
		abort();
	resolv.count = 0;
	ok(resolv_etc(&resolv, "", uid, &why) == 0, "and made anew %s", why.text);
	ok(access("etc/tailscale", F_OK) < 0 && access("/etc/passwd", F_OK) == 0 && lstat("etc/x", &st) < 0 &&
	           lstat("etc/resolv.pre-tailscale-backup.conf", &st) < 0,
	   "nothing of the old one is left");
	ok(lstat("etc/resolv.conf", &st) == 0 && S_ISREG(st.st_mode), "resolv.conf is a file again");
	ok(file_read(AT_FDCWD, "etc/resolv.conf", text, sizeof text) > 0 && !strstr(text, "nameserver"),
	   "without a server");
	memset(text, 'a', 300);
	text[300] = 0;
	ok(resolv_etc(&resolv, text, uid, &why) < 0, "a hostname without end: %s", why.text);
	if (chdir("/") < 0)
		abort();
	tree_remove(AT_FDCWD, dir);
}

int main(void)
{
	parsing();
	host();
	setting();
	if (geteuid() == 0)
		etc();
	return tap_done();
}
