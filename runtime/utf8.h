/* utf8.h -- characters in UTF-8. */
#ifndef LRT_UTF8_H
#define LRT_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The character at s, of at most n bytes, in *c; returns its bytes, or 0 where none begins. */
static inline size_t utf8_read(const char *text, size_t n, uint32_t *c) {
  static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
  const uint8_t *s = (const uint8_t *)text;
  if (n == 0) return 0;
  if (s[0] < 0x80) return *c = s[0], 1;
  size_t size = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
  if (s[0] < 0xc2 || s[0] > 0xf4 || size > n) return 0;
  uint32_t v = s[0] & (0x7fu >> size);
  for (size_t i = 1; i < size; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
    v = v << 6 | (s[i] & 0x3f);
  }
  *c = v;
  return v < least[size] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000) ? 0 : size;
}

/* Writes it to `to`, which has room for 4 bytes; returns how many. */
static inline size_t utf8_write(uint32_t c, char *to) {
  if (c < 0x80) return to[0] = (char)c, 1;
  if (c < 0x800) return to[0] = (char)(0xc0 | c >> 6), to[1] = (char)(0x80 | (c & 0x3f)), 2;
  if (c < 0x10000) {
    to[0] = (char)(0xe0 | c >> 12), to[1] = (char)(0x80 | (c >> 6 & 0x3f)), to[2] = (char)(0x80 | (c & 0x3f));
    return 3;
  }
  to[0] = (char)(0xf0 | c >> 18), to[1] = (char)(0x80 | (c >> 12 & 0x3f));
  to[2] = (char)(0x80 | (c >> 6 & 0x3f)), to[3] = (char)(0x80 | (c & 0x3f));
  return 4;
}

/* How many characters are in text that is UTF-8. */
static inline size_t utf8_count(const char *s, size_t n) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) count += ((uint8_t)s[i] & 0xc0) != 0x80;
  return count;
}

#endif
