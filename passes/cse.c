/* cse.c -- makes one of nodes that compute the same.
 *
 * A node may be replaced by an earlier one of its own block or of a block around it. What was seen in a region is
 * forgotten at its end, newest first, so the table's chains need no search when they shrink. */
#include "ir/intern.h"
#include "ir/ir.h"
#include "passes/pass.h"

typedef struct Seen Seen;
struct Seen {
  Node *node;
  uint64_t hash;
  Seen *below; /* in its chain */
  Seen *older; /* in the order in which they were seen */
};

enum { CHAINS = 4096 };

typedef struct Table {
  Arena *arena;
  Seen *chain[CHAINS];
  Seen *newest;
} Table;

/* ---- what is the same ---- */

/* How many bytes of a literal are compared: larger ones are the same only if they are one constant. */
enum { LITERAL_MAX = 4096 };

static bool is_small_literal(const Constant *c, int64_t *size) {
  return !c->name && c->kind == CONSTANT_BYTES && constant_size(c, size) && *size <= LITERAL_MAX;
}

static uint64_t hash_constant(uint64_t h, const Constant *c) {
  int64_t size;
  if (!is_small_literal(c, &size)) return hash_mix(h, (uintptr_t)c);
  return hash_bytes(hash_mix(h, (uintptr_t)c->type), c->bytes, (size_t)size);
}

static bool same_constant(const Constant *a, const Constant *b) {
  int64_t na, nb;
  if (a == b) return true;
  return a->type == b->type && is_small_literal(a, &na) && is_small_literal(b, &nb) && na == nb &&
         memcmp(a->bytes, b->bytes, (size_t)na) == 0;
}

static uint64_t hash_attr(uint64_t h, AttrKind k, const Attr *v) {
  switch (k) {
  case AK_INT: case AK_BOOL: case AK_DTYPE: return hash_mix(h, (uint64_t)v->i);
  case AK_FLOAT: return hash_bytes(h, &v->f, sizeof v->f);
  case AK_STR: return v->s ? hash_bytes(h, v->s, strlen(v->s)) : h;
  case AK_INTS: return hash_bytes(h, v->ints.at, (size_t)v->ints.n * sizeof *v->ints.at);
  case AK_FLOATS: return hash_bytes(h, v->floats.at, (size_t)v->floats.n * sizeof *v->floats.at);
  case AK_DIMS: return hash_bytes(h, v->dims.at, (size_t)v->dims.n * sizeof *v->dims.at);
  case AK_CONST: return hash_constant(h, v->constant);
  case AK_FUNC: return hash_mix(h, (uintptr_t)v->func);
  case AK_STATE: break;
  }
  return hash_mix(h, (uintptr_t)v->state);
}

static bool same_list(int na, const void *a, int nb, const void *b, size_t size) {
  return na == nb && (na == 0 || memcmp(a, b, (size_t)na * size) == 0);
}

static bool same_attr(AttrKind k, const Attr *a, const Attr *b) {
  switch (k) {
  case AK_INT: case AK_BOOL: case AK_DTYPE: return a->i == b->i;
  case AK_FLOAT: return memcmp(&a->f, &b->f, sizeof a->f) == 0;
  case AK_STR: return a->s == b->s || (a->s && b->s && strcmp(a->s, b->s) == 0);
  case AK_INTS: return same_list(a->ints.n, a->ints.at, b->ints.n, b->ints.at, sizeof *a->ints.at);
  case AK_FLOATS: return same_list(a->floats.n, a->floats.at, b->floats.n, b->floats.at, sizeof *a->floats.at);
  case AK_DIMS: return same_list(a->dims.n, a->dims.at, b->dims.n, b->dims.at, sizeof *a->dims.at);
  case AK_CONST: return same_constant(a->constant, b->constant);
  case AK_FUNC: return a->func == b->func;
  case AK_STATE: break;
  }
  return a->state == b->state;
}

static uint64_t hash_node(const Node *n) {
  uint64_t h = hash_mix((uint64_t)n->op, (uint64_t)n->n_in << 8 | (uint64_t)n->n_out);
  for (int i = 0; i < n->n_in; i++) h = hash_mix(h, (uintptr_t)n->in[i].value);
  for (int i = 0; i < op_info(n->op)->n_attrs; i++) h = hash_attr(h, op_info(n->op)->attr[i].kind, &n->attr[i]);
  return h ^ (h >> 32);
}

/* Sizes known only to the data have a name of their own in each of the results, so types are not compared where the
 * earlier node's says less: the same operands give the same sizes. */
static bool same_node(const Node *a, const Node *b) {
  if (a->op != b->op || a->n_in != b->n_in || a->n_out != b->n_out) return false;
  for (int i = 0; i < a->n_in; i++)
    if (a->in[i].value != b->in[i].value) return false;
  for (int i = 0; i < op_info(a->op)->n_attrs; i++)
    if (!same_attr(op_info(a->op)->attr[i].kind, &a->attr[i], &b->attr[i])) return false;
  for (int i = 0; i < a->n_out; i++)
    if (a->out[i]->type != b->out[i]->type) return false;
  return true;
}

/* ---- the walk ---- */

static bool eligible(const Node *n) {
  return op_info(n->op)->effect == EFFECT_PURE && n->n_regions == 0 && n->op != OP_workgroup_memory;
}

static Node *earlier(Table *t, Node *n) {
  uint64_t h = hash_node(n);
  for (Seen *s = t->chain[h % CHAINS]; s; s = s->below)
    if (s->hash == h && same_node(s->node, n)) return s->node;
  Seen *s = ARENA_NEW(t->arena, Seen);
  *s = (Seen){n, h, t->chain[h % CHAINS], t->newest};
  t->chain[h % CHAINS] = t->newest = s;
  return NULL;
}

static void forget_since(Table *t, const Seen *mark) {
  for (; t->newest != mark; t->newest = t->newest->older) t->chain[t->newest->hash % CHAINS] = t->newest->below;
}

static bool merge_block(Table *t, Block *b) {
  const Seen *mark = t->newest;
  bool changed = false;
  for (Node *n = b->first, *next; n; n = next) {
    next = n->next;
    for (int i = 0; i < n->n_regions; i++) changed |= merge_block(t, n->region[i]);
    Node *before = eligible(n) ? earlier(t, n) : NULL;
    if (!before) continue;
    for (int i = 0; i < n->n_out; i++) value_replace(n->out[i], before->out[i]);
    node_remove(n);
    changed = true;
  }
  forget_since(t, mark);
  return changed;
}

bool pass_cse(PassCall *c, Func *f) {
  Table *t = ARENA_NEW(c->scratch, Table);
  t->arena = c->scratch;
  return merge_block(t, f->body);
}
