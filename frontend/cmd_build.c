/* cmd_build.c -- `lathe build`: compiles a model into a program. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/jit_llvm.h"
#include "codegen/link.h"
#include "codegen/program.h"
#include "frontend/driver.h"
#include "frontend/version.h"
#include "ir/fatal.h"
#include "ir/out_file.h"
#include "ir/text.h"
#include "passes/levels.h"
#include "passes/pass.h"

typedef enum Emit { EMIT_exe, EMIT_obj, EMIT_asm, EMIT_llvm, EMIT_ir, EMIT_count } Emit;
static const char *const emits[EMIT_count] = {"exe", "obj", "asm", "llvm", "ir"};

typedef struct Build {
  Driver *driver;
  Module *module;
  int n_levels;
  const Target *level[MAX_LEVELS];
  Emit emit;
  const char *out;
  double start;
  bool debug;
  bool talks; /* on a terminal, and asked to */
} Build;

/* ---- what is asked for ---- */

static bool choose_emit(Build *b) {
  const char *word = option_value(&b->driver->options, "emit");
  for (b->emit = EMIT_exe; word && b->emit < EMIT_count; b->emit++)
    if (strcmp(emits[b->emit], word) == 0) return true;
  return !word || diag_error(b->driver->diag, (Loc){0}, "--emit %s: it is one of exe, obj, asm, llvm, ir", word);
}

/* What a program carries where nobody says. Without a fused multiply-add, as on v2, no kernel of exp or its kin is made yet. */
static const char *const usual_levels[] = {"x86-64-v3", "x86-64-v4"};

static bool no_such_level(Build *b, const char *word) {
  diag_error(b->driver->diag, (Loc){0}, "--cpu %s: there is no such level", word);
  char *all = "native";
  for (int i = 0; i < target_count(); i++)
    if (target_at(i)->kind == TARGET_CPU) all = arena_printf(b->driver->arena, "%s, %s", all, target_at(i)->name);
  return diag_hint(b->driver->diag, "the levels are %s", all);
}

static bool add_level(Build *b, const char *word) {
  const Target *t = strcmp(word, "native") == 0 ? jit_host_target() : target_find(word);
  if (!t || t->kind != TARGET_CPU) return no_such_level(b, word);
  if (b->n_levels == MAX_LEVELS) return diag_error(b->driver->diag, (Loc){0}, "--cpu: more than %d levels", MAX_LEVELS);
  b->level[b->n_levels++] = t;
  return true;
}

/* The runtime looks for the best from the end, so they stand in the table's order. */
static void sort_levels(Build *b) {
  const Target *sorted[MAX_LEVELS];
  int n = 0;
  for (int i = 0; i < target_count(); i++)
    for (int k = 0; k < b->n_levels; k++)
      if (b->level[k] == target_at(i) && (n == 0 || sorted[n - 1] != target_at(i))) sorted[n++] = target_at(i);
  memcpy(b->level, sorted, sizeof sorted);
  b->n_levels = n;
}

static bool choose_levels(Build *b) {
  const char *words = option_value(&b->driver->options, "cpu");
  bool good = true;
  for (size_t i = 0; !words && i < sizeof usual_levels / sizeof *usual_levels; i++) good &= add_level(b, usual_levels[i]);
  for (size_t n; words && *words && good; words += n + (words[n] == ',')) {
    n = strcspn(words, ",");
    good = add_level(b, arena_string(b->driver->arena, words, n));
  }
  sort_levels(b);
  return good;
}

static const char *level_names(const Build *b) {
  char *all = "";
  for (int i = 0; i < b->n_levels; i++) all = arena_printf(b->driver->arena, "%s%s%s", all, i ? ", " : "", b->level[i]->name);
  return all;
}

static bool choose_output(Build *b) {
  b->out = option_value(&b->driver->options, "output");
  return b->out || diag_error(b->driver->diag, (Loc){0}, "`lathe build` needs -o FILE: where to write");
}

/* The file's name, or its folder's, without what follows a dot. */
static const char *model_name(const Build *b) {
  const char *path = b->driver->options.positional.at[0];
  size_t n = strlen(path), from;
  while (n > 1 && path[n - 1] == '/') n--;
  for (from = n; from > 0 && path[from - 1] != '/'; from--) continue;
  const char *name = arena_string(b->driver->arena, path + from, n - from), *dot = strrchr(name, '.');
  return dot && dot > name ? arena_string(b->driver->arena, name, (size_t)(dot - name)) : name;
}

/* ---- progress ---- */

static void say(const Build *b, const char *what) {
  if (b->talks) fprintf(stderr, "\r\033[K%s...", what);
}

static void say_weights(void *ctx, int64_t done, int64_t of) {
  const Build *b = ctx;
  if (b->talks) fprintf(stderr, "\r\033[Kwriting weights: %" PRId64 " of %" PRId64 " MB", done >> 20, of >> 20);
}

static void say_done(const Build *b) {
  struct stat s;
  if (b->talks) fputs("\r\033[K", stderr);
  if (option_given(&b->driver->options, "quiet") || stat(b->out, &s) != 0) return;
  fprintf(stderr, "%s: %.1f MB for %s, numerics exact, in %.1f s\n", b->out, (double)s.st_size * 1e-6, level_names(b),
          driver_now() - b->start);
}

/* ---- building ---- */

static bool run_passes(Build *b) {
  const Options *o = &b->driver->options;
  say(b, "running passes");
  PassOptions p = {.pipeline = "native", .target = b->level, .n_targets = b->n_levels, .out = stdout, .err = stderr};
  p.dump_dir = option_value(o, "dump-dir");
  p.timing = option_given(o, "time");
  return pass_run(b->module, &p);
}

/* The function at each level: a module that was written after `levels` has those that it has. */
static bool find_levels(const Build *b, Func *f, ProgramInfo *info) {
  bool good = true;
  for (int k = 0; k < b->n_levels; k++)
    if (!(info->level[k] = level_func(f, b->level[k])))
      good = diag_error(b->driver->diag, f->loc, "@%s is not made for %s: it has been lowered for %s", f->name, b->level[k]->name,
                        f->target ? f->target->name : "no level");
  info->n_levels = b->n_levels;
  return good;
}

/* Kernels and program, checked both before anything is said. */
static bool emit_all(Build *b, LlvmModule *l, Func *f, ProgramInfo *info) {
  bool good = find_levels(b, f, info);
  say(b, "compiling");
  for (int i = 0; i < b->module->funcs.n && good; i++)
    if (b->module->funcs.at[i]->level == LEVEL_KERNEL) good &= llvm_emit_kernel(l, b->module->funcs.at[i], b->driver->diag);
  if (!good || !program_emit(l, info, b->driver->diag)) return false;
  if (option_given(&b->driver->options, "time"))
    fprintf(stderr, "plan       %d launches in %d phases, %d values in the arena\n", info->n_launches, info->n_phases, info->n_blocks);
  return true;
}

/* The one that is asked for, the one that Lathe was built with, or whatever is in the path. */
static const char *linker(void) {
  const char *named = getenv("LATHE_LLD"), *own = link_default_linker();
  if (named) return named;
  return access(own, X_OK) == 0 ? own : "ld.lld-19";
}

static WeightsJob weights_job(Build *b, const ProgramInfo *info) {
  return (WeightsJob){.module = b->module, .info = info, .progress = say_weights, .progress_ctx = b};
}

static bool write_exe(Build *b, LlvmModule *l, const ProgramInfo *info) {
  LinkJob j = {.weights = weights_job(b, info), .linker = linker(), .out = b->out};
  double start = driver_now();
  llvm_module_object(l, &j.object, &j.object_size);
  bool timed = option_given(&b->driver->options, "time");
  if (timed) fprintf(stderr, "%-10s %8.3f ms\n", "compile", (driver_now() - start) * 1e3);
  start = driver_now();
  bool good = link_program(&j);
  if (timed) fprintf(stderr, "%-10s %8.3f ms\n", "link", (driver_now() - start) * 1e3);
  return good;
}

static bool write_text(Build *b, LlvmModule *l) {
  const char *text = b->emit == EMIT_llvm ? llvm_module_text(l, b->driver->arena) : llvm_module_assembly(l, b->driver->arena);
  out_write_file(b->out, text, strlen(text));
  return true;
}

static bool write_object(Build *b, LlvmModule *l) {
  const void *bytes;
  size_t size;
  llvm_module_object(l, &bytes, &size);
  out_write_file(b->out, bytes, size);
  return true;
}

static bool write_ir(Build *b, const char *path) {
  OutFile o = out_open(b->driver->arena, path, 0666);
  text_print(b->module, out_stream(&o));
  out_close(&o);
  return true;
}

static char *ir_text(Build *b, size_t *size) {
  char *text = NULL;
  FILE *f = open_memstream(&text, size);
  if (!f) fatal_resource("out of memory");
  text_print(b->module, f);
  if (fclose(f) != 0) fatal_resource("out of memory");
  char *copy = arena_string(b->driver->arena, text, *size);
  free(text);
  return copy;
}

/* With -g the IR is written beside, and what is compiled is read from there: so every node knows its line. */
static bool read_lines(Build *b, Func **f) {
  size_t size;
  const char *text = ir_text(b, &size), *path = arena_printf(b->driver->arena, "%s.ir", b->out);
  Module *m = text_parse(b->driver->arena, b->driver->diag, path, text, size);
  if (!m) return false;
  out_write_file(path, text, size);
  *f = module_find_func(m, (*f)->name);
  module_close(b->module);
  b->module = m;
  return true;
}

static bool write_code(Build *b, Func *f) {
  LlvmModule *l = llvm_module_new(b->level[0], model_name(b));
  const char *slash = strrchr(b->out, '/'), *file = slash ? slash + 1 : b->out;
  if (b->debug) llvm_module_debug(l, arena_printf(b->driver->arena, "%s.ir", file), "lathe " LATHE_VERSION);
  ProgramInfo info = {.name = model_name(b), .made_by = "lathe " LATHE_VERSION};
  bool good = emit_all(b, l, f, &info);
  if (good && b->emit == EMIT_exe) good = write_exe(b, l, &info);
  else if (good) good = b->emit == EMIT_obj ? write_object(b, l) : write_text(b, l);
  llvm_module_free(l);
  return good;
}

int command_build(Driver *d) {
  Build b = {.driver = d, .start = driver_now()};
  b.debug = option_given(&d->options, "debug");
  b.talks = isatty(STDERR_FILENO) && !option_given(&d->options, "quiet");
  if (!choose_emit(&b) | !choose_levels(&b) | !choose_output(&b)) return EXIT_USAGE;
  say(&b, "reading the model");
  b.module = driver_load(d, NULL);
  Func *f = b.module ? driver_func(d, b.module) : NULL;
  bool good = f && run_passes(&b) && (b.emit == EMIT_ir ? write_ir(&b, b.out) : (!b.debug || read_lines(&b, &f)) && write_code(&b, f));
  if (good) say_done(&b);
  else if (b.talks) fputs("\r\033[K", stderr);
  if (b.module) module_close(b.module);
  return good ? EXIT_OK : EXIT_INPUT;
}
