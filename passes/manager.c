/* manager.c -- runs passes in order, verifies after each, and writes the dumps. */
#include <time.h>

#include "ir/fatal.h"
#include "ir/out_file.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/pass.h"

#define PASS(name, levels, doc) bool pass_##name(PassCall *c, Func *f);
#define PIPELINE(...)
#include "passes/passes.def"
#undef PASS
#undef PIPELINE

static const Pass passes[] = {
#define PASS(name, levels, doc) {#name, LEVEL_##levels, pass_##name, doc},
#define PIPELINE(...)
#include "passes/passes.def"
#undef PASS
#undef PIPELINE
};

static const Pipeline pipelines[] = {
#define PASS(...)
#define PIPELINE(name, passes, doc) {#name, passes, doc},
#include "passes/passes.def"
#undef PASS
#undef PIPELINE
};

enum { N_PASSES = sizeof passes / sizeof *passes, N_PIPELINES = sizeof pipelines / sizeof *pipelines };

const Pass *pass_list(int *n) {
  *n = N_PASSES;
  return passes;
}

const Pipeline *pipeline_list(int *n) {
  *n = N_PIPELINES;
  return pipelines;
}

static const Pass *pass_find(const char *name, size_t n) {
  for (int i = 0; i < N_PASSES; i++)
    if (strlen(passes[i].name) == n && memcmp(passes[i].name, name, n) == 0) return &passes[i];
  return NULL;
}

/* ---- what to run ---- */

typedef VEC(const Pass *) Plan;

static const char *all_passes(Arena *a) {
  char *s = "";
  for (int i = 0; i < N_PASSES; i++) s = arena_printf(a, "%s%s%s", s, i ? ", " : "", passes[i].name);
  return s;
}

static const char *all_pipelines(Arena *a) {
  char *s = "";
  for (int i = 0; i < N_PIPELINES; i++) s = arena_printf(a, "%s%s%s", s, i ? ", " : "", pipelines[i].name);
  return s;
}

static bool unknown_pass(Module *m, const char *name, size_t n) {
  diag_misuse(m->diag, "there is no pass `%.*s`", (int)n, name);
  return diag_hint(m->diag, "the passes are %s", all_passes(m->arena));
}

static bool plan_names(Module *m, Plan *plan, const char *names) {
  static const char *const between = ", ";
  bool good = true;
  for (names += strspn(names, between); *names; names += strspn(names, between)) {
    size_t n = strcspn(names, between);
    const Pass *p = pass_find(names, n);
    if (p) vec_push(m->arena, plan, p);
    else good = unknown_pass(m, names, n);
    names += n;
  }
  return good;
}

static bool plan_pipeline(Module *m, Plan *plan, const char *name) {
  for (int i = 0; i < N_PIPELINES; i++)
    if (strcmp(pipelines[i].name, name) == 0) return plan_names(m, plan, pipelines[i].passes);
  diag_misuse(m->diag, "there is no pipeline `%s`", name);
  return diag_hint(m->diag, "the pipelines are %s", all_pipelines(m->arena));
}

static bool plan_make(Module *m, Plan *plan, const PassOptions *o) {
  if (o->after && !pass_find(o->after, strlen(o->after))) return unknown_pass(m, o->after, strlen(o->after));
  return o->passes ? plan_names(m, plan, o->passes) : plan_pipeline(m, plan, o->pipeline ? o->pipeline : "default");
}

/* ---- what to show ---- */

static void dump(Module *m, const PassOptions *o, int number, const char *name) {
  if (!o->dump_dir) return;
  char *path = arena_printf(m->arena, "%s/%02d-%s.ir", o->dump_dir, number, name);
  out_folder(o->dump_dir);
  OutFile f = out_open(m->arena, path, 0666);
  text_print(m, out_stream(&f));
  out_close(&f);
}

static void print_after(Module *m, const PassOptions *o, const char *name) {
  fprintf(o->out, "// after %s\n", name);
  text_print(m, o->out);
  fputc('\n', o->out);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- running ---- */

static bool run_on_functions(Module *m, const PassOptions *o, const Pass *p) {
  PassCall c = {.module = m, .scratch = arena_new(), .target = o->target, .n_targets = o->n_targets, .cache = o->cache, .n_caches = o->n_caches,
                .decoder = o->decoder};
  bool changed = false;
  for (int i = 0; i < m->funcs.n; i++)
    if (m->funcs.at[i]->level & p->levels) changed |= p->run(&c, m->funcs.at[i]);
  arena_free(c.scratch);
  return changed;
}

static void verify_after(Module *m, const Pass *p) {
  if (verify_module(m)) return;
  diag_flush(m->diag, stderr, false);
  fatal_bug("pass", 0, arena_printf(m->arena, "`%s` left a module that is not valid", p->name));
}

static void run_one(Module *m, const PassOptions *o, const Pass *p, int number) {
  double start = now();
  bool changed = run_on_functions(m, o, p);
  if (o->timing) fprintf(o->err, "%-10s %8.3f ms%s\n", p->name, (now() - start) * 1e3, changed ? "" : "  (no change)");
  if (changed) verify_after(m, p);
  if (changed && o->changed) o->changed(o->changed_ctx, p->name, m);
  if ((o->after_all && changed) || (o->after && strcmp(o->after, p->name) == 0)) print_after(m, o, p->name);
  if (changed) dump(m, o, number, p->name);
}

bool pass_run(Module *m, const PassOptions *o) {
  Plan plan = {0};
  if (!plan_make(m, &plan, o) || !verify_module(m)) return false;
  if (o->dump_dir) module_anchor_files(m);
  dump(m, o, 0, "input");
  for (int i = 0; i < plan.n; i++) run_one(m, o, plan.at[i], i + 1);
  return diag_errors(m->diag) == 0;
}
