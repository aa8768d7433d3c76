/* kv_rows.c -- translates a decoder's graph, node by node, into a function over rows.
 *
 * Rows take the place of the sequence, in a batch of one; or, where the graph takes one token of each sequence, of the batch. What is
 * computed of each row by itself stays as it is, with other sizes. Numbers that grow by one along the rows become the rows'
 * positions. Attention, whose keys are what was there before and the rows', becomes an append to a state and attention over it.
 * Everything else that looks at several rows, at the past, or at how many there are, cannot be translated. */
#include <stdarg.h>

#include "ir/infer.h"
#include "passes/kv_cache.h"
#include "passes/rewrite.h"
#include "passes/row_axis.h"
#include "passes/steps.h"

/* A ring of keys has room for a window and for the rows of one call, since the first of these still sees its whole window. */
enum { RING_ROWS = 512 };

typedef enum Kind {
  NOTHING, /* it cannot be said: `why` */
  ROWS,    /* of each row by itself, or of none */
  SIZES,   /* it depends on how many rows there are, or were: only a shape may */
  PAST,    /* what the graph was given of the past */
  CACHED,  /* the past and the rows behind it: `v` is the rows' part */
} Kind;

/* What stands for a value of the copy. */
typedef struct Made {
  Kind kind;
  Value *v;
  const Node *at;
  const char *why;
} Made;

typedef VEC(Value *) Values;

typedef struct Rows {
  KvGraph *g;
  Builder b;
  const Symbol *symbol;
  Dim rows, outputs;
  Dim *with; /* [symbols of the copy] */
  Made *made; /* by Value.number */
  Value *ids, *positions, *sequences, *wanted;
  Values state_in, state_out;
  int64_t context, n_sequences;
} Rows;

static Made *made(const Rows *r, const Value *v) { return &r->made[v->number]; }

static Made nothing(const Node *at, const char *why) { return (Made){.kind = NOTHING, .at = at, .why = why}; }

static Dim here(const Rows *r, Dim d) { return dim_substitute(r->g->module->dims, d, r->with, r->g->copy->symbols.n); }

static Dim number(const Rows *r, int64_t n) { return dim_const(r->g->module->dims, n); }

static bool is_symbol(void *symbol, Dim d) { return d->kind == DIM_KIND_SYMBOL && d->symbol == symbol; }

static bool mentions(Dim d, const Symbol *s) { return s && dim_any(d, is_symbol, (void *)(uintptr_t)s); }

/* Is the place's number the one of the first new row, plus a constant? */
static bool is_place(const Rows *r, Dim from, int64_t *more) {
  Dim d = dim_sub(r->g->module->dims, from, r->g->past);
  return dim_is_const(d) && (*more = d->constant, true);
}

/* ---- positions ---- */

/* The rows' positions, where v is numbers that grow along the rows; else NULL. */
static Value *as_positions(Rows *r, const Value *v) {
  Steps s;
  int64_t more;
  Type t = v->type;
  Dim dim[MAX_RANK];
  int rank = t->rank;
  if (t->kind != TYPE_TENSOR || !dtype_is_int(t->dtype) || !steps_of(r->g->module, v, &s) || !is_place(r, s.from, &more)) return NULL;
  if (r->g->by_batch ? s.axis != 0 || !mentions(s.from, r->g->past_symbol) : s.axis == 0 || t->dim[rank - s.axis] != r->g->seq) return NULL;
  if (r->g->by_batch) {
    rank = rank < 2 ? 2 : rank;
    for (int i = 0; i < rank; i++) dim[i] = i ? number(r, 1) : r->rows;
  } else {
    for (int i = 0; i < rank; i++) dim[i] = i == rank - s.axis ? r->rows : number(r, 1);
  }
  Value *p = r->positions;
  if (more) p = build_binary(&r->b, OP_add, p, build_scalar_i(&r->b, DT_i64, more));
  return build_cast(&r->b, build_reshape(&r->b, p, rank, dim), t->dtype);
}

/* ---- what is computed of each row by itself ---- */

/* The node's sizes as they are here; *tells: do they depend on the rows or the past? */
static void translate_sizes(Rows *r, Node *n, const Node *from, bool *tells) {
  const OpInfo *info = op_info(n->op);
  for (int i = 0; i < info->n_attrs; i++) {
    Attr *a = node_attr(n, i);
    if (info->attr[i].kind != AK_DIMS) continue;
    Dim *d = ARENA_ARRAY(r->g->module->arena, Dim, a->dims.n);
    for (int k = 0; k < a->dims.n; k++) {
      d[k] = here(r, from->attr[i].dims.at[k]);
      *tells |= mentions(d[k], r->symbol) || mentions(from->attr[i].dims.at[k], r->g->past_symbol);
    }
    a->dims.at = d;
  }
}

/* A node like it, of other operands; NULL where they do not fit. */
static Node *rebuild(Rows *r, const Node *from, Value *const *in, bool *tells) {
  Node *n = node_new(r->b.func, from->op, from->n_in, from->n_out, 0, from->loc);
  DiagMark mark = diag_mark(r->g->module->diag);
  for (int i = 0; i < from->n_in; i++)
    if (in[i]) node_set_in(n, i, in[i]);
  for (int i = 0; i < op_info(n->op)->n_attrs; i++) n->attr[i] = from->attr[i];
  translate_sizes(r, n, from, tells);
  node_append(r->b.block, n);
  if (node_infer(n)) return n;
  diag_rewind(r->g->module->diag, mark);
  node_remove(n);
  return NULL;
}

static void set_all(Rows *r, const Node *n, Made m) {
  for (int i = 0; i < n->n_out; i++) *made(r, n->out[i]) = m;
}

static void set_results(Rows *r, const Node *n, const Node *built, Kind kind) {
  for (int i = 0; i < n->n_out; i++) *made(r, n->out[i]) = (Made){.kind = kind, .v = built->out[i]};
}

/* One node, of operands that are there. */
static void translate_plain(Rows *r, const Node *n, Kind kind) {
  Value **in = ARENA_ARRAY(r->g->call->scratch, Value *, n->n_in);
  bool tells = false;
  for (int i = 0; i < n->n_in; i++) {
    if (!node_in(n, i)) continue;
    bool shape = is_size_operand(n, i);
    const Made *m = made(r, node_in(n, i));
    Value *place = shape ? NULL : as_positions(r, node_in(n, i));
    if (!place && m->kind == NOTHING) return set_all(r, n, *m);
    in[i] = place ? place : m->v;
    tells |= !place && !shape && m->kind == SIZES;
  }
  Node *built = n->n_regions ? NULL : rebuild(r, n, in, &tells);
  if (!built) return set_all(r, n, nothing(n, n->n_regions ? "it has branches" : "its sizes do not fit one row at a time"));
  if (!row_by_row(built, r->symbol)) return set_all(r, n, nothing(n, "it computes one position of others"));
  set_results(r, n, built, tells ? SIZES : kind);
}

/* What is taken of the last position alone is taken of each row: any may be the last. */
static bool is_last_row(Rows *r, const Node *n) {
  if (r->g->by_batch || (n->op != OP_slice && n->op != OP_gather)) return false;
  Module *m = r->g->module;
  const Value *x = node_in(n, 0);
  const Made *of = made(r, x);
  Dim at, last = dim_sub(m->dims, r->g->seq, number(r, 1));
  int count, axis = -1;
  if (of->kind != ROWS) return false;
  for (int i = 0; i < x->type->rank; i++)
    if (x->type->dim[i] == r->g->seq) axis = i;
  if (axis < 0) return false;
  if (n->op == OP_slice) {
    bool one = n->out[0]->type->rank == x->type->rank && dim_is(n->out[0]->type->dim[axis], 1);
    if (!one || !slice_start(m, n, x->type->rank - axis, &at) || at != last) return false;
    *made(r, n->out[0]) = *of;
    return true;
  }
  if (axis != axis_of(node_int(n, gather, axis), x->type->rank) || axis != 1 || node_in(n, 1)->type->rank > 1) return false;
  if (!value_dims(m, node_in(n, 1), 1, &at, &count) || count != 1 || (at != last && !dim_is(at, -1))) return false;
  bool drops = node_in(n, 1)->type->rank == 0;
  Type t = of->v->type;
  Value *v = drops ? build_reshape(&r->b, of->v, t->rank - 1, t->dim + 1) : of->v;
  *made(r, n->out[0]) = (Made){.kind = ROWS, .v = v};
  return true;
}

/* ---- the past ---- */

static bool is_movement(Op op) {
  switch (op) {
  case OP_reshape: case OP_squeeze: case OP_unsqueeze: case OP_transpose: case OP_expand: case OP_cast: case OP_slice: case OP_gather:
  case OP_split: case OP_pad: case OP_debug_name: return true;
  default: return false;
  }
}

static Made rows_of(Rows *r, const Value *v) {
  Made m = *made(r, v);
  m.kind = m.kind == ROWS ? CACHED : NOTHING;
  return m;
}

/* The past, and rows behind it. */
static void translate_concat(Rows *r, const Node *n) {
  Made first = *made(r, node_in(n, 0)), second = n->n_in == 2 ? *made(r, node_in(n, 1)) : nothing(n, NULL);
  int axis = axis_of(node_int(n, concat, axis), n->out[0]->type->rank);
  Type past = node_in(n, 0)->type;
  if (first.kind != PAST || second.kind != ROWS || !mentions(past->dim[axis], r->g->past_symbol))
    return set_all(r, n, nothing(n, "it joins the past with something other than what comes behind it"));
  set_all(r, n, rows_of(r, node_in(n, 1)));
}

/* Rows written at their places in the past. */
static void translate_scatter(Rows *r, const Node *n) {
  int rank = n->out[0]->type->rank, axis = axis_of(node_int(n, scatter_elements, axis), rank);
  Steps s;
  int64_t more;
  const char *how = node_str(n, scatter_elements, reduction);
  bool good = made(r, node_in(n, 0))->kind == PAST && made(r, node_in(n, 2))->kind == ROWS && (!how || strcmp(how, "none") == 0) &&
              steps_of(r->g->module, node_in(n, 1), &s) && is_place(r, s.from, &more) && more == 0 &&
              s.axis == (r->g->by_batch ? 0 : rank - axis);
  set_all(r, n, good ? rows_of(r, node_in(n, 2)) : nothing(n, "it does not write rows at their places in the past"));
}

/* All of a cache that has been written so far. */
static bool is_whole(const Rows *r, const Node *n) {
  Type from = node_in(n, 0)->type, to = n->out[0]->type;
  Dim start, total = dim_add(r->g->module->dims, r->g->past, r->g->seq);
  for (int i = 0; i < to->rank; i++) {
    if (!slice_start(r->g->module, n, to->rank - i, &start) || !dim_is(start, 0)) return false;
    if (from->dim[i] != to->dim[i] && to->dim[i] != total && !mentions(to->dim[i], r->g->past_symbol)) return false;
  }
  return true;
}

static void translate_movement(Rows *r, const Node *n, Kind kind) {
  const char *why = "it takes a part of the cache, or looks into it outside of an attention that was recovered";
  if (kind == PAST) return set_all(r, n, (Made){.kind = PAST});
  if (n->op == OP_slice && is_whole(r, n)) return set_all(r, n, *made(r, node_in(n, 0)));
  if (n->op == OP_slice || n->op == OP_gather || n->op == OP_split || n->op == OP_pad) return set_all(r, n, nothing(n, why));
  translate_plain(r, n, CACHED);
}

static void translate_cached(Rows *r, const Node *n) {
  Kind kind = made(r, node_in(n, 0))->kind;
  if (n->op == OP_concat) translate_concat(r, n);
  else if (n->op == OP_scatter_elements) translate_scatter(r, n);
  else if (is_movement(n->op) && (kind == PAST || kind == CACHED)) translate_movement(r, n, kind);
  else set_all(r, n, nothing(n, "it looks into the cache outside of an attention that was recovered"));
}

/* ---- attention ---- */

/* A state of such rows; layers of one kind have states of one declaration. */
static State *state_for(Rows *r, int64_t heads, int64_t k, int64_t v, int64_t window) {
  Module *m = r->g->module;
  bool ring = window > 0 && window + RING_ROWS < r->context;
  int64_t capacity = ring ? window + RING_ROWS : r->context;
  Addressing addressing = ring ? ADDRESS_RING : ADDRESS_LINEAR;
  for (int i = 0; i < r->state_in.n; i++) {
    State *s = r->state_in.at[i]->type->state;
    bool same = s->addressing == addressing && s->capacity == capacity && s->field[0].dim[0] == heads;
    if (same && s->field[0].dim[1] == k && s->field[1].dim[1] == v) return s;
  }
  State *s = module_add_state(m, module_free_name(m, ring ? "window" : "kv"));
  *s = (State){.name = s->name, .addressing = addressing, .batch = r->n_sequences, .capacity = capacity, .n_fields = 2};
  s->field = ARENA_ARRAY(m->arena, Field, 2);
  for (int i = 0; i < 2; i++) s->field[i] = (Field){.name = i ? "v" : "k", .dtype = DT_f32, .rank = 2, .dim = {heads, i ? v : k}};
  return s;
}

/* Rows of sequences that are one long are turned alike, and need not be moved: [1, rows, heads, d] as [rows, heads, 1, d]. */
static Value *turned_in_place(Rows *r, Value *v) {
  Node *n = match_op(v, OP_rope), *t = n ? match_op(node_in(n, 0), OP_transpose) : NULL;
  Value *x = t ? node_in(t, 0) : NULL, *in[4] = {NULL};
  Dim one = number(r, 1);
  if (!t || r->g->by_batch || row_axis(x->type, r->symbol) != 1 || node_ints(t, transpose, perm).n != 4) return NULL;
  static const int64_t perm[] = {0, 2, 1, 3};
  if (memcmp(node_ints(t, transpose, perm).at, perm, sizeof perm) != 0) return NULL;
  in[0] = build_reshape(&r->b, x, 4, (Dim[]){r->rows, x->type->dim[2], one, x->type->dim[3]});
  for (int i = 1; i < n->n_in; i++) {
    Type a = node_in(n, i) ? node_in(n, i)->type : NULL;
    bool own = a && row_axis(a, r->symbol) == 1;
    if (a && !own && !(node_in(n, 3) && i < 3)) return NULL;
    in[i] = own ? build_reshape(&r->b, node_in(n, i), a->rank, a->rank == 2 ? (Dim[]){r->rows, one} : (Dim[]){r->rows, one, a->dim[2]}) : node_in(n, i);
  }
  Value *y = build_like(&r->b, n, in);
  return build_reshape(&r->b, y, 3, (Dim[]){r->rows, x->type->dim[2], x->type->dim[3]});
}

/* [1, heads, rows, d] or [rows, heads, 1, d] as f32[rows, heads, d]; NULL where it is neither. */
static Value *by_rows(Rows *r, Value *v) {
  Type t = v->type;
  int axis = r->g->by_batch ? 0 : 2;
  if (t->rank != 4 || row_axis(t, r->symbol) != axis || !dim_is(t->dim[2 - axis], 1)) return NULL;
  if (!dim_is_const(t->dim[1]) || !dim_is_const(t->dim[3])) return NULL;
  Value *turned = turned_in_place(r, v);
  if (turned) return build_cast(&r->b, turned, DT_f32);
  if (!r->g->by_batch) v = build_transpose(&r->b, v, 4, (int64_t[]){0, 2, 1, 3});
  return build_cast(&r->b, build_reshape(&r->b, v, 3, (Dim[]){r->rows, t->dim[1], t->dim[3]}), DT_f32);
}

static Value *from_rows(Rows *r, Value *v, Dtype dtype) {
  Dim h = v->type->dim[1], e = v->type->dim[2], one = number(r, 1);
  v = build_cast(&r->b, v, dtype);
  if (r->g->by_batch) return build_reshape(&r->b, v, 4, (Dim[]){r->rows, h, one, e});
  v = build_reshape(&r->b, v, 4, (Dim[]){one, r->rows, h, e});
  return build_transpose(&r->b, v, 4, (int64_t[]){0, 2, 1, 3});
}

static bool one_number(const Rows *r, const Value *v, Dim want) {
  Steps s;
  return steps_of(r->g->module, v, &s) && s.axis == 0 && s.from == want;
}

/* Does it see all up to its own position, and no more? Why not, else. */
static const char *attention_fault(const Rows *r, const Node *n) {
  DimPool *p = r->g->module->dims;
  const Value *bias = node_in(n, 3), *lengths = node_in(n, 4), *offsets = node_in(n, 5), *q = node_in(n, 0);
  bool causal = node_bool(n, attention, causal);
  bool one = !causal && dim_is(q->type->dim[2], 1) && r->g->past_symbol && node_int(n, attention, ahead) < 0;
  if (node_in(n, 7) || node_bool(n, attention, ring)) return "it attends over a cache already";
  if (bias) return "it adds to the scores what is not known to be a causal mask";
  if (!causal && !one) return "it attends to later positions, too";
  if (lengths && !one_number(r, lengths, dim_add(p, r->g->past, r->g->seq))) return "it does not attend to all that has been there";
  if (causal && (offsets ? !one_number(r, offsets, r->g->past) : !dim_is(r->g->past, 0))) return "its rows are not behind the past";
  return NULL;
}

static void translate_attention(Rows *r, const Node *n) {
  const Made *q = made(r, node_in(n, 0)), *k = made(r, node_in(n, 1)), *v = made(r, node_in(n, 2));
  const Made *sinks = node_in(n, 6) ? made(r, node_in(n, 6)) : NULL;
  Kind want = r->g->past_symbol ? CACHED : ROWS;
  const char *fault = attention_fault(r, n);
  if (q->kind == NOTHING || k->kind == NOTHING || v->kind == NOTHING) return set_all(r, n, q->kind == NOTHING ? *q : k->kind == NOTHING ? *k : *v);
  if (!fault && (q->kind != ROWS || k->kind != want || v->kind != want || (sinks && sinks->kind != ROWS)))
    fault = "its keys and values are not the past with the rows behind it";
  Value *rows[3] = {NULL};
  for (int i = 0; i < 3 && !fault; i++)
    if (!(rows[i] = by_rows(r, made(r, node_in(n, i))->v))) fault = "its sizes are not known";
  if (fault) return set_all(r, n, nothing(n, fault));
  int64_t window = node_int(n, attention, window);
  Type kt = rows[1]->type, vt = rows[2]->type;
  State *s = state_for(r, kt->dim[1]->constant, kt->dim[2]->constant, vt->dim[2]->constant, window);
  Module *m = r->g->module;
  Builder *b = &r->b;
  b->loc = n->loc;
  Value *state = block_add_arg(b->block, type_state(m->types, s), arena_printf(m->arena, "s%d", r->state_in.n));
  vec_push(m->arena, &r->state_in, state);
  state = build(b, OP_state_append, 1, INS(state, r->sequences, r->positions, rows[1], rows[2]), NO_ATTRS);
  vec_push(m->arena, &r->state_out, state);
  Value *y = build(b, OP_state_attention, 1, INS(rows[0], state, r->sequences, r->positions, sinks ? build_cast(b, sinks->v, DT_f32) : NULL),
                   ATTRS(at_f(state_attention, scale, node_float(n, attention, scale)), at_i(state_attention, window, window),
                         at_f(state_attention, softcap, node_float(n, attention, softcap))));
  b->loc = (Loc){0};
  *made(r, n->out[0]) = (Made){.kind = ROWS, .v = from_rows(r, y, n->out[0]->type->dtype)};
}

/* ---- the walk ---- */

static void translate_node(Rows *r, const Node *n) {
  bool cached = false;
  for (int i = 0; i < n->n_in; i++) {
    const Made *m = node_in(n, i) ? made(r, node_in(n, i)) : NULL;
    cached |= m && (m->kind == PAST || m->kind == CACHED);
  }
  if (n->op == OP_attention) translate_attention(r, n);
  else if (cached) translate_cached(r, n);
  else if (!is_last_row(r, n)) translate_plain(r, n, ROWS);
}

/* What the result does not need is not looked at: what masks are made of, above all. */
static void mark_needed(const Node *n) {
  for (int i = 0; i < n->n_in; i++) {
    bool mask = n->op == OP_attention && (i == 3 || i == 4 || i == 5);
    Value *v = node_in(n, i);
    if (v && v->def && !mask) v->def->mark = 1;
  }
}

static const Value *logits_of(const KvGraph *g) { return node_in(block_terminator(g->copy->body), g->logits); }

static void find_needed(const KvGraph *g) {
  for (Node *n = g->copy->body->first; n; n = n->next) n->mark = 0;
  if (logits_of(g)->def) logits_of(g)->def->mark = 1;
  for (Node *n = g->copy->body->last; n; n = n->prev)
    if (n->mark) mark_needed(n);
}

static int number_values(Block *b) {
  int n = 0;
  for (int i = 0; i < b->n_args; i++) b->arg[i]->number = n++;
  for (Node *node = b->first; node; node = node->next)
    for (int i = 0; i < node->n_out; i++) node->out[i]->number = n++;
  return n;
}

/* ---- arguments ---- */

static bool has_ring(const KvGraph *g, int64_t context) {
  for (const Node *n = g->copy->body->first; n; n = n->next) {
    int64_t window = n->op == OP_attention ? node_int(n, attention, window) : 0;
    if (window > 0 && window + RING_ROWS < context) return true;
  }
  return false;
}

static Value *argument(Rows *r, const char *name, Dim n) {
  return block_add_arg(r->b.block, type_tensor(r->g->module->types, DT_i64, 1, &n), name);
}

static void add_arguments(Rows *r) {
  KvGraph *g = r->g;
  DimPool *p = g->module->dims;
  Symbol *rows = func_add_symbol(g->func, "rows", has_ring(g, r->context) ? RING_ROWS : DIM_NO_CAPACITY);
  r->symbol = rows;
  r->rows = dim_symbol(p, rows);
  r->outputs = dim_symbol(p, func_add_symbol(g->func, "outputs", DIM_NO_CAPACITY));
  r->ids = argument(r, "ids", r->rows);
  r->positions = argument(r, "positions", r->rows);
  r->sequences = argument(r, "sequences", r->rows);
  r->wanted = argument(r, "outputs", r->outputs);
  const Symbol *batch = dim_as_symbol(g->batch), *seq = dim_as_symbol(g->seq);
  r->with = ARENA_ARRAY(g->module->arena, Dim, g->copy->symbols.n + 1);
  if (batch) r->with[batch->index] = g->by_batch ? r->rows : number(r, 1);
  if (seq) r->with[seq->index] = r->rows;
  if (g->past_symbol) r->with[g->past_symbol->index] = number(r, 0);
}

static void set_arguments(Rows *r) {
  KvGraph *g = r->g;
  Type t = g->ids->type;
  Dim dim[2];
  for (int i = 0; i < t->rank; i++) dim[i] = here(r, t->dim[i]);
  for (int i = 0; i < g->copy->body->n_args; i++)
    *made(r, g->copy->body->arg[i]) = g->is_past[i] ? (Made){.kind = PAST} : nothing(NULL, "an input of the graph has no meaning");
  *made(r, g->ids) = (Made){.kind = ROWS, .v = build_cast(&r->b, build_reshape(&r->b, r->ids, t->rank, dim), t->dtype)};
}

/* ---- results ---- */

/* The one operand with rows, where the node is read by one other alone; else NULL. */
static Value *only_rows(const Rows *r, const Value *v) {
  Value *found = NULL;
  const Node *n = v->def;
  if (!n || n->n_out != 1 || n->op == OP_state_attention) return NULL;
  for (int i = 0; i < n->n_in; i++) {
    Value *x = node_in(n, i);
    if (!x || is_size_operand(n, i) || (x->type->kind == TYPE_TENSOR && row_axis(x->type, r->symbol) == NO_ROWS)) continue;
    if (found || x->type->kind != TYPE_TENSOR) return NULL;
    found = x;
  }
  return found;
}

static bool read_once(const Value *v) { return v->uses && !v->uses->next; }

/* The rows of which logits are wanted: from where on they go alone. */
static Value *where_rows_part(const Rows *r, Value *v) {
  for (Value *x; (x = only_rows(r, v)); v = x)
    if (!read_once(x)) return x;
  return v;
}

static Dim wanted(const Rows *r, Dim d) {
  Dim with[2] = {NULL, NULL};
  with[r->symbol->index] = r->outputs;
  return dim_substitute(r->g->module->dims, d, with, 2);
}

/* The nodes from `from` to v once more, for the wanted rows. */
static Value *of_wanted(Rows *r, Value *v, Value *from) {
  Builder *b = &r->b;
  if (v == from) return build(b, OP_gather, 1, INS(v, r->wanted), ATTRS(at_i(gather, axis, row_axis(v->type, r->symbol))));
  Node *n = v->def;
  Value *below = only_rows(r, v), *x = of_wanted(r, below, from);
  Dim dim[MAX_RANK];
  b->loc = n->loc;
  if (is_size_operand(n, 1) && n->op != OP_split) {
    for (int i = 0; i < v->type->rank; i++) dim[i] = wanted(r, v->type->dim[i]);
    if (n->op == OP_reshape || n->op == OP_squeeze || n->op == OP_unsqueeze) return build_reshape(b, x, v->type->rank, dim);
    if (n->op == OP_expand) return build(b, OP_expand, 1, INS(x, build_dims(b, v->type->rank, dim)), NO_ATTRS);
  }
  Value **in = ARENA_ARRAY(r->g->call->scratch, Value *, n->n_in);
  for (int i = 0; i < n->n_in; i++) in[i] = node_in(n, i) == below ? x : node_in(n, i);
  return build_like(b, n, in);
}

/* Logits as f32[outputs, words]. */
static Value *make_logits(Rows *r) {
  const Made *m = made(r, logits_of(r->g));
  const char *name = r->g->copy->result_name[r->g->logits];
  if (m->kind != ROWS) {
    Loc where = m->at ? m->at->loc : r->g->func->loc;
    kv_fail(r->g, where, "%s", m->why ? m->why : "the result depends on how many positions there are");
    return NULL;
  }
  Type t = m->v->type;
  int axis = row_axis(t, r->symbol);
  for (int i = 0; i < t->rank - 1; i++)
    if (i != axis && !dim_is(t->dim[i], 1)) axis = -1;
  if (axis < 0 || axis == t->rank - 1) return kv_fail(r->g, r->g->func->loc, "`%s` is not a row of numbers for each position", name), NULL;
  Value *v = of_wanted(r, m->v, where_rows_part(r, m->v));
  v = build_reshape(&r->b, v, 2, (Dim[]){r->outputs, t->dim[t->rank - 1]});
  return build_cast(&r->b, v, DT_f32);
}

static void finish(Rows *r, Value *logits) {
  Module *m = r->g->module;
  int n = r->state_in.n + 1;
  Value **v = ARENA_ARRAY(m->arena, Value *, n);
  Type *type = ARENA_ARRAY(m->arena, Type, n);
  const char **name = ARENA_ARRAY(m->arena, const char *, n);
  for (int i = 0; i < n; i++) {
    v[i] = i ? r->state_out.at[i - 1] : logits;
    type[i] = v[i]->type;
    name[i] = i ? r->state_in.at[i - 1]->name : r->g->copy->result_name[r->g->logits];
  }
  func_set_results(r->b.func, n, type, name);
  build_values(&r->b, OP_return, 0, n, v, NO_ATTRS);
}

/* ---- the whole ---- */

static bool translate(Rows *r) {
  KvGraph *g = r->g;
  find_needed(g);
  r->made = ARENA_ARRAY(g->module->arena, Made, number_values(g->copy->body));
  add_arguments(r);
  set_arguments(r);
  for (Node *n = g->copy->body->first; n; n = n->next)
    if (n->mark) translate_node(r, n);
  Value *logits = make_logits(r);
  if (!logits) return false;
  if (!r->state_in.n) return kv_fail(g, g->func->loc, "it has no attention that was recovered");
  finish(r, logits);
  return true;
}

bool kv_translate(KvGraph *g, int64_t context, int64_t sequences) {
  Func *f = g->func, before = *f;
  int n_states = g->module->states.n;
  Rows r = {.g = g, .context = context, .n_sequences = sequences};
  f->symbols.n = 0;
  f->symbols.at = NULL;
  f->symbols.cap = 0;
  f->body = block_new(f, NULL);
  r.b = (Builder){.module = g->module, .func = f, .block = f->body};
  if (translate(&r)) return true;
  g->module->states.n = n_states;
  *f = before;
  return false;
}
