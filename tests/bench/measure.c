/* measure.c -- runs a kernel, the roofline and a peer in turn, and prints what came of it.
 *
 * All alternate in one minute in slices of some milliseconds, so that they see the same clock rate and the same neighbours;
 * ratios are taken round by round. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "ir/fatal.h"

enum { WARM = 3 };
static const double slice = 0.01; /* seconds; one run where that takes longer */

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_now(void) { return now(CLOCK_MONOTONIC); }

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double bench_percentile(double *v, int n, int percent) {
  qsort(v, (size_t)n, sizeof *v, by_size);
  return v[(n - 1) * percent / 100];
}

/* ---- one of those that take turns ---- */

typedef struct Turn {
  Run *run; /* NULL: the peer's */
  void *ctx;
  clockid_t clock;
  double amount; /* of one run */
  int64_t times; /* a slice */
  const struct Turn *less; /* what is not counted, or NULL */
} Turn;

static double seconds(const Turn *t) {
  if (!t->run) return peer_run(t->ctx, t->times);
  double start = now(t->clock);
  for (int64_t i = 0; i < t->times; i++) t->run(t->ctx);
  return now(t->clock) - start;
}

static double rate(const Turn *t) {
  double one = seconds(t) / (double)t->times;
  return t->amount / (t->less ? one - seconds(t->less) / (double)t->less->times : one);
}

static Turn turn(Run *run, void *ctx, clockid_t clock, double amount) {
  Turn t = {run, ctx, clock, amount, 1, NULL};
  seconds(&t);
  double one = seconds(&t);
  if (one > 0 && one < slice) t.times = (int64_t)ceil(slice / one);
  return t;
}

static void run_roofline(void *ctx) { roofline_run(ctx); }

static Turn roofline_turn(Roofline *r, clockid_t clock) { return turn(run_roofline, r, clock, roofline_amount(r)); }

/* A thread that is alone is measured by its own time: a slice that is interrupted is not longer for it. */
static clockid_t clock_of(int64_t threads, const Peer *peer) {
  return threads == 1 && !peer ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
}

/* ---- the roofline ---- */

static double seconds_for(Turn *t, double amount) {
  double v[5];
  for (int i = 0; i < 5; i++) v[i] = rate(t);
  return amount / bench_percentile(v, 5, 50);
}

/* Whichever of arithmetic and memory takes longer for the figure. */
static bool binding_roofline(const Figure *f, lrt_pool *pool, void *memory, clockid_t clock, Roofline *r) {
  Roofline arithmetic = {f->arithmetic, pool, NULL}, bytes = {f->memory, pool, memory};
  bool has_arithmetic = f->operations > 0 && peak_here(f->arithmetic), has_bytes = f->bytes > 0 && peak_here(f->memory);
  *r = has_bytes ? bytes : arithmetic;
  if (!has_arithmetic || !has_bytes) return has_arithmetic || has_bytes;
  Turn a = roofline_turn(&arithmetic, clock), m = roofline_turn(&bytes, clock);
  if (seconds_for(&a, f->operations) > seconds_for(&m, f->bytes)) *r = arithmetic;
  return true;
}

/* ---- rounds ---- */

typedef struct Rounds {
  int n;
  double rate[BENCH_ROUNDS], of_roofline[BENCH_ROUNDS], of_peer[BENCH_ROUNDS];
} Rounds;

static void take_rounds(Rounds *r, const Turn *ours, const Turn *roof, const Turn *peer) {
  for (int i = -WARM; i < r->n; i++) {
    double roof_rate = roof ? rate(roof) : NAN, own = rate(ours), peer_rate = peer ? rate(peer) : NAN;
    if (i < 0) continue;
    r->rate[i] = own;
    r->of_roofline[i] = own / roof_rate;
    r->of_peer[i] = own / peer_rate;
  }
}

static void print_rounds(Bench *b, const Figure *f, int64_t threads, Rounds *r, const Turn *ours, const char *unit, bool roofed, const Peer *peer) {
  Row row = {.name = f->name, .shape = f->shape, .dtype = f->dtype, .numerics = b->numerics, .unit = f->unit ? f->unit : unit, .threads = threads};
  double by = f->unit ? f->count / ours->amount : 1e-9;
  row.value = bench_percentile(r->rate, r->n, 50) * by;
  row.of_roofline = roofed ? bench_percentile(r->of_roofline, r->n, 50) : NAN;
  row.p10 = roofed ? bench_percentile(r->of_roofline, r->n, 10) : bench_percentile(r->rate, r->n, 10) * by;
  row.p90 = roofed ? bench_percentile(r->of_roofline, r->n, 90) : bench_percentile(r->rate, r->n, 90) * by;
  row.peer = peer ? peer_about(peer) : NULL;
  row.of_peer = peer ? bench_percentile(r->of_peer, r->n, 50) : NAN;
  bench_print(b, &row);
}

static Peer *open_peer(Bench *b, const char *const *words, int64_t threads) {
  return b->peer && words ? peer_open(b->arena, words, threads) : NULL;
}

void bench_run_less(Bench *b, const Figure *f, int64_t threads, Run *run, void *ctx, const Less *less) {
  lrt_pool *pool = pool_open(threads);
  void *memory = f->bytes > 0 ? roofline_memory(roofline_bytes()) : NULL;
  Peer *peer = open_peer(b, f->peer, threads), *peer_less = less && peer ? open_peer(b, less->peer, threads) : NULL;
  clockid_t clock = clock_of(threads, peer);
  Roofline r;
  bool roofed = binding_roofline(f, pool, memory, clock, &r);
  bool moves = roofed ? r.peak == f->memory && f->bytes > 0 : f->operations == 0;
  Turn ours = turn(run, ctx, clock, moves ? f->bytes : f->operations), roof, other, ours_less, other_less;
  if (less) ours_less = turn(less->run, less->ctx, clock, 0), ours.less = &ours_less;
  if (roofed) roof = roofline_turn(&r, clock);
  if (peer) other = turn(NULL, peer, clock, ours.amount);
  if (peer_less) other_less = turn(NULL, peer_less, clock, 0), other.less = &other_less;
  Rounds *rounds = ARENA_NEW(b->arena, Rounds);
  rounds->n = b->rounds;
  take_rounds(rounds, &ours, roofed ? &roof : NULL, peer ? &other : NULL);
  print_rounds(b, f, threads, rounds, &ours, roofed ? peak_unit(r.peak) : moves ? "GB/s" : "GFLOP/s", roofed, peer);
  peer_close(peer);
  peer_close(peer_less);
  roofline_release(memory, roofline_bytes());
  pool_close(pool);
}

void bench_run(Bench *b, const Figure *f, int64_t threads, Run *run, void *ctx) { bench_run_less(b, f, threads, run, ctx, NULL); }

/* ---- printing ---- */

static void print_number(const char *key, double v) {
  if (isnan(v)) printf(",\"%s\":null", key);
  else printf(",\"%s\":%.6g", key, v);
}

static void print_json(const Row *r) {
  printf("{\"name\":\"%s\",\"shape\":\"%s\",\"dtype\":\"%s\",\"numerics\":\"%s\",\"threads\":%lld", r->name, r->shape, r->dtype,
         r->numerics, (long long)r->threads);
  print_number("value", r->value);
  printf(",\"unit\":\"%s\"", r->unit);
  print_number("of_roofline", r->of_roofline);
  print_number("p10", r->p10);
  print_number("p90", r->p90);
  printf(",\"peer\":%s", r->peer ? r->peer : "null");
  print_number("of_peer", r->of_peer);
  puts("}");
}

static void print_line(const Row *r) {
  printf("%-18s %-22s %-5s %lld thread%s %9.4g %-8s", r->name, r->shape, r->dtype, (long long)r->threads, r->threads == 1 ? " " : "s",
         r->value, r->unit);
  if (!isnan(r->of_roofline)) printf(" %5.1f %% of roofline (p10 %.1f, p90 %.1f)", 100 * r->of_roofline, 100 * r->p10, 100 * r->p90);
  else printf(" (p10 %.4g, p90 %.4g)", r->p10, r->p90);
  if (!isnan(r->of_peer)) printf(" %.2f x peer", r->of_peer);
  puts("");
}

void bench_print(Bench *b, const Row *r) {
  if (b->json) print_json(r);
  else print_line(r);
  fflush(stdout);
  if (!isnan(r->of_roofline)) b->good &= 100 * r->of_roofline >= b->least;
}
