/* SPDX-License-Identifier: Apache-2.0
 *
 * envelope: the fields that any command may carry beside its own: database, session, comment,
 * concerns, API version, transaction numbers. Read in the same pass as the command's fields.
 */
#ifndef RACEBENCH_ENGINE_ENVELOPE_H
#define RACEBENCH_ENGINE_ENVELOPE_H

#include "command.h"

struct envelope {
    const char *database;    /* NULL: no "$db" */
    const char *api_version; /* NULL: none asked */
    bson_value_t session, statement;
    bson_value_t transaction_number, start_transaction, autocommit;
    int64_t max_time_ms; /* 0: no limit */
    bson_t write_concern, read_concern;
};

/* The table of these fields, with offsets into struct envelope. */
extern const struct field envelope_fields[];

/* Checks what the envelope asks of this command on this persona and fills in request->concern. */
bool envelope_check(struct request *, const struct envelope *);

/* Appends what a replica set says with each reply to a socket: operationTime and $clusterTime. */
void envelope_append_time(const struct request *);
/* The same for a reply that belongs to no request. */
void envelope_tell_time(struct engine *, int64_t now_ms, bson_t *reply);
/* Appends the end of a reply that is no refusal: {ok: 1}, and the same. */
void envelope_append_success(const struct request *);

#endif
