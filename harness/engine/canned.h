/* SPDX-License-Identifier: Apache-2.0
 *
 * canned: precomputed replies, for measuring what a driver and its sockets cost without any engine.
 * Only a message's header and the name of its command are looked at.
 */
#ifndef RACEBENCH_ENGINE_CANNED_H
#define RACEBENCH_ENGINE_CANNED_H

#include "document/buffer.h"
#include <stdbool.h>

struct engine;
struct canned; /* opaque: canned.c */

/* Prepares the replies of that engine's persona; free with canned_free(). */
struct canned *canned_new(struct engine *);
void canned_free(struct canned *);

/* Appends the reply to a whole message; false: this one must be executed (handshakes, anything that
 * is not known here). */
bool canned_reply(const struct canned *, struct slice message, struct buffer *out);

#endif
