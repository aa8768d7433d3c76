/* roofline.c -- what this machine can do at most, and how a kernel compares, measured in the same minute.
 *
 * Kernel and roofline alternate in one thread in slices of some milliseconds, so both see the same clock rate, the same
 * neighbours and the same kind of mapping; the ratio is taken pair by pair. */
#define _GNU_SOURCE
#include "roofline.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "ir/fatal.h"

double roofline_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- comparing ---- */

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

Ratio roofline_compare(Slice *kernel, void *kernel_ctx, Slice *roof, void *roof_ctx) {
  double ratio[ROOFLINE_PAIRS], rate[ROOFLINE_PAIRS];
  for (int warm = 0; warm < 3; warm++) kernel(kernel_ctx), roof(roof_ctx);
  for (int i = 0; i < ROOFLINE_PAIRS; i++) {
    rate[i] = roof(roof_ctx);
    ratio[i] = kernel(kernel_ctx) / rate[i];
  }
  qsort(ratio, ROOFLINE_PAIRS, sizeof *ratio, by_size);
  qsort(rate, ROOFLINE_PAIRS, sizeof *rate, by_size);
  return (Ratio){ratio[ROOFLINE_PAIRS / 2], ratio[ROOFLINE_PAIRS / 10], ratio[ROOFLINE_PAIRS * 9 / 10],
                 rate[ROOFLINE_PAIRS / 2]};
}

/* ---- memory ---- */

int64_t roofline_last_cache(void) {
  long bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return bytes > 0 ? bytes : 32 << 20;
}

enum { HUGE = 2 << 20 };

void *roofline_memory(size_t bytes) {
  char *raw = mmap(NULL, bytes + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) fatal_resource("no memory for a benchmark of %zu bytes", bytes);
  uint64_t *at = (uint64_t *)(((uintptr_t)raw + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
  madvise(at, bytes, MADV_HUGEPAGE);
  uint64_t x = 88172645463325252u;
  for (size_t i = 0; i < bytes / sizeof *at; i++) {
    x ^= x << 7;
    x ^= x >> 9;
    at[i] = x;
  }
  return at;
}

/* What lies before the aligned start stays until the process ends. */
void roofline_release(void *p, size_t bytes) { munmap(p, bytes); }

/* ---- rooflines ---- */

#if defined(__x86_64__)

bool roofline_here(void) { return __builtin_cpu_supports("avx512f"); }

/* 24 sums that depend on nothing but themselves: enough to hide an instruction's latency. */
__attribute__((target("avx512f"), noinline)) static void fma_loop(uint64_t turns) {
#define SUM(r) "vfmadd231ps %%zmm30, %%zmm31, %%zmm" #r "\n"
  __asm__ volatile("vpxorq %%zmm30, %%zmm30, %%zmm30\n vpxorq %%zmm31, %%zmm31, %%zmm31\n"
                   ".p2align 5\n 1:\n"
                   SUM(0) SUM(1) SUM(2) SUM(3) SUM(4) SUM(5) SUM(6) SUM(7) SUM(8) SUM(9) SUM(10) SUM(11)
                   SUM(12) SUM(13) SUM(14) SUM(15) SUM(16) SUM(17) SUM(18) SUM(19) SUM(20) SUM(21) SUM(22) SUM(23)
                   "dec %0\n jnz 1b\n"
                   : "+r"(turns)
                   :
                   : "cc", "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10",
                     "zmm11", "zmm12", "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21",
                     "zmm22", "zmm23", "zmm30", "zmm31");
#undef SUM
}

double roofline_fma(void *ctx) {
  (void)ctx;
  enum { TURNS = 1 << 20, OPS = 24 * 16 * 2 };
  double start = roofline_now();
  fma_loop(TURNS);
  return (double)TURNS * OPS / (roofline_now() - start);
}

/* With prefetches: measured 7 % faster than plain loads, so the stricter line. */
__attribute__((target("avx512f"), noinline)) static long long read_loop(const char *at, size_t bytes) {
  enum { LINE = 64, AHEAD = 4096 };
  __m512i sum[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
  for (const char *end = at + bytes; at < end; at += 4 * LINE)
    for (int i = 0; i < 4; i++) {
      _mm_prefetch(at + AHEAD + i * LINE, _MM_HINT_T0);
      sum[i] = _mm512_or_si512(sum[i], _mm512_load_si512(at + i * LINE));
    }
  return _mm512_reduce_or_epi64(_mm512_or_si512(_mm512_or_si512(sum[0], sum[1]), _mm512_or_si512(sum[2], sum[3])));
}

double roofline_read(void *span) {
  const Span *s = span;
  double start = roofline_now();
  volatile long long keep = read_loop(s->at, s->bytes & ~(size_t)255);
  (void)keep;
  return (double)s->bytes / (roofline_now() - start);
}

#else

bool roofline_here(void) { return false; }
double roofline_fma(void *ctx) { return (void)ctx, 0; }
double roofline_read(void *span) { return (void)span, 0; }

#endif
