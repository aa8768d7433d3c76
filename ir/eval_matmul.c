/* eval_matmul.c -- the reference product of matrices.
 *
 * Numbers are brought as doubles into tiles that stay in the cache, so that the inner loop is the same for every element
 * type and order of axes, and the compiler can vectorise it. Each element of the result sums its products in the order
 * of k. Products of integers of 16 bits and less, and their sums, are exact in a double. */
#include "ir/eval.h"

enum { TILE_M = 64, TILE_N = 64, TILE_K = 256 };

typedef struct Tiles {
  double a[TILE_M][TILE_K], b[TILE_K][TILE_N], c[TILE_M][TILE_N];
  double run[TILE_K];
} Tiles;

/* Element (i, j) stands at base + i*row + j*col. */
typedef struct Matrix {
  const Tensor *t;
  int64_t base, rows, cols, row, col;
} Matrix;

static Matrix matrix_of(const Tensor *t, bool transposed, bool left) {
  int64_t last = t->dim[t->rank - 1];
  if (t->rank == 1) return left ? (Matrix){t, 0, 1, last, last, 1} : (Matrix){t, 0, last, 1, 1, last};
  int64_t other = t->dim[t->rank - 2];
  return transposed ? (Matrix){t, 0, last, other, 1, last} : (Matrix){t, 0, other, last, last, 1};
}

/* A block of the matrix, [rows, cols], into a tile whose rows are `width` apart; read along the contiguous axis. */
static void read_tile(const Matrix *m, int64_t i0, int64_t rows, int64_t j0, int64_t cols, double *run, double *to,
                      int64_t width) {
  int64_t at = m->base + i0 * m->row + j0 * m->col;
  if (m->col == 1) {
    for (int64_t i = 0; i < rows; i++) tensor_read_f(m->t, at + i * m->row, cols, to + i * width);
    return;
  }
  for (int64_t j = 0; j < cols; j++) { /* row stride 1 */
    tensor_read_f(m->t, at + j * m->col, rows, run);
    for (int64_t i = 0; i < rows; i++) to[i * width + j] = run[i];
  }
}

static void multiply_tiles(Tiles *t, int64_t m, int64_t n, int64_t k) {
  for (int64_t i = 0; i < m; i++) {
    double *c = t->c[i];
    for (int64_t p = 0; p < k; p++) {
      double x = t->a[i][p];
      const double *b = t->b[p];
      if (n > 8) /* columns past n are there, and nobody looks at them */
        for (int j = 0; j < TILE_N; j++) c[j] += x * b[j];
      else
        for (int64_t j = 0; j < n; j++) c[j] += x * b[j];
    }
  }
}

/* Sums of narrow integers wrap at 32 bits. */
static void write_row(Tensor *out, int64_t at, int64_t n, double *v, bool ints) {
  for (int64_t j = 0; ints && j < n; j++) v[j] = (double)(int32_t)(uint32_t)(uint64_t)(int64_t)v[j];
  tensor_write_f(out, at, n, v);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static void multiply(Tiles *t, const Matrix *a, const Matrix *b, Tensor *out, int64_t base, bool ints) {
  int64_t m = a->rows, n = b->cols, k = a->cols;
  for (int64_t j0 = 0; j0 < n; j0 += TILE_N)
    for (int64_t i0 = 0; i0 < m; i0 += TILE_M) {
      int64_t rows = least(TILE_M, m - i0), cols = least(TILE_N, n - j0);
      memset(t->c, 0, sizeof t->c);
      for (int64_t k0 = 0; k0 < k; k0 += TILE_K) {
        int64_t depth = least(TILE_K, k - k0);
        read_tile(a, i0, rows, k0, depth, t->run, t->a[0], TILE_K);
        read_tile(b, k0, depth, j0, cols, t->run, t->b[0], TILE_N);
        multiply_tiles(t, rows, cols, depth);
      }
      for (int64_t i = 0; i < rows; i++) write_row(out, base + (i0 + i) * n + j0, cols, t->c[i], ints);
    }
}

/* Integers of 32 and 64 bits, which wrap. */
static void multiply_wide(const Matrix *a, const Matrix *b, Tensor *out, int64_t base) {
  for (int64_t i = 0; i < a->rows; i++)
    for (int64_t j = 0; j < b->cols; j++) {
      uint64_t sum = 0;
      for (int64_t p = 0; p < a->cols; p++)
        sum += (uint64_t)tensor_i(a->t, a->base + i * a->row + p * a->col) *
               (uint64_t)tensor_i(b->t, b->base + p * b->row + j * b->col);
      dtype_set_i(out->dtype, out->data, base + i * b->cols + j, (int64_t)sum);
    }
}

/* Where the matrices of the result's batch number `i` begin in an operand whose batch axes broadcast. */
static int64_t batch_base(const Tensor *out, int batch_rank, int64_t i, const Tensor *t) {
  int rank = t->rank > 2 ? t->rank - 2 : 0;
  int64_t stride = t->rank > 1 ? t->dim[t->rank - 1] * t->dim[t->rank - 2] : 0, base = 0;
  for (int axis = 1; axis <= rank; axis++) { /* from the right */
    int64_t size = t->dim[rank - axis], at = i % out->dim[batch_rank - axis];
    i /= out->dim[batch_rank - axis];
    base += (size == 1 ? 0 : at) * stride;
    stride *= size;
  }
  return base;
}

static bool is_int_product(const Tensor *a, const Tensor *b) { return dtype_is_int(a->dtype) && !b->encoded; }

bool eval_matmul(EvalCall *c) {
  const Tensor *ta = c->in[0], *tb = c->in[1];
  Tensor *out = c->out[0];
  if (out->count == 0) return true;
  Matrix a = matrix_of(ta, node_bool(c->node, matmul, transa), true);
  Matrix b = matrix_of(tb, node_bool(c->node, matmul, transb), false);
  bool ints = is_int_product(ta, tb), wide = ints && (dtype_bits(ta->dtype) >= 32 || dtype_bits(tb->dtype) >= 32);
  int batch_rank = out->rank - (ta->rank > 1) - (tb->rank > 1);
  int64_t size = a.rows * b.cols, batches = out->count / size;
  Tensor *scratch = eval_scratch(c, sizeof(Tiles) / sizeof(double));
  if (!scratch) return false;
  for (int64_t i = 0; i < batches; i++) {
    a.base = batch_base(out, batch_rank, i, ta);
    b.base = batch_base(out, batch_rank, i, tb);
    if (wide)
      multiply_wide(&a, &b, out, i * size);
    else
      multiply(scratch->data, &a, &b, out, i * size, ints);
  }
  tensor_release(scratch);
  return true;
}

/* ---- a matrix in panels ---- */

typedef struct Panels {
  const Tensor *x, *w;
  int64_t depth, tile, pair; /* pair: products side by side, 1 or 2 */
} Panels;

static Panels panels_of(const Node *n, const Tensor *x, const Tensor *w) {
  bool pairs = node_bool(n, matmul_panels, pairs);
  Panels p = {.x = x, .w = w, .pair = pairs ? 2 : 1};
  p.tile = w->dim[w->rank - 1 - pairs];
  p.depth = w->dim[w->rank - 2 - pairs] * p.pair;
  return p;
}

/* The row begins at `row` in x, the matrix at `base` in w. */
static double panel_sum(const Panels *p, int64_t row, int64_t base, int64_t column) {
  int64_t at = base + column / p->tile * p->depth * p->tile + column % p->tile * p->pair;
  double sum = 0;
  for (int64_t i = 0; i < p->depth; i++) sum += tensor_f(p->x, row + i) * tensor_f(p->w, at + i / p->pair * p->tile * p->pair + i % p->pair);
  return sum;
}

bool eval_matmul_panels(EvalCall *c) {
  Tensor *out = c->out[0];
  Panels p = panels_of(c->node, c->in[0], c->in[1]);
  int64_t columns = out->dim[out->rank - 1], rows = out->dim[out->rank - 2];
  int64_t matrix[MAX_RANK], rank = p.w->rank - (p.pair == 2) - 1; /* w as [.., panels, the rest]: so many matrices of batches */
  memcpy(matrix, p.w->dim, sizeof matrix);
  matrix[rank - 1] = p.depth * p.tile;
  Tensor *flat = tensor_view((Tensor *)(uintptr_t)p.w, (int)rank, matrix);
  for (int64_t i = 0; i < out->count; i++) {
    int64_t batch = i / (rows * columns), row = i / columns % rows;
    double sum = panel_sum(&p, batch_base(out, out->rank - 2, batch, p.x) + row * p.depth, batch_base(out, out->rank - 2, batch, flat), i % columns);
    tensor_write_f(out, i, 1, &sum);
  }
  tensor_release(flat);
  return true;
}
