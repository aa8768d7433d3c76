/* generate.c -- two compiled models in one program, which several threads run at once.
 *
 * `decoder` reads text, a byte a token, and gives scores for the byte that comes next; `best` picks one. Threads share the
 * models' weights and code, and each has sessions of its own. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "best.h"
#include "decoder.h"

enum { THREADS = 4, ROUNDS = 3, LENGTH = 48 };

typedef struct Writer {
  decoder_model *decoder;
  best_model *best;
  const char *prompt;
  int64_t text[LENGTH]; /* what comes of it */
  float chance;         /* of the last token */
  bool done;
  decoder_error decoder_error; /* else why not: one of these */
  best_error best_error;
} Writer;

/* Appends the likeliest token until there is no more room. */
static bool write_on(Writer *w, decoder_session *decoder, best_session *best) {
  decoder_outputs scores;
  best_outputs picked;
  int64_t n = 0;
  for (; w->prompt[n]; n++) w->text[n] = (unsigned char)w->prompt[n];
  for (; n < LENGTH; n++) {
    decoder_inputs text = {.seq = n, .input_ids = w->text};
    if (!decoder_run(decoder, &text, &scores, &w->decoder_error)) return false;
    best_inputs of = {.seq = n, .logits = scores.logits};
    if (!best_run(best, &of, &picked, &w->best_error)) return false;
    w->text[n] = picked.token[n - 1];
    w->chance = picked.chance[n - 1];
  }
  return true;
}

static void *write_text(void *context) {
  Writer *w = context;
  decoder_session *decoder = decoder_session_open(w->decoder, 2, &w->decoder_error);
  best_session *best = best_session_open(w->best, 1, &w->best_error);
  w->done = true;
  for (int i = 0; i < ROUNDS && w->done; i++) w->done = write_on(w, decoder, best);
  best_session_close(best);
  decoder_session_close(decoder);
  return NULL;
}

static void print_text(const Writer *w) {
  printf("%s ->", w->prompt);
  for (size_t i = strlen(w->prompt); i < LENGTH; i++) printf(" %d", (int)w->text[i]);
  printf(" (%.3f)\n", (double)w->chance);
}

/* All prompts at once, a thread each. */
static int write_all(decoder_model *decoder, best_model *best) {
  static const char *const prompts[THREADS] = {"Once upon a time", "In the beginning", "It was the best", "Call me"};
  Writer writer[THREADS];
  pthread_t thread[THREADS];
  int failed = 0;
  memset(writer, 0, sizeof writer);
  for (int i = 0; i < THREADS; i++) {
    writer[i].decoder = decoder;
    writer[i].best = best;
    writer[i].prompt = prompts[i];
    if (pthread_create(&thread[i], NULL, write_text, &writer[i]) != 0) return fprintf(stderr, "no thread\n"), 1;
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(thread[i], NULL);
    if (writer[i].done) print_text(&writer[i]);
    else failed = 1, fprintf(stderr, "%s%s\n", writer[i].decoder_error.text, writer[i].best_error.text);
  }
  return failed;
}

int main(int argc, char **argv) {
  decoder_error decoder_why;
  best_error best_why;
  decoder_model *decoder = decoder_open(argc > 1 ? argv[1] : "decoder.weights", &decoder_why);
  best_model *best = best_open(NULL, &best_why); /* it has no weights */
  int failed = 1;
  if (!decoder) fprintf(stderr, "%s\n", decoder_why.text);
  else if (!best) fprintf(stderr, "%s\n", best_why.text);
  else failed = write_all(decoder, best);
  best_close(best);
  decoder_close(decoder);
  return failed;
}
