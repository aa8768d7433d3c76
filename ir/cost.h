/* cost.h -- how much arithmetic and memory traffic a node is. */
#ifndef LATHE_COST_H
#define LATHE_COST_H

#include "ir/ir.h"

/* What a node does for the current values of its types' dims: by value, so exact for static shapes; symbols count as
 * their capacity or, without one, as 1. */
struct Cost {
  double flops;
  double bytes_read, bytes_written;
};
void cost_node(const Node *n, Cost *c);

#endif
