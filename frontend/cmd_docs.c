/* cmd_docs.c -- `lathe docs`: writes the reference pages that follow from tables. */

#include "frontend/driver.h"
#include "frontend/lm.h"
#include "frontend/onnx_op.h"
#include "ir/fatal.h"
#include "ir/target.h"
#include "ir/out_file.h"
#include "passes/pass.h"

/* ---- ops.md ---- */

static const char *const kind_name[] = {
    [AK_INT] = "integer", [AK_FLOAT] = "number", [AK_BOOL] = "bool", [AK_DTYPE] = "element type", [AK_STR] = "word",
    [AK_INTS] = "integers", [AK_FLOATS] = "numbers", [AK_DIMS] = "sizes", [AK_CONST] = "constant", [AK_FUNC] = "function",
    [AK_STATE] = "state",
};

static void put_cell(const char *s, FILE *out) {
  for (; *s; s++) fputs(*s == '|' ? "\\|" : (char[]){*s, 0}, out);
}

static void put_count(int lo, int hi, FILE *out) {
  if (hi == OP_MANY) fprintf(out, "%d..", lo);
  else if (lo == hi) fprintf(out, "%d", lo);
  else fprintf(out, "%d..%d", lo, hi);
}

static void put_attrs(const OpInfo *o, FILE *out) {
  for (int i = 0; i < o->n_attrs; i++) {
    const AttrInfo *a = &o->attr[i];
    fprintf(out, "%s`%s` %s", i ? ", " : "", a->name, kind_name[a->kind]);
    if (a->required) fputs(" (required)", out);
    else if (a->kind == AK_INT || a->kind == AK_FLOAT) fprintf(out, " (%g)", a->dflt);
    else if (a->kind == AK_BOOL && a->dflt != 0) fputs(" (true)", out);
  }
}

static void write_ops(FILE *out) {
  static const struct { OpLevel level; const char *title; } part[] = {
      {LEVEL_ANY, "Both levels"}, {LEVEL_TENSOR, "Tensor level"}, {LEVEL_KERNEL, "Kernel level"}};
  fputs("# Ops\n\n<!-- Written by `lathe docs` from ir/ops.def. -->\n\nThe language is described in [ir.md](ir.md).\n", out);
  for (size_t p = 0; p < sizeof part / sizeof *part; p++) {
    fprintf(out, "\n## %s\n\n| op | operands | results | attributes | what it does |\n|---|---|---|---|---|\n", part[p].title);
    for (int i = 0; i < OP_count; i++) {
      const OpInfo *o = op_info((Op)i);
      if (o->level != part[p].level) continue;
      fprintf(out, "| `%s` | ", o->name);
      put_count(o->min_in, o->max_in, out);
      fputs(" | ", out);
      put_count(o->min_out, o->max_out, out);
      fputs(" | ", out);
      put_attrs(o, out);
      fputs(" | ", out);
      put_cell(o->doc, out);
      fputs(" |\n", out);
    }
  }
}

/* ---- the others ---- */

static void write_dtypes(FILE *out) {
  fputs("# Element types\n\n<!-- Written by `lathe docs` from ir/dtypes.def. -->\n\n| type | bits | ONNX | what it is |\n"
        "|---|---|---|---|\n", out);
  for (int i = 1; i < DT_count; i++) {
    const DtypeInfo *t = dtype_info((Dtype)i);
    fprintf(out, "| `%s` | %d | ", t->name, t->bits);
    if (t->onnx) fprintf(out, "%d", t->onnx);
    fprintf(out, " | %s |\n", t->doc);
  }
}

static void write_passes(FILE *out) {
  int n;
  const Pass *p = pass_list(&n);
  fputs("# Passes\n\n<!-- Written by `lathe docs` from passes/passes.def. -->\n\n| pass | what it does |\n|---|---|\n", out);
  for (int i = 0; i < n; i++) fprintf(out, "| `%s` | %s |\n", p[i].name, p[i].doc);
  const Pipeline *l = pipeline_list(&n);
  fputs("\n## Pipelines\n\n| pipeline | passes | for |\n|---|---|---|\n", out);
  for (int i = 0; i < n; i++) fprintf(out, "| `%s` | %s | %s |\n", l[i].name, l[i].passes, l[i].doc);
}

static void write_refused(FILE *out) {
  int n;
  const OnnxRefused *r = onnx_refused_rows(&n);
  fputs("\n## Refused\n\nThese are known, and refused with the reason that stands here. So are inputs that are sequences, optionals, "
        "or of\nstrings or complex numbers, and opsets before 7.\n\n| operator | why | instead |\n|---|---|---|\n", out);
  for (int i = 0; i < n; i++) {
    bool all = strcmp(r[i].type, "ANY") == 0;
    fprintf(out, "| %s%s%s | %s | %s |\n", r[i].domain, *r[i].domain ? "." : "", all ? "*" : r[i].type, r[i].reason, r[i].instead);
  }
}

static void write_families(FILE *out) {
  fputs("\n# Language models\n\n<!-- Written by `lathe docs` from frontend/families.def. -->\n\nHugging Face folders by the class that "
        "config.json names, and GGUF files by their architecture.\n\n| family | classes | GGUF | what it is |\n|---|---|---|---|\n", out);
  for (int i = 0; i < LM_families; i++) {
    const LmFamilyInfo *f = lm_family((LmFamily)i);
    fprintf(out, "| %s | %s | %s | %s |\n", f->name, f->classes, f->gguf, f->docs);
  }
}

static void write_support(FILE *out) {
  int n;
  const OnnxRow *r = onnx_rows(&n);
  fputs("# ONNX operators\n\n<!-- Written by `lathe docs` from frontend/onnx_ops.def. -->\n\nOpsets 7 to 28. A row holds from its "
        "opset on, until the next row of the same operator. What is not\nlisted is refused by name before any work is done.\n\n"
        "| operator | from opset | not supported |\n|---|---|---|\n", out);
  for (int i = 0; i < n; i++) {
    fprintf(out, "| %s%s%s | %d | ", r[i].domain, *r[i].domain ? "." : "", r[i].type, r[i].since);
    put_cell(r[i].note, out);
    fputs(" |\n", out);
  }
  write_refused(out);
  write_families(out);
}

/* "+neon,+dotprod" as "neon, dotprod" */
static void put_attributes(const char *words, FILE *out) {
  for (; *words; words++)
    if (*words != '+') fputs(*words == ',' ? ", " : (char[]){*words, 0}, out);
}

static void write_targets(FILE *out) {
  fputs("# Targets\n\n<!-- Written by `lathe docs` from ir/target.c. -->\n\nA program for a target carries kernels for some of its levels, those "
        "with a star where `--cpu` names none, and takes\nthe best that the processor has. [Cross-compiling](cross-compiling.md) says how "
        "to make and run them.\n", out);
  for (int i = 0; i < system_count(); i++) {
    const System *s = system_at(i);
    fprintf(out, "\n## %s\n\n%s.", s->name, s->about);
    if (s->most_weights < INT64_MAX) fprintf(out, " Programs have room for %d MB of weights.", (int)(s->most_weights >> 20));
    fputs("\n\n| level | | processors | features | vectors |\n|---|---|---|---|---|\n", out);
    for (int k = 0; k < target_count(); k++) {
      const Target *t = target_at(k);
      if (t->system != s) continue;
      fprintf(out, "| `%s` | %s | %s | ", t->name, t->usual ? "*" : "", t->about);
      put_attributes(t->attributes, out);
      fprintf(out, " | %d of %d bits |\n", t->vector_registers, t->vector_bytes * 8);
    }
  }
}

/* ---- what programs take ---- */

enum { LANGUAGE = 1, ENCODER = 2, ARRAYS = 4, ANY = 7 };

static const struct {
  const char *name, *title;
} groups[] = {
#define ARGUMENT(...)
#define GROUP(name, title) {#name, title},
#include "runtime/arguments.def"
#undef GROUP
#undef ARGUMENT
};

static const struct {
  const char *name, *argument, *kind, *group, *doc;
  char letter;
  int programs;
} arguments[] = {
#define GROUP(...)
#define ARGUMENT(name, letter, argument, kind, least, most, programs, group, doc) {#name, argument, #kind, #group, doc, letter, programs},
#include "runtime/arguments.def"
#undef ARGUMENT
#undef GROUP
};

static void put_argument(int i, FILE *out) {
  fputs("| `", out);
  if (arguments[i].letter) fprintf(out, "-%c`, `", arguments[i].letter);
  fputs("--", out);
  for (const char *c = arguments[i].name; *c; c++) fputc(*c == '_' ? '-' : *c, out);
  fprintf(out, "%s%s` | ", arguments[i].argument ? " " : "", arguments[i].argument ? arguments[i].argument : "");
  put_cell(arguments[i].doc, out);
  fprintf(out, "%s |", strcmp(arguments[i].kind, "LIST") == 0 ? "; may be given more than once" : "");
  if (arguments[i].programs == ANY) fputs(" all |\n", out);
  else fprintf(out, "%s%s |\n", arguments[i].programs & LANGUAGE ? " language models" : "", arguments[i].programs & ENCODER ? " encoders" : "");
}

static void write_program_options(FILE *out) {
  fputs("# What programs take\n\n<!-- Written by `lathe docs` from runtime/arguments.def. -->\n\nOptions of the programs that `lathe build` "
        "makes; a program's own `--help` lists those that it has. A value follows as the next word,\nor behind `=`. What "
        "they do is told in [programs.md](programs.md) and [language-models.md](language-models.md).\n", out);
  for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
    fprintf(out, "\n## %c%s\n\n| option | means | programs of |\n|---|---|---|\n", groups[g].title[0] - 'a' + 'A', groups[g].title + 1);
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
      if (strcmp(arguments[i].group, groups[g].name) == 0) put_argument((int)i, out);
  }
}

static const struct {
  const char *name;
  void (*write)(FILE *);
} pages[] = {
    {"ops.md", write_ops},         {"dtypes.md", write_dtypes},           {"passes.md", write_passes},
    {"support.md", write_support}, {"options.md", options_write_markdown}, {"lathe.1", options_write_man},
    {"lathe.bash", options_write_completion}, {"targets.md", write_targets},
    {"program-options.md", write_program_options},
};

int command_docs(Driver *d) {
  const char *dir = d->options.positional.at[0];
  for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
    const char *path = arena_printf(d->arena, "%s/%s", dir, pages[i].name);
    OutFile o = out_open(d->arena, path, 0666);
    pages[i].write(out_stream(&o));
    out_close(&o);
  }
  return EXIT_OK;
}
