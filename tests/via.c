/* via.c -- the ways to run a model that tests compare: by reference, lowered and interpreted, or compiled. */
#include "via.h"

#include "codegen/native.h"
#include "passes/pass.h"

static const char *const names[VIA_COUNT] = {"eval", "lowered", "native"};

Via via_find(const char *name) {
  int i = 0;
  while (i < VIA_COUNT && strcmp(names[i], name) != 0) i++;
  return (Via)i;
}

/* ---- what has been lowered ---- */

/* The ops that a program's host part does itself. */
static bool is_hosted(Op op) {
  switch (op) {
  case OP_const: case OP_dims: case OP_call: case OP_if: case OP_loop: case OP_launch: case OP_state_view: case OP_reshape: case OP_squeeze:
  case OP_unsqueeze: case OP_return: case OP_yield: return true;
  default: return false;
  }
}

static bool all_lowered(Module *m, const Block *b) {
  bool good = true;
  for (const Node *n = b->first; n; n = n->next) {
    if (!is_hosted(n->op)) good = diag_error(m->diag, n->loc, "`%s` is not lowered", op_name(n->op));
    for (int i = 0; i < n->n_regions; i++) good &= all_lowered(m, n->region[i]);
  }
  return good;
}

struct Program {
  Module *module;
  Native *native; /* VIA_NATIVE */
};

static bool lower(Module *m, const Target *target) {
  PassOptions o = {.pipeline = "native", .target = &target, .n_targets = target != NULL, .out = stdout, .err = stderr};
  bool good = pass_run(m, &o);
  for (int i = 0; good && i < m->funcs.n; i++)
    if (m->funcs.at[i]->level == LEVEL_TENSOR) good = all_lowered(m, m->funcs.at[i]->body);
  return good;
}

static bool compile(Program *p) {
  const Target *t = jit_host_target();
  if (!t) return diag_error(p->module->diag, (Loc){0}, "this machine is none of the targets");
  return (p->native = native_new(p->module, t)) != NULL;
}

Program *via_prepare(Via via, Module *m) {
  Program *p = ARENA_NEW(m->arena, Program);
  p->module = m;
  if ((via == VIA_EVAL || lower(m, via == VIA_NATIVE ? jit_host_target() : NULL)) && (via != VIA_NATIVE || compile(p))) return p;
  via_free(p);
  return NULL;
}

void via_free(Program *p) {
  native_free(p->native);
}

/* ---- running ---- */

bool via_run(Program *p, Func *f, Tensor *const *arg, Tensor **result) {
  EvalOptions o = {.max_memory = (int64_t)1 << 32};
  if (p->native) o.launch = native_launch, o.launch_ctx = p->native;
  Evaluator *e = eval_new(p->module, o);
  bool good = eval_func(e, f, f->body->n_args, arg, result);
  eval_free(e);
  return good;
}
