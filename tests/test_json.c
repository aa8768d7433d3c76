/* test_json.c -- what programs read of JSON, what they write, and where they say that it is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json.h"

static int failures;
static char memory[1 << 20];

static void fail(const char *text, const char *want, const char *got) {
  printf("FAIL %.60s: expected %s, got %s\n", text, want, got);
  failures++;
}

static void check(const char *text, const char *want, const JsonStyle *style) {
  static char out[1 << 16];
  Room room = room_of(memory, sizeof memory);
  Json v;
  JsonError why;
  TextRoom o = {.at = out, .size = sizeof out - 1};
  if (!json_read(text, strlen(text), &room, &v, &why)) {
    fail(text, want, why.what);
    return;
  }
  bool good = json_write(&o, &v, style);
  out[o.n] = 0;
  if (!good || strcmp(out, want) != 0) fail(text, want, out);
}

static void check_error_n(const char *text, size_t n, size_t offset, const char *what, size_t size) {
  Room room = room_of(memory, size);
  Json v;
  JsonError why = {0};
  char want[200], got[200] = "no error";
  snprintf(want, sizeof want, "%zu: %s", offset, what);
  if (!json_read(text, n, &room, &v, &why)) snprintf(got, sizeof got, "%zu: %s", why.offset, why.what);
  if (strcmp(want, got) != 0) fail(text, want, got);
}

static void check_error(const char *text, size_t offset, const char *what) {
  check_error_n(text, strlen(text), offset, what, sizeof memory);
}

static const JsonStyle plain = {0};

/* Expected is what Python's json.dumps(json.loads(text), ensure_ascii=False) gives. */
static void test_values(void) {
  static const char *const same[] = {"null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808",
                                     "9223372036854775808", "123456789012345678901234567890", "0.5", "-0.0", "1e+16", "1e-07",
                                     "5e-324", "1.7976931348623157e+308", "0.1", "[]", "{}", "[1, [2, [3]], \"x\"]",
                                     "{\"a\": 1, \"b\": {\"c\": null}}", "\"\xc3\xa9\xf0\x9f\x98\x80\"", "\"\\u0001\\n\\\"\\\\\""};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) check(same[i], same[i], &plain);
  check(" [ 1 ,2 ] ", "[1, 2]", &plain);
  check("-0", "0", &plain);
  check("1E5", "100000.0", &plain);
  check("1e400", "Infinity", &plain);
  check("9007199254740993.0", "9007199254740992.0", &plain);
  check("2.4703282292062327e-324", "0.0", &plain);
  check("2.4703282292062328e-324", "5e-324", &plain);
  check("5.684341886080802e-14", "5.684341886080802e-14", &plain);
  check("\"\\ud83d\\ude00\\u00e9\\/\"", "\"\xf0\x9f\x98\x80\xc3\xa9/\"", &plain);
  check("{\"a\": 1, \"b\": 2, \"a\": 3}", "{\"a\": 3, \"b\": 2}", &plain);
}

static void test_styles(void) {
  check("\"\xc3\xa9\xf0\x9f\x98\x80\"", "\"\\u00e9\\ud83d\\ude00\"", &(JsonStyle){.ascii = true});
  check("{\"b\": 1, \"a\": [2]}", "{\"a\": [2], \"b\": 1}", &(JsonStyle){.sorted = true});
  check("{\"b\": 1, \"a\": [2, []]}", "{\n  \"b\": 1,\n  \"a\": [\n    2,\n    []\n  ]\n}", &(JsonStyle){.lines = true, .indent = "  ", .n_indent = 2});
  check("{\"b\": [1, 2]}", "{\"b\":[1,2]}", &(JsonStyle){.between = ",", .n_between = 1, .then = ":", .n_then = 1});
}

static void test_large_object(void) {
  static char text[1 << 16];
  size_t n = (size_t)sprintf(text, "{");
  for (int i = 0; i < 1000; i++) n += (size_t)sprintf(text + n, "\"k%d\": %d, ", i, i);
  sprintf(text + n, "\"k7\": 1000}");
  Room room = room_of(memory, sizeof memory);
  Json v;
  JsonError why;
  if (!json_read(text, strlen(text), &room, &v, &why)) return fail("a large object", "a value", why.what);
  const Json *seven = json_get(&v, "k7"), *last = json_get(&v, "k999");
  if (v.object->n != 1000 || !seven || seven->i != 1000 || !last || last->i != 999 || json_get(&v, "k1000")) fail("a large object", "its members", "others");
}

static void test_errors(void) {
  static char deep[400];
  check_error("", 0, "a value is missing");
  check_error("[1,]", 3, "no value begins like this");
  check_error("[1 2]", 3, "a comma or ] is missing");
  check_error("[1", 2, "a comma or ] is missing");
  check_error("{\"a\" 1}", 5, "a colon is missing");
  check_error("{\"a\":1", 6, "a comma or } is missing");
  check_error("{a:1}", 1, "the name of a member is missing");
  check_error("1 2", 2, "something follows the value");
  check_error("01", 0, "a number begins with 0");
  check_error("-", 0, "a value is missing");
  check_error("1.", 1, "something follows the value");
  check_error("NaN", 0, "no value begins like this");
  check_error("\"abc", 4, "the text has no end");
  check_error("\"\n\"", 1, "a control character in a text");
  check_error("\"\\x\"", 1, "no such escape");
  check_error("\"\\u12g4\"", 1, "\\u wants four hexadecimal digits");
  check_error("\"\\ud800\"", 1, "half of a surrogate pair");
  check_error("\"\\udc00\\ud800\"", 1, "half of a surrogate pair");
  check_error("\"ab\xff\"", 3, "no UTF-8");
  check_error("\"\xed\xa0\x80\"", 1, "no UTF-8");
  check_error("\"\xc0\x80\"", 1, "no UTF-8");
  memset(deep, '[', 300);
  check_error(deep, 128, "more than 128 lists and objects within one another");
  check_error_n("[1,2,3]", 7, 6, "there is no memory for so much JSON", 40);
  check_error_n("[", (size_t)1 << 31, (size_t)1 << 31, "more than 2 GiB", 40);
}

static void test_long_number(void) {
  static char digits[4400];
  memset(digits, '9', 4301);
  check_error(digits, 0, "a whole number of more than 4300 digits");
  digits[4300] = 0;
  check(digits, digits, &plain);
}

int main(void) {
  test_values();
  test_styles();
  test_large_object();
  test_errors();
  test_long_number();
  printf("%d failed\n", failures);
  return failures != 0;
}
