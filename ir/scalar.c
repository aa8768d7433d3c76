/* scalar.c -- the arithmetic of the elementwise ops: one meaning for tensors, kernels and folding.
 *
 * Floats are computed in double and rounded once to the result's type, which for +, -, *, / and sqrt of the narrower
 * formats is the correctly rounded result. Integers are computed in 64 bits and wrapped to the result's width. */
#include <math.h>

#include "ir/eval.h"
#include "ir/fatal.h"
#include "ir/scalar.h"

/* ---- floats ---- */

static double gelu_tanh(double x) { return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))); }
static double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

static double float_unary(const Node *n, double x) {
  switch (n->op) {
  case OP_neg: return -x;
  case OP_abs: return fabs(x);
  case OP_sign: return x > 0 ? 1 : x < 0 ? -1 : x;
  case OP_floor: return floor(x);
  case OP_ceil: return ceil(x);
  case OP_round: return nearbyint(x);
  case OP_sqrt: return sqrt(x);
  case OP_exp: return exp(x);
  case OP_log: return log(x);
  case OP_sin: return sin(x);
  case OP_cos: return cos(x);
  case OP_tan: return tan(x);
  case OP_asin: return asin(x);
  case OP_acos: return acos(x);
  case OP_atan: return atan(x);
  case OP_sinh: return sinh(x);
  case OP_cosh: return cosh(x);
  case OP_tanh: return tanh(x);
  case OP_asinh: return asinh(x);
  case OP_acosh: return acosh(x);
  case OP_atanh: return atanh(x);
  case OP_erf: return erf(x);
  case OP_sigmoid: return sigmoid(x);
  case OP_silu: return x * sigmoid(x);
  case OP_softplus: return fmax(x, 0) + log1p(exp(-fabs(x)));
  case OP_expm1: return expm1(x);
  case OP_gelu: return node_bool(n, gelu, tanh) ? gelu_tanh(x) : 0.5 * x * erfc(-x * 0.7071067811865476);
  default: break;
  }
  fatal_bug(__FILE__, __LINE__, "not an elementwise op of one float");
}

/* The remainder with the divisor's sign. */
static double float_mod(double a, double b) {
  double r = fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static double float_binary(const Node *n, double a, double b) {
  switch (n->op) {
  case OP_add: return a + b;
  case OP_sub: return a - b;
  case OP_mul: return a * b;
  case OP_div: return a / b;
  case OP_mod: return node_bool(n, mod, trunc) ? fmod(a, b) : float_mod(a, b);
  case OP_min: return isnan(a) || a < b ? a : b;
  case OP_max: return isnan(a) || a > b ? a : b;
  default: break;
  }
  fatal_bug(__FILE__, __LINE__, "not an elementwise op of two floats");
}

/* a*b+c for formats whose products a double holds exactly. Where the sum is not exact, it is rounded to odd, so that
 * rounding it again to the narrow format is rounding once. */
static double fma_to_odd(double a, double b, double c) {
  double p = a * b, s = p + c, t = s - p, error = (p - (s - t)) + (c - t);
  uint64_t bits;
  if (!isfinite(s) || error == 0) return s;
  memcpy(&bits, &s, 8);
  if (!(bits & 1)) bits += (error > 0) == (s > 0) ? 1 : UINT64_MAX;
  memcpy(&s, &bits, 8);
  return s;
}

/* ---- integers ---- */

static int64_t wrap(uint64_t v) { return (int64_t)v; }

static int64_t int_unary(const Node *n, Dtype t, int64_t x) {
  switch (n->op) {
  case OP_neg: return wrap(0 - (uint64_t)x);
  case OP_abs: return x < 0 && dtype_is_signed(t) ? wrap(0 - (uint64_t)x) : x;
  case OP_sign: return t == DT_u64 ? x != 0 : (x > 0) - (x < 0);
  case OP_not: return t == DT_bool ? !x : ~x;
  default: break;
  }
  fatal_bug(__FILE__, __LINE__, "not an elementwise op of one integer");
}

static int64_t int_div(Dtype t, int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (t == DT_u64) return wrap((uint64_t)a / (uint64_t)b);
  return b == -1 ? wrap(0 - (uint64_t)a) : a / b;
}

static int64_t int_mod(const Node *n, Dtype t, int64_t a, int64_t b) {
  if (b == 0 || (b == -1 && t != DT_u64)) return 0;
  if (t == DT_u64) return wrap((uint64_t)a % (uint64_t)b);
  int64_t r = a % b;
  return !node_bool(n, mod, trunc) && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static int64_t int_shift(Op op, Dtype t, int64_t a, int64_t b) {
  bool far = b < 0 || b >= dtype_bits(t);
  if (op == OP_shl) return far ? 0 : wrap((uint64_t)a << b);
  if (!dtype_is_signed(t)) return far ? 0 : wrap((uint64_t)a >> b);
  return a >> (far ? 63 : b);
}

static int64_t int_pow(int64_t a, Dtype exponent, int64_t b) {
  uint64_t r = 1, x = (uint64_t)a;
  if (b < 0 && exponent != DT_u64) return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
  for (uint64_t n = (uint64_t)b; n; n >>= 1, x *= x)
    if (n & 1) r *= x;
  return wrap(r);
}

static bool int_less(Dtype t, int64_t a, int64_t b) { return t == DT_u64 ? (uint64_t)a < (uint64_t)b : a < b; }

static int64_t int_binary(const Node *n, Dtype t, int64_t a, int64_t b) {
  switch (n->op) {
  case OP_add: return wrap((uint64_t)a + (uint64_t)b);
  case OP_sub: return wrap((uint64_t)a - (uint64_t)b);
  case OP_mul: return wrap((uint64_t)a * (uint64_t)b);
  case OP_div: return int_div(t, a, b);
  case OP_mod: return int_mod(n, t, a, b);
  case OP_min: return int_less(t, a, b) ? a : b;
  case OP_max: return int_less(t, a, b) ? b : a;
  case OP_and: return a & b;
  case OP_or: return a | b;
  case OP_xor: return a ^ b;
  case OP_shl:
  case OP_shr: return int_shift(n->op, t, a, b);
  default: break;
  }
  fatal_bug(__FILE__, __LINE__, "not an elementwise op of two integers");
}

/* ---- runs ---- */

typedef struct Run {
  const Node *node;
  int n_in;
  const Dtype *type;
  const uint64_t *const *in;
  Dtype to;
  uint64_t *out;
  int count;
} Run;

static void as_floats(const Run *r, int k, double *v) {
  const uint64_t *in = r->in[k];
  Dtype t = r->type[k];
  for (int i = 0; i < r->count; i++) {
    if (dtype_is_float(t))
      v[i] = dtype_decode(t, in[i]);
    else
      v[i] = t == DT_u64 ? (double)in[i] : (double)dtype_extend(t, in[i]);
  }
}

static void as_ints(const Run *r, int k, int64_t *v) {
  for (int i = 0; i < r->count; i++) v[i] = dtype_extend(r->type[k], r->in[k][i]);
}

static void put_floats(const Run *r, const double *v) {
  bool saturate = dtype_info(r->to)->cls != DTC_FLOAT;
  for (int i = 0; i < r->count; i++) r->out[i] = dtype_encode(r->to, v[i], saturate, ROUND_EVEN);
}

static void put_ints(const Run *r, const int64_t *v) {
  for (int i = 0; i < r->count; i++) r->out[i] = dtype_narrow(r->to, v[i]);
}

static void run_floats(const Run *r) {
  double a[SCALAR_BLOCK], b[SCALAR_BLOCK], c[SCALAR_BLOCK];
  as_floats(r, 0, a);
  if (r->n_in > 1) as_floats(r, 1, b);
  if (r->n_in > 2) as_floats(r, 2, c);
  for (int i = 0; i < r->count; i++) {
    if (r->n_in == 1)
      a[i] = float_unary(r->node, a[i]);
    else if (r->n_in == 2)
      a[i] = float_binary(r->node, a[i], b[i]);
    else
      a[i] = r->to == DT_f64 ? fma(a[i], b[i], c[i]) : fma_to_odd(a[i], b[i], c[i]);
  }
  put_floats(r, a);
}

static void run_ints(const Run *r) {
  int64_t a[SCALAR_BLOCK], b[SCALAR_BLOCK], c[SCALAR_BLOCK];
  as_ints(r, 0, a);
  if (r->n_in > 1) as_ints(r, 1, b);
  if (r->n_in > 2) as_ints(r, 2, c);
  for (int i = 0; i < r->count; i++) {
    if (r->n_in == 1)
      a[i] = int_unary(r->node, r->type[0], a[i]);
    else if (r->n_in == 2)
      a[i] = int_binary(r->node, r->type[0], a[i], b[i]);
    else
      a[i] = wrap((uint64_t)a[i] * (uint64_t)b[i] + (uint64_t)c[i]);
  }
  put_ints(r, a);
}

static void run_compare(const Run *r) {
  Dtype t = r->type[0];
  Op op = r->node->op;
  for (int i = 0; i < r->count; i++) {
    uint64_t x = r->in[0][i], y = r->in[1][i];
    bool less, equal;
    if (dtype_is_float(t)) {
      double a = dtype_decode(t, x), b = dtype_decode(t, y);
      less = a < b;
      equal = a == b;
    } else {
      int64_t a = dtype_extend(t, x), b = dtype_extend(t, y);
      less = int_less(t, a, b);
      equal = a == b;
    }
    r->out[i] = op == OP_eq ? equal : op == OP_lt ? less : less || equal;
  }
}

/* Integers to an integer power stay integers; else through floats, and back to the base's type. */
static void run_power(const Run *r) {
  double a[SCALAR_BLOCK], b[SCALAR_BLOCK];
  int64_t x[SCALAR_BLOCK], y[SCALAR_BLOCK];
  bool base = dtype_is_float(r->to);
  if (!base && !dtype_is_float(r->type[1])) {
    as_ints(r, 0, x);
    as_ints(r, 1, y);
    for (int i = 0; i < r->count; i++) x[i] = int_pow(x[i], r->type[1], y[i]);
    put_ints(r, x);
    return;
  }
  as_floats(r, 0, a);
  as_floats(r, 1, b);
  for (int i = 0; i < r->count; i++) a[i] = pow(a[i], b[i]);
  if (base) put_floats(r, a);
  for (int i = 0; !base && i < r->count; i++)
    r->out[i] = dtype_cast(DT_f64, dtype_encode(DT_f64, a[i], false, ROUND_EVEN), r->to, true, ROUND_EVEN);
}

static Rounding rounding_of(const char *s) {
  if (!s || !strcmp(s, "even")) return ROUND_EVEN;
  return !strcmp(s, "up") ? ROUND_UP : !strcmp(s, "down") ? ROUND_DOWN : ROUND_NEAREST;
}

static void run_cast(const Run *r) {
  bool saturate = node_bool(r->node, cast, saturate);
  Rounding mode = rounding_of(node_str(r->node, cast, round));
  for (int i = 0; i < r->count; i++) r->out[i] = dtype_cast(r->type[0], r->in[0][i], r->to, saturate, mode);
}

static bool predicate(const Node *n, double x) {
  if (n->op == OP_isnan) return x != x;
  return isinf(x) && (x > 0 ? node_bool(n, isinf, positive) : node_bool(n, isinf, negative));
}

static void run_predicate(const Run *r) {
  for (int i = 0; i < r->count; i++) r->out[i] = predicate(r->node, dtype_decode(r->type[0], r->in[0][i]));
}

static void run_where(const Run *r) {
  for (int i = 0; i < r->count; i++) r->out[i] = r->in[0][i] ? r->in[1][i] : r->in[2][i];
}

void scalar_block(const Node *n, int n_in, const Dtype *t_in, const uint64_t *const *in, Dtype t_out, uint64_t *out,
                  int count) {
  Run r = {n, n_in, t_in, in, t_out, out, count};
  ensure(count <= SCALAR_BLOCK && n_in >= 1 && n_in <= 3);
  switch (n->op) {
  case OP_cast: run_cast(&r); break;
  case OP_bitcast: memcpy(out, in[0], (size_t)count * sizeof *out); break;
  case OP_where: run_where(&r); break;
  case OP_pow: run_power(&r); break;
  case OP_isnan:
  case OP_isinf: run_predicate(&r); break;
  case OP_eq:
  case OP_lt:
  case OP_le: run_compare(&r); break;
  default:
    if (dtype_is_float(t_in[0]))
      run_floats(&r);
    else
      run_ints(&r);
  }
}

uint64_t scalar_apply(const Node *n, int n_in, const Dtype *t_in, const uint64_t *in, Dtype t_out) {
  const uint64_t *at[3] = {in, in + 1, in + 2};
  uint64_t out;
  scalar_block(n, n_in, t_in, at, t_out, &out, 1);
  return out;
}
