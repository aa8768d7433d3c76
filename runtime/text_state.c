/* text_state.c -- a text and what the caches hold of it, as bytes that only a program of the same model and caches takes back. */
#include "runtime/generator.h"
#include "runtime/words.h"

#define MAGIC "lathe s1"

typedef struct Head {
  char magic[8];
  uint64_t program; /* the hash of what must be the same */
  int64_t n, fed, most;
} Head;

static bool fail(Generator *g, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  text_format_list(g->why.text, sizeof g->why.text, fmt, ap);
  va_end(ap);
  return false;
}

/* ---- what must be the same ---- */

static void hash_text(lrt_hash *h, const char *s) {
  for (; *s; s++) lrt_hash_words(h, &(uint64_t){(uint8_t)*s}, 1);
}

static uint64_t hash_all(const Generator *g, const lrt_model *m, const lrt_weights *w) {
  lrt_hash h = {0};
  hash_text(&h, m->name);
  hash_text(&h, m->made_by);
  uint64_t word[] = {(uint64_t)m->weights_size, w->bytes ? weights_mark(w, m)->hash : 0, session_state_hash(g->session)};
  lrt_hash_words(&h, word, 3);
  return lrt_hash_end(&h);
}

/* ---- to bytes and back ---- */

bool generator_save(Generator *g, const lrt_model *m, const lrt_weights *w, lrt_move *write, void *context) {
  Head head = {.program = hash_all(g, m, w), .n = g->n, .fed = g->fed, .most = g->most};
  __builtin_memcpy(head.magic, MAGIC, sizeof head.magic);
  return write(context, &head, sizeof head) && write(context, g->token, (size_t)g->n * sizeof *g->token) &&
         session_save(g->session, g->sequence, write, context);
}

static bool check_head(Generator *g, const Head *head, uint64_t program) {
  if (!text_same_n(head->magic, MAGIC, sizeof head->magic)) return fail(g, "it is no saved state");
  if (head->program != program) return fail(g, "another program saved it: its hash is %x, and this one's is %x", head->program, program);
  if (head->n < 0 || head->fed < 0 || head->fed > head->n || head->most < head->fed || head->most > g->context) return fail(g, "it is damaged");
  return head->n <= g->context || fail(g, "its text is %d tokens long, and the context holds %d", head->n, g->context);
}

static bool read_text(Generator *g, const Head *head, int64_t words, lrt_move *read, void *context) {
  bool good = read(context, g->token, (size_t)head->n * sizeof *g->token) && session_load(g->session, g->sequence, head->most, read, context);
  for (int64_t i = 0; i < head->n && good; i++) good = g->token[i] >= 0 && g->token[i] < words;
  return good || fail(g, "it is damaged, or not whole");
}

bool generator_load(Generator *g, const lrt_model *m, const lrt_weights *w, int64_t words, lrt_move *read, void *context) {
  Head head = {0};
  g->n = g->fed = g->most = 0;
  session_truncate(g->session, g->sequence, 0);
  if (!read(context, &head, sizeof head)) return fail(g, "it is no saved state");
  if (!check_head(g, &head, hash_all(g, m, w)) || !read_text(g, &head, words, read, context)) return false;
  g->n = head.n;
  g->fed = head.fed;
  g->most = head.most;
  return true;
}

bool generator_copy(Generator *to, const Generator *from) {
  if (to == from) return true;
  if (from->n > to->context) return fail(to, "the text is %d tokens long, and the context holds %d", from->n, to->context);
  if (!session_copy(from->session, from->sequence, to->session, to->sequence)) return fail(to, "%s", to->session->error);
  __builtin_memcpy(to->token, from->token, (size_t)from->n * sizeof *to->token);
  to->n = from->n;
  to->fed = from->fed;
  to->most = from->most;
  return true;
}
