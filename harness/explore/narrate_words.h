/* SPDX-License-Identifier: Apache-2.0
 *
 * narrate_words: what a finding is called. The sentence, the title and the hint are declared in
 * narrate.h; here is what only the table needs.
 */
#ifndef RACEBENCH_EXPLORE_NARRATE_WORDS_H
#define RACEBENCH_EXPLORE_NARRATE_WORDS_H

#include "narrate.h"

/* What stands in the margin of an entry of the tale's trail: the lost operation, what the witness
 * accuses it of, or how an operation ended that did not end well; NULL: nothing. The caller frees
 * it. */
char *narrate_margin(const struct narrate_tale *, const struct trail_entry *);

#endif
