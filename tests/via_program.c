/* via_program.c -- models as programs that run on another processor, by an emulator or an engine. */
#define _GNU_SOURCE
#include "via_program.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codegen/link.h"
#include "frontend/npy.h"
#include "ir/fatal.h"
#include "passes/levels.h"
#include "passes/pass.h"

enum { MAX_COMMAND = 5, MAX_WORDS = 256 };

struct Machine {
  const char *name, *target, *package;
  int threads; /* at most */
  const char *command[MAX_COMMAND]; /* what runs a program */
};

// clang-format off
static const Machine machines[] = {
  {"qemu-x86-64-v2",    "x86-64-v2",       "qemu-user", 3, {"qemu-x86_64", "-cpu", "Nehalem"}},
  {"qemu-aarch64",      "aarch64",         "qemu-user", 3, {"qemu-aarch64", "-cpu", "cortex-a53"}},
  {"qemu-aarch64-bf16", "aarch64-bf16",    "qemu-user", 3, {"qemu-aarch64", "-cpu", "max"}},
  {"qemu-armv7",        "armv7",           "qemu-user", 3, {"qemu-arm", "-cpu", "cortex-a9"}},
  {"qemu-armv7-vfp4",   "armv7-vfp4",      "qemu-user", 3, {"qemu-arm", "-cpu", "cortex-a15"}},
  {"qemu-riscv64gc",    "riscv64gc",       "qemu-user", 3, {"qemu-riscv64", "-cpu", "rv64,v=false"}},
  {"qemu-riscv64gcv",   "riscv64gcv",      "qemu-user", 3, {"qemu-riscv64", "-cpu", "rv64,v=true,vext_spec=v1.0,vlen=256"}},
  {"node-wasm32",       "wasm32",          "nodejs",    1, {"node", "--no-warnings", "examples/wasm/run.mjs"}},
};
// clang-format on

int machine_count(void) { return (int)(sizeof machines / sizeof *machines); }
const Machine *machine_at(int i) { return &machines[i]; }
const char *machine_name(const Machine *m) { return m->name; }

static bool in_path(const char *program) {
  const char *path = getenv("PATH");
  for (size_t n; path && *path; path += n + (path[n] == ':')) {
    char file[4096];
    n = strcspn(path, ":");
    snprintf(file, sizeof file, "%.*s/%s", (int)n, path, program);
    if (access(file, X_OK) == 0) return true;
  }
  return false;
}

const char *machine_missing(const Machine *m) { return in_path(m->command[0]) ? NULL : m->package; }

/* ---- building ---- */

struct Built {
  const Machine *machine;
  Module *module;
  char folder[64];
  bool machine_failed;
};

static const char *path_in(const Built *b, const char *name) { return arena_printf(b->module->arena, "%s/%s", b->folder, name); }

static Func *main_func(Module *m) {
  for (int i = 0; i < m->funcs.n; i++)
    if (m->funcs.at[i]->level == LEVEL_TENSOR) return m->funcs.at[i];
  return NULL;
}

static bool emit(Built *b, LlvmModule *l, ProgramInfo *info) {
  Module *m = b->module;
  bool good = true;
  for (int i = 0; i < m->funcs.n; i++)
    if (m->funcs.at[i]->level == LEVEL_KERNEL) good &= llvm_emit_kernel(l, m->funcs.at[i], m->diag);
  return good && program_emit(l, info, m->diag);
}

static bool build_program(Built *b, const Target *t) {
  Module *m = b->module;
  if (!pass_run(m, &(PassOptions){.pipeline = "native", .target = &t, .n_targets = 1, .out = stdout, .err = stderr})) return false;
  ProgramInfo info = {.name = "test", .made_by = "test", .n_levels = 1, .level = {level_func(main_func(m), t)}};
  LlvmModule *l = llvm_module_new(t, "test");
  bool good = emit(b, l, &info);
  if (good) {
    LinkObject object;
    const char *named = getenv("LATHE_LLD");
    llvm_module_object(l, &object.bytes, &object.size);
    LinkJob j = {.weights = {.module = m, .info = &info}, .linker = named ? named : link_default_linker(),
                 .out = path_in(b, "program"), .n_objects = 1, .object = &object};
    Linking linking;
    good = link_begin(&j, &linking) && link_end(&j, &linking);
  }
  llvm_module_free(l);
  return good;
}

Built *built_new(Module *m, const Machine *on) {
  Built *b = ARENA_NEW(m->arena, Built);
  *b = (Built){.machine = on, .module = m, .folder = "/tmp/lathe-via-XXXXXX"};
  if (!mkdtemp(b->folder)) fatal_resource("%s: %s", b->folder, strerror(errno));
  if (build_program(b, target_find(on->target))) return b;
  built_free(b);
  return NULL;
}

/* ---- running ---- */

typedef struct Words {
  int n;
  char *word[MAX_WORDS];
} Words;

static void add(Words *w, const char *word) {
  ensure(w->n < MAX_WORDS - 1);
  w->word[w->n++] = (char *)(uintptr_t)word;
}

/* Its status; what it prints goes to the file `log`. */
static int run(const char *log, char **argv) {
  extern char **environ;
  posix_spawn_file_actions_t actions;
  pid_t pid;
  int status = -1;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  int failed = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) return -1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

bool built_machine_failed(const Built *b) { return b->machine_failed; }

void built_free(Built *b) {
  if (b) run("/dev/null", (char *[]){"rm", "-rf", b->folder, NULL});
}

static const char *first_line(const Built *b, const char *path) {
  char line[512] = "";
  FILE *f = fopen(path, "r");
  if (f && !fgets(line, sizeof line, f)) line[0] = 0;
  if (f) fclose(f);
  line[strcspn(line, "\n")] = 0;
  return arena_string(b->module->arena, line, strlen(line));
}

static const char *input_name(const Built *b, const Func *f, int i) {
  return f->body->arg[i]->name ? f->body->arg[i]->name : arena_printf(b->module->arena, "input%d", i);
}

static bool run_threads(Built *b, const Func *f, int threads) {
  Arena *a = b->module->arena;
  const char *log = path_in(b, "log");
  Words w = {0};
  for (int i = 0; i < MAX_COMMAND && b->machine->command[i]; i++) add(&w, b->machine->command[i]);
  add(&w, path_in(b, "program"));
  for (int i = 0; i < f->body->n_args; i++) {
    add(&w, "--in");
    add(&w, arena_printf(a, "%s=%s/in%d.npy", input_name(b, f, i), b->folder, i));
  }
  add(&w, "-t");
  add(&w, arena_printf(a, "%d", threads));
  add(&w, "--out-dir");
  add(&w, arena_printf(a, "%s/out%d", b->folder, threads));
  int status = run(log, w.word);
  b->machine_failed = status > 256 && strstr(first_line(b, log), "Assertion `ctx->insn_start");
  return status == 0 || diag_error(b->module->diag, (Loc){0}, "the program ended with %d: %s", status, first_line(b, log));
}

/* NumPy has no bf16: the file has f4. */
static Tensor *as_declared(Tensor *t, const Func *f, int i) {
  if (f->result[i]->dtype != DT_bf16 || t->dtype != DT_f32) return t;
  Tensor *narrow = tensor_new(NULL, DT_bf16, t->rank, t->dim);
  ensure(narrow);
  for (int64_t k = 0; k < t->count; k++) dtype_set_f(DT_bf16, narrow->data, k, tensor_f(t, k));
  tensor_release(t);
  return narrow;
}

static Tensor *read_result(const Built *b, const Func *f, int i, int threads) {
  Arena *a = b->module->arena;
  char *name = arena_printf(a, "%s", f->result_name[i] ? f->result_name[i] : arena_printf(a, "output%d", i));
  for (char *slash = name; (slash = strchr(slash, '/'));) *slash = '_';
  Tensor *t = npy_read(b->module->diag, arena_printf(a, "%s/out%d/%s.npy", b->folder, threads, name));
  return t ? as_declared(t, f, i) : NULL;
}

static bool same_bits(const Tensor *a, const Tensor *b) {
  return a->count == b->count && memcmp(a->data, b->data, (size_t)(a->count * dtype_bits(a->dtype) / 8)) == 0;
}

static bool agrees(const Built *b, const Func *f, int i, int threads, const Tensor *want) {
  if (threads == 1) return true;
  Tensor *t = read_result(b, f, i, threads);
  bool good = t && (same_bits(t, want) || diag_error(b->module->diag, (Loc){0}, "result %d differs with the number of threads", i));
  if (t) tensor_release(t);
  return good;
}

bool built_run(Built *b, Func *f, Tensor *const *arg, Tensor **result) {
  int threads = b->machine->threads;
  for (int i = 0; i < f->n_results; i++) result[i] = NULL;
  for (int i = 0; i < f->body->n_args; i++) npy_write(arena_printf(b->module->arena, "%s/in%d.npy", b->folder, i), arg[i]);
  bool good = run_threads(b, f, 1) && (threads == 1 || run_threads(b, f, threads));
  for (int i = 0; i < f->n_results && good; i++) good = (result[i] = read_result(b, f, i, 1)) && agrees(b, f, i, threads, result[i]);
  return good;
}
