/* template.c -- walks over a chat template's tree and puts out what it says. */
#include "runtime/template.h"

#include "runtime/facts.h"
#include "runtime/template_part.h"
#include "runtime/words.h"

typedef enum Flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } Flow;

enum { DEEPEST = 800 }; /* nodes within one another, macros that call each other among them */

static Json eval(Eval *e, uint32_t at);
static Flow run(Eval *e, uint32_t at);

/* ---- the tree ---- */

bool template_open_words(Template *t, const uint32_t *at, size_t n) {
  *t = (Template){.at = at, .n = n};
  return n >= TREE_HEADER && at[TREE_MAGIC] == TEMPLATE_MAGIC && at[TREE_VERSION] == TEMPLATE_VERSION && at[TREE_WORDS] <= n &&
         at[TREE_TEXT] <= (n - at[TREE_WORDS]) * 4;
}

bool template_open(Template *t, const lrt_model *m, bool tools) {
  const lrt_fact *f = tools ? fact_find(m, "tool_template", LRT_i32) : NULL;
  if (!f) f = fact_find(m, "chat_template", LRT_i32);
  return f && template_open_words(t, f->at, (size_t)f->n);
}

static Json damaged(Eval *e) { return eval_fail(e, "the template is damaged"); }

/* A node's kind; NODE_kinds where there is none. */
static TemplateNode kind_of(Eval *e, uint32_t at) {
  if (at < TREE_HEADER || at >= e->words || e->words - at < 2 || e->at[at] >> 8 > e->words - at - 2) return NODE_kinds;
  return (TemplateNode)(e->at[at] & 0xff);
}

static uint32_t count_of(const Eval *e, uint32_t at) { return e->at[at] >> 8; }

/* A word of a node that is one. */
static uint32_t word(Eval *e, uint32_t at, uint32_t i) {
  if (i < count_of(e, at)) return e->at[at + 2 + i];
  damaged(e);
  return 0;
}

static Json text_at(Eval *e, uint32_t at, uint32_t i) {
  uint32_t from = word(e, at, i), n = word(e, at, i + 1);
  if (from <= e->n_text && n <= e->n_text - from) return json_text(e->text + from, n);
  damaged(e);
  return json_text("", 0);
}

static bool enter(Eval *e, uint32_t at) {
  e->depth++;
  if (kind_of(e, at) >= NODE_kinds) return damaged(e), false;
  if (e->at[at + 1]) e->line = e->at[at + 1];
  if (e->depth > DEEPEST) eval_fail(e, "more than %d expressions and blocks within one another", (int64_t)DEEPEST);
  return eval_charge(e, 1);
}

/* ---- variables ---- */

static Json *place(Eval *e, uint32_t out, uint32_t i) {
  Frame *f = e->frame;
  for (; out && f; out--) f = f->outer;
  if (f && i < f->n) return &f->slot[i];
  damaged(e);
  return &e->nowhere;
}

static Frame *frame_new(Eval *e, Frame *outer, uint32_t n) {
  Frame *f = n < 1 << 20 ? eval_take(e, 1, sizeof *f + n * sizeof *f->slot) : NULL;
  if (!f) return damaged(e), NULL;
  f->outer = outer;
  f->n = n;
  for (uint32_t i = 0; i < n; i++) f->slot[i] = (Json){.kind = VALUE_UNSET};
  return f;
}

/* What the caller gave. */
static Json given(const Eval *e, Json name) {
  const TemplateCall *c = e->call;
  for (uint32_t i = 0; i < c->n_more; i++)
    if (json_same_text(&c->more[i].key, &name)) return c->more[i].value;
  if (name_is(name.text, name.n, "messages")) return c->messages;
  if (name_is(name.text, name.n, "tools")) return c->tools;
  if (name_is(name.text, name.n, "documents")) return NOTHING;
  if (name_is(name.text, name.n, "add_generation_prompt")) return value_bool(c->add_generation_prompt);
  return function_find(name.text, name.n);
}

static void begin_scope(Eval *e, uint32_t at) {
  if (!at || e->failed) return;
  if (kind_of(e, at) != NODE_scope) damaged(e);
  for (uint32_t i = 0; !e->failed && i + 3 < count_of(e, at); i += 4) {
    uint32_t how = word(e, at, i + 1);
    Json v = {.kind = VALUE_UNSET};
    if (how == BEGIN_GIVEN) v = given(e, text_at(e, at, i + 2));
    if (how == BEGIN_OUTER) v = *place(e, word(e, at, i + 2), word(e, at, i + 3));
    *place(e, 0, word(e, at, i)) = v;
  }
}

static Json read_name(Eval *e, uint32_t at) {
  Json v = *place(e, word(e, at, 0), word(e, at, 1)), name = text_at(e, at, 2);
  return v.kind == VALUE_UNSET ? value_undefined_name(e, name.text, name.n, "` is undefined") : v;
}

/* ---- expressions ---- */

static uint64_t wide(Eval *e, uint32_t at) { return word(e, at, 0) | (uint64_t)word(e, at, 1) << 32; }

static Json eval_many(Eval *e, uint32_t at, bool tuple) {
  uint32_t n = count_of(e, at);
  Json *v = eval_take(e, n, sizeof *v);
  for (uint32_t i = 0; v && i < n && !e->failed; i++) v[i] = eval(e, word(e, at, i));
  return e->failed ? NOTHING : tuple ? value_tuple(v, n) : value_list(v, n);
}

static Json eval_dict(Eval *e, uint32_t at) {
  uint32_t n = count_of(e, at) / 2, made = 0;
  JsonMember *m = eval_take(e, n, sizeof *m);
  for (uint32_t i = 0; m && i < n && !e->failed; i++) {
    Json key = eval(e, word(e, at, 2 * i)), value = eval(e, word(e, at, 2 * i + 1));
    if (!value_hashable(key)) eval_fail(e, "a %s is no key of a dict", value_type(key));
    uint32_t k = 0;
    if (key.kind == JSON_TEXT) k = made; /* json_object_of() finds texts that come again */
    else while (k < made && eval_charge(e, 1) && !value_equal(e, m[k].key, key)) k++;
    if (k == made) m[made++].key = key;
    m[k].value = value;
  }
  JsonObject *o = e->failed ? NULL : json_object_of(e->room, m, made);
  if (!o) eval_fail(e, "the template needs more memory than it may have");
  return (Json){.kind = JSON_OBJECT, .object = o};
}

static Json eval_sign(Eval *e, uint32_t at, bool minus) {
  Json v = eval(e, word(e, at, 0));
  if (e->failed) return NOTHING;
  if (v.kind == JSON_FLOAT) return value_float(minus ? -v.f : v.f);
  if (!value_is_int(v)) return eval_fail(e, "a %s has no sign", value_type(v));
  return minus ? number_binary(e, NODE_sub, value_int(0), v) : value_int(value_whole(v));
}

static Json eval_logic(Eval *e, uint32_t at, bool is_or) {
  Json v = eval(e, word(e, at, 0));
  return e->failed || value_true(e, v) == is_or ? v : eval(e, word(e, at, 1));
}

static Json eval_binary(Eval *e, uint32_t at, TemplateNode op) {
  Json a = eval(e, word(e, at, 0)), b = e->failed ? NOTHING : eval(e, word(e, at, 1));
  return e->failed ? NOTHING : number_binary(e, op, a, b);
}

/* What is joined are texts without more ado: no escapes. */
static Json eval_concat(Eval *e, uint32_t at) {
  Json all = json_text("", 0);
  for (uint32_t i = 0; i < count_of(e, at) && !e->failed; i++) {
    Json v = eval(e, word(e, at, i));
    v = e->failed ? NOTHING : value_str(e, v);
    v.flags = 0;
    all = e->failed ? NOTHING : text_join(e, all, v);
  }
  return all;
}

enum { EQ, NE, LT, LE, GT, GE, IN, NOT_IN };

static bool compare(Eval *e, uint32_t which, Json a, Json b) {
  if (which == EQ || which == NE) return value_equal(e, a, b) == (which == EQ);
  if (which == IN || which == NOT_IN) return value_contains(e, b, a) == (which == IN);
  int order = value_order(e, a, b);
  if (order == 2) return false; /* what is no number */
  return which == LT ? order < 0 : which == LE ? order <= 0 : which == GT ? order > 0 : order >= 0;
}

static Json eval_compare(Eval *e, uint32_t at) {
  Json a = eval(e, word(e, at, 0));
  bool good = true;
  for (uint32_t i = 1; good && i + 1 < count_of(e, at) && !e->failed; i += 2) {
    Json b = eval(e, word(e, at, i + 1));
    good = !e->failed && compare(e, word(e, at, i), a, b);
    a = b;
  }
  return value_bool(good);
}

static Json eval_cond(Eval *e, uint32_t at) {
  Json test = eval(e, word(e, at, 0));
  if (e->failed) return NOTHING;
  if (value_true(e, test)) return eval(e, word(e, at, 1));
  uint32_t otherwise = word(e, at, 2);
  return otherwise ? eval(e, otherwise) : value_undefined("the inline if has no else, and its condition is false");
}

static Json eval_slice(Eval *e, uint32_t at) {
  Json part[4];
  for (uint32_t i = 0; i < 4 && !e->failed; i++) {
    uint32_t child = word(e, at, i);
    part[i] = child ? eval(e, child) : NOTHING;
  }
  return e->failed ? NOTHING : item_slice(e, part[0], part[1], part[2], part[3]);
}

/* ---- calls ---- */

/* Arguments behind one star, appended to those that are there. */
static void more_values(Eval *e, Args *a, Json from) {
  Json all = value_collect(e, from);
  if (e->failed) return;
  Json both = number_binary(e, NODE_add, value_list(a->at, a->n), all);
  a->at = both.at, a->n = both.n;
}

/* And behind two. `named` has room for them. */
static void more_named(Eval *e, Args *a, JsonMember *named, Json from) {
  if (from.kind != JSON_OBJECT) {
    eval_fail(e, "a %s has no names that could be parameters", value_type(from));
    return;
  }
  for (uint32_t i = 0; i < from.object->n && eval_charge(e, 1); i++) {
    const JsonMember *m = &from.object->member[i];
    if (m->key.kind != JSON_TEXT) eval_fail(e, "a %s is no parameter's name", value_type(m->key));
    for (uint32_t k = 0; k < a->n_named && eval_charge(e, 1); k++)
      if (json_same_text(&named[k].key, &m->key)) eval_fail(e, "an argument is given twice");
    named[a->n_named++] = *m;
  }
}

/* `caller`: a macro that is given as an argument of that name; or VALUE_UNSET. */
static Args eval_args(Eval *e, uint32_t at, Json caller) {
  Args a = {0};
  bool has_caller = caller.kind != VALUE_UNSET;
  if (at && kind_of(e, at) != NODE_args) damaged(e);
  if (e->failed) return a;
  uint32_t n = at ? word(e, at, 0) : 0, n_named = at ? word(e, at, 1) : 0;
  if (n > e->words || n_named > e->words) return damaged(e), a;
  Json *v = eval_take(e, n, sizeof *v), list = {.kind = VALUE_UNSET}, mapping = list;
  for (uint32_t i = 0; v && i < n && !e->failed; i++) v[i] = eval(e, word(e, at, 4 + i));
  if (at && word(e, at, 2)) list = eval(e, word(e, at, 2));
  JsonMember *kept = eval_take(e, n_named, sizeof *kept);
  for (uint32_t i = 0; kept && i < n_named && !e->failed; i++)
    kept[i] = (JsonMember){text_at(e, at, 4 + n + 3 * i), eval(e, word(e, at, 4 + n + 3 * i + 2))};
  if (at && word(e, at, 3)) mapping = eval(e, word(e, at, 3));
  if (e->failed) return a;
  uint32_t more = mapping.kind == JSON_OBJECT ? mapping.object->n : 0;
  JsonMember *named = eval_take(e, (size_t)n_named + more + has_caller, sizeof *named);
  if (!named) return a;
  for (uint32_t i = 0; i < n_named; i++) named[i] = kept[i];
  a = (Args){.at = v, .n = n, .named = named, .n_named = n_named};
  if (has_caller) named[a.n_named++] = (JsonMember){value_c("caller"), caller};
  if (list.kind != VALUE_UNSET) more_values(e, &a, list);
  if (mapping.kind != VALUE_UNSET) more_named(e, &a, named, mapping);
  return a;
}

static Json call(Eval *e, uint32_t at, Json caller) {
  if (kind_of(e, at) != NODE_call) return damaged(e);
  Json callee = eval(e, word(e, at, 0));
  if (e->failed) return NOTHING;
  Args a = eval_args(e, word(e, at, 1), caller);
  if (e->at[at + 1]) e->line = e->at[at + 1];
  return e->failed ? NOTHING : call_value(e, callee, &a);
}

static Json eval_filter(Eval *e, uint32_t at) {
  Json v = eval(e, word(e, at, 1));
  if (e->failed) return NOTHING;
  Args a = eval_args(e, word(e, at, 2), (Json){.kind = VALUE_UNSET});
  e->line = e->at[at + 1];
  return e->failed ? NOTHING : call_filter(e, word(e, at, 0), v, &a);
}

static Json eval_test(Eval *e, uint32_t at) {
  Json v = eval(e, word(e, at, 1));
  if (e->failed) return NOTHING;
  Args a = eval_args(e, word(e, at, 2), (Json){.kind = VALUE_UNSET});
  return e->failed ? NOTHING : value_bool(call_test(e, word(e, at, 0), v, &a));
}

static Json eval_attr(Eval *e, uint32_t at) {
  Json v = eval(e, word(e, at, 0)), name = text_at(e, at, 1);
  return e->failed ? NOTHING : item_attr(e, v, name.text, name.n);
}

static Json eval_item(Eval *e, uint32_t at) {
  Json v = eval(e, word(e, at, 0)), key = e->failed ? NOTHING : eval(e, word(e, at, 1));
  return e->failed ? NOTHING : item_get(e, v, key);
}

static Json eval_not(Eval *e, uint32_t at) {
  Json v = eval(e, word(e, at, 0));
  return e->failed ? NOTHING : value_bool(!value_true(e, v));
}

static Json eval_node(Eval *e, uint32_t at) {
  TemplateNode kind = kind_of(e, at);
  union { uint64_t u; double f; } bits;
  switch (kind) {
  case NODE_none: return NOTHING;
  case NODE_true:
  case NODE_false: return value_bool(kind == NODE_true);
  case NODE_int: return value_int((int64_t)wide(e, at));
  case NODE_float: return bits.u = wide(e, at), value_float(bits.f);
  case NODE_text: return text_at(e, at, 0);
  case NODE_name: return read_name(e, at);
  case NODE_list:
  case NODE_tuple: return eval_many(e, at, kind == NODE_tuple);
  case NODE_dict: return eval_dict(e, at);
  case NODE_not: return eval_not(e, at);
  case NODE_neg:
  case NODE_pos: return eval_sign(e, at, kind == NODE_neg);
  case NODE_and:
  case NODE_or: return eval_logic(e, at, kind == NODE_or);
  case NODE_concat: return eval_concat(e, at);
  case NODE_compare: return eval_compare(e, at);
  case NODE_cond: return eval_cond(e, at);
  case NODE_attr: return eval_attr(e, at);
  case NODE_item: return eval_item(e, at);
  case NODE_slice: return eval_slice(e, at);
  case NODE_call: return call(e, at, (Json){.kind = VALUE_UNSET});
  case NODE_filter: return eval_filter(e, at);
  case NODE_test: return eval_test(e, at);
  case NODE_captured: return e->captured;
  default: return kind >= NODE_add && kind <= NODE_pow ? eval_binary(e, at, kind) : damaged(e);
  }
}

static Json eval(Eval *e, uint32_t at) {
  if (e->failed) return NOTHING;
  Json v = enter(e, at) ? eval_node(e, at) : NOTHING;
  e->depth--;
  return v;
}

/* ---- targets ---- */

/* Only namespaces have attributes that can be set; this is looked at before what is set is computed. */
static void check_target(Eval *e, uint32_t at) {
  if (!enter(e, at)) return (void)e->depth--;
  TemplateNode kind = kind_of(e, at);
  if (kind == NODE_store_ns && place(e, word(e, at, 0), word(e, at, 1))->kind != VALUE_NAMESPACE)
    eval_fail(e, "attributes can be set in namespaces, and in nothing else");
  for (uint32_t i = 0; kind == NODE_store_tuple && i < count_of(e, at) && !e->failed; i++) check_target(e, word(e, at, i));
  e->depth--;
}

static void namespace_set(Eval *e, Namespace *ns, Json key, Json v) {
  for (uint32_t i = 0; i < ns->n && eval_charge(e, 1); i++) {
    if (!json_same_text(&ns->member[i].key, &key)) continue;
    ns->member[i].value = v;
    return;
  }
  if (ns->n == ns->room) {
    JsonMember *m = eval_take(e, 2 * (size_t)ns->room + 8, sizeof *m);
    for (uint32_t i = 0; m && i < ns->n; i++) m[i] = ns->member[i];
    if (m) ns->member = m, ns->room = 2 * ns->room + 8;
  }
  if (!e->failed) ns->member[ns->n++] = (JsonMember){key, v};
}

static void assign(Eval *e, uint32_t at, Json v);

static void unpack(Eval *e, uint32_t at, Json v) {
  Json all = value_collect(e, v);
  uint32_t n = count_of(e, at);
  if (!e->failed && all.n != n) eval_fail(e, "%d values are given to %d names", (int64_t)all.n, (int64_t)n);
  for (uint32_t i = 0; i < n && !e->failed; i++) assign(e, word(e, at, i), all.at[i]);
}

static void assign(Eval *e, uint32_t at, Json v) {
  if (e->failed || !enter(e, at)) return (void)e->depth--;
  TemplateNode kind = kind_of(e, at);
  if (kind == NODE_store) *place(e, 0, word(e, at, 0)) = v;
  else if (kind == NODE_store_tuple) unpack(e, at, v);
  else if (kind != NODE_store_ns) damaged(e);
  else {
    Json *ns = place(e, word(e, at, 0), word(e, at, 1));
    if (ns->kind == VALUE_NAMESPACE) namespace_set(e, (Namespace *)(uintptr_t)ns->other, text_at(e, at, 4), v);
    else eval_fail(e, "attributes can be set in namespaces, and in nothing else");
  }
  e->depth--;
}

/* ---- what is put out ---- */

static void check_out(Eval *e) {
  if (e->out->full) eval_fail(e, "the text has more than the %d bytes that it may have", (int64_t)e->out->size);
}

static void put(Eval *e, Json v) {
  if (e->failed) return;
  if (v.kind == VALUE_LOOP) loop_length(e, (Loop *)(uintptr_t)v.other);
  put_str(e, e->out, v);
  check_out(e);
}

/* What was put out since the mark, taken back. */
static Json take_back(Eval *e, size_t mark) {
  Json v = e->failed ? NOTHING : text_copy(e, e->out->at + mark, e->out->n - mark);
  e->out->n = mark;
  return v;
}

/* ---- macros ---- */

/* Words of NODE_macro. */
enum { MACRO_NAME = 0, MACRO_PLACES = 2, MACRO_FLAGS, MACRO_SCOPE, MACRO_BODY, MACRO_CALLER_AT, MACRO_KWARGS_AT, MACRO_VARARGS_AT, MACRO_N, MACRO_FIRST };

typedef struct Call {
  uint32_t at, n; /* the macro, and its parameters */
  const Args *args;
  JsonMember *named; /* that no parameter has taken yet */
  uint32_t n_named;
  Frame *frame;
} Call;

static Json take_named(Call *c, Json name) {
  for (uint32_t i = 0; i < c->n_named; i++) {
    if (!json_same_text(&c->named[i].key, &name)) continue;
    Json v = c->named[i].value;
    c->n_named--;
    for (; i < c->n_named; i++) c->named[i] = c->named[i + 1];
    return v;
  }
  return (Json){.kind = VALUE_UNSET};
}

static void set_place(Eval *e, const Call *c, uint32_t i, Json v) {
  if (i < c->frame->n) c->frame->slot[i] = v;
  else damaged(e);
}

static void give_parameters(Eval *e, Call *c) {
  for (uint32_t i = 0; i < c->n && !e->failed; i++) {
    uint32_t k = MACRO_FIRST + 4 * i;
    set_place(e, c, word(e, c->at, k), i < c->args->n ? c->args->at[i] : take_named(c, text_at(e, c->at, k + 1)));
  }
}

static Json rest_of_named(Eval *e, const Call *c) {
  JsonObject *o = json_object_of(e->room, c->named, c->n_named);
  if (!o) return eval_fail(e, "the template needs more memory than it may have");
  return (Json){.kind = JSON_OBJECT, .object = o};
}

/* caller, kwargs and varargs, which a macro need not declare. */
static void give_rest(Eval *e, Call *c, uint32_t flags) {
  bool found_caller = flags & MACRO_OWN_CALLER;
  if (flags & MACRO_CALLER && !found_caller) {
    Json v = take_named(c, value_c("caller"));
    if (v.kind == VALUE_UNSET || v.kind == JSON_NULL) v = value_undefined("no caller is defined");
    set_place(e, c, word(e, c->at, MACRO_CALLER_AT), v);
  }
  if (flags & MACRO_KWARGS) set_place(e, c, word(e, c->at, MACRO_KWARGS_AT), rest_of_named(e, c));
  else if (c->n_named) eval_fail(e, "a macro has no parameter of an argument's name");
  uint32_t more = c->args->n > c->n ? c->args->n - c->n : 0;
  if (flags & MACRO_VARARGS) set_place(e, c, word(e, c->at, MACRO_VARARGS_AT), value_tuple(c->args->at + c->args->n - more, more));
  else if (more) eval_fail(e, "a macro takes %d arguments, and %d are given", (int64_t)c->n, (int64_t)c->args->n);
}

static void give_defaults(Eval *e, Call *c) {
  for (uint32_t i = 0; i < c->n && !e->failed; i++) {
    uint32_t k = MACRO_FIRST + 4 * i, otherwise = word(e, c->at, k + 3);
    Json *slot = place(e, 0, word(e, c->at, k)), name = text_at(e, c->at, k + 1);
    if (slot->kind != VALUE_UNSET) continue;
    *slot = otherwise ? eval(e, otherwise) : value_undefined_name(e, name.text, name.n, "` was not given to the macro");
  }
}

static Json run_macro(Eval *e, Call *c) {
  Frame *before = e->frame;
  size_t mark = e->out->n;
  e->frame = c->frame;
  begin_scope(e, word(e, c->at, MACRO_SCOPE));
  give_defaults(e, c);
  run(e, word(e, c->at, MACRO_BODY));
  e->frame = before;
  return take_back(e, mark);
}

Json macro_call(Eval *e, const Macro *m, const Args *a) {
  Call c = {.at = m->node, .args = a, .n_named = a->n_named};
  if (kind_of(e, c.at) != NODE_macro || !enter(e, c.at)) return damaged(e);
  uint32_t n = word(e, c.at, MACRO_N), total = count_of(e, c.at);
  c.n = n <= total / 4 ? n : 0;
  c.named = eval_take(e, a->n_named, sizeof *c.named);
  c.frame = e->failed ? NULL : frame_new(e, m->frame, word(e, c.at, MACRO_PLACES));
  for (uint32_t i = 0; c.frame && i < a->n_named; i++) c.named[i] = a->named[i];
  if (c.frame) give_parameters(e, &c);
  if (!e->failed) give_rest(e, &c, word(e, c.at, MACRO_FLAGS));
  Json v = e->failed ? NOTHING : run_macro(e, &c);
  e->depth--;
  return v;
}

static Json make_macro(Eval *e, uint32_t at) {
  Macro *m = eval_take(e, 1, sizeof *m);
  if (!m || kind_of(e, at) != NODE_macro || count_of(e, at) < MACRO_FIRST) return damaged(e);
  *m = (Macro){.node = at, .frame = e->frame};
  return value_other(VALUE_MACRO, m);
}

/* ---- loops ---- */

/* Words of NODE_for. */
enum { FOR_VALUES, FOR_TARGET, FOR_SCOPE, FOR_BODY, FOR_LOOP_AT, FOR_TEST_TARGET, FOR_TEST_SCOPE, FOR_TEST, FOR_ELSE_SCOPE, FOR_ELSE, FOR_RECURSIVE, FOR_PLACES };

static bool passes(Eval *e, Loop *l, Json item) {
  Frame *before = e->frame;
  e->frame = l->frame;
  assign(e, word(e, l->node, FOR_TEST_TARGET), item);
  Json v = eval(e, word(e, l->node, FOR_TEST));
  e->frame = before;
  return !e->failed && value_true(e, v);
}

bool loop_fetch(Eval *e, Loop *l, Json *out) {
  while (cursor_next(e, &l->cursor, out)) {
    if (!l->tested || passes(e, l, *out)) return !e->failed;
    if (e->failed) return false;
  }
  return false;
}

static bool next_turn(Eval *e, Loop *l) {
  Json item = l->next;
  if (!l->has_next && !loop_fetch(e, l, &item)) return false;
  l->has_next = false;
  l->index0++;
  l->before = l->now;
  l->now = item;
  return true;
}

static Flow turn(Eval *e, Loop *l) {
  assign(e, word(e, l->node, FOR_TARGET), l->now);
  begin_scope(e, word(e, l->node, FOR_SCOPE));
  return run(e, word(e, l->node, FOR_BODY));
}

static Flow run_otherwise(Eval *e, Loop *l) {
  uint32_t otherwise = word(e, l->node, FOR_ELSE);
  if (!otherwise || e->failed) return FLOW_ON;
  begin_scope(e, word(e, l->node, FOR_ELSE_SCOPE));
  return run(e, otherwise);
}

/* As in Jinja, a turn that ends by `continue` or `break` does not count as one where an `else` follows. */
static Flow run_loop(Eval *e, Loop *l) {
  uint32_t at = word(e, l->node, FOR_LOOP_AT);
  bool any = false;
  if (l->tested) begin_scope(e, word(e, l->node, FOR_TEST_SCOPE));
  while (!e->failed && next_turn(e, l)) {
    if (at != TREE_NO_SLOT) *place(e, 0, at) = value_other(VALUE_LOOP, l);
    Flow flow = turn(e, l);
    if (flow == FLOW_ON) any = true;
    if (flow == FLOW_BREAK) break;
  }
  return any ? FLOW_ON : run_otherwise(e, l);
}

static Flow start_loop(Eval *e, uint32_t at, Json values, Frame *outer, int64_t depth0) {
  Loop *l = eval_take(e, 1, sizeof *l);
  Frame *before = e->frame;
  if (!l) return FLOW_BREAK;
  *l = (Loop){.node = at, .index0 = -1, .length = -1, .depth0 = depth0, .outer = outer, .tested = word(e, at, FOR_TEST) != 0};
  if (!cursor_open(e, values, &l->cursor)) return FLOW_BREAK;
  if (word(e, at, FOR_RECURSIVE)) e->frame = frame_new(e, outer, word(e, at, FOR_PLACES));
  l->frame = e->frame;
  Flow flow = e->failed ? FLOW_BREAK : run_loop(e, l);
  e->frame = before;
  return flow;
}

static Flow run_for(Eval *e, uint32_t at) {
  Json values = eval(e, word(e, at, FOR_VALUES));
  return e->failed ? FLOW_BREAK : start_loop(e, at, values, e->frame, 0);
}

Json loop_recurse(Eval *e, Loop *l, const Args *a) {
  size_t mark = e->out->n;
  if (!word(e, l->node, FOR_RECURSIVE)) return eval_fail(e, "only a loop that is marked `recursive` can be called");
  if (a->n != 1 || a->n_named) return eval_fail(e, "a loop is called with one argument");
  if (enter(e, l->node)) start_loop(e, l->node, a->at[0], l->outer, l->depth0 + 1);
  e->depth--;
  return take_back(e, mark);
}

/* ---- statements ---- */

static Flow run_block(Eval *e, uint32_t at) {
  Flow flow = FLOW_ON;
  for (uint32_t i = 0; i < count_of(e, at) && flow == FLOW_ON && !e->failed; i++) flow = run(e, word(e, at, i));
  return flow;
}

static Flow run_if(Eval *e, uint32_t at) {
  for (uint32_t i = 1; i + 1 < count_of(e, at) && !e->failed; i += 2) {
    Json v = eval(e, word(e, at, i));
    if (!e->failed && value_true(e, v)) return run(e, word(e, at, i + 1));
  }
  uint32_t otherwise = word(e, at, 0);
  return otherwise && !e->failed ? run(e, otherwise) : FLOW_ON;
}

static void run_set(Eval *e, uint32_t at) {
  check_target(e, word(e, at, 0));
  if (e->failed) return;
  Json v = eval(e, word(e, at, 1));
  assign(e, word(e, at, 0), v);
}

/* A body's text, through a filter where there is one. A break in it ends the loop around it. */
static Flow run_captured(Eval *e, uint32_t at, Json *out) {
  size_t mark = e->out->n;
  begin_scope(e, word(e, at, 0));
  Flow flow = run(e, word(e, at, 1));
  Json before = e->captured, text = take_back(e, mark);
  uint32_t filter = word(e, at, 2);
  if (flow != FLOW_ON || e->failed) return flow;
  e->captured = text;
  *out = filter ? eval(e, filter) : text;
  e->captured = before;
  return FLOW_ON;
}

static Flow run_set_block(Eval *e, uint32_t at) {
  Json v = NOTHING;
  Flow flow = run_captured(e, at, &v);
  if (flow == FLOW_ON) assign(e, word(e, at, 3), v);
  return flow;
}

static Flow run_filter_block(Eval *e, uint32_t at) {
  Json v = NOTHING;
  Flow flow = run_captured(e, at, &v);
  if (flow == FLOW_ON) put(e, v);
  return flow;
}

static Flow run_with(Eval *e, uint32_t at) {
  begin_scope(e, word(e, at, 0));
  for (uint32_t i = 2; i + 1 < count_of(e, at) && !e->failed; i += 2) {
    Json v = eval(e, word(e, at, i + 1));
    assign(e, word(e, at, i), v);
  }
  return run(e, word(e, at, 1));
}

static void run_call_block(Eval *e, uint32_t at) {
  Json caller = make_macro(e, word(e, at, 1));
  if (!e->failed) put(e, call(e, word(e, at, 0), caller));
}

static void run_generation(Eval *e, uint32_t at) {
  Json body = make_macro(e, word(e, at, 0));
  if (!e->failed) put(e, macro_call(e, body.other, &(Args){0}));
}

static void run_def_macro(Eval *e, uint32_t at) {
  Json m = make_macro(e, word(e, at, 1));
  *place(e, 0, word(e, at, 0)) = m;
}

static Flow run_node(Eval *e, uint32_t at) {
  switch (kind_of(e, at)) {
  case NODE_put_text: put(e, text_at(e, at, 0)); return FLOW_ON;
  case NODE_put: put(e, eval(e, word(e, at, 0))); return FLOW_ON;
  case NODE_block: return run_block(e, at);
  case NODE_if: return run_if(e, at);
  case NODE_for: return run_for(e, at);
  case NODE_set: run_set(e, at); return FLOW_ON;
  case NODE_set_block: return run_set_block(e, at);
  case NODE_def_macro: run_def_macro(e, at); return FLOW_ON;
  case NODE_call_block: run_call_block(e, at); return FLOW_ON;
  case NODE_filter_block: return run_filter_block(e, at);
  case NODE_with: return run_with(e, at);
  case NODE_break: return FLOW_BREAK;
  case NODE_continue: return FLOW_CONTINUE;
  case NODE_generation: run_generation(e, at); return FLOW_ON;
  default: damaged(e); return FLOW_BREAK;
  }
}

static Flow run(Eval *e, uint32_t at) {
  if (e->failed) return FLOW_BREAK;
  Flow flow = enter(e, at) ? run_node(e, at) : FLOW_BREAK;
  e->depth--;
  return flow;
}

bool template_read_variables(TemplateCall *call, const char *json, size_t n, Room *room) {
  Json v;
  JsonError why;
  if (!json_read(json, n, room, &v, &why) || v.kind != JSON_OBJECT) return false;
  call->more = v.object->member;
  call->n_more = v.object->n;
  return true;
}

bool template_variables(TemplateCall *call, const lrt_model *m, Room *room) {
  const lrt_fact *f = fact_find(m, "template_variables", LRT_u8);
  return !f || template_read_variables(call, f->at, (size_t)f->n, room);
}

bool template_render(const Template *t, const TemplateCall *call, Room *room, TextRoom *out, TemplateError *why) {
  Eval e = {.at = t->at, .words = t->at[TREE_WORDS], .n_text = t->at[TREE_TEXT], .call = call, .room = room, .out = out, .why = why, .captured = json_text("", 0)};
  e.text = (const char *)(t->at + e.words);
  e.frame = frame_new(&e, NULL, t->at[TREE_SLOTS]);
  if (!e.failed) run(&e, t->at[TREE_ROOT]);
  return !e.failed;
}
