/* fatal.h -- the one way out for bugs of ours and for exhausted resources. */
#ifndef LATHE_FATAL_H
#define LATHE_FATAL_H

enum {
  EXIT_OK = 0,
  EXIT_INPUT = 1,     /* the input's fault */
  EXIT_USAGE = 2,     /* the command line's fault */
  EXIT_BUG = 70,      /* ours */
  EXIT_RESOURCE = 74, /* memory, disk or I/O */
};

_Noreturn void fatal_bug(const char *file, int line, const char *what);
_Noreturn void fatal_resource(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Files named here are removed when the process leaves through this exit. `path` is kept by reference. */
void fatal_remove_file(const char *path);
void fatal_keep_file(const char *path);

/* An assertion that stays on in every build. */
#define ensure(e) ((e) ? (void)0 : fatal_bug(__FILE__, __LINE__, #e))

#endif
