/* facts.h -- what a program knows of its model besides functions. */
#ifndef LRT_FACTS_H
#define LRT_FACTS_H

#include "runtime/abi.h"

/* NULL if there is none of that name and type. */
const lrt_fact *fact_find(const lrt_model *m, const char *name, int64_t dtype);
/* Its first number, or `otherwise`. */
int64_t fact_number(const lrt_model *m, const char *name, int64_t otherwise);

#endif
