/* row_axis.h -- does a node compute each row by itself? */
#ifndef LATHE_ROW_AXIS_H
#define LATHE_ROW_AXIS_H

#include "ir/ir.h"

enum { NO_ROWS = -1, MIXED_ROWS = -2 };

/* The axis that is as long as the symbol, where that is one and no other size mentions it; NO_ROWS where none does. */
int row_axis(Type t, const Symbol *rows);
/* Does row i of each result depend on row i of the operands alone, and else on what has no rows? */
bool row_by_row(const Node *n, const Symbol *rows);
/* Does the operand only say what sizes the result has, or where it is cut? */
bool is_size_operand(const Node *n, int i);

#endif
