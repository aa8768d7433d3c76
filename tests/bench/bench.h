/* bench.h -- what benchmarks are written with: shapes, programs made of a text, and figures; docs/benchmarks.md explains. */
#ifndef LATHE_BENCH_H
#define LATHE_BENCH_H

#include "ir/ir.h"
#include "peer.h"
#include "roofline.h"
#include "runtime/session.h"

enum { BENCH_ROUNDS = 101 };

/* What was asked for on the command line. */
typedef struct Bench {
  Arena *arena;
  const char *shape, *dtype, *model; /* or NULL: the bench's own */
  const char *numerics;
  int64_t threads; /* or 0: one, and all */
  double least;    /* percent of the roofline below which a figure fails */
  int rounds;
  bool json, peer;
  bool good;
} Bench;

/* ---- the table ---- */

#define BENCH(name, doc) void bench_##name(Bench *b);
#include "benches.def"
#undef BENCH

/* ---- shapes ---- */

enum { SHAPE_AXES = 8 };

typedef struct Shape {
  const char *text; /* "512x2048x2048" */
  int n;
  int64_t at[SHAPE_AXES];
} Shape;

/* Calls `one` for each shape of `axes` sizes and each element type: those asked for, or else those listed here, with
 * spaces between. */
void bench_each(Bench *b, const char *shapes, int axes, const char *dtypes,
                void (*one)(Bench *b, const Shape *s, const char *dtype));

/* The next of words with spaces between, or NULL. */
const char *bench_word(Arena *a, const char **at);

/* ---- figures ---- */

/* What is measured, and what the machine would take for it: the roofline is the slower of arithmetic and memory. */
typedef struct Figure {
  const char *name, *shape, *dtype;
  Peak arithmetic;      /* which one, */
  double operations;    /* and how much of it a run takes, a fused multiply-add being two; */
  Peak memory;          /* PEAK_read or PEAK_copy, */
  double bytes;         /* and how many a run reads, or reads and writes; 0: does not count */
  const char *const *peer; /* words (NULL-terminated): peer_<the first>.py is told the others; or NULL: there is no peer */
  const char *unit;     /* of the value, if it is to say */
  double count;         /* how many of these a run makes; else it is told in operations or bytes */
} Figure;

/* Something that can be done again and again, whole. */
typedef void Run(void *ctx);

/* What a figure's run does besides what is to be measured, for us and for the peer; it is done in turn, too, and taken off. */
typedef struct Less {
  Run *run;
  void *ctx;
  const char *const *peer;
} Less;

/* Measures it against the roofline, and the peer if one is asked for, with so many threads, and prints the figure. */
void bench_run(Bench *b, const Figure *f, int64_t threads, Run *run, void *ctx);
void bench_run_less(Bench *b, const Figure *f, int64_t threads, Run *run, void *ctx, const Less *less);

/* Compiles a module through the whole pipeline and measures its first function: once with one thread and once with all, or as
 * asked for. Weights and inputs lie in memory like the roofline's. Floats of inputs are in [-1, 1), integers 1; an axis whose
 * size is no number is as large as `sizes` says for that axis. */
void bench_module(Bench *b, const Figure *f, Module *m, const Shape *sizes);
/* The same of a text. */
void bench_text(Bench *b, const Figure *f, const char *text);

/* A module as a program in this process, whose weights lie in memory like the roofline's, and a session of it. */
typedef struct BenchProgram BenchProgram;
BenchProgram *bench_open(Bench *b, Module *m);
void bench_session(const BenchProgram *p, int64_t threads, lrt_session *s);
void bench_close(BenchProgram *p);

/* The numbers of threads to measure with: returns how many there are. */
int bench_threads(const Bench *b, int64_t threads[2]);

/* A figure that something else measured: NAN where there is none. */
typedef struct Row {
  const char *name, *shape, *dtype, *numerics, *unit;
  int64_t threads;
  double value, of_roofline, p10, p90; /* the percentiles are of of_roofline; of the value where there is none */
  const char *peer;                    /* JSON, or NULL */
  double of_peer;
} Row;
void bench_print(Bench *b, const Row *r);

/* Sorts, and gives the value that so many percent are below. */
double bench_percentile(double *v, int n, int percent);
/* Seconds on the clock on the wall. */
double bench_now(void);

#endif
