/* lower_attention_tiles.c -- softmax attention in blocks of queries and keys, on vectors.
 *
 * A workgroup takes some rows of the result that read the same keys and values: the queries of all heads that share them,
 * query by query. Where queries name their sequence (of a cache), those that follow each other and name the same are a run,
 * which is cut at multiples of what a workgroup takes; the workgroup of a query that begins no piece of a run does nothing. Keys are taken in blocks of KEYS that lie where their numbers say. A block has scores, a largest one, weights
 * e^(score - largest), their sum, and the values' sum by these weights; all of it is then added to what the part of PART
 * keys has so far, both rescaled to the larger of the two largest; and so are the parts. Each number is made in an order
 * that only the key's number and the element's give:
 *
 *   score    one chain of multiply-adds along the head, from its first element on
 *   weights  added up as kernel_fold does: key i goes to sum i mod 8, these are added by halves
 *   values   one chain of multiply-adds along the block's keys
 *
 * so that a row comes out the same to the bit among many rows, where vectors run along rows, and among few, where they
 * run along keys. Keys that a row does not see weigh -0, which changes no sum. */
#include "ir/fatal.h"
#include "passes/attention_tiles.h"

static Value *group_id(Kernel *k, int axis) {
  return build(&k->b, OP_group_id, 1, 0, NULL, ATTRS(at_i(group_id, axis, axis)));
}

/* The largest score, or 0 where there is none, so that -inf minus it is -inf. */
static Value *not_lowest(Kernel *k, const Tiles *t, Value *most) {
  return kb_where(&k->b, kb_equal(&k->b, most, lowest(k, t)), splat(k, t, real(k, 0)), most);
}

/* ---- rows ---- */

static Value *queries_of(Kernel *k, const Tiles *t) { return kernel_size(k, node_in(t->node, 0)->type->dim[2]); }

/* Row r of the workgroup; what is past the last is the last again. */
Row tiles_row(Kernel *k, const Tiles *t, Value *r) {
  Value *row = add(k, t->first, kb_min(&k->b, r, kb_sub(&k->b, t->count, num(k, 1)))), *share = num(k, t->share);
  Value *query = kb_div(&k->b, row, share), *h = add(k, times(k, t->g, t->share), kb_mod(&k->b, row, share));
  if (!t->runs) return (Row){t->b, query, h};
  return (Row){kb_div(&k->b, query, queries_of(k, t)), kb_mod(&k->b, query, queries_of(k, t)), h};
}

static void load_query(Kernel *k, const Tiles *t, Value *r, Row row) {
  KernelFor f = kb_for(&k->b, num(k, 0), num(k, t->d), 0, NULL);
  Value *q = kb_cast(&k->b, kernel_pull(k, node_in(t->node, 0), (Value *[]){row.b, row.h, row.i, f.i}), DT_f32);
  Value *at = t->few ? add(k, times(k, r, t->d), f.i) : add(k, times(k, f.i, t->pad), r);
  store(k, t->queries, at, q);
  kb_for_end(&k->b, &f, 0, NULL);
}

static Value *from_base(Kernel *k, const Tiles *t, Value *position) {
  Value *none = kb_int(&k->b, DT_i64, 0);
  return kb_cast(&k->b, t->base ? binary(k, OP_max, binary(k, OP_sub, position, t->base), none) : position, DT_index);
}

/* The keys that a row sees. A ring still holds the last ones only. */
static void row_bounds(Kernel *k, const Tiles *t, Row row, Value **from, Value **to) {
  attention_visible_keys(k, t->node, row.b, row.i, from, to);
  if (t->ring) *from = binary(k, OP_max, *from, attention_ring_start(k, t->node, row.b));
  *from = from_base(k, t, *from);
  *to = from_base(k, t, *to);
}

/* The queries, what each sees, and what any of them sees. */
static void load_rows(Kernel *k, Tiles *t) {
  bool bounds = t->ends || t->begins;
  Value *start[] = {t->keys, num(k, 0)};
  KernelFor f = kb_for(&k->b, num(k, 0), num(k, t->few ? t->rows : t->pad), bounds ? 2 : 0, start);
  Row row = tiles_row(k, t, f.i);
  load_query(k, t, f.i, row);
  if (bounds) {
    Value *from, *to;
    row_bounds(k, t, row, &from, &to);
    if (t->from) store(k, t->from, f.i, kb_cast(&k->b, from, DT_i32));
    if (t->to) store(k, t->to, f.i, kb_cast(&k->b, to, DT_i32));
    Value *next[] = {kb_min(&k->b, f.carried[0], from), kb_max(&k->b, f.carried[1], to)};
    kb_for_end(&k->b, &f, 2, next);
    t->low = kb_max(&k->b, f.out[0], num(k, 0));
    t->high = f.out[1];
  } else {
    kb_for_end(&k->b, &f, 0, NULL);
    t->low = num(k, 0);
    t->high = t->keys;
  }
}

/* ---- scores ---- */

static bool bias_is_by_row(const Node *n) {
  Type t = node_in(n, 3)->type;
  return (t->rank > 1 && !dim_is(t->dim[t->rank - 2], 1)) || (t->rank > 2 && !dim_is(t->dim[t->rank - 3], 1));
}

/* Where a key lies among the keys. Behind the last it is the last. */
Value *tiles_slot(Kernel *k, const Tiles *t, Value *key) {
  if (t->ring) return kb_mod(&k->b, add(k, t->base_slot, key), t->keys);
  return kb_min(&k->b, key, kb_sub(&k->b, t->keys, num(k, 1)));
}

/* What is added to a score, of a mask 0 or -inf. */
Value *tiles_bias(Kernel *k, const Tiles *t, Row row, Value *key) {
  const Value *bias = node_in(t->node, 3);
  Value *v = kernel_pull_broadcast(k, bias, t->scores_type, (Value *[]){row.b, row.h, row.i, tiles_slot(k, t, key)});
  if (bias->type->dtype == DT_bool) return kb_where(&k->b, v, real(k, 0), real(k, -INFINITY));
  return kb_cast(&k->b, v, DT_f32);
}

/* From a product to a score: scaled, capped, biased; -inf where the key is not seen, whatever it holds. */
Value *tiles_finish_score(Kernel *k, const Tiles *t, Value *x, Value *bias, Value *seen) {
  double cap = node_float(t->node, attention, softcap);
  x = binary(k, OP_mul, x, splat(k, t, t->scale));
  if (cap != 0) {
    Value *c = splat(k, t, real(k, cap));
    x = binary(k, OP_mul, c, build_unary(&k->b, OP_tanh, binary(k, OP_div, x, c)));
  }
  if (bias) {
    Value *masked = kb_equal(&k->b, bias, lowest(k, t));
    x = kb_where(&k->b, masked, lowest(k, t), binary(k, OP_add, x, bias));
  }
  return seen ? kb_where(&k->b, seen, x, lowest(k, t)) : x;
}

/* Where a key begins, and how far apart its elements are. A tile of keys and a panel both begin at multiples of their size: so
 * one of them is within the other, and there are no keys past the last. */
Value *tiles_key(Kernel *k, const Tiles *t, Value *key) {
  if (!t->turned) return add(k, t->k_base, kb_mul(&k->b, tiles_slot(k, t, key), t->k_step));
  Value *slot = t->ring ? tiles_slot(k, t, key) : key, *panel = num(k, STATE_PANEL);
  return add(k, add(k, t->k_base, kb_mul(&k->b, kb_div(&k->b, slot, panel), t->k_step)), kb_mod(&k->b, slot, panel));
}

static int64_t key_stride(const Tiles *t) { return t->turned ? STATE_PANEL : 1; }

/* And of its values, of a key that is there. */
static Value *value_row(Kernel *k, const Tiles *t, Value *key) {
  return add(k, t->v_base, kb_mul(&k->b, t->ring ? tiles_slot(k, t, key) : key, t->v_step));
}

/* Few rows wait for memory: it is asked for ahead of time, but where f32 lies in the order in which it is read, which processors
 * foresee better by themselves. */
void tiles_ask_ahead(Kernel *k, const Tiles *t, Value *memory, Value *at, int64_t ahead) {
  if (t->turned && memory->type->dtype == DT_f32) return;
  build(&k->b, OP_prefetch, 0, INS(memory, add(k, at, num(k, ahead))), NO_ATTRS);
}

/* ---- scores of many rows: a vector is one key's, of several rows ---- */

/* The keys of a tile that are in one panel. */
static void stage_panel(Kernel *k, const Tiles *t, Value *key) {
  Value *from = tiles_key(k, t, key);
  KernelFor f = kb_for(&k->b, num(k, 0), num(k, t->d), 0, NULL);
  Value *x = kb_load_lanes(&k->b, t->k, add(k, from, times(k, f.i, STATE_PANEL)), KEY_TILE);
  store(k, t->staged, times(k, f.i, KEY_TILE), kb_cast(&k->b, x, DT_f32));
  kb_for_end(&k->b, &f, 0, NULL);
}

/* Keys of other types are converted, KEY_TILE at once. */
static void stage_keys(Kernel *k, const Tiles *t, Value *key) {
  if (t->turned) {
    stage_panel(k, t, key);
    return;
  }
  for (int i = 0; i < KEY_TILE; i++) {
    Value *row = tiles_key(k, t, add(k, key, num(k, i)));
    KernelFor f = kb_for(&k->b, num(k, 0), num(k, t->d), 0, NULL);
    Value *x = kb_cast(&k->b, kb_load(&k->b, t->k, add(k, row, f.i)), DT_f32);
    store(k, t->staged, add(k, f.i, num(k, i * t->d)), x);
    kb_for_end(&k->b, &f, 0, NULL);
  }
}

static void stage_bias(Kernel *k, const Tiles *t, Value *key) {
  KernelFor f = kb_for(&k->b, num(k, 0), num(k, t->pad), 0, NULL);
  Row row = tiles_row(k, t, f.i);
  for (int i = 0; i < KEY_TILE; i++)
    store(k, t->bias, add(k, f.i, num(k, i * t->pad)), tiles_bias(k, t, row, add(k, key, num(k, i))));
  kb_for_end(&k->b, &f, 0, NULL);
}

/* Where the keys of a tile begin, and how far apart their elements are. */
static int64_t place_tile(Kernel *k, const Tiles *t, Value *key, Value **from) {
  Value *panel = t->turned && !t->staged ? tiles_key(k, t, key) : num(k, 0);
  for (int i = 0; i < KEY_TILE; i++)
    if (t->turned) from[i] = add(k, panel, num(k, i));
    else from[i] = t->staged ? num(k, i * t->d) : tiles_key(k, t, add(k, key, num(k, i)));
  return t->turned && t->staged ? KEY_TILE : key_stride(t);
}

/* sum[i * vectors + v] = products of KEY_TILE keys with the queries from row `row` on */
static void multiply_keys(Kernel *k, const Tiles *t, Value *row, Value *key, int vectors, Value **sum) {
  int n = KEY_TILE * vectors;
  Value *from[KEY_TILE], *start[KEY_TILE * MAX_ROW_VECTORS], *next[KEY_TILE * MAX_ROW_VECTORS], *q[MAX_ROW_VECTORS];
  int64_t stride = place_tile(k, t, key, from);
  for (int i = 0; i < n; i++) start[i] = splat(k, t, real(k, 0));
  KernelFor f = kb_for(&k->b, num(k, 0), num(k, t->d), n, start);
  Value *at = add(k, times(k, f.i, t->pad), row);
  for (int v = 0; v < vectors; v++) q[v] = load(k, t, t->queries, add(k, at, num(k, v * t->lanes)));
  for (int i = 0; i < KEY_TILE; i++) {
    Value *x = splat(k, t, kb_load(&k->b, t->staged ? t->staged : t->k, add(k, from[i], times(k, f.i, stride))));
    for (int v = 0; v < vectors; v++) next[i * vectors + v] = fma3(k, t, x, q[v], f.carried[i * vectors + v]);
  }
  kb_for_end(&k->b, &f, n, next);
  memcpy(sum, f.out, (size_t)n * sizeof *sum);
}

/* Which of these rows see the key; NULL: all. */
static Value *rows_that_see(Kernel *k, const Tiles *t, Value *row, Value *key) {
  Value *number = splat(k, t, kb_cast(&k->b, key, DT_i32)), *seen = NULL;
  if (t->to) seen = kb_less(&k->b, number, load(k, t, t->to, row));
  return t->from ? kb_and(&k->b, seen, kb_at_most(&k->b, load(k, t, t->from, row), number)) : seen;
}

/* The scores of KEY_TILE keys, the first of which is `at` of the block, with some rows. */
static void score_tile(Kernel *k, const Tiles *t, Value *row, Value *block, Value *at, int vectors) {
  Value *sum[KEY_TILE * MAX_ROW_VECTORS], *key = add(k, block, at), *one_for_all[KEY_TILE] = {0};
  multiply_keys(k, t, row, key, vectors, sum);
  for (int i = 0; i < KEY_TILE && node_in(t->node, 3) && !t->bias; i++)
    one_for_all[i] = splat(k, t, tiles_bias(k, t, (Row){t->b, num(k, 0), num(k, 0)}, add(k, key, num(k, i))));
  for (int v = 0; v < vectors; v++) {
    Value *place = add(k, row, num(k, v * t->lanes)), *most = load(k, t, t->block.most, place);
    for (int i = 0; i < KEY_TILE; i++) {
      Value *bias = t->bias ? load(k, t, t->bias, add(k, place, num(k, i * t->pad))) : one_for_all[i];
      Value *seen = rows_that_see(k, t, place, add(k, key, num(k, i)));
      Value *score = tiles_finish_score(k, t, sum[i * vectors + v], bias, seen);
      most = larger(k, score, most);
      store(k, t->scores, add(k, times(k, add(k, at, num(k, i)), t->pad), place), score);
    }
    store(k, t->block.most, place, most);
  }
}

/* Rows from `from` up to `to`, a number of whole vectors, so many vectors at once; returns where it ends. */
static Value *score_rows(Kernel *k, const Tiles *t, Value *block, Value *at, Value *from, Value *to, int vectors) {
  int64_t step = vectors * t->lanes, n;
  Value *count = kb_div(&k->b, kb_sub(&k->b, to, from), num(k, step)), *end = add(k, from, times(k, count, step));
  if (kb_known(count, &n) && n == 0) return from;
  KernelFor f = kb_for_step(&k->b, from, end, step, 0, NULL);
  score_tile(k, t, f.i, block, at, vectors);
  kb_for_end(&k->b, &f, 0, NULL);
  return end;
}

static Value *whole_vectors(Kernel *k, const Tiles *t) {
  return times(k, kb_div(&k->b, add(k, t->count, num(k, t->lanes - 1)), num(k, t->lanes)), t->lanes);
}

/* Keys `from` up to `to` of the block, from a multiple of KEY_TILE on. */
static void score_block_by_rows(Kernel *k, const Tiles *t, Value *block, Value *from, Value *to) {
  Value *rows = whole_vectors(k, t);
  KernelFor clear = kb_for_step(&k->b, num(k, 0), rows, t->lanes, 0, NULL);
  store(k, t->block.most, clear.i, lowest(k, t));
  kb_for_end(&k->b, &clear, 0, NULL);
  KernelFor f = kb_for_step(&k->b, from, to, KEY_TILE, 0, NULL);
  Value *key = add(k, block, f.i);
  if (t->staged) stage_keys(k, t, key);
  if (t->bias) stage_bias(k, t, key);
  Value *done = score_rows(k, t, block, f.i, num(k, 0), rows, MAX_ROW_VECTORS);
  score_rows(k, t, block, f.i, done, rows, 1);
  kb_for_end(&k->b, &f, 0, NULL);
}

/* ---- weights ---- */

/* Sums by key number mod WAYS, by halves. */
static Value *by_halves(Kernel *k, Value **sum, int n) {
  for (int half = n / 2; half; half /= 2)
    for (int i = 0; i < half; i++) sum[i] = binary(k, OP_add, sum[i], sum[i + half]);
  return sum[0];
}

/* Each row's weights in place of its scores, and their sum. */
static void weigh_by_rows(Kernel *k, const Tiles *t, Value *from, Value *to) {
  KernelFor rows = kb_for_step(&k->b, num(k, 0), whole_vectors(k, t), t->lanes, 0, NULL);
  Value *most = not_lowest(k, t, load(k, t, t->block.most, rows.i)), *start[WAYS], *next[WAYS];
  for (int i = 0; i < WAYS; i++) start[i] = splat(k, t, real(k, 0));
  KernelFor f = kb_for_step(&k->b, from, to, WAYS, WAYS, start);
  for (int i = 0; i < WAYS; i++) {
    Value *place = add(k, times(k, add(k, f.i, num(k, i)), t->pad), rows.i);
    Value *weight = kernel_exp_below(k, binary(k, OP_sub, load(k, t, t->scores, place), most), -0.0);
    store(k, t->scores, place, weight);
    next[i] = binary(k, OP_add, f.carried[i], weight);
  }
  kb_for_end(&k->b, &f, WAYS, next);
  memcpy(next, f.out, sizeof next);
  store(k, t->block.weight, rows.i, by_halves(k, next, WAYS));
  kb_for_end(&k->b, &rows, 0, NULL);
}

/* A vector's lanes are several of the sums, or one sum is more than one vector. */
static void weigh_row(Kernel *k, const Tiles *t, int r, Value *from, Value *to) {
  int64_t width = t->lanes < WAYS ? t->lanes : WAYS, n = WAYS / width, step = t->lanes > WAYS ? t->lanes : WAYS;
  Value *one = kb_load(&k->b, t->block.most, num(k, r)), *most = not_lowest(k, t, splat(k, t, one)), *sum[WAYS];
  for (int i = 0; i < n; i++) sum[i] = kb_splat(&k->b, real(k, 0), width);
  KernelFor f = kb_for_step(&k->b, from, to, step, (int)n, sum);
  memcpy(sum, f.carried, (size_t)n * sizeof *sum);
  for (int64_t i = 0; i < step; i += t->lanes) {
    Value *place = add(k, num(k, r * KEYS + i), f.i);
    Value *weight = kernel_exp_below(k, binary(k, OP_sub, load(k, t, t->scores, place), most), -0.0);
    store(k, t->scores, place, weight);
    for (int64_t lane = 0; lane < t->lanes; lane += width) {
      int at = (int)((i + lane) / width % n);
      Value *some = width == t->lanes ? weight : kb_extract(&k->b, weight, lane, width);
      sum[at] = binary(k, OP_add, sum[at], some);
    }
  }
  kb_for_end(&k->b, &f, (int)n, sum);
  memcpy(sum, f.out, (size_t)n * sizeof *sum);
  store(k, t->block.weight, num(k, r), build_unary(&k->b, OP_lanes_sum, by_halves(k, sum, (int)n)));
}

/* ---- sums ---- */

/* The larger of two largest scores, and what the two sums are multiplied by for it. */
static void rescale(Kernel *k, const Tiles *t, const Sums *to, const Sums *from) {
  KernelFor f = kb_for_step(&k->b, num(k, 0), t->few ? num(k, t->pad) : whole_vectors(k, t), t->lanes, 0, NULL);
  Value *had = load(k, t, to->most, f.i), *new = load(k, t, from->most, f.i), *most = larger(k, new, had);
  Value *safe = not_lowest(k, t, most);
  Value *keep = kernel_exp_below(k, binary(k, OP_sub, had, safe), -0.0);
  Value *take = kernel_exp_below(k, binary(k, OP_sub, new, safe), -0.0);
  Value *weight = binary(k, OP_mul, load(k, t, to->weight, f.i), keep);
  store(k, to->most, f.i, most);
  store(k, to->weight, f.i, fma3(k, t, load(k, t, from->weight, f.i), take, weight));
  store(k, t->keep, f.i, keep);
  store(k, t->take, f.i, take);
  kb_for_end(&k->b, &f, 0, NULL);
}

/* Elements of v that are summed at once: `vectors` of `lanes` each, from `first` on; `step` (0: once) up to `end`. */
typedef struct Piece {
  int64_t first, end, lanes;
  int vectors;
} Piece;

/* As many whole vectors as the registers hold, then those that are left, then halves of vectors and so on. */
static int cut(const Tiles *t, int64_t most, Piece *piece) {
  int n = 0;
  int64_t at = 0, whole = t->e / t->lanes;
  while (most > 1 && whole > most && whole % most && whole % (most - 1) == 0) most--;
  if (whole >= most) piece[n++] = (Piece){0, whole / most * most * t->lanes, t->lanes, (int)most};
  if (whole % most) piece[n++] = (Piece){whole / most * most * t->lanes, whole * t->lanes, t->lanes, (int)(whole % most)};
  at = whole * t->lanes;
  for (int64_t lanes = t->lanes / 2; lanes; lanes /= 2)
    if (t->e - at >= lanes) piece[n++] = (Piece){at, at + lanes, lanes, 1}, at += lanes;
  return n;
}

/* to->value = to->value * keep + sum * take, for one vector */
static void merge_vector(Kernel *k, const Tiles *t, Value *memory, Value *at, int64_t lanes, Value *keep, Value *take, Value *sum) {
  Value *had = binary(k, OP_mul, kb_load_lanes(&k->b, memory, at, lanes), kb_splat(&k->b, keep, lanes));
  store(k, memory, at, fma3(k, t, sum, kb_splat(&k->b, take, lanes), had));
}

/* The values of the block's keys `from` up to `to`, by the weights of `rows` rows from `row` on, are added to the part's. */
static void mix_tile(Kernel *k, const Tiles *t, Value *block, Value *from, Value *to, Value *row, int rows, Value *column,
                     const Piece *p) {
  int n = rows * p->vectors;
  Value *start[MAX_VECTORS], *next[MAX_VECTORS], *v[MAX_VECTORS];
  for (int i = 0; i < n; i++) start[i] = kb_splat(&k->b, real(k, 0), p->lanes);
  KernelFor f = kb_for(&k->b, from, to, n, start);
  Value *at = add(k, value_row(k, t, add(k, block, f.i)), column);
  int64_t bytes = dtype_bits(t->v->type->dtype) / 8, begin;
  bool first = t->few && kb_known(column, &begin) && begin == 0; /* for all columns at once: in the order of memory */
  for (int64_t i = 0; first && i < t->e * bytes; i += LINE) tiles_ask_ahead(k, t, t->v, at, (VALUES_AHEAD + i) / bytes);
  for (int j = 0; j < p->vectors; j++) {
    Value *place = add(k, at, num(k, j * p->lanes));
    v[j] = kb_cast(&k->b, kb_load_lanes(&k->b, t->v, place, p->lanes), DT_f32);
  }
  for (int i = 0; i < rows; i++) {
    Value *r = add(k, row, num(k, i));
    Value *place = t->few ? add(k, times(k, r, KEYS), f.i) : add(k, times(k, f.i, t->pad), r);
    Value *weight = kb_splat(&k->b, kb_load(&k->b, t->scores, place), p->lanes);
    for (int j = 0; j < p->vectors; j++) next[i * p->vectors + j] = fma3(k, t, weight, v[j], f.carried[i * p->vectors + j]);
  }
  kb_for_end(&k->b, &f, n, next);
  for (int i = 0; i < rows; i++) {
    Value *r = add(k, row, num(k, i)), *keep = kb_load(&k->b, t->keep, r), *take = kb_load(&k->b, t->take, r);
    for (int j = 0; j < p->vectors; j++) {
      Value *place = add(k, add(k, times(k, r, t->e), column), num(k, j * p->lanes));
      merge_vector(k, t, t->part.value, place, p->lanes, keep, take, f.out[i * p->vectors + j]);
    }
  }
}

/* Rows and vectors of the tile in which values are summed: it fills the registers. */
static Piece value_tile(const Kernel *k, const Tiles *t, int *rows) {
  int registers = k->target->vector_registers >= 32 ? 32 : 16;
  int64_t most = registers == 32 ? 4 : 2;
  *rows = t->few && t->rows < ROW_TILE ? (int)t->rows : ROW_TILE;
  if (t->few && t->rows > ROW_TILE) *rows = (int)(t->rows + 1) / 2;
  if (*rows * (most + 1) + 1 > registers) most = (registers - 1) / *rows - 1;
  return (Piece){.vectors = (int)(most > 1 ? most : 1)};
}

static void mix_columns(Kernel *k, const Tiles *t, Value *block, Value *from, Value *to, Value *column, int rows, const Piece *p) {
  KernelFor f = kb_for_step(&k->b, num(k, 0), t->count, rows, 0, NULL);
  mix_tile(k, t, block, from, to, f.i, rows, column, p);
  kb_for_end(&k->b, &f, 0, NULL);
}

static void mix_block(Kernel *k, const Tiles *t, Value *block, Value *from, Value *to) {
  Piece piece[16];
  int rows, n = cut(t, value_tile(k, t, &rows).vectors, piece);
  for (int p = 0; p < n; p++) {
    int64_t width = piece[p].vectors * piece[p].lanes;
    if (t->few) {
      for (int64_t i = piece[p].first; i < piece[p].end; i += width) mix_columns(k, t, block, from, to, num(k, i), rows, &piece[p]);
      continue;
    }
    KernelFor columns = kb_for_step(&k->b, num(k, piece[p].first), num(k, piece[p].end), width, 0, NULL);
    mix_columns(k, t, block, from, to, columns.i, rows, &piece[p]);
    kb_for_end(&k->b, &columns, 0, NULL);
  }
}

/* ---- values that are not finite ----
 *
 * A key that a row does not see may hold anything, and -0 times infinity is NaN. So where not all rows see the same keys, the
 * block's values are looked at first: those that are finite, as nearly always, are mixed in tiles. */

static bool rows_differ(const Tiles *t) {
  const Node *n = t->node;
  return node_in(n, 3) || (!t->single && (node_bool(n, attention, causal) || node_int(n, attention, ahead) >= 0 || t->begins));
}

/* 0, or NaN where one of the block's values is not finite. */
static Value *check_values(Kernel *k, const Tiles *t, Value *block, Value *from, Value *to) {
  Value *zero = real(k, 0), *start[16], *next[16];
  Piece piece[16];
  int n = cut(t, 4, piece);
  ensure(n <= 16);
  for (int p = 0; p < n; p++) start[p] = kb_splat(&k->b, zero, piece[p].lanes);
  KernelFor f = kb_for(&k->b, from, to, n, start);
  Value *at = value_row(k, t, add(k, block, f.i));
  for (int p = 0; p < n; p++) {
    next[p] = f.carried[p];
    for (int64_t i = piece[p].first; i < piece[p].end; i += piece[p].lanes) {
      Value *v = kb_cast(&k->b, kb_load_lanes(&k->b, t->v, add(k, at, num(k, i)), piece[p].lanes), DT_f32);
      next[p] = fma3(k, t, v, kb_splat(&k->b, zero, piece[p].lanes), next[p]);
    }
  }
  kb_for_end(&k->b, &f, n, next);
  Value *all = zero;
  for (int p = 0; p < n; p++) {
    Value *one = piece[p].lanes == 1 ? f.out[p] : build_unary(&k->b, OP_lanes_sum, f.out[p]);
    all = binary(k, OP_add, all, one);
  }
  return all;
}

/* What mix_block does, passing over what a row does not see. */
static void mix_seen(Kernel *k, const Tiles *t, Value *block, Value *from, Value *to) {
  KernelFor rows = kb_for(&k->b, num(k, 0), t->count, 0, NULL);
  KernelFor clear = kb_for(&k->b, num(k, 0), num(k, t->e), 0, NULL);
  store(k, t->seen, clear.i, real(k, 0));
  kb_for_end(&k->b, &clear, 0, NULL);
  KernelFor keys = kb_for(&k->b, from, to, 0, NULL);
  Value *place = t->few ? add(k, times(k, rows.i, KEYS), keys.i) : add(k, times(k, keys.i, t->pad), rows.i);
  Value *weight = kb_load(&k->b, t->scores, place), *at = value_row(k, t, add(k, block, keys.i));
  Value *bits = build(&k->b, OP_bitcast, 1, INS(weight), ATTRS(at_i(bitcast, to, (int64_t)DT_i32)));
  KernelWhen unseen = kb_when(&k->b, kb_equal(&k->b, bits, kb_int(&k->b, DT_i32, INT32_MIN)), 0);
  kb_else(&k->b, &unseen, 0, NULL);
  KernelFor along = kb_for(&k->b, num(k, 0), num(k, t->e), 0, NULL);
  Value *v = kb_cast(&k->b, kb_load(&k->b, t->v, add(k, at, along.i)), DT_f32);
  store(k, t->seen, along.i, fma3(k, t, weight, v, kb_load(&k->b, t->seen, along.i)));
  kb_for_end(&k->b, &along, 0, NULL);
  kb_when_end(&k->b, &unseen, 0, NULL);
  kb_for_end(&k->b, &keys, 0, NULL);
  Value *keep = kb_load(&k->b, t->keep, rows.i), *take = kb_load(&k->b, t->take, rows.i);
  KernelFor merge = kb_for(&k->b, num(k, 0), num(k, t->e), 0, NULL);
  merge_vector(k, t, t->part.value, add(k, times(k, rows.i, t->e), merge.i), 1, keep, take, kb_load(&k->b, t->seen, merge.i));
  kb_for_end(&k->b, &merge, 0, NULL);
  kb_for_end(&k->b, &rows, 0, NULL);
}

static void mix(Kernel *k, const Tiles *t, Value *block, Value *from, Value *to) {
  if (!t->seen) {
    mix_block(k, t, block, from, to);
    return;
  }
  KernelWhen odd = kb_when(&k->b, build_unary(&k->b, OP_isnan, check_values(k, t, block, from, to)), 0);
  mix_seen(k, t, block, from, to);
  kb_else(&k->b, &odd, 0, NULL);
  mix_block(k, t, block, from, to);
  kb_when_end(&k->b, &odd, 0, NULL);
}

/* ---- blocks and parts ---- */

/* The first values are asked for before the keys are read. */
static void ask_for_values(Kernel *k, const Tiles *t, Value *at) {
  if (t->turned && t->v->type->dtype == DT_f32) return;
  int64_t bytes = dtype_bits(t->v->type->dtype) / 8;
  KernelFor f = kb_for_step(&k->b, num(k, 0), num(k, VALUES_AHEAD / bytes), LINE / bytes, 0, NULL);
  tiles_ask_ahead(k, t, t->v, add(k, at, f.i), 0);
  kb_for_end(&k->b, &f, 0, NULL);
}

/* The block's keys that some row sees, from a multiple of the vectors' step on. */
static void add_block(Kernel *k, const Tiles *t, Value *block, Value *low, Value *high) {
  int64_t step = tiles_key_step(t);
  Value *from = kb_max(&k->b, kb_sub(&k->b, low, block), num(k, 0));
  Value *to = kb_min(&k->b, kb_sub(&k->b, high, block), num(k, KEYS));
  Value *begin = times(k, kb_div(&k->b, from, num(k, step)), step);
  if (t->few) ask_for_values(k, t, value_row(k, t, add(k, block, from)));
  if (t->few) tiles_score_by_keys(k, t, block, begin, to);
  else score_block_by_rows(k, t, block, begin, to);
  if (t->few)
    for (int r = 0; r < t->rows; r++) weigh_row(k, t, r, begin, to);
  else weigh_by_rows(k, t, begin, to);
  rescale(k, t, &t->part, &t->block);
  mix(k, t, block, from, to);
}

static void clear_sums(Kernel *k, const Tiles *t, const Sums *s) {
  KernelFor f = kb_for_step(&k->b, num(k, 0), num(k, t->pad), t->lanes, 0, NULL);
  store(k, s->most, f.i, lowest(k, t));
  store(k, s->weight, f.i, splat(k, t, real(k, 0)));
  kb_for_end(&k->b, &f, 0, NULL);
  KernelFor all = kb_for(&k->b, num(k, 0), num(k, t->rows * t->e), 0, NULL);
  store(k, s->value, all.i, real(k, 0));
  kb_for_end(&k->b, &all, 0, NULL);
}

/* A sink is a score that a row begins with. */
static void begin_with_sinks(Kernel *k, const Tiles *t) {
  KernelFor f = kb_for(&k->b, num(k, 0), num(k, t->pad), 0, NULL);
  Value *h = tiles_row(k, t, f.i).h, *sink = kb_cast(&k->b, kernel_pull(k, node_in(t->node, 6), &h), DT_f32);
  Value *none = kb_equal(&k->b, sink, real(k, -INFINITY));
  store(k, t->total.most, f.i, sink);
  store(k, t->total.weight, f.i, kb_where(&k->b, none, real(k, 0), real(k, 1)));
  kb_for_end(&k->b, &f, 0, NULL);
}

/* Keys low up to high, all of one part. */
static void sum_part(Kernel *k, const Tiles *t, Value *low, Value *high) {
  clear_sums(k, t, &t->part);
  KernelFor f = kb_for_step(&k->b, times(k, kb_div(&k->b, low, num(k, KEYS)), KEYS), high, KEYS, 0, NULL);
  add_block(k, t, f.i, low, high);
  kb_for_end(&k->b, &f, 0, NULL);
}

static void merge_part(Kernel *k, const Tiles *t) {
  rescale(k, t, &t->total, &t->part);
  KernelFor rows = kb_for(&k->b, num(k, 0), t->count, 0, NULL);
  Value *keep = kb_load(&k->b, t->keep, rows.i), *take = kb_load(&k->b, t->take, rows.i);
  KernelFor f = kb_for(&k->b, num(k, 0), num(k, t->e), 0, NULL);
  Value *at = add(k, times(k, rows.i, t->e), f.i);
  merge_vector(k, t, t->total.value, at, 1, keep, take, kb_load(&k->b, t->part.value, at));
  kb_for_end(&k->b, &f, 0, NULL);
  kb_for_end(&k->b, &rows, 0, NULL);
}

/* All keys; returns where the sums are. */
static const Sums *sum_all(Kernel *k, const Tiles *t) {
  if (!t->total.value) {
    sum_part(k, t, t->low, t->high);
    return &t->part;
  }
  clear_sums(k, t, &t->total);
  if (node_in(t->node, 6)) begin_with_sinks(k, t);
  KernelFor f = kb_for_step(&k->b, times(k, kb_div(&k->b, t->low, num(k, PART)), PART), t->high, PART, 0, NULL);
  sum_part(k, t, kb_max(&k->b, t->low, f.i), kb_min(&k->b, t->high, add(k, f.i, num(k, PART))));
  merge_part(k, t);
  kb_for_end(&k->b, &f, 0, NULL);
  return &t->total;
}

/* ---- the result ---- */

static void store_piece(Kernel *k, const Tiles *t, const Sums *s, Value *r, Row row, Value *divisor, Value *column, int64_t lanes) {
  Value *x = kb_load_lanes(&k->b, s->value, add(k, times(k, r, t->e), column), lanes);
  Value *y = binary(k, OP_div, x, kb_splat(&k->b, divisor, lanes));
  k->lanes = lanes == 1 ? 0 : lanes;
  kernel_store(k, 0, (Value *[]){row.b, row.h, row.i, column}, kernel_narrow(k, y, t->node->out[0]->type->dtype));
  k->lanes = 0;
}

static void store_rows(Kernel *k, const Tiles *t, const Sums *s) {
  int64_t lanes = kernel_can_vectorise(k, t->node) ? t->lanes : 1, whole = t->e / lanes * lanes, n;
  KernelFor rows = kb_for(&k->b, num(k, 0), t->count, 0, NULL);
  Row row = tiles_row(k, t, rows.i);
  Value *weight = kb_load(&k->b, s->weight, rows.i);
  Value *divisor = kb_where(&k->b, kb_equal(&k->b, weight, real(k, 0)), real(k, 1), weight);
  if (whole) {
    KernelFor f = kb_for_step(&k->b, num(k, 0), num(k, whole), lanes, 0, NULL);
    store_piece(k, t, s, rows.i, row, divisor, f.i, lanes);
    kb_for_end(&k->b, &f, 0, NULL);
  }
  for (n = whole; n < t->e; n += lanes) {
    while (lanes > t->e - n) lanes /= 2;
    store_piece(k, t, s, rows.i, row, divisor, num(k, n), lanes);
  }
  kb_for_end(&k->b, &rows, 0, NULL);
}

/* ---- sizes and memory ---- */

static bool is_tile_float(const Value *v) {
  Dtype t = v->type->dtype;
  return t == DT_f32 || t == DT_f16 || t == DT_bf16;
}

/* What the tiles are for: vectors of f32 of a known length, heads of known sizes. */
static bool can_tile(const Kernel *k, const Node *n) {
  Type q = node_in(n, 0)->type, key = node_in(n, 1)->type, v = node_in(n, 2)->type;
  if (!k->target || k->target->kind != TARGET_CPU || kernel_float(n) != DT_f32) return false;
  int lanes = k->target->vector_bytes / 4;
  if (lanes != 4 && lanes != 8 && lanes != 16) return false;
  for (int i = 0; i < 3; i++)
    if (!is_tile_float(node_in(n, i))) return false;
  const Dim known[] = {q->dim[1], q->dim[3], key->dim[1], v->dim[3]};
  for (int i = 0; i < 4; i++)
    if (!dim_is_const(known[i]) || known[i]->constant < 1) return false;
  return true;
}

/* Numbers of memory that a workgroup needs for each row, and at all. */
static int64_t memory_needed(const Tiles *t) {
  int64_t each = t->d + KEYS + (t->parts ? 2 : 1) * t->e + KEY_TILE + 10;
  return 4 * ((each + 1) * (t->pad + ROW_TILE) + KEY_TILE * t->d);
}

/* Where all rows are few, a vector runs along keys. A run is cut between queries. */
static bool choose_rows(Tiles *t, int64_t most) {
  Type q = node_in(t->node, 0)->type;
  Dim queries = t->runs ? dim_mul(node_func(t->node)->module->dims, q->dim[0], q->dim[2]) : q->dim[2];
  int64_t all = dim_is_const(queries) && queries->constant < ROWS ? queries->constant * t->share : ROWS;
  t->single = dim_is(queries, 1);
  t->few = all <= FEW;
  t->rows = all < ROWS ? all : ROWS;
  t->pad = (t->rows + t->lanes - 1) / t->lanes * t->lanes;
  while (memory_needed(t) > most && t->pad > t->lanes) t->pad -= t->lanes;
  if (t->rows > t->pad) t->rows = t->pad;
  if (t->runs) t->rows = t->rows / t->share * t->share;
  return t->rows > 0 && memory_needed(t) <= most;
}

/* Are there keys past the last that some row sees: because of what the row is, or because a block is not full? */
static void find_bounds(Tiles *t) {
  const Node *n = t->node;
  Dim keys = attention_keys(n);
  bool whole = dim_is_const(keys) && keys->constant % KEYS == 0;
  t->begins = t->ring || node_int(n, attention, window) > 0;
  t->ends = t->ring || node_in(n, 4) || node_bool(n, attention, causal) || node_int(n, attention, ahead) >= 0 || !whole;
  t->parts = t->ring || node_in(n, 6) || !dim_is_const(keys) || keys->constant > PART;
}

static Value *memory(Kernel *k, Dtype t, int64_t n) { return kb_memory(&k->b, t, n); }

static Sums new_sums(Kernel *k, const Tiles *t, bool values) {
  int64_t rows = t->pad + ROW_TILE;
  return (Sums){memory(k, DT_f32, rows), memory(k, DT_f32, rows), values ? memory(k, DT_f32, (t->rows + ROW_TILE) * t->e) : NULL};
}

/* Rows that are all of one query, where there may be more: they are few. */
static int64_t pad_of_one(const Tiles *t) { return (t->share + t->lanes - 1) / t->lanes * t->lanes; }
static bool may_be_one(const Tiles *t) {
  return !t->few && t->share <= FEW && (t->runs || !dim_is_const(node_in(t->node, 0)->type->dim[2]));
}

static int64_t bias_memory(const Tiles *t) {
  int64_t few = ((t->few ? t->pad : pad_of_one(t)) + ROW_TILE) * KEYS, many = (t->pad + ROW_TILE) * KEY_TILE;
  return t->few || (may_be_one(t) && few > many) ? few : many;
}

/* A few more rows than there are, for tiles that are not full. */
static void take_memory(Kernel *k, Tiles *t) {
  const Node *n = t->node;
  int64_t rows = t->pad + ROW_TILE;
  t->queries = memory(k, DT_f32, rows * t->d);
  t->scores = memory(k, DT_f32, rows * KEYS);
  t->keep = memory(k, DT_f32, rows);
  t->take = memory(k, DT_f32, rows);
  if (!t->few && node_in(n, 1)->type->dtype != DT_f32) t->staged = memory(k, DT_f32, KEY_TILE * t->d);
  if (node_in(n, 3) && (t->few || may_be_one(t) || t->runs || bias_is_by_row(n))) t->bias = memory(k, DT_f32, bias_memory(t));
  if (rows_differ(t)) t->seen = memory(k, DT_f32, t->e);
  if (t->begins) t->from = memory(k, DT_i32, rows);
  if (t->ends) t->to = memory(k, DT_i32, rows);
  t->block = new_sums(k, t, false);
  t->part = new_sums(k, t, true);
  if (t->parts) t->total = new_sums(k, t, true);
}

/* The memory of keys or values: where the head's begin in it, and how far apart they lie. */
static Value *place_head(Kernel *k, const Tiles *t, const Value *v, Value **base, Value **step) {
  Strides s = kernel_strides(k, v);
  *base = add(k, kb_mul(&k->b, t->sequence, kernel_size(k, s.step[0])), kb_mul(&k->b, t->g, kernel_size(k, s.step[1])));
  *step = kernel_size(k, s.step[2]);
  return s.memory;
}

/* A ring's positions count from where a part begins, so that they are small and its blocks and parts lie as ever. */
static void place_ring(Kernel *k, Tiles *t, Value *b) {
  Value *part = kb_int(&k->b, DT_i64, PART), *start = attention_ring_start(k, t->node, b);
  t->base = binary(k, OP_mul, build(&k->b, OP_div, 1, INS(start, part), NO_ATTRS), part);
  Value *slot = build(&k->b, OP_mod, 1, INS(t->base, kb_cast(&k->b, t->keys, DT_i64)), ATTRS(at_i(mod, trunc, 1)));
  t->base_slot = kb_cast(&k->b, slot, DT_index);
}

static void place_head_memory(Kernel *k, Tiles *t) {
  Value *b = t->runs ? tiles_row(k, t, num(k, 0)).b : t->b;
  t->sequence = attention_sequence(k, t->node, b);
  t->k = place_head(k, t, node_in(t->node, 1), &t->k_base, &t->k_step);
  t->v = place_head(k, t, node_in(t->node, 2), &t->v_base, &t->v_step);
  if (t->ring) place_ring(k, t, b);
}

/* ---- which rows are a workgroup's ---- */

static void place_rows(Kernel *k, Tiles *t) {
  Type q = node_in(t->node, 0)->type, key = node_in(t->node, 1)->type;
  DimPool *p = k->module->dims;
  Dim rows = dim_mul(p, q->dim[2], dim_const(p, t->share));
  t->b = group_id(k, 2);
  t->first = times(k, group_id(k, 0), t->rows);
  t->count = kb_min(&k->b, kb_sub(&k->b, kernel_size(k, rows), t->first), num(k, t->rows));
  if (dim_is_const(rows) && rows->constant % t->rows == 0) t->count = num(k, t->rows);
  k->grid[0] = dim_ceildiv(p, rows, dim_const(p, t->rows));
  k->grid[1] = key->dim[1];
  k->grid[2] = q->dim[0];
}

/* Do two queries read the same keys and values? */
static Value *same_sequence(Kernel *k, const Tiles *t, Value *x, Value *y) {
  Value *a = kb_div(&k->b, x, queries_of(k, t)), *b = kb_div(&k->b, y, queries_of(k, t));
  Value *same = kb_equal(&k->b, attention_sequence(k, t->node, a), attention_sequence(k, t->node, b));
  if (!t->ring) return same;
  return kb_and(&k->b, same, kb_equal(&k->b, attention_ring_start(k, t->node, a), attention_ring_start(k, t->node, b)));
}

/* How many queries from `first` on, and before `end`, are of its run. */
static Value *run_length(Kernel *k, const Tiles *t, Value *first, Value *end) {
  Value *length = num(k, 1), *next;
  KernelFor f = kb_for(&k->b, add(k, first, num(k, 1)), end, 1, &length);
  Value *goes_on = kb_equal(&k->b, add(k, first, f.carried[0]), f.i);
  next = kb_where(&k->b, kb_and(&k->b, goes_on, same_sequence(k, t, first, f.i)), add(k, f.carried[0], num(k, 1)), f.carried[0]);
  kb_for_end(&k->b, &f, 1, &next);
  return f.out[0];
}

/* The run, or piece of one, that begins with the workgroup's query. Returns whether one does; NULL: it does. */
static Value *place_run(Kernel *k, Tiles *t) {
  Type q = node_in(t->node, 0)->type;
  DimPool *p = k->module->dims;
  Dim queries = dim_mul(p, q->dim[0], q->dim[2]);
  int64_t each = t->rows / t->share;
  Value *at = group_id(k, 0), *piece = times(k, kb_div(&k->b, at, num(k, each)), each), *all = kernel_size(k, queries);
  k->grid[0] = queries;
  k->grid[1] = node_in(t->node, 1)->type->dim[1];
  t->first = times(k, at, t->share);
  t->count = num(k, t->share);
  if (t->single) return NULL;
  Value *before = kb_sub(&k->b, kb_max(&k->b, at, num(k, 1)), num(k, 1));
  t->count = times(k, run_length(k, t, at, kb_min(&k->b, add(k, piece, num(k, each)), all)), t->share);
  return build_binary(&k->b, OP_or, kb_equal(&k->b, at, piece), kb_not(&k->b, same_sequence(k, t, before, at)));
}

/* ---- the kernel ---- */

static void attend(Kernel *k, Tiles *t) {
  load_rows(k, t);
  store_rows(k, t, sum_all(k, t));
}

/* A workgroup that has one query takes it as few rows, in memory for more. */
static void attend_one_or_more(Kernel *k, Tiles *t) {
  Type q = node_in(t->node, 0)->type;
  if (!may_be_one(t)) {
    attend(k, t);
    return;
  }
  Tiles one = *t;
  one.few = one.single = true;
  one.rows = t->share;
  one.pad = pad_of_one(t);
  one.count = num(k, t->share);
  one.staged = NULL;
  if (!rows_differ(&one)) one.seen = NULL;
  Value *is_one = kb_equal(&k->b, t->runs ? t->count : kernel_size(k, q->dim[2]), num(k, t->runs ? t->share : 1));
  KernelWhen w = kb_when(&k->b, is_one, 0);
  attend(k, &one);
  kb_else(&k->b, &w, 0, NULL);
  attend(k, t);
  kb_when_end(&k->b, &w, 0, NULL);
}

bool lower_attention_tiles(Kernel *k, const Node *n) {
  if (!can_tile(k, n)) return false;
  Type q = node_in(n, 0)->type, key = node_in(n, 1)->type, v = node_in(n, 2)->type;
  Tiles t = {.node = n, .lanes = k->target->vector_bytes / 4, .scores_type = attention_scores_type(k, n)};
  t.fma = target_has(k->target, FEATURE_fma);
  t.d = q->dim[3]->constant;
  t.e = v->dim[3]->constant;
  t.share = q->dim[1]->constant / key->dim[1]->constant;
  t.runs = node_in(n, 7);
  t.ring = node_bool(n, attention, ring);
  t.turned = attention_turned(n);
  find_bounds(&t);
  if (!choose_rows(&t, KERNEL_MEMORY)) return false;
  take_memory(k, &t);
  t.g = group_id(k, 1);
  t.keys = kernel_size(k, attention_keys(n));
  if (!t.runs) place_rows(k, &t);
  Value *begins = t.runs ? place_run(k, &t) : NULL;
  KernelWhen w = {0};
  if (begins) w = kb_when(&k->b, begins, 0);
  place_head_memory(k, &t);
  t.scale = attention_scale(k, n, DT_f32);
  attend_one_or_more(k, &t);
  if (!begins) return true;
  kb_else(&k->b, &w, 0, NULL);
  kb_when_end(&k->b, &w, 0, NULL);
  return true;
}
