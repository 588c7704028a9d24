/* SPDX-License-Identifier: Apache-2.0
 *
 * hazards: what goes wrong on purpose in a cell, when, and how often it did. Each planned hazard
 * strikes a set number of times, spread over the run at places that the seed draws; what it strikes
 * is a write at the gate, or a worker at one of its steps. Positions within an attempt are swept:
 * the first strike hits an attempt's first step, the next its second, and so on, so that a holder
 * dies or stops at every place where it can.
 */
#ifndef RACEBENCH_HAZARDS_H
#define RACEBENCH_HAZARDS_H

#include "cell.h"
#include "gate.h"
#include "strategy.h"

#include <stdatomic.h>

struct session;
struct hazards; /* opaque: hazards.c */

/* Where a hazard strikes. */
enum hazard_place { PLACE_NOWHERE, PLACE_SETTING, PLACE_GATE, PLACE_SESSION, PLACE_SCENARIO };
enum hazard_place hazard_place(enum hazard_index);
/* What the amount of a hazard means (struct hazard_setting). */
enum hazard_amount { AMOUNT_NONE, AMOUNT_TIME, AMOUNT_CODE, AMOUNT_ONCE };
enum hazard_amount hazard_amount(enum hazard_index);
/* What it is, half a sentence, as in hazards.def. */
const char *hazard_help(enum hazard_index);
/* Why a planned hazard of the cell has no place to strike there, as half a sentence: "the strategy
 * keeps its documents in files, past the gate"; NULL when each has one. Static text. */
const char *hazards_obstacle(const struct cell *);

/* What counts occasions and hits. Of a cell in several processes it lies in memory that they share,
 * so that a hazard strikes as often as planned in all of them together, whoever dies. */
struct hazard_tally {
    atomic_llong occasions[CELL_HAZARDS_MAX], hits[CELL_HAZARDS_MAX];
    atomic_llong begun;   /* operations */
    atomic_int position;  /* of the next strike within an operation */
    atomic_int steps_max; /* most steps that an attempt has had so far */
};

/* The hazards of a cell, from its settings; free with hazards_free(). `shared` (zeroed before the
 * first process had it, and not freed here) or NULL: a tally of its own. */
struct hazards *hazards_new(const struct cell *, struct hazard_tally *shared);
void hazards_free(struct hazards *);

/* The policy for the gate; its state is the hazards. */
extern const struct gate_policy hazards_at_gate;

/* Who starts the engine again when `restart` strikes: called in the engine's thread, it must only
 * pass the word on. When it has happened: hazards_struck(). */
void hazards_on_restart(struct hazards *, void (*wanted)(void *), void *context);

/* A worker is about to write a file: its write may fail halfway, or be done and never end.
 * HAZARD_INDEX_none: neither. */
enum hazard_index hazards_at_file(struct hazards *);

/* An operation of this worker begins: a hazard that strikes workers may choose it as its victim. */
void hazards_begin(struct hazards *, struct session *);
/* The operation is over, whatever of its doom has not come yet is left for the next one. */
void hazards_end(struct hazards *, struct session *);
/* The worker is about to do a step: it may be delayed or paused here, or its instance may die,
 * which is what false means. Only steps of attempts count. */
bool hazards_step(struct hazards *, struct session *, enum step_kind);
/* Does the hazard strike now? For scenarios, which are the place of some. */
bool hazards_strike(struct hazards *, enum hazard_index);
/* What happens elsewhere than here (a process dies, the engine restarts) has happened. */
void hazards_struck(struct hazards *, enum hazard_index);
/* How long a pause or a delay is, us. */
int64_t hazards_time_us(const struct hazards *, enum hazard_index);
/* How far this worker's wall clock is ahead, ms. */
int64_t hazards_skew_ms(struct hazards *, const struct session *);
/* How often it struck. After the join. */
int64_t hazards_hits(const struct hazards *, enum hazard_index);

#endif
