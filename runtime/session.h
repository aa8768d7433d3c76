/* session.h -- one program at work: its inputs, its arena, its threads. Nothing here prints or ends the process. */
#ifndef LRT_SESSION_H
#define LRT_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/abi.h"
#include "runtime/pool.h"

enum { LRT_RANK = 12 };

typedef struct lrt_session {
  const lrt_program *program;
  const uint8_t *weights;
  lrt_pool *pool;
  int64_t *symbol;         /* [n_symbols]: -1 is not known yet */
  const void **input;      /* [n_inputs] */
  int64_t (*shape)[LRT_RANK]; /* [n_inputs] */
  void **value;            /* [n_values] */
  int64_t *bytes, *offset, *scratch; /* [n_blocks] */
  lrt_arg **arg;           /* [n_steps] */
  void *tables;
  size_t tables_size;
  uint8_t *arena;
  size_t arena_size;
  char error[512]; /* what went wrong */
  bool no_memory;  /* it is for want of memory */
} lrt_session;

/* Each is false after writing what is wrong. */
bool session_open(lrt_session *s, const lrt_program *p, const void *weights, int64_t threads);
/* The elements stay where they are, and must stay there. */
bool session_input(lrt_session *s, int64_t input, const int64_t *dim, const void *data);
/* When all inputs are there: binds the sizes, and makes the arena. */
bool session_prepare(lrt_session *s);
bool session_run(lrt_session *s);
bool session_output(lrt_session *s, int64_t output, int64_t *dim, const void **data);
void session_close(lrt_session *s);

/* Bytes of the arena, and the least that any arena could have: what lives in its fullest phase. */
void session_memory(const lrt_session *s, int64_t *arena, int64_t *least);

#endif
