/* tensor_numbers.c -- runs of a tensor's numbers as doubles: what the evaluation of products computes on. */
#include "ir/eval.h"

void tensor_read_f(const Tensor *t, int64_t from, int64_t n, double *to) {
  if (t->encoded) {
    for (int64_t i = 0; i < n; i++) to[i] = tensor_decoded(t, from + i);
  } else if (t->dtype == DT_f32) {
    const char *at = (const char *)t->data + from * (int64_t)sizeof(float);
    for (int64_t i = 0; i < n; i++) {
      float v; /* mapped data may lie at any address */
      memcpy(&v, at + i * (int64_t)sizeof v, sizeof v);
      to[i] = v;
    }
  } else {
    for (int64_t i = 0; i < n; i++) to[i] = tensor_f(t, from + i);
  }
}

void tensor_write_f(Tensor *t, int64_t from, int64_t n, const double *v) {
  for (int64_t i = 0; i < n; i++) dtype_set_f(t->dtype, t->data, from + i, v[i]);
}

Tensor *eval_scratch(EvalCall *c, int64_t n) { return tensor_new(c->ev, DT_f64, 1, &n); }

Tensor *eval_doubles(EvalCall *c, const Tensor *t) {
  Tensor *d = eval_scratch(c, t->count);
  if (d) tensor_read_f(t, 0, t->count, d->data);
  return d;
}
