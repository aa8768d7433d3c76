/* copy.c -- copies of functions. */
#include "ir/copy.h"

#include "ir/bind.h"

typedef struct Copy {
  Func *from, *to;
  Dim *with;    /* by the symbol's index: its copy */
  Value **made; /* by Value.number */
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

static void copy_symbols(const Copy *c) {
  for (int i = 0; i < c->from->symbols.n; i++) {
    const Symbol *s = c->from->symbols.at[i];
    Symbol *twin = func_add_symbol(c->to, s->name, s->capacity);
    twin->derived = s->derived;
    c->with[i] = dim_symbol(c->from->module->dims, twin);
  }
}

/* ---- nodes ---- */

static void copy_value(const Copy *c, const Value *v, Value *twin) {
  twin->type = v->type;
  twin->name = v->name;
  c->made[v->number] = twin;
}

static void copy_block(const Copy *c, const Block *b, Block *to);

static void copy_node(const Copy *c, const Node *n, Block *to) {
  Node *twin = node_new(c->to, n->op, n->n_in, n->n_out, n->n_regions, n->loc);
  for (int i = 0; i < n->n_in; i++)
    if (node_in(n, i)) node_set_in(twin, i, c->made[node_in(n, i)->number]);
  for (int i = 0; i < op_info(n->op)->n_attrs; i++) twin->attr[i] = n->attr[i];
  for (int i = 0; i < n->n_out; i++) copy_value(c, n->out[i], twin->out[i]);
  for (int i = 0; i < n->n_regions; i++) copy_block(c, n->region[i], twin->region[i]);
  node_append(to, twin);
}

static void copy_block(const Copy *c, const Block *b, Block *to) {
  for (int i = 0; i < b->n_args; i++) copy_value(c, b->arg[i], block_add_arg(to, b->arg[i]->type, NULL));
  for (const Node *n = b->first; n; n = n->next) copy_node(c, n, to);
}

Func *func_copy(Func *f, const char *name) {
  Arena *a = f->module->arena;
  Copy c = {.from = f, .to = module_add_func(f->module, name, f->level)};
  c.with = ARENA_ARRAY(a, Dim, f->symbols.n);
  c.made = ARENA_ARRAY(a, Value *, number_values(f->body, 0));
  c.to->loc = f->loc;
  c.to->launch = f->launch;
  c.to->target = f->target;
  c.to->numerics = f->numerics;
  copy_symbols(&c);
  copy_block(&c, f->body, c.to->body);
  func_set_results(c.to, f->n_results, f->result, f->result_name);
  func_substitute(c.to, c.with);
  return c.to;
}
