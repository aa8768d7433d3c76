/* lower_softmax.c -- how softmax and its logarithm are lowered. */
#include "ir/fatal.h"
#include "ir/infer.h"
#include "passes/lower.h"

typedef struct Line {
  const Node *node;
  Value **index, *most, *sum;
  Value *weights; /* memory: [size], or NULL where a line is too long to be kept */
  int axis;
} Line;

static Value *line_element(Kernel *k, void *ctx, Value *i) {
  const Line *l = ctx;
  l->index[l->axis] = i;
  return kernel_widen(k, kernel_pull(k, node_in(l->node, 0), l->index));
}

static Value *line_shifted(Kernel *k, void *ctx, Value *i) {
  const Line *l = ctx;
  return build_binary(&k->b, OP_sub, line_element(k, ctx, i), kernel_all_lanes(k, l->most));
}

/* ---- on vectors ---- */

static Value *line_weight(Kernel *k, void *ctx, Value *i) {
  const Line *l = ctx;
  Value *w = kernel_exp_below(k, line_shifted(k, ctx, i), 0);
  if (l->weights) kb_store(&k->b, l->weights, i, w);
  return w;
}

static void line_store(Kernel *k, void *ctx, Value *i) {
  const Line *l = ctx;
  Value *sum = kernel_all_lanes(k, l->sum), *v;
  if (l->node->op == OP_log_softmax) v = build_binary(&k->b, OP_sub, line_shifted(k, ctx, i), sum);
  else if (l->weights) v = build_binary(&k->b, OP_mul, kb_load_lanes(&k->b, l->weights, i, k->lanes ? k->lanes : 1), sum);
  else v = build_binary(&k->b, OP_mul, kernel_exp_below(k, line_shifted(k, ctx, i), 0), sum);
  l->index[l->axis] = i;
  kernel_store(k, 0, l->index, kernel_narrow(k, v, l->node->out[0]->type->dtype));
}

/* A line is a row: its largest, its weights, which are kept where there is room, and their sum; sum is 1/sum here. */
static void softmax_row(Kernel *k, Line *l, Value *size, int64_t lanes) {
  enum { KEPT = 16384 };
  Type t = l->node->out[0]->type;
  bool logarithm = l->node->op == OP_log_softmax;
  int64_t n, most;
  if (!logarithm && kb_known(size, &n) && n > 0 && n <= KEPT) l->weights = kb_memory(&k->b, DT_f32, n);
  kernel_spread(k, t, l->axis, l->axis + 1, l->index);
  l->most = kernel_fold_vectors(k, lanes, OP_max, size, line_element, l);
  Value *sum = kernel_fold_vectors(k, lanes, OP_add, size, line_weight, l);
  l->sum = logarithm ? build_unary(&k->b, OP_log, sum) : build_binary(&k->b, OP_div, kb_float(&k->b, DT_f32, 1), sum);
  Dim total = type_elements(k->module->dims, t);
  k->stream = dim_is_const(total) && kernel_is_large(t, total, &most) && kb_known(size, &n) && n % lanes == 0;
  kernel_each_vector(k, lanes, size, line_store, l);
  k->stream = false;
}

/* ---- in general ---- */

static Value *line_exp(Kernel *k, void *ctx, Value *i) { return build_unary(&k->b, OP_exp, line_shifted(k, ctx, i)); }

/* The largest, the sum, and each element: three walks along the line. */
bool lower_softmax(Kernel *k, const Node *n) {
  Type t = node_in(n, 0)->type;
  Dtype wide = kernel_wide(t->dtype);
  bool logarithm = n->op == OP_log_softmax;
  Value *index[MAX_RANK];
  Line l = {.node = n, .index = index, .axis = axis_of(node_int(n, softmax, axis), t->rank)};
  Value *size = kernel_size(k, t->dim[l.axis]);
  int64_t lanes = l.axis == t->rank - 1 ? kernel_row_lanes(k, n) : 0;
  if (lanes) {
    softmax_row(k, &l, size, lanes);
    return true;
  }
  Value *stretch = kb_memory(&k->b, wide, KERNEL_STRETCH);
  kernel_spread(k, t, l.axis, l.axis + 1, index);
  l.most = kernel_fold(k, OP_max, wide, size, line_element, &l);
  Value *sum = kernel_fold_staged(k, OP_add, wide, size, line_exp, &l, stretch);
  if (logarithm) sum = build_unary(&k->b, OP_log, sum);
  KernelFor loop = kb_for(&k->b, kb_index(&k->b, 0), size, 0, NULL);
  Value *v = logarithm ? build_binary(&k->b, OP_sub, line_shifted(k, &l, loop.i), sum)
                       : build_binary(&k->b, OP_div, line_exp(k, &l, loop.i), sum);
  kernel_store(k, 0, index, kernel_narrow(k, v, t->dtype));
  kb_for_end(&k->b, &loop, 0, NULL);
  return true;
}
