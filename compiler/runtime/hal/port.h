/* SPDX-License-Identifier: Apache-2.0
 *
 * What the sources in runtime/hal/ itself ask of a target, beyond dse_hal.h. Not for kernels or generated code.
 */
#ifndef DSE_PORT_H
#define DSE_PORT_H

#include "dse_hal.h"

/* Moves bytes, any alignment; buffers do not overlap, or the destination lies before the source. */
void dse_port_move(void *dst, const void *src, uint32_t bytes);

/* Counts one transfer. */
static inline void dse_port_count(dse_link link, uint32_t line_bytes, uint32_t lines) {
#if DSE_COUNTERS
    dse_link_counters *counters = &dse_counters.link[link];
    counters->transfers += 1u;
    counters->lines += lines;
    counters->bytes += (uint64_t)line_bytes * lines;
#else
    (void)link, (void)line_bytes, (void)lines;
#endif
}

#if DSE_COUNTERS
/* Adds what cores counted to the global counters; dse_fork calls it after the join. */
void dse_counters_fold(void);
#else
static inline void dse_counters_fold(void) {}
#endif

#endif
