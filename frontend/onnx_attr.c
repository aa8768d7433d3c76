/* onnx_attr.c -- what importers of operators ask of a node: its attributes, and the values of constant operands. */
#include <inttypes.h>
#include <stdio.h>

#include "frontend/onnx_import.h"
#include "ir/infer.h"

/* AttributeProto.AttributeType */
enum {
  ATTRIBUTE_FLOAT = 1,
  ATTRIBUTE_INT,
  ATTRIBUTE_STRING,
  ATTRIBUTE_TENSOR,
  ATTRIBUTE_GRAPH,
  ATTRIBUTE_FLOATS,
  ATTRIBUTE_INTS,
  ATTRIBUTE_STRINGS
};

static const char *kind_name(int kind) {
  static const char *const name[] = {"undefined",        "a float", "an integer",       "a string",
                                     "a tensor",         "a graph", "a list of floats", "a list of integers",
                                     "a list of strings"};
  return kind > 0 && kind <= ATTRIBUTE_STRINGS ? name[kind] : "of a kind that is not supported";
}

/* ---- finding them ---- */

static const PbAttribute *find(size_t n, PbAttribute *const *at, const char *name) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(onnx_text(at[i]->name), name) == 0) return at[i];
  return NULL;
}

/* In a function's body, an attribute may stand for one of the calling node's, which may stand for one of its caller's. */
const PbAttribute *onnx_attribute(const OnnxCall *c, const char *name) {
  const OnnxNode *n = c->node;
  for (;;) {
    const PbAttribute *a = find(n->pb->n_attribute, n->pb->attribute, name);
    if (!a || !a->ref_attr_name || !*a->ref_attr_name) return a;
    const OnnxFrame *f = n->scope->frame;
    if (!f->call) {
      diag_error(c->importer->diag, c->b->loc, "attribute `%s` refers to `%s` outside of any function", name,
                 a->ref_attr_name);
      return NULL;
    }
    name = a->ref_attr_name;
    n = f->call;
    if (!find(n->pb->n_attribute, n->pb->attribute, name))
      return find(f->function->n_attribute_proto, f->function->attribute_proto, name);
  }
}

/* The oldest files give no type: then what is there tells. */
static int kind_of(const PbAttribute *a) {
  if (a->type) return a->type;
  if (a->has_f) return ATTRIBUTE_FLOAT;
  if (a->has_i) return ATTRIBUTE_INT;
  if (a->has_s) return ATTRIBUTE_STRING;
  if (a->t) return ATTRIBUTE_TENSOR;
  if (a->g) return ATTRIBUTE_GRAPH;
  if (a->n_floats) return ATTRIBUTE_FLOATS;
  return a->n_strings ? ATTRIBUTE_STRINGS : ATTRIBUTE_INTS;
}

static const PbAttribute *get(const OnnxCall *c, const char *name, int kind) {
  const PbAttribute *a = onnx_attribute(c, name);
  if (!a || kind_of(a) == kind) return a;
  diag_error(c->importer->diag, c->b->loc, "%s: attribute `%s` is %s, and not %s", c->type, name, kind_name(kind_of(a)),
             kind_name(kind));
  return NULL;
}

/* ---- reading them ---- */

bool onnx_has(const OnnxCall *c, const char *name) { return onnx_attribute(c, name) != NULL; }

int64_t onnx_int(const OnnxCall *c, const char *name, int64_t dflt) {
  const PbAttribute *a = get(c, name, ATTRIBUTE_INT);
  return a ? a->i : dflt;
}

double onnx_float(const OnnxCall *c, const char *name, double dflt) {
  const PbAttribute *a = get(c, name, ATTRIBUTE_FLOAT);
  return a ? (double)a->f : dflt;
}

const char *onnx_string(const OnnxCall *c, const char *name, const char *dflt) {
  const PbAttribute *a = get(c, name, ATTRIBUTE_STRING);
  if (!a) return dflt;
  if (!a->s.len || !memchr(a->s.data, 0, a->s.len))
    return arena_string(c->importer->arena, (const char *)a->s.data, a->s.len);
  diag_error(c->importer->diag, c->b->loc, "%s: attribute `%s` holds a NUL", c->type, name);
  return dflt;
}

static int list_length(const OnnxCall *c, const char *name, size_t n) {
  if (n <= INT32_MAX) return (int)n;
  diag_error(c->importer->diag, c->b->loc, "%s: attribute `%s` has %zu elements", c->type, name, n);
  return 0;
}

/* The model in its unpacked form does not outlive the import, so lists are copied. */
int onnx_ints(const OnnxCall *c, const char *name, const int64_t **v) {
  const PbAttribute *a = get(c, name, ATTRIBUTE_INTS);
  *v = NULL;
  if (!a) return 0;
  int n = list_length(c, name, a->n_ints);
  int64_t *copy = ARENA_ARRAY(c->importer->arena, int64_t, n);
  if (n) memcpy(copy, a->ints, (size_t)n * sizeof *copy);
  *v = copy;
  return n;
}

int onnx_floats(const OnnxCall *c, const char *name, const double **v) {
  const PbAttribute *a = get(c, name, ATTRIBUTE_FLOATS);
  *v = NULL;
  if (!a) return 0;
  int n = list_length(c, name, a->n_floats);
  double *copy = ARENA_ARRAY(c->importer->arena, double, n);
  for (int i = 0; i < n; i++) copy[i] = (double)a->floats[i];
  *v = copy;
  return n;
}

Constant *onnx_tensor(const OnnxCall *c, const char *name) {
  const PbAttribute *a = get(c, name, ATTRIBUTE_TENSOR);
  if (!a) return NULL;
  if (a->t) return onnx_constant(&c->importer->store, a->t, c->b->loc, onnx_text(c->b->loc.name));
  diag_error(c->importer->diag, c->b->loc, "%s: attribute `%s` has no tensor", c->type, name);
  return NULL;
}

const PbGraph *onnx_graph(const OnnxCall *c, const char *name) {
  const PbAttribute *a = get(c, name, ATTRIBUTE_GRAPH);
  if (a && a->g) return a->g;
  diag_error(c->importer->diag, c->b->loc, "%s: attribute `%s`, a graph, is missing", c->type, name);
  return NULL;
}

bool onnx_dtype(const OnnxCall *c, const char *name, Dtype dflt, Dtype *out) {
  const PbAttribute *a = get(c, name, ATTRIBUTE_INT);
  bool given = a && a->i != 0; /* 0 is how UNDEFINED says that it is left to the operator */
  *out = given ? onnx_element_type(c->importer->diag, c->b->loc, a->i) : dflt;
  return !given || *out != DT_none;
}

/* ---- constant operands ---- */

bool onnx_const_ints(OnnxCall *c, Value *v, int max, int64_t *out, int *n) {
  if (!v || !v->type || max <= 0) return false;
  Dim *d = ARENA_ARRAY(c->importer->arena, Dim, max);
  if (!value_dims(c->importer->module, v, max, d, n)) return false;
  for (int i = 0; i < *n; i++) {
    if (!dim_is_const(d[i])) return false;
    out[i] = d[i]->constant;
  }
  return true;
}

bool onnx_const_float(OnnxCall *c, Value *v, double *out) {
  const Constant *k = value_constant(v);
  if (!k || (k->type->rank != 0 && !dim_is(type_elements(c->importer->module->dims, k->type), 1))) return false;
  const void *at = k->kind == CONSTANT_SPLAT ? k->bytes : constant_data(c->importer->module, k, c->b->loc);
  if (!at) return false;
  *out = dtype_get_f(k->type->dtype, at, 0);
  return true;
}

/* ---- words ---- */

bool onnx_among(const char *word, const char *words) {
  size_t n = strlen(word);
  for (const char *at = words; n && (at = strstr(at, word)); at += n)
    if ((at == words || at[-1] == ' ') && (at[n] == 0 || at[n] == ' ')) return true;
  return false;
}

/* ---- complaints ---- */

void onnx_add_refusal(OnnxImporter *imp, OnnxRefusal r) {
  imp->n_refused++;
  const char *key = arena_printf(imp->arena, "%s:%s:%s", r.domain, r.type, r.reason);
  OnnxRefusal *have = strmap_get(&imp->refused, key);
  if (!have) {
    have = ARENA_NEW(imp->arena, OnnxRefusal);
    *have = r;
    have->domain = onnx_keep(imp, r.domain);
    have->type = onnx_keep(imp, r.type);
    have->node = onnx_keep(imp, r.node);
    strmap_add(imp->arena, &imp->refused, key, have);
    vec_push(imp->arena, &imp->refusals, have);
  }
  have->count++;
}

bool onnx_refuse(OnnxCall *c, const char *instead, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *reason = arena_vprintf(c->importer->arena, fmt, ap);
  va_end(ap);
  onnx_add_refusal(c->importer, (OnnxRefusal){.domain = c->domain,
                                              .type = c->type,
                                              .opset = c->opset,
                                              .node = onnx_text(c->b->loc.name),
                                              .reason = reason,
                                              .instead = instead});
  return false;
}

bool onnx_invalid(OnnxCall *c, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *text = arena_vprintf(c->importer->arena, fmt, ap);
  va_end(ap);
  return diag_error(c->importer->diag, c->b->loc, "%s: %s", c->type, text);
}
