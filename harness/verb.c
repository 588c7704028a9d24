/* SPDX-License-Identifier: Apache-2.0
 *
 * verb: the list of verbs, generated from the files of harness/verb/.
 */
#include "verb.h"

#include <string.h>

#define X(name) extern const struct verb verb_##name;
#include "verbs.list"
#undef X

const struct verb *const verbs[] = {
#define X(name) &verb_##name,
#include "verbs.list"
#undef X
    NULL,
};

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; verbs[i] != NULL; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}
