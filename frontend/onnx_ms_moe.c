/* onnx_ms_moe.c -- importers of ONNX Runtime's mixtures of experts. */
#include <string.h>

#include "frontend/onnx_packed.h"
#include "ir/checked.h"

typedef struct Experts {
  Value *w1, *w2, *w3, *b1, *b2, *b3, *mix;
} Experts;

/* The op's word for activation_type and, of swiglu, for how gate and up stand in w1. */
static bool activation(OnnxCall *c, const Experts *e, const char **act) {
  if (!onnx_word(c, "activation_type", "relu", "relu gelu silu swiglu identity", act)) return false;
  if (strcmp(*act, "gelu") == 0) *act = "gelu_tanh"; /* which is what ONNX Runtime computes here */
  if (strcmp(*act, "swiglu") != 0) return true;
  int64_t fusion = onnx_int(c, "swiglu_fusion", 0);
  if (fusion == 0 && !e->w3) return onnx_invalid(c, "swiglu without fusion needs fc3");
  if (fusion == 2) *act = "swiglu_halves";
  return true;
}

/* ONNX Runtime's CPU kernel of QMoE normalises the weights whether or not it is told to; here the attribute holds. */
static bool mixture(OnnxCall *c, const Experts *e) {
  const char *act;
  if (!activation(c, e, &act)) return false;
  if (onnx_flag(c, "use_sparse_mixer", 0)) return onnx_refuse(c, NULL, "use_sparse_mixer is set");
  Builder *b = c->b;
  Value *x = c->in[0];
  int rank = b_rank(x);
  const Dim flat[] = {b_size_of_axes(b, x, 0, rank - 1), b_dim(b, x, -1)};
  Value *y = build(
      b, OP_moe, 1, INS(b_reshape(b, x, 2, flat), c->in[1], e->w1, e->w2, e->b1, e->b2, e->w3, e->b3, e->mix),
      ATTRS(at_i(moe, k, onnx_int(c, "k", 1)), at_s(moe, act, act),
            at_i(moe, normalize, onnx_flag(c, "normalize_routing_weights", 0)),
            at_f(moe, alpha, onnx_float(c, "activation_alpha", 1)),
            at_f(moe, beta, onnx_float(c, "activation_beta", 0)), at_f(moe, limit, onnx_float(c, "swiglu_limit", 0))));
  return onnx_result(c, b_typed(x) ? b_reshape(b, y, rank, x->type->dim) : y);
}

bool onnx_import_ms_moe(OnnxCall *c) {
  const Experts e = {.w1 = c->in[2],
                     .b1 = onnx_in(c, 3),
                     .w2 = c->in[4],
                     .b2 = onnx_in(c, 5),
                     .w3 = onnx_in(c, 6),
                     .b3 = onnx_in(c, 7)};
  return mixture(c, &e);
}

/* A layer's weights [e,n,k*bits/8] with scales [e,n] or [e,n,blocks], as [e,n,k] encoded. Zero points are packed along the
 * last axis of the scales. */
static Value *quantised(OnnxCall *c, Value *bytes, Value *scales, Value *zeros, const char *bits_name) {
  int64_t common, bits, k, group = onnx_int(c, "block_size", 0);
  if (!bytes) return NULL;
  if (!onnx_need_rank(c, bytes, 3, "the weights") || !onnx_bits(c, "expert_weight_bits", 4, &common) ||
      !onnx_bits(c, bits_name, common, &bits) || !onnx_need_static(c, bytes, 2, "the weights", &k))
    return NULL;
  Builder *b = c->b;
  if (!scales) return onnx_invalid(c, "scales are missing"), NULL;
  if (zeros && b_rank(zeros) < 2) return onnx_invalid(c, "zero points have rank %d", b_rank(zeros)), NULL;
  if (group < 0 || group > 1 << 30 || !checked_mul(k, 8 / bits, &k))
    return onnx_invalid(c, "block_size is %lld, over %lld bytes", (long long)group, (long long)k), NULL;
  const Dim e = b_dim(b, bytes, 0), n = b_dim(b, bytes, 1), d[] = {e, n, b_size(b, k)};
  Dim blocks[] = {e, n, b_size(b, group > 0 ? k / group + (k % group != 0) : 1)};
  Value *codes = b_codes(b, bytes, bits, 3, d);
  if (zeros) {
    Dim filled[MAX_RANK];
    int rank = b_rank(zeros);
    for (int i = 0; i < rank; i++) filled[i] = b_dim(b, zeros, i);
    filled[rank - 1] = b_size_mul(b, filled[rank - 1], b_size(b, 8 / bits));
    zeros = b_codes(b, zeros, bits, rank, filled);
    zeros = b_slice(b, zeros, rank - 1, b_size(b, 0), b_dim(b, scales, -1));
    zeros = b_view(b, zeros, 3, blocks);
  }
  return b_encoded(b, codes, b_view(b, scales, 3, blocks), zeros, bits, group > 0 ? group : k);
}

bool onnx_import_ms_qmoe(OnnxCall *c) {
  const char *type;
  if (!onnx_word(c, "quant_type", "int", "int", &type)) return false;
  if (onnx_int(c, "weights_prepacked", -1) > 0)
    return onnx_refuse(c, "export the model without prepacking", "the weights are packed for one machine");
  if (!onnx_in(c, 5)) return onnx_invalid(c, "fc2_experts_weights are missing");
  for (int i = 15; i < c->n_in; i++)
    if (c->in[i]) return onnx_refuse(c, "quantise to integers", "scales of floating-point weights are given");
  const Experts e = {
      .w1 = quantised(c, c->in[2], onnx_in(c, 3), onnx_in(c, 11), "fc1_expert_weight_bits"),
      .b1 = onnx_in(c, 4),
      .w2 = quantised(c, onnx_in(c, 5), onnx_in(c, 6), onnx_in(c, 12), "fc2_expert_weight_bits"),
      .b2 = onnx_in(c, 7),
      .w3 = quantised(c, onnx_in(c, 8), onnx_in(c, 9), onnx_in(c, 13), "fc3_expert_weight_bits"),
      .b3 = onnx_in(c, 10),
      .mix = onnx_in(c, 14),
  };
  if (!e.w1 || !e.w2 || (onnx_in(c, 8) && !e.w3)) return false;
  return mixture(c, &e);
}
