/* SPDX-License-Identifier: Apache-2.0
 *
 * folder: a small folder of files in memory, for cells whose workers are fibers: what the session's
 * file verbs do on a disk, they do here under `direct`. It follows Linux where two workers can tell
 * the difference: emptying a file and writing it are two steps, a write goes to the file that was
 * opened and not to the name (which may have been renamed over meanwhile), it overwrites from the
 * beginning and cuts nothing off, renaming is one step, locks are shared or exclusive and belong to
 * who took them.
 *
 * A crash is the death of an instance, as of a process: the machine goes on. So whatever its steps
 * have written stays, synced or not, its locks are gone at once, and of a write that was under way
 * any prefix may have been written. (What a power cut leaves depends on `--durability`; racebench
 * has no such hazard.)
 *
 * One thread; whoever explores copies it, restores it and adds it to the state's hash.
 */
#ifndef RACEBENCH_FOLDER_H
#define RACEBENCH_FOLDER_H

#include "base.h"
#include "session.h"

struct folder; /* opaque: folder.c */

/* Who opens and locks: its lock and its write die with the instance. */
struct folder_user {
    int32_t worker, instance;
};

/* An empty one; the seed decides how much of a write under way stays in a crash, unless
 * folder_keep() says. */
struct folder *folder_new(uint64_t seed);
void folder_free(struct folder *);

/* A zero-terminated copy of a whole file, which the caller frees; NULL: there is none. */
char *folder_read(const struct folder *, const char *name, size_t *length);
/* Renames a new file over the name: who reads sees the old one or the new one. */
void folder_replace(struct folder *, const char *name, const char *text, size_t length);
/* First half of a write in place: opens the file (makes it, if there is none) and empties it. The
 * text is borrowed until the second half, or until the crash, which ends it too. */
void folder_open(struct folder *, const struct folder_user *, const char *name, const char *text,
                 size_t length);
/* Second half: writes the text that was announced, if the writer is still alive, and closes. False:
 * not written. */
bool folder_write(struct folder *, int32_t worker, bool alive);

/* Could this worker have the lock beside `name` now? */
bool folder_lockable(const struct folder *, int32_t worker, const char *name, enum lock_mode);
/* Takes it; false when it could not. */
bool folder_lock(struct folder *, const struct folder_user *, const char *name, enum lock_mode);
/* Gives back the worker's lock, if it has one. */
void folder_unlock(struct folder *, int32_t worker);
/* The i-th holder of a lock on `name`, from 0; STEP_NOBODY after the last. */
int32_t folder_holder(const struct folder *, const char *name, size_t i);

/* Bytes of the longest write that is under way in an instance; -1: none is. */
int64_t folder_under_way(const struct folder *, int32_t instance);
/* In the crashes to come a write under way keeps `bytes` bytes, as far as it is that long;
 * negative: as many as the seed draws. */
void folder_keep(struct folder *, int64_t bytes);
/* The instance dies. */
void folder_crash(struct folder *, int32_t instance);

/* Adds names, contents and locks to a hash; stamps (EDIT_STAMP) are left out of the contents. A
 * write under way counts as what it has done so far. */
void folder_digest(const struct folder *, struct hash *);
/* A copy of the files alone: nothing is open or locked in it. */
struct folder *folder_copy(const struct folder *);
/* Makes the files what they are in `saved`; whatever is open or locked ends. */
void folder_restore(struct folder *, const struct folder *saved);

#endif
