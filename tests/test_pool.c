/* test_pool.c -- the runtime's threads, sizes and places, over a C library: each piece of work once, and seen by the next. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "runtime/pool.h"
#include "runtime/size.h"

static int failures;
#define CHECK(e) ((e) ? (void)0 : (void)(failures++, printf("FAIL %s:%d: %s\n", __FILE__, __LINE__, #e)))

/* ---- threads ---- */

enum { GROUPS = 5000 };

/* to[g] = from[GROUPS - 1 - g] + 1: reads what other threads have written in the phase before. */
static void step(const lrt_arg *arg, const int64_t grid[3], int64_t begin, int64_t end) {
  const int64_t *from = arg[0].memory;
  int64_t *to = arg[1].memory, n = grid[0] * grid[1] * grid[2];
  for (int64_t g = begin; g < end; g++) to[g] = from[n - 1 - g] + 1;
}

/* Several launches a phase, of any size, many phases. */
static void run_phases(int64_t threads, int64_t phases, int64_t groups) {
  static int64_t memory[4][2][GROUPS];
  lrt_pool *p = pool_open(threads);
  CHECK(p);
  memset(memory, 0, sizeof memory);
  for (int64_t i = 0; i < phases; i++) {
    lrt_arg arg[4][2];
    lrt_launch launch[4];
    for (int k = 0; k < 4; k++) {
      arg[k][0].memory = memory[k][i & 1];
      arg[k][1].memory = memory[k][~i & 1];
      launch[k] = (lrt_launch){.kernel = step, .arg = arg[k], .grid = {groups, 1, 1}, .groups = groups};
    }
    pool_run(p, 4, launch);
  }
  for (int k = 0; k < 4; k++)
    for (int64_t g = 0; g < groups; g++) CHECK(memory[k][phases & 1][g] == phases);
  pool_close(p);
}

static void test_pool(void) {
  static const int64_t groups[] = {0, 1, 2, 7, 1023, 1024, 1025, GROUPS};
  for (int64_t threads = 1; threads <= 5; threads++)
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) run_phases(threads, 60, groups[i]);
}

/* ---- places ---- */

static void test_places(void) {
  enum { N = 60 };
  Random r = {7};
  for (int turn = 0; turn < 200; turn++) {
    lrt_block block[N];
    int64_t bytes[N], offset[N], scratch[N], total;
    for (int i = 0; i < N; i++) {
      block[i].first = random_below(&r, 40);
      block[i].last = block[i].first + random_below(&r, 10);
      bytes[i] = (int64_t)random_below(&r, 100) * LRT_ALIGN;
    }
    CHECK(size_place(block, N, bytes, offset, scratch, &total));
    for (int i = 0; i < N; i++) {
      CHECK(offset[i] >= 0 && offset[i] + bytes[i] <= total);
      for (int k = 0; k < i; k++) {
        bool together = block[i].first <= block[k].last && block[k].first <= block[i].last;
        bool apart = offset[i] + bytes[i] <= offset[k] || offset[k] + bytes[k] <= offset[i];
        CHECK(!together || apart);
      }
    }
  }
}

/* ---- sizes ---- */

#define WORD(op, n) ((n) * 16 + (op))

static void test_sizes(void) {
  int64_t symbol[] = {7, -3}, v;
  const int64_t sum[] = {WORD(LRT_SYMBOL, 0), WORD(LRT_NUMBER, 3), LRT_ADD, WORD(LRT_NUMBER, 4), LRT_FLOORDIV, LRT_END};
  CHECK(size_value(sum, 0, symbol, &v) && v == 2);
  const int64_t down[] = {WORD(LRT_SYMBOL, 1), WORD(LRT_NUMBER, 2), LRT_FLOORDIV, WORD(LRT_NUMBER, 9), LRT_ADD, LRT_END};
  CHECK(size_value(down, 0, symbol, &v) && v == 7); /* -3 / 2 is -2 */
  const int64_t rest[] = {WORD(LRT_SYMBOL, 1), WORD(LRT_NUMBER, 5), LRT_MOD, LRT_END};
  CHECK(size_value(rest, 0, symbol, &v) && v == 2);
  const int64_t least[] = {WORD(LRT_SYMBOL, 0), WORD(LRT_NUMBER, 5), LRT_MIN, WORD(LRT_NUMBER, 6), LRT_MAX, LRT_END};
  CHECK(size_value(least, 0, symbol, &v) && v == 6);
  const int64_t zero[] = {WORD(LRT_SYMBOL, 0), WORD(LRT_NUMBER, 0), LRT_FLOORDIV, LRT_END};
  CHECK(!size_value(zero, 0, symbol, &v));
  const int64_t large[] = {WORD(LRT_NUMBER, (int64_t)1 << 40), WORD(LRT_NUMBER, (int64_t)1 << 40), LRT_MUL, LRT_END};
  CHECK(!size_value(large, 0, symbol, &v));
  const int64_t negative[] = {WORD(LRT_SYMBOL, 1), LRT_END};
  CHECK(!size_value(negative, 0, symbol, &v) && size_symbol(negative, 0) == 1 && size_symbol(sum, 0) == -1);
}

int main(void) {
  test_sizes();
  test_places();
  test_pool();
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
