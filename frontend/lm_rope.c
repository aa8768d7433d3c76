/* lm_rope.c -- by how much rotary positions turn: the scalings that stretch a trained context. */
#include <math.h>

#include "frontend/lm.h"

static const double pi = 3.14159265358979323846;

/* Long waves are stretched, short ones are kept, and those between are mixed (Llama 3). */
static double llama3(const LmConfig *c, double frequency) {
  double trained = c->trained > 0 ? c->trained : c->context, wave = 2 * pi / frequency;
  double longest = trained / c->low, shortest = trained / c->high;
  if (wave < shortest) return frequency;
  if (wave > longest) return frequency / c->factor;
  double mix = (trained / wave - c->low) / (c->high - c->low);
  return (1 - mix) * frequency / c->factor + mix * frequency;
}

/* Which pair turns so many times over the trained context. */
static double yarn_pair(const LmConfig *c, double turns) {
  double trained = c->trained > 0 ? c->trained : c->context;
  return c->rotated * log(trained / (turns * 2 * pi)) / (2 * log(c->theta));
}

static double yarn(const LmConfig *c, double frequency, int pair) {
  double from = floor(yarn_pair(c, c->fast)), to = ceil(yarn_pair(c, c->slow));
  from = fmax(from, 0);
  to = fmin(to, c->rotated - 1);
  if (from == to) to += 0.001;
  double stretched = fmin(fmax((pair - from) / (to - from), 0), 1);
  return frequency / c->factor * stretched + frequency * (1 - stretched);
}

int lm_frequencies(const LmConfig *c, float *out) {
  int n = (int)c->rotated / 2;
  for (int i = 0; i < n; i++) {
    double f = pow(c->theta, -2.0 * i / c->rotated);
    switch (c->scaling) {
    case SCALING_linear: f /= c->factor; break;
    case SCALING_llama3: f = llama3(c, f); break;
    case SCALING_yarn: f = yarn(c, f, i); break;
    default: break; /* dynamic: within the trained context nothing is stretched, and lm_build allows no more */
    }
    out[i] = (float)f;
  }
  return n;
}

double lm_rope_factor(const LmConfig *c) {
  if (c->scaling != SCALING_yarn) return 1;
  if (c->attention > 0) return c->attention;
  return c->factor > 1 ? 0.1 * log(c->factor) + 1 : 1;
}
