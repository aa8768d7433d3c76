/* test_eval_hostile.c -- every op's inference and evaluation on random operands and attributes, most of which make no sense.
 *
 * test_eval_hostile [COUNT [SEED]]: each attempt gives results or an error; the sanitizers see to the rest. Where there are
 * results, inference on symbols in place of some of the sizes must have foreseen theirs. */
#include <inttypes.h>
#include <stdlib.h>

#include "ir/eval.h"
#include "ir/infer.h"
#include "random.h"

enum { MAX_IN = 9, MAX_OUT = 4, SYMBOLS = 5, ATTEMPTS_A_MODULE = 500 };

typedef struct Attempt {
  Random r;
  Module *module;
  Func *func;
  const Symbol *symbol[SYMBOLS]; /* number k stands for k */
  Node *node;
  Tensor *in[MAX_IN], *out[MAX_OUT];
} Attempt;

/* ---- operands ---- */

/* Small numbers, which fit somewhere, and those at the ends, which fit nowhere. */
static int64_t some_int(Random *r) {
  static const int64_t ends[] = {INT64_MIN, INT64_MIN + 1, -INT32_MAX, INT32_MAX, INT64_MAX - 1, INT64_MAX, 1 << 20};
  if (random_chance(r, 5)) return ends[random_below(r, sizeof ends / sizeof *ends)];
  return random_below(r, 8) - 3;
}

static double some_float(Random *r) {
  static const double ends[] = {INFINITY, -INFINITY, NAN, 1e300, -1e300, 0, -0.0};
  if (random_chance(r, 10)) return ends[random_below(r, sizeof ends / sizeof *ends)];
  return 4 * random_unit(r);
}

static Dtype some_dtype(Random *r) {
  static const Dtype often[] = {DT_f32, DT_f32, DT_f32, DT_f16, DT_i64, DT_i32, DT_bool, DT_u8, DT_i4};
  if (random_chance(r, 90)) return often[random_below(r, sizeof often / sizeof *often)];
  return (Dtype)(1 + random_below(r, DT_count - 1));
}

static Tensor *filled(Random *r, Dtype t, int rank, const int64_t *dim) {
  Tensor *x = tensor_new(NULL, t, rank, dim);
  for (int64_t i = 0; i < x->count; i++) {
    if (dtype_is_float(t))
      dtype_set_f(t, x->data, i, some_float(r));
    else
      dtype_set_i(t, x->data, i, t == DT_bool ? random_below(r, 2) : some_int(r));
  }
  return x;
}

static Tensor *any_tensor(Random *r) {
  int64_t dim[4];
  int rank = random_below(r, 5);
  for (int i = 0; i < rank; i++) dim[i] = random_chance(r, 8) ? 0 : 1 + random_below(r, 4);
  return filled(r, some_dtype(r), rank, dim);
}

/* Often of the first one's form, or a list with a number for each of its axes. */
static Tensor *another_tensor(Random *r, const Tensor *first) {
  int64_t n = first->rank;
  switch (random_below(r, 6)) {
  case 0: return filled(r, first->dtype, first->rank, first->dim);
  case 1: return filled(r, DT_i64, first->rank, first->dim);
  case 2: return filled(r, DT_i64, 1, &n);
  case 3: return filled(r, DT_i64, 0, NULL);
  case 4: return filled(r, first->dtype, random_below(r, 2), (int64_t[]){random_below(r, 5)});
  default: return any_tensor(r);
  }
}

/* ---- attributes ---- */

static const char *some_word(Random *r) {
  static const char *const words[] = {NULL,   "none", "add",  "mul",       "max",  "min",   "constant", "reflect",
                                      "edge", "wrap", "silu", "gelu_tanh", "even", "delta", "nonsense"};
  return words[random_below(r, sizeof words / sizeof *words)];
}

static void set_list(Attempt *a, Attr *attr, AttrKind kind) {
  int n = random_below(&a->r, 5);
  int64_t *ints = ARENA_ARRAY(a->module->arena, int64_t, n);
  double *floats = ARENA_ARRAY(a->module->arena, double, n);
  for (int i = 0; i < n; i++) ints[i] = some_int(&a->r), floats[i] = some_float(&a->r);
  if (kind == AK_INTS)
    attr->ints.n = n, attr->ints.at = ints;
  else
    attr->floats.n = n, attr->floats.at = floats;
}

static void set_attribute(Attempt *a, Attr *attr, const AttrInfo *info) {
  if (!info->required && random_chance(&a->r, 40)) return; /* stays at its default */
  switch (info->kind) {
  case AK_INT: attr->i = some_int(&a->r); break;
  case AK_BOOL: attr->i = random_below(&a->r, 2); break;
  case AK_DTYPE: attr->i = some_dtype(&a->r); break;
  case AK_FLOAT: attr->f = some_float(&a->r); break;
  case AK_STR: attr->s = some_word(&a->r); break;
  default: set_list(a, attr, info->kind); break;
  }
}

/* ---- attempts ---- */

/* Ops on plain tensors that have no region and refer to nothing. */
static bool is_tried(const OpInfo *op) {
  if (!op->eval || op->regions || !(op->level & LEVEL_TENSOR) || strncmp(op->name, "state", 5) == 0) return false;
  for (int i = 0; i < op->n_attrs; i++)
    if (op->attr[i].kind > AK_FLOATS) return false;
  return true;
}

static void make_node(Attempt *a, Op op) {
  const OpInfo *info = op_info(op);
  int most = info->max_in < MAX_IN ? info->max_in : MAX_IN, out = info->max_out < MAX_OUT ? info->max_out : MAX_OUT;
  int n_in = info->min_in + random_below(&a->r, most - info->min_in + 1);
  int n_out = info->min_out + random_below(&a->r, out - info->min_out + 1);
  a->node = node_new(a->func, op, n_in, n_out, 0, (Loc){0});
  for (int i = 0; i < info->n_attrs; i++) set_attribute(a, &a->node->attr[i], &info->attr[i]);
  for (int i = 0; i < n_in; i++) {
    bool left_out = i >= info->min_in && random_chance(&a->r, 20);
    a->in[i] = left_out ? NULL : i && a->in[0] ? another_tensor(&a->r, a->in[0]) : any_tensor(&a->r);
  }
}

/* ---- inference on symbols ---- */

static Dim some_dim(Attempt *a, int64_t v) {
  bool symbolic = v >= 0 && v < SYMBOLS && random_chance(&a->r, 50);
  return symbolic ? dim_symbol(a->module->dims, a->symbol[v]) : dim_const(a->module->dims, v);
}

static Type some_type(Attempt *a, const Tensor *t) {
  Dim dim[MAX_RANK];
  for (int i = 0; i < t->rank; i++) dim[i] = some_dim(a, t->dim[i]);
  return type_tensor(a->module->types, t->dtype, t->rank, dim);
}

/* What is known of an operand: its contents, a list of sizes, or its type alone. */
static Value *some_value(Attempt *a, const Tensor *t) {
  Builder b = {.module = a->module, .func = a->func, .block = a->func->body};
  int64_t bytes;
  if (random_chance(&a->r, 30)) return block_add_arg(a->func->body, some_type(a, t), NULL);
  if (t->dtype == DT_i64 && t->rank == 1 && random_chance(&a->r, 50)) {
    Dim *list = ARENA_ARRAY(a->module->arena, Dim, t->count);
    for (int64_t i = 0; i < t->count; i++) list[i] = some_dim(a, tensor_i(t, i));
    return build_dims(&b, (int)t->count, list);
  }
  if (!dtype_size(t->dtype, t->count, &bytes)) return NULL;
  return build_const(&b, constant_bytes(a->module, tensor_type(a->module, t), t->data, bytes));
}

static bool foreseen(Attempt *a, int result, Type t) {
  int64_t value[SYMBOLS], v;
  const Tensor *have = a->out[result];
  for (int i = 0; i < SYMBOLS; i++) value[i] = i;
  if (t->dtype != have->dtype || t->rank != have->rank) return false;
  for (int i = 0; i < t->rank; i++)
    if (!dim_is_unknown(t->dim[i]) && (!dim_eval(t->dim[i], value, SYMBOLS, &v) || v != have->dim[i])) return false;
  return true;
}

/* A size of 0 that is written as a symbol is not the 0 that copies an axis. */
static bool has_its_own_rules(const Node *n) { return n->op == OP_reshape && node_bool(n, reshape, zero_copies); }

/* Symbols may say too little: which axes a squeeze drops, or whether a list of scales is a list of one. */
static bool may_ask_for_more(const Node *n, const char *error) {
  bool scales = n->op == OP_quantize || n->op == OP_dequantize;
  return scales || strstr(error, "must be known") || strstr(error, "must be a known") || strstr(error, "depends on");
}

static void check_foresight(Attempt *a) {
  Node *n = a->node;
  Type in[MAX_IN] = {0}, out[MAX_OUT] = {0};
  Diag *d = diag_new(a->module->arena);
  for (int i = 0; i < n->n_in; i++) {
    if (a->in[i]) node_set_in(n, i, some_value(a, a->in[i]));
    if (a->in[i]) in[i] = n->in[i].value->type;
  }
  bool ok = infer_run(&(Infer){.module = a->module, .node = n, .diag = d, .in = in, .out = out});
  const char *error = ok ? NULL : diag_first(d);
  if (error && may_ask_for_more(n, error)) return;
  for (int i = 0; i < n->n_out; i++) {
    if (ok && foreseen(a, i, out[i])) continue;
    fprintf(stderr, "%s: result %d is %s, and inference says %s\n", op_name(n->op), i,
            type_text(a->module->arena, tensor_type(a->module, a->out[i])),
            ok ? type_text(a->module->arena, out[i]) : error);
    for (int k = 0; k < n->n_in; k++)
      fprintf(stderr, "  operand %d: %s\n", k, in[k] ? type_text(a->module->arena, in[k]) : "_");
    exit(1);
  }
}

static bool attempt(Attempt *a, Evaluator *e, Op op) {
  make_node(a, op);
  int before = diag_errors(a->module->diag);
  bool ok = eval_node(e, a->node, a->in, a->out);
  if (!ok && diag_errors(a->module->diag) == before) {
    fprintf(stderr, "%s fails without a word\n", op_name(op));
    exit(1);
  }
  if (ok && !has_its_own_rules(a->node)) check_foresight(a);
  for (int i = 0; i < a->node->n_in; i++) tensor_release(a->in[i]);
  for (int i = 0; ok && i < a->node->n_out; i++) tensor_release(a->out[i]);
  return ok;
}

static int run(uint64_t seed, int count, const Op *op, int n_ops) {
  Arena *arena = arena_new();
  Attempt a = {.r = {seed}, .module = module_new(arena, diag_new(arena))};
  a.func = module_add_func(a.module, "f", LEVEL_TENSOR);
  for (int i = 0; i < SYMBOLS; i++) a.symbol[i] = func_fresh_symbol(a.func, "s");
  Evaluator *e = eval_new(a.module, (EvalOptions){.max_memory = 1 << 20});
  int good = 0;
  for (int i = 0; i < count; i++) good += attempt(&a, e, op[random_below(&a.r, n_ops)]);
  eval_free(e);
  module_close(a.module);
  arena_free(arena);
  return good;
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 30000, n_ops = 0, good = 0;
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  Op ops[OP_count];
  for (int i = 0; i < OP_count; i++)
    if (is_tried(op_info((Op)i))) ops[n_ops++] = (Op)i;
  for (int done = 0; done < count; done += ATTEMPTS_A_MODULE) good += run(seed++, ATTEMPTS_A_MODULE, ops, n_ops);
  printf("%d ops, %d attempts, %d with a result\n", n_ops, count, good);
  return good ? 0 : 1;
}
