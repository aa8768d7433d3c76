/* contrib_ops.c -- runs cases of single operators, kept as JSON with comments, and compares their outputs.
 *
 * contrib_ops --via eval|lowered|native [--operands sized|constant|symbolic] [--at-least N] [FILE...]
 *
 * Without files, those of the corpus (LATHE_CORPUS). Fewer than N that pass are a failure, too. Operands are inputs of the
 * model with their sizes; or all but the first are its constants; or all sizes of those with two axes or more are symbols.
 * A file is a list of tests: an operator, its attributes, and cases of inputs and outputs. Each case becomes an ONNX model
 * of one node, which is imported from memory, so that it takes the same way as any model. What the importer refuses is
 * skipped and named with its reason, and so is what cannot go the way of --via; so are the cases that contradict their
 * operator, which `wrong_cases` lists. Where a test names no opset, `default_opset` is used. */
#include <ctype.h>
#include <glob.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/onnx.h"
#include "ir/checked.h"
#include "ir/fatal.h"
#include "onnx.pb-c.h"
#include "ir/tolerance.h"
#include "via.h"
#include "wire.h"

enum { MAX_TENSORS = 32, SKIPPED_TEST = 77 };

/* The tests speak of operators as they stood when they were written; 13 is the newest opset under which all that name
 * none are valid. */
static const int64_t default_opset = 13;

/* Outputs are written in as few as four decimals, and the cases' own runner allows them this. */
static const double written_tolerance = 1e-4;

typedef struct WrongCase {
  const char *test, *name; /* name NULL: all of the test */
  const char *why;
} WrongCase;

static const WrongCase wrong_cases[] = {
    {"QuickGelu test", NULL, "wants the last input's magnitude, and gives its negative"},
    {"Shape op test", NULL, "wants sizes as int32, and Shape gives int64"},
};

typedef Lathe__Onnx__ModelProto PbModel;
typedef Lathe__Onnx__OperatorSetIdProto PbOpset;
typedef Lathe__Onnx__GraphProto PbGraph;
typedef Lathe__Onnx__NodeProto PbNode;
typedef Lathe__Onnx__AttributeProto PbAttribute;
typedef Lathe__Onnx__ValueInfoProto PbValueInfo;
typedef Lathe__Onnx__TypeProto PbType;
typedef Lathe__Onnx__TensorTypeProto PbTensorType;
typedef Lathe__Onnx__TensorShapeProto PbShape;
typedef Lathe__Onnx__DimensionProto PbDimension;
typedef Lathe__Onnx__TensorProto PbTensor;

#define PB_NEW(a, T, init) pb_new((a), sizeof(T), &(T)init)
static void *pb_new(Arena *a, size_t size, const void *init) { return memcpy(arena_alloc(a, size), init, size); }

/* ---- JSON with comments and trailing commas ---- */

static char *skip_comment(char *p) {
  bool line = p[1] == '/';
  while (*p && !(line ? *p == '\n' : p[0] == '*' && p[1] == '/' && p[-1] != '/')) *p++ = ' ';
  if (*p && !line) p[0] = p[1] = ' ';
  return p;
}

static char *skip_string(char *p) {
  for (p++; *p && *p != '"'; p++)
    if (*p == '\\' && p[1]) p++;
  return *p ? p + 1 : p;
}

/* Blanks out what plain JSON does not have. */
static void make_plain(char *text) {
  char *comma = NULL; /* the last one, while only space has followed */
  for (char *p = text; *p;) {
    if (*p == '"') {
      comma = NULL;
      p = skip_string(p);
    } else if (*p == '/' && (p[1] == '/' || p[1] == '*')) {
      p = skip_comment(p);
    } else {
      if ((*p == ']' || *p == '}') && comma) *comma = ' ';
      if (*p == ',')
        comma = p;
      else if (!isspace((unsigned char)*p))
        comma = NULL;
      p++;
    }
  }
}

static char *read_file(Arena *a, const char *path) {
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  fseek(f, 0, SEEK_END);
  long size = ftell(f);
  rewind(f);
  char *text = arena_alloc(a, (size_t)size + 1);
  bool good = fread(text, 1, (size_t)size, f) == (size_t)size;
  fclose(f);
  return good ? text : NULL;
}

static json_t *read_json(Arena *a, const char *path) {
  json_error_t error;
  char *text = read_file(a, path);
  if (!text) return fprintf(stderr, "%s: cannot be read\n", path), NULL;
  make_plain(text);
  json_t *j = json_loads(text, 0, &error);
  if (!j) fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
  return j;
}

static const char *text_of(const json_t *object, const char *key) {
  const char *s = json_string_value(json_object_get(object, key));
  return s ? s : "";
}

/* ---- tensors ---- */

typedef struct TypeName {
  const char *name;
  Dtype dtype;
} TypeName;

static Dtype type_named(const char *name) {
  static const TypeName types[] = {
      {"float32", DT_f32}, {"float16", DT_f16}, {"int64", DT_i64}, {"int32", DT_i32},  {"int8", DT_i8},
      {"uint8", DT_u8},    {"uint32", DT_u32},  {"bool", DT_bool}, {"uint4", DT_u4},   {"int4", DT_i4},
      {"float64", DT_f64}, {"uint64", DT_u64},  {"int16", DT_i16}, {"uint16", DT_u16},
  };
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strcmp(name, types[i].name) == 0) return types[i].dtype;
  return DT_none;
}

static void set_element(Tensor *t, int64_t i, const json_t *v) {
  if (json_is_integer(v))
    dtype_set_i(t->dtype, t->data, i, json_integer_value(v));
  else if (json_is_boolean(v))
    dtype_set_i(t->dtype, t->data, i, json_is_true(v));
  else
    dtype_set_f(t->dtype, t->data, i, json_real_value(v));
}

/* NULL where the case leaves the tensor out, or (with *why set) where it makes no sense. */
static Tensor *read_tensor(const json_t *j, const char **why) {
  const json_t *data = json_object_get(j, "data"), *dims = json_object_get(j, "dims");
  int64_t dim[MAX_RANK];
  if (!data || json_is_null(data)) return NULL;
  Dtype t = type_named(text_of(j, "type"));
  size_t rank = json_array_size(dims);
  if (t == DT_none || rank > MAX_RANK) return *why = "a tensor of no known type", NULL;
  for (size_t i = 0; i < rank; i++) dim[i] = json_integer_value(json_array_get(dims, i));
  Tensor *x = tensor_new(NULL, t, (int)rank, dim);
  if ((size_t)x->count != json_array_size(data)) *why = "a tensor with more or fewer elements than its shape says";
  for (int64_t i = 0; i < x->count && !*why; i++) set_element(x, i, json_array_get(data, (size_t)i));
  return x;
}

/* ---- a model of one node ---- */

typedef enum Operands { SIZED, CONSTANT, SYMBOLIC } Operands;

typedef struct Way {
  Via via;
  Operands operands;
} Way;

typedef struct Case {
  Arena *arena;
  Way way;
  const json_t *test;
  int n_in, n_out;
  Tensor *in[MAX_TENSORS], *want[MAX_TENSORS]; /* NULL: left out */
} Case;

static PbAttribute *make_attribute(Arena *a, const json_t *j) {
  PbAttribute *p = PB_NEW(a, PbAttribute, LATHE__ONNX__ATTRIBUTE_PROTO__INIT);
  const json_t *data = json_object_get(j, "data");
  const char *type = text_of(j, "type");
  size_t n = json_array_size(data);
  p->name = arena_printf(a, "%s", text_of(j, "name"));
  p->has_type = true;
  if (strcmp(type, "float") == 0) {
    p->type = 1, p->has_f = true, p->f = (float)json_number_value(data);
  } else if (strcmp(type, "int") == 0) {
    p->type = 2, p->has_i = true, p->i = (int64_t)json_number_value(data);
  } else if (strcmp(type, "string") == 0) {
    const char *s = json_string_value(data) ? json_string_value(data) : "";
    p->type = 3, p->has_s = true, p->s = (ProtobufCBinaryData){strlen(s), (uint8_t *)arena_printf(a, "%s", s)};
  } else if (strcmp(type, "floats") == 0) {
    p->type = 6, p->n_floats = n, p->floats = ARENA_ARRAY(a, float, n);
    for (size_t i = 0; i < n; i++) p->floats[i] = (float)json_number_value(json_array_get(data, i));
  } else if (strcmp(type, "ints") == 0) {
    p->type = 7, p->n_ints = n, p->ints = ARENA_ARRAY(a, int64_t, n);
    for (size_t i = 0; i < n; i++) p->ints[i] = (int64_t)json_number_value(json_array_get(data, i));
  }
  return p;
}

/* Sizes of vectors stay: an operand that holds a shape or axes must tell how many. */
static PbValueInfo *make_value(Arena *a, char *name, const Tensor *t, bool symbolic) {
  PbValueInfo *v = PB_NEW(a, PbValueInfo, LATHE__ONNX__VALUE_INFO_PROTO__INIT);
  v->name = name;
  v->type = PB_NEW(a, PbType, LATHE__ONNX__TYPE_PROTO__INIT);
  PbTensorType *type = v->type->tensor_type = PB_NEW(a, PbTensorType, LATHE__ONNX__TENSOR_TYPE_PROTO__INIT);
  type->has_elem_type = true;
  type->elem_type = dtype_info(t->dtype)->onnx;
  type->shape = PB_NEW(a, PbShape, LATHE__ONNX__TENSOR_SHAPE_PROTO__INIT);
  type->shape->n_dim = (size_t)t->rank;
  type->shape->dim = ARENA_ARRAY(a, PbDimension *, t->rank);
  for (int i = 0; i < t->rank; i++) {
    type->shape->dim[i] = PB_NEW(a, PbDimension, LATHE__ONNX__DIMENSION_PROTO__INIT);
    type->shape->dim[i]->has_dim_value = !symbolic || t->rank < 2;
    type->shape->dim[i]->dim_value = t->dim[i];
    if (symbolic && t->rank > 1) type->shape->dim[i]->dim_param = arena_printf(a, "%s_size_%d", name, i);
  }
  return v;
}

/* The importer's schema leaves contents out, which its scanner finds; so here they are a field unknown to the schema. */
static void add_raw_data(Arena *a, ProtobufCMessage *m, const void *at, size_t size) {
  Wire w = {0};
  wire_number(&w, size);
  wire_raw(&w, at, size);
  ProtobufCMessageUnknownField *f = ARENA_NEW(a, ProtobufCMessageUnknownField);
  f->tag = 9;
  f->wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
  f->len = w.n;
  f->data = memcpy(arena_alloc(a, w.n), w.at, w.n);
  m->n_unknown_fields = 1;
  m->unknown_fields = f;
  wire_free(&w);
}

static PbTensor *make_constant(Arena *a, char *name, const Tensor *t) {
  PbTensor *p = PB_NEW(a, PbTensor, LATHE__ONNX__TENSOR_PROTO__INIT);
  int64_t bytes = 0;
  ensure(dtype_size(t->dtype, t->count, &bytes));
  p->name = name;
  p->has_data_type = true;
  p->data_type = dtype_info(t->dtype)->onnx;
  p->n_dims = (size_t)t->rank;
  p->dims = ARENA_ARRAY(a, int64_t, t->rank);
  for (int i = 0; i < t->rank; i++) p->dims[i] = t->dim[i];
  add_raw_data(a, &p->base, t->data, (size_t)bytes);
  return p;
}

static PbOpset *make_opset(Arena *a, const char *domain, int64_t version) {
  PbOpset *o = PB_NEW(a, PbOpset, LATHE__ONNX__OPERATOR_SET_ID_PROTO__INIT);
  o->domain = arena_printf(a, "%s", domain);
  o->has_version = true;
  o->version = version;
  return o;
}

/* Names of operands or results: "" for what is left out. */
static char **name_values(Arena *a, const char *what, int n, Tensor *const *t) {
  char **name = ARENA_ARRAY(a, char *, n);
  for (int i = 0; i < n; i++) name[i] = t[i] ? arena_printf(a, "%s_%d", what, i) : arena_printf(a, "%s", "");
  return name;
}

static bool is_constant(const Case *c, int i) { return c->way.operands == CONSTANT && i > 0; }

static void add_operands(Case *c, PbGraph *g, char **name) {
  Arena *a = c->arena;
  g->input = ARENA_ARRAY(a, PbValueInfo *, c->n_in);
  g->initializer = ARENA_ARRAY(a, PbTensor *, c->n_in);
  for (int i = 0; i < c->n_in; i++) {
    if (!c->in[i]) continue;
    if (is_constant(c, i))
      g->initializer[g->n_initializer++] = make_constant(a, name[i], c->in[i]);
    else
      g->input[g->n_input++] = make_value(a, name[i], c->in[i], c->way.operands == SYMBOLIC);
  }
}

static void add_results(Case *c, PbGraph *g, char **name) {
  Arena *a = c->arena;
  g->output = ARENA_ARRAY(a, PbValueInfo *, c->n_out);
  for (int i = 0; i < c->n_out; i++) {
    if (!c->want[i]) continue;
    g->output[g->n_output++] = make_value(a, name[i], c->want[i], c->way.operands == SYMBOLIC);
  }
}

static PbNode *make_node(Case *c, const char *domain) {
  Arena *a = c->arena;
  const json_t *attributes = json_object_get(c->test, "attributes");
  PbNode *n = PB_NEW(a, PbNode, LATHE__ONNX__NODE_PROTO__INIT);
  n->name = arena_printf(a, "%s", text_of(c->test, "name"));
  n->op_type = arena_printf(a, "%s", text_of(c->test, "operator"));
  n->domain = arena_printf(a, "%s", domain);
  n->n_attribute = json_array_size(attributes);
  n->attribute = ARENA_ARRAY(a, PbAttribute *, n->n_attribute);
  for (size_t i = 0; i < n->n_attribute; i++) n->attribute[i] = make_attribute(a, json_array_get(attributes, i));
  return n;
}

static PbGraph *make_graph(Case *c, const char *domain) {
  Arena *a = c->arena;
  PbGraph *g = PB_NEW(a, PbGraph, LATHE__ONNX__GRAPH_PROTO__INIT);
  PbNode *n = make_node(c, domain);
  g->name = arena_printf(a, "case");
  g->n_node = 1;
  g->node = ARENA_ARRAY(a, PbNode *, 1);
  g->node[0] = n;
  n->n_input = (size_t)c->n_in;
  n->input = name_values(a, "input", c->n_in, c->in);
  n->n_output = (size_t)c->n_out;
  n->output = name_values(a, "output", c->n_out, c->want);
  add_operands(c, g, n->input);
  add_results(c, g, n->output);
  return g;
}

/* The model's bytes. */
static uint8_t *make_model(Case *c, size_t *size) {
  Arena *a = c->arena;
  const json_t *opset = json_object_get(c->test, "opset");
  const char *domain = text_of(opset, "domain");
  int64_t version = opset ? json_integer_value(json_object_get(opset, "version")) : default_opset;
  PbModel *m = PB_NEW(a, PbModel, LATHE__ONNX__MODEL_PROTO__INIT);
  m->has_ir_version = true;
  m->ir_version = 8;
  m->n_opset_import = *domain ? 2 : 1;
  m->opset_import = ARENA_ARRAY(a, PbOpset *, 2);
  m->opset_import[0] = make_opset(a, "", *domain ? default_opset : version);
  m->opset_import[1] = make_opset(a, domain, version);
  m->graph = make_graph(c, domain);
  *size = lathe__onnx__model_proto__get_packed_size(m);
  uint8_t *bytes = arena_alloc(a, *size + 1);
  lathe__onnx__model_proto__pack(m, bytes);
  return bytes;
}

/* ---- one case ---- */

typedef enum Outcome { PASSED, FAILED, SKIPPED } Outcome;

static Outcome report(Outcome o, const char *name, const char *why) {
  printf("%s %s: %s\n", o == FAILED ? "FAIL" : "skipped", name, why);
  return o;
}

static const char *first_error(const Diag *d) { return diag_first(d) ? diag_first(d) : "no reason given"; }

static const char *wrong_case(const char *test, const char *name) {
  for (size_t i = 0; i < sizeof wrong_cases / sizeof *wrong_cases; i++) {
    const WrongCase *w = &wrong_cases[i];
    if (strcmp(w->test, test) == 0 && (!w->name || strcmp(w->name, name) == 0)) return w->why;
  }
  return NULL;
}

static Outcome compare_results(const Func *f, const Case *c, Tensor *const *result, const char *name) {
  Outcome all = PASSED;
  for (int i = 0, k = 0; i < c->n_out; i++) {
    if (!c->want[i]) continue;
    ensure(k < f->n_results);
    Comparison r = compare_written(result[k++], c->want[i], written_tolerance);
    if (!r.good) all = report(FAILED, name, r.why);
  }
  return all;
}

static Outcome run_model(Case *c, const char *path, const char *name) {
  size_t size;
  uint8_t *bytes = make_model(c, &size);
  Diag *d = diag_new(c->arena);
  OnnxReport refused = {0};
  Module *m = onnx_import_memory(c->arena, d, path, bytes, size, &(OnnxOptions){.report = &refused});
  if (!m && refused.n) return report(SKIPPED, name, refused.at[0].reason);
  if (!m) return report(FAILED, name, first_error(d));
  Program *p = via_prepare(c->way.via, m);
  if (!p) return report(SKIPPED, name, first_error(m->diag));
  Func *f = module_find_func(m, "main");
  Tensor *arg[MAX_TENSORS] = {0}, *result[MAX_TENSORS] = {0};
  for (int i = 0, k = 0; i < c->n_in; i++)
    if (c->in[i] && !is_constant(c, i)) arg[k++] = c->in[i];
  Outcome o = via_run(p, f, arg, result) ? compare_results(f, c, result, name)
                                         : report(FAILED, name, first_error(m->diag));
  for (int i = 0; i < f->n_results; i++) tensor_release(result[i]);
  via_free(p);
  module_close(m);
  return o;
}

static int read_tensors(const json_t *list, Tensor **t, const char **why) {
  int n = (int)json_array_size(list);
  if (n > MAX_TENSORS) return *why = "too many tensors", 0;
  for (int i = 0; i < n; i++) t[i] = read_tensor(json_array_get(list, (size_t)i), why);
  return n;
}

static Outcome run_case(Way way, const json_t *test, const json_t *j, const char *path) {
  Arena *a = arena_new();
  Case c = {.arena = a, .way = way, .test = test};
  const char *why = NULL, *file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
  const char *name = arena_printf(a, "%s: %s: %s", file, text_of(test, "name"), text_of(j, "name"));
  const char *wrong = wrong_case(text_of(test, "name"), text_of(j, "name"));
  c.n_in = read_tensors(json_object_get(j, "inputs"), c.in, &why);
  c.n_out = read_tensors(json_object_get(j, "outputs"), c.want, &why);
  Outcome o = wrong ? report(SKIPPED, name, wrong) : why ? report(FAILED, name, why) : run_model(&c, path, name);
  for (int i = 0; i < MAX_TENSORS; i++) {
    tensor_release(c.in[i]);
    tensor_release(c.want[i]);
  }
  arena_free(a);
  return o;
}

static void run_file(Way way, const char *path, int count[3]) {
  Arena *a = arena_new();
  json_t *tests = read_json(a, path);
  size_t i, k;
  json_t *test, *j;
  if (!tests) count[FAILED]++;
  json_array_foreach(tests, i, test) {
    json_array_foreach(json_object_get(test, "cases"), k, j) count[run_case(way, test, j, path)]++;
  }
  json_decref(tests);
  arena_free(a);
}

static bool run_corpus(Way way, int count[3]) {
  Arena *a = arena_new();
  const char *corpus = getenv("LATHE_CORPUS");
  const char *pattern = arena_printf(a, "%s/contrib-ops/*.jsonc", corpus && *corpus ? corpus : "../shared/corpus");
  glob_t found;
  bool some = glob(pattern, 0, NULL, &found) == 0;
  if (!some) printf("skipped: there is no %s (set LATHE_CORPUS)\n", pattern);
  for (size_t i = 0; some && i < found.gl_pathc; i++) run_file(way, found.gl_pathv[i], count);
  if (some) globfree(&found);
  arena_free(a);
  return some;
}

static int usage(void) {
  fputs("usage: contrib_ops --via eval|lowered|native [--operands sized|constant|symbolic] [--at-least N] [FILE...]\n",
        stderr);
  return EXIT_USAGE;
}

static bool read_operands(const char *word, Operands *out) {
  static const char *const words[] = {"sized", "constant", "symbolic"};
  for (int i = 0; i < 3; i++) {
    if (strcmp(word, words[i])) continue;
    *out = (Operands)i;
    return true;
  }
  return false;
}

int main(int argc, char **argv) {
  Way way = {VIA_NONE, SIZED};
  int count[3] = {0}, i = 3, at_least = 0;
  if (argc > 2 && strcmp(argv[1], "--via") == 0) way.via = via_find(argv[2]);
  if (way.via == VIA_NONE) return usage();
  for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
    if (strcmp(argv[i], "--at-least") == 0)
      at_least = atoi(argv[i + 1]);
    else if (strcmp(argv[i], "--operands") != 0 || !read_operands(argv[i + 1], &way.operands))
      return usage();
  }
  printf("tests that name no opset run under %" PRId64 "\n", default_opset);
  if (argc == i && !run_corpus(way, count)) return SKIPPED_TEST;
  for (; i < argc; i++) run_file(way, argv[i], count);
  printf("%d passed, %d failed, %d skipped\n", count[PASSED], count[FAILED], count[SKIPPED]);
  if (count[PASSED] < at_least) printf("at least %d were to pass\n", at_least);
  return count[FAILED] || count[PASSED] < at_least ? EXIT_INPUT : EXIT_OK;
}
