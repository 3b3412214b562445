/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_BASE_FILE_H
#define TSLINK_BASE_FILE_H

/*
 * Files as tslink keeps its state: small, whole, one fact each. Paths are relative to a directory descriptor (AT_FDCWD
 * for the current one). All descriptors are close-on-exec.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What a publication promises: VOLATILE files live on a tmpfs, DURABLE ones survive a power cut once the call returns. */
enum durability { VOLATILE, DURABLE };

/*
 * The one way a file comes to be or changes: a temporary file beside it, mode, content, (DURABLE: fsync,) rename,
 * (DURABLE: fsync of the directory). A reader sees the old content or the new one. Returns 0 or -1 with errno.
 */
int file_publish(int dirfd, const char *path, const void *data, size_t len, mode_t mode, enum durability how);

/* The same with a text and a newline behind it. */
int file_publish_line(int dirfd, const char *path, const char *line, mode_t mode, enum durability how);

/* A symbolic link published the same way: replaces what is there in one step. */
int file_publish_link(int dirfd, const char *path, const char *target, enum durability how);

/*
 * Reads a whole regular file into buf, terminates it, drops one newline at its end. Returns its length, or -1: ENOENT,
 * EFBIG where it does not fit, EINVAL where it holds a zero byte or is no regular file. Follows no link at the last step.
 */
ssize_t file_read(int dirfd, const char *path, char *buf, size_t size);

/* Reads a whole file of at most max bytes. Returns a terminated buffer for free(3), its length in *len (if not NULL). */
char *file_slurp(int dirfd, const char *path, size_t max, size_t *len);

/* mkdir that is content with a directory that is there. The parents must exist. */
int dir_make(int dirfd, const char *path, mode_t mode);

/* Makes a directory and its parents (the parents with 0755). */
int dir_make_all(const char *path, mode_t mode);

/* fsync of a directory: what was created, renamed or removed in it stays so. */
int dir_sync(int dirfd, const char *path);

/* Removes a file or a whole directory without following links or crossing into other file systems' mounts.
 * Nothing there is success. */
int tree_remove(int dirfd, const char *path);

/* The names in a directory without the dot names, sorted, NULL-terminated; one block for free(3). NULL with errno. */
char **dir_list(int dirfd, const char *path);

#endif
