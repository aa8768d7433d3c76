/* abi.h -- what compiled programs and the runtime agree on: kernels, and a program as data that the runtime walks.
 *
 * A program is one function: its sizes are expressions over symbols, its values have places, and its steps launch
 * kernels. The compiler says how large each value is and in which phases it lives; the runtime, which knows what the
 * symbols are, places all of them in one arena. */
#ifndef LRT_ABI_H
#define LRT_ABI_H

#include <stdint.h>

/* ---- kernels ---- */

/* One argument of a kernel: where its memory is, or a scalar's bits. What it writes is at a multiple of LRT_ALIGN. */
typedef union lrt_arg {
  void *memory;
  uint64_t bits;
} lrt_arg;

/* Runs the workgroups [begin, end) of a grid, which are numbered along its first axis first. */
typedef void lrt_kernel(const lrt_arg *arg, const int64_t grid[3], int64_t begin, int64_t end);

/* ---- sizes ---- */

/* A size is a list of words that ends with LRT_END and works on a stack: each word is 16 * number + one of these. */
enum { LRT_END, LRT_NUMBER, LRT_SYMBOL, LRT_ADD, LRT_MUL, LRT_FLOORDIV, LRT_MOD, LRT_MIN, LRT_MAX };
enum { LRT_STACK = 64 };

typedef struct lrt_symbol {
  const char *name;
  int64_t capacity; /* the largest value, or -1 */
} lrt_symbol;

/* ---- memory ---- */

/* Types of inputs and outputs: name, as NumPy spells it, bytes. NumPy has no bf16: it is written as f4. */
#define LRT_DTYPES(D) \
  D(f64, "<f8", 8) D(f32, "<f4", 4) D(f16, "<f2", 2) D(bf16, "<f4", 2) \
  D(i64, "<i8", 8) D(i32, "<i4", 4) D(i16, "<i2", 2) D(i8, "|i1", 1) \
  D(u64, "<u8", 8) D(u32, "<u4", 4) D(u16, "<u2", 2) D(u8, "|u1", 1) D(bool, "|b1", 1)

enum {
#define DTYPE(name, numpy, bytes) LRT_##name,
  LRT_DTYPES(DTYPE)
#undef DTYPE
  LRT_dtypes
};

/* An input or an output. */
typedef struct lrt_port {
  const char *name;
  int64_t dtype, rank;
  const int64_t *dim; /* [rank]: sizes, as places in `words` */
  int64_t value;
} lrt_port;

/* Where a value's elements are: in input `at`, in block `at` of the arena, `at` bytes into the weights or the data, in
 * memory `at` of those that grow, or part `at` of the states. */
enum { LRT_IN_INPUT, LRT_IN_ARENA, LRT_IN_WEIGHTS, LRT_IN_DATA, LRT_IN_GROWN, LRT_IN_STATE };

typedef struct lrt_value {
  int64_t place, at;
} lrt_value;

/* A piece of a state's memory, which a session keeps from run to run: a field, or behind all fields the lengths, i64[batch]. It begins
 * as zeros. */
typedef struct lrt_part {
  const char *name; /* of the state */
  int64_t state;    /* which of them */
  int64_t bytes;    /* a size */
  int64_t lengths;  /* 1: it is these */
  int64_t batch, blocks;           /* [batch, heads, blocks, ..]; of the lengths, `batch` alone */
  int64_t block_rows, block_bytes; /* a block is so many rows of one head, in any order */
} lrt_part;


/* A part of the arena: so many bytes, in use from one phase to another. Blocks stand by segments; a segment's are placed
 * when their sizes are known. */
typedef struct lrt_block {
  int64_t bytes, first, last;
} lrt_block;

enum { LRT_ALIGN = 64 }; /* of blocks, and of constants in the weights and the data */

/* ---- what happens ---- */

enum {
  LRT_LAUNCH,  /* kernel `at`, over grid[0] * grid[1] * grid[2] workgroups, as part of the phase */
  LRT_SIZES,   /* value 0 is an i64 vector, whose elements are the sizes */
  LRT_MEET,    /* the phase ends: what it launched is done when the next begins; so it is before the steps below */
  LRT_LET,     /* symbols get values */
  LRT_CHECK,   /* sizes are equal, two by two; at = 1: or the first of two is 1 */
  LRT_MOVE,    /* symbols get values; then value 1 goes to value 0, 3 to 2 and so on: so many bytes as the sizes say */
  LRT_SET,     /* value 0, of so many bytes as the size says, becomes the number `at` */
  LRT_COUNT,   /* value 0, an i64, grows by 1 */
  LRT_CLEAR,   /* value 0, which grows, is empty */
  LRT_COLLECT, /* value 1 goes behind what is in value 0: size 0 is its bytes, the others its dims */
  LRT_UNLESS,  /* go to step `at` where value 0, a bool, is false */
  LRT_TURNS,   /* go to step `at` where value 0, an i64, has reached value 1 */
  LRT_JUMP,    /* go to step `at` */
};

/* A symbol gets a value, or (-1) `size` must have it: that of the size `from`, or where `element` is not negative, that
 * element of the step's value 0. All values are taken before any symbol gets one. */
typedef struct lrt_let {
  int64_t symbol, size, from, element;
} lrt_let;

/* What a step tells, and what can be placed then. */
typedef struct lrt_told {
  const lrt_let *let;
  int64_t n_lets;
  int64_t opens; /* the segment, or -1 */
  int64_t turns; /* the segment of a loop's values, which change to their other place, or -1 */
  const char *where; /* for messages */
} lrt_told;

typedef struct lrt_step {
  int64_t op, at;
  const int64_t *args; /* [n_memory] values, then [n_sizes] sizes */
  int64_t n_memory, n_sizes;
  int64_t grid[3]; /* sizes */
  const lrt_told *told; /* or NULL */
} lrt_step;

enum { LRT_VERSION = 5, LRT_PHASE = 16 }; /* launches in a phase, at most */

/* The model, made for one level of processors, and one type of caches. */
typedef struct lrt_program {
  const char *level, *needs; /* needs: levels and features, with commas between */
  const char *kv;            /* the type that caches are kept in; "" where there are none */
  int64_t n_symbols, n_inputs, n_outputs, n_values, n_blocks, n_segments, n_grown, n_parts, n_steps;
  int64_t n_start; /* of the steps: lets and checks that are done before anything is placed */
  const lrt_symbol *symbol;
  const lrt_port *input, *output;
  const lrt_value *value;
  const lrt_block *block;
  const int64_t *segment; /* [n_segments + 1]: where each one's blocks begin */
  const lrt_part *part;
  const lrt_step *step;
  const int64_t *words;
  lrt_kernel *const *kernel;
  const uint8_t *data;
} lrt_program;

/* What a program knows of its model besides functions: so many elements, under a name. */
typedef struct lrt_fact {
  const char *name;
  int64_t dtype, n;
  const void *at;
} lrt_fact;

/* All that a file holds: the levels read the same weights. */
typedef struct lrt_model {
  int64_t version;
  const char *name, *made_by;
  int64_t n_levels;
  const lrt_program *level; /* [n_levels]: a later one asks for more; a level's are together, one a type of caches, the usual one first */
  int64_t weights_size;     /* without the end mark */
  uint64_t weights_hash;    /* of weights in a file of their own, or 0: they are in this one */
  const char *weights_file; /* its name, or NULL */
  int64_t n_facts;
  const lrt_fact *fact;
} lrt_model;

/* What a library exports: lrt_api_NAME (runtime/library.h) as `<model>_NAME`. */
#define LRT_API(F) F(open) F(open_bytes) F(check) F(close) F(session_open) F(session_close) F(run)
/* And what it exports besides where the model is a language model. */
#define LRT_API_TEXT(F) \
  F(tokenize) F(detokenize) F(ends) F(feed) F(logits) F(next) F(piece) F(length) F(truncate) F(copy) F(save) F(load)

/* ---- weights ---- */

/* What stands behind the weights. */
typedef struct lrt_end_mark {
  char magic[8];
  uint64_t size, hash, zero;
} lrt_end_mark;

#define LRT_MAGIC "lathe w1"
enum { LRT_WEIGHTS_ALIGN = 2 << 20 };

/* A hash of so many 64-bit words, in four lanes: finds damage, and is no protection against malice. */
typedef struct lrt_hash {
  uint64_t lane[4];
} lrt_hash;

static inline void lrt_hash_words(lrt_hash *h, const uint64_t *word, uint64_t n) {
  for (uint64_t i = 0; i < n; i++) {
    uint64_t x = (h->lane[i & 3] ^ word[i]) * 0x9E3779B97F4A7C15u;
    h->lane[i & 3] = x ^ x >> 29;
  }
}

static inline uint64_t lrt_hash_end(const lrt_hash *h) {
  uint64_t x = 0;
  for (int i = 0; i < 4; i++) x = (x ^ h->lane[i]) * 0xBF58476D1CE4E5B9u, x ^= x >> 32;
  return x;
}

#endif
