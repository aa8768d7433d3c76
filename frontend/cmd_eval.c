/* cmd_eval.c -- `lathe eval`: runs a model by the reference semantics. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "frontend/driver.h"
#include "frontend/inputs.h"
#include "frontend/npy.h"
#include "ir/eval.h"
#include "ir/fatal.h"
#include "ir/out_file.h"

/* ---- results ---- */

/* A file's name can hold few of the characters that a value's can, and is shorter; so two may become the same, and then
 * the later one gets a number. */
static const char *file_name(Arena *a, StrMap *taken, const char *name) {
  enum { LONGEST = 200 };
  char *s = arena_string(a, name, strnlen(name, LONGEST));
  for (char *c = s; *c; c++)
    if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", *c)) *c = '_';
  if (*s == '.') *s = '_';
  const char *unique = s;
  for (int i = 1; !strmap_add(a, taken, unique, s); i++) unique = arena_printf(a, "%s-%d", s, i);
  return unique;
}

static void show_tensor(Driver *d, const Module *m, const char *name, const Tensor *t) {
  enum { SHOWN = 8 };
  printf("%s : %s =", name, type_text(d->arena, tensor_type((Module *)(uintptr_t)m, t)));
  for (int64_t i = 0; i < t->count && i < SHOWN; i++) {
    if (dtype_is_float(t->dtype)) printf(" %.6g", tensor_f(t, i));
    else printf(" %" PRId64, tensor_i(t, i));
  }
  puts(t->count > SHOWN ? " ..." : "");
}

static void write_results(Driver *d, Module *m, const Func *f, Tensor **result) {
  const char *dir = option_value(&d->options, "out-dir");
  if (dir) out_folder(dir);
  StrMap taken = {0};
  for (int i = 0; i < f->n_results; i++) {
    if (result[i]->state) continue;
    const char *name = f->result_name[i] ? f->result_name[i] : arena_printf(d->arena, "result%d", i);
    if (!dir) show_tensor(d, m, name, result[i]);
    else npy_write(arena_printf(d->arena, "%s/%s.npy", dir, file_name(d->arena, &taken, name)), result[i]);
  }
}

/* ---- the command ---- */

static int run(Driver *d, Module *m, Func *f, EvalOptions o) {
  Tensor **arg = ARENA_ARRAY(d->arena, Tensor *, f->body->n_args), **result = ARENA_ARRAY(d->arena, Tensor *, f->n_results);
  Evaluator *e = eval_new(m, o);
  bool good = inputs_read(d, f, arg) && inputs_complete(d, e, f, arg) && inputs_bind(d, m, e);
  double start = driver_now();
  good = good && eval_func(e, f, f->body->n_args, arg, result);
  if (option_given(&d->options, "time")) fprintf(stderr, "%-10s %8.3f ms\n", "eval", (driver_now() - start) * 1e3);
  if (good) write_results(d, m, f, result);
  for (int i = 0; i < f->n_results; i++) tensor_release(result[i]);
  for (int i = 0; i < f->body->n_args; i++) tensor_release(arg[i]);
  bool exhausted = eval_exhausted(e);
  eval_free(e);
  if (good) return EXIT_OK;
  return exhausted ? EXIT_RESOURCE : EXIT_INPUT;
}

int command_eval(Driver *d) {
  EvalOptions o = {0};
  if (!inputs_limits(d, &o)) return EXIT_USAGE;
  Module *m = driver_load(d, NULL);
  if (!m || !driver_run_passes(d, m)) return EXIT_INPUT;
  Func *f = driver_func(d, m);
  int status = f ? run(d, m, f, o) : EXIT_INPUT;
  module_close(m);
  return status;
}
