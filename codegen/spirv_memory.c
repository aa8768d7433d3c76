/* spirv_memory.c -- loads and stores.
 *
 * A storage buffer is an array of units. An access takes the largest unit that its alignment allows and that divides its
 * size, and converts between units and elements in registers; a buffer that is accessed in several units is declared
 * several times at one binding, since this addressing model has no pointer casts. Workgroup memory is an array of
 * registers, an element each: narrow elements take 32 bits there. */
#include "codegen/spirv_builder.h"
#include "ir/fatal.h"

typedef struct Access {
  SpirvMemory *memory;
  int unit;  /* log2 of its bytes */
  int units; /* how many */
  Id first;  /* number of the first in the buffer */
} Access;

static SpirvMemory *memory_of(SpirvEmitter *e, const Node *n) { return &e->memory[n->in[0].value->number]; }

/* ---- buffers ---- */

static int log2_of(int64_t power_of_two) { return __builtin_ctzll((unsigned long long)power_of_two); }

static int least(int a, int b) { return a < b ? a : b; }

/* log2 of the unit for `bytes` at an alignment. */
static int unit_for(int64_t bytes, int64_t align) {
  return least(SPIRV_UNITS - 1, least(log2_of(bytes), log2_of(align)));
}

static Id unit_type(SpirvEmitter *e, int unit) {
  if (unit < 2) return spirv_type_uint(e->w, 8 << unit);
  return spirv_uints(e, 1 << (unit - 2));
}

/* Narrow units need a capability, which Vulkan 1.2 devices have almost all; arithmetic on them would need another. */
static void need_unit(SpirvEmitter *e, int unit) {
  if (unit == 0) spirv_capability(e->w, CAPABILITY_StorageBuffer8BitAccess);
  if (unit == 1) spirv_capability(e->w, CAPABILITY_StorageBuffer16BitAccess);
}

static Id declare(SpirvEmitter *e, const SpirvMemory *m, int unit) {
  need_unit(e, unit);
  if (!e->block[unit]) e->block[unit] = spirv_block_array(e->w, unit_type(e, unit), 1u << unit);
  Id v = spirv_variable(e->w, STORAGE_Buffer, e->block[unit]);
  spirv_decorate(e->w, v, DECORATION_DescriptorSet, spirv_words(0));
  spirv_decorate(e->w, v, DECORATION_Binding, spirv_words(m->binding));
  if (!m->written) spirv_decorate(e->w, v, DECORATION_NonWritable, 0, NULL);
  /* Only then does a barrier make one invocation's writes the others' to read. */
  if (m->written && m->read && e->meets) spirv_decorate(e->w, v, DECORATION_Coherent, 0, NULL);
  return v;
}

/* index elements of `own` bytes = so many units, plus k */
static Id unit_index(SpirvEmitter *e, Id index, int own, int unit) {
  int by = own - unit;
  if (by == 0) return index;
  SpirvOp op = by > 0 ? SPIRV_ShiftLeftLogical : SPIRV_ShiftRightLogical;
  return spirv_op2(e, op, spirv_uints(e, 1), index, spirv_uint(e->w, (uint32_t)(by > 0 ? by : -by)));
}

static Access access(SpirvEmitter *e, const Node *n, Type t, int64_t align) {
  int own = log2_of(dtype_bits(n->in[0].value->type->dtype) / 8);
  int64_t bytes = t->lanes * spirv_bits(t->dtype) / 8;
  int unit = unit_for(bytes, align ? align : 1 << own);
  SpirvMemory *m = memory_of(e, n);
  if (!m->variable[unit]) m->variable[unit] = declare(e, m, unit);
  return (Access){m, unit, (int)(bytes >> unit), unit_index(e, spirv_operand(e, n, 1), own, unit)};
}

static Id unit_pointer(SpirvEmitter *e, const Access *a, int k) {
  Id uint = spirv_uints(e, 1), zero = spirv_uint(e->w, 0);
  Id at = k ? spirv_op2(e, SPIRV_IAdd, uint, a->first, spirv_uint(e->w, (uint32_t)k)) : a->first;
  Id type = spirv_type_pointer(e->w, STORAGE_Buffer, unit_type(e, a->unit));
  return spirv_op3(e, SPIRV_AccessChain, type, a->memory->variable[a->unit], zero, at);
}

/* Unit k, narrower than a word, into its place among the words. */
static void gather_narrow(SpirvEmitter *e, Id unit, int k, int log2, Id *word) {
  Id uint = spirv_uints(e, 1), v = spirv_op1(e, SPIRV_UConvert, uint, unit);
  int at = k << log2;
  if (at % 4) v = spirv_op2(e, SPIRV_ShiftLeftLogical, uint, v, spirv_uint(e->w, (uint32_t)(8 * (at % 4))));
  word[at / 4] = word[at / 4] ? spirv_op2(e, SPIRV_BitwiseOr, uint, word[at / 4], v) : v;
}

static void gather_wide(SpirvEmitter *e, Id unit, int k, int log2, Id *word) {
  int words = 1 << (log2 - 2);
  if (words == 1) {
    word[k] = unit;
    return;
  }
  for (int i = 0; i < words; i++)
    word[k * words + i] = spirv_value(e->w, SPIRV_CompositeExtract, spirv_uints(e, 1), spirv_words(unit, (uint32_t)i));
}

/* One unit is the value, but for the type of its lanes. */
static bool is_unit(const Access *a, Type t) {
  return a->units == 1 && spirv_bits(t->dtype) == 32 && (t->lanes == 1 || t->lanes == 2 || t->lanes == 4);
}

static Id load_buffer(SpirvEmitter *e, const Node *n) {
  Type t = n->out[0]->type;
  Access a = access(e, n, t, node_int(n, load, align));
  Id word[SPIRV_LANES] = {0};
  for (int k = 0; k < a.units; k++) {
    Id unit = spirv_op1(e, SPIRV_Load, unit_type(e, a.unit), unit_pointer(e, &a, k));
    if (is_unit(&a, t))
      return spirv_class(t->dtype) == SPIRV_FLOAT ? spirv_op1(e, SPIRV_Bitcast, spirv_type(e, t), unit) : unit;
    (a.unit < 2 ? gather_narrow : gather_wide)(e, unit, k, a.unit, word);
  }
  return spirv_from_words(e, word, t);
}

/* Unit k of the words. */
static Id unit_of_words(SpirvEmitter *e, const Access *a, const Id *word, int k) {
  if (a->unit >= 2) {
    int words = 1 << (a->unit - 2);
    return spirv_join(e, unit_type(e, a->unit), words, word + k * words);
  }
  int at = k << a->unit;
  Id v = word[at / 4];
  if (at % 4)
    v = spirv_op2(e, SPIRV_ShiftRightLogical, spirv_uints(e, 1), v, spirv_uint(e->w, (uint32_t)(8 * (at % 4))));
  return spirv_op1(e, SPIRV_UConvert, unit_type(e, a->unit), v);
}

static void put(SpirvEmitter *e, Id pointer, Id v) {
  spirv_put(e->w, SECTION_CODE, SPIRV_Store, spirv_words(pointer, v));
}

static void store_buffer(SpirvEmitter *e, const Node *n) {
  Type t = n->in[2].value->type;
  Id v = spirv_operand(e, n, 2), word[SPIRV_LANES];
  Access a = access(e, n, t, node_int(n, store, align));
  if (is_unit(&a, t)) {
    bool is_float = spirv_class(t->dtype) == SPIRV_FLOAT;
    put(e, unit_pointer(e, &a, 0), is_float ? spirv_op1(e, SPIRV_Bitcast, spirv_uints(e, t->lanes), v) : v);
    return;
  }
  spirv_to_words(e, v, t, word);
  for (int k = 0; k < a.units; k++) put(e, unit_pointer(e, &a, k), unit_of_words(e, &a, word, k));
}

/* ---- workgroup memory ---- */

static Id shared_pointer(SpirvEmitter *e, const Node *n, int64_t k) {
  Dtype t = n->in[0].value->type->dtype;
  Id at = spirv_operand(e, n, 1), type = spirv_type_pointer(e->w, STORAGE_Workgroup, spirv_register(e, t, 1));
  if (k) at = spirv_op2(e, SPIRV_IAdd, spirv_uints(e, 1), at, spirv_uint(e->w, (uint32_t)k));
  return spirv_op2(e, SPIRV_AccessChain, type, memory_of(e, n)->variable[0], at);
}

static Id load_shared(SpirvEmitter *e, const Node *n) {
  Type t = n->out[0]->type;
  Id lane[SPIRV_LANES], type = spirv_register(e, t->dtype, 1);
  for (int64_t i = 0; i < t->lanes; i++) lane[i] = spirv_op1(e, SPIRV_Load, type, shared_pointer(e, n, i));
  return spirv_join(e, spirv_type(e, t), (int)t->lanes, lane);
}

static void store_shared(SpirvEmitter *e, const Node *n) {
  Type t = n->in[2].value->type;
  Id v = spirv_operand(e, n, 2);
  for (int64_t i = 0; i < t->lanes; i++) put(e, shared_pointer(e, n, i), spirv_slice(e, v, t, i, 1));
}

/* ---- both ---- */

static bool is_shared(const Node *n) { return n->in[0].value->type->kind == TYPE_SHARED; }

Id spirv_load(SpirvEmitter *e, const Node *n) { return is_shared(n) ? load_shared(e, n) : load_buffer(e, n); }

Id spirv_store(SpirvEmitter *e, const Node *n) {
  (is_shared(n) ? store_shared : store_buffer)(e, n);
  return 0;
}
