/* onnx.h -- ONNX models in, modules out. */
#ifndef LATHE_ONNX_H
#define LATHE_ONNX_H

#include "ir/bind.h"
#include "ir/ir.h"

enum { ONNX_OPSET_MIN = 7, ONNX_OPSET_MAX = 28 };

/* One kind of thing in the model that is not supported, and where it first stands. */
typedef struct OnnxRefusal {
  const char *domain, *type; /* "" for ONNX's own domain */
  int64_t opset;
  const char *node; /* the first one's name */
  const char *reason;
  const char *instead; /* what the user could do, or NULL */
  int count;           /* nodes */
} OnnxRefusal;

typedef struct OnnxReport {
  int n;
  const OnnxRefusal *at; /* in the importing arena */
} OnnxReport;

typedef struct OnnxOptions {
  int n_dims;
  const Binding *dim; /* sizes of the inputs, each by its name in the model or the one that the import gave it */
  bool initializers_are_defaults; /* an input that has an initialiser stays an input; else it is a constant */
  OnnxReport *report;             /* filled in, if not NULL, also when the import fails */
} OnnxOptions;

/* Imports a model as function @main, which model @model holds together with its weights @main.w. All that is wrong or not
 * supported is reported together, and then the result is NULL. `o` may be NULL. */
Module *onnx_import(Arena *a, Diag *d, const char *path, const OnnxOptions *o);

/* The same from bytes in memory, which are not used afterwards. `path` is their name in messages; external data is looked
 * for in its folder. */
Module *onnx_import_memory(Arena *a, Diag *d, const char *path, const void *bytes, size_t size, const OnnxOptions *o);

#endif
