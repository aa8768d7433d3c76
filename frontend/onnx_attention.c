/* onnx_attention.c -- importers of ONNX's attention operators and of what surrounds them. */
#include "frontend/onnx_attention.h"

#include <math.h>

/* ---- shared ---- */

Value *b_attention(Builder *b, const Attend *a) {
  return build(b, OP_attention, 1, INS(a->q, a->k, a->v, a->bias, a->lengths, a->offsets, a->sinks),
               ATTRS(at_i(attention, causal, a->causal), at_f(attention, scale, a->scale),
                     at_f(attention, softcap, a->softcap), at_i(attention, window, a->window),
                     at_i(attention, ahead, a->ahead)));
}

Value *b_size_vector(Builder *b, Dim d) { return build_dims(b, 1, &d); }

Value *b_append(Builder *b, Value *past, Value *x) { return past ? b_concat(b, past, x, 2) : x; }

static Value *both(Builder *b, Value *x, Value *y) { return x && y ? build_binary(b, OP_and, x, y) : x ? x : y; }

/* [b] as [b,1,1,1] */
static Value *per_sequence(Builder *b, Value *v) {
  const Dim d[] = {b_dim(b, v, 0), b_size(b, 1), b_size(b, 1), b_size(b, 1)};
  return b_reshape(b, build_cast(b, v, DT_i64), 4, d);
}

/* bool: which keys [t] each query [s,1] may see. */
static Value *visible(Builder *b, const Attend *a) {
  Value *key = b_iota(b, b_dim(b, a->k, 2)), *at = b_unsqueeze(b, b_iota(b, b_dim(b, a->q, 2)), 1), *seen = NULL;
  if (a->offsets) at = b_add(b, at, per_sequence(b, a->offsets));
  if (a->lengths) seen = build_binary(b, OP_lt, key, per_sequence(b, a->lengths));
  int64_t ahead = a->causal ? 0 : a->ahead;
  if (ahead >= 0) seen = both(b, seen, build_binary(b, OP_le, key, b_add_num(b, at, (double)ahead)));
  if (a->window) seen = both(b, seen, build_binary(b, OP_lt, at, b_add_num(b, key, (double)a->window)));
  return seen;
}

Value *b_attention_bias(Builder *b, const Attend *a) {
  bool limited = a->lengths || a->causal || a->window || a->ahead >= 0;
  Value *seen = limited ? visible(b, a) : NULL, *bias = a->bias;
  if (bias && b_dtype(bias) == DT_bool) seen = both(b, seen, bias);
  if (bias && b_dtype(bias) == DT_bool) bias = NULL;
  if (!seen) return bias;
  return b_where(b, seen, bias ? bias : b_num(b, a->q, 0), b_num(b, a->q, -INFINITY));
}

/* k with each of its heads repeated for the query heads that share it. */
static Value *repeat_heads(Builder *b, Value *k, Value *q) {
  Dim g = b_dim(b, k, 1), h = b_dim(b, q, 1), t = b_dim(b, k, 2), d = b_dim(b, k, 3);
  if (!b_typed(k) || g == h) return k;
  const Dim grouped[] = {b_dim(b, k, 0), g, dim_floordiv(b->module->dims, h, g), t, d}, flat[] = {grouped[0], h, t, d};
  return b_reshape(b, b_expand(b, b_unsqueeze(b, k, 2), 5, grouped), 4, flat);
}

/* The root of the scale, by default of 1/sqrt(d). */
static Value *root_of_scale(Builder *b, const Attend *a) {
  Dim d = b_dim(b, a->q, 3);
  if (a->scale != 0) return b_num(b, a->q, sqrt(a->scale));
  if (dim_is_const(d)) return b_num(b, a->q, pow((double)d->constant, -0.25));
  Value *width = build_cast(b, b_size_scalar(b, d), DT_f32);
  return build_cast(b, build_binary(b, OP_pow, width, b_num(b, width, -0.25)), b_dtype(a->q));
}

Value *b_attention_scores(Builder *b, const Attend *a, int steps) {
  /* Half of the scale on either side, as ONNX says, so that f16 does not overflow. */
  Value *root = root_of_scale(b, a);
  Value *scores = b_matmul(b, b_mul(b, a->q, root), b_mul(b, repeat_heads(b, a->k, a->q), root), true);
  if (steps > 1 && a->softcap != 0)
    scores = b_mul_num(b, build_unary(b, OP_tanh, b_mul_num(b, scores, 1 / a->softcap)), a->softcap);
  return steps > 2 ? b_add_opt(b, scores, b_attention_bias(b, a)) : scores;
}

/* ---- Attention ---- */

/* q, k and v as [b,heads,s,d], whichever way they come. */
static bool read_heads(OnnxCall *c, Attend *a) {
  int64_t h = onnx_int(c, "q_num_heads", 0), g = onnx_int(c, "kv_num_heads", 0);
  int rank = b_rank(c->in[0]);
  if (rank != 3 && rank != 4) return onnx_invalid(c, "Q has rank %d, not 3 or 4", rank);
  if (!onnx_need_rank(c, c->in[1], rank, "K") || !onnx_need_rank(c, c->in[2], rank, "V")) return false;
  if (rank == 3 && (h < 1 || g < 1))
    return onnx_invalid(c, "operands of rank 3 need q_num_heads and kv_num_heads, which are %lld and %lld",
                        (long long)h, (long long)g);
  a->q = rank == 3 ? b_split_heads(c->b, c->in[0], h) : c->in[0];
  a->k = rank == 3 ? b_split_heads(c->b, c->in[1], g) : c->in[1];
  a->v = rank == 3 ? b_split_heads(c->b, c->in[2], g) : c->in[2];
  return true;
}

/* A mask may be shorter than the keys, and says no to the rest. */
static Value *lengthen_mask(Builder *b, Value *mask, const Attend *a) {
  Dim have = b_dim(b, mask, -1), want = b_dim(b, a->k, 2);
  if (!mask || have == want || b_rank(mask) < 1) return mask;
  Dim d[MAX_RANK];
  int last = b_rank(mask) - 1;
  for (int i = 0; i < last; i++) d[i] = b_dim(b, mask, i);
  d[last] = b_size_sub(b, want, have);
  Value *no = b_dtype(mask) == DT_bool ? build_scalar_i(b, DT_bool, 0) : b_num(b, mask, -INFINITY);
  return b_concat(b, mask, b_expand(b, no, last + 1, d), last);
}

/* A bound on how far a query sees; what is farther than any sequence is none: -1. */
static bool read_bound(OnnxCall *c, const char *name, int64_t *out) {
  *out = onnx_int(c, name, -1);
  if (*out > INT32_MAX) *out = -1;
  return *out >= -1 || onnx_invalid(c, "%s is %lld", name, (long long)*out);
}

static bool read_positions(OnnxCall *c, Attend *a, const Value *past, Value *lengths) {
  Builder *b = c->b;
  int64_t left;
  if (!read_bound(c, "left_window_size", &left) || !read_bound(c, "right_window_size", &a->ahead)) return false;
  a->causal = onnx_flag(c, "is_causal", 0);
  a->window = left + 1; /* the key at the query's own position counts here */
  a->lengths = lengths;
  if (past)
    a->offsets = b_size_vector(b, b_dim(b, past, 2));
  else if (lengths)
    a->offsets = b_sub(b, lengths, b_size_vector(b, b_dim(b, a->q, 2)));
  return true;
}

/* softmax of the scores in the type asked for; a row that sees nothing is 0. */
static Value *probabilities(Builder *b, const Attend *a, Dtype precision) {
  Value *scores = b_attention_scores(b, a, 3), *bias = b_attention_bias(b, a);
  Value *p = build(b, OP_softmax, 1, INS(build_cast(b, scores, precision)), ATTRS(at_i(softmax, axis, -1)));
  p = build_cast(b, p, b_dtype(a->q));
  if (!bias) return p;
  Value *most = b_reduce(b, OP_reduce_max, bias, 1, &(int64_t){-1}, true);
  Value *blind = build_binary(b, OP_eq, most, b_num(b, bias, -INFINITY));
  return b_where(b, blind, b_num(b, p, 0), p);
}

/* The optional fourth result: the scores after so many steps, or the probabilities. */
static bool scores_out(OnnxCall *c, const Attend *a, Dtype precision) {
  int64_t mode = onnx_int(c, "qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3) return onnx_invalid(c, "qk_matmul_output_mode is %lld, not 0 to 3", (long long)mode);
  c->out[3] = mode == 3 ? probabilities(c->b, a, precision) : b_attention_scores(c->b, a, (int)mode + 1);
  return b_typed(c->out[3]);
}

bool onnx_import_attention(OnnxCall *c) {
  Attend a = {.scale = onnx_float(c, "scale", 0), .softcap = onnx_float(c, "softcap", 0)};
  Dtype precision;
  if (!onnx_dtype(c, "softmax_precision", b_dtype(c->in[0]), &precision) || !read_heads(c, &a)) return false;
  Value *past_k = onnx_in(c, 4), *past_v = onnx_in(c, 5), *lengths = onnx_in(c, 6);
  if (!past_k != !past_v) return onnx_invalid(c, "past_key and past_value come together");
  if (past_k && lengths) return onnx_invalid(c, "nonpad_kv_seqlen and a past exclude each other");
  Builder *b = c->b;
  if (!read_positions(c, &a, past_k, lengths)) return false;
  a.k = b_append(b, past_k, a.k);
  a.v = b_append(b, past_v, a.v);
  a.bias = lengthen_mask(b, onnx_in(c, 3), &a);
  if (c->n_out > 1) c->out[1] = a.k;
  if (c->n_out > 2) c->out[2] = a.v;
  if (onnx_wants(c, 3) && !scores_out(c, &a, precision)) return false;
  Value *y = b_attention(b, &a);
  return onnx_result(c, b_rank(c->in[0]) == 3 ? b_join_heads(b, y) : y);
}

/* ---- rotation ---- */

bool onnx_import_rotary(OnnxCall *c) {
  Builder *b = c->b;
  Value *x = c->in[0];
  int64_t heads = onnx_int(c, "num_heads", 0);
  bool flat = b_rank(x) == 3;
  if (!flat && !onnx_need_rank(c, x, 4, "X")) return false;
  if (flat && heads < 1)
    return onnx_invalid(c, "an operand of rank 3 needs num_heads, which is %lld", (long long)heads);
  Value *y = build(b, OP_rope, 1, INS(flat ? b_split_heads(b, x, heads) : x, c->in[1], c->in[2], onnx_in(c, 3)),
                   ATTRS(at_i(rope, interleaved, onnx_flag(c, "interleaved", 0)),
                         at_i(rope, dims, onnx_int(c, "rotary_embedding_dim", 0))));
  return onnx_result(c, flat ? b_join_heads(b, y) : y);
}

/* ---- recurrences ---- */

bool onnx_import_linear_attention(OnnxCall *c) {
  const char *rule;
  int64_t h = onnx_int(c, "q_num_heads", 0), g = onnx_int(c, "kv_num_heads", 0);
  if (h < 1 || g < 1)
    return onnx_invalid(c, "q_num_heads and kv_num_heads are %lld and %lld", (long long)h, (long long)g);
  if (!onnx_word(c, "update_rule", "gated_delta", "linear gated delta gated_delta", &rule)) return false;
  Builder *b = c->b;
  for (int i = 0; i < c->n_in; i++)
    if (i != 3 && c->in[i] && !onnx_need_rank(c, c->in[i], 3, "an operand")) return false;
  Value *decay = onnx_in(c, 4), *beta = onnx_in(c, 5);
  if (decay) decay = b_split_heads(b, decay, g);
  if (beta)
    beta = b_transpose(b, b_unsqueeze(b, beta, 3), 4, (const int64_t[]){0, 2, 1, 3}); /* one a head, or for all */
  Value *y = build(b, OP_linear_attention, 2,
                   INS(b_split_heads(b, c->in[0], h), b_split_heads(b, c->in[1], g), b_split_heads(b, c->in[2], g),
                       onnx_in(c, 3), decay, beta),
                   ATTRS(at_s(linear_attention, rule, rule), at_f(linear_attention, scale, onnx_float(c, "scale", 0))));
  if (c->n_out > 1) c->out[1] = value_sibling(y, 1);
  return onnx_result(c, b_join_heads(b, y));
}
