/* plan.c -- in which order a lowered function runs, which launches need not wait for each other, and how long each
 * value lives.
 *
 * The order is that of the text. A phase grows until a launch reads what the phase itself has made; lives are counted in
 * phases, so memory is given to another value only when all threads are done with the first. */
#include "codegen/plan.h"

#include "codegen/emit.h"
#include "ir/fatal.h"
#include "runtime/abi.h"

typedef struct Planner {
  Arena *arena;
  Func *func;
  Diag *diag;
  Plan *plan;
  int launches; /* in this phase */
  bool good;
} Planner;

bool plan_is_view(Op op) { return op == OP_reshape || op == OP_squeeze || op == OP_unsqueeze || op == OP_debug_name; }

/* ---- what no program can run ---- */

static bool refuse(Planner *p, const Node *n, const char *why) {
  p->good = false;
  return diag_error(p->diag, n->loc, "`%s` %s", op_name(n->op), why);
}

/* A symbol that the arguments do not bind, within a size. */
static const Symbol *unbound_symbol(const Func *f, Dim d) {
  const Symbol *s = NULL;
  if (d->kind == DIM_KIND_SYMBOL) {
    for (int i = 0; i < f->body->n_args; i++)
      for (int k = 0; k < f->body->arg[i]->type->rank; k++)
        if (dim_as_symbol(f->body->arg[i]->type->dim[k]) == d->symbol) return NULL;
    return d->symbol;
  }
  for (int i = 0; i < d->n_terms; i++)
    for (int k = 0; k < d->term[i].n_atoms && !s; k++) s = unbound_symbol(f, d->term[i].atom[k]);
  if (!s && d->a) s = unbound_symbol(f, d->a);
  if (!s && d->b) s = unbound_symbol(f, d->b);
  return s;
}

enum { MAX_DEPTH = 16 }; /* so that the runtime's stack is deep enough for any size */

static bool check_dim(Planner *p, Loc loc, const char *what, Dim d) {
  const Symbol *s = dim_is_unknown(d) ? NULL : unbound_symbol(p->func, d);
  if (!s && !dim_is_unknown(d) && d->depth <= MAX_DEPTH) return true;
  p->good = false;
  if (!s) return diag_error(p->diag, loc, "%s has the size %s, which is not to be had when the program starts", what, dim_text(p->arena, d));
  return diag_error(p->diag, loc, "%s has the size %s, and %s tells `%s`", what, dim_text(p->arena, d),
                    s->derived ? "only the data" : "no input", s->name);
}

static bool check_type(Planner *p, Loc loc, const char *what, Type t) {
  bool good = t->kind == TYPE_TENSOR && !t->encoded;
  if (!good) p->good = diag_error(p->diag, loc, "%s is of type %s, which programs do not have yet", what, type_text(p->arena, t));
  for (int i = 0; good && i < t->rank; i++) good = check_dim(p, loc, what, t->dim[i]);
  return good;
}

static void check_dims(Planner *p, const Node *n, const Attr *a) {
  for (int i = 0; i < a->dims.n; i++) check_dim(p, n->loc, op_name(n->op), a->dims.at[i]);
}

/* ---- places ---- */

static Place *place_of(const Planner *p, const Value *v) { return &p->plan->place[v->number]; }

/* Does anything read the elements? The shape that a view is given is not read, since its type has the sizes. */
static bool is_read(const Value *v) {
  for (const Use *u = v->uses; u; u = u->next) {
    if (!plan_is_view(u->user->op)) return true;
    if (u == &u->user->in[0] && is_read(u->user->out[0])) return true;
  }
  return false;
}

static Dim bytes_of(const Planner *p, Type t) {
  DimPool *pool = p->func->module->dims;
  Dim n = type_elements(pool, t);
  int bits = dtype_bits(t->dtype);
  if (bits % 8 == 0) return dim_mul(pool, n, dim_const(pool, bits / 8));
  return dim_ceildiv(pool, dim_mul(pool, n, dim_const(pool, bits)), dim_const(pool, 8));
}

static void give_block(Planner *p, const Node *n, const Value *v) {
  Plan *plan = p->plan;
  Dim bytes = bytes_of(p, v->type);
  if (!check_type(p, n->loc, "a result", v->type) || !check_dim(p, n->loc, "a result", bytes)) return;
  *place_of(p, v) = (Place){.kind = PLACE_ARENA, .at = plan->block.n};
  vec_push(p->arena, &plan->block, ((PlanBlock){.bytes = bytes, .first = plan->n_phases, .last = plan->n_phases}));
}

static PlanBlock *block_of(const Planner *p, const Value *v) {
  const Place *at = place_of(p, v);
  return at->kind == PLACE_ARENA ? &p->plan->block.at[at->at] : NULL;
}

/* ---- phases ---- */

static void end_phase(Planner *p) {
  vec_push(p->arena, &p->plan->step, NULL);
  p->plan->n_phases++;
  p->launches = 0;
}

/* What the host writes is there at once; what is launched only in the next phase. */
static bool waits_for(const Planner *p, const Node *n) {
  for (int i = 0; i < n->n_in; i++) {
    const Value *v = node_in(n, i);
    while (v->def && plan_is_view(v->def->op)) v = node_in(v->def, 0);
    const PlanBlock *b = block_of(p, v);
    if (b && b->first == p->plan->n_phases && v->def->op == OP_launch) return true;
  }
  return false;
}

static void touch_operands(Planner *p, const Node *n) {
  for (int i = 0; i < n->n_in; i++) {
    PlanBlock *b = block_of(p, node_in(n, i));
    if (b) b->last = p->plan->n_phases;
  }
}

static void plan_launch(Planner *p, const Node *n) {
  check_dims(p, n, node_attr(n, attr_slot(launch, grid)));
  check_dims(p, n, node_attr(n, attr_slot(launch, sizes)));
  if (p->launches == LRT_PHASE || waits_for(p, n)) end_phase(p);
  touch_operands(p, n);
  for (int i = 0; i < n->n_out; i++) give_block(p, n, n->out[i]);
  vec_push(p->arena, &p->plan->step, n);
  p->launches++;
}

static void plan_constant(Planner *p, const Node *n) {
  Constant *c = node_attr(n, attr_slot(const, value))->constant;
  if (c->kind == CONSTANT_BOUND) refuse(p, n, "is given at run time, which programs do not have yet");
  else if (c->type->encoded) refuse(p, n, arena_printf(p->arena, "is of type %s, which programs do not have yet", type_text(p->arena, c->type)));
  *place_of(p, n->out[0]) = (Place){.kind = PLACE_CONSTANT, .constant = c};
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
    give_block(p, n, n->out[0]);
    vec_push(p->arena, &p->plan->step, n);
    break;
  case OP_return: touch_operands(p, n); break;
  default:
    if (!plan_is_view(n->op)) refuse(p, n, "cannot be compiled yet");
    else if (check_type(p, n->loc, "a result", n->out[0]->type)) *place_of(p, n->out[0]) = *place_of(p, node_in(n, 0));
  }
}

bool plan_func(Arena *a, Func *f, Diag *d, Plan *plan) {
  Planner p = {.arena = a, .func = f, .diag = d, .plan = plan, .good = true};
  *plan = (Plan){.n_values = emit_number_values(f)};
  plan->place = ARENA_ARRAY(a, Place, plan->n_values);
  for (int i = 0; i < f->body->n_args; i++) {
    const Value *v = f->body->arg[i];
    check_type(&p, f->loc, arena_printf(a, "input `%s`", v->name ? v->name : ""), v->type);
    *place_of(&p, v) = (Place){.kind = PLACE_INPUT, .at = i};
  }
  for (const Node *n = f->body->first; n; n = n->next) plan_node(&p, n);
  return p.good;
}
