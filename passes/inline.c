/* inline.c -- puts the body of a function in the place of its calls, since compiled programs call nothing.
 *
 * The function's sizes become the caller's: those of the arguments, and for what only the data tells a symbol of its own at each call.
 * A call stays where its sizes do not show this: an argument of 2*n elements alone, or a result whose size the caller knows otherwise. */
#include "ir/bind.h"
#include "ir/copy.h"
#include "passes/pass.h"

/* Calls of calls multiply; what would make a function larger than this stays a call. */
enum { MOST_NODES = 1 << 18 };

typedef struct Inliner {
  PassCall *call;
  Func *func; /* the caller */
  int64_t nodes;
  bool changed;
} Inliner;

static int64_t count_nodes(const Block *b) {
  int64_t n = 0;
  for (const Node *node = b->first; node; node = node->next) {
    n++;
    for (int i = 0; i < node->n_regions; i++) n += count_nodes(node->region[i]);
  }
  return n;
}

/* ---- sizes ---- */

static Dim replaced(const Inliner *l, const Func *callee, Dim d, const Dim *with) {
  return dim_substitute(l->call->module->dims, d, with, callee->symbols.n);
}

/* What the arguments say of the callee's symbols, by index. */
static void bind_arguments(const Node *n, const Func *callee, Dim *with) {
  for (int i = 0; i < n->n_in; i++) {
    Type declared = callee->body->arg[i]->type, given = node_in(n, i)->type;
    for (int k = 0; k < declared->rank; k++) {
      const Symbol *s = dim_as_symbol(declared->dim[k]);
      if (s && !with[s->index]) with[s->index] = given->dim[k];
    }
  }
}

static bool arguments_fit(const Inliner *l, const Node *n, const Func *callee, const Dim *with) {
  for (int i = 0; i < n->n_in; i++) {
    Type declared = callee->body->arg[i]->type, given = node_in(n, i)->type;
    for (int k = 0; k < declared->rank; k++)
      if (replaced(l, callee, declared->dim[k], with) != given->dim[k]) return false;
  }
  return true;
}

static bool speaks_of(const Inliner *l, const Value *v, const Dim *marked) {
  return type_substitute(l->call->module, v->type, marked, l->func->symbols.n) != v->type;
}

/* Does a block speak of the size before it comes to a node? `found` where that was reached. */
static bool is_told_before(const Inliner *l, const Block *b, const Dim *marked, const Node *to, bool *found) {
  for (int i = 0; i < b->n_args; i++)
    if (speaks_of(l, b->arg[i], marked)) return true;
  for (const Node *n = b->first; n && !*found; n = n->next) {
    *found = n == to;
    for (int i = 0; i < n->n_out && !*found; i++)
      if (speaks_of(l, n->out[i], marked)) return true;
    for (int i = 0; i < n->n_regions && !*found; i++)
      if (is_told_before(l, n->region[i], marked, to, found)) return true;
  }
  return false;
}

/* The caller's name of a size that this call is the first to tell. */
static bool can_rename(const Inliner *l, const Node *n, Dim from, Dim to, Dim *renamed) {
  const Symbol *s = dim_as_symbol(from);
  bool found = false;
  if (!s || !s->derived) return false;
  if (renamed[s->index]) return renamed[s->index] == to;
  Dim *marked = ARENA_ARRAY(l->call->scratch, Dim, l->func->symbols.n);
  marked[s->index] = dim_const(l->call->module->dims, 0);
  if (is_told_before(l, l->func->body, marked, n, &found)) return false;
  return renamed[s->index] = to, true;
}

/* A result of the call has the sizes of what the callee returns, or is the first to name them. */
static bool results_fit(const Inliner *l, const Node *n, const Func *callee, const Dim *with, Dim *renamed) {
  const Node *end = block_terminator(callee->body);
  for (int i = 0; i < n->n_out; i++) {
    Type declared = callee->result[i], returned = node_in(end, i)->type, wanted = n->out[i]->type;
    for (int k = 0; k < wanted->rank; k++) {
      const Symbol *first = dim_as_symbol(declared->dim[k]);
      Dim is = replaced(l, callee, returned->dim[k], with);
      if (declared->dim[k] != returned->dim[k] && !(first && first->derived)) return false;
      if (is != wanted->dim[k] && !can_rename(l, n, wanted->dim[k], is, renamed)) return false;
    }
  }
  return true;
}

static bool sizes_told(const Func *callee, const Dim *with) {
  for (int i = 0; i < callee->symbols.n; i++)
    if (!with[i] && !callee->symbols.at[i]->derived) return false;
  return true;
}

static void add_symbols(const Inliner *l, const Func *callee, Dim *with) {
  for (int i = 0; i < callee->symbols.n; i++) {
    if (with[i]) continue;
    Symbol *s = func_fresh_symbol(l->func, callee->symbols.at[i]->name);
    s->capacity = callee->symbols.at[i]->capacity;
    with[i] = dim_symbol(l->call->module->dims, s);
  }
}

/* ---- calls ---- */

/* Returns where to go on: calls that came with the body are next. */
static Node *inline_call(Inliner *l, Node *n) {
  Func *callee = node_attr(n, attr_slot(call, func))->func;
  Arena *a = l->call->scratch;
  Dim *with = ARENA_ARRAY(a, Dim, callee->symbols.n);
  int64_t more = count_nodes(callee->body);
  Node *before = n->prev, *next = n->next;
  Block *b = n->block;
  if (l->nodes + more > MOST_NODES) return next;
  bind_arguments(n, callee, with);
  if (!sizes_told(callee, with) || !arguments_fit(l, n, callee, with)) return next;
  add_symbols(l, callee, with);
  Dim *renamed = ARENA_ARRAY(a, Dim, l->func->symbols.n);
  if (!results_fit(l, n, callee, with, renamed)) return next;
  Value **result = ARENA_ARRAY(a, Value *, n->n_out);
  block_copy_before(n, callee, with, result);
  for (int i = 0; i < n->n_out; i++) value_replace(n->out[i], result[i]);
  node_remove(n);
  func_substitute(l->func, renamed);
  l->nodes += more;
  l->changed = true;
  return before ? before->next : b->first;
}

static void inline_block(Inliner *l, Block *b) {
  for (Node *n = b->first, *next; n; n = next) {
    next = n->next;
    for (int i = 0; i < n->n_regions; i++) inline_block(l, n->region[i]);
    if (n->op == OP_call) next = inline_call(l, n);
  }
}

bool pass_inline(PassCall *c, Func *f) {
  Inliner l = {.call = c, .func = f};
  inline_block(&l, f->body);
  return l.changed;
}
