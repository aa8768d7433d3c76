/* tensor_ops.c -- every tensor op that can be lowered, on every type that it takes, compiled against the reference.
 *
 *   tensor_ops [--quick] [OP]
 *
 * A row is one use of an op. It runs with each element type that inference and the reference take, and in four ways: with
 * sizes known to the compiler, with symbols, with large sizes that fill vectors and leave something over, and with
 * nothing in the axis `a`. --quick leaves most types out, and is what a change of one op is tried with. An op that can be lowered and has no row fails the test. */
#include <ctype.h>
#include <stdlib.h>

#include "ir/fatal.h"
#include "ir/tolerance.h"
#include "passes/lower.h"
#include "random.h"
#include "via.h"

/* An operand is a letter for its type, and its sizes: numbers, or letters that stand for sizes.
 *   x the type that the row is tried with    f f32    b bool    h i8    u u8
 *   I/c  i64, indices of an axis of size c   J/c  the same without negative ones, each once
 *   c{1,2} a constant i64 list               s{1} a constant i64 number    r{0.5} one of the row's type    _ left out
 * Attributes follow as in the text form; ints are in brackets without blanks. `=> n` asks for n results. */
static const char *const rows[] = {
    /* ---- arithmetic ---- */
    "neg x[a,b]", "abs x[a,b]", "sign x[a,b]", "floor x[a,b]", "ceil x[a,b]", "round x[a,b]", "sqrt x[a,b]", "exp x[a,b]",
    "log x[a,b]", "sin x[a,b]", "cos x[a,b]", "tan x[a,b]", "asin x[a,b]", "acos x[a,b]", "atan x[a,b]", "sinh x[a,b]", "cosh x[a,b]",
    "tanh x[a,b]", "asinh x[a,b]", "acosh x[a,b]", "atanh x[a,b]", "erf x[a,b]", "sigmoid x[a,b]", "silu x[a,b]", "softplus x[a,b]", "expm1 x[a,b]",
    "gelu x[a,b]", "gelu x[a,b] tanh=true", "not x[a,b]", "isnan x[a,b]", "isinf x[a,b]", "isinf x[a] negative=false", "exp x[]",
    "add x[a,b] x[a,b]", "add x[a,b] x[b]", "add x[a,1] x[1,b]", "add x[] x[a,b]", "add x[a,b] x[a,1]", "add x[c,1,b] x[a,1]",
    "sub x[a,b] x[b]", "mul x[a,b] x[b]", "div x[a,b] x[b]", "mod x[a,b] x[b]", "mod x[a,b] x[b] trunc=true", "pow x[a,b] x[b]",
    "min x[a,b] x[b]", "max x[a,b] x[b]", "and x[a,b] x[b]", "or x[a,b] x[b]", "xor x[a,b] x[b]", "shl x[a,b] r{2}", "shr x[a,b] r{1}",
    "eq x[a,b] x[b]", "lt x[a,b] x[b]", "le x[a,b] x[b]", "where b[a,1] x[a,b] x[b]", "fma x[a,b] x[b] x[]",
    "cast x[a,b] to=f64", "cast x[a,b] to=f32", "cast x[a,b] to=f16", "cast x[a,b] to=bf16", "cast x[a,b] to=i64", "cast x[a,b] to=i32",
    "cast x[a,b] to=i16", "cast x[a,b] to=i8", "cast x[a,b] to=u64", "cast x[a,b] to=u32", "cast x[a,b] to=u16", "cast x[a,b] to=u8",
    "cast x[a,b] to=bool", "bitcast x[a,b] to=i32", "bitcast x[a,b] to=u16", "bitcast x[a,b] to=u8", "debug_name x[a,b]",
    /* ---- movement ---- */
    "transpose x[a,b,c] perm=[2,0,1]", "transpose x[a,b] perm=[1,0]", "transpose x[a,b,c] perm=[0,2,1]", "transpose x[a,b,c,2] perm=[0,2,1,3]",
    "expand x[a,1] c{3,1,5}", "expand x[b] c{2,1}", "concat x[a,b] x[a,c] axis=1", "concat x[a,b] x[c,b] x[1,b] axis=0",
    "split x[a,6] c{1,3,2} axis=1 => 3", "split x[a,5] axis=1 => 2", "slice x[a,9] c{1} c{8} c{1} c{3}", "slice x[a,9] c{-1} c{-9} c{1} c{-2}",
    "slice x[a,b] c{0} c{2} c{1}", "pad x[a,b] c{1,0,0,2}", "pad x[a,b] c{1,0,0,2} r{2}", "pad x[a,5] c{2,1} _ c{1} mode=reflect",
    "pad x[a,5] c{2,3} _ c{1} mode=edge", "pad x[a,5] c{2,3} _ c{1} mode=wrap", "pad x[a,5] c{-1,2} _ c{1}", "tile x[a,b] c{2,3}",
    "range s{1} s{7} s{2}", "range r{1} r{7} r{2}", "nonzero x[a,b]", "gather x[b,c] I/b[a]", "gather x[a,b] I/b[2,3] axis=1", "gather x[b] I/b[]", "gather_elements x[a,b] I/b[a,2] axis=1",
    "gather_elements x[b,c] I/b[a,c]", "gather_nd x[b,c] I/b[a,1]", "gather_nd x[a,b,c] I/b[a,2,1] batch_dims=1",
    "scatter_elements x[b,c] J/b[2,c] x[2,c]", "scatter_elements x[a,b] J/b[a,2] x[a,2] axis=1 reduction=add",
    "scatter_elements x[a,b] J/b[a,2] x[a,2] axis=1 reduction=max", "scatter_nd x[b,c] J/b[2,1] x[2,c]",
    "scatter_nd x[b,a] J/b[2,1] x[2,a] reduction=add", "scatter_nd x[b,c] J/b[2,1] x[2,c] reduction=mul", "scatter_nd x[b,c] J/b[2,1] x[2,c] reduction=min",
    "reshape x[a,b] c{-1}", "reshape x[a,6] c{0,2,3} zero_copies=true", "squeeze x[a,1,b] c{1}", "unsqueeze x[a,b] c{0,3}", "shape_of x[a,b]",
    /* ---- quantisation ---- */
    "quantize f[a,b] f[] u[] to=u8", "quantize x[a,b] x[b] to=i8 axis=1", "quantize x[a,b] x[a] h[a] to=i8 axis=0",
    "dequantize u[a,b] x[] u[]", "dequantize h[a,b] x[b] h[b] axis=1", "dequantize h[a,8] x[a,2] axis=1 block=4",
    /* ---- products ---- */
    "matmul x[a,b] x[b,c]", "matmul x[a,b] x[c,b] transb=true", "matmul x[b,a] x[b,c] transa=true", "matmul x[2,a,b] x[b,c]",
    "matmul x[2,1,a,b] x[3,b,c]", "matmul x[b] x[b,c]", "matmul x[a,b] x[b]", "matmul x[b] x[b]", "matmul x[b,a] x[c,b] transa=true transb=true",
    "matmul_panels f[a,b] f[2,b,4] c{7}",
    "conv x[a,3,9] x[4,3,3]", "conv x[a,4,9] x[4,2,3] x[4] groups=2 pads=[1,1]", "conv x[a,2,7,6] x[3,2,3,2] x[3] strides=[2,1] pads=[1,0,1,1]",
    "conv x[a,2,8,8] x[2,2,3,3] dilations=[2,2]", "conv x[a,4,b] x[4,1,3] groups=4 pads=[1,1]",
    "pool_max x[a,2,8] kernel=[3]", "pool_max x[a,2,7,6] kernel=[2,3] strides=[2,1] pads=[1,1,0,1] => 2", "pool_avg x[a,2,7,6] kernel=[2,3] strides=[2,2] ceil=true",
    "pool_avg x[a,2,8] kernel=[3] pads=[1,1] count_pads=true",
    /* ---- reductions and scans ---- */
    "reduce_sum x[a,b,c] c{1}", "reduce_sum x[a,b,c] c{-1} keep=false", "reduce_sum x[a,b,c] c{0,2} keep=false", "reduce_sum x[a,b]",
    "reduce_mean x[a,b,c] c{2}", "reduce_mean x[a,b,c] c{0,1}", "reduce_prod x[a,b,2] c{2}", "reduce_max x[a,b,c] c{1}",
    "reduce_max x[a,b] keep=false", "reduce_min x[a,b,c] c{2} keep=false", "reduce_min x[a,b] c{0}", "argmax x[a,b] axis=1", "argmax x[a,b] axis=0 keep=false",
    "argmax x[a,b] axis=1 last=true", "argmin x[a,b] axis=1 keep=false", "cumsum x[a,b] s{1}", "cumsum x[a,b] s{0} exclusive=true reverse=true",
    "cumprod x[a,3] s{1}", "cumprod x[a,3] s{1} reverse=true", "topk x[a,b] c{2} => 2", "topk x[b,a] c{1} axis=0 largest=false => 2",
    "softmax x[a,b]", "softmax x[a,b,c] axis=1", "log_softmax x[a,b]", "log_softmax x[a,b,c] axis=1",
    /* ---- models ---- */
    "layernorm x[a,b] x[b] x[b]", "layernorm x[a,b,c] x[b,c] axis=1 epsilon=0.001", "layernorm x[a,b] x[b] x[b] => 3", "rmsnorm x[a,b] x[b]", "rmsnorm x[a,b] => 2",
    "rope x[a,2,b,8] x[1,b,4] x[1,b,4]", "rope x[a,2,b,8] x[9,4] x[9,4] J/9[a,b] interleaved=true", "rope x[a,2,b,8] x[9,2] x[9,2] I/9[a,b] dims=4",
    "attention x[a,4,b,8] x[a,2,c,8] x[a,2,c,8]", "attention x[a,4,b,8] x[a,2,b,8] x[a,2,b,8] causal=true", "attention x[a,2,b,8] x[a,2,c,8] x[a,2,c,6] x[b,c] scale=0.5",
    "attention x[a,2,b,8] x[a,2,c,8] x[a,2,c,8] b[a,1,1,c]", "attention x[a,4,b,8] x[a,2,c,8] x[a,2,c,8] _ J/c[a] _ x[4] softcap=2",
    "attention x[a,2,b,8] x[a,1,b,8] x[a,1,b,8] causal=true window=2", "linear_attention x[a,2,b,4] x[a,2,b,4] x[a,2,b,3] rule=linear => 2",
    "linear_attention x[a,2,b,4] x[a,1,b,4] x[a,1,b,3] x[a,1,4,3] x[a,1,b,4] x[a,1,b,1] rule=gated_delta => 2",
    "moe x[a,4] x[a,3] x[3,6,4] x[3,4,6] k=2 act=silu normalize=true", "moe x[a,4] x[a,3] x[3,6,4] x[3,4,6] x[3,6] x[3,4] x[3,6,4] x[3,6] k=1 act=gelu",
};

/* Ops that take what no row here can make: tests/eval/state.ir and tests/tensor have those of states. */
static const Op elsewhere[] = {OP_state_append, OP_state_read, OP_state_lengths, OP_state_truncate, OP_state_copy, OP_state_clear};

/* ---- sizes ---- */

typedef enum Way { KNOWN, SYMBOLIC, LARGE, EMPTY, WAYS } Way;
static const char *const way_name[WAYS] = {"known sizes", "symbols", "large sizes", "nothing in a"};
static const int64_t sizes[WAYS][3] = {{2, 3, 5}, {2, 3, 5}, {5, 35, 67}, {0, 3, 5}}; /* of a, b and c */

static int64_t size_of(Way w, const char *word) { return isdigit((unsigned char)*word) ? atoll(word) : sizes[w][*word - 'a']; }

/* ---- a case ---- */

enum { MAX_OPERANDS = 10, MAX_WORDS = 24 };

typedef struct Case {
  const char *row;
  Way way;
  Dtype dtype;
  Arena *arena;
  Module *module;
  Func *func;
  Builder b;
  Random random;
  int n_args;
  Tensor *arg[MAX_OPERANDS];
} Case;

static Dim dim_of(Case *c, const char *word) {
  if (c->way == KNOWN || isdigit((unsigned char)*word)) return dim_const(c->module->dims, size_of(c->way, word));
  const char *name = arena_string(c->arena, word, 1);
  Symbol *s = func_find_symbol(c->func, name);
  return dim_symbol(c->module->dims, s ? s : func_add_symbol(c->func, name, DIM_NO_CAPACITY));
}

static double number(Case *c, Dtype t) {
  if (dtype_is_float(t)) return random_chance(&c->random, 5) ? 0 : 2 * random_unit(&c->random);
  if (t == DT_bool || dtype_bits(t) < 4) return random_below(&c->random, 2);
  return dtype_is_signed(t) ? random_below(&c->random, 9) - 4 : random_below(&c->random, 8);
}

static void fill(Case *c, Tensor *t, char kind, int64_t limit) {
  for (int64_t i = 0; i < t->count; i++) {
    if (kind == 'I') dtype_set_i(t->dtype, t->data, i, limit ? random_below(&c->random, (int)(2 * limit)) - limit : 0);
    else if (kind == 'J') dtype_set_i(t->dtype, t->data, i, limit ? i % limit : 0);
    else if (dtype_is_float(t->dtype)) dtype_set_f(t->dtype, t->data, i, number(c, t->dtype));
    else dtype_set_i(t->dtype, t->data, i, (int64_t)number(c, t->dtype));
  }
}

static Dtype operand_dtype(const Case *c, char kind) {
  switch (kind) {
  case 'x': return c->dtype;
  case 'f': return DT_f32;
  case 'b': return DT_bool;
  case 'h': return DT_i8;
  case 'u': return DT_u8;
  default: return DT_i64;
  }
}

/* `x[a,3]`, `I/b[a]`: an argument, and what it is in this case. */
static Value *argument(Case *c, const char *word) {
  Dim dim[MAX_RANK];
  int64_t size[MAX_RANK];
  int rank = 0;
  Dtype t = operand_dtype(c, *word);
  for (const char *at = strchr(word, '[') + 1; *at != ']'; rank++, at += strcspn(at, ",]"), at += *at == ',')
    dim[rank] = dim_of(c, at), size[rank] = size_of(c->way, at);
  Tensor *data = tensor_new(NULL, t, rank, size);
  fill(c, data, *word, word[1] == '/' ? size_of(c->way, word + 2) : 0);
  c->arg[c->n_args++] = data;
  return block_add_arg(c->func->body, type_tensor(c->module->types, t, rank, dim), NULL);
}

/* `c{1,2}`, `s{1}`, `r{0.5}` */
static Value *constant(Case *c, const char *word) {
  int64_t v[MAX_RANK];
  int n = 0;
  if (*word == 'r' && dtype_is_float(c->dtype)) return build_const(&c->b, constant_scalar_f(c->module, c->dtype, atof(word + 2)));
  if (*word == 'r') return build_const(&c->b, constant_scalar_i(c->module, c->dtype, atoll(word + 2)));
  for (char *at = (char *)(uintptr_t)word + 2; *at && *at != '}'; at += *at == ',') v[n++] = strtoll(at, &at, 10);
  return build_const(&c->b, *word == 's' ? constant_scalar_i(c->module, DT_i64, v[0]) : constant_ints(c->module, n, v));
}

static AttrArg attribute(Case *c, Op op, const char *word) {
  const OpInfo *info = op_info(op);
  const char *equals = strchr(word, '='), *text = equals + 1;
  AttrArg a = {0};
  while (strlen(info->attr[a.slot].name) != (size_t)(equals - word) || strncmp(info->attr[a.slot].name, word, (size_t)(equals - word)) != 0)
    ensure(++a.slot < info->n_attrs);
  int64_t *v = ARENA_ARRAY(c->arena, int64_t, MAX_RANK);
  int n = 0;
  switch (info->attr[a.slot].kind) {
  case AK_FLOAT: a.value.f = atof(text); break;
  case AK_STR: a.value.s = text; break;
  case AK_BOOL: a.value.i = strcmp(text, "true") == 0; break;
  case AK_DTYPE: a.value.i = dtype_find(text, strlen(text)); break;
  case AK_INTS:
    for (char *at = (char *)(uintptr_t)text + 1; *at && *at != ']'; at += *at == ',') v[n++] = strtoll(at, &at, 10);
    a.value.ints.n = n, a.value.ints.at = v;
    break;
  default: a.value.i = atoll(text);
  }
  return a;
}

/* False where inference refuses the type. */
static bool make(Case *c) {
  const char *word[MAX_WORDS] = {0};
  Value *in[MAX_OPERANDS] = {0};
  AttrArg attr[MAX_OPERANDS] = {0};
  int n = 0, n_in = 0, n_attr = 0;
  for (const char *at = c->row; *at; at += strcspn(at, " "), at += *at == ' ') word[n++] = arena_string(c->arena, at, strcspn(at, " "));
  Op op = op_find(word[0], strlen(word[0]));
  ensure(op != OP_count);
  int n_out = op_info(op)->min_out;
  for (int i = 1; i < n; i++) {
    if (strcmp(word[i], "=>") == 0) n_out = atoi(word[++i]);
    else if (strchr(word[i], '=')) attr[n_attr++] = attribute(c, op, word[i]);
    else if (*word[i] == '_') in[n_in++] = NULL;
    else in[n_in++] = strchr(word[i], '{') ? constant(c, word[i]) : argument(c, word[i]);
  }
  Value *first = build_values(&c->b, op, n_out, n_in, in, n_attr, attr);
  if (!first || !first->type) return false;
  Type *type = ARENA_ARRAY(c->arena, Type, n_out);
  for (int i = 0; i < n_out; i++) type[i] = first->def->out[i]->type;
  build_values(&c->b, OP_return, 0, n_out, first->def->out, NO_ATTRS);
  func_set_results(c->func, n_out, type, NULL);
  return true;
}

/* ---- running ---- */

typedef enum Outcome { PASSED, FAILED, REFUSED, NOT_TAKEN, OUTCOMES } Outcome;

static Outcome fail(const Case *c, const char *why) {
  printf("FAIL %s, %s, %s: %s\n", c->row, dtype_name(c->dtype), way_name[c->way], why);
  return FAILED;
}

static const char *reason(const Case *c) { return diag_first(c->module->diag) ? diag_first(c->module->diag) : "?"; }

static Outcome compare(const Case *c, Tensor *const *got, Tensor *const *want) {
  for (int i = 0; i < c->func->n_results; i++) {
    Comparison r = compare_scaled(got[i], want[i], tolerance_of(want[i]->dtype, NUMERICS_exact));
    if (!r.good) return fail(c, r.why);
  }
  return PASSED;
}

/* No op of a model's works on codes narrower than 16 bits but those that move, convert and scale them; that others are
 * refused by name is enough. */
static Outcome refused(const Case *c) {
  bool code = dtype_is_float(c->dtype) ? dtype_bits(c->dtype) <= 8 : dtype_bits(c->dtype) < 8;
  return code && strstr(reason(c), "is not lowered") ? REFUSED : fail(c, reason(c));
}

/* What the reference refuses (an index of nothing, say) is not asked of compiled code. */
static Outcome run(Case *c) {
  Tensor *want[MAX_OPERANDS] = {0}, *got[MAX_OPERANDS] = {0};
  Program *reference = via_prepare(VIA_EVAL, c->module), *native = NULL;
  Outcome o = NOT_TAKEN;
  if (via_run(reference, c->func, c->arg, want)) {
    native = via_prepare(VIA_NATIVE, c->module);
    if (!native) o = refused(c);
    else o = via_run(native, c->func, c->arg, got) ? compare(c, got, want) : fail(c, reason(c));
  }
  for (int i = 0; i < c->func->n_results; i++) tensor_release(want[i]), tensor_release(got[i]);
  if (native) via_free(native);
  via_free(reference);
  return o;
}

static Outcome try(const char *row, Dtype t, Way w) {
  Arena *a = arena_new();
  Module *m = module_new(a, diag_new(a));
  Case c = {.row = row, .way = w, .dtype = t, .arena = a, .module = m, .random = {1}};
  c.func = module_add_func(m, "main", LEVEL_TENSOR);
  c.b = (Builder){.module = m, .func = c.func, .block = c.func->body};
  Outcome o = make(&c) ? run(&c) : NOT_TAKEN;
  for (int i = 0; i < c.n_args; i++) tensor_release(c.arg[i]);
  arena_free(a);
  return o;
}

/* ---- all of them ---- */

/* The types that differ most are tried in all ways, the others with symbols. */
static bool is_tried(Dtype t, Way w, bool quick) {
  bool main_type = t == DT_f32 || t == DT_i64;
  if (t == DT_index || dtype_bits(t) == 0) return false;
  return quick ? main_type && (w == SYMBOLIC || w == EMPTY) : main_type || w == SYMBOLIC;
}

static bool is_covered(Op op) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (op_find(rows[i], strcspn(rows[i], " ")) == op) return true;
  for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
    if (elsewhere[i] == op) return true;
  return !lower_row(op)->element && !lower_row(op)->kernel;
}

static void run_row(const char *row, bool quick, int count[OUTCOMES]) {
  int before = count[PASSED] + count[FAILED] + count[REFUSED];
  for (int t = 1; t < DT_count; t++)
    for (int w = 0; w < WAYS; w++)
      if (is_tried((Dtype)t, (Way)w, quick)) count[try(row, (Dtype)t, (Way)w)]++;
  if (count[PASSED] + count[FAILED] + count[REFUSED] == before && !quick) printf("FAIL %s: no type is taken\n", row), count[FAILED]++;
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
  const char *only = argc > 1 + quick ? argv[1 + quick] : NULL;
  int count[OUTCOMES] = {0};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    size_t n = strcspn(rows[i], " ");
    if (!only || (strlen(only) == n && strncmp(only, rows[i], n) == 0)) run_row(rows[i], quick, count);
  }
  for (int op = 0; op < OP_count; op++)
    if (!is_covered((Op)op)) printf("FAIL `%s` can be lowered and has no row\n", op_name((Op)op)), count[FAILED]++;
  printf("%d passed, %d failed, 0 skipped; %d refused by name\n", count[PASSED], count[FAILED], count[REFUSED]);
  return count[FAILED] != 0;
}
