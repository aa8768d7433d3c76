/* kernel_build.c -- writes the bodies of kernels: numbers, index arithmetic, loops and branches. */
#include "passes/kernel_build.h"

#include "ir/checked.h"
#include "ir/fatal.h"

/* ---- numbers ---- */

/* A kernel's numbers are scalars, and a constant's type is a tensor's but for `imm`. */
static Value *imm(Builder *b, Dtype t, const void *bytes) {
  Type type = type_scalar(b->module->types, t);
  Constant *c = constant_bytes(b->module, type, bytes, (dtype_bits(t) + 7) / 8);
  return build(b, OP_imm, 1, 0, NULL, ATTRS(at_c(imm, value, c)));
}

Value *kb_int(Builder *b, Dtype t, int64_t v) {
  unsigned char bytes[8] = {0};
  dtype_set_i(t, bytes, 0, v);
  return imm(b, t, bytes);
}

Value *kb_float(Builder *b, Dtype t, double v) {
  unsigned char bytes[8] = {0};
  dtype_set_f(t, bytes, 0, v);
  return imm(b, t, bytes);
}

Value *kb_zero(Builder *b, Dtype t) { return dtype_is_float(t) ? kb_float(b, t, 0) : kb_int(b, t, 0); }

Value *kb_extreme(Builder *b, Dtype t, bool greatest, Dtype in) {
  if (dtype_is_float(t)) return kb_float(b, in, greatest ? INFINITY : -INFINITY);
  if (t == DT_bool) return kb_int(b, in, greatest);
  int unused = 64 - dtype_bits(t);
  if (dtype_is_signed(t)) return kb_int(b, in, (greatest ? INT64_MAX : INT64_MIN) >> unused);
  return kb_int(b, in, greatest ? (int64_t)(UINT64_MAX >> unused) : 0);
}

Value *kb_index(Builder *b, int64_t v) { return kb_int(b, DT_index, v); }

bool kb_known(const Value *v, int64_t *out) {
  if (!v->def || v->def->op != OP_imm || v->type->dtype != DT_index) return false;
  *out = dtype_get_i(DT_index, node_attr(v->def, attr_slot(imm, value))->constant->bytes, 0);
  return true;
}

static bool is(const Value *v, int64_t want) {
  int64_t n;
  return kb_known(v, &n) && n == want;
}

Value *kb_add(Builder *b, Value *x, Value *y) {
  int64_t m, n, r;
  if (is(x, 0)) return y;
  if (is(y, 0)) return x;
  if (kb_known(x, &m) && kb_known(y, &n) && checked_add(m, n, &r)) return kb_index(b, r);
  return build_binary(b, OP_add, x, y);
}

Value *kb_sub(Builder *b, Value *x, Value *y) {
  int64_t m, n, r;
  if (is(y, 0)) return x;
  if (kb_known(x, &m) && kb_known(y, &n) && checked_sub(m, n, &r)) return kb_index(b, r);
  return build_binary(b, OP_sub, x, y);
}

Value *kb_mul(Builder *b, Value *x, Value *y) {
  int64_t m, n, r;
  if (is(x, 1) || is(y, 0)) return y;
  if (is(y, 1) || is(x, 0)) return x;
  if (kb_known(x, &m) && kb_known(y, &n) && checked_mul(m, n, &r)) return kb_index(b, r);
  return build_binary(b, OP_mul, x, y);
}

Value *kb_div(Builder *b, Value *x, Value *y) {
  int64_t m, n;
  if (is(y, 1)) return x;
  if (kb_known(x, &m) && kb_known(y, &n) && m >= 0 && n > 0) return kb_index(b, m / n);
  return build_binary(b, OP_div, x, y);
}

Value *kb_mod(Builder *b, Value *x, Value *y) {
  int64_t m, n;
  if (is(y, 1)) return kb_index(b, 0);
  if (kb_known(x, &m) && kb_known(y, &n) && m >= 0 && n > 0) return kb_index(b, m % n);
  return build(b, OP_mod, 1, INS(x, y), ATTRS(at_i(mod, trunc, 1)));
}

static Value *extreme(Builder *b, Op op, Value *x, Value *y) {
  int64_t m, n;
  if (x == y) return x;
  if (kb_known(x, &m) && kb_known(y, &n)) return (m < n) == (op == OP_min) ? x : y;
  return build_binary(b, op, x, y);
}

Value *kb_min(Builder *b, Value *x, Value *y) { return extreme(b, OP_min, x, y); }
Value *kb_max(Builder *b, Value *x, Value *y) { return extreme(b, OP_max, x, y); }

Value *kb_cast(Builder *b, Value *x, Dtype to) { return build_cast(b, x, to); }
Value *kb_where(Builder *b, Value *c, Value *x, Value *y) { return build(b, OP_where, 1, INS(c, x, y), NO_ATTRS); }
Value *kb_and(Builder *b, Value *x, Value *y) { return !x ? y : !y ? x : build_binary(b, OP_and, x, y); }
Value *kb_less(Builder *b, Value *x, Value *y) { return build_binary(b, OP_lt, x, y); }
Value *kb_at_most(Builder *b, Value *x, Value *y) { return build_binary(b, OP_le, x, y); }
Value *kb_equal(Builder *b, Value *x, Value *y) { return build_binary(b, OP_eq, x, y); }
Value *kb_not(Builder *b, Value *x) { return build_unary(b, OP_not, x); }

/* ---- memory ---- */

Value *kb_load(Builder *b, Value *memory, Value *i) { return build(b, OP_load, 1, INS(memory, i), NO_ATTRS); }
void kb_store(Builder *b, Value *memory, Value *i, Value *x) { build(b, OP_store, 0, INS(memory, i, x), NO_ATTRS); }

Value *kb_memory(Builder *b, Dtype t, int64_t elements) {
  AttrArg attr[] = {at_i(workgroup_memory, type, (int64_t)t), at_i(workgroup_memory, elements, elements)};
  return build(b, OP_workgroup_memory, 1, 0, NULL, 2, attr);
}

/* ---- vectors ---- */

enum { MAX_TRANSPOSE = 16 };

Value *kb_splat(Builder *b, Value *x, int64_t lanes) {
  return lanes == 1 ? x : build(b, OP_splat, 1, INS(x), ATTRS(at_i(splat, lanes, lanes)));
}

Value *kb_load_lanes(Builder *b, Value *memory, Value *i, int64_t lanes) {
  return build(b, OP_load, 1, INS(memory, i), ATTRS(at_i(load, lanes, lanes)));
}

static Value *shuffle(Builder *b, Value *x, Value *y, int lanes, const int64_t *from) {
  int64_t *at = ARENA_ARRAY(b->module->arena, int64_t, lanes);
  memcpy(at, from, (size_t)lanes * sizeof *at);
  return build(b, OP_shuffle, 1, INS(x, y), ATTRS(at_ints(shuffle, lanes, lanes, at)));
}

/* In each four lanes the same: 0 to 3 are x's, 4 to 7 y's. */
static Value *mix_fours(Builder *b, Value *x, Value *y, int lanes, const int64_t four[4]) {
  int64_t from[MAX_TRANSPOSE];
  for (int i = 0; i < lanes; i++) from[i] = i / 4 * 4 + four[i % 4] % 4 + (four[i % 4] < 4 ? 0 : lanes);
  return shuffle(b, x, y, lanes, from);
}

/* Every second four of x, then of y. */
static Value *part_fours(Builder *b, Value *x, Value *y, int lanes, int odd) {
  int64_t from[MAX_TRANSPOSE];
  for (int i = 0; i < lanes; i++) from[i] = (i / 4 * 2 + odd) * 4 + i % 4;
  return shuffle(b, x, y, lanes, from);
}

/* Squares of four by four at first, and then the squares: x86 has both steps as one instruction each. */
void kb_transpose(Builder *b, Value **v, int lanes) {
  static const int64_t low[] = {0, 4, 1, 5}, high[] = {2, 6, 3, 7}, left[] = {0, 1, 4, 5}, right[] = {2, 3, 6, 7};
  int fours = lanes / 4;
  Value *t[MAX_TRANSPOSE];
  ensure(lanes % 4 == 0 && lanes <= MAX_TRANSPOSE);
  for (int i = 0; i < lanes; i += 4) {
    Value *a = mix_fours(b, v[i], v[i + 1], lanes, low), *c = mix_fours(b, v[i], v[i + 1], lanes, high);
    Value *d = mix_fours(b, v[i + 2], v[i + 3], lanes, low), *e = mix_fours(b, v[i + 2], v[i + 3], lanes, high);
    v[i] = mix_fours(b, a, d, lanes, left), v[i + 1] = mix_fours(b, a, d, lanes, right);
    v[i + 2] = mix_fours(b, c, e, lanes, left), v[i + 3] = mix_fours(b, c, e, lanes, right);
  }
  for (int done = 1; done < fours; done *= 2) {
    for (int i = 0; i < fours; i += 2)
      for (int c = 0; c < 4; c++)
        for (int odd = 0; odd < 2; odd++)
          t[(i / 2 + odd * fours / 2) * 4 + c] = part_fours(b, v[i * 4 + c], v[(i + 1) * 4 + c], lanes, odd);
    memcpy(v, t, (size_t)lanes * sizeof *v);
  }
}

Value *kb_extract(Builder *b, Value *v, int64_t lane, int64_t lanes) {
  return build(b, OP_extract, 1, INS(v), ATTRS(at_i(extract, lane, lane), at_i(extract, lanes, lanes)));
}

Value *kb_larger(Builder *b, Value *x, Value *than) { return kb_where(b, kb_less(b, than, x), x, than); }

Value *kb_largest_lane(Builder *b, Value *v) {
  for (int64_t half = v->type->lanes / 2; half; half /= 2)
    v = kb_larger(b, kb_extract(b, v, half, half), kb_extract(b, v, 0, half));
  return v;
}

Value *kb_multiply_add(Builder *b, bool fma, Value *x, Value *y, Value *z) {
  if (fma) return build(b, OP_fma, 1, INS(x, y, z), NO_ATTRS);
  return build_binary(b, OP_add, build_binary(b, OP_mul, x, y), z);
}

/* ---- control ---- */

static void yield(Builder *b, int n, Value *const *value) { build(b, OP_yield, 0, n, value, NO_ATTRS); }

static Node *begin(Builder *b, Op op, int n_in, int n_out, Block **outer) {
  ensure(!b->before);
  Node *n = node_new(b->block->func, op, n_in, n_out, op_info(op)->regions, b->loc);
  node_append(b->block, n);
  *outer = b->block;
  b->block = n->region[0];
  return n;
}

static void end(Builder *b, Node *n, Block *outer) {
  b->block = outer;
  ensure(node_infer(n));
}

KernelFor kb_for_step(Builder *b, Value *from, Value *to, int64_t by, int n, Value *const *start) {
  KernelFor f = {0};
  Value *step = kb_index(b, by);
  f.node = begin(b, OP_for, 3 + n, n, &f.outer);
  node_set_in(f.node, 0, from);
  node_set_in(f.node, 1, to);
  node_set_in(f.node, 2, step);
  f.i = block_add_arg(b->block, type_scalar(b->module->types, DT_index), NULL);
  for (int i = 0; i < n; i++) {
    node_set_in(f.node, 3 + i, start[i]);
    block_add_arg(b->block, start[i]->type, NULL);
  }
  f.carried = b->block->arg + 1;
  f.out = f.node->out;
  return f;
}

KernelFor kb_for(Builder *b, Value *from, Value *to, int n, Value *const *start) {
  return kb_for_step(b, from, to, 1, n, start);
}

void kb_for_end(Builder *b, KernelFor *f, int n, Value *const *next) {
  yield(b, n, next);
  end(b, f->node, f->outer);
}

KernelWhen kb_when(Builder *b, Value *condition, int n_out) {
  KernelWhen w = {0};
  w.node = begin(b, OP_when, 1, n_out, &w.outer);
  node_set_in(w.node, 0, condition);
  w.out = w.node->out;
  return w;
}

void kb_else(Builder *b, KernelWhen *w, int n, Value *const *value) {
  yield(b, n, value);
  b->block = w->node->region[1];
}

void kb_when_end(Builder *b, KernelWhen *w, int n, Value *const *value) {
  yield(b, n, value);
  end(b, w->node, w->outer);
}
