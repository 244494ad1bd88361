/* SPDX-License-Identifier: Apache-2.0
 *
 * The NPU's queue before its functional model. A job runs when it is submitted, with -DDSE_LAZY=1 when it is
 * waited for or pushed out by a later one.
 */
#include "dse_npu.h"
#include "port.h"

#ifndef DSE_LAZY
#define DSE_LAZY 0
#endif

static dse_npu_job jobs[DSE_NPU_QUEUE_DEPTH];
static dse_npu_ticket jobs_submitted, jobs_finished; /* 2^32 jobs wrap after years on these targets */

static void finish_job(void) {
    dse_npu_execute(&jobs[jobs_finished % DSE_NPU_QUEUE_DEPTH]);
    jobs_finished++;
}

dse_npu_ticket dse_npu_submit(const dse_npu_job *job) {
    if (jobs_submitted - jobs_finished == DSE_NPU_QUEUE_DEPTH) finish_job();
    jobs[jobs_submitted % DSE_NPU_QUEUE_DEPTH] = *job;
    jobs_submitted++;
#if DSE_COUNTERS
    dse_counters.npu_jobs += 1u;
    dse_counters.npu_macs += dse_npu_macs(job);
#endif
    if (!DSE_LAZY) finish_job();
    return jobs_submitted;
}

void dse_npu_wait(dse_npu_ticket ticket) {
    while (jobs_finished < ticket && jobs_finished != jobs_submitted) finish_job();
}
