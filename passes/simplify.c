/* simplify.c -- rewrites by rules: what does nothing goes, and what has a shorter form takes it.
 *
 * A rule looks at a node and gives the value that stands for its first result (the operand itself, or a new node's), or
 * NULL. Rules never change a number's bits: x+0 stays for floats, since -0+0 is 0. */
#include "ir/bind.h"
#include "ir/eval.h"
#include "ir/infer.h"
#include "passes/pass.h"

typedef Value *(*Rewrite)(Builder *b, Node *n);

typedef struct Rule {
  Op op;
  Rewrite apply;
} Rule;

/* ---- looking at operands ---- */

static Node *def_of(const Value *v, Op op) { return v && v->def && v->def->op == op ? v->def : NULL; }

/* The one number that a literal or splat holds everywhere; false where it holds several. */
static bool constant_bits(const Value *v, uint64_t *bits) {
  const Constant *c = value_constant(v);
  if (!c || c->type->encoded || !type_is_static(c->type)) return false;
  if (c->kind == CONSTANT_SPLAT) return *bits = dtype_get_bits(c->type->dtype, c->bytes, 0), true;
  int64_t n = 1;
  for (int i = 0; i < c->type->rank; i++) n *= c->type->dim[i]->constant == 1 ? 1 : 0;
  if (c->kind != CONSTANT_BYTES || n != 1) return false;
  return *bits = dtype_get_bits(c->type->dtype, c->bytes, 0), true;
}

static bool is_number(const Value *v, double want) {
  uint64_t bits;
  unsigned char wanted[8] = {0};
  if (!v || !constant_bits(v, &bits)) return false;
  dtype_set_f(v->type->dtype, wanted, 0, want);
  return bits == dtype_get_bits(v->type->dtype, wanted, 0);
}

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
  if (is_number(y, nothing)) return same_type(n, x);
  return is_number(x, nothing) ? same_type(n, y) : NULL;
}

static Value *sub_nothing(Builder *b, Node *n) {
  (void)b;
  return is_number(node_in(n, 1), 0) ? same_type(n, node_in(n, 0)) : NULL;
}

static Value *mul_one(Builder *b, Node *n) {
  (void)b;
  if (is_number(node_in(n, 1), 1)) return same_type(n, node_in(n, 0));
  return is_number(node_in(n, 0), 1) ? same_type(n, node_in(n, 1)) : NULL;
}

static Value *div_one(Builder *b, Node *n) {
  (void)b;
  return is_number(node_in(n, 1), 1) ? same_type(n, node_in(n, 0)) : NULL;
}

/* x^2 = x*x: both round the exact square once. */
static Value *pow_small(Builder *b, Node *n) {
  Value *x = node_in(n, 0);
  if (x->type != n->out[0]->type) return NULL;
  if (is_number(node_in(n, 1), 1)) return x;
  return is_number(node_in(n, 1), 2) ? build_binary(b, OP_mul, x, x) : NULL;
}

/* neg(neg x), not(not x) */
static Value *twice(Builder *b, Node *n) {
  (void)b;
  Node *inner = def_of(node_in(n, 0), n->op);
  return inner ? same_type(n, node_in(inner, 0)) : NULL;
}

/* abs(abs x), floor(floor x), ...: the second does nothing */
static Value *once(Builder *b, Node *n) {
  (void)b;
  return def_of(node_in(n, 0), n->op) ? node_in(n, 0) : NULL;
}

static Value *where_known(Builder *b, Node *n) {
  (void)b;
  uint64_t bits;
  if (node_in(n, 1) == node_in(n, 2)) return same_type(n, node_in(n, 1));
  return constant_bits(node_in(n, 0), &bits) ? same_type(n, node_in(n, bits ? 1 : 2)) : NULL;
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
  Node *inner = def_of(x, OP_cast);
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

/* squeeze and unsqueeze say no more than reshape once the sizes are known */
static Value *as_reshape(Builder *b, Node *n) {
  Type t = n->out[0]->type;
  return infer_sizes_known(n) ? build_reshape(b, node_in(n, 0), t->rank, t->dim) : NULL;
}

/* transpose(transpose x) is one transpose, or none */
static Value *transpose_twice(Builder *b, Node *n) {
  Node *inner = def_of(node_in(n, 0), OP_transpose);
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
  Node *t = def_of(v, OP_transpose);
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
  if (n->op != OP_if || !constant_bits(node_in(n, 0), &bits)) return false;
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

/* A size that only the data knows got a new symbol when the replacement was built; it is the size that the old one names,
 * of which other types may speak. */
static void keep_symbols(Module *m, const Value *old, Value *v, int n_symbols) {
  Type t = v->type;
  Dim dim[MAX_RANK];
  if (t->kind != TYPE_TENSOR || t->rank != old->type->rank) return;
  for (int i = 0; i < t->rank; i++) {
    const Symbol *s = dim_as_symbol(t->dim[i]);
    dim[i] = s && s->index >= n_symbols ? old->type->dim[i] : t->dim[i];
  }
  v->type = type_with_dims(m->types, t, t->rank, dim);
}

static bool apply_rules(Builder *b, Node *n) {
  int n_symbols = b->block->func->symbols.n;
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    if (rules[i].op != n->op) continue;
    Value *v = rules[i].apply(b, n);
    if (!v || !v->type) continue;
    keep_symbols(b->module, n->out[0], v, n_symbols);
    value_replace(n->out[0], v);
    node_remove(n);
    return true;
  }
  return false;
}

static bool simplify_node(Module *m, Node *n) {
  Builder b = {.module = m, .block = n->block, .before = n, .loc = n->loc};
  return if_known(n) || (n->n_regions == 0 && apply_rules(&b, n));
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
