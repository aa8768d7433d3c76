/* blocks.c -- how GGUF files keep elements: as they are, or in blocks that share a scale.
 *
 * What is said here is arithmetic on bytes, in ops of the IR, so that a weight of many gigabytes is decoded bit by bit while the
 * program is written. A block's bytes are the last axis. */
#include "frontend/blocks.h"

/* ---- words ---- */

/* The bytes [from, to) of each block. */
static Value *bytes(Builder *b, Value *raw, int64_t from, int64_t to) {
  int axis = raw->type->rank - 1;
  Value *start = build_ints(b, 1, &from), *end = build_ints(b, 1, &to), *along = build_ints(b, 1, (int64_t[]){axis});
  return build(b, OP_slice, 1, INS(raw, start, end, along), NO_ATTRS);
}

/* Axes in place of the last: split(x[.., 32], 2, 16) is [.., 2, 16]. */
static Value *split(Builder *b, Value *x, int n, const int64_t *size) {
  Dim dim[MAX_RANK];
  int rank = x->type->rank - 1;
  for (int i = 0; i < rank; i++) dim[i] = x->type->dim[i];
  for (int i = 0; i < n; i++) dim[rank + i] = dim_const(b->module->dims, size[i]);
  return build_reshape(b, x, rank + n, dim);
}

/* One axis in place of the last n. */
static Value *join(Builder *b, Value *x, int n) {
  Dim dim[MAX_RANK], size = dim_const(b->module->dims, 1);
  int rank = x->type->rank - n;
  for (int i = 0; i < rank; i++) dim[i] = x->type->dim[i];
  for (int i = 0; i < n; i++) size = dim_mul(b->module->dims, size, x->type->dim[rank + i]);
  dim[rank] = size;
  return build_reshape(b, x, rank + 1, dim);
}
#define SPLIT(b, x, ...) \
  split((b), (x), (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

static Value *byte(Builder *b, int64_t v) { return build_scalar_i(b, DT_u8, v); }
static Value *low(Builder *b, Value *x, int bits) { return build_binary(b, OP_and, x, byte(b, (1 << bits) - 1)); }
static Value *high(Builder *b, Value *x, int shift) { return build_binary(b, OP_shr, x, byte(b, shift)); }
static Value *number(Builder *b, Value *x) { return build_cast(b, x, DT_f32); }
static Value *minus(Builder *b, Value *x, double v) { return build_binary(b, OP_sub, x, build_scalar_f(b, DT_f32, v)); }
static Value *times(Builder *b, Value *x, Value *y) { return build_binary(b, OP_mul, x, y); }

/* Two bytes from `at` on as an f16, low byte first: [.., 1]. */
static Value *half(Builder *b, Value *raw, int64_t at) {
  Value *lo = build_cast(b, bytes(b, raw, at, at + 1), DT_u16), *hi = build_cast(b, bytes(b, raw, at + 1, at + 2), DT_u16);
  Value *bits = build_binary(b, OP_or, lo, build_binary(b, OP_shl, hi, build_scalar_i(b, DT_u16, 8)));
  return number(b, build(b, OP_bitcast, 1, INS(bits), ATTRS(at_i(bitcast, to, DT_f16))));
}

static Value *concat(Builder *b, int64_t axis, int n, Value *const *x) {
  return build_values(b, OP_concat, 1, n, x, ATTRS(at_i(concat, axis, axis)));
}

/* ---- the types ---- */

/* A scale, and 32 signed bytes. */
static Value *block_decode_Q8_0(Builder *b, Value *raw) {
  Value *code = build(b, OP_bitcast, 1, INS(bytes(b, raw, 2, 34)), ATTRS(at_i(bitcast, to, DT_i8)));
  return times(b, number(b, code), half(b, raw, 0));
}

/* A scale, and 16 bytes: the low halves are the first 16 numbers. */
static Value *block_decode_Q4_0(Builder *b, Value *raw) {
  Value *q = bytes(b, raw, 2, 18), *code = concat(b, -1, 2, (Value *[]){low(b, q, 4), high(b, q, 4)});
  return times(b, minus(b, number(b, code), 8), half(b, raw, 0));
}

/* Eight groups of 32: numbers are d * scale * code - m * least. Scales and leasts have six bits, in twelve bytes: those of the
 * first four groups in the low bits of bytes 0-3 and 4-7, whose high bits go with the four-bit halves of bytes 8-11. */
static Value *block_decode_Q4_K(Builder *b, Value *raw) {
  Value *first = bytes(b, raw, 4, 8), *second = bytes(b, raw, 8, 12), *rest = bytes(b, raw, 12, 16);
  Value *up = byte(b, 4), *top_first = build_binary(b, OP_shl, high(b, first, 6), up);
  Value *top_second = build_binary(b, OP_shl, high(b, second, 6), up);
  Value *scale[] = {low(b, first, 6), build_binary(b, OP_or, low(b, rest, 4), top_first)};
  Value *least[] = {low(b, second, 6), build_binary(b, OP_or, high(b, rest, 4), top_second)};
  Value *d = times(b, number(b, concat(b, -1, 2, scale)), half(b, raw, 0));
  Value *m = times(b, number(b, concat(b, -1, 2, least)), half(b, raw, 2));
  Value *q = SPLIT(b, bytes(b, raw, 16, 144), 4, 1, 32); /* each row: 32 low halves, then 32 high ones */
  Value *code = SPLIT(b, join(b, concat(b, -2, 2, (Value *[]){low(b, q, 4), high(b, q, 4)}), 3), 8, 32);
  Value *v = build_binary(b, OP_sub, times(b, number(b, code), SPLIT(b, d, 8, 1)), SPLIT(b, m, 8, 1));
  return join(b, v, 2);
}

/* Sixteen groups of 16: d * scale * (code - 32). Codes have four bits in 128 bytes and two in 64; each half of the block has 64
 * and 32 of these, which make four runs of 32 numbers. */
static Value *block_decode_Q6_K(Builder *b, Value *raw) {
  Value *q = SPLIT(b, bytes(b, raw, 0, 128), 2, 2, 32), *h = SPLIT(b, bytes(b, raw, 128, 192), 2, 1, 32);
  Value *four = concat(b, -2, 2, (Value *[]){low(b, q, 4), high(b, q, 4)}), *two[4]; /* [.., 2, 4, 32] */
  for (int i = 0; i < 4; i++) two[i] = low(b, high(b, h, 2 * i), 2);
  Value *top = build_binary(b, OP_shl, concat(b, -2, 4, two), byte(b, 4));
  Value *code = SPLIT(b, join(b, build_binary(b, OP_or, four, top), 3), 16, 16);
  Value *scale = build(b, OP_bitcast, 1, INS(bytes(b, raw, 192, 208)), ATTRS(at_i(bitcast, to, DT_i8)));
  Value *d = SPLIT(b, times(b, number(b, scale), half(b, raw, 208)), 16, 1);
  return join(b, times(b, minus(b, number(b, code), 32), d), 2);
}

// clang-format off
static const BlockType types[] = {
#define PLAIN(number, name, dtype) {number, #name, DT_##dtype, 0, 0, NULL},
#define BLOCK(number, name, elements, bytes) {number, #name, DT_none, elements, bytes, block_decode_##name},
#define OTHER(number, name) {number, #name, DT_none, 0, 0, NULL},
#include "frontend/blocks.def"
#undef PLAIN
#undef BLOCK
#undef OTHER
};
// clang-format on

const BlockType *block_type(int64_t number) {
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (types[i].number == number) return &types[i];
  return NULL;
}
