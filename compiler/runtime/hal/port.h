/* SPDX-License-Identifier: Apache-2.0
 *
 * What the sources in runtime/hal/ itself ask of a target, beyond dse_hal.h. Not for kernels or generated code.
 */
#ifndef DSE_PORT_H
#define DSE_PORT_H

#include "dse_hal.h"

/* Moves bytes, any alignment; buffers do not overlap, or the destination lies before the source. */
void dse_port_move(void *dst, const void *src, uint32_t bytes);

#if DSE_COUNTERS
/* Adds what cores counted to the global counters; dse_fork calls it after the join. */
void dse_counters_fold(void);
#else
static inline void dse_counters_fold(void) {}
#endif

#endif
