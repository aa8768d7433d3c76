/* recover.h -- the parts of the pass `recover`. */
#ifndef LATHE_RECOVER_H
#define LATHE_RECOVER_H

#include "passes/rewrite.h"

/* softmax(scale q k' + bias) v -> attention, seen from the last product. */
Value *recover_attention(Builder *b, Node *n);

#endif
