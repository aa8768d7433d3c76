/* eval_plan.h -- what the evaluator works out about a body before it runs it: where values are kept, and until when. */
#ifndef LATHE_EVAL_PLAN_H
#define LATHE_EVAL_PLAN_H

#include "ir/eval.h"

typedef struct BlockPlan BlockPlan;

typedef struct NodePlan {
  const Node *node;
  int n_dying;
  int *dying;                  /* slots that no later node of the block reads */
  BlockPlan **region;          /* of its regions */
  Tensor **in, **out, **yield; /* room for its operands, its results, and those of its widest region */
  Type *type_in, *type_out;
} NodePlan;

struct BlockPlan {
  const Block *block;
  Type *type; /* of its arguments */
  int n;
  NodePlan *node;
  int slot_from, slot_to; /* of the values of this block and of those within it */
};

/* Numbers the values of a body (value->number is the slot). `n_slots` is how many there are. */
BlockPlan *eval_plan(Arena *a, const Block *body, int *n_slots);

#endif
