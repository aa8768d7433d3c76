/* bare.c WEIGHTS -- two models on any Linux target, without its C library: what libraries call is here, in a few lines each.
 *
 * Threads are not to be had, and the models go on without. */
#include <stdint.h>

#if defined(__x86_64__)
#include "runtime/raw_x86_64.h"
#elif defined(__aarch64__)
#include "runtime/raw_aarch64.h"
#elif defined(__arm__)
#include "runtime/raw_armv7.h"
#else
#include "runtime/raw_riscv64.h"
#endif
#include "best.h"
#include "decoder.h"
#include "runtime/libc.h"

/* ---- a C library ---- */

static long ask(long number, long a, long b, long c, long d, long e, long f) {
  long result = call(number, a, b, c, d, e, f);
  if (result < 0 && result > -4096) return *__errno_location() = (int)-result, -1;
  return result;
}

int *__errno_location(void) {
  static int number;
  return &number;
}

long syscall(long number, ...) {
  __builtin_va_list ap;
  long a[6];
  __builtin_va_start(ap, number);
  for (int i = 0; i < 6; i++) a[i] = __builtin_va_arg(ap, long);
  __builtin_va_end(ap);
  return ask(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

enum { HERE = -100, EAGAIN = 11 };

int open(const char *path, int flags, ...) { return (int)ask(SYS_openat, HERE, (long)(uintptr_t)path, flags, 0, 0, 0); }
long read(int file, void *to, size_t n) { return ask(SYS_read, file, (long)(uintptr_t)to, (long)n, 0, 0, 0); }
int close(int file) { return (int)ask(SYS_close, file, 0, 0, 0, 0, 0); }
int munmap(void *at, size_t n) { return (int)ask(SYS_munmap, (long)(uintptr_t)at, (long)n, 0, 0, 0, 0); }
int madvise(void *at, size_t n, int what) { return (int)ask(SYS_madvise, (long)(uintptr_t)at, (long)n, what, 0, 0, 0); }

long lseek(int file, long to, int from) {
#if __SIZEOF_LONG__ == 8
  return ask(SYS_lseek, file, to, from, 0, 0, 0);
#else
  int64_t at;
  return ask(SYS_lseek, file, 0, to, (long)(uintptr_t)&at, from, 0) < 0 ? -1 : (long)at;
#endif
}

void *mmap(void *at, size_t n, int protection, int flags, int file, long offset) {
  return (void *)ask(SYS_mmap, (long)(uintptr_t)at, (long)n, protection, flags, file, offset);
}

int pthread_attr_init(ThreadAttributes *a) { return (void)a, 0; }
int pthread_attr_setstacksize(ThreadAttributes *a, size_t n) { return (void)a, (void)n, 0; }
int pthread_attr_destroy(ThreadAttributes *a) { return (void)a, 0; }
int pthread_create(uintptr_t *thread, const ThreadAttributes *a, void *(*run)(void *), void *context) {
  return (void)thread, (void)a, (void)run, (void)context, EAGAIN;
}
int pthread_join(uintptr_t thread, void **result) { return (void)thread, (void)result, 0; }

static unsigned long features[2];
unsigned long getauxval(unsigned long what) { return what == 16 ? features[0] : what == 26 ? features[1] : 0; }

/* ---- the program ---- */

static void put(int stream, const char *text) {
  size_t n = 0;
  while (text[n]) n++;
  call(SYS_write, stream, (long)(uintptr_t)text, (long)n, 0, 0, 0);
}

static void put_number(int v) {
  char text[4] = {' ', (char)('0' + v / 100), (char)('0' + v / 10 % 10), (char)('0' + v % 10)};
  call(SYS_write, 1, (long)(uintptr_t)text, 4, 0, 0, 0);
}

static int write_on(const char *weights) {
  enum { LENGTH = 48 };
  static const char prompt[] = "Once upon a time";
  static int64_t text[LENGTH];
  decoder_error error = {""};
  best_error other = {""};
  decoder_session *decoder = decoder_session_open(decoder_open(weights, &error), 2, &error);
  best_session *best = best_session_open(best_open((const char *)0, &other), 2, &other);
  int64_t n = 0;
  for (; prompt[n]; n++) text[n] = prompt[n];
  for (; n < LENGTH; n++) {
    decoder_outputs scores;
    best_outputs picked;
    decoder_inputs in = {.seq = n, .input_ids = text};
    bool good = decoder_run(decoder, &in, &scores, &error);
    best_inputs of = {.seq = n, .logits = good ? scores.logits : 0};
    if (!good || !best_run(best, &of, &picked, &other)) return put(2, error.text), put(2, other.text), put(2, "\n"), 1;
    text[n] = picked.token[n - 1];
    put_number((int)text[n]);
  }
  put(1, "\n");
  return 0;
}

__attribute__((used)) _Noreturn void lrt_start(const uintptr_t *stack);
_Noreturn void lrt_start(const uintptr_t *stack) {
  const uintptr_t *at = stack + 1 + stack[0] + 1;
  while (*at) at++;
  for (at++; at[0]; at += 2)
    if (at[0] == 16 || at[0] == 26) features[at[0] == 26] = at[1];
  int status = stack[0] == 2 ? write_on((const char *)stack[2]) : 2;
  for (;;) call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}
