/* copy.c -- copies of functions. */
#include "ir/copy.h"

#include "ir/bind.h"

typedef struct Copy {
  Func *from, *to;
  const Dim *with; /* by the symbol's index: its copy */
  Value **made;    /* by Value.number */
  bool names;      /* of values are kept */
} Copy;

/* ---- numbering ---- */

static int number_values(Block *b, int n) {
  for (int i = 0; i < b->n_args; i++) b->arg[i]->number = n++;
  for (Node *node = b->first; node; node = node->next) {
    for (int i = 0; i < node->n_out; i++) node->out[i]->number = n++;
    for (int i = 0; i < node->n_regions; i++) n = number_values(node->region[i], n);
  }
  return n;
}

/* ---- sizes ---- */

static const Dim *copy_symbols(const Func *from, Func *to) {
  Dim *with = ARENA_ARRAY(to->module->arena, Dim, from->symbols.n);
  for (int i = 0; i < from->symbols.n; i++) {
    const Symbol *s = from->symbols.at[i];
    Symbol *twin = func_add_symbol(to, s->name, s->capacity);
    twin->derived = s->derived;
    with[i] = dim_symbol(from->module->dims, twin);
  }
  return with;
}

static Type copied_type(const Copy *c, Type t) { return type_substitute(c->to->module, t, c->with, c->from->symbols.n); }

/* ---- nodes ---- */

static void copy_value(const Copy *c, const Value *v, Value *twin) {
  twin->type = copied_type(c, v->type);
  if (c->names) twin->name = v->name;
  c->made[v->number] = twin;
}

static void copy_block(const Copy *c, const Block *b, Block *to);

static Node *copy_node(const Copy *c, const Node *n) {
  Node *twin = node_new(c->to, n->op, n->n_in, n->n_out, n->n_regions, n->loc);
  for (int i = 0; i < n->n_in; i++)
    if (node_in(n, i)) node_set_in(twin, i, c->made[node_in(n, i)->number]);
  for (int i = 0; i < op_info(n->op)->n_attrs; i++) twin->attr[i] = n->attr[i];
  node_substitute(c->to->module, twin, c->with, c->from->symbols.n);
  for (int i = 0; i < n->n_out; i++) copy_value(c, n->out[i], twin->out[i]);
  for (int i = 0; i < n->n_regions; i++) copy_block(c, n->region[i], twin->region[i]);
  return twin;
}

static void copy_block(const Copy *c, const Block *b, Block *to) {
  for (int i = 0; i < b->n_args; i++) copy_value(c, b->arg[i], block_add_arg(to, b->arg[i]->type, NULL));
  for (const Node *n = b->first; n; n = n->next) node_append(to, copy_node(c, n));
}

static Copy new_copy(Func *from, Func *to, const Dim *with) {
  Arena *a = to->module->arena;
  return (Copy){.from = from, .to = to, .with = with, .made = ARENA_ARRAY(a, Value *, number_values(from->body, 0))};
}

Func *func_copy(Func *f, const char *name) {
  Func *to = module_add_func(f->module, name, f->level);
  Copy c = new_copy(f, to, copy_symbols(f, to));
  c.names = true;
  to->loc = f->loc;
  to->launch = f->launch;
  to->target = f->target;
  to->numerics = f->numerics;
  copy_block(&c, f->body, to->body);
  func_set_results(to, f->n_results, f->result, f->result_name);
  for (int i = 0; i < to->n_results; i++) to->result[i] = copied_type(&c, to->result[i]);
  return to;
}

void block_copy_before(Node *at, Func *callee, const Dim *with, Value **result) {
  Copy c = new_copy(callee, at->block->func, with);
  const Node *end = block_terminator(callee->body);
  for (int i = 0; i < at->n_in; i++) c.made[callee->body->arg[i]->number] = node_in(at, i);
  for (const Node *n = callee->body->first; n != end; n = n->next) node_insert_before(at, copy_node(&c, n));
  for (int i = 0; i < end->n_in; i++) result[i] = c.made[node_in(end, i)->number];
}
