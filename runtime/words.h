/* words.h -- strings and numbers without a C library. */
#ifndef LRT_WORDS_H
#define LRT_WORDS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t text_length(const char *s);
bool text_same(const char *a, const char *b);
bool text_same_n(const char *a, const char *b, size_t n); /* the first n of a are all of b */
bool text_begins(const char *s, const char *with);

/* %s is a string, %d an int64_t, %x a uint64_t in hexadecimal, %g a double in a few digits, %% a percent sign. What
 * does not fit is cut off. Returns the length. */
size_t text_format(char *out, size_t size, const char *fmt, ...);
size_t text_format_list(char *out, size_t size, const char *fmt, va_list ap);

/* The decimal number at s, and what follows it; NULL where there is none that fits. */
const char *text_number(const char *s, int64_t *out);

/* To a stream, at once. */
void text_say(int stream, const char *fmt, ...);

/* To a stream, a buffer at a time; what cannot be written is remembered until text_flush() says so. */
typedef struct TextOut {
  int stream;
  bool failed;
  size_t n;
  char at[4096];
} TextOut;

void text_put(TextOut *o, const char *fmt, ...);
void text_bytes(TextOut *o, const char *at, size_t n);
bool text_flush(TextOut *o);

#endif
