/* bench_roofline.c -- the machine's own peaks, with one thread and with all. */
#include <math.h>

#include "bench.h"

enum { SLICES = 101 };

static double slice_rate(const Roofline *r) {
  double start = bench_now(), seconds = 0;
  int64_t times = 0;
  for (; seconds < 0.01; times++) {
    roofline_run(r);
    seconds = bench_now() - start;
  }
  return (double)times * roofline_amount(r) / seconds;
}

static void bench_peak(Bench *b, Peak peak, int64_t threads, void *memory) {
  static const char *const dtype[] = {[PEAK_fma] = "f32", [PEAK_bf16] = "bf16", [PEAK_int8] = "i8", [PEAK_read] = "u8", [PEAK_copy] = "u8"};
  Roofline r = {peak, pool_open(threads), memory};
  double rate[SLICES];
  slice_rate(&r);
  for (int i = 0; i < SLICES; i++) rate[i] = 1e-9 * slice_rate(&r);
  bench_print(b, &(Row){.name = "roofline", .shape = peak_name(peak), .dtype = dtype[peak], .numerics = b->numerics, .unit = peak_unit(peak),
                        .threads = threads, .value = bench_percentile(rate, SLICES, 50), .of_roofline = NAN,
                        .p10 = bench_percentile(rate, SLICES, 10), .p90 = bench_percentile(rate, SLICES, 90), .of_peer = NAN});
  pool_close(r.pool);
}

void bench_roofline(Bench *b) {
  int64_t threads[2];
  int n = bench_threads(b, threads);
  void *memory = roofline_memory(roofline_bytes());
  for (int i = 0; i < n; i++)
    for (int p = 0; p < PEAK_count; p++)
      if (peak_here((Peak)p)) bench_peak(b, (Peak)p, threads[i], memory);
  roofline_release(memory, roofline_bytes());
}
