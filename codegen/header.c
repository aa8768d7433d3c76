/* header.c -- the C header of a model that is compiled into a library.
 *
 * Inputs and outputs become members of two structs, so that a C compiler checks their names and types. Sizes that are an axis of
 * an input come first in the inputs; an output's shape follows it. runtime/library.c walks the structs in the same order. */
#include "codegen/header.h"

#include <ctype.h>
#include <inttypes.h>

#include "ir/fatal.h"
#include "ir/strmap.h"
#include "runtime/abi.h"

/* ---- names ---- */

static bool is_keyword(const char *s) {
  static const char *const words[] = {
    "alignas", "alignof", "and", "asm", "auto", "bool", "break", "case", "catch", "char", "class", "const", "continue", "default",
    "delete", "do", "double", "else", "enum", "explicit", "extern", "false", "float", "for", "friend", "goto", "if", "inline",
    "int", "long", "mutable", "namespace", "new", "not", "nullptr", "operator", "or", "private", "protected", "public",
    "register", "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "template", "this", "throw",
    "true", "try", "typedef", "typename", "union", "unsigned", "using", "virtual", "void", "volatile", "while", "xor"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(words[i], s) == 0) return true;
  return false;
}

const char *header_name(Arena *a, const char *wish) {
  char *name = arena_printf(a, "%s%s", isdigit((unsigned char)*wish) || !*wish ? "_" : "", wish);
  for (char *at = name; *at; at++)
    if (!isalnum((unsigned char)*at) || (unsigned char)*at > 126) *at = '_';
  return is_keyword(name) ? arena_printf(a, "%s_", name) : name;
}

/* Members of one struct differ. */
static const char *member(Arena *a, StrMap *taken, const char *wish) {
  const char *name = header_name(a, wish);
  for (int i = 2; !strmap_add(a, taken, name, taken); i++) name = arena_printf(a, "%s_%d", header_name(a, wish), i);
  return name;
}

/* ---- types ---- */

typedef struct CType {
  Dtype dtype;
  const char *name, *note; /* note: where C has no such type */
} CType;

static const CType types[] = {
  {DT_f64, "double", ""}, {DT_f32, "float", ""}, {DT_f16, "uint16_t", ", as bits"}, {DT_bf16, "uint16_t", ", as bits"},
  {DT_i64, "int64_t", ""}, {DT_i32, "int32_t", ""}, {DT_i16, "int16_t", ""}, {DT_i8, "int8_t", ""},
  {DT_u64, "uint64_t", ""}, {DT_u32, "uint32_t", ""}, {DT_u16, "uint16_t", ""}, {DT_u8, "uint8_t", ""},
  {DT_bool, "bool", ""},
};

static const CType *c_type(Dtype t) {
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (types[i].dtype == t) return &types[i];
  fatal_bug(__FILE__, __LINE__, dtype_name(t)); /* program.c refuses what is not here */
}

/* "i64 [1, seq]", and the graph's name where it is another. */
static const char *describe(Arena *a, Type t, const char *name, const char *c_name) {
  char *s = arena_printf(a, "%s [", dtype_name(t->dtype));
  for (int i = 0; i < t->rank; i++) s = arena_printf(a, "%s%s%s", s, i ? ", " : "", dim_text(a, t->dim[i]));
  s = arena_printf(a, "%s]%s", s, c_type(t->dtype)->note);
  if (strcmp(name, c_name) == 0) return s;
  for (const char *at = name; (at = strpbrk(at, "*\n\r")); at++) /* a comment that a name could end */
    if (*at != '*' || at[1] == '/') return s;
  return arena_printf(a, "%s, `%s`", s, name);
}

/* ---- members ---- */

enum { COLUMN = 44 };

static void line(FILE *out, const char *declaration, const char *comment) {
  fprintf(out, "  %-*s /* %s */\n", COLUMN, declaration, comment);
}

static bool is_axis(const Func *f, const Symbol *s) {
  for (int i = 0; i < f->body->n_args; i++)
    for (int k = 0; k < f->body->arg[i]->type->rank; k++)
      if (dim_as_symbol(f->body->arg[i]->type->dim[k]) == s) return true;
  return false;
}

static void print_sizes(const Func *f, Arena *a, StrMap *taken, FILE *out) {
  for (int i = 0; i < f->symbols.n; i++) {
    const Symbol *s = f->symbols.at[i];
    if (!is_axis(f, s)) continue;
    const char *at_most = s->capacity >= 0 ? arena_printf(a, "a size, at most %" PRId64, s->capacity) : "a size";
    line(out, arena_printf(a, "int64_t %s;", member(a, taken, s->name)), at_most);
  }
}

static void print_inputs(const Header *h, Arena *a, FILE *out) {
  const Func *f = h->info->level[0];
  StrMap taken = {0};
  fprintf(out, "/* What a run needs. Arrays are in C's order: the last axis is contiguous. */\n"
               "typedef struct %s_inputs {\n", h->name);
  print_sizes(f, a, &taken, out);
  for (int i = 0; i < f->body->n_args; i++) {
    const Value *v = f->body->arg[i];
    if (v->type->kind == TYPE_STATE) continue; /* a session keeps it */
    const char *name = program_input_name(f, i), *c_name = member(a, &taken, name);
    line(out, arena_printf(a, "const %s *%s;", c_type(v->type->dtype)->name, c_name), describe(a, v->type, name, c_name));
  }
  if (f->body->n_args == 0) fputs("  char none;\n", out);
  fprintf(out, "} %s_inputs;\n\n", h->name);
}

static void print_outputs(const Header *h, Arena *a, FILE *out) {
  const Func *f = h->info->level[0];
  StrMap taken = {0};
  fprintf(out, "/* What it gives: memory of the session, until its next run. */\ntypedef struct %s_outputs {\n", h->name);
  for (int i = 0; i < f->n_results; i++) {
    Type t = f->result[i];
    if (t->kind == TYPE_STATE) continue;
    const char *name = program_output_name(f, i), *c_name = member(a, &taken, name);
    line(out, arena_printf(a, "const %s *%s;", c_type(t->dtype)->name, c_name), describe(a, t, name, c_name));
    const char *shape = t->rank ? member(a, &taken, arena_printf(a, "%s_shape", c_name)) : NULL;
    if (shape) fprintf(out, "  int64_t %s[%d];\n", shape, t->rank);
  }
  if (f->n_results == 0) fputs("  char none;\n", out);
  fprintf(out, "} %s_outputs;\n\n", h->name);
}

/* ---- the whole ---- */

/* In what is written, $ stands for the model's name, and ~ for its name in capitals. */
static void print_named(const Header *h, const char *text, FILE *out) {
  for (; *text; text++) {
    if (*text == '$') fputs(h->name, out);
    else if (*text == '~') for (const char *c = h->name; *c; c++) fputc(toupper((unsigned char)*c), out);
    else fputc(*text, out);
  }
}

/* A line of the example for each size and input, and the first output. */
static void print_example(const Header *h, Arena *a, FILE *out) {
  const Func *f = h->info->level[0];
  StrMap taken = {0};
  const char *s = "";
  for (int i = 0; i < f->symbols.n; i++)
    if (is_axis(f, f->symbols.at[i])) s = arena_printf(a, "%s.%s = .., ", s, member(a, &taken, f->symbols.at[i]->name));
  for (int i = 0, n = 0; i < f->body->n_args; i++)
    if (f->body->arg[i]->type->kind != TYPE_STATE)
      s = arena_printf(a, "%s%s.%s = ..", s, n++ ? ", " : "", member(a, &taken, program_input_name(f, i)));
  print_named(h, " *   $_error error;\n", out);
  if (h->weights) print_named(h, arena_printf(a, " *   $_model *model = $_open(\"%s\", &error);\n", h->weights), out);
  else print_named(h, " *   $_model *model = $_open(NULL, &error);\n", out);
  print_named(h, " *   $_session *session = $_session_open(model, 0, &error);\n", out);
  print_named(h, " *   $_outputs out;\n", out);
  print_named(h, arena_printf(a, " *   $_inputs in = {%s};\n", s), out);
  print_named(h, " *   if (!$_run(session, &in, &out, &error)) fprintf(stderr, \"%s\\n\", error.text);\n", out);
  print_named(h, " *   $_session_close(session);\n *   $_close(model);\n", out);
}

static void print_top(const Header *h, Arena *a, FILE *out) {
  fprintf(out, "/* %s.h -- the model `%s` as C functions, made by %s for %s.\n *\n", h->name, h->info->name,
          h->info->made_by, h->levels);
  print_example(h, a, out);
  print_named(h,
    " *\n"
    " * Link with -pthread. There are no global variables: models and sessions may be opened, used and closed by any\n"
    " * threads at once, with one exception: a session does one thing at a time.\n", out);
  fprintf(out, " * A run takes up to %" PRId64 " KB of its caller's stack. This file is yours (MIT-0). */\n",
          h->info->stack_bytes >> 10);
  print_named(h,
    "#ifndef ~_H\n"
    "#define ~_H\n\n"
    "#include <stdbool.h>\n"
    "#include <stddef.h>\n"
    "#include <stdint.h>\n\n"
    "#ifdef __cplusplus\n"
    "extern \"C\" {\n"
    "#endif\n\n"
    "typedef struct $_model $_model;     /* weights and kernels, which sessions share */\n"
    "typedef struct $_session $_session; /* threads and memory */\n\n"
    "/* What went wrong, in words. Each function that may fail takes one, or NULL. One that is given no model or no session,\n"
    " * since the call before failed, fails too and leaves the words as they are: so it is enough to look at the end. */\n"
    "typedef struct $_error {\n"
    "  char text[512];\n"
    "} $_error;\n\n", out);
}

static void print_functions(const Header *h, FILE *out) {
  print_named(h,
    "/* Maps the file with the weights. NULL: it is not there, or not whole, or another build's; or this processor lacks\n"
    " * what the kernels need. */\n"
    "$_model *$_open(const char *weights, $_error *error);\n"
    "/* The same with the file's bytes, which begin at a multiple of 64 and must stay. */\n"
    "$_model *$_open_bytes(const void *weights, size_t size, $_error *error);\n"
    "/* Reads all weights and compares their hash. */\n"
    "bool $_check(const $_model *model, $_error *error);\n"
    "/* When its sessions are closed. NULL is let pass. */\n"
    "void $_close($_model *model);\n\n"
    "/* So many threads, the caller of $_run among them; 0: as many as the process may use. */\n"
    "$_session *$_session_open($_model *model, int threads, $_error *error);\n"
    "void $_session_close($_session *session);\n\n"
    "bool $_run($_session *session, const $_inputs *in, $_outputs *out, $_error *error);\n\n", out);
}

static void print_text_functions(const Header *h, FILE *out) {
  print_named(h,
    "/* ---- texts ----\n"
    " *\n"
    " * A session holds a text: tokens, and what the caches know of them. Tokens are fed to it, and others are made:\n"
    " *\n"
    " *   int32_t prompt[64];\n"
    " *   int64_t n = $_tokenize(model, \"Once\", 4, true, prompt, 64, &error);\n"
    " *   $_feed(session, prompt, n, &error);\n"
    " *   for (int32_t token; (token = $_next(session, NULL, &error)) >= 0 && !$_ends(model, token);)\n"
    " *     fwrite(piece, 1, $_piece(session, token, piece, sizeof piece), stdout);\n"
    " *\n"
    " * $_run knows nothing of the text: use a session for the one or the other. */\n\n"
    "/* The tokens of a text of so many bytes, `room` of them at most; whole: with those that the model wants before and behind.\n"
    " * Returns how many there are, or -1. */\n"
    "int64_t $_tokenize(const $_model *model, const char *text, size_t size, bool whole, int32_t *token, int64_t room, $_error *error);\n"
    "/* Their text, `room` bytes of it at most, without a 0 behind. Returns how many there are, or -1. */\n"
    "int64_t $_detokenize(const $_model *model, const int32_t *token, int64_t n, char *text, size_t room, $_error *error);\n"
    "/* Is it a token that ends a text? */\n"
    "bool $_ends(const $_model *model, int32_t token);\n\n"
    "/* Puts tokens behind the text. */\n"
    "bool $_feed($_session *session, const int32_t *token, int64_t n, $_error *error);\n"
    "/* Scores of what may come next, one a token that the model knows: the session's memory, until its next call. NULL: it failed. */\n"
    "const float *$_logits($_session *session, int64_t *words, $_error *error);\n\n"
    "/* How the next token is chosen. What is 0 has no effect; where all is, the likeliest is taken. In this order: */\n"
    "typedef struct $_sampling {\n"
    "  double temperature; /* last: logits are divided by it */\n"
    "  double top_p;       /* third: the fewest that are so likely together */\n"
    "  double min_p;       /* fourth: those that are at least so likely, against the likeliest */\n"
    "  double repeat;      /* first: by how much recent tokens become less likely */\n"
    "  int64_t top_k;      /* second: so many of the likeliest */\n"
    "  uint64_t seed;      /* counts in the session's first draw */\n"
    "} $_sampling;\n"
    "/* Chooses the next token and puts it behind the text. Returns it, or -1. */\n"
    "int32_t $_next($_session *session, const $_sampling *how, $_error *error);\n"
    "/* What a token that was made adds to the text, whole characters alone. Returns the bytes, `room` at most. */\n"
    "size_t $_piece($_session *session, int32_t token, char *text, size_t room);\n\n"
    "int64_t $_length(const $_session *session);\n"
    "/* Back to the first tokens of the text. */\n"
    "bool $_truncate($_session *session, int64_t length, $_error *error);\n"
    "/* The same text in another session of the model. */\n"
    "bool $_copy($_session *to, $_session *from, $_error *error);\n"
    "/* The text and its caches as bytes, which a session of the same build takes back. Returns how many there are, or 0; nothing is\n"
    " * whole where there is less room. */\n"
    "size_t $_save($_session *session, void *state, size_t room, $_error *error);\n"
    "bool $_load($_session *session, const void *state, size_t size, $_error *error);\n\n", out);
}

static void print_end(FILE *out) {
  fputs("#ifdef __cplusplus\n"
        "}\n"
        "#endif\n"
        "#endif\n", out);
}

void header_print(const Header *h, Arena *a, FILE *out) {
  print_top(h, a, out);
  print_inputs(h, a, out);
  print_outputs(h, a, out);
  print_functions(h, out);
  if (program_speaks(h->info)) print_text_functions(h, out);
  print_end(out);
}
