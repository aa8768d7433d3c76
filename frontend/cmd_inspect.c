/* cmd_inspect.c -- `lathe inspect`: says what a model holds. */
#include <inttypes.h>
#include <jansson.h>

#include "frontend/driver.h"
#include "ir/checked.h"
#include "ir/cost.h"
#include "ir/eval.h"
#include "ir/fatal.h"

/* ---- gathering ---- */

typedef struct Summary {
  int64_t parameters, parameter_bytes;
  int constants;
  int count[OP_count];
  int nodes;
  Cost cost;
} Summary;

/* Weights have names; but small ones are literals, among which only floats of several numbers are taken for weights. */
static bool is_weight(const Constant *c) {
  int64_t bytes;
  if (c->name) return true;
  return dtype_is_float(c->type->dtype) && constant_size(c, &bytes) && bytes > dtype_bits(c->type->dtype) / 8;
}

/* Splats may be declared as large as one likes: sums stay at the largest number. */
static void tally(int64_t *sum, int64_t n) {
  if (!checked_add(*sum, n, sum)) *sum = INT64_MAX;
}

static void count_constant(Summary *s, const Constant *c) {
  int64_t bytes, n = 1;
  if (!is_weight(c)) return;
  for (int k = 0; k < c->type->rank; k++)
    if (dim_is_const(c->type->dim[k]) && !checked_mul(n, c->type->dim[k]->constant, &n)) n = INT64_MAX;
  s->constants++;
  tally(&s->parameters, n);
  tally(&s->parameter_bytes, constant_size(c, &bytes) ? bytes : INT64_MAX);
}

/* A branch counts whole, a loop's body once: how often it runs is the data's to say. */
static void count_block(Summary *s, const Block *b) {
  for (const Node *n = b->first; n; n = n->next) {
    if (op_is_terminator(n->op)) continue;
    Cost c = {0};
    cost_node(n, &c);
    s->cost.flops += c.flops;
    s->cost.bytes_read += c.bytes_read;
    s->cost.bytes_written += c.bytes_written;
    Constant *k = n->op == OP_const ? node_attr(n, attr_slot(const, value))->constant : NULL;
    if (k && !k->name) count_constant(s, k);
    s->count[n->op]++;
    s->nodes++;
    for (int i = 0; i < n->n_regions; i++) count_block(s, n->region[i]);
  }
}

static Summary summarise(const Module *m) {
  Summary s = {0};
  for (int i = 0; i < m->constants.n; i++) count_constant(&s, m->constants.at[i]);
  for (int i = 0; i < m->funcs.n; i++) count_block(&s, m->funcs.at[i]->body);
  return s;
}

/* ---- as text ---- */

static void show_unsupported(const OnnxReport *r) {
  if (!r->n) return;
  puts("\nnot supported:");
  for (int i = 0; i < r->n; i++) {
    const OnnxRefusal *x = &r->at[i];
    printf("  %s%s%s (opset %" PRId64 "), %d node%s, first `%s`: %s\n", x->domain, *x->domain ? "." : "", x->type, x->opset,
           x->count, x->count == 1 ? "" : "s", x->node, x->reason);
    if (x->instead) printf("    instead: %s\n", x->instead);
  }
}

static void show_func(Driver *d, const Func *f) {
  printf("%s @%s\n", f->level == LEVEL_KERNEL ? "kernel" : "function", f->name);
  for (int i = 0; i < f->body->n_args; i++) {
    const Value *v = f->body->arg[i];
    printf("  in   %-24s %s\n", v->name ? v->name : "?", type_text(d->arena, v->type));
  }
  for (int i = 0; i < f->n_results; i++)
    printf("  out  %-24s %s\n", f->result_name[i] ? f->result_name[i] : "?", type_text(d->arena, f->result[i]));
}

/* The ops that models are made of, where passes have found more of them than the model names. */
static const Op model_ops[] = {OP_attention, OP_layernorm, OP_rmsnorm, OP_gelu, OP_silu, OP_softmax};
enum { N_MODEL_OPS = sizeof model_ops / sizeof *model_ops };

static int found(const Summary *before, const Summary *s, Op op) {
  return s->count[op] > before->count[op] ? s->count[op] - before->count[op] : 0;
}

static void show_recovered(const Summary *before, const Summary *s) {
  int n = 0;
  for (int i = 0; i < N_MODEL_OPS; i++) {
    int more = found(before, s, model_ops[i]);
    if (more) printf("%s%d %s", n++ ? ", " : "recovered  ", more, op_name(model_ops[i]));
  }
  if (n) putchar('\n');
}

static void show(Driver *d, const Module *m, const Summary *before) {
  Summary s = summarise(m);
  for (int i = 0; i < m->funcs.n; i++) show_func(d, m->funcs.at[i]);
  printf("weights  %" PRId64 " numbers in %d constants, %.1f kB\n", s.parameters, s.constants, (double)s.parameter_bytes / 1e3);
  printf("cost     %.6g flops, %.6g bytes read, %.6g written\n", s.cost.flops, s.cost.bytes_read, s.cost.bytes_written);
  show_recovered(before, &s);
  printf("nodes    %d\n", s.nodes);
  for (int i = 0; i < OP_count; i++)
    if (s.count[i]) printf("  %6d %s\n", s.count[i], op_name((Op)i));
}

/* ---- as JSON ---- */

static json_t *json_value(Driver *d, const char *name, Type t) {
  return json_pack("{s:s*, s:s}", "name", name, "type", type_text(d->arena, t));
}

static json_t *json_func(Driver *d, const Func *f) {
  json_t *in = json_array(), *out = json_array();
  for (int i = 0; i < f->body->n_args; i++) json_array_append_new(in, json_value(d, f->body->arg[i]->name, f->body->arg[i]->type));
  for (int i = 0; i < f->n_results; i++) json_array_append_new(out, json_value(d, f->result_name[i], f->result[i]));
  return json_pack("{s:s, s:o, s:o}", "name", f->name, "inputs", in, "outputs", out);
}

static json_t *json_unsupported(const OnnxReport *r) {
  json_t *list = json_array();
  for (int i = 0; i < r->n; i++) {
    const OnnxRefusal *x = &r->at[i];
    json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s, s:i, s:s*, s:s*}", "domain", x->domain, "op", x->type, "opset",
                                          (json_int_t)x->opset, "node", x->node, "nodes", x->count, "reason", x->reason,
                                          "instead", x->instead));
  }
  return list;
}

static void show_json(Driver *d, const Module *m, const Summary *before, const OnnxReport *r) {
  json_t *root = json_object(), *ops = json_object(), *funcs = json_array(), *recovered = json_object();
  if (m) {
    Summary s = summarise(m);
    for (int i = 0; i < OP_count; i++)
      if (s.count[i]) json_object_set_new(ops, op_name((Op)i), json_integer(s.count[i]));
    for (int i = 0; i < N_MODEL_OPS; i++)
      if (found(before, &s, model_ops[i])) json_object_set_new(recovered, op_name(model_ops[i]), json_integer(found(before, &s, model_ops[i])));
    for (int i = 0; i < m->funcs.n; i++) json_array_append_new(funcs, json_func(d, m->funcs.at[i]));
    json_object_set_new(root, "parameters", json_integer(s.parameters));
    json_object_set_new(root, "parameter_bytes", json_integer(s.parameter_bytes));
    json_object_set_new(root, "flops", json_real(s.cost.flops));
    json_object_set_new(root, "bytes_read", json_real(s.cost.bytes_read));
    json_object_set_new(root, "bytes_written", json_real(s.cost.bytes_written));
    json_object_set_new(root, "nodes", json_integer(s.nodes));
  }
  json_object_set_new(root, "functions", funcs);
  json_object_set_new(root, "ops", ops);
  json_object_set_new(root, "recovered", recovered);
  json_object_set_new(root, "unsupported", json_unsupported(r));
  json_dumpf(root, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(root);
}

int command_inspect(Driver *d) {
  OnnxReport report = {0};
  DiagMark mark = diag_mark(d->diag);
  Module *m = driver_load(d, &report);
  if (!m && diag_errors(d->diag) == report.n) diag_rewind(d->diag, mark); /* the list below says it all */
  Summary before = m ? summarise(m) : (Summary){0};
  if (m && !driver_run_passes(d, m)) m = NULL;
  if (option_given(&d->options, "json")) show_json(d, m, &before, &report);
  else {
    if (m) show(d, m, &before);
    show_unsupported(&report);
  }
  return m ? EXIT_OK : EXIT_INPUT;
}
