/* SPDX-License-Identifier: Apache-2.0
 *
 * labels: see labels.h. UnknownTransactionCommitResult is never here: drivers add it themselves.
 */
#include "labels.h"

#include "document/value.h"

#include "base.h"

/* Codes after which the same command may be sent again: the server was going away, or away. */
static bool is_retryable(int32_t code)
{
    static const int32_t codes[] = {6,    7,     89,    91,    134,   189,   262,  317,
                                    358,  384,   402,   406,   407,   412,   453,  462,
                                    9001, 10107, 11600, 11602, 13435, 13436, 50915};
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (codes[i] == code)
            return true;
    return false;
}

/* Codes that mean that the transaction is gone and nothing of it was written. */
static bool is_transient(int32_t code, bool ends)
{
    static const int32_t codes[] = {24, 112, 239, 246, 267, 272};
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (codes[i] == code)
            return true;
    return !ends && is_retryable(code);
}

void labels_append(const struct request *request, int32_t code, int32_t concern_code)
{
    bool ends = request->command != NULL && (request->command->flags & COMMAND_ENDS) != 0;
    bool inside = request->numbered == PART_TRANSACTION;
    bool commits = ends && request->command->name[0] == 'c';
    const char *label = NULL;
    bson_t labels;
    if (request->order.labels != NULL) {
        if (!bson_empty(request->order.labels))
            value_append_array(request->reply, "errorLabels", -1, request->order.labels);
        return;
    }
    if (inside &&
        (is_transient(code, ends) || (code == FAILURE_NO_SUCH_TRANSACTION && (!ends || commits))))
        label = "TransientTransactionError";
    else if ((ends || request->numbered == PART_RETRYABLE) &&
             (is_retryable(code) || is_retryable(concern_code)))
        label = "RetryableWriteError";
    if (label == NULL)
        return;
    bson_append_array_begin(request->reply, "errorLabels", -1, &labels);
    bson_append_utf8(&labels, "0", 1, label, -1);
    bson_append_array_end(request->reply, &labels);
}
