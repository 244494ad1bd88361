/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles: index ranges of operands, and the transfers and operand views that follow from them. The rules
 * are those of compiler/ir/access.py and compiler/program.py, on which every predicted count rests.
 */
#ifndef DSE_TILE_H
#define DSE_TILE_H

#include "dse_hal.h"

#define DSE_MAX_RANK 4u

/* Half-open [low, high) of one operand axis; shift = unclipped low - low, negative where padding precedes. */
typedef struct {
    int32_t low, high, shift;
} dse_range;

/* Address of an operand's first element and the byte pitch of every axis. */
typedef struct {
    uint8_t *data;
    uint32_t pitch[DSE_MAX_RANK];
} dse_operand;

static inline int32_t dse_min(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t dse_max(int32_t a, int32_t b) { return a > b ? a : b; }
static inline uint32_t dse_extent(dse_range r) { return (uint32_t)(r.high - r.low); }

/* Clips to [0, extent); at least one element stays, so that a tile inside the padding has an address. */
static inline dse_range dse_clip(int32_t low, int32_t high, int32_t extent) {
    const int32_t start = dse_min(dse_max(low, 0), extent - 1);
    return (dse_range){start, dse_max(dse_min(high, extent), start + 1), low - start};
}

/* Offset of a range's first element in a tensor with these pitches. */
static inline uint32_t dse_offset(const dse_range *r, const uint32_t *pitch, uint32_t rank) {
    uint32_t offset = 0;
    for (uint32_t k = 0; k < rank; k++) offset += (uint32_t)r[k].low * pitch[k];
    return offset;
}

/* A dense tile. */
static inline dse_operand dse_dense(uint8_t *data, const dse_range *r, uint32_t rank, uint32_t element) {
    dse_operand view = {data, {0}};
    for (uint32_t k = rank; k-- > 0u; element *= dse_extent(r[k])) view.pitch[k] = element;
    return view;
}

/* A window of a tensor that lives in L1. */
static inline dse_operand dse_window_of(uint8_t *tensor, const dse_range *r, const uint32_t *pitch, uint32_t rank) {
    dse_operand view = {tensor + dse_offset(r, pitch, rank), {0}};
    for (uint32_t k = 0; k < rank; k++) view.pitch[k] = pitch[k];
    return view;
}

/* How a tile is cut into transfers: axes [line, rank) are one line, axes [block, line) the lines of one
 * transfer, every index of the axes before is a transfer of its own. */
typedef struct {
    uint32_t rank, block, line, element;
    uint32_t pitch[DSE_MAX_RANK]; /* of the tensor, in bytes */
} dse_shape;

static inline uint32_t dse_tile_bytes(const dse_shape *s, const dse_range *r) {
    uint32_t bytes = s->element;
    for (uint32_t k = 0; k < s->rank; k++) bytes *= dse_extent(r[k]);
    return bytes;
}

/* Moves a tile between a tensor and its dense copy; returns the ticket of the last transfer. */
static inline dse_ticket dse_move(dse_link link, const dse_shape *s, const dse_range *r, uint8_t *tensor, uint8_t *tile,
                                  bool into_tile) {
    uint32_t outer = 1, lines = 1, bytes = s->element;
    for (uint32_t k = 0; k < s->block; k++) outer *= dse_extent(r[k]);
    for (uint32_t k = s->block; k < s->line; k++) lines *= dse_extent(r[k]);
    for (uint32_t k = s->line; k < s->rank; k++) bytes *= dse_extent(r[k]);
    const uint32_t pitch = s->line > s->block ? s->pitch[s->line - 1u] : bytes;
    uint8_t *const start = tensor + dse_offset(r, s->pitch, s->rank);
    dse_ticket ticket = DSE_DONE;
    for (uint32_t i = 0; i < outer; i++) {
        uint32_t rest = i, offset = 0;
        for (uint32_t k = s->block; k-- > 0u; rest /= dse_extent(r[k])) offset += rest % dse_extent(r[k]) * s->pitch[k];
        uint8_t *const far = start + offset, *const near = tile + i * lines * bytes;
        ticket = into_tile ? dse_copy_2d(link, near, far, bytes, lines, bytes, pitch)
                           : dse_copy_2d(link, far, near, bytes, lines, pitch, bytes);
    }
    return ticket;
}

static inline dse_ticket dse_load(dse_link link, const dse_shape *s, const dse_range *r, uint8_t *tensor, uint8_t *tile) {
    return dse_move(link, s, r, tensor, tile, true);
}

static inline dse_ticket dse_store(dse_link link, const dse_shape *s, const dse_range *r, uint8_t *tensor, uint8_t *tile) {
    return dse_move(link, s, r, tensor, tile, false);
}

/* Steps a tile index through a loop nest, innermost last. Returns the position (from 1) of the outermost
 * loop that moved, or 0 after the last tile. */
static inline uint32_t dse_next(uint32_t *at, const uint32_t *trips, uint32_t loops) {
    for (uint32_t k = loops; k-- > 0u;) {
        if (++at[k] < trips[k]) return k + 1u;
        at[k] = 0u;
    }
    return 0u;
}

#endif
