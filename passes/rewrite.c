/* rewrite.c -- applies rules to nodes, and answers what they ask of operands. */
#include "passes/rewrite.h"

/* ---- questions ---- */

Node *match_op(const Value *v, Op op) { return v && v->def && v->def->op == op ? v->def : NULL; }

const Constant *match_constant(const Value *v) {
  while (v && v->def && v->def->op == OP_expand) v = node_in(v->def, 0);
  const Constant *c = v ? value_constant(v) : NULL;
  if (!c || c->type->encoded || !type_is_static(c->type)) return NULL;
  if (c->kind == CONSTANT_SPLAT) return c;
  int64_t n = 1;
  for (int i = 0; i < c->type->rank; i++) n *= c->type->dim[i]->constant == 1 ? 1 : 0;
  return c->kind == CONSTANT_BYTES && n == 1 ? c : NULL;
}

bool match_bits(const Value *v, uint64_t *bits) {
  const Constant *c = match_constant(v);
  return c && (*bits = dtype_get_bits(c->type->dtype, c->bytes, 0), true);
}

bool match_float(const Value *v, double *x) {
  uint64_t bits;
  if (!v || !dtype_is_float(v->type->dtype) || !match_bits(v, &bits)) return false;
  return *x = dtype_get_f(v->type->dtype, match_constant(v)->bytes, 0), true;
}

bool match_is(const Value *v, double want) {
  uint64_t bits;
  unsigned char wanted[8] = {0};
  if (!v || !match_bits(v, &bits)) return false;
  dtype_set_f(v->type->dtype, wanted, 0, want);
  return bits == dtype_get_bits(v->type->dtype, wanted, 0);
}

Value *match_with_number(const Value *v, Op op, bool either, double *number) {
  Node *n = match_op(v, op);
  if (!n) return NULL;
  Value *x = match_float(node_in(n, 1), number)             ? node_in(n, 0)
             : either && match_float(node_in(n, 0), number) ? node_in(n, 1)
                                                            : NULL;
  return x && x->type == v->type ? x : NULL;
}

bool match_only_use(const Value *v, const Node *user) {
  for (const Use *u = v->uses; u; u = u->next)
    if (u->user != user) return false;
  return true;
}

/* ---- application ---- */

/* A size that only the data knows got a new symbol when the replacement was built; it is the size that the old one names,
 * of which other types may speak. */
static void keep_symbols(Module *m, const Value *old, Value *v, int n_symbols) {
  Type t = v->type;
  Dim dim[MAX_RANK];
  if (t->kind != TYPE_TENSOR || t->rank != old->type->rank) return;
  for (int i = 0; i < t->rank; i++) {
    const Symbol *s = dim_as_symbol(t->dim[i]);
    dim[i] = s && s->index >= n_symbols ? old->type->dim[i] : t->dim[i];
  }
  v->type = type_with_dims(m->types, t, t->rank, dim);
}

bool rewrite_node(Module *m, Node *n, const Rule *rule, int n_rules) {
  Builder b = {.module = m, .block = n->block, .before = n, .loc = n->loc};
  int n_symbols = n->block->func->symbols.n;
  for (int i = 0; i < n_rules; i++) {
    if (rule[i].op != (int)n->op && rule[i].op != ANY_OP) continue;
    Value *v = rule[i].apply(&b, n);
    if (!v || !v->type) continue;
    keep_symbols(m, n->out[0], v, n_symbols);
    value_replace(n->out[0], v);
    node_remove(n);
    return true;
  }
  return false;
}
