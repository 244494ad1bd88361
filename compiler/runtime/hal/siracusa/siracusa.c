/* SPDX-License-Identifier: Apache-2.0
 *
 * Bare-metal Siracusa: the cluster's start, forks and barriers over the event unit, clock, console and exit.
 * Core 0 of the cluster is the controller; the fabric controller only starts it.
 */
#include "../port.h"
#include "regs.h"

extern const char __dse_cores[]; /* cores.S; an absolute symbol: its address is the number */
int main(void);
void dse_npu_start(void); /* npu.c */

uint32_t dse_cores(void) { return (uint32_t)(uintptr_t)__dse_cores; }

/* ---- Start --------------------------------------------------------------------------------------------- */

void dse_start_cluster(uint32_t cores, uint32_t entry);
void dse_start_cluster(uint32_t cores, uint32_t entry) {
    *dse_reg(ICACHE_ENABLE) = 0xffffffffu;
    for (uint32_t core = 0; core < cores; core++) *dse_reg(CLUSTER_BOOT_ADDRESS + 4u * core) = entry;
    *dse_reg(CLUSTER_FETCH_ENABLE) = (1u << cores) - 1u;
}

/* ---- Fork, join, barrier --------------------------------------------------------------------------------- */

typedef struct {
    dse_task volatile fn;
    const void *volatile arg;
} fork_call;

DSE_STATE static fork_call call;

static void meet(void) { (void)dse_event_wait(BARRIER_MEET); }

static _Noreturn void work(uint32_t core, uint32_t cores) {
    for (;;) {
        meet();
        call.fn(core, cores, call.arg);
        meet();
    }
}

extern uint32_t __state_start[], __state_end[];

/* Every core writes the same masks; they are within reach of cluster cores only. */
_Noreturn void dse_core_start(uint32_t core, uint32_t cores);
_Noreturn void dse_core_start(uint32_t core, uint32_t cores) {
    const uint32_t all = (1u << cores) - 1u;
    *dse_reg(EVENT_MASK_SET) = EVENT_BARRIER;
    *dse_reg(BARRIER_CORES) = all;
    *dse_reg(BARRIER_TARGETS) = all;
    if (core != 0u) work(core, cores);
    for (uint32_t *word = __state_start; word < __state_end; word++) *word = 0u;
    dse_npu_start();
    dse_exit(main());
}

void dse_fork(dse_task fn, const void *arg) {
    call.fn = fn;
    call.arg = arg;
    meet();
    fn(0u, dse_cores(), arg);
    meet();
    dse_counters_fold();
}

void dse_barrier(void) { meet(); }

/* ---- Clock, console, exit -------------------------------------------------------------------------------- */

/* The cluster's clock is a 32-bit register here; the controller, who alone measures, counts its turns. */
uint64_t dse_cycles(void) {
    static uint32_t turns, last;
    uint32_t now;
    __asm__ volatile("csrr %0, mcycle" : "=r"(now)::"memory");
    if (now < last) turns++;
    last = now;
    return (uint64_t)turns << 32 | now;
}

void dse_putchar(char c) { *dse_reg(CONSOLE) = (uint8_t)c; }

void dse_exit(int code) {
    for (;;) *dse_reg(SOC_EXIT) = 0x80000000u | (uint32_t)code;
}

_Noreturn void dse_trap(uint32_t cause, uint32_t pc);
_Noreturn void dse_trap(uint32_t cause, uint32_t pc) {
    dse_puts("trap: mcause ");
    dse_put_hex(cause);
    dse_puts(" mepc ");
    dse_put_hex(pc);
    dse_putchar('\n');
    dse_exit(DSE_EXIT_FATAL);
}
