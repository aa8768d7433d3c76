/* ir.h -- modules, functions, nodes and values: the shape of a program, and the means to build and change one.
 *
 * A module holds files, weight sets, constants, states, models and functions, all named; a dot in a name makes a
 * namespace (@target.decode, @draft.decode). A function's body is a block: an ordered list of nodes, the last of which
 * is its terminator. A node has operands, results, attributes (in the order of ops.def) and regions, each one block,
 * which may use the values of the blocks around it. */
#ifndef LATHE_IR_H
#define LATHE_IR_H

#include "ir/diag.h"
#include "ir/op.h"
#include "ir/strmap.h"
#include "ir/target.h"
#include "ir/type.h"

typedef struct Module Module;
typedef struct Func Func;
typedef struct Block Block;
typedef struct Value Value;
typedef struct Use Use;
typedef struct Constant Constant;
typedef struct Tensor Tensor;

/* ---- attributes ---- */

typedef union Attr {
  int64_t i; /* INT, BOOL, DTYPE */
  double f;
  const char *s; /* STR: NULL is the op's default */
  struct { int n; const int64_t *at; } ints;
  struct { int n; const double *at; } floats;
  struct { int n; const Dim *at; } dims;
  Constant *constant;
  Func *func;
  State *state;
} Attr;

/* ---- values, nodes, blocks ---- */

/* An operand slot; the uses of a value are a list through its slots. */
struct Use {
  Value *value; /* NULL: an optional operand left out */
  Node *user;
  Use *next, **link;
};

struct Value {
  Type type;
  const char *name; /* or NULL; unique in its function */
  Node *def;        /* or NULL: an argument of `block` */
  Block *block;
  int index;        /* among the results or arguments */
  Use *uses;
  int number;       /* scratch: of the printer, a pass, the evaluator */
};

struct Node {
  Op op;
  Loc loc;
  Block *block;
  Node *prev, *next;
  int n_in, n_out, n_regions;
  Use *in;
  Value **out;
  Attr *attr;
  Block **region;
  int mark; /* scratch of passes */
};

struct Block {
  Func *func;
  Node *parent; /* the node whose region this is, or NULL: a function's body */
  int n_args;
  Value **arg;
  Node *first, *last;
};

/* ---- functions ---- */

typedef struct Launch { /* kernel functions: how many invocations a workgroup has, and what it needs */
  int64_t local[3];
  const char *requires; /* a target feature ("avx512vnni"), or NULL */
} Launch;

/* In which arithmetic a function is computed: docs/numerics.md says what each may do. */
#define NUMERICS(N) N(exact) N(fast)
typedef enum Numerics {
#define MODE(name) NUMERICS_##name,
  NUMERICS(MODE)
#undef MODE
  NUMERICS_count
} Numerics;

const char *numerics_name(Numerics n);
bool numerics_find(const char *name, Numerics *out);

struct Func {
  Module *module;
  const char *name;
  Loc loc;
  OpLevel level; /* LEVEL_TENSOR or LEVEL_KERNEL */
  VEC(Symbol *) symbols;
  Block *body;
  int n_results;
  Type *result;
  const char **result_name; /* NULL where there is none */
  Launch launch;            /* LEVEL_KERNEL */
  const Target *target;     /* what it is made for; NULL: anything */
  Numerics numerics;
};

/* ---- what a module declares ---- */

typedef struct File { /* bytes on disk, opened and mapped when first needed */
  const char *name; /* @f0 */
  const char *path;
  int64_t size;
  const void *map; /* NULL until file_map() */
} File;

/* Weights that are bound together. `bound_at_run_time`: given when the program runs (an adapter). */
typedef struct Weights {
  const char *name;
  bool bound_at_run_time;
} Weights;

typedef enum ConstantKind {
  CONSTANT_BYTES, /* `bytes`, in memory */
  CONSTANT_FILE,  /* `file` from `offset` on */
  CONSTANT_SPLAT, /* one element in `bytes`, everywhere */
  CONSTANT_EXPR,  /* the result of `body`, which uses constants only */
  CONSTANT_BOUND, /* given at run time */
} ConstantKind;

struct Constant {
  const char *name; /* NULL: a literal, printed where it is used */
  Loc loc;
  Type type; /* a static tensor; an imm's: its scalar or vector */
  ConstantKind kind;
  Weights *weights; /* or NULL */
  const void *bytes;
  File *file;
  int64_t offset;
  Block *body;
  bool mark; /* scratch of passes */
};

/* How a sequence's row at a position is found: the one hook is state_row(). */
typedef enum Addressing {
  ADDRESS_LINEAR, /* position p is row p */
  ADDRESS_RING,   /* position p is row p mod capacity: the last `capacity` rows are kept */
  ADDRESS_FIXED,  /* one row, overwritten: a recurrence */
} Addressing;

typedef struct Field {
  const char *name;
  Dtype dtype;
  int rank;
  int64_t dim[MAX_RANK]; /* of one row */
  bool turned;           /* rows [heads, inner] lie in panels: see state_offset() */
} Field;

struct State {
  const char *name;
  Loc loc;
  Addressing addressing;
  int64_t batch, capacity;
  int n_fields;
  Field *field;
};

/* The row of a field that holds `position`, or -1 where the state keeps it no more (given the sequence's length) or
 * never can. */
int64_t state_row(const State *s, int64_t length, int64_t position);
/* Where element i of a row lies in its field's memory, which is [batch, first axis of the row, capacity, its other axes..]: so the
 * rows of one head of keys follow each other. A row without axes is one element. Of a turned field, which has rows [heads, inner] and a
 * capacity that is a multiple of STATE_PANEL, so many rows of a head are a panel, [inner, STATE_PANEL]: a vector of memory is one
 * element of several keys, as scores are computed. */
enum { STATE_PANEL = 32 };
int64_t state_offset(const State *s, const Field *f, int64_t sequence, int64_t row, int64_t i);

/* A kernel sees a state as several pieces of memory: its fields, and the lengths, i64[batch]. All else is one piece. */
int type_memories(Type t);
Dtype type_memory(Type t, int i);

/* What a program knows of its model besides functions: a vocabulary, the token that ends a text. */
typedef struct Fact {
  const char *name;
  Constant *constant;
} Fact;

/* A model: what belongs together when a program is made of it. */
typedef struct Model {
  const char *name;
  VEC(Fact) facts;
  VEC(Func *) funcs;
  VEC(Weights *) weights;
  VEC(State *) states;
} Model;

struct Module {
  Arena *arena;
  DimPool *dims;
  TypePool *types;
  Diag *diag;
  const char *source; /* the file it was read from */
  VEC(File *) files;
  VEC(Weights *) weights;
  VEC(Constant *) constants; /* the named ones */
  VEC(State *) states;
  VEC(Model *) models;
  VEC(Func *) funcs;
  StrMap names; /* of all of these */
};

Module *module_new(Arena *a, Diag *d);
void module_close(Module *m); /* unmaps its files; the memory is the arena's */

/* Each adds to the module under a name, which must be free (module_has). */
bool module_has(const Module *m, const char *name);
const char *module_free_name(Module *m, const char *wish); /* wish, or wish.1, ... */
File *module_add_file(Module *m, const char *name, const char *path, int64_t size);
Weights *module_add_weights(Module *m, const char *name);
Constant *module_add_constant(Module *m, const char *name, Type t);
void module_name_constant(Module *m, Constant *c, const char *name); /* a literal becomes one of the module's */
State *module_add_state(Module *m, const char *name);
Model *module_add_model(Module *m, const char *name);
/* A fact of a model as a constant of the module, which is called after both. */
void model_add_fact(Module *m, Model *model, const char *name, Constant *value);
Func *module_add_func(Module *m, const char *name, OpLevel level);
/* The newest function is gone, and its name is free. */
void module_drop_func(Module *m, Func *f);
void module_set_numerics(Module *m, Numerics n); /* of all its functions of the tensor level */

File *module_find_file(const Module *m, const char *name);
Weights *module_find_weights(const Module *m, const char *name);
Constant *module_find_constant(const Module *m, const char *name);
State *module_find_state(const Module *m, const char *name);
Func *module_find_func(const Module *m, const char *name);

/* Files by their absolute paths from now on, so that what is printed finds them from everywhere. */
void module_anchor_files(Module *m);
/* Maps the file (once) and checks its size; NULL after a diag_error. */
const void *file_map(Module *m, File *f, Loc loc);

/* ---- constants ---- */

/* A literal over bytes that are copied; a splat of one element. */
Constant *constant_bytes(Module *m, Type t, const void *bytes, int64_t size);
Constant *constant_splat(Module *m, Type t, uint64_t bits);
Constant *constant_ints(Module *m, int64_t n, const int64_t *v); /* i64[n] */
Constant *constant_scalar_i(Module *m, Dtype t, int64_t v);      /* rank 0 */
Constant *constant_scalar_f(Module *m, Dtype t, double v);
bool constant_size(const Constant *c, int64_t *bytes);
/* The bytes of BYTES and FILE constants (mapped); NULL for other kinds, or after a diag_error. */
const void *constant_data(Module *m, const Constant *c, Loc loc);

/* ---- functions and blocks ---- */

Symbol *func_add_symbol(Func *f, const char *name, int64_t capacity);
Symbol *func_fresh_symbol(Func *f, const char *hint); /* derived, with a name not taken */
Symbol *func_find_symbol(const Func *f, const char *name);
void func_set_results(Func *f, int n, const Type *t, const char *const *name);
Block *block_new(Func *f, Node *parent);
Value *block_add_arg(Block *b, Type t, const char *name);
Node *block_terminator(const Block *b); /* or NULL */

/* ---- nodes ---- */

/* A node with room for its operands, results and regions, attributes at their defaults, not yet in a block. */
Node *node_new(Func *f, Op op, int n_in, int n_out, int n_regions, Loc loc);
void node_set_in(Node *n, int i, Value *v);
void node_append(Block *b, Node *n);
void node_insert_before(Node *at, Node *n);
void node_remove(Node *n);  /* unlinks it and drops its uses; its results must have none */
void node_detach(Node *n);  /* unlinks it, to be inserted elsewhere */
static inline Value *node_in(const Node *n, int i) { return i < n->n_in ? n->in[i].value : NULL; }
void value_replace(Value *old, Value *with); /* every use */
bool value_has_uses(const Value *v);
Func *node_func(const Node *n);

static inline Attr *node_attr(const Node *n, int slot) { return &n->attr[slot]; }
#define node_int(n, op, name) (node_attr(n, attr_slot(op, name))->i)
#define node_bool(n, op, name) (node_attr(n, attr_slot(op, name))->i != 0)
#define node_dtype(n, op, name) ((Dtype)node_attr(n, attr_slot(op, name))->i)
#define node_float(n, op, name) (node_attr(n, attr_slot(op, name))->f)
#define node_str(n, op, name) (node_attr(n, attr_slot(op, name))->s)
#define node_ints(n, op, name) (node_attr(n, attr_slot(op, name))->ints)
bool attr_is_default(const Node *n, int slot);

/* The value's constant if a `const` defines it, or NULL. */
Constant *value_constant(const Value *v);

/* ---- building ---- */

/* Nodes go to the end of `block`, or before `before`. A failed inference reports to `module->diag` and gives values of
 * no type (NULL), which further building passes on silently; so an importer goes on and lists all there is. */
typedef struct Builder {
  Module *module;
  Func *func;
  Block *block;
  Node *before;
  Loc loc;
} Builder;

typedef struct AttrArg {
  int slot;
  Attr value;
} AttrArg;

#define at_i(op, name, v) ((AttrArg){attr_slot(op, name), {.i = (v)}})
#define at_f(op, name, v) ((AttrArg){attr_slot(op, name), {.f = (v)}})
#define at_s(op, name, v) ((AttrArg){attr_slot(op, name), {.s = (v)}})
#define at_ints(op, name, count, v) ((AttrArg){attr_slot(op, name), {.ints = {(count), (v)}}})
#define at_dims(op, name, count, v) ((AttrArg){attr_slot(op, name), {.dims = {(count), (v)}}})
#define at_c(op, name, v) ((AttrArg){attr_slot(op, name), {.constant = (v)}})

/* build(b, OP_softmax, 1, INS(x), ATTRS(at_i(softmax, axis, -1))): the first of so many results. */
Value *build_values(Builder *b, Op op, int n_out, int n_in, Value *const *in, int n_attr, const AttrArg *attr);
#define build(b, op, n_out, ...) build_values((b), (op), (n_out), __VA_ARGS__)
#define INS(...) (int)(sizeof((Value *[]){__VA_ARGS__}) / sizeof(Value *)), (Value *[]){__VA_ARGS__}
#define ATTRS(...) (int)(sizeof((AttrArg[]){__VA_ARGS__}) / sizeof(AttrArg)), (AttrArg[]){__VA_ARGS__}
#define NO_ATTRS 0, NULL
/* The op and attributes of a node without regions, of other operands. */
Value *build_like(Builder *b, const Node *n, Value *const *in);
/* The other results of the node that made this one. */
static inline Value *value_sibling(Value *v, int i) { return v && v->def ? v->def->out[i] : NULL; }

/* Infers the result types of a complete node (regions built) in place; false after a diag_error. Results that already
 * have types keep them where they refine what is inferred. Unknown dims become fresh symbols. */
bool node_infer(Node *n);

Value *build_const(Builder *b, Constant *c);
Value *build_ints(Builder *b, int n, const int64_t *v);
Value *build_scalar_i(Builder *b, Dtype t, int64_t v);
Value *build_scalar_f(Builder *b, Dtype t, double v);
Value *build_dims(Builder *b, int n, const Dim *d); /* a const where all are known */
Value *build_unary(Builder *b, Op op, Value *x);
Value *build_binary(Builder *b, Op op, Value *x, Value *y);
Value *build_cast(Builder *b, Value *x, Dtype to); /* x itself where it is of that type */
Value *build_reshape(Builder *b, Value *x, int rank, const Dim *d);
Value *build_transpose(Builder *b, Value *x, int rank, const int64_t *perm);

#endif
