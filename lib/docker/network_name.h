/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_DOCKER_NETWORK_NAME_H
#define TSLINK_DOCKER_NETWORK_NAME_H

#define NETWORK_NAME_MAX 255

/*
 * The name of a network, which Docker tells no driver, from libnetwork's store, <data root>/network/files/local-kv.db: a record in JSON
 * whose first field is addrSpace, with id and name (moby: libnetwork/network.go, MarshalJSON; the same from 20.10 to 28). The file is a
 * bolt database; a record is one piece of it, and that of a network that was never renamed cannot be stale.
 *
 * 0, or -1 with errno: ENOENT where there is no such record, ENAMETOOLONG, EBADMSG for a name with a zero character.
 */
int docker_network_name(const char *data_root, const char *network, char name[NETWORK_NAME_MAX + 1]);

/* The same from the text of the store, for tests and the fuzzer. */
int docker_network_name_in(const char *store, unsigned long len, const char *network, char name[NETWORK_NAME_MAX + 1]);

#endif
