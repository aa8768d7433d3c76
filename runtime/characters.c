/* characters.c -- what Python's texts know of characters. */
#include "runtime/characters.h"

#include <stddef.h>

/* Sorted by kind, and then by characters: both make the key. */
typedef struct Range {
  uint32_t key, last : 24, step : 8;
} Range;

typedef struct Map {
  uint32_t key, last : 24, step : 8;
  int32_t delta;
} Map;

typedef struct Special {
  uint32_t key, to[3];
} Special;

#define KEY(kind, c) ((uint32_t)(kind) << 24 | (c))
static const Range ranges[] = {
#define RANGE(kind, first, last, step) {KEY(CHARACTER_##kind, first), last, step},
#include "runtime/characters.def"
};
static const Map maps[] = {
#define MAP(kind, first, last, step, delta) {KEY(CHARACTER_TO_##kind, first), last, step, delta},
#include "runtime/characters.def"
};
static const Special specials[] = {
#define SPECIAL(kind, from, a, b, c) {KEY(CHARACTER_TO_##kind, from), {a, b, c}},
#include "runtime/characters.def"
};

/* The last of n rows, each of so many bytes and with its key first, whose key is not greater; or NULL. */
static const void *find(const void *rows, size_t n, size_t size, uint32_t key) {
  const char *base = rows;
  size_t low = 0, high = n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (*(const uint32_t *)(const void *)(base + middle * size) <= key) low = middle + 1;
    else high = middle;
  }
  return low ? base + (low - 1) * size : NULL;
}

#define FIND(rows, key) find(rows, sizeof rows / sizeof *rows, sizeof *rows, key)

static bool covers(uint32_t key, uint32_t row, uint32_t last, uint32_t step) {
  return row >> 24 == key >> 24 && (key & 0xffffff) <= last && (key - row) % step == 0;
}

bool character_is(uint32_t c, CharacterKind kind) {
  const Range *r = FIND(ranges, KEY(kind, c));
  return r && covers(KEY(kind, c), r->key, r->last, r->step);
}

int character_case(uint32_t c, CharacterCase to, uint32_t out[3]) {
  const Special *s = FIND(specials, KEY(to, c));
  const Map *m = FIND(maps, KEY(to, c));
  out[0] = c;
  if (s && s->key == KEY(to, c)) {
    for (int i = 0; i < 3; i++) out[i] = s->to[i];
    return s->to[2] ? 3 : 2;
  }
  if (m && covers(KEY(to, c), m->key, m->last, m->step)) out[0] = (uint32_t)((int32_t)c + m->delta);
  return 1;
}
