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

/* Elements as numbers of their size, whatever they are. */
typedef uint8_t __attribute__((may_alias)) Bits8;
typedef uint16_t __attribute__((may_alias)) Bits16;
typedef uint32_t __attribute__((may_alias)) Bits32;
typedef uint64_t __attribute__((may_alias)) Bits64;

/* Two axes of whole elements. Where neighbours here are rows there, blocks of both fit the nearest cache. */
#define MOVE_PLANE(bits) \
  static void move_plane_##bits(const int64_t *dim, const int64_t *to, const int64_t *from, Bits##bits *dst, \
                                const Bits##bits *src) { \
    enum { BLOCK = 32 }; \
    for (int64_t j0 = 0; j0 < dim[1]; j0 += BLOCK) \
      for (int64_t i = 0, n = dim[1] - j0 < BLOCK ? dim[1] - j0 : BLOCK; i < dim[0]; i++) \
        for (int64_t j = j0; j < j0 + n; j++) dst[i * to[0] + j * to[1]] = src[i * from[0] + j * from[1]]; \
  }
MOVE_PLANE(8)
MOVE_PLANE(16)
MOVE_PLANE(32)
MOVE_PLANE(64)
#undef MOVE_PLANE

static bool is_aligned(Dtype t, const void *p) { return (uintptr_t)p % (size_t)(dtype_bits(t) / 8) == 0; }

static bool move_plane(const Box *b, int axis, Dtype t, void *dst, int64_t di, const void *src, int64_t si) {
  const int64_t *dim = &b->dim[axis], *to = &b->to[axis], *from = &b->from[axis];
  if (axis != b->rank - 2 || (to[1] == 1 && from[1] == 1) || dtype_bits(t) < 8 || !is_aligned(t, dst) || !is_aligned(t, src)) return false;
  switch (dtype_bits(t)) {
  case 8: move_plane_8(dim, to, from, (Bits8 *)dst + di, (const Bits8 *)src + si); return true;
  case 16: move_plane_16(dim, to, from, (Bits16 *)dst + di, (const Bits16 *)src + si); return true;
  case 32: move_plane_32(dim, to, from, (Bits32 *)dst + di, (const Bits32 *)src + si); return true;
  case 64: move_plane_64(dim, to, from, (Bits64 *)dst + di, (const Bits64 *)src + si); return true;
  default: return false;
  }
}

static void move_axis(const Box *b, int axis, Dtype t, void *dst, int64_t di, const void *src, int64_t si) {
  int64_t n = b->dim[axis], to = b->to[axis], from = b->from[axis];
  bool inner = axis == b->rank - 1;
  if (inner && to == 1 && from == 1) {
    move_elements(t, dst, di, src, si, n);
    return;
  }
  if (move_plane(b, axis, t, dst, di, src, si)) return;
  for (int64_t i = 0; i < n; i++) {
    if (inner)
      move_elements(t, dst, di + i * to, src, si + i * from, 1);
    else
      move_axis(b, axis + 1, t, dst, di + i * to, src, si + i * from);
  }
}

void move_box(const Box *b, Dtype t, void *dst, int64_t di, const void *src, int64_t si) {
  if (b->rank == 0)
    move_elements(t, dst, di, src, si, 1);
  else
    move_axis(b, 0, t, dst, di, src, si);
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
