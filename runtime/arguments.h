/* arguments.h -- a program's command line, by the rows of arguments.def. Nothing here prints to a stream of its own. */
#ifndef LRT_ARGUMENTS_H
#define LRT_ARGUMENTS_H

#include "runtime/weights.h"
#include "runtime/words.h"

enum {
#define GROUP(name, title) GROUP_##name,
#define ARGUMENT(...)
#include "runtime/arguments.def"
#undef ARGUMENT
#undef GROUP
  GROUP_count
};

enum {
#define GROUP(...)
#define ARGUMENT(name, ...) ARG_##name,
#include "runtime/arguments.def"
#undef ARGUMENT
#undef GROUP
  ARG_count
};

/* Which programs: each is of one of these kinds. */
enum { PROGRAM_LANGUAGE = 1, PROGRAM_ENCODER = 2, PROGRAM_ARRAYS = 4, PROGRAM_ANY = 7 };

typedef struct Argument {
  bool given;
  const char *word;
  int64_t number;
  double real;
} Argument;

typedef struct Arguments {
  int kind; /* of the program */
  Argument at[ARG_count];
  int n; /* of what follows: all that was given, in its order */
  int *which;         /* [n] */
  const char **value; /* [n]: NULL for a flag */
} Arguments;

/* False: a word is wrong, and `why` says so, or there is no memory (and `why` is empty). */
bool arguments_read(Arguments *a, int kind, int argc, char **argv, lrt_error *why);

/* A number, or what holds where none is given. */
int64_t argument_number(const Arguments *a, int which, int64_t otherwise);
double argument_real(const Arguments *a, int which, double otherwise);

/* The next of the values of a list from `*i` on, which goes on behind it; NULL: there is none. */
const char *argument_next(const Arguments *a, int which, int *i);

/* The options that programs of the kind take, group by group. */
void arguments_explain(int kind, TextOut *out);

#endif
