/* tile.h -- the tiles of products that a target's registers hold: the packer and the kernels agree on them here. */
#ifndef LATHE_TILE_H
#define LATHE_TILE_H

#include "ir/target.h"

typedef struct MatmulTile {
  int rows;    /* of sums that are kept in registers */
  int vectors; /* a row, of `lanes` each */
  int lanes;
  int width;   /* columns of a panel: vectors * lanes */
} MatmulTile;

/* Two vectors a row: rows * 2 sums, two vectors of the panel, and one of the other operand fill the registers; an even
 * number of rows measured best. */
static inline MatmulTile matmul_tile(const Target *t) {
  int lanes = t->vector_bytes / 4, rows = (t->vector_registers - 3) / 2;
  if (rows > 12) rows = 12;
  return (MatmulTile){.rows = rows / 2 * 2, .vectors = 2, .lanes = lanes, .width = 2 * lanes};
}

#endif
