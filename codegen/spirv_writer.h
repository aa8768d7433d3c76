/* spirv_writer.h -- writes SPIR-V 1.5 modules word by word.
 *
 * Instructions go to the section where the format wants them, so a type, a constant or a variable can be asked for in
 * the middle of a function. Types and constants are written once. The writer knows the format and nothing of kernels. */
#ifndef LATHE_SPIRV_WRITER_H
#define LATHE_SPIRV_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/arena.h"

typedef enum SpirvOp {
#define OPCODE(name, number) SPIRV_##name = number,
#define GLSL(name, number)
#include "codegen/spirv_opcodes.def"
#undef OPCODE
#undef GLSL
} SpirvOp;

typedef enum SpirvGlsl {
#define OPCODE(name, number)
#define GLSL(name, number) GLSL_##name = number,
#include "codegen/spirv_opcodes.def"
#undef OPCODE
#undef GLSL
} SpirvGlsl;

// clang-format off
typedef enum SpirvCapability {
  CAPABILITY_Shader                      =    1,
  CAPABILITY_StorageBuffer16BitAccess    = 4433,
  CAPABILITY_StorageBuffer8BitAccess     = 4448,
  CAPABILITY_DotProductInput4x8BitPacked = 6018,
  CAPABILITY_DotProduct                  = 6019,
} SpirvCapability;

typedef enum SpirvStorage {
  STORAGE_Input = 1, STORAGE_Workgroup = 4, STORAGE_PushConstant = 9, STORAGE_Buffer = 12,
} SpirvStorage;

typedef enum SpirvDecoration {
  DECORATION_Block       =  2, DECORATION_ArrayStride = 6,  DECORATION_BuiltIn       = 11, DECORATION_Restrict = 19,
  DECORATION_Aliased     = 20, DECORATION_Coherent    = 23, DECORATION_NonWritable   = 24, DECORATION_Binding  = 33,
  DECORATION_DescriptorSet = 34, DECORATION_Offset    = 35, DECORATION_NoContraction = 42,
} SpirvDecoration;

typedef enum SpirvBuiltIn {
  BUILTIN_NumWorkgroups = 24, BUILTIN_WorkgroupId = 26, BUILTIN_LocalInvocationId = 27,
} SpirvBuiltIn;

/* Where an instruction stands, in the format's order. */
typedef enum SpirvSection {
  SECTION_CAPABILITY, SECTION_EXTENSION, SECTION_IMPORT, SECTION_MEMORY_MODEL, SECTION_ENTRY, SECTION_MODE,
  SECTION_STRING, SECTION_NAME, SECTION_DECORATION, SECTION_GLOBAL, SECTION_CODE, SECTION_count
} SpirvSection;
// clang-format on

typedef uint32_t Id; /* 0: none */
typedef struct SpirvWriter SpirvWriter;

SpirvWriter *spirv_writer_new(Arena *a);
Id spirv_id(SpirvWriter *w);
Id spirv_newest_id(const SpirvWriter *w);

/* An instruction as it is: its operands, any result among them. */
void spirv_put(SpirvWriter *w, SpirvSection s, SpirvOp op, int n, const uint32_t *word);
// clang-format off
#define spirv_words(...) (int)(sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)), (uint32_t[]){__VA_ARGS__}
// clang-format on

/* One that gives a value, in the code: spirv_value(w, SPIRV_IAdd, t, spirv_words(a, b)). */
Id spirv_value(SpirvWriter *w, SpirvOp op, Id type, int n, const uint32_t *word);
Id spirv_glsl(SpirvWriter *w, SpirvGlsl op, Id type, int n, const uint32_t *arg);

/* A place in the code, and its word written anew: of a phi, whose last operands come into being after it. */
size_t spirv_here(const SpirvWriter *w);
void spirv_patch(SpirvWriter *w, size_t at, uint32_t word);

/* ---- the module ---- */

void spirv_capability(SpirvWriter *w, SpirvCapability c); /* once, however often it is asked for */
void spirv_extension(SpirvWriter *w, const char *name); /* likewise */
void spirv_name(SpirvWriter *w, Id id, const char *name);
Id spirv_string(SpirvWriter *w, const char *s); /* once for each */
void spirv_decorate(SpirvWriter *w, Id id, SpirvDecoration d, int n, const uint32_t *word);
void spirv_decorate_member(SpirvWriter *w, Id id, uint32_t member, SpirvDecoration d, uint32_t word);

/* ---- types and constants: equal ones are one ---- */

Id spirv_type_void(SpirvWriter *w);
Id spirv_type_bool(SpirvWriter *w);
Id spirv_type_uint(SpirvWriter *w, int bits);
Id spirv_type_float(SpirvWriter *w, int bits);
Id spirv_type_vector(SpirvWriter *w, Id element, int lanes); /* one lane: the element */
Id spirv_type_pointer(SpirvWriter *w, SpirvStorage s, Id to);
Id spirv_type_array(SpirvWriter *w, Id element, uint32_t n);
Id spirv_type_function(SpirvWriter *w, Id result); /* without arguments */
Id spirv_constant(SpirvWriter *w, Id type, uint32_t bits);
Id spirv_constant_bool(SpirvWriter *w, bool v);
Id spirv_constant_vector(SpirvWriter *w, Id type, int n, const Id *part);
Id spirv_uint(SpirvWriter *w, uint32_t v);

/* { element[] } as a storage buffer has it, `stride` bytes an element: a new type at each call. */
Id spirv_block_array(SpirvWriter *w, Id element, uint32_t stride);
/* { a uint, n times } as push constants have it: a new type at each call. */
Id spirv_block_uints(SpirvWriter *w, int n);

/* A variable of the module, which its entry point names. */
Id spirv_variable(SpirvWriter *w, SpirvStorage s, Id type);

/* Ends the module: `main` runs `function` in workgroups of this size. The words are the arena's. */
const uint32_t *spirv_finish(SpirvWriter *w, Id function, const int64_t local[3], size_t *n_words);

#endif
