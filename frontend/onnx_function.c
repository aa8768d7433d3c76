/* onnx_function.c -- functions that the model defines itself: each call is replaced by the body. */
#include "frontend/onnx_import.h"

/* Calls within calls; real ones go a module's depth. The memory limit bounds how much they grow to. */
enum { MAX_CALLS = 100 };

static const char *key(Arena *a, const char *domain, const char *name, const char *overload) {
  return arena_printf(a, "%s:%s:%s", onnx_domain(domain), onnx_text(name), onnx_text(overload));
}

static bool declare(OnnxImporter *imp, PbFunction *f) {
  Loc loc = {.file = imp->path, .name = onnx_text(f->name)};
  if (f->n_attribute_proto > ONNX_MAX_ATTRIBUTES)
    return diag_error(imp->diag, loc, "a function with %zu attributes, and at most %d are read", f->n_attribute_proto,
                      ONNX_MAX_ATTRIBUTES);
  return strmap_add(imp->arena, &imp->functions, key(imp->arena, f->domain, f->name, f->overload), f) ||
         diag_error(imp->diag, loc, "function `%s` is defined twice", loc.name);
}

bool onnx_declare_functions(OnnxImporter *imp) {
  bool ok = true;
  for (size_t i = 0; i < imp->model->n_functions; i++) ok &= declare(imp, imp->model->functions[i]);
  return ok;
}

const PbFunction *onnx_find_function(const OnnxImporter *imp, const PbNode *n) {
  if (!imp->functions.n) return NULL;
  return strmap_get(&imp->functions, key(imp->arena, n->domain, n->op_type, n->overload));
}

static bool check_call(OnnxCall *c, const PbFunction *f) {
  const OnnxFrame *at = c->node->scope->frame;
  if (at->depth >= MAX_CALLS) return onnx_invalid(c, "calls are nested more than %d deep", MAX_CALLS);
  for (; at; at = at->caller)
    if (at->function == f) return onnx_invalid(c, "the function calls itself, directly or through others");
  if ((size_t)c->n_in > f->n_input)
    return onnx_invalid(c, "%d operands, and the function takes %zu", c->n_in, f->n_input);
  if ((size_t)c->n_out > f->n_output)
    return onnx_invalid(c, "%d results, and the function has %zu", c->n_out, f->n_output);
  return true;
}

bool onnx_import_call(OnnxCall *c, const PbFunction *f) {
  OnnxImporter *imp = c->importer;
  if (!check_call(c, f)) return false;
  const OnnxFrame *from = c->node->scope->frame;
  OnnxFrame *frame = ARENA_NEW(imp->arena, OnnxFrame);
  *frame = (OnnxFrame){.caller = from, .call = c->node, .function = f, .depth = from->depth + 1};
  frame->n_opsets = f->n_opset_import;
  frame->opset = f->opset_import;
  frame->prefix = arena_printf(imp->arena, "%s/", onnx_text(c->b->loc.name));
  OnnxScope *s = onnx_scope_new(imp, NULL, frame, c->b->block);
  s->graphs = c->node->scope->graphs;
  bool ok = true;
  for (size_t i = 0; i < f->n_input; i++) ok &= onnx_bind(imp, s, c->b->loc, f->input[i], onnx_in(c, (int)i));
  if (!ok) return false;
  onnx_import_nodes(imp, s, f->n_node, f->node);
  for (int i = 0; i < c->n_out; i++) {
    c->out[i] = onnx_lookup(imp, s, c->b->loc, f->output[i]);
    if (!c->out[i]) ok = onnx_invalid(c, "result `%s` is an operand that the call leaves out", f->output[i]);
  }
  return ok;
}
