/* SPDX-License-Identifier: ISC */
#include "root.h"

#include "lib/base/cleanup.h"
#include "lib/base/text.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/*
 * Where the new root is put together, in a mount namespace of its own. Any directory that hides none of the sources
 * does, and /proc is one that every host has.
 */
#define STAGE "/proc"

int root_tun(dev_t *tun, struct why *why)
{
	static const char hint[] = "the host has no tun device (/dev/net/tun): modprobe tun";
	struct stat st;

	if (stat("/dev/net/tun", &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? why_set(why, "%s", hint) : why_sys(why, "/dev/net/tun");
	if (!S_ISCHR(st.st_mode)) {
		errno = ENODEV;
		return why_set(why, "/dev/net/tun of the host is no device; remove it, then: modprobe tun");
	}
	/* opening the node loads the module where the kernel knows how */
	autofd int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno == ENODEV || errno == ENXIO ? why_set(why, "%s", hint)
		                                         : why_sys(why, "cannot open /dev/net/tun");
	*tun = st.st_rdev;
	return 0;
}

int root_seal_fds(const char *lock, struct why *why)
{
	struct stat want, st;
	if (stat(lock, &want) < 0)
		return why_sys(why, "cannot find %s", lock);
	autodir DIR *dir = opendir("/proc/self/fd");
	if (!dir)
		return why_sys(why, "cannot read /proc/self/fd");

	int kept = 0;
	struct dirent *e;
	while (errno = 0, (e = readdir(dir))) {
		long number;
		if (text_number(e->d_name, 3, INT32_MAX, &number) < 0)
			continue;
		int fd = (int)number, flags = fcntl(fd, F_GETFD);
		if (flags < 0 || fstat(fd, &st) < 0)
			return why_sys(why, "descriptor %d", fd);
		bool keep = st.st_dev == want.st_dev && st.st_ino == want.st_ino;
		if (fcntl(fd, F_SETFD, keep ? flags & ~FD_CLOEXEC : flags | FD_CLOEXEC) < 0)
			return why_sys(why, "descriptor %d", fd);
		kept += keep;
	}
	return errno ? why_sys(why, "cannot read /proc/self/fd") : kept;
}

static int bind(const char *source, const char *target, unsigned long flags, struct why *why)
{
	if (mount(source, target, NULL, MS_BIND, NULL) < 0)
		return why_sys(why, "cannot bind %s into the private root", source);
	if (mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0)
		return why_sys(why, "cannot restrict %s in the private root", source);
	return 0;
}

static int bind_dir(const char *source, const char *target, struct why *why)
{
	if (mkdir(target, 0555) < 0)
		return why_sys(why, "cannot make %s", target);
	return bind(source, target, MS_NOSUID | MS_NODEV | MS_NOEXEC, why);
}

static int bind_file(const char *source, const char *target, unsigned long flags, struct why *why)
{
	if (mknod(target, S_IFREG | 0444, 0) < 0)
		return why_sys(why, "cannot make %s", target);
	return bind(source, target, flags | MS_RDONLY | MS_NOSUID | MS_NODEV, why);
}

static int device(const char *path, dev_t number, mode_t mode, uid_t owner, struct why *why)
{
	if (mknod(path, S_IFCHR | 0600, number) < 0 || chmod(path, mode) < 0 || chown(path, owner, owner) < 0)
		return why_sys(why, "cannot make %s of the private root", path + strlen(STAGE));
	return 0;
}

static int fill(const struct root *root, struct why *why)
{
	const char *slash = strrchr(root->program, '/');
	char program[sizeof STAGE + NAME_MAX + 2];

	if (text_format(program, sizeof program, STAGE "/%s", slash ? slash + 1 : root->program) < 0)
		return why_sys(why, "%s", root->program);
	/* The host's file system may be noexec: that of this one mount is ours to say. */
	if (bind_file(root->program, program, 0, why) < 0)
		return -1;
	if (root->ca && bind_file(root->ca, STAGE ROOT_CA, MS_NOEXEC, why) < 0)
		return -1;
	if (mkdir(STAGE "/dev", 0755) < 0 || mkdir(STAGE "/dev/net", 0755) < 0 || mkdir(STAGE "/proc", 0555) < 0)
		return why_sys(why, "cannot make the directories of the private root");
	if (device(STAGE "/dev/null", makedev(1, 3), 0666, 0, why) < 0 ||
	    device(STAGE "/dev/urandom", makedev(1, 9), 0444, 0, why) < 0 ||
	    device(STAGE "/dev/net/tun", root->tun, 0600, root->uid, why) < 0)
		return -1;
	/* Writable for net.ipv4.conf.all.src_valid_mark; only its netns's sysctls are tailscaled's to set. */
	if (mount("proc", STAGE "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2") < 0)
		return why_sys(why, "cannot mount the private root's /proc");
	if (bind_dir(root->etc, STAGE "/etc", why) < 0)
		return -1;
	return bind_dir(root->state, STAGE ROOT_STATE, why);
}

/* What is to be bound, looked at while a good message is still possible. */
static int check(const struct root *root, struct why *why)
{
	struct stat st;

	if (stat(root->program, &st) < 0)
		return why_sys(why, "cannot find %s", root->program);
	if (!S_ISREG(st.st_mode) || !(st.st_mode & S_IXOTH)) {
		errno = EACCES;
		return why_set(why, "%s is not a program that everybody may execute", root->program);
	}
	if (root->ca && stat(root->ca, &st) < 0)
		return why_sys(why, "cannot find the CA certificates %s (SSL_CERT_FILE)", root->ca);
	/* no link: the directory above it is root's, and what is bound is what was made for this uid */
	if (lstat(root->state, &st) < 0)
		return why_sys(why, "cannot find %s", root->state);
	if (!S_ISDIR(st.st_mode) || st.st_uid != root->uid) {
		errno = EPERM;
		return why_set(why, "%s is not a directory of uid %u: tslink-identify makes it", root->state,
		               (unsigned)root->uid);
	}
	return 0;
}

int root_enter(const struct root *root, struct why *why)
{
	if (check(root, why) < 0)
		return -1;
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return why_sys(why, "cannot make namespaces");
	if (*root->hostname && sethostname(root->hostname, strlen(root->hostname)) < 0)
		return why_sys(why, "cannot set the hostname %s", root->hostname);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return why_sys(why, "cannot make the mounts private");
	if (mount("tslink", STAGE, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k,nr_inodes=32") < 0)
		return why_sys(why, "cannot mount the private root");
	mode_t before = umask(0);
	int r = fill(root, why);
	umask(before);
	if (r < 0)
		return -1;
	/* pivot_root(2): "." for both puts the old root on top of the new one, from where it is detached. */
	if (chdir(STAGE) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return why_sys(why, "cannot change into the private root");
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL) < 0)
		return why_sys(why, "cannot make the private root read-only");
	return 0;
}

int root_drop(uid_t uid, struct why *why)
{
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_updatev(CAPNG_ADD,
	                  CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE | CAPNG_BOUNDING_SET | CAPNG_AMBIENT,
	                  CAP_NET_ADMIN, CAP_NET_RAW, -1) < 0)
		return why_set(why, "cannot choose capabilities");
	/* The bounding set while we still may, the ambient set when there is something to inherit. */
	int r;
	if ((r = capng_apply(CAPNG_SELECT_BOUNDS)) < 0 ||
	    (r = capng_change_id((int)uid, (int)uid, CAPNG_DROP_SUPP_GRP)) < 0 ||
	    (r = capng_apply(CAPNG_SELECT_AMBIENT)) < 0)
		return why_sys(why, "cannot drop to uid %u and two capabilities (libcap-ng: %d)", (unsigned)uid, r);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return why_sys(why, "cannot set no_new_privs");
	return 0;
}
