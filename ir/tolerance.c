/* tolerance.c -- when two tensors are the same: the rules that tests and `lathe verify` share. */
#include "ir/tolerance.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* f32's are ONNX's own. A 16-bit float may be off by two units in its last place (the reference rounds once an op, ONNX's
 * expected outputs sometimes once a function); narrower floats are codes, and exact. `scaled` is for a whole model, in
 * which such differences meet: some ten units in the last place of the largest element. */
static const struct {
  Dtype dtype;
  double atol, rtol, scaled;
} table[] = {
    {DT_f64, 1e-7, 1e-3, 1e-6},
    {DT_f32, 1e-7, 1e-3, 1e-4},
    {DT_f16, 1e-4, 2e-3, 5e-3},
    {DT_bf16, 1e-3, 1.6e-2, 4e-2},
};

typedef struct Rule {
  double atol, rtol;
} Rule;

static Rule rule_of(Dtype t) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (table[i].dtype == t) return (Rule){table[i].atol, table[i].rtol};
  return (Rule){0, 0};
}

double tolerance_of(Dtype t, Numerics n) {
  double rounded = n == NUMERICS_fast && dtype_is_float(t) && t != DT_bf16 ? tolerance_of(DT_bf16, n) : 0;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (table[i].dtype == t) return fmax(table[i].scaled, rounded);
  return 0;
}

static bool same_shape(const Tensor *a, const Tensor *b, Comparison *c) {
  bool same = a->dtype == b->dtype && a->rank == b->rank;
  for (int i = 0; same && i < a->rank; i++) same = a->dim[i] == b->dim[i];
  if (same) return true;
  Arena *arena = arena_new();
  Module *m = module_new(arena, diag_new(arena));
  snprintf(c->why, sizeof c->why, "got %s, and %s was wanted", type_text(arena, tensor_type(m, a)),
           type_text(arena, tensor_type(m, b)));
  arena_free(arena);
  return false;
}

static bool ints_match(const Tensor *a, const Tensor *b, Comparison *c) {
  for (int64_t i = 0; i < a->count; i++) {
    if (tensor_i(a, i) == tensor_i(b, i)) continue;
    c->worst = i;
    c->got = (double)tensor_i(a, i);
    c->want = (double)tensor_i(b, i);
    c->excess = INFINITY;
    snprintf(c->why, sizeof c->why, "element %" PRId64 " is %" PRId64 ", and %" PRId64 " was wanted", i, tensor_i(a, i), tensor_i(b, i));
    return false;
  }
  return true;
}

/* The error of one element over what is allowed; infinite where one is NaN or infinite and the other is not the same. */
static double excess(double a, double b, Rule r) {
  if (isnan(a) || isnan(b)) return isnan(a) && isnan(b) ? 0 : INFINITY;
  if (isinf(a) || isinf(b)) return a == b ? 0 : INFINITY;
  double error = fabs(a - b), allowed = r.atol + r.rtol * fabs(b);
  return error == 0 ? 0 : error / allowed;
}

static void floats_match(const Tensor *a, const Tensor *b, Rule r, Comparison *c) {
  double ab = 0, aa = 0, bb = 0;
  for (int64_t i = 0; i < a->count; i++) {
    double x = tensor_f(a, i), y = tensor_f(b, i), e = excess(x, y, r);
    if (isfinite(x) && isfinite(y)) ab += x * y, aa += x * x, bb += y * y;
    if (e <= c->excess && c->worst >= 0) continue;
    c->worst = i;
    c->got = x;
    c->want = y;
    c->excess = e;
  }
  c->cosine = aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : aa == bb;
  c->good = c->excess <= 1;
  if (!c->good)
    snprintf(c->why, sizeof c->why, "element %" PRId64 " is %.9g, and %.9g was wanted (%.3g times the tolerance; cosine %.9f)",
             c->worst, c->got, c->want, c->excess, c->cosine);
}

static Comparison compare(const Tensor *got, const Tensor *want, Rule r) {
  Comparison c = {.worst = -1, .cosine = 1};
  if (!same_shape(got, want, &c)) return c;
  if (dtype_is_float(got->dtype)) floats_match(got, want, r, &c);
  else c.good = ints_match(got, want, &c);
  return c;
}

Comparison compare_onnx(const Tensor *got, const Tensor *want) { return compare(got, want, rule_of(want->dtype)); }

Comparison compare_written(const Tensor *got, const Tensor *want, double atol) {
  Rule r = rule_of(want->dtype);
  return compare(got, want, (Rule){fmax(r.atol, atol), r.rtol});
}

Comparison compare_scaled(const Tensor *got, const Tensor *want, double tol) {
  double largest = 0;
  for (int64_t i = 0; dtype_is_float(want->dtype) && i < want->count; i++) {
    double v = fabs(tensor_f(want, i));
    if (isfinite(v) && v > largest) largest = v;
  }
  return compare(got, want, (Rule){.atol = tol * (largest > 0 ? largest : 1)});
}

Comparison compare_exact(const Tensor *got, const Tensor *want) { return compare(got, want, (Rule){0, 0}); }
