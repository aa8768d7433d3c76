/* text_parse_type.c -- reads names, sizes and types of the text form. */
#include <stdarg.h>
#include <stdlib.h>

#include "ir/text_number.h"
#include "ir/text_parser.h"

/* ---- tokens and errors ---- */

void parse_stop(Parser *p) {
  p->stopped = true;
  p->tok = (Token){.kind = TK_END, .line = p->tok.line, .first = true};
}

bool parse_fail(Parser *p, int line, const char *fmt, ...) {
  if (p->stopped) return false;
  char text[1000];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  diag_error(p->diag, (Loc){.file = p->file, .line = line}, "%s", text);
  if (++p->errors >= MAX_ERRORS) parse_stop(p);
  return false;
}

void parse_advance(Parser *p) {
  if (p->stopped) return;
  p->tok = lex_next(&p->lex);
  if (arena_bytes(p->arena) + arena_bytes(p->scratch) <= p->memory) return;
  parse_fail(p, p->tok.line, "this takes more than %zu bytes of memory, which is out of proportion to its text",
             p->memory);
  parse_stop(p);
}

const char *parse_shown(Parser *p) { return token_text(p->scratch, p->tok); }

bool parse_unexpected(Parser *p, const char *what) {
  return parse_fail(p, p->tok.line, "expected %s, found %s", what, parse_shown(p));
}

bool parse_accept(Parser *p, int kind) {
  if (p->tok.kind != kind) return false;
  parse_advance(p);
  return true;
}

bool parse_accept_word(Parser *p, const char *word) {
  if (!token_is(p->tok, word)) return false;
  parse_advance(p);
  return true;
}

bool parse_expect(Parser *p, int kind, const char *what) { return parse_accept(p, kind) || parse_unexpected(p, what); }

bool parse_decode(Parser *p, Token t, const char **out) {
  if (token_decode(p->scratch, t, out)) return true;
  return parse_fail(p, t.line, "%s has an escape that is none of \\\" \\\\ \\n \\t \\xHH, or a zero byte",
                    token_text(p->scratch, t));
}

bool parse_module_name(Parser *p, const char **out) {
  Token t = p->tok;
  return parse_expect(p, TK_NAME, "a name of the module (@name)") && parse_decode(p, t, out);
}

bool parse_word_or_string(Parser *p, const char *what, const char **out) {
  Token t = p->tok;
  if (t.kind != TK_WORD && t.kind != TK_STRING) return parse_unexpected(p, what);
  parse_advance(p);
  return parse_decode(p, t, out);
}

bool parse_bad_number(Parser *p, Token t, bool negative, const char *wrong, Dtype type) {
  int n = t.n < 40 ? (int)t.n : 40;
  return parse_fail(p, t.line, "`%s%.*s` %s %s", negative ? "-" : "", n, t.at, wrong, dtype_name(type));
}

bool parse_integer(Parser *p, const char *what, int64_t *out) {
  bool negative = parse_accept(p, '-');
  Token t = p->tok;
  uint64_t bits;
  if (!parse_expect(p, TK_NUMBER, what)) return false;
  const char *wrong = number_read(DT_i64, negative, t.at, t.n, &bits);
  if (wrong) return parse_bad_number(p, t, negative, wrong, DT_i64);
  *out = (int64_t)bits;
  return true;
}

/* ---- the names that a function defines ---- */

static const char *key(Parser *p, char kind, const char *name) { return arena_printf(p->scratch, "%c%s", kind, name); }

Entry *names_find(Parser *p, char kind, const char *name) { return strmap_get(&p->names, key(p, kind, name)); }

bool names_add(Parser *p, char kind, const char *name, int line, void *what) {
  Entry *e = names_find(p, kind, name);
  if (e && e->missing) {
    *e = (Entry){.line = line, .what = what};
    return true;
  }
  if (e) return parse_fail(p, line, "`%s%s` is already defined in line %d", kind == '<' ? "" : "%", name, e->line);
  e = ARENA_NEW(p->scratch, Entry);
  *e = (Entry){.line = line, .what = what};
  strmap_add(p->scratch, &p->names, key(p, kind, name), e);
  if (kind != '<') vec_push(p->scratch, &p->visible, e);
  return true;
}

/* ---- sizes ---- */

typedef Dim (*DimFn)(DimPool *, Dim, Dim);

static const struct {
  const char *name;
  DimFn fn;
} dim_functions[] = {{"floordiv", dim_floordiv}, {"mod", dim_mod}, {"min", dim_min}, {"max", dim_max}};

static bool combine(Parser *p, int line, DimFn fn, Dim a, Dim b, Dim *out) {
  *out = fn(p->m->dims, a, b);
  return !dim_is_unknown(*out) || parse_fail(p, line, "this size overflows, divides by zero or is too complicated");
}

static bool parse_dim_call(Parser *p, DimFn fn, Dim *out) {
  Dim a, b;
  int line = p->tok.line;
  parse_advance(p);
  return parse_expect(p, '(', "'(' of the function") && parse_dim(p, &a) && parse_expect(p, ',', "','") &&
         parse_dim(p, &b) && parse_expect(p, ')', "')'") && combine(p, line, fn, a, b, out);
}

static bool parse_symbol(Parser *p, Dim *out) {
  const char *name;
  int line = p->tok.line;
  for (size_t i = 0; i < sizeof dim_functions / sizeof *dim_functions; i++)
    if (token_is(p->tok, dim_functions[i].name)) return parse_dim_call(p, dim_functions[i].fn, out);
  if (!parse_word_or_string(p, "a size", &name)) return false;
  const Entry *e = names_find(p, '<', name);
  if (!e) return parse_fail(p, line, "the size `%s` is not declared behind the function's name", name);
  *out = dim_symbol(p->m->dims, e->what);
  return true;
}

/* A number takes its sign along, since the least one has no positive counterpart. */
static bool parse_dim_number(Parser *p, bool negative, Dim *out) {
  Token t = p->tok;
  uint64_t bits;
  parse_advance(p);
  const char *wrong = number_read(DT_i64, negative, t.at, t.n, &bits);
  if (wrong) return parse_bad_number(p, t, negative, wrong, DT_i64);
  *out = dim_const(p->m->dims, (int64_t)bits);
  return true;
}

static bool parse_dim_atom(Parser *p, Dim *out) {
  if (p->tok.kind == TK_NUMBER) return parse_dim_number(p, false, out);
  if (!parse_accept(p, '(')) return parse_symbol(p, out);
  return parse_dim(p, out) && parse_expect(p, ')', "')'");
}

static bool parse_dim_product(Parser *p, bool negative, Dim *out) {
  Dim factor;
  int line = p->tok.line;
  bool number = p->tok.kind == TK_NUMBER;
  if (!(number ? parse_dim_number(p, negative, out) : parse_dim_atom(p, out))) return false;
  while (parse_accept(p, '*'))
    if (!parse_dim_atom(p, &factor) || !combine(p, line, dim_mul, *out, factor, out)) return false;
  return number || !negative || combine(p, line, dim_sub, dim_const(p->m->dims, 0), *out, out);
}

static bool parse_dim_sum(Parser *p, Dim *out) {
  if (!parse_dim_product(p, parse_accept(p, '-'), out)) return false;
  while (p->tok.kind == '+' || p->tok.kind == '-') {
    Dim next;
    int line = p->tok.line;
    bool negative = parse_accept(p, '-');
    if (!negative) parse_advance(p);
    if (!parse_dim_product(p, negative, &next) || !combine(p, line, dim_add, *out, next, out)) return false;
  }
  return true;
}

bool parse_dim(Parser *p, Dim *out) {
  if (p->depth >= MAX_DEPTH) return parse_fail(p, p->tok.line, "this is nested more than %d deep", MAX_DEPTH);
  p->depth++;
  bool ok = parse_dim_sum(p, out);
  p->depth--;
  return ok;
}

static bool parse_dims(Parser *p, int *rank, Dim dim[MAX_RANK]) {
  *rank = 0;
  if (!parse_expect(p, '[', "'[' and the sizes")) return false;
  if (parse_accept(p, ']')) return true;
  do {
    int line = p->tok.line;
    if (*rank == MAX_RANK) return parse_fail(p, line, "a type has more than %d sizes", MAX_RANK);
    if (!parse_dim(p, &dim[*rank])) return false;
    if (dim_is_const(dim[*rank]) && dim[*rank]->constant < 0)
      return parse_fail(p, line, "the size %lld is negative", (long long)dim[*rank]->constant);
    ++*rank;
  } while (parse_accept(p, ','));
  return parse_expect(p, ']', "',' or ']'");
}

/* ---- types ---- */

bool parse_dtype(Parser *p, Dtype *out) {
  *out = p->tok.kind == TK_WORD ? dtype_find(p->tok.at, p->tok.n) : DT_none;
  if (*out == DT_none) return parse_unexpected(p, "an element type");
  parse_advance(p);
  return true;
}

/* A dtype and a number with a letter between: f32x16, i4g32. */
static bool split_word(Token t, char letter, Dtype *dtype, int64_t *number) {
  for (size_t i = t.n; i-- > 1;) {
    uint64_t bits;
    if (t.at[i] >= '0' && t.at[i] <= '9') continue;
    if (t.at[i] != letter || i + 1 == t.n || t.at[i + 1] == '0') return false;
    *dtype = dtype_find(t.at, i);
    if (*dtype == DT_none || number_read(DT_i32, false, t.at + i + 1, t.n - i - 1, &bits)) return false;
    *number = (int64_t)bits;
    return true;
  }
  return false;
}

static bool parse_tensor(Parser *p, Dtype dtype, Type *out) {
  int rank;
  Dim dim[MAX_RANK];
  if (!parse_dims(p, &rank, dim)) return false;
  *out = type_tensor(p->m->types, dtype, rank, dim);
  return true;
}

static bool parse_encoded(Parser *p, Dtype code, int64_t group, Type *out) {
  Encoding e = {.code = code, .group = (int)group};
  int rank;
  Dim dim[MAX_RANK];
  if (!parse_expect(p, '<', "'<' and the scale's type") || !parse_dtype(p, &e.scale)) return false;
  if (parse_accept(p, ',') && !parse_dtype(p, &e.zero)) return false;
  if (!parse_expect(p, '>', "'>'") || !parse_dims(p, &rank, dim)) return false;
  *out = type_encoded(p->m->types, e, rank, dim);
  return true;
}

static bool parse_state_type(Parser *p, Type *out) {
  const char *name;
  int line = p->tok.line;
  if (!parse_expect(p, '<', "'<' and the state's name") || !parse_module_name(p, &name)) return false;
  State *s = module_find_state(p->m, name);
  if (!s) return parse_fail(p, line, "`@%s` is not a state declared before", name);
  *out = type_state(p->m->types, s);
  return parse_expect(p, '>', "'>'");
}

static bool parse_memory_type(Parser *p, bool shared, Type *out) {
  Dtype dtype;
  int64_t elements = 0;
  if (!parse_expect(p, '<', "'<' and the element type") || !parse_dtype(p, &dtype)) return false;
  if (shared && (!parse_expect(p, ',', "',' and the count of elements") || !parse_integer(p, "a count", &elements)))
    return false;
  *out = shared ? type_shared(p->m->types, dtype, elements) : type_buffer(p->m->types, dtype);
  return parse_expect(p, '>', "'>'");
}

bool parse_type(Parser *p, Type *out) {
  Dtype dtype;
  int64_t n;
  Token t = p->tok;
  if (parse_accept_word(p, "state")) return parse_state_type(p, out);
  if (parse_accept_word(p, "buf")) return parse_memory_type(p, false, out);
  if (parse_accept_word(p, "shared")) return parse_memory_type(p, true, out);
  if (t.kind != TK_WORD) return parse_unexpected(p, "a type");
  parse_advance(p);
  if ((dtype = dtype_find(t.at, t.n)) != DT_none) {
    if (p->tok.kind == '[') return parse_tensor(p, dtype, out);
    *out = type_scalar(p->m->types, dtype);
    return true;
  }
  if (split_word(t, 'g', &dtype, &n)) return parse_encoded(p, dtype, n, out);
  if (!split_word(t, 'x', &dtype, &n) || n < 2)
    return parse_fail(p, t.line, "expected a type, found %s", token_text(p->scratch, t));
  *out = type_vector(p->m->types, dtype, n);
  return true;
}
