/* npy.h -- NumPy's .npy files, read and written. */
#ifndef LATHE_NPY_H
#define LATHE_NPY_H

#include "ir/eval.h"

/* NULL after a diag_error. The caller releases the tensor. */
Tensor *npy_read(Diag *d, const char *path);

/* Types that NumPy lacks are written as the narrowest that holds their numbers: bf16, fp8 and fp4 as f4, 4- and 2-bit
 * integers as i1 or u1. There is never half a file; leaves through fatal_resource when it cannot be written. */
void npy_write(const char *path, const Tensor *t);

#endif
