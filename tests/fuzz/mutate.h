/* mutate.h -- small damage to an input, the same for the same seed. */
#ifndef LATHE_MUTATE_H
#define LATHE_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#include "../random.h"

typedef struct Input {
  uint8_t *at;
  size_t n, cap;
} Input;

void input_set(Input *in, const uint8_t *at, size_t n);
/* Several changes to `in`; `other` is another input, to take pieces from. */
void mutate(Input *in, const Input *other, Random *r);
/* The same for a file in protobuf's wire form, which stays well-formed. */
void mutate_wire(Input *in, const Input *other, Random *r);

/* Each target has both: what it does with an input, and how inputs are mutated. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_mutate(Input *in, const Input *other, Random *r);

#endif
