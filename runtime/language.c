/* language.c -- what a program does with a language model, as the command line asks. */
#include "runtime/language.h"

#include "runtime/facts.h"
#include "runtime/json.h"
#include "runtime/os.h"
#include "runtime/size.h"
#include "runtime/utf8.h"

int generator_failed(const Language *l) {
  const Program *p = l->program;
  return complain(p, p->session.no_memory ? NO_RESOURCE : BAD_INPUT, "%s", l->generator.why.text);
}

bool language_ends(const Language *l, int64_t token) {
  const lrt_fact *end = fact_find(l->program->model, "eos", LRT_i64);
  for (int64_t i = 0; end && i < end->n; i++)
    if (((const int64_t *)end->at)[i] == token) return true;
  return token == l->bos;
}

/* ---- JSON ---- */

static size_t put_character(TextOut *out, const char *at, size_t n) {
  char quoted[16];
  TextRoom room = {.at = quoted, .size = sizeof quoted};
  uint32_t c;
  size_t size = utf8_read(at, n, &c);
  if (size) json_write_text(&room, at, size, false);
  else room_text(&room, "\"\xef\xbf\xbd\"");
  text_bytes(out, quoted + 1, room.n - 2);
  return size ? size : 1;
}

void put_json(TextOut *out, const char *at, size_t n) {
  for (size_t i = 0; i < n;) i += put_character(out, at + i, n - i);
}

void put_real(TextOut *out, double v) {
  char digits[64];
  TextRoom room = {.at = digits, .size = sizeof digits};
  if (v - v != 0) return text_put(out, "null"); /* JSON has no infinity */
  room_float(&room, v);
  text_bytes(out, digits, room.n);
}

/* ---- a reply, or tokens ---- */

static void to_output(void *context, const char *at, size_t n) { text_bytes(context, at, n); }

static int write_tokens(const Language *l, const TokenList *list) {
  for (int64_t i = 0; i < list->n; i++) text_put(l->program->out, i ? ",%d" : "%d", (int64_t)list->at[i]);
  text_put(l->program->out, "\n");
  return DONE;
}

static int write_words(const Language *l, const TokenList *list) {
  TokenizerDecode d;
  if (!l->has_words) return complain(l->program, BAD_INPUT, "--detokenize: this program has no vocabulary");
  tokenizer_decode_start(&d, &l->tokenizer, true, true);
  for (int64_t i = 0; i < list->n; i++) tokenizer_decode(&d, list->at[i], to_output, l->program->out);
  tokenizer_decode_end(&d, to_output, l->program->out);
  text_put(l->program->out, "\n");
  return DONE;
}

static int go_on(Language *l, const TokenList *list) {
  const char *path = l->program->args.at[ARG_save_state].word;
  Reply r;
  if (!generator_add(&l->generator, list->at, list->n)) return generator_failed(l);
  if (l->generator.n == 0) return complain(l->program, BAD_INPUT, "the prompt is empty, and the model has no token to begin with");
  int status = reply_make(l, &r);
  return status == DONE && path ? state_save(l, path) : status;
}

int language_speak(Language *l) {
  const Argument *at = l->program->args.at;
  TokenList list;
  int status = at[ARG_load_state].given ? state_load(l, at[ARG_load_state].word) : DONE;
  if (status != DONE) return status;
  if (at[ARG_detokenize].given && !at[ARG_ids].given) return complain(l->program, BAD_USAGE, "--detokenize: --ids gives the tokens");
  status = prompt_tokens(l, !at[ARG_load_state].given, &list);
  if (status == DONE)
    status = at[ARG_tokenize].given ? write_tokens(l, &list) : at[ARG_detokenize].given ? write_words(l, &list) : go_on(l, &list);
  token_list_release(&list);
  return status;
}

/* ---- opening ---- */

static Sampling sampling(const Arguments *a) {
  return (Sampling){.top_k = argument_number(a, ARG_top_k, 40), .top_p = argument_real(a, ARG_top_p, 0.95), .min_p = argument_real(a, ARG_min_p, 0.05),
                    .repeat = argument_real(a, ARG_repeat_penalty, 1), .temperature = argument_real(a, ARG_temp, 0.8),
                    .seed = (uint64_t)argument_number(a, ARG_seed, os_now() & 0xffffffff)};
}

static int open_all(Language *l) {
  Program *p = l->program;
  Sampling how = sampling(&p->args);
  l->bos = fact_number(p->model, "bos", -1);
  l->has_words = tokenizer_open(&l->tokenizer, p->model);
  if (!session_open(&p->session, p->data, p->weights.bytes, argument_number(&p->args, ARG_threads, os_processors()))) return session_failed(p);
  if (!generator_open(&l->generator, p->model, &p->session, argument_number(&p->args, ARG_context, 0), argument_number(&p->args, ARG_chunk, 0)))
    return generator_failed(l);
  return sampler_open(&l->sampler, &how, generator_words(p->data)) ? DONE : complain(p, NO_RESOURCE, "no memory");
}

int language_run(Program *p) {
  const Argument *at = p->args.at;
  Language l = {.program = p, .interrupts = -1};
  if (at[ARG_interactive].given) l.interrupts = os_take_interrupts();
  int status = open_all(&l);
  if (status != DONE) return status;
  if (at[ARG_bench].given) return language_bench(&l);
  if (at[ARG_perplexity].given) return language_perplexity(&l);
  if (at[ARG_interactive].given) return language_chat(&l);
  return language_speak(&l);
}
