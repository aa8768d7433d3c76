/* kernel_ops.c -- every op that a CPU can do, on every type and as vectors, interpreted and compiled: the same bits.
 *
 * kernel_ops [TARGET]: as this machine is best served, or for a lesser target, which may refuse some. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "codegen/jit_llvm.h"
#include "ir/fatal.h"
#include "ir/interp.h"
#include "ir/text.h"

enum { COUNT = 192, MOST = 16 * COUNT }; /* elements of the first argument; the most that any argument has */

enum {
  SMALL = 1,      /* arguments between -100 and 100, or 0 and 100: conversions to integers say nothing of others */
  ZEROS_MEET = 2, /* 0 and -0 are the same */
  TWICE = 4,      /* b and c have twice the lanes of a */
  FOUR_TIMES = 8,
};

/* What one line computes: `%r` from `%a`, `%b` and `%c`, vectors of these types. */
typedef struct Line {
  const char *op;
  Dtype a, b, c, r;
  int lanes, lanes_r;
  unsigned how;
} Line;

/* ---- arguments ---- */

static uint64_t next(uint64_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  return *seed ^= *seed << 17;
}

static double special(uint64_t n) {
  static const double v[] = {0,    -0.0, 1,     -1,    INFINITY, -INFINITY, NAN, 0.5,
                             -0.5, 2.5,  1e-40, -1e30, 3e38,     1e-320,    127, -128};
  return v[n % (sizeof v / sizeof *v)];
}

static uint64_t argument(const Line *l, Dtype t, uint64_t *seed) {
  uint64_t bits = 0, n = next(seed);
  double uniform = (double)(int64_t)next(seed) * 0x1p-63;
  if (t == DT_bool) return n & 1;
  if (l->how & SMALL)
    dtype_set_f(t, &bits, 0, (dtype_is_signed(l->r) ? 100 : 50) * (uniform + !dtype_is_signed(l->r)));
  else if (dtype_is_float(t))
    dtype_set_f(t, &bits, 0, n % 3 ? special(n >> 8) : 1000 * uniform);
  else
    dtype_set_i(t, &bits, 0, n % 3 == 0 ? (int64_t)next(seed) : (int64_t)(n >> 8) % 9 - 4);
  return bits;
}

static int wider(const Line *l) { return l->how & FOUR_TIMES ? 4 : l->how & TWICE ? 2 : 1; }

static void fill(const Line *l, Dtype t, int n, void *at, uint64_t *seed) {
  for (int i = 0; i < n; i++) dtype_set_bits(t, at, i, argument(l, t, seed));
}

/* ---- a kernel for a line ---- */

static char *type_of(Arena *a, Dtype t, int lanes) {
  return lanes == 1 ? arena_printf(a, "%s", dtype_name(t)) : arena_printf(a, "%sx%d", dtype_name(t), lanes);
}

static char *load_line(Arena *a, char name, const char *at, Dtype t, int lanes) {
  if (!t) return "";
  return arena_printf(a, "  %%%c = load %%m%c, %%%s lanes=%d : %s\n", name, name, at, lanes, type_of(a, t, lanes));
}

static char *kernel_text(Arena *a, const Line *l, int number) {
  Dtype b = l->b ? l->b : DT_u8, c = l->c ? l->c : DT_u8;
  char *text =
      arena_printf(a, "lathe 1\n\nkernel @k%d (%%ma: buf<%s>, %%mb: buf<%s>, %%mc: buf<%s>, %%my: buf<%s>) {\n", number,
                   dtype_name(l->a), dtype_name(b), dtype_name(c), dtype_name(l->r));
  text = arena_printf(a, "%s  %%g = group_id : index\n  %%in = imm %d : index\n  %%wide = imm %d : index\n", text,
                      l->lanes, l->lanes * wider(l));
  text = arena_printf(a, "%s  %%out = imm %d : index\n  %%at = mul %%g, %%in : index\n", text, l->lanes_r);
  text = arena_printf(a, "%s  %%more = mul %%g, %%wide : index\n  %%to = mul %%g, %%out : index\n", text);
  text = arena_printf(a, "%s%s%s%s", text, load_line(a, 'a', "at", l->a, l->lanes),
                      load_line(a, 'b', "more", l->b, l->lanes * wider(l)),
                      load_line(a, 'c', "more", l->c, l->lanes * wider(l)));
  return arena_printf(a, "%s  %%r = %s : %s\n  store %%my, %%to, %%r\n  return\n}\n", text, l->op,
                      type_of(a, l->r, l->lanes_r));
}

/* ---- running and comparing ---- */

typedef struct Memory4 {
  _Alignas(64) unsigned char a[MOST * 8], b[MOST * 8], c[MOST * 8], y[MOST * 8];
} Memory4;

static bool run_interpreted(Func *f, const int64_t grid[3], Memory4 *m, int64_t results) {
  KernelArg arg[] = {{m->a, COUNT, 0}, {m->b, MOST, 0}, {m->c, MOST, 0}, {m->y, results, 0}};
  bool good = interp_kernel(f, grid, 4, arg, f->module->diag);
  diag_flush(f->module->diag, stdout, false);
  return good;
}

static bool same(const Line *l, uint64_t x, uint64_t y) {
  if (x == y) return true;
  if (!dtype_is_float(l->r)) return false;
  double a = dtype_decode(l->r, x), b = dtype_decode(l->r, y);
  return (isnan(a) && isnan(b)) || ((l->how & ZEROS_MEET) && a == 0 && b == 0);
}

static bool compare(const Line *l, const Memory4 *want, const Memory4 *got, int64_t results) {
  for (int64_t i = 0; i < results; i++) {
    uint64_t x = dtype_get_bits(l->r, want->y, i), y = dtype_get_bits(l->r, got->y, i);
    if (same(l, x, y)) continue;
    printf("FAIL %s of %sx%d to %sx%d: element %" PRId64 " is %" PRIx64 " compiled and %" PRIx64 " interpreted\n",
           l->op, dtype_name(l->a), l->lanes, dtype_name(l->r), l->lanes_r, i, y, x);
    return false;
  }
  return true;
}

/* ---- all lines, in one module ---- */

typedef enum Verdict { PASSED, FAILED, REFUSED, VERDICTS } Verdict;

typedef struct Test {
  Line line;
  Func *func; /* NULL: what its text says is wrong */
  bool refused;
} Test;

typedef struct Tests {
  const Target *target;
  Arena *arena;
  VEC(Test) all;
} Tests;

static void line(Tests *t, Line l) { vec_push(t->arena, &t->all, (Test){.line = l}); }

static void emit(Tests *tests, LlvmModule *module) {
  for (int i = 0; i < tests->all.n; i++) {
    Test *t = &tests->all.at[i];
    Diag *d = diag_new(tests->arena);
    char *text = kernel_text(tests->arena, &t->line, i);
    Module *m = text_parse(tests->arena, d, "kernel_ops", text, strlen(text));
    t->func = m ? m->funcs.at[0] : NULL;
    t->refused = m && !llvm_emit_kernel(module, t->func, d);
    if (!m || (t->refused && tests->target == jit_host_target()))
      printf("FAIL\n%s", text), diag_flush(d, stdout, false);
  }
}

static Verdict run(const Test *t, Jit *j, Memory4 m[2]) {
  const Line *l = &t->line;
  const int64_t grid[3] = {COUNT / l->lanes, 1, 1}, results = grid[0] * l->lanes_r;
  uint64_t seed = 88172645463325252u;
  memset(m, 0, 2 * sizeof *m);
  fill(l, l->a, COUNT, m[0].a, &seed);
  if (l->b) fill(l, l->b, COUNT * wider(l), m[0].b, &seed);
  if (l->c) fill(l, l->c, COUNT * wider(l), m[0].c, &seed);
  m[1] = m[0];
  if (!run_interpreted(t->func, grid, &m[0], results)) return FAILED;
  jit_kernel(j, t->func->name)((lrt_arg[]){{m[1].a}, {m[1].b}, {m[1].c}, {m[1].y}}, grid, 0, grid[0]);
  return compare(l, &m[0], &m[1], results) ? PASSED : FAILED;
}

static Verdict verdict(const Tests *tests, const Test *t, Jit *j, Memory4 m[2]) {
  if (t->refused && tests->target != jit_host_target()) return REFUSED;
  return t->func && !t->refused ? run(t, j, m) : FAILED;
}

static void run_all(Tests *tests, int count[VERDICTS]) {
  Memory4 *m = aligned_alloc(_Alignof(Memory4), 2 * sizeof *m);
  LlvmModule *module = llvm_module_new(tests->target, "kernel_ops");
  emit(tests, module);
  Jit *j = jit_new(module);
  for (int i = 0; m && i < tests->all.n; i++) count[verdict(tests, &tests->all.at[i], j, m)]++;
  jit_free(j);
  llvm_module_free(module);
  free(m);
}

/* ---- the lines ---- */

static const int widths[] = {1, 16};
#define EACH_WIDTH(w) for (const int *w = widths; w < widths + sizeof widths / sizeof *widths; w++)

static void arithmetic(Tests *tests) {
  static const Dtype types[] = {DT_f32, DT_f64, DT_i8, DT_i16, DT_i32, DT_i64, DT_u8, DT_u16, DT_u32, DT_u64, DT_index};
  static const char *const unary[] = {"neg %a", "abs %a", "sign %a", NULL};
  static const char *const float_unary[] = {"floor %a", "ceil %a", "round %a", "sqrt %a", NULL};
  static const char *const binary[] = {"add %a, %b", "sub %a, %b", "mul %a, %b", "div %a, %b",
                                       "min %a, %b", "max %a, %b", NULL};
  static const char *const int_binary[] = {
      "mod %a, %b", "mod %a, %b trunc=true", "and %a, %b", "or %a, %b", "xor %a, %b", "shl %a, %b", "shr %a, %b", NULL};
  static const char *const comparison[] = {"eq %a, %b", "lt %a, %b", "le %a, %b", NULL};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    Dtype t = types[i];
    bool is_float = dtype_is_float(t);
    EACH_WIDTH(w) {
      for (int k = 0; unary[k]; k++) line(tests, (Line){unary[k], t, 0, 0, t, *w, *w, 0});
      for (int k = 0; is_float && float_unary[k]; k++) line(tests, (Line){float_unary[k], t, 0, 0, t, *w, *w, 0});
      for (int k = 0; binary[k]; k++) line(tests, (Line){binary[k], t, t, 0, t, *w, *w, ZEROS_MEET});
      for (int k = 0; !is_float && int_binary[k]; k++) line(tests, (Line){int_binary[k], t, t, 0, t, *w, *w, 0});
      for (int k = 0; comparison[k]; k++) line(tests, (Line){comparison[k], t, t, 0, DT_bool, *w, *w, 0});
      line(tests, (Line){"fma %a, %b, %c", t, t, t, t, *w, *w, 0});
      line(tests, (Line){"where %c, %a, %b", t, t, DT_bool, t, *w, *w, 0});
      if (!is_float) line(tests, (Line){"not %a", t, 0, 0, t, *w, *w, 0});
      if (is_float) line(tests, (Line){"isnan %a", t, 0, 0, DT_bool, *w, *w, 0});
      if (is_float) line(tests, (Line){"isinf %a", t, 0, 0, DT_bool, *w, *w, 0});
      if (is_float) line(tests, (Line){"isinf %a negative=false", t, 0, 0, DT_bool, *w, *w, 0});
    }
  }
}

static void conversions(Tests *tests) {
  static const Dtype types[] = {DT_f32, DT_f64, DT_f16, DT_bf16, DT_i8,  DT_i16,  DT_i32,
                                DT_i64, DT_u8,  DT_u16, DT_u32,  DT_u64, DT_bool, DT_index};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    for (size_t j = 0; j < sizeof types / sizeof *types; j++) {
      Dtype from = types[i], to = types[j];
      if (from == DT_f16 ? to != DT_f32 : to == DT_f16 && from != DT_f32) continue; /* refused: f16 is carried only */
      EACH_WIDTH(w) {
        char *op = arena_printf(tests->arena, "cast %%a to=%s", dtype_name(to));
        bool truncates = dtype_is_float(from) && dtype_is_int(to);
        line(tests, (Line){op, from, 0, 0, to, *w, *w, truncates ? SMALL : 0});
      }
    }
  line(tests, (Line){"bitcast %a to=i32", DT_f32, 0, 0, DT_i32, 1, 1, 0});
  line(tests, (Line){"bitcast %a to=f32", DT_i32, 0, 0, DT_f32, 16, 16, 0});
  line(tests, (Line){"bitcast %a to=u8", DT_i32, 0, 0, DT_u8, 16, 64, 0});
  line(tests, (Line){"bitcast %a to=i32", DT_u8, 0, 0, DT_i32, 64, 16, 0});
  line(tests, (Line){"bitcast %a to=i16", DT_f16, 0, 0, DT_i16, 16, 16, 0});
  line(tests, (Line){"bitcast %a to=u64", DT_f64, 0, 0, DT_u64, 4, 4, 0});
}

static void vectors(Tests *tests) {
  line(tests, (Line){"splat %a lanes=16", DT_f32, 0, 0, DT_f32, 1, 16, 0});
  line(tests, (Line){"splat %a lanes=3", DT_bool, 0, 0, DT_bool, 1, 3, 0});
  line(tests, (Line){"extract %a lane=5", DT_i32, 0, 0, DT_i32, 8, 1, 0});
  line(tests, (Line){"extract %a lane=4 lanes=4", DT_u8, 0, 0, DT_u8, 16, 4, 0});
  line(tests, (Line){"pack %a, %b, %c", DT_f32, DT_f32, DT_f32, DT_f32, 1, 3, 0});
  line(tests, (Line){"pack %a, %b, %c", DT_i16, DT_i16, DT_i16, DT_i16, 8, 24, 0});
  line(tests, (Line){"shuffle %a lanes=[3, 2, 1, 0, 0]", DT_f32, 0, 0, DT_f32, 4, 5, 0});
  line(tests, (Line){"shuffle %a, %b lanes=[0, 4, 1, 5, 2, 6, 3, 7]", DT_f64, DT_f64, 0, DT_f64, 4, 8, 0});
  static const Dtype types[] = {DT_f32, DT_i32, DT_u8};
  for (size_t i = 0; i < 3; i++)
    for (int lanes = 1; lanes <= 32; lanes *= 4) {
      line(tests, (Line){"lanes_sum %a", types[i], 0, 0, types[i], lanes, 1, 0});
      line(tests, (Line){"lanes_max %a", types[i], 0, 0, types[i], lanes, 1, ZEROS_MEET});
      line(tests, (Line){"lanes_min %a", types[i], 0, 0, types[i], lanes, 1, ZEROS_MEET});
    }
}

/* Through the instruction where there is one, in each of its widths, and without. */
static void dots(Tests *tests) {
  static const int lanes[] = {1, 3, 4, 8, 16, 32, 48};
  for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++) {
    int n = lanes[i];
    line(tests, (Line){"dot4 %a, %b, %c", DT_i32, DT_u8, DT_i8, DT_i32, n, n, FOUR_TIMES});
    line(tests, (Line){"dot2 %a, %b, %c", DT_f32, DT_bf16, DT_bf16, DT_f32, n, n, SMALL | TWICE});
  }
}

int main(int argc, char **argv) {
  const Target *host = jit_host_target(), *t = argc > 1 ? target_find(argv[1]) : host;
  if (!host || !t || t->kind != TARGET_CPU || t > host) return printf("no such target runs here\n"), 77;
  Tests tests = {.target = t, .arena = arena_new()};
  arithmetic(&tests);
  conversions(&tests);
  vectors(&tests);
  dots(&tests);
  int count[VERDICTS] = {0};
  run_all(&tests, count);
  arena_free(tests.arena);
  printf("%s: %d lines passed, %d failed, %d refused\n", t->name, count[PASSED], count[FAILED], count[REFUSED]);
  return count[FAILED] != 0;
}
