/* func.c -- functions, blocks, nodes and values: making them, and moving them about. */
#include <stdio.h>

#include "ir/fatal.h"
#include "ir/ir.h"

/* ---- numerics ---- */

static const char *const numerics_names[] = {
#define MODE(name) #name,
    NUMERICS(MODE)
#undef MODE
};

const char *numerics_name(Numerics n) { return numerics_names[n]; }

bool numerics_find(const char *name, Numerics *out) {
  for (int i = 0; i < NUMERICS_count; i++) {
    *out = (Numerics)i;
    if (strcmp(numerics_names[i], name) == 0) return true;
  }
  return false;
}

/* ---- symbols ---- */

Symbol *func_find_symbol(const Func *f, const char *name) {
  for (int i = 0; i < f->symbols.n; i++)
    if (strcmp(f->symbols.at[i]->name, name) == 0) return f->symbols.at[i];
  return NULL;
}

Symbol *func_add_symbol(Func *f, const char *name, int64_t capacity) {
  Arena *a = f->module->arena;
  Symbol *s = ARENA_NEW(a, Symbol);
  *s = (Symbol){arena_string(a, name, strlen(name)), f->symbols.n, capacity, false};
  vec_push(a, &f->symbols, s);
  return s;
}

/* Fresh names carry their index, which no other fresh name has, so one look is nearly always enough. */
Symbol *func_fresh_symbol(Func *f, const char *hint) {
  char *name = arena_printf(f->module->arena, "%s%d", hint, f->symbols.n);
  while (f->symbols.n < 1000 && func_find_symbol(f, name)) name = arena_printf(f->module->arena, "%s_", name);
  Symbol *s = func_add_symbol(f, name, DIM_NO_CAPACITY);
  s->derived = true;
  return s;
}

void func_set_results(Func *f, int n, const Type *t, const char *const *name) {
  Arena *a = f->module->arena;
  f->n_results = n;
  f->result = ARENA_ARRAY(a, Type, n);
  f->result_name = ARENA_ARRAY(a, const char *, n);
  for (int i = 0; i < n; i++) {
    f->result[i] = t[i];
    if (name && name[i]) f->result_name[i] = arena_string(a, name[i], strlen(name[i]));
  }
}

/* ---- blocks ---- */

Block *block_new(Func *f, Node *parent) {
  Block *b = ARENA_NEW(f->module->arena, Block);
  b->func = f;
  b->parent = parent;
  return b;
}

/* Arguments are added one by one, so the array grows by doubling: at each power of two. */
Value *block_add_arg(Block *b, Type t, const char *name) {
  Arena *a = b->func->module->arena;
  Value *v = ARENA_NEW(a, Value);
  *v = (Value){.type = t, .block = b, .index = b->n_args};
  if (name) v->name = arena_string(a, name, strlen(name));
  if ((b->n_args & (b->n_args - 1)) == 0) {
    Value **arg = ARENA_ARRAY(a, Value *, b->n_args ? 2 * b->n_args : 1);
    if (b->n_args) memcpy(arg, b->arg, (size_t)b->n_args * sizeof *arg);
    b->arg = arg;
  }
  b->arg[b->n_args++] = v;
  return v;
}

Node *block_terminator(const Block *b) { return b->last && op_is_terminator(b->last->op) ? b->last : NULL; }

/* ---- nodes ---- */

static Attr attr_default(const AttrInfo *info) {
  if (info->required) return (Attr){0};
  if (info->kind == AK_FLOAT) return (Attr){.f = info->dflt};
  if (info->kind == AK_INT || info->kind == AK_BOOL || info->kind == AK_DTYPE) return (Attr){.i = (int64_t)info->dflt};
  return (Attr){0};
}

bool attr_is_default(const Node *n, int slot) {
  const AttrInfo *info = &op_info(n->op)->attr[slot];
  Attr d = attr_default(info);
  const Attr *v = &n->attr[slot];
  if (info->required) return false;
  switch (info->kind) {
  case AK_INT: case AK_BOOL: case AK_DTYPE: return v->i == d.i;
  case AK_FLOAT: return memcmp(&v->f, &d.f, sizeof d.f) == 0;
  case AK_STR: return v->s == NULL;
  case AK_INTS: return v->ints.n == 0;
  case AK_FLOATS: return v->floats.n == 0;
  case AK_DIMS: return v->dims.n == 0;
  case AK_CONST: return v->constant == NULL;
  case AK_FUNC: return v->func == NULL;
  case AK_STATE: break;
  }
  return v->state == NULL;
}

Node *node_new(Func *f, Op op, int n_in, int n_out, int n_regions, Loc loc) {
  Arena *a = f->module->arena;
  const OpInfo *info = op_info(op);
  Node *n = ARENA_NEW(a, Node);
  *n = (Node){.op = op, .loc = loc, .n_in = n_in, .n_out = n_out, .n_regions = n_regions};
  n->in = ARENA_ARRAY(a, Use, n_in);
  n->out = ARENA_ARRAY(a, Value *, n_out);
  n->attr = ARENA_ARRAY(a, Attr, info->n_attrs);
  n->region = ARENA_ARRAY(a, Block *, n_regions);
  for (int i = 0; i < n_in; i++) n->in[i].user = n;
  for (int i = 0; i < n_out; i++) {
    n->out[i] = ARENA_NEW(a, Value);
    *n->out[i] = (Value){.def = n, .index = i};
  }
  for (int i = 0; i < info->n_attrs; i++) n->attr[i] = attr_default(&info->attr[i]);
  for (int i = 0; i < n_regions; i++) n->region[i] = block_new(f, n);
  return n;
}

static void use_drop(Use *u) {
  if (!u->value) return;
  *u->link = u->next;
  if (u->next) u->next->link = u->link;
  u->value = NULL;
}

void node_set_in(Node *n, int i, Value *v) {
  ensure(i >= 0 && i < n->n_in);
  Use *u = &n->in[i];
  use_drop(u);
  if (!v) return;
  u->value = v;
  u->next = v->uses;
  u->link = &v->uses;
  if (u->next) u->next->link = &u->next;
  v->uses = u;
}

static void link_before(Block *b, Node *at, Node *n) {
  n->block = b;
  n->next = at;
  n->prev = at ? at->prev : b->last;
  *(n->prev ? &n->prev->next : &b->first) = n;
  *(at ? &at->prev : &b->last) = n;
  for (int i = 0; i < n->n_out; i++) n->out[i]->block = b;
}

void node_append(Block *b, Node *n) { link_before(b, NULL, n); }
void node_insert_before(Node *at, Node *n) { link_before(at->block, at, n); }

void node_detach(Node *n) {
  *(n->prev ? &n->prev->next : &n->block->first) = n->next;
  *(n->next ? &n->next->prev : &n->block->last) = n->prev;
  n->prev = n->next = NULL;
  n->block = NULL;
}

/* A region goes with its node, from the last node to the first, so that nothing removed is still used. */
static void drop_uses(Node *n) {
  for (int i = 0; i < n->n_regions; i++)
    for (Node *inner = n->region[i]->last; inner; inner = inner->prev) drop_uses(inner);
  for (int i = 0; i < n->n_in; i++) use_drop(&n->in[i]);
}

void node_remove(Node *n) {
  for (int i = 0; i < n->n_out; i++) ensure(!n->out[i]->uses);
  drop_uses(n);
  if (n->block) node_detach(n);
}

Func *node_func(const Node *n) { return n->block ? n->block->func : NULL; }

void value_replace(Value *old, Value *with) {
  if (old == with) return;
  while (old->uses) {
    Use *u = old->uses;
    node_set_in(u->user, (int)(u - u->user->in), with);
  }
}

bool value_has_uses(const Value *v) { return v->uses != NULL; }

Constant *value_constant(const Value *v) {
  return v && v->def && v->def->op == OP_const ? node_attr(v->def, attr_slot(const, value))->constant : NULL;
}
