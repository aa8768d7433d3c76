/* jit_llvm.c -- runs compiled kernels in this process: for `lathe verify`, tests and benchmarks. */
#include "codegen/jit_llvm.h"

#include <llvm-c/Core.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/TargetMachine.h>
#include <stdlib.h>

#include "ir/fatal.h"

struct Jit {
  LLVMOrcLLJITRef jit;
};

/* The host's features as LLVM lists them: "+avx2,-avx512f,...". */
static bool host_has(const char *features, const char *name) {
  size_t n = strlen(name);
  for (const char *f = features; f; f = strchr(f, ',')) {
    f += *f == ',';
    if (f[0] == '+' && strncmp(f + 1, name, n) == 0 && (f[n + 1] == ',' || !f[n + 1])) return true;
  }
  return false;
}

static bool host_runs(const char *features, const Target *t) {
  for (int i = 0; i < FEATURE_count; i++) {
    const char *name = feature_name(i);
    if (target_has(t, 1u << i) && !host_has(features, strcmp(name, "sse41") == 0 ? "sse4.1" : name)) return false;
  }
  return t->kind == TARGET_CPU;
}

bool jit_runs(const Target *t) {
  char *features = LLVMGetHostCPUFeatures();
  bool runs = host_runs(features, t);
  LLVMDisposeMessage(features);
  return runs;
}

const Target *jit_host_target(void) {
  char *features = LLVMGetHostCPUFeatures();
  const Target *best = NULL;
  for (int i = 0; i < target_count(); i++)
    if (host_runs(features, target_at(i))) best = target_at(i);
  LLVMDisposeMessage(features);
  return best;
}

static void must(LLVMErrorRef error) {
  if (error) fatal_bug(__FILE__, __LINE__, LLVMGetErrorMessage(error));
}

/* What LLVM may call though no kernel says so; the runtime gives the same. */
static void add_helpers(LLVMOrcLLJITRef jit) {
  const struct {
    const char *name;
    uintptr_t address;
  } helper[] = {{"memcpy", (uintptr_t)memcpy}, {"memmove", (uintptr_t)memmove}, {"memset", (uintptr_t)memset}};
  enum { N = sizeof helper / sizeof *helper };
  LLVMOrcCSymbolMapPair symbol[N];
  for (int i = 0; i < N; i++)
    symbol[i] = (LLVMOrcCSymbolMapPair){LLVMOrcLLJITMangleAndIntern(jit, helper[i].name),
                                        {helper[i].address, {.GenericFlags = LLVMJITSymbolGenericFlagsExported}}};
  must(LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(jit), LLVMOrcAbsoluteSymbols(symbol, N)));
}

Jit *jit_new(LlvmModule *m) {
  const void *bytes;
  size_t size;
  llvm_module_object(m, &bytes, &size);
  Jit *j = calloc(1, sizeof *j);
  if (!j) fatal_resource("no memory for a loader of kernels");
  must(LLVMOrcCreateLLJIT(&j->jit, NULL));
  add_helpers(j->jit);
  LLVMMemoryBufferRef copy = LLVMCreateMemoryBufferWithMemoryRangeCopy(bytes, size, "kernels");
  must(LLVMOrcLLJITAddObjectFile(j->jit, LLVMOrcLLJITGetMainJITDylib(j->jit), copy));
  return j;
}

static uintptr_t address(Jit *j, const char *name) {
  LLVMOrcExecutorAddress at;
  must(LLVMOrcLLJITLookup(j->jit, &at, name));
  return (uintptr_t)at;
}

lrt_kernel *jit_kernel(Jit *j, const char *name) { return (lrt_kernel *)address(j, name); }
void *jit_symbol(Jit *j, const char *name) { return (void *)address(j, name); }

void jit_free(Jit *j) {
  if (!j) return;
  must(LLVMOrcDisposeLLJIT(j->jit));
  free(j);
}
