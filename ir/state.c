/* state.c -- where a state keeps the row of a position: the one hook through which all rows are addressed. */
#include "ir/fatal.h"
#include "ir/ir.h"

int64_t state_row(const State *s, int64_t length, int64_t position) {
  if (position < 0 || position >= length) return -1;
  switch (s->addressing) {
  case ADDRESS_LINEAR: return position < s->capacity ? position : -1;
  case ADDRESS_RING: return length - position <= s->capacity ? position % s->capacity : -1;
  case ADDRESS_FIXED: return position == length - 1 ? 0 : -1;
  }
  fatal_bug(__FILE__, __LINE__, "not an addressing");
}
