/* test_tokenizers.c -- tokenizers of every kind make of texts what their own libraries made of them, and back.
 *
 * tests/tokenizers/NAME is a tokenizer, NAME.expected a text a line: its bytes, and those that its tokens are decoded to, in
 * hexadecimal or - where there are none, and the tokens (tests/oracles/make_tokenizers.py). */
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>

#include "frontend/tokenizers.h"
#include "ir/fatal.h"
#include "random.h"
#include "runtime/tokenizer.h"

typedef struct Text {
  uint8_t at[1 << 12];
  size_t n;
} Text;

static int failed, passed;

static void check(bool good, const char *name, int line, const char *what) {
  if (good) passed++;
  else failed++, printf("FAIL %s:%d: %s\n", name, line, what);
}

static int hex(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static const char *take_hex(const char *s, Text *t) {
  t->n = 0;
  if (*s == '-') return s + 2;
  for (; *s != ' ' && *s; s += 2) t->at[t->n++] = (uint8_t)(hex(s[0]) * 16 + hex(s[1]));
  return s + 1;
}

static void put(void *context, const char *at, size_t n) {
  Text *t = context;
  ensure(t->n + n <= sizeof t->at);
  memcpy(t->at + t->n, at, n);
  t->n += n;
}

/* ---- as the library has it ---- */

static void check_line(const Tokenizer *t, const char *name, int line, const char *s) {
  Text text, back, got = {.n = 0};
  TokenList ids = {0};
  TokenizerDecode d;
  bool same = true;
  s = take_hex(take_hex(s, &text), &back);
  ensure(tokenizer_encode(t, (const char *)text.at, text.n, tokenizer_is_plain(t) ? 0 : TOKENIZER_SIGNS, &ids));
  tokenizer_decode_start(&d, t, true, false);
  for (int64_t i = 0; i < ids.n; i++) {
    char *end;
    same &= strtol(s, &end, 10) == ids.at[i] && end != s;
    s = end;
    tokenizer_decode(&d, ids.at[i], put, &got);
  }
  tokenizer_decode_end(&d, put, &got);
  check(same && *s != ' ', name, line, "other tokens than its library's");
  check(got.n == back.n && memcmp(got.at, back.at, got.n) == 0, name, line, "another text than its library's");
  token_list_release(&ids);
}

/* ---- whatever the text ---- */

/* Streams of any tokens are UTF-8 in each piece that is put. */
static void put_whole(void *context, const char *at, size_t n) {
  int *halves = context;
  for (size_t i = 0; i < n;) {
    uint8_t lead = (uint8_t)at[i];
    size_t k = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if ((lead & 0xc0) == 0x80 || i + k > n) ++*halves, k = 1;
    i += k;
  }
}

static void check_streams(const Tokenizer *t, const char *name) {
  Random r = {1};
  int halves = 0;
  for (int i = 0; i < 200; i++) {
    TokenizerDecode d;
    tokenizer_decode_start(&d, t, i & 1, i & 2);
    for (int k = 0; k < 20; k++) tokenizer_decode(&d, (int64_t)random_index(&r, (size_t)tokenizer_count(t) + 2) - 1, put_whole, &halves);
    tokenizer_decode_end(&d, put_whole, &halves);
  }
  check(halves == 0, name, 0, "half a character is written");
}

/* Any bytes have tokens, and those of text with a zero in it, or of no UTF-8, too. */
static void check_bytes(const Tokenizer *t, const char *name) {
  Random r = {2};
  char text[64];
  bool good = true;
  for (int i = 0; i < 2000; i++) {
    TokenList ids = {0};
    size_t n = random_index(&r, sizeof text);
    for (size_t k = 0; k < n; k++) text[k] = (char)random_index(&r, 256);
    good &= tokenizer_encode(t, text, n, TOKENIZER_ADD | TOKENIZER_SIGNS, &ids);
    for (int64_t k = 0; k < ids.n; k++) good &= ids.at[k] >= 0 && ids.at[k] < tokenizer_count(t);
    token_list_release(&ids);
  }
  check(good, name, 0, "random bytes have no tokens");
}

/* ---- all ---- */

static void check_pieces(const Tokenizer *t, const char *name) {
  for (int64_t i = 0; i < tokenizer_count(t); i++) {
    size_t n, m;
    const char *piece = tokenizer_piece(t, i, &n);
    int64_t found = piece ? tokenizer_find(t, piece, n) : i;
    const char *same = found < 0 ? NULL : tokenizer_piece(t, found, &m);
    if (piece && !(same && n == m && memcmp(piece, same, n) == 0)) check(false, name, (int)i, "a piece is not found");
  }
  check(tokenizer_piece(t, -1, &(size_t){0}) == NULL && tokenizer_find(t, "no such piece \x01", 15) == -1, name, 0, "there is a token that is none");
}

static void check_tokenizer(const char *folder, const char *name) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  TokenizerBytes tables = {0};
  Tokenizer t;
  char line[1 << 14];
  int number = 0;
  FILE *f = fopen(arena_printf(a, "%s/%s.expected", folder, name), "r");
  bool good = tokenizer_load(a, d, arena_printf(a, "%s/%s", folder, name), &tables) && tokenizer_open_bytes(&t, tables.at, (size_t)tables.n);
  if (!good) diag_flush(d, stderr, false);
  check(good && f, name, 0, "is not read");
  while (good && f && fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = 0;
    check_line(&t, name, ++number, line);
  }
  if (good) check_streams(&t, name), check_bytes(&t, name), check_pieces(&t, name);
  if (f) fclose(f);
  arena_free(a);
}

int main(int argc, char **argv) {
  const char *folder = argc > 1 ? argv[1] : "tests/tokenizers";
  DIR *all = opendir(folder);
  int count = 0;
  for (struct dirent *e; all && (e = readdir(all));) {
    if (e->d_name[0] == '.' || strstr(e->d_name, ".expected")) continue;
    check_tokenizer(folder, e->d_name);
    count++;
  }
  if (all) closedir(all);
  check(count >= 10, folder, 0, "fewer than ten tokenizers");
  printf("%d passed, %d failed, 0 skipped\n", passed, failed);
  return failed > 0;
}
