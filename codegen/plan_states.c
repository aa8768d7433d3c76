/* plan_states.c -- states: memory that a session keeps between its runs, and that kernels change in place.
 *
 * There is one instance of each state that the function takes. So what is given out in the end must be what came in, changed; and
 * nothing may look at a state as it was before a change, since it is not there any more. */
#include "codegen/plan_parts.h"
#include "ir/fatal.h"

/* ---- what the function takes ---- */

/* A piece of memory for each field, and one for the lengths. */
void plan_state_argument(Planner *p, const Value *v) {
  const State *s = v->type->state;
  DimPool *pool = p->func->module->dims;
  *plan_place(p, v) = (Place){.kind = PLACE_STATE, .at = p->plan->part.n};
  for (int i = 0; i < type_memories(v->type); i++) {
    Dim n = dim_const(pool, s->batch);
    if (i < s->n_fields) n = dim_mul(pool, n, dim_const(pool, s->capacity));
    for (int k = 0; i < s->n_fields && k < s->field[i].rank; k++) n = dim_mul(pool, n, dim_const(pool, s->field[i].dim[k]));
    Dim bytes = dim_mul(pool, n, dim_const(pool, dtype_bits(type_memory(v->type, i)) / 8));
    vec_push(p->arena, &p->plan->part, ((PlanPart){.state = v, .part = i, .bytes = bytes, .now = v, .read = -1, .written = -1}));
  }
}

/* ---- what a launch does with them ---- */

/* The state behind an operand: itself, or what it is a view of; NULL if it is neither. */
static const Value *state_behind(const Value *v) {
  while (v->def && plan_is_view(v->def->op)) v = node_in(v->def, 0);
  return v->type->kind == TYPE_STATE ? v : NULL;
}

static PlanPart *first_part(const Planner *p, const Value *state) {
  const Place *at = plan_place(p, state);
  return at->kind == PLACE_STATE ? &p->plan->part.at[at->at] : NULL;
}

static const Value *changed(const Node *n, const Value *state) {
  for (int i = 0; i < n->n_out; i++)
    if (n->out[i]->type == state->type) return n->out[i];
  return NULL;
}

bool plan_states_wait(const Planner *p, const Node *n) {
  int now = p->plan->n_phases;
  for (int i = 0; i < n->n_in; i++) {
    const Value *s = node_in(n, i) ? state_behind(node_in(n, i)) : NULL;
    const PlanPart *part = s ? first_part(p, s) : NULL;
    if (part && (part->written == now || (part->read == now && changed(n, s)))) return true;
  }
  return false;
}

static void use_state(Planner *p, const Node *n, const Value *s) {
  PlanPart *part = first_part(p, s);
  if (!part) return;
  if (part->now != s) {
    plan_refuse(p, n, "uses a state as it was before it was changed, and a program keeps one instance of each");
    return;
  }
  part->read = p->plan->n_phases;
}

void plan_use_states(Planner *p, const Node *n) {
  for (int i = 0; i < n->n_in; i++) {
    const Value *s = node_in(n, i) ? state_behind(node_in(n, i)) : NULL;
    if (s) use_state(p, n, s);
  }
  for (int i = 0; i < n->n_in && n->op == OP_launch; i++) {
    const Value *s = node_in(n, i), *next = s && s->type->kind == TYPE_STATE ? changed(n, s) : NULL;
    PlanPart *part = next ? first_part(p, s) : NULL;
    if (!part) continue;
    *plan_place(p, next) = *plan_place(p, s);
    part->now = next;
    part->written = p->plan->n_phases;
  }
}

/* ---- what the function gives ---- */

/* The first state that it gives is the first that it takes, and so on. */
void plan_return_states(Planner *p, const Node *n) {
  const Block *b = p->func->body;
  int arg = 0;
  for (int i = 0; i < n->n_in; i++) {
    const Value *v = node_in(n, i);
    if (v->type->kind != TYPE_STATE) continue;
    while (arg < b->n_args && b->arg[arg]->type->kind != TYPE_STATE) arg++;
    const PlanPart *part = first_part(p, v);
    if (part && (arg == b->n_args || part->state != b->arg[arg]))
      plan_refuse(p, n, "gives states in another order than the function takes them");
    arg++;
  }
}
