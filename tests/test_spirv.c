/* test_spirv.c -- the SPIR-V writer and each of the emitter's ops: every module is valid, computes on this machine's
 * Vulkan device what the interpreter computes, and what the target cannot do is refused by name. */
#include <spirv/unified1/GLSL.std.450.h>
#include <spirv/unified1/spirv.h>
#include <stdio.h>
#include <stdlib.h>

#include "codegen/spirv_validate.h"
#include "codegen/spirv_writer.h"
#include "ir/fatal.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "ir/tolerance.h"
#include "vulkan_run.h"

/* ---- the numbers are the registry's ---- */

#define OPCODE(name, number) _Static_assert(number == SpvOp##name, #name);
#define GLSL(name, number) _Static_assert(number == GLSLstd450##name, #name);
#include "codegen/spirv_opcodes.def"
#undef OPCODE
#undef GLSL
_Static_assert((int)CAPABILITY_StorageBuffer8BitAccess == (int)SpvCapabilityStorageBuffer8BitAccess, "");
_Static_assert((int)CAPABILITY_StorageBuffer16BitAccess == (int)SpvCapabilityStorageBuffer16BitAccess, "");
_Static_assert((int)DECORATION_NoContraction == (int)SpvDecorationNoContraction, "");
_Static_assert((int)BUILTIN_LocalInvocationId == (int)SpvBuiltInLocalInvocationId, "");

/* ---- the writer ---- */

#define check(e) ((e) ? 0 : (printf("FAIL %s:%d: %s\n", __FILE__, __LINE__, #e), 1))

static int test_writer(Arena *a) {
  SpirvWriter *w = spirv_writer_new(a);
  Id uint = spirv_type_uint(w, 32), four = spirv_type_vector(w, uint, 4), one = spirv_uint(w, 1);
  int failed = check(spirv_type_uint(w, 32) == uint) + check(spirv_type_float(w, 32) != uint);
  failed += check(spirv_type_vector(w, uint, 1) == uint) + check(spirv_type_vector(w, uint, 4) == four);
  failed += check(spirv_uint(w, 1) == one) + check(spirv_uint(w, 2) != one);
  failed += check(spirv_constant(w, spirv_type_float(w, 32), 1) != one);
  failed += check(spirv_constant_bool(w, true) != spirv_constant_bool(w, false));
  failed += check(spirv_type_pointer(w, STORAGE_Workgroup, uint) == spirv_type_pointer(w, STORAGE_Workgroup, uint));
  failed +=
      check(spirv_string(w, "one") == spirv_string(w, "one")) + check(spirv_string(w, "one") != spirv_string(w, "two"));
  spirv_capability(w, CAPABILITY_Shader);

  Id nothing = spirv_type_void(w), type = spirv_type_function(w, nothing), function;
  function = spirv_value(w, SPIRV_Function, nothing, spirv_words(0, type));
  spirv_name(w, function, "a name of just twenty-seven");
  spirv_put(w, SECTION_CODE, SPIRV_Label, spirv_words(spirv_id(w)));
  spirv_put(w, SECTION_CODE, SPIRV_Return, 0, NULL);
  spirv_put(w, SECTION_CODE, SPIRV_FunctionEnd, 0, NULL);
  size_t n;
  const uint32_t *word = spirv_finish(w, function, (int64_t[]){8, 4, 1}, &n);
  const char *wrong = spirv_validate(word, n, a), *text = spirv_disassemble(word, n, a);
  if (wrong) printf("FAIL the writer's module: %s\n", wrong);
  failed += wrong != NULL;
  failed += check(strstr(text, "OpExecutionMode %a_name_of_just_twenty_seven LocalSize 8 4 1"));
  failed += check(strstr(strstr(text, "OpCapability") + 1, "OpCapability") == NULL);
  return failed;
}

/* ---- ops: lines of a kernel that make %r of %x, %y and %z, run on many values ---- */

enum { COUNT = 1920, ARGUMENT_BYTES = 16 * COUNT }; /* COUNT: whole turns for every number of lanes below */

typedef struct Case {
  const char *in, *out; /* element types */
  int lanes_in, lanes_out;
  const char *body;
  double tolerance; /* 0: exact */
} Case;

// clang-format off
static const Case cases[] = {
  /* arithmetic, on one lane and on four */
#define ARITHMETIC(op, t) {t, t, 1, 1, "%r = " op " : " t, 0}, {t, t, 4, 4, "%r = " op " : " t "x4", 0},
#define INTEGERS(op) ARITHMETIC(op, "i32") ARITHMETIC(op, "u32") ARITHMETIC(op, "i8") ARITHMETIC(op, "u8") ARITHMETIC(op, "i16")
#define NUMBERS(op) ARITHMETIC(op, "f32") INTEGERS(op)
  NUMBERS("neg %x") NUMBERS("abs %x") NUMBERS("sign %x")
  ARITHMETIC("floor %x", "f32") ARITHMETIC("ceil %x", "f32") ARITHMETIC("round %x", "f32")
  NUMBERS("add %x, %y") NUMBERS("sub %x, %y") NUMBERS("mul %x, %y") NUMBERS("min %x, %y") NUMBERS("max %x, %y")
  INTEGERS("div %x, %y") INTEGERS("mod %x, %y") INTEGERS("mod %x, %y trunc=true") INTEGERS("fma %x, %y, %z")
  INTEGERS("and %x, %y") INTEGERS("or %x, %y") INTEGERS("xor %x, %y") INTEGERS("not %x")
  INTEGERS("shl %x, %y") INTEGERS("shr %x, %y")
  ARITHMETIC("and %x, %y", "bool") ARITHMETIC("or %x, %y", "bool") ARITHMETIC("xor %x, %y", "bool") ARITHMETIC("not %x", "bool")
  {"f32", "f32", 1, 1, "%r = div %x, %y : f32", 1e-6}, 
  {"f32", "f32", 4, 4, "%c = imm 1e6 : f32x4\n %a = min %x, %c : f32x4\n %b = min %y, %c : f32x4\n"
                           " %r = fma %a, %b, %z : f32x4", 1e-6},
  {"f32", "f32", 1, 1, "%a = abs %x : f32\n %r = sqrt %a : f32", 1e-6},
  {"i32", "i32", 1, 1, "%c = imm 7 : i32\n %r = div %x, %c : i32", 0},
  {"i32", "i32", 1, 1, "%c = imm 5 : i32\n %r = shr %x, %c : i32", 0},
  {"u32", "u32", 1, 1, "%c = imm 31 : u32\n %r = shl %x, %c : u32", 0},
#undef NUMBERS
#undef INTEGERS
#undef ARITHMETIC

  /* comparing and choosing */
#define COMPARE(op) COMPARE_OF(op, "f32") COMPARE_OF(op, "i32") COMPARE_OF(op, "u32") COMPARE_OF(op, "i8") COMPARE_OF(op, "u16")
#define COMPARE_OF(op, t) {t, "bool", 1, 1, "%r = " op " %x, %y : bool", 0}, {t, "bool", 4, 4, "%r = " op " %x, %y : boolx4", 0},
  COMPARE("eq") COMPARE("lt") COMPARE("le") COMPARE_OF("eq", "bool")
#undef COMPARE
#undef COMPARE_OF
  {"f32", "bool", 1, 1, "%r = isnan %x : bool", 0},
  {"f32", "bool", 1, 1, "%r = isinf %x : bool", 0},
  {"f32", "bool", 1, 1, "%r = isinf %x positive=false : bool", 0},
  {"f32", "bool", 1, 1, "%r = isinf %x negative=false : bool", 0},
  {"f32", "f32", 4, 4, "%c = lt %x, %y : boolx4\n %r = where %c, %y, %z : f32x4", 0},
  {"bool", "bool", 1, 1, "%r = where %x, %y, %z : bool", 0},

  /* conversions */
#define CAST(from, to) {from, to, 1, 1, "%r = cast %x to=" to " : " to, 0}, {from, to, 2, 2, "%r = cast %x to=" to " : " to "x2", 0},
#define CASTS(from) CAST(from, "f32") CAST(from, "f16") CAST(from, "bf16") CAST(from, "i32") CAST(from, "u32") CAST(from, "i8") \
  CAST(from, "u8") CAST(from, "i16") CAST(from, "u16") CAST(from, "bool")
  CASTS("i32") CASTS("u32") CASTS("i8") CASTS("u8") CASTS("i16") CASTS("u16") CASTS("bool")
  CAST("f32", "f16") CAST("f32", "bf16") CAST("f32", "bool") CAST("f16", "f32") CAST("bf16", "f32") CAST("f16", "bf16")
  CAST("bf16", "f16") CAST("f16", "bool")
#undef CAST
#undef CASTS
#define SMALL(to) {"f32", to, 1, 1, "%c = imm 8191 : f32\n %d = imm -8191 : f32\n %a = min %x, %c : f32\n %b = max %a, %d : f32\n" \
                                    "%n = isnan %b : bool\n %e = where %n, %c, %b : f32\n %r = cast %e to=" to " : " to, 0},
  SMALL("i32") SMALL("i16") SMALL("i8") SMALL("u8")
#undef SMALL
  {"i32", "index", 1, 1, "%i2 = cast %x to=index : index\n %r = cast %i2 to=i32 : i32", 0},
  {"f32", "u32", 1, 1, "%r = bitcast %x to=u32 : u32", 0},     {"i32", "f32", 4, 4, "%c = imm 0x00ffffff : i32\n %d = splat %c lanes=4 : i32x4\n"
                                                                                    "%e = and %x, %d : i32x4\n %f = imm 0x3f000000 : i32x4\n"
                                                                                    "%g = or %e, %f : i32x4\n %r = bitcast %g to=f32 : f32x4", 0},
  {"i8", "u8", 4, 4, "%r = bitcast %x to=u8 : u8x4", 0},       {"u8", "i8", 4, 4, "%r = bitcast %x to=i8 : i8x4", 0},
  {"u8", "u32", 4, 1, "%r = bitcast %x to=u32 : u32", 0},      {"i8", "i32", 4, 1, "%r = bitcast %x to=i32 : i32", 0},
  {"i32", "i8", 1, 4, "%r = bitcast %x to=i8 : i8x4", 0},      {"u32", "u16", 2, 4, "%r = bitcast %x to=u16 : u16x4", 0},
  {"i16", "u32", 4, 2, "%r = bitcast %x to=u32 : u32x2", 0},   {"f16", "u16", 2, 2, "%r = bitcast %x to=u16 : u16x2", 0},

  /* vectors */
  {"f32", "f32", 4, 4, "%c = imm 0.5 : f32x4\n %r = add %x, %c : f32x4", 0},
  {"i32", "i32", 1, 4, "%r = splat %x lanes=4 : i32x4", 0},
  {"i32", "i32", 4, 1, "%r = extract %x lane=2 : i32", 0},
  {"i32", "i32", 4, 2, "%r = extract %x lane=1 lanes=2 : i32x2", 0},
  {"i32", "i32", 1, 3, "%r = pack %x, %y, %z : i32x3", 0},
  {"i32", "i32", 2, 4, "%r = pack %x, %y : i32x4", 0},
  {"u8", "u8", 4, 4, "%r = shuffle %x, %y lanes=[0, 7, 2, 4] : u8x4", 0},
  {"f32", "f32", 4, 1, "%r = shuffle %x lanes=[3] : f32", 0},
  {"f32", "f32", 4, 1, "%r = lanes_sum %x : f32", 0},           {"i32", "i32", 4, 1, "%r = lanes_sum %x : i32", 0},
  {"i8", "i8", 4, 1, "%r = lanes_sum %x : i8", 0},              {"f32", "f32", 4, 1, "%r = lanes_max %x : f32", 0},
  {"i32", "i32", 2, 1, "%r = lanes_min %x : i32", 0},           {"u32", "u32", 4, 1, "%r = lanes_max %x : u32", 0},
  {"i8", "i32", 4, 1, "%a = bitcast %x to=u8 : u8x4\n %b = bitcast %y to=i32 : i32\n %r = dot4 %b, %a, %z : i32", 0},
  {"i32", "i32", 1, 1, "%a = bitcast %x to=u8 : u8x4\n %b = bitcast %y to=i8 : i8x4\n %r = dot4 %z, %a, %b : i32", 0},
  {"bf16", "f32", 4, 2, "%c = imm 1.5 : f32x2\n %r = dot2 %c, %x, %y : f32x2", 0},

  /* control */
  {"i32", "i32", 1, 1, "%c = imm 0 : i32\n %t = lt %x, %c : bool\n"
                       "%r = when %t { %n = neg %x : i32\n yield %n } { %d = add %x, %y : i32\n yield %d } : i32", 0},
  {"i32", "i32", 1, 1, "%zero = imm 0 : index\n %two = imm 2 : index\n %end = imm 9 : index\n"
                       "%a, %b = for %zero, %end, %two, %x, %y (%k: index, %p: i32, %q: i32) {\n"
                       "  %k32 = cast %k to=i32 : i32\n %s = add %p, %k32 : i32\n yield %q, %s } : i32, i32\n"
                       "%r = sub %a, %b : i32", 0},
  {"i32", "i32", 1, 1, "%zero = imm 0 : index\n %unit = imm 1 : index\n %end = imm 3 : index\n"
                       "%r = for %zero, %end, %unit, %x unroll=2 (%k: index, %p: i32) {\n"
                       "  %q = for %k, %end, %unit, %p unroll=1 (%l: index, %o: i32) { %s = add %o, %y : i32\n yield %s } : i32\n"
                       "  %t = lt %q, %z : bool\n"
                       "  %u = when %t { yield %q } { %v = mul %q, %x : i32\n yield %v } : i32\n yield %u } : i32", 0},
  {"f32", "f32", 1, 1, "%zero = imm 0 : index\n %unit = imm 1 : index\n"
                       "%r = for %unit, %zero, %unit, %x (%k: index, %p: f32) { yield %y } : f32", 0},
};
// clang-format on

static void append(char **at, const char *end, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void append(char **at, const char *end, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  int n = vsnprintf(*at, (size_t)(end - *at), fmt, ap);
  va_end(ap);
  ensure(n >= 0 && *at + n < end);
  *at += n;
}

/* A kernel of one element of each argument a workgroup. */
static const char *case_text(const Case *c, Arena *a, int64_t *size) {
  enum { SIZE = 4096 };
  char *text = arena_alloc(a, SIZE), *at = text, *end = text + SIZE;
  const char *out = strcmp(c->out, "index") == 0 ? "i32" : c->out;
  append(&at, end, "lathe 1\nkernel @case(%%px: buf<%s>, %%py: buf<%s>, %%pz: buf<%s>, %%pr: buf<%s>) {\n", c->in,
         c->in, c->in, out);
  append(&at, end, "%%i = group_id : index\n%%li = imm %d : index\n%%lo = imm %d : index\n", c->lanes_in, c->lanes_out);
  append(&at, end, "%%ii = mul %%i, %%li : index\n%%io = mul %%i, %%lo : index\n");
  for (const char *v = "xyz"; *v; v++) {
    append(&at, end, "%%%c = load %%p%c, %%ii", *v, *v);
    if (c->lanes_in > 1)
      append(&at, end, " lanes=%d : %sx%d\n", c->lanes_in, c->in, c->lanes_in);
    else
      append(&at, end, " : %s\n", c->in);
  }
  append(&at, end, "%s\nstore %%pr, %%io, %%r\nreturn\n}\n", c->body);
  *size = at - text;
  return text;
}

enum { SPECIAL = 22 };

/* What is interesting of a type; denormals of f32, which a device may take as 0, are left out. */
static uint64_t special_value(Dtype t, int i) {
  static const double floats[] = {0,         -0.0, 1,          -1,        0.5,           2.5,   -3.5,  65504,
                                  65520,     -1e6, 6e-8,       2.98e-8,   1e-5,          1e-30, 255.5, INFINITY,
                                  -INFINITY, NAN,  0.33333334, 1.0009766, 1.00048828125, 3e38};
  static const int64_t ints[] = {0,   1,   -1,   2,   7,   8,     15,     16,    31,        32,        33,
                                 127, 128, -128, 255, 256, 32767, -32768, 65535, INT32_MAX, INT32_MIN, UINT32_MAX};
  uint64_t bits = 0;
  if (t == DT_bool) return (uint64_t)i & 1;
  if (dtype_is_float(t))
    dtype_set_f(t, &bits, 0, floats[i % SPECIAL]);
  else
    dtype_set_i(t, &bits, 0, ints[i % SPECIAL]);
  return bits;
}

static uint64_t random_value(Dtype t, uint64_t *seed) {
  uint64_t bits = 0;
  *seed ^= *seed << 13, *seed ^= *seed >> 7, *seed ^= *seed << 17;
  if (dtype_is_float(t))
    dtype_set_f(t, &bits, 0, (double)(int64_t)*seed * 0x1p-60);
  else
    dtype_set_i(t, &bits, 0, (int64_t)*seed);
  return t == DT_bool ? *seed & 1 : bits;
}

/* First every pair of special values of x and y, then anything. */
static void fill(KernelArg *arg, Dtype t, int j) {
  uint64_t seed = 88172645463325252u + (uint64_t)j;
  for (int i = 0; i < COUNT; i++) {
    int which = j == 0 ? i : j == 1 ? i / SPECIAL : 7 * i + 3;
    dtype_set_bits(t, arg->memory, i, i < COUNT / 2 ? special_value(t, which) : random_value(t, &seed));
  }
}

static Func *parse(Arena *a, Diag *d, const char *text, int64_t size) {
  Module *m = text_parse(a, d, "case", text, (size_t)size);
  return m && m->funcs.n == 1 && verify_module(m) ? m->funcs.at[0] : NULL;
}

static bool run_case(const Case *c, const Target *t, const char *text, int64_t size, Arena *a, Vulkan *v, Diag *d) {
  Func *f = parse(a, d, text, size);
  SpirvKernel k;
  if (!f || !spirv_emit_kernel(f, t, a, d, &k)) return false;
  int64_t groups = COUNT / c->lanes_in, n_out = groups * c->lanes_out, grid[] = {groups, 1, 1};
  Dtype in = f->body->arg[0]->type->dtype, out = f->body->arg[3]->type->dtype;
  KernelArg arg[4];
  for (int j = 0; j < 4; j++)
    arg[j] = (KernelArg){.memory = arena_alloc(a, ARGUMENT_BYTES), .elements = j < 3 ? COUNT : n_out};
  for (int j = 0; j < 3; j++) fill(&arg[j], in, j);
  void *want = arg[3].memory;
  if (!interp_kernel(f, grid, 4, arg, d)) return false;
  if (!v || !vulkan_takes(v, t)) return true;
  arg[3].memory = arena_alloc(a, ARGUMENT_BYTES);
  vulkan_run(v, f, &k, grid, arg);
  Tensor *got_t = tensor_over(out, 1, &n_out, arg[3].memory), *want_t = tensor_over(out, 1, &n_out, want);
  Comparison cmp = c->tolerance > 0 ? compare_scaled(got_t, want_t, c->tolerance) : compare_exact(got_t, want_t);
  if (!cmp.good) {
    int64_t i = cmp.worst < 0 ? 0 : c->lanes_in == c->lanes_out ? cmp.worst : cmp.worst / c->lanes_out * c->lanes_in;
    diag_error(d, f->loc, "%s (from %.9g, %.9g, %.9g)", cmp.why, dtype_get_f(in, arg[0].memory, i),
               dtype_get_f(in, arg[1].memory, i), dtype_get_f(in, arg[2].memory, i));
  }
  tensor_release(got_t);
  tensor_release(want_t);
  return cmp.good;
}

static int test_case(const Case *c, const Target *t, Vulkan *v) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  int64_t size;
  const char *text = case_text(c, a, &size);
  bool good = run_case(c, t, text, size, a, v, d);
  if (!good) {
    diag_flush(d, stdout, false);
    printf("FAIL for %s: %s x%d: %s\n", t->name, c->in, c->lanes_in, c->body);
  }
  arena_free(a);
  return !good;
}

/* ---- whole kernels ---- */

enum { KERNEL_BYTES = 1 << 18, MAX_SCALARS = 8, GROUPS = 64 };

/* A kernel of tests/spirv: of KERNEL_BYTES of numbers in, as many out, and of scalars, which get these bits. */
static bool run_kernel(Func *f, Arena *a, Vulkan *v, Diag *d) {
  static const uint64_t scalar[MAX_SCALARS] = {77, 0x3fc00000, 0xf0, 0xfedc, 1, 0xc200, 0xfffffffe, 5};
  SpirvKernel code;
  if (!spirv_emit_kernel(f, target_find("vulkan-1.2"), a, d, &code)) return false;
  Dtype t = f->body->arg[0]->type->dtype;
  int64_t n = KERNEL_BYTES * 8 / dtype_bits(t), grid[] = {GROUPS, 1, 1};
  KernelArg arg[2 + MAX_SCALARS];
  for (int j = 0; j < 2; j++) arg[j] = (KernelArg){.memory = arena_alloc(a, KERNEL_BYTES), .elements = n};
  for (int j = 0; j < MAX_SCALARS; j++) arg[2 + j] = (KernelArg){.bits = scalar[j]};
  fill(&arg[0], t, 0);
  void *want = arg[1].memory;
  if (!interp_kernel(f, grid, f->body->n_args, arg, d)) return false;
  if (!v) return true;
  arg[1].memory = arena_alloc(a, KERNEL_BYTES);
  vulkan_run(v, f, &code, grid, arg);
  Tensor *got_t = tensor_over(t, 1, &n, arg[1].memory), *want_t = tensor_over(t, 1, &n, want);
  Comparison c = compare_exact(got_t, want_t);
  tensor_release(got_t);
  tensor_release(want_t);
  return c.good || diag_error(d, f->loc, "@%s: %s", f->name, c.why);
}

/* Returns how many failed. */
static int test_kernels(Arena *a, Vulkan *v, const char *path, int *n) {
  enum { MOST = 1 << 16 };
  char *text = arena_alloc(a, MOST);
  FILE *file = fopen(path, "rb");
  if (!file) fatal_resource("cannot open %s", path);
  size_t size = fread(text, 1, MOST, file);
  fclose(file);
  Diag *d = diag_new(a);
  Module *m = text_parse(a, d, path, text, size);
  *n = m && verify_module(m) ? m->funcs.n : 0;
  for (int i = 0; i < *n; i++) run_kernel(m->funcs.at[i], a, v, d);
  int failed = diag_errors(d);
  diag_flush(d, stdout, false);
  return failed;
}

/* ---- refusals ---- */

typedef struct Refusal {
  const char *text, *message;
} Refusal;

// clang-format off
static const Refusal refusals[] = {
  {"kernel @k (%x: buf<u8>) {\n %i = imm 0 : index\n %v = load %x, %i lanes=64 : u8x64\n return\n}",
   "spirv: @k: `load`: u8x64: vectors have at most 4 lanes"},
  {"kernel @k (%x: f32) {\n %v = exp %x : f32\n return\n}", "spirv: @k: `exp`: no instruction of the target does this"},
  {"kernel @k (%x: f32, %y: f32) {\n %v = mod %x, %y : f32\n return\n}", "spirv: @k: `mod`: no instruction does this to f32"},
  {"kernel @k (%x: f16) {\n %v = add %x, %x : f16\n return\n}",
   "spirv: @k: `add`: the target computes nothing in f16: cast to f32"},
  {"kernel @k (%x: f8e5m2) {\n %v = cast %x to=f32 : f32\n return\n}", "spirv: @k: `cast`: the target has no conversion of f8e5m2"},
  {"kernel @k (%x: bool) {\n %v = bitcast %x to=u8 : u8\n return\n}",
   "spirv: @k: `bitcast`: the bits of a bool are nothing to rely on"},
  {"kernel @k (%x: i32) {\n %v = cast %x to=i64 : i64\n return\n}", "spirv: @k: `cast`: i64: registers have 32 bits"},
  {"kernel @k () {\n %v = imm 5000000000 : index\n return\n}", "spirv: @k: `imm`: 5000000000: an index has 32 bits here"},
  {"kernel @k (%x: f64) {\n return\n}", "spirv: @k: f64: registers have 32 bits"},
  {"kernel @k (%x: buf<i4>) {\n return\n}", "spirv: @k: buf<i4> is not addressable: say u8, and shift"},
  {"kernel @k (%x: buf<index>) {\n return\n}", "spirv: @k: buf<index>: an index has no size in memory"},
  {"kernel @k () {\n %s = workgroup_memory type=i32 elements=8 : shared<i32,8>\n %i = imm 0 : index\n"
   " %v = load %s, %i as=f32 : f32\n return\n}", "spirv: @k: `load`: workgroup memory of i32 is not read as f32 here"},
  {"kernel @k () {\n %s = workgroup_memory type=u8 elements=5000 : shared<u8,5000>\n return\n}",
   "spirv: @k: 20000 bytes of workgroup memory: vulkan-1.2 has 16384"},
  {"kernel @k workgroup(16, 16, 1) () {\n return\n}", "spirv: @k: a workgroup of 16x16x1: vulkan-1.2 runs 128 at most"},
  {"kernel @k requires \"avx2\" () {\n return\n}", "spirv: @k: requires `avx2`, which vulkan-1.2 has not"},
  {"kernel @k (%a: buf<u8>, %b: buf<u8>, %c: buf<u8>, %d: buf<u8>, %e: buf<u8>, %f: buf<u8>, %g: buf<u8>, %h: buf<u8>, %i: buf<u8>) {\n"
   " return\n}", "spirv: @k: 9 buffers: vulkan-1.2 takes 8"},
};
// clang-format on

static int test_refusal(const Refusal *r) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  const char *text = arena_printf(a, "lathe 1\n%s\n", r->text);
  Func *f = parse(a, d, text, (int64_t)strlen(text));
  SpirvKernel k;
  bool good = f && !spirv_emit_kernel(f, target_find("vulkan-1.2"), a, d, &k) && strcmp(diag_first(d), r->message) == 0;
  if (!good) printf("FAIL not refused as: %s\n  but: %s\n", r->message, diag_first(d) ? diag_first(d) : "nothing said");
  arena_free(a);
  return !good;
}

/* All that is wrong is said, not only the first of it. */
static int test_all_refusals(Arena *a) {
  Diag *d = diag_new(a);
  const char *text =
      "lathe 1\nkernel @k requires \"fma\" (%x: f32, %h: f16) {\n %v = exp %x : f32\n %w = neg %h : f16\n"
      " %u = log %x : f32\n return\n}\n";
  Func *f = parse(a, d, text, (int64_t)strlen(text));
  SpirvKernel k;
  return check(f && !spirv_emit_kernel(f, target_find("vulkan-1.2"), a, d, &k) && diag_errors(d) == 4);
}

/* ---- main ---- */

int main(void) {
  Arena *a = arena_new();
  Vulkan *v = vulkan_open(a);
  int failed = test_writer(a) + test_all_refusals(a);
#define each(table) for (size_t i = 0; i < sizeof table / sizeof *table; i++)
  each(cases) {
    const Target *best = target_find("vulkan-1.2-idot"); /* which has an instruction for dot4 */
    failed += test_case(&cases[i], target_find("vulkan-1.2"), v);
    if (strstr(cases[i].body, "dot4")) failed += test_case(&cases[i], best, v);
  }
  int n_kernels;
  failed += test_kernels(a, v, "tests/spirv/kernels.ir", &n_kernels);
  each(refusals) failed += test_refusal(&refusals[i]);
#undef each
  printf("%s: %zu cases, %d kernels, %zu refusals; %d failed\n",
         v ? vulkan_device(v) : "no Vulkan device, so emitted and validated only", sizeof cases / sizeof *cases,
         n_kernels, sizeof refusals / sizeof *refusals, failed);
  vulkan_close(v);
  arena_free(a);
  return failed != 0;
}
