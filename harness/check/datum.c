/* SPDX-License-Identifier: Apache-2.0
 *
 * datum: see datum.h. A value's text is its EDN form, and equality is equality of texts, which is
 * why the children of sets and the pairs of maps are sorted there: two clients may write the same
 * set in different orders, and calling that a different value would accuse a correct database.
 * Whole numbers, which are nearly all values of nearly all histories, take a short way. Recursion
 * is as deep as the readers let a value be (READER_DEPTH_MAX).
 */
#include "datum.h"

#include "base.h"

#include <inttypes.h>
#include <math.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* Arena --------------------------------------------------------------------------------------- */

enum { ARENA_BLOCK_BYTES = 64 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t used, bytes;
    alignas(max_align_t) char memory[];
};

void *arena_take(struct arena *arena, size_t bytes)
{
    size_t align = alignof(max_align_t);
    bytes = (bytes + align - 1) / align * align;
    struct arena_block *block = arena->block;
    if (block == NULL || block->bytes - block->used < bytes) {
        size_t room = bytes > ARENA_BLOCK_BYTES ? bytes : ARENA_BLOCK_BYTES;
        block = x_malloc(sizeof(*block) + room);
        *block = (struct arena_block){.next = arena->block, .bytes = room};
        arena->block = block;
    }
    void *memory = block->memory + block->used;
    block->used += bytes;
    return memory;
}

void arena_reset(struct arena *arena)
{
    while (arena->block != NULL && arena->block->next != NULL) {
        struct arena_block *next = arena->block->next;
        free(arena->block);
        arena->block = next;
    }
    if (arena->block != NULL)
        arena->block->used = 0;
}

void arena_free(struct arena *arena)
{
    arena_reset(arena);
    free(arena->block);
    arena->block = NULL;
}

/* Trees --------------------------------------------------------------------------------------- */

struct datum *datum_new(struct arena *arena, enum datum_kind kind)
{
    struct datum *datum = arena_take(arena, sizeof(*datum));
    *datum = (struct datum){.kind = kind};
    return datum;
}

struct datum *datum_text(struct arena *arena, enum datum_kind kind, const char *text, size_t length)
{
    struct datum *datum = datum_new(arena, kind);
    char *copy = arena_take(arena, length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    datum->text = copy;
    datum->count = length;
    return datum;
}

void datum_append(struct datum *collection, struct datum **last, struct datum *child)
{
    if (*last == NULL)
        collection->first = child;
    else
        (*last)->next = child;
    *last = child;
    collection->count++;
}

const char *datum_word(const struct datum *datum)
{
    if (datum == NULL || (datum->kind != DATUM_TEXT && datum->kind != DATUM_KEYWORD))
        return NULL;
    return datum->text[0] == ':' ? datum->text + 1 : datum->text;
}

const struct datum *datum_field(const struct datum *map, const char *name)
{
    if (map->kind != DATUM_MAP)
        return NULL;
    for (const struct datum *key = map->first; key != NULL; key = key->next->next) {
        const char *word = datum_word(key);
        if (word != NULL && strcmp(word, name) == 0)
            return key->next;
    }
    return NULL;
}

bool datum_is_given(const struct datum *datum)
{
    return datum != NULL && datum->kind != DATUM_NIL;
}

bool datum_whole(const struct datum *datum, int64_t *number)
{
    const double limit = 9007199254740992.0; /* 2^53: beyond it a double does not name one number */
    if (datum != NULL && datum->kind == DATUM_WHOLE) {
        *number = datum->whole;
        return true;
    }
    if (datum == NULL || datum->kind != DATUM_NUMBER || !(fabs(datum->number) <= limit) ||
        fabs(datum->number - trunc(datum->number)) > 0)
        return false;
    *number = (int64_t)datum->number;
    return true;
}

bool datum_pair(const struct datum *datum, const struct datum **first, const struct datum **second)
{
    if (datum == NULL || datum->kind != DATUM_LIST || datum->count != 2)
        return false;
    *first = datum->first;
    *second = datum->first->next;
    return true;
}

/* BSON ---------------------------------------------------------------------------------------- */

static struct datum *from_members(struct arena *arena, bson_iter_t *iter, enum datum_kind kind);

static struct datum *from_value(struct arena *arena, const bson_iter_t *iter)
{
    bson_iter_t inner;
    struct datum *datum = NULL;
    uint32_t length = 0;
    switch (bson_iter_type(iter)) {
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
        must(bson_iter_recurse(iter, &inner));
        return from_members(arena, &inner,
                            bson_iter_type(iter) == BSON_TYPE_ARRAY ? DATUM_LIST : DATUM_MAP);
    case BSON_TYPE_UTF8: {
        const char *text = bson_iter_utf8(iter, &length);
        return datum_text(arena, DATUM_TEXT, text, length);
    }
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
        datum = datum_new(arena, DATUM_WHOLE);
        datum->whole = bson_iter_as_int64(iter);
        return datum;
    case BSON_TYPE_DOUBLE:
        datum = datum_new(arena, DATUM_NUMBER);
        datum->number = bson_iter_double(iter);
        return datum;
    case BSON_TYPE_BOOL:
        datum = datum_new(arena, DATUM_FLAG);
        datum->flag = bson_iter_bool(iter);
        return datum;
    case BSON_TYPE_NULL:
        return datum_new(arena, DATUM_NIL);
    default: { /* extended JSON, as {"$oid": ...}: told apart by its bytes */
        const bson_value_t *value = bson_iter_value((bson_iter_t *)(uintptr_t)iter);
        bson_t one = BSON_INITIALIZER;
        must(bson_append_value(&one, "", 0, value));
        char *text = bson_as_canonical_extended_json(&one, NULL);
        datum = datum_text(arena, DATUM_KEYWORD, text, strlen(text));
        bson_free(text);
        bson_destroy(&one);
        return datum;
    }
    }
}

static struct datum *from_members(struct arena *arena, bson_iter_t *iter, enum datum_kind kind)
{
    struct datum *collection = datum_new(arena, kind), *last = NULL;
    while (bson_iter_next(iter)) {
        if (kind == DATUM_MAP)
            datum_append(collection, &last,
                         datum_text(arena, DATUM_TEXT, bson_iter_key(iter),
                                    bson_iter_key_len(iter)));
        datum_append(collection, &last, from_value(arena, iter));
    }
    return collection;
}

struct datum *datum_from_bson(struct arena *arena, const bson_t *document)
{
    bson_iter_t iter;
    must(bson_iter_init(&iter, document));
    return from_members(arena, &iter, DATUM_MAP);
}

/* Texts --------------------------------------------------------------------------------------- */

static void print(FILE *out, const struct datum *datum);

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Children in groups of `step`; those of sets and maps in the order of their texts. */
static void print_children(FILE *out, const struct datum *datum, size_t step)
{
    size_t count = datum->count / step, i = 0;
    char **texts = x_calloc(count + 1, sizeof(*texts));
    for (const struct datum *child = datum->first; child != NULL; i++) {
        size_t size = 0;
        FILE *text = open_memstream(&texts[i], &size);
        must(text != NULL);
        for (size_t part = 0; part < step; part++, child = child->next) {
            if (part > 0)
                fputc(' ', text);
            print(text, child);
        }
        must(fclose(text) == 0);
    }
    if (datum->kind != DATUM_LIST)
        qsort(texts, count, sizeof(*texts), compare_texts);
    for (i = 0; i < count; i++) {
        fprintf(out, "%s%s", i > 0 ? " " : "", texts[i]);
        free(texts[i]);
    }
    free(texts);
}

static void print_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        if (*text == '\n')
            fputs("\\n", out);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

static void print(FILE *out, const struct datum *datum)
{
    int64_t whole;
    if (datum_whole(datum, &whole)) {
        fprintf(out, "%" PRId64, whole);
        return;
    }
    switch (datum->kind) {
    case DATUM_NIL:
        fputs("nil", out);
        break;
    case DATUM_FLAG:
        fputs(datum->flag ? "true" : "false", out);
        break;
    case DATUM_WHOLE: /* printed above */
    case DATUM_NUMBER:
        fprintf(out, "%.17g", datum->number);
        break;
    case DATUM_TEXT:
        print_quoted(out, datum->text);
        break;
    case DATUM_KEYWORD:
        fprintf(out, ":%s", datum->text);
        break;
    case DATUM_LIST:
        fputc('[', out);
        print_children(out, datum, 1);
        fputc(']', out);
        break;
    case DATUM_SET:
        fputs("#{", out);
        print_children(out, datum, 1);
        fputc('}', out);
        break;
    case DATUM_MAP:
        fputc('{', out);
        print_children(out, datum, 2);
        fputc('}', out);
        break;
    }
}

/* Names --------------------------------------------------------------------------------------- */

struct name {
    UT_hash_handle hh;
    int64_t number;
    char text[];
};

void names_free(struct names *names)
{
    HASH_CLEAR(hh, names->table);
    free(names->items);
    arena_free(&names->arena);
    *names = (struct names){0};
}

int64_t names_put_text(struct names *names, const char *text, size_t length)
{
    struct name *name = NULL;
    HASH_FIND(hh, names->table, text, length, name);
    if (name != NULL)
        return name->number;
    void *items = names->items;
    size_t at = array_grow(&items, &names->count, &names->capacity, sizeof(struct name *));
    names->items = items;
    name = arena_take(&names->arena, sizeof(*name) + length + 1);
    name->number = (int64_t)at;
    memcpy(name->text, text, length);
    name->text[length] = '\0';
    names->items[at] = name;
    HASH_ADD_KEYPTR(hh, names->table, name->text, length, name);
    return name->number;
}

int64_t names_put(struct names *names, const struct datum *datum)
{
    if (datum == NULL)
        return names_put_text(names, "nil", 3);
    if (datum->kind == DATUM_WHOLE) {
        char digits[24];
        int length = snprintf(digits, sizeof(digits), "%" PRId64, datum->whole);
        return names_put_text(names, digits, (size_t)length);
    }
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    must(out != NULL);
    print(out, datum);
    must(fclose(out) == 0);
    int64_t number = names_put_text(names, text, length);
    free(text);
    return number;
}

const char *names_text(const struct names *names, int64_t number)
{
    must(number >= 0 && (size_t)number < names->count);
    return names->items[number]->text;
}
