/* SPDX-License-Identifier: Apache-2.0
 *
 * DSE_PIN makes values opaque at one place of a loop body: the compiler can neither load the values of all unrolled
 * steps first, nor regroup sums, nor replace pointers by a base and an index. On RV32 either costs it more registers
 * than there are. It emits no instruction.
 */
#ifndef DSE_KERNEL_PIN_H
#define DSE_KERNEL_PIN_H

#include "kernel.h"

#if defined(__GNUC__)
#define DSE_PIN_2(a, b) __asm__ volatile("" : "+r"(a), "+r"(b)::"memory")
#define DSE_PIN_4(a, b, c, d) __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d)::"memory")
#else
#define DSE_PIN_2(a, b) ((void)0)
#define DSE_PIN_4(a, b, c, d) ((void)0)
#endif

#endif
