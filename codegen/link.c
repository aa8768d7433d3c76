/* link.c -- makes one file of a program's object, the runtime and the weights.
 *
 * ld.lld links object and runtime, from memory to memory, with a section of one end mark in the place of the weights: the
 * last that is mapped, and aligned as the weights are. Here the file is then opened up at that place: what is behind it
 * (names and section headers) moves, and headers get the new size. So the weights go straight from their source to the
 * file, and no tool ever holds them. */
#define _GNU_SOURCE
#include "codegen/link.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* The weights come last, in a segment of their own that nothing else is aligned like. */
static const char *layout(const LinkJob *j, Arena *a) {
  bool weights = program_holds_weights(j->weights.info);
  return arena_printf(a,
    "PHDRS {\n"
    "  text PT_LOAD FILEHDR PHDRS FLAGS(5);\n"
    "  data PT_LOAD FLAGS(6);\n"
    "%s"
    "  stack PT_GNU_STACK FLAGS(6);\n"
    "}\n"
    "SECTIONS {\n"
    "  . = 0x400000 + SIZEOF_HEADERS;\n"
    "  .text : { *(.text .text.*) } :text\n"
    "  .rodata : { *(.rodata .rodata.* .data.rel.ro .data.rel.ro.*) } :text\n"
    "  . = ALIGN(4096) + . %% 4096;\n"
    "  .data : { *(.data .data.*) } :data\n"
    "  .bss : { *(.bss .bss.* COMMON) } :data\n"
    "%s"
    "  /DISCARD/ : { *(.eh_frame .eh_frame_hdr .comment) }\n"
    "}\n",
    weights ? "  weights PT_LOAD FLAGS(4);\n" : "",
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
  return (status == 0 && *size > sizeof(Elf64_Ehdr)) || complain(j, messages);
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

static bool link_executable(const LinkJob *j, Arena *a, char **elf, size_t *size) {
  static const char *const options[] = {"-o", "-", "--static", "--gc-sections", "--build-id=none", "-z", "noexecstack",
                                        "-z", "max-page-size=4096", "-z", "norelro", "-e", "_start", "-T"};
  Words w = {.arena = a};
  const char *script_text = layout(j, a);
  add_word(&w, j->linker);
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) add_word(&w, options[i]);
  add_file(&w, "layout", script_text, strlen(script_text)); /* what -T takes */
  add_file(&w, "runtime", runtime_object(), runtime_object_size());
  add_objects(&w, j);
  return link_words(j, &w, elf, size);
}

/* What it needs of a C library is there in every program that opens it. */
bool link_shared(const LinkJob *j) {
  Arena *a = arena_new();
  char *elf;
  size_t size;
  static const char *const options[] = {"-o", "-", "-shared", "--build-id=none", "-z", "noexecstack", "-z", "max-page-size=65536",
                                        "-soname"};
  const char *slash = strrchr(j->out, '/');
  Words w = {.arena = a};
  add_word(&w, j->linker);
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) add_word(&w, options[i]);
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

/* ---- opening the file up ---- */

static Elf64_Phdr *weights_segment(char *elf) {
  Elf64_Ehdr *e = (void *)elf;
  Elf64_Phdr *p = (void *)(elf + e->e_phoff);
  for (int i = 0; i < e->e_phnum; i++)
    if (p[i].p_type == PT_LOAD && p[i].p_align == LRT_WEIGHTS_ALIGN) return &p[i];
  return NULL;
}

/* Gives the segment its size, and what is behind it its new place; returns where that begins now. */
static uint64_t open_up(char *elf, Elf64_Phdr *segment, uint64_t size, uint64_t tail) {
  Elf64_Ehdr *e = (void *)elf;
  Elf64_Shdr *s = (void *)(elf + e->e_shoff);
  uint64_t moved = (segment->p_offset + size + 63) / 64 * 64, by = moved - tail;
  for (int i = 0; i < e->e_shnum; i++) {
    if (s[i].sh_offset >= tail) s[i].sh_offset += by;
    else if (s[i].sh_offset == segment->p_offset && (s[i].sh_flags & SHF_ALLOC)) s[i].sh_size = size;
  }
  e->e_shoff += by;
  segment->p_filesz = segment->p_memsz = size;
  return moved;
}

static bool write_program(const LinkJob *j, OutFile *o, char *elf, size_t elf_size) {
  Elf64_Phdr *segment = weights_segment(elf);
  if (!program_holds_weights(j->weights.info)) {
    out_write(o, elf, elf_size);
    return true;
  }
  ensure(segment);
  /* what is behind the segment begins at a multiple of 64, so that moving it keeps its alignment */
  uint64_t tail = segment->p_offset + segment->p_filesz, at = tail / 64 * 64;
  ensure(at == tail);
  uint64_t moved = open_up(elf, segment, (uint64_t)j->weights.info->weights_size + sizeof(lrt_end_mark), at);
  out_write(o, elf, 4096 < segment->p_offset ? segment->p_offset : 4096);
  uint64_t hash;
  if (!weights_write(&j->weights, o, &hash)) return false;
  out_seek(o, moved);
  out_write(o, elf + at, elf_size - at);
  return true;
}

bool link_program(const LinkJob *j) {
  Arena *a = arena_new();
  char *elf;
  size_t size;
  bool good = link_executable(j, a, &elf, &size);
  if (good) {
    OutFile o = out_open(a, j->out, 0777);
    good = write_program(j, &o, elf, size);
    if (good) out_sync(&o), out_close(&o);
    else out_discard(&o);
  }
  arena_free(a);
  return good;
}
