/* dtype.h -- element types: their table, and how their values are read, written and rounded. */
#ifndef LATHE_DTYPE_H
#define LATHE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum Dtype {
  DT_none,
#define DTYPE(name, ...) DT_##name,
#include "ir/dtypes.def"
#undef DTYPE
  DT_count
} Dtype;

typedef enum DtypeClass {
  DTC_NONE, DTC_FLOAT, DTC_FN, DTC_FNUZ, DTC_FINITE, DTC_EXP, DTC_TABLE, DTC_INT, DTC_UINT, DTC_BOOL, DTC_INDEX
} DtypeClass;

typedef struct DtypeInfo {
  const char *name;
  DtypeClass cls;
  int bits, exponent, mantissa, bias, onnx;
  const char *doc;
} DtypeInfo;

const DtypeInfo *dtype_info(Dtype t);
const char *dtype_name(Dtype t);
int dtype_bits(Dtype t);
Dtype dtype_find(const char *name, size_t n);  /* DT_none if there is none */
Dtype dtype_from_onnx(int code);               /* DT_none if there is none */
bool dtype_is_float(Dtype t);                  /* FLOAT, FN, FNUZ, FINITE, EXP or TABLE */
bool dtype_is_int(Dtype t);                    /* INT, UINT or INDEX; not bool */
bool dtype_is_signed(Dtype t);                 /* INT, INDEX and floats */
const float *dtype_table(Dtype t);             /* the values of TABLE codes */

/* The bytes that n packed elements take. Returns false when that overflows. */
bool dtype_size(Dtype t, int64_t n, int64_t *bytes);

/* Element i of a packed array, as raw bits (zero-extended), as a double, or as an integer (u64 keeps its bits;
 * floats truncate toward zero). */
uint64_t dtype_get_bits(Dtype t, const void *at, int64_t i);
void dtype_set_bits(Dtype t, void *at, int64_t i, uint64_t bits);
double dtype_get_f(Dtype t, const void *at, int64_t i);
int64_t dtype_get_i(Dtype t, const void *at, int64_t i);
/* Rounds to nearest even; floats without Inf saturate; integers truncate toward zero and wrap, as a C cast to a wide
 * integer followed by a narrowing does. */
void dtype_set_f(Dtype t, void *at, int64_t i, double v);
void dtype_set_i(Dtype t, void *at, int64_t i, int64_t v);

/* An integer's or bool's bits as a number, and a number's low bits (bool: is it not 0). */
int64_t dtype_extend(Dtype t, uint64_t bits);
uint64_t dtype_narrow(Dtype t, int64_t v);

typedef enum Rounding { ROUND_EVEN, ROUND_UP, ROUND_DOWN, ROUND_NEAREST } Rounding;

/* The single place where a double becomes a float of any format. `saturate` is ONNX's attribute of Cast and
 * QuantizeLinear for the 8-bit formats; `mode` applies to f8e8m0 alone. */
uint64_t dtype_encode(Dtype t, double v, bool saturate, Rounding mode);
double dtype_decode(Dtype t, uint64_t bits);

/* One element from one type to another with ONNX's Cast semantics. */
uint64_t dtype_cast(Dtype from, uint64_t bits, Dtype to, bool saturate, Rounding mode);

#endif
