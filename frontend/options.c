/* options.c -- the command line, as options.def describes it. */
#include "frontend/options.h"

#include "ir/fatal.h"

static const CommandInfo commands[] = {
#define COMMAND(name, arguments, summary, text) {#name, arguments, summary, text},
#define OPTION(...)
#include "frontend/options.def"
#undef COMMAND
#undef OPTION
};

enum {
  IR = 1 << COMMAND_ir,
  INSPECT = 1 << COMMAND_inspect,
  EVAL = 1 << COMMAND_eval,
  BUILD = 1 << COMMAND_build,
  VERIFY = 1 << COMMAND_verify,
  HELP = 1 << COMMAND_help,
  DOCS = 1 << COMMAND_docs,
  TARGETS = 1 << COMMAND_targets,
  TOKENIZE = 1 << COMMAND_tokenize,
  TEMPLATE = 1 << COMMAND_template,
  MANY = OPTION_MANY
};

static const OptionInfo options[] = {
#define COMMAND(...)
#define OPTION(name, letter, argument, commands, doc) {#name, letter, argument, commands, doc},
#include "frontend/options.def"
#undef COMMAND
#undef OPTION
};

enum { N_OPTIONS = sizeof options / sizeof *options };
_Static_assert((int)N_OPTIONS <= (int)MAX_OPTIONS, "Options.value is large enough");

const CommandInfo *command_info(Command c) { return &commands[c]; }

/* ---- parsing ---- */

static int find_long(const char *name, size_t n) {
  for (int i = 0; i < N_OPTIONS; i++)
    if (strlen(options[i].name) == n && memcmp(options[i].name, name, n) == 0) return i;
  return -1;
}

/* One letter may stand for different options of different commands. */
static int find_letter(char c, unsigned command) {
  for (int i = 0; i < N_OPTIONS; i++)
    if (options[i].letter == c && (options[i].commands & command)) return i;
  return -1;
}

static int find_command(const char *word) {
  for (int i = 0; i < COMMAND_count; i++)
    if (strcmp(commands[i].name, word) == 0) return i;
  return -1;
}

/* How many edits make one word of the other; a word that was only begun is near. */
static int distance(const char *a, const char *b) {
  int row[64], n = (int)strlen(b);
  if (n >= 63) return 99;
  if (*a && strncmp(a, b, strlen(a)) == 0) return 1;
  for (int k = 0; k <= n; k++) row[k] = k;
  for (int i = 1; a[i - 1]; i++) {
    int diagonal = row[0];
    row[0] = i;
    for (int k = 1; k <= n; k++) {
      int best = diagonal + (a[i - 1] != b[k - 1]);
      diagonal = row[k];
      if (row[k] + 1 < best) best = row[k] + 1;
      if (row[k - 1] + 1 < best) best = row[k - 1] + 1;
      row[k] = best;
    }
  }
  return row[n];
}

/* The nearest spelling, for a hint; NULL where none is near. */
static const char *nearest_command(const char *word) {
  const char *best = NULL;
  int least = 3;
  for (int i = 0; i < COMMAND_count; i++)
    if (distance(word, commands[i].name) < least) least = distance(word, commands[i].name), best = commands[i].name;
  return best;
}

static const char *nearest_option(const char *word, unsigned command) {
  const char *best = NULL;
  int least = 3;
  for (int i = 0; i < N_OPTIONS; i++)
    if ((options[i].commands & command) && distance(word, options[i].name) < least)
      least = distance(word, options[i].name), best = options[i].name;
  return best;
}

static bool unknown_option(Diag *d, const Options *o, const char *word, const char *name) {
  diag_misuse(d, "`lathe %s` has no option `%s`", commands[o->command].name, word);
  const char *near = nearest_option(name, 1u << o->command);
  if (near) return diag_hint(d, "did you mean --%s?", near);
  return diag_hint(d, "`lathe help %s` lists them", commands[o->command].name);
}

/* One option, long (--name, --name=value, --name value) or short (-x, -xVALUE, -x value). */
static bool parse_option(Arena *a, Diag *d, int n, char **word, int *i, Options *o) {
  const char *w = word[*i], *value = NULL;
  bool is_long = w[1] == '-';
  size_t length = is_long ? strcspn(w + 2, "=") : 1;
  int at = is_long ? find_long(w + 2, length) : find_letter(w[1], 1u << o->command);
  const char *name = arena_string(a, w + 1 + is_long, length);
  if (at < 0 || !(options[at].commands & (1u << o->command))) return unknown_option(d, o, w, name);
  const OptionInfo *info = &options[at];
  if (is_long && w[2 + length] == '=') value = w + 3 + length;
  else if (!is_long && w[2]) value = w + 2;
  if (value && !info->argument) return diag_misuse(d, "`--%s` takes no value, and got `%s`", info->name, value);
  if (!value && info->argument) {
    if (*i + 1 >= n) return diag_misuse(d, "`--%s` needs a value: %s", info->name, info->argument);
    value = word[++*i];
  }
  if (o->value[at].n && info->argument && !(info->commands & OPTION_MANY))
    return diag_misuse(d, "`--%s` is given twice: `%s` and `%s`", info->name, o->value[at].at[0], value);
  vec_push(a, &o->value[at], value ? value : "");
  return true;
}

bool options_parse(Arena *a, Diag *d, int n, char **word, Options *o) {
  int command = n ? find_command(word[0]) : -1;
  if (n == 0) return diag_misuse(d, "no command is given"), diag_hint(d, "try `lathe help`");
  if (command < 0) {
    diag_misuse(d, "there is no command `%s`", word[0]);
    const char *near = nearest_command(word[0]);
    return near ? diag_hint(d, "did you mean `lathe %s`?", near) : diag_hint(d, "`lathe help` lists the commands");
  }
  o->command = (Command)command;
  bool options_end = false;
  for (int i = 1; i < n; i++) {
    if (!options_end && strcmp(word[i], "--") == 0) options_end = true;
    else if (options_end || word[i][0] != '-' || !word[i][1]) vec_push(a, &o->positional, word[i]);
    else if (!parse_option(a, d, n, word, &i, o)) return false;
  }
  return true;
}

static int row_of(const char *name) {
  int i = find_long(name, strlen(name));
  ensure(i >= 0);
  return i;
}

int option_count(const Options *o, const char *name) { return o->value[row_of(name)].n; }
bool option_given(const Options *o, const char *name) { return option_count(o, name) > 0; }
const char *option_at(const Options *o, const char *name, int i) { return o->value[row_of(name)].at[i]; }

const char *option_value(const Options *o, const char *name) {
  int n = option_count(o, name);
  return n ? option_at(o, name, n - 1) : NULL;
}

/* ---- explaining ---- */

static void put_wrapped(const char *text, FILE *out) {
  int column = 0;
  while (*text) {
    int n = (int)strcspn(text, " ");
    if (column && column + 1 + n > 78) fputc('\n', out), column = 0;
    column += fprintf(out, "%s%.*s", column ? " " : "", n, text);
    text += n + (text[n] == ' ');
  }
  fputc('\n', out);
}

void options_help(FILE *out) {
  fputs("lathe compiles a transformer into a program\n\nusage: lathe COMMAND [OPTIONS]\n\n", out);
  for (int i = 0; i < COMMAND_count; i++) fprintf(out, "  lathe %-8s %-10s %s\n", commands[i].name, commands[i].arguments, commands[i].summary);
  fputs("  lathe --version           say which version this is\n\n", out);
  fputs("`lathe help COMMAND` explains one. A first look at a model:\n\n", out);
  fputs("  lathe inspect model.onnx\n  lathe ir model.onnx --pipeline default\n", out);
  fputs("  lathe eval model.onnx --in input_ids=ids.npy --out-dir results\n", out);
  fputs("  lathe build model.onnx -o model && ./model --help\n\n", out);
  fputs("exit status: 0 done, 1 the input is at fault, 2 the command line is, 70 a bug of\n"
        "Lathe's, 74 no memory, no room or an I/O error\n", out);
}

static void option_spelling(const OptionInfo *o, char *s, size_t n) {
  char letter[8] = "    ";
  if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
  snprintf(s, n, "%s--%s%s%s", letter, o->name, o->argument ? " " : "", o->argument ? o->argument : "");
}

void options_help_command(Command c, FILE *out) {
  fprintf(out, "usage: lathe %s [OPTIONS] %s\n\n", commands[c].name, commands[c].arguments);
  put_wrapped(commands[c].text, out);
  fputs("\noptions:\n", out);
  for (int i = 0; i < N_OPTIONS; i++) {
    char s[80];
    if (!(options[i].commands & (1u << c))) continue;
    option_spelling(&options[i], s, sizeof s);
    fprintf(out, "  %-24s %s%s\n", s, options[i].doc, options[i].commands & OPTION_MANY ? " (repeatable)" : "");
  }
}

void options_write_markdown(FILE *out) {
  fputs("# Commands and options\n\n<!-- Written by `lathe docs` from frontend/options.def. -->\n", out);
  for (int c = 0; c < COMMAND_count; c++) {
    fprintf(out, "\n## lathe %s %s\n\n%s\n\n| option | means |\n|---|---|\n", commands[c].name, commands[c].arguments,
            commands[c].text);
    for (int i = 0; i < N_OPTIONS; i++) {
      if (!(options[i].commands & (1u << c))) continue;
      fputs("| `", out);
      if (options[i].letter) fprintf(out, "-%c`, `", options[i].letter);
      fprintf(out, "--%s%s%s` | %s%s |\n", options[i].name, options[i].argument ? " " : "",
              options[i].argument ? options[i].argument : "", options[i].doc,
              options[i].commands & OPTION_MANY ? "; may be given more than once" : "");
    }
  }
  fputs("\n## Exit status\n\n| status | means |\n|---|---|\n| 0 | done |\n| 1 | the input is at fault |\n"
        "| 2 | the command line is at fault |\n| 70 | a bug of Lathe's |\n| 74 | no memory, no room on the disk, or an "
        "I/O error |\n", out);
}

void options_write_man(FILE *out) {
  fputs(".TH LATHE 1\n.SH NAME\nlathe \\- compile a transformer into a program\n.SH SYNOPSIS\n.B lathe\n.I COMMAND\n"
        "[OPTIONS]\n.SH COMMANDS\n", out);
  for (int c = 0; c < COMMAND_count; c++) {
    fprintf(out, ".SS lathe %s %s\n%s\n", commands[c].name, commands[c].arguments, commands[c].text);
    for (int i = 0; i < N_OPTIONS; i++) {
      if (!(options[i].commands & (1u << c))) continue;
      fprintf(out, ".TP\n.B \\-\\-%s", options[i].name);
      if (options[i].letter) fprintf(out, ", \\-%c", options[i].letter);
      fprintf(out, "%s%s\n%s\n", options[i].argument ? " " : "", options[i].argument ? options[i].argument : "",
              options[i].doc);
    }
  }
  fputs(".SH EXIT STATUS\n0 done, 1 the input is at fault, 2 the command line is at fault, 70 a bug of Lathe's, 74 no "
        "memory, no room or an I/O error.\n.SH ENVIRONMENT\n.TP\n.B NO_COLOR\nno colour on a terminal\n", out);
}

void options_write_completion(FILE *out) {
  fputs("# bash completion of lathe; written by `lathe docs`\n_lathe() {\n  local word=${COMP_WORDS[COMP_CWORD]} options=\n"
        "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W '", out);
  for (int c = 0; c < COMMAND_count; c++) fprintf(out, "%s ", commands[c].name);
  fputs("--version' -- \"$word\"))\n    return\n  fi\n  case ${COMP_WORDS[1]} in\n", out);
  for (int c = 0; c < COMMAND_count; c++) {
    fprintf(out, "    %s) options='", commands[c].name);
    for (int i = 0; i < N_OPTIONS; i++)
      if (options[i].commands & (1u << c)) fprintf(out, "--%s ", options[i].name);
    fputs("' ;;\n", out);
  }
  fputs("  esac\n  case $word in\n    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
        "    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n  esac\n}\ncomplete -o filenames -F _lathe lathe\n", out);
}
