/* os_hosted.c -- the operating system through a C library: for programs that have one, and for tests of the rest. */
#define _GNU_SOURCE
#include "runtime/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

_Noreturn void os_exit(int status) { exit(status); }

/* ---- files ---- */

int64_t os_open(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  return file < 0 ? -errno : file;
}

int64_t os_create(const char *path) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  return file < 0 ? -errno : file;
}

void os_close(int64_t file) { close((int)file); }

int64_t os_size(int64_t file) {
  struct stat s;
  return fstat((int)file, &s) == 0 ? (int64_t)s.st_size : -errno;
}

int64_t os_read(int64_t file, void *to, size_t n) {
  size_t done = 0;
  while (done < n) {
    ssize_t got = read((int)file, (char *)to + done, n - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -errno;
    if (got == 0) break;
    done += (size_t)got;
  }
  return (int64_t)done;
}

bool os_write(int64_t file, const void *from, size_t n) {
  for (size_t done = 0; done < n;) {
    ssize_t put = write((int)file, (const char *)from + done, n - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    done += (size_t)put;
  }
  return true;
}

bool os_rename(const char *from, const char *to) { return rename(from, to) == 0; }
void os_remove(const char *path) { unlink(path); }
bool os_make_folder(const char *path) { return mkdir(path, 0777) == 0 || errno == EEXIST; }

/* ---- memory ---- */

void *os_memory(size_t n) {
  void *m = mmap(NULL, n ? n : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return m == MAP_FAILED ? NULL : m;
}

void os_release(void *memory, size_t n) {
  if (memory) munmap(memory, n ? n : 1);
}

const void *os_map(int64_t file, size_t n) {
  void *m = mmap(NULL, n ? n : 1, PROT_READ, MAP_PRIVATE, (int)file, 0);
  return m == MAP_FAILED ? NULL : m;
}

/* ---- threads ---- */

typedef struct Start {
  void (*run)(void *);
  void *context;
} Start;

static void *start(void *given) {
  Start s = *(Start *)given;
  free(given);
  s.run(s.context);
  return NULL;
}

bool os_thread(void (*run)(void *), void *context) {
  pthread_t t;
  Start *s = malloc(sizeof *s);
  if (!s) return false;
  *s = (Start){run, context};
  pthread_attr_t a;
  bool good = pthread_attr_init(&a) == 0 && pthread_attr_setstacksize(&a, OS_STACK) == 0 &&
              pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED) == 0 && pthread_create(&t, &a, start, s) == 0;
  pthread_attr_destroy(&a);
  if (!good) free(s);
  return good;
}

/* A condition that all who wait share, whatever they wait for: it is rarely asked. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

void os_wait(uint32_t *at, uint32_t value) {
  pthread_mutex_lock(&mutex);
  if (__atomic_load_n(at, __ATOMIC_SEQ_CST) == value) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
}

void os_wake(uint32_t *at) {
  (void)at;
  pthread_mutex_lock(&mutex);
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
}

int64_t os_processors(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

int64_t os_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}
