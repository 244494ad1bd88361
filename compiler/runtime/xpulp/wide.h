/* SPDX-License-Identifier: Apache-2.0
 *
 * Outputs of 16 bits for conv2d.c: strips leave raw sums of a pair in a buffer, from which they are requantised: 14
 * instructions for a filter on both pixels.
 */
#ifndef DSE_XPULP_WIDE_H
#define DSE_XPULP_WIDE_H

enum { X_WIDE = 8 }; /* blocks whose sums the buffer holds */

/* Requantises n sums of each pixel, n >= 1. */
static __attribute__((noinline)) void x_wide_end(const dse_conv2d_args *a, const int32_t *s0, const int32_t *s1,
                                                 const int32_t *mul, uint8_t *y0, uint8_t *y1, int32_t n) {
    const int32_t *add = mul + a->groups * a->outputs;
#if DSE_XPULP
    int32_t m, d, u, v;
    __asm__ volatile(X_BEGIN X_LOOP("x0", "n", "2*14") X_LOAD("m", "mul") X_LOAD("d", "add") X_LOAD("u", "s0")
                     X_LOAD("v", "s1") "mul %[u], %[u], %[m]\nmul %[v], %[v], %[m]\n"
                     A_ADD_SHIFT("%[u]", "%[d]", "%[shift]") A_ADD_SHIFT("%[v]", "%[d]", "%[shift]")
                     A_MAX("%[u]", "%[low]") A_MAX("%[v]", "%[low]") A_MIN("%[u]", "%[high]") A_MIN("%[v]", "%[high]")
                     ".insn s 0x2b, 1, %[u], 2(%[y0])\n.insn s 0x2b, 1, %[v], 2(%[y1])\n" X_END
                     : [m] "=&r"(m), [d] "=&r"(d), [u] "=&r"(u), [v] "=&r"(v), [mul] "+r"(mul), [add] "+r"(add),
                       [s0] "+r"(s0), [s1] "+r"(s1), [y0] "+r"(y0), [y1] "+r"(y1)
                     : [n] "r"(n), [shift] "r"(a->shift), [low] "r"(a->low), [high] "r"(a->high)
                     : "memory");
#else
    for (int32_t k = 0; k < n; k++) {
        dse_put(y0, k, 1, dse_x_requant(s0[k], mul[k], add[k], a->shift, a->low, a->high));
        dse_put(y1, k, 1, dse_x_requant(s1[k], mul[k], add[k], a->shift, a->low, a->high));
    }
#endif
}

/* Blocks from output o on of some pairs; their first windows. */
X_APART void x_conv_wide(x_conv *c, const x_conv_pairs *p, const uint8_t *x0, const uint8_t *x1, int32_t o, int32_t blocks) {
    const dse_conv2d_args *a = c->a;
    const dse_window *w = &a->window;
    x_strip *const s = &c->strip;
    int32_t sums[2][4 * X_WIDE];
    uint8_t *y0 = a->output + p->y * w->out_row_pitch + p->x * w->out_pixel_pitch + 2 * o;
    uint8_t *y1 = a->output + p->y1 * w->out_row_pitch + p->x1 * w->out_pixel_pitch + 2 * o;
    for (int32_t k = 0; k < p->pairs; k++) {
        for (int32_t done = 0; done < blocks; done += X_WIDE) {
            const int32_t first = o + 4 * done;
            s->x0 = x0 + k * s->x_step, s->x1 = x1 + k * s->x_step, s->w = (const uint8_t *)a->weights + first * c->depth;
            s->blocks = dse_min(blocks - done, X_WIDE), s->pairs = 1;
            s->y0 = (uint8_t *)sums[0], s->y1 = (uint8_t *)sums[1];
            if (!a->first) s->sum0 = a->accumulator + (p->at + 2 * k) * a->outputs + first, s->sum1 = s->sum0 + a->outputs;
            const int32_t n = 4 * s->blocks;
            c->loop(s);
            x_wide_end(a, sums[0], sums[1], a->tables + first, y0 + 8 * done, y1 + 8 * done, n);
        }
        y0 += 2 * w->out_pixel_pitch, y1 += 2 * w->out_pixel_pitch;
    }
}

#endif
