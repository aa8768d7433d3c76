/* regex_automaton.c -- automata of patterns: what matches first in the order of the pattern, without going back.
 *
 * A state is the list of places in the pattern where a backtracking matcher could be, in the order in which it would try
 * them. A place that is the pattern's end cuts off those behind it, for they would never be tried. Assertions about the next
 * character are decided while a list is followed to where characters are read, since by then the next class is known; those
 * about more of what follows are decided by an automaton of their own, which reads the text from its end. */
#include "frontend/regex_automaton.h"

#include <stdlib.h>

#include "runtime/tokenizer_tables.h"

enum { MAX_NODES = 40000, MAX_STATES = 1 << 14, MAX_SETS = 255, MAX_TABLE = 1 << 24 };

typedef enum NodeKind { NODE_READ, NODE_NEXT, NODE_AHEAD, NODE_EITHER, NODE_END } NodeKind;

typedef struct Node {
  NodeKind kind;
  int set;      /* READ, NEXT: which set; AHEAD: which of them */
  int out, other;
  bool negative;
} Node;

typedef VEC(int) List;

typedef struct State {
  List places;
  uint64_t hash;
} State;

typedef struct Compiler {
  Arena *arena;
  const char *why;
  VEC(Node) node;
  VEC(CodeSet) set;
  bool reversed; /* it reads from the end */
  Automaton *out;
  const Regex *ahead[MAX_AHEAD];
  bool (*member)[MAX_SETS]; /* [class][set] */
  /* one automaton */
  VEC(State) state;
  VEC(int) slot; /* states by their hash */
  uint32_t *seen; /* [nodes]: the last list that has it */
  uint32_t list;
} Compiler;

static int fail(Compiler *c, const char *why) {
  if (!c->why) c->why = why;
  return -1;
}

/* ---- places ---- */

static int add_node(Compiler *c, Node n) {
  if (c->node.n >= MAX_NODES) return fail(c, "it is too long when its repeats are written out");
  vec_push(c->arena, &c->node, n);
  return c->node.n - 1;
}

static int add_set(Compiler *c, const CodeSet *s) {
  for (int i = 0; i < c->set.n; i++)
    if (c->set.at[i].n == s->n && memcmp(c->set.at[i].at, s->at, (size_t)s->n * sizeof *s->at) == 0) return i;
  if (c->set.n == MAX_SETS) return fail(c, "it has too many different classes");
  vec_push(c->arena, &c->set, *s);
  return c->set.n - 1;
}

static int compile(Compiler *c, const Regex *r, int next);

static int either(Compiler *c, int first, int second, bool turned) {
  return add_node(c, (Node){.kind = NODE_EITHER, .out = turned ? second : first, .other = turned ? first : second});
}

static int compile_repeat(Compiler *c, const Regex *r, int next) {
  int tail = next;
  if (r->most < 0) {
    int loop = add_node(c, (Node){.kind = NODE_EITHER});
    if (loop < 0) return -1;
    int body = compile(c, r->left, loop);
    if (body < 0) return -1;
    c->node.at[loop].out = r->lazy ? next : body;
    c->node.at[loop].other = r->lazy ? body : next;
    tail = loop;
  }
  for (int i = r->least; i < r->most && tail >= 0; i++) {
    int body = compile(c, r->left, tail);
    tail = body < 0 ? -1 : either(c, body, next, r->lazy);
  }
  for (int i = 0; i < r->least && tail >= 0; i++) tail = compile(c, r->left, tail);
  return tail;
}

static int compile_ahead(Compiler *c, const Regex *r, int next) {
  if (c->reversed) return fail(c, "it looks ahead within what it looks ahead for");
  int which = 0;
  while (which < c->out->n_ahead && c->ahead[which] != r->left) which++;
  if (which == MAX_AHEAD) return fail(c, "it looks ahead for too many things");
  c->ahead[which] = r->left;
  if (which == c->out->n_ahead) c->out->n_ahead++;
  return add_node(c, (Node){.kind = NODE_AHEAD, .set = which, .out = next, .negative = r->negative});
}

/* The first place of r, behind which `next` stands. */
static int compile(Compiler *c, const Regex *r, int next) {
  if (next < 0) return -1;
  switch (r->kind) {
  case REGEX_EMPTY: return next;
  case REGEX_CAT: return c->reversed ? compile(c, r->right, compile(c, r->left, next)) : compile(c, r->left, compile(c, r->right, next));
  case REGEX_ALT: {
    int first = compile(c, r->left, next), second = compile(c, r->right, next);
    return first < 0 || second < 0 ? -1 : either(c, first, second, false);
  }
  case REGEX_REPEAT: return compile_repeat(c, r, next);
  case REGEX_AHEAD: return compile_ahead(c, r, next);
  default: break;
  }
  int set = add_set(c, &r->set);
  return set < 0 ? -1 : add_node(c, (Node){.kind = r->kind == REGEX_SET ? NODE_READ : NODE_NEXT, .set = set, .out = next});
}

/* ---- classes ---- */

static int compare_words(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

/* Where some set begins or ends, in order. */
static uint32_t *boundaries(Compiler *c, size_t *n) {
  VEC(uint32_t) all = {0};
  vec_push(c->arena, &all, 0);
  for (int i = 0; i < c->set.n; i++)
    for (int k = 0; k < c->set.at[i].n; k++) {
      vec_push(c->arena, &all, c->set.at[i].at[k].lo);
      vec_push(c->arena, &all, c->set.at[i].at[k].hi + 1);
    }
  qsort(all.at, (size_t)all.n, sizeof *all.at, compare_words);
  *n = (size_t)all.n;
  return all.at;
}

/* Characters that are in the same sets are one class. */
static bool find_classes(Compiler *c) {
  size_t n;
  uint32_t *from = boundaries(c, &n), classes = 0;
  int *range = ARENA_ARRAY(c->arena, int, c->set.n + 1); /* of each set, the first that does not end before */
  c->member = arena_array(c->arena, MAX_SETS + 1, sizeof *c->member);
  c->out->class_of = ARENA_ARRAY(c->arena, uint8_t, CODE_END);
  for (size_t i = 0; i < n && from[i] <= CODE_END; i++) {
    uint32_t begin = from[i], end = i + 1 < n && from[i + 1] < CODE_END ? from[i + 1] : CODE_END, k = 0;
    if ((i + 1 < n && from[i + 1] == begin) || begin == CODE_END) continue;
    bool in[MAX_SETS] = {0};
    for (int s = 0; s < c->set.n; s++) {
      const CodeSet *set = &c->set.at[s];
      while (range[s] < set->n && set->at[range[s]].hi < begin) range[s]++;
      in[s] = range[s] < set->n && set->at[range[s]].lo <= begin;
    }
    while (k < classes && memcmp(c->member[k], in, sizeof in) != 0) k++;
    if (k == MAX_SETS) return fail(c, "it tells too many kinds of characters apart"), false;
    if (k == classes) memcpy(c->member[classes++], in, sizeof in);
    memset(c->out->class_of + begin, (int)k, end - begin);
  }
  for (int s = 0; s < c->set.n; s++) c->member[classes][s] = set_has(&c->set.at[s], CODE_END);
  c->out->n_classes = classes + 1;
  return true;
}

/* ---- lists of places ---- */

/* Follows a place to where characters are read, with the next class and what lies ahead known. True where the pattern's end
 * is reached, behind which nothing counts (`first`: of what matches first; else all is followed). */
typedef struct Follow {
  Compiler *c;
  uint32_t class, ahead;
  bool first, ends;
  List *reads;
} Follow;

static bool open_to(const Follow *f, const Node *n) {
  if (n->kind == NODE_NEXT) return f->c->member[f->class][n->set];
  return (f->ahead >> n->set & 1) != n->negative;
}

static void follow(Follow *f, int start) {
  Compiler *c = f->c;
  List stack = {0};
  vec_push(c->arena, &stack, start);
  while (stack.n && !(f->first && f->ends)) {
    int at = stack.at[--stack.n];
    const Node *n = &c->node.at[at];
    if (c->seen[at] == c->list) continue;
    c->seen[at] = c->list;
    if (n->kind == NODE_READ) vec_push(c->arena, f->reads, at);
    else if (n->kind == NODE_END) f->ends = true;
    else if (n->kind == NODE_EITHER) {
      vec_push(c->arena, &stack, n->other);
      vec_push(c->arena, &stack, n->out);
    } else if (open_to(f, n)) vec_push(c->arena, &stack, n->out);
  }
}

/* ---- states ---- */

static uint64_t hash_list(const List *l) { return tokenizer_hash((const uint8_t *)l->at, (uint64_t)l->n * sizeof *l->at); }

static void rehash(Compiler *c, int n) {
  c->slot.n = 0;
  for (int i = 0; i < n; i++) vec_push(c->arena, &c->slot, -1);
  for (int i = 0; i < c->state.n; i++) {
    uint64_t h = c->state.at[i].hash;
    while (c->slot.at[h & (uint64_t)(n - 1)] >= 0) h++;
    c->slot.at[h & (uint64_t)(n - 1)] = i;
  }
}

/* The state of a list, which may be new; 0 is that of no places. */
static int state_of(Compiler *c, const List *places) {
  uint64_t h = hash_list(places), at = h;
  if (2 * c->state.n >= c->slot.n) rehash(c, c->slot.n ? 2 * c->slot.n : 64);
  for (; c->slot.at[at & (uint64_t)(c->slot.n - 1)] >= 0; at++) {
    int i = c->slot.at[at & (uint64_t)(c->slot.n - 1)];
    const List *l = &c->state.at[i].places;
    if (c->state.at[i].hash == h && l->n == places->n && (l->n == 0 || memcmp(l->at, places->at, (size_t)l->n * sizeof *l->at) == 0)) return i;
  }
  if (c->state.n == MAX_STATES) return fail(c, "its automaton has too many states");
  c->slot.at[at & (uint64_t)(c->slot.n - 1)] = c->state.n;
  vec_push(c->arena, &c->state, ((State){*places, h}));
  return c->state.n - 1;
}

static void states_begin(Compiler *c) {
  List none = {0};
  c->state.n = c->slot.n = 0;
  c->seen = ARENA_ARRAY(c->arena, uint32_t, c->node.n);
  c->list = 0;
  (void)state_of(c, &none);
}

/* The places behind those that read the class. */
static List behind(Compiler *c, const List *reads, uint32_t class) {
  List next = {0};
  c->list++;
  for (int i = 0; i < reads->n; i++) {
    const Node *n = &c->node.at[reads->at[i]];
    if (!c->member[class][n->set] || c->seen[n->out] == c->list) continue;
    c->seen[n->out] = c->list;
    vec_push(c->arena, &next, n->out);
  }
  return next;
}

static bool fits(Compiler *c, const Steps *s, uint32_t row) {
  return (uint64_t)s->n + row <= MAX_TABLE || (fail(c, "its automaton is too large"), false);
}

/* ---- what matches first ---- */

static bool add_step(Compiler *c, int from, uint32_t class, uint32_t ahead) {
  List reads = {0};
  Follow f = {.c = c, .class = class, .ahead = ahead, .first = true, .reads = &reads};
  bool end = class == c->out->n_classes - 1;
  c->list++;
  List places = c->state.at[from].places;
  for (int i = 0; i < places.n && !f.ends; i++) follow(&f, places.at[i]);
  List next = end ? (List){0} : behind(c, &reads, class);
  int to = state_of(c, &next);
  if (to < 0) return false;
  vec_push(c->arena, &c->out->step, (uint32_t)to | (f.ends ? TOKENIZER_ENDS : 0));
  return true;
}

static bool make_forward(Compiler *c, int start) {
  List first = {0};
  states_begin(c);
  vec_push(c->arena, &first, start);
  c->out->start = (uint32_t)state_of(c, &first);
  for (int i = 0; i < c->state.n; i++) {
    if (!fits(c, &c->out->step, c->out->n_classes << c->out->n_ahead)) return false;
    for (uint32_t ahead = 0; ahead < 1u << c->out->n_ahead; ahead++)
      for (uint32_t class = 0; class < c->out->n_classes; class++)
        if (!add_step(c, i, class, ahead)) return false;
  }
  return true;
}

/* ---- what lies ahead, from the end of the text ---- */

static int compare_ints(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  return (x > y) - (x < y);
}

/* What is to be read next, after `class` was: places of before, and the start, since it can begin anywhere. */
static int64_t backward_state(Compiler *c, const List *places, int start, uint32_t class) {
  List reads = {0};
  Follow f = {.c = c, .class = class, .reads = &reads};
  c->list++;
  for (int i = 0; i < places->n; i++) follow(&f, places->at[i]);
  follow(&f, start);
  if (reads.n) qsort(reads.at, (size_t)reads.n, sizeof *reads.at, compare_ints);
  int state = state_of(c, &reads);
  return state < 0 ? -1 : (int64_t)((uint32_t)state | (f.ends ? TOKENIZER_ENDS : 0));
}

static bool make_backward(Compiler *c, struct AutomatonAhead *out, int start) {
  List none = {0};
  states_begin(c);
  int64_t first = backward_state(c, &none, start, c->out->n_classes - 1);
  out->start = (uint32_t)first;
  for (int i = 0; i < c->state.n; i++) {
    if (!fits(c, &out->step, c->out->n_classes)) return false;
    for (uint32_t class = 0; class < c->out->n_classes; class++) {
      List next = behind(c, &c->state.at[i].places, class);
      int64_t to = backward_state(c, &next, start, class);
      if (to < 0) return false;
      vec_push(c->arena, &out->step, (uint32_t)to);
    }
  }
  return true;
}

/* ---- all ---- */

Automaton *automaton_make(Arena *a, const Regex *r, const char **why) {
  Compiler c = {.arena = a, .out = ARENA_NEW(a, Automaton)};
  int ahead[MAX_AHEAD], start = compile(&c, r, add_node(&c, (Node){.kind = NODE_END}));
  c.reversed = true;
  for (int i = 0; i < c.out->n_ahead && start >= 0; i++) {
    ahead[i] = compile(&c, c.ahead[i], add_node(&c, (Node){.kind = NODE_END}));
    if (ahead[i] < 0) start = -1;
  }
  bool good = start >= 0 && find_classes(&c) && make_forward(&c, start);
  for (int i = 0; i < c.out->n_ahead && good; i++) good = make_backward(&c, &c.out->ahead[i], ahead[i]);
  *why = c.why;
  return good ? c.out : NULL;
}
