/* SPDX-License-Identifier: Apache-2.0
 *
 * Bare-metal RV32IMC harts without atomics: every shared word has one writer. Harts sleep in wfi and wake each
 * other by software interrupts (CLINT msip), which costs a simulator nothing. Console and exit speak HTIF.
 */
#include "../port.h"

#define MSIP ((volatile uint32_t *)0x02000000u) /* one word a hart */
#define WORD_LINE 16u                           /* words from one hart's flag to the next hart's */

extern const char __dse_harts[]; /* harts.S; an absolute symbol: its address is the number */

#define CSR_READ(name)                                      \
    ({                                                      \
        uint32_t csr_value;                                 \
        __asm__ volatile("csrr %0, " #name : "=r"(csr_value)); \
        csr_value;                                          \
    })

static void fence(void) { __asm__ volatile("fence" ::: "memory"); }

uint32_t dse_cores(void) { return (uint32_t)(uintptr_t)__dse_harts; }

/* ---- Clock: instructions on the critical path ------------------------------------------------------------
 * Each hart's clock is its own instruction count plus an offset. Synchronisation sets the clocks of all
 * participants to the latest of them, so that waiting, which depends on the simulator, never counts. */
static uint64_t clock_offset[DSE_MAX_CORES];

static uint64_t instructions(void) {
    uint32_t high, low, again;
    do {
        high = CSR_READ(minstreth);
        low = CSR_READ(minstret);
        again = CSR_READ(minstreth);
    } while (high != again);
    return (uint64_t)high << 32 | low;
}

static uint64_t clock_of(uint32_t hart) { return instructions() + clock_offset[hart]; }
static void set_clock(uint32_t hart, uint64_t now) { clock_offset[hart] = now - instructions(); }

uint64_t dse_cycles(void) { return clock_of(CSR_READ(mhartid)); }

/* ---- Fork, join, barrier ------------------------------------------------------------------------------ */

typedef struct {
    volatile uint32_t arrived; /* number of the last rendezvous this hart reached */
    volatile uint32_t low, high; /* its clock there */
    uint32_t pad[WORD_LINE - 3u];
} hart_flags;

static hart_flags flags[DSE_MAX_CORES];
static volatile uint32_t opened;         /* the last rendezvous that hart 0 opened */
static volatile uint64_t opened_at;      /* latest clock there */
static uint32_t rendezvous[DSE_MAX_CORES]; /* how many each hart has been to; its own word only */
static dse_task fork_fn;
static const void *fork_arg;

/* The condition is checked after the interrupt was cleared, so a wake-up in between is never lost. */
static void sleep_until_woken(uint32_t hart) {
    __asm__ volatile("wfi" ::: "memory");
    MSIP[hart] = 0u;
    fence();
}

static void arrive(uint32_t hart, uint32_t number, uint64_t now) {
    flags[hart].low = (uint32_t)now;
    flags[hart].high = (uint32_t)(now >> 32);
    fence();
    flags[hart].arrived = number;
    fence();
    MSIP[0] = 1u;
}

/* Hart 0 waits for all others to reach `number`; the result is the latest clock, its own included. */
static uint64_t gather(uint32_t number, uint64_t latest) {
    for (uint32_t hart = 1; hart < dse_cores(); hart++) {
        while (flags[hart].arrived != number) sleep_until_woken(0u);
        fence();
        const uint64_t clock = (uint64_t)flags[hart].high << 32 | flags[hart].low;
        if (clock > latest) latest = clock;
    }
    return latest;
}

static void release(uint32_t number, uint64_t now) {
    opened_at = now;
    fence();
    opened = number;
    fence();
    for (uint32_t hart = 1; hart < dse_cores(); hart++) MSIP[hart] = 1u;
}

static void await(uint32_t hart, uint32_t number) {
    while (opened != number) sleep_until_woken(hart);
    fence();
}

/* A fork is two rendezvous: at the first hart 0 only opens, at the second it only gathers. Hart 0 pays for
 * waking the others; what counting costs is nobody's. */
void dse_fork(dse_task fn, const void *arg) {
    fork_fn = fn;
    fork_arg = arg;
    release(++rendezvous[0], clock_of(0u));
    fn(0u, dse_cores(), arg);
    const uint64_t now = gather(++rendezvous[0], clock_of(0u));
    dse_counters_fold();
    set_clock(0u, now);
}

void dse_barrier(void) {
    const uint32_t hart = CSR_READ(mhartid);
    const uint64_t now = clock_of(hart);
    const uint32_t number = ++rendezvous[hart];
    if (hart == 0u) {
        const uint64_t latest = gather(number, now);
        set_clock(0u, latest);
        release(number, latest);
    } else {
        arrive(hart, number, now);
        await(hart, number);
        set_clock(hart, opened_at);
    }
}

/* Entered from crt0.S by every hart but 0. */
_Noreturn void dse_hart_loop(uint32_t hart);
_Noreturn void dse_hart_loop(uint32_t hart) {
    while (MSIP[hart] == 0u) __asm__ volatile("wfi"); /* nothing in .bss is valid before the first wake-up */
    for (;;) {
        await(hart, ++rendezvous[hart]);
        set_clock(hart, opened_at);
        fork_fn(hart, dse_cores(), fork_arg);
        const uint64_t now = clock_of(hart);
        arrive(hart, ++rendezvous[hart], now);
    }
}

/* ---- Console and exit by HTIF ---------------------------------------------------------------------------
 * One 32-bit store starts a request (its upper half stays 0: device 0, command 0). Bit 0 set: exit with the
 * code above it. Otherwise the address of a system call in memory; only write(1, ...) is used. */
__attribute__((section(".tohost"), aligned(64), used)) volatile uint32_t tohost[2];
__attribute__((section(".tohost"), aligned(64), used)) volatile uint32_t fromhost[2];

#define SYS_WRITE 64u
static char line[256];
static uint32_t line_length;
static volatile uint64_t request[8] __attribute__((aligned(64)));

static void flush(void) {
    if (line_length == 0u) return;
    request[0] = SYS_WRITE;
    request[1] = 1u;
    request[2] = (uint32_t)(uintptr_t)line;
    request[3] = line_length;
    fence();
    tohost[0] = (uint32_t)(uintptr_t)request;
    while (fromhost[0] == 0u) continue;
    fromhost[0] = 0u;
    fence();
    line_length = 0u;
}

void dse_putchar(char c) {
    line[line_length++] = c;
    if (c == '\n' || line_length == sizeof line) flush();
}

void dse_exit(int code) {
    flush();
    fence();
    for (;;) tohost[0] = (uint32_t)code << 1 | 1u;
}

_Noreturn void dse_trap(uint32_t cause, uint32_t pc, uint32_t value);
_Noreturn void dse_trap(uint32_t cause, uint32_t pc, uint32_t value) {
    dse_puts("trap: hart ");
    dse_put_u64(CSR_READ(mhartid));
    dse_puts(" mcause ");
    dse_put_hex(cause);
    dse_puts(" mepc ");
    dse_put_hex(pc);
    dse_puts(" mtval ");
    dse_put_hex(value);
    dse_putchar('\n');
    dse_exit(DSE_EXIT_FATAL);
}
