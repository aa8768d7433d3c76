/* options.h -- the command line, as options.def describes it. */
#ifndef LATHE_OPTIONS_H
#define LATHE_OPTIONS_H

#include <stdio.h>

#include "ir/diag.h"

typedef enum Command {
#define COMMAND(name, ...) COMMAND_##name,
#define OPTION(...)
#include "frontend/options.def"
#undef COMMAND
#undef OPTION
  COMMAND_count
} Command;

typedef struct CommandInfo {
  const char *name, *arguments, *summary, *text;
} CommandInfo;

typedef struct OptionInfo {
  const char *name;
  char letter;
  const char *argument; /* NULL: it takes none */
  unsigned commands;    /* 1 << Command, or OPTION_MANY */
  const char *doc;
} OptionInfo;

enum { OPTION_MANY = 1 << 30, MAX_OPTIONS = 64 };

typedef struct Options {
  Command command;
  VEC(const char *) positional;
  VEC(const char *) value[MAX_OPTIONS]; /* by the option's row; "" for one without argument */
} Options;

const CommandInfo *command_info(Command c);

/* Reads the words behind `lathe`; false after a diag_error: a usage error. */
bool options_parse(Arena *a, Diag *d, int n, char **word, Options *o);

/* The last value given, or NULL. */
const char *option_value(const Options *o, const char *name);
bool option_given(const Options *o, const char *name);
int option_count(const Options *o, const char *name);
const char *option_at(const Options *o, const char *name, int i);

void options_help(FILE *out);
void options_help_command(Command c, FILE *out);
void options_write_markdown(FILE *out);
void options_write_man(FILE *out);
void options_write_completion(FILE *out);

#endif
