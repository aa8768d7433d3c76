/* lower.c -- from ops on tensors to kernels: makes a kernel of each op or fused region, and launches it.
 *
 * What needs no kernel stays: constants, sizes, views, calls and control flow. So does an op whose result has a size that
 * only the data tells, and one without a row. Kernels that are the same are one. */
#include "passes/lower.h"

#include <stdlib.h>

#include "ir/fatal.h"
#include "ir/infer.h"
#include "ir/strmap.h"
#include "ir/text.h"
#include "passes/pass.h"

/* How many elements one workgroup computes where nothing else divides the work. */
enum { CHUNK = 4096 };

#define ELEMENT(op, name) [OP_##op].element = element_##name,
#define KERNEL(op, name) [OP_##op].kernel = lower_##name,
#define NEED(op, name) [OP_##op].need = need_##name,
static const LowerRow rows[OP_count] = {
#include "passes/lower.def"
};
#undef ELEMENT
#undef KERNEL
#undef NEED

const LowerRow *lower_row(Op op) { return &rows[op]; }
static KernelElement element_of(Op op) { return rows[op].element; }
static bool on_vectors(Op op) { return rows[op].element == element_arithmetic && op != OP_pow && op != OP_mod; }
static const KernelElements elements = {element_of, on_vectors};

static bool is_code(const Value *v) { return v && v->type->kind == TYPE_TENSOR && !v->type->encoded && kernel_is_narrow(v->type->dtype); }

/* Loops over elements carry them in registers of their own type: no model has them work on codes. */
bool need_registers(Module *m, const Node *n) {
  bool codes = false;
  (void)m;
  for (int i = 0; i < n->n_in; i++) codes |= is_code(node_in(n, i));
  for (int i = 0; i < n->n_out; i++) codes |= is_code(n->out[i]);
  return !codes;
}

bool lower_can(const Node *n) {
  const LowerRow *row = &rows[n->op];
  Module *m = node_func(n)->module;
  return (row->element || (row->kernel && need_registers(m, n))) && (!row->need || row->need(m, n));
}

/* ---- loops over a result ---- */

static const Value *result_value(const Kernel *k, const Node *end, int i) {
  return k->inside ? node_in(end, i) : k->root->out[i];
}

static void store_elements(Kernel *k, const Node *end, Value **index) {
  for (int i = k->first; i < k->first + k->n_out; i++) kernel_store_result(k, i, index, kernel_pull(k, result_value(k, end, i), index));
}

/* Elements `from` up to `to` along an axis of index[], which LLVM makes vectors of, or as streams of our own. */
static void store_span(Kernel *k, const Node *end, Value **index, int axis, Value *from, Value *to, int64_t lanes) {
  KernelFor f = kb_for_step(&k->b, from, to, lanes ? lanes : 1, 0, NULL);
  k->lanes = lanes, k->stream = lanes > 0;
  index[axis] = f.i;
  store_elements(k, end, index);
  k->lanes = 0, k->stream = false;
  kb_for_end(&k->b, &f, 0, NULL);
}

/* Lanes for streams, or 0: the result is small for sure, or not made of vectors. Results of two bytes an element fill whole vectors,
 * too: LLVM 19 sends the store of half a vector that was made narrower through the caches. */
static int64_t stream_lanes(const Kernel *k, Type t, Dim total) {
  int64_t most;
  int bytes = 4;
  if (!k->target || k->target->kind != TARGET_CPU || !kernel_elements_on_vectors(k)) return 0;
  for (int i = 0; i < k->n_out; i++)
    if (dtype_bits(k->root->out[k->first + i]->type->dtype) == 16) bytes = 2;
  return kernel_is_large(t, total, &most) ? k->target->vector_bytes / bytes : 0;
}

/* The span as a stream where the whole result is large, which only the run may know. Its whole vectors, that is: what is left
 * behind them is stored one by one. */
static void store_large(Kernel *k, const Node *end, Value **index, int axis, Value *from, Value *to, Dim total, int64_t lanes) {
  Type t = k->root->out[k->first]->type;
  Value *least = kb_index(&k->b, KERNEL_STREAM / (dtype_bits(t->dtype) / 8)), *width = kb_index(&k->b, lanes);
  KernelWhen large = {0};
  bool sure = dim_is_const(total);
  if (!sure) large = kb_when(&k->b, kb_at_most(&k->b, least, kernel_size(k, total)), 0);
  Value *whole = kb_add(&k->b, from, kb_mul(&k->b, kb_div(&k->b, kb_sub(&k->b, to, from), width), width));
  store_span(k, end, index, axis, from, whole, lanes);
  store_span(k, end, index, axis, whole, to, 0);
  if (sure) return;
  kb_else(&k->b, &large, 0, NULL);
  store_span(k, end, index, axis, from, to, 0);
  kb_when_end(&k->b, &large, 0, NULL);
}

/* One number for all elements, cut in chunks. */
static void lower_flat(Kernel *k, Type t, const Node *end) {
  DimPool *p = k->module->dims;
  Dim total = type_elements(p, t), chunk = dim_const(p, CHUNK);
  int64_t lanes = stream_lanes(k, t, total);
  Value *from = kb_mul(&k->b, build(&k->b, OP_group_id, 1, 0, NULL, NO_ATTRS), kb_index(&k->b, CHUNK)), *index[1];
  Value *to = kb_min(&k->b, kb_add(&k->b, from, kb_index(&k->b, CHUNK)), kernel_size(k, total));
  if (lanes) store_large(k, end, index, 0, from, to, total, lanes);
  else store_span(k, end, index, 0, from, to, 0);
  k->grid[0] = dim_ceildiv(p, total, chunk);
}

/* One code of a byte, shifted to its place; none behind the last element. */
static Value *packed_code(Kernel *k, Type t, const Value *v, Value *element, int place) {
  Value *index[MAX_RANK], *none = kb_int(&k->b, DT_u8, 0);
  KernelWhen w = kb_when(&k->b, kb_less(&k->b, element, kernel_size(k, type_elements(k->module->dims, t))), 1);
  kernel_delinear(k, t, element, index);
  Value *code = kernel_encode(k, t->dtype, kernel_pull(k, v, index), false, ROUND_EVEN);
  code = build_binary(&k->b, OP_and, code, kb_int(&k->b, DT_u8, (1 << dtype_bits(t->dtype)) - 1));
  code = build_binary(&k->b, OP_shl, code, kb_int(&k->b, DT_u8, place * dtype_bits(t->dtype)));
  kb_else(&k->b, &w, 1, &code);
  kb_when_end(&k->b, &w, 1, &none);
  return w.out[0];
}

/* Elements narrower than a byte: byte by byte, cut in chunks. */
static void lower_packed(Kernel *k, Type t, const Node *end) {
  DimPool *p = k->module->dims;
  int each = 8 / dtype_bits(t->dtype);
  Dim bytes = dim_ceildiv(p, type_elements(p, t), dim_const(p, each));
  Value *from = kb_mul(&k->b, build(&k->b, OP_group_id, 1, 0, NULL, NO_ATTRS), kb_index(&k->b, CHUNK));
  Value *to = kb_min(&k->b, kb_add(&k->b, from, kb_index(&k->b, CHUNK)), kernel_size(k, bytes));
  KernelFor f = kb_for(&k->b, from, to, 0, NULL);
  Value *byte = kb_int(&k->b, DT_u8, 0), *first = kb_mul(&k->b, f.i, kb_index(&k->b, each));
  for (int i = 0; i < each; i++) {
    Value *element = kb_add(&k->b, first, kb_index(&k->b, i));
    byte = build_binary(&k->b, OP_or, byte, packed_code(k, t, result_value(k, end, k->first), element, i));
  }
  kb_store(&k->b, k->out_memory[0], f.i, byte);
  kb_for_end(&k->b, &f, 0, NULL);
  k->grid[0] = dim_ceildiv(p, bytes, dim_const(p, CHUNK));
}

/* A workgroup a row. */
static void lower_rows(Kernel *k, Type t, const Node *end) {
  Value *index[MAX_RANK];
  kernel_spread(k, t, t->rank - 1, t->rank, index);
  Dim last = t->dim[t->rank - 1], total = type_elements(k->module->dims, t);
  int64_t lanes = stream_lanes(k, t, total);
  bool aligned = lanes && dim_is_const(last) && last->constant % lanes == 0;
  Value *zero = kb_index(&k->b, 0), *size = kernel_size(k, last);
  if (aligned) store_large(k, end, index, t->rank - 1, zero, size, total, lanes);
  else store_span(k, end, index, t->rank - 1, zero, size, 0);
}

/* ---- which way an op goes ---- */

static bool is_elementwise(Op op) {
  const OpInfo *info = op_info(op);
  return info->level == LEVEL_ANY && info->effect == EFFECT_PURE;
}

/* Can the element's number alone say where everything is? */
static bool is_flat(const Kernel *k, const Node *n, Type t) {
  if (!is_elementwise(n->op)) return false;
  for (int i = 0; i < n->n_in; i++) {
    const Value *v = node_in(n, i);
    const void *bytes;
    if (!v || kernel_one_number(v, &bytes)) continue;
    if (!type_same_dims(v->type, t)) return false;
    if (k->inside && kernel_computes(k, v) && !is_flat(k, v->def, t)) return false;
  }
  return true;
}

static bool all_flat(const Kernel *k, const Node *end, Type t) {
  if (!k->inside) return is_flat(k, k->root, t);
  for (int i = k->first; i < k->first + k->n_out; i++)
    if (!node_in(end, i)->def || !is_flat(k, node_in(end, i)->def, t)) return false;
  return true;
}

static bool lower_elements(Kernel *k) {
  Type t = k->root->out[k->first]->type;
  const Node *end = k->inside ? block_terminator(k->inside) : NULL;
  for (int i = k->first; i < k->first + k->n_out; i++)
    if (!type_same_dims(k->root->out[i]->type, t)) return false;
  if (dtype_bits(t->dtype) < 8) {
    if (k->n_out == 1) lower_packed(k, t, end);
    return k->n_out == 1;
  }
  k->flat = t->rank > 0 && all_flat(k, end, t);
  if (t->rank == 0) store_elements(k, end, NULL);
  else if (k->flat) lower_flat(k, t, end);
  else lower_rows(k, t, end);
  return true;
}

/* ---- one kernel ---- */

static bool is_memory(const Value *v) { return v->type->kind == TYPE_STATE || (v->type->kind == TYPE_TENSOR && !v->type->encoded); }

/* The op of a region that makes its own kernel; fusing puts at most one there. */
static const Node *anchor_of(const Block *region) {
  for (const Node *n = region->first; n; n = n->next)
    if (n->op != OP_yield && lower_row(n->op)->kernel) return n;
  return NULL;
}

/* A region has at most one kernel row; all else computes elements. */
static bool can_lower_region(const Node *fused) {
  int anchors = 0;
  for (const Node *n = fused->region[0]->first; n; n = n->next) {
    if (n->op == OP_yield || n->op == OP_const) continue;
    if (!lower_can(n)) return false;
    anchors += lower_row(n->op)->kernel != NULL;
  }
  return anchors <= 1;
}

static bool has_anchor(const Node *n) {
  if (n->op != OP_fused) return lower_row(n->op)->kernel != NULL;
  for (const Node *in = n->region[0]->first; in; in = in->next)
    if (lower_row(in->op)->kernel) return true;
  return false;
}

/* A row that writes its own kernel stores element by element, and so nothing narrower than a byte. */
static bool can_lower(const Node *n) {
  if (n->op == OP_fused ? !can_lower_region(n) : !lower_can(n)) return false;
  for (int i = 0; i < n->n_out; i++)
    if (n->out[i]->type->kind == TYPE_TENSOR && dtype_bits(n->out[i]->type->dtype) < 8 && has_anchor(n)) return false;
  for (int i = 0; i < n->n_in; i++)
    if (node_in(n, i) && !is_memory(node_in(n, i))) return false;
  for (int i = 0; i < n->n_out; i++)
    if (!is_memory(n->out[i])) return false;
  return infer_sizes_known(n);
}

static void add_operand(Kernel *k, Value *v) {
  if (!v || kernel_find_memory(k, v) || kernel_computes(k, v)) return;
  Value *first = NULL;
  for (int i = 0; i < type_memories(v->type); i++) {
    Value *memory = block_add_arg(k->b.func->body, type_buffer(k->module->types, kernel_memory(type_memory(v->type, i))), NULL);
    if (!first) first = memory;
  }
  vec_push(k->scratch, &k->in, v);
  vec_push(k->scratch, &k->in_memory, first);
}

static void add_parameters(Kernel *k) {
  const Node *n = k->root;
  for (int i = 0; i < n->n_in; i++) add_operand(k, node_in(n, i));
  for (const Node *inner = k->inside ? k->inside->first : NULL; inner; inner = inner->next)
    for (int i = 0; i < inner->n_in; i++) add_operand(k, node_in(inner, i));
  k->out_memory = ARENA_ARRAY(k->scratch, Value *, k->n_out);
  for (int i = 0; i < k->n_out; i++) {
    Type t = n->out[k->first + i]->type;
    if (t->kind == TYPE_STATE) continue; /* it is an operand, changed in place */
    k->out_memory[i] = block_add_arg(k->b.func->body, type_buffer(k->module->types, kernel_memory(t->dtype)), NULL);
  }
}

/* Is any of the operand's memory used? */
static bool is_passed(const Kernel *k, int i) {
  const Block *body = k->b.func->body;
  for (int part = 0; part < type_memories(k->in.at[i]->type); part++)
    if (value_has_uses(body->arg[k->in_memory.at[i]->index + part])) return true;
  return false;
}

/* Operands that turned out to be read for their sizes alone, or not at all, are not passed. */
static void drop_unread(Kernel *k) {
  Block *body = k->b.func->body;
  int n = 0, at = 0, from = 0;
  for (int i = 0; i < k->in.n; i++) {
    int parts = type_memories(k->in.at[i]->type);
    bool passed = is_passed(k, i);
    for (int part = 0; part < parts; part++, from++)
      if (passed) body->arg[at++] = body->arg[from];
    if (passed) k->in.at[n++] = k->in.at[i];
  }
  k->in.n = n;
  while (from < body->n_args) body->arg[at++] = body->arg[from++];
  for (int i = 0; i < at; i++) body->arg[i]->index = i;
  body->n_args = at;
}

typedef struct Lowering {
  Module *module;
  Arena *scratch;
  const Target *target;
  StrMap kernels; /* by text without the name */
  bool changed;
} Lowering;

static Func *same_kernel(Lowering *l, Func *f) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (!out) fatal_resource("out of memory");
  text_print_unplaced(f, out);
  fclose(out);
  const char *body = strchr(text, '(');
  Func *had = strmap_get(&l->kernels, body);
  if (!had) strmap_add(l->scratch, &l->kernels, arena_string(l->scratch, body, strlen(body)), f);
  free(text);
  return had;
}

static const char *kernel_name(Module *m, const Node *n) {
  const Node *last = n->op == OP_fused ? block_terminator(n->region[0])->prev : n;
  if (n->op == OP_fused && last->op == OP_transpose && anchor_of(n->region[0])) last = anchor_of(n->region[0]);
  return module_free_name(m, arena_printf(m->arena, "kernel.%s", op_name(last->op)));
}

static void launch(Lowering *l, Kernel *k, Node *n, Func *f) {
  Module *m = l->module;
  Node *at = node_new(n->block->func, OP_launch, k->in.n, k->n_out, 0, n->loc);
  node_insert_before(n, at);
  for (int i = 0; i < k->in.n; i++) node_set_in(at, i, (Value *)(uintptr_t)k->in.at[i]);
  node_attr(at, attr_slot(launch, func))->func = f;
  Dim *grid = ARENA_ARRAY(m->arena, Dim, 3), *sizes = ARENA_ARRAY(m->arena, Dim, k->sizes.n);
  memcpy(grid, k->grid, sizeof k->grid);
  if (k->sizes.n) memcpy(sizes, k->sizes.at, (size_t)k->sizes.n * sizeof *sizes);
  int axes = k->grid[2] ? 3 : k->grid[1] ? 2 : k->grid[0] ? 1 : 0;
  node_attr(at, attr_slot(launch, grid))->dims.n = axes;
  node_attr(at, attr_slot(launch, grid))->dims.at = grid;
  node_attr(at, attr_slot(launch, sizes))->dims.n = k->sizes.n;
  node_attr(at, attr_slot(launch, sizes))->dims.at = sizes;
  for (int i = 0; i < k->n_out; i++) {
    at->out[i]->type = n->out[k->first + i]->type;
    value_replace(n->out[k->first + i], at->out[i]);
  }
}

static bool write_kernel(Kernel *k) {
  const Node *n = k->anchor ? k->anchor : k->root;
  const LowerRow *row = lower_row(n->op);
  bool good = n->op != OP_fused && row->kernel ? row->kernel(k, n) : lower_elements(k);
  if (good) build(&k->b, OP_return, 0, 0, NULL, NO_ATTRS);
  return good && diag_errors(k->module->diag) == 0;
}

/* Makes a kernel for some of a node's results, as the module's newest function, and takes it back if it cannot be made or
 * there is one like it. */
static bool lower_results(Lowering *l, Node *n, int first, int n_out) {
  Module *m = l->module;
  Func *f = module_add_func(m, kernel_name(m, n), LEVEL_KERNEL);
  Kernel k = {.module = m, .scratch = l->scratch, .target = l->target, .elements = &elements};
  k.root = n, k.first = first, k.n_out = n_out;
  k.inside = n->op == OP_fused ? n->region[0] : NULL;
  k.b = (Builder){.module = m, .func = f, .block = f->body, .loc = n->loc};
  f->loc = n->loc;
  f->target = l->target;
  if (k.inside) k.anchor = anchor_of(k.inside);
  add_parameters(&k);
  bool good = write_kernel(&k);
  Func *had = good ? (drop_unread(&k), same_kernel(l, f)) : NULL;
  if (!good || had) m->funcs.n--;
  if (!good) return false;
  launch(l, &k, n, had ? had : f);
  return l->changed = true;
}

/* Elements of results of several shapes are computed one result after another. */
static void lower_node(Lowering *l, Node *n) {
  bool together = n->op == OP_fused || lower_row(n->op)->kernel, good = true;
  for (int i = 1; i < n->n_out && !together; i++)
    if (!type_same_dims(n->out[i]->type, n->out[0]->type)) good = false;
  together |= good;
  good = together ? lower_results(l, n, 0, n->n_out) : true;
  for (int i = 0; i < n->n_out && !together; i++) good &= lower_results(l, n, i, 1);
  if (good) node_remove(n);
}

static void lower_block(Lowering *l, Block *b) {
  for (Node *n = b->first, *next; n; n = next) {
    next = n->next;
    if (n->op != OP_fused)
      for (int i = 0; i < n->n_regions; i++) lower_block(l, n->region[i]);
    if (can_lower(n)) lower_node(l, n);
  }
}

bool pass_lower(PassCall *c, Func *f) {
  Lowering l = {.module = c->module, .scratch = c->scratch, .target = f->target};
  lower_block(&l, f->body);
  return l.changed;
}
