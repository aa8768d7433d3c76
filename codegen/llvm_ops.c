/* llvm_ops.c -- the table of ops for CPUs: a row says how LLVM spells the op, and when the target cannot do it. */
#include "codegen/llvm_builder.h"
#include "ir/fatal.h"

#define IN(i) llvm_operand(e, n, i)

static Dtype type_in(const Node *n, int i) { return n->in[i].value->type->dtype; }
static Dtype type_out(const Node *n) { return n->out[0]->type->dtype; }
static bool is_float(const Node *n) { return dtype_is_float(type_in(n, 0)); }
static bool is_half(Dtype t) { return dtype_is_float(t) && dtype_bits(t) < 32; }
static LLVMTypeRef type_of(LLVMValueRef v) { return LLVMTypeOf(v); }
static LLVMTypeRef out_type(const Emitter *e, const Node *n) { return llvm_type(e, n->out[0]->type); }

/* The type's lanes with another element. */
static LLVMTypeRef like(LLVMValueRef v, LLVMTypeRef element) { return llvm_vector_of(element, llvm_lanes(v)); }
static LLVMTypeRef i32_like(Emitter *e, LLVMValueRef v) { return like(v, LLVMInt32TypeInContext(e->context)); }
static LLVMTypeRef f32_like(Emitter *e, LLVMValueRef v) { return like(v, LLVMFloatTypeInContext(e->context)); }

static LLVMValueRef choose(Emitter *e, LLVMValueRef c, LLVMValueRef yes, LLVMValueRef no) {
  return LLVMBuildSelect(e->b, c, yes, no, "");
}
static LLVMValueRef call1(Emitter *e, const char *name, LLVMValueRef x) {
  return llvm_intrinsic(e, name, type_of(x), 1, &x);
}
static LLVMValueRef call2(Emitter *e, const char *name, LLVMValueRef x, LLVMValueRef y) {
  return llvm_intrinsic(e, name, type_of(x), 2, (LLVMValueRef[]){x, y});
}
static LLVMValueRef compare(Emitter *e, LLVMIntPredicate p, LLVMValueRef x, LLVMValueRef y) {
  return LLVMBuildICmp(e->b, p, x, y, "");
}

/* ---- what CPUs cannot do ---- */

/* bf16 and f16 are only carried: computed with in f32. */
static const char *no_halves(const Emitter *e, const Node *n) {
  (void)e;
  for (int i = 0; i < n->n_in; i++)
    if (is_half(type_in(n, i))) return "computes in 16-bit floats: cast to f32 first";
  return NULL;
}

static const char *needs_fma(const Emitter *e, const Node *n) {
  if (!is_float(n)) return NULL;
  return target_has(e->target, FEATURE_fma) ? no_halves(e, n) : "the target has no fused multiply-add";
}

static const char *integers_only(const Emitter *e, const Node *n) {
  (void)e;
  return is_float(n) ? "the remainder of floats is not an instruction" : NULL;
}

static const char *f16_by_f32(const Emitter *e, const Node *n) {
  (void)e;
  Dtype from = type_in(n, 0), to = type_out(n);
  if (from == to || (from != DT_f16 && to != DT_f16)) return NULL;
  return from == DT_f32 || to == DT_f32 ? NULL : "f16 converts from and to f32 only";
}

static const char *whole_bytes(const Emitter *e, const Node *n) {
  (void)e;
  Type to = n->out[0]->type, from = n->in[0].value->type;
  return to->dtype == DT_bool || from->dtype == DT_bool ? "the bits of a bool are nothing to rely on" : NULL;
}

/* ---- floats and integers alike ---- */

#define BY_TYPE(name, on_float, on_int)                                                                                \
  static LLVMValueRef name(Emitter *e, const Node *n) {                                                                \
    return is_float(n) ? on_float(e->b, IN(0), IN(1), "") : on_int(e->b, IN(0), IN(1), "");                            \
  }
BY_TYPE(emit_add, LLVMBuildFAdd, LLVMBuildAdd)
BY_TYPE(emit_sub, LLVMBuildFSub, LLVMBuildSub)
BY_TYPE(emit_mul, LLVMBuildFMul, LLVMBuildMul)
#undef BY_TYPE

static LLVMValueRef emit_neg(Emitter *e, const Node *n) {
  return is_float(n) ? LLVMBuildFNeg(e->b, IN(0), "") : LLVMBuildNeg(e->b, IN(0), "");
}

static LLVMValueRef emit_abs(Emitter *e, const Node *n) {
  if (is_float(n)) return call1(e, "llvm.fabs", IN(0));
  if (!dtype_is_signed(type_in(n, 0))) return IN(0);
  LLVMValueRef wraps = LLVMConstInt(LLVMInt1TypeInContext(e->context), 0, false);
  return llvm_intrinsic(e, "llvm.abs", type_of(IN(0)), 2, (LLVMValueRef[]){IN(0), wraps});
}

/* By comparing: of equal numbers, zeros of two signs, the signs are joined; what does not compare gives a NaN. LLVM 19 fails on
 * ARM's f64 otherwise. */
static LLVMValueRef extreme_by_comparing(Emitter *e, bool larger, LLVMValueRef x, LLVMValueRef y) {
  LLVMTypeRef t = type_of(x), bits = like(x, LLVMInt64TypeInContext(e->context));
  LLVMValueRef a = LLVMBuildBitCast(e->b, x, bits, ""), b = LLVMBuildBitCast(e->b, y, bits, "");
  LLVMValueRef joined = larger ? LLVMBuildAnd(e->b, a, b, "") : LLVMBuildOr(e->b, a, b, "");
  LLVMValueRef same = choose(e, LLVMBuildFCmp(e->b, LLVMRealOEQ, x, y, ""), LLVMBuildBitCast(e->b, joined, t, ""),
                             LLVMBuildFAdd(e->b, x, y, ""));
  LLVMValueRef other = choose(e, LLVMBuildFCmp(e->b, larger ? LLVMRealOLT : LLVMRealOGT, x, y, ""), y, same);
  return choose(e, LLVMBuildFCmp(e->b, larger ? LLVMRealOGT : LLVMRealOLT, x, y, ""), x, other);
}

/* Neither is a plain minimum where an operand is NaN: LLVM's `minimum` gives that. */
static LLVMValueRef extreme(Emitter *e, Dtype t, bool larger, LLVMValueRef x, LLVMValueRef y) {
  if (t == DT_f64 && !target_has(e->target, FEATURE_extremes)) return extreme_by_comparing(e, larger, x, y);
  if (dtype_is_float(t)) return call2(e, larger ? "llvm.maximum" : "llvm.minimum", x, y);
  bool is_signed = dtype_is_signed(t);
  return call2(e, larger ? (is_signed ? "llvm.smax" : "llvm.umax") : (is_signed ? "llvm.smin" : "llvm.umin"), x, y);
}

static LLVMValueRef emit_min(Emitter *e, const Node *n) { return extreme(e, type_in(n, 0), false, IN(0), IN(1)); }
static LLVMValueRef emit_max(Emitter *e, const Node *n) { return extreme(e, type_in(n, 0), true, IN(0), IN(1)); }

static LLVMValueRef emit_fma(Emitter *e, const Node *n) {
  if (!is_float(n)) return LLVMBuildAdd(e->b, LLVMBuildMul(e->b, IN(0), IN(1), ""), IN(2), "");
  return llvm_intrinsic(e, "llvm.fma", type_of(IN(0)), 3, (LLVMValueRef[]){IN(0), IN(1), IN(2)});
}

/* Floats that are neither above nor below 0 are what their sign is: 0, -0 or NaN. */
static LLVMValueRef emit_sign(Emitter *e, const Node *n) {
  LLVMValueRef x = IN(0);
  LLVMTypeRef t = type_of(x);
  if (is_float(n)) {
    LLVMValueRef zero = llvm_float(t, 0);
    LLVMValueRef not_above = choose(e, LLVMBuildFCmp(e->b, LLVMRealOLT, x, zero, ""), llvm_float(t, -1), x);
    return choose(e, LLVMBuildFCmp(e->b, LLVMRealOGT, x, zero, ""), llvm_float(t, 1), not_above);
  }
  LLVMValueRef zero = llvm_int(t, 0), one = llvm_int(t, 1);
  if (!dtype_is_signed(type_in(n, 0))) return choose(e, compare(e, LLVMIntNE, x, zero), one, zero);
  LLVMValueRef not_above = choose(e, compare(e, LLVMIntSLT, x, zero), llvm_int(t, -1), zero);
  return choose(e, compare(e, LLVMIntSGT, x, zero), one, not_above);
}

/* ---- division ----
 *
 * LLVM leaves x/0 and INT_MIN/-1 undefined, and the machine traps. A divisor of 0 or -1 is replaced by 1 and its result
 * put in place; where the divisor is a constant, nothing of this is left. */

typedef struct Divisor {
  LLVMValueRef is_zero, is_minus_one, safe;
} Divisor;

static Divisor divisor(Emitter *e, Dtype t, LLVMValueRef y) {
  LLVMTypeRef ty = type_of(y);
  Divisor d = {compare(e, LLVMIntEQ, y, llvm_int(ty, 0)), NULL, NULL};
  d.is_minus_one = dtype_is_signed(t) ? compare(e, LLVMIntEQ, y, llvm_int(ty, -1)) : NULL;
  LLVMValueRef odd = d.is_minus_one ? LLVMBuildOr(e->b, d.is_zero, d.is_minus_one, "") : d.is_zero;
  d.safe = choose(e, odd, llvm_int(ty, 1), y);
  return d;
}

static LLVMValueRef emit_div(Emitter *e, const Node *n) {
  if (is_float(n)) return LLVMBuildFDiv(e->b, IN(0), IN(1), "");
  Dtype t = type_in(n, 0);
  LLVMValueRef x = IN(0), zero = llvm_int(type_of(x), 0);
  Divisor d = divisor(e, t, IN(1));
  if (!dtype_is_signed(t)) return choose(e, d.is_zero, zero, LLVMBuildUDiv(e->b, x, d.safe, ""));
  LLVMValueRef q = choose(e, d.is_minus_one, LLVMBuildNeg(e->b, x, ""), LLVMBuildSDiv(e->b, x, d.safe, ""));
  return choose(e, d.is_zero, zero, q);
}

static LLVMValueRef emit_mod(Emitter *e, const Node *n) {
  Dtype t = type_in(n, 0);
  LLVMValueRef x = IN(0), y = IN(1), zero = llvm_int(type_of(x), 0);
  Divisor d = divisor(e, t, y);
  if (!dtype_is_signed(t)) return choose(e, d.is_zero, zero, LLVMBuildURem(e->b, x, d.safe, ""));
  LLVMValueRef r = LLVMBuildSRem(e->b, x, d.safe, ""); /* by the 1 that stands for 0 and -1: 0 */
  if (node_bool(n, mod, trunc)) return r;
  LLVMValueRef differ = compare(e, LLVMIntSLT, LLVMBuildXor(e->b, r, y, ""), zero);
  LLVMValueRef shift = LLVMBuildAnd(e->b, differ, compare(e, LLVMIntNE, r, zero), "");
  return choose(e, shift, LLVMBuildAdd(e->b, r, y, ""), r);
}

/* ---- floats ---- */

/* To nearest even by adding what leaves no room for a fraction, and taking it away again; larger numbers are whole. */
static LLVMValueRef round_by_adding(Emitter *e, LLVMValueRef x) {
  LLVMTypeRef t = type_of(x);
  LLVMValueRef full = llvm_float(t, LLVMGetTypeKind(LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetElementType(t) : t) ==
                                    LLVMDoubleTypeKind ? 0x1p52 : 0x1p23);
  LLVMValueRef a = call1(e, "llvm.fabs", x);
  LLVMValueRef near = LLVMBuildFSub(e->b, LLVMBuildFAdd(e->b, a, full, ""), full, "");
  return choose(e, LLVMBuildFCmp(e->b, LLVMRealOLT, a, full, ""), call2(e, "llvm.copysign", near, x), x);
}

/* `beyond`: the nearest whole number is on the wrong side; `step` goes to the right one. */
static LLVMValueRef step_back(Emitter *e, LLVMValueRef x, LLVMRealPredicate beyond, double step) {
  LLVMValueRef near = round_by_adding(e, x);
  LLVMValueRef other = LLVMBuildFAdd(e->b, near, llvm_float(type_of(x), step), "");
  return call2(e, "llvm.copysign", choose(e, LLVMBuildFCmp(e->b, beyond, near, x, ""), other, near), x);
}

/* Where there is no instruction for it, LLVM would call a function. */
static LLVMValueRef whole(Emitter *e, const Node *n, const char *name) {
  LLVMValueRef x = IN(0);
  if (!is_float(n)) return x;
  if (target_has(e->target, FEATURE_round)) return call1(e, name, x);
  return n->op == OP_floor  ? step_back(e, x, LLVMRealOGT, -1)
         : n->op == OP_ceil ? step_back(e, x, LLVMRealOLT, 1)
                            : round_by_adding(e, x);
}

static LLVMValueRef emit_floor(Emitter *e, const Node *n) { return whole(e, n, "llvm.floor"); }
static LLVMValueRef emit_ceil(Emitter *e, const Node *n) { return whole(e, n, "llvm.ceil"); }
static LLVMValueRef emit_round(Emitter *e, const Node *n) { return whole(e, n, "llvm.roundeven"); }
static LLVMValueRef emit_sqrt(Emitter *e, const Node *n) { return call1(e, "llvm.sqrt", IN(0)); }

static LLVMValueRef emit_isnan(Emitter *e, const Node *n) { return LLVMBuildFCmp(e->b, LLVMRealUNO, IN(0), IN(0), ""); }

static LLVMValueRef emit_isinf(Emitter *e, const Node *n) {
  bool positive = node_bool(n, isinf, positive), negative = node_bool(n, isinf, negative);
  LLVMValueRef x = IN(0), infinity = llvm_float(type_of(x), INFINITY);
  LLVMValueRef above = LLVMBuildFCmp(e->b, LLVMRealOEQ, x, infinity, "");
  LLVMValueRef below = LLVMBuildFCmp(e->b, LLVMRealOEQ, x, LLVMBuildFNeg(e->b, infinity, ""), "");
  if (positive && negative) return LLVMBuildOr(e->b, above, below, "");
  return positive ? above : negative ? below : llvm_int(type_of(above), 0);
}

/* ---- bits ---- */

static LLVMValueRef emit_and(Emitter *e, const Node *n) { return LLVMBuildAnd(e->b, IN(0), IN(1), ""); }
static LLVMValueRef emit_or(Emitter *e, const Node *n) { return LLVMBuildOr(e->b, IN(0), IN(1), ""); }
static LLVMValueRef emit_xor(Emitter *e, const Node *n) { return LLVMBuildXor(e->b, IN(0), IN(1), ""); }
static LLVMValueRef emit_not(Emitter *e, const Node *n) { return LLVMBuildNot(e->b, IN(0), ""); }

static LLVMValueRef too_far(Emitter *e, const Node *n) {
  return compare(e, LLVMIntUGE, IN(1), llvm_int(type_of(IN(1)), dtype_bits(type_in(n, 0))));
}

static LLVMValueRef emit_shl(Emitter *e, const Node *n) {
  return choose(e, too_far(e, n), llvm_int(type_of(IN(0)), 0), LLVMBuildShl(e->b, IN(0), IN(1), ""));
}

static LLVMValueRef emit_shr(Emitter *e, const Node *n) {
  LLVMValueRef x = IN(0), far = too_far(e, n);
  if (!dtype_is_signed(type_in(n, 0)))
    return choose(e, far, llvm_int(type_of(x), 0), LLVMBuildLShr(e->b, x, IN(1), ""));
  LLVMValueRef most = llvm_int(type_of(IN(1)), dtype_bits(type_in(n, 0)) - 1);
  return LLVMBuildAShr(e->b, x, choose(e, far, most, IN(1)), "");
}

/* ---- comparing and choosing ---- */

static LLVMValueRef emit_compare(Emitter *e, const Node *n) {
  if (is_float(n)) {
    LLVMRealPredicate p = n->op == OP_eq ? LLVMRealOEQ : n->op == OP_lt ? LLVMRealOLT : LLVMRealOLE;
    return LLVMBuildFCmp(e->b, p, IN(0), IN(1), "");
  }
  bool is_signed = dtype_is_signed(type_in(n, 0));
  LLVMIntPredicate lt = is_signed ? LLVMIntSLT : LLVMIntULT, le = is_signed ? LLVMIntSLE : LLVMIntULE;
  return compare(e, n->op == OP_eq ? LLVMIntEQ : n->op == OP_lt ? lt : le, IN(0), IN(1));
}

static LLVMValueRef emit_where(Emitter *e, const Node *n) { return choose(e, IN(0), IN(1), IN(2)); }

/* ---- conversions ---- */

static LLVMValueRef bf16_to_f32(Emitter *e, LLVMValueRef x) {
  LLVMTypeRef i32 = i32_like(e, x);
  LLVMValueRef high = LLVMBuildShl(e->b, LLVMBuildZExt(e->b, x, i32, ""), llvm_int(i32, 16), "");
  return LLVMBuildBitCast(e->b, high, f32_like(e, x), "");
}

/* The upper half of each number: of vectors as one choice among halves, which is cheaper than to shift and to cut. */
static LLVMValueRef upper_halves(Emitter *e, LLVMValueRef x) {
  LLVMTypeRef i16 = LLVMInt16TypeInContext(e->context), i32 = LLVMInt32TypeInContext(e->context);
  enum { MOST = 64 };
  LLVMValueRef odd[MOST];
  unsigned n = LLVMGetTypeKind(type_of(x)) == LLVMVectorTypeKind ? LLVMGetVectorSize(type_of(x)) : 1;
  if (n == 1 || n > MOST) return LLVMBuildTrunc(e->b, LLVMBuildLShr(e->b, x, llvm_int(type_of(x), 16), ""), like(x, i16), "");
  for (unsigned i = 0; i < n; i++) odd[i] = llvm_int(i32, 2 * i + 1);
  LLVMValueRef halves = LLVMBuildBitCast(e->b, x, LLVMVectorType(i16, 2 * n), "");
  return LLVMBuildShuffleVector(e->b, halves, LLVMGetPoison(type_of(halves)), LLVMConstVector(odd, n), "");
}

/* To nearest even by adding a little less than half of what is cut off; a NaN, which that could carry into infinity,
 * keeps its upper bits and becomes quiet. */
static LLVMValueRef f32_to_bf16(Emitter *e, LLVMValueRef x) {
  LLVMTypeRef i32 = i32_like(e, x);
  LLVMValueRef bits = LLVMBuildBitCast(e->b, x, i32, "");
  LLVMValueRef odd = LLVMBuildAnd(e->b, LLVMBuildLShr(e->b, bits, llvm_int(i32, 16), ""), llvm_int(i32, 1), "");
  LLVMValueRef sum = LLVMBuildAdd(e->b, LLVMBuildAdd(e->b, bits, odd, ""), llvm_int(i32, 0x7FFF), "");
  LLVMValueRef quiet = LLVMBuildOr(e->b, bits, llvm_int(i32, 0x400000), "");
  LLVMValueRef nan = LLVMBuildFCmp(e->b, LLVMRealUNO, x, x, "");
  return upper_halves(e, choose(e, nan, quiet, sum));
}

/* By whole numbers: the exponent gets its new bias, once more for infinities and NaN; numbers below the least normal one are
 * a multiple of 2^-24. */
static LLVMValueRef f16_to_f32(Emitter *e, LLVMValueRef x) {
  LLVMTypeRef i32 = i32_like(e, x), f32 = f32_like(e, x);
  LLVMValueRef h = LLVMBuildZExt(e->b, x, i32, ""), a = LLVMBuildAnd(e->b, h, llvm_int(i32, 0x7fff), "");
  LLVMValueRef sign = LLVMBuildShl(e->b, LLVMBuildXor(e->b, h, a, ""), llvm_int(i32, 16), "");
  LLVMValueRef moved = LLVMBuildShl(e->b, a, llvm_int(i32, 13), "");
  LLVMValueRef normal = LLVMBuildAdd(e->b, moved, llvm_int(i32, 112 << 23), "");
  LLVMValueRef top = LLVMBuildAdd(e->b, moved, llvm_int(i32, 224 << 23), "");
  LLVMValueRef quiet = LLVMBuildOr(e->b, top, llvm_int(i32, 0x400000), "");
  LLVMValueRef small = LLVMBuildFMul(e->b, LLVMBuildSIToFP(e->b, a, f32, ""), llvm_float(f32, 0x1p-24), "");
  LLVMValueRef v = choose(e, compare(e, LLVMIntULT, a, llvm_int(i32, 0x400)), LLVMBuildBitCast(e->b, small, i32, ""), normal);
  v = choose(e, compare(e, LLVMIntUGE, a, llvm_int(i32, 0x7c00)), top, v);
  v = choose(e, compare(e, LLVMIntUGT, a, llvm_int(i32, 0x7c00)), quiet, v);
  return LLVMBuildBitCast(e->b, LLVMBuildOr(e->b, v, sign, ""), f32, "");
}

/* To nearest even: normal numbers by adding a little less than half of what is cut off, smaller ones by adding 1/2, whose last
 * place is f16's smallest number. */
static LLVMValueRef f32_to_f16(Emitter *e, LLVMValueRef x) {
  LLVMTypeRef i32 = i32_like(e, x), f32 = type_of(x), i16 = like(x, LLVMInt16TypeInContext(e->context));
  LLVMValueRef bits = LLVMBuildBitCast(e->b, x, i32, ""), a = LLVMBuildAnd(e->b, bits, llvm_int(i32, 0x7fffffff), "");
  LLVMValueRef sign = LLVMBuildLShr(e->b, LLVMBuildXor(e->b, bits, a, ""), llvm_int(i32, 16), "");
  LLVMValueRef odd = LLVMBuildAnd(e->b, LLVMBuildLShr(e->b, a, llvm_int(i32, 13), ""), llvm_int(i32, 1), "");
  LLVMValueRef sum = LLVMBuildAdd(e->b, LLVMBuildAdd(e->b, a, odd, ""), llvm_int(i32, 0xfff - (112 << 23)), "");
  LLVMValueRef normal = LLVMBuildLShr(e->b, sum, llvm_int(i32, 13), "");
  LLVMValueRef half = llvm_float(f32, 0.5), up = LLVMBuildFAdd(e->b, LLVMBuildBitCast(e->b, a, f32, ""), half, "");
  LLVMValueRef small = LLVMBuildSub(e->b, LLVMBuildBitCast(e->b, up, i32, ""), LLVMBuildBitCast(e->b, half, i32, ""), "");
  LLVMValueRef payload = LLVMBuildAnd(e->b, LLVMBuildLShr(e->b, a, llvm_int(i32, 13), ""), llvm_int(i32, 0x3ff), "");
  LLVMValueRef nan = LLVMBuildOr(e->b, payload, llvm_int(i32, 0x7e00), "");
  LLVMValueRef v = choose(e, compare(e, LLVMIntULT, a, llvm_int(i32, 113 << 23)), small, normal);
  v = choose(e, compare(e, LLVMIntUGE, a, llvm_int(i32, 143 << 23)), llvm_int(i32, 0x7c00), v);
  v = choose(e, compare(e, LLVMIntUGT, a, llvm_int(i32, 255 << 23)), nan, v);
  return LLVMBuildTrunc(e->b, LLVMBuildOr(e->b, v, sign, ""), i16, "");
}

static LLVMValueRef half_to_f32(Emitter *e, Dtype from, LLVMValueRef x) {
  if (from == DT_bf16) return bf16_to_f32(e, x);
  if (!target_has(e->target, FEATURE_f16)) return f16_to_f32(e, x);
  LLVMValueRef half = LLVMBuildBitCast(e->b, x, like(x, LLVMHalfTypeInContext(e->context)), "");
  return LLVMBuildFPExt(e->b, half, f32_like(e, x), "");
}

static LLVMValueRef f32_to_half(Emitter *e, Dtype to, LLVMValueRef x) {
  if (to == DT_bf16) return f32_to_bf16(e, x);
  if (!target_has(e->target, FEATURE_f16)) return f32_to_f16(e, x);
  LLVMValueRef half = LLVMBuildFPTrunc(e->b, x, like(x, LLVMHalfTypeInContext(e->context)), "");
  return LLVMBuildBitCast(e->b, half, like(x, LLVMInt16TypeInContext(e->context)), "");
}

/* Narrow integers wrap, as a conversion to a wide one followed by cutting off does. */
static LLVMValueRef float_to_int(Emitter *e, LLVMValueRef x, Dtype to, LLVMTypeRef type) {
  if (to == DT_bool) return LLVMBuildFCmp(e->b, LLVMRealUNE, x, llvm_float(type_of(x), 0), "");
  if (dtype_bits(to) < 32) return LLVMBuildTrunc(e->b, LLVMBuildFPToSI(e->b, x, i32_like(e, x), ""), type, "");
  return dtype_is_signed(to) ? LLVMBuildFPToSI(e->b, x, type, "") : LLVMBuildFPToUI(e->b, x, type, "");
}

static LLVMValueRef int_to_int(Emitter *e, LLVMValueRef x, Dtype from, Dtype to, LLVMTypeRef type) {
  if (to == DT_bool) return compare(e, LLVMIntNE, x, llvm_int(type_of(x), 0));
  return LLVMBuildIntCast2(e->b, x, type, dtype_is_int(from) && dtype_is_signed(from), "");
}

static LLVMValueRef emit_cast(Emitter *e, const Node *n) {
  Dtype from = type_in(n, 0), to = type_out(n);
  LLVMValueRef x = IN(0);
  LLVMTypeRef type = out_type(e, n);
  if (from == to) return x;
  if (is_half(from)) x = half_to_f32(e, from, x);
  if (!dtype_is_float(to)) return is_float(n) ? float_to_int(e, x, to, type) : int_to_int(e, x, from, to, type);
  LLVMTypeRef wide = is_half(to) ? f32_like(e, x) : type;
  if (is_float(n))
    x = LLVMBuildFPCast(e->b, x, wide, "");
  else if (dtype_is_int(from) && dtype_is_signed(from))
    x = LLVMBuildSIToFP(e->b, x, wide, "");
  else
    x = LLVMBuildUIToFP(e->b, x, wide, "");
  return is_half(to) ? f32_to_half(e, to, x) : x;
}

static LLVMValueRef emit_bitcast(Emitter *e, const Node *n) {
  return LLVMBuildBitCast(e->b, IN(0), out_type(e, n), "");
}

/* ---- vectors ---- */

static LLVMValueRef emit_imm(Emitter *e, const Node *n) {
  const Constant *c = node_attr(n, attr_slot(imm, value))->constant;
  LLVMTypeRef type = out_type(e, n), element = llvm_element_type(e, type_out(n));
  unsigned bits = LLVMGetTypeKind(element) == LLVMIntegerTypeKind ? LLVMGetIntTypeWidth(element)
                                                                  : (unsigned)dtype_bits(type_out(n));
  LLVMValueRef v =
      LLVMConstInt(LLVMIntTypeInContext(e->context, bits), dtype_get_bits(type_out(n), c->bytes, 0), false);
  return llvm_everywhere(type, LLVMConstBitCast(v, element));
}

static LLVMValueRef emit_splat(Emitter *e, const Node *n) { return llvm_splat(e, IN(0), n->out[0]->type->lanes); }

static LLVMValueRef emit_extract(Emitter *e, const Node *n) {
  return llvm_slice(e, IN(0), node_int(n, extract, lane), n->out[0]->type->lanes);
}

static LLVMValueRef emit_pack(Emitter *e, const Node *n) {
  LLVMValueRef v[MAX_LANES];
  for (int i = 0; i < n->n_in; i++) v[i] = IN(i);
  return llvm_join(e, n->n_in, v);
}

static LLVMValueRef emit_shuffle(Emitter *e, const Node *n) {
  return llvm_shuffle(e, IN(0), n->n_in == 2 ? IN(1) : NULL, n->out[0]->type->lanes, node_ints(n, shuffle, lanes).at);
}

static LLVMValueRef emit_lanes(Emitter *e, const Node *n) {
  LLVMValueRef v = IN(0);
  for (int64_t half = llvm_lanes(v) / 2; half >= 1; half /= 2) {
    LLVMValueRef x = llvm_slice(e, v, 0, half), y = llvm_slice(e, v, half, half);
    if (n->op != OP_lanes_sum)
      v = extreme(e, type_in(n, 0), n->op == OP_lanes_max, x, y);
    else
      v = is_float(n) ? LLVMBuildFAdd(e->b, x, y, "") : LLVMBuildAdd(e->b, x, y, "");
  }
  return v;
}

/* ---- dot products ---- */

/* acc plus, for each of its lanes, the sum of `each` products. */
static LLVMValueRef dot_by_shuffles(Emitter *e, int each, LLVMValueRef acc, LLVMValueRef product, bool is_int) {
  int64_t lane[MAX_LANES], lanes = llvm_lanes(acc);
  for (int j = each - 1; j >= 0; j--) {
    for (int64_t i = 0; i < lanes; i++) lane[i] = each * i + j;
    LLVMValueRef one = llvm_shuffle(e, product, NULL, lanes, lane);
    acc = is_int ? LLVMBuildAdd(e->b, acc, one, "") : LLVMBuildFAdd(e->b, acc, one, "");
  }
  return acc;
}

/* One instruction for a number of lanes. It takes a and b as vectors of `element`, `each` of them for a lane of acc. */
typedef struct DotRow {
  Feature feature;
  int64_t lanes;
  const char *name;
  enum { DOT_PLAIN, DOT_TYPED, DOT_SIGNED } kind; /* typed: the name ends with types; signed: takes a as signed, too */
} DotRow;

/* The first row that fits is the best. */
// clang-format off
static const DotRow dot4_rows[] = {
  {FEATURE_avx512vnni, 16, "llvm.x86.avx512.vpdpbusd.512", DOT_PLAIN},
  {FEATURE_avx512vnni,  8, "llvm.x86.avx512.vpdpbusd.256", DOT_PLAIN},
  {FEATURE_avx512vnni,  4, "llvm.x86.avx512.vpdpbusd.128", DOT_PLAIN},
  {FEATURE_i8mm,        4, "llvm.aarch64.neon.usdot",      DOT_TYPED},
  {FEATURE_dotprod,     4, "llvm.aarch64.neon.sdot",       DOT_SIGNED},
};
static const DotRow dot2_rows[] = {
  {FEATURE_avx512bf16, 16, "llvm.x86.avx512bf16.dpbf16ps.512", DOT_PLAIN},
  {FEATURE_avx512bf16,  8, "llvm.x86.avx512bf16.dpbf16ps.256", DOT_PLAIN},
  {FEATURE_avx512bf16,  4, "llvm.x86.avx512bf16.dpbf16ps.128", DOT_PLAIN},
  {FEATURE_bf16,        4, "llvm.aarch64.neon.bfdot",          DOT_TYPED},
};
// clang-format on

static const DotRow *dot_row(const Emitter *e, const Node *n, const DotRow *row, size_t rows) {
  for (size_t i = 0; i < rows; i++)
    if (target_has(e->target, row[i].feature) && n->out[0]->type->lanes % row[i].lanes == 0) return &row[i];
  return NULL;
}

static LLVMValueRef dot_once(Emitter *e, const DotRow *row, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b) {
  LLVMTypeRef of[] = {type_of(acc), type_of(a)};
  return llvm_intrinsic_of(e, row->name, row->kind == DOT_PLAIN ? 0 : 2, of, 3, (LLVMValueRef[]){acc, a, b});
}

/* a is 128 + (a as a signed byte with its upper bit changed), and -128 is a signed byte. */
static LLVMValueRef dot_signed(Emitter *e, const DotRow *row, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b) {
  LLVMValueRef low = llvm_int(type_of(a), -128), none = llvm_int(type_of(acc), 0);
  LLVMValueRef less = dot_once(e, row, none, low, b);
  return LLVMBuildSub(e->b, dot_once(e, row, acc, LLVMBuildXor(e->b, a, low, ""), b), less, "");
}

static LLVMValueRef dot_by_row(Emitter *e, const Node *n, const DotRow *row, LLVMTypeRef element, int each) {
  LLVMValueRef acc = IN(0), part[MAX_LANES / 4];
  int64_t lanes = llvm_lanes(acc), width = row->lanes;
  LLVMTypeRef whole = LLVMVectorType(element, (unsigned)(each * lanes));
  LLVMValueRef a = LLVMBuildBitCast(e->b, IN(1), whole, ""), b = LLVMBuildBitCast(e->b, IN(2), whole, "");
  for (int64_t i = 0; i < lanes / width; i++) {
    LLVMValueRef acc_i = llvm_slice(e, acc, i * width, width), a_i = llvm_slice(e, a, i * width * each, width * each);
    LLVMValueRef b_i = llvm_slice(e, b, i * width * each, width * each);
    part[i] = row->kind == DOT_SIGNED ? dot_signed(e, row, acc_i, a_i, b_i) : dot_once(e, row, acc_i, a_i, b_i);
  }
  return llvm_join(e, (int)(lanes / width), part);
}

static LLVMValueRef emit_dot4(Emitter *e, const Node *n) {
  const DotRow *row = dot_row(e, n, dot4_rows, sizeof dot4_rows / sizeof *dot4_rows);
  LLVMTypeRef i8 = LLVMInt8TypeInContext(e->context);
  if (row && row->kind == DOT_PLAIN) return dot_by_row(e, n, row, LLVMInt32TypeInContext(e->context), 1);
  if (row) return dot_by_row(e, n, row, i8, 4);
  LLVMTypeRef i32 = i32_like(e, IN(1));
  LLVMValueRef a = LLVMBuildZExt(e->b, IN(1), i32, ""), b = LLVMBuildSExt(e->b, IN(2), i32, "");
  return dot_by_shuffles(e, 4, IN(0), LLVMBuildMul(e->b, a, b, ""), true);
}

static LLVMValueRef emit_dot2(Emitter *e, const Node *n) {
  const DotRow *row = dot_row(e, n, dot2_rows, sizeof dot2_rows / sizeof *dot2_rows);
  if (row) return dot_by_row(e, n, row, LLVMBFloatTypeInContext(e->context), 2);
  LLVMValueRef product = LLVMBuildFMul(e->b, bf16_to_f32(e, IN(1)), bf16_to_f32(e, IN(2)), "");
  return dot_by_shuffles(e, 2, IN(0), product, false);
}

/* ---- memory ---- */

static LLVMValueRef address(Emitter *e, const Node *n, bool inside) {
  LLVMTypeRef element = llvm_memory_type(e, type_in(n, 0));
  LLVMValueRef at = IN(1);
  return inside ? LLVMBuildInBoundsGEP2(e->b, element, IN(0), &at, 1, "")
                : LLVMBuildGEP2(e->b, element, IN(0), &at, 1, "");
}

static unsigned alignment(const Node *n, int64_t said) {
  return (unsigned)(said ? said : dtype_bits(type_in(n, 0)) / 8);
}

/* At the function's entry, wherever the node stands: there it is part of the frame. */
static LLVMValueRef emit_workgroup_memory(Emitter *e, const Node *n) {
  Type t = n->out[0]->type;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
  LLVMBasicBlockRef entry = LLVMGetEntryBasicBlock(LLVMGetBasicBlockParent(here));
  LLVMValueRef first = LLVMGetFirstInstruction(entry);
  if (first) LLVMPositionBuilderBefore(e->b, first);
  LLVMValueRef memory = LLVMBuildAlloca(e->b, LLVMArrayType2(llvm_memory_type(e, t->dtype), (uint64_t)t->lanes), "");
  LLVMSetAlignment(memory, 64);
  LLVMPositionBuilderAtEnd(e->b, here);
  return memory;
}

static LLVMValueRef emit_load(Emitter *e, const Node *n) {
  Type t = n->out[0]->type;
  LLVMTypeRef type = llvm_vector_of(llvm_memory_type(e, t->dtype), t->lanes);
  LLVMValueRef v = LLVMBuildLoad2(e->b, type, address(e, n, true), "");
  LLVMSetAlignment(v, alignment(n, node_int(n, load, align)));
  return t->dtype == DT_bool ? compare(e, LLVMIntNE, v, llvm_int(type, 0)) : v;
}

static void past_caches(Emitter *e, LLVMValueRef store) {
  LLVMMetadataRef one = LLVMValueAsMetadata(llvm_int(LLVMInt32TypeInContext(e->context), 1));
  unsigned kind = LLVMGetMDKindIDInContext(e->context, "nontemporal", strlen("nontemporal"));
  LLVMSetMetadata(store, kind, LLVMMetadataAsValue(e->context, LLVMMDNodeInContext2(e->context, &one, 1)));
  e->streams = true;
}

static LLVMValueRef emit_store(Emitter *e, const Node *n) {
  LLVMValueRef v = IN(2);
  if (type_in(n, 2) == DT_bool) v = LLVMBuildZExt(e->b, v, like(v, LLVMInt8TypeInContext(e->context)), "");
  LLVMValueRef s = LLVMBuildStore(e->b, v, address(e, n, true));
  LLVMSetAlignment(s, alignment(n, node_int(n, store, align)));
  if (node_bool(n, store, stream)) past_caches(e, s);
  return NULL;
}

static LLVMValueRef emit_prefetch(Emitter *e, const Node *n) {
  enum { READ = 0, NEAREST = 3, DATA = 1 }; /* one less is one cache further */
  LLVMTypeRef i32 = LLVMInt32TypeInContext(e->context);
  LLVMValueRef at = address(e, n, false);
  LLVMValueRef arg[] = {at, llvm_int(i32, READ), llvm_int(i32, NEAREST + 1 - node_int(n, prefetch, cache)), llvm_int(i32, DATA)};
  llvm_intrinsic(e, "llvm.prefetch", type_of(at), 4, arg);
  return NULL;
}

/* ---- places ---- */

static LLVMValueRef emit_group_id(Emitter *e, const Node *n) { return e->group[node_int(n, group_id, axis)]; }
static LLVMValueRef emit_groups(Emitter *e, const Node *n) { return e->groups[node_int(n, groups, axis)]; }
static LLVMValueRef emit_local_id(Emitter *e, const Node *n) { return llvm_int(out_type(e, n), 0); }

#undef IN

// clang-format off
static const LlvmRow rows[OP_count] = {
  [OP_neg]   = {emit_neg, no_halves},         [OP_abs]   = {emit_abs, no_halves},
  [OP_add]   = {emit_add, no_halves},         [OP_sub]   = {emit_sub, no_halves},
  [OP_mul]   = {emit_mul, no_halves},         [OP_div]   = {emit_div, no_halves},
  [OP_mod]   = {emit_mod, integers_only},     [OP_fma]   = {emit_fma, needs_fma},
  [OP_min]   = {emit_min, no_halves},         [OP_max]   = {emit_max, no_halves},
  [OP_floor] = {emit_floor, no_halves},     [OP_ceil]  = {emit_ceil, no_halves},
  [OP_round] = {emit_round, no_halves},     [OP_sqrt]  = {emit_sqrt, no_halves},
  [OP_isnan] = {emit_isnan, no_halves},       [OP_isinf] = {emit_isinf, no_halves},
  [OP_sign]  = {emit_sign, no_halves},
  [OP_and]   = {emit_and, NULL},              [OP_or]    = {emit_or, NULL},
  [OP_xor]   = {emit_xor, NULL},              [OP_not]   = {emit_not, NULL},
  [OP_shl]   = {emit_shl, NULL},              [OP_shr]   = {emit_shr, NULL},
  [OP_eq]    = {emit_compare, no_halves},     [OP_lt]    = {emit_compare, no_halves},
  [OP_le]    = {emit_compare, no_halves},     [OP_where] = {emit_where, NULL},
  [OP_cast]  = {emit_cast, f16_by_f32},       [OP_bitcast] = {emit_bitcast, whole_bytes},
  [OP_imm]   = {emit_imm, NULL},              [OP_splat] = {emit_splat, NULL},
  [OP_extract] = {emit_extract, NULL},        [OP_pack]  = {emit_pack, NULL},
  [OP_shuffle] = {emit_shuffle, NULL},
  [OP_lanes_sum] = {emit_lanes, no_halves},   [OP_lanes_max] = {emit_lanes, no_halves},
  [OP_lanes_min] = {emit_lanes, no_halves},
  [OP_dot4]  = {emit_dot4, NULL},             [OP_dot2]  = {emit_dot2, NULL},
  [OP_load]  = {emit_load, NULL},             [OP_store] = {emit_store, NULL},
  [OP_prefetch] = {emit_prefetch, NULL},      [OP_workgroup_memory] = {emit_workgroup_memory, NULL},
  [OP_group_id] = {emit_group_id, NULL},      [OP_groups] = {emit_groups, NULL},
  [OP_local_id] = {emit_local_id, NULL},
};
// clang-format on

const LlvmRow *llvm_row(Op op) { return &rows[op]; }
