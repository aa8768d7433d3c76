/* lower_moe.c -- how a mixture of experts is lowered: a workgroup routes one row, and takes it through the experts chosen. */
#include "ir/fatal.h"
#include "ir/moe.h"
#include "passes/lower.h"

/* What a row needs is held in memory of the workgroup: the widths between the weights must be known. */
typedef enum MoeOperand { X, ROUTER, W1, W2, B1, B2, W3, B3, MIX } MoeOperand;

bool need_constant_experts(Module *m, const Node *n) {
  Type w1 = node_in(n, W1)->type, w2 = node_in(n, W2)->type;
  const Dim dims[] = {w1->dim[0], w1->dim[0], w1->dim[1], w1->dim[1], w2->dim[2], w2->dim[1]}; /* as moe_of() asks */
  int64_t left = KERNEL_MEMORY / (dtype_bits(kernel_float(n)) / 8);
  (void)m;
  for (size_t i = 0; i < sizeof dims / sizeof *dims && left >= 0; i++)
    left = dim_is_const(dims[i]) && dims[i]->constant <= left ? left - dims[i]->constant : -1;
  return left >= 0;
}

typedef struct Moe {
  const Node *node;
  Dtype t;
  MoeAct act;
  Value *row, *expert;
  Value *d, *n, *m, *f, *experts; /* sizes, as in the op's doc */
  Value *share, *chosen;          /* memory: [experts] */
  Value *g, *u, *mid, *sum;       /* memory: [n], [n], [m], [f] */
  Value *most, *total;            /* of the scores */
} Moe;

static Value *zero(Kernel *k) { return kb_index(&k->b, 0); }
static Value *binary(Kernel *k, Op op, Value *x, Value *y) { return build_binary(&k->b, op, x, y); }
static Value *number(Kernel *k, const Moe *a, double v) { return kb_float(&k->b, a->t, v); }

static Value *pull(Kernel *k, const Moe *a, MoeOperand operand, Value *const *index) {
  return kb_cast(&k->b, kernel_pull(k, node_in(a->node, (int)operand), index), a->t);
}

static Value *memory(Kernel *k, const Moe *a, Dim size) {
  return kb_memory(&k->b, a->t, size->constant > 0 ? size->constant : 1);
}

/* ---- routing ---- */

static Value *score(Kernel *k, void *ctx, Value *i) {
  const Moe *a = ctx;
  return pull(k, a, ROUTER, (Value *[]){a->row, i});
}

static Value *score_exp(Kernel *k, void *ctx, Value *i) {
  const Moe *a = ctx;
  return build_unary(&k->b, OP_exp, binary(k, OP_sub, score(k, ctx, i), a->most));
}

static Value *nothing(Kernel *k, void *ctx, Value *i) {
  (void)i;
  return number(k, ctx, 0);
}

static Value *is_zero(Kernel *k, const Moe *a, Value *v) { return kb_equal(&k->b, v, number(k, a, 0)); }

/* The best expert that is not chosen yet, the first of equals, is chosen. */
static void choose_one(Kernel *k, const Moe *a) {
  Value *start[] = {a->experts, number(k, a, 0)};
  KernelFor f = kb_for(&k->b, zero(k), a->experts, 2, start);
  Value *s = score(k, (void *)(uintptr_t)a, f.i);
  Value *better = binary(k, OP_or, kb_equal(&k->b, f.carried[0], a->experts), kb_less(&k->b, f.carried[1], s));
  Value *wins = binary(k, OP_and, is_zero(k, a, kb_load(&k->b, a->chosen, f.i)), better);
  Value *next[] = {kb_where(&k->b, wins, f.i, f.carried[0]), kb_where(&k->b, wins, s, f.carried[1])};
  kb_for_end(&k->b, &f, 2, next);
  kb_store(&k->b, a->chosen, f.out[0], number(k, a, 1));
}

static Value *share_of(Kernel *k, void *ctx, Value *i) {
  const Moe *a = ctx;
  Value *p = node_in(a->node, MIX) ? pull(k, a, MIX, (Value *[]){a->row, i})
                                   : binary(k, OP_div, score_exp(k, ctx, i), a->total);
  return kb_where(&k->b, is_zero(k, a, kb_load(&k->b, a->chosen, i)), number(k, a, 0), p);
}

static Value *share_in_memory(Kernel *k, void *ctx, Value *i) { return kb_load(&k->b, ((const Moe *)ctx)->share, i); }

static Value *normalised_share(Kernel *k, void *ctx, Value *i) {
  const Moe *a = ctx;
  return binary(k, OP_div, kb_load(&k->b, a->share, i), a->total);
}

static void route(Kernel *k, Moe *a) {
  a->most = kernel_fold(k, OP_max, a->t, a->experts, score, a);
  a->total = kernel_fold(k, OP_add, a->t, a->experts, score_exp, a);
  kernel_fill(k, a->chosen, a->experts, nothing, a);
  KernelFor f = kb_for(&k->b, zero(k), kb_index(&k->b, node_int(a->node, moe, k)), 0, NULL);
  choose_one(k, a);
  kb_for_end(&k->b, &f, 0, NULL);
  kernel_fill(k, a->share, a->experts, share_of, a);
  if (!node_bool(a->node, moe, normalize)) return;
  Value *sum = kernel_fold(k, OP_add, a->t, a->experts, share_in_memory, a);
  a->total = kb_where(&k->b, is_zero(k, a, sum), number(k, a, 1), sum);
  kernel_fill(k, a->share, a->experts, normalised_share, a);
}

/* ---- one expert ---- */

typedef struct Product {
  const Moe *a;
  MoeOperand w, bias;
  Value *size; /* of what is multiplied with */
  Value *from; /* memory, or NULL: x */
  Value *i;
} Product;

static Value *product_term(Kernel *k, void *ctx, Value *j) {
  const Product *p = ctx;
  const Moe *a = p->a;
  Value *x = p->from ? kb_load(&k->b, p->from, j) : pull(k, a, X, (Value *[]){a->row, j});
  return binary(k, OP_mul, pull(k, a, p->w, (Value *[]){a->expert, p->i, j}), x);
}

/* Element i of W x + b. */
static Value *product(Kernel *k, void *ctx, Value *i) {
  Product *p = ctx;
  p->i = i;
  Value *sum = kernel_fold(k, OP_add, p->a->t, p->size, product_term, p);
  if (!node_in(p->a->node, (int)p->bias)) return sum;
  return binary(k, OP_add, sum, pull(k, p->a, p->bias, (Value *[]){p->a->expert, i}));
}

static Value *activate(Kernel *k, const Moe *a, Value *x) {
  switch (a->act) {
  case MOE_SILU: return binary(k, OP_mul, x, build_unary(&k->b, OP_sigmoid, x));
  case MOE_GELU: return build_unary(&k->b, OP_gelu, x);
  case MOE_GELU_TANH: return build(&k->b, OP_gelu, 1, INS(x), ATTRS(at_i(gelu, tanh, 1)));
  case MOE_RELU: return binary(k, OP_max, x, number(k, a, 0));
  default: return x;
  }
}

static Value *swiglu(Kernel *k, const Moe *a, Value *g, Value *u) {
  double limit = node_float(a->node, moe, limit);
  if (limit != 0) {
    g = binary(k, OP_min, g, number(k, a, limit));
    u = binary(k, OP_max, binary(k, OP_min, u, number(k, a, limit)), number(k, a, -limit));
  }
  Value *gate = build_unary(&k->b, OP_sigmoid, binary(k, OP_mul, number(k, a, node_float(a->node, moe, alpha)), g));
  u = binary(k, OP_add, u, number(k, a, node_float(a->node, moe, beta)));
  return binary(k, OP_mul, binary(k, OP_mul, g, gate), u);
}

static Value *middle(Kernel *k, void *ctx, Value *i) {
  const Moe *a = ctx;
  bool apart = node_in(a->node, W3) != NULL;
  Value *twice = kb_mul(&k->b, i, kb_index(&k->b, 2));
  if (a->act == MOE_SWIGLU_HALVES)
    return swiglu(k, a, kb_load(&k->b, a->g, i), kb_load(&k->b, a->g, kb_add(&k->b, i, a->m)));
  if (a->act == MOE_SWIGLU && !apart)
    return swiglu(k, a, kb_load(&k->b, a->g, twice), kb_load(&k->b, a->g, kb_add(&k->b, twice, kb_index(&k->b, 1))));
  Value *g = kb_load(&k->b, a->g, i), *u = apart ? kb_load(&k->b, a->u, i) : NULL;
  if (a->act == MOE_SWIGLU) return swiglu(k, a, g, u);
  g = activate(k, a, g);
  return apart ? binary(k, OP_mul, g, u) : g;
}

static Value *grown_sum(Kernel *k, void *ctx, Value *i) {
  const Product *p = ctx;
  Value *share = kb_load(&k->b, p->a->share, p->a->expert);
  Value *y = product(k, ctx, i);
  return binary(k, OP_add, kb_load(&k->b, p->a->sum, i), binary(k, OP_mul, share, y));
}

static void run_expert(Kernel *k, Moe *a) {
  Product gate = {.a = a, .w = W1, .bias = B1, .size = a->d}, up = {.a = a, .w = W3, .bias = B3, .size = a->d};
  Product down = {.a = a, .w = W2, .bias = B2, .size = a->m, .from = a->mid};
  kernel_fill(k, a->g, a->n, product, &gate);
  if (node_in(a->node, W3)) kernel_fill(k, a->u, a->n, product, &up);
  kernel_fill(k, a->mid, a->m, middle, a);
  kernel_fill(k, a->sum, a->f, grown_sum, &down);
}

/* ---- the op ---- */

static Moe moe_of(Kernel *k, const Node *n) {
  Type w1 = node_in(n, W1)->type, w2 = node_in(n, W2)->type;
  Moe a = {.node = n, .t = kernel_float(n)};
  ensure(moe_act(node_str(n, moe, act), &a.act));
  a.d = kernel_size(k, w1->dim[2]), a.experts = kernel_size(k, w1->dim[0]), a.n = kernel_size(k, w1->dim[1]);
  a.f = kernel_size(k, w2->dim[1]), a.m = kernel_size(k, w2->dim[2]);
  a.share = memory(k, &a, w1->dim[0]), a.chosen = memory(k, &a, w1->dim[0]);
  a.g = memory(k, &a, w1->dim[1]), a.u = node_in(n, W3) ? memory(k, &a, w1->dim[1]) : NULL;
  a.mid = memory(k, &a, w2->dim[2]), a.sum = memory(k, &a, w2->dim[1]);
  return a;
}

bool lower_moe(Kernel *k, const Node *n) {
  Type t = n->out[0]->type;
  Moe a = moe_of(k, n);
  Value *index[2];
  kernel_spread(k, t, 1, 2, index);
  a.row = index[0];
  route(k, &a);
  kernel_fill(k, a.sum, a.f, nothing, &a);
  KernelFor f = kb_for(&k->b, zero(k), a.experts, 0, NULL);
  a.expert = f.i;
  KernelWhen w = kb_when(&k->b, is_zero(k, &a, kb_load(&k->b, a.share, f.i)), 0);
  kb_else(&k->b, &w, 0, NULL);
  run_expert(k, &a);
  kb_when_end(&k->b, &w, 0, NULL);
  kb_for_end(&k->b, &f, 0, NULL);
  KernelFor out = kb_for(&k->b, zero(k), a.f, 0, NULL);
  index[1] = out.i;
  kernel_store(k, 0, index, kernel_narrow(k, kb_load(&k->b, a.sum, out.i), t->dtype));
  kb_for_end(&k->b, &out, 0, NULL);
  return true;
}
