/* SPDX-License-Identifier: Apache-2.0
 *
 * jitter: a library to be preloaded (LD_PRELOAD) that now and then delays a thread where it takes
 * or gives back a mutex, for up to some milliseconds: what a busy machine does once in a thousand
 * runs happens in each. JITTER_OFTEN is how many of 1,000 such moments are delayed (default 10),
 * JITTER_US for how long at most (default 3000). The delays are drawn from time and thread, since
 * the order of threads cannot be repeated anyway.
 *
 * libmongoc's own mutexes are left alone: its 1.23.1 looks at a server session after it has given
 * that back (mongoc_ts_pool_return), when another thread may have freed it after a lost reply.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long setting(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? atol(text) : otherwise;
}

static bool is_libmongoc(const void *caller)
{
    Dl_info where;
    return dladdr(caller, &where) != 0 && strstr(where.dli_fname, "libmongoc") != NULL;
}

static void delay(const void *caller)
{
    static __thread unsigned short state[3];
    static __thread long often, longest_us;
    if (longest_us == 0) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        state[0] = (unsigned short)now.tv_nsec;
        state[1] = (unsigned short)(now.tv_nsec >> 16);
        state[2] = (unsigned short)gettid();
        often = setting("JITTER_OFTEN", 10);
        longest_us = setting("JITTER_US", 3000);
    }
    if (nrand48(state) % 1000 >= often || is_libmongoc(caller))
        return;
    struct timespec time = {0, nrand48(state) % longest_us * 1000};
    nanosleep(&time, NULL);
}

typedef int mutex_function(pthread_mutex_t *);

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static mutex_function *next;
    if (next == NULL)
        next = (mutex_function *)dlsym(RTLD_NEXT, "pthread_mutex_lock");
    delay(__builtin_return_address(0));
    return next(mutex);
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    static mutex_function *next;
    if (next == NULL)
        next = (mutex_function *)dlsym(RTLD_NEXT, "pthread_mutex_unlock");
    int error = next(mutex);
    delay(__builtin_return_address(0));
    return error;
}
