/* fuse.c -- grows kernels around their anchors: what feeds them and what follows goes into one region.
 *
 * A region has at most one anchor, an op that loops or keeps statistics of a row (a product, a softmax, a norm). What
 * follows it element by element, in the same shape, is its epilogue; arithmetic that only it reads is its prologue, unless
 * it would be done again too often. Without an anchor, a chain of arithmetic becomes one loop. A value that something
 * else reads, too, is kept in memory: the group ends there. Nodes move to the place of the last of them. */
#include "ir/infer.h"
#include "passes/lower.h"
#include "passes/pass.h"

typedef struct Group {
  Arena *arena;
  Node *sink;
  Node *anchor;
  VEC(Node *) nodes; /* the last first */
} Group;

/* ---- kinds of ops ---- */

/* One element from one of each operand, without a loop. */
static bool is_inline(const Node *n) {
  const OpInfo *info = op_info(n->op);
  bool arithmetic = info->level == LEVEL_ANY && info->effect == EFFECT_PURE;
  return (arithmetic || n->op == OP_expand || n->op == OP_transpose) && n->n_out == 1 && lower_row(n->op)->element;
}

/* Costs no more than a load: worth doing again for each reader. */
static bool is_light(Op op) {
  switch (op) {
  case OP_neg: case OP_abs: case OP_add: case OP_sub: case OP_mul: case OP_min: case OP_max: case OP_and: case OP_or: case OP_not:
  case OP_eq: case OP_lt: case OP_le: case OP_where: case OP_cast: case OP_expand: case OP_transpose:
    return true;
  default: return false;
  }
}

/* May an anchor compute its operand again each time that it reads it? Rows are read a few times; the operands of products
 * once for each row or column of the result. */
static bool takes_prologue(Op anchor) {
  switch (anchor) {
  case OP_softmax: case OP_log_softmax: case OP_layernorm: case OP_rmsnorm: case OP_reduce_sum: case OP_reduce_mean:
  case OP_reduce_max: case OP_reduce_min: case OP_reduce_prod: case OP_argmax: case OP_argmin: case OP_attention: return true;
  default: return false;
  }
}

static bool is_anchor(const Node *n) { return !is_inline(n) && lower_can(n); }

/* ---- what may join a group ---- */

static bool in_group(const Group *g, const Node *n) {
  for (int i = 0; i < g->nodes.n; i++)
    if (g->nodes.at[i] == n) return true;
  return false;
}

static bool read_only_within(const Group *g, const Node *n) {
  for (int i = 0; i < n->n_out; i++)
    for (const Use *u = n->out[i]->uses; u; u = u->next)
      if (!in_group(g, u->user)) return false;
  return true;
}

static bool is_tensor(const Value *v) { return v->type->kind == TYPE_TENSOR && !v->type->encoded; }

static bool can_join(const Group *g, const Node *n) {
  if (n->block != g->sink->block || in_group(g, n) || !read_only_within(g, n) || !infer_sizes_known(n)) return false;
  for (int i = 0; i < n->n_out; i++)
    if (!is_tensor(n->out[i])) return false;
  for (int i = 0; i < n->n_in; i++)
    if (node_in(n, i) && !is_tensor(node_in(n, i))) return false;
  return true;
}

/* A transpose that leaves the last axis in place: rows stay rows. */
static bool moves_rows(const Node *n) {
  int rank = n->out[0]->type->rank;
  return n->op == OP_transpose && rank > 0 && node_ints(n, transpose, perm).n == rank && node_ints(n, transpose, perm).at[rank - 1] == rank - 1;
}

/* Attention reads and writes rows wherever they lie: transposes of its operands and its result are not made. */
static bool is_row_move_of(const Node *n, const Node *attention) {
  return attention->op == OP_attention && moves_rows(n) && n->out[0]->type->rank == 4;
}

/* A kernel row gives its elements in its own order: what follows must want them where they are (and as whole bytes). */
static bool keeps_order(const Group *g) {
  for (int i = 0; i < g->nodes.n; i++)
    if (g->nodes.at[i]->op == OP_transpose) return false;
  return true;
}

/* A group is bounded, so that membership is quick to see and a kernel's text stays readable. */
enum { MAX_GROUP = 64 };

static void grow(Group *g, Node *n);

static void join(Group *g, Node *n) {
  vec_push(g->arena, &g->nodes, n);
  grow(g, n);
}

static void consider(Group *g, const Node *reader, Node *n) {
  bool after_anchor = !g->anchor || reader != g->anchor;
  if (g->nodes.n >= MAX_GROUP || !can_join(g, n)) return;
  if (reader == g->anchor && reader->op == OP_attention) {
    bool rows = n->out[0] == node_in(reader, 0) || n->out[0] == node_in(reader, 1) || n->out[0] == node_in(reader, 2);
    if (!rows || !is_row_move_of(n, reader)) return;
    n->mark = 1;
    vec_push(g->arena, &g->nodes, n); /* what the transpose reads lies in memory */
  } else if (is_anchor(n)) {
    bool moved = g->nodes.n == 1 && is_row_move_of(g->sink, n);
    if (lower_row(n->op)->kernel && ((!keeps_order(g) && !moved) || dtype_bits(g->sink->out[0]->type->dtype) < 8)) return;
    if (g->anchor || n->n_out != 1 || (!moved && !type_same_dims(n->out[0]->type, g->sink->out[0]->type))) return;
    g->anchor = n;
    join(g, n);
  } else if (after_anchor && in_group(g, reader) && reader->mark == 0) {
    /* behind the anchor: of the result's shape, each element is computed once */
    if (is_inline(n) && (type_same_dims(n->out[0]->type, g->sink->out[0]->type) || is_light(n->op))) join(g, n);
  } else if (g->anchor && takes_prologue(g->anchor->op) && is_inline(n) && is_light(n->op)) {
    n->mark = 1; /* before the anchor, and so is all that feeds it */
    join(g, n);
  }
}

static void grow(Group *g, Node *n) {
  for (int i = 0; i < n->n_in; i++) {
    Node *from = node_in(n, i) ? node_in(n, i)->def : NULL;
    if (!from || from->op == OP_const) continue;
    from->mark = n == g->anchor || n->mark;
    consider(g, n, from);
  }
}

/* ---- regions ---- */

static Node *before(Node *a, Node *b) {
  for (Node *n = a; n; n = n->next)
    if (n == b) return a;
  return b;
}

/* Nodes in the order in which they stood. */
static void sort_nodes(Group *g) {
  for (int i = 1; i < g->nodes.n; i++)
    for (int k = i; k > 0 && before(g->nodes.at[k - 1], g->nodes.at[k]) == g->nodes.at[k]; k--) {
      Node *t = g->nodes.at[k];
      g->nodes.at[k] = g->nodes.at[k - 1], g->nodes.at[k - 1] = t;
    }
}

static void make_region(Group *g) {
  Node *sink = g->sink, *f = node_new(sink->block->func, OP_fused, 0, sink->n_out, 1, sink->loc);
  node_insert_before(sink, f);
  sort_nodes(g);
  for (int i = 0; i < g->nodes.n; i++) {
    node_detach(g->nodes.at[i]);
    node_append(f->region[0], g->nodes.at[i]);
  }
  for (int i = 0; i < sink->n_out; i++) {
    f->out[i]->type = sink->out[i]->type;
    value_replace(sink->out[i], f->out[i]);
  }
  Builder b = {.module = sink->block->func->module, .block = f->region[0], .loc = sink->loc};
  build(&b, OP_yield, 0, sink->n_out, sink->out, NO_ATTRS);
}

static bool fuse_at(Arena *scratch, Node *n) {
  Group g = {.arena = scratch, .sink = n};
  if (!is_inline(n) && !(is_anchor(n) && takes_prologue(n->op))) return false;
  if (!infer_sizes_known(n) || !is_tensor(n->out[0])) return false;
  if (is_anchor(n)) g.anchor = n;
  n->mark = 0;
  join(&g, n);
  if (g.nodes.n < 2) return false;
  make_region(&g);
  return true;
}

static bool fuse_block(Arena *scratch, Block *b) {
  bool changed = false;
  for (Node *n = b->last, *prev; n; n = prev) {
    prev = n->prev;
    if (n->op == OP_fused) continue;
    for (int i = 0; i < n->n_regions; i++) changed |= fuse_block(scratch, n->region[i]);
    Node *after = n->next;
    if (!fuse_at(scratch, n)) continue;
    prev = after ? after->prev : b->last; /* the region; what stands before it is next */
    changed = true;
  }
  return changed;
}

bool pass_fuse(PassCall *c, Func *f) { return fuse_block(c->scratch, f->body); }
