/* fault_memory.h -- makes one allocation of ours fail: this is linked with --wrap for malloc and its kin. */
#ifndef LATHE_FAULT_MEMORY_H
#define LATHE_FAULT_MEMORY_H

#include <stdbool.h>

/* From now on, the nth allocation finds no memory; 0: none does. */
void fault_memory_at(long nth, bool *hit);

#endif
