/* bench.c -- runs a benchmark of the table; tests/bench/bench calls it, and docs/benchmarks.md explains it. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/fatal.h"
#include "runtime/os.h"

static const struct {
  const char *name, *doc;
  void (*run)(Bench *b);
} benches[] = {
#define BENCH(name, doc) {#name, doc, bench_##name},
#include "benches.def"
#undef BENCH
};
enum { N_BENCHES = sizeof benches / sizeof *benches };

/* ---- the command line ---- */

static int usage(void) {
  puts("bench NAME [--json] [-t N] [--shape S] [--dtype D] [--peer] [--numerics N] [--device N] [--model FILE] [--least PERCENT] [--rounds N]\n");
  for (int i = 0; i < N_BENCHES; i++) printf("  %-12s %s\n", benches[i].name, benches[i].doc);
  puts("\n  --json            one JSON object a figure\n"
       "  -t N              with N threads; else with one, and with all\n"
       "  --shape S         sizes with x between, or a name, instead of the bench's own\n"
       "  --dtype D         f32, bf16 or f16\n"
       "  --peer            compare with ONNX Runtime, or llama.cpp, where it can do the same\n"
       "  --numerics N      exact or fast\n"
       "  --device N        0, the processor\n"
       "  --least PERCENT   fail where a figure is below so much of its roofline\n"
       "  --rounds N        turns, instead of 101: for a quick look");
  return EXIT_USAGE;
}

/* The word behind an option that takes one. */
static const char *word(int argc, char **argv, int *i) {
  if (++*i < argc) return argv[*i];
  fprintf(stderr, "bench: %s needs a word behind it\n", argv[argc - 1]);
  exit(EXIT_USAGE);
}

static bool read_option(Bench *b, int argc, char **argv, int *i) {
  const char *s = argv[*i];
  if (strcmp(s, "--json") == 0) b->json = true;
  else if (strcmp(s, "--peer") == 0) b->peer = true;
  else if (strcmp(s, "-t") == 0 || strcmp(s, "--threads") == 0) b->threads = atoll(word(argc, argv, i));
  else if (strcmp(s, "--shape") == 0) b->shape = word(argc, argv, i);
  else if (strcmp(s, "--dtype") == 0) b->dtype = word(argc, argv, i);
  else if (strcmp(s, "--model") == 0) b->model = word(argc, argv, i);
  else if (strcmp(s, "--numerics") == 0) b->numerics = word(argc, argv, i);
  else if (strcmp(s, "--rounds") == 0) b->rounds = atoi(word(argc, argv, i));
  else if (strcmp(s, "--least") == 0) b->least = atof(word(argc, argv, i));
  else return strcmp(s, "--device") == 0 && strcmp(word(argc, argv, i), "0") == 0;
  return true;
}

int main(int argc, char **argv) {
  Bench b = {.arena = arena_new(), .numerics = "exact", .rounds = BENCH_ROUNDS, .good = true};
  int which = 0;
  while (argc > 1 && which < N_BENCHES && strcmp(benches[which].name, argv[1]) != 0) which++;
  if (argc < 2 || which == N_BENCHES) return usage();
  for (int i = 2; i < argc; i++)
    if (!read_option(&b, argc, argv, &i)) return usage();
  if (b.rounds < 1 || b.rounds > BENCH_ROUNDS) return usage();
  benches[which].run(&b);
  arena_free(b.arena);
  return b.good ? EXIT_OK : EXIT_INPUT;
}

/* ---- shapes and threads ---- */

int bench_threads(const Bench *b, int64_t threads[2]) {
  threads[0] = b->threads ? b->threads : 1;
  threads[1] = os_processors();
  return b->threads || threads[1] == 1 ? 1 : 2;
}

static Shape read_shape(const char *text, int axes) {
  Shape s = {.text = text};
  for (char *at = (char *)(uintptr_t)text; *at && s.n < SHAPE_AXES; at += *at == 'x') {
    s.at[s.n++] = strtoll(at, &at, 10);
    if (*at && *at != 'x') break;
  }
  if (s.n == axes) return s;
  fprintf(stderr, "bench: `%s` is not of %d sizes with x between\n", text, axes);
  exit(EXIT_USAGE);
}

const char *bench_word(Arena *a, const char **at) {
  *at += strspn(*at, " ");
  size_t n = strcspn(*at, " ");
  const char *w = n ? arena_string(a, *at, n) : NULL;
  *at += n;
  return w;
}

void bench_each(Bench *b, const char *shapes, int axes, const char *dtypes,
                void (*one)(Bench *b, const Shape *s, const char *dtype)) {
  const char *dtype, *text, *from = b->dtype ? b->dtype : dtypes;
  while ((dtype = bench_word(b->arena, &from))) {
    const char *at = b->shape ? b->shape : shapes;
    while ((text = bench_word(b->arena, &at))) {
      Shape s = read_shape(text, axes);
      one(b, &s, dtype);
    }
  }
}
