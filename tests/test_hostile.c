/* SPDX-License-Identifier: Apache-2.0
 *
 * hostile: a `racebench serve` in a process of its own under messages that nobody should send and
 * connections that nobody needs. Messages are built from the fuzz grammar, then bytes are flipped,
 * cut, doubled, and lengths changed. Afterwards the engine still answers, and its memory is what it
 * was: that is looked at from outside, in /proc.
 *
 * RACEBENCH_HOSTILE_MESSAGES and RACEBENCH_HOSTILE_CONNECTIONS say how many (20,000 and 1,000 by
 * default; the label `long` runs 1,000,000 and 10,000); RACEBENCH_SEED repeats a run.
 * labels: engine
 * runs: program
 */
#include "frames.h"
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* What the memory may grow by after the first quarter. Under a sanitizer it is its memory too:
 * AddressSanitizer keeps up to 256 MiB of what was freed, ThreadSanitizer notes about blocks and
 * descriptors (2.4 KB a connection were seen). WiredTiger's cache fills up from one checkpoint to
 * the next one, a minute later: 60 MiB were seen. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { FLAT_BYTES = 512 * 1024 * 1024 };
#else
enum { FLAT_BYTES = 8 * 1024 * 1024 };
#endif
enum { CACHE_BYTES = 256 * 1024 * 1024, BATCH = 4 };

struct hostile {
    struct fixture fixture;
    pid_t server;
    int64_t flat_bytes; /* what its memory may grow by */
    struct random random;
};

static int64_t number_of(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoll(text, NULL, 10) : otherwise;
}

/* `store` NULL: the default one. */
static void start_server(struct hostile *hostile, const char *store)
{
    struct fixture *fixture = &hostile->fixture;
    fixture->folder = make_private_folder("");
    fixture->path = x_format("%s/s.sock", fixture->folder);
    hostile->server = fork();
    assert_true(hostile->server >= 0);
    if (hostile->server == 0) {
        int nowhere = open("/dev/null", O_RDWR);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with the test, however that ends */
        dup2(nowhere, STDOUT_FILENO);
        execl(getenv("RACEBENCH_BINARY"), "racebench", "serve", "--socket", fixture->path,
              store != NULL ? "--store" : NULL, store, NULL);
        _exit(127);
    }
    for (int i = 0; access(fixture->path, F_OK) != 0; i++) {
        assert_true(i < 3000); /* 30 s */
        usleep(10000);
    }
}

static void raise_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit); /* the server inherits it */
}

static int start_on(void **state, const char *store)
{
    struct hostile *hostile = x_calloc(1, sizeof *hostile);
    uint64_t seed = (uint64_t)number_of("RACEBENCH_SEED", (int64_t)clock_wall_ms());
    raise_descriptors();
    random_seed(&hostile->random, seed);
    print_message("seed %" PRIu64 "\n", seed);
    start_server(hostile, store);
    hostile->flat_bytes = FLAT_BYTES + (store != NULL ? 0 : CACHE_BYTES);
    *state = hostile;
    return 0;
}

static int setup(void **state)
{
    return start_on(state, NULL);
}

static int setup_memory(void **state)
{
    return start_on(state, "memory");
}

static int teardown(void **state)
{
    struct hostile *hostile = *state;
    int status = 0;
    kill(hostile->server, SIGTERM);
    waitpid(hostile->server, &status, 0);
    rmdir(hostile->fixture.folder);
    free(hostile->fixture.folder);
    free(hostile->fixture.path);
    free(hostile);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

static int64_t resident_bytes(pid_t process)
{
    char path[64];
    long long pages = 0, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)process);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lld %lld", &pages, &resident), 2);
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

/* Sends a command over a connection of its own, which must be answered with ok. */
static void command(struct hostile *hostile, const char *json)
{
    struct reply reply;
    struct buffer message = {0};
    int client = connect_to(&hostile->fixture);
    begin_msg(&message, 9, 0);
    append_body(&message, json);
    finish(&message);
    send_all(client, message.bytes, message.length);
    assert_true(receive(client, &reply));
    assert_true(ok_of(&reply) == 1.0);
    bson_destroy(reply.body);
    buffer_release(&message);
    close(client);
}

/* Ends the transactions that messages have left open, behind which others are parked. */
static void end_transactions(struct hostile *hostile)
{
    command(hostile, "{\"killAllSessions\": [], \"$db\": \"admin\"}");
}

/* The server lives, and holds nothing that was written to it. */
static int64_t resident_when_empty(struct hostile *hostile)
{
    end_transactions(hostile);
    command(hostile, "{\"dropDatabase\": 1, \"$db\": \"fuzz\"}");
    return resident_bytes(hostile->server);
}

static uint32_t below(struct hostile *hostile, uint32_t bound)
{
    return (uint32_t)random_below(&hostile->random, bound);
}

/* Flips a byte, overwrites an int32 with an edge of its range, cuts, or appends; half of the time
 * nothing. */
static void mutate(struct hostile *hostile, struct buffer *message)
{
    static const int32_t edges[] = {0, -1, 5, 15, 16, INT32_MAX, INT32_MIN, 48000000, 48000001};
    size_t at = below(hostile, (uint32_t)message->length - 4);
    switch (below(hostile, 8)) {
    case 0:
        message->bytes[at] = (uint8_t)below(hostile, 256);
        break;
    case 1:
        buffer_patch_int32(message, at, edges[below(hostile, 9)]);
        break;
    case 2: /* the length stays what it was, or says what is there */
        message->length = at + 4;
        if (below(hostile, 2) && message->length >= 16)
            buffer_patch_int32(message, 0, (int32_t)message->length);
        break;
    case 3: /* in two steps: what is appended must not be what grows */
        for (size_t i = 0; i < at; i++)
            buffer_byte(message, message->bytes[i]);
        break;
    default:
        break;
    }
}

static void append_message(struct hostile *hostile, struct buffer *batch)
{
    uint8_t choices[96];
    struct buffer message = {0};
    bson_t command = BSON_INITIALIZER;
    for (size_t i = 0; i < sizeof choices; i++)
        choices[i] = (uint8_t)below(hostile, 256);
    struct fuzz_input input = {choices, 8 + below(hostile, sizeof choices - 8)};
    fuzz_command(&input, &command, true);
    begin_msg(&message, 1, 0);
    buffer_byte(&message, 0);
    buffer_append(&message, bson_get_data(&command), command.len);
    finish(&message);
    mutate(hostile, &message);
    buffer_append(batch, message.bytes, message.length);
    buffer_release(&message);
    bson_destroy(&command);
}

/* Sends a batch, says that nothing more comes, and reads until the server closes. */
static void send_batch(struct hostile *hostile)
{
    struct buffer batch = {0};
    char bytes[65536];
    int client = connect_to(&hostile->fixture);
    for (int i = 0; i < BATCH; i++)
        append_message(hostile, &batch);
    send_all(client, batch.bytes, batch.length);
    shutdown(client, SHUT_WR);
    for (;;) {
        struct pollfd wait = {.fd = client, .events = POLLIN};
        int waits = 0;
        while (poll(&wait, 1, 50) == 0) { /* a command may be parked */
            assert_true(waits++ < 600);
            end_transactions(hostile);
        }
        if (recv(client, bytes, sizeof bytes, 0) <= 0)
            break;
    }
    close(client);
    buffer_release(&batch);
}

static void test_messages(void **state)
{
    struct hostile *hostile = *state;
    int64_t batches = number_of("RACEBENCH_HOSTILE_MESSAGES", 20000) / BATCH, warm = 0;
    for (int64_t i = 0; i < batches; i++) {
        send_batch(hostile);
        if (i % 512 == 511 || i == batches - 1) {
            int64_t now = resident_when_empty(hostile);
            warm = i >= batches / 4 && warm == 0 ? now : warm;
            if (warm > 0 && now > warm + hostile->flat_bytes)
                fail_msg("memory grew from %" PRId64 " to %" PRId64 " bytes", warm, now);
        }
    }
    print_message("%" PRId64 " messages, resident %" PRId64 " KiB\n", batches * BATCH,
                  resident_bytes(hostile->server) / 1024);
}

static int descriptors(pid_t process)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)process);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* Opens connections that begin a message and never end it, or say nothing, and closes them. The
 * server has seen that when this returns: else the next wave would meet its limit on them. */
static void wave(struct hostile *hostile, int count)
{
    int *clients = x_calloc((size_t)count, sizeof *clients);
    struct buffer message = {0};
    int before = descriptors(hostile->server);
    ping(&message, 1);
    for (int i = 0; i < count; i++) {
        clients[i] = connect_to(&hostile->fixture);
        if (i % 2 == 0)
            send_all(clients[i], message.bytes, 1 + (size_t)i % (message.length - 1));
    }
    expect_alive(&hostile->fixture);
    for (int i = 0; i < count; i++)
        close(clients[i]);
    for (int waits = 0; descriptors(hostile->server) > before; waits++) {
        assert_true(waits < 3000); /* 30 s */
        usleep(10000);
    }
    free(clients);
    buffer_release(&message);
}

static void test_connections(void **state)
{
    struct hostile *hostile = *state;
    struct rlimit limit;
    int count = (int)number_of("RACEBENCH_HOSTILE_CONNECTIONS", 1000);
    getrlimit(RLIMIT_NOFILE, &limit);
    if ((rlim_t)count + 100 > limit.rlim_cur) {
        print_message("only %ju descriptors: not run\n", (uintmax_t)limit.rlim_cur);
        skip();
    }
    wave(hostile, count);
    int64_t first = resident_when_empty(hostile);
    for (int i = 0; i < 3; i++)
        wave(hostile, count);
    int64_t last = resident_when_empty(hostile);
    print_message("%d connections, four times: resident %" PRId64 ", then %" PRId64 " KiB\n", count,
                  first / 1024, last / 1024);
    assert_true(last <= first + hostile->flat_bytes);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {"test_messages", test_messages, setup, teardown, NULL},
        {"test_messages_memory", test_messages, setup_memory, teardown, NULL},
        {"test_connections", test_connections, setup_memory, teardown, NULL},
    };
    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
