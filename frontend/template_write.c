/* template_write.c -- writes a chat template's syntax tree as the words that programs walk over. */
#include "frontend/templates.h"
#include "frontend/template_syntax.h"

typedef VEC(uint32_t) Words;

typedef struct Writer {
  Arena *arena;
  Diag *diag;
  const char *file;
  TemplateWords *out;
  VEC(char) text;
  StrMap names; /* that are in the text, to Piece */
  bool failed;
} Writer;

typedef struct Piece {
  uint32_t at;
} Piece;

static uint32_t write(Writer *w, Scope *s, const Ast *a);

/* ---- nodes ---- */

static void push(Writer *w, Words *to, uint32_t word) { vec_push(w->arena, to, word); }

static uint32_t node(Writer *w, TemplateNode kind, int line, const Words *words) {
  uint32_t at = (uint32_t)w->out->n;
  vec_push(w->arena, w->out, (uint32_t)kind | (uint32_t)words->n << 8);
  vec_push(w->arena, w->out, (uint32_t)line);
  for (int i = 0; i < words->n; i++) vec_push(w->arena, w->out, words->at[i]);
  return at;
}

static void push_text(Writer *w, Words *to, const char *text, int64_t n) {
  push(w, to, (uint32_t)w->text.n);
  push(w, to, (uint32_t)n);
  for (int64_t i = 0; i < n; i++) vec_push(w->arena, &w->text, text[i]);
}

static void push_name(Writer *w, Words *to, const char *name) {
  Piece *p = strmap_get(&w->names, name);
  if (!p) {
    p = ARENA_NEW(w->arena, Piece);
    p->at = (uint32_t)w->text.n;
    strmap_add(w->arena, &w->names, name, p);
    push_text(w, &(Words){0}, name, (int64_t)strlen(name));
  }
  push(w, to, p->at);
  push(w, to, (uint32_t)strlen(name));
}

/* Which variable a name is, where it is read or set. */
static void push_variable(Writer *w, Scope *s, const Ast *a, Words *to) {
  uint32_t out = 0;
  const Variable *v = scope_find(s, a->text, &out);
  if (!v) w->failed = !diag_error(w->diag, (Loc){.file = w->file, .line = a->line}, "`%s` cannot be read here", a->text);
  push(w, to, out);
  push(w, to, v ? v->place : 0);
}

/* ---- expressions ---- */

static uint32_t write_value(Writer *w, const Ast *a) {
  Words words = {0};
  union { double f; uint64_t u; } bits = {.f = a->f};
  uint64_t u = a->node == NODE_float ? bits.u : (uint64_t)a->i;
  if (a->node == NODE_text) push_text(w, &words, a->text, a->n);
  if (a->node == NODE_int || a->node == NODE_float) push(w, &words, (uint32_t)u), push(w, &words, (uint32_t)(u >> 32));
  return node(w, a->node, a->line, &words);
}

static uint32_t write_name(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  push_variable(w, s, a, &words);
  push_name(w, &words, a->text);
  return node(w, NODE_name, a->line, &words);
}

static void push_all(Writer *w, Scope *s, const AstVec *v, Words *to) {
  for (int i = 0; i < v->n; i++) push(w, to, write(w, s, v->at[i]));
}

static uint32_t write_many(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  push_all(w, s, &a->list, &words);
  return node(w, a->node, a->line, &words);
}

static uint32_t write_plain(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  int n = a->node == NODE_slice ? 4 : a->node == NODE_cond ? 3 : 2;
  for (int i = 0; i < n; i++) push(w, &words, write(w, s, a->kid[i]));
  return node(w, a->node, a->line, &words);
}

static uint32_t write_compare(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  push(w, &words, write(w, s, a->kid[0]));
  for (int i = 0; i < a->list.n; i++) {
    push(w, &words, a->list.at[i]->which);
    push(w, &words, write(w, s, a->list.at[i]->kid[0]));
  }
  return node(w, NODE_compare, a->line, &words);
}

static uint32_t write_attribute(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  push(w, &words, write(w, s, a->kid[0]));
  push_name(w, &words, a->text);
  return node(w, NODE_attr, a->line, &words);
}

static uint32_t write_args(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  if (!a->args.n && !a->named.n && !a->dynamic[0] && !a->dynamic[1]) return 0;
  push(w, &words, (uint32_t)a->args.n);
  push(w, &words, (uint32_t)a->named.n);
  for (int i = 0; i < 2; i++) push(w, &words, write(w, s, a->dynamic[i]));
  push_all(w, s, &a->args, &words);
  for (int i = 0; i < a->named.n; i++) {
    push_name(w, &words, a->named.at[i]->text);
    push(w, &words, write(w, s, a->named.at[i]->kid[0]));
  }
  return node(w, NODE_args, a->line, &words);
}

static uint32_t write_call(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  if (a->kind != AST_CALL) push(w, &words, a->which);
  push(w, &words, a->kid[0] ? write(w, s, a->kid[0]) : node(w, NODE_captured, a->line, &(Words){0}));
  push(w, &words, write_args(w, s, a));
  return node(w, a->kind == AST_CALL ? NODE_call : a->kind == AST_FILTER ? NODE_filter : NODE_test, a->line, &words);
}

/* ---- scopes and targets ---- */

static uint32_t write_scope(Writer *w, const Scope *s) {
  Words words = {0};
  for (int i = 0; i < s->all.n; i++) {
    const Variable *v = s->all.at[i];
    if (v->begin < 0) continue;
    push(w, &words, v->place);
    push(w, &words, (uint32_t)v->begin);
    if (v->begin == BEGIN_GIVEN) push_name(w, &words, v->name);
    else push(w, &words, v->out), push(w, &words, v->from);
  }
  return words.n ? node(w, NODE_scope, 0, &words) : 0;
}

static uint32_t write_target(Writer *w, Scope *s, const Ast *a) {
  Words words = {0}, variable = {0};
  if (a->kind == AST_MANY) {
    for (int i = 0; i < a->list.n; i++) push(w, &words, write_target(w, s, a->list.at[i]));
    return node(w, NODE_store_tuple, a->line, &words);
  }
  push_variable(w, s, a, &variable);
  if (a->kind == AST_NAME) return push(w, &words, variable.at[1]), node(w, NODE_store, a->line, &words);
  push_name(w, &variable, a->text);
  push_name(w, &variable, a->kid[0]->text);
  return node(w, NODE_store_ns, a->line, &variable);
}

/* ---- statements ---- */

static uint32_t write_text(Writer *w, const Ast *a) {
  Words words = {0};
  push_text(w, &words, a->text, a->n);
  return node(w, NODE_put_text, a->line, &words);
}

static uint32_t write_if(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  push(w, &words, write(w, s, a->kid[0]));
  for (int i = 0; i < a->list.n; i++) {
    push(w, &words, write(w, s, a->list.at[i]));
    push(w, &words, write(w, s, a->args.at[i]));
  }
  return node(w, NODE_if, a->line, &words);
}

static void push_loop(Writer *w, Scope *in, const Ast *a, Words *to) {
  bool extended = a->which || scope_misses(a->kid[3], "loop");
  const Variable *loop = extended ? scope_parameter(w->arena, in, "loop") : NULL;
  scope_target(w->arena, in, a->kid[0]);
  scope_read(w->arena, in, a->kid[3]);
  push(w, to, write_target(w, in, a->kid[0]));
  push(w, to, write_scope(w, in));
  push(w, to, write(w, in, a->kid[3]));
  push(w, to, loop ? loop->place : TREE_NO_SLOT);
}

static void push_loop_test(Writer *w, Scope *in, const Ast *a, Words *to) {
  if (a->kid[2]) scope_target(w->arena, in, a->kid[0]), scope_read(w->arena, in, a->kid[2]);
  push(w, to, a->kid[2] ? write_target(w, in, a->kid[0]) : 0);
  push(w, to, write_scope(w, in));
  push(w, to, write(w, in, a->kid[2]));
}

static uint32_t write_for(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  Places own = {.outer = s->places}, *places = a->which ? &own : s->places;
  push(w, &words, write(w, s, a->kid[1]));
  push_loop(w, scope_new(w->arena, s, places), a, &words);
  push_loop_test(w, scope_new(w->arena, s, places), a, &words);
  Scope *otherwise = scope_new(w->arena, s, places);
  if (a->kid[4]) scope_read(w->arena, otherwise, a->kid[4]);
  push(w, &words, write_scope(w, otherwise));
  push(w, &words, write(w, otherwise, a->kid[4]));
  push(w, &words, a->which);
  push(w, &words, own.n);
  return node(w, NODE_for, a->line, &words);
}

static uint32_t write_set(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  push(w, &words, write_target(w, s, a->kid[0]));
  push(w, &words, write(w, s, a->kid[1]));
  return node(w, NODE_set, a->line, &words);
}

/* A body in a scope of its own; what it puts out goes through a filter, which is read in that scope. */
static void push_captured(Writer *w, Scope *in, const Ast *body, const Ast *filter, bool reads_filter, Words *to) {
  scope_read(w->arena, in, body);
  if (reads_filter) scope_read(w->arena, in, filter);
  uint32_t inner = write(w, in, body), through = write(w, in, filter);
  push(w, to, write_scope(w, in));
  push(w, to, inner);
  push(w, to, through);
}

static uint32_t write_set_block(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  push_captured(w, scope_new(w->arena, s, s->places), a->kid[1], a->kid[2], false, &words);
  push(w, &words, write_target(w, s, a->kid[0]));
  return node(w, NODE_set_block, a->line, &words);
}

static uint32_t write_filter_block(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  push_captured(w, scope_new(w->arena, s, s->places), a->kid[0], a->kid[1], true, &words);
  return node(w, NODE_filter_block, a->line, &words);
}

static uint32_t write_with(Writer *w, Scope *s, const Ast *a) {
  Words words = {0}, targets = {0};
  Scope *in = scope_new(w->arena, s, s->places);
  for (int i = 0; i < a->list.n; i++) scope_target(w->arena, in, a->list.at[i]);
  scope_read(w->arena, in, a->kid[0]);
  for (int i = 0; i < a->list.n; i++) {
    push(w, &targets, write_target(w, in, a->list.at[i]));
    push(w, &targets, write(w, s, a->args.at[i]));
  }
  push(w, &words, write_scope(w, in));
  push(w, &words, write(w, in, a->kid[0]));
  for (int i = 0; i < targets.n; i++) push(w, &words, targets.at[i]);
  return node(w, NODE_with, a->line, &words);
}

/* ---- macros ---- */

static bool has_parameter(const Ast *a, const char *name) {
  for (int i = 0; i < a->list.n; i++)
    if (strcmp(a->list.at[i]->text, name) == 0) return true;
  return false;
}

/* What a macro reads without saying so among its parameters: caller, kwargs, varargs. */
static uint32_t special(Writer *w, Scope *in, const Ast *a, const char *name, uint32_t flag, uint32_t *flags) {
  if (!scope_misses(a->kid[0], name)) return TREE_NO_SLOT;
  if (has_parameter(a, name)) {
    bool has_default = false;
    for (int i = 0; i < a->args.n; i++) has_default |= strcmp(a->list.at[a->list.n - a->args.n + i]->text, name) == 0;
    if (flag != MACRO_CALLER) return TREE_NO_SLOT;
    if (!has_default) w->failed = !diag_error(w->diag, (Loc){.file = w->file, .line = a->line}, "the parameter `caller` of a macro wants a default");
    *flags |= MACRO_CALLER;
    return TREE_NO_SLOT;
  }
  *flags |= flag;
  return scope_parameter(w->arena, in, name)->place;
}

static void push_parameters(Writer *w, Scope *in, const Ast *a, Words *to) {
  push(w, to, (uint32_t)a->list.n);
  for (int i = 0; i < a->list.n; i++) {
    int k = i - (a->list.n - a->args.n);
    uint32_t out;
    push(w, to, scope_find(in, a->list.at[i]->text, &out)->place);
    push_name(w, to, a->list.at[i]->text);
    push(w, to, k < 0 ? 0 : write(w, in, a->args.at[k]));
  }
}

static uint32_t write_macro(Writer *w, Scope *s, const Ast *a) {
  Words words = {0}, parameters = {0};
  Places own = {.outer = s->places};
  Scope *in = scope_new(w->arena, s, &own);
  uint32_t flags = has_parameter(a, "caller") ? MACRO_OWN_CALLER : 0;
  for (int i = 0; i < a->list.n; i++) scope_parameter(w->arena, in, a->list.at[i]->text);
  for (int i = 0; i < a->args.n; i++) scope_read(w->arena, in, a->args.at[i]);
  scope_read(w->arena, in, a->kid[0]);
  uint32_t caller = special(w, in, a, "caller", MACRO_CALLER, &flags), kwargs = special(w, in, a, "kwargs", MACRO_KWARGS, &flags);
  uint32_t varargs = special(w, in, a, "varargs", MACRO_VARARGS, &flags);
  push_parameters(w, in, a, &parameters);
  uint32_t body = write(w, in, a->kid[0]), scope = write_scope(w, in);
  push_name(w, &words, a->text ? a->text : "");
  const uint32_t rest[] = {own.n, flags, scope, body, caller, kwargs, varargs};
  for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) push(w, &words, rest[i]);
  for (int i = 0; i < parameters.n; i++) push(w, &words, parameters.at[i]);
  return node(w, NODE_macro, a->line, &words);
}

static uint32_t write_def_macro(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  uint32_t out;
  push(w, &words, scope_find(s, a->text, &out)->place);
  push(w, &words, write_macro(w, s, a));
  return node(w, NODE_def_macro, a->line, &words);
}

static uint32_t write_call_block(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  if (a->kind == AST_CALL_BLOCK) push(w, &words, write(w, s, a->kid[1]));
  push(w, &words, write_macro(w, s, a));
  return node(w, a->kind == AST_CALL_BLOCK ? NODE_call_block : NODE_generation, a->line, &words);
}

static uint32_t write_put(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  push(w, &words, write(w, s, a->kid[0]));
  return node(w, NODE_put, a->line, &words);
}

static uint32_t write_block(Writer *w, Scope *s, const Ast *a) {
  Words words = {0};
  push_all(w, s, &a->list, &words);
  return node(w, NODE_block, a->line, &words);
}

static uint32_t write(Writer *w, Scope *s, const Ast *a) {
  if (!a) return 0;
  switch (a->kind) {
  case AST_VALUE: return write_value(w, a);
  case AST_NAME:
  case AST_NS: return write_name(w, s, a);
  case AST_MANY: return write_many(w, s, a);
  case AST_PLAIN: return write_plain(w, s, a);
  case AST_COMPARE: return write_compare(w, s, a);
  case AST_ATTR: return write_attribute(w, s, a);
  case AST_CALL:
  case AST_FILTER:
  case AST_TEST: return write_call(w, s, a);
  case AST_PUT_TEXT: return write_text(w, a);
  case AST_PUT: return write_put(w, s, a);
  case AST_BLOCK: return write_block(w, s, a);
  case AST_IF: return write_if(w, s, a);
  case AST_FOR: return write_for(w, s, a);
  case AST_SET: return write_set(w, s, a);
  case AST_SET_BLOCK: return write_set_block(w, s, a);
  case AST_MACRO: return write_def_macro(w, s, a);
  case AST_CALL_BLOCK:
  case AST_GENERATION: return write_call_block(w, s, a);
  case AST_FILTER_BLOCK: return write_filter_block(w, s, a);
  case AST_WITH: return write_with(w, s, a);
  case AST_BREAK: return node(w, NODE_break, a->line, &(Words){0});
  case AST_CONTINUE: return node(w, NODE_continue, a->line, &(Words){0});
  }
  return 0;
}

/* ---- the whole ---- */

static void append_text(Writer *w) {
  for (int i = 0; i < w->text.n; i += 4) {
    uint32_t word = 0;
    for (int k = 0; k < 4 && i + k < w->text.n; k++) word |= (uint32_t)(uint8_t)w->text.at[i + k] << 8 * k;
    vec_push(w->arena, w->out, word);
  }
}

static bool write_tree(Writer *w, const Ast *a) {
  Places places = {0};
  Scope *s = scope_new(w->arena, NULL, &places);
  for (int i = 0; i < TREE_HEADER; i++) vec_push(w->arena, w->out, 0);
  scope_read(w->arena, s, a);
  Words words = {0};
  uint32_t body = write(w, s, a);
  push(w, &words, write_scope(w, s));
  push(w, &words, body);
  uint32_t root = node(w, NODE_with, 1, &words);
  uint32_t *head = w->out->at;
  head[TREE_MAGIC] = TEMPLATE_MAGIC, head[TREE_VERSION] = TEMPLATE_VERSION;
  head[TREE_WORDS] = (uint32_t)w->out->n, head[TREE_TEXT] = (uint32_t)w->text.n;
  head[TREE_ROOT] = root, head[TREE_SLOTS] = places.n;
  append_text(w);
  return !w->failed;
}

bool template_compile(Arena *a, Diag *d, const char *file, const char *text, size_t n, TemplateWords *out) {
  Writer w = {.arena = a, .diag = d, .file = file, .out = out};
  TokenVec tokens = {0};
  if (!template_lex(a, d, file, text, n, &tokens)) return false;
  Ast *tree = template_parse(a, d, file, &tokens);
  return tree && write_tree(&w, tree);
}
