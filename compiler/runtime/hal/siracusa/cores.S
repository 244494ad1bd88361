# SPDX-License-Identifier: Apache-2.0
# The number of cluster cores that work, -DDSE_HARTS=n. Nothing else is compiled for a number of cores.
    .global __dse_cores
    .equ    __dse_cores, DSE_HARTS
