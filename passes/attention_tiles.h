/* attention_tiles.h -- what the parts of attention in tiles share: what is known of a workgroup, and short words to write it. */
#ifndef LATHE_ATTENTION_TILES_H
#define LATHE_ATTENTION_TILES_H

#include "passes/attention.h"

enum { KEYS = 256, PART = 1024, ROWS = 96, WAYS = 8, KEY_TILE = 8, ROW_TILE = 6, FEW = 8 };
enum { LINE = 64, KEYS_AHEAD = 8192, VALUES_AHEAD = 4096 }; /* bytes: measured */
enum { MAX_VECTORS = 64, MAX_ROW_VECTORS = 3, MAX_TURNED = 16, MAX_PANEL_SUMS = 24 };

/* What has been summed of some keys: for each row the largest score, the weights' sum, and the values'. */
typedef struct Sums {
  Value *most, *weight; /* memory: [pad] */
  Value *value;         /* memory: [rows, e]; NULL in registers */
} Sums;

typedef struct Tiles {
  const Node *node;
  Type scores_type;
  int64_t lanes, d, e, share;
  int64_t rows, pad; /* of a workgroup, at most; and that filled up to whole vectors */
  bool fma, few, ends, begins, parts; /* are there keys past a row's last, before its first; several parts */
  bool turned;             /* keys lie in panels: a vector of memory is one element of several */
  bool runs, ring, single; /* do queries name their sequence; is the cache a ring; has a workgroup one query at most */
  Value *b, *g, *first, *count; /* the batch's element, head of keys, the workgroup's first row (of runs: of all), and how many it has */
  Value *sequence;              /* of keys and values */
  Value *keys;                  /* t */
  Value *base;                  /* i64: of a ring, the position that counts as 0 from here on; else NULL */
  Value *base_slot;             /* and where it lies */
  Value *k, *v, *k_base, *v_base; /* memory of keys and values, and where this head's begin */
  Value *k_step, *v_step;         /* how far apart they lie */
  Value *queries; /* memory: [d, pad], or of few rows [rows, d] */
  Value *scores;  /* memory: [KEYS, pad], or of few rows [rows, KEYS] */
  Value *staged;  /* memory: [KEY_TILE, d]: keys that are not f32; or NULL */
  Value *bias;    /* memory: [KEY_TILE, pad], or of few rows [rows, KEYS]; or NULL */
  Value *seen;    /* memory: [e], for values that are not finite; or NULL */
  Value *from, *to;   /* memory: [pad], i32: the keys that a row sees; NULL where that is all */
  Value *keep, *take; /* memory: [pad]: what sums so far and new ones are multiplied by */
  Value *low, *high;  /* the keys that some row sees */
  Value *scale;
  Sums block, part, total; /* of total, nothing where there is one part and no sink */
} Tiles;

typedef struct Row {
  Value *b, *i, *h;
} Row;

/* Row r of the workgroup; what is past the last is the last again. */
Row tiles_row(Kernel *k, const Tiles *t, Value *r);
/* Where a key lies among the keys, where its row begins, and how far apart its elements are. */
Value *tiles_slot(Kernel *k, const Tiles *t, Value *key);
Value *tiles_key(Kernel *k, const Tiles *t, Value *key);
/* What is added to a score, of a mask 0 or -inf. */
Value *tiles_bias(Kernel *k, const Tiles *t, Row row, Value *key);
/* From a product to a score: scaled, capped, biased; -inf where the key is not seen, whatever it holds. */
Value *tiles_finish_score(Kernel *k, const Tiles *t, Value *x, Value *bias, Value *seen);
/* Few rows wait for memory: it is asked for ahead of time, but where f32 lies in the order in which it is read, which processors
 * foresee better by themselves. */
void tiles_ask_ahead(Kernel *k, const Tiles *t, Value *memory, Value *at, int64_t ahead);

/* Of few rows: how many keys are scored at once, and the scores of keys `from` up to `to` of a block. */
int64_t tiles_key_step(const Tiles *t);
void tiles_score_by_keys(Kernel *k, const Tiles *t, Value *block, Value *from, Value *to);

/* ---- short words ---- */

static inline Value *num(Kernel *k, int64_t v) { return kb_index(&k->b, v); }
static inline Value *real(Kernel *k, double v) { return kb_float(&k->b, DT_f32, v); }
static inline Value *add(Kernel *k, Value *x, Value *y) { return kb_add(&k->b, x, y); }
static inline Value *times(Kernel *k, Value *x, int64_t y) { return kb_mul(&k->b, x, num(k, y)); }
static inline Value *binary(Kernel *k, Op op, Value *x, Value *y) { return build_binary(&k->b, op, x, y); }
static inline Value *splat(Kernel *k, const Tiles *t, Value *x) { return kb_splat(&k->b, x, t->lanes); }
static inline Value *load(Kernel *k, const Tiles *t, Value *memory, Value *at) { return kb_load_lanes(&k->b, memory, at, t->lanes); }
static void store(Kernel *k, Value *memory, Value *at, Value *x) { kb_store(&k->b, memory, at, x); }
static inline Value *lowest(Kernel *k, const Tiles *t) { return splat(k, t, real(k, -INFINITY)); }
static inline Value *fma3(Kernel *k, const Tiles *t, Value *x, Value *y, Value *z) {
  return kb_multiply_add(&k->b, t->fma, x, y, z);
}
static inline Value *larger(Kernel *k, Value *x, Value *than) { return kb_larger(&k->b, x, than); }

#endif
