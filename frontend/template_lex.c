/* template_lex.c -- cuts a chat template in tokens: text, and what stands between braces.
 *
 * White space around tags goes as Jinja has it with trim_blocks and lstrip_blocks, which is how chat templates are read: a line break
 * right behind a block or a comment is dropped, and so are blanks before one on its line; minus signs drop all of it, plus signs
 * keep it. */
#include <stdlib.h>

#include "frontend/template_syntax.h"
#include "runtime/characters.h"
#include "runtime/decimal.h"
#include "runtime/utf8.h"

typedef struct Lexer {
  Arena *arena;
  Diag *diag;
  const char *file, *text;
  size_t at, n;
  int line;
  bool line_starts; /* what stood before ended with a line break */
  TokenVec *out;
  char open[TEMPLATE_DEPTH]; /* the signs that close what is open */
  int n_open;
} Lexer;

static bool fail(Lexer *l, const char *what) { return diag_error(l->diag, (Loc){.file = l->file, .line = l->line}, "%s", what); }

static Token *add(Lexer *l, TokenKind kind, const char *text, size_t n) {
  vec_push(l->arena, l->out, ((Token){.kind = kind, .line = l->line, .text = text, .n = (int64_t)n}));
  return &l->out->at[l->out->n - 1];
}

static bool looking_at(const Lexer *l, size_t at, const char *s) {
  size_t n = strlen(s);
  return at <= l->n && l->n - at >= n && memcmp(l->text + at, s, n) == 0;
}

static void move(Lexer *l, size_t to) {
  for (; l->at < to; l->at++) l->line += l->text[l->at] == '\n';
}

/* The bytes of white space at a place, or 0. */
static size_t blank_at(const Lexer *l, size_t at) {
  uint32_t c;
  size_t size = at < l->n ? utf8_read(l->text + at, l->n - at, &c) : 0;
  return size && character_is_space(c) ? size : 0;
}

static size_t skip_blanks(const Lexer *l, size_t at) {
  for (size_t size; (size = blank_at(l, at)) > 0;) at += size;
  return at;
}

/* Where the white space that ends at `end` begins. */
static size_t before_blanks(const Lexer *l, size_t from, size_t end) {
  while (end > from) {
    size_t start = end - 1;
    while (start > from && ((uint8_t)l->text[start] & 0xc0) == 0x80) start--;
    if (blank_at(l, start) != end - start) break;
    end = start;
  }
  return end;
}

/* ---- text between tags ---- */

/* Text up to a tag, of which blanks on the tag's line, or all white space, go. */
static size_t end_of_text(const Lexer *l, size_t from, size_t tag, char sign, bool variable) {
  if (sign == '-') return before_blanks(l, from, tag);
  if (sign == '+' || variable) return tag;
  size_t line = tag;
  while (line > from && l->text[line - 1] != '\n') line--;
  if (line == from && !l->line_starts) return tag;
  return before_blanks(l, line, tag) == line ? line : tag;
}

static void add_text(Lexer *l, size_t end) {
  if (end > l->at) add(l, TOKEN_DATA, l->text + l->at, end - l->at);
}

/* Behind `%}` or `#}`; what white space goes with it. */
static size_t behind_end(const Lexer *l, size_t at, const char *end, char sign) {
  at += strlen(end);
  if (sign == '-') return skip_blanks(l, at);
  return sign == '+' ? at : at + (at < l->n && l->text[at] == '\n');
}

static void go_on(Lexer *l, size_t to) {
  move(l, to);
  l->line_starts = to > 0 && l->text[to - 1] == '\n';
}

static bool read_comment(Lexer *l, size_t at) {
  for (; at < l->n; at++) {
    bool sign = l->text[at] == '-' || l->text[at] == '+';
    if (!looking_at(l, at + sign, "#}")) continue;
    go_on(l, behind_end(l, at + sign, "#}", sign ? l->text[at] : 0));
    return true;
  }
  return fail(l, "the comment has no end");
}

/* Behind `{% endraw %}`, if one begins here, and where the text before it ends; or 0. */
static size_t raw_end(const Lexer *l, size_t from, size_t tag, size_t *text_end) {
  size_t at = tag + 2;
  char sign = at < l->n && (l->text[at] == '-' || l->text[at] == '+') ? l->text[at] : 0;
  at = skip_blanks(l, at + (sign != 0));
  if (!looking_at(l, at, "endraw")) return 0;
  at = skip_blanks(l, at + 6);
  char last = at < l->n && (l->text[at] == '-' || l->text[at] == '+') ? l->text[at] : 0;
  if (!looking_at(l, at + (last != 0), "%}")) return 0;
  *text_end = end_of_text(l, from, tag, sign, false);
  return behind_end(l, at + (last != 0), "%}", last);
}

static bool read_raw(Lexer *l) {
  for (size_t at = l->at; at < l->n; at++) {
    size_t text_end, end = looking_at(l, at, "{%") ? raw_end(l, l->at, at, &text_end) : 0;
    if (!end) continue;
    add_text(l, text_end);
    return go_on(l, end), true;
  }
  return fail(l, "the raw block has no end");
}

/* Behind `{% raw %}`, if it stands here; or 0. Its own end drops white space only by a minus sign. */
static size_t raw_begin(const Lexer *l, size_t tag) {
  size_t at = tag + 2;
  if (!looking_at(l, tag, "{%")) return 0;
  at = skip_blanks(l, at + (at < l->n && (l->text[at] == '-' || l->text[at] == '+')));
  if (!looking_at(l, at, "raw")) return 0;
  at = skip_blanks(l, at + 3);
  if (looking_at(l, at, "-%}")) return skip_blanks(l, at + 3);
  return looking_at(l, at, "%}") ? at + 2 : 0;
}

/* ---- between braces ---- */

static bool is_word(uint8_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c >= 0x80; }
static bool is_digit(const Lexer *l, size_t at) { return at < l->n && l->text[at] >= '0' && l->text[at] <= '9'; }

static bool read_name(Lexer *l) {
  size_t end = l->at;
  while (end < l->n && is_word((uint8_t)l->text[end])) end++;
  add(l, TOKEN_NAME, arena_string(l->arena, l->text + l->at, end - l->at), end - l->at);
  return move(l, end), true;
}

/* Digits with single underscores between them. */
static size_t digits(const Lexer *l, size_t at) {
  while (is_digit(l, at) || (at < l->n && l->text[at] == '_' && is_digit(l, at + 1))) at++;
  return at;
}

/* Behind a number with a fraction or an exponent; or 0. */
static size_t float_end(const Lexer *l) {
  size_t at = digits(l, l->at), point = at;
  if (l->at > 0 && l->text[l->at - 1] == '.') return 0;
  if (at < l->n && l->text[at] == '.' && is_digit(l, at + 1)) point = digits(l, at + 1);
  size_t e = point;
  if (e < l->n && (l->text[e] == 'e' || l->text[e] == 'E')) {
    e += e + 1 < l->n && (l->text[e + 1] == '-' || l->text[e + 1] == '+') ? 2 : 1;
    if (is_digit(l, e)) return digits(l, e);
  }
  return point > at ? point : 0;
}

static int digit_of(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'z' ? c - 'a' + 10 : c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99; }

static bool in_base(const Lexer *l, size_t at, int base) { return at < l->n && digit_of(l->text[at]) < base; }

static bool read_int(Lexer *l) {
  size_t at = l->at;
  int base = 10;
  char mark = l->text[at] == '0' && at + 1 < l->n ? (char)(l->text[at + 1] | 32) : 0;
  int64_t v = 0;
  if (mark == 'x' || mark == 'o' || mark == 'b') {
    int wanted = mark == 'x' ? 16 : mark == 'o' ? 8 : 2;
    size_t first = at + 2 + (at + 2 < l->n && l->text[at + 2] == '_');
    if (in_base(l, first, wanted)) base = wanted, at = first;
  }
  bool zeros = base == 10 && l->text[at] == '0';
  for (; in_base(l, at, base) || (at < l->n && l->text[at] == '_' && in_base(l, at + 1, base)); at++) {
    if (l->text[at] == '_') continue;
    if (zeros && l->text[at] != '0') break;
    if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit_of(l->text[at]), &v))
      return fail(l, "a whole number of more than 64 bits");
  }
  add(l, TOKEN_INT, "number", 0)->i = v;
  return move(l, at), true;
}

static bool read_number(Lexer *l) {
  size_t end = float_end(l), n = 0;
  if (!end) return read_int(l);
  char *s = arena_string(l->arena, l->text + l->at, end - l->at);
  for (size_t i = l->at; i < end; i++)
    if (l->text[i] != '_') s[n++] = l->text[i];
  decimal_read(s, n, &add(l, TOKEN_FLOAT, "number", 0)->f);
  return move(l, end), true;
}

/* ---- texts ---- */

static bool read_code(Lexer *l, const char *s, size_t n, size_t *i, int digits_wanted, char *out, size_t *k) {
  uint32_t c = 0;
  for (int d = 0; d < digits_wanted; d++, ++*i) {
    if (*i >= n || digit_of(s[*i]) > 15) return fail(l, "an escape in a text wants more hexadecimal digits");
    c = c * 16 + (uint32_t)digit_of(s[*i]);
  }
  if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return fail(l, "an escape in a text names no character");
  *k += utf8_write(c, out + *k);
  return true;
}

static void read_octal(const char *s, size_t n, size_t *i, char *out, size_t *k) {
  uint32_t c = 0;
  for (int d = 0; d < 3 && *i < n && s[*i] >= '0' && s[*i] <= '7'; d++, ++*i) c = c * 8 + (uint32_t)(s[*i] - '0');
  *k += utf8_write(c, out + *k);
}

/* Escapes are those of Python's texts; one that is none stays as it is. */
static bool unescape(Lexer *l, const char *s, size_t n, char *out, size_t *k) {
  static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
  for (size_t i = 0; i < n;) {
    if (s[i] != '\\' || i + 1 >= n) {
      out[(*k)++] = s[i++];
      continue;
    }
    char e = s[i + 1];
    const char *found = e ? strchr(from, e) : NULL;
    i += 2;
    if (e == '\n') continue;
    if (found) out[(*k)++] = to[found - from];
    else if (e == 'N') return fail(l, "characters by their names are not supported: write \\u and their number");
    else if (e == 'x' || e == 'u' || e == 'U') {
      if (!read_code(l, s, n, &i, e == 'x' ? 2 : e == 'u' ? 4 : 8, out, k)) return false;
    } else if (e >= '0' && e <= '7') i--, read_octal(s, n, &i, out, k);
    else out[(*k)++] = '\\', out[(*k)++] = e;
  }
  return true;
}

static bool read_text(Lexer *l) {
  size_t end = l->at + 1, n = 0;
  while (end < l->n && l->text[end] != l->text[l->at]) end += l->text[end] == '\\' ? 2 : 1;
  if (end >= l->n) return fail(l, "the text has no end");
  char *out = arena_alloc(l->arena, end - l->at + 1);
  if (!unescape(l, l->text + l->at + 1, end - l->at - 1, out, &n)) return false;
  add(l, TOKEN_TEXT, out, n);
  return move(l, end + 1), true;
}

/* ---- signs ---- */

static bool balance(Lexer *l, char sign) {
  static const char open[] = "{([", close[] = "})]";
  const char *o = strchr(open, sign);
  if (o) return l->n_open < TEMPLATE_DEPTH ? (l->open[l->n_open++] = close[o - open], true) : fail(l, "more than 200 brackets within one another");
  if (!strchr(close, sign)) return true;
  return (l->n_open && l->open[--l->n_open] == sign) || fail(l, arena_printf(l->arena, "`%c` closes nothing that is open", sign));
}

static bool read_sign(Lexer *l) {
  static const char *const signs[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")",
                                      "{",  "}",  ">",  "<",  "=",  ".",  ":", "|", ",", ";"};
  for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
    if (!looking_at(l, l->at, signs[i])) continue;
    if (!signs[i][1] && !balance(l, signs[i][0])) return false;
    add(l, TOKEN_SIGN, signs[i], strlen(signs[i]));
    return move(l, l->at + strlen(signs[i])), true;
  }
  uint32_t c = 0xfffd;
  size_t size = utf8_read(l->text + l->at, l->n - l->at, &c);
  return fail(l, arena_printf(l->arena, "`%.*s` is nothing that can stand here", (int)size, l->text + l->at));
}

static bool read_token(Lexer *l) {
  size_t blank = blank_at(l, l->at);
  char c = l->text[l->at];
  if (blank) return move(l, skip_blanks(l, l->at)), true;
  if (is_digit(l, l->at)) return read_number(l);
  if (is_word((uint8_t)c)) return read_name(l);
  if (c == '"' || c == '\'') return read_text(l);
  return read_sign(l);
}

/* Does what is between braces end here? Behind its end, or 0. */
static size_t tag_end(const Lexer *l, bool variable) {
  const char *end = variable ? "}}" : "%}";
  char sign = l->text[l->at] == '-' || (!variable && l->text[l->at] == '+') ? l->text[l->at] : 0;
  if (l->n_open || !looking_at(l, l->at + (sign != 0), end)) return 0;
  if (!variable) return behind_end(l, l->at + (sign != 0), end, sign);
  return sign == '-' ? skip_blanks(l, l->at + 3) : l->at + 2;
}

static bool read_tag(Lexer *l, bool variable) {
  add(l, variable ? TOKEN_VARIABLE_BEGIN : TOKEN_BLOCK_BEGIN, "", 0);
  l->n_open = 0;
  while (l->at < l->n) {
    size_t end = tag_end(l, variable);
    if (end) return add(l, variable ? TOKEN_VARIABLE_END : TOKEN_BLOCK_END, "", 0), go_on(l, end), true;
    if (!read_token(l)) return false;
  }
  return fail(l, variable ? "`{{` has no `}}`" : "`{%` has no `%}`");
}

/* One tag with the text before it; the rest of the text where there is none. */
static bool read_part(Lexer *l) {
  size_t tag = l->at;
  while (tag < l->n && !(l->text[tag] == '{' && tag + 1 < l->n && strchr("%{#", l->text[tag + 1]))) tag++;
  if (tag >= l->n) return add_text(l, l->n), move(l, l->n), true;
  char kind = l->text[tag + 1], sign = tag + 2 < l->n && strchr("-+", l->text[tag + 2]) ? l->text[tag + 2] : 0;
  size_t raw = raw_begin(l, tag);
  add_text(l, end_of_text(l, l->at, tag, sign, kind == '{'));
  move(l, tag);
  if (raw) return go_on(l, raw), read_raw(l);
  move(l, tag + 2 + (sign != 0));
  if (kind == '#') return read_comment(l, l->at);
  return read_tag(l, kind == '{');
}

/* Line breaks of all kinds become one, and the last one goes. */
static size_t plain_lines(const char *text, size_t n, char *out) {
  size_t k = 0;
  for (size_t i = 0; i < n; i++) {
    if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n') continue;
    out[k++] = text[i] == '\r' ? '\n' : text[i];
  }
  return k && out[k - 1] == '\n' ? k - 1 : k;
}

static bool check_utf8(Lexer *l) {
  uint32_t c;
  for (size_t i = 0, size; i < l->n; i += size) {
    size = utf8_read(l->text + i, l->n - i, &c);
    if (!size || !c) return move(l, i), fail(l, size ? "a zero byte is in the template" : "the template is no UTF-8");
  }
  return true;
}

enum { MAX_SOURCE = 1 << 20 };

bool template_lex(Arena *a, Diag *d, const char *file, const char *text, size_t n, TokenVec *out) {
  Lexer l = {.arena = a, .diag = d, .file = file, .line = 1, .line_starts = true, .out = out};
  if (n > MAX_SOURCE) return diag_error(d, (Loc){.file = file}, "the template has %zu bytes, and may have %d", n, MAX_SOURCE);
  char *copy = arena_alloc(a, n + 1);
  l.text = copy;
  l.n = plain_lines(text, n, copy);
  if (!check_utf8(&l)) return false;
  while (l.at < l.n)
    if (!read_part(&l)) return false;
  add(&l, TOKEN_END, "", 0);
  return true;
}
