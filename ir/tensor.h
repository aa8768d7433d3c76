/* tensor.h -- concrete values: what the evaluator computes with, folding keeps, and files hold. */
#ifndef LATHE_TENSOR_H
#define LATHE_TENSOR_H

#include "ir/ir.h"

typedef struct Evaluator Evaluator; /* whose --max-memory new tensors count against */

/* A concrete value. Elements are packed as dtype.h says; of an encoded tensor, `data` holds the codes, and `scale` and
 * `zero` the rest. Reference counted, since constants and reshapes share. */
enum { TENSOR_ALIGN = 64 }; /* bytes that its memory is at a multiple of, as a program's is: kernels rely on it */

struct Tensor {
  int refs;
  Dtype dtype;
  bool encoded;
  Encoding enc;
  int rank;
  int64_t dim[MAX_RANK];
  int64_t count; /* elements */
  void *data;
  Tensor *owner; /* whose memory `data` is, when not its own; NULL and not owned: mapped or static memory */
  void *owned;   /* what `data` is the aligned part of, or NULL */
  struct Budget *budget; /* what its own memory counts against, or NULL */
  Tensor *scale, *zero;
  struct StateValue *state; /* of a value of state type, which has no data */
};

/* An instance of a state. Fields are [batch, row's first axis, capacity, its others..]; rows are found by
 * state_row(), and elements by state_offset(). */
typedef struct StateValue {
  State *decl;
  int64_t *length; /* [batch] */
  int64_t *first;  /* [batch]: positions before it have been overwritten, and a shorter length brings none back */
  Tensor **field;
} StateValue;

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

#endif
