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

void parts_free(CodeParts *p) {
  for (int i = 0; i < p->n; i++) llvm_module_free(p->part[i]);
  p->n = 0;
}

LlvmModule *parts_kernel(const CodeParts *p, int kernel) { return p->part[p->n == 1 ? 0 : 1 + kernel / PART]; }

typedef struct Queue {
  const CodeParts *parts;
  int next;
} Queue;

static void *compile(void *context) {
  Queue *q = context;
  for (int i; (i = __atomic_fetch_add(&q->next, 1, __ATOMIC_RELAXED)) < q->parts->n;) {
    const void *bytes;
    size_t size;
    llvm_module_object(q->parts->part[i], &bytes, &size);
  }
  return NULL;
}

/* A thread that is not to be had is not missed: the others do its work. */
void parts_compile(const CodeParts *p, int threads) {
  Queue q = {.parts = p};
  pthread_t thread[MOST_THREADS];
  int n = 0, most = threads < p->n ? threads : p->n;
  while (n + 1 < most && n < MOST_THREADS && pthread_create(&thread[n], NULL, compile, &q) == 0) n++;
  compile(&q);
  for (int i = 0; i < n; i++) pthread_join(thread[i], NULL);
}
