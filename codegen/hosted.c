/* hosted.c -- makes a module a library: the runtime comes in, and only the model's own functions go out.
 *
 * The runtime is bitcode and not an object, so that all of a library is one module, in which everything but the exported
 * functions is local: two models that are linked into one program then share no symbol, and no tool has to hide any. */
#include "codegen/hosted.h"

#include <llvm-c/BitReader.h>
#include <llvm-c/Linker.h>

#include "codegen/llvm_module.h"
#include "ir/fatal.h"
#include "runtime/abi.h"

static void add_bitcode(LlvmModule *m) {
  size_t size;
  const void *bytes = hosted_bitcode(m->target, &size);
  ensure(bytes);
  LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRange(bytes, size, "runtime", false);
  LLVMModuleRef runtime;
  bool failed = LLVMParseBitcodeInContext2(m->context, buffer, &runtime) || LLVMLinkModules2(m->module, runtime);
  ensure(!failed);
  LLVMDisposeMemoryBuffer(buffer);
}

/* llvm.used and its kin are notes to LLVM. */
static void make_local(LLVMValueRef v) {
  size_t n;
  const char *name = LLVMGetValueName2(v, &n);
  if (LLVMIsDeclaration(v) || strncmp(name, "llvm.", 5) == 0) return;
  LLVMSetVisibility(v, LLVMDefaultVisibility);
  LLVMSetLinkage(v, LLVMInternalLinkage);
}

/* Those of language models stand behind those of all. */
static const char *const verbs[] = {
#define VERB(verb) #verb,
  LRT_API(VERB) LRT_API_TEXT(VERB)
#undef VERB
};
#define ONE(verb) +1
enum { VERBS_OF_ALL = LRT_API(ONE), VERBS = sizeof verbs / sizeof *verbs };
#undef ONE

const char *const *hosted_exports(Arena *a, const char *name, bool speaks, int *n) {
  const char **exported = ARENA_ARRAY(a, const char *, VERBS);
  *n = speaks ? VERBS : VERBS_OF_ALL;
  for (int i = 0; i < *n; i++) exported[i] = arena_printf(a, "%s_%s", name, verbs[i]);
  return exported;
}

/* A function of the runtime's own may have the name, too: what it is called is nobody's business. */
static void let_out(LlvmModule *m, const char *verb, const char *exported) {
  char function[64];
  snprintf(function, sizeof function, "lrt_api_%s", verb);
  LLVMValueRef f = LLVMGetNamedFunction(m->module, function), taken = LLVMGetNamedFunction(m->module, exported);
  ensure(f);
  if (taken && !LLVMIsDeclaration(taken)) LLVMSetValueName2(taken, "", 0);
  LLVMSetValueName2(f, exported, strlen(exported));
  LLVMSetLinkage(f, LLVMExternalLinkage);
}

void hosted_add(LlvmModule *m, const char *name, bool speaks) {
  Arena *a = arena_new();
  int n;
  const char *const *exported = hosted_exports(a, name, speaks, &n);
  add_bitcode(m);
  for (LLVMValueRef f = LLVMGetFirstFunction(m->module); f; f = LLVMGetNextFunction(f)) make_local(f);
  for (LLVMValueRef g = LLVMGetFirstGlobal(m->module); g; g = LLVMGetNextGlobal(g)) make_local(g);
  for (int i = 0; i < n; i++) let_out(m, verbs[i], exported[i]);
  arena_free(a);
}
