/* test_infer_move.c -- what type inference says of sizes that are symbols, and how it refuses. */
#include <inttypes.h>
#include <stdlib.h>

#include "ir/ir.h"
#include "ir/move.h"

typedef struct Test {
  Arena *arena;
  Module *module;
  Builder b;
  Dim seq, past; /* without a bound */
  Dim row;       /* at most 16 */
} Test;

static int failures;

static Test test_new(void) {
  Arena *a = arena_new();
  Test t = {.arena = a, .module = module_new(a, diag_new(a))};
  Func *f = module_add_func(t.module, "f", LEVEL_TENSOR);
  t.b = (Builder){.module = t.module, .func = f, .block = f->body};
  t.seq = dim_symbol(t.module->dims, func_add_symbol(f, "seq", DIM_NO_CAPACITY));
  t.past = dim_symbol(t.module->dims, func_add_symbol(f, "past", DIM_NO_CAPACITY));
  t.row = dim_symbol(t.module->dims, func_add_symbol(f, "row", 16));
  return t;
}

/* ---- operands ---- */

static Dim num(Test *t, int64_t v) { return dim_const(t->module->dims, v); }
static Dim add(Test *t, Dim a, Dim b) { return dim_add(t->module->dims, a, b); }

static Value *tensor_of(Test *t, Dtype type, int rank, const Dim *dim) {
  return block_add_arg(t->b.block, type_tensor(t->module->types, type, rank, dim), NULL);
}
#define DIMS(...)                                                                                                      \
  (int)(sizeof((Dim[]){__VA_ARGS__}) / sizeof(Dim)), (Dim[]) { __VA_ARGS__ }
#define f32_(t, ...) tensor_of((t), DT_f32, DIMS(__VA_ARGS__))
#define i64_(t, ...) tensor_of((t), DT_i64, DIMS(__VA_ARGS__))
#define list(t, ...)                                                                                                   \
  build_ints(&(t)->b, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})
#define sizes(t, ...) build_dims(&(t)->b, DIMS(__VA_ARGS__))

static Value *anywhere(Test *t) { return tensor_of(t, DT_i64, 1, (Dim[]){num(t, 1)}); } /* a list of one, not known */

/* ---- expectations ---- */

static void is(Test *t, int line, const Value *v, const char *want) {
  const char *error = diag_first(t->module->diag);
  const char *have = v && v->type ? type_text(t->arena, v->type) : error ? error : "nothing";
  if (strcmp(have, want) == 0) return;
  fprintf(stderr, "%s:%d: have %s, want %s\n", __FILE__, line, have, want);
  failures++;
}

static void refused(Test *t, int line, const Value *v, const char *want) {
  const char *have = diag_first(t->module->diag);
  if (!v->type && have && strstr(have, want)) {
    diag_flush(t->module->diag, fopen("/dev/null", "w"), false);
    return;
  }
  fprintf(stderr, "%s:%d: have %s, want the error \"%s\"\n", __FILE__, line,
          v->type ? type_text(t->arena, v->type) : have, want);
  failures++;
}
#define IS(v, want) is(t, __LINE__, (v), (want))
#define REFUSED(v, want) refused(t, __LINE__, (v), (want))

/* ---- reshape and axes of size 1 ---- */

static Value *reshape(Test *t, Value *x, Value *shape) { return build(&t->b, OP_reshape, 1, INS(x, shape), NO_ATTRS); }
static Value *copying(Test *t, Value *x, Value *shape) {
  return build(&t->b, OP_reshape, 1, INS(x, shape), ATTRS(at_i(reshape, zero_copies, 1)));
}

static void test_reshape(Test *t) {
  Value *x = f32_(t, num(t, 2), t->seq, num(t, 64));
  IS(reshape(t, x, list(t, -1, 64)), "f32[2*seq,64]");
  IS(reshape(t, x, list(t, 2, -1, 8, 8)), "f32[2,seq,8,8]");
  IS(reshape(t, x, sizes(t, num(t, 2), t->seq, num(t, 4), num(t, -1))), "f32[2,seq,4,16]");
  IS(reshape(t, x, list(t, -1, 3)), "f32[floordiv(128*seq,3),3]");
  IS(copying(t, x, list(t, 0, 0, 4, -1)), "f32[2,seq,4,16]");
  IS(reshape(t, f32_(t, num(t, 0), num(t, 4)), list(t, 4, 0)), "f32[4,0]");
  IS(reshape(t, f32_(t, num(t, 6)), sizes(t, t->seq, num(t, -1))), "f32[seq,floordiv(6,seq)]");
  REFUSED(reshape(t, f32_(t, num(t, 2), num(t, 3)), list(t, 4, 2)), "cannot reshape [2,3] to [4,2]");
  REFUSED(reshape(t, f32_(t, num(t, 2), num(t, 3)), list(t, 4, -1)), "cannot reshape [2,3] to [4,-1]");
  REFUSED(reshape(t, x, list(t, -1, -1)), "[-1,-1] has more than one -1");
  REFUSED(reshape(t, x, list(t, -2, 4)), "[-2,4] has the negative size -2");
  REFUSED(reshape(t, x, list(t, 0, -1)), "cannot tell what -1 is");
  REFUSED(copying(t, x, list(t, 2, -1, 8, 0)), "size 0 at place 3 copies an axis of [2,seq,64], which has none there");
  REFUSED(reshape(t, x, i64_(t, t->seq)), "the length of operand 1 (shape) must be known");
  REFUSED(reshape(t, x, f32_(t, num(t, 2))), "operand 1 (shape) is f32[2], and must be a list of integers");
}

static void test_axes_of_one(Test *t) {
  Value *x = f32_(t, num(t, 1), t->seq, num(t, 1));
  IS(build(&t->b, OP_squeeze, 1, INS(x, list(t, -1)), NO_ATTRS), "f32[1,seq]");
  IS(build(&t->b, OP_squeeze, 1, INS(x, list(t, 0, 2)), NO_ATTRS), "f32[seq]");
  IS(build(&t->b, OP_squeeze, 1, INS(f32_(t, num(t, 1), num(t, 3))), NO_ATTRS), "f32[3]");
  REFUSED(build(&t->b, OP_squeeze, 1, INS(x), NO_ATTRS), "whether axis 1 is dropped depends on its size seq");
  REFUSED(build(&t->b, OP_squeeze, 1, INS(f32_(t, num(t, 2)), list(t, 0)), NO_ATTRS), "its size is 2");
  IS(build(&t->b, OP_unsqueeze, 1, INS(f32_(t, t->seq, num(t, 4)), list(t, 0, -1)), NO_ATTRS), "f32[1,seq,4,1]");
  REFUSED(build(&t->b, OP_unsqueeze, 1, INS(x, list(t, 0, 0)), NO_ATTRS), "axis 0 is named twice");
  REFUSED(build(&t->b, OP_unsqueeze, 1, INS(x, list(t, 4)), NO_ATTRS), "axis 4");
}

/* ---- slice ---- */

static Value *slice(Test *t, Value *x, Value *start, Value *end, int64_t step) {
  return build(&t->b, OP_slice, 1, INS(x, start, end, list(t, 0), list(t, step)), NO_ATTRS);
}

static void test_slice(Test *t) {
  const int64_t far = INT64_MAX;
  Value *x = i64_(t, t->seq), *mask = f32_(t, num(t, 1024)), *ten = f32_(t, num(t, 10));
  IS(slice(t, x, list(t, 0), list(t, far), 1), "i64[seq]");
  IS(slice(t, x, list(t, 0), list(t, INT32_MAX), 2), "i64[floordiv(seq+1,2)]");
  IS(slice(t, x, list(t, 1), list(t, far), 1), "i64[max(0,seq-1)]");
  IS(slice(t, x, list(t, -1), list(t, far), 1), "i64[min(1,seq)]");
  IS(slice(t, x, list(t, 0), list(t, -1), 1), "i64[max(0,seq-1)]");
  IS(slice(t, x, list(t, -1), list(t, INT64_MIN), -1), "i64[seq]");
  IS(slice(t, i64_(t, add(t, t->past, t->seq)), sizes(t, t->past), list(t, far), 1), "i64[seq]");
  IS(slice(t, i64_(t, add(t, t->past, t->seq)), list(t, 0), sizes(t, t->past), 1), "i64[past]");
  IS(slice(t, mask, list(t, 0), sizes(t, t->row), 1), "f32[row]");
  IS(slice(t, mask, sizes(t, t->row), sizes(t, add(t, t->row, num(t, 3))), 1), "f32[3]");
  IS(slice(t, mask, list(t, 0), sizes(t, t->seq), 1), "f32[min(1024,seq)]");
  Dim minus_seq = dim_sub(t->module->dims, num(t, 0), t->seq);
  IS(slice(t, i64_(t, add(t, t->past, t->seq)), sizes(t, minus_seq), list(t, far), 1), "i64[seq]");
  IS(slice(t, x, list(t, 2), list(t, 5), 1), "i64[min(3,max(0,seq-2))]");
  IS(slice(t, x, list(t, 5), list(t, 2), 1), "i64[0]");
  IS(slice(t, x, list(t, -5), list(t, -2), 1), "i64[min(3,max(0,seq-2))]");
  IS(slice(t, x, list(t, -2), list(t, -5), 1), "i64[max(0,max(0,seq-5)-max(0,seq-2))]");
  IS(slice(t, x, list(t, 1), list(t, -2), 1), "i64[max(0,seq-3)]");
  IS(slice(t, x, list(t, -4), list(t, 2), 1), "i64[max(0,min(2,seq)-max(0,seq-4))]");
  Value *band = slice(t, mask, sizes(t, t->past), sizes(t, add(t, t->past, t->seq)), 1);
  IS(band, "f32[min(seq,max(0,-past+1024))]");
  IS(build(&t->b, OP_add, 1, INS(band, f32_(t, t->seq)), NO_ATTRS), "f32[seq]");
  IS(slice(t, ten, list(t, 2), list(t, 8), 4), "f32[2]");
  IS(slice(t, ten, list(t, 8), list(t, 2), 1), "f32[0]");
  IS(slice(t, ten, list(t, far), list(t, INT64_MIN), -3), "f32[4]");
  IS(slice(t, ten, list(t, 3), list(t, 4), far), "f32[1]");
  IS(slice(t, ten, list(t, 3), list(t, INT64_MIN), INT64_MIN), "f32[1]");
  IS(slice(t, ten, list(t, 0), anywhere(t), 1), "f32[d3]");
  REFUSED(slice(t, ten, list(t, 0), list(t, 1), 0), "the step of axis 0 is 0");
  REFUSED(slice(t, ten, list(t, 0, 1), list(t, 1, 2), 1), "operand 3 (axes) has 1 numbers, where the others have 2");
}

/* For every size, the symbolic one says what the slice really has. */
static void same_for_all_sizes(Test *t, int64_t start, int64_t end, int64_t step) {
  Value *y = slice(t, i64_(t, t->seq), list(t, start), list(t, end), step);
  for (int64_t seq = 0; seq < 9; seq++) {
    int64_t value[3] = {seq, -1, -1}, first, want, have = -1;
    slice_resolve(seq, start, end, step, &first, &want);
    if (dim_eval(y->type->dim[0], value, 3, &have) && have == want) continue;
    fprintf(stderr, "%s: [%" PRId64 ":%" PRId64 ":%" PRId64 "] of %" PRId64 " has %" PRId64 ", and %s is %" PRId64 "\n",
            __FILE__, start, end, step, seq, want, type_text(t->arena, y->type), have);
    failures++;
  }
}

static void test_slices(Test *t) {
  for (int64_t start = -6; start <= 6; start++)
    for (int64_t end = -6; end <= 6; end++)
      for (int64_t step = 1; step <= 3; step++) {
        same_for_all_sizes(t, start, end, step);
        same_for_all_sizes(t, start, INT64_MAX, step);
        same_for_all_sizes(t, INT64_MIN, end, step);
      }
  for (int64_t step = -3; step < 0; step++) same_for_all_sizes(t, -1, INT64_MIN, step);
}

static void test_equal_parts(Test *t) {
  for (int n = 1; n <= 5; n++) {
    Value *y = build(&t->b, OP_split, n, INS(i64_(t, t->seq)), NO_ATTRS);
    for (int64_t seq = 0; seq < 12; seq++) {
      int64_t part = (seq + n - 1) / n, left = seq, have;
      for (int i = 0; i < n; i++) {
        int64_t want = part < left ? part : left;
        left -= want;
        Dim d = value_sibling(y, i)->type->dim[0];
        if (dim_eval(d, (int64_t[]){seq, -1, -1}, 3, &have) && have == want) continue;
        fprintf(stderr, "%s: part %d of %d of %" PRId64 " has %" PRId64 ", and not %s\n", __FILE__, i, n, seq, want,
                dim_text(t->arena, d));
        failures++;
      }
    }
  }
}

/* ---- the others that move elements ---- */

static void test_join_and_cut(Test *t) {
  Value *a = f32_(t, t->past, num(t, 4)), *b = f32_(t, t->seq, num(t, 4));
  IS(build(&t->b, OP_concat, 1, INS(a, b), ATTRS(at_i(concat, axis, 0))), "f32[seq+past,4]");
  IS(build(&t->b, OP_concat, 1, INS(f32_(t, t->seq, num(t, 4)), f32_(t, num(t, 3), num(t, 4))),
           ATTRS(at_i(concat, axis, -1))),
     "f32[3,8]");
  REFUSED(build(&t->b, OP_concat, 1, INS(a, f32_(t, t->seq, num(t, 5))), ATTRS(at_i(concat, axis, 0))), "4 and 5");
  REFUSED(build(&t->b, OP_concat, 1, INS(a, i64_(t, t->seq, num(t, 4))), ATTRS(at_i(concat, axis, 0))),
          "operand 1 is of i64, and operand 0 of f32");

  Value *x = f32_(t, num(t, 7), dim_mul(t->module->dims, t->seq, num(t, 3)));
  Value *even = build(&t->b, OP_split, 3, INS(x), ATTRS(at_i(split, axis, 1)));
  IS(even, "f32[7,seq]");
  Value *uneven = build(&t->b, OP_split, 3, INS(x), ATTRS(at_i(split, axis, 0)));
  IS(uneven, "f32[3,3*seq]");
  IS(value_sibling(uneven, 2), "f32[1,3*seq]");
  IS(value_sibling(build(&t->b, OP_split, 5, INS(x), NO_ATTRS), 4), "f32[0,3*seq]");
  IS(value_sibling(build(&t->b, OP_split, 2, INS(x, list(t, 2, 5)), NO_ATTRS), 1), "f32[5,3*seq]");
  REFUSED(build(&t->b, OP_split, 2, INS(x, list(t, 2, 6)), NO_ATTRS), "[2,6] add up to 8, but the axis has 7");
  REFUSED(build(&t->b, OP_split, 3, INS(x, list(t, 2, 5)), NO_ATTRS), "2 sizes are given for 3 results");
  REFUSED(build(&t->b, OP_split, 2, INS(x, list(t, -1, 8)), NO_ATTRS), "size -1");
}

static void test_spread(Test *t) {
  Value *x = f32_(t, num(t, 1), t->seq);
  IS(build(&t->b, OP_expand, 1, INS(x, sizes(t, t->past, num(t, 1), num(t, 1))), NO_ATTRS), "f32[past,1,seq]");
  IS(build(&t->b, OP_expand, 1, INS(x, sizes(t, num(t, 4), t->seq)), NO_ATTRS), "f32[4,seq]");
  REFUSED(build(&t->b, OP_expand, 1, INS(f32_(t, num(t, 3)), list(t, 4)), NO_ATTRS), "3 and 4");
  REFUSED(build(&t->b, OP_expand, 1, INS(x, list(t, -3)), NO_ATTRS), "negative size -3");
  IS(build(&t->b, OP_tile, 1, INS(x, sizes(t, num(t, 2), t->past)), NO_ATTRS), "f32[2,seq*past]");
  REFUSED(build(&t->b, OP_tile, 1, INS(x, list(t, 2)), NO_ATTRS), "1 repeats are given for an operand of rank 2");
  IS(build(&t->b, OP_pad, 1, INS(x, list(t, 1, 2, 3, 4)), NO_ATTRS), "f32[5,seq+6]");
  IS(build(&t->b, OP_pad, 1, INS(x, list(t, -1, 2), NULL, list(t, 1)), NO_ATTRS), "f32[1,seq+1]");
  REFUSED(build(&t->b, OP_pad, 1, INS(x, list(t, -1, -1), NULL, list(t, 0)), NO_ATTRS), "pads -1 and -1");
  REFUSED(build(&t->b, OP_pad, 1, INS(x, list(t, 1, 2)), NO_ATTRS), "2 pads are given for 2 axes");
  REFUSED(build(&t->b, OP_pad, 1, INS(x, list(t, 0, 0, 0, 0)), ATTRS(at_s(pad, mode, "mirror"))), "`mirror`");
  IS(build(&t->b, OP_transpose, 1, INS(x), NO_ATTRS), "f32[seq,1]");
  REFUSED(build(&t->b, OP_transpose, 1, INS(x), ATTRS(at_ints(transpose, perm, 2, ((int64_t[]){0, 0})))), "twice");
  REFUSED(build(&t->b, OP_transpose, 1, INS(x), ATTRS(at_ints(transpose, perm, 2, ((int64_t[]){0, 2})))), "axis 2");
}

static Value *range(Test *t, Dim start, Dim limit, int64_t delta) {
  Value *rank0 = build_ints(&t->b, 0, NULL);
  Value *s = reshape(t, sizes(t, start), rank0), *l = reshape(t, sizes(t, limit), rank0);
  return build(&t->b, OP_range, 1, INS(s, l, build_scalar_i(&t->b, DT_i64, delta)), NO_ATTRS);
}

static void test_range(Test *t) {
  IS(range(t, num(t, 0), t->seq, 1), "i64[seq]");
  IS(range(t, t->past, add(t, t->past, t->seq), 1), "i64[seq]");
  IS(range(t, num(t, 0), t->seq, 2), "i64[floordiv(seq+1,2)]");
  IS(range(t, num(t, 1), t->seq, 1), "i64[max(0,seq-1)]");
  IS(range(t, num(t, 10), num(t, 0), -3), "i64[4]");
  IS(range(t, num(t, 5), num(t, 2), 1), "i64[0]");
  REFUSED(range(t, num(t, 5), num(t, 2), 0), "delta is 0");
}

/* ---- by index ---- */

static void test_gather(Test *t) {
  Value *x = f32_(t, num(t, 512), num(t, 64)), *ids = i64_(t, num(t, 2), t->seq);
  IS(build(&t->b, OP_gather, 1, INS(x, ids), NO_ATTRS), "f32[2,seq,64]");
  IS(build(&t->b, OP_gather, 1, INS(x, ids), ATTRS(at_i(gather, axis, -1))), "f32[512,2,seq]");
  REFUSED(build(&t->b, OP_gather, 1, INS(x, x), NO_ATTRS), "the indices are of f32");
  REFUSED(build(&t->b, OP_gather, 1, INS(x, ids), ATTRS(at_i(gather, axis, 2))), "axis 2");
  Encoding q4 = {DT_i4, 32, DT_f16, DT_none};
  Value *table =
      block_add_arg(t->b.block, type_encoded(t->module->types, q4, 2, (Dim[]){num(t, 512), num(t, 64)}), NULL);
  IS(build(&t->b, OP_gather, 1, INS(table, ids), NO_ATTRS), "f16[2,seq,64]");
  IS(build(&t->b, OP_gather, 1, INS(table, ids), ATTRS(at_i(gather, to, DT_f32))), "f32[2,seq,64]");
  REFUSED(build(&t->b, OP_gather, 1, INS(table, ids), ATTRS(at_i(gather, axis, 1))), "along axis 0, not 1");
  REFUSED(reshape(t, table, list(t, -1)), "operand 0 is i4g32<f16>[512,64]");

  Value *deep = f32_(t, num(t, 2), t->seq, num(t, 5), num(t, 6));
  Value *tuples = i64_(t, num(t, 2), num(t, 9), num(t, 1));
  IS(build(&t->b, OP_gather_nd, 1, INS(deep, tuples), NO_ATTRS), "f32[2,9,seq,5,6]");
  IS(build(&t->b, OP_gather_nd, 1, INS(deep, tuples), ATTRS(at_i(gather_nd, batch_dims, 1))), "f32[2,9,5,6]");
  REFUSED(build(&t->b, OP_gather_nd, 1, INS(x, i64_(t, num(t, 4), num(t, 3))), NO_ATTRS), "3 indices into 2 axes");
  REFUSED(build(&t->b, OP_gather_nd, 1, INS(x, i64_(t, num(t, 4), t->seq)), NO_ATTRS), "the size seq");
  IS(build(&t->b, OP_gather_elements, 1, INS(x, i64_(t, t->seq, num(t, 3))), NO_ATTRS), "f32[seq,3]");
  REFUSED(build(&t->b, OP_gather_elements, 1, INS(x, i64_(t, t->seq, num(t, 65))), NO_ATTRS),
          "axis 1 has 65 indices for a size of 64");
}

static void test_scatter(Test *t) {
  Value *x = f32_(t, num(t, 8), num(t, 64)), *tuples = i64_(t, t->seq, num(t, 1));
  IS(build(&t->b, OP_scatter_nd, 1, INS(x, tuples, f32_(t, t->seq, num(t, 64))), NO_ATTRS), "f32[8,64]");
  REFUSED(build(&t->b, OP_scatter_nd, 1, INS(x, tuples, f32_(t, t->seq, num(t, 63))), NO_ATTRS), "63 and 64");
  REFUSED(build(&t->b, OP_scatter_nd, 1, INS(x, tuples, i64_(t, t->seq, num(t, 64))), NO_ATTRS), "updates are of i64");
  Value *at = i64_(t, num(t, 2), num(t, 3));
  IS(build(&t->b, OP_scatter_elements, 1, INS(x, at, f32_(t, num(t, 2), num(t, 3))), NO_ATTRS), "f32[8,64]");
  REFUSED(build(&t->b, OP_scatter_elements, 1, INS(x, at, f32_(t, num(t, 2), num(t, 3))),
                ATTRS(at_s(scatter_elements, reduction, "sub"))),
          "no reduction `sub`");
  IS(build(&t->b, OP_nonzero, 1, INS(x), NO_ATTRS), "i64[2,d3]");
}

/* ---- reductions ---- */

static void test_reduce(Test *t) {
  Value *x = f32_(t, num(t, 2), t->seq, num(t, 64)), *flags = tensor_of(t, DT_bool, 1, (Dim[]){t->seq});
  IS(build(&t->b, OP_reduce_sum, 1, INS(x), NO_ATTRS), "f32[1,1,1]");
  IS(build(&t->b, OP_reduce_mean, 1, INS(x, list(t, -1)), NO_ATTRS), "f32[2,seq,1]");
  IS(build(&t->b, OP_reduce_mean, 1, INS(x, list(t, 0, 2)), ATTRS(at_i(reduce_mean, keep, 0))), "f32[seq]");
  IS(build(&t->b, OP_reduce_sum, 1, INS(x), ATTRS(at_i(reduce_sum, noop_empty, 1))), "f32[2,seq,64]");
  IS(build(&t->b, OP_reduce_sum, 1, INS(x, anywhere(t)), ATTRS(at_i(reduce_sum, keep, 0))), "f32[d3,d4]");
  REFUSED(build(&t->b, OP_reduce_sum, 1, INS(x, i64_(t, t->seq)), ATTRS(at_i(reduce_sum, keep, 0))), "must be known");
  REFUSED(build(&t->b, OP_reduce_sum, 1, INS(x, list(t, 1, 1)), NO_ATTRS), "axis 1 is named twice");
  REFUSED(build(&t->b, OP_reduce_sum, 1, INS(x, list(t, 3)), NO_ATTRS), "axis 3");
  REFUSED(build(&t->b, OP_reduce_sum, 1, INS(flags), NO_ATTRS), "cannot be applied to bool");
  IS(build(&t->b, OP_reduce_max, 1, INS(flags), NO_ATTRS), "bool[1]");
  IS(build(&t->b, OP_argmax, 1, INS(x), ATTRS(at_i(argmax, axis, -1), at_i(argmax, keep, 0))), "i64[2,seq]");
  REFUSED(build(&t->b, OP_argmax, 1, INS(f32_(t, num(t, 0))), NO_ATTRS), "axis 0 has no elements");
  REFUSED(build(&t->b, OP_softmax, 1, INS(x), ATTRS(at_i(softmax, axis, 3))), "axis 3");
  REFUSED(build(&t->b, OP_softmax, 1, INS(flags), NO_ATTRS), "cannot be applied to bool");
  IS(build(&t->b, OP_cumsum, 1, INS(x, list(t, -1)), NO_ATTRS), "f32[2,seq,64]");
  REFUSED(build(&t->b, OP_cumsum, 1, INS(x, list(t, 3)), NO_ATTRS), "axis 3");
  IS(value_sibling(build(&t->b, OP_topk, 2, INS(x, list(t, 5)), NO_ATTRS), 1), "i64[2,seq,5]");
  IS(build(&t->b, OP_topk, 2, INS(x, anywhere(t)), NO_ATTRS), "f32[2,seq,d5]");
  REFUSED(build(&t->b, OP_topk, 2, INS(x, list(t, 65)), NO_ATTRS), "k is 65, and axis 2 has 64 elements");
  REFUSED(build(&t->b, OP_topk, 2, INS(x, list(t, -1)), NO_ATTRS), "k is -1");
}

int main(void) {
  static void (*const tests[])(Test *) = {test_reshape,     test_axes_of_one,  test_slice,  test_slices,
                                          test_equal_parts, test_join_and_cut, test_spread, test_range,
                                          test_gather,      test_scatter,      test_reduce};
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    Test t = test_new();
    tests[i](&t);
    module_close(t.module);
    arena_free(t.arena);
  }
  return failures != 0;
}
