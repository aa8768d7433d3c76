/* op.c -- the table of ops, as ops.def gives it. */
#include "ir/op.h"

#include <string.h>

#include "ir/fatal.h"

#define NONE 0
#define REQUIRED NAN
#define MANY OP_MANY

/* What the rows name. A row's NONE is a null function of the right type. */
#define OP(name, level, effect, ni, xi, no, xo, nr, infer, eval, cost, doc) \
  bool infer_##infer(Infer *);                                              \
  bool eval_##eval(EvalCall *);                                             \
  void cost_##cost(const Node *, Cost *);
#define ATTR(...)
#include "ir/ops.def"
#undef OP
#undef ATTR
#define eval_NONE NULL

/* A struct an op with a byte an attribute: its size counts them. */
struct Attrs_start { char first;
#define OP(name, ...) }; struct Attrs_##name { char first;
#define ATTR(op, name, ...) char name;
#include "ir/ops.def"
#undef OP
#undef ATTR
};

/* The attributes of all ops in a row; an op's begin at ATTRS_BEFORE_<op>. */
static const AttrInfo attrs[] = {
#define OP(...)
#define ATTR(op, name, kind, dflt) {#name, AK_##kind, (dflt) != (dflt), (dflt)},
#include "ir/ops.def"
#undef OP
#undef ATTR
    {NULL, AK_INT, false, 0}};

static const OpInfo ops[] = {
#define OP(name, level, effect, ni, xi, no, xo, nr, infer, eval, cost, doc)                             \
  {#name, LEVEL_##level, EFFECT_##effect, ni, xi, no, xo, nr, infer_##infer, eval_##eval, cost_##cost, \
   doc, (int)sizeof(struct Attrs_##name) - 1, &attrs[ATTRS_BEFORE_##name]},
#define ATTR(...)
#include "ir/ops.def"
#undef OP
#undef ATTR
};
_Static_assert(sizeof ops / sizeof *ops == OP_count, "a row an op");

const OpInfo *op_info(Op op) {
  ensure(op < OP_count);
  return &ops[op];
}

const char *op_name(Op op) { return op_info(op)->name; }

Op op_find(const char *name, size_t n) {
  for (int i = 0; i < OP_count; i++)
    if (strlen(ops[i].name) == n && memcmp(ops[i].name, name, n) == 0) return (Op)i;
  return OP_count;
}

bool op_is_terminator(Op op) { return op == OP_return || op == OP_yield; }
