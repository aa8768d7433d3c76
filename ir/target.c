/* target.c -- the table of targets. */
#include "ir/target.h"

#include <stddef.h>
#include <string.h>

#define V2 FEATURE_sse41
#define V3 (V2 | FEATURE_avx2 | FEATURE_fma | FEATURE_f16c)
#define V4 (V3 | FEATURE_avx512f | FEATURE_avx512vl)
#define X86 .index_bits = 64, .workgroup_memory = 256 << 10, .workgroup = 1, .level1 = 32 << 10
#define VULKAN .index_bits = 32, .vector_bytes = 16, .workgroup_memory = 16 << 10, .workgroup = 128, .buffers = 8, \
  .argument_bytes = 128
#define LINUX "x86_64-unknown-linux-gnu"

// clang-format off
static const Target targets[] = {
  /* name             kind        triple cpu          attributes                    features */
  {"x86-64-v2",       TARGET_CPU, LINUX, "x86-64-v2", "",                           V2,
    X86, .vector_bytes = 16, .vector_registers = 16, .level2 = 256 << 10},
  {"x86-64-v3",       TARGET_CPU, LINUX, "x86-64-v3", "",                           V3,
    X86, .vector_bytes = 32, .vector_registers = 16, .level2 = 512 << 10},
  {"x86-64-v4",       TARGET_CPU, LINUX, "x86-64-v4", "",                           V4,
    X86, .vector_bytes = 64, .vector_registers = 32, .level2 = 1 << 20},
  {"x86-64-v4-vnni",  TARGET_CPU, LINUX, "x86-64-v4", "+avx512vnni",                V4 | FEATURE_avx512vnni,
    X86, .vector_bytes = 64, .vector_registers = 32, .level2 = 1 << 20},
  {"x86-64-v4-bf16",  TARGET_CPU, LINUX, "x86-64-v4", "+avx512vnni,+avx512bf16",    V4 | FEATURE_avx512vnni | FEATURE_avx512bf16,
    X86, .vector_bytes = 64, .vector_registers = 32, .level2 = 1 << 20},
  /* What Vulkan 1.2 promises of every device; of buffers it promises four only, WebGPU finds eight everywhere. */
  {"vulkan-1.2",      TARGET_GPU, NULL,  NULL,        NULL,                         0,            VULKAN},
  {"vulkan-1.2-idot", TARGET_GPU, NULL,  NULL,        NULL,                         FEATURE_idot, VULKAN},
};
// clang-format on

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
