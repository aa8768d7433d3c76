/* raw_armv7.h -- system calls, threads and the first instruction of Linux on 32-bit ARM: a part of os_raw.c. */
#ifndef LRT_RAW_ARMV7_H
#define LRT_RAW_ARMV7_H

/* Sizes of files pass 32 bits: SYS_lseek is _llseek, and SYS_mmap is mmap2, which counts the place in a file in pages. */
enum {
  SYS_read = 3, SYS_ioctl = 54, SYS_sigmask = 175, SYS_ppoll = 336, SYS_signalfd = 355, SYS_write = 4, SYS_close = 6, SYS_munmap = 91, SYS_mprotect = 125, SYS_lseek = 140, SYS_mmap = 192, SYS_madvise = 220,
  SYS_futex = 240, SYS_getaffinity = 242, SYS_exit_group = 248, SYS_clock_gettime = 263, SYS_openat = 322, SYS_mkdirat = 323,
  SYS_unlinkat = 328, SYS_readlinkat = 332, SYS_renameat2 = 382
};

static inline __attribute__((always_inline)) long call(long number, long a, long b, long c, long d, long e, long f) {
  register long r7 __asm__("r7") = number;
  register long r0 __asm__("r0") = a;
  register long r1 __asm__("r1") = b;
  register long r2 __asm__("r2") = c;
  register long r3 __asm__("r3") = d;
  register long r4 __asm__("r4") = e;
  register long r5 __asm__("r5") = f;
  __asm__ volatile("svc #0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5) : "memory");
  return r0;
}

__asm__(".text\n"
        ".arm\n"
        ".hidden lrt_clone\n"
        ".globl lrt_clone\n"
        ".type lrt_clone, %function\n"
        "lrt_clone:\n"
        "  push {r4, r7}\n"
        "  mov r2, #0\n"
        "  mov r3, #0\n"
        "  mov r4, #0\n"
        "  mov r7, #120\n"
        "  svc #0\n"
        "  cmp r0, #0\n"
        "  beq 1f\n"
        "  pop {r4, r7}\n"
        "  bx lr\n"
        "1: mov r11, #0\n"
        "  mov lr, #0\n"
        "  ldr r3, [sp]\n"
        "  ldr r0, [sp, #4]\n"
        "  blx r3\n"
        "  mov r7, #1\n"
        "  mov r0, #0\n"
        "  svc #0\n"

        ".hidden lrt_on_stack\n"
        ".globl lrt_on_stack\n"
        ".type lrt_on_stack, %function\n"
        "lrt_on_stack:\n"
        "  push {r11, lr}\n"
        "  mov r11, sp\n"
        "  mov sp, r0\n"
        "  mov r0, r2\n"
        "  blx r1\n"
        "  mov sp, r11\n"
        "  pop {r11, pc}\n"

        ".section .text.first, \"ax\", %progbits\n"
        ".globl _start\n"
        ".type _start, %function\n"
        "_start:\n"
        "  mov r11, #0\n"
        "  mov lr, #0\n"
        "  mov r0, sp\n"
        "  bic sp, sp, #7\n"
        "  bl lrt_start\n"
        "  udf #0\n");

#endif
