/* SPDX-License-Identifier: Apache-2.0
 *
 * steps: an engine in process under a row of commands, for targets that look at what became of
 * them: persona replset, test commands, a virtual clock. Each command sent is a step that remembers
 * its answers, since a parked one is answered later. Contents are read through the store's
 * contract, as somebody would see them who begins now.
 */
#ifndef RACEBENCH_TESTS_STEPS_H
#define RACEBENCH_TESTS_STEPS_H

#include "document/buffer.h"
#include "engine/engine.h"
#include <bson/bson.h>

enum { STEPS_MAX = 64, STEPS_LIFETIME_MS = 60000 };

struct step_sent {
    bson_t *command, *reply; /* reply NULL: closed, or not answered yet */
    int answers;
};

struct steps {
    struct engine *engine;
    int64_t now_ms;
    struct step_sent sent[STEPS_MAX];
    int count;
};

/* An engine on that store; `folder` is wiredtiger's, made when absent and removed at its end. */
void steps_start(struct steps *, const char *store, const char *folder);
void steps_stop(struct steps *);

/* Sends one command, which is copied (STEPS_MAX at most until steps_forget()); a finding when it is
 * answered twice, or its reply is no reply. */
struct step_sent *steps_send(struct steps *, const bson_t *command);
/* The same from JSON. */
struct step_sent *steps_send_json(struct steps *, const char *json);
/* Appends the command `verb` ("endSessions") over sessions first .. last of fuzz_command(), which
 * are 1 and 2. */
void steps_list_sessions(bson_t *command, const char *verb, int first, int last);
/* Was it answered, and with ok: 1? */
bool step_answered(const struct step_sent *);
bool step_fine(const struct step_sent *);
/* How many steps have been answered. */
int steps_answered(const struct steps *);

/* Time passes, and the engine looks at the clock. */
void steps_advance(struct steps *, int64_t by_ms);

/* Ends all transactions and lets time pass: a finding unless each step was answered once and no
 * transaction is open. */
void steps_settle(struct steps *);
/* Forgets the steps, and the replies. */
void steps_forget(struct steps *);

/* Appends the committed rows of all collections: names of tables, keys and values. */
void steps_contents(const struct steps *, struct buffer *into);
/* The contents are still what they were: else a finding with `why`. */
void steps_same(const struct steps *, const struct buffer *before, const char *why);

#endif
