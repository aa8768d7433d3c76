/* text_print.c -- writes the text form: modules, functions, and single nodes for messages. */
#include <inttypes.h>
#include <stdlib.h>

#include "ir/fatal.h"
#include "ir/text.h"
#include "ir/text_lex.h"
#include "ir/text_number.h"

/* A longer list of numbers is printed as hexadecimal bytes, which a reader can skip as one word. */
enum { LIST_MAX = 16, BRIEF_BYTES = 16 };

typedef struct Printer {
  FILE *out;
  int indent;
  bool brief; /* one line: no bodies, no long literals */
  bool unplaced; /* no locations */
} Printer;

static void print_block(Printer *p, const Block *b);

static void put(Printer *p, const char *s) { fputs(s, p->out); }

/* As printf() would, at a fifth of its time: most of what a kernel's text takes. */
static void put_number(Printer *p, int v) {
  char digits[12], *at = &digits[sizeof digits - 1];
  unsigned rest = v < 0 ? 0 - (unsigned)v : (unsigned)v;
  *at = 0;
  do *--at = (char)('0' + rest % 10);
  while (rest /= 10);
  if (v < 0) *--at = '-';
  put(p, at);
}

static void start_line(Printer *p) {
  for (int i = 0; i < p->indent; i++) put(p, "  ");
}

static void print_location(Printer *p, Loc loc) {
  if (p->unplaced || !loc.name || !*loc.name) return;
  put(p, " @");
  text_quote(p->out, loc.name);
}

/* ---- numbering ---- */

static int number_block(Block *b, int next);

static int number_value(Value *v, int next) {
  v->number = v->name ? -1 : next;
  return v->name ? next : next + 1;
}

static int number_node(Node *n, int next) {
  for (int i = 0; i < n->n_out; i++) next = number_value(n->out[i], next);
  for (int i = 0; i < n->n_regions; i++) next = number_block(n->region[i], next);
  return next;
}

/* Values without a name, in the order in which they are printed. */
static int number_block(Block *b, int next) {
  for (int i = 0; i < b->n_args; i++) next = number_value(b->arg[i], next);
  for (Node *n = b->first; n; n = n->next) next = number_node(n, next);
  return next;
}

int text_number_values(const Func *f) { return number_block(f->body, 0); }

/* ---- literals ---- */

static void print_element(Printer *p, Dtype t, const void *at, int64_t i) {
  char text[NUMBER_TEXT];
  number_text(t, dtype_get_bits(t, at, i), text);
  put(p, text);
}

static void print_hex(Printer *p, const unsigned char *at, int64_t bytes) {
  put(p, "hex \"");
  for (int64_t i = 0; i < bytes && !(p->brief && i == BRIEF_BYTES); i++) fprintf(p->out, "%02x", at[i]);
  put(p, p->brief && bytes > BRIEF_BYTES ? "...\"" : "\"");
}

/* The elements of a static type, or -1. */
static int64_t element_count(const Constant *c) {
  int64_t n = 1;
  for (int i = 0; i < c->type->rank; i++) {
    Dim d = c->type->dim[i];
    if (!dim_is_const(d) || __builtin_mul_overflow(n, d->constant, &n)) return -1;
  }
  return n;
}

/* The bits that fill a packed literal's last byte up are kept only by its bytes. */
static bool padding_is_zero(const Constant *c, int64_t n, int64_t bytes) {
  int64_t used = n * dtype_bits(c->type->dtype);
  const unsigned char *at = c->bytes;
  return used % 8 == 0 || bytes == 0 || at[bytes - 1] >> (used % 8) == 0;
}

static void print_bytes(Printer *p, const Constant *c) {
  int64_t n = element_count(c), bytes;
  bool sized = constant_size(c, &bytes);
  ensure(sized);
  if (c->type->encoded || n < 0 || n > LIST_MAX || !padding_is_zero(c, n, bytes)) {
    print_hex(p, c->bytes, bytes);
    return;
  }
  if (c->type->rank == 0) {
    print_element(p, c->type->dtype, c->bytes, 0);
    return;
  }
  put(p, "[");
  for (int64_t i = 0; i < n; i++) {
    put(p, i ? ", " : "");
    print_element(p, c->type->dtype, c->bytes, i);
  }
  put(p, "]");
}

static void print_literal(Printer *p, const Constant *c) {
  switch (c->kind) {
  case CONSTANT_BYTES: print_bytes(p, c); break;
  case CONSTANT_SPLAT:
    put(p, "splat ");
    print_element(p, c->type->dtype, c->bytes, 0);
    break;
  case CONSTANT_FILE:
    put(p, "file ");
    text_name(p->out, '@', c->file->name);
    fprintf(p->out, " %" PRId64, c->offset);
    break;
  case CONSTANT_EXPR:
    put(p, "expr ");
    print_block(p, c->body);
    break;
  case CONSTANT_BOUND: put(p, "bound"); break;
  }
}

static void print_constant_use(Printer *p, const Constant *c) {
  if (!c)
    put(p, "(no constant)");
  else if (c->name)
    text_name(p->out, '@', c->name);
  else
    print_literal(p, c);
}

/* ---- attributes ---- */

static void print_float(Printer *p, double v) { print_element(p, DT_f64, &v, 0); }

/* A list in brackets. */
#define PRINT_LIST(p, n, each)                                                                                         \
  do {                                                                                                                 \
    put(p, "[");                                                                                                       \
    for (int i = 0; i < (n); i++) {                                                                                    \
      put(p, i ? ", " : "");                                                                                           \
      each;                                                                                                            \
    }                                                                                                                  \
    put(p, "]");                                                                                                       \
  } while (0)

static void print_attr(Printer *p, AttrKind kind, const Attr *a) {
  switch (kind) {
  case AK_INT: fprintf(p->out, "%" PRId64, a->i); break;
  case AK_BOOL: put(p, a->i ? "true" : "false"); break;
  case AK_DTYPE: put(p, dtype_name((Dtype)a->i)); break;
  case AK_FLOAT: print_float(p, a->f); break;
  case AK_STR: text_word(p->out, a->s ? a->s : ""); break;
  case AK_INTS: PRINT_LIST(p, a->ints.n, fprintf(p->out, "%" PRId64, a->ints.at[i])); break;
  case AK_FLOATS: PRINT_LIST(p, a->floats.n, print_float(p, a->floats.at[i])); break;
  case AK_DIMS: PRINT_LIST(p, a->dims.n, dim_print(p->out, a->dims.at[i])); break;
  case AK_STATE: text_name(p->out, '@', a->state ? a->state->name : ""); break;
  case AK_CONST: print_constant_use(p, a->constant); break;
  case AK_FUNC: text_name(p->out, '@', a->func ? a->func->name : ""); break;
  }
}
#undef PRINT_LIST

static bool stands_in_front(AttrKind kind) { return kind == AK_CONST || kind == AK_FUNC; }

static void print_front(Printer *p, const Node *n) {
  const OpInfo *info = op_info(n->op);
  for (int i = 0; i < info->n_attrs; i++) {
    if (!stands_in_front(info->attr[i].kind)) continue;
    put(p, " ");
    print_attr(p, info->attr[i].kind, &n->attr[i]);
  }
}

static void print_attrs(Printer *p, const Node *n) {
  const OpInfo *info = op_info(n->op);
  for (int i = 0; i < info->n_attrs; i++) {
    if (stands_in_front(info->attr[i].kind) || attr_is_default(n, i)) continue;
    put(p, " ");
    put(p, info->attr[i].name);
    put(p, "=");
    print_attr(p, info->attr[i].kind, &n->attr[i]);
  }
}

/* ---- nodes ---- */

static void print_value(Printer *p, const Value *v) {
  if (!v)
    put(p, "_");
  else if (!v->name)
    put(p, "%"), put_number(p, v->number);
  else if (strspn(v->name, "0123456789") == strlen(v->name)) {
    put(p, "%");
    text_quote(p->out, v->name);
  } else
    text_name(p->out, '%', v->name);
}

static void print_args(Printer *p, const Block *b) {
  put(p, "(");
  for (int i = 0; i < b->n_args; i++) {
    put(p, i ? ", " : "");
    print_value(p, b->arg[i]);
    put(p, ": ");
    type_print(p->out, b->arg[i]->type);
  }
  put(p, ")");
}

static void print_regions(Printer *p, const Node *n) {
  for (int i = 0; i < n->n_regions; i++) {
    put(p, " ");
    if (n->region[i]->n_args) {
      print_args(p, n->region[i]);
      put(p, " ");
    }
    print_block(p, n->region[i]);
  }
}

static void print_node(Printer *p, const Node *n) {
  for (int i = 0; i < n->n_out; i++) {
    put(p, i ? ", " : "");
    print_value(p, n->out[i]);
  }
  put(p, n->n_out ? " = " : "");
  put(p, op_name(n->op));
  print_front(p, n);
  for (int i = 0; i < n->n_in; i++) {
    put(p, i ? ", " : " ");
    print_value(p, n->in[i].value);
  }
  print_attrs(p, n);
  print_regions(p, n);
  for (int i = 0; i < n->n_out; i++) {
    put(p, i ? ", " : " : ");
    type_print(p->out, n->out[i]->type);
  }
  print_location(p, n->loc);
}

/* A block that only yields stays on its line. */
static void print_block(Printer *p, const Block *b) {
  if (p->brief) {
    put(p, "{...}");
    return;
  }
  bool single = b->first && b->first == b->last && b->first->n_regions == 0 && b->parent;
  put(p, single ? "{ " : "{\n");
  p->indent++;
  for (const Node *n = b->first; n; n = n->next) {
    if (!single) start_line(p);
    print_node(p, n);
    put(p, single ? " " : "\n");
  }
  p->indent--;
  if (!single) start_line(p);
  put(p, "}");
}

/* ---- functions ---- */

static void print_symbols(Printer *p, const Func *f) {
  if (f->symbols.n == 0) return;
  for (int i = 0; i < f->symbols.n; i++) {
    const Symbol *s = f->symbols.at[i];
    put(p, i ? ", " : "<");
    text_word(p->out, s->name);
    if (s->derived) put(p, "?");
    if (s->capacity != DIM_NO_CAPACITY) fprintf(p->out, " <= %" PRId64, s->capacity);
  }
  put(p, ">");
}

static void print_launch(Printer *p, const Launch *l) {
  bool one = l->local[0] == 1 && l->local[1] == 1 && l->local[2] == 1;
  if (!one) fprintf(p->out, " workgroup(%" PRId64 ",%" PRId64 ",%" PRId64 ")", l->local[0], l->local[1], l->local[2]);
  if (l->requires) {
    put(p, " requires ");
    text_quote(p->out, l->requires);
  }
}

/* What stands between the name and the arguments has a blank behind it. */
static void print_purpose(Printer *p, const Func *f) {
  const Launch *l = &f->launch;
  bool kernel = f->level == LEVEL_KERNEL;
  bool plain = !kernel || (l->local[0] == 1 && l->local[1] == 1 && l->local[2] == 1 && !l->requires);
  if (f->numerics != NUMERICS_exact) fprintf(p->out, " numerics %s", numerics_name(f->numerics));
  if (f->target) {
    put(p, " target ");
    text_quote(p->out, f->target->name);
  }
  if (kernel) print_launch(p, l);
  if (f->numerics != NUMERICS_exact || f->target || !plain) put(p, " ");
}

static void print_results(Printer *p, const Func *f) {
  if (f->n_results == 0) return;
  put(p, " -> (");
  for (int i = 0; i < f->n_results; i++) {
    put(p, i ? ", " : "");
    if (f->result_name && f->result_name[i]) {
      text_word(p->out, f->result_name[i]);
      put(p, ": ");
    }
    type_print(p->out, f->result[i]);
  }
  put(p, ")");
}

static void print_func(Printer *p, const Func *f) {
  bool kernel = f->level == LEVEL_KERNEL;
  text_number_values(f);
  put(p, kernel ? "kernel " : "func ");
  text_name(p->out, '@', f->name);
  print_symbols(p, f);
  print_purpose(p, f);
  print_args(p, f->body);
  print_results(p, f);
  print_location(p, f->loc);
  put(p, " ");
  print_block(p, f->body);
  put(p, "\n");
}

void text_print_unplaced(const Func *f, FILE *out) { print_func(&(Printer){.out = out, .unplaced = true}, f); }

/* The function's body, since numbers count from there; a constant's expression has one, too. */
static Block *root_block(const Node *n) {
  Block *b = n->block;
  while (b && b->parent) b = b->parent->block;
  return b;
}

char *text_node(Arena *a, const Node *n) {
  TextBuffer b;
  Block *root = root_block(n);
  if (root) number_block(root, 0);
  text_buffer_open(&b);
  print_node(&(Printer){.out = b.out, .brief = true}, n);
  return text_buffer_close(&b, a, TEXT_MOST);
}

/* ---- declarations ---- */

static void print_file(Printer *p, const File *f) {
  put(p, "file ");
  text_name(p->out, '@', f->name);
  put(p, " ");
  text_quote(p->out, f->path);
  fprintf(p->out, " %" PRId64 "\n", f->size);
}

static void print_weights(Printer *p, const Weights *w) {
  put(p, "weights ");
  text_name(p->out, '@', w->name);
  put(p, w->bound_at_run_time ? " bound\n" : "\n");
}

static void print_constant(Printer *p, const Constant *c) {
  if (c->kind == CONSTANT_EXPR) number_block(c->body, 0);
  put(p, "const ");
  text_name(p->out, '@', c->name);
  if (c->weights) {
    put(p, " in ");
    text_name(p->out, '@', c->weights->name);
  }
  put(p, " : ");
  type_print(p->out, c->type);
  put(p, " = ");
  print_literal(p, c);
  print_location(p, c->loc);
  put(p, "\n");
}

static void print_field(Printer *p, const Field *f) {
  text_word(p->out, f->name);
  fprintf(p->out, ": %s[", dtype_name(f->dtype));
  for (int i = 0; i < f->rank; i++) fprintf(p->out, "%s%" PRId64, i ? "," : "", f->dim[i]);
  put(p, f->turned ? "] turned" : "]");
}

static void print_state(Printer *p, const State *s) {
  static const char *const addressing[] = {
      [ADDRESS_LINEAR] = "linear", [ADDRESS_RING] = "ring", [ADDRESS_FIXED] = "fixed"};
  put(p, "state ");
  text_name(p->out, '@', s->name);
  fprintf(p->out, " %s batch %" PRId64 " capacity %" PRId64 " {", addressing[s->addressing], s->batch, s->capacity);
  for (int i = 0; i < s->n_fields; i++) {
    put(p, i ? ", " : " ");
    print_field(p, &s->field[i]);
  }
  put(p, " }");
  print_location(p, s->loc);
  put(p, "\n");
}

static void print_member(Printer *p, const char *kind, const char *name) {
  fprintf(p->out, " %s ", kind);
  text_name(p->out, '@', name);
}

static void print_model(Printer *p, const Model *m) {
  put(p, "model ");
  text_name(p->out, '@', m->name);
  put(p, " {");
  for (int i = 0; i < m->funcs.n; i++) print_member(p, "func", m->funcs.at[i]->name);
  for (int i = 0; i < m->weights.n; i++) print_member(p, "weights", m->weights.at[i]->name);
  for (int i = 0; i < m->states.n; i++) print_member(p, "state", m->states.at[i]->name);
  for (int i = 0; i < m->facts.n; i++) {
    put(p, " fact ");
    text_quote(p->out, m->facts.at[i].name);
    print_member(p, "=", m->facts.at[i].constant->name);
  }
  put(p, " }\n");
}

/* Sections are divided by an empty line. */
#define PRINT_ALL(list, print)                                                                                         \
  do {                                                                                                                 \
    if ((list).n) put(p, "\n");                                                                                        \
    for (int i = 0; i < (list).n; i++) print(p, (list).at[i]);                                                         \
  } while (0)

void text_print(const Module *m, FILE *out) {
  Printer *p = &(Printer){.out = out};
  put(p, "lathe 1\n");
  PRINT_ALL(m->files, print_file);
  PRINT_ALL(m->weights, print_weights);
  PRINT_ALL(m->constants, print_constant);
  PRINT_ALL(m->states, print_state);
  for (int i = 0; i < m->funcs.n; i++) {
    put(p, "\n");
    print_func(p, m->funcs.at[i]);
  }
  PRINT_ALL(m->models, print_model);
}
#undef PRINT_ALL
