/* eval.h -- reference semantics: runs a function on tensors, one node after another, in plain C.
 *
 * This is the oracle of the tests and folds constants; it is meant to be read, not to be fast. Arithmetic on floats is
 * in double and rounded to the result's type once an op. */
#ifndef LATHE_EVAL_H
#define LATHE_EVAL_H

#include "ir/interp.h"
#include "ir/ir.h"

/* A concrete value. Elements are packed as dtype.h says; of an encoded tensor, `data` holds the codes, and `scale` and
 * `zero` the rest. Reference counted, since constants and reshapes share. */
struct Tensor {
  int refs;
  Dtype dtype;
  bool encoded;
  Encoding enc;
  int rank;
  int64_t dim[MAX_RANK];
  int64_t count; /* elements */
  void *data;
  Tensor *owner; /* whose memory `data` is, when not its own; NULL and !owned: mapped or static memory */
  bool owned;
  struct Budget *budget; /* what its own memory counts against, or NULL */
  Tensor *scale, *zero;
  struct StateValue *state; /* of a value of state type, which has no data */
};

/* An instance of a state. Fields are [batch, capacity, row..]; rows are found by state_row(). */
typedef struct StateValue {
  State *decl;
  int64_t *length; /* [batch] */
  int64_t *first;  /* [batch]: positions before it have been overwritten, and a shorter length brings none back */
  Tensor **field;
} StateValue;

typedef struct Evaluator Evaluator;

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
/* Gives a CONSTANT_BOUND its value, before anything is run; false after a diag_error if it is of another type. */
bool eval_bind(Evaluator *e, const Constant *c, Tensor *value);
/* One node without regions on given operands (not const, dims or call), for folding. Results are the caller's. */
bool eval_node(Evaluator *e, const Node *n, Tensor *const *in, Tensor **out);

/* ---- tensors ---- */

/* Zeroed; NULL after an error when the evaluator's memory bound or the size type is exceeded. e may be NULL: no bound. */
Tensor *tensor_new(Evaluator *e, Dtype t, int rank, const int64_t *dim);
Tensor *tensor_over(Dtype t, int rank, const int64_t *dim, const void *data); /* borrows static or mapped memory */
Tensor *tensor_like(Evaluator *e, Type concrete);
Tensor *tensor_view(Tensor *t, int rank, const int64_t *dim); /* the same elements in another shape: shares the memory */
Tensor *tensor_ref(Tensor *t);
void tensor_release(Tensor *t);
Type tensor_type(Module *m, const Tensor *t);
static inline double tensor_f(const Tensor *t, int64_t i) { return dtype_get_f(t->dtype, t->data, i); }
static inline int64_t tensor_i(const Tensor *t, int64_t i) { return dtype_get_i(t->dtype, t->data, i); }
/* n numbers from element `from` on, and back, rounded to the tensor's type; reading decodes. */
void tensor_read_f(const Tensor *t, int64_t from, int64_t n, double *to);
void tensor_write_f(Tensor *t, int64_t from, int64_t n, const double *v);
/* An encoded tensor's number at i: scale * (code - zero). */
double tensor_decoded(const Tensor *t, int64_t i);

/* A fresh, empty state, and a copy; NULL after an error. */
Tensor *tensor_state(Evaluator *e, State *s);
Tensor *tensor_state_copy(Evaluator *e, const StateValue *s);

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

/* ---- scalars: shared by eval_elementwise, the kernel interpreter and folding ---- */

/* One element of an elementwise op. `in` are the operands' bits in types `t_in`; the result's bits are in `t_out`. The
 * node gives the attributes. */
uint64_t scalar_apply(const Node *n, int n_in, const Dtype *t_in, const uint64_t *in, Dtype t_out);

/* The same for a run of elements: in[k] has `count` of them, at most SCALAR_BLOCK. */
enum { SCALAR_BLOCK = 256 };
void scalar_block(const Node *n, int n_in, const Dtype *t_in, const uint64_t *const *in, Dtype t_out, uint64_t *out,
                  int count);

/* ---- cost ---- */

/* What a node does for the current values of its types' dims: by value, so exact for static shapes; symbols count as
 * their capacity or, without one, as 1. */
struct Cost {
  double flops;
  double bytes_read, bytes_written;
};
void cost_node(const Node *n, Cost *c);

#endif
