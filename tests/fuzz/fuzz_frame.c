/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_frame: bytes from a socket, as wire.c sees them. What it accepts must be a well-formed
 * document, and whether it accepts must not depend on how the bytes were cut into reads.
 */
#include "document/value.h"
#include "engine/wire.h"
#include "fuzz.h"

#include <stdlib.h>

/* No beginning of a sound message may be called garbage. */
static void check_prefixes(struct slice whole)
{
    size_t length;
    for (size_t cut = 0; cut < whole.length && cut < 32; cut++)
        if (wire_frame((struct slice){whole.bytes, cut}, &length) != WIRE_PARTIAL)
            fuzz_finding("%zu bytes of a message of %zu are not partial", cut, whole.length);
}

static void check_reply(const struct wire_message *message, const bson_t *body)
{
    struct buffer out = {0}, merged = {0};
    struct wire_message again;
    size_t length;
    bson_t copy;
    wire_append_reply(&out, message, 7, body);
    if (!message->legacy) {
        if (wire_frame(buffer_slice(&out), &length) != WIRE_COMPLETE || length != out.length)
            fuzz_finding("a reply of %zu bytes is no frame", out.length);
        if (!wire_parse(buffer_slice(&out), &merged, &again, &copy) || !bson_equal(&copy, body))
            fuzz_finding("a reply does not read back");
    }
    buffer_release(&out);
    buffer_release(&merged);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct slice rest = {bytes, length};
    struct buffer merged = {0};
    size_t frame = 0;
    while (wire_frame(rest, &frame) == WIRE_COMPLETE) {
        struct wire_message message;
        bson_t body;
        check_prefixes((struct slice){rest.bytes, frame});
        if (!wire_parse((struct slice){rest.bytes, frame}, &merged, &message, &body))
            break;
        if (value_malformed(bson_get_data(&body), body.len))
            fuzz_finding("a malformed body of %u bytes was accepted", body.len);
        char *json = bson_as_relaxed_extended_json(&body, NULL);
        bson_free(json);
        if (body.len < 1000000)
            check_reply(&message, &body);
        rest = (struct slice){rest.bytes + frame, rest.length - frame};
    }
    buffer_release(&merged);
    return 0;
}
