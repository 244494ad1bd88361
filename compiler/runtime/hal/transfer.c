/* SPDX-License-Identifier: Apache-2.0
 *
 * Transfers by a copy loop.
 *
 * By default work is done when it is issued. With -DDSE_LAZY=1 it is done as late as the contract allows: when it is
 * waited for, or when DSE_QUEUE_DEPTH later transfers of its link push it out; NPU jobs likewise (npu_queue.c). A program that is right in both extremes reads nothing before it arrived and overwrites nothing that is
 * still to be read; tests run both.
 */
#include "port.h"

#ifndef DSE_LAZY
#define DSE_LAZY 0
#endif
#define DSE_QUEUE_DEPTH (DSE_LAZY ? 16u : 1u)

/* A ticket is link << 28 | sequence number; numbers wrap, distances below half the range are compared. */
#define SEQUENCE_BITS 28u
#define SEQUENCE_MASK ((1u << SEQUENCE_BITS) - 1u)

typedef struct {
    uint8_t *dst;
    const uint8_t *src;
    uint32_t line_bytes, lines, dst_stride, src_stride;
} transfer;

typedef struct {
    uint32_t issued, finished; /* sequence numbers; the first transfer is number 1 */
    transfer queue[DSE_QUEUE_DEPTH];
} channel;

static channel channels[DSE_LINKS];

static void move_lines(const transfer *t) {
    if (t->dst_stride == t->line_bytes && t->src_stride == t->line_bytes) {
        dse_port_move(t->dst, t->src, t->line_bytes * t->lines);
        return;
    }
    uint8_t *dst = t->dst;
    const uint8_t *src = t->src;
    for (uint32_t line = 0; line < t->lines; line++, dst += t->dst_stride, src += t->src_stride)
        dse_port_move(dst, src, t->line_bytes);
}

static void finish_one(channel *c) {
    c->finished = (c->finished + 1u) & SEQUENCE_MASK;
    move_lines(&c->queue[c->finished % DSE_QUEUE_DEPTH]);
}

static void finish_until(channel *c, uint32_t sequence) {
    while (c->finished != c->issued && ((sequence - c->finished - 1u) & SEQUENCE_MASK) <= SEQUENCE_MASK / 2u)
        finish_one(c);
}

static dse_ticket issue(dse_link link, const transfer *t) {
    if ((unsigned)link >= DSE_LINKS || t->line_bytes == 0u || t->lines == 0u)
        dse_fatal("a transfer needs a link, bytes and lines");
    channel *c = &channels[link];
    if (((c->issued - c->finished) & SEQUENCE_MASK) == DSE_QUEUE_DEPTH) finish_one(c);
    c->issued = (c->issued + 1u) & SEQUENCE_MASK;
    c->queue[c->issued % DSE_QUEUE_DEPTH] = *t;
    dse_port_count(link, t->line_bytes, t->lines);
    if (!DSE_LAZY) finish_one(c);
    dse_ticket ticket = (dse_ticket)link << SEQUENCE_BITS | c->issued;
    if (ticket != DSE_DONE) return ticket;
    finish_until(c, c->issued); /* the number wrapped onto DSE_DONE: make it true */
    return DSE_DONE;
}

dse_ticket dse_copy_1d(dse_link link, void *dst, const void *src, uint32_t bytes) {
    const transfer t = {dst, src, bytes, 1u, bytes, bytes};
    return issue(link, &t);
}

dse_ticket dse_copy_2d(dse_link link, void *dst, const void *src, uint32_t line_bytes, uint32_t lines,
                       uint32_t dst_stride, uint32_t src_stride) {
    const transfer t = {dst, src, line_bytes, lines, dst_stride, src_stride};
    return issue(link, &t);
}

void dse_wait(dse_ticket ticket) {
    if (ticket == DSE_DONE) return;
    const uint32_t link = ticket >> SEQUENCE_BITS;
    if (link >= DSE_LINKS) dse_fatal("a wait for a ticket that no transfer returned");
    finish_until(&channels[link], ticket & SEQUENCE_MASK);
}

void dse_wait_all(void) {
    for (uint32_t link = 0; link < DSE_LINKS; link++)
        while (channels[link].finished != channels[link].issued) finish_one(&channels[link]);
}
