/* SPDX-License-Identifier: Apache-2.0
 *
 * run_folder: where a command line leaves what it found out: BASE/<run id>/ with report.txt,
 * result.json, history.jsonl and trace.jsonl, and BASE/latest, a link to the newest. The folder is
 * made before anything runs, so that a place that cannot be written is known at once and not after
 * an hour. Files appear whole or not at all. Whatever fails ends the program with EXIT_RESULTS and
 * one line: which path, what is wrong, what to do.
 */
#ifndef RACEBENCH_RUN_FOLDER_H
#define RACEBENCH_RUN_FOLDER_H

#include "report.h"

/* Operations in all cells together beyond which history.jsonl is not written (and that is said on
 * stderr): about 50 MB. `--out history=FILE` writes any number. */
enum { RUN_FOLDER_HISTORY_MAX = 100000 };
/* Cells beyond which trace.jsonl is not written: a matrix is explored with --prove. */
enum { RUN_FOLDER_TRACE_CELLS_MAX = 64 };

/* A run id: the time of `wall_ms` (milliseconds since 1970) in UTC and 24 bits of `chance`:
 * "20261121T101500Z-3f9a1c". Sorts by time. The caller frees it. */
char *run_folder_id(int64_t wall_ms, uint64_t chance);

/* Makes BASE/<run id>/, and BASE with all that leads to it, and tries whether it can be written.
 * Returns its path; the caller frees it (run_result.folder). */
char *run_folder_open(const char *base, const char *run_id);

/* Writes a finished run's files into result->folder, then turns BASE/latest to it. */
void run_folder_write(const struct run_result *);

/* Finds a run for `show`: `run` is NULL for the latest, a run id or the beginning of exactly one,
 * or the path of a folder or of a result.json. Returns the path of its result.json; the caller
 * frees it. Ends with EXIT_INPUT when there is none. */
char *run_folder_find(const char *base, const char *run);

/* The text of a file of at most 256 MB, zero-terminated; the caller frees it. Ends with EXIT_INPUT
 * when it cannot be read. */
char *run_folder_text(const char *path, size_t *length);
/* The text of a result.json as a document, which the caller destroys. Ends with EXIT_INPUT when it
 * is no result that this version knows; `path` names it then. */
bson_t *run_folder_parse(const char *path, const char *text, size_t length);

#endif
