/* SPDX-License-Identifier: Apache-2.0
 *
 * state: what the future of a world depends on, as one number: the documents without stamps, shared
 * RAM, files, the clock, what is left of the budgets, and for each worker where it stands and all
 * that it was told in its present attempt, with one bit for each thing examined (has it changed
 * since?). Workers are summed up in no order; once one has asked for its own number
 * it belongs to its key.
 */
#include "stand.h"

#include "folder.h"

/* In place of where a hole stands: the stamp of a document. */
#define STAMPED UINT64_C(0x5354414d50)

bool world_symmetric(const struct world *world)
{
    return !atomic_load_explicit(&world->stage.crew.identified, memory_order_relaxed);
}

/* One document's last version, if this worker wrote it. */
static hash128 stamped(const struct session *session, hash128 place, int64_t stamp)
{
    if (stamp == 0 || OPERATION_WORKER(stamp) != session->worker)
        return 0;
    return hash_mix(hash_mix(place, STAMPED),
                    (uint64_t)(session->operation_count - OPERATION_NUMBER(stamp)));
}

static hash128 stamped_files(const struct world *world, const struct session *session)
{
    hash128 sum = 0;
    if (world->cell.strategy[0]->home != HOME_FILES)
        return 0;
    for (int64_t id = 0; id < world->first_count; id++) {
        bson_t *document = world_file(world, id);
        sum += stamped(session, (uint64_t)id + 1, edit_stamp(document));
        bson_destroy(document);
    }
    return sum;
}

/* What stands in documents about a worker: where, and of which of its tokens; and which of its
 * operations was the last to write them. Earlier versions of a document are not in the key, but its
 * last one is: by it the judge sees that an operation did write it which says that it did not. */
static hash128 holes(const struct world *world, const struct session *session)
{
    hash128 sum = stamped_files(world, session);
    for (size_t i = 0; i < world->documents.changed_count; i++) {
        const struct row *row = world->documents.changed[i];
        if (row->now == NULL)
            continue;
        sum += stamped(session, row->canon.hash, row->canon.stamp);
        for (int h = 0; h < row->canon.count; h++) {
            const struct hole *hole = &row->canon.holes[h];
            if (hole->worker == session->worker)
                sum += hash_mix(hash_mix(row->canon.hash, hole->place),
                                (uint64_t)canon_age(hole, session->token_count,
                                                    session->operation_count));
        }
    }
    return sum;
}

static hash128 shared_ram(const struct world *world, const struct instance *instance)
{
    struct hash hash;
    hash_init(&hash);
    hash_u64(&hash, instance->crashed);
    hash_u64(&hash, (uint64_t)world->ahead_ms[instance->number]);
    for (int s = 0; s < world->cell.strategy_count; s++)
        if (instance->shared[s] != NULL)
            world->cell.strategy[s]->digest(instance->shared[s], &hash);
    return hash_full(&hash);
}

/* What an open transaction reads on, and whose change since then it will not write over. */
static hash128 transaction_key(const struct world *world, const struct stand *stand)
{
    if (!stand_in_transaction(stand))
        return 0;
    return hash_mix(stand->snapshot,
                    documents_changed_after(&world->documents, stand->snapshot_write));
}

hash128 world_worker_key(const struct world *world, int32_t worker)
{
    const struct stand *stand = &world->stands[worker];
    const struct session *session = stand->session;
    enum { BITS = 63 }; /* of those examined, in one number */
    hash128 key = stand->ended ? 1 : 2;
    key = hash_mix(key, stand->scenario);
    key = hash_mix(key, holes(world, session));
    key = hash_mix(key, stand->armed);
    if (!world_symmetric(world))
        key = hash_mix(key, (hash128)worker);
    if (world->cell.instances > 1 || world->cell.strategy_count > 1)
        key = hash_mix(key, (uint64_t)session->instance->number * CELL_STRATEGIES_MAX +
                                (uint64_t)session->strategy_index);
    if (stand->ended)
        return key;
    key = hash_mix(key, stand->trying ? stand->chain : 0);
    key = hash_mix(key, transaction_key(world, stand));
    key = hash_mix(key, (uint64_t)stand->kind << 8 | (uint64_t)stand->inside |
                            (uint64_t)stand->woken << 1 | (uint64_t)stand->resting << 2 |
                            (uint64_t)stand->parked << 3 | (uint64_t)stand->trying << 4 |
                            (uint64_t)session->doubled << 5 | (uint64_t)stand->cut << 6);
    uint64_t current = 1;
    for (size_t i = 0; i < stand->examined_count; i++) {
        current = current << 1 | (documents_changes(&world->documents, stand->examined[i].place) ==
                                  stand->examined[i].changes);
        if (i % BITS != BITS - 1)
            continue;
        key = hash_mix(key, current);
        current = 1;
    }
    return hash_mix(key, current);
}

/* A number over all workers, from one for each, in no order. */
static hash128 over_workers(const struct world *world,
                            hash128 (*key_of)(const struct world *, int32_t worker))
{
    hash128 key = 0;
    for (int32_t w = 0; w < world->count; w++)
        key += hash_mix(key_of(world, w), 1);
    return key;
}

/* Documents, files and RAM: what workers share. */
static hash128 things_key(const struct world *world)
{
    const struct crew *crew = &world->stage.crew;
    hash128 key = world->documents.sum + world->orphans;
    if (crew->files != NULL) {
        struct hash hash;
        hash_init(&hash);
        folder_digest(crew->files, &hash);
        key = hash_mix(key, hash_full(&hash));
    }
    for (int32_t i = 0; i < world->cell.instances; i++)
        if (atomic_load(&crew->instances[i].working) > 0)
            key = hash_mix(key, shared_ram(world, &crew->instances[i]));
    return key;
}

hash128 world_key(const struct world *world)
{
    hash128 key = hash_mix(things_key(world), over_workers(world, world_worker_key));
    key = hash_mix(key, (hash128)world->now_ms);
    key = hash_mix(key, (hash128)world->clock_left << 32 | (hash128)world->faults_left);
    if (world->limits.bound >= 0) {
        key = hash_mix(key, (hash128)world->switches_left);
        if (world->last != STEP_NOBODY)
            key = hash_mix(key, world_worker_key(world, world->last));
    }
    return key;
}

static hash128 worker_outcome(const struct world *world, int32_t worker)
{
    const struct stand *stand = &world->stands[worker];
    return hash_mix(hash_mix(stand->outcomes, stand->ended), holes(world, stand->session));
}

hash128 world_outcome(const struct world *world)
{
    return hash_mix(things_key(world), over_workers(world, worker_outcome));
}
