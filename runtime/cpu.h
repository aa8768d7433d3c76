/* cpu.h -- whether this processor has what a program was made for. */
#ifndef LRT_CPU_H
#define LRT_CPU_H

#include <stddef.h>

/* `needs` lists levels and features, with commas between. Writes those that are missing into `missing`, in the same form,
 * and returns how many they are. */
int cpu_missing(const char *needs, char *missing, size_t size);

#endif
