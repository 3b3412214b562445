/* SPDX-License-Identifier: ISC */
/*
 * usage: tslink-tailscaled PROGRAM [ARGUMENT...]
 *
 * Executes PROGRAM ARGUMENT... with the release's tailscaled and its command line behind it, in the environment that
 * tailscaled is to have; PROGRAM is tslink-enter, which takes it from there into the container. It stands before
 * tslink-enter in `run`, since it needs what the private root does not have: the configuration, the release, and
 * itself. To see what it does:
 *
 *     cd /run/tslink/endpoint/ENDPOINT && tslink-tailscaled sh -c 'printf "%s\n" "$0" "$@"; env'
 *
 * The current directory is the service directory. Facts: PORT, and TUNMTU where the tunnel's MTU is not tailscaled's
 * own. The release is tailscale/tailscaled of the run directory; it is waited for where it is not there yet.
 *
 * The environment is written anew. All that is in the table `settings` below can be set in the configuration by the
 * same name; an empty value leaves the variable out. TS_LOGS=true lets tailscaled upload its logs. The defaults make
 * a small daemon that starts fast, measured with a hundred of them on one host:
 *
 *   GOGC=10                  bounds the garbage to 5 MB a node, for 35 ms of CPU at a start
 *   GOMAXPROCS=2 or less     2.5 MB less than with 16 threads; raise it for gateways and exit nodes on a big host
 *   GODEBUG=disablethp=1     like PR_SET_THP_DISABLE below: huge pages make untouched buffers resident (57 MB, not 37)
 *   TS_PORTLIST=false        a tick every 5 s; the tailnet's list of services does not show the container's ports
 *   TS_DISABLE_PORTMAPPER=1  there is none behind a veth of our own, and the probe takes 250 ms of a start
 *   TS_DEBUG_FIREWALL_MODE=nftables   by netlink: the private root has no iptables
 */
#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/base/wait.h"
#include "lib/endpoint/facts.h"
#include "lib/endpoint/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define GIVEN_MAX 64 /* words of PROGRAM and its arguments */
#define RUNDIR "../.."
#define RELEASE RUNDIR "/tailscale/tailscaled"

static const struct setting {
	const char *name, *value;
} settings[] = {
	{"GOGC", "10"},
	{"GOMAXPROCS", NULL}, /* set in main */
	{"GOMEMLIMIT", NULL}, /* never by default: at 64 MiB three times the CPU per byte */
	{"GODEBUG", "disablethp=1"},
	{"TS_PORTLIST", "false"},
	{"TS_DISABLE_PORTMAPPER", "1"},
	{"TS_DEBUG_FIREWALL_MODE", "nftables"},
	{"TS_DEBUG_MTU", NULL},             /* of the tunnel; a fact TUNMTU of the endpoint goes before */
	{"TS_DEBUG_USE_DERP_HTTP", NULL},   /* relays without TLS, as of a headscale in a test */
	{"TS_DEBUG_ALWAYS_USE_DERP", NULL}, /* no direct paths: to look for faults */
	{"HTTP_PROXY", NULL},               /* of tailscaled's own way to the control server and the relays */
	{"HTTPS_PROXY", NULL},
	{"NO_PROXY", NULL},
	{"SSL_CERT_FILE", NULL}, /* the host's, found in main; tslink-enter takes it along */
};
#define SETTINGS (sizeof settings / sizeof settings[0])

static const char *const fixed[] = {
	"HOME=" ROOT_STATE, "TS_LOGS_DIR=" ROOT_STATE,
	"PATH=/nonexistent", /* tailscaled forks what it finds: iptables, resolvconf, systemctl ... */
};
#define FIXED (sizeof fixed / sizeof fixed[0])

static const char *const ca_files[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Arch, Alpine */
	"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
	"/etc/ssl/ca-bundle.pem",             /* openSUSE */
	"/etc/ssl/cert.pem",
};

static _Noreturn void fail(int code, const char *reason)
{
	if (state_set(AT_FDCWD, code == EXIT_PERMANENT ? STATE_FAILED : STATE_WAITING, reason) < 0)
		warning_sys("cannot write data/state");
	die(code, "%s", reason);
}

static _Noreturn void fail_sys(const char *what)
{
	struct why why;

	why_sys(&why, "%s", what);
	fail(EXIT_TEMPORARY, why.text);
}

__attribute__((format(printf, 1, 2))) static char *printed(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		die_sys(EXIT_TEMPORARY, "out of memory");
	va_end(ap);
	return text;
}

static int release_ready(void *arg)
{
	(void)arg;
	if (access(RELEASE, X_OK) == 0)
		return 1;
	return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
}

/* The release's tailscaled by its real path, which tells the version to who looks at the process. */
static void find_release(char path[PATH_MAX])
{
	struct why why;

	int ready = release_ready(NULL);
	if (ready == 0) {
		char rundir[PATH_MAX];
		if (!realpath(RUNDIR, rundir))
			fail_sys("cannot open the run directory");
		why_set(&why,
		        "%s/tailscale is not there yet: waiting for the fetch service to get the release; see its log",
		        rundir);
		if (state_set(AT_FDCWD, STATE_WAITING, why.text) < 0)
			warning_sys("cannot write data/state");
		info("%s", why.text);
		ready = wait_for_change(RUNDIR, release_ready, NULL, NEVER);
		if (ready > 0 && state_set(AT_FDCWD, STATE_STARTING, NULL) < 0)
			warning_sys("cannot write data/state");
	}
	if (ready < 0 || !realpath(RELEASE, path))
		fail_sys("cannot use the release's tailscaled (tailscale/tailscaled of the run directory)");
}

static const char *default_of(const struct setting *setting, char *buf, size_t size)
{
	if (!strcmp(setting->name, "GOMAXPROCS")) {
		cpu_set_t cpus;
		/* EINVAL: more CPUs than the set has room for */
		int n = sched_getaffinity(0, sizeof cpus, &cpus) < 0 ? 2 : CPU_COUNT(&cpus);
		return text_format(buf, size, "%d", n < 2 ? 1 : 2) < 0 ? NULL : buf;
	}
	if (!strcmp(setting->name, "SSL_CERT_FILE")) {
		for (size_t i = 0; i < sizeof ca_files / sizeof ca_files[0]; i++)
			if (access(ca_files[i], R_OK) == 0)
				return ca_files[i];
		warning("no CA certificates on this host: install ca-certificates, or name the file in SSL_CERT_FILE");
	}
	return setting->value;
}

/* The variables of settings into env, each where it is wanted. Returns their number. */
static size_t take_settings(int rundir, char **env)
{
	char value[FACT_MAX], buf[32];
	size_t n = 0;

	for (const struct setting *s = settings; s < settings + SETTINGS; s++) {
		const char *chosen = value;
		if (!strcmp(s->name, "TS_DEBUG_MTU") && fact_get(AT_FDCWD, "TUNMTU", value) == 0)
			;
		else if (fact_get(rundir, s->name, value) < 0) {
			if (errno != ENOENT)
				fail_sys(printed("cannot read the setting %s", s->name));
			chosen = default_of(s, buf, sizeof buf);
		}
		if (chosen && *chosen)
			env[n++] = printed("%s=%s", s->name, chosen);
	}
	return n;
}

static bool logs_wanted(int rundir)
{
	char value[FACT_MAX];
	struct why why;
	bool wanted = false;

	if (fact_get(rundir, "TS_LOGS", value) < 0) {
		if (errno != ENOENT)
			fail_sys("cannot read the setting TS_LOGS");
	} else if (*value && text_bool(value, &wanted) < 0) {
		why_set(&why, "TS_LOGS: '%s' is neither true nor false", value);
		fail(EXIT_PERMANENT, why.text);
	}
	return wanted;
}

int main(int argc, char *argv[])
{
	char port[FACT_MAX], release[PATH_MAX];
	long number;

	if (argc < 2 || argc > 1 + GIVEN_MAX)
		die(EXIT_PERMANENT, "usage: tslink-tailscaled PROGRAM [ARGUMENT...]");
	int rundir = open(RUNDIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rundir < 0)
		fail_sys("cannot open the run directory");
	fact_need(AT_FDCWD, "PORT", port);
	if (text_number(port, 1, 65535, &number) < 0)
		fail(EXIT_PERMANENT, "env/PORT of this endpoint is no UDP port");

	char *env[FIXED + SETTINGS + 1];
	size_t n = 0;
	for (; n < FIXED; n++)
		env[n] = printed("%s", fixed[n]);
	n += take_settings(rundir, env + n);
	env[n] = NULL;

	find_release(release);
	const char *const flags[] = {
		"--state=" ROOT_STATE "/tailscaled.state",
		"--statedir=" ROOT_STATE,
		"--socket=" ROOT_STATE "/tailscaled.sock",
		"--tun=tailscale0",
		printed("--port=%ld", number),
		logs_wanted(rundir) ? NULL : "--no-logs-no-support",
		NULL,
	};
	/* flags ends the vector */
	char *command[GIVEN_MAX + 1 + sizeof flags / sizeof flags[0]];
	size_t given = (size_t)argc - 1;
	memcpy(command, argv + 1, given * sizeof *command);
	command[given] = release;
	memcpy(command + given + 1, flags, sizeof flags);

	/* survives execve; untouched buffers stay untouched also where the host has THP=always */
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) < 0)
		warning_sys("cannot switch off transparent huge pages");
	execvpe(command[0], command, env); /* by our own PATH */
	die_exec(command[0]);
}
