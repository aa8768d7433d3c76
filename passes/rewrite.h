/* rewrite.h -- rules that put one value in another's place, and the questions that they ask of operands. */
#ifndef LATHE_REWRITE_H
#define LATHE_REWRITE_H

#include "ir/ir.h"

/* Looks at a node and gives the value that stands for its first result (the operand itself, or a new node's), or NULL. */
typedef Value *(*Rewrite)(Builder *b, Node *n);

enum { ANY_OP = OP_count };

typedef struct Rule {
  int op; /* or ANY_OP */
  Rewrite apply;
} Rule;

/* Applies the first rule that has something to say; the node is then gone. Sizes that only the data tells keep the names
 * that they had. */
bool rewrite_node(Module *m, Node *n, const Rule *rule, int n_rules);

/* The node that makes v, if it is such an op. */
Node *match_op(const Value *v, Op op);
/* The literal or splat that holds one number everywhere, which may have been broadcast; NULL where v holds several. */
const Constant *match_constant(const Value *v);
/* The one number that a literal or splat holds everywhere: its bits, or as a float's value; false where it holds several. */
bool match_bits(const Value *v, uint64_t *bits);
bool match_float(const Value *v, double *x);
/* Is it `want` everywhere, as its type rounds that? */
bool match_is(const Value *v, double want);
/* x, where v is `op` of x and of one number everywhere, in either order if `either`, and of x's type. */
Value *match_with_number(const Value *v, Op op, bool either, double *number);
/* Does nothing but this node use the value? */
bool match_only_use(const Value *v, const Node *user);

#endif
