/* plan.h -- in which order a lowered function runs, which launches need not wait for each other, and how long each
 * value lives.
 *
 * Sizes are symbols here, so the plan says when a value is in use and how many bytes it takes; the runtime, which knows
 * the sizes, gives it its place (docs/decisions/). */
#ifndef LATHE_PLAN_H
#define LATHE_PLAN_H

#include "ir/ir.h"

typedef enum PlaceKind { PLACE_NONE, PLACE_INPUT, PLACE_ARENA, PLACE_CONSTANT, PLACE_GROWN, PLACE_STATE, PLACE_PART } PlaceKind;

typedef struct Place {
  PlaceKind kind;
  int at; /* the input, the block, which of the grown values, a state's first part, or one part */
  Constant *constant;
} Place;

/* A part of the arena, in use from phase `first` to phase `last`. It is given its place when its segment opens, that is
 * when its size is known: segment 0 opens before the first step. */
typedef struct PlanBlock {
  Dim bytes;
  int first, last, segment;
} PlanBlock;

/* Sizes told while the function runs: `size`, a symbol's own, gets the value; or (check) it must have it. The value is
 * element `element` of the step's first value, or where that is negative, the size `from`. */
typedef struct PlanLet {
  bool check;
  Dim size, from;
  int element;
} PlanLet;

/* What happens, in the terms of runtime/abi.h. */
typedef struct PlanStep {
  int op; /* LRT_LAUNCH, ... */
  const Node *node;
  VEC(const Value *) values;
  VEC(Dim) sizes;
  VEC(PlanLet) lets;
  int jump;   /* to which step; or the count's start */
  int opens;  /* the segment whose blocks are placed now, or -1 */
  int turns;  /* the segment of a loop's carried values, which change places, or -1 */
  bool broadcast;
} PlanStep;

/* A piece of a state's memory: a field, or behind these the lengths. */
typedef struct PlanPart {
  const Value *state; /* the function's argument */
  int part;
  Dim bytes;
  const Value *now;  /* of the first part: what the state is at this point; and the phases in which it was last read and written */
  int read, written;
} PlanPart;

typedef VEC(PlanStep) PlanSteps;

typedef struct Plan {
  PlanSteps start; /* what is told and checked before anything else is done */
  PlanSteps step;
  VEC(PlanBlock) block;
  VEC(PlanPart) part;
  Place *place; /* by Value.number; a value that nothing reads has none */
  int n_values, n_phases, n_segments, n_grown;
} Plan;

/* A step for which the host does nothing but to know where its result is. */
bool plan_is_view(Op op);

/* Plans the function, whose values it numbers; false after a diag_error for each node that no program can run. */
bool plan_func(Arena *a, Func *f, Diag *d, Plan *p);

#endif
