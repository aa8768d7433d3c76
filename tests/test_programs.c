/* test_programs.c -- whole models as programs: built, run on files, and compared with what others computed.
 *
 *   test_programs LATHE [--at-least N] DIR...   DIR as for test_models
 * Each program runs with 1, 2 and 3 threads, and its outputs are the same to the last bit. A model that `lathe build`
 * refuses counts as skipped. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/npy.h"
#include "ir/fatal.h"
#include "model_data.h"
#include "ir/tolerance.h"

enum { MAX_THREADS = 3 };

typedef struct Case {
  Arena *arena;
  Diag *diag;
  const char *dir, *folder; /* the model's, and ours for files */
  bool failed;
} Case;

static void fail(Case *c, const char *what, const char *why) {
  printf("FAIL %s: %s: %s\n", c->dir, what, why ? why : "?");
  c->failed = true;
}

/* What it prints goes to the file `log` in the case's folder. */
static int run(const Case *c, char **argv) {
  extern char **environ;
  posix_spawn_file_actions_t actions;
  pid_t pid;
  int status = -1;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, arena_printf(c->arena, "%s/log", c->folder), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) != 0) return -1;
  posix_spawn_file_actions_destroy(&actions);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static char *whole_file(Arena *a, const char *path, size_t *size) {
  VEC(char) text = {0};
  FILE *f = fopen(path, "rb");
  for (int ch; f && (ch = fgetc(f)) != EOF;) vec_push(a, &text, (char)ch);
  if (f) fclose(f);
  *size = (size_t)text.n;
  vec_push(a, &text, 0);
  return text.at;
}

static const char *log_text(const Case *c) {
  size_t n;
  char *text = whole_file(c->arena, arena_printf(c->arena, "%s/log", c->folder), &n), *end = strchr(text, '\n');
  if (end) *end = 0;
  return text;
}

static void run_threads(Case *c, const char *program, const DataSet *s, int threads) {
  VEC(char *) argv = {0};
  vec_push(c->arena, &argv, (char *)(uintptr_t)program);
  for (int i = 0; i < s->n_in; i++) {
    vec_push(c->arena, &argv, "--in");
    vec_push(c->arena, &argv, arena_printf(c->arena, "%s=%s/in%d.npy", s->in_name[i], c->folder, i));
  }
  vec_push(c->arena, &argv, arena_printf(c->arena, "-t"));
  vec_push(c->arena, &argv, arena_printf(c->arena, "%d", threads));
  vec_push(c->arena, &argv, "--out-dir");
  vec_push(c->arena, &argv, arena_printf(c->arena, "%s/out%d", c->folder, threads));
  vec_push(c->arena, &argv, NULL);
  int status = run(c, argv.at);
  if (status) fail(c, arena_printf(c->arena, "the program ended with %d", status), log_text(c));
}

static void check_output(Case *c, const DataSet *s, int k) {
  char *path[MAX_THREADS + 1], *text[MAX_THREADS + 1], *file = arena_printf(c->arena, "%s", s->out_name[k]);
  size_t size[MAX_THREADS + 1];
  for (char *slash = file; (slash = strchr(slash, '/'));) *slash = '_';
  for (int t = 1; t <= MAX_THREADS; t++) {
    path[t] = arena_printf(c->arena, "%s/out%d/%s.npy", c->folder, t, file);
    text[t] = whole_file(c->arena, path[t], &size[t]);
    if (size[t] != size[1] || memcmp(text[t], text[1], size[1]) != 0) fail(c, s->out_name[k], "differs with the number of threads");
  }
  Tensor *got = npy_read(c->diag, path[1]);
  if (!got) return fail(c, s->out_name[k], diag_first(c->diag));
  Comparison r = compare_scaled(got, s->out[k], 1e-4);
  if (!r.good) fail(c, s->out_name[k], r.why);
  tensor_release(got);
}

static void check_set(Case *c, const char *program, const DataSet *s) {
  for (int i = 0; i < s->n_in; i++) npy_write(arena_printf(c->arena, "%s/in%d.npy", c->folder, i), s->in[i]);
  for (int t = 1; t <= MAX_THREADS && !c->failed; t++) run_threads(c, program, s, t);
  for (int k = 0; k < s->n_out && !c->failed; k++) check_output(c, s, k);
}

typedef enum Outcome { PASSED, FAILED, SKIPPED } Outcome;

static Outcome run_case(Arena *a, const char *lathe, const char *dir, const char *file, const char *folder) {
  Case c = {.arena = a, .diag = diag_new(a), .dir = dir, .folder = folder};
  DataSet set[MAX_SETS];
  char *program = arena_printf(a, "%s/program", folder);
  int status = run(&c, (char *[]){(char *)(uintptr_t)lathe, "build", (char *)(uintptr_t)file, "--cache", "off", "-o", program, "-q", NULL});
  if (status == EXIT_INPUT) return printf("skip %s: %s\n", dir, log_text(&c)), SKIPPED;
  if (status) fail(&c, "lathe build", log_text(&c));
  int n = data_load(a, c.diag, dir, set);
  if (!n) fail(&c, "data", "there is none");
  for (int i = 0; i < n && !c.failed; i++) check_set(&c, program, &set[i]);
  for (int i = 0; i < n; i++) data_release(&set[i]);
  if (!c.failed) printf("ok %s (%d data sets)\n", dir, n);
  return c.failed ? FAILED : PASSED;
}

int main(int argc, char **argv) {
  int count[3] = {0}, at_least = 1, from = 2;
  char folder[] = "/tmp/lathe-programs-XXXXXX";
  ensure(argc > 1 && mkdtemp(folder));
  if (argc > 3 && strcmp(argv[2], "--at-least") == 0) at_least = atoi(argv[3]), from = 4;
  for (int i = from; i < argc; i++) {
    Arena *a = arena_new();
    const char *file = data_model(a, argv[i]);
    if (file) count[run_case(a, argv[1], argv[i], file, folder)]++;
    else printf("skip %s: its model is not there (LATHE_CORPUS)\n", argv[i]), count[SKIPPED]++;
    arena_free(a);
  }
  pid_t pid;
  if (posix_spawn(&pid, "/bin/rm", NULL, NULL, (char *[]){"rm", "-rf", folder, NULL}, NULL) == 0) waitpid(pid, NULL, 0);
  printf("%d passed, %d failed, %d skipped\n", count[PASSED], count[FAILED], count[SKIPPED]);
  return count[FAILED] || count[PASSED] < at_least;
}
