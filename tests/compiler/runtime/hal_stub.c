/* A HAL for tests of the kernels: any number of cores, run one after another; jobs run at once. */
#include <stdlib.h>
#include <string.h>

#include "dse_hal.h"
#include "dse_kernels.h"

uint32_t stub_cores = 1;
dse_counter_set dse_counters;
uint32_t dse_core_macs[DSE_MAX_CORES];

uint64_t stub_macs(void) {
    uint64_t sum = 0;
    for (uint32_t k = 0; k < DSE_MAX_CORES; k++) sum += dse_core_macs[k];
    return sum;
}

uint64_t stub_largest_share(void) {
    uint64_t most = 0;
    for (uint32_t k = 0; k < DSE_MAX_CORES; k++)
        if (dse_core_macs[k] > most) most = dse_core_macs[k];
    return most;
}

void stub_reset(uint32_t cores) {
    stub_cores = cores;
    memset(&dse_counters, 0, sizeof dse_counters);
    memset(dse_core_macs, 0, sizeof dse_core_macs);
}

void dse_fork(dse_task fn, const void *arg) {
    for (uint32_t core = 0; core < stub_cores; core++) fn(core, stub_cores, arg);
}

dse_npu_ticket dse_npu_submit(const dse_npu_job *job) {
    dse_counters.npu_jobs++;
    dse_npu_execute(job);
    return DSE_NPU_DONE;
}

_Noreturn void dse_fatal(const char *what) {
    (void)what;
    abort();
}

uint64_t stub_get_calls(void) { return dse_counters.calls; }
uint64_t stub_get_jobs(void) { return dse_counters.npu_jobs; }

uint32_t stub_sizes(uint32_t which) {
    const uint32_t sizes[] = {sizeof(dse_window),       sizeof(dse_conv2d_args),   sizeof(dse_matmul_args),
                              sizeof(dse_binary_args),
                              sizeof(dse_lut_args),     sizeof(dse_maxpool_args),  sizeof(dse_avgpool_args),
                              sizeof(dse_softmax_args), sizeof(dse_concat_part),   sizeof(dse_concat_args),
                              sizeof(dse_transpose_args), sizeof(dse_pad_args),    sizeof(dse_resize_args),
                              sizeof(dse_isoftmax_args), sizeof(dse_itamax_args), sizeof(dse_inorm_args),   sizeof(dse_norm_args),
                              sizeof(dse_requantise_args), sizeof(dse_rope_args),   sizeof(dse_embed_args),
                              sizeof(dse_npu_job)};
    return which < sizeof sizes / sizeof sizes[0] ? sizes[which] : 0;
}
