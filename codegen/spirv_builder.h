/* spirv_builder.h -- types and values of a kernel in SPIR-V's terms: what its emitter and its table of ops share.
 *
 * Registers of the baseline have 32 bits: an f32 is a float, a bool a boolean, and everything else an unsigned integer
 * that is kept in its type's range (u8 and the bits of f16 zero-extended, i8 sign-extended). So no device needs 8- or
 * 16-bit arithmetic. Signedness is in the ops, not in the types. */
#ifndef LATHE_SPIRV_BUILDER_H
#define LATHE_SPIRV_BUILDER_H

#include "codegen/spirv_writer.h"
#include "ir/ir.h"
#include "ir/target.h"

enum { SPIRV_LANES = 4, SPIRV_LOCATION = 4 };

/* What storage buffers are read and written in: 1, 2, 4, 8 or 16 bytes at once. */
enum { SPIRV_UNITS = 5 };

/* Memory that a kernel names. A buffer is declared once for each size of unit in which it is accessed, all at one
 * binding; workgroup memory is an array of registers. */
typedef struct SpirvMemory {
  bool read, written;
  uint32_t binding;
  Id variable[SPIRV_UNITS];
} SpirvMemory;

typedef struct SpirvEmitter {
  const Target *target;
  const Func *func;
  Arena *arena;
  SpirvWriter *w;
  Id *value;             /* by Value.number */
  SpirvMemory *memory;   /* by Value.number, of those that are memory */
  Id block[SPIRV_UNITS]; /* types of buffers */
  Id place[3];           /* group_id, local_id, groups: built-in variables */
  bool meets;            /* it has a barrier */
  Id label;              /* of the block that is being written */
} SpirvEmitter;

typedef struct SpirvRow {
  Id (*emit)(SpirvEmitter *, const Node *); /* the result, if the op has one */
  /* Why the target cannot, or NULL; no function: it always can. */
  const char *(*refuse)(const SpirvEmitter *, const Node *);
} SpirvRow;

/* The row of an op that neither controls nor ends a block; without `emit` where the target has nothing like it. */
const SpirvRow *spirv_row(Op op);

/* ---- types ---- */

/* What a register computes with: nothing of halves and narrower floats but their bits. */
typedef enum SpirvClass { SPIRV_FLOAT, SPIRV_SIGNED, SPIRV_UNSIGNED, SPIRV_BOOL, SPIRV_BITS, SPIRV_WIDE } SpirvClass;
SpirvClass spirv_class(Dtype t);
static inline int spirv_bits(Dtype t) { return t == DT_index ? 32 : dtype_bits(t); }

Id spirv_register(SpirvEmitter *e, Dtype t, int64_t lanes);
Id spirv_type(SpirvEmitter *e, Type t);
Id spirv_uints(SpirvEmitter *e, int64_t lanes);
Id spirv_floats(SpirvEmitter *e, int64_t lanes);
Id spirv_bools(SpirvEmitter *e, int64_t lanes);

/* ---- values ---- */

Id spirv_operand(const SpirvEmitter *e, const Node *n, int i);
/* One number in every lane: an integer, and a float by its bits. */
Id spirv_number(SpirvEmitter *e, uint32_t v, int64_t lanes);
Id spirv_real(SpirvEmitter *e, uint32_t bits, int64_t lanes);

/* op(x..) of a type. */
Id spirv_op1(SpirvEmitter *e, SpirvOp op, Id type, Id x);
Id spirv_op2(SpirvEmitter *e, SpirvOp op, Id type, Id x, Id y);
Id spirv_op3(SpirvEmitter *e, SpirvOp op, Id type, Id x, Id y, Id z);
Id spirv_exact(SpirvEmitter *e, Id v); /* v, whose rounding no driver may leave out; returns it */

/* An integer, brought back into its type's range. */
Id spirv_wrap(SpirvEmitter *e, Id v, Dtype t, int64_t lanes);

/* ---- vectors ---- */

Id spirv_slice(SpirvEmitter *e, Id v, Type t, int64_t from, int64_t lanes);
Id spirv_join(SpirvEmitter *e, Id type, int n, const Id *part);

/* Elements as they lie in memory, in words of 32 bits, and back. Returns how many words. */
int spirv_to_words(SpirvEmitter *e, Id v, Type t, Id word[SPIRV_LANES]);
Id spirv_from_words(SpirvEmitter *e, const Id *word, Type t);

/* ---- memory ---- */

Id spirv_load(SpirvEmitter *e, const Node *n);
Id spirv_store(SpirvEmitter *e, const Node *n);

#endif
