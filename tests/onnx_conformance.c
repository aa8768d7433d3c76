/* onnx_conformance.c -- runs ONNX's test cases: folders of a model and data sets of its inputs and outputs.
 *
 * onnx_conformance [--via WAY] [--list] [--only TEXT] [--every N] [--at-least N] [DIR...]
 *
 * WAY: eval, lowered, native, or a machine of via_program.c, on which each case runs as a program.
 * --every: the first of each N cases, which are in the order of their names.
 * --at-least: fewer that pass are a failure, so that nothing that once worked is refused without notice.
 *
 * A DIR is such a folder, or holds such folders; without one, those of the corpus (LATHE_CORPUS). Cases run in a process
 * apart, which shares the table of results: where it dies, the case it was at has failed, and another goes on behind it. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/onnx.h"
#include "frontend/onnx_scan.h"
#include "frontend/onnx_tensor.h"
#include "ir/fatal.h"
#include "onnx.pb-c.h"
#include "ir/tolerance.h"
#include "via.h"

enum { SKIPPED_TEST = 77, SECONDS_A_CASE = 60 };

typedef enum Verdict { PENDING, PASSED, FAILED, REFUSED } Verdict;

/* In memory that the processes share, so without pointers. */
typedef struct Result {
  Verdict verdict;
  char reason[500];
  char ops[200];
} Result;

typedef struct Case {
  const char *name, *folder;
} Case;

typedef struct Run {
  Arena *arena;
  VEC(Case) cases;
  Result *result; /* [cases] */
  int *next;      /* the case that is running */
  Via via;
  bool list;
  const char *only;
  int at_least, every, seen;
} Run;

/* ---- finding cases ---- */

static const char *join(Arena *a, const char *folder, const char *name) {
  return arena_printf(a, "%s/%s", folder, name);
}

static bool exists(const char *path) {
  struct stat st;
  return stat(path, &st) == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void add_case(Run *r, const char *folder) {
  const char *slash = strrchr(folder, '/'), *name = slash && slash[1] ? slash + 1 : folder;
  if ((r->only && !strstr(name, r->only)) || r->seen++ % r->every) return;
  vec_push(r->arena, &r->cases, ((Case){name, folder}));
}

static bool add_folder(Run *r, const char *folder) {
  if (exists(join(r->arena, folder, "model.onnx"))) {
    add_case(r, folder);
    return true;
  }
  struct dirent **entry;
  int n = scandir(folder, &entry, NULL, by_name);
  if (n < 0) return false;
  for (int i = 0; i < n; i++) {
    const char *below = join(r->arena, folder, entry[i]->d_name);
    if (entry[i]->d_name[0] != '.' && exists(join(r->arena, below, "model.onnx"))) add_case(r, below);
    free(entry[i]);
  }
  free(entry);
  return true;
}

/* ---- one case ---- */

typedef struct Names {
  int n;
  const char **name;
  Tensor **tensor;
} Names;

/* input_0.pb, input_1.pb, ... as long as there are any. */
static bool load_all(Arena *a, Diag *d, const char *folder, const char *kind, Names *out) {
  VEC(const char *) name = {0};
  VEC(Tensor *) tensor = {0};
  for (int i = 0;; i++) {
    const char *path = arena_printf(a, "%s/%s_%d.pb", folder, kind, i), *own;
    Tensor *t;
    if (!exists(path)) break;
    if (!onnx_load_tensor(a, d, path, &own, &t)) return false;
    vec_push(a, &name, own);
    vec_push(a, &tensor, t);
    *out = (Names){tensor.n, name.at, tensor.at};
  }
  return true;
}

static void release_all(int n, Tensor *const *t) {
  for (int i = 0; i < n; i++) tensor_release(t[i]);
}

/* The tensor of that name; where no tensor has it, the one at that place. */
static Tensor *pick(const Names *from, const char *name, int place) {
  for (int i = 0; i < from->n; i++)
    if (name && strcmp(from->name[i], name) == 0) return from->tensor[i];
  return place < from->n ? from->tensor[place] : NULL;
}

static void say(Result *r, Verdict v, const char *text) {
  r->verdict = v;
  snprintf(r->reason, sizeof r->reason, "%s", text);
  for (char *p = r->reason; *p; p++)
    if ((unsigned char)*p < 32) *p = ' ';
}

static void compare_results(Result *r, Arena *a, const Func *f, Tensor *const *have, const Names *want) {
  for (int i = 0; i < f->n_results; i++) {
    const char *name = f->result_name[i];
    const Tensor *expected = pick(want, name, i);
    if (!expected) {
      say(r, FAILED, "a result has no output_N.pb to be compared with");
      return;
    }
    Comparison c = compare_onnx(have[i], expected);
    if (c.good) continue;
    say(r, FAILED, arena_printf(a, "%s: %s", name ? name : "result", c.why));
    return;
  }
}

static void run_on(Program *p, Result *r, Arena *a, Module *m, const Names *inputs, const Names *outputs) {
  Func *f = module_find_func(m, "main");
  Tensor **arg = ARENA_ARRAY(a, Tensor *, f->body->n_args), **result = ARENA_ARRAY(a, Tensor *, f->n_results);
  for (int i = 0; i < f->body->n_args; i++) {
    arg[i] = pick(inputs, f->body->arg[i]->name, i);
    if (arg[i]) continue;
    say(r, FAILED, arena_printf(a, "no input for %s", f->body->arg[i]->name));
    return;
  }
  if (!via_run(p, f, arg, result))
    say(r, via_machine_failed(p) ? REFUSED : FAILED, diag_first(m->diag));
  else
    compare_results(r, a, f, result, outputs);
  release_all(f->n_results, result);
}

static void run_data_set(Program *p, Result *r, Arena *a, Module *m, const char *folder) {
  Names inputs = {0}, outputs = {0};
  if (!load_all(a, m->diag, folder, "input", &inputs) || !load_all(a, m->diag, folder, "output", &outputs))
    say(r, FAILED, diag_first(m->diag));
  else
    run_on(p, r, a, m, &inputs, &outputs);
  release_all(inputs.n, inputs.tensor);
  release_all(outputs.n, outputs.tensor);
}

/* What the model is made of, for the list: read once more, since what is refused has no module. */
static void list_ops(Arena *a, const char *path, Result *r) {
  OnnxBytes bytes;
  Diag *d = diag_new(a);
  if (!onnx_map(d, (Loc){.file = path}, path, &bytes)) return;
  const Lathe__Onnx__ModelProto *m = (const Lathe__Onnx__ModelProto *)onnx_unpack(
      a, d, (Loc){.file = path}, &lathe__onnx__model_proto__descriptor, bytes.at, (size_t)bytes.size, NULL);
  for (size_t i = 0; m && m->graph && i < m->graph->n_node; i++) {
    const char *type = m->graph->node[i]->op_type;
    size_t used = strlen(r->ops);
    if (!strstr(r->ops, type)) snprintf(r->ops + used, sizeof r->ops - used, "%s%s", used ? " " : "", type);
  }
  onnx_unmap(bytes);
}

static void run_case(const Run *run, const Case *c, Result *r) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  const char *path = join(a, c->folder, "model.onnx");
  if (run->list) list_ops(a, path, r);
  OnnxReport report = {0};
  Module *m = onnx_import(a, d, path, &(OnnxOptions){.report = &report});
  Program *p = NULL;
  if (!m) {
    if (report.n) say(r, REFUSED, arena_printf(a, "%s: %s", report.at[0].type, report.at[0].reason));
    else say(r, FAILED, diag_first(d));
  } else if (!(p = via_prepare(run->via, m))) {
    say(r, run->via == VIA_EVAL ? FAILED : REFUSED, diag_first(d));
  } else {
    int i = 0;
    for (r->verdict = PASSED; r->verdict == PASSED; i++) {
      const char *folder = arena_printf(a, "%s/test_data_set_%d", c->folder, i);
      if (!exists(folder)) break;
      run_data_set(p, r, a, m, folder);
    }
    if (i == 0) say(r, FAILED, "there is no test_data_set_0");
    via_free(p);
  }
  if (m) module_close(m);
  arena_free(a);
}

/* ---- all of them ---- */

static void work(const Run *run) {
  for (; *run->next < run->cases.n; ++*run->next) {
    alarm(SECONDS_A_CASE);
    run_case(run, &run->cases.at[*run->next], &run->result[*run->next]);
  }
}

static void note_death(const Run *run, int status) {
  Result *r = &run->result[*run->next];
  char text[80];
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    snprintf(text, sizeof text, "took over %d s", SECONDS_A_CASE);
  else if (WIFSIGNALED(status))
    snprintf(text, sizeof text, "died of signal %d", WTERMSIG(status));
  else
    snprintf(text, sizeof text, "left with status %d", WEXITSTATUS(status));
  say(r, FAILED, text);
  ++*run->next;
}

static void *shared(size_t size) {
  void *p = mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) fatal_resource("out of memory");
  return p;
}

static bool run_all(Run *run) {
  run->result = shared((size_t)run->cases.n * sizeof *run->result);
  run->next = shared(sizeof *run->next);
  while (*run->next < run->cases.n) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
      work(run);
      exit(0);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return false;
    if (*run->next < run->cases.n) note_death(run, status);
    else if (status != 0) return false; /* a leak, say */
  }
  return true;
}

static int report(const Run *run) {
  static const char *const names[] = {"pending", "passed", "failed", "skipped"};
  int count[4] = {0};
  for (int i = 0; i < run->cases.n; i++) {
    const Result *r = &run->result[i];
    const char *name = run->cases.at[i].name;
    count[r->verdict]++;
    if (run->list)
      printf("%s\t%s\t%s\t%s\n", name, r->ops, names[r->verdict], r->reason);
    else if (r->verdict != PASSED)
      printf("%s %s: %s\n", names[r->verdict], name, r->reason);
  }
  fprintf(run->list ? stderr : stdout, "%d passed, %d failed, %d skipped\n", count[PASSED], count[FAILED],
          count[REFUSED]);
  if (count[PASSED] < run->at_least) fprintf(stderr, "fewer than %d pass\n", run->at_least);
  return count[FAILED] || count[PASSED] < run->at_least ? 1 : 0;
}

static int usage(void) {
  fputs("usage: onnx_conformance [--via WAY] [--list] [--only TEXT] [--every N] [--at-least N] [DIR...]\n", stderr);
  return EXIT_USAGE;
}

static const char *corpus_cases(Arena *a) {
  const char *corpus = getenv("LATHE_CORPUS");
  return join(a, corpus && *corpus ? corpus : "../shared/corpus", "onnx-node");
}

/* The first argument that is no option, or -1. */
static int options(Run *run, int argc, char **argv) {
  int i = 1;
  for (; i < argc && argv[i][0] == '-'; i++) {
    const char *option = argv[i];
    if (strcmp(option, "--list") == 0) {
      run->list = true;
      continue;
    }
    const char *value = ++i < argc ? argv[i] : "";
    if (strcmp(option, "--only") == 0) run->only = value;
    else if (strcmp(option, "--at-least") == 0) run->at_least = atoi(value);
    else if (strcmp(option, "--every") == 0) run->every = atoi(value) > 0 ? atoi(value) : 1;
    else if (strcmp(option, "--via") != 0 || (run->via = via_find(value)) == VIA_NONE) return -1;
  }
  return i;
}

static int start(Run *run, int argc, char **argv) {
  int first = options(run, argc, argv);
  if (first < 0) return usage();
  if (via_missing(run->via)) {
    printf("skipped: the package %s is not there\n", via_missing(run->via));
    return SKIPPED_TEST;
  }
  for (int i = first; i < argc; i++) {
    if (add_folder(run, argv[i])) continue;
    fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
    return EXIT_INPUT;
  }
  if (first >= argc && !add_folder(run, corpus_cases(run->arena))) {
    printf("skipped: there is no %s (set LATHE_CORPUS)\n", corpus_cases(run->arena));
    return SKIPPED_TEST;
  }
  return run_all(run) ? report(run) : EXIT_RESOURCE;
}

int main(int argc, char **argv) {
  Run run = {.arena = arena_new(), .via = VIA_EVAL, .every = 1};
  int status = start(&run, argc, argv);
  arena_free(run.arena);
  return status;
}
