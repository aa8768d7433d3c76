/* text_parse.c -- reads the text form: declarations, functions, blocks and nodes.
 *
 * Statements end with their line, except inside brackets and behind a comma, so a mistake costs one statement: reading
 * goes on with the next one, and several errors are listed at once. Nothing that has one is used: the caller gets NULL. */
#include <inttypes.h>

#include "ir/fatal.h"
#include "ir/text.h"
#include "ir/text_number.h"
#include "ir/text_parser.h"

enum { MAX_ATTRS = 32 };

static bool parse_block(Parser *p, Block *b);

/* ---- what stands behind many things ---- */

static bool at_location(const Parser *p) { return p->tok.kind == TK_NAME && p->tok.quoted && !p->tok.first; }

static bool parse_location(Parser *p, Loc *loc) {
  const char *name;
  if (!at_location(p)) return true;
  Token t = p->tok;
  parse_advance(p);
  if (!parse_decode(p, t, &name)) return false;
  loc->name = arena_string(p->arena, name, strlen(name));
  return true;
}

/* The end of a line, of a block or of the text. */
static bool parse_end(Parser *p, const char *what) {
  if (p->tok.first || p->tok.kind == '}' || p->tok.kind == TK_END) return true;
  return parse_fail(p, p->tok.line, "expected the end of %s, found %s", what, parse_shown(p));
}

static Loc loc_here(const Parser *p) { return (Loc){.file = p->file, .line = p->tok.line}; }

/* ---- names of values ---- */

static bool is_number(Token t) {
  for (size_t i = 0; i < t.n; i++)
    if (t.at[i] < '0' || t.at[i] > '9') return false;
  return !t.quoted;
}

static char value_kind(Token t) { return is_number(t) ? '#' : '%'; }

static bool define_value(Parser *p, Token t, Value *v) {
  const char *name;
  if (!parse_decode(p, t, &name) || !names_add(p, value_kind(t), name, t.line, v)) return false;
  if (v && !is_number(t)) v->name = arena_string(p->arena, name, strlen(name));
  return true;
}

/* NULL where there is no such value here, or where its own definition had an error. */
static bool find_value(Parser *p, Token t, Value **out) {
  const char *name;
  *out = NULL;
  if (!parse_decode(p, t, &name)) return false;
  const Entry *e = names_find(p, value_kind(t), name);
  if (e && e->gone)
    return parse_fail(p, t.line, "%s is not visible here: the block that defines it in line %d has ended",
                      token_text(p->scratch, t), e->line);
  if (e) {
    *out = e->what;
    return e->what;
  }
  parse_fail(p, t.line, "%s is not defined before this", token_text(p->scratch, t));
  if (names_add(p, value_kind(t), name, t.line, NULL)) names_find(p, value_kind(t), name)->missing = true;
  return false;
}

/* ---- nodes ---- */

/* A node as far as it has been read. */
typedef struct NodeText {
  Op op;
  const OpInfo *info;
  Loc loc;
  int first_result, n_results; /* in p->results */
  Attr attr[MAX_ATTRS];
  uint32_t seen;
  bool has_literal;
  Lexer literal_lex; /* where a literal begins, whose type comes later */
  Token literal;
  Token callee;
  Node *node;
} NodeText;

static bool parse_result_names(Parser *p, NodeText *t) {
  if (p->tok.kind != TK_VALUE) return true;
  do {
    Token name = p->tok;
    if (!parse_expect(p, TK_VALUE, "the name of a result (%name)")) return false;
    vec_push(p->scratch, &p->results, name);
    t->n_results++;
  } while (parse_accept(p, ','));
  return parse_expect(p, '=', "'=' behind the names of results");
}

static bool parse_op(Parser *p, NodeText *t) {
  Token word = p->tok;
  t->loc = loc_here(p);
  if (!parse_expect(p, TK_WORD, "an op")) return false;
  t->op = op_find(word.at, word.n);
  if (t->op == OP_count) return parse_fail(p, word.line, "there is no op %s", token_text(p->scratch, word));
  t->info = op_info(t->op);
  ensure(t->info->n_attrs <= MAX_ATTRS);
  return true;
}

/* A constant or a function stands in front of the operands, without its attribute's name. */
static bool parse_front(Parser *p, NodeText *t) {
  for (int i = 0; i < t->info->n_attrs; i++) {
    AttrKind kind = t->info->attr[i].kind;
    if (kind == AK_CONST) {
      t->has_literal = true;
      t->literal_lex = p->lex;
      t->literal = p->tok;
      if (!parse_skip_literal(p)) return false;
    } else if (kind == AK_FUNC) {
      t->callee = p->tok;
      if (!parse_expect(p, TK_NAME, "the function's name (@name)")) return false;
    } else {
      continue;
    }
    t->seen |= 1u << i;
  }
  return true;
}

static bool parse_operands(Parser *p) {
  bool ok = true;
  p->in.n = 0;
  if (p->tok.first || (p->tok.kind != TK_VALUE && !token_is(p->tok, "_"))) return true;
  do {
    Value *v = NULL;
    Token t = p->tok;
    if (!parse_accept_word(p, "_")) {
      if (!parse_expect(p, TK_VALUE, "an operand (%name or _)")) return false;
      ok &= find_value(p, t, &v);
    }
    vec_push(p->scratch, &p->in, v);
  } while (parse_accept(p, ','));
  return ok;
}

static int find_attr(const OpInfo *info, Token t) {
  for (int i = 0; i < info->n_attrs; i++)
    if (token_is(t, info->attr[i].name)) return i;
  return -1;
}

static bool parse_attrs(Parser *p, NodeText *t) {
  while (p->tok.kind == TK_WORD && !p->tok.first) {
    Token name = p->tok;
    int slot = find_attr(t->info, name);
    if (slot < 0)
      return parse_fail(p, name.line, "`%s` has no attribute %s", t->info->name, token_text(p->scratch, name));
    if (t->seen & 1u << slot)
      return parse_fail(p, name.line, "`%s` has its %s twice", t->info->name, t->info->attr[slot].name);
    parse_advance(p);
    if (!parse_expect(p, '=', "'=' behind the attribute's name") || !parse_attr(p, t->info, slot, &t->attr[slot]))
      return false;
    t->seen |= 1u << slot;
  }
  for (int i = 0; i < t->info->n_attrs; i++)
    if (t->info->attr[i].required && !(t->seen & 1u << i))
      return parse_fail(p, t->loc.line, "`%s` lacks its attribute %s", t->info->name, t->info->attr[i].name);
  return true;
}

static void make_node(Parser *p, Block *b, NodeText *t) {
  Node *n = node_new(b->func, t->op, p->in.n, t->n_results, t->info->regions, t->loc);
  for (int i = 0; i < t->info->n_attrs; i++)
    if (t->seen & 1u << i) n->attr[i] = t->attr[i];
  for (int i = 0; i < p->in.n; i++) node_set_in(n, i, p->in.at[i]);
  node_append(b, n);
  t->node = n;
}

static bool parse_args(Parser *p, Block *b) {
  bool ok = true;
  if (!parse_expect(p, '(', "'(' and the arguments")) return false;
  if (parse_accept(p, ')')) return true;
  do {
    Token name = p->tok;
    Type type;
    if (!parse_expect(p, TK_VALUE, "an argument (%name)") || !parse_expect(p, ':', "':' and the argument's type") ||
        !parse_type(p, &type))
      return false;
    ok &= define_value(p, name, block_add_arg(b, type, NULL));
  } while (parse_accept(p, ','));
  return parse_expect(p, ')', "',' or ')'") && ok;
}

/* Names of a block are gone with it. */
static bool parse_body(Parser *p, Block *b, int first_name) {
  bool ok = parse_block(p, b);
  while (p->visible.n > first_name) p->visible.at[--p->visible.n]->gone = true;
  return ok;
}

static bool parse_regions(Parser *p, NodeText *t) {
  int n = 0;
  for (; !p->tok.first && (p->tok.kind == '(' || p->tok.kind == '{'); n++) {
    int first_name = p->visible.n;
    if (n == t->info->regions) break;
    Block *b = t->node->region[n];
    if (p->tok.kind == '(' && !parse_args(p, b)) return false;
    if (!parse_body(p, b, first_name)) return false;
  }
  if (n == t->info->regions && p->tok.kind != '{' && p->tok.kind != '(') return true;
  return parse_fail(p, t->loc.line, "`%s` has %d regions, and %s are here", t->info->name, t->info->regions,
                    n == t->info->regions ? "more" : "fewer");
}

static bool parse_result_types(Parser *p, NodeText *t) {
  int n = 0;
  if (!p->tok.first && parse_accept(p, ':')) {
    do {
      Type type;
      if (!parse_type(p, &type)) return false;
      if (n < t->n_results) t->node->out[n]->type = type;
      n++;
    } while (parse_accept(p, ','));
  }
  return n == t->n_results ||
         parse_fail(p, t->loc.line, "`%s` has %d results here and %d types behind ':'", t->info->name, t->n_results, n);
}

/* Reads the literal now that its type is known, then goes on where reading was. */
static bool parse_late_literal(Parser *p, NodeText *t) {
  if (!t->has_literal) return true;
  if (t->n_results != 1) return parse_fail(p, t->loc.line, "`%s` has one result, not %d", t->info->name, t->n_results);
  Lexer lex = p->lex;
  Token tok = p->tok;
  const char *name;
  Constant *c = NULL;
  bool ok = true;
  p->lex = t->literal_lex;
  p->tok = t->literal;
  if (p->tok.kind == TK_NAME) {
    ok = parse_module_name(p, &name);
    if (ok && !(c = module_find_constant(p->m, name)))
      ok = parse_fail(p, t->literal.line, "`@%s` is not a constant declared before", name);
  } else {
    c = ARENA_NEW(p->arena, Constant);
    c->type = t->node->out[0]->type;
    c->loc = (Loc){.file = p->file, .line = t->literal.line};
    ok = parse_literal(p, c);
  }
  if (!p->stopped) {
    p->lex = lex;
    p->tok = tok;
  }
  for (int i = 0; i < t->info->n_attrs; i++)
    if (t->info->attr[i].kind == AK_CONST) t->node->attr[i].constant = c;
  return ok;
}

static bool note_call(Parser *p, NodeText *t) {
  for (int i = 0; i < t->info->n_attrs; i++) {
    if (t->info->attr[i].kind != AK_FUNC) continue;
    Fixup f = {.attr = &t->node->attr[i], .line = t->callee.line};
    if (!parse_decode(p, t->callee, &f.name)) return false;
    vec_push(p->scratch, &p->calls, f);
  }
  return true;
}

/* Results are visible only behind the node, not in its regions. */
static bool define_results(Parser *p, NodeText *t, bool ok) {
  for (int i = 0; i < t->n_results; i++)
    ok &= define_value(p, p->results.at[t->first_result + i], ok ? t->node->out[i] : NULL);
  return ok;
}

static bool parse_node_parts(Parser *p, Block *b, NodeText *t) {
  if (!parse_result_names(p, t) || !parse_op(p, t) || !parse_front(p, t)) return false;
  bool operands = parse_operands(p);
  if (!parse_attrs(p, t)) return false;
  make_node(p, b, t);
  if (!parse_regions(p, t) || !parse_result_types(p, t) || !parse_late_literal(p, t)) return false;
  return note_call(p, t) && parse_location(p, &t->node->loc) && parse_end(p, "the statement") && operands;
}

static bool parse_node(Parser *p, Block *b) {
  NodeText t = {.first_result = p->results.n};
  bool ok = parse_node_parts(p, b, &t);
  ok = define_results(p, &t, ok);
  p->results.n = t.first_result;
  return ok;
}

/* ---- blocks ---- */

/* A declaration begins at the very left; so does a statement of a file that is not indented, but none with such a word. */
static bool at_declaration(const Parser *p) {
  static const char *const words[] = {"file", "weights", "const", "state", "model", "func", "kernel"};
  bool left = p->tok.kind == TK_WORD && (p->tok.at == p->lex.begin || p->tok.at[-1] == '\n');
  for (size_t i = 0; left && i < sizeof words / sizeof *words; i++)
    if (token_is(p->tok, words[i])) return true;
  return false;
}

/* Goes on to the next statement, over whole blocks. */
static void skip_statement(Parser *p, const char *start) {
  int open = 0;
  if (p->tok.at == start) parse_advance(p);
  for (; p->tok.kind != TK_END && !at_declaration(p); parse_advance(p)) {
    if (open == 0 && (p->tok.first || p->tok.kind == '}')) return;
    open += (p->tok.kind == '{') - (p->tok.kind == '}');
  }
}

static bool parse_statements(Parser *p, Block *b, int line) {
  while (!parse_accept(p, '}')) {
    if (p->tok.kind == TK_END || at_declaration(p))
      return parse_fail(p, p->tok.line, "the block that begins in line %d is not closed", line);
    const char *start = p->tok.at;
    if (!parse_node(p, b)) skip_statement(p, start);
  }
  return true;
}

static bool parse_block(Parser *p, Block *b) {
  int line = p->tok.line;
  if (p->tok.kind == '{' && p->depth >= MAX_DEPTH)
    return parse_fail(p, line, "blocks are nested more than %d deep", MAX_DEPTH);
  if (!parse_expect(p, '{', "'{' and a block")) return false;
  p->depth++;
  bool ok = parse_statements(p, b, line);
  p->depth--;
  return ok;
}

/* ---- functions ---- */

static bool parse_symbols(Parser *p, Func *f) {
  if (!parse_accept(p, '<')) return true;
  do {
    const char *name;
    int line = p->tok.line;
    int64_t capacity = DIM_NO_CAPACITY;
    if (!parse_word_or_string(p, "the name of a size", &name)) return false;
    bool derived = parse_accept(p, '?');
    if (parse_accept(p, TK_LE) && !parse_integer(p, "the capacity", &capacity)) return false;
    if (capacity < DIM_NO_CAPACITY) return parse_fail(p, line, "the capacity %" PRId64 " is negative", capacity);
    Symbol *s = func_add_symbol(f, name, capacity);
    s->derived = derived;
    if (!names_add(p, '<', s->name, line, s)) return false;
  } while (parse_accept(p, ','));
  return parse_expect(p, '>', "',' or '>'");
}

static bool at_result_name(const Parser *p) {
  Lexer ahead = p->lex;
  return (p->tok.kind == TK_WORD || p->tok.kind == TK_STRING) && lex_next(&ahead).kind == ':';
}

static bool parse_results(Parser *p, Func *f) {
  VEC(Type) types = {0};
  VEC(const char *) names = {0};
  if (!parse_accept(p, TK_ARROW)) return true;
  if (!parse_expect(p, '(', "'(' and the results")) return false;
  if (p->tok.kind != ')') {
    do {
      const char *name = NULL;
      Type type;
      if (at_result_name(p)) {
        if (!parse_word_or_string(p, "a name", &name)) return false;
        parse_advance(p);
      }
      if (!parse_type(p, &type)) return false;
      vec_push(p->scratch, &types, type);
      vec_push(p->scratch, &names, name);
    } while (parse_accept(p, ','));
  }
  func_set_results(f, types.n, types.at, names.at);
  return parse_expect(p, ')', "',' or ')'");
}

static bool parse_launch(Parser *p, Launch *l) {
  if (parse_accept_word(p, "workgroup")) {
    for (int i = 0; i < 3; i++) {
      if (!parse_expect(p, i ? ',' : '(', i ? "','" : "'('") ||
          !parse_integer(p, "a size of the workgroup", &l->local[i]))
        return false;
    }
    if (!parse_expect(p, ')', "')'")) return false;
  }
  if (!parse_accept_word(p, "requires")) return true;
  const char *feature;
  if (!parse_word_or_string(p, "the name of a feature", &feature)) return false;
  l->requires = arena_string(p->arena, feature, strlen(feature));
  return true;
}

static bool parse_target(Parser *p, Func *f) {
  const char *name;
  int line = p->tok.line;
  if (!parse_accept_word(p, "target")) return true;
  if (!parse_word_or_string(p, "the name of a target", &name)) return false;
  f->target = target_find(name);
  return f->target || parse_fail(p, line, "there is no target `%s`", name);
}

static bool parse_numerics(Parser *p, Func *f) {
  const char *name;
  int line = p->tok.line;
  if (!parse_accept_word(p, "numerics")) return true;
  if (!parse_word_or_string(p, "`exact` or `fast`", &name)) return false;
  return numerics_find(name, &f->numerics) || parse_fail(p, line, "there are no numerics `%s`: they are exact or fast", name);
}

/* Names that are looked up while reading belong to the function that is being read. */
static void forget_names(Parser *p) {
  p->names = (StrMap){0};
  p->visible.n = 0;
}

static bool declare_name(Parser *p, const char **name) {
  int line = p->tok.line;
  if (!parse_module_name(p, name)) return false;
  return !module_has(p->m, *name) || parse_fail(p, line, "`@%s` is declared twice", *name);
}

static bool parse_func_of(Parser *p, OpLevel level) {
  const char *name;
  Loc loc = loc_here(p);
  if (!declare_name(p, &name)) return false;
  Func *f = module_add_func(p->m, name, level);
  f->loc = loc;
  forget_names(p);
  if (!parse_symbols(p, f) || !parse_numerics(p, f) || !parse_target(p, f)) return false;
  if (level == LEVEL_KERNEL && !parse_launch(p, &f->launch)) return false;
  if (!parse_args(p, f->body) || !parse_results(p, f) || !parse_location(p, &f->loc)) return false;
  return parse_block(p, f->body);
}

static bool parse_func(Parser *p) { return parse_func_of(p, LEVEL_TENSOR); }
static bool parse_kernel(Parser *p) { return parse_func_of(p, LEVEL_KERNEL); }

/* ---- the other declarations ---- */

static bool parse_file_decl(Parser *p) {
  const char *name, *path;
  int64_t size;
  if (!declare_name(p, &name)) return false;
  Token t = p->tok;
  if (!parse_expect(p, TK_STRING, "the file's path in quotes") || !parse_decode(p, t, &path)) return false;
  if (!parse_integer(p, "the file's size", &size)) return false;
  if (size < 0) return parse_fail(p, t.line, "the size %" PRId64 " of `@%s` is negative", size, name);
  module_add_file(p->m, name, path, size);
  return true;
}

static bool parse_weights(Parser *p) {
  const char *name;
  if (!declare_name(p, &name)) return false;
  module_add_weights(p->m, name)->bound_at_run_time = parse_accept_word(p, "bound");
  return true;
}

/* The body of an expression is a block of a function that the module does not list. */
static bool parse_expression(Parser *p, Constant *c) {
  Func *f = ARENA_NEW(p->arena, Func);
  *f = (Func){.module = p->m, .name = c->name, .loc = c->loc, .level = LEVEL_TENSOR, .launch = {.local = {1, 1, 1}}};
  f->body = block_new(f, NULL);
  func_set_results(f, 1, &c->type, NULL);
  forget_names(p);
  c->kind = CONSTANT_EXPR;
  c->body = f->body;
  return parse_block(p, f->body);
}

static bool parse_const(Parser *p) {
  const char *name, *set = NULL;
  Type type;
  Loc loc = loc_here(p);
  Weights *weights = NULL;
  if (!declare_name(p, &name)) return false;
  if (parse_accept_word(p, "in")) {
    if (!parse_module_name(p, &set)) return false;
    if (!(weights = module_find_weights(p->m, set)))
      return parse_fail(p, loc.line, "`@%s` is not a set of weights declared before", set);
  }
  forget_names(p);
  if (!parse_expect(p, ':', "':' and the constant's type") || !parse_type(p, &type)) return false;
  if (!type_is_tensor(type))
    return parse_fail(p, loc.line, "`@%s` is %s, and a constant is a tensor", name, type_text(p->scratch, type));
  if (!parse_expect(p, '=', "'=' and the constant")) return false;
  Constant *c = module_add_constant(p->m, name, type);
  c->loc = loc;
  c->weights = weights;
  bool bound = parse_accept_word(p, "bound");
  if (bound) c->kind = CONSTANT_BOUND;
  bool ok = bound || (parse_accept_word(p, "expr") ? parse_expression(p, c) : parse_literal(p, c));
  return ok && parse_location(p, &c->loc);
}

static bool parse_field(Parser *p, State *s, Field *field) {
  Type type;
  int line = p->tok.line;
  const char *name;
  if (!parse_word_or_string(p, "the name of a field", &name) || !parse_expect(p, ':', "':' and the type of a row") ||
      !parse_type(p, &type))
    return false;
  if (!type_is_tensor(type) || type->encoded || !type_is_static(type))
    return parse_fail(p, line, "a row of field `%s` of `@%s` is a tensor of plain numbers with known sizes, not %s",
                      name, s->name, type_text(p->scratch, type));
  *field = (Field){.name = arena_string(p->arena, name, strlen(name)), .dtype = type->dtype, .rank = type->rank};
  for (int i = 0; i < type->rank; i++) field->dim[i] = type->dim[i]->constant;
  field->turned = parse_accept_word(p, "turned");
  return true;
}

static bool parse_addressing(Parser *p, State *s) {
  if (parse_accept_word(p, "linear"))
    s->addressing = ADDRESS_LINEAR;
  else if (parse_accept_word(p, "ring"))
    s->addressing = ADDRESS_RING;
  else if (parse_accept_word(p, "fixed"))
    s->addressing = ADDRESS_FIXED;
  else
    return parse_unexpected(p, "linear, ring or fixed");
  if (!parse_accept_word(p, "batch")) return parse_unexpected(p, "batch");
  if (!parse_integer(p, "the batch", &s->batch)) return false;
  if (!parse_accept_word(p, "capacity")) return parse_unexpected(p, "capacity");
  return parse_integer(p, "the capacity", &s->capacity);
}

static bool parse_state_decl(Parser *p) {
  const char *name;
  VEC(Field) fields = {0};
  Loc loc = loc_here(p);
  if (!declare_name(p, &name)) return false;
  State *s = module_add_state(p->m, name);
  s->loc = loc;
  forget_names(p);
  if (!parse_addressing(p, s) || !parse_expect(p, '{', "'{' and the fields")) return false;
  if (p->tok.kind != '}') {
    do {
      Field field;
      if (!parse_field(p, s, &field)) return false;
      vec_push(p->scratch, &fields, field);
    } while (parse_accept(p, ','));
  }
  s->n_fields = fields.n;
  s->field = ARENA_ARRAY(p->arena, Field, fields.n);
  if (fields.n) memcpy(s->field, fields.at, (size_t)fields.n * sizeof *s->field);
  return parse_expect(p, '}', "',' or '}'") && parse_location(p, &s->loc);
}

/* fact "eos" = @main.eos */
static bool parse_fact(Parser *p, Model *model) {
  const char *name, *constant;
  int line = p->tok.line;
  if (!parse_word_or_string(p, "the name of a fact", &name)) return false;
  name = arena_string(p->arena, name, strlen(name));
  if (!parse_expect(p, '=', "'=' and a constant") || !parse_module_name(p, &constant)) return false;
  Constant *c = module_find_constant(p->m, constant);
  if (!c) return parse_fail(p, line, "`@%s` is not a constant declared before", constant);
  vec_push(p->arena, &model->facts, ((Fact){name, c}));
  return true;
}

static bool parse_member(Parser *p, Model *model) {
  const char *name;
  Token t = p->tok;
  static const char *const kinds[] = {"func", "weights", "state"};
  static const char *const whats[] = {"function", "set of weights", "state"};
  int kind = 0;
  if (parse_accept_word(p, "fact")) return parse_fact(p, model);
  while (kind < 3 && !parse_accept_word(p, kinds[kind])) kind++;
  if (kind == 3) return parse_unexpected(p, "func, weights, state, fact or '}'");
  if (!parse_module_name(p, &name)) return false;
  Func *f = kind == 0 ? module_find_func(p->m, name) : NULL;
  Weights *w = kind == 1 ? module_find_weights(p->m, name) : NULL;
  State *s = kind == 2 ? module_find_state(p->m, name) : NULL;
  if (f) vec_push(p->arena, &model->funcs, f);
  if (w) vec_push(p->arena, &model->weights, w);
  if (s) vec_push(p->arena, &model->states, s);
  return f || w || s || parse_fail(p, t.line, "`@%s` is not a %s declared before", name, whats[kind]);
}

static bool parse_model(Parser *p) {
  const char *name;
  if (!declare_name(p, &name)) return false;
  Model *model = module_add_model(p->m, name);
  if (!parse_expect(p, '{', "'{' and the members")) return false;
  while (!parse_accept(p, '}'))
    if (!parse_member(p, model)) return false;
  return true;
}

/* ---- the module ---- */

static const struct {
  const char *word;
  bool (*parse)(Parser *p);
} declarations[] = {
    {"file", parse_file_decl}, {"weights", parse_weights}, {"const", parse_const}, {"state", parse_state_decl},
    {"func", parse_func},      {"kernel", parse_kernel},   {"model", parse_model},
};

static bool parse_declaration(Parser *p) {
  for (size_t i = 0; i < sizeof declarations / sizeof *declarations; i++)
    if (parse_accept_word(p, declarations[i].word)) return declarations[i].parse(p) && parse_end(p, "the declaration");
  return parse_unexpected(p, "file, weights, const, state, func, kernel or model");
}

static void skip_declaration(Parser *p, const char *start) {
  if (p->tok.at == start) parse_advance(p);
  while (p->tok.kind != TK_END && !at_declaration(p)) parse_advance(p);
}

static bool parse_header(Parser *p) {
  int64_t version;
  if (!parse_accept_word(p, "lathe")) return parse_unexpected(p, "`lathe 1`, the first line of a module");
  if (!parse_integer(p, "the version", &version)) return false;
  return version == 1 ||
         parse_fail(p, p->tok.line, "this is version %" PRId64 " of the text form, and 1 is known", version);
}

static void resolve_calls(Parser *p) {
  for (int i = 0; i < p->calls.n; i++) {
    const Fixup *f = &p->calls.at[i];
    f->attr->func = module_find_func(p->m, f->name);
    if (!f->attr->func) parse_fail(p, f->line, "`@%s` is not a function of this module", f->name);
  }
}

static void parse_module(Parser *p) {
  parse_advance(p);
  if (!parse_header(p)) return;
  while (p->tok.kind != TK_END) {
    const char *start = p->tok.at;
    if (!parse_declaration(p)) skip_declaration(p, start);
  }
  resolve_calls(p);
}

/* A text may take 64 MB and 128 times its length; a quarter is left to those who look at the module next. */
static size_t memory_limit(const Arena *a, size_t size) { return arena_bytes(a) + ((size_t)48 << 20) + 96 * size; }

Module *text_parse(Arena *a, Diag *d, const char *file, const char *text, size_t size) {
  Parser *p = &(Parser){.lex = lex_start(text, size), .arena = a, .scratch = arena_new(), .diag = d};
  p->file = arena_string(a, file, strlen(file));
  p->memory = memory_limit(a, size);
  p->m = module_new(a, d);
  p->m->source = p->file;
  parse_module(p);
  arena_free(p->scratch);
  return p->errors ? NULL : p->m;
}
