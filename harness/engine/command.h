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

#include "failure.h"
#include "fields.h"
#include "gate.h"
#include "state.h"
#include <bson/bson.h>
#include <stdbool.h>
#include <stdint.h>

/* Where a command came from. In process: all zero. */
struct origin {
    int32_t connection; /* number of the connection, from 1 */
    bool legacy;        /* by OP_QUERY: only handshakes are answered */
};

/* What the client asked of a write's durability, as far as it cannot be had. */
struct write_concern {
    int32_t code; /* 0: satisfied; else what writeConcernError says after the write */
    char message[128];
};

struct command;

/* One command on its way. Everything is borrowed for the call. */
struct request {
    struct engine *engine;
    const struct command *command;
    const bson_t *body;
    const struct origin *origin;
    const char *database;
    const char *collection; /* for COMMAND_COLLECTION, else "" */
    struct step step;       /* who does it, as the gate saw it */
    int64_t now_ms;         /* the command's one value of $$NOW */
    struct write_concern concern;
    void *arguments;        /* the command's own struct, filled in from its fields */
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
};

struct command {
    const char *name;
    const char *alias, *second_alias; /* or NULL */
    unsigned flags;
    const struct field *fields;    /* ended by a zeroed one */
    size_t arguments_bytes;        /* of the struct that the fields' offsets mean; may be 0 */
    const void *defaults;          /* what it holds before the fields are read; NULL: zeros */
    bool (*run)(struct request *); /* false: refused, request->failure says why */
};

/* Upper limit of arguments_bytes: they live on dispatch's stack, which may be a fiber's. */
enum { COMMAND_ARGUMENTS_MAX = 1536 };

#endif
