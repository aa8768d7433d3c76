/* onnx_tensor.h -- tensors as ONNX stores them: in the model, in files beside it, or each in a file of its own. */
#ifndef LATHE_ONNX_TENSOR_H
#define LATHE_ONNX_TENSOR_H

#include "frontend/onnx_file.h"
#include "ir/eval.h"
#include "ir/strmap.h"

/* Reads a file that holds one TensorProto (input_0.pb). The name, "" where there is none, is in the arena; the tensor is
 * the caller's to release. False after a diag_error. */
bool onnx_load_tensor(Arena *a, Diag *d, const char *path, const char **name, Tensor **out);

/* ---- for the importer ---- */

typedef struct OnnxExternal {
  const char *location;
  OnnxBytes bytes;
  File *file; /* of the module, once something was found in it */
} OnnxExternal;

/* Where the tensors of a model are. */
typedef struct OnnxStore {
  Arena *arena;
  Diag *diag;
  Module *module;   /* that constants and files go to; NULL: only contents are asked for */
  Weights *weights; /* that constants belong to */
  const char *path; /* the model's, for messages and to find external data beside it */
  OnnxBytes bytes;  /* the model's */
  bool mapped;      /* `bytes` is a mapped file, which constants may refer to */
  File *file;       /* of the module, once something was found in it */
  StrMap constants; /* those made so far, by the tensor's address: a body may be imported many times */
  StrMap locations; /* to OnnxExternal */
  VEC(OnnxExternal *) external;
} OnnxStore;

/* A tensor's contents, packed as dtype.h says. */
typedef struct OnnxData {
  Dtype dtype;
  int rank;
  int64_t dim[MAX_RANK];
  int64_t count, size; /* elements, bytes */
  const void *at;
  enum { ONNX_IN_ARENA, ONNX_IN_MODEL, ONNX_IN_EXTERNAL } place;
  OnnxExternal *external;
} OnnxData;

struct Lathe__Onnx__TensorProto;

/* Checks everything about the tensor. False after a diag_error. */
bool onnx_read_tensor(OnnxStore *s, const struct Lathe__Onnx__TensorProto *t, Loc loc, OnnxData *out);

/* The tensor as a constant: a literal if it is small, else one of the module's under a name like `wish`. NULL after a
 * diag_error. */
Constant *onnx_constant(OnnxStore *s, const struct Lathe__Onnx__TensorProto *t, Loc loc, const char *wish);

/* An element type by ONNX's number, or DT_none after a diag_error that names it. */
Dtype onnx_element_type(Diag *d, Loc loc, int64_t code);
/* The number's name in ONNX, or NULL: for messages. */
const char *onnx_type_name(int64_t code);

/* Unmaps what no module took over. */
void onnx_store_close(OnnxStore *s);

#endif
