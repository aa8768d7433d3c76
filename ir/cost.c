/* cost.c -- what a node costs: operations on numbers, and bytes that come and go.
 *
 * An addition, a multiplication, a comparison are one each; so is a transcendental function: these figures compare
 * nodes and bound them by a machine's peaks, which such functions do not reach anyhow. */
#include <math.h>

#include "ir/cost.h"
#include "ir/eval.h"
#include "ir/window.h"

/* ---- sizes ---- */

static double dim_number(Dim d);

static double symbol_number(const Symbol *s) { return s->capacity == DIM_NO_CAPACITY ? 1 : (double)s->capacity; }

static double sum_number(Dim d) {
  double sum = (double)d->constant;
  for (int i = 0; i < d->n_terms; i++) {
    double product = (double)d->term[i].coef;
    for (int j = 0; j < d->term[i].n_atoms; j++) product *= dim_number(d->term[i].atom[j]);
    sum += product;
  }
  return sum;
}

static double dim_number(Dim d) {
  switch (d->kind) {
  case DIM_KIND_SUM: return sum_number(d);
  case DIM_KIND_SYMBOL: return symbol_number(d->symbol);
  case DIM_KIND_FLOORDIV: return floor(dim_number(d->a) / dim_number(d->b));
  case DIM_KIND_MOD: return fmod(dim_number(d->a), dim_number(d->b));
  case DIM_KIND_MIN: return fmin(dim_number(d->a), dim_number(d->b));
  case DIM_KIND_MAX: return fmax(dim_number(d->a), dim_number(d->b));
  case DIM_KIND_UNKNOWN: return 1;
  }
  return 1;
}

/* Differences of symbols that stand at 1 may come out negative. */
static double size_number(Dim d) { return fmax(0, dim_number(d)); }

static double elements(Type t) {
  double n = 1;
  for (int i = 0; i < t->rank; i++) n *= size_number(t->dim[i]);
  return n;
}

static double type_bytes(Type t) {
  if (!t || !type_is_tensor(t)) return 0; /* a state is touched in place */
  double n = elements(t), bits = n * dtype_bits(t->dtype);
  if (t->encoded) {
    double length = size_number(t->dim[t->rank - 1]), rows = length > 0 ? n / length : 0;
    bits += rows * ceil(length / t->enc.group) * (dtype_bits(t->enc.scale) + dtype_bits(t->enc.zero));
  }
  return bits / 8;
}

static Type in_type(const Node *n, int i) {
  const Value *v = node_in(n, i);
  return v ? v->type : NULL;
}

static double out_elements(const Node *n) {
  Type t = n->n_out ? n->out[0]->type : NULL;
  return t && type_is_tensor(t) ? elements(t) : 0;
}

static double in_elements(const Node *n, int i) {
  Type t = in_type(n, i);
  return t && type_is_tensor(t) ? elements(t) : 0;
}

static double in_size(const Node *n, int i, int axis) {
  Type t = in_type(n, i);
  return t && axis < t->rank && axis >= 0 ? size_number(t->dim[axis]) : 1;
}

/* ---- kinds ---- */

void cost_none(const Node *n, Cost *c) {
  (void)n;
  *c = (Cost){0};
}

void cost_bytes(const Node *n, Cost *c) {
  *c = (Cost){0};
  for (int i = 0; i < n->n_in; i++) c->bytes_read += type_bytes(in_type(n, i));
  for (int i = 0; i < n->n_out; i++) c->bytes_written += type_bytes(n->out[i]->type);
  if (n->op != OP_gather) return;
  double row = in_size(n, 0, (int)node_int(n, gather, axis)); /* of a table, only what is picked is read */
  double share = in_elements(n, 0) > 0 ? out_elements(n) / in_elements(n, 0) : 0;
  if (share < 1 && row > 0) c->bytes_read = type_bytes(in_type(n, 0)) * share + type_bytes(in_type(n, 1));
}

static void cost_with_flops(const Node *n, Cost *c, double flops) {
  cost_bytes(n, c);
  c->flops = flops;
}

void cost_elementwise(const Node *n, Cost *c) { cost_with_flops(n, c, out_elements(n) * (n->op == OP_rope ? 3 : 1)); }

void cost_reduce(const Node *n, Cost *c) { cost_with_flops(n, c, in_elements(n, 0)); }

/* Largest, difference, exponential, sum, quotient. */
void cost_softmax(const Node *n, Cost *c) { cost_with_flops(n, c, 5 * out_elements(n)); }

/* Mean, deviation, its square and sum, scale and bias. */
void cost_norm(const Node *n, Cost *c) { cost_with_flops(n, c, 6 * out_elements(n)); }

void cost_matmul(const Node *n, Cost *c) {
  Type a = in_type(n, 0);
  int rank = a ? a->rank : 0;
  double k = in_size(n, 0, node_bool(n, matmul, transa) && rank > 1 ? rank - 2 : rank - 1);
  cost_with_flops(n, c, 2 * k * out_elements(n));
}

void cost_matmul_panels(const Node *n, Cost *c) {
  Type w = in_type(n, 1);
  bool pairs = node_bool(n, matmul_panels, pairs);
  cost_with_flops(n, c, (pairs ? 4 : 2) * in_size(n, 1, w ? w->rank - 2 - pairs : 0) * out_elements(n));
}

void cost_conv(const Node *n, Cost *c) {
  double outputs = in_size(n, 1, 0);
  cost_with_flops(n, c, outputs > 0 ? 2 * out_elements(n) * in_elements(n, 1) / outputs : 0);
}

void cost_pool(const Node *n, Cost *c) {
  Type x = in_type(n, 0);
  Window w;
  double taps = 1;
  if (x && !window_read(n, x->rank - 2, NULL, &w))
    for (int i = 0; i < w.axes; i++) taps *= (double)w.kernel[i];
  cost_with_flops(n, c, taps * out_elements(n));
}

/* ---- attention ---- */

/* Two products and a softmax over every pair of query and key; masks are not subtracted. */
static double pairs_flops(double pairs, double d, double e) { return pairs * (2 * d + 2 * e + 5); }

static double state_attention_flops(const Node *n) {
  Type t = in_type(n, 1);
  if (!t || t->kind != TYPE_STATE) return 0;
  const State *s = t->state;
  double v = s->n_fields > 1 && s->field[1].rank > 0 ? (double)s->field[1].dim[s->field[1].rank - 1] : 0;
  return pairs_flops(in_size(n, 0, 0) * in_size(n, 0, 1) * (double)s->capacity, in_size(n, 0, 2), v);
}

/* Each step updates and reads a matrix [d, e]: decay, S.k, the outer product, q.S. */
static double linear_attention_flops(const Node *n) {
  double d = in_size(n, 0, 3), e = in_size(n, 2, 3), steps = in_size(n, 0, 0) * in_size(n, 0, 2);
  return steps * d * e * (5 * in_size(n, 1, 1) + 2 * in_size(n, 0, 1));
}

void cost_attention(const Node *n, Cost *c) {
  cost_bytes(n, c);
  if (n->op == OP_state_attention)
    c->flops = state_attention_flops(n);
  else if (n->op == OP_linear_attention)
    c->flops = linear_attention_flops(n);
  else
    c->flops = pairs_flops(in_size(n, 0, 0) * in_size(n, 0, 1) * in_size(n, 0, 2) * in_size(n, 2, 2), in_size(n, 0, 3),
                           in_size(n, 2, 3));
}

/* ---- mixture of experts ---- */

/* Every row goes through k experts; the weights of at most rows*k of them are read. */
void cost_moe(const Node *n, Cost *c) {
  double rows = in_size(n, 0, 0), experts = in_size(n, 2, 0), k = (double)node_int(n, moe, k);
  double weights = in_elements(n, 2) + in_elements(n, 3) + in_elements(n, 6);
  double bytes = type_bytes(in_type(n, 2)) + type_bytes(in_type(n, 3)) + type_bytes(in_type(n, 6));
  cost_bytes(n, c);
  if (experts == 0) return;
  c->flops = rows * k * 2 * weights / experts;
  c->bytes_read -= bytes * (1 - fmin(1, rows * k / experts));
}

void cost_node(const Node *n, Cost *c) { op_info(n->op)->cost(n, c); }
