/* SPDX-License-Identifier: Apache-2.0
 *
 * gate: the one place that every step of every worker passes exactly once. A command passes it
 * where it arrives (in the embedded engine under `driver`, in the session under `direct`); what
 * reaches no server (clock, files, draws, waiting) passes it in the session. Counters, the trace
 * and attribution live here; hazards and `explore` decide here what becomes of a step.
 *
 * Who does a step is read from the command's `comment`, "w3.17": worker 3, its operation 17; "w3":
 * before its first one, which counts as nobody's but may be held as worker 3's. Steps without one
 * (handshakes, monitors, pings, endSessions, the harness itself) pass unattributed.
 *
 * Threads: under `driver` the engine's loop and the workers pass concurrently, so counters are
 * atomic and the trace has a lock; nothing else here is shared.
 */
#ifndef RACEBENCH_GATE_H
#define RACEBENCH_GATE_H

#include <bson/bson.h>
#include <stdbool.h>
#include <stdint.h>

/* What a step does. Commands first; the rest never leave the process. */
enum step_kind {
    STEP_FIND,
    STEP_INSERT,
    STEP_UPDATE,
    STEP_DELETE,
    STEP_FIND_AND_MODIFY,
    STEP_BEGIN,
    STEP_COMMIT,
    STEP_ABORT,
    STEP_OTHER_COMMAND,
    STEP_NOW,
    STEP_SLEEP,
    STEP_RANDOM,
    STEP_TOKEN,
    STEP_READ_FILE,
    STEP_EMPTY_FILE, /* first half of a write in place */
    STEP_WRITE_FILE,
    STEP_LOCK_FILE,
    STEP_UNLOCK_FILE,
    STEP_WAIT,
    STEP_WAKE,
    STEP_ENTER, /* an instance whose RAM is shared: explore's, where who enters first is a choice */
    STEP_KIND_COUNT
};

/* Worker number of a step that no worker did. */
enum { STEP_NOBODY = -1 };
/* Operation of a step that a worker makes before its first one: of its scenario, or of a copy of
 * the application that it starts. */
enum { OPERATION_NONE = -1 };

/* One step of one worker, as it arrives. Text is borrowed for the call. */
struct step {
    int32_t worker;    /* STEP_NOBODY: the harness, a monitor, a stranger */
    int64_t operation; /* number within the worker, from 0; OPERATION_NONE: before the first */
    enum step_kind kind;
    const char *target;    /* collection or file, or "" */
    uint64_t resend_key;   /* the same for a command that the driver sends again, 0: it cannot be */
    const bson_t *command; /* where one arrives and can be seen; else NULL */
};

/* What becomes of a step. */
enum gate_action {
    GATE_PASS,         /* go on */
    GATE_CLOSE_BEFORE, /* close the connection; the command is not run */
    GATE_CLOSE_AFTER,  /* run the command, then close the connection without a reply */
    GATE_CLOSE_ONCE,   /* the same, but the driver's resend of it passes */
    GATE_ERROR,        /* answer with an error code; the command is not run */
    GATE_HOLD,         /* of commands at the engine: not yet; it asks again, engine_ask_again() */
    GATE_SILENT,       /* run the command and say nothing; the connection stays open */
};

/* The whole of a decision: what the gate says, or a fail point of the engine, which stands behind
 * the gate and strikes by the same means. */
struct gate_order {
    enum gate_action action;
    int32_t code;     /* of GATE_ERROR */
    int64_t delay_ms; /* first wait so long, whatever the action */
    bson_t *labels;   /* error labels instead of the usual ones, or NULL; the receiver's */
    bson_t *concern;  /* writeConcernError beside the reply, or NULL; the receiver's */
};

/* A policy decides for the gate; hazards and explore bring one each. NULL hooks let pass. */
struct gate_policy {
    const char *name;
    enum gate_action (*arrive)(void *state, const struct step *step);
    bool early; /* is asked about steps before the first operation too; else these pass */
};

struct gate; /* opaque: gate.c */

/* A gate for `workers` workers (0: nobody is attributed, as in `serve`). The first `trace_max`
 * steps of the first TRACE_WORKERS_MAX workers are kept for gate_trace(), 0: none. Free with
 * gate_free() when no step can arrive any more. */
struct gate *gate_new(int32_t workers, size_t trace_max);
void gate_free(struct gate *);

/* False: no step that arrives is anybody's, and there is no need to find out whose. */
bool gate_has_workers(const struct gate *);

/* Forgets how often operations were applied, for another run of the same workers. */
void gate_forget(struct gate *);

/* Replaces the policy (NULL: everything passes). Only while no step is on its way. */
void gate_set_policy(struct gate *, const struct gate_policy *policy, void *state);

/* The error code of GATE_ERROR: MongoDB's 91, ShutdownInProgress, unless set otherwise; only while
 * no step is on its way. */
void gate_set_error(struct gate *, int32_t code);
int32_t gate_error(const struct gate *);

/* A step arrives: it is counted and traced, and the policy says what becomes of it. A command that
 * its driver sends again is the same step: what became of it becomes of the resend, once, and the
 * policy does not hear of that. GATE_CLOSE_ONCE is answered as GATE_CLOSE_AFTER. */
enum gate_action gate_arrive(struct gate *, const struct step *step);

/* A step that was held asks the policy again. */
enum gate_action gate_ask(struct gate *, const struct step *step);

/* A command that arrived has changed `documents` documents of `collection`: kept per operation, so
 * that the checker knows by identity, and not by a sum, how often each operation was applied. */
void gate_applied(struct gate *, const struct step *step, int64_t documents);

/* Reads worker and operation out of a comment "w3.17", or "w3" before its first one, into `step`;
 * leaves STEP_NOBODY and returns false for anything else. */
bool gate_attribute(const char *comment, struct step *step);

/* The kind of step that a command's name stands for ("findAndModify"), or STEP_OTHER_COMMAND. */
enum step_kind gate_command_kind(const char *command_name);

/* Short name of a kind, "find", "update", "now": what schedules and tables print. */
const char *step_kind_name(enum step_kind kind);

/* Steps of this kind that workers have done so far, and commands of all kinds together. */
int64_t gate_count(const struct gate *, enum step_kind kind);
int64_t gate_command_count(const struct gate *);
/* Commands that nobody was named for: handshakes, monitors, strangers. */
int64_t gate_unattributed_count(const struct gate *);

/* How often an operation's writes to `collection` changed a document, or -1 when this gate did not
 * see its commands (a real server). After the workers have been joined. */
int64_t gate_applied_count(const struct gate *, const char *collection, int32_t worker,
                           int64_t operation);

/* Workers beyond the first eight do the same as these: their steps are not traced. */
enum { TRACE_WORKERS_MAX = 8 };

/* What a command's filter asks for, as far as a trace tells. */
enum trace_filter {
    TRACE_FILTER_NONE, /* there is no filter */
    TRACE_FILTER_ID,   /* the document by its _id, whatever it holds */
    TRACE_FILTER_MORE, /* something beside that: a version, an owner, a state */
};
/* What an update says. */
enum trace_update {
    TRACE_UPDATE_NONE,      /* no update */
    TRACE_UPDATE_OPERATORS, /* how the document changes ($inc, a pipeline): nothing that was read */
    TRACE_UPDATE_VALUES,    /* what it becomes: a whole document, or $set of a field */
};

/* A traced step: in the order of arrival. */
struct trace_entry {
    int32_t worker;
    enum step_kind kind;
    int64_t operation;
    int64_t at_ns;     /* monotonic */
    char target[32];   /* cut when longer */
    char document[32]; /* _id of the command's document, "0"; "": none was named, or seen */
    enum trace_filter filter;
    enum trace_update update;
};
/* Fills in what the command says: document, filter and update (gate_trace.c). */
void gate_trace_command(const bson_t *command, struct trace_entry *);
/* The trace so far: `*count` entries, borrowed until the gate is freed. */
const struct trace_entry *gate_trace(const struct gate *, size_t *count);

#endif
