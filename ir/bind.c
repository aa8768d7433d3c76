/* bind.c -- symbolic sizes given values or bounds from outside. */
#include "ir/bind.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* ---- substitution ---- */

Type type_substitute(Module *m, Type t, const Dim *with, int n) {
  Dim dim[MAX_RANK];
  if (t->kind != TYPE_TENSOR) return t;
  for (int i = 0; i < t->rank; i++) dim[i] = dim_substitute(m->dims, t->dim[i], with, n);
  return type_with_dims(m->types, t, t->rank, dim);
}

static void substitute_dims(Module *m, Attr *a, const Dim *with, int n) {
  Dim *d = ARENA_ARRAY(m->arena, Dim, a->dims.n);
  for (int i = 0; i < a->dims.n; i++) d[i] = dim_substitute(m->dims, a->dims.at[i], with, n);
  a->dims.at = d;
}

void node_substitute(Module *m, Node *node, const Dim *with, int n) {
  for (int i = 0; i < op_info(node->op)->n_attrs; i++)
    if (op_info(node->op)->attr[i].kind == AK_DIMS) substitute_dims(m, node_attr(node, i), with, n);
}

static void substitute_block(Func *f, Block *b, const Dim *with) {
  Module *m = f->module;
  for (int i = 0; i < b->n_args; i++) b->arg[i]->type = type_substitute(m, b->arg[i]->type, with, f->symbols.n);
  for (Node *n = b->first; n; n = n->next) {
    node_substitute(m, n, with, f->symbols.n);
    for (int i = 0; i < n->n_out; i++) n->out[i]->type = type_substitute(m, n->out[i]->type, with, f->symbols.n);
    for (int i = 0; i < n->n_regions; i++) substitute_block(f, n->region[i], with);
  }
}

void func_substitute(Func *f, const Dim *with) {
  substitute_block(f, f->body, with);
  for (int i = 0; i < f->n_results; i++) f->result[i] = type_substitute(f->module, f->result[i], with, f->symbols.n);
}

/* ---- from the command line ---- */

static bool bind_symbol(Module *m, Func *f, Symbol *s, const Binding *b) {
  if (s->capacity != DIM_NO_CAPACITY && b->value > s->capacity)
    return diag_error(m->diag, f->loc, "`%s` is at most %" PRId64 " in @%s, and %" PRId64 " was asked for", s->name,
                      s->capacity, f->name, b->value);
  if (b->capacity) return s->capacity = b->value, true;
  Dim *with = ARENA_ARRAY(m->arena, Dim, f->symbols.n);
  with[s->index] = dim_const(m->dims, b->value);
  func_substitute(f, with);
  return true;
}

static bool unknown_symbol(Module *m, const char *name) {
  char *all = "";
  for (int i = 0; i < m->funcs.n; i++)
    for (int k = 0; k < m->funcs.at[i]->symbols.n; k++) {
      const Symbol *s = m->funcs.at[i]->symbols.at[k];
      if (!s->derived) all = arena_printf(m->arena, "%s%s%s", all, *all ? ", " : "", s->name);
    }
  diag_error(m->diag, (Loc){.file = m->source}, "no size is called `%s`", name);
  return *all ? diag_hint(m->diag, "the symbolic sizes are %s", all) : diag_hint(m->diag, "all sizes are fixed");
}

bool binding_parse(Arena *a, Diag *d, const char *text, Binding *b) {
  size_t length = strcspn(text, "<=");
  bool capacity = strncmp(text + length, "<=", 2) == 0;
  const char *number = text + length + (text[length] ? 1 + capacity : 0);
  char *end;
  errno = 0;
  int64_t value = strtoll(number, &end, 10);
  if (length == 0 || end == number || *end || errno || value < 0)
    return diag_misuse(d, "`%s` is not of the form NAME=N or NAME<=N", text);
  *b = (Binding){arena_string(a, text, length), value, capacity};
  return true;
}

bool module_bind(Module *m, const Binding *b) {
  bool found = false, good = true;
  for (int i = 0; i < m->funcs.n; i++) {
    Symbol *s = func_find_symbol(m->funcs.at[i], b->name);
    if (!s || s->derived) continue;
    found = true;
    good &= bind_symbol(m, m->funcs.at[i], s, b);
  }
  return found ? good : unknown_symbol(m, b->name);
}
