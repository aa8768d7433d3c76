/* target.c -- the tables of systems and targets. */
#include "ir/target.h"

#include <stddef.h>
#include <string.h>

enum { X86, AARCH64, ARMV7, RISCV64, WASM32 };

// clang-format off
static const System systems[] = {
  /* A page of 64 KiB suits kernels with pages of 4 and 16, too. */
  [X86]     = {"x86-64-linux", "PCs and servers", "x86_64-unknown-linux-gnu", "", FILE_ELF64, 4 << 10, true, INT64_MAX},
  [AARCH64] = {"aarch64-linux", "64-bit ARM: servers, phones, boards", "aarch64-unknown-linux-gnu", "", FILE_ELF64, 64 << 10, true, INT64_MAX},
  /* 3 GiB of addresses, of which some are in pieces */
  [ARMV7]   = {"armv7-linux", "32-bit ARM with NEON, hard floats", "armv7-unknown-linux-gnueabihf", "", FILE_ELF32, 64 << 10, false, (int64_t)3 << 29},
  [RISCV64] = {"riscv64-linux", "RISC-V boards", "riscv64-unknown-linux-gnu", "lp64d", FILE_ELF64, 64 << 10, false, INT64_MAX},
  /* 4 GiB of memory, less what engines refuse and the arena takes */
  [WASM32]  = {"wasm32", "Browsers, Node, WASI engines", "wasm32-unknown-unknown", "", FILE_WASM, 64 << 10, false, (int64_t)2 << 30},
};

#define V2 (FEATURE_round | FEATURE_extremes)
#define V3 (V2 | FEATURE_avx2 | FEATURE_fma | FEATURE_f16)
#define V4 (V3 | FEATURE_avx512f | FEATURE_avx512vl)
#define CPU(system_index) .kind = TARGET_CPU, .system = &systems[system_index], .workgroup_memory = 1 << 20, .workgroup = 1, \
  .level1 = 32 << 10
#define X86_64 CPU(X86), .index_bits = 64
#define A64 (FEATURE_round | FEATURE_extremes | FEATURE_fma | FEATURE_f16)
#define AARCH64_ CPU(AARCH64), .index_bits = 64, .vector_bytes = 16, .vector_registers = 32, .level2 = 512 << 10
#define ARMV7_ CPU(ARMV7), .index_bits = 32, .vector_bytes = 16, .vector_registers = 16, .level2 = 256 << 10
#define RISCV64_ CPU(RISCV64), .index_bits = 64, .vector_bytes = 16, .vector_registers = 32, .level2 = 512 << 10
#define WASM32_ CPU(WASM32), .index_bits = 32, .vector_bytes = 16, .vector_registers = 16, .level2 = 256 << 10
#define VULKAN .kind = TARGET_GPU, .index_bits = 32, .vector_bytes = 16, .workgroup_memory = 16 << 10, .workgroup = 128, .buffers = 8, \
  .argument_bytes = 128

static const Target targets[] = {
  {"x86-64-v2",      X86_64, .about = "SSE4.2: 2009 on",
   .cpu = "x86-64-v2", .attributes = "", .features = V2, .usual = true,
    .vector_bytes = 16, .vector_registers = 16, .level2 = 256 << 10},
  {"x86-64-v3",      X86_64, .about = "AVX2, FMA, F16C: 2013 on",
   .cpu = "x86-64-v3", .attributes = "", .features = V3, .usual = true,
    .vector_bytes = 32, .vector_registers = 16, .level2 = 512 << 10},
  {"x86-64-v4",      X86_64, .about = "AVX-512: 2017 on",
   .cpu = "x86-64-v4", .attributes = "", .features = V4, .usual = true,
    .vector_bytes = 64, .vector_registers = 32, .level2 = 1 << 20},
  {"x86-64-v4-vnni", X86_64, .about = "AVX-512 with dot products of bytes",
   .cpu = "x86-64-v4", .attributes = "+avx512vnni", .features = V4 | FEATURE_avx512vnni,
    .vector_bytes = 64, .vector_registers = 32, .level2 = 1 << 20},
  {"x86-64-v4-bf16", X86_64, .about = "AVX-512 with dot products of bytes and of bf16",
   .cpu = "x86-64-v4", .attributes = "+avx512vnni,+avx512bf16",
    .features = V4 | FEATURE_avx512vnni | FEATURE_avx512bf16,
    .vector_bytes = 64, .vector_registers = 32, .level2 = 1 << 20},

  {"aarch64",         AARCH64_, .about = "NEON: every one",
   .cpu = "generic", .attributes = "+neon", .features = A64, .usual = true},
  {"aarch64-dotprod", AARCH64_, .about = "dot products of signed bytes: 2018 on",
   .cpu = "generic", .attributes = "+neon,+dotprod", .features = A64 | FEATURE_dotprod},
  {"aarch64-bf16",    AARCH64_, .about = "dot products of bytes and of bf16: 2021 on",
   .cpu = "generic", .attributes = "+neon,+dotprod,+i8mm,+bf16",
    .features = A64 | FEATURE_dotprod | FEATURE_i8mm | FEATURE_bf16},

  /* NEON of this age rounds results below the least normal number to 0, in vectors */
  {"armv7",      ARMV7_, .about = "NEON",
   .cpu = "generic", .attributes = "+neon", .usual = true},
  {"armv7-vfp4", ARMV7_, .about = "NEON with fused multiply-add",
   .cpu = "generic", .attributes = "+neon,+vfp4", .features = FEATURE_fma},

  {"riscv64gc",  RISCV64_, .about = "no vectors",
   .cpu = "generic-rv64", .attributes = "+m,+a,+f,+d,+c", .features = FEATURE_round | FEATURE_extremes | FEATURE_fma, .usual = true},
  {"riscv64gcv", RISCV64_, .about = "vectors (RVV 1.0) of 128 bits or more",
   .cpu = "generic-rv64", .attributes = "+m,+a,+f,+d,+c,+v",
    .features = FEATURE_round | FEATURE_extremes | FEATURE_fma, .usual = true},

  {"wasm32", WASM32_, .about = "128-bit SIMD",
   .cpu = "generic", .attributes = "+simd128,+bulk-memory,+sign-ext,+nontrapping-fptoint",
    .features = FEATURE_round | FEATURE_extremes, .usual = true},

  /* What Vulkan 1.2 promises of every device; of buffers it promises four only, WebGPU finds eight everywhere. */
  {"vulkan-1.2",      VULKAN, .about = "any device"},
  {"vulkan-1.2-idot", VULKAN, .about = "dot products of bytes",
   .features = FEATURE_idot},
};
// clang-format on

int system_count(void) { return (int)(sizeof systems / sizeof *systems); }
const System *system_at(int i) { return &systems[i]; }

const System *system_find(const char *name) {
  for (int i = 0; i < system_count(); i++)
    if (strcmp(systems[i].name, name) == 0) return &systems[i];
  return NULL;
}

int target_count(void) { return (int)(sizeof targets / sizeof *targets); }
const Target *target_at(int i) { return &targets[i]; }

const Target *target_find(const char *name) {
  for (int i = 0; i < target_count(); i++)
    if (strcmp(targets[i].name, name) == 0) return &targets[i];
  return NULL;
}

const char *feature_name(int bit) {
  static const char *const name[] = {
#define FEATURE(name) #name,
      TARGET_FEATURES(FEATURE)
#undef FEATURE
  };
  return name[bit];
}

static bool has_word(const Target *t, const char *word, size_t n) {
  for (int i = 0; i < FEATURE_count; i++)
    if (strlen(feature_name(i)) == n && memcmp(feature_name(i), word, n) == 0) return t->features & 1u << i;
  return false;
}

const char *target_lacks(const Target *t, const char *requires) {
  for (const char *word = requires; word && *word;) {
    size_t n = strcspn(word, ",");
    if (!has_word(t, word, n)) return word;
    word += n + (word[n] == ',');
  }
  return NULL;
}
