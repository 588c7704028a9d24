/* SPDX-License-Identifier: Apache-2.0
 *
 * failpoint: failures that a client asks for by configureFailPoint, as the tests of drivers do.
 * They decide by the gate's own means (struct gate_order), but stand behind it and know more of a
 * command: its name, its collection, who connected. Only an engine with test commands has them.
 */
#ifndef RACEBENCH_ENGINE_FAILPOINT_H
#define RACEBENCH_ENGINE_FAILPOINT_H

#include "command.h"

struct failpoints;

/* All of them, off; free with failpoints_free(). */
struct failpoints *failpoints_new(void);
void failpoints_free(struct failpoints *);

/* The fields of configureFailPoint. */
struct failpoint_arguments {
    bson_value_t mode;
    bson_t data;
};
/* Runs configureFailPoint. Failures: 249 (no such fail point), 72, 9, 14, 40415, 238. */
bool failpoint_configure(struct request *);

/* failCommand, for a command whose fields have been read: request->order. */
void failpoint_command(struct request *, const char *database);

/* onPrimaryTransactionalWrite, for a retryable write that is about to commit: false: it must not,
 * request->failure says why. Closing the connection goes into request->order. */
bool failpoint_commit(struct request *);

#endif
