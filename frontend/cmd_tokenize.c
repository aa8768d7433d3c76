/* cmd_tokenize.c -- `lathe tokenize`: runs a tokenizer alone, by the code that programs hold. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "frontend/driver.h"
#include "frontend/tokenizers.h"
#include "ir/fatal.h"
#include "runtime/tokenizer.h"

/* ---- the text ---- */

typedef struct Text {
  char *at;
  size_t n;
} Text;

static bool read_stream(Driver *d, FILE *f, const char *name, Text *t) {
  size_t room = 0;
  for (size_t n = 1; n > 0; t->n += n) {
    if (t->n == room) t->at = realloc(t->at, room = room ? 2 * room : 1 << 16);
    if (!t->at) fatal_resource("there is no memory for a text of %zu bytes", room);
    n = fread(t->at + t->n, 1, room - t->n, f);
  }
  return !ferror(f) || diag_error(d->diag, (Loc){.file = name}, "cannot read: %s", strerror(errno));
}

static bool read_text(Driver *d, Text *t) {
  const char *name = option_value(&d->options, "file");
  FILE *f = name ? fopen(name, "rb") : stdin;
  if (!f) return diag_error(d->diag, (Loc){.file = name}, "cannot open: %s", strerror(errno));
  bool good = read_stream(d, f, name ? name : "standard input", t);
  if (name) fclose(f);
  return good;
}

/* ---- to tokens ---- */

static int encode(const Tokenizer *t, const Text *text, bool add) {
  TokenList ids = {0};
  unsigned how = (add ? TOKENIZER_ADD : 0u) | (tokenizer_is_plain(t) ? 0u : (unsigned)TOKENIZER_SIGNS);
  if (!tokenizer_encode(t, text->at, text->n, how, &ids)) fatal_resource("there is no memory for the tokens of %zu bytes", text->n);
  for (int64_t i = 0; i < ids.n; i++) printf(i ? " %" PRId32 : "%" PRId32, ids.at[i]);
  putchar('\n');
  token_list_release(&ids);
  return EXIT_OK;
}

/* ---- to text ---- */

static void put(void *stream, const char *at, size_t n) { fwrite(at, 1, n, stream); }

static bool is_between(char c) { return c == ' ' || c == ',' || c == '\n' || c == '\t' || c == '\r' || c == '[' || c == ']'; }

static bool wrong_token(Driver *d, const char *at, const char *end, int64_t n) {
  size_t k = 0;
  while (at + k < end && !is_between(at[k]) && k < 40) k++;
  return diag_error(d->diag, (Loc){.file = option_value(&d->options, "file")}, "`%.*s` is no token: they are numbers from 0 to %" PRId64, (int)k, at, n - 1);
}

static bool decode(Driver *d, const Tokenizer *t, const Text *text, bool signs) {
  TokenizerDecode state;
  const char *at = text->at, *end = text->at + text->n;
  tokenizer_decode_start(&state, t, true, signs);
  for (; at < end; at++) {
    if (is_between(*at)) continue;
    const char *begin = at;
    int64_t id = 0;
    for (; at < end && *at >= '0' && *at <= '9' && id < tokenizer_count(t); at++) id = 10 * id + (*at - '0');
    if (at == begin || (at < end && !is_between(*at)) || id >= tokenizer_count(t)) return wrong_token(d, begin, end, tokenizer_count(t));
    tokenizer_decode(&state, id, put, stdout);
  }
  tokenizer_decode_end(&state, put, stdout);
  return true;
}

int command_tokenize(Driver *d) {
  TokenizerBytes tables = {0};
  Tokenizer t;
  Text text = {0};
  if (!tokenizer_load(d->arena, d->diag, d->options.positional.at[0], &tables) || !read_text(d, &text)) return EXIT_INPUT;
  ensure(tokenizer_open_bytes(&t, tables.at, (size_t)tables.n));
  bool special = !option_given(&d->options, "no-special");
  int status = option_given(&d->options, "decode") ? (decode(d, &t, &text, special) ? EXIT_OK : EXIT_INPUT) : encode(&t, &text, special);
  free(text.at);
  return status;
}
