/* plan.c -- in which order a lowered function runs, which launches need not wait for each other, and how long each
 * value lives.
 *
 * The order is that of the text. A phase grows until a launch reads what the phase itself has made; lives are counted in
 * phases, so memory is given to another value only when all threads are done with the first. */
#include "codegen/plan.h"

#include "codegen/emit.h"
#include "codegen/plan_parts.h"
#include "ir/fatal.h"
#include "runtime/abi.h"

bool plan_is_view(Op op) { return op == OP_reshape || op == OP_squeeze || op == OP_unsqueeze || op == OP_debug_name || op == OP_state_view; }

/* ---- what no program can run ---- */

bool plan_refuse(Planner *p, const Node *n, const char *why) {
  p->good = false;
  return diag_error(p->diag, n->loc, "`%s` %s", op_name(n->op), why);
}

enum { MAX_DEPTH = 16 }; /* so that the runtime's stack is deep enough for any size */

static bool check_dim(Planner *p, Loc loc, const char *what, Dim d) {
  if (!dim_is_unknown(d) && d->depth <= MAX_DEPTH && plan_segment(p, d) != NOT_TOLD) return true;
  p->good = false;
  return diag_error(p->diag, loc, "%s has the size %s, which nothing tells before it is needed", what, dim_text(p->arena, d));
}

bool plan_check_type(Planner *p, Loc loc, const char *what, Type t) {
  bool good = t->kind == TYPE_TENSOR && !t->encoded;
  if (!good) p->good = diag_error(p->diag, loc, "%s is of type %s, which programs do not have yet", what, type_text(p->arena, t));
  for (int i = 0; good && i < t->rank; i++) good = check_dim(p, loc, what, t->dim[i]);
  return good;
}

static void check_dims(Planner *p, const Node *n, const Attr *a) {
  for (int i = 0; i < a->dims.n; i++) check_dim(p, n->loc, op_name(n->op), a->dims.at[i]);
}

/* ---- places ---- */

Place *plan_place(const Planner *p, const Value *v) { return &p->plan->place[v->number]; }

/* Does anything read the elements? The shape that a view is given is not read, since its type has the sizes. */
static bool is_read(const Value *v) {
  for (const Use *u = v->uses; u; u = u->next) {
    if (!plan_is_view(u->user->op)) return true;
    if (u == &u->user->in[0] && is_read(u->user->out[0])) return true;
  }
  return false;
}

Dim plan_bytes(const Planner *p, Type t) {
  DimPool *pool = p->func->module->dims;
  Dim n = type_elements(pool, t);
  int bits = dtype_bits(t->dtype);
  if (bits % 8 == 0) return dim_mul(pool, n, dim_const(pool, bits / 8));
  return dim_ceildiv(pool, dim_mul(pool, n, dim_const(pool, bits)), dim_const(pool, 8));
}

void plan_give_block(Planner *p, const Node *n, const Value *v, int segment) {
  Plan *plan = p->plan;
  Dim bytes = plan_bytes(p, v->type);
  if (!plan_check_type(p, n->loc, "a result", v->type) || !check_dim(p, n->loc, "a result", bytes)) return;
  if (segment < 0) segment = plan_segment(p, bytes);
  *plan_place(p, v) = (Place){.kind = PLACE_ARENA, .at = plan->block.n};
  PlanBlock b = {.bytes = bytes, .first = plan->n_phases, .last = plan->n_phases, .segment = segment};
  vec_push(p->arena, &plan->block, b);
}

static PlanBlock *block_of(const Planner *p, const Value *v) {
  const Place *at = plan_place(p, v);
  return at->kind == PLACE_ARENA ? &p->plan->block.at[at->at] : NULL;
}

void plan_touch(Planner *p, const Value *v) {
  PlanBlock *b = block_of(p, v);
  if (b) b->last = p->plan->n_phases;
}

static void touch_operands(Planner *p, const Node *n) {
  for (int i = 0; i < n->n_in; i++)
    if (node_in(n, i)) plan_touch(p, node_in(n, i));
}

/* ---- steps and phases ---- */

PlanStep *plan_add_step(Planner *p, int op, const Node *n) {
  Plan *plan = p->plan;
  vec_push(p->arena, &plan->step, ((PlanStep){.op = op, .node = n, .opens = -1, .turns = -1}));
  return &plan->step.at[plan->step.n - 1];
}

void plan_meet(Planner *p) {
  if (p->launches == 0) return;
  plan_add_step(p, LRT_MEET, NULL);
  p->plan->n_phases++;
  p->launches = 0;
}

/* What the host writes is there at once; what is launched only in the next phase. */
static bool waits_for(const Planner *p, const Node *n) {
  for (int i = 0; i < n->n_in; i++) {
    const Value *v = node_in(n, i);
    while (v->def && plan_is_view(v->def->op)) v = node_in(v->def, 0);
    const PlanBlock *b = block_of(p, v);
    if (b && b->first == p->plan->n_phases && v->def && v->def->op == OP_launch) return true;
  }
  return false;
}

static void plan_launch(Planner *p, const Node *n) {
  check_dims(p, n, node_attr(n, attr_slot(launch, grid)));
  check_dims(p, n, node_attr(n, attr_slot(launch, sizes)));
  if (p->launches == LRT_PHASE || waits_for(p, n) || plan_states_wait(p, n)) plan_meet(p);
  touch_operands(p, n);
  plan_use_states(p, n);
  for (int i = 0; i < n->n_out; i++)
    if (n->out[i]->type->kind != TYPE_STATE) plan_give_block(p, n, n->out[i], -1);
  plan_add_step(p, LRT_LAUNCH, n);
  p->launches++;
}

static void plan_constant(Planner *p, const Node *n) {
  Constant *c = node_attr(n, attr_slot(const, value))->constant;
  if (c->kind == CONSTANT_BOUND) plan_refuse(p, n, "is given at run time, which programs do not have yet");
  else if (c->type->encoded) plan_refuse(p, n, arena_printf(p->arena, "is of type %s, which programs do not have yet", type_text(p->arena, c->type)));
  *plan_place(p, n->out[0]) = (Place){.kind = PLACE_CONSTANT, .constant = c};
}

static void plan_view(Planner *p, const Node *n) {
  if (!plan_check_type(p, n->loc, "a result", n->out[0]->type)) return;
  Place at = *plan_place(p, node_in(n, 0));
  if (n->op == OP_state_view && at.kind == PLACE_STATE) at = (Place){PLACE_PART, at.at + (int)node_int(n, state_view, field), NULL};
  *plan_place(p, n->out[0]) = at;
}

static void plan_node(Planner *p, const Node *n) {
  switch (n->op) {
  case OP_launch: plan_launch(p, n); break;
  case OP_const:
    if (is_read(n->out[0])) plan_constant(p, n);
    break;
  case OP_dims:
    if (!is_read(n->out[0])) break;
    check_dims(p, n, node_attr(n, attr_slot(dims, sizes)));
    plan_give_block(p, n, n->out[0], -1);
    plan_add_step(p, LRT_SIZES, n);
    break;
  case OP_bind: plan_bind(p, n); break;
  case OP_check: plan_check(p, n); break;
  case OP_if: plan_if(p, n); break;
  case OP_loop: plan_loop(p, n); break;
  case OP_yield: break;
  case OP_return:
    touch_operands(p, n);
    plan_use_states(p, n);
    plan_return_states(p, n);
    break;
  default:
    if (plan_is_view(n->op)) plan_view(p, n);
    else plan_refuse(p, n, "cannot be compiled yet");
  }
}

void plan_block(Planner *p, const Block *b) {
  for (const Node *n = b->first; n; n = n->next) plan_node(p, n);
}

/* Inputs tell the symbols that stand alone among their sizes. */
static void tell_inputs(Planner *p) {
  const Block *b = p->func->body;
  for (int i = 0; i < p->func->symbols.n; i++) p->segment[i] = NOT_TOLD;
  for (int i = 0; i < b->n_args; i++)
    for (int k = 0; k < b->arg[i]->type->rank; k++) {
      const Symbol *s = dim_as_symbol(b->arg[i]->type->dim[k]);
      if (s) p->segment[s->index] = AT_START;
    }
}

bool plan_func(Arena *a, Func *f, Diag *d, Plan *plan) {
  Planner p = {.arena = a, .func = f, .diag = d, .plan = plan, .good = true};
  *plan = (Plan){.n_values = emit_number_values(f), .n_segments = 1};
  plan->place = ARENA_ARRAY(a, Place, plan->n_values);
  p.segment = ARENA_ARRAY(a, int, f->symbols.n + 1);
  tell_inputs(&p);
  for (int i = 0, inputs = 0; i < f->body->n_args; i++) {
    const Value *v = f->body->arg[i];
    if (v->type->kind == TYPE_STATE) {
      plan_state_argument(&p, v);
      continue;
    }
    plan_check_type(&p, f->loc, arena_printf(a, "input `%s`", v->name ? v->name : ""), v->type);
    *plan_place(&p, v) = (Place){.kind = PLACE_INPUT, .at = inputs++};
  }
  plan_block(&p, f->body);
  return p.good;
}
