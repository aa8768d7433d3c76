/* test_template.c -- chat templates, rendered as Python's jinja2 renders them with the settings of transformers: the cases of
 * tests/templates/, which tests/oracles/make_template_cases.py wrote; and templates that try to take too much. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/templates.h"
#include "ir/fatal.h"
#include "runtime/template.h"

enum { MEMORY = 64 << 20, TEXT = 1 << 20 };

static int passed, failed;
static char memory[MEMORY], text[TEXT];

/* False: an error, in `why`. */
static bool render(const char *source, size_t n, const TemplateCall *call, size_t bytes, TextRoom *out, char *why) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  TemplateWords words = {0};
  Template t;
  TemplateError error = {0};
  Room room = room_of(memory, bytes);
  *out = (TextRoom){.at = text, .size = TEXT};
  bool good = template_compile(a, d, "t", source, n, &words);
  if (!good) snprintf(why, 600, "%s", diag_first(d));
  ensure(!good || template_open_words(&t, words.at, (size_t)words.n));
  if (good && !template_render(&t, call, &room, out, &error)) good = false, snprintf(why, 600, "line %u: %s", error.line, error.text);
  arena_free(a);
  return good;
}

static const char *string(const Json *v) {
  static char copy[1 << 16];
  snprintf(copy, sizeof copy, "%.*s", (int)v->n, v->text);
  return copy;
}

static void run_case(const Json *all, const Json *c) {
  const Json *name = json_get(c, "template"), *source = name ? NULL : json_get(c, "source"), *want = json_get(c, "text");
  TextRoom out;
  char why[600] = "";
  if (name) source = json_get(json_get(all, "templates"), string(name));
  TemplateCall call = {.messages = *json_get(json_get(all, "chats"), string(json_get(c, "chat"))), .add_generation_prompt = json_get(c, "prompt")->b};
  if (json_get(c, "tools")->b) call.tools = *json_get(all, "tools");
  call.more = json_get(all, "variables")->object->member;
  call.n_more = json_get(all, "variables")->object->n;
  bool good = render(source->text, source->n, &call, MEMORY, &out, why);
  bool same = good ? want && want->n == out.n && memcmp(want->text, out.at, out.n) == 0 : !want;
  passed += same;
  if (same) return;
  failed++;
  printf("FAIL %s\n  expected %s\n", string(json_get(c, "name")), want ? string(want) : "an error");
  printf("  got      %.*s\n", good ? (int)out.n : (int)strlen(why), good ? out.at : why);
}

static void run_cases(const char *path) {
  FILE *f = fopen(path, "rb");
  ensure(f);
  size_t size = 8 << 20;
  char *json = malloc(size), *values = malloc(size * 4);
  ensure(json && values);
  size_t n = fread(json, 1, size, f);
  fclose(f);
  Room room = room_of(values, size * 4);
  Json all;
  JsonError why;
  ensure(n < size && json_read(json, n, &room, &all, &why));
  const Json *cases = json_get(&all, "cases");
  for (uint32_t i = 0; i < cases->n; i++) run_case(&all, &cases->at[i]);
  free(json);
  free(values);
}

static void hostile(const char *source, const char *want) {
  TextRoom out;
  char why[600] = "no error";
  TemplateCall call = {.messages = {.kind = JSON_LIST}};
  bool good = render(source, strlen(source), &call, 8 << 20, &out, why);
  bool same = !good && strstr(why, want);
  passed += same, failed += !same;
  if (!same) printf("FAIL %.60s: expected %s, got %s\n", source, want, why);
}

static void nested(const char *open, const char *close, int n, const char *want) {
  char *s = calloc((size_t)n + 1, strlen(open) + strlen(close));
  ensure(s);
  for (int i = 0; i < n; i++) strcat(s, open);
  for (int i = 0; i < n; i++) strcat(s, close);
  hostile(s, want);
  free(s);
}

static void run_hostile(void) {
  hostile("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "takes too long");
  hostile("{% for a in range(100000) %}{{ a }}0123456789{% endfor %}", "bytes that it may have");
  hostile("{% macro f(x) %}{{ f(x) }}{{ f(x) }}{% endmacro %}{{ f(1) }}", "within one another");
  hostile("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) }}", "more memory");
  hostile("{{ 'a' * 2147483648 }}", "more memory");
  hostile("{{ [0] * 4294967296 }}", "more memory");
  hostile("{{ [0] * 1000000000 }}", "takes too long");
  hostile("{{ '%1000000s' % 1 * 99 }}", "more memory");
  hostile("{{ 'a'.center(2147483647) }}", "more memory");
  hostile("{{ range(2147483648) }}", "at most 100000");
  hostile("{{ range(-9223372036854775807, 9223372036854775807, 9000000000000000000)[::2] }}{{ 9223372036854775807|round(-1) }}", "64 bits");
  hostile("{{ [1]|batch(9223372036854775807, x)|list }}", "more memory");
  hostile("{{ 'a b c'.split(none, -9223372036854775807 - 1) }}{{ 'aa'|replace('a', 'b', -9223372036854775807 - 1) }}{{ y.z }}", "undefined");
  hostile("{{ 9223372036854775807 + 1 }}", "64 bits");
  hostile("{{ 9223372036854775808 }}", "64 bits");
  hostile("{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}", "more memory");
  hostile("{% set ns = namespace(x=[]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}", "nested too deep");
  hostile("a\n\n{{ x.y.z }}", "line 3");
  hostile("\n{% if %}", "an expression is expected");
  hostile("{% include 'x' %}", "stands alone");
  hostile("{{ 1|nofilter }}", "no filter `nofilter`");
  hostile("{{ 1 is notest }}", "no test `notest`");
  hostile("{{ \"abc", "has no end");
  hostile("{{ 'a'", "has no `}}`");
  hostile("{% for a in b %}", "`endfor` is missing");
  nested("{{ [[[[[[", "", 50, "more than 200");
  nested("{% if true %}", "{% endif %}", 300, "more than 200");
}

int main(int argc, char **argv) {
  run_cases(argc > 1 ? argv[1] : "tests/templates/cases.json");
  run_hostile();
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
