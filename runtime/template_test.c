/* template_test.c -- Jinja's tests. */
#include "runtime/template_part.h"
#include "runtime/words.h"

typedef bool TestCall(Eval *e, Json v, const Json *p);

static bool test_boolean(Eval *e, Json v, const Json *p) { return (void)e, (void)p, v.kind == JSON_BOOL; }
static bool test_callable(Eval *e, Json v, const Json *p) {
  (void)e, (void)p;
  return v.kind == VALUE_MACRO || v.kind == VALUE_FUNCTION || v.kind == VALUE_METHOD || v.kind == VALUE_LOOP || v.kind == VALUE_JOINER || v.kind == VALUE_UNDEFINED;
}
static bool test_defined(Eval *e, Json v, const Json *p) { return (void)e, (void)p, v.kind != VALUE_UNDEFINED; }
static bool test_undefined(Eval *e, Json v, const Json *p) { return (void)e, (void)p, v.kind == VALUE_UNDEFINED; }
static bool test_escaped(Eval *e, Json v, const Json *p) { return (void)e, (void)p, v.kind == JSON_TEXT && v.flags & JSON_MARKUP; }
static bool test_false(Eval *e, Json v, const Json *p) { return (void)e, (void)p, v.kind == JSON_BOOL && !v.b; }
static bool test_true(Eval *e, Json v, const Json *p) { return (void)e, (void)p, v.kind == JSON_BOOL && v.b; }
static bool test_float(Eval *e, Json v, const Json *p) { return (void)e, (void)p, v.kind == JSON_FLOAT; }
static bool test_integer(Eval *e, Json v, const Json *p) { return (void)e, (void)p, v.kind == JSON_INT || v.kind == JSON_BIG; }
static bool test_iterable(Eval *e, Json v, const Json *p) { return (void)e, (void)p, value_iterable(v); }
static bool test_mapping(Eval *e, Json v, const Json *p) { return (void)e, (void)p, v.kind == JSON_OBJECT; }
static bool test_none(Eval *e, Json v, const Json *p) { return (void)e, (void)p, v.kind == JSON_NULL; }
static bool test_number(Eval *e, Json v, const Json *p) { return (void)e, (void)p, value_is_number(v) || v.kind == JSON_BIG; }
static bool test_sequence(Eval *e, Json v, const Json *p) {
  (void)e, (void)p;
  return v.kind == JSON_TEXT || v.kind == JSON_LIST || v.kind == JSON_OBJECT || v.kind == VALUE_RANGE || v.kind == VALUE_UNDEFINED;
}
static bool test_string(Eval *e, Json v, const Json *p) { return (void)e, (void)p, v.kind == JSON_TEXT; }

static bool rest_is(Eval *e, Json v, Json by, int64_t wanted) {
  Json rest = number_binary(e, NODE_mod, v, by);
  return !e->failed && value_equal(e, rest, value_int(wanted));
}

static bool test_divisibleby(Eval *e, Json v, const Json *p) { return rest_is(e, v, p[0], 0); }
static bool test_even(Eval *e, Json v, const Json *p) { return (void)p, rest_is(e, v, value_int(2), 0); }
static bool test_odd(Eval *e, Json v, const Json *p) { return (void)p, rest_is(e, v, value_int(2), 1); }

static bool test_eq(Eval *e, Json v, const Json *p) { return value_equal(e, v, p[0]); }
static bool test_ne(Eval *e, Json v, const Json *p) { return !value_equal(e, v, p[0]); }
static bool test_lt(Eval *e, Json v, const Json *p) { return value_order(e, v, p[0]) == -1; }
static bool test_gt(Eval *e, Json v, const Json *p) { return value_order(e, v, p[0]) == 1; }

static bool test_le(Eval *e, Json v, const Json *p) {
  int order = value_order(e, v, p[0]);
  return order == -1 || order == 0;
}

static bool test_ge(Eval *e, Json v, const Json *p) {
  int order = value_order(e, v, p[0]);
  return order == 1 || order == 0;
}

static bool test_in(Eval *e, Json v, const Json *p) { return value_contains(e, p[0], v); }

/* Only of values that are one and the same in Python whoever makes them it is said so. */
static bool test_sameas(Eval *e, Json v, const Json *p) {
  bool single = v.kind == JSON_NULL || v.kind == JSON_BOOL;
  return v.kind == p[0].kind && (single ? value_equal(e, v, p[0]) : v.kind != JSON_FLOAT && v.other == p[0].other && v.n == p[0].n);
}

static bool is_case(Eval *e, Json v, const char *method) {
  Json text = value_str(e, v), bound = e->failed ? NOTHING : method_find(e, text, method, text_length(method));
  Json is = e->failed ? NOTHING : call_value(e, bound, &(Args){0});
  return !e->failed && value_true(e, is);
}

static bool test_lower(Eval *e, Json v, const Json *p) { return (void)p, is_case(e, v, "islower"); }
static bool test_upper(Eval *e, Json v, const Json *p) { return (void)p, is_case(e, v, "isupper"); }

static bool test_filter(Eval *e, Json v, const Json *p) {
  uint32_t which;
  return (void)e, (void)p, filter_find(v, &which);
}

static bool test_test(Eval *e, Json v, const Json *p) {
  uint32_t which;
  return (void)e, (void)p, test_find(v, &which);
}

/* ---- the table ---- */

static const struct {
  const char *name, *others;
  TestCall *call;
  uint32_t arguments;
} tests[] = {
#define TEST(name, others, function, arguments) {#name, others, test_##function, arguments},
#include "runtime/template_tests.def"
};

static bool among(const char *names, Json name) {
  for (const char *s = names; *s;) {
    size_t n = 0;
    while (s[n] && s[n] != ',') n++;
    Json one = json_text(s, n);
    if (json_same_text(&one, &name)) return true;
    s += n + (s[n] == ',');
  }
  return false;
}

bool test_find(Json name, uint32_t *which) {
  for (*which = 0; *which < TEST_kinds; ++*which)
    if (name.kind == JSON_TEXT && (name_is(name.text, name.n, tests[*which].name) || among(tests[*which].others, name))) return true;
  return false;
}

bool call_test(Eval *e, uint32_t which, Json v, const Args *a) {
  if (which >= TEST_kinds) return eval_fail(e, "the template is damaged"), false;
  if (a->n != tests[which].arguments || a->n_named) {
    eval_fail(e, "the test `%s` takes %d arguments, and %d are given", tests[which].name, (int64_t)tests[which].arguments, (int64_t)a->n + a->n_named);
    return false;
  }
  return tests[which].call(e, v, a->at) && !e->failed;
}
