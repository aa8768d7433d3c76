/* emit_spirv.c -- kernels to SPIR-V: checks what the target can do, declares arguments, builds the control flow. */
#include "codegen/emit_spirv.h"

#include <inttypes.h>

#include "codegen/emit.h"
#include "codegen/spirv_builder.h"
#include "codegen/spirv_validate.h"
#include "ir/fatal.h"

/* ---- what the target cannot do ---- */

static bool is_memory(Type t) { return t->kind == TYPE_BUFFER || t->kind == TYPE_SHARED; }

static const char *refuse_type(const SpirvEmitter *e, Type t) {
  const char *text = type_text(e->arena, t);
  if (t->kind == TYPE_BUFFER) {
    if (t->dtype == DT_index) return arena_printf(e->arena, "%s: an index has no size in memory", text);
    return dtype_bits(t->dtype) < 8 ? arena_printf(e->arena, "%s is not addressable: say u8, and shift", text) : NULL;
  }
  if (spirv_class(t->dtype) == SPIRV_WIDE) return arena_printf(e->arena, "%s: registers have 32 bits", text);
  if (t->kind != TYPE_SHARED && t->lanes > SPIRV_LANES)
    return arena_printf(e->arena, "%s: vectors have at most %d lanes", text, SPIRV_LANES);
  return NULL;
}

static const char *refuse_node(const void *ctx, const Node *n) {
  const SpirvEmitter *e = ctx;
  bool control = op_is_terminator(n->op) || n->op == OP_for || n->op == OP_when;
  if (!control && !spirv_row(n->op)->emit) return "no instruction of the target does this";
  for (int i = 0; i < n->n_in; i++) {
    const char *why = refuse_type(e, n->in[i].value->type);
    if (why) return why;
  }
  for (int i = 0; i < n->n_out; i++) {
    const char *why = refuse_type(e, n->out[i]->type);
    if (why) return why;
  }
  return !control && spirv_row(n->op)->refuse ? spirv_row(n->op)->refuse(e, n) : NULL;
}

/* Every register takes four bytes, an element of workgroup memory, too. */
static bool check_sizes(const EmitCheck *c, const SpirvEmitter *e) {
  const Block *body = e->func->body;
  int64_t shared = 0, buffers = 0;
  for (const Node *n = body->first; n; n = n->next)
    if (n->op == OP_workgroup_memory) shared += 4 * n->out[0]->type->lanes;
  for (int i = 0; i < body->n_args; i++) buffers += is_memory(body->arg[i]->type);
  int64_t push = 4 * (body->n_args - buffers);
  bool good = true;
  if (shared > e->target->workgroup_memory)
    good = emit_refuse(c, "%" PRId64 " bytes of workgroup memory: %s has %" PRId64, shared, e->target->name,
                       e->target->workgroup_memory);
  if (buffers > e->target->buffers)
    good = emit_refuse(c, "%" PRId64 " buffers: %s takes %d", buffers, e->target->name, e->target->buffers);
  if (push > e->target->argument_bytes)
    good = emit_refuse(c, "%" PRId64 " bytes of scalar arguments: %s takes %d", push, e->target->name,
                       e->target->argument_bytes);
  return good;
}

static bool check_kernel(const SpirvEmitter *e, Diag *d) {
  EmitCheck c = {.emitter = "spirv", .target = e->target, .func = e->func, .diag = d, .refuse = refuse_node, .ctx = e};
  bool good = check_sizes(&c, e);
  for (int i = 0; i < e->func->body->n_args; i++) {
    const char *why = refuse_type(e, e->func->body->arg[i]->type);
    if (why) good = emit_refuse(&c, "%s", why);
  }
  return emit_check(&c) && good;
}

/* ---- control ---- */

static void emit_block(SpirvEmitter *e, const Block *b);

static void set(SpirvEmitter *e, const Value *v, Id to) { e->value[v->number] = to; }

static void start_block(SpirvEmitter *e, Id label) {
  spirv_put(e->w, SECTION_CODE, SPIRV_Label, spirv_words(label));
  e->label = label;
}

static void branch(SpirvEmitter *e, Id to) { spirv_put(e->w, SECTION_CODE, SPIRV_Branch, spirv_words(to)); }

static void branch_if(SpirvEmitter *e, Id condition, Id yes, Id no) {
  spirv_put(e->w, SECTION_CODE, SPIRV_BranchConditional, spirv_words(condition, yes, no));
}

/* unroll 1: not at all; n: so many copies of the body. */
static void put_loop_merge(SpirvEmitter *e, Id after, Id next, int64_t unroll) {
  enum { AS_THE_DRIVER_LIKES = 0, DONT_UNROLL = 0x2, PARTIAL_COUNT = 0x100 };
  uint32_t how = unroll == 0 ? AS_THE_DRIVER_LIKES : unroll == 1 ? DONT_UNROLL : PARTIAL_COUNT;
  uint32_t word[] = {after, next, how, (uint32_t)unroll};
  spirv_put(e->w, SECTION_CODE, SPIRV_LoopMerge, unroll > 1 ? 4 : 3, word);
}

/* A phi of a loop's header; what comes back is filled in where it is known, at the place that is returned. */
static size_t put_phi(SpirvEmitter *e, const Value *v, Id first, Id before, Id next) {
  set(e, v, spirv_value(e->w, SPIRV_Phi, spirv_type(e, v->type), spirv_words(first, before, 0, next)));
  return spirv_here(e->w) - 2;
}

/* header: i, carried = phi; if (i < to) { body; next: i += step; again } after: */
static void emit_for(SpirvEmitter *e, const Node *n) {
  const Block *body = n->region[0];
  const Node *end = block_terminator(body);
  Id before = e->label, header = spirv_id(e->w), inside = spirv_id(e->w), next = spirv_id(e->w), after = spirv_id(e->w);
  size_t *back = ARENA_ARRAY(e->arena, size_t, body->n_args);
  branch(e, header);

  start_block(e, header);
  for (int i = 0; i < body->n_args; i++)
    back[i] = put_phi(e, body->arg[i], spirv_operand(e, n, i ? i + 2 : 0), before, next);
  Id counter = e->value[body->arg[0]->number];
  Id more = spirv_op2(e, SPIRV_SLessThan, spirv_bools(e, 1), counter, spirv_operand(e, n, 1));
  put_loop_merge(e, after, next, node_int(n, for, unroll));
  branch_if(e, more, inside, after);

  start_block(e, inside);
  emit_block(e, body);
  branch(e, next);

  start_block(e, next);
  spirv_patch(e->w, back[0], spirv_op2(e, SPIRV_IAdd, spirv_uints(e, 1), counter, spirv_operand(e, n, 2)));
  for (int i = 0; i < end->n_in; i++) spirv_patch(e->w, back[i + 1], spirv_operand(e, end, i));
  branch(e, header);

  start_block(e, after);
  for (int i = 0; i < n->n_out; i++) set(e, n->out[i], e->value[body->arg[i + 1]->number]);
}

/* Returns the label of the block in which it ends. */
static Id emit_side(SpirvEmitter *e, const Block *b, Id label, Id after) {
  start_block(e, label);
  emit_block(e, b);
  branch(e, after);
  return e->label;
}

static void emit_when(SpirvEmitter *e, const Node *n) {
  enum { NO_HINT = 0 };
  Id yes = spirv_id(e->w), no = spirv_id(e->w), after = spirv_id(e->w);
  spirv_put(e->w, SECTION_CODE, SPIRV_SelectionMerge, spirv_words(after, NO_HINT));
  branch_if(e, spirv_operand(e, n, 0), yes, no);
  yes = emit_side(e, n->region[0], yes, after);
  no = emit_side(e, n->region[1], no, after);
  start_block(e, after);
  const Node *a = block_terminator(n->region[0]), *b = block_terminator(n->region[1]);
  for (int i = 0; i < n->n_out; i++) {
    Id type = spirv_type(e, n->out[i]->type), v = spirv_operand(e, a, i), w = spirv_operand(e, b, i);
    set(e, n->out[i], spirv_value(e->w, SPIRV_Phi, type, spirv_words(v, yes, w, no)));
  }
}

/* Where the node comes from, for a debugger: its line of text, and its name in the original graph. */
static void put_location(SpirvEmitter *e, const Node *n) {
  if (n->loc.file && n->loc.line)
    spirv_put(e->w, SECTION_CODE, SPIRV_Line, spirv_words(spirv_string(e->w, n->loc.file), (uint32_t)n->loc.line, 0));
}

static void emit_node(SpirvEmitter *e, const Node *n) {
  put_location(e, n);
  Id before = spirv_newest_id(e->w), v = spirv_row(n->op)->emit(e, n);
  if (!n->n_out || is_memory(n->out[0]->type)) return;
  set(e, n->out[0], v);
  const char *name = n->loc.name ? n->loc.name : n->out[0]->name;
  if (name && v > before) spirv_name(e->w, v, name); /* what was there before has its name */
}

static void emit_block(SpirvEmitter *e, const Block *b) {
  for (const Node *n = b->first; n && !op_is_terminator(n->op); n = n->next) {
    if (n->op == OP_for)
      emit_for(e, n);
    else if (n->op == OP_when)
      emit_when(e, n);
    else
      emit_node(e, n);
  }
}

/* ---- arguments and memory ---- */

/* What is read and written, which decides how buffers are declared. */
static void note_accesses(SpirvEmitter *e, const Block *b) {
  for (const Node *n = b->first; n; n = n->next) {
    if (n->op == OP_load) e->memory[n->in[0].value->number].read = true;
    if (n->op == OP_store) e->memory[n->in[0].value->number].written = true;
    if (n->op == OP_barrier) e->meets = true;
    for (int r = 0; r < n->n_regions; r++) note_accesses(e, n->region[r]);
  }
}

static void declare_workgroup_memory(SpirvEmitter *e) {
  for (const Node *n = e->func->body->first; n; n = n->next) {
    if (n->op != OP_workgroup_memory) continue;
    Type t = n->out[0]->type;
    Id array = spirv_type_array(e->w, spirv_register(e, t->dtype, 1), (uint32_t)t->lanes);
    Id v = e->memory[n->out[0]->number].variable[0] = spirv_variable(e->w, STORAGE_Workgroup, array);
    if (n->out[0]->name) spirv_name(e->w, v, n->out[0]->name);
  }
}

/* A scalar argument, from the push constants. */
static Id load_argument(SpirvEmitter *e, Id push, int i, Type t) {
  Id uint = spirv_uints(e, 1), pointer = spirv_type_pointer(e->w, STORAGE_PushConstant, uint);
  Id at = spirv_op2(e, SPIRV_AccessChain, pointer, push, spirv_uint(e->w, (uint32_t)i));
  Id word = spirv_op1(e, SPIRV_Load, uint, at);
  return spirv_from_words(e, &word, t);
}

static void count_arguments(const Func *f, SpirvKernel *out) {
  for (int i = 0; i < f->body->n_args; i++) ++*(is_memory(f->body->arg[i]->type) ? &out->n_buffers : &out->n_push);
}

static void emit_arguments(SpirvEmitter *e, const SpirvKernel *k) {
  const Block *body = e->func->body;
  Id push = k->n_push ? spirv_variable(e->w, STORAGE_PushConstant, spirv_block_uints(e->w, k->n_push)) : 0;
  uint32_t buffers = 0;
  int scalars = 0;
  for (int i = 0; i < body->n_args; i++) {
    const Value *v = body->arg[i];
    if (is_memory(v->type)) {
      e->memory[v->number].binding = buffers++;
      continue;
    }
    Id x = load_argument(e, push, scalars++, v->type);
    if (v->name) spirv_name(e->w, x, v->name);
    set(e, v, x);
  }
}

/* Buffers that are written overlap no other, but one that is declared more than once overlaps itself. */
static void declare_overlaps(SpirvEmitter *e) {
  for (int i = 0; i < e->func->body->n_args; i++) {
    const Value *v = e->func->body->arg[i];
    const Id *variable = e->memory[v->number].variable;
    int n = 0;
    for (int u = 0; u < SPIRV_UNITS; u++) n += variable[u] != 0;
    for (int u = 0; u < SPIRV_UNITS; u++) {
      if (!variable[u]) continue;
      spirv_decorate(e->w, variable[u], n > 1 ? DECORATION_Aliased : DECORATION_Restrict, 0, NULL);
      if (v->name) spirv_name(e->w, variable[u], v->name);
    }
  }
}

/* ---- the function ---- */

static Id emit_function(SpirvEmitter *e, const SpirvKernel *k) {
  enum { NO_CONTROL = 0 };
  Id nothing = spirv_type_void(e->w), type = spirv_type_function(e->w, nothing);
  Id function = spirv_value(e->w, SPIRV_Function, nothing, spirv_words(NO_CONTROL, type));
  spirv_name(e->w, function, e->func->name);
  start_block(e, spirv_id(e->w));
  emit_arguments(e, k);
  emit_block(e, e->func->body);
  spirv_put(e->w, SECTION_CODE, SPIRV_Return, 0, NULL);
  spirv_put(e->w, SECTION_CODE, SPIRV_FunctionEnd, 0, NULL);
  return function;
}

/* What the validator finds wrong with what we made is a bug of ours. */
static void must_be_valid(const SpirvKernel *k, Arena *a) {
  const char *wrong = spirv_validate(k->word, k->n_words, a);
  if (wrong) fatal_bug(__FILE__, __LINE__, arena_printf(a, "invalid SPIR-V: %s", wrong));
}

static void emit_kernel(SpirvEmitter *e, SpirvKernel *out) {
  int n_values = emit_number_values(e->func);
  e->w = spirv_writer_new(e->arena);
  e->value = ARENA_ARRAY(e->arena, Id, n_values);
  e->memory = ARENA_ARRAY(e->arena, SpirvMemory, n_values);
  count_arguments(e->func, out);
  note_accesses(e, e->func->body);
  declare_workgroup_memory(e);
  Id function = emit_function(e, out);
  declare_overlaps(e);
  out->word = spirv_finish(e->w, function, e->func->launch.local, &out->n_words);
  must_be_valid(out, e->arena);
}

bool spirv_emit_kernel(const Func *f, const Target *t, Arena *a, Diag *d, SpirvKernel *out) {
  ensure(f->level == LEVEL_KERNEL && t->kind == TARGET_GPU && t->vector_bytes == 4 * SPIRV_LANES);
  *out = (SpirvKernel){0};
  SpirvEmitter e = {.target = t, .func = f, .arena = a};
  if (!check_kernel(&e, d)) return false;
  emit_kernel(&e, out);
  return true;
}
