/* SPDX-License-Identifier: Apache-2.0
 *
 * store_changes: what an open transaction has changed so far, for a store that does not keep the
 * versions before it by itself and is watched all the same. Each row once, in the order of its
 * first change; what it was before is read at that change.
 */
#ifndef RACEBENCH_ENGINE_STORE_CHANGES_H
#define RACEBENCH_ENGINE_STORE_CHANGES_H

#include "store.h"

#include <stddef.h>

struct changed_row; /* opaque */

/* Zeroed: none. Free with changes_free(). */
struct changes {
    struct changed_row *rows;
    size_t count, capacity;
};

/* A row of a table is about to be written within this transaction; `after` is empty (bytes NULL)
 * when it will be absent. Only for a store that is watched. */
void changes_note(struct changes *, struct store_transaction *, struct store_table *,
                  const struct store_change *);
/* The transaction commits: tells who watches the store. */
void changes_tell(const struct changes *, const struct store *);
/* The transaction has ended; none from here on. */
void changes_forget(struct changes *);
void changes_free(struct changes *);

#endif
