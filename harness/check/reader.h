/* SPDX-License-Identifier: Apache-2.0
 *
 * reader: a history file as a stream of operation maps, one datum each. Two notations, told apart
 * by the first characters: JSON (one object a line, objects in any layout, or one array of objects)
 * and EDN (maps one after the other, or one vector or list of maps; tags such as #jepsen.history.Op
 * are read through). The file is read once, front to back, whatever its size; at no time is more of
 * it in memory than one operation.
 *
 * What is wrong with a file is one line for die(EXIT_INPUT): the line number and what to do.
 */
#ifndef RACEBENCH_CHECK_READER_H
#define RACEBENCH_CHECK_READER_H

#include "datum.h"

#include <stdio.h>

enum notation { NOTATION_JSON, NOTATION_EDN };
/* "JSON" or "EDN". */
const char *notation_name(enum notation);

enum { READER_DEPTH_MAX = 64 };                        /* collections inside each other */
#define READER_BYTES_MAX (INT64_C(2000) * 1000 * 1000) /* larger files are refused */

struct reader {
    FILE *file;
    char *buffer;       /* what was read of the file and not yet looked at */
    size_t at, end;     /* within it */
    int64_t bytes;      /* looked at so far */
    int64_t line;       /* of the next byte, from 1 */
    int64_t start_line; /* of the operation given last */
    enum notation notation;
    char closes; /* what ends the array around all operations, 0: there is none */
    bool opened, ended;
    struct arena arena; /* of the present operation */
    char *text;         /* one JSON object, or one EDN token */
    size_t length, capacity;
    char *problem; /* NULL, or a line for people; owned */
};

/* Opens a file ("-": stdin) and finds out its notation. False: see problem. In either case give it
 * to reader_close(). */
bool reader_open(struct reader *, const char *path);
void reader_close(struct reader *);
/* The next operation, valid until the next call; NULL at the end, and when there is a problem. */
const struct datum *reader_next(struct reader *);
/* One value alone, as on a command line, in EDN (of which JSON's numbers and texts are a part).
 * NULL when it is none. */
const struct datum *reader_value(struct reader *, const char *text);

/* For the two notations (reader_edn.c, reader.c) ----------------------------------------------- */

/* Reads more of the file into the buffer; false at its end. */
bool reader_fill(struct reader *);
/* Makes room for one more byte in reader->text. */
void reader_widen(struct reader *);

/* The next byte without, and with, taking it; EOF at the end of the file. Here, because a large
 * history is a few hundred million calls. */
static inline int reader_peek(struct reader *reader)
{
    if (reader->at == reader->end && !reader_fill(reader))
        return EOF;
    return (unsigned char)reader->buffer[reader->at];
}
static inline int reader_take(struct reader *reader)
{
    int byte = reader_peek(reader);
    if (byte != EOF)
        reader->at++;
    reader->line += byte == '\n';
    return byte;
}
/* Adds one byte to reader->text. */
static inline void reader_keep(struct reader *reader, int byte)
{
    if (reader->length == reader->capacity)
        reader_widen(reader);
    reader->text[reader->length++] = (char)byte;
}
/* Notes a problem at a line, unless there is one; always NULL. */
struct datum *reader_fail(struct reader *, int64_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The operation that begins at start_line is not finished where the file ends; always NULL. */
struct datum *reader_fail_end(struct reader *);

/* Skips blanks, commas and comments. */
void edn_skip(struct reader *);
/* The next form that is not discarded (#_). NULL without a problem: the file's end, or a bracket
 * that closes something. */
struct datum *edn_next(struct reader *);

#endif
