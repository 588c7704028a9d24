/* SPDX-License-Identifier: Apache-2.0
 *
 * reader_edn: the EDN that histories are written in (github.com/edn-format/edn): maps, vectors,
 * lists, sets, keywords, symbols, strings, characters, numbers, nil, booleans, tagged elements,
 * discards and comments; metadata (^) too, since Clojure prints it on request. A tag says how the
 * writer's program held a value (#jepsen.history.Op, #inst, #:name{}); for judging only the value
 * counts, so tags are read through. One byte of look-ahead suffices. Recursion ends at
 * READER_DEPTH_MAX. Numbers that do not fit (12345678901234567890N, 1/3, 0.1M) stay the text they
 * are: equal texts are equal values, and nobody computes with them.
 */
#include "base.h"
#include "reader.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Does this byte end a symbol, keyword or number? */
static bool is_end(int byte)
{
    return byte == EOF || isspace(byte) || strchr(",\"()[]{};^\\", byte) != NULL;
}

/* One symbol, keyword or number into reader->text, closed by a NUL. */
static void take_token(struct reader *reader)
{
    reader->length = 0;
    while (!is_end(reader_peek(reader)))
        reader_keep(reader, reader_take(reader));
    reader_keep(reader, '\0');
    reader->length--;
}

/* Blanks, commas and comments: all that is not a form. */
static void skip_blanks(struct reader *reader)
{
    for (int byte = reader_peek(reader); byte != EOF; byte = reader_peek(reader)) {
        if (byte == ';')
            while (reader_peek(reader) != '\n' && reader_peek(reader) != EOF)
                reader_take(reader);
        else if (isspace(byte) || byte == ',')
            reader_take(reader);
        else
            return;
    }
}

/* What stands at a '#', which is taken: a set, a discarded form, a tagged one, ##Inf. NULL without
 * a problem: a discarded form was read. */
static struct datum *read_dispatch(struct reader *reader, int depth);
static struct datum *read_form(struct reader *reader, int depth);
static struct datum *read_collection(struct reader *reader, enum datum_kind kind, int depth);

/* The next form that counts, or NULL with or without a problem: without, the byte at hand closes a
 * collection or is the file's end. */
static struct datum *next_form(struct reader *reader, int depth)
{
    for (;;) {
        skip_blanks(reader);
        int byte = reader_peek(reader);
        if (byte == EOF || byte == ')' || byte == ']' || byte == '}')
            return NULL;
        if (depth == 0)
            reader->start_line = reader->line;
        if (byte != '#')
            return read_form(reader, depth);
        reader_take(reader);
        struct datum *datum = read_dispatch(reader, depth);
        if (datum != NULL || reader->problem != NULL)
            return datum;
    }
}

/* A form that must be there: what a tag, a discard or metadata stands before. */
static struct datum *demand_form(struct reader *reader, int depth)
{
    struct datum *datum = next_form(reader, depth + 1);
    if (datum == NULL && reader_peek(reader) == EOF)
        return reader_fail_end(reader);
    return datum != NULL ? datum
                         : reader_fail(reader, reader->line, "a '#' or '^' has no form after it");
}

static struct datum *read_dispatch(struct reader *reader, int depth)
{
    if (depth > READER_DEPTH_MAX)
        return reader_fail(reader, reader->line, "more than %d forms inside each other",
                           READER_DEPTH_MAX);
    switch (reader_peek(reader)) {
    case '{':
        return read_collection(reader, DATUM_SET, depth);
    case '_':
        reader_take(reader);
        demand_form(reader, depth);
        return NULL;
    case '#': /* ##Inf, ##-Inf, ##NaN */
        reader_take(reader);
        take_token(reader);
        return datum_text(&reader->arena, DATUM_KEYWORD, reader->text, reader->length);
    case '"':
        return reader_fail(reader, reader->line, "regular expressions are not EDN");
    default:
        take_token(reader);
        return demand_form(reader, depth);
    }
}

void edn_skip(struct reader *reader)
{
    skip_blanks(reader);
}

struct datum *edn_next(struct reader *reader)
{
    return next_form(reader, 0);
}

/* Scalars ------------------------------------------------------------------------------------- */

static void keep_utf8(struct reader *reader, unsigned code)
{
    if (code < 0x80) {
        reader_keep(reader, (int)code);
    } else if (code < 0x800) {
        reader_keep(reader, (int)(0xc0 | code >> 6));
        reader_keep(reader, (int)(0x80 | (code & 0x3f)));
    } else {
        reader_keep(reader, (int)(0xe0 | code >> 12));
        reader_keep(reader, (int)(0x80 | (code >> 6 & 0x3f)));
        reader_keep(reader, (int)(0x80 | (code & 0x3f)));
    }
}

/* After a backslash inside a string. */
static bool keep_escape(struct reader *reader)
{
    static const char letters[] = "tnrbf\"\\/", bytes[] = "\t\n\r\b\f\"\\/";
    int byte = reader_take(reader);
    const char *letter = byte > 0 ? strchr(letters, byte) : NULL;
    if (letter != NULL) {
        reader_keep(reader, bytes[letter - letters]);
        return true;
    }
    unsigned code = 0;
    for (int i = 0; byte == 'u' && i < 4; i++) {
        int digit = reader_peek(reader);
        if (!isxdigit(digit))
            byte = 0;
        else
            code = code * 16 + (unsigned)(isdigit(digit) ? digit - '0' : tolower(digit) - 'a' + 10);
        if (byte != 0)
            reader_take(reader);
    }
    if (byte == 'u' && code > 0) {
        keep_utf8(reader, code);
        return true;
    }
    reader_fail(reader, reader->line, "unknown escape in a string");
    return false;
}

static struct datum *read_string(struct reader *reader)
{
    reader->length = 0;
    reader_take(reader);
    for (;;) {
        int byte = reader_take(reader);
        if (byte == EOF)
            return reader_fail_end(reader);
        if (byte == '"')
            return datum_text(&reader->arena, DATUM_TEXT, reader->length > 0 ? reader->text : "",
                              reader->length);
        if (byte != '\\')
            reader_keep(reader, byte);
        else if (!keep_escape(reader))
            return NULL;
    }
}

/* \a, \newline, \u0041, \( */
static struct datum *read_character(struct reader *reader)
{
    reader_take(reader);
    int first = reader_take(reader);
    if (first == EOF)
        return reader_fail_end(reader);
    reader->length = 0;
    reader_keep(reader, first);
    while (!is_end(reader_peek(reader)))
        reader_keep(reader, reader_take(reader));
    return datum_text(&reader->arena, DATUM_TEXT, reader->text, reader->length);
}

static struct datum *read_number(struct reader *reader)
{
    char *end = NULL;
    errno = 0;
    long long whole = strtoll(reader->text, &end, 10);
    if (errno == 0 && (*end == '\0' || (*end == 'N' && end[1] == '\0'))) {
        struct datum *datum = datum_new(&reader->arena, DATUM_WHOLE);
        datum->whole = whole;
        return datum;
    }
    errno = 0;
    double number = strtod(reader->text, &end);
    bool is_plain = strspn(reader->text, "+-0123456789.eE") == reader->length;
    if (errno == 0 && *end == '\0' && is_plain && strpbrk(reader->text, ".eE") != NULL) {
        struct datum *datum = datum_new(&reader->arena, DATUM_NUMBER);
        datum->number = number;
        return datum;
    }
    if (strspn(reader->text, "+-0123456789.eENM/") != reader->length)
        return reader_fail(reader, reader->line, "'%.40s' is not a number", reader->text);
    return datum_text(&reader->arena, DATUM_KEYWORD, reader->text, reader->length);
}

static struct datum *read_token(struct reader *reader)
{
    take_token(reader);
    const char *text = reader->text;
    if (reader->length == 0)
        return reader_fail(reader, reader->line, "unexpected character '%c'",
                           isprint(reader_peek(reader)) ? reader_peek(reader) : '?');
    if (isdigit((unsigned char)text[0]) ||
        (strchr("+-", text[0]) != NULL && isdigit((unsigned char)text[1])))
        return read_number(reader);
    if (strcmp(text, "nil") == 0)
        return datum_new(&reader->arena, DATUM_NIL);
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        struct datum *datum = datum_new(&reader->arena, DATUM_FLAG);
        datum->flag = text[0] == 't';
        return datum;
    }
    size_t colon = text[0] == ':' ? 1 : 0;
    if (reader->length == colon)
        return reader_fail(reader, reader->line, "a ':' without a name: is this JSON after all?");
    return datum_text(&reader->arena, DATUM_KEYWORD, text + colon, reader->length - colon);
}

/* Collections --------------------------------------------------------------------------------- */

static struct datum *read_collection(struct reader *reader, enum datum_kind kind, int depth)
{
    int open = reader_take(reader);
    int close = open == '(' ? ')' : open == '[' ? ']' : '}';
    struct datum *collection = datum_new(&reader->arena, kind), *last = NULL;
    for (struct datum *child; (child = next_form(reader, depth + 1)) != NULL;)
        datum_append(collection, &last, child);
    if (reader->problem != NULL)
        return NULL;
    int byte = reader_peek(reader);
    if (byte == EOF)
        return reader_fail_end(reader);
    if (byte != close)
        return reader_fail(reader, reader->line, "'%c' where '%c' should close what was opened",
                           byte, close);
    reader_take(reader);
    if (kind == DATUM_MAP && collection->count % 2 != 0)
        return reader_fail(reader, reader->line, "a map has a key without a value");
    return collection;
}

static struct datum *read_form(struct reader *reader, int depth)
{
    if (depth > READER_DEPTH_MAX)
        return reader_fail(reader, reader->line, "more than %d forms inside each other",
                           READER_DEPTH_MAX);
    switch (reader_peek(reader)) {
    case '(':
    case '[':
        return read_collection(reader, DATUM_LIST, depth);
    case '{':
        return read_collection(reader, DATUM_MAP, depth);
    case '"':
        return read_string(reader);
    case '\\':
        return read_character(reader);
    case '^': /* metadata: dropped */
        reader_take(reader);
        return demand_form(reader, depth) != NULL ? demand_form(reader, depth) : NULL;
    default:
        return read_token(reader);
    }
}
