/* sampler.c -- which token comes next: filters in a stated order, and a draw that is the same on every machine. */
#include "runtime/sampler.h"

#include <stddef.h>

#include "runtime/exact_math.h"
#include "runtime/os.h"

bool sampler_open(Sampler *s, const Sampling *how, int64_t words) {
  *s = (Sampler){.how = *how, .random = how->seed, .words = words};
  s->candidate = os_memory((size_t)words * sizeof *s->candidate);
  return s->candidate;
}

void sampler_close(Sampler *s) {
  os_release(s->candidate, (size_t)s->words * sizeof *s->candidate);
  *s = (Sampler){0};
}

/* ---- order ---- */

static bool before(const Candidate *a, const Candidate *b) { return a->logit > b->logit || (a->logit == b->logit && a->token < b->token); }

/* A heap whose first is the unlikeliest of all in it. */
static void sink(Candidate *heap, int64_t n, int64_t i) {
  for (int64_t child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n && before(&heap[child], &heap[child + 1])) child++;
    if (!before(&heap[i], &heap[child])) return;
    Candidate c = heap[i];
    heap[i] = heap[child];
    heap[child] = c;
  }
}

/* The k likeliest of n come to the front, in order. */
static void pick(Candidate *c, int64_t n, int64_t k) {
  for (int64_t i = k / 2; i-- > 0;) sink(c, k, i);
  for (int64_t i = k; i < n; i++) {
    if (!before(&c[i], &c[0])) continue;
    Candidate out = c[0];
    c[0] = c[i];
    c[i] = out;
    sink(c, k, 0);
  }
  for (int64_t i = k; i-- > 1;) {
    Candidate last = c[0];
    c[0] = c[i];
    c[i] = last;
    sink(c, i, 0);
  }
}

/* ---- filters ---- */

static void collect(Sampler *s, const float *logits) {
  for (int64_t i = 0; i < s->words; i++) {
    float x = logits[i] == logits[i] ? logits[i] : -__builtin_inff(); /* what is no number is never taken */
    s->candidate[i] = (Candidate){.token = (int32_t)i, .logit = x};
  }
}

static bool is_first(const int32_t *text, int64_t from, int64_t at) {
  for (int64_t i = from; i < at; i++)
    if (text[i] == text[at]) return false;
  return true;
}

static void penalise(Sampler *s, const int32_t *text, int64_t n) {
  int64_t from = n > SAMPLER_RECENT ? n - SAMPLER_RECENT : 0;
  float by = (float)s->how.repeat;
  for (int64_t i = from; i < n && s->how.repeat != 1; i++) {
    if (text[i] < 0 || text[i] >= s->words || !is_first(text, from, i)) continue;
    float *x = &s->candidate[text[i]].logit;
    *x = *x > 0 ? *x / by : *x * by;
  }
}

/* The first n become probabilities at a temperature. */
static void spread(Candidate *c, int64_t n, double temperature) {
  double sum = 0, most = (double)c[0].logit;
  for (int64_t i = 0; i < n; i++) {
    c[i].p = c[i].logit == c[0].logit ? 1 : exact_exp(((double)c[i].logit - most) / temperature);
    sum += c[i].p;
  }
  for (int64_t i = 0; i < n; i++) c[i].p /= sum;
}

static int64_t keep_top_p(const Candidate *c, int64_t n, double p) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    if ((sum += c[i].p) >= p) return i + 1;
  return n;
}

static int64_t keep_min_p(const Candidate *c, int64_t n, double p) {
  int64_t kept = 1;
  while (kept < n && c[kept].p >= p * c[0].p) kept++;
  return kept;
}

int64_t sampler_filter(Sampler *s, const float *logits, const int32_t *text, int64_t n_text) {
  const Sampling *how = &s->how;
  int64_t n = s->words;
  collect(s, logits);
  penalise(s, text, n_text);
  if (how->temperature <= 0) n = 1;
  else if (how->top_k > 0 && how->top_k < n) n = how->top_k;
  pick(s->candidate, s->words, n);
  spread(s->candidate, n, 1);
  if (how->top_p < 1) n = keep_top_p(s->candidate, n, how->top_p);
  if (how->min_p > 0) n = keep_min_p(s->candidate, n, how->min_p);
  if (how->temperature > 0) spread(s->candidate, n, how->temperature);
  return n;
}

/* ---- the draw ---- */

/* In [0, 1): SplitMix64, as in array.c. */
static double draw(Sampler *s) {
  uint64_t z = s->random += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static int64_t likeliest(const float *logits, int64_t n) {
  int64_t best = -1;
  for (int64_t i = 0; i < n; i++)
    if (logits[i] == logits[i] && (best < 0 || logits[i] > logits[best])) best = i;
  return best < 0 ? 0 : best;
}

int64_t sampler_next(Sampler *s, const float *logits, const int32_t *text, int64_t n_text) {
  if (s->how.temperature <= 0 && s->how.repeat == 1) return likeliest(logits, s->words);
  int64_t n = sampler_filter(s, logits, text, n_text);
  if (n == 1) return s->candidate[0].token;
  double at = draw(s), sum = 0;
  for (int64_t i = 0; i < n; i++)
    if (at < (sum += s->candidate[i].p)) return s->candidate[i].token;
  return s->candidate[0].token; /* the sum is less than 1 by a rounding */
}

/* ---- without filters ---- */

static double logarithm_of_sum(const Sampler *s, const float *logits) {
  double most = -__builtin_inf(), sum = 0;
  for (int64_t i = 0; i < s->words; i++)
    if ((double)logits[i] > most) most = (double)logits[i];
  for (int64_t i = 0; i < s->words; i++) sum += exact_exp((double)logits[i] - most);
  return most + exact_log(sum);
}

int64_t sampler_likeliest(Sampler *s, const float *logits, int64_t k) {
  double all = logarithm_of_sum(s, logits);
  if (k > s->words) k = s->words;
  collect(s, logits);
  pick(s->candidate, s->words, k);
  for (int64_t i = 0; i < k; i++) s->candidate[i].p = (double)s->candidate[i].logit - all;
  return k;
}

double sampler_logarithm(const Sampler *s, const float *logits, int64_t token) { return (double)logits[token] - logarithm_of_sum(s, logits); }
