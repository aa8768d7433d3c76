/* build.c -- appends nodes to a function, with their types inferred as they are made. */
#include <inttypes.h>

#include "ir/fatal.h"
#include "ir/infer.h"
#include "ir/ir.h"

/* ---- inference in place ---- */

/* A dim that only the data knows gets a name, so that other types can speak of it. */
static Type name_unknowns(Func *f, Type t) {
  if (!type_has_unknown(t)) return t;
  Dim dim[MAX_RANK];
  for (int i = 0; i < t->rank; i++)
    dim[i] = dim_is_unknown(t->dim[i]) ? dim_symbol(f->module->dims, func_fresh_symbol(f, "d")) : t->dim[i];
  return type_with_dims(f->module->types, t, t->rank, dim);
}

bool node_infer(Node *n) {
  Func *f = node_func(n);
  Module *m = f->module;
  Type *in = ARENA_ARRAY(m->arena, Type, n->n_in), *out = ARENA_ARRAY(m->arena, Type, n->n_out);
  for (int i = 0; i < n->n_in; i++) in[i] = n->in[i].value ? n->in[i].value->type : NULL;
  if (!infer_run(&(Infer){.module = m, .node = n, .diag = m->diag, .in = in, .out = out})) return false;
  for (int i = 0; i < n->n_out; i++) {
    Type had = n->out[i]->type;
    if (had && type_refines(had, out[i])) continue;
    n->out[i]->type = name_unknowns(f, out[i]);
  }
  return true;
}

/* ---- building ---- */

static Func *builder_func(const Builder *b) { return b->func ? b->func : b->block->func; }

/* The operands are good unless one of them is a value whose own node failed. */
static bool usable(int n_in, Value *const *in) {
  for (int i = 0; i < n_in; i++)
    if (in[i] && !in[i]->type) return false;
  return true;
}

Value *build_values(Builder *b, Op op, int n_out, int n_in, Value *const *in, int n_attr, const AttrArg *attr) {
  while (n_in > op_info(op)->min_in && !in[n_in - 1]) n_in--; /* optional operands left out at the end */
  Node *n = node_new(builder_func(b), op, n_in, n_out, op_info(op)->regions, b->loc);
  for (int i = 0; i < n_attr; i++) *node_attr(n, attr[i].slot) = attr[i].value;
  if (b->before) node_insert_before(b->before, n);
  else node_append(b->block, n);
  for (int i = 0; i < n_in; i++) node_set_in(n, i, in[i]);
  if (usable(n_in, in)) node_infer(n);
  return n_out ? n->out[0] : NULL;
}

Value *build_like(Builder *b, const Node *n, Value *const *in) {
  int n_attrs = op_info(n->op)->n_attrs;
  AttrArg *attr = ARENA_ARRAY(b->module->arena, AttrArg, n_attrs);
  for (int i = 0; i < n_attrs; i++) attr[i] = (AttrArg){i, n->attr[i]};
  return build_values(b, n->op, n->n_out, n->n_in, in, n_attrs, attr);
}

Value *build_const(Builder *b, Constant *c) { return build(b, OP_const, 1, 0, NULL, ATTRS(at_c(const, value, c))); }
Value *build_ints(Builder *b, int n, const int64_t *v) { return build_const(b, constant_ints(b->module, n, v)); }
Value *build_scalar_i(Builder *b, Dtype t, int64_t v) { return build_const(b, constant_scalar_i(b->module, t, v)); }
Value *build_scalar_f(Builder *b, Dtype t, double v) { return build_const(b, constant_scalar_f(b->module, t, v)); }

Value *build_dims(Builder *b, int n, const Dim *d) {
  int64_t number[MAX_RANK];
  bool known = n <= MAX_RANK;
  for (int i = 0; i < n && known; i++) {
    known = dim_is_const(d[i]);
    number[i] = d[i]->constant;
  }
  if (known) return build_ints(b, n, number);
  Dim *copy = ARENA_ARRAY(b->module->arena, Dim, n);
  memcpy(copy, d, (size_t)n * sizeof *d);
  return build(b, OP_dims, 1, 0, NULL, ATTRS(at_dims(dims, sizes, n, copy)));
}

Value *build_unary(Builder *b, Op op, Value *x) { return build(b, op, 1, INS(x), NO_ATTRS); }
Value *build_binary(Builder *b, Op op, Value *x, Value *y) { return build(b, op, 1, INS(x, y), NO_ATTRS); }

Value *build_cast(Builder *b, Value *x, Dtype to) {
  if (x->type && x->type->dtype == to && !x->type->encoded) return x;
  return build(b, OP_cast, 1, INS(x), ATTRS(at_i(cast, to, (int64_t)to)));
}

Value *build_reshape(Builder *b, Value *x, int rank, const Dim *d) {
  return build(b, OP_reshape, 1, INS(x, build_dims(b, rank, d)), NO_ATTRS);
}

Value *build_transpose(Builder *b, Value *x, int rank, const int64_t *perm) {
  int64_t *copy = ARENA_ARRAY(b->module->arena, int64_t, rank);
  memcpy(copy, perm, (size_t)rank * sizeof *perm);
  return build(b, OP_transpose, 1, INS(x), ATTRS(at_ints(transpose, perm, rank, copy)));
}
