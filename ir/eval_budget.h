/* eval_budget.h -- the memory of tensors, counted against --max-memory. */
#ifndef LATHE_EVAL_BUDGET_H
#define LATHE_EVAL_BUDGET_H

#include "ir/eval.h"

/* Outlives its evaluator for as long as there are tensors that count against it. */
typedef struct Budget {
  int refs;
  int64_t used, limit; /* bytes; limit 0: none */
  bool exhausted;      /* something did not fit */
  bool no_memory;      /* and that was the machine's limit, not this one */
} Budget;

Budget *budget_new(int64_t limit);
void budget_release(Budget *b);

/* What tensor_new needs of an evaluator: where to count, and whom to blame. */
Budget *eval_budget(Evaluator *e);
bool eval_blame(Evaluator *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
