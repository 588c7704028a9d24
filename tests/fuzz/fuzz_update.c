/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_update: updates applied to documents. What comes out is well-formed, has its _id first and
 * unchanged, and `changed` says whether the bytes differ; $set, $unset, $min and $max change
 * nothing the second time.
 */
#include "document/update.h"
#include "document/value.h"
#include "fuzz.h"

#include <string.h>

static bool idempotent(const bson_t *change)
{
    bson_iter_t iter;
    if (!bson_iter_init(&iter, change) || !bson_iter_next(&iter))
        return true; /* an empty replacement */
    do {
        const char *name = bson_iter_key(&iter);
        if (name[0] == '$' && strcmp(name, "$set") != 0 && strcmp(name, "$unset") != 0 &&
            strcmp(name, "$min") != 0 && strcmp(name, "$max") != 0)
            return false;
    } while (bson_iter_next(&iter));
    return true;
}

static void check_result(const struct update *update, const bson_t *was, const bson_t *is,
                         bool changed)
{
    bson_value_t before, after;
    bool had = value_field(was, "_id", &before), has = value_field(is, "_id", &after);
    bson_iter_t iter;
    if (value_malformed(bson_get_data(is), is->len))
        fuzz_finding("the result is malformed");
    if (changed == bson_equal(was, is))
        fuzz_finding("changed is %d, but the bytes say otherwise", changed);
    if (had && !update->inserting && (!has || value_compare(&before, &after) != 0))
        fuzz_finding("the _id has changed");
    if (has && changed && bson_iter_init(&iter, is) && bson_iter_next(&iter) &&
        strcmp(bson_iter_key(&iter), "_id") != 0)
        fuzz_finding("_id is not first");
}

static void apply(struct update *update, const bson_t *was, bool twice)
{
    struct failure failure = {.code = FAILURE_NONE};
    struct buffer first = {0}, second = {0};
    bson_t is, again;
    bool changed = false;
    if (update_apply(update, was, &first, &changed, &failure)) {
        document_of_buffer(&first, &is);
        check_result(update, was, &is, changed);
        if (twice && update_apply(update, &is, &second, &changed, &failure) && changed) {
            document_of_buffer(&second, &again);
            fuzz_finding("the second time changes as well: %s then %s",
                         bson_as_canonical_extended_json(&is, NULL),
                         bson_as_canonical_extended_json(&again, NULL));
        }
    } else if (failure.code == FAILURE_NONE) {
        fuzz_finding("refused without a code");
    }
    failure_reset(&failure);
    buffer_release(&first);
    buffer_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct fuzz_input input = {bytes, length};
    struct failure failure = {.code = FAILURE_NONE};
    bson_t change = BSON_INITIALIZER;
    bool pipeline = fuzz_below(&input, 4) == 0;
    if (pipeline)
        fuzz_pipeline(&input, &change);
    else
        fuzz_update(&input, &change);
    bson_value_t value = {.value_type = pipeline ? BSON_TYPE_ARRAY : BSON_TYPE_DOCUMENT};
    value.value.v_doc.data = (uint8_t *)bson_get_data(&change);
    value.value.v_doc.data_len = change.len;
    struct update update;
    if (update_read(&update, &value, &failure)) {
        bson_t was = BSON_INITIALIZER;
        update.now_ms = 1;
        update.inserting = fuzz_below(&input, 4) == 0;
        BSON_APPEND_INT32(&was, "_id", 1);
        fuzz_fields(&input, &was, 3);
        apply(&update, &was, !pipeline && idempotent(&change));
        bson_destroy(&was);
        update_release(&update);
    }
    failure_reset(&failure);
    bson_destroy(&change);
    return 0;
}
