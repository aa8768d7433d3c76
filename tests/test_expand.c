/* test_expand.c -- the errors of the functions that are expanded into arithmetic, against the C library's long double.
 *
 * Each is compiled, and run on arguments from all of its range: on random bits, and densely where it bends. The error is
 * in units in the last place of the result, and each function has its bound in the table. Infinities, NaN, zeros and
 * numbers below the least normal one are among the arguments. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "codegen/jit_llvm.h"
#include "ir/fatal.h"
#include "passes/kernel_build.h"
#include "passes/pass.h"
#include "random.h"

static long double sigmoid(long double x) { return 1 / (1 + expl(-x)); }
static long double silu(long double x) { return x / (1 + expl(-x)); }
static long double softplus(long double x) { return x > 100 ? x : log1pl(expl(x)); }
static long double gelu_erf(long double x) { return x < 0 && isinf(x) ? 0 : 0.5L * x * erfcl(-x / sqrtl(2)); }
static long double gelu_tanh(long double x) {
  long double u = sqrtl(2 / 3.14159265358979323846L) * (x + 0.044715L * x * x * x);
  return x < 0 && isinf(x) ? 0 : x / (1 + expl(-2 * u));
}

/* `limit`: |x| beyond which no bound is promised (0: there is none). */
static const struct {
  const char *name;
  Op op;
  bool tanh;
  long double (*reference)(long double);
  double limit;
  double f32_bound, f64_bound; /* ulp */
} functions[] = {
    {"exp", OP_exp, false, expl, 0, 2, 3},          {"expm1", OP_expm1, false, expm1l, 0, 2, 3},
    {"log", OP_log, false, logl, 0, 2, 3},          {"tanh", OP_tanh, false, tanhl, 0, 2, 4},
    {"sinh", OP_sinh, false, sinhl, 0, 4, 5},       {"cosh", OP_cosh, false, coshl, 0, 4, 5},
    {"asinh", OP_asinh, false, asinhl, 0, 4, 5},    {"acosh", OP_acosh, false, acoshl, 0, 4, 5},
    {"atanh", OP_atanh, false, atanhl, 0, 4, 5},    {"sin", OP_sin, false, sinl, 0x1p20, 2, 3},
    {"cos", OP_cos, false, cosl, 0x1p20, 2, 3},     {"tan", OP_tan, false, tanl, 0x1p20, 4, 5},
    {"asin", OP_asin, false, asinl, 0, 4, 5},       {"acos", OP_acos, false, acosl, 0, 4, 5},
    {"atan", OP_atan, false, atanl, 0, 3, 4},       {"erf", OP_erf, false, erfl, 0, 2, 5},
    {"sigmoid", OP_sigmoid, false, sigmoid, 0, 4, 5}, {"softplus", OP_softplus, false, softplus, 0, 4, 5},
    {"gelu", OP_gelu, false, gelu_erf, 5.6, 8, 10},  {"gelu tanh", OP_gelu, true, gelu_tanh, 5, 32, 64},
    {"silu", OP_silu, false, silu, 80, 5, 6},
};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

/* ---- kernels ---- */

static Func *make_kernel(Module *m, const Target *target, const char *name, int i, Dtype t) {
  Func *f = module_add_func(m, name, LEVEL_KERNEL);
  f->target = target;
  Builder b = {.module = m, .func = f, .block = f->body};
  Value *x = block_add_arg(f->body, type_buffer(m->types, t), "x"), *y = block_add_arg(f->body, type_buffer(m->types, t), "y");
  Value *n = block_add_arg(f->body, type_scalar(m->types, DT_index), "n");
  KernelFor loop = kb_for(&b, kb_index(&b, 0), n, 0, NULL);
  Value *v = kb_load(&b, x, loop.i);
  v = functions[i].tanh ? build(&b, OP_gelu, 1, INS(v), ATTRS(at_i(gelu, tanh, 1))) : build_unary(&b, functions[i].op, v);
  kb_store(&b, y, loop.i, v);
  kb_for_end(&b, &loop, 0, NULL);
  build(&b, OP_return, 0, 0, NULL, NO_ATTRS);
  return f;
}

/* ---- errors ---- */

static double ulp_of(Dtype t, long double v) {
  double least = t == DT_f32 ? 0x1p-149 : 0x1p-1074;
  int digits = t == DT_f32 ? 24 : 53, e;
  if (v == 0) return least;
  frexpl(v, &e);
  double u = ldexp(1, e - digits);
  return u < least ? least : u;
}

/* Infinite where one is NaN or past the top, and the other is not. */
static double error_of(Dtype t, double got, long double want) {
  long double top = t == DT_f32 ? 0x1.ffffffp127L : 0x1.fffffffffffffcp1023L;
  if (isnan(want)) return isnan(got) ? 0 : INFINITY;
  if (fabsl(want) >= top) return isinf(got) && (got > 0) == (want > 0) ? 0 : fabsl(want) < top * 1.0001L ? 1 : INFINITY;
  if (!isfinite(got)) return INFINITY;
  return (double)(fabsl(got - want) / ulp_of(t, want));
}

static double argument(Random *r, Dtype t, int64_t i) {
  static const double special[] = {0.0, -0.0, 1, -1, INFINITY, -INFINITY, NAN, 0x1p-149, -0x1p-140, 0x1p20, 0.5, 88.7, -104, 710};
  enum { N = sizeof special / sizeof *special };
  if (i < N) return special[i];
  if (i % 2) return random_unit(r) * (i % 4 == 1 ? 4 : 120);
  unsigned char bits[8];
  dtype_set_bits(t, bits, 0, random_next(r));
  return dtype_get_f(t, bits, 0);
}

enum { COUNT = 200000 };

static bool check(Jit *jit, const char *kernel, int i, Dtype t) {
  size_t size = t == DT_f32 ? 4 : 8;
  void *x = malloc(COUNT * size), *y = malloc(COUNT * size);
  ensure(x && y);
  Random r = {(uint64_t)i};
  for (int64_t k = 0; k < COUNT; k++) dtype_set_f(t, x, k, argument(&r, t, k));
  lrt_arg arg[3] = {{.memory = x}, {.memory = y}, {.bits = COUNT}};
  jit_kernel(jit, kernel)(arg, (int64_t[]){1, 1, 1}, 0, 1);
  double worst = 0, at = 0, bound = t == DT_f32 ? functions[i].f32_bound : functions[i].f64_bound;
  for (int64_t k = 0; k < COUNT; k++) {
    double v = dtype_get_f(t, x, k);
    if (functions[i].limit > 0 && fabs(v) > functions[i].limit && isfinite(v)) continue;
    double e = error_of(t, dtype_get_f(t, y, k), functions[i].reference(v));
    if (e > worst) worst = e, at = v;
  }
  bool good = worst <= bound;
  printf("%s %-10s %s: %.2f ulp at %.17g (bound %g)\n", good ? "ok  " : "FAIL", functions[i].name, dtype_name(t), worst, at, bound);
  free(x);
  free(y);
  return good;
}

static int test_target(const Target *target) {
  static const Dtype types[] = {DT_f32, DT_f64};
  Arena *a = arena_new();
  Module *m = module_new(a, diag_new(a));
  LlvmModule *llvm = llvm_module_new(target, "expand");
  for (int i = 0; i < N_FUNCTIONS; i++)
    for (int t = 0; t < 2; t++) make_kernel(m, target, arena_printf(a, "f%d_%d", i, t), i, types[t]);
  ensure(pass_run(m, &(PassOptions){.passes = "expand,cse,dce", .out = stdout, .err = stderr}));
  for (int i = 0; i < m->funcs.n; i++) ensure(llvm_emit_kernel(llvm, m->funcs.at[i], m->diag));
  Jit *jit = jit_new(llvm);
  int failed = 0;
  printf("%s\n", target->name);
  for (int i = 0; i < N_FUNCTIONS; i++)
    for (int t = 0; t < 2; t++) failed += !check(jit, arena_printf(a, "f%d_%d", i, t), i, types[t]);
  jit_free(jit);
  llvm_module_free(llvm);
  arena_free(a);
  return failed;
}

/* Once for this machine, and once without its fused multiply-add. */
int main(void) {
  const Target *target = jit_host_target(), *plain = target_find("x86-64-v2");
  if (!target) return puts("skipped: this machine is none of the targets"), 77;
  int failed = test_target(target), all = 2 * N_FUNCTIONS;
  if (plain->system == target->system) failed += test_target(plain), all *= 2;
  printf("%d passed, %d failed, 0 skipped\n", all - failed, failed);
  return failed > 0;
}
