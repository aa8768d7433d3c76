/* onnx_table.c -- the table of ONNX operators, and the search for the row that applies. */
#include "frontend/onnx_op.h"

#include <string.h>

#define DOMAIN_ai ""
#define DOMAIN_ms "com.microsoft"
#define MANY OP_MANY
#define ONNX(domain, type, since, min_in, max_in, min_out, max_out, attributes, importer, note)                        \
  {DOMAIN_##domain, #type, since, min_in, max_in, min_out, max_out, attributes, onnx_import_##importer, note},
static const OnnxRow table[] = {
#include "frontend/onnx_ops.def"
};
#undef ONNX
#undef MANY
#undef DOMAIN_ai
#undef DOMAIN_ms

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
