/* SPDX-License-Identifier: Apache-2.0
 *
 * keys: BSON values as bytes whose memcmp() order is value_compare()'s. Rows are kept under the
 * encoded _id, entries of unique indexes under the encoded fields; values that MongoDB takes for
 * equal (1, 1L and 1.0) give equal bytes and so collide.
 */
#ifndef RACEBENCH_DOCUMENT_KEYS_H
#define RACEBENCH_DOCUMENT_KEYS_H

#include "buffer.h"
#include "failure.h"
#include <bson/bson.h>
#include <stdbool.h>

/* Appends the encoding of `value`; several in a row compare field by field. False for types that
 * have no place in an index here (Decimal128, code, DBRef); the buffer may then hold a part. */
bool keys_append(struct buffer *, const bson_value_t *value);

/* Keys, each copied. key_list_unique() sorts them and leaves one of each. */
struct key_list {
    struct buffer *items;
    size_t count, capacity;
};
void key_list_add(struct key_list *, struct slice key);
void key_list_unique(struct key_list *);
void key_list_release(struct key_list *);

/* Called for each key that an index has for one document; false stops and is handed on. */
typedef bool keys_visitor(struct slice key, void *context);

/* Visits the distinct keys of `document` in an index on the fields of `pattern` ({a: 1, "b.c": 1}):
 * one, or one per element where a field is an array. Missing counts as null. Refused: arrays in two
 * fields (171), types that cannot be encoded (67). Returns false when refused or stopped. */
bool keys_visit(const bson_t *pattern, const bson_t *document, keys_visitor *visit, void *context,
                struct failure *);

#endif
