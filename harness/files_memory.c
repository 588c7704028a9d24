/* SPDX-License-Identifier: Apache-2.0
 *
 * files_memory: the file verbs over the crew's folder in memory: nothing here fails, nothing waits
 * but for locks, and no file of the machine is touched. A worker that finds a lock taken lets
 * others go first and looks again; who schedules steps itself (explore) gives it the step only when
 * folder_lockable().
 */
#include "folder.h"
#include "transport.h"

#include <errno.h>

static struct folder_user user(const struct session *session)
{
    return (struct folder_user){session->worker, session->instance->number};
}

static char *read_file(struct crew *crew, const char *name, size_t *length)
{
    char *text = folder_read(crew->files, name, length);
    errno = ENOENT;
    return text;
}

static enum outcome replace(struct crew *crew, const struct file_write *write)
{
    folder_replace(crew->files, write->name, write->text, write->length);
    return DONE;
}

static bool empty(struct session *session, struct file_write *write)
{
    struct folder_user self = user(session);
    folder_open(session->crew->files, &self, write->name, write->text, write->length);
    return true;
}

/* Of whoever died in between the crash has closed the file. */
static bool fill(struct session *session, struct file_write *write, bool alive)
{
    return folder_write(session->crew->files, write->worker, alive);
}

static bool lock(struct session *session)
{
    struct crew *crew = session->crew;
    struct folder_user self = user(session);
    while (!folder_lock(crew->files, &self, session->lock_name, session->lock_mode)) {
        if (atomic_load(&crew->abandon))
            return false;
        crew->transport->waiting->leave(session);
        crew->transport->waiting->enter(session);
    }
    return true;
}

static void unlock(struct session *session)
{
    folder_unlock(session->crew->files, session->worker);
}

const struct file_table files_in_memory = {read_file, replace, empty, fill, lock, unlock};
