/* stops.h -- text on its way out, of which what may be the beginning of a stop is held back. */
#ifndef LRT_STOPS_H
#define LRT_STOPS_H

#include <stdbool.h>
#include <stddef.h>

enum { STOPS = 16, STOP_LENGTH = 256 };

typedef void StopsPut(void *context, const char *at, size_t n);

typedef struct Stops {
  const char *text[STOPS];
  int n;
  StopsPut *put; /* what is let through goes there */
  void *context;
  size_t held;
  char at[STOP_LENGTH];
  bool found; /* nothing is let through any more */
} Stops;

/* False: it is empty, too long, or one too many. */
bool stops_add(Stops *s, const char *text);
void stops_text(Stops *s, const char *at, size_t n);
void stops_end(Stops *s); /* no more comes: what is held is let through */

#endif
