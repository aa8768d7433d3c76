/* plan_control.c -- branches and loops: their steps stand among the others, with jumps between.
 *
 * What a branch or a turn of a loop gives is copied to where its reader looks for it. A loop's carried values are in a segment of
 * their own that has two places: each turn's values are moved from one to the other, so that they can be exchanged. What
 * lives before a loop and is read in it lives until its end. */
#include "codegen/plan_parts.h"
#include "runtime/abi.h"

/* ---- symbols that are told within a region ---- */

static int *keep_told(const Planner *p) {
  int n = p->func->symbols.n, *kept = ARENA_ARRAY(p->arena, int, n + 1);
  if (n) memcpy(kept, p->segment, (size_t)n * sizeof *kept);
  return kept;
}

static void restore_told(Planner *p, const int *kept) {
  int n = p->func->symbols.n;
  if (n) memcpy(p->segment, kept, (size_t)n * sizeof *kept);
}

/* ---- moves ---- */

/* What is moved to where; the places of both are known already. */
static void add_move(Planner *p, PlanStep *s, const Value *to, const Value *from) {
  plan_touch(p, from);
  vec_push(p->arena, &s->values, to);
  vec_push(p->arena, &s->values, from);
  vec_push(p->arena, &s->sizes, plan_bytes(p, to->type));
}

static int here(const Planner *p) { return p->plan->step.n; }

/* Returns the step's number, so that it can be told where to go. */
static int add_jump(Planner *p, int op, const Node *n, const Value *a, const Value *b) {
  plan_meet(p);
  PlanStep *s = plan_add_step(p, op, n);
  const Value *v[] = {a, b};
  for (int i = 0; i < 2; i++) {
    if (!v[i]) continue;
    plan_touch(p, v[i]);
    vec_push(p->arena, &s->values, v[i]);
  }
  return here(p) - 1;
}

static void jump_here(Planner *p, int step) { p->plan->step.at[step].jump = here(p); }

/* ---- if ---- */

/* The results' places are given by the first branch; where both tell a size, the second finds it open, too. */
static void end_branch(Planner *p, const Node *n, int region, const int *kept, PlanStep *first) {
  const Node *yield = block_terminator(n->region[region]);
  plan_meet(p);
  PlanStep s = {.op = LRT_MOVE, .node = n, .opens = region ? first->opens : -1, .turns = -1};
  for (int i = 0; i < n->n_out; i++)
    if (n->out[i]->uses && !plan_let_type(p, &s, n, n->out[i]->type, node_in(yield, i)->type)) return;
  restore_told(p, kept);
  plan_told(p, &s);
  for (int i = 0; i < n->n_out; i++) {
    if (!n->out[i]->uses) continue;
    if (region == 0) plan_give_block(p, n, n->out[i], -1);
    if (p->good) add_move(p, &s, n->out[i], node_in(yield, i));
  }
  vec_push(p->arena, &p->plan->step, s);
  *first = s;
}

void plan_if(Planner *p, const Node *n) {
  int *kept = keep_told(p);
  PlanStep moved;
  int unless = add_jump(p, LRT_UNLESS, n, node_in(n, 0), NULL);
  plan_block(p, n->region[0]);
  end_branch(p, n, 0, kept, &moved);
  int *after = keep_told(p);
  int jump = add_jump(p, LRT_JUMP, n, NULL, NULL);
  jump_here(p, unless);
  restore_told(p, kept);
  plan_block(p, n->region[1]);
  end_branch(p, n, 1, kept, &moved);
  jump_here(p, jump);
  restore_told(p, after);
}

/* ---- loop ---- */

typedef struct Loop {
  const Node *node, *yield;
  const Block *body;
  const int *kept; /* what was told before it */
  int n_carried, n_collected;
  PlanStep enter; /* moves the first values in */
  int zeros;      /* the step that tells sizes of which no turn tells anything */
  int first;      /* the phase it begins in */
} Loop;

static void set_number(Planner *p, const Node *n, const Value *v, int number) {
  PlanStep *s = plan_add_step(p, LRT_SET, n);
  vec_push(p->arena, &s->values, v);
  vec_push(p->arena, &s->sizes, plan_bytes(p, v->type));
  s->jump = number;
}

/* The condition is carried, too; where it is left out, it begins as true. */
static bool enter_loop(Planner *p, Loop *l) {
  const Node *n = l->node;
  Value **arg = l->body->arg;
  PlanStep *s = &l->enter;
  *s = (PlanStep){.op = LRT_MOVE, .node = n, .opens = -1, .turns = p->plan->n_segments++};
  for (int i = 2; i < n->n_in; i++)
    if (!plan_let_type(p, s, n, arg[i]->type, node_in(n, i)->type)) return false;
  plan_told(p, s);
  plan_give_block(p, n, arg[0], -1);
  for (int i = 1; i < n->n_in; i++) plan_give_block(p, n, arg[i], s->turns);
  if (!p->good) return false;
  for (int i = 1; i < n->n_in; i++)
    if (node_in(n, i)) add_move(p, s, arg[i], node_in(n, i));
  vec_push(p->arena, &p->plan->step, *s);
  if (!node_in(n, 1)) set_number(p, n, arg[1], 1);
  set_number(p, n, arg[0], 0);
  return true;
}

static void clear_collected(Planner *p, const Loop *l) {
  for (int i = l->n_carried; i < l->node->n_out; i++) {
    const Value *v = l->node->out[i];
    if (!v->uses) continue;
    *plan_place(p, v) = (Place){.kind = PLACE_GROWN, .at = p->plan->n_grown++};
    PlanStep *s = plan_add_step(p, LRT_CLEAR, l->node);
    vec_push(p->arena, &s->values, v);
  }
}

static void collect(Planner *p, const Loop *l) {
  for (int i = l->n_carried; i < l->node->n_out; i++) {
    const Value *to = l->node->out[i], *from = node_in(l->yield, i + 1);
    if (!to->uses) continue;
    if (dtype_bits(to->type->dtype) < 8) plan_refuse(p, l->node, "collects elements that are narrower than a byte");
    plan_touch(p, from);
    PlanStep *s = plan_add_step(p, LRT_COLLECT, l->node);
    vec_push(p->arena, &s->values, to);
    vec_push(p->arena, &s->values, from);
    vec_push(p->arena, &s->sizes, plan_bytes(p, from->type));
    for (int k = 0; k < from->type->rank; k++) vec_push(p->arena, &s->sizes, from->type->dim[k]);
  }
}

static bool tells(const PlanStep *s, const Symbol *symbol) {
  for (int i = 0; i < s->lets.n; i++)
    if (!s->lets.at[i].check && dim_as_symbol(s->lets.at[i].size) == symbol) return true;
  return false;
}

/* The sizes that the first values told are told anew by the next. */
static void next_size(Planner *p, const Loop *l, PlanStep *s, Dim size, Dim from) {
  const Symbol *symbol = dim_as_symbol(size);
  if (size == from) return;
  bool open = symbol && tells(&l->enter, symbol) && !tells(s, symbol);
  vec_push(p->arena, &s->lets, ((PlanLet){.check = !open, .size = size, .from = from, .element = -1}));
}

static void next_turn(Planner *p, const Loop *l) {
  PlanStep s = {.op = LRT_MOVE, .node = l->node, .opens = l->enter.opens, .turns = l->enter.turns};
  for (int i = 1; i < l->node->n_in; i++) {
    const Value *to = l->body->arg[i], *from = node_in(l->yield, i - 1);
    for (int k = 0; k < to->type->rank; k++) next_size(p, l, &s, to->type->dim[k], from->type->dim[k]);
    add_move(p, &s, to, from);
  }
  vec_push(p->arena, &p->plan->step, s);
  PlanStep *count = plan_add_step(p, LRT_COUNT, l->node);
  vec_push(p->arena, &count->values, l->body->arg[0]);
}

/* What lives before the loop and is read in it is read in each turn. */
static void extend_lives(Planner *p, const Loop *l) {
  for (int i = 0; i < p->plan->block.n; i++) {
    PlanBlock *b = &p->plan->block.at[i];
    if ((b->first < l->first && b->last >= l->first) || b->segment == l->enter.turns) b->last = p->plan->n_phases;
  }
}

/* Symbols that only the loop tells, and that its results' sizes need, keep the values of the last turn. */
static void keep_sizes(Planner *p, const Loop *l, PlanStep *s, Dim d) {
  const Symbol *symbol = d->kind == DIM_KIND_SYMBOL ? d->symbol : NULL;
  if (symbol && l->kept[symbol->index] == NOT_TOLD && p->segment[symbol->index] != NOT_TOLD && !tells(s, symbol))
    vec_push(p->arena, &s->lets, ((PlanLet){.size = d, .from = d, .element = -1}));
  for (int i = 0; i < d->n_terms; i++)
    for (int k = 0; k < d->term[i].n_atoms; k++) keep_sizes(p, l, s, d->term[i].atom[k]);
  if (d->a) keep_sizes(p, l, s, d->a), keep_sizes(p, l, s, d->b);
}

static void tell_results(Planner *p, const Loop *l, PlanStep *s) {
  const Node *n = l->node;
  vec_push(p->arena, &s->values, l->body->arg[0]);
  plan_touch(p, l->body->arg[0]);
  for (int i = 0; i < n->n_out; i++) {
    Type t = n->out[i]->type, from = i < l->n_carried ? l->body->arg[i + 2]->type : node_in(l->yield, i + 1)->type;
    bool collected = i >= l->n_carried;
    if (collected) plan_let(p, s, t->dim[0], NULL, 0);
    for (int k = collected; k < t->rank; k++) {
      keep_sizes(p, l, s, t->dim[k]);
      plan_let(p, s, t->dim[k], from->dim[k - collected], -1);
    }
  }
}

static void zero_sizes(Planner *p, const Loop *l) {
  for (int i = 0; i < p->func->symbols.n; i++) {
    Dim d = dim_symbol(p->func->module->dims, p->func->symbols.at[i]), zero = dim_const(p->func->module->dims, 0);
    if (l->kept[i] != NOT_TOLD || p->segment[i] == NOT_TOLD || tells(&l->enter, p->func->symbols.at[i])) continue;
    vec_push(p->arena, &p->plan->step.at[l->zeros].lets, ((PlanLet){.size = d, .from = zero, .element = -1}));
  }
}

static void leave_loop(Planner *p, const Loop *l) {
  PlanStep s = {.op = LRT_LET, .node = l->node, .opens = -1, .turns = -1};
  tell_results(p, l, &s);
  zero_sizes(p, l);
  restore_told(p, l->kept);
  plan_told(p, &s);
  vec_push(p->arena, &p->plan->step, s);
  for (int i = 0; i < l->n_carried; i++) *plan_place(p, l->node->out[i]) = *plan_place(p, l->body->arg[i + 2]);
}

void plan_loop(Planner *p, const Node *n) {
  Loop l = {.node = n, .body = n->region[0], .yield = block_terminator(n->region[0]), .n_carried = n->n_in - 2};
  l.n_collected = n->n_out - l.n_carried;
  plan_meet(p);
  l.kept = keep_told(p);
  l.first = p->plan->n_phases;
  plan_add_step(p, LRT_LET, n);
  l.zeros = here(p) - 1;
  if (!enter_loop(p, &l)) return;
  clear_collected(p, &l);
  int top = here(p), enough = node_in(n, 0) ? add_jump(p, LRT_TURNS, n, l.body->arg[0], node_in(n, 0)) : -1;
  int unless = add_jump(p, LRT_UNLESS, n, l.body->arg[1], NULL);
  plan_block(p, l.body);
  plan_meet(p);
  collect(p, &l);
  next_turn(p, &l);
  int again = add_jump(p, LRT_JUMP, n, NULL, NULL);
  p->plan->step.at[again].jump = top;
  if (enough >= 0) jump_here(p, enough);
  jump_here(p, unless);
  extend_lives(p, &l);
  leave_loop(p, &l);
}
