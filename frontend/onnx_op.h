/* onnx_op.h -- what the importer of one ONNX operator gets, and the table that lists them all (onnx_ops.def). */
#ifndef LATHE_ONNX_OP_H
#define LATHE_ONNX_OP_H

#include "ir/ir.h"

typedef struct OnnxImporter OnnxImporter; /* the state of an import: onnx_import.c */
typedef struct OnnxNode OnnxNode;         /* the node as it stands in the file */

/* One node being imported. Operands and results are by ONNX's order; the importer fills in `out`. */
typedef struct OnnxCall {
  OnnxImporter *importer;
  Builder *b;
  const OnnxNode *node;
  const char *domain, *type; /* "" for ONNX's own domain */
  int64_t opset;             /* the version imported of that domain */
  int n_in, n_out;
  Value **in;                /* NULL where left out; use onnx_in() for those past the end */
  Value **out;
  const bool *wanted;        /* is result i named (and so must be made)? */
} OnnxCall;

static inline Value *onnx_in(const OnnxCall *c, int i) { return i < c->n_in ? c->in[i] : NULL; }
static inline bool onnx_wants(const OnnxCall *c, int i) { return i < c->n_out && c->wanted[i]; }

/* Attributes by name. Each has been checked against the row's list; one of another kind than asked for is an error. */
bool onnx_has(const OnnxCall *c, const char *name);
int64_t onnx_int(const OnnxCall *c, const char *name, int64_t dflt);
double onnx_float(const OnnxCall *c, const char *name, double dflt);
const char *onnx_string(const OnnxCall *c, const char *name, const char *dflt);
/* The number of elements; 0 where it is absent (onnx_has tells that from an empty list). */
int onnx_ints(const OnnxCall *c, const char *name, const int64_t **v);
int onnx_floats(const OnnxCall *c, const char *name, const double **v);
Constant *onnx_tensor(const OnnxCall *c, const char *name); /* NULL where it is absent */
/* TensorProto.DataType in an int attribute, as a Dtype, `dflt` where it is absent or 0; an error names a type that Lathe
 * does not have. */
bool onnx_dtype(const OnnxCall *c, const char *name, Dtype dflt, Dtype *out);

/* This form of the operator is not supported: goes to the list that is shown before any work is done. `instead`: what the
 * user could do about it, or NULL. Returns false. */
bool onnx_refuse(OnnxCall *c, const char *instead, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The model breaks ONNX's own rules. Returns false. */
bool onnx_invalid(OnnxCall *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The values of an integer (or float) operand that is constant; false, silently, where it is not. */
bool onnx_const_ints(OnnxCall *c, Value *v, int max, int64_t *out, int *n);
bool onnx_const_float(OnnxCall *c, Value *v, double *out);

/* A row of the table: which operator, from which opset of its domain on (the newest row that is old enough applies), how
 * many operands (the first min_in must be given; those behind may be left out) and results, which attributes it may have ("axis keepdims"), and who imports it. */
typedef struct OnnxRow {
  const char *domain, *type;
  int since;
  int min_in, max_in, min_out, max_out;
  const char *attributes;
  bool (*import)(OnnxCall *c);
  const char *note; /* for docs/support.md: what is not covered; "" where all is */
} OnnxRow;

/* An importer runs when all operands that are given have types: what a failed node makes has none, and goes no further.
 * It returns false after it has reported why. */
#define ONNX(domain, type, since, min_in, max_in, min_out, max_out, attributes, importer, note) \
  bool onnx_import_##importer(OnnxCall *c);
#include "frontend/onnx_ops.def"
#undef ONNX

const OnnxRow *onnx_row(const char *domain, const char *type, int64_t opset);
/* All rows, in the order of onnx_ops.def, for the docs. */
const OnnxRow *onnx_rows(int *n);

/* An operator that is known and not taken (onnx_refused.def). `type` is "ANY" for all of a domain. */
typedef struct OnnxRefused {
  const char *domain, *type, *reason, *instead;
} OnnxRefused;

const OnnxRefused *onnx_refused(const char *domain, const char *type);
const OnnxRefused *onnx_refused_rows(int *n);

/* Is it one of these words, which are separated by spaces? */
bool onnx_among(const char *word, const char *words);

#endif
