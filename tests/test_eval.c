/* test_eval.c -- the evaluator itself: symbols, regions, calls, constants, states, limits, and what it refuses. */
#include <inttypes.h>
#include <stdlib.h>

#include "ir/eval.h"
#include "ir/text.h"

typedef struct Case {
  const char *name;
  const char *text;   /* a module whose @main takes nothing */
  const char *result; /* the results of @main, or */
  const char *error;  /* a part of the first error */
  EvalOptions options;
} Case;

/* Two sequences of three rows; a row is one number. */
#define STATE "state @s linear batch 2 capacity 3 { x: f32[] }\n"
#define RING "state @s ring batch 1 capacity 3 { k: f32[1,1], v: f32[1,1] }\n"
#define FIXED "state @s fixed batch 1 capacity 1 { x: f32[] }\n"

static const Case cases[] = {
    /* symbols */
    {"symbols are bound by arguments",
     "lathe 1\n"
     "func @f<n>(%x: f32[n], %y: f32[n+1]) -> (i64[2]) {\n"
     "  %d = dims sizes=[n, 2*n+1] : i64[2]\n"
     "  return %d\n}\n"
     "func @main() -> (i64[2]) {\n"
     "  %x = const [1, 2] : f32[2]\n"
     "  %y = const [1, 2, 3] : f32[3]\n"
     "  %d = call @f %x, %y : i64[2]\n"
     "  return %d\n}\n",
     "i64[2] 2 5", NULL, {0}},
    {"a sum of symbols is solved for the last one",
     "lathe 1\n"
     "func @f<past, seq>(%x: f32[past+seq], %y: f32[seq]) -> (i64[1]) {\n"
     "  %d = dims sizes=[past] : i64[1]\n"
     "  return %d\n}\n"
     "func @main() -> (i64[1]) {\n"
     "  %x = const [1, 2, 3] : f32[3]\n"
     "  %y = const [1] : f32[1]\n"
     "  %d = call @f %x, %y : i64[1]\n"
     "  return %d\n}\n",
     "i64[1] 2", NULL, {0}},
    {"a symbol has a capacity",
     "lathe 1\n"
     "func @f<n <= 2>(%x: f32[n]) -> (f32[n]) { return %x }\n"
     "func @main() -> (f32[3]) {\n"
     "  %x = const [1, 2, 3] : f32[3]\n"
     "  %y = call @f %x : f32[3]\n"
     "  return %y\n}\n",
     NULL, "n is 3, and its capacity is 2", {0}},
    {"a result is held against its type",
     "lathe 1\n"
     "func @main() -> (i64[1,3]) {\n"
     "  %x = const [1, 0, 1] : f32[3]\n"
     "  %n = nonzero %x : i64[1,3] @\"here\"\n"
     "  return %n\n}\n",
     NULL, "nonzero: result 0 is i64[1,2], and is declared i64[1,3]", {0}},
    {"a size that only the data tells",
     "lathe 1\n"
     "func @main<n?>() -> (i64[1,n], i64[1]) {\n"
     "  %x = const [1, 0, 1] : f32[3]\n"
     "  %n = nonzero %x : i64[1,n]\n"
     "  %d = dims sizes=[n] : i64[1]\n"
     "  return %n, %d\n}\n",
     "i64[1,2] 0 2; i64[1] 2", NULL, {0}},

    /* regions */
    {"a loop carries and collects",
     "lathe 1\n"
     "func @main() -> (f32[], f32[4]) {\n"
     "  %n = const 4 : i64[]\n"
     "  %x = const 1 : f32[]\n"
     "  %two = const 2 : f32[]\n"
     "  %y, %all = loop %n, _, %x (%i: i64[], %go: bool[], %a: f32[]) {\n"
     "    %b = mul %a, %two : f32[]\n"
     "    yield %go, %b, %a\n"
     "  } : f32[], f32[4]\n"
     "  return %y, %all\n}\n",
     "f32[] 16; f32[4] 1 2 4 8", NULL, {0}},
    {"a loop whose value grows",
     "lathe 1\n"
     "func @main<m?, n?>() -> (f32[n]) {\n"
     "  %t = const 3 : i64[]\n"
     "  %x = const [7] : f32[1]\n"
     "  %y = loop %t, _, %x (%i: i64[], %go: bool[], %a: f32[m]) {\n"
     "    %b = concat %a, %x axis=0 : f32[m+1]\n"
     "    yield %go, %b\n"
     "  } : f32[n]\n"
     "  return %y\n}\n",
     "f32[4] 7 7 7 7", NULL, {0}},
    {"a loop ends by its condition",
     "lathe 1\n"
     "func @main() -> (i64[]) {\n"
     "  %x = const 0 : i64[]\n"
     "  %yes = const true : bool[]\n"
     "  %three = const 3 : i64[]\n"
     "  %y = loop _, %yes, %x (%i: i64[], %go: bool[], %a: i64[]) {\n"
     "    %b = add %a, %three : i64[]\n"
     "    %c = lt %i, %three : bool[]\n"
     "    yield %c, %b\n"
     "  } : i64[]\n"
     "  return %y\n}\n",
     "i64[] 12", NULL, {0}},
    {"a loop of no turns collects nothing",
     "lathe 1\n"
     "func @main<n?>() -> (f32[n,2]) {\n"
     "  %t = const 0 : i64[]\n"
     "  %x = const [7, 8] : f32[2]\n"
     "  %y = loop %t, _ (%i: i64[], %go: bool[]) { yield %go, %x } : f32[n,2]\n"
     "  return %y\n}\n",
     "f32[0,2]", NULL, {0}},
    {"a branch is taken",
     "lathe 1\n"
     "func @main() -> (f32[]) {\n"
     "  %c = const false : bool[]\n"
     "  %x = const 1 : f32[]\n"
     "  %y = if %c {\n    yield %x\n  } {\n    %z = neg %x : f32[]\n    yield %z\n  } : f32[]\n"
     "  return %y\n}\n",
     "f32[] -1", NULL, {0}},
    {"a fused region runs",
     "lathe 1\n"
     "func @main() -> (f32[2]) {\n"
     "  %x = const [1, -2] : f32[2]\n"
     "  %y = fused %x (%a: f32[2]) {\n    %b = abs %a : f32[2]\n    yield %b\n  } : f32[2]\n"
     "  return %y\n}\n",
     "f32[2] 1 2", NULL, {0}},
    {"recursion has an end",
     "lathe 1\n"
     "func @f(%x: f32[]) -> (f32[]) {\n  %y = call @f %x : f32[]\n  return %y\n}\n"
     "func @main() -> (f32[]) {\n  %x = const 1 : f32[]\n  %y = call @f %x : f32[]\n  return %y\n}\n",
     NULL, "calls deep", {0}},
    {"an endless loop is stopped",
     "lathe 1\n"
     "func @main() -> () {\n"
     "  loop _, _ (%i: i64[], %go: bool[]) { yield %go }\n"
     "  return\n}\n",
     NULL, "stopped after 1000 nodes", {.max_steps = 1000}},

    /* constants */
    {"constants of every kind",
     "lathe 1\n"
     "const @a : f32[2] = [1, 2]\n"
     "const @b : f32[2] = splat 3\n"
     "const @c : f32[2] = expr {\n"
     "  %0 = const @a : f32[2]\n"
     "  %1 = const @b : f32[2]\n"
     "  %2 = add %0, %1 : f32[2]\n"
     "  yield %2\n}\n"
     "func @main() -> (f32[2]) {\n"
     "  %c = const @c : f32[2]\n"
     "  %b = const @b : f32[2]\n"
     "  %d = mul %c, %b : f32[2]\n"
     "  return %d\n}\n",
     "f32[2] 12 15", NULL, {0}},
    {"a constant that is bound at run time",
     "lathe 1\n"
     "weights @w bound\n"
     "const @a in @w : f32[2] = bound\n"
     "func @main() -> (f32[2]) {\n  %a = const @a : f32[2]\n  return %a\n}\n",
     NULL, "@a is bound at run time", {0}},
    {"memory has a bound",
     "lathe 1\n"
     "const @a : f32[1000] = splat 3\n"
     "func @main() -> (f32[1000]) {\n"
     "  %a = const @a : f32[1000]\n"
     "  %b = neg %a : f32[1000]\n"
     "  return %b\n}\n",
     NULL, "neg: needs 4000 bytes beside the 4000 in use; --max-memory is 7999", {.max_memory = 7999}},
    {"what is dead is released",
     "lathe 1\n"
     "const @a : f32[1000] = splat 3\n"
     "func @main() -> (f32[]) {\n"
     "  %a = const @a : f32[1000]\n"
     "  %b = neg %a : f32[1000]\n"
     "  %c = neg %b : f32[1000]\n"
     "  %d = neg %c : f32[1000]\n"
     "  %e = reduce_sum %d keep=false : f32[]\n"
     "  return %e\n}\n",
     "f32[] -3000", NULL, {.max_memory = 12100}},
    {"sizes are checked before they are multiplied",
     "lathe 1\n"
     "func @main<n?>() -> (f32[n,n,n]) {\n"
     "  %s = const [4000000000, 4000000000, 4000000000] : i64[3]\n"
     "  %x = const 1 : f32[]\n"
     "  %y = expand %x, %s : f32[4000000000,4000000000,4000000000]\n"
     "  return %y\n}\n",
     NULL, "larger than memory can be", {0}},

    /* states */
    {"appending leaves the state before as it was",
     "lathe 1\n" STATE
     "func @run(%s: state<@s>) -> (f32[2,3], i64[2], i64[2]) {\n"
     "  %q = const [1, 0, 1] : i64[3]\n"
     "  %p = const [0, 0, 1] : i64[3]\n"
     "  %x = const [5, 6, 7] : f32[3]\n"
     "  %t = state_append %s, %q, %p, %x : state<@s>\n"
     "  %r = state_read %t : f32[2,3]\n"
     "  %l = state_lengths %t : i64[2]\n"
     "  %m = state_lengths %s : i64[2]\n"
     "  return %r, %l, %m\n}\n",
     "f32[2,3] 6 0 0 5 7 0; i64[2] 1 2; i64[2] 0 0", NULL, {0}},
    {"rolling back and writing again",
     "lathe 1\n" STATE
     "func @run(%s: state<@s>) -> (f32[2,3], i64[2]) {\n"
     "  %q = const [0, 0, 0] : i64[3]\n"
     "  %p = const [0, 1, 2] : i64[3]\n"
     "  %x = const [5, 6, 7] : f32[3]\n"
     "  %s1 = state_append %s, %q, %p, %x : state<@s>\n"
     "  %n = const [1, 9] : i64[2]\n"
     "  %s2 = state_truncate %s1, %n : state<@s>\n"
     "  %q1 = const [0] : i64[1]\n"
     "  %p1 = const [1] : i64[1]\n"
     "  %x1 = const [8] : f32[1]\n"
     "  %s3 = state_append %s2, %q1, %p1, %x1 : state<@s>\n"
     "  %r = state_read %s3 : f32[2,3]\n"
     "  %l = state_lengths %s3 : i64[2]\n"
     "  return %r, %l\n}\n",
     "f32[2,3] 5 8 0 0 0 0; i64[2] 2 0", NULL, {0}},
    {"sequences are exchanged, then one is forgotten",
     "lathe 1\n" STATE
     "func @run(%s: state<@s>) -> (f32[2,3], i64[2], f32[2,3]) {\n"
     "  %q = const [0, 1, 1] : i64[3]\n"
     "  %p = const [0, 0, 1] : i64[3]\n"
     "  %x = const [5, 6, 7] : f32[3]\n"
     "  %s1 = state_append %s, %q, %p, %x : state<@s>\n"
     "  %from = const [0, 1] : i64[2]\n"
     "  %to = const [1, 0] : i64[2]\n"
     "  %s2 = state_copy %s1, %from, %to : state<@s>\n"
     "  %r = state_read %s2 : f32[2,3]\n"
     "  %l = state_lengths %s2 : i64[2]\n"
     "  %c = const [0] : i64[1]\n"
     "  %s3 = state_clear %s2, %c : state<@s>\n"
     "  %e = state_read %s3 : f32[2,3]\n"
     "  return %r, %l, %e\n}\n",
     "f32[2,3] 6 7 0 5 0 0; i64[2] 2 1; f32[2,3] 0 0 0 5 0 0", NULL, {0}},
    {"a position may not leave a gap",
     "lathe 1\n" STATE
     "func @run(%s: state<@s>) -> () {\n"
     "  %q = const [1] : i64[1]\n"
     "  %p = const [2] : i64[1]\n"
     "  %x = const [5] : f32[1]\n"
     "  %t = state_append %s, %q, %p, %x : state<@s>\n"
     "  return\n}\n",
     NULL, "position 2 in sequence 1 of @s, whose length is 0", {0}},
    {"a sequence that is not there",
     "lathe 1\n" STATE
     "func @run(%s: state<@s>) -> () {\n"
     "  %q = const [2] : i64[1]\n"
     "  %t = state_clear %s, %q : state<@s>\n"
     "  return\n}\n",
     NULL, "sequence 2 of @s, which has 2", {0}},
    {"a linear state is full",
     "lathe 1\n" STATE
     "func @run(%s: state<@s>) -> () {\n"
     "  %q = const [0, 0, 0, 0] : i64[4]\n"
     "  %p = const [0, 1, 2, 3] : i64[4]\n"
     "  %x = const [5, 6, 7, 8] : f32[4]\n"
     "  %t = state_append %s, %q, %p, %x : state<@s>\n"
     "  return\n}\n",
     NULL, "sequence 0 of @s has no row for position 3: its capacity is 3", {0}},
    {"a ring keeps the last rows",
     "lathe 1\n" RING
     "func @run(%s: state<@s>) -> (f32[1,3,1,1], i64[1], f32[1,1,1]) {\n"
     "  %q = const [0, 0, 0, 0] : i64[4]\n"
     "  %p = const [0, 1, 2, 3] : i64[4]\n"
     "  %k = const [0, 0, 0, 0] : f32[4,1,1]\n"
     "  %v = const [5, 6, 7, 11] : f32[4,1,1]\n"
     "  %t = state_append %s, %q, %p, %k, %v : state<@s>\n"
     "  %r = state_read %t field=1 : f32[1,3,1,1]\n"
     "  %l = state_lengths %t : i64[1]\n"
     "  %q1 = const [0] : i64[1]\n"
     "  %p1 = const [3] : i64[1]\n"
     "  %x = const [1] : f32[1,1,1]\n"
     "  %a = state_attention %x, %t, %q1, %p1 : f32[1,1,1]\n"
     "  return %r, %l, %a\n}\n",
     "f32[1,3,1,1] 11 6 7; i64[1] 4; f32[1,1,1] 8", NULL, {0}},
    {"a ring is not asked for what it has overwritten",
     "lathe 1\n" RING
     "func @run(%s: state<@s>) -> () {\n"
     "  %q = const [0, 0, 0, 0] : i64[4]\n"
     "  %p = const [0, 1, 2, 3] : i64[4]\n"
     "  %k = const [0, 0, 0, 0] : f32[4,1,1]\n"
     "  %t = state_append %s, %q, %p, %k, %k : state<@s>\n"
     "  %q1 = const [0] : i64[1]\n"
     "  %p1 = const [2] : i64[1]\n"
     "  %x = const [1] : f32[1,1,1]\n"
     "  %a = state_attention %x, %t, %q1, %p1 : f32[1,1,1]\n"
     "  return\n}\n",
     NULL, "row 0 needs position 0 of sequence 0, and @s keeps only 1 and later", {0}},
    {"a recurrence keeps the last row",
     "lathe 1\n" FIXED
     "func @run(%s: state<@s>) -> (f32[1,1], f32[1,1], i64[1]) {\n"
     "  %none = state_read %s : f32[1,1]\n"
     "  %q = const [0, 0] : i64[2]\n"
     "  %p = const [0, 1] : i64[2]\n"
     "  %x = const [5, 6] : f32[2]\n"
     "  %t = state_append %s, %q, %p, %x : state<@s>\n"
     "  %r = state_read %t : f32[1,1]\n"
     "  %l = state_lengths %t : i64[1]\n"
     "  return %none, %r, %l\n}\n",
     "f32[1,1] 0; f32[1,1] 6; i64[1] 2", NULL, {0}},
    {"a recurrence keeps one row and cannot be rolled back",
     "lathe 1\n" FIXED
     "func @run(%s: state<@s>) -> () {\n"
     "  %q = const [0, 0] : i64[2]\n"
     "  %p = const [0, 1] : i64[2]\n"
     "  %x = const [5, 6] : f32[2]\n"
     "  %t = state_append %s, %q, %p, %x : state<@s>\n"
     "  %n = const [1] : i64[1]\n"
     "  %u = state_truncate %t, %n : state<@s>\n"
     "  return\n}\n",
     NULL, "sequence 0 of @s to length 1: it keeps only positions from 1 on", {0}},
};

/* ---- running ---- */

static int failures;

static void fail(const Case *c, const char *have) {
  fprintf(stderr, "%s:\n  have: %s\n  want: %s\n", c->name, have, c->result ? c->result : c->error);
  failures++;
}

static char *shown(Arena *a, Module *m, const Tensor *t) {
  char *s = arena_printf(a, "%s", type_text(a, tensor_type(m, t)));
  for (int64_t i = 0; i < t->count; i++) s = arena_printf(a, "%s %.9g", s, tensor_f(t, i));
  return s;
}

/* A function that takes a state gets a fresh one. */
static const char *run(Arena *a, Diag *d, const Case *c) {
  Module *m = text_parse(a, d, "test", c->text, strlen(c->text));
  if (!m) return NULL;
  Func *f = module_find_func(m, "main");
  if (!f) f = module_find_func(m, "run");
  Evaluator *e = eval_new(m, c->options);
  Tensor *arg[1] = {NULL}, *result[4] = {NULL};
  char *s = NULL;
  bool ok = eval_func(e, f, f->body->n_args, arg, result);
  if (eval_exhausted(e) != (!ok && strstr(diag_first(d), "max-memory"))) fail(c, "exhausted memory is not told apart");
  if (ok) {
    s = "";
    for (int i = 0; i < f->n_results; i++) s = arena_printf(a, "%s%s%s", s, i ? "; " : "", shown(a, m, result[i]));
  }
  for (int i = 0; i < f->n_results; i++) tensor_release(result[i]);
  eval_free(e);
  module_close(m);
  return s;
}

static void check(const Case *c) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  const char *have = run(a, d, c), *error = diag_first(d);
  if (c->result && (!have || strcmp(have, c->result) != 0)) fail(c, have ? have : error);
  if (c->error && (have || !strstr(error, c->error))) fail(c, have ? have : error);
  arena_free(a);
}

int main(void) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(&cases[i]);
  return failures != 0;
}
