/* template_scope.c -- which variables a template's scopes have, and what they begin with.
 *
 * Jinja decides this before a template runs, and what it decides shows: a name that a loop's body sets is the loop's own, and begins in each
 * turn as what it is outside; one that is set at the top of the template is unset before, even if the caller gave it, unless it is
 * read first or only set under a condition. */
#include "frontend/template_syntax.h"

Scope *scope_new(Arena *a, Scope *outer, Places *places) {
  Scope *s = ARENA_NEW(a, Scope);
  s->outer = outer;
  s->places = places;
  return s;
}

static Variable *add(Arena *a, Scope *s, const char *name, int begin) {
  Variable *v = ARENA_NEW(a, Variable);
  *v = (Variable){.name = name, .place = s->places->n++, .begin = begin};
  strmap_add(a, &s->names, name, v);
  vec_push(a, &s->all, v);
  return v;
}

enum { PARAMETER = -1 };

Variable *scope_parameter(Arena *a, Scope *s, const char *name) {
  Variable *v = strmap_get(&s->names, name);
  if (!v) return add(a, s, name, PARAMETER);
  v->begin = PARAMETER;
  return v;
}

const Variable *scope_find(const Scope *s, const char *name, uint32_t *out) {
  for (*out = 0; s; s = s->outer) {
    const Variable *v = strmap_get(&s->names, name);
    if (v) return v;
    if (s->outer && s->outer->places != s->places) ++*out;
  }
  return NULL;
}

static void read_name(Arena *a, Scope *s, const char *name) {
  uint32_t out;
  if (!scope_find(s, name, &out)) add(a, s, name, BEGIN_GIVEN);
}

static void set_name(Arena *a, Scope *s, const char *name, bool maybe) {
  uint32_t out;
  if (strmap_get(&s->names, name)) return;
  const Variable *outer = scope_find(s, name, &out);
  Variable *v = add(a, s, name, outer ? BEGIN_OUTER : maybe ? BEGIN_GIVEN : BEGIN_UNSET);
  if (outer) v->out = out, v->from = outer->place;
}

void scope_target(Arena *a, Scope *s, const Ast *t) {
  for (int i = 0; i < t->list.n; i++) scope_target(a, s, t->list.at[i]);
  if (t->kind == AST_NAME) scope_parameter(a, s, t->text);
}

typedef struct Reader {
  Arena *arena;
  Scope *scope;
} Reader;

static void read(Reader *r, const Ast *a, bool maybe);

static void read_all(Reader *r, const AstVec *v, bool maybe) {
  for (int i = 0; i < v->n; i++) read(r, v->at[i], maybe);
}

static void read_target(Reader *r, const Ast *t, bool maybe) {
  for (int i = 0; i < t->list.n; i++) read_target(r, t->list.at[i], maybe);
  if (t->kind == AST_NAME) set_name(r->arena, r->scope, t->text, maybe);
  if (t->kind == AST_NS) read_name(r->arena, r->scope, t->text);
}

static void read_kids(Reader *r, const Ast *a, bool maybe) {
  for (int i = 0; i < 5; i++) read(r, a->kid[i], maybe);
  read_all(r, &a->list, maybe);
  read_all(r, &a->args, maybe);
  read_all(r, &a->named, maybe);
  for (int i = 0; i < 2; i++) read(r, a->dynamic[i], maybe);
}

/* An AST_IF's parts may not run. */
static void read_if(Reader *r, const Ast *a) {
  for (int i = 0; i < a->list.n; i++) {
    read(r, a->list.at[i], true);
    read(r, a->args.at[i], true);
  }
  read(r, a->kid[0], true);
}

static void read(Reader *r, const Ast *a, bool maybe) {
  if (!a) return;
  switch (a->kind) {
  case AST_NAME: read_name(r->arena, r->scope, a->text); break;
  case AST_SET: read(r, a->kid[1], maybe), read_target(r, a->kid[0], maybe); break;
  case AST_SET_BLOCK: read_target(r, a->kid[0], maybe); break;
  case AST_IF: read_if(r, a); break;
  case AST_FOR:
  case AST_CALL_BLOCK:
  case AST_FILTER_BLOCK: read(r, a->kid[1], maybe); break; /* the rest has a scope of its own */
  case AST_MACRO: set_name(r->arena, r->scope, a->text, maybe); break;
  case AST_WITH: read_all(r, &a->args, maybe); break;
  case AST_GENERATION: break;
  default: read_kids(r, a, maybe);
  }
}

void scope_read(Arena *a, Scope *s, const Ast *body) {
  Reader r = {a, s};
  read(&r, body, false);
}

/* ---- names that a body needs from outside ---- */

typedef enum Seen { SEEN_NOT, SEEN_READ, SEEN_SET } Seen;

static Seen look(const Ast *a, const char *name, bool target);

static Seen look_all(const AstVec *v, const char *name, bool target) {
  Seen seen = SEEN_NOT;
  for (int i = 0; i < v->n && seen == SEEN_NOT; i++) seen = look(v->at[i], name, target);
  return seen;
}

/* A name, in whatever is within; the order is that of the template. */
static Seen look(const Ast *a, const char *name, bool target) {
  if (!a) return SEEN_NOT;
  if (a->kind == AST_NAME) return strcmp(a->text, name) != 0 ? SEEN_NOT : target ? SEEN_SET : SEEN_READ;
  if (a->kind == AST_NS) return SEEN_NOT;
  bool macro = a->kind == AST_MACRO || a->kind == AST_CALL_BLOCK || a->kind == AST_WITH;
  bool sets = a->kind == AST_FOR || a->kind == AST_SET || a->kind == AST_SET_BLOCK;
  Seen seen = macro ? look_all(&a->list, name, true) : SEEN_NOT;
  if (a->kind == AST_CALL_BLOCK) seen = seen ? seen : look(a->kid[1], name, false);
  for (int i = 0; i < 5 && seen == SEEN_NOT; i++) seen = look(a->kid[i], name, target || (sets && i == 0));
  if (!macro && seen == SEEN_NOT) seen = look_all(&a->list, name, target);
  if (seen == SEEN_NOT) seen = look_all(&a->args, name, false);
  if (seen == SEEN_NOT) seen = look_all(&a->named, name, false);
  for (int i = 0; i < 2 && seen == SEEN_NOT; i++) seen = look(a->dynamic[i], name, false);
  return seen;
}

bool scope_misses(const Ast *body, const char *name) { return look(body, name, false) == SEEN_READ; }
