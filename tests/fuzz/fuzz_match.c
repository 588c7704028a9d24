/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_match: filters against documents. A filter that is accepted must answer for any document,
 * and obey logic: $nor of it says the opposite, $and and $or of it alone say the same, and a lookup
 * by key that match_equality() allows must not lose a document.
 */
#include "document/match.h"
#include "document/value.h"
#include "fuzz.h"

static bool wrapped(const char *name, const bson_t *filter, const bson_t *document)
{
    struct failure failure = {.code = FAILURE_NONE};
    bson_t *around = bson_new(), array;
    BSON_APPEND_ARRAY_BEGIN(around, name, &array);
    BSON_APPEND_DOCUMENT(&array, "0", filter);
    bson_append_array_end(around, &array);
    if (!match_check(around, &failure))
        fuzz_finding("%s of an accepted filter is refused: %s", name, failure.message);
    bool result = match(around, document, 0, &failure);
    bson_destroy(around);
    failure_reset(&failure);
    return result;
}

/* By identity or by value: what the lookup would find. */
static void check_equality(const bson_t *filter, const bson_t *document)
{
    bson_value_t wanted, found;
    if (!match_equality(filter, "_id", &wanted) || wanted.value_type == BSON_TYPE_NULL)
        return;
    if (!value_field(document, "_id", &found))
        fuzz_finding("matches without the _id that it demands");
    if (found.value_type != BSON_TYPE_ARRAY && value_compare(&wanted, &found) != 0)
        fuzz_finding("matches with another _id than it demands");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct fuzz_input input = {bytes, length};
    struct failure failure = {.code = FAILURE_NONE};
    bson_t filter = BSON_INITIALIZER;
    fuzz_filter(&input, &filter, 3);
    bool accepted = match_check(&filter, &failure);
    if (!accepted && failure.code == FAILURE_NONE)
        fuzz_finding("refused without a code");
    for (int i = 0; accepted && i < 4; i++) {
        bson_t document = BSON_INITIALIZER;
        fuzz_fields(&input, &document, 3);
        bool matched = match(&filter, &document, 0, &failure);
        if (failure.code == FAILURE_NONE) {
            if (wrapped("$nor", &filter, &document) == matched)
                fuzz_finding("$nor agrees with its filter");
            if (wrapped("$and", &filter, &document) != matched ||
                wrapped("$or", &filter, &document) != matched)
                fuzz_finding("$and or $or of one filter disagrees with it");
            if (matched)
                check_equality(&filter, &document);
        }
        failure_reset(&failure);
        bson_destroy(&document);
    }
    failure_reset(&failure);
    bson_destroy(&filter);
    return 0;
}
