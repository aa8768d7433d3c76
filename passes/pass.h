/* pass.h -- IR in, IR out: the passes, and the manager that runs them. */
#ifndef LATHE_PASS_H
#define LATHE_PASS_H

#include <stdio.h>

#include "ir/ir.h"
#include "ir/target.h"

/* Whether graphs of decoders become functions over rows with caches as states (kv_cache.c): never, where it can be done, or else it is
 * an error. */
typedef enum CacheMode { CACHE_off, CACHE_auto, CACHE_on } CacheMode;

typedef struct CacheReport {
  bool tried, done;
  Loc where;
  const char *why; /* it stayed as it was; or NULL */
} CacheReport;

typedef struct CacheOptions {
  CacheMode mode;
  int64_t context, sequences; /* how many positions a cache holds, and for how many sequences; 0: as the model shows */
  bool context_is_asked;      /* by the user, so that a larger one than the model has is a mistake */
  CacheReport *report;        /* or NULL */
} CacheOptions;

/* What a pass gets. `scratch` is emptied after it. */
typedef struct PassCall {
  Module *module;
  Arena *scratch;
  const Target *const *target; /* [n_targets], what the program is made for: see levels.c */
  int n_targets;
  const Dtype *cache; /* [n_caches], the types that caches are kept in: see caches.c; 0: as they are */
  int n_caches;
  CacheOptions decoder;
} PassCall;

/* One pass over one function: true if it changed something. */
typedef struct Pass {
  const char *name;
  OpLevel levels;
  bool (*run)(PassCall *c, Func *f);
  const char *doc;
} Pass;

typedef struct Pipeline {
  const char *name, *passes, *doc;
} Pipeline;

const Pass *pass_list(int *n);
const Pipeline *pipeline_list(int *n);

typedef struct PassOptions {
  const char *passes;   /* names with commas or spaces between; NULL: the pipeline's */
  const char *pipeline; /* NULL: default */
  const char *after;    /* print the module after this pass */
  bool after_all;       /* or after each that changed something */
  const char *dump_dir; /* write NN-<pass>.ir there for each that changed something, and 00-input.ir */
  bool timing;          /* a line a pass on `err` */
  FILE *out, *err;
  const Target *const *target; /* [n_targets]: what the program is made for */
  int n_targets;
  const Dtype *cache; /* [n_caches]: what caches are kept in */
  int n_caches;
  CacheOptions decoder;
  /* Called after each pass that changed something: tests compare the module's results here. */
  void (*changed)(void *ctx, const char *pass, Module *m);
  void *changed_ctx;
} PassOptions;

/* Verifies, then runs the passes, verifying after each: a module that a pass breaks is a bug of ours. False after a
 * diag_error: the module was not valid, or an option names what does not exist. */
bool pass_run(Module *m, const PassOptions *o);

#endif
