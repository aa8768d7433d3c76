/* pack.c -- lays the operands of products out as the target's kernels read them.
 *
 * The second operand: a matrix [k, n] becomes panels [n / tile, k, tile], columns past n being zeros, which a kernel reads
 * from one end to the other; of bf16, [n / tile, k / 2, tile, 2], two products of a column side by side, as dot products
 * take them and others take apart with one instruction each. A weight's panels are a constant, made when they are needed;
 * other operands are laid out each time. Which products are packed depends on the weight alone, never on the rows of the
 * other operand, so that each element sums in the same order whether many rows are computed or one. */
#include "ir/fatal.h"
#include "ir/infer.h"
#include "passes/pass.h"
#include "passes/tile.h"

typedef struct Packing {
  Module *module;
  MatmulTile tile;
  Node *at; /* what prepares the operands goes before this */
} Packing;

static bool is_tile_float(Type t) {
  return t->kind == TYPE_TENSOR && !t->encoded && (t->dtype == DT_f32 || t->dtype == DT_f16 || t->dtype == DT_bf16);
}

/* ---- layout ---- */

static bool in_pairs(const Value *w) { return w->type->dtype == DT_bf16; }

/* Filled up with zeros along an axis to a multiple of `by`. */
static Value *fill_up(Builder *b, Value *v, int axis, int64_t by) {
  DimPool *p = b->module->dims;
  Dim size = v->type->dim[axis], each = dim_const(p, by);
  Dim missing = dim_sub(p, dim_mul(p, dim_ceildiv(p, size, each), each), size), pads[2] = {dim_const(p, 0), missing};
  if (dim_is(missing, 0)) return v;
  Value *axes = build_ints(b, 1, (int64_t[]){axis}), *zero = build_scalar_f(b, v->type->dtype, 0);
  return build(b, OP_pad, 1, INS(v, build_dims(b, 2, pads), zero, axes), NO_ATTRS);
}

/* [.., k, n], or [.., n, k]: filled up to whole panels and pairs, cut, and turned where needed. */
static Value *lay_out(Builder *b, Value *w, bool transposed, int64_t tile) {
  DimPool *p = b->module->dims;
  int batch = w->type->rank - 2, columns = batch + !transposed, depth = batch + transposed, pairs = in_pairs(w), n = batch;
  w = fill_up(b, w, columns, tile);
  if (pairs) w = fill_up(b, w, depth, 2);
  Dim panels = dim_ceildiv(p, w->type->dim[columns], dim_const(p, tile)), width = dim_const(p, tile), dim[MAX_RANK];
  Dim steps = pairs ? dim_ceildiv(p, w->type->dim[depth], dim_const(p, 2)) : w->type->dim[depth];
  int64_t perm[MAX_RANK];
  for (int i = 0; i < batch; i++) dim[i] = w->type->dim[i], perm[i] = i;
  if (transposed) dim[n++] = panels, dim[n++] = width;
  dim[n++] = steps;
  if (pairs) dim[n++] = dim_const(p, 2);
  if (!transposed) dim[n++] = panels, dim[n++] = width;
  int first = transposed ? 0 : 1 + pairs, k = transposed ? 2 : 0; /* where the panels stand, and k */
  int64_t order[] = {first, k, first + 1, k + 1};
  for (int i = 0; i < 3 + pairs; i++) perm[batch + i] = batch + order[i];
  return build_transpose(b, build_reshape(b, w, n, dim), n, perm);
}

static const char *panels_name(const Packing *p, const Constant *c, bool transposed) {
  return arena_printf(p->module->arena, "%s.panels%lld%s", c->name, (long long)p->tile.width, transposed ? "t" : "");
}

/* One layout a weight: what another product has had made is used again. */
static Constant *packed_constant(const Packing *p, Constant *c, bool transposed) {
  Module *m = p->module;
  if (!c->name) module_name_constant(m, c, module_free_name(m, "w"));
  Constant *had = module_find_constant(m, panels_name(p, c, transposed));
  if (had && had->kind == CONSTANT_EXPR) return had;
  Builder b = {.module = m, .func = p->at->block->func, .loc = c->loc};
  b.block = block_new(b.func, NULL);
  Value *v = lay_out(&b, build_const(&b, c), transposed, p->tile.width);
  build(&b, OP_yield, 0, INS(v), NO_ATTRS);
  Constant *packed = module_add_constant(m, module_free_name(m, panels_name(p, c, transposed)), v->type);
  packed->kind = CONSTANT_EXPR;
  packed->loc = c->loc;
  packed->body = b.block;
  return packed;
}

static Value *packed(const Packing *p, Builder *b, Value *w, bool transposed) {
  Constant *c = value_constant(w);
  bool known = c && c->kind != CONSTANT_BOUND;
  return known ? build_const(b, packed_constant(p, c, transposed)) : lay_out(b, w, transposed, p->tile.width);
}

/* ---- products ---- */

/* A layout that serves a few rows only costs more than it saves; a panel that is mostly zeros does, too. */
static bool is_worth_it(const Packing *p, const Node *n) {
  Type t = n->out[0]->type;
  Dim rows = t->dim[t->rank - 2], columns = t->dim[t->rank - 1];
  const Constant *c = value_constant(node_in(n, 1));
  bool weight = c && c->kind != CONSTANT_BOUND;
  if (dim_is_const(columns) && columns->constant < p->tile.lanes) return false;
  return weight || !dim_is_const(rows) || rows->constant >= p->tile.rows / 2;
}

static bool can_pack(const Packing *p, const Node *n) {
  const Value *x = node_in(n, 0), *w = node_in(n, 1);
  if (n->op != OP_matmul || !is_tile_float(x->type) || !is_tile_float(w->type) || !is_tile_float(n->out[0]->type)) return false;
  if (x->type->rank < 2 || w->type->rank < 2 || w->type->rank > MAX_RANK - 2 || !infer_sizes_known(n)) return false;
  bool outside = (!x->def || x->def->block != n->block || n->block == p->at->block) &&
                 (!w->def || w->def->block != n->block || n->block == p->at->block);
  return outside && is_worth_it(p, n);
}

static Value *turned(Builder *b, Value *x) {
  int64_t perm[MAX_RANK];
  int rank = x->type->rank;
  for (int i = 0; i < rank; i++) perm[i] = i;
  perm[rank - 2] = rank - 1, perm[rank - 1] = rank - 2;
  return build_transpose(b, x, rank, perm);
}

static void pack_product(Packing *p, Node *n) {
  Builder b = {.module = p->module, .func = n->block->func, .block = p->at->block, .before = p->at, .loc = n->loc};
  Value *x = node_in(n, 0), *w = node_in(n, 1);
  Type t = n->out[0]->type;
  if (node_bool(n, matmul, transa)) x = turned(&b, x);
  if (in_pairs(w)) x = fill_up(&b, x, x->type->rank - 1, 2);
  Value *columns = build_dims(&b, 1, &t->dim[t->rank - 1]), *panels = packed(p, &b, w, node_bool(n, matmul, transb));
  b.block = n->block, b.before = n;
  Value *v = build(&b, OP_matmul_panels, 1, INS(x, panels, columns),
                   ATTRS(at_i(matmul_panels, out, (int64_t)t->dtype), at_i(matmul_panels, pairs, in_pairs(w))));
  v->type = t;
  value_replace(n->out[0], v);
  node_remove(n);
}

static bool pack_block(Packing *p, Block *b) {
  bool changed = false;
  for (Node *n = b->first, *next; n; n = next) {
    next = n->next;
    if (!b->parent || b->parent->op != OP_fused) p->at = n;
    for (int i = 0; i < n->n_regions; i++) changed |= pack_block(p, n->region[i]);
    if (!b->parent || b->parent->op != OP_fused) p->at = n;
    if (!can_pack(p, n)) continue;
    pack_product(p, n);
    changed = true;
  }
  return changed;
}

/* All levels read the same panels: those of the widest. */
static int panel_width(const Module *m) {
  int width = 0;
  for (int i = 0; i < m->funcs.n; i++) {
    const Target *t = m->funcs.at[i]->target;
    if (t && t->kind == TARGET_CPU && matmul_tile(t).width > width) width = matmul_tile(t).width;
  }
  return width;
}

bool pass_pack(PassCall *c, Func *f) {
  Packing p = {.module = c->module};
  if (!f->target || f->target->kind != TARGET_CPU || !f->target->vector_registers) return false;
  p.tile = matmul_tile(f->target);
  p.tile.width = panel_width(c->module);
  return pack_block(&p, f->body);
}
