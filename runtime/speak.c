/* speak.c -- a language model goes on with a text: the prompt in chunks, and then token by token, each time the likeliest. */
#include "runtime/speak.h"

#include "runtime/facts.h"
#include "runtime/os.h"
#include "runtime/tokenizer.h"

enum { IDS, POSITIONS, SEQUENCES, OUTPUTS, N_INPUTS };
static const char *const inputs[N_INPUTS] = {"ids", "positions", "sequences", "outputs"};

typedef struct Text {
  const Speak *how;
  const lrt_model *model;
  lrt_session *session;
  Tokenizer words;
  TokenizerDecode decode;
  bool has_words;
  int64_t input[N_INPUTS]; /* which of the program's each is */
  int64_t bos;             /* or -1 */
  int64_t *row[N_INPUTS];  /* [chunk] of each */
  int64_t *token;         /* [room]: the prompt, and what has been made */
  int64_t n, room, made, context;
  TextOut *out;
  lrt_error *why;
} Text;

static bool fail(Text *t, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  text_format_list(t->why->text, sizeof t->why->text, fmt, ap);
  va_end(ap);
  return false;
}

static int64_t input_of(const lrt_program *p, const char *name) {
  for (int64_t i = 0; i < p->n_inputs; i++)
    if (text_same(p->input[i].name, name) && p->input[i].dtype == LRT_i64 && p->input[i].rank == 1) return i;
  return -1;
}

bool speak_can(const lrt_model *m, const lrt_program *p) {
  for (int i = 0; i < N_INPUTS; i++)
    if (input_of(p, inputs[i]) < 0) return false;
  return p->n_inputs == N_INPUTS && p->n_outputs == 1 && p->output[0].rank == 2 && p->output[0].dtype == LRT_f32 &&
         fact_number(m, "context", 0) > 0;
}

/* ---- the prompt ---- */

static bool make_room(Text *t, int64_t n) {
  t->room = n;
  if (n < INT64_MAX / 8 && (t->token = os_memory((size_t)n * sizeof *t->token))) return true;
  return fail(t, "there is no memory for %d tokens", n);
}

static int64_t count_numbers(const char *s) {
  int64_t n = 1;
  for (; *s; s++) n += *s == ',';
  return n;
}

static bool read_ids(Text *t) {
  int64_t words = t->has_words ? tokenizer_count(&t->words) : INT64_MAX;
  if (!make_room(t, count_numbers(t->how->ids) + t->context + 1)) return false;
  for (const char *at = t->how->ids; *at; at += *at == ',') {
    int64_t id;
    const char *end = text_number(at, &id);
    if (!end || (*end && *end != ',') || id < 0 || id >= words) return fail(t, "--ids takes tokens with commas between, and not `%s`", t->how->ids);
    t->token[t->n++] = id;
    at = end;
  }
  return t->n > 0 || fail(t, "--ids: there is no token");
}

/* A text begins with what the tokenizer adds, or at least with the model's own beginning. */
static bool take_tokens(Text *t, const TokenList *list) {
  if (!make_room(t, list->n + t->context + 2)) return false;
  if (t->bos >= 0 && (list->n == 0 || list->at[0] != t->bos)) t->token[t->n++] = t->bos;
  for (int64_t i = 0; i < list->n; i++) t->token[t->n++] = list->at[i];
  return t->n > 0 || fail(t, "the prompt is empty, and the model has no token to begin with");
}

static bool read_text(Text *t) {
  const char *text = t->how->prompt ? t->how->prompt : "";
  TokenList list = {0};
  if (!t->has_words) return fail(t, "this program has no vocabulary: give the prompt as tokens, --ids 1,2,3");
  if (!tokenizer_encode(&t->words, text, text_length(text), TOKENIZER_ADD | TOKENIZER_SIGNS, &list))
    return fail(t, "there is no memory for the tokens of a prompt of %d bytes", (int64_t)text_length(text));
  bool good = take_tokens(t, &list);
  token_list_release(&list);
  tokenizer_decode_start(&t->decode, &t->words, t->n == 1 && t->token[0] == t->bos, false);
  return good;
}

/* ---- one call ---- */

static bool call(Text *t, int64_t from, int64_t n, const float **logits, int64_t *words) {
  lrt_session *s = t->session;
  int64_t one = 1, dim[LRT_RANK];
  for (int64_t i = 0; i < n; i++) t->row[IDS][i] = t->token[from + i], t->row[POSITIONS][i] = from + i;
  t->row[OUTPUTS][0] = n - 1;
  for (int i = 0; i < N_INPUTS; i++) session_input(s, t->input[i], i == OUTPUTS ? &one : &n, t->row[i]);
  const void *data;
  if (!session_prepare(s) || !session_run(s) || !session_output(s, 0, dim, &data)) return fail(t, "%s", s->error);
  *logits = data;
  *words = dim[1];
  return true;
}

/* The likeliest, and of equals the first. */
static int64_t likeliest(const float *logits, int64_t n) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; i++)
    if (logits[i] > logits[best]) best = i;
  return best;
}

/* Runs the tokens from `from` on, and says what comes next. */
static bool next_token(Text *t, int64_t from, int64_t *next) {
  const float *logits = NULL;
  int64_t words = 0;
  while (from < t->n) {
    int64_t n = t->n - from < t->how->chunk ? t->n - from : t->how->chunk;
    if (!call(t, from, n, &logits, &words)) return false;
    from += n;
  }
  *next = likeliest(logits, words);
  return true;
}

/* ---- what is made ---- */

static bool ends(const Text *t, int64_t token) {
  const lrt_fact *end = fact_find(t->model, "eos", LRT_i64);
  for (int64_t i = 0; end && i < end->n; i++)
    if (((const int64_t *)end->at)[i] == token) return true;
  return token == t->bos;
}

static void put(void *out, const char *at, size_t n) { text_bytes(out, at, n); }

static bool write_token(Text *t, int64_t token) {
  if (t->how->ids) text_put(t->out, t->made ? ",%d" : "%d", token);
  else tokenizer_decode(&t->decode, token, put, t->out);
  return text_flush(t->out) || fail(t, "cannot write to standard output: is it closed, or the disk full?");
}

static bool go_on(Text *t) {
  int64_t next, from = 0;
  while (t->how->n < 0 || t->made < t->how->n) {
    if (t->n >= t->context) return text_say(2, "\n(the context of %d tokens is full)\n", t->context), true;
    if (!next_token(t, from, &next)) return false;
    if (ends(t, next)) return true;
    if (!write_token(t, next)) return false;
    from = t->n;
    t->token[t->n++] = next;
    t->made++;
  }
  return true;
}

bool speak(const Speak *g, const lrt_model *m, lrt_session *s, TextOut *out, lrt_error *why) {
  Text t = {.how = g, .model = m, .session = s, .out = out, .why = why};
  int64_t most = fact_number(m, "context", 1), rows = g->chunk;
  for (int64_t i = 0; i < s->program->n_symbols; i++)
    if (text_same(s->program->symbol[i].name, "rows") && s->program->symbol[i].capacity >= 0 && s->program->symbol[i].capacity < rows)
      return fail(&t, "--chunk %d: this program takes %d rows at most", rows, s->program->symbol[i].capacity);
  if (g->context > most) return fail(&t, "--context %d: this program was built for %d", g->context, most);
  for (int i = 0; i < N_INPUTS; i++) t.input[i] = input_of(s->program, inputs[i]);
  t.bos = fact_number(m, "bos", -1);
  t.context = g->context ? g->context : most;
  t.has_words = tokenizer_open(&t.words, m);
  if (!(g->ids ? read_ids(&t) : read_text(&t))) return false;
  if (t.n > t.context) return fail(&t, "the prompt is %d tokens long, and the context holds %d", t.n, t.context);
  for (int i = 0; i < N_INPUTS; i++)
    if (!(t.row[i] = os_memory((size_t)g->chunk * sizeof **t.row))) return fail(&t, "there is no memory for chunks of %d", g->chunk);
  bool good = go_on(&t);
  if (!g->ids) tokenizer_decode_end(&t.decode, put, out);
  text_put(out, "\n");
  for (int i = 0; i < N_INPUTS; i++) os_release(t.row[i], (size_t)g->chunk * sizeof **t.row);
  os_release(t.token, (size_t)t.room * sizeof *t.token);
  return good;
}
