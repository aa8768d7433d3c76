/* emit.c -- what the emitters share: numbering a kernel's values, and refusing what a target cannot do. */
#include "codegen/emit.h"

#include <inttypes.h>

#include "ir/text.h"

static void number_named(const Block *b, int *next) {
  for (int i = 0; i < b->n_args; i++)
    if (b->arg[i]->number < 0) b->arg[i]->number = (*next)++;
  for (const Node *n = b->first; n; n = n->next) {
    for (int r = 0; r < n->n_regions; r++) number_named(n->region[r], next);
    for (int i = 0; i < n->n_out; i++)
      if (n->out[i]->number < 0) n->out[i]->number = (*next)++;
  }
}

int emit_number_values(const Func *f) {
  int n = text_number_values(f);
  number_named(f->body, &n);
  return n;
}

int64_t emit_workgroup_memory(const Func *f) {
  int64_t bytes = 0;
  for (const Node *n = f->body->first; n; n = n->next)
    if (n->op == OP_workgroup_memory) bytes += n->out[0]->type->lanes * ((dtype_bits(n->out[0]->type->dtype) + 7) / 8);
  return bytes;
}

bool emit_refuse(const EmitCheck *c, const char *fmt, ...) {
  char what[512];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(what, sizeof what, fmt, ap);
  va_end(ap);
  return diag_error(c->diag, c->func->loc, "%s: @%s: %s", c->emitter, c->func->name, what);
}

static bool check_block(const EmitCheck *c, const Block *b) {
  bool good = true;
  for (const Node *n = b->first; n; n = n->next) {
    const char *why = c->refuse(c->ctx, n);
    if (why) good = diag_error(c->diag, n->loc, "%s: @%s: `%s`: %s", c->emitter, c->func->name, op_name(n->op), why);
    for (int r = 0; r < n->n_regions; r++) good = check_block(c, n->region[r]) && good;
  }
  return good;
}

/* Each side is bound alone, too, so that the product is one. */
static bool check_workgroup(const EmitCheck *c) {
  const int64_t *local = c->func->launch.local, most = c->target->workgroup;
  bool fits = local[0] <= most && local[1] <= most && local[2] <= most && local[0] * local[1] * local[2] <= most;
  return fits || emit_refuse(c, "a workgroup of %" PRId64 "x%" PRId64 "x%" PRId64 ": %s runs %d at most", local[0],
                             local[1], local[2], c->target->name, c->target->workgroup);
}

static bool check_requires(const EmitCheck *c) {
  const char *missing = target_lacks(c->target, c->func->launch.requires);
  return !missing ||
         emit_refuse(c, "requires `%.*s`, which %s has not", (int)strcspn(missing, ","), missing, c->target->name);
}

bool emit_check(const EmitCheck *c) {
  bool good = check_requires(c);
  good = check_workgroup(c) && good;
  return check_block(c, c->func->body) && good;
}
