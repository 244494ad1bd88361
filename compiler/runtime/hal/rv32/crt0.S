# SPDX-License-Identifier: Apache-2.0
# Start of every hart: hart 0 runs main, harts below __dse_harts wait for forks, all others sleep for ever.
# Their number is harts.S's.
    .section .text.start, "ax"
    .global _start
_start:
    la      t0, dse_trap_entry
    csrw    mtvec, t0
    csrw    mstatus, zero           # interrupts stay off: they only end a wfi
    li      t0, 8
    csrw    mie, t0                 # ... and only the software interrupt does
    csrr    a0, mhartid
    lui     t0, %hi(__dse_harts)
    addi    t0, t0, %lo(__dse_harts)
    bgeu    a0, t0, park
    li      t1, 0x4000              # bytes of stack a hart; harts.S reserves them
    mul     t1, t1, a0
    la      sp, __dse_stack_top
    sub     sp, sp, t1
    bnez    a0, dse_hart_loop       # woken by its first fork, after hart 0 has cleared .bss
    la      t0, __bss_start
    la      t1, __bss_end
1:  bgeu    t0, t1, 2f
    sw      zero, 0(t0)
    addi    t0, t0, 4
    j       1b
2:  call    main
    tail    dse_exit
park:
    csrw    mie, zero
3:  wfi
    j       3b

    .balign 4
dse_trap_entry:
    csrr    a0, mcause
    csrr    a1, mepc
    csrr    a2, mtval
    tail    dse_trap
