/* interp_memory.c -- loads and stores of the kernel interpreter: bounds, alignment, races between invocations. */
#include "ir/interp_memory.h"

#include <inttypes.h>

#include "ir/checked.h"
#include "ir/fatal.h"

enum { SHARED_ALIGNMENT = 64, NOBODY = -1, SEVERAL = -2 };

Memory memory_shared(Arena *a, Dtype t, int64_t elements) {
  int64_t size;
  ensure(dtype_size(t, elements, &size));
  uintptr_t raw = (uintptr_t)arena_alloc(a, (size_t)size + SHARED_ALIGNMENT);
  unsigned char *bytes = (unsigned char *)((raw + SHARED_ALIGNMENT - 1) & ~(uintptr_t)(SHARED_ALIGNMENT - 1));
  return (Memory){t, bytes, elements, ARENA_ARRAY(a, Touch, elements)};
}

void memory_forget(Memory *m) {
  for (int64_t i = 0; m->touch && i < m->elements; i++) m->touch[i] = (Touch){0, 0, NOBODY, NOBODY};
}

/* ---- what may be wrong ---- */

/* The memory's own elements [at, end) that the access covers. */
static bool covered(const Access *a, int64_t *end) {
  int64_t bits, own = dtype_bits(a->memory->dtype);
  if (!checked_mul(a->lanes, dtype_bits(a->dtype), &bits) || !checked_add(a->at, (bits + own - 1) / own, end))
    return false;
  return a->at >= 0 && *end <= a->memory->elements;
}

static const char *check_alignment(const Access *a, Arena *arena) {
  int own = dtype_bits(a->memory->dtype);
  if (own < 8) return NULL;
  int64_t align = a->align ? a->align : own / 8;
  uintptr_t address = (uintptr_t)a->memory->bytes + (uintptr_t)(a->at * (own / 8));
  if (address % (uintptr_t)align == 0) return NULL;
  return arena_printf(arena, "element %" PRId64 " stands at an address that is no multiple of %" PRId64, a->at, align);
}

static const char *check_place(const Access *a, int64_t *end, Arena *arena) {
  if (!covered(a, end))
    return arena_printf(arena, "element %" PRId64 " (%" PRId64 " of %s from there on) of %" PRId64 " %s", a->at,
                        a->lanes, dtype_name(a->dtype), a->memory->elements, dtype_name(a->memory->dtype));
  return check_alignment(a, arena);
}

static const char *touch_read(const Access *a, int64_t i, Arena *arena) {
  Touch *t = &a->memory->touch[i];
  if (!t->written) return arena_printf(arena, "element %" PRId64 " of workgroup memory was never written", i);
  if (t->written == a->period && t->writer != a->invocation)
    return arena_printf(arena, "element %" PRId64 " was written by invocation %d with no barrier since", i, t->writer);
  t->reader = t->read == a->period && t->reader != a->invocation ? SEVERAL : a->invocation;
  t->read = a->period;
  return NULL;
}

static const char *touch_write(const Access *a, int64_t i, Arena *arena) {
  Touch *t = &a->memory->touch[i];
  if (t->written == a->period && t->writer != a->invocation)
    return arena_printf(arena, "element %" PRId64 " was written by invocation %d, too, with no barrier since", i,
                        t->writer);
  if (t->read == a->period && t->reader == SEVERAL)
    return arena_printf(arena, "element %" PRId64 " was read by other invocations with no barrier since", i);
  if (t->read == a->period && t->reader != a->invocation)
    return arena_printf(arena, "element %" PRId64 " was read by invocation %d with no barrier since", i, t->reader);
  t->writer = a->invocation;
  t->written = a->period;
  return NULL;
}

static const char *check(const Access *a, const char *(*touch)(const Access *, int64_t, Arena *), Arena *arena) {
  int64_t end = 0;
  const char *wrong = check_place(a, &end, arena);
  for (int64_t i = a->at; !wrong && a->memory->touch && i < end; i++) wrong = touch(a, i, arena);
  return wrong;
}

/* ---- access ---- */

/* Elements of whole bytes are found by address, since they may be of another type than the memory's; narrower ones by
 * number, since several share a byte. */
static unsigned char *place(const Access *a, int64_t *first) {
  int own = dtype_bits(a->memory->dtype);
  *first = own < 8 ? a->at : 0;
  return a->memory->bytes + (own < 8 ? 0 : a->at * (own / 8));
}

const char *memory_read(const Access *a, uint64_t *bits, Arena *arena) {
  const char *wrong = check(a, touch_read, arena);
  if (wrong) return wrong;
  int64_t first;
  const unsigned char *at = place(a, &first);
  for (int64_t i = 0; i < a->lanes; i++) bits[i] = dtype_get_bits(a->dtype, at, first + i);
  return NULL;
}

const char *memory_write(const Access *a, const uint64_t *bits, Arena *arena) {
  const char *wrong = check(a, touch_write, arena);
  if (wrong) return wrong;
  int64_t first;
  unsigned char *at = place(a, &first);
  for (int64_t i = 0; i < a->lanes; i++) dtype_set_bits(a->dtype, at, first + i, bits[i]);
  return NULL;
}
