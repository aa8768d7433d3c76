/* kv_cache.c -- makes an incremental decoder of a graph over whole sequences, or over a past that goes in and comes out.
 *
 * What comes out is the function over rows that a language model's folder gives (docs/language-models.md), with states for caches.
 * The graph is copied, and the copy's inputs get the meaning that they have for sequences without padding: masks are ones, positions
 * and lengths are numbers that follow from how long the past is. Simplified and recovered, it is then translated (kv_rows.c). Where
 * that is not possible, the function stays as it was. */
#include "passes/kv_cache.h"

#include <inttypes.h>
#include <stdarg.h>

#include "ir/bind.h"
#include "ir/copy.h"
#include "ir/infer.h"
#include "passes/steps.h"

#define PASS(name, levels, doc) bool pass_##name(PassCall *c, Func *f);
#define PIPELINE(...)
#include "passes/passes.def"
#undef PASS
#undef PIPELINE

/* How much of a context is kept where nothing says how much there is. */
enum { USUAL_CONTEXT = 4096 };

bool kv_fail(KvGraph *g, Loc where, const char *fmt, ...) {
  va_list ap;
  if (g->why) return false;
  va_start(ap, fmt);
  char *text = arena_vprintf(g->module->arena, fmt, ap);
  va_end(ap);
  g->where = where;
  g->why = text;
  return false;
}

/* ---- what inputs mean ---- */

typedef enum Role { ROLE_IDS, ROLE_POSITIONS, ROLE_ONES, ROLE_PAST_LENGTH, ROLE_TOTAL, ROLE_LAST, ROLE_CACHE, ROLE_UNKNOWN } Role;

static const struct {
  const char *name;
  Role role;
} roles[] = {
    {"input_ids", ROLE_IDS},           {"ids", ROLE_IDS},
    {"tokens", ROLE_IDS},              {"position_ids", ROLE_POSITIONS},
    {"cache_position", ROLE_POSITIONS}, {"attention_mask", ROLE_ONES},
    {"use_cache_branch", ROLE_ONES},   {"past_sequence_length", ROLE_PAST_LENGTH},
    {"write_indices", ROLE_PAST_LENGTH}, {"total_sequence_length", ROLE_TOTAL},
    {"nonpad_kv_seqlen", ROLE_TOTAL},  {"seqlens_k", ROLE_LAST},
};

static Role role_of(const Value *v) {
  Type t = v->type;
  if (t->kind != TYPE_TENSOR || t->encoded) return ROLE_UNKNOWN;
  if (dtype_is_float(t->dtype) && (t->rank == 4 || t->rank == 5)) return ROLE_CACHE;
  for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
    if (v->name && strcmp(v->name, roles[i].name) == 0) return roles[i].role;
  return ROLE_UNKNOWN;
}

static Value *find_ids(const Func *f) {
  for (int i = 0; i < f->body->n_args; i++) {
    Value *v = f->body->arg[i];
    if (role_of(v) == ROLE_IDS && dtype_is_int(v->type->dtype) && (v->type->rank == 1 || v->type->rank == 2)) return v;
  }
  return NULL;
}

/* ---- sizes ---- */

/* The one size of a cache that is neither a number nor the batch; NULL where there is none. */
static const Symbol *length_of_cache(const KvGraph *g, Type t) {
  const Symbol *found = NULL;
  for (int i = 0; i < t->rank; i++) {
    const Symbol *s = dim_as_symbol(t->dim[i]);
    if (s && t->dim[i] != g->batch && t->dim[i] != g->seq) found = s;
  }
  return found;
}

static bool read_sizes(KvGraph *g) {
  Type t = g->ids->type;
  DimPool *p = g->module->dims;
  g->seq = t->dim[t->rank - 1];
  g->batch = t->rank == 2 ? t->dim[0] : dim_const(p, 1);
  g->by_batch = !dim_as_symbol(g->seq);
  if (!g->by_batch && (dim_is(g->batch, 1) || dim_as_symbol(g->batch))) return true;
  if (dim_is(g->seq, 1) && dim_as_symbol(g->batch)) return true;
  return kv_fail(g, g->func->loc, "its ids are [%s,%s], and one of the sizes must be free", dim_text(g->module->arena, g->batch),
                 dim_text(g->module->arena, g->seq));
}

/* Each cache is as long as the past; a mask, where it has a size of its own, as past and rows. */
static void unify_sizes(KvGraph *g) {
  DimPool *p = g->module->dims;
  Func *f = g->copy;
  int n = f->symbols.n;
  bool has_past = false;
  for (int i = 0; i < f->body->n_args; i++) has_past |= g->is_past[i];
  g->past = dim_const(p, 0);
  Dim *with = ARENA_ARRAY(g->module->arena, Dim, n + 1);
  if (has_past) {
    g->past_symbol = func_fresh_symbol(f, "past");
    ((Symbol *)(uintptr_t)g->past_symbol)->derived = false;
    g->past = dim_symbol(p, g->past_symbol);
  }
  for (int i = 0; i < f->body->n_args; i++) {
    const Symbol *s = g->is_past[i] ? length_of_cache(g, f->body->arg[i]->type) : NULL;
    if (s) with[s->index] = g->past;
  }
  for (int i = 0; i < f->body->n_args; i++) {
    Type t = f->body->arg[i]->type;
    const Symbol *s = role_of(f->body->arg[i]) == ROLE_ONES && t->rank == 2 ? dim_as_symbol(t->dim[1]) : NULL;
    if (s && t->dim[1] != g->seq && t->dim[1] != g->batch && !with[s->index]) with[s->index] = dim_add(p, g->past, g->seq);
  }
  Dim *all = ARENA_ARRAY(g->module->arena, Dim, f->symbols.n + 1);
  for (int i = 0; i < n; i++) all[i] = with[i];
  func_substitute(f, all);
}

/* ---- inputs become numbers ---- */

static Value *spread(Builder *b, Value *x, Type t) {
  Dim dim[MAX_RANK];
  for (int i = 0; i < t->rank; i++) dim[i] = i == t->rank - 1 && x->type->rank ? x->type->dim[0] : dim_const(b->module->dims, 1);
  x = build_reshape(b, build_cast(b, x, t->dtype), t->rank, dim);
  return build(b, OP_expand, 1, INS(x, build_dims(b, t->rank, t->dim)), NO_ATTRS);
}

static Value *size_scalar(Builder *b, Dim d) { return build_reshape(b, build_dims(b, 1, &d), 0, NULL); }

static Value *meaning(const KvGraph *g, Builder *b, Role role, Type t) {
  DimPool *p = g->module->dims;
  Dim total = dim_add(p, g->past, g->seq);
  switch (role) {
  case ROLE_ONES: return spread(b, build_scalar_i(b, DT_i64, 1), t);
  case ROLE_PAST_LENGTH: return spread(b, size_scalar(b, g->past), t);
  case ROLE_TOTAL: return spread(b, size_scalar(b, total), t);
  case ROLE_LAST: return spread(b, size_scalar(b, dim_sub(p, total, dim_const(p, 1))), t);
  case ROLE_POSITIONS:
    if (t->rank < 1 || t->dim[t->rank - 1] != g->seq) return NULL;
    return spread(b, build(b, OP_range, 1, INS(size_scalar(b, g->past), size_scalar(b, total), build_scalar_i(b, DT_i64, 1)), NO_ATTRS), t);
  default: return NULL;
  }
}

static bool replace_inputs(KvGraph *g) {
  Func *f = g->copy;
  Builder b = {.module = g->module, .func = f, .block = f->body, .before = f->body->first};
  for (int i = 0; i < f->body->n_args; i++) {
    Value *v = f->body->arg[i];
    Role role = role_of(v);
    if (v == g->ids || role == ROLE_CACHE) continue;
    Value *stands = role == ROLE_UNKNOWN || role == ROLE_IDS || v->type->rank > 2 ? NULL : meaning(g, &b, role, v->type);
    if (!stands || !stands->type) return kv_fail(g, f->loc, "its input `%s` is none that a decoder of text has", v->name ? v->name : "?");
    value_replace(v, stands);
  }
  return true;
}

/* ---- results ---- */

/* The one result that is neither a key nor a value. */
static bool find_logits(KvGraph *g) {
  const Func *f = g->func;
  g->logits = -1;
  for (int i = 0; i < f->n_results; i++) {
    if (f->result[i]->kind == TYPE_TENSOR && f->result[i]->rank >= 4) continue;
    if (g->logits >= 0)
      return kv_fail(g, f->loc, "it has more results than logits and caches: `%s` and `%s`", f->result_name[g->logits], f->result_name[i]);
    g->logits = i;
  }
  if (g->logits < 0) return kv_fail(g, f->loc, "it has no logits");
  return dtype_is_float(f->result[g->logits]->dtype) || kv_fail(g, f->loc, "`%s` is no floats", f->result_name[g->logits]);
}

/* ---- simplifying ---- */

/* How many positions a table holds that they are looked up in, or that is cut from the past on. */
static int64_t table_limit(const KvGraph *g, const Node *n) {
  Module *m = g->module;
  const Constant *c = n->n_in ? value_constant(node_in(n, 0)) : NULL;
  Steps s;
  if (n->op == OP_rope && node_in(n, 3) && value_constant(node_in(n, 1)) && steps_of(m, node_in(n, 3), &s))
    return node_in(n, 1)->type->dim[0]->constant;
  if (!c) return 0;
  if (n->op == OP_gather && node_int(n, gather, axis) == 0 && steps_of(m, node_in(n, 1), &s)) {
    bool along = s.axis && node_in(n, 1)->type->dim[node_in(n, 1)->type->rank - s.axis] == g->seq;
    if (dim_sub(m->dims, s.from, g->past)->n_terms == 0 && (along || g->past_symbol)) return c->type->dim[0]->constant;
  }
  for (int i = 1; n->op == OP_slice && i <= c->type->rank; i++)
    if (slice_start(m, n, i, &(Dim){NULL}) && !dim_is_const(n->out[0]->type->dim[c->type->rank - i])) return c->type->dim[c->type->rank - i]->constant;
  return 0;
}

static void find_limit(KvGraph *g) {
  for (const Node *n = g->copy->body->first; n; n = n->next) {
    int64_t limit = table_limit(g, n);
    if (limit > 0 && (g->limit == 0 || limit < g->limit)) g->limit = limit;
  }
}

static void substitute(KvGraph *g, Dim what, Dim by) {
  Dim *with = ARENA_ARRAY(g->module->arena, Dim, g->copy->symbols.n + 1);
  with[dim_as_symbol(what)->index] = by;
  func_substitute(g->copy, with);
}

/* Sizes that are cut where a table ends are whole, since no position lies beyond it: while what is left of the table is a size of its
 * own, the minima and maxima that it decides go. */
static void stay_within(KvGraph *g) {
  DimPool *p = g->module->dims;
  Dim what = g->past_symbol ? g->past : g->seq, total = dim_add(p, g->past, g->seq);
  if (g->limit == 0 || !dim_as_symbol(what)) return;
  Dim rest = dim_symbol(p, func_fresh_symbol(g->copy, "rest")), all = dim_sub(p, dim_const(p, g->limit), rest);
  substitute(g, what, dim_sub(p, all, dim_sub(p, total, what)));
  substitute(g, rest, dim_sub(p, dim_const(p, g->limit), total));
}

typedef bool (*RunPass)(PassCall *c, Func *f);

static void run(KvGraph *g, int n, const RunPass *pass) {
  for (int i = 0; i < n; i++) pass[i](g->call, g->copy);
}

static void simplify(KvGraph *g) {
  static const RunPass first[] = {pass_shapes, pass_fold, pass_simplify, pass_shapes, pass_fold, pass_simplify, pass_cse};
  static const RunPass then[] = {pass_fold, pass_simplify, pass_cse, pass_recover, pass_simplify, pass_cse, pass_dce};
  run(g, sizeof first / sizeof *first, first);
  find_limit(g);
  stay_within(g);
  run(g, sizeof then / sizeof *then, then);
}

/* ---- the whole ---- */

static bool read_inputs(KvGraph *g) {
  Func *f = g->copy;
  if (!(g->ids = find_ids(f))) return kv_fail(g, g->func->loc, "it has no input called input_ids");
  g->is_past = ARENA_ARRAY(g->module->arena, bool, f->body->n_args);
  for (int i = 0; i < f->body->n_args; i++) g->is_past[i] = role_of(f->body->arg[i]) == ROLE_CACHE;
  if (!read_sizes(g)) return false;
  unify_sizes(g);
  return replace_inputs(g);
}

/* The context: what is asked for, what the model was made for, or what its tables hold. */
static bool choose_context(KvGraph *g, int64_t *context) {
  const CacheOptions *o = &g->call->decoder;
  *context = o->context > 0 ? o->context : g->limit > 0 && g->limit < USUAL_CONTEXT ? g->limit : USUAL_CONTEXT;
  if (g->limit == 0 || *context <= g->limit) return true;
  if (o->context_is_asked)
    return diag_misuse(g->module->diag, "-d context=%" PRId64 ": the model was made for 1 to %" PRId64, *context, g->limit);
  *context = g->limit;
  return true;
}

static void add_fact(Module *m, Model *model, const char *name, int64_t v) {
  for (int i = 0; i < model->facts.n; i++)
    if (strcmp(model->facts.at[i].name, name) == 0) return;
  model_add_fact(m, model, name, constant_ints(m, 1, &v));
}

/* The model's states, and what a program must know of them. */
static void complete_model(KvGraph *g, int from, int64_t context, int64_t sequences) {
  Module *m = g->module;
  for (int i = 0; i < m->models.n; i++)
    for (int k = 0; k < m->models.at[i]->funcs.n; k++) {
      if (m->models.at[i]->funcs.at[k] != g->func) continue;
      for (int s = from; s < m->states.n; s++) vec_push(m->arena, &m->models.at[i]->states, m->states.at[s]);
      add_fact(m, m->models.at[i], "context", context);
      add_fact(m, m->models.at[i], "sequences", sequences);
    }
}

static bool convert(KvGraph *g) {
  int states = g->module->states.n;
  int64_t context, sequences = g->call->decoder.sequences > 0 ? g->call->decoder.sequences : 1;
  if (!find_logits(g) || !read_inputs(g)) return false;
  simplify(g);
  if (!choose_context(g, &context) || !kv_translate(g, context, sequences)) return false;
  complete_model(g, states, context, sequences);
  return true;
}

/* A function over rows already, or one of which nobody would expect that it goes on with a text. */
static bool is_candidate(const Func *f) {
  for (int i = 0; i < f->body->n_args; i++)
    if (f->body->arg[i]->type->kind == TYPE_STATE) return false;
  return find_ids(f) != NULL;
}

/* Does it take a past, so that it is a surprise where it stays as it is? */
static bool has_past(const Func *f) {
  for (int i = 0; i < f->body->n_args; i++)
    if (role_of(f->body->arg[i]) == ROLE_CACHE) return true;
  return false;
}

static void report(const KvGraph *g) {
  Diag *d = g->module->diag;
  if (g->call->decoder.mode == CACHE_on)
    diag_error(d, g->where, "the graph of @%s cannot become an incremental decoder: %s", g->func->name, g->why);
  else if (has_past(g->func))
    diag_warn(d, g->where, "@%s keeps its past as arrays, and does not become an incremental decoder: %s", g->func->name, g->why);
}

bool pass_kv_cache(PassCall *c, Func *f) {
  KvGraph g = {.call = c, .module = c->module, .func = f};
  if (c->decoder.mode == CACHE_off || f->target || !block_terminator(f->body)) return false;
  if (!is_candidate(f)) {
    if (c->decoder.mode == CACHE_on && f->body->n_args && f->body->arg[0]->type->kind != TYPE_STATE && !find_ids(f) && f == c->module->funcs.at[0])
      kv_fail(&g, f->loc, "it has no input called input_ids"), report(&g);
    return false;
  }
  g.copy = func_copy(f, module_free_name(c->module, arena_printf(c->module->arena, "%s.rows", f->name)));
  bool done = convert(&g);
  module_drop_func(c->module, g.copy);
  if (!done && g.why) report(&g);
  if (c->decoder.report) *c->decoder.report = (CacheReport){.tried = true, .done = done, .where = g.where, .why = g.why};
  return done;
}
