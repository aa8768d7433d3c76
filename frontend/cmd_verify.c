/* cmd_verify.c -- `lathe verify`: holds the compiled model against the reference.
 *
 * The model is read twice. One copy is evaluated as it was read; the other goes through all that `lathe build` does, and its
 * kernels run in this process. A node is found again by its name in the model: it names the last op that the node
 * became, before and after the passes, since a kernel has the name of the node whose result it writes. */
#include <inttypes.h>
#include <stdlib.h>

#include "codegen/native.h"
#include "codegen/plan.h"
#include "frontend/driver.h"
#include "frontend/inputs.h"
#include "ir/fatal.h"
#include "ir/tolerance.h"
#include "passes/levels.h"
#include "passes/pass.h"

enum { MOST_LEVELS = 8, MOST_RESULTS = 16 };

/* What a node of that name gave in the compiled model. */
typedef struct Given {
  const Node *node; /* the last of the name */
  Tensor *result[MOST_RESULTS];
} Given;

typedef struct Verify {
  Driver *driver;
  Module *reference, *compiled;
  Func *reference_func, *compiled_func;
  Native *native;
  const Target *level;
  int n_levels;
  const Target *levels[MOST_LEVELS];
  bool each, exhausted; /* exhausted: what failed did so for want of memory */
  StrMap last, given; /* by name: the Node of the reference, the Given of the compiled */
  VEC(Given *) all_given;
  int n_compared, n_bad;
  const char *first; /* the first to differ, or NULL */
  Dtype kv; /* what the compiled one keeps its caches in */
} Verify;

/* ---- what is asked for ---- */

static bool names(const char *words, const char *name) {
  for (size_t n; *words; words += n + (words[n] == ',')) {
    n = strcspn(words, ",");
    if (strlen(name) == n && strncmp(words, name, n) == 0) return true;
  }
  return false;
}

static bool add_level(Verify *v, const Target *t) {
  if (!jit_runs(t)) return diag_error(v->driver->diag, (Loc){0}, "--cpu: this machine cannot run %s", t->name);
  ensure(v->n_levels < MOST_LEVELS);
  v->levels[v->n_levels++] = t;
  return true;
}

/* In the table's order, as in a program. */
static bool choose_levels(Verify *v) {
  const char *words = option_value(&v->driver->options, "cpu");
  const Target *host = jit_host_target();
  if (!host) return diag_error(v->driver->diag, (Loc){0}, "this machine is none of the targets");
  if (!words || strcmp(words, "native") == 0) return add_level(v, host);
  for (int i = 0; i < target_count(); i++)
    if (target_at(i)->kind == TARGET_CPU && names(words, target_at(i)->name) && !add_level(v, target_at(i))) return false;
  return v->n_levels || diag_error(v->driver->diag, (Loc){0}, "--cpu %s: there is no such level", words);
}

/* ---- the two copies ---- */

static bool load(Verify *v) {
  Driver *d = v->driver;
  v->reference = driver_load(d, NULL);
  v->compiled = v->reference ? driver_load(d, NULL) : NULL;
  if (v->compiled && !driver_numerics(d, v->compiled)) return false;
  v->reference_func = v->compiled ? driver_func(d, v->reference) : NULL;
  v->compiled_func = v->reference_func ? driver_func(d, v->compiled) : NULL;
  return v->compiled_func != NULL;
}

static bool compile(Verify *v) {
  const Options *o = &v->driver->options;
  Plan plan; /* what it says no program can run is refused as `lathe build` does */
  PassOptions p = {.pipeline = "native", .out = stdout, .err = stderr, .target = v->levels, .n_targets = v->n_levels};
  Dtype cache[3];
  if ((p.n_caches = driver_caches(v->driver, v->compiled_func, cache)) < 0) return false;
  p.cache = cache;
  v->kv = p.n_caches ? cache[0] : DT_none;
  p.dump_dir = option_value(o, "dump-dir");
  p.timing = option_given(o, "time");
  if (!pass_run(v->compiled, &p)) return false;
  for (int i = 0; i < v->n_levels; i++)
    if (!plan_func(v->driver->arena, level_func(v->compiled_func, v->levels[i]), v->driver->diag, &plan)) return false;
  return (v->native = native_new(v->compiled, v->levels[v->n_levels - 1])) != NULL;
}

/* ---- comparing ---- */

static void compare(Verify *v, const char *name, const Tensor *got, const Tensor *want) {
  double tol = tolerance_of(want->dtype, v->compiled_func->numerics), least = 0;
  if (v->kv != DT_none) least = tolerance_of(v->kv, v->compiled_func->numerics);
  if (least > tol) tol = least;
  Comparison c = compare_scaled(got, want, tol);
  v->n_compared++;
  v->n_bad += !c.good;
  if (!c.good && !v->first) v->first = arena_printf(v->driver->arena, "%s: %s", name, c.why);
  const char *type = type_text(v->driver->arena, tensor_type(v->reference, want));
  if (!c.good) printf("%-40s %-24s differs: %s\n", name, type, c.why);
  else if (tol > 0) printf("%-40s %-24s max error %.2e of %.0e, cosine %.9f\n", name, type, c.excess * tol, tol, c.cosine);
  else printf("%-40s %-24s equal\n", name, type);
}

static bool has_name(const Node *n) { return n->loc.name && *n->loc.name; }

/* The bodies of loops, which run many times, are left out here and below. */
static void find_last(Verify *v, Func *f) {
  for (Node *n = f->body->last; n; n = n->prev)
    if (has_name(n) && n->op != OP_const) strmap_add(v->driver->arena, &v->last, n->loc.name, n);
}

static void keep_result(void *ctx, const Node *n, int index, const Tensor *t) {
  Verify *v = ctx;
  if (n->block->parent || !has_name(n) || n->op == OP_const || index >= MOST_RESULTS || t->state) return;
  Given *g = strmap_get(&v->given, n->loc.name);
  if (!g) {
    g = ARENA_NEW(v->driver->arena, Given);
    strmap_add(v->driver->arena, &v->given, n->loc.name, g);
    vec_push(v->driver->arena, &v->all_given, g);
  }
  for (int i = 0; n != g->node && i < MOST_RESULTS; i++) tensor_release(g->result[i]), g->result[i] = NULL;
  g->node = n;
  g->result[index] = tensor_ref((Tensor *)(uintptr_t)t);
}

static bool same_elements(const Tensor *a, const Tensor *b) { return a->dtype == b->dtype && a->count == b->count; }

/* A reshape may have been left out, or have moved; the elements are in the same order. */
static void compare_result(void *ctx, const Node *n, int index, const Tensor *want) {
  Verify *v = ctx;
  if (n->block->parent || !has_name(n) || strmap_get(&v->last, n->loc.name) != n || index >= MOST_RESULTS || want->state) return;
  const Given *g = strmap_get(&v->given, n->loc.name);
  if (!g || g->node->n_out != n->n_out || !g->result[index] || !same_elements(g->result[index], want)) return;
  Tensor *got = tensor_view(g->result[index], want->rank, want->dim);
  compare(v, n->n_out == 1 ? n->loc.name : arena_printf(v->driver->arena, "%s[%d]", n->loc.name, index), got, want);
  tensor_release(got);
}

static void compare_outputs(Verify *v, Tensor *const *got, Tensor *const *want) {
  for (int i = 0; i < v->reference_func->n_results; i++) {
    const char *name = v->reference_func->result_name[i];
    if (!want[i]->state) compare(v, name ? name : arena_printf(v->driver->arena, "result%d", i), got[i], want[i]);
  }
}

/* ---- running ---- */

typedef struct Run {
  Tensor **arg, **got, **want; /* arguments are tensors of the reference's, but both copies take them */
} Run;

static bool run_compiled(Verify *v, EvalOptions o, Run *r) {
  o.launch = native_launch, o.launch_ctx = v->native;
  if (v->each) o.watch = keep_result, o.watch_ctx = v;
  Evaluator *e = eval_new(v->compiled, o);
  Func *f = level_func(v->compiled_func, v->level);
  bool good = inputs_bind(v->driver, v->compiled, e) && eval_func(e, f, f->body->n_args, r->arg, r->got);
  v->exhausted |= eval_exhausted(e);
  eval_free(e);
  return good;
}

/* The compiled model ran first, so what it gave can be compared, and let go, as the reference comes along. */
static bool run_reference(Verify *v, EvalOptions o, Run *r) {
  if (v->each) o.watch = compare_result, o.watch_ctx = v;
  Evaluator *e = eval_new(v->reference, o);
  const Func *f = v->reference_func;
  bool good = inputs_bind(v->driver, v->reference, e) && eval_func(e, v->reference_func, f->body->n_args, r->arg, r->want);
  v->exhausted |= eval_exhausted(e);
  eval_free(e);
  return good;
}

static void forget(Verify *v) {
  for (int i = 0; i < v->all_given.n; i++)
    for (int k = 0; k < MOST_RESULTS; k++) tensor_release(v->all_given.at[i]->result[k]);
  v->all_given.n = 0;
  v->given = (StrMap){0};
}

static bool verify_level(Verify *v, EvalOptions o, Run *r) {
  int n = v->reference_func->n_results;
  if (v->n_levels > 1) printf("%s\n", v->level->name);
  bool good = run_compiled(v, o, r) && run_reference(v, o, r);
  if (good) compare_outputs(v, r->got, r->want);
  for (int i = 0; i < n; i++) {
    tensor_release(r->got[i]), tensor_release(r->want[i]);
    r->got[i] = r->want[i] = NULL;
  }
  forget(v);
  return good;
}

static bool verify(Verify *v, EvalOptions o) {
  Func *f = v->reference_func;
  Arena *a = v->driver->arena;
  Run r = {ARENA_ARRAY(a, Tensor *, f->body->n_args), ARENA_ARRAY(a, Tensor *, f->n_results), ARENA_ARRAY(a, Tensor *, f->n_results)};
  Evaluator *e = eval_new(v->reference, o);
  bool good = inputs_read(v->driver, f, r.arg) && inputs_complete(v->driver, e, f, r.arg);
  if (v->each) find_last(v, f);
  for (int i = 0; good && i < v->n_levels; i++) {
    v->level = v->levels[i];
    good = verify_level(v, o, &r);
  }
  for (int i = 0; i < f->body->n_args; i++) tensor_release(r.arg[i]);
  v->exhausted |= eval_exhausted(e);
  eval_free(e);
  return good;
}

int command_verify(Driver *d) {
  Verify v = {.driver = d, .each = option_given(&d->options, "each")};
  EvalOptions o = {0};
  if (!inputs_limits(d, &o)) return EXIT_USAGE;
  bool good = choose_levels(&v) && load(&v) && compile(&v) && verify(&v, o);
  native_free(v.native);
  if (v.compiled) module_close(v.compiled);
  if (v.reference) module_close(v.reference);
  if (!good) return v.exhausted ? EXIT_RESOURCE : EXIT_INPUT;
  if (v.n_bad) return diag_error(d->diag, (Loc){.file = d->options.positional.at[0]}, "%d of %d differ, first %s", v.n_bad, v.n_compared, v.first), EXIT_INPUT;
  printf("%d of %d agree with the reference, numerics %s\n", v.n_compared, v.n_compared, numerics_name(v.compiled_func->numerics));
  return EXIT_OK;
}
