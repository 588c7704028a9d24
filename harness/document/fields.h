/* SPDX-License-Identifier: Apache-2.0
 *
 * fields: the refusal rule. A document that a client sends (a command, one update of an update
 * command, a write concern) is read in one pass by a table of its fields: acted on (with the type
 * and the place where the value goes), harmlessly ignored, or refused (238). A field that is in no
 * table is unknown (40415): nothing that changes the meaning is ever skipped.
 */
#ifndef RACEBENCH_DOCUMENT_FIELDS_H
#define RACEBENCH_DOCUMENT_FIELDS_H

#include "element.h"
#include "failure.h"
#include <bson/bson.h>
#include <stdbool.h>
#include <stddef.h>

/* The type that a field must have, and what its offset points to. */
enum field_kind {
    FIELD_END,      /* of the table */
    FIELD_BOOL,     /* bool, or a number: bool */
    FIELD_INTEGER,  /* a number without fraction: int64_t */
    FIELD_COUNT,    /* the same, and not negative */
    FIELD_MS,       /* the same, and at most INT32_MAX: it is added to a clock */
    FIELD_DOCUMENT, /* bson_t over the borrowed bytes; absent: an empty document */
    FIELD_ARRAY,    /* bson_t, the same */
    FIELD_TEXT,     /* const char *, borrowed */
    FIELD_VALUE,    /* bson_value_t, borrowed; absent: value_type is BSON_TYPE_EOD */
    FIELD_NUMBER,   /* any number: not stored, only checked */
    FIELD_IGNORED,  /* the name is a list of names, with blanks between them */
    FIELD_REFUSED,  /* the same; false is no demand and passes */
};

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
    bool required; /* absent: 40414 */
};

/* Is `word` one of the words of a list with single blanks between them? */
bool words_contain(const char *words, const char *word);

/* Makes all the documents and arrays of `arguments` empty. To be called before the first field. */
void fields_prepare(const struct field *, void *arguments);

/* What reads one document by a table: fields_reader() makes it. */
struct fields_reader {
    const struct field *fields, *likely; /* the row behind the last that was met */
    const char *context;
    void *arguments;
    uint64_t seen; /* one bit for each row */
    struct fields_reader *next;
};

/* `context` ("find", "update.updates") is for messages, `arguments` what the offsets mean. What the
 * table lacks is looked for in that of `next` (NULL: there is none); no name may be in both. */
static inline struct fields_reader fields_reader(const struct field *fields, const char *context,
                                                 void *arguments, struct fields_reader *next)
{
    return (struct fields_reader){.fields = fields,
                                  .likely = fields,
                                  .context = context,
                                  .arguments = arguments,
                                  .next = next};
}

/* Reads one element. `*known` is false when all tables lack it. */
bool fields_read(struct fields_reader *, const struct element *, bool *known, struct failure *);

/* After the last element: are all the required fields there? */
bool fields_complete(const struct fields_reader *, struct failure *);

/* All of it for one document: prepares, reads each element, refuses unknown ones, checks required
 * ones. */
bool fields_parse(struct fields_reader *, const bson_t *document, struct failure *);

/* The same for an element that must be a document: one update of an update command, one index. */
bool fields_parse_element(struct fields_reader *, const struct element *, struct failure *);

/* MongoDB's name of a BSON type, as in messages: "string", "int", "objectId". */
const char *fields_type_name(bson_type_t type);

/* Reads a number without fraction; false for others. */
bool fields_integer(const bson_value_t *value, int64_t *number);

#endif
