/* Wrong on purpose: reads before it waited. Right only where transfers happen at once. */
#include "dse_hal.h"
#include "dse_npu.h"

DSE_L1 uint8_t near[16];
DSE_L2 uint8_t far[16];

void dse_npu_execute(const dse_npu_job *job) { near[1] = (uint8_t)job->h_out; }

int main(void) {
    const dse_npu_job job = {.h_out = 9};
    far[0] = 5u;
    const dse_ticket ticket = dse_copy_1d(DSE_LINK_L2_L1, near, far, 1u);
    dse_put_i32(near[0]);
    dse_wait(ticket);
    dse_put_i32(near[0]);
    const dse_npu_ticket done = dse_npu_submit(&job);
    dse_put_i32(near[1]);
    dse_npu_wait(done);
    dse_put_i32(near[1]);
    return 0;
}
