/* scarce.c WEIGHTS INPUT.npy -- a library where memory, threads or files are not to be had: each of them once. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "decoder.h"

/* The library is linked statically, so that these come before the C library's. */
static int calls_left = -1, kind = -1;
enum { MAPPING, THREAD, OPENING, KINDS };

static bool fails(int which) { return which == kind && calls_left >= 0 && calls_left-- == 0; }

void *mmap(void *at, size_t n, int protection, int flags, int file, off_t offset) {
  if (fails(MAPPING)) return errno = ENOMEM, MAP_FAILED;
  return (void *)syscall(SYS_mmap, at, n, protection, flags, file, offset);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *a, void *(*run)(void *), void *context) {
  union {
    void *found;
    int (*call)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  } next = {.found = dlsym(RTLD_NEXT, "pthread_create")};
  return fails(THREAD) ? EAGAIN : next.call(thread, a, run, context);
}

int open(const char *path, int flags, ...) {
  if (fails(OPENING)) return errno = EMFILE, -1;
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}

/* All of a session; false with a reason in `error`. */
static bool go_through(const char *path, const decoder_inputs *in, decoder_error *error) {
  decoder_outputs out;
  decoder_model *m = decoder_open(path, error);
  decoder_session *s = m ? decoder_session_open(m, 4, error) : NULL;
  bool good = s && decoder_run(s, in, &out, error);
  decoder_session_close(s);
  decoder_close(m);
  return good;
}

int main(int argc, char **argv) {
  static int64_t ids[40];
  decoder_inputs in = {.seq = 40, .input_ids = ids};
  int failures = 0;
  if (argc != 2) return 2;
  for (kind = 0; kind < KINDS; kind++)
    for (int n = 0, done = 0; !done; n++) {
      decoder_error error = {""};
      calls_left = n;
      bool good = go_through(argv[1], &in, &error);
      done = calls_left >= 0; /* it did not ask so often */
      bool may_fail = kind != THREAD && !done; /* with fewer threads it goes on */
      if (good != !may_fail || (!good && !*error.text))
        failures++, printf("FAIL kind %d, call %d: %d, `%s`\n", kind, n, good, error.text);
      if (n > 100) return puts("FAIL it never ends"), 1;
    }
  if (failures == 0) puts("scarcity is said");
  return failures > 0;
}
