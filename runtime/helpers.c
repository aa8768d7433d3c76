/* helpers.c -- arithmetic that compilers call where a processor has no instruction for it.
 *
 * Names and what they take are the architectures' rules: ARM's run-time ABI, and libgcc's. With memory.c this is all that
 * the code of a program may call unasked; the linker refuses anything else by its name. */
#include <stdint.h>

#define HELPER __attribute__((used, visibility("hidden")))

#if defined(__arm__)

/* ---- whole numbers ---- */

/* Doubles have room for the quotient and what tells it from the next one. */
static uint32_t divide32(uint32_t a, uint32_t b) { return b ? (uint32_t)((double)a / (double)b) : 0; }

static uint64_t both32(uint32_t quotient, uint32_t rest) { return (uint64_t)rest << 32 | quotient; } /* r0 and r1 */

static uint32_t magnitude32(int32_t v) { return v < 0 ? 0 - (uint32_t)v : (uint32_t)v; }
static uint64_t magnitude64(int64_t v) { return v < 0 ? 0 - (uint64_t)v : (uint64_t)v; }

HELPER uint32_t __aeabi_uidiv(uint32_t a, uint32_t b);
HELPER uint64_t __aeabi_uidivmod(uint32_t a, uint32_t b);
HELPER int32_t __aeabi_idiv(int32_t a, int32_t b);
HELPER uint64_t __aeabi_idivmod(int32_t a, int32_t b);

uint32_t __aeabi_uidiv(uint32_t a, uint32_t b) { return divide32(a, b); }

uint64_t __aeabi_uidivmod(uint32_t a, uint32_t b) {
  uint32_t q = divide32(a, b);
  return both32(q, a - q * b);
}

int32_t __aeabi_idiv(int32_t a, int32_t b) {
  uint32_t q = divide32(magnitude32(a), magnitude32(b));
  return (int32_t)((a < 0) != (b < 0) ? 0 - q : q);
}

uint64_t __aeabi_idivmod(int32_t a, int32_t b) {
  uint32_t q = (uint32_t)__aeabi_idiv(a, b);
  return both32(q, (uint32_t)a - q * (uint32_t)b);
}

/* The quotient, and after it in memory the rest; the entries below load both into registers. */
HELPER uint64_t lrt_divide_unsigned(uint64_t a, uint64_t b, uint64_t *rest);
HELPER int64_t lrt_divide_signed(int64_t a, int64_t b, int64_t *rest);

uint64_t lrt_divide_unsigned(uint64_t a, uint64_t b, uint64_t *rest) {
  uint64_t q = 0;
  if (b && a >> 32 == 0 && b >> 32 == 0) {
    q = divide32((uint32_t)a, (uint32_t)b);
    a -= q * b;
  } else if (b && a >= b) {
    for (int bit = __builtin_clzll(b) - __builtin_clzll(a); bit >= 0; bit--)
      if (a >= b << bit) a -= b << bit, q |= (uint64_t)1 << bit;
  }
  *rest = a;
  return q;
}

int64_t lrt_divide_signed(int64_t a, int64_t b, int64_t *rest) {
  uint64_t r, q = lrt_divide_unsigned(magnitude64(a), magnitude64(b), &r);
  *rest = (int64_t)(a < 0 ? 0 - r : r);
  return (int64_t)((a < 0) != (b < 0) ? 0 - q : q);
}

#if defined(LRT_ONE_MODULE) /* in a library, all is in one module, and nothing of it is for others */
#define LINKAGE(name)
#else
#define LINKAGE(name) ".hidden " name "\n.globl " name "\n"
#endif
#define DIVISION(name, function) \
  __asm__(".text\n" \
          LINKAGE(name) \
          ".type " name ", %function\n" \
          name ":\n" \
          "  push {r11, lr}\n" \
          "  sub sp, sp, #16\n" \
          "  add r12, sp, #8\n" \
          "  str r12, [sp]\n" \
          "  bl " function "\n" \
          "  ldrd r2, r3, [sp, #8]\n" \
          "  add sp, sp, #16\n" \
          "  pop {r11, pc}\n")
DIVISION("__aeabi_uldivmod", "lrt_divide_unsigned");
DIVISION("__aeabi_ldivmod", "lrt_divide_signed");
#undef DIVISION
#undef LINKAGE

/* ---- 64-bit numbers and floats ---- */

#define SOFT __attribute__((used, visibility("hidden"), pcs("aapcs"))) /* floats travel in whole-number registers */
SOFT double __aeabi_ul2d(uint64_t v);
SOFT double __aeabi_l2d(int64_t v);
SOFT float __aeabi_ul2f(uint64_t v);
SOFT float __aeabi_l2f(int64_t v);
SOFT uint64_t __aeabi_d2ulz(double v);
SOFT int64_t __aeabi_d2lz(double v);
SOFT uint64_t __aeabi_f2ulz(float v);
SOFT int64_t __aeabi_f2lz(float v);

/* Both halves are exact, so that only the sum rounds. */
static double to_double(uint64_t v) { return (double)(uint32_t)(v >> 32) * 0x1p32 + (double)(uint32_t)v; }

/* Through a double, which must not round first: what is below its last place is kept as one bit that is not 0. */
static float to_float(uint64_t v) {
  if (v >> 53) v = (v >> 11 | ((v & 0x7ff) != 0)) << 11;
  return (float)to_double(v);
}

static uint64_t from_double(double v) {
  if (!(v >= 1)) return 0;
  uint32_t high = (uint32_t)(v * 0x1p-32);
  return (uint64_t)high << 32 | (uint32_t)(v - (double)high * 0x1p32);
}

static int64_t from_signed(double v) { return v < 0 ? (int64_t)(0 - from_double(-v)) : (int64_t)from_double(v); }

double __aeabi_ul2d(uint64_t v) { return to_double(v); }
double __aeabi_l2d(int64_t v) { return v < 0 ? -to_double(magnitude64(v)) : to_double((uint64_t)v); }
float __aeabi_ul2f(uint64_t v) { return to_float(v); }
float __aeabi_l2f(int64_t v) { return v < 0 ? -to_float(magnitude64(v)) : to_float((uint64_t)v); }
uint64_t __aeabi_d2ulz(double v) { return from_double(v); }
int64_t __aeabi_d2lz(double v) { return from_signed(v); }
uint64_t __aeabi_f2ulz(float v) { return from_double((double)v); }
int64_t __aeabi_f2lz(float v) { return from_signed((double)v); }
#undef SOFT

#elif defined(__wasm__)

typedef struct Wide {
  uint64_t low, high;
} Wide;

HELPER Wide __multi3(uint64_t a, uint64_t a_high, uint64_t b, uint64_t b_high);

/* The product of two 128-bit numbers, by halves of 32 bits. */
Wide __multi3(uint64_t a, uint64_t a_high, uint64_t b, uint64_t b_high) {
  uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
  uint64_t low = al * bl, mid = ah * bl + (low >> 32), cross = al * bh + (uint32_t)mid;
  return (Wide){cross << 32 | (uint32_t)low, ah * bh + (mid >> 32) + (cross >> 32) + a_high * b + a * b_high};
}

#else
typedef int no_helpers; /* the processor has it all */
#endif
