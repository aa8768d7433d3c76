/* test_sampler.c -- the sampler against a plain enumeration of what its filters keep, its draws against the probabilities, and the text that
 * stops hold back against a search in the whole. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/splitmix.h"
#include "runtime/exact_math.h"
#include "runtime/sampler.h"
#include "runtime/stops.h"

static int passed, failed;

static void check(bool good, const char *what, int64_t i) {
  if (good) {
    passed++;
    return;
  }
  failed++;
  printf("FAIL %s (case %lld)\n", what, (long long)i);
}

static double unit(uint64_t *seed) { return (double)(splitmix(seed) >> 11) * 0x1p-53; }

/* ---- arithmetic ---- */

static void try_math(void) {
  uint64_t seed = 1;
  double worst = 0;
  for (int i = 0; i < 100000; i++) {
    double x = (unit(&seed) - 0.5) * 1400, y = exp((unit(&seed) - 0.5) * 1400);
    double e = fabs(exact_exp(x) / exp(x) - 1), l = fabs(exact_log(y) - log(y)) / fmax(fabs(log(y)), 1e-3), r = fabs(exact_sqrt(y) / sqrt(y) - 1);
    worst = fmax(worst, fmax(e, fmax(l, r)));
  }
  check(worst < 1e-15, "exponentials, logarithms and roots are within 5 units", 0);
  check(exact_exp(0) == 1 && exact_exp(-INFINITY) == 0 && exact_exp(1e9) == INFINITY && exact_log(1) == 0 && exact_log(0) == -INFINITY && exact_sqrt(4) == 2,
        "their ends", 0);
  check(fabs(exact_log(4.9e-324) - log(4.9e-324)) < 1e-12, "the logarithm of the least number", 0);
}

/* ---- what is kept ---- */

enum { MOST = 64 };

typedef struct Expected {
  int n, token[MOST];
  double p[MOST];
} Expected;

/* Straight from the rules: who is before whom is counted, and nothing is sorted. */
static void expect(const Sampling *how, const float *logits, int n, const int32_t *text, int64_t n_text, Expected *e) {
  float x[MOST];
  double p[MOST], sum = 0;
  memcpy(x, logits, (size_t)n * sizeof *x);
  for (int t = 0; t < n; t++)
    for (int64_t i = n_text - 1; i >= 0 && i >= n_text - SAMPLER_RECENT; i--)
      if (text[i] == t) {
        x[t] = x[t] > 0 ? x[t] / (float)how->repeat : x[t] * (float)how->repeat;
        break;
      }
  int order[MOST];
  for (int t = 0; t < n; t++) {
    int rank = 0;
    for (int u = 0; u < n; u++) rank += x[u] > x[t] || (x[u] == x[t] && u < t);
    order[rank] = t;
  }
  int kept = how->top_k && how->top_k < n ? (int)how->top_k : n;
  if (how->temperature == 0) kept = 1;
  for (int i = 0; i < kept; i++) sum += p[i] = exp((double)x[order[i]] - (double)x[order[0]]);
  double so_far = 0;
  for (int i = 0, all = kept; i < all && how->top_p < 1; i++)
    if ((so_far += p[i] / sum) >= how->top_p) {
      kept = i + 1;
      break;
    }
  for (int i = 1; i < kept; i++)
    if (p[i] < how->min_p * p[0]) kept = i;
  sum = 0;
  for (int i = 0; i < kept; i++) sum += p[i] = how->temperature ? exp(((double)x[order[i]] - (double)x[order[0]]) / how->temperature) : 1;
  e->n = kept;
  for (int i = 0; i < kept; i++) e->token[i] = order[i], e->p[i] = p[i] / sum;
}

static bool same(const Sampler *s, int64_t n, const Expected *e) {
  bool good = n == e->n;
  for (int64_t i = 0; i < n && good; i++) good = s->candidate[i].token == e->token[i] && fabs(s->candidate[i].p - e->p[i]) < 1e-13;
  return good;
}

/* Each filter alone, then all by chance. Logits in steps of a quarter, so that many are equal. */
static Sampling some(uint64_t *seed, int which) {
  Sampling how = {.top_k = 0, .top_p = 1, .min_p = 0, .repeat = 1, .temperature = 1, .seed = 7};
  bool all = which >= 5;
  if (which == 0 || all) how.top_k = (int64_t)(splitmix(seed) % 12);
  if (which == 1 || all) how.top_p = unit(seed);
  if (which == 2 || all) how.min_p = unit(seed) / 2;
  if (which == 3 || all) how.repeat = 0.5 + 2 * unit(seed);
  if (which == 4 || all) how.temperature = splitmix(seed) % 8 ? 3 * unit(seed) : 0;
  return how;
}

static void try_filters(void) {
  uint64_t seed = 3;
  for (int i = 0; i < 4000; i++) {
    float logits[MOST];
    int32_t text[100];
    int n = 1 + (int)(splitmix(&seed) % MOST);
    int64_t n_text = (int64_t)(splitmix(&seed) % 100);
    Sampling how = some(&seed, i % 8);
    Sampler s;
    Expected e;
    for (int t = 0; t < n; t++) logits[t] = (float)((int)(splitmix(&seed) % 60) - 30) / 4;
    for (int t = 0; t < n_text; t++) text[t] = (int32_t)(splitmix(&seed) % 80);
    if (!sampler_open(&s, &how, n)) exit(74);
    expect(&how, logits, n, text, n_text, &e);
    check(same(&s, sampler_filter(&s, logits, text, n_text), &e), "what is kept, and its probabilities", i);
    if (how.temperature == 0) check(sampler_next(&s, logits, text, n_text) == e.token[0], "temperature 0 takes the likeliest", i);
    sampler_close(&s);
  }
}

static void try_odd_logits(void) {
  float logits[] = {NAN, 1, 3, 3, -INFINITY, NAN, 0};
  Sampling how = {.top_p = 1, .repeat = 1, .temperature = 0};
  Sampler s;
  if (!sampler_open(&s, &how, 6)) exit(74);
  check(sampler_next(&s, logits, NULL, 0) == 2, "of equal logits the lower token is taken, and none that is no number", 0);
  s.how.temperature = 1;
  for (int i = 0; i < 1000; i++) {
    int64_t t = sampler_next(&s, logits, NULL, 0);
    check(t >= 1 && t <= 3, "what is no number is never drawn", i);
  }
  check(sampler_likeliest(&s, logits + 1, 2) == 2 && s.candidate[0].token == 1, "the likeliest are in order", 0);
  sampler_close(&s);
}

/* ---- draws ---- */

/* Chi-square: with 19 degrees of freedom it is above 50 once in 10,000 times; the seeds are fixed. */
static void try_draws(void) {
  enum { N = 20, DRAWS = 400000 };
  uint64_t seed = 11;
  for (int round = 0; round < 5; round++) {
    float logits[N];
    int64_t count[N] = {0};
    Sampling how = {.top_p = 1, .repeat = 1, .temperature = 0.5 + round * 0.25, .seed = (uint64_t)round};
    Sampler s;
    double chi = 0;
    if (!sampler_open(&s, &how, N)) exit(74);
    for (int t = 0; t < N; t++) logits[t] = (float)(2 * unit(&seed));
    for (int i = 0; i < DRAWS; i++) count[sampler_next(&s, logits, NULL, 0)]++;
    int64_t n = sampler_filter(&s, logits, NULL, 0);
    for (int64_t i = 0; i < n; i++) {
      double want = s.candidate[i].p * DRAWS, off = (double)count[s.candidate[i].token] - want;
      chi += off * off / want;
    }
    check(n == N && chi < 50 && chi > 2, "draws are distributed as the probabilities", round);
    sampler_close(&s);
  }
}

/* The same on every machine: these were drawn on one, and any other must draw them. */
static void try_seed(void) {
  static const int want[] = {43, 4, 31, 35, 27, 28, 27, 43, 4, 35, 27, 31, 31, 31, 35, 27};
  float logits[50];
  Sampling how = {.top_k = 40, .top_p = 0.95, .min_p = 0.05, .repeat = 1.1, .temperature = 0.8, .seed = 42};
  Sampler s;
  int32_t text[16];
  if (!sampler_open(&s, &how, 50)) exit(74);
  for (int t = 0; t < 50; t++) logits[t] = (float)(t * 37 % 50) / 8;
  for (int i = 0; i < 16; i++) {
    text[i] = (int32_t)sampler_next(&s, logits, text, i);
    check(text[i] == want[i], "a seed gives its tokens", text[i]);
  }
  sampler_close(&s);
}

/* ---- stops ---- */

typedef struct Text {
  char at[256];
  size_t n;
} Text;

static void put(void *context, const char *at, size_t n) {
  Text *t = context;
  memcpy(t->at + t->n, at, n);
  t->n += n;
}

/* The end of the first stop that ends; of those that end there, the longest is cut off. */
static size_t cut_at(const char *text, size_t n, const char *const *stop, int stops) {
  for (size_t end = 1; end <= n; end++) {
    size_t longest = 0;
    for (int i = 0; i < stops; i++) {
      size_t length = strlen(stop[i]);
      if (length <= end && memcmp(text + end - length, stop[i], length) == 0 && length > longest) longest = length;
    }
    if (longest) return end - longest;
  }
  return n;
}

static void try_stops(void) {
  static const char *const all[][3] = {{"ab"}, {"aab", "b"}, {"abab", "ba"}, {"bbbb", "abb", "c"}, {"a"}};
  uint64_t seed = 5;
  for (int i = 0; i < 20000; i++) {
    const char *const *stop = all[i % 5];
    int stops = 0;
    Text out = {.n = 0};
    Stops s = {.put = put, .context = &out};
    char text[40];
    size_t n = splitmix(&seed) % sizeof text;
    for (size_t k = 0; k < n; k++) text[k] = "abcd"[splitmix(&seed) % 4 % (2 + (size_t)i % 3)];
    for (; stops < 3 && stop[stops]; stops++) check(stops_add(&s, stop[stops]), "a stop is taken", i);
    for (size_t from = 0, part; from < n && !s.found; from += part) {
      part = 1 + splitmix(&seed) % 3;
      stops_text(&s, text + from, part < n - from ? part : n - from);
    }
    stops_end(&s);
    size_t want = cut_at(text, n, stop, stops);
    check(out.n == want && memcmp(out.at, text, want) == 0 && s.found == (want < n), "text ends before a stop, and nothing of it is let through", i);
  }
  Stops s = {0};
  char long_one[STOP_LENGTH + 1] = {0};
  memset(long_one, 'x', STOP_LENGTH);
  check(!stops_add(&s, "") && !stops_add(&s, long_one), "stops have a length", 0);
}

int main(void) {
  try_math();
  try_filters();
  try_odd_logits();
  try_draws();
  try_seed();
  try_stops();
  printf("%d passed, %d failed, 0 skipped\n", passed, failed);
  return failed > 0;
}
