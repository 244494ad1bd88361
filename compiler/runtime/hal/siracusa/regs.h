/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses of Siracusa's cluster and SoC, as cores of the cluster see them.
 */
#ifndef DSE_SIRACUSA_REGS_H
#define DSE_SIRACUSA_REGS_H

#include <stdint.h>

static inline volatile uint32_t *dse_reg(uint32_t address) { return (volatile uint32_t *)(uintptr_t)address; }

/* p.elw: a load at the event unit that puts the core to sleep until its event. */
static inline uint32_t dse_event_wait(uint32_t address) {
    uint32_t value;
    __asm__ volatile(".insn i 0x03, 6, %0, 0(%1)" : "=r"(value) : "r"(address) : "memory");
    return value;
}

/* Cluster control: which cores fetch, where each starts; instruction cache. */
#define CLUSTER_FETCH_ENABLE 0x10200008u
#define CLUSTER_BOOT_ADDRESS 0x10200040u /* one word a core */
#define ICACHE_ENABLE 0x10201400u

/* Event unit, each core's own port. A barrier is met by a load that returns when all of its mask have come. */
#define EVENT_MASK_CLEAR 0x10204004u
#define EVENT_MASK_SET 0x10204008u
#define EVENT_WAIT_CLEAR 0x1020403cu /* a load returns when an event of the mask is there, and forgets it */
#define EVENT_NPU (1u << 12)
#define EVENT_BARRIER (1u << 16)
#define BARRIER_CORES 0x10204200u
#define BARRIER_TARGETS 0x1020420cu
#define BARRIER_MEET 0x1020421cu

/* DMA (mchan), each core's own port: reading COMMAND reserves a counter, the writes behind it are its
 * transfers; STATUS has a bit for every counter with bytes to move, writing one frees it. */
#define DMA_COMMAND 0x10204400u
#define DMA_STATUS 0x10204404u

/* N-EUREKA's registers (npu_port.h), and where the cores see the memory that it alone reads weights from. */
#define NPU_BASE 0x10201000u
#define WEIGHT_MEMORY 0x10400000u

#define CONSOLE 0x1a10ff80u
#define SOC_EXIT 0x1a1040a0u /* bit 31: ended; below it the exit code */

#endif
