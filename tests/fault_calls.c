/* fault_calls.c -- makes one system call of a process fail, as a debugger would. */
#define _GNU_SOURCE
#include "fault_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

void fault_calls_begin(void) {
  if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(125);
  raise(SIGSTOP);
}

#ifndef __x86_64__ /* whose registers are read and written here */

const char *fault_calls(pid_t child, long nth, FaultWhat what, int *status) {
  (void)child, (void)nth, (void)what, (void)status;
  return NULL;
}
bool fault_calls_possible(void) { return false; }

#else

/* ---- which calls ---- */

typedef enum Kind { ALWAYS, TO_A_FILE, WRITABLE, MAPPED } Kind;

static const struct {
  long number;
  const char *name;
  Kind kind;
  int error;
} calls[] = {
    {SYS_write, "write", TO_A_FILE, ENOSPC},
    {SYS_pwrite64, "pwrite", TO_A_FILE, ENOSPC},
    {SYS_writev, "writev", TO_A_FILE, ENOSPC},
    {SYS_copy_file_range, "copy_file_range", ALWAYS, ENOSPC},
    {SYS_ftruncate, "ftruncate", ALWAYS, ENOSPC},
    {SYS_fallocate, "fallocate", ALWAYS, ENOSPC},
    {SYS_fsync, "fsync", ALWAYS, EIO},
    {SYS_fdatasync, "fdatasync", ALWAYS, EIO},
    {SYS_link, "link", ALWAYS, ENOSPC},
    {SYS_linkat, "linkat", ALWAYS, ENOSPC},
    {SYS_rename, "rename", ALWAYS, ENOSPC},
    {SYS_renameat, "renameat", ALWAYS, ENOSPC},
    {SYS_renameat2, "renameat2", ALWAYS, ENOSPC},
    {SYS_mkdir, "mkdir", ALWAYS, ENOSPC},
    {SYS_mkdirat, "mkdirat", ALWAYS, ENOSPC},
    {SYS_memfd_create, "memfd_create", ALWAYS, ENOMEM},
    {SYS_open, "open", WRITABLE, ENOSPC},
    {SYS_openat, "openat", WRITABLE, ENOSPC},
    {SYS_mmap, "mmap", MAPPED, ENOMEM},
};
enum { N_CALLS = sizeof calls / sizeof *calls };

static int find(const struct user_regs_struct *r, FaultWhat what) {
  int at = 0;
  while (at < N_CALLS && calls[at].number != (long)r->orig_rax) at++;
  if (at == N_CALLS) return -1;
  unsigned long long flags = r->orig_rax == SYS_open ? r->rsi : r->rdx;
  switch (calls[at].kind) {
  case TO_A_FILE: return r->rdi == STDERR_FILENO ? -1 : at; /* where there is nobody left to tell */
  case WRITABLE: return (flags & O_ACCMODE) == O_RDONLY ? -1 : at;
  case MAPPED: return what == FAULT_MEMORY || (int)r->r8 >= 0 ? at : -1;
  default: return at;
  }
}

/* ---- looking on ---- */

enum { THREADS = 64 };

typedef struct Watch {
  long left;
  FaultWhat what;
  int failed;            /* the call that was made to fail, or -1 */
  pid_t pending;         /* the thread that is in it */
  pid_t inside[THREADS]; /* those that are in a call */
} Watch;

/* Entry and exit of a call look the same, and take turns. */
static bool enters(Watch *w, pid_t thread) {
  int free_at = -1;
  for (int i = 0; i < THREADS; i++) {
    if (w->inside[i] == thread) return w->inside[i] = 0, false;
    if (!w->inside[i]) free_at = i;
  }
  if (free_at >= 0) w->inside[free_at] = thread;
  return true;
}

static void at_call(Watch *w, pid_t thread) {
  struct user_regs_struct r;
  bool entry = enters(w, thread);
  if (ptrace(PTRACE_GETREGS, thread, NULL, &r) != 0) return;
  if (entry && w->left > 0) {
    int at = find(&r, w->what);
    if (at < 0 || --w->left > 0) return;
    w->failed = at, w->pending = thread;
    if (w->what == FAULT_KILL) {
      kill(thread, SIGKILL);
      return;
    }
    r.orig_rax = (unsigned long long)-1; /* no call at all */
    ptrace(PTRACE_SETREGS, thread, NULL, &r);
  } else if (!entry && w->pending == thread) {
    w->pending = 0;
    r.rax = (unsigned long long)-calls[w->failed].error;
    ptrace(PTRACE_SETREGS, thread, NULL, &r);
  }
}

/* The signal that a stop hands on: none where it is the watching itself that stopped it. */
static int at_stop(Watch *w, pid_t thread, int status) {
  int signal = WSTOPSIG(status);
  if (signal == (SIGTRAP | 0x80)) return at_call(w, thread), 0;
  if (status >> 16 || signal == SIGSTOP || signal == SIGTRAP) return 0;
  return signal;
}

const char *fault_calls(pid_t child, long nth, FaultWhat what, int *status) {
  Watch w = {.left = nth, .what = what, .failed = -1};
  if (waitpid(child, status, 0) != child || !WIFSTOPPED(*status)) return NULL;
  long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  ptrace(PTRACE_SETOPTIONS, child, NULL, options);
  ptrace(PTRACE_SYSCALL, child, NULL, NULL);
  for (;;) {
    pid_t thread = waitpid(-1, status, __WALL);
    if (thread < 0) return NULL;
    if (!WIFSTOPPED(*status)) {
      if (thread == child) return w.failed < 0 ? NULL : calls[w.failed].name;
      continue;
    }
    ptrace(PTRACE_SYSCALL, thread, NULL, (long)at_stop(&w, thread, *status));
  }
}

bool fault_calls_possible(void) {
  int status;
  pid_t child = fork();
  if (child == 0) {
    fault_calls_begin();
    _exit(0);
  }
  fault_calls(child, 0, FAULT_FILES, &status);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif
