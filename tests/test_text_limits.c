/* test_text_limits.c -- texts of a megabyte that would cost a careless reader quadratic time or endless memory: each is
 * read and verified in under 2 s of processor time and 64 MB + 128 times its length. */
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ir/text.h"
#include "ir/verify.h"

enum { SIZE = 1 << 20 };

static const double seconds = 2;

typedef struct Text {
  char *at;
  size_t n;
} Text;

static void add(Text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(Text *t, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  t->n += (size_t)vsnprintf(t->at + t->n, 2 * SIZE - t->n, fmt, ap);
  va_end(ap);
}

static bool full(const Text *t) { return t->n >= SIZE; }

/* Messages with names in them. */
static void long_names_wrong(Text *t) {
  add(t, "lathe 1\nfunc @f(%%");
  while (t->n < SIZE / 2) add(t, "aaaaaaaa");
  add(t, ": f32[2]) {\n");
  while (!full(t)) add(t, "  %%%zu = reshape %%b : f32[2]\n", t->n);
}

/* ---- names ---- */

static void symbols(Text *t) {
  add(t, "lathe 1\nfunc @f<a");
  for (int i = 0; !full(t); i++) add(t, ",a%d", i);
  add(t, ">() {\n return\n}\n");
}

static void arguments(Text *t) {
  add(t, "lathe 1\nfunc @f(%%x: f32[]");
  for (int i = 0; !full(t); i++) add(t, ",%%%d:f32[]", i);
  add(t, ") {\n return\n}\n");
}

static void results(Text *t) {
  add(t, "lathe 1\nfunc @f() {\n %%a");
  for (int i = 0; !full(t); i++) add(t, ",%%%d", i);
  add(t, " = split\n return\n}\n");
}

static void functions(Text *t) {
  add(t, "lathe 1\n");
  for (int i = 0; !full(t); i++) add(t, "func @f%d<a>(%%x: f32[a]) { return }\n", i);
}

static void undefined(Text *t) {
  add(t, "lathe 1\nfunc @f() {\n");
  for (int i = 0; !full(t); i++) add(t, "%%%d = neg %%x%d : f32[]\n", i, i);
}

/* ---- values ---- */

static void splats(Text *t) {
  add(t, "lathe 1\n");
  for (int i = 0; !full(t); i++) add(t, "const @%d : f32[1000000,1000000] = splat 1\n", i);
}

/* ---- sizes ---- */

static void add_symbols(Text *t, int n) {
  add(t, "lathe 1\nfunc @f<a0");
  for (int i = 1; i < n; i++) add(t, ",a%d", i);
  add(t, ">(%%x: f32[a0");
}

static void long_sum(Text *t) {
  add_symbols(t, 100);
  for (int i = 1; !full(t); i++) add(t, "+a%d", i % 100);
  add(t, "]) { return }\n");
}

static void sums_that_cancel(Text *t) {
  add_symbols(t, 100);
  for (int i = 1; i < 100; i++) add(t, "+a%d", i);
  while (!full(t)) add(t, "-a0+a0");
  add(t, "]) { return }\n");
}

/* An argument has up to 12 of them. */
static void next_size(Text *t, int i) {
  if (i % 11 == 10) add(t, "],%%x%d: f32[1", i);
}

static void products(Text *t) {
  add_symbols(t, 20);
  for (int i = 0; !full(t); next_size(t, i++))
    add(t, ",(a1+a2+a3+a4+a5+a6+a7+a8+a9+%d)*(a10+a11+a12+a13+a14+a15+a16+a17+a18)", i);
  add(t, "]) { return }\n");
}

static void minima(Text *t) {
  add_symbols(t, 2);
  for (int i = 0; !full(t); next_size(t, i++))
    add(t, ",min(a0+%d,max(a1,min(a0,max(a1*a0,min(a1,floordiv(a0,a1+%d))))))", i, i);
  add(t, "]) { return }\n");
}

/* Each value is a function of the one before, twice. */
static void traced(Text *t, const char *op) {
  add(t, "lathe 1\nfunc @f<a, b, n?>(%%x: f32[a,b]) {\n %%0 = dims sizes=[a] : i64[1]\n %%one = const [3] : i64[1]\n");
  for (int i = 0; !full(t); i++) {
    add(t, " %%%d = %s %%%d, %%%d : i64[1]\n", 3 * i + 1, op, 3 * i, 3 * i);
    add(t, " %%%d = add %%%d, %%one : i64[1]\n", 3 * i + 2, 3 * i + 1);
    add(t, " %%%d = div %%%d, %%one : i64[1]\n", 3 * i + 3, 3 * i + 2);
    add(t, " %%s%d = expand %%x, %%%d : f32[a,n]\n", i, 3 * i + 3);
  }
  add(t, " return\n}\n");
}

static void traced_products(Text *t) { traced(t, "mul"); }
static void traced_minima(Text *t) { traced(t, "min"); }
static void traced_sums(Text *t) { traced(t, "add"); }

/* Here eight times, nested: written out, the sizes would be endless. */
static void traced_powers(Text *t) {
  add(t, "lathe 1\nfunc @f<a, b, n?>(%%x: f32[a,b]) {\n %%0 = dims sizes=[a] : i64[1]\n %%one = const [3] : i64[1]\n");
  for (int i = 0; !full(t); i += 5) {
    for (int k = 0; k < 3; k++) add(t, " %%%d = mul %%%d, %%%d : i64[1]\n", i + k + 1, i + k, i + k);
    add(t, " %%%d = add %%%d, %%0 : i64[1]\n %%%d = div %%%d, %%one : i64[1]\n", i + 4, i + 3, i + 5, i + 4);
    add(t, " %%s%d = expand %%x, %%%d : f32[a,n]\n", i, i + 5);
  }
  add(t, " return\n}\n");
}

static void long_vector(Text *t) {
  add(t, "lathe 1\nfunc @f<a>(%%x: f32[a]) {\n %%0 = dims sizes=[a] : i64[1]\n");
  for (int i = 0; !full(t); i++)
    add(t, " %%%d = concat %%%d, %%%d axis=0 : i64[%d]\n", i + 1, i, i, i < 60 ? 2 << (i % 30) : 2);
  add(t, " return\n}\n");
}

/* ---- structure ---- */

static void nodes(Text *t) {
  add(t, "lathe 1\nfunc @f(%%0: f32[2]) {\n");
  for (int i = 0; !full(t); i++) add(t, "%%%d=neg%%%d:f32[2]\n", i + 1, i);
  add(t, "return\n}\n");
}

static void wrong_types(Text *t) {
  add(t, "lathe 1\nfunc @f(%%x: f32[2]) {\n");
  for (int i = 0; !full(t); i++) add(t, " %%%d = neg %%x : f32[3]\n", i);
  add(t, "return\n}\n");
}

static void nested(Text *t) {
  add(t, "lathe 1\nfunc @f(%%x: f32[2]) {\n");
  for (int i = 0; !full(t); i++) {
    for (int k = 0; k < 60; k++) add(t, "%%%d_%d = fused { ", i, k);
    add(t, "yield %%x }");
    for (int k = 59; k > 0; k--) add(t, " : f32[2]\nyield %%%d_%d }", i, k);
    add(t, " : f32[2]\n");
  }
  add(t, "return\n}\n");
}

static void chain_of_calls(Text *t) {
  add(t, "lathe 1\n");
  int n = SIZE / 40;
  for (int i = 0; i < n; i++) add(t, "func @f%d() {\n call @f%d\n return\n}\n", i, i + 1);
  add(t, "func @f%d() { return }\n", n);
}

static void ring_of_calls(Text *t) {
  add(t, "lathe 1\n");
  int n = SIZE / 40;
  for (int i = 0; i < n; i++) add(t, "func @f%d() {\n call @f%d\n return\n}\n", i, (i + 1) % n);
}

/* A start, one piece again and again, and an end; or what a function makes. */
// clang-format off
static const struct {
  const char *name;
  void (*make)(Text *);
  const char *start, *piece, *end;
} texts[] = {
    {"braces", NULL, "lathe 1\nfunc @f() {\n", "{{{{{{{{", ""},
    {"brackets", NULL, "lathe 1\nfunc @f<a>(%x: f32[", "((((((((", ""},
    {"regions", NULL, "lathe 1\nfunc @f() {\n", "fused { ", ""},
    {"closings", NULL, "lathe 1\n", "}\n", ""},
    {"lines", NULL, "lathe 1\n", "\n", ""},
    {"wrong_ops", NULL, "lathe 1\nfunc @f() {\n", "x\n", ""},
    {"long_name", NULL, "lathe 1\nfunc @f(%", "aaaaaaaa", ""},
    {"long_string", NULL, "lathe 1\nfile @\"", "\\xff", "\" \"x\" 1"},
    {"long_number", NULL, "lathe 1\nconst @a : f32[] = ", "12345678", ""},
    {"list", NULL, "lathe 1\nconst @a : f32[1] = [1", ",1", "]\n"},
    {"late_list", NULL, "lathe 1\nfunc @f() {\n %0 = const [1", ",1", "] : f32[1]\n return\n}\n"},
    {"attribute", NULL, "lathe 1\nfunc @f(%x: f32[2]) {\n %0 = transpose %x perm=[1", ",1", "] : f32[2]\n return\n}\n"},
    {"operands", NULL, "lathe 1\nfunc @f(%a: f32[2]) {\n %0 = concat %a", ",%a", " axis=0 : f32[2]\n return\n}\n"},
#define MADE(name) {#name, name, NULL, NULL, NULL},
    MADE(long_names_wrong) MADE(symbols) MADE(arguments) MADE(results) MADE(functions) MADE(undefined) MADE(splats)
    MADE(long_sum) MADE(sums_that_cancel) MADE(products) MADE(minima)
    MADE(traced_products) MADE(traced_minima) MADE(traced_sums) MADE(traced_powers) MADE(long_vector)
    MADE(nodes) MADE(wrong_types) MADE(nested) MADE(chain_of_calls) MADE(ring_of_calls)
#undef MADE
};
// clang-format on

static void make(int i, Text *t) {
  if (texts[i].make) {
    texts[i].make(t);
    return;
  }
  add(t, "%s", texts[i].start);
  while (!full(t)) add(t, "%s", texts[i].piece);
  add(t, "%s", texts[i].end);
}

/* ---- measuring ---- */

static size_t peak_memory(void) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  return (size_t)r.ru_maxrss * 1024;
}

/* Without this, sanitizers' shadow memory counts. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
static const double slower = 6;
static const bool measures_memory = false;
#else
static const double slower = 1;
static const bool measures_memory = true;
#endif

static bool check(const char *name, const Text *t) {
  size_t before = peak_memory();
  clock_t start = clock();
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  Module *m = text_parse(a, d, name, t->at, t->n);
  bool valid = m && verify_module(m);
  const char *first = diag_first(d);
  double took = (double)(clock() - start) / CLOCKS_PER_SEC;
  size_t used = peak_memory() - before, allowed = ((size_t)64 << 20) + 128 * t->n;
  bool ok = took <= seconds * slower && (used <= allowed || !measures_memory);
  printf("%-5s %-18s %6.3f s %6.1f MB  %s\n", ok ? "" : "FAIL", name, took, (double)used / 1e6,
         valid   ? "valid"
         : first ? arena_printf(a, "%.90s", first)
                 : "no message");
  if (m) module_close(m);
  arena_free(a);
  return ok;
}

/* Each in a process of its own, for its peak. */
static bool run(int i) {
  int status;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    Text t = {.at = malloc(2 * SIZE + 1)};
    if (!t.at) exit(1);
    make(i, &t);
    bool ok = check(texts[i].name, &t);
    free(t.at);
    exit(ok ? 0 : 1);
  }
  if (child < 0 || waitpid(child, &status, 0) < 0) return false;
  if (!WIFEXITED(status)) printf("FAIL  %s died\n", texts[i].name);
  return status == 0;
}

int main(void) {
  int n = (int)(sizeof texts / sizeof *texts), bad = 0;
  for (int i = 0; i < n; i++) bad += !run(i);
  printf("%d passed, %d failed\n", n - bad, bad);
  return bad ? 1 : 0;
}
