/* jit_llvm.c -- runs compiled kernels in this process: for `lathe verify`, tests and benchmarks. */
#include "codegen/jit_llvm.h"

#include <llvm-c/Core.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/TargetMachine.h>
#include <stdio.h>
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

/* Words of "+neon,+dotprod"; where the target's features have other names, LLVM's. */
static bool host_has_all(const char *features, const char *words) {
  char word[64];
  for (size_t n; *words; words += n + (words[n] == ',')) {
    n = strcspn(words, ",");
    snprintf(word, sizeof word, "%.*s", (int)(words[0] == '+' ? n - 1 : n), words + (words[0] == '+'));
    if (!host_has(features, word)) return false;
  }
  return true;
}

static const char *level_features(const char *cpu) {
  static const char *const level[][2] = {{"x86-64-v2", "sse4.2,popcnt"}, {"x86-64-v3", "avx2,bmi2,f16c,fma"},
                                         {"x86-64-v4", "avx2,bmi2,f16c,fma,avx512f,avx512vl,avx512bw,avx512dq,avx512cd"}};
  for (size_t i = 0; i < sizeof level / sizeof *level; i++)
    if (strcmp(cpu, level[i][0]) == 0) return level[i][1];
  return "";
}

bool jit_runs(const Target *t) {
  char *features = LLVMGetHostCPUFeatures(), *host = LLVMGetDefaultTargetTriple();
  size_t arch = strcspn(host, "-") + 1;
  bool runs = t->kind == TARGET_CPU && strncmp(host, t->system->triple, arch) == 0 &&
              host_has_all(features, level_features(t->cpu)) && host_has_all(features, t->attributes);
  LLVMDisposeMessage(features);
  LLVMDisposeMessage(host);
  return runs;
}

const Target *jit_host_target(void) {
  const Target *best = NULL;
  for (int i = 0; i < target_count(); i++)
    if (jit_runs(target_at(i))) best = target_at(i);
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
