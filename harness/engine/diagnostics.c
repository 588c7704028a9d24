/* SPDX-License-Identifier: Apache-2.0
 *
 * diagnostics: see diagnostics.h. libbson reads the JSON; these commands are rare.
 */
#include "diagnostics.h"

#include "base.h"
#include <stdio.h>

bool diagnostics_reply(struct request *request, const char *format, ...)
{
    char json[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(json, sizeof json, format, arguments);
    va_end(arguments);
    must(length >= 0 && length < (int)sizeof json);
    bson_t *fields = bson_new_from_json((const uint8_t *)json, length, NULL);
    must(fields != NULL);
    bson_concat(request->reply, fields);
    bson_destroy(fields);
    return true;
}
