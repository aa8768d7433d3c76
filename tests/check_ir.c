/* check_ir.c -- runs `.ir` files that carry their own expectations.
 *
 *   check_ir [--before PASSES] FILE|FOLDER...
 *
 * --before: of the cases that run @main without an error, all do so after these passes, too, and within 1e-5; what they
 * print is not looked at.
 *
 * A file is one case, or several with a line `// ----` (and what it is about) before each; of a page of the documentation
 * (.md), each module between its fences is one. Every case is parsed and
 * verified, and what it prints must read back as the same text. What else is expected stands in its comments:
 *
 *   // ERROR: text             parsing, verifying or running reports exactly as many errors as there are such lines; each
 *                              has the text of its line in it, in this order
 *   // ERROR-NEXT: text        the same, and it is reported for the next line that is no comment
 *   // RUN: print              the printed module is the case itself without comments and empty lines
 *   // RUN: passes a,b         the passes run
 *   // RUN: cached a,b         the passes run, and decoders must become functions over rows, with caches of 16 positions
 *   // RUN: pipeline name
 *   // RUN: eval               @main runs on these inputs; states left out are fresh
 *   // IN x: f32[2] = [1, 2]   any constant of the text form: splat, hex, expr; x may be a constant bound at run time
 *   // OUT y: f32[2] = [2, 4]  a result of this name
 *   // TOL: 1e-5               for floats, of the largest element
 *   // CHECK: line             with these, the module printed after all runs has such lines, in this order
 *   // CHECK-NOT: text         and nowhere this text
 *   // SKIP: why               the case is not run
 *
 * Runs happen in their order on one module, so `passes` before `eval` evaluates what the passes have made. */
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ir/eval.h"
#include "ir/text.h"
#include "ir/text_lex.h"
#include "ir/verify.h"
#include "passes/pass.h"
#include "ir/tolerance.h"

typedef VEC(const char *) Lines;

typedef struct Expected {
  const char *text;
  int line; /* of the case, or 0: any */
} Expected;

typedef struct Case {
  const char *before; /* passes, or NULL */
  const char *path, *text;
  size_t size;
  Lines run, check, check_not, in, out, skip;
  VEC(Expected) error;
  double tolerance;
  Arena *arena;
  Diag *diag;
  Module *m;
  const char *why; /* it failed, or NULL */
} Case;

static bool failed(Case *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool failed(Case *c, const char *fmt, ...) {
  va_list ap;
  if (c->why) return false;
  va_start(ap, fmt);
  c->why = arena_vprintf(c->arena, fmt, ap);
  va_end(ap);
  return false;
}

/* ---- lines ---- */

static const char *trimmed(Arena *a, const char *s, size_t n) {
  while (n && isspace((unsigned char)*s)) s++, n--;
  while (n && isspace((unsigned char)s[n - 1])) n--;
  return arena_string(a, s, n);
}

/* The next line without its newline; false at the end. */
static bool next_line(const char **at, const char *end, const char **line, size_t *n) {
  if (*at >= end) return false;
  const char *newline = memchr(*at, '\n', (size_t)(end - *at));
  *line = *at;
  *n = (size_t)((newline ? newline : end) - *at);
  *at = newline ? newline + 1 : end;
  return true;
}

/* What is left of the lines without comments and empty ones. A `//` in a string is none, but no test has that. */
static Lines plain_lines(Arena *a, const char *text, size_t size) {
  Lines lines = {0};
  const char *at = text, *line;
  for (size_t n; next_line(&at, text + size, &line, &n);) {
    const char *s = trimmed(a, line, n), *comment = strstr(s, "//");
    if (comment) s = trimmed(a, s, (size_t)(comment - s));
    if (*s) vec_push(a, &lines, s);
  }
  return lines;
}

static const char *print_module(Case *c, const Module *m) {
  char *text;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  text_print(m, out);
  fclose(out);
  const char *kept = arena_string(c->arena, text, size);
  free(text);
  return kept;
}

/* ---- directives ---- */

static bool read_directive(Case *c, const char *s) {
  const struct {
    const char *key;
    Lines *to;
  } keys[] = {{"// RUN:", &c->run}, {"// CHECK:", &c->check}, {"// CHECK-NOT:", &c->check_not},
              {"// IN ", &c->in},   {"// OUT ", &c->out},     {"// SKIP:", &c->skip}};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    size_t n = strlen(keys[i].key);
    if (strncmp(s, keys[i].key, n) != 0) continue;
    vec_push(c->arena, keys[i].to, trimmed(c->arena, s + n, strlen(s + n)));
    return true;
  }
  if (strncmp(s, "// TOL:", 7) == 0) return c->tolerance = atof(s + 7), true;
  return false;
}

static bool read_error(Case *c, const char *s) {
  static const char any[] = "// ERROR:", next[] = "// ERROR-NEXT:";
  bool placed = strncmp(s, next, sizeof next - 1) == 0;
  if (!placed && strncmp(s, any, sizeof any - 1) != 0) return false;
  s += placed ? sizeof next - 1 : sizeof any - 1;
  vec_push(c->arena, &c->error, ((Expected){trimmed(c->arena, s, strlen(s)), placed ? -1 : 0}));
  return true;
}

static void read_directives(Case *c) {
  const char *at = c->text, *line;
  int number = 1;
  for (size_t n; next_line(&at, c->text + c->size, &line, &n); number++) {
    const char *s = trimmed(c->arena, line, n);
    bool comment = strncmp(s, "//", 2) == 0;
    if (!read_error(c, s)) read_directive(c, s);
    for (int i = c->error.n - 1; !comment && i >= 0 && c->error.at[i].line < 0; i--) c->error.at[i].line = number;
  }
}

/* ---- running ---- */

static bool run_print(Case *c, const char *what) {
  (void)what;
  const char *printed = print_module(c, c->m);
  Lines got = plain_lines(c->arena, printed, strlen(printed)), want = plain_lines(c->arena, c->text, c->size);
  for (int i = 0; i < got.n && i < want.n; i++)
    if (strcmp(got.at[i], want.at[i]) != 0) return failed(c, "printed `%s`\n  instead of `%s`", got.at[i], want.at[i]);
  return got.n == want.n || failed(c, "printed %d lines instead of %d", got.n, want.n);
}

/* `caches`, where it runs, makes two types of them. */
static bool run_passes(Case *c, const char *what) {
  static const Dtype cache[] = {DT_f16, DT_f32};
  return pass_run(c->m, &(PassOptions){.passes = what, .out = stdout, .err = stderr, .cache = cache, .n_caches = 2});
}

static bool run_cached(Case *c, const char *what) {
  return pass_run(c->m, &(PassOptions){.passes = what, .out = stdout, .err = stderr, .decoder = {.mode = CACHE_on, .context = 16}});
}

static bool run_pipeline(Case *c, const char *what) {
  return pass_run(c->m, &(PassOptions){.pipeline = what, .out = stdout, .err = stderr});
}

/* The tensors of IN or OUT lines: constants of a module of their own. */
static Module *read_tensors(Case *c, const Lines *lines) {
  char *text = arena_printf(c->arena, "lathe 1\n");
  for (int i = 0; i < lines->n; i++) text = arena_printf(c->arena, "%sconst @%s\n", text, lines->at[i]);
  Module *m = text_parse(c->arena, c->diag, c->path, text, strlen(text));
  return m && verify_module(m) ? m : NULL;
}

static Tensor *named_tensor(Module *m, Evaluator *e, const char *name) {
  Constant *k = name ? module_find_constant(m, name) : NULL;
  return k ? eval_constant(e, k) : NULL;
}

/* IN lines name arguments, and constants that are bound at run time. */
static bool bind_constants(Module *m, Evaluator *e, Module *in, Evaluator *e_in) {
  bool ok = true;
  for (int i = 0; i < m->constants.n && ok; i++) {
    const Constant *c = m->constants.at[i];
    Tensor *t = c->kind == CONSTANT_BOUND ? named_tensor(in, e_in, c->name) : NULL;
    ok = !t || eval_bind(e, c, t);
    tensor_release(t);
  }
  return ok;
}

static bool compare_result(Case *c, const char *name, const Tensor *got, const Tensor *want) {
  Comparison r = compare_scaled(got, want, c->tolerance);
  return r.good || failed(c, "result %s: %s", name, r.why);
}

/* Runs @main, whose results are then compared with the OUT lines of their names. */
static bool run_main(Case *c, Func *main, Module *in, Module *out) {
  Evaluator *e = eval_new(c->m, (EvalOptions){.max_memory = 1 << 28, .max_steps = 1 << 20});
  Evaluator *e_in = eval_new(in, (EvalOptions){0}), *e_out = eval_new(out, (EvalOptions){0});
  Tensor **arg = ARENA_ARRAY(c->arena, Tensor *, main->body->n_args);
  Tensor **result = ARENA_ARRAY(c->arena, Tensor *, main->n_results);
  for (int i = 0; i < main->body->n_args; i++) arg[i] = named_tensor(in, e_in, main->body->arg[i]->name);
  bool ok = bind_constants(c->m, e, in, e_in) && eval_func(e, main, main->body->n_args, arg, result);
  int compared = 0;
  for (int i = 0; i < main->n_results && ok; i++) {
    Tensor *want = named_tensor(out, e_out, main->result_name[i]);
    if (want) compared++, compare_result(c, main->result_name[i], result[i], want);
    tensor_release(want);
    tensor_release(result[i]);
  }
  if (ok && compared != c->out.n) failed(c, "%d of the %d OUT lines name a result", compared, c->out.n);
  for (int i = 0; i < main->body->n_args; i++) tensor_release(arg[i]);
  eval_free(e);
  eval_free(e_in);
  eval_free(e_out);
  return ok;
}

static bool run_eval(Case *c, const char *what) {
  Func *main = module_find_func(c->m, *what ? what : "main");
  Module *in = read_tensors(c, &c->in), *out = read_tensors(c, &c->out);
  if (!main) return failed(c, "there is no @%s to run", *what ? what : "main");
  return in && out && run_main(c, main, in, out);
}

static const struct {
  const char *kind;
  bool (*run)(Case *c, const char *what); /* false after a diag_error, or failed() */
} kinds[] = {{"print", run_print}, {"passes", run_passes}, {"cached", run_cached}, {"pipeline", run_pipeline}, {"eval", run_eval}};

static bool run_one(Case *c, const char *what) {
  size_t n = strcspn(what, " ");
  if (c->before && strncmp(what, "eval", n) == 0 && !run_passes(c, c->before)) return false;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strlen(kinds[i].kind) == n && memcmp(kinds[i].kind, what, n) == 0)
      return kinds[i].run(c, trimmed(c->arena, what + n, strlen(what + n)));
  return failed(c, "`%s` is no kind of RUN", what);
}

/* ---- what is expected ---- */

static void check_round_trip(Case *c) {
  const char *first = print_module(c, c->m);
  Diag *d = diag_new(c->arena);
  Module *again = text_parse(c->arena, d, "printed", first, strlen(first));
  if (!again || !verify_module(again)) {
    failed(c, "does not read back: %s", diag_first(d));
    return;
  }
  const char *second = print_module(c, again);
  if (strcmp(first, second) != 0) failed(c, "reads back as something else:\n%s\n----\n%s", first, second);
  module_close(again);
}

static void check_output(Case *c) {
  const char *printed = print_module(c, c->m);
  Lines got = plain_lines(c->arena, printed, strlen(printed));
  int at = 0;
  for (int i = 0; i < c->check.n; i++, at++) {
    while (at < got.n && strcmp(got.at[at], c->check.at[i]) != 0) at++;
    if (at == got.n) {
      failed(c, "there is no line `%s` where it is expected in\n%s", c->check.at[i], printed);
      return;
    }
  }
  for (int i = 0; i < c->check_not.n; i++)
    if (strstr(printed, c->check_not.at[i])) failed(c, "there is `%s` in\n%s", c->check_not.at[i], printed);
}

static void check_error(Case *c, const char *got, const Expected *e) {
  const char *place = e->line ? arena_printf(c->arena, ":%d: ", e->line) : "";
  if (!strstr(got, e->text) || !strstr(got, place)) failed(c, "got:      %s\n  expected: %s%s", got, place, e->text);
}

static void check_errors(Case *c) {
  char *text;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  diag_flush(c->diag, out, false);
  fclose(out);
  const char *at = text, *line;
  int n = 0;
  for (size_t length; next_line(&at, text + size, &line, &length);) {
    const char *s = arena_string(c->arena, line, length);
    if (s[0] == ' ' || strstr(s, "warning: ")) continue; /* a hint */
    if (n >= c->error.n)
      failed(c, "not expected: %s", s);
    else
      check_error(c, s, &c->error.at[n]);
    n++;
  }
  if (n < c->error.n) failed(c, "not reported: %s", c->error.at[n].text);
  free(text);
}

static void run_case(Case *c) {
  c->diag = diag_new(c->arena);
  c->m = text_parse(c->arena, c->diag, c->path, c->text, c->size);
  bool ok = c->m && verify_module(c->m);
  if (ok) check_round_trip(c);
  for (int i = 0; i < c->run.n && ok && !c->why; i++) ok = run_one(c, c->run.at[i]);
  if (ok && !c->why && !c->before) check_output(c);
  if (!c->why) check_errors(c);
  if (c->m) module_close(c->m);
}

/* ---- files ---- */

typedef struct Counts {
  int passed, failed, skipped;
  const char *before;
} Counts;

static bool runs_main(const Case *c) {
  for (int i = 0; i < c->run.n && !c->error.n; i++)
    if (strncmp(c->run.at[i], "eval", 4) == 0) return true;
  return false;
}

static void run_piece(Counts *n, const char *path, int line, const char *title, const char *text, size_t size) {
  Case c = {.before = n->before, .path = path, .text = text, .size = size, .tolerance = 1e-5, .arena = arena_new()};
  read_directives(&c);
  if (c.before && c.tolerance < 1e-5) c.tolerance = 1e-5;
  if (c.before && !runs_main(&c)) vec_push(c.arena, &c.skip, "");
  if (!c.skip.n) run_case(&c);
  if (c.why) printf("FAIL %s:%d: %s%s%s\n", path, line, title, *title ? ": " : "", c.why);
  *(c.skip.n ? &n->skipped : c.why ? &n->failed : &n->passed) += 1;
  arena_free(c.arena);
}

static bool is_page(const char *path) {
  size_t n = strlen(path);
  return n > 3 && strcmp(path + n - 3, ".md") == 0;
}

/* Cuts a file at its `// ----` lines. What stands before the first is a comment if there is no module in it. On a page,
 * the modules are among the pieces between the fences. */
static void run_pieces(Counts *n, Arena *a, const char *path, const char *text, size_t size) {
  bool page = is_page(path);
  const char *at = text, *line, *start = text, *title = "", *cut = page ? "```" : "// ----";
  int number = 0, first = 1;
  for (size_t length; next_line(&at, text + size, &line, &length);) {
    number++;
    if (length < strlen(cut) || memcmp(line, cut, strlen(cut)) != 0) continue;
    Lines lines = plain_lines(a, start, (size_t)(line - start));
    bool module = page ? lines.n && strcmp(lines.at[0], "lathe 1") == 0 : lines.n;
    if (module) run_piece(n, path, first, title, start, (size_t)(line - start));
    title = trimmed(a, line + strlen(cut), length - strlen(cut));
    start = at;
    first = number + 1;
  }
  if (!page) run_piece(n, path, first, title, start, (size_t)(text + size - start));
}

static void run_file(Counts *n, const char *path) {
  Arena *a = arena_new();
  FILE *f = fopen(path, "rb");
  struct stat st;
  if (!f || fstat(fileno(f), &st) != 0) {
    printf("FAIL %s: cannot be read\n", path);
    n->failed++;
  } else {
    char *text = arena_alloc(a, (size_t)st.st_size + 1);
    run_pieces(n, a, path, text, fread(text, 1, (size_t)st.st_size, f));
  }
  if (f) fclose(f);
  arena_free(a);
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void run_folder(Counts *n, const char *path, DIR *folder) {
  Arena *a = arena_new();
  Lines names = {0};
  for (struct dirent *e; (e = readdir(folder));) {
    const char *dot = strrchr(e->d_name, '.');
    if (dot && strcmp(dot, ".ir") == 0) vec_push(a, &names, arena_printf(a, "%s/%s", path, e->d_name));
  }
  if (names.n) qsort(names.at, (size_t)names.n, sizeof *names.at, by_name);
  for (int i = 0; i < names.n; i++) run_file(n, names.at[i]);
  arena_free(a);
}

int main(int argc, char **argv) {
  bool before = argc > 2 && strcmp(argv[1], "--before") == 0;
  Counts n = {.before = before ? argv[2] : NULL};
  for (int i = before ? 3 : 1; i < argc; i++) {
    DIR *folder = opendir(argv[i]);
    if (folder) {
      run_folder(&n, argv[i], folder);
      closedir(folder);
    } else {
      run_file(&n, argv[i]);
    }
  }
  printf("%d passed, %d failed, %d skipped\n", n.passed, n.failed, n.skipped);
  return n.failed ? 1 : 0;
}
