/* onnx_table.c -- the table of ONNX operators, and the search for the row that applies. */
#include "frontend/onnx_op.h"

#include <string.h>

#define DOMAIN_ai ""
#define DOMAIN_ms "com.microsoft"
#define DOMAIN_ml "ai.onnx.ml"
#define DOMAIN_preview "ai.onnx.preview"
#define DOMAIN_training "ai.onnx.preview.training"
#define MANY OP_MANY
#define ONNX(domain, type, since, min_in, max_in, min_out, max_out, attributes, importer, note)                        \
  {DOMAIN_##domain, #type, since, min_in, max_in, min_out, max_out, attributes, onnx_import_##importer, note},
static const OnnxRow table[] = {
#include "frontend/onnx_ops.def"
};
#undef ONNX
#undef MANY

/* The reasons, as names of variables that the rows refer to. */
#define WHY(reason, text, instead) static const char why_##reason[] = text, instead_##reason[] = instead;
#define REFUSED(domain, type, reason)
#include "frontend/onnx_refused.def"
#undef WHY
#undef REFUSED

#define WHY(reason, text, instead)
#define REFUSED(domain, type, reason) {DOMAIN_##domain, #type, why_##reason, instead_##reason},
static const OnnxRefused refused[] = {
#include "frontend/onnx_refused.def"
};
#undef WHY
#undef REFUSED
#undef DOMAIN_ai
#undef DOMAIN_ms
#undef DOMAIN_ml
#undef DOMAIN_preview
#undef DOMAIN_training

enum { ROWS = sizeof table / sizeof *table };

const OnnxRow *onnx_row(const char *domain, const char *type, int64_t opset) {
  const OnnxRow *best = NULL;
  for (int i = 0; i < ROWS; i++) {
    const OnnxRow *r = &table[i];
    if (r->since > opset || (best && r->since < best->since)) continue;
    if (strcmp(r->type, type) == 0 && strcmp(r->domain, domain) == 0) best = r;
  }
  return best;
}

const OnnxRow *onnx_rows(int *n) {
  *n = ROWS;
  return table;
}

const OnnxRefused *onnx_refused_rows(int *n) {
  *n = sizeof refused / sizeof *refused;
  return refused;
}

const OnnxRefused *onnx_refused(const char *domain, const char *type) {
  int n;
  const OnnxRefused *row = onnx_refused_rows(&n);
  for (int i = 0; i < n; i++)
    if (strcmp(row[i].domain, domain) == 0 && (strcmp(row[i].type, "ANY") == 0 || strcmp(row[i].type, type) == 0))
      return &row[i];
  return NULL;
}
