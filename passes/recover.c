/* recover.c -- finds the ops that models are made of in the subgraphs that exporters write them as.
 *
 * Rules look at the last node of a subgraph. Unlike those of `simplify`, they may change roundings: an op that stands for
 * several nodes rounds once. What they demand otherwise is exact: axes, constants as the type rounds them, and that nothing
 * else reads what would be computed twice. */
#include "passes/recover.h"

#include <math.h>

#include "ir/infer.h"
#include "passes/pass.h"

/* ---- operands ---- */

/* The axes of a reduction that keeps them, as bits; 0 where they are not known. */
static unsigned kept_axes(const Node *n) {
  Dim dim[MAX_RANK];
  int count = 0, rank = node_in(n, 0)->type->rank;
  unsigned axes = 0;
  if (!n->attr[0].i || !node_in(n, 1)) return 0; /* `keep` is the first attribute of each reduction */
  if (!value_dims(node_func(n)->module, node_in(n, 1), MAX_RANK, dim, &count)) return 0;
  for (int i = 0; i < count; i++) {
    if (!dim_is_const(dim[i])) return 0;
    axes |= 1u << axis_of(dim[i]->constant, rank);
  }
  return axes;
}

/* The first of the axes, if they are all from there on; else -1. */
static int first_of_last(unsigned axes, int rank) {
  for (int i = 0; i < rank; i++)
    if (axes == ((1u << rank) - 1) >> i << i) return i;
  return -1;
}

/* ---- activations ----
 *
 * Both forms of gelu are polynomials in x and f, where f is erf or tanh of a polynomial in x. Whatever order exporters
 * multiply in, the coefficients tell. */

enum { X_DEGREE = 4 };

typedef struct Poly {
  double c[2][X_DEGREE]; /* of f^i x^j */
} Poly;

typedef struct Unknowns {
  const Value *x, *f; /* f may be NULL */
} Unknowns;

static bool poly_mul(const Poly *a, const Poly *b, Poly *out) {
  *out = (Poly){0};
  for (int i = 0; i < 2 * X_DEGREE; i++)
    for (int k = 0; k < 2 * X_DEGREE; k++) {
      double c = a->c[i / X_DEGREE][i % X_DEGREE] * b->c[k / X_DEGREE][k % X_DEGREE];
      int f = i / X_DEGREE + k / X_DEGREE, x = i % X_DEGREE + k % X_DEGREE;
      if (c == 0) continue;
      if (f > 1 || x >= X_DEGREE) return false;
      out->c[f][x] += c;
    }
  return true;
}

static bool poly_power(const Poly *a, int n, Poly *out) {
  Poly sum = {.c[0][0] = 1};
  for (int i = 0; i < n; i++) {
    if (!poly_mul(&sum, a, out)) return false;
    sum = *out;
  }
  return true;
}

static void poly_add(const Poly *a, const Poly *b, double times, Poly *out) {
  for (int i = 0; i < 2 * X_DEGREE; i++)
    out->c[i / X_DEGREE][i % X_DEGREE] = a->c[i / X_DEGREE][i % X_DEGREE] + times * b->c[i / X_DEGREE][i % X_DEGREE];
}

/* v as a polynomial in the unknowns; false where it is none of so small a degree, or its text is deep. */
static bool poly_of(const Value *v, const Unknowns *u, int depth, Poly *out) {
  const Node *n = v->def;
  Poly a, b;
  double number;
  *out = (Poly){0};
  if (v == u->x) return out->c[0][1] = 1, true;
  if (v == u->f) return out->c[1][0] = 1, true;
  if (match_float(v, &number)) return out->c[0][0] = number, true;
  if (!n || depth == 0 || n->n_in != 2 || !poly_of(node_in(n, 0), u, depth - 1, &a)) return false;
  if (n->op == OP_pow) return match_float(node_in(n, 1), &number) && (number == 2 || number == 3) && poly_power(&a, (int)number, out);
  if (n->op == OP_div) return match_float(node_in(n, 1), &number) && number != 0 && (poly_add(&(Poly){0}, &a, 1 / number, out), true);
  if (!poly_of(node_in(n, 1), u, depth - 1, &b)) return false;
  if (n->op == OP_add || n->op == OP_sub) return poly_add(&a, &b, n->op == OP_add ? 1 : -1, out), true;
  return n->op == OP_mul && poly_mul(&a, &b, out);
}

/* Equal, but for what the constants lost when they were rounded to the type. */
static bool poly_is(const Poly *a, const Poly *b, Dtype t) {
  double close = t == DT_f64 ? 1e-14 : t == DT_f32 ? 1e-6 : t == DT_f16 ? 2e-3 : 1.6e-2;
  for (int i = 0; i < 2 * X_DEGREE; i++) {
    double x = a->c[i / X_DEGREE][i % X_DEGREE], y = b->c[i / X_DEGREE][i % X_DEGREE];
    if (fabs(x - y) > close * fabs(y)) return false;
  }
  return true;
}

enum { DEEP = 6 };

/* An erf or tanh not far below. */
static Node *find_bend(const Value *v, int depth) {
  Node *n = v->def;
  if (!n || depth == 0) return NULL;
  if (n->op == OP_erf || n->op == OP_tanh) return n;
  if (n->op != OP_mul && n->op != OP_add && n->op != OP_div) return NULL;
  for (int i = 0; i < n->n_in; i++) {
    Node *found = find_bend(node_in(n, i), depth - 1);
    if (found) return found;
  }
  return NULL;
}

/* Is n, with f = bend, gelu of x? */
static bool is_gelu_of(const Node *n, const Node *bend, const Value *x) {
  const double root = 0.79788456080286535588; /* sqrt(2/pi) */
  const Poly erf_inner = {.c[0][1] = 0.70710678118654752440}, tanh_inner = {.c[0] = {0, root, 0, root * 0.044715}};
  const Poly outer = {.c = {{0, 0.5}, {0, 0.5}}};
  Dtype t = x->type->dtype;
  Poly p;
  if (x->type != n->out[0]->type || !poly_of(node_in(bend, 0), &(Unknowns){x, NULL}, DEEP, &p)) return false;
  if (!poly_is(&p, bend->op == OP_erf ? &erf_inner : &tanh_inner, t)) return false;
  return poly_of(n->out[0], &(Unknowns){x, bend->out[0]}, DEEP, &p) && poly_is(&p, &outer, t);
}

/* The x that fits, among what stands in the bend's operand. */
static Value *find_gelu(const Node *n, const Node *bend, Value *v, int depth) {
  double number;
  if (match_float(v, &number)) return NULL;
  if (is_gelu_of(n, bend, v)) return v;
  for (int i = 0; depth > 0 && v->def && i < v->def->n_in; i++) {
    Value *found = node_in(v->def, i) ? find_gelu(n, bend, node_in(v->def, i), depth - 1) : NULL;
    if (found) return found;
  }
  return NULL;
}

static Value *gelu(Builder *b, Node *n) {
  Node *bend = find_bend(n->out[0], 4);
  if (!bend || !dtype_is_float(n->out[0]->type->dtype)) return NULL;
  Value *x = find_gelu(n, bend, node_in(bend, 0), 4);
  return x ? build(b, OP_gelu, 1, INS(x), ATTRS(at_i(gelu, tanh, bend->op == OP_tanh))) : NULL;
}

/* x sigmoid(x) */
static Value *silu(Builder *b, Node *n) {
  for (int i = 0; i < 2; i++) {
    Node *s = match_op(node_in(n, i), OP_sigmoid);
    if (s && node_in(s, 0) == node_in(n, 1 - i)) return build_unary(b, OP_silu, node_in(s, 0));
  }
  return NULL;
}

/* x / (1 + exp(-x)) */
static Value *silu_divided(Builder *b, Node *n) {
  Node *sum = match_op(node_in(n, 1), OP_add), *e, *minus;
  for (int i = 0; sum && i < 2; i++) {
    bool one = match_is(node_in(sum, i), 1) && (e = match_op(node_in(sum, 1 - i), OP_exp)) && (minus = match_op(node_in(e, 0), OP_neg));
    if (one && node_in(minus, 0) == node_in(n, 0) && node_in(n, 0)->type == n->out[0]->type)
      return build_unary(b, OP_silu, node_in(n, 0));
  }
  return NULL;
}

/* ---- softmax ---- */

/* e / sum(e), where e = exp(x - max(x)) along one axis. Without the maximum, large numbers overflow: that is another function. */
static Value *softmax(Builder *b, Node *n) {
  Value *e = node_in(n, 0);
  Node *sum = match_op(node_in(n, 1), OP_reduce_sum), *power = match_op(e, OP_exp);
  Node *less = power ? match_op(node_in(power, 0), OP_sub) : NULL, *most = less ? match_op(node_in(less, 1), OP_reduce_max) : NULL;
  if (!sum || !most || node_in(sum, 0) != e || node_in(most, 0) != node_in(less, 0)) return NULL;
  unsigned axes = kept_axes(sum);
  if (axes == 0 || (axes & (axes - 1)) != 0 || kept_axes(most) != axes || node_in(less, 0)->type != e->type) return NULL;
  int axis = 0;
  while (axes >> axis != 1) axis++;
  return build(b, OP_softmax, 1, INS(node_in(less, 0)), ATTRS(at_i(softmax, axis, axis)));
}

/* ---- norms ---- */

/* sqrt(mean(of^2) + epsilon), or one over it. */
typedef struct Spread {
  Value *of;
  unsigned axes;
  double epsilon;
  bool inverse;
} Spread;

static Value *square_root(const Value *v, bool *inverse) {
  Node *over = match_op(v, OP_div), *power = match_op(v, OP_pow);
  if (power && match_is(node_in(power, 1), -0.5)) return *inverse = true, node_in(power, 0);
  if (over && match_is(node_in(over, 0), 1)) *inverse = true, v = node_in(over, 1);
  power = match_op(v, OP_pow);
  if (power && match_is(node_in(power, 1), 0.5)) return node_in(power, 0);
  return match_op(v, OP_sqrt) ? node_in(v->def, 0) : NULL;
}

static Value *squared(const Value *v) {
  Node *product = match_op(v, OP_mul), *power = match_op(v, OP_pow);
  if (product && node_in(product, 0) == node_in(product, 1)) return node_in(product, 0);
  return power && match_is(node_in(power, 1), 2) ? node_in(power, 0) : NULL;
}

static bool spread_of(const Value *v, Spread *s) {
  s->inverse = false;
  Value *sum = square_root(v, &s->inverse), *mean = sum ? match_with_number(sum, OP_add, true, &s->epsilon) : NULL;
  Node *n = match_op(mean, OP_reduce_mean);
  if (!n || !(s->of = squared(node_in(n, 0)))) return false;
  s->axes = kept_axes(n);
  return s->axes != 0;
}

/* The x of which v is what differs from its mean along the axes. */
static Value *centred(const Value *v, unsigned axes) {
  Node *n = match_op(v, OP_sub), *mean = n ? match_op(node_in(n, 1), OP_reduce_mean) : NULL;
  return mean && node_in(mean, 0) == node_in(n, 0) && kept_axes(mean) == axes ? node_in(n, 0) : NULL;
}

/* x / spread: an rmsnorm, or a layernorm where x has lost its mean. */
static Value *norm_of(Builder *b, const Node *n, Value *x, const Spread *s) {
  int axis = first_of_last(s->axes, x->type->rank);
  if (s->of != x || axis < 0 || x->type != n->out[0]->type) return NULL;
  Value *whole = centred(x, s->axes);
  axis -= x->type->rank;
  if (whole && whole->type == x->type)
    return build(b, OP_layernorm, 1, INS(whole), ATTRS(at_i(layernorm, axis, axis), at_f(layernorm, epsilon, s->epsilon)));
  return build(b, OP_rmsnorm, 1, INS(x), ATTRS(at_i(rmsnorm, axis, axis), at_f(rmsnorm, epsilon, s->epsilon)));
}

static Value *norm_divided(Builder *b, Node *n) {
  Spread s;
  return spread_of(node_in(n, 1), &s) && !s.inverse ? norm_of(b, n, node_in(n, 0), &s) : NULL;
}

static Value *norm_multiplied(Builder *b, Node *n) {
  Spread s;
  for (int i = 0; i < 2; i++) {
    Value *v = spread_of(node_in(n, i), &s) && s.inverse ? norm_of(b, n, node_in(n, 1 - i), &s) : NULL;
    if (v) return v;
  }
  return NULL;
}

static int norm_axis(const Node *n) {
  int64_t axis = n->op == OP_layernorm ? node_int(n, layernorm, axis) : node_int(n, rmsnorm, axis);
  return axis_of(axis, n->out[0]->type->rank);
}

/* Does v have one number for each place along the norm's axes, and no more? */
static bool is_per_axis(const Node *norm, const Value *v) {
  Type x = norm->out[0]->type, t = v->type;
  if (t->rank > x->rank || !dtype_is_float(t->dtype) || t->encoded) return false;
  for (int i = 0; i < t->rank; i++) {
    int at = x->rank - t->rank + i;
    if (at < norm_axis(norm) ? !dim_is(t->dim[i], 1) : t->dim[i] != x->dim[at]) return false;
  }
  return true;
}

/* A norm whose only reader is n, with room for operand `place`. */
static Node *open_norm(const Node *n, int i, int place) {
  Value *v = node_in(n, i);
  Node *norm = match_op(v, OP_layernorm);
  if (!norm && place == 1) norm = match_op(v, OP_rmsnorm);
  if (!norm || norm->n_out != 1 || v->type != n->out[0]->type || !match_only_use(v, n)) return NULL;
  for (int k = place; k < 3; k++)
    if (node_in(norm, k)) return NULL;
  return norm;
}

static Value *norm_with(Builder *b, Node *n, int place) {
  for (int i = 0; i < 2; i++) {
    Node *norm = open_norm(n, i, place);
    Value *v = node_in(n, 1 - i);
    if (!norm || !is_per_axis(norm, v)) continue;
    Node *made = build_values(b, norm->op, 1, place + 1, (Value *[]){node_in(norm, 0), place == 1 ? v : node_in(norm, 1), v}, 0, NULL)->def;
    for (int k = 0; k < op_info(norm->op)->n_attrs; k++) made->attr[k] = norm->attr[k];
    return made->out[0];
  }
  return NULL;
}

static Value *norm_scaled(Builder *b, Node *n) { return norm_with(b, n, 1); }
static Value *norm_shifted(Builder *b, Node *n) { return norm_with(b, n, 2); }

/* ---- precision ---- */

/* Between a cast to f32 and one back to what it came from, an op that computes in f32 by itself. */
static Value *narrow(Builder *b, Node *n) {
  Node *inner = node_in(n, 0)->def, *widen = inner ? match_op(node_in(inner, 0), OP_cast) : NULL;
  if (!widen || inner->n_out != 1 || node_in(widen, 0)->type->dtype != node_dtype(n, cast, to)) return NULL;
  if (node_in(inner, 0)->type->dtype != DT_f32 || !dtype_is_float(node_dtype(n, cast, to))) return NULL;
  switch (inner->op) {
  case OP_softmax: case OP_layernorm: case OP_rmsnorm: case OP_gelu: case OP_silu: break;
  default: return NULL;
  }
  Value *in[3] = {node_in(widen, 0), node_in(inner, 1), node_in(inner, 2)};
  return build_like(b, inner, in);
}

/* ---- the walk ---- */

// clang-format off
static const Rule rules[] = {
  { OP_mul,    silu              },
  { OP_div,    silu_divided      },
  { OP_mul,    gelu              },
  { OP_add,    gelu              },
  { OP_div,    softmax           },
  { OP_div,    norm_divided      },
  { OP_mul,    norm_multiplied   },
  { OP_mul,    norm_scaled       },
  { OP_add,    norm_shifted      },
  { OP_cast,   narrow            },
  { OP_add,    recover_rope      },
  { OP_concat, recover_rope_joined },
  { OP_reshape, recover_rope_joined },
  { OP_matmul, recover_attention },
  { OP_attention, recover_attention_mask },
};
// clang-format on

static bool recover_block(Module *m, Block *b) {
  bool changed = false;
  for (Node *n = b->first, *next; n; n = next) {
    next = n->next;
    for (int i = 0; i < n->n_regions; i++) changed |= recover_block(m, n->region[i]);
    changed |= rewrite_node(m, n, rules, (int)(sizeof rules / sizeof *rules));
  }
  return changed;
}

bool pass_recover(PassCall *c, Func *f) { return recover_block(c->module, f->body); }
