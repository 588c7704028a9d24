/* SPDX-License-Identifier: Apache-2.0
 *
 * path: see path.h.
 */
#include "path.h"

#include "value.h"
#include <string.h>

bool path_check(const char *path, struct failure *failure)
{
    for (int depth = 1;; depth++) {
        size_t length = path_part(path);
        if (length == 0)
            return failure_set(failure, FAILURE_FIELD_PATH_EMPTY,
                               "FieldPath field names may not be empty strings.");
        if (path[0] == '$')
            return failure_set(failure, FAILURE_FIELD_PATH_DOLLAR,
                               "FieldPath field names may not start with '$'.");
        if (depth > VALUE_DEPTH_MAX)
            return failure_set(failure, FAILURE_OVERFLOW, "FieldPath is too long");
        if (path[length] == '\0')
            return true;
        path += length + 1;
    }
}

bool path_overlaps(const char *a, const char *b)
{
    size_t a_length = strlen(a), b_length = strlen(b);
    size_t shorter = a_length < b_length ? a_length : b_length;
    const char *longer = a_length < b_length ? b : a;
    return strncmp(a, b, shorter) == 0 && (longer[shorter] == '.' || longer[shorter] == '\0');
}
