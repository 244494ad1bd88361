/* SPDX-License-Identifier: Apache-2.0
 *
 * Printing without a C library and without 64-bit division, which plain RV32 has only as a library call.
 */
#include "port.h"

void dse_puts(const char *text) {
    while (*text) dse_putchar(*text++);
}

/* Quotient and remainder by 10 of high * 2^32 + low, in 16-bit steps. */
static uint64_t divide_by_ten(uint64_t value, char *digit) {
    uint64_t quotient = 0;
    uint32_t rest = 0;
    for (int shift = 48; shift >= 0; shift -= 16) {
        const uint32_t part = rest << 16 | (uint32_t)(value >> shift & 0xffffu);
        quotient = quotient << 16 | part / 10u;
        rest = part % 10u;
    }
    *digit = (char)('0' + rest);
    return quotient;
}

void dse_put_u64(uint64_t value) {
    char digits[20];
    int n = 0;
    do value = divide_by_ten(value, &digits[n++]);
    while (value);
    while (n) dse_putchar(digits[--n]);
}

void dse_put_i32(int32_t value) {
    if (value < 0) dse_putchar('-');
    dse_put_u64(value < 0 ? 0u - (uint32_t)value : (uint32_t)value);
}

void dse_put_hex(uint32_t value) {
    for (int shift = 28; shift >= 0; shift -= 4) dse_putchar("0123456789abcdef"[value >> shift & 15u]);
}

void dse_fatal(const char *what) {
    dse_puts("fatal: ");
    dse_puts(what);
    dse_putchar('\n');
    dse_exit(DSE_EXIT_FATAL);
}
