/* weights.h -- the weights of a model: where they are, and whether they are the right ones. */
#ifndef LRT_WEIGHTS_H
#define LRT_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/abi.h"

typedef struct lrt_weights {
  const uint8_t *bytes; /* NULL: there are none */
  const void *map;      /* what was mapped for them, or NULL */
  size_t map_size;
  bool no_memory;       /* that is why they cannot be opened */
} lrt_weights;

typedef struct lrt_error {
  char text[512];
} lrt_error;

/* Each looks at the size and the end mark, and is false after saying in `why` what is wrong. A model without weights takes
 * anything, NULL among it. */
bool weights_open(lrt_weights *w, const lrt_model *m, const char *path, lrt_error *why);
bool weights_given(lrt_weights *w, const lrt_model *m, const void *bytes, size_t size, lrt_error *why);
void weights_close(lrt_weights *w);

/* Reads all of them, and compares their hash with the one in the mark. */
bool weights_check(const lrt_weights *w, const lrt_model *m, lrt_error *why);

/* What stands behind them. */
const lrt_end_mark *weights_mark(const lrt_weights *w, const lrt_model *m);

#endif
