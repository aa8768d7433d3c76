/* arguments.c -- a program's command line, by the rows of arguments.def. */
#include "runtime/arguments.h"

#include "runtime/decimal.h"
#include "runtime/os.h"

enum { FLAG, WORD, LIST, COUNT, REAL };

typedef struct Row {
  const char *name, *argument;
  const char *doc;
  char letter;
  unsigned char kind, programs, group;
  double least, most;
} Row;

#define MANY 0x1p62
#define LANGUAGE PROGRAM_LANGUAGE
#define ENCODER PROGRAM_ENCODER
#define ARRAYS PROGRAM_ARRAYS
#define ANY PROGRAM_ANY
static const Row rows[] = {
#define GROUP(...)
#define ARGUMENT(name, letter, argument, kind, least, most, programs, group, doc) \
  {#name, argument, doc, letter, kind, programs, GROUP_##group, least, most},
#include "runtime/arguments.def"
#undef ARGUMENT
#undef GROUP
};

static const char *const titles[] = {
#define ARGUMENT(...)
#define GROUP(name, title) title,
#include "runtime/arguments.def"
#undef GROUP
#undef ARGUMENT
};

static bool fail(lrt_error *why, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  text_format_list(why->text, sizeof why->text, fmt, ap);
  va_end(ap);
  return false;
}

/* ---- finding ---- */

static char spelled(char c) { return c == '_' ? '-' : c; }

/* The first n of `word` are the row's name. */
static bool is_named(const Row *r, const char *word, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!r->name[i] || spelled(r->name[i]) != word[i]) return false;
  return !r->name[n];
}

/* Of two rows with one letter, the first that the program takes has it. */
static const Row *find_letter(char letter, int kind) {
  for (int i = 0; i < ARG_count; i++)
    if (rows[i].letter == letter && rows[i].programs & kind) return &rows[i];
  return NULL;
}

static const Row *find_name(const char *word, size_t n) {
  for (int i = 0; i < ARG_count; i++)
    if (is_named(&rows[i], word, n)) return &rows[i];
  return NULL;
}

/* `--name`, `-x`, or a name behind one dash; `n`: how much of the word is that. */
static const Row *find_row(const char *word, int kind, size_t *n) {
  for (*n = 0; word[*n] && word[*n] != '=';) ++*n;
  if (word[0] != '-' || *n < 2) return NULL;
  if (word[1] == '-') return find_name(word + 2, *n - 2);
  return *n == 2 ? find_letter(word[1], kind) : find_name(word + 1, *n - 1);
}

/* ---- values ---- */

static void spell(const Row *r, char *out, size_t size) {
  text_format(out, size, "--%s", r->name);
  for (char *c = out; *c; c++) *c = spelled(*c);
}

static bool wrong_number(const Row *r, const char *value, lrt_error *why) {
  char name[32];
  spell(r, name, sizeof name);
  if (r->most >= MANY) return fail(why, "%s takes a number from %g on, and not `%s`", name, r->least, value);
  return fail(why, "%s takes a number from %g to %g, and not `%s`", name, r->least, r->most, value);
}

static bool take_value(const Row *r, Argument *a, const char *value, lrt_error *why) {
  const char *end = "";
  a->word = value;
  if (r->kind == COUNT) end = text_number(value, &a->number), a->real = (double)a->number;
  if (r->kind == REAL) end = value + decimal_read(value, text_length(value), &a->real);
  bool good = end && !*end && (*value || r->kind < COUNT);
  if (good && r->kind >= COUNT) good = a->real >= r->least && a->real <= r->most;
  return good || wrong_number(r, value, why);
}

static bool is_foreign(const Row *r, const Arguments *a, const char *word, lrt_error *why) {
  if (r->programs & a->kind) return false;
  fail(why, "%s: this model is no %s", word, r->programs & LANGUAGE ? "language model" : "text encoder with a tokenizer");
  return true;
}

static bool take_word(Arguments *a, int argc, char **argv, int *i, lrt_error *why) {
  const char *word = argv[*i], *value = NULL;
  size_t n;
  const Row *r = find_row(word, a->kind, &n);
  if (!r) return fail(why, "`%s` is no option; --help lists them", word);
  Argument *to = &a->at[r - rows];
  if (is_foreign(r, a, word, why)) return false;
  if (word[n]) value = word + n + 1;
  if (value && r->kind == FLAG) return fail(why, "`%s` takes no value", word);
  if (!value && r->kind != FLAG) {
    if (*i + 1 == argc) return fail(why, "`%s` needs a value: %s", word, r->argument);
    value = argv[++*i];
  }
  if (to->given && r->kind > FLAG && r->kind != LIST) return fail(why, "`%s` is given twice: `%s` and `%s`", word, to->word, value);
  to->given = true;
  a->which[a->n] = (int)(r - rows);
  a->value[a->n++] = value;
  return r->kind == FLAG || take_value(r, to, value, why);
}

bool arguments_read(Arguments *a, int kind, int argc, char **argv, lrt_error *why) {
  why->text[0] = 0;
  *a = (Arguments){.kind = kind};
  a->which = os_memory((size_t)(argc + 1) * (sizeof *a->which + sizeof *a->value));
  if (!a->which) return false;
  a->value = (const char **)(void *)(a->which + (argc + 1) / 2 * 2);
  for (int i = 1; i < argc; i++)
    if (!take_word(a, argc, argv, &i, why)) return false;
  return true;
}

int64_t argument_number(const Arguments *a, int which, int64_t otherwise) { return a->at[which].given ? a->at[which].number : otherwise; }
double argument_real(const Arguments *a, int which, double otherwise) { return a->at[which].given ? a->at[which].real : otherwise; }

const char *argument_next(const Arguments *a, int which, int *i) {
  while (*i < a->n)
    if (a->which[(*i)++] == which) return a->value[*i - 1];
  return NULL;
}

/* ---- explaining ---- */

static void put_row(const Row *r, int kind, TextOut *out) {
  char name[32], left[64];
  spell(r, name, sizeof name);
  bool has_letter = r->letter && find_letter(r->letter, kind) == r;
  char letter[] = {'-', r->letter, ',', ' ', 0};
  size_t n = text_format(left, sizeof left, "  %s%s%s%s", has_letter ? letter : "    ", name, r->argument ? " " : "", r->argument ? r->argument : "");
  text_bytes(out, left, n);
  do text_put(out, " ");
  while (++n < 27);
  text_put(out, "%s%s\n", r->doc, r->kind == LIST ? " (repeatable)" : "");
}

void arguments_explain(int kind, TextOut *out) {
  for (int g = 0; g < GROUP_count; g++) {
    bool titled = false;
    for (int i = 0; i < ARG_count; i++) {
      if (rows[i].group != g || !(rows[i].programs & kind)) continue;
      if (!titled) text_put(out, "\n%s:\n", titles[g]);
      titled = true;
      put_row(&rows[i], kind, out);
    }
  }
}
