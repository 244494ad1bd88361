/* Prints the registers of the jobs, one line a job. */
#include "dse_hal.h"
#include "dse_npu_regs.h"

static const dse_npu_job jobs[] = {
    /* raw 1x1 with a leftover channel */
    {.h_out = 7, .w_out = 7, .k_in = 33, .k_out = 64, .mode = DSE_NPU_1X1, .weight_bits = 8, .out_bits =
     32, .stride = 1, .weight_offset = -128, .in_pixel_stride = 33, .in_row_stride = 231, .out_pixel_stride = 256,
     .out_row_stride = 1792},
    /* quantised 3x3 from the weight memory */
    {.h_out = 6, .w_out = 12, .k_in = 56, .k_out = 40, .mode = DSE_NPU_3X3, .weight_bits = 4, .out_bits =
     8, .stride = 1, .weight_offset = -8, .scale = (const void *)0x2000, .scale_bits = 8, .shift = 8, .relu = true,
     .prefetch = true, .weights_in_wm = true, .input = (const void *)0x8000, .output = (void *)0x9000,
     .in_pixel_stride = 56, .in_row_stride = 784, .out_pixel_stride = 40, .out_row_stride = 480},
    /* padded depthwise, signed */
    {.h_out = 6, .w_out = 6, .k_in = 56, .k_out = 56, .mode = DSE_NPU_DW3X3, .weight_bits = 8, .out_bits
     = 8, .stride = 1, .weight_offset = -128, .scale = (const void *)0x2000, .scale_bits = 32, .bias = (const int32_t
     *)0x3000, .shift = 20, .in_signed = true, .out_signed = true, .pad_top = 1, .pad_left = 1,
     .pad_bottom = 1, .pad_right = 1, .pad_value = -3, .input = (const void *)0x8000, .in_pixel_stride =
     56, .in_row_stride = 336, .out_pixel_stride = 56, .out_row_stride = 336},
    /* no engine setting: relu and a signed output */
    {.h_out = 1, .w_out = 1, .k_in = 1, .k_out = 1, .mode = DSE_NPU_1X1, .weight_bits = 8, .out_bits = 8,
     .stride = 1, .weight_offset = -128, .relu = true, .out_signed = true},
    /* a job for NE16 */
    {.h_out = 1, .w_out = 1, .k_in = 1, .k_out = 1, .mode = DSE_NPU_1X1, .weight_bits = 8, .out_bits = 32,
     .stride = 1, .layout = DSE_NPU_NE16},
    /* a stride that only NE16 has */
    {.h_out = 1, .w_out = 1, .k_in = 1, .k_out = 1, .mode = DSE_NPU_1X1, .weight_bits = 8, .out_bits = 32,
     .stride = 2},
    /* padding behind a last tile of one row and one column */
    {.h_out = 7, .w_out = 7, .k_in = 1, .k_out = 1, .mode = DSE_NPU_3X3, .weight_bits = 8, .out_bits = 32, .stride = 1,
     .pad_bottom = 1, .pad_right = 1},
    /* padding that begins in the tile before the last one */
    {.h_out = 7, .w_out = 7, .k_in = 1, .k_out = 1, .mode = DSE_NPU_3X3, .weight_bits = 8, .out_bits = 32, .stride = 1,
     .pad_bottom = 2},
};

void dse_npu_execute(const dse_npu_job *job) { (void)job; }

static uint32_t reg[DSE_NPU_REGS];

static void put(uint32_t index, uint32_t word) { reg[index] = word; }

int main(void) {
    for (uint32_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        dse_npu_pack(&jobs[i], 0x1000u, put);
        for (uint32_t r = 0; r < DSE_NPU_REGS; r++) dse_put_hex(reg[r]), dse_putchar(' ');
        dse_put_i32(dse_npu_expressible(&jobs[i])), dse_putchar('\n');
    }
    return 0;
}
