/* facts.c -- what a program knows of its model besides functions. */
#include "runtime/facts.h"

#include <stddef.h>

#include "runtime/words.h"

const lrt_fact *fact_find(const lrt_model *m, const char *name, int64_t dtype) {
  for (int64_t i = 0; i < m->n_facts; i++)
    if (m->fact[i].dtype == dtype && text_same(m->fact[i].name, name)) return &m->fact[i];
  return NULL;
}

int64_t fact_number(const lrt_model *m, const char *name, int64_t otherwise) {
  const lrt_fact *f = fact_find(m, name, LRT_i64);
  return f && f->n ? *(const int64_t *)f->at : otherwise;
}
