/* talk.c -- a language model in a C program: what the generated header promises of texts.
 *
 *   talk WEIGHTS PROMPT EXPECTED [TOKENS]
 * The text that follows the prompt, the likeliest token each time, is EXPECTED, a file; so it is in every way in which it is made. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "talk.h"

enum { ROOM = 512, MOST = 60 };

static int failures;
static talk_error error;

static void check(int good, const char *what) {
  if (!good) printf("FAIL %s: %s\n", what, error.text);
  failures += !good;
  error.text[0] = 0;
}

/* Makes n tokens; fewer where one ends the text. */
static int64_t go_on(const talk_model *model, talk_session *s, const talk_sampling *how, int64_t n, int32_t *token) {
  int64_t made = 0;
  for (int32_t next; made < n && (next = talk_next(s, how, &error)) >= 0 && !talk_ends(model, next);) token[made++] = next;
  return made;
}

/* A text, piece by piece. */
static void test_pieces(talk_model *model, const int32_t *prompt, int64_t n, const char *expected) {
  char text[4096] = "";
  size_t size = 0;
  talk_session *s = talk_session_open(model, 2, &error);
  check(talk_feed(s, prompt, n, &error), "feed");
  for (int i = 0; i < MOST; i++) {
    int32_t token = talk_next(s, NULL, &error);
    if (token < 0 || talk_ends(model, token)) break;
    size += talk_piece(s, token, text + size, sizeof text - size - 1);
  }
  text[size] = 0;
  check(strncmp(text, expected, size) == 0 && size > 20, "the text, piece by piece");
  talk_session_close(s);
}

/* Back, aside, to bytes and from them: what follows is the same. */
static void test_states(talk_model *model, const int32_t *prompt, int64_t n) {
  int32_t want[MOST], got[MOST];
  talk_session *a = talk_session_open(model, 1, &error), *b = talk_session_open(model, 1, &error);
  check(talk_feed(a, prompt, n, &error) && talk_length(a) == n, "feed");
  int64_t made = go_on(model, a, NULL, 40, want);
  check(made >= 20, "forty tokens");
  check(talk_truncate(a, n + 10, &error) && talk_length(a) == n + 10, "truncate");
  check(go_on(model, a, NULL, made - 10, got) == made - 10 && memcmp(got, want + 10, (size_t)(made - 10) * sizeof *got) == 0, "after going back");

  check(talk_truncate(a, n + 5, &error) && talk_copy(b, a, &error) && talk_length(b) == n + 5, "copy");
  check(go_on(model, b, NULL, made - 5, got) == made - 5 && memcmp(got, want + 5, (size_t)(made - 5) * sizeof *got) == 0, "in the copy");
  check(talk_length(a) == n + 5, "the copied one stays as it was");

  size_t size = talk_save(a, NULL, 0, &error);
  char *state = malloc(size);
  check(state && size > 0 && talk_save(a, state, size, &error) == size, "save");
  talk_session *c = talk_session_open(model, 1, &error);
  check(talk_load(c, state, size, &error) && talk_length(c) == n + 5, "load");
  check(go_on(model, c, NULL, made - 5, got) == made - 5 && memcmp(got, want + 5, (size_t)(made - 5) * sizeof *got) == 0, "from what was saved");
  for (size_t cut = 0; cut < size; cut += 1 + cut / 2) check(!talk_load(c, state, cut, &error) && error.text[0], "a part of what was saved");
  check(talk_length(c) == 0, "what was not loaded is empty");
  state[9] ^= 1;
  check(!talk_load(c, state, size, &error) && strstr(error.text, "another program"), "of another program");
  free(state);
  talk_session_close(a), talk_session_close(b), talk_session_close(c);
}

/* A draw is that of its seed. */
static void test_draws(talk_model *model, const int32_t *prompt, int64_t n) {
  int32_t token[3][30];
  talk_sampling how = {.temperature = 1.5, .top_k = 50, .top_p = 0.98, .seed = 7};
  for (int i = 0; i < 3; i++) {
    talk_session *s = talk_session_open(model, 1, &error);
    how.seed = i == 2 ? 8 : 7;
    check(talk_feed(s, prompt, n, &error), "feed");
    for (int k = 0; k < 30; k++) token[i][k] = talk_next(s, &how, &error);
    talk_session_close(s);
  }
  check(memcmp(token[0], token[1], sizeof *token) == 0, "one seed, one text");
  check(memcmp(token[0], token[2], sizeof *token) != 0, "another seed, another text");
}

static void test_mistakes(talk_model *model) {
  talk_session *s = talk_session_open(model, 1, &error);
  int64_t words = 0;
  int32_t wrong = -1, *many = calloc(1 << 20, sizeof *many);
  check(talk_next(s, NULL, &error) < 0 && strstr(error.text, "the text is empty"), "nothing was fed");
  check(!talk_feed(s, &wrong, 1, &error) && strstr(error.text, "token -1"), "a token that there is not");
  check(!talk_feed(s, many, 1 << 20, &error) && strstr(error.text, "the context holds"), "too many tokens");
  check(!talk_truncate(s, 1, &error) && strstr(error.text, "has 0 tokens"), "back to what was not");
  check(talk_feed(s, many, 1, &error) && talk_logits(s, &words, &error) && words > 100, "scores");
  check(talk_tokenize(NULL, "x", 1, true, many, 1, &error) == -1 && !talk_feed(NULL, many, 1, &error) && !error.text[0], "no model");
  free(many);
  talk_session_close(s);
}

int main(int argc, char **argv) {
  static char expected[1 << 16], text[1 << 12];
  int32_t prompt[ROOM];
  FILE *f = argc > 3 ? fopen(argv[3], "rb") : NULL;
  if (!f) return 2;
  expected[fread(expected, 1, sizeof expected - 1, f)] = 0;
  fclose(f);
  talk_model *model = talk_open(argv[1], &error);
  if (!model) return fprintf(stderr, "%s\n", error.text), 1;
  int64_t n = talk_tokenize(model, argv[2], strlen(argv[2]), true, prompt, ROOM, &error);
  check(n > 0 && n < ROOM, "tokenize");
  check(talk_tokenize(model, argv[2], strlen(argv[2]), true, NULL, 0, &error) == n, "tokenize without room");
  int64_t size = talk_detokenize(model, prompt, n, text, sizeof text, &error);
  check(size == (int64_t)strlen(argv[2]) && memcmp(text, argv[2], (size_t)size) == 0, "detokenize");
  test_pieces(model, prompt, n, expected);
  test_states(model, prompt, n);
  test_draws(model, prompt, n);
  test_mistakes(model);
  talk_close(model);
  return failures != 0;
}
