/* SPDX-License-Identifier: Apache-2.0
 *
 * The three ways in which the driver of the NPU touches the machine. With -DDSE_NPU_MODEL=1 they are a model's of
 * the register file, so that a host can run the driver as it is.
 */
#ifndef DSE_SIRACUSA_NPU_PORT_H
#define DSE_SIRACUSA_NPU_PORT_H

#include "regs.h"

/* Offsets from NPU_BASE. Reading ACQUIRE reserves a context, or gives a negative number; the job's registers are the
 * reserved context's until TRIGGER is written; STATUS has a byte for each context, not zero while it is taken. */
#define NPU_TRIGGER 0x00u
#define NPU_ACQUIRE 0x04u
#define NPU_STATUS 0x0cu
#define NPU_SOFT_CLEAR 0x14u
#define NPU_JOB 0x20u

#ifndef DSE_NPU_MODEL
#define DSE_NPU_MODEL 0
#endif

#if DSE_NPU_MODEL
uint32_t npu_read(uint32_t offset);
void npu_write(uint32_t offset, uint32_t value);
void npu_sleep(void);
#else
static inline uint32_t npu_read(uint32_t offset) { return *dse_reg(NPU_BASE + offset); }
static inline void npu_write(uint32_t offset, uint32_t value) { *dse_reg(NPU_BASE + offset) = value; }

/* Sleeps until a job has ended since the last sleep. The event unit remembers an event that nobody waits for yet, so
 * one between a look at STATUS and the sleep is not lost. Its mask is open here alone: forks wait for barriers. */
static inline void npu_sleep(void) {
    *dse_reg(EVENT_MASK_SET) = EVENT_NPU;
    (void)dse_event_wait(EVENT_WAIT_CLEAR);
    *dse_reg(EVENT_MASK_CLEAR) = EVENT_NPU;
}
#endif

#endif
