/* raw_generic.h -- the numbers of system calls that Linux gives to newer architectures: a part of os_raw.c. */
#ifndef LRT_RAW_GENERIC_H
#define LRT_RAW_GENERIC_H

enum {
  SYS_ioctl = 29, SYS_mkdirat = 34, SYS_ppoll = 73, SYS_signalfd = 74, SYS_sigmask = 135, SYS_unlinkat = 35, SYS_openat = 56, SYS_close = 57, SYS_readlinkat = 78, SYS_lseek = 62, SYS_read = 63, SYS_write = 64,
  SYS_exit_group = 94, SYS_futex = 98, SYS_clock_gettime = 113, SYS_getaffinity = 123, SYS_sigaction = 134, SYS_munmap = 215,
  SYS_mmap = 222, SYS_mprotect = 226, SYS_madvise = 233, SYS_renameat2 = 276
};

#endif
