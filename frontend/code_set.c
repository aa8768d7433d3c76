/* code_set.c -- sets of code points, and what Unicode says of characters, which ICU knows. */
#include "frontend/code_set.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uset.h>
#include <unicode/ustring.h>

#include "ir/fatal.h"

/* ---- sets ---- */

CodeSet set_range(Arena *a, uint32_t lo, uint32_t hi) {
  CodeSet s = {0};
  vec_push(a, &s, ((CodeRange){lo, hi}));
  return s;
}

/* Appends a range that begins behind the others' beginnings. */
static void add_range(Arena *a, CodeSet *s, CodeRange r) {
  if (s->n && r.lo <= s->at[s->n - 1].hi + 1) {
    if (r.hi > s->at[s->n - 1].hi) s->at[s->n - 1].hi = r.hi;
  } else {
    vec_push(a, s, r);
  }
}

CodeSet set_or(Arena *a, const CodeSet *x, const CodeSet *y) {
  CodeSet s = {0};
  for (int i = 0, k = 0; i < x->n || k < y->n;) {
    bool first = k == y->n || (i < x->n && x->at[i].lo <= y->at[k].lo);
    add_range(a, &s, first ? x->at[i++] : y->at[k++]);
  }
  return s;
}

CodeSet set_not(Arena *a, const CodeSet *x) {
  CodeSet s = {0};
  uint32_t from = 0;
  for (int i = 0; i < x->n; i++) {
    if (x->at[i].lo > from) vec_push(a, &s, ((CodeRange){from, x->at[i].lo - 1}));
    from = x->at[i].hi + 1;
  }
  if (from < CODE_END) vec_push(a, &s, ((CodeRange){from, CODE_END - 1}));
  return s;
}

CodeSet set_and(Arena *a, const CodeSet *x, const CodeSet *y) {
  CodeSet p = set_not(a, x), q = set_not(a, y), r = set_or(a, &p, &q);
  return set_not(a, &r);
}

bool set_has(const CodeSet *s, uint32_t c) {
  int low = 0, high = s->n;
  while (low < high) {
    int middle = (low + high) / 2;
    if (s->at[middle].hi < c) low = middle + 1;
    else high = middle;
  }
  return low < s->n && s->at[low].lo <= c;
}

/* ---- ICU's sets ---- */

static CodeSet from_icu(Arena *a, const USet *u) {
  CodeSet s = {0};
  for (int32_t i = 0; i < uset_getItemCount(u); i++) {
    UChar32 lo, hi;
    UErrorCode e = U_ZERO_ERROR;
    UChar text[64];
    if (uset_getItem(u, i, &lo, &hi, text, 64, &e) == 0) add_range(a, &s, (CodeRange){(uint32_t)lo, (uint32_t)hi});
  }
  return s;
}

static bool is_name(const char *s) {
  size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_ =-");
  return n && n < 64 && !s[n];
}

bool set_property(Arena *a, const char *name, CodeSet *out) {
  UErrorCode e = U_ZERO_ERROR;
  UChar pattern[80];
  if (!is_name(name)) return false;
  u_uastrcpy(pattern, arena_printf(a, "[\\p{%s}]", name));
  USet *u = uset_openPattern(pattern, -1, &e);
  if (e == U_MEMORY_ALLOCATION_ERROR) fatal_resource("out of memory");
  if (U_FAILURE(e)) return false;
  *out = from_icu(a, u);
  uset_close(u);
  return true;
}

CodeSet set_named(Arena *a, const char *name) {
  CodeSet s = {0};
  ensure(set_property(a, name, &s));
  return s;
}

CodeSet set_fold(Arena *a, const CodeSet *s) {
  USet *u = uset_openEmpty();
  if (!u) fatal_resource("out of memory");
  for (int i = 0; i < s->n; i++) uset_addRange(u, (UChar32)s->at[i].lo, (UChar32)s->at[i].hi);
  uset_closeOver(u, USET_CASE_INSENSITIVE);
  CodeSet all = from_icu(a, u);
  uset_close(u);
  return all;
}

/* ---- characters ---- */

static int code_points(const UChar *s, int32_t n, uint32_t *out) {
  int count = 0;
  for (int32_t i = 0; i < n && count < CODE_TEXT; i++) {
    uint32_t c = s[i];
    if (U16_IS_LEAD(s[i]) && i + 1 < n) c = 0x10000 + ((c - 0xd800) << 10) + (s[++i] - 0xdc00u);
    out[count++] = c;
  }
  return count;
}

int code_lower(uint32_t c, uint32_t out[CODE_TEXT]) {
  UChar from[2], to[2 * CODE_TEXT];
  int32_t n = 0;
  UErrorCode e = U_ZERO_ERROR;
  if (U_IS_SURROGATE(c)) return 0;
  U16_APPEND_UNSAFE(from, n, c);
  int count = code_points(to, u_strToLower(to, 2 * CODE_TEXT, from, n, "", &e), out);
  return count == 1 && out[0] == c ? 0 : count;
}

int code_decompose(uint32_t c, bool compatible, uint32_t out[CODE_TEXT]) {
  UErrorCode e = U_ZERO_ERROR;
  const UNormalizer2 *n = compatible ? unorm2_getNFKDInstance(&e) : unorm2_getNFDInstance(&e);
  UChar to[2 * CODE_TEXT];
  int32_t length = unorm2_getDecomposition(n, (UChar32)c, to, 2 * CODE_TEXT, &e);
  if (U_FAILURE(e)) fatal_resource("the Unicode tables cannot be read");
  return length < 0 ? 0 : code_points(to, length, out);
}

uint8_t code_class(uint32_t c) { return u_getCombiningClass((UChar32)c); }

bool code_pair(uint32_t c, uint32_t out[2]) {
  UErrorCode e = U_ZERO_ERROR;
  const UNormalizer2 *n = unorm2_getNFCInstance(&e);
  UChar to[2 * CODE_TEXT];
  uint32_t parts[CODE_TEXT];
  int32_t length = unorm2_getRawDecomposition(n, (UChar32)c, to, 2 * CODE_TEXT, &e);
  if (U_FAILURE(e)) fatal_resource("the Unicode tables cannot be read");
  if (length < 0 || code_points(to, length, parts) != 2) return false;
  out[0] = parts[0], out[1] = parts[1];
  return unorm2_composePair(n, (UChar32)parts[0], (UChar32)parts[1]) == (UChar32)c;
}
