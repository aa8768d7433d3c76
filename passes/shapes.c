/* shapes.c -- replaces shape arithmetic by symbolic sizes, and sizes known only to the data by known ones.
 *
 * Exporters compute shapes with tensors: Shape, Gather, Concat, Reshape. Where the contents of such a tensor can be traced
 * to sizes, one `dims` takes its place, and what it shaped gets a better type. One walk forward does both, since a
 * better type is there before whatever depends on it: a symbol that stood for a size that has become known is replaced
 * from there on. */
#include "ir/infer.h"
#include "passes/pass.h"

typedef struct Walk {
  Module *module;
  Func *func;
  Dim *with; /* [symbols]: what a derived symbol turned out to be, or NULL */
  int n_with;
  bool changed;
} Walk;

/* ---- better types ---- */

static Dim resolve(Walk *w, Dim d) { return dim_substitute(w->module->dims, d, w->with, w->n_with); }

static Type resolve_type(Walk *w, Type t) {
  Dim dim[MAX_RANK];
  if (t->kind != TYPE_TENSOR || type_is_static(t)) return t;
  for (int i = 0; i < t->rank; i++) dim[i] = resolve(w, t->dim[i]);
  return type_with_dims(w->module->types, t, t->rank, dim);
}

static void resolve_value(Walk *w, Value *v) {
  Type t = resolve_type(w, v->type);
  if (t == v->type) return;
  v->type = t;
  w->changed = true;
}

static void resolve_sizes(Walk *w, Attr *a) {
  Dim *d = ARENA_ARRAY(w->module->arena, Dim, a->dims.n);
  for (int i = 0; i < a->dims.n; i++) d[i] = resolve(w, a->dims.at[i]);
  a->dims.at = d;
}

/* A derived symbol that inference can now express becomes that expression. It must not mention the symbol itself. */
static void learn(Walk *w, Type had, Type found) {
  for (int i = 0; i < had->rank; i++) {
    const Symbol *s = dim_as_symbol(had->dim[i]);
    if (!s || !s->derived || s->index >= w->n_with || w->with[s->index]) continue;
    if (dim_is_unknown(found->dim[i]) || found->dim[i] == had->dim[i]) continue;
    w->with[s->index] = found->dim[i];
  }
}

static void infer_again(Walk *w, Node *n) {
  Type in[64], out[64];
  if (n->n_in > 64 || n->n_out > 64 || n->n_out == 0 || !op_info(n->op)->infer) return;
  for (int i = 0; i < n->n_in; i++) in[i] = node_in(n, i) ? node_in(n, i)->type : NULL;
  if (!infer_run(&(Infer){.module = w->module, .node = n, .diag = w->module->diag, .in = in, .out = out})) return;
  for (int i = 0; i < n->n_out; i++) {
    Value *v = n->out[i];
    if (v->type->kind != TYPE_TENSOR || type_refines(v->type, out[i]) || v->type->rank != out[i]->rank) continue;
    learn(w, v->type, out[i]);
    Dim dim[MAX_RANK];
    for (int k = 0; k < v->type->rank; k++) dim[k] = dim_is_unknown(out[i]->dim[k]) ? v->type->dim[k] : out[i]->dim[k];
    v->type = type_with_dims(w->module->types, v->type, v->type->rank, dim);
    w->changed = true;
  }
}

/* ---- contents ---- */

enum { MAX_CONTENTS = 4 * MAX_RANK };

static bool is_shape_like(const Value *v) {
  return v->type->kind == TYPE_TENSOR && v->type->dtype == DT_i64 && v->type->rank <= 1 && type_is_static(v->type);
}

/* A vector becomes `dims`, which is a const where all is known; a scalar, a const if it is known. */
static Value *contents(Walk *w, Node *n, int count, const Dim *dim) {
  Builder b = {.module = w->module, .func = w->func, .block = n->block, .before = n, .loc = n->loc};
  if (n->out[0]->type->rank == 1) {
    bool all_const = true;
    for (int i = 0; i < count; i++) all_const &= dim_is_const(dim[i]);
    if (n->op == OP_dims && !all_const) return NULL;
    return build_dims(&b, count, dim);
  }
  return dim_is_const(dim[0]) ? build_scalar_i(&b, DT_i64, dim[0]->constant) : NULL;
}

static void replace_contents(Walk *w, Node *n) {
  Dim dim[MAX_CONTENTS];
  int count;
  if (n->op == OP_const || n->n_out != 1 || n->n_regions || !is_shape_like(n->out[0]) || !value_has_uses(n->out[0])) return;
  if (!value_dims(w->module, n->out[0], MAX_CONTENTS, dim, &count)) return;
  for (int i = 0; i < count; i++)
    if (dim_is_unknown(dim[i])) return;
  Value *v = contents(w, n, count, dim);
  if (!v) return;
  value_replace(n->out[0], v);
  node_remove(n);
  w->changed = true;
}

/* ---- the walk ---- */

static void walk_block(Walk *w, Block *b) {
  for (int i = 0; i < b->n_args; i++) resolve_value(w, b->arg[i]);
  for (Node *n = b->first, *next; n; n = next) {
    next = n->next;
    for (int i = 0; i < op_info(n->op)->n_attrs; i++)
      if (op_info(n->op)->attr[i].kind == AK_DIMS) resolve_sizes(w, node_attr(n, i));
    for (int i = 0; i < n->n_regions; i++) walk_block(w, n->region[i]);
    for (int i = 0; i < n->n_out; i++) resolve_value(w, n->out[i]);
    infer_again(w, n);
    replace_contents(w, n);
  }
}

bool pass_shapes(PassCall *c, Func *f) {
  Walk w = {.module = c->module, .func = f, .n_with = f->symbols.n};
  w.with = ARENA_ARRAY(c->scratch, Dim, w.n_with + 1);
  walk_block(&w, f->body);
  for (int i = 0; i < f->n_results; i++) f->result[i] = resolve_type(&w, f->result[i]);
  return w.changed;
}
