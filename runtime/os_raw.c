/* os_raw.c -- the operating system by system calls alone: for programs that need no C library. Linux on x86-64. */
#include "runtime/os.h"
#include "runtime/start.h"
#include "runtime/words.h"

/* ---- system calls ---- */

enum { SYS_read = 0, SYS_write = 1, SYS_open = 2, SYS_close = 3, SYS_lseek = 8, SYS_mmap = 9, SYS_mprotect = 10, SYS_munmap = 11,
       SYS_madvise = 28, SYS_exit = 60, SYS_rename = 82, SYS_mkdir = 83, SYS_unlink = 87, SYS_futex = 202, SYS_getaffinity = 204,
       SYS_clock_gettime = 228, SYS_exit_group = 231, SYS_readlinkat = 267 };
enum { EINTR = 4, EEXIST = 17 };

static int64_t call(int64_t number, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f) {
  int64_t result;
  register int64_t r10 __asm__("r10") = d;
  register int64_t r8 __asm__("r8") = e;
  register int64_t r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

#define ADDRESS(p) ((int64_t)(uintptr_t)(p))

_Noreturn void os_exit(int status) {
  for (;;) call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

/* ---- files ---- */

enum { O_WRONLY = 1, O_CREAT = 0100, O_TRUNC = 01000, O_CLOEXEC = 02000000 };

int64_t os_open(const char *path) { return call(SYS_open, ADDRESS(path), O_CLOEXEC, 0, 0, 0, 0); }
int64_t os_create(const char *path) {
  return call(SYS_open, ADDRESS(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666, 0, 0, 0);
}
void os_close(int64_t file) { call(SYS_close, file, 0, 0, 0, 0, 0); }

int64_t os_size(int64_t file) {
  int64_t here = call(SYS_lseek, file, 0, 1, 0, 0, 0), end = call(SYS_lseek, file, 0, 2, 0, 0, 0);
  call(SYS_lseek, file, here, 0, 0, 0, 0);
  return end;
}

int64_t os_read(int64_t file, void *to, size_t n) {
  size_t done = 0;
  while (done < n) {
    int64_t got = call(SYS_read, file, ADDRESS(to) + (int64_t)done, (int64_t)(n - done), 0, 0, 0);
    if (got == -EINTR) continue;
    if (got < 0) return got;
    if (got == 0) break;
    done += (size_t)got;
  }
  return (int64_t)done;
}

bool os_write(int64_t file, const void *from, size_t n) {
  for (size_t done = 0; done < n;) {
    int64_t put = call(SYS_write, file, ADDRESS(from) + (int64_t)done, (int64_t)(n - done), 0, 0, 0);
    if (put == -EINTR) continue;
    if (put <= 0) return false;
    done += (size_t)put;
  }
  return true;
}

bool os_rename(const char *from, const char *to) { return call(SYS_rename, ADDRESS(from), ADDRESS(to), 0, 0, 0, 0) == 0; }

void os_remove(const char *path) { call(SYS_unlink, ADDRESS(path), 0, 0, 0, 0, 0); }

bool os_make_folder(const char *path) {
  int64_t r = call(SYS_mkdir, ADDRESS(path), 0777, 0, 0, 0, 0);
  return r == 0 || r == -EEXIST;
}

bool os_own_path(char *out, size_t size) {
  int64_t n = call(SYS_readlinkat, -1, ADDRESS("/proc/self/exe"), ADDRESS(out), (int64_t)size, 0, 0);
  if (n <= 0 || n >= (int64_t)size) return false;
  out[n] = 0;
  return true;
}

/* ---- memory ---- */

enum { PROT_READ = 1, PROT_WRITE = 2, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32, MAP_NORESERVE = 0x4000, MADV_HUGEPAGE = 14, HUGE = 2 << 20 };

static void *map(size_t n, int protection, int flags, int64_t file) {
  int64_t at = call(SYS_mmap, 0, (int64_t)n, protection, flags, file, 0);
  return at < 0 && at > -4096 ? NULL : (void *)(uintptr_t)at;
}

void *os_memory(size_t n) {
  void *m = map(n ? n : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  if (m && n >= HUGE) call(SYS_madvise, ADDRESS(m), (int64_t)n, MADV_HUGEPAGE, 0, 0, 0);
  return m;
}

void os_release(void *memory, size_t n) {
  if (memory) call(SYS_munmap, ADDRESS(memory), (int64_t)n, 0, 0, 0, 0);
}

const void *os_map(int64_t file, size_t n) { return map(n ? n : 1, PROT_READ, MAP_PRIVATE, file); }

/* ---- threads ---- */

/* clone(flags, stack): the child finds its function and context on its stack. */
int64_t lrt_clone(int64_t flags, void *stack);
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
        "1: ret\n");

/* Runs a function on another stack. */
void lrt_on_stack(void *top, void (*run)(void *), void *context);
__asm__(".text\n"
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
        "  ret\n");

enum { CLONE_FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 }; /* VM FS FILES SIGHAND THREAD SYSVSEM */

/* The end of a stack, which grows down to a page that nobody may touch. */
static char *new_stack(void) {
  char *stack = map(OS_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
  if (stack) call(SYS_mprotect, ADDRESS(stack), 4096, 0, 0, 0, 0);
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

void os_wait(uint32_t *at, uint32_t value) { call(SYS_futex, ADDRESS(at), FUTEX_WAIT_PRIVATE, value, 0, 0, 0); }
void os_wake(uint32_t *at) { call(SYS_futex, ADDRESS(at), FUTEX_WAKE_PRIVATE, INT32_MAX, 0, 0, 0); }

void os_hand_over(void *at) { (void)at; } /* nobody watches */
void os_take_over(void *at) { (void)at; }

int64_t os_now(void) {
  int64_t t[2] = {0};
  call(SYS_clock_gettime, 1, ADDRESS(t), 0, 0, 0, 0);
  return t[0] * 1000000000 + t[1];
}

/* ---- processors ---- */

static int64_t allowed_processors(void) {
  uint64_t mask[128] = {0};
  int64_t n = 0, bytes = call(SYS_getaffinity, 0, sizeof mask, ADDRESS(mask), 0, 0, 0);
  for (int64_t i = 0; i < bytes / 8; i++)
    for (uint64_t m = mask[i]; m; m &= m - 1) n++;
  return n > 0 ? n : 1;
}

static bool read_text(const char *path, char *text, size_t size) {
  int64_t file = os_open(path);
  if (file < 0) return false;
  int64_t n = os_read(file, text, size - 1);
  os_close(file);
  text[n > 0 ? n : 0] = 0;
  return n > 0;
}

/* "200000 100000" is two processors' time; "max 100000" is all. */
static int64_t quota(const char *folder) {
  char path[600], text[64];
  int64_t share, period;
  text_format(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", folder);
  if (!read_text(path, text, sizeof text)) return INT64_MAX;
  const char *at = text_number(text, &share);
  if (!at || *at != ' ' || !text_number(at + 1, &period) || period <= 0) return INT64_MAX;
  return share < period ? 1 : share / period;
}

/* The group is the part behind "0::". */
static int64_t quota_of_group(void) {
  char text[512];
  if (!read_text("/proc/self/cgroup", text, sizeof text)) return INT64_MAX;
  char *at = text;
  while (*at && !(at[0] == '0' && at[1] == ':' && at[2] == ':')) at++;
  if (!*at) return INT64_MAX;
  at += 3;
  for (char *end = at; *end; end++)
    if (*end == '\n') *end = 0;
  int64_t own = quota(at), root = quota("");
  return own < root ? own : root;
}

int64_t os_processors(void) {
  int64_t n = allowed_processors(), q = quota_of_group();
  return q < n ? q : n;
}

/* ---- the first instruction ---- */

__asm__(".text\n"
        ".globl _start\n"
        "_start:\n"
        "  xor %ebp, %ebp\n"
        "  mov %rsp, %rdi\n"
        "  and $-16, %rsp\n"
        "  call lrt_start\n"
        "  hlt\n");

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
__attribute__((used)) _Noreturn void lrt_start(const uint64_t *stack);
_Noreturn void lrt_start(const uint64_t *stack) {
  Call c = {.argc = (int)stack[0], .argv = (char **)(uintptr_t)(stack + 1)};
  const uint64_t *at = stack + 1 + c.argc + 1;
  c.image.environment = (const char *const *)(uintptr_t)at;
  while (*at) at++; /* the environment */
  for (at++; at[0]; at += 2) {
    if (at[0] == 3) c.image.headers = (const void *)(uintptr_t)at[1];
    if (at[0] == 5) c.image.n_headers = (int64_t)at[1];
    if (at[0] == 31) c.image.path = (const char *)(uintptr_t)at[1];
  }
  char *end = new_stack();
  if (end) lrt_on_stack(end, call_main, &c);
  else call_main(&c);
  os_exit(c.status);
}
