/* recover.h -- the parts of the pass `recover`. */
#ifndef LATHE_RECOVER_H
#define LATHE_RECOVER_H

#include "passes/rewrite.h"

/* softmax(scale q k' + bias) v -> attention, seen from the last product. */
Value *recover_attention(Builder *b, Node *n);
/* An attention whose mask says no more than causal and window do, or whose keys and values are repeated for groups. */
Value *recover_attention_mask(Builder *b, Node *n);
/* Rotary positions, seen from the sum of what is turned, or from where the parts are joined. */
Value *recover_rope(Builder *b, Node *n);
Value *recover_rope_joined(Builder *b, Node *n);

#endif
