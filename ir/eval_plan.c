/* eval_plan.c -- what the evaluator works out about a body before it runs it: where values are kept, and until when.
 *
 * A value dies at the last node of its own block that reads it, be it within a region of that node: a loop's body may
 * read it again in the next iteration. Walking in order with the current node of every enclosing block at hand, each
 * use simply overwrites its value's last reader. */
#include "ir/eval_plan.h"

#include "ir/fatal.h"

typedef struct Slot {
  int level; /* of its block */
  int last;  /* the node of its block that reads it last, or -1 */
} Slot;

typedef struct Planner {
  Arena *arena;
  VEC(Slot) slots;
  VEC(int) current; /* by level: the node that is being walked */
} Planner;

static void number(Planner *p, Value *v, int level) {
  v->number = p->slots.n;
  vec_push(p->arena, &p->slots, ((Slot){level, -1}));
}

static void read_operands(Planner *p, const Node *n) {
  for (int i = 0; i < n->n_in; i++) {
    const Value *v = n->in[i].value;
    if (!v) continue;
    ensure(v->number >= 0 && v->number < p->slots.n);
    Slot *s = &p->slots.at[v->number];
    s->last = p->current.at[s->level];
  }
}

static void each_own_value(Planner *p, BlockPlan *b, void (*visit)(Planner *, BlockPlan *, const Value *)) {
  for (int i = 0; i < b->block->n_args; i++) visit(p, b, b->block->arg[i]);
  for (int k = 0; k < b->n; k++)
    for (int i = 0; i < b->node[k].node->n_out; i++) visit(p, b, b->node[k].node->out[i]);
}

static void count_death(Planner *p, BlockPlan *b, const Value *v) {
  int last = p->slots.at[v->number].last;
  if (last >= 0) b->node[last].n_dying++;
}

static void note_death(Planner *p, BlockPlan *b, const Value *v) {
  int last = p->slots.at[v->number].last;
  if (last >= 0) b->node[last].dying[b->node[last].n_dying++] = v->number;
}

static void plan_deaths(Planner *p, BlockPlan *b) {
  each_own_value(p, b, count_death);
  for (int k = 0; k < b->n; k++) {
    b->node[k].dying = ARENA_ARRAY(p->arena, int, b->node[k].n_dying);
    b->node[k].n_dying = 0;
  }
  each_own_value(p, b, note_death);
}

static BlockPlan *plan_block(Planner *p, const Block *block, int level);

static void plan_node(Planner *p, NodePlan *np, const Node *n, int level) {
  Arena *a = p->arena;
  int yields = 0;
  *np = (NodePlan){.node = n};
  read_operands(p, n);
  np->region = ARENA_ARRAY(a, BlockPlan *, n->n_regions);
  for (int i = 0; i < n->n_regions; i++) {
    const Node *end = block_terminator(n->region[i]);
    np->region[i] = plan_block(p, n->region[i], level + 1);
    if (end && end->n_in > yields) yields = end->n_in;
  }
  np->in = ARENA_ARRAY(a, Tensor *, n->n_in);
  np->out = ARENA_ARRAY(a, Tensor *, n->n_out);
  np->yield = ARENA_ARRAY(a, Tensor *, yields);
  np->type_in = ARENA_ARRAY(a, Type, n->n_in);
  np->type_out = ARENA_ARRAY(a, Type, n->n_out);
  for (int i = 0; i < n->n_out; i++) number(p, n->out[i], level);
}

static BlockPlan *plan_block(Planner *p, const Block *block, int level) {
  BlockPlan *b = ARENA_NEW(p->arena, BlockPlan);
  *b = (BlockPlan){.block = block, .slot_from = p->slots.n};
  b->type = ARENA_ARRAY(p->arena, Type, block->n_args);
  for (int i = 0; i < block->n_args; i++) {
    b->type[i] = block->arg[i]->type;
    number(p, block->arg[i], level);
  }
  for (const Node *n = block->first; n; n = n->next) b->n++;
  b->node = ARENA_ARRAY(p->arena, NodePlan, b->n);
  if (level == p->current.n) vec_push(p->arena, &p->current, 0);
  int k = 0;
  for (const Node *n = block->first; n; n = n->next, k++) {
    p->current.at[level] = k;
    plan_node(p, &b->node[k], n, level);
  }
  b->slot_to = p->slots.n;
  plan_deaths(p, b);
  return b;
}

BlockPlan *eval_plan(Arena *a, const Block *body, int *n_slots) {
  Planner p = {.arena = a};
  BlockPlan *b = plan_block(&p, body, 0);
  *n_slots = p.slots.n;
  return b;
}
