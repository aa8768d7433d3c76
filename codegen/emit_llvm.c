/* emit_llvm.c -- kernels to native code: checks what the target can do, builds the control flow, makes the object file.
 *
 * A kernel @k becomes two functions: `k.group`, one workgroup, whose memory arguments are known not to overlap; and `k`,
 * an lrt_kernel, which calls it for each workgroup of a range. Keeping the first out of the second bounds the time that
 * LLVM takes, which grows faster than a function's length. */
#include "codegen/emit_llvm.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <inttypes.h>
#include <stdlib.h>

#include "codegen/debug_llvm.h"
#include "codegen/emit.h"
#include "codegen/llvm_builder.h"
#include "codegen/llvm_module.h"
#include "ir/fatal.h"

/* ---- what the target cannot do ---- */

static const char *refuse_type(const Emitter *e, Type t) {
  if (t && t->kind != TYPE_BUFFER && t->kind != TYPE_SHARED && !llvm_type(e, t))
    return arena_printf(e->arena, "%s is in no register: load bytes, and shift", type_text(e->arena, t));
  if (t && (t->kind == TYPE_BUFFER || t->kind == TYPE_SHARED) && !llvm_memory_type(e, t->dtype))
    return arena_printf(e->arena, "%s is not addressable: say u8, and shift", type_text(e->arena, t));
  return NULL;
}

static const char *refuse_node(const void *ctx, const Node *n) {
  const Emitter *e = ctx;
  if (op_is_terminator(n->op) || n->op == OP_for || n->op == OP_when) return NULL;
  if (!llvm_row(n->op)->emit) return "no instruction of a CPU does this";
  for (int i = 0; i < n->n_in; i++) {
    const char *why = refuse_type(e, n->in[i].value->type);
    if (why) return why;
  }
  const char *why = n->n_out ? refuse_type(e, n->out[0]->type) : NULL;
  if (!why && llvm_row(n->op)->refuse) why = llvm_row(n->op)->refuse(e, n);
  return why;
}

/* It is taken from the thread's stack. */
static bool check_workgroup_memory(const EmitCheck *c) {
  int64_t bytes = emit_workgroup_memory(c->func), most = c->target->workgroup_memory;
  return bytes <= most || emit_refuse(c, "%" PRId64 " bytes of workgroup memory: %s has %" PRId64, bytes,
                                      c->target->name, most);
}

static bool check_kernel(const Emitter *e, Diag *d) {
  EmitCheck c = {.emitter = "llvm", .target = e->target, .func = e->func, .diag = d, .refuse = refuse_node, .ctx = e};
  bool good = true;
  for (int i = 0; i < e->func->body->n_args; i++) {
    const char *why = refuse_type(e, e->func->body->arg[i]->type);
    if (why) good = emit_refuse(&c, "%s", why);
  }
  good = check_workgroup_memory(&c) && good;
  return emit_check(&c) && good;
}

/* ---- control ---- */

static void emit_block(Emitter *e, const Block *b);

static LLVMBasicBlockRef new_block(Emitter *e, const char *name) {
  LLVMValueRef f = LLVMGetBasicBlockParent(LLVMGetInsertBlock(e->b));
  return LLVMAppendBasicBlockInContext(e->context, f, name);
}

static void set(Emitter *e, const Value *v, LLVMValueRef to) { e->value[v->number] = to; }
static LLVMValueRef get(const Emitter *e, const Value *v) { return e->value[v->number]; }

static LLVMValueRef phi2(Emitter *e, LLVMValueRef v, LLVMBasicBlockRef from, LLVMValueRef w, LLVMBasicBlockRef other) {
  LLVMValueRef phi = LLVMBuildPhi(e->b, LLVMTypeOf(v), "");
  LLVMAddIncoming(phi, (LLVMValueRef[]){v, w}, (LLVMBasicBlockRef[]){from, other}, 2);
  return phi;
}

/* A loop's metadata is a node that begins with itself. */
static void set_unroll(Emitter *e, LLVMValueRef branch, int64_t unroll) {
  if (unroll == 0) return;
  const char *name = unroll == 1 ? "llvm.loop.unroll.disable" : "llvm.loop.unroll.count";
  LLVMMetadataRef word[2] = {LLVMMDStringInContext2(e->context, name, strlen(name))};
  if (unroll > 1) word[1] = LLVMValueAsMetadata(llvm_int(LLVMInt32TypeInContext(e->context), unroll));
  LLVMMetadataRef self = LLVMTemporaryMDNode(e->context, NULL, 0);
  LLVMMetadataRef loop[] = {self, LLVMMDNodeInContext2(e->context, word, unroll > 1 ? 2 : 1)};
  LLVMMetadataRef node = LLVMMDNodeInContext2(e->context, loop, 2);
  LLVMMetadataReplaceAllUsesWith(self, node);
  unsigned kind = LLVMGetMDKindIDInContext(e->context, "llvm.loop", strlen("llvm.loop"));
  LLVMSetMetadata(branch, kind, LLVMMetadataAsValue(e->context, node));
}

/* if (from < to) do { body } while ((i += step) < to) */
static void emit_for(Emitter *e, const Node *n) {
  const Block *body = n->region[0];
  LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b), loop = new_block(e, "for"), after = new_block(e, "done");
  LLVMValueRef from = llvm_operand(e, n, 0), to = llvm_operand(e, n, 1), step = llvm_operand(e, n, 2);
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, from, to, ""), loop, after);

  LLVMPositionBuilderAtEnd(e->b, loop);
  for (int i = 0; i < body->n_args; i++)
    set(e, body->arg[i],
        LLVMBuildPhi(e->b, llvm_type(e, body->arg[i]->type), body->arg[i]->name ? body->arg[i]->name : ""));
  for (int i = 0; i < body->n_args; i++) debug_value(e, body->arg[i]);
  emit_block(e, body);
  debug_line(e, n->loc);
  const Node *end = block_terminator(body);
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->b), edge[] = {before, latch};
  LLVMValueRef next = LLVMBuildNSWAdd(e->b, get(e, body->arg[0]), step, "");
  LLVMValueRef again = LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, next, to, ""), loop, after);
  set_unroll(e, again, node_int(n, for, unroll));
  LLVMAddIncoming(get(e, body->arg[0]), (LLVMValueRef[]){from, next}, edge, 2);
  for (int i = 0; i < end->n_in; i++)
    LLVMAddIncoming(get(e, body->arg[i + 1]), (LLVMValueRef[]){llvm_operand(e, n, i + 3), llvm_operand(e, end, i)},
                    edge, 2);

  LLVMPositionBuilderAtEnd(e->b, after);
  for (int i = 0; i < n->n_out; i++)
    set(e, n->out[i], phi2(e, llvm_operand(e, n, i + 3), before, llvm_operand(e, end, i), latch));
}

static LLVMBasicBlockRef emit_side(Emitter *e, const Block *b, LLVMBasicBlockRef at, LLVMBasicBlockRef after) {
  LLVMPositionBuilderAtEnd(e->b, at);
  emit_block(e, b);
  LLVMBasicBlockRef last = LLVMGetInsertBlock(e->b);
  LLVMBuildBr(e->b, after);
  return last;
}

static void emit_when(Emitter *e, const Node *n) {
  LLVMBasicBlockRef yes = new_block(e, "when"), no = new_block(e, "else"), after = new_block(e, "end");
  LLVMBuildCondBr(e->b, llvm_operand(e, n, 0), yes, no);
  yes = emit_side(e, n->region[0], yes, after);
  no = emit_side(e, n->region[1], no, after);
  LLVMPositionBuilderAtEnd(e->b, after);
  const Node *a = block_terminator(n->region[0]), *b = block_terminator(n->region[1]);
  for (int i = 0; i < n->n_out; i++) set(e, n->out[i], phi2(e, llvm_operand(e, a, i), yes, llvm_operand(e, b, i), no));
}

static void emit_block(Emitter *e, const Block *b) {
  for (const Node *n = b->first; n; n = n->next) {
    debug_line(e, n->loc);
    if (op_is_terminator(n->op)) break;
    if (n->op == OP_for) {
      emit_for(e, n);
    } else if (n->op == OP_when) {
      emit_when(e, n);
    } else {
      LLVMValueRef v = llvm_row(n->op)->emit(e, n);
      if (n->n_out) set(e, n->out[0], v);
    }
    for (int i = 0; i < n->n_out; i++) debug_value(e, n->out[i]);
  }
}

/* ---- functions ---- */

static void add_text_attribute(Emitter *e, LLVMValueRef f, const char *name, const char *value) {
  LLVMAttributeRef a =
      LLVMCreateStringAttribute(e->context, name, (unsigned)strlen(name), value, (unsigned)strlen(value));
  LLVMAddAttributeAtIndex(f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, a);
}

static void add_attribute(Emitter *e, LLVMValueRef f, LLVMAttributeIndex at, const char *name) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  LLVMAddAttributeAtIndex(f, at, LLVMCreateEnumAttribute(e->context, kind, 0));
}

/* A function for this target's instructions, and an entry block to build in. */
static LLVMValueRef new_function(Emitter *e, const char *name, int n, LLVMTypeRef *param) {
  LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(e->context), param, (unsigned)n, false);
  LLVMValueRef f = LLVMAddFunction(e->module, name, type);
  add_attribute(e, f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, "nounwind");
  add_text_attribute(e, f, "target-cpu", e->target->cpu);
  add_text_attribute(e, f, "target-features", e->target->attributes);
  add_text_attribute(e, f, "prefer-vector-width", arena_printf(e->arena, "%d", e->target->vector_bytes * 8));
  LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->context, f, "entry"));
  return f;
}

enum { PLACES = 6 }; /* the workgroup's place, and the grid's size */

/* The parameters of `k.group`: the kernel's, then the places. */
static int group_params(const Emitter *e, LLVMTypeRef *type) {
  const Block *body = e->func->body;
  for (int i = 0; i < body->n_args; i++) type[i] = llvm_type(e, body->arg[i]->type);
  for (int i = 0; i < PLACES; i++)
    type[body->n_args + i] = LLVMIntTypeInContext(e->context, (unsigned)e->target->index_bits);
  return body->n_args + PLACES;
}

static LLVMValueRef emit_group(Emitter *e, LLVMTypeRef *type, int n) {
  const Block *body = e->func->body;
  LLVMValueRef f = new_function(e, arena_printf(e->arena, "%s.group", e->func->name), n, type);
  LLVMSetLinkage(f, LLVMInternalLinkage);
  add_attribute(e, f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, "noinline");
  add_text_attribute(e, f, "no-builtins", ""); /* loops that copy or clear stay loops on wide vectors: the runtime's memcpy knows no level */
  for (int i = 0; i < body->n_args; i++) {
    LLVMValueRef p = LLVMGetParam(f, (unsigned)i);
    if (body->arg[i]->name) LLVMSetValueName2(p, body->arg[i]->name, strlen(body->arg[i]->name));
    if (body->arg[i]->type->kind == TYPE_BUFFER) add_attribute(e, f, (LLVMAttributeIndex)(i + 1), "noalias");
    set(e, body->arg[i], p);
  }
  for (int i = 0; i < PLACES; i++)
    *(i < 3 ? &e->group[i] : &e->groups[i - 3]) = LLVMGetParam(f, (unsigned)(body->n_args + i));
  debug_function(e, f, e->func->name);
  for (int i = 0; i < body->n_args; i++) debug_value(e, body->arg[i]);
  emit_block(e, body);
  LLVMBuildRetVoid(e->b);
  return f;
}

/* What an lrt_kernel gets: arguments and grid size as arrays. */
static LLVMValueRef load_slot(Emitter *e, LLVMTypeRef type, LLVMValueRef array, int i) {
  LLVMTypeRef slot = LLVMInt64TypeInContext(e->context);
  LLVMValueRef at = llvm_int(slot, i);
  return LLVMBuildLoad2(e->b, type, LLVMBuildInBoundsGEP2(e->b, slot, array, &at, 1, ""), "");
}

/* The arguments of `k.group` but for the workgroup's place; a scalar's low bits come first in its slot. */
static void unpack(Emitter *e, LLVMValueRef f, LLVMValueRef *arg, LLVMValueRef grid[3]) {
  const Block *body = e->func->body;
  LLVMTypeRef index = LLVMIntTypeInContext(e->context, (unsigned)e->target->index_bits);
  for (int i = 0; i < body->n_args; i++) arg[i] = load_slot(e, llvm_type(e, body->arg[i]->type), LLVMGetParam(f, 0), i);
  for (int i = 0; i < 3; i++) {
    LLVMValueRef size = load_slot(e, LLVMInt64TypeInContext(e->context), LLVMGetParam(f, 1), i);
    grid[i] = arg[body->n_args + 3 + i] = LLVMBuildIntCast2(e->b, size, index, true, "");
  }
}

/* g % x, g / x % y, g / x / y */
static void place_of(Emitter *e, LLVMValueRef g, const LLVMValueRef grid[3], LLVMValueRef place[3]) {
  g = LLVMBuildIntCast2(e->b, g, LLVMTypeOf(grid[0]), true, "");
  for (int i = 0; i < 3; i++) {
    place[i] = i < 2 ? LLVMBuildURem(e->b, g, grid[i], "") : g;
    if (i < 2) g = LLVMBuildUDiv(e->b, g, grid[i], "");
  }
}

/* void k(args, grid, begin, end): for (g = begin; g < end; g++) k.group(args.., place of g, grid) */
static void emit_entry(Emitter *e, LLVMValueRef group, int n) {
  LLVMTypeRef ptr = LLVMPointerTypeInContext(e->context, 0), i64 = LLVMInt64TypeInContext(e->context);
  LLVMValueRef f = new_function(e, e->func->name, 4, (LLVMTypeRef[]){ptr, ptr, i64, i64});
  debug_function(e, f, arena_printf(e->arena, "%s.groups", e->func->name));
  LLVMValueRef begin = LLVMGetParam(f, 2), end = LLVMGetParam(f, 3), grid[3];
  LLVMValueRef *arg = ARENA_ARRAY(e->arena, LLVMValueRef, n);
  unpack(e, f, arg, grid);
  LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b), loop = new_block(e, "groups"), after = new_block(e, "done");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, begin, end, ""), loop, after);

  LLVMPositionBuilderAtEnd(e->b, loop);
  LLVMValueRef g = LLVMBuildPhi(e->b, i64, "group");
  place_of(e, g, grid, arg + e->func->body->n_args);
  LLVMBuildCall2(e->b, LLVMGlobalGetValueType(group), group, arg, (unsigned)n, "");
  LLVMValueRef next = LLVMBuildNSWAdd(e->b, g, llvm_int(i64, 1), "");
  LLVMAddIncoming(g, (LLVMValueRef[]){begin, next}, (LLVMBasicBlockRef[]){before, loop}, 2);
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, next, end, ""), loop, after);
  LLVMPositionBuilderAtEnd(e->b, after);
  /* On x86 these are seen in the order of other stores only behind a fence; elsewhere they are stores like others. */
  if (e->streams && strncmp(e->target->system->triple, "x86_64", 6) == 0) llvm_intrinsic(e, "llvm.x86.sse.sfence", NULL, 0, NULL);
  LLVMBuildRetVoid(e->b);
}

static void emit_kernel(Emitter *e) {
  int n_values = emit_number_values(e->func);
  e->value = ARENA_ARRAY(e->arena, LLVMValueRef, n_values);
  LLVMTypeRef *type = ARENA_ARRAY(e->arena, LLVMTypeRef, e->func->body->n_args + PLACES);
  int n = group_params(e, type);
  emit_entry(e, emit_group(e, type, n), n);
}

bool llvm_emit_kernel(LlvmModule *m, const Func *f, Diag *d) {
  ensure(f->level == LEVEL_KERNEL && !m->object);
  Emitter e = {.target = f->target ? f->target : m->target, .func = f, .context = m->context, .module = m->module,
               .debug = m->debug, .arena = arena_new()};
  ensure(e.target->system && e.target->system == m->target->system);
  bool good = check_kernel(&e, d);
  if (good) {
    e.b = LLVMCreateBuilderInContext(m->context);
    emit_kernel(&e);
    LLVMDisposeBuilder(e.b);
  }
  arena_free(e.arena);
  return good;
}

/* ---- modules ---- */

#define ARCHITECTURES(A) A(X86) A(AArch64) A(ARM) A(RISCV) A(WebAssembly)

static LLVMTargetMachineRef new_machine(const Target *t) {
#define INITIALIZE(name) \
  LLVMInitialize##name##TargetInfo(), LLVMInitialize##name##Target(), LLVMInitialize##name##TargetMC(), \
    LLVMInitialize##name##AsmPrinter(), LLVMInitialize##name##AsmParser(); /* to parse: assembly in the runtime of libraries */
  ARCHITECTURES(INITIALIZE)
#undef INITIALIZE
  LLVMTargetRef target;
  ensure(t->kind == TARGET_CPU && !LLVMGetTargetFromTriple(t->system->triple, &target, NULL));
  LLVMTargetMachineOptionsRef o = LLVMCreateTargetMachineOptions();
  LLVMTargetMachineOptionsSetCPU(o, t->cpu);
  LLVMTargetMachineOptionsSetFeatures(o, t->attributes);
  LLVMTargetMachineOptionsSetABI(o, t->system->abi);
  LLVMTargetMachineOptionsSetCodeGenOptLevel(o, LLVMCodeGenLevelAggressive);
  LLVMTargetMachineOptionsSetRelocMode(o, t->system->format == FILE_WASM ? LLVMRelocStatic : LLVMRelocPIC);
  LLVMTargetMachineRef machine = LLVMCreateTargetMachineWithOptions(target, t->system->triple, o);
  LLVMDisposeTargetMachineOptions(o);
  return machine;
}
#undef ARCHITECTURES

/* LLVM's remarks ("loop not unrolled") are nothing that a user could mend; its errors are bugs of ours. */
static void take_diagnostic(LLVMDiagnosticInfoRef info, void *ctx) {
  (void)ctx;
  if (LLVMGetDiagInfoSeverity(info) == LLVMDSError) fatal_bug(__FILE__, __LINE__, LLVMGetDiagInfoDescription(info));
}

LlvmModule *llvm_module_new(const Target *t, const char *name) {
  LlvmModule *m = calloc(1, sizeof *m);
  if (!m) fatal_resource("no memory for a module");
  *m = (LlvmModule){.target = t, .context = LLVMContextCreate(), .machine = new_machine(t)};
  LLVMContextSetDiagnosticHandler(m->context, take_diagnostic, NULL);
  m->module = LLVMModuleCreateWithNameInContext(name, m->context);
  LLVMSetTarget(m->module, t->system->triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(m->machine);
  LLVMSetModuleDataLayout(m->module, layout);
  LLVMDisposeTargetData(layout);
  return m;
}

void llvm_module_free(LlvmModule *m) {
  if (!m) return;
  if (m->object) LLVMDisposeMemoryBuffer(m->object);
  debug_free(m->debug);
  LLVMDisposeModule(m->module);
  LLVMDisposeTargetMachine(m->machine);
  LLVMContextDispose(m->context);
  free(m);
}

void llvm_module_debug(LlvmModule *m, const char *file, const char *producer) {
  m->debug = debug_new(m->module, file, producer);
}

char *llvm_module_text(LlvmModule *m, Arena *a) {
  debug_finish(m->debug);
  char *text = LLVMPrintModuleToString(m->module), *copy = arena_string(a, text, strlen(text));
  LLVMDisposeMessage(text);
  return copy;
}

/* What LLVM finds wrong with what we made is a bug of ours. */
static void must(bool failed, char *message) {
  if (failed) fatal_bug(__FILE__, __LINE__, message);
  LLVMDisposeMessage(message);
}

static void optimise(LlvmModule *m) {
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMErrorRef error = LLVMRunPasses(m->module, "default<O3>", m->machine, options);
  if (error) fatal_bug(__FILE__, __LINE__, LLVMGetErrorMessage(error));
  LLVMDisposePassBuilderOptions(options);
}

static LLVMMemoryBufferRef finish(LlvmModule *m, LLVMCodeGenFileType kind) {
  char *message = NULL;
  LLVMMemoryBufferRef made;
  debug_finish(m->debug);
  bool broken = LLVMVerifyModule(m->module, LLVMReturnStatusAction, &message);
  must(broken, message);
  optimise(m);
  message = NULL;
  if (LLVMTargetMachineEmitToMemoryBuffer(m->machine, m->module, kind, &message, &made)) must(true, message);
  return made;
}

char *llvm_module_assembly(LlvmModule *m, Arena *a) {
  LLVMMemoryBufferRef text = finish(m, LLVMAssemblyFile);
  char *copy = arena_string(a, LLVMGetBufferStart(text), LLVMGetBufferSize(text));
  LLVMDisposeMemoryBuffer(text);
  return copy;
}

void llvm_module_object(LlvmModule *m, const void **bytes, size_t *size) {
  if (!m->object) m->object = finish(m, LLVMObjectFile);
  *bytes = LLVMGetBufferStart(m->object);
  *size = LLVMGetBufferSize(m->object);
}
