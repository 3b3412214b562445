/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_ENDPOINT_ROOT_H
#define TSLINK_ENDPOINT_ROOT_H

/*
 * The private root: all that a node's tailscaled can see. An empty tmpfs, read-only, with
 *
 *   /<program>             the release's program, bound from where it lies, so that all nodes share its pages
 *   /ca-certificates.crt   the host's CA certificates
 *   /dev                   null, urandom, net/tun: nodes of its own, since the host's net/tun may be for root only
 *   /etc                   the endpoint's etc/
 *   /proc                  of the container's network, without other users' processes
 *   /state                 the identity's node/: its state, its socket
 *
 * and nothing else: no shell, no other node, no Docker socket, no D-Bus, no resolv.conf of the host. Then a uid of
 * its own, and CAP_NET_ADMIN and CAP_NET_RAW as the only capabilities it or a child of it can ever have.
 *
 * The functions change the process for good; they are called in this order, between facts and exec, by a program of
 * one thread. That root, uid and capabilities suffice for tailscaled 1.102.3 in tun mode was found by running it.
 */

#include "lib/base/error.h"

#include <stdbool.h>
#include <sys/types.h>

#define ROOT_STATE "/state"
#define ROOT_CA "/ca-certificates.crt"

struct root {
	const char *program;  /* path of the program; it keeps the last component of that name */
	const char *ca;       /* path of the CA certificates, or NULL */
	const char *hostname; /* of the UTS namespace, or "" for none of its own */
	const char *state;    /* directory of the state, as "state/node"; owned by uid */
	const char *etc;      /* directory to be /etc */
	uid_t uid;            /* also the gid */
	dev_t tun;            /* of the tun device, from root_tun */
};

/*
 * Finds the host's tun device and makes the kernel load its driver where it can. 0 and its number in *tun, or -1:
 * ENOENT or ENODEV where the host has none.
 */
int root_tun(dev_t *tun, struct why *why);

/*
 * Leaves open across exec only 0, 1, 2 and what refers to the file lock; returns how many of the latter there are, or
 * -1 with errno. They are all kept, because closing any descriptor of a file drops the POSIX locks that the process
 * has on it (fcntl(2)), and s6-setlock takes such a lock.
 */
int root_seal_fds(const char *lock, struct why *why);

/*
 * New mount, IPC and UTS namespaces, the private root as / in them, the working directory there. Paths are taken from
 * the current directory beforehand; descriptors that are open stay what they were. The network namespace must have
 * been entered before, since /proc shows the one of the process that mounts it. 0, or -1 with errno.
 */
int root_enter(const struct root *root, struct why *why);

/*
 * The uid (and gid, and no supplementary groups), the two capabilities as effective, permitted, inheritable, ambient
 * and bounding set, and no_new_privs. 0, or -1 with errno.
 */
int root_drop(uid_t uid, struct why *why);

#endif
