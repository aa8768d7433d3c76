/* diag.h -- what is wrong with the user's input: collected, then printed all at once. */
#ifndef LATHE_DIAG_H
#define LATHE_DIAG_H

#include <stdbool.h>
#include <stdio.h>

#include "ir/arena.h"

/* Where something comes from: a file, a line of it (0 where lines mean nothing), and a name in it (a node's, say). */
typedef struct Loc {
  const char *file;
  int line;
  const char *name;
} Loc;

typedef struct Diag Diag;

Diag *diag_new(Arena *a);

/* Returns false, so that a caller can say `return diag_error(...)`. The message names both offending values. */
bool diag_error(Diag *d, Loc loc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A mistake in the command line rather than in what it names: the exit status tells the two apart. Returns false, too. */
bool diag_misuse(Diag *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool diag_misused(const Diag *d);

/* Adds to the newest error what the user could do about it. Returns false, too. */
bool diag_hint(Diag *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Something the user should know that does not stop the work. */
void diag_warn(Diag *d, Loc loc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* For trying something: rewinding forgets what was reported since the mark. */
typedef struct DiagMark {
  int kept, errors, dropped;
} DiagMark;
DiagMark diag_mark(const Diag *d);
void diag_rewind(Diag *d, DiagMark mark);
/* Errors since the mark become warnings. */
void diag_forgive(Diag *d, DiagMark mark);

int diag_errors(const Diag *d);

/* Prints as `file:line: name: message`, then `  hint: ...`, and forgets them. */
void diag_flush(Diag *d, FILE *out, bool colour);

/* The first error's message, or NULL: for tests. */
const char *diag_first(const Diag *d);

#endif
