/* tokenize_many.c -- tokenizes many texts, for comparisons with other libraries.
 *
 * tokenize_many TOKENIZER: reads texts from standard input, each as u32 length and bytes, and writes for each u32 count, that many
 * i32 tokens, u32 length, and the text that these are decoded to. With --time, reads one text and says how long the processor took. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "frontend/tokenizers.h"
#include "ir/fatal.h"
#include "runtime/tokenizer.h"

typedef struct Bytes {
  char *at;
  uint32_t n, room;
} Bytes;

static void room_for(Bytes *b, size_t n) {
  if (n <= b->room) return;
  b->at = realloc(b->at, n * 2);
  ensure(b->at);
  b->room = (uint32_t)(n * 2);
}

static void put(void *context, const char *at, size_t n) {
  Bytes *b = context;
  room_for(b, b->n + n);
  memcpy(b->at + b->n, at, n);
  b->n += (uint32_t)n;
}

static void write_all(const void *at, size_t size, size_t n) { ensure(n == 0 || fwrite(at, size, n, stdout) == n); }

static void one(const Tokenizer *t, const Bytes *text, TokenList *ids, Bytes *back) {
  unsigned how = tokenizer_is_plain(t) ? 0 : TOKENIZER_SIGNS;
  TokenizerDecode d;
  ids->n = back->n = 0;
  ensure(tokenizer_encode(t, text->at, text->n, how, ids));
  tokenizer_decode_start(&d, t, true, false);
  for (int64_t i = 0; i < ids->n; i++) tokenizer_decode(&d, ids->at[i], put, back);
  tokenizer_decode_end(&d, put, back);
  uint32_t n = (uint32_t)ids->n;
  write_all(&n, 4, 1);
  write_all(ids->at, 4, n);
  write_all(&back->n, 4, 1);
  write_all(back->at, 1, back->n);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The best of several times, and how many tokens there were. */
static int measure(const Tokenizer *t, int times) {
  Bytes text = {0};
  char piece[1 << 16];
  for (size_t n; (n = fread(piece, 1, sizeof piece, stdin)) > 0;) put(&text, piece, n);
  TokenList ids = {0};
  double best = 1e9;
  for (int i = 0; i < times; i++) {
    double start = now();
    ids.n = 0;
    ensure(tokenizer_encode(t, text.at, text.n, 0, &ids));
    double took = now() - start;
    if (took < best) best = took;
  }
  printf("%.6f s, %" PRId64 " tokens, %u bytes, %.1f MB/s\n", best, ids.n, text.n, text.n / best * 1e-6);
  free(text.at);
  token_list_release(&ids);
  return 0;
}

int main(int argc, char **argv) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  TokenizerBytes tables = {0};
  Tokenizer t;
  Bytes text = {0}, back = {0};
  TokenList ids = {0};
  if (argc < 2 || !tokenizer_load(a, d, argv[1], &tables)) return diag_flush(d, stderr, false), 1;
  ensure(tokenizer_open_bytes(&t, tables.at, (size_t)tables.n));
  if (argc > 2) return measure(&t, argc > 3 ? atoi(argv[3]) : 3);
  while (fread(&text.n, 4, 1, stdin) == 1) {
    room_for(&text, text.n);
    ensure(fread(text.at, 1, text.n, stdin) == text.n);
    one(&t, &text, &ids, &back);
  }
  arena_free(a);
  return 0;
}
