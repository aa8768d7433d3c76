/* test_onnx_import.c -- what an import makes of names, sizes, options and tensors, and the list of what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "frontend/onnx.h"
#include "frontend/onnx_tensor.h"
#include "ir/verify.h"
#include "tests/wire.h"

static int failures;

#define CHECK(e) ((e) ? (void)0 : (void)(failures++, printf("%s:%d: %s\n", __FILE__, __LINE__, #e)))

typedef struct Import {
  Arena *arena;
  Diag *diag;
  OnnxReport report;
  Module *module;
} Import;

static Import import_from(Wire model, const char *path, OnnxOptions o) {
  Import i = {.arena = arena_new()};
  i.diag = diag_new(i.arena);
  o.report = &i.report;
  if (path) {
    FILE *f = fopen(path, "wb");
    ensure(f && fwrite(model.at, 1, model.n, f) == model.n && fclose(f) == 0);
    i.module = onnx_import(i.arena, i.diag, path, &o);
  } else {
    i.module = onnx_import_memory(i.arena, i.diag, "memory.onnx", model.at, model.n, &o);
  }
  if (i.module) CHECK(verify_module(i.module));
  wire_free(&model);
  return i;
}

static void done(Import *i) {
  if (i->module) module_close(i->module);
  arena_free(i->arena);
}

static bool type_is(const Import *i, Type t, const char *text) {
  return t && strcmp(type_text(i->arena, t), text) == 0;
}

static Value *argument(const Import *i, int k) { return module_find_func(i->module, "main")->body->arg[k]; }

/* An input whose dims have names; "" has neither name nor value. */
static Wire named_input(const char *name, int rank, const char *const *dim) {
  Wire shape = {0}, tensor = {0}, all = {0}, v = {0};
  for (int i = 0; i < rank; i++) {
    Wire d = {0};
    if (*dim[i]) wire_string(&d, 2, dim[i]);
    wire_message(&shape, 1, d);
  }
  wire_int(&tensor, 1, WIRE_FLOAT);
  wire_message(&tensor, 2, shape);
  wire_message(&all, 1, tensor);
  wire_string(&v, 1, name);
  wire_message(&v, 2, all);
  return v;
}

static Wire output(const char *name) {
  Wire v = {0};
  wire_string(&v, 1, name);
  return v;
}

/* ---- sizes ---- */

static Wire sizes_model(void) {
  Wire g = {0};
  wire_message(&g, 1, wire_node("Abs", "x", "y"));
  wire_message(&g, 11, named_input("x", 3, (const char *const[]){"batch size", "seq", ""}));
  wire_message(&g, 11, named_input("z", 3, (const char *const[]){"past", "past + 2*seq - 1", "x_2"}));
  wire_message(&g, 11, named_input("w", 3, (const char *const[]){"seq + nobody", "batch size", "seq + nobody"}));
  wire_message(&g, 12, output("y"));
  return wire_model(g);
}

static void test_sizes(void) {
  Import i = import_from(sizes_model(), NULL, (OnnxOptions){0});
  CHECK(i.module);
  CHECK(type_is(&i, argument(&i, 0)->type, "f32[batch_size,seq,x_2]"));
  CHECK(type_is(&i, argument(&i, 1)->type, "f32[past,2*seq+past-1,x_2_4]"));
  CHECK(type_is(&i, argument(&i, 2)->type, "f32[seq___nobody,batch_size,seq___nobody]"));
  CHECK(type_is(&i, module_find_func(i.module, "main")->result[0], "f32[batch_size,seq,x_2]"));
  done(&i);
}

static void test_fixed_sizes(void) {
  const Binding dim[] = {{"seq", 8, false}, {"batch_size", 4, true}, {"x_2", 3, false}};
  Import i = import_from(sizes_model(), NULL, (OnnxOptions){.n_dims = 3, .dim = dim});
  CHECK(i.module);
  CHECK(type_is(&i, argument(&i, 0)->type, "f32[batch_size,8,3]"));
  CHECK(func_find_symbol(module_find_func(i.module, "main"), "batch_size")->capacity == 4);
  CHECK(type_is(&i, argument(&i, 1)->type, "f32[past,past+15,3]"));
  done(&i);
}

static void test_unknown_size(void) {
  const Binding dim[] = {{"sequence", 8, false}};
  Import i = import_from(sizes_model(), NULL, (OnnxOptions){.n_dims = 1, .dim = dim});
  CHECK(!i.module && strstr(diag_first(i.diag), "no input has a size named `sequence`; there are: batch_size, seq"));
  done(&i);
}

/* An output of [batch size, 8, 3] that is declared as [?, 8, last]. */
static Import import_declared(int last) {
  Wire g = {0}, shape = {0}, tensor = {0}, all = {0}, y = {0};
  const int dim[] = {-1, 8, last};
  wire_message(&g, 1, wire_node("Abs", "x", "y"));
  wire_message(&g, 11, named_input("x", 3, (const char *const[]){"batch size", "seq", ""}));
  for (int i = 0; i < 3; i++) {
    Wire d = {0};
    if (dim[i] >= 0) wire_int(&d, 1, (uint64_t)dim[i]);
    wire_message(&shape, 1, d);
  }
  wire_int(&tensor, 1, WIRE_FLOAT);
  wire_message(&tensor, 2, shape);
  wire_message(&all, 1, tensor);
  wire_string(&y, 1, "y");
  wire_message(&y, 2, all);
  wire_message(&g, 12, y);
  const Binding fixed[] = {{"seq", 8, false}, {"x_2", 3, false}};
  return import_from(wire_model(g), NULL, (OnnxOptions){.n_dims = 2, .dim = fixed});
}

static void test_declared_sizes(void) {
  for (int last = 3; last <= 4; last++) {
    Import i = import_declared(last);
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    CHECK(i.module && diag_errors(i.diag) == 0);
    diag_flush(i.diag, f, false);
    fclose(f);
    if (last == 3) CHECK(n == 0);
    else CHECK(strstr(text, "y: warning: declared with the sizes [?,8,4], and computed as f32[batch_size,8,3]"));
    free(text);
    done(&i);
  }
}

/* ---- what is refused ---- */

static void test_report(void) {
  Wire g = {0}, attribute = {0}, softmax = wire_node("Softmax", "x", "c"), other = wire_node("Gizmo", "c", "d");
  wire_string(&attribute, 1, "colour");
  wire_int(&attribute, 3, 1);
  wire_message(&softmax, 5, attribute);
  wire_string(&other, 3, "the node");
  wire_string(&other, 7, "com.example");
  wire_message(&g, 1, wire_node("Frobnicate", "x", "a"));
  wire_message(&g, 1, wire_node("Frobnicate", "a", "b"));
  wire_message(&g, 1, softmax);
  wire_message(&g, 1, other);
  wire_message(&g, 11, named_input("x", 1, (const char *const[]){"n"}));
  wire_message(&g, 12, output("d"));
  Wire m = wire_model(g);
  wire_message(&m, 8, wire_opset("com.example", 3));
  Import i = import_from(m, NULL, (OnnxOptions){0});
  CHECK(!i.module && i.report.n == 3 && diag_errors(i.diag) == 3);
  const OnnxRefusal *r = i.report.at;
  CHECK(strcmp(r[0].type, "Frobnicate") == 0 && r[0].count == 2 && r[0].opset == 17 &&
        strcmp(r[0].node, "Frobnicate_a") == 0);
  CHECK(strcmp(r[1].type, "Softmax") == 0 && r[1].count == 1 && strstr(r[1].reason, "`colour`"));
  CHECK(strcmp(r[2].domain, "com.example") == 0 && r[2].opset == 3 && strcmp(r[2].node, "the node") == 0 &&
        r[2].instead);
  done(&i);
}

/* ---- tensors ---- */

static Wire weight(const char *name, const float *v) {
  Wire t = wire_tensor(name, WIRE_FLOAT, 2, (const int64_t[]){8, 8});
  wire_bytes(&t, 9, v, 64 * sizeof *v);
  return t;
}

static Wire weights_model(const float *v) {
  Wire g = {0}, s = wire_tensor("s", WIRE_FLOAT, 0, NULL);
  wire_bytes(&s, 4, v, sizeof *v);
  wire_message(&g, 1, wire_node("MatMul", "x a/b:0", "t"));
  wire_message(&g, 1, wire_node("MatMul", "t a_b_0", "u"));
  wire_message(&g, 1, wire_node("Mul", "u s", "y"));
  wire_message(&g, 5, weight("a/b:0", v));
  wire_message(&g, 5, weight("a_b_0", v));
  wire_message(&g, 5, s);
  wire_message(&g, 11, named_input("x", 2, (const char *const[]){"n", "k"}));
  wire_message(&g, 11, wire_value("a_b_0", WIRE_FLOAT, 2, (const int64_t[]){8, 8}));
  wire_message(&g, 12, output("y"));
  return wire_model(g);
}

/* Large tensors stay in the file, small ones are literals, and names are made fit for the text form. */
static void test_weights(void) {
  float v[64];
  for (int i = 0; i < 64; i++) v[i] = (float)i;
  char path[] = "/tmp/lathe-import-XXXXXX";
  close(mkstemp(path));
  Import i = import_from(weights_model(v), path, (OnnxOptions){0});
  CHECK(i.module && i.module->files.n == 1 && i.module->constants.n == 2);
  const Constant *a = module_find_constant(i.module, "main.a_b_0"), *b = module_find_constant(i.module, "main.a_b_0.1");
  CHECK(a && b && a->kind == CONSTANT_FILE && b->kind == CONSTANT_FILE && a->offset != b->offset);
  CHECK(a && strcmp(a->loc.name, "a/b:0") == 0 && memcmp(constant_data(i.module, a, a->loc), v, sizeof v) == 0);
  CHECK(module_find_func(i.module, "main")->body->n_args == 1);
  done(&i);
  i = import_from(weights_model(v), NULL, (OnnxOptions){.initializers_are_defaults = true});
  CHECK(i.module && i.module->files.n == 0 && i.module->constants.n == 1);
  a = module_find_constant(i.module, "main.a_b_0");
  CHECK(a && a->kind == CONSTANT_BYTES && memcmp(a->bytes, v, sizeof v) == 0);
  CHECK(module_find_func(i.module, "main")->body->n_args == 2 && strcmp(argument(&i, 1)->name, "a_b_0") == 0);
  done(&i);
  unlink(path);
}

static void test_load_tensor(void) {
  float v[64] = {1, 2, 3};
  Wire t = weight("the tensor", v);
  char path[] = "/tmp/lathe-tensor-XXXXXX";
  int fd = mkstemp(path);
  ensure(write(fd, t.at, t.n) == (ssize_t)t.n && close(fd) == 0);
  wire_free(&t);
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  const char *name;
  Tensor *x = NULL;
  CHECK(onnx_load_tensor(a, d, path, &name, &x) && strcmp(name, "the tensor") == 0);
  CHECK(x && x->rank == 2 && x->dim[1] == 8 && memcmp(x->data, v, sizeof v) == 0);
  tensor_release(x);
  unlink(path);
  CHECK(!onnx_load_tensor(a, d, path, &name, &x) && strstr(diag_first(d), "cannot open"));
  arena_free(a);
}

int main(void) {
  test_sizes();
  test_fixed_sizes();
  test_unknown_size();
  test_declared_sizes();
  test_report();
  test_weights();
  test_load_tensor();
  return failures != 0;
}
