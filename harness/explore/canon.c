/* SPDX-License-Identifier: Apache-2.0
 *
 * canon: see canon.h. Elements are hashed as bytes, type and name included; only documents and
 * arrays are gone into.
 */
#include "canon.h"

#include "document/element.h"
#include "edit.h"
#include "history.h"
#include <string.h>

static bool is_hole(int64_t value, int32_t workers)
{
    int64_t worker = (value >> 32) - 1;
    return worker >= 0 && worker < workers;
}

static void read_elements(struct canon *canon, struct elements elements, hash128 place,
                          int32_t workers)
{
    struct element element;
    while (elements_next(&elements, &element)) {
        struct hash one;
        if (element_is_named(&element, EDIT_STAMP, sizeof(EDIT_STAMP) - 1)) {
            canon->hash = hash_mix(canon->hash, place); /* there is one: which, cannot be seen */
            continue;
        }
        hash_init(&one);
        if (element_is_container(&element)) {
            hash_bytes(&one, element.name, element.name_length);
            hash128 inner = hash_mix(place, hash_full(&one));
            canon->hash = hash_mix(canon->hash, inner);
            read_elements(canon, elements_of_element(&element), inner, workers);
            canon->hash = hash_mix(canon->hash, 1);
            continue;
        }
        int64_t value = element.type == BSON_TYPE_INT64 ? element_number(&element, 0) : 0;
        if (canon->count < HOLES_MAX && is_hole(value, workers)) {
            hash_bytes(&one, element.name, element.name_length);
            canon->holes[canon->count++] =
                (struct hole){OPERATION_WORKER(value), OPERATION_NUMBER(value),
                              hash_mix(place, hash_full(&one))};
        } else {
            hash_bytes(&one, element.start, (size_t)(element.data - element.start) + element.size);
        }
        canon->hash = hash_mix(canon->hash, hash_full(&one));
    }
}

void canon_read(struct canon *canon, const uint8_t *data, size_t length, int32_t workers)
{
    bson_t view;
    canon->hash = 0;
    canon->count = 0;
    if (data != NULL && bson_init_static(&view, data, length))
        read_elements(canon, elements_of(&view), 0, workers);
}

int64_t canon_age(const struct hole *hole, int64_t tokens, int64_t operations)
{
    if ((hole->number & TOKEN_BIT) != 0)
        return 2 * (tokens - (hole->number & ~TOKEN_BIT));
    return 2 * (operations - hole->number) + 1;
}

hash128 canon_seen_by(const struct canon *canon, int32_t worker, int64_t tokens, int64_t operations)
{
    hash128 seen = canon->hash;
    for (int i = 0; i < canon->count; i++) {
        const struct hole *hole = &canon->holes[i];
        bool own = hole->worker == worker;
        seen = hash_mix(seen, hole->place);
        seen = hash_mix(seen, own ? 0 : (uint64_t)hole->worker + 1);
        seen = hash_mix(seen, (uint64_t)(own ? canon_age(hole, tokens, operations) : hole->number));
    }
    return seen;
}
