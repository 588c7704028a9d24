/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_keys: two pairs of values, encoded; the order of the bytes must be the order of the values,
 * field by field, and equal bytes must mean equal values.
 */
#include "document/keys.h"
#include "document/value.h"
#include "fuzz.h"

#include <string.h>

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static int compare_bytes(const struct buffer *a, const struct buffer *b)
{
    size_t length = a->length < b->length ? a->length : b->length;
    int order = length > 0 ? memcmp(a->bytes, b->bytes, length) : 0;
    return order != 0 ? sign(order) : (a->length > b->length) - (a->length < b->length);
}

/* Two values of one document; false: one has no place in an index. */
static bool take(struct fuzz_input *input, bson_t *document, bson_value_t value[2],
                 struct buffer *key)
{
    fuzz_value(input, document, "a", 3);
    fuzz_value(input, document, "b", 1);
    return value_field(document, "a", &value[0]) && value_field(document, "b", &value[1]) &&
           keys_append(key, &value[0]) && keys_append(key, &value[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct fuzz_input input = {bytes, length};
    bson_t one = BSON_INITIALIZER, two = BSON_INITIALIZER;
    bson_value_t a[2], b[2];
    struct buffer first = {0}, second = {0};
    if (take(&input, &one, a, &first) && take(&input, &two, b, &second)) {
        int order = sign(value_compare(&a[0], &b[0]));
        if (order == 0)
            order = sign(value_compare(&a[1], &b[1]));
        if (order != compare_bytes(&first, &second))
            fuzz_finding("values are ordered %d, their bytes %d", order,
                         compare_bytes(&first, &second));
    }
    buffer_release(&first);
    buffer_release(&second);
    bson_destroy(&one);
    bson_destroy(&two);
    return 0;
}
