/* eval.c -- reference semantics: runs a function on tensors, one node after another, in plain C.
 *
 * A frame is one activation of a function: a slot for each value, and each symbol's current value. Symbols are bound by
 * the shapes of arguments and of results as they appear, and every shape is held against its declared type. */
#include "ir/eval.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "ir/checked.h"
#include "ir/eval_budget.h"
#include "ir/eval_plan.h"
#include "ir/fatal.h"
#include "ir/infer.h"

enum { MAX_DEPTH = 200 }; /* of calls and of constants made of constants */

typedef struct Kept { /* a constant's value */
  const Constant *of;
  Tensor *value;
} Kept;

struct Evaluator {
  Module *module;
  Arena *arena;
  EvalOptions options;
  Budget *budget;
  int64_t steps;
  int depth;
  Loc loc; /* of what is being done, and its name: for messages */
  const char *what;
  Kept *kept; /* open addressing; n_slots is a power of two */
  size_t n_kept, n_slots;
};

typedef struct Frame {
  Evaluator *e;
  Arena *arena;
  Tensor **slot;
  int64_t *symbol; /* current values, -1: not bound */
  int n_symbols;
  const Block *entering; /* whose arguments are being checked, or NULL */
  VEC(int) bound; /* the symbols in the order in which they were bound: leaving a region unbinds its own */
} Frame;

/* ---- errors ---- */

Budget *eval_budget(Evaluator *e) { return e->budget; }

static bool blame(Evaluator *e, const char *fmt, va_list ap) {
  char *text = arena_vprintf(e->module->arena, fmt, ap);
  return diag_error(e->module->diag, e->loc, "%s: %s", e->what ? e->what : "eval", text);
}

bool eval_blame(Evaluator *e, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  blame(e, fmt, ap);
  va_end(ap);
  return false;
}

bool eval_error(EvalCall *c, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  blame(c->ev, fmt, ap);
  va_end(ap);
  return false;
}

static void at_node(Evaluator *e, const Node *n) {
  e->loc = n->loc;
  e->what = op_name(n->op);
}

static bool count_step(Evaluator *e) {
  int64_t max = e->options.max_steps;
  if (max && e->steps >= max) return eval_blame(e, "stopped after %" PRId64 " nodes", max);
  e->steps++;
  return true;
}

static const char *shown(Evaluator *e, const Tensor *t) {
  return t ? type_text(e->module->arena, tensor_type(e->module, t)) : "left out";
}

static void release_all(int n, Tensor **t) {
  for (int i = 0; i < n; i++) {
    tensor_release(t[i]);
    t[i] = NULL;
  }
}

/* ---- symbols ---- */

typedef enum Match { MATCH_YES, MATCH_NO, MATCH_LATER, MATCH_ERROR } Match;

static Match bind(Frame *f, const Symbol *s, int64_t v) {
  if (v < 0) return MATCH_NO;
  if (s->index >= f->n_symbols) return MATCH_LATER;
  if (s->capacity != DIM_NO_CAPACITY && v > s->capacity) {
    eval_blame(f->e, "%s is %" PRId64 ", and its capacity is %" PRId64, s->name, v, s->capacity);
    return MATCH_ERROR;
  }
  f->symbol[s->index] = v;
  vec_push(f->arena, &f->bound, s->index);
  return MATCH_YES;
}

static void unbind_to(Frame *f, int mark) {
  while (f->bound.n > mark) f->symbol[f->bound.at[--f->bound.n]] = -1;
}

static bool current(const Frame *f, Dim d, int64_t *out) { return dim_eval(d, f->symbol, f->n_symbols, out); }

static bool term_value(const Frame *f, const DimTerm *t, int64_t *out) {
  *out = t->coef;
  for (int i = 0; i < t->n_atoms; i++) {
    int64_t v;
    if (!current(f, t->atom[i], &v) || !checked_mul(*out, v, out)) return false;
  }
  return true;
}

/* A size that is not known yet, from what it turned out to be: a lone symbol, or one in a sum whose rest is known. */
static Match solve(Frame *f, Dim d, int64_t actual) {
  const DimTerm *open = NULL;
  int64_t v;
  if (dim_as_symbol(d)) return bind(f, dim_as_symbol(d), actual);
  if (d->kind != DIM_KIND_SUM || !checked_sub(actual, d->constant, &actual)) return MATCH_LATER;
  for (int i = 0; i < d->n_terms; i++) {
    if (!term_value(f, &d->term[i], &v)) {
      if (open || d->term[i].n_atoms != 1 || !dim_as_symbol(d->term[i].atom[0])) return MATCH_LATER;
      open = &d->term[i];
    } else if (!checked_sub(actual, v, &actual)) {
      return MATCH_NO;
    }
  }
  if (!open || open->coef == 0 || open->coef == -1) return MATCH_LATER;
  return actual % open->coef ? MATCH_NO : bind(f, dim_as_symbol(open->atom[0]), actual / open->coef);
}

static Match match_dim(Frame *f, Dim d, int64_t actual) {
  int64_t v;
  if (dim_is_unknown(d)) return MATCH_YES;
  if (current(f, d, &v)) return v == actual ? MATCH_YES : MATCH_NO;
  return solve(f, d, actual);
}

/* ---- declared types against values ---- */

static bool same_element(Type t, const Tensor *x) {
  if (t->kind == TYPE_STATE) return x->state && x->state->decl == t->state;
  if (t->kind != TYPE_TENSOR || x->state || t->rank != x->rank || t->encoded != x->encoded) return false;
  return t->encoded ? encoding_equal(t->enc, x->enc) : t->dtype == x->dtype;
}

/* The declared type with the symbols' current values, where it differs from itself. */
static const char *type_now(Frame *f, Type t) {
  Module *m = f->e->module;
  Dim dim[MAX_RANK];
  int64_t v;
  bool differs = false;
  for (int i = 0; i < t->rank; i++) {
    dim[i] = t->dim[i];
    if (dim_is_const(dim[i]) || !current(f, dim[i], &v)) continue;
    dim[i] = dim_const(m->dims, v);
    differs = true;
  }
  if (!differs) return "";
  return arena_printf(m->arena, " (now %s)", type_text(m->arena, type_with_dims(m->types, t, t->rank, dim)));
}

/* "argument 1 (`mask`)", of a function's own block. */
static const char *what_text(const Frame *f, const char *what, int i) {
  Arena *a = f->e->module->arena;
  bool named = f->entering && i < f->entering->n_args && f->entering->arg[i]->name;
  return named ? arena_printf(a, "%s %d (`%s`)", what, i, f->entering->arg[i]->name) : arena_printf(a, "%s %d", what, i);
}

static bool mismatch(Frame *f, Type t, const Tensor *x, const char *what, int i) {
  Evaluator *e = f->e;
  return eval_blame(e, "%s is %s, and is declared %s%s", what_text(f, what, i), shown(e, x), type_text(e->module->arena, t),
                    t->kind == TYPE_TENSOR ? type_now(f, t) : "");
}

/* Each value against its type. A size may need a symbol that a later one binds, so there are rounds while any helps. */
static bool match_values(Frame *f, int n, const Type *type, Tensor *const *x, const char *what) {
  bool later = true;
  for (int before = -1; later && before != f->bound.n;) {
    before = f->bound.n;
    later = false;
    for (int i = 0; i < n; i++) {
      if (!x[i] || !same_element(type[i], x[i])) return mismatch(f, type[i], x[i], what, i);
      for (int k = 0; k < x[i]->rank; k++) {
        Match m = match_dim(f, type[i]->dim[k], x[i]->dim[k]);
        if (m == MATCH_NO) return mismatch(f, type[i], x[i], what, i);
        if (m == MATCH_ERROR) return false;
        later |= m == MATCH_LATER;
      }
    }
  }
  return true;
}

/* Puts values, whose references are given up, into the slots of a block's arguments. */
static bool enter_block(Frame *f, const BlockPlan *plan, int n, Tensor **x, const char *what) {
  const Block *b = plan->block;
  bool ok = n == b->n_args || eval_blame(f->e, "has %d %ss, and takes %d", n, what, b->n_args);
  f->entering = b;
  ok = ok && match_values(f, n, plan->type, x, what);
  f->entering = NULL;
  for (int i = 0; i < n; i++) {
    if (ok)
      f->slot[b->arg[i]->number] = x[i];
    else
      tensor_release(x[i]);
    x[i] = NULL;
  }
  return ok;
}

/* ---- constants ---- */

static Kept *kept_slot(Kept *at, size_t n, const Constant *c) {
  size_t i = ((uintptr_t)c >> 4) * 0x9E3779B97F4A7C15u >> 7 & (n - 1);
  while (at[i].of && at[i].of != c) i = (i + 1) & (n - 1);
  return &at[i];
}

static void keep(Evaluator *e, const Constant *c, Tensor *t) {
  if (2 * e->n_kept >= e->n_slots) {
    size_t n = e->n_slots ? 2 * e->n_slots : 64;
    Kept *at = ARENA_ARRAY(e->arena, Kept, n);
    for (size_t i = 0; i < e->n_slots; i++)
      if (e->kept[i].of) *kept_slot(at, n, e->kept[i].of) = e->kept[i];
    e->kept = at;
    e->n_slots = n;
  }
  *kept_slot(e->kept, e->n_slots, c) = (Kept){c, tensor_ref(t)};
  e->n_kept++;
}

static Tensor *constant_mapped(Evaluator *e, Constant *c, const int64_t *dim) {
  const void *data = constant_data(e->module, c, e->loc);
  return data ? tensor_over(c->type->dtype, c->type->rank, dim, data) : NULL;
}

static Tensor *constant_filled(Evaluator *e, const Constant *c, const int64_t *dim) {
  Tensor *t = tensor_new(e, c->type->dtype, c->type->rank, dim);
  if (!t) return NULL;
  uint64_t bits = dtype_get_bits(t->dtype, c->bytes, 0);
  for (int64_t i = 0; bits && i < t->count; i++) dtype_set_bits(t->dtype, t->data, i, bits);
  return t;
}

static bool run_body(Evaluator *e, Func *func, const Block *body, int n_args, Tensor **arg, Tensor **result);

static Tensor *constant_computed(Evaluator *e, Constant *c) {
  const Node *end = block_terminator(c->body);
  Tensor *t = NULL;
  if (!end || end->n_in != 1) {
    eval_blame(e, "the expression of @%s does not yield one value", c->name ? c->name : "?");
    return NULL;
  }
  return run_body(e, NULL, c->body, 0, NULL, &t) ? t : NULL;
}

static Tensor *constant_made(Evaluator *e, Constant *c) {
  const char *name = c->name ? c->name : "?";
  int64_t dim[MAX_RANK], bytes;
  if (c->kind == CONSTANT_EXPR) return constant_computed(e, c);
  if (c->kind == CONSTANT_BOUND) {
    eval_blame(e, "@%s is bound at run time, and has no value here", name);
    diag_hint(e->module->diag, "--in @%s=FILE gives it one", name);
    return NULL;
  }
  if (c->type->encoded || !constant_size(c, &bytes)) {
    eval_blame(e, "@%s: there are no bytes of type %s", name, type_text(e->module->arena, c->type));
    return NULL;
  }
  for (int i = 0; i < c->type->rank; i++) dim[i] = c->type->dim[i]->constant;
  return c->kind == CONSTANT_SPLAT ? constant_filled(e, c, dim) : constant_mapped(e, c, dim);
}

Tensor *eval_constant(Evaluator *e, Constant *c) {
  Kept *k = e->n_slots ? kept_slot(e->kept, e->n_slots, c) : NULL;
  if (k && k->of) return tensor_ref(k->value);
  Tensor *t = constant_made(e, c);
  if (t && c->kind != CONSTANT_BYTES && c->kind != CONSTANT_FILE) keep(e, c, t);
  return t;
}

bool eval_bind(Evaluator *e, const Constant *c, Tensor *value) {
  e->loc = c->loc;
  e->what = c->name;
  if (c->kind != CONSTANT_BOUND) return eval_blame(e, "is not bound at run time");
  if (tensor_type(e->module, value) != c->type)
    return eval_blame(e, "is declared %s, and %s is given", type_text(e->module->arena, c->type), shown(e, value));
  keep(e, c, value);
  return true;
}

/* ---- one node ---- */

static bool make_results(Evaluator *e, const Node *n, const Type *type, Tensor **out) {
  for (int i = 0; i < n->n_out; i++) {
    if (type[i]->kind == TYPE_STATE) continue;
    if (!type_is_static(type[i]))
      return eval_blame(e, "result %d has no definite size: %s", i, type_text(e->module->arena, type[i]));
    out[i] = tensor_like(e, type[i]);
    if (!out[i]) return false;
  }
  return true;
}

/* Sizes the results by the operands' types and contents, and lets the op fill them in. */
static bool compute(Evaluator *e, const Node *n, Tensor *const *in, Type *type_in, Type *type_out, Tensor **out) {
  Module *m = e->module;
  const OpInfo *op = op_info(n->op);
  if (!op->eval) return eval_blame(e, "has no evaluation on its own");
  for (int i = 0; i < n->n_in; i++) type_in[i] = in[i] ? tensor_type(m, in[i]) : NULL;
  const Tensor *const *value = (const Tensor *const *)in;
  Infer infer = {.module = m, .node = n, .diag = m->diag, .in = type_in, .value = value, .out = type_out};
  if (!infer_run(&infer)) return false;
  EvalCall call = {.ev = e, .module = m, .node = n, .n_in = n->n_in, .n_out = n->n_out, .in = in, .out = out};
  if (make_results(e, n, type_out, out) && op->eval(&call)) return true;
  release_all(n->n_out, out);
  return false;
}

bool eval_node(Evaluator *e, const Node *n, Tensor *const *in, Tensor **out) {
  Arena *a = arena_new();
  at_node(e, n);
  for (int i = 0; i < n->n_out; i++) out[i] = NULL;
  bool ok = compute(e, n, in, ARENA_ARRAY(a, Type, n->n_in), ARENA_ARRAY(a, Type, n->n_out), out);
  arena_free(a);
  return ok;
}

/* ---- nodes that the evaluator runs itself ---- */

static bool run_dims(Frame *f, NodePlan *p) {
  const Node *n = p->node;
  int64_t count = node_attr(n, attr_slot(dims, sizes))->dims.n;
  p->out[0] = tensor_new(f->e, DT_i64, 1, &count);
  if (!p->out[0]) return false;
  for (int i = 0; i < count; i++) {
    Dim d = node_attr(n, attr_slot(dims, sizes))->dims.at[i];
    int64_t v;
    if (!current(f, d, &v)) return eval_blame(f->e, "%s has no value here", dim_text(f->e->module->arena, d));
    dtype_set_i(DT_i64, p->out[0]->data, i, v);
  }
  return true;
}

/* Symbols first, so that the sizes made of them can be held against the rest. */
static bool run_bind(Frame *f, NodePlan *p) {
  const Attr *sizes = node_attr(p->node, attr_slot(bind, sizes));
  const Tensor *t = p->in[0];
  if (t->count != sizes->dims.n) return eval_blame(f->e, "%s for %d sizes", shown(f->e, t), sizes->dims.n);
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < sizes->dims.n; i++) {
      Dim d = sizes->dims.at[i];
      if (round == 0 && !dim_as_symbol(d)) continue;
      Match m = match_dim(f, d, tensor_i(t, i));
      if (m == MATCH_ERROR) return false;
      if (m != MATCH_YES) return eval_blame(f->e, "the size %s is to be %" PRId64, dim_text(f->e->module->arena, d), tensor_i(t, i));
    }
  }
  return true;
}

static bool run_check(Frame *f, NodePlan *p) {
  const Attr *sizes = node_attr(p->node, attr_slot(check, sizes));
  bool broadcast = node_bool(p->node, check, broadcast);
  Arena *a = f->e->module->arena;
  for (int i = 0; i < sizes->dims.n; i += 2) {
    Dim x = sizes->dims.at[i], y = sizes->dims.at[i + 1];
    int64_t m, n;
    if (!current(f, x, &m) || !current(f, y, &n)) return eval_blame(f->e, "%s or %s has no value here", dim_text(a, x), dim_text(a, y));
    if (m == n || (broadcast && m == 1)) continue;
    return eval_blame(f->e, "%s is %" PRId64 ", and %s is %" PRId64 ": they differ", dim_text(a, x), m, dim_text(a, y), n);
  }
  return true;
}

static bool run_const(Frame *f, NodePlan *p) {
  p->out[0] = eval_constant(f->e, node_attr(p->node, attr_slot(const, value))->constant);
  return p->out[0];
}

static bool run_call(Frame *f, NodePlan *p) {
  Func *callee = node_attr(p->node, attr_slot(call, func))->func;
  if (callee->n_results != p->node->n_out)
    return eval_blame(f->e, "@%s has %d results, and %d are asked for", callee->name, callee->n_results,
                      p->node->n_out);
  return run_body(f->e, callee, callee->body, p->node->n_in, p->in, p->out);
}

static bool run_block(Frame *f, const BlockPlan *b, Tensor **result);

/* Runs a region once; the symbols that it binds are its own. */
static bool run_region(Frame *f, const NodePlan *p, int region, int n, Tensor **arg, Tensor **result) {
  int mark = f->bound.n;
  const BlockPlan *b = p->region[region];
  bool ok = enter_block(f, b, n, arg, "region argument") && run_block(f, b, result);
  unbind_to(f, mark);
  return ok;
}

static bool yields(Evaluator *e, const NodePlan *p, int region, int n) {
  const Node *end = block_terminator(p->region[region]->block);
  return (end && end->n_in == n) || eval_blame(e, "region %d does not yield %d values", region, n);
}

static bool only_bool(Evaluator *e, const Tensor *t, bool *out) {
  if (t->state || t->count != 1) return eval_blame(e, "condition is %s, and must be bool[]", shown(e, t));
  *out = tensor_i(t, 0) != 0;
  return true;
}

static bool run_if(Frame *f, NodePlan *p) {
  bool c;
  if (!only_bool(f->e, p->in[0], &c)) return false;
  return yields(f->e, p, !c, p->node->n_out) && run_region(f, p, !c, 0, NULL, p->out);
}

static bool run_fused(Frame *f, NodePlan *p) {
  return yields(f->e, p, 0, p->node->n_out) && run_region(f, p, 0, p->node->n_in, p->in, p->out);
}

/* ---- loops ---- */

typedef struct Loop {
  int n_carried, n_collected;
  Tensor **arg; /* i, cond, carried: of the next iteration */
  int64_t trip, done;
  VEC(Tensor *) collected; /* [iteration][n_collected] */
} Loop;

/* One element, with as many axes of size 1 as the type has. */
static Tensor *scalar(Evaluator *e, Type t, int64_t v) {
  int64_t dim[MAX_RANK];
  for (int i = 0; i < t->rank; i++) dim[i] = 1;
  Tensor *x = tensor_new(e, t->dtype, t->rank, dim);
  if (x) dtype_set_i(t->dtype, x->data, 0, v);
  return x;
}

/* Elements of one tensor behind those of another, whatever their width. */
static void append_elements(Tensor *to, int64_t at, const Tensor *x) {
  int64_t from, size;
  if (dtype_bits(to->dtype) >= 8) {
    ensure(dtype_size(to->dtype, at, &from) && dtype_size(to->dtype, x->count, &size));
    memcpy((char *)to->data + from, x->data, (size_t)size);
    return;
  }
  for (int64_t i = 0; i < x->count; i++)
    dtype_set_bits(to->dtype, to->data, at + i, dtype_get_bits(x->dtype, x->data, i));
}

/* What an iteration would have had: where none ran, sizes that nothing tells are 0. */
static bool shape_of_none(Frame *f, Type t, Tensor **out) {
  int64_t dim[MAX_RANK] = {0};
  for (int i = 1; i < t->rank; i++)
    if (dim_is_unknown(t->dim[i]) || !current(f, t->dim[i], &dim[i])) dim[i] = 0;
  *out = tensor_new(f->e, t->dtype, t->rank, dim);
  return *out;
}

static bool stack_collected(Frame *f, const Loop *l, int k, Type declared, Tensor **out) {
  if (declared->kind != TYPE_TENSOR || declared->encoded || declared->rank < 1)
    return eval_blame(f->e, "collects %s", type_text(f->e->module->arena, declared));
  if (l->done == 0) return shape_of_none(f, declared, out);
  const Tensor *first = l->collected.at[k];
  if (first->state || first->encoded || first->rank == MAX_RANK)
    return eval_blame(f->e, "collects %s", shown(f->e, first));
  int64_t dim[MAX_RANK] = {l->done};
  for (int i = 0; i < first->rank; i++) dim[i + 1] = first->dim[i];
  *out = tensor_new(f->e, first->dtype, first->rank + 1, dim);
  if (!*out) return false;
  for (int64_t i = 0; i < l->done; i++) {
    const Tensor *x = l->collected.at[i * l->n_collected + k];
    bool same = x->dtype == first->dtype && x->rank == first->rank && !x->encoded && !x->state;
    if (!same || memcmp(x->dim, first->dim, (size_t)x->rank * sizeof *x->dim) != 0)
      return eval_blame(f->e, "collects %s, and then %s", shown(f->e, first), shown(f->e, x));
    append_elements(*out, i * x->count, x);
  }
  return true;
}

static bool loop_start(Frame *f, NodePlan *p, Loop *l) {
  Evaluator *e = f->e;
  const Tensor *trip = p->in[0];
  bool go = true;
  if (trip && trip->count != 1) return eval_blame(e, "trip count is %s, and must be i64[]", shown(e, trip));
  l->trip = trip ? tensor_i(trip, 0) : INT64_MAX;
  if (p->in[1] && !only_bool(e, p->in[1], &go)) return false;
  l->arg[1] = scalar(e, p->region[0]->type[1], go);
  for (int i = 0; i < l->n_carried; i++) {
    l->arg[i + 2] = p->in[i + 2];
    p->in[i + 2] = NULL;
  }
  return l->arg[1];
}

static bool loop_turn(Frame *f, NodePlan *p, Loop *l) {
  l->arg[0] = scalar(f->e, p->region[0]->type[0], l->done);
  if (!l->arg[0] || !run_region(f, p, 0, l->n_carried + 2, l->arg, p->yield)) return false;
  for (int i = 0; i <= l->n_carried; i++) l->arg[i + 1] = p->yield[i];
  for (int i = 0; i < l->n_collected; i++) vec_push(f->arena, &l->collected, p->yield[1 + l->n_carried + i]);
  l->done++;
  at_node(f->e, p->node);
  return count_step(f->e);
}

static bool run_turns(Frame *f, NodePlan *p, Loop *l) {
  bool go;
  if (!loop_start(f, p, l)) return false;
  for (;;) {
    if (!only_bool(f->e, l->arg[1], &go)) return false;
    if (!go || l->done >= l->trip) return true;
    if (!loop_turn(f, p, l)) return false;
  }
}

static bool run_loop(Frame *f, NodePlan *p) {
  const Node *n = p->node;
  Loop l = {.n_carried = n->n_in - 2, .n_collected = n->n_out - (n->n_in - 2)};
  if (l.n_collected < 0) return eval_blame(f->e, "has %d results for %d carried values", n->n_out, l.n_carried);
  if (!yields(f->e, p, 0, 1 + n->n_out)) return false;
  l.arg = ARENA_ARRAY(f->arena, Tensor *, n->n_in);
  bool ok = run_turns(f, p, &l);
  for (int i = 0; i < l.n_carried && ok; i++) {
    p->out[i] = l.arg[i + 2];
    l.arg[i + 2] = NULL;
  }
  for (int k = 0; k < l.n_collected && ok; k++)
    ok = stack_collected(f, &l, k, n->out[l.n_carried + k]->type, &p->out[l.n_carried + k]);
  release_all(n->n_in, l.arg);
  release_all(l.collected.n, l.collected.at);
  return ok;
}

/* ---- kernels ---- */

static bool current_sizes(Frame *f, const Attr *a, int64_t *out) {
  for (int i = 0; i < a->dims.n; i++)
    if (!current(f, a->dims.at[i], &out[i]))
      return eval_blame(f->e, "%s has no value here", dim_text(f->e->module->arena, a->dims.at[i]));
  return true;
}

/* Room for a result by its declared type: the sizes must be known before the kernel runs. */
static Tensor *launch_result(Frame *f, Type t) {
  int64_t dim[MAX_RANK];
  for (int i = 0; i < t->rank; i++)
    if (!current(f, t->dim[i], &dim[i])) {
      eval_blame(f->e, "%s has no value here", dim_text(f->e->module->arena, t->dim[i]));
      return NULL;
    }
  return tensor_new(f->e, t->dtype, t->rank, dim);
}

/* A kernel that sees packed elements as bytes has fewer of them. */
static int64_t launch_elements(const Tensor *t, Dtype as) {
  int64_t bytes;
  if (as == t->dtype) return t->count;
  ensure(dtype_size(t->dtype, t->count, &bytes));
  return bytes;
}

/* Weights lie in a model's file as they may; a kernel reads its memory at multiples of an element. */
static bool align_operands(Frame *f, NodePlan *p) {
  for (int i = 0; i < p->node->n_in; i++) {
    Tensor *t = p->in[i], *copy;
    if (t->state) continue;
    uintptr_t each = (uintptr_t)(dtype_bits(t->dtype) + 7) / 8;
    if ((uintptr_t)t->data % each == 0) continue;
    if (!(copy = tensor_new(f->e, t->dtype, t->rank, t->dim))) return false;
    memcpy(copy->data, t->data, (size_t)launch_elements(t, DT_u8));
    tensor_release(t);
    p->in[i] = copy;
  }
  return true;
}

/* A result that is a state is the operand of that state, changed in place: it must be nobody else's. */
static Tensor *launch_state(Frame *f, NodePlan *p, Type t) {
  int i = 0;
  while (p->in[i]->state == NULL || p->in[i]->state->decl != t->state) i++;
  bool alone = p->in[i]->refs == 1;
  for (int k = 0; k < t->state->n_fields; k++) alone &= p->in[i]->state->field[k]->refs == 1;
  if (!alone) {
    Tensor *copy = tensor_state_copy(f->e, p->in[i]->state);
    if (!copy) return NULL;
    tensor_release(p->in[i]);
    p->in[i] = copy;
  }
  return tensor_ref(p->in[i]);
}

static int add_memory(KernelArg *arg, int at, const Func *kernel, const Tensor *t) {
  if (!t->state) {
    arg[at] = (KernelArg){.memory = t->data, .elements = launch_elements(t, kernel->body->arg[at]->type->dtype)};
    return at + 1;
  }
  for (int k = 0; k < t->state->decl->n_fields; k++, at++)
    arg[at] = (KernelArg){.memory = t->state->field[k]->data, .elements = t->state->field[k]->count};
  arg[at] = (KernelArg){.memory = t->state->length, .elements = t->state->decl->batch};
  return at + 1;
}

static bool run_launch(Frame *f, NodePlan *p) {
  const Node *n = p->node;
  const Attr *grid_of = node_attr(n, attr_slot(launch, grid)), *sizes = node_attr(n, attr_slot(launch, sizes));
  Func *kernel = node_attr(n, attr_slot(launch, func))->func;
  int n_args = kernel->body->n_args, at = 0;
  int64_t grid[3] = {1, 1, 1}, *size = ARENA_ARRAY(f->arena, int64_t, sizes->dims.n);
  KernelArg *arg = ARENA_ARRAY(f->arena, KernelArg, n_args);
  if (!current_sizes(f, grid_of, grid) || !current_sizes(f, sizes, size) || !align_operands(f, p)) return false;
  for (int i = 0; i < n->n_out; i++) {
    Type t = n->out[i]->type;
    if (!(p->out[i] = t->kind == TYPE_STATE ? launch_state(f, p, t) : launch_result(f, t))) return false;
  }
  for (int i = 0; i < n->n_in; i++) at = add_memory(arg, at, kernel, p->in[i]);
  for (int i = 0; i < n->n_out; i++)
    if (!p->out[i]->state) at = add_memory(arg, at, kernel, p->out[i]);
  for (int i = 0; i < sizes->dims.n; i++) arg[at++] = (KernelArg){.bits = (uint64_t)size[i]};
  const EvalOptions *o = &f->e->options;
  if (o->launch) return o->launch(o->launch_ctx, kernel, grid, n_args, arg);
  return interp_kernel(kernel, grid, n_args, arg, f->e->module->diag);
}

/* ---- blocks ---- */

static bool run_one(Frame *f, NodePlan *p) {
  switch (p->node->op) {
  case OP_const: return run_const(f, p);
  case OP_dims: return run_dims(f, p);
  case OP_bind: return run_bind(f, p);
  case OP_check: return run_check(f, p);
  case OP_call: return run_call(f, p);
  case OP_if: return run_if(f, p);
  case OP_loop: return run_loop(f, p);
  case OP_fused: return run_fused(f, p);
  case OP_launch: return run_launch(f, p);
  default: return compute(f->e, p->node, p->in, p->type_in, p->type_out, p->out);
  }
}

static void drop_dying(Frame *f, const NodePlan *p) {
  for (int i = 0; i < p->n_dying; i++) {
    tensor_release(f->slot[p->dying[i]]);
    f->slot[p->dying[i]] = NULL;
  }
}

static bool store_results(Frame *f, NodePlan *p) {
  const Node *n = p->node;
  const EvalOptions *o = &f->e->options;
  at_node(f->e, n);
  for (int i = 0; i < n->n_out; i++) p->type_out[i] = n->out[i]->type;
  bool ok = match_values(f, n->n_out, p->type_out, p->out, "result");
  for (int i = 0; i < n->n_out; i++) {
    if (ok && o->watch) o->watch(o->watch_ctx, n, i, p->out[i]);
    if (ok && value_has_uses(n->out[i]))
      f->slot[n->out[i]->number] = p->out[i];
    else
      tensor_release(p->out[i]);
    p->out[i] = NULL;
  }
  return ok;
}

/* An operand that dies here is let go first, so that its only reference is this node's and a state may be changed in
 * place. A region's body may read it again, so there it lives on until the node is done. */
static bool run_node(Frame *f, NodePlan *p) {
  const Node *n = p->node;
  at_node(f->e, n);
  if (!count_step(f->e)) return false;
  for (int i = 0; i < n->n_in; i++) {
    const Value *v = n->in[i].value;
    p->in[i] = v ? tensor_ref(f->slot[v->number]) : NULL;
    ensure(!v || p->in[i]);
  }
  if (!n->n_regions) drop_dying(f, p);
  bool ok = run_one(f, p);
  release_all(n->n_in, p->in);
  if (!ok) release_all(n->n_out, p->out);
  if (n->n_regions) drop_dying(f, p);
  return ok && store_results(f, p);
}

/* Runs a block whose arguments are in their slots; the results are the terminator's operands. */
static bool run_block(Frame *f, const BlockPlan *b, Tensor **result) {
  bool ok = true;
  int k = 0;
  for (; ok && k < b->n - 1; k++) ok = run_node(f, &b->node[k]);
  if (ok) {
    const Node *end = b->node[b->n - 1].node;
    for (int i = 0; i < end->n_in; i++) result[i] = tensor_ref(f->slot[end->in[i].value->number]);
  }
  release_all(b->slot_to - b->slot_from, f->slot + b->slot_from);
  return ok;
}

/* ---- functions ---- */

static bool run_frame(Frame *f, Func *func, const BlockPlan *plan, int n_args, Tensor **arg, Tensor **result) {
  Evaluator *e = f->e;
  if (!enter_block(f, plan, n_args, arg, "argument") || !run_block(f, plan, result)) return false;
  if (!func) return true;
  e->loc = func->loc;
  e->what = func->name;
  if (match_values(f, func->n_results, func->result, result, "result")) return true;
  release_all(func->n_results, result);
  return false;
}

/* Runs a function's body, or a constant's expression (no func). The arguments' references are given up. */
static bool run_body(Evaluator *e, Func *func, const Block *body, int n_args, Tensor **arg, Tensor **result) {
  const Node *end = block_terminator(body);
  int n_slots, n_symbols = func ? func->symbols.n : 0;
  bool ok = e->depth < MAX_DEPTH || eval_blame(e, "more than %d calls deep", MAX_DEPTH);
  ok = ok && ((end && (!func || end->n_in == func->n_results)) || eval_blame(e, "the body has no proper end"));
  if (!ok) {
    release_all(n_args, arg);
    return false;
  }
  Frame f = {.e = e, .arena = arena_new(), .n_symbols = n_symbols};
  const BlockPlan *plan = eval_plan(f.arena, body, &n_slots);
  f.slot = ARENA_ARRAY(f.arena, Tensor *, n_slots);
  f.symbol = ARENA_ARRAY(f.arena, int64_t, n_symbols);
  for (int i = 0; i < n_symbols; i++) f.symbol[i] = -1;
  e->depth++;
  ok = run_frame(&f, func, plan, n_args, arg, result);
  e->depth--;
  arena_free(f.arena);
  return ok;
}

/* A state that is left out starts empty. */
static bool take_argument(Evaluator *e, const Func *f, int i, Tensor *given, Tensor **out) {
  const Value *v = f->body->arg[i];
  if (!given && v->type->kind != TYPE_STATE)
    return eval_blame(e, "argument %d (%%%s) is missing", i, v->name ? v->name : "");
  *out = given ? tensor_ref(given) : tensor_state(e, v->type->state);
  return *out;
}

bool eval_func(Evaluator *e, Func *f, int n_args, Tensor *const *arg, Tensor **result) {
  Arena *a = arena_new();
  Tensor **own = ARENA_ARRAY(a, Tensor *, n_args);
  e->loc = f->loc;
  e->what = f->name;
  for (int i = 0; i < f->n_results; i++) result[i] = NULL;
  bool ok = f->level == LEVEL_TENSOR || eval_blame(e, "is a kernel: the interpreter runs it");
  if (ok && n_args != f->body->n_args) ok = eval_blame(e, "has %d arguments, and takes %d", n_args, f->body->n_args);
  for (int i = 0; ok && i < n_args; i++) ok = take_argument(e, f, i, arg[i], &own[i]);
  if (ok)
    ok = run_body(e, f, f->body, n_args, own, result);
  else
    release_all(n_args, own);
  arena_free(a);
  return ok;
}

Evaluator *eval_new(Module *m, EvalOptions o) {
  Arena *a = arena_new();
  Evaluator *e = ARENA_NEW(a, Evaluator);
  *e = (Evaluator){.module = m, .arena = a, .options = o, .budget = budget_new(o.max_memory)};
  return e;
}

bool eval_exhausted(const Evaluator *e) { return e->budget->exhausted; }
bool eval_out_of_memory(const Evaluator *e) { return e->budget->no_memory; }

void eval_free(Evaluator *e) {
  if (!e) return;
  for (size_t i = 0; i < e->n_slots; i++) tensor_release(e->kept[i].value);
  budget_release(e->budget);
  arena_free(e->arena);
}

/* ---- structure ops that are evaluated ---- */

bool eval_identity(EvalCall *c) {
  tensor_release(c->out[0]);
  c->out[0] = tensor_ref(c->in[0]);
  return true;
}
