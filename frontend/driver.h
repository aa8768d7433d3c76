/* driver.h -- what the commands share: reading a model, and running passes on it. */
#ifndef LATHE_DRIVER_H
#define LATHE_DRIVER_H

#include "frontend/onnx.h"
#include "frontend/options.h"
#include "ir/ir.h"
#include "passes/pass.h"

typedef struct Driver {
  Arena *arena;
  Diag *diag;
  Options options;
  bool colour; /* on stderr */
  CacheOptions cache; /* for passes, once a model is read */
  CacheReport cached;
} Driver;

/* Reads the one model that the command line names. NULL after a diag_error; `report`, if not NULL, then says what of an
 * ONNX model is not supported. */
Module *driver_load(Driver *d, OnnxReport *report);
/* Runs the passes that the command line asks for. */
bool driver_run_passes(Driver *d, Module *m);
/* After passes: what was said of caches must have had a meaning. False after a diag_misuse. */
bool driver_check_cache(Driver *d);
double driver_now(void);
/* The function that --func names, or the first of the tensor level; NULL after a diag_error. */
Func *driver_func(Driver *d, Module *m);
/* Gives the functions the numerics that --numerics names, if it does; false after a diag_error. */
bool driver_numerics(Driver *d, Module *m);

/* The types of f's caches, that --kv names or the numerics have: returns how many; 0: f has no caches; -1 after a diag_error. */
int driver_caches(Driver *d, const Func *f, Dtype type[3]);

/* The commands: each returns an exit status. */
int command_ir(Driver *d);
int command_inspect(Driver *d);
int command_eval(Driver *d);
int command_build(Driver *d);
int command_verify(Driver *d);
int command_help(Driver *d);
int command_docs(Driver *d);
int command_targets(Driver *d);
int command_tokenize(Driver *d);
int command_template(Driver *d);

#endif
