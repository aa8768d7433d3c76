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

int64_t state_offset(const State *s, const Field *f, int64_t sequence, int64_t row, int64_t i) {
  int64_t heads = f->rank ? f->dim[0] : 1, inner = 1;
  for (int k = 1; k < f->rank; k++) inner *= f->dim[k];
  if (f->turned) {
    int64_t panel = (sequence * heads + i / inner) * (s->capacity / STATE_PANEL) + row / STATE_PANEL;
    return (panel * inner + i % inner) * STATE_PANEL + row % STATE_PANEL;
  }
  return ((sequence * heads + i / inner) * s->capacity + row) * inner + i % inner;
}

int type_memories(Type t) { return t->kind == TYPE_STATE ? t->state->n_fields + 1 : 1; }

Dtype type_memory(Type t, int i) {
  if (t->kind != TYPE_STATE) return t->dtype;
  return i < t->state->n_fields ? t->state->field[i].dtype : DT_i64;
}
