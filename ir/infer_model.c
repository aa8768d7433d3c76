/* infer_model.c -- result types of the model-level ops: norms, rope, attention, mixtures of experts. */
#include "ir/infer.h"
#include "ir/moe.h"

/* ---- norms ---- */

/* An operand that broadcasts to x and does not widen it. */
static bool broadcasts_into(Infer *c, int operand, const char *what) {
  Type x = c->in[0], t = infer_in(c, operand);
  if (!t) return true;
  if (!infer_float(c, operand, what)) return false;
  if (t->rank > x->rank)
    return infer_error(c, "%s has more axes than x: %s and %s", what, type_text(c->module->arena, t),
                       type_text(c->module->arena, x));
  for (int i = 0; i < t->rank; i++)
    if (!infer_fits_dim(c, t->dim[i], x->dim[x->rank - t->rank + i], what)) return false;
  return true;
}

bool infer_norm(Infer *c) {
  Type x = c->in[0];
  bool layer = c->node->op == OP_layernorm;
  Dtype stash = layer ? node_dtype(c->node, layernorm, stash) : node_dtype(c->node, rmsnorm, stash);
  Dim dim[MAX_RANK];
  int axis;
  if (!infer_float(c, 0, "x") || !broadcasts_into(c, 1, "scale")) return false;
  if (layer && !broadcasts_into(c, 2, "bias")) return false;
  if (!infer_axis(c, layer ? node_int(c->node, layernorm, axis) : node_int(c->node, rmsnorm, axis), x->rank, &axis))
    return false;
  if (stash == DT_none) stash = x->dtype == DT_f64 ? DT_f64 : DT_f32;
  if (!dtype_is_float(stash)) return infer_error(c, "stash must be a float type, not %s", dtype_name(stash));
  for (int i = 0; i < x->rank; i++) dim[i] = i < axis ? x->dim[i] : dim_const(c->module->dims, 1);
  c->out[0] = x;
  for (int i = 1; i < c->node->n_out; i++) c->out[i] = type_tensor(c->module->types, stash, x->rank, dim);
  return true;
}

/* ---- rope ---- */

bool infer_rope(Infer *c) {
  ShapeLetters l = {0};
  int64_t dims = node_int(c->node, rope, dims);
  if (!infer_float(c, 0, "x") || !infer_float(c, 1, "cos") || !infer_float(c, 2, "sin") ||
      !infer_integer(c, 3, "positions") || !infer_shape(c, &l, 0, "x", "bhsd"))
    return false;
  Dim d = letter_dim(&l, 'd');
  if (dims < 0 || dims % 2 || (dim_is_const(d) && dims > d->constant))
    return infer_error(c, "cannot rotate %lld of %s", (long long)dims, dim_text(c->module->arena, d));
  if (dims == 0 && dim_is_const(d) && d->constant % 2)
    return infer_error(c, "cannot rotate an odd number of numbers, %lld", (long long)d->constant);
  DimPool *p = c->module->dims;
  letter_dim(&l, 'p') = dims ? dim_const(p, dims / 2) : dim_floordiv(p, d, dim_const(p, 2));
  const char *table = infer_in(c, 3) ? "mp" : "b~sp";
  if (!infer_shape(c, &l, 1, "cos", table) || !infer_shape(c, &l, 2, "sin", table) ||
      !infer_shape(c, &l, 3, "positions", "b~s"))
    return false;
  for (int i = 0; i < c->in[1]->rank; i++) /* of the batch, one could be 1 and the other not */
    if (!infer_same_dim(c, c->in[1]->dim[i], c->in[2]->dim[i], "a size of cos and sin")) return false;
  c->out[0] = c->in[0];
  return true;
}

/* ---- attention ---- */

/* Query heads share key heads in groups of one size. */
static bool check_heads(Infer *c, Dim h, Dim g) {
  if (!dim_is_const(h) || !dim_is_const(g)) return true;
  if (g->constant > 0 ? h->constant % g->constant == 0 : h->constant == 0) return true;
  return infer_error(c, "%lld heads of q are not a multiple of %lld heads of k", (long long)h->constant,
                     (long long)g->constant);
}

/* Keys in panels: the axes are the panels, a key's elements, and the panel's keys. */
static bool check_panels(Infer *c, ShapeLetters *l) {
  DimPool *p = c->module->dims;
  Dim panel = dim_const(p, STATE_PANEL);
  return infer_same_dim(c, letter_dim(l, 'n'), panel, "the keys of a panel") &&
         infer_same_dim(c, letter_dim(l, 't'), dim_mul(p, letter_dim(l, 'p'), panel), "the number of values");
}

/* The bias broadcasts to [b,h,s,t] and is added, or is a mask. */
static bool check_bias(Infer *c, ShapeLetters *l) {
  Type bias = infer_in(c, 3);
  if (!bias) return true;
  if (bias->encoded || !(dtype_is_float(bias->dtype) || bias->dtype == DT_bool) || bias->rank > 4)
    return infer_error(c, "bias must be floats or bool and broadcast to [b,h,s,t], but is %s",
                       type_text(c->module->arena, bias));
  static const char *const patterns[] = {"", "t~", "s~t~", "h~s~t~", "b~h~s~t~"};
  return infer_shape(c, l, 3, "bias", patterns[bias->rank]);
}

bool infer_attention(Infer *c) {
  ShapeLetters l = {0};
  if (!infer_float(c, 0, "q") || !infer_float(c, 1, "k") || !infer_float(c, 2, "v") ||
      !infer_integer(c, 4, "lengths") || !infer_integer(c, 5, "offsets") || !infer_float(c, 6, "sinks") ||
      !infer_integer(c, 7, "sequences"))
    return false;
  bool chosen = infer_in(c, 7) != NULL, turned = c->in[1]->rank == 5;
  const char *keys = turned ? (chosen ? "cgpdn" : "bgpdn") : chosen ? "cgtd" : "bgtd";
  if (!infer_shape(c, &l, 0, "q", "bhsd") || !infer_shape(c, &l, 1, "k", keys) || !infer_shape(c, &l, 2, "v", chosen ? "cgte" : "bgte"))
    return false;
  if (turned && !check_panels(c, &l)) return false;
  if (!check_heads(c, letter_dim(&l, 'h'), letter_dim(&l, 'g')) || !check_bias(c, &l)) return false;
  if (!infer_shape(c, &l, 4, "lengths", "b~") || !infer_shape(c, &l, 5, "offsets", "b~") ||
      !infer_shape(c, &l, 6, "sinks", "h") || !infer_shape(c, &l, 7, "sequences", "b"))
    return false;
  if (node_bool(c->node, attention, ring) && !infer_in(c, 4)) return infer_error(c, "a ring needs lengths");
  if (node_int(c->node, attention, window) < 0 || node_int(c->node, attention, ahead) < -1)
    return infer_error(c, "window and ahead must not be negative (ahead -1: no bound), but are %lld and %lld",
                       (long long)node_int(c->node, attention, window), (long long)node_int(c->node, attention, ahead));
  Dim dim[4] = {letter_dim(&l, 'b'), letter_dim(&l, 'h'), letter_dim(&l, 's'), letter_dim(&l, 'e')};
  return infer_result(c, 0, c->in[0]->dtype, 4, dim);
}

/* Which of decay and beta a rule wants; -1 where there is no such rule. */
static int linear_rule(const char *rule) {
  static const char *const rules[] = {"linear", "gated", "delta", "gated_delta"};
  for (int i = 0; i < 4; i++)
    if (rule && !strcmp(rule, rules[i])) return i;
  return -1;
}

bool infer_linear_attention(Infer *c) {
  ShapeLetters l = {0};
  const char *rule = node_str(c->node, linear_attention, rule);
  int wants = linear_rule(rule);
  if (wants < 0) return infer_error(c, "no rule %s: linear, gated, delta or gated_delta", rule ? rule : "");
  bool decay = wants & 1, beta = wants & 2;
  if (decay != (infer_in(c, 4) != NULL) || beta != (infer_in(c, 5) != NULL))
    return infer_error(c, "rule %s takes decay: %s, beta: %s", rule, decay ? "yes" : "no", beta ? "yes" : "no");
  static const char *const name[] = {"q", "k", "v", "past", "decay", "beta"};
  static const char *const pattern[] = {"bhsd", "bgsd", "bgse", "bgde", "bgsd~", "bg~s1"};
  for (int i = 0; i < 6; i++)
    if (!infer_float(c, i, name[i]) || !infer_shape(c, &l, i, name[i], pattern[i])) return false;
  Dim b = letter_dim(&l, 'b'), h = letter_dim(&l, 'h'), g = letter_dim(&l, 'g'), s = letter_dim(&l, 's'),
      d = letter_dim(&l, 'd'), e = letter_dim(&l, 'e');
  if (!check_heads(c, h, g)) return false;
  Dtype state = infer_in(c, 3) ? c->in[3]->dtype : c->in[0]->dtype;
  c->out[0] = type_tensor(c->module->types, c->in[0]->dtype, 4, (Dim[]){b, h, s, e});
  c->out[1] = type_tensor(c->module->types, state, 4, (Dim[]){b, g, d, e});
  return true;
}

/* ---- mixture of experts ---- */

static bool check_expert_weights(Infer *c, int operand, const char *what) {
  Type t = infer_in(c, operand);
  return !t || t->encoded || infer_float(c, operand, what);
}

bool moe_act(const char *name, MoeAct *act) {
  static const char *const names[] = {"silu", "gelu", "gelu_tanh", "relu", "identity", "swiglu", "swiglu_halves"};
  *act = MOE_SILU;
  if (!name) return true;
  for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
    if (strcmp(name, names[i])) continue;
    *act = (MoeAct)i;
    return true;
  }
  return false;
}

/* What goes into w2: w1's rows, or half of them where gate and up are both in w1. */
static bool expert_width(Infer *c, ShapeLetters *l, Dim *width) {
  const char *name = node_str(c->node, moe, act);
  DimPool *p = c->module->dims;
  Dim rows = letter_dim(l, 'n');
  MoeAct act;
  if (!moe_act(name, &act)) return infer_error(c, "no activation %s in experts", name);
  if (act == MOE_SWIGLU_HALVES && infer_in(c, 6))
    return infer_error(c, "swiglu_halves has the up projection in w1, but there is a w3, too");
  bool both = act == MOE_SWIGLU_HALVES || (act == MOE_SWIGLU && !infer_in(c, 6));
  *width = both ? dim_floordiv(p, rows, dim_const(p, 2)) : rows;
  if (!both || !dim_is_const(rows) || rows->constant % 2 == 0) return true;
  return infer_error(c, "gate and up need an even number of rows in w1, not %lld", (long long)rows->constant);
}

bool infer_moe(Infer *c) {
  static const char *const name[] = {"x", "router", "w1", "w2", "b1", "b2", "w3", "b3", "mix"};
  static const char *const pattern[] = {"rd", "re", "end", "efm", "en", "ef", "end", "en", "re"};
  ShapeLetters l = {0};
  int64_t k = node_int(c->node, moe, k);
  for (int i = 0; i < 9; i++) {
    bool weights = i == 2 || i == 3 || i == 6;
    if (weights ? !check_expert_weights(c, i, name[i]) : !infer_float(c, i, name[i])) return false;
    if (!infer_shape(c, &l, i, name[i], pattern[i])) return false;
  }
  Dim experts = letter_dim(&l, 'e'), width = NULL;
  if (!expert_width(c, &l, &width)) return false;
  if (!infer_same_dim(c, letter_dim(&l, 'm'), width, "the width between w1 and w2")) return false;
  if (k < 1 || (dim_is_const(experts) && k > experts->constant))
    return infer_error(c, "cannot choose %lld of %s experts", (long long)k, dim_text(c->module->arena, experts));
  if (infer_in(c, 7) && !infer_in(c, 6)) return infer_error(c, "b3 is given without w3");
  c->out[0] = type_tensor(c->module->types, c->in[0]->dtype, 2, (Dim[]){letter_dim(&l, 'r'), letter_dim(&l, 'f')});
  return true;
}
