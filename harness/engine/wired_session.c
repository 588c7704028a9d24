/* SPDX-License-Identifier: Apache-2.0
 *
 * wired_session: see wired_session.h.
 */
#include "wired_session.h"

#include "base.h"
#include <stdlib.h>
#include <string.h>

struct wired_place {
    WT_CURSOR *cursor;
    uint64_t found_by;   /* use of the session that has found `found`; 0: none */
    struct buffer found; /* its key */
};

static void check(const struct wired_session *session, int error, const char *what)
{
    wired_check(session->wired, error, what);
}

void wired_session_open(struct wired_session *session, struct wired *wired, const char *isolation)
{
    *session =
        (struct wired_session){.wired = wired, .session = wired_open_session(wired, isolation)};
}

void wired_session_free(struct wired_session *session)
{
    for (size_t i = 0; i < session->place_count; i++)
        buffer_release(&session->places[i].found);
    free(session->places);
}

void wired_session_begin(struct wired_session *session)
{
    const char *config = session->writes_log ? NULL : "sync=false";
    session->begun = true;
    session->wrote = false;
    session->use++;
    check(session, session->session->begin_transaction(session->session, config), "begin in");
}

enum store_result wired_session_commit(struct wired_session *session)
{
    int error = session->session->commit_transaction(session->session, NULL);
    session->begun = false;
    if (error == WT_ROLLBACK)
        return STORE_CONFLICT;
    check(session, error, "commit to");
    return STORE_DONE;
}

void wired_session_roll_back(struct wired_session *session)
{
    check(session, session->session->rollback_transaction(session->session, NULL), "roll back in");
    session->begun = false;
}

static struct wired_place *place_of(struct wired_session *session, const struct wired_file *file)
{
    if (file->place >= session->place_count) {
        size_t count = file->place + 8;
        session->places = x_realloc(session->places, count * sizeof *session->places);
        memset(session->places + session->place_count, 0,
               (count - session->place_count) * sizeof *session->places);
        session->place_count = count;
    }
    struct wired_place *place = &session->places[file->place];
    if (place->cursor == NULL)
        check(session,
              session->session->open_cursor(session->session, file->uri, NULL, NULL,
                                            &place->cursor),
              "read");
    return place;
}

static WT_ITEM item_of(struct slice slice)
{
    return (WT_ITEM){.data = slice.bytes != NULL ? slice.bytes : (const uint8_t *)"",
                     .size = slice.length};
}

static enum store_result find(struct wired_session *session, struct wired_place *place,
                              WT_ITEM *key)
{
    place->found_by = 0;
    place->cursor->set_key(place->cursor, key);
    int error = place->cursor->search(place->cursor);
    if (error != WT_NOTFOUND)
        check(session, error, "read");
    return error == WT_NOTFOUND ? STORE_ABSENT : STORE_DONE;
}

enum store_result wired_get(struct wired_session *session, const struct wired_file *file,
                            struct slice key, struct slice *value)
{
    struct wired_place *place = place_of(session, file);
    WT_ITEM wanted = item_of(key), item;
    if (find(session, place, &wanted) == STORE_ABSENT)
        return STORE_ABSENT;
    check(session, place->cursor->get_value(place->cursor, &item), "read");
    *value = (struct slice){item.data, item.size};
    place->found.length = 0;
    buffer_append(&place->found, key.bytes, key.length);
    place->found_by = session->use;
    return STORE_DONE;
}

/* What became of a write. */
static enum store_result wrote(struct wired_session *session, int error)
{
    if (error == WT_ROLLBACK)
        return STORE_CONFLICT;
    check(session, error, "write to");
    session->wrote = true;
    return STORE_DONE;
}

enum store_result wired_put(struct wired_session *session, const struct wired_file *file,
                            struct slice key, struct slice value)
{
    struct wired_place *place = place_of(session, file);
    WT_ITEM wanted = item_of(key), bytes = item_of(value);
    bool there = place->found_by == session->use && place->found.length == key.length &&
                 memcmp(place->found.bytes, wanted.data, key.length) == 0;
    if (!there)
        place->cursor->set_key(place->cursor, &wanted);
    place->cursor->set_value(place->cursor, &bytes);
    place->found_by = 0;
    return wrote(session, place->cursor->insert(place->cursor)); /* overwrites */
}

enum store_result wired_delete(struct wired_session *session, const struct wired_file *file,
                               struct slice key)
{
    struct wired_place *place = place_of(session, file);
    WT_ITEM wanted = item_of(key);
    return find(session, place, &wanted) == STORE_DONE
               ? wrote(session, place->cursor->remove(place->cursor))
               : STORE_ABSENT;
}

/* Moves a fresh cursor to the first row that is not before `prefix`. */
static int cursor_begin(WT_CURSOR *cursor, struct slice prefix)
{
    WT_ITEM wanted = item_of(prefix);
    int side = 0;
    if (prefix.length == 0)
        return cursor->next(cursor);
    cursor->set_key(cursor, &wanted);
    int error = cursor->search_near(cursor, &side);
    return error == 0 && side < 0 ? cursor->next(cursor) : error;
}

void wired_scan(struct wired_session *session, const struct wired_file *file, struct slice prefix,
                store_visitor *visit, void *context)
{
    WT_CURSOR *cursor; /* its own: the visitor may look up rows */
    check(session, session->session->open_cursor(session->session, file->uri, NULL, NULL, &cursor),
          "read");
    int error = cursor_begin(cursor, prefix);
    for (; error == 0; error = cursor->next(cursor)) {
        WT_ITEM key, value;
        check(session, cursor->get_key(cursor, &key), "read");
        check(session, cursor->get_value(cursor, &value), "read");
        if (key.size < prefix.length ||
            (prefix.length > 0 && memcmp(key.data, prefix.bytes, prefix.length) != 0) ||
            !visit((struct slice){key.data, key.size}, (struct slice){value.data, value.size},
                   context))
            break;
    }
    if (error != WT_NOTFOUND)
        check(session, error, "read");
    check(session, cursor->close(cursor), "read");
}

void wired_leave(struct wired_session *session, const struct wired_file *file)
{
    struct wired_place *place =
        file->place < session->place_count ? &session->places[file->place] : NULL;
    if (place == NULL || place->cursor == NULL)
        return;
    check(session, place->cursor->close(place->cursor), "drop a table of");
    place->cursor = NULL;
    place->found_by = 0;
}
