/* SPDX-License-Identifier: Apache-2.0
 *
 * canon: see canon.h. Elements are hashed as bytes, type and name included; only documents and
 * arrays are gone into.
 */
#include "canon.h"

#include "base.h"
#include "edit.h"
#include "history.h"
#include <string.h>

uint64_t canon_mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ (b + UINT64_C(0x9e3779b97f4a7c15) + (a << 6) + (a >> 2))) *
                 UINT64_C(0xff51afd7ed558ccd);
    return x ^ (x >> 32);
}

static bool is_hole(int64_t value, int32_t workers)
{
    int64_t worker = (value >> 32) - 1;
    return worker >= 0 && worker < workers;
}

static void read_elements(struct canon *canon, bson_iter_t *iter, uint64_t place, int32_t workers)
{
    while (bson_iter_next(iter)) {
        const char *name = bson_iter_key(iter);
        bson_type_t type = bson_iter_type(iter);
        struct hash one;
        bson_iter_t child;
        if (strcmp(name, EDIT_STAMP) == 0) { /* that there is one can be seen, which one cannot */
            canon->hash = canon_mix(canon->hash, place);
            continue;
        }
        hash_init(&one);
        if ((type == BSON_TYPE_DOCUMENT || type == BSON_TYPE_ARRAY) &&
            bson_iter_recurse(iter, &child)) {
            hash_bytes(&one, name, strlen(name));
            uint64_t inner = canon_mix(place, hash_value(&one));
            canon->hash = canon_mix(canon->hash, inner);
            read_elements(canon, &child, inner, workers);
            canon->hash = canon_mix(canon->hash, 1);
            continue;
        }
        if (type == BSON_TYPE_INT64 && canon->count < HOLES_MAX &&
            is_hole(bson_iter_int64(iter), workers)) {
            int64_t value = bson_iter_int64(iter);
            hash_bytes(&one, name, strlen(name));
            canon->holes[canon->count++] =
                (struct hole){OPERATION_WORKER(value), OPERATION_NUMBER(value),
                              canon_mix(place, hash_value(&one))};
        } else {
            hash_bytes(&one, iter->raw + iter->off, iter->next_off - iter->off);
        }
        canon->hash = canon_mix(canon->hash, hash_value(&one));
    }
}

void canon_read(struct canon *canon, const uint8_t *data, size_t length, int32_t workers)
{
    bson_iter_t iter;
    canon->hash = 0;
    canon->count = 0;
    if (data != NULL && bson_iter_init_from_data(&iter, data, length))
        read_elements(canon, &iter, 0, workers);
}

int64_t canon_age(const struct hole *hole, int64_t tokens, int64_t operations)
{
    if ((hole->number & TOKEN_BIT) != 0)
        return 2 * (tokens - (hole->number & ~TOKEN_BIT));
    return 2 * (operations - hole->number) + 1;
}

uint64_t canon_seen_by(const struct canon *canon, int32_t worker, int64_t tokens,
                       int64_t operations)
{
    uint64_t seen = canon->hash;
    for (int i = 0; i < canon->count; i++) {
        const struct hole *hole = &canon->holes[i];
        bool own = hole->worker == worker;
        seen = canon_mix(seen, hole->place);
        seen = canon_mix(seen, own ? 0 : (uint64_t)hole->worker + 1);
        seen =
            canon_mix(seen, (uint64_t)(own ? canon_age(hole, tokens, operations) : hole->number));
    }
    return seen;
}
