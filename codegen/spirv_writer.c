/* spirv_writer.c -- writes SPIR-V 1.5 modules word by word. */
#include "codegen/spirv_writer.h"

#include "ir/fatal.h"

// clang-format off
enum {
  MAGIC = 0x07230203, VERSION_1_5 = 0x00010500, GENERATOR = 0, HEADER_WORDS = 5,
  MAX_OPERANDS = 0xfffe, MAX_STRING_WORDS = 64,
  ADDRESSING_LOGICAL = 0, MEMORY_GLSL450 = 1, MODEL_GLCOMPUTE = 5, MODE_LOCAL_SIZE = 17,
};
// clang-format on

typedef VEC(uint32_t) Words;

struct SpirvWriter {
  Arena *arena;
  Id last;
  Id glsl; /* the imported set; 0 until it is used */
  Words section[SECTION_count];
  Words interface; /* the module's variables */
};

SpirvWriter *spirv_writer_new(Arena *a) {
  SpirvWriter *w = ARENA_NEW(a, SpirvWriter);
  w->arena = a;
  spirv_capability(w, CAPABILITY_Shader);
  spirv_put(w, SECTION_MEMORY_MODEL, SPIRV_MemoryModel, spirv_words(ADDRESSING_LOGICAL, MEMORY_GLSL450));
  return w;
}

Id spirv_id(SpirvWriter *w) { return ++w->last; }
Id spirv_newest_id(const SpirvWriter *w) { return w->last; }

static uint32_t first_word(SpirvOp op, int n_operands) {
  ensure(n_operands >= 0 && n_operands <= MAX_OPERANDS);
  return (uint32_t)(n_operands + 1) << 16 | (uint32_t)op;
}

static void append(SpirvWriter *w, Words *to, int n, const uint32_t *word) {
  for (int i = 0; i < n; i++) vec_push(w->arena, to, word[i]);
}

void spirv_put(SpirvWriter *w, SpirvSection s, SpirvOp op, int n, const uint32_t *word) {
  vec_push(w->arena, &w->section[s], first_word(op, n));
  append(w, &w->section[s], n, word);
}

/* An instruction whose operands are `head` words, then `n` more. */
static void put_long(SpirvWriter *w, SpirvSection s, SpirvOp op, int head, const uint32_t *at, int n,
                     const uint32_t *more) {
  vec_push(w->arena, &w->section[s], first_word(op, head + n));
  append(w, &w->section[s], head, at);
  append(w, &w->section[s], n, more);
}

Id spirv_value(SpirvWriter *w, SpirvOp op, Id type, int n, const uint32_t *word) {
  Id id = spirv_id(w);
  put_long(w, SECTION_CODE, op, spirv_words(type, id), n, word);
  return id;
}

/* Text as words: little-endian, with a zero at the end; what is too long is cut. */
static int text_words(const char *s, uint32_t word[MAX_STRING_WORDS]) {
  size_t n = strlen(s), most = MAX_STRING_WORDS * sizeof(uint32_t) - 1;
  if (n > most) n = most;
  memset(word, 0, MAX_STRING_WORDS * sizeof(uint32_t));
  for (size_t i = 0; i < n; i++) word[i / 4] |= (uint32_t)(unsigned char)s[i] << 8 * (i % 4);
  return (int)(n / 4 + 1);
}

Id spirv_glsl(SpirvWriter *w, SpirvGlsl op, Id type, int n, const uint32_t *arg) {
  uint32_t text[MAX_STRING_WORDS];
  if (!w->glsl) {
    w->glsl = spirv_id(w);
    put_long(w, SECTION_IMPORT, SPIRV_ExtInstImport, 1, &w->glsl, text_words("GLSL.std.450", text), text);
  }
  Id id = spirv_id(w);
  put_long(w, SECTION_CODE, SPIRV_ExtInst, spirv_words(type, id, w->glsl, (uint32_t)op), n, arg);
  return id;
}

size_t spirv_here(const SpirvWriter *w) { return (size_t)w->section[SECTION_CODE].n; }
void spirv_patch(SpirvWriter *w, size_t at, uint32_t word) { w->section[SECTION_CODE].at[at] = word; }

/* ---- finding what is there ---- */

/* The instruction of a section whose operands, but for the one at `hole`, are these; its operands, or NULL. A kernel
 * has some dozens of types and constants, so looking through them is fast enough. */
static const uint32_t *find(const SpirvWriter *w, SpirvSection s, SpirvOp op, int hole, int n, const uint32_t *word) {
  const Words *in = &w->section[s];
  for (int at = 0; at < in->n; at += (int)(in->at[at] >> 16)) {
    const uint32_t *operand = in->at + at + 1;
    if (in->at[at] != first_word(op, n + 1) || memcmp(operand, word, (size_t)hole * sizeof *word) != 0) continue;
    if (memcmp(operand + hole + 1, word + hole, (size_t)(n - hole) * sizeof *word) == 0) return operand;
  }
  return NULL;
}

/* An instruction that gives an id as operand `hole`, written once. */
static Id unique(SpirvWriter *w, SpirvSection s, SpirvOp op, int hole, int n, const uint32_t *word) {
  const uint32_t *there = find(w, s, op, hole, n, word);
  if (there) return there[hole];
  Id id = spirv_id(w);
  vec_push(w->arena, &w->section[s], first_word(op, n + 1));
  append(w, &w->section[s], hole, word);
  vec_push(w->arena, &w->section[s], id);
  append(w, &w->section[s], n - hole, word + hole);
  return id;
}

static Id unique_type(SpirvWriter *w, SpirvOp op, int n, const uint32_t *word) {
  return unique(w, SECTION_GLOBAL, op, 0, n, word);
}

static Id unique_constant(SpirvWriter *w, SpirvOp op, int n, const uint32_t *word) {
  return unique(w, SECTION_GLOBAL, op, 1, n, word);
}

/* ---- the module ---- */

void spirv_capability(SpirvWriter *w, SpirvCapability c) {
  const Words *in = &w->section[SECTION_CAPABILITY];
  for (int i = 0; i < in->n; i += 2)
    if (in->at[i + 1] == (uint32_t)c) return;
  spirv_put(w, SECTION_CAPABILITY, SPIRV_Capability, spirv_words((uint32_t)c));
}

void spirv_extension(SpirvWriter *w, const char *name) {
  uint32_t text[MAX_STRING_WORDS];
  int n = text_words(name, text);
  const Words *in = &w->section[SECTION_EXTENSION];
  for (int at = 0; at < in->n; at += (int)(in->at[at] >> 16))
    if (in->at[at] == first_word(SPIRV_Extension, n) && memcmp(in->at + at + 1, text, (size_t)n * sizeof *text) == 0)
      return;
  spirv_put(w, SECTION_EXTENSION, SPIRV_Extension, n, text);
}

void spirv_name(SpirvWriter *w, Id id, const char *name) {
  uint32_t text[MAX_STRING_WORDS];
  put_long(w, SECTION_NAME, SPIRV_Name, 1, &id, text_words(name, text), text);
}

Id spirv_string(SpirvWriter *w, const char *s) {
  uint32_t text[MAX_STRING_WORDS];
  return unique(w, SECTION_STRING, SPIRV_String, 0, text_words(s, text), text);
}

void spirv_decorate(SpirvWriter *w, Id id, SpirvDecoration d, int n, const uint32_t *word) {
  put_long(w, SECTION_DECORATION, SPIRV_Decorate, spirv_words(id, (uint32_t)d), n, word);
}

void spirv_decorate_member(SpirvWriter *w, Id id, uint32_t member, SpirvDecoration d, uint32_t word) {
  spirv_put(w, SECTION_DECORATION, SPIRV_MemberDecorate, spirv_words(id, member, (uint32_t)d, word));
}

/* ---- types and constants ---- */

Id spirv_type_void(SpirvWriter *w) { return unique_type(w, SPIRV_TypeVoid, 0, (uint32_t[]){0}); }
Id spirv_type_bool(SpirvWriter *w) { return unique_type(w, SPIRV_TypeBool, 0, (uint32_t[]){0}); }
Id spirv_type_uint(SpirvWriter *w, int bits) { return unique_type(w, SPIRV_TypeInt, spirv_words((uint32_t)bits, 0)); }
Id spirv_type_float(SpirvWriter *w, int bits) { return unique_type(w, SPIRV_TypeFloat, spirv_words((uint32_t)bits)); }

Id spirv_type_vector(SpirvWriter *w, Id element, int lanes) {
  return lanes == 1 ? element : unique_type(w, SPIRV_TypeVector, spirv_words(element, (uint32_t)lanes));
}

Id spirv_type_pointer(SpirvWriter *w, SpirvStorage s, Id to) {
  return unique_type(w, SPIRV_TypePointer, spirv_words((uint32_t)s, to));
}

Id spirv_type_array(SpirvWriter *w, Id element, uint32_t n) {
  return unique_type(w, SPIRV_TypeArray, spirv_words(element, spirv_uint(w, n)));
}

Id spirv_type_function(SpirvWriter *w, Id result) { return unique_type(w, SPIRV_TypeFunction, spirv_words(result)); }

Id spirv_constant(SpirvWriter *w, Id type, uint32_t bits) {
  return unique_constant(w, SPIRV_Constant, spirv_words(type, bits));
}

Id spirv_constant_bool(SpirvWriter *w, bool v) {
  return unique_constant(w, v ? SPIRV_ConstantTrue : SPIRV_ConstantFalse, spirv_words(spirv_type_bool(w)));
}

Id spirv_constant_vector(SpirvWriter *w, Id type, int n, const Id *part) {
  uint32_t word[1 + 4] = {type};
  ensure(n <= 4);
  for (int i = 0; i < n; i++) word[1 + i] = part[i];
  return unique_constant(w, SPIRV_ConstantComposite, 1 + n, word);
}

Id spirv_uint(SpirvWriter *w, uint32_t v) { return spirv_constant(w, spirv_type_uint(w, 32), v); }

Id spirv_block_array(SpirvWriter *w, Id element, uint32_t stride) {
  Id array = spirv_id(w), block = spirv_id(w);
  spirv_put(w, SECTION_GLOBAL, SPIRV_TypeRuntimeArray, spirv_words(array, element));
  spirv_put(w, SECTION_GLOBAL, SPIRV_TypeStruct, spirv_words(block, array));
  spirv_decorate(w, array, DECORATION_ArrayStride, 1, &stride);
  spirv_decorate(w, block, DECORATION_Block, 0, NULL);
  spirv_decorate_member(w, block, 0, DECORATION_Offset, 0);
  return block;
}

Id spirv_block_uints(SpirvWriter *w, int n) {
  Id block = spirv_id(w), uint = spirv_type_uint(w, 32);
  uint32_t *member = ARENA_ARRAY(w->arena, uint32_t, n);
  for (int i = 0; i < n; i++) member[i] = uint;
  put_long(w, SECTION_GLOBAL, SPIRV_TypeStruct, 1, &block, n, member);
  spirv_decorate(w, block, DECORATION_Block, 0, NULL);
  for (int i = 0; i < n; i++) spirv_decorate_member(w, block, (uint32_t)i, DECORATION_Offset, 4 * (uint32_t)i);
  return block;
}

Id spirv_variable(SpirvWriter *w, SpirvStorage s, Id type) {
  Id pointer = spirv_type_pointer(w, s, type), id = spirv_id(w);
  spirv_put(w, SECTION_GLOBAL, SPIRV_Variable, spirv_words(pointer, id, (uint32_t)s));
  vec_push(w->arena, &w->interface, id);
  return id;
}

/* ---- the end ---- */

static void put_entry(SpirvWriter *w, Id function, const int64_t local[3]) {
  uint32_t text[MAX_STRING_WORDS];
  int n = text_words("main", text);
  Words head = {0};
  append(w, &head, spirv_words(MODEL_GLCOMPUTE, function));
  append(w, &head, n, text);
  put_long(w, SECTION_ENTRY, SPIRV_EntryPoint, head.n, head.at, w->interface.n, w->interface.at);
  spirv_put(w, SECTION_MODE, SPIRV_ExecutionMode,
            spirv_words(function, MODE_LOCAL_SIZE, (uint32_t)local[0], (uint32_t)local[1], (uint32_t)local[2]));
}

const uint32_t *spirv_finish(SpirvWriter *w, Id function, const int64_t local[3], size_t *n_words) {
  put_entry(w, function, local);
  size_t n = HEADER_WORDS;
  for (int s = 0; s < SECTION_count; s++) n += (size_t)w->section[s].n;
  uint32_t *out = ARENA_ARRAY(w->arena, uint32_t, n), *at = out + HEADER_WORDS;
  memcpy(out, (uint32_t[]){MAGIC, VERSION_1_5, GENERATOR, w->last + 1, 0}, HEADER_WORDS * sizeof *out);
  for (int s = 0; s < SECTION_count; s++) {
    if (w->section[s].n) memcpy(at, w->section[s].at, (size_t)w->section[s].n * sizeof *at);
    at += w->section[s].n;
  }
  *n_words = n;
  return out;
}
