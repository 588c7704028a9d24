/* SPDX-License-Identifier: Apache-2.0
 *
 * transport: what lies under a session. Small tables of functions by kind (commands, clock, files'
 * locks, waiting), one set for threads with libmongoc (`driver`), one for fibers beside the engine
 * (`direct`). session.c turns each verb into one of these calls, and worker.c runs the worker; both
 * are the same for all transports, and so are strategies and scenarios.
 *
 * Not for strategies and scenarios: they see session.h only.
 */
#ifndef RACEBENCH_TRANSPORT_H
#define RACEBENCH_TRANSPORT_H

#include "cell.h"
#include "document/buffer.h"
#include "gate.h"
#include "hazards.h"
#include "histogram.h"
#include "history.h"
#include "session.h"

#include <stdatomic.h>
#include <uv.h>

/* A command, the same for all transports. Documents are borrowed for the call. */
struct command_request {
    enum step_kind kind; /* STEP_FIND .. STEP_ABORT */
    const char *collection;
    const bson_t *filter;
    const bson_t *document; /* insert */
    struct modify modify;   /* update, findAndModify */
};

/* What came back. */
struct command_reply {
    bool sent;     /* false: it never left; surely without effect */
    bool answered; /* false: no reply; if sent, nobody knows */
    int32_t code;  /* MongoDB's error code of a reply that refuses, or 0 */
    bool durable;  /* false: a writeConcernError came with it: may be rolled back */
    char message[160];
    struct written written;
    int64_t deleted;
    bson_t *document; /* find, findAndModify: session_keep() has it; or NULL */
};

/* What a reply means: the one place where FAILED, CONFLICT, BUSY and UNKNOWN are told apart. */
enum outcome command_outcome(const struct command_reply *, bool writes);

struct session;
struct crew;

struct command_table {
    void (*execute)(struct session *, const struct command_request *, struct command_reply *);
};
struct clock_table {
    int64_t (*run_ns)(struct session *);            /* since the cell's start: histories */
    int64_t (*wall_ms)(struct session *);           /* what the application's clock reads */
    bool (*sleep_us)(struct session *, int64_t us); /* false: interrupted */
};
/* A file that is written whole. */
struct file_write {
    int32_t worker; /* STEP_NOBODY: the harness */
    const char *name, *text;
    size_t length;
    int descriptor; /* on disk, between the halves of a write in place */
};
struct choice_table {
    int64_t (*draw)(struct session *, int64_t bound);    /* a number in [0, bound) */
    bool (*strike)(struct session *, enum hazard_index); /* NULL: the cell's hazards know */
};
/* Who is told about attempts: explore, which has its own rule for when another one may come out
 * differently. */
struct attempt_table {
    void (*begin)(struct session *);
    void (*again)(struct session *); /* in place of a back-off: returns when it is worth a try */
    void (*settle)(struct session *, enum outcome, bool seen); /* seen: with the documents read */
};
struct file_table {
    /* A zero-terminated copy that the caller frees; NULL with errno when it cannot, ENOENT: there
     * is no such file. */
    char *(*read)(struct crew *, const char *name, size_t *length);
    /* Renames a new file over the old one. FAILED: the old one is still there; UNKNOWN: it is not
     * known whether the change is durable. */
    enum outcome (*replace)(struct crew *, const struct file_write *);
    /* The halves of a write in place. The second comes after each first that succeeded; `alive`
     * false: the writer died in between, nothing is written any more. */
    bool (*empty)(struct session *, struct file_write *);
    bool (*fill)(struct session *, struct file_write *, bool alive);
    /* Waits for and takes session->lock_mode on session->lock_name; false: interrupted. */
    bool (*lock)(struct session *);
    void (*unlock)(struct session *);
};
extern const struct file_table files_on_disk, files_in_memory;
struct waiting_table {
    void (*enter)(struct session *); /* from here on alone in the instance */
    void (*leave)(struct session *); /* others may run before this returns, and until enter() */
    bool (*wait)(struct session *, const void *condition); /* false: interrupted */
    void (*wake)(struct session *, const void *condition); /* NULL: everybody */
};
struct transport_table {
    const char *name;
    const struct command_table *commands;
    const struct clock_table *clock;
    const struct choice_table *choice;
    const struct attempt_table *attempts; /* NULL: nobody is told, workers back off */
    const struct file_table *files;
    const struct waiting_table *waiting;
};

/* A worker that waits inside its instance; on the list in the order of arrival. */
struct waiter {
    const void *condition;
    struct session *session;
    struct waiter *next;
    bool woken;
};

/* One running copy of the application: the RAM that its workers share. */
struct instance {
    int32_t number;
    void *shared[CELL_STRATEGIES_MAX]; /* what each strategy's setup returned, or NULL */
    bool guarded;                      /* some setup returned RAM: one worker at a time */
    atomic_bool crashed;               /* it has died: every verb of its workers fails until the
                                        * last of them has left and setup has run again */
    int32_t inside;                    /* workers within an attempt */
    _Atomic(const struct session *) starter; /* who runs setup again; its verbs work */
    atomic_int working;                      /* workers that have not finished yet */
    struct waiter *waiters;                  /* oldest first */
    uv_mutex_t mutex;                        /* driver only */
};

/* Latencies, ns. Under `driver` every worker has its own, merged after the join; fibers share the
 * crew's, since they share a thread. */
struct latencies {
    struct histogram operation, attempt, waiting;
};
void latencies_init(struct latencies *);
void latencies_free(struct latencies *);

/* Who watches the workers of a crew: in an operating-system process of its own, to keep what they
 * did however it ends (process_child.c); in a replay, to know what is over (replay_driver.c).
 * Called by the worker's own thread. */
struct witness_table {
    void (*begun)(struct session *);                    /* an operation begins */
    void (*stepping)(struct session *);                 /* a step comes next */
    void (*attempted)(struct session *, int64_t ns);    /* an attempt took that long */
    void (*settled)(struct session *, int64_t waiting); /* its event is in the history; ns waited */
    void (*ended)(struct session *);                    /* it does nothing more but tear down */
    /* The hazard strikes the whole process: returns when that is over, if ever. */
    void (*struck)(struct session *, enum hazard_index);
};

/* One worker's part in a crew that is not the whole cell: who, and from where on. */
struct crew_share {
    int32_t worker;
    int64_t operations_left;
    int64_t operation_count; /* begun before, by a process that has died */
    int64_t token_count;     /* likewise */
};

/* Settings that all sessions of a run share, and the flag that ends it. */
struct crew {
    const struct cell *cell;
    const struct transport_table *transport;
    struct gate *gate;
    bool gate_sees_commands; /* the embedded engine passes commands through `gate` itself */
    const char *database;
    const char *folder;   /* private to the run: for files on disk */
    struct folder *files; /* files in memory (`direct`), or NULL */
    struct instance *instances;
    struct session *sessions; /* one per worker */
    int32_t count;
    const struct crew_share *shares;     /* `count` of them, or NULL: all workers of the cell */
    const struct witness_table *witness; /* NULL: nobody watches */
    struct latencies *latencies;         /* shared by all workers, or NULL: each has its own */
    struct hazards *hazards;             /* what goes wrong on purpose, or NULL: nothing */
    atomic_bool stop;        /* an interrupt or the end of --duration: no further operations */
    atomic_bool abandon;     /* every session call fails at once */
    atomic_bool identified;  /* a worker has asked for its own number */
    void *replay;            /* whoever holds the workers to a schedule (replay_driver.c) */
    atomic_int given_up;     /* operations given up since the last one that got through */
    atomic_llong through_ns; /* when that one returned */
    void *world;             /* the transport's own: driver's pool, direct's scheduler */
};

/* What an attempt read and set out to write: the evidence of an event. */
struct evidence {
    int64_t read[EDIT_DOCUMENTS_MAX];
    int64_t value_read, value_written;
    uint8_t wrote;
};

/* A worker's transactions where no driver numbers them. */
struct transaction {
    int64_t number;
    int32_t life;      /* of its logical session: who dies leaves the old one behind */
    bool sent, ending; /* statements; the commit */
};

/* One worker: its session, its share of the work, its history. Nobody else touches it until the
 * join, but for `progress`. */
struct session {
    struct crew *crew;
    struct instance *instance;
    int32_t worker;
    const struct strategy *strategy;
    int strategy_index;
    void *line; /* the transport's own: a libmongoc client, a fiber */
    struct random random;
    int64_t token_count;
    enum step_kind step; /* the last that was begun ... */
    const char *target;  /* ... and on what */

    int64_t operations_left; /* of its share; INT64_MAX with --duration alone */
    int64_t operation_count; /* begun so far: numbers the present one */
    bool in_operation, in_attempt;
    char comment[32]; /* "w3.17"; "w3" before its first operation; "": nobody's */

    const struct edit *edit;   /* of the present attempt */
    struct event *event;       /* of the present operation, or NULL */
    struct evidence evidence;  /* of the present attempt */
    struct evidence unsettled; /* of the operation's last attempt that got no answer */
    int unanswered;            /* the operation's attempts without an answer so far */
    const bson_t *was[EDIT_DOCUMENTS_MAX];
    bool in_change; /* inside edit->change: no session call may be made */
    bool doubled;   /* an attempt read the operation's own stamp */
    bool worked;    /* this attempt's --work has been slept */
    bool in_transaction;
    struct transaction transaction; /* of `direct`, which has no driver to number them */
    bool died;                      /* the instance died during the attempt */
    enum hazard_index doom;         /* what will strike this worker, or none */
    int doom_step;                  /* before which of an attempt's steps */
    int steps;                      /* of the attempt `steps_attempt` so far */
    int64_t steps_attempt;

    bson_t **documents; /* of the present attempt: the first `document_count`; the rest is spare */
    size_t document_count, document_made, document_capacity;
    struct buffer command, scratch; /* bytes of the present command; of a document being made */
    char **texts;
    size_t text_count, text_capacity;
    const char *lock_name; /* file beside which it holds a lock or waits for one, or NULL */
    enum lock_mode lock_mode;
    int lock_descriptor; /* of that lock, on disk */

    struct history history;
    struct latencies *latencies; /* its own, or the crew's */
    int64_t attempts, commands;  /* of all its operations */
    int64_t first_ns, last_ns;   /* of its first invocation and last return */
    atomic_llong progress;       /* operations settled so far, read by the loop */
};

extern const struct transport_table transport_driver, transport_direct;

/* A request as the command document that a driver would send (with $db and the comment): a view,
 * valid until the session's next command; and what the reply to a command of that kind says, into
 * `reply` (NULL: no reply came). `resent`: a write outside of a transaction carries the session's
 * id and its next number, by which the engine knows a resend. */
void command_build(struct session *, const struct command_request *, bool resent, bson_t *command);
void command_parse(struct session *, enum step_kind, const bson_t *answer, struct command_reply *);

/* Prepares a crew's sessions and instances: shares out operations, seeds, strategies, instances.
 * crew->shares and crew->count, if set before, say which workers of the cell are in it. */
void crew_init(struct crew *, const struct cell *, const struct transport_table *);
/* The process of the cell in which a worker lives: its instance's. */
int32_t crew_process_of(const struct cell *, int32_t worker);
void crew_free(struct crew *);
/* Puts all back to what crew_init() made, for another execution; what was allocated is kept. No
 * worker is at work. */
void crew_again(struct crew *);
/* Runs setup for the instance whose first worker this is; before any work. */
void crew_setup(struct session *);
/* The whole of one worker's work after the start: the scenario, then, by the last worker of an
 * instance, the strategies' teardown. */
void crew_work(struct session *);

/* The instance of this worker dies: all that its workers have in RAM is lost, every verb of theirs
 * fails. Called within an attempt. */
void crew_crash(struct session *);
/* Entering and leaving an attempt: waits until a dead instance runs again; the last to leave a dead
 * one starts it. True: the instance died during the attempt. */
void crew_enter(struct session *);
bool crew_leave(struct session *);
/* Do its workers share RAM that a strategy's setup made? */
bool crew_shares_ram(const struct instance *);
/* Is it a schedule's choice when this worker enters its instance? Where RAM is shared, since others
 * may come first, and within an attempt, since it may die before he is back. */
bool crew_entry_is_choice(const struct session *);
/* Another copy of the application starts, and ends, beside those that work. */
void crew_boot(struct session *);

/* Forgets what belongs to the present attempt; frees what a session keeps to be used again. */
void session_forget(struct session *);
void session_free(struct session *);
/* A copy of a document's bytes that belongs to the present attempt. */
bson_t *session_keep(struct session *, const uint8_t *bytes, size_t length);

/* The draw of a worker with random numbers of its own. */
int64_t session_draw(struct session *, int64_t bound);

/* Every session call begins here: ends the program if edit->change made it; false when the run is
 * abandoned and the verb must return FAILED. A step that reaches no server passes the gate here. */
bool session_step(struct session *, enum step_kind kind, const char *target);

#endif
