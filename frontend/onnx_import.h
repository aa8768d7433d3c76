/* onnx_import.h -- the state of an import, shared by the files that do it. Importers of operators see onnx_op.h alone. */
#ifndef LATHE_ONNX_IMPORT_H
#define LATHE_ONNX_IMPORT_H

#include "frontend/onnx.h"
#include "frontend/onnx_op.h"
#include "frontend/onnx_tensor.h"
#include "ir/strmap.h"
#include "onnx.pb-c.h"

typedef Lathe__Onnx__ModelProto PbModel;
typedef Lathe__Onnx__OperatorSetIdProto PbOpset;
typedef Lathe__Onnx__FunctionProto PbFunction;
typedef Lathe__Onnx__GraphProto PbGraph;
typedef Lathe__Onnx__NodeProto PbNode;
typedef Lathe__Onnx__AttributeProto PbAttribute;
typedef Lathe__Onnx__TensorProto PbTensor;
typedef Lathe__Onnx__ValueInfoProto PbValueInfo;
typedef Lathe__Onnx__TypeProto PbType;
typedef Lathe__Onnx__TensorShapeProto PbShape;
typedef Lathe__Onnx__DimensionProto PbDimension;

/* Lists that are searched by name from the start; real ones have up to twenty. */
enum { ONNX_MAX_ATTRIBUTES = 100, ONNX_MAX_OPSETS = 100 };

/* Graphs within graphs, those of functions' bodies counted where they are called: each is up to two blocks of the text
 * form, which nests 64 deep. */
enum { ONNX_MAX_GRAPHS = 30 };

/* What a protobuf string that is absent reads as. */
static inline const char *onnx_text(const char *s) { return s ? s : ""; }

/* The model's graph, or one call of a function that is being inlined. */
typedef struct OnnxFrame {
  const struct OnnxFrame *caller; /* NULL: the model's graph */
  const OnnxNode *call;
  const PbFunction *function;
  size_t n_opsets;
  PbOpset *const *opset;
  const char *prefix; /* of nodes' names: "", or "block.0/" */
  int depth;
} OnnxFrame;

/* What a name stands for. */
typedef struct OnnxBinding {
  Value *value;                /* without a type: what made it has failed */
  const PbTensor *initializer; /* a constant that nothing has used yet: `value` is NULL */
} OnnxBinding;                 /* neither: an operand that the function's caller left out */

/* The names of a graph or a function's body, and the block that its nodes go to. */
typedef struct OnnxScope {
  struct OnnxScope *outer; /* whose names are seen too; NULL for the model's graph and for functions */
  const OnnxFrame *frame;
  Block *block;
  int graphs;   /* around this one */
  StrMap names; /* to OnnxBinding */
} OnnxScope;

struct OnnxNode {
  const PbNode *pb;
  OnnxScope *scope;
  Loc loc;
};

struct OnnxImporter {
  Arena *arena;
  Diag *diag;
  Module *module;
  Func *func;
  const char *path;
  const OnnxOptions *options;
  PbModel *model;
  size_t memory_limit; /* of the arena, in all */
  bool stopped;        /* the limit was reached: nothing further is imported */
  OnnxStore store;
  StrMap functions; /* "domain:name:overload" to PbFunction */
  StrMap symbols;   /* dim_param to OnnxSize */
  StrMap symbol_names;
  bool *dim_used; /* which of the options' dims have been */
  StrMap refused; /* "domain:type:reason" to OnnxRefusal */
  VEC(OnnxRefusal *) refusals;
  int64_t n_refused;           /* nodes */
  struct Evaluator *evaluator; /* for folding; NULL until it is needed */
};

/* ---- names, nodes and graphs: onnx_graph.c ---- */

/* A string of the unpacked model, which does not outlive the import. */
static inline const char *onnx_keep(OnnxImporter *imp, const char *s) { return s ? arena_string(imp->arena, s, strlen(s)) : ""; }
OnnxScope *onnx_scope_new(OnnxImporter *imp, OnnxScope *outer, const OnnxFrame *frame, Block *block);
/* False after a diag_error: the name is taken. */
bool onnx_bind(OnnxImporter *imp, OnnxScope *s, Loc loc, const char *name, Value *v);
bool onnx_bind_initializers(OnnxImporter *imp, OnnxScope *s, const PbGraph *g);
/* NULL: the caller left the operand out. A name that nothing defines is an error, and gives a value without a type. */
Value *onnx_lookup(OnnxImporter *imp, OnnxScope *s, Loc loc, const char *name);
void onnx_import_nodes(OnnxImporter *imp, OnnxScope *s, size_t n, PbNode *const *node);
/* A graph in an attribute, into `block`, with values for its inputs. `out` gets its n_out results. */
bool onnx_import_subgraph(OnnxCall *c, const PbGraph *g, Block *block, int n_in, Value *const *in, int n_out,
                          Value **out);
Value *onnx_failed_value(OnnxImporter *imp);
int64_t onnx_opset_version(const OnnxFrame *f, const char *domain); /* 0: it is not imported */
const char *onnx_domain(const char *domain);                        /* "ai.onnx" is "" */
void onnx_add_refusal(OnnxImporter *imp, OnnxRefusal r);

/* ---- functions of the model: onnx_function.c ---- */

bool onnx_declare_functions(OnnxImporter *imp);
const PbFunction *onnx_find_function(const OnnxImporter *imp, const PbNode *n);
bool onnx_import_call(OnnxCall *c, const PbFunction *f);

/* ---- attributes: onnx_attr.c ---- */

const PbAttribute *onnx_attribute(const OnnxCall *c, const char *name); /* references followed; NULL where absent */
const PbGraph *onnx_graph(const OnnxCall *c, const char *name);

/* ---- constants: onnx_fold.c ---- */

/* What the value is if that can be known now and is small; NULL, silently, if not. The caller releases it. */
Tensor *onnx_fold(OnnxImporter *imp, const Value *v);

/* ---- types and sizes: onnx_type.c ---- */

/* Learns which names the inputs bind, so that sizes may be written as sums of them. */
void onnx_declare_sizes(OnnxImporter *imp, const PbGraph *g);
/* An input's type; NULL after a diag_error. */
Type onnx_input_type(OnnxImporter *imp, const PbValueInfo *v);
/* Complains of options that name no size. */
bool onnx_check_dim_options(OnnxImporter *imp);

/* ---- what exporters write wrongly: onnx_repair.c ---- */

/* Of several Constants of one name the last counts, and an input of that name does not, as in ONNX Runtime. */
void onnx_repair_constants(OnnxImporter *imp, PbGraph *g);

/* ---- the order of nodes: onnx_order.c ---- */

/* Nodes by index, each after those whose results it or its subgraphs use; as in the file where that is so already. NULL
 * after a diag_error that names a node on a cycle, or a name that is defined twice. */
const int *onnx_order(OnnxImporter *imp, size_t n, PbNode *const *node);

#endif
