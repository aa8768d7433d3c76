/* os_wasm.c -- the operating system of a WebAssembly module: the functions of WASI preview 1 that it imports, and its own
 * memory. docs/cross-compiling.md lists them for those who write a loader. */
#include "runtime/abi.h"
#include "runtime/os.h"
#include "runtime/start.h"
#include "runtime/words.h"

/* ---- imports ---- */

typedef struct Piece { /* of memory, to be read or written */
  const void *at;
  size_t size;
} Piece;

typedef struct Stat {
  uint64_t device, number, kind, links, size, accessed, modified, changed;
} Stat;

typedef struct Folder { /* that the module was given */
  uint32_t kind, name_size;
} Folder;

#define IMPORT(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) wasi_##name
int32_t IMPORT(args_sizes_get)(size_t *count, size_t *bytes);
int32_t IMPORT(args_get)(char **argv, char *bytes);
int32_t IMPORT(clock_time_get)(int32_t clock, uint64_t precision, uint64_t *time);
int32_t IMPORT(fd_close)(int32_t file);
int32_t IMPORT(fd_filestat_get)(int32_t file, Stat *stat);
int32_t IMPORT(fd_prestat_get)(int32_t file, Folder *folder);
int32_t IMPORT(fd_prestat_dir_name)(int32_t file, char *name, size_t size);
int32_t IMPORT(fd_read)(int32_t file, const Piece *piece, size_t n, size_t *done);
int32_t IMPORT(fd_write)(int32_t file, const Piece *piece, size_t n, size_t *done);
int32_t IMPORT(path_create_directory)(int32_t folder, const char *path, size_t size);
int32_t IMPORT(path_open)(int32_t folder, int32_t follow, const char *path, size_t size, int32_t how, uint64_t rights,
                          uint64_t rights_below, int32_t flags, int32_t *file);
int32_t IMPORT(path_rename)(int32_t from, const char *path, size_t size, int32_t to, const char *path_to, size_t size_to);
int32_t IMPORT(path_unlink_file)(int32_t folder, const char *path, size_t size);
_Noreturn void IMPORT(proc_exit)(int32_t status);
#undef IMPORT

_Noreturn void os_exit(int status) { wasi_proc_exit(status); }

/* ---- paths ---- */

typedef struct Path { /* of a file in a folder that the module was given */
  int32_t folder;
  const char *path;
  size_t size;
} Path;

/* How much of `path` the folder's name takes, and whether it holds the path. */
static bool holds(const char *folder, size_t n, const char *path, size_t *taken) {
  if (n == 1 && folder[0] == '.' && path[0] != '/') return *taken = 0, true;
  while (n > 1 && folder[n - 1] == '/') n--;
  for (size_t i = 0; i < n; i++)
    if (path[i] != folder[i]) return false;
  *taken = n;
  return folder[n - 1] == '/' || path[n] == '/' || !path[n];
}

/* In the folder with the longest name that holds it; folders are numbered from 3 on. */
static bool find_folder(const char *path, Path *out) {
  Folder folder;
  char name[1024];
  size_t best = 0, taken;
  out->folder = -1;
  for (int32_t file = 3; wasi_fd_prestat_get(file, &folder) == 0; file++) {
    if (folder.name_size == 0 || folder.name_size > sizeof name) continue;
    if (wasi_fd_prestat_dir_name(file, name, folder.name_size) != 0 || !holds(name, folder.name_size, path, &taken)) continue;
    if (out->folder < 0 || taken > best) out->folder = file, best = taken;
  }
  out->path = path + best;
  while (*out->path == '/') out->path++;
  if (!*out->path) out->path = ".";
  out->size = text_length(out->path);
  return out->folder >= 0;
}

/* ---- files ---- */

enum { NO_FILE = 44, THERE_ALREADY = 20 }; /* as WASI numbers what goes wrong */

static int64_t open_path(const char *path, int32_t how, uint64_t rights) {
  enum { FOLLOW = 1, LINUX_NO_FILE = 2, LINUX_NOT_ALLOWED = 1 };
  Path at;
  int32_t file;
  if (!find_folder(path, &at)) return -LINUX_NOT_ALLOWED;
  int32_t wrong = wasi_path_open(at.folder, FOLLOW, at.path, at.size, how, rights, 0, 0, &file);
  if (wrong) return wrong == NO_FILE ? -LINUX_NO_FILE : -wrong;
  return file;
}

enum { CREATE = 1, TRUNCATE = 8, MAY_READ = 1 << 1, MAY_WRITE = 1 << 6, MAY_STAT = 1 << 21 };

int64_t os_open(const char *path) { return open_path(path, 0, MAY_READ | MAY_STAT); }
int64_t os_create(const char *path) { return open_path(path, CREATE | TRUNCATE, MAY_WRITE); }
void os_close(int64_t file) { wasi_fd_close((int32_t)file); }

int64_t os_size(int64_t file) {
  Stat s;
  int32_t wrong = wasi_fd_filestat_get((int32_t)file, &s);
  return wrong ? -wrong : (int64_t)s.size;
}

int64_t os_read(int64_t file, void *to, size_t n) {
  size_t done = 0, got;
  for (; done < n; done += got) {
    Piece p = {(char *)to + done, n - done};
    int32_t wrong = wasi_fd_read((int32_t)file, &p, 1, &got);
    if (wrong) return -wrong;
    if (got == 0) break;
  }
  return (int64_t)done;
}

bool os_write(int64_t file, const void *from, size_t n) {
  for (size_t done = 0, put; done < n; done += put) {
    Piece p = {(const char *)from + done, n - done};
    if (wasi_fd_write((int32_t)file, &p, 1, &put) != 0 || put == 0) return false;
  }
  return true;
}

bool os_rename(const char *from, const char *to) {
  Path a, b;
  return find_folder(from, &a) && find_folder(to, &b) &&
         wasi_path_rename(a.folder, a.path, a.size, b.folder, b.path, b.size) == 0;
}

void os_remove(const char *path) {
  Path at;
  if (find_folder(path, &at)) wasi_path_unlink_file(at.folder, at.path, at.size);
}

bool os_make_folder(const char *path) {
  Path at;
  if (!find_folder(path, &at)) return false;
  int32_t wrong = wasi_path_create_directory(at.folder, at.path, at.size);
  return wrong == 0 || wrong == THERE_ALREADY;
}

bool os_own_path(char *out, size_t size) { return (void)out, (void)size, false; }

/* ---- terminals: who runs the module sees to them ---- */

int64_t os_read_some(int64_t file, int64_t interrupts, void *to, size_t n) {
  (void)interrupts;
  size_t got;
  Piece p = {to, n};
  int32_t wrong = wasi_fd_read((int32_t)file, &p, 1, &got);
  return wrong ? -wrong : (int64_t)got;
}

bool os_is_terminal(int64_t file) { return (void)file, false; }
int64_t os_take_interrupts(void) { return -1; }
bool os_interrupted(int64_t interrupts) { return (void)interrupts, false; }

/* ---- memory ----
 *
 * Whole pages, behind what the module begins with; those given back are kept in a list and given out again. */

enum { PAGE = 64 << 10 };

typedef struct Free {
  struct Free *next;
  size_t pages;
} Free;

static Free *free_list;

static size_t pages_of(size_t n) { return n / PAGE + (n % PAGE != 0) + (n == 0); }

static void *take_free(size_t pages) {
  Free **best = NULL;
  for (Free **f = &free_list; *f; f = &(*f)->next)
    if ((*f)->pages >= pages && (!best || (*f)->pages < (*best)->pages)) best = f;
  if (!best) return NULL;
  Free *f = *best;
  *best = f->next;
  if (f->pages > pages) os_release((char *)f + pages * PAGE, (f->pages - pages) * PAGE);
  return __builtin_memset(f, 0, pages * PAGE);
}

void *os_memory(size_t n) {
  void *again = take_free(pages_of(n));
  if (again) return again;
  size_t at = __builtin_wasm_memory_grow(0, pages_of(n));
  return at == SIZE_MAX ? NULL : (void *)(at * PAGE);
}

void os_release(void *memory, size_t n) {
  Free *f = memory;
  if (!f) return;
  *f = (Free){free_list, pages_of(n)};
  free_list = f;
}

const void *os_map(int64_t file, size_t n) {
  void *memory = os_memory(n);
  if (memory && os_read(file, memory, n) == (int64_t)n) return memory;
  os_release(memory, n);
  return NULL;
}

/* ---- the one thread ---- */

uintptr_t os_thread(void *(*run)(void *), void *context) { return (void)run, (void)context, 0; }
void os_join(uintptr_t thread) { (void)thread; }
void os_wait(uint32_t *at, uint32_t value) { (void)at, (void)value; }
void os_wake(uint32_t *at) { (void)at; }
void os_hand_over(void *at) { (void)at; }
void os_take_over(void *at) { (void)at; }
int64_t os_processors(void) { return 1; }

int64_t os_now(void) {
  enum { MONOTONIC = 1 };
  uint64_t time = 0;
  wasi_clock_time_get(MONOTONIC, 1, &time);
  return (int64_t)time;
}

int64_t os_date(void) {
  enum { REALTIME = 0 };
  uint64_t time = 0;
  wasi_clock_time_get(REALTIME, 1, &time);
  return (int64_t)(time / 1000);
}

/* ---- the beginning ---- */

extern const uint8_t __heap_base[]; /* the linker's: where what it placed ends, and the weights begin */

__attribute__((used)) void _start(void);
void _start(void) {
  size_t count = 0, bytes = 0;
  lrt_image image = {.weights = (const uint8_t *)(((uintptr_t)__heap_base + LRT_ALIGN - 1) / LRT_ALIGN * LRT_ALIGN), .cpu = {{1}}};
  char *text = wasi_args_sizes_get(&count, &bytes) == 0 ? os_memory(bytes) : NULL;
  char **argv = os_memory((count + 1) * sizeof *argv);
  if (!text || !argv || wasi_args_get(argv, text) != 0) os_exit(74);
  os_exit(lrt_main((int)count, argv, &image));
}
