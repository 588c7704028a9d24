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

/* A document that is being read: what has been passed and not yet been hashed begins at `from`. */
struct reading {
    struct canon *canon;
    struct hash hash;
    const uint8_t *first, *from, *last;
    int32_t workers;
};

/* Hashes all up to this element's value, and leaves that out. */
static void leave_out(struct reading *reading, const struct element *element)
{
    hash_bytes(&reading->hash, reading->from, (size_t)(element->data - reading->from));
    reading->from = element->data + element->size;
}

static void read_elements(struct reading *reading, struct elements elements)
{
    struct canon *canon = reading->canon;
    struct element element;
    while (elements_next(&elements, &element)) {
        if (element_is_named(&element, EDIT_STAMP, sizeof(EDIT_STAMP) - 1)) {
            if (elements.end == reading->last)
                canon->stamp = element_number(&element, 0);
            leave_out(reading, &element); /* there is one: which, cannot be seen */
        } else if (element_is_container(&element)) {
            read_elements(reading, elements_of_element(&element));
        } else if (element.type == BSON_TYPE_INT64 && canon->count < HOLES_MAX) {
            const int64_t value = element_number(&element, 0);
            if (!is_hole(value, reading->workers))
                continue;
            canon->holes[canon->count++] =
                (struct hole){OPERATION_WORKER(value), OPERATION_NUMBER(value),
                              (uint32_t)(element.data - reading->first)};
            leave_out(reading, &element);
        }
    }
}

void canon_read(struct canon *canon, const uint8_t *data, size_t length, int32_t workers)
{
    struct reading reading = {.canon = canon, .first = data, .from = data, .workers = workers};
    bson_t view;
    canon->hash = 0;
    canon->stamp = 0;
    canon->count = 0;
    if (data == NULL || !bson_init_static(&view, data, length))
        return;
    reading.last = data + length - 1;
    hash_init(&reading.hash);
    read_elements(&reading, elements_of(&view));
    hash_bytes(&reading.hash, reading.from, (size_t)(data + length - reading.from));
    canon->hash = hash_full(&reading.hash);
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
