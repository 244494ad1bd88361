/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs of N-EUREKA by register writes. The engine has two contexts: one job runs while the next one is written; it
 * takes them in turns, so jobs end in the order in which they were submitted.
 */
#include "../port.h"
#include "dse_npu_regs.h"
#include "npu_port.h"

/* 2^32 jobs wrap after years, as in npu_queue.c. */
DSE_STATE static dse_npu_ticket jobs_submitted;

void dse_npu_start(void) { npu_write(NPU_SOFT_CLEAR, 0u); }

static uint32_t jobs_in_flight(void) {
    const uint32_t status = npu_read(NPU_STATUS);
    return (status & 1u) + (status >> 8 & 1u);
}

/* What the engine calls the weights: an address of L1, or an offset in the weight memory. */
static uint32_t weights_of(const dse_npu_job *job) {
    const uint32_t address = (uint32_t)(uintptr_t)job->weights;
    return job->weights_in_wm ? address - WEIGHT_MEMORY : address;
}

static inline void put(uint32_t index, uint32_t word) { npu_write(NPU_JOB + 4u * index, word); }

dse_npu_ticket dse_npu_submit(const dse_npu_job *job) {
    if (!dse_npu_expressible(job)) dse_fatal("an NPU job that N-EUREKA's registers cannot say");
    while ((int32_t)npu_read(NPU_ACQUIRE) < 0) npu_sleep();
    dse_npu_pack(job, weights_of(job), put);
    npu_write(NPU_TRIGGER, 0u);
#if DSE_COUNTERS
    dse_counters.npu_jobs += 1u;
    dse_counters.npu_macs += dse_npu_macs(job);
#endif
    return ++jobs_submitted;
}

void dse_npu_wait(dse_npu_ticket ticket) {
    while (ticket > jobs_submitted - jobs_in_flight()) npu_sleep();
}
