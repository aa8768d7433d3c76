/* diag.c -- what is wrong with the user's input: collected, then printed all at once. */
#include "ir/diag.h"

#include "ir/fatal.h"

/* A hostile file can be wrong in a million places, with names of a million letters; a reader is served by the first
 * hundred and their beginnings. */
enum { MAX_KEPT = 100, MAX_NAME = 500, MAX_TEXT = 2000 };

typedef struct Message {
  bool warning;
  Loc loc;
  const char *text, *hint;
} Message;

struct Diag {
  Arena *arena;
  VEC(Message) kept;
  int errors, dropped;
  bool misused;
};

Diag *diag_new(Arena *a) {
  Diag *d = ARENA_NEW(a, Diag);
  d->arena = a;
  return d;
}

static const char *keep(Diag *d, const char *s) { return s ? arena_string(d->arena, s, strnlen(s, MAX_NAME)) : NULL; }

static const char *keep_text(Diag *d, const char *fmt, va_list ap) {
  char text[MAX_TEXT + 4];
  if (vsnprintf(text, MAX_TEXT, fmt, ap) >= MAX_TEXT) strcpy(text + MAX_TEXT - 1, "...");
  return arena_string(d->arena, text, strlen(text));
}

static void add(Diag *d, bool warning, Loc loc, const char *fmt, va_list ap) {
  if (d->kept.n >= MAX_KEPT) { d->dropped++; return; }
  Message m = {.warning = warning, .loc = {keep(d, loc.file), loc.line, keep(d, loc.name)}};
  m.text = keep_text(d, fmt, ap);
  vec_push(d->arena, &d->kept, m);
}

bool diag_error(Diag *d, Loc loc, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  add(d, false, loc, fmt, ap);
  va_end(ap);
  d->errors++;
  return false;
}

bool diag_misuse(Diag *d, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  add(d, false, (Loc){0}, fmt, ap);
  va_end(ap);
  d->errors++;
  d->misused = true;
  return false;
}

bool diag_misused(const Diag *d) { return d->misused; }

void diag_warn(Diag *d, Loc loc, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  add(d, true, loc, fmt, ap);
  va_end(ap);
}

bool diag_hint(Diag *d, const char *fmt, ...) {
  if (d->dropped || d->kept.n == 0) return false;
  va_list ap;
  va_start(ap, fmt);
  d->kept.at[d->kept.n - 1].hint = arena_vprintf(d->arena, fmt, ap);
  va_end(ap);
  return false;
}

DiagMark diag_mark(const Diag *d) { return (DiagMark){d->kept.n, d->errors, d->dropped}; }

void diag_rewind(Diag *d, DiagMark mark) {
  d->kept.n = mark.kept;
  d->errors = mark.errors;
  d->dropped = mark.dropped;
}

void diag_forgive(Diag *d, DiagMark mark) {
  for (int i = mark.kept; i < d->kept.n; i++) d->kept.at[i].warning = true;
  d->errors = mark.errors;
}

int diag_errors(const Diag *d) { return d->errors; }

const char *diag_first(const Diag *d) {
  for (int i = 0; i < d->kept.n; i++)
    if (!d->kept.at[i].warning) return d->kept.at[i].text;
  return NULL;
}

/* Names come from the input, which may hold control characters that would drive the reader's terminal. */
static void put_plain(const char *s, FILE *out) {
  for (; *s; s++) fputc((unsigned char)*s < 32 || *s == 127 ? '?' : *s, out);
}

static void put_message(const Message *m, FILE *out, bool colour) {
  if (m->loc.file) {
    put_plain(m->loc.file, out);
    if (m->loc.line) fprintf(out, ":%d", m->loc.line);
    fputs(": ", out);
  }
  if (m->loc.name && *m->loc.name) {
    put_plain(m->loc.name, out);
    fputs(": ", out);
  }
  const char *kind = m->warning ? "warning: " : "error: ";
  fprintf(out, colour ? (m->warning ? "\033[35m%s\033[0m" : "\033[31m%s\033[0m") : "%s", kind);
  put_plain(m->text, out);
  fputc('\n', out);
  if (m->hint) {
    fputs("  hint: ", out);
    put_plain(m->hint, out);
    fputc('\n', out);
  }
}

void diag_flush(Diag *d, FILE *out, bool colour) {
  for (int i = 0; i < d->kept.n; i++) put_message(&d->kept.at[i], out, colour);
  if (d->dropped) fprintf(out, "and %d more\n", d->dropped);
  d->kept.n = d->dropped = 0;
}
