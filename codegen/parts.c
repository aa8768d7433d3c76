/* parts.c -- a program's code in parts, which threads compile side by side.
 *
 * LLVM works on modules of different contexts at the same time. Modules are built by one thread, which is quick, and
 * optimised and made machine code of by several. */
#include "codegen/parts.h"

#include <pthread.h>

#include "ir/fatal.h"

/* Kernels a part: few, so that a long one holds nobody up; more than one, since a module has costs of its own. */
enum { PART = 3, MOST_THREADS = 64 };

CodeParts parts_new(Arena *a, const Target *t, const char *name, int kernels, bool one) {
  CodeParts p = {.n = one ? 1 : 1 + (kernels + PART - 1) / PART};
  p.part = ARENA_ARRAY(a, LlvmModule *, p.n);
  for (int i = 0; i < p.n; i++) p.part[i] = llvm_module_new(t, name);
  return p;
}

LlvmModule *parts_kernel(const CodeParts *p, int kernel) { return p->part[p->n == 1 ? 0 : 1 + kernel / PART]; }

typedef struct Compiling {
  const CodeParts *parts;
  int next;
  int n_threads;
  pthread_t thread[MOST_THREADS];
} Compiling;

static void *compile(void *context) {
  Compiling *c = context;
  for (int i; (i = __atomic_fetch_add(&c->next, 1, __ATOMIC_RELAXED)) < c->parts->n;) {
    const void *bytes;
    size_t size;
    llvm_module_object(c->parts->part[i], &bytes, &size);
  }
  return NULL;
}

/* A thread that is not to be had is not missed: the others do its work, or who waits. */
void parts_start(CodeParts *p, Arena *a, int threads) {
  Compiling *c = ARENA_NEW(a, Compiling);
  int most = threads < p->n ? threads : p->n;
  *c = (Compiling){.parts = p};
  p->compiling = c;
  while (c->n_threads < most && c->n_threads < MOST_THREADS && pthread_create(&c->thread[c->n_threads], NULL, compile, c) == 0) c->n_threads++;
}

void parts_wait(CodeParts *p) {
  Compiling *c = p->compiling;
  if (!c) return;
  compile(c);
  for (int i = 0; i < c->n_threads; i++) pthread_join(c->thread[i], NULL);
  p->compiling = NULL;
}

void parts_free(CodeParts *p) {
  parts_wait(p);
  for (int i = 0; i < p->n; i++) llvm_module_free(p->part[i]);
  p->n = 0;
}
