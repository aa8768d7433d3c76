/* cpu.c -- whether this processor has what a program was made for. */
#include "runtime/cpu.h"

#include <stdbool.h>
#include <stdint.h>

#include "runtime/words.h"

typedef struct Level {
  const char *name, *has;
} Level;

#if defined(__x86_64__)
enum { EBX = 1, ECX = 2, EDX = 3 };

/* A feature is a bit of what cpuid says of a leaf; `state` are the registers that the system must save for it. */
typedef struct Feature {
  const char *name;
  uint32_t leaf, sub;
  int reg, bit;
  uint64_t state;
} Feature;

// clang-format off
static const Feature features[] = {
  {"sse3",        1, 0, ECX,  0, 0}, {"ssse3",     1, 0, ECX,  9, 0}, {"cx16",   1, 0, ECX, 13, 0},
  {"sse4.1",      1, 0, ECX, 19, 0}, {"sse4.2",    1, 0, ECX, 20, 0}, {"popcnt", 1, 0, ECX, 23, 0},
  {"movbe",       1, 0, ECX, 22, 0}, {"osxsave",   1, 0, ECX, 27, 0},
  {"avx",         1, 0, ECX, 28, 6}, {"f16c",      1, 0, ECX, 29, 6}, {"fma",    1, 0, ECX, 12, 6},
  {"avx2",        7, 0, EBX,  5, 6}, {"bmi1",      7, 0, EBX,  3, 0}, {"bmi2",   7, 0, EBX,  8, 0},
  {"lzcnt", 0x80000001, 0, ECX, 5, 0},
  {"avx512f",     7, 0, EBX, 16, 0xe6}, {"avx512dq", 7, 0, EBX, 17, 0xe6}, {"avx512cd", 7, 0, EBX, 28, 0xe6},
  {"avx512bw",    7, 0, EBX, 30, 0xe6}, {"avx512vl", 7, 0, EBX, 31, 0xe6},
  {"avx512vnni",  7, 0, ECX, 11, 0xe6}, {"avx512bf16", 7, 1, 0, 5, 0xe6},
};

static const Level levels[] = {
  {"x86-64-v2", "sse3,ssse3,cx16,sse4.1,sse4.2,popcnt"},
  {"x86-64-v3", "x86-64-v2,osxsave,avx,avx2,f16c,fma,bmi1,bmi2,lzcnt,movbe"},
  {"x86-64-v4", "x86-64-v3,avx512f,avx512dq,avx512cd,avx512bw,avx512vl"},
};
// clang-format on

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t reg[4]) {
  __asm__ volatile("cpuid" : "=a"(reg[0]), "=b"(reg[1]), "=c"(reg[2]), "=d"(reg[3]) : "a"(leaf), "c"(sub));
}

static uint64_t saved_state(void) {
  uint32_t reg[4], low, high;
  cpuid(1, 0, reg);
  if (!(reg[ECX] >> 27 & 1)) return 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

static bool has_feature(const lrt_cpu *cpu, const Feature *f) {
  uint32_t reg[4];
  (void)cpu;
  cpuid(f->leaf & 0x80000000, 0, reg);
  if (reg[0] < f->leaf) return false;
  cpuid(f->leaf, f->sub, reg);
  return (reg[f->reg] >> f->bit & 1) && (saved_state() & f->state) == f->state;
}

#else
/* A feature is a bit of what the system says; every processor that a system runs on is `generic`. */
typedef struct Feature {
  const char *name;
  int word, bit;
} Feature;

// clang-format off
static const Feature features[] = {
#if defined(__aarch64__)
  {"neon", 0, 1}, {"fullfp16", 0, 10}, {"dotprod", 0, 20}, {"i8mm", 1, 13}, {"bf16", 1, 14},
#elif defined(__arm__)
  {"neon", 0, 12}, {"vfp4", 0, 16},
#elif defined(__riscv)
#define LETTER(name, letter) {name, 0, letter - 'a'}
  LETTER("m", 'm'), LETTER("a", 'a'), LETTER("f", 'f'), LETTER("d", 'd'), LETTER("c", 'c'), LETTER("v", 'v'),
#undef LETTER
#else
  {"simd128", 0, 0}, {"bulk-memory", 0, 0}, {"sign-ext", 0, 0}, {"nontrapping-fptoint", 0, 0}, /* a module without them is not taken */
#endif
};
// clang-format on
static const Level levels[] = {{"generic", ""}, {"generic-rv64", ""}};

static bool has_feature(const lrt_cpu *cpu, const Feature *f) { return cpu->word[f->word] >> f->bit & 1; }
#endif

/* What nobody here knows counts as missing. */
static bool has(const lrt_cpu *cpu, const char *name, size_t n) {
  for (size_t i = 0; i < sizeof features / sizeof *features; i++)
    if (text_same_n(name, features[i].name, n)) return has_feature(cpu, &features[i]);
  return false;
}

static const char *level(const char *name, size_t n) {
  for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
    if (text_same_n(name, levels[i].name, n)) return levels[i].has;
  return NULL;
}

int cpu_missing(const lrt_cpu *cpu, const char *needs, char *missing, size_t size) {
  int count = 0;
  size_t at = 0;
  if (size) missing[0] = 0;
  while (*needs) {
    size_t n = 0;
    while (needs[n] && needs[n] != ',') n++;
    const char *of = level(needs, n);
    if (of) {
      char inner[512];
      int k = cpu_missing(cpu, of, inner, sizeof inner);
      if (k) at += text_format(missing + at, size - at, "%s%s", at ? "," : "", inner);
      count += k;
    } else if (n && !has(cpu, needs, n)) {
      char name[64];
      size_t cut = n < sizeof name - 1 ? n : sizeof name - 1;
      for (size_t i = 0; i < cut; i++) name[i] = needs[i];
      name[cut] = 0;
      at += text_format(missing + at, size - at, "%s%s", at ? "," : "", name);
      count++;
    }
    needs += n + (needs[n] == ',');
  }
  return count;
}
