/* op.h -- the table of ops, as ops.def gives it. */
#ifndef LATHE_OP_H
#define LATHE_OP_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum Op {
#define OP(name, ...) OP_##name,
#define ATTR(...)
#include "ir/ops.def"
#undef OP
#undef ATTR
  OP_count
} Op;

/* An attribute's slot is its place among its op's: attr_slot(softmax, axis). */
enum {
#define OP(name, ...) ATTRS_BEFORE_##name, ATTRS_RESET_##name = ATTRS_BEFORE_##name - 1,
#define ATTR(op, name, ...) ATTR_##op##_##name,
#include "ir/ops.def"
#undef OP
#undef ATTR
  ATTR_end
};
#define attr_slot(op, name) (ATTR_##op##_##name - ATTRS_BEFORE_##op)

typedef enum AttrKind {
  AK_INT, AK_FLOAT, AK_BOOL, AK_DTYPE, AK_STR, AK_INTS, AK_FLOATS, AK_DIMS, AK_CONST, AK_FUNC, AK_STATE
} AttrKind;

typedef enum OpLevel { LEVEL_TENSOR = 1, LEVEL_KERNEL = 2, LEVEL_ANY = 3 } OpLevel;
typedef enum Effect { EFFECT_PURE, EFFECT_READ, EFFECT_WRITE, EFFECT_CONTROL, EFFECT_SYNC } Effect;

enum { OP_MANY = 1 << 20 };

typedef struct AttrInfo {
  const char *name;
  AttrKind kind;
  bool required;
  double dflt;
} AttrInfo;

typedef struct Infer Infer;
typedef struct EvalCall EvalCall;
typedef struct Cost Cost;
typedef struct Node Node;

typedef struct OpInfo {
  const char *name;
  OpLevel level;
  Effect effect;
  int min_in, max_in, min_out, max_out, regions;
  bool (*infer)(Infer *);
  bool (*eval)(EvalCall *);
  void (*cost)(const Node *, Cost *);
  const char *doc;
  int n_attrs;
  const AttrInfo *attr;
} OpInfo;

const OpInfo *op_info(Op op);
const char *op_name(Op op);
/* OP_count if there is none. */
Op op_find(const char *name, size_t n);
bool op_is_terminator(Op op);

#endif
