/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles: index ranges of operands, and the transfers and operand views that follow from them. The rules
 * are those of compiler/ir/access.py and compiler/program.py, on which every predicted count rests.
 */
#ifndef DSE_TILE_H
#define DSE_TILE_H

#include "dse_hal.h"

#define DSE_MAX_RANK 5u

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

/* Views are inlined: ranges, pitches and rank are mostly constants, and what is left of a view is then one too. */

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

/* Rows of a tensor in L1 while one stripe of a segment runs: [base, end), of which [start, end) arrive in this
 * stripe. `kept` rows stay from the stripe before, where they lie behind `skip` others. */
typedef struct {
    int32_t base, start, end, kept, skip;
} dse_rows;

/* Moves the rows that stay to the front of their window. */
void dse_roll(uint8_t *window, const dse_rows *r, uint32_t row_bytes);

/* Copies rows, from row `from_row` of one buffer to row `to_row` of another; DSE_DONE where there are none. */
dse_ticket dse_copy_rows(dse_link link, uint8_t *to, int32_t to_row, const uint8_t *from, int32_t from_row,
                         int32_t rows, uint32_t row_bytes);

/* A part of a tensor of which L1 holds the rows from `base` on. */
static inline dse_operand dse_rows_of(uint8_t *window, int32_t base, uint32_t row_bytes, const dse_range *r,
                        const uint32_t *pitch, uint32_t rank) {
    dse_operand view = {window + (dse_offset(r, pitch, rank) - (uint32_t)base * row_bytes), {0}};
    for (uint32_t k = 0; k < rank; k++) view.pitch[k] = pitch[k];
    return view;
}

/* How a tile is cut into transfers: axes [line, rank) are one line, axes [block, line) the lines of one
 * transfer, every index of the axes before is a transfer of its own. */
typedef struct {
    uint32_t rank, block, line, element;
    uint32_t pitch[DSE_MAX_RANK]; /* of the tensor, in bytes */
} dse_shape;

uint32_t dse_tile_bytes(const dse_shape *s, const dse_range *r);

/* Copies a tile of a tensor to a dense buffer, or back; the ticket is that of the last transfer. */
dse_ticket dse_load(dse_link link, const dse_shape *s, const dse_range *r, uint8_t *tensor, uint8_t *tile);
dse_ticket dse_store(dse_link link, const dse_shape *s, const dse_range *r, uint8_t *tensor, uint8_t *tile);

/* Copies rows of a table, one behind the other: number names[k], or the nearest of `rows`, for each k of [low, high). */
dse_ticket dse_load_rows(dse_link link, const uint8_t *table, uint32_t row_bytes, int32_t rows, const uint8_t *names,
                         int32_t low, int32_t high, uint8_t *to);

/* Bytes from the start of a table to the row that the int32 at `name` names: the nearest of `rows`. */
static inline uint32_t dse_row_offset(const uint8_t *name, int32_t rows, uint32_t row_bytes) {
    const int32_t row = *(const int32_t *)(const void *)name;
    return (uint32_t)dse_min(dse_max(row, 0), rows - 1) * row_bytes;
}

/* Steps a tile index through a loop nest, innermost last. Returns the position (from 1) of the outermost
 * loop that moved, or 0 after the last tile. */
uint32_t dse_next(uint32_t *at, const uint32_t *trips, uint32_t loops);

#endif
