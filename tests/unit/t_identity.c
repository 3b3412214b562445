/* SPDX-License-Identifier: ISC */
#include "crowd.h"
#include "lib/base/cleanup.h"
#include "lib/endpoint/identity.h"
#include "tap.h"
#include "treelab.h"

#define OWNER "tailnet https://controlplane.tailscale.com"
#define OTHER "tailnet https://headscale.example.com"

static struct tree tree;
static struct why why;

/* A container's ID of a number. */
static const char *container(unsigned n)
{
	static char id[4][65];
	static unsigned turn;
	char *p = id[turn++ % 4];
	snprintf(p, 65, "%064x", n + 0xc0000000u);
	return p;
}

/* Docker has it, or not any more. */
static void docker_has(unsigned n, bool there)
{
	char path[128];
	snprintf(path, sizeof path, "docker/containers/%s/config.v2.json", container(n));
	if (there)
		treelab_put(path, "{}");
	else
		unlink(treelab_at("%s", path));
}

static int take(const char *hostname, const char *owner, unsigned n, struct identity *identity)
{
	const struct identity_claim claim = {.hostname = hostname, .owner = owner, .container = container(n)};
	why.text[0] = '\0';
	memset(identity, 0, sizeof *identity);
	return identity_take(&tree, &claim, identity, &why);
}

/* The name that a container gets; "" for none. */
static const char *name_of(const char *hostname, const char *owner, unsigned n)
{
	static struct identity identity;
	return take(hostname, owner, n, &identity) < 0 ? "" : identity.hostname;
}

static const char *file(const char *hostname, const char *name)
{
	char path[256];
	snprintf(path, sizeof path, "data/by-hostname/%s/%s", hostname, name);
	return treelab_get(path);
}

static bool is_link(const char *path, const char *target)
{
	char got[256];
	ssize_t n = readlink(treelab_at("%s", path), got, sizeof got - 1);
	return n >= 0 && (got[n] = '\0', !strcmp(got, target));
}

static void making(void)
{
	struct identity made, again;
	struct stat st;
	char number[16], path[64];
	docker_has(1, true);
	ok(take("web", OWNER, 1, &made) == 0, "a container gets an identity");
	is(made.hostname, "web", "of the name that it asked for");
	is(made.path, treelab_at("data/by-hostname/web"), "in its directory");
	ok(made.port >= PORT_FIRST && made.port <= PORT_LAST && made.uid == UID_BASE + made.port,
	   "a port and a user of its own");
	is(file("web", "owner"), OWNER, "owner");
	is(file("web", "holder"), container(1), "holder");
	is(file("web", "format"), "1", "format");
	snprintf(number, sizeof number, "%u", made.port);
	is(file("web", "port"), number, "port");
	snprintf(path, sizeof path, "data/port/%s", number);
	ok(is_link(path, "../by-hostname/web"), "the port's claim leads to it");
	snprintf(number, sizeof number, "%u", made.uid);
	is(file("web", "uid"), number, "uid");
	ok(lstat(treelab_at("data/by-hostname/web/node"), &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == made.uid &&
	           st.st_gid == made.uid && (st.st_mode & 07777) == 0700,
	   "node/ is that user's alone");
	ok(lstat(treelab_at("data/by-hostname/web"), &st) == 0 && st.st_uid == 0 && (st.st_mode & 07777) == 0700,
	   "the identity is root's alone");
	ok(is_link("data/by-hostname/web/tailscaled.state", "node/tailscaled.state") &&
	           is_link("data/by-hostname/web/tailscaled.sock", "node/tailscaled.sock") &&
	           is_link("data/by-hostname/web/debug.log", "log/current") && treelab_has("data/by-hostname/web/log"),
	   "and has the names that people know");
	ok(take("web", OWNER, 1, &again) == 0 && !strcmp(again.path, made.path) && again.port == made.port &&
	           again.uid == made.uid,
	   "asked again, it is the same one");
}

static void owners_and_holders(void)
{
	docker_has(2, true);
	is(name_of("web", OTHER, 2), "web-2", "the same name on another tailnet is another identity");
	is(file("web", "holder"), container(1), "and the first one keeps its own");
	docker_has(3, true);
	is(name_of("web", OWNER, 3), "web-3", "so is that of a second container on the first one");
	docker_has(1, false);
	is(name_of("web", OWNER, 3), "web-3", "which keeps what it first got, also when the first is gone");
	docker_has(4, true);
	is(name_of("web", OTHER, 4), "web-4", "what the gone one had is never another network's");
	is(name_of("web", OWNER, 4), "web", "but its own network's next one gets it");
	is(file("web", "holder"), container(4), "and holds it");
	docker_has(4, false);
	docker_has(3, false);
	docker_has(5, true);
	is(name_of("web", OWNER, 5), "web", "of two that are free, it is the first");
	docker_has(2, false);
	docker_has(6, true);
	is(name_of("web-2", OWNER, 6), "web-2-2", "who asks for another's suffixed name gets a new one");
	is(name_of("web-3", OWNER, 6), "web-3", "or a free one of its own network");
}

static int hold_posix_lock(void *ends)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(treelab_at("data/by-hostname/db/lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char c;
	close(((int *)ends)[3]);
	if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 || write(((int *)ends)[1], "l", 1) != 1)
		return 1;
	return read(((int *)ends)[2], &c, 1) != 0;
}

static void liveliness(void)
{
	int ends[4];
	char c;
	docker_has(10, true);
	is(name_of("db", OWNER, 10), "db", "a container");
	docker_has(10, false);
	is_number(identity_alive(treelab_at("data/by-hostname/db")), 0, "its tailscaled was never alive");
	if (pipe(ends) < 0 || pipe(ends + 2) < 0)
		return;
	pid_t pid = aside(hold_posix_lock, ends);
	ok(read(ends[0], &c, 1) == 1, "it is, as s6-setlock says it");
	is_number(identity_alive(treelab_at("data/by-hostname/db")), 1, "that is seen");
	docker_has(11, true);
	is(name_of("db", OWNER, 11), "db-2", "a container that is gone keeps its identity while its node is alive");
	is_number(identity_alive(treelab_at("data/by-hostname/db")), 1, "and asking dropped no lock");
	close(ends[3]);
	is_number(aside_end(pid), 0, "the node ends");
	is_number(identity_alive(treelab_at("data/by-hostname/db")), 0, "that is seen");
	docker_has(12, true);
	is(name_of("db", OWNER, 12), "db", "and its identity is free");
	ok(identity_alive(treelab_at("data/by-hostname/none")) == 0, "what is not there is not alive");
	treelab_put("file", "");
	ok(identity_alive(treelab_at("file")) < 0 && errno == ENOTDIR, "what cannot be asked is an error");
	close(ends[0]);
	close(ends[1]);
	close(ends[2]);

	/* Docker's files cannot be asked: then nothing is given away, or the endpoints tell */
	docker_has(13, true);
	is(name_of("mail", OWNER, 13), "mail", "a container");
	docker_has(13, false);
	if (rename(treelab_at("docker/containers"), treelab_at("docker/away")) < 0)
		treelab_bail("containers");
	is(name_of("mail", OWNER, 14), "mail-2", "where Docker's files are not there, nobody is taken for gone");
	if (rename(treelab_at("docker/away"), treelab_at("docker/containers")) < 0 ||
	    rename(treelab_at("run/docker/root"), treelab_at("root")) < 0)
		treelab_bail("containers");
	treelab_put("run/endpoint/aaaaaaaaaaaa/env/CONTAINER", container(13));
	is(name_of("mail", OWNER, 15), "mail-2",
	   "before Docker's first call a container is alive that has an endpoint");
	treelab_put("run/endpoint/aaaaaaaaaaaa/env/CONTAINER", container(99));
	is(name_of("mail", OWNER, 16), "mail", "and gone where none has");
	if (rename(treelab_at("root"), treelab_at("run/docker/root")) < 0)
		treelab_bail("root");
}

static void interrupted(void)
{
	struct identity identity;
	docker_has(20, true);
	treelab_dir("data/by-hostname/half/node");
	treelab_put("data/by-hostname/half/port", "16999\n");
	ok(take("half", OWNER, 20, &identity) == 0 && !strcmp(identity.hostname, "half"),
	   "what was never finished is finished");
	is(file("half", "owner"), OWNER, "for who comes first");
	struct stat st;
	ok(lstat(treelab_at("data/by-hostname/half/node"), &st) == 0 && st.st_uid == identity.uid &&
	           identity.port != 16999,
	   "with a port that was claimed");
	treelab_put("data/by-hostname/lost/node/tailscaled.state", "{}");
	is(name_of("lost", OWNER, 20), "lost-2", "one without an owner, but with a node's state in it, is nobody's");
	ok(!file("lost", "owner") && treelab_has("data/by-hostname/lost/node/tailscaled.state"), "and is left alone");
	treelab_dir("data/by-hostname/odd/owner");
	is(name_of("odd", OWNER, 20), "odd-2", "likewise one whose owner cannot be read");
	treelab_put("data/by-hostname/plain", "");
	is(name_of("plain", OWNER, 20), "plain-2", "or what is no directory");
	if (symlink("../..", treelab_at("data/by-hostname/away")) < 0)
		treelab_bail("away");
	ok(take("away", OWNER, 20, &identity) < 0 && !treelab_has("owner"), "a link in its place leads nowhere");
	treelab_put("data/by-hostname/half/port", "80\n");
	ok(take("half", OWNER, 20, &identity) < 0 && strstr(why.text, "half/port"),
	   "a port that is none is an error that names it");
	treelab_put("data/by-hostname/half/port", "16999\n");
	treelab_put("data/by-hostname/half/uid", "0\n");
	ok(take("half", OWNER, 20, &identity) < 0 && strstr(why.text, "half/uid"), "so is a user that is none of ours");
	is(name_of("gone", OWNER, 20), "gone", "an identity");
	take("gone", OWNER, 20, &identity);
	unsigned port = identity.port;
	if (tree_remove(tree.data_dir, "by-hostname/gone") < 0)
		treelab_bail("gone");
	ok(take("gone", OWNER, 20, &identity) == 0 && identity.port == port,
	   "that an operator removed is made anew with its port");
}

/* As tslink-identify does it: any name becomes a label, a label an identity. */
static void hostile(void)
{
	static char long_name[301];
	static const char *const asked[][2] = {
		{"../../x", "x"},
		{long_name, NULL},
		{"caf\xc3\xa9", "caf"},
		{"..", ""},
		{"", ""},
		{"_", ""},
		{"-", ""},
		{"\xe2\x82\xac", ""},
		{"a/b/../c", "a-b-c"},
		{"/etc", "etc"},
		{"x\n\ny", "x-y"},
		{".hidden", "hidden"},
	};
	static const char *const direct[] = {"../../x", "..",   "",    "a/b",      "-a",      "a-",
	                                     "A",       "a--b", "a.b", "\xc3\xa9", ".hidden", long_name};
	struct identity identity;
	char label[DNS_LABEL_MAX + 1];
	memset(long_name, 'l', sizeof long_name - 1);
	int before = treelab_count("data");
	docker_has(30, true);
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		int r = text_dns_label(asked[i][0], label);
		if (asked[i][1] && !*asked[i][1]) {
			ok(r < 0 && errno == EINVAL, "hostile name %zu leaves nothing", i);
			continue;
		}
		char path[128];
		ok(r == 0 && take(label, OWNER, 30, &identity) == 0 && !strcmp(identity.hostname, label),
		   "hostile name %zu is %.20s", i, label);
		if (asked[i][1])
			is(label, asked[i][1], "which is all that is left of it");
		snprintf(path, sizeof path, "data/by-hostname/%s/owner", label);
		ok(treelab_has(path), "a name beneath by-hostname");
	}
	for (size_t i = 0; i < sizeof direct / sizeof *direct; i++)
		ok(take(direct[i], OWNER, 30, &identity) < 0 && errno == EINVAL && *why.text,
		   "what is no label (%zu) is refused: EINVAL", i);
	ok(treelab_count("data") == before && !treelab_has("x") && !treelab_has("data/x"),
	   "nothing came to be elsewhere");
}

static bool is_label(const char *s)
{
	char label[DNS_LABEL_MAX + 1];
	return text_dns_label(s, label) == 0 && !strcmp(label, s);
}

/* Twelve containers of one name; each asks twice. */
static void suffixes(const char *hostname, const char *what)
{
	static char got[12][DNS_LABEL_MAX + 1];
	int failed = 0, bad = 0, same = 0, changed = 0;
	for (unsigned i = 0; i < 12; i++) {
		struct identity identity;
		docker_has(100 + i, true);
		failed += take(hostname, OWNER, 100 + i, &identity) < 0;
		strcpy(got[i], identity.hostname);
		bad += !is_label(got[i]);
		char suffix[8] = "";
		if (i)
			snprintf(suffix, sizeof suffix, "-%u", i + 1);
		bad += strlen(got[i]) < strlen(suffix) || strcmp(got[i] + strlen(got[i]) - strlen(suffix), suffix) != 0;
		for (unsigned k = 0; k < i; k++)
			same += !strcmp(got[i], got[k]);
	}
	for (unsigned i = 12; i-- > 0;)
		changed += strcmp(name_of(hostname, OWNER, 100 + i), got[i]) != 0;
	ok(!failed && !bad && !same && !changed,
	   "twelve containers called %s get twelve labels, -2 to -12, and keep them", what);
	if (failed || bad || same || changed)
		printf("# %d failed, %d bad, %d same, %d changed: %s, %s, %s ... %s\n", failed, bad, same, changed,
		       got[0], got[1], got[2], got[11]);
}

enum { CROWD = 50 };

struct answer {
	unsigned number, port;
	char hostname[DNS_LABEL_MAX + 1];
};

static int take_one(unsigned number, int out)
{
	struct identity identity;
	if (take("crowd", OWNER, 1000 + number, &identity) < 0)
		return 1;
	struct answer answer = {.number = number, .port = identity.port};
	strcpy(answer.hostname, identity.hostname);
	return write(out, &answer, sizeof answer) != sizeof answer;
}

static void crowd(void)
{
	static struct answer first[CROWD], answer;
	int same = 0, count = 0, changed = 0;
	for (unsigned i = 0; i < CROWD; i++)
		docker_has(1000 + i, true);
	int from = crowd_start(CROWD, take_one);
	for (; read(from, &answer, sizeof answer) == sizeof answer; count++) {
		for (int i = 0; i < CROWD; i++)
			same += !strcmp(first[i].hostname, answer.hostname) || first[i].port == answer.port;
		first[answer.number] = answer;
	}
	is_number(crowd_end(from), 0, "50 processes at once, each for a container of the same name");
	ok(count == CROWD && !same, "each gets an identity of its own");
	from = crowd_start(CROWD, take_one);
	for (count = 0; read(from, &answer, sizeof answer) == sizeof answer; count++)
		changed += strcmp(first[answer.number].hostname, answer.hostname) != 0;
	is_number(crowd_end(from), 0, "and once more");
	ok(count == CROWD && !changed, "each gets its own again");
}

static void ports(void)
{
	static bool used[PORT_LAST + 1];
	int failed = 0, clashes = 0, out_of_range = 0;
	for (unsigned i = 0; i < 200; i++) {
		struct identity identity;
		char hostname[32];
		snprintf(hostname, sizeof hostname, "port%u", i);
		if (take(hostname, OWNER, 2000 + i, &identity) < 0) {
			failed++;
			continue;
		}
		if (identity.port < PORT_FIRST || identity.port > PORT_LAST) {
			out_of_range++;
			continue;
		}
		clashes += used[identity.port];
		used[identity.port] = true;
	}
	ok(!failed && !out_of_range, "200 identities have ports from 16384 to 32767");
	is_number(clashes, 0, "and no two the same");

	/* the one that its hash leads to is another's */
	unsigned hash = PORT_FIRST + text_hash("taken") % (PORT_LAST - PORT_FIRST + 1);
	struct identity identity;
	if (symlink("../by-hostname/another", treelab_at("data/port/%u", hash)) < 0 && errno != EEXIST)
		treelab_bail("port");
	ok(take("taken", OWNER, 2999, &identity) == 0 && identity.port != hash,
	   "a port that is another's is passed over");
}

int main(void)
{
	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root\n");
		return 0;
	}
	treelab_lay("10.200.0.0/16\n");
	treelab_dir("docker/containers");
	treelab_open(&tree);
	if (tree_docker_root_set(&tree, treelab_at("docker")) < 0)
		treelab_bail("docker/root");
	making();
	owners_and_holders();
	liveliness();
	interrupted();
	hostile();
	suffixes("web12", "web12");
	suffixes("abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc", "63 letters");
	suffixes("abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefgh-jklm",
	         "63 letters with a hyphen where they are cut");
	suffixes("abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij", "60 letters");
	suffixes("x-2", "x-2");
	crowd();
	ports();
	treelab_remove();
	return tap_done();
}
