/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementwise kernels on rows x channels: sum, product and quotient of two operands, requantisation, table
 * lookup. Rows of bytes have their own loops; where a code is int16 the loop looks at the size of each.
 */
#include "window.h"

/* A core's part: an interval of the flattened elements, cut to an interval of channels on every row. */
typedef struct {
    dse_span elements, channels;
} element_part;

static element_part element_share(dse_split split, int32_t rows, int32_t channels, uint32_t core, uint32_t ncores) {
    const dse_span lines = dse_share(split == DSE_SPLIT_PIXELS, rows, core, ncores);
    const dse_span all = {lines.low * channels, lines.high * channels};
    return (element_part){split == DSE_SPLIT_ELEMENTS ? dse_chunk(rows * channels, core, ncores) : all,
                          dse_share(split == DSE_SPLIT_CHANNELS, channels, core, ncores)};
}

static dse_span element_columns(const element_part *part, const dse_rows *r) {
    return (dse_span){dse_max(r->cols.low, part->channels.low), dse_min(r->cols.high, part->channels.high)};
}

/* Elements [channels.low, channels.high) of one row; a and b point to the row's first element. */
static void add_row(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y, dse_span channels) {
    const uint32_t flip_a = dse_flip(args->a_signed), flip_b = dse_flip(args->b_signed);
    const int32_t mul_a = args->mul_a, mul_b = args->mul_b, add = args->add;
    const int32_t shift = args->shift, low = args->low, high = args->high, step = args->b_step;
    b += channels.low * step;
    for (int32_t c = channels.low; c < channels.high; c++, b += step) {
        const int32_t offset = dse_wrap_add(dse_wrap_mul(dse_decode(*b, flip_b), mul_b), add);
        y[c] = dse_requant(dse_decode(a[c], flip_a), mul_a, offset, shift, low, high);
    }
}

static void mul_row(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y, dse_span channels) {
    const uint32_t flip_a = dse_flip(args->a_signed), flip_b = dse_flip(args->b_signed);
    const int32_t zero_a = args->zero_a, zero_b = args->zero_b, mul = args->mul_a, add = args->add;
    const int32_t shift = args->shift, low = args->low, high = args->high, step = args->b_step;
    b += channels.low * step;
    for (int32_t c = channels.low; c < channels.high; c++, b += step) {
        const int32_t product = (dse_decode(a[c], flip_a) - zero_a) * (dse_decode(*b, flip_b) - zero_b);
        y[c] = dse_requant(product, mul, add, shift, low, high);
    }
}

static void add_row_wide(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y,
                         dse_span channels) {
    const uint32_t flip_a = dse_flip(args->a_signed), flip_b = dse_flip(args->b_signed);
    const int32_t a_log2 = args->a_log2, b_log2 = args->b_log2, out_log2 = args->out_log2;
    for (int32_t c = channels.low; c < channels.high; c++) {
        const int32_t right = dse_wrap_mul(dse_get(b, c * args->b_step, b_log2, flip_b), args->mul_b);
        const int32_t left = dse_get(a, c, a_log2, flip_a), offset = dse_wrap_add(right, args->add);
        dse_put(y, c, out_log2, dse_requant_wide(left, args->mul_a, offset, args->shift, args->low, args->high));
    }
}

static void mul_row_wide(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y,
                         dse_span channels) {
    const uint32_t flip_a = dse_flip(args->a_signed), flip_b = dse_flip(args->b_signed);
    const int32_t a_log2 = args->a_log2, b_log2 = args->b_log2, out_log2 = args->out_log2;
    for (int32_t c = channels.low; c < channels.high; c++) {
        const int32_t right = dse_get(b, c * args->b_step, b_log2, flip_b) - args->zero_b;
        const int32_t product = dse_wrap_mul(dse_get(a, c, a_log2, flip_a) - args->zero_a, right);
        dse_put(y, c, out_log2,
                dse_requant_wide(product, args->mul_a, args->add, args->shift, args->low, args->high));
    }
}

/* a / b rounded down; b > 0. */
static int32_t floor_div(int32_t a, int32_t b) {
    const int32_t quotient = a / b;
    return quotient * b > a ? quotient - 1 : quotient;
}

static void idiv_row(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y, dse_span channels) {
    const uint32_t flip_a = dse_flip(args->a_signed), flip_b = dse_flip(args->b_signed);
    const int32_t factor = 2 * args->mul_a, eta = args->mul_b, eps = args->zero_b, mul = args->zero_a;
    const int32_t add = args->add, shift = args->shift, low = args->low, high = args->high, step = args->b_step;
    b += channels.low * step;
    for (int32_t c = channels.low; c < channels.high; c++, b += step) {
        const int32_t divisor = dse_decode(*b, flip_b) * eta + eps;
        const int32_t quotient = floor_div(dse_decode(a[c], flip_a) * factor + divisor, 2 * divisor);
        y[c] = dse_requant(quotient, mul, add, shift, low, high);
    }
}

typedef void (*binary_row)(const dse_binary_args *, const uint8_t *, const uint8_t *, uint8_t *, dse_span);

static void binary_part(const dse_binary_args *a, binary_row row, uint32_t core, uint32_t ncores) {
    const element_part part = element_share(a->split, a->rows, a->channels, core, ncores);
    for (dse_rows r = dse_rows_begin(part.elements, a->channels); dse_rows_valid(&r); dse_rows_next(&r, a->channels))
        row(a, a->a + r.y * a->a_row_pitch, a->b + r.y * a->b_row_pitch, a->output + r.y * a->out_row_pitch,
            element_columns(&part, &r));
}

static bool is_wide(const dse_binary_args *a) { return (a->a_log2 | a->b_log2 | a->out_log2) != 0; }

static void add_task(uint32_t core, uint32_t ncores, const void *arg) {
    binary_part(arg, is_wide(arg) ? add_row_wide : add_row, core, ncores);
}

static void mul_task(uint32_t core, uint32_t ncores, const void *arg) {
    binary_part(arg, is_wide(arg) ? mul_row_wide : mul_row, core, ncores);
}

DSE_LEAF void requantise_row(const dse_requantise_args *a, const uint8_t *x, uint8_t *y, dse_span channels,
                             int32_t in_log2, int32_t out_log2) {
    const uint32_t flip = dse_flip(a->in_signed);
    const int32_t mul = a->mul, add = a->add, shift = a->shift, low = a->low, high = a->high;
    for (int32_t c = channels.low; c < channels.high; c++)
        dse_put(y, c, out_log2, dse_requant_wide(dse_get(x, c, in_log2, flip), mul, add, shift, low, high));
}

static void requantise_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_requantise_args *a = arg;
    const element_part part = element_share(a->split, a->rows, a->channels, core, ncores);
    for (dse_rows r = dse_rows_begin(part.elements, a->channels); dse_rows_valid(&r); dse_rows_next(&r, a->channels)) {
        const uint8_t *const x = a->input + r.y * a->in_row_pitch;
        uint8_t *const y = a->output + r.y * a->out_row_pitch;
        const dse_span columns = element_columns(&part, &r);
        if (a->in_log2 == 1 && a->out_log2 == 0)
            requantise_row(a, x, y, columns, 1, 0);
        else if (a->in_log2 == 0 && a->out_log2 == 1)
            requantise_row(a, x, y, columns, 0, 1);
        else
            requantise_row(a, x, y, columns, a->in_log2, a->out_log2);
    }
}

static void idiv_task(uint32_t core, uint32_t ncores, const void *arg) { binary_part(arg, idiv_row, core, ncores); }

static void lut_row(const uint8_t *table, uint32_t flip, const uint8_t *x, uint8_t *y, dse_span channels) {
    for (int32_t c = channels.low; c < channels.high; c++) y[c] = table[x[c] ^ flip];
}

static void lut_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_lut_args *a = arg;
    const element_part part = element_share(a->split, a->rows, a->channels, core, ncores);
    for (dse_rows r = dse_rows_begin(part.elements, a->channels); dse_rows_valid(&r); dse_rows_next(&r, a->channels))
        lut_row(a->table, dse_flip(a->in_signed), a->input + r.y * a->in_row_pitch,
                a->output + r.y * a->out_row_pitch, element_columns(&part, &r));
}

void dse_add(const dse_binary_args *args) { dse_launch(add_task, args, args->split); }
void dse_mul(const dse_binary_args *args) { dse_launch(mul_task, args, args->split); }
void dse_requantise(const dse_requantise_args *args) { dse_launch(requantise_task, args, args->split); }
void dse_idiv(const dse_binary_args *args) { dse_launch(idiv_task, args, args->split); }
void dse_lut(const dse_lut_args *args) { dse_launch(lut_task, args, args->split); }
