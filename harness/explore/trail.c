/* SPDX-License-Identifier: Apache-2.0
 *
 * trail: see trail.h. Memory and nothing else.
 */
#include "trail.h"

#include "base.h"
#include <stdlib.h>
#include <string.h>

struct trail_entry *trail_add(struct trail *trail)
{
    size_t at = array_grow((void **)&trail->entries, &trail->count, &trail->capacity,
                           sizeof(*trail->entries));
    trail->entries[at] = (struct trail_entry){.operation = -1};
    return &trail->entries[at];
}

static void free_images(struct trail_image *images, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(images[i].name);
        free(images[i].text);
    }
    free(images);
}

void trail_free(struct trail *trail)
{
    for (size_t i = 0; i < trail->count; i++) {
        free_images(trail->entries[i].images, trail->entries[i].image_count);
        free(trail->entries[i].returned);
    }
    free_images(trail->first, trail->first_count);
    free(trail->entries);
    *trail = (struct trail){0};
}
