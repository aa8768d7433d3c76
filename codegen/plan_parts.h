/* plan_parts.h -- what the parts of the planner share. */
#ifndef LATHE_PLAN_PARTS_H
#define LATHE_PLAN_PARTS_H

#include "codegen/plan.h"

typedef struct Planner {
  Arena *arena;
  Func *func;
  Diag *diag;
  Plan *plan;
  int *segment; /* by symbol: the one that opens when it is told; NOT_TOLD where it has no value here */
  int launches; /* in this phase */
  bool good;
} Planner;

enum { NOT_TOLD = -1, AT_START = 0 };

/* ---- plan.c ---- */

bool plan_refuse(Planner *p, const Node *n, const char *why);
/* Is it a plain tensor whose sizes are told here? */
bool plan_check_type(Planner *p, Loc loc, const char *what, Type t);
Place *plan_place(const Planner *p, const Value *v);
Dim plan_bytes(const Planner *p, Type t);
/* A block for a value, in the segment that its size asks for, or in `segment` where that is not negative. */
void plan_give_block(Planner *p, const Node *n, const Value *v, int segment);
/* The value is read now. */
void plan_touch(Planner *p, const Value *v);
/* Host and threads meet, so that the host may read and move what has been computed. */
void plan_meet(Planner *p);
PlanStep *plan_add_step(Planner *p, int op, const Node *n);
void plan_block(Planner *p, const Block *b);

/* ---- plan_sizes.c: what is told, and when ---- */

/* The segment that opens when all symbols of the size are told; NOT_TOLD if one is not. */
int plan_segment(const Planner *p, Dim d);
/* `size` is to be `from` (or an element of the step's first value). A symbol that has no value here gets it; else it is
 * checked, unless it says nothing new. */
void plan_let(Planner *p, PlanStep *s, Dim size, Dim from, int element);
/* The sizes of a value that is given another's elements. False: they cannot be told. */
bool plan_let_type(Planner *p, PlanStep *s, const Node *n, Type t, Type from);
/* The symbols that the step tells have values from here on, and blocks that need them get places. */
void plan_told(Planner *p, PlanStep *s);
void plan_bind(Planner *p, const Node *n);
void plan_check(Planner *p, const Node *n);

/* ---- plan_states.c ---- */

void plan_state_argument(Planner *p, const Value *v);
/* Does the node read or change a state that this phase changes, or change one that it reads? */
bool plan_states_wait(const Planner *p, const Node *n);
/* Its states are used, and those that it gives are changed. */
void plan_use_states(Planner *p, const Node *n);
void plan_return_states(Planner *p, const Node *n);

/* ---- plan_control.c ---- */

void plan_if(Planner *p, const Node *n);
void plan_loop(Planner *p, const Node *n);

#endif
