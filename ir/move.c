/* move.c -- copying elements of any type between packed arrays: what the data movement ops are made of. */
#include "ir/move.h"

#include "ir/fatal.h"

void move_elements(Dtype t, void *dst, int64_t di, const void *src, int64_t si, int64_t n) {
  int bits = dtype_bits(t);
  if (n == 0) return;
  if (bits >= 8) {
    int64_t size = bits / 8;
    memcpy((char *)dst + di * size, (const char *)src + si * size, (size_t)(n * size));
    return;
  }
  for (int64_t i = 0; i < n; i++) dtype_set_bits(t, dst, di + i, dtype_get_bits(t, src, si + i));
}

/* Axes of one element are left out, and axes that continue the one outside them on both sides are merged with it. */
void box_push(Box *b, int64_t dim, int64_t to, int64_t from) {
  if (dim == 1) return;
  if (b->rank) {
    int64_t *last = &b->dim[b->rank - 1], *last_to = &b->to[b->rank - 1], *last_from = &b->from[b->rank - 1];
    if (*last_to == dim * to && *last_from == dim * from) {
      *last *= dim, *last_to = to, *last_from = from;
      return;
    }
  }
  ensure(b->rank < 2 * MAX_RANK);
  b->dim[b->rank] = dim, b->to[b->rank] = to, b->from[b->rank] = from;
  b->rank++;
}

/* Elements as numbers of their size, whatever they are and wherever they lie. */
typedef uint8_t __attribute__((may_alias)) Bits8;
typedef uint16_t __attribute__((may_alias, aligned(1))) Bits16;
typedef uint32_t __attribute__((may_alias, aligned(1))) Bits32;
typedef uint64_t __attribute__((may_alias, aligned(1))) Bits64;

/* Two axes of whole elements. Where neighbours here are rows there, blocks of both fit the nearest cache. Two rows that are
 * taken in turns are read side by side, in steps that compilers make vectors of. */
#define MOVE_PLANE(bits) \
  static void move_rows_##bits(int64_t n, Bits##bits *restrict dst, const Bits##bits *restrict even, const Bits##bits *restrict odd) { \
    enum { STEP = 16 }; \
    int64_t i = 0; \
    for (; i + STEP <= n; i += STEP) \
      for (int k = 0; k < STEP; k++) dst[2 * (i + k)] = even[i + k], dst[2 * (i + k) + 1] = odd[i + k]; \
    for (; i < n; i++) dst[2 * i] = even[i], dst[2 * i + 1] = odd[i]; \
  } \
  static void move_plane_##bits(const int64_t *dim, const int64_t *to, const int64_t *from, Bits##bits *dst, \
                                const Bits##bits *src) { \
    enum { BLOCK = 32 }; \
    int64_t to_step = to[1], from_step = from[1]; /* the compiler cannot know that dst is elsewhere */ \
    if (dim[0] == 2 && to[0] == 1 && to[1] == 2 && from[1] == 1) { \
      move_rows_##bits(dim[1], dst, src, src + from[0]); \
      return; \
    } \
    for (int64_t j0 = 0; j0 < dim[1]; j0 += BLOCK) \
      for (int64_t i = 0, n = dim[1] - j0 < BLOCK ? dim[1] - j0 : BLOCK; i < dim[0]; i++) { \
        Bits##bits *d = dst + i * to[0] + j0 * to_step; \
        const Bits##bits *s = src + i * from[0] + j0 * from_step; \
        for (int64_t j = 0; j < n; j++) d[j * to_step] = s[j * from_step]; \
      } \
  }
MOVE_PLANE(8)
MOVE_PLANE(16)
MOVE_PLANE(32)
MOVE_PLANE(64)
#undef MOVE_PLANE

/* A box that is being moved. Its elements may be several of the caller's, of which it then has the bits together. */
typedef struct Move {
  Box box;
  Dtype dtype; /* the caller's: counts where an element is less than a byte */
  int bits;
  void *dst;
  const void *src;
} Move;

static void move_run(const Move *m, int64_t di, int64_t si, int64_t n) {
  int64_t size = m->bits / 8;
  if (m->bits < 8) move_elements(m->dtype, m->dst, di, m->src, si, n);
  else memcpy((char *)m->dst + di * size, (const char *)m->src + si * size, (size_t)(n * size));
}

static bool move_plane(const Move *m, int axis, int64_t di, int64_t si) {
  const Box *b = &m->box;
  const int64_t *dim = &b->dim[axis], *to = &b->to[axis], *from = &b->from[axis];
  if (axis != b->rank - 2 || (to[1] == 1 && from[1] == 1)) return false;
  switch (m->bits) {
  case 8: move_plane_8(dim, to, from, (Bits8 *)m->dst + di, (const Bits8 *)m->src + si); return true;
  case 16: move_plane_16(dim, to, from, (Bits16 *)m->dst + di, (const Bits16 *)m->src + si); return true;
  case 32: move_plane_32(dim, to, from, (Bits32 *)m->dst + di, (const Bits32 *)m->src + si); return true;
  case 64: move_plane_64(dim, to, from, (Bits64 *)m->dst + di, (const Bits64 *)m->src + si); return true;
  default: return false;
  }
}

static void move_axis(const Move *m, int axis, int64_t di, int64_t si) {
  int64_t n = m->box.dim[axis], to = m->box.to[axis], from = m->box.from[axis];
  bool inner = axis == m->box.rank - 1;
  if (inner && to == 1 && from == 1) {
    move_run(m, di, si, n);
    return;
  }
  if (move_plane(m, axis, di, si)) return;
  for (int64_t i = 0; i < n; i++) {
    if (inner) move_run(m, di + i * to, si + i * from, 1);
    else move_axis(m, axis + 1, di + i * to, si + i * from);
  }
}

/* Elements that are neighbours on both sides become one, where there is a number of their size and all others keep to its grid. */
static void widen(Move *m, int64_t *di, int64_t *si) {
  Box *b = &m->box;
  int last = b->rank - 1;
  int64_t n = b->rank ? b->dim[last] : 0;
  if (n < 2 || n > 64 || b->to[last] != 1 || b->from[last] != 1 || *di % n || *si % n) return;
  int64_t bits = n * m->bits;
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64) return;
  for (int i = 0; i < last; i++)
    if (b->to[i] % n || b->from[i] % n) return;
  for (int i = 0; i < last; i++) b->to[i] /= n, b->from[i] /= n;
  b->rank--;
  m->bits = (int)bits;
  *di /= n, *si /= n;
}

/* Two rows whose elements take turns become the innermost axes. */
static void join_rows(Box *b) {
  int last = b->rank - 1;
  if (b->rank < 2 || b->to[last] != 2 || b->from[last] != 1) return;
  for (int i = 0; i < last - 1; i++) {
    if (b->dim[i] != 2 || b->to[i] != 1) continue;
    int64_t from = b->from[i];
    for (; i < last - 1; i++) b->dim[i] = b->dim[i + 1], b->to[i] = b->to[i + 1], b->from[i] = b->from[i + 1];
    b->dim[i] = 2, b->to[i] = 1, b->from[i] = from;
  }
}

void move_box(const Box *b, Dtype t, void *dst, int64_t di, const void *src, int64_t si) {
  Move m = {.box = *b, .dtype = t, .bits = dtype_bits(t), .dst = dst, .src = src};
  widen(&m, &di, &si);
  join_rows(&m.box);
  if (m.box.rank == 0) move_run(&m, di, si, 1);
  else move_axis(&m, 0, di, si);
}

void tensor_strides(const Tensor *t, int64_t *stride) {
  int64_t step = t->count ? 1 : 0;
  for (int i = t->rank - 1; i >= 0; i--) {
    stride[i] = step;
    step = t->count ? step * t->dim[i] : 0;
  }
}

int64_t tensor_span(const Tensor *t, int from, int to) {
  int64_t n = 1;
  ensure(t->count > 0);
  for (int i = from; i < to; i++) n *= t->dim[i];
  return n;
}

int tensor_numbers(const Tensor *t, int max, int64_t *out) {
  ensure(t->count <= max);
  for (int i = 0; i < t->count; i++) out[i] = tensor_i(t, i);
  return (int)t->count;
}

/* hi where the two cross, as they do in an axis without elements. */
static int64_t clamp(int64_t v, int64_t lo, int64_t hi) {
  if (v < lo) v = lo;
  return v > hi ? hi : v;
}

void slice_resolve(int64_t d, int64_t start, int64_t end, int64_t step, int64_t *first, int64_t *count) {
  if (start < 0) start += d;
  if (end < 0) end += d;
  bool forward = step > 0;
  start = clamp(start, 0, forward ? d : d - 1);
  end = clamp(end, forward ? 0 : -1, forward ? d : d - 1);
  int64_t span = forward ? end - start : start - end;
  uint64_t stride = forward ? (uint64_t)step : 0 - (uint64_t)step; /* of INT64_MIN, too */
  *first = start;
  *count = span > 0 ? (int64_t)(((uint64_t)span - 1) / stride + 1) : 0;
}
