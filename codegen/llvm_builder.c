/* llvm_builder.c -- types and values of a kernel in LLVM's terms. */
#include "codegen/llvm_builder.h"

#include <string.h>

#include "ir/fatal.h"

/* ---- types ---- */

LLVMTypeRef llvm_element_type(const Emitter *e, Dtype t) {
  switch (dtype_info(t)->cls) {
  case DTC_BOOL: return LLVMInt1TypeInContext(e->context);
  case DTC_INDEX: return LLVMIntTypeInContext(e->context, (unsigned)e->target->index_bits);
  case DTC_INT:
  case DTC_UINT: return dtype_bits(t) < 8 ? NULL : LLVMIntTypeInContext(e->context, (unsigned)dtype_bits(t));
  case DTC_FLOAT: break;
  default: return NULL;
  }
  if (t == DT_f64) return LLVMDoubleTypeInContext(e->context);
  if (t == DT_f32) return LLVMFloatTypeInContext(e->context);
  return dtype_bits(t) == 16 ? LLVMInt16TypeInContext(e->context) : NULL;
}

LLVMTypeRef llvm_memory_type(const Emitter *e, Dtype t) {
  return t == DT_bool ? LLVMInt8TypeInContext(e->context) : llvm_element_type(e, t);
}

LLVMTypeRef llvm_vector_of(LLVMTypeRef element, int64_t lanes) {
  return lanes == 1 ? element : LLVMVectorType(element, (unsigned)lanes);
}

LLVMTypeRef llvm_type(const Emitter *e, Type t) {
  if (t->kind == TYPE_BUFFER) return LLVMPointerTypeInContext(e->context, 0);
  LLVMTypeRef element = llvm_element_type(e, t->dtype);
  return element ? llvm_vector_of(element, t->lanes) : NULL;
}

static bool is_vector(LLVMTypeRef t) { return LLVMGetTypeKind(t) == LLVMVectorTypeKind; }

int64_t llvm_lanes(LLVMValueRef v) {
  LLVMTypeRef t = LLVMTypeOf(v);
  return is_vector(t) ? LLVMGetVectorSize(t) : 1;
}

/* ---- values ---- */

LLVMValueRef llvm_operand(const Emitter *e, const Node *n, int i) { return e->value[n->in[i].value->number]; }

LLVMValueRef llvm_everywhere(LLVMTypeRef t, LLVMValueRef element) {
  if (!is_vector(t)) return element;
  LLVMValueRef lane[MAX_LANES];
  unsigned n = LLVMGetVectorSize(t);
  for (unsigned i = 0; i < n; i++) lane[i] = element;
  return LLVMConstVector(lane, n);
}

static LLVMTypeRef element_of(LLVMTypeRef t) { return is_vector(t) ? LLVMGetElementType(t) : t; }

LLVMValueRef llvm_int(LLVMTypeRef t, int64_t v) {
  return llvm_everywhere(t, LLVMConstInt(element_of(t), (unsigned long long)v, true));
}

LLVMValueRef llvm_float(LLVMTypeRef t, double v) { return llvm_everywhere(t, LLVMConstReal(element_of(t), v)); }

static LLVMValueRef lane_number(const Emitter *e, int64_t i) {
  return LLVMConstInt(LLVMInt32TypeInContext(e->context), (unsigned long long)i, false);
}

LLVMValueRef llvm_splat(Emitter *e, LLVMValueRef scalar, int64_t lanes) {
  if (lanes == 1) return scalar;
  LLVMTypeRef t = LLVMVectorType(LLVMTypeOf(scalar), (unsigned)lanes);
  LLVMValueRef first = LLVMBuildInsertElement(e->b, LLVMGetPoison(t), scalar, lane_number(e, 0), "");
  return llvm_shuffle(e, first, NULL, lanes, NULL);
}

/* Without `lane`: the first one everywhere. */
LLVMValueRef llvm_shuffle(Emitter *e, LLVMValueRef v, LLVMValueRef w, int64_t n, const int64_t *lane) {
  LLVMValueRef mask[MAX_LANES];
  for (int64_t i = 0; i < n; i++) mask[i] = lane_number(e, lane ? lane[i] : 0);
  if (!w) w = LLVMGetPoison(LLVMTypeOf(v));
  LLVMValueRef r = LLVMBuildShuffleVector(e->b, v, w, LLVMConstVector(mask, (unsigned)n), "");
  return n == 1 ? LLVMBuildExtractElement(e->b, r, lane_number(e, 0), "") : r;
}

LLVMValueRef llvm_slice(Emitter *e, LLVMValueRef v, int64_t from, int64_t lanes) {
  if (lanes == llvm_lanes(v)) return v;
  if (lanes == 1) return LLVMBuildExtractElement(e->b, v, lane_number(e, from), "");
  int64_t lane[MAX_LANES] = {0};
  for (int64_t i = 0; i < lanes; i++) lane[i] = from + i;
  return llvm_shuffle(e, v, NULL, lanes, lane);
}

/* Puts v's lanes into `into` from lane `from` on. */
static LLVMValueRef blend(Emitter *e, LLVMValueRef into, LLVMValueRef v, int64_t from) {
  int64_t lane[MAX_LANES] = {0}, wide = llvm_lanes(into), n = llvm_lanes(v);
  for (int64_t i = 0; i < wide; i++) lane[i] = i < n ? i : 0;
  LLVMValueRef widened = llvm_shuffle(e, v, NULL, wide, lane);
  for (int64_t i = 0; i < wide; i++) lane[i] = i >= from && i < from + n ? wide + i - from : i;
  return llvm_shuffle(e, into, widened, wide, lane);
}

LLVMValueRef llvm_join(Emitter *e, int n, const LLVMValueRef *v) {
  int64_t each = llvm_lanes(v[0]);
  if (n == 1) return v[0];
  LLVMValueRef r = LLVMGetPoison(LLVMVectorType(element_of(LLVMTypeOf(v[0])), (unsigned)(n * each)));
  for (int i = 0; i < n; i++)
    r = each == 1 ? LLVMBuildInsertElement(e->b, r, v[i], lane_number(e, i), "") : blend(e, r, v[i], i * each);
  return r;
}

LLVMValueRef llvm_intrinsic_of(Emitter *e, const char *name, int n_types, LLVMTypeRef *of, int n, LLVMValueRef *arg) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  ensure(id);
  LLVMValueRef callee = LLVMGetIntrinsicDeclaration(e->module, id, of, (size_t)n_types);
  LLVMTypeRef type = LLVMIntrinsicGetType(e->context, id, of, (size_t)n_types);
  return LLVMBuildCall2(e->b, type, callee, arg, (unsigned)n, "");
}

LLVMValueRef llvm_intrinsic(Emitter *e, const char *name, LLVMTypeRef of, int n, LLVMValueRef *arg) {
  return llvm_intrinsic_of(e, name, of ? 1 : 0, &of, n, arg);
}
