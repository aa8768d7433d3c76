/* bind.h -- symbolic sizes given values or bounds from outside. */
#ifndef LATHE_BIND_H
#define LATHE_BIND_H

#include "ir/ir.h"

/* Replaces symbols by sizes (`with[symbol->index]`, NULL to keep) in every type and `dims` of a function. */
void func_substitute(Func *f, const Dim *with);
/* The same for one type, and for the sizes of one node's attributes, of a function of n symbols. */
Type type_substitute(Module *m, Type t, const Dim *with, int n);
void node_substitute(Module *m, Node *node, const Dim *with, int n);

typedef struct Binding {
  const char *name;
  int64_t value;
  bool capacity; /* the largest value; else the value itself */
} Binding;

/* Reads `seq=16` or `seq<=16`. */
bool binding_parse(Arena *a, Diag *d, const char *text, Binding *b);
/* Fixes or bounds the symbol in every function that has it. False after a diag_error. */
bool module_bind(Module *m, const Binding *b);

#endif
