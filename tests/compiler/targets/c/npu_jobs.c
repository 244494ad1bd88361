/* Random jobs, three at a time, through the target's dse_npu_submit; each output beside the functional model's. Prints one
 * line for every job that differs or writes outside its output, then the number of jobs. */
#include "config.h"
#include "dse_hal.h"
#include "dse_npu_regs.h"

#define SLOTS 3
#define INPUT_BYTES 8192
#define OUTPUT_BYTES 17408
#define WEIGHT_BYTES 30720
#define CHANNELS 96
#define GUARD 64

typedef struct {
    uint8_t input[INPUT_BYTES], output[OUTPUT_BYTES], expected[OUTPUT_BYTES];
    uint32_t scale[CHANNELS];
    int32_t bias[CHANNELS];
} slot;

DSE_L1 static slot slots[SLOTS];
DSE_L1 static uint8_t l1_weights[SLOTS][WEIGHT_BYTES];
DSE_WM_SRAM static uint8_t wm_weights[SLOTS][WEIGHT_BYTES];

static uint32_t seed = SEED;

static uint32_t word(void) {
    seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
    return seed * 0x9e3779b1u;
}

static uint32_t below(uint32_t n) { return (uint32_t)((uint64_t)word() * n >> 32); }
static uint32_t within(uint32_t low, uint32_t high) { return low + below(high - low + 1u); }

static void fill(void *to, uint32_t bytes) {
    uint8_t *out = to;
    for (uint32_t i = 0; i < bytes; i++) out[i] = (uint8_t)below(256u);
}

static void geometry(dse_npu_job *j) {
    const bool one = j->mode == DSE_NPU_1X1;
    j->k_in = (uint16_t)within(1u, one ? CHANNELS : 60u);
    j->k_out = j->mode == DSE_NPU_DW3X3 ? j->k_in : (uint16_t)within(1u, 40u);
    j->h_out = (uint16_t)within(1u, 8u), j->w_out = (uint16_t)within(1u, 8u);
    if (!one) {
        j->pad_top = (uint8_t)below(2u), j->pad_bottom = (uint8_t)below(2u);
        j->pad_left = (uint8_t)below(2u), j->pad_right = (uint8_t)below(2u);
    }
    const uint32_t halo = one ? 0u : 2u, cols = j->w_out + halo - j->pad_left - j->pad_right;
    j->in_pixel_stride = j->k_in + below(3u);
    j->in_row_stride = cols * j->in_pixel_stride + below(5u);
    const uint32_t bytes = j->k_out * j->out_bits / 8u;
    j->out_pixel_stride = bytes + (j->out_bits == 32u ? 4u : 1u) * below(3u);
    j->out_row_stride = j->w_out * j->out_pixel_stride + (j->out_bits == 32u ? 4u : 1u) * below(5u);
}

/* Scales and biases as the compiler makes them: no product or sum leaves 32 bits. */
static void ending(dse_npu_job *j, slot *s) {
    const bool quantised = below(4u) != 0u;
    j->out_bits = !quantised || below(3u) == 0u ? 32u : 8u;
    j->relu = below(2u), j->out_signed = j->out_bits == 32u || !j->relu;
    j->scale_bits = below(2u) ? 32u : 8u;
    j->shift = (uint8_t)below(25u);
    for (uint32_t k = 0; k < CHANNELS; k++) s->scale[k] = j->scale_bits == 8u ? word() : 1u + below(60u);
    for (uint32_t k = 0; k < CHANNELS; k++) s->bias[k] = (int32_t)word() >> 3;
    j->scale = quantised ? s->scale : NULL;
    j->bias = below(4u) ? s->bias : NULL;
}

static dse_npu_job random_job(uint32_t index) {
    slot *s = &slots[index % SLOTS];
    dse_npu_job j = {.mode = (uint8_t)below(3u), .stride = 1, .weight_bits = (uint8_t)within(2u, 8u)};
    j.in_signed = below(2u), j.weights_in_wm = below(2u), j.prefetch = below(2u);
    ending(&j, s);
    geometry(&j);
    j.pad_value = (int16_t)(j.in_signed ? (int32_t)below(256u) - 128 : (int32_t)below(256u));
    j.weight_offset = -(1 << (j.weight_bits - 1));
    fill(s->input, INPUT_BYTES);
    for (uint32_t i = 0; i < OUTPUT_BYTES; i++) s->output[i] = s->expected[i] = (uint8_t)i;
    uint8_t *weights = j.weights_in_wm ? wm_weights[index % SLOTS] : l1_weights[index % SLOTS];
    fill(weights, WEIGHT_BYTES);
    j.weights = weights, j.input = s->input + GUARD * 16, j.output = s->output + GUARD;
    return j;
}

static void name(uint32_t index, const dse_npu_job *j) {
    static const char *const modes[] = {"3x3", "dw", "1x1"};
    dse_put_i32((int32_t)index), dse_putchar(' '), dse_puts(modes[j->mode]);
    const int32_t values[] = {j->h_out,   j->w_out,     j->k_in,       j->k_out,     j->weight_bits,  j->out_bits,
                              j->scale ? j->scale_bits : 0, j->weights_in_wm, j->prefetch, j->in_signed};
    for (uint32_t i = 0; i < sizeof values / sizeof *values; i++) dse_putchar(' '), dse_put_i32(values[i]);
}

static bool check(uint32_t index, dse_npu_job *j) {
    slot *s = &slots[index % SLOTS];
    j->output = s->expected + GUARD;
    dse_npu_execute(j);
    for (uint32_t i = 0; i < OUTPUT_BYTES; i++)
        if (s->output[i] != s->expected[i]) {
            name(index, j), dse_puts(" differs at "), dse_put_i32((int32_t)(i - GUARD)), dse_putchar('\n');
            return false;
        }
    return true;
}

int main(void) {
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < JOBS; i += SLOTS) {
        dse_npu_job jobs[SLOTS];
        dse_npu_ticket tickets[SLOTS];
        for (uint32_t k = 0; k < SLOTS; k++) jobs[k] = random_job(i + k);
        for (uint32_t k = 0; k < SLOTS; k++) tickets[k] = dse_npu_submit(&jobs[k]);
        for (uint32_t k = 0; k < SLOTS; k++) {
            dse_npu_wait(tickets[k]);
            wrong += !check(i + k, &jobs[k]);
        }
    }
    dse_put_i32(JOBS), dse_puts(" jobs, "), dse_put_i32((int32_t)wrong), dse_puts(" wrong\n");
    return wrong != 0u;
}
