/* via.c -- the ways to run a model that tests compare: by reference, lowered and interpreted, or compiled. */
#include "via.h"

#include <stdlib.h>

#include "codegen/jit_llvm.h"
#include "codegen/program.h"
#include "ir/fatal.h"
#include "passes/pass.h"
#include "runtime/session.h"
#include "via_program.h"

Via via_find(const char *name) {
  static const char *const names[] = {[VIA_EVAL] = "eval", [VIA_LOWERED] = "lowered", [VIA_NATIVE] = "native"};
  for (int i = VIA_EVAL; i < VIA_PROGRAM; i++)
    if (strcmp(names[i], name) == 0) return (Via)i;
  for (int i = 0; i < machine_count(); i++)
    if (strcmp(machine_name(machine_at(i)), name) == 0) return (Via)(VIA_PROGRAM + i);
  return VIA_NONE;
}

static const Machine *machine_of(Via via) { return via >= VIA_PROGRAM ? machine_at((int)via - VIA_PROGRAM) : NULL; }

const char *via_missing(Via via) { return machine_of(via) ? machine_missing(machine_of(via)) : NULL; }

/* ---- what has been lowered ---- */

/* The ops that a program's host part does itself. */
static bool is_hosted(Op op) {
  switch (op) {
  case OP_const: case OP_dims: case OP_bind: case OP_check: case OP_call: case OP_if: case OP_loop: case OP_launch: case OP_state_view: case OP_reshape: case OP_squeeze:
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
  Func *func; /* VIA_NATIVE: the one that is compiled */
  LlvmModule *llvm;
  Jit *jit;
  const lrt_program *compiled;
  void *weights;
  Built *built; /* VIA_PROGRAM */
};

static bool lower(Module *m, const Target *target) {
  const Target *host = jit_host_target(), *level[] = {target, host};
  int n = !target ? 0 : target == host ? 1 : 2;
  PassOptions o = {.pipeline = "native", .target = level, .n_targets = n, .out = stdout, .err = stderr};
  bool good = pass_run(m, &o);
  for (int i = 0; good && i < m->funcs.n; i++)
    if (m->funcs.at[i]->level == LEVEL_TENSOR) good = all_lowered(m, m->funcs.at[i]->body);
  return good;
}

/* ---- what has been compiled ---- */

static Func *main_func(Module *m) {
  Func *f = module_find_func(m, "main");
  for (int i = 0; i < m->funcs.n && !f; i++)
    if (m->funcs.at[i]->level == LEVEL_TENSOR) f = m->funcs.at[i];
  return f;
}

/* The weights as they would lie in a program's file. */
static bool load_weights(Program *p, const ProgramInfo *info) {
  Evaluator *e = eval_new(p->module, (EvalOptions){0});
  bool good = true;
  p->weights = calloc(1, (size_t)info->weights_size + 1);
  for (int i = 0; i < info->weights.n && good; i++) {
    const ProgramWeight *w = &info->weights.at[i];
    Tensor *t = eval_constant(e, w->constant);
    if ((good = t)) memcpy((char *)p->weights + w->offset, t->data, (size_t)w->size);
    tensor_release(t);
  }
  eval_free(e);
  return good;
}

static bool compile(Program *p) {
  Module *m = p->module;
  const Target *t = jit_host_target();
  if (!t) return diag_error(m->diag, (Loc){0}, "this machine is none of the targets");
  p->llvm = llvm_module_new(t, "test");
  p->func = main_func(m);
  ProgramInfo info = {.name = "test", .made_by = "a test", .n_levels = 1, .level = {p->func}, .no_files = true};
  bool good = p->func;
  for (int i = 0; i < m->funcs.n; i++)
    if (m->funcs.at[i]->level == LEVEL_KERNEL) good &= llvm_emit_kernel(p->llvm, m->funcs.at[i], m->diag);
  if (!good || !program_emit(p->llvm, &info, m->diag) || !load_weights(p, &info)) return false;
  p->jit = jit_new(p->llvm);
  p->compiled = ((const lrt_model *)jit_symbol(p->jit, "lrt_model_data"))->level;
  return true;
}

static bool bring_into_form(Program *p, Via via, const Target *level) {
  switch (via) {
  case VIA_EVAL: return true;
  case VIA_LOWERED: return lower(p->module, NULL);
  case VIA_NATIVE: return lower(p->module, level) && compile(p);
  default: return (p->built = built_new(p->module, machine_of(via))) != NULL;
  }
}

static Program *prepare(Via via, Module *m, const Target *level) {
  Program *p = ARENA_NEW(m->arena, Program);
  p->module = m;
  if (bring_into_form(p, via, level)) return p;
  via_free(p);
  return NULL;
}

Program *via_prepare(Via via, Module *m) { return prepare(via, m, jit_host_target()); }

Program *via_prepare_level(Via via, Module *m, const Target *level) {
  PassOptions o = {.passes = "levels narrow", .target = &level, .n_targets = 1, .out = stdout, .err = stderr};
  return via == VIA_EVAL && !pass_run(m, &o) ? NULL : prepare(via, m, level);
}

bool via_machine_failed(const Program *p) { return p->built && built_machine_failed(p->built); }

void via_free(Program *p) {
  if (p->jit) jit_free(p->jit);
  if (p->llvm) llvm_module_free(p->llvm);
  free(p->weights);
  built_free(p->built);
}

/* ---- running ---- */

static bool take_output(lrt_session *s, const Func *f, int i, int output, Tensor **out) {
  int64_t dim[LRT_RANK], size;
  const void *data;
  if (!session_output(s, output, dim, &data)) return false;
  Tensor *t = *out = tensor_new(NULL, f->result[i]->dtype, f->result[i]->rank, dim);
  ensure(t && dtype_size(t->dtype, t->count, &size));
  if (size) memcpy(t->data, data, (size_t)size);
  return true;
}

/* A state goes into the session's memory and back; an argument that is none is an empty one. */
static void copy_state(const lrt_session *s, int *part, const Tensor *state, bool in) {
  const StateValue *v = state->state;
  for (int i = 0; i <= v->decl->n_fields; i++, ++*part) {
    int64_t bytes = v->decl->batch * 8;
    void *memory = v->length;
    if (i < v->decl->n_fields) {
      memory = v->field[i]->data;
      ensure(dtype_size(v->field[i]->dtype, v->field[i]->count, &bytes));
    }
    if (in) memcpy(s->part[*part], memory, (size_t)bytes);
    else memcpy(memory, s->part[*part], (size_t)bytes);
  }
}

static void give_inputs(const Program *p, lrt_session *s, Tensor *const *arg) {
  static char nothing[64];
  const Block *b = p->func->body;
  int input = 0, part = 0;
  for (int i = 0; i < b->n_args; i++) {
    bool state = b->arg[i]->type->kind == TYPE_STATE;
    if (!state) session_input(s, input++, arg[i]->dim, arg[i]->data ? arg[i]->data : nothing);
    else if (arg[i]) copy_state(s, &part, arg[i], true);
    else part += type_memories(b->arg[i]->type);
  }
}

static bool run_session(const Program *p, lrt_session *s, Tensor *const *arg, Tensor **result) {
  give_inputs(p, s, arg);
  bool good = session_prepare(s) && session_run(s);
  for (int i = 0, output = 0, part = 0; i < p->func->n_results && good; i++) {
    Type t = p->func->result[i];
    if (t->kind != TYPE_STATE) good = take_output(s, p->func, i, output++, &result[i]);
    else if ((result[i] = tensor_state(NULL, t->state))) copy_state(s, &part, result[i], false);
  }
  return good || diag_error(p->module->diag, p->func->loc, "%s", s->error);
}

static bool run_compiled(const Program *p, Tensor *const *arg, Tensor **result) {
  lrt_session s;
  for (int i = 0; i < p->func->n_results; i++) result[i] = NULL;
  ensure(session_open(&s, p->compiled, p->weights, 1));
  bool good = run_session(p, &s, arg, result);
  session_close(&s);
  return good;
}

bool via_run(Program *p, Func *f, Tensor *const *arg, Tensor **result) {
  if (p->jit) return run_compiled(p, arg, result);
  if (p->built) return built_run(p->built, f, arg, result);
  EvalOptions o = {.max_memory = (int64_t)1 << 32};
  Evaluator *e = eval_new(p->module, o);
  bool good = eval_func(e, f, f->body->n_args, arg, result);
  eval_free(e);
  return good;
}
