/* roofline.c -- what this machine can do at most: loops that are kernels, so that they run on the pool as programs do.
 *
 * Arithmetic runs 24 sums that depend on nothing but themselves, enough to hide an instruction's latency, on the widest
 * registers that the machine has. */
#define _GNU_SOURCE
#include "roofline.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "ir/fatal.h"

/* ---- memory ---- */

enum { HUGE_PAGE = 2 << 20 };

size_t roofline_bytes(void) {
  long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
  size_t bytes = 4 * (size_t)(cache > 0 ? cache : 32 << 20);
  return (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

/* What is in front of the first whole page, and behind the last, is given back at once, so that a release is one unmapping. */
void *roofline_memory(size_t bytes) {
  size_t whole = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
  char *raw = mmap(NULL, whole + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) fatal_resource("no memory for a benchmark of %zu bytes", bytes);
  size_t front = (HUGE_PAGE - (uintptr_t)raw % HUGE_PAGE) % HUGE_PAGE;
  if (front) munmap(raw, front);
  munmap(raw + front + whole, HUGE_PAGE - front);
  uint64_t *at = (uint64_t *)(raw + front), x = 88172645463325252u;
  madvise(at, whole, MADV_HUGEPAGE);
  for (size_t i = 0; i < whole / sizeof *at; i++) { /* xorshift */
    x ^= x << 7;
    x ^= x >> 9;
    at[i] = x;
  }
  return at;
}

void roofline_release(void *p, size_t bytes) {
  if (p) munmap(p, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
}

/* ---- arithmetic ---- */

enum { TURNS = 1 << 13, SUMS = 24, LINE = 64, CHUNK = 256 << 10 };

static uint64_t turns(int64_t begin, int64_t end) { return (uint64_t)(end - begin) * TURNS; }

#if defined(__x86_64__)

#define SUMS_24(S) \
  S(0) S(1) S(2) S(3) S(4) S(5) S(6) S(7) S(8) S(9) S(10) S(11) S(12) S(13) S(14) S(15) S(16) S(17) S(18) S(19) S(20) S(21) \
  S(22) S(23)
#define SUMS_12(S) S(0) S(1) S(2) S(3) S(4) S(5) S(6) S(7) S(8) S(9) S(10) S(11)
#define LOOP(zero, sums) \
  __asm__ volatile(zero ".p2align 5\n 1:\n" sums "dec %0\n jnz 1b\n" : "+r"(n) : : "cc", "xmm0", "xmm1", "xmm2", "xmm3", \
                   "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15" HIGH)

#define ZERO_Z "vpxorq %%zmm30, %%zmm30, %%zmm30\n vpxorq %%zmm31, %%zmm31, %%zmm31\n"
#define FMA_Z(r) "vfmadd231ps %%zmm30, %%zmm31, %%zmm" #r "\n"
#define BF16_Z(r) "vdpbf16ps %%zmm30, %%zmm31, %%zmm" #r "\n"
#define INT8_Z(r) "vpdpbusd %%zmm30, %%zmm31, %%zmm" #r "\n"
#define HIGH , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm30", "xmm31"
#define WIDE(name, feature, sum) \
  __attribute__((target("avx512f," feature), noinline)) static void name(uint64_t n) { LOOP(ZERO_Z, SUMS_24(sum)); }
WIDE(fma_wide, "avx512f", FMA_Z)
WIDE(bf16_wide, "avx512bf16", BF16_Z)
WIDE(int8_wide, "avx512vnni", INT8_Z)
#undef HIGH
#define HIGH
#define FMA_Y(r) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" #r "\n"
__attribute__((target("avx2,fma"), noinline)) static void fma_256(uint64_t n) {
  LOOP("vpxor %%ymm14, %%ymm14, %%ymm14\n vpxor %%ymm15, %%ymm15, %%ymm15\n", SUMS_12(FMA_Y));
}
#undef HIGH

static bool wide(void) { return __builtin_cpu_supports("avx512f"); }

bool peak_here(Peak p) {
  switch (p) {
  case PEAK_fma: return wide() || (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  case PEAK_bf16: return __builtin_cpu_supports("avx512bf16");
  case PEAK_int8: return __builtin_cpu_supports("avx512vnni");
  default: return true;
  }
}

static double group_operations(Peak p) {
  switch (p) {
  case PEAK_fma: return wide() ? 2.0 * TURNS * SUMS * 16 : 2.0 * TURNS * SUMS / 2 * 8;
  case PEAK_bf16: return 2.0 * TURNS * SUMS * 32;
  default: return 2.0 * TURNS * SUMS * 64;
  }
}

static void run_fma(const lrt_arg *arg, const int64_t grid[3], int64_t begin, int64_t end) {
  (void)arg, (void)grid;
  (wide() ? fma_wide : fma_256)(turns(begin, end));
}

static void run_bf16(const lrt_arg *arg, const int64_t grid[3], int64_t begin, int64_t end) {
  (void)arg, (void)grid;
  bf16_wide(turns(begin, end));
}

static void run_int8(const lrt_arg *arg, const int64_t grid[3], int64_t begin, int64_t end) {
  (void)arg, (void)grid;
  int8_wide(turns(begin, end));
}

/* With prefetches: measured 7 % faster than plain loads, so the stricter line. */
#define AHEAD 4096
#define READ(name, features, type, zero, load, or) \
  __attribute__((target(features), noinline)) static void name(const char *at, size_t bytes, void *sink) { \
    type sum[4] = {zero, zero, zero, zero}; \
    for (const char *end = at + bytes; at < end; at += 4 * sizeof(type)) \
      for (int i = 0; i < 4; i++) { \
        const char *from = at + (size_t)i * sizeof(type); \
        if ((uintptr_t)from % LINE == 0) _mm_prefetch(from + AHEAD, _MM_HINT_T0); \
        sum[i] = or(sum[i], load((const void *)from)); \
      } \
    type all = or(or(sum[0], sum[1]), or(sum[2], sum[3])); \
    memcpy(sink, &all, sizeof all); \
  }
READ(read_wide, "avx512f", __m512i, _mm512_setzero_si512(), _mm512_load_si512, _mm512_or_si512)
READ(read_128, "sse2", __m128i, _mm_setzero_si128(), _mm_load_si128, _mm_or_si128)
#undef READ
#undef AHEAD

static void read_chunk(const char *at, void *sink) { (wide() ? read_wide : read_128)(at, CHUNK, sink); }

/* Past the caches: what is written needs not be read first. Whole lines at once: measured 10 % faster than quarters. */
__attribute__((target("avx512f"), noinline)) static void copy_wide(char *to, const char *from) {
  for (size_t i = 0; i < CHUNK; i += 4 * LINE)
    for (size_t k = i; k < i + 4 * LINE; k += LINE) _mm512_stream_si512((void *)(to + k), _mm512_load_si512((const void *)(from + k)));
}

static void copy_128(char *to, const char *from) {
  for (size_t i = 0; i < CHUNK; i += sizeof(__m128i)) _mm_stream_si128((__m128i *)(to + i), _mm_load_si128((const __m128i *)(from + i)));
}

static void copy_chunk(char *to, const char *from) { (wide() ? copy_wide : copy_128)(to, from); }

#else

bool peak_here(Peak p) { return p == PEAK_read || p == PEAK_copy; }
static double group_operations(Peak p) { return (void)p, 0; }
static void run_fma(const lrt_arg *arg, const int64_t grid[3], int64_t begin, int64_t end) { (void)arg, (void)grid, (void)begin, (void)end; }
#define run_bf16 run_fma
#define run_int8 run_fma

static void read_chunk(const char *at, void *sink) {
  uint64_t sum[8] = {0};
  for (size_t i = 0; i < CHUNK; i += LINE)
    for (int k = 0; k < 8; k++) sum[k] |= ((const uint64_t *)(const void *)(at + i))[k];
  memcpy(sink, sum, sizeof sum);
}

static void copy_chunk(char *to, const char *from) { memcpy(to, from, CHUNK); }

#endif

/* ---- memory at work ---- */

static void run_read(const lrt_arg *arg, const int64_t grid[3], int64_t begin, int64_t end) {
  volatile char sink[LINE];
  (void)grid;
  for (int64_t g = begin; g < end; g++) read_chunk((const char *)arg[0].memory + g * CHUNK, (void *)(uintptr_t)sink);
}

static void run_copy(const lrt_arg *arg, const int64_t grid[3], int64_t begin, int64_t end) {
  char *to = (char *)arg[0].memory + grid[0] * CHUNK;
  for (int64_t g = begin; g < end; g++) copy_chunk(to + g * CHUNK, (const char *)arg[0].memory + g * CHUNK);
}

/* ---- all of them ---- */

static const struct {
  const char *name, *unit;
  lrt_kernel *run;
} peaks[PEAK_count] = {
#define PEAK(name, unit) {#name, unit, run_##name},
    PEAKS(PEAK)
#undef PEAK
};

const char *peak_name(Peak p) { return peaks[p].name; }
const char *peak_unit(Peak p) { return peaks[p].unit; }

/* Of arithmetic, enough for every thread to have some. */
static int64_t groups(const Roofline *r) {
  if (r->peak == PEAK_read) return (int64_t)roofline_bytes() / CHUNK;
  if (r->peak == PEAK_copy) return (int64_t)roofline_bytes() / CHUNK / 2;
  return 16 * pool_threads(r->pool);
}

double roofline_amount(const Roofline *r) {
  if (r->peak == PEAK_read) return (double)groups(r) * CHUNK;
  if (r->peak == PEAK_copy) return 2.0 * (double)groups(r) * CHUNK;
  return (double)groups(r) * group_operations(r->peak);
}

void roofline_run(const Roofline *r) {
  lrt_arg arg[1] = {{.memory = r->memory}};
  int64_t n = groups(r);
  pool_run(r->pool, 1, &(lrt_launch){.kernel = peaks[r->peak].run, .arg = arg, .grid = {n, 1, 1}, .groups = n});
}
