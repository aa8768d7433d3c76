/* template_parse.c -- reads the statements and expressions of a chat template, by Jinja's grammar. */
#include "frontend/template_syntax.h"

typedef struct Parser {
  Arena *arena;
  Diag *diag;
  const char *file;
  const Token *now;
  int depth, loops; /* loops that a break here could end */
} Parser;

static Ast *expression(Parser *p);
static Ast *or_expression(Parser *p);
static Ast *unary(Parser *p, bool with_filter);
static Ast *primary(Parser *p, bool namespaces);

/* ---- tokens ---- */

static Ast *fail_at(Parser *p, int line, const char *fmt, const char *what) {
  diag_error(p->diag, (Loc){.file = p->file, .line = line}, "%s", arena_printf(p->arena, fmt, what));
  return NULL;
}

static const char *describe(const Parser *p, const Token *t) {
  static const char *const names[] = {[TOKEN_END] = "the end of the template", [TOKEN_DATA] = "text", [TOKEN_BLOCK_BEGIN] = "`{%`",
                                      [TOKEN_BLOCK_END] = "`%}`", [TOKEN_VARIABLE_BEGIN] = "`{{`", [TOKEN_VARIABLE_END] = "`}}`",
                                      [TOKEN_TEXT] = "a text", [TOKEN_INT] = "a number", [TOKEN_FLOAT] = "a number"};
  return t->kind == TOKEN_NAME || t->kind == TOKEN_SIGN ? arena_printf(p->arena, "`%s`", t->text) : names[t->kind];
}

static Ast *expected(Parser *p, const char *what) {
  return fail_at(p, p->now->line, arena_printf(p->arena, "%s is expected, and not %%s", what), describe(p, p->now));
}

static void next(Parser *p) {
  if (p->now->kind != TOKEN_END) p->now++;
}

static bool is_text(const Token *t, TokenKind kind, const char *text) { return t->kind == kind && strcmp(t->text, text) == 0; }
static bool is_sign(const Parser *p, const char *sign) { return is_text(p->now, TOKEN_SIGN, sign); }
static bool is_name(const Parser *p, const char *name) { return is_text(p->now, TOKEN_NAME, name); }
static bool skip_sign(Parser *p, const char *sign) { return is_sign(p, sign) && (next(p), true); }
static bool skip_name(Parser *p, const char *name) { return is_name(p, name) && (next(p), true); }

static bool want_sign(Parser *p, const char *sign) {
  return skip_sign(p, sign) || expected(p, arena_printf(p->arena, "`%s`", sign));
}

static bool want_kind(Parser *p, TokenKind kind) {
  static const char *const names[] = {[TOKEN_BLOCK_END] = "`%%}`", [TOKEN_VARIABLE_END] = "`}}`"};
  if (p->now->kind == kind) return next(p), true;
  return expected(p, names[kind]);
}

static Ast *new(Parser *p, AstKind kind, int line) {
  Ast *a = ARENA_NEW(p->arena, Ast);
  a->kind = kind;
  a->line = line;
  return a;
}

static Ast *plain(Parser *p, TemplateNode node, int line, Ast *x, Ast *y) {
  Ast *a = new(p, AST_PLAIN, line);
  a->node = node;
  a->kid[0] = x, a->kid[1] = y;
  return a;
}

static bool enter(Parser *p) {
  if (++p->depth <= TEMPLATE_DEPTH) return true;
  return fail_at(p, p->now->line, "more than %s expressions or blocks within one another", "200");
}

/* ---- literals and names ---- */

static Ast *literal(Parser *p, TemplateNode node, const Token *t) {
  Ast *a = new(p, AST_VALUE, t->line);
  a->node = node;
  a->text = t->text, a->n = t->n, a->i = t->i, a->f = t->f;
  return a;
}

static Ast *named(Parser *p, AstKind kind, const Token *t) {
  Ast *a = new(p, kind, t->line);
  a->text = t->text, a->n = t->n;
  return a;
}

static Ast *word(Parser *p, bool namespaces) {
  static const struct {
    const char *word;
    TemplateNode node;
  } words[] = {{"true", NODE_true}, {"True", NODE_true}, {"false", NODE_false}, {"False", NODE_false}, {"none", NODE_none}, {"None", NODE_none}};
  const Token *t = p->now;
  next(p);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(words[i].word, t->text) == 0) return literal(p, words[i].node, t);
  if (!namespaces || !skip_sign(p, ".")) return named(p, AST_NAME, t);
  if (p->now->kind != TOKEN_NAME) return expected(p, "a name");
  Ast *a = named(p, AST_NS, t), *attribute = named(p, AST_NAME, p->now);
  a->kid[0] = attribute;
  return next(p), a;
}

/* Texts that follow one another are one. */
static Ast *text(Parser *p) {
  Ast *a = literal(p, NODE_text, p->now);
  for (next(p); p->now->kind == TOKEN_TEXT; next(p)) {
    char *both = arena_alloc(p->arena, (size_t)(a->n + p->now->n) + 1);
    memcpy(both, a->text, (size_t)a->n);
    memcpy(both + a->n, p->now->text, (size_t)p->now->n);
    a->text = both;
    a->n += p->now->n;
  }
  return a;
}

static Ast *many(Parser *p, TemplateNode node, int line) {
  Ast *a = new(p, AST_MANY, line);
  a->node = node;
  return a;
}

static Ast *list(Parser *p) {
  Ast *a = many(p, NODE_list, p->now->line), *e;
  next(p);
  while (!is_sign(p, "]")) {
    if (a->list.n && (!want_sign(p, ",") || is_sign(p, "]"))) break;
    if (!(e = expression(p))) return NULL;
    vec_push(p->arena, &a->list, e);
  }
  return want_sign(p, "]") ? a : NULL;
}

static Ast *dict(Parser *p) {
  Ast *a = many(p, NODE_dict, p->now->line), *key, *value;
  next(p);
  while (!is_sign(p, "}")) {
    if (a->list.n && (!want_sign(p, ",") || is_sign(p, "}"))) break;
    if (!(key = expression(p)) || !want_sign(p, ":") || !(value = expression(p))) return NULL;
    vec_push(p->arena, &a->list, key);
    vec_push(p->arena, &a->list, value);
  }
  return want_sign(p, "}") ? a : NULL;
}

/* ---- tuples ---- */

enum { TUPLE_SIMPLE = 1, TUPLE_NO_COND = 2, TUPLE_PARENTHESES = 4, TUPLE_NAMESPACES = 8 };

static bool tuple_ends(const Parser *p, const char *end) {
  return p->now->kind == TOKEN_VARIABLE_END || p->now->kind == TOKEN_BLOCK_END || is_sign(p, ")") || (end && is_name(p, end));
}

/* Expressions with commas between; one alone is no tuple. `end`: a name that ends it. */
static Ast *tuple(Parser *p, unsigned how, const char *end) {
  Ast *all = many(p, NODE_tuple, p->now->line), *e;
  bool is_tuple = false;
  for (;;) {
    if (all->list.n && !want_sign(p, ",")) return NULL;
    if (tuple_ends(p, end)) break;
    e = how & TUPLE_SIMPLE ? primary(p, how & TUPLE_NAMESPACES) : how & TUPLE_NO_COND ? or_expression(p) : expression(p);
    if (!e) return NULL;
    vec_push(p->arena, &all->list, e);
    if (!is_sign(p, ",")) break;
    is_tuple = true;
  }
  if (is_tuple || (!all->list.n && how & TUPLE_PARENTHESES)) return all;
  return all->list.n ? all->list.at[0] : expected(p, "an expression");
}

static Ast *parentheses(Parser *p) {
  next(p);
  Ast *a = tuple(p, TUPLE_PARENTHESES, NULL);
  return a && want_sign(p, ")") ? a : NULL;
}

static Ast *primary(Parser *p, bool namespaces) {
  const Token *t = p->now;
  if (t->kind == TOKEN_NAME) return word(p, namespaces);
  if (t->kind == TOKEN_TEXT) return text(p);
  if (t->kind == TOKEN_INT || t->kind == TOKEN_FLOAT) return next(p), literal(p, t->kind == TOKEN_INT ? NODE_int : NODE_float, t);
  if (is_sign(p, "[") || is_sign(p, "{") || is_sign(p, "(")) {
    if (!enter(p)) return NULL;
    Ast *a = is_sign(p, "[") ? list(p) : is_sign(p, "{") ? dict(p) : parentheses(p);
    return p->depth--, a;
  }
  return expected(p, "an expression");
}

/* ---- calls, attributes, items ---- */

static bool dynamic(Parser *p, Ast *call, int which) {
  next(p);
  if (call->dynamic[1] || call->dynamic[which]) return fail_at(p, p->now->line, "%s in a call may stand once, at its end", which ? "**" : "*");
  return (call->dynamic[which] = expression(p)) != NULL;
}

static bool keyword(Parser *p, Ast *call) {
  Ast *a = named(p, AST_PLAIN, p->now);
  if (call->dynamic[1]) return fail_at(p, p->now->line, "an argument follows %s", "**");
  for (int i = 0; i < call->named.n; i++)
    if (strcmp(call->named.at[i]->text, a->text) == 0) return fail_at(p, p->now->line, "the argument `%s` is given twice", a->text);
  next(p);
  next(p);
  if (!(a->kid[0] = expression(p))) return false;
  vec_push(p->arena, &call->named, a);
  return true;
}

static bool positional(Parser *p, Ast *call) {
  if (call->dynamic[0] || call->dynamic[1] || call->named.n) return fail_at(p, p->now->line, "an argument without a name follows %s", "one with a name");
  Ast *e = expression(p);
  if (!e) return false;
  vec_push(p->arena, &call->args, e);
  return true;
}

static bool one_argument(Parser *p, Ast *call) {
  if (is_sign(p, "*")) return dynamic(p, call, 0);
  if (is_sign(p, "**")) return dynamic(p, call, 1);
  if (p->now->kind == TOKEN_NAME && is_text(p->now + 1, TOKEN_SIGN, "=")) return keyword(p, call);
  return positional(p, call);
}

static bool arguments(Parser *p, Ast *call) {
  bool good = enter(p);
  next(p);
  for (bool first = true; good && !is_sign(p, ")"); first = false) {
    if (!first && (!(good = want_sign(p, ",")) || is_sign(p, ")"))) break;
    good = one_argument(p, call);
  }
  p->depth--;
  return good && want_sign(p, ")");
}

static Ast *call(Parser *p, Ast *callee) {
  Ast *a = new(p, AST_CALL, p->now->line);
  a->kid[0] = callee;
  return arguments(p, a) ? a : NULL;
}

static bool ends_subscript(const Parser *p) { return is_sign(p, "]") || is_sign(p, ","); }

static Ast *subscribed(Parser *p, bool *is_slice) {
  Ast *a = plain(p, NODE_slice, p->now->line, NULL, NULL), *from = NULL;
  if (!is_sign(p, ":") && !(from = expression(p))) return NULL;
  if (!skip_sign(p, ":")) return from;
  *is_slice = true;
  a->kid[1] = from;
  if (!is_sign(p, ":") && !ends_subscript(p) && !(a->kid[2] = expression(p))) return NULL;
  if (skip_sign(p, ":") && !ends_subscript(p) && !(a->kid[3] = expression(p))) return NULL;
  return a;
}

static Ast *subscript(Parser *p, Ast *of) {
  Ast *all = many(p, NODE_tuple, p->now->line), *e;
  bool is_slice = false;
  next(p);
  while (!is_sign(p, "]")) {
    if (all->list.n && !want_sign(p, ",")) return NULL;
    if (!(e = subscribed(p, &is_slice))) return NULL;
    vec_push(p->arena, &all->list, e);
  }
  next(p);
  if (is_slice && all->list.n > 1) return fail_at(p, all->line, "%s cannot be cut along several axes", "lists");
  if (is_slice) return all->list.at[0]->kid[0] = of, all->list.at[0];
  return plain(p, NODE_item, all->line, of, all->list.n == 1 ? all->list.at[0] : all);
}

static Ast *attribute(Parser *p, Ast *of) {
  next(p);
  const Token *t = p->now;
  if (t->kind == TOKEN_INT) return next(p), plain(p, NODE_item, t->line, of, literal(p, NODE_int, t));
  if (t->kind != TOKEN_NAME) return expected(p, "a name or number");
  Ast *a = named(p, AST_ATTR, t);
  a->kid[0] = of;
  return next(p), a;
}

static Ast *postfix(Parser *p, Ast *a) {
  int start = p->depth;
  while (a && (is_sign(p, ".") || is_sign(p, "[") || is_sign(p, "("))) {
    if (!enter(p)) return NULL;
    a = is_sign(p, ".") ? attribute(p, a) : is_sign(p, "[") ? subscript(p, a) : call(p, a);
  }
  p->depth = start;
  return a;
}

/* ---- filters and tests ---- */

static const char *dotted_name(Parser *p) {
  if (p->now->kind != TOKEN_NAME) return expected(p, "a name"), NULL;
  const char *name = p->now->text;
  next(p);
  while (skip_sign(p, ".")) {
    if (p->now->kind != TOKEN_NAME) return expected(p, "a name"), NULL;
    name = arena_printf(p->arena, "%s.%s", name, p->now->text);
    next(p);
  }
  return name;
}

static bool find_filter(const char *name, uint32_t *which) {
  static const char *const names[] = {
#define FILTER(name, ...) #name,
#include "runtime/template_filters.def"
  };
  for (*which = 0; *which < FILTER_kinds; ++*which)
    if (strcmp(names[*which], name) == 0) return true;
  return false;
}

static bool in_list(const char *list, const char *name) {
  size_t n = strlen(name);
  for (const char *s = list; (s = strstr(s, name)); s++)
    if ((s == list || s[-1] == ',') && (s[n] == ',' || !s[n])) return true;
  return false;
}

static bool find_test(const char *name, uint32_t *which) {
  static const struct {
    const char *name, *others;
  } tests[] = {
#define TEST(name, others, ...) {#name, others},
#include "runtime/template_tests.def"
  };
  for (*which = 0; *which < TEST_kinds; ++*which)
    if (strcmp(tests[*which].name, name) == 0 || in_list(tests[*which].others, name)) return true;
  return false;
}

/* What follows a bar. */
static Ast *filter_named(Parser *p, Ast *of) {
  Ast *a = new(p, AST_FILTER, p->now->line);
  const char *name = dotted_name(p);
  if (!name) return NULL;
  a->kid[0] = of;
  if (!find_filter(name, &a->which)) return fail_at(p, a->line, "there is no filter `%s`", name);
  return !is_sign(p, "(") || arguments(p, a) ? a : NULL;
}

static Ast *filters(Parser *p, Ast *of) {
  int start = p->depth;
  while (skip_sign(p, "|")) {
    if (!enter(p) || !(of = filter_named(p, of))) return NULL;
  }
  p->depth = start;
  return of;
}

static bool begins_argument(const Parser *p) {
  TokenKind k = p->now->kind;
  if (is_name(p, "else") || is_name(p, "or") || is_name(p, "and")) return false;
  return k == TOKEN_NAME || k == TOKEN_TEXT || k == TOKEN_INT || k == TOKEN_FLOAT || is_sign(p, "[") || is_sign(p, "{");
}

static Ast *test(Parser *p, Ast *of) {
  Ast *a = new(p, AST_TEST, p->now->line), *e;
  next(p);
  bool negated = skip_name(p, "not");
  const char *name = dotted_name(p);
  if (!name) return NULL;
  a->kid[0] = of;
  if (!find_test(name, &a->which)) return fail_at(p, a->line, "there is no test `%s`", name);
  if (is_sign(p, "(")) {
    if (!arguments(p, a)) return NULL;
  } else if (begins_argument(p)) {
    if (is_name(p, "is")) return fail_at(p, a->line, "%s cannot follow one another", "tests");
    if (!(e = primary(p, false)) || !(e = postfix(p, e))) return NULL;
    vec_push(p->arena, &a->args, e);
  }
  return negated ? plain(p, NODE_not, a->line, a, NULL) : a;
}

static Ast *filter_expression(Parser *p, Ast *a) {
  int start = p->depth;
  while (a && (is_sign(p, "|") || is_name(p, "is") || is_sign(p, "("))) {
    if (!enter(p)) return NULL;
    a = is_sign(p, "|") ? filters(p, a) : is_sign(p, "(") ? call(p, a) : test(p, a);
  }
  p->depth = start;
  return a;
}

/* ---- operators ---- */

static Ast *unary(Parser *p, bool with_filter) {
  int line = p->now->line;
  bool minus = is_sign(p, "-");
  Ast *a;
  if (!enter(p)) return NULL;
  if (minus || is_sign(p, "+")) {
    next(p);
    a = unary(p, false);
    if (a) a = plain(p, minus ? NODE_neg : NODE_pos, line, a, NULL);
  } else a = primary(p, false);
  if (a) a = postfix(p, a);
  if (a && with_filter) a = filter_expression(p, a);
  p->depth--;
  return a;
}

static Ast *power(Parser *p) {
  int line = p->now->line, start = p->depth;
  Ast *a = unary(p, true), *b;
  while (a && skip_sign(p, "**")) {
    if (!enter(p)) return NULL;
    a = (b = unary(p, true)) ? plain(p, NODE_pow, line, a, b) : NULL;
  }
  p->depth = start;
  return a;
}

typedef struct Infix {
  const char *sign;
  TemplateNode node;
} Infix;

/* Chains grow to the left; each link is one level of the tree. */
static Ast *chain(Parser *p, Ast *(*part)(Parser *), TokenKind kind, const Infix *infix, int n) {
  int line = p->now->line, start = p->depth;
  Ast *a = part(p), *b;
  for (int i = 0; a && i < n;) {
    if (!is_text(p->now, kind, infix[i].sign)) {
      i++;
      continue;
    }
    next(p);
    if (!enter(p)) return NULL;
    a = (b = part(p)) ? plain(p, infix[i].node, line, a, b) : NULL;
    i = 0;
  }
  p->depth = start;
  return a;
}

static Ast *product(Parser *p) {
  static const Infix infix[] = {{"*", NODE_mul}, {"/", NODE_div}, {"//", NODE_floordiv}, {"%", NODE_mod}};
  return chain(p, power, TOKEN_SIGN, infix, 4);
}

static Ast *concat(Parser *p) {
  Ast *all = many(p, NODE_concat, p->now->line), *e;
  do {
    if (!(e = product(p))) return NULL;
    vec_push(p->arena, &all->list, e);
  } while (skip_sign(p, "~"));
  return all->list.n == 1 ? all->list.at[0] : all;
}

static Ast *sum(Parser *p) {
  static const Infix infix[] = {{"+", NODE_add}, {"-", NODE_sub}};
  return chain(p, concat, TOKEN_SIGN, infix, 2);
}

static bool comparison(Parser *p, uint32_t *which) {
  static const char *const signs[] = {[COMPARE_EQ] = "==", [COMPARE_NE] = "!=", [COMPARE_LT] = "<", [COMPARE_LE] = "<=", [COMPARE_GT] = ">", [COMPARE_GE] = ">="};
  for (*which = 0; *which < sizeof signs / sizeof *signs; ++*which)
    if (skip_sign(p, signs[*which])) return true;
  if (skip_name(p, "in")) return *which = COMPARE_IN, true;
  if (!is_name(p, "not") || !is_text(p->now + 1, TOKEN_NAME, "in")) return false;
  next(p);
  next(p);
  return *which = COMPARE_NOT_IN, true;
}

static Ast *compare(Parser *p) {
  Ast *a = new(p, AST_COMPARE, p->now->line), *first = sum(p), *link;
  uint32_t which;
  if (!first) return NULL;
  a->kid[0] = first;
  while (comparison(p, &which)) {
    if (!(link = sum(p))) return NULL;
    Ast *operand = plain(p, NODE_kinds, p->now->line, link, NULL);
    operand->which = which;
    vec_push(p->arena, &a->list, operand);
  }
  return a->list.n ? a : first;
}

static Ast *not_expression(Parser *p) {
  int line = p->now->line;
  if (!skip_name(p, "not")) return compare(p);
  Ast *a = enter(p) ? not_expression(p) : NULL;
  p->depth--;
  return a ? plain(p, NODE_not, line, a, NULL) : NULL;
}

static Ast *and_expression(Parser *p) {
  static const Infix infix[] = {{"and", NODE_and}};
  return chain(p, not_expression, TOKEN_NAME, infix, 1);
}

static Ast *or_expression(Parser *p) {
  static const Infix infix[] = {{"or", NODE_or}};
  return chain(p, and_expression, TOKEN_NAME, infix, 1);
}

static Ast *expression(Parser *p) {
  int line = p->now->line, start = p->depth;
  if (!enter(p)) return NULL;
  Ast *a = or_expression(p);
  while (a && skip_name(p, "if")) {
    if (!enter(p)) return NULL;
    Ast *then = a, *c = or_expression(p);
    if (!c) return NULL;
    a = plain(p, NODE_cond, line, c, then);
    if (skip_name(p, "else") && !(a->kid[2] = expression(p))) return NULL;
  }
  p->depth = start;
  return a;
}

/* ---- statements ---- */

static Ast *statements(Parser *p, const char *const *ends);

/* Up to one of the words that end it, which stays. */
static Ast *body(Parser *p, const char *const *ends) {
  skip_sign(p, ":");
  if (!want_kind(p, TOKEN_BLOCK_END) || !enter(p)) return NULL;
  Ast *a = statements(p, ends);
  p->depth--;
  if (a && p->now->kind == TOKEN_END) return fail_at(p, p->now->line, "the template ends, and `%s` is missing", ends[0]);
  return a;
}

static Ast *whole_body(Parser *p, const char *end) {
  Ast *a = body(p, (const char *const[]){end, NULL});
  if (a) next(p);
  return a;
}

static bool can_assign(const Ast *a) {
  if (a->kind == AST_MANY && a->node == NODE_tuple) {
    for (int i = 0; i < a->list.n; i++)
      if (!can_assign(a->list.at[i])) return false;
    return true;
  }
  return a->kind == AST_NAME || a->kind == AST_NS;
}

static Ast *target(Parser *p, bool namespaces, const char *end) {
  int line = p->now->line;
  Ast *a = tuple(p, TUPLE_SIMPLE | (namespaces ? TUPLE_NAMESPACES : 0u), end);
  if (!a || can_assign(a)) return a;
  return fail_at(p, line, "this can not be %s", "set");
}

static Ast *target_name(Parser *p) {
  if (p->now->kind != TOKEN_NAME) return expected(p, "a name");
  Ast *a = named(p, AST_NAME, p->now);
  return next(p), a;
}

static Ast *parse_set(Parser *p, Ast *a) {
  if (!(a->kid[0] = target(p, true, NULL))) return NULL;
  if (skip_sign(p, "=")) return (a->kid[1] = tuple(p, 0, NULL)) ? a : NULL;
  a->kind = AST_SET_BLOCK;
  if (is_sign(p, "|") && !(a->kid[2] = filters(p, NULL))) return NULL;
  return (a->kid[1] = whole_body(p, "endset")) ? a : NULL;
}

/* Writing to `loop` in a loop would change what it says. */
static bool sets_loop(const Ast *t) {
  for (int i = 0; i < t->list.n; i++)
    if (sets_loop(t->list.at[i])) return true;
  return t->kind == AST_NAME && strcmp(t->text, "loop") == 0;
}

static Ast *parse_for(Parser *p, Ast *a) {
  if (!(a->kid[0] = target(p, false, "in"))) return NULL;
  if (sets_loop(a->kid[0])) return fail_at(p, a->line, "a loop cannot set `%s`", "loop");
  if (!skip_name(p, "in")) return expected(p, "`in`");
  if (!(a->kid[1] = tuple(p, TUPLE_NO_COND, "recursive"))) return NULL;
  if (skip_name(p, "if") && !(a->kid[2] = expression(p))) return NULL;
  a->which = skip_name(p, "recursive");
  p->loops++;
  a->kid[3] = body(p, (const char *const[]){"endfor", "else", NULL});
  p->loops--;
  if (!a->kid[3]) return NULL;
  bool otherwise = is_name(p, "else");
  next(p);
  int loops = p->loops;
  if (a->which) p->loops = 0;
  if (otherwise) a->kid[4] = whole_body(p, "endfor");
  p->loops = loops;
  return !otherwise || a->kid[4] ? a : NULL;
}

static Ast *parse_if(Parser *p, Ast *a) {
  for (bool more = true; more;) {
    Ast *test = tuple(p, TUPLE_NO_COND, NULL), *then;
    if (!test || !(then = body(p, (const char *const[]){"endif", "elif", "else", NULL}))) return NULL;
    vec_push(p->arena, &a->list, test);
    vec_push(p->arena, &a->args, then);
    more = is_name(p, "elif");
    bool last = is_name(p, "else");
    next(p);
    if (last && !(a->kid[0] = whole_body(p, "endif"))) return NULL;
  }
  return a;
}

static bool signature(Parser *p, Ast *a) {
  if (!want_sign(p, "(")) return false;
  while (!is_sign(p, ")")) {
    if (a->list.n && !want_sign(p, ",")) return false;
    Ast *name = target_name(p), *value = NULL;
    if (!name) return false;
    if (skip_sign(p, "=")) {
      if (!(value = expression(p))) return false;
    } else if (a->args.n) return fail_at(p, name->line, "`%s` has no default, and follows one that has", name->text);
    for (int i = 0; i < a->list.n; i++)
      if (strcmp(a->list.at[i]->text, name->text) == 0) return fail_at(p, name->line, "two parameters are called `%s`", name->text);
    vec_push(p->arena, &a->list, name);
    if (value) vec_push(p->arena, &a->args, value);
  }
  return want_sign(p, ")");
}

/* A body that is called: breaks in it end no loop around it. */
static Ast *called_body(Parser *p, const char *end) {
  int loops = p->loops;
  p->loops = 0;
  Ast *a = whole_body(p, end);
  p->loops = loops;
  return a;
}

static Ast *parse_macro(Parser *p, Ast *a) {
  Ast *name = target_name(p);
  if (!name || !signature(p, a)) return NULL;
  a->text = name->text, a->n = name->n;
  return (a->kid[0] = called_body(p, "endmacro")) ? a : NULL;
}

static Ast *parse_call(Parser *p, Ast *a) {
  if (is_sign(p, "(") && !signature(p, a)) return NULL;
  a->text = NULL;
  if (!(a->kid[1] = expression(p))) return NULL;
  if (a->kid[1]->kind != AST_CALL) return fail_at(p, a->line, "%s is expected", "a call");
  return (a->kid[0] = called_body(p, "endcall")) ? a : NULL;
}

static Ast *parse_filter(Parser *p, Ast *a) {
  Ast *first = filter_named(p, NULL);
  if (!first || !(a->kid[1] = filters(p, first))) return NULL;
  return (a->kid[0] = whole_body(p, "endfilter")) ? a : NULL;
}

static Ast *parse_with(Parser *p, Ast *a) {
  while (p->now->kind != TOKEN_BLOCK_END) {
    Ast *t, *value;
    if (a->list.n && !want_sign(p, ",")) return NULL;
    if (!(t = target(p, false, NULL)) || !want_sign(p, "=") || !(value = expression(p))) return NULL;
    vec_push(p->arena, &a->list, t);
    vec_push(p->arena, &a->args, value);
  }
  return (a->kid[0] = whole_body(p, "endwith")) ? a : NULL;
}

static Ast *parse_print(Parser *p, Ast *a) {
  a->kind = AST_BLOCK;
  while (p->now->kind != TOKEN_BLOCK_END) {
    if (a->list.n && !want_sign(p, ",")) return NULL;
    Ast *put = new(p, AST_PUT, p->now->line);
    if (!(put->kid[0] = expression(p))) return NULL;
    vec_push(p->arena, &a->list, put);
  }
  return a;
}

static Ast *parse_generation(Parser *p, Ast *a) { return (a->kid[0] = called_body(p, "endgeneration")) ? a : NULL; }

static Ast *parse_leave(Parser *p, Ast *a) {
  return p->loops ? a : fail_at(p, a->line, "`%s` is in no loop", a->kind == AST_BREAK ? "break" : "continue");
}

static const struct {
  const char *tag;
  AstKind kind;
  Ast *(*parse)(Parser *, Ast *);
} tags[] = {{"set", AST_SET, parse_set},
            {"if", AST_IF, parse_if},
            {"for", AST_FOR, parse_for},
            {"macro", AST_MACRO, parse_macro},
            {"call", AST_CALL_BLOCK, parse_call},
            {"filter", AST_FILTER_BLOCK, parse_filter},
            {"with", AST_WITH, parse_with},
            {"print", AST_BLOCK, parse_print},
            {"generation", AST_GENERATION, parse_generation},
            {"break", AST_BREAK, parse_leave},
            {"continue", AST_CONTINUE, parse_leave}};

static Ast *statement(Parser *p) {
  const Token *t = p->now;
  if (t->kind != TOKEN_NAME) return expected(p, "the name of a tag");
  for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
    if (strcmp(tags[i].tag, t->text) != 0) continue;
    next(p);
    return tags[i].parse(p, new(p, tags[i].kind, t->line));
  }
  if (strcmp(t->text, "block") == 0 || strcmp(t->text, "extends") == 0 || strcmp(t->text, "include") == 0 ||
      strcmp(t->text, "import") == 0 || strcmp(t->text, "from") == 0 || strcmp(t->text, "autoescape") == 0)
    return fail_at(p, t->line, "`%s` is not supported: a chat template stands alone", t->text);
  return fail_at(p, t->line, "there is no tag `%s` that could stand here", t->text);
}

static bool is_end(const Parser *p, const char *const *ends) {
  for (; ends && *ends; ends++)
    if (is_name(p, *ends)) return true;
  return false;
}

static Ast *output(Parser *p) {
  Ast *a = named(p, p->now->kind == TOKEN_DATA ? AST_PUT_TEXT : AST_PUT, p->now);
  bool data = a->kind == AST_PUT_TEXT;
  next(p);
  if (data) return a;
  return (a->kid[0] = tuple(p, 0, NULL)) && want_kind(p, TOKEN_VARIABLE_END) ? a : NULL;
}

static Ast *statements(Parser *p, const char *const *ends) {
  Ast *all = new(p, AST_BLOCK, p->now->line), *a;
  while (p->now->kind != TOKEN_END) {
    if (p->now->kind == TOKEN_BLOCK_BEGIN) {
      next(p);
      if (is_end(p, ends)) return all;
      if (!(a = statement(p)) || !want_kind(p, TOKEN_BLOCK_END)) return NULL;
    } else if (!(a = output(p))) return NULL;
    vec_push(p->arena, &all->list, a);
  }
  return all;
}

Ast *template_parse(Arena *a, Diag *d, const char *file, const TokenVec *tokens) {
  Parser p = {.arena = a, .diag = d, .file = file, .now = tokens->at};
  return statements(&p, NULL);
}
