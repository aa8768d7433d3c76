/* moe.h -- the activations of experts: their names, once for inference and evaluation. */
#ifndef LATHE_MOE_H
#define LATHE_MOE_H

#include <stdbool.h>

typedef enum MoeAct {
  MOE_SILU, MOE_GELU, MOE_GELU_TANH, MOE_RELU, MOE_IDENTITY,
  MOE_SWIGLU,        /* gate and up from w1 and w3, or alternating in w1's rows */
  MOE_SWIGLU_HALVES, /* gate, then up, in w1's rows */
} MoeAct;

/* NULL is the default, silu. */
bool moe_act(const char *name, MoeAct *act);

#endif
