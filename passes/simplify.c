/* simplify.c -- rewrites by rules: what does nothing goes, and what has a shorter form takes it.
 *
 * Rules never change a number's bits: x+0 stays for floats, since -0+0 is 0. */
#include "ir/bind.h"
#include "ir/eval.h"
#include "ir/infer.h"
#include "passes/pass.h"
#include "passes/rewrite.h"
#include "passes/uniform.h"

/* ---- looking at operands ---- */

static bool is_int_type(const Value *v) { return dtype_is_int(v->type->dtype); }

/* x itself where it has the result's type: a scalar constant may have broadcast it, or been broadcast. */
static Value *same_type(const Node *n, Value *x) { return x->type == n->out[0]->type ? x : NULL; }

static bool known_dims(Builder *b, const Value *v, int *n, Dim *dim) {
  if (!value_dims(b->module, v, MAX_RANK, dim, n)) return false;
  for (int i = 0; i < *n; i++)
    if (dim_is_unknown(dim[i])) return false;
  return true;
}

/* ---- arithmetic ---- */

static Value *add_nothing(Builder *b, Node *n) {
  (void)b;
  Value *x = node_in(n, 0), *y = node_in(n, 1);
  double nothing = is_int_type(x) ? 0.0 : -0.0;
  if (match_is(y, nothing)) return same_type(n, x);
  return match_is(x, nothing) ? same_type(n, y) : NULL;
}

static Value *sub_nothing(Builder *b, Node *n) {
  (void)b;
  return match_is(node_in(n, 1), 0) ? same_type(n, node_in(n, 0)) : NULL;
}

static Value *mul_one(Builder *b, Node *n) {
  (void)b;
  if (match_is(node_in(n, 1), 1)) return same_type(n, node_in(n, 0));
  return match_is(node_in(n, 0), 1) ? same_type(n, node_in(n, 1)) : NULL;
}

static Value *div_one(Builder *b, Node *n) {
  (void)b;
  return match_is(node_in(n, 1), 1) ? same_type(n, node_in(n, 0)) : NULL;
}

/* x^2 = x*x: both round the exact square once. */
static Value *pow_small(Builder *b, Node *n) {
  Value *x = node_in(n, 0);
  if (x->type != n->out[0]->type) return NULL;
  if (match_is(node_in(n, 1), 1)) return x;
  return match_is(node_in(n, 1), 2) ? build_binary(b, OP_mul, x, x) : NULL;
}

/* x and true, x or false */
static Value *logic_nothing(Builder *b, Node *n) {
  (void)b;
  double nothing = n->op == OP_and;
  if (n->out[0]->type->dtype != DT_bool) return NULL;
  if (match_is(node_in(n, 1), nothing)) return same_type(n, node_in(n, 0));
  return match_is(node_in(n, 0), nothing) ? same_type(n, node_in(n, 1)) : NULL;
}

/* neg(neg x), not(not x) */
static Value *twice(Builder *b, Node *n) {
  (void)b;
  Node *inner = match_op(node_in(n, 0), n->op);
  return inner ? same_type(n, node_in(inner, 0)) : NULL;
}

/* abs(abs x), floor(floor x), ...: the second does nothing */
static Value *once(Builder *b, Node *n) {
  (void)b;
  return match_op(node_in(n, 0), n->op) ? node_in(n, 0) : NULL;
}

static Value *where_known(Builder *b, Node *n) {
  (void)b;
  uint64_t bits;
  if (node_in(n, 1) == node_in(n, 2)) return same_type(n, node_in(n, 1));
  return match_bits(node_in(n, 0), &bits) ? same_type(n, node_in(n, bits ? 1 : 2)) : NULL;
}

/* Can every value of `from` be held exactly by `to`? */
static bool holds_all(Dtype from, Dtype to) {
  const DtypeInfo *f = dtype_info(from), *t = dtype_info(to);
  if (f->cls == DTC_FLOAT && t->cls == DTC_FLOAT) return f->exponent <= t->exponent && f->mantissa <= t->mantissa;
  if (f->cls == DTC_BOOL) return dtype_is_int(to);
  if (f->cls == t->cls) return (f->cls == DTC_INT || f->cls == DTC_UINT) && f->bits <= t->bits;
  return f->cls == DTC_UINT && t->cls == DTC_INT && f->bits < t->bits;
}

/* cast to its own type; cast(cast x), where the first loses nothing */
static Value *cast_again(Builder *b, Node *n) {
  Value *x = node_in(n, 0);
  Dtype to = node_dtype(n, cast, to);
  if (x->type->dtype == to) return same_type(n, x);
  Node *inner = match_op(x, OP_cast);
  if (!inner || !holds_all(node_in(inner, 0)->type->dtype, x->type->dtype)) return NULL;
  if (node_in(inner, 0)->type->dtype == to) return same_type(n, node_in(inner, 0));
  return dtype_info(to)->cls == DTC_FLOAT ? build_cast(b, node_in(inner, 0), to) : NULL;
}

/* ---- movement ---- */

/* reshape(x, x's own sizes); reshape(reshape(x)) = reshape(x) */
static Value *reshape_simple(Builder *b, Node *n) {
  Value *x = node_in(n, 0);
  if (x->type == n->out[0]->type) return x;
  Op before = x->def ? x->def->op : OP_count;
  if (before != OP_reshape && before != OP_squeeze && before != OP_unsqueeze) return NULL;
  if (!infer_sizes_known(n) || !infer_sizes_known(x->def)) return NULL;
  return build_reshape(b, node_in(x->def, 0), n->out[0]->type->rank, n->out[0]->type->dim);
}

/* reshape(transpose(reshape x)), where the transpose leaves the first axis in place and the last reshape only cuts that one:
 * the cut comes first, and joins the reshape before.
 *
 * This is how PyTorch's second exporter turns the last two axes of keys around: with batch and heads joined. */
static Value *reshape_cuts_first(Builder *b, Node *n) {
  Node *t = match_op(node_in(n, 0), OP_transpose);
  if (!t || !match_op(node_in(t, 0), OP_reshape) || !infer_sizes_known(n)) return NULL;
  Type from = t->out[0]->type, to = n->out[0]->type;
  int more = to->rank - from->rank;
  if (more <= 0 || node_ints(t, transpose, perm).n != from->rank || node_ints(t, transpose, perm).at[0] != 0) return NULL;
  int64_t perm[MAX_RANK];
  Dim dim[MAX_RANK];
  for (int i = 0; i < to->rank; i++) {
    if (i > more && from->dim[i - more] != to->dim[i]) return NULL;
    perm[i] = i <= more ? i : node_ints(t, transpose, perm).at[i - more] + more;
    dim[perm[i]] = to->dim[i];
  }
  return build_transpose(b, build_reshape(b, node_in(t, 0), to->rank, dim), to->rank, perm);
}

/* squeeze and unsqueeze say no more than reshape once the sizes are known */
static Value *as_reshape(Builder *b, Node *n) {
  Type t = n->out[0]->type;
  return infer_sizes_known(n) ? build_reshape(b, node_in(n, 0), t->rank, t->dim) : NULL;
}

/* transpose(transpose x) is one transpose, or none */
static Value *transpose_twice(Builder *b, Node *n) {
  Node *inner = match_op(node_in(n, 0), OP_transpose);
  int64_t perm[MAX_RANK];
  int rank = n->out[0]->type->rank;
  if (!inner || node_ints(n, transpose, perm).n != rank || node_ints(inner, transpose, perm).n != rank) return NULL;
  for (int i = 0; i < rank; i++) perm[i] = node_ints(inner, transpose, perm).at[node_ints(n, transpose, perm).at[i]];
  return build_transpose(b, node_in(inner, 0), rank, perm);
}

/* A transpose that moves only axes of size 1, or none, is at most a reshape. */
static Value *transpose_nothing(Builder *b, Node *n) {
  Value *x = node_in(n, 0);
  int64_t last = -1;
  for (int i = 0; i < node_ints(n, transpose, perm).n; i++) {
    int64_t axis = node_ints(n, transpose, perm).at[i];
    if (dim_is(x->type->dim[axis], 1)) continue;
    if (axis < last) return NULL;
    last = axis;
  }
  if (node_ints(n, transpose, perm).n != x->type->rank) return NULL;
  if (x->type == n->out[0]->type) return x;
  return build_reshape(b, x, n->out[0]->type->rank, n->out[0]->type->dim);
}

/* matmul(x, transpose(w)) = matmul(x, w, transb), and the same on the left
 *
 * Exporters write Linear as MatMul(x, Transpose(W)); reading W in the order in which it is stored saves a copy of every
 * weight in the model. */
static Value *swapped_last(const Value *v) {
  Node *t = match_op(v, OP_transpose);
  int rank = v->type->rank;
  if (!t || rank < 2 || node_ints(t, transpose, perm).n != rank) return NULL;
  for (int i = 0; i < rank; i++) {
    int from = i == rank - 2 ? rank - 1 : i == rank - 1 ? rank - 2 : i;
    if (node_ints(t, transpose, perm).at[i] != from) return NULL;
  }
  return node_in(t, 0);
}

static Value *matmul_transposed(Builder *b, Node *n) {
  Value *x = swapped_last(node_in(n, 0)), *w = swapped_last(node_in(n, 1));
  if (node_in(n, 0)->type->rank < 2 || node_in(n, 1)->type->rank < 2 || (!x && !w)) return NULL;
  bool ta = node_bool(n, matmul, transa) != (x != NULL), tb = node_bool(n, matmul, transb) != (w != NULL);
  return build(b, OP_matmul, 1, INS(x ? x : node_in(n, 0), w ? w : node_in(n, 1)),
               ATTRS(at_i(matmul, transa, ta), at_i(matmul, transb, tb),
                     at_i(matmul, out, (int64_t)node_dtype(n, matmul, out))));
}

static Value *concat_one(Builder *b, Node *n) {
  (void)b;
  return n->n_in == 1 ? same_type(n, node_in(n, 0)) : NULL;
}

/* expand, tile, slice, pad and split whose result is the operand whole. A slice of the same size may still turn it
 * around, and a split has one part. */
static Value *same_size(Builder *b, Node *n) {
  (void)b;
  return same_type(n, node_in(n, 0));
}

static Value *slice_all(Builder *b, Node *n) {
  int count;
  Dim step[MAX_RANK];
  if (!same_type(n, node_in(n, 0))) return NULL;
  if (!node_in(n, 4)) return node_in(n, 0);
  if (!known_dims(b, node_in(n, 4), &count, step)) return NULL;
  for (int i = 0; i < count; i++)
    if (!dim_is(step[i], 1)) return NULL;
  return node_in(n, 0);
}

/* A pad of no size on either side; of equal and opposite sizes it would shift. */
static Value *pad_nothing(Builder *b, Node *n) {
  int count;
  Dim by[MAX_RANK];
  if (!same_type(n, node_in(n, 0)) || !known_dims(b, node_in(n, 1), &count, by)) return NULL;
  for (int i = 0; i < count; i++)
    if (!dim_is(by[i], 0)) return NULL;
  return node_in(n, 0);
}

static Value *split_one(Builder *b, Node *n) {
  (void)b;
  return n->n_out == 1 ? same_type(n, node_in(n, 0)) : NULL;
}

/* ---- broadcasting ---- */

static bool is_elementwise(const Node *n) {
  const OpInfo *info = op_info(n->op);
  return info->level == LEVEL_ANY && info->effect == EFFECT_PURE && n->n_out == 1 && n->n_regions == 0;
}

/* What is broadcast, where v is the result of a plain `expand`. */
static Value *expanded(const Value *v) {
  Node *n = match_op(v, OP_expand);
  return n && infer_sizes_known(n) ? node_in(n, 0) : NULL;
}

/* f(expand x, expand y, 2) = expand(f(x, y, 2)), where x and y are of one shape: f runs less often.
 *
 * Masks come this way: broadcast to [batch, 1, queries, keys] before they are anything but [batch, 1, 1, keys]. */
static Value *expand_later(Builder *b, Node *n) {
  Value *in[MAX_RANK], *x = NULL, *shape = NULL;
  uint64_t bits;
  if (!is_elementwise(n) || n->n_in > MAX_RANK) return NULL;
  for (int i = 0; i < n->n_in; i++) {
    in[i] = node_in(n, i);
    if (!in[i] || !expanded(in[i]) || !type_same_dims(in[i]->type, n->out[0]->type)) continue;
    if (x && !type_same_dims(x->type, expanded(in[i])->type)) return NULL;
    x = in[i] = expanded(in[i]);
    shape = node_in(node_in(n, i)->def, 1);
  }
  if (!x || type_same_dims(x->type, n->out[0]->type)) return NULL;
  for (int i = 0; i < n->n_in; i++) {
    bool number = in[i] && match_bits(in[i], &bits) && in[i]->type->rank <= x->type->rank;
    if (in[i] && in[i] == node_in(n, i) && !number) return NULL;
  }
  return build(b, OP_expand, 1, INS(build_like(b, n, in), shape), NO_ATTRS);
}

/* f(x, expand y) = f(x, y), where x is of the result's shape: f broadcasts by itself. */
static Value *expand_by_itself(Builder *b, Node *n) {
  Value *in[MAX_RANK];
  bool whole = false, found = false;
  if (!is_elementwise(n) || n->n_in < 2 || n->n_in > MAX_RANK) return NULL;
  for (int i = 0; i < n->n_in; i++) {
    Value *v = in[i] = node_in(n, i), *y = v ? expanded(v) : NULL;
    Type to = n->out[0]->type;
    if (!y && v) whole |= type_same_dims(v->type, to);
    bool fits = y && y->type->rank <= to->rank;
    for (int k = 0; fits && k < y->type->rank; k++) {
      Dim own = y->type->dim[k], other = to->dim[to->rank - y->type->rank + k];
      fits = own == other || dim_is(own, 1);
    }
    if (!fits) continue;
    in[i] = y;
    found = true;
  }
  return whole && found ? build_like(b, n, in) : NULL;
}

static Value *operand(Builder *b, Node *n) {
  (void)b;
  return node_in(n, 0);
}

// clang-format off
static const Rule rules[] = {
  { OP_add,        add_nothing       },
  { OP_sub,        sub_nothing       },
  { OP_mul,        mul_one           },
  { OP_div,        div_one           },
  { OP_pow,        pow_small         },
  { OP_and,        logic_nothing     },
  { OP_or,         logic_nothing     },
  { OP_neg,        twice             },
  { OP_not,        twice             },
  { OP_abs,        once              },
  { OP_floor,      once              },
  { OP_ceil,       once              },
  { OP_round,      once              },
  { OP_sign,       once              },
  { OP_where,      where_known       },
  { OP_cast,       cast_again        },
  { OP_reshape,    reshape_simple    },
  { OP_reshape,    reshape_cuts_first },
  { OP_squeeze,    as_reshape        },
  { OP_unsqueeze,  as_reshape        },
  { OP_transpose,  transpose_nothing },
  { OP_transpose,  transpose_twice   },
  { OP_matmul,     matmul_transposed },
  { OP_concat,     concat_one        },
  { OP_expand,     same_size         },
  { OP_tile,       same_size         },
  { OP_slice,      slice_all         },
  { OP_pad,        pad_nothing       },
  { OP_split,      split_one         },
  { OP_debug_name, operand           },
  { ANY_OP,        uniform_moved     },
  { OP_cumsum,     uniform_cumsum    },
  { OP_reduce_sum, uniform_sum       },
  { ANY_OP,        expand_later      },
  { ANY_OP,        expand_by_itself  },
};
// clang-format on

/* ---- if ---- */

/* What the sizes of an if's result are in the branch that runs, where only the data told; false where the types differ
 * in more than that. */
static bool learn_sizes(Type had, Type taken, Dim *with) {
  if (had == taken) return true;
  if (had->kind != TYPE_TENSOR || taken->kind != TYPE_TENSOR || had->rank != taken->rank || had->dtype != taken->dtype)
    return false;
  for (int i = 0; i < had->rank; i++) {
    const Symbol *s = dim_as_symbol(had->dim[i]);
    if (had->dim[i] == taken->dim[i]) continue;
    if (!s || !s->derived || (with[s->index] && with[s->index] != taken->dim[i])) return false;
    with[s->index] = taken->dim[i];
  }
  return true;
}

/* if(known) { a } { b }: the nodes of the branch that runs take the place of the `if` */
static bool if_known(Node *n) {
  uint64_t bits;
  if (n->op != OP_if || !match_bits(node_in(n, 0), &bits)) return false;
  Block *taken = n->region[bits ? 0 : 1];
  Node *yield = block_terminator(taken);
  Func *f = node_func(n);
  Dim *with = ARENA_ARRAY(f->module->arena, Dim, f->symbols.n + 1);
  for (int i = 0; i < n->n_out; i++)
    if (!learn_sizes(n->out[i]->type, node_in(yield, i)->type, with)) return false;
  for (Node *inner = taken->first, *next; inner != yield; inner = next) {
    next = inner->next;
    node_detach(inner);
    node_insert_before(n, inner);
  }
  for (int i = 0; i < n->n_out; i++) value_replace(n->out[i], node_in(yield, i));
  node_remove(n);
  func_substitute(f, with);
  return true;
}

/* ---- the walk ---- */

static bool simplify_node(Module *m, Node *n) {
  return if_known(n) || (n->n_regions == 0 && rewrite_node(m, n, rules, (int)(sizeof rules / sizeof *rules)));
}

static bool simplify_block(Module *m, Block *b) {
  bool changed = false;
  for (Node *n = b->first, *next; n; n = next) {
    next = n->next;
    for (int i = 0; i < n->n_regions; i++) changed |= simplify_block(m, n->region[i]);
    changed |= simplify_node(m, n);
  }
  return changed;
}

/* Forward walks see their operands simplified, so few walks are needed; what they leave, the next run finds. */
bool pass_simplify(PassCall *c, Func *f) {
  enum { MAX_WALKS = 8 };
  bool changed = false;
  for (int i = 0; i < MAX_WALKS && simplify_block(c->module, f->body); i++) changed = true;
  return changed;
}
