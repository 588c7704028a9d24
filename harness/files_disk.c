/* SPDX-License-Identifier: Apache-2.0
 *
 * files_disk: the file verbs over real files in the run's private folder. Locks are Linux's
 * open-file-description locks on a file of their own beside the data (`name.lock`), so that
 * renaming the data does not move the lock; the kernel drops them when a process dies.
 */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* All that is there, as far as it is not truncated meanwhile: that is a torn read, and the reader's
 * to find out. */
static char *read_all(int descriptor, size_t *length)
{
    struct stat status;
    ssize_t got = 1;
    if (fstat(descriptor, &status) != 0)
        return NULL;
    size_t room = (size_t)status.st_size;
    char *text = x_malloc(room + 1);
    for (*length = 0; *length < room && got > 0; *length += (size_t)(got > 0 ? got : 0))
        got = read(descriptor, text + *length, room - *length);
    text[*length] = '\0';
    if (got >= 0)
        return text;
    free(text);
    return NULL;
}

static char *read_file(struct crew *crew, const char *name, size_t *length)
{
    char *path = x_format("%s/%s", crew->folder, name);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    char *text = descriptor >= 0 ? read_all(descriptor, length) : NULL;
    int error = errno;
    if (descriptor >= 0)
        close(descriptor);
    free(path);
    errno = error;
    return text;
}

static bool write_all(int descriptor, const struct file_write *file, bool sync)
{
    const char *text = file->text;
    for (size_t left = file->length; left > 0;) {
        ssize_t written = write(descriptor, text, left);
        if (written < 0)
            return false;
        text += written;
        left -= (size_t)written;
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

static int open_new(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static enum outcome replace(struct crew *crew, const struct file_write *write)
{
    bool sync = crew->cell->durability == DURABILITY_SYNC;
    char *path = x_format("%s/%s", crew->folder, write->name);
    char *fresh = x_format("%s.%d.new", path, write->worker); /* of its own: never shared */
    int descriptor = open_new(fresh);
    bool written = descriptor >= 0 && write_all(descriptor, write, sync);
    if (descriptor >= 0)
        close(descriptor);
    bool renamed = written && rename(fresh, path) == 0;
    if (!renamed)
        unlink(fresh);
    bool durable = renamed && (!sync || sync_folder(crew->folder));
    free(fresh);
    free(path);
    if (!renamed)
        return FAILED;
    return durable ? DONE : UNKNOWN;
}

static bool empty(struct session *session, struct file_write *write)
{
    char *path = x_format("%s/%s", session->crew->folder, write->name);
    write->descriptor = open_new(path);
    free(path);
    return write->descriptor >= 0;
}

static bool fill(struct session *session, struct file_write *write, bool alive)
{
    bool sync = session->crew->cell->durability == DURABILITY_SYNC;
    bool written = alive && write_all(write->descriptor, write, sync);
    close(write->descriptor);
    return written;
}

static bool lock(struct session *session)
{
    struct flock region = {.l_type = session->lock_mode == LOCK_SHARED ? F_RDLCK : F_WRLCK,
                           .l_whence = SEEK_SET};
    char *path = x_format("%s/%s.lock", session->crew->folder, session->lock_name);
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(path);
    int status = -1;
    do {
        status = descriptor >= 0 ? fcntl(descriptor, F_OFD_SETLKW, &region) : -1;
    } while (status != 0 && descriptor >= 0 && errno == EINTR);
    if (status != 0 && descriptor >= 0)
        close(descriptor);
    session->lock_descriptor = descriptor;
    return status == 0;
}

static void unlock(struct session *session)
{
    close(session->lock_descriptor); /* the last descriptor of its description: the lock is gone */
}

const struct file_table files_on_disk = {read_file, replace, empty, fill, lock, unlock};
