/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_NET_NETNS_H
#define TSLINK_NET_NETNS_H

/*
 * Network namespaces as Docker shows them: a file (SandboxKey) with the namespace mounted on it. Before the mount, and
 * up to Docker 27 also after the container's end, an empty regular file may stand there, so that being there proves
 * nothing (libnetwork, osl/namespace_linux.go: createNamespaceFile, and its garbage collection after a minute).
 */

#include <stdbool.h>
#include <stdint.h>

/*
 * Opens the network namespace mounted at path. Returns a descriptor, or -1: ENOENT where there is nothing or no
 * namespace yet, EINVAL where it is a namespace of another type.
 */
int netns_open(const char *path);

/*
 * The same, waiting until it is mounted or the deadline (monotonic ms, or NEVER) has passed: -1 with ETIMEDOUT. It
 * waits for changes of the mount table (poll(2) on /proc/self/mountinfo): no polling by time. What it can see are the
 * mounts of its own mount namespace.
 */
int netns_wait(const char *path, int64_t deadline);

/* Is the descriptor the namespace that this process is in? */
bool netns_is_own(int netns);

/*
 * Calls fn(arg) inside the namespace and comes back. For programs of one thread. Returns what fn returns, errno as fn
 * left it; -1 with errno where the namespace cannot be entered. A way back that fails ends the program (111): nothing
 * may go on in the wrong namespace.
 */
int netns_run(int netns, int (*fn)(void *arg), void *arg);

#endif
