/* N-EUREKA seen from its registers: acquires and commits jobs as the driver writes them, and computes from the 24 words
 * of a context and from memory alone, the way the RTL does (pulp-platform/neureka: rtl/ctrl/neureka_ctrl.sv, loops, patch
 * buffer and padding; pulp-nnx: register fields). A job runs when the driver sleeps, so that both contexts fill up.
 * It shares no code with the functional model (runtime/kernels/npu.c) or with what packs registers. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

uint32_t npu_read(uint32_t offset);
void npu_write(uint32_t offset, uint32_t value);
void npu_sleep(void);

enum { TILE = 6, PATCH = 8, CHANNELS = 32, REGISTERS = 24 };

static uint32_t contexts[2][REGISTERS];
static bool taken[2], acquired;
static uint32_t writing, running, waiting;

/* ---- Memory: registers hold the low 32 bits of addresses, all of them in the program's image ---- */

static uint8_t *at(uint32_t address) {
    uint8_t *here = (uint8_t *)contexts;
    return here + (int32_t)(address - (uint32_t)(uintptr_t)here);
}

static uint32_t load32(uint32_t address) {
    uint32_t value;
    memcpy(&value, at(address), 4);
    return value;
}

/* ---- One job ---- */

typedef struct {
    const uint32_t *r;
    uint32_t mode, bits, nb_ko, nb_ki, nb_ho, nb_wo, rem_ko, rem_ki, rem_ho, rem_wo, rem_hi, rem_wi;
    uint32_t tile_ki, tile_ko, weights;
} job;

/* The tile that the loops are at, its patch of inputs and its sums. */
typedef struct {
    uint32_t ko, i, j, outputs, rows, cols;
    int32_t patch[PATCH][PATCH][CHANNELS];
    int32_t sums[TILE][TILE][CHANNELS];
} place;

static uint32_t field(const job *n, uint32_t bit, uint32_t width) { return n->r[23] >> bit & ((1u << width) - 1u); }
static bool depthwise(const job *n) { return n->mode == 1u; }
static bool pointwise(const job *n) { return n->mode == 2u; }

static job decode(const uint32_t *r) {
    job n = {.r = r, .mode = r[23] >> 5 & 3u, .bits = (r[23] & 7u) + 1u, .rem_ko = r[15] >> 16, .rem_ki = r[15] & 0xffffu};
    n.rem_ho = r[16] >> 16, n.rem_wo = r[16] & 0xffffu, n.rem_hi = r[17] >> 16, n.rem_wi = r[17] & 0xffffu;
    n.nb_ko = r[18] >> 16, n.nb_ki = r[18] & 0xffffu, n.nb_ho = r[19] >> 16, n.nb_wo = r[19] & 0xffffu;
    n.tile_ki = n.mode == 2u ? 32u : 28u, n.tile_ko = n.mode == 1u ? 28u : 32u;
    n.weights = r[0] + (field(&n, 9, 1) ? 0x10400000u : 0u);
    return n;
}

/* One pixel of the patch buffer: behind what the registers call the tile's input 0, then padding, then memory. */
static void load_pixel(const job *n, place *p, uint32_t ki, uint32_t y, uint32_t x) {
    const uint32_t full = pointwise(n) ? TILE : PATCH, value = n->r[20] & 0xffu;
    const bool last_i = p->i == n->nb_ho - 1u, last_j = p->j == n->nb_wo - 1u;
    const uint32_t top = n->r[20] >> 28, right = n->r[20] >> 24 & 15u, bottom = n->r[20] >> 20 & 15u, left = n->r[20] >> 16 & 15u;
    const bool beyond = y >= (last_i ? n->rem_hi : full) || x >= (last_j ? n->rem_wi : full);
    const bool padded = (p->i == 0u && y < top) || (last_i && y + bottom >= PATCH) || (p->j == 0u && x < left) ||
                        (last_j && x + right >= PATCH);
    const uint32_t channels = ki == n->nb_ki - 1u ? n->rem_ki : n->tile_ki;
    const uint32_t from = n->r[1] + (TILE * p->i + y) * n->r[7] + (TILE * p->j + x) * n->r[6] + ki * n->tile_ki;
    for (uint32_t c = 0; c < CHANNELS; c++) {
        const uint8_t code = beyond || c >= channels ? 0u : padded ? (uint8_t)value : *at(from + c);
        p->patch[y][x][c] = field(n, 26, 1) ? (int8_t)code : code;
    }
}

/* The weight of a tap and channel for output k: planes of 1, 28 or 4 x 8 bits a word, and the layer's offset. */
static int32_t weight(const job *n, const place *p, uint32_t ki, uint32_t k, uint32_t tap, uint32_t c) {
    const uint32_t planes = pointwise(n) ? 1u : n->bits;
    const uint32_t group = depthwise(n) ? p->ko : p->ko * 32u * n->nb_ki + ki;
    const uint32_t base = n->weights + group * planes * 32u + (depthwise(n) ? 0u : k * n->r[13]);
    uint32_t code = 0;
    for (uint32_t b = 0; b < n->bits; b++) {
        const uint32_t bit = pointwise(n) ? c / 4u * 32u + b * 4u + c % 4u : tap * 28u + c;
        code |= (uint32_t)(*at(base + (pointwise(n) ? 0u : b * n->r[12]) + bit / 8u) >> bit % 8u & 1u) << b;
    }
    return (int32_t)code + (int32_t)n->r[21];
}

static void accumulate_tap(const job *n, place *p, uint32_t ki, uint32_t k, uint32_t tap) {
    const uint32_t dy = pointwise(n) ? 0u : tap / 3u, dx = pointwise(n) ? 0u : tap % 3u;
    const uint32_t first = depthwise(n) ? k : 0u, end = depthwise(n) ? k + 1u : n->tile_ki;
    for (uint32_t c = first; c < end; c++) {
        const int32_t w = weight(n, p, ki, k, tap, c);
        for (uint32_t y = 0; y < p->rows; y++)
            for (uint32_t x = 0; x < p->cols; x++) p->sums[y][x][k] += w * p->patch[y + dy][x + dx][c];
    }
}

static void accumulate(const job *n, place *p, uint32_t ki) {
    for (uint32_t y = 0; y < PATCH; y++)
        for (uint32_t x = 0; x < PATCH; x++) load_pixel(n, p, ki, y, x);
    for (uint32_t k = 0; k < p->outputs; k++)
        for (uint32_t tap = 0; tap < (pointwise(n) ? 1u : 9u); tap++) accumulate_tap(n, p, ki, k, tap);
}

/* The product cut to 32 bits, the bias with saturation, a shift, and the output's range. */
static int32_t normalise(const job *n, const place *p, uint32_t k, int32_t sum) {
    const uint32_t channel = p->ko * n->tile_ko + k;
    const uint32_t scale = field(n, 12, 2) ? load32(n->r[3] + 4u * channel) : *at(n->r[3] + channel);
    int64_t value = (int32_t)((uint32_t)sum * scale);
    if (field(n, 25, 1)) value += (int32_t)load32(n->r[5] + 4u * channel);
    value = value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : value;
    value >>= field(n, 16, 5);
    const bool relu = !field(n, 23, 1), wide = field(n, 21, 2) == 2u;
    const int64_t low = relu ? 0 : wide ? INT32_MIN : -128, high = wide ? INT32_MAX : relu ? 255 : 127;
    return (int32_t)(value < low ? low : value > high ? high : value);
}

static void stream_out(const job *n, const place *p) {
    const bool wide = field(n, 21, 2) == 2u;
    const uint32_t bytes = wide ? 4u : 1u, group = 32u / bytes;
    for (uint32_t y = 0; y < p->rows; y++)
        for (uint32_t x = 0; x < p->cols; x++)
            for (uint32_t k = 0; k < p->outputs; k++) {
                const int32_t sum = p->sums[y][x][k], value = field(n, 4, 1) ? normalise(n, p, k, sum) : sum;
                const uint32_t to = n->r[2] + (TILE * p->i + y) * n->r[11] + (TILE * p->j + x) * n->r[10] +
                                    p->ko * n->tile_ko * bytes + k / group * n->r[9] + k % group * bytes;
                memcpy(at(to), &value, bytes);
            }
}

static void run_tile(const job *n, place *p) {
    memset(p->sums, 0, sizeof p->sums);
    p->outputs = p->ko == n->nb_ko - 1u ? n->rem_ko : n->tile_ko;
    p->rows = p->i == n->nb_ho - 1u ? n->rem_ho : TILE;
    p->cols = p->j == n->nb_wo - 1u ? n->rem_wo : TILE;
    for (uint32_t ki = 0; ki < (depthwise(n) ? 1u : n->nb_ki); ki++) accumulate(n, p, depthwise(n) ? p->ko : ki);
    stream_out(n, p);
}

static void run_job(void) {
    static place p;
    const job n = decode(contexts[running]);
    for (p.ko = 0; p.ko < n.nb_ko; p.ko++)
        for (p.i = 0; p.i < n.nb_ho; p.i++)
            for (p.j = 0; p.j < n.nb_wo; p.j++) run_tile(&n, &p);
    taken[running] = false, running ^= 1u, waiting--;
}

/* ---- The register file ---- */

uint32_t npu_read(uint32_t offset) {
    if (offset == 0x0cu) return (taken[0] ? 0x1u : 0u) | (taken[1] ? 0x100u : 0u);
    if (offset != 0x04u || waiting == 2u || acquired) return UINT32_MAX;
    acquired = taken[writing] = true;
    return writing;
}

void npu_write(uint32_t offset, uint32_t value) {
    if (offset == 0x14u) {
        memset(taken, 0, sizeof taken), acquired = false, writing = running = waiting = 0u;
    } else if (offset == 0x00u && acquired) {
        acquired = false, writing ^= 1u, waiting++;
    } else if (offset >= 0x20u && offset < 0x20u + 4u * REGISTERS && acquired) {
        contexts[writing][(offset - 0x20u) / 4u] = value;
    }
}

void npu_sleep(void) {
    if (waiting) run_job();
}
