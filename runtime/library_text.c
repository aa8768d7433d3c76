/* library_text.c -- a language model as C functions: each session holds a text, with what the caches know of it. */
#include "runtime/facts.h"
#include "runtime/generator.h"
#include "runtime/library.h"
#include "runtime/os.h"
#include "runtime/sampler.h"
#include "runtime/tokenizer.h"
#include "runtime/words.h"

extern const lrt_model lrt_model_data;

typedef struct lrt_library_text {
  Generator generator;
  Sampler sampler;
  Tokenizer tokenizer;
  bool has_words, draws; /* draws: the seed has been taken */
  TokenizerDecode decode;
} Text;

static bool fail(lrt_error *error, const char *fmt, ...) {
  va_list ap;
  if (!error) return false;
  va_start(ap, fmt);
  text_format_list(error->text, sizeof error->text, fmt, ap);
  va_end(ap);
  return false;
}

/* ---- words ---- */

static bool open_words(Tokenizer *t, lrt_error *error) {
  return tokenizer_open(t, &lrt_model_data) || fail(error, "the model `%s` came without a vocabulary", lrt_model_data.name);
}

int64_t lrt_api_tokenize(const lrt_library *l, const char *text, size_t n, bool whole, int32_t *token, int64_t room, lrt_error *error) {
  Tokenizer t;
  TokenList list = {0};
  if (!l || !open_words(&t, error)) return -1;
  unsigned how = (whole ? TOKENIZER_ADD : 0) | (tokenizer_is_plain(&t) ? 0 : TOKENIZER_SIGNS);
  bool good = tokenizer_encode(&t, text, n, how, &list) || fail(error, "there is no memory for the tokens of %d bytes", (int64_t)n);
  for (int64_t i = 0; i < list.n && i < room; i++) token[i] = list.at[i];
  int64_t count = list.n;
  token_list_release(&list);
  return good ? count : -1;
}

/* As much as there is room for; the rest is counted alone. */
typedef struct Room {
  char *at;
  size_t n, room;
} Room;

static void put(void *context, const char *at, size_t n) {
  Room *r = context;
  for (size_t i = 0; i < n; i++, r->n++)
    if (r->n < r->room) r->at[r->n] = at[i];
}

int64_t lrt_api_detokenize(const lrt_library *l, const int32_t *token, int64_t n, char *text, size_t room, lrt_error *error) {
  Tokenizer t;
  TokenizerDecode d;
  Room r = {text, 0, room};
  if (!l || !open_words(&t, error)) return -1;
  tokenizer_decode_start(&d, &t, true, false);
  for (int64_t i = 0; i < n; i++) tokenizer_decode(&d, token[i], put, &r);
  tokenizer_decode_end(&d, put, &r);
  return (int64_t)r.n;
}

bool lrt_api_ends(const lrt_library *l, int32_t token) {
  const lrt_fact *end = fact_find(&lrt_model_data, "eos", LRT_i64);
  for (int64_t i = 0; l && end && i < end->n; i++)
    if (((const int64_t *)end->at)[i] == token) return true;
  return l && token == fact_number(&lrt_model_data, "bos", -1);
}

/* ---- a session's text ---- */

void library_text_close(Text *t) {
  if (!t) return;
  generator_close(&t->generator);
  sampler_close(&t->sampler);
  os_release(t, sizeof *t);
}

static bool open_text(lrt_library_session *s, lrt_error *error) {
  static const Sampling none;
  Text *t = os_memory(sizeof *t);
  if (!t) return fail(error, "no memory");
  s->text = t;
  bool good = generator_open(&t->generator, &lrt_model_data, &s->session, 0, 0) || fail(error, "%s", t->generator.why.text);
  good = good && (sampler_open(&t->sampler, &none, generator_words(s->session.program)) || fail(error, "no memory"));
  if (!good) return library_text_close(t), s->text = NULL, false;
  t->has_words = tokenizer_open(&t->tokenizer, &lrt_model_data);
  return true;
}

/* NULL: there is no session, or no memory, which `error` says. */
static Text *text_of(lrt_library_session *s, lrt_error *error) {
  return s && (s->text || open_text(s, error)) ? s->text : NULL;
}

static bool generator_failed(const Text *t, lrt_error *error) { return fail(error, "%s", t->generator.why.text); }

/* ---- going on ---- */

static bool check_tokens(const Text *t, const int32_t *token, int64_t n, lrt_error *error) {
  for (int64_t i = 0; i < n; i++)
    if (token[i] < 0 || token[i] >= t->sampler.words) return fail(error, "token %d: the model knows %d", (int64_t)token[i], t->sampler.words);
  return true;
}

bool lrt_api_feed(lrt_library_session *s, const int32_t *token, int64_t n, lrt_error *error) {
  Text *t = text_of(s, error);
  if (!t || !check_tokens(t, token, n, error)) return false;
  return generator_add(&t->generator, token, n) || generator_failed(t, error);
}

static const float *next_logits(Text *t, lrt_error *error) {
  const float *logits;
  if (t->generator.n == 0) return fail(error, "the text is empty: feed it a token first"), NULL;
  return generator_next(&t->generator, &logits) ? logits : (generator_failed(t, error), NULL);
}

const float *lrt_api_logits(lrt_library_session *s, int64_t *words, lrt_error *error) {
  Text *t = text_of(s, error);
  const float *logits = t ? next_logits(t, error) : NULL;
  if (logits && words) *words = t->sampler.words;
  return logits;
}

/* Zeros leave filters out, which here means 1. */
static double or_one(double v) { return v > 0 ? v : 1; }

static Sampling sampling(const lrt_library_sampling *how) {
  if (!how) return (Sampling){.top_p = 1, .repeat = 1};
  return (Sampling){.top_k = how->top_k, .top_p = or_one(how->top_p), .min_p = how->min_p, .repeat = or_one(how->repeat), .temperature = how->temperature, .seed = how->seed};
}

int32_t lrt_api_next(lrt_library_session *s, const lrt_library_sampling *how, lrt_error *error) {
  Text *t = text_of(s, error);
  if (!t) return -1;
  Generator *g = &t->generator;
  if (g->n >= g->context) return fail(error, "the context of %d tokens is full", g->context), -1;
  const float *logits = next_logits(t, error);
  if (!logits) return -1;
  t->sampler.how = sampling(how);
  if (!t->draws) t->sampler.random = t->sampler.how.seed;
  t->draws = true;
  int32_t token = (int32_t)sampler_next(&t->sampler, logits, g->token, g->n);
  generator_add(g, &token, 1);
  return token;
}

size_t lrt_api_piece(lrt_library_session *s, int32_t token, char *text, size_t room) {
  lrt_error unused;
  Text *t = text_of(s, &unused);
  Room r = {text, 0, room};
  if (!t || !t->has_words) return 0;
  if (!t->decode.tokenizer) tokenizer_decode_start(&t->decode, &t->tokenizer, t->generator.n <= 1, false);
  tokenizer_decode(&t->decode, token, put, &r);
  return r.n < room ? r.n : room;
}

/* ---- back, aside, and to bytes ---- */

int64_t lrt_api_length(const lrt_library_session *s) { return s && s->text ? s->text->generator.n : 0; }

bool lrt_api_truncate(lrt_library_session *s, int64_t length, lrt_error *error) {
  Text *t = text_of(s, error);
  if (!t) return false;
  if (length < 0 || length > t->generator.n) return fail(error, "the text has %d tokens, and not %d", t->generator.n, length);
  t->decode = (TokenizerDecode){0};
  return generator_rewind(&t->generator, length) || generator_failed(t, error);
}

bool lrt_api_copy(lrt_library_session *to, lrt_library_session *from, lrt_error *error) {
  Text *a = text_of(from, error), *b = a ? text_of(to, error) : NULL;
  if (!b) return false;
  if (!generator_copy(&b->generator, &a->generator)) return generator_failed(b, error);
  b->sampler.random = a->sampler.random;
  b->draws = a->draws;
  b->decode = a->decode;
  return true;
}

/* Memory that is written to from the front, or read. */
typedef struct Bytes {
  char *to;
  const char *from;
  size_t n, size;
} Bytes;

static bool write_bytes(void *context, void *at, size_t n) {
  Bytes *b = context;
  if (b->n <= b->size && n <= b->size - b->n) __builtin_memcpy(b->to + b->n, at, n);
  b->n += n;
  return true;
}

static bool read_bytes(void *context, void *at, size_t n) {
  Bytes *b = context;
  if (n > b->size - b->n) return false;
  __builtin_memcpy(at, b->from + b->n, n);
  b->n += n;
  return true;
}

size_t lrt_api_save(lrt_library_session *s, void *state, size_t room, lrt_error *error) {
  Text *t = text_of(s, error);
  Bytes b = {.to = state, .size = room};
  if (!t) return 0;
  if (!generator_save(&t->generator, &lrt_model_data, &s->library->weights, write_bytes, &b)) return fail(error, "%s", s->session.error), 0;
  return b.n;
}

bool lrt_api_load(lrt_library_session *s, const void *state, size_t size, lrt_error *error) {
  Text *t = text_of(s, error);
  Bytes b = {.from = state, .size = size};
  if (!t) return false;
  t->decode = (TokenizerDecode){0};
  return generator_load(&t->generator, &lrt_model_data, &s->library->weights, t->sampler.words, read_bytes, &b) || generator_failed(t, error);
}
