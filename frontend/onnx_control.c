/* onnx_control.c -- Constant, and the operators with graphs of their own: If, Loop and Scan. */
#include "frontend/onnx_build.h"
#include "frontend/onnx_import.h"

#include <inttypes.h>

/* ---- Constant ---- */

static Constant *float_list(OnnxCall *c) {
  const double *v;
  int n = onnx_floats(c, "value_floats", &v);
  float *f = ARENA_ARRAY(c->importer->arena, float, n);
  for (int i = 0; i < n; i++) f[i] = (float)v[i];
  Dim d = b_size(c->b, n);
  return constant_bytes(c->b->module, type_tensor(c->b->module->types, DT_f32, 1, &d), f, n * (int64_t)sizeof *f);
}

static Constant *int_list(OnnxCall *c) {
  const int64_t *v;
  int n = onnx_ints(c, "value_ints", &v);
  return constant_ints(c->b->module, n, v);
}

static Constant *constant_of(OnnxCall *c) {
  if (onnx_has(c, "value")) return onnx_tensor(c, "value");
  if (onnx_has(c, "value_int")) return constant_scalar_i(c->b->module, DT_i64, onnx_int(c, "value_int", 0));
  if (onnx_has(c, "value_float")) return constant_scalar_f(c->b->module, DT_f32, onnx_float(c, "value_float", 0));
  if (onnx_has(c, "value_ints")) return int_list(c);
  if (onnx_has(c, "value_floats")) return float_list(c);
  if (onnx_has(c, "sparse_value")) return onnx_refuse(c, "store it as a dense tensor", "the value is sparse"), NULL;
  if (onnx_has(c, "value_string") || onnx_has(c, "value_strings"))
    return onnx_refuse(c, NULL, "the value is a string"), NULL;
  return onnx_invalid(c, "there is no value"), NULL;
}

bool onnx_import_constant(OnnxCall *c) {
  if (c->node->pb->n_attribute > 1)
    return onnx_invalid(c, "%zu attributes, and it takes one", c->node->pb->n_attribute);
  Constant *k = constant_of(c);
  if (!k) return false;
  c->out[0] = build_const(c->b, k);
  return true;
}

/* ---- regions ---- */

static Builder region_builder(const OnnxCall *c, const Node *n, int region) {
  return (Builder){.module = c->b->module, .func = c->b->func, .block = n->region[region], .loc = c->b->loc};
}

/* A complete node goes to its place, and its results get their types. */
static bool finish(Builder *b, Node *n) {
  node_append(b->block, n);
  return node_infer(n);
}

/* Leading results of a node that may have more than the file names. */
static bool take_results(OnnxCall *c, int n, Value *const *v) {
  if (c->n_out > n) return onnx_invalid(c, "%d results, and its graph gives %d", c->n_out, n);
  for (int i = 0; i < c->n_out; i++) c->out[i] = v[i];
  return true;
}

/* ---- If ---- */

/* Of a condition that is known, only the branch taken counts: exporters leave others there that would not even fit. */
static bool import_taken(OnnxCall *c, const PbGraph *g) {
  int n = (int)g->n_output;
  Value **out = ARENA_ARRAY(c->importer->arena, Value *, n);
  return onnx_import_subgraph(c, g, c->b->block, 0, NULL, n, out) && take_results(c, n, out);
}

static bool import_branch(OnnxCall *c, Node *n, int region, const PbGraph *g) {
  Value **out = ARENA_ARRAY(c->importer->arena, Value *, n->n_out);
  if (!onnx_import_subgraph(c, g, n->region[region], 0, NULL, n->n_out, out)) return false;
  Builder b = region_builder(c, n, region);
  build_values(&b, OP_yield, 0, n->n_out, out, NO_ATTRS);
  return true;
}

/* Types have a rank, so what is one or the other must have the same. */
static bool branches_agree(OnnxCall *c, const Node *n) {
  for (int i = 0; i < n->n_out; i++) {
    Type a = node_in(n->region[0]->last, i)->type, b = node_in(n->region[1]->last, i)->type;
    if (a->rank == b->rank && a->dtype == b->dtype) continue;
    return onnx_refuse(c, "fix sizes with -d name=value, so that the condition is known", "the branches give %s and %s",
                       type_text(c->importer->arena, a), type_text(c->importer->arena, b));
  }
  return true;
}

bool onnx_import_if(OnnxCall *c) {
  const PbGraph *then_graph = onnx_graph(c, "then_branch"), *else_graph = onnx_graph(c, "else_branch");
  if (!then_graph || !else_graph) return false;
  if (!c->in[0] || c->in[0]->type->dtype != DT_bool) return onnx_invalid(c, "the condition is not a bool");
  Tensor *known = onnx_fold(c->importer, c->in[0]);
  if (known && known->count == 1) {
    bool taken = tensor_i(known, 0) != 0;
    tensor_release(known);
    return import_taken(c, taken ? then_graph : else_graph);
  }
  tensor_release(known);
  Node *n = node_new(c->b->func, OP_if, 1, (int)then_graph->n_output, 2, c->b->loc);
  node_set_in(n, 0, b_scalar(c->b, c->in[0]));
  bool ok = import_branch(c, n, 0, then_graph);
  ok &= import_branch(c, n, 1, else_graph);
  return ok && branches_agree(c, n) && finish(c->b, n) && take_results(c, n->n_out, n->out);
}

/* ---- loops ---- */

/* A loop over a graph: carried values have the types of their first values, where the body keeps to these. */
typedef struct LoopPlan {
  OnnxCall *c;
  const PbGraph *body;
  Value *trip, *cond; /* either may be NULL */
  int n_carried, n_collected;
  Value **carried;
  Type *type; /* of the carried values within the body */
  /* Scan: the graph takes slices behind the carried values, and neither counter nor condition. */
  bool scan;
  int n_slices;
  Value **sliced;
  const int64_t *slice_axis;
  const bool *slice_reverse;
} LoopPlan;

static int body_inputs(const LoopPlan *l) { return l->scan ? l->n_carried + l->n_slices : l->n_carried + 2; }
static int body_results(const LoopPlan *l) { return l->n_carried + l->n_collected + !l->scan; }

/* Counter and condition are scalars in a loop; some graphs declare them as vectors of one. */
static Value *as_declared(Builder *b, Value *v, const PbValueInfo *info) {
  const PbType *t = info->type;
  const PbShape *shape = t && t->tensor_type ? t->tensor_type->shape : NULL;
  return shape && shape->n_dim == 1 ? b_unsqueeze(b, v, 0) : v;
}

static Value *slice_of(Builder *b, const LoopPlan *l, int k, Value *i) {
  Value *x = l->sliced[k];
  int axis = (int)l->slice_axis[k];
  if (l->slice_reverse[k]) i = b_sub(b, b_size_scalar(b, b_size_add(b, b_dim(b, x, axis), b_size(b, -1))), i);
  return build(b, OP_gather, 1, INS(x, i), ATTRS(at_i(gather, axis, axis)));
}

static void body_values(Builder *b, const LoopPlan *l, Value **in) {
  Type i64 = type_tensor(b->module->types, DT_i64, 0, NULL), flag = type_tensor(b->module->types, DT_bool, 0, NULL);
  Value *i = block_add_arg(b->block, i64, NULL), *go = block_add_arg(b->block, flag, NULL);
  Value **carried = in;
  if (!l->scan) {
    in[0] = as_declared(b, i, l->body->input[0]);
    in[1] = as_declared(b, go, l->body->input[1]);
    carried = in + 2;
  }
  for (int k = 0; k < l->n_carried; k++) carried[k] = block_add_arg(b->block, l->type[k], NULL);
  for (int k = 0; k < l->n_slices; k++) in[l->n_carried + k] = slice_of(b, l, k, i);
}

/* The loop with its region, not yet in a block; NULL where its body cannot be imported. */
static Node *build_loop(const LoopPlan *l) {
  OnnxCall *c = l->c;
  Arena *a = c->importer->arena;
  int n_out = l->n_carried + l->n_collected;
  Node *n = node_new(c->b->func, OP_loop, 2 + l->n_carried, n_out, 1, c->b->loc);
  Value **in = ARENA_ARRAY(a, Value *, body_inputs(l)), **out = ARENA_ARRAY(a, Value *, n_out + 1);
  Builder b = region_builder(c, n, 0);
  body_values(&b, l, in);
  if (l->scan) out[0] = n->region[0]->arg[1];
  bool ok = onnx_import_subgraph(c, l->body, n->region[0], body_inputs(l), in, body_results(l), out + l->scan);
  if (ok && !l->scan) out[0] = b_scalar(&b, out[0]);
  if (ok) build_values(&b, OP_yield, 0, n_out + 1, out, NO_ATTRS);
  node_set_in(n, 0, l->trip);
  node_set_in(n, 1, l->cond);
  for (int i = 0; i < l->n_carried; i++) node_set_in(n, 2 + i, l->carried[i]);
  if (ok) return n;
  node_remove(n);
  return NULL;
}

static bool widen_dim(const LoopPlan *l, int i, int axis) {
  Module *m = l->c->b->module;
  Dim dim[MAX_RANK];
  Type t = l->type[i];
  if (t->dim[axis] != l->carried[i]->type->dim[axis]) return false; /* it has been */
  memcpy(dim, t->dim, sizeof dim);
  dim[axis] = dim_symbol(m->dims, func_fresh_symbol(l->c->b->func, "d"));
  l->type[i] = type_with_dims(m->types, t, t->rank, dim);
  return true;
}

/* Sizes that change from turn to turn, as the yielded types tell. */
static bool widen_by_results(const LoopPlan *l, const Node *n) {
  bool any = false;
  for (int i = 0; i < l->n_carried; i++) {
    Type t = node_in(block_terminator(n->region[0]), 1 + i)->type;
    if (t->rank != l->type[i]->rank) continue;
    for (int k = 0; k < t->rank; k++)
      if (t->dim[k] != l->type[i]->dim[k]) any |= widen_dim(l, i, k);
  }
  return any;
}

/* Where the body cannot even be imported for the first sizes (a list that starts empty, say): all sizes that the body
 * does not itself declare. */
static bool widen_by_declaration(const LoopPlan *l) {
  bool any = false;
  for (int i = 0; i < l->n_carried; i++) {
    const PbType *t = l->body->input[i + (l->scan ? 0 : 2)]->type;
    const PbShape *shape = t && t->tensor_type ? t->tensor_type->shape : NULL;
    for (int k = 0; k < l->type[i]->rank; k++)
      if (!shape || (size_t)k >= shape->n_dim || !shape->dim[k]->has_dim_value) any |= widen_dim(l, i, k);
  }
  return any;
}

static bool check_loop(LoopPlan *l) {
  OnnxCall *c = l->c;
  int n = (int)l->body->n_output - l->n_carried - !l->scan;
  if (l->body->n_input != (size_t)body_inputs(l))
    return onnx_invalid(c, "its graph takes %zu values, and not %d", l->body->n_input, body_inputs(l));
  if (n < 0) return onnx_invalid(c, "its graph gives %zu values for %d carried ones", l->body->n_output, l->n_carried);
  l->n_collected = n;
  l->type = ARENA_ARRAY(c->importer->arena, Type, l->n_carried);
  for (int i = 0; i < l->n_carried; i++) {
    if (!l->carried[i]) return onnx_invalid(c, "carried value %d is left out", i);
    l->type[i] = l->carried[i]->type;
  }
  return true;
}

/* The loop's node, appended; NULL after an error. The body is imported anew as long as its sizes turn out to change, which
 * each does once; what it complained of is forgotten, but not what is not supported. */
static Node *import_loop(LoopPlan *l, Builder *to) {
  OnnxImporter *imp = l->c->importer;
  for (;;) {
    DiagMark mark = diag_mark(imp->diag);
    int64_t refused = imp->n_refused;
    Node *n = build_loop(l);
    bool again = refused == imp->n_refused && !imp->stopped && (n ? widen_by_results(l, n) : widen_by_declaration(l));
    if (!again) return n && finish(to, n) ? n : NULL;
    diag_rewind(imp->diag, mark);
    if (n) node_remove(n);
  }
}

bool onnx_import_loop(OnnxCall *c) {
  LoopPlan l = {
      .c = c, .body = onnx_graph(c, "body"), .n_carried = c->n_in > 2 ? c->n_in - 2 : 0, .carried = c->in + 2};
  l.trip = onnx_in(c, 0) ? b_scalar(c->b, c->in[0]) : NULL;
  l.cond = onnx_in(c, 1) ? b_scalar(c->b, c->in[1]) : NULL;
  if (!l.body || !check_loop(&l)) return false;
  Node *n = import_loop(&l, c->b);
  return n && take_results(c, n->n_out, n->out);
}

/* ---- Scan ---- */

/* One number for each of n values, 0 where the attribute is absent. */
static bool scan_list(OnnxCall *c, const char *name, int n, const int64_t **out) {
  int have = onnx_ints(c, name, out);
  if (!onnx_has(c, name))
    *out = ARENA_ARRAY(c->importer->arena, int64_t, n);
  else if (have != n)
    return onnx_invalid(c, "%s has %d numbers, and not %d", name, have, n);
  return true;
}

static bool scan_directions(OnnxCall *c, const char *name, int n, const bool **out) {
  const int64_t *v;
  if (!scan_list(c, name, n, &v)) return false;
  bool *reverse = ARENA_ARRAY(c->importer->arena, bool, n);
  for (int i = 0; i < n; i++) {
    if (v[i] != 0 && v[i] != 1)
      return onnx_invalid(c, "%s holds %" PRId64 ", and only 0 and 1 mean something", name, v[i]);
    reverse[i] = v[i];
  }
  *out = reverse;
  return true;
}

/* Collected values are stacked first to last along a first axis. */
static Value *place_collected(OnnxCall *c, Value *v, int64_t axis, bool reverse) {
  int at, rank = b_rank(v);
  if (!b_typed(v) || !onnx_axis(c, axis, rank, &at)) return NULL;
  if (reverse) {
    Value *from = build_ints(c->b, 1, (int64_t[]){-1}), *to = build_ints(c->b, 1, (int64_t[]){INT64_MIN});
    Value *axes = build_ints(c->b, 1, (int64_t[]){0});
    v = build(c->b, OP_slice, 1, INS(v, from, to, axes, from), NO_ATTRS);
  }
  if (at == 0) return v;
  int64_t perm[MAX_RANK];
  for (int i = 0; i < rank; i++) perm[i] = i < at ? i + 1 : i == at ? 0 : i;
  return b_transpose(c->b, v, rank, perm);
}

/* How the graph's scanned values and results divide, checked. */
static bool plan_scan(OnnxCall *c, LoopPlan *l, int first) {
  int64_t slices = onnx_int(c, "num_scan_inputs", 0);
  int n = c->n_in - first;
  if (slices < 1 || slices > n) return onnx_invalid(c, "num_scan_inputs is %" PRId64 " of %d operands", slices, n);
  *l = (LoopPlan){.c = c,
                  .body = onnx_graph(c, "body"),
                  .scan = true,
                  .n_slices = (int)slices,
                  .n_carried = n - (int)slices,
                  .carried = c->in + first};
  l->sliced = l->carried + l->n_carried;
  for (int i = 0; i < l->n_slices; i++)
    if (!l->sliced[i]) return onnx_invalid(c, "scanned value %d is left out", i);
  return l->body && check_loop(l);
}

static Value *turns_of(Builder *b, const LoopPlan *l) {
  return b_size_scalar(b, b_dim(b, l->sliced[0], (int)l->slice_axis[0]));
}

bool onnx_import_scan(OnnxCall *c) {
  LoopPlan l;
  const int64_t *axis, *out_axis;
  const bool *out_reverse;
  if (!plan_scan(c, &l, 0)) return false;
  if (!scan_list(c, "scan_input_axes", l.n_slices, &axis) ||
      !scan_list(c, "scan_output_axes", l.n_collected, &out_axis) ||
      !scan_directions(c, "scan_input_directions", l.n_slices, &l.slice_reverse) ||
      !scan_directions(c, "scan_output_directions", l.n_collected, &out_reverse))
    return false;
  int64_t *at = ARENA_ARRAY(c->importer->arena, int64_t, l.n_slices);
  for (int i = 0, k; i < l.n_slices; i++) {
    if (!onnx_axis(c, axis[i], b_rank(l.sliced[i]), &k)) return false;
    at[i] = k;
  }
  l.slice_axis = at;
  l.trip = turns_of(c->b, &l);
  Node *n = import_loop(&l, c->b);
  if (!n || !take_results(c, n->n_out, n->out)) return false;
  for (int i = l.n_carried; i < c->n_out; i++) {
    c->out[i] = place_collected(c, c->out[i], out_axis[i - l.n_carried], out_reverse[i - l.n_carried]);
    if (!c->out[i]) return false;
  }
  return true;
}

/* Opset 8: each operand has a first axis for the batch, whose elements are scanned one by one along the second. */
bool onnx_import_scan_batch(OnnxCall *c) {
  LoopPlan l;
  Arena *a = c->importer->arena;
  if (c->n_in < 2) return onnx_invalid(c, "it has %d operands, and needs 2", c->n_in);
  if (c->in[0]) return onnx_refuse(c, "convert the model to opset 9 or newer", "sequence_lens is given");
  if (!plan_scan(c, &l, 1) || !scan_directions(c, "directions", l.n_slices, &l.slice_reverse)) return false;
  for (int i = 1; i < c->n_in; i++)
    if (b_rank(c->in[i]) < (i > l.n_carried ? 2 : 1)) return onnx_invalid(c, "operand %d has no axis for the batch", i);
  int n_out = l.n_carried + l.n_collected;
  Node *outer = node_new(c->b->func, OP_loop, 2, n_out, 1, c->b->loc);
  Builder b = region_builder(c, outer, 0);
  Type i64 = type_tensor(b.module->types, DT_i64, 0, NULL), flag = type_tensor(b.module->types, DT_bool, 0, NULL);
  Value *i = block_add_arg(b.block, i64, NULL), *go = block_add_arg(b.block, flag, NULL);
  Value **element = ARENA_ARRAY(a, Value *, c->n_in), **yields = ARENA_ARRAY(a, Value *, n_out + 1);
  for (int k = 1; k < c->n_in; k++) element[k - 1] = build(&b, OP_gather, 1, INS(c->in[k], i), NO_ATTRS);
  l.carried = element;
  l.sliced = element + l.n_carried;
  l.slice_axis = ARENA_ARRAY(a, int64_t, l.n_slices);
  l.trip = turns_of(&b, &l);
  Node *inner = check_loop(&l) ? import_loop(&l, &b) : NULL;
  if (!inner) return false;
  yields[0] = go;
  for (int k = 0; k < n_out; k++) yields[k + 1] = inner->out[k];
  build_values(&b, OP_yield, 0, n_out + 1, yields, NO_ATTRS);
  node_set_in(outer, 0, b_size_scalar(c->b, b_dim(c->b, c->in[1], 0)));
  return finish(c->b, outer) && take_results(c, n_out, outer->out);
}
