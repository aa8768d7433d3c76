/* vulkan_run.h -- runs SPIR-V kernels on this machine's Vulkan device: for tests. */
#ifndef LATHE_VULKAN_RUN_H
#define LATHE_VULKAN_RUN_H

#include "codegen/emit_spirv.h"
#include "ir/interp.h"

typedef struct Vulkan Vulkan;

/* The first device that can run what the baseline target emits; NULL where there is none. libvulkan is opened here, so
 * a program that runs kernels does not need it to start. */
Vulkan *vulkan_open(Arena *a);
void vulkan_close(Vulkan *v);
const char *vulkan_device(const Vulkan *v);
/* Can the device run what is made for this target? */
bool vulkan_takes(const Vulkan *v, const Target *t);

/* Runs a grid of workgroups. Arguments are as interp_kernel() takes them; memory is copied to the device and back. */
void vulkan_run(Vulkan *v, const Func *f, const SpirvKernel *k, const int64_t grid[3], const KernelArg *arg);

#endif
