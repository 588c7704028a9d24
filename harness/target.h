/* SPDX-License-Identifier: Apache-2.0
 *
 * target: the harness's own line to what answers, for everything that workers do not do: asking
 * what it is, the run's database with its marker, seeding, reading the final documents. Works the
 * same over a libmongoc client (`driver`) and over an engine in this process (`direct`). Blocking;
 * never used while workers work.
 */
#ifndef RACEBENCH_TARGET_H
#define RACEBENCH_TARGET_H

#include "checker.h"
#include "engine/engine.h"
#include "result.h"

#include <mongoc/mongoc.h>

/* One of the two is set. */
struct target_line {
    mongoc_client_t *client;
    struct engine *engine;
};

/* Sends a command to `database`; the caller destroys `answer`, which is initialised in any case.
 * False: refused or unreachable, with one line in `message` (256 bytes). */
bool target_command(const struct target_line *, const char *database, const bson_t *command,
                    bson_t *answer, char *message);

/* Asks what answers. `uri` (redacted before it is kept) may be NULL for the embedded engine. Ends
 * with EXIT_TARGET when nothing answers. */
void target_describe(const struct target_line *, const char *uri, struct target *);

/* Makes `name` this run's database: it must be empty, or hold a marker of racebench, in which case
 * it is dropped first; then it gets this run's marker. Ends with EXIT_TARGET otherwise. */
void target_claim_database(const struct target_line *, const char *name, const char *run_id);
/* Drops the database if its marker is this run's; warns and leaves it otherwise. */
void target_drop_database(const struct target_line *, const char *name, const char *run_id);

/* Inserts one document; ends with EXIT_TARGET when that fails. */
void target_insert(const struct target_line *, const char *database, const char *collection,
                   const bson_t *document);
/* Reads the document with this _id: a copy that the caller destroys, NULL when it is absent. False
 * when it could not be read at all. */
bool target_read_document(const struct target_line *, const char *database, const struct key *,
                          bson_t **document);
/* Reads all of the collection "effects", into an array that the caller frees. False when it could
 * not be read to its end. */
bool target_read_effects(const struct target_line *, const char *database, struct effect **effects,
                         size_t *count);

#endif
