/* infer_quant.c -- result types of quantize, dequantize, encoded and decode. */
#include "ir/infer.h"

/* ---- where the scales stand ---- */

static bool is_single(Type scale) { return scale->rank == 0 || (scale->rank == 1 && dim_is(scale->dim[0], 1)); }

/* `scale` is x's shape with `axis` cut into blocks. */
static bool check_blocks(Infer *c, Type x, Type scale, int axis, int64_t block) {
  DimPool *p = c->module->dims;
  if (scale->rank != x->rank)
    return infer_error(c, "blocks of x, which is %s, need a scale with as many axes, not %s",
                       type_text(c->module->arena, x), type_text(c->module->arena, scale));
  for (int i = 0; i < x->rank; i++) {
    Dim want = i == axis ? dim_ceildiv(p, x->dim[i], dim_const(p, block)) : x->dim[i];
    if (!infer_same_dim(c, scale->dim[i], want, i == axis ? "the number of blocks" : "a size of the scale"))
      return false;
  }
  return true;
}

/* One scale, one an index of the axis, or one a block. */
static bool check_scale(Infer *c, int64_t axis, int64_t block) {
  Type x = c->in[0], scale = c->in[1];
  int at;
  if (!infer_float(c, 1, "scale")) return false;
  if (block < 0) return infer_error(c, "block must not be negative, but is %lld", (long long)block);
  if (block == 0 && is_single(scale)) return true;
  if (!infer_axis(c, axis, x->rank, &at)) return false;
  if (block) return check_blocks(c, x, scale, at, block);
  if (scale->rank != 1)
    return infer_error(c, "scale must be one number or a vector, not %s", type_text(c->module->arena, scale));
  return infer_same_dim(c, scale->dim[0], x->dim[at], "the number of scales");
}

static bool check_zero(Infer *c, int scale, int zero, Dtype want) {
  Type s = c->in[scale], z = infer_in(c, zero);
  if (!z) return true;
  if (z->encoded || (want != DT_none && z->dtype != want))
    return infer_error(c, "the zero point must be %s, but is %s", dtype_name(want), type_text(c->module->arena, z));
  if (z->rank != s->rank)
    return infer_error(c, "scale and zero point differ in shape: %s and %s", type_text(c->module->arena, s),
                       type_text(c->module->arena, z));
  for (int i = 0; i < z->rank; i++)
    if (!infer_same_dim(c, z->dim[i], s->dim[i], "a size of the zero point")) return false;
  return true;
}

/* ---- ops ---- */

bool infer_quantize(Infer *c) {
  Type x = c->in[0];
  Dtype to = node_dtype(c->node, quantize, to), precision = node_dtype(c->node, quantize, precision);
  bool number = !x->encoded && (dtype_is_float(x->dtype) || dtype_is_int(x->dtype));
  if (!number) return infer_error(c, "cannot quantize %s", type_text(c->module->arena, x));
  if (dtype_bits(to) > 16 || (dtype_is_float(to) && dtype_bits(to) > 8) || to == DT_bool)
    return infer_error(c, "cannot quantize to %s", dtype_name(to));
  if (precision != DT_none && !dtype_is_float(precision))
    return infer_error(c, "precision must be a float type, not %s", dtype_name(precision));
  if (!check_scale(c, node_int(c->node, quantize, axis), node_int(c->node, quantize, block))) return false;
  if (!check_zero(c, 1, 2, to)) return false;
  c->out[0] = type_with_dtype(c->module->types, x, to);
  return true;
}

bool infer_dequantize(Infer *c) {
  Type x = c->in[0];
  Dtype to = node_dtype(c->node, dequantize, to);
  if (x->encoded || x->dtype == DT_bool) return infer_error(c, "cannot dequantize %s", type_text(c->module->arena, x));
  if (!check_scale(c, node_int(c->node, dequantize, axis), node_int(c->node, dequantize, block))) return false;
  bool float_zero = infer_in(c, 2) && dtype_is_float(c->in[2]->dtype) && dtype_bits(c->in[2]->dtype) >= 16;
  if (!check_zero(c, 1, 2, float_zero ? DT_none : x->dtype)) return false;
  if (to == DT_none) to = c->in[1]->dtype;
  if (!dtype_is_float(to)) return infer_error(c, "cannot dequantize to %s", dtype_name(to));
  c->out[0] = type_with_dtype(c->module->types, x, to);
  return true;
}

bool infer_encoded(Infer *c) {
  DimPool *p = c->module->dims;
  Type codes = c->in[0], scales = c->in[1], zeros = infer_in(c, 2);
  int64_t group = node_int(c->node, encoded, group);
  if (codes->encoded || codes->dtype == DT_bool || codes->rank < 1)
    return infer_error(c, "%s cannot be codes", type_text(c->module->arena, codes));
  if (group < 1 || group > INT32_MAX) return infer_error(c, "no group of %lld codes", (long long)group);
  if (!infer_float(c, 1, "scales") || !check_zero(c, 1, 2, DT_none)) return false;
  if (scales->rank != codes->rank)
    return infer_error(c, "codes and scales must have equally many axes, but are %s and %s",
                       type_text(c->module->arena, codes), type_text(c->module->arena, scales));
  for (int i = 0; i < codes->rank; i++) {
    bool last = i == codes->rank - 1;
    Dim want = last ? dim_ceildiv(p, codes->dim[i], dim_const(p, group)) : codes->dim[i];
    if (!infer_same_dim(c, scales->dim[i], want, last ? "the number of groups" : "a size of the scales")) return false;
  }
  Encoding e = {codes->dtype, (int)group, scales->dtype, zeros ? zeros->dtype : DT_none};
  c->out[0] = type_encoded(c->module->types, e, codes->rank, codes->dim);
  return true;
}

bool infer_decode(Infer *c) {
  Type x = c->in[0];
  Dtype to = node_dtype(c->node, decode, to);
  if (!x->encoded) return infer_error(c, "%s is not encoded", type_text(c->module->arena, x));
  if (!dtype_is_float(to)) return infer_error(c, "cannot decode to %s", dtype_name(to));
  c->out[0] = type_tensor(c->module->types, to, x->rank, x->dim);
  return true;
}
