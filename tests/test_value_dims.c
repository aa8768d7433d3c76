/* test_value_dims.c -- integers read back out of the ops that make shapes, and that doing so is cheap. */
#include "ir/infer.h"
#include "ir/text.h"

typedef struct Case {
  const char *body; /* of a function of %x: f32[past+seq,4] and %k: i64[]; its last value is %v */
  const char *want; /* the elements of %v, or NULL: not even their number is known */
} Case;

static const Case cases[] = {
    {"%v = shape_of %x : i64[2]", "past+seq 4"},
    {"%v = dims sizes=[2*seq, 3] : i64[2]", "2*seq 3"},
    {"%v = const [1, -1] : i64[2]", "1 -1"},
    {"%v = const [7, 7] : i32[2]", "7 7"},
    {"%s = shape_of %x : i64[2]\n %i = const 0 : i64[]\n %v = gather %s, %i : i64[]", "past+seq"},
    {"%s = shape_of %x : i64[2]\n %i = const [-1, 0] : i64[2]\n %v = gather %s, %i : i64[2]", "4 past+seq"},
    {"%s = shape_of %x : i64[2]\n %a = const [1] : i64[1]\n %b = const [9] : i64[1]\n %v = slice %s, %a, %b : i64[1]", "4"},
    {"%s = shape_of %x : i64[2]\n %a = const [-1] : i64[1]\n %b = const [-9] : i64[1]\n %z = const [0] : i64[1]\n"
     " %m = const [-1] : i64[1]\n %v = slice %s, %a, %b, %z, %m : i64[2]",
     "4 past+seq"},
    {"%s = shape_of %x : i64[2]\n %c = const [5] : i64[1]\n %v = concat %c, %s, %c axis=0 : i64[4]", "5 past+seq 4 5"},
    {"%s = shape_of %x : i64[2]\n %u, %v = split %s : i64[1], i64[1]", "4"},
    {"%s = shape_of %x : i64[2]\n %v = reduce_prod %s keep=false : i64[]", "4*past+4*seq"},
    {"%s = shape_of %x : i64[2]\n %t = cast %s to=i32 : i32[2]\n %v = cast %t to=i64 : i64[2]", "past+seq 4"},
    {"%s = shape_of %x : i64[2]\n %v = cast %s to=i8 : i8[2]", "? 4"},
    {"%s = shape_of %x : i64[2]\n %c = const [300, 2] : i64[2]\n %v = cast %c to=i8 : i8[2]", "44 2"},
    {"%s = shape_of %x : i64[2]\n %c = const 2 : i64[]\n %v = mul %s, %c : i64[2]", "2*past+2*seq 8"},
    {"%s = shape_of %x : i64[2]\n %c = const 2 : i64[]\n %v = div %s, %c : i64[2]", "floordiv(past+seq,2) 2"},
    {"%c = const [-7, 7, 7] : i64[3]\n %d = const [2, -2, 0] : i64[3]\n %v = div %c, %d : i64[3]", "-3 -3 0"},
    {"%d = dims sizes=[seq-5] : i64[1]\n %c = const 2 : i64[]\n %v = div %d, %c : i64[1]", "?"},
    {"%d = dims sizes=[2*seq-6] : i64[1]\n %c = const 2 : i64[]\n %v = div %d, %c : i64[1]", "seq-3"},
    {"%s = shape_of %x : i64[2]\n %m = const -1 : i64[]\n %e = eq %s, %m : bool[2]\n %w = const [8, 9] : i64[2]\n"
     " %v = where %e, %w, %s : i64[2]",
     "past+seq 4"},
    {"%s = shape_of %x : i64[2]\n %m = const 4 : i64[]\n %v = le %m, %s : bool[2]", "? 1"},
    {"%s = shape_of %x : i64[2]\n %m = const -1 : i64[]\n %l = lt %m, %s : bool[2]\n %v = not %l : bool[2]", "0 0"},
    {"%s = shape_of %x : i64[2]\n %f = cast %s to=f32 : f32[2]\n %c = const [1, 9999] : f32[2]\n"
     " %m = max %f, %c : f32[2]\n %r = round %m : f32[2]\n %v = cast %r to=i64 : i64[2]",
     "max(1,past+seq) 9999"},
    {"%c = const [7, 8, 0.5, nan, inf] : f32[5]\n %t = const 2 : f32[]\n %q = div %c, %t : f32[5]\n"
     " %v = cast %q to=i64 : i64[5]",
     "? 4 ? ? ?"},
    {"%c = const [16777216, 16777215] : f32[2]\n %o = const 1 : f32[]\n %a = add %c, %o : f32[2]\n"
     " %v = cast %a to=i64 : i64[2]",
     "? 16777216"},
    {"%s = shape_of %x : i64[2]\n %v = cast %s to=f32 : f32[2]", NULL},
    {"%s = shape_of %x : i64[2]\n %n = neg %s : i64[2]\n %v = abs %n : i64[2]", "past+seq 4"},
    {"%c = const 3 : i64[]\n %n = const [4] : i64[1]\n %v = expand %c, %n : i64[4]", "3 3 3 3"},
    {"%a = const 2 : i64[]\n %b = const 9 : i64[]\n %c = const 3 : i64[]\n %v = range %a, %b, %c : i64[3]", "2 5 8"},
    {"%s = shape_of %x : i64[2]\n %z = const [1, 2] : i64[2]\n %t = reshape %s, %z : i64[1,2]\n %v = squeeze %t : i64[2]", "past+seq 4"},
    {"%n = const [2] : i64[1]\n %v = expand %k, %n : i64[2]", "? ?"},
    {"%n = const 1000 : i64[]\n %z = const 0 : i64[]\n %o = const 1 : i64[]\n %v = range %z, %n, %o : i64[1000]", NULL},
};

static int failures;

static const char *dims_of(Arena *a, Module *m, const char *name) {
  const Block *b = module_find_func(m, "f")->body;
  const Value *v = NULL;
  for (const Node *n = b->first; n; n = n->next)
    for (int i = 0; i < n->n_out; i++)
      if (n->out[i]->name && strcmp(n->out[i]->name, name) == 0) v = n->out[i];
  Dim dim[64];
  int n;
  if (!value_dims(m, v, 64, dim, &n)) return NULL;
  char *s = "";
  for (int i = 0; i < n; i++) s = arena_printf(a, "%s%s%s", s, i ? " " : "", dim_text(a, dim[i]));
  return s;
}

static void check(const char *body, const char *want) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  char *text = arena_printf(a, "lathe 1\nfunc @f<past, seq>(%%x: f32[past+seq,4], %%k: i64[]) -> () {\n %s\n return\n}\n", body);
  Module *m = text_parse(a, d, "test", text, strlen(text));
  const char *have = m ? dims_of(a, m, "v") : diag_first(d);
  if (m ? (!have != !want || (have && strcmp(have, want) != 0)) : true) {
    fprintf(stderr, "%s\n  have: %s\n  want: %s\n", body, have ? have : "nothing", want ? want : "nothing");
    failures++;
  }
  arena_free(a);
}

/* Each value twice in the next: 2^2000 ways back to the first. What is near is found nevertheless. */
static void check_bound(void) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  char *text = arena_alloc(a, 100000), *at = text;
  at += sprintf(at, "lathe 1\nfunc @f<n>(%%x: f32[n]) -> () {\n %%v0 = shape_of %%x : i64[1]\n");
  for (int i = 0; i < 2000; i++) at += sprintf(at, " %%v%d = max %%v%d, %%v%d : i64[1]\n", i + 1, i, i);
  at += sprintf(at, " return\n}\n");
  Module *m = text_parse(a, d, "test", text, (size_t)(at - text));
  const char *near = dims_of(a, m, "v30"), *far = dims_of(a, m, "v2000");
  if (!near || strcmp(near, "n") != 0 || !far || strcmp(far, "?") != 0) {
    fprintf(stderr, "after 30 steps: %s; after 2000: %s\n", near, far);
    failures++;
  }
  arena_free(a);
}

int main(void) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(cases[i].body, cases[i].want);
  check_bound();
  return failures != 0;
}
