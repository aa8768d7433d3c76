/* session_data.c -- sizes that are told while a program runs, the places of what needs them, and what loops move and collect. */
#include "runtime/os.h"
#include "runtime/session.h"
#include "runtime/size.h"

/* ---- symbols ---- */

static bool take(lrt_session *s, const lrt_step *step, const lrt_let *l, int64_t *out) {
  if (l->element < 0) return session_size(s, l->from, out);
  *out = ((const int64_t *)s->value[step->args[0]])[l->element];
  return true;
}

static bool give(lrt_session *s, const lrt_step *step, int64_t symbol, int64_t v) {
  const lrt_symbol *is = &s->program->symbol[symbol];
  if (v < 0) return session_fail(s, "at %s: its operands do not fit each other, which makes the size `%s` %d", step->told->where, is->name, v);
  if (is->capacity >= 0 && v > is->capacity)
    return session_fail(s, "at %s: the size `%s` is %d, and this program was built for %d at most", step->told->where, is->name, v, is->capacity);
  s->symbol[symbol] = v;
  return true;
}

static bool hold(lrt_session *s, const lrt_step *step, const lrt_let *l, int64_t v) {
  int64_t have;
  if (!session_size(s, l->size, &have)) return false;
  return have == v || session_fail(s, "at %s: a size is %d, and must be %d", step->told->where, v, have);
}

bool session_tell(lrt_session *s, const lrt_step *step) {
  const lrt_told *t = step->told;
  for (int64_t i = 0; i < t->n_lets; i++)
    if (!take(s, step, &t->let[i], &s->told[i])) return false;
  for (int64_t i = 0; i < t->n_lets; i++)
    if (t->let[i].symbol >= 0 && !give(s, step, t->let[i].symbol, s->told[i])) return false;
  for (int64_t i = 0; i < t->n_lets; i++)
    if (t->let[i].symbol < 0 && !hold(s, step, &t->let[i], s->told[i])) return false;
  return true;
}

/* ---- places ---- */

static bool have_memory(lrt_session *s, uint8_t **memory, size_t *size, int64_t need) {
  if ((size_t)need <= *size) return true;
  os_release(*memory, *size);
  *size = 0;
  *memory = os_memory((size_t)need);
  if (!*memory) return session_no_memory(s, need, "the intermediate results");
  *size = (size_t)need;
  return true;
}

bool session_place(lrt_session *s, int64_t segment, bool turn) {
  const lrt_program *p = s->program;
  lrt_segment *at = &s->segment[segment];
  int64_t from = p->segment[segment], to = p->segment[segment + 1], total;
  for (int64_t i = from; i < to; i++) {
    if (!size_value(p->words, p->block[i].bytes, s->symbol, &s->bytes[i]) || s->bytes[i] > INT64_MAX - LRT_ALIGN)
      return session_fail(s, "with inputs of these sizes, an intermediate result does not fit any memory");
    s->bytes[i] = (s->bytes[i] + LRT_ALIGN - 1) / LRT_ALIGN * LRT_ALIGN;
  }
  if (!size_place(p->block + from, to - from, s->bytes + from, s->offset + from, s->scratch + from, &total))
    return session_fail(s, "with inputs of these sizes, the intermediate results do not fit any memory");
  if (turn) at->turn = !at->turn;
  if (!have_memory(s, &at->memory[at->turn], &at->size[at->turn], total)) return false;
  for (int64_t i = 0; i < p->n_values; i++) {
    const lrt_value *v = &p->value[i];
    if (v->place == LRT_IN_ARENA && v->at >= from && v->at < to) s->value[i] = at->memory[at->turn] + s->offset[v->at];
  }
  return true;
}

/* ---- what branches and loops give ---- */

/* A loop's values may come from the memory that they leave, or from blocks whose sizes change now: so these are placed
 * last. What a branch gives has its place among them. */
bool session_move(lrt_session *s, int64_t at) {
  const lrt_step *step = &s->program->step[at];
  const lrt_told *t = step->told;
  lrt_arg *arg = s->arg[at];
  for (int64_t i = 1; i < step->n_memory; i += 2) arg[i].memory = s->value[step->args[i]];
  if (!session_tell(s, step) || (t->turns >= 0 && !session_place(s, t->turns, true))) return false;
  if (t->turns < 0 && t->opens > 0 && !session_place(s, t->opens, false)) return false;
  for (int64_t i = 0, bytes; i < step->n_memory; i += 2) {
    if (!session_size(s, step->args[step->n_memory + i / 2], &bytes)) return false;
    __builtin_memmove(s->value[step->args[i]], arg[i + 1].memory, (size_t)bytes);
  }
  return t->turns < 0 || t->opens <= 0 || session_place(s, t->opens, false);
}

/* ---- what loops collect ---- */

static lrt_grown *grown_of(lrt_session *s, int64_t value) { return &s->grown[s->program->value[value].at]; }

/* Room for so many bytes behind those that are there. */
static bool grow(lrt_session *s, int64_t value, int64_t bytes) {
  const lrt_program *p = s->program;
  lrt_grown *g = grown_of(s, value);
  size_t need, size = g->size ? g->size : 4096;
  if (__builtin_add_overflow(g->used, (size_t)bytes, &need)) return session_no_memory(s, bytes, "what a loop collects");
  if (need <= g->size) return true;
  while (size < need && size < SIZE_MAX / 2) size *= 2;
  uint8_t *memory = os_memory(size);
  if (!memory) return session_no_memory(s, (int64_t)size, "what a loop collects");
  if (g->used) __builtin_memcpy(memory, g->memory, g->used);
  os_release(g->memory, g->size);
  g->memory = memory;
  g->size = size;
  for (int64_t i = 0; i < p->n_values; i++)
    if (p->value[i].place == LRT_IN_GROWN && p->value[i].at == p->value[value].at) s->value[i] = memory;
  return true;
}

bool session_clear(lrt_session *s, const lrt_step *step) {
  lrt_grown *g = grown_of(s, step->args[0]);
  g->used = 0;
  g->rows = 0;
  return grow(s, step->args[0], 1);
}

bool session_collect(lrt_session *s, const lrt_step *step) {
  lrt_grown *g = grown_of(s, step->args[0]);
  const int64_t *size = step->args + step->n_memory;
  int64_t bytes, dim;
  for (int64_t i = 1; i < step->n_sizes; i++) {
    if (!session_size(s, size[i], &dim)) return false;
    if (g->rows == 0) g->dim[i - 1] = dim;
    if (g->dim[i - 1] != dim)
      return session_fail(s, "at %s: a loop collects values of different shapes: axis %d is %d, and then %d", step->told->where, i - 1, g->dim[i - 1], dim);
  }
  if (!session_size(s, size[0], &bytes) || !grow(s, step->args[0], bytes)) return false;
  __builtin_memcpy(g->memory + g->used, s->value[step->args[1]], (size_t)bytes);
  g->used += (size_t)bytes;
  g->rows++;
  return true;
}
