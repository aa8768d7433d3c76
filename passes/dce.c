/* dce.c -- removes what nothing uses: nodes, symbols, constants.
 *
 * One walk backwards suffices, since a node comes after all it uses: when it goes, what it alone used is still ahead. */
#include "ir/ir.h"
#include "passes/pass.h"

/* ---- nodes ---- */

/* Is it there for more than its results? A prefetch has none. A node with regions does what the nodes in them do. */
static bool has_effect(const Node *n) {
  Effect e = op_info(n->op)->effect;
  if (op_is_terminator(n->op) || e == EFFECT_WRITE || e == EFFECT_SYNC) return true;
  if (n->n_out == 0 && n->n_regions == 0) return true;
  for (int i = 0; i < n->n_regions; i++)
    for (const Node *inner = n->region[i]->first; inner; inner = inner->next)
      if (!op_is_terminator(inner->op) && has_effect(inner)) return true;
  return false;
}

static bool is_used(const Node *n) {
  for (int i = 0; i < n->n_out; i++)
    if (value_has_uses(n->out[i])) return true;
  return false;
}

static bool sweep(Block *b) {
  bool changed = false;
  for (Node *n = b->last, *prev; n; n = prev) {
    prev = n->prev;
    if (!is_used(n) && !has_effect(n)) {
      node_remove(n);
      changed = true;
      continue;
    }
    for (int i = 0; i < n->n_regions; i++) changed |= sweep(n->region[i]);
  }
  return changed;
}

/* ---- symbols ---- */

static bool mark_symbol(void *used, Dim d) {
  if (d->kind == DIM_KIND_SYMBOL) ((bool *)used)[d->symbol->index] = true;
  return false;
}

static void mark_dim(Dim d, bool *used) { dim_any(d, mark_symbol, used); }

static void mark_type(Type t, bool *used) {
  for (int i = 0; i < t->rank; i++) mark_dim(t->dim[i], used);
}

static void mark_attrs(const Node *n, bool *used) {
  const OpInfo *info = op_info(n->op);
  for (int i = 0; i < info->n_attrs; i++)
    for (int k = 0; info->attr[i].kind == AK_DIMS && k < n->attr[i].dims.n; k++) mark_dim(n->attr[i].dims.at[k], used);
}

static void mark_block(const Block *b, bool *used) {
  for (int i = 0; i < b->n_args; i++) mark_type(b->arg[i]->type, used);
  for (const Node *n = b->first; n; n = n->next) {
    mark_attrs(n, used);
    for (int i = 0; i < n->n_out; i++) mark_type(n->out[i]->type, used);
    for (int i = 0; i < n->n_regions; i++) mark_block(n->region[i], used);
  }
}

/* Indices close up; their order stays, and with it that of the terms of every size. */
static bool drop_symbols(PassCall *c, Func *f) {
  bool *used = ARENA_ARRAY(c->scratch, bool, f->symbols.n + 1);
  mark_block(f->body, used);
  for (int i = 0; i < f->n_results; i++) mark_type(f->result[i], used);
  int n = 0, had = f->symbols.n;
  for (int i = 0; i < had; i++) {
    if (!used[i]) continue;
    f->symbols.at[n] = f->symbols.at[i];
    f->symbols.at[n]->index = n;
    n++;
  }
  f->symbols.n = n;
  return n != had;
}

/* ---- constants ---- */

static void mark_constants(const Block *b);

static void mark_constant(Constant *k) {
  if (k->mark) return;
  k->mark = true;
  if (k->body) mark_constants(k->body);
}

static void mark_constants(const Block *b) {
  for (const Node *n = b->first; n; n = n->next) {
    for (int i = 0; i < n->n_regions; i++) mark_constants(n->region[i]);
    if (n->op == OP_const) mark_constant(node_attr(n, attr_slot(const, value))->constant);
  }
}

/* What is bound at run time stays: it is given by name, used or not; and so do the facts of models. */
static bool drop_constants(Module *m) {
  int n = 0, had = m->constants.n;
  for (int i = 0; i < had; i++) m->constants.at[i]->mark = m->constants.at[i]->kind == CONSTANT_BOUND;
  for (int i = 0; i < m->funcs.n; i++) mark_constants(m->funcs.at[i]->body);
  for (int i = 0; i < m->models.n; i++)
    for (int k = 0; k < m->models.at[i]->facts.n; k++) mark_constant(m->models.at[i]->facts.at[k].constant);
  for (int i = 0; i < had; i++)
    if (m->constants.at[i]->mark) m->constants.at[n++] = m->constants.at[i];
  m->constants.n = n;
  return n != had;
}

bool pass_dce(PassCall *c, Func *f) {
  Module *m = c->module;
  bool swept = sweep(f->body);
  bool symbols = drop_symbols(c, f);
  bool constants = f == m->funcs.at[m->funcs.n - 1] && drop_constants(m);
  return swept || symbols || constants;
}
