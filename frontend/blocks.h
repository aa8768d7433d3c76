/* blocks.h -- how GGUF files keep elements: as they are, or in blocks that share a scale. */
#ifndef LATHE_BLOCKS_H
#define LATHE_BLOCKS_H

#include "ir/ir.h"

typedef struct BlockType {
  int64_t number; /* in the file */
  const char *name;
  Dtype dtype;             /* DT_none: in blocks */
  int64_t elements, bytes; /* of a block; no elements: neither known nor decoded */
  /* The numbers of u8[.., blocks, bytes] as f32[.., blocks, elements]. */
  Value *(*decode)(Builder *b, Value *raw);
} BlockType;

/* NULL if there is no such type. */
const BlockType *block_type(int64_t number);

#endif
