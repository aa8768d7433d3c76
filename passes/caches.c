/* caches.c -- makes a copy of each function that has caches for each type that they are to be kept in.
 *
 * What is appended is rounded to that type, once, by casts in the text; attention reads keys and values of any. The first type's
 * functions keep their names, the others' have the type's behind them. Each type has states of its own. */
#include "passes/caches.h"

#include "ir/copy.h"
#include "passes/pass.h"

static bool is_cache(const State *s) {
  if (s->n_fields < 2 || s->addressing == ADDRESS_FIXED) return false;
  for (int i = 0; i < 2; i++) {
    Dtype t = s->field[i].dtype;
    if (s->field[i].rank != 2 || (t != DT_f32 && t != DT_f16 && t != DT_bf16)) return false;
  }
  return true;
}

static bool holds_cache(Type t) { return t->kind == TYPE_STATE && is_cache(t->state); }

Dtype caches_type(const Func *f) {
  for (int i = 0; i < f->body->n_args; i++)
    if (holds_cache(f->body->arg[i]->type)) return f->body->arg[i]->type->state->field[0].dtype;
  return DT_none;
}

static const char *with_type(Module *m, const char *name, Dtype t) { return arena_printf(m->arena, "%s.%s", name, dtype_name(t)); }

Func *caches_func(Func *f, Dtype t) {
  Func *copy = caches_type(f) == t ? f : module_find_func(f->module, with_type(f->module, f->name, t));
  return copy && caches_type(copy) == t ? copy : NULL;
}

/* ---- states ---- */

/* The same state with keys and values of another type. */
static State *state_of_type(Module *m, State *s, Dtype t) {
  if (s->field[0].dtype == t && s->field[1].dtype == t) return s;
  const char *name = with_type(m, s->name, t);
  State *had = module_find_state(m, name);
  if (had) return had;
  State *twin = module_add_state(m, module_free_name(m, name));
  const char *own = twin->name;
  *twin = *s;
  twin->name = own;
  twin->field = ARENA_ARRAY(m->arena, Field, s->n_fields);
  memcpy(twin->field, s->field, (size_t)s->n_fields * sizeof *s->field);
  twin->field[0].dtype = twin->field[1].dtype = t;
  return twin;
}

static Type changed(Module *m, Type t, Dtype to) { return holds_cache(t) ? type_state(m->types, state_of_type(m, t->state, to)) : t; }

/* ---- functions ---- */

/* What is appended comes in the type of the caches. */
static void round_rows(Node *n, Dtype to) {
  Builder b = {.module = node_func(n)->module, .func = node_func(n), .block = n->block, .before = n, .loc = n->loc};
  for (int i = 3; i < 5; i++)
    if (node_in(n, i)->type->dtype != to) node_set_in(n, i, build_cast(&b, node_in(n, i), to));
}

/* What is read goes on in the type that it had. */
static void widen_read(Node *n, Dtype to) {
  Value *v = n->out[0];
  Dtype had = v->type->dtype;
  if (had == to) return;
  Module *m = node_func(n)->module;
  Builder b = {.module = m, .func = node_func(n), .block = n->block, .before = n->next, .loc = n->loc};
  v->type = type_tensor(m->types, to, v->type->rank, v->type->dim);
  Value *wide = build_cast(&b, v, had);
  value_replace(v, wide);
  node_set_in(wide->def, 0, v);
}

static bool reads_cache(const Node *n) {
  if ((n->op != OP_state_read && n->op != OP_state_view) || !is_cache(node_in(n, 0)->type->state)) return false;
  return (n->op == OP_state_read ? node_int(n, state_read, field) : node_int(n, state_view, field)) < 2;
}

static void change_block(Module *m, Block *b, Dtype to) {
  for (int i = 0; i < b->n_args; i++) b->arg[i]->type = changed(m, b->arg[i]->type, to);
  for (Node *n = b->first, *next; n; n = next) {
    next = n->next;
    for (int i = 0; i < n->n_out; i++) n->out[i]->type = changed(m, n->out[i]->type, to);
    for (int i = 0; i < n->n_regions; i++) change_block(m, n->region[i], to);
    if (n->op == OP_state_append && holds_cache(node_in(n, 0)->type)) round_rows(n, to);
    else if (reads_cache(n)) widen_read(n, to);
  }
}

static void change_caches(Func *f, Dtype to) {
  Module *m = f->module;
  change_block(m, f->body, to);
  for (int i = 0; i < f->n_results; i++) f->result[i] = changed(m, f->result[i], to);
}

/* A state that one function gives another would have to change in both. */
static bool passes_states(const Block *b) {
  for (const Node *n = b->first; n; n = n->next) {
    for (int i = 0; i < n->n_in && n->op == OP_call; i++)
      if (node_in(n, i) && node_in(n, i)->type->kind == TYPE_STATE) return true;
    for (int i = 0; i < n->n_regions; i++)
      if (passes_states(n->region[i])) return true;
  }
  return false;
}

typedef VEC(Func *) Funcs;

/* One call does all functions. */
bool pass_caches(PassCall *c, Func *f) {
  Module *m = c->module;
  Funcs from = {0};
  for (int i = 0; i < m->funcs.n; i++) {
    if (passes_states(m->funcs.at[i]->body)) return false;
    if (caches_type(m->funcs.at[i]) != DT_none && !m->funcs.at[i]->target) vec_push(c->scratch, &from, m->funcs.at[i]);
  }
  if (c->n_caches == 0 || from.n == 0 || f != from.at[0]) return false;
  for (int i = 0; i < from.n; i++) {
    for (int k = 1; k < c->n_caches; k++) change_caches(func_copy(from.at[i], with_type(m, from.at[i]->name, c->cache[k])), c->cache[k]);
    change_caches(from.at[i], c->cache[0]);
  }
  return true;
}
