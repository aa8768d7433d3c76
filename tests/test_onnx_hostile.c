/* test_onnx_hostile.c -- models that are wrong in every way that is known must each be refused, with the reason. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/onnx.h"
#include "frontend/onnx_tensor.h"
#include "tests/wire.h"

static int failures;
static const char out_of_proportion[] = "out of all proportion";

/* Imports from a file in the test's folder where there is a path, and from memory without. */
static void expect(const char *what, Wire model, const char *path, const char *message) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  Module *m = NULL;
  if (path) {
    FILE *f = fopen(path, "wb");
    ensure(f && fwrite(model.at, 1, model.n, f) == model.n && fclose(f) == 0);
    m = onnx_import(a, d, path, NULL);
  } else {
    m = onnx_import_memory(a, d, "memory.onnx", model.at, model.n, NULL);
  }
  const char *said = diag_first(d);
  bool good = message ? !m && said && strstr(said, message) : m && !said;
  if (message && strcmp(message, out_of_proportion) == 0) good &= diag_errors(d) == 1; /* and no more of it */
  if (!good)
    printf("%s: expected `%s`, got %s `%s`\n", what, message ? message : "success", m ? "a module and" : "", said);
  failures += !good;
  if (m) module_close(m);
  arena_free(a);
  wire_free(&model);
}

/* ---- small models ---- */

static const int64_t four[] = {4};

/* y = x + w, with w to be added as initialiser by the caller. */
static Wire add_graph(Wire w) {
  Wire g = {0};
  wire_message(&g, 1, wire_node("Add", "x w", "y"));
  wire_message(&g, 5, w);
  wire_message(&g, 11, wire_value("x", WIRE_FLOAT, 1, four));
  wire_message(&g, 12, wire_value("y", WIRE_FLOAT, 1, four));
  return g;
}

static Wire floats(const char *name, int rank, const int64_t *dim, size_t bytes) {
  static const unsigned char zeros[256];
  Wire t = wire_tensor(name, WIRE_FLOAT, rank, dim);
  wire_bytes(&t, 9, zeros, bytes);
  return t;
}

static Wire add_model(void) { return wire_model(add_graph(floats("w", 1, four, 16))); }

/* A graph of these nodes over one input x. */
static Wire graph_of(int n, Wire *node) {
  Wire g = {0};
  for (int i = 0; i < n; i++) wire_message(&g, 1, node[i]);
  wire_message(&g, 11, wire_value("x", WIRE_FLOAT, 1, four));
  wire_message(&g, 12, wire_value("y", WIRE_FLOAT, 1, four));
  return g;
}
#define GRAPH(...) graph_of((int)(sizeof((Wire[]){__VA_ARGS__}) / sizeof(Wire)), (Wire[]){__VA_ARGS__})

static Wire with_attribute(Wire node, Wire attribute) {
  wire_message(&node, 5, attribute);
  return node;
}

/* ---- external data ---- */

static void entry(Wire *t, const char *key, const char *value) {
  Wire e = {0};
  wire_string(&e, 1, key);
  wire_string(&e, 2, value);
  wire_message(t, 13, e);
}

static Wire external_model(const char *location, const char *offset, const char *length) {
  Wire t = wire_tensor("w", WIRE_FLOAT, 1, four);
  entry(&t, "location", location);
  if (offset) entry(&t, "offset", offset);
  if (length) entry(&t, "length", length);
  wire_int(&t, 14, 1);
  return wire_model(add_graph(t));
}

static void put_file(const char *path, size_t size) {
  FILE *f = fopen(path, "wb");
  for (size_t i = 0; i < size; i++) fputc(0, f);
  ensure(f && fclose(f) == 0);
}

/* In a folder of its own: folder/outside.bin, and the model and its files in folder/model/. */
static void test_external(void) {
  char folder[] = "/tmp/lathe-hostile-XXXXXX", path[100];
  ensure(mkdtemp(folder) && chdir(folder) == 0 && mkdir("model", 0700) == 0 && mkdir("model/sub", 0700) == 0);
  put_file("outside.bin", 64);
  put_file("model/good.bin", 64);
  put_file("model/sub/deep.bin", 64);
  put_file("model/first.bin", 64);
  ensure(link("model/first.bin", "model/second.bin") == 0);
  ensure(symlink("good.bin", "model/soft.bin") == 0 && symlink("../outside.bin", "model/away.bin") == 0);
  ensure(symlink("sub", "model/link") == 0 && mkfifo("model/fifo", 0600) == 0);
  snprintf(path, sizeof path, "%s/outside.bin", folder);
  static const struct {
    const char *location, *offset, *length, *message;
  } cases[] = {
      {"good.bin", NULL, NULL, NULL},
      {"good.bin", "48", "16", NULL},
      {"sub/deep.bin", "16", NULL, NULL},
      {"./good.bin", NULL, NULL, NULL},
      {"../outside.bin", NULL, NULL, "leaves the model's folder"},
      {"sub/../../outside.bin", NULL, NULL, "leaves the model's folder"},
      {"/etc/passwd", NULL, NULL, "absolute path"},
      {"", NULL, NULL, "without a location"},
      {"soft.bin", NULL, NULL, "symbolic link"},
      {"away.bin", NULL, NULL, "symbolic link"},
      {"link/deep.bin", NULL, NULL, "symbolic link"},
      {"first.bin", NULL, NULL, "hard link"},
      {"second.bin", NULL, NULL, "hard link"},
      {"fifo", NULL, NULL, "not a regular file"},
      {"sub", NULL, NULL, "not a regular file"},
      {"missing.bin", NULL, NULL, "cannot open"},
      {"good.bin", "-16", NULL, "not a number from 0 on"},
      {"good.bin", "0x10", NULL, "not a number from 0 on"},
      {"good.bin", "", NULL, "not a number from 0 on"},
      {"good.bin", "49", NULL, "lies beyond"},
      {"good.bin", "9223372036854775807", NULL, "lies beyond"},
      {"good.bin", "9223372036854775808", NULL, "overflows"},
      {"good.bin", "99999999999999999999999", NULL, "overflows"},
      {"good.bin", "0", "12", "external data has 12 bytes"},
      {"good.bin", "0", "-16", "not a number from 0 on"},
      {"good.bin", "0", "99999999999999999999999", "overflows"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    expect(cases[i].location, external_model(cases[i].location, cases[i].offset, cases[i].length), "model/m.onnx",
           cases[i].message);
  expect("absolute", external_model(path, NULL, NULL), "model/m.onnx", "absolute path");
  Wire both = wire_tensor("w", WIRE_FLOAT, 1, four);
  entry(&both, "location", "good.bin");
  wire_int(&both, 14, 1);
  wire_bytes(&both, 9, "0123456789abcdef", 16);
  expect("external and inline", wire_model(add_graph(both)), "model/m.onnx", "both external data and contents");
  snprintf(path, sizeof path, "rm -r %s", folder);
  ensure(chdir("/") == 0 && system(path) == 0);
}

/* The same on a kernel that has no openat2, which a filter makes of this one. */
static void test_external_without_openat2(void) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = 4, .filter = filter};
  fflush(stdout);
  pid_t child = fork();
  ensure(child >= 0);
  if (child == 0) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) _exit(0);
    failures = 0;
    test_external();
    fflush(stdout);
    _exit(failures != 0);
  }
  int status;
  ensure(waitpid(child, &status, 0) == child);
  if (!WIFEXITED(status) || WEXITSTATUS(status)) failures++, printf("external data without openat2 failed\n");
}

/* ---- tensors ---- */

static void expect_tensor(const char *what, Wire tensor, const char *message) {
  expect(what, wire_model(add_graph(tensor)), NULL, message);
}

static void test_tensors(void) {
  const int64_t negative[] = {-4}, huge[] = {INT64_MAX}, product[] = {1ll << 32, 1ll << 32}, wide[] = {1ll << 62};
  const int64_t many[20] = {1};
  expect_tensor("good", floats("w", 1, four, 16), NULL);
  expect_tensor("negative dim", floats("w", 1, negative, 16), "dim 0 of a tensor is -4");
  expect_tensor("huge dim", floats("w", 1, huge, 16), "overflows 64 bits");
  expect_tensor("product of dims", floats("w", 2, product, 16), "product of a tensor's dims overflows");
  expect_tensor("bytes of dims", floats("w", 1, wide, 16), "overflows 64 bits");
  expect_tensor("rank", floats("w", 20, many, 16), "rank 20");
  expect_tensor("short raw_data", floats("w", 1, four, 15), "raw_data has 15 bytes, and the shape says 16");
  expect_tensor("long raw_data", floats("w", 1, four, 20), "raw_data has 20 bytes, and the shape says 16");
  expect_tensor("no contents", wire_tensor("w", WIRE_FLOAT, 1, four), "has no contents");
  Wire t = floats("w", 1, four, 16);
  wire_bytes(&t, 4, "0123456789abcdef", 16);
  expect_tensor("raw and typed", t, "both raw_data and float_data");
  t = wire_tensor("w", WIRE_FLOAT, 1, four);
  wire_bytes(&t, 4, "0123456789ab", 12);
  expect_tensor("short float_data", t, "float_data has 12 bytes");
  t = wire_tensor("w", WIRE_FLOAT, 1, four);
  wire_bytes(&t, 7, "\1\2\3\4", 4);
  expect_tensor("wrong field", t, "contents in int64_data, and not in float_data");
  t = wire_tensor("w", WIRE_INT64, 1, four);
  wire_bytes(&t, 7, "\1\2\3\4\5", 5);
  expect_tensor("too many numbers", t, "int64_data has 5 numbers, and the shape says 4");
  t = wire_tensor("w", WIRE_INT64, 1, four);
  wire_bytes(&t, 7, "\1\2\3\x84", 4);
  expect_tensor("number cut short", t, "malformed int64_data");
  t = wire_tensor("w", WIRE_INT64, 1, huge);
  wire_bytes(&t, 7, "\1\2\3\4", 4);
  expect_tensor("memory for numbers", t, "overflows 64 bits");
  t = wire_tensor("w", WIRE_BOOL, 1, &(int64_t){1ll << 40});
  wire_bytes(&t, 5, "\1\2\3\4", 4);
  expect_tensor("memory before numbers", t, "int32_data has 4 bytes");
  t = wire_tensor("w", 99, 1, four);
  expect_tensor("unknown type", t, "unknown element type 99");
  t = wire_tensor("w", 0, 1, four);
  expect_tensor("undefined type", t, "unknown element type 0");
  t = wire_tensor("w", 14, 1, four);
  expect_tensor("complex type", t, "COMPLEX64 are not supported");
  t = wire_tensor("w", WIRE_STRING, 1, four);
  expect_tensor("string type", t, "STRING are not supported");
  t = floats("w", 1, four, 16);
  wire_int(&t, 14, 7);
  expect_tensor("unknown location", t, "data_location 7");
  t = floats("w", 1, four, 16);
  wire_message(&t, 3, (Wire){0});
  expect_tensor("segment", t, "segments are not supported");
  t = floats("", 1, four, 16);
  expect_tensor("no name", t, "initializer 0 has no name");
}

/* Floats and integers may also stand one by one, each behind its tag, and in several runs. */
static void test_unpacked(void) {
  Wire t = wire_tensor("w", WIRE_FLOAT, 1, four);
  const float v[] = {1, 2, 3, 4};
  for (int i = 0; i < 4; i++) {
    wire_tag(&t, 4, 5);
    wire_raw(&t, &v[i], 4);
  }
  expect_tensor("unpacked floats", t, NULL);
  t = wire_tensor("w", WIRE_FLOAT, 1, four);
  wire_bytes(&t, 4, v, 8);
  wire_bytes(&t, 4, v + 2, 8);
  expect_tensor("floats in parts", t, NULL);
}

/* ---- graphs ---- */

static void test_graphs(void) {
  expect("cycle of two",
         wire_model(GRAPH(wire_node("Add", "x b", "a"), wire_node("Abs", "a", "b"), wire_node("Abs", "b", "y"))), NULL,
         "a cycle");
  expect("cycle of one", wire_model(GRAPH(wire_node("Add", "x y", "y"))), NULL, "a cycle");
  expect("out of order", wire_model(GRAPH(wire_node("Abs", "a", "y"), wire_node("Abs", "x", "a"))), NULL, NULL);
  expect("result twice", wire_model(GRAPH(wire_node("Abs", "x", "y"), wire_node("Neg", "x", "y"))), NULL,
         "`y` is defined twice");
  expect("input redefined", wire_model(GRAPH(wire_node("Abs", "x", "x"), wire_node("Neg", "x", "y"))), NULL, "cycle");
  expect("undefined", wire_model(GRAPH(wire_node("Abs", "nowhere", "y"))), NULL,
         "`nowhere` is used, and nothing defines it");
  expect("no such output", wire_model(GRAPH(wire_node("Abs", "x", "z"))), NULL, "`y` is used, and nothing defines it");
  expect("unknown operator", wire_model(GRAPH(wire_node("Frobnicate", "x", "y"))), NULL,
         "Frobnicate (ai.onnx, opset 17) is not supported");
  expect("no operator", wire_model(GRAPH(wire_node("", "x", "y"))), NULL, "not supported");
  expect("operands", wire_model(GRAPH(wire_node("Abs", "x x", "y"))), NULL, "2 operands, and it takes 1");
  Wire left_out = wire_node("Clip", "", "y");
  wire_string(&left_out, 1, "");
  wire_string(&left_out, 1, "x");
  expect("operand left out", wire_model(GRAPH(left_out)), NULL, "Clip: operand 0 is left out");
  expect("results", wire_model(GRAPH(wire_node("Abs", "x", "y z"))), NULL, "2 results, and it takes 1");
  Wire g = GRAPH(wire_node("Abs", "x", "y"));
  wire_message(&g, 11, wire_value("x", WIRE_FLOAT, 1, four));
  expect("input twice", wire_model(g), NULL, "`x` is defined twice");
  g = GRAPH(wire_node("Abs", "x", "y"));
  wire_message(&g, 12, wire_value("y", WIRE_FLOAT, 1, four));
  expect("output twice", wire_model(g), NULL, "two outputs of this name");
  g = add_graph(floats("w", 1, four, 16));
  wire_message(&g, 5, floats("w", 1, four, 16));
  expect("initialiser twice", wire_model(g), NULL, "`w` is defined twice");
  Wire a = {0};
  wire_string(&a, 1, "axis");
  wire_int(&a, 3, 0);
  wire_int(&a, 20, 2);
  expect("attribute", wire_model(GRAPH(with_attribute(wire_node("Abs", "x", "y"), a))), NULL, "attribute `axis`");
  a = (Wire){0};
  wire_string(&a, 1, "axis");
  wire_string(&a, 4, "zero");
  wire_int(&a, 20, 3);
  expect("attribute's kind", wire_model(GRAPH(with_attribute(wire_node("Softmax", "x", "y"), a))), NULL,
         "attribute `axis` is a string, and not an integer");
}

static Wire input_model(Wire input) {
  Wire g = {0};
  wire_message(&g, 1, wire_node("Abs", "v", "y"));
  wire_message(&g, 11, input);
  wire_message(&g, 12, wire_value("y", WIRE_FLOAT, 1, four));
  return wire_model(g);
}

static void test_inputs(void) {
  const int64_t negative[] = {-7}, missing[] = {-2, -1}, many[20] = {0}, huge[] = {1ll << 32, 1ll << 32};
  expect("missing dims", input_model(wire_value("v", WIRE_FLOAT, 2, missing)), NULL, NULL);
  expect("negative dim", input_model(wire_value("v", WIRE_FLOAT, 1, negative)), NULL, "dim 0 of an input is -7");
  expect("rank", input_model(wire_value("v", WIRE_FLOAT, 20, many)), NULL, "rank 20");
  expect("product of dims", input_model(wire_value("v", WIRE_FLOAT, 2, huge)), NULL, "larger than memory can be");
  expect("unknown type", input_model(wire_value("v", 1000, 1, four)), NULL, "unknown element type 1000");
  expect("string", input_model(wire_value("v", WIRE_STRING, 1, four)), NULL, "its elements are of type STRING");
  Wire v = {0};
  wire_string(&v, 1, "v");
  expect("no type", input_model(v), NULL, "an input without a type");
  Wire type = {0};
  wire_message(&type, 4, (Wire){0});
  v = (Wire){0};
  wire_string(&v, 1, "v");
  wire_message(&v, 2, type);
  expect("sequence", input_model(v), NULL, "it is a sequence");
}

/* ---- functions ---- */

/* y = F(x), with the functions' bodies given as one node each. */
static Wire function_of(const char *name, Wire node) {
  Wire f = {0};
  wire_string(&f, 1, name);
  wire_string(&f, 4, "a");
  wire_string(&f, 5, "b");
  wire_message(&f, 7, node);
  wire_message(&f, 9, wire_opset("", 17));
  wire_message(&f, 9, wire_opset("local", 1));
  wire_string(&f, 10, "local");
  return f;
}

static Wire call_of(const char *name, const char *in, const char *out) {
  Wire n = wire_node(name, in, out);
  wire_string(&n, 7, "local");
  return n;
}

static Wire function_model(int n, Wire *f) {
  Wire m = wire_model(GRAPH(call_of("F0", "x", "y")));
  wire_message(&m, 8, wire_opset("local", 1));
  for (int i = 0; i < n; i++) wire_message(&m, 25, f[i]);
  return m;
}

static Wire branch(const char *name, Wire node) {
  Wire g = {0}, out = {0}, a = {0};
  wire_string(&out, 1, "o");
  wire_message(&g, 1, node);
  wire_message(&g, 12, out);
  wire_string(&a, 1, name);
  wire_message(&a, 6, g);
  wire_int(&a, 20, 5);
  return a;
}

/* A call within twelve branches of a condition that is not known. */
static Wire call_in_branches(const char *name) {
  Wire n = call_of(name, "a c", "o");
  for (int i = 0; i < 12; i++) {
    Wire outer = wire_node("If", "c", "o");
    wire_message(&outer, 5, branch("then_branch", n));
    wire_message(&outer, 5, branch("else_branch", wire_node("Identity", "a", "o")));
    n = outer;
  }
  return n;
}

static Wire branching_function(const char *name, const char *next) {
  Wire f = {0};
  wire_string(&f, 1, name);
  wire_words(&f, 4, "a c");
  wire_string(&f, 5, "o");
  wire_message(&f, 7, *next ? call_in_branches(next) : wire_node("Abs", "a", "o"));
  wire_message(&f, 9, wire_opset("", 17));
  wire_string(&f, 10, "local");
  return f;
}

/* The file nests less than is allowed; what it says, when calls are replaced by bodies, does not. */
static void test_nested_calls(void) {
  for (int n = 2; n < 6; n++) {
    Wire g = {0};
    wire_message(&g, 1, call_of("F0", "x c", "y"));
    wire_message(&g, 11, wire_value("x", WIRE_FLOAT, 1, four));
    wire_message(&g, 11, wire_value("c", WIRE_BOOL, 0, NULL));
    wire_message(&g, 12, wire_value("y", WIRE_FLOAT, 1, four));
    Wire m = wire_model(g);
    wire_message(&m, 8, wire_opset("local", 1));
    for (int i = 0; i <= n; i++) {
      char name[8], next[8] = "";
      snprintf(name, sizeof name, "F%d", i);
      if (i < n) snprintf(next, sizeof next, "F%d", i + 1);
      wire_message(&m, 25, branching_function(name, next));
    }
    expect("nested calls", m, NULL, n * 12 > 30 ? "graphs are nested more than 30 deep" : NULL);
  }
}

static void test_functions(void) {
  Wire f[64];
  f[0] = function_of("F0", wire_node("Abs", "a", "b"));
  expect("function", function_model(1, f), NULL, NULL);
  f[0] = function_of("F0", call_of("F0", "a", "b"));
  expect("recursion", function_model(1, f), NULL, "calls itself");
  f[0] = function_of("F0", call_of("F1", "a", "b"));
  f[1] = function_of("F1", call_of("F0", "a", "b"));
  expect("mutual recursion", function_model(2, f), NULL, "calls itself");
  f[0] = function_of("F0", wire_node("Abs", "a", "b"));
  f[1] = function_of("F0", wire_node("Abs", "a", "b"));
  expect("function twice", function_model(2, f), NULL, "`F0` is defined twice");
  f[0] = function_of("F0", wire_node("Abs", "x", "b"));
  expect("function sees the graph", function_model(1, f), NULL, "`x` is used, and nothing defines it");
  f[0] = function_of("F0", call_of("G", "a", "b"));
  expect("unknown function", function_model(1, f), NULL, "G (local, opset 1) is not supported");
  /* Each calls the next twice, so that there would be 2^40 nodes. */
  for (int i = 0; i < 40; i++) {
    char name[8], next[8];
    snprintf(name, sizeof name, "F%d", i);
    snprintf(next, sizeof next, "F%d", i + 1);
    f[i] = function_of(name, call_of(next, "a", "t"));
    wire_message(&f[i], 7, call_of(next, "t", "b"));
  }
  f[40] = function_of("F40", wire_node("Abs", "a", "b"));
  expect("exponential calls", function_model(41, f), NULL, out_of_proportion);
}

/* ---- the wire form ---- */

static Wire nested(int depth) {
  Wire inner = {0};
  for (int i = 0; i < depth; i++) { /* graph -> node -> attribute -> graph */
    Wire node = {0}, attribute = {0}, graph = {0};
    wire_message(&attribute, 6, inner);
    wire_message(&node, 5, attribute);
    wire_message(&graph, 1, node);
    inner = graph;
  }
  return wire_model(inner);
}

static void expect_bytes(const char *what, const char *bytes, size_t n, const char *message) {
  Wire w = {0};
  wire_raw(&w, bytes, n);
  expect(what, w, NULL, message);
}

static void test_wire(void) {
  expect_bytes("empty", "", 0, "holds no graph");
  expect_bytes("text", "hello, world", 12, "at byte 2: wire type 4");
  expect_bytes("long number", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "more than ten bytes");
  expect_bytes("long field", "\x3a\x7f\x08\x01", 4, "a field of 127 bytes, and 2 are left");
  expect_bytes("field 0", "\x00\x01", 2, "field number 0");
  expect_bytes("group", "\x3b\x3c", 2, "wire type 3");
  expect_bytes("wrong wire type", "\x38\x01", 2, "ModelProto.graph has wire type 0");
  expect_bytes("NUL in a string",
               "\x12\x03"
               "a\0b",
               5, "holds a NUL");
  expect("10,000 deep", nested(10000), NULL, "nested more than 64 deep");
  Wire many = {0};
  for (int i = 0; i < 4000010; i++) wire_raw(&many, "\x0a\x00", 2);
  expect("many messages", wire_model(many), NULL, "more than 4000000 messages");
  Wire m = add_model(), forged = {0};
  wire_tag(&forged, 1000000, 2); /* the scanner's own field is not taken from a file */
  wire_number(&forged, 2);
  wire_raw(&forged, "\x08\x09", 2);
  Wire t = wire_tensor("w", WIRE_FLOAT, 1, four);
  wire_raw(&t, forged.at, forged.n);
  expect_tensor("forged span", t, "has no contents");
  wire_free(&forged);
  expect("good", m, NULL, NULL);
}

/* Of a prefix of a model there may be something to import, but never is there a crash, and an error says which byte or
 * name is missing. */
static void truncate_everywhere(const char *what, Wire model) {
  size_t imported = 0;
  for (size_t n = 0; n < model.n; n++) {
    Arena *a = arena_new();
    Diag *d = diag_new(a);
    char *copy = malloc(n + 1); /* of its own, so that a sanitiser sees a read past its end */
    ensure(copy);
    memcpy(copy, model.at, n);
    Module *m = onnx_import_memory(a, d, "cut.onnx", copy, n, NULL);
    if (!m && !diag_first(d)) failures++, printf("%s cut at %zu: no reason given\n", what, n);
    imported += m != NULL;
    if (m) module_close(m);
    free(copy);
    arena_free(a);
  }
  if (imported) failures++, printf("%s: %zu truncated models were imported\n", what, imported);
  wire_free(&model);
}

static void test_truncation(void) {
  truncate_everywhere("add", add_model());
  Wire f[1] = {function_of("F0", wire_node("Abs", "a", "b"))};
  Wire m = wire_model(GRAPH(call_of("F0", "x", "y"))); /* all that the graph needs comes before it ends */
  wire_message(&m, 8, wire_opset("local", 1));
  wire_message(&m, 25, f[0]);
  truncate_everywhere("function", m);
  Wire a = {0}, body = add_graph(floats("w", 1, four, 16));
  wire_string(&a, 1, "then_branch");
  wire_message(&a, 6, body);
  wire_int(&a, 20, 5);
  truncate_everywhere("subgraph", wire_model(GRAPH(with_attribute(wire_node("If", "x", "y"), a))));
}

/* ---- found by fuzzing ---- */

static Wire int_attribute(Wire node, const char *name, int64_t v) {
  Wire a = {0};
  wire_string(&a, 1, name);
  wire_int(&a, 3, v);
  wire_int(&a, 20, 2);
  return with_attribute(node, a);
}

static void test_found(void) {
  Wire g = {0};
  wire_message(&g, 12, wire_value("y", WIRE_FLOAT, 1, four));
  expect("no nodes", wire_model(g), NULL, "`y` is used, and nothing defines it");

  g = (Wire){0};
  wire_message(&g, 1, wire_node("RotaryEmbedding", "x c s", "y"));
  wire_message(&g, 11, wire_value("x", WIRE_FLOAT, 4, (const int64_t[]){2, 4, 3, 8}));
  wire_message(&g, 11, wire_value("c", WIRE_FLOAT, 3, (const int64_t[]){2, 3, 4}));
  wire_message(&g, 11, wire_value("s", WIRE_FLOAT, 3, (const int64_t[]){1, 3, 4}));
  wire_message(&g, 12, wire_value("y", WIRE_FLOAT, 4, (const int64_t[]){2, 4, 3, 8}));
  expect("tables that differ", wire_model_of(g, 23), NULL, "a size of cos and sin");

  g = (Wire){0};
  wire_message(&g, 1, int_attribute(wire_node("GroupNormalization", "x s s", "y"), "num_groups", 3));
  wire_message(&g, 11, wire_value("x", WIRE_FLOAT, 3, (const int64_t[]){2, 4, 5}));
  wire_message(&g, 11, wire_value("s", WIRE_FLOAT, 1, four));
  wire_message(&g, 12, wire_value("y", WIRE_FLOAT, 1, four));
  expect("groups that do not divide", wire_model_of(g, 21), NULL, "reshape");

  g = (Wire){0};
  Wire n = int_attribute(wire_node("MultiHeadAttention", "x x x", "y"), "num_heads", INT64_MAX);
  wire_string(&n, 7, "com.microsoft");
  wire_message(&g, 1, n);
  wire_message(&g, 11, wire_value("x", WIRE_FLOAT, 3, (const int64_t[]){1, 4, 8}));
  wire_message(&g, 12, wire_value("y", WIRE_FLOAT, 3, (const int64_t[]){1, 4, 8}));
  Wire m = wire_model(g);
  wire_message(&m, 8, wire_opset("com.microsoft", 1));
  expect("heads", m, NULL, "num_heads is 9223372036854775807");
}

int main(void) {
  test_tensors();
  test_unpacked();
  test_graphs();
  test_inputs();
  test_functions();
  test_nested_calls();
  test_wire();
  test_truncation();
  test_found();
  test_external_without_openat2();
  test_external(); /* last: it changes the folder */
  if (failures) printf("%d failures\n", failures);
  return failures != 0;
}
