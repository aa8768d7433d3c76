/* infer.c -- what every op's inference shares: errors, broadcasting, and integers read back out of the graph. */
#include "ir/infer.h"

#include <stdarg.h>

#include "ir/checked.h"
#include "ir/tensor.h"
#include "ir/fatal.h"

bool infer_error(Infer *c, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *text = arena_vprintf(c->module->arena, fmt, ap);
  va_end(ap);
  return diag_error(c->diag, c->node->loc, "%s: %s", op_name(c->node->op), text);
}

bool infer_plain(Infer *c, int operand) {
  Type t = c->in[operand];
  if (!t) return infer_error(c, "operand %d is missing", operand);
  if (type_is_tensor(t) && !t->encoded) return true;
  return infer_error(c, "operand %d is %s, and must be a plain tensor", operand, type_text(c->module->arena, t));
}

bool infer_result(Infer *c, int result, Dtype t, int rank, const Dim *dim) {
  if (rank > MAX_RANK) return infer_error(c, "result of rank %d, and %d is the most", rank, MAX_RANK);
  for (int i = 0; i < rank; i++) {
    if (dim_is_const(dim[i]) && dim[i]->constant < 0)
      return infer_error(c, "size %lld of the result's axis %d", (long long)dim[i]->constant, i);
    if (c->value && !dim_is_const(dim[i])) return infer_error(c, "the size of the result's axis %d is past 64 bits", i);
  }
  Type type = c->out[result] = type_tensor(c->module->types, t, rank, dim);
  if (c->value || !type_is_too_large(type)) return true;
  return infer_error(c, "a result of type %s is larger than memory can be", type_text(c->module->arena, type));
}

bool infer_axis(Infer *c, int64_t axis, int rank, int *out) {
  if (axis < -rank || axis >= rank) return infer_error(c, "axis %lld of a tensor of rank %d", (long long)axis, rank);
  *out = axis_of(axis, rank);
  return true;
}

/* Two sizes that can never be equal: their difference is a number, and not 0. */
static bool dims_differ(DimPool *p, Dim a, Dim b) {
  Dim d = dim_sub(p, a, b);
  return dim_is_const(d) && d->constant != 0;
}

void infer_assume(Infer *c, Dim a, Dim b, bool broadcast) {
  if (!c->assumed || a == b || dim_is_unknown(a) || dim_is_unknown(b) || (broadcast && dim_is(a, 1))) return;
  for (int i = 0; i < c->assumed->list.n; i++) {
    const Assumption *had = &c->assumed->list.at[i];
    if (had->a == a && had->b == b && had->broadcast == broadcast) return;
  }
  vec_push(c->assumed->arena, &c->assumed->list, ((Assumption){a, b, broadcast}));
}

bool infer_same_dim(Infer *c, Dim a, Dim b, const char *what) {
  infer_assume(c, a, b, false);
  if (!dims_differ(c->module->dims, a, b)) return true;
  Arena *s = c->module->arena;
  return infer_error(c, "%s: %s and %s differ", what, dim_text(s, a), dim_text(s, b));
}

bool infer_fits_dim(Infer *c, Dim own, Dim to, const char *what) {
  if (dim_is(own, 1)) return true;
  if (dim_is_const(own)) return infer_same_dim(c, own, to, what);
  infer_assume(c, own, to, true);
  return true;
}

/* Is it min(d, ..)? A table cut to the size of what it meets (x[:seq]) has such a size. */
static bool dim_is_capped(Dim m, Dim d, int depth) {
  if (m == d) return true;
  return m->kind == DIM_KIND_MIN && depth > 0 &&
         (dim_is_capped(m->a, d, depth - 1) || dim_is_capped(m->b, d, depth - 1));
}

/* Where min(d, ..) is less than d, the two broadcast only if it is 1, and then to d. (Or if it is 0, and d is 1: running
 * refuses that, as any size that is not what the types say.) */
bool infer_broadcast_dim(Infer *c, Dim a, Dim b, Dim *out) {
  bool ka = dim_is_const(a), kb = dim_is_const(b);
  if (dim_is(b, 1) || dim_is_capped(b, a, 4)) {
    *out = a;
  } else if (dim_is(a, 1) || dim_is_capped(a, b, 4)) {
    *out = b;
  } else if (ka && kb) {
    return infer_error(c, "sizes %lld and %lld do not broadcast", (long long)a->constant, (long long)b->constant);
  } else { /* a number beats a symbol, which can only be equal to it or 1 */
    *out = ka ? a : kb ? b : dim_unknown(c->module->dims);
  }
  infer_assume(c, a, *out, true);
  infer_assume(c, b, *out, true);
  return true;
}

bool infer_broadcast(Infer *c, Type a, Type b, int *rank, Dim *dim) {
  int n = a->rank > b->rank ? a->rank : b->rank, skip_a = n - a->rank, skip_b = n - b->rank;
  for (int i = 0; i < n; i++) {
    if (i < skip_a)
      dim[i] = b->dim[i];
    else if (i < skip_b)
      dim[i] = a->dim[i];
    else if (!infer_broadcast_dim(c, a->dim[i - skip_a], b->dim[i - skip_b], &dim[i]))
      return false;
  }
  *rank = n;
  return true;
}

/* ---- integers out of the graph ---- */

/* Shape arithmetic is short. Past these bounds an element is simply not known, which keeps the tracing of a hostile
 * graph as cheap as that of any other: TRACE_WORK counts elements. Values that are read more than once, as sizes often
 * are, are remembered, so that the work grows with the nodes and not with the ways through them. */
enum { TRACE_ELEMENTS = 64, TRACE_DEPTH = 64, TRACE_WORK = 2000, TRACE_KEPT = 32 };

typedef struct Ints { /* the elements of a tensor in row-major order */
  int n;
  Dim at[TRACE_ELEMENTS];
} Ints;

typedef struct Trace {
  Module *module;
  DimPool *dims;
  int depth, work;
  int n_kept;
  const Value *kept_value[TRACE_KEPT];
  Ints kept[TRACE_KEPT];
} Trace;

/* Some exporters take sizes through f32. Up to here its whole numbers are all there, and sums of them exact; a symbol is
 * taken to be no larger. */
enum { WHOLE_FLOAT = 1 << 24 };

static bool is_traced(Dtype t) { return dtype_is_int(t) || t == DT_bool || t == DT_f32 || t == DT_f64; }

static bool trace(Trace *t, const Value *v, Ints *out);

static Dim num(Trace *t, int64_t v) { return dim_const(t->dims, v); }

static bool is_float(const Node *n) { return dtype_is_float(n->in[0].value->type->dtype); }

/* Integer division truncates, that of sizes rounds down: the same where nothing is negative or nothing is left. */
static Dim trace_div(Trace *t, const Node *n, Dim a, Dim b) {
  if (dim_is_const(a) && dim_is_const(b) && !is_float(n))
    return b->constant == 0    ? num(t, 0)
           : b->constant == -1 ? dim_sub(t->dims, num(t, 0), a)
                               : num(t, a->constant / b->constant);
  Dim q = dim_floordiv(t->dims, a, b);
  if (dim_is_const(b) && b->constant > 0 && dim_at_least(a, 0) && !is_float(n)) return q;
  return dim_mul(t->dims, q, b) == a && !dim_is_unknown(a) ? q : dim_unknown(t->dims);
}

static Dim trace_mod(Trace *t, const Node *n, Dim a, Dim b) {
  bool positive = dim_is_const(b) && b->constant > 0 && !is_float(n);
  bool same = !node_bool(n, mod, trunc) || dim_at_least(a, 0);
  return positive && same ? dim_mod(t->dims, a, b) : dim_unknown(t->dims);
}

/* 1, 0 or unknown. */
static Dim trace_compare(Trace *t, Op op, Dim a, Dim b) {
  Dim d = dim_sub(t->dims, a, b);
  if (dim_is_const(d)) return num(t, op == OP_eq ? d->constant == 0 : op == OP_lt ? d->constant < 0 : d->constant <= 0);
  if (!dim_is_unknown(d) && dim_at_least(d, 1)) return num(t, 0); /* a > b */
  Dim e = dim_sub(t->dims, b, a);
  if (!dim_is_unknown(e) && dim_at_least(e, 1)) return num(t, op != OP_eq); /* a < b */
  return dim_unknown(t->dims);
}

static Dim trace_logic(Trace *t, Op op, Dim a, Dim b) {
  if (op == OP_and && (dim_is(a, 0) || dim_is(b, 0))) return num(t, 0);
  if (op == OP_or && (dim_is(a, 1) || dim_is(b, 1))) return num(t, 1);
  if (!dim_is_const(a) || !dim_is_const(b)) return dim_unknown(t->dims);
  int64_t x = a->constant, y = b->constant;
  return num(t, op == OP_and ? x & y : op == OP_or ? x | y : x ^ y);
}

static Dim trace_binary(Trace *t, const Node *n, Dim a, Dim b) {
  switch (n->op) {
  case OP_add: return dim_add(t->dims, a, b);
  case OP_sub: return dim_sub(t->dims, a, b);
  case OP_mul: return dim_mul(t->dims, a, b);
  case OP_div: return trace_div(t, n, a, b);
  case OP_mod: return trace_mod(t, n, a, b);
  case OP_min: return dim_min(t->dims, a, b);
  case OP_max: return dim_max(t->dims, a, b);
  case OP_eq:
  case OP_lt:
  case OP_le: return trace_compare(t, n->op, a, b);
  default: return trace_logic(t, n->op, a, b);
  }
}

static Dim trace_unary(Trace *t, const Node *n, Dim a) {
  bool flag = n->in[0].value->type->dtype == DT_bool;
  switch (n->op) {
  case OP_floor:
  case OP_ceil:
  case OP_round: return a; /* what is traced is whole */
  case OP_neg: return dim_sub(t->dims, num(t, 0), a);
  case OP_abs: return dim_at_least(a, 0) ? a : dim_max(t->dims, a, dim_sub(t->dims, num(t, 0), a));
  default: return flag && dim_is_const(a) ? num(t, !a->constant) : dim_unknown(t->dims); /* not */
  }
}

/* A symbol is taken to fit 32 bits; for narrower types only numbers are followed. */
static Dim trace_cast(Trace *t, Dtype to, Dim a) {
  if (to == DT_bool) {
    if (dim_is_const(a)) return num(t, a->constant != 0);
    return dim_at_least(a, 1) ? num(t, 1) : dim_unknown(t->dims);
  }
  if (!dim_is_const(a)) return dtype_bits(to) >= 32 ? a : dim_unknown(t->dims);
  uint64_t cell = 0;
  dtype_set_i(to, &cell, 0, a->constant);
  return num(t, dtype_get_i(to, &cell, 0));
}

static Dim trace_where(Trace *t, Dim c, Dim a, Dim b) {
  if (dim_is_const(c)) return c->constant ? a : b;
  return a == b ? a : dim_unknown(t->dims);
}

/* Operands of as many elements as the result have them in its order, whatever axes of size 1 there are. */
static bool trace_elementwise(Trace *t, const Node *n, Ints *out) {
  Ints in[3];
  for (int k = 0; k < n->n_in; k++) {
    if (!trace(t, n->in[k].value, &in[k]) || (in[k].n != out->n && in[k].n != 1)) return false;
  }
  for (int i = 0; i < out->n; i++) {
    Dim x[3] = {0};
    for (int k = 0; k < n->n_in; k++) x[k] = in[k].at[in[k].n == 1 ? 0 : i];
    out->at[i] = n->op == OP_where  ? trace_where(t, x[0], x[1], x[2])
                 : n->op == OP_cast ? trace_cast(t, n->out[0]->type->dtype, x[0])
                 : n->n_in == 1     ? trace_unary(t, n, x[0])
                                    : trace_binary(t, n, x[0], x[1]);
  }
  return true;
}

static bool trace_reduce(Trace *t, const Node *n, Ints *out) {
  Ints in;
  const Value *x = n->in[0].value;
  if (out->n != 1 || x->type->rank != 1 || !trace(t, x, &in) || in.n == 0) return false;
  Dim r = in.at[0];
  for (int i = 1; i < in.n; i++) {
    Dim b = in.at[i];
    r = n->op == OP_reduce_sum    ? dim_add(t->dims, r, b)
        : n->op == OP_reduce_prod ? dim_mul(t->dims, r, b)
        : n->op == OP_reduce_max  ? dim_max(t->dims, r, b)
                                  : dim_min(t->dims, r, b);
  }
  out->at[0] = r;
  return true;
}

static bool trace_number(Trace *t, const Value *v, int64_t *out) {
  Ints one;
  if (!trace(t, v, &one) || one.n != 1 || !dim_is_const(one.at[0])) return false;
  *out = one.at[0]->constant;
  return true;
}

static bool trace_gather(Trace *t, const Node *n, Ints *out) {
  Ints in, index;
  const Value *x = n->in[0].value;
  if (x->type->rank != 1 || !trace(t, x, &in) || !trace(t, n->in[1].value, &index) || index.n != out->n) return false;
  for (int i = 0; i < index.n; i++) {
    if (!dim_is_const(index.at[i])) continue;
    int64_t k = index.at[i]->constant;
    if (k < 0) k += in.n;
    if (k >= 0 && k < in.n) out->at[i] = in.at[k];
  }
  return true;
}

/* The result's type already says how many there are; the first is at start, clamped as slices are. */
static bool trace_slice(Trace *t, const Node *n, Ints *out) {
  Ints in;
  int64_t start, step = 1;
  const Value *x = n->in[0].value;
  if (x->type->rank != 1 || !trace(t, x, &in) || !trace_number(t, n->in[1].value, &start)) return false;
  if (node_in(n, 4) && !trace_number(t, node_in(n, 4), &step)) return false;
  if (start < 0) start = start < -in.n ? -1 : start + in.n;
  if (start < 0) start = step < 0 ? -1 : 0;
  if (start >= in.n) start = step < 0 ? in.n - 1 : in.n;
  for (int64_t i = 0; i < out->n; i++) {
    int64_t k;
    if (!checked_mul(i, step, &k) || !checked_add(k, start, &k) || k < 0 || k >= in.n) return false;
    out->at[i] = in.at[k];
  }
  return true;
}

static bool trace_concat(Trace *t, const Node *n, Ints *out) {
  int at = 0;
  for (int k = 0; k < n->n_in; k++) {
    Ints in;
    const Value *v = n->in[k].value;
    if (v->type->rank != 1 || !trace(t, v, &in) || in.n > out->n - at) return false;
    for (int i = 0; i < in.n; i++) out->at[at++] = in.at[i];
  }
  return at == out->n;
}

static bool trace_split(Trace *t, const Node *n, int piece, Ints *out) {
  Ints in;
  int64_t at = 0;
  if (n->in[0].value->type->rank != 1 || !trace(t, n->in[0].value, &in)) return false;
  for (int k = 0; k < piece; k++) {
    Type type = n->out[k]->type;
    if (!type || !dim_is_const(type->dim[0]) || !checked_add(at, type->dim[0]->constant, &at)) return false;
  }
  if (at < 0 || at > in.n - out->n) return false;
  for (int i = 0; i < out->n; i++) out->at[i] = in.at[at + i];
  return true;
}

static bool trace_range(Trace *t, const Node *n, Ints *out) {
  Ints start, delta;
  if (!trace(t, n->in[0].value, &start) || !trace(t, n->in[2].value, &delta) || start.n != 1 || delta.n != 1)
    return false;
  for (int i = 0; i < out->n; i++) out->at[i] = dim_add(t->dims, start.at[0], dim_mul(t->dims, delta.at[0], num(t, i)));
  return true;
}

static Dim trace_element(Trace *t, Dtype dtype, const void *data, int i) {
  double v = dtype_is_float(dtype) ? dtype_get_f(dtype, data, i) : 0;
  bool whole = v == floor(v) && fabs(v) <= (double)WHOLE_FLOAT;
  return whole ? num(t, dtype_get_i(dtype, data, i)) : dim_unknown(t->dims);
}

static bool trace_const(Trace *t, const Node *n, Ints *out) {
  Constant *c = n->attr[attr_slot(const, value)].constant;
  if (c->kind == CONSTANT_EXPR || c->kind == CONSTANT_BOUND) return false;
  const void *data = c->kind == CONSTANT_SPLAT ? c->bytes : constant_data(t->module, c, n->loc);
  if (!data) return false;
  for (int i = 0; i < out->n; i++)
    out->at[i] = trace_element(t, c->type->dtype, data, c->kind == CONSTANT_SPLAT ? 0 : i);
  return true;
}

static bool trace_dims(Type type, Ints *out) {
  if (!type_is_tensor(type) || type->rank != out->n) return false;
  for (int i = 0; i < out->n; i++) out->at[i] = type->dim[i];
  return true;
}

/* The same elements in the same order, or one element everywhere. */
static bool trace_same(Trace *t, const Node *n, Ints *out) {
  Ints in;
  if (!trace(t, n->in[0].value, &in) || (in.n != out->n && in.n != 1)) return false;
  for (int i = 0; i < out->n; i++) out->at[i] = in.at[in.n == 1 ? 0 : i];
  return true;
}

static bool trace_node(Trace *t, const Value *v, Ints *out) {
  const Node *n = v->def;
  switch (n->op) {
  case OP_const: return trace_const(t, n, out);
  case OP_dims:
    for (int i = 0; i < out->n; i++) out->at[i] = n->attr[attr_slot(dims, sizes)].dims.at[i];
    return true;
  case OP_shape_of: return trace_dims(n->in[0].value->type, out);
  case OP_gather: return trace_gather(t, n, out);
  case OP_slice: return trace_slice(t, n, out);
  case OP_concat: return trace_concat(t, n, out);
  case OP_split: return trace_split(t, n, v->index, out);
  case OP_range: return trace_range(t, n, out);
  case OP_reshape:
  case OP_squeeze:
  case OP_unsqueeze:
  case OP_expand:
  case OP_debug_name: return trace_same(t, n, out);
  case OP_cast:
  case OP_floor:
  case OP_ceil:
  case OP_round:
  case OP_neg:
  case OP_abs:
  case OP_not:
  case OP_add:
  case OP_sub:
  case OP_mul:
  case OP_div:
  case OP_mod:
  case OP_min:
  case OP_max:
  case OP_and:
  case OP_or:
  case OP_xor:
  case OP_eq:
  case OP_lt:
  case OP_le:
  case OP_where: return trace_elementwise(t, n, out);
  case OP_reduce_sum:
  case OP_reduce_prod:
  case OP_reduce_max:
  case OP_reduce_min: return trace_reduce(t, n, out);
  default: return false;
  }
}

static bool element_count(Type type, int *out) {
  int64_t n = 1;
  for (int i = 0; i < type->rank; i++) {
    if (!dim_is_const(type->dim[i]) || !checked_mul(n, type->dim[i]->constant, &n) || n > TRACE_ELEMENTS) return false;
  }
  *out = (int)n;
  return n >= 0;
}

static void unknown_ints(Trace *t, Ints *out) {
  for (int i = 0; i < out->n; i++) out->at[i] = dim_unknown(t->dims);
}

static void forget_inexact(Trace *t, Ints *out) {
  for (int i = 0; i < out->n; i++)
    if (dim_is_const(out->at[i]) && (out->at[i]->constant > WHOLE_FLOAT || out->at[i]->constant < -WHOLE_FLOAT))
      out->at[i] = dim_unknown(t->dims);
}

static void trace_def(Trace *t, const Value *v, Ints *out) {
  for (int i = 0; i < t->n_kept; i++) {
    if (t->kept_value[i] != v) continue;
    *out = t->kept[i];
    return;
  }
  t->depth++;
  t->work += out->n + 1;
  if (!trace_node(t, v, out)) unknown_ints(t, out);
  if (dtype_is_float(v->type->dtype)) forget_inexact(t, out);
  t->depth--;
  if (t->n_kept == TRACE_KEPT) return;
  t->kept_value[t->n_kept] = v;
  t->kept[t->n_kept++] = *out;
}

/* False where not even the number of elements is known; elements that cannot be traced are unknown. */
static bool trace(Trace *t, const Value *v, Ints *out) {
  if (!v || !v->type || !type_is_tensor(v->type) || v->type->encoded) return false;
  if (!is_traced(v->type->dtype) || !element_count(v->type, &out->n)) return false;
  unknown_ints(t, out);
  if (v->def && t->depth < TRACE_DEPTH && t->work < TRACE_WORK) trace_def(t, v, out);
  return true;
}

bool value_dims(Module *m, const Value *v, int max, Dim *out, int *n) {
  Trace t; /* its kept values are large, and set as they are counted */
  Ints ints;
  t.module = m;
  t.dims = m->dims;
  t.depth = t.work = t.n_kept = 0;
  if (!v || !v->type || v->type->rank > 1 || dtype_is_float(v->type->dtype)) return false;
  if (!element_count(v->type, n) || *n > max) return false;
  if (!trace(&t, v, &ints)) return false;
  for (int i = 0; i < ints.n; i++) out[i] = ints.at[i];
  return true;
}

bool infer_ints(Infer *c, int operand, int max, Dim *out, int *n) {
  if (!c->value) return value_dims(c->module, node_in(c->node, operand), max, out, n);
  const Tensor *t = c->value[operand];
  if (!t || t->rank > 1 || t->count > max || t->encoded) return false;
  *n = (int)t->count;
  for (int i = 0; i < *n; i++) out[i] = dim_const(c->module->dims, tensor_i(t, i));
  return true;
}

/* ---- one node ---- */

/* Only a loop's trip count and condition may be left out among the operands that an op must have. */
static bool operands_present(Infer *c, const OpInfo *op) {
  int n = c->node->n_in;
  if (n < op->min_in || n > op->max_in)
    return infer_error(c, "has %d operands, and takes %d to %d", n, op->min_in, op->max_in);
  for (int i = 0; i < op->min_in && c->node->op != OP_loop; i++)
    if (!c->in[i]) return infer_error(c, "operand %d is missing", i);
  return true;
}

bool infer_run(Infer *c) {
  const OpInfo *op = op_info(c->node->op);
  if (!op->infer) return infer_error(c, "has no inference");
  if (!operands_present(c, op)) return false;
  for (int i = 0; i < c->node->n_out; i++) c->out[i] = NULL;
  if (!op->infer(c)) return false;
  for (int i = 0; i < c->node->n_out; i++)
    if (!c->out[i]) return infer_error(c, "has no result %d", i);
  return true;
}

/* ---- sizes that a node gives ---- */

static bool is_symbol(void *symbol, Dim d) { return d->kind == DIM_KIND_SYMBOL && d->symbol == symbol; }

static bool type_mentions(Type t, const Symbol *s) {
  for (int i = 0; i < t->rank; i++)
    if (dim_any(t->dim[i], is_symbol, (void *)(uintptr_t)s)) return true;
  return false;
}

static bool operand_mentions(const Node *n, const Symbol *s) {
  for (int i = 0; i < n->n_in; i++)
    if (node_in(n, i) && type_mentions(node_in(n, i)->type, s)) return true;
  return false;
}

static bool tells(const Node *n, const Symbol *s) {
  const Attr *sizes = n->op == OP_bind ? node_attr(n, attr_slot(bind, sizes)) : NULL;
  for (int i = 0; sizes && i < sizes->dims.n; i++)
    if (dim_as_symbol(sizes->dims.at[i]) == s) return true;
  for (int i = 0; i < n->n_out; i++)
    if (type_mentions(n->out[i]->type, s)) return true;
  return false;
}

static bool told_before(const Node *n, const Symbol *s) {
  for (; n; n = n->block->parent) {
    for (const Node *before = n->prev; before; before = before->prev)
      if (tells(before, s)) return true;
    for (int i = 0; i < n->block->n_args; i++)
      if (type_mentions(n->block->arg[i]->type, s)) return true;
  }
  return false;
}

static bool is_news(void *node, Dim d) {
  if (dim_is_unknown(d)) return true;
  return d->kind == DIM_KIND_SYMBOL && d->symbol->derived && !operand_mentions(node, d->symbol) && !told_before(node, d->symbol);
}

bool infer_sizes_known(const Node *n) {
  for (int i = 0; i < n->n_out; i++)
    for (int k = 0; k < n->out[i]->type->rank; k++)
      if (dim_any(n->out[i]->type->dim[k], is_news, (void *)(uintptr_t)n)) return false;
  return true;
}
