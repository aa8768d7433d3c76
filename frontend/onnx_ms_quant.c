/* onnx_ms_quant.c -- importers of ONNX Runtime's quantised products and look-ups. */
#include "frontend/onnx_packed.h"

/* ---- MatMulNBits ---- */

typedef struct NBits {
  int64_t n, k, bits, group, blocks;
} NBits;

static bool read_nbits(OnnxCall *c, NBits *w) {
  *w = (NBits){onnx_int(c, "N", 0), onnx_int(c, "K", 0), 0, onnx_int(c, "block_size", 0), 0};
  if (!onnx_bits(c, "bits", 4, &w->bits)) return false;
  if (w->n < 1 || w->k < 1 || w->group < 16 || w->group > 1 << 20)
    return onnx_invalid(c, "N is %lld, K is %lld and block_size is %lld", (long long)w->n, (long long)w->k,
                        (long long)w->group);
  if (w->k > INT64_MAX / 16 / w->n) return onnx_invalid(c, "N*K is too large");
  w->blocks = (w->k + w->group - 1) / w->group;
  if (onnx_int(c, "weight_prepacked", 0))
    return onnx_refuse(c, "export the model without prepacking", "the weight is packed for one machine");
  if (onnx_in(c, 4)) return onnx_refuse(c, "quantise without reordering (g_idx, act_order)", "g_idx is given");
  return true;
}

/* Zero points stand as floats, [n,blocks], or packed like the codes, each row filled up to a byte. */
static Value *nbits_zeros(Builder *b, const NBits *w, Value *zeros) {
  const Dim d[] = {b_size(b, w->n), b_size(b, w->blocks)};
  if (!zeros) return NULL;
  if (dtype_is_float(b_dtype(zeros))) return b_view(b, zeros, 2, d);
  int64_t a_byte = 8 / w->bits, filled = (w->blocks + a_byte - 1) / a_byte * a_byte;
  const Dim wide[] = {d[0], b_size(b, filled)}, bytes[] = {d[0], b_size(b, filled / a_byte)};
  Value *v = b_codes(b, b_view(b, zeros, 2, bytes), w->bits, 2, wide);
  return filled == w->blocks ? v : b_slice(b, v, 1, b_size(b, 0), d[1]);
}

static Value *nbits_weight(OnnxCall *c, const NBits *w) {
  Builder *b = c->b;
  const Dim n = b_size(b, w->n), wide[] = {n, b_size(b, w->blocks * w->group)}, scales[] = {n, b_size(b, w->blocks)};
  Value *codes = b_codes(b, c->in[1], w->bits, 2, wide);
  if (w->k < w->blocks * w->group) codes = b_slice(b, codes, 1, b_size(b, 0), b_size(b, w->k));
  return b_encoded(b, codes, b_view(b, c->in[2], 2, scales), nbits_zeros(b, w, onnx_in(c, 3)), w->bits, w->group);
}

bool onnx_import_ms_matmul_nbits(OnnxCall *c) {
  NBits w;
  if (!read_nbits(c, &w)) return false;
  Value *y = b_matmul(c->b, c->in[0], nbits_weight(c, &w), true);
  return onnx_result(c, b_add_opt(c->b, y, onnx_in(c, 5)));
}

/* ---- MatMulBnb4 ---- */

/* bitsandbytes' FP4: sign, then an exponent and mantissa of its own. */
static const float fp4_values[16] = {
    0,    0.0052083333f,  0.66666667f,  1,  0.33333333f,  0.5f,  0.16666667f,  0.25f,
    -0.f, -0.0052083333f, -0.66666667f, -1, -0.33333333f, -0.5f, -0.16666667f, -0.25f,
};

/* Two codes a byte, the high bits first: u8[n,k]. */
static Value *bnb_codes(Builder *b, Value *bytes, Dim n, Dim k) {
  Value *high = build_binary(b, OP_shr, bytes, build_scalar_i(b, DT_u8, 4));
  Value *low = build_binary(b, OP_and, bytes, build_scalar_i(b, DT_u8, 15));
  const Dim d[] = {n, k};
  Value *pairs = b_concat(b, b_unsqueeze(b, high, 1), b_unsqueeze(b, low, 1), 1);
  return b_reshape(b, pairs, 2, d);
}

static Value *as_type(Builder *b, Value *x, Dtype codes, Dtype to) {
  return build(b, OP_bitcast, 1, INS(build_cast(b, x, codes)), ATTRS(at_i(bitcast, to, to)));
}

bool onnx_import_ms_matmul_bnb4(OnnxCall *c) {
  int64_t n = onnx_int(c, "N", 0), k = onnx_int(c, "K", 0), group = onnx_int(c, "block_size", 0);
  bool nf4 = onnx_int(c, "quant_type", 1) == 1, transb = onnx_flag(c, "transB", 1);
  if (n < 1 || k < 1 || group < 1)
    return onnx_invalid(c, "N is %lld, K is %lld and block_size is %lld", (long long)n, (long long)k, (long long)group);
  if (k % group || k % 2)
    return onnx_refuse(c, "choose a block_size that divides K", "blocks of %lld run across rows of %lld",
                       (long long)group, (long long)k);
  Builder *b = c->b;
  const Dim d[] = {b_size(b, n), b_size(b, k / group)};
  Value *codes = bnb_codes(b, c->in[1], d[0], b_size(b, k)), *scales = b_view(b, c->in[2], 2, d), *w;
  if (nf4) {
    w = build(b, OP_encoded, 1, INS(as_type(b, codes, DT_u4, DT_nf4), scales), ATTRS(at_i(encoded, group, group)));
    if (!transb) w = build(b, OP_decode, 1, INS(w), ATTRS(at_i(decode, to, b_dtype(c->in[0]))));
  } else {
    const Dim sixteen = b_size(b, 16);
    Type t = type_tensor(b->module->types, DT_f32, 1, &sixteen);
    Value *table = build_const(b, constant_bytes(b->module, t, fp4_values, sizeof fp4_values));
    Value *numbers = build(b, OP_gather, 1, INS(table, build_cast(b, codes, DT_i32)), NO_ATTRS);
    w = build(b, OP_dequantize, 1, INS(numbers, scales),
              ATTRS(at_i(dequantize, axis, 1), at_i(dequantize, block, group)));
  }
  return onnx_result(c, b_matmul(b, c->in[0], w, transb));
}

/* ---- MatMulIntegerToFloat ---- */

static Value *centred(Builder *b, Value *x, Value *zero) {
  x = build_cast(b, x, DT_i32);
  return zero ? b_sub(b, x, build_cast(b, zero, DT_i32)) : x;
}

bool onnx_import_ms_matmul_integer_to_float(OnnxCall *c) {
  Builder *b = c->b;
  for (int i = 2; i < 5; i += 2)
    if (onnx_in(c, i) && !dim_is(type_elements(b->module->dims, onnx_in(c, i)->type), 1))
      return onnx_refuse(c, "quantise A per tensor", "a scale or zero point for each column of A");
  Value *zero = onnx_in(c, 4);
  Value *product =
      b_matmul(b, centred(b, c->in[0], zero ? b_scalar(b, zero) : NULL), centred(b, c->in[1], onnx_in(c, 5)), false);
  Value *scale = b_mul(b, b_scalar(b, c->in[2]), c->in[3]);
  return onnx_result(c, b_add_opt(b, b_mul(b, build_cast(b, product, b_dtype(scale)), scale), onnx_in(c, 6)));
}

/* ---- GatherBlockQuantized ---- */

/* u8 data hold codes of `bits` bits, packed along the last axis. */
static Value *unpacked(Builder *b, Value *v, int64_t bits) {
  Dim d[MAX_RANK];
  int rank = b_rank(v);
  if (!v || bits == 8 || rank < 1) return v;
  for (int i = 0; i < rank; i++) d[i] = b_dim(b, v, i);
  d[rank - 1] = b_size_mul(b, d[rank - 1], b_size(b, 8 / bits));
  return b_codes(b, v, bits, rank, d);
}

static Value *look_up(Builder *b, Value *table, Value *index, int axis) {
  return table ? build(b, OP_gather, 1, INS(table, index), ATTRS(at_i(gather, axis, axis))) : NULL;
}

/* What the op needs in the end: codes, scales, zeros, and where blocks lie. */
typedef struct Blocks {
  Value *codes, *scales, *zeros;
  int axis;
  int64_t group;
} Blocks;

static Value *dequantized(Builder *b, const Blocks *q) {
  return build(b, OP_dequantize, 1, INS(q->codes, q->scales, q->zeros),
               ATTRS(at_i(dequantize, axis, q->axis), at_i(dequantize, block, q->group)));
}

static bool read_blocks(OnnxCall *c, Blocks *q) {
  Builder *b = c->b;
  int64_t bits;
  bool bytes = b_dtype(c->in[0]) == DT_u8;
  if (!onnx_bits(c, "bits", 4, &bits)) return false;
  *q = (Blocks){c->in[0], c->in[2], onnx_in(c, 3), 0, onnx_int(c, "block_size", 128)};
  if (q->group < 1) return onnx_refuse(c, "give a block_size", "block_size is %lld", (long long)q->group);
  if (!onnx_axis(c, onnx_int(c, "quantize_axis", 1), b_rank(q->codes), &q->axis)) return false;
  if (!bytes) return true;
  q->codes = unpacked(b, q->codes, bits);
  q->zeros = unpacked(b, q->zeros, bits);
  if (!q->zeros) {
    if (!b_typed(q->scales)) return false;
    Value *middle = build_scalar_i(b, b_dtype(q->codes), (int64_t)1 << (bits - 1));
    q->zeros = b_expand(b, middle, b_rank(q->scales), q->scales->type->dim);
  } else if (b_dim(b, q->zeros, -1) != b_dim(b, q->scales, -1)) { /* a row was filled up to a byte */
    int last = b_rank(q->zeros) - 1;
    q->zeros = b_slice(b, q->zeros, last, b_size(b, 0), b_dim(b, q->scales, -1));
  }
  return true;
}

/* Rows of a table quantised along its last axis stay encoded; else codes, scales and zeros are looked up alike. */
bool onnx_import_ms_gather_block_quantized(OnnxCall *c) {
  Blocks q;
  int axis;
  if (!read_blocks(c, &q) || !onnx_axis(c, onnx_int(c, "gather_axis", 0), b_rank(c->in[0]), &axis)) return false;
  Builder *b = c->b;
  Value *index = c->in[1];
  if (axis == q.axis) return onnx_result(c, look_up(b, dequantized(b, &q), index, axis));
  if (axis == 0 && q.axis == b_rank(q.codes) - 1) {
    Value *table = build(b, OP_encoded, 1, INS(q.codes, q.scales, q.zeros), ATTRS(at_i(encoded, group, q.group)));
    return onnx_result(c, look_up(b, table, index, 0));
  }
  q = (Blocks){look_up(b, q.codes, index, axis), look_up(b, q.scales, index, axis), look_up(b, q.zeros, index, axis),
               q.axis > axis ? q.axis + b_rank(index) - 1 : q.axis, q.group};
  return onnx_result(c, dequantized(b, &q));
}
