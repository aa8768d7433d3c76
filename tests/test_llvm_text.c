/* test_llvm_text.c -- the text that kernels become on their way through LLVM, against what `.ir` files expect of it.
 *
 *   test_llvm_text [--print] FILE...
 *
 * A file is a module, in whose comments stands:
 *
 *   // TARGET: x86-64-v4     what its kernels are made for
 *   // PASSES: lower,expand  run before; else the kernels are emitted as they are
 *   // LLVM: line            the module's text in LLVM's language has such lines, in this order
 *   // LLVM-NOT: text        and nowhere this text
 *   // ASM: text             the optimised assembly has lines with this text in it, in this order; blanks count as one
 *   // ASM-NOT: text         and nowhere this text
 *
 * Everything is made twice, and must be the same to the last byte. --print shows what is made. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/emit_llvm.h"
#include "ir/fatal.h"
#include "ir/text.h"
#include "passes/pass.h"

typedef VEC(const char *) Lines;

typedef struct Case {
  Arena *arena;
  const char *path, *text;
  size_t size;
  Lines target, passes, llvm, llvm_not, assembly, assembly_not;
  bool failed;
} Case;

static void fail(Case *c, const char *what, const char *text) {
  printf("FAIL %s: %s%s\n", c->path, what, text);
  c->failed = true;
}

/* ---- reading ---- */

static void read_case(Case *c) {
  VEC(char) text = {0};
  FILE *f = fopen(c->path, "rb");
  if (!f) fatal_resource("cannot open %s", c->path);
  for (int ch; (ch = fgetc(f)) != EOF;) vec_push(c->arena, &text, (char)ch);
  fclose(f);
  c->size = (size_t)text.n;
  vec_push(c->arena, &text, 0);
  c->text = text.at;
}

static void read_expectations(Case *c) {
  const struct {
    const char *key;
    Lines *to;
  } keys[] = {{"// TARGET: ", &c->target}, {"// PASSES: ", &c->passes}, {"// LLVM: ", &c->llvm}, {"// LLVM-NOT: ", &c->llvm_not},
              {"// ASM: ", &c->assembly}, {"// ASM-NOT: ", &c->assembly_not}};
  for (const char *line = c->text; *line; line += strcspn(line, "\n"), line += *line == '\n')
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
      size_t n = strlen(keys[i].key);
      if (strncmp(line, keys[i].key, n) == 0) vec_push(c->arena, keys[i].to, arena_string(c->arena, line + n, strcspn(line + n, "\n")));
    }
}

/* ---- making ---- */

typedef struct Made {
  char *llvm, *assembly;
} Made;

/* From a fresh module each time: NULL texts after an error. */
static Made make(Case *c) {
  Diag *d = diag_new(c->arena);
  Made made = {0};
  const Target *t = c->target.n == 1 ? target_find(c->target.at[0]) : NULL;
  Module *m = text_parse(c->arena, d, c->path, c->text, c->size);
  if (!t) return fail(c, "it has no target", ""), made;
  bool good = m && (!c->passes.n || pass_run(m, &(PassOptions){.passes = c->passes.at[0], .target = &t, .n_targets = 1, .out = stdout, .err = stderr}));
  LlvmModule *l = llvm_module_new(t, "golden");
  for (int i = 0; good && i < m->funcs.n; i++)
    if (m->funcs.at[i]->level == LEVEL_KERNEL) good = llvm_emit_kernel(l, m->funcs.at[i], d);
  if (good) made.llvm = llvm_module_text(l, c->arena), made.assembly = llvm_module_assembly(l, c->arena);
  else fail(c, "", diag_first(d) ? diag_first(d) : "?");
  llvm_module_free(l);
  return made;
}

/* ---- checking ---- */

/* Each line without blanks around it, and inside with one for many: what is aligned is not what is meant. */
static const char *plain(Arena *a, const char *line, size_t n) {
  VEC(char) out = {0};
  for (size_t i = 0; i < n; i++) {
    bool blank = isspace((unsigned char)line[i]) != 0;
    if (!blank) vec_push(a, &out, line[i]);
    else if (out.n && out.at[out.n - 1] != ' ') vec_push(a, &out, ' ');
  }
  if (out.n && out.at[out.n - 1] == ' ') out.n--;
  vec_push(a, &out, 0);
  return out.at;
}

static void check_order(Case *c, const char *what, const char *text, const Lines *want, bool whole_lines) {
  int k = 0;
  for (const char *line = text; *line && k < want->n; line += strcspn(line, "\n"), line += *line == '\n') {
    const char *have = plain(c->arena, line, strcspn(line, "\n")), *wish = plain(c->arena, want->at[k], strlen(want->at[k]));
    if (whole_lines ? strcmp(have, wish) == 0 : strstr(have, wish) != NULL) k++;
  }
  if (k < want->n) fail(c, what, want->at[k]);
}

static void check_absent(Case *c, const char *what, const char *text, const Lines *unwanted) {
  for (int i = 0; i < unwanted->n; i++)
    if (strstr(text, unwanted->at[i])) fail(c, what, unwanted->at[i]);
}

static void check(Case *c, bool print) {
  read_case(c);
  read_expectations(c);
  if (!c->llvm.n && !c->assembly.n) fail(c, "it expects nothing", "");
  Made first = make(c), second = make(c);
  if (c->failed) return;
  if (print) printf("%s\n%s\n", first.llvm, first.assembly);
  if (strcmp(first.llvm, second.llvm) != 0 || strcmp(first.assembly, second.assembly) != 0) fail(c, "made twice, it is not the same", "");
  check_order(c, "there is no line in LLVM's language, or it is not in this order: ", first.llvm, &c->llvm, true);
  check_order(c, "the assembly has it not, or not in this order: ", first.assembly, &c->assembly, false);
  check_absent(c, "LLVM's language has ", first.llvm, &c->llvm_not);
  check_absent(c, "the assembly has ", first.assembly, &c->assembly_not);
}

int main(int argc, char **argv) {
  bool print = argc > 1 && strcmp(argv[1], "--print") == 0;
  int passed = 0, failed = 0;
  for (int i = 1 + print; i < argc; i++) {
    Case c = {.arena = arena_new(), .path = argv[i]};
    check(&c, print);
    if (c.failed) failed++;
    else passed++;
    arena_free(c.arena);
  }
  printf("%d passed, %d failed, 0 skipped\n", passed, failed);
  return failed || !passed;
}
