/* scalar.h -- elementwise ops on single numbers: shared by the evaluator, the kernel interpreter and folding. */
#ifndef LATHE_SCALAR_H
#define LATHE_SCALAR_H

#include "ir/ir.h"

/* One element of an elementwise op. `in` are the operands' bits in types `t_in`; the result's bits are in `t_out`. The
 * node gives the attributes. */
uint64_t scalar_apply(const Node *n, int n_in, const Dtype *t_in, const uint64_t *in, Dtype t_out);

/* The same for a run of elements: in[k] has `count` of them, at most SCALAR_BLOCK. */
enum { SCALAR_BLOCK = 256 };
void scalar_block(const Node *n, int n_in, const Dtype *t_in, const uint64_t *const *in, Dtype t_out, uint64_t *out,
                  int count);

#endif
