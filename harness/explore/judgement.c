/* SPDX-License-Identifier: Apache-2.0
 *
 * judgement: the scenario's own judge over one finished execution. The final documents are those
 * that the world watches, so nothing is asked of the engine. What makes a run "unknown" (too few
 * operations to prove anything) does not count here: that every schedule was tried is the proof.
 */
#include "stand.h"

#include "folder.h"
#include "scenario.h"
#include <inttypes.h>
#include <stdlib.h>

static const bson_t *final_document(const struct world *world, int64_t id, bson_t *view)
{
    hash128 place = documents_place_of(world->cell.scenario->collection, id);
    for (size_t i = 0; i < world->documents.changed_count; i++) {
        const struct row *row = world->documents.changed[i];
        if (row->collection == NULL || row->place != place)
            continue;
        return row->now != NULL && bson_init_static(view, row->now, row->now_bytes) ? view : NULL;
    }
    return world->first[id];
}

bson_t *world_file(const struct world *world, int64_t id)
{
    size_t length;
    bson_error_t error;
    char *name = x_format("%s.%" PRId64 ".json", world->cell.scenario->collection, id);
    char *text = folder_read(world->stage.crew.files, name, &length);
    bson_t *document =
        text != NULL ? bson_new_from_json((const uint8_t *)text, (ssize_t)length, &error) : NULL;
    free(text);
    free(name);
    return document;
}

static size_t read_effects(const struct world *world, struct effect *effects)
{
    size_t count = 0;
    for (size_t i = 0; i < world->documents.changed_count; i++) {
        const struct row *row = world->documents.changed[i];
        bson_t view;
        if (row->collection == NULL || row->now == NULL ||
            strcmp(row->collection, "effects") != 0 ||
            !bson_init_static(&view, row->now, row->now_bytes))
            continue;
        effects[count++] =
            (struct effect){edit_number(&view, "once", 0), edit_number(&view, "by", 0)};
    }
    return count;
}

/* All events in one array, with what the gate saw of those that leave no version. */
static size_t read_events(struct world *world, struct history *all)
{
    const struct cell *cell = &world->cell;
    for (int32_t w = 0; w < world->count; w++) {
        const struct history *history = &world->stage.crew.sessions[w].history;
        for (size_t i = 0; i < history->count; i++) {
            struct event *event = history_append(all);
            *event = history->events[i];
            if (cell->strategy[event->strategy]->blind && !event->reads_only)
                event->applied =
                    gate_applied_count(world->stage.gate, cell->scenario->collection, event->worker,
                                       OPERATION_NUMBER(event->operation));
        }
    }
    history_sort(all);
    return all->count;
}

static bool share_key(const struct event *one, const struct event *other)
{
    for (int i = 0; i < EDIT_DOCUMENTS_MAX; i++)
        for (int j = 0; j < EDIT_DOCUMENTS_MAX; j++)
            if (one->key[i] >= 0 && one->key[i] == other->key[j])
                return true;
    return false;
}

bool world_contended(const struct world *world)
{
    const struct history *events = &world->events;
    for (size_t i = 0; i < events->count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct event *one = &events->events[i], *other = &events->events[j];
            if ((one->worker != other->worker || world->count == 1) &&
                (!one->reads_only || !other->reads_only) && share_key(one, other))
                return true;
        }
    return false;
}

void world_judge(struct world *world, struct verdict *verdict)
{
    const struct scenario *scenario = world->cell.scenario;
    int64_t count = world->first_count;
    bson_t views[8];
    must(count <= (int64_t)COUNT_OF(views));
    const bson_t *documents[COUNT_OF(views)] = {NULL};
    struct final finals[COUNT_OF(views)] = {{0}};
    struct effect *effects = x_malloc((world->documents.changed_count + 1) * sizeof(*effects));
    struct history *events = &world->events;
    bool in_files = world->cell.strategy[0]->home == HOME_FILES;
    events->count = 0;
    for (int64_t id = 0; id < count; id++) {
        documents[id] = in_files ? world_file(world, id) : final_document(world, id, &views[id]);
        if (documents[id] != NULL)
            finals[id] = (struct final){true, edit_number(documents[id], scenario->field, 0),
                                        edit_stamp(documents[id])};
    }
    struct record record = {.cell = &world->cell,
                            .event_count = read_events(world, events),
                            .finals = finals,
                            .final_count = count,
                            .documents = documents,
                            .effects = effects,
                            .effect_count = read_effects(world, effects)};
    record.events = events->events;
    record.initial_value = world->initial_value;
    scenario->judge(&record, verdict);
    for (int64_t id = 0; id < count && in_files; id++)
        bson_destroy((bson_t *)documents[id]);
    free(effects);
}
