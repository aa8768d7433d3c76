/* tokenizer_decode.c -- tokens to text, as they come: characters are written when they are whole. */
#include "runtime/tokenizer_part.h"

static const char lost[] = "\xef\xbf\xbd"; /* U+FFFD */

void tokenizer_decode_start(TokenizerDecode *d, const Tokenizer *t, bool first, bool signs) {
  *d = (TokenizerDecode){.tokenizer = t, .first = first, .signs = signs};
}

/* Could these bytes, which are no character, still become one? */
static bool may_grow(const uint8_t *s, size_t n) {
  uint32_t c;
  int good;
  return n < 4 && tokenizer_take(s, n, &c, &good) == n && !good && s[0] >= 0xc2 && s[0] <= 0xf4;
}

/* Writes the characters of s that are whole, and returns how many bytes it is done with. */
static size_t put_whole(const uint8_t *s, size_t n, TokenizerPut *put, void *context) {
  size_t done = 0, at = 0;
  uint32_t c;
  int good;
  while (at < n) {
    size_t k = (size_t)tokenizer_take(s + at, n - at, &c, &good);
    if (!good) {
      if (at > done) put(context, (const char *)s + done, at - done);
      done = at;
      if (at + k == n && may_grow(s + at, k)) return done;
      put(context, lost, 3);
      done = at + k;
    }
    at += k;
  }
  if (at > done) put(context, (const char *)s + done, at - done);
  return at;
}

/* First what is held back, byte by byte until it is a character or none, then the rest. */
static void put_bytes(TokenizerDecode *d, const uint8_t *s, size_t n, TokenizerPut *put, void *context) {
  while (d->n && n) {
    d->held[d->n] = *s;
    size_t all = d->n + 1u, done = put_whole(d->held, all, put, context);
    for (size_t i = done; i < all; i++) d->held[i - done] = d->held[i];
    d->n = (uint8_t)(all - done);
    s++, n--;
  }
  size_t done = put_whole(s, n, put, context);
  for (; done < n; done++) d->held[d->n++] = s[done];
}

/* What of a token's text is left out at the beginning. */
static const uint8_t *strip(const TokenizerTables *t, const uint8_t *s, size_t *n) {
  uint32_t f = t->flags;
  bool one = f & TOKENIZER_STRIP, all = f & (TOKENIZER_STRIP_TEXT | TOKENIZER_STRIP_TOKEN);
  if (!one && !all) return s;
  while (*n && *s == ' ') {
    s++, --*n;
    if (!all) break;
  }
  return s;
}

void tokenizer_decode(TokenizerDecode *d, int64_t token, TokenizerPut *put, void *context) {
  const TokenizerTables *t = d->tokenizer->tables;
  uint8_t what = token >= 0 && token < t->n ? TABLE(t, uint8_t, t->token)[token] : 0;
  if (!(what & TOKEN_THERE) || (!d->signs && (what & TOKEN_SPECIAL))) return;
  const uint32_t *end = TABLE(t, uint32_t, t->write_ends);
  uint32_t begin = token ? end[token - 1] : 0;
  size_t n = end[token] - begin;
  const uint8_t *s = TABLE(t, uint8_t, t->write_text) + begin;
  if (d->blank) put_bytes(d, (const uint8_t *)" ", 1, put, context);
  if (d->first && n) {
    if (what & TOKEN_INNER) s = piece_of(t, token, &n);
    else if (!(what & TOKEN_KEPT)) s = strip(t, s, &n);
    d->first = n == 0 && (t->flags & TOKENIZER_STRIP_TEXT);
  }
  d->blank = what & TOKEN_BLANK;
  put_bytes(d, s, n, put, context);
}

void tokenizer_decode_end(TokenizerDecode *d, TokenizerPut *put, void *context) {
  if (d->n) put(context, lost, 3);
  d->n = 0;
}
