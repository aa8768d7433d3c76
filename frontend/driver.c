/* driver.c -- what the commands share: reading a model, and running passes on it. */
#include "frontend/driver.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "frontend/lm.h"
#include "frontend/onnx_folder.h"
#include "frontend/path.h"
#include "ir/bind.h"
#include "ir/fatal.h"
#include "ir/text.h"
#include "passes/caches.h"

/* How much of a context is kept where nobody says. */
enum { USUAL_CONTEXT = 4096 };

/* ---- reading a model ---- */

/* A folder stands for the graph in it. */
static const char *model_path(Driver *d, const char *path) {
  const char *graph = onnx_in_folder(d->arena, d->diag, path);
  return graph ? graph : path;
}

static Module *load_text(Driver *d, const char *path, int n, const Binding *binding) {
  FILE *f = fopen(path, "rb");
  if (!f) return diag_error(d->diag, (Loc){.file = path}, "cannot open: %s", strerror(errno)), NULL;
  VEC(char) text = {0};
  for (int c; (c = fgetc(f)) != EOF;) vec_push(d->arena, &text, (char)c);
  bool failed = ferror(f) != 0;
  fclose(f);
  if (failed) return diag_error(d->diag, (Loc){.file = path}, "cannot read: %s", strerror(errno)), NULL;
  Module *m = text_parse(d->arena, d->diag, path, text.at ? text.at : "", (size_t)text.n);
  for (int i = 0; m && i < n; i++)
    if (!module_bind(m, &binding[i])) return NULL;
  return m;
}

static bool is_language_model(Driver *d, const char *path) {
  return !path_ends_with(path, ".ir") && model_path(d, path) == path && lm_knows(d->arena, path);
}

/* What the files beside a graph say of it, where it is to become a decoder. */
static bool add_facts(Driver *d, Module *m, const char *graph) {
  int64_t context = onnx_folder_context(d->arena, d->diag, graph);
  if (d->cache.context == 0 && context > 0) d->cache.context = context < USUAL_CONTEXT ? context : USUAL_CONTEXT;
  else if (context > 0 && d->cache.context > context)
    return diag_misuse(d->diag, "-d context=%" PRId64 ": the model was made for 1 to %" PRId64, d->cache.context, context);
  DiagMark mark = diag_mark(d->diag);
  int errors = diag_errors(d->diag);
  if (onnx_add_folder_facts(m, graph) && diag_errors(d->diag) == errors) return true;
  if (d->cache.mode == CACHE_on) return false;
  diag_rewind(d->diag, mark);
  diag_warn(d->diag, (Loc){.file = graph}, "the files beside it cannot be read, and say nothing of its words");
  return true;
}

static Module *load(Driver *d, const char *path, int n, const Binding *binding, OnnxReport *report) {
  if (path_ends_with(path, ".ir")) return load_text(d, path, n, binding);
  if (is_language_model(d, path)) return lm_import(d->arena, d->diag, path, &(LmOptions){n, binding});
  const char *graph = model_path(d, path);
  Module *m = onnx_import(d->arena, d->diag, graph, &(OnnxOptions){.n_dims = n, .dim = binding, .report = report});
  return m && d->cache.mode != CACHE_off && !add_facts(d, m, graph) ? NULL : m;
}

double driver_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The sizes that -d gives; false after a diag_misuse. */
static bool read_bindings(Driver *d, int n, Binding *binding) {
  for (int i = 0; i < n; i++) {
    if (!binding_parse(d->arena, d->diag, option_at(&d->options, "dim", i), &binding[i])) return false;
    for (int k = 0; k < i; k++)
      if (strcmp(binding[k].name, binding[i].name) == 0) return diag_misuse(d->diag, "-d: `%s` is given twice", binding[i].name);
  }
  return true;
}

/* A library's interface is what the graph says, unless something else is asked for. */
static bool builds_program(const Driver *d) {
  const char *emit = option_value(&d->options, "emit");
  return d->options.command == COMMAND_build && !(emit && (strcmp(emit, "lib") == 0 || strcmp(emit, "obj") == 0));
}

static bool read_cache_mode(Driver *d) {
  static const char *const mode[] = {[CACHE_off] = "off", [CACHE_auto] = "auto", [CACHE_on] = "on"};
  const char *word = option_value(&d->options, "cache");
  d->cache = (CacheOptions){.mode = builds_program(d) ? CACHE_auto : CACHE_off, .report = &d->cached};
  for (int i = 0; word && i <= CACHE_on; i++)
    if (strcmp(word, mode[i]) == 0) return d->cache.mode = (CacheMode)i, true;
  return !word || diag_misuse(d->diag, "--cache %s: it is on, off or auto", word);
}

/* Where a graph is to get caches, -d context and -d sequences are theirs. */
static int take_cache_sizes(Driver *d, int n, Binding *binding) {
  int left = 0;
  for (int i = 0; i < n; i++) {
    int64_t *size = strcmp(binding[i].name, "context") == 0 ? &d->cache.context : strcmp(binding[i].name, "sequences") == 0 ? &d->cache.sequences : NULL;
    if (size && d->cache.mode != CACHE_off && !binding[i].capacity) *size = binding[i].value;
    else binding[left++] = binding[i];
  }
  d->cache.context_is_asked = d->cache.context > 0;
  return left;
}

bool driver_check_cache(Driver *d) {
  const CacheOptions *c = &d->cache;
  if (d->cached.done || (!c->context_is_asked && c->sequences == 0)) return true;
  return diag_misuse(d->diag, "-d %s: the model has no caches that it would be the size of", c->context_is_asked ? "context" : "sequences");
}

Module *driver_load(Driver *d, OnnxReport *report) {
  int n = option_count(&d->options, "dim");
  Binding *binding = ARENA_ARRAY(d->arena, Binding, n);
  const char *path = d->options.positional.at[0];
  if (!read_bindings(d, n, binding) || !read_cache_mode(d)) return NULL;
  if (!is_language_model(d, path)) n = take_cache_sizes(d, n, binding);
  double start = driver_now();
  Module *m = load(d, path, n, binding, report);
  bool timed = d->options.command != COMMAND_inspect && option_given(&d->options, "time");
  if (timed) fprintf(stderr, "%-10s %8.3f ms\n", "import", (driver_now() - start) * 1e3);
  return m;
}

bool driver_run_passes(Driver *d, Module *m) {
  const Options *o = &d->options;
  const char *passes = option_value(o, "passes"), *pipeline = option_value(o, "pipeline");
  if (passes && pipeline) return diag_misuse(d->diag, "--passes %s and --pipeline %s exclude each other", passes, pipeline);
  PassOptions p = {.passes = passes, .pipeline = pipeline ? pipeline : "none", .out = stdout, .err = stderr};
  p.after = option_value(o, "after");
  p.after_all = option_given(o, "after-all");
  p.dump_dir = option_value(o, "dump-dir");
  p.timing = option_given(o, "time");
  p.decoder = d->cache;
  return pass_run(m, &p) && driver_check_cache(d);
}

Func *driver_func(Driver *d, Module *m) {
  const char *name = option_value(&d->options, "func");
  Func *f = name ? module_find_func(m, *name == '@' ? name + 1 : name) : NULL;
  for (int i = 0; !name && !f && i < m->funcs.n; i++)
    if (m->funcs.at[i]->level == LEVEL_TENSOR) f = m->funcs.at[i];
  if (!f && name) return diag_error(d->diag, (Loc){.file = m->source}, "there is no function `%s`", name), NULL;
  if (!f) return diag_error(d->diag, (Loc){.file = m->source}, "the module has no function of the tensor level"), NULL;
  if (f->level == LEVEL_TENSOR) return f;
  return diag_error(d->diag, f->loc, "@%s is a kernel, and `%s` takes tensor functions", f->name,
                    command_info(d->options.command)->name), NULL;
}

bool driver_numerics(Driver *d, Module *m) {
  const char *word = option_value(&d->options, "numerics");
  Numerics n;
  if (!word) return true;
  if (!numerics_find(word, &n)) return diag_misuse(d->diag, "--numerics %s: it is exact or fast", word);
  module_set_numerics(m, n);
  return true;
}

/* One more type of caches; false after a diag_error. */
static bool add_cache(Driver *d, const char *word, Dtype *type, int *n) {
  static const Dtype types[] = {DT_f32, DT_f16, DT_bf16};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (strcmp(word, dtype_name(types[i])) != 0) continue;
    for (int k = 0; k < *n; k++)
      if (type[k] == types[i]) return true;
    type[(*n)++] = types[i];
    return true;
  }
  return diag_misuse(d->diag, "--kv %s: caches are kept in f32, f16 or bf16", word);
}

int driver_caches(Driver *d, const Func *f, Dtype type[3]) {
  const char *words = option_value(&d->options, "kv");
  int n = 0;
  if (caches_type(f) == DT_none) return words ? (diag_misuse(d->diag, "--kv %s: @%s has no caches of keys and values", words, f->name), -1) : 0;
  if (!words) type[n++] = f->numerics == NUMERICS_fast ? DT_f16 : caches_type(f);
  for (size_t length; words && *words; words += length + (words[length] == ',')) {
    length = strcspn(words, ",");
    if (!add_cache(d, arena_string(d->arena, words, length), type, &n)) return -1;
  }
  return n || diag_misuse(d->diag, "--kv: it names no type") ? n : -1;
}

/* ---- commands ---- */

int command_ir(Driver *d) {
  Module *m = driver_load(d, NULL);
  if (!m || !driver_run_passes(d, m)) return EXIT_INPUT;
  text_print(m, stdout);
  return EXIT_OK;
}

static void help_passes(void) {
  int n;
  const Pass *p = pass_list(&n);
  puts("passes:");
  for (int i = 0; i < n; i++) printf("  %-10s %s\n", p[i].name, p[i].doc);
  const Pipeline *l = pipeline_list(&n);
  puts("\npipelines:");
  for (int i = 0; i < n; i++) printf("  %-10s %s\n  %-10s   %s\n", l[i].name, l[i].doc, "", l[i].passes);
}

int command_help(Driver *d) {
  const char *what = d->options.positional.n ? d->options.positional.at[0] : NULL;
  if (!what) return options_help(stdout), EXIT_OK;
  if (strcmp(what, "passes") == 0) return help_passes(), EXIT_OK;
  for (int c = 0; c < COMMAND_count; c++)
    if (strcmp(command_info((Command)c)->name, what) == 0) return options_help_command((Command)c, stdout), EXIT_OK;
  diag_misuse(d->diag, "there is no command `%s` to explain", what);
  diag_hint(d->diag, "`lathe help` lists the commands");
  return EXIT_USAGE;
}
