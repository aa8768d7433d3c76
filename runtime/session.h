/* session.h -- one program at work: its inputs, its arena, its threads. Nothing here prints or ends the process. */
#ifndef LRT_SESSION_H
#define LRT_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/abi.h"
#include "runtime/pool.h"

enum { LRT_RANK = 12 };

/* Where the blocks of a segment are. A loop's values go from one memory to the other; all else is in the first. */
typedef struct lrt_segment {
  uint8_t *memory[2];
  size_t size[2];
  int turn;
} lrt_segment;

/* What a loop collects: so many bytes, of rows that all have these dims. */
typedef struct lrt_grown {
  uint8_t *memory;
  size_t size, used;
  int64_t rows, dim[LRT_RANK];
} lrt_grown;

typedef struct lrt_session {
  const lrt_program *program;
  const uint8_t *weights;
  lrt_pool *pool;
  int64_t *symbol;         /* [n_symbols]: -1 is not known yet */
  const void **input;      /* [n_inputs] */
  int64_t (*shape)[LRT_RANK]; /* [n_inputs] */
  void **value;            /* [n_values] */
  int64_t *bytes, *offset, *scratch; /* [n_blocks] */
  lrt_segment *segment;    /* [n_segments] */
  lrt_grown *grown;        /* [n_grown] */
  void **part;             /* [n_parts]: the states, from run to run */
  int64_t *told;           /* the values that a step's lets take */
  lrt_arg **arg;           /* [n_steps] */
  void *tables;
  size_t tables_size;
  char error[512]; /* what went wrong */
  bool no_memory;  /* it is for want of memory */
} lrt_session;

/* Each is false after writing what is wrong. */
bool session_open(lrt_session *s, const lrt_program *p, const void *weights, int64_t threads);
/* The elements stay where they are, and must stay there. */
bool session_input(lrt_session *s, int64_t input, const int64_t *dim, const void *data);
/* When all inputs are there: binds the sizes, and makes the arena, but for what only the run tells. */
bool session_prepare(lrt_session *s);
bool session_run(lrt_session *s);
bool session_output(lrt_session *s, int64_t output, int64_t *dim, const void **data);
void session_close(lrt_session *s);

/* After a run: bytes of the arena, and the least that any arena could have: what lives in its fullest phase. */
void session_memory(const lrt_session *s, int64_t *arena, int64_t *least);

/* ---- states, a sequence at a time: session_state.c ---- */

int64_t session_sequences(const lrt_session *s);                             /* that all states have */
bool session_truncate(lrt_session *s, int64_t sequence, int64_t length);     /* to its first rows; 0: none */
bool session_copy(lrt_session *from, int64_t i, lrt_session *to, int64_t k); /* sequence i as k; both are sessions of one program */

/* Moves `n` bytes from or to `at`; false: it failed. */
typedef bool lrt_move(void *context, void *at, size_t n);

/* What the states hold of a sequence, piece by piece, given to `write`, or read back with `read` in a session of the same program. */
bool session_save(lrt_session *s, int64_t sequence, lrt_move *write, void *context);
bool session_load(lrt_session *s, int64_t sequence, int64_t most, lrt_move *read, void *context);
/* Differs where such pieces would not fit. */
uint64_t session_state_hash(const lrt_session *s);

/* ---- for the session's own parts ---- */

bool session_fail(lrt_session *s, const char *fmt, ...);
bool session_no_memory(lrt_session *s, int64_t bytes, const char *what);
bool session_size(lrt_session *s, int64_t at, int64_t *out);

/* Gives the blocks of a segment their places, now that their sizes are known; turn: in the segment's other memory. */
bool session_place(lrt_session *s, int64_t segment, bool turn);
/* The symbols of a step get their values; sizes that must be what they are to be are. */
bool session_tell(lrt_session *s, const lrt_step *step);
bool session_move(lrt_session *s, int64_t at);
bool session_clear(lrt_session *s, const lrt_step *step);
bool session_collect(lrt_session *s, const lrt_step *step);

#endif
