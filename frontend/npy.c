/* npy.c -- NumPy's .npy files, read and written. */
#include "frontend/npy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "ir/checked.h"
#include "ir/fatal.h"
#include "ir/out_file.h"

/* How NumPy spells the types that both have. */
static const struct {
  const char *descr;
  Dtype dtype;
} spellings[] = {
    {"<f8", DT_f64}, {"<f4", DT_f32}, {"<f2", DT_f16}, {"<i8", DT_i64}, {"<i4", DT_i32}, {"<i2", DT_i16},
    {"|i1", DT_i8},  {"<u8", DT_u64}, {"<u4", DT_u32}, {"<u2", DT_u16}, {"|u1", DT_u8},  {"|b1", DT_bool},
};
enum { N_SPELLINGS = sizeof spellings / sizeof *spellings };

/* ---- reading ---- */

/* What stands behind 'key': in the header, which is a Python dict on one line. */
static const char *entry(const char *header, const char *key) {
  char quoted[32];
  snprintf(quoted, sizeof quoted, "'%s'", key);
  const char *at = strstr(header, quoted);
  if (!at) return NULL;
  at += strlen(quoted);
  at += strspn(at, " ");
  if (*at != ':') return NULL;
  return at + 1 + strspn(at + 1, " ");
}

static Dtype read_descr(const char *header) {
  const char *at = entry(header, "descr");
  for (int i = 0; at && i < N_SPELLINGS; i++)
    if (at[0] == '\'' && strncmp(at + 1, spellings[i].descr, 3) == 0 && at[4] == '\'') return spellings[i].dtype;
  return DT_none;
}

static bool read_shape(const char *header, int *rank, int64_t *dim) {
  const char *at = entry(header, "shape");
  if (!at || *at++ != '(') return false;
  for (*rank = 0; at += strspn(at, " ,"), *at && *at != ')'; (*rank)++) {
    char *end;
    if (*rank == MAX_RANK) return false;
    errno = 0;
    dim[*rank] = strtoll(at, &end, 10);
    if (end == at || errno || dim[*rank] < 0) return false;
    at = end;
  }
  return *at == ')';
}

enum { HEADER_MAX = 1 << 16 };

/* The header's text, and the file standing at the first element. */
static bool read_header(FILE *f, char *header) {
  unsigned char b[12];
  if (fread(b, 1, 10, f) != 10 || memcmp(b, "\x93NUMPY", 6) != 0 || b[6] < 1 || b[6] > 3) return false;
  size_t n = (size_t)b[8] | (size_t)b[9] << 8;
  if (b[6] > 1) {
    if (fread(b + 10, 1, 2, f) != 2) return false;
    n |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
  }
  if (n >= HEADER_MAX || fread(header, 1, n, f) != n) return false;
  header[n] = 0;
  return true;
}

/* The bytes that are left in the file, so that a size from its header is checked before memory is asked for. */
static int64_t bytes_left(FILE *f) {
  long here = ftell(f);
  if (here < 0 || fseek(f, 0, SEEK_END) != 0) return -1;
  long end = ftell(f);
  return fseek(f, here, SEEK_SET) == 0 ? (int64_t)end - here : -1;
}

static Tensor *read_open(Diag *d, const char *path, FILE *f) {
  char header[HEADER_MAX];
  Loc loc = {.file = path};
  int rank;
  int64_t dim[MAX_RANK], count = 1, bytes;
  if (!read_header(f, header)) return diag_error(d, loc, "this is not a .npy file"), NULL;
  Dtype t = read_descr(header);
  const char *fortran = entry(header, "fortran_order");
  if (t == DT_none) return diag_error(d, loc, "its element type is not one of f2 f4 f8, i1 to i8, u1 to u8, b1, little-endian"), NULL;
  if (!fortran || strncmp(fortran, "False", 5) != 0)
    return diag_error(d, loc, "its elements are in Fortran order"), diag_hint(d, "save numpy.ascontiguousarray(x)"), NULL;
  if (!read_shape(header, &rank, dim)) return diag_error(d, loc, "its shape cannot be read, or has more than %d axes", MAX_RANK), NULL;
  for (int i = 0; i < rank; i++)
    if (!checked_mul(count, dim[i], &count)) return diag_error(d, loc, "its shape overflows"), NULL;
  if (!dtype_size(t, count, &bytes) || bytes > bytes_left(f))
    return diag_error(d, loc, "%" PRId64 " elements of %s are declared, and %" PRId64 " bytes follow", count, dtype_name(t), bytes_left(f)), NULL;
  Tensor *x = tensor_new(NULL, t, rank, dim);
  if (x && fread(x->data, 1, (size_t)bytes, f) != (size_t)bytes) {
    tensor_release(x);
    return diag_error(d, loc, "it cannot be read: %s", strerror(errno)), NULL;
  }
  return x;
}

Tensor *npy_read(Diag *d, const char *path) {
  FILE *f = fopen(path, "rb");
  if (!f) return diag_error(d, (Loc){.file = path}, "cannot open: %s", strerror(errno)), NULL;
  Tensor *x = read_open(d, path, f);
  fclose(f);
  return x;
}

/* ---- writing ---- */

static Dtype written_type(Dtype t) {
  for (int i = 0; i < N_SPELLINGS; i++)
    if (spellings[i].dtype == t) return t;
  if (dtype_is_float(t)) return DT_f32;
  return dtype_is_signed(t) ? DT_i8 : DT_u8;
}

static void write_header(FILE *f, const Tensor *t, Dtype as) {
  char shape[MAX_RANK * 24] = "", header[1024];
  const char *descr = "";
  size_t at = 0;
  for (int i = 0; i < N_SPELLINGS; i++)
    if (spellings[i].dtype == as) descr = spellings[i].descr;
  for (int i = 0; i < t->rank; i++)
    at += (size_t)snprintf(shape + at, sizeof shape - at, "%" PRId64 ",%s", t->dim[i], i + 1 < t->rank ? " " : "");
  int n = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape);
  int padded = (n + 1 + 10 + 63) / 64 * 64 - 10; /* the elements begin at a multiple of 64 */
  fwrite("\x93NUMPY\x01\x00", 1, 8, f);
  fputc(padded & 255, f);
  fputc(padded >> 8, f);
  fprintf(f, "%s%*s\n", header, padded - n - 1, "");
}

static void write_elements(FILE *f, const Tensor *t, Dtype as) {
  int64_t bytes;
  unsigned char one[8];
  if (as == t->dtype) {
    ensure(dtype_size(t->dtype, t->count, &bytes));
    fwrite(t->data, 1, (size_t)bytes, f);
    return;
  }
  for (int64_t i = 0; i < t->count; i++) {
    dtype_set_bits(as, one, 0, dtype_cast(t->dtype, dtype_get_bits(t->dtype, t->data, i), as, true, ROUND_EVEN));
    fwrite(one, 1, (size_t)dtype_bits(as) / 8, f);
  }
}

void npy_write(const char *path, const Tensor *t) {
  Arena *a = arena_new();
  OutFile o = out_open(a, path, 0666);
  write_header(out_stream(&o), t, written_type(t->dtype));
  write_elements(out_stream(&o), t, written_type(t->dtype));
  out_close(&o);
  arena_free(a);
}
