/* decode.c -- makes plain what is encoded: codes and scales stay in memory as they are, and are decoded where they are read.
 *
 * A product with an encoded matrix becomes one with its numbers, in the type that the product computes in; a gather of rows
 * gathers codes and scales, and decodes the rows alone. It stands behind `fold`, which would compute the numbers now. */
#include "ir/fatal.h"
#include "passes/pass.h"

typedef struct Parts {
  Value *codes, *scales, *zeros; /* zeros: or NULL */
  int64_t group;
} Parts;

/* False where the value is not made by `encoded`: a function's argument, say. */
static bool parts_of(const Value *v, Parts *p) {
  const Node *n = v ? v->def : NULL;
  if (!n || !v->type->encoded || n->op != OP_encoded) return false;
  *p = (Parts){node_in(n, 0), node_in(n, 1), node_in(n, 2), node_int(n, encoded, group)};
  return true;
}

/* Zero points may be of any type; where it is not the codes', they enter as floats. */
static Value *decoded(Builder *b, const Parts *p, Dtype to) {
  Value *zeros = p->zeros;
  if (zeros && zeros->type->dtype != p->codes->type->dtype) zeros = build_cast(b, zeros, DT_f32);
  AttrArg attr[] = {at_i(dequantize, axis, -1), at_i(dequantize, block, p->group), at_i(dequantize, to, (int64_t)to)};
  return build(b, OP_dequantize, 1, INS(p->codes, p->scales, zeros), 3, attr);
}

static Value *rows(Builder *b, Value *x, Value *indices) {
  return x ? build(b, OP_gather, 1, INS(x, indices), ATTRS(at_i(gather, axis, 0))) : NULL;
}

/* The reference decodes in doubles: floats of 16 bits would round the numbers once more. */
static Dtype wide(Dtype t) { return t == DT_f64 ? DT_f64 : DT_f32; }

static bool decode_matmul(Builder *b, Node *n) {
  Parts p;
  Value *x = node_in(n, 0);
  Type t = n->out[0]->type;
  if (!parts_of(node_in(n, 1), &p) || x->type->encoded || !dtype_is_float(x->type->dtype) || !dtype_is_float(t->dtype)) return false;
  Dtype in = wide(x->type->dtype);
  Value *y = build(b, OP_matmul, 1, INS(build_cast(b, x, in), decoded(b, &p, in)),
                   ATTRS(at_i(matmul, transa, node_int(n, matmul, transa)), at_i(matmul, transb, node_int(n, matmul, transb))));
  value_replace(n->out[0], build_cast(b, y, t->dtype));
  return true;
}

static bool decode_gather(Builder *b, Node *n) {
  Parts p;
  if (!parts_of(node_in(n, 0), &p) || axis_of(node_int(n, gather, axis), node_in(n, 0)->type->rank) != 0) return false;
  Value *at = node_in(n, 1);
  Parts row = {rows(b, p.codes, at), rows(b, p.scales, at), rows(b, p.zeros, at), p.group};
  value_replace(n->out[0], decoded(b, &row, n->out[0]->type->dtype));
  return true;
}

static bool decode_decode(Builder *b, Node *n) {
  Parts p;
  if (!parts_of(node_in(n, 0), &p)) return false;
  value_replace(n->out[0], decoded(b, &p, n->out[0]->type->dtype));
  return true;
}

/* Experts' weights, in the type that x has. */
static bool decode_operands(Builder *b, Node *n) {
  Dtype to = wide(node_in(n, 0)->type->dtype);
  bool changed = false;
  for (int i = 1; i < n->n_in; i++) {
    Parts p;
    if (!parts_of(node_in(n, i), &p)) continue;
    node_set_in(n, i, decoded(b, &p, to));
    changed = true;
  }
  return changed;
}

static bool decode_node(Builder *b, Node *n) {
  bool gone = false;
  switch (n->op) {
  case OP_matmul: gone = decode_matmul(b, n); break;
  case OP_gather: gone = decode_gather(b, n); break;
  case OP_decode: gone = decode_decode(b, n); break;
  case OP_moe: return decode_operands(b, n);
  default: return false;
  }
  if (gone) node_remove(n);
  return gone;
}

static bool decode_block(PassCall *c, Block *block) {
  bool changed = false;
  for (Node *n = block->first, *next; n; n = next) {
    next = n->next;
    for (int i = 0; i < n->n_regions; i++) changed |= decode_block(c, n->region[i]);
    Builder b = {.module = c->module, .func = block->func, .block = block, .before = n, .loc = n->loc};
    changed |= decode_node(&b, n);
  }
  for (Node *n = block->last, *prev; n; n = prev) { /* what nobody reads any more */
    prev = n->prev;
    if (n->op == OP_encoded && !value_has_uses(n->out[0])) node_remove(n);
  }
  return changed;
}

bool pass_decode(PassCall *c, Func *f) { return decode_block(c, f->body); }
