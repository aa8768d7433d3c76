/* eval_quant.c -- reference quantisation: numbers to codes and back, by scales a tensor, an index, or a block. */
#include <math.h>

#include "ir/eval.h"
#include "ir/fatal.h"

/* ---- which scale an element has ---- */

typedef struct ScaleMap {
  int64_t inner, size; /* elements behind the axis, and along it */
  int64_t block;       /* 0: one scale an index of the axis */
  int64_t blocks;
  bool single;
} ScaleMap;

static ScaleMap scale_map(const Tensor *x, const Tensor *scale, int64_t axis, int64_t block) {
  if (!block && scale->count == 1 && scale->rank < 2) return (ScaleMap){.single = true};
  if (axis < 0) axis += x->rank;
  ScaleMap m = {.inner = 1, .size = x->dim[axis], .block = block};
  for (int i = (int)axis + 1; i < x->rank; i++) m.inner *= x->dim[i];
  if (block) m.blocks = scale->dim[axis];
  return m;
}

static int64_t scale_index(const ScaleMap *m, int64_t i) {
  if (m->single) return 0;
  int64_t at = i / m->inner % m->size;
  if (!m->block) return at;
  return (i / m->inner / m->size * m->blocks + at / m->block) * m->inner + i % m->inner;
}

/* ---- quantize ---- */

static double round_to(Dtype t, double v) { return dtype_decode(t, dtype_encode(t, v, false, ROUND_EVEN)); }

/* Least and greatest code of an integer type. */
static void code_range(Dtype t, double *least, double *greatest) {
  int bits = dtype_bits(t);
  *least = dtype_is_signed(t) ? -ldexp(1, bits - 1) : 0;
  *greatest = ldexp(1, dtype_is_signed(t) ? bits - 1 : bits) - 1;
}

/* NaN becomes the least code, as with the vector instructions that others clamp with. */
static void set_code(Tensor *out, int64_t i, double v) {
  double least, greatest;
  code_range(out->dtype, &least, &greatest);
  v = v >= least ? v : least;
  dtype_set_i(out->dtype, out->data, i, (int64_t)(v <= greatest ? v : greatest));
}

/* The quotient is rounded to the precision of the division before it is rounded to a code: ONNX's rule, and visible at
 * ties. */
static Dtype division_type(const EvalCall *c) {
  Dtype named = node_dtype(c->node, quantize, precision), scale = c->in[1]->dtype;
  if (named != DT_none) return named;
  return dtype_bits(scale) >= 16 ? scale : DT_f32; /* scales of 8 bits are too coarse to divide in */
}

bool eval_quantize(EvalCall *c) {
  const Tensor *x = c->in[0], *scale = c->in[1], *zero = eval_in(c, 2);
  Tensor *out = c->out[0];
  ScaleMap m = scale_map(x, scale, node_int(c->node, quantize, axis), node_int(c->node, quantize, block));
  Dtype division = division_type(c);
  bool saturate = node_bool(c->node, quantize, saturate), ints = dtype_is_int(out->dtype);
  for (int64_t i = 0; i < x->count; i++) {
    int64_t at = scale_index(&m, i);
    double q = round_to(division, round_to(division, tensor_f(x, i)) / round_to(division, tensor_f(scale, at)));
    double z = zero ? tensor_f(zero, at) : 0;
    if (ints)
      set_code(out, i, nearbyint(q) + z);
    else
      dtype_set_bits(out->dtype, out->data, i, dtype_encode(out->dtype, q + z, saturate, ROUND_EVEN));
  }
  return true;
}

/* ---- dequantize, encoded, decode ---- */

bool eval_dequantize(EvalCall *c) {
  const Tensor *x = c->in[0], *scale = c->in[1], *zero = eval_in(c, 2);
  Tensor *out = c->out[0];
  ScaleMap m = scale_map(x, scale, node_int(c->node, dequantize, axis), node_int(c->node, dequantize, block));
  for (int64_t i = 0; i < x->count; i++) {
    int64_t at = scale_index(&m, i);
    double z = zero ? tensor_f(zero, at) : 0;
    dtype_set_f(out->dtype, out->data, i, (tensor_f(x, i) - z) * tensor_f(scale, at));
  }
  return true;
}

static void copy_elements(Tensor *to, const Tensor *from) {
  int64_t bytes;
  ensure(to->dtype == from->dtype && to->count == from->count && dtype_size(to->dtype, to->count, &bytes));
  if (bytes) memcpy(to->data, from->data, (size_t)bytes);
}

bool eval_encoded(EvalCall *c) {
  Tensor *out = c->out[0];
  copy_elements(out, c->in[0]);
  copy_elements(out->scale, c->in[1]);
  if (out->zero) copy_elements(out->zero, c->in[2]);
  return true;
}

bool eval_decode(EvalCall *c) {
  const Tensor *x = c->in[0];
  Tensor *out = c->out[0];
  for (int64_t i = 0; i < x->count; i++) dtype_set_f(out->dtype, out->data, i, tensor_decoded(x, i));
  return true;
}
