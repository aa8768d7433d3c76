/* emit.h -- what the emitters share: numbering a kernel's values, and refusing what a target cannot do.
 *
 * An emitter checks a whole kernel before it emits any of it, so that everything that is wrong is reported at once and
 * emission itself cannot fail. */
#ifndef LATHE_EMIT_H
#define LATHE_EMIT_H

#include "ir/ir.h"
#include "ir/target.h"

/* Gives each value of the function a number from 0 on, for tables by Value.number; returns how many there are. One without a
 * name has the number that its text has. */
int emit_number_values(const Func *f);

/* What a workgroup of the kernel has in common, in bytes. */
int64_t emit_workgroup_memory(const Func *f);

typedef struct EmitCheck {
  const char *emitter; /* as messages begin: "spirv" */
  const Target *target;
  const Func *func;
  Diag *diag;
  /* Why the target cannot do a node, or NULL. */
  const char *(*refuse)(const void *ctx, const Node *n);
  const void *ctx;
} EmitCheck;

/* "spirv: @gemv: what": false. */
bool emit_refuse(const EmitCheck *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Checks what the kernel requires, its workgroup, and each of its nodes: "spirv: @gemv: `load`: why". */
bool emit_check(const EmitCheck *c);

#endif
