/* lower_panels.c -- products with a matrix in panels: tiles of the result stay in registers while k runs.
 *
 * A workgroup computes up to ROWS rows of one panel's columns, tile by tile. Rows that lie badly, or are too long for a cache, are
 * copied side by side first, block of k by block, and serve several panels; sums wait in the workgroup's
 * memory, and leave it when they are complete. Every element is one chain of additions in the order of k, whatever the tile
 * and the block: so a row's result does not depend on how many rows there are. While a panel is read, the next one is asked
 * for, a little in each turn of each tile: as much as a tile's first pass over it needs would be waited for.
 *
 * A target of narrower registers reads the same panels part by part. */
#include "ir/fatal.h"
#include "passes/lower.h"
#include "passes/tile.h"

/* ROWS: of a workgroup: 11 tiles of 12, 22 of 6. NEAR: see place_panels(). */
enum { ROWS = 132, NEAR = 8, MAX_TILE = 64, MAX_ROWS = 16, MAX_VECTORS = 16, NARROW_TILE = 4, AHEAD = 4096, LINE = 64 };

typedef struct Product {
  const Node *node;
  MatmulTile tile;
  int64_t panel;              /* columns of a panel, of which a tile computes tile.width */
  int64_t group, panels;      /* rows and panels of a workgroup, at most */
  int64_t block, stride;      /* elements of k that are copied at once, and from row to row of the copy; 0: rows are read as they lie */
  bool fma, shared, blocked;  /* shared: one matrix for all batches, whose rows are then counted through; blocked: in several blocks */
  bool pairs, dot2;           /* pairs: of k lie side by side; dot2: are multiplied by one instruction */
  bool vectors;               /* what follows is computed on vectors */
  Dim rows;
  Value *row_count, *depth, *columns;
  Value *share;               /* panels of a workgroup */
  Value *x, *w, *sums, *copy; /* memory; sums: [panels, group, panel]; copy: [group, stride] */
  Value *x_base, *w_base;     /* of the batch */
  Value *from, *to, *first;   /* the workgroup's rows, and its first panel */
  Value *tiles, *pace;        /* of the rows; elements of the panel that follows to be asked for in a step, so that all of it has been when all tiles are done */
  bool few;                   /* may all rows be one tile */
  Value *index[MAX_RANK];     /* of the batch, where it is not shared */
} Product;

static bool is_tile_float(Dtype t) { return t == DT_f32 || t == DT_f16 || t == DT_bf16; }

bool need_panels(Module *m, const Node *n) {
  (void)m;
  Type w = node_in(n, 1)->type;
  bool pairs = node_bool(n, matmul_panels, pairs);
  Dim width = w->dim[w->rank - 1 - pairs];
  if (!is_tile_float(node_in(n, 0)->type->dtype) || !is_tile_float(w->dtype) || (pairs && w->dtype != DT_bf16)) return false;
  return dim_is_const(width) && width->constant >= 4 && width->constant <= 64 && width->constant % 4 == 0;
}

/* The target's own tile, or as much of it as the panel has. */
static MatmulTile tile_for(const Target *t, int64_t panel) {
  MatmulTile tile = {.rows = 4, .vectors = 2, .lanes = (int)panel};
  if (t && t->vector_registers) tile = matmul_tile(t);
  while (panel % tile.lanes) tile.lanes /= 2;
  while (panel % (tile.vectors * tile.lanes)) tile.vectors--;
  tile.width = tile.vectors * tile.lanes;
  return tile;
}

/* ---- words for vectors ---- */

static Value *index_of(Kernel *k, int64_t v) { return kb_index(&k->b, v); }
static Value *plus(Kernel *k, Value *x, Value *y) { return kb_add(&k->b, x, y); }
static Value *times(Kernel *k, Value *x, Value *y) { return kb_mul(&k->b, x, y); }

static Value *splat(Kernel *k, Value *x, int64_t lanes) { return build(&k->b, OP_splat, 1, INS(x), ATTRS(at_i(splat, lanes, lanes))); }

static Value *load_lanes(Kernel *k, Value *memory, Value *at, int64_t lanes) {
  return build(&k->b, OP_load, 1, INS(memory, at), ATTRS(at_i(load, lanes, lanes)));
}

static Value *bits_as(Kernel *k, Value *x, Dtype to) { return build(&k->b, OP_bitcast, 1, INS(x), ATTRS(at_i(bitcast, to, (int64_t)to))); }

static Value *multiply_add(Kernel *k, const Product *p, Value *a, Value *b, Value *c) {
  if (p->fma) return build(&k->b, OP_fma, 1, INS(a, b, c), NO_ATTRS);
  return build_binary(&k->b, OP_add, build_binary(&k->b, OP_mul, a, b), c);
}

/* The first or second bf16 of each pair, as f32: its bits are the upper half. */
static Value *half_of_pairs(Kernel *k, Value *pairs, int half) {
  Value *number = half ? kb_int(&k->b, DT_u32, 0xFFFF0000) : kb_int(&k->b, DT_u32, 16);
  return bits_as(k, build_binary(&k->b, half ? OP_and : OP_shl, pairs, splat(k, number, pairs->type->lanes)), DT_f32);
}

/* ---- one tile ---- */

/* One step of k; with pairs, two: what of it is multiplied at once, one after the other. */
static int halves(const Product *p) { return p->pairs && !p->dot2 ? 2 : 1; }
static int64_t step(const Product *p) { return p->pairs ? 2 : 1; }

static void load_columns(Kernel *k, const Product *p, Value *at, Value **out) {
  int lanes = p->tile.lanes, n = halves(p);
  for (int v = 0; v < p->tile.vectors; v++) {
    Value *x = load_lanes(k, p->w, plus(k, at, index_of(k, v * lanes * step(p))), lanes * step(p));
    if (n == 1) out[v] = p->dot2 ? x : kb_cast(&k->b, x, DT_f32);
    for (int h = 0; h < n && n > 1; h++) out[v * n + h] = half_of_pairs(k, bits_as(k, x, DT_u32), h);
  }
}

static void load_row(Kernel *k, const Product *p, Value *at, Value **out) {
  int lanes = p->tile.lanes;
  bool together = p->pairs && p->x->type->dtype == DT_bf16;
  Value *pairs = NULL;
  if (together) {
    Value *two = build(&k->b, OP_load, 1, INS(p->x, at), ATTRS(at_i(load, as, DT_u32)));
    pairs = splat(k, two, lanes);
  }
  if (p->dot2) out[0] = bits_as(k, pairs, DT_bf16);
  for (int h = 0; h < halves(p) && !p->dot2; h++)
    out[h] = together ? half_of_pairs(k, pairs, h)
                      : splat(k, kb_cast(&k->b, kb_load(&k->b, p->x, plus(k, at, index_of(k, h))), DT_f32), lanes);
}

static Value *accumulate(Kernel *k, const Product *p, Value *const *a, Value *const *b, Value *sum) {
  if (p->dot2) return build(&k->b, OP_dot2, 1, INS(sum, a[0], b[0]), NO_ATTRS);
  for (int h = 0; h < halves(p); h++) sum = multiply_add(k, p, a[h], b[h], sum);
  return sum;
}

typedef struct Tile {
  int rows;
  Value *row[MAX_ROWS]; /* where they begin in x */
  Value *w, *sums;      /* where the tile's columns begin in the panel, and its sums */
  Value *depth;         /* of the block */
  Value *ahead;         /* what is asked for meanwhile, p->pace elements a step; NULL: what this tile will read itself */
} Tile;

static void ask(Kernel *k, const Product *p, const Tile *t, Value *i, Value *at) {
  int64_t size = dtype_bits(p->w->type->dtype) / 8, line = p->tile.lanes * step(p);
  if (t->ahead) {
    Value *next = plus(k, t->ahead, times(k, i, p->pace));
    for (int64_t v = 0; v < (p->few ? p->tile.width * step(p) : 1); v += LINE / size) /* all rows may be one tile: it asks for as much as it reads */
      build(&k->b, OP_prefetch, 0, INS(p->w, plus(k, next, index_of(k, v))), ATTRS(at_i(prefetch, cache, 2)));
    return;
  }
  for (int v = 0; v < p->tile.vectors; v++)
    build(&k->b, OP_prefetch, 0, INS(p->w, plus(k, at, index_of(k, AHEAD / size + v * line))), NO_ATTRS);
}

static void load_sums(Kernel *k, const Product *p, const Tile *t, Value **sum) {
  Value *zero = splat(k, kb_float(&k->b, DT_f32, 0), p->tile.lanes);
  for (int i = 0; i < t->rows * p->tile.vectors; i++) {
    int64_t at = i / p->tile.vectors * p->panel + i % p->tile.vectors * p->tile.lanes;
    sum[i] = p->blocked ? load_lanes(k, p->sums, plus(k, t->sums, index_of(k, at)), p->tile.lanes) : zero;
  }
}

static void store_sums(Kernel *k, const Product *p, const Tile *t, Value *const *sum) {
  for (int i = 0; i < t->rows * p->tile.vectors; i++) {
    int64_t at = i / p->tile.vectors * p->panel + i % p->tile.vectors * p->tile.lanes;
    kb_store(&k->b, p->sums, plus(k, t->sums, index_of(k, at)), sum[i]);
  }
}

static void compute_tile(Kernel *k, const Product *p, const Tile *t) {
  int vectors = p->tile.vectors, n = halves(p);
  Value *start[MAX_TILE], *next[MAX_TILE], *a[2], *b[2 * MAX_VECTORS];
  load_sums(k, p, t, start);
  Value *steps = kb_div(&k->b, t->depth, index_of(k, step(p)));
  KernelFor loop = kb_for(&k->b, index_of(k, 0), steps, t->rows * vectors, start);
  node_attr(loop.node, attr_slot(for, unroll))->i = n == 1 ? 4 : 2;
  Value *at = plus(k, t->w, times(k, loop.i, index_of(k, p->panel * step(p))));
  Value *x = times(k, loop.i, index_of(k, step(p)));
  load_columns(k, p, at, b);
  ask(k, p, t, loop.i, at);
  for (int r = 0; r < t->rows; r++) {
    load_row(k, p, plus(k, t->row[r], x), a);
    for (int v = 0; v < vectors; v++) next[r * vectors + v] = accumulate(k, p, a, &b[v * n], loop.carried[r * vectors + v]);
  }
  kb_for_end(&k->b, &loop, t->rows * vectors, next);
  store_sums(k, p, t, loop.out);
}

/* ---- to the result ---- */

static void place_row(Kernel *k, const Product *p, Value *row, Value **index) {
  Type t = p->node->out[0]->type;
  if (p->shared) {
    kernel_delinear(k, type_tensor(k->module->types, t->dtype, t->rank - 1, t->dim), row, index);
    return;
  }
  memcpy(index, p->index, (size_t)t->rank * sizeof *index);
  index[t->rank - 2] = row;
}

/* So many sums of a row, `lanes` at once; 0: one by one, as scalars. */
static void store_row(Kernel *k, const Product *p, Value *row, Value *at, Value *column, Value *count, int64_t lanes) {
  Type t = p->node->out[0]->type;
  Value *index[MAX_RANK];
  place_row(k, p, row, index);
  KernelFor along = kb_for_step(&k->b, index_of(k, 0), count, lanes ? lanes : 1, 0, NULL);
  index[t->rank - 1] = plus(k, column, along.i);
  Value *from = plus(k, at, along.i), *x = lanes ? load_lanes(k, p->sums, from, lanes) : kb_load(&k->b, p->sums, from);
  k->lanes = lanes;
  kernel_store(k, 0, index, kernel_narrow(k, x, t->dtype));
  k->lanes = 0;
  kb_for_end(&k->b, &along, 0, NULL);
}

/* The tile's rows [from, to), whose columns begin at `column`. Whole tiles leave as vectors; the last, which may not be whole,
 * and what has no vectors leave one by one. This is done tile by tile, so that memory takes them while the next is computed. */
static void store_tile(Kernel *k, const Product *p, const Tile *t, Value *from, Value *to, Value *column) {
  Value *width = index_of(k, p->tile.width), *left = kb_sub(&k->b, p->columns, column);
  int64_t columns;
  bool whole = kb_known(p->columns, &columns) && columns % p->tile.width == 0;
  KernelFor down = kb_for(&k->b, from, to, 0, NULL);
  Value *at = plus(k, t->sums, times(k, kb_sub(&k->b, down.i, from), index_of(k, p->panel)));
  if (p->vectors && whole) {
    store_row(k, p, down.i, at, column, width, p->tile.lanes);
  } else if (p->vectors) {
    KernelWhen w = kb_when(&k->b, kb_at_most(&k->b, width, left), 0);
    store_row(k, p, down.i, at, column, width, p->tile.lanes);
    kb_else(&k->b, &w, 0, NULL);
    store_row(k, p, down.i, at, column, left, 0);
    kb_when_end(&k->b, &w, 0, NULL);
  } else {
    store_row(k, p, down.i, at, column, kb_min(&k->b, width, left), 0);
  }
  kb_for_end(&k->b, &down, 0, NULL);
}

/* ---- the rows of a workgroup, for one panel ---- */

typedef struct Pass {
  Value *x, *w, *sums; /* where the workgroup's first row begins in x, the panel, and the panel's sums */
  Value *stride;       /* from row to row in x */
  Value *depth;
  Value *next;         /* the panel, or the block of one, that is read after this */
  Value *column;       /* of the result, where the panel begins */
  Value *last;         /* bool: are the sums complete after this; NULL: yes */
} Pass;

static void finish_tile(Kernel *k, const Product *p, const Pass *s, const Tile *t, Value *from, Value *to) {
  if (!s->last) {
    store_tile(k, p, t, from, to, s->column);
    return;
  }
  KernelWhen w = kb_when(&k->b, s->last, 0);
  store_tile(k, p, t, from, to, s->column);
  kb_else(&k->b, &w, 0, NULL);
  kb_when_end(&k->b, &w, 0, NULL);
}

/* Tiles of `rows` rows from `from` on, before `to`: as many as are whole, or, where the last may be clamped, all; returns
 * where they end. A clamped tile's surplus rows are the last one again, and nobody reads their sums. */
static Value *compute_tiles(Kernel *k, const Product *p, const Pass *s, Value *from, Value *to, int rows, bool clamped) {
  Value *size = index_of(k, rows), *count = kb_sub(&k->b, to, from);
  if (clamped) count = plus(k, count, index_of(k, rows - 1));
  Value *end = plus(k, from, times(k, kb_div(&k->b, count, size), size));
  KernelFor loop = kb_for_step(&k->b, from, end, rows, 0, NULL);
  Tile t = {.rows = rows, .w = s->w, .depth = s->depth};
  Value *number = kb_sub(&k->b, loop.i, p->from), *first = plus(k, s->x, times(k, number, s->stride));
  Value *most = kb_sub(&k->b, kb_sub(&k->b, to, index_of(k, 1)), p->from);
  for (int r = 0; r < rows; r++) {
    if (clamped) t.row[r] = plus(k, s->x, times(k, kb_min(&k->b, plus(k, number, index_of(k, r)), most), s->stride));
    else t.row[r] = plus(k, first, times(k, index_of(k, r), s->stride));
  }
  t.sums = plus(k, s->sums, times(k, number, index_of(k, p->panel)));
  Value *asked = times(k, kb_div(&k->b, s->depth, index_of(k, step(p))), p->pace);
  t.ahead = plus(k, s->next, times(k, kb_div(&k->b, number, index_of(k, p->tile.rows)), asked));
  compute_tile(k, p, &t);
  Value *after = plus(k, loop.i, size);
  finish_tile(k, p, s, &t, loop.i, clamped ? kb_min(&k->b, after, to) : after);
  kb_for_end(&k->b, &loop, 0, NULL);
  return end;
}

static void compute_all_tiles(Kernel *k, const Product *p, const Pass *s) {
  int64_t rows = p->tile.rows;
  if (!dim_is_const(p->rows)) {
    Value *from = compute_tiles(k, p, s, p->from, p->to, (int)rows, false);
    compute_tiles(k, p, s, from, p->to, NARROW_TILE, true);
    return;
  }
  Value *from = p->from;
  if (p->rows->constant >= rows) from = compute_tiles(k, p, s, from, p->to, (int)rows, false);
  if (p->rows->constant % rows) compute_tiles(k, p, s, from, p->to, (int)(p->rows->constant % rows), false);
}

static void compute_single(Kernel *k, const Product *p, const Pass *s) {
  Tile t = {.rows = 1, .row = {s->x}, .w = s->w, .sums = s->sums, .depth = s->depth};
  compute_tile(k, p, &t);
  store_tile(k, p, &t, index_of(k, 0), index_of(k, 1), s->column);
}

typedef void ComputePart(Kernel *k, const Product *p, const Pass *s);

/* The panel as the registers take it: in one, or part by part, as far as there are columns. */
static void compute_panel(Kernel *k, const Product *p, Pass s, ComputePart *compute) {
  if (p->tile.width == p->panel) {
    compute(k, p, &s);
    return;
  }
  Value *end = kb_min(&k->b, index_of(k, p->panel), kb_sub(&k->b, p->columns, s.column));
  KernelFor part = kb_for_step(&k->b, index_of(k, 0), end, p->tile.width, 0, NULL);
  s.w = plus(k, s.w, times(k, part.i, index_of(k, step(p))));
  s.sums = plus(k, s.sums, part.i);
  s.column = plus(k, s.column, part.i);
  Value *asked = times(k, p->tiles, p->pace); /* in a step of all of a part's tiles */
  Value *before = times(k, kb_div(&k->b, part.i, index_of(k, p->tile.width)), asked);
  s.next = plus(k, s.next, times(k, before, kb_div(&k->b, s.depth, index_of(k, step(p)))));
  compute(k, p, &s);
  kb_for_end(&k->b, &part, 0, NULL);
}

/* ---- a workgroup ---- */

static Value *panel_at(Kernel *k, const Product *p, Value *panel) {
  return plus(k, p->w_base, times(k, times(k, panel, p->depth), index_of(k, p->panel)));
}

static Value *column_at(Kernel *k, const Product *p, Value *slot) { return times(k, plus(k, p->first, slot), index_of(k, p->panel)); }

static Value *sums_at(Kernel *k, const Product *p, Value *slot) { return times(k, slot, index_of(k, p->group * p->panel)); }

/* All of k at once, of rows from x on. */
static void compute_panels(Kernel *k, const Product *p, Value *slots, Value *x, Value *stride, ComputePart *compute) {
  KernelFor loop = kb_for(&k->b, index_of(k, 0), slots, 0, NULL);
  Value *panel = plus(k, p->first, loop.i);
  Pass s = {.x = x, .stride = stride, .depth = p->depth, .sums = index_of(k, 0)};
  s.w = panel_at(k, p, panel);
  s.column = column_at(k, p, loop.i);
  s.next = panel_at(k, p, plus(k, panel, index_of(k, 1)));
  compute_panel(k, p, s, compute);
  kb_for_end(&k->b, &loop, 0, NULL);
}

/* The block after this one: of the next panel, or the next of the first. */
static Value *next_block(Kernel *k, const Product *p, Value *slot, Value *slots, Value *from) {
  Value *more = kb_less(&k->b, plus(k, slot, index_of(k, 1)), slots);
  Value *panel = kb_where(&k->b, more, plus(k, p->first, plus(k, slot, index_of(k, 1))), p->first);
  Value *at = kb_where(&k->b, more, from, plus(k, from, index_of(k, p->block)));
  return plus(k, panel_at(k, p, panel), times(k, at, index_of(k, p->panel)));
}

/* The workgroup's rows, from element `from` of each on. While a row is copied, the next one is asked for. */
static void copy_rows(Kernel *k, const Product *p, Value *from) {
  int64_t size = dtype_bits(p->x->type->dtype) / 8, lanes = p->tile.lanes * 4 / size;
  KernelFor row = kb_for(&k->b, p->from, p->to, 0, NULL);
  Value *source = plus(k, plus(k, p->x_base, times(k, row.i, p->depth)), from);
  Value *to = times(k, kb_sub(&k->b, row.i, p->from), index_of(k, p->stride));
  KernelFor along = kb_for_step(&k->b, index_of(k, 0), index_of(k, p->block), lanes, 0, NULL);
  node_attr(along.node, attr_slot(for, unroll))->i = 4;
  Value *at = plus(k, source, along.i);
  build(&k->b, OP_prefetch, 0, INS(p->x, plus(k, at, p->depth)), NO_ATTRS);
  kb_store(&k->b, p->copy, plus(k, to, along.i), load_lanes(k, p->x, at, lanes));
  kb_for_end(&k->b, &along, 0, NULL);
  kb_for_end(&k->b, &row, 0, NULL);
}

static void compute_blocks(Kernel *k, const Product *p, Value *slots) {
  Product copied = *p;
  copied.x = p->copy;
  KernelFor blocks = kb_for_step(&k->b, index_of(k, 0), p->depth, p->block, 0, NULL);
  copy_rows(k, p, blocks.i);
  KernelFor slot = kb_for(&k->b, index_of(k, 0), slots, 0, NULL);
  Pass s = {.x = index_of(k, 0), .stride = index_of(k, p->stride), .depth = index_of(k, p->block), .sums = sums_at(k, p, slot.i)};
  s.w = plus(k, panel_at(k, p, plus(k, p->first, slot.i)), times(k, blocks.i, index_of(k, p->panel)));
  s.next = next_block(k, p, slot.i, slots, blocks.i);
  s.column = column_at(k, p, slot.i);
  s.last = kb_equal(&k->b, plus(k, blocks.i, index_of(k, p->block)), p->depth);
  compute_panel(k, &copied, s, compute_all_tiles);
  kb_for_end(&k->b, &slot, 0, NULL);
  kb_for_end(&k->b, &blocks, 0, NULL);
}

static Value *no_sum(Kernel *k, void *ctx, Value *i) {
  (void)ctx, (void)i;
  return kb_float(&k->b, DT_f32, 0);
}

static Value *rows_at(Kernel *k, const Product *p) { return plus(k, p->x_base, times(k, p->from, p->depth)); }

static void compute_many(Kernel *k, const Product *p, Value *slots) {
  if (!p->copy) {
    compute_panels(k, p, slots, rows_at(k, p), p->depth, compute_all_tiles);
  } else if (!p->blocked) {
    Product copied = *p;
    copied.x = p->copy;
    copy_rows(k, p, index_of(k, 0));
    compute_panels(k, &copied, slots, index_of(k, 0), index_of(k, p->stride), compute_all_tiles);
  } else {
    kernel_fill(k, p->sums, index_of(k, p->panels * p->group * p->panel), no_sum, NULL);
    compute_blocks(k, p, slots);
  }
}

/* A row alone is read as it lies, and reads its panels from one end to the other, all columns at once: part by
 * part, a panel would come from memory again and again. */
static void compute_one(Kernel *k, const Product *p, Value *slots) {
  Product one = *p;
  one.blocked = false;
  one.tile.vectors = (int)p->panel / p->tile.lanes;
  one.tile.width = (int)p->panel;
  compute_panels(k, &one, slots, p->x_base, p->depth, compute_single);
}

static void compute_group(Kernel *k, const Product *p, Value *panels) {
  Value *slots = kb_min(&k->b, p->share, kb_sub(&k->b, panels, p->first));
  if (dim_is_const(p->rows)) {
    (p->rows->constant == 1 ? compute_one : compute_many)(k, p, slots);
  } else {
    KernelWhen w = kb_when(&k->b, kb_equal(&k->b, p->row_count, index_of(k, 1)), 0);
    compute_one(k, p, slots);
    kb_else(&k->b, &w, 0, NULL);
    compute_many(k, p, slots);
    kb_when_end(&k->b, &w, 0, NULL);
  }
}

/* ---- the kernel ---- */

static Value *group_id(Kernel *k, int axis) {
  return build(&k->b, OP_group_id, 1, 0, NULL, ATTRS(at_i(group_id, axis, axis)));
}

/* The number of the matrix that goes with the batch, in an operand whose last `own` axes are the matrix. */
static Value *matrix_number(Kernel *k, const Product *p, Type operand, int own) {
  Type t = p->node->out[0]->type;
  int batch = t->rank - 2, has = operand->rank - own;
  Value *at = index_of(k, 0);
  for (int i = 0; i < has; i++) {
    int axis = batch - has + i;
    Value *place = kernel_broadcast_place(k, operand->dim[i], t->dim[axis], p->index[axis]);
    at = plus(k, times(k, at, kernel_size(k, operand->dim[i])), place);
  }
  return at;
}

/* Where rows are copied, a workgroup takes several panels; but where there are few rows, so that there are enough workgroups, not many. */
static void place_copied(Kernel *k, Product *p, Dim panels) {
  DimPool *pool = k->module->dims;
  Dim share = dim_max(pool, dim_const(pool, 1), dim_min(pool, dim_const(pool, p->panels), p->rows));
  p->share = kernel_size(k, share);
  p->first = times(k, group_id(k, 1), p->share);
  p->from = times(k, group_id(k, 0), index_of(k, p->group));
  k->grid[0] = dim_ceildiv(pool, p->rows, dim_const(pool, p->group));
  k->grid[1] = dim_ceildiv(pool, panels, share);
}

/* With one matrix, NEAR panels meet all rows before the next ones do: they stay in a cache that the whole matrix does not fit,
 * and the rows of a workgroup in a nearer one. */
static void place_panels(Kernel *k, Product *p, Dim panels) {
  DimPool *pool = k->module->dims;
  Dim groups = dim_ceildiv(pool, p->rows, dim_const(pool, p->group)), sets = dim_ceildiv(pool, panels, dim_const(pool, NEAR));
  bool together = !p->shared || dim_is(groups, 1);
  Value *panel = group_id(k, 0);
  if (!together) panel = plus(k, times(k, group_id(k, 2), index_of(k, NEAR)), panel);
  p->share = index_of(k, 1);
  p->first = panel;
  p->from = times(k, group_id(k, 1), index_of(k, p->group));
  k->grid[0] = together ? panels : dim_const(pool, NEAR);
  k->grid[1] = groups;
  if (!together) k->grid[2] = sets;
}

static void set_pace(Kernel *k, Product *p) {
  int64_t parts = p->panel / p->tile.width, width = p->panel * step(p);
  bool known = dim_is_const(p->rows);
  Value *rows = known ? index_of(k, p->group) : kb_sub(&k->b, p->to, p->from);
  p->tiles = kb_div(&k->b, plus(k, rows, index_of(k, p->tile.rows - 1)), index_of(k, p->tile.rows));
  Value *passes = times(k, p->tiles, index_of(k, parts));
  p->pace = kb_div(&k->b, plus(k, passes, index_of(k, width - 1)), passes);
  p->few = !known || p->group <= p->tile.rows;
}

static void place_group(Kernel *k, Product *p, Dim panels) {
  Type x = node_in(p->node, 0)->type, w = node_in(p->node, 1)->type, t = p->node->out[0]->type;
  p->x_base = p->w_base = index_of(k, 0);
  (p->copy ? place_copied : place_panels)(k, p, panels);
  if (!p->shared) {
    Type batch = type_tensor(k->module->types, t->dtype, t->rank - 2, t->dim);
    k->grid[2] = type_elements(k->module->dims, batch);
    kernel_delinear(k, batch, group_id(k, 2), p->index);
    p->x_base = times(k, times(k, matrix_number(k, p, x, 2), p->row_count), p->depth);
    Value *matrix = times(k, matrix_number(k, p, w, 3 + p->pairs), kernel_size(k, panels));
    p->w_base = times(k, times(k, matrix, p->depth), index_of(k, p->panel));
  }
  p->to = kb_min(&k->b, plus(k, p->from, index_of(k, p->group)), p->row_count);
  set_pace(k, p);
}

/* Rows of a workgroup: about as many in each. */
static int64_t group_rows(const Product *p) {
  int64_t tile = p->tile.rows, most = ROWS / tile * tile;
  if (!dim_is_const(p->rows) || p->rows->constant == 0) return most;
  int64_t groups = (p->rows->constant + most - 1) / most, share = (p->rows->constant + groups - 1) / groups;
  return (share + tile - 1) / tile * tile;
}

/* Rows longer than LONG_ROW are copied in blocks, and so are those that lie a multiple of PAGE apart where a tile has more than
 * a first cache of 8 ways takes of one place: they would put each other out. What is copied is LINE longer than a block, so that rows
 * lie in different places. Copying is worth it for a tile of rows, and PER_PANEL: the more panels read it, the better, and their sums
 * want to stay in the second cache, too. */
enum { LONG_ROW = 12 << 10, PAGE = 4096, WAYS = 8, MOST_BLOCK = 2048, LEAST_BLOCK = 1024, PER_PANEL = 64 << 10 };

static int64_t block_bytes(const Product *p, int64_t row) {
  bool few = dim_is_const(p->rows) && p->rows->constant < p->tile.rows, meet = p->tile.rows > WAYS && row % PAGE == 0;
  if (!p->shared || few || (row <= LONG_ROW && !meet)) return 0;
  if (row == PAGE) return PAGE;
  int64_t part = MOST_BLOCK;
  while (part >= LEAST_BLOCK && row % part) part -= LINE;
  return part >= LEAST_BLOCK ? part : 0;
}

static void choose_copy(const Kernel *k, Product *p) {
  Type x = node_in(p->node, 0)->type;
  Dim depth = x->dim[x->rank - 1];
  int64_t size = dtype_bits(x->dtype) / 8, block = dim_is_const(depth) ? block_bytes(p, depth->constant * size) : 0;
  p->block = block / size;
  p->stride = p->block + LINE / size;
  p->blocked = block > 0 && p->block < depth->constant;
  p->panels = block && k->target ? k->target->level2 / PER_PANEL : 1;
}

static void choose_arithmetic(Kernel *k, Product *p) {
  p->fma = k->target && target_has(k->target, FEATURE_fma);
  p->pairs = node_bool(p->node, matmul_panels, pairs);
  bool both = node_in(p->node, 0)->type->dtype == DT_bf16 && node_in(p->node, 1)->type->dtype == DT_bf16;
  bool fast = node_func(p->node)->numerics == NUMERICS_fast; /* dot2 takes denormals for 0, and rounds products in its own order */
  p->dot2 = fast && both && p->pairs && k->target && target_dots_pairs(k->target);
  p->vectors = kernel_can_vectorise(k, p->node);
}

bool lower_matmul_panels(Kernel *k, const Node *n) {
  Type x = node_in(n, 0)->type, w = node_in(n, 1)->type, t = n->out[0]->type;
  DimPool *pool = k->module->dims;
  Product p = {.node = n};
  choose_arithmetic(k, &p);
  p.panel = w->dim[w->rank - 1 - p.pairs]->constant;
  p.tile = tile_for(k->target, p.panel);
  p.shared = w->rank == 3 + p.pairs;
  p.rows = t->dim[t->rank - 2];
  for (int i = 0; i < t->rank - 2 && p.shared; i++) p.rows = dim_mul(pool, p.rows, t->dim[i]);
  p.group = group_rows(&p);
  choose_copy(k, &p);
  p.row_count = kernel_size(k, p.rows);
  p.depth = kernel_size(k, x->dim[x->rank - 1]);
  p.columns = kernel_size(k, t->dim[t->rank - 1]);
  p.x = kernel_operand(k, node_in(n, 0));
  p.w = kernel_operand(k, node_in(n, 1));
  p.sums = kb_memory(&k->b, DT_f32, (p.blocked ? p.panels : 1) * p.group * p.panel);
  p.copy = p.block ? kb_memory(&k->b, x->dtype, p.group * p.stride) : NULL;
  Dim panels = w->dim[w->rank - 3 - p.pairs];
  place_group(k, &p, panels);
  compute_group(k, &p, kernel_size(k, panels));
  return true;
}
