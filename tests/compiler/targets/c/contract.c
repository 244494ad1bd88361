/* What every target owes to generated code: prints one line a check, exits with the number of failures. */
#include "config.h" /* BARRIER: whether cores run side by side */
#include "dse_hal.h"
#include "dse_npu.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

DSE_L1 uint8_t arena_l1[4096];
DSE_L2 uint8_t arena_l2[8192];
DSE_L3 uint8_t arena_l3[12288];

static int failures;

/* Stands for the functional model, as far as the job below needs it. */
void dse_npu_execute(const dse_npu_job *job) {
    uint8_t *out = job->output;
    const uint8_t *in = job->input;
    out[0] = (uint8_t)(in[0] + job->bias[0]);
}

static void check(const char *name, bool good) {
    dse_puts(good ? "ok " : "FAILED ");
    dse_puts(name);
    dse_putchar('\n');
    failures += !good;
}

static void fill(uint8_t *bytes, uint32_t n, uint32_t seed) {
    for (uint32_t i = 0; i < n; i++) bytes[i] = (uint8_t)((i * 2654435761u + seed) >> 13);
}

static bool filled(const uint8_t *bytes, uint32_t n, uint8_t value) {
    for (uint32_t i = 0; i < n; i++)
        if (bytes[i] != value) return false;
    return true;
}

static bool equal(const uint8_t *a, const uint8_t *b, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (a[i] != b[i]) return false;
    return true;
}

/* ---- Transfers ---------------------------------------------------------------------------------------- */

static bool one_line(uint32_t to, uint32_t from, uint32_t bytes) {
    for (uint32_t i = 0; i < 256u; i++) arena_l1[i] = 0xEE;
    fill(arena_l2, 256u, bytes);
    dse_wait(dse_copy_1d(DSE_LINK_L2_L1, arena_l1 + 16u + to, arena_l2 + from, bytes));
    return equal(arena_l1 + 16u + to, arena_l2 + from, bytes) && filled(arena_l1, 16u + to, 0xEE) &&
           filled(arena_l1 + 16u + to + bytes, 32u, 0xEE);
}

static bool lines_of_every_size_and_alignment(void) {
    bool good = true;
    for (uint32_t bytes = 1; bytes < 70u; bytes++)
        for (uint32_t align = 0; align < 16u; align++) good &= one_line(align & 3u, align >> 2, bytes);
    return good;
}

static bool strided(uint32_t line, uint32_t lines, uint32_t to_stride, uint32_t from_stride) {
    for (uint32_t i = 0; i < 1024u; i++) arena_l2[i] = 0xEE;
    fill(arena_l1, 1024u, line);
    dse_wait(dse_copy_2d(DSE_LINK_L1_L2, arena_l2, arena_l1, line, lines, to_stride, from_stride));
    bool good = true;
    for (uint32_t i = 0; i < lines; i++) {
        const bool last = i + 1u == lines;
        good &= equal(arena_l2 + i * to_stride, arena_l1 + i * from_stride, line);
        good &= filled(arena_l2 + i * to_stride + line, last ? 64u : to_stride - line, 0xEE);
    }
    return good;
}

static bool a_later_wait_covers_earlier_transfers(void) {
    dse_ticket last = DSE_DONE;
    fill(arena_l3, 1600u, 7u);
    for (uint32_t i = 0; i < 40u; i++)
        last = dse_copy_1d(DSE_LINK_L3_L2, arena_l2 + 40u * i, arena_l3 + 40u * i, 40u);
    dse_wait(last);
    return equal(arena_l2, arena_l3, 1600u);
}

static bool transfers_of_a_link_happen_in_order(void) {
    arena_l3[0] = 1u, arena_l3[1] = 2u;
    dse_copy_1d(DSE_LINK_L3_L1, arena_l1, arena_l3, 1u);
    dse_wait(dse_copy_1d(DSE_LINK_L3_L1, arena_l1, arena_l3 + 1, 1u));
    return arena_l1[0] == 2u;
}

static bool wait_all_completes_every_link(void) {
    fill(arena_l3, 64u, 3u);
    dse_copy_1d(DSE_LINK_L3_L2, arena_l2, arena_l3, 64u);
    dse_copy_1d(DSE_LINK_L3_L1, arena_l1, arena_l3, 64u);
    dse_wait_all();
    dse_wait(DSE_DONE);
    return equal(arena_l2, arena_l3, 64u) && equal(arena_l1, arena_l3, 64u);
}

/* ---- Cores -------------------------------------------------------------------------------------------- */

static uint32_t visits[DSE_MAX_CORES], cores_seen[DSE_MAX_CORES];

static void visit(uint32_t core, uint32_t ncores, const void *arg) {
    visits[core] += *(const uint32_t *)arg;
    cores_seen[core] = ncores;
    dse_count_macs(core, 10u + core);
}

static bool fork_runs_every_core_once(void) {
    const uint32_t step = 3u, rounds = 20u;
    for (uint32_t i = 0; i < rounds; i++) dse_fork(visit, &step);
    bool good = dse_cores() >= 1u && dse_cores() <= DSE_MAX_CORES;
    for (uint32_t core = 0; core < DSE_MAX_CORES; core++) {
        const bool used = core < dse_cores();
        good &= visits[core] == (used ? rounds * step : 0u) && cores_seen[core] == (used ? dse_cores() : 0u);
    }
    return good;
}

#if BARRIER
#define ROUNDS 50u
static uint32_t ring[2][DSE_MAX_CORES];

/* Each round reads what the neighbour wrote in the round before: wrong as soon as one core runs ahead. */
static void pass_on(uint32_t core, uint32_t ncores, const void *arg) {
    (void)arg;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        ring[(round + 1u) & 1u][core] = ring[round & 1u][(core + 1u) % ncores] + 1u;
        dse_barrier();
    }
}

static bool barriers_hold_cores_together(void) {
    for (uint32_t core = 0; core < dse_cores(); core++) ring[0][core] = 100u * core;
    dse_fork(pass_on, NULL);
    bool good = true;
    for (uint32_t core = 0; core < dse_cores(); core++)
        good &= ring[0][core] == 100u * ((core + ROUNDS) % dse_cores()) + ROUNDS;
    return good;
}
#endif

static void one_slow_core(uint32_t core, uint32_t ncores, const void *arg) {
    (void)arg;
    volatile uint32_t spin = 0;
    for (uint32_t i = 0; core + 1u == ncores && i < 200000u; i++) spin = i;
    (void)spin;
}

static bool the_clock_pays_for_the_slowest_core(void) {
    const uint64_t start = dse_cycles();
    dse_fork(one_slow_core, NULL);
    return dse_cycles() >= start + 20000u;
}

/* ---- NPU ---------------------------------------------------------------------------------------------- */

/* What a job reads: one 1x1 weight whose code is 1, its scale of 1, its bias of 1. */
DSE_L1 static uint8_t npu_weights[32];
DSE_L1 static uint8_t npu_scales[32];
DSE_L1 static int32_t npu_biases[8];
DSE_L1 static uint8_t npu_values[64];

/* value[to] = value[from] + 1 */
static dse_npu_job increment(uint32_t from, uint32_t to) {
    npu_weights[0] = npu_scales[0] = 1u, npu_biases[0] = 1;
    return (dse_npu_job){.weights = npu_weights,
                         .input = npu_values + from,
                         .output = npu_values + to,
                         .scale = npu_scales,
                         .bias = npu_biases,
                         .in_pixel_stride = 1,
                         .in_row_stride = 1,
                         .out_pixel_stride = 1,
                         .out_row_stride = 1,
                         .h_out = 1,
                         .w_out = 1,
                         .k_in = 1,
                         .k_out = 1,
                         .mode = DSE_NPU_1X1,
                         .stride = 1,
                         .weight_bits = 8,
                         .scale_bits = 8,
                         .out_bits = 8,
                         .relu = true};
}

/* Each job reads what the one before it wrote. */
static bool jobs_run_in_order(void) {
    dse_npu_ticket last = DSE_NPU_DONE;
    npu_values[0] = npu_values[5] = 0u;
    for (uint32_t i = 0; i < 5u; i++) {
        const dse_npu_job job = increment(i, i + 1u);
        last = dse_npu_submit(&job);
    }
    dse_npu_wait(last);
    return npu_values[5] == 5u;
}

/* ---- Counters ----------------------------------------------------------------------------------------- */

#if DSE_COUNTERS
static dse_counter_set layers[2];

static void layer(uint32_t index) {
    const uint32_t step = 0u;
    const dse_npu_job job = increment(8u, 9u);
    dse_layer_begin(index);
    dse_wait(dse_copy_2d(DSE_LINK_L2_L1, arena_l1, arena_l2, 10u, 4u, 10u, 20u));
    dse_wait(dse_copy_1d(DSE_LINK_L1_L2, arena_l2, arena_l1, 33u));
    dse_count_call();
    dse_fork(visit, &step);
    dse_npu_wait(dse_npu_submit(&job));
    dse_layer_end(index);
}

static bool layer_is(const dse_counter_set *set, uint32_t times) {
    uint64_t macs = 0;
    for (uint32_t core = 0; core < dse_cores(); core++) macs += 10u + core;
    const dse_link_counters *in = &set->link[DSE_LINK_L2_L1], *out = &set->link[DSE_LINK_L1_L2];
    return set->calls == times && set->macs == times * macs && set->npu_jobs == times &&
           set->npu_macs == times && in->transfers == times && in->lines == 4u * times &&
           in->bytes == 40u * times && out->transfers == times && out->lines == times &&
           out->bytes == 33u * times && set->link[DSE_LINK_L3_L2].transfers == 0u;
}

static bool layers_add_up(void) {
    dse_counters_reset(layers, COUNT(layers));
    layer(0u);
    layer(1u);
    dse_count_call(); /* belongs to no layer */
    layer(1u);
    layer(2u); /* beyond the array: ignored there, counted globally */
    bool good = layer_is(&layers[0], 1u) && layer_is(&layers[1], 2u);
    dse_counters.calls -= 1u;
    return good && layer_is(&dse_counters, 4u) && layers[1].cycles > 0u;
}
#endif

/* ---- What compilers may call -------------------------------------------------------------------------- */

static bool wide_arithmetic(void) {
    volatile uint64_t a = 0x123456789ABCDEF0u, b = 0x0FEDCBA987u;
    volatile int64_t c = -1234567890123456789, d = 987654321;
    volatile int by = 37, less = 5;
    return a * b == 0x70A3D5F941160090u && a / b == 0x1249249u && a % b == 0x246FE8971u && c / d == -1249999988 &&
           c % d == -725308641 && a << by == 0x579BDE0000000000u && a >> by == 0x91A2B3u && c >> less == -38580246566358025 &&
           a << less == 0x468ACF13579BDE00u && __builtin_ctz((uint32_t)(a + 0u)) == 4 && __builtin_clz((uint32_t)b) == 0;
}

static void print_numbers(void) {
    dse_put_u64(0u), dse_putchar(' ');
    dse_put_u64(UINT64_MAX), dse_putchar(' ');
    dse_put_i32(INT32_MIN), dse_putchar(' ');
    dse_put_i32(2147483647), dse_putchar(' ');
    dse_put_hex(0xDEADBEEFu), dse_putchar('\n');
}

int main(void) {
    print_numbers();
    check("lines", lines_of_every_size_and_alignment());
    check("strided", strided(13u, 7u, 20u, 17u) && strided(16u, 5u, 32u, 16u) && strided(8u, 9u, 8u, 8u));
    check("later wait", a_later_wait_covers_earlier_transfers());
    check("order", transfers_of_a_link_happen_in_order());
    check("wait all", wait_all_completes_every_link());
    check("fork", fork_runs_every_core_once());
#if BARRIER
    check("barrier", barriers_hold_cores_together());
#endif
    check("clock", the_clock_pays_for_the_slowest_core());
    check("npu", jobs_run_in_order());
#if DSE_COUNTERS
    check("counters", layers_add_up());
#endif
    check("arithmetic", wide_arithmetic());
    return failures;
}
