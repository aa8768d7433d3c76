/* debug_llvm.c -- debug information: which line of the IR's text code comes from, and where its values are.
 *
 * The text is the dump that `lathe build -g` writes beside the program, and its nodes say their lines. A kernel becomes a
 * function of its name, its buffers are pointers to elements, and its values are variables. */
#include "codegen/debug_llvm.h"

#include <llvm-c/DebugInfo.h>
#include <stdlib.h>
#include <string.h>

#include "ir/fatal.h"

struct LlvmDebug {
  LLVMDIBuilderRef builder;
  LLVMContextRef context;
  LLVMMetadataRef file, no_path;
};

#define TEXT(s) (s), strlen(s)

/* ---- a module ---- */

static void set_flag(LLVMModuleRef m, const char *name, unsigned value) {
  LLVMValueRef v = LLVMConstInt(LLVMInt32TypeInContext(LLVMGetModuleContext(m)), value, false);
  LLVMAddModuleFlag(m, LLVMModuleFlagBehaviorWarning, TEXT(name), LLVMValueAsMetadata(v));
}

/* The folder is the one that the debugger is in, or that it is told: so the same model gives the same bytes anywhere. */
LlvmDebug *debug_new(LLVMModuleRef m, const char *file, const char *producer) {
  LlvmDebug *d = calloc(1, sizeof *d);
  if (!d) fatal_resource("no memory for debug information");
  d->context = LLVMGetModuleContext(m);
  d->builder = LLVMCreateDIBuilder(m);
  d->file = LLVMDIBuilderCreateFile(d->builder, TEXT(file), TEXT("."));
  LLVMDIBuilderCreateCompileUnit(d->builder, LLVMDWARFSourceLanguageC, d->file, TEXT(producer), true, TEXT(""), 0, TEXT(""),
                                 LLVMDWARFEmissionFull, 0, false, false, TEXT(""), TEXT(""));
  d->no_path = LLVMDIBuilderCreateExpression(d->builder, NULL, 0);
  set_flag(m, "Debug Info Version", LLVMDebugMetadataVersion());
  set_flag(m, "Dwarf Version", 4); /* the index of names in 5 lacks types that LLVM 19 makes for its own conversions */
  return d;
}

void debug_finish(LlvmDebug *d) {
  if (!d || !d->builder) return;
  LLVMDIBuilderFinalize(d->builder);
  LLVMDisposeDIBuilder(d->builder);
  d->builder = NULL;
}

void debug_free(LlvmDebug *d) {
  debug_finish(d);
  free(d);
}

/* ---- types ---- */

enum { DWARF_BOOLEAN = 2, DWARF_FLOAT = 4, DWARF_SIGNED = 5, DWARF_UNSIGNED = 7 };

/* Halves are carried as their bits, which no debugger would read as floats. */
static unsigned encoding(Dtype t) {
  switch (dtype_info(t)->cls) {
  case DTC_BOOL: return DWARF_BOOLEAN;
  case DTC_FLOAT: return dtype_bits(t) >= 32 ? DWARF_FLOAT : DWARF_UNSIGNED;
  case DTC_INT:
  case DTC_INDEX: return DWARF_SIGNED;
  default: return DWARF_UNSIGNED;
  }
}

static LLVMMetadataRef element_type(const Emitter *e, Dtype t) {
  unsigned bits = t == DT_index ? (unsigned)e->target->index_bits : (unsigned)dtype_bits(t);
  return LLVMDIBuilderCreateBasicType(e->debug->builder, TEXT(dtype_name(t)), bits < 8 ? 8 : bits, encoding(t), LLVMDIFlagZero);
}

static LLVMMetadataRef value_type(const Emitter *e, Type t) {
  LLVMDIBuilderRef b = e->debug->builder;
  LLVMMetadataRef element = element_type(e, t->dtype);
  if (t->kind == TYPE_BUFFER) return LLVMDIBuilderCreatePointerType(b, element, (uint64_t)e->target->index_bits, 0, 0, TEXT(""));
  if (t->lanes == 1) return element;
  LLVMMetadataRef lanes = LLVMDIBuilderGetOrCreateSubrange(b, 0, t->lanes);
  return LLVMDIBuilderCreateVectorType(b, (uint64_t)(t->lanes * dtype_bits(t->dtype)), 0, element, &lanes, 1);
}

/* ---- functions ---- */

/* Without the symbol's name, which gdb would take for the function's. */
void debug_function(Emitter *e, LLVMValueRef f, const char *name) {
  if (!e->debug) return;
  LLVMDIBuilderRef b = e->debug->builder;
  unsigned line = (unsigned)e->func->loc.line;
  LLVMMetadataRef no_types[] = {NULL};
  LLVMMetadataRef type = LLVMDIBuilderCreateSubroutineType(b, e->debug->file, no_types, 1, LLVMDIFlagZero);
  e->scope = LLVMDIBuilderCreateFunction(b, e->debug->file, TEXT(name), TEXT(""), e->debug->file, line, type, true, true, line,
                                         LLVMDIFlagZero, true);
  LLVMSetSubprogram(f, e->scope);
  debug_line(e, e->func->loc);
}

static LLVMMetadataRef location(const Emitter *e, Loc loc) {
  return LLVMDIBuilderCreateDebugLocation(e->context, (unsigned)loc.line, 0, e->scope, NULL);
}

void debug_line(Emitter *e, Loc loc) {
  if (e->debug) LLVMSetCurrentDebugLocation2(e->b, location(e, loc));
}

/* Not a constant, which its line shows, nor what no register has as the type says: a mask, or a workgroup's memory. */
static bool can_show(const Emitter *e, const Value *v) {
  LLVMValueRef at = e->value[v->number];
  return at && v->type->kind != TYPE_SHARED && !(v->type->dtype == DT_bool && v->type->lanes > 1) && !LLVMIsConstant(at);
}

void debug_value(Emitter *e, const Value *v) {
  if (!e->debug || !can_show(e, v)) return;
  LLVMDIBuilderRef b = e->debug->builder;
  const Func *f = e->func;
  const char *name = v->name ? v->name : arena_printf(e->arena, "v%d", v->number);
  unsigned argument = !v->def && v->block == f->body ? (unsigned)v->index + 1 : 0;
  Loc loc = v->def ? v->def->loc : v->block->parent ? v->block->parent->loc : f->loc;
  LLVMMetadataRef type = value_type(e, v->type), file = e->debug->file;
  LLVMMetadataRef variable =
    argument ? LLVMDIBuilderCreateParameterVariable(b, e->scope, TEXT(name), argument, file, (unsigned)loc.line, type, false, 0)
             : LLVMDIBuilderCreateAutoVariable(b, e->scope, TEXT(name), file, (unsigned)loc.line, type, false, 0, 0);
  LLVMDIBuilderInsertDbgValueRecordAtEnd(b, e->value[v->number], variable, e->debug->no_path, location(e, loc),
                                         LLVMGetInsertBlock(e->b));
}
