/* SPDX-License-Identifier: Apache-2.0
 *
 * narrate_document: see narrate_document.h. One pass over the trail compares each image of a
 * document with the one before and notes the names of the top-level fields that differ; a document
 * of which none does (or which only appears or goes) is shown with all its fields but _id.
 */
#include "narrate_document.h"

#include "base.h"
#include "history.h"
#include "transport_direct.h"
#include <bson/bson.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One document of the trail. */
struct shown {
    const char *name; /* borrowed from the trail */
    char **fields;    /* that change */
    size_t field_count, field_capacity;
    const char *last; /* its text so far, or NULL */
    bool seen, changed;
};

struct narrate_documents {
    int32_t workers;
    struct shown *items;
    size_t count, capacity;
    size_t changed_count; /* of them are written in the trail */
};

static bson_t *parse(const char *text)
{
    bson_error_t error;
    return text != NULL ? bson_new_from_json((const uint8_t *)text, -1, &error) : NULL;
}

static struct shown *find(const struct narrate_documents *documents, const char *name)
{
    for (size_t i = 0; i < documents->count; i++)
        if (strcmp(documents->items[i].name, name) == 0)
            return &documents->items[i];
    return NULL;
}

static bool has_field(const struct shown *shown, const char *field)
{
    for (size_t i = 0; i < shown->field_count; i++)
        if (strcmp(shown->fields[i], field) == 0)
            return true;
    return false;
}

static void note_field(struct shown *shown, const char *field)
{
    if (has_field(shown, field))
        return;
    size_t at = array_grow((void **)&shown->fields, &shown->field_count, &shown->field_capacity,
                           sizeof(*shown->fields));
    shown->fields[at] = x_strdup(field);
}

/* Is the field in `other`, with the same value? */
static bool same_in(const bson_t *other, bson_iter_t *field)
{
    bson_iter_t there;
    if (!bson_iter_init_find(&there, other, bson_iter_key(field)) ||
        bson_iter_type(&there) != bson_iter_type(field))
        return false;
    bson_t one = BSON_INITIALIZER, two = BSON_INITIALIZER;
    bson_append_iter(&one, "", 0, field);
    bson_append_iter(&two, "", 0, &there);
    bool same = bson_equal(&one, &two);
    bson_destroy(&one);
    bson_destroy(&two);
    return same;
}

static void note_differences(struct shown *shown, const bson_t *was, const bson_t *is)
{
    bson_iter_t iter;
    for (bool more = bson_iter_init(&iter, was) && bson_iter_next(&iter); more;
         more = bson_iter_next(&iter))
        if (!same_in(is, &iter))
            note_field(shown, bson_iter_key(&iter));
    for (bool more = bson_iter_init(&iter, is) && bson_iter_next(&iter); more;
         more = bson_iter_next(&iter))
        if (!same_in(was, &iter))
            note_field(shown, bson_iter_key(&iter));
}

static void note_image(struct narrate_documents *documents, const struct trail_image *image,
                       bool first)
{
    struct shown *shown = find(documents, image->name);
    if (shown == NULL) {
        size_t at = array_grow((void **)&documents->items, &documents->count, &documents->capacity,
                               sizeof(*documents->items));
        shown = &documents->items[at];
        *shown = (struct shown){.name = image->name};
    }
    bson_t *was = parse(shown->last), *is = parse(image->text);
    if (was != NULL && is != NULL)
        note_differences(shown, was, is);
    bson_destroy(was);
    bson_destroy(is);
    shown->last = image->text;
    documents->changed_count += !first && !shown->changed;
    shown->changed |= !first;
}

struct narrate_documents *narrate_documents_new(const struct trail *trail)
{
    struct narrate_documents *documents = x_calloc(1, sizeof(*documents));
    documents->workers = trail->workers;
    for (size_t i = 0; i < trail->first_count; i++)
        note_image(documents, &trail->first[i], true);
    for (size_t i = 0; i < trail->count; i++)
        for (size_t j = 0; j < trail->entries[i].image_count; j++)
            note_image(documents, &trail->entries[i].images[j], false);
    return documents;
}

void narrate_documents_free(struct narrate_documents *documents)
{
    for (size_t i = 0; i < documents->count; i++) {
        for (size_t j = 0; j < documents->items[i].field_count; j++)
            free(documents->items[i].fields[j]);
        free(documents->items[i].fields);
    }
    free(documents->items);
    free(documents);
}

/* Values --------------------------------------------------------------------------------------- */

/* "0s", "31.008s", "8ms" */
static char *time_text(int64_t since_ms)
{
    enum { SECOND_MS = 1000 };
    if (since_ms % SECOND_MS == 0)
        return x_format("%" PRId64 "s", since_ms / SECOND_MS);
    if (since_ms > -SECOND_MS && since_ms < SECOND_MS)
        return x_format("%" PRId64 "ms", since_ms);
    return x_format("%" PRId64 ".%03ds", since_ms / SECOND_MS, abs((int)(since_ms % SECOND_MS)));
}

/* A number: a time of the virtual clock, an operation's id, a token, or just a number. */
static char *number_text(const struct narrate_documents *documents, int64_t number)
{
    enum { DAY_MS = 86400000, NUMBERS = 1000000 };
    int64_t since_ms = number - DIRECT_EPOCH_MS;
    if (since_ms >= -DAY_MS && since_ms <= 366 * (int64_t)DAY_MS)
        return time_text(since_ms);
    bool token = (number & TOKEN_BIT) != 0;
    int64_t id = number & ~TOKEN_BIT;
    if (id >= OPERATION_ID(0, 0) && OPERATION_WORKER(id) < documents->workers &&
        OPERATION_NUMBER(id) < NUMBERS)
        return token
                   ? x_format("w%" PRId32 "'s token", OPERATION_WORKER(id))
                   : x_format("w%" PRId32 ".%" PRId64, OPERATION_WORKER(id), OPERATION_NUMBER(id));
    return x_format("%" PRId64, number);
}

/* A double: most are whole numbers, and times among them. */
static char *double_text(const struct narrate_documents *documents, double number)
{
    const double whole_max = 9007199254740992.0; /* 2^53 */
    if (isinf(number))
        return x_strdup(number > 0 ? "Infinity" : "-Infinity");
    if (number > -whole_max && number < whole_max && number == floor(number))
        return number_text(documents, (int64_t)number);
    return x_format("%g", number);
}

/* Any other value as JSON has it, without quotes of what holds it. */
static char *json_text(const bson_iter_t *iter)
{
    bson_t holder = BSON_INITIALIZER;
    bson_append_iter(&holder, "v", 1, iter);
    char *json = bson_as_relaxed_extended_json(&holder, NULL), *text;
    size_t length = strlen(json);
    text = length > 10 ? x_strndup(json + 8, length - 10) : x_strdup("?"); /* { "v" : ... } */
    bson_free(json);
    bson_destroy(&holder);
    return text;
}

static char *value_text(const struct narrate_documents *documents, const bson_iter_t *iter)
{
    switch (bson_iter_type(iter)) {
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
        return number_text(documents, bson_iter_as_int64(iter));
    case BSON_TYPE_DATE_TIME:
        return number_text(documents, bson_iter_date_time(iter));
    case BSON_TYPE_DOUBLE:
        return double_text(documents, bson_iter_double(iter));
    case BSON_TYPE_NULL:
        return x_strdup("null");
    case BSON_TYPE_BOOL:
        return x_strdup(bson_iter_bool(iter) ? "true" : "false");
    default:
        return json_text(iter);
    }
}

/* Text cut to `width`, with "..." where something is missing. */
static char *cut(const char *text, int width)
{
    enum { DOTS = 3 };
    if ((int)strlen(text) <= width)
        return x_strdup(text);
    return width > DOTS ? x_format("%.*s...", width - DOTS, text) : x_strdup("");
}

/* "{n: 1, owner: w0's token}"; from the field `most` on there is "..." instead. */
static char *fields_text(const struct narrate_documents *documents, const struct shown *shown,
                         const bson_t *document, int most)
{
    bool all = shown == NULL || shown->field_count == 0;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    must(out != NULL);
    fputc('{', out);
    bson_iter_t iter;
    int count = 0;
    for (bool is = bson_iter_init(&iter, document) && bson_iter_next(&iter); is;
         is = bson_iter_next(&iter)) {
        const char *key = bson_iter_key(&iter);
        if ((all ? strcmp(key, "_id") == 0 : !has_field(shown, key)) || ++count > most)
            continue;
        char *value = value_text(documents, &iter);
        fprintf(out, "%s%s: %s", count > 1 ? ", " : "", key, value);
        free(value);
    }
    fputs(count > most ? ", ...}" : "}", out);
    must(fclose(out) == 0);
    return text;
}

/* The same with as many fields as go into `width`; when not even one does, its beginning. */
static char *document_text(const struct narrate_documents *documents, const struct shown *shown,
                           const bson_t *document, int width)
{
    char *text = fields_text(documents, shown, document, INT32_MAX);
    for (int most = (int)bson_count_keys(document); (int)strlen(text) > width && most > 1;) {
        free(text);
        text = fields_text(documents, shown, document, --most);
    }
    char *short_text = cut(text, width);
    free(text);
    return short_text;
}

/* The text of a file that holds no document, or of a value. */
static char *plain_text(const char *text, int width)
{
    char *quoted = x_format("'%s'", text);
    for (char *at = quoted; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    char *short_text = cut(quoted, width);
    free(quoted);
    return short_text;
}

static char *image_text(const struct narrate_documents *documents, const struct trail_image *image,
                        int width)
{
    if (image->text == NULL)
        return x_strdup("absent");
    bson_t *document = parse(image->text);
    char *text = document != NULL
                     ? document_text(documents, find(documents, image->name), document, width)
                     : plain_text(image->text, width);
    bson_destroy(document);
    return text;
}

const char *narrate_heading(const struct narrate_documents *documents)
{
    if (documents->changed_count > 1 || documents->count == 0)
        return "documents";
    for (size_t i = 0; i < documents->count; i++)
        if (documents->items[i].changed)
            return documents->items[i].name;
    return documents->items[0].name;
}

char *narrate_image(const struct narrate_documents *documents, const struct trail_image *image,
                    int width)
{
    const struct shown *shown = find(documents, image->name);
    if (shown != NULL && !shown->changed && documents->changed_count > 0)
        return NULL;
    if (documents->changed_count < 2)
        return image_text(documents, image, width);
    int left = width - (int)strlen(image->name) - 1;
    char *text = image_text(documents, image, left > 0 ? left : 0);
    char *named = x_format("%s %s", image->name, text), *whole = cut(named, width);
    free(named);
    free(text);
    return whole;
}

char *narrate_returned(const struct narrate_documents *documents, const struct trail_entry *entry,
                       int width)
{
    bson_t *document = parse(entry->returned);
    if (document == NULL) {
        char *end;
        int64_t number = strtoll(entry->returned, &end, 10);
        return *end == '\0' && end != entry->returned ? number_text(documents, number)
                                                      : plain_text(entry->returned, width);
    }
    char *name = entry->move.step == STEP_READ_FILE ? x_strdup(entry->target) : NULL;
    bson_iter_t iter;
    if (name == NULL && bson_iter_init_find(&iter, document, "_id")) {
        char *id = value_text(documents, &iter);
        name = x_format("%s/%s", entry->target, id);
        free(id);
    }
    char *text =
        document_text(documents, name != NULL ? find(documents, name) : NULL, document, width);
    free(name);
    bson_destroy(document);
    return text;
}
