/* onnx_ms_attention.c -- importers of ONNX Runtime's attention operators. */
#include "frontend/onnx_attention.h"

/* ---- shared ---- */

static bool refuse_if_set(OnnxCall *c, const char *name, int64_t dflt) {
  if (onnx_int(c, name, dflt) == dflt) return true;
  return onnx_refuse(c, NULL, "%s is %lld", name, (long long)onnx_int(c, name, dflt));
}

static bool refuse_operand(OnnxCall *c, int i, const char *name) {
  return !onnx_in(c, i) || onnx_refuse(c, "export without shared or quantised buffers", "operand %s", name);
}

static bool read_count(OnnxCall *c, const char *name, int64_t *out) {
  *out = onnx_int(c, name, 0);
  return (*out > 0 && *out <= 1 << 20) || onnx_invalid(c, "%s is %lld", name, (long long)*out);
}

/* Columns from..to of the last axis. */
static Value *columns(Builder *b, Value *x, Dim from, Dim to) { return b_slice(b, x, b_rank(x) - 1, from, to); }

/* Item i along an axis, which goes away. */
static Value *item(Builder *b, Value *x, int axis, int64_t i) {
  return b_squeeze(b, b_slice(b, x, axis, b_size(b, i), b_size(b, i + 1)), axis);
}

/* A mask with one number a sequence: [b] lengths, or [2b] ends, then starts. Gives which keys stand behind the start, or
 * NULL where there is none. */
static bool read_lengths_mask(OnnxCall *c, Attend *a, Value *mask, Value **keep) {
  Builder *b = c->b;
  Dim batch = b_dim(b, a->q, 0), twice = b_size_mul(b, b_size(b, 2), batch), one = b_size(b, 1);
  bool starts = b_dim(b, mask, 0) == twice;
  if (!starts && b_dim(b, mask, 0) != batch)
    return onnx_refuse(c, "use a mask [batch, length]",
                       "a vector for a mask that is not known to be [batch] or [2*batch]");
  a->lengths = b_slice(b, mask, 0, b_size(b, 0), batch);
  if (!starts) return true;
  const Dim d[] = {batch, one, one, one};
  Value *from = b_reshape(b, build_cast(b, b_slice(b, mask, 0, batch, twice), DT_i64), 4, d);
  *keep = build_binary(b, OP_le, from, b_iota(b, b_dim(b, a->k, 2)));
  return true;
}

/* A mask with a number for each key: [b,t], [b,s,t], or the rows behind the past and the first columns of [b,1,max,max]. */
static Value *keys_mask(Builder *b, const Attend *a, Value *mask) {
  Dim t = b_dim(b, a->k, 2), past = b_size_sub(b, t, b_dim(b, a->q, 2)), one = b_size(b, 1);
  const Dim d[] = {b_dim(b, mask, 0), one, one, b_dim(b, mask, 1)};
  if (b_rank(mask) == 2)
    mask = b_reshape(b, mask, 4, d);
  else if (b_rank(mask) == 3)
    mask = b_unsqueeze(b, mask, 1);
  else
    mask = b_slice(b, b_slice(b, mask, 2, past, t), 3, b_size(b, 0), t);
  return build_cast(b, mask, DT_bool);
}

/* A padding mask becomes lengths, or a bias of 0 and mask_filter_value. */
static bool read_mask(OnnxCall *c, Attend *a, Value *mask) {
  Builder *b = c->b;
  Value *keep = NULL;
  if (!mask) return true;
  if (b_rank(mask) < 1 || b_rank(mask) > 4) return onnx_invalid(c, "the mask has rank %d", b_rank(mask));
  if (b_rank(mask) > 1)
    keep = keys_mask(b, a, mask);
  else if (!read_lengths_mask(c, a, mask, &keep))
    return false;
  if (!keep) return true;
  Value *bias = b_where(b, keep, b_num(b, a->q, 0), b_num(b, a->q, onnx_float(c, "mask_filter_value", -10000)));
  a->bias = a->bias ? b_add(b, a->bias, bias) : bias;
  return b_typed(a->bias);
}

/* Query i stands behind the keys that were there before: t - s of them. */
static void stand_at_end(Builder *b, Attend *a) {
  Dim past = b_size_sub(b, b_dim(b, a->k, 2), b_dim(b, a->q, 2));
  if (a->causal && !dim_is(past, 0)) a->offsets = b_size_vector(b, past);
}

/* ---- Attention: with the projection of q, k and v ---- */

/* The widths of q, k and v in the projection. */
static bool projection_widths(OnnxCall *c, int64_t heads, Dim width[3]) {
  Builder *b = c->b;
  const int64_t *v;
  int n = onnx_ints(c, "qkv_hidden_sizes", &v);
  if (n && n != 3) return onnx_invalid(c, "qkv_hidden_sizes has %d numbers, not 3", n);
  for (int i = 0; i < 3; i++) {
    if (n && v[i] < 1) return onnx_invalid(c, "qkv_hidden_sizes has %lld", (long long)v[i]);
    width[i] = n ? b_size(b, v[i]) : b_size_div(b, b_dim(b, c->in[1], 1), 3);
    if (dim_is_const(width[i]) && width[i]->constant % heads)
      return onnx_invalid(c, "%lld columns do not divide into %lld heads", (long long)width[i]->constant,
                          (long long)heads);
  }
  return true;
}

bool onnx_import_ms_attention(OnnxCall *c) {
  int64_t heads;
  Dim width[3];
  if (!read_count(c, "num_heads", &heads) || !refuse_if_set(c, "do_rotary", 0) ||
      !refuse_if_set(c, "past_present_share_buffer", 0) || !refuse_operand(c, 6, "past_sequence_length"))
    return false;
  Builder *b = c->b;
  Value *past = onnx_in(c, 4), *bias = onnx_in(c, 2);
  if (!onnx_need_rank(c, c->in[0], 3, "input") || !onnx_need_rank(c, c->in[1], 2, "weights") ||
      (past && !onnx_need_rank(c, past, 5, "past")) || !projection_widths(c, heads, width))
    return false;
  Value *qkv = b_add_opt(b, b_matmul(b, c->in[0], c->in[1], false), bias), *part[3];
  Dim at = b_size(b, 0);
  for (int i = 0; i < 3; i++) {
    Dim to = b_size_add(b, at, width[i]);
    part[i] = b_split_heads(b, columns(b, qkv, at, to), heads);
    at = to;
  }
  Attend a = {.q = part[0], .bias = onnx_in(c, 5), .causal = onnx_flag(c, "unidirectional", 0), .ahead = -1};
  a.k = b_append(b, past ? item(b, past, 0, 0) : NULL, part[1]);
  a.v = b_append(b, past ? item(b, past, 0, 1) : NULL, part[2]);
  a.scale = onnx_float(c, "scale", 0);
  if (onnx_wants(c, 1)) c->out[1] = b_concat(b, b_unsqueeze(b, a.k, 0), b_unsqueeze(b, a.v, 0), 0);
  if (!read_mask(c, &a, onnx_in(c, 3))) return false;
  stand_at_end(b, &a);
  return onnx_result(c, b_join_heads(b, b_attention(b, &a)));
}

/* ---- MultiHeadAttention ---- */

/* Part i of `n` on axis 3 of [b,s,heads,n,d], as [b,heads,s,d]. */
static Value *packed_part(Builder *b, Value *x, int64_t i) {
  return b_transpose(b, item(b, x, 3, i), 4, (const int64_t[]){0, 2, 1, 3});
}

/* Columns from.. of the projection's bias, as many as x has, added to [b,s,h*d]. */
static Value *add_bias(Builder *b, Value *x, Value *bias, Dim *at) {
  Dim to = b_size_add(b, *at, b_dim(b, x, -1));
  if (bias) x = b_add(b, x, b_slice(b, bias, 0, *at, to));
  *at = to;
  return x;
}

/* q, k and v as [b,heads,s,d]. */
static bool read_qkv(OnnxCall *c, Attend *a, int64_t heads) {
  Builder *b = c->b;
  Value *q = c->in[0], *k = onnx_in(c, 1), *v = onnx_in(c, 2), *bias = onnx_in(c, 3);
  Dim at = b_size(b, 0);
  bool all = b_rank(q) == 5, pairs = k && b_rank(k) == 5;
  if ((all || pairs) && bias) return onnx_refuse(c, NULL, "a bias with packed operands");
  if (all) {
    a->q = packed_part(b, q, 0);
    a->k = packed_part(b, q, 1);
    a->v = packed_part(b, q, 2);
    return true;
  }
  if (!onnx_need_rank(c, q, 3, "query")) return false;
  if (!k) return onnx_invalid(c, "key is missing");
  a->q = b_split_heads(b, add_bias(b, q, bias, &at), heads);
  if (pairs) {
    a->k = packed_part(b, k, 0);
    a->v = packed_part(b, k, 1);
    return true;
  }
  if (!v) return onnx_invalid(c, "value is missing");
  bool ready = b_rank(k) == 4; /* of an encoder: [b,heads,t,d] already; only the query's share of the bias applies */
  if (!ready && (!onnx_need_rank(c, k, 3, "key") || !onnx_need_rank(c, v, 3, "value"))) return false;
  a->k = ready ? k : b_split_heads(b, add_bias(b, k, bias, &at), heads);
  a->v = ready ? v : b_split_heads(b, add_bias(b, v, bias, &at), heads);
  return true;
}

bool onnx_import_ms_multi_head_attention(OnnxCall *c) {
  int64_t heads;
  Attend a = {.bias = onnx_in(c, 5), .causal = onnx_flag(c, "unidirectional", 0), .ahead = -1};
  if (!read_count(c, "num_heads", &heads) || !refuse_operand(c, 8, "past_sequence_length") ||
      !refuse_operand(c, 9, "cache_indirection") || !read_qkv(c, &a, heads))
    return false;
  if (onnx_wants(c, 3)) return onnx_refuse(c, NULL, "the scores are asked for");
  if (onnx_in(c, 6) && c->n_out < 3) /* ONNX Runtime then ignores the past, or reads beyond it */
    return onnx_refuse(c, "name the present results, too", "there is a past without a present");
  Builder *b = c->b;
  a.k = b_append(b, onnx_in(c, 6), a.k);
  a.v = b_append(b, onnx_in(c, 7), a.v);
  a.scale = onnx_float(c, "scale", 0);
  if (c->n_out > 1) c->out[1] = a.k;
  if (c->n_out > 2) c->out[2] = a.v;
  if (!read_mask(c, &a, onnx_in(c, 4))) return false;
  stand_at_end(b, &a);
  return onnx_result(c, b_join_heads(b, b_attention(b, &a)));
}

/* ---- GroupQueryAttention ---- */

/* What a GroupQueryAttention reads off its operands. The cache may be exactly as long as what it holds, and then grows;
 * or longer, and then it keeps its length and the new rows are written behind what each sequence has. */
typedef struct Grouped {
  int64_t heads, kv_heads;
  Value *total;   /* i64[]: the longest sequence after this step */
  Value *lengths; /* i64[b]: of each sequence after this step */
  Value *before;  /* i64[b]: before it; 0 in a first prompt, however it is padded */
  Dim step;       /* rows that are new */
} Grouped;

static void read_lengths(OnnxCall *c, Grouped *g) {
  Builder *b = c->b;
  g->step = b_dim(b, c->in[0], 1);
  g->total = b_scalar(b, build_cast(b, c->in[6], DT_i64));
  Value *last = build_cast(b, c->in[5], DT_i64);
  if (b_rank(last) == 2) last = b_squeeze(b, last, 1);
  g->lengths = b_add_num(b, last, 1);
  Value *step = b_size_scalar(b, g->step), *zero = build_scalar_i(b, DT_i64, 0);
  if (!onnx_in(c, 3))
    g->before = b_sub(b, last, last);
  else
    g->before = b_where(b, build_binary(b, OP_eq, g->total, step), zero, b_sub(b, g->lengths, step));
}

/* The part of packed query, key and value, or the operand; as [b,heads,s,d]. */
static Value *grouped_part(OnnxCall *c, const Grouped *g, int i) {
  Builder *b = c->b;
  int64_t heads = i ? g->kv_heads : g->heads;
  if (onnx_in(c, 1)) return b_split_heads(b, onnx_in(c, i), heads);
  Dim d = b_size_div(b, b_dim(b, c->in[0], 2), g->heads + 2 * g->kv_heads);
  Dim from = b_size_mul(b, d, b_size(b, i == 0 ? 0 : g->heads + (i - 1) * g->kv_heads));
  Dim to = b_size_add(b, from, b_size_mul(b, d, b_size(b, heads)));
  return b_split_heads(b, columns(b, c->in[0], from, to), heads);
}

/* [b,s] or [1,s]: the positions of the new rows. */
static Value *new_positions(Builder *b, const Grouped *g) {
  return b_add(b, b_unsqueeze(b, g->before, 1), b_unsqueeze(b, b_iota(b, g->step), 0));
}

static Value *rotate(OnnxCall *c, Value *x, Value *positions) {
  Builder *b = c->b;
  Dim half = b_dim(b, c->in[7], 1);
  int64_t dims = dim_is_const(half) ? 2 * half->constant : 0;
  return build(b, OP_rope, 1, INS(x, c->in[7], c->in[8], positions),
               ATTRS(at_i(rope, interleaved, onnx_flag(c, "rotary_interleaved", 0)), at_i(rope, dims, dims)));
}

/* The cache with the new rows written at each sequence's own end. */
static Value *append_rows(Builder *b, const Grouped *g, Value *past, Value *x) {
  if (!past) return x;
  Value *have = b_size_scalar(b, b_dim(b, past, 2));
  Value *more = b_sub(b, b_max(b, g->total, have), have);
  Value *pads = b_concat(b, build_ints(b, 1, &(int64_t){0}), b_unsqueeze(b, more, 0), 0);
  Value *room = build(b, OP_pad, 1, INS(past, pads, b_num(b, past, 0), build_ints(b, 1, &(int64_t){2})), NO_ATTRS);
  Value *at = new_positions(b, g);
  const Dim d[] = {b_dim(b, at, 0), b_size(b, 1), g->step, b_size(b, 1)};
  Value *index = b_typed(x) ? b_expand(b, b_reshape(b, at, 4, d), 4, x->type->dim) : x;
  return build(b, OP_scatter_elements, 1, INS(room, index, x), ATTRS(at_i(scatter_elements, axis, 2)));
}

static Value *rms(OnnxCall *c, Value *x, Value *scale) {
  return build(c->b, OP_rmsnorm, 1, INS(x, scale),
               ATTRS(at_f(rmsnorm, epsilon, onnx_float(c, "qk_norm_epsilon", 1e-6f))));
}

static bool grouped_is_supported(OnnxCall *c) {
  const char *word;
  return refuse_if_set(c, "sliding_window_cache", 0) && refuse_if_set(c, "qk_output", 0) &&
         onnx_word(c, "k_quant_type", "NONE", "NONE", &word) && onnx_word(c, "v_quant_type", "NONE", "NONE", &word) &&
         refuse_operand(c, 12, "k_scale") && refuse_operand(c, 13, "v_scale");
}

static bool grouped_operands(OnnxCall *c, Grouped *g) {
  if (!read_count(c, "num_heads", &g->heads) || !read_count(c, "kv_num_heads", &g->kv_heads)) return false;
  if (!onnx_need_rank(c, c->in[0], 3, "query")) return false;
  if (!onnx_in(c, 5) || !onnx_in(c, 6)) return onnx_invalid(c, "seqlens_k and total_sequence_length are needed");
  if (!onnx_in(c, 1) != !onnx_in(c, 2)) return onnx_invalid(c, "key and value come together");
  if (onnx_in(c, 1) && (!onnx_need_rank(c, c->in[1], 3, "key") || !onnx_need_rank(c, c->in[2], 3, "value")))
    return false;
  if (!onnx_in(c, 3) != !onnx_in(c, 4)) return onnx_invalid(c, "past_key and past_value come together");
  if (onnx_flag(c, "do_rotary", 0) && (!onnx_in(c, 7) || !onnx_in(c, 8)))
    return onnx_invalid(c, "do_rotary needs cos_cache and sin_cache");
  return true;
}

/* A bias is as wide as the longest sequence, which a cache may be longer than. */
static void fit_bias(OnnxCall *c, const Grouped *g, Attend *a) {
  Builder *b = c->b;
  if (!(a->bias = onnx_in(c, 10)) || b_dim(b, a->bias, 3) == b_dim(b, a->k, 2)) return;
  Value *zero = build_ints(b, 1, &(int64_t){0}), *axis = build_ints(b, 1, &(int64_t){2}),
        *to = b_unsqueeze(b, g->total, 0);
  a->k = build(b, OP_slice, 1, INS(a->k, zero, to, axis), NO_ATTRS);
  a->v = build(b, OP_slice, 1, INS(a->v, zero, to, axis), NO_ATTRS);
}

static Value *sinks_of(OnnxCall *c, int64_t heads) {
  Value *sink = onnx_in(c, 11);
  if (sink || onnx_int(c, "smooth_softmax", -1) <= 0) return sink;
  const Dim d = b_size(c->b, heads);
  return b_full(c->b, c->in[0], 0, 1, &d);
}

bool onnx_import_ms_group_query_attention(OnnxCall *c) {
  Grouped g = {0};
  if (!grouped_is_supported(c) || !grouped_operands(c, &g)) return false;
  Builder *b = c->b;
  read_lengths(c, &g);
  int64_t window = onnx_int(c, "local_window_size", -1);
  Attend a = {.lengths = g.lengths,
              .offsets = g.before,
              .ahead = -1,
              .causal = onnx_flag(c, "causal", 1),
              .window = window > 0 ? window : 0,
              .scale = onnx_float(c, "scale", 0),
              .softcap = onnx_float(c, "softcap", 0)};
  a.q = grouped_part(c, &g, 0);
  Value *k = grouped_part(c, &g, 1), *v = grouped_part(c, &g, 2);
  if (onnx_in(c, 14)) a.q = rms(c, a.q, onnx_in(c, 14));
  if (onnx_in(c, 15)) k = rms(c, k, onnx_in(c, 15));
  if (onnx_flag(c, "do_rotary", 0)) {
    Value *at = onnx_in(c, 9) ? onnx_in(c, 9) : new_positions(b, &g);
    a.q = rotate(c, a.q, at);
    k = rotate(c, k, at);
  }
  a.k = append_rows(b, &g, onnx_in(c, 3), k);
  a.v = append_rows(b, &g, onnx_in(c, 4), v);
  if (c->n_out > 1) c->out[1] = a.k;
  if (c->n_out > 2) c->out[2] = a.v;
  fit_bias(c, &g, &a);
  a.sinks = sinks_of(c, g.heads);
  return onnx_result(c, b_join_heads(b, b_attention(b, &a)));
}

/* ---- RotaryEmbedding ---- */

bool onnx_import_ms_rotary(OnnxCall *c) {
  double scale = onnx_float(c, "scale", 1);
  if (!refuse_if_set(c, "is_packed_batching", 0)) return false;
  if (scale != 1) return onnx_refuse(c, NULL, "scale is %g", scale);
  Builder *b = c->b;
  Value *x = c->in[0], *at = build_cast(b, c->in[1], DT_i64);
  int64_t heads = onnx_int(c, "num_heads", 0), dims = onnx_int(c, "rotary_embedding_dim", 0), half;
  bool flat = b_rank(x) == 3;
  if (!flat && !onnx_need_rank(c, x, 4, "input")) return false;
  if (flat && heads == 0) { /* all of a head rotates, so the tables tell how wide it is */
    int64_t width;
    if (!onnx_need_static(c, c->in[2], 1, "cos_cache", &half) || !onnx_need_static(c, x, 2, "input", &width))
      return false;
    if (half < 1 || half > width || width % (2 * half))
      return onnx_invalid(c, "cos_cache has %lld columns", (long long)half);
    heads = width / (2 * half);
  }
  if (flat) x = b_split_heads(b, x, heads);
  if (b_rank(at) < 2) at = b_unsqueeze(b, b_add(b, at, b_iota(b, b_dim(b, x, 2))), 0);
  Value *y = build(b, OP_rope, 1, INS(x, c->in[2], c->in[3], at),
                   ATTRS(at_i(rope, interleaved, onnx_flag(c, "interleaved", 0)), at_i(rope, dims, dims)));
  return onnx_result(c, flat ? b_join_heads(b, y) : y);
}
