/* SPDX-License-Identifier: Apache-2.0
 *
 * Global counters and their per-layer differences; empty without -DDSE_COUNTERS=1.
 */
#include "port.h"

#if DSE_COUNTERS

#define NO_LAYER UINT32_MAX

DSE_STATE dse_counter_set dse_counters;
DSE_STATE uint32_t dse_core_macs[DSE_MAX_CORES];

static dse_counter_set *layers;
static uint32_t layer_count, open_layer = NO_LAYER;
static dse_counter_set at_begin;

void dse_counters_fold(void) {
    uint64_t sum = 0;
    for (uint32_t core = 0, cores = dse_cores(); core < cores; core++) {
        sum += dse_core_macs[core];
        dse_core_macs[core] = 0u;
    }
    dse_counters.macs += sum;
}

void dse_counters_reset(dse_counter_set *per_layer, uint32_t n) {
    static const dse_counter_set zero;
    dse_counters_fold();
    dse_counters = zero;
    layers = per_layer;
    layer_count = per_layer ? n : 0u;
    open_layer = NO_LAYER;
    for (uint32_t i = 0; i < layer_count; i++) layers[i] = zero;
}

void dse_layer_begin(uint32_t layer) {
    if (open_layer != NO_LAYER) dse_layer_end(open_layer);
    if (layer >= layer_count) return;
    dse_counters_fold();
    at_begin = dse_counters;
    open_layer = layer;
    at_begin.cycles = dse_cycles(); /* last: the layer does not pay for its own snapshot */
}

void dse_layer_end(uint32_t layer) {
    const uint64_t now = dse_cycles();
    if (layer != open_layer || layer >= layer_count) return;
    dse_counters_fold();
    dse_counter_set *set = &layers[layer];
    set->cycles += now - at_begin.cycles;
    set->calls += dse_counters.calls - at_begin.calls;
    set->macs += dse_counters.macs - at_begin.macs;
    set->npu_jobs += dse_counters.npu_jobs - at_begin.npu_jobs;
    set->npu_macs += dse_counters.npu_macs - at_begin.npu_macs;
    for (uint32_t i = 0; i < DSE_LINKS; i++) {
        set->link[i].transfers += dse_counters.link[i].transfers - at_begin.link[i].transfers;
        set->link[i].lines += dse_counters.link[i].lines - at_begin.link[i].lines;
        set->link[i].bytes += dse_counters.link[i].bytes - at_begin.link[i].bytes;
    }
    open_layer = NO_LAYER;
}

#else
/* ISO C wants a declaration in every translation unit. */
typedef int dse_counters_are_off;
#endif
