/* SPDX-License-Identifier: ISC */
/*
 * tslink-login [-d service-directory]: makes the node of an endpoint a node of its tailnet, over LocalAPI, and exits 0 when it is on it. It is the check program
 * of s6-notifyoncheck in the endpoint's run, so its exit 0 is the service's readiness in the sense of s6, and it is called again a
 * second after any other exit. It is idempotent, and is run by hand the same way.
 *
 * Theory of operation. A node without a valid node key is started with all its preferences and the auth key, and told to log in; one that has a node key gets
 * its preferences edited and never a key: a key that has been changed or has expired costs no node its identity. Then it waits on
 * the daemon's bus until the node is Running *and* in touch with the control server; Running alone may rest on an old network map.
 *
 * What it waits for is said in data/state and data/error. A refused key is remembered in data/refused, with the life of the daemon that was told:
 * until the key's file changes, the daemon is another, or half a minute has passed, nothing is asked of the control server again.
 *
 * Exit: 0 on the tailnet; 99 not within a minute; 100 refused, or the facts make no sense; 111 the daemon is gone, or files cannot be written.
 */
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/base/wait.h"
#include "lib/docker/options.h"
#include "lib/endpoint/facts.h"
#include "lib/tailscale/localapi.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <skalibs/sha256.h>
#include <string.h>
#include <sys/stat.h>

#define SOCKET "state/tailscaled.sock"
#define KEY_SUM "state/authkey.sha256"
#define REFUSED "data/refused"
#define TAILSCALE "https://controlplane.tailscale.com"
#define ALL_MS 60000     /* this program */
#define REFUSED_MS 30000 /* a refused key is tried again then: the control server's mind may have changed */
#define SUM_SIZE 65

struct login {
	struct prefs prefs;
	char network[FACT_MAX];
	char key_file[FACT_MAX]; /* "" where there is none */
	int64_t deadline;

	char key[AUTHKEY_MAX +
	         1]; /* "" while none was read; kept so that it can be taken out of the control server's words */
	char key_sum[SUM_SIZE]; /* of the key that was read; "" while none was */
	int64_t key_time;       /* when its file changed last, ns */

	bool configured; /* the preferences are set */
	bool started;    /* it was told to log in */
	struct status status;
	struct why waits_for; /* "" while everything goes its way */
};

/* --- what people read --- */

/* The state and its reason; both are left alone where they stand there already. */
static void tell(enum state state, const char *reason)
{
	char old[FACT_MAX];
	if (state_get(AT_FDCWD) == state && (note_get(AT_FDCWD, "error", old) == 0 || errno == ENOENT) &&
	    !strcmp(old, reason ? reason : ""))
		return;
	if (state_set(AT_FDCWD, state, reason) < 0)
		die_sys(EXIT_TEMPORARY, "cannot write data/state of this endpoint");
}

static void note(const char *name, const char *value)
{
	char old[FACT_MAX];
	if ((note_get(AT_FDCWD, name, old) == 0 || errno == ENOENT) && !strcmp(old, value))
		return;
	if (note_set(AT_FDCWD, name, value) < 0)
		die_sys(EXIT_TEMPORARY, "cannot write data/%s of this endpoint", name);
}

static void waits_for(struct login *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void waits_for(struct login *l, const char *fmt, ...)
{
	struct why why;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why.text, sizeof why.text, fmt, ap);
	va_end(ap);
	why_set(&l->waits_for, "%s", why.text);
	tell(STATE_WAITING, l->waits_for.text);
}

_Noreturn static void fail(const char *reason)
{
	tell(STATE_FAILED, reason);
	die(EXIT_PERMANENT, "%s", reason);
}

_Noreturn static void too_late(const struct login *l, const char *reason)
{
	const char *text = *l->waits_for.text ? l->waits_for.text : reason;
	tell(STATE_WAITING, text);
	die(EXIT_TIMEOUT, "%s", text);
}

/*
 * A call failed: late, or with a daemon that is gone or makes no sense. Of one that is gone nothing is written: it may have been
 * stopped, and the verdict is that of tslink-finish, which runs at this moment.
 */
_Noreturn static void call_failed(const struct login *l, const struct why *why)
{
	if (errno == ETIMEDOUT)
		too_late(l, why->text);
	if (errno != ECONNRESET && errno != ECONNREFUSED && errno != ENOENT)
		tell(STATE_WAITING, why->text);
	die(EXIT_TEMPORARY, "%s", why->text);
}

/* Puts a "*" in place of len characters. */
static char *cover(char *at, size_t len)
{
	if (len == 0)
		return at;
	*at = '*';
	memmove(at + 1, at + len, strlen(at + len) + 1);
	return at + 1;
}

/*
 * Takes keys out of a text of the control server or the daemon: ours, which no log may show, and anything that looks like one
 * (Tailscale's begin with "tskey-", headscale's with "hskey-").
 */
static void redact(const struct login *l, char *text)
{
	static const char *const heads[] = {"tskey-", "hskey-"};
	for (char *at = text; *l->key && (at = strstr(at, l->key));)
		at = cover(at, strlen(l->key));
	for (size_t i = 0; i < 2; i++)
		for (char *at = text; (at = strstr(at, heads[i]));)
			at = cover(at, strcspn(at, " \"',;:()"));
}

/* --- the auth key --- */

static void sum(const char *text, char out[SUM_SIZE])
{
	SHA256Schedule schedule = SHA256_INIT();
	char digest[32];
	sha256_update(&schedule, text, strlen(text));
	sha256_final(&schedule, digest);
	explicit_bzero(&schedule, sizeof schedule);
	for (size_t i = 0; i < sizeof digest; i++)
		snprintf(out + 2 * i, 3, "%02x", (unsigned)(unsigned char)digest[i]);
}

/* Reads the whole of a small file of secrets. Its length, or -1 with the reason. */
static ssize_t key_read(struct login *l, char *buf, size_t size, struct why *why)
{
	struct stat st;
	autofd int fd = open(l->key_file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return why_sys(why, "cannot read the auth key's file %s", l->key_file);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077)) {
		errno = EPERM;
		return why_set(why, "the auth key's file %s must be a regular file of mode 0600 that belongs to root",
		               l->key_file);
	}
	l->key_time = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
	size_t len = 0;
	for (ssize_t n; len < size && (n = read(fd, buf + len, size - len)) != 0;) {
		if (n < 0)
			return why_sys(why, "cannot read the auth key's file %s", l->key_file);
		len += (size_t)n;
	}
	if (len > 0 && buf[len - 1] == '\n')
		len--;
	if (len == 0 || len > AUTHKEY_MAX || memchr(buf, '\0', len) || memchr(buf, '\n', len)) {
		errno = EINVAL;
		return why_set(why, "the auth key's file %s must hold one line of 1 to %d characters", l->key_file,
		               AUTHKEY_MAX);
	}
	return (ssize_t)len;
}

/* 0, or -1 with the reason. */
static int key_get(struct login *l, struct why *why)
{
	char buf[AUTHKEY_MAX + 2], what[PATH_MAX + 32];
	ssize_t len = key_read(l, buf, sizeof buf, why);
	if (len > 0) {
		memcpy(l->key, buf, (size_t)len);
		l->key[len] = '\0';
	}
	explicit_bzero(buf, sizeof buf);
	if (len < 0)
		return -1;
	snprintf(what, sizeof what, "the auth key in %s", l->key_file);
	if (authkey_check(what, l->key, why) < 0) {
		explicit_bzero(l->key, sizeof l->key);
		return -1;
	}
	sum(l->key, l->key_sum);
	return 0;
}

/* --- a key that was refused --- */

/* Key, file and daemon of one attempt; the time of the refusal stands behind it. */
static int attempt(const struct login *l, char *buf, size_t size)
{
	struct stat st;
	if (stat(SOCKET, &st) < 0)
		return -1;
	return text_format(buf, size, "%s %lld %llu.%lld.%09ld ", l->key_sum, (long long)l->key_time,
	                   (unsigned long long)st.st_ino, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

static void remember_refusal(const struct login *l)
{
	char line[FACT_MAX];
	if (attempt(l, line, sizeof line - 32) < 0)
		die_sys(EXIT_TEMPORARY, "cannot look at " SOCKET);
	size_t len = strlen(line);
	snprintf(line + len, sizeof line - len, "%lld", (long long)now_ms());
	if (file_publish_line(AT_FDCWD, REFUSED, line, 0600, VOLATILE) < 0)
		die_sys(EXIT_TEMPORARY, "cannot write " REFUSED);
}

/* Until when this very attempt is not to be made again; 0 where it may be made now. */
static int64_t refused_until(const struct login *l)
{
	char line[FACT_MAX], now[FACT_MAX];
	long when;
	if (file_read(AT_FDCWD, REFUSED, line, sizeof line) < 0 || attempt(l, now, sizeof now) < 0)
		return 0;
	size_t len = strlen(now);
	if (strncmp(line, now, len) || text_number(line + len, 0, LONG_MAX - REFUSED_MS, &when) < 0 || when > now_ms())
		return 0;
	return when + REFUSED_MS > now_ms() ? when + REFUSED_MS : 0;
}

static int key_file_changed(void *arg)
{
	const struct login *l = arg;
	struct stat st;
	if (lstat(l->key_file, &st) < 0)
		return 0;
	return (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec != l->key_time;
}

/* Waits for the operator to change the file of the key. false where that did not happen until then. */
static bool key_file_wait(struct login *l, int64_t until)
{
	char dir[FACT_MAX];
	snprintf(dir, sizeof dir, "%s", l->key_file);
	char *slash = strrchr(dir, '/');
	if (!slash)
		return false;
	slash[slash == dir] = '\0';
	if (wait_for_change(dir, key_file_changed, l, until < l->deadline ? until : l->deadline) > 0)
		return true;
	if (errno != ETIMEDOUT)
		die_sys(EXIT_TEMPORARY, "cannot watch %s for a new auth key", dir);
	return false;
}

/* The key, when it may be used: one that is refused, or a file that holds none, is not asked about again and again. */
static void key_need(struct login *l)
{
	struct why why;
	while (key_get(l, &why) < 0) {
		tell(STATE_FAILED, why.text);
		if (!key_file_wait(l, l->deadline))
			die(EXIT_PERMANENT, "%s", why.text);
	}
	int64_t until = refused_until(l);
	if (!until)
		return;
	info("the auth key in %s was refused a moment ago: the next try is in %d s, or when the file changes",
	     l->key_file, deadline_left(until) / 1000 + 1);
	explicit_bzero(l->key, sizeof l->key);
	if (!key_file_wait(l, until) && now_ms() >= l->deadline)
		die(EXIT_PERMANENT, "the auth key in %s was refused", l->key_file);
	while (key_get(l, &why) < 0)
		fail(why.text);
}

/* --- logging in --- */

_Noreturn static void refused(struct login *l, const char *text)
{
	struct why reason;
	remember_refusal(l);
	if (!*l->key_sum)
		why_set(&reason, "the control server %s refuses the node: %s", l->prefs.control_url, text);
	else if (strstr(text, "tag"))
		why_set(&reason,
		        "the control server %s refuses the node: %s; give the key or its owner these tags, or ask for others",
		        l->prefs.control_url, text);
	else
		why_set(&reason, "the control server %s refuses the auth key: %s; put a valid one into %s",
		        l->prefs.control_url, text, l->key_file);
	fail(reason.text);
}

static struct localapi_bus *watch(struct login *l)
{
	struct why why;
	struct localapi_bus *bus = localapi_bus_open(SOCKET, l->deadline, &why);
	if (!bus)
		call_failed(l, &why);
	return bus;
}

/* Tells the daemon all it needs, and to log in. Returns a bus on which nothing older than that is heard. */
static struct localapi_bus *log_in(struct login *l, struct localapi_bus *old)
{
	struct why why;
	localapi_bus_close(old);
	if (*l->key_file)
		key_need(l);
	int result = localapi_start(SOCKET, &l->prefs, *l->key ? l->key : NULL, l->deadline, &why);
	if (result < 0) {
		redact(l, why.text);
		explicit_bzero(l->key, sizeof l->key);
		if (errno == EREMOTEIO)
			fail(why.text);
		call_failed(l, &why);
	}
	l->started = l->configured = true;
	/* The key stays until the answer is there: it may have to be taken out of the control server's words. */
	struct localapi_bus *bus = watch(l);
	if (localapi_login(SOCKET, l->deadline, &why) < 0)
		call_failed(l, &why);
	return bus;
}

static void explain_approval(struct login *l)
{
	if (!strcmp(l->prefs.control_url, TAILSCALE))
		waits_for(
			l,
			"the tailnet wants new nodes to be approved: approve %s at https://login.tailscale.com/admin/machines",
			l->prefs.hostname);
	else
		waits_for(l, "the tailnet wants new nodes to be approved: approve %s at the control server %s",
		          l->prefs.hostname, l->prefs.control_url);
}

static void explain_login(struct login *l)
{
	if (*l->status.auth_url && !*l->key_file)
		waits_for(l, "the network has no auth key: log this node in at %s", l->status.auth_url);
	else if (*l->status.auth_url && l->started)
		waits_for(l,
		          "the control server asks for a login in spite of the auth key in %s: log this node in at %s",
		          l->key_file, l->status.auth_url);
}

/* The control server does not answer: said as soon as the daemon knows. (A cancelled request is of a start that another one replaced.) */
static void explain_silence(struct login *l)
{
	char *text = l->status.login_error;
	if (!login_error_is_transport(text) || strstr(text, "context canceled"))
		return;
	redact(l, text);
	waits_for(l, "the control server %s does not answer (%s); tried again until it does", l->prefs.control_url,
	          text);
}

/* One step for what the daemon says of itself. true when the node is on the tailnet. */
static bool step(struct login *l, struct localapi_bus **bus)
{
	struct why why;
	if (localapi_status(SOCKET, &l->status, l->deadline, &why) < 0)
		call_failed(l, &why);
	const struct status *s = &l->status;
	if (s->backend == BACKEND_NEEDS_LOGIN || !s->have_node_key) {
		/* The URL that a person was sent to stays valid. */
		bool offered = !*l->key_file && *s->auth_url;
		if (!l->started && !offered)
			*bus = log_in(l, *bus);
		else
			explain_login(l);
	} else if (s->backend != BACKEND_NO_STATE && !l->configured) {
		if (localapi_edit_prefs(SOCKET, &l->prefs, l->deadline, &why) < 0)
			call_failed(l, &why);
		l->configured = true;
		return step(l, bus);
	}
	if (s->backend == BACKEND_NEEDS_APPROVAL)
		explain_approval(l);
	else if (s->backend != BACKEND_RUNNING)
		explain_silence(l);
	return s->backend == BACKEND_RUNNING && s->online && s->have_node_key && s->address_count > 0;
}

/*
 * The daemon tells of every change but one: that it is in touch with the control server shows in the status alone (health.GetInPollNetMap), a moment after
 * Running. So while just that is missing, the status is asked for again by itself, ever more seldom.
 */
#define AGAIN_MIN_MS 5
#define AGAIN_MAX_MS 250

static void wait_until_up(struct login *l)
{
	autobus struct localapi_bus *bus = watch(l);
	int64_t again = AGAIN_MIN_MS;
	while (!step(l, &bus)) {
		struct notify notify;
		struct why why;
		bool nearly = l->status.backend == BACKEND_RUNNING && !l->status.online;
		int64_t until = nearly && deadline_in(again) < l->deadline ? deadline_in(again) : l->deadline;
		/* All that has come is one reason to look. */
		int result = localapi_bus_next(bus, &notify, until, &why);
		for (; result == 0; result = localapi_bus_next(bus, &notify, 0, &why))
			if (*notify.error && strstr(notify.error, "fell behind") == NULL && l->started) {
				redact(l, notify.error);
				if (!login_error_is_transport(notify.error))
					refused(l, notify.error);
			}
		if (errno != ETIMEDOUT)
			call_failed(l, &why);
		if (now_ms() >= l->deadline) {
			redact(l, l->status.login_error);
			why_set(&why,
			        nearly ? "the node has an old network map only: the control server %s does not answer it (tailscaled is %s%s%s)"
			               : "no way to the tailnet by the control server %s yet (tailscaled is %s%s%s)",
			        l->prefs.control_url, backend_name(l->status.backend),
			        *l->status.login_error ? ": " : "", l->status.login_error);
			too_late(l, why.text);
		}
		again = !nearly ? AGAIN_MIN_MS : again * 2 < AGAIN_MAX_MS ? again * 2 : AGAIN_MAX_MS;
	}
}

/* --- done --- */

static void forget(const char *path)
{
	if (unlink(path) < 0 && errno != ENOENT)
		warning_sys("cannot remove %s", path);
}

static void up(struct login *l)
{
	char addresses[FACT_MAX] = "", old[SUM_SIZE + 1], gate[FACT_MAX + 16];
	for (size_t i = 0, n = 0; i < l->status.address_count; i++)
		n += (size_t)snprintf(addresses + n, sizeof addresses - n, "%s%s", i ? " " : "", l->status.address[i]);
	note("ip", addresses);
	note("name", l->status.name);
	tell(STATE_RUNNING, NULL);
	forget(REFUSED);
	/* A wait on this network makes sense again. */
	if (*l->network && !l->network[strspn(l->network, "0123456789abcdefghijklmnopqrstuvwxyz")]) {
		snprintf(gate, sizeof gate, "../../gate/%s", l->network);
		forget(gate);
	}
	if (!l->started || !*l->key_sum)
		return;
	if (file_read(AT_FDCWD, KEY_SUM, old, sizeof old) > 0 && !strcmp(old, l->key_sum))
		return;
	if (file_publish_line(AT_FDCWD, KEY_SUM, l->key_sum, 0600, DURABLE) < 0)
		die_sys(EXIT_TEMPORARY, "cannot write " KEY_SUM);
}

static void optional(const char *name, char buf[FACT_MAX])
{
	if (fact_get(AT_FDCWD, name, buf) < 0 && errno != ENOENT)
		die_sys(EXIT_TEMPORARY, "cannot read env/%s of this endpoint", name);
}

static void read_facts(struct login *l)
{
	char hostname[FACT_MAX], server[FACT_MAX], tags[FACT_MAX];
	struct why why;
	fact_need(AT_FDCWD, "HOSTNAME", hostname);
	optional("LOGIN_SERVER", server);
	optional("TAGS", tags);
	optional("NETWORK", l->network);
	optional("KEYFILE", l->key_file);
	if (*l->key_file && *l->key_file != '/')
		fail("env/KEYFILE of this endpoint must be an absolute path");
	if (prefs_init(&l->prefs, *server ? server : TAILSCALE, hostname, &why) < 0 ||
	    prefs_add_tags(&l->prefs, tags, &why) < 0)
		fail(why.text);
}

int main(int argc, char **argv)
{
	struct login l = {.deadline = deadline_in(ALL_MS)};
	struct why why;
	const char *dir = NULL;
	for (int c; (c = getopt(argc, argv, "d:")) != -1;) {
		if (c != 'd')
			die(EXIT_PERMANENT, "usage: tslink-login [-d service-directory]");
		dir = optarg;
	}
	if (optind != argc)
		die(EXIT_PERMANENT, "usage: tslink-login [-d service-directory]");
	if (dir && chdir(dir) < 0)
		die_sys(EXIT_PERMANENT, "cannot use the service directory %s", dir);
	umask(077);
	curl_global_init(CURL_GLOBAL_NOTHING);
	read_facts(&l);
	if (localapi_wait(SOCKET, l.deadline, &why) < 0)
		call_failed(&l, &why);
	wait_until_up(&l);
	explicit_bzero(l.key, sizeof l.key);
	up(&l);
	return 0;
}
