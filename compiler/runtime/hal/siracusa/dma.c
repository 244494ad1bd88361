/* SPDX-License-Identifier: Apache-2.0
 *
 * Transfers between L2 and L1 by the cluster's DMA (mchan), in flight while cores compute; the other links,
 * whose ends are not both within its reach, by a copy loop of the controller.
 */
#include "../port.h"
#include "regs.h"

/* Command word: bytes in bits 16:0, then these. Behind it: address in L1, outside, and in 2D line and stride. */
#define TO_L1 (1u << 17)
#define INCREMENT (1u << 18)
#define TWO_D (1u << 19) /* strided outside; dense in L1 */
#define SIGNAL (1u << 20)

#define MAX_BYTES 0x10000u      /* of one command: a round number that 17 bits hold */
#define MAX_LINE_STRIDE 0xffffu /* of a 2D command */

/* Transfers in flight of a link, oldest first, each with the counter that the DMA decrements for it. */
#define IN_FLIGHT 7u /* two links: 14 of 16 counters */
#define SEQUENCE_BITS 28u
#define SEQUENCE_MASK ((1u << SEQUENCE_BITS) - 1u)

typedef struct {
    uint32_t issued, finished; /* sequence numbers; the first transfer is number 1 */
    uint8_t counter[IN_FLIGHT];
} channel;

DSE_STATE static channel channels[DSE_LINK_L1_L2 + 1];

typedef struct {
    uint32_t l1, outside, line_bytes, lines, l1_stride, outside_stride, direction;
} movement;

static uint32_t pending(const channel *c) { return (c->issued - c->finished) & SEQUENCE_MASK; }

static void command(uint32_t flags, uint32_t bytes, uint32_t l1, uint32_t outside) {
    *dse_reg(DMA_COMMAND) = bytes | flags | INCREMENT | SIGNAL;
    *dse_reg(DMA_COMMAND) = l1;
    *dse_reg(DMA_COMMAND) = outside;
}

static void move_1d(const movement *m, uint32_t l1, uint32_t outside, uint32_t bytes) {
    while (bytes > 0u) {
        const uint32_t part = bytes < MAX_BYTES ? bytes : MAX_BYTES;
        command(m->direction, part, l1, outside);
        l1 += part, outside += part, bytes -= part;
    }
}

static void move_2d(const movement *m) {
    const uint32_t most = MAX_BYTES / m->line_bytes;
    uint32_t l1 = m->l1, outside = m->outside;
    for (uint32_t left = m->lines; left > 0u;) {
        const uint32_t lines = left < most ? left : most;
        command(m->direction | TWO_D, lines * m->line_bytes, l1, outside);
        *dse_reg(DMA_COMMAND) = m->line_bytes;
        *dse_reg(DMA_COMMAND) = m->outside_stride;
        l1 += lines * m->line_bytes, outside += lines * m->outside_stride, left -= lines;
    }
}

static void start(const movement *m) {
    const bool dense = m->l1_stride == m->line_bytes;
    if (dense && m->outside_stride == m->line_bytes)
        move_1d(m, m->l1, m->outside, m->line_bytes * m->lines);
    else if (dense && m->line_bytes <= MAX_LINE_STRIDE && m->outside_stride <= MAX_LINE_STRIDE)
        move_2d(m);
    else
        for (uint32_t line = 0; line < m->lines; line++)
            move_1d(m, m->l1 + line * m->l1_stride, m->outside + line * m->outside_stride, m->line_bytes);
}

static void finish_one(channel *c) {
    c->finished = (c->finished + 1u) & SEQUENCE_MASK;
    const uint32_t bit = 1u << c->counter[c->finished % IN_FLIGHT];
    while (*dse_reg(DMA_STATUS) & bit) continue;
    *dse_reg(DMA_STATUS) = bit;
}

static dse_ticket issue(dse_link link, const movement *m) {
    channel *c = &channels[link];
    if (pending(c) == IN_FLIGHT) finish_one(c);
    c->issued = (c->issued + 1u) & SEQUENCE_MASK;
    c->counter[c->issued % IN_FLIGHT] = (uint8_t)*dse_reg(DMA_COMMAND);
    start(m);
    const dse_ticket ticket = (dse_ticket)link << SEQUENCE_BITS | c->issued;
    if (ticket == DSE_DONE) dse_wait_all(); /* the number wrapped onto DSE_DONE: make it true */
    return ticket;
}

static uint32_t address(const void *p) { return (uint32_t)(uintptr_t)p; }

dse_ticket dse_copy_2d(dse_link link, void *dst, const void *src, uint32_t line_bytes, uint32_t lines,
                       uint32_t dst_stride, uint32_t src_stride) {
    if ((unsigned)link >= DSE_LINKS || line_bytes == 0u || lines == 0u)
        dse_fatal("a transfer needs a link, bytes and lines");
    dse_port_count(link, line_bytes, lines);
    if (link == DSE_LINK_L2_L1) {
        const movement m = {address(dst), address(src), line_bytes, lines, dst_stride, src_stride, TO_L1};
        return issue(link, &m);
    }
    if (link == DSE_LINK_L1_L2) {
        const movement m = {address(src), address(dst), line_bytes, lines, src_stride, dst_stride, 0u};
        return issue(link, &m);
    }
    for (uint32_t line = 0; line < lines; line++)
        dse_port_move((uint8_t *)dst + line * dst_stride, (const uint8_t *)src + line * src_stride, line_bytes);
    return DSE_DONE;
}

dse_ticket dse_copy_1d(dse_link link, void *dst, const void *src, uint32_t bytes) {
    return dse_copy_2d(link, dst, src, bytes, 1u, bytes, bytes);
}

void dse_wait(dse_ticket ticket) {
    if (ticket == DSE_DONE) return;
    const uint32_t link = ticket >> SEQUENCE_BITS;
    if (link > DSE_LINK_L1_L2) dse_fatal("a wait for a ticket that no transfer returned");
    channel *c = &channels[link];
    while (pending(c) != 0u && ((ticket - c->finished - 1u) & SEQUENCE_MASK) < pending(c)) finish_one(c);
}

void dse_wait_all(void) {
    for (uint32_t link = 0; link <= DSE_LINK_L1_L2; link++)
        while (pending(&channels[link]) != 0u) finish_one(&channels[link]);
}
