/* bench_startup.c -- a tiny program, from its start to its end, with all that a user waits for: built, then run as a process. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "ir/fatal.h"

enum { RUNS = 201, WARM = 5 };

static const char model[] =
  "lathe 1\n"
  "func @main<rows>(%x: f32[rows,16], %w: f32[16,16]) -> (y: f32[rows,16]) {\n"
  "  %a = matmul %x, %w : f32[rows,16]\n"
  "  %y = softmax %a : f32[rows,16]\n"
  "  return %y\n"
  "}\n";

/* Returns the seconds that it took. */
static double run(char **argv, int out) {
  extern char **environ;
  posix_spawn_file_actions_t actions;
  pid_t pid;
  int status = -1;
  posix_spawn_file_actions_init(&actions);
  if (out >= 0) posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  double start = bench_now();
  if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) != 0) fatal_resource("cannot run %s: %s", argv[0], strerror(errno));
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  double seconds = bench_now() - start;
  posix_spawn_file_actions_destroy(&actions);
  if (status != 0) fatal_resource("%s ended with status %d", argv[0], status);
  return seconds;
}

/* `lathe` stands one folder above this program. */
static char *lathe_path(Arena *a) {
  char self[4096];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  if (n < 0) fatal_resource("cannot find lathe: %s", strerror(errno));
  self[n] = 0;
  *strrchr(self, '/') = 0;
  return arena_printf(a, "%s/../lathe", self);
}

static char *make_program(Arena *a, const char *folder) {
  char *text = arena_printf(a, "%s/tiny.ir", folder), *program = arena_printf(a, "%s/tiny", folder);
  FILE *f = fopen(text, "w");
  if (!f || fputs(model, f) < 0 || fclose(f) != 0) fatal_resource("%s: cannot write: %s", text, strerror(errno));
  run((char *[]){lathe_path(a), "build", text, "-o", program, "-q", NULL}, -1);
  unlink(text);
  return program;
}

void bench_startup(Bench *b) {
  char folder[] = "/tmp/lathe-bench-XXXXXX";
  int64_t threads[2];
  int n = bench_threads(b, threads);
  if (!mkdtemp(folder)) fatal_resource("no folder for a benchmark: %s", strerror(errno));
  char *program = make_program(b->arena, folder);
  FILE *nowhere = fopen("/dev/null", "w");
  for (int i = 0; i < n && nowhere; i++) {
    double ms[RUNS];
    char *argv[] = {program, "--random", "1", "-d", "rows=4", "-t", arena_printf(b->arena, "%lld", (long long)threads[i]), NULL};
    for (int k = -WARM; k < RUNS; k++) ms[k < 0 ? 0 : k] = 1e3 * run(argv, fileno(nowhere));
    bench_print(b, &(Row){.name = "startup", .shape = "4x16", .dtype = "f32", .numerics = b->numerics, .unit = "ms", .threads = threads[i],
                          .value = bench_percentile(ms, RUNS, 50), .of_roofline = NAN, .of_peer = NAN,
                          .p10 = bench_percentile(ms, RUNS, 10), .p90 = bench_percentile(ms, RUNS, 90)});
  }
  if (nowhere) fclose(nowhere);
  unlink(program), rmdir(folder);
}
