/* spirv_ops.c -- the table of kernel ops in SPIR-V: a row an op, nearly one op to one instruction.
 *
 * Floats are computed in f32 alone and without contraction, so that results agree with the interpreter as far as the
 * device rounds correctly: Vulkan promises that of add, sub and mul; div has 2.5 units in the last place, and fma may
 * round its product. Where SPIR-V leaves a case undefined that ops.def defines (division by 0, shifts too far, NaN in
 * min and max), selects make up for it; they are left out where a constant operand shows that the case cannot occur. */
#include <inttypes.h>

#include "codegen/spirv_builder.h"

#define IN(i) spirv_operand(e, n, (i))

static Type type_in(const Node *n, int i) { return n->in[i].value->type; }
static Type type_out(const Node *n) { return n->out[0]->type; }
static int64_t lanes_of(const Node *n) { return n->out[0]->type->lanes; }
static SpirvClass class_in(const Node *n, int i) { return spirv_class(type_in(n, i)->dtype); }

static Id select(SpirvEmitter *e, Type t, Id condition, Id yes, Id no) {
  return spirv_op3(e, SPIRV_Select, spirv_type(e, t), condition, yes, no);
}

static Id glsl1(SpirvEmitter *e, SpirvGlsl op, Id type, Id x) { return spirv_glsl(e->w, op, type, spirv_words(x)); }

/* An integer op's result back in its type's range. */
static Id wrapped(SpirvEmitter *e, const Node *n, Id v) {
  return class_in(n, 0) == SPIRV_FLOAT ? v : spirv_wrap(e, v, type_out(n)->dtype, lanes_of(n));
}

/* ---- ops that are one instruction for each class of operand ---- */

typedef struct Instruction {
  SpirvOp f, s, u, b; /* on floats, signed and unsigned integers, bools; 0: none */
} Instruction;

// clang-format off
static const Instruction instructions[OP_count] = {
  [OP_add]   = {SPIRV_FAdd,    SPIRV_IAdd,    SPIRV_IAdd,    0},
  [OP_sub]   = {SPIRV_FSub,    SPIRV_ISub,    SPIRV_ISub,    0},
  [OP_mul]   = {SPIRV_FMul,    SPIRV_IMul,    SPIRV_IMul,    0},
  [OP_neg]   = {SPIRV_FNegate, SPIRV_SNegate, SPIRV_SNegate, 0},
  [OP_isnan] = {SPIRV_IsNan,   0,             0,             0},
  [OP_and]   = {0, SPIRV_BitwiseAnd, SPIRV_BitwiseAnd, SPIRV_LogicalAnd},
  [OP_or]    = {0, SPIRV_BitwiseOr,  SPIRV_BitwiseOr,  SPIRV_LogicalOr},
  [OP_xor]   = {0, SPIRV_BitwiseXor, SPIRV_BitwiseXor, SPIRV_LogicalNotEqual},
  [OP_not]   = {0, SPIRV_Not,        SPIRV_Not,        SPIRV_LogicalNot},
  [OP_eq]    = {SPIRV_FOrdEqual,         SPIRV_IEqual,         SPIRV_IEqual,         SPIRV_LogicalEqual},
  [OP_lt]    = {SPIRV_FOrdLessThan,      SPIRV_SLessThan,      SPIRV_ULessThan,      0},
  [OP_le]    = {SPIRV_FOrdLessThanEqual, SPIRV_SLessThanEqual, SPIRV_ULessThanEqual, 0},
};
// clang-format on

static SpirvOp instruction(Op op, SpirvClass c) {
  const Instruction *i = &instructions[op];
  return c == SPIRV_FLOAT ? i->f : c == SPIRV_SIGNED ? i->s : c == SPIRV_UNSIGNED ? i->u : c == SPIRV_BOOL ? i->b : 0;
}

static const char *why_not(const SpirvEmitter *e, Dtype t) {
  if (spirv_class(t) != SPIRV_BITS) return arena_printf(e->arena, "no instruction does this to %s", dtype_name(t));
  return arena_printf(e->arena, "the target computes nothing in %s: cast to f32", dtype_name(t));
}

static const char *needs_instruction(const SpirvEmitter *e, const Node *n) {
  return instruction(n->op, class_in(n, 0)) ? NULL : why_not(e, type_in(n, 0)->dtype);
}

/* Nothing but the rounding of these may be left out. */
static bool is_rounded(SpirvOp op) { return op == SPIRV_FAdd || op == SPIRV_FSub || op == SPIRV_FMul; }

static Id emit_instruction(SpirvEmitter *e, const Node *n) {
  SpirvOp op = instruction(n->op, class_in(n, 0));
  Id type = spirv_type(e, type_out(n));
  Id v = n->n_in == 1 ? spirv_op1(e, op, type, IN(0)) : spirv_op2(e, op, type, IN(0), IN(1));
  if (is_rounded(op)) return spirv_exact(e, v);
  return type_out(n)->dtype == DT_bool ? v : wrapped(e, n, v);
}

/* ---- numbers ---- */

static const char *numbers_only(const SpirvEmitter *e, const Node *n) {
  SpirvClass c = class_in(n, 0);
  return c == SPIRV_FLOAT || c == SPIRV_SIGNED || c == SPIRV_UNSIGNED ? NULL : why_not(e, type_in(n, 0)->dtype);
}

static const char *floats_only(const SpirvEmitter *e, const Node *n) {
  return class_in(n, 0) == SPIRV_FLOAT ? NULL : why_not(e, type_in(n, 0)->dtype);
}

static const char *integers_only(const SpirvEmitter *e, const Node *n) {
  SpirvClass c = class_in(n, 0);
  return c == SPIRV_SIGNED || c == SPIRV_UNSIGNED ? NULL : why_not(e, type_in(n, 0)->dtype);
}

static Id float1(SpirvEmitter *e, const Node *n, SpirvGlsl op) {
  return glsl1(e, op, spirv_type(e, type_out(n)), IN(0));
}
static Id emit_floor(SpirvEmitter *e, const Node *n) { return float1(e, n, GLSL_Floor); }
static Id emit_ceil(SpirvEmitter *e, const Node *n) { return float1(e, n, GLSL_Ceil); }
static Id emit_round(SpirvEmitter *e, const Node *n) { return float1(e, n, GLSL_RoundEven); }
static Id emit_sqrt(SpirvEmitter *e, const Node *n) { return float1(e, n, GLSL_Sqrt); }

static Id emit_abs(SpirvEmitter *e, const Node *n) {
  if (class_in(n, 0) == SPIRV_UNSIGNED) return IN(0);
  bool is_float = class_in(n, 0) == SPIRV_FLOAT;
  return wrapped(e, n, glsl1(e, is_float ? GLSL_FAbs : GLSL_SAbs, spirv_type(e, type_out(n)), IN(0)));
}

static Id is_nan(SpirvEmitter *e, Id x, int64_t lanes) { return spirv_op1(e, SPIRV_IsNan, spirv_bools(e, lanes), x); }

static Id emit_sign(SpirvEmitter *e, const Node *n) {
  Type t = type_out(n);
  Id type = spirv_type(e, t), x = IN(0);
  if (class_in(n, 0) == SPIRV_SIGNED) return glsl1(e, GLSL_SSign, type, x);
  if (class_in(n, 0) == SPIRV_UNSIGNED)
    return spirv_glsl(e->w, GLSL_UMin, type, spirv_words(x, spirv_number(e, 1, t->lanes)));
  return select(e, t, is_nan(e, x, t->lanes), x, glsl1(e, GLSL_FSign, type, x));
}

/* A comparison with NaN is false and chooses y: right where y is the NaN, to be mended where x is. */
static Id float_extreme(SpirvEmitter *e, Type t, bool larger, Id x, Id y) {
  Id less = spirv_op2(e, SPIRV_FOrdLessThan, spirv_bools(e, t->lanes), larger ? y : x, larger ? x : y);
  return select(e, t, is_nan(e, x, t->lanes), x, select(e, t, less, x, y));
}

static Id extreme(SpirvEmitter *e, Type t, bool larger, Id x, Id y) {
  SpirvClass c = spirv_class(t->dtype);
  if (c == SPIRV_FLOAT) return float_extreme(e, t, larger, x, y);
  SpirvGlsl op = c == SPIRV_SIGNED ? (larger ? GLSL_SMax : GLSL_SMin) : (larger ? GLSL_UMax : GLSL_UMin);
  return spirv_glsl(e->w, op, spirv_type(e, t), spirv_words(x, y));
}

static Id emit_extreme(SpirvEmitter *e, const Node *n) {
  return extreme(e, type_out(n), n->op == OP_max, IN(0), IN(1));
}

static Id emit_fma(SpirvEmitter *e, const Node *n) {
  Id type = spirv_type(e, type_out(n));
  if (class_in(n, 0) == SPIRV_FLOAT)
    return spirv_exact(e, spirv_glsl(e->w, GLSL_Fma, type, spirv_words(IN(0), IN(1), IN(2))));
  return wrapped(e, n, spirv_op2(e, SPIRV_IAdd, type, spirv_op2(e, SPIRV_IMul, type, IN(0), IN(1)), IN(2)));
}

/* ---- division and shifts ---- */

/* Every lane is a constant in [low, high]. */
static bool is_within(const Value *v, int64_t low, int64_t high) {
  if (!v->def || v->def->op != OP_imm) return false;
  const Constant *c = node_attr(v->def, attr_slot(imm, value))->constant;
  int64_t n = c->kind == CONSTANT_SPLAT || c->type->rank == 0 ? 1 : v->type->lanes;
  for (int64_t i = 0; i < n; i++) {
    int64_t at = dtype_get_i(v->type->dtype, c->bytes, i);
    if (at < low || at > high) return false;
  }
  return true;
}

/* Is the divisor 0 or, signed, -1, by which the least number has no quotient? */
static Id is_odd_divisor(SpirvEmitter *e, SpirvClass c, Id y, int64_t lanes) {
  Id type = spirv_uints(e, lanes), bools = spirv_bools(e, lanes);
  if (c == SPIRV_UNSIGNED) return spirv_op2(e, SPIRV_IEqual, bools, y, spirv_number(e, 0, lanes));
  Id next = spirv_op2(e, SPIRV_IAdd, type, y, spirv_number(e, 1, lanes));
  return spirv_op2(e, SPIRV_ULessThan, bools, next, spirv_number(e, 2, lanes));
}

/* Divisors 0 and -1 replaced by 1, and where they were. */
typedef struct Divisor {
  Id odd, safe; /* odd 0: nowhere */
} Divisor;

static Divisor divisor(SpirvEmitter *e, const Node *n) {
  Type t = type_out(n);
  Id y = IN(1);
  if (is_within(n->in[1].value, 1, INT64_MAX)) return (Divisor){0, y};
  Id odd = is_odd_divisor(e, class_in(n, 0), y, t->lanes);
  return (Divisor){odd, select(e, t, odd, spirv_number(e, 1, t->lanes), y)};
}

/* By 0 the quotient is 0, and by -1 it is -x: both are x*y. */
static Id emit_div(SpirvEmitter *e, const Node *n) {
  SpirvClass c = class_in(n, 0);
  Id type = spirv_type(e, type_out(n)), x = IN(0), y = IN(1);
  if (c == SPIRV_FLOAT) return spirv_op2(e, SPIRV_FDiv, type, x, y);
  Divisor d = divisor(e, n);
  Id quotient = spirv_op2(e, c == SPIRV_SIGNED ? SPIRV_SDiv : SPIRV_UDiv, type, x, d.safe);
  if (!d.odd) return quotient;
  return wrapped(e, n, select(e, type_out(n), d.odd, spirv_op2(e, SPIRV_IMul, type, x, y), quotient));
}

/* By the 1 that stands for 0 and -1 the remainder is 0, as it should be. SMod would give the divisor's sign, but Mesa's
 * llvmpipe (22.3) takes it for SRem. */
static Id emit_mod(SpirvEmitter *e, const Node *n) {
  Type t = type_out(n);
  Id type = spirv_type(e, t), x = IN(0), y = divisor(e, n).safe;
  if (class_in(n, 0) == SPIRV_UNSIGNED) return spirv_op2(e, SPIRV_UMod, type, x, y);
  Id r = spirv_op2(e, SPIRV_SRem, type, x, y);
  if (node_bool(n, mod, trunc)) return r;
  Id bools = spirv_bools(e, t->lanes), zero = spirv_number(e, 0, t->lanes);
  Id differ = spirv_op2(e, SPIRV_SLessThan, bools, spirv_op2(e, SPIRV_BitwiseXor, type, r, y), zero);
  Id inexact = spirv_op2(e, SPIRV_INotEqual, bools, r, zero);
  Id shift = spirv_op2(e, SPIRV_LogicalAnd, bools, differ, inexact);
  return select(e, t, shift, spirv_op2(e, SPIRV_IAdd, type, r, y), r);
}

/* Registers have 32 bits, so a shift of a narrower type is too far only from there on. */
static bool is_near(const Node *n) { return is_within(n->in[1].value, 0, 31); }

static Id emit_shl(SpirvEmitter *e, const Node *n) {
  Type t = type_out(n);
  Id x = IN(0), by = IN(1), v = spirv_op2(e, SPIRV_ShiftLeftLogical, spirv_type(e, t), x, by);
  if (is_near(n)) return wrapped(e, n, v);
  Id near = spirv_op2(e, SPIRV_ULessThan, spirv_bools(e, t->lanes), by, spirv_number(e, 32, t->lanes));
  return wrapped(e, n, select(e, t, near, v, spirv_number(e, 0, t->lanes)));
}

static Id emit_shr(SpirvEmitter *e, const Node *n) {
  Type t = type_out(n);
  Id type = spirv_type(e, t), x = IN(0), by = IN(1), most = spirv_number(e, 31, t->lanes);
  if (class_in(n, 0) == SPIRV_SIGNED) {
    if (!is_near(n)) by = spirv_glsl(e->w, GLSL_UMin, type, spirv_words(by, most));
    return spirv_op2(e, SPIRV_ShiftRightArithmetic, type, x, by);
  }
  Id v = spirv_op2(e, SPIRV_ShiftRightLogical, type, x, by);
  if (is_near(n)) return v;
  Id near = spirv_op2(e, SPIRV_ULessThanEqual, spirv_bools(e, t->lanes), by, most);
  return select(e, t, near, v, spirv_number(e, 0, t->lanes));
}

/* ---- choosing ---- */

static Id emit_where(SpirvEmitter *e, const Node *n) { return select(e, type_out(n), IN(0), IN(1), IN(2)); }

static Id emit_isinf(SpirvEmitter *e, const Node *n) {
  int64_t lanes = lanes_of(n);
  Id bools = spirv_bools(e, lanes), x = IN(0), v = spirv_op1(e, SPIRV_IsInf, bools, x);
  bool positive = node_bool(n, isinf, positive), negative = node_bool(n, isinf, negative);
  if (positive && negative) return v;
  Id zero = spirv_real(e, 0, lanes);
  Id below = spirv_op2(e, SPIRV_FOrdLessThan, bools, x, zero), above = spirv_op2(e, SPIRV_FOrdLessThan, bools, zero, x);
  Id sign = positive ? above : negative ? below : spirv_op2(e, SPIRV_LogicalAnd, bools, below, above);
  return spirv_op2(e, SPIRV_LogicalAnd, bools, v, sign);
}

/* ---- conversions ---- */

enum { F32_INFINITY = 0x7f800000, F16_INFINITY = 0x7c00, F16_NAN = 0x7e00, BF16_QUIET = 0x40 };

static Id f16_to_f32(SpirvEmitter *e, Id x, Type t) {
  Id lane[SPIRV_LANES];
  for (int64_t i = 0; i < t->lanes; i++) {
    Id both = glsl1(e, GLSL_UnpackHalf2x16, spirv_floats(e, 2), spirv_slice(e, x, t, i, 1));
    lane[i] = spirv_value(e->w, SPIRV_CompositeExtract, spirv_floats(e, 1), spirv_words(both, 0));
  }
  return spirv_join(e, spirv_floats(e, t->lanes), (int)t->lanes, lane);
}

static Id bf16_to_f32(SpirvEmitter *e, Id x, int64_t lanes) {
  Id high = spirv_op2(e, SPIRV_ShiftLeftLogical, spirv_uints(e, lanes), x, spirv_number(e, 16, lanes));
  return spirv_op1(e, SPIRV_Bitcast, spirv_floats(e, lanes), high);
}

static Id half_to_f32(SpirvEmitter *e, Id x, Type t) {
  return t->dtype == DT_f16 ? f16_to_f32(e, x, t) : bf16_to_f32(e, x, t->lanes);
}

/* What the conversions to halves are made of: on unsigned vectors of so many lanes. */
typedef struct Bits {
  SpirvEmitter *e;
  int64_t lanes;
} Bits;

static Id op(Bits b, SpirvOp o, Id x, Id y) { return spirv_op2(b.e, o, spirv_uints(b.e, b.lanes), x, y); }
static Id number(Bits b, uint32_t v) { return spirv_number(b.e, v, b.lanes); }
static Id shr(Bits b, Id x, uint32_t by) { return op(b, SPIRV_ShiftRightLogical, x, number(b, by)); }
static Id below(Bits b, Id x, uint32_t y) {
  return spirv_op2(b.e, SPIRV_ULessThan, spirv_bools(b.e, b.lanes), x, number(b, y));
}
static Id choose(Bits b, Id c, Id x, Id y) { return spirv_op3(b.e, SPIRV_Select, spirv_uints(b.e, b.lanes), c, x, y); }

/* x without its low `drop` bits, to nearest even: by adding a little less than half of what is dropped. */
static Id round_off(Bits b, Id x, uint32_t drop) {
  Id odd = op(b, SPIRV_BitwiseAnd, shr(b, x, drop), number(b, 1));
  Id sum = op(b, SPIRV_IAdd, op(b, SPIRV_IAdd, x, odd), number(b, (1u << (drop - 1)) - 1));
  return shr(b, sum, drop);
}

/* A NaN, which rounding could carry into infinity, keeps its upper bits and becomes quiet. */
static Id f32_to_bf16(Bits b, Id bits) {
  Id quiet = op(b, SPIRV_BitwiseOr, shr(b, bits, 16), number(b, BF16_QUIET));
  Id magnitude = op(b, SPIRV_BitwiseAnd, bits, number(b, 0x7fffffff));
  return choose(b, below(b, magnitude, F32_INFINITY + 1), round_off(b, bits, 16), quiet);
}

/* PackHalf2x16 may round as the device likes, so this is done by hand. Below 2^-14 halves are denormal: added to 0.5, a
 * number's last place is theirs, and the addition rounds. */
static Id f32_to_f16(Bits b, Id bits) {
  enum { SMALLEST_NORMAL = 0x38800000, TOO_LARGE = 0x47800000, HALF = 0x3f000000, REBIAS = (127 - 15) << 23 };
  Id floats = spirv_floats(b.e, b.lanes);
  Id sign = op(b, SPIRV_BitwiseAnd, shr(b, bits, 16), number(b, 0x8000));
  Id x = op(b, SPIRV_BitwiseAnd, bits, number(b, 0x7fffffff));
  Id normal = round_off(b, op(b, SPIRV_ISub, x, number(b, REBIAS)), 13);
  Id sum = spirv_op2(b.e, SPIRV_FAdd, floats, spirv_op1(b.e, SPIRV_Bitcast, floats, x), spirv_real(b.e, HALF, b.lanes));
  Id sum_bits = spirv_op1(b.e, SPIRV_Bitcast, spirv_uints(b.e, b.lanes), spirv_exact(b.e, sum));
  Id small = op(b, SPIRV_ISub, sum_bits, number(b, HALF));
  Id large = choose(b, below(b, x, F32_INFINITY + 1), number(b, F16_INFINITY), number(b, F16_NAN));
  Id finite = choose(b, below(b, x, SMALLEST_NORMAL), small, normal);
  return op(b, SPIRV_BitwiseOr, sign, choose(b, below(b, x, TOO_LARGE), finite, large));
}

static Id f32_to_half(SpirvEmitter *e, Id x, Dtype to, int64_t lanes) {
  Bits b = {e, lanes};
  Id bits = spirv_op1(e, SPIRV_Bitcast, spirv_uints(e, lanes), x);
  return to == DT_f16 ? f32_to_f16(b, bits) : f32_to_bf16(b, bits);
}

/* Narrow integers wrap, as a conversion to a wide one followed by cutting off does. */
static Id f32_to_int(SpirvEmitter *e, Id x, Dtype to, int64_t lanes) {
  Id uints = spirv_uints(e, lanes), bools = spirv_bools(e, lanes), zero = spirv_real(e, 0, lanes);
  if (to == DT_bool) return spirv_op2(e, SPIRV_FUnordNotEqual, bools, x, zero);
  Id v = spirv_op1(e, SPIRV_ConvertFToS, uints, x);
  if (to != DT_u32) return spirv_wrap(e, v, to, lanes);
  Id negative = spirv_op2(e, SPIRV_FOrdLessThan, bools, x, zero);
  return spirv_op3(e, SPIRV_Select, uints, negative, v, spirv_op1(e, SPIRV_ConvertFToU, uints, x));
}

static Id int_to_int(SpirvEmitter *e, Id x, Type from, Dtype to) {
  int64_t lanes = from->lanes;
  if (to == DT_bool) return spirv_op2(e, SPIRV_INotEqual, spirv_bools(e, lanes), x, spirv_number(e, 0, lanes));
  return spirv_wrap(e, x, to, lanes);
}

static Id bool_to(SpirvEmitter *e, Id x, Type to) {
  enum { F32_ONE = 0x3f800000 };
  bool is_float = spirv_class(to->dtype) == SPIRV_FLOAT;
  Id one = is_float ? spirv_real(e, F32_ONE, to->lanes) : spirv_number(e, 1, to->lanes);
  Id zero = is_float ? spirv_real(e, 0, to->lanes) : spirv_number(e, 0, to->lanes);
  return select(e, to, x, one, zero);
}

static bool is_half(Dtype t) { return t == DT_f16 || t == DT_bf16; }

/* A number as f32. */
static Id to_f32(SpirvEmitter *e, Id x, Type from) {
  Type f32 = &(TypeInfo){.kind = TYPE_VECTOR, .dtype = DT_f32, .lanes = from->lanes};
  switch (spirv_class(from->dtype)) {
  case SPIRV_FLOAT: return x;
  case SPIRV_BOOL: return bool_to(e, x, f32);
  case SPIRV_SIGNED: return spirv_op1(e, SPIRV_ConvertSToF, spirv_floats(e, from->lanes), x);
  case SPIRV_UNSIGNED: return spirv_op1(e, SPIRV_ConvertUToF, spirv_floats(e, from->lanes), x);
  default: return half_to_f32(e, x, from);
  }
}

static Id emit_cast(SpirvEmitter *e, const Node *n) {
  Type from = type_in(n, 0), to = type_out(n);
  Id x = IN(0);
  if (from == to) return x;
  if (dtype_is_float(to->dtype)) {
    Id v = to_f32(e, x, from);
    return is_half(to->dtype) ? f32_to_half(e, v, to->dtype, to->lanes) : v;
  }
  if (dtype_is_float(from->dtype)) return f32_to_int(e, to_f32(e, x, from), to->dtype, to->lanes);
  return from->dtype == DT_bool ? bool_to(e, x, to) : int_to_int(e, x, from, to->dtype);
}

static const char *refuse_cast(const SpirvEmitter *e, const Node *n) {
  Dtype t[2] = {type_in(n, 0)->dtype, type_out(n)->dtype};
  for (int i = 0; i < 2; i++)
    if (spirv_class(t[i]) == SPIRV_BITS && !is_half(t[i]))
      return arena_printf(e->arena, "the target has no conversion of %s", dtype_name(t[i]));
  return NULL;
}

static Id emit_bitcast(SpirvEmitter *e, const Node *n) {
  Type from = type_in(n, 0), to = type_out(n);
  Id x = IN(0), word[SPIRV_LANES];
  if (from->lanes != to->lanes) {
    spirv_to_words(e, x, from, word);
    return spirv_from_words(e, word, to);
  }
  if (spirv_class(from->dtype) == spirv_class(to->dtype)) return x;
  if (spirv_class(from->dtype) == SPIRV_FLOAT || spirv_class(to->dtype) == SPIRV_FLOAT)
    return spirv_op1(e, SPIRV_Bitcast, spirv_type(e, to), x);
  return spirv_wrap(e, x, to->dtype, to->lanes);
}

static const char *no_bools(const SpirvEmitter *e, const Node *n) {
  (void)e;
  bool has = type_in(n, 0)->dtype == DT_bool || type_out(n)->dtype == DT_bool;
  return has ? "the bits of a bool are nothing to rely on" : NULL;
}

/* ---- vectors ---- */

/* An element's constant. Integers are kept in their type's range. */
static Id constant(SpirvEmitter *e, Dtype t, const void *bytes, int64_t i) {
  if (t == DT_bool) return spirv_constant_bool(e->w, dtype_get_bits(t, bytes, i) != 0);
  if (dtype_is_float(t)) return spirv_constant(e->w, spirv_register(e, t, 1), (uint32_t)dtype_get_bits(t, bytes, i));
  return spirv_uint(e->w, (uint32_t)dtype_get_i(t, bytes, i));
}

static Id emit_imm(SpirvEmitter *e, const Node *n) {
  const Constant *c = node_attr(n, attr_slot(imm, value))->constant;
  Type t = type_out(n);
  bool splat = c->kind == CONSTANT_SPLAT || c->type->rank == 0;
  Id lane[SPIRV_LANES];
  for (int64_t i = 0; i < t->lanes; i++) lane[i] = constant(e, t->dtype, c->bytes, splat ? 0 : i);
  return t->lanes == 1 ? lane[0] : spirv_constant_vector(e->w, spirv_type(e, t), (int)t->lanes, lane);
}

/* An index that 32 bits cannot hold. */
static const char *refuse_imm(const SpirvEmitter *e, const Node *n) {
  const Constant *c = node_attr(n, attr_slot(imm, value))->constant;
  if (type_out(n)->dtype != DT_index || is_within(n->out[0], INT32_MIN, INT32_MAX)) return NULL;
  return arena_printf(e->arena, "%" PRId64 ": an index has 32 bits here", dtype_get_i(DT_index, c->bytes, 0));
}

static Id emit_splat(SpirvEmitter *e, const Node *n) {
  Id lane[SPIRV_LANES];
  for (int64_t i = 0; i < lanes_of(n); i++) lane[i] = IN(0);
  return spirv_join(e, spirv_type(e, type_out(n)), (int)lanes_of(n), lane);
}

static Id emit_extract(SpirvEmitter *e, const Node *n) {
  return spirv_slice(e, IN(0), type_in(n, 0), node_int(n, extract, lane), lanes_of(n));
}

static Id emit_pack(SpirvEmitter *e, const Node *n) {
  Id part[SPIRV_LANES];
  for (int i = 0; i < n->n_in; i++) part[i] = IN(i);
  return spirv_join(e, spirv_type(e, type_out(n)), n->n_in, part);
}

static Id emit_shuffle(SpirvEmitter *e, const Node *n) {
  const int64_t *from = node_ints(n, shuffle, lanes).at;
  int64_t first = type_in(n, 0)->lanes;
  Id lane[SPIRV_LANES];
  for (int64_t i = 0; i < lanes_of(n); i++) {
    int operand = from[i] >= first;
    lane[i] = spirv_slice(e, IN(operand), type_in(n, operand), from[i] - (operand ? first : 0), 1);
  }
  return spirv_join(e, spirv_type(e, type_out(n)), (int)lanes_of(n), lane);
}

static Id emit_lanes(SpirvEmitter *e, const Node *n) {
  TypeInfo t = *type_in(n, 0);
  bool is_float = class_in(n, 0) == SPIRV_FLOAT;
  Id v = IN(0);
  while (t.lanes > 1) {
    TypeInfo half = {.kind = TYPE_VECTOR, .dtype = t.dtype, .lanes = t.lanes / 2};
    Id x = spirv_slice(e, v, &t, 0, half.lanes), y = spirv_slice(e, v, &t, half.lanes, half.lanes);
    if (n->op != OP_lanes_sum)
      v = extreme(e, &half, n->op == OP_lanes_max, x, y);
    else if (is_float)
      v = spirv_exact(e, spirv_op2(e, SPIRV_FAdd, spirv_type(e, &half), x, y));
    else
      v = spirv_wrap(e, spirv_op2(e, SPIRV_IAdd, spirv_type(e, &half), x, y), half.dtype, half.lanes);
    t = half;
  }
  return v;
}

/* ---- dot products: with vectors of four lanes, one sum of four products, or two of two ---- */

/* The four bytes of an operand in one word: most often they have just come out of one. */
static Id packed_bytes(SpirvEmitter *e, const Value *v) {
  const Node *def = v->def;
  bool from_word = def && def->op == OP_bitcast && def->in[0].value->type->lanes == 1;
  if (from_word && spirv_class(def->in[0].value->type->dtype) != SPIRV_FLOAT) return spirv_operand(e, def, 0);
  Id word[SPIRV_LANES];
  spirv_to_words(e, e->value[v->number], v->type, word);
  return word[0];
}

static Id emit_dot4_by_instruction(SpirvEmitter *e, const Node *n) {
  enum { PACKED_4X8 = 0 };
  spirv_capability(e->w, CAPABILITY_DotProduct);
  spirv_capability(e->w, CAPABILITY_DotProductInput4x8BitPacked);
  spirv_extension(e->w, "SPV_KHR_integer_dot_product");
  Id b = packed_bytes(e, n->in[2].value), a = packed_bytes(e, n->in[1].value);
  Id dot = spirv_op3(e, SPIRV_SUDot, spirv_uints(e, 1), b, a, PACKED_4X8);
  return spirv_op2(e, SPIRV_IAdd, spirv_uints(e, 1), IN(0), dot);
}

static Id emit_dot4(SpirvEmitter *e, const Node *n) {
  if (target_has(e->target, FEATURE_idot)) return emit_dot4_by_instruction(e, n);
  Id sum = IN(0), product = spirv_op2(e, SPIRV_IMul, spirv_uints(e, 4), IN(1), IN(2));
  for (int64_t j = 0; j < 4; j++)
    sum = spirv_op2(e, SPIRV_IAdd, spirv_uints(e, 1), sum, spirv_slice(e, product, type_in(n, 1), j, 1));
  return sum;
}

/* Products of bf16 are exact in f32, so that it is all one whether fma rounds them. */
static Id emit_dot2(SpirvEmitter *e, const Node *n) {
  Type t = type_out(n), pairs = &(TypeInfo){.kind = TYPE_VECTOR, .dtype = DT_f32, .lanes = 2 * t->lanes};
  Id a = bf16_to_f32(e, IN(1), pairs->lanes), b = bf16_to_f32(e, IN(2), pairs->lanes), sum[SPIRV_LANES];
  for (int64_t i = 0; i < t->lanes; i++) {
    sum[i] = spirv_slice(e, IN(0), t, i, 1);
    for (int64_t j = 1; j >= 0; j--) {
      Id x = spirv_slice(e, a, pairs, 2 * i + j, 1), y = spirv_slice(e, b, pairs, 2 * i + j, 1);
      sum[i] = spirv_exact(e, spirv_glsl(e->w, GLSL_Fma, spirv_floats(e, 1), spirv_words(x, y, sum[i])));
    }
  }
  return spirv_join(e, spirv_type(e, t), (int)t->lanes, sum);
}

/* ---- memory ---- */

static const char *refuse_load(const SpirvEmitter *e, const Node *n) {
  Dtype as = node_dtype(n, load, as);
  if (!as || type_in(n, 0)->kind != TYPE_SHARED || as == type_in(n, 0)->dtype) return NULL;
  return arena_printf(e->arena, "workgroup memory of %s is not read as %s here", dtype_name(type_in(n, 0)->dtype),
                      dtype_name(as));
}

/* A hint, which this target has no way to give. */
static Id emit_prefetch(SpirvEmitter *e, const Node *n) {
  (void)e, (void)n;
  return 0;
}

/* Its variable was declared before the code. */
static Id emit_workgroup_memory(SpirvEmitter *e, const Node *n) {
  (void)e, (void)n;
  return 0;
}

/* ---- places and order ---- */

enum { PLACE_GROUP, PLACE_LOCAL, PLACE_GROUPS };

static Id place(SpirvEmitter *e, const Node *n, int which) {
  static const SpirvBuiltIn builtin[] = {BUILTIN_WorkgroupId, BUILTIN_LocalInvocationId, BUILTIN_NumWorkgroups};
  Id *v = &e->place[which], type = spirv_uints(e, 3);
  if (!*v) {
    *v = spirv_variable(e->w, STORAGE_Input, type);
    spirv_decorate(e->w, *v, DECORATION_BuiltIn, spirv_words((uint32_t)builtin[which]));
  }
  Id all = spirv_op1(e, SPIRV_Load, type, *v);
  return spirv_value(e->w, SPIRV_CompositeExtract, spirv_uints(e, 1), spirv_words(all, (uint32_t)node_attr(n, 0)->i));
}

static Id emit_group_id(SpirvEmitter *e, const Node *n) { return place(e, n, PLACE_GROUP); }
static Id emit_local_id(SpirvEmitter *e, const Node *n) { return place(e, n, PLACE_LOCAL); }
static Id emit_groups(SpirvEmitter *e, const Node *n) { return place(e, n, PLACE_GROUPS); }

static Id emit_barrier(SpirvEmitter *e, const Node *n) {
  enum { SCOPE_WORKGROUP = 2, ACQUIRE_RELEASE = 0x8, BUFFERS = 0x40, WORKGROUP_MEMORY = 0x100 };
  (void)n;
  Id scope = spirv_uint(e->w, SCOPE_WORKGROUP), what = spirv_uint(e->w, ACQUIRE_RELEASE | BUFFERS | WORKGROUP_MEMORY);
  spirv_put(e->w, SECTION_CODE, SPIRV_ControlBarrier, spirv_words(scope, scope, what));
  return 0;
}

#undef IN

// clang-format off
static const SpirvRow rows[OP_count] = {
  [OP_add]   = {emit_instruction, needs_instruction}, [OP_sub]   = {emit_instruction, needs_instruction},
  [OP_mul]   = {emit_instruction, needs_instruction}, [OP_neg]   = {emit_instruction, needs_instruction},
  [OP_and]   = {emit_instruction, needs_instruction}, [OP_or]    = {emit_instruction, needs_instruction},
  [OP_xor]   = {emit_instruction, needs_instruction}, [OP_not]   = {emit_instruction, needs_instruction},
  [OP_eq]    = {emit_instruction, needs_instruction}, [OP_lt]    = {emit_instruction, needs_instruction},
  [OP_le]    = {emit_instruction, needs_instruction}, [OP_isnan] = {emit_instruction, needs_instruction},
  [OP_floor] = {emit_floor, floats_only},             [OP_ceil]  = {emit_ceil, floats_only},
  [OP_round] = {emit_round, floats_only},             [OP_sqrt]  = {emit_sqrt, floats_only},
  [OP_abs]   = {emit_abs, numbers_only},              [OP_sign]  = {emit_sign, numbers_only},
  [OP_min]   = {emit_extreme, numbers_only},          [OP_max]   = {emit_extreme, numbers_only},
  [OP_fma]   = {emit_fma, numbers_only},
  [OP_div]   = {emit_div, numbers_only},              [OP_mod]   = {emit_mod, integers_only},
  [OP_shl]   = {emit_shl, integers_only},             [OP_shr]   = {emit_shr, integers_only},
  [OP_where] = {emit_where, NULL},                    [OP_isinf] = {emit_isinf, floats_only},
  [OP_cast]  = {emit_cast, refuse_cast},              [OP_bitcast] = {emit_bitcast, no_bools},
  [OP_imm]   = {emit_imm, refuse_imm},                [OP_splat] = {emit_splat, NULL},
  [OP_extract] = {emit_extract, NULL},                [OP_pack]  = {emit_pack, NULL},
  [OP_shuffle] = {emit_shuffle, NULL},
  [OP_lanes_sum] = {emit_lanes, numbers_only},        [OP_lanes_max] = {emit_lanes, numbers_only},
  [OP_lanes_min] = {emit_lanes, numbers_only},
  [OP_dot4]  = {emit_dot4, NULL},                     [OP_dot2]  = {emit_dot2, NULL},
  [OP_load]  = {spirv_load, refuse_load},             [OP_store] = {spirv_store, NULL},
  [OP_prefetch] = {emit_prefetch, NULL},              [OP_workgroup_memory] = {emit_workgroup_memory, NULL},
  [OP_group_id] = {emit_group_id, NULL},              [OP_local_id] = {emit_local_id, NULL},
  [OP_groups] = {emit_groups, NULL},                  [OP_barrier] = {emit_barrier, NULL},
};
// clang-format on

const SpirvRow *spirv_row(Op op) { return &rows[op]; }
