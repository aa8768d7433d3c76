/* pool.c -- the threads that run kernels together.
 *
 * The pieces of a launch are dealt out in runs, one a thread. A thread takes pieces from the front of its own run, and when
 * that is empty from the back of others'; a phase ends when all pieces are done, and not when all threads have come, so
 * a slow or preempted thread holds nobody up. A run is one word that also says which phase it belongs to, so that a
 * thread that comes late takes nothing of a phase that it does not know. */
#include "runtime/pool.h"

#include "runtime/os.h"

/* phase << 32 | from << 16 | to, alone in its cache line */
typedef struct Run {
  _Alignas(64) uint64_t word;
} Run;

enum { PIECES = 1024, SPINS = 4000 };

struct lrt_pool {
  int64_t threads;
  size_t bytes;
  _Alignas(64) uint32_t phase; /* the newest; workers sleep here */
  uint32_t sleepers, stop, joined, stopped;
  _Alignas(64) uint32_t left; /* pieces not done; the caller sleeps here */
  uint32_t caller_sleeps;
  _Alignas(64) lrt_launch launch[LRT_PHASE];
  int n;
  uintptr_t thread[POOL_THREADS];
  Run run[]; /* [LRT_PHASE][threads] */
};

/* ---- runs ---- */

static uint64_t run_word(uint32_t phase, uint64_t from, uint64_t to) { return (uint64_t)phase << 32 | from << 16 | to; }

/* Takes half of what is left, at least one piece, from the front or the back. */
static bool take(Run *r, uint32_t phase, bool front, int64_t *from, int64_t *to) {
  uint64_t word = __atomic_load_n(&r->word, __ATOMIC_ACQUIRE);
  for (;;) {
    uint64_t a = word >> 16 & 0xffff, b = word & 0xffff, half = (b - a + 1) / 2;
    if (word >> 32 != phase || a >= b) return false;
    uint64_t rest = front ? run_word(phase, a + half, b) : run_word(phase, a, b - half);
    if (__atomic_compare_exchange_n(&r->word, &word, rest, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
      *from = (int64_t)(front ? a : b - half);
      *to = (int64_t)(front ? a + half : b);
      return true;
    }
  }
}

static void run_pieces(const lrt_launch *l, int64_t from, int64_t to) {
  int64_t end = to * l->piece;
  l->kernel(l->arg, l->grid, from * l->piece, end < l->groups ? end : l->groups);
}

static void done(lrt_pool *p, int64_t pieces) {
  os_hand_over(&p->left);
  if (__atomic_sub_fetch(&p->left, (uint32_t)pieces, __ATOMIC_SEQ_CST) == 0 &&
      __atomic_load_n(&p->caller_sleeps, __ATOMIC_SEQ_CST))
    os_wake(&p->left);
}

static void work_on(lrt_pool *p, int which, uint32_t phase, int64_t self) {
  int64_t from, to;
  for (int64_t i = 0; i < p->threads; i++) {
    int64_t whose = self + i < p->threads ? self + i : self + i - p->threads;
    Run *r = &p->run[which * p->threads + whose];
    while (take(r, phase, i == 0, &from, &to)) {
      run_pieces(&p->launch[which], from, to);
      done(p, to - from);
    }
  }
}

static void work(lrt_pool *p, uint32_t phase, int64_t self) {
  int n = __atomic_load_n(&p->n, __ATOMIC_RELAXED);
  for (int i = 0; i < n; i++) work_on(p, i, phase, self);
}

/* ---- workers ---- */

static uint32_t next_phase(lrt_pool *p, uint32_t seen) {
  for (int i = 0; i < SPINS; i++) {
    uint32_t now = __atomic_load_n(&p->phase, __ATOMIC_SEQ_CST);
    if (now != seen) return now;
    os_pause();
  }
  __atomic_add_fetch(&p->sleepers, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&p->phase, __ATOMIC_SEQ_CST) == seen) os_wait(&p->phase, seen);
  __atomic_sub_fetch(&p->sleepers, 1, __ATOMIC_SEQ_CST);
  return __atomic_load_n(&p->phase, __ATOMIC_SEQ_CST);
}

static void *worker(void *context) {
  lrt_pool *p = context;
  int64_t self = __atomic_add_fetch(&p->joined, 1, __ATOMIC_SEQ_CST);
  uint32_t seen = 0;
  for (;;) {
    seen = next_phase(p, seen);
    os_take_over(&p->phase);
    if (__atomic_load_n(&p->stop, __ATOMIC_SEQ_CST)) break;
    work(p, seen, self);
  }
  __atomic_add_fetch(&p->stopped, 1, __ATOMIC_SEQ_CST);
  os_wake(&p->stopped);
  return NULL;
}

/* ---- the caller ---- */

static void publish(lrt_pool *p) {
  os_hand_over(&p->phase);
  __atomic_add_fetch(&p->phase, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&p->sleepers, __ATOMIC_SEQ_CST)) os_wake(&p->phase);
}

lrt_pool *pool_open(int64_t threads) {
  if (threads < 1) threads = 1;
  if (threads > POOL_THREADS) threads = POOL_THREADS;
  size_t bytes = sizeof(lrt_pool) + (size_t)(LRT_PHASE * threads) * sizeof(Run);
  lrt_pool *p = os_memory(bytes);
  if (!p) return NULL;
  p->bytes = bytes;
  p->threads = threads;
  for (int64_t i = 1; i < threads; i++)
    if (!(p->thread[i] = os_thread(worker, p))) { /* the runs of those that are not there will be stolen */
      __atomic_add_fetch(&p->joined, (uint32_t)(threads - i), __ATOMIC_SEQ_CST);
      __atomic_add_fetch(&p->stopped, (uint32_t)(threads - i), __ATOMIC_SEQ_CST);
      break;
    }
  return p;
}

int64_t pool_threads(const lrt_pool *p) { return p->threads; }

void pool_close(lrt_pool *p) {
  if (!p) return;
  __atomic_store_n(&p->stop, 1, __ATOMIC_SEQ_CST);
  publish(p);
  for (uint32_t n; (n = __atomic_load_n(&p->stopped, __ATOMIC_SEQ_CST)) < p->threads - 1;) os_wait(&p->stopped, n);
  for (int64_t i = 1; i < p->threads && p->thread[i]; i++) os_join(p->thread[i]);
  os_release(p, p->bytes);
}

static void deal(lrt_pool *p, int which, int64_t pieces, uint32_t phase) {
  for (int64_t t = 0; t < p->threads; t++) {
    uint64_t from = (uint64_t)(pieces * t / p->threads), to = (uint64_t)(pieces * (t + 1) / p->threads);
    __atomic_store_n(&p->run[which * p->threads + t].word, run_word(phase, from, to), __ATOMIC_RELEASE);
  }
}

static void wait_for_pieces(lrt_pool *p) {
  for (int i = 0; i < SPINS; i++) {
    if (__atomic_load_n(&p->left, __ATOMIC_SEQ_CST) == 0) return;
    os_pause();
  }
  __atomic_store_n(&p->caller_sleeps, 1, __ATOMIC_SEQ_CST);
  for (uint32_t n; (n = __atomic_load_n(&p->left, __ATOMIC_SEQ_CST)) != 0;) os_wait(&p->left, n);
  __atomic_store_n(&p->caller_sleeps, 0, __ATOMIC_SEQ_CST);
}

void pool_run(lrt_pool *p, int n, const lrt_launch *launch) {
  int64_t total = 0, pieces[LRT_PHASE];
  for (int i = 0; i < n; i++) {
    p->launch[i] = launch[i];
    p->launch[i].piece = (launch[i].groups + PIECES - 1) / PIECES;
    pieces[i] = launch[i].groups ? (launch[i].groups + p->launch[i].piece - 1) / p->launch[i].piece : 0;
    total += pieces[i];
  }
  if (p->threads == 1 || total == 1) { /* nobody to meet, or nothing to share */
    for (int i = 0; i < n; i++)
      if (pieces[i]) run_pieces(&p->launch[i], 0, pieces[i]);
    return;
  }
  if (total == 0) return;
  uint32_t phase = __atomic_load_n(&p->phase, __ATOMIC_SEQ_CST) + 1;
  __atomic_store_n(&p->left, (uint32_t)total, __ATOMIC_SEQ_CST);
  __atomic_store_n(&p->n, n, __ATOMIC_RELAXED);
  for (int i = 0; i < n; i++) deal(p, i, pieces[i], phase);
  publish(p);
  work(p, phase, 0);
  wait_for_pieces(p);
  os_take_over(&p->left);
}
