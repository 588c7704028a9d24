/* SPDX-License-Identifier: Apache-2.0
 *
 * base: see base.h. die() and must_failed() print one line and leave with exit(), so that exit
 * handlers (the driver's, the terminal's, those that remove private folders) still run. Whoever
 * words a line quotes connection strings through uri.h, which shows what is harmless; here, where
 * all lines pass, users and passwords are taken out of what was quoted as something else (a path,
 * an address).
 */
#include "base.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *durability_name(enum durability durability)
{
    static const char *const names[] = {"write", "sync", "off"};
    return names[durability];
}

/* Cuts "user:password" out of "mongodb://user:password@host", up to the last '@', since a password
 * may hold one. */
static void hide_password(char *text)
{
    static const char *const schemes[] = {"mongodb://", "mongodb+srv://"};
    static const char hidden[] = "***";
    char *at = strrchr(text, '@');
    for (size_t i = 0; i < COUNT_OF(schemes) && at != NULL; i++) {
        char *user = strstr(text, schemes[i]);
        if (user == NULL || (user += strlen(schemes[i])) > at)
            continue;
        size_t shown = (size_t)(at - user) < strlen(hidden) ? (size_t)(at - user) : strlen(hidden);
        memcpy(user, hidden, shown);
        memmove(user + shown, at, strlen(at) + 1);
        at = user + shown;
    }
}

static void say(const char *kind, const char *format, va_list arguments)
{
    char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL; /* out of memory: the kind and the exit code must do */
    if (text != NULL)
        hide_password(text);
    fprintf(stderr, "racebench: %s%s\n", kind, text != NULL ? text : "out of memory");
    free(text);
}

_Noreturn void die(enum exit_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say("", format, arguments);
    va_end(arguments);
    exit((int)code);
}

void warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say("warning: ", format, arguments);
    va_end(arguments);
}

_Noreturn void must_failed(const char *expression, const char *file, int line, const char *function)
{
    die(EXIT_INTERNAL, "internal error: '%s' does not hold at %s:%d in %s; please report it",
        expression, file, line, function);
}

static void *checked(void *memory)
{
    if (memory == NULL)
        die(EXIT_INTERNAL, "out of memory");
    return memory;
}

void *x_malloc(size_t bytes)
{
    return checked(malloc(bytes > 0 ? bytes : 1));
}

void *x_aligned(size_t alignment, size_t bytes)
{
    void *memory = NULL;
    return checked(posix_memalign(&memory, alignment, bytes) == 0 ? memory : NULL);
}

void *x_calloc(size_t count, size_t bytes)
{
    return checked(calloc(count > 0 ? count : 1, bytes > 0 ? bytes : 1));
}

void *x_realloc(void *memory, size_t bytes)
{
    return checked(realloc(memory, bytes > 0 ? bytes : 1));
}

char *x_strdup(const char *text)
{
    return checked(strdup(text));
}

char *x_strndup(const char *text, size_t length)
{
    const char *end = memchr(text, '\0', length); /* `text` need not end with a zero */
    size_t count = end != NULL ? (size_t)(end - text) : length;
    char *copy = x_malloc(count + 1);
    memcpy(copy, text, count);
    copy[count] = '\0';
    return copy;
}

char *x_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return checked(length < 0 ? NULL : text);
}

size_t array_grow(void **items, size_t *count, size_t *capacity, size_t item_bytes)
{
    if (*count == *capacity) {
        *capacity = *capacity > 0 ? *capacity * 2 : 8;
        *items = x_realloc(*items, *capacity * item_bytes);
    }
    return (*count)++;
}

/* A private folder of this process, known by more than its name. */
struct private_folder {
    char *path;
    pid_t owner;
    dev_t device;
    ino_t number;
};

/* At exit: the folder goes, unless it is gone already, or this is a fork of the owner. */
static void remove_private(int status, void *argument)
{
    (void)status;
    struct private_folder *folder = argument;
    struct stat now;
    if (folder->owner == getpid() && lstat(folder->path, &now) == 0 &&
        now.st_dev == folder->device && now.st_ino == folder->number)
        remove_folder(folder->path);
    free(folder->path);
    free(folder);
}

char *make_private_folder(const char *advice)
{
    struct stat made;
    const char *base = getenv("TMPDIR");
    char *folder = x_format("%s/racebench-XXXXXX", base != NULL && base[0] ? base : "/tmp");
    if (mkdtemp(folder) == NULL)
        die(EXIT_TARGET, "cannot make a private folder %s: %s; %s", folder, strerror(errno),
            advice);
    if (lstat(folder, &made) == 0) {
        struct private_folder *keep = x_malloc(sizeof(*keep));
        *keep = (struct private_folder){x_strdup(folder), getpid(), made.st_dev, made.st_ino};
        on_exit(remove_private, keep);
    }
    return folder;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    remove(path);
    return 0;
}

void remove_folder(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int64_t clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t clock_monotonic_tick_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC_COARSE);
}

int64_t clock_wall_tick_ms(void)
{
    return clock_ms(CLOCK_REALTIME_COARSE);
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void random_seed(struct random *random, uint64_t seed)
{
    for (size_t i = 0; i < COUNT_OF(random->state); i++)
        random->state[i] = splitmix(&seed);
}

static uint64_t rotate_left(uint64_t value, int bits)
{
    return (value << bits) | (value >> (64 - bits));
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    must(bound > 0);
    uint64_t unbiased_from = (0 - bound) % bound; /* 2^64 mod bound: values below it are refused */
    for (;;) {
        uint64_t value = random_next(random);
        if (value >= unbiased_from)
            return value % bound;
    }
}

uint64_t random_mix(uint64_t a, uint64_t b)
{
    uint64_t state = a ^ rotate_left(b, 32) ^ (b * 0x9e3779b97f4a7c15u);
    return splitmix(&state);
}

void hash_bytes(struct hash *hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    size_t left = length;
    uint64_t word;
    for (; left >= sizeof(word); at += sizeof(word), left -= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        hash->value = (hash->value ^ word) * HASH_ODD;
        hash->value ^= hash->value >> 64;
    }
    word = 0;
    for (size_t i = 0; i < left; i++)
        word = word << 8 | at[i];
    hash->value = hash_mix(hash->value, (hash128)(length + 1) << 64 | word);
}

uint64_t hash_value(const struct hash *hash)
{
    return (uint64_t)hash_mix(hash->value, 0);
}

hash128 hash_full(const struct hash *hash)
{
    return hash_mix(hash->value, 0);
}
