/* verify.c -- checks everything that a module must keep.
 *
 * Three rounds, each of which relies on what the one before has found to be so. First what the module declares and the
 * functions' signatures; then the structure of each body (counts, what is visible where, attributes, the lists of
 * uses); then the types, which inference computes again from the operands up. A body whose structure is broken is not
 * inferred, and neither is a node that uses the result of one that failed. */
#include "ir/verify.h"

#include <inttypes.h>
#include <stdarg.h>

#include "ir/checked.h"
#include "ir/infer.h"
#include "ir/text.h"

enum { MAX_ERRORS = 100, MAX_CALL_DEPTH = 64 };

/* A node in the order of the text; its `mark` is its place here, which shows that it has been seen. */
typedef struct Seen {
  Node *node;
  bool bad; /* its types are not what was declared, or rest on such */
} Seen;

typedef struct Verifier {
  Module *m;
  Arena *scratch;
  int errors;
  Diag *quiet;              /* of an inference, whose message is then completed */
  Func *f;                  /* whose body is being checked */
  const Constant *constant; /* whose expression it is, or NULL */
  StrMap constants;         /* that expressions may use: declared before */
  StrMap values;            /* of f, by name */
  VEC(Seen) seen;           /* of f */
} Verifier;

/* ---- messages ---- */

enum { MAX_MESSAGE = 1000 };

static bool fail(Verifier *v, Loc loc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool fail(Verifier *v, Loc loc, const char *fmt, ...) {
  char text[MAX_MESSAGE];
  va_list ap;
  if (v->errors++ >= MAX_ERRORS) return false;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  return diag_error(v->m->diag, loc, "%s", text);
}

/* The node follows the message; it is written out only for messages that are shown. */
static bool node_fail(Verifier *v, const Node *n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool node_fail(Verifier *v, const Node *n, const char *fmt, ...) {
  char text[MAX_MESSAGE];
  va_list ap;
  if (v->errors >= MAX_ERRORS) return fail(v, n->loc, " ");
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  return fail(v, n->loc, "%s, in `%s`", text, text_node(v->scratch, n));
}

static const char *shown(Verifier *v, Type t) { return v->errors < MAX_ERRORS ? type_text(v->scratch, t) : ""; }

/* ---- types ---- */

static bool symbols_are_of(const Func *f, Dim d) {
  if (d->kind == DIM_KIND_SYMBOL)
    return d->symbol->index < f->symbols.n && f->symbols.at[d->symbol->index] == d->symbol;
  for (int i = 0; i < d->n_terms; i++)
    for (int k = 0; k < d->term[i].n_atoms; k++)
      if (!symbols_are_of(f, d->term[i].atom[k])) return false;
  return !d->a || (symbols_are_of(f, d->a) && symbols_are_of(f, d->b));
}

static const char *dim_fault(const Func *f, Dim d) {
  if (!d || dim_is_unknown(d)) return "has a size that is not known";
  if (dim_is_const(d) && d->constant < 0) return "has a negative size";
  return symbols_are_of(f, d) ? NULL : "has a size of another function";
}

static const char *tensor_fault(const Func *f, Type t) {
  if (t->dtype == DT_index) return "is a tensor of index, whose width is the target's";
  if (t->encoded && (t->enc.group < 1 || !dtype_is_float(t->enc.scale)))
    return "is encoded with a group below 1 or a scale that is no float";
  for (int i = 0; i < t->rank; i++) {
    const char *fault = dim_fault(f, t->dim[i]);
    if (fault) return fault;
  }
  return type_is_too_large(t) ? "is larger than memory can be" : NULL;
}

/* What is wrong with a type in a function, or NULL. */
static const char *type_fault(Verifier *v, const Func *f, Type t) {
  if (!t) return "has no type";
  bool tensor = t->kind == TYPE_TENSOR || t->kind == TYPE_STATE;
  if (tensor != (f->level == LEVEL_TENSOR))
    return tensor ? "has no place in a kernel" : "has its place in kernels alone";
  switch (t->kind) {
  case TYPE_TENSOR: return tensor_fault(f, t);
  case TYPE_STATE:
    return module_find_state(v->m, t->state->name) == t->state ? NULL : "is of a state not in this module";
  case TYPE_VECTOR: return t->lanes >= 2 && t->lanes <= MAX_LANES ? NULL : "has too many lanes";
  case TYPE_SHARED: return t->lanes >= 1 ? NULL : "has no elements";
  case TYPE_SCALAR:
  case TYPE_BUFFER: break;
  }
  return NULL;
}

static bool check_type(Verifier *v, Loc loc, const Func *f, Type t, const char *what, int i) {
  const char *fault = type_fault(v, f, t);
  return !fault || fail(v, loc, "@%s: %s %d of type %s %s", f->name, what, i, shown(v, t), fault);
}

/* ---- signatures ---- */

static bool check_symbols(Verifier *v, const Func *f) {
  StrMap names = {0};
  bool ok = true;
  for (int i = 0; i < f->symbols.n; i++) {
    Symbol *s = f->symbols.at[i];
    if (s->index != i) ok = fail(v, f->loc, "@%s: size `%s` is number %d and says %d", f->name, s->name, i, s->index);
    if (!strmap_add(v->scratch, &names, s->name, s)) ok = fail(v, f->loc, "@%s has two sizes `%s`", f->name, s->name);
  }
  return ok;
}

static bool check_result_names(Verifier *v, const Func *f) {
  StrMap names = {0};
  bool ok = true;
  for (int i = 0; i < f->n_results && f->result_name; i++)
    if (f->result_name[i] && !strmap_add(v->scratch, &names, f->result_name[i], v))
      ok = fail(v, f->loc, "@%s has two results `%s`", f->name, f->result_name[i]);
  return ok;
}

static bool check_launch(Verifier *v, const Func *f) {
  int64_t n = 1;
  bool ok = true;
  for (int i = 0; i < 3; i++)
    if (f->launch.local[i] < 1 || !checked_mul(n, f->launch.local[i], &n) || n > 1024)
      return fail(v, f->loc, "@%s: a workgroup of (%" PRId64 ",%" PRId64 ",%" PRId64 "), not of 1 to 1024 invocations",
                  f->name, f->launch.local[0], f->launch.local[1], f->launch.local[2]);
  if (f->n_results) ok = fail(v, f->loc, "@%s has %d results, and a kernel has none", f->name, f->n_results);
  for (int i = 0; i < f->body->n_args; i++) {
    Type t = f->body->arg[i]->type;
    if (t && t->kind == TYPE_SHARED) ok = fail(v, f->loc, "@%s: %s cannot be an argument", f->name, shown(v, t));
  }
  return ok;
}

static bool check_signature(Verifier *v, const Func *f) {
  bool ok = check_symbols(v, f) && check_result_names(v, f);
  for (int i = 0; i < f->body->n_args; i++) ok &= check_type(v, f->loc, f, f->body->arg[i]->type, "argument", i);
  for (int i = 0; i < f->n_results; i++) ok &= check_type(v, f->loc, f, f->result[i], "result", i);
  return ok && (f->level == LEVEL_TENSOR || check_launch(v, f));
}

/* ---- what is visible where ---- */

static bool add_value(Verifier *v, Value *value, Loc loc) {
  if (value->name && !strmap_add(v->scratch, &v->values, value->name, value))
    return fail(v, loc, "@%s has two values %%%s", v->f->name, value->name);
  return true;
}

static bool encloses(const Block *outer, const Block *b) {
  while (b && b != outer) b = b->parent ? b->parent->block : NULL;
  return b;
}

static bool is_seen(const Verifier *v, const Node *n) {
  return n->mark >= 0 && n->mark < v->seen.n && v->seen.at[n->mark].node == n;
}

/* Is the value defined before this place, in this block or one around it? A node's results are not visible in its own
 * regions, where the node itself has been seen. */
static bool is_visible(const Verifier *v, const Value *value, const Block *at) {
  const Node *def = value->def;
  if (!def) return encloses(value->block, at);
  if (!def->block || !is_seen(v, def) || !encloses(def->block, at)) return false;
  while (at->parent && at != def->block) {
    if (at->parent == def) return false;
    at = at->parent->block;
  }
  return true;
}

/* ---- attributes ---- */

static bool check_literal(Verifier *v, const Node *n, const Constant *c);

static const char *attr_fault(Verifier *v, const AttrInfo *info, const Attr *a) {
  switch (info->kind) {
  case AK_DTYPE: return a->i < (info->required ? 1 : 0) || a->i >= DT_count ? "is not an element type" : NULL;
  case AK_BOOL: return a->i != 0 && a->i != 1 ? "is neither true nor false" : NULL;
  case AK_STR: return info->required && !a->s ? "is missing" : NULL;
  case AK_FUNC:
    return a->func && module_find_func(v->m, a->func->name) == a->func ? NULL : "is not a function of this module";
  case AK_STATE:
    return !a->state || module_find_state(v->m, a->state->name) == a->state ? NULL : "is not in this module";
  case AK_CONST: return a->constant && a->constant->type ? NULL : "is missing";
  case AK_DIMS:
    for (int i = 0; i < a->dims.n; i++) {
      const char *fault = dim_fault(v->f, a->dims.at[i]);
      if (fault && !(a->dims.at[i] && dim_is_const(a->dims.at[i]))) return fault;
    }
    return NULL;
  case AK_INT:
  case AK_FLOAT:
  case AK_INTS:
  case AK_FLOATS: break;
  }
  return NULL;
}

static bool check_attrs(Verifier *v, const Node *n) {
  const OpInfo *info = op_info(n->op);
  for (int i = 0; i < info->n_attrs; i++) {
    const char *fault = attr_fault(v, &info->attr[i], &n->attr[i]);
    if (fault) return node_fail(v, n, "attribute %s %s", info->attr[i].name, fault);
    if (info->attr[i].kind == AK_CONST && !check_literal(v, n, n->attr[i].constant)) return false;
  }
  return true;
}

/* ---- nodes ---- */

static bool check_count(Verifier *v, const Node *n, const char *what, int has, int least, int most) {
  if (has >= least && has <= most) return true;
  if (most == OP_MANY) return node_fail(v, n, "%d %s, and %d is the least", has, what, least);
  if (least == most) return node_fail(v, n, "%d %s instead of %d", has, what, least);
  return node_fail(v, n, "%d %s instead of %d to %d", has, what, least, most);
}

/* The operands behind those that an op must have may be left out, except in a list without end. */
static bool may_be_left_out(const OpInfo *info, Op op, int i) {
  return op == OP_loop ? i < 2 : i >= info->min_in && info->max_in != OP_MANY;
}

static bool check_operands(Verifier *v, const Node *n) {
  bool ok = true;
  for (int i = 0; i < n->n_in; i++) {
    const Value *value = n->in[i].value;
    if (!value && !may_be_left_out(op_info(n->op), n->op, i)) ok = node_fail(v, n, "operand %d is left out", i);
    if (value && !is_visible(v, value, n->block)) ok = node_fail(v, n, "operand %d is not defined before it", i);
  }
  return ok;
}

static bool check_results(Verifier *v, const Node *n) {
  bool ok = true;
  for (int i = 0; i < n->n_out; i++) {
    Value *value = n->out[i];
    const char *fault = type_fault(v, v->f, value->type);
    if (fault) ok = node_fail(v, n, "result %d of type %s %s", i, shown(v, value->type), fault);
    if (value->def != n || value->index != i || value->block != n->block)
      ok = node_fail(v, n, "result %d does not know where it comes from", i);
    ok &= add_value(v, value, n->loc);
  }
  return ok;
}

static bool check_block(Verifier *v, Block *b, const Node *parent, Op end);

static bool check_level(Verifier *v, const Node *n) {
  const OpInfo *info = op_info(n->op);
  if (v->constant && info->effect != EFFECT_PURE && !op_is_terminator(n->op))
    return node_fail(v, n, "`%s` has no place in the expression of a constant", info->name);
  if (info->level & v->f->level) return true;
  return node_fail(v, n, "`%s` has no place in a %s", info->name,
                   v->f->level == LEVEL_KERNEL ? "kernel" : "function of tensors");
}

static bool check_node(Verifier *v, Node *n) {
  const OpInfo *info = op_info(n->op);
  bool ok = check_level(v, n) && check_count(v, n, "operands", n->n_in, info->min_in, info->max_in) &&
            check_count(v, n, "results", n->n_out, info->min_out, info->max_out) &&
            check_count(v, n, "regions", n->n_regions, info->regions, info->regions) && check_attrs(v, n);
  ok &= check_operands(v, n);
  n->mark = v->seen.n;
  vec_push(v->scratch, &v->seen, ((Seen){n, false}));
  for (int i = 0; i < n->n_regions; i++) ok &= check_block(v, n->region[i], n, OP_yield);
  return check_results(v, n) && ok;
}

/* ---- blocks ---- */

static bool check_end(Verifier *v, const Block *b, Loc loc, Op end) {
  const char *what = b->parent ? "a region" : v->constant ? "an expression" : "a function";
  if (!b->last) return fail(v, loc, "%s of @%s is empty, and must end with `%s`", what, v->f->name, op_name(end));
  if (b->last->op == end) return true;
  return node_fail(v, b->last, "%s ends with `%s` instead of `%s`", what, op_name(b->last->op), op_name(end));
}

static bool check_block(Verifier *v, Block *b, const Node *parent, Op end) {
  Loc loc = parent ? parent->loc : v->f->loc;
  if (!b || b->func != v->f || b->parent != parent)
    return fail(v, loc, "@%s: a block is not where it says", v->f->name);
  bool ok = true;
  for (int i = 0; i < b->n_args; i++) {
    Value *arg = b->arg[i];
    if (arg->def || arg->block != b || arg->index != i)
      ok = fail(v, loc, "@%s: argument %d is not where it says", v->f->name, i);
    ok &= add_value(v, arg, loc);
    if (parent) ok &= check_type(v, loc, v->f, arg->type, "argument of a region", i);
  }
  for (Node *n = b->first, *prev = NULL; n; prev = n, n = n->next) {
    if (n->block != b || n->prev != prev) return node_fail(v, n, "the list of nodes is broken");
    if (op_is_terminator(n->op) && n->next)
      ok = node_fail(v, n, "`%s` does not stand at the end of its block", op_name(n->op));
    ok &= check_node(v, n);
  }
  return check_end(v, b, loc, end) && ok;
}

/* ---- uses ---- */

/* Each operand of the function adds one to its value's number, which the value's list of uses must then have. */
static bool check_use_list(Verifier *v, const Value *value) {
  int n = 0;
  for (const Use *u = value->uses; u && n <= value->number; u = u->next, n++)
    if (u->value != value || *u->link != u) {
      n = -1;
      break;
    }
  return n == value->number || fail(v, value->def ? value->def->loc : v->f->loc,
                                    "@%s: the list of uses of %%%s has not the %d that there are", v->f->name,
                                    value->name ? value->name : "?", value->number);
}

static bool check_uses_of(Verifier *v, int n, Value *const *value) {
  for (int i = 0; i < n; i++)
    if (!check_use_list(v, value[i])) return false;
  return true;
}

static void clear_numbers(int n, Value *const *value) {
  for (int i = 0; i < n; i++) value[i]->number = 0;
}

static bool check_uses(Verifier *v, Block *body) {
  clear_numbers(body->n_args, body->arg);
  for (int k = 0; k < v->seen.n; k++) {
    const Node *n = v->seen.at[k].node;
    clear_numbers(n->n_out, n->out);
    for (int i = 0; i < n->n_regions; i++) clear_numbers(n->region[i]->n_args, n->region[i]->arg);
  }
  for (int k = 0; k < v->seen.n; k++)
    for (int i = 0; i < v->seen.at[k].node->n_in; i++)
      if (v->seen.at[k].node->in[i].value) v->seen.at[k].node->in[i].value->number++;
  if (!check_uses_of(v, body->n_args, body->arg)) return false;
  for (int k = 0; k < v->seen.n; k++) {
    const Node *n = v->seen.at[k].node;
    if (!check_uses_of(v, n->n_out, n->out)) return false;
    for (int i = 0; i < n->n_regions; i++)
      if (!check_uses_of(v, n->region[i]->n_args, n->region[i]->arg)) return false;
  }
  return true;
}

/* ---- types, again from the operands up ---- */

static bool rests_on_bad(const Verifier *v, const Node *n) {
  for (int i = 0; i < n->n_in; i++) {
    const Value *value = n->in[i].value;
    if (value && value->def && v->seen.at[value->def->mark].bad) return true;
  }
  for (int i = 0; i < n->n_regions; i++)
    if (v->seen.at[n->region[i]->last->mark].bad) return true;
  return false;
}

static bool infer_node(Verifier *v, Node *n) {
  Type *in = ARENA_ARRAY(v->scratch, Type, n->n_in), *out = ARENA_ARRAY(v->scratch, Type, n->n_out);
  for (int i = 0; i < n->n_in; i++) in[i] = n->in[i].value ? n->in[i].value->type : NULL;
  if (!v->quiet || diag_errors(v->quiet)) v->quiet = diag_new(v->scratch);
  if (!infer_run(&(Infer){.module = v->m, .node = n, .diag = v->quiet, .in = in, .out = out})) {
    const char *why = diag_first(v->quiet);
    return node_fail(v, n, "%s", why ? why : "no type can be inferred");
  }
  for (int i = 0; i < n->n_out; i++)
    if (!type_refines(n->out[i]->type, out[i]))
      return node_fail(v, n, "result %d is declared %s, and its operands make it %s", i, shown(v, n->out[i]->type),
                       shown(v, out[i]));
  return true;
}

/* A size that only the data tells may stand for what the function returns; any other must be the same. */
static bool returns_as(Type declared, Type given) {
  if (declared == given) return true;
  if (!type_is_tensor(declared) || !type_is_tensor(given) || declared->rank != given->rank ||
      declared->encoded != given->encoded || declared->dtype != given->dtype ||
      !encoding_equal(declared->enc, given->enc))
    return false;
  for (int i = 0; i < declared->rank; i++) {
    const Symbol *s = dim_as_symbol(declared->dim[i]);
    if (declared->dim[i] != given->dim[i] && !(s && s->derived)) return false;
  }
  return true;
}

static bool check_returned(Verifier *v, const Node *end, int n, const Type *type) {
  if (end->n_in != n) return node_fail(v, end, "@%s has %d results, and %d are returned", v->f->name, n, end->n_in);
  for (int i = 0; i < n; i++)
    if (!returns_as(type[i], end->in[i].value->type))
      return node_fail(v, end, "result %d of @%s is %s, and %s is returned", i, v->f->name, shown(v, type[i]),
                       shown(v, end->in[i].value->type));
  return true;
}

static void infer_block(Verifier *v, const Block *b) {
  for (Node *n = b->first; n; n = n->next) {
    for (int i = 0; i < n->n_regions; i++) infer_block(v, n->region[i]);
    if (v->errors >= MAX_ERRORS) return;
    v->seen.at[n->mark].bad = rests_on_bad(v, n) || !infer_node(v, n);
  }
}

/* A body, with the types of what it returns or yields. */
static bool check_body(Verifier *v, Func *f, Block *body, Op end, int n, const Type *type) {
  int before = v->errors;
  v->f = f;
  v->values = (StrMap){0};
  v->seen.n = 0;
  if (!check_block(v, body, NULL, end) || !check_uses(v, body)) return false;
  infer_block(v, body);
  if (!v->seen.at[body->last->mark].bad) check_returned(v, body->last, n, type);
  return v->errors == before;
}

static void check_func(Verifier *v, Func *f) { check_body(v, f, f->body, OP_return, f->n_results, f->result); }

/* ---- constants ---- */

/* A constant in place: of bytes, and of nothing that the module would have to name. */
static bool check_literal(Verifier *v, const Node *n, const Constant *c) {
  if (!c->name && (c->kind == CONSTANT_EXPR || c->kind == CONSTANT_BOUND || c->weights))
    return node_fail(v, n, "a constant without a name is an expression, or belongs to weights");
  if (c->name && module_find_constant(v->m, c->name) != c) return node_fail(v, n, "@%s is not in this module", c->name);
  if (c->name && v->constant && !strmap_get(&v->constants, c->name))
    return node_fail(v, n, "@%s comes after @%s, whose expression uses it", c->name, v->constant->name);
  return true;
}

static bool check_file_range(Verifier *v, const Constant *c, int64_t size) {
  int64_t end;
  if (c->offset >= 0 && checked_add(c->offset, size, &end) && end <= c->file->size) return true;
  return fail(v, c->loc, "@%s: %" PRId64 " bytes at %" PRId64 " lie beyond the %" PRId64 " bytes of @%s", c->name, size,
              c->offset, c->file->size, c->file->name);
}

static bool check_expression(Verifier *v, const Constant *c) {
  if (!c->body || !c->body->func) return fail(v, c->loc, "@%s is an expression without a body", c->name);
  v->constant = c;
  bool ok = check_body(v, c->body->func, c->body, OP_yield, 1, &c->type);
  v->constant = NULL;
  return ok;
}

static bool check_constant(Verifier *v, const Constant *c) {
  int64_t size;
  bool weights_bound = c->weights && c->weights->bound_at_run_time, bound = c->kind == CONSTANT_BOUND;
  if (!c->type || !type_is_tensor(c->type) || !type_is_static(c->type))
    return fail(v, c->loc, "@%s is %s, and a constant is a tensor of known sizes", c->name, shown(v, c->type));
  if (weights_bound != bound)
    return fail(v, c->loc, "@%s is %s, and @%s is %s", c->name, bound ? "bound at run time" : "given here",
                c->weights ? c->weights->name : "(no weights)", weights_bound ? "bound at run time" : "not");
  if (!constant_size(c, &size)) return fail(v, c->loc, "@%s is %s, which is too large", c->name, shown(v, c->type));
  if (c->kind == CONSTANT_EXPR) return check_expression(v, c);
  if (c->type->encoded && !bound)
    return fail(v, c->loc, "@%s is %s, whose scales its bytes do not say: make it by `encoded` in an expression",
                c->name, shown(v, c->type));
  return c->kind != CONSTANT_FILE || check_file_range(v, c, size);
}

static void check_constants(Verifier *v) {
  for (int i = 0; i < v->m->constants.n; i++) {
    Constant *c = v->m->constants.at[i];
    check_constant(v, c);
    strmap_add(v->scratch, &v->constants, c->name, c);
  }
}

/* ---- states, models ---- */

static bool check_field(Verifier *v, const State *s, const Field *f) {
  int64_t n, bytes;
  bool fits = checked_mul(s->batch, s->capacity, &n);
  if (f->dtype == DT_index || f->dtype == DT_none)
    return fail(v, s->loc, "@%s: field `%s` cannot be of type %s", s->name, f->name, f->dtype ? "index" : "none");
  if (f->turned && (f->rank != 2 || s->capacity % STATE_PANEL || dtype_bits(f->dtype) < 8))
    return fail(v, s->loc, "@%s: field `%s` is turned: its rows must have two axes of whole bytes, and the capacity be a multiple of %d, not %" PRId64,
                s->name, f->name, STATE_PANEL, s->capacity);
  for (int i = 0; i < f->rank && fits; i++) fits = f->dim[i] >= 0 && checked_mul(n, f->dim[i], &n);
  return (fits && dtype_size(f->dtype, n, &bytes)) || fail(v, s->loc, "@%s: field `%s` is too large", s->name, f->name);
}

static void check_state(Verifier *v, const State *s) {
  StrMap names = {0};
  if (s->batch < 1 || s->capacity < 1)
    fail(v, s->loc, "@%s has a batch of %" PRId64 " and a capacity of %" PRId64 "; both are at least 1", s->name,
         s->batch, s->capacity);
  else if (s->addressing == ADDRESS_FIXED && s->capacity != 1)
    fail(v, s->loc, "@%s is fixed, which is one row, and has a capacity of %" PRId64, s->name, s->capacity);
  if (s->n_fields == 0) fail(v, s->loc, "@%s has no fields", s->name);
  for (int i = 0; i < s->n_fields; i++) {
    if (!strmap_add(v->scratch, &names, s->field[i].name, &s->field[i]))
      fail(v, s->loc, "@%s has two fields `%s`", s->name, s->field[i].name);
    if (s->batch >= 1 && s->capacity >= 1) check_field(v, s, &s->field[i]);
  }
}

static void check_model(Verifier *v, const Model *m) {
  for (int i = 0; i < m->funcs.n; i++)
    if (module_find_func(v->m, m->funcs.at[i]->name) != m->funcs.at[i])
      fail(v, (Loc){.file = v->m->source}, "@%s: function @%s is not in this module", m->name, m->funcs.at[i]->name);
  for (int i = 0; i < m->weights.n; i++)
    if (module_find_weights(v->m, m->weights.at[i]->name) != m->weights.at[i])
      fail(v, (Loc){.file = v->m->source}, "@%s: weights @%s are not in this module", m->name, m->weights.at[i]->name);
  for (int i = 0; i < m->states.n; i++)
    if (module_find_state(v->m, m->states.at[i]->name) != m->states.at[i])
      fail(v, (Loc){.file = v->m->source}, "@%s: state @%s is not in this module", m->name, m->states.at[i]->name);
  for (int i = 0; i < m->facts.n; i++)
    if (module_find_constant(v->m, m->facts.at[i].constant->name) != m->facts.at[i].constant)
      fail(v, (Loc){.file = v->m->source}, "@%s: the constant of \"%s\" is not in this module", m->name, m->facts.at[i].name);
}

/* ---- calls ---- */

/* A function on the way through the graph of calls. */
typedef struct Caller Caller;
struct Caller {
  Func *f;
  VEC(const Node *) calls;
  Caller *from; /* the one that is being visited and calls this */
  int next, depth;
  enum { NEW, OPEN, DONE } state;
};

static void note_calls(Verifier *v, Caller *c, const Block *b) {
  for (const Node *n = b->first; n; n = n->next) {
    if (n->op == OP_call) vec_push(v->scratch, &c->calls, n);
    for (int i = 0; i < n->n_regions; i++) note_calls(v, c, n->region[i]);
  }
}

/* `@a -> @b -> @a`: the way back from the caller to what it calls, as far as it is short. */
static const char *cycle_text(Verifier *v, const Caller *c, const Func *called) {
  enum { SHOWN = 8 };
  const char *s = arena_printf(v->scratch, "@%.60s", called->name);
  for (int i = 0; i < SHOWN && c->f != called; c = c->from, i++)
    s = arena_printf(v->scratch, "@%.60s -> %s", c->f->name, s);
  return arena_printf(v->scratch, "@%.60s -> %s%s", called->name, c->f == called ? "" : "... -> ", s);
}

static void leave_caller(Verifier *v, Caller *c) {
  c->state = DONE;
  if (c->from && c->from->depth <= c->depth) c->from->depth = c->depth + 1;
  if (c->depth == MAX_CALL_DEPTH)
    fail(v, c->f->loc, "calls from @%s are nested %d deep, and less is allowed", c->f->name, MAX_CALL_DEPTH);
}

/* Depth first, with the way back kept in `from`, since a hostile chain of calls would be too deep for recursion. */
static void visit_calls(Verifier *v, const StrMap *callers, Caller *c) {
  while (c) {
    c->state = OPEN;
    if (c->next == c->calls.n) {
      leave_caller(v, c);
      c = c->from;
      continue;
    }
    const Node *n = c->calls.at[c->next++];
    Caller *to = strmap_get(callers, node_attr(n, attr_slot(call, func))->func->name);
    if (to->state == OPEN) {
      node_fail(v, n, "@%s calls itself: %s", to->f->name, cycle_text(v, c, to->f));
    } else if (to->state == NEW) {
      to->from = c;
      c = to;
    } else if (c->depth <= to->depth) {
      c->depth = to->depth + 1;
    }
  }
}

static void check_calls(Verifier *v) {
  StrMap callers = {0};
  int n = v->m->funcs.n;
  Caller *c = ARENA_ARRAY(v->scratch, Caller, n);
  for (int i = 0; i < n; i++) {
    c[i].f = v->m->funcs.at[i];
    note_calls(v, &c[i], c[i].f->body);
    strmap_add(v->scratch, &callers, c[i].f->name, &c[i]);
  }
  for (int i = 0; i < n; i++)
    if (c[i].state == NEW) visit_calls(v, &callers, &c[i]);
}

/* ---- the module ---- */

static void check_module(Verifier *v) {
  bool signatures = true;
  for (int i = 0; i < v->m->states.n; i++) check_state(v, v->m->states.at[i]);
  check_constants(v);
  for (int i = 0; i < v->m->models.n; i++) check_model(v, v->m->models.at[i]);
  for (int i = 0; i < v->m->funcs.n; i++) signatures &= check_signature(v, v->m->funcs.at[i]);
  if (!signatures) return;
  for (int i = 0; i < v->m->funcs.n; i++) check_func(v, v->m->funcs.at[i]);
  if (v->errors == 0) check_calls(v);
}

/* Inference may have had to look into a file, which may have reported something of its own. */
bool verify_module(Module *m) {
  Verifier v = {.m = m, .scratch = arena_new()};
  int before = diag_errors(m->diag);
  check_module(&v);
  arena_free(v.scratch);
  return diag_errors(m->diag) == before;
}
