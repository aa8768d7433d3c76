/* onnx_attention.h -- what the importers of attention operators share. */
#ifndef LATHE_ONNX_ATTENTION_H
#define LATHE_ONNX_ATTENTION_H

#include "frontend/onnx_build.h"

/* One attention, as the op takes it. */
typedef struct Attend {
  Value *q, *k, *v;         /* [b,h,s,d], [b,g,t,d], [b,g,t,e] */
  Value *bias;              /* added, or a bool mask; or NULL */
  Value *lengths, *offsets; /* [b] or [1]; or NULL */
  Value *sinks;             /* [h]; or NULL */
  bool causal;
  int64_t window, ahead; /* 0: all; -1: all */
  double scale, softcap; /* 0: 1/sqrt(d); 0: none */
} Attend;

Value *b_attention(Builder *b, const Attend *a);
/* i64[1] of a size. */
Value *b_size_vector(Builder *b, Dim d);
/* past and new along the sequence axis, or the new alone. */
Value *b_append(Builder *b, Value *past, Value *x);
/* Where each query may look, by position, length and mask, as a bias in q's type: 0 and -inf; NULL where there is no
 * limit at all. */
Value *b_attention_bias(Builder *b, const Attend *a);
/* The scores before the softmax: of the three steps product, softcap, bias the first so many. [b,h,s,t] */
Value *b_attention_scores(Builder *b, const Attend *a, int steps);

#endif
