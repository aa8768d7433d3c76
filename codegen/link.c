/* link.c -- makes one file of a program's object, the runtime and the weights.
 *
 * The linker joins object and runtime, from memory to memory, with a section of one end mark in the place of the weights: the
 * last that is mapped, and aligned as the weights are. The file is then opened up at that place (opened_elf.c; opened_wasm.c for
 * modules of WebAssembly, which need no such section). So the weights go straight from their source to the file, and no
 * tool ever holds them.
 *
 * In an ELF file they are there first, behind as much room as code is likely to need: they take as long as the compiler does. */
#define _GNU_SOURCE
#include "codegen/link.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codegen/opened.h"
#include "codegen/runtime_object.h"
#include "ir/fatal.h"
#include "ir/out_file.h"
#include "runtime/abi.h"

/* ---- the linker ---- */

static int memory_file(const char *name, const void *bytes, size_t size) {
  int fd = memfd_create(name, 0);
  if (fd < 0) fatal_resource("no memory for %s: %s", name, strerror(errno));
  OutFile o = {.path = name, .fd = fd};
  out_write(&o, bytes, size);
  return fd;
}

static char *take_file(Arena *a, int fd, size_t *size) {
  struct stat s;
  if (fstat(fd, &s) != 0) fatal_resource("cannot read what was linked: %s", strerror(errno));
  char *bytes = arena_alloc(a, (size_t)s.st_size + 1);
  *size = 0;
  for (ssize_t n; (n = pread(fd, bytes + *size, (size_t)s.st_size - *size, (off_t)*size)) > 0;) *size += (size_t)n;
  close(fd);
  return bytes;
}

/* What the linker says, as errors of ours: "undefined symbol: expf". */
static bool complain(const LinkJob *j, char *said) {
  bool any = false;
  for (char *line = strtok(said, "\n"); line; line = strtok(NULL, "\n")) {
    char *error = strstr(line, "error: ");
    if (error) any = true, diag_error(j->weights.module->diag, (Loc){.file = j->out}, "linking: %s", error + strlen("error: "));
  }
  return any ? false : diag_error(j->weights.module->diag, (Loc){.file = j->out}, "`%s` failed", j->linker);
}

static const System *system_of(const LinkJob *j) { return j->weights.info->level[0]->target->system; }

/* What looks at the file's size comes first (runtime/os_raw.c). The weights come last, in a segment of their own that nothing else is aligned like. */
static const char *layout(const LinkJob *j, Arena *a) {
  bool weights = program_holds_weights(j->weights.info);
  int page = system_of(j)->page;
  return arena_printf(a,
    "PHDRS {\n"
    "  text PT_LOAD FILEHDR PHDRS FLAGS(5);\n"
    "  data PT_LOAD FLAGS(6);\n"
    "%s"
    "  stack PT_GNU_STACK FLAGS(6);\n"
    "}\n"
    "SECTIONS {\n"
    "  . = 0x400000 + SIZEOF_HEADERS;\n"
    "  .text : { *(.text.first .text.first.*) *(.text .text.*) } :text\n"
    "  .rodata : { *(.rodata .rodata.* .srodata .srodata.* .data.rel.ro .data.rel.ro.*) } :text\n"
    "  . = ALIGN(%d) + . %% %d;\n"
    "  .data : { *(.data .data.* .sdata .sdata.*) } :data\n"
    "  .got : { *(.got .got.plt) } :data\n"
    "  .bss : { *(.sbss .sbss.* .bss .bss.* COMMON) } :data\n"
    "%s"
    "  /DISCARD/ : { *(.eh_frame .eh_frame_hdr .comment .ARM.exidx* .ARM.extab*) }\n"
    "}\n",
    weights ? "  weights PT_LOAD FLAGS(4);\n" : "", page, page,
    weights ? "  .lathe.weights ALIGN(0x200000) : { KEEP(*(.lathe.weights)) } :weights\n" : "");
}

/* Runs the linker; what it makes is its standard output. */
static bool run_linker(const LinkJob *j, Arena *a, char **argv, char **elf, size_t *size) {
  extern char **environ;
  int out = memory_file("program", "", 0), err = memory_file("messages", "", 0), status;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  pid_t pid;
  int failed = posix_spawnp(&pid, j->linker, &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (!failed)
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  size_t said;
  char *messages = take_file(a, err, &said);
  *elf = take_file(a, out, size);
  if (failed) {
    diag_error(j->weights.module->diag, (Loc){0}, "cannot run the linker `%s`: %s", j->linker, strerror(failed));
    return diag_hint(j->weights.module->diag, "it is in the package lld-19; LATHE_LLD names another");
  }
  return (status == 0 && *size > 0) || complain(j, messages);
}

typedef struct Words { /* the linker's command line, and the files that it names */
  Arena *arena;
  VEC(char *) word;
  VEC(int) file;
} Words;

static void add_word(Words *w, const char *word) { vec_push(w->arena, &w->word, (char *)(uintptr_t)word); }

static void add_file(Words *w, const char *name, const void *bytes, size_t size) {
  int fd = memory_file(name, bytes, size);
  vec_push(w->arena, &w->file, fd);
  add_word(w, arena_printf(w->arena, "/proc/self/fd/%d", fd));
}

static void add_objects(Words *w, const LinkJob *j) {
  for (int i = 0; i < j->n_objects; i++) add_file(w, "object", j->object[i].bytes, j->object[i].size);
}

static bool link_words(const LinkJob *j, Words *w, char **elf, size_t *size) {
  vec_push(w->arena, &w->word, NULL);
  bool good = run_linker(j, w->arena, w->word.at, elf, size);
  for (int i = 0; i < w->file.n; i++) close(w->file.at[i]);
  return good;
}

static void add_words(Words *w, const char *const *word) {
  for (; *word; word++) add_word(w, *word);
}

/* The one linker is all linkers. A module's stack is below its data, so that too deep a call is an error and no damage. */
static void add_options(Words *w, const LinkJob *j) {
  static const char *const elf[] = {"-o", "-", "--static", "--gc-sections", "--build-id=none", "-z", "noexecstack", "-z",
                                    "norelro", "-e", "_start", "-z", NULL};
  static const char *const wasm[] = {"-flavor", "wasm", "-o", "-", "--no-entry", "--gc-sections", "--stack-first", "-z",
                                     "stack-size=4194304", "--export=_start", "--export=__heap_base", NULL};
  add_word(w, j->linker);
  if (system_of(j)->format == FILE_WASM) {
    add_words(w, wasm);
    return;
  }
  const char *script = layout(j, w->arena);
  add_words(w, elf);
  add_word(w, arena_printf(w->arena, "max-page-size=%d", system_of(j)->page));
  add_word(w, "-T");
  add_file(w, "layout", script, strlen(script));
}

static bool link_executable(const LinkJob *j, Arena *a, char **elf, size_t *size) {
  Words w = {.arena = a};
  RuntimeObject own = runtime_object(system_of(j)->name);
  add_options(&w, j);
  add_file(&w, "runtime", own.at, own.size);
  add_objects(&w, j);
  return link_words(j, &w, elf, size);
}

/* What it needs of a C library is there in every program that opens it. */
bool link_shared(const LinkJob *j) {
  Arena *a = arena_new();
  char *elf;
  size_t size;
  static const char *const options[] = {"-o", "-", "-shared", "--build-id=none", "-z", "noexecstack", "-z", "max-page-size=65536",
                                        "-soname", NULL};
  const char *slash = strrchr(j->out, '/');
  Words w = {.arena = a};
  add_word(&w, j->linker);
  add_words(&w, options);
  add_word(&w, slash ? slash + 1 : j->out);
  add_objects(&w, j);
  bool good = link_words(j, &w, &elf, &size);
  if (good) {
    OutFile o = out_open(a, j->out, 0777);
    out_write(&o, elf, size);
    out_close(&o);
  }
  arena_free(a);
  return good;
}

/* ---- the whole ---- */

static bool is_elf(const LinkJob *j) { return system_of(j)->format != FILE_WASM; }

/* More than kernels take, but for a few. What is not needed is a hole, and nothing depends on this being enough. */
static uint64_t code_room(const LinkJob *j) {
  const uint64_t a_kernel = 32 << 10;
  const Module *m = j->weights.module;
  uint64_t bytes = 0;
  for (int i = 0; i < m->funcs.n; i++)
    if (m->funcs.at[i]->level == LEVEL_KERNEL) bytes += a_kernel;
  return (bytes / LRT_WEIGHTS_ALIGN + 1) * LRT_WEIGHTS_ALIGN;
}

static bool write_weights(const LinkJob *j, Linking *l, uint64_t at) {
  uint64_t hash;
  out_seek(&l->out, at);
  l->weights_at = at;
  return weights_write(&j->weights, &l->out, &hash);
}

static bool write_program(const LinkJob *j, Linking *l, char *file, size_t size) {
  if (!program_holds_weights(j->weights.info)) {
    out_write(&l->out, file, size);
    return true;
  }
  uint64_t weights = (uint64_t)j->weights.info->weights_size + sizeof(lrt_end_mark);
  Opened f = is_elf(j) ? opened_elf(file, size, weights, l->weights_at) : opened_wasm(l->arena, file, size, weights);
  if (f.weights_at != l->weights_at && !write_weights(j, l, f.weights_at)) return false;
  out_seek(&l->out, f.after_at);
  out_write(&l->out, f.after, f.after_size);
  out_write_at(&l->out, 0, f.before, f.before_size);
  return true;
}

/* What does not fit is said before anything is written. */
static bool check_size(const LinkJob *j) {
  const System *s = system_of(j);
  if (j->weights.info->weights_size <= s->most_weights) return true;
  diag_error(j->weights.module->diag, (Loc){.file = j->out}, "%" PRId64 " MB of weights: a program for %s has room for %" PRId64 " MB",
             j->weights.info->weights_size >> 20, s->name, s->most_weights >> 20);
  return diag_hint(j->weights.module->diag, "weights of types that take 1/%" PRId64 " of that would fit; so do these, for a 64-bit target",
                   (j->weights.info->weights_size + s->most_weights - 1) / s->most_weights);
}

static bool give_up(Linking *l) {
  out_discard(&l->out);
  arena_free(l->arena);
  return false;
}

bool link_begin(const LinkJob *j, Linking *l) {
  if (!check_size(j)) return false;
  *l = (Linking){.arena = arena_new()};
  l->out = out_open(l->arena, j->out, 0777);
  if (!is_elf(j) || !program_holds_weights(j->weights.info)) return true;
  return write_weights(j, l, code_room(j)) || give_up(l);
}

bool link_end(const LinkJob *j, Linking *l) {
  char *elf;
  size_t size;
  if (!link_executable(j, l->arena, &elf, &size) || !write_program(j, l, elf, size)) return give_up(l);
  out_sync(&l->out);
  out_close(&l->out);
  arena_free(l->arena);
  return true;
}
