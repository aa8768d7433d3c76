/* onnx_graph.c -- names and nodes: a graph's, a subgraph's or a function's body becomes nodes in a block. */
#include "frontend/onnx_import.h"

#include <inttypes.h>

/* ---- names ---- */

OnnxScope *onnx_scope_new(OnnxImporter *imp, OnnxScope *outer, const OnnxFrame *frame, Block *block) {
  OnnxScope *s = ARENA_NEW(imp->arena, OnnxScope);
  *s = (OnnxScope){.outer = outer, .frame = frame, .block = block};
  return s;
}

static bool bind(OnnxImporter *imp, OnnxScope *s, Loc loc, const char *name, OnnxBinding b) {
  OnnxBinding *copy = ARENA_NEW(imp->arena, OnnxBinding);
  *copy = b;
  return strmap_add(imp->arena, &s->names, name, copy) || diag_error(imp->diag, loc, "`%s` is defined twice", name);
}

bool onnx_bind(OnnxImporter *imp, OnnxScope *s, Loc loc, const char *name, Value *v) {
  return bind(imp, s, loc, name, (OnnxBinding){.value = v});
}

bool onnx_bind_initializers(OnnxImporter *imp, OnnxScope *s, const PbGraph *g) {
  bool ok = true;
  Loc loc = {.file = imp->path, .name = onnx_text(g->name)};
  if (g->n_sparse_initializer)
    onnx_add_refusal(imp, (OnnxRefusal){.domain = "",
                                        .type = "initializer",
                                        .node = loc.name,
                                        .reason = "it is sparse",
                                        .instead = "store it as a dense tensor"});
  for (size_t i = 0; i < g->n_initializer; i++) {
    const PbTensor *t = g->initializer[i];
    if (!*onnx_text(t->name))
      ok = diag_error(imp->diag, loc, "initializer %zu has no name", i);
    else
      ok &= bind(imp, s, loc, t->name, (OnnxBinding){.initializer = t});
  }
  return ok;
}

Value *onnx_failed_value(OnnxImporter *imp) { return ARENA_NEW(imp->arena, Value); }

/* A constant stands in the block of the graph that holds it, before the node that is being imported, whose own block is
 * that one or lies within a node that is not yet in it. */
static Value *make_initializer(OnnxImporter *imp, OnnxScope *s, const PbTensor *t) {
  Loc loc = {.file = imp->path, .name = onnx_keep(imp, t->name)};
  Constant *c = onnx_constant(&imp->store, t, loc, t->name);
  if (!c) return onnx_failed_value(imp);
  return build_const(&(Builder){.module = imp->module, .func = imp->func, .block = s->block, .loc = loc}, c);
}

Value *onnx_lookup(OnnxImporter *imp, OnnxScope *s, Loc loc, const char *name) {
  for (OnnxScope *at = s; at; at = at->outer) {
    OnnxBinding *b = strmap_get(&at->names, name);
    if (!b) continue;
    if (!b->value && b->initializer) b->value = make_initializer(imp, at, b->initializer);
    return b->value;
  }
  if (!imp->stopped) diag_error(imp->diag, loc, "`%s` is used, and nothing defines it", name);
  return onnx_failed_value(imp);
}

/* ---- opsets ---- */

const char *onnx_domain(const char *domain) { return !domain || strcmp(domain, "ai.onnx") == 0 ? "" : domain; }

int64_t onnx_opset_version(const OnnxFrame *f, const char *domain) {
  for (size_t i = 0; i < f->n_opsets; i++)
    if (strcmp(onnx_domain(f->opset[i]->domain), domain) == 0) return f->opset[i]->version;
  return 0;
}

/* Does any version of the operator have a row? Then the model's is too old. */
static int64_t first_version(const char *domain, const char *type) {
  int n;
  int64_t first = 0;
  const OnnxRow *rows = onnx_rows(&n);
  for (int i = 0; i < n; i++)
    if (strcmp(rows[i].type, type) == 0 && strcmp(rows[i].domain, domain) == 0 && (!first || rows[i].since < first))
      first = rows[i].since;
  return first;
}

static bool refuse_unknown(OnnxCall *c) {
  int64_t first = first_version(c->domain, c->type);
  if (first) {
    const char *how = "convert the model to a newer opset";
    return onnx_refuse(c, how, "it is supported from opset %" PRId64 " on", first);
  }
  const OnnxRefused *known = onnx_refused(c->domain, c->type);
  if (known) return onnx_refuse(c, known->instead, "%s", known->reason);
  return onnx_refuse(c, "write it with the operators that docs/support.md lists, or as a function of the model",
                     "there is no such operator here");
}

static bool check_count(OnnxCall *c, const char *what, int n, int min, int max) {
  if (n >= min && n <= max) return true;
  if (max == OP_MANY) return onnx_invalid(c, "%d %s, and it takes %d or more", n, what, min);
  if (min == max) return onnx_invalid(c, "%d %s, and it takes %d", n, what, min);
  return onnx_invalid(c, "%d %s, and it takes %d to %d", n, what, min, max);
}

static bool check_attributes(OnnxCall *c, const OnnxRow *row) {
  bool ok = true;
  const PbNode *n = c->node->pb;
  for (size_t i = 0; i < n->n_attribute; i++) {
    const char *name = onnx_text(n->attribute[i]->name);
    if (!onnx_among(name, row->attributes))
      ok = onnx_refuse(c, "leave the attribute out if it is at its default", "attribute `%s`", name);
    for (size_t k = 0; k < i; k++)
      if (strcmp(onnx_text(n->attribute[k]->name), name) == 0)
        ok = onnx_invalid(c, "attribute `%s` is given twice", name);
  }
  return ok;
}

/* How many of the first operands may not be left out: all, of an operator that takes one or more of a kind. */
static int required_operands(const OnnxCall *c, const OnnxRow *row) {
  return row->min_in > 0 && row->max_in == OP_MANY ? c->n_in : row->min_in;
}

static bool check_row(OnnxCall *c, const OnnxRow *row) {
  bool ok = check_attributes(c, row);
  ok &= check_count(c, "operands", c->n_in, row->min_in, row->max_in);
  for (int i = 0; ok && i < required_operands(c, row); i++)
    if (!c->in[i]) ok = onnx_invalid(c, "operand %d is left out", i);
  return check_count(c, "results", c->n_out, row->min_out, row->max_out) && ok;
}

/* ---- nodes ---- */

static const char *node_name(OnnxImporter *imp, const OnnxFrame *f, const PbNode *n) {
  const char *name = onnx_text(n->name);
  if (!*name && n->n_output && *n->output[0])
    name = arena_printf(imp->arena, "%s_%s", onnx_text(n->op_type), n->output[0]);
  return arena_printf(imp->arena, "%s%s", f->prefix, *name ? name : onnx_text(n->op_type));
}

/* A call of the node, without operands yet. */
static OnnxCall *start_call(OnnxImporter *imp, OnnxScope *s, const PbNode *n) {
  Loc loc = {.file = imp->path, .name = node_name(imp, s->frame, n)};
  OnnxNode *node = ARENA_NEW(imp->arena, OnnxNode);
  Builder *b = ARENA_NEW(imp->arena, Builder);
  OnnxCall *c = ARENA_NEW(imp->arena, OnnxCall);
  *node = (OnnxNode){.pb = n, .scope = s, .loc = loc};
  *b = (Builder){.module = imp->module, .func = imp->func, .block = s->block, .loc = loc};
  *c = (OnnxCall){.importer = imp, .b = b, .node = node, .n_in = (int)n->n_input, .n_out = (int)n->n_output};
  c->domain = onnx_domain(n->domain);
  c->type = onnx_text(n->op_type);
  c->opset = onnx_opset_version(s->frame, c->domain);
  return c;
}

/* Graphs of a node that is not imported are looked through all the same, so that what is listed is all there is. */
static void look_through(OnnxImporter *imp, const OnnxNode *node) {
  for (size_t i = 0; i < node->pb->n_attribute; i++) {
    const PbGraph *g = node->pb->attribute[i]->g;
    for (size_t k = 0; g && k < g->n_node; k++) {
      OnnxCall *c = start_call(imp, node->scope, g->node[k]);
      const OnnxRow *row = onnx_row(c->domain, c->type, c->opset);
      if (row)
        check_attributes(c, row);
      else if (!onnx_find_function(imp, g->node[k]))
        refuse_unknown(c);
      look_through(imp, c->node);
    }
  }
}

static bool out_of_memory(OnnxImporter *imp, Loc loc) {
  if (arena_bytes(imp->arena) <= imp->memory_limit) return false;
  if (!imp->stopped)
    diag_error(imp->diag, loc, "the model grows to more than %zu MB of structure, out of all proportion to its file",
               imp->memory_limit >> 20);
  return imp->stopped = true;
}

static bool all_typed(const OnnxCall *c) {
  for (int i = 0; i < c->n_in; i++)
    if (c->in[i] && !c->in[i]->type) return false;
  return true;
}

static bool refuse_unversioned(OnnxCall *c) {
  return onnx_invalid(c, "the model does not say which version of domain `%s` it uses",
                      *c->domain ? c->domain : "ai.onnx");
}

static bool check_size(OnnxCall *c) {
  size_t n = c->node->pb->n_attribute;
  return n <= ONNX_MAX_ATTRIBUTES || onnx_invalid(c, "%zu attributes, and at most %d are read", n, ONNX_MAX_ATTRIBUTES);
}

/* What the importer could not make without saying why is refused, so that nothing fails in silence. */
static void check_results(OnnxCall *c, int errors, int64_t refused) {
  OnnxImporter *imp = c->importer;
  for (int i = 0; i < c->n_out; i++) {
    if (!c->out[i]) c->out[i] = onnx_failed_value(imp);
    if (!c->wanted[i] || c->out[i]->type || errors != diag_errors(imp->diag) || refused != imp->n_refused) continue;
    onnx_refuse(c, NULL, "result %d in this form", i);
  }
}

static void run_importer(OnnxCall *c) {
  OnnxImporter *imp = c->importer;
  int errors = diag_errors(imp->diag);
  int64_t refused = imp->n_refused;
  const OnnxRow *row = onnx_row(c->domain, c->type, c->opset);
  const PbFunction *f = row ? NULL : onnx_find_function(imp, c->node->pb);
  bool ok = check_size(c);
  if (ok && row)
    ok = check_row(c, row);
  else if (ok && !f)
    ok = c->opset > 0 ? refuse_unknown(c) : refuse_unversioned(c);
  bool typed = all_typed(c);
  if (ok && f)
    ok = onnx_import_call(c, f);
  else if (ok && typed)
    ok = row->import(c);
  else
    look_through(imp, c->node), ok = false;
  for (int i = 0; i < c->n_out && !ok; i++) c->out[i] = NULL;
  check_results(c, typed ? errors : -1, refused);
}

static void import_node(OnnxImporter *imp, OnnxScope *s, const PbNode *n) {
  OnnxCall *c = start_call(imp, s, n);
  bool *wanted = ARENA_ARRAY(imp->arena, bool, c->n_out);
  c->in = ARENA_ARRAY(imp->arena, Value *, c->n_in);
  c->out = ARENA_ARRAY(imp->arena, Value *, c->n_out);
  c->wanted = wanted;
  for (int i = 0; i < c->n_in; i++) c->in[i] = *n->input[i] ? onnx_lookup(imp, s, c->b->loc, n->input[i]) : NULL;
  for (int i = 0; i < c->n_out; i++) wanted[i] = *n->output[i] != '\0';
  run_importer(c);
  for (int i = 0; i < c->n_out; i++)
    if (wanted[i]) onnx_bind(imp, s, c->b->loc, n->output[i], c->out[i]);
}

void onnx_import_nodes(OnnxImporter *imp, OnnxScope *s, size_t n, PbNode *const *node) {
  const int *order = onnx_order(imp, n, node);
  for (size_t i = 0; order && i < n; i++) {
    const PbNode *next = node[order[i]];
    if (imp->stopped || out_of_memory(imp, (Loc){.file = imp->path, .name = onnx_text(next->name)})) return;
    import_node(imp, s, next);
  }
}

bool onnx_import_subgraph(OnnxCall *c, const PbGraph *g, Block *block, int n_in, Value *const *in, int n_out,
                          Value **out) {
  OnnxImporter *imp = c->importer;
  OnnxScope *s = onnx_scope_new(imp, c->node->scope, c->node->scope->frame, block);
  s->graphs = c->node->scope->graphs + 1;
  if (s->graphs > ONNX_MAX_GRAPHS) return onnx_invalid(c, "graphs are nested more than %d deep", ONNX_MAX_GRAPHS);
  if ((size_t)n_in != g->n_input)
    return onnx_invalid(c, "graph `%s` has %zu inputs, and %d are given", onnx_text(g->name), g->n_input, n_in);
  if ((size_t)n_out != g->n_output)
    return onnx_invalid(c, "graph `%s` has %zu results, and %d are taken", onnx_text(g->name), g->n_output, n_out);
  bool ok = onnx_bind_initializers(imp, s, g);
  for (int i = 0; i < n_in; i++) ok &= onnx_bind(imp, s, c->b->loc, onnx_text(g->input[i]->name), in[i]);
  if (!ok) return false;
  onnx_import_nodes(imp, s, g->n_node, g->node);
  for (int i = 0; i < n_out; i++) {
    out[i] = onnx_lookup(imp, s, c->b->loc, onnx_text(g->output[i]->name));
    if (!out[i])
      ok = onnx_invalid(c, "graph `%s` results in an operand that the call leaves out", onnx_text(g->name));
    else if (!out[i]->type)
      ok = false;
  }
  return ok && !imp->stopped;
}
