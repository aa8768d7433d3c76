/* test_move.c -- boxes of elements between two places, against moving one element after the other. */
#include <stdio.h>

#include "ir/move.h"
#include "random.h"

enum { MOST_AXES = 4, ROOM = 1 << 16 };

static const Dtype types[] = {DT_u2, DT_i4, DT_u8, DT_bf16, DT_f32, DT_f64};

/* How far apart neighbours are where the axes stand in a random order, some with room behind them; how far all of it reaches. */
static int64_t lay(Random *r, int rank, const int64_t *dim, int64_t *step) {
  int order[MOST_AXES];
  int64_t next = 1, reach = 1;
  for (int i = 0; i < rank; i++) {
    int k = random_below(r, i + 1);
    order[i] = order[k], order[k] = i;
  }
  for (int i = 0; i < rank; i++) {
    int axis = order[i];
    step[axis] = next;
    reach += next * (dim[axis] - 1);
    next *= dim[axis];
    if (random_chance(r, 20)) next += random_below(r, 4);
  }
  return reach;
}

static int64_t size_of_axis(Random *r) {
  static const int64_t usual[] = {1, 2, 2, 4, 8, 16, 33};
  return random_chance(r, 80) ? usual[random_below(r, 7)] : 1 + random_below(r, 40);
}

static void move_singly(Dtype t, const Box *b, int axis, void *dst, int64_t di, const void *src, int64_t si) {
  if (axis == b->rank) move_elements(t, dst, di, src, si, 1);
  else
    for (int64_t i = 0; i < b->dim[axis]; i++) move_singly(t, b, axis + 1, dst, di + i * b->to[axis], src, si + i * b->from[axis]);
}

/* 1: moved as one by one, and nothing else was touched; 0: too large to try; -1: wrong. */
static int try(uint64_t seed) {
  static char from[ROOM + 8], got[ROOM + 8], want[ROOM + 8];
  Random r = {seed};
  Dtype t = types[random_below(&r, 6)];
  int rank = random_below(&r, MOST_AXES + 1), shift = random_below(&r, 3); /* files align as they please */
  int64_t dim[MOST_AXES], to[MOST_AXES], by[MOST_AXES], di = random_below(&r, 9), si = random_below(&r, 9);
  for (int i = 0; i < rank; i++) dim[i] = size_of_axis(&r);
  int64_t most = (int64_t)ROOM * 8 / dtype_bits(t);
  if (di + lay(&r, rank, dim, to) > most || si + lay(&r, rank, dim, by) > most) return 0;
  Box merged = {0}, plain = {.rank = rank};
  for (int i = 0; i < rank; i++) {
    box_push(&merged, dim[i], to[i], by[i]);
    plain.dim[i] = dim[i], plain.to[i] = to[i], plain.from[i] = by[i];
  }
  for (int i = 0; i < ROOM + 8; i++) from[i] = (char)random_next(&r);
  memset(got, 0x5a, sizeof got);
  memset(want, 0x5a, sizeof want);
  move_box(&merged, t, got + shift, di, from + shift, si);
  move_singly(t, &plain, 0, want + shift, di, from + shift, si);
  return memcmp(got, want, sizeof got) ? -1 : 1;
}

int main(void) {
  int n[3] = {0};
  for (uint64_t seed = 0; seed < 4000; seed++) {
    int result = try(seed);
    if (result < 0) printf("FAIL seed %llu: the box has other elements\n", (unsigned long long)seed);
    n[result + 1]++;
  }
  printf("%d boxes as one by one, %d too large, %d wrong\n", n[2], n[1], n[0]);
  return n[0] > 0 || n[2] < 2500;
}
