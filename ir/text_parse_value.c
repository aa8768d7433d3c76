/* text_parse_value.c -- reads literals and attributes of the text form. */
#include <inttypes.h>
#include <math.h>

#include "ir/text_number.h"
#include "ir/text_parser.h"

/* ---- numbers ---- */

static bool parse_number(Parser *p, Dtype t, uint64_t *bits) {
  bool negative = parse_accept(p, '-');
  Token n = p->tok;
  if (n.kind != TK_NUMBER && n.kind != TK_WORD) return parse_unexpected(p, "a number");
  parse_advance(p);
  const char *wrong = number_read(t, negative, n.at, n.n, bits);
  return !wrong || parse_bad_number(p, n, negative, wrong, t);
}

/* The elements go to p->words. */
static bool parse_list(Parser *p, Dtype t) {
  uint64_t bits;
  p->words.n = 0;
  if (!parse_expect(p, '[', "'['")) return false;
  if (parse_accept(p, ']')) return true;
  do {
    if (!parse_number(p, t, &bits)) return false;
    vec_push(p->scratch, &p->words, bits);
  } while (parse_accept(p, ','));
  return parse_expect(p, ']', "',' or ']'");
}

/* ---- literals ---- */

/* The bytes of n elements, given in p->words. */
static void *pack_words(Parser *p, Dtype t, int64_t bytes) {
  void *at = arena_alloc(p->arena, (size_t)bytes);
  for (int i = 0; i < p->words.n; i++) dtype_set_bits(t, at, i, p->words.at[i]);
  return at;
}

static bool parse_elements(Parser *p, Constant *c) {
  int line = p->tok.line;
  int64_t bytes;
  bool one = p->tok.kind != '[';
  p->words.n = 0;
  if (one) {
    uint64_t bits;
    if (!parse_number(p, c->type->dtype, &bits)) return false;
    vec_push(p->scratch, &p->words, bits);
  } else if (!parse_list(p, c->type->dtype)) {
    return false;
  }
  Type t = c->type;
  if (one != (t->rank == 0))
    return parse_fail(p, line, "%s is not written as %s", type_text(p->scratch, t), one ? "one number" : "a list");
  if (t->encoded) return parse_fail(p, line, "numbers cannot say what %s holds", type_text(p->scratch, t));
  Dim n = type_elements(p->m->dims, t);
  if (!dim_is(n, p->words.n))
    return parse_fail(p, line, "%s does not have the %d elements of this list", type_text(p->scratch, t), p->words.n);
  if (!constant_size(c, &bytes)) return parse_fail(p, line, "%s is too large", type_text(p->scratch, t));
  c->kind = CONSTANT_BYTES;
  c->bytes = pack_words(p, c->type->dtype, bytes);
  return true;
}

static bool parse_splat(Parser *p, Constant *c) {
  if (c->type->encoded)
    return parse_fail(p, p->tok.line, "one number cannot say what %s holds", type_text(p->scratch, c->type));
  p->words.n = 0;
  uint64_t bits;
  if (!parse_number(p, c->type->dtype, &bits)) return false;
  vec_push(p->scratch, &p->words, bits);
  c->kind = CONSTANT_SPLAT;
  c->bytes = pack_words(p, c->type->dtype, sizeof(uint64_t));
  return true;
}

static int hex_digit(int c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_hex(Parser *p, Constant *c) {
  Token t = p->tok;
  int64_t bytes;
  if (!parse_expect(p, TK_STRING, "the bytes in quotes")) return false;
  if (!constant_size(c, &bytes) || t.n % 2 || (uint64_t)bytes != t.n / 2)
    return parse_fail(p, t.line, "%s does not have the size of these %zu bytes", type_text(p->scratch, c->type),
                      t.n / 2);
  unsigned char *at = arena_alloc(p->arena, (size_t)bytes);
  for (size_t i = 0; i < t.n; i += 2) {
    int hi = hex_digit(t.at[i]), lo = hex_digit(t.at[i + 1]);
    if (hi < 0 || lo < 0) return parse_fail(p, t.line, "'%.2s' are not two hexadecimal digits 0-9a-f", t.at + i);
    at[i / 2] = (unsigned char)(hi * 16 + lo);
  }
  c->kind = CONSTANT_BYTES;
  c->bytes = at;
  return true;
}

static bool parse_file(Parser *p, Constant *c) {
  const char *name;
  int line = p->tok.line;
  if (!parse_module_name(p, &name)) return false;
  c->kind = CONSTANT_FILE;
  c->file = module_find_file(p->m, name);
  if (!c->file) return parse_fail(p, line, "`@%s` is not a file declared before", name);
  return parse_integer(p, "the offset", &c->offset);
}

bool parse_literal(Parser *p, Constant *c) {
  if (c->type->kind == TYPE_STATE || c->type->kind == TYPE_BUFFER || c->type->kind == TYPE_SHARED)
    return parse_fail(p, p->tok.line, "%s cannot be a constant", type_text(p->scratch, c->type));
  if (parse_accept_word(p, "splat")) return parse_splat(p, c);
  if (parse_accept_word(p, "hex")) return parse_hex(p, c);
  if (parse_accept_word(p, "file")) return parse_file(p, c);
  return parse_elements(p, c);
}

bool parse_skip_literal(Parser *p) {
  if (parse_accept(p, TK_NAME)) return true;
  if (parse_accept_word(p, "file")) return parse_accept(p, TK_NAME), parse_accept(p, TK_NUMBER), true;
  if (parse_accept_word(p, "hex")) return parse_expect(p, TK_STRING, "the bytes in quotes");
  parse_accept_word(p, "splat");
  if (!parse_accept(p, '[')) {
    parse_accept(p, '-');
    if (parse_accept(p, TK_NUMBER) || parse_accept(p, TK_WORD)) return true;
    return parse_unexpected(p, "a constant");
  }
  while (parse_accept(p, TK_NUMBER) || parse_accept(p, TK_WORD) || parse_accept(p, ',') || parse_accept(p, '-')) {}
  return parse_expect(p, ']', "',' or ']'");
}

/* ---- attributes ---- */

static bool parse_ints(Parser *p, Attr *out) {
  if (!parse_list(p, DT_i64)) return false;
  int64_t *at = ARENA_ARRAY(p->arena, int64_t, p->words.n);
  if (p->words.n) memcpy(at, p->words.at, (size_t)p->words.n * sizeof *at);
  out->ints.n = p->words.n;
  out->ints.at = at;
  return true;
}

static bool parse_floats(Parser *p, Attr *out) {
  if (!parse_list(p, DT_f64)) return false;
  double *at = ARENA_ARRAY(p->arena, double, p->words.n);
  if (p->words.n) memcpy(at, p->words.at, (size_t)p->words.n * sizeof *at);
  out->floats.n = p->words.n;
  out->floats.at = at;
  return true;
}

static bool parse_sizes(Parser *p, Attr *out) {
  Dim d;
  p->dims.n = 0;
  if (!parse_expect(p, '[', "'['")) return false;
  if (p->tok.kind != ']') {
    do {
      if (!parse_dim(p, &d)) return false;
      vec_push(p->scratch, &p->dims, d);
    } while (parse_accept(p, ','));
  }
  Dim *at = ARENA_ARRAY(p->arena, Dim, p->dims.n);
  if (p->dims.n) memcpy(at, p->dims.at, (size_t)p->dims.n * sizeof *at);
  out->dims.n = p->dims.n;
  out->dims.at = at;
  return parse_expect(p, ']', "',' or ']'");
}

static bool parse_bool(Parser *p, Attr *out) {
  out->i = parse_accept_word(p, "true");
  return out->i || parse_accept_word(p, "false") || parse_unexpected(p, "true or false");
}

static bool parse_word(Parser *p, Attr *out) {
  const char *s;
  if (!parse_word_or_string(p, "a word", &s)) return false;
  out->s = arena_string(p->arena, s, strlen(s));
  return true;
}

static bool parse_state(Parser *p, Attr *out) {
  const char *name;
  int line = p->tok.line;
  if (!parse_module_name(p, &name)) return false;
  out->state = module_find_state(p->m, name);
  return out->state || parse_fail(p, line, "`@%s` is not a state declared before", name);
}

bool parse_attr(Parser *p, const OpInfo *info, int slot, Attr *out) {
  uint64_t bits;
  Dtype dtype;
  switch (info->attr[slot].kind) {
  case AK_INT: return parse_integer(p, "an integer", &out->i);
  case AK_BOOL: return parse_bool(p, out);
  case AK_STR: return parse_word(p, out);
  case AK_INTS: return parse_ints(p, out);
  case AK_FLOATS: return parse_floats(p, out);
  case AK_DIMS: return parse_sizes(p, out);
  case AK_STATE: return parse_state(p, out);
  case AK_DTYPE:
    if (!parse_dtype(p, &dtype)) return false;
    out->i = (int64_t)dtype;
    return true;
  case AK_FLOAT:
    if (!parse_number(p, DT_f64, &bits)) return false;
    memcpy(&out->f, &bits, sizeof bits);
    return true;
  case AK_CONST:
  case AK_FUNC: break; /* these stand in front of the operands */
  }
  return parse_unexpected(p, "an attribute");
}
