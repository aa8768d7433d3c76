/* eval_moe.c -- reference mixture of experts: one expert after another, on the rows that chose it. */
#include <math.h>

#include "ir/eval.h"
#include "ir/moe.h"

typedef struct Moe {
  EvalCall *call;
  int64_t rows, experts, d, n, m, f; /* as in the op's doc */
  int64_t k;
  MoeAct act;
  double alpha, beta, limit;
  const Tensor *b1, *b2, *w3, *b3;
  double *x;       /* [rows, d] */
  double *share;   /* [rows, experts]: 0 where not chosen */
  bool *chosen;    /* [experts]: scratch of one row */
  double *w1;      /* [n, d] of one expert, and so on */
  double *w2, *up; /* [f, m], [n, d] */
  double *g, *u;   /* [n] */
  double *mid;     /* [m] */
  double *sum;     /* [rows, f] */
} Moe;

/* ---- routing ---- */

static double softmax_sum(const double *score, int64_t n, double *most) {
  double sum = 0;
  *most = -INFINITY;
  for (int64_t i = 0; i < n; i++) *most = score[i] > *most ? score[i] : *most;
  for (int64_t i = 0; i < n; i++) sum += exp(score[i] - *most);
  return sum;
}

/* The best score not chosen yet, the first of equals. */
static int64_t best_left(const Moe *a, const double *score) {
  int64_t best = -1;
  for (int64_t i = 0; i < a->experts; i++)
    if (!a->chosen[i] && (best < 0 || score[i] > score[best])) best = i;
  return best;
}

/* Turns a row's scores into shares of the chosen experts. `mix` has other numbers to share by than the softmax. */
static void route_row(Moe *a, int64_t row, const Tensor *mix, bool normalise) {
  double *score = a->share + row * a->experts, most, total = 0, sum = softmax_sum(score, a->experts, &most);
  for (int64_t i = 0; i < a->experts; i++) a->chosen[i] = false;
  for (int64_t i = 0; i < a->k; i++) a->chosen[best_left(a, score)] = true;
  for (int64_t i = 0; i < a->experts; i++) {
    double p = mix ? tensor_f(mix, row * a->experts + i) : exp(score[i] - most) / sum;
    score[i] = a->chosen[i] ? p : 0;
    total += score[i];
  }
  for (int64_t i = 0; normalise && total != 0 && i < a->experts; i++) score[i] /= total;
}

/* ---- one expert ---- */

static const double pi = 3.14159265358979323846;

static double activate(MoeAct act, double x) {
  switch (act) {
  case MOE_SILU: return x / (1 + exp(-x));
  case MOE_GELU: return 0.5 * x * (1 + erf(x / sqrt(2)));
  case MOE_GELU_TANH: return 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)));
  case MOE_RELU: return x > 0 || isnan(x) ? x : 0;
  default: return x;
  }
}

static double swiglu(const Moe *a, double g, double u) {
  if (a->limit != 0) {
    g = fmin(g, a->limit);
    u = fmax(fmin(u, a->limit), -a->limit);
  }
  return g / (1 + exp(-a->alpha * g)) * (u + a->beta);
}

/* y = W x + b, for expert e's row of the biases. */
static void apply(const double *w, const Tensor *bias, int64_t e, const double *x, int64_t n, int64_t d, double *y) {
  for (int64_t i = 0; i < n; i++) {
    double sum = bias ? tensor_f(bias, e * n + i) : 0;
    for (int64_t j = 0; j < d; j++) sum += w[i * d + j] * x[j];
    y[i] = sum;
  }
}

static void expert_middle(Moe *a) {
  bool apart = a->w3 != NULL;
  for (int64_t i = 0; i < a->m; i++) {
    if (a->act == MOE_SWIGLU_HALVES)
      a->mid[i] = swiglu(a, a->g[i], a->g[a->m + i]);
    else if (a->act == MOE_SWIGLU)
      a->mid[i] = apart ? swiglu(a, a->g[i], a->u[i]) : swiglu(a, a->g[2 * i], a->g[2 * i + 1]);
    else
      a->mid[i] = activate(a->act, a->g[i]) * (apart ? a->u[i] : 1);
  }
}

static void expert_row(Moe *a, int64_t e, int64_t row, double *y) {
  double share = a->share[row * a->experts + e];
  apply(a->w1, a->b1, e, a->x + row * a->d, a->n, a->d, a->g);
  if (a->w3) apply(a->up, a->b3, e, a->x + row * a->d, a->n, a->d, a->u);
  expert_middle(a);
  apply(a->w2, a->b2, e, a->mid, a->f, a->m, y);
  for (int64_t i = 0; i < a->f; i++) a->sum[row * a->f + i] += share * y[i];
}

static void run_expert(Moe *a, int64_t e, double *y) {
  bool read = false;
  for (int64_t row = 0; row < a->rows; row++) {
    if (a->share[row * a->experts + e] == 0) continue;
    if (!read) {
      tensor_read_f(a->call->in[2], e * a->n * a->d, a->n * a->d, a->w1);
      tensor_read_f(a->call->in[3], e * a->f * a->m, a->f * a->m, a->w2);
      if (a->w3) tensor_read_f(a->w3, e * a->n * a->d, a->n * a->d, a->up);
      read = true;
    }
    expert_row(a, e, row, y);
  }
}

/* ---- the op ---- */

static Moe moe_of(EvalCall *c) {
  const Tensor *w1 = c->in[2], *w2 = c->in[3];
  const Node *n = c->node;
  Moe a = {.call = c, .rows = c->in[0]->dim[0], .d = c->in[0]->dim[1], .experts = w1->dim[0]};
  a.n = w1->dim[1];
  a.f = w2->dim[1];
  a.m = w2->dim[2];
  a.k = node_int(n, moe, k);
  moe_act(node_str(n, moe, act), &a.act);
  a.alpha = node_float(n, moe, alpha);
  a.beta = node_float(n, moe, beta);
  a.limit = node_float(n, moe, limit);
  a.b1 = eval_in(c, 4);
  a.b2 = eval_in(c, 5);
  a.w3 = eval_in(c, 6);
  a.b3 = eval_in(c, 7);
  return a;
}

bool eval_moe(EvalCall *c) {
  if (c->out[0]->count == 0) return true;
  Moe a = moe_of(c);
  Tensor *x = eval_doubles(c, c->in[0]), *share = eval_doubles(c, c->in[1]);
  Tensor *w1 = eval_scratch(c, a.n * a.d), *w2 = eval_scratch(c, a.f * a.m), *up = eval_scratch(c, a.n * a.d);
  Tensor *line = eval_scratch(c, 2 * a.n + a.m + a.f + a.experts), *sum = eval_scratch(c, a.rows * a.f);
  bool ok = x && share && w1 && w2 && up && line && sum;
  if (ok) {
    a.x = x->data;
    a.share = share->data;
    a.w1 = w1->data;
    a.w2 = w2->data;
    a.up = up->data;
    a.sum = sum->data;
    a.g = line->data;
    a.u = a.g + a.n;
    a.mid = a.u + a.n;
    double *y = a.mid + a.m;
    a.chosen = (bool *)(y + a.f);
    for (int64_t row = 0; row < a.rows; row++) route_row(&a, row, eval_in(c, 8), node_bool(c->node, moe, normalize));
    for (int64_t e = 0; e < a.experts; e++) run_expert(&a, e, y);
    tensor_write_f(c->out[0], 0, c->out[0]->count, a.sum);
  }
  Tensor *const scratch[] = {x, share, w1, w2, up, line, sum};
  for (int i = 0; i < 7; i++) tensor_release(scratch[i]);
  return ok;
}
