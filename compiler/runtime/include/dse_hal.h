/* SPDX-License-Identifier: Apache-2.0
 *
 * The hardware abstraction that generated networks and kernels stand on: asynchronous copies between memory
 * levels, fork/join over cores, an NPU job queue (dse_npu.h), counters, console and exit. C11, freestanding
 * headers only, no heap.
 *
 * Roles. The *controller* is the code outside dse_fork: it alone issues copies and NPU jobs, waits for them,
 * and opens and closes layers. Forked code (kernels) computes, counts MACs and may call dse_barrier.
 *
 * A target implements this header in runtime/hal/<target>/; the sources in runtime/hal/ itself are shared by
 * the targets whose transfers are made by a copy loop and whose NPU is the functional model.
 */
#ifndef DSE_HAL_H
#define DSE_HAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DSE_MAX_CORES 64u

/* ---- Memory levels --------------------------------------------------------------------------------------
 * Arenas are uninitialised arrays placed by these attributes; the ".bss." prefix keeps them out of the file.
 * Constant data with a persistent origin goes to DSE_ROM sections by weights.S (see project.mk). */
#define DSE_IN_SECTION(name) __attribute__((section(name), aligned(16)))
#define DSE_L1 DSE_IN_SECTION(".bss.dse_l1")
#define DSE_L2 DSE_IN_SECTION(".bss.dse_l2")
#define DSE_L3 DSE_IN_SECTION(".bss.dse_l3")
#define DSE_WM_SRAM DSE_IN_SECTION(".bss.dse_wm.sram")
#define DSE_WM_MRAM DSE_IN_SECTION(".bss.dse_wm.mram")

/* Small state that is used at every call: near the cores, where a target has such a place. */
#define DSE_STATE __attribute__((section(".bss.dse_state")))

/* ---- Asynchronous transfers -------------------------------------------------------------------------- */

/* A link is a direction between two levels, named FROM_TO. WM is the NPU's weight memory. */
typedef enum {
    DSE_LINK_L2_L1,
    DSE_LINK_L1_L2,
    DSE_LINK_L3_L2,
    DSE_LINK_L2_L3,
    DSE_LINK_L3_L1,
    DSE_LINK_L1_L3,
    DSE_LINK_L2_WM,
    DSE_LINK_L3_WM,
    DSE_LINK_WM_L1,
    DSE_LINK_L1_L1, /* within L1: here alone buffers may overlap, if the destination lies before the source */
    DSE_LINKS
} dse_link;

/* Names the completion of one transfer. DSE_DONE is a ticket that is always complete. */
typedef uint32_t dse_ticket;
#define DSE_DONE ((dse_ticket)0)

/* Both buffers belong to the transfer from the call until its ticket was waited for: the source must not be
 * written, the destination neither read nor written. Transfers issued on one link complete in order, so a
 * wait covers every earlier ticket of the same link; different links are not ordered. A pointer to a level
 * that is not memory mapped (an external RAM) is an address in that level's own space, read by the HAL only.
 * Sizes are in bytes and not zero; buffers need no alignment. Ends in dse_fatal on a zero size. */
dse_ticket dse_copy_1d(dse_link link, void *dst, const void *src, uint32_t bytes);

/* Copies `lines` lines of `line_bytes`; strides are the bytes from one line's first byte to the next line's.
 * Counts as one transfer, `lines` lines, line_bytes * lines bytes. */
dse_ticket dse_copy_2d(dse_link link, void *dst, const void *src, uint32_t line_bytes, uint32_t lines,
                       uint32_t dst_stride, uint32_t src_stride);

/* Returns when the transfer, and every earlier one of its link, is complete. */
void dse_wait(dse_ticket ticket);

/* Completes everything in flight on all links (not the NPU's jobs). */
void dse_wait_all(void);

/* ---- Cores ------------------------------------------------------------------------------------------- */

/* Part `core` of `ncores` of a kernel; core in [0, ncores). */
typedef void (*dse_task)(uint32_t core, uint32_t ncores, const void *arg);

/* Number of cores that dse_fork uses, in [1, DSE_MAX_CORES]. */
uint32_t dse_cores(void);

/* Runs fn(core, ncores, arg) once for every core and returns when all are finished. Not reentrant. The host
 * without DSE_THREADS runs the cores one after another, 0 first. */
void dse_fork(dse_task fn, const void *arg);

/* Inside a fork: returns when every core has called it. Every core must call it equally often. It needs
 * cores that really run side by side: the sequential host with more than one core ends in dse_fatal. */
void dse_barrier(void);

/* ---- Counters ---------------------------------------------------------------------------------------- */

/* The target's clock, monotonic. host: nanoseconds. rv32: instructions on the critical path, that is hart 0's
 * outside forks and, between two synchronisation points, those of the slowest hart; waiting is not counted. */
uint64_t dse_cycles(void);

typedef struct {
    uint64_t transfers, lines, bytes;
} dse_link_counters;

typedef struct {
    uint64_t calls;    /* kernel launches (dse_count_call) */
    uint64_t macs;     /* multiply-accumulates counted by kernels on cores */
    uint64_t npu_jobs; /* jobs submitted */
    uint64_t npu_macs; /* multiply-accumulates of these jobs, without padding of channels or tiles */
    uint64_t cycles;   /* per layer: dse_cycles() between begin and end; unused in the global counters */
    dse_link_counters link[DSE_LINKS];
} dse_counter_set;

/* Compiled in with -DDSE_COUNTERS=1; otherwise every call below is empty. */
#ifndef DSE_COUNTERS
#define DSE_COUNTERS 0
#endif

#if DSE_COUNTERS
extern dse_counter_set dse_counters;          /* since dse_counters_reset */
extern uint32_t dse_core_macs[DSE_MAX_CORES]; /* counted since the last join: less than 2^32 */

/* Zeroes the global counters, and gives the array (n sets, zeroed here; may be NULL) that layers add to. */
void dse_counters_reset(dse_counter_set *per_layer, uint32_t n);

/* What the counters move by between begin and end is added to per_layer[layer]; a layer may run in several
 * pieces. At most one layer is open at a time: begin closes the one before. An index >= n is ignored. */
void dse_layer_begin(uint32_t layer);
void dse_layer_end(uint32_t layer);

/* By the controller, once for every kernel launch. */
static inline void dse_count_call(void) { dse_counters.calls++; }
/* By forked code, for the work that this core did; also by the controller, as core 0. */
static inline void dse_count_macs(uint32_t core, uint64_t macs) { dse_core_macs[core] += (uint32_t)macs; }
#else
static inline void dse_counters_reset(dse_counter_set *per_layer, uint32_t n) { (void)per_layer, (void)n; }
static inline void dse_layer_begin(uint32_t layer) { (void)layer; }
static inline void dse_layer_end(uint32_t layer) { (void)layer; }
static inline void dse_count_call(void) {}
static inline void dse_count_macs(uint32_t core, uint64_t macs) { (void)core, (void)macs; }
#endif

/* ---- Console and exit -------------------------------------------------------------------------------- */

void dse_putchar(char c);
void dse_puts(const char *text); /* without a newline of its own */
void dse_put_u64(uint64_t value);
void dse_put_i32(int32_t value);
void dse_put_hex(uint32_t value); /* eight digits */

/* Flushes the console and ends the program; code in [0, 255]. */
_Noreturn void dse_exit(int code);

/* A broken precondition: prints "fatal: <what>" and exits with DSE_EXIT_FATAL. */
#define DSE_EXIT_FATAL 134
_Noreturn void dse_fatal(const char *what);

#endif
