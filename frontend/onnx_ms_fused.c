/* onnx_ms_fused.c -- importers of the operators that ONNX Runtime's optimiser makes of several: activations with a bias,
 * sums with a norm, products with a transpose. */
#include <string.h>

#include "frontend/onnx_build.h"

/* ---- activations ---- */

static Value *gelu(Builder *b, Value *x, bool tanh) {
  return build(b, OP_gelu, 1, INS(x), ATTRS(at_i(gelu, tanh, tanh)));
}

bool onnx_import_ms_gelu(OnnxCall *c) { return onnx_result(c, gelu(c->b, c->in[0], false)); }

bool onnx_import_ms_bias_gelu(OnnxCall *c) {
  return onnx_result(c, gelu(c->b, b_add(c->b, c->in[0], c->in[1]), false));
}

/* ONNX Runtime takes the bias over and over along the elements, wherever its length lies against the rows'. */
static Value *repeated(Builder *b, Value *bias, Value *x) {
  Dim n = b_dim(b, bias, 0), last = b_dim(b, x, -1);
  if (!b_typed(x) || b_rank(bias) != 1 || n == last || !dim_is_const(n) || !dim_is_const(last)) return bias;
  Value *places = build_binary(b, OP_mod, b_iota(b, b_size_of_axes(b, x, 0, b_rank(x))), b_size_scalar(b, n));
  return b_reshape(b, build(b, OP_gather, 1, INS(bias, places), NO_ATTRS), b_rank(x), x->type->dim);
}

bool onnx_import_ms_fast_gelu(OnnxCall *c) {
  Value *bias = onnx_in(c, 1);
  if (bias) bias = repeated(c->b, bias, c->in[0]);
  return onnx_result(c, gelu(c->b, b_add_opt(c->b, c->in[0], bias), true));
}

bool onnx_import_ms_quick_gelu(OnnxCall *c) {
  return onnx_result(c, b_silu(c->b, c->in[0], onnx_float(c, "alpha", 1.702f)));
}

/* The left half times gelu of the right one. */
bool onnx_import_ms_bias_split_gelu(OnnxCall *c) {
  Builder *b = c->b;
  Value *x = b_add(b, c->in[0], c->in[1]);
  Value *left = build(b, OP_split, 2, INS(x), ATTRS(at_i(split, axis, -1)));
  return onnx_result(c, b_mul(b, left, gelu(b, value_sibling(left, 1), false)));
}

/* ---- sums with a norm ---- */

/* The norm's results: what it gives, mean and 1/deviation where asked for, and the sum that went in. */
static bool norm_results(OnnxCall *c, Op op, Value *sum, Value *scale, Value *bias, double epsilon) {
  bool layer = op == OP_layernorm, stats = onnx_wants(c, 1) || onnx_wants(c, 2);
  const AttrArg eps = layer ? at_f(layernorm, epsilon, epsilon) : at_f(rmsnorm, epsilon, epsilon);
  Value *in[] = {sum, scale, bias};
  Value *y = build_values(c->b, op, !stats ? 1 : layer ? 3 : 2, layer ? 3 : 2, in, 1, &eps);
  if (onnx_wants(c, 1) && !layer) return onnx_refuse(c, NULL, "the mean is asked for, which an RMS norm does not have");
  if (onnx_wants(c, 1)) c->out[1] = value_sibling(y, 1);
  if (onnx_wants(c, 2)) c->out[2] = value_sibling(y, layer ? 2 : 1);
  if (c->n_out > 3) c->out[3] = sum;
  return onnx_result(c, y);
}

static Value *skip_sum(OnnxCall *c, Value *bias) { return b_add_opt(c->b, b_add(c->b, c->in[0], c->in[1]), bias); }

bool onnx_import_ms_skip_layer_norm(OnnxCall *c) {
  Value *sum = skip_sum(c, onnx_in(c, 4));
  return norm_results(c, OP_layernorm, sum, c->in[2], onnx_in(c, 3), onnx_float(c, "epsilon", 1e-12f));
}

bool onnx_import_ms_skip_rms_norm(OnnxCall *c) {
  Value *sum = skip_sum(c, onnx_in(c, 3));
  return norm_results(c, OP_rmsnorm, sum, c->in[2], NULL, onnx_float(c, "epsilon", 1e-12f));
}

static Value *rows(Builder *b, Value *table, Value *ids) { return build(b, OP_gather, 1, INS(table, ids), NO_ATTRS); }

/* How many words of each sequence the mask keeps. */
static Value *mask_counts(OnnxCall *c, Value *mask) {
  Builder *b = c->b;
  Dim batch = b_dim(b, c->in[0], 0);
  if (!mask) return b_expand(b, build_scalar_i(b, DT_i32, 0), 1, &batch);
  return b_reduce(b, OP_reduce_sum, build_cast(b, mask, DT_i32), 1, &(int64_t){1}, false);
}

bool onnx_import_ms_embed_layer_norm(OnnxCall *c) {
  Builder *b = c->b;
  Value *ids = c->in[0], *segments = onnx_in(c, 1), *segment_table = onnx_in(c, 4), *places = onnx_in(c, 8);
  const int needed[] = {2, 3, 5, 6};
  for (int i = 0; i < 4; i++)
    if (!onnx_in(c, needed[i])) return onnx_invalid(c, "operand %d is left out, and is needed", needed[i]);
  if (!onnx_need_rank(c, ids, 2, "input_ids")) return false;
  if (!segments != !segment_table) return onnx_invalid(c, "segment_ids and segment_embedding come together");
  Value *sum = b_add(b, rows(b, c->in[2], ids), rows(b, c->in[3], places ? places : b_iota(b, b_dim(b, ids, 1))));
  if (segments) sum = b_add(b, sum, rows(b, segment_table, segments));
  if (c->n_out > 1) c->out[1] = mask_counts(c, onnx_in(c, 7));
  if (c->n_out > 2) c->out[2] = sum;
  Value *y = build(b, OP_layernorm, 1, INS(sum, c->in[5], c->in[6]),
                   ATTRS(at_f(layernorm, epsilon, onnx_float(c, "epsilon", 1e-12f))));
  return onnx_result(c, y);
}

/* ---- products ---- */

/* transBatch: the rows stand on the first axis, before the batch. */
static Value *rows_behind_batch(Builder *b, Value *x) {
  int64_t perm[MAX_RANK];
  int rank = b_rank(x);
  if (rank < 3) return x;
  for (int i = 0; i < rank - 2; i++) perm[i] = i + 1;
  perm[rank - 2] = 0;
  perm[rank - 1] = rank - 1;
  return b_transpose(b, x, rank, perm);
}

bool onnx_import_ms_fused_matmul(OnnxCall *c) {
  Builder *b = c->b;
  Value *x = onnx_flag(c, "transBatchA", 0) ? rows_behind_batch(b, c->in[0]) : c->in[0];
  Value *y = onnx_flag(c, "transBatchB", 0) ? rows_behind_batch(b, c->in[1]) : c->in[1];
  /* A vector has nothing to transpose. */
  bool transa = onnx_flag(c, "transA", 0) && b_rank(x) > 1, transb = onnx_flag(c, "transB", 0) && b_rank(y) > 1;
  Value *v = build(b, OP_matmul, 1, INS(x, y), ATTRS(at_i(matmul, transa, transa), at_i(matmul, transb, transb)));
  return onnx_result(c, b_mul_num(b, v, onnx_float(c, "alpha", 1)));
}

static bool activate(OnnxCall *c, Value *x, const char *name) {
  static const struct {
    const char *name;
    Op op;
  } plain[] = {
      {"Sigmoid", OP_sigmoid},
      {"Tanh", OP_tanh},
      {"Softplus", OP_softplus},
      {"Gelu", OP_gelu},
  };
  Builder *b = c->b;
  Value *zero = b_num(b, x, 0);
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
    if (strcmp(name, plain[i].name) == 0) return onnx_result(c, build_unary(b, plain[i].op, x));
  if (strcmp(name, "Relu") == 0) return onnx_result(c, b_max(b, x, zero));
  if (strcmp(name, "LeakyRelu") == 0) {
    Value *below = b_mul_num(b, x, onnx_float(c, "activation_alpha", 0.01f));
    return onnx_result(c, b_where(b, build_binary(b, OP_lt, x, zero), below, x));
  }
  return onnx_refuse(c, "switch off the optimiser's activation fusion", "activation is \"%s\"", name);
}

bool onnx_import_ms_fused_gemm(OnnxCall *c) {
  const char *activation = onnx_string(c, "activation", "");
  if (!onnx_import_gemm(c)) return false;
  return *activation ? activate(c, c->out[0], activation) : true;
}
