/* infer_kernel.c -- result types of the kernel level: memory, vectors, structured control, places in the grid. */
#include <inttypes.h>

#include "ir/infer.h"

/* ---- what operands may be ---- */

static const char *text(Infer *c, Type t) { return type_text(c->module->arena, t); }

static bool is_memory(Type t) { return t && (t->kind == TYPE_BUFFER || t->kind == TYPE_SHARED); }
static bool is_value(Type t) { return t && (t->kind == TYPE_SCALAR || t->kind == TYPE_VECTOR); }
static bool is_scalar(Type t, Dtype d) { return t && t->kind == TYPE_SCALAR && t->dtype == d; }

static bool need_memory(Infer *c, int i) {
  return is_memory(c->in[i]) || infer_error(c, "operand %d is %s, not memory", i, text(c, c->in[i]));
}

static bool need_value(Infer *c, int i) {
  return is_value(c->in[i]) || infer_error(c, "operand %d is %s, not a scalar or vector", i, text(c, c->in[i]));
}

static bool need_index(Infer *c, int i) {
  return is_scalar(c->in[i], DT_index) || infer_error(c, "operand %d is %s, not index", i, text(c, c->in[i]));
}

static bool need_lanes(Infer *c, int64_t lanes) {
  return (lanes >= 1 && lanes <= MAX_LANES) ||
         infer_error(c, "%" PRId64 " lanes: a vector has 1 to %d", lanes, MAX_LANES);
}

/* 0, or a power of two: of bytes. */
static bool need_alignment(Infer *c, int64_t align) {
  return (align >= 0 && align <= 4096 && (align & (align - 1)) == 0) ||
         infer_error(c, "align=%" PRId64 ": an alignment is a power of two up to 4096", align);
}

static bool give(Infer *c, Dtype t, int64_t lanes) {
  if (!need_lanes(c, lanes)) return false;
  c->out[0] = type_vector(c->module->types, t, lanes);
  return true;
}

/* ---- numbers and vectors ---- */

bool infer_imm(Infer *c) {
  const Constant *k = node_attr(c->node, attr_slot(imm, value))->constant;
  Type t = k->type;
  if (k->kind != CONSTANT_BYTES && k->kind != CONSTANT_SPLAT) return infer_error(c, "its constant is no literal");
  if (is_value(t)) return give(c, t->dtype, t->lanes);
  if (type_is_tensor(t) && t->rank == 0 && !t->encoded) return give(c, t->dtype, 1);
  return infer_error(c, "its constant is %s, not a scalar or vector", text(c, t));
}

bool infer_splat(Infer *c) {
  if (!need_value(c, 0)) return false;
  if (c->in[0]->kind != TYPE_SCALAR) return infer_error(c, "its operand is %s, not a scalar", text(c, c->in[0]));
  return give(c, c->in[0]->dtype, node_int(c->node, splat, lanes));
}

bool infer_extract(Infer *c) {
  int64_t lane = node_int(c->node, extract, lane), lanes = node_int(c->node, extract, lanes);
  if (!need_value(c, 0) || !need_lanes(c, lanes)) return false;
  if (lane < 0 || lane > c->in[0]->lanes - lanes)
    return infer_error(c, "lanes %" PRId64 " and %" PRId64 " more of %s", lane, lanes - 1, text(c, c->in[0]));
  return give(c, c->in[0]->dtype, lanes);
}

bool infer_pack(Infer *c) {
  for (int i = 0; i < c->node->n_in; i++) {
    if (!need_value(c, i)) return false;
    if (c->in[i] != c->in[0])
      return infer_error(c, "operand %d is %s, but the first is %s", i, text(c, c->in[i]), text(c, c->in[0]));
  }
  return give(c, c->in[0]->dtype, c->in[0]->lanes * c->node->n_in);
}

bool infer_shuffle(Infer *c) {
  for (int i = 0; i < c->node->n_in; i++)
    if (!c->in[i] || c->in[i]->kind != TYPE_VECTOR || c->in[i] != c->in[0])
      return infer_error(c, "takes one vector or two of one type, not %s and %s", text(c, c->in[0]), text(c, c->in[i]));
  int64_t from = c->node->n_in * c->in[0]->lanes;
  int n = node_ints(c->node, shuffle, lanes).n;
  const int64_t *lane = node_ints(c->node, shuffle, lanes).at;
  for (int i = 0; i < n; i++)
    if (lane[i] < 0 || lane[i] >= from)
      return infer_error(c, "lane %" PRId64 " of the %" PRId64 " that its operands have", lane[i], from);
  return give(c, c->in[0]->dtype, n);
}

bool infer_lanes(Infer *c) {
  if (!need_value(c, 0)) return false;
  int64_t n = c->in[0]->lanes;
  if (n & (n - 1)) return infer_error(c, "%s: the number of lanes is no power of two", text(c, c->in[0]));
  return give(c, c->in[0]->dtype, 1);
}

/* dot<each>: acc, and `each` elements of a and b for each of its lanes. */
static bool infer_dot(Infer *c, int each, Dtype acc, Dtype a, Dtype b) {
  for (int i = 0; i < 3; i++)
    if (!need_value(c, i)) return false;
  const Type *in = c->in;
  int64_t n = in[0]->lanes;
  if (in[0]->dtype != acc || in[1]->dtype != a || in[2]->dtype != b || in[1]->lanes != each * n ||
      in[2]->lanes != each * n)
    return infer_error(c, "takes %sxN, %sx%dN, %sx%dN, not %s, %s, %s", dtype_name(acc), dtype_name(a), each,
                       dtype_name(b), each, text(c, in[0]), text(c, in[1]), text(c, in[2]));
  c->out[0] = in[0];
  return true;
}

bool infer_dot4(Infer *c) { return infer_dot(c, 4, DT_i32, DT_u8, DT_i8); }
bool infer_dot2(Infer *c) { return infer_dot(c, 2, DT_f32, DT_bf16, DT_bf16); }

/* ---- memory ---- */

bool infer_load(Infer *c) {
  if (!need_memory(c, 0) || !need_index(c, 1) || !need_alignment(c, node_int(c->node, load, align))) return false;
  Dtype as = node_dtype(c->node, load, as), own = c->in[0]->dtype;
  if (as && (dtype_bits(as) < 8 || dtype_bits(own) < 8))
    return infer_error(c, "reads %s from memory of %s: both must be whole bytes", dtype_name(as), dtype_name(own));
  return give(c, as ? as : own, node_int(c->node, load, lanes));
}

bool infer_store(Infer *c) {
  if (!need_memory(c, 0) || !need_index(c, 1) || !need_value(c, 2)) return false;
  if (!need_alignment(c, node_int(c->node, store, align))) return false;
  return c->in[2]->dtype == c->in[0]->dtype ||
         infer_error(c, "stores %s into %s", text(c, c->in[2]), text(c, c->in[0]));
}

bool infer_prefetch(Infer *c) {
  int64_t cache = node_int(c->node, prefetch, cache);
  if (!need_memory(c, 0) || !need_index(c, 1)) return false;
  return (cache >= 1 && cache <= 3) || infer_error(c, "cache=%" PRId64 ": it is 1, 2 or 3", cache);
}

bool infer_workgroup_memory(Infer *c) {
  int64_t n = node_int(c->node, workgroup_memory, elements);
  if (n < 1 || n > 1 << 20) return infer_error(c, "%" PRId64 " elements of workgroup memory", n);
  if (c->node->block->parent) return infer_error(c, "stands in a region: it belongs to the kernel's own block");
  c->out[0] = type_shared(c->module->types, node_dtype(c->node, workgroup_memory, type), n);
  return true;
}

/* ---- places and order ---- */

bool infer_place(Infer *c) {
  int64_t axis = node_attr(c->node, 0)->i;
  if (axis < 0 || axis > 2) return infer_error(c, "axis %" PRId64 ": a grid has axes 0 to 2", axis);
  return give(c, DT_index, 1);
}
_Static_assert(attr_slot(group_id, axis) == 0 && attr_slot(local_id, axis) == 0 && attr_slot(groups, axis) == 0, "");

bool infer_barrier(Infer *c) {
  (void)c;
  return true;
}

/* ---- regions ---- */

/* The region ends in a yield of these types. */
static bool yields(Infer *c, const Block *b, int n, const Type *type) {
  const Node *end = block_terminator(b);
  if (!end || end->op != OP_yield) return infer_error(c, "a region ends without `yield`");
  if (end->n_in != n) return infer_error(c, "a region yields %d values, not %d", end->n_in, n);
  for (int i = 0; i < n; i++) {
    Type t = end->in[i].value ? end->in[i].value->type : NULL;
    if (!is_value(t) || t != type[i])
      return infer_error(c, "a region yields %s as value %d, not %s", text(c, t), i, text(c, type[i]));
  }
  return true;
}

static bool need_regions(Infer *c, int n) {
  return c->node->n_regions == n || infer_error(c, "has %d regions, not %d", c->node->n_regions, n);
}

bool infer_for(Infer *c) {
  int n = c->node->n_in - 3;
  if (!need_index(c, 0) || !need_index(c, 1) || !need_index(c, 2) || !need_regions(c, 1)) return false;
  if (node_int(c->node, for, unroll) < 0) return infer_error(c, "unroll=%" PRId64, node_int(c->node, for, unroll));
  if (c->node->n_out != n) return infer_error(c, "carries %d values, but has %d results", n, c->node->n_out);
  const Block *body = c->node->region[0];
  if (body->n_args != n + 1) return infer_error(c, "its region takes %d values, not %d", body->n_args, n + 1);
  if (!is_scalar(body->arg[0]->type, DT_index))
    return infer_error(c, "its region takes the counter as %s, not index", text(c, body->arg[0]->type));
  for (int i = 0; i < n; i++) {
    if (!need_value(c, 3 + i)) return false;
    if (body->arg[i + 1]->type != c->in[3 + i])
      return infer_error(c, "its region takes carried value %d as %s, not %s", i, text(c, body->arg[i + 1]->type),
                         text(c, c->in[3 + i]));
    c->out[i] = c->in[3 + i];
  }
  return yields(c, body, n, c->in + 3);
}

bool infer_when(Infer *c) {
  if (!need_regions(c, 2)) return false;
  if (!is_scalar(c->in[0], DT_bool)) return infer_error(c, "its condition is %s, not bool", text(c, c->in[0]));
  for (int r = 0; r < 2; r++)
    if (c->node->region[r]->n_args) return infer_error(c, "a region of `when` takes no values");
  const Node *end = block_terminator(c->node->region[0]);
  for (int i = 0; end && i < c->node->n_out && i < end->n_in; i++)
    c->out[i] = end->in[i].value ? end->in[i].value->type : NULL;
  return yields(c, c->node->region[0], c->node->n_out, c->out) && yields(c, c->node->region[1], c->node->n_out, c->out);
}
