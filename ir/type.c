/* type.c -- types of values, interned: equal types are the same pointer. */
#include "ir/type.h"

#include <inttypes.h>

#include "ir/checked.h"
#include "ir/fatal.h"
#include "ir/intern.h"
#include "ir/ir.h"
#include "ir/text_lex.h"

struct TypePool {
  Interner types;
};

bool encoding_equal(Encoding a, Encoding b) {
  return a.code == b.code && a.group == b.group && a.scale == b.scale && a.zero == b.zero;
}

static uint64_t hash(const void *x) {
  Type t = x;
  uint64_t h = hash_mix((uint64_t)t->kind, (uint64_t)t->dtype);
  h = hash_mix(h, (uint64_t)t->enc.group << 16 | (uint64_t)t->enc.scale << 8 | (uint64_t)t->enc.zero);
  h = hash_mix(h, (uint64_t)t->lanes);
  h = hash_mix(h, (uintptr_t)t->state);
  for (int i = 0; i < t->rank; i++) h = hash_mix(h, (uintptr_t)t->dim[i]);
  return h;
}

static bool same(const void *pa, const void *pb) {
  Type a = pa, b = pb;
  return a->kind == b->kind && a->dtype == b->dtype && a->encoded == b->encoded && encoding_equal(a->enc, b->enc) &&
         a->rank == b->rank && a->lanes == b->lanes && a->state == b->state &&
         memcmp(a->dim, b->dim, (size_t)a->rank * sizeof(Dim)) == 0;
}

static const void *keep(Arena *a, const void *x) {
  TypeInfo *t = ARENA_NEW(a, TypeInfo);
  *t = *(Type)x;
  return t;
}

TypePool *type_pool_new(Arena *a) {
  TypePool *p = ARENA_NEW(a, TypePool);
  p->types = (Interner){.arena = a, .hash = hash, .same = same, .keep = keep};
  return p;
}

static Type intern(TypePool *p, Type t) { return intern_find(&p->types, t); }

static Type intern_dims(TypePool *p, TypeInfo t, int rank, const Dim *dim) {
  ensure(rank >= 0 && rank <= MAX_RANK);
  t.rank = rank;
  for (int i = 0; i < MAX_RANK; i++) t.dim[i] = i < rank ? dim[i] : NULL;
  return intern(p, &t);
}

Type type_tensor(TypePool *p, Dtype t, int rank, const Dim *dim) {
  return intern_dims(p, (TypeInfo){.kind = TYPE_TENSOR, .dtype = t}, rank, dim);
}

Type type_encoded(TypePool *p, Encoding e, int rank, const Dim *dim) {
  return intern_dims(p, (TypeInfo){.kind = TYPE_TENSOR, .dtype = e.code, .encoded = true, .enc = e}, rank, dim);
}

Type type_with_dims(TypePool *p, Type t, int rank, const Dim *dim) { return intern_dims(p, *t, rank, dim); }

/* Tensors keep their dims, vectors their lanes. */
Type type_with_dtype(TypePool *p, Type t, Dtype dtype) {
  TypeInfo with = *t;
  with.dtype = dtype;
  with.encoded = false;
  with.enc = (Encoding){0};
  return intern(p, &with);
}

Type type_state(TypePool *p, State *s) { return intern(p, &(TypeInfo){.kind = TYPE_STATE, .state = s}); }
Type type_scalar(TypePool *p, Dtype t) { return intern(p, &(TypeInfo){.kind = TYPE_SCALAR, .dtype = t, .lanes = 1}); }

Type type_vector(TypePool *p, Dtype t, int64_t lanes) {
  if (lanes == 1) return type_scalar(p, t);
  return intern(p, &(TypeInfo){.kind = TYPE_VECTOR, .dtype = t, .lanes = lanes});
}

Type type_buffer(TypePool *p, Dtype t) { return intern(p, &(TypeInfo){.kind = TYPE_BUFFER, .dtype = t}); }

Type type_shared(TypePool *p, Dtype t, int64_t elements) {
  return intern(p, &(TypeInfo){.kind = TYPE_SHARED, .dtype = t, .lanes = elements});
}

bool type_is_static(Type t) {
  for (int i = 0; i < t->rank; i++)
    if (!dim_is_const(t->dim[i])) return false;
  return true;
}

bool type_same_dims(Type a, Type b) {
  return a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof(Dim)) == 0;
}

bool type_has_unknown(Type t) {
  for (int i = 0; i < t->rank; i++)
    if (dim_is_unknown(t->dim[i])) return true;
  return false;
}

bool type_size(Type t, int64_t *bytes) {
  int64_t n = 1;
  for (int i = 0; i < t->rank; i++)
    if (!dim_is_const(t->dim[i]) || t->dim[i]->constant < 0 || !checked_mul(n, t->dim[i]->constant, &n)) return false;
  return dtype_size(t->dtype, n, bytes);
}

Dim type_elements(DimPool *p, Type t) {
  Dim n = dim_const(p, 1);
  for (int i = 0; i < t->rank; i++) n = dim_mul(p, n, t->dim[i]);
  return n;
}

bool type_refines(Type declared, Type inferred) {
  if (declared == inferred) return true;
  if (declared->kind != inferred->kind || declared->dtype != inferred->dtype || declared->rank != inferred->rank ||
      declared->encoded != inferred->encoded || !encoding_equal(declared->enc, inferred->enc) ||
      declared->lanes != inferred->lanes || declared->state != inferred->state)
    return false;
  for (int i = 0; i < declared->rank; i++)
    if (declared->dim[i] != inferred->dim[i] && !dim_is_unknown(inferred->dim[i])) return false;
  return true;
}

void encoding_print(FILE *out, Encoding e) {
  fprintf(out, "%sg%d<%s", dtype_name(e.code), e.group, dtype_name(e.scale));
  if (e.zero) fprintf(out, ",%s", dtype_name(e.zero));
  fputc('>', out);
}

static void print_tensor(FILE *out, Type t) {
  if (t->encoded) encoding_print(out, t->enc);
  else fputs(dtype_name(t->dtype), out);
  fputc('[', out);
  for (int i = 0; i < t->rank; i++) {
    if (i) fputc(',', out);
    dim_print(out, t->dim[i]);
  }
  fputc(']', out);
}

static void print_state(FILE *out, Type t) {
  fputs("state<", out);
  text_name(out, '@', t->state->name);
  fputc('>', out);
}

void type_print(FILE *out, Type t) {
  if (!t) { fputs("(no type)", out); return; }
  const char *name = dtype_name(t->dtype);
  switch (t->kind) {
  case TYPE_TENSOR: print_tensor(out, t); break;
  case TYPE_STATE: print_state(out, t); break;
  case TYPE_SCALAR: fputs(name, out); break;
  case TYPE_VECTOR: fprintf(out, "%sx%" PRId64, name, t->lanes); break;
  case TYPE_BUFFER: fprintf(out, "buf<%s>", name); break;
  case TYPE_SHARED: fprintf(out, "shared<%s,%" PRId64 ">", name, t->lanes); break;
  }
}

bool type_is_too_large(Type t) {
  int64_t n = 1, bytes;
  bool overflows = false;
  for (int i = 0; i < t->rank; i++) {
    if (dim_is(t->dim[i], 0)) return false;
    if (dim_is_const(t->dim[i])) overflows |= !checked_mul(n, t->dim[i]->constant, &n);
  }
  return overflows || !dtype_size(t->dtype, n, &bytes);
}

char *type_text(Arena *a, Type t) {
  TextBuffer b;
  text_buffer_open(&b);
  type_print(b.out, t);
  return text_buffer_close(&b, a, TEXT_MOST);
}
