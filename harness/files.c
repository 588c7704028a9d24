/* SPDX-License-Identifier: Apache-2.0
 *
 * files: the session's file verbs, over real files in the run's private folder. Locks are Linux's
 * open-file-description locks on a file of their own beside the data (`name.lock`), so that
 * renaming the data does not move the lock; the kernel drops them when a process dies. Only how to
 * wait for a lock differs by transport: a thread sleeps in the kernel, a fiber tries and lets
 * others go first.
 */
#include "session.h"
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads all of a file; NULL with errno when it cannot. The caller frees the text. */
static char *read_all(const char *path, size_t *length)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return NULL;
    struct stat status;
    char *text = NULL;
    if (fstat(descriptor, &status) == 0) {
        size_t room = (size_t)status.st_size;
        text = x_malloc(room + 1);
        *length = 0;
        while (*length < room) {
            ssize_t got = read(descriptor, text + *length, room - *length);
            if (got <= 0)
                break; /* truncated meanwhile: a torn read, and the reader's to find out */
            *length += (size_t)got;
        }
        text[*length] = '\0';
    }
    close(descriptor);
    return text;
}

enum outcome session_read_file(struct session *session, const char *name, const char **text,
                               size_t *length)
{
    *text = NULL;
    *length = 0;
    if (!session_step(session, STEP_READ_FILE, name))
        return FAILED;
    const struct waiting_table *waiting = session->crew->transport->waiting;
    char *path = x_format("%s/%s", session->crew->folder, name);
    waiting->leave(session);
    char *content = read_all(path, length);
    int error = errno;
    waiting->enter(session);
    free(path);
    if (content == NULL)
        return error == ENOENT ? DONE : FAILED;
    size_t i = array_grow((void **)&session->texts, &session->text_count, &session->text_capacity,
                          sizeof(*session->texts));
    session->texts[i] = content;
    *text = content;
    return DONE;
}

static bool write_all(int descriptor, const char *text, size_t length, bool sync)
{
    while (length > 0) {
        ssize_t written = write(descriptor, text, length);
        if (written < 0)
            return false;
        text += written;
        length -= (size_t)written;
    }
    return !sync || fsync(descriptor) == 0;
}

static bool sync_folder(const char *folder)
{
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = descriptor >= 0 && fsync(descriptor) == 0;
    if (descriptor >= 0)
        close(descriptor);
    return synced;
}

/* Truncating and writing are two steps, as they are for the kernel: others may read in between. */
static enum outcome write_in_place(struct session *session, const char *path, const char *text,
                                   size_t length)
{
    const struct waiting_table *waiting = session->crew->transport->waiting;
    bool sync = session->crew->cell->durability == DURABILITY_SYNC;
    waiting->leave(session);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    waiting->pass(session);
    bool written = descriptor >= 0 && write_all(descriptor, text, length, sync);
    if (descriptor >= 0)
        close(descriptor);
    waiting->enter(session);
    if (descriptor < 0)
        return FAILED;
    return written ? DONE : UNKNOWN;
}

static enum outcome write_rename(struct session *session, const char *path, const char *text,
                                 size_t length)
{
    const struct waiting_table *waiting = session->crew->transport->waiting;
    bool sync = session->crew->cell->durability == DURABILITY_SYNC;
    char *fresh = x_format("%s.%d.new", path, session->worker); /* of its own: never shared */
    waiting->leave(session);
    int descriptor = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written = descriptor >= 0 && write_all(descriptor, text, length, sync);
    if (descriptor >= 0)
        close(descriptor);
    bool renamed = written && rename(fresh, path) == 0;
    if (written && !renamed)
        unlink(fresh);
    bool durable = renamed && (!sync || sync_folder(session->crew->folder));
    waiting->enter(session);
    free(fresh);
    if (!renamed)
        return FAILED;
    return durable ? DONE : UNKNOWN;
}

enum outcome session_write_file(struct session *session, const char *name, enum write_mode mode,
                                const char *text, size_t length)
{
    if (!session_step(session, STEP_WRITE_FILE, name))
        return FAILED;
    char *path = x_format("%s/%s", session->crew->folder, name);
    enum outcome outcome = mode == WRITE_RENAME ? write_rename(session, path, text, length)
                                                : write_in_place(session, path, text, length);
    free(path);
    return outcome;
}

enum outcome session_lock_file(struct session *session, const char *name, enum lock_mode mode)
{
    must(session->lock_descriptor < 0);
    if (!session_step(session, STEP_LOCK_FILE, name))
        return FAILED;
    const struct transport_table *transport = session->crew->transport;
    char *path = x_format("%s/%s.lock", session->crew->folder, name);
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(path);
    if (descriptor < 0)
        return FAILED;
    transport->waiting->leave(session);
    bool locked = transport->files->lock(session, descriptor, mode);
    transport->waiting->enter(session);
    if (!locked) {
        close(descriptor);
        return FAILED;
    }
    session->lock_descriptor = descriptor;
    return DONE;
}

void session_unlock_file(struct session *session)
{
    must(session->lock_descriptor >= 0);
    session_step(session, STEP_UNLOCK_FILE, "");
    close(session->lock_descriptor); /* the last descriptor of its description: the lock is gone */
    session->lock_descriptor = -1;
}
