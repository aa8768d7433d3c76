/* dim.c -- sizes: integers, symbols, and arithmetic over them, in a canonical form compared by pointer.
 *
 * A sum holds its terms in a fixed order (by the atoms' structure, not by address), so that what was built in another
 * order is the same sum, and prints the same. An atom alone is represented by itself, not by a sum of one term. */
#include "ir/dim.h"

#include <inttypes.h>

#include "ir/checked.h"
#include "ir/fatal.h"
#include "ir/intern.h"
#include "ir/text_lex.h"

enum { MAX_TERMS = 100, MAX_ATOMS = 12, MAX_DEPTH = 16, MAX_SIZE = 2000 };

struct DimPool {
  Interner exprs;
  Dim unknown;
};

/* ---- interning ---- */

static uint64_t hash(const void *x) {
  const DimExpr *e = x;
  uint64_t h = hash_mix((uint64_t)e->kind + 1, (uint64_t)e->constant);
  h = hash_mix(h, (uintptr_t)e->symbol);
  h = hash_mix(h, (uintptr_t)e->a);
  h = hash_mix(h, (uintptr_t)e->b);
  for (int i = 0; i < e->n_terms; i++) {
    h = hash_mix(h, (uint64_t)e->term[i].coef);
    for (int k = 0; k < e->term[i].n_atoms; k++) h = hash_mix(h, (uintptr_t)e->term[i].atom[k]);
  }
  return h;
}

static bool same_atoms(const DimTerm *a, const DimTerm *b) {
  return a->n_atoms == b->n_atoms && memcmp(a->atom, b->atom, (size_t)a->n_atoms * sizeof *a->atom) == 0;
}

static bool same(const void *px, const void *py) {
  const DimExpr *x = px, *y = py;
  if (x->kind != y->kind || x->constant != y->constant || x->n_terms != y->n_terms) return false;
  if (x->symbol != y->symbol || x->a != y->a || x->b != y->b) return false;
  for (int i = 0; i < x->n_terms; i++)
    if (x->term[i].coef != y->term[i].coef || !same_atoms(&x->term[i], &y->term[i])) return false;
  return true;
}

/* The terms are copied, too. */
static const void *keep(Arena *a, const void *x) {
  const DimExpr *e = x;
  DimExpr *d = ARENA_NEW(a, DimExpr);
  *d = *e;
  DimTerm *term = ARENA_ARRAY(a, DimTerm, e->n_terms);
  for (int i = 0; i < e->n_terms; i++) {
    Dim *atom = ARENA_ARRAY(a, Dim, e->term[i].n_atoms);
    memcpy(atom, e->term[i].atom, (size_t)e->term[i].n_atoms * sizeof *atom);
    term[i] = (DimTerm){e->term[i].coef, e->term[i].n_atoms, atom};
  }
  d->term = term;
  return d;
}

static void weigh(DimExpr *e) {
  e->size = 1;
  if (e->a) {
    e->size += e->a->size + e->b->size;
    e->depth = 1 + (e->a->depth > e->b->depth ? e->a->depth : e->b->depth);
  }
  for (int i = 0; i < e->n_terms; i++)
    for (int k = 0; k < e->term[i].n_atoms; k++) {
      e->size += e->term[i].atom[k]->size;
      if (e->term[i].atom[k]->depth > e->depth) e->depth = e->term[i].atom[k]->depth;
    }
}

/* What shares its parts is small in memory, and may still be endless when it is walked over or written out. */
static Dim intern(DimPool *p, DimExpr *e) {
  weigh(e);
  return e->size > MAX_SIZE || e->depth > MAX_DEPTH ? p->unknown : intern_find(&p->exprs, e);
}

DimPool *dim_pool_new(Arena *a) {
  DimPool *p = ARENA_NEW(a, DimPool);
  p->exprs = (Interner){.arena = a, .hash = hash, .same = same, .keep = keep};
  p->unknown = intern(p, &(DimExpr){.kind = DIM_KIND_UNKNOWN});
  return p;
}

Dim dim_unknown(DimPool *p) { return p->unknown; }
Dim dim_const(DimPool *p, int64_t v) { return intern(p, &(DimExpr){.kind = DIM_KIND_SUM, .constant = v}); }
Dim dim_symbol(DimPool *p, const Symbol *s) { return intern(p, &(DimExpr){.kind = DIM_KIND_SYMBOL, .symbol = s}); }

bool dim_is(Dim d, int64_t v) { return dim_is_const(d) && d->constant == v; }
bool dim_any(Dim d, bool (*test)(void *ctx, Dim part), void *ctx) {
  if (test(ctx, d) || (d->a && (dim_any(d->a, test, ctx) || dim_any(d->b, test, ctx)))) return true;
  for (int i = 0; i < d->n_terms; i++)
    for (int k = 0; k < d->term[i].n_atoms; k++)
      if (dim_any(d->term[i].atom[k], test, ctx)) return true;
  return false;
}

const Symbol *dim_as_symbol(Dim d) { return d->kind == DIM_KIND_SYMBOL ? d->symbol : NULL; }

/* ---- order ---- */

static int compare_terms(const DimTerm *a, const DimTerm *b);

/* By structure: symbols by their place in the function, then the rest. Never by address. */
static int compare(Dim a, Dim b) {
  if (a == b) return 0;
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  if (a->kind == DIM_KIND_SYMBOL) {
    if (a->symbol->index != b->symbol->index) return a->symbol->index < b->symbol->index ? -1 : 1;
    return strcmp(a->symbol->name, b->symbol->name);
  }
  if (a->kind == DIM_KIND_SUM) {
    if (a->n_terms != b->n_terms) return a->n_terms < b->n_terms ? -1 : 1;
    for (int i = 0; i < a->n_terms; i++) {
      int c = compare_terms(&a->term[i], &b->term[i]);
      if (c) return c;
      if (a->term[i].coef != b->term[i].coef) return a->term[i].coef < b->term[i].coef ? -1 : 1;
    }
    return a->constant < b->constant ? -1 : a->constant > b->constant;
  }
  int c = compare(a->a, b->a);
  return c ? c : compare(a->b, b->b);
}

/* Higher degrees first, so that 2*past*seq+seq+1 reads as one expects. */
static int compare_terms(const DimTerm *a, const DimTerm *b) {
  if (a->n_atoms != b->n_atoms) return a->n_atoms > b->n_atoms ? -1 : 1;
  for (int i = 0; i < a->n_atoms; i++) {
    int c = compare(a->atom[i], b->atom[i]);
    if (c) return c;
  }
  return 0;
}

/* ---- sums ---- */

/* A sum being put together: terms sorted, equal atoms merged. */
typedef struct Sum {
  bool unknown;
  int64_t constant;
  int n;
  DimTerm term[MAX_TERMS];
  Dim atom[MAX_TERMS][MAX_ATOMS];
} Sum;

static void sum_add_term(Sum *s, const DimTerm *t) {
  if (t->coef == 0 || s->unknown) return;
  int at = s->n, c = 1; /* from the end, since terms mostly come in order */
  while (at > 0 && (c = compare_terms(&s->term[at - 1], t)) > 0) at--;
  if (at > 0 && c == 0) {
    DimTerm *same = &s->term[at - 1];
    if (!checked_add(same->coef, t->coef, &same->coef)) s->unknown = true;
    return; /* a coefficient that became 0 is dropped by sum_finish() */
  }
  if (s->n == MAX_TERMS || t->n_atoms > MAX_ATOMS) { s->unknown = true; return; }
  for (int i = s->n; i > at; i--) {
    memcpy(s->atom[i], s->atom[i - 1], sizeof s->atom[i]);
    s->term[i] = (DimTerm){s->term[i - 1].coef, s->term[i - 1].n_atoms, s->atom[i]};
  }
  memcpy(s->atom[at], t->atom, (size_t)t->n_atoms * sizeof(Dim));
  s->term[at] = (DimTerm){t->coef, t->n_atoms, s->atom[at]};
  s->n++;
}

static void sum_add(Sum *s, Dim d, int64_t times) {
  int64_t k;
  if (d->kind == DIM_KIND_UNKNOWN) { s->unknown = true; return; }
  if (d->kind != DIM_KIND_SUM) { sum_add_term(s, &(DimTerm){times, 1, &d}); return; }
  if (!checked_mul(d->constant, times, &k) || !checked_add(s->constant, k, &s->constant)) s->unknown = true;
  for (int i = 0; i < d->n_terms; i++) {
    if (!checked_mul(d->term[i].coef, times, &k)) { s->unknown = true; return; }
    sum_add_term(s, &(DimTerm){k, d->term[i].n_atoms, d->term[i].atom});
  }
}

static Dim sum_finish(DimPool *p, Sum *s) {
  if (s->unknown) return p->unknown;
  int n = 0;
  for (int i = 0; i < s->n; i++)
    if (s->term[i].coef) s->term[n++] = s->term[i];
  if (n == 1 && s->constant == 0 && s->term[0].coef == 1 && s->term[0].n_atoms == 1) return s->term[0].atom[0];
  return intern(p, &(DimExpr){.kind = DIM_KIND_SUM, .constant = s->constant, .n_terms = n, .term = s->term});
}

static Dim combine(DimPool *p, Dim a, int64_t ka, Dim b, int64_t kb) {
  Sum *s = &(Sum){0};
  sum_add(s, a, ka);
  sum_add(s, b, kb);
  return sum_finish(p, s);
}

Dim dim_add(DimPool *p, Dim a, Dim b) {
  int64_t k;
  if (dim_is_const(a) && dim_is_const(b) && checked_add(a->constant, b->constant, &k)) return dim_const(p, k);
  return combine(p, a, 1, b, 1);
}

Dim dim_sub(DimPool *p, Dim a, Dim b) {
  int64_t k;
  if (dim_is_const(a) && dim_is_const(b) && checked_sub(a->constant, b->constant, &k)) return dim_const(p, k);
  return combine(p, a, 1, b, -1);
}

/* d as a list of terms and a constant, which is what a product distributes over. */
static int terms_of(const Dim *d, DimTerm *one, const DimTerm **term) {
  if ((*d)->kind == DIM_KIND_SUM) {
    *term = (*d)->term;
    return (*d)->n_terms;
  }
  *one = (DimTerm){1, 1, d};
  *term = one;
  return 1;
}

/* The atoms of both in order: two sorted lists merged. */
static void multiply_terms(Sum *s, const DimTerm *a, const DimTerm *b) {
  Dim atom[2 * MAX_ATOMS];
  int i = 0, k = 0, n = 0;
  int64_t coef;
  if (a->n_atoms + b->n_atoms > MAX_ATOMS || !checked_mul(a->coef, b->coef, &coef)) { s->unknown = true; return; }
  while (i < a->n_atoms || k < b->n_atoms) {
    bool left = k == b->n_atoms || (i < a->n_atoms && compare(a->atom[i], b->atom[k]) <= 0);
    atom[n++] = left ? a->atom[i++] : b->atom[k++];
  }
  sum_add_term(s, &(DimTerm){coef, n, atom});
}

Dim dim_mul(DimPool *p, Dim a, Dim b) {
  if (dim_is(a, 0) || dim_is(b, 0)) return dim_const(p, 0);
  if (dim_is_unknown(a) || dim_is_unknown(b)) return p->unknown;
  if (dim_is_const(a)) return combine(p, b, a->constant, b, 0);
  if (dim_is_const(b)) return combine(p, a, b->constant, a, 0);
  Sum *s = &(Sum){0};
  DimTerm one_a, one_b;
  const DimTerm *ta, *tb;
  int na = terms_of(&a, &one_a, &ta), nb = terms_of(&b, &one_b, &tb);
  for (int i = 0; i < na; i++)
    for (int k = 0; k < nb; k++) multiply_terms(s, &ta[i], &tb[k]);
  if (a->kind == DIM_KIND_SUM)
    for (int k = 0; k < nb; k++) multiply_terms(s, &(DimTerm){a->constant, 0, NULL}, &tb[k]);
  if (b->kind == DIM_KIND_SUM)
    for (int i = 0; i < na; i++) multiply_terms(s, &ta[i], &(DimTerm){b->constant, 0, NULL});
  if (a->kind == DIM_KIND_SUM && b->kind == DIM_KIND_SUM && !checked_mul(a->constant, b->constant, &s->constant))
    s->unknown = true;
  return sum_finish(p, s);
}

/* ---- division ---- */

static int64_t floordiv(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

static Dim opaque(DimPool *p, DimKind kind, Dim a, Dim b) {
  if (dim_is_unknown(a) || dim_is_unknown(b)) return p->unknown;
  return intern(p, &(DimExpr){.kind = kind, .a = a, .b = b});
}

/* t without the atoms of the monomial m, or false where m does not divide it. */
static bool divide_term(const DimTerm *t, const DimTerm *m, Dim *atom, DimTerm *out) {
  int n = 0, k = 0;
  if (t->coef % m->coef != 0) return false;
  for (int i = 0; i < t->n_atoms; i++) {
    if (k < m->n_atoms && t->atom[i] == m->atom[k]) k++;
    else atom[n++] = t->atom[i];
  }
  *out = (DimTerm){t->coef / m->coef, n, atom};
  return k == m->n_atoms;
}

/* The term that comes first in the order of sums; of a number, the number. */
static DimTerm leading_term(const Dim *d, DimTerm *one) {
  const DimTerm *t;
  if (terms_of(d, one, &t)) return t[0];
  return (DimTerm){(*d)->constant, 0, NULL};
}

/* a/b where b divides a as a polynomial, or NULL: long division by leading terms. */
static Dim divide_exactly(DimPool *p, Dim a, Dim b) {
  enum { MAX_STEPS = 32 };
  Dim quotient = dim_const(p, 0);
  DimTerm one_a, one_b, q, by = leading_term(&b, &one_b);
  if (by.coef == 0 || by.coef == -1) return NULL;
  for (int i = 0; i < MAX_STEPS && !dim_is(a, 0) && !dim_is_unknown(a); i++) {
    Dim atom[MAX_ATOMS];
    DimTerm lead = leading_term(&a, &one_a);
    if (!divide_term(&lead, &by, atom, &q)) return NULL;
    Sum *s = &(Sum){.constant = q.n_atoms ? 0 : q.coef};
    if (q.n_atoms) sum_add_term(s, &q);
    Dim part = sum_finish(p, s);
    quotient = dim_add(p, quotient, part);
    a = dim_sub(p, a, dim_mul(p, part, b));
  }
  return dim_is(a, 0) ? quotient : NULL;
}

/* What a number b > 1 divides of a, over b: floordiv(a,b) is this plus floordiv(a-b*this,b), where b divides no
 * coefficient and the constant lies in [0,b). So (n-2)/2+1 and (n+2)/2-1 both become n/2. */
static Dim whole_part(DimPool *p, Dim a, Dim b) {
  if (!dim_is_const(b) || b->constant < 2) return dim_const(p, 0);
  DimTerm one;
  const DimTerm *t;
  int n = terms_of(&a, &one, &t);
  Sum *s = &(Sum){.constant = a->kind == DIM_KIND_SUM ? floordiv(a->constant, b->constant) : 0};
  for (int i = 0; i < n; i++)
    if (t[i].coef % b->constant == 0)
      sum_add_term(s, &(DimTerm){t[i].coef / b->constant, t[i].n_atoms, t[i].atom});
  return sum_finish(p, s);
}

Dim dim_floordiv(DimPool *p, Dim a, Dim b) {
  if (dim_is_unknown(a) || dim_is_unknown(b) || dim_is(b, 0)) return p->unknown;
  if (dim_is(b, 1)) return a;
  if (dim_is_const(a) && dim_is_const(b))
    return b->constant == -1 ? dim_sub(p, dim_const(p, 0), a) : dim_const(p, floordiv(a->constant, b->constant));
  if (a == b) return dim_const(p, 1);
  Dim exact = divide_exactly(p, a, b);
  if (exact) return exact;
  Dim whole = whole_part(p, a, b), rest = dim_sub(p, a, dim_mul(p, whole, b));
  return dim_add(p, whole,
                 dim_is_const(rest) && dim_is_const(b) ? dim_const(p, 0) : opaque(p, DIM_KIND_FLOORDIV, rest, b));
}

Dim dim_ceildiv(DimPool *p, Dim a, Dim b) {
  if (dim_is_unknown(a) || dim_is_unknown(b) || dim_is(b, 0)) return p->unknown;
  if (dim_is(b, 1) || (!dim_is_const(a) && divide_exactly(p, a, b))) return dim_floordiv(p, a, b);
  return dim_floordiv(p, dim_sub(p, dim_add(p, a, b), dim_const(p, 1)), b);
}

Dim dim_mod(DimPool *p, Dim a, Dim b) {
  if (dim_is_unknown(a) || dim_is_unknown(b) || dim_is(b, 0)) return p->unknown;
  if (dim_is(b, 1) || dim_is(b, -1) || a == b) return dim_const(p, 0);
  if (dim_is_const(a) && dim_is_const(b))
    return dim_const(p, a->constant - b->constant * floordiv(a->constant, b->constant));
  if (divide_exactly(p, a, b)) return dim_const(p, 0);
  Dim rest = dim_sub(p, a, dim_mul(p, whole_part(p, a, b), b));
  return dim_is_const(rest) ? rest : opaque(p, DIM_KIND_MOD, rest, b);
}

/* ---- values ---- */

static bool eval_sum(Dim d, const int64_t *value, int n_values, int64_t *out) {
  int64_t sum = d->constant;
  for (int i = 0; i < d->n_terms; i++) {
    int64_t product = d->term[i].coef, v;
    for (int k = 0; k < d->term[i].n_atoms; k++)
      if (!dim_eval(d->term[i].atom[k], value, n_values, &v) || !checked_mul(product, v, &product)) return false;
    if (!checked_add(sum, product, &sum)) return false;
  }
  *out = sum;
  return true;
}

bool dim_eval(Dim d, const int64_t *value, int n_values, int64_t *out) {
  int64_t a, b;
  switch (d->kind) {
  case DIM_KIND_UNKNOWN: return false;
  case DIM_KIND_SUM: return eval_sum(d, value, n_values, out);
  case DIM_KIND_SYMBOL:
    if (d->symbol->index >= n_values || value[d->symbol->index] < 0) return false;
    *out = value[d->symbol->index];
    return true;
  default: break;
  }
  if (!dim_eval(d->a, value, n_values, &a) || !dim_eval(d->b, value, n_values, &b)) return false;
  bool divides = d->kind == DIM_KIND_FLOORDIV || d->kind == DIM_KIND_MOD;
  if (divides && (b == 0 || (b == -1 && a == INT64_MIN))) return false;
  *out = d->kind == DIM_KIND_FLOORDIV ? floordiv(a, b)
         : d->kind == DIM_KIND_MOD    ? a - b * floordiv(a, b)
         : d->kind == DIM_KIND_MIN    ? (a < b ? a : b)
                                      : (a > b ? a : b);
  return true;
}

/* An interval; a side without a bound is an infinity. */
typedef struct Range {
  int64_t lo, hi;
} Range;

static const Range anything = {INT64_MIN, INT64_MAX};

static int64_t clamped_mul(int64_t a, int64_t b) {
  int64_t r;
  if (a == 0 || b == 0) return 0;
  if (a == INT64_MIN || b == INT64_MIN || a == INT64_MAX || b == INT64_MAX || !checked_mul(a, b, &r))
    return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
  return r;
}

static int64_t clamped_add(int64_t a, int64_t b, int64_t infinity) {
  int64_t r;
  if (a == infinity || b == infinity || !checked_add(a, b, &r)) return infinity;
  return r;
}

static Range range_mul(Range a, Range b) {
  int64_t c[4] = {clamped_mul(a.lo, b.lo), clamped_mul(a.lo, b.hi), clamped_mul(a.hi, b.lo), clamped_mul(a.hi, b.hi)};
  Range r = {c[0], c[0]};
  for (int i = 1; i < 4; i++) {
    if (c[i] < r.lo) r.lo = c[i];
    if (c[i] > r.hi) r.hi = c[i];
  }
  return r;
}

static Range range_of(Dim d);

static Range range_of_sum(Dim d) {
  Range sum = {d->constant, d->constant};
  for (int i = 0; i < d->n_terms; i++) {
    Range product = {d->term[i].coef, d->term[i].coef};
    for (int k = 0; k < d->term[i].n_atoms; k++) product = range_mul(product, range_of(d->term[i].atom[k]));
    sum.lo = clamped_add(sum.lo, product.lo, INT64_MIN);
    sum.hi = clamped_add(sum.hi, product.hi, INT64_MAX);
  }
  return sum;
}

static Range range_of(Dim d) {
  if (d->kind == DIM_KIND_UNKNOWN) return anything;
  if (d->kind == DIM_KIND_SUM) return range_of_sum(d);
  if (d->kind == DIM_KIND_SYMBOL)
    return (Range){0, d->symbol->capacity == DIM_NO_CAPACITY ? INT64_MAX : d->symbol->capacity};
  Range a = range_of(d->a), b = range_of(d->b);
  switch (d->kind) {
  case DIM_KIND_MIN: return (Range){a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi};
  case DIM_KIND_MAX: return (Range){a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
  case DIM_KIND_MOD: return b.lo > 0 ? (Range){0, b.hi == INT64_MAX ? INT64_MAX : b.hi - 1} : anything;
  default: break;
  }
  if (a.lo < 0 || b.lo <= 0) return anything;
  return (Range){0, a.hi == INT64_MAX ? INT64_MAX : a.hi / b.lo};
}

int64_t dim_capacity(Dim d) {
  int64_t hi = range_of(d).hi;
  return hi == INT64_MAX ? DIM_NO_CAPACITY : hi;
}

bool dim_at_least(Dim d, int64_t v) { return range_of(d).lo >= v; }

/* ---- minimum, maximum ---- */

/* Does a <= b hold whatever the symbols' values? */
static bool never_above(DimPool *p, Dim a, Dim b) {
  if (dim_is_const(a) && dim_is_const(b)) return a->constant <= b->constant;
  return a == b || dim_at_least(dim_sub(p, b, a), 0);
}

/* Both orders are the same expression. */
static Dim extreme(DimPool *p, DimKind kind, Dim a, Dim b) {
  return compare(a, b) <= 0 ? opaque(p, kind, a, b) : opaque(p, kind, b, a);
}

Dim dim_min(DimPool *p, Dim a, Dim b) {
  if (never_above(p, a, b)) return a;
  return never_above(p, b, a) ? b : extreme(p, DIM_KIND_MIN, a, b);
}

Dim dim_max(DimPool *p, Dim a, Dim b) {
  if (never_above(p, b, a)) return a;
  return never_above(p, a, b) ? b : extreme(p, DIM_KIND_MAX, a, b);
}

/* ---- substitution ---- */

static Dim substitute_sum(DimPool *p, Dim d, const Dim *with, int n) {
  Dim sum = dim_const(p, d->constant);
  for (int i = 0; i < d->n_terms; i++) {
    Dim product = dim_const(p, d->term[i].coef);
    for (int k = 0; k < d->term[i].n_atoms; k++)
      product = dim_mul(p, product, dim_substitute(p, d->term[i].atom[k], with, n));
    sum = dim_add(p, sum, product);
  }
  return sum;
}

Dim dim_substitute(DimPool *p, Dim d, const Dim *with, int n) {
  switch (d->kind) {
  case DIM_KIND_UNKNOWN: return d;
  case DIM_KIND_SUM: return substitute_sum(p, d, with, n);
  case DIM_KIND_SYMBOL: return d->symbol->index < n && with[d->symbol->index] ? with[d->symbol->index] : d;
  default: break;
  }
  Dim a = dim_substitute(p, d->a, with, n), b = dim_substitute(p, d->b, with, n);
  switch (d->kind) {
  case DIM_KIND_FLOORDIV: return dim_floordiv(p, a, b);
  case DIM_KIND_MOD: return dim_mod(p, a, b);
  case DIM_KIND_MIN: return dim_min(p, a, b);
  default: return dim_max(p, a, b);
  }
}

/* ---- text ---- */

static const char *const function_name[] = {[DIM_KIND_FLOORDIV] = "floordiv", [DIM_KIND_MOD] = "mod",
                                            [DIM_KIND_MIN] = "min", [DIM_KIND_MAX] = "max"};

static void print_term(FILE *out, const DimTerm *t, bool first) {
  bool unit = t->coef == 1 || t->coef == -1;
  fputs(t->coef < 0 ? "-" : first ? "" : "+", out);
  if (!unit) fprintf(out, "%" PRIu64, t->coef < 0 ? 0 - (uint64_t)t->coef : (uint64_t)t->coef);
  for (int i = 0; i < t->n_atoms; i++) {
    if (!unit || i) fputc('*', out);
    dim_print(out, t->atom[i]);
  }
}

static void print_sum(FILE *out, Dim d) {
  for (int i = 0; i < d->n_terms; i++) print_term(out, &d->term[i], i == 0);
  if (d->n_terms == 0) fprintf(out, "%" PRId64, d->constant);
  else if (d->constant) fprintf(out, "%+" PRId64, d->constant);
}

/* A symbol may have any name; one that would be read as something else stands in quotes. */
static void print_symbol(FILE *out, const char *name) {
  bool taken = false;
  for (int i = DIM_KIND_FLOORDIV; i <= DIM_KIND_MAX; i++) taken |= strcmp(name, function_name[i]) == 0;
  if (taken) text_quote(out, name);
  else text_word(out, name);
}

void dim_print(FILE *out, Dim d) {
  switch (d->kind) {
  case DIM_KIND_UNKNOWN: fputc('?', out); return;
  case DIM_KIND_SUM: print_sum(out, d); return;
  case DIM_KIND_SYMBOL: print_symbol(out, d->symbol->name); return;
  default: break;
  }
  fprintf(out, "%s(", function_name[d->kind]);
  dim_print(out, d->a);
  fputc(',', out);
  dim_print(out, d->b);
  fputc(')', out);
}

char *dim_text(Arena *a, Dim d) {
  TextBuffer b;
  text_buffer_open(&b);
  dim_print(b.out, d);
  return text_buffer_close(&b, a, TEXT_MOST);
}
