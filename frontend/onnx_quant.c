/* onnx_quant.c -- importers of ONNX's quantised operators. */
#include "frontend/onnx_build.h"

/* ---- to and from codes ---- */

/* A scale for each index of `axis` needs one; a scale of one element, or a scalar, is for all. */
static bool needs_axis(const Value *scale) { return b_rank(scale) == 1 && !dim_is(scale->type->dim[0], 1); }

/* Scale and zero point as the op takes them: one number is a scalar. The axis may mean nothing then, and be out of range. */
static bool quant_operands(OnnxCall *c, Value **scale, Value **zero, int *axis) {
  int64_t at = onnx_int(c, "axis", 1);
  int rank = b_rank(c->in[0]);
  bool blocks = onnx_int(c, "block_size", 0) != 0, one = !needs_axis(c->in[1]);
  if (!one && !dim_is_const(b_dim(c->b, c->in[1], 0))) one = at < -rank || at >= rank; /* a size not known to be 1 */
  *scale = c->in[1];
  *zero = onnx_in(c, 2);
  *axis = 0;
  if (blocks || !one) return onnx_axis(c, at, rank, axis);
  *scale = b_scalar(c->b, *scale);
  if (*zero) *zero = b_scalar(c->b, *zero);
  return true;
}

bool onnx_import_quantize(OnnxCall *c) {
  Dtype to, precision;
  Value *scale, *zero;
  int axis;
  if (!onnx_dtype(c, "output_dtype", DT_none, &to) || !onnx_dtype(c, "precision", DT_none, &precision) ||
      !quant_operands(c, &scale, &zero, &axis))
    return false;
  Builder *b = c->b;
  Value *x = c->in[0];
  if (to == DT_none) to = zero ? b_dtype(zero) : DT_u8;
  if (zero && b_dtype(zero) != to)
    return onnx_invalid(c, "output_dtype is %s, the zero point %s", dtype_name(to), dtype_name(b_dtype(zero)));
  if (dtype_is_int(b_dtype(x))) x = build_cast(b, x, b_dtype(scale));
  Value *v = build(b, OP_quantize, 1, INS(x, scale, zero),
                   ATTRS(at_i(quantize, to, to), at_i(quantize, axis, axis),
                         at_i(quantize, block, onnx_int(c, "block_size", 0)),
                         at_i(quantize, saturate, onnx_flag(c, "saturate", 1)), at_i(quantize, precision, precision)));
  return onnx_result(c, v);
}

bool onnx_import_dequantize(OnnxCall *c) {
  Dtype to;
  Value *scale, *zero;
  int axis;
  if (!onnx_dtype(c, "output_dtype", DT_none, &to) || !quant_operands(c, &scale, &zero, &axis)) return false;
  Builder *b = c->b;
  Value *v = build(b, OP_dequantize, 1, INS(c->in[0], scale, zero),
                   ATTRS(at_i(dequantize, axis, axis), at_i(dequantize, block, onnx_int(c, "block_size", 0)),
                         at_i(dequantize, to, to)));
  return onnx_result(c, v);
}

/* The range is stretched to hold 0, so that 0 has a code. A range of nothing has scale 1. */
bool onnx_import_dynamic_quantize(OnnxCall *c) {
  Builder *b = c->b;
  Value *x = c->in[0], *zero = b_num(b, x, 0), *most = b_num(b, x, 255);
  Value *low = b_min(b, b_reduce(b, OP_reduce_min, x, 0, NULL, false), zero);
  Value *high = b_max(b, b_reduce(b, OP_reduce_max, x, 0, NULL, false), zero);
  Value *scale = b_div(b, b_sub(b, high, low), most);
  scale = b_where(b, build_binary(b, OP_eq, high, low), b_num(b, x, 1), scale);
  Value *point = b_min(b, b_max(b, b_sub(b, zero, b_div(b, low, scale)), zero), most);
  point = build_cast(b, build_unary(b, OP_round, point), DT_u8);
  if (c->n_out > 1) c->out[1] = scale;
  if (c->n_out > 2) c->out[2] = point;
  return onnx_result(c, build(b, OP_quantize, 1, INS(x, scale, point), ATTRS(at_i(quantize, to, DT_u8))));
}

/* ---- products of codes ---- */

/* A scale or zero point per row of a matrix on the left: [m] stands as [m,1]. On the right [n] stands as it is. */
static Value *per_row(Builder *b, Value *v) { return v && needs_axis(v) ? b_unsqueeze(b, v, 1) : v; }

static Value *centred(Builder *b, Value *x, Value *zero) {
  return zero ? b_sub(b, build_cast(b, x, DT_i32), build_cast(b, zero, DT_i32)) : x;
}

/* The i32 product of codes whose zero points may be left out. */
static Value *integer_product(Builder *b, Value *x, Value *x_zero, Value *y, Value *y_zero) {
  x = centred(b, x, x_zero);
  y = centred(b, y, y_zero);
  if (!x_zero != !y_zero) { /* one is i32, so the other must be, too */
    x = build_cast(b, x, DT_i32);
    y = build_cast(b, y, DT_i32);
  }
  return b_matmul(b, x, y, false);
}

bool onnx_import_matmul_integer(OnnxCall *c) {
  Builder *b = c->b;
  return onnx_result(c, integer_product(b, c->in[0], per_row(b, onnx_in(c, 2)), c->in[1], onnx_in(c, 3)));
}

/* codes -> i32 product -> a multiple of the three scales -> codes */
bool onnx_import_qlinear_matmul(OnnxCall *c) {
  Builder *b = c->b;
  Dtype t = b_dtype(c->in[7]);
  if (!dtype_is_int(t))
    return onnx_refuse(c, "use DequantizeLinear, MatMul and QuantizeLinear", "codes of type %s", dtype_name(t));
  Value *product = integer_product(b, c->in[0], per_row(b, c->in[2]), c->in[3], c->in[5]);
  product = build_cast(b, product, DT_f32);
  Value *factor = b_mul(b, build_cast(b, per_row(b, c->in[1]), DT_f32), build_cast(b, c->in[4], DT_f32));
  Value *scale = build_cast(b, c->in[6], DT_f32), *zero = c->in[7];
  if (needs_axis(scale) && dim_is_const(b_dim(b, scale, 0)))
    return onnx_refuse(c, NULL, "a scale for each row of the result");
  Value *v = build(b, OP_quantize, 1, INS(b_mul(b, product, factor), b_scalar(b, scale), b_scalar(b, zero)),
                   ATTRS(at_i(quantize, to, t)));
  return onnx_result(c, v);
}
