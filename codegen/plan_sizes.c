/* plan_sizes.c -- which sizes are told when: at the start by the inputs, or later by what has been computed.
 *
 * A symbol that is told later opens a segment: the blocks whose sizes need it (and no symbol told later still) get their
 * places then. What can be told and checked at the start is, so that nothing runs before an error that could be known. */
#include "codegen/plan_parts.h"
#include "ir/infer.h"
#include "runtime/abi.h"

static int later(int a, int b) { return a == NOT_TOLD || b == NOT_TOLD ? NOT_TOLD : a > b ? a : b; }

int plan_segment(const Planner *p, Dim d) {
  int at = AT_START;
  if (d->kind == DIM_KIND_SYMBOL) return p->segment[d->symbol->index];
  for (int i = 0; i < d->n_terms; i++)
    for (int k = 0; k < d->term[i].n_atoms; k++) at = later(at, plan_segment(p, d->term[i].atom[k]));
  if (d->a) at = later(at, later(plan_segment(p, d->a), plan_segment(p, d->b)));
  return at;
}

/* ---- steps that tell sizes ---- */

static bool is_told_by(const PlanStep *s, const Symbol *symbol) {
  for (int i = 0; i < s->lets.n; i++)
    if (!s->lets.at[i].check && dim_as_symbol(s->lets.at[i].size) == symbol) return true;
  return false;
}

void plan_let(Planner *p, PlanStep *s, Dim size, Dim from, int element) {
  const Symbol *symbol = dim_as_symbol(size);
  bool open = symbol && p->segment[symbol->index] == NOT_TOLD && !is_told_by(s, symbol);
  if (size == from && !open) return;
  vec_push(p->arena, &s->lets, ((PlanLet){.check = !open, .size = size, .from = from, .element = element}));
}

void plan_told(Planner *p, PlanStep *s) {
  for (int i = 0; i < s->lets.n; i++) {
    if (s->lets.at[i].check) continue;
    if (s->opens < 0) s->opens = p->plan->n_segments++;
    p->segment[dim_as_symbol(s->lets.at[i].size)->index] = s->opens;
  }
}

bool plan_let_type(Planner *p, PlanStep *s, const Node *n, Type t, Type from) {
  for (int i = 0; i < t->rank; i++) {
    const Symbol *symbol = dim_as_symbol(t->dim[i]);
    if (plan_segment(p, from->dim[i]) == NOT_TOLD || (!symbol && plan_segment(p, t->dim[i]) == NOT_TOLD))
      return plan_refuse(p, n, arena_printf(p->arena, "has the size %s, and nothing tells it", dim_text(p->arena, t->dim[i])));
    plan_let(p, s, t->dim[i], from->dim[i], -1);
  }
  return true;
}

/* ---- bind and check ---- */

/* Sizes that are made of sizes need no memory; where all are known at the start, and the node runs for sure, they are told there. */
static bool bind_sizes(Planner *p, const Node *n) {
  const Attr *sizes = node_attr(n, attr_slot(bind, sizes));
  Dim *from = ARENA_ARRAY(p->arena, Dim, sizes->dims.n + 1);
  int count;
  if (!value_dims(p->func->module, node_in(n, 0), sizes->dims.n, from, &count)) return false;
  bool early = !n->block->parent;
  for (int i = 0; i < count; i++) {
    if (dim_is_unknown(from[i]) || plan_segment(p, from[i]) == NOT_TOLD) return false;
    early &= plan_segment(p, from[i]) == AT_START;
  }
  PlanStep s = {.op = LRT_LET, .node = n, .opens = early ? AT_START : -1, .turns = -1};
  for (int i = 0; i < count; i++) plan_let(p, &s, sizes->dims.at[i], from[i], -1);
  plan_told(p, &s);
  if (s.lets.n) vec_push(p->arena, early ? &p->plan->start : &p->plan->step, s);
  return true;
}

void plan_bind(Planner *p, const Node *n) {
  const Attr *sizes = node_attr(n, attr_slot(bind, sizes));
  if (bind_sizes(p, n)) return;
  plan_meet(p);
  plan_touch(p, node_in(n, 0));
  PlanStep *s = plan_add_step(p, LRT_LET, n);
  vec_push(p->arena, &s->values, node_in(n, 0));
  for (int i = 0; i < sizes->dims.n; i++) plan_let(p, s, sizes->dims.at[i], NULL, i);
  plan_told(p, s);
  for (int i = 0; i < sizes->dims.n; i++)
    if (plan_segment(p, sizes->dims.at[i]) == NOT_TOLD) plan_refuse(p, n, "tells a size by one that nothing tells");
}

void plan_check(Planner *p, const Node *n) {
  const Attr *sizes = node_attr(n, attr_slot(check, sizes));
  PlanStep s = {.op = LRT_CHECK, .node = n, .opens = -1, .turns = -1, .broadcast = node_bool(n, check, broadcast)};
  int at = AT_START;
  for (int i = 0; i < sizes->dims.n; i++) {
    at = later(at, plan_segment(p, sizes->dims.at[i]));
    vec_push(p->arena, &s.sizes, sizes->dims.at[i]);
  }
  if (at == NOT_TOLD) plan_refuse(p, n, "needs a size that nothing tells");
  bool early = at == AT_START && !n->block->parent;
  vec_push(p->arena, early ? &p->plan->start : &p->plan->step, s);
}
