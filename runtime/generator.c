/* generator.c -- a text of a language model, token by token: what the caches hold of it, and logits of what comes next. */
#include "runtime/generator.h"

#include "runtime/facts.h"
#include "runtime/os.h"
#include "runtime/size.h"
#include "runtime/words.h"

enum { CHUNK = 256 };

static const char *const inputs[GENERATOR_INPUTS] = {"ids", "positions", "sequences", "outputs"};

static bool fail(Generator *g, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  text_format_list(g->why.text, sizeof g->why.text, fmt, ap);
  va_end(ap);
  return false;
}

static int64_t input_of(const lrt_program *p, const char *name) {
  for (int64_t i = 0; i < p->n_inputs; i++)
    if (text_same(p->input[i].name, name) && p->input[i].dtype == LRT_i64 && p->input[i].rank == 1) return i;
  return -1;
}

bool generator_can(const lrt_model *m, const lrt_program *p) {
  for (int i = 0; i < GENERATOR_INPUTS; i++)
    if (input_of(p, inputs[i]) < 0) return false;
  return p->n_inputs == GENERATOR_INPUTS && p->n_outputs == 1 && p->output[0].rank == 2 && p->output[0].dtype == LRT_f32 &&
         fact_number(m, "context", 0) > 0;
}

int64_t generator_words(const lrt_program *p) {
  int64_t n;
  return size_value(p->words, p->output[0].dim[1], NULL, &n) ? n : 0;
}

/* ---- opening ---- */

static int64_t most_rows(const lrt_program *p) {
  for (int64_t i = 0; i < p->n_symbols; i++)
    if (text_same(p->symbol[i].name, "rows") && p->symbol[i].capacity >= 0) return p->symbol[i].capacity;
  return INT64_MAX;
}

static bool choose_sizes(Generator *g, const lrt_model *m, int64_t context, int64_t chunk) {
  int64_t most = fact_number(m, "context", 1), rows = most_rows(g->session->program);
  if (context > most) return fail(g, "a context of %d: this program was built for %d", context, most);
  if (chunk > rows) return fail(g, "chunks of %d: this program takes %d rows at most", chunk, rows);
  g->context = context ? context : most;
  g->chunk = chunk ? chunk : rows < CHUNK ? rows : CHUNK;
  return true;
}

bool generator_open(Generator *g, const lrt_model *m, lrt_session *s, int64_t context, int64_t chunk) {
  *g = (Generator){.session = s, .back = fact_number(m, "back", INT64_MAX)};
  if (!choose_sizes(g, m, context, chunk)) return false;
  for (int i = 0; i < GENERATOR_INPUTS; i++) {
    g->input[i] = input_of(s->program, inputs[i]);
    if (!(g->row[i] = os_memory((size_t)g->chunk * sizeof **g->row))) return fail(g, "there is no memory for chunks of %d", g->chunk);
  }
  g->token = os_memory((size_t)g->context * sizeof *g->token);
  return g->token || fail(g, "there is no memory for %d tokens", g->context);
}

void generator_close(Generator *g) {
  for (int i = 0; i < GENERATOR_INPUTS; i++) os_release(g->row[i], (size_t)g->chunk * sizeof **g->row);
  os_release(g->token, (size_t)g->context * sizeof *g->token);
  *g = (Generator){0};
}

/* ---- the text ---- */

bool generator_add(Generator *g, const int32_t *token, int64_t n) {
  if (n > g->context - g->n) return fail(g, "the prompt is %d tokens long, and the context holds %d", g->n + n, g->context);
  for (int64_t i = 0; i < n; i++) g->token[g->n++] = token[i];
  return true;
}

/* What a window has overwritten is gone, so the text is taken again from its beginning. */
bool generator_rewind(Generator *g, int64_t n) {
  if (n >= g->n) return true;
  g->n = n;
  if (n >= g->fed) return true;
  g->fed = g->most - n > g->back ? 0 : n;
  if (g->fed == 0) g->most = 0;
  return session_truncate(g->session, g->sequence, g->fed) || fail(g, "%s", g->session->error);
}

/* ---- calls ---- */

/* The next n tokens; logits of the last `wanted` of them. */
static bool call(Generator *g, int64_t n, int64_t wanted, const float **logits) {
  lrt_session *s = g->session;
  int64_t dim[LRT_RANK];
  const void *data;
  for (int64_t i = 0; i < n; i++) {
    g->row[GENERATOR_IDS][i] = g->token[g->fed + i];
    g->row[GENERATOR_POSITIONS][i] = g->fed + i;
    g->row[GENERATOR_SEQUENCES][i] = g->sequence;
  }
  for (int64_t i = 0; i < wanted; i++) g->row[GENERATOR_OUTPUTS][i] = n - wanted + i;
  for (int i = 0; i < GENERATOR_INPUTS; i++) session_input(s, g->input[i], i == GENERATOR_OUTPUTS ? &wanted : &n, g->row[i]);
  if (!session_prepare(s) || !session_run(s) || !session_output(s, 0, dim, &data)) return fail(g, "%s", s->error);
  g->fed += n;
  if (g->fed > g->most) g->most = g->fed;
  g->words = dim[1];
  *logits = data;
  return true;
}

/* Leaves the last `rest` tokens. */
static bool feed(Generator *g, int64_t rest) {
  const float *unused;
  for (int64_t n; (n = g->n - rest - g->fed) > 0;) {
    if (g->stop && g->stop(g->stop_context)) return g->stopped = true, false;
    if (!call(g, n < g->chunk ? n : g->chunk, 1, &unused)) return false;
  }
  return true;
}

bool generator_next(Generator *g, const float **logits) {
  if (g->fed == g->n) g->fed--; /* its logits are gone; the caches take the row again */
  int64_t last = (g->n - g->fed - 1) % g->chunk + 1;
  return feed(g, last) && call(g, last, 1, logits);
}

bool generator_each(Generator *g, int64_t count, const float **logits) { return feed(g, count) && call(g, count, count, logits); }
