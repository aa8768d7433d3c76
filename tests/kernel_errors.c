/* kernel_errors.c -- what the interpreter and the emitter for CPUs say of kernels that are wrong. */
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
      "llvm: @k: `barrier`: no instruction of a CPU does this"},
     "x86-64-v3", 1},
    {{KERNEL("1", "  %s = workgroup_memory type=f64 elements=131073 : shared<f64,131073>\n"),
      "llvm: @k: 1048584 bytes of workgroup memory: x86-64-v3 has 1048576"},
     "x86-64-v3", 1},
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
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) failed += !test_refused(i);
  printf("%d failed\n", failed);
  return failed != 0;
}
