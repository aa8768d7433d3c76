/* onnx_packed.c -- codes narrower than a byte, as ONNX Runtime packs them into bytes. */
#include "frontend/onnx_packed.h"

/* The same bytes under another type, or NULL where they are not a constant's own bytes. */
static Value *reinterpreted(Builder *b, Value *v, Type t) {
  Constant *k = value_constant(v);
  if (!k || !type_is_static(t) || (k->kind != CONSTANT_BYTES && k->kind != CONSTANT_FILE)) return NULL;
  Constant probe = *k;
  int64_t have, want;
  probe.type = t;
  if (!constant_size(k, &have) || !constant_size(&probe, &want) || have != want) return NULL;
  Constant *view;
  if (k->name)
    view = module_add_constant(b->module, module_free_name(b->module, k->name), t);
  else
    view = ARENA_NEW(b->module->arena, Constant);
  const char *name = view->name;
  *view = probe;
  view->name = name;
  return build_const(b, view);
}

/* One u8 a code: each byte shifted and masked, the results side by side. */
static Value *taken_apart(Builder *b, Value *bytes, int64_t bits) {
  Value *part[4], *mask = build_scalar_i(b, DT_u8, (1 << bits) - 1);
  int n = (int)(8 / bits);
  bytes = b_unsqueeze(b, bytes, b_rank(bytes));
  for (int i = 0; i < n; i++) {
    Value *moved = i ? build_binary(b, OP_shr, bytes, build_scalar_i(b, DT_u8, i * bits)) : bytes;
    part[i] = build_binary(b, OP_and, moved, mask);
  }
  const AttrArg a = at_i(concat, axis, -1);
  return build_values(b, OP_concat, 1, n, part, 1, &a);
}

Value *b_codes(Builder *b, Value *bytes, int64_t bits, int rank, const Dim *d) {
  if (bits == 8) return b_view(b, bytes, rank, d);
  Value *v = reinterpreted(b, bytes, type_tensor(b->module->types, bits == 4 ? DT_u4 : DT_u2, rank, d));
  return v ? v : b_reshape(b, taken_apart(b, bytes, bits), rank, d);
}

Value *b_view(Builder *b, Value *v, int rank, const Dim *d) {
  if (!b_typed(v)) return v;
  Type t = type_with_dims(b->module->types, v->type, rank, d);
  if (t == v->type) return v;
  Value *view = reinterpreted(b, v, t);
  return view ? view : b_reshape(b, v, rank, d);
}

/* 2^(bits-1) for each group, without a byte for each. */
static Value *middle(Builder *b, const Value *codes, const Value *scales, int64_t bits) {
  if (!b_typed(scales)) return NULL;
  int64_t at = (int64_t)1 << (bits - 1);
  if (type_is_static(scales->type))
    return build_const(
        b, constant_splat(b->module, type_with_dtype(b->module->types, scales->type, b_dtype(codes)), (uint64_t)at));
  return b_expand(b, build_scalar_i(b, b_dtype(codes), at), b_rank(scales), scales->type->dim);
}

Value *b_encoded(Builder *b, Value *codes, Value *scales, Value *zeros, int64_t bits, int64_t group) {
  if (!zeros) zeros = middle(b, codes, scales, bits);
  return build(b, OP_encoded, 1, INS(codes, scales, zeros), ATTRS(at_i(encoded, group, group)));
}

bool onnx_bits(OnnxCall *c, const char *name, int64_t dflt, int64_t *bits) {
  *bits = onnx_int(c, name, dflt);
  if (*bits == 2 || *bits == 4 || *bits == 8) return true;
  return onnx_refuse(c, "quantise to 2, 4 or 8 bits", "%s is %lld", name, (long long)*bits);
}
