/* onnx_import.c -- an ONNX model becomes a module: function @main from its graph, constants from its tensors. */
#include "frontend/onnx_import.h"

#include <inttypes.h>

#include "frontend/onnx_scan.h"
#include "ir/fatal.h"

/* The arena may take this much, and so much for each byte of the model that is not a tensor's contents: several times
 * what models need, and a bound for the one whose functions call each other to no end. */
enum { MEMORY_BASE = 40 << 20, MEMORY_PER_BYTE = 56 };

/* ---- what the model says of itself ---- */

static bool check_opsets(OnnxImporter *imp, Loc loc, size_t n, PbOpset *const *opset) {
  bool ok = true;
  if (n > ONNX_MAX_OPSETS) return diag_error(imp->diag, loc, "%zu opsets, and at most %d are read", n, ONNX_MAX_OPSETS);
  for (size_t i = 0; i < n; i++) {
    const char *domain = onnx_domain(opset[i]->domain);
    int64_t v = opset[i]->version;
    if (*domain == '\0' && (v < ONNX_OPSET_MIN || v > ONNX_OPSET_MAX)) {
      const char *why = arena_printf(imp->arena, "it uses opset %" PRId64 " of ai.onnx, and %d to %d are supported", v,
                                     ONNX_OPSET_MIN, ONNX_OPSET_MAX);
      onnx_add_refusal(imp, (OnnxRefusal){.domain = "",
                                          .type = "model",
                                          .node = loc.name,
                                          .reason = why,
                                          .instead = "convert the model with ONNX's version converter"});
      ok = false;
    }
    if (strcmp(domain, "com.microsoft") == 0 && v != 1)
      ok = diag_error(imp->diag, loc, "opset %" PRId64 " of com.microsoft is not supported: 1 is", v);
  }
  return ok;
}

static bool check_model(OnnxImporter *imp) {
  PbModel *m = imp->model;
  Loc loc = {.file = imp->path};
  if (!m->graph) return diag_error(imp->diag, loc, "the file holds no graph: is it an ONNX model?");
  if (!m->n_opset_import) return diag_error(imp->diag, loc, "the model does not say which opset it uses");
  bool ok = check_opsets(imp, loc, m->n_opset_import, m->opset_import);
  for (size_t i = 0; i < m->n_functions; i++) {
    loc.name = onnx_text(m->functions[i]->name);
    ok &= check_opsets(imp, loc, m->functions[i]->n_opset_import, m->functions[i]->opset_import);
  }
  return ok;
}

/* ---- the graph ---- */

/* Until version 4 of the format every initialiser had to be listed as an input, too. */
static bool import_inputs(OnnxImporter *imp, OnnxScope *s) {
  bool ok = true;
  const PbGraph *g = imp->model->graph;
  bool defaults = imp->options && imp->options->initializers_are_defaults;
  for (size_t i = 0; i < g->n_input; i++) {
    const char *name = onnx_text(g->input[i]->name);
    Loc loc = {.file = imp->path, .name = name};
    OnnxBinding *b = strmap_get(&s->names, name);
    if (b && b->initializer && !defaults) continue;
    if (!*name) ok = diag_error(imp->diag, loc, "input %zu has no name", i);
    if (!*name) continue;
    Type t = onnx_input_type(imp, g->input[i]);
    Value *v = t ? block_add_arg(s->block, t, name) : onnx_failed_value(imp);
    if (b && b->initializer)
      *b = (OnnxBinding){.value = v};
    else
      ok &= onnx_bind(imp, s, loc, name, v);
  }
  return ok;
}

/* What is computed counts; a declaration that says otherwise is worth a word, since a tool may have believed it. */
static void compare_shapes(OnnxImporter *imp, Loc loc, const PbShape *declared, Type t) {
  bool same = (int64_t)declared->n_dim == t->rank;
  for (int i = 0; i < t->rank && same; i++) {
    const PbDimension *d = declared->dim[i];
    if (d->has_dim_value && d->dim_value >= 0 && dim_is_const(t->dim[i])) same = d->dim_value == t->dim[i]->constant;
  }
  if (same) return;
  char *sizes = "";
  for (size_t i = 0; i < declared->n_dim && i < MAX_RANK; i++) {
    const PbDimension *d = declared->dim[i];
    const char *size = d->has_dim_value ? arena_printf(imp->arena, "%" PRId64, d->dim_value) : *onnx_text(d->dim_param) ? d->dim_param : "?";
    sizes = arena_printf(imp->arena, "%s%s%s", sizes, i ? "," : "", size);
  }
  diag_warn(imp->diag, loc, "declared with the sizes [%s], and computed as %s", sizes, type_text(imp->arena, t));
}

static bool check_output(OnnxImporter *imp, const PbValueInfo *v, Type t) {
  const PbType *declared = v->type;
  if (!declared || !declared->tensor_type || !declared->tensor_type->elem_type) return true;
  Loc loc = {.file = imp->path, .name = onnx_text(v->name)};
  const char *name = onnx_type_name(declared->tensor_type->elem_type);
  if (dtype_from_onnx(declared->tensor_type->elem_type) != t->dtype)
    return diag_error(imp->diag, loc, "declared as %s, and computed as %s", name ? name : "an unknown type", dtype_name(t->dtype));
  if (declared->tensor_type->shape) compare_shapes(imp, loc, declared->tensor_type->shape, t);
  return true;
}

static bool import_outputs(OnnxImporter *imp, OnnxScope *s) {
  bool ok = true;
  StrMap seen = {0};
  const PbGraph *g = imp->model->graph;
  int n = (int)g->n_output;
  Value **v = ARENA_ARRAY(imp->arena, Value *, n);
  Type *t = ARENA_ARRAY(imp->arena, Type, n);
  const char **name = ARENA_ARRAY(imp->arena, const char *, n);
  if (n == 0) ok = diag_error(imp->diag, (Loc){.file = imp->path}, "the model has no outputs");
  for (int i = 0; i < n; i++) {
    name[i] = onnx_text(g->output[i]->name);
    v[i] = onnx_lookup(imp, s, (Loc){.file = imp->path, .name = name[i]}, name[i]);
    t[i] = v[i]->type;
    if (!t[i] || !check_output(imp, g->output[i], t[i])) ok = false;
    if (!strmap_add(imp->arena, &seen, name[i], v[i]))
      ok = diag_error(imp->diag, (Loc){.file = imp->path, .name = name[i]}, "the model has two outputs of this name");
  }
  if (!ok) return false;
  func_set_results(imp->func, n, t, name);
  build_values(&(Builder){.module = imp->module, .func = imp->func, .block = s->block}, OP_return, 0, n, v, NO_ATTRS);
  return true;
}

static bool import_graph(OnnxImporter *imp) {
  PbModel *m = imp->model;
  OnnxFrame *frame = ARENA_NEW(imp->arena, OnnxFrame);
  *frame = (OnnxFrame){.n_opsets = m->n_opset_import, .opset = m->opset_import, .prefix = ""};
  OnnxScope *s = onnx_scope_new(imp, NULL, frame, imp->func->body);
  bool ok = onnx_declare_functions(imp);
  onnx_repair_constants(imp, m->graph);
  onnx_declare_sizes(imp, m->graph);
  ok &= onnx_bind_initializers(imp, s, m->graph);
  ok &= import_inputs(imp, s);
  ok &= onnx_check_dim_options(imp);
  if (!ok) return false;
  onnx_import_nodes(imp, s, m->graph->n_node, m->graph->node);
  return !imp->stopped && import_outputs(imp, s) && ok;
}

/* ---- the list of what is not supported ---- */

static void report_refusal(OnnxImporter *imp, const OnnxRefusal *r) {
  Loc loc = {.file = imp->path, .name = r->node};
  const char *more = r->count > 1 ? arena_printf(imp->arena, " (and %d more)", r->count - 1) : "";
  if (r->opset)
    diag_error(imp->diag, loc, "%s (%s, opset %" PRId64 ") is not supported: %s%s", r->type,
               *r->domain ? r->domain : "ai.onnx", r->opset, r->reason, more);
  else
    diag_error(imp->diag, loc, "this %s is not supported: %s%s", r->type, r->reason, more);
  if (r->instead) diag_hint(imp->diag, "%s", r->instead);
}

static void report_refusals(OnnxImporter *imp) {
  int n = imp->refusals.n;
  OnnxRefusal *all = ARENA_ARRAY(imp->arena, OnnxRefusal, n);
  for (int i = 0; i < n; i++) {
    all[i] = *imp->refusals.at[i];
    report_refusal(imp, &all[i]);
  }
  if (imp->options && imp->options->report) *imp->options->report = (OnnxReport){n, all};
}

/* ---- the whole ---- */

static void declare_model(OnnxImporter *imp) {
  Model *model = module_add_model(imp->module, "model");
  vec_push(imp->arena, &model->funcs, imp->func);
  vec_push(imp->arena, &model->weights, imp->store.weights);
}

static bool run(OnnxImporter *imp, Arena *scratch) {
  size_t structure = 0;
  imp->model =
      (PbModel *)onnx_unpack(scratch, imp->diag, (Loc){.file = imp->path}, &lathe__onnx__model_proto__descriptor,
                             imp->store.bytes.at, (size_t)imp->store.bytes.size, &structure);
  if (!imp->model) return diag_hint(imp->diag, "is this an ONNX model? IR text is read from files whose names end in .ir");
  size_t copied = imp->store.mapped ? 0 : (size_t)imp->store.bytes.size;
  imp->memory_limit = arena_bytes(imp->arena) + MEMORY_BASE + MEMORY_PER_BYTE * structure + copied;
  if (imp->options) imp->dim_used = ARENA_ARRAY(imp->arena, bool, imp->options->n_dims);
  int before = diag_errors(imp->diag);
  bool ok = check_model(imp) && import_graph(imp);
  report_refusals(imp);
  if (diag_errors(imp->diag) != before) return false;
  ensure(ok); /* nothing fails in silence */
  declare_model(imp);
  return true;
}

static Module *import_bytes(Arena *a, Diag *d, const char *path, OnnxBytes bytes, bool mapped, const OnnxOptions *o) {
  OnnxImporter imp = {.arena = a, .diag = d, .options = o, .path = arena_string(a, path, strlen(path))};
  imp.module = module_new(a, d);
  imp.module->source = imp.path;
  imp.func = module_add_func(imp.module, "main", LEVEL_TENSOR);
  imp.func->loc = (Loc){.file = imp.path};
  imp.store =
      (OnnxStore){.arena = a, .diag = d, .module = imp.module, .path = imp.path, .bytes = bytes, .mapped = mapped};
  imp.store.weights = module_add_weights(imp.module, "main.w");
  Arena *scratch = arena_new();
  bool ok = run(&imp, scratch);
  arena_free(scratch);
  if (imp.evaluator) eval_free(imp.evaluator);
  onnx_store_close(&imp.store);
  if (!ok) module_close(imp.module);
  return ok ? imp.module : NULL;
}

Module *onnx_import(Arena *a, Diag *d, const char *path, const OnnxOptions *o) {
  OnnxBytes bytes;
  if (!onnx_map(d, (Loc){.file = path}, path, &bytes)) return NULL;
  return import_bytes(a, d, path, bytes, true, o);
}

Module *onnx_import_memory(Arena *a, Diag *d, const char *path, const void *bytes, size_t size, const OnnxOptions *o) {
  return import_bytes(a, d, path, (OnnxBytes){size ? bytes : "", (int64_t)size}, false, o);
}
