/* SPDX-License-Identifier: Apache-2.0
 *
 * killCursors: the client does not want the rest. Each number is answered in one of the four
 * lists; those that are not there are cursorsNotFound, which is no error. Drivers send it when
 * an application stops reading, without caring for the reply. cursorsAlive and cursorsUnknown
 * are always empty: here a cursor can be closed at any time.
 */
#include "engine/command.h"
#include "engine/cursor.h"
#include "engine/dispatch.h"
#include <stdlib.h>

struct arguments {
    bson_t cursors;
};

static const struct field fields[] = {
    {"cursors", FIELD_ARRAY, offsetof(struct arguments, cursors), true},
    {NULL, FIELD_END, 0, false},
};

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    struct cursors *cursors = request->engine->cursors;
    bson_t killed = BSON_INITIALIZER, missing = BSON_INITIALIZER, none = BSON_INITIALIZER;
    bool fine = true;
    bson_iter_t iter;
    const char *namespace = request_namespace(request);
    must(bson_iter_init(&iter, &arguments->cursors));
    while (fine && bson_iter_next(&iter)) {
        if (!BSON_ITER_HOLDS_INT64(&iter)) {
            fine = failure_set(&request->failure, FAILURE_TYPE_MISMATCH,
                               "BSON field 'killCursors.cursors.%s' is the wrong type '%s', "
                               "expected type 'long'",
                               bson_iter_key(&iter), fields_type_name(bson_iter_type(&iter)));
            break;
        }
        bson_t *list =
            cursor_close(cursors, bson_iter_int64(&iter), namespace) ? &killed : &missing;
        char number[16];
        const char *key;
        size_t length = bson_uint32_to_string(bson_count_keys(list), &key, number, sizeof number);
        bson_append_int64(list, key, (int)length, bson_iter_int64(&iter));
    }
    bson_append_array(request->reply, "cursorsKilled", -1, &killed);
    bson_append_array(request->reply, "cursorsNotFound", -1, &missing);
    bson_append_array(request->reply, "cursorsAlive", -1, &none);
    bson_append_array(request->reply, "cursorsUnknown", -1, &none);
    bson_destroy(&killed);
    bson_destroy(&missing);
    return fine;
}

COMMAND(killCursors, COMMAND_COLLECTION | COMMAND_INSIDE, .fields = fields,
        .arguments_bytes = sizeof(struct arguments));
