/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of generated networks, see dse_tile.h: views, transfers, stepping through loop nests. */
#include "dse_tile.h"

void dse_roll(uint8_t *window, const dse_rows *r, uint32_t row_bytes) {
    dse_wait(dse_copy_rows(DSE_LINK_L1_L1, window, 0, window, r->skip, r->kept, row_bytes));
}

dse_ticket dse_copy_rows(dse_link link, uint8_t *to, int32_t to_row, const uint8_t *from, int32_t from_row,
                         int32_t rows, uint32_t row_bytes) {
    if (rows == 0) return DSE_DONE;
    return dse_copy_1d(link, to + (uint32_t)to_row * row_bytes, from + (uint32_t)from_row * row_bytes,
                       (uint32_t)rows * row_bytes);
}

uint32_t dse_tile_bytes(const dse_shape *s, const dse_range *r) {
    uint32_t bytes = s->element;
    for (uint32_t k = 0; k < s->rank; k++) bytes *= dse_extent(r[k]);
    return bytes;
}

/* Moves a tile between a tensor and its dense copy; returns the ticket of the last transfer. */
static dse_ticket dse_move(dse_link link, const dse_shape *s, const dse_range *r, uint8_t *tensor, uint8_t *tile,
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

dse_ticket dse_load(dse_link link, const dse_shape *s, const dse_range *r, uint8_t *tensor, uint8_t *tile) {
    return dse_move(link, s, r, tensor, tile, true);
}

dse_ticket dse_store(dse_link link, const dse_shape *s, const dse_range *r, uint8_t *tensor, uint8_t *tile) {
    return dse_move(link, s, r, tensor, tile, false);
}

dse_ticket dse_load_rows(dse_link link, const uint8_t *table, uint32_t row_bytes, int32_t rows, const uint8_t *names,
                         int32_t low, int32_t high, uint8_t *to) {
    const int32_t *const name = (const int32_t *)(const void *)names;
    dse_ticket ticket = DSE_DONE;
    for (int32_t k = low; k < high; k++, to += row_bytes) {
        const uint32_t row = (uint32_t)dse_min(dse_max(name[k], 0), rows - 1);
        ticket = dse_copy_1d(link, to, table + row * row_bytes, row_bytes);
    }
    return ticket;
}

uint32_t dse_next(uint32_t *at, const uint32_t *trips, uint32_t loops) {
    for (uint32_t k = loops; k-- > 0u;) {
        if (++at[k] < trips[k]) return k + 1u;
        at[k] = 0u;
    }
    return 0u;
}
