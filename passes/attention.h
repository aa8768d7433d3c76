/* attention.h -- what the ways of lowering attention share: row by row, and in tiles. */
#ifndef LATHE_ATTENTION_H
#define LATHE_ATTENTION_H

#include "passes/lower.h"

/* [b, h, s, t]: what the bias broadcasts to, and where lengths and offsets find their sequences. */
Type attention_scores_type(Kernel *k, const Node *n);

/* How many keys there are; and do they lie in panels of STATE_PANEL? */
Dim attention_keys(const Node *n);
bool attention_turned(const Node *n);

/* The sequence whose keys and values go with row b of q. */
Value *attention_sequence(Kernel *k, const Node *n, Value *b);

/* The keys (of a ring: the positions) [*from, *to) that lengths, causality and window let row i of sequence b see, as i64 that are
 * not negative. `from` may be past `to`. */
void attention_visible_keys(Kernel *k, const Node *n, Value *b, Value *i, Value **from, Value **to);

/* The first position that a ring still holds for row b of q, as i64. */
Value *attention_ring_start(Kernel *k, const Node *n, Value *b);

/* What scores are multiplied by, as a number of type t. */
Value *attention_scale(Kernel *k, const Node *n, Dtype t);

/* The whole kernel in tiles of vectors; false, with nothing written, where the target or the types have none. */
bool lower_attention_tiles(Kernel *k, const Node *n);

#endif
