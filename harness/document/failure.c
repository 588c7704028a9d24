/* SPDX-License-Identifier: Apache-2.0
 *
 * failure: see failure.h; the codes and their names are in failure.def.
 */
#include "failure.h"

#include "base.h"
#include <stdio.h>
#include <string.h>

static const struct {
    int code;
    const char *name;
} names[] = {
#define NAMED(code, identifier, name) {(code), #name},
#define LOCATED(code, identifier)
#include "failure.def"
#undef NAMED
#undef LOCATED
};

/* Cuts a text that was too long at the beginning of a character, since replies must be UTF-8. */
static void cut_at_character(char *text, size_t length)
{
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    text[length] = '\0';
}

bool failure_set(struct failure *failure, enum failure_code code, const char *format, ...)
{
    char message[sizeof failure->message + 4]; /* an argument may be the message before */
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof failure->message)
        cut_at_character(message, sizeof failure->message - 1);
    failure_reset(failure);
    memcpy(failure->message, message, strlen(message) + 1);
    failure->code = code;
    return false;
}

const char *failure_name(enum failure_code code, char *buffer)
{
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (names[i].code == (int)code)
            return names[i].name;
    snprintf(buffer, 32, "Location%d", (int)code);
    return buffer;
}

void failure_reset(struct failure *failure)
{
    if (failure->detail != NULL)
        bson_destroy(failure->detail);
    failure->detail = NULL;
    failure->code = FAILURE_NONE;
    failure->message[0] = '\0';
}
