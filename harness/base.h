/* SPDX-License-Identifier: Apache-2.0
 *
 * base: the few things that every room needs. Ending with a documented exit code, allocation that
 * cannot fail, one monotonic clock, seeded random numbers, a hash, a growing array. Nothing here
 * knows about databases, workers or strategies, and nothing here keeps state of its own.
 */
#ifndef RACEBENCH_BASE_H
#define RACEBENCH_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit codes, as printed by --help. Over several cells the first of BROKEN, INTERRUPTED, UNKNOWN,
 * GATE, OK that occurred is the program's (plan.c). */
enum exit_code {
    EXIT_OK = 0,            /* everything as expected */
    EXIT_BROKEN = 1,        /* correctness broken: an update was lost, doubled, ... */
    EXIT_UNKNOWN = 2,       /* no verdict: nothing was proved in either direction */
    EXIT_GATE = 3,          /* a performance gate failed */
    EXIT_USAGE = 64,        /* the command line is wrong */
    EXIT_INPUT = 65,        /* an input file cannot be read or makes no sense */
    EXIT_TARGET = 69,       /* the target is missing or lacks what is needed */
    EXIT_INTERNAL = 70,     /* racebench itself is at fault */
    EXIT_RESULTS = 74,      /* results cannot be written */
    EXIT_WORKER = 76,       /* an external worker broke the protocol */
    EXIT_INTERRUPTED = 130, /* SIGINT: partial results were written and marked */
    EXIT_TERMINATED = 143,  /* SIGTERM: likewise */
};

/* When a write is acknowledged, of files and of the embedded engine; the first is the default. */
enum durability {
    DURABILITY_WRITE, /* when it outlives the process: written, not flushed */
    DURABILITY_SYNC,  /* when it is on the disk */
    DURABILITY_OFF,   /* at once */
};
/* Its name on the command line. */
const char *durability_name(enum durability);

/* Ends the program with `code` after one line "racebench: ..." on stderr. For environment errors,
 * at the place where they are known; contention is data and never ends here. Of a connection string
 * in it neither user nor password are shown. */
_Noreturn void die(enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One line "racebench: warning: ..." on stderr. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Checks what only a mistake in this program can make false; never compiled out. Ends with
 * EXIT_INTERNAL and the place. */
#define must(expression)                                                                           \
    ((expression) ? (void)0 : must_failed(#expression, __FILE__, __LINE__, __func__))
_Noreturn void must_failed(const char *expression, const char *file, int line,
                           const char *function);

/* Allocation that cannot fail: these end with EXIT_INTERNAL when memory is out. The caller owns
 * the result and gives it back with free(). x_calloc zeroes. x_aligned is for what holds a bson_t,
 * which asks for more alignment than malloc() gives. */
void *x_malloc(size_t bytes);
void *x_aligned(size_t alignment, size_t bytes);
void *x_calloc(size_t count, size_t bytes);
void *x_realloc(void *memory, size_t bytes);
char *x_strdup(const char *text);
char *x_strndup(const char *text, size_t length);
/* A new string by printf's rules; the caller frees it. */
char *x_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes room for one more item in a growing array and returns its index: doubles `*items`
 * (of `item_bytes` each) when `*count` has reached `*capacity`, then counts the new one. */
size_t array_grow(void **items, size_t *count, size_t *capacity, size_t item_bytes);

/* Makes a new folder under $TMPDIR (or /tmp) that only this user may enter; the caller removes it
 * and frees the path; what is left of it when the program ends by exit() goes then. Ends with
 * EXIT_TARGET and the `advice` when it cannot. */
char *make_private_folder(const char *advice);
/* Removes a folder and all that is in it; what cannot be removed stays. Follows no links. */
void remove_folder(const char *path);

/* Nanoseconds on CLOCK_MONOTONIC: the one clock of histories and histograms. */
int64_t clock_monotonic_ns(void);
/* Milliseconds since 1970 on CLOCK_REALTIME: what an application's "now" reads. */
int64_t clock_wall_ms(void);
/* Both in milliseconds as of the kernel's latest tick, 1 to 10 ms ago: for who asks often. */
int64_t clock_monotonic_tick_ms(void);
int64_t clock_wall_tick_ms(void);

/* A seeded generator (xoshiro256**, Blackman and Vigna 2018; seeded through splitmix64). The same
 * seed gives the same numbers on every machine. Not for secrets. */
struct random {
    uint64_t state[4];
};
void random_seed(struct random *, uint64_t seed);
uint64_t random_next(struct random *);
/* A number in [0, bound), without bias; bound must be > 0. */
uint64_t random_below(struct random *, uint64_t bound);
/* Mixes two numbers into a seed, so that (seed, worker) gives every worker a stream of its own. */
uint64_t random_mix(uint64_t a, uint64_t b);

/* A hash wide enough to stand for the thing itself: that of 2^32 different ones some two have the
 * same has a chance of 2^-65, where 64 bits would have even odds. */
__extension__ typedef unsigned __int128 hash128;

#define HASH_WIDE(high, low) ((hash128)UINT64_C(high) << 64 | UINT64_C(low))
/* The multiplier of PCG's 128-bit generator (O'Neill 2014). */
#define HASH_ODD HASH_WIDE(0x2360ed051fc65da4, 0x4385df649fccf645)

/* Mixes a second number into a first: not commutative. */
static inline hash128 hash_mix(hash128 a, hash128 b)
{
    const hash128 step = HASH_WIDE(0x9e3779b97f4a7c15, 0xf39cc0605cedc834);
    hash128 x = (a ^ (b + step + (a << 6) + (a >> 2))) * HASH_ODD;
    return x ^ x >> 64;
}

/* A running hash, for state keys and history hashes: equal calls with equal bytes give equal
 * values, of 64 or 128 bits; not cryptographic. */
struct hash {
    hash128 value;
};
void hash_bytes(struct hash *, const void *bytes, size_t length);
static inline void hash_init(struct hash *hash)
{
    hash->value = HASH_WIDE(0x6c62272e07bb0142, 0x62b821756295c58d);
}
static inline void hash_add(struct hash *hash, hash128 value)
{
    hash->value = hash_mix(hash->value, value);
}
static inline void hash_u64(struct hash *hash, uint64_t value)
{
    hash_add(hash, value);
}
uint64_t hash_value(const struct hash *);
hash128 hash_full(const struct hash *);

/* Number of elements of an array that is in scope as an array. */
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
