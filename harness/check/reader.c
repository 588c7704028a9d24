/* SPDX-License-Identifier: Apache-2.0
 *
 * reader: see reader.h. JSON objects are cut out by counting braces outside of strings and given to
 * libbson one by one; that keeps line numbers, allows any layout and both forms of file, and leaves
 * numbers, escapes and UTF-8 to the library. An object that does not end is a truncated file, never
 * the last operation. EDN is read from the stream directly (reader_edn.c).
 */
#include "reader.h"

#include "base.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BUFFER_BYTES = 256 * 1024, LOOK_BYTES = 4096 };

const char *notation_name(enum notation notation)
{
    return notation == NOTATION_JSON ? "JSON" : "EDN";
}

struct datum *reader_fail(struct reader *reader, int64_t line, const char *format, ...)
{
    if (reader->problem != NULL)
        return NULL;
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    must(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    reader->problem = line > 0 ? x_format("line %lld: %s", (long long)line, text) : x_strdup(text);
    free(text);
    return NULL;
}

struct datum *reader_fail_end(struct reader *reader)
{
    return reader_fail(
        reader, reader->line,
        "the file ends within the operation that begins at line %lld: it was cut off; "
        "fetch or write it again",
        (long long)reader->start_line);
}

/* Bytes --------------------------------------------------------------------------------------- */

bool reader_fill(struct reader *reader)
{
    if (reader->file == NULL)
        return false;
    reader->at = 0;
    reader->end = fread(reader->buffer, 1, BUFFER_BYTES, reader->file);
    if (reader->end == 0 && ferror(reader->file))
        reader_fail(reader, reader->line, "cannot be read on: %s", strerror(errno));
    reader->bytes += (int64_t)reader->end;
    if (reader->bytes > READER_BYTES_MAX) {
        reader_fail(reader, 0, "larger than %lld MB: cut the run into several histories",
                    (long long)(READER_BYTES_MAX / 1000000));
        reader->end = 0;
    }
    return reader->end > 0;
}

void reader_widen(struct reader *reader)
{
    reader->capacity = reader->capacity > 0 ? 2 * reader->capacity : 256;
    reader->text = x_realloc(reader->text, reader->capacity);
}

/* JSON ---------------------------------------------------------------------------------------- */

/* Blanks, and the commas between the members of an array. */
static void skip_json(struct reader *reader)
{
    for (int byte = reader_peek(reader); byte != EOF; byte = reader_peek(reader)) {
        if (!isspace(byte) && !(byte == ',' && reader->closes != 0))
            return;
        reader_take(reader);
    }
}

/* Cuts out one object into reader->text. */
static bool cut_object(struct reader *reader)
{
    bool quoted = false, escaped = false;
    int64_t depth = 0;
    reader->length = 0;
    do {
        int byte = reader_take(reader);
        if (byte == EOF)
            return reader_fail_end(reader) != NULL;
        reader_keep(reader, byte);
        if (quoted) {
            quoted = escaped || byte != '"';
            escaped = !escaped && byte == '\\';
        } else {
            quoted = byte == '"';
            depth += (byte == '{' || byte == '[') - (byte == '}' || byte == ']');
        }
        if (depth > READER_DEPTH_MAX)
            return reader_fail(reader, reader->line, "more than %d values inside each other",
                               READER_DEPTH_MAX) != NULL;
    } while (depth > 0);
    return true;
}

static struct datum *read_json(struct reader *reader)
{
    if (!cut_object(reader))
        return NULL;
    bson_t document;
    bson_error_t error;
    if (!bson_init_from_json(&document, reader->text, (ssize_t)reader->length, &error))
        return reader_fail(reader, reader->start_line, "not JSON: %s", error.message);
    struct datum *datum = datum_from_bson(&reader->arena, &document);
    bson_destroy(&document);
    return datum;
}

/* Both ---------------------------------------------------------------------------------------- */

/* After "{" JSON has a quoted key and a colon; EDN may have a quoted key, but a colon after it only
 * as the beginning of a keyword: {"type" :ok}. */
static enum notation guess(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length && (isspace((unsigned char)text[at]) || text[at] == '['))
        at++;
    if (at == length || text[at] != '{')
        return at < length && text[at] == ']' ? NOTATION_JSON : NOTATION_EDN;
    for (at++; at < length && isspace((unsigned char)text[at]); at++)
        continue;
    if (at == length || text[at] != '"')
        return NOTATION_EDN;
    for (at++; at < length && text[at] != '"'; at++)
        at += text[at] == '\\';
    size_t colon = at + 1;
    while (colon < length && isspace((unsigned char)text[colon]))
        colon++;
    if (colon >= length || text[colon] != ':')
        return NOTATION_EDN;
    bool is_keyword =
        colon > at + 1 && colon + 1 < length && isalpha((unsigned char)text[colon + 1]);
    return is_keyword ? NOTATION_EDN : NOTATION_JSON;
}

bool reader_open(struct reader *reader, const char *path)
{
    *reader = (struct reader){.line = 1, .buffer = x_malloc(BUFFER_BYTES)};
    struct stat status;
    reader->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (reader->file == NULL || fstat(fileno(reader->file), &status) != 0)
        reader_fail(reader, 0, "cannot be read: %s", strerror(errno));
    else if (S_ISDIR(status.st_mode))
        reader_fail(reader, 0, "is a folder: name the history file in it");
    else if (S_ISREG(status.st_mode) && status.st_size > READER_BYTES_MAX)
        reader_fail(reader, 0, "has %lld MB, more than %lld: cut the run into several histories",
                    (long long)(status.st_size / 1000000), (long long)(READER_BYTES_MAX / 1000000));
    if (reader->problem != NULL)
        return false;
    reader_peek(reader);
    static const char mark[] = {'\xef', '\xbb', '\xbf'}; /* some editors begin UTF-8 with this */
    if (reader->end >= sizeof(mark) && memcmp(reader->buffer, mark, sizeof(mark)) == 0)
        reader->at = sizeof(mark);
    size_t length = reader->end - reader->at;
    reader->notation =
        guess(reader->buffer + reader->at, length < LOOK_BYTES ? length : LOOK_BYTES);
    return reader->problem == NULL;
}

void reader_close(struct reader *reader)
{
    if (reader->file != NULL && reader->file != stdin)
        fclose(reader->file);
    free(reader->buffer);
    free(reader->text);
    free(reader->problem);
    arena_free(&reader->arena);
    *reader = (struct reader){0};
}

static void skip(struct reader *reader)
{
    if (reader->notation == NOTATION_EDN)
        edn_skip(reader);
    else
        skip_json(reader);
}

/* Takes the bracket around all operations, if there is one. */
static void open_all(struct reader *reader)
{
    reader->opened = true;
    skip(reader);
    int byte = reader_peek(reader);
    if (byte == '[')
        reader->closes = ']';
    else if (byte == '(' && reader->notation == NOTATION_EDN)
        reader->closes = ')';
    if (reader->closes != 0)
        reader_take(reader);
}

/* There is no further operation: is this an end, with nothing but blanks after it? */
static const struct datum *close_all(struct reader *reader)
{
    if (reader->closes != 0 && !reader->ended) {
        if (reader_peek(reader) == EOF)
            return reader_fail(
                reader, reader->line,
                "the file ends without the '%c' that closes its list: it was cut off; "
                "fetch or write it again",
                reader->closes);
        reader->ended = reader_take(reader) == reader->closes;
        skip(reader);
    }
    int byte = reader_peek(reader);
    if (byte != EOF || (reader->closes != 0 && !reader->ended))
        return reader_fail(reader, reader->line,
                           "expected an operation or the file's end; is this one history?");
    return NULL;
}

const struct datum *reader_next(struct reader *reader)
{
    arena_reset(&reader->arena);
    if (!reader->opened)
        open_all(reader);
    skip(reader);
    struct datum *datum = NULL;
    if (reader->notation == NOTATION_EDN) {
        datum = reader->ended ? NULL : edn_next(reader);
    } else if (reader_peek(reader) == '{' && !reader->ended) {
        reader->start_line = reader->line;
        datum = read_json(reader);
    }
    if (reader->problem != NULL)
        return NULL;
    if (datum == NULL)
        return close_all(reader);
    if (datum->kind != DATUM_MAP)
        return reader_fail(reader, reader->start_line,
                           "expected an operation, a map with :type, :process, :f and :value");
    return datum;
}

const struct datum *reader_value(struct reader *reader, const char *text)
{
    *reader = (struct reader){.line = 1, .buffer = x_strdup(text), .end = strlen(text)};
    const struct datum *datum = edn_next(reader);
    edn_skip(reader);
    return reader_peek(reader) == EOF ? datum : NULL;
}
