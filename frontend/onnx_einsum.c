/* onnx_einsum.c -- the importer of Einsum: products by pairs, from left to right.
 *
 * An operand is a tensor with a label for each of its axes; the axes of an ellipsis get labels of their own, counted from
 * the right. Two operands are joined by summing what neither the result nor a later operand needs: as a matmul whose
 * batch is the labels that both have and keep, or, where nothing is summed, as a product that broadcasts. */
#include <ctype.h>
#include <string.h>

#include "frontend/onnx_build.h"

enum { ELLIPSIS = 52, LABELS = ELLIPSIS + MAX_RANK };

typedef struct Term {
  Value *v;
  int n, label[MAX_RANK];
} Term;

typedef struct LabelSet {
  bool has[LABELS];
} LabelSet;

static int label_of(char letter) { return isupper((unsigned char)letter) ? letter - 'A' : letter - 'a' + 26; }

/* ---- the equation ---- */

/* How many axes the ellipsis of a term stands for, given the rank; -1 where the term does not fit it. */
static int ellipsis_axes(const char *s, size_t n, int rank) {
  bool dots = false;
  int letters = 0;
  for (size_t i = 0; i < n; i++) {
    if (s[i] == '.')
      dots = true;
    else
      letters++;
  }
  if (letters > rank || (letters < rank && !dots)) return -1;
  return rank - letters;
}

static bool well_formed(const char *s, size_t n) {
  int dots = 0;
  for (size_t i = 0; i < n; i++) {
    if (s[i] == '.' && (n - i < 3 || strncmp(s + i, "...", 3) != 0 || dots++)) return false;
    if (s[i] == '.')
      i += 2;
    else if (!isalpha((unsigned char)s[i]))
      return false;
  }
  return true;
}

/* The labels of a term whose ellipsis has `axes` axes, the last of `widest`. */
static bool read_labels(OnnxCall *c, const char *s, size_t n, int axes, int widest, Term *t) {
  t->n = 0;
  for (size_t i = 0; i < n; i++) {
    int many = s[i] == '.' ? axes : 1;
    if (t->n + many > MAX_RANK) return onnx_refuse(c, NULL, "a term with more than %d axes", MAX_RANK);
    for (int k = 0; k < many; k++) t->label[t->n++] = s[i] == '.' ? ELLIPSIS + widest - axes + k : label_of(s[i]);
    if (s[i] == '.') i += 2;
  }
  return true;
}

static char *without_spaces(OnnxCall *c, const char *s) {
  char *copy = arena_string(c->b->module->arena, s, strlen(s)), *to = copy;
  for (const char *at = s; *at; at++)
    if (!isspace((unsigned char)*at)) *to++ = *at;
  *to = 0;
  return copy;
}

/* Without an arrow, the result has the ellipsis and then, in order of the alphabet, every label that occurs once. */
static void implicit_result(const Term *term, int n_terms, int widest, Term *out) {
  int count[LABELS] = {0};
  for (int i = 0; i < n_terms; i++)
    for (int k = 0; k < term[i].n; k++) count[term[i].label[k]]++;
  out->n = 0;
  for (int k = 0; k < widest; k++) out->label[out->n++] = ELLIPSIS + k;
  for (int l = 0; l < ELLIPSIS && out->n < MAX_RANK; l++)
    if (count[l] == 1) out->label[out->n++] = l;
}

/* Reads "ij,jk->ik" into a term for each operand and the result's. */
static bool read_equation(OnnxCall *c, Term *term, Term *out) {
  const char *s = without_spaces(c, onnx_string(c, "equation", "")), *arrow = strstr(s, "->");
  const char *end = arrow ? arrow : s + strlen(s);
  int axes[2], widest = 0;
  for (int pass = 0; pass < 2; pass++) { /* first the widest ellipsis, then the labels */
    const char *at = s;
    for (int i = 0; i < c->n_in; i++) {
      const char *comma = memchr(at, ',', (size_t)(end - at)), *stop = comma ? comma : end;
      size_t n = (size_t)(stop - at);
      axes[0] = well_formed(at, n) ? ellipsis_axes(at, n, b_rank(c->in[i])) : -1;
      if (axes[0] < 0 || !comma != (i == c->n_in - 1))
        return onnx_invalid(c, "equation \"%s\" does not fit operand %d, of rank %d", s, i, b_rank(c->in[i]));
      if (axes[0] > widest) widest = axes[0];
      if (pass && !read_labels(c, at, n, axes[0], widest, &term[i])) return false;
      term[i].v = c->in[i];
      at = stop + 1;
    }
  }
  if (!arrow) return implicit_result(term, c->n_in, widest, out), true;
  if (!well_formed(arrow + 2, strlen(arrow + 2))) return onnx_invalid(c, "equation \"%s\" has no proper result", s);
  return read_labels(c, arrow + 2, strlen(arrow + 2), widest, widest, out);
}

/* ---- one term ---- */

static int place(const Term *t, int label) {
  for (int i = 0; i < t->n; i++)
    if (t->label[i] == label) return i;
  return -1;
}

/* The axes in this order, by label; labels the term lacks get an axis of size 1. */
static Value *ordered(Builder *b, const Term *t, int n, const int *label) {
  int64_t perm[MAX_RANK];
  Dim d[MAX_RANK];
  int have = 0;
  for (int i = 0; i < n; i++) {
    int at = place(t, label[i]);
    d[i] = at < 0 ? b_size(b, 1) : b_dim(b, t->v, at);
    if (at >= 0) perm[have++] = at;
  }
  Value *v = b_transpose(b, t->v, have, perm);
  return have == n ? v : b_reshape(b, v, n, d);
}

/* Two axes with one label. */
static bool find_repeated(const Term *t, int *first, int *second) {
  for (*first = 0; *first < t->n; ++*first)
    for (*second = *first + 1; *second < t->n; ++*second)
      if (t->label[*first] == t->label[*second]) return true;
  return false;
}

/* The two axes go to the end and become one, of which every n+1st element is the diagonal. */
static void take_diagonal(Builder *b, Term *t, int first, int second) {
  int64_t perm[MAX_RANK];
  Dim d[MAX_RANK], size = b_dim(b, t->v, first);
  int n = 0, label = t->label[first];
  for (int i = 0; i < t->n; i++) {
    if (i == first || i == second) continue;
    d[n] = b_dim(b, t->v, i);
    t->label[n] = t->label[i];
    perm[n++] = i;
  }
  perm[n] = first;
  perm[n + 1] = second;
  d[n] = b_size_mul(b, size, size);
  Value *joined = b_reshape(b, b_transpose(b, t->v, t->n, perm), n + 1, d);
  Value *index = b_mul(b, b_iota(b, size), b_size_scalar(b, b_size_add(b, size, b_size(b, 1))));
  t->v = build(b, OP_gather, 1, INS(joined, index), ATTRS(at_i(gather, axis, n)));
  t->label[n] = label;
  t->n = n + 1;
}

/* A label that stands twice in a term takes the diagonal. */
static void take_diagonals(Builder *b, Term *t) {
  int first, second;
  while (find_repeated(t, &first, &second)) take_diagonal(b, t, first, second);
}

/* Sums the labels that nobody needs. */
static void sum_unneeded(Builder *b, Term *t, const LabelSet *needed, const Term *other) {
  int64_t axes[MAX_RANK];
  int n = 0, left = 0;
  for (int i = 0; i < t->n; i++) {
    bool keep = needed->has[t->label[i]] || (other && place(other, t->label[i]) >= 0);
    if (keep)
      t->label[left++] = t->label[i];
    else
      axes[n++] = i;
  }
  if (n) t->v = b_reduce(b, OP_reduce_sum, t->v, n, axes, false);
  t->n = left;
}

/* ---- two terms ---- */

typedef struct Labels {
  int n, at[MAX_RANK];
} Labels;

static void labels_add(Labels *l, int label) {
  if (l->n < MAX_RANK) l->at[l->n++] = label;
}

static Dim size_product(Builder *b, const Term *t, const Labels *l) {
  Dim n = b_size(b, 1);
  for (int i = 0; i < l->n; i++) n = b_size_mul(b, n, b_dim(b, t->v, place(t, l->at[i])));
  return n;
}

/* Where one side has size 1 along a label that is summed, it is repeated to the other's size. */
static void widen(Builder *b, Term *t, const Term *other, const Labels *summed) {
  Dim d[MAX_RANK];
  bool differs = false;
  for (int i = 0; i < t->n; i++) d[i] = b_dim(b, t->v, i);
  for (int i = 0; i < summed->n; i++) {
    int at = place(t, summed->at[i]);
    Dim wide = b_dim(b, other->v, place(other, summed->at[i]));
    if (!dim_is(d[at], 1) || dim_is(wide, 1)) continue;
    d[at] = wide;
    differs = true;
  }
  if (differs) t->v = b_expand(b, t->v, t->n, d);
}

/* [batch.., rows, columns], each of the latter the product of its labels. */
static Value *as_matrix(Builder *b, const Term *t, const Labels *batch, const Labels *rows, const Labels *columns) {
  const Labels *all[] = {batch, rows, columns};
  int order[3 * MAX_RANK], n = 0;
  Dim d[MAX_RANK + 2];
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < all[k]->n; i++) order[n++] = all[k]->at[i];
  for (int i = 0; i < batch->n; i++) d[i] = b_dim(b, t->v, place(t, batch->at[i]));
  d[batch->n] = size_product(b, t, rows);
  d[batch->n + 1] = size_product(b, t, columns);
  return b_reshape(b, ordered(b, t, n, order), batch->n + 2, d);
}

/* Axes of a factor that stand as they were in the result. */
static void add_axes(Builder *b, Term *r, Dim *d, const Term *factor, const Labels *l) {
  for (int i = 0; i < l->n; i++) {
    d[r->n] = b_dim(b, factor->v, place(factor, l->at[i]));
    r->label[r->n++] = l->at[i];
  }
}

static Term join_by_matmul(OnnxCall *c, Term x, Term y, const Labels *batch, const Labels *left, const Labels *right,
                           const Labels *summed) {
  Builder *b = c->b;
  widen(b, &x, &y, summed);
  widen(b, &y, &x, summed);
  Value *m = b_matmul(b, as_matrix(b, &x, batch, left, summed), as_matrix(b, &y, batch, right, summed), true);
  Term r = {.n = 0};
  Dim d[MAX_RANK];
  for (int i = 0; i < batch->n; i++) {
    d[r.n] = b_dim(b, m, i);
    r.label[r.n++] = batch->at[i];
  }
  add_axes(b, &r, d, &x, left);
  add_axes(b, &r, d, &y, right);
  r.v = b_reshape(b, m, r.n, d);
  return r;
}

static Term join_by_product(OnnxCall *c, const Term *x, const Term *y, const LabelSet *later) {
  Term r = {.n = 0};
  for (int i = 0; i < x->n; i++) r.label[r.n++] = x->label[i];
  for (int i = 0; i < y->n; i++)
    if (place(x, y->label[i]) < 0 && r.n < MAX_RANK) r.label[r.n++] = y->label[i];
  r.v = b_mul(c->b, ordered(c->b, x, r.n, r.label), ordered(c->b, y, r.n, r.label));
  sum_unneeded(c->b, &r, later, NULL);
  return r;
}

static bool join(OnnxCall *c, Term *x, Term y, const LabelSet *later) {
  sum_unneeded(c->b, x, later, &y);
  sum_unneeded(c->b, &y, later, x);
  Labels batch = {0}, left = {0}, right = {0}, summed = {0};
  for (int i = 0; i < x->n; i++) {
    int l = x->label[i];
    labels_add(place(&y, l) < 0 ? &left : later->has[l] ? &batch : &summed, l);
  }
  for (int i = 0; i < y.n; i++)
    if (place(x, y.label[i]) < 0) labels_add(&right, y.label[i]);
  if (x->n + right.n > MAX_RANK || batch.n + 2 > MAX_RANK)
    return onnx_refuse(c, "split the equation", "more than %d axes between two operands", MAX_RANK);
  bool matmul = summed.n && dtype_is_float(b_dtype(x->v));
  *x = matmul ? join_by_matmul(c, *x, y, &batch, &left, &right, &summed) : join_by_product(c, x, &y, later);
  return true;
}

bool onnx_import_einsum(OnnxCall *c) {
  Term *term = ARENA_ARRAY(c->b->module->arena, Term, c->n_in), out;
  if (!read_equation(c, term, &out)) return false;
  for (int i = 0; i < c->n_in; i++) take_diagonals(c->b, &term[i]);
  for (int i = 0; i < c->n_in; i++) {
    LabelSet later = {{0}};
    for (int k = 0; k < out.n; k++) later.has[out.label[k]] = true;
    for (int t = i + 1; t < c->n_in; t++)
      for (int k = 0; k < term[t].n; k++) later.has[term[t].label[k]] = true;
    if (i == 0)
      sum_unneeded(c->b, &term[0], &later, NULL);
    else if (!join(c, &term[0], term[i], &later))
      return false;
  }
  for (int i = 0; i < out.n; i++)
    if (place(&term[0], out.label[i]) < 0) return onnx_invalid(c, "the result has a label that no operand has");
  return onnx_result(c, ordered(c->b, &term[0], out.n, out.label));
}
