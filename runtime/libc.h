/* libc.h -- the few functions of a C library that os_hosted.c calls, declared here so that it compiles for every Linux
 * target without that system's headers. They are those that every C library on Linux has with the same numbers and types,
 * and of which there are no versions that differ. */
#ifndef LRT_LIBC_H
#define LRT_LIBC_H

#include <stddef.h>
#include <stdint.h>

_Noreturn void exit(int status);
int *__errno_location(void);
long syscall(long number, ...);
unsigned long getauxval(unsigned long type);

int open(const char *path, int flags, ...);
int close(int file);
long read(int file, void *to, size_t n);
long write(int file, const void *from, size_t n);
long lseek(int file, long to, int from);
int rename(const char *from, const char *to);
int unlink(const char *path);
int mkdir(const char *path, unsigned mode);
long readlink(const char *path, char *to, size_t n);

void *mmap(void *at, size_t n, int protection, int flags, int file, long offset);
int munmap(void *at, size_t n);
int madvise(void *at, size_t n, int advice);

/* pthread_t is a number or a pointer; pthread_attr_t is never longer than this. */
typedef union ThreadAttributes {
  char room[128];
  void *alignment;
} ThreadAttributes;

int pthread_create(uintptr_t *thread, const ThreadAttributes *a, void *(*run)(void *), void *context);
int pthread_join(uintptr_t thread, void **result);
int pthread_attr_init(ThreadAttributes *a);
int pthread_attr_setstacksize(ThreadAttributes *a, size_t n);
int pthread_attr_destroy(ThreadAttributes *a);

#endif
