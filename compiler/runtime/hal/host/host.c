/* SPDX-License-Identifier: Apache-2.0
 *
 * The host: memory copies, nanoseconds, and cores that are either POSIX threads (-DDSE_THREADS=1) or run one
 * after another. DSE_CORES is the number of cores, by default 8 with threads and 1 without.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../port.h"

#ifndef DSE_THREADS
#define DSE_THREADS 0
#endif
#ifndef DSE_CORES
#define DSE_CORES (DSE_THREADS ? 8 : 1)
#endif
_Static_assert(DSE_CORES >= 1 && DSE_CORES <= DSE_MAX_CORES, "DSE_CORES is out of range");

void dse_port_move(void *dst, const void *src, uint32_t bytes) { memmove(dst, src, bytes); }

uint32_t dse_cores(void) { return DSE_CORES; }

uint64_t dse_cycles(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void dse_putchar(char c) { putchar(c); }

void dse_exit(int code) { exit(code); } /* flushes stdio */

#if DSE_THREADS
#include <pthread.h>

/* One lock and one condition for everything: a fork is a generation that workers wait for, a barrier is a
 * generation that its last arrival opens. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint32_t fork_generation, fork_running, barrier_generation, barrier_arrived;
static dse_task fork_fn;
static const void *fork_arg;

static void leave_fork(void) {
    pthread_mutex_lock(&lock);
    if (--fork_running == 0u) pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void *worker(void *core_as_pointer) {
    const uint32_t core = (uint32_t)(uintptr_t)core_as_pointer;
    for (uint32_t seen = 0;;) {
        pthread_mutex_lock(&lock);
        while (fork_generation == seen) pthread_cond_wait(&changed, &lock);
        seen = fork_generation;
        pthread_mutex_unlock(&lock);
        fork_fn(core, DSE_CORES, fork_arg);
        leave_fork();
    }
    return NULL;
}

static void start_workers(void) {
    static bool started;
    if (started) return;
    started = true;
    for (uintptr_t core = 1; core < DSE_CORES; core++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, worker, (void *)core)) dse_fatal("no thread for a core");
        pthread_detach(thread);
    }
}

void dse_fork(dse_task fn, const void *arg) {
    start_workers();
    pthread_mutex_lock(&lock);
    fork_fn = fn;
    fork_arg = arg;
    fork_running = DSE_CORES;
    fork_generation++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    fn(0u, DSE_CORES, arg);
    leave_fork();
    pthread_mutex_lock(&lock);
    while (fork_running) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    dse_counters_fold();
}

void dse_barrier(void) {
    pthread_mutex_lock(&lock);
    const uint32_t mine = barrier_generation;
    if (++barrier_arrived == DSE_CORES) {
        barrier_arrived = 0u;
        barrier_generation++;
        pthread_cond_broadcast(&changed);
    }
    while (barrier_generation == mine) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

#else

void dse_fork(dse_task fn, const void *arg) {
    for (uint32_t core = 0; core < DSE_CORES; core++) fn(core, DSE_CORES, arg);
    dse_counters_fold();
}

void dse_barrier(void) {
    if (DSE_CORES > 1) dse_fatal("a barrier needs cores side by side: build with -DDSE_THREADS=1 or one core");
}

#endif
