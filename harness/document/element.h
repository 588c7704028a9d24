/* SPDX-License-Identifier: Apache-2.0
 *
 * element: BSON read in place and written by whole elements. libbson's iterator is 128 bytes and
 * hides where an element's bytes begin; matching and updating want a cursor of two pointers (they
 * recurse as deep as documents nest, on 64 KiB stacks) and copy unchanged elements as bytes.
 */
#ifndef RACEBENCH_DOCUMENT_ELEMENT_H
#define RACEBENCH_DOCUMENT_ELEMENT_H

#include "buffer.h"
#include <bson/bson.h>
#include <stdbool.h>

/* What is known of a BSON type: its name in MongoDB's messages (NULL: no such type) and its
 * canonical rank. */
struct element_type {
    const char *name;
    int rank;
};
extern const struct element_type element_types[256];

/* How the size of a type's values is found. `rule`: so many bytes, plus one; or one of the rules
 * below. A value that begins with its length has `beyond` bytes that the length does not count, and
 * a least length. */
struct element_layout {
    int8_t rule;
    uint8_t beyond, length_least;
};
enum { LAYOUT_UNKNOWN = 0, LAYOUT_PREFIXED = -1, LAYOUT_TWO_TEXTS = -2 };
extern const struct element_layout element_layouts[256];

/* One element, borrowed from its document: [start, data + size) are its bytes. */
struct element {
    const uint8_t *start; /* the type byte */
    const char *name;
    size_t name_length;
    const uint8_t *data;
    size_t size; /* of data */
    bson_type_t type;
};

/* A cursor over the elements of a document or an array. Zeroed: nothing left. */
struct elements {
    const uint8_t *at, *end; /* end: behind the last element, where the closing zero byte is */
};

/* The elements of a document; of a document or an array that is a value (others: nothing); of an
 * element likewise. */
struct elements elements_of(const bson_t *document);
struct elements elements_of_value(const bson_value_t *value);
struct elements elements_of_element(const struct element *element);
/* The elements of a document that was written into a buffer; that document, borrowed. */
struct elements elements_of_buffer(const struct buffer *);
void document_of_buffer(const struct buffer *, bson_t *document);

/* Inline, since most of what the engine does with bytes is to step from element to element. */

static inline int32_t element_int32(const uint8_t *data)
{
    uint32_t bits;
    memcpy(&bits, data, sizeof bits);
    return (int32_t)BSON_UINT32_FROM_LE(bits);
}

/* Two texts, each ended by a zero byte: a regular expression. See element_size(). */
size_t element_size_of_texts(const uint8_t *data, size_t available);

/* Size of a value of `type` whose bytes begin at `data`, or SIZE_MAX when it does not fit into
 * `available` bytes or the type is unknown. What is inside a document or array is not looked at. */
__attribute__((always_inline)) static inline size_t element_size(uint8_t type, const uint8_t *data,
                                                                 size_t available)
{
    const struct element_layout *layout = &element_layouts[type];
    size_t size = (size_t)layout->rule - 1;
    if (layout->rule < LAYOUT_UNKNOWN) {
        if (layout->rule == LAYOUT_TWO_TEXTS)
            return element_size_of_texts(data, available);
        if (available < 4 || element_int32(data) < layout->length_least)
            return SIZE_MAX;
        size = (size_t)element_int32(data) + layout->beyond;
    }
    return size > available ? SIZE_MAX : size; /* unknown: -1, which is more than any */
}

/* The first zero byte from `at` on, or `end`. Names are short, so that a call costs more than the
 * search: eight bytes at a time while eight are there, by the usual test for a zero byte in a word
 * (x - 1 borrows from the top bit where a byte is 0 and had it clear; the lowest one found is
 * exact). */
static inline const uint8_t *element_find_zero(const uint8_t *at, const uint8_t *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        word = BSON_UINT64_FROM_LE(word);
        uint64_t zeros =
            (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
        if (zeros != 0)
            return at + ((unsigned)__builtin_ctzll(zeros) >> 3);
    }
    while (at < end && *at != 0)
        at++;
    return at;
}

/* The element at `at` whose name ends at `zero`. */
__attribute__((always_inline)) static inline bool element_take(struct elements *elements,
                                                               const uint8_t *at,
                                                               const uint8_t *zero,
                                                               struct element *element)
{
    if (zero >= elements->end)
        return false;
    size_t size = element_size(*at, zero + 1, (size_t)(elements->end - zero - 1));
    if (size == SIZE_MAX)
        return false;
    *element = (struct element){.start = at,
                                .name = (const char *)at + 1,
                                .name_length = (size_t)(zero - at) - 1,
                                .data = zero + 1,
                                .size = size,
                                .type = (bson_type_t)*at};
    elements->at = zero + 1 + size;
    return true;
}

/* Takes the next element; false at the end, and at bytes that are no element. */
__attribute__((always_inline)) static inline bool elements_next(struct elements *elements,
                                                                struct element *element)
{
    const uint8_t *at = elements->at;
    return at != elements->end &&
           element_take(elements, at, element_find_zero(at + 1, elements->end), element);
}
/* Finds the first element of that name from the cursor on; false when there is none. */
bool elements_find(struct elements, const char *name, size_t length, struct element *element);

/* The element as libbson's value: a view, borrowed from the document. */
void element_value(const struct element *, bson_value_t *value);
/* An int32, int64 or double as a whole number, cut off; `otherwise` for other types. */
int64_t element_number(const struct element *, int64_t otherwise);
/* Is it a document or an array? */
bool element_is_container(const struct element *);
/* Is the element's name this one? */
bool element_is_named(const struct element *, const char *name, size_t length);

/* The position that a name means in an array: decimal digits without leading zeros, up to 9 of
 * them. -1: it means none. */
int64_t element_index(const char *name, size_t length);

/* Writing: each appends to `out`. */

/* A type byte and a name: the beginning of an element whose value the caller appends. */
static inline void element_begin(struct buffer *out, bson_type_t type, const char *name,
                                 size_t length)
{
    uint8_t *at = buffer_extend(out, length + 2);
    *at = (uint8_t)type;
    memcpy(at + 1, name, length);
    at[length + 1] = 0;
}

/* An element as it is. */
static inline void element_write(struct buffer *out, const struct element *element)
{
    buffer_append(out, element->start, (size_t)(element->data - element->start) + element->size);
}

/* An element, or a value, under a name that is given. */
void element_write_named(struct buffer *out, const char *name, size_t length,
                         const struct element *element);
void element_write_value(struct buffer *out, const char *name, size_t length,
                         const bson_value_t *value);

/* An int32 that is said plainly: inline, since every reply counts something. */
static inline void element_write_int32(struct buffer *out, const char *name, int32_t number)
{
    element_begin(out, BSON_TYPE_INT32, name, strlen(name));
    buffer_int32(out, number);
}

/* Other values that are said plainly; a document or an array by its bytes. */
void element_write_text(struct buffer *out, const char *name, const char *text);
void element_write_bool(struct buffer *out, const char *name, bool yes);
void element_write_int64(struct buffer *out, const char *name, int64_t number);
void element_write_document(struct buffer *out, bson_type_t type, const char *name,
                            const bson_t *document);

/* Opens a document's bytes and returns the place that document_end() needs. */
static inline size_t document_begin(struct buffer *out)
{
    buffer_int32(out, 0);
    return out->length - 4;
}

static inline void document_end(struct buffer *out, size_t begun)
{
    buffer_byte(out, 0);
    buffer_patch_int32(out, begun, (int32_t)(out->length - begun));
}

/* Appends all fields of a document's bytes to one of libbson's that is not open: bson_concat(),
 * which takes three times as long where both are small. */
void document_append(bson_t *to, const uint8_t *document, size_t length);

#endif
