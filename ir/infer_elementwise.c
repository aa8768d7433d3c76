/* infer_elementwise.c -- result types of the elementwise ops: tensors broadcast, scalars and vectors do not. */
#include <inttypes.h>

#include "ir/fatal.h"
#include "ir/infer.h"

enum { FLOATS = 1, INTS = 2, BOOLS = 4, NUMBERS = FLOATS | INTS };

/* What an op computes with: floats, unless it is here. */
static int elements_of(Op op) {
  switch (op) {
  case OP_neg:
  case OP_abs:
  case OP_sign:
  case OP_add:
  case OP_sub:
  case OP_mul:
  case OP_div:
  case OP_mod:
  case OP_pow:
  case OP_min:
  case OP_max:
  case OP_fma:
  case OP_lt:
  case OP_le: return NUMBERS;
  case OP_eq:
  case OP_where:
  case OP_cast:
  case OP_bitcast: return NUMBERS | BOOLS;
  case OP_not:
  case OP_and:
  case OP_or:
  case OP_xor: return INTS | BOOLS;
  case OP_shl:
  case OP_shr: return INTS;
  default: return FLOATS;
  }
}

static const char *elements_text(int set) {
  switch (set) {
  case FLOATS: return "floats";
  case INTS: return "integers";
  case NUMBERS: return "numbers";
  case INTS | BOOLS: return "integers or bool";
  default: return "numbers or bool";
  }
}

static int element_of(Dtype t) { return dtype_is_float(t) ? FLOATS : t == DT_bool ? BOOLS : INTS; }

static const char *text(Infer *c, int i) { return type_text(c->module->arena, c->in[i]); }

/* An operand of values that the op computes with. */
static bool check_operand(Infer *c, int i, int elements) {
  Type t = c->in[i];
  if (t->kind != TYPE_SCALAR && t->kind != TYPE_VECTOR && !infer_plain(c, i)) return false;
  if (elements & element_of(t->dtype)) return true;
  return infer_error(c, "operand %d is %s, and must be of %s", i, text(c, i), elements_text(elements));
}

/* The shape of operand k on top of what there is; for scalars and vectors the lanes must be equal. */
static bool merge_shape(Infer *c, Type *shape, int k) {
  Dim dim[MAX_RANK];
  int rank;
  if ((*shape)->kind != c->in[k]->kind || (*shape)->lanes != c->in[k]->lanes)
    return infer_error(c, "operands are %s and %s, and these do not broadcast", type_text(c->module->arena, *shape),
                       text(c, k));
  if ((*shape)->kind != TYPE_TENSOR) return true;
  if (!infer_broadcast(c, *shape, c->in[k], &rank, dim)) return false;
  *shape = type_with_dims(c->module->types, *shape, rank, dim);
  return true;
}

/* All operands from `from` on: their elements allowed, and equal; the shape of all, in the elements of the last. */
static bool merge_operands(Infer *c, int from, Type *shape) {
  int last = c->node->n_in - 1;
  for (int i = from; i <= last; i++) {
    if (!check_operand(c, i, elements_of(c->node->op))) return false;
    if (c->in[i]->dtype != c->in[from]->dtype)
      return infer_error(c, "operands are %s and %s: their element types differ", text(c, from), text(c, i));
  }
  *shape = c->in[0];
  for (int i = 1; i <= last; i++)
    if (!merge_shape(c, shape, i)) return false;
  *shape = type_with_dtype(c->module->types, *shape, c->in[last]->dtype);
  return true;
}

static bool result(Infer *c, Type shape, Dtype t) {
  c->out[0] = type_with_dtype(c->module->types, shape, t);
  return true;
}

bool infer_same(Infer *c) {
  if (c->node->op != OP_debug_name && !check_operand(c, 0, elements_of(c->node->op))) return false;
  c->out[0] = c->in[0];
  return true;
}

bool infer_predicate(Infer *c) { return check_operand(c, 0, elements_of(c->node->op)) && result(c, c->in[0], DT_bool); }

bool infer_binary(Infer *c) {
  Type shape;
  if (!merge_operands(c, 0, &shape)) return false;
  c->out[0] = shape;
  return true;
}

bool infer_compare(Infer *c) {
  Type shape;
  return merge_operands(c, 0, &shape) && result(c, shape, DT_bool);
}

/* The exponent may be of another type than the base, save in kernels. */
bool infer_power(Infer *c) {
  Type shape = c->in[0];
  if (!check_operand(c, 0, NUMBERS) || !check_operand(c, 1, NUMBERS)) return false;
  if (shape->kind != TYPE_TENSOR && shape->dtype != c->in[1]->dtype)
    return infer_error(c, "operands are %s and %s: their element types differ", text(c, 0), text(c, 1));
  return merge_shape(c, &shape, 1) && result(c, shape, c->in[0]->dtype);
}

bool infer_where(Infer *c) {
  Type shape;
  if (c->in[0]->dtype != DT_bool) return infer_error(c, "condition is %s, and must be of bool", text(c, 0));
  if (!check_operand(c, 0, BOOLS) || !merge_operands(c, 1, &shape)) return false;
  c->out[0] = shape;
  return true;
}

bool infer_cast(Infer *c) {
  const char *round = node_str(c->node, cast, round);
  Dtype to = node_dtype(c->node, cast, to);
  bool known =
      !round || !strcmp(round, "even") || !strcmp(round, "up") || !strcmp(round, "down") || !strcmp(round, "nearest");
  if (!known) return infer_error(c, "round=%s, and not even, up, down or nearest", round);
  if (to == DT_none) return infer_error(c, "casts to no type");
  return check_operand(c, 0, elements_of(OP_cast)) && result(c, c->in[0], to);
}

bool infer_bitcast(Infer *c) {
  Type x = c->in[0];
  Dtype to = node_dtype(c->node, bitcast, to);
  if (to == DT_none) return infer_error(c, "casts to no type");
  if (!check_operand(c, 0, elements_of(OP_bitcast))) return false;
  int from_bits = dtype_bits(x->dtype), to_bits = dtype_bits(to);
  if (from_bits == to_bits) return result(c, x, to);
  int64_t bits = from_bits * x->lanes;
  if (x->kind == TYPE_TENSOR || bits % to_bits)
    return infer_error(c, "%s has elements of %d bits, and %s has %d", text(c, 0), from_bits, dtype_name(to), to_bits);
  c->out[0] = type_vector(c->module->types, to, bits / to_bits);
  return true;
}
