/* os_hosted.c -- the operating system through a C library: for models in other people's programs, and for tests of the rest. */
#include "runtime/libc.h"
#include "runtime/os.h"
#include "runtime/processors.h"

enum { EINTR = 4, EEXIST = 17 };

static int64_t failed(void) { return -*__errno_location(); }

_Noreturn void os_exit(int status) { exit(status); }

/* ---- files ---- */

enum { O_WRONLY = 1, O_CREAT = 0100, O_TRUNC = 01000, O_CLOEXEC = 02000000, SEEK_END = 2 };

int64_t os_open(const char *path) {
  int file = open(path, O_CLOEXEC);
  return file < 0 ? failed() : file;
}

int64_t os_create(const char *path) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  return file < 0 ? failed() : file;
}

void os_close(int64_t file) { close((int)file); }

int64_t os_size(int64_t file) {
  long here = lseek((int)file, 0, 1), size = lseek((int)file, 0, SEEK_END);
  if (size < 0) return failed();
  lseek((int)file, here, 0);
  return size;
}

int64_t os_read(int64_t file, void *to, size_t n) {
  size_t done = 0;
  while (done < n) {
    long got = read((int)file, (char *)to + done, n - done);
    if (got < 0 && failed() == -EINTR) continue;
    if (got < 0) return failed();
    if (got == 0) break;
    done += (size_t)got;
  }
  return (int64_t)done;
}

bool os_write(int64_t file, const void *from, size_t n) {
  for (size_t done = 0; done < n;) {
    long put = write((int)file, (const char *)from + done, n - done);
    if (put < 0 && failed() == -EINTR) continue;
    if (put <= 0) return false;
    done += (size_t)put;
  }
  return true;
}

bool os_rename(const char *from, const char *to) { return rename(from, to) == 0; }
void os_remove(const char *path) { unlink(path); }
bool os_make_folder(const char *path) { return mkdir(path, 0777) == 0 || failed() == -EEXIST; }

bool os_own_path(char *out, size_t size) {
  long n = readlink("/proc/self/exe", out, size);
  if (n <= 0 || n >= (long)size) return false;
  out[n] = 0;
  return true;
}

/* ---- memory ---- */

enum { PROT_READ = 1, PROT_WRITE = 2, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32, MADV_HUGEPAGE = 14 };

static void *map(size_t n, int protection, int flags, int64_t file) {
  void *m = mmap(NULL, n ? n : 1, protection, flags, (int)file, 0);
  return m == (void *)-1 ? NULL : m;
}

/* The last part of a huge page stays small ones. */
void *os_memory(size_t n) {
  bool huge = n >= OS_HUGE;
  char *m = map(n + (huge ? OS_HUGE : n == 0), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  if (!huge || !m) return m;
  m = os_cut_huge(m, n);
  madvise(m, n / OS_HUGE * OS_HUGE, MADV_HUGEPAGE);
  return m;
}

void os_release(void *memory, size_t n) {
  if (memory) munmap(memory, n ? n : 1);
}

const void *os_map(int64_t file, size_t n) { return map(n, PROT_READ, MAP_PRIVATE, file); }

/* ---- threads ---- */

uintptr_t os_thread(void *(*run)(void *), void *context) {
  uintptr_t thread = 0;
  ThreadAttributes a;
  if (pthread_attr_init(&a) != 0) return 0;
  bool good = pthread_attr_setstacksize(&a, OS_STACK) == 0 && pthread_create(&thread, &a, run, context) == 0;
  pthread_attr_destroy(&a);
  return good ? thread : 0;
}

void os_join(uintptr_t thread) { pthread_join(thread, NULL); }

/* Of these, C libraries have no function, or two that differ. */
#if defined(__x86_64__)
enum { SYS_futex = 202, SYS_getaffinity = 204, SYS_clock_gettime = 228 };
#elif defined(__arm__)
enum { SYS_futex = 240, SYS_getaffinity = 242, SYS_clock_gettime = 263 };
#else
enum { SYS_futex = 98, SYS_getaffinity = 123, SYS_clock_gettime = 113 };
#endif
enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129 };

void os_wait(uint32_t *at, uint32_t value) { syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }
void os_wake(uint32_t *at) { syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0); }

static int64_t allowed_processors(void) {
  unsigned long mask[1024 / sizeof(long)] = {0};
  int64_t n = 0;
  long bytes = syscall(SYS_getaffinity, 0, sizeof mask, mask);
  for (long i = 0; i < bytes / (long)sizeof *mask; i++) n += __builtin_popcountl(mask[i]);
  return n > 0 ? n : 1;
}

int64_t os_processors(void) { return processors_worth(allowed_processors()); }

void os_features(uint64_t word[2]) {
  enum { AT_HWCAP = 16, AT_HWCAP2 = 26 };
  word[0] = getauxval(AT_HWCAP);
  word[1] = getauxval(AT_HWCAP2);
}

/* Of the thread sanitizer, if the program has it. */
__attribute__((weak)) void __tsan_release(void *at);
__attribute__((weak)) void __tsan_acquire(void *at);

void os_hand_over(void *at) {
  if (__tsan_release) __tsan_release(at);
}

void os_take_over(void *at) {
  if (__tsan_acquire) __tsan_acquire(at);
}

int64_t os_now(void) {
  long t[2] = {0};
  syscall(SYS_clock_gettime, 1, t);
  return (int64_t)t[0] * 1000000000 + t[1];
}

int64_t os_date(void) {
  long t[2] = {0};
  syscall(SYS_clock_gettime, 0, t);
  return (int64_t)t[0] * 1000000 + t[1] / 1000;
}
