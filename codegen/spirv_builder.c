/* spirv_builder.c -- types and values of a kernel in SPIR-V's terms. */
#include "codegen/spirv_builder.h"

#include "ir/fatal.h"

/* ---- types ---- */

SpirvClass spirv_class(Dtype t) {
  if (spirv_bits(t) > 32) return SPIRV_WIDE;
  if (t == DT_bool) return SPIRV_BOOL;
  if (t == DT_f32) return SPIRV_FLOAT;
  if (dtype_is_float(t)) return SPIRV_BITS;
  return dtype_is_signed(t) ? SPIRV_SIGNED : SPIRV_UNSIGNED;
}

Id spirv_uints(SpirvEmitter *e, int64_t lanes) {
  return spirv_type_vector(e->w, spirv_type_uint(e->w, 32), (int)lanes);
}

Id spirv_floats(SpirvEmitter *e, int64_t lanes) {
  return spirv_type_vector(e->w, spirv_type_float(e->w, 32), (int)lanes);
}

Id spirv_bools(SpirvEmitter *e, int64_t lanes) { return spirv_type_vector(e->w, spirv_type_bool(e->w), (int)lanes); }

Id spirv_register(SpirvEmitter *e, Dtype t, int64_t lanes) {
  SpirvClass c = spirv_class(t);
  ensure(c != SPIRV_WIDE && lanes <= SPIRV_LANES);
  return c == SPIRV_FLOAT ? spirv_floats(e, lanes) : c == SPIRV_BOOL ? spirv_bools(e, lanes) : spirv_uints(e, lanes);
}

Id spirv_type(SpirvEmitter *e, Type t) { return spirv_register(e, t->dtype, t->lanes); }

/* ---- values ---- */

Id spirv_operand(const SpirvEmitter *e, const Node *n, int i) { return e->value[n->in[i].value->number]; }

static Id everywhere(SpirvEmitter *e, Id scalar_type, uint32_t bits, int64_t lanes) {
  Id part[SPIRV_LANES], scalar = spirv_constant(e->w, scalar_type, bits);
  if (lanes == 1) return scalar;
  for (int64_t i = 0; i < lanes; i++) part[i] = scalar;
  return spirv_constant_vector(e->w, spirv_type_vector(e->w, scalar_type, (int)lanes), (int)lanes, part);
}

Id spirv_number(SpirvEmitter *e, uint32_t v, int64_t lanes) { return everywhere(e, spirv_uints(e, 1), v, lanes); }
Id spirv_real(SpirvEmitter *e, uint32_t bits, int64_t lanes) { return everywhere(e, spirv_floats(e, 1), bits, lanes); }

Id spirv_op1(SpirvEmitter *e, SpirvOp op, Id type, Id x) { return spirv_value(e->w, op, type, spirv_words(x)); }
Id spirv_op2(SpirvEmitter *e, SpirvOp op, Id type, Id x, Id y) {
  return spirv_value(e->w, op, type, spirv_words(x, y));
}

Id spirv_op3(SpirvEmitter *e, SpirvOp op, Id type, Id x, Id y, Id z) {
  return spirv_value(e->w, op, type, spirv_words(x, y, z));
}

Id spirv_exact(SpirvEmitter *e, Id v) {
  spirv_decorate(e->w, v, DECORATION_NoContraction, 0, NULL);
  return v;
}

Id spirv_wrap(SpirvEmitter *e, Id v, Dtype t, int64_t lanes) {
  int bits = spirv_bits(t);
  if (bits == 32) return v;
  Id type = spirv_uints(e, lanes);
  if (spirv_class(t) != SPIRV_SIGNED)
    return spirv_op2(e, SPIRV_BitwiseAnd, type, v, spirv_number(e, (1u << bits) - 1, lanes));
  return spirv_op3(e, SPIRV_BitFieldSExtract, type, v, spirv_uint(e->w, 0), spirv_uint(e->w, (uint32_t)bits));
}

/* ---- vectors ---- */

Id spirv_slice(SpirvEmitter *e, Id v, Type t, int64_t from, int64_t lanes) {
  if (lanes == t->lanes) return v;
  if (lanes == 1)
    return spirv_value(e->w, SPIRV_CompositeExtract, spirv_register(e, t->dtype, 1), spirv_words(v, (uint32_t)from));
  uint32_t word[2 + SPIRV_LANES] = {v, v};
  for (int64_t i = 0; i < lanes; i++) word[2 + i] = (uint32_t)(from + i);
  return spirv_value(e->w, SPIRV_VectorShuffle, spirv_register(e, t->dtype, lanes), 2 + (int)lanes, word);
}

Id spirv_join(SpirvEmitter *e, Id type, int n, const Id *part) {
  return n == 1 ? part[0] : spirv_value(e->w, SPIRV_CompositeConstruct, type, n, part);
}

static Id shift(SpirvEmitter *e, SpirvOp op, Id v, uint32_t by) {
  return by ? spirv_op2(e, op, spirv_uints(e, 1), v, spirv_uint(e->w, by)) : v;
}

/* One element's bits with nothing above them. */
static Id lane_bits(SpirvEmitter *e, Id lane, Dtype t) {
  Id uint = spirv_uints(e, 1);
  switch (spirv_class(t)) {
  case SPIRV_FLOAT: return spirv_op1(e, SPIRV_Bitcast, uint, lane);
  case SPIRV_BOOL: return spirv_op3(e, SPIRV_Select, uint, lane, spirv_uint(e->w, 1), spirv_uint(e->w, 0));
  case SPIRV_SIGNED:
    if (spirv_bits(t) == 32) return lane;
    return spirv_op2(e, SPIRV_BitwiseAnd, uint, lane, spirv_uint(e->w, (1u << spirv_bits(t)) - 1));
  default: return lane;
  }
}

int spirv_to_words(SpirvEmitter *e, Id v, Type t, Id word[SPIRV_LANES]) {
  int bits = spirv_bits(t->dtype), n = (int)(t->lanes * bits + 31) / 32;
  for (int i = 0; i < n; i++) word[i] = 0;
  for (int64_t i = 0; i < t->lanes; i++) {
    Id *to = &word[i * bits / 32];
    Id lane = lane_bits(e, spirv_slice(e, v, t, i, 1), t->dtype);
    lane = shift(e, SPIRV_ShiftLeftLogical, lane, (uint32_t)(i * bits % 32));
    *to = *to ? spirv_op2(e, SPIRV_BitwiseOr, spirv_uints(e, 1), *to, lane) : lane;
  }
  return n;
}

/* The element of type t that begins at bit `at` of a word; `last`: nothing stands above it. */
static Id lane_at(SpirvEmitter *e, Id word, Dtype t, int at, bool last) {
  Id uint = spirv_uints(e, 1);
  int bits = spirv_bits(t);
  if (spirv_class(t) == SPIRV_FLOAT) return spirv_op1(e, SPIRV_Bitcast, spirv_floats(e, 1), word);
  bool is_signed = spirv_class(t) == SPIRV_SIGNED;
  Id v;
  if (bits == 32)
    v = word;
  else if (last && !is_signed)
    v = shift(e, SPIRV_ShiftRightLogical, word, (uint32_t)at);
  else
    v = spirv_op3(e, is_signed ? SPIRV_BitFieldSExtract : SPIRV_BitFieldUExtract, uint, word,
                  spirv_uint(e->w, (uint32_t)at), spirv_uint(e->w, (uint32_t)bits));
  return t == DT_bool ? spirv_op2(e, SPIRV_INotEqual, spirv_bools(e, 1), v, spirv_uint(e->w, 0)) : v;
}

Id spirv_from_words(SpirvEmitter *e, const Id *word, Type t) {
  int bits = spirv_bits(t->dtype);
  Id lane[SPIRV_LANES];
  for (int64_t i = 0; i < t->lanes; i++) {
    bool last = i + 1 == t->lanes || (i + 1) * bits % 32 == 0;
    lane[i] = lane_at(e, word[i * bits / 32], t->dtype, (int)(i * bits % 32), last);
  }
  return spirv_join(e, spirv_type(e, t), (int)t->lanes, lane);
}
