/* stops.c -- text on its way out, of which what may be the beginning of a stop is held back. */
#include "runtime/stops.h"

#include "runtime/words.h"

bool stops_add(Stops *s, const char *text) {
  size_t n = text_length(text);
  if (n == 0 || n >= STOP_LENGTH || s->n == STOPS) return false;
  s->text[s->n++] = text;
  return true;
}

static bool same(const char *a, const char *b, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (a[i] != b[i]) return false;
  return true;
}

static void let_through(Stops *s, size_t n) {
  if (n) s->put(s->context, s->at, n);
  for (size_t i = n; i < s->held; i++) s->at[i - n] = s->at[i];
  s->held -= n;
}

/* How much of the end of what is held is the beginning of a stop; a whole one has been found. */
static size_t begun(const Stops *s, bool *whole) {
  size_t most = 0;
  for (int i = 0; i < s->n; i++) {
    size_t length = text_length(s->text[i]), n = length < s->held ? length : s->held;
    while (n > 0 && !same(s->at + s->held - n, s->text[i], n)) n--;
    if (n == length && (!*whole || n > most)) *whole = true, most = n;
    else if (!*whole && n > most) most = n;
  }
  return most;
}

void stops_text(Stops *s, const char *at, size_t n) {
  if (s->n == 0) {
    s->put(s->context, at, n);
    return;
  }
  for (size_t i = 0; i < n && !s->found; i++) {
    s->at[s->held++] = at[i];
    size_t keep = begun(s, &s->found);
    let_through(s, s->held - keep);
    if (s->found) s->held = 0;
  }
}

void stops_end(Stops *s) {
  if (!s->found) let_through(s, s->held);
}
