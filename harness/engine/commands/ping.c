/* SPDX-License-Identifier: Apache-2.0
 *
 * ping: is somebody there? Drivers send it on a connection that was idle for a while
 * (libmongoc after socketCheckIntervalMS), tools to measure a round trip. It touches nothing,
 * takes no arguments beside the envelope's, and anybody may send it on any database.
 */
#include "engine/command.h"

static bool run(struct request *request)
{
    (void)request;
    return true;
}

COMMAND(ping, COMMAND_LENIENT, .fields = NULL);
