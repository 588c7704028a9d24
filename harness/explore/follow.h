/* SPDX-License-Identifier: Apache-2.0
 *
 * follow: watches a world from move to move and writes its trail: who did what, what it read, which
 * documents and files changed, who wrote over whom, which operation ended how. Searching needs none
 * of it; it is for the one execution that is told.
 */
#ifndef RACEBENCH_EXPLORE_FOLLOW_H
#define RACEBENCH_EXPLORE_FOLLOW_H

#include "world.h"

struct follower; /* opaque: follow.c */

/* Begins to follow a world that has just begun; `trail` must be empty and is filled in. */
struct follower *follow_begin(struct world *, struct trail *trail);
/* Makes the move, and notes it. */
void follow_do(struct follower *, const struct move *);
/* Ends; the trail stays. */
void follow_end(struct follower *);

#endif
