/* encode.c -- vectors of texts, by an encoder: --embed. */
#include "runtime/exact_math.h"
#include "runtime/language.h"
#include "runtime/os.h"

enum { IDS, MASK, TYPES, N_INPUTS };
static const char *const inputs[N_INPUTS] = {"input_ids", "attention_mask", "token_type_ids"};

typedef enum Pooling { POOL_mean, POOL_cls, POOL_last } Pooling;
static const char *const poolings[] = {"mean", "cls", "last"};

typedef struct Encode {
  Program *program;
  Tokenizer tokenizer;
  int64_t input[N_INPUTS], longest; /* which of the program's each is, or -1; tokens that a text may have */
  int64_t *row[N_INPUTS];           /* [longest] of each */
  Pooling pooling;
  bool normal, json;
} Encode;

static int64_t input_of(const lrt_program *p, const char *name) {
  for (int64_t i = 0; i < p->n_inputs; i++)
    if (text_same(p->input[i].name, name) && p->input[i].dtype == LRT_i64 && p->input[i].rank == 2) return i;
  return -1;
}

bool encode_can(const lrt_model *m, const lrt_program *p) {
  Tokenizer t;
  int64_t known = 0;
  for (int i = 0; i < N_INPUTS; i++) known += input_of(p, inputs[i]) >= 0;
  return known == p->n_inputs && input_of(p, inputs[IDS]) >= 0 && p->n_outputs > 0 && p->output[0].rank == 3 && p->output[0].dtype == LRT_f32 &&
         tokenizer_open(&t, m);
}

/* ---- one text ---- */

/* [tokens, size] becomes [size], in its first row. */
static void pool(const Encode *e, float *x, int64_t tokens, int64_t size) {
  if (e->pooling == POOL_last) __builtin_memmove(x, x + (tokens - 1) * size, (size_t)size * sizeof *x);
  for (int64_t i = 0; i < size && e->pooling == POOL_mean; i++) {
    double sum = 0;
    for (int64_t t = 0; t < tokens; t++) sum += (double)x[t * size + i];
    x[i] = (float)(sum / (double)tokens);
  }
  double squares = 0;
  for (int64_t i = 0; i < size; i++) squares += (double)x[i] * (double)x[i];
  double by = e->normal && squares > 0 ? 1 / exact_sqrt(squares) : 1;
  for (int64_t i = 0; i < size; i++) x[i] = (float)((double)x[i] * by);
}

static void put_vector(const Encode *e, const char *text, size_t n, const float *x, int64_t size) {
  TextOut *out = e->program->out;
  if (e->json) text_put(out, "{\"text\":\""), put_json(out, text, n), text_put(out, "\",\"embedding\":[");
  for (int64_t i = 0; i < size; i++) {
    if (i) text_put(out, e->json ? "," : " ");
    put_real(out, (double)x[i]);
  }
  text_put(out, e->json ? "]}\n" : "\n");
}

static int run(Encode *e, const TokenList *list, const char *text, size_t n) {
  lrt_session *s = &e->program->session;
  int64_t dim[LRT_RANK] = {1, list->n};
  const void *data;
  for (int i = 0; i < N_INPUTS; i++) {
    for (int64_t t = 0; t < list->n; t++) e->row[i][t] = i == IDS ? list->at[t] : i == MASK;
    if (e->input[i] >= 0) session_input(s, e->input[i], dim, e->row[i]);
  }
  if (!session_prepare(s) || !session_run(s) || !session_output(s, 0, dim, &data)) return session_failed(e->program);
  float *x = (float *)(uintptr_t)data; /* in the arena, which the next run writes anew */
  pool(e, x, dim[1], dim[2]);
  put_vector(e, text, n, x, dim[2]);
  return DONE;
}

static int write_tokens(const Encode *e, const TokenList *list) {
  for (int64_t i = 0; i < list->n; i++) text_put(e->program->out, i ? ",%d" : "%d", (int64_t)list->at[i]);
  text_put(e->program->out, "\n");
  return DONE;
}

static int encode_line(Encode *e, int64_t line, const char *text, size_t n) {
  const Program *p = e->program;
  TokenList list = {0};
  int status = DONE;
  if (!tokenizer_encode(&e->tokenizer, text, n, TOKENIZER_ADD, &list)) status = complain(p, NO_RESOURCE, "there is no memory for the tokens of line %d", line);
  else if (p->args.at[ARG_tokenize].given) status = write_tokens(e, &list);
  else if (list.n == 0) status = complain(p, BAD_INPUT, "line %d has no tokens", line);
  else if (list.n > e->longest) status = complain(p, BAD_INPUT, "line %d is %d tokens long, and the model takes %d", line, list.n, e->longest);
  else status = run(e, &list, text, n);
  token_list_release(&list);
  return status;
}

/* ---- all of them ---- */

static int64_t most_tokens(const lrt_program *p) {
  for (int64_t i = 0; i < p->n_symbols; i++)
    if (text_same(p->symbol[i].name, "seq") && p->symbol[i].capacity >= 0) return p->symbol[i].capacity;
  return 512;
}

static int open_encode(Encode *e) {
  Program *p = e->program;
  const char *how = p->args.at[ARG_pooling].word;
  int i = 0;
  while (how && i < 3 && !text_same(how, poolings[i])) i++;
  if (i == 3) return complain(p, BAD_USAGE, "--pooling is mean, cls or last, and not `%s`", how);
  e->pooling = (Pooling)i;
  e->normal = argument_number(&p->args, ARG_normalize, 1) != 0;
  e->json = p->args.at[ARG_json].given;
  e->longest = most_tokens(p->data);
  if (!tokenizer_open(&e->tokenizer, p->model)) return complain(p, BAD_INPUT, "this program has no vocabulary");
  for (i = 0; i < N_INPUTS; i++) {
    e->input[i] = input_of(p->data, inputs[i]);
    if (!(e->row[i] = os_memory((size_t)e->longest * sizeof **e->row))) return complain(p, NO_RESOURCE, "there is no memory for %d tokens", e->longest);
  }
  if (!session_open(&p->session, p->data, p->weights.bytes, argument_number(&p->args, ARG_threads, os_processors()))) return session_failed(p);
  return DONE;
}

int encode_run(Program *p) {
  Encode e = {.program = p};
  Prompt text;
  const Argument *at = p->args.at;
  int status = open_encode(&e);
  if (status == DONE) status = at[ARG_prompt].given || at[ARG_file].given ? prompt_read(p, &text) : prompt_file(p, "-", &text);
  if (status != DONE) return status;
  int64_t line = 0;
  for (size_t from = 0, to; from < text.n && status == DONE; from = to + 1) {
    for (to = from; to < text.n && text.text[to] != '\n';) to++;
    size_t end = to > from && text.text[to - 1] == '\r' ? to - 1 : to;
    status = encode_line(&e, ++line, text.text + from, end - from);
  }
  prompt_release(&text);
  return status;
}
