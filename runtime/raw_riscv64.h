/* raw_riscv64.h -- system calls, threads and the first instruction of Linux on riscv64: a part of os_raw.c. */
#ifndef LRT_RAW_RISCV64_H
#define LRT_RAW_RISCV64_H

#include "runtime/raw_generic.h"

static inline __attribute__((always_inline)) long call(long number, long a, long b, long c, long d, long e, long f) {
  register long a7 __asm__("a7") = number;
  register long a0 __asm__("a0") = a;
  register long a1 __asm__("a1") = b;
  register long a2 __asm__("a2") = c;
  register long a3 __asm__("a3") = d;
  register long a4 __asm__("a4") = e;
  register long a5 __asm__("a5") = f;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
  return a0;
}

__asm__(".text\n"
        ".hidden lrt_clone\n"
        ".globl lrt_clone\n"
        "lrt_clone:\n"
        "  li a2, 0\n"
        "  li a3, 0\n"
        "  li a4, 0\n"
        "  li a7, 220\n"
        "  ecall\n"
        "  bnez a0, 1f\n"
        "  li s0, 0\n"
        "  li ra, 0\n"
        "  ld a1, 0(sp)\n"
        "  ld a0, 8(sp)\n"
        "  jalr a1\n"
        "  li a7, 93\n"
        "  li a0, 0\n"
        "  ecall\n"
        "1: ret\n"

        ".hidden lrt_on_stack\n"
        ".globl lrt_on_stack\n"
        "lrt_on_stack:\n"
        "  addi sp, sp, -16\n"
        "  sd ra, 8(sp)\n"
        "  sd s0, 0(sp)\n"
        "  mv s0, sp\n"
        "  mv sp, a0\n"
        "  mv a0, a2\n"
        "  jalr a1\n"
        "  mv sp, s0\n"
        "  ld s0, 0(sp)\n"
        "  ld ra, 8(sp)\n"
        "  addi sp, sp, 16\n"
        "  ret\n"

        ".section .text.first, \"ax\", %progbits\n"
        ".globl _start\n"
        "_start:\n"
        "  li s0, 0\n"
        "  li ra, 0\n"
        "  mv a0, sp\n"
        "  call lrt_start\n"
        "  unimp\n"
        ".text\n"

        /* The vector length for whole bytes, in bytes: 0 where the unit is not of version 1.0 (the vtype of 0.7 has no such
         * bits), or where there is none, and the handler below goes on behind the instruction, `vsetvli a0, zero, e8, m1, ta, ma`. */
        ".hidden lrt_vector_bytes\n"
        ".globl lrt_vector_bytes\n"
        "lrt_vector_bytes:\n"
        "  li a0, 0\n"
        "  .word 0x0c007557\n"
        "  ret\n"

        ".hidden lrt_skip_instruction\n"
        ".globl lrt_skip_instruction\n"
        "lrt_skip_instruction:\n"
        "  ld t0, 176(a2)\n" /* the program counter, first of the registers in a ucontext */
        "  addi t0, t0, 4\n"
        "  sd t0, 176(a2)\n"
        "  ret\n");

#endif
