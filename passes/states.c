/* states.c -- attention over a cache becomes attention over the cache's memory, so that there is one kind of kernel for both.
 *
 * A row of state_attention is a sequence of one query: [rows, heads, 1, head], at its own offset, that reads keys and values of
 * the sequence that the row names. */
#include "ir/fatal.h"
#include "passes/pass.h"

static Value *view(Builder *b, Value *state, int64_t field) {
  return build(b, OP_state_view, 1, INS(state), ATTRS(at_i(state_view, field, field)));
}

/* Only the rows of the cache that the row's sequence has count. */
static Value *length_of_rows(Builder *b, Value *state, Value *sequences) {
  Value *all = build(b, OP_state_lengths, 1, INS(state), NO_ATTRS);
  return build(b, OP_gather, 1, INS(all, sequences), ATTRS(at_i(gather, axis, 0)));
}

static Value *with_query_axis(Builder *b, Value *x) {
  DimPool *p = b->module->dims;
  return build_reshape(b, x, 4, (Dim[]){x->type->dim[0], x->type->dim[1], dim_const(p, 1), x->type->dim[2]});
}

/* Does something read the field as it lies? */
static bool is_viewed(const Block *b, const State *s, int64_t field) {
  for (const Node *n = b->first; n; n = n->next) {
    if (n->op == OP_state_view && node_in(n, 0)->type->state == s && node_int(n, state_view, field) == field) return true;
    for (int i = 0; i < n->n_regions; i++)
      if (is_viewed(n->region[i], s, field)) return true;
  }
  return false;
}

/* Keys are turned where there are whole panels of them, and nobody knows them otherwise yet. */
static void turn_keys(Module *m, State *s) {
  bool viewed = false;
  for (int i = 0; i < m->funcs.n; i++) viewed |= is_viewed(m->funcs.at[i]->body, s, 0);
  if (!viewed && s->capacity % STATE_PANEL == 0 && dtype_bits(s->field[0].dtype) >= 8) s->field[0].turned = true;
}

static void rewrite(PassCall *c, Node *n) {
  Builder b = {.module = c->module, .func = n->block->func, .block = n->block, .before = n, .loc = n->loc};
  Value *q = node_in(n, 0), *state = node_in(n, 1), *sequences = node_in(n, 2), *bias = node_in(n, 5);
  State *s = state->type->state;
  turn_keys(c->module, s);
  Value *in[] = {with_query_axis(&b, q), view(&b, state, 0), view(&b, state, 1), bias ? with_query_axis(&b, bias) : NULL,
                 length_of_rows(&b, state, sequences), node_in(n, 3), node_in(n, 4), sequences};
  Value *v = build_values(&b, OP_attention, 1, 8, in, ATTRS(
    at_i(attention, causal, node_int(n, state_attention, causal)), at_f(attention, scale, node_float(n, state_attention, scale)),
    at_f(attention, softcap, node_float(n, state_attention, softcap)), at_i(attention, window, node_int(n, state_attention, window)),
    at_i(attention, ring, s->addressing != ADDRESS_LINEAR)));
  Type t = n->out[0]->type;
  v = build_reshape(&b, v, 3, t->dim);
  v->type = t;
  value_replace(n->out[0], v);
  node_remove(n);
}

static bool rewrite_block(PassCall *c, Block *b) {
  bool changed = false;
  for (Node *n = b->first, *next; n; n = next) {
    next = n->next;
    for (int i = 0; i < n->n_regions; i++) changed |= rewrite_block(c, n->region[i]);
    if (n->op != OP_state_attention) continue;
    rewrite(c, n);
    changed = true;
  }
  return changed;
}

bool pass_states(PassCall *c, Func *f) { return rewrite_block(c, f->body); }
