/* kernel.h -- a kernel being written, and what the lowering of ops writes it with.
 *
 * `kernel_pull` gives an element of an operand, by loading it, or, within a fused region, by asking the op that makes it: so
 * fusing needs no code of its own. */
#ifndef LATHE_KERNEL_H
#define LATHE_KERNEL_H

#include "ir/ir.h"
#include "passes/kernel_build.h"

typedef struct Kernel Kernel;

/* One element of result `result` at `index` (one a dim), as a scalar of kernel_register() of the result's type. */
typedef Value *(*KernelElement)(Kernel *k, const Node *n, int result, Value *const *index);

/* How an op computes its elements, and whether it can do so on vectors of them. */
typedef struct KernelElements {
  KernelElement (*of)(Op op);
  bool (*on_vectors)(Op op);
} KernelElements;

/* An element that has been computed, or loaded: good in its block and those within. */
typedef struct Known {
  const Value *value;
  Value **index;
  Value *element;
  const Block *block;
} Known;

struct Kernel {
  Module *module;
  Arena *scratch;
  const Target *target; /* or NULL */
  Builder b;
  const KernelElements *elements;
  const Node *root;
  Block *inside; /* of a fused region: its values are computed, not loaded */
  const Node *anchor; /* the one op of the region that makes its own kernel, or NULL */
  bool flat;     /* all is of one shape: an index is the element's number */
  int64_t lanes; /* elements that one step computes, along the last axis: 0 for 1; see kernel_can_vectorise() */
  bool stream;   /* results are too large for caches: vectors, which lie at multiples of their size, pass these by */
  VEC(Known) known;
  VEC(const Value *) in; /* the operands in memory, each with its parameter */
  VEC(Value *) in_memory;
  int first, n_out;   /* the root's results that this kernel makes */
  Value **out_memory; /* [n_out] */
  VEC(Dim) sizes; /* what the launch passes, each with its parameter */
  VEC(Value *) size_index;
  Dim grid[3];
};

/* ---- elements and places ---- */

/* A size as an index: a number, or a parameter that the launch gives. */
Value *kernel_size(Kernel *k, Dim d);
/* The number of the element at `index`, row by row. */
Value *kernel_linear(Kernel *k, Type t, Value *const *index);
/* The indices of the element with a number. */
void kernel_delinear(Kernel *k, Type t, Value *number, Value **index);
/* An operand's element: loaded, computed, or, of a constant with one number, that number. */
Value *kernel_pull(Kernel *k, const Value *v, Value *const *index);
/* The place along a dim of size `own` that goes with place `at` along one of size `to` that it broadcasts to. */
Value *kernel_broadcast_place(Kernel *k, Dim own, Dim to, Value *at);
/* An element where v is broadcast to a result of `rank` dims, whose types are `to`'s. */
Value *kernel_pull_broadcast(Kernel *k, const Value *v, Type to, Value *const *index);
/* An element of a kernel row's result: it goes to memory, or, in a fused region, through what follows the row. */
void kernel_store(Kernel *k, int result, Value *const *index, Value *x);

/* The memory of an operand of the kernel; of one that is a state, its field, or after these the lengths. */
Value *kernel_operand(Kernel *k, const Value *v);
Value *kernel_operand_part(Kernel *k, const Value *v, int part);

/* Where the elements of an operand are: its memory, and how many elements apart neighbours along an axis lie. What the region
 * makes of an operand by a transpose has its memory. */
typedef struct Strides {
  Value *memory;
  Dim step[MAX_RANK];
} Strides;
Strides kernel_strides(Kernel *k, const Value *v);

/* For the pass. Is it computed in the kernel's region? Is it a constant of one number? Its parameter, or NULL; and an element
 * of a result on its way to memory. */
bool kernel_computes(const Kernel *k, const Value *v);
bool kernel_one_number(const Value *v, const void **bytes);
Value *kernel_find_memory(const Kernel *k, const Value *v);
void kernel_store_result(Kernel *k, int result, Value *const *index, Value *x);

/* Can what follows the row in its region be computed on vectors along the last axis: with k->lanes set, kernel_store takes
 * one, and the index of the last axis is that of its first lane. */
bool kernel_can_vectorise(const Kernel *k, const Node *n);
/* Lanes for a row whose operands are read along the last axis, too; 0: one element at a time. */
int64_t kernel_row_lanes(const Kernel *k, const Node *n);
/* A scalar for each lane of what is being computed. */
Value *kernel_all_lanes(Kernel *k, Value *x);
/* The same of a result that no row makes. */
bool kernel_elements_on_vectors(const Kernel *k);

/* Results of so many bytes, which no cache holds, are written past them: what is in the caches stays, and memory is not read to
 * be written. Can a result be as large? most: its elements, or -1 where nobody knows. */
enum { KERNEL_STREAM = 32 << 20 };
bool kernel_is_large(Type t, Dim total, int64_t *most);

/* Gives each workgroup a place of t along all dims but those from `from` up to `to`: index[] of these is left alone. */
void kernel_spread(Kernel *k, Type t, int from, int to, Value **index);

/* ---- types that no register holds: kernel_narrow.c ---- */

/* The type that an element has in a kernel: i8 and u8 for packed integers, f32 for floats of 8 bits and less; else its own. */
Dtype kernel_register(Dtype t);
bool kernel_is_narrow(Dtype t);
Dtype kernel_memory(Dtype t); /* how a kernel's parameter is typed: bytes for these */
Value *kernel_load(Kernel *k, Dtype t, Value *memory, Value *i);
/* Codes, as u8, and back. */
Value *kernel_encode(Kernel *k, Dtype t, Value *x, bool saturate, Rounding mode);
Value *kernel_decode(Kernel *k, Dtype t, Value *code);
/* ONNX's Cast of an element to another type, rounded to it even where its register is wider. */
Value *kernel_convert(Kernel *k, Value *x, Dtype to, bool saturate, Rounding mode);

/* The numbers of an operand that is constant. */
bool kernel_ints(Module *m, const Value *v, int max, int64_t *out, int *n);

/* In double and the integers as it stands; 16-bit floats are computed in f32: the type to compute in, and there and back. */
Dtype kernel_wide(Dtype t);
Value *kernel_widen(Kernel *k, Value *x);
Value *kernel_narrow(Kernel *k, Value *x, Dtype to);
/* The type in which an op on floats computes: f64 where an operand is that, else f32. */
Dtype kernel_float(const Node *n);

/* e^x for x <= 0, on f32, scalars and vectors alike; `least`, a zero, where it would be less than 2^-125, and NaN for NaN. */
Value *kernel_exp_below(Kernel *k, Value *x, double least);

/* ---- loops (kernel_loop.c) ---- */

/* x[0] op x[1] op ... for `count` of them, in type t: add, mul, max, min, and, or. The order is fixed by the count alone:
 * element i goes to accumulator i % 8, these are combined by halves, then come the last count % 8 elements one by one. Long
 * sums are made of the sums of blocks of 4096. */
typedef Value *(*KernelTerm)(Kernel *k, void *ctx, Value *i);
Value *kernel_fold(Kernel *k, Op op, Dtype t, Value *count, KernelTerm term, void *ctx);

/* The same in f32 on vectors of `lanes`, of add, and of max, which passes over NaN: k->lanes is set where the term is asked for those from element i on. Element i goes
 * to accumulator i % 32; what fills no 32 comes one by one, as scalars. */
Value *kernel_fold_vectors(Kernel *k, int64_t lanes, Op op, Value *count, KernelTerm term, void *ctx);
/* Runs the body for elements 0 up to `count`: in vectors, then one by one. */
typedef void (*KernelSpan)(Kernel *k, void *ctx, Value *i);
void kernel_each_vector(Kernel *k, int64_t lanes, Value *count, KernelSpan body, void *ctx);

/* The same where terms are dear: a stretch of them is computed first, so that the loop can be vectorised. `memory` holds
 * KERNEL_STRETCH numbers. */
enum { KERNEL_STRETCH = 512 };
Value *kernel_fold_staged(Kernel *k, Op op, Dtype t, Value *count, KernelTerm term, void *ctx, Value *memory);
/* What a fold of nothing is. */
Value *kernel_identity(Kernel *k, Op op, Dtype t);

/* The same over all places along some axes of t, which are filled into index: a fold of the last one's, one after another. */
typedef Value *(*KernelPlaceTerm)(Kernel *k, void *ctx, Value **index);
Value *kernel_fold_axes(Kernel *k, Op op, Dtype dtype, Type t, const bool *axes, Value **index, KernelPlaceTerm term,
                        void *ctx);

/* Runs the body for each place along the axes of t from `from` on. */
typedef void (*KernelPlace)(Kernel *k, void *ctx, Value **index);
void kernel_each(Kernel *k, Type t, int from, Value **index, KernelPlace body, void *ctx);

/* The whole kernel of an op with one result, of which `element` makes each element. */
void kernel_elements(Kernel *k, const Node *n, KernelElement element);

/* How many bytes of memory a kernel of one invocation may ask for with kb_memory(). */
enum { KERNEL_MEMORY = 256 << 10 };

/* A row of memory of the workgroup: x[i] = f(i) for i < count. */
void kernel_fill(Kernel *k, Value *memory, Value *count, KernelTerm term, void *ctx);

#endif
