/* os_raw.c -- the operating system by system calls alone: for programs that need no C library. Linux.
 *
 * What differs by architecture is in raw_<architecture>.h: numbers of system calls, call(), and in assembly
 *   lrt_clone(flags, stack)              whose child finds its function and context on its stack,
 *   lrt_on_stack(top, function, context) which runs a function on another stack,
 *   _start                               which gives lrt_start() the first stack. */
#include "runtime/os.h"
#include "runtime/processors.h"
#include "runtime/start.h"

#if defined(__x86_64__)
#include "runtime/raw_x86_64.h"
#elif defined(__aarch64__)
#include "runtime/raw_aarch64.h"
#elif defined(__arm__)
#include "runtime/raw_armv7.h"
#elif defined(__riscv) && __riscv_xlen == 64
#include "runtime/raw_riscv64.h"
#else
#error "nobody wrote down this architecture's system calls"
#endif

enum { EINTR = 4, EEXIST = 17 };

long lrt_clone(long flags, void *stack);
void lrt_on_stack(void *top, void (*run)(void *), void *context);

#define ADDRESS(p) ((long)(uintptr_t)(p))

_Noreturn void os_exit(int status) {
  for (;;) call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

/* ---- files ---- */

enum { HERE = -100 /* paths are relative to the folder at hand */, O_WRONLY = 1, O_CREAT = 0100, O_TRUNC = 01000, O_CLOEXEC = 02000000 };
#if defined(__arm__)
enum { O_LARGE = 0400000 };
#else
enum { O_LARGE = 0 };
#endif

int64_t os_open(const char *path) { return call(SYS_openat, HERE, ADDRESS(path), O_CLOEXEC | O_LARGE, 0, 0, 0); }
int64_t os_create(const char *path) {
  return call(SYS_openat, HERE, ADDRESS(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_LARGE, 0666, 0, 0);
}
void os_close(int64_t file) { call(SYS_close, (long)file, 0, 0, 0, 0, 0); }

static inline __attribute__((always_inline)) int64_t seek(int64_t file, int64_t to, int from) {
#if __SIZEOF_LONG__ == 8
  return call(SYS_lseek, file, to, from, 0, 0, 0);
#else
  int64_t at;
  long status = call(SYS_lseek, (long)file, (long)(to >> 32), (long)to, ADDRESS(&at), from, 0);
  return status < 0 ? status : at;
#endif
}

int64_t os_size(int64_t file) {
  int64_t here = seek(file, 0, 1), end = seek(file, 0, 2);
  seek(file, here, 0);
  return end;
}

int64_t os_read(int64_t file, void *to, size_t n) {
  size_t done = 0;
  while (done < n) {
    int64_t got = call(SYS_read, (long)file, ADDRESS(to) + (long)done, (long)(n - done), 0, 0, 0);
    if (got == -EINTR) continue;
    if (got < 0) return got;
    if (got == 0) break;
    done += (size_t)got;
  }
  return (int64_t)done;
}

bool os_write(int64_t file, const void *from, size_t n) {
  for (size_t done = 0; done < n;) {
    int64_t put = call(SYS_write, (long)file, ADDRESS(from) + (long)done, (long)(n - done), 0, 0, 0);
    if (put == -EINTR) continue;
    if (put <= 0) return false;
    done += (size_t)put;
  }
  return true;
}

bool os_rename(const char *from, const char *to) {
  return call(SYS_renameat2, HERE, ADDRESS(from), HERE, ADDRESS(to), 0, 0) == 0;
}

void os_remove(const char *path) { call(SYS_unlinkat, HERE, ADDRESS(path), 0, 0, 0, 0); }

bool os_make_folder(const char *path) {
  long r = call(SYS_mkdirat, HERE, ADDRESS(path), 0777, 0, 0, 0);
  return r == 0 || r == -EEXIST;
}

bool os_own_path(char *out, size_t size) {
  int64_t n = call(SYS_readlinkat, HERE, ADDRESS("/proc/self/exe"), ADDRESS(out), (long)size, 0, 0);
  if (n <= 0 || n >= (int64_t)size) return false;
  out[n] = 0;
  return true;
}

/* ---- terminals ---- */

enum { SIGINT = 2, GET_TERMINAL = 0x5401, NOT_WAITING = 04000, CAN_READ = 1 };

bool os_is_terminal(int64_t file) {
  char settings[256];
  return call(SYS_ioctl, (long)file, GET_TERMINAL, ADDRESS(settings), 0, 0, 0) == 0;
}

int64_t os_take_interrupts(void) {
  uint64_t mask = 1 << (SIGINT - 1);
  int64_t signals = call(SYS_signalfd, -1, ADDRESS(&mask), sizeof mask, NOT_WAITING | O_CLOEXEC, 0, 0);
  if (signals >= 0) call(SYS_sigmask, 0, ADDRESS(&mask), 0, sizeof mask, 0, 0);
  return signals;
}

bool os_interrupted(int64_t signals) {
  char signal[128];
  bool any = false;
  while (signals >= 0 && call(SYS_read, (long)signals, ADDRESS(signal), sizeof signal, 0, 0, 0) == (long)sizeof signal) any = true;
  return any;
}

int64_t os_read_some(int64_t file, int64_t signals, void *to, size_t n) {
  struct { int file; short wanted, found; } wait[2] = {{(int)file, CAN_READ, 0}, {(int)signals, CAN_READ, 0}};
  for (;;) {
    if (os_interrupted(signals)) return OS_INTERRUPTED;
    if (signals >= 0 && call(SYS_ppoll, ADDRESS(wait), 2, 0, 0, 8, 0) >= 0 && !wait[0].found) continue;
    int64_t got = call(SYS_read, (long)file, ADDRESS(to), (long)n, 0, 0, 0);
    if (got != -EINTR) return got;
  }
}

/* ---- memory ---- */

enum { PROT_READ = 1, PROT_WRITE = 2, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32, MAP_NORESERVE = 0x4000, MADV_HUGEPAGE = 14 };

static void *map(size_t n, int protection, int flags, int64_t file) {
  long at = call(SYS_mmap, 0, (long)n, protection, flags, (long)file, 0);
  return at < 0 && at > -4096 ? NULL : (void *)(uintptr_t)at;
}

/* The last part of a huge page stays small ones. */
void *os_memory(size_t n) {
  bool huge = n >= OS_HUGE;
  char *m = map(n + (huge ? OS_HUGE : n == 0), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  if (!huge || !m) return m;
  m = os_cut_huge(m, n);
  call(SYS_madvise, ADDRESS(m), (long)(n / OS_HUGE * OS_HUGE), MADV_HUGEPAGE, 0, 0, 0);
  return m;
}

void os_release(void *memory, size_t n) {
  if (memory) call(SYS_munmap, ADDRESS(memory), (long)n, 0, 0, 0, 0);
}

const void *os_map(int64_t file, size_t n) { return map(n ? n : 1, PROT_READ, MAP_PRIVATE, file); }

/* ---- threads ---- */

enum { CLONE_FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 }; /* VM FS FILES SIGHAND THREAD SYSVSEM */

enum { LARGEST_PAGE = 64 << 10 };

/* The end of a stack, which grows down to a page that nobody may touch. */
static char *new_stack(void) {
  char *stack = map(OS_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
  if (stack) call(SYS_mprotect, ADDRESS(stack), LARGEST_PAGE, 0, 0, 0, 0);
  return stack ? stack + OS_STACK : NULL;
}

uintptr_t os_thread(void *(*run)(void *), void *context) {
  char *end = new_stack();
  if (!end) return 0;
  void **top = (void **)(void *)(end - 32);
  top[0] = (void *)(uintptr_t)run;
  top[1] = context;
  return lrt_clone(CLONE_FLAGS, top) > 0 ? (uintptr_t)end : 0;
}

/* It may still be on its way out, on a stack that stays: the program ends soon after. */
void os_join(uintptr_t thread) { (void)thread; }

enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129 };

void os_wait(uint32_t *at, uint32_t value) { call(SYS_futex, ADDRESS(at), FUTEX_WAIT_PRIVATE, (long)value, 0, 0, 0); }
void os_wake(uint32_t *at) { call(SYS_futex, ADDRESS(at), FUTEX_WAKE_PRIVATE, INT32_MAX, 0, 0, 0); }

void os_hand_over(void *at) { (void)at; } /* nobody watches */
void os_take_over(void *at) { (void)at; }

int64_t os_now(void) {
  long t[2] = {0};
  call(SYS_clock_gettime, 1, ADDRESS(t), 0, 0, 0, 0);
  return (int64_t)t[0] * 1000000000 + t[1];
}

int64_t os_date(void) {
  long t[2] = {0};
  call(SYS_clock_gettime, 0, ADDRESS(t), 0, 0, 0, 0);
  return (int64_t)t[0] * 1000000 + t[1] / 1000;
}

/* ---- processors ---- */

static int64_t allowed_processors(void) {
  unsigned long mask[1024 / sizeof(long)] = {0};
  int64_t n = 0, bytes = call(SYS_getaffinity, 0, sizeof mask, ADDRESS(mask), 0, 0, 0);
  for (int64_t i = 0; i < bytes / (int64_t)sizeof *mask; i++)
    for (unsigned long m = mask[i]; m; m &= m - 1) n++;
  return n > 0 ? n : 1;
}

int64_t os_processors(void) { return processors_worth(allowed_processors()); }

/* What a riscv64 kernel says of vectors may mean a draft of them, so they are tried, with a handler for the signal that
 * comes where there are none. */
#if defined(__riscv)
long lrt_vector_bytes(void);
void lrt_skip_instruction(void);

static uint64_t features(uint64_t said) {
  enum { SIGILL = 4, SA_SIGINFO = 4 };
  const uint64_t vectors = (uint64_t)1 << ('v' - 'a');
  /* the emulator of this architecture takes a fourth word, for a restorer */
  uint64_t action[4] = {(uint64_t)ADDRESS(lrt_skip_instruction), SA_SIGINFO}, before[4];
  if (call(SYS_sigaction, SIGILL, ADDRESS(action), ADDRESS(before), 8, 0, 0) != 0) return said & ~vectors;
  long bytes = lrt_vector_bytes();
  call(SYS_sigaction, SIGILL, ADDRESS(before), 0, 8, 0, 0);
  return bytes >= 16 ? said | vectors : said & ~vectors;
}
#else
static uint64_t features(uint64_t said) { return said; }
#endif

/* ---- a file that was cut off ----
 *
 * It is mapped as far as its headers say, and what is missing ends the process when it is touched. So its size is looked at first, by
 * code that stands, with all that it needs, right behind the headers (link.c puts these sections there), and that calls nothing. */

#define FIRST static __attribute__((section(".text.first"), minsize))
#define FIRST_WORDS(name) static const char name[] __attribute__((section(".text.first.words")))

FIRST_WORDS(own_file) = "/proc/self/exe";
FIRST_WORDS(is_incomplete) = ": this file is incomplete: it has ";
FIRST_WORDS(bytes_of) = " bytes of ";
FIRST_WORDS(line_end) = "\n";

FIRST void first_say(const char *text) {
  long n = 0;
  while (text[n]) n++;
  call(SYS_write, 2, ADDRESS(text), n, 0, 0, 0);
}

/* Without a division, which is a call where the processor has none. */
FIRST void first_say_number(int64_t n) {
  bool begun = false;
  for (int at = 18; at >= 0; at--) {
    int64_t power = 1;
    volatile char digit = '0';
    for (int i = 0; i < at; i++) power *= 10;
    for (; n >= power; n -= power) digit++;
    begun |= digit != '0' || at == 0;
    if (begun) call(SYS_write, 2, ADDRESS(&digit), 1, 0, 0, 0);
  }
}

/* Of the file that runs, or where nothing tells, as much as one likes. */
FIRST int64_t first_size(const char *path) {
  long file = call(SYS_openat, HERE, ADDRESS(own_file), O_CLOEXEC | O_LARGE, 0, 0, 0);
  if (file < 0 && path) file = call(SYS_openat, HERE, ADDRESS(path), O_CLOEXEC | O_LARGE, 0, 0, 0);
  if (file < 0) return INT64_MAX;
  int64_t size = seek(file, 0, 2);
  call(SYS_close, file, 0, 0, 0, 0, 0);
  return size < 0 ? INT64_MAX : size;
}

FIRST const uintptr_t *first_facts(const uintptr_t *stack) {
  const uintptr_t *at = stack + 1 + stack[0] + 1;
  while (*at) at++; /* the environment */
  return at + 1;
}

enum { FACT_HEADERS = 3, FACT_N_HEADERS = 5, FACT_FEATURES = 16, FACT_MORE_FEATURES = 26, FACT_PATH = 31, CUT_OFF = 1 };

FIRST void look_at_size(const uintptr_t *stack) {
  const lrt_elf_segment *header = NULL;
  const char *path = NULL;
  uintptr_t n = 0;
  int64_t want = 0;
  for (const uintptr_t *at = first_facts(stack); at[0]; at += 2) {
    if (at[0] == FACT_HEADERS) header = (const void *)at[1];
    if (at[0] == FACT_N_HEADERS) n = at[1];
    if (at[0] == FACT_PATH) path = (const void *)at[1];
  }
  for (uintptr_t i = 0; header && i < n; i++) {
    int64_t end = (int64_t)header[i].offset + (int64_t)header[i].file_size;
    if (header[i].type == LRT_ELF_LOADED && end > want) want = end;
  }
  int64_t size = first_size(path);
  if (size >= want) return;
  if (stack[0]) first_say((const char *)stack[1]);
  first_say(is_incomplete);
  first_say_number(size);
  first_say(bytes_of);
  first_say_number(want);
  first_say(line_end);
  for (;;) call(SYS_exit_group, CUT_OFF, 0, 0, 0, 0, 0);
}

/* ---- the beginning ---- */

typedef struct Call {
  int argc, status;
  char **argv;
  lrt_image image;
} Call;

static void call_main(void *context) {
  Call *c = context;
  c->status = lrt_main(c->argc, c->argv, &c->image);
}

/* The first thread runs kernels, too, and the system may have given it a small stack. */
static __attribute__((noinline)) _Noreturn void begin(const uintptr_t *stack) {
  Call c = {.argc = (int)stack[0], .argv = (char **)(uintptr_t)(stack + 1)};
  c.image.environment = (const char *const *)(uintptr_t)(stack + 1 + c.argc + 1);
  for (const uintptr_t *at = first_facts(stack); at[0]; at += 2) {
    if (at[0] == FACT_HEADERS) c.image.headers = (const void *)(uintptr_t)at[1];
    if (at[0] == FACT_N_HEADERS) c.image.n_headers = (int64_t)at[1];
    if (at[0] == FACT_FEATURES) c.image.cpu.word[0] = features(at[1]);
    if (at[0] == FACT_MORE_FEATURES) c.image.cpu.word[1] = at[1];
  }
  char *end = new_stack();
  if (end) lrt_on_stack(end, call_main, &c);
  else call_main(&c);
  os_exit(c.status);
}

__attribute__((used, section(".text.first"), minsize)) _Noreturn void lrt_start(const uintptr_t *stack);
_Noreturn void lrt_start(const uintptr_t *stack) {
  look_at_size(stack);
  begin(stack);
}
