/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_DOCKER_FILES_H
#define TSLINK_DOCKER_FILES_H

/*
 * What Docker's own files tell about containers: in a Join on every engine from 20.10 on, also while Docker boots
 * and its API is silent. They belong to Docker, so they are a fast way and not the only one: whoever finds
 * nothing here asks the API (engine.h). Observed with 20.10, 26.1 and 28.5, and read in moby's source up to 29.
 *
 * Everything returns 0, or -1 with errno and the reason in *why. ENOENT: there is no such file or record. EINVAL: an
 * argument is not what it should be. EBADMSG: a file is not what it should be. EFBIG: it is too big to be.
 * Others: see file_slurp.
 */

#include "lib/base/error.h"
#include "objects.h"
#include "pairs.h"

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * The container of a sandbox. The last part of SandboxKey is 12 digits of the sandbox ID, and libnetwork's store
 * (<data-root>/network/files/local-kv.db, a bolt file) holds `{"ID":"<sandbox ID>","Cid":"<container ID>",`
 * before the driver's Join is called. No bolt parser is needed, as a record lies in one piece and a sandbox never
 * changes owner: even a page that bolt has given up tells the truth. Nobody else's data can look like it: within
 * JSON a quote is escaped, and the keys of a user's map come sorted, Cid before ID. ENOENT also where two
 * containers claim the digits.
 */
int docker_sandbox_container(const char *data_root, const char *sandbox_key, char container[ID_SIZE], struct why *why);

/* The search in that file's bytes. */
int docker_sandbox_search(const char *store, size_t len, const char *digits, char container[ID_SIZE]);

/* A container from its config.v2.json and hostconfig.json. docker_container_free it afterwards. */
int docker_container_read(const char *data_root, const char *container, struct docker_container *c, struct why *why);

/* The same from the texts, which may be changed in place and are terminated behind their lengths; the ID is not
 * in it. */
int docker_container_parse(struct docker_container *c, char *config, size_t config_len, char *host_config,
                           size_t host_config_len, struct why *why);

/*
 * Is there a container of that ID? 1, 0, or -1 where the files do not tell: ENOENT where the data root has no
 * directory of containers, so that a wrong or unmounted data root is never taken for the end of all containers.
 */
int docker_container_exists(const char *data_root, const char *container, struct why *why);

/*
 * The labels that an image ("sha256:...") was built with, for pairs_free. Its file is the text that the image's
 * author made, and Docker reads it as Go does: names in any case, of two the union. Where it says anything in
 * such a way, the answer is EBADMSG, and the caller asks the API for what Docker made of it; likewise on ENOENT,
 * since with containerd's image store there is no such file.
 */
int docker_image_labels(const char *data_root, const char *image_id, struct pairs *labels, struct why *why);

/* The same from the text, which is terminated behind its len bytes and may be changed in place. */
int docker_image_config_parse(struct pairs *labels, char *text, size_t len, struct why *why);

/*
 * The data root of the dockerd with that process ID (SO_PEERCRED of the plugin's connection): it keeps
 * <data-root>/volumes/metadata.db open. The path is that of dockerd's mount namespace. ENOENT: it has no such
 * file open.
 */
int docker_data_root_of_pid(pid_t pid, char data_root[PATH_MAX], struct why *why);

#endif
