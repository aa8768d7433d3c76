/* fault_calls.h -- makes one system call of a process fail, as a debugger would. */
#ifndef LATHE_FAULT_CALLS_H
#define LATHE_FAULT_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* In a child, before anything else: lets its parent look on. */
void fault_calls_begin(void);

/* In the parent: lets the child run to its end, but has the nth call that writes, renames, maps a file and so on fail as on a
 * full disk (0: none), and says which that was (NULL: there were fewer). With `anonymous`, maps of memory count, too. The
 * child's status is as waitpid() has it. */
const char *fault_calls(pid_t child, long nth, bool anonymous, int *status);

/* Can this be done on this machine? */
bool fault_calls_possible(void);

#endif
