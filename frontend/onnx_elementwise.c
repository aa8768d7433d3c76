/* onnx_elementwise.c -- importers of the operators that work element by element, activations among them. */
#include <math.h>
#include <string.h>

#include "frontend/onnx_build.h"

/* ---- operators that are one op here ---- */

typedef struct Same {
  const char *type;
  Op op;
  bool swapped; /* Greater(a, b) is lt(b, a) */
} Same;

static const Same unary[] = {
    {"Abs", OP_abs, 0},     {"Acos", OP_acos, 0},   {"Acosh", OP_acosh, 0}, {"Asin", OP_asin, 0},
    {"Asinh", OP_asinh, 0}, {"Atan", OP_atan, 0},   {"Atanh", OP_atanh, 0}, {"BitwiseNot", OP_not, 0},
    {"Ceil", OP_ceil, 0},   {"Cos", OP_cos, 0},     {"Cosh", OP_cosh, 0},   {"Erf", OP_erf, 0},
    {"Exp", OP_exp, 0},     {"Floor", OP_floor, 0}, {"IsNaN", OP_isnan, 0}, {"Log", OP_log, 0},
    {"Neg", OP_neg, 0},     {"Not", OP_not, 0},     {"Round", OP_round, 0}, {"Sigmoid", OP_sigmoid, 0},
    {"Sign", OP_sign, 0},   {"Sin", OP_sin, 0},     {"Sinh", OP_sinh, 0},   {"Softplus", OP_softplus, 0},
    {"Sqrt", OP_sqrt, 0},   {"Tan", OP_tan, 0},     {"Tanh", OP_tanh, 0},   {NULL, OP_count, 0},
};

static const Same binary[] = {
    {"Add", OP_add, 0},      {"And", OP_and, 0},        {"BitwiseAnd", OP_and, 0},
    {"BitwiseOr", OP_or, 0}, {"BitwiseXor", OP_xor, 0}, {"Div", OP_div, 0},
    {"Equal", OP_eq, 0},     {"Greater", OP_lt, 1},     {"GreaterOrEqual", OP_le, 1},
    {"Less", OP_lt, 0},      {"LessOrEqual", OP_le, 0}, {"Mul", OP_mul, 0},
    {"Or", OP_or, 0},        {"Pow", OP_pow, 0},        {"Sub", OP_sub, 0},
    {"Xor", OP_xor, 0},      {NULL, OP_count, 0},
};

static const Same *same_find(const Same *s, const char *type) {
  while (s->type && strcmp(s->type, type) != 0) s++;
  return s;
}

bool onnx_import_identity(OnnxCall *c) { return onnx_result(c, c->in[0]); }

bool onnx_import_unary(OnnxCall *c) {
  return onnx_result(c, build_unary(c->b, same_find(unary, c->type)->op, c->in[0]));
}

bool onnx_import_binary(OnnxCall *c) {
  const Same *s = same_find(binary, c->type);
  return onnx_result(c, build_binary(c->b, s->op, c->in[s->swapped], c->in[!s->swapped]));
}

bool onnx_import_where(OnnxCall *c) { return onnx_result(c, b_where(c->b, c->in[0], c->in[1], c->in[2])); }

bool onnx_import_mod(OnnxCall *c) {
  Value *v = build(c->b, OP_mod, 1, INS(c->in[0], c->in[1]), ATTRS(at_i(mod, trunc, onnx_flag(c, "fmod", 0))));
  return onnx_result(c, v);
}

bool onnx_import_bit_shift(OnnxCall *c) {
  const char *direction;
  if (!onnx_word(c, "direction", "", "LEFT RIGHT", &direction)) return false;
  return onnx_result(c, build_binary(c->b, *direction == 'L' ? OP_shl : OP_shr, c->in[0], c->in[1]));
}

bool onnx_import_is_inf(OnnxCall *c) {
  Value *v = build(c->b, OP_isinf, 1, INS(c->in[0]),
                   ATTRS(at_i(isinf, positive, onnx_flag(c, "detect_positive", 1)),
                         at_i(isinf, negative, onnx_flag(c, "detect_negative", 1))));
  return onnx_result(c, v);
}

bool onnx_import_gelu(OnnxCall *c) {
  const char *how;
  if (!onnx_word(c, "approximate", "none", "none tanh", &how)) return false;
  return onnx_result(c, build(c->b, OP_gelu, 1, INS(c->in[0]), ATTRS(at_i(gelu, tanh, *how == 't'))));
}

/* ---- conversions ---- */

static bool cast_to(OnnxCall *c, Dtype to) {
  static const char *const modes[] = {"even", "up", "down", "nearest"};
  const char *mode = onnx_string(c, "round_mode", "up");
  const AttrArg a[] = {at_i(cast, to, to), at_i(cast, saturate, onnx_flag(c, "saturate", 1)), at_s(cast, round, mode)};
  if (to != DT_f8e8m0)
    return onnx_result(c, to == b_dtype(c->in[0]) ? c->in[0] : build(c->b, OP_cast, 1, INS(c->in[0]), 2, a));
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
    if (strcmp(mode, modes[i]) == 0) return onnx_result(c, build(c->b, OP_cast, 1, INS(c->in[0]), 3, a));
  return onnx_invalid(c, "round_mode is \"%s\", not up, down or nearest", mode);
}

bool onnx_import_cast(OnnxCall *c) {
  Dtype to;
  if (!onnx_dtype(c, "to", DT_none, &to)) return false;
  return to == DT_none ? onnx_invalid(c, "attribute `to` is missing") : cast_to(c, to);
}

bool onnx_import_cast_like(OnnxCall *c) { return cast_to(c, b_dtype(c->in[1])); }

/* ---- any number of operands ---- */

static Value *fold_operands(OnnxCall *c, Op op) {
  Value *v = c->in[0];
  for (int i = 1; i < c->n_in; i++) v = build_binary(c->b, op, v, c->in[i]);
  return v;
}

bool onnx_import_max(OnnxCall *c) { return onnx_result(c, fold_operands(c, OP_max)); }
bool onnx_import_min(OnnxCall *c) { return onnx_result(c, fold_operands(c, OP_min)); }
bool onnx_import_sum(OnnxCall *c) { return onnx_result(c, fold_operands(c, OP_add)); }

bool onnx_import_mean(OnnxCall *c) {
  Value *sum = fold_operands(c, OP_add);
  return onnx_result(c, c->n_in == 1 ? sum : b_div(c->b, sum, b_num(c->b, sum, c->n_in)));
}

/* ---- bounds ---- */

static Value *clip(Builder *b, Value *x, Value *low, Value *high) {
  if (low) x = b_max(b, x, low);
  return high ? b_min(b, x, high) : x;
}

static Value *clip_to(Builder *b, Value *x, double low, double high) {
  return clip(b, x, b_num(b, x, low), b_num(b, x, high));
}

bool onnx_import_clip_6(OnnxCall *c) {
  Value *x = c->in[0];
  Value *low = onnx_has(c, "min") ? b_num(c->b, x, onnx_float(c, "min", 0)) : NULL;
  Value *high = onnx_has(c, "max") ? b_num(c->b, x, onnx_float(c, "max", 0)) : NULL;
  return onnx_result(c, clip(c->b, x, low, high));
}

bool onnx_import_clip(OnnxCall *c) {
  Value *low = onnx_in(c, 1), *high = onnx_in(c, 2);
  /* torch exports bounds as tensors of one element, which must not raise the rank of a scalar. */
  if (low) low = b_scalar(c->b, low);
  if (high) high = b_scalar(c->b, high);
  return onnx_result(c, clip(c->b, c->in[0], low, high));
}

/* ---- activations, as the functions that ONNX gives for them ---- */

/* x < 0 ? negative : x */
static Value *below_zero(Builder *b, Value *x, Value *negative) {
  return b_where(b, build_binary(b, OP_lt, x, b_num(b, x, 0)), negative, x);
}

bool onnx_import_relu(OnnxCall *c) { return onnx_result(c, b_max(c->b, c->in[0], b_num(c->b, c->in[0], 0))); }

bool onnx_import_leaky_relu(OnnxCall *c) {
  Value *x = c->in[0];
  return onnx_result(c, below_zero(c->b, x, b_mul_num(c->b, x, onnx_float(c, "alpha", 0.01f))));
}

bool onnx_import_thresholded_relu(OnnxCall *c) {
  Value *x = c->in[0];
  Value *above = build_binary(c->b, OP_lt, b_num(c->b, x, onnx_float(c, "alpha", 1)), x);
  return onnx_result(c, b_where(c->b, above, x, b_num(c->b, x, 0)));
}

bool onnx_import_elu(OnnxCall *c) {
  Value *x = c->in[0];
  Value *negative = b_mul_num(c->b, build_unary(c->b, OP_expm1, x), onnx_float(c, "alpha", 1));
  return onnx_result(c, below_zero(c->b, x, negative));
}

bool onnx_import_selu(OnnxCall *c) {
  Value *x = c->in[0];
  double alpha = onnx_float(c, "alpha", 1.67326319217681884765625),
         gamma = onnx_float(c, "gamma", 1.05070102214813232421875);
  Value *negative = b_mul_num(c->b, build_unary(c->b, OP_expm1, x), alpha);
  return onnx_result(c, b_mul_num(c->b, below_zero(c->b, x, negative), gamma));
}

bool onnx_import_celu(OnnxCall *c) {
  Value *x = c->in[0];
  double alpha = onnx_float(c, "alpha", 1);
  if (alpha == 0) return onnx_invalid(c, "alpha is 0");
  Value *e = build_unary(c->b, OP_expm1, b_div(c->b, x, b_num(c->b, x, alpha)));
  return onnx_result(c, below_zero(c->b, x, b_mul_num(c->b, e, alpha)));
}

static Value *hard_sigmoid(Builder *b, Value *x, double alpha, double beta) {
  return clip_to(b, b_add_num(b, b_mul_num(b, x, alpha), beta), 0, 1);
}

bool onnx_import_hard_sigmoid(OnnxCall *c) {
  return onnx_result(c, hard_sigmoid(c->b, c->in[0], onnx_float(c, "alpha", 0.2f), onnx_float(c, "beta", 0.5f)));
}

bool onnx_import_hard_swish(OnnxCall *c) {
  return onnx_result(c, b_mul(c->b, c->in[0], hard_sigmoid(c->b, c->in[0], 1.0 / 6, 0.5)));
}

bool onnx_import_mish(OnnxCall *c) {
  Value *t = build_unary(c->b, OP_tanh, build_unary(c->b, OP_softplus, c->in[0]));
  return onnx_result(c, b_mul(c->b, c->in[0], t));
}

bool onnx_import_softsign(OnnxCall *c) {
  Value *x = c->in[0];
  return onnx_result(c, b_div(c->b, x, b_add_num(c->b, build_unary(c->b, OP_abs, x), 1)));
}

bool onnx_import_swish(OnnxCall *c) { return onnx_result(c, b_silu(c->b, c->in[0], onnx_float(c, "alpha", 1))); }

bool onnx_import_swiglu(OnnxCall *c) {
  return onnx_result(c, b_mul(c->b, b_silu(c->b, c->in[0], onnx_float(c, "alpha", 1)), c->in[1]));
}

bool onnx_import_reciprocal(OnnxCall *c) { return onnx_result(c, b_div(c->b, b_num(c->b, c->in[0], 1), c->in[0])); }

/* ---- what only training would change ---- */

static bool dropout(OnnxCall *c, Dtype mask) {
  c->out[0] = c->in[0];
  if (!onnx_wants(c, 1) || !b_typed(c->in[0])) return b_typed(c->in[0]);
  Type t = c->in[0]->type;
  Value *one = mask == DT_bool ? build_scalar_i(c->b, DT_bool, 1) : build_scalar_f(c->b, mask, 1);
  c->out[1] = b_expand(c->b, one, t->rank, t->dim);
  return b_typed(c->out[1]);
}

bool onnx_import_dropout_7(OnnxCall *c) { return dropout(c, b_dtype(c->in[0])); }
bool onnx_import_dropout_10(OnnxCall *c) { return dropout(c, DT_bool); }

bool onnx_import_dropout(OnnxCall *c) {
  int64_t training = 0;
  int n;
  double ratio;
  bool known = !onnx_in(c, 2) || onnx_const_ints(c, onnx_in(c, 2), 1, &training, &n);
  bool none = onnx_in(c, 1) && onnx_const_float(c, onnx_in(c, 1), &ratio) && ratio == 0;
  if (!none && (!known || training))
    return onnx_refuse(c, "export the model in eval mode", "dropout in training mode is random");
  return dropout(c, DT_bool);
}
