# SPDX-License-Identifier: Apache-2.0
# The fabric controller clears .bss, starts the cluster and sleeps; core 0 of the cluster runs main, the others
# wait for forks. Their number is cores.S's.
    .section .text.start, "ax"
    .global _start
_start:
    la      t0, dse_trap_entry
    csrw    mtvec, t0
    la      sp, __dse_fc_stack_top
    la      t0, __bss_start
    la      t1, __bss_end
1:  bgeu    t0, t1, 2f
    sw      zero, 0(t0)
    addi    t0, t0, 4
    j       1b
2:  lui     a0, %hi(__dse_cores)
    addi    a0, a0, %lo(__dse_cores)
    la      a1, cluster_start
    call    dse_start_cluster
3:  wfi
    j       3b

    .balign 256
cluster_start:
    la      t0, dse_trap_entry
    csrw    mtvec, t0
    csrr    a0, mhartid
    andi    a0, a0, 31
    la      sp, __dse_stack_top     # core 0 has what lies above the others' 1280 bytes each
    beqz    a0, 4f
    la      sp, __dse_worker_stacks_top
    addi    t0, a0, -1
    slli    t1, t0, 10
    slli    t0, t0, 8
    add     t0, t0, t1
    sub     sp, sp, t0
4:  lui     a1, %hi(__dse_cores)
    addi    a1, a1, %lo(__dse_cores)
    call    dse_core_start

    .balign 256
dse_trap_entry:
    csrr    a0, mcause
    csrr    a1, mepc
    tail    dse_trap
