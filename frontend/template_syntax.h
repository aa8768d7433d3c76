/* template_syntax.h -- between the parts that read a chat template: its tokens, and what its statements and expressions say. */
#ifndef LATHE_TEMPLATE_SYNTAX_H
#define LATHE_TEMPLATE_SYNTAX_H

#include <stdint.h>

#include "ir/diag.h"
#include "ir/strmap.h"
#include "runtime/template_tree.h"

/* ---- tokens ---- */

typedef enum TokenKind {
  TOKEN_END,
  TOKEN_DATA,
  TOKEN_BLOCK_BEGIN,
  TOKEN_BLOCK_END,
  TOKEN_VARIABLE_BEGIN,
  TOKEN_VARIABLE_END,
  TOKEN_NAME,
  TOKEN_TEXT,
  TOKEN_INT,
  TOKEN_FLOAT,
  TOKEN_SIGN /* an operator */
} TokenKind;

typedef struct Token {
  TokenKind kind;
  int line;
  const char *text; /* DATA and TEXT: what it says; NAME, SIGN: as it is written, with a zero behind */
  int64_t n;
  int64_t i;
  double f;
} Token;

typedef struct TokenVec {
  Token *at;
  int n, cap;
} TokenVec;

/* Cuts a template in tokens, as Jinja does with trim_blocks and lstrip_blocks; false after a diag_error. */
bool template_lex(Arena *a, Diag *d, const char *file, const char *text, size_t n, TokenVec *out);

/* ---- the syntax tree ---- */

typedef enum AstKind {
  AST_VALUE,   /* NODE_none, true, false, int, float, text */
  AST_NAME,    /* read, or written where it is a target */
  AST_NS,      /* a target: name.attribute */
  AST_MANY,    /* NODE_list, tuple, dict, concat: list */
  AST_PLAIN,   /* NODE_not .. NODE_pow, cond, item, slice: kid[] */
  AST_COMPARE, /* kid[0], list; which of them in `which` */
  AST_ATTR,    /* kid[0], text */
  AST_CALL,    /* kid[0] is called with args */
  AST_FILTER,  /* `which` of kid[0] (NULL: what was captured), args */
  AST_TEST,
  AST_PUT_TEXT,
  AST_PUT,
  AST_BLOCK,
  AST_IF,        /* list: tests; args: what is done then; kid[0]: otherwise */
  AST_FOR,       /* kid: target, values, test, body, otherwise; `which`: recursive */
  AST_SET,       /* kid: target, value */
  AST_SET_BLOCK, /* kid: target, body, filter */
  AST_MACRO,     /* text; kid[0]: body; list: parameters, args: their defaults */
  AST_CALL_BLOCK, /* kid[0]: body; kid[1]: the call */
  AST_GENERATION, /* kid[0]: body */
  AST_FILTER_BLOCK, /* kid: body, filter */
  AST_WITH,      /* kid[0]: body; list: targets; args: values */
  AST_BREAK,
  AST_CONTINUE
} AstKind;

typedef struct AstVec {
  struct Ast **at;
  int n, cap;
} AstVec;

typedef struct Ast {
  AstKind kind;
  TemplateNode node;
  int line;
  uint32_t which;
  const char *text;
  int64_t n, i;
  double f;
  struct Ast *kid[5];
  AstVec list, args; /* args: of a call */
  AstVec named;      /* AST_PLAIN with a text each: kid[0] is its value */
  struct Ast *dynamic[2]; /* *list, **mapping */
} Ast;

/* NULL after a diag_error. */
Ast *template_parse(Arena *a, Diag *d, const char *file, const TokenVec *tokens);

/* A comparison's, in a tree. */
enum { COMPARE_EQ, COMPARE_NE, COMPARE_LT, COMPARE_LE, COMPARE_GT, COMPARE_GE, COMPARE_IN, COMPARE_NOT_IN };

/* ---- scopes ---- */

/* What runs with places for variables of its own: the template, a macro, the body of a recursive loop. */
typedef struct Places {
  struct Places *outer;
  uint32_t n;
} Places;

typedef struct Variable {
  const char *name;
  uint32_t place;
  int begin; /* BEGIN_...; -1: it is set when the scope begins */
  uint32_t out, from; /* BEGIN_OUTER */
} Variable;

typedef struct Scope {
  struct Scope *outer;
  Places *places;
  StrMap names; /* to Variable */
  VEC(Variable *) all;
} Scope;

Scope *scope_new(Arena *a, Scope *outer, Places *places);
/* A variable that has a value when the scope begins. */
Variable *scope_parameter(Arena *a, Scope *s, const char *name);
/* NULL: no scope has it. How many functions outward it is. */
const Variable *scope_find(const Scope *s, const char *name, uint32_t *out);
/* Finds out what a body reads and sets; what it holds of loops and macros has scopes of its own. */
void scope_read(Arena *a, Scope *s, const Ast *body);
void scope_target(Arena *a, Scope *s, const Ast *target);
/* Is the name read in there, and not first set? */
bool scope_misses(const Ast *body, const char *name);

#endif
