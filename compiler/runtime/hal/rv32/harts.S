# SPDX-License-Identifier: Apache-2.0
# The number of harts, -DDSE_HARTS=n, and their stacks. Nothing else is compiled for a number of harts.
    .global __dse_harts
    .equ    __dse_harts, DSE_HARTS

    .section .stack, "aw", @nobits
    .balign 16
    .space  DSE_HARTS * 0x4000
    .global __dse_stack_top
__dse_stack_top:
