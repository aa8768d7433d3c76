/* calls.c WEIGHTS OTHER INPUT.npy OUTPUT.npy -- a library's functions as a caller meets them: results, messages, threads. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoder.h"

static int failures;
#define CHECK(e) ((e) ? (void)0 : (void)(failures++, printf("FAIL %s:%d: %s\n", __FILE__, __LINE__, #e)))
#define SAYS(e, what) \
  (strstr((e).text, what) ? (void)0 : (void)(failures++, printf("FAIL %d: `%s` says nothing of `%s`\n", __LINE__, (e).text, what)))

typedef struct File {
  char *at, *data; /* data: of a .npy file */
  size_t size;
} File;

static File read_file(const char *path) {
  FILE *f = fopen(path, "rb");
  File r = {.at = aligned_alloc(64, 1 << 20)};
  if (!f || !r.at) exit((perror(path), 1));
  r.size = fread(r.at, 1, 1 << 20, f);
  fclose(f);
  if (memcmp(r.at, "\x93NUMPY", 6) == 0) r.data = r.at + 10 + (unsigned char)r.at[8] + 256 * (unsigned char)r.at[9];
  return r;
}

static File ids, logits;
enum { SEQ = 16, VOCABULARY = 128 };

static void run_once(decoder_session *s) {
  decoder_inputs in = {.seq = SEQ, .input_ids = (const int64_t *)(const void *)ids.data};
  decoder_outputs out;
  decoder_error error;
  CHECK(decoder_run(s, &in, &out, &error));
  CHECK(out.logits_shape[0] == 1 && out.logits_shape[1] == SEQ && out.logits_shape[2] == VOCABULARY);
  CHECK(memcmp(out.logits, logits.data, SEQ * VOCABULARY * sizeof(float)) == 0);
}

/* ---- what is wrong is said ---- */

static void test_opening(const char *path, const char *other) {
  decoder_error error;
  CHECK(!decoder_open("/nonexistent", &error));
  SAYS(error, "no such file");
  CHECK(!decoder_open(NULL, &error));
  SAYS(error, "needs the file");
  CHECK(!decoder_open("/", &error));
  CHECK(!decoder_open(other, &error));
  SAYS(error, "another build");
  CHECK(!decoder_open("/nonexistent", NULL));
  strcpy(error.text, "as it was");
  CHECK(!decoder_session_open(NULL, 1, &error) && !decoder_run(NULL, NULL, NULL, &error) && !decoder_check(NULL, &error));
  SAYS(error, "as it was");

  File w = read_file(path);
  CHECK(!decoder_open_bytes(w.at, w.size - 1, &error));
  SAYS(error, "incomplete");
  CHECK(!decoder_open_bytes(w.at + 8, w.size - 8, &error));
  SAYS(error, "multiple of 64");
  decoder_model *m = decoder_open_bytes(w.at, w.size, &error);
  CHECK(m && decoder_check(m, &error));
  w.at[5000] ^= 1;
  CHECK(!decoder_check(m, &error));
  SAYS(error, "damaged");
  decoder_close(m);
  w.at[w.size - 30] ^= 1;
  CHECK(!decoder_open_bytes(w.at, w.size, &error));
  SAYS(error, "damaged");
  free(w.at);
}

static void test_running(decoder_model *m) {
  decoder_error error;
  decoder_outputs out;
  decoder_session *s = decoder_session_open(m, 1, &error);
  const int64_t *data = (const int64_t *)(const void *)ids.data;
  CHECK(!decoder_run(s, &(decoder_inputs){.seq = 3}, &out, &error));
  SAYS(error, "`input_ids` is not given");
  CHECK(!decoder_run(s, &(decoder_inputs){.seq = -3, .input_ids = data}, &out, &error));
  SAYS(error, "`seq` is -3");
  CHECK(!decoder_run(s, &(decoder_inputs){.seq = (int64_t)1 << 61, .input_ids = data}, &out, &error));
  run_once(s); /* after all that */
  decoder_session_close(s);
  decoder_session_close(NULL);
  decoder_close(NULL);
}

/* ---- threads ---- */

static void *open_and_run(void *path) {
  decoder_model *m = decoder_open(path, NULL);
  for (int threads = 0; threads < 4 && m; threads++) {
    decoder_session *s = decoder_session_open(m, threads, NULL);
    CHECK(s);
    for (int i = 0; i < 3; i++) run_once(s);
    decoder_session_close(s);
  }
  CHECK(m);
  decoder_close(m);
  return NULL;
}

static void test_threads(char *path) {
  enum { THREADS = 4 };
  pthread_t thread[THREADS];
  for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&thread[i], NULL, open_and_run, path) == 0);
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  ids = read_file(argv[3]);
  logits = read_file(argv[4]);
  test_opening(argv[1], argv[2]);
  decoder_model *m = decoder_open(argv[1], NULL);
  CHECK(m && decoder_check(m, NULL));
  if (m) test_running(m);
  decoder_close(m);
  test_threads(argv[1]);
  free(ids.at);
  free(logits.at);
  if (failures == 0) puts("calls behave");
  return failures > 0;
}
