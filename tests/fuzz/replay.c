/* replay.c -- runs a fuzz target without a fuzzer: its corpus, and mutations of it that a seed and a number determine.
 *
 *   replay_<target> [--mutations N] [--seed S] [--first I] [--write FILE] [--limit SECONDS] FILE|FOLDER...
 *
 * The inputs run in a child, so that a crash, an assertion or a sanitizer's report ends that alone: the number of the
 * input is printed, and the rest goes on. `--first I --mutations 1 --write FILE` keeps one to look at. An input that
 * takes more processor time than the limit is a failure, too. */
#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mutate.h"

enum { MAX_DEATHS = 20 };

typedef struct Seed {
  char *path;
  Input input;
} Seed;

typedef struct Options {
  int64_t mutations, seed, first;
  double limit;
  const char *write;
  Seed *seeds;
  int n_seeds;
} Options;

/* What the child tells its parent. Inputs are numbered: first the seeds, then the mutations. */
typedef struct Progress {
  int64_t next, slow;
  double slowest_time;
  int64_t slowest;
} Progress;

/* ---- seeds ---- */

static void *checked(void *p) {
  if (p) return p;
  fputs("out of memory\n", stderr);
  exit(74);
}

static void add_file(Options *o, const char *path) {
  FILE *f = fopen(path, "rb");
  if (!f) {
    perror(path);
    exit(2);
  }
  o->seeds = checked(realloc(o->seeds, (size_t)(o->n_seeds + 1) * sizeof *o->seeds));
  Seed *s = &o->seeds[o->n_seeds++];
  *s = (Seed){.path = checked(strdup(path))};
  fseek(f, 0, SEEK_END);
  size_t size = (size_t)ftell(f);
  rewind(f);
  uint8_t *bytes = checked(malloc(size + 1));
  size = fread(bytes, 1, size, f);
  input_set(&s->input, bytes, size);
  free(bytes);
  fclose(f);
}

static int by_name(const void *a, const void *b) { return strcmp(((const Seed *)a)->path, ((const Seed *)b)->path); }

/* Sorted, since the order of a folder's files is not the same everywhere, and mutations depend on it. */
static void add_path(Options *o, const char *path) {
  DIR *folder = opendir(path);
  if (!folder) {
    add_file(o, path);
    return;
  }
  int first = o->n_seeds;
  for (struct dirent *e; (e = readdir(folder));) {
    char name[4096];
    if (e->d_name[0] == '.') continue;
    snprintf(name, sizeof name, "%s/%s", path, e->d_name);
    add_file(o, name);
  }
  closedir(folder);
  qsort(o->seeds + first, (size_t)(o->n_seeds - first), sizeof *o->seeds, by_name);
}

/* ---- running ---- */

/* Mutation i depends on the seed and i alone. */
static const Seed *make_input(const Options *o, int64_t i, Input *in) {
  if (i < o->n_seeds) {
    input_set(in, o->seeds[i].input.at, o->seeds[i].input.n);
    return &o->seeds[i];
  }
  Random r = {(uint64_t)o->seed * 0x9E3779B97F4A7C15u ^ (uint64_t)(i - o->n_seeds) * 0xD1342543DE82EF95u};
  const Seed *s = &o->seeds[random_index(&r, (size_t)o->n_seeds)];
  const Seed *other = &o->seeds[random_index(&r, (size_t)o->n_seeds)];
  input_set(in, s->input.at, s->input.n);
  fuzz_mutate(in, &other->input, &r);
  return s;
}

static void write_input(const char *path, const Input *in) {
  FILE *f = fopen(path, "wb");
  if (!f) {
    perror(path);
    exit(2);
  }
  fwrite(in->at, 1, in->n, f);
  fclose(f);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void say(const Options *o, int64_t i, const char *what) {
  Input in = {0};
  const char *path = make_input(o, i, &in)->path;
  if (i < o->n_seeds)
    printf("FAIL %s: %s\n", path, what);
  else
    printf("FAIL seed %" PRId64 ", mutation %" PRId64 " (of %s): %s\n", o->seed, i - o->n_seeds, path, what);
  free(in.at);
}

/* The numbers from p->next on, up to `end`. */
static void run_inputs(const Options *o, int64_t end, Progress *p) {
  Input in = {0};
  for (; p->next < end; p->next++) {
    make_input(o, p->next, &in);
    if (o->write) write_input(o->write, &in);
    double start = now();
    LLVMFuzzerTestOneInput(in.at, in.n);
    double took = now() - start;
    if (took > p->slowest_time) p->slowest_time = took, p->slowest = p->next;
    if (took <= o->limit) continue;
    say(o, p->next, "takes too long");
    p->slow++;
  }
  free(in.at);
}

static int run_child(const Options *o, int64_t end, Progress *p) {
  int status;
  fflush(stdout);
  pid_t child = fork();
  if (child < 0) {
    perror("fork");
    exit(74);
  }
  if (child == 0) {
    run_inputs(o, end, p);
    fflush(stdout);
    exit(0); /* so that leaks are reported */
  }
  if (waitpid(child, &status, 0) < 0) {
    perror("waitpid");
    exit(74);
  }
  return status;
}

static int run(const Options *o) {
  Progress *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) {
    perror("mmap");
    return 74;
  }
  int64_t first = o->first < 0 ? 0 : o->n_seeds + o->first;
  int64_t end = (o->first < 0 ? o->n_seeds : first) + o->mutations;
  int deaths = 0;
  p->next = first;
  while (run_child(o, end, p) != 0 && deaths < MAX_DEATHS) {
    if (p->next >= end) {
      puts("FAIL after the last input");
      deaths++;
      break;
    }
    say(o, p->next, "dies");
    p->next++;
    deaths++;
  }
  printf("%" PRId64 " inputs, %d died, %" PRId64 " too slow; the slowest took %.3f s (number %" PRId64 ")\n",
         p->next - first, deaths, p->slow, p->slowest_time, p->slowest - o->n_seeds);
  return deaths || p->slow ? 1 : 0;
}

/* ---- options ---- */

static const char *value_of(int argc, char **argv, int *i, const char *name) {
  if (strcmp(argv[*i], name) != 0) return NULL;
  if (*i + 1 < argc) return argv[++*i];
  fprintf(stderr, "%s needs a value\n", name);
  exit(2);
}

int main(int argc, char **argv) {
  Options o = {.first = -1, .limit = 2};
  for (int i = 1; i < argc; i++) {
    const char *v;
    if ((v = value_of(argc, argv, &i, "--mutations")))
      o.mutations = atoll(v);
    else if ((v = value_of(argc, argv, &i, "--seed")))
      o.seed = atoll(v);
    else if ((v = value_of(argc, argv, &i, "--first")))
      o.first = atoll(v);
    else if ((v = value_of(argc, argv, &i, "--limit")))
      o.limit = atof(v);
    else if ((v = value_of(argc, argv, &i, "--write")))
      o.write = v;
    else
      add_path(&o, argv[i]);
  }
  if (o.n_seeds == 0) {
    fputs("no inputs\n", stderr);
    return 2;
  }
  int status = run(&o);
  for (int i = 0; i < o.n_seeds; i++) {
    free(o.seeds[i].path);
    free(o.seeds[i].input.at);
  }
  free(o.seeds);
  return status;
}
