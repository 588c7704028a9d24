/* SPDX-License-Identifier: Apache-2.0
 *
 * value: BSON values compared and found by path, as MongoDB does it. A value is libbson's
 * bson_value_t, usually the view that bson_iter_value() gives (borrowed, valid while the document
 * is). Canonical order of types, numbers equal across types, arrays that match as a whole or by an
 * element, dotted paths: facts are in MongoDB's manual, "Comparison/Sort Order" and "Query Arrays".
 */
#ifndef RACEBENCH_DOCUMENT_VALUE_H
#define RACEBENCH_DOCUMENT_VALUE_H

#include <bson/bson.h>
#include <stdbool.h>

/* Deepest nesting of documents and arrays that is accepted anywhere (as in MongoDB). */
enum { VALUE_DEPTH_MAX = 100 };
/* Largest document that is stored, or made by a pipeline (as in MongoDB). */
enum { DOCUMENT_BYTES_MAX = 16 * 1024 * 1024 };

/* Canonical rank of a BSON type: values of different rank are ordered by it. */
int value_rank(bson_type_t type);

/* < 0, 0 or > 0 in MongoDB's canonical order. Numbers compare by mathematical value across int32,
 * int64 and double, without rounding; NaN equals NaN and sorts before all numbers. A Decimal128
 * counts as the nearest long double (64 bits of mantissa on x86-64). */
int value_compare(const bson_value_t *a, const bson_value_t *b);

/* True when both have the same type and the same bytes (1 and 1.0 are not identical). */
bool value_identical(const bson_value_t *a, const bson_value_t *b);

/* Is it int32, int64 or double? (Decimal128 is not: its arithmetic is refused.) */
bool value_is_number(const bson_value_t *value);

/* May _id be of this type? Not of those by which a match means more than the value. */
bool value_type_is_id(bson_type_t type);

/* Is it true where MongoDB asks for truth ($exists, $expr, $cond)? Not so are false, null,
 * undefined and the numbers equal to 0; NULL, for a missing value, is not either. */
bool value_is_true(const bson_value_t *value);

/* Finds a top-level field; returns false when it is absent. `*value` is borrowed from document. */
bool value_field(const bson_t *document, const char *name, bson_value_t *value);

/* Finds a dotted path without looking into arrays except by number ("a.0.b"); false when absent. */
bool value_at(const bson_t *document, const char *path, bson_value_t *value);

/* Called for each value that a dotted path reaches, walking into array elements as queries do;
 * return true to go on, false to stop. */
typedef bool value_visitor(const bson_value_t *value, void *context);

/* Visits all the values that `path` denotes in an index or a sort: the field itself, and, where
 * an array lies on the way, the field of each element that is a document and the element with
 * that number. The array at the path's end is visited whole; its elements are the caller's to
 * visit. Calls `visit` with NULL for each branch on which the path is missing. */
void value_walk(const bson_t *document, const char *path, value_visitor *visit, void *context);

/* Visits all the values against which a query holds its predicate: as value_walk(), but an array at
 * the path's end has its elements visited before itself, an element found by its number is visited
 * alone, and an array on the way of whose elements none fits is no branch at all, not a missing one
 * ({"a.b": null} does not match {a: []}). */
void value_walk_query(const bson_t *document, const char *path, value_visitor *visit,
                      void *context);

/* Appends a value, or an array, under `name` (`length` -1: its whole). libbson's own functions
 * write to stderr when an array's names are not "0", "1", ..., which a client is free to send. */
void value_append(bson_t *into, const char *name, int length, const bson_value_t *value);
void value_append_array(bson_t *into, const char *name, int length, const bson_t *array);

/* True when the document nests deeper than VALUE_DEPTH_MAX or its bytes are not valid BSON
 * (lengths, types, UTF-8 terminators; checked by our own bounded walk and not by bson_validate
 * alone, which CVE-2026-6231 showed to succeed too early). Must be false before anything else
 * sees bytes that came from a socket. */
bool value_malformed(const uint8_t *bytes, size_t length);
/* The same of a document that will stand `depth` levels down in another one. */
bool value_malformed_below(const uint8_t *bytes, size_t length, int depth);

#endif
