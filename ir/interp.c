/* interp.c -- runs kernel functions: every invocation of a workgroup in step, one workgroup after another.
 *
 * Each value has a place in a register file, a lane 64 bits, for each invocation. Control keeps a mask of the invocations
 * that take part: a loop runs until none is left in it, both sides of a `when` run one after the other. So a barrier
 * that not all invocations reach shows as a mask that is not full. */
#include "ir/interp.h"

#include <inttypes.h>

#include "ir/checked.h"
#include "ir/eval.h"
#include "ir/fatal.h"
#include "ir/interp_memory.h"
#include "ir/scalar.h"

enum { MAX_INVOCATIONS = 1 << 16, MAX_REGISTER_BYTES = 1 << 30 };

typedef uint8_t Mask; /* [invocations]: 1 takes part */

typedef struct Interp {
  Func *func;
  Diag *diag;
  Arena *arena;
  int n_inv;
  int64_t lanes;  /* of all values together */
  uint64_t *reg;  /* [invocations, lanes] */
  Memory *memory; /* the arguments', then the workgroup's; a memory value's register is a place in here */
  int n_memory;
  Mask *masks;    /* [depth, 2, invocations] */
  uint64_t *swap; /* [lanes of the widest yield] */
  int64_t grid[3], group[3];
  int64_t period; /* between barriers */
} Interp;

static bool fail(Interp *I, const Node *n, int inv, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static bool fail(Interp *I, const Node *n, int inv, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *what = arena_vprintf(I->arena, fmt, ap);
  va_end(ap);
  return diag_error(I->diag, n->loc, "@%s: `%s`: %s (invocation %d of workgroup %" PRId64 ",%" PRId64 ",%" PRId64 ")",
                    I->func->name, op_name(n->op), what, inv, I->group[0], I->group[1], I->group[2]);
}

static uint64_t *at(const Interp *I, int inv, const Value *v) { return I->reg + inv * I->lanes + v->number; }
static int64_t index_at(const Interp *I, int inv, const Value *v) { return (int64_t)at(I, inv, v)[0]; }
static Memory *memory_at(const Interp *I, int inv, const Value *v) { return &I->memory[at(I, inv, v)[0]]; }

static void copy_value(const Interp *I, int inv, const Value *to, const Value *from) {
  memcpy(at(I, inv, to), at(I, inv, from), (size_t)from->type->lanes * sizeof(uint64_t));
}

#define EACH(I, mask, inv)                                                                                             \
  for (int inv = 0; inv < (I)->n_inv; inv++)                                                                           \
    if ((mask)[inv])

/* ---- one invocation's arithmetic ---- */

/* The vector as it lies in memory, and back. */
static void bitcast(const Interp *I, int inv, const Node *n) {
  unsigned char bytes[MAX_LANES * sizeof(uint64_t)] = {0};
  const Value *x = n->in[0].value, *y = n->out[0];
  for (int64_t i = 0; i < x->type->lanes; i++) dtype_set_bits(x->type->dtype, bytes, i, at(I, inv, x)[i]);
  for (int64_t i = 0; i < y->type->lanes; i++) at(I, inv, y)[i] = dtype_get_bits(y->type->dtype, bytes, i);
}

static void elementwise(const Interp *I, int inv, const Node *n) {
  Dtype type[3];
  uint64_t in[3], *out = at(I, inv, n->out[0]);
  ensure(n->n_in <= 3);
  for (int j = 0; j < n->n_in; j++) type[j] = n->in[j].value->type->dtype;
  for (int64_t i = 0; i < n->out[0]->type->lanes; i++) {
    for (int j = 0; j < n->n_in; j++) in[j] = at(I, inv, n->in[j].value)[i];
    out[i] = scalar_apply(n, n->n_in, type, in, n->out[0]->type->dtype);
  }
}

static void imm(const Interp *I, int inv, const Node *n) {
  const Constant *c = node_attr(n, attr_slot(imm, value))->constant;
  Type t = n->out[0]->type;
  for (int64_t i = 0; i < t->lanes; i++) at(I, inv, n->out[0])[i] = dtype_get_bits(t->dtype, c->bytes, 0);
}

static void splat(const Interp *I, int inv, const Node *n) {
  for (int64_t i = 0; i < n->out[0]->type->lanes; i++) at(I, inv, n->out[0])[i] = at(I, inv, n->in[0].value)[0];
}

static void extract(const Interp *I, int inv, const Node *n) {
  const uint64_t *from = at(I, inv, n->in[0].value) + node_int(n, extract, lane);
  memcpy(at(I, inv, n->out[0]), from, (size_t)n->out[0]->type->lanes * sizeof *from);
}

static void pack(const Interp *I, int inv, const Node *n) {
  int64_t lanes = n->in[0].value->type->lanes;
  for (int j = 0; j < n->n_in; j++)
    memcpy(at(I, inv, n->out[0]) + j * lanes, at(I, inv, n->in[j].value), (size_t)lanes * sizeof(uint64_t));
}

static void shuffle(const Interp *I, int inv, const Node *n) {
  int64_t first = n->in[0].value->type->lanes;
  const int64_t *lane = node_ints(n, shuffle, lanes).at;
  for (int64_t i = 0; i < n->out[0]->type->lanes; i++)
    at(I, inv, n->out[0])[i] =
        lane[i] < first ? at(I, inv, n->in[0].value)[lane[i]] : at(I, inv, n->in[1].value)[lane[i] - first];
}

static void dot4(const Interp *I, int inv, const Node *n) {
  const uint64_t *acc = at(I, inv, n->in[0].value), *a = at(I, inv, n->in[1].value), *b = at(I, inv, n->in[2].value);
  for (int64_t i = 0; i < n->out[0]->type->lanes; i++) {
    int32_t sum = 0;
    for (int j = 0; j < 4; j++) sum += (int32_t)(uint8_t)a[4 * i + j] * (int8_t)b[4 * i + j];
    at(I, inv, n->out[0])[i] = (uint32_t)acc[i] + (uint32_t)sum;
  }
}

static void dot2(const Interp *I, int inv, const Node *n) {
  const uint64_t *acc = at(I, inv, n->in[0].value), *a = at(I, inv, n->in[1].value), *b = at(I, inv, n->in[2].value);
  for (int64_t i = 0; i < n->out[0]->type->lanes; i++) {
    float sum = (float)dtype_decode(DT_f32, acc[i]); /* products of bf16 are exact in f32 */
    for (int j = 1; j >= 0; j--)
      sum += (float)(dtype_decode(DT_bf16, a[2 * i + j]) * dtype_decode(DT_bf16, b[2 * i + j]));
    at(I, inv, n->out[0])[i] = dtype_encode(DT_f32, sum, false, ROUND_EVEN);
  }
}

static void lanes(const Interp *I, int inv, const Node *n) {
  Op op = n->op == OP_lanes_sum ? OP_add : n->op == OP_lanes_max ? OP_max : OP_min;
  Type t = n->in[0].value->type;
  uint64_t v[MAX_LANES];
  memcpy(v, at(I, inv, n->in[0].value), (size_t)t->lanes * sizeof *v);
  for (int64_t half = t->lanes / 2; half >= 1; half /= 2)
    for (int64_t i = 0; i < half; i++)
      v[i] =
          scalar_apply(&(Node){.op = op}, 2, (Dtype[]){t->dtype, t->dtype}, (uint64_t[]){v[i], v[i + half]}, t->dtype);
  at(I, inv, n->out[0])[0] = v[0];
}

static void place(const Interp *I, int inv, const Node *n) {
  int axis = (int)node_attr(n, 0)->i;
  const int64_t *size = I->func->launch.local;
  int64_t local[3] = {inv % size[0], inv / size[0] % size[1], inv / size[0] / size[1]};
  int64_t v = n->op == OP_local_id ? local[axis] : n->op == OP_groups ? I->grid[axis] : I->group[axis];
  at(I, inv, n->out[0])[0] = (uint64_t)v;
}

/* ---- memory ---- */

/* Where a load or store of v goes. */
static Access access_of(Interp *I, int inv, const Node *n, const Value *v, int64_t align) {
  return (Access){.memory = memory_at(I, inv, n->in[0].value), .at = index_at(I, inv, n->in[1].value),
                  .lanes = v->type->lanes, .dtype = v->type->dtype, .align = align, .invocation = inv, .period = I->period};
}

static bool load(Interp *I, int inv, const Node *n) {
  Access a = access_of(I, inv, n, n->out[0], node_int(n, load, align));
  const char *wrong = memory_read(&a, at(I, inv, n->out[0]), I->arena);
  return !wrong || fail(I, n, inv, "%s", wrong);
}

static bool store(Interp *I, int inv, const Node *n) {
  const Value *v = n->in[2].value;
  Access a = access_of(I, inv, n, v, node_int(n, store, align));
  const char *wrong = memory_write(&a, at(I, inv, v), I->arena);
  return !wrong || fail(I, n, inv, "%s", wrong);
}

/* ---- control ---- */

static bool run_block(Interp *I, const Block *b, const Mask *mask, int depth);

static bool barrier(Interp *I, const Node *n, const Mask *mask) {
  int here = 0, first = 0;
  for (int inv = I->n_inv - 1; inv >= 0; inv--) {
    here += mask[inv];
    if (mask[inv]) first = inv;
  }
  if (here < I->n_inv) return fail(I, n, first, "%d of the workgroup's %d invocations come here", here, I->n_inv);
  I->period++;
  return true;
}

static bool any(const Interp *I, const Mask *mask) { return memchr(mask, 1, (size_t)I->n_inv) != NULL; }

static bool run_when(Interp *I, const Node *n, const Mask *mask, int depth) {
  Mask *side[2] = {I->masks + 2 * depth * I->n_inv, I->masks + (2 * depth + 1) * I->n_inv};
  for (int inv = 0; inv < I->n_inv; inv++) {
    bool yes = mask[inv] && at(I, inv, n->in[0].value)[0];
    side[0][inv] = yes;
    side[1][inv] = mask[inv] && !yes;
  }
  for (int r = 0; r < 2; r++) {
    if (!any(I, side[r])) continue;
    if (!run_block(I, n->region[r], side[r], depth + 1)) return false;
    const Node *end = block_terminator(n->region[r]);
    EACH(I, side[r], inv)
    for (int i = 0; i < n->n_out; i++) copy_value(I, inv, n->out[i], end->in[i].value);
  }
  return true;
}

/* Through `swap`, since a turn may yield its own arguments in another order. */
static void carry(Interp *I, const Mask *mask, const Node *end, const Block *body) {
  EACH(I, mask, inv) {
    uint64_t *swap = I->swap;
    for (int i = 0; i < end->n_in; i++) {
      const Value *v = end->in[i].value;
      memcpy(swap, at(I, inv, v), (size_t)v->type->lanes * sizeof *swap);
      swap += v->type->lanes;
    }
    swap = I->swap;
    for (int i = 0; i < end->n_in; i++) {
      const Value *v = body->arg[i + 1];
      memcpy(at(I, inv, v), swap, (size_t)v->type->lanes * sizeof *swap);
      swap += v->type->lanes;
    }
  }
}

/* Who is still in the loop. */
static void stay(const Interp *I, const Node *n, Mask *active) {
  for (int inv = 0; inv < I->n_inv; inv++)
    active[inv] = active[inv] && index_at(I, inv, n->region[0]->arg[0]) < index_at(I, inv, n->in[1].value);
}

static bool start(Interp *I, const Node *n, const Mask *mask) {
  const Block *body = n->region[0];
  EACH(I, mask, inv) {
    if (index_at(I, inv, n->in[2].value) <= 0)
      return fail(I, n, inv, "a step of %" PRId64, index_at(I, inv, n->in[2].value));
    copy_value(I, inv, body->arg[0], n->in[0].value);
    for (int i = 1; i < body->n_args; i++) copy_value(I, inv, body->arg[i], n->in[2 + i].value);
  }
  return true;
}

static bool step(Interp *I, const Node *n, const Mask *active) {
  EACH(I, active, inv) {
    int64_t i = index_at(I, inv, n->region[0]->arg[0]), by = index_at(I, inv, n->in[2].value);
    if (!checked_add(i, by, (int64_t *)at(I, inv, n->region[0]->arg[0])))
      return fail(I, n, inv, "the counter overflows");
  }
  return true;
}

static bool run_for(Interp *I, const Node *n, const Mask *mask, int depth) {
  Block *body = n->region[0];
  Mask *active = I->masks + 2 * depth * I->n_inv;
  memcpy(active, mask, (size_t)I->n_inv);
  if (!start(I, n, mask)) return false;
  for (stay(I, n, active); any(I, active); stay(I, n, active)) {
    if (!run_block(I, body, active, depth + 1)) return false;
    carry(I, active, block_terminator(body), body);
    if (!step(I, n, active)) return false;
  }
  EACH(I, mask, inv)
  for (int i = 0; i < n->n_out; i++) copy_value(I, inv, n->out[i], body->arg[i + 1]);
  return true;
}

/* ---- dispatch ---- */

/* What an op does to one invocation; `can_fail` where something can be wrong with what it is given. */
typedef struct Action {
  void (*pure)(const Interp *, int inv, const Node *);
  bool (*can_fail)(Interp *, int inv, const Node *);
} Action;

static const Action actions[OP_count] = {
    [OP_bitcast] = {.pure = bitcast}, [OP_imm] = {.pure = imm},         [OP_load] = {.can_fail = load},
    [OP_store] = {.can_fail = store}, [OP_splat] = {.pure = splat},     [OP_extract] = {.pure = extract},
    [OP_pack] = {.pure = pack},       [OP_shuffle] = {.pure = shuffle}, [OP_dot4] = {.pure = dot4},
    [OP_dot2] = {.pure = dot2},       [OP_lanes_sum] = {.pure = lanes}, [OP_lanes_max] = {.pure = lanes},
    [OP_lanes_min] = {.pure = lanes}, [OP_group_id] = {.pure = place},  [OP_local_id] = {.pure = place},
    [OP_groups] = {.pure = place},
};

static bool run_action(Interp *I, const Node *n, const Mask *mask) {
  const Action *a = &actions[n->op];
  ensure(a->pure || a->can_fail || op_info(n->op)->level == LEVEL_ANY);
  EACH(I, mask, inv) {
    if (a->can_fail && !a->can_fail(I, inv, n)) return false;
    if (a->pure) a->pure(I, inv, n);
    if (!a->can_fail && !a->pure) elementwise(I, inv, n);
  }
  return true;
}

static bool run_node(Interp *I, const Node *n, const Mask *mask, int depth) {
  switch (n->op) {
  case OP_for: return run_for(I, n, mask, depth);
  case OP_when: return run_when(I, n, mask, depth);
  case OP_barrier: return barrier(I, n, mask);
  case OP_prefetch:
  case OP_workgroup_memory: return true; /* memory has its register from the beginning */
  default: return run_action(I, n, mask);
  }
}

static bool run_block(Interp *I, const Block *b, const Mask *mask, int depth) {
  for (const Node *n = b->first; n && !op_is_terminator(n->op); n = n->next)
    if (!run_node(I, n, mask, depth)) return false;
  return true;
}

#undef EACH

/* ---- launch ---- */

typedef struct Layout {
  int64_t lanes, widest_yield;
  int depth, n_shared;
} Layout;

static void lay_out_value(Layout *l, Value *v) {
  v->number = (int)l->lanes;
  bool memory = v->type->kind == TYPE_BUFFER || v->type->kind == TYPE_SHARED;
  l->lanes += memory ? 1 : v->type->lanes;
}

/* Gives each value of a block its place in the register file. */
static void lay_out(Layout *l, Block *b, int depth) {
  int64_t yielded = 0;
  if (depth > l->depth) l->depth = depth;
  for (int i = 0; i < b->n_args; i++) lay_out_value(l, b->arg[i]);
  for (Node *n = b->first; n; n = n->next) {
    for (int r = 0; r < n->n_regions; r++) lay_out(l, n->region[r], depth + 1);
    for (int i = 0; i < n->n_out; i++) lay_out_value(l, n->out[i]);
    for (int i = 0; n->op == OP_yield && i < n->n_in; i++) yielded += n->in[i].value->type->lanes;
    l->n_shared += n->op == OP_workgroup_memory;
  }
  if (yielded > l->widest_yield) l->widest_yield = yielded;
}

static void set_everywhere(Interp *I, const Value *v, uint64_t bits) {
  for (int inv = 0; inv < I->n_inv; inv++) at(I, inv, v)[0] = bits;
}

static bool set_args(Interp *I, int n, const KernelArg *arg) {
  const Block *body = I->func->body;
  if (n != body->n_args)
    return diag_error(I->diag, I->func->loc, "@%s takes %d arguments, not %d", I->func->name, body->n_args, n);
  for (int i = 0; i < n; i++) {
    Type t = body->arg[i]->type;
    I->memory[i] = (Memory){t->dtype, arg[i].memory, arg[i].elements, NULL};
    set_everywhere(I, body->arg[i], t->kind == TYPE_BUFFER ? (uint64_t)i : arg[i].bits);
  }
  I->n_memory = n;
  return true;
}

static void add_workgroup_memory(Interp *I) {
  for (Node *n = I->func->body->first; n; n = n->next) {
    if (n->op != OP_workgroup_memory) continue;
    Type t = n->out[0]->type;
    set_everywhere(I, n->out[0], (uint64_t)I->n_memory);
    I->memory[I->n_memory++] = memory_shared(I->arena, t->dtype, t->lanes);
  }
}

static bool set_up(Interp *I, int n_args, const KernelArg *arg) {
  const int64_t *local = I->func->launch.local;
  Layout l = {0};
  lay_out(&l, I->func->body, 0);
  int64_t n, bytes;
  if (!checked_mul(local[0], local[1], &n) || !checked_mul(n, local[2], &n) || n < 1 || n > MAX_INVOCATIONS ||
      !checked_mul(n, l.lanes * (int64_t)sizeof(uint64_t), &bytes) || bytes > MAX_REGISTER_BYTES)
    return diag_error(I->diag, I->func->loc,
                      "@%s: %" PRId64 "x%" PRId64 "x%" PRId64 " invocations of %" PRId64 " lanes are more than is run",
                      I->func->name, local[0], local[1], local[2], l.lanes);
  I->n_inv = (int)n;
  I->lanes = l.lanes;
  I->reg = ARENA_ARRAY(I->arena, uint64_t, n * l.lanes);
  I->masks = ARENA_ARRAY(I->arena, Mask, 2 * (l.depth + 1) * n);
  I->swap = ARENA_ARRAY(I->arena, uint64_t, l.widest_yield);
  I->memory = ARENA_ARRAY(I->arena, Memory, n_args + l.n_shared);
  if (!set_args(I, n_args, arg)) return false;
  add_workgroup_memory(I);
  return true;
}

static bool run_group(Interp *I, const Mask *everyone) {
  I->period = 1;
  for (int i = 0; i < I->n_memory; i++) memory_forget(&I->memory[i]);
  return run_block(I, I->func->body, everyone, 0);
}

static bool run_grid(Interp *I) {
  Mask *everyone = ARENA_ARRAY(I->arena, Mask, I->n_inv);
  memset(everyone, 1, (size_t)I->n_inv);
  int64_t *g = I->group;
  for (g[2] = 0; g[2] < I->grid[2]; g[2]++)
    for (g[1] = 0; g[1] < I->grid[1]; g[1]++)
      for (g[0] = 0; g[0] < I->grid[0]; g[0]++)
        if (!run_group(I, everyone)) return false;
  return true;
}

bool interp_kernel(Func *f, const int64_t grid[3], int n_args, const KernelArg *arg, Diag *d) {
  ensure(f->level == LEVEL_KERNEL);
  Interp I = {.func = f, .diag = d, .arena = arena_new(), .grid = {grid[0], grid[1], grid[2]}};
  bool good = set_up(&I, n_args, arg) && run_grid(&I);
  arena_free(I.arena);
  return good;
}
