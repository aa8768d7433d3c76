/* llvm_module.h -- what is in an LlvmModule: for those who add to it. */
#ifndef LATHE_LLVM_MODULE_H
#define LATHE_LLVM_MODULE_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#include "codegen/debug_llvm.h"
#include "codegen/emit_llvm.h"

struct LlvmModule {
  const Target *target; /* of kernels that name none */
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMTargetMachineRef machine;
  LLVMMemoryBufferRef object; /* or NULL */
  LlvmDebug *debug;           /* or NULL */
};

#endif
