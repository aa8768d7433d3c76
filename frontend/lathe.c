/* lathe.c -- the program: reads the command line and runs a command. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "frontend/driver.h"
#include "frontend/version.h"
#include "ir/fatal.h"

typedef struct CommandRow {
  int (*run)(Driver *);
  int min_positional, max_positional;
} CommandRow;

static const CommandRow rows[] = {
    [COMMAND_ir] = {command_ir, 1, 1},     [COMMAND_inspect] = {command_inspect, 1, 1},
    [COMMAND_eval] = {command_eval, 1, 1}, [COMMAND_help] = {command_help, 0, 1},
    [COMMAND_docs] = {command_docs, 1, 1}, [COMMAND_build] = {command_build, 1, 1},
    [COMMAND_verify] = {command_verify, 1, 1},
    [COMMAND_targets] = {command_targets, 0, 0}, [COMMAND_tokenize] = {command_tokenize, 1, 1},
    [COMMAND_template] = {command_template, 1, 1},
};

static int run_command(Driver *d) {
  Command c = d->options.command;
  int n = d->options.positional.n;
  if (option_given(&d->options, "help")) return options_help_command(c, stdout), EXIT_OK;
  if (n >= rows[c].min_positional && n <= rows[c].max_positional) return rows[c].run(d);
  diag_misuse(d->diag, "`lathe %s` takes %s, and %d were given", command_info(c)->name,
             command_info(c)->arguments, n);
  diag_hint(d->diag, "`lathe help %s` explains it", command_info(c)->name);
  return EXIT_USAGE;
}

/* What was printed may still be in a buffer, and the disk full. */
static int finish(Driver *d, int status) {
  if (diag_errors(d->diag) && status == EXIT_OK) status = EXIT_INPUT;
  if (diag_misused(d->diag)) status = EXIT_USAGE;
  diag_flush(d->diag, stderr, d->colour);
  arena_free(d->arena);
  if (fflush(stdout) != 0 || ferror(stdout)) fatal_resource("cannot write to standard output: %s", strerror(errno));
  return status;
}

int main(int argc, char **argv) {
  signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error of writing then, which cleans up */
  Arena *a = arena_new();
  Driver d = {.arena = a, .diag = diag_new(a), .colour = isatty(STDERR_FILENO) && !getenv("NO_COLOR")};
  if (argc > 1 && strcmp(argv[1], "--version") == 0) return printf("lathe %s\n", LATHE_VERSION), finish(&d, EXIT_OK);
  if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) return options_help(stdout), finish(&d, EXIT_OK);
  if (!options_parse(a, d.diag, argc - 1, argv + 1, &d.options)) return finish(&d, EXIT_USAGE);
  return finish(&d, run_command(&d));
}
