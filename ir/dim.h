/* dim.h -- sizes: integers, symbols, and arithmetic over them, in a canonical form compared by pointer.
 *
 * A Dim is a polynomial over atoms (symbols and opaque floordiv, mod, min, max), interned in a DimPool: equal sizes are
 * the same pointer. DIM_UNKNOWN, which type inference gives for a size that only the data knows, equals nothing. */
#ifndef LATHE_DIM_H
#define LATHE_DIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ir/arena.h"

enum { DIM_NO_CAPACITY = -1 };

typedef struct DimExpr DimExpr;
typedef const DimExpr *Dim;
typedef struct DimPool DimPool;

/* A symbol belongs to one function; `index` is its place in that function's list. */
typedef struct Symbol {
  const char *name;
  int index;
  int64_t capacity; /* the largest value, or DIM_NO_CAPACITY */
  bool derived;     /* known only once an op has run (the count of NonZero, say), not bound by an argument */
} Symbol;

typedef enum DimKind { DIM_KIND_SUM, DIM_KIND_SYMBOL, DIM_KIND_FLOORDIV, DIM_KIND_MOD, DIM_KIND_MIN, DIM_KIND_MAX,
                       DIM_KIND_UNKNOWN } DimKind;

/* coef * atom[0] * atom[1] * ... */
typedef struct DimTerm {
  int64_t coef;
  int n_atoms;
  const Dim *atom;
} DimTerm;

struct DimExpr {
  DimKind kind;
  int64_t constant; /* SUM: plus this */
  int n_terms;
  const DimTerm *term;
  const Symbol *symbol; /* SYMBOL */
  Dim a, b;             /* FLOORDIV, MOD, MIN, MAX */
  int depth, size;      /* functions within functions; symbols and numbers */
};

DimPool *dim_pool_new(Arena *a);

Dim dim_const(DimPool *p, int64_t v);
Dim dim_symbol(DimPool *p, const Symbol *s);
Dim dim_unknown(DimPool *p);
/* UNKNOWN in, UNKNOWN out; so is anything that overflows 64 bits or grows past a hundred terms or
 * two thousand symbols. */
Dim dim_add(DimPool *p, Dim a, Dim b);
Dim dim_sub(DimPool *p, Dim a, Dim b);
Dim dim_mul(DimPool *p, Dim a, Dim b);
Dim dim_floordiv(DimPool *p, Dim a, Dim b); /* exact where the polynomial divides; UNKNOWN for division by 0 */
Dim dim_ceildiv(DimPool *p, Dim a, Dim b);
Dim dim_mod(DimPool *p, Dim a, Dim b);
/* One of the two where the symbols' capacities show which. Who changes a capacity rebuilds types by dim_substitute(). */
Dim dim_min(DimPool *p, Dim a, Dim b);
Dim dim_max(DimPool *p, Dim a, Dim b);

static inline bool dim_is_const(Dim d) { return d->kind == DIM_KIND_SUM && d->n_terms == 0; }
static inline bool dim_is_unknown(Dim d) { return d->kind == DIM_KIND_UNKNOWN; }
bool dim_is(Dim d, int64_t v);
/* Is there a part of it, itself among them, that the test holds of? */
bool dim_any(Dim d, bool (*test)(void *ctx, Dim part), void *ctx);
/* A lone symbol, or NULL. */
const Symbol *dim_as_symbol(Dim d);

/* The value, given each symbol's by `value[symbol->index]`; false on overflow, on division by zero, or on a symbol
 * whose value is negative, which means unbound. */
bool dim_eval(Dim d, const int64_t *value, int n_values, int64_t *out);
/* The largest value by the symbols' capacities, or DIM_NO_CAPACITY where there is no bound. */
int64_t dim_capacity(Dim d);
/* The same expression with symbols replaced: `with[symbol->index]`, NULL to keep. */
Dim dim_substitute(DimPool *p, Dim d, const Dim *with, int n);

/* Is it at least v for all values of its symbols (from 0 to their capacities)? False where that cannot be shown. */
bool dim_at_least(Dim d, int64_t v);

/* As text: `2*past+seq+1`, `floordiv(past+seq,2)`, `?`. */
void dim_print(FILE *out, Dim d);
/* For messages: cut where it is long. */
char *dim_text(Arena *a, Dim d);

#endif
