/* lower_state.c -- how caches are changed and read: in place, at the places that state_offset() says.
 *
 * What a kernel is told is not trusted with memory: a row whose sequence or position is outside of the state is left out. */
#include "ir/fatal.h"
#include "passes/lower.h"

static Value *num(Kernel *k, int64_t v) { return kb_index(&k->b, v); }
static Value *add(Kernel *k, Value *x, Value *y) { return kb_add(&k->b, x, y); }
static Value *mul(Kernel *k, Value *x, Value *y) { return kb_mul(&k->b, x, y); }

static const State *state_of(const Node *n) { return node_in(n, 0)->type->state; }
static Value *lengths(Kernel *k, const Node *n) { return kernel_operand_part(k, node_in(n, 0), state_of(n)->n_fields); }
static Value *field(Kernel *k, const Node *n, int i) { return kernel_operand_part(k, node_in(n, 0), i); }
static Value *group(Kernel *k) { return build(&k->b, OP_group_id, 1, 0, NULL, ATTRS(at_i(group_id, axis, 0))); }
static Value *zero_of(Kernel *k) { return kb_int(&k->b, DT_i64, 0); }

/* Element `at` of a vector of integers, as i64. */
static Value *number_at(Kernel *k, const Value *v, Value *at) { return kb_cast(&k->b, kernel_pull(k, v, &at), DT_i64); }

static Value *is_within(Kernel *k, Value *x, int64_t end) {
  return kb_and(&k->b, kb_at_most(&k->b, zero_of(k), x), kb_less(&k->b, x, kb_int(&k->b, DT_i64, end)));
}

/* Is the place that a row names one of the state's? A ring has a row for every position. */
static Value *has_row(Kernel *k, const State *s, Value *sequence, Value *position) {
  int64_t end = s->addressing == ADDRESS_LINEAR ? s->capacity : INT64_MAX;
  return kb_and(&k->b, is_within(k, sequence, s->batch), is_within(k, position, end));
}

static Value *row_of(Kernel *k, const State *s, Value *position) {
  Value *p = kb_cast(&k->b, position, DT_index);
  switch (s->addressing) {
  case ADDRESS_RING: return kb_mod(&k->b, p, num(k, s->capacity));
  case ADDRESS_FIXED: return num(k, 0);
  default: return p;
  }
}

/* ---- appending ---- */

typedef struct Place {
  const State *state;
  Value *sequence, *row;
} Place;

static int64_t head_count(const Field *f) { return f->rank ? f->dim[0] : 1; }

static int64_t inner_count(const Field *f) {
  int64_t n = 1;
  for (int i = 1; i < f->rank; i++) n *= f->dim[i];
  return n;
}

/* Where an element of a row is, of those that are one head's: as state_offset() says. */
static Value *element_at(Kernel *k, const Place *p, const Field *f, Value *head, Value *inner) {
  Value *at = add(k, mul(k, p->sequence, num(k, head_count(f))), head), *size = num(k, inner_count(f)), *panel = num(k, STATE_PANEL);
  if (!f->turned) return add(k, mul(k, add(k, mul(k, at, num(k, p->state->capacity)), p->row), size), inner);
  at = add(k, mul(k, at, num(k, p->state->capacity / STATE_PANEL)), kb_div(&k->b, p->row, panel));
  return add(k, mul(k, add(k, mul(k, at, size), inner), panel), kb_mod(&k->b, p->row, panel));
}

/* Row r of the field's operand, [rows, heads, inner..], read element by element, since others may make them. */
static void write_field(Kernel *k, const Node *n, const Place *p, int i, Value *r) {
  const Field *f = &p->state->field[i];
  const Value *rows = node_in(n, 3 + i);
  Value *index[MAX_RANK] = {r};
  KernelFor heads = kb_for(&k->b, num(k, 0), num(k, head_count(f)), 0, NULL);
  KernelFor inner = kb_for(&k->b, num(k, 0), num(k, inner_count(f)), 0, NULL);
  Value *number = add(k, mul(k, heads.i, num(k, inner_count(f))), inner.i);
  Dim row[MAX_RANK];
  for (int a = 0; a < f->rank; a++) row[a] = dim_const(k->module->dims, f->dim[a]);
  kernel_delinear(k, type_tensor(k->module->types, f->dtype, f->rank, row), number, index + 1);
  Value *x = kernel_pull(k, rows, index);
  kb_store(&k->b, field(k, n, i), element_at(k, p, f, heads.i, inner.i), x);
  kb_for_end(&k->b, &inner, 0, NULL);
  kb_for_end(&k->b, &heads, 0, NULL);
}

/* Lengths grow to hold all rows; one workgroup sees to that, since several rows may be of one sequence. */
static void grow(Kernel *k, const Node *n) {
  const State *s = state_of(n);
  Value *memory = lengths(k, n), *one = kb_int(&k->b, DT_i64, 1);
  KernelFor f = kb_for(&k->b, num(k, 0), kernel_size(k, node_in(n, 1)->type->dim[0]), 0, NULL);
  Value *sequence = number_at(k, node_in(n, 1), f.i), *position = number_at(k, node_in(n, 2), f.i);
  KernelWhen w = kb_when(&k->b, has_row(k, s, sequence, position), 0);
  Value *at = kb_cast(&k->b, sequence, DT_index), *had = kb_load(&k->b, memory, at);
  kb_store(&k->b, memory, at, build_binary(&k->b, OP_max, had, build_binary(&k->b, OP_add, position, one)));
  kb_else(&k->b, &w, 0, NULL);
  kb_when_end(&k->b, &w, 0, NULL);
  kb_for_end(&k->b, &f, 0, NULL);
}

/* A workgroup a row. */
bool lower_state_append(Kernel *k, const Node *n) {
  const State *s = state_of(n);
  Value *r = group(k);
  KernelWhen first = kb_when(&k->b, kb_equal(&k->b, r, num(k, 0)), 0);
  grow(k, n);
  kb_else(&k->b, &first, 0, NULL);
  kb_when_end(&k->b, &first, 0, NULL);
  Value *sequence = number_at(k, node_in(n, 1), r), *position = number_at(k, node_in(n, 2), r);
  KernelWhen w = kb_when(&k->b, has_row(k, s, sequence, position), 0);
  Place p = {s, kb_cast(&k->b, sequence, DT_index), row_of(k, s, position)};
  for (int i = 0; i < s->n_fields; i++) write_field(k, n, &p, i, r);
  kb_else(&k->b, &w, 0, NULL);
  kb_when_end(&k->b, &w, 0, NULL);
  k->grid[0] = node_in(n, 1)->type->dim[0];
  return true;
}

/* ---- rolling back, forking, forgetting ---- */

bool lower_state_truncate(Kernel *k, const Node *n) {
  Value *memory = lengths(k, n);
  KernelFor f = kb_for(&k->b, num(k, 0), num(k, state_of(n)->batch), 0, NULL);
  Value *to = build_binary(&k->b, OP_max, number_at(k, node_in(n, 1), f.i), zero_of(k));
  kb_store(&k->b, memory, f.i, build_binary(&k->b, OP_min, kb_load(&k->b, memory, f.i), to));
  kb_for_end(&k->b, &f, 0, NULL);
  return true;
}

bool lower_state_clear(Kernel *k, const Node *n) {
  const State *s = state_of(n);
  Value *memory = lengths(k, n);
  KernelFor f = kb_for(&k->b, num(k, 0), kernel_size(k, node_in(n, 1)->type->dim[0]), 0, NULL);
  Value *sequence = number_at(k, node_in(n, 1), f.i);
  KernelWhen w = kb_when(&k->b, is_within(k, sequence, s->batch), 0);
  kb_store(&k->b, memory, kb_cast(&k->b, sequence, DT_index), zero_of(k));
  kb_else(&k->b, &w, 0, NULL);
  kb_when_end(&k->b, &w, 0, NULL);
  kb_for_end(&k->b, &f, 0, NULL);
  return true;
}

/* memory[sequence * stride + at] for all sequences is put aside first, since one may be copied and overwritten at once. */
static void copy_column(Kernel *k, const Node *n, Value *memory, Value *aside, int64_t stride, Value *at) {
  const State *s = state_of(n);
  KernelFor all = kb_for(&k->b, num(k, 0), num(k, s->batch), 0, NULL);
  kb_store(&k->b, aside, all.i, kb_load(&k->b, memory, add(k, mul(k, all.i, num(k, stride)), at)));
  kb_for_end(&k->b, &all, 0, NULL);
  KernelFor f = kb_for(&k->b, num(k, 0), kernel_size(k, node_in(n, 1)->type->dim[0]), 0, NULL);
  Value *from = number_at(k, node_in(n, 1), f.i), *to = number_at(k, node_in(n, 2), f.i);
  KernelWhen w = kb_when(&k->b, kb_and(&k->b, is_within(k, from, s->batch), is_within(k, to, s->batch)), 0);
  Value *place = add(k, mul(k, kb_cast(&k->b, to, DT_index), num(k, stride)), at);
  kb_store(&k->b, memory, place, kb_load(&k->b, aside, kb_cast(&k->b, from, DT_index)));
  kb_else(&k->b, &w, 0, NULL);
  kb_when_end(&k->b, &w, 0, NULL);
  kb_for_end(&k->b, &f, 0, NULL);
}

bool lower_state_copy(Kernel *k, const Node *n) {
  const State *s = state_of(n);
  if (s->batch > KERNEL_MEMORY / 8 / (s->n_fields + 1)) return false;
  for (int i = 0; i <= s->n_fields; i++) {
    Value *memory = i < s->n_fields ? field(k, n, i) : lengths(k, n);
    Value *aside = kb_memory(&k->b, memory->type->dtype, s->batch);
    int64_t stride = i < s->n_fields ? head_count(&s->field[i]) * s->capacity * inner_count(&s->field[i]) : 1;
    KernelFor f = kb_for(&k->b, num(k, 0), num(k, stride), 0, NULL);
    copy_column(k, n, memory, aside, stride, f.i);
    kb_for_end(&k->b, &f, 0, NULL);
  }
  return true;
}

/* ---- reading ---- */

Value *element_state_lengths(Kernel *k, const Node *n, int result, Value *const *index) {
  (void)result;
  return kb_load(&k->b, lengths(k, n), index[0]);
}

/* [batch, capacity, row..]; 0 where there is no row yet. */
Value *element_state_read(Kernel *k, const Node *n, int result, Value *const *index) {
  (void)result;
  const State *s = state_of(n);
  int which = (int)node_int(n, state_read, field);
  const Field *f = &s->field[which];
  Place p = {s, index[0], index[1]};
  Value *inner = num(k, 0), *memory = field(k, n, which);
  for (int i = 1; i < f->rank; i++) inner = add(k, mul(k, inner, num(k, f->dim[i])), index[2 + i]);
  Value *x = kernel_load(k, f->dtype, memory, element_at(k, &p, f, f->rank ? index[2] : num(k, 0), inner));
  Value *length = kb_cast(&k->b, kb_load(&k->b, lengths(k, n), index[0]), DT_index);
  Value *none = dtype_is_float(x->type->dtype) ? kb_float(&k->b, x->type->dtype, 0) : kb_int(&k->b, x->type->dtype, 0);
  return kb_where(&k->b, kb_less(&k->b, index[1], length), x, none);
}
