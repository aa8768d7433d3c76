/* levels.c -- makes a copy of each function for each level of processors that the program is made for.
 *
 * From here on a function knows its target, and is laid out, lowered and emitted for it alone. The first level's functions keep
 * their names, the others' have the level's behind them; calls go to functions of the same level. */
#include "passes/levels.h"

#include "ir/copy.h"
#include "passes/pass.h"

typedef VEC(Func *) Funcs;

/* ---- copies ---- */

static const char *level_name(const Func *f, const Target *t) {
  return arena_printf(f->module->arena, "%s.%s", f->name, t->name);
}

Func *level_func(Func *f, const Target *t) {
  Func *copy = f->target == t ? f : module_find_func(f->module, level_name(f, t));
  return copy && copy->target == t ? copy : NULL;
}

static Func *at_level(Func *f, const Target *t) {
  Func *copy = func_copy(f, level_name(f, t));
  copy->target = t;
  return copy;
}

/* ---- calls ---- */

static void call_level(Block *b, const Funcs *from, Func *const *to) {
  for (Node *n = b->first; n; n = n->next) {
    for (int i = 0; i < n->n_regions; i++) call_level(n->region[i], from, to);
    Attr *callee = n->op == OP_call ? node_attr(n, attr_slot(call, func)) : NULL;
    for (int i = 0; callee && i < from->n; i++)
      if (callee->func == from->at[i]) {
        callee->func = to[i];
        break;
      }
  }
}

/* One call does all functions. */
bool pass_levels(PassCall *c, Func *f) {
  Module *m = c->module;
  Funcs from = {0};
  for (int i = 0; i < m->funcs.n; i++)
    if (m->funcs.at[i]->level == LEVEL_TENSOR && !m->funcs.at[i]->target) vec_push(c->scratch, &from, m->funcs.at[i]);
  if (c->n_targets == 0 || from.n == 0 || f != from.at[0]) return false;
  for (int k = 1; k < c->n_targets; k++) {
    Func **to = ARENA_ARRAY(c->scratch, Func *, from.n);
    for (int i = 0; i < from.n; i++) to[i] = at_level(from.at[i], c->target[k]);
    for (int i = 0; i < from.n; i++) call_level(to[i]->body, &from, to);
  }
  for (int i = 0; i < from.n; i++) from.at[i]->target = c->target[0];
  return true;
}
