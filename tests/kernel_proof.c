/* kernel_proof.c -- kernels, each as a portable text and as one in a target's own shape, run by all that runs
 * kernels: every run is compared with plain C in double, portable runs with each other, and what a backend cannot do it
 * must refuse by name. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "codegen/jit_llvm.h"
#include "ir/eval.h"
#include "ir/fatal.h"
#include "ir/interp.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "ir/tolerance.h"
#include "vulkan_run.h"

typedef enum Shape { PORTABLE, CPU, GPU } Shape;

/* ---- problems: arguments of a kernel, and what it should give ---- */

enum { MAX_ARGS = 8, MAX_OUT = 4096 };

typedef struct Problem {
  Arena *arena;
  uint64_t seed;
  int64_t grid[3];
  int n_args, out; /* `out`: the argument that is written */
  KernelArg arg[MAX_ARGS];
  Dtype dtype[MAX_ARGS];
  float *expected; /* [elements of out] */
  Vulkan *vulkan;  /* or NULL */
} Problem;

static double uniform(Problem *p) { /* in [-1, 1): xorshift */
  p->seed ^= p->seed << 13;
  p->seed ^= p->seed >> 7;
  p->seed ^= p->seed << 17;
  return (double)(int64_t)p->seed * 0x1p-63;
}

/* Memory of a cache line's alignment. */
static void *add_memory(Problem *p, Dtype t, int64_t n) {
  int64_t bytes;
  ensure(p->n_args < MAX_ARGS && dtype_size(t, n, &bytes));
  uintptr_t raw = (uintptr_t)arena_alloc(p->arena, (size_t)bytes + 64);
  p->dtype[p->n_args] = t;
  p->arg[p->n_args] = (KernelArg){.memory = (void *)((raw + 63) & ~(uintptr_t)63), .elements = n};
  return p->arg[p->n_args++].memory;
}

static float *add_random(Problem *p, int64_t n) {
  float *x = add_memory(p, DT_f32, n);
  for (int64_t i = 0; i < n; i++) x[i] = (float)(2 * uniform(p));
  return x;
}

static float *add_out(Problem *p, int64_t n) {
  ensure(n <= MAX_OUT);
  p->out = p->n_args;
  p->expected = ARENA_ARRAY(p->arena, float, n);
  return add_memory(p, DT_f32, n);
}

static void add_index(Problem *p, int64_t v) { p->arg[p->n_args++] = (KernelArg){.bits = (uint64_t)v}; }

static void add_f32(Problem *p, float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  p->arg[p->n_args++] = (KernelArg){.bits = bits};
}

/* ---- control flow ---- */

static void control(Problem *p) {
  enum { N = 48 };
  int32_t *x = add_memory(p, DT_i32, N);
  add_out(p, N);
  p->grid[0] = N;
  for (int i = 0; i < N; i++) {
    x[i] = i;
    int steps = 0, a = 0, b = 1;
    for (int v = i; v > 1 && steps < 200; steps++) v = v % 2 ? 3 * v + 1 : v / 2;
    for (int k = 0; k < i % 20; k++) b += a, a = b - a;
    p->expected[i] = (float)(10000 * steps + a);
  }
}

/* ---- softmax ---- */

enum { SOFTMAX_ROWS = 5, SOFTMAX_N = 144 };

static void softmax(Problem *p) {
  float *x = add_random(p, SOFTMAX_ROWS * SOFTMAX_N);
  add_out(p, SOFTMAX_ROWS * SOFTMAX_N);
  add_index(p, SOFTMAX_N);
  p->grid[0] = SOFTMAX_ROWS;
  for (int r = 0; r < SOFTMAX_ROWS; r++) {
    float *row = x + r * SOFTMAX_N, *want = p->expected + r * SOFTMAX_N;
    double sum = 0;
    for (int i = 0; i < SOFTMAX_N; i++)
      row[i] *= r == 0 ? 80 : 5; /* one row whose exp reaches nothing at the low end */
    for (int i = 0; i < SOFTMAX_N; i++) sum += exp(row[i]);
    for (int i = 0; i < SOFTMAX_N; i++) want[i] = (float)(exp(row[i]) / sum);
  }
}

/* ---- matmul + bias + gelu ---- */

enum { M = 24, N = 64, K = 24, MR = 12, NR = 32, GPU_ROWS = 8, GPU_COLUMNS = 32 };

typedef struct Matmul {
  float x[M][K], w[K][N];
} Matmul;

static Matmul *matmul_data(Problem *p) {
  Matmul *d = ARENA_NEW(p->arena, Matmul);
  for (int i = 0; i < M; i++)
    for (int k = 0; k < K; k++) d->x[i][k] = (float)uniform(p);
  for (int k = 0; k < K; k++)
    for (int j = 0; j < N; j++) d->w[k][j] = (float)uniform(p);
  return d;
}

/* The arguments after the matrices, and what comes out. */
static void matmul_rest(Problem *p, const Matmul *d) {
  const float *bias = add_random(p, N);
  add_out(p, M * N);
  add_index(p, N);
  add_index(p, K);
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      double v = bias[j];
      for (int k = 0; k < K; k++) v += (double)d->x[i][k] * d->w[k][j];
      p->expected[i * N + j] = (float)(v / 2 * (1 + tanh(sqrt(2 / 3.14159265358979) * (v + 0.044715 * v * v * v))));
    }
}

static void matmul_plain(Problem *p, int64_t columns, int64_t rows) {
  const Matmul *d = matmul_data(p);
  memcpy(add_memory(p, DT_f32, M * K), d->x, sizeof d->x);
  memcpy(add_memory(p, DT_f32, K * N), d->w, sizeof d->w);
  matmul_rest(p, d);
  p->grid[0] = N / columns;
  p->grid[1] = M / rows;
}

static void matmul_gelu(Problem *p) { matmul_plain(p, 1, 1); }
static void matmul_gelu_gpu(Problem *p) { matmul_plain(p, GPU_COLUMNS, GPU_ROWS); }

static void matmul_gelu_cpu(Problem *p) {
  const Matmul *d = matmul_data(p);
  float *a = add_memory(p, DT_f32, M * K), *b = add_memory(p, DT_f32, K * N);
  for (int i = 0; i < M; i++)
    for (int k = 0; k < K; k++) a[(i / MR * K + k) * MR + i % MR] = d->x[i][k];
  for (int k = 0; k < K; k++)
    for (int j = 0; j < N; j++) b[(j / NR * K + k) * NR + j % NR] = d->w[k][j];
  matmul_rest(p, d);
  p->grid[0] = M / MR;
  p->grid[1] = N / NR;
}

/* ---- int4 GEMV ---- */

enum { ROWS = 32, GROUPS = 70, GROUP = 32, TILE = 16 };

typedef struct Gemv {
  uint8_t code[ROWS][GROUPS][GROUP];
  uint16_t scale[ROWS][GROUPS]; /* f16 */
  int8_t xq[GROUPS][GROUP];
  float xs[GROUPS];
} Gemv;

static Gemv *gemv_data(Problem *p) {
  Gemv *d = ARENA_NEW(p->arena, Gemv);
  for (int r = 0; r < ROWS; r++)
    for (int g = 0; g < GROUPS; g++) {
      d->scale[r][g] = (uint16_t)dtype_encode(DT_f16, 0.02 + 0.01 * uniform(p), false, ROUND_EVEN);
      for (int i = 0; i < GROUP; i++) d->code[r][g][i] = (uint8_t)(8 + 8 * uniform(p));
    }
  for (int g = 0; g < GROUPS; g++) {
    d->xs[g] = (float)(0.02 + 0.01 * uniform(p));
    for (int i = 0; i < GROUP; i++) d->xq[g][i] = (int8_t)(127.4 * uniform(p));
  }
  return d;
}

static void gemv_out(Problem *p, const Gemv *d) {
  add_out(p, ROWS);
  add_index(p, GROUPS);
  for (int r = 0; r < ROWS; r++) {
    double y = 0;
    for (int g = 0; g < GROUPS; g++) {
      int sum = 0;
      for (int i = 0; i < GROUP; i++) sum += (d->code[r][g][i] - 8) * d->xq[g][i];
      y += sum * dtype_decode(DT_f16, d->scale[r][g]) * d->xs[g];
    }
    p->expected[r] = (float)y;
  }
}

/* -8 times the sums of the groups' activations, where codes are taken without their sign. */
static void add_offsets(Problem *p, const Gemv *d) {
  int32_t *xo = add_memory(p, DT_i32, GROUPS);
  for (int g = 0; g < GROUPS; g++)
    for (int i = 0; i < GROUP; i++) xo[g] -= 8 * d->xq[g][i];
}

static void gemv_plain(Problem *p, bool offsets) {
  const Gemv *d = gemv_data(p);
  uint8_t *w = add_memory(p, DT_u8, ROWS * GROUPS * GROUP / 2);
  for (int r = 0; r < ROWS; r++)
    for (int g = 0; g < GROUPS; g++)
      for (int i = 0; i < GROUP / 2; i++) *w++ = (uint8_t)(d->code[r][g][i] | d->code[r][g][i + GROUP / 2] << 4);
  memcpy(add_memory(p, DT_f16, ROWS * GROUPS), d->scale, sizeof d->scale);
  memcpy(add_memory(p, DT_i8, GROUPS * GROUP), d->xq, sizeof d->xq);
  memcpy(add_memory(p, DT_f32, GROUPS), d->xs, sizeof d->xs);
  if (offsets) add_offsets(p, d);
  gemv_out(p, d);
  p->grid[0] = ROWS;
}

static void gemv_i4(Problem *p) { gemv_plain(p, false); }
static void gemv_i4_gpu(Problem *p) { gemv_plain(p, true); }

static void gemv_i4_cpu(Problem *p) {
  const Gemv *d = gemv_data(p);
  uint8_t *w = add_memory(p, DT_u8, ROWS / TILE * GROUPS * 288);
  for (int t = 0; t < ROWS / TILE; t++)
    for (int g = 0; g < GROUPS; g++, w += 288)
      for (int r = 0; r < TILE; r++) {
        const uint8_t *code = d->code[t * TILE + r][g];
        memcpy(w + 2 * r, &d->scale[t * TILE + r][g], 2);
        for (int i = 0; i < GROUP / 2; i++)
          w[32 + 64 * (i / 4) + 4 * r + i % 4] = (uint8_t)(code[i] | code[i + 16] << 4);
      }
  memcpy(add_memory(p, DT_i8, GROUPS * GROUP), d->xq, sizeof d->xq);
  memcpy(add_memory(p, DT_f32, GROUPS), d->xs, sizeof d->xs);
  add_offsets(p, d);
  gemv_out(p, d);
  p->grid[0] = ROWS / TILE;
}

/* ---- decode attention ---- */

enum { HEADS = 8, KV_HEADS = 2, D = 64, CAPACITY = 80, LENGTH = 75 };

static uint16_t *add_cache(Problem *p) {
  uint16_t *x = add_memory(p, DT_f16, CAPACITY * KV_HEADS * D);
  for (int i = 0; i < CAPACITY * KV_HEADS * D; i++)
    x[i] = (uint16_t)dtype_encode(DT_f16, uniform(p), false, ROUND_EVEN);
  return x;
}

static double cached(const uint16_t *x, int64_t t, int head, int j) {
  return dtype_decode(DT_f16, x[(t * KV_HEADS + head) * D + j]);
}

static void attend(const float *q, const uint16_t *k, const uint16_t *v, int head, int64_t length, float *y) {
  double sum = 0, acc[D] = {0};
  for (int64_t t = 0; t < length; t++) {
    double dot = 0;
    for (int j = 0; j < D; j++) dot += q[j] * cached(k, t, head, j);
    sum += exp(dot / sqrt(D));
    for (int j = 0; j < D; j++) acc[j] += exp(dot / sqrt(D)) * cached(v, t, head, j);
  }
  for (int j = 0; j < D; j++) y[j] = (float)(length ? acc[j] / sum : 0);
}

static void attention(Problem *p, int64_t length, Shape shape) {
  float *q = add_random(p, HEADS * D);
  uint16_t *k = add_cache(p), *v = add_cache(p);
  add_out(p, HEADS * D);
  add_index(p, length);
  if (shape != CPU) add_index(p, KV_HEADS);
  if (shape == PORTABLE) add_index(p, D);
  add_f32(p, (float)(1 / sqrt(D)));
  p->grid[0] = shape == CPU ? KV_HEADS : HEADS;
  for (int h = 0; h < HEADS; h++) attend(q + h * D, k, v, h / (HEADS / KV_HEADS), length, p->expected + h * D);
}

static void attention_decode(Problem *p) { attention(p, LENGTH, PORTABLE); }
static void attention_empty(Problem *p) { attention(p, 0, PORTABLE); }
static void attention_decode_cpu(Problem *p) { attention(p, LENGTH, CPU); }
static void attention_empty_cpu(Problem *p) { attention(p, 0, CPU); }
static void attention_decode_gpu(Problem *p) { attention(p, LENGTH, GPU); }
static void attention_empty_gpu(Problem *p) { attention(p, 0, GPU); }

/* ---- texts ---- */

static const struct {
  const char *file;
  Shape shape;
  void (*make)(Problem *);
} texts[] = {
    {"control.ir", PORTABLE, control},
    {"softmax.ir", PORTABLE, softmax},
    {"softmax.cpu.ir", CPU, softmax},
    {"softmax.gpu.ir", GPU, softmax},
    {"matmul_gelu.ir", PORTABLE, matmul_gelu},
    {"matmul_gelu.cpu.ir", CPU, matmul_gelu_cpu},
    {"matmul_gelu.gpu.ir", GPU, matmul_gelu_gpu},
    {"gemv_i4.ir", PORTABLE, gemv_i4},
    {"gemv_i4.cpu.ir", CPU, gemv_i4_cpu},
    {"gemv_i4.gpu.ir", GPU, gemv_i4_gpu},
    {"attention_decode.ir", PORTABLE, attention_decode},
    {"attention_decode.ir", PORTABLE, attention_empty},
    {"attention_decode.cpu.ir", CPU, attention_decode_cpu},
    {"attention_decode.cpu.ir", CPU, attention_empty_cpu},
    {"attention_decode.gpu.ir", GPU, attention_decode_gpu},
    {"attention_decode.gpu.ir", GPU, attention_empty_gpu},
};

/* The file's only kernel. */
static Func *read_kernel(Arena *a, Diag *d, const char *name) {
  char *path = arena_printf(a, "tests/kernel/%s", name);
  FILE *f = fopen(path, "rb");
  if (!f) fatal_resource("cannot open %s", path);
  char *text = arena_alloc(a, 1 << 16);
  size_t size = fread(text, 1, 1 << 16, f);
  fclose(f);
  Module *m = text_parse(a, d, path, text, size);
  return m && verify_module(m) && m->funcs.n == 1 ? m->funcs.at[0] : NULL;
}

/* ---- backends ---- */

static bool run_interp(Func *f, const Problem *p, Diag *d) { return interp_kernel(f, p->grid, p->n_args, p->arg, d); }

static bool run_llvm(Func *f, const Problem *p, Diag *d) {
  lrt_arg arg[MAX_ARGS];
  for (int i = 0; i < p->n_args; i++)
    arg[i] = p->arg[i].memory ? (lrt_arg){.memory = p->arg[i].memory} : (lrt_arg){.bits = p->arg[i].bits};
  LlvmModule *m = llvm_module_new(jit_host_target(), f->name);
  bool good = llvm_emit_kernel(m, f, d);
  if (good) {
    Jit *j = jit_new(m);
    jit_kernel(j, f->name)(arg, p->grid, 0, p->grid[0] * p->grid[1] * p->grid[2]);
    jit_free(j);
  }
  llvm_module_free(m);
  return good;
}

static bool run_spirv_for(const char *target, Func *f, const Problem *p, Diag *d) {
  SpirvKernel k;
  if (!spirv_emit_kernel(f, target_find(target), p->arena, d, &k)) return false;
  vulkan_run(p->vulkan, f, &k, p->grid, p->arg);
  return true;
}

static bool run_spirv(Func *f, const Problem *p, Diag *d) { return run_spirv_for("vulkan-1.2", f, p, d); }
static bool run_spirv_idot(Func *f, const Problem *p, Diag *d) { return run_spirv_for("vulkan-1.2-idot", f, p, d); }

static bool always(Vulkan *v) { return (void)v, true; }
static bool has_host(Vulkan *v) { return (void)v, jit_host_target() != NULL; }
static bool has_vulkan(Vulkan *v) { return v != NULL; }
static bool has_idot(Vulkan *v) { return v && vulkan_takes(v, target_find("vulkan-1.2-idot")); }

static const struct {
  const char *name;
  unsigned runs; /* a bit a shape; the rest it refuses, with its name in front */
  bool (*here)(Vulkan *);
  bool (*run)(Func *, const Problem *, Diag *);
  double tolerance; /* of portable texts against the interpreter */
} backends[] = {
    {"interp", 1 << PORTABLE | 1 << CPU | 1 << GPU, always, run_interp, 0},
    {"llvm", 1 << PORTABLE | 1 << CPU, has_host, run_llvm, 0},
    {"spirv", 1 << PORTABLE | 1 << GPU, has_vulkan, run_spirv, 2e-6},
    {"spirv", 1 << PORTABLE | 1 << GPU, has_idot, run_spirv_idot, 2e-6},
};
enum { N_BACKENDS = sizeof backends / sizeof *backends };

/* ---- the proof ---- */

enum { SEEDS = 3 };
static const double tolerance = 2e-6; /* of any run against C in double */

static Tensor *out_tensor(const Problem *p, const void *data) {
  return tensor_over(DT_f32, 1, &p->arg[p->out].elements, data);
}

static bool check(const char *text, const char *backend, const char *against, Tensor *got, Tensor *want, double tol) {
  Comparison c = tol > 0 ? compare_scaled(got, want, tol) : compare_exact(got, want);
  if (!c.good) printf("FAIL %s via %s, against %s: %s\n", text, backend, against, c.why);
  tensor_release(got);
  tensor_release(want);
  return c.good;
}

static bool prove_run(int t, int b, uint64_t seed, Arena *a, Vulkan *v, float *first) {
  Diag *d = diag_new(a);
  Problem p = {.arena = a, .seed = seed, .grid = {1, 1, 1}, .vulkan = v};
  texts[t].make(&p);
  size_t size = (size_t)p.arg[p.out].elements * sizeof *first;
  memset(p.arg[p.out].memory, 0xFF, size);
  Func *f = read_kernel(a, d, texts[t].file);
  if (f && backends[b].run == run_llvm && target_lacks(jit_host_target(), f->launch.requires)) {
    printf("SKIP %s via %s: this machine has no %s\n", texts[t].file, backends[b].name, f->launch.requires);
    return true;
  }
  if (!f || !backends[b].run(f, &p, d)) {
    diag_flush(d, stdout, false);
    printf("FAIL %s via %s\n", texts[t].file, backends[b].name);
    return false;
  }
  const void *got = p.arg[p.out].memory;
  if (b == 0) memcpy(first, got, size);
  bool good = check(texts[t].file, backends[b].name, "C", out_tensor(&p, got), out_tensor(&p, p.expected), tolerance);
  return check(texts[t].file, backends[b].name, backends[0].name, out_tensor(&p, got), out_tensor(&p, first),
               backends[b].tolerance) &&
         good;
}

static bool prove_refusal(int t, int b, Arena *a) {
  Diag *d = diag_new(a);
  Problem p = {.arena = a, .seed = 1, .grid = {1, 1, 1}};
  texts[t].make(&p);
  Func *f = read_kernel(a, d, texts[t].file);
  const char *prefix = f ? arena_printf(a, "%s: @%s", backends[b].name, f->name) : "";
  bool refused = f && !backends[b].run(f, &p, d) && strncmp(diag_first(d), prefix, strlen(prefix)) == 0;
  if (!refused) printf("FAIL %s via %s: not refused by name\n", texts[t].file, backends[b].name);
  return refused;
}

static bool prove(int t, Vulkan *v, float *first) {
  bool good = true;
  for (uint64_t seed = 1; seed <= SEEDS; seed++)
    for (int b = 0; b < N_BACKENDS; b++) {
      Arena *a = arena_new();
      if (!backends[b].here(v))
        printf("SKIP %s via %s: not on this machine\n", texts[t].file, backends[b].name);
      else if (backends[b].runs & 1u << texts[t].shape)
        good = prove_run(t, b, seed, a, v, first) && good;
      else
        good = prove_refusal(t, b, a) && good;
      arena_free(a);
    }
  return good;
}

/* ---- the same object file and modules from the same texts ---- */

/* All texts that this target takes, in one module. */
static LlvmModule *emit_all(Arena *a, const Target *target) {
  LlvmModule *m = llvm_module_new(target, "all");
  for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
    bool again = t && strcmp(texts[t].file, texts[t - 1].file) == 0;
    if (texts[t].shape == GPU || again) continue;
    Func *f = read_kernel(a, diag_new(a), texts[t].file);
    ensure(f && llvm_emit_kernel(m, f, diag_new(a)));
  }
  return m;
}

static bool prove_repeatable(void) {
  Arena *a = arena_new();
  const Target *target = target_find("x86-64-v4-vnni"); /* compiled only: wherever the test runs */
  LlvmModule *m[2] = {emit_all(a, target), emit_all(a, target)};
  const void *bytes[2];
  size_t size[2];
  for (int i = 0; i < 2; i++) llvm_module_object(m[i], &bytes[i], &size[i]);
  bool good = size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0;
  if (!good) printf("FAIL the same texts give two object files\n");
  for (int i = 0; i < 2; i++) llvm_module_free(m[i]);
  arena_free(a);
  return good;
}

static bool prove_spirv_repeatable(void) {
  bool good = true;
  for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
    if (texts[t].shape == CPU) continue;
    Arena *a = arena_new();
    Func *f = read_kernel(a, diag_new(a), texts[t].file);
    SpirvKernel k[2];
    for (int i = 0; i < 2; i++) ensure(spirv_emit_kernel(f, target_find("vulkan-1.2"), a, diag_new(a), &k[i]));
    bool same = k[0].n_words == k[1].n_words && memcmp(k[0].word, k[1].word, k[0].n_words * 4) == 0;
    if (!same) printf("FAIL %s gives two SPIR-V modules\n", texts[t].file);
    good = good && same;
    arena_free(a);
  }
  return good;
}

int main(void) {
  int failed = 0, n = (int)(sizeof texts / sizeof *texts);
  float *first = calloc(MAX_OUT, sizeof *first); /* what the interpreter gave */
  Arena *a = arena_new();
  Vulkan *v = vulkan_open(a);
  for (int t = 0; first && t < n; t++) failed += !prove(t, v, first);
  vulkan_close(v);
  arena_free(a);
  free(first);
  printf("%d texts passed, %d failed\n", n - failed, failed);
  failed += !prove_repeatable() + !prove_spirv_repeatable();
  return failed != 0;
}
