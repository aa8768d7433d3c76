/* type.h -- types of values, interned: equal types are the same pointer. */
#ifndef LATHE_TYPE_H
#define LATHE_TYPE_H

#include "ir/dim.h"
#include "ir/dtype.h"

enum { MAX_RANK = 12, MAX_LANES = 1024 };

/* An axis that has been checked, counted from the front. */
static inline int axis_of(int64_t axis, int rank) { return (int)(axis < 0 ? axis + rank : axis); }

/* How a quantised tensor keeps its numbers: value = scale * (code - zero), a scale (and zero) for each `group` codes
 * along the last axis. As text: i4g32<f16>, u4g128<f32,u4>; `nf4g64<f32>` looks codes up in a table. */
typedef struct Encoding {
  Dtype code;
  int group;
  Dtype scale;
  Dtype zero; /* DT_none: there is none */
} Encoding;

typedef enum TypeKind {
  TYPE_TENSOR, /* dtype or encoding, and dims: f32[batch,seq,64], i4g32<f16>[1536,576] */
  TYPE_STATE,  /* an instance of a module's state: state<@target.kv> */
  TYPE_SCALAR, /* kernel level from here on: f32 */
  TYPE_VECTOR, /* f32x16 */
  TYPE_BUFFER, /* memory the caller gives: buf<f32> */
  TYPE_SHARED, /* memory of the workgroup: shared<f32,256> */
} TypeKind;

typedef struct State State;
typedef struct TypeInfo TypeInfo;
typedef const TypeInfo *Type;

struct TypeInfo {
  TypeKind kind;
  Dtype dtype;     /* of an encoded tensor: the code's */
  bool encoded;
  Encoding enc;
  int rank;
  Dim dim[MAX_RANK];
  int64_t lanes;   /* VECTOR: lanes; SHARED: elements */
  State *state;
};

typedef struct TypePool TypePool;
TypePool *type_pool_new(Arena *a);

Type type_tensor(TypePool *p, Dtype t, int rank, const Dim *dim);
Type type_encoded(TypePool *p, Encoding e, int rank, const Dim *dim);
/* The same element type or encoding with other dims, and the same dims with another element type. */
Type type_with_dims(TypePool *p, Type t, int rank, const Dim *dim);
Type type_with_dtype(TypePool *p, Type t, Dtype dtype);
Type type_state(TypePool *p, State *s);
Type type_scalar(TypePool *p, Dtype t);
Type type_vector(TypePool *p, Dtype t, int64_t lanes); /* one lane gives the scalar */
Type type_buffer(TypePool *p, Dtype t);
Type type_shared(TypePool *p, Dtype t, int64_t elements);

/* Whether its known sizes alone make a tensor larger than memory can be. */
bool type_is_too_large(Type t);
static inline bool type_is_tensor(Type t) { return t->kind == TYPE_TENSOR; }
bool type_is_static(Type t); /* every dim is a constant */
bool type_same_dims(Type a, Type b);
bool type_has_unknown(Type t);
Dim type_elements(DimPool *p, Type t);
/* The bytes of all elements; false where a size is not known, or they are too many. */
bool type_size(Type t, int64_t *bytes);
/* `declared` says no less than `inferred`, and nothing else: dims that inference left unknown may be anything. */
bool type_refines(Type declared, Type inferred);

bool encoding_equal(Encoding a, Encoding b);
void encoding_print(FILE *out, Encoding e);
void type_print(FILE *out, Type t);
/* For messages: cut where they are long. */
char *type_text(Arena *a, Type t);

#endif
