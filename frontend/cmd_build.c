/* cmd_build.c -- `lathe build`: compiles a model into a program. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/archive.h"
#include "codegen/header.h"
#include "codegen/hosted.h"
#include "codegen/jit_llvm.h"
#include "codegen/link.h"
#include "codegen/parts.h"
#include "codegen/program.h"
#include "frontend/driver.h"
#include "frontend/path.h"
#include "frontend/version.h"
#include "ir/fatal.h"
#include "ir/out_file.h"
#include "ir/text.h"
#include "passes/caches.h"
#include "passes/levels.h"
#include "passes/pass.h"

typedef enum Emit { EMIT_exe, EMIT_obj, EMIT_lib, EMIT_asm, EMIT_llvm, EMIT_ir, EMIT_count } Emit;
static const char *const emits[EMIT_count] = {"exe", "obj", "lib", "asm", "llvm", "ir"};

typedef struct Build {
  Driver *driver;
  Module *module;
  const System *system;
  int n_levels;
  const Target *level[MAX_LEVELS];
  int n_caches; /* types that caches are kept in */
  Dtype cache[MAX_CACHES];
  Emit emit;
  const char *out;
  const char *folder, *base; /* of `out`: with its slash, and without an ending */
  bool separate;             /* the weights are in a file of their own */
  double start;
  int jobs;                  /* threads that compile */
  VEC(const char *) files;   /* what was written */
  bool debug;
  bool talks; /* on a terminal, and asked to */
} Build;

/* ---- what is asked for ---- */

static bool choose_emit(Build *b) {
  const char *word = option_value(&b->driver->options, "emit");
  for (b->emit = EMIT_exe; word && b->emit < EMIT_count; b->emit++)
    if (strcmp(emits[b->emit], word) == 0) return true;
  return !word || diag_misuse(b->driver->diag, "--emit %s: it is one of exe, obj, lib, asm, llvm, ir", word);
}

static bool no_such_target(Build *b, const char *word) {
  diag_misuse(b->driver->diag, "--target %s: there is no such target", word);
  char *all = "";
  for (int i = 0; i < system_count(); i++) all = arena_printf(b->driver->arena, "%s%s%s", all, i ? ", " : "", system_at(i)->name);
  return diag_hint(b->driver->diag, "the targets are %s; `lathe targets` explains them", all);
}

/* Where the program runs: as --target says, else as the first of --cpu's levels does, else here. */
static bool choose_system(Build *b) {
  const char *word = option_value(&b->driver->options, "target"), *cpu = option_value(&b->driver->options, "cpu");
  const Target *first = cpu ? target_find(arena_string(b->driver->arena, cpu, strcspn(cpu, ","))) : NULL, *here = jit_host_target();
  if (word) b->system = system_find(word);
  else if (first && first->system) b->system = first->system;
  else b->system = here ? here->system : system_at(0);
  return b->system || no_such_target(b, word);
}

static bool no_such_level(Build *b, const char *word) {
  diag_misuse(b->driver->diag, "--cpu %s: %s has no such level", word, b->system->name);
  char *all = "";
  for (int i = 0; i < target_count(); i++)
    if (target_at(i)->system == b->system) all = arena_printf(b->driver->arena, "%s%s%s", all, *all ? ", " : "", target_at(i)->name);
  return diag_hint(b->driver->diag, "the levels are %s, or `native`", all);
}

static bool add_level(Build *b, const char *word) {
  const Target *t = strcmp(word, "native") == 0 ? jit_host_target() : target_find(word);
  if (!t || t->system != b->system) return no_such_level(b, word);
  if (b->n_levels == MAX_LEVELS) return diag_misuse(b->driver->diag, "--cpu: more than %d levels", MAX_LEVELS);
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

/* What a program carries where nobody says: `fast` is made for dot products of bf16, where there are any. */
static bool is_usual(const Build *b, const Target *t) {
  const char *word = option_value(&b->driver->options, "numerics");
  Numerics numerics = NUMERICS_exact;
  if (t->system != b->system) return false;
  return t->usual || (word && numerics_find(word, &numerics) && numerics == NUMERICS_fast && target_dots_pairs(t));
}

static bool choose_levels(Build *b) {
  const char *words = option_value(&b->driver->options, "cpu");
  bool good = choose_system(b);
  for (int i = 0; !words && good && i < target_count(); i++)
    if (is_usual(b, target_at(i))) b->level[b->n_levels++] = target_at(i);
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

static bool is_library(const Build *b) { return b->emit == EMIT_obj || b->emit == EMIT_lib; }

/* What `out` says of other files beside it. For a library, `libmodel.a` and `model.o` both mean `model`. */
static void split_output(Build *b) {
  static const char *const endings[] = {".o", ".a", ".so"};
  Arena *a = b->driver->arena;
  const char *slash = strrchr(b->out, '/');
  b->folder = slash ? arena_string(a, b->out, (size_t)(slash + 1 - b->out)) : "";
  b->base = slash ? slash + 1 : b->out;
  if (!is_library(b)) return;
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    if (!path_ends_with(b->base, endings[i])) continue;
    bool lib = i > 0 && strncmp(b->base, "lib", 3) == 0;
    b->base = arena_string(a, b->base + (lib ? 3 : 0), strlen(b->base) - strlen(endings[i]) - (lib ? 3 : 0));
    break;
  }
}

static bool choose_output(Build *b) {
  b->out = option_value(&b->driver->options, "output");
  if (!b->out) return diag_misuse(b->driver->diag, "`lathe build` needs -o FILE: where to write");
  split_output(b);
  return *b->base || diag_misuse(b->driver->diag, "-o %s: this names no file", b->out);
}

static bool check_library(const Build *b) {
  size_t size;
  return !is_library(b) || hosted_bitcode(b->level[0], &size) ||
         diag_misuse(b->driver->diag, "--emit %s: %s has no C programs to link it into", emits[b->emit], b->system->name);
}

static bool choose_weights(Build *b) {
  const char *where = option_value(&b->driver->options, "weights");
  b->separate = is_library(b) || (where && strcmp(where, "separate") == 0);
  if (!where || strcmp(where, "separate") == 0) return true;
  if (strcmp(where, "inside") != 0) return diag_misuse(b->driver->diag, "--weights %s: it is inside or separate", where);
  return !is_library(b) || diag_misuse(b->driver->diag, "--weights inside: a library's weights lie beside it");
}

static bool choose_jobs(Build *b) {
  const char *word = option_value(&b->driver->options, "jobs");
  long n = word ? 0 : sysconf(_SC_NPROCESSORS_ONLN);
  char *end = "";
  if (word) n = strtol(word, &end, 10);
  b->jobs = (int)(n > 0 && n < 1 << 10 ? n : 1);
  if (!word || (n > 0 && end != word && !*end)) return true;
  return diag_misuse(b->driver->diag, "-j %s: it takes a number of threads", word);
}

static const char *beside(const Build *b, const char *start, const char *name, const char *ending) {
  return arena_printf(b->driver->arena, "%s%s%s%s", b->folder, start, name, ending);
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

static const char *cache_names(const Build *b) {
  char *all = b->n_caches ? ", caches " : "";
  for (int i = 0; i < b->n_caches; i++) all = arena_printf(b->driver->arena, "%s%s%s", all, i ? ", " : "", dtype_name(b->cache[i]));
  return all;
}

static void say_done(const Build *b) {
  int64_t bytes = 0;
  char *files = "";
  if (b->talks) fputs("\r\033[K", stderr);
  if (option_given(&b->driver->options, "quiet")) return;
  for (int i = 0; i < b->files.n; i++) {
    struct stat s;
    if (stat(b->files.at[i], &s) == 0) bytes += s.st_size;
    files = arena_printf(b->driver->arena, "%s%s%s", files, i ? ", " : "", b->files.at[i]);
  }
  fprintf(stderr, "%s: %.1f MB for %s, numerics %s%s, in %.1f s\n", files, (double)bytes * 1e-6, level_names(b),
          numerics_name(b->module->funcs.at[0]->numerics), cache_names(b), driver_now() - b->start);
}

static const char *note_file(Build *b, const char *path) {
  vec_push(b->driver->arena, &b->files, path);
  return path;
}

/* ---- building ---- */

/* A decoder's graph gets its caches first: of what types they are is for the program to say. */
static bool make_decoder(Build *b) {
  PassOptions p = {.passes = "shapes,fold,simplify,shapes,fold,simplify,cse,kv_cache,dce", .decoder = b->driver->cache, .out = stdout, .err = stderr};
  return b->driver->cache.mode == CACHE_off || (pass_run(b->module, &p) && driver_check_cache(b->driver));
}

static bool run_passes(Build *b) {
  const Options *o = &b->driver->options;
  say(b, "running passes");
  PassOptions p = {.pipeline = "native", .target = b->level, .n_targets = b->n_levels, .out = stdout, .err = stderr};
  p.cache = b->cache, p.n_caches = b->n_caches;
  p.dump_dir = option_value(o, "dump-dir");
  p.timing = option_given(o, "time");
  return pass_run(b->module, &p);
}

static bool find_level(const Build *b, Func *f, const Target *t, Func **out) {
  *out = f ? level_func(f, t) : NULL;
  return *out || !f || diag_error(b->driver->diag, f->loc, "@%s is not made for %s: it has been lowered for %s", f->name, t->name,
                                  f->target ? f->target->name : "no level");
}

/* f with its caches in each type; NULL after a diag_error. */
static Func *find_cache(const Build *b, Func *f, int which) {
  if (b->n_caches == 0) return f;
  Func *of = caches_func(f, b->cache[which]);
  if (!of) diag_error(b->driver->diag, f->loc, "@%s cannot keep its caches in %s: they are passed between functions, or it has been lowered", f->name, dtype_name(b->cache[which]));
  return of;
}

/* The function at each level, for each type of caches: a module that was written after `levels` has those that it has. */
static bool find_levels(const Build *b, Func *f, ProgramInfo *info) {
  int kinds = b->n_caches ? b->n_caches : 1;
  Func *of[MAX_CACHES];
  bool good = true;
  for (int i = 0; i < kinds; i++) good &= (of[i] = find_cache(b, f, i)) != NULL;
  for (int k = 0; k < b->n_levels; k++)
    for (int i = 0; i < kinds; i++) good &= find_level(b, of[i], b->level[k], &info->level[k * kinds + i]);
  info->n_levels = b->n_levels * kinds;
  info->n_caches = b->n_caches;
  memcpy(info->cache, b->cache, sizeof b->cache);
  return good;
}

/* Kernels and program, checked both before anything is said. */
static bool emit_all(Build *b, const CodeParts *code, Func *f, ProgramInfo *info) {
  bool good = find_levels(b, f, info);
  say(b, "compiling");
  for (int i = 0, k = 0; i < b->module->funcs.n && good; i++)
    if (b->module->funcs.at[i]->level == LEVEL_KERNEL)
      good &= llvm_emit_kernel(parts_kernel(code, k++), b->module->funcs.at[i], b->driver->diag);
  if (!good || !program_emit(code->part[0], info, b->driver->diag)) return false;
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

static void say_time(const Build *b, const char *what, double since) {
  if (option_given(&b->driver->options, "time")) fprintf(stderr, "%-10s %8.3f ms\n", what, (driver_now() - since) * 1e3);
}

/* Before the code, which then knows their hash. */
static bool write_weights(Build *b, LlvmModule *l, const ProgramInfo *info) {
  WeightsJob j = weights_job(b, info);
  uint64_t hash;
  double start = driver_now();
  if (!info->weights_file || info->weights_size == 0) return true;
  if (!weights_write_file(&j, note_file(b, beside(b, "", info->weights_file, "")), &hash)) return false;
  program_set_weights_hash(l, hash);
  say_time(b, "weights", start);
  return true;
}

static LinkJob link_job(Build *b, const ProgramInfo *info, const char *out) {
  return (LinkJob){.weights = weights_job(b, info), .linker = linker(), .out = out};
}

static void take_objects(Build *b, CodeParts *code, LinkJob *j) {
  LinkObject *object = ARENA_ARRAY(b->driver->arena, LinkObject, code->n);
  double start = driver_now();
  parts_wait(code);
  for (int i = 0; i < code->n; i++) llvm_module_object(code->part[i], &object[i].bytes, &object[i].size);
  j->n_objects = code->n, j->object = object;
  say_time(b, "compile", start);
}

/* Weights are written while the code is compiled. */
static bool write_exe(Build *b, CodeParts *code, const ProgramInfo *info) {
  LinkJob j = link_job(b, info, note_file(b, b->out));
  Linking l;
  double start = driver_now();
  parts_start(code, b->driver->arena, b->jobs);
  if (!link_begin(&j, &l)) return false;
  say_time(b, "weights", start);
  take_objects(b, code, &j);
  start = driver_now();
  bool good = link_end(&j, &l);
  say_time(b, "link", start);
  return good;
}

/* ---- libraries ---- */

static void write_archive(Build *b, const char *name, const ProgramInfo *info, const LinkObject *o) {
  Arena *a = b->driver->arena;
  int n;
  const char *const *exported = hosted_exports(a, name, program_speaks(info), &n);
  size_t size;
  const char *bytes = archive_bytes(a, arena_printf(a, "%s.o", b->base), o->bytes, o->size, n, exported, &size);
  out_write_file(note_file(b, beside(b, "lib", b->base, ".a")), bytes, size);
}

static void write_header(Build *b, const char *name, const ProgramInfo *info) {
  Header h = {.name = name, .levels = level_names(b), .weights = info->weights_size ? info->weights_file : NULL, .info = info};
  OutFile o = out_open(b->driver->arena, note_file(b, beside(b, "", b->base, ".h")), 0666);
  header_print(&h, b->driver->arena, out_stream(&o));
  out_close(&o);
}

static bool write_library(Build *b, CodeParts *code, const ProgramInfo *info) {
  const char *name = header_name(b->driver->arena, b->base);
  hosted_add(code->part[0], name, program_speaks(info));
  LinkJob j = link_job(b, info, beside(b, "lib", b->base, ".so"));
  take_objects(b, code, &j);
  if (b->emit == EMIT_obj) out_write_file(note_file(b, beside(b, "", b->base, ".o")), j.object->bytes, j.object->size);
  else if (b->level[0]->system->shared && !link_shared(&j)) return false;
  else if (b->level[0]->system->shared) note_file(b, j.out);
  if (b->emit == EMIT_lib) write_archive(b, name, info, j.object);
  write_header(b, name, info);
  return true;
}

static bool write_text(Build *b, LlvmModule *l) {
  const char *text = b->emit == EMIT_llvm ? llvm_module_text(l, b->driver->arena) : llvm_module_assembly(l, b->driver->arena);
  out_write_file(note_file(b, b->out), text, strlen(text));
  return true;
}

static bool write_ir(Build *b, const char *path) {
  OutFile o = out_open(b->driver->arena, note_file(b, path), 0666);
  module_anchor_files(b->module);
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
  const char *text = ir_text(b, &size), *path = beside(b, "", b->base, ".ir");
  Module *m = text_parse(b->driver->arena, b->driver->diag, path, text, size);
  if (!m) return false;
  out_write_file(note_file(b, path), text, size);
  *f = module_find_func(m, (*f)->name);
  module_close(b->module);
  b->module = m;
  return true;
}

static CodeParts new_code(Build *b) {
  int kernels = 0;
  for (int i = 0; i < b->module->funcs.n; i++) kernels += b->module->funcs.at[i]->level == LEVEL_KERNEL;
  CodeParts code = parts_new(b->driver->arena, b->level[0], model_name(b), kernels, b->emit != EMIT_exe);
  const char *text = arena_printf(b->driver->arena, "%s.ir", b->base);
  for (int i = 0; i < code.n && b->debug; i++) llvm_module_debug(code.part[i], text, "lathe " LATHE_VERSION);
  return code;
}

static bool write_code(Build *b, Func *f) {
  CodeParts code = new_code(b);
  ProgramInfo info = {.name = model_name(b), .made_by = "lathe " LATHE_VERSION};
  if (b->separate) info.weights_file = arena_printf(b->driver->arena, "%s.weights", b->base);
  bool good = emit_all(b, &code, f, &info) && write_weights(b, code.part[0], &info);
  if (good && is_library(b)) good = write_library(b, &code, &info);
  else if (good) good = b->emit == EMIT_exe ? write_exe(b, &code, &info) : write_text(b, code.part[0]);
  parts_free(&code);
  return good;
}

static bool write_all(Build *b, Func *f) {
  if (b->emit == EMIT_ir) return write_ir(b, b->out);
  return (!b->debug || read_lines(b, &f)) && write_code(b, f);
}

/* All that is wrong with the options is said at once; what follows from others, where those are right. */
static bool choose_all(Build *b) {
  if (!choose_emit(b) | !choose_levels(b)) return false;
  return !(!choose_output(b) | !choose_weights(b) | !check_library(b) | !choose_jobs(b));
}

int command_build(Driver *d) {
  Build b = {.driver = d, .start = driver_now()};
  b.debug = option_given(&d->options, "debug");
  b.talks = isatty(STDERR_FILENO) && !option_given(&d->options, "quiet");
  if (!choose_all(&b)) return EXIT_USAGE;
  say(&b, "reading the model");
  b.module = driver_load(d, NULL);
  if (b.module && !driver_numerics(d, b.module)) return EXIT_USAGE;
  Func *f = b.module ? driver_func(d, b.module) : NULL;
  if (f && !make_decoder(&b)) f = NULL;
  if (f && (b.n_caches = driver_caches(d, f, b.cache)) < 0) return EXIT_USAGE;
  bool good = f && run_passes(&b) && write_all(&b, f);
  if (good) say_done(&b);
  else if (b.talks) fputs("\r\033[K", stderr);
  if (b.module) module_close(b.module);
  return good ? EXIT_OK : EXIT_INPUT;
}
