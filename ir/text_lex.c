/* text_lex.c -- the words of the text form: cutting text into tokens, and quoting. */
#include "ir/text_lex.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ir/fatal.h"

static bool is_digit(int c) { return c >= '0' && c <= '9'; }
static bool is_alpha(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_word(int c) { return is_alpha(c) || is_digit(c) || c == '_' || c == '.' || c == '$'; }

Lexer lex_start(const char *text, size_t size) {
  return (Lexer){.at = text, .begin = text, .end = text + size, .line = 1};
}

static int peek(const Lexer *l, size_t ahead) {
  return (size_t)(l->end - l->at) > ahead ? (unsigned char)l->at[ahead] : -1;
}

/* Skips spaces and comments; says whether a line began. */
static bool skip_space(Lexer *l) {
  bool first = l->at == l->begin;
  for (;; l->at++) {
    int c = peek(l, 0);
    if (c == '/' && peek(l, 1) == '/')
      while (peek(l, 0) >= 0 && peek(l, 0) != '\n') l->at++;
    c = peek(l, 0);
    if (c == '\n') {
      l->line++;
      first = true;
      continue;
    }
    if (c != ' ' && c != '\t' && c != '\r') return first;
  }
}

static void take_word(Lexer *l, Token *t, int kind) {
  t->kind = kind;
  t->at = l->at;
  while (is_word(peek(l, 0))) l->at++;
  t->n = (size_t)(l->at - t->at);
}

/* 0x.. is a word of digits; elsewhere an exponent may have a sign. */
static void take_number(Lexer *l, Token *t) {
  t->kind = TK_NUMBER;
  t->at = l->at;
  bool hex = peek(l, 0) == '0' && (peek(l, 1) == 'x' || peek(l, 1) == 'X');
  for (; is_word(peek(l, 0)); l->at++) {
    bool exponent = !hex && (*l->at == 'e' || *l->at == 'E') && (peek(l, 1) == '+' || peek(l, 1) == '-');
    if (exponent) l->at++;
  }
  t->n = (size_t)(l->at - t->at);
}

static void take_string(Lexer *l, Token *t, int kind) {
  t->at = ++l->at;
  t->quoted = true;
  for (int c; (c = peek(l, 0)) != '"'; l->at++) {
    if (c == '\\' && peek(l, 1) >= 0 && peek(l, 1) != '\n')
      l->at++;
    else if (c < 0 || c == '\n') {
      t->kind = TK_BAD;
      t->n = (size_t)(l->at - t->at);
      return;
    }
  }
  t->kind = kind;
  t->n = (size_t)(l->at++ - t->at);
}

static void take_sigil(Lexer *l, Token *t, int kind) {
  l->at++;
  if (peek(l, 0) == '"')
    take_string(l, t, kind);
  else
    take_word(l, t, kind);
  if (t->n == 0 && !t->quoted) t->kind = TK_BAD;
}

static void take_sign(Lexer *l, Token *t) {
  static const char known[] = "()[]{}<>=:,+-*?";
  int c = peek(l, 0), next = peek(l, 1);
  bool two = (c == '-' && next == '>') || (c == '<' && next == '=');
  t->kind = two ? (c == '-' ? TK_ARROW : TK_LE) : c && strchr(known, c) ? c : TK_BAD;
  t->at = l->at;
  t->n = two ? 2 : 1;
  l->at += t->n;
}

Token lex_next(Lexer *l) {
  Token t = {.first = skip_space(l)};
  t.line = l->line;
  int c = peek(l, 0);
  if (c < 0) {
    t.kind = TK_END;
    t.at = l->at;
  } else if (is_digit(c))
    take_number(l, &t);
  else if (is_word(c) && c != '.' && c != '$')
    take_word(l, &t, TK_WORD);
  else if (c == '"')
    take_string(l, &t, TK_STRING);
  else if (c == '%')
    take_sigil(l, &t, TK_VALUE);
  else if (c == '@')
    take_sigil(l, &t, TK_NAME);
  else
    take_sign(l, &t);
  return t;
}

bool token_is(Token t, const char *word) {
  return t.kind == TK_WORD && t.n == strlen(word) && memcmp(t.at, word, t.n) == 0;
}

const char *token_text(Arena *a, Token t) {
  enum { SHOWN = 40 };
  if (t.kind == TK_END) return "the end of the file";
  int n = t.n < SHOWN ? (int)t.n : SHOWN;
  const char *sigil = t.kind == TK_VALUE ? "%" : t.kind == TK_NAME ? "@" : "";
  const char *quote = t.quoted ? "\"" : "", *more = t.n > SHOWN ? "..." : "";
  if (t.kind == TK_BAD && t.quoted) return arena_printf(a, "a string that is not closed");
  if (t.kind == TK_BAD && t.n == 0) return "a sign without a name";
  if (t.kind == TK_BAD) return arena_printf(a, "the stray byte 0x%02x", (unsigned char)*t.at);
  return arena_printf(a, "'%s%s%.*s%s%s'", sigil, quote, n, t.at, more, quote);
}

static int hex_digit(int c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* s stands behind a backslash; the byte, or 0. */
static int escape(const char *s, size_t n, size_t *used) {
  *used = 1;
  switch (*s) {
  case 'n': return '\n';
  case 't': return '\t';
  case '"':
  case '\\': return *s;
  case 'x': break;
  default: return 0;
  }
  *used = 3;
  if (n < 3 || hex_digit(s[1]) < 0 || hex_digit(s[2]) < 0) return 0;
  return hex_digit(s[1]) * 16 + hex_digit(s[2]);
}

bool token_decode(Arena *a, Token t, const char **out) {
  char *s = arena_alloc(a, t.n + 1), *to = s;
  for (size_t i = 0; i < t.n; i++) {
    char c = t.at[i];
    if (t.quoted && c == '\\') {
      size_t used;
      c = (char)escape(t.at + i + 1, t.n - i - 1, &used);
      i += used;
    }
    if (!c) return false;
    *to++ = c;
  }
  *to = 0;
  *out = s;
  return true;
}

bool text_is_plain(const char *s) {
  if (!*s) return false;
  for (; *s; s++)
    if (!is_word((unsigned char)*s)) return false;
  return true;
}

/* The length of the well-formed UTF-8 sequence of several bytes at s, or 0. */
static int utf8_sequence(const unsigned char *s) {
  int n = *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
  uint32_t least[] = {0x80, 0x800, 0x10000}, code = *s & (0x7fu >> n);
  if (*s < 0xc2 || *s > 0xf4) return 0;
  for (int i = 1; i < n; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
    code = code << 6 | (s[i] & 0x3f);
  }
  bool surrogate = code >= 0xd800 && code < 0xe000;
  return code < least[n - 2] || code > 0x10ffff || surrogate ? 0 : n;
}

void text_quote(FILE *out, const char *string) {
  fputc('"', out);
  for (const unsigned char *s = (const unsigned char *)string; *s;) {
    int n = *s < 0x80 ? 1 : utf8_sequence(s);
    if (*s == '"' || *s == '\\')
      fprintf(out, "\\%c", *s);
    else if (*s == '\n')
      fputs("\\n", out);
    else if (*s == '\t')
      fputs("\\t", out);
    else if (*s < 0x20 || *s == 0x7f || n == 0)
      fprintf(out, "\\x%02x", *s);
    else
      fwrite(s, 1, (size_t)n, out);
    s += n ? n : 1;
  }
  fputc('"', out);
}

bool text_is_word(const char *s) { return text_is_plain(s) && !is_digit(*s) && *s != '.' && *s != '$'; }

void text_word(FILE *out, const char *s) {
  if (text_is_word(s))
    fputs(s, out);
  else
    text_quote(out, s);
}

void text_name(FILE *out, char sigil, const char *s) {
  fputc(sigil, out);
  if (text_is_plain(s))
    fputs(s, out);
  else
    text_quote(out, s);
}

void text_buffer_open(TextBuffer *b) {
  *b = (TextBuffer){0};
  b->out = open_memstream(&b->text, &b->size);
  if (!b->out) fatal_resource("out of memory");
}

char *text_buffer_close(TextBuffer *b, Arena *a, size_t most) {
  if (fclose(b->out) != 0) fatal_resource("out of memory");
  bool cut = b->size > most;
  char *s = cut ? arena_printf(a, "%.*s...", (int)most, b->text) : arena_string(a, b->text, b->size);
  free(b->text);
  return s;
}
