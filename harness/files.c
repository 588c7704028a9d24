/* SPDX-License-Identifier: Apache-2.0
 *
 * files: the session's file verbs over the transport's files: on disk for threads, in memory for
 * fibers. Each is: may we (session_step), leave the instance, do it, enter the instance again. A
 * write in place is two steps, as it is two calls of the kernel: others may read in between, and
 * the writer may die there.
 */
#include "session.h"
#include "transport.h"

#include <errno.h>

enum outcome session_read_file(struct session *session, const char *name, const char **text,
                               size_t *length)
{
    *text = NULL;
    *length = 0;
    if (!session_step(session, STEP_READ_FILE, name))
        return FAILED;
    const struct transport_table *transport = session->crew->transport;
    transport->waiting->leave(session);
    char *content = transport->files->read(session->crew, name, length);
    int error = errno;
    transport->waiting->enter(session);
    if (content == NULL)
        return error == ENOENT ? DONE : FAILED;
    size_t i = array_grow((void **)&session->texts, &session->text_count, &session->text_capacity,
                          sizeof(*session->texts));
    session->texts[i] = content;
    *text = content;
    return DONE;
}

static enum hazard_index strike(struct session *session)
{
    struct hazards *hazards = session->crew->hazards;
    return hazards != NULL && session->in_attempt ? hazards_at_file(hazards) : HAZARD_INDEX_none;
}

/* It is written, and nobody says so: the caller's time-out ends it. Outside the instance. */
static void hang(struct session *session)
{
    const struct crew *crew = session->crew;
    crew->transport->clock->sleep_us(session, crew->cell->timeout_ms * 1000);
}

static enum outcome write_in_place(struct session *session, struct file_write *write)
{
    const struct transport_table *transport = session->crew->transport;
    if (!session_step(session, STEP_EMPTY_FILE, write->name))
        return FAILED;
    transport->waiting->leave(session);
    bool open = transport->files->empty(session, write);
    transport->waiting->enter(session);
    if (!open)
        return FAILED;
    bool alive = session_step(session, STEP_WRITE_FILE, write->name);
    enum hazard_index hazard = alive ? strike(session) : HAZARD_INDEX_none;
    if (alive)
        transport->waiting->leave(session);
    bool written = transport->files->fill(session, write, alive && hazard != HAZARD_INDEX_error);
    if (hazard == HAZARD_INDEX_hang)
        hang(session);
    if (alive)
        transport->waiting->enter(session);
    return written && hazard != HAZARD_INDEX_hang ? DONE : UNKNOWN;
}

static enum outcome write_rename(struct session *session, const struct file_write *write)
{
    const struct transport_table *transport = session->crew->transport;
    if (!session_step(session, STEP_WRITE_FILE, write->name))
        return FAILED;
    enum hazard_index hazard = strike(session);
    if (hazard == HAZARD_INDEX_error)
        return FAILED; /* EIO: the new file is not whole, and does not replace the old one */
    transport->waiting->leave(session);
    enum outcome outcome = transport->files->replace(session->crew, write);
    if (hazard == HAZARD_INDEX_hang)
        hang(session);
    transport->waiting->enter(session);
    return hazard == HAZARD_INDEX_hang ? UNKNOWN : outcome;
}

enum outcome session_write_file(struct session *session, const char *name, enum write_mode mode,
                                const char *text, size_t length)
{
    struct file_write write = {session->worker, name, text, length, -1};
    return mode == WRITE_RENAME ? write_rename(session, &write) : write_in_place(session, &write);
}

enum outcome session_lock_file(struct session *session, const char *name, enum lock_mode mode)
{
    must(session->lock_name == NULL);
    const struct transport_table *transport = session->crew->transport;
    session->lock_name = name; /* from here on: a schedule asks who waits for what */
    session->lock_mode = mode;
    if (session_step(session, STEP_LOCK_FILE, name)) {
        transport->waiting->leave(session);
        bool locked = transport->files->lock(session);
        transport->waiting->enter(session);
        if (locked)
            return DONE;
    }
    session->lock_name = NULL;
    return FAILED;
}

void session_unlock_file(struct session *session)
{
    must(session->lock_name != NULL);
    session_step(session, STEP_UNLOCK_FILE, "");
    session->crew->transport->files->unlock(session);
    session->lock_name = NULL;
}
