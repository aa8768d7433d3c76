/* test_session.c -- sessions of one program, several at once and of several threads each: what they compute, and (with the
 * preset tsan) that they share nothing but what is only read.
 *
 * The program is written out by hand, and its kernels are C, so that the thread sanitizer sees all that they touch. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/session.h"

/* ---- a program: y = reverse(x * w) + (x + 1), x: i64[n] ---- */

enum { WEIGHTS = 7 };
static const int64_t weights[WEIGHTS] = {3, 1, 4, 1, 5, 9, 2};

static void scale(const lrt_arg *arg, const int64_t grid[3], int64_t begin, int64_t end) {
  const int64_t *x = arg[0].memory, *w = arg[1].memory;
  int64_t *y = arg[2].memory;
  (void)grid;
  for (int64_t i = begin; i < end; i++) y[i] = x[i] * w[i % WEIGHTS];
}

static void next(const lrt_arg *arg, const int64_t grid[3], int64_t begin, int64_t end) {
  const int64_t *x = arg[0].memory;
  int64_t *y = arg[1].memory;
  (void)grid;
  for (int64_t i = begin; i < end; i++) y[i] = x[i] + 1;
}

/* Reads what other threads have written in the phase before. */
static void join(const lrt_arg *arg, const int64_t grid[3], int64_t begin, int64_t end) {
  const int64_t *a = arg[0].memory, *b = arg[1].memory;
  int64_t *y = arg[2].memory, n = (int64_t)arg[3].bits;
  (void)grid;
  for (int64_t i = begin; i < end; i++) y[i] = a[n - 1 - i] + b[i];
}

#define WORD(op, n) ((n) * 16 + (op))
enum { SIZE_N = 0, SIZE_1 = 2, SIZE_BYTES = 4 };
static const int64_t words[] = {WORD(LRT_SYMBOL, 0), LRT_END, WORD(LRT_NUMBER, 1), LRT_END,
                                WORD(LRT_SYMBOL, 0), WORD(LRT_NUMBER, 8), LRT_MUL, LRT_END};

enum { VALUE_X, VALUE_W, VALUE_A, VALUE_B, VALUE_Y, N_VALUES };
static const lrt_value value[N_VALUES] = {[VALUE_X] = {LRT_IN_INPUT, 0}, [VALUE_W] = {LRT_IN_WEIGHTS, 0}, [VALUE_A] = {LRT_IN_ARENA, 0},
                                          [VALUE_B] = {LRT_IN_ARENA, 1}, [VALUE_Y] = {LRT_IN_ARENA, 2}};
static const lrt_block block[] = {{SIZE_BYTES, 0, 1}, {SIZE_BYTES, 0, 1}, {SIZE_BYTES, 1, 2}};
static const int64_t args[][4] = {{VALUE_X, VALUE_W, VALUE_A}, {VALUE_X, VALUE_B}, {VALUE_A, VALUE_B, VALUE_Y, SIZE_N}};
#define LAUNCH(k, memory, sizes) \
  {.op = LRT_LAUNCH, .at = (k), .args = args[k], .n_memory = (memory), .n_sizes = (sizes), .grid = {SIZE_N, SIZE_1, SIZE_1}}
static const lrt_step step[] = {LAUNCH(0, 3, 0), LAUNCH(1, 2, 0), {.op = LRT_MEET}, LAUNCH(2, 3, 1)};

static const int64_t dims[] = {SIZE_N};
static const lrt_symbol symbol[] = {{"n", -1}};
static const lrt_port input[] = {{.name = "x", .dtype = LRT_i64, .rank = 1, .dim = dims, .value = VALUE_X}};
static const lrt_port output[] = {{.name = "y", .dtype = LRT_i64, .rank = 1, .dim = dims, .value = VALUE_Y}};
static lrt_kernel *const kernel[] = {scale, next, join};
static const int64_t segment[] = {0, sizeof block / sizeof *block};
static const lrt_program program = {
    .level = "any", .needs = "", .kv = "", .n_symbols = 1, .n_inputs = 1, .n_outputs = 1, .n_values = N_VALUES, .n_blocks = 3, .n_steps = 4,
    .symbol = symbol, .input = input, .output = output, .value = value, .block = block, .segment = segment, .n_segments = 1, .step = step, .words = words, .kernel = kernel};

/* ---- one session ---- */

enum { SESSIONS = 4, THREADS = 3, TURNS = 40, LARGEST = 3000 };

static bool run_once(lrt_session *s, int64_t *x, int64_t n, int64_t salt) {
  int64_t got;
  const void *data;
  for (int64_t i = 0; i < n; i++) x[i] = i * salt + salt;
  if (!session_input(s, 0, &n, x) || !session_prepare(s) || !session_run(s) || !session_output(s, 0, &got, &data) || got != n) return false;
  for (int64_t i = 0; i < n; i++) {
    int64_t from = n - 1 - i;
    if (((const int64_t *)data)[i] != x[from] * weights[from % WEIGHTS] + x[i] + 1) return false;
  }
  return true;
}

/* Sizes go up and down, so that the arena is made again and used again. NULL: all went well. */
static void *run_session(void *salt) {
  static const int64_t sizes[] = {1, 2, 100, 1023, LARGEST, 7, 1025};
  static char bad[] = "bad";
  lrt_session s;
  int64_t *x = malloc(LARGEST * sizeof *x);
  bool good = x && session_open(&s, &program, weights, THREADS);
  for (int i = 0; good && i < TURNS; i++) good = run_once(&s, x, sizes[(size_t)i % (sizeof sizes / sizeof *sizes)], *(const int64_t *)salt + i);
  if (x) session_close(&s);
  free(x);
  return good ? NULL : bad;
}

int main(void) {
  pthread_t thread[SESSIONS];
  int64_t salt[SESSIONS];
  bool good = true;
  for (int i = 0; i < SESSIONS; i++) {
    salt[i] = 10 * i + 1;
    if (pthread_create(&thread[i], NULL, run_session, &salt[i]) != 0) return EXIT_FAILURE;
  }
  for (int i = 0; i < SESSIONS; i++) {
    void *bad;
    pthread_join(thread[i], &bad);
    good &= bad == NULL;
    if (bad) printf("FAIL session %d\n", i);
  }
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
