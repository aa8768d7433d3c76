/* program.c -- a lowered function, at each of its levels, as the data that the runtime walks (runtime/abi.h). */
#include "codegen/program.h"

#include "codegen/emit.h"
#include "codegen/llvm_module.h"
#include "codegen/plan.h"
#include "ir/fatal.h"
#include "runtime/abi.h"

/* Constants up to so many bytes stand in the program itself, so that one without weights has no segment for them. */
enum { SMALL_CONSTANT = 1024 };

typedef struct Cell { /* a size, and where its words are */
  Dim dim;
  int64_t at;
} Cell;

typedef struct Home { /* a constant, and where its elements are */
  const Constant *constant;
  lrt_value place;
} Home;

typedef VEC(Home) Homes;
typedef VEC(LLVMValueRef) Values;

typedef struct Writer {
  Arena *arena;
  LlvmModule *m;
  Func *func;
  ProgramInfo *info;
  Plan plan;
  LLVMTypeRef word, pointer;
  VEC(int64_t) words;
  VEC(Cell) cells;
  Homes *homes; /* in the weights, which all levels share */
  Homes at_hand; /* in this level's data */
  VEC(uint8_t) data;
  VEC(const Func *) kernels;
  int64_t *value_of;   /* by Value.number: 1 + the program's value */
  int *block_number;   /* of the plan's blocks in the order of their segments */
  Values value_records;
} Writer;

/* ---- constants of LLVM's ---- */

static LLVMValueRef number(const Writer *w, int64_t v) { return LLVMConstInt(w->word, (unsigned long long)v, true); }

static LLVMValueRef record(const Writer *w, int n, LLVMValueRef *field) {
  return LLVMConstStructInContext(w->m->context, field, (unsigned)n, false);
}
#define RECORD(w, ...) \
  record((w), (int)(sizeof((LLVMValueRef[]){__VA_ARGS__}) / sizeof(LLVMValueRef)), (LLVMValueRef[]){__VA_ARGS__})

static LLVMValueRef global(const Writer *w, LLVMValueRef v, unsigned align) {
  LLVMValueRef g = LLVMAddGlobal(w->m->module, LLVMTypeOf(v), "");
  LLVMSetInitializer(g, v);
  LLVMSetGlobalConstant(g, true);
  LLVMSetLinkage(g, LLVMPrivateLinkage);
  LLVMSetAlignment(g, align);
  return g;
}

static LLVMValueRef table(const Writer *w, int n, LLVMValueRef *v) {
  if (n == 0) return LLVMConstNull(w->pointer);
  return global(w, LLVMConstArray2(LLVMTypeOf(v[0]), v, (uint64_t)n), 8);
}

static LLVMValueRef numbers(const Writer *w, int n, const int64_t *v) {
  LLVMValueRef *each = ARENA_ARRAY(w->arena, LLVMValueRef, n);
  for (int i = 0; i < n; i++) each[i] = number(w, v[i]);
  return table(w, n, each);
}

static LLVMValueRef bytes(const Writer *w, size_t n, const void *at, unsigned align) {
  return global(w, LLVMConstStringInContext2(w->m->context, at, n, true), align);
}

static LLVMValueRef text(const Writer *w, const char *s) { return bytes(w, strlen(s) + 1, s, 1); }

/* ---- sizes ---- */

static void push(Writer *w, int op, int64_t v) { vec_push(w->arena, &w->words, v * 16 + op); }

static void write_dim(Writer *w, Dim d);

static void write_sum(Writer *w, Dim d) {
  push(w, LRT_NUMBER, d->constant);
  for (int i = 0; i < d->n_terms; i++) {
    push(w, LRT_NUMBER, d->term[i].coef);
    for (int k = 0; k < d->term[i].n_atoms; k++) {
      write_dim(w, d->term[i].atom[k]);
      push(w, LRT_MUL, 0);
    }
    push(w, LRT_ADD, 0);
  }
}

static void write_dim(Writer *w, Dim d) {
  static const int op[] = {[DIM_KIND_FLOORDIV] = LRT_FLOORDIV, [DIM_KIND_MOD] = LRT_MOD, [DIM_KIND_MIN] = LRT_MIN, [DIM_KIND_MAX] = LRT_MAX};
  const Symbol *s = dim_as_symbol(d);
  if (s) {
    push(w, LRT_SYMBOL, s->index);
  } else if (d->kind == DIM_KIND_SUM) {
    write_sum(w, d);
  } else {
    write_dim(w, d->a);
    write_dim(w, d->b);
    push(w, op[d->kind], 0);
  }
}

static int64_t size(Writer *w, Dim d) {
  for (int i = 0; i < w->cells.n; i++)
    if (w->cells.at[i].dim == d) return w->cells.at[i].at;
  int64_t at = w->words.n;
  write_dim(w, d);
  push(w, LRT_END, 0);
  vec_push(w->arena, &w->cells, ((Cell){d, at}));
  return at;
}

/* ---- constants ---- */

static const lrt_value *home_of(const Homes *homes, const Constant *c) {
  for (int i = 0; i < homes->n; i++)
    if (homes->at[i].constant == c) return &homes->at[i].place;
  return NULL;
}

static int64_t aligned(int64_t n) { return (n + LRT_ALIGN - 1) / LRT_ALIGN * LRT_ALIGN; }

static lrt_value put_data(Writer *w, const Constant *c, int64_t n) {
  while (w->data.n % LRT_ALIGN) vec_push(w->arena, &w->data, 0);
  lrt_value at = {LRT_IN_DATA, w->data.n};
  int64_t element = dtype_bits(c->type->dtype) / 8;
  for (int64_t i = 0; i < n; i++)
    vec_push(w->arena, &w->data, ((const uint8_t *)c->bytes)[c->kind == CONSTANT_SPLAT ? i % element : i]);
  return at;
}

static lrt_value put_weight(Writer *w, Constant *c, int64_t n) {
  lrt_value at = {LRT_IN_WEIGHTS, w->info->weights_size};
  vec_push(w->arena, &w->info->weights, ((ProgramWeight){c, at.at, n}));
  w->info->weights_size += aligned(n);
  return at;
}

static lrt_value constant_place(Writer *w, Constant *c) {
  int64_t n;
  ensure(constant_size(c, &n));
  bool bytes_at_hand = c->kind == CONSTANT_BYTES || (c->kind == CONSTANT_SPLAT && dtype_bits(c->type->dtype) >= 8);
  bool small = bytes_at_hand && n <= SMALL_CONSTANT;
  Homes *homes = small ? &w->at_hand : w->homes;
  const lrt_value *known = home_of(homes, c);
  if (known) return *known;
  lrt_value at = small ? put_data(w, c, n) : put_weight(w, c, n);
  vec_push(w->arena, homes, ((Home){c, at}));
  return at;
}

/* ---- values and steps ---- */

static lrt_value value_place(Writer *w, const Value *v) {
  const Place *at = &w->plan.place[v->number];
  switch (at->kind) {
  case PLACE_INPUT: return (lrt_value){LRT_IN_INPUT, at->at};
  case PLACE_ARENA: return (lrt_value){LRT_IN_ARENA, w->block_number[at->at]};
  case PLACE_GROWN: return (lrt_value){LRT_IN_GROWN, at->at};
  case PLACE_PART: return (lrt_value){LRT_IN_STATE, at->at};
  default: ensure(at->kind == PLACE_CONSTANT); return constant_place(w, at->constant);
  }
}

static int64_t add_value(Writer *w, lrt_value at) {
  vec_push(w->arena, &w->value_records, RECORD(w, number(w, at.place), number(w, at.at)));
  return w->value_records.n - 1;
}

static int64_t value(Writer *w, const Value *v) {
  int64_t *known = &w->value_of[v->number];
  if (!*known) *known = 1 + add_value(w, value_place(w, v));
  return *known - 1;
}

/* The first of a state's parts; the others follow it. */
static int64_t state_value(Writer *w, const Value *v) {
  int64_t *known = &w->value_of[v->number];
  int first = w->plan.place[v->number].at;
  for (int i = 0; !*known && i < type_memories(v->type); i++) {
    int64_t at = add_value(w, (lrt_value){LRT_IN_STATE, first + i});
    if (i + 1 == type_memories(v->type)) *known = 1 + at - i;
  }
  return *known - 1;
}

static int64_t kernel(Writer *w, const Func *f) {
  for (int i = 0; i < w->kernels.n; i++)
    if (w->kernels.at[i] == f) return i;
  vec_push(w->arena, &w->kernels, f);
  return w->kernels.n - 1;
}

typedef struct Record { /* in the order of lrt_step */
  int op;
  int64_t at;
  int n_memory, n_sizes;
  const int64_t *arg;
  int64_t grid[3];
  LLVMValueRef told; /* or NULL */
} Record;

static LLVMValueRef step_record(Writer *w, const Record *r) {
  return RECORD(w, number(w, r->op), number(w, r->at), numbers(w, r->n_memory + r->n_sizes, r->arg), number(w, r->n_memory),
                number(w, r->n_sizes), number(w, r->grid[0]), number(w, r->grid[1]), number(w, r->grid[2]),
                r->told ? r->told : LLVMConstNull(w->pointer));
}

static LLVMValueRef launch(Writer *w, const Node *n) {
  const Attr *grid = node_attr(n, attr_slot(launch, grid)), *sizes = node_attr(n, attr_slot(launch, sizes));
  Func *f = node_attr(n, attr_slot(launch, func))->func;
  Record r = {.op = LRT_LAUNCH, .at = kernel(w, f), .n_memory = f->body->n_args - sizes->dims.n};
  int64_t *arg = ARENA_ARRAY(w->arena, int64_t, f->body->n_args);
  for (int i = 0, at = 0; i < n->n_in + n->n_out; i++) {
    const Value *v = i < n->n_in ? node_in(n, i) : n->out[i - n->n_in];
    if (v->type->kind != TYPE_STATE) arg[at++] = value(w, v);
    for (int k = 0; v->type->kind == TYPE_STATE && i < n->n_in && k < type_memories(v->type); k++) arg[at++] = state_value(w, v) + k;
  }
  for (int i = 0; i < sizes->dims.n; i++) arg[r.n_memory + i] = size(w, sizes->dims.at[i]);
  for (int i = 0; i < 3; i++) r.grid[i] = size(w, i < grid->dims.n ? grid->dims.at[i] : dim_const(w->func->module->dims, 1));
  r.n_sizes = sizes->dims.n;
  r.arg = arg;
  return step_record(w, &r);
}

static LLVMValueRef write_sizes(Writer *w, const Node *n) {
  const Attr *sizes = node_attr(n, attr_slot(dims, sizes));
  int64_t *arg = ARENA_ARRAY(w->arena, int64_t, 1 + sizes->dims.n);
  arg[0] = value(w, n->out[0]);
  for (int i = 0; i < sizes->dims.n; i++) arg[1 + i] = size(w, sizes->dims.at[i]);
  return step_record(w, &(Record){.op = LRT_SIZES, .n_memory = 1, .n_sizes = sizes->dims.n, .arg = arg});
}

/* ---- steps that tell sizes, move values, or jump ---- */

static LLVMValueRef let_record(Writer *w, const PlanLet *l) {
  int64_t zero = size(w, dim_const(w->func->module->dims, 0));
  return RECORD(w, number(w, l->check ? -1 : dim_as_symbol(l->size)->index), number(w, size(w, l->size)),
                number(w, l->from ? size(w, l->from) : zero), number(w, l->element));
}

/* "Reshape_7 (bind)", for messages. */
static LLVMValueRef where(Writer *w, const Node *n) {
  const char *name = n->loc.name && *n->loc.name ? arena_printf(w->arena, "`%s`", n->loc.name)
                     : n->loc.line ? arena_printf(w->arena, "line %d", n->loc.line) : "the model";
  return text(w, name);
}

static LLVMValueRef told_record(Writer *w, const PlanStep *s) {
  Values lets = {0};
  for (int i = 0; i < s->lets.n; i++) vec_push(w->arena, &lets, let_record(w, &s->lets.at[i]));
  LLVMValueRef v = RECORD(w, table(w, lets.n, lets.at), number(w, lets.n), number(w, s->opens), number(w, s->turns), where(w, s->node));
  return table(w, 1, &v);
}

static LLVMValueRef step(Writer *w, const PlanStep *s) {
  if (s->op == LRT_LAUNCH) return launch(w, s->node);
  if (s->op == LRT_SIZES) return write_sizes(w, s->node);
  if (s->op == LRT_MEET) return step_record(w, &(Record){.op = LRT_MEET});
  Record r = {.op = s->op, .at = s->op == LRT_CHECK ? s->broadcast : s->jump, .n_memory = s->values.n, .n_sizes = s->sizes.n};
  int64_t *arg = ARENA_ARRAY(w->arena, int64_t, r.n_memory + r.n_sizes);
  for (int i = 0; i < r.n_memory; i++) arg[i] = value(w, s->values.at[i]);
  for (int i = 0; i < r.n_sizes; i++) arg[r.n_memory + i] = size(w, s->sizes.at[i]);
  bool jumps = s->op == LRT_UNLESS || s->op == LRT_TURNS || s->op == LRT_JUMP;
  if (jumps) r.at += w->plan.start.n;
  r.arg = arg;
  r.told = told_record(w, s);
  return step_record(w, &r);
}

/* ---- inputs and outputs ---- */

static int port_dtype(Dtype t) {
  switch (t) {
#define DTYPE(name, ...) case DT_##name: return LRT_##name;
    LRT_DTYPES(DTYPE)
#undef DTYPE
  default: return -1;
  }
}

const char *program_input_name(const Func *f, int i) {
  const char *name = f->body->arg[i]->name;
  return name ? name : arena_printf(f->module->arena, "input%d", i);
}

const char *program_output_name(const Func *f, int i) {
  const char *name = f->result_name[i];
  return name ? name : arena_printf(f->module->arena, "output%d", i);
}

static LLVMValueRef port(Writer *w, const char *name, const Value *v, Type t) {
  int64_t dim[MAX_RANK];
  for (int i = 0; i < t->rank; i++) dim[i] = size(w, t->dim[i]);
  return RECORD(w, text(w, name), number(w, port_dtype(t->dtype)), number(w, t->rank), numbers(w, t->rank, dim),
                number(w, value(w, v)));
}

static bool check_ports(const Func *f, Diag *d) {
  bool good = true;
  const Node *end = block_terminator(f->body);
  for (int i = 0; i < f->body->n_args + end->n_in; i++) {
    const Value *v = i < f->body->n_args ? f->body->arg[i] : node_in(end, i - f->body->n_args);
    if (v->type->kind == TYPE_TENSOR && port_dtype(v->type->dtype) < 0)
      good = diag_error(d, f->loc, "%s %d is of type %s, which NumPy's files do not have", i < f->body->n_args ? "input" : "output",
                        i < f->body->n_args ? i : i - f->body->n_args, dtype_name(v->type->dtype));
  }
  return good;
}

/* ---- the whole ---- */

static LLVMValueRef symbol_table(Writer *w) {
  Values v = {0};
  for (int i = 0; i < w->func->symbols.n; i++) {
    const Symbol *s = w->func->symbols.at[i];
    vec_push(w->arena, &v, RECORD(w, text(w, s->name), number(w, s->capacity)));
  }
  return table(w, v.n, v.at);
}

static LLVMValueRef input_table(Writer *w) {
  Values v = {0};
  const Block *b = w->func->body;
  for (int i = 0; i < b->n_args; i++)
    if (b->arg[i]->type->kind != TYPE_STATE)
      vec_push(w->arena, &v, port(w, program_input_name(w->func, i), b->arg[i], b->arg[i]->type));
  return table(w, v.n, v.at);
}

static LLVMValueRef output_table(Writer *w) {
  Values v = {0};
  const Node *end = block_terminator(w->func->body);
  for (int i = 0; i < end->n_in; i++)
    if (node_in(end, i)->type->kind != TYPE_STATE)
      vec_push(w->arena, &v, port(w, program_output_name(w->func, i), node_in(end, i), node_in(end, i)->type));
  return table(w, v.n, v.at);
}

static LLVMValueRef step_table(Writer *w) {
  Values v = {0};
  for (int i = 0; i < w->plan.start.n; i++) vec_push(w->arena, &v, step(w, &w->plan.start.at[i]));
  for (int i = 0; i < w->plan.step.n; i++) vec_push(w->arena, &v, step(w, &w->plan.step.at[i]));
  return table(w, v.n, v.at);
}

static LLVMValueRef block_table(Writer *w) {
  LLVMValueRef *v = ARENA_ARRAY(w->arena, LLVMValueRef, w->plan.block.n);
  for (int i = 0; i < w->plan.block.n; i++) {
    const PlanBlock *b = &w->plan.block.at[i];
    v[w->block_number[i]] = RECORD(w, number(w, size(w, b->bytes)), number(w, b->first), number(w, b->last));
  }
  return table(w, w->plan.block.n, v);
}

/* Where each segment's blocks begin, once they stand in the order of their segments. */
static LLVMValueRef segment_table(Writer *w) {
  int64_t *first = ARENA_ARRAY(w->arena, int64_t, w->plan.n_segments + 1);
  for (int i = 0; i < w->plan.block.n; i++) first[w->plan.block.at[i].segment + 1]++;
  for (int i = 0; i < w->plan.n_segments; i++) first[i + 1] += first[i];
  return numbers(w, w->plan.n_segments + 1, first);
}

static void number_blocks(Writer *w) {
  int n = 0;
  w->block_number = ARENA_ARRAY(w->arena, int, w->plan.block.n);
  for (int segment = 0; segment < w->plan.n_segments; segment++)
    for (int i = 0; i < w->plan.block.n; i++)
      if (w->plan.block.at[i].segment == segment) w->block_number[i] = n++;
}

/* Only the program calls its kernels. They are in its module, and then their names stay its own, or in another part. */
static LLVMValueRef kernel_value(Writer *w, const char *name) {
  LLVMValueRef f = LLVMGetNamedFunction(w->m->module, name);
  if (f && !LLVMIsDeclaration(f)) {
    LLVMSetLinkage(f, LLVMInternalLinkage);
  } else if (!f) {
    f = LLVMAddFunction(w->m->module, name, LLVMFunctionType(LLVMVoidTypeInContext(w->m->context), NULL, 0, false));
    LLVMSetVisibility(f, LLVMHiddenVisibility);
  }
  return f;
}

static LLVMValueRef kernel_table(Writer *w) {
  Values v = {0};
  for (int i = 0; i < w->kernels.n; i++) vec_push(w->arena, &v, kernel_value(w, w->kernels.at[i]->name));
  return table(w, v.n, v.at);
}

/* The level and what is above it, as the runtime looks for them. */
static const char *needs(const Writer *w, const Target *t) {
  char *s = arena_printf(w->arena, "%s,%s", t->cpu, t->attributes), *to = s;
  for (const char *from = s; *from; from++)
    if (*from != '+') *to++ = *from;
  *to = 0;
  return s;
}

/* How many rows of a field are together, and so saved together. */
static int64_t block_rows(Type t, int part) { return t->state->field[part].turned ? STATE_PANEL : 1; }

static int64_t block_bytes(Type t, int part) {
  const Field *f = &t->state->field[part];
  int64_t bytes = dtype_bits(f->dtype) / 8 * block_rows(t, part);
  for (int i = 1; i < f->rank; i++) bytes *= f->dim[i];
  return bytes;
}

static LLVMValueRef part_table(Writer *w) {
  Values v = {0};
  int state = -1;
  for (int i = 0; i < w->plan.part.n; i++) {
    const PlanPart *p = &w->plan.part.at[i];
    state += p->part == 0;
    Type t = p->state->type;
    bool lengths = p->part + 1 == type_memories(t);
    vec_push(w->arena, &v, RECORD(w, text(w, program_input_name(w->func, p->state->index)), number(w, state), number(w, size(w, p->bytes)),
                                  number(w, lengths), number(w, t->state->batch),
                                  number(w, lengths ? 1 : t->state->capacity / block_rows(t, p->part)),
                                  number(w, lengths ? 1 : block_rows(t, p->part)), number(w, lengths ? 8 : block_bytes(t, p->part))));
  }
  return table(w, v.n, v.at);
}

static int count_ports(int n, const Type *type) {
  int ports = 0;
  for (int i = 0; i < n; i++) ports += type[i]->kind != TYPE_STATE;
  return ports;
}

static int count_inputs(const Func *f) {
  int ports = 0;
  for (int i = 0; i < f->body->n_args; i++) ports += f->body->arg[i]->type->kind != TYPE_STATE;
  return ports;
}

/* Of a level's functions, one a type of caches, which it is. */
static const char *cache_name(const ProgramInfo *info, const Func *f) {
  for (int i = 0; i < info->n_levels && info->n_caches; i++)
    if (info->level[i] == f) return dtype_name(info->cache[i % info->n_caches]);
  return "";
}

/* In the order of lrt_program. */
static LLVMValueRef program_record(Writer *w) {
  const Func *f = w->func;
  LLVMValueRef symbols = symbol_table(w), inputs = input_table(w), outputs = output_table(w), steps = step_table(w);
  LLVMValueRef blocks = block_table(w), segments = segment_table(w), parts = part_table(w);
  return RECORD(w,
    text(w, f->target->name), text(w, needs(w, f->target)), text(w, cache_name(w->info, f)),
    number(w, f->symbols.n), number(w, count_inputs(f)), number(w, count_ports(f->n_results, f->result)), number(w, w->value_records.n),
    number(w, w->plan.block.n), number(w, w->plan.n_segments), number(w, w->plan.n_grown), number(w, w->plan.part.n),
    number(w, w->plan.start.n + w->plan.step.n), number(w, w->plan.start.n),
    symbols, inputs, outputs, table(w, w->value_records.n, w->value_records.at), blocks, segments, parts, steps,
    numbers(w, w->words.n, w->words.at), kernel_table(w), bytes(w, (size_t)w->data.n, w->data.at, LRT_ALIGN));
}

static Writer writer_new(LlvmModule *m, ProgramInfo *info, Func *f, Homes *homes) {
  Writer w = {.arena = f->module->arena, .m = m, .func = f, .info = info, .homes = homes};
  w.word = LLVMInt64TypeInContext(m->context);
  w.pointer = LLVMPointerTypeInContext(m->context, 0);
  return w;
}

static void count_plan(ProgramInfo *info, const Plan *plan) {
  info->n_phases = plan->n_phases + 1;
  info->n_blocks = plan->block.n;
  info->n_launches = 0;
  for (int i = 0; i < plan->step.n; i++) info->n_launches += plan->step.at[i].op == LRT_LAUNCH;
}

/* NULL after a diag_error. What one level cannot run, another cannot, and is said once. */
static LLVMValueRef level_record(LlvmModule *m, ProgramInfo *info, Func *f, Homes *homes, Diag *d) {
  Writer w = writer_new(m, info, f, homes);
  bool good = plan_func(w.arena, f, d, &w.plan);
  if (!((info->no_files || check_ports(f, d)) & good)) return NULL;
  w.value_of = ARENA_ARRAY(w.arena, int64_t, w.plan.n_values);
  number_blocks(&w);
  count_plan(info, &w.plan);
  return program_record(&w);
}

/* The facts of the models that the function is one of. NULL after a diag_error. */
static LLVMValueRef fact_table(Writer *w, const Model *m, Values *v, Diag *d) {
  for (int i = 0; i < m->facts.n; i++) {
    const Constant *c = m->facts.at[i].constant;
    int64_t size;
    if (c->kind != CONSTANT_BYTES || !constant_size(c, &size) || port_dtype(c->type->dtype) < 0 || c->type->rank != 1) {
      diag_error(d, c->loc, "the fact \"%s\" of @%s is no list of numbers that stand in the module", m->facts.at[i].name, m->name);
      return NULL;
    }
    vec_push(w->arena, v, RECORD(w, text(w, m->facts.at[i].name), number(w, port_dtype(c->type->dtype)),
                                 number(w, c->type->dim[0]->constant), bytes(w, (size_t)size, c->bytes, 8)));
  }
  return table(w, v->n, v->at);
}

static LLVMValueRef all_facts(Writer *w, int *n, Diag *d) {
  const Module *m = w->func->module;
  Values v = {0};
  LLVMValueRef facts = table(w, 0, NULL);
  for (int i = 0; i < m->models.n && facts; i++)
    for (int k = 0; k < m->models.at[i]->funcs.n; k++)
      if (m->models.at[i]->funcs.at[k] == w->func) facts = fact_table(w, m->models.at[i], &v, d);
  *n = v.n;
  return facts;
}

static bool has_fact(const Model *m, const char *name) {
  for (int i = 0; i < m->facts.n; i++)
    if (strcmp(m->facts.at[i].name, name) == 0) return true;
  return false;
}

/* As generator_can() of runtime/generator.c asks. */
bool program_speaks(const ProgramInfo *p) {
  static const char *const inputs[] = {"ids", "positions", "sequences", "outputs"};
  const Func *f = p->level[0];
  const Module *m = f->module;
  bool speaks = false;
  for (int i = 0; i < m->models.n; i++)
    for (int k = 0; k < m->models.at[i]->funcs.n; k++)
      speaks |= m->models.at[i]->funcs.at[k] == f && has_fact(m->models.at[i], "context");
  for (int i = 0; i < (int)(sizeof inputs / sizeof *inputs); i++)
    speaks = speaks && i < f->body->n_args && strcmp(program_input_name(f, i), inputs[i]) == 0;
  return speaks;
}

/* In the order of lrt_model. */
static bool write_model(Writer *w, LLVMValueRef *level, Diag *d) {
  const ProgramInfo *info = w->info;
  int n_facts;
  LLVMValueRef facts = all_facts(w, &n_facts, d);
  if (!facts) return false;
  LLVMValueRef model = RECORD(w, number(w, LRT_VERSION), text(w, info->name), text(w, info->made_by),
                              number(w, info->n_levels), table(w, info->n_levels, level), number(w, info->weights_size), number(w, 0),
                              info->weights_file ? text(w, info->weights_file) : LLVMConstNull(w->pointer), number(w, n_facts), facts);
  LLVMValueRef g = LLVMAddGlobal(w->m->module, LLVMTypeOf(model), "lrt_model_data");
  LLVMSetInitializer(g, model);
  LLVMSetGlobalConstant(g, true);
  LLVMSetVisibility(g, LLVMHiddenVisibility);
  return true;
}

void program_set_weights_hash(LlvmModule *m, uint64_t hash) {
  enum { FIELDS = 10, HASH = 6 }; /* of lrt_model */
  LLVMValueRef g = LLVMGetNamedGlobal(m->module, "lrt_model_data"), model = LLVMGetInitializer(g), field[FIELDS];
  ensure(LLVMGetNumOperands(model) == FIELDS);
  for (unsigned i = 0; i < FIELDS; i++) field[i] = LLVMGetOperand(model, i);
  field[HASH] = LLVMConstInt(LLVMTypeOf(field[HASH]), hash, false);
  LLVMSetInitializer(g, LLVMConstStructInContext(m->context, field, FIELDS, false));
}

/* An empty place for the weights, which the linker puts last; a module of WebAssembly has them behind all that it places. */
static void write_weights_section(Writer *w) {
  bool elsewhere = w->info->no_files || w->m->target->system->format == FILE_WASM;
  if (!program_holds_weights(w->info) || elsewhere) return;
  uint8_t nothing[LRT_ALIGN] = {0};
  LLVMValueRef g = bytes(w, sizeof nothing, nothing, LRT_WEIGHTS_ALIGN);
  LLVMSetLinkage(g, LLVMExternalLinkage);
  LLVMSetVisibility(g, LLVMHiddenVisibility);
  LLVMSetValueName2(g, "lrt_weights_place", strlen("lrt_weights_place"));
  LLVMSetSection(g, ".lathe.weights");
}

/* A kernel has its workgroup's memory there, and room for registers; the runtime needs some kilobytes. */
static int64_t stack_bytes(const Module *m) {
  int64_t most = 0;
  for (int i = 0; i < m->funcs.n; i++) {
    const Func *f = m->funcs.at[i];
    int64_t bytes = f->level == LEVEL_KERNEL ? emit_workgroup_memory(f) : 0;
    if (bytes > most) most = bytes;
  }
  return most + (32 << 10);
}

bool program_emit(LlvmModule *m, ProgramInfo *info, Diag *d) {
  LLVMValueRef level[MAX_LEVELS * MAX_CACHES];
  Homes homes = {0};
  info->stack_bytes = stack_bytes(info->level[0]->module);
  for (int k = 0; k < info->n_levels; k++)
    if (!(level[k] = level_record(m, info, info->level[k], &homes, d))) return false;
  Writer w = writer_new(m, info, info->level[0], &homes);
  if (!write_model(&w, level, d)) return false;
  write_weights_section(&w);
  return true;
}
