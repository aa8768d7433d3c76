/* inputs.c -- what a model is run on, as the command line gives it: files, or numbers made up. */
#include "frontend/inputs.h"

#include <errno.h>
#include <stdlib.h>

#include "frontend/npy.h"
#include "frontend/onnx_tensor.h"
#include "frontend/path.h"
#include "ir/checked.h"
#include "ir/splitmix.h"

/* ---- numbers on the command line ---- */

static bool read_number(Driver *d, const char *option, int64_t dflt, int64_t *out) {
  const char *s = option_value(&d->options, option);
  if (!s) return *out = dflt, true;
  char *end;
  errno = 0;
  int64_t n = strtoll(s, &end, 10), unit = 1;
  if (*end == 'K') unit = 1 << 10;
  if (*end == 'M') unit = 1 << 20;
  if (*end == 'G') unit = 1 << 30;
  end += unit > 1;
  if (end == s || *end || errno || n < 0 || !checked_mul(n, unit, out))
    return diag_misuse(d->diag, "--%s: `%s` is not a number", option, s);
  return true;
}

bool inputs_limits(Driver *d, EvalOptions *o) {
  return read_number(d, "max-memory", (int64_t)4 << 30, &o->max_memory) && read_number(d, "max-steps", 0, &o->max_steps);
}

/* ---- inputs ---- */

static Tensor *read_tensor(Driver *d, const char *path) {
  const char *name;
  Tensor *t = NULL;
  if (!path_ends_with(path, ".pb")) return npy_read(d->diag, path);
  return onnx_load_tensor(d->arena, d->diag, path, &name, &t) ? t : NULL;
}

static int find_argument(const Func *f, const char *name, size_t n) {
  for (int i = 0; i < f->body->n_args; i++) {
    const char *have = f->body->arg[i]->name;
    if (have && strlen(have) == n && memcmp(have, name, n) == 0) return i;
  }
  return -1;
}

static bool no_such_input(Driver *d, const Func *f, const char *name, size_t n) {
  char *all = "";
  for (int i = 0; i < f->body->n_args; i++)
    all = arena_printf(d->arena, "%s%s%s", all, i ? ", " : "", f->body->arg[i]->name ? f->body->arg[i]->name : "?");
  diag_error(d->diag, f->loc, "@%s has no input `%.*s`", f->name, (int)n, name);
  return diag_hint(d->diag, "its inputs are %s", all);
}

bool inputs_read(Driver *d, const Func *f, Tensor **arg) {
  bool good = true;
  for (int i = 0; i < option_count(&d->options, "in"); i++) {
    const char *s = option_at(&d->options, "in", i), *equals = strchr(s, '=');
    if (!equals) { good = diag_misuse(d->diag, "--in: `%s` is not of the form NAME=FILE", s); continue; }
    if (*s == '@') continue; /* a constant: inputs_bind() */
    int at = find_argument(f, s, (size_t)(equals - s));
    if (at < 0) { good = no_such_input(d, f, s, (size_t)(equals - s)); continue; }
    if (arg[at]) { good = diag_misuse(d->diag, "--in: `%s` is given twice", f->body->arg[at]->name); continue; }
    arg[at] = read_tensor(d, equals + 1);
    good &= arg[at] != NULL;
  }
  return good;
}

bool inputs_bind(Driver *d, Module *m, Evaluator *e) {
  bool good = true;
  for (int i = 0; i < option_count(&d->options, "in"); i++) {
    const char *s = option_at(&d->options, "in", i), *equals = strchr(s, '=');
    if (*s != '@') continue;
    const char *name = arena_string(d->arena, s + 1, (size_t)(equals - s - 1));
    Constant *c = module_find_constant(m, name);
    if (!c) { good = diag_error(d->diag, (Loc){.file = m->source}, "there is no constant @%s", name); continue; }
    Tensor *t = read_tensor(d, equals + 1);
    good &= t && eval_bind(e, c, t);
    tensor_release(t);
  }
  return good;
}

/* ---- inputs made up ---- */

/* Sizes that nothing fixes are 4, or the most that they can be. */
static bool made_up_sizes(Driver *d, const Func *f, const Value *v, int64_t *dim) {
  enum { FREE_SIZE = 4 };
  int64_t *value = ARENA_ARRAY(d->arena, int64_t, f->symbols.n);
  for (int i = 0; i < f->symbols.n; i++) {
    int64_t capacity = f->symbols.at[i]->capacity;
    value[i] = capacity != DIM_NO_CAPACITY && capacity < FREE_SIZE ? capacity : FREE_SIZE;
  }
  for (int i = 0; i < v->type->rank; i++)
    if (!dim_eval(v->type->dim[i], value, f->symbols.n, &dim[i]))
      return diag_error(d->diag, (Loc){f->loc.file, 0, v->name}, "no size can be made up for %s", type_text(d->arena, v->type));
  return true;
}

/* Floats are in [-1, 1); integers are 0 or 1, which most models take for anything. */
static Tensor *random_tensor(Driver *d, Evaluator *e, const Func *f, const Value *v, uint64_t *seed) {
  int64_t dim[MAX_RANK];
  if (!made_up_sizes(d, f, v, dim)) return NULL;
  Tensor *t = tensor_new(e, v->type->dtype, v->type->rank, dim);
  if (!t) diag_hint(d->diag, "this is input `%s`, which is to be made up; -d gives it another size", v->name ? v->name : "?");
  for (int64_t i = 0; t && i < t->count; i++) {
    if (dtype_is_float(t->dtype)) dtype_set_f(t->dtype, t->data, i, splitmix_unit(seed));
    else dtype_set_i(t->dtype, t->data, i, (int64_t)(splitmix(seed) >> 63));
  }
  return t;
}

bool inputs_complete(Driver *d, Evaluator *e, const Func *f, Tensor **arg) {
  bool given = option_given(&d->options, "random");
  int64_t number;
  if (!read_number(d, "random", 0, &number)) return false;
  uint64_t seed = (uint64_t)number;
  bool good = true;
  for (int i = 0; i < f->body->n_args; i++) {
    const Value *v = f->body->arg[i];
    if (arg[i] || v->type->kind == TYPE_STATE) continue; /* an absent state is an empty one */
    if (given) good &= (arg[i] = random_tensor(d, e, f, v, &seed)) != NULL;
    else {
      good = diag_error(d->diag, f->loc, "input `%s` of type %s is not given", v->name ? v->name : "?", type_text(d->arena, v->type));
      diag_hint(d->diag, "--in %s=FILE.npy, or --random SEED", v->name ? v->name : "NAME");
    }
  }
  return good;
}
