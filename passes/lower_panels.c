/* lower_panels.c -- products with a matrix in panels: tiles of the result stay in registers while k runs.
 *
 * A workgroup computes up to ROWS rows of one panel's columns, tile by tile. Every element is one chain of additions in
 * the order of k, whatever the tile: so a row's result does not depend on how many rows there are. The rows that do not
 * fill a tile are computed by tiles of their number, where that is known, else of 4 rows and of 1. */
#include "ir/fatal.h"
#include "passes/lower.h"
#include "passes/tile.h"

enum { ROWS = 120, MAX_TILE = 64, NARROW_TILE = 4, UNROLL = 4, AHEAD = 4096 };

typedef struct Product {
  const Node *node;
  MatmulTile tile;
  bool fma, shared;  /* shared: one matrix for all batches, whose rows are then counted through */
  Dim rows;
  Value *row_count, *depth, *columns;
  Value *x, *w;      /* memory */
  Value *x_base, *w_base, *column;
  Value *scratch;    /* [tile rows, width]: sums that leave the registers one by one; NULL if none do */
  bool vectors;      /* what follows is computed on vectors */
  Value *index[MAX_RANK]; /* of the batch, where it is not shared */
} Product;

static bool is_tile_float(Dtype t) { return t == DT_f32 || t == DT_f16 || t == DT_bf16; }

bool need_panels(Module *m, const Node *n) {
  (void)m;
  Type w = node_in(n, 1)->type;
  Dim width = w->dim[w->rank - 1];
  if (!is_tile_float(node_in(n, 0)->type->dtype) || !is_tile_float(w->dtype)) return false;
  return dim_is_const(width) && width->constant >= 4 && width->constant <= 64 && width->constant % 4 == 0;
}

/* The tile is cut from the panels as they are: of another target's width, too. */
static MatmulTile tile_for(const Target *t, int width) {
  if (t && t->vector_registers && matmul_tile(t).width == width) return matmul_tile(t);
  return (MatmulTile){.rows = 4, .vectors = width % 8 ? 1 : 2, .lanes = width % 8 ? width : width / 2, .width = width};
}

/* ---- one tile ---- */

static Value *splat(Kernel *k, Value *x, int64_t lanes) {
  return build(&k->b, OP_splat, 1, INS(x), ATTRS(at_i(splat, lanes, lanes)));
}

static Value *load_lanes(Kernel *k, Value *memory, Value *at, int64_t lanes) {
  return build(&k->b, OP_load, 1, INS(memory, at), ATTRS(at_i(load, lanes, lanes)));
}

static Value *multiply_add(Kernel *k, const Product *p, Value *a, Value *b, Value *c) {
  if (p->fma) return build(&k->b, OP_fma, 1, INS(a, b, c), NO_ATTRS);
  return build_binary(&k->b, OP_add, build_binary(&k->b, OP_mul, a, b), c);
}

/* sum[r * vectors + v]: the row's sums. A single row waits for memory: it is asked for ahead of time. */
static void sum_tile(Kernel *k, const Product *p, Value *row, int rows, Value **sum) {
  int vectors = p->tile.vectors;
  Value *zero = splat(k, kb_float(&k->b, DT_f32, 0), p->tile.lanes), *start[MAX_TILE], *next[MAX_TILE], *b[4], *from[MAX_TILE];
  for (int i = 0; i < rows * vectors; i++) start[i] = zero;
  for (int r = 0; r < rows; r++) {
    Value *number = kb_add(&k->b, row, kb_index(&k->b, r));
    from[r] = kb_add(&k->b, p->x_base, kb_mul(&k->b, number, p->depth));
  }
  KernelFor loop = kb_for(&k->b, kb_index(&k->b, 0), p->depth, rows * vectors, start);
  node_attr(loop.node, attr_slot(for, unroll))->i = UNROLL;
  Value *at = kb_add(&k->b, p->w_base, kb_mul(&k->b, loop.i, kb_index(&k->b, p->tile.width)));
  for (int v = 0; v < vectors; v++) {
    Value *lane = kb_add(&k->b, at, kb_index(&k->b, (int64_t)v * p->tile.lanes));
    b[v] = kb_cast(&k->b, load_lanes(k, p->w, lane, p->tile.lanes), DT_f32);
    int64_t ahead = AHEAD / (dtype_bits(p->w->type->dtype) / 8);
    if (rows == 1) build(&k->b, OP_prefetch, 0, INS(p->w, kb_add(&k->b, lane, kb_index(&k->b, ahead))), NO_ATTRS);
  }
  for (int r = 0; r < rows; r++) {
    Value *a = splat(k, kb_cast(&k->b, kb_load(&k->b, p->x, kb_add(&k->b, from[r], loop.i)), DT_f32), p->tile.lanes);
    for (int v = 0; v < vectors; v++) {
      int i = r * vectors + v;
      next[i] = multiply_add(k, p, a, b[v], loop.carried[i]);
    }
  }
  kb_for_end(&k->b, &loop, rows * vectors, next);
  memcpy(sum, loop.out, (size_t)(rows * vectors) * sizeof *sum);
}

/* ---- from the registers ---- */

static void place_row(Kernel *k, const Product *p, Value *row, Value **index) {
  Type t = p->node->out[0]->type;
  if (p->shared) {
    kernel_delinear(k, type_tensor(k->module->types, t->dtype, t->rank - 1, t->dim), row, index);
    return;
  }
  memcpy(index, p->index, (size_t)t->rank * sizeof *index);
  index[t->rank - 2] = row;
}

static void store_vectors(Kernel *k, const Product *p, Value *row, int rows, Value *const *sum) {
  Type t = p->node->out[0]->type;
  Value *index[MAX_RANK], *column[4];
  for (int v = 0; v < p->tile.vectors; v++)
    column[v] = kb_add(&k->b, p->column, kb_index(&k->b, (int64_t)v * p->tile.lanes));
  k->lanes = p->tile.lanes;
  for (int r = 0; r < rows; r++) {
    place_row(k, p, kb_add(&k->b, row, kb_index(&k->b, r)), index);
    for (int v = 0; v < p->tile.vectors; v++) {
      index[t->rank - 1] = column[v];
      kernel_store(k, 0, index, kernel_narrow(k, sum[r * p->tile.vectors + v], t->dtype));
    }
  }
  k->lanes = 0;
}

static void store_elements(Kernel *k, const Product *p, Value *row, int rows, Value *const *sum) {
  Type t = p->node->out[0]->type;
  Value *index[MAX_RANK], *width = kb_index(&k->b, p->tile.width);
  for (int i = 0; i < rows * p->tile.vectors; i++) kb_store(&k->b, p->scratch, kb_index(&k->b, (int64_t)i * p->tile.lanes), sum[i]);
  KernelFor down = kb_for(&k->b, kb_index(&k->b, 0), kb_index(&k->b, rows), 0, NULL);
  place_row(k, p, kb_add(&k->b, row, down.i), index);
  KernelFor along = kb_for(&k->b, kb_index(&k->b, 0), kb_min(&k->b, width, kb_sub(&k->b, p->columns, p->column)), 0, NULL);
  index[t->rank - 1] = kb_add(&k->b, p->column, along.i);
  Value *x = kb_load(&k->b, p->scratch, kb_add(&k->b, kb_mul(&k->b, down.i, width), along.i));
  kernel_store(k, 0, index, kernel_narrow(k, x, t->dtype));
  kb_for_end(&k->b, &along, 0, NULL);
  kb_for_end(&k->b, &down, 0, NULL);
}

static void compute_tile(Kernel *k, const Product *p, Value *row, int rows) {
  Value *sum[MAX_TILE];
  sum_tile(k, p, row, rows, sum);
  if (!p->vectors) {
    store_elements(k, p, row, rows, sum);
  } else if (!p->scratch) {
    store_vectors(k, p, row, rows, sum);
  } else {
    Value *end = kb_add(&k->b, p->column, kb_index(&k->b, p->tile.width));
    KernelWhen w = kb_when(&k->b, kb_at_most(&k->b, end, p->columns), 0);
    store_vectors(k, p, row, rows, sum);
    kb_else(&k->b, &w, 0, NULL);
    store_elements(k, p, row, rows, sum);
    kb_when_end(&k->b, &w, 0, NULL);
  }
}

/* ---- all tiles of a workgroup ---- */

/* Tiles of `rows` rows from `from` on, as many as are whole before `to`; returns where they end. */
static Value *compute_tiles(Kernel *k, const Product *p, Value *from, Value *to, int rows) {
  Value *size = kb_index(&k->b, rows), *count = kb_div(&k->b, kb_sub(&k->b, to, from), size);
  Value *end = kb_add(&k->b, from, kb_mul(&k->b, count, size));
  KernelFor loop = kb_for_step(&k->b, from, end, rows, 0, NULL);
  compute_tile(k, p, loop.i, rows);
  kb_for_end(&k->b, &loop, 0, NULL);
  return end;
}

static int64_t rows_of_group(const Product *p) { return ROWS / p->tile.rows * p->tile.rows; }

static void compute_rows(Kernel *k, const Product *p, Value *group) {
  int64_t most = rows_of_group(p), rows = p->tile.rows;
  Value *from = kb_mul(&k->b, group, kb_index(&k->b, most));
  Value *to = kb_min(&k->b, kb_add(&k->b, from, kb_index(&k->b, most)), p->row_count);
  if (!dim_is_const(p->rows)) {
    from = compute_tiles(k, p, from, to, (int)rows);
    from = compute_tiles(k, p, from, to, NARROW_TILE);
    compute_tiles(k, p, from, to, 1);
    return;
  }
  if (p->rows->constant >= rows) from = compute_tiles(k, p, from, to, (int)rows);
  if (p->rows->constant % rows) compute_tiles(k, p, from, to, (int)(p->rows->constant % rows));
}

/* ---- the kernel ---- */

static Value *group_id(Kernel *k, int axis) {
  return build(&k->b, OP_group_id, 1, 0, NULL, ATTRS(at_i(group_id, axis, axis)));
}

/* The number of the matrix that goes with the batch, in an operand whose last `own` axes are the matrix. */
static Value *matrix_number(Kernel *k, const Product *p, Type operand, int own) {
  Type t = p->node->out[0]->type;
  int batch = t->rank - 2, has = operand->rank - own;
  Value *at = kb_index(&k->b, 0);
  for (int i = 0; i < has; i++) {
    int axis = batch - has + i;
    Value *place = kernel_broadcast_place(k, operand->dim[i], t->dim[axis], p->index[axis]);
    at = kb_add(&k->b, kb_mul(&k->b, at, kernel_size(k, operand->dim[i])), place);
  }
  return at;
}

static void place_group(Kernel *k, Product *p) {
  Type x = node_in(p->node, 0)->type, w = node_in(p->node, 1)->type, t = p->node->out[0]->type;
  DimPool *pool = k->module->dims;
  Value *panel = group_id(k, 1), *matrix = kb_index(&k->b, 0), *panels = kernel_size(k, w->dim[w->rank - 3]);
  Dim batches = dim_const(pool, 1);
  p->x_base = kb_index(&k->b, 0);
  if (!p->shared) {
    Type batch = type_tensor(k->module->types, t->dtype, t->rank - 2, t->dim);
    batches = type_elements(pool, batch);
    kernel_delinear(k, batch, group_id(k, 2), p->index);
    p->x_base = kb_mul(&k->b, kb_mul(&k->b, matrix_number(k, p, x, 2), p->row_count), p->depth);
    matrix = kb_mul(&k->b, matrix_number(k, p, w, 3), panels);
  }
  Value *before = kb_mul(&k->b, kb_add(&k->b, matrix, panel), p->depth);
  p->w_base = kb_mul(&k->b, before, kb_index(&k->b, p->tile.width));
  p->column = kb_mul(&k->b, panel, kb_index(&k->b, p->tile.width));
  k->grid[0] = dim_ceildiv(pool, p->rows, dim_const(pool, rows_of_group(p)));
  k->grid[1] = w->dim[w->rank - 3];
  if (!p->shared) k->grid[2] = batches;
}

/* Whole panels leave as vectors; the last, which may not be whole, and what has no vectors leave one by one. */
static void choose_exit(Kernel *k, Product *p) {
  int64_t columns;
  p->vectors = kernel_can_vectorise(k, p->node);
  bool whole = kb_known(p->columns, &columns) && columns % p->tile.width == 0;
  if (!p->vectors || !whole) p->scratch = kb_memory(&k->b, DT_f32, (int64_t)p->tile.rows * p->tile.width);
}

bool lower_matmul_panels(Kernel *k, const Node *n) {
  Type x = node_in(n, 0)->type, w = node_in(n, 1)->type, t = n->out[0]->type;
  DimPool *pool = k->module->dims;
  Product p = {.node = n, .tile = tile_for(k->target, (int)w->dim[w->rank - 1]->constant)};
  p.fma = k->target && target_has(k->target, FEATURE_fma);
  p.shared = w->rank == 3;
  p.rows = t->dim[t->rank - 2];
  for (int i = 0; i < t->rank - 2 && p.shared; i++) p.rows = dim_mul(pool, p.rows, t->dim[i]);
  p.row_count = kernel_size(k, p.rows);
  p.depth = kernel_size(k, x->dim[x->rank - 1]);
  p.columns = kernel_size(k, t->dim[t->rank - 1]);
  p.x = kernel_operand(k, node_in(n, 0));
  p.w = kernel_operand(k, node_in(n, 1));
  choose_exit(k, &p);
  place_group(k, &p);
  compute_rows(k, &p, group_id(k, 0));
  return true;
}
