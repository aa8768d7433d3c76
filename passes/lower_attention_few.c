/* lower_attention_few.c -- attention in tiles, where rows are few: their scores, a vector of which is one row's, of several keys.
 *
 * Keys that lie row by row are turned in registers, square by square; of those that lie in panels a load is such a vector. */
#include "ir/fatal.h"
#include "passes/attention_tiles.h"

/* Can keys be turned two elements at once? */
static bool key_pairs(const Tiles *t) { return dtype_bits(t->k->type->dtype) == 16 && t->d % (2 * t->lanes) == 0; }

/* One of the two 16-bit floats in each lane. */
static Value *half_of(Kernel *k, Value *pair, int which, Dtype type) {
  int64_t lanes = pair->type->lanes;
  Value *shift = kb_splat(&k->b, kb_int(&k->b, DT_u32, 16), lanes);
  if (type == DT_bf16) { /* the upper half of an f32 */
    Value *mask = kb_splat(&k->b, kb_int(&k->b, DT_u32, 0xffff0000), lanes);
    Value *bits = which ? binary(k, OP_and, pair, mask) : binary(k, OP_shl, pair, shift);
    return build(&k->b, OP_bitcast, 1, INS(bits), ATTRS(at_i(bitcast, to, (int64_t)DT_f32)));
  }
  Value *bits = kb_cast(&k->b, which ? binary(k, OP_shr, pair, shift) : pair, DT_u16);
  Value *half = build(&k->b, OP_bitcast, 1, INS(bits), ATTRS(at_i(bitcast, to, (int64_t)type)));
  return kb_cast(&k->b, half, DT_f32);
}

/* 0, 1, 2, .. */
static Value *lane_numbers(Kernel *k, const Tiles *t) {
  Value *number[MAX_TURNED];
  for (int i = 0; i < t->lanes; i++) number[i] = kb_int(&k->b, DT_i32, i);
  return build(&k->b, OP_pack, 1, (int)t->lanes, number, NO_ATTRS);
}

/* The products of a square of what `lanes` keys, which lie together from `from` on, hold from `at` on: it is turned so that a
 * vector has one element of each; two 16-bit elements are turned as one. */
static void multiply_square(Kernel *k, const Tiles *t, Value *from, Value *at, Value **sum) {
  Dtype type = t->k->type->dtype;
  int64_t n = t->lanes, both = key_pairs(t) ? 2 : 1, bytes = dtype_bits(type) / 8;
  Value *v[MAX_TURNED], *place = add(k, from, at);
  for (int64_t i = 0; i < n * n * both * bytes; i += LINE)
    tiles_ask_ahead(k, t, t->k, add(k, from, times(k, at, n)), (KEYS_AHEAD + i) / bytes);
  for (int i = 0; i < n; i++) {
    Value *row = add(k, place, kb_mul(&k->b, num(k, i), t->k_step));
    v[i] = both == 2 ? build(&k->b, OP_load, 1, INS(t->k, row), ATTRS(at_i(load, lanes, n), at_i(load, as, DT_u32)))
                     : kb_cast(&k->b, load(k, t, t->k, row), DT_f32);
  }
  kb_transpose(&k->b, v, (int)n);
  for (int x = 0; x < n * both; x++) {
    Value *key = both == 2 ? half_of(k, v[x / 2], x % 2, type) : v[x];
    for (int r = 0; r < t->rows; r++) {
      Value *q = kb_load(&k->b, t->queries, add(k, at, num(k, r * t->d + x)));
      sum[r] = fma3(k, t, splat(k, t, q), key, sum[r]);
    }
  }
}

/* The same of one element, of keys that may be past the last. */
static void multiply_gathered(Kernel *k, const Tiles *t, Value *key, Value *at, Value **sum) {
  Value *v[MAX_TURNED];
  for (int i = 0; i < t->lanes; i++) {
    Value *row = tiles_key(k, t, add(k, key, num(k, i)));
    v[i] = kb_cast(&k->b, kb_load(&k->b, t->k, add(k, row, at)), DT_f32);
  }
  Value *turned = build(&k->b, OP_pack, 1, (int)t->lanes, v, NO_ATTRS);
  for (int r = 0; r < t->rows; r++) {
    Value *q = kb_load(&k->b, t->queries, add(k, at, num(k, r * t->d)));
    sum[r] = fma3(k, t, splat(k, t, q), turned, sum[r]);
  }
}

static void multiply_keys_with_few(Kernel *k, const Tiles *t, Value *key, bool whole, Value **sum) {
  int64_t step = !whole ? 1 : t->lanes * (key_pairs(t) ? 2 : 1);
  int rows = (int)t->rows;
  Value *next[FEW];
  for (int r = 0; r < rows; r++) next[r] = splat(k, t, real(k, 0));
  KernelFor f = kb_for_step(&k->b, num(k, 0), num(k, t->d), step, rows, next);
  node_attr(f.node, attr_slot(for, unroll))->i = 1;
  memcpy(next, f.carried, (size_t)rows * sizeof *next);
  if (whole) multiply_square(k, t, tiles_key(k, t, key), f.i, next);
  else multiply_gathered(k, t, key, f.i, next);
  kb_for_end(&k->b, &f, rows, next);
  memcpy(sum, f.out, (size_t)rows * sizeof *sum);
}

/* One row's scores of `lanes` keys, the first of which is `at` of the block: its largest so far goes on. */
static Value *score_row(Kernel *k, const Tiles *t, int r, Value *at, Value *number, Value *sum, Value *most) {
  Value *place = add(k, num(k, r * KEYS), at), *seen = NULL;
  if (t->to) seen = kb_less(&k->b, number, splat(k, t, kb_load(&k->b, t->to, num(k, r))));
  if (t->from) seen = kb_and(&k->b, seen, kb_at_most(&k->b, splat(k, t, kb_load(&k->b, t->from, num(k, r))), number));
  Value *score = tiles_finish_score(k, t, sum, t->bias ? load(k, t, t->bias, place) : NULL, seen);
  store(k, t->scores, place, score);
  return larger(k, score, most);
}

/* The scores of `lanes` keys, the first of which is `at` of the block, with all rows; most[] goes on. */
static void score_keys(Kernel *k, const Tiles *t, Value *block, Value *at, Value **most) {
  int rows = (int)t->rows;
  Value *key = add(k, block, at), *end = add(k, t->ring ? tiles_slot(k, t, key) : key, num(k, t->lanes)), *sum[FEW];
  if (t->d % t->lanes == 0) {
    KernelWhen whole = kb_when(&k->b, kb_at_most(&k->b, end, t->keys), rows);
    multiply_keys_with_few(k, t, key, true, sum);
    kb_else(&k->b, &whole, rows, sum);
    multiply_keys_with_few(k, t, key, false, sum);
    kb_when_end(&k->b, &whole, rows, sum);
    memcpy(sum, whole.out, (size_t)rows * sizeof *sum);
  } else {
    multiply_keys_with_few(k, t, key, false, sum);
  }
  Value *number = binary(k, OP_add, splat(k, t, kb_cast(&k->b, key, DT_i32)), lane_numbers(k, t));
  for (int r = 0; r < rows; r++) most[r] = score_row(k, t, r, at, number, sum[r], most[r]);
}

/* ---- scores of few rows and keys in panels ---- */

/* Vectors of a panel that are taken at once: sums of all rows by them stay in registers. */
static int panel_vectors(const Tiles *t) {
  int most = (int)(STATE_PANEL / t->lanes), n = 1;
  while (n * 2 <= most && n * 2 * t->rows <= (t->lanes == 16 ? MAX_PANEL_SUMS : MAX_PANEL_SUMS / 2)) n *= 2;
  return n;
}

/* sum[r * vectors + v] = row r's products with the keys from `key` on */
static void multiply_panel(Kernel *k, const Tiles *t, Value *key, Value **sum) {
  int vectors = panel_vectors(t), n = (int)t->rows * vectors, each = t->d % 4 ? 1 : 4;
  int64_t bytes = dtype_bits(t->k->type->dtype) / 8;
  Value *from = tiles_key(k, t, key), *v[MAX_PANEL_SUMS];
  for (int i = 0; i < n; i++) sum[i] = splat(k, t, real(k, 0));
  KernelFor f = kb_for_step(&k->b, num(k, 0), num(k, t->d), each, n, sum);
  node_attr(f.node, attr_slot(for, unroll))->i = 1;
  memcpy(sum, f.carried, (size_t)n * sizeof *sum);
  Value *at = add(k, from, times(k, f.i, STATE_PANEL));
  for (int64_t i = 0; i < each * STATE_PANEL * bytes; i += LINE) tiles_ask_ahead(k, t, t->k, at, (KEYS_AHEAD + i) / bytes);
  for (int x = 0; x < each; x++) {
    for (int i = 0; i < vectors; i++)
      v[i] = kb_cast(&k->b, load(k, t, t->k, add(k, at, num(k, x * STATE_PANEL + i * t->lanes))), DT_f32);
    for (int r = 0; r < t->rows; r++) {
      Value *q = splat(k, t, kb_load(&k->b, t->queries, add(k, f.i, num(k, r * t->d + x))));
      for (int i = 0; i < vectors; i++) sum[r * vectors + i] = fma3(k, t, q, v[i], sum[r * vectors + i]);
    }
  }
  kb_for_end(&k->b, &f, n, sum);
  memcpy(sum, f.out, (size_t)n * sizeof *sum);
}

/* The scores of keys that lie in one panel, the first of which is `at` of the block, with all rows; most[] goes on. */
static void score_panel(Kernel *k, const Tiles *t, Value *block, Value *at, Value **most) {
  int vectors = panel_vectors(t);
  Value *sum[MAX_PANEL_SUMS], *key = add(k, block, at);
  multiply_panel(k, t, key, sum);
  for (int i = 0; i < vectors; i++) {
    Value *place = add(k, at, num(k, i * t->lanes)), *first = kb_cast(&k->b, add(k, block, place), DT_i32);
    Value *number = binary(k, OP_add, splat(k, t, first), lane_numbers(k, t));
    for (int r = 0; r < t->rows; r++) most[r] = score_row(k, t, r, place, number, sum[r * vectors + i], most[r]);
  }
}

/* How many keys are scored at once; weights are added up by WAYS. */
int64_t tiles_key_step(const Tiles *t) {
  int64_t few = t->lanes * (t->few && t->turned ? panel_vectors(t) : 1);
  return t->few && few > KEY_TILE ? few : KEY_TILE;
}

static void stage_bias_of_few(Kernel *k, const Tiles *t, Value *block, Value *from, Value *to) {
  for (int r = 0; r < t->rows; r++) {
    Row row = tiles_row(k, t, num(k, r));
    KernelFor f = kb_for(&k->b, from, to, 0, NULL);
    store(k, t->bias, add(k, num(k, r * KEYS), f.i), tiles_bias(k, t, row, add(k, block, f.i)));
    kb_for_end(&k->b, &f, 0, NULL);
  }
}

static Value *round_up(Kernel *k, Value *x, int64_t to) {
  return times(k, kb_div(&k->b, add(k, x, num(k, to - 1)), num(k, to)), to);
}

void tiles_score_by_keys(Kernel *k, const Tiles *t, Value *block, Value *from, Value *to) {
  Value *start[FEW], *next[FEW];
  if (t->bias) stage_bias_of_few(k, t, block, from, round_up(k, to, tiles_key_step(t)));
  for (int r = 0; r < t->rows; r++) start[r] = lowest(k, t);
  KernelFor f = kb_for_step(&k->b, from, round_up(k, to, tiles_key_step(t)), t->turned ? t->lanes * panel_vectors(t) : t->lanes, (int)t->rows, start);
  memcpy(next, f.carried, (size_t)t->rows * sizeof *next);
  if (t->turned) score_panel(k, t, block, f.i, next);
  else score_keys(k, t, block, f.i, next);
  kb_for_end(&k->b, &f, (int)t->rows, next);
  for (int r = 0; r < t->rows; r++) store(k, t->block.most, num(k, r), kb_largest_lane(&k->b, f.out[r]));
}
