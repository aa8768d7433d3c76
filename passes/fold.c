/* fold.c -- computes what depends on constants alone: up to 1 MB at once, larger results when they are needed.
 *
 * A larger result becomes a constant that is an expression over constants: its text is small, and its bytes are made
 * when the artifact is written. */

#include "ir/checked.h"
#include "ir/eval.h"
#include "ir/fatal.h"
#include "passes/pass.h"

enum { FOLD_MAX = 1 << 20 };

typedef struct Fold {
  Module *module;
  Arena *scratch;
  Evaluator *ev;
} Fold;

/* ---- what can be folded ---- */

/* Bytes of all results and operands; false where one is not a tensor of static size, or not known until run time. */
static bool sizes(const Node *n, int64_t *in, int64_t *out) {
  int64_t bytes;
  *in = *out = 0;
  for (int i = 0; i < n->n_in; i++) {
    const Value *v = node_in(n, i);
    if (!v) continue;
    const Constant *c = value_constant(v);
    if (!c || c->kind == CONSTANT_BOUND || !type_size(v->type, &bytes) || !checked_add(*in, bytes, in)) return false;
  }
  for (int i = 0; i < n->n_out; i++)
    if (n->out[i]->type->kind != TYPE_TENSOR || !type_size(n->out[i]->type, &bytes) || !checked_add(*out, bytes, out))
      return false;
  return true;
}

static bool foldable(const Node *n) {
  const OpInfo *info = op_info(n->op);
  return info->effect == EFFECT_PURE && info->eval && n->n_in > 0 && n->n_regions == 0;
}

/* ---- at once ---- */

static Constant *constant_of(Module *m, const Tensor *t) {
  int64_t bytes;
  ensure(dtype_size(t->dtype, t->count, &bytes));
  return constant_bytes(m, tensor_type(m, t), t->data, bytes);
}

/* A node that cannot be computed (an index out of range, say) stays where it is: it may never run. Memory is no such
 * reason, or what is built would depend on the machine. */
static bool evaluate(Fold *f, Node *n, Tensor **out) {
  Tensor *in[64] = {0};
  Diag *loud = f->module->diag;
  bool good = n->n_in <= 64 && n->n_out <= 64;
  f->module->diag = diag_new(f->scratch);
  for (int i = 0; i < n->n_in && good; i++) {
    Constant *c = value_constant(node_in(n, i));
    if (c) good = (in[i] = eval_constant(f->ev, c)) != NULL;
  }
  good = good && eval_node(f->ev, n, in, out);
  if (eval_out_of_memory(f->ev)) fatal_resource("%s", diag_first(f->module->diag));
  f->module->diag = loud;
  for (int i = 0; i < n->n_in && i < 64; i++)
    if (in[i]) tensor_release(in[i]);
  return good;
}

static bool replace_by_values(Fold *f, Node *n) {
  Tensor *out[64] = {0};
  if (!evaluate(f, n, out)) return false;
  Builder b = {.module = f->module, .block = n->block, .before = n, .loc = n->loc};
  bool plain = true;
  for (int i = 0; i < n->n_out; i++) plain &= !out[i]->encoded && !out[i]->state;
  for (int i = 0; i < n->n_out && plain; i++) value_replace(n->out[i], build_const(&b, constant_of(f->module, out[i])));
  for (int i = 0; i < n->n_out; i++) tensor_release(out[i]);
  if (plain) node_remove(n);
  return plain;
}

/* ---- when it is needed ---- */

/* const @name = expr { operands; n; yield } */
static bool replace_by_expression(Fold *f, Node *n) {
  if (n->n_out != 1) return false;
  Module *m = f->module;
  Func *func = n->block->func;
  const char *name = n->loc.name && *n->loc.name ? n->loc.name : "folded";
  Constant *c = module_add_constant(m, module_free_name(m, arena_printf(m->arena, "%s", name)), n->out[0]->type);
  c->kind = CONSTANT_EXPR;
  c->loc = n->loc;
  c->body = block_new(func, NULL);
  Value *in[64];
  Builder b = {.module = m, .func = func, .block = c->body, .loc = n->loc};
  for (int i = 0; i < n->n_in; i++) in[i] = node_in(n, i) ? build_const(&b, value_constant(node_in(n, i))) : NULL;
  AttrArg attr[32];
  int n_attr = op_info(n->op)->n_attrs;
  for (int i = 0; i < n_attr; i++) attr[i] = (AttrArg){i, n->attr[i]};
  Value *v = build_values(&b, n->op, 1, n->n_in, in, n_attr, attr);
  build(&b, OP_yield, 0, INS(v), NO_ATTRS);
  Builder at = {.module = m, .block = n->block, .before = n, .loc = n->loc};
  value_replace(n->out[0], build_const(&at, c));
  node_remove(n);
  return true;
}

/* ---- the walk ---- */

static bool fold_node(Fold *f, Node *n) {
  int64_t in, out;
  if (!foldable(n) || n->n_in > 64 || !sizes(n, &in, &out)) return false;
  if (out <= FOLD_MAX && in <= FOLD_MAX) return replace_by_values(f, n);
  return replace_by_expression(f, n);
}

static bool fold_block(Fold *f, Block *b) {
  bool changed = false;
  for (Node *n = b->first, *next; n; n = next) {
    next = n->next;
    for (int i = 0; i < n->n_regions; i++) changed |= fold_block(f, n->region[i]);
    changed |= fold_node(f, n);
  }
  return changed;
}

bool pass_fold(PassCall *c, Func *f) {
  Fold fold = {.module = c->module, .scratch = c->scratch};
  fold.ev = eval_new(c->module, (EvalOptions){.max_memory = 64 << 20});
  bool changed = fold_block(&fold, f->body);
  eval_free(fold.ev);
  return changed;
}
