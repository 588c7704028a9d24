/* SPDX-License-Identifier: Apache-2.0
 *
 * cell: names of what a cell's settings can be, as the command line and results spell them;
 * and what follows from them.
 */
#include "cell.h"
#include "engine/engine.h"

const char *transport_name(enum transport transport)
{
    static const char *const names[] = {"driver", "direct"};
    return names[transport];
}

const char *persona_name(enum persona persona)
{
    static const char *const names[] = {"replset", "standalone"};
    return names[persona];
}

const char *expect_name(enum expect expect)
{
    static const char *const names[] = {"exact", "claims", "none"};
    return names[expect];
}

const char *cell_store(const struct cell *cell)
{
    if (cell->transport == TRANSPORT_DIRECT)
        return "memory";
    return cell->store != NULL ? cell->store : engine_default_store();
}
