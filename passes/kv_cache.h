/* kv_cache.h -- the parts of the pass `kv_cache`, which makes an incremental decoder of a graph over whole sequences. */
#ifndef LATHE_KV_CACHE_H
#define LATHE_KV_CACHE_H

#include "passes/pass.h"

/* A decoder's graph as it was exported, about to be translated. `copy` is simplified as for sequences without padding: masks are gone,
 * and places are numbers that grow from `past` on. What is built goes into `func`. */
typedef struct KvGraph {
  PassCall *call;
  Module *module;
  Func *func, *copy;
  Value *ids; /* [batch, seq] or [seq], an argument of the copy */
  Dim batch, seq, past;
  const Symbol *past_symbol; /* NULL: the graph has no past */
  bool *is_past;             /* [arguments of the copy] */
  bool by_batch;             /* the graph takes one token of each sequence: rows are its batch, and else its sequence */
  int64_t limit;             /* positions that its tables hold, or 0 */
  int logits;                /* which result */
  Loc where;
  const char *why; /* it cannot be done, or NULL */
} KvGraph;

/* Notes the first reason; returns false. */
bool kv_fail(KvGraph *g, Loc where, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Translates the copy into a new body over rows for `func`, with caches of so many positions and sequences; false, and nothing has
 * changed, where that cannot be done. */
bool kv_translate(KvGraph *g, int64_t context, int64_t sequences);

#endif
