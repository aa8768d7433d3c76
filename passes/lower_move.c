/* lower_move.c -- how the ops that move elements are lowered: each says where an element comes from. */
#include "ir/fatal.h"
#include "ir/infer.h"
#include "passes/lower.h"

static Value *zero(Kernel *k) { return kb_index(&k->b, 0); }
static Value *one(Kernel *k) { return kb_index(&k->b, 1); }

/* An operand's numbers, of which those that only the data tells are unknown; the need of the row has seen that there are
 * so many. */
static int dims_of(Kernel *k, const Node *n, int operand, Dim *dim) {
  int count = 0;
  const Value *v = node_in(n, operand);
  if (v) ensure(value_dims(k->module, v, 4 * MAX_RANK, dim, &count));
  return count;
}

static bool dims_known(Module *m, const Value *v, bool numbers) {
  Dim dim[4 * MAX_RANK];
  int n;
  if (!v) return true;
  if (!value_dims(m, v, 4 * MAX_RANK, dim, &n)) return false;
  for (int i = 0; i < n; i++)
    if (numbers && !dim_is_const(dim[i])) return false;
  return true;
}

/* Number i of an operand: a size, or loaded where only the data tells it. */
static Value *listed(Kernel *k, const Node *n, int operand, Dim d, int i) {
  if (!dim_is_unknown(d)) return kernel_size(k, d);
  return kb_cast(&k->b, kernel_pull(k, node_in(n, operand), (Value *[]){kb_index(&k->b, i)}), DT_index);
}

/* ---- joined and cut ---- */

/* The operands [from, to) by halves, so that branches nest no deeper than the logarithm of their count. */
static Value *concat_range(Kernel *k, const Node *n, int from, int to, Value **edge, int axis, Value *const *index) {
  if (to - from == 1) {
    Value *own[MAX_RANK];
    for (int i = 0; i < n->out[0]->type->rank; i++) own[i] = i == axis ? kb_sub(&k->b, index[i], edge[from]) : index[i];
    return kernel_pull(k, node_in(n, from), own);
  }
  int mid = (from + to) / 2;
  KernelWhen w = kb_when(&k->b, kb_less(&k->b, index[axis], edge[mid]), 1);
  Value *first = concat_range(k, n, from, mid, edge, axis, index);
  kb_else(&k->b, &w, 1, &first);
  Value *second = concat_range(k, n, mid, to, edge, axis, index);
  kb_when_end(&k->b, &w, 1, &second);
  return w.out[0];
}

Value *element_concat(Kernel *k, const Node *n, int result, Value *const *index) {
  int axis = axis_of(node_int(n, concat, axis), n->out[result]->type->rank);
  DimPool *p = k->module->dims;
  Value **edge = ARENA_ARRAY(k->scratch, Value *, n->n_in + 1);
  Dim at = dim_const(p, 0);
  for (int i = 0; i < n->n_in; i++, at = dim_add(p, at, node_in(n, i - 1)->type->dim[axis])) edge[i] = kernel_size(k, at);
  return concat_range(k, n, 0, n->n_in, edge, axis, index);
}

Value *element_split(Kernel *k, const Node *n, int result, Value *const *index) {
  Type t = n->out[result]->type;
  int axis = axis_of(node_int(n, split, axis), t->rank);
  Dim at = dim_const(k->module->dims, 0);
  Value *own[MAX_RANK];
  for (int i = 0; i < result; i++) at = dim_add(k->module->dims, at, n->out[i]->type->dim[axis]);
  for (int i = 0; i < t->rank; i++) own[i] = i == axis ? kb_add(&k->b, index[i], kernel_size(k, at)) : index[i];
  return kernel_pull(k, node_in(n, 0), own);
}

/* A start counts from the end where it is negative, and is held within the axis: going down, to its last element. */
static Value *slice_start(Kernel *k, Dim start, Dim size, bool down) {
  Value *n = kernel_size(k, size);
  if (dim_is_const(start) && start->constant < 0)
    return kb_max(&k->b, kb_add(&k->b, n, kb_index(&k->b, start->constant < -INT32_MAX ? -INT32_MAX : start->constant)), zero(k));
  Value *last = down ? kb_sub(&k->b, n, one(k)) : n;
  return kb_min(&k->b, kernel_size(k, start), last);
}

/* The place along an axis where only the data tells the start, or the step. */
static Value *sliced_place(Kernel *k, Value *start, Value *step, Value *size, Value *i) {
  Value *down = kb_less(&k->b, step, zero(k)), *top = kb_where(&k->b, down, kb_sub(&k->b, size, one(k)), size);
  start = kb_where(&k->b, kb_less(&k->b, start, zero(k)), kb_add(&k->b, start, size), start);
  return kb_add(&k->b, kb_min(&k->b, kb_max(&k->b, start, zero(k)), top), kb_mul(&k->b, i, step));
}

Value *element_slice(Kernel *k, const Node *n, int result, Value *const *index) {
  Type t = n->out[result]->type, from = node_in(n, 0)->type;
  Dim start[4 * MAX_RANK], axes[4 * MAX_RANK], step[4 * MAX_RANK];
  int count = dims_of(k, n, 1, start);
  bool has_axes = dims_of(k, n, 3, axes) > 0, has_steps = dims_of(k, n, 4, step) > 0;
  Value *own[MAX_RANK];
  for (int i = 0; i < t->rank; i++) own[i] = index[i];
  for (int i = 0; i < count; i++) {
    int axis = has_axes ? axis_of(axes[i]->constant, t->rank) : i;
    if (dim_is_unknown(start[i]) || (has_steps && !dim_is_const(step[i]))) {
      Value *by = has_steps ? listed(k, n, 4, step[i], i) : one(k);
      own[axis] = sliced_place(k, listed(k, n, 1, start[i], i), by, kernel_size(k, from->dim[axis]), index[axis]);
      continue;
    }
    int64_t by = has_steps ? step[i]->constant : 1;
    if (by == INT64_MIN) by++; /* as far: there is one element at most */
    Value *first = slice_start(k, start[i], from->dim[axis], by < 0);
    own[axis] = by < 0 ? kb_sub(&k->b, first, kb_mul(&k->b, index[axis], kb_index(&k->b, -by)))
                       : kb_add(&k->b, first, kb_mul(&k->b, index[axis], kb_index(&k->b, by)));
  }
  return kernel_pull(k, node_in(n, 0), own);
}

bool need_slice(Module *m, const Node *n) {
  return dims_known(m, node_in(n, 1), false) && dims_known(m, node_in(n, 3), true) && dims_known(m, node_in(n, 4), false);
}

/* ---- repeated and padded ---- */

Value *element_tile(Kernel *k, const Node *n, int result, Value *const *index) {
  Type t = n->out[result]->type;
  Value *own[MAX_RANK];
  for (int i = 0; i < t->rank; i++) own[i] = kb_mod(&k->b, index[i], kernel_size(k, node_in(n, 0)->type->dim[i]));
  return kernel_pull(k, node_in(n, 0), own);
}

/* The remainder that is never negative. */
static Value *cycle(Kernel *k, Value *x, Value *size) { return build_binary(&k->b, OP_mod, x, size); }

/* How much of the operand a negative pad takes away; a symbolic size takes nothing. */
static Value *cropped(Kernel *k, Dim d, Value *pad) {
  if (!dim_is_const(d) && !dim_is_unknown(d)) return zero(k);
  return kb_max(&k->b, kb_sub(&k->b, zero(k), pad), zero(k));
}

/* Where a place outside the operand takes its number from. */
static Value *pad_source(Kernel *k, const char *mode, Value *at, Value *size) {
  Value *last = kb_sub(&k->b, size, one(k));
  if (strcmp(mode, "edge") == 0) return kb_max(&k->b, kb_min(&k->b, at, last), zero(k));
  if (strcmp(mode, "wrap") == 0) return cycle(k, at, size);
  /* reflect: there and back, without the ends twice; of one element, that */
  Value *period = kb_max(&k->b, kb_add(&k->b, last, last), one(k)), *m = cycle(k, at, period);
  return kb_min(&k->b, m, kb_sub(&k->b, period, m));
}

static Value *pad_value(Kernel *k, const Node *n) {
  Dtype t = kernel_register(n->out[0]->type->dtype);
  if (node_in(n, 2)) return kernel_pull(k, node_in(n, 2), (Value *[]){zero(k)});
  return dtype_is_float(t) ? kb_float(&k->b, t, 0) : kb_int(&k->b, t, 0);
}

Value *element_pad(Kernel *k, const Node *n, int result, Value *const *index) {
  Type t = n->out[result]->type, from = node_in(n, 0)->type;
  const char *mode = node_str(n, pad, mode) ? node_str(n, pad, mode) : "constant";
  Dim pads[4 * MAX_RANK], axes[4 * MAX_RANK];
  int count = dims_of(k, n, 1, pads) / 2;
  bool has_axes = dims_of(k, n, 3, axes) > 0, constant = strcmp(mode, "constant") == 0;
  Value *own[MAX_RANK], *inside = NULL;
  for (int i = 0; i < t->rank; i++) own[i] = index[i];
  for (int i = 0; i < count; i++) {
    int axis = has_axes ? axis_of(axes[i]->constant, t->rank) : i;
    if (dim_is(pads[i], 0) && dim_is(pads[count + i], 0)) continue;
    Value *size = kernel_size(k, from->dim[axis]), *before = listed(k, n, 1, pads[i], i), *at = kb_sub(&k->b, index[axis], before);
    if (!constant) { /* what is left of the operand repeats */
      Value *skip = cropped(k, pads[i], before), *behind = cropped(k, pads[count + i], listed(k, n, 1, pads[count + i], count + i));
      Value *left = kb_sub(&k->b, size, kb_add(&k->b, skip, behind));
      own[axis] = kb_add(&k->b, pad_source(k, mode, kb_sub(&k->b, at, skip), left), skip);
      continue;
    }
    own[axis] = at;
    inside = kb_and(&k->b, kb_and(&k->b, inside, kb_at_most(&k->b, zero(k), at)), kb_less(&k->b, at, size));
  }
  if (!inside) return kernel_pull(k, node_in(n, 0), own);
  KernelWhen w = kb_when(&k->b, inside, 1);
  Value *x = kernel_pull(k, node_in(n, 0), own);
  kb_else(&k->b, &w, 1, &x);
  Value *filled = pad_value(k, n);
  kb_when_end(&k->b, &w, 1, &filled);
  return w.out[0];
}

bool need_pad(Module *m, const Node *n) {
  return dims_known(m, node_in(n, 1), false) && dims_known(m, node_in(n, 3), true);
}

/* One walk over the elements, which writes the places of those that are not 0. */
bool lower_nonzero(Kernel *k, const Node *n) {
  const Value *x = node_in(n, 0);
  Value *index[MAX_RANK], *start = zero(k);
  KernelFor f = kb_for(&k->b, zero(k), kernel_size(k, type_elements(k->module->dims, x->type)), 1, &start);
  kernel_delinear(k, x->type, f.i, index);
  Value *v = kernel_widen(k, kernel_pull(k, x, index)), *at = f.carried[0];
  Value *is_zero = v->type->dtype == DT_bool ? kb_not(&k->b, v) : kb_equal(&k->b, v, kb_zero(&k->b, v->type->dtype));
  KernelWhen w = kb_when(&k->b, is_zero, 1);
  kb_else(&k->b, &w, 1, &at);
  for (int i = 0; i < x->type->rank; i++)
    kernel_store(k, 0, (Value *[]){kb_index(&k->b, i), at}, kb_cast(&k->b, index[i], DT_i64));
  Value *next = kb_add(&k->b, at, one(k));
  kb_when_end(&k->b, &w, 1, &next);
  kb_for_end(&k->b, &f, 1, w.out);
  k->grid[0] = dim_const(k->module->dims, 1);
  return true;
}

/* start + i*delta */
Value *element_range(Kernel *k, const Node *n, int result, Value *const *index) {
  Dtype t = n->out[result]->type->dtype;
  Value *start = kernel_widen(k, kernel_pull(k, node_in(n, 0), index)), *delta = kernel_widen(k, kernel_pull(k, node_in(n, 2), index));
  Value *i = kb_cast(&k->b, index[0], start->type->dtype);
  return kernel_narrow(k, build_binary(&k->b, OP_add, start, build_binary(&k->b, OP_mul, i, delta)), t);
}

/* ---- by index ---- */

/* An index from a tensor counts from the end where it is negative. One that is out of range is an error of the model's that
 * the reference reports; a kernel must not read beyond its memory, and takes the nearest. */
static Value *place_of(Kernel *k, Value *x, Dim size) {
  Value *n = kernel_size(k, size), *i = kb_cast(&k->b, x, DT_index);
  Value *from_end = kb_add(&k->b, i, n);
  i = kb_where(&k->b, kb_less(&k->b, i, zero(k)), from_end, i);
  return kb_max(&k->b, kb_min(&k->b, i, kb_sub(&k->b, n, one(k))), zero(k));
}

Value *element_gather(Kernel *k, const Node *n, int result, Value *const *index) {
  (void)result;
  const Value *x = node_in(n, 0), *indices = node_in(n, 1);
  int axis = axis_of(node_int(n, gather, axis), x->type->rank), q = indices->type->rank;
  Value *own[MAX_RANK];
  for (int i = 0; i < axis; i++) own[i] = index[i];
  own[axis] = place_of(k, kernel_pull(k, indices, index + axis), x->type->dim[axis]);
  for (int i = axis + 1; i < x->type->rank; i++) own[i] = index[i + q - 1];
  return kernel_pull(k, x, own);
}

Value *element_gather_elements(Kernel *k, const Node *n, int result, Value *const *index) {
  (void)result;
  const Value *x = node_in(n, 0);
  int axis = axis_of(node_int(n, gather_elements, axis), x->type->rank);
  Value *own[MAX_RANK];
  for (int i = 0; i < x->type->rank; i++) own[i] = index[i];
  own[axis] = place_of(k, kernel_pull(k, node_in(n, 1), index), x->type->dim[axis]);
  return kernel_pull(k, x, own);
}

/* The tuple of indices at `index` (of all but the last axis of `tuples`), as places of x from `first` on. */
static int tuple_places(Kernel *k, const Value *tuples, Value *const *index, const Value *x, int first, Value **own) {
  int rank = tuples->type->rank, n = (int)tuples->type->dim[rank - 1]->constant;
  Value *at[MAX_RANK];
  for (int i = 0; i < rank - 1; i++) at[i] = index[i];
  for (int i = 0; i < n; i++) {
    at[rank - 1] = kb_index(&k->b, i);
    own[first + i] = place_of(k, kernel_pull(k, tuples, at), x->type->dim[first + i]);
  }
  return n;
}

Value *element_gather_nd(Kernel *k, const Node *n, int result, Value *const *index) {
  (void)result;
  const Value *x = node_in(n, 0), *tuples = node_in(n, 1);
  int batch = (int)node_int(n, gather_nd, batch_dims), q = tuples->type->rank;
  Value *own[MAX_RANK];
  for (int i = 0; i < batch; i++) own[i] = index[i];
  int count = tuple_places(k, tuples, index, x, batch, own);
  for (int i = batch + count; i < x->type->rank; i++) own[i] = index[q - 1 + i - batch - count];
  return kernel_pull(k, x, own);
}

/* ---- scattered: one invocation, so that updates of one place come in their order ---- */

static Value *updated(Kernel *k, const char *how, Value *had, Value *x, Dtype t) {
  if (!how || strcmp(how, "none") == 0) return x;
  Op op = strcmp(how, "add") == 0 ? OP_add : strcmp(how, "mul") == 0 ? OP_mul : strcmp(how, "max") == 0 ? OP_max : OP_min;
  return kernel_narrow(k, build_binary(&k->b, op, kernel_widen(k, had), kernel_widen(k, x)), t);
}

typedef void (*EachElement)(Kernel *k, const Node *n, Value *const *index);

static void for_all(Kernel *k, const Node *n, Type t, EachElement body) {
  Value *index[MAX_RANK];
  KernelFor f = kb_for(&k->b, zero(k), kernel_size(k, type_elements(k->module->dims, t)), 0, NULL);
  kernel_delinear(k, t, f.i, index);
  body(k, n, index);
  kb_for_end(&k->b, &f, 0, NULL);
}

static void copy_element(Kernel *k, const Node *n, Value *const *index) {
  kernel_store(k, 0, index, kernel_pull(k, node_in(n, 0), index));
}

static void update_at(Kernel *k, const Node *n, const char *how, Value *const *place, Value *x) {
  Type t = n->out[0]->type;
  Value *at = kernel_linear(k, t, place);
  kb_store(&k->b, k->out_memory[0], at, updated(k, how, kb_load(&k->b, k->out_memory[0], at), x, t->dtype));
}

static void update_element(Kernel *k, const Node *n, Value *const *index) {
  const Value *x = node_in(n, 0);
  int axis = axis_of(node_int(n, scatter_elements, axis), x->type->rank);
  Value *own[MAX_RANK];
  for (int i = 0; i < x->type->rank; i++) own[i] = index[i];
  own[axis] = place_of(k, kernel_pull(k, node_in(n, 1), index), x->type->dim[axis]);
  update_at(k, n, node_str(n, scatter_elements, reduction), own, kernel_pull(k, node_in(n, 2), index));
}

static void update_tuple(Kernel *k, const Node *n, Value *const *index) {
  const Value *x = node_in(n, 0), *tuples = node_in(n, 1);
  int q = tuples->type->rank;
  Value *own[MAX_RANK];
  int count = tuple_places(k, tuples, index, x, 0, own);
  for (int i = count; i < x->type->rank; i++) own[i] = index[q - 1 + i - count];
  update_at(k, n, node_str(n, scatter_nd, reduction), own, kernel_pull(k, node_in(n, 2), index));
}

static bool scatter(Kernel *k, const Node *n, EachElement update) {
  for_all(k, n, n->out[0]->type, copy_element);
  for_all(k, n, node_in(n, 2)->type, update);
  return true;
}

bool lower_scatter_elements(Kernel *k, const Node *n) { return scatter(k, n, update_element); }
bool lower_scatter_nd(Kernel *k, const Node *n) { return scatter(k, n, update_tuple); }
