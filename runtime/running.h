/* running.h -- a program while it runs: what was asked of it, and what it is made of. */
#ifndef LRT_RUNNING_H
#define LRT_RUNNING_H

#include "runtime/arguments.h"
#include "runtime/cpu.h"
#include "runtime/session.h"
#include "runtime/weights.h"
#include "runtime/words.h"

enum { DONE = 0, BAD_INPUT = 1, BAD_USAGE = 2, NO_RESOURCE = 74 }; /* exit statuses */

typedef struct Program {
  const lrt_model *model;
  const lrt_program *data;    /* of the level that runs; of the first where none can */
  const char *name;           /* as it was called */
  const lrt_cpu *processor;
  int64_t zone;               /* seconds that clocks on walls are ahead */
  Arguments args;
  bool runs; /* the processor has what the level needs */
  lrt_weights weights;
  lrt_session session;
  TextOut *out; /* what is asked for; messages go to the standard error stream */
} Program;

/* Says what is wrong, and returns the status. */
int complain(const Program *p, int status, const char *fmt, ...);
int session_failed(const Program *p);

/* What the program holds; how it is used. */
int print_info(const Program *p);
int print_help(const Program *p);

/* Runs the function once, or as often as is asked for, on arrays. The session is open. */
int run_on_arrays(Program *p);

#endif
