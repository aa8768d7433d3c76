/* kernel.c -- a kernel being written: its operands, sizes and places, and the elements that it computes or loads. */
#include "passes/kernel.h"

#include "ir/fatal.h"
#include "ir/infer.h"

/* ---- sizes and places ---- */

Value *kernel_size(Kernel *k, Dim d) {
  if (dim_is_const(d)) return kb_index(&k->b, d->constant);
  for (int i = 0; i < k->sizes.n; i++)
    if (k->sizes.at[i] == d) return k->size_index.at[i];
  Value *v = block_add_arg(k->b.func->body, type_scalar(k->module->types, DT_index), NULL);
  vec_push(k->scratch, &k->sizes, d);
  vec_push(k->scratch, &k->size_index, v);
  return v;
}

Value *kernel_linear(Kernel *k, Type t, Value *const *index) {
  if (k->flat) return index[0];
  Value *at = kb_index(&k->b, 0);
  for (int i = 0; i < t->rank; i++) at = kb_add(&k->b, kb_mul(&k->b, at, kernel_size(k, t->dim[i])), index[i]);
  return at;
}

void kernel_delinear(Kernel *k, Type t, Value *number, Value **index) {
  for (int i = t->rank - 1; i > 0; i--) {
    Value *size = kernel_size(k, t->dim[i]);
    index[i] = kb_mod(&k->b, number, size);
    number = kb_div(&k->b, number, size);
  }
  if (t->rank) index[0] = number;
}

/* ---- elements ---- */

/* A constant that is one number everywhere is written into the kernel. */
bool kernel_one_number(const Value *v, const void **bytes) {
  const Constant *c = value_constant(v);
  if (!c || c->type->encoded || (c->kind != CONSTANT_SPLAT && c->kind != CONSTANT_BYTES)) return false;
  for (int i = 0; c->kind == CONSTANT_BYTES && i < c->type->rank; i++)
    if (!dim_is(c->type->dim[i], 1)) return false;
  *bytes = c->bytes;
  return true;
}

Value *kernel_all_lanes(Kernel *k, Value *x) {
  return k->lanes ? build(&k->b, OP_splat, 1, INS(x), ATTRS(at_i(splat, lanes, k->lanes))) : x;
}

static Value *number(Kernel *k, Dtype t, const void *bytes) {
  Dtype in = kernel_register(t);
  if (in != t) return dtype_is_float(t) ? kb_float(&k->b, in, dtype_get_f(t, bytes, 0)) : kb_int(&k->b, in, dtype_get_i(t, bytes, 0));
  Constant *c = constant_bytes(k->module, type_scalar(k->module->types, t), bytes, dtype_bits(t) / 8);
  return build(&k->b, OP_imm, 1, 0, NULL, ATTRS(at_c(imm, value, c)));
}

Value *kernel_find_memory(const Kernel *k, const Value *v) {
  for (int i = 0; i < k->in.n; i++)
    if (k->in.at[i] == v) return k->in_memory.at[i];
  return NULL;
}

Value *kernel_operand(Kernel *k, const Value *v) {
  Value *memory = kernel_find_memory(k, v);
  ensure(memory);
  return memory;
}

Value *kernel_operand_part(Kernel *k, const Value *v, int part) {
  ensure(part >= 0 && part < type_memories(v->type));
  return k->b.func->body->arg[kernel_operand(k, v)->index + part];
}

bool kernel_computes(const Kernel *k, const Value *v) {
  return v->def && (v->def == k->root || (k->inside && v->def->block == k->inside));
}

Strides kernel_strides(Kernel *k, const Value *v) {
  Strides s = {0};
  int rank = v->type->rank;
  if (kernel_computes(k, v)) {
    const Node *n = v->def;
    ensure(n->op == OP_transpose && node_ints(n, transpose, perm).n == rank);
    Strides from = kernel_strides(k, node_in(n, 0));
    s.memory = from.memory;
    for (int i = 0; i < rank; i++) s.step[i] = from.step[node_ints(n, transpose, perm).at[i]];
    return s;
  }
  Dim step = dim_const(k->module->dims, 1);
  s.memory = kernel_operand(k, v);
  for (int i = rank - 1; i >= 0; i--) s.step[i] = step, step = dim_mul(k->module->dims, step, v->type->dim[i]);
  return s;
}

static bool is_within(const Block *b, const Block *outer) {
  while (b && b != outer) b = b->parent ? b->parent->block : NULL;
  return b;
}

/* How many indices a place has. */
static int index_count(const Kernel *k, const Value *v) { return k->flat ? v->type->rank > 0 : v->type->rank; }

static Value *known_element(const Kernel *k, const Value *v, Value *const *index) {
  size_t size = (size_t)index_count(k, v) * sizeof *index;
  for (int i = k->known.n - 1; i >= 0; i--) {
    const Known *e = &k->known.at[i];
    if (e->value == v && is_within(k->b.block, e->block) && (!size || memcmp(e->index, index, size) == 0)) return e->element;
  }
  return NULL;
}

static Value *know(Kernel *k, const Value *v, Value *const *index, Value *element) {
  int n = index_count(k, v);
  Value **copy = ARENA_ARRAY(k->scratch, Value *, n);
  if (n) memcpy(copy, index, (size_t)n * sizeof *index);
  vec_push(k->scratch, &k->known, ((Known){v, copy, element, k->b.block}));
  return element;
}

static Value *load_element(Kernel *k, const Value *v, Value *const *index) {
  Value *memory = kernel_operand(k, v), *at = kernel_linear(k, v->type, index);
  bool one = v->type->rank == 0 || dim_is(v->type->dim[v->type->rank - 1], 1);
  if (k->lanes && !one) return build(&k->b, OP_load, 1, INS(memory, at), ATTRS(at_i(load, lanes, k->lanes)));
  return kernel_all_lanes(k, kernel_load(k, v->type->dtype, memory, at));
}

Value *kernel_pull(Kernel *k, const Value *v, Value *const *index) {
  const void *bytes;
  if (kernel_one_number(v, &bytes)) return kernel_all_lanes(k, number(k, v->type->dtype, bytes));
  Value *element = known_element(k, v, index);
  if (element) return element;
  if (kernel_computes(k, v)) element = k->elements->of(v->def->op)(k, v->def, v->index, index);
  else element = load_element(k, v, index);
  return know(k, v, index, element);
}

/* Where a size may be 1 or the result's, only the run knows: the least of the index and size-1 is right for both. */
Value *kernel_broadcast_place(Kernel *k, Dim own, Dim to, Value *at) {
  if (own == to) return at;
  if (dim_is(own, 1)) return kb_index(&k->b, 0);
  if (dim_is_const(own)) return at;
  return kb_min(&k->b, at, kb_sub(&k->b, kernel_size(k, own), kb_index(&k->b, 1)));
}

Value *kernel_pull_broadcast(Kernel *k, const Value *v, Type to, Value *const *index) {
  Value *own[MAX_RANK];
  int skipped = to->rank - v->type->rank;
  if (k->flat) return kernel_pull(k, v, index);
  for (int i = 0; i < v->type->rank; i++) {
    int at = i + skipped;
    own[i] = kernel_broadcast_place(k, v->type->dim[i], to->dim[at], index[at]);
  }
  return kernel_pull(k, v, own);
}

void kernel_store_result(Kernel *k, int result, Value *const *index, Value *x) {
  Type t = k->root->out[result]->type;
  if (kernel_is_narrow(t->dtype)) x = kernel_encode(k, t->dtype, x, false, ROUND_EVEN); /* it is exact */
  int64_t align = k->stream ? k->lanes * dtype_bits(t->dtype) / 8 : 0;
  if (k->stream && align > k->target->vector_bytes) align = k->target->vector_bytes; /* two vectors: results begin as one is aligned */
  build(&k->b, OP_store, 0, INS(k->out_memory[result - k->first], kernel_linear(k, t, index), x),
        ATTRS(at_i(store, align, align), at_i(store, stream, k->stream)));
}

/* Is v the value `on`, or computed from it within the region? */
static bool depends(const Kernel *k, const Value *v, const Value *on) {
  if (v == on) return true;
  if (!kernel_computes(k, v) || v->def == k->anchor) return false;
  for (int i = 0; i < v->def->n_in; i++)
    if (node_in(v->def, i) && depends(k, node_in(v->def, i), on)) return true;
  return false;
}

/* The place that an element of `given` has in v, which is computed from it element by element: transposes move it. */
static void place_in(const Kernel *k, const Value *v, const Value *given, Value *const *index, Value **place) {
  Value *from[MAX_RANK];
  const Node *n = v->def;
  int i = 0;
  if (v == given) {
    if (given->type->rank) memcpy(place, index, (size_t)given->type->rank * sizeof *place);
    return;
  }
  while (!node_in(n, i) || !depends(k, node_in(n, i), given)) i++;
  place_in(k, node_in(n, i), given, index, n->op == OP_transpose ? from : place);
  for (int axis = 0; n->op == OP_transpose && axis < v->type->rank; axis++) place[axis] = from[node_ints(n, transpose, perm).at[axis]];
}

void kernel_store(Kernel *k, int result, Value *const *index, Value *x) {
  Value *place[MAX_RANK];
  if (!k->anchor) {
    kernel_store_result(k, result, index, x);
    return;
  }
  const Node *end = block_terminator(k->inside);
  const Value *given = k->anchor->out[result];
  know(k, given, index, x);
  for (int i = 0; i < end->n_in; i++) {
    if (!depends(k, node_in(end, i), given)) continue;
    if (!k->flat) place_in(k, node_in(end, i), given, index, place);
    Value *const *to = k->flat ? index : place;
    kernel_store_result(k, i, to, kernel_pull(k, node_in(end, i), to));
  }
}

/* ---- vectors ---- */

static bool is_vector_float(Dtype t) { return t == DT_f32 || t == DT_f16 || t == DT_bf16; }

static bool can_vectorise_operand(const Kernel *k, const Value *v, Dim last) {
  const void *bytes;
  Type t = v->type;
  if (!is_vector_float(t->dtype) && (t->dtype != DT_bool || !kernel_computes(k, v))) return false;
  return kernel_one_number(v, &bytes) || t->rank == 0 || t->dim[t->rank - 1] == last || dim_is(t->dim[t->rank - 1], 1);
}

/* Vectors run along the last axis: it must stay the last. */
static bool keeps_last_axis(const Node *n) {
  int rank = n->out[0]->type->rank;
  return rank > 0 && node_ints(n, transpose, perm).n == rank && node_ints(n, transpose, perm).at[rank - 1] == rank - 1;
}

static bool can_vectorise_node(const Kernel *k, const Node *n, Dim last) {
  bool arithmetic = k->elements->on_vectors(n->op) || (n->op == OP_cast && is_vector_float(node_in(n, 0)->type->dtype));
  if (!arithmetic && n->op != OP_expand && !(n->op == OP_transpose && keeps_last_axis(n))) return false;
  for (int i = 0; i < n->n_in && (arithmetic || i < 1); i++)
    if (!can_vectorise_operand(k, node_in(n, i), last)) return false;
  return can_vectorise_operand(k, n->out[0], last);
}

int64_t kernel_row_lanes(const Kernel *k, const Node *n) {
  Type t = n->out[0]->type;
  if (!k->target || k->target->kind != TARGET_CPU || t->rank == 0 || !kernel_can_vectorise(k, n)) return 0;
  for (int i = 0; i < n->n_in; i++)
    if (node_in(n, i) && !can_vectorise_operand(k, node_in(n, i), t->dim[t->rank - 1])) return 0;
  int64_t lanes = k->target->vector_bytes / 4;
  return lanes >= 4 && lanes <= 32 ? lanes : 0;
}

bool kernel_is_large(Type t, Dim total, int64_t *most) {
  int64_t each = dtype_bits(t->dtype) / 8;
  *most = dim_is_const(total) ? total->constant : dim_capacity(total);
  return *most < 0 || *most > KERNEL_STREAM / each;
}

/* The elements of a result, where no row makes them. */
bool kernel_elements_on_vectors(const Kernel *k) {
  Type t = k->root->out[0]->type;
  if (t->rank == 0 || dim_is(t->dim[t->rank - 1], 1)) return false;
  return k->inside ? !k->anchor && kernel_can_vectorise(k, k->root) : can_vectorise_node(k, k->root, t->dim[t->rank - 1]);
}

bool kernel_can_vectorise(const Kernel *k, const Node *row) {
  Type t = row->out[0]->type;
  if (!is_vector_float(t->dtype)) return false;
  for (const Node *n = k->inside ? k->inside->first : NULL; n; n = n->next)
    if (n != row && n->op != OP_yield && n->op != OP_const && !can_vectorise_node(k, n, t->dim[t->rank - 1])) return false;
  for (int i = 0; i < k->root->n_out; i++)
    if (!is_vector_float(k->root->out[i]->type->dtype)) return false;
  return true;
}

Dtype kernel_wide(Dtype t) { return t == DT_f16 || t == DT_bf16 ? DT_f32 : t; }
Value *kernel_widen(Kernel *k, Value *x) { return kb_cast(&k->b, x, kernel_wide(x->type->dtype)); }

Value *kernel_narrow(Kernel *k, Value *x, Dtype to) {
  if (!kernel_is_narrow(to)) return kb_cast(&k->b, x, to);
  return kernel_convert(k, x, to, dtype_info(to)->cls != DTC_FLOAT, ROUND_EVEN); /* as dtype_set_f() */
}

Dtype kernel_float(const Node *n) {
  for (int i = 0; i < n->n_in; i++)
    if (node_in(n, i) && node_in(n, i)->type->dtype == DT_f64) return DT_f64;
  return DT_f32;
}

bool kernel_ints(Module *m, const Value *v, int max, int64_t *out, int *n) {
  Dim dim[64];
  ensure(max <= 64);
  if (!v || !value_dims(m, v, max, dim, n)) return false;
  for (int i = 0; i < *n; i++) {
    if (!dim_is_const(dim[i])) return false;
    out[i] = dim[i]->constant;
  }
  return true;
}

/* ---- the grid ---- */

void kernel_spread(Kernel *k, Type t, int from, int to, Value **index) {
  Value *outer[MAX_RANK];
  Dim dim[MAX_RANK], count = dim_const(k->module->dims, 1);
  int rank = 0;
  for (int i = 0; i < t->rank; i++)
    if (i < from || i >= to) dim[rank++] = t->dim[i], count = dim_mul(k->module->dims, count, t->dim[i]);
  Type rest = type_tensor(k->module->types, t->dtype, rank, dim);
  kernel_delinear(k, rest, build(&k->b, OP_group_id, 1, 0, NULL, NO_ATTRS), outer);
  for (int i = 0, at = 0; i < t->rank; i++)
    if (i < from || i >= to) index[i] = outer[at++];
  k->grid[0] = count;
}
