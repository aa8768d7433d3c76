/* test_random_kernels.c -- random kernels give the same results interpreted, compiled for the CPU and run through Vulkan.
 *
 *   test_random_kernels [COUNT] [SEED]
 * Kernels have nested loops and branches that carry values of many types. Only what every target computes to the last bit
 * is used: no division or multiplication of floats, whose denormals a GPU may drop. A failure prints seed and text. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "codegen/jit_llvm.h"
#include "ir/fatal.h"
#include "ir/interp.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "random.h"
#include "vulkan_run.h"

/* ---- growing a kernel ---- */

enum { MAX_VALUES = 512, MAX_CARRIED = 3, MAX_DEPTH = 3, TEXT_SIZE = 1 << 18, ELEMENTS = 64, INVOCATIONS = 48 };

typedef enum Kind { I32, U32, I16, U8, BOOL, F32, I32X4, F32X2, KINDS, INDEX = KINDS } Kind;
static const char *const kind_name[] = {"i32", "u32", "i16", "u8", "bool", "f32", "i32x4", "f32x2", "index"};

typedef struct Growth {
  Random *random;
  char *at, *end;
  int depth;
  int next; /* number of the next value */
  int n;    /* values in reach: those of this block and of the blocks around it */
  struct {
    int number;
    Kind kind;
  } value[MAX_VALUES];
} Growth;

static void put(Growth *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(Growth *g, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  int n = vsnprintf(g->at, (size_t)(g->end - g->at), fmt, ap);
  va_end(ap);
  ensure(n >= 0 && g->at + n < g->end);
  g->at += n;
}

static int below(Growth *g, int n) { return (int)random_below(g->random, n); }
static Kind any_kind(Growth *g) { return (Kind)below(g, KINDS); }

static int define(Growth *g, Kind k) {
  ensure(g->n < MAX_VALUES);
  g->value[g->n].number = g->next;
  g->value[g->n++].kind = k;
  return g->next++;
}

/* A value of a kind, mostly a new one; there always is one, since the kernel begins with some of each kind. */
static int any(Growth *g, Kind k) {
  int tries = below(g, 6), found = -1;
  for (int i = g->n - 1; i >= 0 && (found < 0 || tries > 0); i--)
    if (g->value[i].kind == k) found = g->value[i].number, tries--;
  ensure(found >= 0);
  return found;
}

/* ---- statements ---- */

typedef struct Form {
  const char *op; /* with a %d for each operand; the result's type is added */
  int n_in;
  int out, in[3]; /* kinds */
} Form;

// clang-format off
#define OF_NUMBERS(k) {"add %%v%d, %%v%d", 2, k, {k, k}}, {"sub %%v%d, %%v%d", 2, k, {k, k}}, {"min %%v%d, %%v%d", 2, k, {k, k}}, \
  {"max %%v%d, %%v%d", 2, k, {k, k}}, {"neg %%v%d", 1, k, {k}}, {"abs %%v%d", 1, k, {k}}
#define OF_SCALARS(k) OF_NUMBERS(k), {"where %%v%d, %%v%d, %%v%d", 3, k, {BOOL, k, k}}, {"eq %%v%d, %%v%d", 2, BOOL, {k, k}}, \
  {"lt %%v%d, %%v%d", 2, BOOL, {k, k}}, {"le %%v%d, %%v%d", 2, BOOL, {k, k}}
#define OF_INTEGERS(k) {"mul %%v%d, %%v%d", 2, k, {k, k}}, {"div %%v%d, %%v%d", 2, k, {k, k}}, {"mod %%v%d, %%v%d", 2, k, {k, k}}, \
  {"mod %%v%d, %%v%d trunc=true", 2, k, {k, k}}, {"and %%v%d, %%v%d", 2, k, {k, k}}, {"or %%v%d, %%v%d", 2, k, {k, k}}, \
  {"xor %%v%d, %%v%d", 2, k, {k, k}}, {"not %%v%d", 1, k, {k}}, {"shl %%v%d, %%v%d", 2, k, {k, k}}, {"shr %%v%d, %%v%d", 2, k, {k, k}}
#define CAST(from, to, name) {"cast %%v%d to=" name, 1, to, {from}}
static const Form forms[] = {
  OF_SCALARS(I32), OF_SCALARS(U32), OF_SCALARS(I16), OF_SCALARS(U8), OF_SCALARS(F32), OF_NUMBERS(I32X4), OF_NUMBERS(F32X2),
  OF_INTEGERS(I32), OF_INTEGERS(U32), OF_INTEGERS(I16), OF_INTEGERS(U8), OF_INTEGERS(I32X4),
  {"and %%v%d, %%v%d", 2, BOOL, {BOOL, BOOL}}, {"xor %%v%d, %%v%d", 2, BOOL, {BOOL, BOOL}}, {"not %%v%d", 1, BOOL, {BOOL}},
  {"where %%v%d, %%v%d, %%v%d", 3, BOOL, {BOOL, BOOL, BOOL}},
  CAST(I32, U32, "u32"), CAST(I32, I16, "i16"), CAST(I32, U8, "u8"), CAST(I32, BOOL, "bool"), CAST(I16, F32, "f32"),
  CAST(U8, I32, "i32"), CAST(U8, F32, "f32"), CAST(I16, U8, "u8"), CAST(I16, I32, "i32"), CAST(U32, I32, "i32"),
  CAST(BOOL, I32, "i32"), CAST(BOOL, F32, "f32"), CAST(U8, I16, "i16"), CAST(F32, BOOL, "bool"), CAST(INDEX, I32, "i32"),
  {"floor %%v%d", 1, F32, {F32}}, {"round %%v%d", 1, F32, {F32}}, {"isnan %%v%d", 1, BOOL, {F32}},
  {"splat %%v%d lanes=4", 1, I32X4, {I32}}, {"splat %%v%d lanes=2", 1, F32X2, {F32}}, {"pack %%v%d, %%v%d", 2, F32X2, {F32, F32}},
  {"extract %%v%d lane=2", 1, I32, {I32X4}}, {"extract %%v%d lane=1", 1, F32, {F32X2}}, {"lanes_sum %%v%d", 1, I32, {I32X4}},
  {"lanes_max %%v%d", 1, F32, {F32X2}}, {"shuffle %%v%d, %%v%d lanes=[6, 1, 4, 3]", 2, I32X4, {I32X4, I32X4}},
  {"add %%v%d, %%v%d", 2, INDEX, {INDEX, INDEX}}, {"lt %%v%d, %%v%d", 2, BOOL, {INDEX, INDEX}},
};
// clang-format on

static void grow_op(Growth *g) {
  const Form *f = &forms[below(g, (int)(sizeof forms / sizeof *forms))];
  int in[3] = {0};
  for (int i = 0; i < f->n_in; i++) in[i] = any(g, (Kind)f->in[i]);
  put(g, "%%v%d = ", define(g, (Kind)f->out));
  if (f->n_in == 1)
    put(g, f->op, in[0]);
  else if (f->n_in == 2)
    put(g, f->op, in[0], in[1]);
  else
    put(g, f->op, in[0], in[1], in[2]);
  put(g, " : %s\n", kind_name[f->out]);
}

/* An element of %x: at a place that is certainly inside. */
static void grow_load(Growth *g) {
  int where = any(g, I32), low = g->next++, at = g->next++;
  put(g, "%%v%d = and %%v%d, %%mask : i32\n%%v%d = cast %%v%d to=index : index\n", low, where, at, low);
  put(g, "%%v%d = load %%x, %%v%d : i32\n", define(g, I32), at);
}

static void grow_block(Growth *g, int n_yield, const Kind *kind);

static void put_types(Growth *g, int n, const Kind *kind) {
  for (int i = 0; i < n; i++) put(g, "%s%s", i ? ", " : " : ", kind_name[kind[i]]);
  put(g, "\n");
}

static void put_results(Growth *g, int first, int n) {
  for (int i = 0; i < n; i++) put(g, "%s%%v%d", i ? ", " : "", first + i);
  if (n) put(g, " = ");
}

/* Results are numbered before what is inside, and can be used only after it. */
static void define_results(Growth *g, int first, int n, const Kind *kind) {
  for (int i = 0; i < n; i++) {
    ensure(g->n < MAX_VALUES);
    g->value[g->n].number = first + i;
    g->value[g->n++].kind = kind[i];
  }
}

static void grow_for(Growth *g) {
  int n = below(g, MAX_CARRIED + 1), first = g->next, outside = g->n;
  Kind kind[MAX_CARRIED] = {I32};
  for (int i = 0; i < n; i++) kind[i] = any_kind(g);
  g->next += n;
  put_results(g, first, n);
  put(g, "for %%i%d, %%i%d, %%i%d", below(g, 3), below(g, 6), 1 + below(g, 3));
  for (int i = 0; i < n; i++) put(g, ", %%v%d", any(g, kind[i]));
  put(g, " unroll=%d (%%v%d: index", below(g, 4), define(g, INDEX));
  for (int i = 0; i < n; i++) put(g, ", %%v%d: %s", define(g, kind[i]), kind_name[kind[i]]);
  put(g, ") {\n");
  grow_block(g, n, kind);
  put(g, "}");
  put_types(g, n, kind);
  g->n = outside;
  define_results(g, first, n, kind);
}

static void grow_when(Growth *g) {
  int n = below(g, MAX_CARRIED + 1), first = g->next, outside = g->n;
  Kind kind[MAX_CARRIED] = {I32};
  for (int i = 0; i < n; i++) kind[i] = any_kind(g);
  g->next += n;
  put_results(g, first, n);
  put(g, "when %%v%d {\n", any(g, BOOL));
  grow_block(g, n, kind);
  put(g, "} {\n");
  g->n = outside;
  grow_block(g, n, kind);
  put(g, "}");
  put_types(g, n, kind);
  g->n = outside;
  define_results(g, first, n, kind);
}

static void grow_statement(Growth *g) {
  int what = below(g, 20);
  if (what == 0)
    grow_load(g);
  else if (what < 3 && g->depth < MAX_DEPTH)
    grow_for(g);
  else if (what < 5 && g->depth < MAX_DEPTH)
    grow_when(g);
  else
    grow_op(g);
}

static void grow_block(Growth *g, int n_yield, const Kind *kind) {
  g->depth++;
  for (int i = below(g, 10); i >= 0; i--) grow_statement(g);
  put(g, "yield");
  for (int i = 0; i < n_yield; i++) put(g, "%s%%v%d", i ? ", " : " ", any(g, kind[i]));
  put(g, "\n");
  g->depth--;
}

/* One value of each kind to begin with, from what the invocation reads. */
static void grow_start(Growth *g) {
  put(g, "%%mask = imm %d : i32\n%%me = group_id : index\n%%first = load %%x, %%me : i32\n", ELEMENTS - 1);
  for (int i = 0; i < 6; i++) put(g, "%%i%d = imm %d : index\n", i, i);
  for (int i = 0; i < 2; i++) {
    put(g, "%%v%d = imm %d : i32\n", define(g, I32), below(g, 2000) - 1000);
    put(g, "%%v%d = cast %%first to=u32 : u32\n", define(g, U32));
    put(g, "%%v%d = imm %d : i16\n", define(g, I16), below(g, 60000) - 30000);
    put(g, "%%v%d = cast %%first to=u8 : u8\n", define(g, U8));
    put(g, "%%v%d = imm %s : bool\n", define(g, BOOL), below(g, 2) ? "true" : "false");
    put(g, "%%v%d = imm %d.5 : f32\n", define(g, F32), below(g, 100));
    put(g, "%%v%d = imm %d : i32x4\n", define(g, I32X4), below(g, 100) - 50);
    put(g, "%%v%d = imm %d.25 : f32x2\n", define(g, F32X2), below(g, 100));
  }
  define(g, INDEX);
  put(g, "%%v%d = imm 3 : index\n", g->next - 1);
}

/* Everything that is left goes into four numbers of %y; of a zero without its sign, which max and min may give either way. */
static void grow_end(Growth *g) {
  put(g, "%%zero = imm 0 : f32\n%%n = imm 4 : index\n%%to = mul %%me, %%n : index\n");
  for (Kind k = I32; k < 4; k++) {
    put(g, "%%at%d = add %%to, %%i%d : index\n", k, k);
    int a = any(g, I32), b = any(g, U32), c = any(g, F32), d = any(g, I32X4), e = any(g, U8), f = any(g, I16);
    put(g, "%%b%d = cast %%v%d to=i32 : i32\n%%z%d = add %%v%d, %%zero : f32\n%%c%d = bitcast %%z%d to=i32 : i32\n", k,
        b, k, c, k, k);
    put(g, "%%d%d = lanes_sum %%v%d : i32\n%%e%d = cast %%v%d to=i32 : i32\n%%f%d = cast %%v%d to=i32 : i32\n", k, d, k,
        e, k, f);
    put(g, "%%nan%d = isnan %%v%d : bool\n%%g%d = where %%nan%d, %%mask, %%c%d : i32\n", k, c, k, k, k);
    put(g, "%%h%d = add %%v%d, %%b%d : i32\n%%j%d = xor %%h%d, %%g%d : i32\n%%k%d = add %%j%d, %%d%d : i32\n", k, a, k,
        k, k, k, k, k, k);
    put(g, "%%l%d = sub %%k%d, %%e%d : i32\n%%m%d = xor %%l%d, %%f%d : i32\nstore %%y, %%at%d, %%m%d\n", k, k, k, k, k,
        k, k, k);
  }
}

static char *grow_kernel(Arena *a, uint64_t seed) {
  Random r = {seed * 0x9e3779b97f4a7c15u + 1};
  char *text = arena_alloc(a, TEXT_SIZE);
  Growth g = {.random = &r, .at = text, .end = text + TEXT_SIZE};
  put(&g, "lathe 1\n\nkernel @k (%%x: buf<i32>, %%y: buf<i32>) {\n");
  grow_start(&g);
  for (int i = 12 + below(&g, 20); i > 0; i--) grow_statement(&g);
  grow_end(&g);
  put(&g, "return\n}\n");
  return text;
}

/* ---- running it ---- */

typedef struct Memory {
  _Alignas(64) int32_t x[ELEMENTS], y[4 * INVOCATIONS];
} Memory;

static const int64_t grid[3] = {INVOCATIONS, 1, 1};

static bool run_interp(Func *f, Memory *m, Vulkan *v, Diag *d) {
  (void)v;
  return interp_kernel(f, grid, 2, (KernelArg[]){{m->x, ELEMENTS, 0}, {m->y, 4 * INVOCATIONS, 0}}, d);
}

static bool run_llvm(Func *f, Memory *m, Vulkan *v, Diag *d) {
  (void)v;
  LlvmModule *module = llvm_module_new(jit_host_target(), "k");
  bool good = llvm_emit_kernel(module, f, d);
  if (good) {
    Jit *j = jit_new(module);
    jit_kernel(j, "k")((lrt_arg[]){{m->x}, {m->y}}, grid, 0, grid[0]);
    jit_free(j);
  }
  llvm_module_free(module);
  return good;
}

static bool run_spirv(Func *f, Memory *m, Vulkan *v, Diag *d) {
  Arena *a = arena_new();
  SpirvKernel k;
  bool good = spirv_emit_kernel(f, target_find("vulkan-1.2"), a, d, &k);
  if (good) vulkan_run(v, f, &k, grid, (KernelArg[]){{m->x, ELEMENTS, 0}, {m->y, 4 * INVOCATIONS, 0}});
  arena_free(a);
  return good;
}

static bool has_host(Vulkan *v) { return (void)v, jit_host_target() != NULL; }
static bool has_vulkan(Vulkan *v) { return v != NULL; }

static const struct {
  const char *name;
  bool (*here)(Vulkan *);
  bool (*run)(Func *, Memory *, Vulkan *, Diag *);
} backends[] = {{"llvm", has_host, run_llvm}, {"spirv", has_vulkan, run_spirv}};

static void fill(Memory *m) {
  Random r = {4711};
  for (int i = 0; i < ELEMENTS; i++)
    m->x[i] = random_chance(&r, 50) ? (int32_t)random_below(&r, 200) - 100 : (int32_t)random_next(&r);
}

static bool agree(const char *backend, uint64_t seed, const Memory *want, const Memory *got) {
  for (int i = 0; i < 4 * INVOCATIONS; i++) {
    if (want->y[i] == got->y[i]) continue;
    printf("FAIL seed %" PRIu64 " via %s: y[%d] is %d, and %d interpreted\n", seed, backend, i, got->y[i], want->y[i]);
    return false;
  }
  return true;
}

static bool try_seed(uint64_t seed, Vulkan *v) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  char *text = grow_kernel(a, seed);
  Module *module = text_parse(a, d, "random", text, strlen(text));
  Memory want = {0}, got;
  fill(&want);
  bool good = module && verify_module(module) && run_interp(module->funcs.at[0], &want, v, d);
  for (size_t b = 0; good && b < sizeof backends / sizeof *backends; b++) {
    if (!backends[b].here(v)) continue;
    got = (Memory){0};
    fill(&got);
    good = backends[b].run(module->funcs.at[0], &got, v, d) && agree(backends[b].name, seed, &want, &got);
  }
  if (!good) diag_flush(d, stdout, false), printf("seed %" PRIu64 ":\n%s", seed, text);
  arena_free(a);
  return good;
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 25, failed = 0;
  uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  Arena *a = arena_new();
  Vulkan *v = vulkan_open(a);
  for (int i = 0; i < count && failed < 3; i++) failed += !try_seed(first + (uint64_t)i, v);
  vulkan_close(v);
  arena_free(a);
  printf("%d kernels, %d failed\n", count, failed);
  return failed != 0;
}
