/* onnx_nn.c -- importers of products, convolutions, pools and normalisations. */
#include <math.h>
#include <string.h>

#include "frontend/onnx_build.h"

/* ---- products ---- */

bool onnx_import_matmul(OnnxCall *c) { return onnx_result(c, b_matmul(c->b, c->in[0], c->in[1], false)); }

/* x * factor, for integers only where the factor is one. */
static bool times(OnnxCall *c, Value **x, const char *name) {
  double v = onnx_float(c, name, 1);
  if (dtype_is_int(b_dtype(*x)) && v != trunc(v))
    return onnx_refuse(c, NULL, "%s is %g, the operands are integers", name, v);
  *x = b_mul_num(c->b, *x, v);
  return true;
}

bool onnx_import_gemm(OnnxCall *c) {
  Value *bias = onnx_in(c, 2);
  Value *y =
      build(c->b, OP_matmul, 1, INS(c->in[0], c->in[1]),
            ATTRS(at_i(matmul, transa, onnx_flag(c, "transA", 0)), at_i(matmul, transb, onnx_flag(c, "transB", 0))));
  if (!b_typed(y)) return onnx_result(c, y);
  y = build_cast(c->b, y, b_dtype(c->in[0]));
  if (!times(c, &y, "alpha") || (bias && !times(c, &bias, "beta"))) return false;
  return onnx_result(c, b_add_opt(c->b, y, bias));
}

/* ---- windows: what convolutions and pools share ---- */

enum { MAX_SPATIAL = 2 };

typedef struct Window {
  int n; /* spatial axes */
  int64_t kernel[MAX_SPATIAL], strides[MAX_SPATIAL], dilations[MAX_SPATIAL], pads[2 * MAX_SPATIAL];
} Window;

/* A list attribute with one number for each of `n`, or `dflt` for all where it is absent. */
static bool window_list(OnnxCall *c, const char *name, int n, int64_t dflt, int64_t *out) {
  const int64_t *v;
  int got = onnx_ints(c, name, &v);
  if (onnx_has(c, name) && got != n) return onnx_invalid(c, "%s has %d numbers, not %d", name, got, n);
  for (int i = 0; i < n; i++) {
    out[i] = got ? v[i] : dflt;
    if (out[i] < 0 || out[i] > INT32_MAX) return onnx_refuse(c, NULL, "%s has %lld", name, (long long)out[i]);
  }
  return true;
}

/* auto_pad SAME: as many results as strides fit in, the padding split evenly, the odd one at the end (or the start). */
static bool pad_same(OnnxCall *c, Window *w, bool upper) {
  DimPool *p = c->b->module->dims;
  for (int i = 0; i < w->n; i++) {
    Dim in = b_dim(c->b, c->in[0], i + 2), stride = dim_const(p, w->strides[i]);
    int64_t reach = (w->kernel[i] - 1) * w->dilations[i] + 1;
    Dim last = dim_mul(p, dim_sub(p, dim_ceildiv(p, in, stride), dim_const(p, 1)), stride);
    Dim total = dim_max(p, dim_sub(p, dim_add(p, last, dim_const(p, reach)), in), dim_const(p, 0));
    if (!dim_is_const(total))
      return onnx_refuse(c, "fix the size with -d name=value, or export with explicit pads",
                         "auto_pad with strides over a symbolic size");
    int64_t less = total->constant / 2, more = total->constant - less;
    w->pads[i] = upper ? less : more;
    w->pads[i + w->n] = upper ? more : less;
  }
  return true;
}

static bool window_pads(OnnxCall *c, Window *w) {
  const char *how;
  if (!onnx_word(c, "auto_pad", "NOTSET", "NOTSET VALID SAME_UPPER SAME_LOWER", &how)) return false;
  if (strcmp(how, "NOTSET") == 0) return window_list(c, "pads", 2 * w->n, 0, w->pads);
  if (strcmp(how, "VALID") == 0) return true;
  return pad_same(c, w, strcmp(how, "SAME_UPPER") == 0);
}

/* The kernel's sizes come from the attribute, or from the weights of a convolution. In the arena, for the ops keep the
 * lists. */
static bool window_of(OnnxCall *c, const Value *weights, Window **out) {
  Window *w = *out = ARENA_NEW(c->b->module->arena, Window);
  w->n = b_rank(c->in[0]) - 2;
  if (w->n < 1) return onnx_invalid(c, "the operand has rank %d, without a spatial axis", b_rank(c->in[0]));
  if (w->n > MAX_SPATIAL) return onnx_refuse(c, NULL, "%d spatial axes; one or two are supported", w->n);
  if (weights && !onnx_need_rank(c, weights, w->n + 2, "the weight")) return false;
  for (int i = 0; weights && i < w->n; i++)
    if (!onnx_need_static(c, weights, i + 2, "the weight", &w->kernel[i])) return false;
  if ((onnx_has(c, "kernel_shape") || !weights) && !window_list(c, "kernel_shape", w->n, 0, w->kernel)) return false;
  for (int i = 0; i < w->n; i++)
    if (w->kernel[i] < 1) return onnx_invalid(c, "the kernel's size is %lld", (long long)w->kernel[i]);
  return window_list(c, "strides", w->n, 1, w->strides) && window_list(c, "dilations", w->n, 1, w->dilations) &&
         window_pads(c, w);
}

bool onnx_import_conv(OnnxCall *c) {
  Window *w;
  if (!window_of(c, c->in[1], &w)) return false;
  Value *v = build(c->b, OP_conv, 1, INS(c->in[0], c->in[1], onnx_in(c, 2)),
                   ATTRS(at_ints(conv, strides, w->n, w->strides), at_ints(conv, dilations, w->n, w->dilations),
                         at_ints(conv, pads, 2 * w->n, w->pads), at_i(conv, groups, onnx_int(c, "group", 1))));
  return onnx_result(c, v);
}

bool onnx_import_max_pool(OnnxCall *c) {
  Window *w;
  if (!window_of(c, NULL, &w)) return false;
  bool two = onnx_wants(c, 1);
  Value *v = build(c->b, OP_pool_max, two ? 2 : 1, INS(c->in[0]),
                   ATTRS(at_ints(pool_max, kernel, w->n, w->kernel), at_ints(pool_max, strides, w->n, w->strides),
                         at_ints(pool_max, dilations, w->n, w->dilations), at_ints(pool_max, pads, 2 * w->n, w->pads),
                         at_i(pool_max, ceil, onnx_flag(c, "ceil_mode", 0)),
                         at_i(pool_max, column_major, onnx_flag(c, "storage_order", 0))));
  if (!onnx_result(c, v)) return false;
  if (two) c->out[1] = value_sibling(v, 1);
  return true;
}

bool onnx_import_average_pool(OnnxCall *c) {
  Window *w;
  if (!window_of(c, NULL, &w)) return false;
  Value *v = build(c->b, OP_pool_avg, 1, INS(c->in[0]),
                   ATTRS(at_ints(pool_avg, kernel, w->n, w->kernel), at_ints(pool_avg, strides, w->n, w->strides),
                         at_ints(pool_avg, dilations, w->n, w->dilations), at_ints(pool_avg, pads, 2 * w->n, w->pads),
                         at_i(pool_avg, ceil, onnx_flag(c, "ceil_mode", 0)),
                         at_i(pool_avg, count_pads, onnx_flag(c, "count_include_pad", 0))));
  return onnx_result(c, v);
}

bool onnx_import_global_average_pool(OnnxCall *c) {
  int64_t axes[MAX_RANK];
  int n = b_rank(c->in[0]) - 2;
  for (int i = 0; i < n; i++) axes[i] = i + 2;
  if (n < 1) return onnx_invalid(c, "the operand has rank %d, without a spatial axis", n + 2);
  return onnx_result(c, b_reduce(c->b, OP_reduce_mean, c->in[0], n, axes, true));
}

/* A depthwise convolution over the sequence so far, of which the last k-1 columns are carried on. */
bool onnx_import_causal_conv(OnnxCall *c) {
  const char *activation;
  if (!onnx_word(c, "activation", "none", "none silu swish", &activation)) return false;
  Builder *b = c->b;
  Value *x = c->in[0], *w = c->in[1], *past = onnx_in(c, 3);
  int64_t channels, k;
  if (!onnx_need_rank(c, x, 3, "the operand") || !onnx_need_rank(c, w, 3, "the weight") ||
      !onnx_need_static(c, w, 0, "the weight", &channels) || !onnx_need_static(c, w, 2, "the weight", &k))
    return false;
  const Dim d[] = {b_dim(b, x, 0), b_size(b, channels), b_size(b, k - 1)};
  Value *padded = b_concat(b, past ? past : b_full(b, x, 0, 3, d), x, 2);
  Value *y = build(b, OP_conv, 1, INS(padded, w, onnx_in(c, 2)), ATTRS(at_i(conv, groups, channels)));
  if (*activation != 'n') y = build_cast(b, b_silu(b, build_cast(b, y, DT_f32), 1), b_dtype(x));
  Dim length = b_dim(b, padded, 2);
  if (c->n_out > 1) c->out[1] = b_slice(b, padded, 2, b_size_sub(b, length, d[2]), length);
  return onnx_result(c, y);
}

/* ---- normalisations ---- */

/* 16-bit floats are normalised in f32, as ONNX's stash_type says; wider ones as they are. */
static Dtype stash(Dtype t) { return dtype_bits(t) < 32 ? DT_f32 : t; }

static bool stash_is_known(OnnxCall *c) {
  int64_t t = onnx_int(c, "stash_type", 1);
  return t == 1 || t == 11 || onnx_refuse(c, "leave stash_type at float", "stash_type is %lld", (long long)t);
}

/* [c,1,1..]: a value per channel, against a tensor of this rank with channels on axis 1. */
static Value *per_channel(Builder *b, Value *v, int rank) {
  Dim d[MAX_RANK];
  if (rank < 2) return v;
  d[0] = b_dim(b, v, 0);
  for (int i = 1; i < rank - 1; i++) d[i] = b_size(b, 1);
  return b_reshape(b, v, rank - 1, d);
}

bool onnx_import_batch_norm(OnnxCall *c) {
  if (onnx_flag(c, "training_mode", 0) || !onnx_flag(c, "spatial", 1))
    return onnx_refuse(c, "export the model in eval mode", "only inference with one mean a channel is supported");
  for (int i = 1; i < c->n_out; i++)
    if (onnx_wants(c, i)) return onnx_refuse(c, "export the model in eval mode", "running statistics are asked for");
  Builder *b = c->b;
  Dtype t = b_dtype(c->in[0]), wide = stash(t);
  Value *v[5];
  v[0] = build_cast(b, c->in[0], wide);
  for (int i = 1; i < 5; i++) {
    if (!onnx_need_rank(c, c->in[i], 1, "a statistic")) return false;
    v[i] = build_cast(b, per_channel(b, c->in[i], b_rank(c->in[0]) < 2 ? 2 : b_rank(c->in[0])), wide);
  }
  Value *deviation = build_unary(b, OP_sqrt, b_add_num(b, v[4], onnx_float(c, "epsilon", 1e-5f)));
  Value *y = b_add(b, b_mul(b, b_sub(b, v[0], v[3]), b_div(b, v[1], deviation)), v[2]);
  return onnx_result(c, build_cast(b, y, t));
}

static Value *layernorm(Builder *b, Value *x, Value *scale, Value *bias, int axis, double epsilon) {
  return build(b, OP_layernorm, 1, INS(x, scale, bias),
               ATTRS(at_i(layernorm, axis, axis), at_f(layernorm, epsilon, epsilon)));
}

bool onnx_import_layer_norm(OnnxCall *c) {
  int n = onnx_wants(c, 1) || onnx_wants(c, 2) ? 3 : 1;
  if (!stash_is_known(c)) return false;
  Value *y = build(
      c->b, OP_layernorm, n, INS(c->in[0], c->in[1], onnx_in(c, 2)),
      ATTRS(at_i(layernorm, axis, onnx_int(c, "axis", -1)), at_f(layernorm, epsilon, onnx_float(c, "epsilon", 1e-5f))));
  for (int i = 1; i < n && i < c->n_out; i++) c->out[i] = value_sibling(y, i);
  return onnx_result(c, y);
}

/* SimplifiedLayerNormalization gives 1/rms, too. */
bool onnx_import_rms_norm(OnnxCall *c) {
  bool both = onnx_wants(c, 1);
  if (!stash_is_known(c)) return false;
  Value *y = build(
      c->b, OP_rmsnorm, both ? 2 : 1, INS(c->in[0], c->in[1]),
      ATTRS(at_i(rmsnorm, axis, onnx_int(c, "axis", -1)), at_f(rmsnorm, epsilon, onnx_float(c, "epsilon", 1e-5f))));
  if (both) c->out[1] = value_sibling(y, 1);
  return onnx_result(c, y);
}

bool onnx_import_instance_norm(OnnxCall *c) {
  Builder *b = c->b;
  Value *x = c->in[0];
  int rank = b_rank(x);
  if (rank < 3) return onnx_invalid(c, "the operand has rank %d, without a spatial axis", rank);
  Value *y = layernorm(b, x, NULL, NULL, 2, onnx_float(c, "epsilon", 1e-5f));
  return onnx_result(c, b_add(b, b_mul(b, y, per_channel(b, c->in[1], rank)), per_channel(b, c->in[2], rank)));
}

/* [n,c,..] as [n,groups,c/groups,..], normalised from axis 2 on. Scale and bias were per group before opset 21. */
bool onnx_import_group_norm(OnnxCall *c) {
  int64_t groups = onnx_int(c, "num_groups", 0);
  if (groups < 1) return onnx_invalid(c, "num_groups is %lld", (long long)groups);
  if (!stash_is_known(c)) return false;
  Builder *b = c->b;
  Value *x = c->in[0];
  Dtype t = b_dtype(x), wide = stash(t);
  int rank = b_rank(x);
  if (rank < 2 || rank >= MAX_RANK) return onnx_invalid(c, "the operand has rank %d, without channels", rank);
  Dim d[MAX_RANK] = {b_dim(b, x, 0), b_size(b, groups), b_size_div(b, b_dim(b, x, 1), groups)};
  for (int i = 2; i < rank; i++) d[i + 1] = b_dim(b, x, i);
  Value *scale = build_cast(b, c->in[1], wide), *bias = build_cast(b, c->in[2], wide);
  Value *y =
      layernorm(b, b_reshape(b, build_cast(b, x, wide), rank + 1, d), NULL, NULL, 2, onnx_float(c, "epsilon", 1e-5f));
  bool by_group = c->opset < 21;
  if (!by_group) y = b_reshape(b, y, rank, x->type->dim);
  y = b_add(b, b_mul(b, y, per_channel(b, scale, b_rank(y))), per_channel(b, bias, b_rank(y)));
  return onnx_result(c, build_cast(b, by_group ? b_reshape(b, y, rank, x->type->dim) : y, t));
}

/* x / |x|, and 0 where the norm is. */
bool onnx_import_lp_norm(OnnxCall *c) {
  int axis;
  int64_t p = onnx_int(c, "p", 2);
  if (p != 1 && p != 2) return onnx_invalid(c, "p is %lld, not 1 or 2", (long long)p);
  if (!onnx_axis(c, onnx_int(c, "axis", -1), b_rank(c->in[0]), &axis)) return false;
  Builder *b = c->b;
  Value *x = c->in[0];
  Value *sum =
      b_reduce(b, OP_reduce_sum, p == 1 ? build_unary(b, OP_abs, x) : b_mul(b, x, x), 1, &(int64_t){axis}, true);
  Value *norm = p == 1 ? sum : build_unary(b, OP_sqrt, sum), *zero = b_num(b, x, 0);
  return onnx_result(c, b_where(b, build_binary(b, OP_eq, norm, zero), zero, b_div(b, x, norm)));
}
