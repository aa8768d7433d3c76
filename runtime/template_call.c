/* template_call.c -- what templates can call besides macros: functions, methods of loops and cyclers; and how arguments meet parameters. */
#include "runtime/template_part.h"

#define UNSET ((Json){.kind = VALUE_UNSET})

/* ---- arguments ---- */

/* Which of the names, with commas between, it is; or -1. */
static int parameter_at(const char *names, Json name) {
  int i = 0;
  for (const char *s = names; *s; i++) {
    size_t n = 0;
    while (s[n] && s[n] != ',') n++;
    bool same = n == name.n;
    for (size_t k = 0; same && k < n; k++) same = s[k] == name.text[k];
    if (same) return i;
    s += n + (s[n] == ',');
  }
  return -1;
}

static int count_parameters(const char *names) {
  int n = *names != 0;
  for (; *names; names++) n += *names == ',';
  return n;
}

bool args_bind(Eval *e, const char *who, const char *parameters, uint32_t least, const Args *a, Json out[MOST_PARAMETERS]) {
  uint32_t n = (uint32_t)count_parameters(parameters);
  for (uint32_t i = 0; i < MOST_PARAMETERS; i++) out[i] = i < a->n && i < n ? a->at[i] : UNSET;
  if (a->n > n) eval_fail(e, "`%s` takes %d arguments, and %d are given", who, (int64_t)n, (int64_t)a->n);
  for (uint32_t i = 0; i < a->n_named && !e->failed; i++) {
    int k = parameter_at(parameters, a->named[i].key);
    if (k < 0) eval_fail(e, "`%s` has no parameter of an argument's name", who);
    else if (out[k].kind != VALUE_UNSET) eval_fail(e, "an argument of `%s` is given twice", who);
    else out[k] = a->named[i].value;
  }
  for (uint32_t i = 0; i < least && !e->failed; i++)
    if (out[i].kind == VALUE_UNSET) eval_fail(e, "`%s` wants at least %d arguments", who, (int64_t)least);
  return !e->failed;
}

/* ---- functions ---- */

#define FUNCTIONS(F) F(range) F(dict) F(namespace) F(raise_exception) F(strftime_now) F(joiner) F(cycler)

/* list or dict of pairs, and named arguments. */
static Json members(Eval *e, const Args *a, JsonMember **out, uint32_t *n) {
  Json from = a->n ? a->at[0] : NOTHING, pairs = NOTHING;
  if (a->n > 1) return eval_fail(e, "a dict is made of one value at most");
  if (a->n && from.kind == JSON_OBJECT) from = (Json){.kind = VALUE_VIEW, .of = VIEW_ITEMS, .object = from.object};
  if (a->n) pairs = value_collect(e, from);
  *n = 0;
  JsonMember *m = eval_take(e, (size_t)(a->n ? pairs.n : 0) + a->n_named, sizeof *m);
  for (uint32_t i = 0; m && a->n && i < pairs.n && !e->failed; i++) {
    Json pair = value_collect(e, pairs.at[i]);
    if (e->failed) break;
    if (pair.n != 2 || !value_hashable(pair.at[0])) return eval_fail(e, "a dict is made of pairs of a key and a value");
    uint32_t k = 0;
    while (k < *n && eval_charge(e, 1) && !value_equal(e, m[k].key, pair.at[0])) k++;
    if (k == *n) m[(*n)++].key = pair.at[0];
    m[k].value = pair.at[1];
  }
  for (uint32_t i = 0; m && i < a->n_named; i++) m[(*n)++] = a->named[i];
  *out = m;
  return NOTHING;
}

static Json function_dict(Eval *e, const Args *a) {
  JsonMember *m = NULL;
  uint32_t n = 0;
  members(e, a, &m, &n);
  JsonObject *o = e->failed ? NULL : json_object_of(e->room, m, n);
  if (!o) return eval_fail(e, "the template needs more memory than it may have");
  return (Json){.kind = JSON_OBJECT, .object = o};
}

static Json function_namespace(Eval *e, const Args *a) {
  Json d = function_dict(e, a);
  Namespace *ns = eval_take(e, 1, sizeof *ns);
  if (!ns) return NOTHING;
  *ns = (Namespace){.member = d.object->member, .n = d.object->n, .room = d.object->n};
  return value_other(VALUE_NAMESPACE, ns);
}

enum { LONGEST_RANGE = 100000 };

static Json function_range(Eval *e, const Args *a) {
  int64_t v[3] = {0, 0, 1};
  if (a->n < 1 || a->n > 3 || a->n_named) return eval_fail(e, "`range` takes one to three whole numbers");
  for (uint32_t i = 0; i < a->n; i++)
    if (!value_index(e, a->at[i], &v[a->n == 1 ? 1 : i])) return NOTHING;
  if (v[2] == 0) return eval_fail(e, "the step of a range cannot be zero");
  uint64_t between = v[2] > 0 ? (v[1] > v[0] ? (uint64_t)v[1] - (uint64_t)v[0] : 0) : v[1] < v[0] ? (uint64_t)v[0] - (uint64_t)v[1] : 0;
  uint64_t step = v[2] > 0 ? (uint64_t)v[2] : 0 - (uint64_t)v[2], n = between ? (between - 1) / step + 1 : 0;
  if (n > LONGEST_RANGE) return eval_fail(e, "a range has at most %d numbers", (int64_t)LONGEST_RANGE);
  Range *r = eval_take(e, 1, sizeof *r);
  if (!r) return NOTHING;
  *r = (Range){.start = v[0], .stop = v[1], .step = v[2], .n = (int64_t)n};
  return value_other(VALUE_RANGE, r);
}

static Json function_raise_exception(Eval *e, const Args *a) {
  Json out[MOST_PARAMETERS];
  char why[480];
  if (!args_bind(e, "raise_exception", "message", 1, a, out)) return NOTHING;
  Json text = value_str(e, out[0]);
  TextRoom o = {.at = why, .size = sizeof why - 1};
  if (!e->failed) room_bytes(&o, text.text, text.n);
  why[o.n] = 0;
  return eval_fail(e, "%s", why);
}

static Json function_strftime_now(Eval *e, const Args *a) {
  Json out[MOST_PARAMETERS];
  if (!args_bind(e, "strftime_now", "format", 1, a, out)) return NOTHING;
  return format_time(e, out[0], e->call->local_time);
}

static Json function_joiner(Eval *e, const Args *a) {
  Json out[MOST_PARAMETERS];
  Joiner *j = eval_take(e, 1, sizeof *j);
  if (!j || !args_bind(e, "joiner", "sep", 0, a, out)) return NOTHING;
  *j = (Joiner){.between = out[0].kind == VALUE_UNSET ? value_c(", ") : out[0]};
  return value_other(VALUE_JOINER, j);
}

static Json function_cycler(Eval *e, const Args *a) {
  Cycler *c = eval_take(e, 1, sizeof *c);
  if (!a->n || a->n_named) return eval_fail(e, "`cycler` wants one value at least");
  if (!c) return NOTHING;
  *c = (Cycler){.at = a->at, .n = a->n};
  return value_other(VALUE_CYCLER, c);
}

static const struct {
  const char *name;
  Json (*call)(Eval *, const Args *);
} functions[] = {
#define FUNCTION(name) {#name, function_##name},
    FUNCTIONS(FUNCTION)
#undef FUNCTION
};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

Json function_find(const char *name, size_t n) {
  for (uint32_t i = 0; i < N_FUNCTIONS; i++)
    if (name_is(name, n, functions[i].name)) return (Json){.kind = VALUE_FUNCTION, .of = (uint16_t)i};
  return UNSET;
}

Json call_function(Eval *e, uint32_t which, const Args *a) { return which < N_FUNCTIONS ? functions[which].call(e, a) : eval_fail(e, "there is no such function"); }

/* ---- loops ---- */

int64_t loop_length(Eval *e, Loop *l) {
  if (l->length >= 0) return l->length;
  bool counted = !l->tested && l->cursor.of.kind != VALUE_ITERATOR;
  if (counted) return l->length = value_length(e, l->cursor.of);
  size_t most = cursor_left(&l->cursor), n = 0;
  Json *rest = eval_take(e, most, sizeof *rest);
  while (rest && n < most && loop_fetch(e, l, &rest[n])) n++;
  if (e->failed) return 0;
  l->cursor = (Cursor){.of = value_list(rest, n)};
  l->tested = false;
  return l->length = (int64_t)n + l->index0 + 1 + l->has_next;
}

static bool peek(Eval *e, Loop *l) {
  if (!l->has_next) l->has_next = loop_fetch(e, l, &l->next);
  return l->has_next;
}

Json loop_attr(Eval *e, Loop *l, const char *name, size_t n) {
  if (name_is(name, n, "index")) return value_int(l->index0 + 1);
  if (name_is(name, n, "index0")) return value_int(l->index0);
  if (name_is(name, n, "first")) return value_bool(l->index0 == 0);
  if (name_is(name, n, "last")) return value_bool(!peek(e, l));
  if (name_is(name, n, "length")) return value_int(loop_length(e, l));
  if (name_is(name, n, "revindex")) return value_int(loop_length(e, l) - l->index0);
  if (name_is(name, n, "revindex0")) return value_int(loop_length(e, l) - l->index0 - 1);
  if (name_is(name, n, "previtem")) return l->index0 == 0 ? value_undefined("there is no previous item") : l->before;
  if (name_is(name, n, "nextitem")) return peek(e, l) ? l->next : value_undefined("there is no next item");
  if (name_is(name, n, "depth")) return value_int(l->depth0 + 1);
  if (name_is(name, n, "depth0")) return value_int(l->depth0);
  return UNSET;
}

/* ---- calls ---- */

static Json call_joiner(Eval *e, Joiner *j, const Args *a) {
  if (a->n || a->n_named) return eval_fail(e, "a joiner takes no arguments");
  bool used = j->used;
  return j->used = true, used ? j->between : json_text("", 0);
}

Json call_value(Eval *e, Json callee, const Args *a) {
  switch (callee.kind) {
  case VALUE_MACRO: return macro_call(e, callee.other, a);
  case VALUE_FUNCTION: return call_function(e, callee.of, a);
  case VALUE_METHOD: return call_method(e, callee.of, *(const Json *)callee.other, a);
  case VALUE_LOOP: return loop_recurse(e, (Loop *)(uintptr_t)callee.other, a);
  case VALUE_JOINER: return call_joiner(e, (Joiner *)(uintptr_t)callee.other, a);
  case VALUE_UNDEFINED: return number_binary(e, NODE_add, callee, callee);
  default: return eval_fail(e, "a %s cannot be called", value_type(callee));
  }
}
