/* plan.h -- in which order a lowered function runs, which launches need not wait for each other, and how long each
 * value lives.
 *
 * Sizes are symbols here, so the plan says when a value is in use and how many bytes it takes; the runtime, which knows
 * the sizes, gives it its place (docs/decisions/). */
#ifndef LATHE_PLAN_H
#define LATHE_PLAN_H

#include "ir/ir.h"

typedef enum PlaceKind { PLACE_NONE, PLACE_INPUT, PLACE_ARENA, PLACE_CONSTANT } PlaceKind;

typedef struct Place {
  PlaceKind kind;
  int at; /* the argument, or the block */
  Constant *constant;
} Place;

/* A part of the arena, in use from phase `first` to phase `last`. */
typedef struct PlanBlock {
  Dim bytes;
  int first, last;
} PlanBlock;

typedef struct Plan {
  VEC(const Node *) step; /* `launch` and `dims`; NULL: the phase ends */
  VEC(PlanBlock) block;
  Place *place; /* by Value.number; a value that nothing reads has none */
  int n_values, n_phases;
} Plan;

/* A step for which the host does nothing but to know where its result is. */
bool plan_is_view(Op op);

/* Plans the function, whose values it numbers; false after a diag_error for each node that no program can run. */
bool plan_func(Arena *a, Func *f, Diag *d, Plan *p);

#endif
