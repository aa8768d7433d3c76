/* cpu.h -- whether this processor has what a program was made for. */
#ifndef LRT_CPU_H
#define LRT_CPU_H

#include <stddef.h>
#include <stdint.h>

/* What the system says that the processor has: AT_HWCAP and AT_HWCAP2. An x86 processor is asked itself. */
typedef struct lrt_cpu {
  uint64_t word[2];
} lrt_cpu;

/* `needs` lists levels and features, with commas between. Writes those that are missing into `missing`, in the same form,
 * and returns how many they are. */
int cpu_missing(const lrt_cpu *cpu, const char *needs, char *missing, size_t size);

#endif
