/* reply.c -- what comes next in a text: token by token, as text while it is made, as tokens, or as one JSON object in the end. */
#include "runtime/language.h"
#include "runtime/os.h"

/* What --logprobs asks of one token: itself, and behind it the likeliest in its place. */
typedef struct Chance {
  int32_t token;
  double logarithm;
} Chance;

typedef struct Making {
  Language *l;
  Reply *reply;
  int64_t begin, most; /* of the reply in the text; how many tokens it may have, -1: any number */
  bool ids, json;
  TokenizerDecode decode;
  Stops stops;
  Chance *chance; /* [room][likeliest + 1] */
  int64_t likeliest, room;
} Making;

/* ---- text ---- */

static void to_stops(void *context, const char *at, size_t n) { stops_text(context, at, n); }
static void to_output(void *context, const char *at, size_t n) { text_bytes(context, at, n); }
static void to_json(void *context, const char *at, size_t n) { put_json(context, at, n); }
static void to_nobody(void *context, const char *at, size_t n) { (void)context, (void)at, (void)n; }

static int take_stops(Making *m) {
  const Program *p = m->l->program;
  const char *text;
  for (int i = 0; (text = argument_next(&p->args, ARG_stop, &i));)
    if (!stops_add(&m->stops, text))
      return complain(p, BAD_USAGE, "--stop `%s`: it has from 1 to %d bytes, and there may be %d of them", text, (int64_t)STOP_LENGTH - 1, (int64_t)STOPS);
  return DONE;
}

static void begin_text(Making *m, StopsPut *put) {
  const Generator *g = &m->l->generator;
  bool first = m->begin > 0 && g->token[m->begin - 1] == m->l->bos;
  if (m->l->has_words) tokenizer_decode_start(&m->decode, &m->l->tokenizer, first, false);
  m->stops.put = put;
  m->stops.context = m->l->program->out;
  m->stops.held = 0;
  m->stops.found = false;
}

static void put_token(Making *m, int64_t at) {
  tokenizer_decode(&m->decode, m->l->generator.token[at], to_stops, &m->stops);
}

static void end_text(Making *m) {
  tokenizer_decode_end(&m->decode, to_stops, &m->stops);
  stops_end(&m->stops);
}

/* The token that was just made goes out; false: the output is closed. */
static bool write_token(Making *m) {
  const Generator *g = &m->l->generator;
  TextOut *out = m->l->program->out;
  if (m->ids && !m->json) text_put(out, m->reply->made > 1 ? ",%d" : "%d", (int64_t)g->token[g->n - 1]);
  else if (m->l->has_words) put_token(m, g->n - 1);
  return m->json || text_flush(out);
}

/* ---- chances ---- */

static int make_room(Making *m) {
  const Program *p = m->l->program;
  const Generator *g = &m->l->generator;
  if (!p->args.at[ARG_logprobs].given) return DONE;
  if (!m->json) return complain(p, BAD_USAGE, "--logprobs goes with --json");
  m->likeliest = p->args.at[ARG_logprobs].number;
  m->room = g->context - g->n;
  if (m->most >= 0 && m->most < m->room) m->room = m->most;
  m->chance = os_memory((size_t)(m->room * (m->likeliest + 1)) * sizeof *m->chance);
  return m->chance ? DONE : complain(p, NO_RESOURCE, "there is no memory for the logarithms of %d tokens", m->room);
}

static void note_chances(Making *m, const float *logits, int64_t token) {
  Sampler *s = &m->l->sampler;
  Chance *c = m->chance + m->reply->made * (m->likeliest + 1);
  int64_t n = sampler_likeliest(s, logits, m->likeliest ? m->likeliest : 1);
  double top = s->candidate[0].p + ((double)logits[token] - (double)s->candidate[0].logit);
  c[0] = (Chance){(int32_t)token, top};
  for (int64_t i = 0; i < m->likeliest; i++)
    c[i + 1] = i < n ? (Chance){s->candidate[i].token, s->candidate[i].p} : (Chance){-1, 0};
}

static void put_chance(Making *m, const Chance *c) {
  TextOut *out = m->l->program->out;
  TokenizerDecode d;
  text_put(out, "{\"id\":%d,", (int64_t)c->token);
  if (m->l->has_words) {
    text_put(out, "\"text\":\"");
    tokenizer_decode_start(&d, &m->l->tokenizer, false, true);
    tokenizer_decode(&d, c->token, to_json, out);
    tokenizer_decode_end(&d, to_json, out);
    text_put(out, "\",");
  }
  text_put(out, "\"logprob\":");
  put_real(out, c->logarithm);
}

static void put_chances(Making *m) {
  TextOut *out = m->l->program->out;
  text_put(out, ",\"logprobs\":[");
  for (int64_t i = 0; i < m->reply->made; i++) {
    const Chance *c = m->chance + i * (m->likeliest + 1);
    text_put(out, i ? "," : "");
    put_chance(m, c);
    text_put(out, ",\"top\":[");
    for (int64_t k = 1; k <= m->likeliest && c[k].token >= 0; k++) {
      text_put(out, k > 1 ? "," : "");
      put_chance(m, &c[k]);
      text_put(out, "}");
    }
    text_put(out, "]}");
  }
  text_put(out, "]");
}

/* ---- the object of --json ---- */

static double per_second(int64_t n, int64_t ns) { return ns > 0 ? (double)n * 1e9 / (double)ns : 0; }

/* The text is made again from its tokens. */
static void put_text(Making *m) {
  TextOut *out = m->l->program->out;
  text_put(out, "\"text\":\"");
  begin_text(m, to_json);
  for (int64_t i = 0; i < m->reply->made; i++) put_token(m, m->begin + i);
  end_text(m);
  text_put(out, "\",");
}

static void put_object(Making *m) {
  TextOut *out = m->l->program->out;
  const Reply *r = m->reply;
  text_put(out, "{");
  if (m->l->has_words) put_text(m);
  text_put(out, "\"ids\":[");
  for (int64_t i = 0; i < r->made; i++) text_put(out, i ? ",%d" : "%d", (int64_t)m->l->generator.token[m->begin + i]);
  text_put(out, "],\"reason\":\"%s\",\"prompt_tokens\":%d,\"tokens\":%d,\"seed\":%d", r->reason, r->prompt, r->made, (int64_t)m->l->sampler.how.seed);
  if (m->chance) put_chances(m);
  text_put(out, ",\"timings\":{\"prompt_ms\":%g,\"prompt_per_second\":%g,\"made_ms\":%g,\"made_per_second\":%g}}\n", (double)r->prompt_ns * 1e-6,
           per_second(r->prompt, r->prompt_ns), (double)r->made_ns * 1e-6, per_second(r->made, r->made_ns));
}

static void say_stats(const Making *m) {
  const Reply *r = m->reply;
  if (!m->l->program->args.at[ARG_stats].given && !(os_is_terminal(1) && os_is_terminal(2))) return;
  text_say(2, "(%d tokens read, %g a second; %d made, %g a second; seed %d)\n", r->prompt, per_second(r->prompt, r->prompt_ns), r->made,
           per_second(r->made, r->made_ns), (int64_t)m->l->sampler.how.seed);
}

/* ---- making ---- */

/* What ends a reply before its next token; NULL: nothing does. */
static const char *why_end(const Making *m) {
  const Generator *g = &m->l->generator;
  if (m->stops.found) return "stop";
  if (os_interrupted(m->l->interrupts)) return "interrupted";
  if (m->most >= 0 && m->reply->made >= m->most) return "length";
  return g->n >= g->context ? "context" : NULL;
}

static int make(Making *m) {
  Language *l = m->l;
  Generator *g = &l->generator;
  const float *logits;
  int64_t start = os_now();
  while (!(m->reply->reason = why_end(m))) {
    if (!generator_next(g, &logits)) {
      if (!g->stopped) return generator_failed(l);
      g->stopped = false;
      m->reply->reason = "interrupted";
      return DONE;
    }
    if (m->reply->made == 0) m->reply->prompt_ns = os_now() - start;
    int32_t next = (int32_t)sampler_next(&l->sampler, logits, g->token, g->n);
    if (language_ends(l, next)) return m->reply->reason = "end", DONE;
    if (m->chance) note_chances(m, logits, next);
    generator_add(g, &next, 1);
    m->reply->made++;
    if (!write_token(m)) return complain(l->program, NO_RESOURCE, "cannot write to standard output: is it closed, or the disk full?");
    m->reply->made_ns = os_now() - start - m->reply->prompt_ns;
  }
  return DONE;
}

static bool is_interrupted(void *interrupts) { return os_interrupted(*(int64_t *)interrupts); }

static int open_making(Making *m) {
  Language *l = m->l;
  Generator *g = &l->generator;
  g->stop = is_interrupted;
  g->stop_context = &l->interrupts;
  *m->reply = (Reply){.prompt = g->n - g->fed};
  int status = take_stops(m);
  if (status == DONE && m->stops.n && !l->has_words) status = complain(l->program, BAD_USAGE, "--stop: this program has no vocabulary");
  if (status == DONE) status = make_room(m);
  if (status == DONE) begin_text(m, m->json || m->ids ? to_nobody : to_output);
  return status;
}

int reply_make(Language *l, Reply *r) {
  const Arguments *args = &l->program->args;
  Making m = {.l = l, .reply = r, .begin = l->generator.n, .most = argument_number(args, ARG_tokens, -1), .ids = args->at[ARG_ids].given,
              .json = args->at[ARG_json].given};
  int status = open_making(&m);
  if (status == DONE) status = make(&m);
  if (status == DONE && m.json) put_object(&m);
  else if (status == DONE && l->has_words) end_text(&m);
  if (status == DONE && !m.json) text_put(l->program->out, "\n");
  text_flush(l->program->out);
  if (status == DONE && text_same(r->reason, "context")) text_say(2, "(the context of %d tokens is full)\n", l->generator.context);
  if (status == DONE) say_stats(&m);
  os_release(m.chance, (size_t)(m.room * (m.likeliest + 1)) * sizeof *m.chance);
  return status;
}
