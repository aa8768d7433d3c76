/* raw_aarch64.h -- system calls, threads and the first instruction of Linux on aarch64: a part of os_raw.c. */
#ifndef LRT_RAW_AARCH64_H
#define LRT_RAW_AARCH64_H

#include "runtime/raw_generic.h"

static inline __attribute__((always_inline)) long call(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}

__asm__(".text\n"
        ".hidden lrt_clone\n"
        ".globl lrt_clone\n"
        "lrt_clone:\n"
        "  mov x2, #0\n"
        "  mov x3, #0\n"
        "  mov x4, #0\n"
        "  mov x8, #220\n"
        "  svc #0\n"
        "  cbnz x0, 1f\n"
        "  mov x29, #0\n"
        "  mov x30, #0\n"
        "  ldp x1, x0, [sp]\n"
        "  blr x1\n"
        "  mov x8, #93\n"
        "  mov x0, #0\n"
        "  svc #0\n"
        "1: ret\n"

        ".hidden lrt_on_stack\n"
        ".globl lrt_on_stack\n"
        "lrt_on_stack:\n"
        "  stp x29, x30, [sp, #-16]!\n"
        "  mov x29, sp\n"
        "  mov sp, x0\n"
        "  mov x0, x2\n"
        "  blr x1\n"
        "  mov sp, x29\n"
        "  ldp x29, x30, [sp], #16\n"
        "  ret\n"

        ".section .text.first, \"ax\", %progbits\n"
        ".globl _start\n"
        "_start:\n"
        "  mov x29, #0\n"
        "  mov x30, #0\n"
        "  mov x0, sp\n"
        "  bl lrt_start\n"
        "  udf #0\n");

#endif
