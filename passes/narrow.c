/* narrow.c -- where numerics are fast: rounds the operands of products with weights to bf16.
 *
 * Weights are rounded for all levels, since they share them; what meets a weight is only where the level multiplies pairs of
 * bf16 with one instruction. Products add up in f32, and give the type that they gave. Every rounding is in the text, so its
 * evaluation is what the compiled function is held against. */
#include "ir/infer.h"
#include "passes/pass.h"

typedef struct Narrowing {
  Module *module;
  Func *func;
  bool rows; /* those that meet the weights, too */
} Narrowing;

static bool is_f32(const Value *v) { return v->type->kind == TYPE_TENSOR && !v->type->encoded && v->type->dtype == DT_f32; }
static bool is_bf16(const Value *v) { return v->type->kind == TYPE_TENSOR && !v->type->encoded && v->type->dtype == DT_bf16; }

/* ---- weights ---- */

static Constant *rounded_constant(const Narrowing *s, Constant *c, Loc loc) {
  Module *m = s->module;
  if (!c->name) module_name_constant(m, c, module_free_name(m, "w"));
  const char *name = arena_printf(m->arena, "%s.bf16", c->name);
  Constant *had = module_find_constant(m, name);
  if (had && had->kind == CONSTANT_EXPR) return had;
  Builder b = {.module = m, .func = s->func, .block = block_new(s->func, NULL), .loc = loc};
  Value *v = build_cast(&b, build_const(&b, c), DT_bf16);
  build(&b, OP_yield, 0, INS(v), NO_ATTRS);
  Constant *rounded = module_add_constant(m, module_free_name(m, name), v->type);
  rounded->kind = CONSTANT_EXPR;
  rounded->loc = c->loc;
  rounded->body = b.block;
  return rounded;
}

static Value *round_weight(const Narrowing *s, Node *n, Value *w) {
  Builder b = {.module = s->module, .func = s->func, .block = n->block, .before = n, .loc = n->loc};
  return is_bf16(w) ? w : build_const(&b, rounded_constant(s, value_constant(w), n->loc));
}

/* ---- what meets them ---- */

/* Behind x, where whatever else reads it finds it, too. */
static Value *round_rows(const Narrowing *s, Value *x) {
  if (is_bf16(x)) return x;
  for (const Use *u = x->uses; u; u = u->next)
    if (u->user->op == OP_cast && u->user->block == x->block && is_bf16(u->user->out[0])) return u->user->out[0];
  Node *before = x->def ? x->def->next : x->block->first;
  Builder b = {.module = s->module, .func = s->func, .block = x->block, .before = before, .loc = before->loc};
  if (x->def) b.loc = x->def->loc;
  return build_cast(&b, x, DT_bf16);
}

/* ---- products ---- */

static bool can_narrow(const Node *n) {
  if (n->op != OP_matmul) return false;
  const Value *x = node_in(n, 0), *w = node_in(n, 1);
  const Constant *c = value_constant(w);
  if (!c || c->kind == CONSTANT_BOUND || w->type->rank < 2 || x->type->rank < 2) return false;
  return (is_f32(x) || is_bf16(x)) && (is_f32(w) || is_bf16(w));
}

static bool narrow_product(const Narrowing *s, Node *n) {
  Value *x = node_in(n, 0), *w = node_in(n, 1);
  Value *to_w = round_weight(s, n, w), *to_x = s->rows ? round_rows(s, x) : x;
  if (to_w == w && to_x == x) return false;
  node_attr(n, attr_slot(matmul, out))->i = (int64_t)n->out[0]->type->dtype;
  node_set_in(n, 0, to_x);
  node_set_in(n, 1, to_w);
  return true;
}

static bool narrow_block(const Narrowing *s, Block *b) {
  bool changed = false;
  for (Node *n = b->first, *next; n; n = next) {
    next = n->next;
    for (int i = 0; i < n->n_regions; i++) changed |= narrow_block(s, n->region[i]);
    if (can_narrow(n)) changed |= narrow_product(s, n);
  }
  return changed;
}

bool pass_narrow(PassCall *c, Func *f) {
  Narrowing s = {.module = c->module, .func = f};
  s.rows = f->target && target_dots_pairs(f->target);
  return f->numerics == NUMERICS_fast && narrow_block(&s, f->body);
}
