/* infer.h -- from the types of operands to the types of results: one function an op serves building, verifying and
 * evaluating.
 *
 * While a program is built, operands have types with symbolic dims, and the contents of integer operands are known only
 * where they can be traced to constants and `dims`. While it is evaluated, types are concrete and every operand's
 * contents are there, so the same function then says exactly how large each result is. */
#ifndef LATHE_INFER_H
#define LATHE_INFER_H

#include "ir/ir.h"

/* What inference has taken to be so, since nothing shows otherwise: that a is b, or (broadcast) 1. */
typedef struct Assumption {
  Dim a, b;
  bool broadcast;
} Assumption;

typedef struct Assumptions {
  Arena *arena;
  VEC(Assumption) list;
} Assumptions;

struct Infer {
  Module *module;
  const Node *node;
  Diag *diag;
  const Type *in;              /* operand types; NULL where left out */
  const Tensor *const *value;  /* when evaluating: operand contents; else NULL */
  Type *out;                   /* to be filled in, one a result */
  Assumptions *assumed;        /* where they go, or NULL */
};

/* Reports at the node's place and returns false. */
bool infer_error(Infer *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* An operand's type; NULL where it is left out, at the end, too. */
static inline Type infer_in(const Infer *c, int i) { return i < c->node->n_in ? c->in[i] : NULL; }

/* The operand is a tensor that is not encoded, or an error. */
bool infer_plain(Infer *c, int operand);
/* Sets a result to a tensor; an error if its rank is past MAX_RANK or a size is negative. */
bool infer_result(Infer *c, int result, Dtype t, int rank, const Dim *dim);

/* The contents of an integer operand of rank 0 or 1, as dims: all of them where the length is static (elements may still
 * be DIM_UNKNOWN); false, silently, where even the length is not known or exceeds `max`. */
bool infer_ints(Infer *c, int operand, int max, Dim *out, int *n);
/* axis in [-rank, rank) to [0, rank), or an error. */
bool infer_axis(Infer *c, int64_t axis, int rank, int *out);
/* NumPy's broadcasting; UNKNOWN where two dims may differ. */
bool infer_broadcast(Infer *c, Type a, Type b, int *rank, Dim *dim);
bool infer_broadcast_dim(Infer *c, Dim a, Dim b, Dim *out);
/* Both are the same, may be the same (one unknown or symbolic), or an error naming both. */
bool infer_same_dim(Infer *c, Dim a, Dim b, const char *what);
/* The same for a size that broadcasts to another: it may be 1, too. */
bool infer_fits_dim(Infer *c, Dim own, Dim to, const char *what);
/* Notes that two sizes are taken to be equal; broadcast: or the first to be 1. */
void infer_assume(Infer *c, Dim a, Dim b, bool broadcast);

/* What an operand must be; one that is left out passes. Errors name the operand by its number and by `what`. */
bool infer_float(Infer *c, int operand, const char *what);   /* plain floats, not encoded */
bool infer_integer(Infer *c, int operand, const char *what); /* plain integers */

/* Sizes by letter, as the docs in ops.def write them: infer_shape(c, &l, 1, "k", "bgtd") checks that operand 1 has four
 * axes, binds the letters that are new, and demands of the others what they are bound to. `~` after a letter: the size
 * may also be 1; a `1`: it must be. */
typedef struct ShapeLetters {
  Dim dim[26]; /* NULL: not bound yet */
} ShapeLetters;
bool infer_shape(Infer *c, ShapeLetters *l, int operand, const char *what, const char *pattern);
#define letter_dim(l, ch) ((l)->dim[(ch) - 'a'])

/* Are the sizes of the results known before the node runs? Not where one has a symbol for what only the data tells, and
 * neither the operands' types nor what stands before the node (a `bind`, above all) have it: the node itself says what it
 * is. */
bool infer_sizes_known(const Node *n);

/* The dims that an integer value holds, traced through the ops that make shapes. */
bool value_dims(Module *m, const Value *v, int max, Dim *out, int *n);

/* Runs the op's inference for types that are known: the core of node_infer() and of the evaluator. */
bool infer_run(Infer *c);

#endif
