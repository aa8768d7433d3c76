/* fuzz_text.c -- a fuzz target: any bytes have tokens in tokenizers of every kind, and byte-level ones give the bytes back. */
#include <string.h>

#include "frontend/tokenizers.h"
#include "ir/fatal.h"
#include "mutate.h"
#include "runtime/tokenizer.h"

static const char *const names[] = {"gpt2.json", "llama3.json", "superbpe.json", "kimi.json", "llama2.json", "clip.json", "bert_uncased.json",
                                    "albert.json", "unigram_nfkc.json", "sp_bpe.model", "sp_suffix.model"};
enum { COUNT = sizeof names / sizeof *names };

typedef struct Kinds {
  Arena *arena;
  Tokenizer of[COUNT];
} Kinds;

/* Read once: a process that fuzzes ends with them. */
static const Kinds *kinds(void) {
  static Kinds all;
  for (int i = 0; !all.arena || i < COUNT; i++) {
    TokenizerBytes tables = {0};
    if (all.of[COUNT - 1].tables) return &all;
    if (!all.arena) all.arena = arena_new();
    ensure(tokenizer_load(all.arena, diag_new(all.arena), arena_printf(all.arena, "tests/tokenizers/%s", names[i]), &tables));
    ensure(tokenizer_open_bytes(&all.of[i], tables.at, (size_t)tables.n));
  }
  return &all;
}

typedef struct Text {
  uint8_t *at;
  size_t n, room;
} Text;

static void put(void *context, const char *at, size_t n) {
  Text *t = context;
  ensure(t->n + n <= t->room);
  memcpy(t->at + t->n, at, n);
  t->n += n;
}

static bool is_utf8(const uint8_t *s, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (s[i] >= 0x80) return false; /* ASCII will do */
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const Kinds *all = kinds();
  for (int i = 0; i < COUNT; i++) {
    TokenList ids = {0};
    TokenizerDecode d;
    Arena *a = arena_new();
    Text back = {.room = 64 * size + 4096};
    back.at = arena_alloc(a, back.room);
    ensure(tokenizer_encode(&all->of[i], (const char *)data, size, 0, &ids));
    tokenizer_decode_start(&d, &all->of[i], true, true);
    for (int64_t k = 0; k < ids.n; k++) tokenizer_decode(&d, ids.at[k], put, &back);
    tokenizer_decode_end(&d, put, &back);
    if (i < 4 && is_utf8(data, size)) ensure(back.n == size && memcmp(back.at, data, size) == 0);
    token_list_release(&ids);
    arena_free(a);
  }
  return 0;
}

void fuzz_mutate(Input *in, const Input *other, Random *r) { mutate(in, other, r); }
