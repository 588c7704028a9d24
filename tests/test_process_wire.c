/* SPDX-License-Identifier: Apache-2.0
 *
 * process_wire: frames come out as they went in however the pipe cuts them, everything else is
 * refused, and every worker of a cell lives in exactly one process, together with its instance.
 */
#include "process_wire.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

static struct frame_buffer sample(int frames)
{
    struct frame_buffer buffer = {0};
    struct process_settled settled;
    memset(&settled, 0, sizeof(settled));
    for (int i = 0; i < frames; i++) {
        settled.event.operation = OPERATION_ID(i, i);
        frame_append(&buffer, &(struct frame){.kind = i % 2 == 0 ? FRAME_EVENT : FRAME_BEAT,
                                              .worker = i,
                                              .body = (const uint8_t *)&settled,
                                              .length = i % 2 == 0 ? sizeof(settled) : 0});
    }
    return buffer;
}

/* Reads all frames of a stream that comes in pieces of `piece` bytes; false: one was bad. */
static bool read_all(const struct frame_buffer *stream, size_t piece, int *count)
{
    struct frame_reader reader = {0};
    struct frame frame;
    enum frame_state state = FRAME_MORE;
    *count = 0;
    for (size_t at = 0; at < stream->count && state != FRAME_BAD; at += piece) {
        size_t left = stream->count - at;
        frame_reader_add(&reader, stream->bytes + at, left < piece ? left : piece);
        while ((state = frame_next(&reader, &frame)) == FRAME_READY) {
            assert_int_equal(frame.worker, *count);
            if (frame.kind == FRAME_EVENT) {
                struct process_settled settled;
                memcpy(&settled, frame.body, sizeof(settled));
                assert_true(settled.event.operation == OPERATION_ID(*count, *count));
            }
            ++*count;
        }
    }
    frame_reader_free(&reader);
    return state != FRAME_BAD;
}

static void frames_survive_any_cut(void **state)
{
    (void)state;
    struct frame_buffer stream = sample(50);
    for (size_t piece = 1; piece < 700; piece += 7) {
        int count;
        assert_true(read_all(&stream, piece, &count));
        assert_int_equal(count, 50);
    }
    free(stream.bytes);
}

/* The head: magic, version, kind, worker, length. */
static void what_is_no_frame_is_refused(void **state)
{
    (void)state;
    static const size_t places[] = {0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct frame_buffer stream = sample(1);
        int count;
        stream.bytes[places[i]] ^= 0x41;
        assert_false(read_all(&stream, stream.count, &count));
        free(stream.bytes);
    }
}

/* Nobody waits for what the head alone shows to be nonsense. */
static void a_length_beyond_reason_is_refused_at_once(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {(16 << 20) + 1, UINT32_MAX};
    enum { HEAD_BYTES = 16, LENGTH_AT = 12 };
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct frame_buffer stream = {0};
        int count;
        frame_append(&stream, &(struct frame){.kind = FRAME_ARRIVED});
        assert_int_equal(stream.count, HEAD_BYTES);
        memcpy(stream.bytes + LENGTH_AT, &lengths[i], sizeof(lengths[i]));
        assert_false(read_all(&stream, stream.count, &count));
        free(stream.bytes);
    }
}

static void a_frame_cut_short_never_comes_out(void **state)
{
    (void)state;
    struct frame_buffer stream = sample(1);
    size_t whole = stream.count;
    for (stream.count = 0; stream.count < whole; stream.count++) {
        int count;
        assert_true(read_all(&stream, 4096, &count));
        assert_int_equal(count, 0);
    }
    free(stream.bytes);
}

static void every_worker_has_a_process(void **state)
{
    (void)state;
    for (int32_t processes = 1; processes <= 5; processes++)
        for (int32_t instances = processes; instances <= 12; instances++) {
            struct cell cell = {.workers = 40, .instances = instances, .processes = processes};
            int lives[5] = {0};
            for (int32_t w = 0; w < cell.workers; w++) {
                int32_t process = crew_process_of(&cell, w);
                assert_in_range(process, 0, processes - 1);
                lives[process]++;
                assert_int_equal(process, crew_process_of(&cell, w % instances)); /* one instance */
            }
            for (int32_t p = 0; p < processes; p++)
                assert_true(lives[p] > 0);
        }
}

/* Two sets of hazards, as in two processes, strike as often as planned together. */
static void a_shared_tally_counts_for_all(void **state)
{
    (void)state;
    struct hazard_tally tally;
    memset(&tally, 0, sizeof(tally));
    struct cell cell = {.ops = 1000,
                        .processes = 2,
                        .instances = 2,
                        .hazards = HAZARD_BIT(none) | HAZARD_BIT(boot),
                        .hazard = {[HAZARD_INDEX_boot] = {.times = 8}}};
    struct hazards *one = hazards_new(&cell, &tally);
    struct hazards *other = hazards_new(&cell, &tally);
    int struck = 0;
    for (int i = 0; i < 1000; i++)
        struck += hazards_strike(i % 3 == 0 ? one : other, HAZARD_INDEX_boot);
    assert_int_equal(struck, 8);
    assert_int_equal(hazards_hits(one, HAZARD_INDEX_boot), 8);
    assert_int_equal(hazards_hits(other, HAZARD_INDEX_boot), 8);
    hazards_free(one);
    hazards_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_survive_any_cut),
        cmocka_unit_test(what_is_no_frame_is_refused),
        cmocka_unit_test(a_length_beyond_reason_is_refused_at_once),
        cmocka_unit_test(a_frame_cut_short_never_comes_out),
        cmocka_unit_test(every_worker_has_a_process),
        cmocka_unit_test(a_shared_tally_counts_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
