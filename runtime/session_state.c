/* session_state.c -- what a session keeps between its runs, a sequence at a time: rolled back, copied, saved and loaded. */
#include "runtime/session.h"

/* The parts of a state stand one behind another, and its lengths last. */
static int64_t *lengths_of(const lrt_session *s, int64_t part) {
  while (!s->program->part[part].lengths) part++;
  return s->part[part];
}

int64_t session_sequences(const lrt_session *s) {
  int64_t least = 1;
  for (int64_t i = 0; i < s->program->n_parts; i++)
    if (i == 0 || s->program->part[i].batch < least) least = s->program->part[i].batch;
  return least;
}

static bool has_sequence(lrt_session *s, int64_t sequence) {
  int64_t n = session_sequences(s);
  return (sequence >= 0 && sequence < n) || session_fail(s, "there is no sequence %d: this program has %d", sequence, n);
}

bool session_truncate(lrt_session *s, int64_t sequence, int64_t length) {
  if (!has_sequence(s, sequence)) return false;
  if (length < 0) return session_fail(s, "a sequence cannot have %d rows", length);
  for (int64_t i = 0; i < s->program->n_parts; i++) {
    int64_t *is = &lengths_of(s, i)[sequence];
    if (s->program->part[i].lengths && *is > length) *is = length;
  }
  return true;
}

/* ---- rows ---- */

/* Heads stand one behind another, each with as many blocks of rows as there is room for. */
typedef struct Rows {
  uint8_t *at;
  int64_t heads, stride, bytes; /* of the rows in use, a head's */
} Rows;

static bool find_rows(lrt_session *s, int64_t part, int64_t sequence, int64_t length, Rows *r) {
  const lrt_part *p = &s->program->part[part];
  int64_t all;
  if (!session_size(s, p->bytes, &all)) return false;
  int64_t used = length / p->block_rows + (length % p->block_rows != 0);
  r->stride = p->blocks * p->block_bytes;
  r->heads = all / p->batch / r->stride;
  r->at = (uint8_t *)s->part[part] + all / p->batch * sequence;
  r->bytes = (used < p->blocks ? used : p->blocks) * p->block_bytes;
  return true;
}

bool session_copy(lrt_session *from, int64_t i, lrt_session *to, int64_t k) {
  if (!has_sequence(from, i) || !has_sequence(to, k)) return false;
  if (from == to && i == k) return true;
  for (int64_t part = 0; part < to->program->n_parts; part++) {
    int64_t length = lengths_of(from, part)[i];
    Rows a, b;
    if (!find_rows(from, part, i, length, &a) || !find_rows(to, part, k, length, &b)) return false;
    if (to->program->part[part].lengths) lengths_of(to, part)[k] = length;
    for (int64_t h = 0; h < a.heads && !to->program->part[part].lengths; h++)
      __builtin_memcpy(b.at + h * b.stride, a.at + h * a.stride, (size_t)a.bytes);
  }
  return true;
}

/* ---- pieces ---- */

static bool move_part(lrt_session *s, int64_t part, int64_t sequence, lrt_move *move, void *context) {
  Rows r;
  if (!find_rows(s, part, sequence, lengths_of(s, part)[sequence], &r)) return false;
  for (int64_t h = 0; h < r.heads; h++)
    if (!move(context, r.at + h * r.stride, (size_t)r.bytes)) return session_fail(s, "the states cannot be moved");
  return true;
}

bool session_save(lrt_session *s, int64_t sequence, lrt_move *write, void *context) {
  if (!has_sequence(s, sequence)) return false;
  for (int64_t i = 0; i < s->program->n_parts; i++) {
    const lrt_part *p = &s->program->part[i];
    if ((i == 0 || p->state != p[-1].state) && !write(context, &lengths_of(s, i)[sequence], sizeof(int64_t)))
      return session_fail(s, "the states cannot be moved");
    if (!p->lengths && !move_part(s, i, sequence, write, context)) return false;
  }
  return true;
}

/* A sequence that is only partly there is empty. */
static bool load(lrt_session *s, int64_t sequence, int64_t most, lrt_move *read, void *context) {
  for (int64_t i = 0; i < s->program->n_parts; i++) {
    const lrt_part *p = &s->program->part[i];
    int64_t *length = &lengths_of(s, i)[sequence];
    if (i == 0 || p->state != p[-1].state) {
      if (!read(context, length, sizeof *length)) return session_fail(s, "the states cannot be moved");
      if (*length < 0 || *length > most) return session_fail(s, "a state has %d rows, and the text %d", *length, most);
    }
    if (!p->lengths && !move_part(s, i, sequence, read, context)) return false;
  }
  return true;
}

bool session_load(lrt_session *s, int64_t sequence, int64_t most, lrt_move *read, void *context) {
  if (!has_sequence(s, sequence)) return false;
  if (load(s, sequence, most, read, context)) return true;
  for (int64_t i = 0; i < s->program->n_parts; i++) lengths_of(s, i)[sequence] = 0;
  return false;
}

uint64_t session_state_hash(const lrt_session *s) {
  lrt_hash h = {0};
  for (int64_t i = 0; i < s->program->n_parts; i++) {
    const lrt_part *p = &s->program->part[i];
    int64_t bytes = 0;
    session_size((lrt_session *)(uintptr_t)s, p->bytes, &bytes);
    lrt_hash_words(&h, (uint64_t[]){(uint64_t)p->blocks, (uint64_t)p->block_rows, (uint64_t)p->block_bytes, (uint64_t)(bytes / p->batch)}, 4);
  }
  return lrt_hash_end(&h);
}
