/* row_axis.c -- does a node compute each row by itself?
 *
 * Rows are an axis as long as a symbol that nothing else is made of. An op without a rule is taken to mix them. */
#include "passes/row_axis.h"

#include "ir/infer.h"
#include "passes/steps.h"

typedef struct Rows {
  const Node *n;
  const Symbol *symbol;
  int out; /* the axis of the first result */
  int in[16];
} Rows;

/* ---- axes ---- */

static bool is_symbol(void *symbol, Dim d) { return d->kind == DIM_KIND_SYMBOL && d->symbol == symbol; }

static bool mentions(Dim d, const Symbol *s) { return dim_any(d, is_symbol, (void *)(uintptr_t)s); }

int row_axis(Type t, const Symbol *rows) {
  int axis = NO_ROWS;
  for (int i = 0; t->kind == TYPE_TENSOR && i < t->rank; i++) {
    if (!mentions(t->dim[i], rows)) continue;
    if (axis != NO_ROWS || dim_as_symbol(t->dim[i]) != rows) return MIXED_ROWS;
    axis = i;
  }
  return axis;
}

bool is_size_operand(const Node *n, int i) {
  switch (n->op) {
  case OP_reshape: case OP_expand: case OP_tile: case OP_split: case OP_squeeze: case OP_unsqueeze: return i == 1;
  case OP_slice: return i >= 1;
  case OP_pad: return i == 1 || i == 3;
  default: return false;
  }
}

/* ---- rules ---- */

static Type in_type(const Rows *r, int i) { return node_in(r->n, i)->type; }

static bool only_first(const Rows *r) {
  for (int i = 1; i < r->n->n_in; i++)
    if (r->in[i] != NO_ROWS) return false;
  return true;
}

/* Operands are broadcast: their rows lie along the result's. */
static bool broadcast(const Rows *r) {
  for (int i = 0; i < r->n->n_in; i++)
    if (r->in[i] >= 0 && r->n->out[0]->type->rank - (in_type(r, i)->rank - r->in[i]) != r->out) return false;
  return true;
}

static bool product(const Rows *r) {
  int k0 = in_type(r, 0)->rank - (in_type(r, 0)->rank >= 2 && node_bool(r->n, matmul, transa) ? 2 : 1);
  int k1 = in_type(r, 1)->rank - (in_type(r, 1)->rank >= 2 && !node_bool(r->n, matmul, transb) ? 2 : 1);
  return r->in[0] != k0 && r->in[1] != k1;
}

static bool reshape(const Rows *r) {
  DimPool *p = node_func(r->n)->module->dims;
  return r->in[0] == NO_ROWS || axis_after_reshape(p, in_type(r, 0), r->in[0], r->n->out[0]->type) == r->out;
}

static bool gather(const Rows *r) {
  return r->in[0] == NO_ROWS || r->in[0] != axis_of(node_int(r->n, gather, axis), in_type(r, 0)->rank);
}

static bool gather_elements(const Rows *r) {
  int axis = axis_of(node_int(r->n, gather_elements, axis), in_type(r, 0)->rank);
  return r->in[0] == NO_ROWS || (r->in[0] != axis && r->in[0] == r->in[1]);
}

static bool gather_nd(const Rows *r) { return r->in[0] == NO_ROWS && r->in[1] < in_type(r, 1)->rank - 1; }

/* All along one axis. */
static bool concat(const Rows *r) {
  for (int i = 0; i < r->n->n_in; i++)
    if (r->in[i] != r->out) return false;
  return r->out == NO_ROWS || axis_of(node_int(r->n, concat, axis), r->n->out[0]->type->rank) != r->out;
}

static bool split(const Rows *r) { return r->in[0] == NO_ROWS || axis_of(node_int(r->n, split, axis), in_type(r, 0)->rank) != r->in[0]; }

/* Rows are whole, and in their order. */
static bool slice(const Rows *r) {
  Dim start;
  int from_end = in_type(r, 0)->rank - r->in[0];
  return r->in[0] == NO_ROWS || (slice_start(node_func(r->n)->module, r->n, from_end, &start) && dim_is(start, 0));
}

static bool pad(const Rows *r) {
  Dim by[2 * MAX_RANK];
  int n, rank = in_type(r, 0)->rank;
  if (r->in[0] == NO_ROWS) return true;
  if (node_in(r->n, 3) || !value_dims(node_func(r->n)->module, node_in(r->n, 1), 2 * MAX_RANK, by, &n) || n != 2 * rank) return false;
  return dim_is(by[r->in[0]], 0) && dim_is(by[r->in[0] + rank], 0);
}

static bool reduce(const Rows *r) {
  Dim axis[MAX_RANK];
  int n, rank = in_type(r, 0)->rank;
  if (r->in[0] == NO_ROWS) return true;
  if (!node_in(r->n, 1) || !value_dims(node_func(r->n)->module, node_in(r->n, 1), MAX_RANK, axis, &n) || n == 0) return false;
  for (int i = 0; i < n; i++)
    if (!dim_is_const(axis[i]) || axis_of(axis[i]->constant, rank) == r->in[0]) return false;
  return true;
}

/* `axis` is the first attribute of each of these. */
static bool along_axis(const Rows *r) { return only_first(r) && axis_of(r->n->attr[0].i, in_type(r, 0)->rank) != r->in[0]; }

static bool cumulate(const Rows *r) {
  Dim axis;
  int n;
  if (!value_dims(node_func(r->n)->module, node_in(r->n, 1), 1, &axis, &n) || n != 1 || !dim_is_const(axis)) return false;
  return axis_of(axis->constant, in_type(r, 0)->rank) != r->in[0];
}

static bool norm(const Rows *r) { return only_first(r) && axis_of(r->n->attr[0].i, in_type(r, 0)->rank) > r->in[0]; }

/* Rows are positions (x[1,h,rows,d]) or sequences (x[rows,h,1,d]); each has its own angles, or all have the same. */
static bool rope(const Rows *r) {
  if (r->in[0] != 0 && r->in[0] != 2) return r->in[0] == NO_ROWS;
  for (int i = 1; i < r->n->n_in; i++)
    if (node_in(r->n, i) && r->in[i] != NO_ROWS && r->in[i] != r->in[0] / 2) return false;
  return true;
}

static bool experts(const Rows *r) {
  for (int i = 1; i < r->n->n_in; i++)
    if (r->in[i] != NO_ROWS && i != 8) return false;
  return r->in[0] == 0 && (r->n->n_in < 9 || r->in[8] <= 0);
}

static bool any(const Rows *r) {
  (void)r;
  return true;
}

// clang-format off
static const struct {
  Op op;
  bool (*rule)(const Rows *r);
} rules[] = {
  {OP_const, any}, {OP_dims, any}, {OP_range, any}, {OP_transpose, any}, {OP_matmul, product}, {OP_debug_name, any},
  {OP_reshape, reshape}, {OP_squeeze, reshape}, {OP_unsqueeze, reshape}, {OP_expand, broadcast}, {OP_tile, any},
  {OP_gather, gather}, {OP_gather_elements, gather_elements}, {OP_gather_nd, gather_nd},
  {OP_concat, concat}, {OP_split, split}, {OP_slice, slice}, {OP_pad, pad},
  {OP_reduce_sum, reduce}, {OP_reduce_mean, reduce}, {OP_reduce_prod, reduce}, {OP_reduce_max, reduce}, {OP_reduce_min, reduce},
  {OP_argmax, along_axis}, {OP_argmin, along_axis}, {OP_topk, along_axis}, {OP_softmax, along_axis}, {OP_log_softmax, along_axis},
  {OP_cumsum, cumulate}, {OP_cumprod, cumulate}, {OP_layernorm, norm}, {OP_rmsnorm, norm}, {OP_rope, rope}, {OP_moe, experts},
  {OP_dequantize, only_first}, {OP_quantize, only_first}, {OP_decode, any}, {OP_encoded, any},
};
// clang-format on

static bool is_elementwise(const Node *n) {
  const OpInfo *info = op_info(n->op);
  return info->level == LEVEL_ANY && info->effect == EFFECT_PURE && n->n_out == 1 && n->n_regions == 0;
}

bool row_by_row(const Node *n, const Symbol *rows) {
  Rows r = {.n = n, .symbol = rows};
  bool none = true;
  if (n->n_out == 0 || n->n_regions || n->n_in > (int)(sizeof r.in / sizeof *r.in)) return false;
  for (int i = 0; i < n->n_in; i++) {
    r.in[i] = node_in(n, i) && !is_size_operand(n, i) ? row_axis(node_in(n, i)->type, rows) : NO_ROWS;
    if (r.in[i] == MIXED_ROWS) return false;
    none &= r.in[i] == NO_ROWS;
  }
  for (int i = 0; i < n->n_out; i++)
    if (row_axis(n->out[i]->type, rows) == MIXED_ROWS) return false;
  r.out = row_axis(n->out[0]->type, rows);
  if (is_elementwise(n)) return broadcast(&r);
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if (rules[i].op == n->op) return rules[i].rule(&r);
  return none && r.out == NO_ROWS;
}
