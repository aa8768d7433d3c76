/* template_part.h -- between the parts of the evaluator of templates. */
#ifndef LRT_TEMPLATE_PART_H
#define LRT_TEMPLATE_PART_H

#include "runtime/template.h"
#include "runtime/template_tree.h"

/* Values are Json, and these kinds more. */
typedef enum ValueKind {
  VALUE_UNDEFINED = JSON_KINDS, /* text: why */
  VALUE_UNSET,                  /* in a variable's place */
  VALUE_RANGE,                  /* other: Range */
  VALUE_ITERATOR,               /* other: Iterator */
  VALUE_VIEW,                   /* of an object: its keys, values or items, as `of` says */
  VALUE_NAMESPACE,              /* other: Namespace */
  VALUE_MACRO,                  /* other: Macro */
  VALUE_FUNCTION,               /* of: which */
  VALUE_METHOD,                 /* of: which; other: whose, a Json */
  VALUE_LOOP,                   /* other: Loop */
  VALUE_JOINER,
  VALUE_CYCLER
} ValueKind;

enum { VIEW_KEYS, VIEW_VALUES, VIEW_ITEMS };
enum { VALUE_GROUP = 4 }; /* a flag of tuples that groupby makes: the first is called grouper, the second list */

typedef struct Range {
  int64_t start, stop, step, n;
} Range;

/* What is gone through once: filters make such. */
typedef struct Iterator {
  const char *type;
  Json list;
  uint32_t i;
} Iterator;

typedef struct Namespace {
  JsonMember *member;
  uint32_t n, room;
} Namespace;

typedef struct Frame {
  struct Frame *outer;
  uint32_t n;
  Json slot[];
} Frame;

typedef struct Macro {
  uint32_t node;
  Frame *frame; /* where it was defined */
} Macro;

/* Where one is in a list, or another value that has items. */
typedef struct Cursor {
  Json of;
  size_t i; /* of items; of bytes in a text */
} Cursor;

typedef struct Loop {
  Cursor cursor;
  uint32_t node;
  bool tested, has_next, has_changed;
  int64_t index0, length; /* length: -1 until somebody asks */
  int64_t depth0;
  Json now, before, next, changed;
  Frame *frame; /* of the loop */
  Frame *outer; /* of what stands around a recursive one */
} Loop;

typedef struct Cycler {
  const Json *at;
  uint32_t n, i;
} Cycler;

typedef struct Joiner {
  Json between;
  bool used;
} Joiner;

typedef struct Args {
  const Json *at;
  uint32_t n, n_named;
  const JsonMember *named;
} Args;

typedef struct Eval {
  const uint32_t *at; /* nodes */
  size_t words, n_text;
  const char *text;
  const TemplateCall *call;
  Room *room;
  TextRoom *out;
  TemplateError *why;
  bool failed;
  int depth;
  int64_t steps;
  uint32_t line;
  Frame *frame;
  Json captured, nowhere; /* nowhere: what a damaged tree writes to */
  const char *text_end; /* of the text that was made last, which may be made longer where it is */
} Eval;

/* ---- template_value.c ---- */

#define NOTHING ((Json){.kind = JSON_NULL})

/* Notes the first error. Returns undefined. */
Json eval_fail(Eval *e, const char *fmt, ...);
/* Counts work; false after an error when it is too much. */
bool eval_charge(Eval *e, size_t steps);
void *eval_take(Eval *e, size_t n, size_t size);

static inline Json value_bool(bool b) { return (Json){.kind = JSON_BOOL, .b = b}; }
static inline Json value_int(int64_t i) { return (Json){.kind = JSON_INT, .i = i}; }
static inline Json value_float(double f) { return (Json){.kind = JSON_FLOAT, .f = f}; }
static inline Json value_list(const Json *at, size_t n) { return (Json){.kind = JSON_LIST, .n = (uint32_t)n, .at = at}; }
static inline Json value_tuple(const Json *at, size_t n) { return (Json){.kind = JSON_LIST, .flags = JSON_TUPLE, .n = (uint32_t)n, .at = at}; }
static inline Json value_other(ValueKind kind, const void *other) { return (Json){.kind = (uint8_t)kind, .other = other}; }
static inline bool value_is_text(Json v) { return v.kind == JSON_TEXT; }
static inline bool value_is_int(Json v) { return v.kind == JSON_INT || v.kind == JSON_BOOL; }
static inline bool value_is_number(Json v) { return value_is_int(v) || v.kind == JSON_FLOAT; }
static inline int64_t value_whole(Json v) { return v.kind == JSON_BOOL ? v.b : v.i; }
static inline double value_number(Json v) { return v.kind == JSON_FLOAT ? v.f : (double)value_whole(v); }
Json value_undefined(const char *why);
Json value_undefined_name(Eval *e, const char *name, size_t n, const char *why);
Json value_c(const char *text);
Json value_iterator(Eval *e, Json list, const char *type);
const char *value_type(Json v);
bool value_true(Eval *e, Json v);
bool value_equal(Eval *e, Json a, Json b);
/* -1, 0, 1; fails where there is no order. */
int value_order(Eval *e, Json a, Json b);
bool value_contains(Eval *e, Json all, Json one);
int64_t value_length(Eval *e, Json v); /* -1 after an error */
bool value_has_length(Json v);
bool value_hashable(Json v);
/* Whole numbers, also as true and false; false after an error. */
bool value_index(Eval *e, Json v, int64_t *out);
const Json *value_member(Eval *e, Json object, Json key);

/* Fails where there are no items. */
bool cursor_open(Eval *e, Json v, Cursor *c);
bool cursor_next(Eval *e, Cursor *c, Json *out);
size_t cursor_left(const Cursor *c);
bool value_iterable(Json v);
/* All items as a list. */
Json value_collect(Eval *e, Json v);

/* ---- template_text.c ---- */

/* A text is made in all that is free of the room; nothing else may be taken before it ends. */
TextRoom text_begin(Eval *e);
Json text_end(Eval *e, const TextRoom *o);
Json text_copy(Eval *e, const char *at, size_t n);
Json text_join(Eval *e, Json a, Json b);
void put_str(Eval *e, TextRoom *o, Json v);
void put_repr(Eval *e, TextRoom *o, Json v);
Json value_str(Eval *e, Json v);
Json value_escape(Eval *e, Json v);
/* Where `part` begins in a text from a byte on, or -1. */
int64_t text_find(Eval *e, Json in, Json part, size_t from);
Json text_strip(Eval *e, Json v, const Json *chars, bool left, bool right);
Json text_case(Eval *e, Json v, int how);
enum { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_CAPITALIZE, CASE_SWAP };
Json text_replace(Eval *e, Json v, Json old, Json new, int64_t count);
Json text_slice(Eval *e, Json v, int64_t from, int64_t n, int64_t step);
Json text_char(Json v, int64_t i);
Json text_lines(Eval *e, Json v, bool keep);
Json text_join_all(Eval *e, Json between, Json list, bool strict);
bool text_float(Json v, double *out);

/* ---- template_number.c ---- */

Json number_binary(Eval *e, TemplateNode op, Json a, Json b);
Json number_round(Eval *e, Json v, int64_t digits);
double number_floor(double v);
Json number_of_float(Eval *e, double v); /* truncated */

/* ---- template_format.c ---- */

Json format_percent(Eval *e, Json format, Json values, const Args *named);
Json format_braces(Eval *e, Json format, const Args *args);
Json format_time(Eval *e, Json format, int64_t microseconds);

/* ---- template_item.c ---- */

Json item_attr(Eval *e, Json v, const char *name, size_t n);
Json item_get(Eval *e, Json v, Json key);
Json item_slice(Eval *e, Json v, Json from, Json to, Json step);
/* By dotted paths, as filters take them. */
Json item_path(Eval *e, Json v, Json path, const Json *otherwise);

/* ---- template_call.c and others ---- */

/* Arguments by the names of their parameters; those that are not given are VALUE_UNSET. */
enum { MOST_PARAMETERS = 4 };
bool args_bind(Eval *e, const char *who, const char *parameters, uint32_t least, const Args *a, Json out[MOST_PARAMETERS]);
Json call_value(Eval *e, Json callee, const Args *a);
Json call_function(Eval *e, uint32_t which, const Args *a);
Json call_method(Eval *e, uint32_t which, Json self, const Args *a);
/* The method of a value, or VALUE_UNSET. */
Json method_find(Eval *e, Json v, const char *name, size_t n);
Json function_find(const char *name, size_t n);
Json call_filter(Eval *e, uint32_t which, Json v, const Args *a);
bool call_test(Eval *e, uint32_t which, Json v, const Args *a);
bool filter_find(Json name, uint32_t *which);
bool test_find(Json name, uint32_t *which);
const char *filter_name(uint32_t which);
const char *test_name(uint32_t which);
Json loop_attr(Eval *e, Loop *l, const char *name, size_t n); /* VALUE_UNSET: it has none */
int64_t loop_length(Eval *e, Loop *l);
/* The next item that passes the loop's test. */
bool loop_fetch(Eval *e, Loop *l, Json *out);
Json loop_recurse(Eval *e, Loop *l, const Args *a);
Json macro_call(Eval *e, const Macro *m, const Args *a);

static inline bool name_is(const char *name, size_t n, const char *s) {
  for (size_t i = 0; i < n; i++)
    if (!s[i] || s[i] != name[i]) return false;
  return !s[n];
}

#endif
