/* size.c -- evaluates sizes, and places the blocks of an arena. */
#include "runtime/size.h"

/* ---- sizes ---- */

static bool floor_divide(int64_t a, int64_t b, int64_t *quotient, int64_t *rest) {
  if (b == 0 || (b == -1 && a == INT64_MIN)) return false;
  *quotient = a / b - (a % b != 0 && (a < 0) != (b < 0));
  *rest = a - *quotient * b;
  return true;
}

static bool combine(int op, int64_t a, int64_t b, int64_t *out) {
  int64_t other;
  switch (op) {
  case LRT_ADD: return !__builtin_add_overflow(a, b, out);
  case LRT_MUL: return !__builtin_mul_overflow(a, b, out);
  case LRT_FLOORDIV: return floor_divide(a, b, out, &other);
  case LRT_MOD: return floor_divide(a, b, &other, out);
  case LRT_MIN: return *out = a < b ? a : b, true;
  case LRT_MAX: return *out = a > b ? a : b, true;
  default: return false;
  }
}

bool size_value(const int64_t *words, int64_t at, const int64_t *symbol, int64_t *out) {
  int64_t stack[LRT_STACK];
  int n = 0;
  for (;; at++) {
    int op = (int)(words[at] & 15);
    int64_t number = words[at] >> 4;
    if (op == LRT_END) break;
    if (op == LRT_NUMBER) stack[n++] = number;
    else if (op == LRT_SYMBOL) stack[n++] = symbol[number];
    else if (n--, !combine(op, stack[n - 1], stack[n], &stack[n - 1])) return false;
  }
  *out = stack[0];
  return stack[0] >= 0;
}

int64_t size_symbol(const int64_t *words, int64_t at) {
  return (words[at] & 15) == LRT_SYMBOL && words[at + 1] == LRT_END ? words[at] >> 4 : -1;
}

/* ---- the arena ---- */

static bool meet(const lrt_block *a, const lrt_block *b) { return a->first <= b->last && b->first <= a->last; }

/* The lowest place for block k among those placed so far, which `order` lists by offset. */
static int64_t lowest(const lrt_block *block, const int64_t *bytes, const int64_t *offset, const int64_t *order, int64_t n,
                      int64_t k) {
  int64_t at = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t other = order[i];
    if (!meet(&block[other], &block[k])) continue;
    if (offset[other] - at >= bytes[k]) break;
    if (offset[other] + bytes[other] > at) at = offset[other] + bytes[other];
  }
  return at;
}

static int64_t largest_unplaced(int64_t n, const int64_t *bytes, const int64_t *offset) {
  int64_t best = -1;
  for (int64_t i = 0; i < n; i++)
    if (offset[i] < 0 && (best < 0 || bytes[i] > bytes[best])) best = i;
  return best;
}

/* Large blocks first, each as low as it goes. */
bool size_place(const lrt_block *block, int64_t n, const int64_t *bytes, int64_t *offset, int64_t *scratch, int64_t *total) {
  int64_t *order = scratch;
  *total = 0;
  for (int64_t i = 0; i < n; i++) offset[i] = -1;
  for (int64_t placed = 0; placed < n; placed++) {
    int64_t k = largest_unplaced(n, bytes, offset), end, i = placed;
    offset[k] = lowest(block, bytes, offset, order, placed, k);
    if (__builtin_add_overflow(offset[k], bytes[k], &end)) return false;
    if (end > *total) *total = end;
    for (; i > 0 && offset[order[i - 1]] > offset[k]; i--) order[i] = order[i - 1];
    order[i] = k;
  }
  return true;
}
