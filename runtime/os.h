/* os.h -- what the runtime asks of the operating system. os_raw.c makes system calls; os_hosted.c uses a C library. */
#ifndef LRT_OS_H
#define LRT_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Noreturn void os_exit(int status);

/* A file's number, or minus what went wrong (an errno). */
int64_t os_open(const char *path);
int64_t os_create(const char *path);
void os_close(int64_t file);
int64_t os_size(int64_t file);
int64_t os_read(int64_t file, void *to, size_t n);              /* bytes read */
bool os_write(int64_t file, const void *from, size_t n);        /* all of them */
bool os_rename(const char *from, const char *to);
void os_remove(const char *path);
bool os_make_folder(const char *path);                          /* or it is there */
bool os_own_path(char *out, size_t size);                       /* the program's file */

/* ---- terminals, which programs have and libraries have not ---- */

bool os_is_terminal(int64_t file);
/* From now on Ctrl-C ends nothing, but is told by what this gives; called before there are threads. Below 0: there is no such thing. */
int64_t os_take_interrupts(void);
bool os_interrupted(int64_t interrupts); /* since it was asked */
/* What is there, or what comes first; 0: its end; OS_INTERRUPTED: Ctrl-C came; else minus what went wrong. */
int64_t os_read_some(int64_t file, int64_t interrupts, void *to, size_t n);
enum { OS_INTERRUPTED = INT32_MIN };

/* Zeroed pages, large ones where they are to be had; NULL: there are none. */
void *os_memory(size_t n);
void os_release(void *memory, size_t n);
const void *os_map(int64_t file, size_t n);

/* Of memory that is a huge page longer than n, the n bytes that begin with one; the rest is given back. */
enum { OS_HUGE = 2 << 20, OS_LARGEST_PAGE = 64 << 10 };

static inline char *os_cut_huge(char *memory, size_t n) {
  size_t before = (OS_HUGE - (uintptr_t)memory % OS_HUGE) % OS_HUGE, used = (n + OS_LARGEST_PAGE - 1) / OS_LARGEST_PAGE * OS_LARGEST_PAGE;
  char *at = memory + before;
  if (before) os_release(memory, before);
  if (before + used < n + OS_HUGE) os_release(at + used, n + OS_HUGE - before - used);
  return at;
}

/* Stacks, which take memory only where they are used: a kernel's workgroup memory, 8 MB at most, is on them. */
enum { OS_STACK = 32 << 20 };

uintptr_t os_thread(void *(*run)(void *), void *context); /* 0: there is none to be had */
void os_join(uintptr_t thread);             /* when it has nothing more to do: returns when it is gone */
void os_wait(uint32_t *at, uint32_t value); /* returns at once if it has another value, and sometimes for nothing */
void os_wake(uint32_t *at);                 /* all who wait */
int64_t os_processors(void);                /* those that this process may use */
void os_features(uint64_t word[2]);         /* lrt_cpu's: of a C library; a program is told them at its start */
int64_t os_now(void);                       /* nanoseconds */
int64_t os_date(void);                      /* microseconds since 1970, UTC */

/* What was written before os_hand_over(at) is read behind os_take_over(at). Atomics see to that; these tell tools that watch
 * a process and know nothing of atomics in code that was not compiled for them. */
void os_hand_over(void *at);
void os_take_over(void *at);

static inline void os_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
