/* fault_calls.h -- makes one system call of a process fail, as a debugger would. */
#ifndef LATHE_FAULT_CALLS_H
#define LATHE_FAULT_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* In a child, before anything else: lets its parent look on. */
void fault_calls_begin(void);

typedef enum FaultWhat {
  FAULT_FILES,  /* what writes, renames, maps a file and so on fails as on a full disk */
  FAULT_MEMORY, /* maps of memory, too */
  FAULT_KILL,   /* the process is killed where a file's call would begin */
} FaultWhat;

/* In the parent: lets the child run to its end, but has its nth call of those fail (0: none), and says which that was
 * (NULL: there were fewer). The child's status is as waitpid() has it. */
const char *fault_calls(pid_t child, long nth, FaultWhat what, int *status);

/* Can this be done on this machine? */
bool fault_calls_possible(void);

#endif
