/* array.c -- NumPy's .npy files, as a program reads and writes them, and inputs made up. */
#include "runtime/array.h"

#include "runtime/os.h"
#include "runtime/words.h"

static const struct {
  const char *name, *numpy;
  int64_t bytes;
} types[LRT_dtypes] = {
#define DTYPE(name, numpy, bytes) {#name, numpy, bytes},
    LRT_DTYPES(DTYPE)
#undef DTYPE
};

const char *array_dtype_name(int64_t dtype) { return types[dtype].name; }

static bool fail(ArrayError *why, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  text_format_list(why->text, sizeof why->text, fmt, ap);
  va_end(ap);
  return false;
}

static bool no_memory(ArrayError *why) {
  why->resource = true;
  return fail(why, "there is no memory for it");
}

bool array_bytes(const Array *a, int64_t *count, int64_t *bytes) {
  *count = 1;
  for (int64_t i = 0; i < a->rank; i++)
    if (__builtin_mul_overflow(*count, a->dim[i], count)) return false;
  return !__builtin_mul_overflow(*count, types[a->dtype].bytes, bytes);
}

/* ---- reading ---- */

static const char *skip_spaces(const char *at) {
  while (*at == ' ') at++;
  return at;
}

static bool starts_with(const char *s, const char *start) {
  while (*start)
    if (*s++ != *start++) return false;
  return true;
}

/* What stands behind 'key': in the header, a Python dict on one line. */
static const char *entry(const char *header, const char *key) {
  size_t n = text_length(key);
  for (const char *at = header; *at; at++)
    if (*at == '\'' && starts_with(at + 1, key) && at[n + 1] == '\'') {
      at = skip_spaces(at + n + 2);
      return *at == ':' ? skip_spaces(at + 1) : NULL;
    }
  return NULL;
}

static bool read_shape(const char *at, int64_t *rank, int64_t *dim) {
  if (!at || *at++ != '(') return false;
  for (*rank = 0;; (*rank)++) {
    while (*at == ' ' || *at == ',') at++;
    if (*at == ')') return true;
    if (*rank == LRT_RANK || !(at = text_number(at, &dim[*rank]))) return false;
  }
}

enum { HEADER = 4096 };

/* The header's text, and where the elements begin; 0: it is no .npy file. */
static size_t read_header(const uint8_t *file, size_t size, char *header) {
  static const uint8_t magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
  if (size < 12) return 0;
  for (int i = 0; i < 6; i++)
    if (file[i] != magic[i]) return 0;
  size_t n = (size_t)file[8] | (size_t)file[9] << 8, from = 10;
  if (file[6] > 1) n |= (size_t)file[10] << 16 | (size_t)file[11] << 24, from = 12;
  if (n >= HEADER || from + n > size) return 0;
  for (size_t i = 0; i < n; i++) header[i] = (char)file[from + i];
  header[n] = 0;
  return from + n;
}

/* Kernels read whole elements; a header of an odd length would put them anywhere. */
static const void *aligned(const uint8_t *data, int64_t bytes) {
  if ((uintptr_t)data % 16 == 0) return data;
  uint8_t *copy = os_memory((size_t)bytes);
  for (int64_t i = 0; copy && i < bytes; i++) copy[i] = data[i];
  return copy;
}

static bool widen_bf16(Array *a, int64_t count) {
  uint16_t *to = os_memory((size_t)count * 2);
  const uint32_t *from = a->data;
  if (!to) return false;
  for (int64_t i = 0; i < count; i++) {
    uint32_t bits = from[i], odd = bits >> 16 & 1;
    to[i] = (bits & 0x7fffffff) > 0x7f800000 ? (uint16_t)(bits >> 16 | 64) : (uint16_t)((bits + 0x7fff + odd) >> 16);
  }
  a->data = to;
  return true;
}

bool array_parse(const uint8_t *file, size_t size, const lrt_port *port, Array *a, ArrayError *why) {
  char header[HEADER];
  int64_t count, bytes, element = types[port->dtype].bytes;
  size_t from = read_header(file, size, header);
  if (!from) return fail(why, "this is not a .npy file");
  const char *descr = entry(header, "descr"), *fortran = entry(header, "fortran_order"), *want = types[port->dtype].numpy;
  if (!descr || *descr != '\'' || !starts_with(descr + 1, want) || descr[1 + text_length(want)] != '\'') {
    char got[16];
    size_t n = 0;
    for (; descr && descr[n + 1] && descr[n + 1] != '\'' && n < sizeof got - 1; n++) got[n] = descr[n + 1];
    got[n] = 0;
    return fail(why, "its elements are `%s`, and `%s` takes `%s` (%s)", got, port->name, want, types[port->dtype].name);
  }
  if (!fortran || !starts_with(fortran, "False"))
    return fail(why, "its elements are in Fortran order: save numpy.ascontiguousarray(x)");
  *a = (Array){.dtype = port->dtype};
  if (!read_shape(entry(header, "shape"), &a->rank, a->dim)) return fail(why, "its shape cannot be read");
  if (a->rank != port->rank) return fail(why, "it has %d axes, and `%s` has %d", a->rank, port->name, port->rank);
  if (!array_bytes(a, &count, &bytes)) return fail(why, "its shape overflows");
  if (port->dtype == LRT_bf16 && __builtin_mul_overflow(count, (element = 4), &bytes)) return fail(why, "its shape overflows");
  if ((size_t)bytes > size - from)
    return fail(why, "%d elements of %d bytes are declared, and %d bytes follow", count, element, (int64_t)(size - from));
  a->data = aligned(file + from, bytes);
  if (!a->data || (port->dtype == LRT_bf16 && !widen_bf16(a, count))) return no_memory(why);
  return true;
}

bool array_read(const char *path, const lrt_port *port, Array *a, ArrayError *why) {
  int64_t file = os_open(path);
  if (file < 0) return fail(why, file == -2 ? "there is no such file" : "it cannot be opened (error %d)", -file);
  int64_t bytes = os_size(file);
  const void *map = bytes > 0 ? os_map(file, (size_t)bytes) : NULL;
  os_close(file);
  if (bytes <= 0) return fail(why, bytes == 0 ? "it is empty" : "it is no file that can be read");
  if (!map) return no_memory(why);
  return array_parse(map, (size_t)bytes, port, a, why);
}

/* ---- writing ---- */

static size_t make_header(const Array *a, char *out, size_t size) {
  char text[512];
  size_t n = text_format(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[a->dtype].numpy);
  for (int64_t i = 0; i < a->rank; i++)
    n += text_format(text + n, sizeof text - n, "%d,%s", a->dim[i], i + 1 < a->rank ? " " : "");
  n += text_format(text + n, sizeof text - n, "), }");
  size_t padded = (n + 1 + 10 + 63) / 64 * 64 - 10;
  text_format(out, size, "0123456789%s", text);
  static const char magic[] = {(char)0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
  for (int i = 0; i < 8; i++) out[i] = magic[i];
  out[8] = (char)(padded & 255);
  out[9] = (char)(padded >> 8);
  for (size_t i = 10 + n; i < 10 + padded - 1; i++) out[i] = ' ';
  out[10 + padded - 1] = '\n';
  return 10 + padded;
}

static bool write_elements(int64_t file, const Array *a) {
  int64_t count, bytes;
  if (!array_bytes(a, &count, &bytes)) return false;
  if (a->dtype != LRT_bf16) return os_write(file, a->data, (size_t)bytes);
  uint32_t wide[1024];
  const uint16_t *from = a->data;
  for (int64_t i = 0; i < count;) {
    int n = 0;
    for (; n < 1024 && i < count; n++, i++) wide[n] = (uint32_t)from[i] << 16;
    if (!os_write(file, wide, (size_t)n * 4)) return false;
  }
  return true;
}

bool array_write(const char *path, const Array *a, ArrayError *why) {
  char aside[4096], header[1024];
  if (text_format(aside, sizeof aside, "%s.part", path) >= sizeof aside - 1) return fail(why, "its name is too long");
  int64_t file = os_create(aside);
  if (file < 0) return fail(why, "it cannot be written (error %d)", -file);
  size_t n = make_header(a, header, sizeof header);
  bool good = os_write(file, header, n) && write_elements(file, a);
  os_close(file);
  good = good && os_rename(aside, path);
  if (!good) os_remove(aside);
  return good || fail(why, "it cannot be written: is the disk full?");
}

/* ---- inputs made up ---- */

static uint64_t next_random(uint64_t *s) {
  uint64_t z = *s += 0x9E3779B97F4A7C15u; /* splitmix64 */
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/* Of a float in [-1, 1); cut, not rounded. */
static uint16_t half_bits(float f) {
  union { float f; uint32_t bits; } u = {.f = f};
  int exponent = (int)(u.bits >> 23 & 255) - 112;
  uint32_t sign = u.bits >> 16 & 0x8000;
  return (uint16_t)(exponent <= 0 ? sign : sign | (uint32_t)exponent << 10 | (u.bits >> 13 & 1023));
}

static void set_random(const Array *a, void *data, int64_t i, uint64_t r) {
  double d = (double)((int64_t)(r >> 11)) * 0x1p-52 - 1;
  union { float f; uint32_t bits; } u = {.f = (float)d};
  switch (a->dtype) {
  case LRT_f64: ((double *)data)[i] = d; break;
  case LRT_f32: ((float *)data)[i] = (float)d; break;
  case LRT_f16: ((uint16_t *)data)[i] = half_bits((float)d); break;
  case LRT_bf16: ((uint16_t *)data)[i] = (uint16_t)(u.bits >> 16); break;
  default: ((uint8_t *)data)[i * types[a->dtype].bytes] = (uint8_t)(r >> 63); /* little-endian, and zeroed before */
  }
}

bool array_random(const lrt_port *port, const int64_t *dim, uint64_t *seed, Array *a) {
  int64_t count, bytes;
  *a = (Array){.dtype = port->dtype, .rank = port->rank};
  for (int64_t i = 0; i < port->rank; i++) a->dim[i] = dim[i];
  if (!array_bytes(a, &count, &bytes)) return false;
  void *data = os_memory((size_t)bytes);
  for (int64_t i = 0; data && i < count; i++) set_random(a, data, i, next_random(seed));
  a->data = data;
  return data;
}

/* ---- looking at elements ---- */

static double half_number(uint16_t h) {
  int exponent = h >> 10 & 31;
  double m = h & 1023, v;
  if (exponent == 31) return m != 0 ? __builtin_nan("") : h >> 15 ? -__builtin_inf() : __builtin_inf();
  v = exponent ? m + 1024 : m;
  for (int e = exponent ? exponent : 1; e < 25; e++) v /= 2;
  for (int e = 25; e < exponent; e++) v *= 2;
  return h >> 15 ? -v : v;
}

double array_number(const Array *a, int64_t i) {
  union { uint32_t bits; float f; } u;
  switch (a->dtype) {
  case LRT_f64: return ((const double *)a->data)[i];
  case LRT_f32: return (double)((const float *)a->data)[i];
  case LRT_f16: return half_number(((const uint16_t *)a->data)[i]);
  case LRT_bf16: u.bits = (uint32_t)((const uint16_t *)a->data)[i] << 16; return (double)u.f;
  case LRT_i64: return (double)((const int64_t *)a->data)[i];
  case LRT_i32: return ((const int32_t *)a->data)[i];
  case LRT_i16: return ((const int16_t *)a->data)[i];
  case LRT_i8: return ((const int8_t *)a->data)[i];
  case LRT_u64: return (double)((const uint64_t *)a->data)[i];
  case LRT_u32: return ((const uint32_t *)a->data)[i];
  case LRT_u16: return ((const uint16_t *)a->data)[i];
  default: return ((const uint8_t *)a->data)[i];
  }
}
