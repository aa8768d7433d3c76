/* onnx_repair.c -- what exporters are known to write wrongly, put right before the import. */
#include "frontend/onnx_import.h"

static bool is_constant(const PbNode *n) {
  return strcmp(onnx_text(n->op_type), "Constant") == 0 && !*onnx_domain(n->domain) && n->n_output == 1;
}

/* torch 1.6's optimiser of GPT-2 left some Constants twice, with different values, and lists them as inputs, too. ONNX
 * Runtime, for which such models were made, makes initialisers of Constants and takes the last. */
void onnx_repair_constants(OnnxImporter *imp, PbGraph *g) {
  StrMap last = {0};
  int twice = 0;
  size_t kept = g->n_node;
  for (size_t i = g->n_node; i-- > 0;) {
    PbNode *n = g->node[i];
    if (is_constant(n) && !strmap_add(imp->arena, &last, n->output[0], n))
      twice++;
    else
      g->node[--kept] = n;
  }
  g->n_node -= kept;
  if (kept) g->node += kept;
  kept = 0;
  for (size_t i = 0; i < g->n_input; i++)
    if (!strmap_get(&last, onnx_text(g->input[i]->name))) g->input[kept++] = g->input[i];
  g->n_input = kept;
  if (twice)
    diag_warn(imp->diag, (Loc){.file = imp->path}, "%d Constants are defined twice; the last of each counts", twice);
}
