/* SPDX-License-Identifier: Apache-2.0
 *
 * command: what one file of commands/ defines, and what a command sees while it runs. A command is
 * a table entry: its name, its fields (acted on, ignored, refused; a field in none of the three is
 * unknown) and one function. dispatch.c does everything that is the same for all: gate, name,
 * fields, envelope, concerns, "ok". The struct that a command's fields are read into is declared by
 * its file; dispatch hands over one that is filled in.
 */
#ifndef RACEBENCH_ENGINE_COMMAND_H
#define RACEBENCH_ENGINE_COMMAND_H

#include "document/element.h"
#include "document/failure.h"
#include "document/fields.h"
#include "gate.h"
#include "state.h"
#include "write.h"
#include <bson/bson.h>
#include <stdbool.h>
#include <stdint.h>

enum { APPLICATION_BYTES_MAX = 128, ADDRESS_BYTES_MAX = 128 };

/* Where a command came from. In process: all zero. */
struct origin {
    int32_t connection;                          /* number of the connection, from 1 */
    bool legacy;                                 /* by OP_QUERY: only handshakes are answered */
    char application[APPLICATION_BYTES_MAX + 1]; /* as its handshake said */
    char address[ADDRESS_BYTES_MAX];             /* which the client has connected to */
};

/* What the client asked of a write's durability, as far as it cannot be had. */
struct write_concern {
    bool flush;   /* majority, or j: acknowledged when it is on the disk */
    int32_t code; /* 0: satisfied; else what writeConcernError says after the write */
    char message[128];
};

struct command;
struct logical_session;

/* How a command stands to its session. */
enum part {
    PART_NONE,        /* no transaction number */
    PART_RETRYABLE,   /* of a retryable write */
    PART_TRANSACTION, /* of a multi-document transaction */
};

/* One command on its way. Everything is borrowed for the call; what a parked command needs when it
 * is run again is copied (parking.c). */
struct request {
    struct engine *engine;
    const struct command *command;
    const bson_t *body;
    struct element first; /* of the body: the command's name, and the value that it has */
    struct origin *origin;
    const char *database;
    const char *collection; /* for COMMAND_COLLECTION, else "" */
    struct step step;       /* who does it, as the gate saw it */
    int64_t now_ms;         /* the command's one value of $$NOW */
    struct write_concern concern;
    struct gate_order order;               /* what the gate, or a fail point, has decided */
    bool struck;                           /* fail points have been looked at */
    int64_t deadline_ms;                   /* maxTimeMS on the engine's clock; INT64_MAX: none */
    enum part numbered;                    /* what its envelope says, before any check */
    enum part part;                        /* what its session has made of it */
    struct logical_session *session;       /* unless PART_NONE */
    struct store_transaction *transaction; /* the session's, held open; NULL: one per statement */
    int64_t statement;                     /* stmtId of the statement in hand */
    bool doomed;                           /* a write error: its transaction ends */
    struct write_report report;            /* of a batch: outlives parking */
    void *arguments;                       /* the command's own struct, filled in from its fields */
    bson_t *reply;          /* the command appends its fields; dispatch appends "ok" */
    struct failure failure; /* why run() returned false */
};

enum command_flag {
    COMMAND_COLLECTION = 1 << 0, /* the value of its first field names a collection */
    COMMAND_WRITES = 1 << 1,     /* takes writeConcern */
    COMMAND_READS = 1 << 2,      /* takes readConcern */
    COMMAND_LENIENT = 1 << 3,    /* unknown fields pass: handshakes grow with each driver */
    COMMAND_HANDSHAKE = 1 << 4,  /* also by OP_QUERY */
    COMMAND_ADMIN = 1 << 5,      /* only on the database "admin" */
    COMMAND_RETRYABLE = 1 << 6,  /* takes a transaction number outside transactions */
    COMMAND_INSIDE = 1 << 7,     /* may be run inside a transaction */
    COMMAND_ENDS = 1 << 8,       /* commit, abort: only there */
};

struct command {
    const char *name;
    const char *alias, *second_alias; /* or NULL */
    unsigned flags;
    const struct field *fields;    /* ended by a zeroed one; NULL: the envelope's only */
    size_t arguments_bytes;        /* of the struct that the fields' offsets mean; may be 0 */
    const void *defaults;          /* what it holds before the fields are read; NULL: zeros */
    bool (*run)(struct request *); /* false: refused, request->failure says why */
};

/* Defines the command that a file is about, whose function is its run(). */
#define COMMAND(identifier, bits, ...)                                                             \
    const struct command command_##identifier = {.name = #identifier,                              \
                                                 .flags = (bits),                                  \
                                                 .run = run,                                       \
                                                 __VA_ARGS__}

/* Upper limit of arguments_bytes: they live on dispatch's stack, which may be a fiber's. */
enum { COMMAND_ARGUMENTS_MAX = 1536 };

#endif
