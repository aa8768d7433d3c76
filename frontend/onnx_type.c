/* onnx_type.c -- the types of a model's inputs, and the names of their sizes.
 *
 * Exporters name sizes freely: `batch_size`, `past_sequence_length + 1`, `s0 + s1`. A name becomes a symbol of @main; a
 * sum, difference or product becomes that of symbols if each of its names stands alone as the size of some input, since
 * then all of it is known when the inputs are, and else it is a name like any other. */
#include <ctype.h>
#include <inttypes.h>

#include "frontend/onnx_import.h"

/* A size by its name in the model. */
typedef struct OnnxSize {
  Dim dim;
} OnnxSize;

/* ---- symbols ---- */

/* Letters, digits and underscores, and no digit first. */
static const char *symbol_name(OnnxImporter *imp, const char *wish) {
  char *name = arena_printf(imp->arena, isdigit((unsigned char)*wish) || !*wish ? "d%s" : "%s", wish);
  for (char *p = name; *p; p++)
    if (!isalnum((unsigned char)*p) && *p != '_') *p = '_';
  while (!strmap_add(imp->arena, &imp->symbol_names, name, imp))
    name = arena_printf(imp->arena, "%s_%zu", name, imp->symbol_names.n);
  return name;
}

static const Binding *find_option(OnnxImporter *imp, const char *name, const char *symbol) {
  for (int i = 0; imp->options && i < imp->options->n_dims; i++) {
    const Binding *o = &imp->options->dim[i];
    if (strcmp(o->name, name) != 0 && strcmp(o->name, symbol) != 0) continue;
    imp->dim_used[i] = true;
    return o;
  }
  return NULL;
}

/* A size that the model names; or one that it does not, under a name made for it. */
static Dim size_by_name(OnnxImporter *imp, const char *name, bool named) {
  OnnxSize *s = named ? strmap_get(&imp->symbols, name) : NULL;
  if (s && s->dim) return s->dim;
  if (!s) s = ARENA_NEW(imp->arena, OnnxSize);
  if (named) strmap_add(imp->arena, &imp->symbols, onnx_keep(imp, name), s);
  const char *symbol = symbol_name(imp, name);
  const Binding *o = find_option(imp, name, symbol);
  if (o && !o->capacity) return s->dim = dim_const(imp->module->dims, o->value);
  return s->dim = dim_symbol(imp->module->dims, func_add_symbol(imp->func, symbol, o ? o->value : DIM_NO_CAPACITY));
}

bool onnx_check_dim_options(OnnxImporter *imp) {
  bool ok = true;
  for (int i = 0; imp->options && i < imp->options->n_dims; i++) {
    const Binding *o = &imp->options->dim[i];
    if (o->value < 0) ok = diag_error(imp->diag, (Loc){.file = imp->path}, "size `%s` is %" PRId64, o->name, o->value);
    if (imp->dim_used[i]) continue;
    const char *have = "none";
    for (int k = 0; k < imp->func->symbols.n && k < 20; k++)
      have =
          k ? arena_printf(imp->arena, "%s, %s", have, imp->func->symbols.at[k]->name) : imp->func->symbols.at[k]->name;
    ok =
        diag_error(imp->diag, (Loc){.file = imp->path}, "no input has a size named `%s`; there are: %s", o->name, have);
  }
  return ok;
}

/* ---- sums ---- */

static bool is_name(const char *s) {
  if (!isalpha((unsigned char)*s) && *s != '_') return false;
  while (isalnum((unsigned char)*s) || *s == '_' || *s == '.') s++;
  return *s == '\0';
}

void onnx_declare_sizes(OnnxImporter *imp, const PbGraph *g) {
  for (size_t i = 0; i < g->n_input; i++) {
    const PbType *t = g->input[i]->type;
    const PbShape *shape = t && t->tensor_type ? t->tensor_type->shape : NULL;
    for (size_t k = 0; shape && k < shape->n_dim; k++) {
      const char *name = onnx_text(shape->dim[k]->dim_param);
      if (is_name(name)) strmap_add(imp->arena, &imp->symbols, name, ARENA_NEW(imp->arena, OnnxSize));
    }
  }
}

/* What is left of the text; `imp` NULL after anything that is not of this grammar: sum = product (+|- product)...,
 * product = atom (* atom)..., atom = number | name | ( sum ). */
typedef struct SizeText {
  OnnxImporter *imp;
  const char *at;
  bool dry; /* only see whether it parses */
  int depth;
} SizeText;

static bool next_is(SizeText *t, char c) {
  t->at += strspn(t->at, " ");
  if (*t->at != c) return false;
  t->at++;
  return true;
}

static bool parse_sum(SizeText *t, Dim *out);

static bool parse_name(SizeText *t, Dim *out) {
  size_t n = 0;
  while (isalnum((unsigned char)t->at[n]) || t->at[n] == '_' || t->at[n] == '.') n++;
  const char *name = arena_string(t->imp->arena, t->at, n);
  t->at += n;
  if (!is_name(name) || !strmap_get(&t->imp->symbols, name)) return false;
  if (!t->dry) *out = size_by_name(t->imp, name, true);
  return true;
}

static bool parse_atom(SizeText *t, Dim *out) {
  if (next_is(t, '(')) return t->depth++ < 20 && parse_sum(t, out) && next_is(t, ')');
  if (!isdigit((unsigned char)*t->at)) return parse_name(t, out);
  int64_t v = 0;
  for (; isdigit((unsigned char)*t->at); t->at++) {
    if (v > INT32_MAX) return false;
    v = v * 10 + (*t->at - '0');
  }
  *out = dim_const(t->imp->module->dims, v);
  return true;
}

static bool parse_product(SizeText *t, Dim *out) {
  Dim y = NULL;
  if (!parse_atom(t, out)) return false;
  while (next_is(t, '*')) {
    if (!parse_atom(t, &y)) return false;
    if (!t->dry) *out = dim_mul(t->imp->module->dims, *out, y);
  }
  return true;
}

static bool parse_sum(SizeText *t, Dim *out) {
  Dim y = NULL;
  if (!parse_product(t, out)) return false;
  for (;;) {
    bool plus = next_is(t, '+');
    if (!plus && !next_is(t, '-')) return true;
    if (!parse_product(t, &y)) return false;
    if (!t->dry) *out = (plus ? dim_add : dim_sub)(t->imp->module->dims, *out, y);
  }
}

static bool parse_size(OnnxImporter *imp, const char *text, bool dry, Dim *out) {
  SizeText t = {.imp = imp, .at = text, .dry = dry};
  return parse_sum(&t, out) && t.at[strspn(t.at, " ")] == '\0' && (dry || !dim_is_unknown(*out));
}

/* Twice, so that a text that turns out not to be a sum makes no symbols of its parts. */
static Dim size_of_text(OnnxImporter *imp, const char *text) {
  Dim d = NULL;
  if (!is_name(text) && strpbrk(text, "+-*") && parse_size(imp, text, true, &d) && parse_size(imp, text, false, &d))
    return d;
  return size_by_name(imp, text, true);
}

/* ---- types ---- */

static bool input_dim(OnnxImporter *imp, Loc loc, const char *input, int axis, const PbDimension *d, Dim *out) {
  /* Some exporters write -1 for a size that they do not know. */
  bool known = d->has_dim_value && d->dim_value != -1;
  if (known && d->dim_value < 0)
    return diag_error(imp->diag, loc, "dim %d of an input is %" PRId64, axis, d->dim_value);
  if (known)
    *out = dim_const(imp->module->dims, d->dim_value);
  else if (*onnx_text(d->dim_param))
    *out = size_of_text(imp, d->dim_param);
  else
    *out = size_by_name(imp, arena_printf(imp->arena, "%s_%d", input, axis), false);
  return true;
}

static const char *other_kind(const PbType *t) {
  if (t->sequence_type) return "a sequence";
  if (t->map_type) return "a map";
  if (t->optional_type) return "an optional";
  if (t->sparse_tensor_type) return "a sparse tensor";
  return t->opaque_type ? "of an opaque type" : NULL;
}

static Type refuse_input(OnnxImporter *imp, Loc loc, const char *reason) {
  onnx_add_refusal(
      imp, (OnnxRefusal){
               .domain = "", .type = "input", .node = loc.name, .reason = reason, .instead = "use tensors of numbers"});
  return NULL;
}

Type onnx_input_type(OnnxImporter *imp, const PbValueInfo *v) {
  Loc loc = {.file = imp->path, .name = onnx_text(v->name)};
  const PbType *t = v->type;
  if (t && other_kind(t)) return refuse_input(imp, loc, arena_printf(imp->arena, "it is %s", other_kind(t)));
  if (!t || !t->tensor_type) return diag_error(imp->diag, loc, "an input without a type"), NULL;
  int32_t code = t->tensor_type->elem_type;
  if (code > 0 && onnx_type_name(code) && dtype_from_onnx(code) == DT_none)
    return refuse_input(imp, loc, arena_printf(imp->arena, "its elements are of type %s", onnx_type_name(code)));
  Dtype dtype = onnx_element_type(imp->diag, loc, code);
  const PbShape *shape = t->tensor_type->shape;
  if (dtype == DT_none) return NULL;
  if (!shape) {
    diag_error(imp->diag, loc, "an input without a shape");
    return diag_hint(imp->diag, "export the model with its inputs' ranks"), NULL;
  }
  if (shape->n_dim > MAX_RANK)
    return diag_error(imp->diag, loc, "an input of rank %zu, and at most %d is supported", shape->n_dim, MAX_RANK),
           NULL;
  Dim dim[MAX_RANK];
  for (int i = 0; i < (int)shape->n_dim; i++)
    if (!input_dim(imp, loc, loc.name, i, shape->dim[i], &dim[i])) return NULL;
  Type type = type_tensor(imp->module->types, dtype, (int)shape->n_dim, dim);
  if (!type_is_too_large(type)) return type;
  return diag_error(imp->diag, loc, "an input of type %s is larger than memory can be", type_text(imp->arena, type)), NULL;
}
