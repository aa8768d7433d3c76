/* perplexity.c -- how well a model foretells a text.
 *
 * The text's tokens are cut in windows, one behind another. Each is read from its beginning, with the model's first token in the
 * place of its own first where the tokenizer adds one; its first half is context alone, and the tokens of its second half are foretold. So
 * llama.cpp does it, whose figures these can be compared with. A text that is shorter than a window is foretold from its second token on. */
#include "runtime/exact_math.h"
#include "runtime/language.h"
#include "runtime/os.h"

typedef struct Sum {
  int64_t n;
  double of, of_squares;
} Sum;

static void add(Sum *s, double x) {
  s->n++;
  s->of += x;
  s->of_squares += x * x;
}

/* Tokens [from, to) of a window, each foretold by what is before it. */
static int score(Language *l, const int32_t *window, int64_t from, int64_t to, Sum *sum) {
  Generator *g = &l->generator;
  const float *logits;
  for (int64_t at = g->n; at < to - 1;) {
    int64_t n = to - 1 - at < g->chunk ? to - 1 - at : g->chunk;
    if (at + 1 < from && n > from - 1 - at) n = from - 1 - at; /* context alone */
    if (!generator_add(g, window + at, n)) return generator_failed(l);
    if (at + 1 < from ? !generator_next(g, &logits) : !generator_each(g, n, &logits)) return generator_failed(l);
    for (int64_t i = 0; i < n && at + 1 >= from; i++)
      add(sum, -sampler_logarithm(&l->sampler, logits + i * g->words, window[at + i + 1]));
    at += n;
  }
  return DONE;
}

static int check_tokens(const Language *l, const TokenList *list) {
  for (int64_t i = 0; i < list->n; i++)
    if (list->at[i] < 0 || list->at[i] >= l->sampler.words)
      return complain(l->program, BAD_INPUT, "the tokenizer gives token %d, and the model has %d", (int64_t)list->at[i], l->sampler.words);
  return list->n > 1 ? DONE : complain(l->program, BAD_INPUT, "--perplexity: the text has %d tokens, and at least 2 are needed", list->n);
}

static int score_all(Language *l, TokenList *list, int64_t size, Sum *sum) {
  bool begins = list->at[0] == l->bos;
  int64_t windows = list->n / size;
  int status = check_tokens(l, list);
  if (status == DONE && windows == 0) return score(l, list->at, 1, list->n, sum);
  for (int64_t i = 0; i < windows && status == DONE; i++) {
    int32_t *window = list->at + i * size, first = *window;
    if (begins) *window = (int32_t)l->bos;
    if (!generator_rewind(&l->generator, 0)) return generator_failed(l);
    status = score(l, window, size / 2 + 1, size, sum);
    *window = first;
    if (os_is_terminal(2)) text_say(2, "\rwindow %d of %d: %g ", i + 1, windows, exact_exp(sum->of / (double)sum->n));
  }
  if (os_is_terminal(2)) text_say(2, "\n");
  return status;
}

static int report(const Language *l, const Sum *s, int64_t size, int64_t tokens) {
  TextOut *out = l->program->out;
  double mean = s->of / (double)s->n, result = exact_exp(mean), error = 0;
  double variance = s->of_squares / (double)s->n - mean * mean;
  if (s->n > 1 && variance > 0) error = result * exact_sqrt(variance / (double)(s->n - 1));
  if (!l->program->args.at[ARG_json].given) {
    text_put(out, "perplexity: %g +- %g (%d of %d tokens, in windows of %d)\n", result, error, s->n, tokens, size);
    return DONE;
  }
  text_put(out, "{\"perplexity\":");
  put_real(out, result);
  text_put(out, ",\"error\":");
  put_real(out, error);
  text_put(out, ",\"scored\":%d,\"tokens\":%d,\"window\":%d}\n", s->n, tokens, size);
  return DONE;
}

int language_perplexity(Language *l) {
  const Program *p = l->program;
  Prompt text;
  TokenList list = {0};
  Sum sum = {0};
  int64_t size = argument_number(&p->args, ARG_context, 512);
  if (size > l->generator.context) size = l->generator.context;
  if (!l->has_words) return complain(p, BAD_INPUT, "--perplexity: this program has no vocabulary");
  if (size < 4) return complain(p, BAD_USAGE, "--perplexity: windows of %d tokens are too short, and 4 are needed", size);
  int status = prompt_file(p, p->args.at[ARG_perplexity].word, &text);
  if (status != DONE) return status;
  if (!tokenizer_encode(&l->tokenizer, text.text, text.n, TOKENIZER_ADD, &list)) status = complain(p, NO_RESOURCE, "there is no memory for the tokens of %d bytes", (int64_t)text.n);
  prompt_release(&text);
  if (status == DONE && list.n == 0) status = complain(p, BAD_INPUT, "--perplexity: the text is empty");
  if (status == DONE) status = score_all(l, &list, size, &sum);
  if (status == DONE) status = report(l, &sum, size, list.n);
  token_list_release(&list);
  return status;
}
