/* infer_structure.c -- result types of constants, calls and regions. */
#include <inttypes.h>

#include "ir/infer.h"

static const char *text(Infer *c, Type t) { return type_text(c->module->arena, t); }

bool infer_none(Infer *c) {
  (void)c;
  return true;
}

bool infer_const(Infer *c) {
  const Constant *k = node_attr(c->node, attr_slot(const, value))->constant;
  if (!k || !k->type || k->type->kind != TYPE_TENSOR) return infer_error(c, "is of no tensor");
  c->out[0] = k->type;
  return true;
}

bool infer_dims(Infer *c) {
  const Attr *sizes = node_attr(c->node, attr_slot(dims, sizes));
  for (int i = 0; i < sizes->dims.n; i++)
    if (dim_is_unknown(sizes->dims.at[i])) return infer_error(c, "size %d cannot be known: it overflows, or divides by 0", i);
  Dim n = dim_const(c->module->dims, sizes->dims.n);
  return infer_result(c, 0, DT_i64, 1, &n);
}

/* One number a size. */
bool infer_bind(Infer *c) {
  const Attr *sizes = node_attr(c->node, attr_slot(bind, sizes));
  Type t = c->in[0];
  if (!infer_plain(c, 0)) return false;
  if (t->dtype != DT_i64 || t->rank > 1) return infer_error(c, "operand is %s, and must be i64[n]", text(c, t));
  Dim n = type_elements(c->module->dims, t);
  if (!infer_same_dim(c, n, dim_const(c->module->dims, sizes->dims.n), "the number of sizes")) return false;
  return dim_is_const(n) || infer_error(c, "the number of sizes must be known");
}

bool infer_check(Infer *c) {
  int n = node_attr(c->node, attr_slot(check, sizes))->dims.n;
  return n % 2 == 0 || infer_error(c, "has %d sizes, and takes them two by two", n);
}

/* The same but for the sizes. */
static bool same_kind(Type a, Type b) {
  return a->kind == b->kind && a->dtype == b->dtype && a->encoded == b->encoded && encoding_equal(a->enc, b->enc) &&
         a->rank == b->rank && a->lanes == b->lanes && a->state == b->state;
}

/* What is one or the other: sizes that differ are not known. */
static bool merge(Infer *c, Type a, Type b, const char *what, int i, Type *out) {
  Dim dim[MAX_RANK];
  if (!same_kind(a, b)) return infer_error(c, "%s %d is %s, and then %s", what, i, text(c, a), text(c, b));
  for (int k = 0; k < a->rank; k++) dim[k] = a->dim[k] == b->dim[k] ? a->dim[k] : dim_unknown(c->module->dims);
  *out = type_with_dims(c->module->types, a, a->rank, dim);
  return true;
}

/* ---- calls ---- */

/* First the sizes that are a lone symbol of the callee, which bind it; then all, to be held against each other. */
static bool bind_argument(Infer *c, Type declared, Type given, int i, bool check, Dim *with, int n) {
  if (!same_kind(declared, given))
    return infer_error(c, "argument %d is %s, and is declared %s", i, text(c, given), text(c, declared));
  for (int k = 0; k < declared->rank; k++) {
    const Symbol *s = dim_as_symbol(declared->dim[k]);
    if (s && !check && !with[s->index]) with[s->index] = given->dim[k];
    Dim d = check ? dim_substitute(c->module->dims, declared->dim[k], with, n) : given->dim[k];
    if (check && !infer_same_dim(c, given->dim[k], d, arena_printf(c->module->arena, "argument %d, axis %d", i, k)))
      return false;
  }
  return true;
}

static bool call_types(Infer *c, const Func *f, Dim *with, int n) {
  DimPool *p = c->module->dims;
  for (int check = 0; check < 2; check++) {
    for (int i = 0; i < c->node->n_in; i++) {
      if (!c->in[i]) return infer_error(c, "argument %d is left out", i);
      if (!bind_argument(c, f->body->arg[i]->type, c->in[i], i, check, with, n)) return false;
    }
    for (int i = 0; i < n && !check; i++)
      if (!with[i]) with[i] = dim_unknown(p);
  }
  for (int i = 0; i < f->n_results; i++) {
    Dim dim[MAX_RANK];
    Type t = f->result[i];
    for (int k = 0; k < t->rank; k++) dim[k] = dim_substitute(p, t->dim[k], with, n);
    c->out[i] = type_with_dims(c->module->types, t, t->rank, dim);
  }
  return true;
}

bool infer_call(Infer *c) {
  const Func *f = node_attr(c->node, attr_slot(call, func))->func;
  if (!f || f->level != LEVEL_TENSOR) return infer_error(c, "calls no function of tensors");
  if (c->node->n_in != f->body->n_args || c->node->n_out != f->n_results)
    return infer_error(c, "@%s has %d arguments and %d results, not %d and %d", f->name, f->body->n_args, f->n_results,
                       c->node->n_in, c->node->n_out);
  Arena *scratch = arena_new(); /* many calls of a function with many symbols must not add up */
  bool ok = call_types(c, f, ARENA_ARRAY(scratch, Dim, f->symbols.n), f->symbols.n);
  arena_free(scratch);
  return ok;
}

/* ---- kernels ---- */

/* A kernel sees elements that are no larger than a byte as bytes, if it likes. */
static bool launch_memory(Infer *c, Type param, Type t, const char *what, int i) {
  bool tensor = param->kind == TYPE_BUFFER && t && t->kind == TYPE_TENSOR && !t->encoded;
  if (tensor && (t->dtype == param->dtype || (param->dtype == DT_u8 && dtype_bits(t->dtype) <= 8))) return true;
  return infer_error(c, "%s %d is %s, and the kernel takes %s", what, i, type_text(c->module->arena, t),
                     type_text(c->module->arena, param));
}

/* The kernel's arguments for a value, from number *at on. A result that is a state is its operand, changed in place: the kernel
 * has it already. */
static bool launch_value(Infer *c, const Func *f, Type t, const char *what, int i, int *at) {
  bool state = t && t->kind == TYPE_STATE;
  int n = !state ? 1 : *what == 'r' ? 0 : type_memories(t);
  for (int k = 0; k < n; k++, ++*at) {
    if (*at >= f->body->n_args) return infer_error(c, "@%s takes %d arguments, and gets more", f->name, f->body->n_args);
    Type param = f->body->arg[*at]->type;
    if (!state && !launch_memory(c, param, t, what, i)) return false;
    if (state && (param->kind != TYPE_BUFFER || param->dtype != type_memory(t, k)))
      return infer_error(c, "%s %d is %s, and argument %d of the kernel is %s", what, i, text(c, t), *at, text(c, param));
  }
  return true;
}

static bool has_state_operand(Infer *c, Type t) {
  for (int i = 0; i < c->node->n_in; i++)
    if (c->in[i] == t) return true;
  return false;
}

/* The results are what is declared: a kernel says how its memory is typed, not how large it is. */
bool infer_launch(Infer *c) {
  const Node *n = c->node;
  const Func *f = node_attr(n, attr_slot(launch, func))->func;
  if (!f || f->level != LEVEL_KERNEL) return infer_error(c, "launches no kernel");
  int sizes = node_attr(n, attr_slot(launch, sizes))->dims.n, grid = node_attr(n, attr_slot(launch, grid))->dims.n;
  if (grid > 3) return infer_error(c, "a grid has %d axes, and at most 3", grid);
  int at = 0;
  for (int i = 0; i < n->n_in; i++)
    if (!launch_value(c, f, c->in[i], "operand", i, &at)) return false;
  for (int i = 0; i < n->n_out; i++) {
    c->out[i] = n->out[i]->type;
    if (!c->out[i]) return infer_error(c, "result %d has no type", i);
    if (c->out[i]->kind == TYPE_STATE && !has_state_operand(c, c->out[i]))
      return infer_error(c, "result %d is a state, and no operand is of that state", i);
    if (!launch_value(c, f, c->out[i], "result", i, &at)) return false;
  }
  if (f->body->n_args != at + sizes)
    return infer_error(c, "@%s takes %d arguments, and gets %d for operands and results, and %d sizes", f->name, f->body->n_args, at, sizes);
  for (; at < f->body->n_args; at++)
    if (f->body->arg[at]->type != type_scalar(c->module->types, DT_index))
      return infer_error(c, "argument %d of @%s is no index", at, f->name);
  return true;
}

/* ---- regions ---- */

static bool region_end(Infer *c, int region, int n, const Node **end) {
  *end = block_terminator(c->node->region[region]);
  if (!*end) return infer_error(c, "region %d does not end with yield", region);
  if ((*end)->n_in != n) return infer_error(c, "region %d yields %d values, and not %d", region, (*end)->n_in, n);
  for (int i = 0; i < n; i++)
    if (!node_in(*end, i) || !node_in(*end, i)->type)
      return infer_error(c, "region %d: value %d has no type", region, i);
  return true;
}

static bool region_takes(Infer *c, int region, int n) {
  int has = c->node->region[region]->n_args;
  return has == n || infer_error(c, "region %d takes %d values, and not %d", region, has, n);
}

static bool one_element(Type t) {
  return t->kind == TYPE_TENSOR && !t->encoded && (t->rank == 0 || (t->rank == 1 && dim_is(t->dim[0], 1)));
}

static bool need_condition(Infer *c, int i) {
  if (one_element(c->in[i]) && c->in[i]->dtype == DT_bool) return true;
  return infer_error(c, "operand %d is %s, and must be bool[]", i, text(c, c->in[i]));
}

bool infer_if(Infer *c) {
  const Node *a, *b;
  int n = c->node->n_out;
  if (!need_condition(c, 0) || !region_takes(c, 0, 0) || !region_takes(c, 1, 0)) return false;
  if (!region_end(c, 0, n, &a) || !region_end(c, 1, n, &b)) return false;
  for (int i = 0; i < n; i++)
    if (!merge(c, node_in(a, i)->type, node_in(b, i)->type, "result", i, &c->out[i])) return false;
  return true;
}

bool infer_fused(Infer *c) {
  const Node *end;
  if (!region_takes(c, 0, c->node->n_in) || !region_end(c, 0, c->node->n_out, &end)) return false;
  for (int i = 0; i < c->node->n_in; i++) {
    Type t;
    if (!c->in[i]) return infer_error(c, "operand %d is left out", i);
    if (!merge(c, c->in[i], c->node->region[0]->arg[i]->type, "operand", i, &t)) return false;
  }
  for (int i = 0; i < c->node->n_out; i++) c->out[i] = node_in(end, i)->type;
  return true;
}

/* A loop goes on for sure where its region yields its own condition, or true. */
static bool surely_goes_on(Infer *c, const Node *end) {
  const Value *v = node_in(end, 0);
  Dim d;
  int n;
  if (v == c->node->region[0]->arg[1]) return !c->in[1] || (infer_ints(c, 1, 1, &d, &n) && n == 1 && dim_is(d, 1));
  return !c->in[1] && value_dims(c->module, v, 1, &d, &n) && n == 1 && dim_is(d, 1);
}

static Dim loop_turns(Infer *c, const Node *end) {
  Dim d;
  int n;
  if (c->in[0] && surely_goes_on(c, end) && infer_ints(c, 0, 1, &d, &n) && n == 1 && dim_at_least(d, 0)) return d;
  return dim_unknown(c->module->dims);
}

static bool loop_control(Infer *c, const Block *body, const Node *end) {
  Type i = body->arg[0]->type, go = body->arg[1]->type, next = node_in(end, 0)->type;
  if (c->in[0] && !(one_element(c->in[0]) && dtype_is_int(c->in[0]->dtype)))
    return infer_error(c, "trip count is %s, and must be i64[]", text(c, c->in[0]));
  if (c->in[1] && !need_condition(c, 1)) return false;
  if (!i || i->kind != TYPE_TENSOR || i->dtype != DT_i64 || i->rank != 0)
    return infer_error(c, "region takes its counter as %s, and must as i64[]", text(c, i));
  if (!go || go->kind != TYPE_TENSOR || go->dtype != DT_bool || !one_element(go) || !next || !same_kind(go, next))
    return infer_error(c, "region takes its condition as %s and yields %s; both must be bool[]", text(c, go),
                       text(c, next));
  return true;
}

bool infer_loop(Infer *c) {
  const Node *end;
  const Block *body = c->node->region[0];
  int carried = c->node->n_in - 2, n = c->node->n_out;
  if (n < carried) return infer_error(c, "carries %d values, and has %d results", carried, n);
  if (!region_takes(c, 0, carried + 2) || !region_end(c, 0, n + 1, &end) || !loop_control(c, body, end)) return false;
  for (int i = 0; i < carried; i++) {
    Type t;
    if (!c->in[i + 2]) return infer_error(c, "carried value %d is left out", i);
    if (!merge(c, c->in[i + 2], body->arg[i + 2]->type, "carried value", i, &t)) return false;
    if (!merge(c, c->in[i + 2], node_in(end, i + 1)->type, "carried value", i, &c->out[i])) return false;
  }
  Dim dim[MAX_RANK + 1] = {loop_turns(c, end)};
  for (int i = carried; i < n; i++) {
    Type t = node_in(end, i + 1)->type;
    if (t->kind != TYPE_TENSOR || t->encoded) return infer_error(c, "collects %s", text(c, t));
    for (int k = 0; k < t->rank; k++) dim[k + 1] = t->dim[k];
    if (!infer_result(c, i, t->dtype, t->rank + 1, dim)) return false;
  }
  return true;
}
