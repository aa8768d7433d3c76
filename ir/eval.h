/* eval.h -- reference semantics: runs a function on tensors, one node after another, in plain C.
 *
 * This is the oracle of the tests and folds constants; it is meant to be read, not to be fast. Arithmetic on floats is
 * in double and rounded to the result's type once an op. */
#ifndef LATHE_EVAL_H
#define LATHE_EVAL_H

#include "ir/interp.h"
#include "ir/ir.h"
#include "ir/tensor.h"

typedef struct EvalOptions {
  int64_t max_memory; /* bytes of tensors alive at once; 0: no bound */
  int64_t max_steps;  /* nodes run; 0: no bound */
  /* Called for each result of each node, if set: `lathe verify --each` and the tests look at values by name here. It
   * must not print the function, nor change it: the values' numbers are the evaluator's while it runs. */
  void (*watch)(void *ctx, const Node *n, int index, const Tensor *t);
  void *watch_ctx;
  /* Runs a kernel that is launched; NULL: the interpreter. What is compiled is tested in a program's place here. */
  bool (*launch)(void *ctx, Func *kernel, const int64_t grid[3], int n_args, const KernelArg *arg);
  void *launch_ctx;
} EvalOptions;

Evaluator *eval_new(Module *m, EvalOptions o);
void eval_free(Evaluator *e);

/* Runs a function. Arguments are borrowed; an argument of state type may be NULL: a fresh, empty state. Results are the
 * caller's to release. False after a diag_error on the module's diag. */
bool eval_func(Evaluator *e, Func *f, int n_args, Tensor *const *arg, Tensor **result);
/* A constant's value, the caller's to release; splats and expressions are computed (and kept) when first asked for.
 * NULL after a diag_error. */
Tensor *eval_constant(Evaluator *e, Constant *c);
/* Did something fail for want of memory, rather than by the program's fault? */
bool eval_exhausted(const Evaluator *e);
/* Was it the machine's memory, and not max_memory? */
bool eval_out_of_memory(const Evaluator *e);
/* Gives a CONSTANT_BOUND its value, before anything is run; false after a diag_error if it is of another type. */
bool eval_bind(Evaluator *e, const Constant *c, Tensor *value);
/* One node without regions on given operands (not const, dims or call), for folding. Results are the caller's. */
bool eval_node(Evaluator *e, const Node *n, Tensor *const *in, Tensor **out);

/* ---- what an op's eval_<name> gets ---- */

struct EvalCall {
  Evaluator *ev;
  Module *module;
  const Node *node;
  int n_in, n_out;
  Tensor *const *in; /* NULL where left out */
  Tensor **out;      /* allocated by the inferred types, zeroed; state results are NULL: the op sets them */
};
/* An operand with one reference is used by nobody after this node, so a state may be changed in place. An op that only
 * renames memory may release out[0] and set another tensor of that shape (tensor_view). */

/* An operand; NULL where it is left out, at the end, too. */
static inline const Tensor *eval_in(const EvalCall *c, int i) { return i < c->n_in ? c->in[i] : NULL; }

/* Room for n doubles, and a tensor's numbers as doubles; to be released. NULL after an error. */
Tensor *eval_scratch(EvalCall *c, int64_t n);
Tensor *eval_doubles(EvalCall *c, const Tensor *t);

/* Reports at the node's place and returns false. */
bool eval_error(EvalCall *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
