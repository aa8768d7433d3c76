/* sampler.h -- which token comes next: filters in a stated order, and a draw that is the same on every machine. */
#ifndef LRT_SAMPLER_H
#define LRT_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

/* The order in which they are applied:
 *   repeat       divides the logit of each recent token where it is positive, and multiplies it where it is negative
 *   top_k        keeps the k likeliest; 0: all
 *   top_p        keeps the fewest of these, from the likeliest on, whose probabilities sum to p at least; 1: all
 *   min_p        keeps those at least p times as likely as the likeliest; 0: all
 *   temperature  divides the logits of what is left; 0: the likeliest is taken
 * Of equal logits the lower token is the likelier. What is kept is never empty. */
typedef struct Sampling {
  int64_t top_k;
  double top_p, min_p, repeat, temperature;
  uint64_t seed;
} Sampling;

enum { SAMPLER_RECENT = 64 }; /* tokens that count for `repeat` */

typedef struct Candidate {
  int32_t token;
  float logit;
  double p; /* what sampler_filter() leaves: of being drawn */
} Candidate;

typedef struct Sampler {
  Sampling how;
  uint64_t random;
  int64_t words;
  Candidate *candidate; /* [words] */
} Sampler;

bool sampler_open(Sampler *s, const Sampling *how, int64_t words); /* false: no memory */
void sampler_close(Sampler *s);

/* Of the first n in `candidate`, in the order of their likelihood, the probabilities. The last tokens of `text` are the recent ones. */
int64_t sampler_filter(Sampler *s, const float *logits, const int32_t *text, int64_t n_text);
int64_t sampler_next(Sampler *s, const float *logits, const int32_t *text, int64_t n_text);

/* The k likeliest of all, with the logarithms of their probabilities in `p`; the logarithm of one token's. They look at logits as
 * they come, without filters. */
int64_t sampler_likeliest(Sampler *s, const float *logits, int64_t k);
double sampler_logarithm(const Sampler *s, const float *logits, int64_t token);

#endif
