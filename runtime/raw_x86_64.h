/* raw_x86_64.h -- system calls, threads and the first instruction of Linux on x86-64: a part of os_raw.c. */
#ifndef LRT_RAW_X86_64_H
#define LRT_RAW_X86_64_H

enum {
  SYS_read = 0, SYS_sigmask = 14, SYS_ioctl = 16, SYS_ppoll = 271, SYS_signalfd = 289, SYS_write = 1, SYS_close = 3, SYS_lseek = 8, SYS_mmap = 9, SYS_mprotect = 10, SYS_munmap = 11, SYS_madvise = 28,
  SYS_futex = 202, SYS_getaffinity = 204, SYS_clock_gettime = 228, SYS_exit_group = 231, SYS_openat = 257, SYS_mkdirat = 258,
  SYS_unlinkat = 263, SYS_readlinkat = 267, SYS_renameat2 = 316
};

static inline __attribute__((always_inline)) long call(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

__asm__(".text\n"
        ".hidden lrt_clone\n"
        ".globl lrt_clone\n"
        "lrt_clone:\n"
        "  xor %edx, %edx\n"
        "  xor %r10d, %r10d\n"
        "  xor %r8d, %r8d\n"
        "  mov $56, %eax\n"
        "  syscall\n"
        "  test %eax, %eax\n"
        "  jnz 1f\n"
        "  xor %ebp, %ebp\n"
        "  pop %rax\n"
        "  pop %rdi\n"
        "  call *%rax\n"
        "  mov $60, %eax\n"
        "  xor %edi, %edi\n"
        "  syscall\n"
        "1: ret\n"

        ".hidden lrt_on_stack\n"
        ".globl lrt_on_stack\n"
        "lrt_on_stack:\n"
        "  push %rbp\n"
        "  mov %rsp, %rbp\n"
        "  mov %rdi, %rsp\n"
        "  mov %rdx, %rdi\n"
        "  call *%rsi\n"
        "  mov %rbp, %rsp\n"
        "  pop %rbp\n"
        "  ret\n"

        ".section .text.first, \"ax\", %progbits\n"
        ".globl _start\n"
        "_start:\n"
        "  xor %ebp, %ebp\n"
        "  mov %rsp, %rdi\n"
        "  and $-16, %rsp\n"
        "  call lrt_start\n"
        "  hlt\n");

#endif
