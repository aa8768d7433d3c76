/* onnx_order.c -- the order of nodes: ONNX asks for a topological one, and not every exporter keeps to that. */
#include "frontend/onnx_import.h"
#include "ir/fatal.h"

/* A graph's nodes while they are put in order. */
typedef struct Order {
  OnnxImporter *imp;
  Arena *scratch;
  StrMap maker; /* a result's name to the node_index that makes it */
  int n;
  int *waits;       /* per node: on how many results */
  VEC(int) * users; /* per node: who waits for it */
  int *node_index;  /* 0, 1, 2, ...: what `maker` points into */
} Order;

/* The names that a subgraph defines, and those of the graphs around it within the node. */
typedef struct Inner {
  StrMap names;
  const struct Inner *outer;
} Inner;

typedef struct EachInput {
  Order *o;
  int user;
  bool early; /* uses a result of a node that comes no earlier */
  bool link;  /* note the users, too */
} EachInput;

static void see_input(EachInput *e, const Inner *inner, const char *name) {
  for (; inner; inner = inner->outer)
    if (strmap_get(&inner->names, name)) return;
  const int *maker = *name ? strmap_get(&e->o->maker, name) : NULL;
  if (!maker) return;
  e->early |= *maker >= e->user;
  if (!e->link) return;
  e->o->waits[e->user]++;
  vec_push(e->o->scratch, &e->o->users[*maker], e->user);
}

static void declare_inner(EachInput *e, Inner *inner, const PbGraph *g) {
  Arena *a = e->o->scratch;
  for (size_t i = 0; i < g->n_input; i++) strmap_add(a, &inner->names, onnx_text(g->input[i]->name), inner);
  for (size_t i = 0; i < g->n_initializer; i++) strmap_add(a, &inner->names, onnx_text(g->initializer[i]->name), inner);
  for (size_t i = 0; i < g->n_node; i++)
    for (size_t k = 0; k < g->node[i]->n_output; k++) strmap_add(a, &inner->names, g->node[i]->output[k], inner);
}

/* A node uses what its subgraphs use and do not define. The scanner bounds the depth. */
static void each_input(EachInput *e, const Inner *outer, const PbNode *n) {
  for (size_t i = 0; i < n->n_input; i++) see_input(e, outer, n->input[i]);
  for (size_t i = 0; i < n->n_attribute; i++) {
    const PbGraph *g = n->attribute[i]->g;
    if (!g) continue;
    Inner inner = {.outer = outer};
    declare_inner(e, &inner, g);
    for (size_t k = 0; k < g->n_node; k++) each_input(e, &inner, g->node[k]);
    for (size_t k = 0; k < g->n_output; k++) see_input(e, &inner, onnx_text(g->output[k]->name));
  }
}

static bool declare_results(Order *o, PbNode *const *node) {
  bool ok = true;
  for (int i = 0; i < o->n; i++) {
    o->node_index[i] = i;
    for (size_t k = 0; k < node[i]->n_output; k++) {
      const char *name = node[i]->output[k];
      if (!*name || strmap_add(o->scratch, &o->maker, name, &o->node_index[i])) continue;
      ok = diag_error(o->imp->diag, (Loc){.file = o->imp->path, .name = onnx_text(node[i]->name)},
                      "`%s` is defined twice", name);
    }
  }
  return ok;
}

static bool in_order(Order *o, PbNode *const *node, bool link) {
  bool early = false;
  for (int i = 0; i < o->n; i++) {
    EachInput e = {.o = o, .user = i, .link = link};
    each_input(&e, NULL, node[i]);
    early |= e.early;
  }
  return !early;
}

/* Of the nodes that still wait, some only come behind a cycle; going from each to one it waits for leads onto one. */
static int on_cycle(const Order *o) {
  int *from = ARENA_ARRAY(o->scratch, int, o->n), at = 0;
  for (int i = 0; i < o->n; i++) {
    if (o->waits[i] == 0) continue;
    at = i;
    for (int k = 0; k < o->users[i].n; k++) from[o->users[i].at[k]] = i;
  }
  for (int i = 0; i < o->n; i++) at = from[at];
  return at;
}

/* Nodes that wait for nothing go first, and each frees those that wait for it. */
static bool sort(Order *o, PbNode *const *node, int *order) {
  int done = 0, ready = 0;
  in_order(o, node, true);
  for (int i = 0; i < o->n; i++)
    if (o->waits[i] == 0) order[ready++] = i;
  for (; done < ready; done++)
    for (int k = 0; k < o->users[order[done]].n; k++) {
      int user = o->users[order[done]].at[k];
      if (--o->waits[user] == 0) order[ready++] = user;
    }
  if (done == o->n) return true;
  int stuck = on_cycle(o);
  return diag_error(o->imp->diag, (Loc){.file = o->imp->path, .name = onnx_text(node[stuck]->name)},
                    "%s uses its own result, directly or through other nodes (a cycle)",
                    onnx_text(node[stuck]->op_type));
}

const int *onnx_order(OnnxImporter *imp, size_t n, PbNode *const *node) {
  ensure(n < INT32_MAX);
  int *order = ARENA_ARRAY(imp->arena, int, n);
  Order o = {.imp = imp, .scratch = arena_new(), .n = (int)n};
  o.node_index = ARENA_ARRAY(o.scratch, int, n);
  for (int i = 0; i < o.n; i++) order[i] = i;
  bool ok = declare_results(&o, node);
  if (ok && !in_order(&o, node, false)) {
    o.waits = ARENA_ARRAY(o.scratch, int, n);
    o.users = (void *)arena_array(o.scratch, n, sizeof *o.users);
    ok = sort(&o, node, order);
  }
  arena_free(o.scratch);
  return ok ? order : NULL;
}
