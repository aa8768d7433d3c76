/* test_stories.c -- a trained Llama writes what the original program wrote: 200 words, one by one, through its caches.
 *
 * stories/stories260k.ir maps the weights of the corpus (LATHE_CORPUS); without it, the test is skipped. */
#include <stdlib.h>
#include <unistd.h>

#include "ir/eval.h"
#include "ir/fatal.h"
#include "ir/text.h"
#include "ir/verify.h"

enum { SKIPPED_TEST = 77, STEPS = 200, WORDS = 512, BEGIN = 1 };

typedef struct Bytes {
  char *at;
  size_t n;
} Bytes;

static Bytes read_file(Arena *a, const char *path) {
  FILE *f = fopen(path, "rb");
  if (!f) return (Bytes){0};
  Bytes b = {.at = arena_alloc(a, 1 << 16)};
  b.n = fread(b.at, 1, 1 << 16, f);
  fclose(f);
  return b;
}

/* ---- words ---- */

/* llama2.c's vocabulary: the longest word's length, then for each word a score, its length and its bytes. */
static bool read_words(Arena *a, const char *path, const char **word) {
  Bytes b = read_file(a, path);
  size_t at = 4;
  for (int i = 0; i < WORDS; i++) {
    uint32_t n;
    if (at + 8 > b.n) return false;
    memcpy(&n, b.at + at + 4, 4);
    if (n > b.n - at - 8) return false;
    word[i] = arena_string(a, b.at + at + 8, n);
    at += 8 + n;
  }
  return true;
}

/* Words as text: the first one's space is left out, and <0x0A> is a byte. */
static char *spell(Arena *a, const char *const *word, const Tensor *ids) {
  char *s = "";
  for (int64_t i = 0; i < ids->count; i++) {
    const char *w = word[tensor_i(ids, i)];
    unsigned byte;
    if (i == 0 && *w == ' ') w++;
    if (sscanf(w, "<0x%02X>", &byte) == 1) s = arena_printf(a, "%s%c", s, (char)byte);
    else s = arena_printf(a, "%s%s", s, w);
  }
  return s;
}

/* ---- running ---- */

static Tensor *write_story(Module *m) {
  Func *f = module_find_func(m, "main");
  Evaluator *e = eval_new(m, (EvalOptions){.max_memory = 64 << 20});
  Tensor *steps = tensor_new(e, DT_i64, 0, NULL), *arg[6] = {steps}, *ids = NULL;
  dtype_set_i(DT_i64, steps->data, 0, STEPS);
  eval_func(e, f, 6, arg, &ids);
  tensor_release(steps);
  eval_free(e);
  return ids;
}

static bool compare(Arena *a, Diag *d, const char *text, size_t size) {
  const char *word[WORDS];
  Bytes want = read_file(a, "stories260k/greedy.txt");
  ensure(read_words(a, "stories260k/tok512.bin", word));
  Module *m = text_parse(a, d, "stories260k.ir", text, size);
  Tensor *ids = m && verify_module(m) ? write_story(m) : NULL;
  char *have = ids ? spell(a, word, ids) : NULL;
  if (m) module_close(m);
  tensor_release(ids);
  if (!have) return false;
  while (want.n && want.at[want.n - 1] == '\n') want.n--;
  if (strlen(have) == want.n && memcmp(have, want.at, want.n) == 0) return true;
  printf("have:\n%s\nwant:\n%.*s\n", have, (int)want.n, want.at);
  return false;
}

int main(void) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  const char *corpus = getenv("LATHE_CORPUS");
  Bytes text = read_file(a, "tests/stories/stories260k.ir");
  ensure(text.n);
  if (chdir(corpus && *corpus ? corpus : "../shared/corpus") != 0 || !read_file(a, "stories260k/greedy.txt").n) {
    puts("skipped: there is no stories260k (set LATHE_CORPUS)");
    arena_free(a);
    return SKIPPED_TEST;
  }
  bool good = compare(a, d, text.at, text.n);
  diag_flush(d, stderr, false);
  arena_free(a);
  return !good;
}
