/* onnx_fold.c -- what a value is, where an importer must know: a condition, an axis, a scalar that others compute. */
#include "frontend/onnx_import.h"
#include "ir/infer.h"

/* Exporters compute conditions and shapes from sizes in a few small steps. */
enum { MAX_NODES = 64, MAX_ELEMENTS = 4096, MAX_OPERANDS = 8 };

static bool small(const Value *v) {
  int64_t n = 1;
  if (!v->type || v->type->kind != TYPE_TENSOR || v->type->encoded || !type_is_static(v->type)) return false;
  for (int i = 0; i < v->type->rank; i++)
    if (v->type->dim[i]->constant > MAX_ELEMENTS || (n *= v->type->dim[i]->constant) > MAX_ELEMENTS) return false;
  return true;
}

/* Sizes that inference can follow through ops which themselves have operands that are not constant. */
static Tensor *fold_sizes(OnnxImporter *imp, const Value *v) {
  Dim d[MAX_RANK];
  int n;
  if (!dtype_is_int(v->type->dtype) || v->type->rank > 1 || !value_dims(imp->module, v, MAX_RANK, d, &n)) return NULL;
  for (int i = 0; i < n; i++)
    if (!dim_is_const(d[i])) return NULL;
  int64_t count = n;
  Tensor *t = tensor_new(imp->evaluator, v->type->dtype, v->type->rank, &count);
  for (int i = 0; t && i < n; i++) dtype_set_i(t->dtype, t->data, i, d[i]->constant);
  return t;
}

static Tensor *fold(OnnxImporter *imp, const Value *v, int *budget);

static Tensor *fold_node(OnnxImporter *imp, const Value *v, int *budget) {
  const Node *n = v->def;
  Tensor *in[MAX_OPERANDS] = {0}, *out[MAX_OPERANDS] = {0}, *result = NULL;
  bool ok = n->n_in <= MAX_OPERANDS && n->n_out <= MAX_OPERANDS && op_info(n->op)->eval;
  for (int i = 0; i < n->n_out && ok; i++) ok = small(n->out[i]);
  for (int i = 0; i < n->n_in && ok; i++)
    if (node_in(n, i)) ok = (in[i] = fold(imp, node_in(n, i), budget));
  DiagMark mark = diag_mark(imp->diag);
  if (ok && eval_node(imp->evaluator, n, in, out)) result = tensor_ref(out[v->index]);
  diag_rewind(imp->diag, mark);
  for (int i = 0; i < MAX_OPERANDS; i++) tensor_release(in[i]), tensor_release(out[i]);
  return result;
}

static Tensor *fold(OnnxImporter *imp, const Value *v, int *budget) {
  if (!v->type || !v->def || !small(v) || --*budget < 0) return NULL;
  if (value_constant(v)) return eval_constant(imp->evaluator, value_constant(v));
  Tensor *t = fold_sizes(imp, v);
  return t ? t : fold_node(imp, v, budget);
}

Tensor *onnx_fold(OnnxImporter *imp, const Value *v) {
  int budget = MAX_NODES;
  if (!imp->evaluator) imp->evaluator = eval_new(imp->module, (EvalOptions){.max_memory = 1 << 20});
  return v ? fold(imp, v, &budget) : NULL;
}
