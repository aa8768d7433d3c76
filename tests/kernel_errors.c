/* kernel_errors.c -- what is said of kernels that are wrong: by inference, by the interpreter, by the emitter for CPUs. */
#include <stdio.h>
#include <string.h>

#include "codegen/emit_llvm.h"
#include "ir/fatal.h"
#include "ir/interp.h"
#include "ir/text.h"

/* Kernels get %m, 16 floats, and %n, which is 5; %i is an invocation's number. */
#define KERNEL(local, body)                                                                                            \
  "lathe 1\n\nkernel @k workgroup(" local ",1,1) (%m: buf<f32>, %n: index) {\n"                                        \
  "  %i = local_id : index\n  %zero = imm 0 : index\n  %one = imm 1 : index\n  %x = imm 1.5 : f32\n" body "  return\n}\n"

typedef struct Case {
  const char *text;
  const char *message; /* how the first error reads, or NULL: there is none */
} Case;

/* ---- the interpreter ---- */

static const Case interpreted[] = {
    {KERNEL("1", "  store %m, %n, %x\n"), NULL},
    {KERNEL("1", "  %f = imm 16 : index\n  store %m, %f, %x\n"),
     "@k: `store`: element 16 (1 of f32 from there on) of 16 f32 (invocation 0 of workgroup 0,0,0)"},
    {KERNEL("1", "  %f = imm -1 : index\n  %v = load %m, %f : f32\n"), "@k: `load`: element -1 (1 of f32"},
    {KERNEL("1", "  %f = imm 9 : index\n  %v = load %m, %f lanes=8 : f32x8\n"), "@k: `load`: element 9 (8 of f32"},
    {KERNEL("1", "  %f = imm 15 : index\n  %v = load %m, %f as=f64 : f64\n"), "@k: `load`: element 15 (1 of f64"},
    {KERNEL("1", "  %v = load %m, %one lanes=4 align=16 : f32x4\n"),
     "@k: `load`: element 1 stands at an address that is no multiple of 16"},
    {KERNEL("1", "  for %zero, %n, %zero (%j: index) {\n    yield\n  }\n"), "@k: `for`: a step of 0"},
    /* Invocation by invocation: 0 and 1 agree, 2 does not come. */
    {KERNEL("3", "  barrier\n"), NULL},
    {KERNEL("3", "  %two = imm 2 : index\n  %c = lt %i, %two : bool\n  when %c {\n    barrier\n    yield\n  } {\n    yield\n  }\n"),
     "@k: `barrier`: 2 of the workgroup's 3 invocations come here"},
    {KERNEL("3", "  for %zero, %i, %one (%j: index) {\n    barrier\n    yield\n  }\n"), "@k: `barrier`: 2 of the workgroup's 3"},
    /* Workgroup memory between barriers. */
    {KERNEL("2", "  %s = workgroup_memory type=f32 elements=4 : shared<f32,4>\n  store %s, %i, %x\n  barrier\n"
                 "  %j = sub %one, %i : index\n  %v = load %s, %j : f32\n"), NULL},
    {KERNEL("2", "  %s = workgroup_memory type=f32 elements=4 : shared<f32,4>\n  store %s, %i, %x\n"
                 "  %j = sub %one, %i : index\n  %v = load %s, %j : f32\n"),
     "@k: `load`: element 1 was written by invocation 1 with no barrier since (invocation 0"},
    {KERNEL("2", "  %s = workgroup_memory type=f32 elements=4 : shared<f32,4>\n  store %s, %zero, %x\n"),
     "@k: `store`: element 0 was written by invocation 0, too, with no barrier since (invocation 1"},
    {KERNEL("3", "  %s = workgroup_memory type=f32 elements=4 : shared<f32,4>\n  store %s, %i, %x\n  barrier\n"
                 "  %v = load %s, %one : f32\n  store %s, %i, %v\n"),
     "@k: `store`: element 1 was read by other invocations with no barrier since (invocation 1"},
    {KERNEL("2", "  %s = workgroup_memory type=f32 elements=4 : shared<f32,4>\n  %v = load %s, %i : f32\n"),
     "@k: `load`: element 0 of workgroup memory was never written"},
};

static bool starts_with(const char *text, const char *with) { return text && strncmp(text, with, strlen(with)) == 0; }

static bool expect(const Case *c, Diag *d) {
  const char *said = diag_first(d);
  bool good = c->message ? starts_with(said, c->message) : !said;
  if (!good) printf("FAIL\n%s  says: %s\n  not:  %s\n", c->text, said ? said : "nothing", c->message ? c->message : "nothing");
  return good;
}

static bool test_interpreted(const Case *c) {
  _Alignas(64) float memory[16] = {0};
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  Module *m = text_parse(a, d, "case", c->text, strlen(c->text));
  if (m) interp_kernel(m->funcs.at[0], (const int64_t[]){1, 1, 1}, 2, (const KernelArg[]){{memory, 16, 0}, {0, 0, 5}}, d);
  bool good = expect(c, d);
  arena_free(a);
  return good;
}

/* ---- inference ---- */

static const Case inferred[] = {
    {KERNEL("1", "  %v = load %n, %zero : f32\n"), "load: operand 0 is index, not memory"},
    {KERNEL("1", "  %v = load %m, %x : f32\n"), "load: operand 1 is f32, not index"},
    {KERNEL("1", "  %v = load %m, %zero lanes=5000 : f32x5000\n"), "load: 5000 lanes: a vector has 1 to 1024"},
    {KERNEL("1", "  %v = load %m, %zero align=3 : f32\n"), "load: align=3: an alignment is a power of two"},
    {KERNEL("1", "  store %m, %zero, %one\n"), "store: stores index into buf<f32>"},
    {KERNEL("1", "  %v = splat %x lanes=4 : f32x4\n  %w = extract %v lane=2 lanes=3 : f32x3\n"),
     "extract: lanes 2 and 2 more of f32x4"},
    {KERNEL("1", "  %v = pack %x, %one : f32x2\n"), "pack: operand 1 is index, but the first is f32"},
    {KERNEL("1", "  %v = splat %x lanes=4 : f32x4\n  %w = shuffle %v, %v lanes=[8] : f32\n"),
     "shuffle: lane 8 of the 8 that its operands have"},
    {KERNEL("1", "  %v = splat %x lanes=3 : f32x3\n  %w = lanes_sum %v : f32\n"),
     "lanes_sum: f32x3: the number of lanes is no power of two"},
    {KERNEL("1", "  %v = dot4 %one, %x, %x : index\n"), "dot4: takes i32xN, u8x4N, i8x4N, not index, f32, f32"},
    {KERNEL("1", "  %r = for %zero, %n, %one, %x (%j: index, %y: f32) {\n    yield %j\n  } : f32\n"),
     "for: a region yields index as value 0, not f32"},
    {KERNEL("1", "  %r = for %zero, %n, %one, %x (%j: index, %y: f64) {\n    yield %x\n  } : f32\n"),
     "for: its region takes carried value 0 as f64, not f32"},
    {KERNEL("1", "  %r = when %x {\n    yield %x\n  } {\n    yield %x\n  } : f32\n"), "when: its condition is f32, not bool"},
    {KERNEL("1", "  %c = lt %x, %x : bool\n  %r = when %c {\n    yield %x\n  } {\n    yield\n  } : f32\n"),
     "when: a region yields 0 values, not 1"},
    {KERNEL("1", "  %g = group_id axis=3 : index\n"), "group_id: axis 3: a grid has axes 0 to 2"},
};

static void infer_block(const Block *b) {
  for (Node *n = b->first; n; n = n->next) {
    for (int r = 0; r < n->n_regions; r++) infer_block(n->region[r]);
    node_infer(n);
  }
}

static bool test_inferred(const Case *c) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  Module *m = text_parse(a, d, "case", c->text, strlen(c->text));
  if (m) infer_block(m->funcs.at[0]->body);
  bool good = expect(c, d);
  arena_free(a);
  return good;
}

/* ---- the emitter for CPUs ---- */

static const struct {
  Case is;
  const char *target;
  int errors;
} refused[] = {
    {{KERNEL("1", "  store %m, %zero, %x\n"), NULL}, "x86-64-v2", 0},
    {{KERNEL("64", "  store %m, %zero, %x\n  barrier\n"), "llvm: @k: a workgroup of 64x1x1: x86-64-v3 runs 1 at most"},
     "x86-64-v3", 2},
    {{KERNEL("1", "  %s = workgroup_memory type=f32 elements=4 : shared<f32,4>\n  store %s, %zero, %x\n  barrier\n"),
      "llvm: @k: `workgroup_memory`: no instruction of a CPU does this"},
     "x86-64-v3", 2},
    {{KERNEL("1", "  %y = exp %x : f32\n"), "llvm: @k: `exp`: no instruction of a CPU does this"}, "x86-64-v3", 1},
    {{KERNEL("1", "  %y = fma %x, %x, %x : f32\n"), "llvm: @k: `fma`: the target has no fused multiply-add"}, "x86-64-v2", 1},
    {{KERNEL("1", "  %y = cast %x to=f16 : f16\n  %z = add %y, %y : f16\n"), "llvm: @k: `add`: computes in 16-bit floats"},
     "x86-64-v3", 1},
    {{KERNEL("1", "  %y = cast %x to=u4 : u4\n"), "llvm: @k: `cast`: u4 is in no register"}, "x86-64-v3", 1},
    {{"lathe 1\n\nkernel @k requires \"avx512vnni,avx512bf16\" () {\n  return\n}\n",
      "llvm: @k: requires `avx512bf16`, which x86-64-v4-vnni has not"},
     "x86-64-v4-vnni", 1},
};

static bool test_refused(size_t i) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  Module *m = text_parse(a, d, "case", refused[i].is.text, strlen(refused[i].is.text));
  LlvmModule *l = llvm_module_new(target_find(refused[i].target), "k");
  if (m) llvm_emit_kernel(l, m->funcs.at[0], d);
  bool good = expect(&refused[i].is, d) && diag_errors(d) == refused[i].errors;
  if (!good) printf("FAIL refusal %zu: %d errors\n", i, diag_errors(d));
  llvm_module_free(l);
  arena_free(a);
  return good;
}

int main(void) {
  int failed = 0;
  for (size_t i = 0; i < sizeof interpreted / sizeof *interpreted; i++) failed += !test_interpreted(&interpreted[i]);
  for (size_t i = 0; i < sizeof inferred / sizeof *inferred; i++) failed += !test_inferred(&inferred[i]);
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) failed += !test_refused(i);
  printf("%d failed\n", failed);
  return failed != 0;
}
